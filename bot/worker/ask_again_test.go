package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// asksAgain presses Ask again on a card.
func (h *house) asksAgain(user string, c bot.Card) intake.Answer {
	h.t.Helper()
	return h.do(user, intake.Act{Kind: intake.ActAskAgain, Request: c.ID, Digest: c.Digest})
}

// requestOf is a request as it is stored.
func (h *house) requestOf(id bot.RequestID) (r bot.Request) {
	h.t.Helper()
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) (err error) {
		r, err = tx.Request(id)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// labels are the buttons of a card.
func labels(c bot.Card) string {
	var l []string
	for _, b := range c.Buttons {
		l = append(l, b.Label)
	}
	return strings.Join(l, ", ")
}

// TestAskAgain: what is left of a request that ended is asked for again as a new request of whoever
// presses. It names no message that is gone or was not to be sent, and nobody has approved it.
func TestAskAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(4)
		c := h.asks("UMINA", testGroup+" 1-4 9")
		h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(10031, 2))
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(20 * time.Second)
		c = h.screen.card(c.ID)
		holds(t, said(c), "⚠️ 3 of 4 messages in Casino talk are gone, 1 is not", "2 alice  [too old (10031)]")
		if got := labels(c); got != "Ask again for 1, Show all" {
			t.Errorf("buttons: %s", got)
		}
		a := h.asksAgain("UTHEO", c)
		if a.Kind != intake.Accepted {
			t.Fatalf("asked again: %+v", a)
		}
		h.pass(5 * time.Second)
		r := h.requestOf(a.Request)
		if r.By.Account.User != "UTHEO" || r.Only().Covers.String() != "2" || len(r.Approvals) != 0 ||
			r.State != bot.Proposed {
			t.Errorf("the new request is %s of %s for %s, with %d approvals", r.State, r.By.Account.User,
				r.Only().Covers, len(r.Approvals))
		}
		if a := h.press("UTHEO", intake.ActApprove, h.screen.card(r.ID)); a.Refused != "own_request" {
			t.Errorf("who asked again approves it: %+v", a)
		}
		if a := h.asksAgain("UMINA", c); a.Refused != "overlap" {
			t.Errorf("it is asked for twice: %+v", a)
		}
		if a := h.asksAgain("UNOBODY", c); a.Refused != "not_requester" {
			t.Errorf("a stranger asks again: %+v", a)
		}
		h.types("UTHEO", "recalls", "withdraw "+string(r.ID))
		h.pass(time.Second)
		if got := labels(h.screen.card(r.ID)); got != "Ask again for 1, Show all" {
			t.Errorf("buttons of one that was taken back: %s", got)
		}

		// All gone: nothing is left to ask for.
		c = h.asks("UMINA", testGroup+" 3 4")
		if c.State != bot.Refused {
			t.Errorf("what is recalled is %s", c.State)
		}
		h.chat.Say(testGroup, "", "alice", "win big again")
		c = h.asks("UMINA", testGroup+" 5")
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(20 * time.Second)
		c = h.screen.card(c.ID)
		holds(t, said(c), "✅ The message in Casino talk is recalled")
		if got := labels(c); got != "Show all" {
			t.Errorf("buttons of one that is all gone: %s", got)
		}
		if a := h.asksAgain("UMINA", c); a.Refused != "nothing_to_ask_again" {
			t.Errorf("what is all gone is asked for again: %+v", a)
		}
	})
}

