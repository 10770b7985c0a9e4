package worker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// partsOf are the groups of a request with their numbers.
func partsOf(r bot.Request) (all []string) {
	for _, p := range r.Parts {
		all = append(all, fmt.Sprint(p.Group, " ", p.Covers))
	}
	return all
}

// TestExactSweep: what was found in several groups is asked for by its numbers, all of it or one
// kind, and nothing that was sent since. Its numbers are taken from the moment of asking. A group
// that is gone by then is left out and named, one that the bot may not touch as well, and an outage
// is waited for.
func TestExactSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/bot.db"
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(file, nil)
		for i := range 4 {
			h.chat.AddGroup(recalltest.Group{ID: swept(i), Name: fmt.Sprint("Group ", i), Type: "Public"})
			h.chat.Join(swept(i), "spammer")
			for n := range 6 {
				h.chat.Say(swept(i), "", "spammer", fmt.Sprintf("win %d coins", n))
				h.chat.Say(swept(i), "", "spammer", "join my channel")
			}
		}
		a := h.types("UMINA", "recalls", "find in:joined from:spammer since:1h")
		if a.Page == nil || len(a.Page.Kinds) != 2 {
			t.Fatalf("%+v", a)
		}
		h.chat.Say(swept(0), "", "spammer", "join my channel")
		press := func(kind intake.ActKind, n int) intake.Answer {
			return h.do("UMINA", intake.Act{Kind: kind, Search: a.Page.Search, Page: n})
		}
		one := press(intake.ActRecallKind, 1)
		if r := h.requestOf(one.Request); r.State != bot.Preparing || !r.Exact || r.Count() != 24 {
			t.Errorf("while it is asked it is %s for %v", r.State, partsOf(r))
		}
		if a := press(intake.ActRecallFind, 0); a.Refused != "overlap" {
			t.Errorf("what is asked for already is asked for: %+v", a)
		}
		h.within(time.Minute, one.Request, bot.Proposed)
		r := h.requestOf(one.Request)
		want := []string{swept(0) + " 2,4,6,8,10,12", swept(1) + " 2,4,6,8,10,12", swept(2) + " 2,4,6,8,10,12",
			swept(3) + " 2,4,6,8,10,12"}
		if got := partsOf(r); fmt.Sprint(got) != fmt.Sprint(want) || r.Tally.Send != 24 {
			t.Errorf("%v, %+v", got, r.Tally)
		}
		h.types("UMINA", "recalls", "withdraw "+string(r.ID))

		h.chat.Dismiss(swept(1))
		h.stop()
		h.open(file, func(o *bot.Options) { o.Policy.Groups = []string{swept(0), swept(1), swept(3)} })
		h.chat.Inject(recalltest.History, 3, recalltest.BadGateway())
		all := press(intake.ActRecallFind, 0)
		h.within(time.Minute, all.Request, bot.Proposed)
		r = h.requestOf(all.Request)
		if got := partsOf(r); fmt.Sprint(got) != fmt.Sprint([]string{swept(0) + " 1-12", swept(3) + " 1-12"}) {
			t.Errorf("%v", got)
		}
		holds(t, said(h.screen.card(r.ID)), "Recall 24 messages of spammer in 2 groups?", "Not part of it: ",
			swept(1)+" (there is no such group)", swept(2)+" (the bot may not touch it)",
			"messages 1-12 in Group 0 and 1-12 in Group 3")
		h.press("UTHEO", intake.ActApprove, h.screen.card(r.ID))
		h.within(time.Minute, r.ID, bot.Done)
		for i, want := range map[int]int{0: 12, 2: 0, 3: 12} {
			if got := len(h.chat.RecalledSeqs(swept(i), "")); got != want {
				t.Errorf("%d are recalled in %s, want %d", got, swept(i), want)
			}
		}
		if h.chat.Recalled(swept(0), "", 13) {
			t.Error("what was sent after the search is recalled")
		}
	})
}

// TestExactSweepGone: where none of the groups is left, the requester is told.
func TestExactSweepGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(2, 3)
		a := h.types("UMINA", "recalls", "find in:joined from:spammer")
		h.chat.Dismiss(swept(0))
		h.chat.Dismiss(swept(1))
		asked := h.do("UMINA", intake.Act{Kind: intake.ActRecallFind, Search: a.Page.Search})
		h.within(time.Minute, asked.Request, bot.Refused)
		holds(t, h.whispered("UMINA"), "None of the groups can be recalled in any more. Not part of it: ",
			swept(0)+" (there is no such group)")
	})
}

// TestExactSweepRefused: a group whose messages are refused when the others were read already is
// left out, and named.
func TestExactSweepRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, why := range map[int]string{10007: "10007", 10010: "10010"} {
			h := newHouse(t, nil)
			h.spread(3, 3)
			a := h.types("UMINA", "recalls", "find in:joined from:spammer")
			h.chat.Inject(recalltest.History, 1, recalltest.Answer(code, "no"))
			asked := h.do("UMINA", intake.Act{Kind: intake.ActRecallFind, Search: a.Page.Search})
			c := h.within(time.Minute, asked.Request, bot.Proposed)
			holds(t, said(c), "✋ Recall 6 messages of spammer in 2 groups?", "Not part of it: Group ", why)
			h.press("UTHEO", intake.ActApprove, c)
			h.within(time.Minute, c.ID, bot.Done)
			if n := len(h.sweptOutcomes(c.ID)); n != 6 {
				t.Errorf("%d outcomes", n)
			}
		}
	})
}
