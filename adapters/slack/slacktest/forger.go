package slacktest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// forger is a bottest.Forger.
type forger struct {
	*Home
	forms int
}

// Forger implements bottest.Home.
func (h *Home) Forger() bottest.Forger { return &forger{Home: h} }

func (f *forger) Workspace() string { return f.TeamID }

func (f *forger) Leads(users ...string) {
	f.AddGroup(UserGroup{ID: HomeLeads, Handle: "leads", Name: "Leads", Members: users})
}

func (f *forger) Others(users ...string) string {
	const id = "S0OTHERS"
	f.AddGroup(UserGroup{ID: id, Handle: "others", Name: "Others", Members: users})
	return id
}

// Elsewhere installs the app anew, in another workspace.
func (f *forger) Elsewhere(user string) (then func()) {
	f.Set(func(w *Workspace) { w.TeamID = "T0ELSEWHERE" })
	f.AddUser(User{ID: user, Name: "elsewhere"})
	return func() {}
}

func (f *forger) Places(user string) []bottest.Forbidden {
	for _, c := range []Channel{{ID: "C0OTHER", Name: "other", BotIn: true},
		{ID: "C0SHARED", Name: "shared", BotIn: true, ExtShared: true}, {ID: "D0USER", IM: true, BotIn: true},
		{ID: "C0SEVERAL", Name: "several", MPIM: true, Private: true, BotIn: true}} {
		c.Members = []string{user}
		f.AddChannel(c)
	}
	return []bottest.Forbidden{{Channel: "C0OTHER", Why: "wrong_channel"}, {Channel: "C0SHARED",
		Why: "trouble.ext_shared"}, {Channel: "D0USER", Why: "trouble.direct_message"}, {Channel: "C0SEVERAL",
		Why: "trouble.direct_message"}}
}

func (f *forger) Holds(on bottest.Shown, button bot.ButtonKind, carries string) bool {
	m, ok := on.Own.(interface{ Buttons() []Button })
	return ok && slices.ContainsFunc(m.Buttons(), func(own Button) bool {
		return own.ActionID == string(button) && own.Value == carries
	})
}

func (f *forger) Forge(user string, on bot.Ref, button bot.ButtonKind, carries string) bottest.Deed {
	return f.PressForged(user, forged(on), string(button), carries).Deed()
}

// forged is a message, or one that is not there where none is named.
func forged(on bot.Ref) MessageRef {
	return MessageRef{Channel: on.Channel, TS: cmp.Or(on.Message, "1.000001")}
}

func (f *forger) Verdict(user string, on bot.Ref, id bot.RequestID, v bot.Verdict, digest string,
	values map[string]string) bottest.Deed {
	where := map[string]any{"c": on.Channel, "r": id, "d": digest}
	if on.Message != "" {
		where["m"] = on.Message
	}
	return f.submit(user, string(v), where, values)
}

func (f *forger) Ask(user string, on bot.Ref, values map[string]string) bottest.Deed {
	return f.submit(user, "ask", map[string]any{"c": on.Channel}, values)
}

// submit sends a form that was never opened.
func (f *forger) submit(user, callback string, carries map[string]any, filled map[string]string) bottest.Deed {
	encode := func(v any) string {
		body, err := json.Marshal(v)
		if err != nil {
			panic(err) // unreachable unless somebody puts a value there that JSON lacks
		}
		return string(body)
	}
	type object = map[string]any
	values := object{}
	for name, v := range filled {
		values[name] = object{"value": object{"type": "plain_text_input", "value": v}}
	}
	f.forms++
	return f.Send("interactive", json.RawMessage(encode(object{
		"type": "view_submission", "trigger_id": fmt.Sprint("forged.", f.forms), "team": object{"id": f.TeamID},
		"user": object{"id": user, "name": user, "team_id": f.TeamID},
		"view": object{"id": "V0FORGED", "type": "modal", "callback_id": callback, "private_metadata": encode(carries),
			"hash": "1.a", "state": object{"values": values}},
	}))).Deed()
}

func (f *forger) Found(user string, on bot.Ref) bottest.Deed {
	return f.PressForged(user, forged(on), "recall_find", "v1:find:slack-0123456789abcdef").Deed()
}

func (f *forger) Said(d bottest.Deed) string { return string(d.(Deed).Response()) }

func (f *forger) Repeat(d bottest.Deed) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.Again().Wait(ctx); err != nil {
		return err
	}
	last := d.(Deed)
	return f.Send(last.Type, last.Payload).Wait(ctx)
}

func (f *forger) Kinds(approver string) iter.Seq2[string, string] {
	users := []string{approver}
	kinds := []struct {
		u   User
		why string
	}{
		{User{Bot: true}, "trouble.bot"}, {User{ConnectorBot: true}, "trouble.bot"},
		{User{WorkflowBot: true}, "trouble.workflow"}, {User{Deleted: true}, "trouble.deactivated"},
		{User{Restricted: true}, "trouble.guest"}, {User{UltraRestricted: true, Restricted: true}, "trouble.guest"},
		{User{Invited: true}, "trouble.guest"}, {User{TeamID: "T0OTHER"}, "trouble.foreign"},
		{User{Stranger: true}, "trouble.foreign"},
		{User{TeamID: "T0OTHER", EnterpriseID: "E0OTHER"}, "trouble.foreign"},
	}
	for i := range kinds {
		u := &kinds[i].u
		u.ID, u.Name = fmt.Sprint("U0KIND", i), fmt.Sprint("kind", i)
		f.AddUser(*u)
		users = append(users, u.ID)
	}
	f.AddChannel(Channel{ID: HomeChannel, Name: "trust", Members: users, BotIn: true})
	f.Leads(users...)
	time.Sleep(time.Minute) // what was known of the group no longer counts
	return func(yield func(string, string) bool) {
		for _, kind := range kinds {
			if !yield(kind.u.ID, kind.why) {
				return
			}
		}
	}
}