// TestAskAgainWaiting: one that still waits is taken back in the same transaction by its requester,
// with the approval that it has; nobody else's is.
func TestAskAgainWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			o.Policy.Approvals = 2
			o.Policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: {Requesters: []bot.Principal{{User: "UMINA"},
				{User: "UINES"}}, Approvers: []bot.Principal{{User: "UTHEO"}, {User: "UINES"}},
				Channels: []string{"C1"}}}
		})
		h.say(3)
		c := h.asks("UMINA", testGroup+" 1-3")
		h.press("UTHEO", intake.ActApprove, c)
		if a := h.asksAgain("UINES", c); a.Refused != "overlap" {
			t.Errorf("somebody else asks again: %+v", a)
		}
		a := h.asksAgain("UMINA", c)
		if a.Kind != intake.Accepted {
			t.Fatalf("asked again: %+v", a)
		}
		h.pass(5 * time.Second)
		if old, r := h.requestOf(c.ID), h.requestOf(a.Request); old.State != bot.Withdrawn || r.State != bot.Proposed ||
			len(r.Approvals) != 0 || r.Only().Covers.String() != command.MakeRanges(1, 2, 3).String() {
			t.Errorf("the old one is %s, the new one %s for %s with %d approvals", old.State, r.State, r.Only().Covers,
				len(r.Approvals))
		}
		if n := h.recallCalls(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestAskAgainWithout: what is asked again without the messages that are unlike the rest is exactly
// the others, by their numbers even where it was asked by a filter. While it waits its requester
// alone has the button, who takes it back with it; after an end everybody who may ask. No approval
// carries over.
func TestAskAgainWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			o.Policy.Approvals, o.EvidenceTTL = 2, time.Hour
			o.Policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: {Requesters: []bot.Principal{{User: "UMINA"},
				{User: "UINES"}}, Approvers: []bot.Principal{{User: "UTHEO"}, {User: "UINES"}},
				Channels: []string{"C1"}}}
		})
		for i := range 30 {
			words := fmt.Sprintf("win %d coins", i)
			if i == 11 || i == 12 {
				words = []string{"mods please", "my exam results came"}[i-11]
			}
			h.chat.Say(testGroup, "", "alice", words)
		}
		button := func(user string, c bot.Card) string {
			t.Helper()
			a := h.do(user, intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
			if a.Page == nil {
				t.Fatalf("Show all: %+v", a)
			}
			return a.Page.Without
		}
		asks := func(user string, c bot.Card) intake.Answer {
			return h.do(user, intake.Act{Kind: intake.ActAskWithout, Request: c.ID, Digest: c.Digest})
		}
		c := h.asks("UMINA", testGroup+" from:alice since:1h reason:raid")
		h.press("UTHEO", intake.ActApprove, c)
		if mine, theirs := button("UMINA", c), button("UINES", c); mine != "Ask again without the 2" || theirs != "" {
			t.Errorf("while it waits the requester has %q, another %q", mine, theirs)
		}
		if a := asks("UINES", c); a.Refused != "overlap" {
			t.Errorf("somebody else asks again without: %+v", a)
		}
		if a := asks("UTHEO", c); a.Refused != "not_requester" {
			t.Errorf("who may not ask does: %+v", a)
		}
		h.chat.Say(testGroup, "", "alice", "win 31 coins") // no part of what was sealed
		a := asks("UMINA", c)
		h.pass(5 * time.Second)
		old, r := h.requestOf(c.ID), h.requestOf(a.Request)
		if old.State != bot.Withdrawn || r.State != bot.Proposed || len(r.Approvals) != 0 || r.Reason != "raid" ||
			r.Only().Covers.String() != "1-11,14-30" || r.Tally.Odd != 0 {
			t.Errorf("the old one is %s, the new one %s for %s with %d approvals", old.State, r.State, r.Only().Covers,
				len(r.Approvals))
		}
		if got := button("UMINA", h.screen.card(r.ID)); got != "" {
			t.Errorf("where nothing is unlike the rest there is %q", got)
		}
		if a := asks("UMINA", h.screen.card(r.ID)); a.Refused != "apart_gone" {
			t.Errorf("without nothing: %+v", a)
		}
		h.press("UINES", intake.ActReject, h.screen.card(r.ID))

		if got := button("UTHEO", c); got != "" {
			t.Errorf("who may not ask has %q", got)
		}
		if got := button("UINES", c); got != "Ask again without the 2" {
			t.Errorf("after the end another who may ask has %q", got)
		}
		a = asks("UINES", c)
		h.pass(5 * time.Second)
		if r = h.requestOf(a.Request); r.By.Account.User != "UINES" || r.State != bot.Proposed ||
			len(r.Approvals) != 0 || r.Only().Covers.String() != "1-11,14-30" {
			t.Errorf("it is %s of %s for %s", r.State, r.By.Account.User, r.Only().Covers)
		}
		if a := h.press("UINES", intake.ActApprove, h.screen.card(r.ID)); a.Refused != "own_request" {
			t.Errorf("who asked again approves it: %+v", a)
		}
		h.press("UTHEO", intake.ActReject, h.screen.card(r.ID))
		h.pass(90 * time.Minute)
		if a := asks("UINES", c); a.Refused != "apart_gone" {
			t.Errorf("when it is forgotten: %+v", a)
		}
		if n := h.recallCalls(); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestAskAgainWithoutAfterStop: of a large request that was stopped, what is asked again without
// the messages unlike the rest is what is left of the others.
func TestAskAgainWithoutAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			o.Policy.LargeFrom, o.Policy.LargeApprovals, o.Policy.LargeDelay = 20, 1, 10*time.Second
		})
		h.say(15)
		h.chat.Say(testGroup, "", "bob", "mods please")
		h.say(9)
		c := h.asks("UMINA", testGroup+" 1-25")
		h.press("UTHEO", intake.ActApprove, c)
		h.press("UTHEO", intake.ActStop, c)
		h.pass(20 * time.Second)
		a := h.do("UMINA", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
		if a.Page == nil || a.Page.Without != "Ask again without the one unlike the rest" {
			t.Fatalf("Show all: %+v", a)
		}
		a = h.do("UMINA", intake.Act{Kind: intake.ActAskWithout, Request: c.ID, Digest: c.Digest})
		h.pass(5 * time.Second)
		if r := h.requestOf(a.Request); r.State != bot.Proposed || r.Only().Covers.String() != "1-15,17-25" {
			t.Errorf("it is %s for %s", r.State, r.Only().Covers)
		}
	})
}

