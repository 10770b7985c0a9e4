package discordtest

import (
	"errors"
	"testing"
)

func TestOptionValues(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	options := []any{}
	for n, name := range map[int]string{3: "text", 4: "whole", 5: "yes", 6: "user", 7: "where", 8: "role", 9: "who",
		10: "number"} {
		options = append(options, object{"type": n, "name": name, "description": "d"})
	}
	options = append(options, object{"type": 3, "name": "pick", "description": "d",
		"choices": []any{object{"name": "One", "value": "1"}}},
		object{"type": 4, "name": "count", "description": "d", "choices": []any{object{"name": "Two", "value": 2}}})
	want(t, call(t, g, "PUT", "/applications/"+g.ApplicationID+"/guilds/"+g.ID+"/commands", []any{
		object{"name": "any", "description": "d", "options": options},
		object{"name": "admin", "description": "d", "default_member_permissions": "0"},
		object{"name": "mods", "description": "d", "default_member_permissions": "8192"},
	}), 200, 0)
	for _, tt := range []struct {
		option Option
		sent   bool
	}{
		{Opt("text", "x"), true}, {Opt("text", "  "), false}, {Opt("text", 1), false},
		{Opt("whole", int64(5)), true}, {Opt("whole", 1.5), false}, {Opt("whole", float64(1<<60)), false},
		{Opt("number", 1.5), true}, {Opt("number", "1"), false}, {Opt("yes", true), true}, {Opt("yes", "true"), false},
		{Opt("user", mina), true}, {Opt("user", "mina"), false}, {Opt("where", trust), true},
		{Opt("role", leads), true}, {Opt("who", theo), true},
		{Opt("pick", "1"), true}, {Opt("pick", "One"), false}, {Opt("count", 2), true}, {Opt("count", 3), false},
	} {
		i := g.Command(mina, trust, "any", tt.option)
		if (i.Err == nil) != tt.sent {
			t.Errorf("%+v: %v", tt.option, i.Err)
		}
		if i.Err == nil {
			data := sub(b.expect(0, "INTERACTION_CREATE"), "data")
			if kind := tt.option.Name; (kind == "user" || kind == "where" || kind == "role" || kind == "who") &&
				len(sub(data, "resolved")) == 0 {
				t.Errorf("%+v: nothing is resolved in %v", tt.option, data)
			}
		}
	}

	// default_member_permissions hides commands, from all but administrators where it is "0".
	g.AddMember(Member{UserID: theo, Name: "theo", Permissions: ManageMessages})
	g.AddMember(Member{UserID: "9", Name: "ada", Admin: true})
	for _, tt := range []struct {
		user, command string
		sent          bool
	}{{mina, "admin", false}, {mina, "mods", false}, {theo, "mods", true}, {theo, "admin", false}, {"9", "admin", true},
		{"9", "mods", true}} {
		if i := g.Command(tt.user, trust, tt.command); (i.Err == nil) != tt.sent {
			t.Errorf("%s sends /%s: %v", tt.user, tt.command, i.Err)
		}
	}
	g.RemoveMember(theo)
	if i := g.Command(theo, trust, "mods"); !errors.Is(i.Err, ErrClient) {
		t.Error("somebody who left sent a command")
	}
	g.RemoveRole(leads)
	want(t, call(t, g, "GET", "/guilds/"+g.ID+"/members/"+theo, nil), 404, 10007)

	g.KeepMentionsLiteral = true
	if i := g.Command(mina, trust, "any", Opt("text", "@mina")); i.Err != nil {
		t.Error(i.Err)
	}
}
