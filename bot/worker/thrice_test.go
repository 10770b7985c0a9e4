package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestFloodThrice: of 3,000 messages of a flood the newest 1,000 are asked for three times, and
// approved each time. All are recalled, though what is recalled lies above what is left, and the
// messages of others stay.
func TestFloodThrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 100_000 })
		for i := range 3000 {
			h.chat.Say(testGroup, "", "mallory", "win big")
			if i%50 == 0 {
				h.chat.Say(testGroup, "", "bob", "who is that?")
			}
		}
		for n := 1; n <= 3; n++ {
			c := h.proposed(testGroup + " from:mallory last:1000")
			h.press("UTHEO", intake.ActApprove, c)
			h.within(2*time.Minute, c.ID, bot.Done)
			if got := len(h.chat.RecalledSeqs(testGroup, "")); got != n*1000 {
				t.Fatalf("after %d requests %d messages are recalled", n, got)
			}
		}
		id := h.ask("UMINA", testGroup+" from:mallory last:1000")
		h.within(time.Minute, id, bot.Refused) // none is left
		if n := len(h.chat.RecalledMoreThanOnce()); n > 0 {
			t.Errorf("%d messages were recalled twice", n)
		}
	})
}
