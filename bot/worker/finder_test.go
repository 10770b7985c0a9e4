package worker_test

import (
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

// What a search found is turned page by page, read afresh each time and told as it is then; each
// reading is audited, and the button asks for all of it.
func TestFoundPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for i := range 60 {
			h.chat.Say(testGroup, "", "mallory", fmt.Sprintf("win big %d", i+1))
			h.chat.Say(testGroup, "", "bob", "hello")
		}
		h.pass(time.Second)
		first := h.types("UMINA", "recalls", "find "+testGroup+" from:mallory last:45")
		holds(t, pageText(first.Page), "45 messages found in "+testGroup+", by kind, page 1 of 4", "win big …")
		lacks(t, pageText(first.Page), "hello")
		if first.Page.Recall != "Recall all 45" || first.Page.Search == "" {
			t.Errorf("buttons: %q of %q", first.Page.Recall, first.Page.Search)
		}
		turn := func(n int) intake.Answer {
			return h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: first.Page.Search, Page: n})
		}
		page := turn(1)
		holds(t, pageText(page.Page), "45 messages found in "+testGroup+", newest first, page 2 of 4",
			"119 mallory win big 60", "81 mallory win big 41")
		lacks(t, pageText(page.Page), "win big 40", "hello")
		// What happens meanwhile moves nothing: the second page is what comes after the first, as
		// it is now.
		h.chat.Say(testGroup, "", "mallory", "win big 61")
		h.chat.RecallElsewhere(testGroup, "", "mallory", 79)
		h.chat.Delete(testGroup, "", 77)
		second := turn(2)
		holds(t, pageText(second.Page), "page 3 of 4", "79 mallory  [recalled since]",
			"77 mallory  [deleted or expired since]", "75 mallory win big 38", "41 mallory win big 21")
		lacks(t, pageText(second.Page), "win big 40", "win big 39", "win big 61")
		holds(t, pageText(turn(3).Page), "page 4 of 4", "39 mallory win big 20", "31 mallory win big 16")
		if beyond := turn(99); beyond.Page.Number != 3 {
			t.Errorf("page %d", beyond.Page.Number)
		}
		read := h.audited("read")
		if len(read) != 5 || !strings.Contains(string(read[1].Detail), `"page":1`) ||
			!strings.Contains(string(read[1].Detail), `"how":"find"`) {
			t.Errorf("audited: %+v", read)
		}

		a := h.do("UMINA", intake.Act{Kind: intake.ActRecallFind, Search: first.Page.Search})
		if a.Kind != intake.Accepted {
			t.Fatalf("recall: %+v", a)
		}
		h.pass(5 * time.Second)
		c := h.screen.card(bot.RequestID(a.Lines[0][0].Text))
		holds(t, said(c), "Recall 43 messages", "messages 31, 33, 35")
		if n := strings.Count(first.Page.Notes[0].String(), ","); n != 44 {
			t.Errorf("%d numbers are named: %s", n+1, first.Page.Notes[0])
		}
	})
}

// The buttons of a search are worth nothing to another account, without the right, for a group that
// is no longer allowed, after a day, or made up.
func TestFoundGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/bot.db"
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(file, nil)
		h.say(30)
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", "find "+testGroup+" from:alice")
		search := a.Page.Search
		reads := len(h.audited("read"))
		asked := h.types("UMINA", "recalls", "list")
		acts := []intake.ActKind{intake.ActTurnFind, intake.ActRecallFind, intake.ActRecallKind}
		refused := func(user, want string, id bot.EventID) {
			t.Helper()
			for _, kind := range acts {
				want := want
				if want == "not_allowed" && kind != intake.ActTurnFind {
					want = "not_requester"
				}
				if got := h.do(user, intake.Act{Kind: kind, Search: id, Page: 1}); got.Refused != want ||
					got.Page != nil {
					t.Errorf("%s by %s: %+v, want %s", kind, user, got, want)
				}
			}
		}
		refused("UTHEO", "forged", search) // who may search too
		refused("UNOBODY", "not_allowed", search)
		refused("UMINA", "search_gone", "e999")
		refused("UMINA", "search_gone", "")
		refused("UMINA", "forged", bot.EventID(fmt.Sprint("e", h.events-1))) // an event, but no search
		h.stop()
		h.open(file, func(o *bot.Options) { o.Policy.Groups = []string{"@TGS#other*"} })
		refused("UMINA", "group_not_allowed", search)
		h.stop()
		h.open(file, func(o *bot.Options) {
			crowd := o.Policy.Crowds[onSlack]
			crowd.Channels = []string{"C2"}
			o.Policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: crowd}
		})
		refused("UMINA", "wrong_channel", search)
		h.stop()
		h.open(file, nil)
		if a := h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: search,
			Page: 1}); a.Kind != intake.ShowPage {
			t.Errorf("its own: %+v", a)
		}
		h.stop()
		time.Sleep(25 * time.Hour)
		h.open(file, nil)
		h.pass(time.Second)
		refused("UMINA", "search_gone", search)
		if n := len(h.audited("read")); n != reads+1 {
			t.Errorf("%d readings, want %d", n, reads+1)
		}
		if again := h.types("UMINA", "recalls", "list"); fmt.Sprint(again.Lines) != fmt.Sprint(asked.Lines) {
			t.Errorf("asked: %v", again.Lines)
		}
	})
}

