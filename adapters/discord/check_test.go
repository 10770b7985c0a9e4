package discord

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
)

// checked is what Check finds, one thing a line.
func (r *rig) checked(t *testing.T) string {
	t.Helper()
	before := len(r.Log())
	found, err := r.adapter.Check(t.Context(), r.roster)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Log()[before:] {
		if c.Method != "GET" {
			t.Errorf("%v: more than reading", c)
		}
	}
	return adaptertest.Findings(t, found)
}

// allowed is a policy for Discord.
func allowed(channels []string, requesters, approvers []bot.Principal) bot.Policy {
	p := bot.DefaultPolicy()
	p.Crowds = map[bot.Platform]bot.Crowd{ID: {Requesters: requesters, Approvers: approvers,
		Channels: channels, AnyChannel: channels == nil}}
	return p
}

func (r *rig) wants(t *testing.T, name string, wants ...string) {
	t.Helper()
	got := r.checked(t)
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%s: want %q in:\n%s", name, want, got)
		}
	}
}

// checkupIn runs f with a configuration in which nothing is wrong, and fails when Check does more
// than read.
func checkupIn(t *testing.T, by mode, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, by, func(r *rig, _ *Options) {
			r.AddMember(discordtest.Member{UserID: "42", Name: "lena"})
			r.AddRole(discordtest.Role{ID: leads, Name: "leads", Mentionable: true,
				Members: []string{mina, theo, "42"}})
			r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{Group: leads}}))
		})
		r.ready(t)
		f(t, r)
		r.stop()
	})
}

func TestCheckWell(t *testing.T) {
	for by, how := range map[mode]string{
		overGateway: "ok   interactions come over the Gateway",
		overHTTP:    "ok   interactions are sent to bot.example/discord/interactions",
	} {
		checkupIn(t, by, func(t *testing.T, r *rig) {
			got := r.checked(t)
			for _, want := range []string{
				"ok   the bot token works and belongs to the application " + r.ApplicationID, how,
				"ok   the bot is in the server " + r.ID,
				"ok   the commands are registered", "ok   the channel 100 can be used",
				"ok   at most 1 account may ask", "ok   at most 3 accounts may approve, and as many as 2 approvals",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("want %q in:\n%s", want, got)
				}
			}
			if strings.Contains(got, "BAD") || strings.Contains(got, "hint") {
				t.Errorf("something is wrong:\n%s", got)
			}
		})
	}
}

func TestCheckApplication(t *testing.T) {
	checkupIn(t, overGateway, func(t *testing.T, r *rig) {
		r.adapter.o.ApplicationID = "5"
		r.wants(t, "another application", "BAD  the bot token belongs to the application "+r.ApplicationID+
			", not to 5 -> set DISCORD_APPLICATION_ID to "+r.ApplicationID,
			"BAD  commands cannot be registered")
		r.adapter.o.ApplicationID = r.ApplicationID
		r.Deliver(r.adapter.Handler())
		r.wants(t, "an endpoint beside the Gateway",
			"BAD  the portal has interactions sent to bot.example/discord/interactions, which makes the Gateway silent")
		r.Deliver(nil)

		r.Fail("GET /applications/@me", 3, discordtest.Status(503))
		if _, err := r.adapter.Check(t.Context(), r.roster); err == nil {
			t.Error("an outage is called a finding")
		}
		r.Fail("GET /applications/@me", 1, discordtest.APIError(401, 0))
		if got := r.checked(t); !strings.HasPrefix(got,
			"BAD  Discord refuses the bot token -> set DISCORD_BOT_TOKEN") || strings.Count(got, "\n") != 1 ||
			strings.Contains(got, r.BotToken) {
			t.Errorf("with a refused token:\n%s", got)
		}
	})
	checkupIn(t, overHTTP, func(t *testing.T, r *rig) {
		r.adapter.o.PublicKey = strings.Repeat("00", 32)
		r.wants(t, "another key", "BAD  the public key is not the application's")
		r.Deliver(nil)
		r.wants(t, "no endpoint", "BAD  the portal has no endpoint")
		r.InteractionsURL = "https://bot.example/other?key=hidden"
		r.wants(t, "another path", "hint interactions are sent to bot.example/other -> ")
		if got := r.checked(t); strings.Contains(got, "hidden") {
			t.Errorf("what may be a secret is shown:\n%s", got)
		}
	})
}

