package adaptertest

import (
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// member: the bot is told who acted by one account a person, by which of the policy's groups they
// are in, by the name that is shown, and how many others could approve.
func member(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	for _, p := range []struct {
		user   string
		groups []string
	}{{s.w.Mina, []string{s.w.Mods}}, {s.w.Theo, []string{s.w.Leads}}, {s.w.Nobody, nil}} {
		for _, deed := range []func() bottest.Deed{
			func() bottest.Deed { return s.Type(p.user, s.w.Channel, helpCommand) },
			func() bottest.Deed { return s.Press(p.user, ref, bot.ButtonReject) },
			func() bottest.Deed { return s.Press(p.user, ref, bot.ButtonShowAll) },
		} {
			s.done(deed())
			got := s.last()
			if got.Event.By != s.account(p.user) || got.Member.Account != got.Event.By {
				s.Errorf("by %v and %v, want %v", got.Event.By, got.Member.Account, s.account(p.user))
			}
			// Groups that the policy does not name may be there as well.
			for _, g := range []string{s.w.Mods, s.w.Leads} {
				if slices.Contains(got.Member.Groups, g) != slices.Contains(p.groups, g) {
					s.Errorf("%s is in %q, want %q", p.user, got.Member.Groups, p.groups)
				}
			}
			if got.Member.Trouble != "" || got.Event.Place.Trouble != "" {
				s.Errorf("%s is in trouble: %q, %q", p.user, got.Member.Trouble, got.Event.Place.Trouble)
			}
			// Who could approve is told as far as the platform tells it, whoever acts left out:
			// Theo alone could.
			others := map[bool]int{true: 0, false: 1}[p.user == s.w.Theo]
			if n := s.b.PolicyNow().Others(got.Member, bot.Roster{}); !got.Member.ApproversKnown || n != others {
				s.Errorf("%s: %d others could approve, want %d: %+v", p.user, n, others, got.Member)
			}
			if p.user == s.w.Mina && (got.Member.Name != s.w.MinaName || got.Event.Name != s.w.MinaName) {
				s.Errorf("called %q and %q, want %q", got.Member.Name, got.Event.Name, s.w.MinaName)
			}
		}
	}
}

// troubles: each reason why an account or a place may not be used is told to the bot. One that the
// rig can neither bring about nor explain away fails.
func troubles(s *suite) {
	places := []bot.Trouble{bot.TroubleDirectMessage, bot.TroubleNotInChannel, bot.TroubleArchived,
		bot.TroubleExtShared}
	accounts := []bot.Trouble{
		bot.TroubleBot, bot.TroubleWorkflow, bot.TroubleDeactivated, bot.TroubleGuest, bot.TroubleForeign,
		bot.TroublePending, bot.TroubleTimedOut,
		bot.TroubleWrongGuild, bot.TroubleUserInstalled, bot.TroubleUnknown,
	}
	can, lacks := s.Troubles(), s.Lacks()
	for _, trouble := range slices.Concat(accounts, places) {
		c, ok := can[trouble]
		if !ok {
			if lacks[trouble] == "" {
				s.Errorf("%s: neither tested nor explained", trouble)
			} else {
				s.Logf("%s cannot be met: %s", trouble, lacks[trouble])
			}
			continue
		}
		if c.Set != nil {
			c.Set()
		}
		s.wait(2 * time.Minute) // what was known before no longer counts
		before := len(s.b.Did())
		s.done(s.Type(c.Who, c.Channel, helpCommand))
		if len(s.b.Did()) != before+1 {
			s.Errorf("%s: the bot was not asked", trouble)
			continue
		}
		got := s.last()
		if slices.Contains(places, trouble) {
			if got.Event.Place.Trouble != trouble {
				s.Errorf("%s: the place is in %q", trouble, got.Event.Place.Trouble)
			}
		} else if got.Member.Trouble != trouble {
			s.Errorf("%s: the account is in %q", trouble, got.Member.Trouble)
		}
	}
}

// place: where it was typed or pressed.
func place(s *suite) {
	s.done(s.Type(s.w.Mina, s.w.Channel, helpCommand))
	if got := s.last().Event.Place; got != s.place() {
		s.Errorf("typed in %+v, want %+v", got, s.place())
	}
	ref := s.post(fullCard(bot.Proposed, nil))
	s.done(s.Press(s.w.Mina, ref, bot.ButtonShowAll))
	if got := s.last().Event.Place; got != s.place() {
		s.Errorf("pressed in %+v, want %+v", got, s.place())
	}
}

// threadPlace: what is typed in a thread counts as typed in its channel, and its card stands in the
// thread.
func threadPlace(s *suite) {
	if !s.Can().CommandsInThreads {
		s.Log("commands cannot be typed in threads here")
		return
	}
	at, err := s.Surface().Reply(s.Context(), s.post(fullCard(bot.Done, nil)),
		bot.Note{Key: "n", Lines: []bot.Line{words("the thread")}})
	if err != nil {
		s.Fatal(err)
	}
	s.done(s.Type(s.w.Mina, at.Thread, helpCommand))
	where := s.last().Event.Place
	if where.Channel != s.w.Channel || where.Thread != at.Thread || where.Trouble != "" {
		s.Fatalf("typed in %+v", where)
	}
	c := fullCard(bot.Proposed, nil)
	ref, err := s.Surface().Post(s.Context(), where, c, "in the thread")
	if err != nil {
		s.Fatal(err)
	}
	s.reads(c, s.look(ref))
	note, err := s.Surface().Reply(s.Context(), ref, bot.Note{Key: "result", Lines: []bot.Line{words("the result")}})
	if err != nil || note.Channel != ref.Channel {
		s.Errorf("the result of a card in %+v is in %+v, %v", ref, note, err)
	}
}
