package slack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"
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
		policy := x.bot.PolicyNow().Crowds[ID]
		policy.Approvers = []bot.Principal{{Group: "S0LEADS"}, {User: "U0THEO"}, {User: "U0NOBODY"}}
		x.bot.PolicyNow().Crowds[ID] = policy
		told := func() (users []string) {
			x.t.Helper()
			if err := x.w.Command("U0MINA", "C0TRUST", "/recalls", "help").Wait(x.t.Context()); err != nil {
				x.t.Fatal(err)
			}
			time.Sleep(time.Second)
			did := x.bot.Did()
			m := did[len(did)-1].Member
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

// TestApproversLookedAt: who is deactivated, a guest, a bot, or has left is no approver; it is
// looked until enough others are found, and not again for ten minutes; who cannot be looked at
// counts.
func TestApproversLookedAt(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		policy := x.bot.PolicyNow().Crowds[ID]
		policy.Approvers = []bot.Principal{{Group: "S0LEADS"}}
		x.bot.PolicyNow().Crowds[ID] = policy
		told := func() (users []string) {
			x.t.Helper()
			x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 1"))
			time.Sleep(3 * time.Second)
			did := x.bot.Did()
			for _, who := range did[len(did)-1].Member.Approvers {
				users = append(users, who.User)
			}
			return users
		}
		group := func(users ...string) {
			x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: users})
			time.Sleep(time.Minute)
		}
		nobody := []string{"U0GONE", "U0GUEST", "U0SINGLE", "U0INVITED", "U0ALIEN", "U0STRANGE", "U0ROBOT", "U0FLOW",
			"U0LINK", "USLACKBOT", "U0LEFT"}
		group(nobody...)
		if got := told(); len(got) != 0 {
			x.t.Errorf("nobody could approve, but %v are told", got)
		}
		group(append(nobody, "U0THEO", "U0LENA", "U0NOBODY")...)
		before := x.w.Calls("users.info")
		began := time.Now()
		for range 9 {
			if got := told(); !slices.Equal(got, []string{"U0THEO", "U0LENA", "U0NOBODY"}) {
				x.t.Errorf("approvers: %v", got)
			}
			time.Sleep(time.Minute) // Mina's own account is looked at again
		}
		if n := x.w.Calls("users.info") - before; n != 9+2 {
			x.t.Errorf("%d accounts were looked at, want Mina nine times, Theo and Lena once", n)
		}
		time.Sleep(time.Until(began.Add(10*time.Minute + time.Second)))
		x.w.AddUser(slacktest.User{ID: "U0THEO", Name: "theo", Deleted: true})
		if got := told(); !slices.Equal(got, []string{"U0LENA", "U0NOBODY"}) {
			x.t.Errorf("approvers after one was deactivated: %v", got)
		}
		// Two accounts of one person are not two approvers: others are looked at too.
		x.bot.Follow(x.bot.PolicyNow(), bot.Roster{People: []bot.Person{
			{Name: "lena", Accounts: []bot.Account{x.a.account("U0LENA"), x.a.account("U0NOBODY")}},
			{Name: "mina", Accounts: []bot.Account{x.a.account("U0MINA"), x.a.account("U0TWO")}},
			{Name: "gone", Accounts: []bot.Account{x.a.account("U0GONE")}},
		}})
		x.w.AddUser(slacktest.User{ID: "U0TWO", Name: "two"})
		time.Sleep(approverFor)
		group("U0TWO", "U0LENA", "U0NOBODY", "U0GONE")
		if got := told(); !slices.Equal(got, []string{"U0TWO", "U0LENA", "U0NOBODY"}) {
			x.t.Errorf("approvers, two of them one person: %v", got)
		}
		x.bot.Follow(x.bot.PolicyNow(), bot.Roster{})
		x.w.AddUser(slacktest.User{ID: "U0THEO", Name: "theo", Deleted: true})
		group(append(nobody, "U0THEO", "U0LENA", "U0NOBODY")...)
		told()
		// Slack tells of Mina, and of nobody else.
		time.Sleep(approverFor)
		if !x.a.able("U0THEO") {
			x.t.Error("what was known is not forgotten")
		}
		x.w.Fail("users.info", 1, slacktest.Slow(0))
		x.w.Fail("users.info", -1, slacktest.ServerError(503))
		if got := told(); len(got) != len(nobody)+3 {
			x.t.Errorf("approvers where Slack does not tell: %v", got)
		}
		// Who asks does not wait for it longer than two seconds.
		x.w.Heal("users.info")
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recalls", "list")) // now Mina is known
		x.w.Fail("users.info", -1, slacktest.Hang())
		before, asked := len(x.bot.Did()), time.Now()
		d := x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 1")
		for len(x.bot.Did()) == before && time.Since(asked) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(asked); took < 1900*time.Millisecond || took > 2200*time.Millisecond {
			x.t.Errorf("somebody who asks waits %v for approvers who cannot be looked at", took)
		}
		x.acked(d)
	})
}

