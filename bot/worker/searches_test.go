package worker_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// crowded lets the users U0 to U99 ask as well.
func crowded(o *bot.Options) {
	crowd := o.Policy.Crowds[onSlack]
	for n := range 100 {
		crowd.Requesters = append(slices.Clone(crowd.Requesters), bot.Principal{User: fmt.Sprint("U", n)})
	}
	o.Policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: crowd}
	o.Policy.MaxMessages = 10_000
}

// talkative adds a group in which alice has said n messages.
func (h *house) talkative(id string, n int) string {
	h.chat.AddGroup(recalltest.Group{ID: id, Type: "Public", Name: "Talk"})
	for i := range n {
		h.chat.Say(id, "", "alice", fmt.Sprint("win big ", i))
	}
	return id
}

// atOnce has the users type the command at the same time, and returns what each was answered.
func (h *house) atOnce(command, text string, users ...string) []intake.Answer {
	answers := make([]intake.Answer, len(users))
	var wg sync.WaitGroup
	for i, user := range users {
		h.events++
		e := h.event(bot.EventID(fmt.Sprint("e", h.events)), user, intake.Act{Kind: intake.ActCommand, Command: command,
			Text: text})
		wg.Go(func() {
			a, err := h.bot.Do(h.t.Context(), e, bot.Member{Account: e.By, Name: user})
			if err != nil {
				h.t.Error(err)
			}
			answers[i] = a
		})
	}
	wg.Wait()
	return answers
}

func (h *house) event(id bot.EventID, user string, act intake.Act) intake.Event {
	by := bot.Account{Platform: onSlack, Workspace: "T1", User: user}
	return intake.Event{ID: id, Place: bot.Place{Platform: onSlack, Workspace: "T1", Channel: "C1"}, By: by, Act: act}
}

// refusals counts the answers by why they were refused, "" for those that were not.
func refusals(answers []intake.Answer) map[string]int {
	n := map[string]int{}
	for _, a := range answers {
		n[a.Refused]++
	}
	return n
}

// written counts the transactions of a ledger that write.
type written struct {
	bot.Ledger
	n atomic.Int64
}

func (w *written) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	w.n.Add(1)
	return w.Ledger.Tx(ctx, fn)
}

// At most two searches of a person and eight of everybody are under way. The others are refused in
// one transaction, read nothing and hold nothing, and what has ended makes room.
func TestSearchesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{}
		h := newHouse(t, func(o *bot.Options) {
			crowded(o)
			w.Ledger, o.Ledger = o.Ledger, w
			o.Roster = bot.Roster{People: []bot.Person{{Name: "two accounts",
				Accounts: []bot.Account{{Platform: onSlack, User: "U0"}, {Platform: onSlack, User: "U1"}}}}}
			for n := 2; n < 100; n++ {
				o.Roster.People = append(o.Roster.People, bot.Person{Name: fmt.Sprint("P", n),
					Accounts: []bot.Account{{Platform: onSlack, User: fmt.Sprint("U", n)}}})
			}
		})
		find := "find " + h.talkative("@TGS#talk", 200) + " from:alice"
		h.pass(time.Second)
		var fifty, everybody []string
		for n := range 100 {
			fifty = append(fifty, fmt.Sprint("U", n%2)) // of one person
			everybody = append(everybody, fmt.Sprint("U", n))
		}
		reads := func() int { return h.chat.Calls(recalltest.History) }
		for _, tt := range []struct {
			users []string
			want  map[string]int
		}{
			{fifty[:1], map[string]int{"": 1}},
			{fifty, map[string]int{"": 2, "searching": 98}},
			{everybody[2:10], map[string]int{"": 8}},
			{everybody[1:], map[string]int{"": 8, "others_searching": 91}},
			{slices.Concat(everybody[2:8], fifty[:3]), map[string]int{"": 8, "searching": 1}},
		} {
			one, before := 10, reads()
			w.n.Store(0)
			answers := h.atOnce("recalls", find, tt.users...)
			if got := refusals(answers); !maps.Equal(got, tt.want) {
				t.Errorf("%d searches: %v, want %v", len(tt.users), got, tt.want)
			}
			if n := reads() - before; n > tt.want[""]*(one+1) {
				t.Errorf("%d pages were read for %d searches: the refused ones read too", n, tt.want[""])
			}
			// a search that is done is stored before and after it
			if n := int(w.n.Load()); n > len(tt.users)+tt.want[""] {
				t.Errorf("%d searches took %d transactions", len(tt.users), n)
			}
			for _, a := range answers {
				switch a.Refused {
				case "searching":
					holds(t, a.Lines[0].String(), "You have 2 searches running", "Wait until one has answered")
				case "others_searching":
					holds(t, a.Lines[0].String(), "8 searches are running", "Wait a few seconds")
				}
			}
		}
	})
}

