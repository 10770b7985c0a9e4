package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// TestOutageOnCard: the card of a request that runs says since when the service has not answered,
// how many are gone, and until when it is tried: whether calls fail, their answers are lost, or
// messages cannot be read again before they are sent. When the service is back it goes on.
func TestOutageOnCard(t *testing.T) {
	for name, outage := range map[string]func(chat *recalltest.Service){
		"nothing is reached": func(chat *recalltest.Service) {
			for _, command := range []string{recalltest.Recall, recalltest.History} {
				chat.Inject(command, -1, recalltest.Unreachable())
			}
		},
		"answers are lost": func(chat *recalltest.Service) {
			chat.Inject(recalltest.Recall, -1, recalltest.ResetBefore())
			chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		},
		"history alone is away": func(chat *recalltest.Service) {
			chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 1000 })
				h.say(120) // so many are not read again
				seqs, n := " 1-120", "120"
				if name == "history alone is away" {
					seqs, n = " 1-30", "30"
				}
				c := h.asks("UMINA", testGroup+seqs)
				outage(h.chat)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(6 * time.Second)
				lacks(t, said(h.screen.card(c.ID)), "has not answered")
				h.pass(time.Minute)
				c = h.screen.card(c.ID)
				holds(t, said(c), "🔴 The Chat service has not answered since 00:00 UTC",
					"0 of "+n+" messages in Casino talk are gone. The rest goes on by itself when the service is back, "+
						"until 00:15 UTC; then it stops.", "[Stop]")
				h.chat.ClearFaults()
				h.within(2*time.Minute, c.ID, bot.Done)
				holds(t, said(h.screen.card(c.ID)), "✅ All "+n+" messages in Casino talk are recalled")
			})
		})
	}
}

// TestNoOutageOnCard: a call that fails while others succeed is no outage.
func TestNoOutageOnCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 1000 })
		h.say(120)
		c := h.asks("UMINA", testGroup+" 1-120")
		h.chat.Inject(recalltest.Recall, 1, recalltest.Unreachable())
		h.press("UTHEO", intake.ActApprove, c)
		for range 20 {
			h.pass(time.Second)
			lacks(t, said(h.screen.card(c.ID)), "has not answered")
		}
		h.within(time.Minute, c.ID, bot.Done)
	})
}

// TestOutageAfterRest: while the program did not run, nobody asked the service. So the card does
// not say that it has not answered for that long.
func TestOutageAfterRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		configure := func(o *bot.Options) { o.Policy.LargeFrom = 1000 }
		h := newHouse(t, configure)
		h.say(120)
		c := h.asks("UMINA", testGroup+" 1-120")
		h.chat.Inject(recalltest.Recall, -1, recalltest.Unreachable())
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(2 * time.Second)
		h.stop()
		h.pass(5 * time.Minute)
		h.open(h.file, configure)
		for range 8 {
			h.pass(time.Second)
			lacks(t, said(h.screen.card(c.ID)), "has not answered")
		}
		h.pass(time.Minute)
		holds(t, said(h.screen.card(c.ID)), "🔴 The Chat service has not answered since 00:05 UTC", "until 00:15 UTC")
	})
}