// TestApproversLookedAtHoweverAsked: by whatever act somebody asks, the approvers have been looked
// at, also where the account and the groups are known already. For other acts nobody is.
func TestApproversLookedAtHoweverAsked(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0GONE", "U0GUEST"}})
		for name, test := range map[string]struct {
			act  intake.Act
			asks bool
		}{
			"a command":      {intake.Act{Kind: intake.ActCommand, Command: "recall", Text: "@TGS#1 100"}, true},
			"the form":       {intake.Act{Kind: intake.ActForm}, true},
			"a suggestion":   {intake.Act{Kind: intake.ActUse}, true},
			"Ask again":      {intake.Act{Kind: intake.ActAskAgain}, true},
			"what was found": {intake.Act{Kind: intake.ActRecallFind}, true},
			"replies":        {intake.Act{Kind: intake.ActRecallReplies}, true},
			"a list":         {intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "list"}, false},
			"Approve":        {intake.Act{Kind: intake.ActApprove}, false},
		} {
			e := intake.Event{ID: "e", Place: x.a.place("C0TRUST"), By: x.a.account("U0MINA"), Act: test.act}
			for _, known := range []bool{false, true} {
				if !known {
					x.a.asked.Flush()
				}
				for _, user := range []string{"U0GONE", "U0GUEST"} {
					x.a.asked.Delete("user " + user)
					x.a.asked.Delete("approver " + user)
				}
				m, _, err := (&taking{a: x.a, delivery: delivery{event: e.Read()}}).Member(x.t.Context())
				if err != nil {
					x.t.Fatal(err)
				}
				if could := len(m.Approvers); !m.ApproversKnown || (could == 0) != test.asks {
					x.t.Errorf("%s, known already: %v: %d could approve", name, known, could)
				}
			}
		}
	})
}

// TestGroupsUnread: where Slack can never read a user group, people who are named by user id use
// the bot as ever, and who is named by group alone reads why not. The operator reads it too.
func TestGroupsUnread(t *testing.T) {
	for _, test := range []struct {
		name, code   string
		set          func(w *slacktest.Workspace)
		told, remark string
	}{
		{"free plan", "plan_upgrade_required", func(w *slacktest.Workspace) { w.GroupsCode = "plan_upgrade_required" },
			"the plan of this workspace has none", "by user id"},
		{"free plan, as it was said before", "paid_teams_only",
			func(w *slacktest.Workspace) { w.GroupsCode = "paid_teams_only" }, "the plan of this workspace has none",
			"by user id"},
		{"whole organisation", "missing_argument",
			func(w *slacktest.Workspace) { w.OrgInstall, w.EnterpriseID = true, "E0ACME" },
			"installed for a whole organisation", "install it to one workspace"},
		{"a workspace of others", "team_not_found", func(w *slacktest.Workspace) { w.GroupsCode = "team_not_found" },
			"installed for a whole organisation", "install it to one workspace"},
		{"a workspace without the app", "team_access_not_granted",
			func(w *slacktest.Workspace) { w.GroupsCode = "team_access_not_granted" },
			"installed for a whole organisation", "install it to one workspace"},
		{"a scope that is missing", "missing_scope",
			func(w *slacktest.Workspace) { w.GroupsCode = "missing_scope" }, "lacks a permission",
			"install the app again"},
		{"a right that is missing", "no_permission",
			func(w *slacktest.Workspace) { w.GroupsCode = "no_permission" }, "lacks a permission",
			"install the app again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSlack(t, socketMode, func(x *world) {
				if words, _ := x.a.Trouble(); words != "" {
					x.t.Errorf("it is in trouble: %s", words)
				}
				if got := x.a.Remark(); !strings.Contains(got, test.code) || !strings.Contains(got, test.remark) {
					x.t.Errorf("remark: %q", got)
				}
				bad := "BAD  the user group S0MODS could not be looked at: " + test.code
				if got := x.check(); !strings.Contains(got, bad) || !strings.Contains(got, test.remark) {
					x.t.Errorf("check:\n%s", got)
				}
				for user, want := range map[string]bool{"U0MINA": true, "U0THEO": false} {
					x.acked(x.w.Command(user, "C0TRUST", "/recall", "@TGS#2J4SZEAEL 1"))
					time.Sleep(6 * time.Second)
					did := x.bot.Did()
					m := did[len(did)-1].Member
					if m.Account.User != user {
						x.t.Fatalf("%s was not heard: %+v", user, m)
					}
					err := x.bot.PolicyNow().MayAsk(m, bot.Roster{})
					if (err == nil) != want {
						x.t.Errorf("%s may ask: %v", user, err)
					}
					if no, ok := err.(*bot.Refusal); ok && (!strings.Contains(no.Why.String(), test.told) ||
						!strings.Contains(no.Why.String(), user)) {
						x.t.Errorf("%s reads: %s", user, no.Why)
					}
				}
			}, func(x *world, _ *Options) {
				test.set(x.w)
				for _, u := range []string{"U0MINA", "U0THEO"} {
					x.w.AddUser(slacktest.User{ID: u, EnterpriseID: "E0ACME"})
				}
			})
		})
	}
}
