package worker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall/recalltest"
)

// TestUndivided: where all that a search may look at was sent within one second, no time divides it
// from the rest. What it found is suggested by numbers, as much as one line holds; and when that is
// recalled, the same search goes on where it ended.
func TestUndivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 100_000 })
		at := recalltest.At(time.Now())
		made := recalltest.Made(func(recalltest.Seq) string { return "hello" })
		h.chat.Say(testGroup, "", "mallory", "", at, made)
		for range 19_000 {
			h.chat.Say(testGroup, "", "bob", "", at, made)
		}
		for range 1000 {
			h.chat.Say(testGroup, "", "mallory", "", at, made)
			h.chat.Say(testGroup, "", "bob", "", at, made)
		}
		refused := func(id bot.RequestID) string {
			t.Helper()
			var r bot.Request
			err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) {
				r, err = tx.Request(id)
				return err
			})
			if err != nil || r.State != bot.Refused {
				t.Fatalf("%s, %v", r.State, err)
			}
			return r.RefusedFor.String()
		}
		id := h.ask("UMINA", testGroup+" from:mallory reason:flood")
		h.pass(time.Minute)
		why := refused(id)
		holds(t, why, "1,000 messages match among the 20,000 messages", "They were sent within one second")
		_, cmd, _ := strings.Cut(why, "Ask for these by their numbers: ")
		cmd, _, _ = strings.Cut(cmd, " When they are recalled")
		c, err := command.Parse("recall", strings.TrimPrefix(cmd, "/recall "))
		if err != nil || len(cmd) > 1500 || c.Reason != "flood" || !c.Scope.Filter.IsZero() {
			t.Fatalf("%d characters: %v, %+v", len(cmd), err, c)
		}
		// the newest, of which each second is mallory's
		n := c.Scope.Seqs.Count()
		for seq := range c.Scope.Seqs.All() {
			if seq%2 == 1 || int(seq) <= 21_000-2*n {
				t.Fatalf("%d is suggested: %s", seq, c.Scope.Seqs)
			}
		}
		if n < 100 {
			t.Errorf("%d of 1,000 are suggested", n)
		}
		none := h.ask("UMINA", testGroup+" from:nobody")
		h.pass(time.Minute)
		holds(t, refused(none), "No message matches among the 20,000 messages", "Give the numbers")
	})
}
