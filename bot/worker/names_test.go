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

// TestNames: a name is taken only where the whole list of groups was seen, among the groups that
// may be touched, and where one alone bears it; nobody can use what was suggested to somebody else.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.Groups = []string{"@TGS#*", "room-*"} })
		h.say(30)
		h.chat.AddGroup(recalltest.Group{ID: "secret", Name: "Casino talks"})
		h.chat.AddGroup(recalltest.Group{ID: "room-7", Name: "secret"})
		refused := func(text, key string) intake.Answer {
			t.Helper()
			a := h.types("UMINA", "recall", text)
			if a.Refused != key {
				t.Errorf("%s: refused %q, want %q: %v", text, a.Refused, key, a.Lines)
			}
			return a
		}
		// An id that may not be touched is not looked for: the word is a name.
		if a := refused("secret 5", ""); a.Kind != intake.Accepted {
			t.Errorf("by the name of another group: %+v", a)
		}
		h.pass(5 * time.Second)
		a := refused("casino-talk 5", "no_such_name")
		said := fmt.Sprint(a.Lines)
		if strings.Contains(said, "Casino talks") || !strings.Contains(said, "Casino talk") {
			t.Errorf("the nearest are %s", said)
		}
		if a.Offer == nil || len(a.Offer.Commands) != 1 {
			t.Fatalf("offered %+v", a.Offer)
		}
		use := intake.Act{Kind: intake.ActUse, Search: a.Offer.Event}
		if a := h.do("UTHEO", use); a.Refused != "forged" {
			t.Errorf("what was suggested to somebody else: %+v", a)
		}
		if a := h.do("UMINA", intake.Act{Kind: intake.ActUse, Search: a.Offer.Event, Page: 1}); a.Refused != "forged" {
			t.Errorf("what was not suggested: %+v", a)
		}
		if a := h.do("UMINA", intake.Act{Kind: intake.ActUse, Search: "slack-00"}); a.Refused != "offer_gone" {
			t.Errorf("what nobody keeps: %+v", a)
		}
		if a := h.do("UMINA", use); a.Kind != intake.Accepted {
			t.Errorf("what was suggested: %+v", a)
		}
		// The groups are listed once for as long as they are kept.
		if n := h.chat.Calls(recalltest.Groups); n != 1 {
			t.Errorf("the groups were listed %d times", n)
		}

		// Hostile names stay in their frame.
		h.pass(11 * time.Minute)
		h.chat.AddGroup(recalltest.Group{ID: "@TGS#H", Name: "casino-tall \u202e<!channel> `approved` " +
			strings.Repeat("x", 100)})
		for _, l := range refused("casino-tall 5", "no_such_name").Lines {
			for _, s := range l {
				hostile := strings.Contains(s.Text, "<!channel>") || strings.Contains(s.Text, "xxx")
				if hostile && s.Kind != bot.Foreign || len(s.Text) > 200 {
					t.Errorf("the bot's own words are %q", s.Text)
				}
			}
		}

		// More groups than are looked at, or a service that does not answer.
		h.pass(11 * time.Minute)
		for i := range 10_000 {
			h.chat.AddGroup(recalltest.Group{ID: fmt.Sprintf("room-%05d", i), Name: fmt.Sprint("Room ", i)})
		}
		if a := refused(`"Casino talk" 6`, "name_unsure"); !strings.Contains(fmt.Sprint(a.Lines), "10,0") {
			t.Errorf("how many were looked at: %v", a.Lines)
		}
		if n := h.chat.MostInAnySecond(recalltest.Groups); n != 1 {
			t.Errorf("%d lists in a second", n)
		}
		h.pass(11 * time.Minute)
		h.chat.Inject(recalltest.Groups, -1, recalltest.Answer(10002, "internal"))
		refused(`"Casino talk" 6`, "names_unread")
		h.chat.Inject(recalltest.Info, -1, recalltest.BadGateway())
		if a := h.types("UMINA", "recall", "room-00001 7"); a.Kind != intake.Accepted {
			t.Errorf("what can be an id while nobody can say: %+v", a)
		}
	})
}