func TestCheckPlaces(t *testing.T) {
	checkupIn(t, overGateway, func(t *testing.T, r *rig) {
		at, err := r.adapter.Reply(t.Context(), r.post(t), note("n", "x"))
		if err != nil {
			t.Fatal(err)
		}
		r.AddChannel(discordtest.Channel{ID: "200", Name: "voice", Type: 2})
		r.AddChannel(discordtest.Channel{ID: "201", Name: "closed"})
		r.Deny("201", discordtest.ViewChannel)
		r.follows(allowed([]string{trust, "200", "201", "202", at.Thread}, []bot.Principal{{User: mina}},
			[]bot.Principal{{Group: leads}}))
		r.Deny(trust, discordtest.AttachFiles|discordtest.SendMessagesInThreads)
		r.wants(t, "channels", "BAD  in the channel 100 the bot may not: Send Messages in Threads, Attach Files -> ",
			"BAD  the channel 200 is of a kind",
			"BAD  the bot may not see the channel 201", "BAD  the channel 202 does not exist",
			"BAD  "+at.Thread+" in DISCORD_CHANNELS is a thread")
		r.Allow(trust, discordtest.AttachFiles|discordtest.SendMessagesInThreads)
		r.wants(t, "a channel mended", "ok   the channel 100 can be used")

		r.AddRole(discordtest.Role{ID: leads, Name: "leads", Members: []string{mina, theo, "42"}})
		r.wants(t, "a role that cannot be mentioned", "BAD  in the channel 100 a card would not notify the role "+leads+
			" (leads)")
		r.Allow(trust, discordtest.MentionEveryone)
		if got := r.checked(t); strings.Contains(got, "would not notify") {
			t.Errorf("the bot may mention all roles:\n%s", got)
		}

		r.follows(allowed(nil, []bot.Principal{{User: mina}}, []bot.Principal{{Group: leads}}))
		r.wants(t, "any channel", "BAD  in the server "+r.ID+
			" the bot may not: Create Public Threads, Embed Links, Attach Files")
		r.AddRole(discordtest.Role{ID: "77", Name: "recallbot", Members: []string{r.BotUserID},
			Permissions: Permissions})
		r.wants(t, "any channel, with its role", "ok   the bot may be used in every channel")

		r.adapter.o.Guilds = []string{r.ID, "9"}
		r.wants(t, "another server", "BAD  the bot is not in the server 9 -> invite")
		r.adapter.o.Guilds = []string{"9"}
		r.follows(allowed([]string{trust}, nil, nil))
		r.wants(t, "a channel of another server", "BAD  the channel 100 is in none of the servers")
	})
}

func TestCheckPeople(t *testing.T) {
	checkupIn(t, overGateway, func(t *testing.T, r *rig) {
		r.AddRole(discordtest.Role{ID: "78", Name: "empty", Mentionable: true})
		r.follows(allowed([]string{trust}, []bot.Principal{{User: "9999"}},
			[]bot.Principal{{Group: "78"}, {Group: "79"}, {Group: r.ID}, {User: theo}}))
		r.wants(t, "people", "BAD  nobody is in the role 78 (empty)", "BAD  the role 79 does not exist",
			"BAD  the role "+r.ID+" is everybody",
			"BAD  the account 9999 is in none of the servers", "BAD  nobody on Discord may ask",
			"BAD  at most 1 person may approve, and as many as 2 approvals are needed: such requests are refused")
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}}, nil))
		r.wants(t, "nobody", "BAD  nobody on Discord may approve -> set DISCORD_APPROVERS")
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}},
			[]bot.Principal{{User: mina}, {User: theo}}))
		r.wants(t, "just enough", "hint at most 2 people may approve, just as many")

		// People count, not accounts.
		discord := func(users ...string) (l []bot.Account) {
			for _, u := range users {
				l = append(l, bot.Account{Platform: ID, Workspace: "discord", User: u})
			}
			return l
		}
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}},
			[]bot.Principal{{User: mina}, {User: theo}, {User: "42"}}))
		r.wants(t, "three accounts", "ok   at most 3 accounts may approve")
		r.roster = bot.Roster{People: []bot.Person{{Name: "Mina", Accounts: discord(mina)},
			{Name: "Theo", Accounts: discord(theo, "42")}}}
		r.wants(t, "three accounts of two people", "hint at most 2 people may approve, just as many")
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{Group: leads}}))
		r.wants(t, "a role of three, and two people", "hint at most 2 people may approve, just as many")
	})
}