// TestAskAgainFilter: a filter is read again from where it began.
func TestAskAgainFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(2)
		c := h.asks("UMINA", testGroup+" from:alice since:1h reason:scam")
		h.press("UTHEO", intake.ActReject, c)
		h.pass(2 * time.Hour)
		h.say(1)
		a := h.asksAgain("UMINA", c)
		h.pass(5 * time.Second)
		r := h.requestOf(a.Request)
		if r.State != bot.Proposed || r.Only().Covers.String() != "1-3" || r.Reason != "scam" {
			t.Errorf("it is %s for %s because %q", r.State, r.Only().Covers, r.Reason)
		}
	})
}

// TestLargeDelay: after the last approval of a large request its first call waits, and Stop makes
// it none.
func TestLargeDelay(t *testing.T) {
	for _, stops := range []bool{false, true} {
		t.Run(fmt.Sprint("stopped: ", stops), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) {
					o.Policy.LargeFrom, o.Policy.LargeApprovals, o.Policy.LargeDelay = 3, 1, 10*time.Second
				})
				h.say(4)
				small := h.asks("UMINA", testGroup+" 4")
				h.press("UTHEO", intake.ActApprove, small)
				h.pass(2 * time.Second)
				if n := h.recallCalls(); n != 1 {
					t.Errorf("%d calls of a small one, want 1", n)
				}
				c := h.asks("UMINA", testGroup+" 1-3")
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(9 * time.Second)
				c = h.screen.card(c.ID)
				holds(t, said(c), "🔵 Begins in 10 seconds: 3 messages in Casino talk", "[Stop]")
				if n := h.recallCalls(); n != 1 {
					t.Errorf("%d calls within the delay", n-1)
				}
				want, calls := bot.Done, 2
				if stops {
					h.press("UTHEO", intake.ActStop, c)
					want, calls = bot.Stopped, 1
				}
				h.pass(20 * time.Second)
				if got := h.screen.card(c.ID).State; got != want || h.recallCalls() != calls {
					t.Errorf("it is %s after %d calls, want %s after %d", got, h.recallCalls(), want, calls)
				}
			})
		})
	}
}

