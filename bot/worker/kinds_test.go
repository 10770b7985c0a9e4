package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/recall/recalltest"
)

// TestKindsSealed: while a flood is sealed its messages are folded, but only those that are to be
// sent. What says something as data is unlike the rest.
// A request of a few messages is not folded.
func TestKindsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for i := range 300 {
			words := fmt.Sprintf("win %d coins", i)
			if i == 150 {
				words = "mods please"
			}
			if 200 <= i && i < 205 {
				h.chat.Say(testGroup, "", "mallory", "", recalltest.Body(
					`[{"MsgType":"TIMCustomElem","MsgContent":{"Desc":"gift","Data":"{\"at\":\"scam.example\"}"}}]`))
				continue
			}
			h.chat.Say(testGroup, "", "mallory", words)
		}
		kinds := func(id bot.RequestID) (k *bot.Kinds) {
			t.Helper()
			err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) { k, err = tx.Kinds(id); return err })
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		few := h.asks("UMINA", testGroup+" 1-10")
		if k := kinds(few.ID); k != nil {
			t.Errorf("ten messages are folded: %+v", k)
		}
		k := kinds(h.asks("UMINA", testGroup+" 11-305").ID) // the last five do not exist
		if k == nil || k.Messages != 290 || len(k.Alike) != 1 || len(k.Odd) != 2 {
			t.Fatalf("%+v", k)
		}
		a, o := k.Alike[0], k.Odd[0]
		if d := k.Odd[1]; d.N != 5 || d.First != 201 || !d.Marked {
			t.Errorf("%+v", d)
		}
		if a.N != 284 || a.Text != "win … coins" || o.First != 151 || o.Text != "mods please" {
			t.Errorf("%+v", k)
		}
	})
}

// TestKindsUntold: what callbacks told of without its text is not folded: nothing says what is
// alike.
func TestKindsUntold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Index, o.IndexTTL = bot.IndexHash, time.Hour })
		h.listens(nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		for i := range 30 {
			h.chat.Say(liveGroup, "", "mallory", fmt.Sprint(strings.Repeat("x", i), " words"))
			h.pass(time.Second)
		}
		c := h.asks("UMINA", liveGroup+" from:mallory since:20s")
		if c.State != bot.Proposed {
			t.Fatalf("state %s: %v", c.State, c.Head)
		}
		holds(t, said(c), "messages in Live?")
		for _, s := range c.Samples {
			if s.Alike > 0 {
				t.Errorf("%d messages are told as alike", s.Alike)
			}
		}
		a := h.types("UMINA", "recalls", "find "+liveGroup+" from:mallory since:1h")
		if a.Page == nil || a.Found.Kinds != nil || a.Found.Seqs.Count() != 30 {
			t.Errorf("found: %+v", a)
		}
	})
}
