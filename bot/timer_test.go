package bot_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
)

// unclear is a ledger in which no timer of one request can be cleared.
type unclear struct {
	bot.Ledger
	of atomic.Value // its bot.RequestID
}

func (l *unclear) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	return l.Ledger.Tx(ctx, func(tx bot.Tx) error { return fn(unclearTx{tx, l}) })
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

// TestTimerThatFails: timers that always fail, more of them than are fired at once, hold up no other request's deadline; and they fire when nothing is wrong with them
// any more.
func TestTimerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken *unclear
		h := newHouse(t, func(o *bot.Options) {
			broken = &unclear{Ledger: o.Ledger}
			o.Ledger, o.Log = broken, nil
			o.Policy.ApproveWithin = 10 * time.Minute
		})
		h.say(2)
		first := h.asks("UMINA", testGroup+" 1")
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			for i := range 150 {
				if err := tx.SetDue(bot.Due{Request: first.ID, Kind: bot.DueKind(string(rune('A' + i))), At: tx.Now()}); err != nil {
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
		h.pass(10*time.Minute + time.Second)
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