// TestHold: with POLICY_HOLD nothing is sent, the cards say so, and people can still end requests.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/bot.db"
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(file, func(o *bot.Options) { o.Policy.Hold = true })
		h.say(4)
		approved, waiting := h.asks("UMINA", testGroup+" 1"), h.asks("UMINA", testGroup+" 2")
		h.press("UTHEO", intake.ActApprove, approved)
		stopped := h.asks("UMINA", testGroup+" 3")
		h.press("UTHEO", intake.ActApprove, stopped)
		h.pass(5 * time.Minute)
		for _, c := range []bot.Card{approved, waiting} {
			holds(t, said(h.screen.card(c.ID)), "PAUSED by the operator")
		}
		h.types("UMINA", "recalls", "stop "+string(stopped.ID))
		h.press("UTHEO", intake.ActReject, waiting)
		if a, b := h.state(stopped.ID), h.state(waiting.ID); a != bot.Stopped || b != bot.Rejected {
			t.Errorf("while it holds one that is stopped is %s, one that is rejected %s", a, b)
		}
		if n := h.recallCalls(); n != 0 {
			t.Errorf("%d calls while it holds", n)
		}
		h.stop()
		h.open(file, nil)
		h.within(time.Minute, approved.ID, bot.Done)
		if got := h.chat.RecalledSeqs(testGroup, ""); fmt.Sprint(got) != "[1]" {
			t.Errorf("recalled %v, want the approved one alone", got)
		}
	})
}

// TestNobodyIsCalled: what is refused while its messages are read is told to its requester alone.
// There is no card, no thread and no call.
func TestNobodyIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		for _, asked := range []string{testGroup + " 900", testGroup + " from:nobody", "@TGS#OTHER 1"} {
			before := strings.Count(h.whispered("UMINA"), "\n")
			id := h.ask("UMINA", asked)
			h.pass(5 * time.Second)
			if got := h.state(id); got != bot.Refused {
				t.Errorf("%s is %s", asked, got)
			}
			if got := h.whispered("UMINA"); strings.Count(got, "\n") != before+1 ||
				!strings.Contains(got, string(id)+" was refused, and nobody was called.") {
				t.Errorf("%s: the requester was told %q", asked, got)
			}
		}
		h.pass(time.Hour)
		if h.screen.posts != 0 || len(h.screen.notes) != 0 {
			t.Errorf("%d posts, notes %v", h.screen.posts, h.screen.notes)
		}
	})
}

// TestDeadlineFromThePost: the time to decide begins when the card is posted, and the posted card
// shows the deadline that counts.
func TestDeadlineFromThePost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		s.forbid(&bot.Later{After: 10 * time.Minute, Err: errMood}, "post")
		id := h.ask("UMINA", testGroup+" 1-3")
		h.pass(time.Minute)
		s.forbid(nil)
		h.pass(10 * time.Minute)
		r, c := h.requestOf(id), h.screen.card(id)
		if late := r.Deadline.Sub(r.Sealed); late < 39*time.Minute || late > 41*time.Minute {
			t.Errorf("the deadline is %v after the seal", late)
		}
		if want := bot.Until(r.Deadline, r.Sealed); len(c.Call) == 0 || c.Call[len(c.Call)-1] != want {
			t.Errorf("the card says %v, the deadline is %v", c.Call, r.Deadline)
		}
		h.pass(25 * time.Minute)
		if got := h.noted(id); got != "reminder" {
			t.Errorf("the thread has %q", got)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, id, bot.Done)
	})
}

// TestReadingIsTold: how far a long reading is, and why it waits, is told to the requester alone,
// at most once in three seconds, and then that it is done.
func TestReadingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		id := h.ask("UMINA", testGroup+" 1-3")
		h.pass(time.Minute)
		told := func() (l []string) {
			h.screen.mu.Lock()
			defer h.screen.mu.Unlock()
			for _, one := range h.screen.progress[id] {
				l = append(l, one.String())
			}
			return l
		}
		holds(t, strings.Join(told(), "\n"), "the messages cannot be read just now", "I keep trying until")
		h.chat.ClearFaults()
		h.within(time.Minute, id, bot.Proposed)
		l := told()
		holds(t, l[len(l)-1], "the messages are read, and the card is in this channel")
		if h.screen.posts != 1 {
			t.Errorf("%d posts", h.screen.posts)
		}
	})
}