// Whatever reads messages to show them to one person is counted: the pages of a search, and of a
// request whose messages are not kept.
func TestSearchesOfAllKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			crowded(o)
			o.Evidence = bot.EvidenceHash
		})
		group := h.talkative("@TGS#talk", 200)
		h.pass(time.Second)
		c := h.asks("UMINA", group+" 1-30")
		found := h.types("UMINA", "recalls", "find "+group+" from:alice")
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 5 * time.Second })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { h.atOnce("recalls", "find "+group+" from:alice", "UMINA") })
			synctest.Wait()
		}
		for _, act := range []intake.Act{
			{Kind: intake.ActTurnFind, Search: found.Page.Search, Page: 1},
			{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest},
			{Kind: intake.ActCommand, Command: "recalls", Text: "find " + group + " from:alice"},
		} {
			if a := h.do("UMINA", act); a.Refused != "searching" {
				t.Errorf("%s: %+v", act.Kind, a)
			}
		}
		wg.Wait()
		if a := h.do("UMINA", intake.Act{Kind: intake.ActShowAll, Request: c.ID,
			Digest: c.Digest}); a.Kind != intake.ShowPage {
			t.Errorf("once they have ended: %+v", a)
		}
	})
}

// An event that comes again while its search is under way waits for that: it is no second search,
// and does not take the answer of the first.
func TestSearchTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, crowded)
		group := h.talkative("@TGS#talk", 200)
		h.pass(time.Second)
		e := h.event("same", "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls",
			Text: "find " + group + " from:alice"})
		var wg sync.WaitGroup
		answers := make([]intake.Answer, 5)
		for i := range answers {
			wg.Go(func() {
				a, err := h.bot.Do(t.Context(), e, bot.Member{Account: e.By})
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
			synctest.Wait()
		}
		wg.Wait()
		for i, a := range answers {
			if a.Kind != intake.ShowPage || a.Repeated != (i > 0) {
				t.Errorf("answer %d: %+v", i, a)
			}
		}
		if n := h.chat.Calls(recalltest.History); n > 11 {
			t.Errorf("%d pages were read", n)
		}
	})
}

// While searches, a filter and a flood are being read, a card of a single message is asked for. Its
// readings go before all of theirs; then the flood, asked for by its numbers, then the filter, then
// the searches. Those get a fifth meanwhile.
func TestSearchesAfterDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, crowded)
		urgent, flood, filter, searched := h.talkative("@TGS#urgent", 5), h.talkative("@TGS#flood", 8000),
			h.talkative("@TGS#filter", 3800), h.talkative("@TGS#search", 3800)
		h.pass(time.Second)
		var wg sync.WaitGroup
		var found []intake.Answer
		wg.Go(func() {
			users := slices.Repeat([]string{"U0", "U1", "U2", "U3"}, 25)
			found = h.atOnce("recalls", "find "+searched+" from:alice", users...)
		})
		h.pass(time.Second)
		sized := h.ask("UTHEO", filter+" from:alice")
		h.pass(time.Second)
		numbered := h.ask("UTHEO", flood+" 1-8000")
		h.pass(time.Second)
		asked := len(h.chat.Log())
		one := h.ask("UMINA", urgent+" 3")
		theirs := h.ask("UTHEO", urgent+" 4") // of the person whose flood it is
		h.pass(time.Second)
		for _, id := range []bot.RequestID{one, theirs} {
			if c := h.screen.card(id); c.State != bot.Proposed {
				t.Errorf("after a second it is %q", c.State)
			}
		}
		wg.Wait()
		h.within(time.Minute, numbered, bot.Proposed)
		h.within(time.Minute, sized, bot.Proposed)
		if n := refusals(found); n[""] != 8 {
			t.Errorf("searches: %v", n)
		}

		// the last call for a group, and how many there were while the flood was read, after the
		// urgent one was asked
		last, amid := map[string]int{}, map[string]int{}
		for i, c := range h.chat.Log() {
			last[c.Group] = i
		}
		for _, c := range h.chat.Log()[asked : last[flood]+1] {
			amid[c.Group]++
		}
		// four readings of the two, two that look for replies, and the slots of the others between
		if waited := last[urgent] - asked; waited > 16 {
			t.Errorf("the urgent card was read after %d calls", waited)
		}
		if last[flood] > last[filter] || last[filter] > last[searched] {
			t.Errorf("the last call of each was %v", last)
		}
		if n := amid[filter] + amid[searched]; n < amid[flood]/5 || n > amid[flood]/3 {
			t.Errorf("%d calls for the less urgent while %d were made for the flood, want a quarter", n, amid[flood])
		}
	})
}

