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
	return b.String()
}

func TestCheck(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		time.Sleep(time.Minute)
		got := x.check()
		for _, want := range []string{"ok   the bot token works", "ok   the app token works", "ok   the channel C0TRUST can be posted to", "BAD  the account U0GUEST counts for nothing: guest",
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
			"BAD  the scope files:write is missing", "connections:write", "BAD  the channel C0PRIVATE cannot be used: not_in_channel", "BAD  the channel C0OLD cannot be used: archived",
			"BAD  the channel C0SHARED cannot be used: ext_shared", "BAD  the channel C0UNHEARD cannot be used", "BAD  the user group S0UNHEARD has nobody", "BAD  the account U0UNHEARD counts for nothing",
			"BAD  nobody on Slack may ask", "BAD  1 accounts may approve, and 2 approvals are needed",
		} {
			if !strings.Contains(got, want) {
				x.t.Errorf("want %q in:\n%s", want, got)
			}
		}
		x.w.Fail("auth.test", 1, slacktest.Code("token_revoked"))
		if got := x.check(); !strings.Contains(got, "BAD  auth.test: token_revoked") {
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
