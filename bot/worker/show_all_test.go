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

// pageOf presses Show all, or turns to a page of it.
func (h *house) pageOf(user string, c bot.Card, page int) intake.Page {
	h.t.Helper()
	a := h.do(user, intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest, Page: page})
	if a.Kind != intake.ShowPage || a.Page == nil {
		h.t.Fatalf("Show all: %+v", a)
	}
	return *a.Page
}

// numbers are the messages of a page, those in brackets that are not part of the request.
func numbers(p intake.Page) string {
	var all []string
	for _, s := range p.Samples {
		n := fmt.Sprint(s.Seq)
		for _, mark := range s.Marks {
			if mark.String() == "not part" {
				n = "(" + n + ")"
			}
		}
		if s.Alike > 0 {
			n = fmt.Sprint(s.Alike, "x")
		}
		all = append(all, n)
	}
	return strings.Join(all, " ")
}

// TestShowAllAround: of up to three messages Show all has the nearest two before and after each
// that are still there, marked as not part, and the audit log has which.
func TestShowAllAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(30)
		h.chat.RecallElsewhere(testGroup, "", "alice", 9)
		h.chat.Delete(testGroup, "", 13)
		for asked, want := range map[string]string{
			"1":        "1 (2) (3)",
			"10":       "(7) (8) 10 (11) (12)",
			"12":       "(10) (11) 12 (14) (15)",
			"10 16":    "(7) (8) 10 (11) (12) (14) (15) 16 (17) (18)",
			"17 18 30": "(15) (16) 17 18 (19) (20) (28) (29) 30",
			"3-6":      "3 4 5 6",
		} {
			c := h.asks("UMINA", testGroup+" "+asked)
			p := h.pageOf("UTHEO", c, 0)
			if got := numbers(p); got != want {
				t.Errorf("%s: %s, want %s", asked, got, want)
			}
			for _, s := range p.Samples {
				if len(s.Text) == 0 || s.Sent.IsZero() || s.Sender != "alice" {
					t.Errorf("%s: %d is %+v", asked, s.Seq, s)
				}
			}
			h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		}
		read := 0
		for _, e := range h.audited("read") {
			if strings.Contains(string(e.Detail), `"around":{"`+testGroup+`":"7-8,11-12"}`) {
				read++
			}
		}
		if read != 1 {
			t.Errorf("the audit log has what was shown around 10 %d times", read)
		}

		h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		c := h.asks("UMINA", testGroup+" 20")
		h.chat.ClearFaults()
		h.within(time.Minute, c.ID, bot.Proposed)
		h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		p := h.pageOf("UTHEO", h.screen.card(c.ID), 0)
		if got := numbers(p); got != "20" ||
			!strings.Contains(fmt.Sprint(p.Notes), "around these messages is not shown") {
			t.Errorf("what cannot be read: %s, %v", got, p.Notes)
		}
	})
}

// TestShowAllPages: Show all of a folded request begins with what is unlike the rest, goes on with
// the kinds, and ends with every message; each page is audited as what it showed.
func TestShowAllPages(t *testing.T) {
	for _, evidence := range []bot.Evidence{bot.EvidenceExcerpt, bot.EvidenceHash} {
		t.Run(string(evidence), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Evidence = evidence })
				for i := range 300 {
					words := "win big"
					if i%25 == 24 {
						words = "words of member " + string(rune('a'+i/25))
					}
					h.chat.Say(testGroup, "", "alice", words)
				}
				c := h.asks("UMINA", testGroup+" 1-300")
				for page, want := range map[int]string{
					0: "25 50 75 100 125 150 175 200 225 250", 1: "275 300", 2: "288x", 3: "1 2 3 4 5 6 7 8 9 10",
					32: "291 292 293 294 295 296 297 298 299 300",
				} {
					p := h.pageOf("UTHEO", c, page)
					if got := numbers(p); got != want || p.Of != 33 || p.Number != page {
						t.Errorf("page %d of %d: %s", p.Number, p.Of, got)
					}
					for _, s := range p.Samples {
						if len(s.Text) == 0 {
							t.Errorf("page %d: %d says nothing", page, s.Seq)
						}
					}
				}
				what := map[string]int{}
				for _, e := range h.audited("read") {
					for _, w := range []string{"unlike the rest", "kinds"} {
						if strings.Contains(string(e.Detail), `"what":"`+w+`"`) {
							what[w]++
						}
					}
					what["all"]++
				}
				if got := fmt.Sprint(what); got != "map[all:5 kinds:1 unlike the rest:2]" {
					t.Errorf("audited as %s", got)
				}
			})
		})
	}
}