// Of the filters of one person the smaller wave is read first, and a wave that has begun is read to
// its end before another of its size.
func TestFiltersByWave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, crowded)
		long, second, third := h.talkative("@TGS#long", 1900), h.talkative("@TGS#second", 400),
			h.talkative("@TGS#third", 400)
		h.pass(time.Second)
		var ids []bot.RequestID
		for _, group := range []string{long, second, third} {
			ids = append(ids, h.ask("UMINA", group+" from:alice"))
			// of the first the 16 pages of its first wave are read by then, and of the second not
			// all of them
			h.pass(200 * time.Millisecond)
		}
		for _, id := range ids {
			h.within(time.Minute, id, bot.Proposed)
		}
		first, last, between := map[string]int{}, map[string]int{}, map[string]int{}
		log := h.chat.Log()
		for i, c := range log {
			if _, ok := first[c.Group]; !ok {
				first[c.Group] = i
			}
			last[c.Group] = i
		}
		for _, c := range log[first[second] : last[third]+1] {
			between[c.Group]++
		}
		if last[second] > last[third] || last[third] > last[long] {
			t.Errorf("the last call of each was %v", last)
		}
		if between[long] > 3 {
			t.Errorf("%d calls of the long one were made while the others were read", between[long])
		}
	})
}

// What a filter found is held until it is stored, so of many only two are read further than their
// newest page. Who is satisfied with that page does not wait for them.
func TestFiltersHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, crowded)
		var ids []bot.RequestID
		for n := range 10 {
			group := h.talkative(fmt.Sprint("@TGS#talk", n), 400)
			ids = append(ids, h.ask(fmt.Sprint("U", n), group+" from:alice"))
		}
		fewGroup := h.talkative("@TGS#few", 400)
		few := h.ask("UMINA", fewGroup+" from:alice last:5")
		c := h.within(5*time.Second, few, bot.Proposed)
		holds(t, said(c), "Recall 5 messages", "messages 396-400")
		for _, id := range ids {
			h.within(2*time.Minute, id, bot.Proposed)
		}
		type span struct{ from, to int }
		read := map[string]span{} // of each group, in the order of the calls, but for its newest page
		log := h.chat.Log()
		seen := map[string]bool{}
		for i, c := range log {
			if c.Command != recalltest.History {
				continue
			}
			if at, ok := read[c.Group]; ok {
				read[c.Group] = span{at.from, i}
			} else if seen[c.Group] {
				read[c.Group] = span{i, i}
			}
			seen[c.Group] = true
		}
		// of the few the page was enough; when they were stored, one more was read for replies
		if at, ok := read[fewGroup]; !ok || at.from != at.to || at.from > read["@TGS#talk0"].to {
			t.Errorf("the few were read further: %v", read)
		}
		delete(read, fewGroup)
		if len(read) != len(ids) {
			t.Fatalf("%d groups were read further: %v", len(read), read)
		}
		for i := range log {
			n := 0
			for _, at := range read {
				if at.from <= i && i <= at.to {
					n++
				}
			}
			if n > 2 {
				t.Fatalf("at call %d of %d, %d filters were being read: %v", i, len(log), n, read)
			}
		}
	})
}

// shared is a ledger that other processes may use as well.
type shared struct{ bot.Ledger }

func (shared) Shared() bool { return true }

// Where another process may prepare and run, a search takes a fifth of this one's share of the
// quota; where this one does, all that is left.
func TestSearchElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) {
			crowded(o)
			o.Ledger = shared{Ledger: o.Ledger}
		})
		group := h.talkative("@TGS#talk", 1900)
		h.pass(time.Second)
		took := func() time.Duration {
			began := time.Now()
			h.types("UMINA", "recalls", "find "+group+" from:bob")
			return time.Since(began)
		}
		if d := took(); d < 4500*time.Millisecond || d > 6*time.Second {
			t.Errorf("96 pages elsewhere took %v, want about 4.8 s at a fifth of 100 a second", d)
		}
		h.chat.Inject(recalltest.Info, -1, recalltest.BadGateway())
		id := h.ask("UMINA", group+" 1") // which keeps the lease here
		h.pass(time.Second)
		if d := took(); d > 2*time.Second {
			t.Errorf("96 pages took %v where the lease is held", d)
		}
		if c, err := h.bot.ShowingNow(t.Context(), id); err != nil || c.State != bot.Preparing {
			t.Errorf("it is %s: this shows nothing: %v", c.State, err)
		}
	})
}

// What a search found is shown as it is, however long the messages are: of a message that is found
// no more is held than that.
func TestSearchLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.chat.Say(testGroup, "", "alice", strings.Repeat("win big \U0001f525 & \"quoted\" ", 300)+"the end")
		h.chat.Say(testGroup, "", "alice", "", recalltest.Body(
			`[{"MsgType":"TIMImageElem","MsgContent":{}},{"MsgType":"TIMTextElem","MsgContent":{"Text":"the end"}}]`))
		h.pass(time.Second)
		a := h.types("UMINA", "recalls", `find `+testGroup+` text:"the end"`)
		if a.Page == nil || len(a.Page.Samples) != 2 {
			t.Fatalf("%+v", a)
		}
		holds(t, pageText(a.Page), "2 alice [image] the end", `1 alice win big `+"\U0001f525"+` & "quoted" win big`)
		long := a.Page.Samples[1].Text.String()
		holds(t, long, "… (6,107 more)")
		if n := len([]rune(long)); n < 190 || n > 220 {
			t.Errorf("%d characters are shown", n)
		}
	})
}
