package worker_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// unclear is a ledger in which no timer of one request can be cleared.
type unclear struct {
	bot.Ledger
	of atomic.Value // its bot.RequestID
}

func (l *unclear) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	return l.Ledger.Tx(ctx, func(tx bot.Tx) error { return fn(unclearTx{Tx: tx, l: l}) })
}

type unclearTx struct {
	bot.Tx
	l *unclear
}

func (t unclearTx) ClearDue(id bot.RequestID, kinds ...bot.DueKind) error {
	if t.l.of.Load() == id {
		return errors.New("the row is broken")
	}
	return t.Tx.ClearDue(id, kinds...)
}

// TestTimerThatFails: timers that always fail, more of them than are fired at once, hold up no
// other request's deadline; and they fire when nothing is wrong with them any more.
func TestTimerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken *unclear
		h := newHouse(t, func(o *bot.Options) {
			broken = &unclear{Ledger: o.Ledger}
			o.Ledger, o.Log = broken, nil
			o.Policy.ApproveWithin = 2 * time.Minute
		})
		h.say(2)
		first := h.asks("UMINA", testGroup+" 1")
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			for i := range 150 {
				if err := tx.SetDue(bot.Due{Request: first.ID, Kind: bot.DueKind(string(rune('A' + i))),
					At: tx.Now()}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		broken.of.Store(first.ID)
		h.pass(time.Second)
		second := h.asks("UMINA", testGroup+" 2")
		h.pass(2*time.Minute + time.Second)
		if got := h.screen.card(second.ID).State; got != bot.Expired {
			t.Errorf("a request whose deadline is past is %s", got)
		}
		if got := h.screen.card(first.ID).State; got != bot.Proposed {
			t.Fatalf("the request whose timers fail is %s: this shows nothing", got)
		}
		broken.of.Store(bot.RequestID(""))
		h.pass(time.Minute)
		if got := h.screen.card(first.ID).State; got != bot.Expired {
			t.Errorf("the request whose timers failed is %s", got)
		}
	})
}

// meanwhile is a ledger in which something is done between the look for timers that are due and
// what is written next.
type meanwhile struct {
	bot.Ledger
	do atomic.Pointer[func(tx bot.Tx) error]
}

func (l *meanwhile) View(ctx context.Context, fn func(tx bot.Tx) error) error {
	return l.Ledger.View(ctx, func(tx bot.Tx) error { return fn(meanwhileTx{Tx: tx, l: l}) })
}

type meanwhileTx struct {
	bot.Tx
	l *meanwhile
}

func (t meanwhileTx) Dues(at time.Time, limit int) ([]bot.Due, error) {
	due, err := t.Tx.Dues(at, limit)
	if do := t.l.do.Load(); do != nil && len(due) > 0 && t.l.do.CompareAndSwap(do, nil) {
		return due, errors.Join(err, t.l.Tx(context.Background(), *do))
	}
	return due, err
}

// TestTimerMovedMeanwhile: a timer that was moved after it was found due does not fire, and is not
// lost. It is the one that ends an approved request which cannot begin.
func TestTimerMovedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *meanwhile
		h := newHouse(t, func(o *bot.Options) {
			l = &meanwhile{Ledger: o.Ledger}
			o.Ledger = l
		})
		h.say(1)
		c := h.proposed(testGroup + " 1")
		h.chat.Inject(recalltest.Recall, -1, recalltest.Answer(60002, "")) // the app is paused
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(time.Second)
		due := func(at time.Time) func(tx bot.Tx) error {
			return func(tx bot.Tx) error { return tx.SetDue(bot.Due{Request: c.ID, Kind: bot.DueStart, At: at}) }
		}
		later := due(time.Now().Add(5 * time.Minute))
		l.do.Store(&later)
		if err := h.ledger.Tx(t.Context(), due(time.Now())); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		if l.do.Load() != nil {
			t.Fatal("no timer was found due")
		}
		var next time.Time
		err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) {
			next, err = tx.NextDue()
			return err
		})
		if want := time.Now().Add(4 * time.Minute); err != nil || next.Sub(want).Abs() > 10*time.Second {
			t.Errorf("the next timer is at %v (%v), want %v", next, err, want)
		}
	})
}
