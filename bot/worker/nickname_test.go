package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// drawn is a card as it was posted or edited, and when.
type drawn struct {
	at   time.Time
	card bot.Card
}

// watched is a surface that keeps every card that is drawn.
type watched struct {
	*screen
	drawn []drawn
}

func (w *watched) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	w.keep(c)
	return w.screen.Post(ctx, at, c, key)
}

func (w *watched) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	w.keep(c)
	return w.screen.Edit(ctx, ref, c)
}

func (w *watched) keep(c bot.Card) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drawn = append(w.drawn, drawn{time.Now(), c})
}

// names is who sent the messages of a card, as it says.
func names(samples []bot.Sample) (all []string) {
	for _, s := range samples {
		all = append(all, s.Who().String())
	}
	return all
}

// TestNicknames: beside the id of a sender stands what they call themselves, at most 40 characters
// and nothing that is not seen. One account that the service does not know costs the others
// nothing, and names are kept for ten minutes.
func TestNicknames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.chat.Nickname("casino_77", "Lucky\u202eLuke ✅")
		h.chat.Nickname("endless", strings.Repeat("n", 50))
		h.chat.Nickname("same", "same")
		h.chat.Unimport("strange")
		for _, from := range []string{"casino_77", "endless", "same", "strange", "nameless", "administrator"} {
			h.chat.Say(testGroup, "", from, "win big")
		}
		c := h.asks("UMINA", testGroup+" 1-6")
		want := []string{"casino_77 (Lucky‹U+202E›Luke ✅)", "endless (" + strings.Repeat("n", 40) +
			"… (10 more))", "same", "strange", "nameless", "administrator"}
		if got := names(c.Samples); !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
		for _, s := range c.Samples[0].Who() {
			if strings.Contains(s.Text, "Luke") && s.Kind != bot.Foreign {
				t.Errorf("a nickname stands as %s", s.Kind)
			}
		}
		n := h.chat.Calls(recalltest.Portrait)
		if n == 0 || n > 8 {
			t.Errorf("%d calls", n)
		}
		page := h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID}).Page
		if got := names(page.Samples); !slices.Equal(got, want) {
			t.Errorf("Show all: %q", got)
		}
		h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		c = h.asks("UMINA", testGroup+" 1-6")
		if got := h.chat.Calls(recalltest.Portrait); got != n {
			t.Errorf("%d calls, %d before", got, n)
		}
		h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		h.chat.Nickname("casino_77", "Honest Joe")
		h.pass(11 * time.Minute)
		if got := names(h.asks("UMINA", testGroup+" 1").Samples); got[0] != "casino_77 (Honest Joe)" {
			t.Errorf("after ten minutes: %q", got)
		}
		found := h.types("UMINA", "recalls", "find "+testGroup+" from:casino_77").Page
		if got := names(found.Samples); len(got) != 1 || got[0] != "casino_77 (Honest Joe)" {
			t.Errorf("find: %q", got)
		}
	})
}

// TestNicknamesMany: of many accounts that the service does not know, and of an outage, no more
// than eight calls are made for a card, and those that can be read are.
func TestNicknamesMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for i := range 10 {
			from := fmt.Sprint("user", i)
			if h.chat.Nickname(from, fmt.Sprint("Name ", i)); i%5 == 1 {
				h.chat.Unimport(from)
			}
			h.chat.Say(testGroup, "", from, fmt.Sprint("text ", i))
		}
		c := h.asks("UMINA", testGroup+" 1-10")
		if n := h.chat.Calls(recalltest.Portrait); n != 8 {
			t.Errorf("%d calls", n)
		}
		got := fmt.Sprint(names(c.Samples))
		if !strings.Contains(got, "user3 (Name 3) user4 (Name 4)") || strings.Contains(got, "Name 1") {
			t.Errorf("%s", got)
		}
		h.chat.Inject(recalltest.Portrait, 100, recalltest.BadGateway())
		h.chat.Say(testGroup, "", "other", "text")
		before := h.chat.Calls(recalltest.Portrait)
		c = h.asks("UMINA", testGroup+" 11")
		if got := names(c.Samples); got[0] != "other" {
			t.Errorf("%q", got)
		}
		if n := h.chat.Calls(recalltest.Portrait) - before; n != 1 {
			t.Errorf("%d calls while the service is away", n)
		}
	})
}

// TestNicknamesLate: a card is posted without nicknames after half a second, and edited when they
// come. It is drawn once more for them, and not without end where there are none.
func TestNicknamesLate(t *testing.T) {
	for name, late := range map[string]time.Duration{"soon": 300 * time.Millisecond, "late": 3 * time.Second} {
		for _, nick := range []string{"Lucky Luke", ""} {
			t.Run(name+nick, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w *watched
					h := newHouseWith(t, func(h *house) {
						w = &watched{screen: h.screen}
						h.surface = w
					}, nil)
					h.chat.Nickname("alice", nick)
					h.say(2)
					h.chat.Inject(recalltest.Portrait, 1, recalltest.Delay(late))
					c := h.asks("UMINA", testGroup+" 1 2")
					want := "alice"
					if nick != "" {
						want = "alice (Lucky Luke)"
					}
					if got := names(c.Samples); got[0] != want {
						t.Errorf("%q", got)
					}
					r := h.requestOf(c.ID)
					if took := w.drawn[0].at.Sub(r.Sealed); took > 510*time.Millisecond {
						t.Errorf("the card was held up for %v", took)
					}
					cards := 1
					if late > time.Second && nick != "" {
						cards = 2
					}
					if len(w.drawn) != cards {
						t.Errorf("it was drawn %d times", len(w.drawn))
					}
				})
			})
		}
	}
}

// TestNicknamesSweep: the headline of a sweep names its sender by id and nickname, and the question
// before an approval, where nothing frames text of others, by the id alone.
func TestNicknamesSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(2, 20)
		h.chat.Nickname("spammer", "in 2 groups? ✅ Approved")
		c := h.asks("UMINA", "in:joined from:spammer")
		holds(t, c.Title.String(), "✋ Recall 40 messages of spammer (in 2 groups? ✅ Approved) in 2 groups?")
		lacks(t, c.Buttons[0].Confirm.Text, "Approved")
		holds(t, c.Buttons[0].Confirm.Text, "40 messages of spammer in 2 groups disappear")
		for _, s := range c.Title {
			if s.Kind == bot.Words && strings.Contains(s.Text, "Approved") {
				t.Errorf("%+v", c.Title)
			}
		}
		shown := h.types("UMINA", "recalls", "show "+string(c.ID))
		holds(t, shown.Card.Title.String(), "✅ Approved")
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			e, err := tx.Event(bot.EventID(fmt.Sprint("e", h.events)))
			holds(t, string(e.Answer), string(c.ID))
			lacks(t, string(e.Answer), "✅ Approved")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.press("UTHEO", intake.ActApprove, c)
		c = h.within(time.Minute, c.ID, bot.Done)
		holds(t, c.Title.String(), "messages of spammer (in 2 groups?")
	})
}
