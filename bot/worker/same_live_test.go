package worker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// index returns what is kept of the live group, highest number first, and the key of Arrival.Said.
func (h *house) index() (kept []bot.Arrival, key string) {
	h.t.Helper()
	app := recall.SDKAppID(h.chat.SDKAppID())
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) (err error) {
		if kept, err = tx.Arrivals(app, liveGroup, "", 1, 1000, 1000); err == nil {
			key, err = tx.Setting(bot.SettingIndexKey(app))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return kept, key
}

// TestSameBefore: what an earlier version kept of a live group has no hash of what it says. A
// search for the same as something says so, and takes nothing for different that it cannot compare.
func TestSameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexExcerpt })
		lost := true
		h.listens(func(c *recalltest.Callbacks) { c.Drop = func(string, []byte) bool { return lost } })
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		before := bot.Arrival{Group: liveGroup, Seq: 1, Sender: "eve", Sent: time.Now().Truncate(time.Second),
			HMAC: []byte{1}, Excerpt: "free coins"}
		h.chat.Say(liveGroup, "", "eve", "free coins")
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			_, err := tx.AddArrivals(recall.SDKAppID(h.chat.SDKAppID()), []bot.Arrival{before})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		lost = false
		h.chat.Say(liveGroup, "", "eve", "free coins")
		h.chat.Say(liveGroup, "", "mallory", "free coins")
		h.pass(time.Second)
		for search, want := range map[string]string{
			"same:1 last:5":              "same_before",
			"same:2 last:5":              "index_before",
			"same:2 from:eve last:2":     "index_before",
			"same:9 last:5":              "same_unheard",
			"same:2 from:mallory last:1": "",
			"same:2 last:2":              "",
			"same:2 since:30s":           "",
		} {
			if a := h.types("UMINA", "recalls", "find "+liveGroup+" "+search); a.Refused != want {
				t.Errorf("%s: refused %q, want %q: %v", search, a.Refused, want, a.Lines)
			}
		}
	})
}

// TestSaidForgotten: the hashes of what messages of a live group say go with the messages, and
// their key with the last of them. What is kept after that has another key.
func TestSaidForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			o.Callbacks, o.Index, o.IndexTTL = true, bot.IndexHash, 10*time.Minute
		})
		h.listens(nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		if _, key := h.index(); key != "" {
			t.Error("there is a key of nothing")
		}
		h.chat.Say(liveGroup, "", "mallory", "free coins")
		h.pass(5 * time.Minute)
		h.chat.Say(liveGroup, "", "eve", "free coins")
		h.pass(time.Second)
		kept, first := h.index()
		if len(kept) != 2 || len(kept[0].Said) != 32 || string(kept[0].Said) != string(kept[1].Said) || first == "" {
			t.Fatalf("kept: %+v, key %q", kept, first)
		}
		h.pass(6 * time.Minute)
		if kept, key := h.index(); len(kept) != 1 || key != first {
			t.Errorf("after a part is forgotten: %+v, key %q", kept, key)
		}
		h.pass(6 * time.Minute)
		if kept, key := h.index(); len(kept) != 0 || key != "" {
			t.Errorf("after all is forgotten: %+v, key %q", kept, key)
		}
		h.chat.Say(liveGroup, "", "eve", "free coins")
		h.pass(time.Second)
		if again, key := h.index(); len(again) != 1 || key == "" || key == first ||
			string(again[0].Said) == string(kept[0].Said) {
			t.Errorf("the key %q came back: %+v", key, again)
		}
	})
}

// TestKindsByHash: where no text is kept, messages of a live group are folded by what they say, not
// taken for one.
func TestKindsByHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexHash })
		h.listens(nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		for i := range 30 {
			h.chat.Say(liveGroup, "", fmt.Sprint("eve", i), "free coins")
		}
		h.chat.Say(liveGroup, "", "bob", "who is this?")
		h.pass(time.Second)
		c := h.asks("UMINA", liveGroup+" 1-31")
		var kinds *bot.Kinds
		err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) {
			kinds, err = tx.Kinds(c.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if kinds == nil || len(kinds.Alike) != 1 ||
			kinds.Alike[0].N != 30 || len(kinds.Odd) != 1 ||
			kinds.Odd[0].First != 31 {
			t.Errorf("folded into %+v", kinds)
		}
	})
}
