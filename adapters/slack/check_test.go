package slack

import (
	"strings"
	"testing"
	"time"

	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

func (x *world) check() string {
	x.t.Helper()
	found, err := x.a.Check(x.t.Context())
	if err != nil {
		x.t.Fatalf("Check: %v", err)
	}
	var b strings.Builder
	for _, f := range found {
		switch {
		case f.Mend == "":
			b.WriteString("ok   ")
		case f.Hint:
			b.WriteString("hint ")
		default:
			b.WriteString("BAD  ")
		}
		b.WriteString(f.What)
		if f.Mend != "" {
			b.WriteString(" -> " + f.Mend)
		}
		b.WriteByte('\n')
	}
	if strings.Contains(b.String(), " 1 accounts") || strings.Contains(b.String(), "  ->") || strings.Contains(b.String(), "BAD   ") {
		x.t.Errorf("it reads badly:\n%s", b.String())
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		time.Sleep(time.Minute)
		got := x.check()
		for _, want := range []string{"ok   the bot token works", "ok   the app token works", "ok   the channel C0TRUST can be posted to", "BAD  the account U0GUEST is a guest, so it may neither ask nor approve -> correct",
			"2 accounts may approve", "hint the scope im:read is not needed"} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		x.bot.policy.Crowds[bot.Slack] = bot.Crowd{
			Requesters: []bot.Principal{{User: "U0UNHEARD"}}, Approvers: []bot.Principal{{Group: "S0UNHEARD"}, {User: "U0THEO"}}, Channels: []string{"C0PRIVATE", "C0OLD", "C0SHARED", "C0UNHEARD"},
		}
		x.w.Set(func(w *slacktest.Workspace) {
			w.Scopes = []string{"commands", "chat:write", "users:read", "usergroups:read", "channels:read", "groups:read"}
			w.AppScopes = nil
		})
		time.Sleep(time.Minute)
		got = x.check()
		for _, want := range []string{
			"BAD  the scope files:write is missing", "connections:write", "BAD  the channel C0PRIVATE does not exist, or the bot is not in it -> invite", "BAD  the channel C0OLD is archived -> take it out",
			"BAD  the channel C0SHARED is shared with another organisation, whose members would see the messages -> use", "BAD  the channel C0UNHEARD does not exist", "BAD  the user group S0UNHEARD has nobody",
			"BAD  the account U0UNHEARD is nobody of this workspace", "BAD  nobody on Slack may ask", "BAD  1 account may approve, and as many as 2 approvals are needed",
		} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		// Without the scopes to look at them there is no saying what channels and groups are, but that is no outage.
		x.w.Set(func(w *slacktest.Workspace) {
			w.Scopes, w.AppScopes = []string{"commands", "chat:write"}, []string{"connections:write"}
		})
		time.Sleep(time.Minute)
		got = x.check()
		for _, want := range []string{
			"BAD  the scope usergroups:read is missing", "BAD  the channel C0PRIVATE could not be looked at: missing_scope -> give the bot token the scopes of the manifest",
			"BAD  the user group S0UNHEARD could not be looked at: missing_scope", "BAD  the account U0THEO could not be looked at",
		} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		if strings.Contains(got, "nobody on Slack") || strings.Contains(got, "connections:write") {
			x.t.Errorf("more is said than is known:\n%s", got)
		}
		x.w.Fail("auth.test", 1, slacktest.Code("token_revoked"))
		if got := x.check(); !strings.Contains(got, "BAD  Slack refuses the bot (auth.test: token_revoked) -> the token was revoked") {
			x.t.Errorf("with a revoked token:\n%s", got)
		}
		x.w.Fail("auth.test", 1, slacktest.ServerError(503))
		if _, err := x.a.Check(x.t.Context()); err == nil {
			x.t.Error("an outage is called a finding")
		}
		for method := range x.w.Counts() {
			switch method {
			case "auth.test", "apps.connections.open", "conversations.info", "users.info", "usergroups.users.list", "link":
			default:
				x.t.Errorf("%s was called: more than reading", method)
			}
		}
	})
}