// TestPermissions follows Discord's order of roles and overwrites.
func TestPermissions(t *testing.T) {
	n := func(bits int64) string { return strconv.FormatInt(bits, 10) }
	const view, send, embed = discordtest.ViewChannel, discordtest.SendMessages, discordtest.EmbedLinks
	h := &home{id: "g", own: []string{"a", "b"}, roles: map[string]role{
		"g": {ID: "g", Permissions: n(view)}, "a": {ID: "a", Permissions: n(send)}, "b": {ID: "b"},
		"c": {ID: "c", Permissions: n(discordtest.Administrator)},
	}}
	for name, tt := range map[string]struct {
		by   []overwrite
		want int64
	}{
		"nothing changed":     {nil, view | send},
		"denied to everybody": {[]overwrite{{ID: "g", Deny: n(view | send)}}, 0},
		"denied to everybody, not to it": {[]overwrite{{ID: "self", Type: 1, Allow: n(view)},
			{ID: "g", Deny: n(view | send)}}, view},
		"allowed by one role, denied by b": {[]overwrite{{ID: "a", Allow: n(embed)}, {ID: "b", Deny: n(embed)}},
			view | send | embed},
		"denied by a role, allowed to all": {[]overwrite{{ID: "g", Allow: n(embed)}, {ID: "a", Deny: n(embed)}},
			view | send},
		"denied to itself": {[]overwrite{{ID: "a", Allow: n(embed)},
			{ID: "self", Type: 1, Deny: n(embed | send)}}, view},
		"of roles and users of others": {[]overwrite{{ID: "c", Deny: n(view)},
			{ID: "other", Type: 1, Deny: n(view)}, {ID: "self", Type: 0, Deny: n(view)}}, view | send},
	} {
		if got := h.may("self", tt.by); got != tt.want {
			t.Errorf("%s: %b, want %b", name, got, tt.want)
		}
	}
	h.own = append(h.own, "c")
	if got := lacking(h.may("self", []overwrite{{ID: "g", Deny: n(view)}})); got != nil {
		t.Errorf("an administrator lacks %v", got)
	}
	h.own, h.owner = nil, true
	if got := lacking(h.may("self", nil)); got != nil {
		t.Errorf("the owner lacks %v", got)
	}
}

func TestSameCommands(t *testing.T) {
	const one = `[{"name":"a","type":1,"description":"d","options":[{"name":"x","type":3,"description":"e"}]},{"name":"b","type":1,"description":"d"}]`
	for other, want := range map[string]bool{
		one: true,
		`[{"id":"5","version":"7","name":"b","type":1,"description":"d","options":[]},{"name":"a","type":1,"description":"d","options":[{"name":"x","type":3,"description":"e","required":false}]}]`: true,
		`[{"name":"b","type":1,"description":"d"}]`: false,
		`[{"name":"a","type":1,"description":"d","options":[{"name":"x","type":3,"description":"e","required":true}]},{"name":"b","type":1,"description":"d"}]`: false,
		`[{"name":"a","type":1,"description":"d","options":[{"name":"x","type":4,"description":"e"}]},{"name":"b","type":1,"description":"d"}]`:                 false,
		`[]`: false, `{}`: false, `null`: false,
	} {
		if got := sameCommands([]byte(one), []byte(other)); got != want {
			t.Errorf("%s: %v", other, got)
		}
	}
}
