package worker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestReplaced: a card that an answer has put into a message is shown once more where the request
// has moved on since, and only there.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			o.Policy.Approvals = 2
			crowd := o.Policy.Crowds[onSlack]
			crowd.Approvers = append(slices.Clone(crowd.Approvers), bot.Principal{User: "USARA"})
			o.Policy.Crowds[onSlack] = crowd
		})
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		wanted := func() (n int) {
			err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
				views, err := tx.ViewOf(c.ID)
				n = views[0].Wanted
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		a := h.press("UTHEO", intake.ActApprove, c)
		if a.Card == nil || a.Card.State != bot.Proposed {
			t.Fatalf("%+v", a)
		}
		replaced := func(more int) {
			t.Helper()
			before := wanted()
			if err := h.bot.Replaced(t.Context(), *a.Card); err != nil || wanted()-before != more {
				t.Errorf("it is shown %d times more, want %d: %v", wanted()-before, more, err)
			}
		}
		replaced(0)
		h.pass(time.Second)
		replaced(0)
		if b := h.press("USARA", intake.ActApprove, c); b.Kind != intake.Changed {
			t.Fatalf("%+v", b)
		}
		h.within(10*time.Second, c.ID, bot.Done) // while it runs it is shown again and again
		h.pass(10 * time.Second)
		replaced(1)
	})
}
