package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// state is the state of a request now.
func (h *house) state(id bot.RequestID) bot.State {
	h.t.Helper()
	c, err := h.bot.ShowingNow(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return c.State
}

// easel is a screen that remembers the cards it was made to show, and where and when.
type easel struct {
	*screen
	mu    sync.Mutex
	edits []drawing
}

type drawing struct {
	message string
	at      time.Time
	card    bot.Card
}

func (e *easel) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	e.mu.Lock()
	e.edits = append(e.edits, drawing{ref.Message, time.Now(), c})
	e.mu.Unlock()
	return e.screen.Edit(ctx, ref, c)
}

// since returns what was drawn at or after t.
func (e *easel) since(t time.Time) []drawing {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.edits, func(d drawing) bool { return !d.at.Before(t) })
	if i < 0 {
		return nil
	}
	return slices.Clone(e.edits[i:])
}

// draws is a house with an easel, and a request of n messages that awaits a decision.
func draws(t *testing.T, n int) (*house, *easel, bot.Card) {
	e := &easel{}
	h := newHouseWith(t, func(h *house) {
		e.screen = h.screen
		h.surface = e
	}, nil)
	h.say(n)
	c := h.proposed(testGroup + " 1-" + strconv.Itoa(n))
	h.pass(time.Minute)
	return h, e, c
}

// TestStopDrawnAtOnce: what a person does to a request that runs is drawn at once, without the
// pause between edits that show progress. Those keep it.
func TestStopDrawnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, e, c := draws(t, 500)
		h.chat.Change(func(o *recalltest.Options) { o.Latency = time.Minute })
		h.press("UTHEO", intake.ActApprove, c)
		approved := time.Now()
		h.pass(time.Second)
		edits := e.since(approved)
		if len(edits) == 0 || edits[0].at.Sub(approved) > 100*time.Millisecond ||
			edits[len(edits)-1].card.State != bot.Running {
			t.Fatalf("after the approval: %+v", edits)
		}
		if until := h.view(c.ID).After; !until.After(time.Now()) {
			t.Fatalf("no pause is on: %v", until)
		}
		stopped := time.Now()
		h.press("UTHEO", intake.ActStop, c)
		synctest.Wait()
		if edits = e.since(stopped); len(edits) == 0 || edits[0].card.State != bot.Stopping ||
			edits[0].at.After(stopped) {
			t.Errorf("after the stop: %+v", edits)
		}
		if first := edits[0].card; first.Shown != bot.Running || first.OnlyProgress() {
			t.Errorf("the stop is told as progress: %s follows %s", first.State, first.Shown)
		}
		h.pass(20 * time.Second)
		var last time.Time
		for _, d := range e.since(stopped) {
			if d.card.OnlyProgress() && d.at.Sub(last) < 3*time.Second {
				t.Errorf("progress is drawn %v after the edit before", d.at.Sub(last))
			}
			last = d.at
		}
	})
}

// TestStaleDrawn: where a person pressed what the card does not show any more, the teller draws
// the card again. A refusal that does not come from the card leaves it as it is.
func TestStaleDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, e, c := draws(t, 3)
		began := time.Now()
		if a := h.press("UMINA", intake.ActApprove, c); a.Refused != "not_approver" || a.Card != nil {
			t.Errorf("own approval: %+v", a)
		}
		h.pass(time.Minute)
		if edits := e.since(began); len(edits) > 0 {
			t.Errorf("a refused approval draws the card: %+v", edits)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		h.pass(time.Minute)
		began = time.Now()
		if a := h.press("UTHEO", intake.ActApprove, c); a.Refused != "decided_already" || a.Card != nil {
			t.Errorf("late approval: %+v", a)
		}
		synctest.Wait()
		if edits := e.since(began); len(edits) != 1 || edits[0].card.State != bot.Done ||
			edits[0].message != h.view(c.ID).Ref.Message {
			t.Errorf("a late press: %+v", edits)
		}
	})
}

// TestCopyDrawn: a copy of the card, of a post whose answer was lost, is drawn by the teller when
// it is pressed, as often as it is. What one person alone sees is drawn in the answer.
func TestCopyDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, e, c := draws(t, 3)
		own := h.view(c.ID).Ref
		press := func(kind intake.ActKind, at bot.Ref) (intake.Answer, map[string]bot.State) {
			began := time.Now()
			a := h.do("UTHEO", intake.Act{Kind: kind, Request: c.ID, Digest: c.Digest, Card: at})
			h.pass(time.Minute)
			drawn := map[string]bot.State{}
			for _, d := range e.since(began) {
				drawn[d.message] = d.card.State
			}
			return a, drawn
		}
		copied := bot.Ref{Channel: own.Channel, Message: "a copy"}
		if a, drawn := press(intake.ActReject, copied); a.Kind != intake.Changed || a.Card != nil ||
			drawn["a copy"] != bot.Rejected || drawn[own.Message] != bot.Rejected {
			t.Errorf("pressed on a copy: %+v, drawn %v", a, drawn)
		}
		if a, drawn := press(intake.ActApprove, copied); a.Refused != "decided_already" ||
			drawn["a copy"] != bot.Rejected {
			t.Errorf("pressed on the copy again: %+v, drawn %v", a, drawn)
		}
		if a, drawn := press(intake.ActApprove, own); a.Refused != "decided_already" || len(drawn) != 1 ||
			drawn[own.Message] != bot.Rejected {
			t.Errorf("pressed on the card: %+v, drawn %v", a, drawn)
		}
		if a, drawn := press(intake.ActApprove, bot.Ref{Channel: own.Channel}); a.Card == nil ||
			a.Card.State != bot.Rejected || len(drawn) != 1 || drawn[own.Message] != bot.Rejected {
			t.Errorf("pressed on what one person sees: %+v, drawn %v", a, drawn)
		}
	})
}

// view is the one view of a request.
func (h *house) view(id bot.RequestID) (v bot.View) {
	h.t.Helper()
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		views, err := tx.ViewOf(id)
		if err == nil {
			v = views[0]
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// TestApprovedDrawn: an approved request is drawn once it runs. Where nobody can begin it, it is
// drawn as approved half a second after the approval.
func TestApprovedDrawn(t *testing.T) {
	for _, begins := range []bool{true, false} {
		t.Run(fmt.Sprint("begins ", begins), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shift atomic.Int64
				e := &easel{}
				h := newHouseWith(t, func(h *house) {
					h.clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
					e.screen, h.surface = h.screen, e
				}, nil)
				h.say(2)
				c := h.proposed(testGroup + " 1 2")
				h.pass(time.Minute)
				want, after := bot.Running, time.Duration(0)
				if !begins {
					h.passes(&shift)
					want, after = bot.Approved, 500*time.Millisecond
				}
				h.chat.Change(func(o *recalltest.Options) { o.Latency = time.Second })
				approved := time.Now()
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Second)
				edits := e.since(approved)
				if len(edits) != 1 || edits[0].card.State != want ||
					edits[0].at.Sub(approved).Truncate(10*time.Millisecond) != after {
					t.Errorf("after the approval: %+v", edits)
				}
				h.within(2*time.Minute, c.ID, bot.Done)
			})
		})
	}
}
