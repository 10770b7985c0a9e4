package discord

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
)

// TestHeadcount: how many could approve is counted by roles and names, whoever asks left out, and
// is known only while it is fresh.
func TestHeadcount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway, func(r *rig, _ *Options) {
			r.AddMember(discordtest.Member{UserID: "42", Name: "lena"})
			r.AddRole(discordtest.Role{ID: leads, Name: "leads", Members: []string{mina, theo, "42"}})
			r.AddRole(discordtest.Role{ID: "78", Name: "empty"})
			r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}},
				[]bot.Principal{{Group: leads}, {Group: "78"}, {Group: r.ID}}))
		})
		defer r.stop()
		others := func(guild, user string, groups ...string) (int, bool) {
			m := bot.Member{Account: bot.Account{Platform: ID, Workspace: "discord", User: user},
				Groups: groups}
			r.adapter.countApprovers(guild, &m)
			return r.bot.PolicyNow().Others(m, bot.Roster{}), m.ApproversKnown
		}
		is := func(what string, wantN int, wantKnown bool, n int, known bool) {
			t.Helper()
			if n != wantN || known != wantKnown {
				t.Errorf("%s: %d others, known %v; want %d, %v", what, n, known, wantN, wantKnown)
			}
		}
		r.ready(t)
		time.Sleep(time.Second)
		n, known := others(r.ID, mina, leads)
		is("one of the three", 2, true, n, known)
		n, known = others(r.ID, "2999")
		is("none of the three", 3, true, n, known)
		n, known = others("4242", "2999")
		is("in a server that was not counted", 0, false, n, known)
		r.AddRole(discordtest.Role{ID: leads, Name: "leads", Members: []string{theo}})
		time.Sleep(countEvery)
		n, known = others(r.ID, mina)
		is("after two have left", 1, true, n, known)
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}},
			[]bot.Principal{{Group: leads}, {User: "42"}, {User: mina}}))
		n, known = others(r.ID, mina)
		is("a role and two by name, oneself among them", 2, true, n, known)
		r.Fail("GET /guilds/{guild_id}/roles/member-counts", -1, discordtest.Status(503))
		time.Sleep(countedFor + countEvery)
		n, known = others(r.ID, mina)
		is("when Discord tells no more", 0, false, n, known)
		r.Heal()
		time.Sleep(countEvery + 10*time.Second)
		n, known = others(r.ID, mina)
		is("when it tells again", 2, true, n, known)
		r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{User: theo}}))
		n, known = others("4242", mina)
		is("by name alone, wherever", 1, true, n, known)
	})
	// Where no role may approve nothing is asked.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway, func(r *rig, _ *Options) {
			r.follows(allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{User: theo}}))
		})
		r.ready(t)
		time.Sleep(10 * time.Minute)
		if n := r.Count("GET /guilds/{guild_id}/roles/member-counts"); n != 0 {
			t.Errorf("roles were counted %d times", n)
		}
		r.stop()
	})
}

// TestApproversLookedAt: of the approvers who are named, those who have left, bots, guests and the
// unscreened do not count. It is looked until enough other people are found, and not again for ten
// minutes; who cannot be looked at counts.
func TestApproversLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := func(users ...string) (list []bot.Principal) {
			for _, u := range users {
				list = append(list, bot.Principal{User: u})
			}
			return list
		}
		r := newRig(t, overGateway, func(r *rig, _ *Options) {
			r.AddMember(discordtest.Member{UserID: "41", Name: "robot", Bot: true})
			r.AddMember(discordtest.Member{UserID: "42", Name: "new", Pending: true})
			for _, id := range []string{"51", "52", "53", "54"} {
				r.AddMember(discordtest.Member{UserID: id, Name: id})
			}
			r.follows(allowed([]string{trust}, ids(mina), ids("40", "41", "42", "51")))
			p := r.bot.PolicyNow()
			p.LargeApprovals = 2
			r.follows(p)
		})
		r.ready(t)
		const look = "GET /guilds/{guild_id}/members/{user_id}"
		others := func() int {
			time.Sleep(countEvery + time.Second)
			m := bot.Member{Account: bot.Account{Platform: ID, Workspace: "discord", User: mina}}
			r.adapter.countApprovers(r.ID, &m)
			if !m.ApproversKnown {
				t.Error("the approvers are not known")
			}
			return r.bot.PolicyNow().Others(m, r.bot.RosterNow())
		}
		began := time.Now()
		if n := others(); n != 1 {
			t.Errorf("%d could approve, want one", n)
		}
		looks := r.Count(look)
		for range 10 {
			others()
		}
		if n := r.Count(look) - looks; n != 0 {
			t.Errorf("%d accounts were looked at again within ten minutes", n)
		}
		r.RemoveMember("51")
		time.Sleep(time.Until(began.Add(10 * time.Minute)))
		if n := others(); n != 0 {
			t.Errorf("%d could approve after the last has left", n)
		}
		// Enough are found: two for a large request, and one more, who may be the one who asks.
		five := allowed([]string{trust}, ids(mina), ids("52", "53", "54", "55", "56"))
		r.bot.Follow(five, bot.Roster{})
		looks = r.Count(look)
		if n := others(); n != 5 || r.Count(look)-looks != 3 {
			t.Errorf("%d could approve, %d accounts were looked at", n, r.Count(look)-looks)
		}
		// Two accounts of one person are not two.
		r.bot.Follow(five, bot.Roster{People: []bot.Person{
			{Name: "a", Accounts: []bot.Account{{Platform: ID, User: "52"}, {Platform: ID, User: "53"}}},
			{Name: "b", Accounts: []bot.Account{{Platform: ID, User: "55"}}},
			{Name: "c", Accounts: []bot.Account{{Platform: ID, User: "56"}}},
			{Name: "mina", Accounts: []bot.Account{{Platform: ID, User: mina}}},
		}})
		if n := others(); n != 1 {
			t.Errorf("%d could approve, want one person with two accounts", n)
		}
		// Who cannot be looked at counts.
		r.bot.Follow(allowed([]string{trust}, ids(mina), ids("57")), bot.Roster{})
		r.Fail(look, -1, discordtest.Status(503))
		if n := others(); n != 1 {
			t.Errorf("%d could approve where Discord does not tell", n)
		}
		r.Heal()
		r.stop()
	})
}
