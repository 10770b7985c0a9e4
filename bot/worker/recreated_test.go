package worker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// TestExactSweepRecreated: a group that was made anew since the search, under its old id, has other
// messages with the same numbers. A sweep is of one sender's, so what others wrote there is no part
// of it.
func TestExactSweepRecreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(2, 3)
		a := h.types("UMINA", "recalls", "find in:joined from:spammer")
		h.chat.Dismiss(swept(0))
		h.chat.AddGroup(recalltest.Group{ID: swept(0), Name: "Group 0", Type: "Public"})
		for range 20 {
			h.chat.Say(swept(0), "", "alice", "good morning")
		}
		asked := h.do("UMINA", intake.Act{Kind: intake.ActRecallFind, Search: a.Page.Search})
		h.within(time.Minute, asked.Request, bot.Proposed)
		r := h.requestOf(asked.Request)
		card := h.screen.card(r.ID)
		holds(t, said(card), "Recall 3 messages of spammer in 2 groups?")
		lacks(t, said(card), "good morning", "alice")
		h.press("UTHEO", intake.ActApprove, card)
		h.within(time.Minute, r.ID, bot.Done)
		if got := h.chat.RecalledSeqs(swept(0), ""); len(got) > 0 {
			t.Errorf("messages %v of alice are recalled", got)
		}
		if got := len(h.chat.RecalledSeqs(swept(1), "")); got != 3 {
			t.Errorf("%d messages of the sender are recalled, want 3", got)
		}
	})
}
