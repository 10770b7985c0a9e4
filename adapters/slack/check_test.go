package slack

import (
	"strings"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

func (x *world) check() string {
	x.t.Helper()
	found, err := x.a.Check(x.t.Context(), x.roster)
	if err != nil {
		x.t.Fatalf("Check: %v", err)
	}
	return adaptertest.Findings(x.t, found)
}

func TestCheck(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		time.Sleep(time.Minute)
		got := x.check()
		for _, want := range []string{"ok   the bot token works", "ok   the app token works",
			"ok   the channel C0TRUST can be posted to",
			"BAD  the account U0GUEST is a guest, so it may neither ask nor approve -> correct",
			"hint 1 person besides them may approve what these accounts ask, and as many as 2 approvals are needed, so that it is refused: U0THEO -> add an approver", "hint the scope im:read is not needed"} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		x.bot.PolicyNow().Crowds[ID] = bot.Crowd{
			Requesters: []bot.Principal{{User: "U0UNHEARD"}}, Approvers: []bot.Principal{{Group: "S0UNHEARD"},
				{User: "U0THEO"}}, Channels: []string{"C0PRIVATE", "C0OLD", "C0SHARED", "C0UNHEARD"},
		}
		x.w.Set(func(w *slacktest.Workspace) {
			w.Scopes = []string{"commands", "chat:write", "users:read", "usergroups:read", "channels:read",
				"groups:read"}
			w.AppScopes = nil
		})
		time.Sleep(time.Minute)
		got = x.check()
		for _, want := range []string{
			"BAD  the scope files:write is missing", "connections:write",
			"BAD  the channel C0PRIVATE does not exist, or the bot is not in it -> invite",
			"BAD  the channel C0OLD is archived -> take it out",
			"BAD  the channel C0SHARED is shared with another organisation, whose members would see the messages -> use",
			"BAD  the channel C0UNHEARD does not exist", "BAD  the user group S0UNHEARD has nobody",
			"BAD  the account U0UNHEARD is nobody of this workspace", "BAD  nobody on Slack may ask",
			"BAD  1 person besides whoever asks may approve, and as many as 2 approvals are needed: such requests are refused",
		} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		x.roster = bot.Roster{People: []bot.Person{{Name: "Mina", Accounts: []bot.Account{
			{Platform: ID, User: "U0MINA"}, {Platform: ID, Workspace: x.w.TeamID, User: "U0MINA2"},
			{Platform: ID, Workspace: "E0GRID", User: "W0MINA"},
		}}}}
		got = x.check()
		if want := "hint the account E0GRID/W0MINA of Mina in the roster is of another workspace"; !strings.Contains(
			got, want) || strings.Count(got, "of another workspace than the bot's") != 1 {
			x.t.Errorf("want %q, of that account alone, in:\n%s", want, got)
		}
		// People count, and whoever asks does not.
		missing := x.bot.PolicyNow().Crowds[ID]
		x.w.AddUser(slacktest.User{ID: "U0OLA", Name: "ola"})
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads",
			Members: []string{"U0MINA", "U0THEO", "U0NOBODY"}})
		x.bot.PolicyNow().Crowds[ID] = bot.Crowd{Requesters: []bot.Principal{{User: "U0MINA"}},
			Approvers: []bot.Principal{{Group: "S0LEADS"}}, Channels: []string{"C0TRUST"}}
		for _, test := range []struct {
			name       string
			people     [][]string
			requesters []bot.Principal
			want       string
		}{
			{"three accounts", nil, nil, "ok   3 accounts may approve, and as many as 2 approvals are needed"},
			{"three accounts of two people", [][]string{{"U0MINA"}, {"U0THEO", "U0NOBODY"}}, nil,
				"BAD  1 person besides whoever asks may approve, and as many as 2 approvals are needed"},
			{"one who is not in the roster", [][]string{{"U0MINA"}, {"U0THEO"}}, nil,
				"BAD  1 person besides whoever asks may approve"},
			{"three people", [][]string{{"U0MINA"}, {"U0THEO"}, {"U0NOBODY"}}, nil, "ok   3 accounts may approve"},
			{"somebody else asks", [][]string{{"U0MINA"}, {"U0THEO", "U0NOBODY"}, {"U0OLA"}},
				[]bot.Principal{{User: "U0OLA"}, {User: "U0MINA"}},
				"hint 1 person besides them may approve what these accounts ask, and as many as 2 approvals are needed, so that it is refused: U0MINA"},
		} {
			x.roster = bot.Roster{}
			for _, users := range test.people {
				p := bot.Person{Name: users[0]}
				for _, u := range users {
					p.Accounts = append(p.Accounts, bot.Account{Platform: ID, User: u})
				}
				x.roster.People = append(x.roster.People, p)
			}
			crowd := x.bot.PolicyNow().Crowds[ID]
			if crowd.Requesters = test.requesters; test.requesters == nil {
				crowd.Requesters = []bot.Principal{{User: "U0MINA"}}
			}
			x.bot.PolicyNow().Crowds[ID] = crowd
			if got := x.check(); !strings.Contains(got, test.want) {
				x.t.Errorf("%s: want %q in:\n%s", test.name, test.want, got)
			}
		}

		x.bot.PolicyNow().Crowds[ID], x.roster = missing, bot.Roster{}
		// Without the scopes to look at them there is no saying what channels and groups are, but
		// that is no outage.
		x.w.Set(func(w *slacktest.Workspace) {
			w.Scopes, w.AppScopes = []string{"commands", "chat:write"}, []string{"connections:write"}
		})
		time.Sleep(time.Minute)
		got = x.check()
		for _, want := range []string{
			"BAD  the scope usergroups:read is missing",
			"BAD  the channel C0PRIVATE could not be looked at: missing_scope -> give the bot token the scopes of the manifest",
			"BAD  the user group S0UNHEARD could not be looked at: missing_scope",
			"BAD  the account U0THEO could not be looked at",
		} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		if strings.Contains(got, "nobody on Slack") || strings.Contains(got, "connections:write") {
			x.t.Errorf("more is said than is known:\n%s", got)
		}
		x.w.Fail("auth.test", 1, slacktest.Code("token_revoked"))
		if got := x.check(); !strings.Contains(got,
			"BAD  Slack refuses the bot (auth.test: token_revoked) -> the token was revoked") {
			x.t.Errorf("with a revoked token:\n%s", got)
		}
		x.w.Fail("auth.test", 1, slacktest.ServerError(503))
		if _, err := x.a.Check(x.t.Context(), x.roster); err == nil {
			x.t.Error("an outage is called a finding")
		}
		for method := range x.w.Counts() {
			switch method {
			case "auth.test", "apps.connections.open", "conversations.info", "users.info", "usergroups.users.list",
				"link":
			default:
				x.t.Errorf("%s was called: more than reading", method)
			}
		}
	})
}
