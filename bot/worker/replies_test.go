package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// quotes lets eve answer a message, as clients do.
func (h *house) quotes(seq int) {
	h.chat.Say(testGroup, "", "eve", "which house?", recalltest.Custom(fmt.Sprintf(
		`{"messageReply":{"messageID":"m","messageAbstract":"win big","messageSequence":%d,"version":1}}`, seq)))
}

const quoteWords = "later repl"

// TestReplies: what quotes a message of a small request stands on its card and is no part of it.
// Its requester alone can ask for it, as a request of its own, until the evidence is forgotten.
func TestReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.EvidenceTTL = time.Hour })
		h.say(12)
		h.quotes(2)
		h.quotes(1)
		h.quotes(7)
		c := h.asks("UMINA", testGroup+" 1 2 reason:doxxing")
		holds(t, said(c), "2 later replies quote 1-2: 13-14. They are not part.")
		if c.State != bot.Proposed || len(c.Samples) != 2 {
			t.Fatalf("%s, %d messages", c.State, len(c.Samples))
		}
		mine, theirs := h.press("UMINA", intake.ActShowAll, c), h.press("UTHEO", intake.ActShowAll, c)
		if mine.Page.Recall != "Ask for the 2 replies" || theirs.Page.Recall != "" {
			t.Errorf("buttons: %q and %q", mine.Page.Recall, theirs.Page.Recall)
		}
		if a := h.press("UTHEO", intake.ActRecallReplies, c); a.Refused != "forged" {
			t.Errorf("by another requester: %+v", a)
		}
		other := c
		other.Digest = strings.Repeat("0", 64)
		if a := h.press("UMINA", intake.ActRecallReplies, other); a.Refused != "forged" {
			t.Errorf("of another seal: %+v", a)
		}
		a := h.press("UMINA", intake.ActRecallReplies, c)
		if a.Kind != intake.Accepted {
			t.Fatalf("asked: %+v", a)
		}
		h.pass(5 * time.Second)
		own := h.screen.card(bot.RequestID(a.Lines[0][0].Text))
		holds(t, said(own), "Recall 2 messages", "messages 13-14", "doxxing")
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(10 * time.Second)
		if got := h.chat.RecalledSeqs(testGroup, ""); len(got) != 2 || got[0] != 1 || got[1] != 2 {
			t.Errorf("recalled %v", got)
		}
		c = h.screen.card(c.ID)
		lacks(t, said(c), quoteWords) // after an end the button is where the messages are
		if a := h.press("UMINA", intake.ActShowAll, c); a.Page == nil || a.Page.Recall != "Ask for the 2 replies" {
			t.Errorf("after the end: %+v", a)
		}

		h.pass(2 * time.Hour)
		lacks(t, said(h.screen.card(c.ID)), quoteWords)
		if a := h.press("UMINA", intake.ActShowAll, c); a.Page != nil && a.Page.Recall != "" {
			t.Errorf("a button when it is forgotten: %+v", a)
		}
		if a := h.press("UMINA", intake.ActRecallReplies, c); a.Refused != "replies_gone" {
			t.Errorf("when it is forgotten: %+v", a)
		}
	})
}

// TestRepliesCutShort: where the process dies while replies are looked for, the card says that it
// is not known whether there are some.
func TestRepliesCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(40)
		h.quotes(1)
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 2 * time.Second })
		id := h.ask("UMINA", testGroup+" 1")
		h.pass(5 * time.Second)
		h.stop()
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 0 })
		h.open(h.file, nil)
		h.pass(2 * time.Minute)
		c := h.screen.card(id)
		shown := h.types("UMINA", "recalls", "show "+string(id))
		if c.State != bot.Proposed || shown.Card == nil {
			t.Fatalf("%s, %+v", c.State, shown)
		}
		holds(t, said(*shown.Card), "It could not be read whether later messages quote these.")
		h.press("UTHEO", intake.ActReject, c)
		h.pass(5 * time.Second)
		lacks(t, said(h.screen.card(id)), "later messages quote")
	})
}

// TestRepliesUnread: a card stands before replies are looked for, and says so where they cannot be
// read. Those of more than ten messages are not looked for.
func TestRepliesUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(40)
		h.quotes(1)
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 2 * time.Second })
		id := h.ask("UMINA", testGroup+" 1")
		h.pass(5 * time.Second) // the group and its page are read, and no more
		if c := h.screen.card(id); c.State != bot.Proposed {
			t.Fatalf("the card is %s before replies are read", c.State)
		} else {
			lacks(t, said(c), quoteWords)
		}
		h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		h.pass(time.Minute)
		holds(t, said(h.screen.card(id)), "It could not be read whether later messages quote these.")
		h.chat.ClearFaults()
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 0 })

		before := h.chat.Calls(recalltest.History)
		many := h.asks("UMINA", testGroup+" 2-12")
		if n := h.chat.Calls(recalltest.History) - before; many.State != bot.Proposed || n != 1 {
			t.Errorf("%s: %d pages were read for 11 messages", many.State, n)
		}
	})
}
