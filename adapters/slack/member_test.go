package slack

import (
	"slices"
	"testing"
	"time"

	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

// TestCountApprovers: who could approve is told with every command, each account once, from the
// groups as they were last read; what was never read is not known.
func TestCountApprovers(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		if m := (bot.Member{}); true {
			x.a.countApprovers(&m)
			if m.ApproversKnown || m.Approvers != nil {
				x.t.Errorf("before anything was read: %+v", m)
			}
		}
		policy := x.bot.policy.Crowds[ID]
		policy.Approvers = []bot.Principal{{Group: "S0LEADS"}, {User: "U0THEO"}, {User: "U0NOBODY"}}
		x.bot.policy.Crowds[ID] = policy
		told := func() (users []string) {
			x.t.Helper()
			if err := x.w.Command("U0MINA", "C0TRUST", "/recalls", "help").Wait(x.t.Context()); err != nil {
				x.t.Fatal(err)
			}
			time.Sleep(time.Second)
			x.bot.mu.Lock()
			defer x.bot.mu.Unlock()
			m := x.bot.done[len(x.bot.done)-1].member
			if !m.ApproversKnown {
				x.t.Errorf("not known: %+v", m)
			}
			for _, a := range m.Approvers {
				if a != x.a.account(a.User) {
					x.t.Errorf("an approver is %v", a)
				}
				users = append(users, a.User)
			}
			slices.Sort(users)
			return users
		}
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0MINA", "U0THEO"}})
		time.Sleep(time.Minute)
		for range 2 { // asked of Slack, and from what was asked
			if got := told(); !slices.Equal(got, []string{"U0MINA", "U0NOBODY", "U0THEO"}) {
				x.t.Errorf("approvers: %v", got)
			}
		}
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Disabled: true, Members: []string{"U0MINA"}})
		time.Sleep(time.Minute)
		if got := told(); !slices.Equal(got, []string{"U0NOBODY", "U0THEO"}) {
			x.t.Errorf("with the group disabled: %v", got)
		}
	})
}
