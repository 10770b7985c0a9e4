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
			r.bot.policy = allowed([]string{trust}, []bot.Principal{{User: mina}},
				[]bot.Principal{{Group: leads}, {Group: "78"}, {Group: r.ID}})
		})
		defer r.stop()
		others := func(guild, user string, groups ...string) (int, bool) {
			m := bot.Member{Account: bot.Account{Platform: ID, Workspace: "discord", User: user},
				Groups: groups}
			r.adapter.countApprovers(guild, &m)
			return r.bot.policy.Others(m, bot.Roster{}), m.ApproversKnown
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
		r.bot.policy = allowed([]string{trust}, []bot.Principal{{User: mina}},
			[]bot.Principal{{Group: leads}, {User: "42"}, {User: mina}})
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
		r.bot.policy = allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{User: theo}})
		n, known = others("4242", mina)
		is("by name alone, wherever", 1, true, n, known)
	})
	// Where no role may approve nothing is asked.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway, func(r *rig, _ *Options) {
			r.bot.policy = allowed([]string{trust}, []bot.Principal{{User: mina}}, []bot.Principal{{User: theo}})
		})
		r.ready(t)
		time.Sleep(10 * time.Minute)
		if n := r.Count("GET /guilds/{guild_id}/roles/member-counts"); n != 0 {
			t.Errorf("roles were counted %d times", n)
		}
		r.stop()
	})
}
