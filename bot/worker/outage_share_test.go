package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// TestNoOutageInTurn: a request that waits while a smaller one takes the quota is in no outage.
func TestNoOutageInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(h.chat.SDKAppID()),
			SecretKey: h.chat.SecretKey(), BaseURL: recalltest.URL, HTTPClient: h.chat.Client(), CallsPerSecond: 5})
		if err != nil {
			t.Fatal(err)
		}
		h.open(h.file, func(o *bot.Options) { o.Policy.LargeFrom, o.CallsPerSecond, o.Chat = 5000, 5, client })
		h.say(1600)
		a := h.asks("UMINA", testGroup+" 1-750")
		b := h.asks("UMINA", testGroup+" 751-1600")
		h.press("UTHEO", intake.ActApprove, a)
		h.press("UTHEO", intake.ActApprove, b)
		for range 20 {
			h.pass(time.Second)
			if t.Failed() {
				break
			}
			lacks(t, h.types("UMINA", "recalls", "show "+string(b.ID)).Card.Title.String(), "has not answered")
		}
	})
}