// TestFoundKinds: what a search finds much of is shown by kind, and the button of a kind asks for
// exactly the messages of it that were found. What is stored of it has nothing that was written.
func TestFoundKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.MaxMessages = 25 })
		for i := range 30 {
			h.chat.Say(testGroup, "", "mallory", fmt.Sprintf("win %d coins", i))
			if i < 12 {
				h.chat.Say(testGroup, "", "mallory", "join my channel")
				h.chat.Say(testGroup, "", "mallory", "free phones")
			}
		}
		h.chat.Say(testGroup, "", "mallory", "sorry, my account was stolen")
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", "find "+testGroup+" from:mallory")
		shown := func(p *intake.Page) (l []string) {
			for _, s := range p.Samples {
				l = append(l, fmt.Sprint(s.Above, "|", s.Seq, "|", s.Alike, "|", s.Text))
			}
			return l
		}
		want := []string{"1 message is unlike the rest:|55|0|sorry, my account was stolen",
			"The other 54 are of 3 kinds:|0|30|win … coins", "|0|12|join my channel", "|0|12|free phones"}
		if got := shown(a.Page); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		labels := []string{"", "Recall the 12 of kind 2", "Recall the 12 of kind 3"}
		if !slices.Equal(a.Page.Kinds, labels) || a.Page.Recall != "" {
			t.Errorf("buttons %q and %q", a.Page.Kinds, a.Page.Recall)
		}
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			e, err := tx.Event(a.Page.Search)
			lacks(t, string(e.Answer), "coins", "channel", "stolen")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		first := h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: a.Page.Search})
		if got := shown(first.Page); !slices.Equal(got, want) {
			t.Errorf("read again: %q", got)
		}
		h.chat.Say(testGroup, "", "mallory", "free phones")
		press := func(n int) intake.Answer {
			return h.do("UMINA", intake.Act{Kind: intake.ActRecallKind, Search: a.Page.Search, Page: n})
		}
		asked := press(2)
		h.pass(5 * time.Second)
		if r := h.requestOf(asked.Request); r.State != bot.Proposed || r.Count() != 12 ||
			!strings.HasPrefix(r.Only().Covers.String(), "3,6,9,") || r.Only().Covers.Contains(56) {
			t.Errorf("it is %s for %s", r.State, r.Only().Covers)
		}
		if a := press(0); a.Refused != "too_many" {
			t.Errorf("more than one request can hold: %+v", a)
		}
		if a := press(3); a.Refused != "forged" {
			t.Errorf("a kind that is not there: %+v", a)
		}
	})
}

// TestFoundKindsEarly: of a search that stopped early the kinds have what was read and not left to
// the command for the rest.
func TestFoundKindsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		begin := time.Now().Add(-8 * time.Hour)
		for i := range 20_100 {
			words := "hello"
			if i%100 < 50 {
				words = fmt.Sprint("win big ", i)
			}
			h.chat.Say(testGroup, "", "bob", words, recalltest.At(begin.Add(time.Duration(i/30)*time.Second)))
		}
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", "find "+testGroup+` text:"win big"`)
		found := a.Found.Seqs.Count()
		holds(t, pageText(a.Page), "before it was complete")
		if a.Found.Kinds == nil || a.Found.Kinds.Messages != found || a.Page.Samples[0].Alike != found {
			t.Errorf("%d are found, the kinds are %+v", found, a.Found.Kinds)
		}
	})
}

// A search of more than one request can hold says so, and has no button that asks for it.
func TestFoundTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.MaxMessages = 25 })
		h.say(30)
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", "find "+testGroup+" from:alice")
		holds(t, pageText(a.Page), "30 messages found", "One request can hold 25 messages")
		if a.Page.Recall != "" {
			t.Errorf("a button %q", a.Page.Recall)
		}
		for n, want := range map[int]string{1: "Recall this one", 2: "Recall these 2"} {
			if a := h.types("UMINA", "recalls", fmt.Sprintf("find %s last:%d", testGroup, n)); a.Page.Recall != want {
				t.Errorf("%d: %q, want %q", n, a.Page.Recall, want)
			}
		}
	})
}

