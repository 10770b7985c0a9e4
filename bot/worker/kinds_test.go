package worker_test

import (
	"fmt"
	"testing"
	"testing/synctest"

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