// A page that cannot be read says why, and the search stays.
func TestFoundUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(30)
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", "find "+testGroup+" from:alice")
		h.chat.Inject(recalltest.History, -1, recalltest.Answer(10002, "busy"))
		turn := intake.Act{Kind: intake.ActTurnFind, Search: a.Page.Search, Page: 1}
		if b := h.do("UMINA", turn); b.Kind != intake.Whisper || !strings.Contains(fmt.Sprint(b.Lines),
			"could not be read: the Chat service answered busy (10002)") {
			t.Errorf("%+v", b)
		}
		h.chat.ClearFaults()
		holds(t, pageText(h.do("UMINA", turn).Page), "page 2 of 3", "30 alice win big 30")
	})
}

// A search stops after 20,000 messages and says so, whether it found anything or not, with the
// command for the rest. As a filter it is refused, with a command for what was read and one for the
// rest; what they ask for overlaps in nothing and misses nothing.
func TestFindStopsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		begin := time.Now().Add(-8 * time.Hour)
		h.chat.Say(testGroup, "", "mallory", "the first", recalltest.At(begin))
		for i := range 20_100 {
			h.chat.Say(testGroup, "", "bob", "hello", recalltest.At(begin.Add(time.Duration(i)*time.Second)))
		}
		h.chat.Say(testGroup, "", "mallory", "the last")
		h.pass(time.Second)
		const cut = "1999-12-31T16:03:22Z"
		a := h.types("UMINA", "recalls", "find "+testGroup+" from:mallory")
		holds(t, pageText(a.Page), "1 message found", "20102 mallory the last", "20,000 messages were read",
			"stopped at message 103 of", "before it was complete", "The rest: /recalls find "+testGroup+
				" from:mallory until:1999-12-31T16:03:21Z")
		a = h.types("UMINA", "recalls", "find "+testGroup+" from:nobody")
		holds(t, fmt.Sprint(a.Lines), "No message of", "before it was complete")
		if n := h.chat.Calls(recalltest.History); n > 2*1040 {
			t.Errorf("%d pages were read for two searches", n)
		}
		first, rest := testGroup+" from:mallory since:"+cut, testGroup+" from:mallory until:1999-12-31T16:03:21Z"
		c := h.within(time.Minute, h.ask("UMINA", testGroup+" from:mallory"), bot.Refused)
		holds(t, said(c), "1 message matches among the 20,000 messages that were looked at, back to message 103 of",
			"What was read: /recall "+first+" ", "The rest: /recall "+rest)
		for command, seq := range map[string]string{first: "20102", rest: "1"} {
			c := h.within(time.Minute, h.ask("UMINA", command), bot.Proposed)
			holds(t, said(c), "Recall 1 message ", "messages "+seq+"\n")
		}
	})
}

// A phrase is found whatever its case, width and spaces, and whatever is hidden in it.
func TestFindFolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for _, text := range []string{"Double your COINS", "double  your\ncoins", "ｄｏｕｂｌｅ ｙｏｕｒ ｃｏｉｎｓ",
			"dou\u200bble your co\u00adins", "double your co\x00ins", "straße", "other"} {
			h.chat.Say(testGroup, "", "mallory", text)
		}
		h.pass(time.Second)
		for phrase, want := range map[string][]uint32{
			`"Double Your Coins"`: {5, 4, 3, 2, 1}, `"double   your coins"`: {5, 4, 3, 2, 1}, `"ＹＯＵＲ"`: {5, 4, 3, 2, 1},
			`STRASSE`: {6}, `"your coins double"`: nil,
		} {
			a := h.types("UMINA", "recalls", "find "+testGroup+" text:"+phrase)
			var got []uint32
			if a.Page != nil {
				for _, s := range a.Page.Samples {
					got = append(got, s.Seq)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", phrase, got, want)
			}
		}
	})
}

// A list that does not show all says so.
func TestListCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(30)
		for n := range 23 {
			c := h.asks("UMINA", fmt.Sprintf("%s %d", testGroup, n+1))
			h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		}
		l := h.types("UMINA", "recalls", "list mine").Lines
		if len(l) != 21 || l[0].String() != "The newest 20 of 23 requests. Narrow it with open, mine or a group." {
			t.Errorf("%d lines: %v", len(l), l[0])
		}
		c := h.asks("UMINA", testGroup+" 1")
		l = h.types("UMINA", "recalls", "list open").Lines
		if len(l) != 2 || l[0].String() != "1 open request, newest first:" || !strings.Contains(l[1].String(),
			string(c.ID)) {
			t.Errorf("open: %v", l)
		}
	})
}
