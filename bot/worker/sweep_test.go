package worker_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// swept is a group of a sweep's tests.
func swept(i int) string { return fmt.Sprintf("@TGS#SWEEP%03d", i) }

// spread adds n groups that spammer is in, with each messages of theirs and as many of others,
// unlike in each group. The numbers of the groups' messages are the same.
func (h *house) spread(n, each int) {
	for i := range n {
		h.chat.AddGroup(recalltest.Group{ID: swept(i), Name: fmt.Sprint("Group ", i), Members: 10,
			Joined: []string{"spammer"}})
		for j := range each {
			h.chat.Say(swept(i), "", "alice", fmt.Sprint("hello ", j))
			h.chat.Say(swept(i), "", "spammer", fmt.Sprintf("win big %d in %d", j, i))
		}
	}
}

// everywhere returns the group and number of each message of the service that is recalled.
func (h *house) everywhere(groups int) (all []string) {
	for i := range groups {
		for _, s := range h.chat.RecalledSeqs(swept(i), "") {
			all = append(all, fmt.Sprint(swept(i), " ", s))
		}
	}
	return all
}

// sealedIn returns the group and number of each message that the request may send.
func (h *house) sealedIn(id bot.RequestID) (all []string) {
	r := h.requestOf(id)
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		messages, err := tx.Sealed(id, 0, 1_000_000)
		for _, m := range messages {
			if m.Sends() {
				all = append(all, fmt.Sprint(r.Parts[m.Part].Group, " ", m.Seq))
			}
		}
		if d := bot.Digest(r.App, r.Parts, messages); d != r.Digest {
			h.t.Errorf("the digest is %.8s, sealed %.8s", d, r.Digest)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// sweptOutcomes returns the outcome of each message by its group and number, from the file or the
// lines of the thread, and holds that each is true.
func (h *house) sweptOutcomes(id bot.RequestID) map[string]string {
	h.t.Helper()
	out := map[string]string{}
	r := h.requestOf(id)
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		messages, err := tx.Sealed(id, 0, 1_000_000)
		for _, m := range messages {
			p := r.Parts[m.Part]
			out[fmt.Sprint(p.Group, " ", m.Seq)] = string(m.Outcome.Class)
			gone := false
			if slices.Contains(h.groups(), string(p.Group)) {
				gone = h.chat.Recalled(string(p.Group), string(p.Topic), recalltest.Seq(m.Seq))
			}
			switch m.Outcome.Class {
			case bot.ClassRecalled, bot.ClassAlready:
				if !gone && slices.Contains(h.groups(), string(p.Group)) {
					h.t.Errorf("%s %d is called %s, and is there", p.Group, m.Seq, m.Outcome.Class)
				}
			case bot.ClassUnknown:
			case "":
				h.t.Errorf("%s %d has no outcome", p.Group, m.Seq)
			default:
				if gone {
					h.t.Errorf("%s %d is called %s, and was recalled", p.Group, m.Seq, m.Outcome.Class)
				}
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// groups are the groups that the service still has.
func (h *house) groups() []string { return h.chat.GroupIDs() }

// TestSweep: one request takes the messages of one sender from all groups that they are in, and
// nothing else, in calls that are each of one group.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(12, 3)
		h.chat.AddGroup(recalltest.Group{ID: "@TGS#LEFT", Name: "Left"})
		h.chat.Say("@TGS#LEFT", "", "spammer", "from before")
		c := h.asks("UMINA", "in:joined from:spammer reason:raid")
		holds(t, said(c), "✋ Recall 36 messages of spammer in 12 groups?", "Group 3: 3 messages",
			"and 2 more groups", "Groups that this sender has left are not in this list.")
		t.Log(said(c))
		sealed := h.sealedIn(c.ID)
		if len(sealed) != 36 {
			t.Fatalf("%d are sealed: %v", len(sealed), sealed)
		}
		holds(t, c.Buttons[0].Confirm.Text, "36 messages of spammer in 12 groups disappear")
		h.press("UTHEO", intake.ActApprove, c)
		if c = h.within(time.Minute, c.ID, bot.Done); c.State != bot.Done {
			t.Fatalf("%s", c.State)
		}
		holds(t, c.Title.String(), "✅ All 36 messages of spammer in 12 groups are recalled")
		slices.Sort(sealed)
		if got := slices.Sorted(slices.Values(h.everywhere(12))); !slices.Equal(got, sealed) {
			t.Errorf("recalled %v\nsealed %v", got, sealed)
		}
		for _, call := range h.chat.Log() {
			if call.Command == recalltest.Recall && len(call.Seqs) != 3 {
				t.Errorf("a call of %d messages of %s", len(call.Seqs), call.Group)
			}
		}
		thread := h.screen.thread(c.ID)
		holds(t, thread, "2 in Group 3: recalled", "Group 11: 3 = 3 recalled",
			"36 messages were requested = 36 recalled")
		holds(t, fmt.Sprint(h.types("UMINA", "recalls", "list "+swept(7)).Lines), string(c.ID))
		lacks(t, fmt.Sprint(h.types("UMINA", "recalls", "list "+testGroup).Lines), string(c.ID))
		if page := h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID}).Page; page == nil ||
			len(page.Samples) != 1 || page.Of != 5 {
			t.Errorf("%+v", page)
		}
	})
}

// TestSweepNamed: groups are named by id and by name, twice is once, and what cannot be read is
// named and is not part.
func TestSweepNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.Groups = []string{"@TGS#*"} })
		h.spread(4, 2)
		h.chat.AddGroup(recalltest.Group{ID: "@TGS#LIVE", Type: "AVChatRoom", Name: "Live"})
		h.chat.AddGroup(recalltest.Group{ID: "secret", Name: "Secret"})
		h.chat.Say("secret", "", "spammer", "not to be touched")
		c := h.asks("UMINA", `in:`+swept(0)+`,"Group 1",`+swept(1)+`,@TGS#LIVE,@TGS#GONE from:spammer`)
		holds(t, said(c), "✋ Recall 4 messages of spammer in 2 groups?", "Live (it keeps no history)",
			"@TGS#GONE (there is no such group)")
		if got := h.sealedIn(c.ID); len(got) != 4 {
			t.Errorf("sealed %v", got)
		}
		if a := h.types("UMINA", "recall", "in:摸鱼 from:spammer"); a.Refused != "no_such_name" {
			t.Errorf("%+v", a)
		}
		twice := h.do("UMINA", intake.Act{Kind: intake.ActForm, Command: "recall", Options: map[string]string{
			"group": `in:"Group 3",` + swept(3), "what": "from:spammer"}})
		h.pass(5 * time.Second)
		if got := h.sealedIn(twice.Request); len(got) != 2 {
			t.Errorf("a group that is named twice: %v", got)
		}
		if a := h.types("UMINA", "recall", "in:secret from:spammer"); a.Refused == "" {
			t.Errorf("%+v", a)
		}
		id := h.ask("UMINA", "in:"+swept(2)+" from:nobody")
		h.pass(5 * time.Second)
		if r := h.requestOf(id); r.State != bot.Refused {
			t.Errorf("%s", r.State)
		}
		holds(t, h.whispered("UMINA"), "No message of nobody matches. I looked at 1 group, 4 messages.")
	})
}

// TestSweepAway: while the service is away a sweep waits, as any request; one group that cannot be
// read is named, and the others are sealed.
func TestSweepAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 2)
		h.chat.Inject(recalltest.History, 60, recalltest.BadGateway())
		id := h.ask("UMINA", "in:joined from:spammer")
		h.pass(10 * time.Second)
		if r := h.requestOf(id); r.State != bot.Preparing || r.Waiting == nil {
			t.Errorf("%s, waiting for %v", r.State, r.Waiting)
		}
		h.within(10*time.Minute, id, bot.Proposed)
		if got := h.sealedIn(id); len(got) != 6 {
			t.Errorf("%v", got)
		}
		h.chat.Refuse(swept(1), 10002)
		h.types("UMINA", "recalls", "withdraw "+string(id))
		c := h.within(10*time.Minute, h.ask("UMINA", "in:joined from:spammer"), bot.Proposed)
		holds(t, said(c), "Recall 4 messages of spammer in 2 groups?", "Not part of it: Group 1 (", "10002")
	})
}

// TestSweepOverlap: of two sweeps that have a message of one group in common the first to be sealed
// wins, and messages of the same numbers in other groups are in nobody's way.
func TestSweepOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 2)
		first := h.asks("UMINA", "in:"+swept(0)+","+swept(1)+" from:spammer")
		other := h.asks("UMINA", swept(2)+" 2 4")
		if first.State != bot.Proposed || other.State != bot.Proposed {
			t.Fatalf("%s, %s", first.State, other.State)
		}
		id := h.ask("UMINA", "in:"+swept(1)+" from:spammer")
		h.pass(5 * time.Second)
		if r := h.requestOf(id); r.State != bot.Refused {
			t.Errorf("a second sweep of the group: %s", r.State)
		}
		holds(t, h.whispered("UMINA"), string(first.ID)+" is not finished")
		if a := h.types("UMINA", "recall", swept(0)+" 2"); a.Refused != "overlap" {
			t.Errorf("a message of the sweep: %+v", a)
		}
		if a := h.types("UMINA", "recall", swept(0)+" 1"); a.Refused != "" {
			t.Errorf("another message of its group: %+v", a)
		}
		if a := h.types("UMINA", "recall", "in:joined from:spammer"); a.Refused != "" {
			t.Errorf("what a sweep finds is not known when it is asked: %+v", a)
		}
	})
}

// TestSweepCondemned: what condemns a group ends the rest of that group alone.
func TestSweepCondemned(t *testing.T) {
	for name, breaks := range map[string]func(h *house){
		"vanished":            func(h *house) { h.chat.Dismiss(swept(1)) },
		"no right":            func(h *house) { h.chat.Refuse(swept(1), 10007) },
		"type":                func(h *house) { h.chat.Refuse(swept(1), 10033) },
		"no history any more": func(h *house) { h.chat.Refuse(swept(1), 10044) },
		"turned live":         func(h *house) { h.chat.Retype(swept(1), "AVChatRoom") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.spread(3, 15)
				c := h.asks("UMINA", "in:joined from:spammer")
				breaks(h)
				h.press("UTHEO", intake.ActApprove, c)
				c = h.within(30*time.Minute, c.ID, bot.Done, bot.Stopped)
				if c.State != bot.Done {
					t.Errorf("%s: %v", c.State, c.Title)
				}
				for m, class := range h.sweptOutcomes(c.ID) {
					want := "recalled"
					if strings.HasPrefix(m, swept(1)) {
						want = "refused"
					}
					if class != want {
						t.Errorf("%s: %s, want %s", m, class, want)
					}
				}
				holds(t, h.screen.thread(c.ID), "Group 1: 15 = 15 refused",
					"30 recalled + 15 refused")
			})
		})
	}
}

// TestSweepBreaksEarly: a group that vanishes, changes or refuses before the sweep is sealed is
// named, and the others are sealed.
func TestSweepBreaksEarly(t *testing.T) {
	const turnedLive = 0 // no code
	for code, why := range map[int]string{10007: "10007", 10010: "there is no such group",
		10044: "it keeps no history", turnedLive: "it keeps no history"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			h.spread(3, 2)
			switch code {
			case 10010:
				h.chat.Dismiss(swept(1))
			case turnedLive:
				h.chat.Retype(swept(1), "AVChatRoom")
			default:
				h.chat.Refuse(swept(1), code)
			}
			c := h.asks("UMINA", "in:"+swept(0)+","+swept(1)+","+swept(2)+" from:spammer")
			holds(t, said(c), "✋ Recall 4 messages of spammer in 2 groups?", "Not part of it: ", why)
		})
	}
}

// TestSweepStopped: Stop stops all groups.
func TestSweepStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 100_000 })
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 300 * time.Millisecond })
		h.spread(10, 90)
		c := h.within(time.Minute, h.ask("UMINA", "in:joined from:spammer"), bot.Proposed)
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(700 * time.Millisecond)
		h.press("UTHEO", intake.ActStop, c)
		h.within(time.Minute, c.ID, bot.Stopped)
		counts := map[string]int{}
		for _, class := range h.sweptOutcomes(c.ID) {
			counts[class]++
		}
		if counts["recalled"] == 0 || counts["not sent"] == 0 {
			t.Errorf("%v", counts)
		}
	})
}

// TestSweepTooMany: more than one request can hold is refused with the groups that it can, and a
// sender in too many groups with commands for some.
func TestSweepTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.MaxMessages = 5 })
		h.spread(3, 2)
		h.ask("UMINA", "in:joined from:spammer")
		h.pass(10 * time.Second)
		holds(t, h.whispered("UMINA"), "6 messages match in 3 groups", "/recall from:spammer in:"+swept(0)+","+swept(1))
		for i := 3; i < 51; i++ {
			h.chat.AddGroup(recalltest.Group{ID: swept(i), Joined: []string{"spammer"}})
		}
		h.ask("UMINA", "in:joined from:spammer")
		h.pass(10 * time.Second)
		holds(t, h.whispered("UMINA"), "This sender is in 51 groups; one request looks at 50 at most",
			"/recall from:spammer in:"+swept(10))
	})
}

// TestSweepFind: a search in several groups shows whose messages are where, and its button asks for
// them.
func TestSweepFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 9)
		a := h.types("UMINA", "recalls", "find in:joined from:spammer")
		if a.Page == nil || a.Page.Of != 3 || len(a.Page.Samples) != 1 || a.Page.Samples[0].Alike != 27 {
			t.Fatalf("%+v", a)
		}
		holds(t, fmt.Sprint(a.Page.Title, a.Page.Notes), "27 messages of spammer found in 3 groups", "54 messages",
			"Groups that this sender has left")
		next := h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: a.Page.Search, Page: 2})
		if next.Page == nil || len(next.Page.Samples) != 7 || next.Page.Samples[0].Text == nil {
			t.Errorf("%+v", next)
		}
		h.pass(2 * time.Second)
		h.chat.Say(swept(0), "", "spammer", "after the search")
		h.pass(5 * time.Second)
		asked := h.do("UMINA", intake.Act{Kind: intake.ActRecallFind, Search: a.Page.Search})
		h.pass(5 * time.Second)
		if got := h.sealedIn(asked.Request); len(got) != 27 {
			t.Errorf("%d sealed, %+v", len(got), asked)
		}
		none := h.types("UMINA", "recalls", "find in:"+swept(1)+" from:nobody")
		holds(t, fmt.Sprint(none.Lines), "No message of nobody matches", "1 group was looked at, 18 messages")
		one := h.types("UMINA", "recalls", "find "+swept(1)+" from:spammer")
		if one.Page == nil || one.Page.Sweep != "spammer" {
			t.Fatalf("%+v", one)
		}
		form := h.do("UMINA", intake.Act{Kind: intake.ActAskSweep, Text: "spammer"}).Form
		if form == nil || form.Inputs[0].Value != "in:joined" || form.Inputs[1].Value != "from:spammer" {
			t.Errorf("%+v", form)
		}
	})
}

// TestSweepFile: the file of a large sweep names group and number of each message.
func TestSweepFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(6, 10)
		c := h.approved("in:joined from:spammer")
		h.within(time.Minute, c.ID, bot.Done)
		h.pass(10 * time.Second)
		for _, n := range h.screen.notes[string(c.ID)] {
			if n.File == nil {
				continue
			}
			rows, err := csv.NewReader(strings.NewReader(string(n.File.Body))).ReadAll()
			if err != nil || len(rows) != 61 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			seen := map[string]bool{}
			for _, row := range rows[1:] {
				seen[row[0]+" "+row[2]] = row[3] == "recalled"
				if _, err := strconv.Atoi(row[2]); err != nil || !strings.HasPrefix(row[0], "'@TGS#SWEEP") {
					t.Errorf("%v", row)
				}
			}
			if len(seen) != 60 {
				t.Errorf("%d different messages", len(seen))
			}
			return
		}
		t.Error("there is no file")
	})
}

// TestSweepProperty: of random groups and senders nothing is recalled that the seal does not name.
func TestSweepProperty(t *testing.T) {
	groups, each, rounds := 12, 60, 3
	if *long {
		groups, each, rounds = 50, 20_000, 1
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(round), 20))
			h := newHouseWith(t, nil, nil)
			senders := []string{"spammer", "alice", "bob", "Spammer", "spammer2"}
			for i := range groups {
				h.chat.AddGroup(recalltest.Group{ID: swept(i), Joined: []string{"spammer"}})
				for range each {
					from := senders[rng.IntN(len(senders))]
					if from == "spammer" && rng.IntN(20) > 0 && *long {
						from = "alice"
					}
					h.chat.Say(swept(i), "", from, fmt.Sprint("text ", rng.IntN(50)))
				}
			}
			h.chat.Inject(recalltest.Recall, 5, recalltest.BadGateway())
			id := h.ask("UMINA", "in:joined from:spammer")
			c := h.within(30*time.Minute, id, bot.Proposed)
			h.press("UTHEO", intake.ActApprove, c)
			h.within(time.Hour, id, bot.Done)
			sealed := map[string]bool{}
			for _, m := range h.sealedIn(id) {
				sealed[m] = true
			}
			got := h.everywhere(groups)
			for _, m := range got {
				if !sealed[m] {
					t.Errorf("%s was recalled and is not sealed", m)
				}
			}
			if len(got) != len(sealed) {
				t.Errorf("%d recalled of %d", len(got), len(sealed))
			}
			h.sweptOutcomes(id)
		})
	}
}

// TestSweepSpeed: a sweep takes what its reads need at the read share and little more, and its run
// uses the quota.
func TestSweepSpeed(t *testing.T) {
	const groups = 50
	read := func(t *testing.T, each, theirs int) (h *house, c bot.Card, took time.Duration) {
		h = newHouseWith(t, nil, nil)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		for i := range groups {
			h.chat.AddGroup(recalltest.Group{ID: swept(i), Joined: []string{"spammer"}})
			for j := range each {
				from := "alice"
				if j%(each/theirs) == 0 {
					from = "spammer"
				}
				h.chat.Say(swept(i), "", from, "text",
					recalltest.Made(func(s recalltest.Seq) string { return fmt.Sprint("text ", s) }))
			}
		}
		began := time.Now()
		id := h.ask("UMINA", "in:joined from:spammer")
		c = h.within(10*time.Minute, id, bot.Proposed)
		return h, c, time.Since(began)
	}
	synctest.Test(t, func(t *testing.T) {
		h, c, took := read(t, 2000, 40)
		r := h.requestOf(c.ID)
		if r.Tally.Send != 2000 || r.Swept.Read != 100_000 {
			t.Errorf("%d of %d", r.Tally.Send, r.Swept.Read)
		}
		if took > 75*time.Second {
			t.Errorf("it took %v to read %d pages", took, h.chat.Calls(recalltest.History))
		}
		t.Logf("%v for %d pages", took, h.chat.Calls(recalltest.History))
		var said []string
		for _, l := range h.screen.progress[c.ID] {
			said = append(said, l.String())
		}
		holds(t, strings.Join(said, "\n"), "of 50 groups, ", "messages read, ")
	})
	synctest.Test(t, func(t *testing.T) {
		h, c, _ := read(t, 200, 100)
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		var at []time.Time
		for _, call := range h.chat.Log() {
			if call.Command == recalltest.Recall {
				at = append(at, call.At)
			}
		}
		rate := float64(len(at)-1) / at[len(at)-1].Sub(at[0]).Seconds()
		if len(at) != 500 || rate < 0.97*200 {
			t.Errorf("%d calls, %.0f a second", len(at), rate)
		}
		if most := h.chat.MostInAnySecond(recalltest.Recall); most > 200 {
			t.Errorf("%d in a second", most)
		}
		t.Logf("%.0f calls a second", rate)
	})
}

// TestSweepKilled: a process that dies at any write of a sweep over 20 groups, while it seals or
// runs, loses and doubles nothing, and calls for nothing that is not sealed.
func TestSweepKilled(t *testing.T) {
	points := 5
	if *long {
		points = 100
	}
	for point := range points {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(point), 20))
			const groups = 20
			h, g := newFlood(t)
			h.spread(groups, 25)
			die := func(writes int) { // at this write, and stay dead
				var n atomic.Int32
				g.let(func(string) error {
					if int(n.Add(1)) >= writes {
						g.cut.Store(true)
						return errCut
					}
					return nil
				})
			}
			revive := func() {
				h.pass(time.Duration(rng.IntN(1500)) * time.Millisecond)
				h.stop()
				g = &gauge{most: map[string]int{}}
				h.open(h.file, flood(g))
			}
			if rng.IntN(3) == 0 {
				die(1 + rng.IntN(3))
			}
			id := h.ask("UMINA", "in:joined from:spammer")
			h.pass(time.Duration(rng.IntN(8000)) * time.Millisecond)
			revive()
			c := h.within(time.Minute, id, bot.Proposed)
			h.press("UTHEO", intake.ActApprove, c)
			for range 1 + rng.IntN(3) {
				die(1 + rng.IntN(8))
				h.pass(time.Duration(rng.IntN(900)) * time.Millisecond)
				revive()
			}
			h.within(time.Hour, id, bot.Done)
			sealed := h.sealedIn(id)
			if len(sealed) != groups*25 {
				t.Errorf("%d are sealed", len(sealed))
			}
			for _, m := range h.everywhere(groups) {
				if !slices.Contains(sealed, m) {
					t.Errorf("%s was recalled and is not sealed", m)
				}
			}
			for m, class := range h.sweptOutcomes(id) {
				if class != "recalled" {
					t.Errorf("%s: %s", m, class)
				}
			}
			if twice := h.chat.RecalledMoreThanOnce(); len(twice) > 0 {
				t.Errorf("recalled twice: %v", twice)
			}
		})
	}
}

// TestDigestOfGroups: the digest of a seal names the group of each message: the same messages of
// another group, or shared otherwise among the same groups, have another one. The digest of one
// group is what it always was.
func TestDigestOfGroups(t *testing.T) {
	part := func(groups ...recall.GroupID) (all []bot.Part) {
		for _, g := range groups {
			all = append(all, bot.Part{Talk: bot.Talk{Group: g}})
		}
		return all
	}
	message := func(part int, seq recall.Seq) bot.Message {
		return bot.Message{Part: part, Seq: seq, Status: bot.SealNormal, Sender: "spammer"}
	}
	seen := map[string]string{}
	for name, d := range map[string]string{
		"one group":           bot.Digest(1, part("a"), []bot.Message{message(0, 1), message(0, 2)}),
		"another group":       bot.Digest(1, part("b"), []bot.Message{message(0, 1), message(0, 2)}),
		"one in each":         bot.Digest(1, part("a", "b"), []bot.Message{message(0, 1), message(1, 2)}),
		"the other way round": bot.Digest(1, part("a", "b"), []bot.Message{message(1, 1), message(0, 2)}),
		"the groups changed":  bot.Digest(1, part("b", "a"), []bot.Message{message(0, 1), message(1, 2)}),
		"the same of two":     bot.Digest(1, part("a", "b"), []bot.Message{message(0, 1), message(1, 1)}),
		"both of one of two":  bot.Digest(1, part("a", "b"), []bot.Message{message(0, 1), message(0, 2)}),
		"a topic": bot.Digest(1, []bot.Part{{Talk: bot.Talk{Group: "a", Topic: "b"}}},
			[]bot.Message{message(0, 1), message(0, 2)}),
		"another app": bot.Digest(2, part("a", "b"), []bot.Message{message(0, 1), message(1, 2)}),
	} {
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[d] = name
	}
	in, out := bot.Digest(1, part("a", "b"), []bot.Message{message(0, 1), message(1, 2)}),
		bot.Digest(1, part("a", "b"), []bot.Message{message(1, 2), message(0, 1)})
	if in != out {
		t.Error("the order of the messages matters")
	}
	const before = "149f554fcf8b73e5dceef1320ef9b320ab14e402ed663069bee3cc43f66b01c7"
	if d := bot.Digest(1, part("a"), []bot.Message{message(0, 1), message(0, 2)}); d != before {
		t.Errorf("the digest of one group has become %s", d)
	}
}

// TestSweepDigest: the digest of a request for the same numbers of one of its groups approves no
// sweep.
func TestSweepDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(2, 2)
		h.chat.AddGroup(recalltest.Group{ID: "@TGS#OTHER"})
		for i := range 4 {
			h.chat.Say("@TGS#OTHER", "", "spammer", fmt.Sprint("text ", i))
		}
		sweep := h.asks("UMINA", "in:joined from:spammer")
		other := h.asks("UMINA", "@TGS#OTHER 2 4")
		a := h.do("UTHEO", intake.Act{Kind: intake.ActApprove, Request: sweep.ID, Digest: other.Digest})
		if a.Refused != "stale_card" {
			t.Errorf("%+v", a)
		}
		if n := h.recallCalls(); n > 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestSweepJoined: the groups of joined are those that the sender is in now, those where the index
// saw them, and those where this bot recalled something of theirs within 30 days; and no other that
// they have left.
func TestSweepJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shift atomic.Int64
		h := newHouseWith(t, func(h *house) {
			h.clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		}, func(o *bot.Options) {
			o.Callbacks, o.Index, o.IndexTTL = true, bot.IndexHash, 90*24*time.Hour
		})
		h.listens(nil)
		h.spread(1, 1)
		for _, id := range []string{"@TGS#SEEN", "@TGS#BEFORE", "@TGS#LEFT"} {
			h.chat.AddGroup(recalltest.Group{ID: id})
		}
		h.chat.Change(func(o *recalltest.Options) { o.Retention = 90 * 24 * time.Hour })
		h.chat.Say("@TGS#SEEN", "", "spammer", "seen by the index")
		h.pass(time.Second)
		h.chat.Change(func(o *recalltest.Options) { o.Callbacks = recalltest.Callbacks{} })
		for _, id := range []string{"@TGS#BEFORE", "@TGS#LEFT"} {
			h.chat.Say(id, "", "spammer", "one")
			h.chat.Say(id, "", "spammer", "two")
		}
		c := h.approved("@TGS#BEFORE 1")
		h.within(time.Minute, c.ID, bot.Done)
		found := func() []string {
			id := h.ask("UMINA", "in:joined from:spammer")
			c := h.within(time.Minute, id, bot.Proposed)
			defer h.types("UMINA", "recalls", "withdraw "+string(c.ID))
			return h.sealedIn(id)
		}
		want := []string{"@TGS#BEFORE 2", "@TGS#SEEN 1", swept(0) + " 2"}
		if got := slices.Sorted(slices.Values(found())); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
		h.chat.Leave(swept(0), "spammer") // the index has seen them there
		shift.Store(int64(31 * 24 * time.Hour))
		if got := slices.Sorted(slices.Values(found())); !slices.Equal(got, want[1:]) {
			t.Errorf("a month later: %v, want %v", got, want[1:])
		}
	})
}

// TestSweepAgain: what is left of a sweep is asked for by searching the groups again.
func TestSweepAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 15)
		c := h.asks("UMINA", "in:joined from:spammer")
		h.chat.Refuse(swept(1), 10007)
		h.press("UTHEO", intake.ActApprove, c)
		c = h.within(time.Minute, c.ID, bot.Done)
		holds(t, fmt.Sprint(c.Buttons), "Ask again for 15")
		h.chat.Refuse(swept(1), 0)
		a := h.asksAgain("UMINA", c)
		again := h.within(time.Minute, a.Request, bot.Proposed)
		if got := h.sealedIn(again.ID); len(got) != 15 || !strings.HasPrefix(got[0], swept(1)) {
			t.Errorf("%v", got)
		}
		f := bot.AuditFilter{Group: recall.GroupID(swept(1))}
		var about []string
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			all, err := tx.Entries(1, 10_000)
			for _, e := range all {
				f.Match(e)
			}
			for _, e := range all {
				if f.Match(e) && e.Request == c.ID {
					about = append(about, e.What)
				}
			}
			return err
		})
		if err != nil || !slices.Contains(about, "sealed") || !slices.Contains(about, "approved") ||
			about[0] != "asked" ||
			!slices.Contains(about, "receipt") {
			t.Errorf("the log of one of its groups has %v, %v", about, err)
		}
	})
}

// TestChaosSweep mixes faults of the Chat service, of groups alone and of the process in a sweep.
// Whatever happens, every message ends with one outcome, which is true, and nothing is recalled
// that is not sealed.
func TestChaosSweep(t *testing.T) {
	chaos(t, func(t *testing.T, rng *rand.Rand) {
		maybe := func(oneIn int) bool { return rng.IntN(oneIn) == 0 }
		turn := func(o *bot.Options) {
			o.Policy.LargeFrom, o.Policy.MaxMessages, o.Log = 1_000_000, 1_000_000, nil
			o.Callbacks = maybe(2)
		}
		h := newHouse(t, turn)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		groups := 10
		if *long {
			groups = 40
		}
		h.spread(groups, 70)
		faults := []recalltest.Fault{
			recalltest.Answer(60008, "slow"), recalltest.AnswerAfter(10002, "internal"), recalltest.PerMessage(10002),
			recalltest.Answer(10004, "bad parameter"), recalltest.Answer(60007, "too frequent"),
			recalltest.BadGateway(), recalltest.BadGatewayAfter(), recalltest.ResetBefore(), recalltest.ResetAfter(),
			recalltest.AnswerLost(), recalltest.Truncated(), recalltest.NoList(),
			recalltest.Delay(time.Duration(rng.IntN(7000)) * time.Millisecond),
		}
		mix := func(command string) {
			for range 60 {
				fault := recalltest.Delay(0)
				if maybe(3) {
					fault = faults[rng.IntN(len(faults))]
				}
				h.chat.Inject(command, 1, fault)
			}
		}
		if maybe(2) {
			mix(recalltest.History)
		}
		id := h.ask("UMINA", "in:joined from:spammer")
		c := h.within(time.Hour, id, bot.Proposed)
		h.chat.ClearFaults()
		mix([]string{recalltest.Recall, recalltest.History}[rng.IntN(2)])
		mix(recalltest.Recall)
		h.press("UTHEO", intake.ActApprove, c)
		for range rng.IntN(6) {
			time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
			switch group := swept(rng.IntN(groups)); rng.IntN(5) {
			case 0:
				h.stop()
				h.open(h.file, turn)
			case 1:
				h.chat.Refuse(group, []int{10007, 10033, 10041, 10044}[rng.IntN(4)])
			case 2:
				for s := range 20 {
					h.chat.RecallElsewhere(group, "", "alice", recalltest.Seq(s+1))
				}
			case 3:
				if maybe(3) {
					h.press("UTHEO", intake.ActStop, c)
				}
			}
		}
		h.within(8*time.Hour, id, bot.Done, bot.Stopped)
		h.pass(time.Minute)
		sealed := map[string]bool{}
		for _, m := range h.sealedIn(id) {
			sealed[m] = true
		}
		counts := map[string]int{}
		for _, class := range h.sweptOutcomes(id) {
			counts[class]++
		}
		for _, call := range h.chat.Log() {
			for _, s := range call.Seqs {
				if call.Command == recalltest.Recall && !sealed[fmt.Sprint(call.Group, " ", s)] {
					t.Errorf("a call names %s %d, which is not sealed", call.Group, s)
				}
			}
		}
		if most := h.chat.MostInAnySecond(recalltest.Recall); most > 200 {
			t.Errorf("%d calls in one second", most)
		}
		t.Logf("%v", counts)
	})
}

// TestSweepTopics: a topic of a community is an entry of its own, whose messages have the same
// numbers as those of the community; a community whose topics are not looked at is named.
func TestSweepTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		const community = "@TGS#_FANS"
		topic := community + "@TOPIC#_news"
		h.chat.AddGroup(recalltest.Group{ID: community, Type: "Community", Name: "Fans", Topics: []string{topic},
			Joined: []string{"spammer"}})
		for i := range 3 {
			h.chat.Say(community, "", "spammer", fmt.Sprint("in the group ", i))
			h.chat.Say(community, topic, "spammer", fmt.Sprint("in the topic ", i))
		}
		c := h.asks("UMINA", "in:joined from:spammer")
		holds(t, said(c), "Recall 3 messages of spammer in 1 group?", "The topics of Fans were not looked at.")
		h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		c = h.asks("UMINA", "in:"+topic+" from:spammer")
		holds(t, said(c), "Recall 3 messages of spammer in 1 group?", "in the topic 2")
		lacks(t, said(c), "in the group", "were not looked at")
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		if own, group := h.chat.RecalledSeqs(community, topic), h.chat.RecalledSeqs(community, ""); len(own) != 3 ||
			len(group) > 0 {
			t.Errorf("recalled %v of the topic and %v of the group", own, group)
		}
	})
}

// TestSweepOdd: a group's line says how many of its messages are unlike the rest, and the last line
// how many are in the groups that have none of their own. The messages themselves come first, each
// with its group.
func TestSweepOdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(12, 10)
		for i, words := range map[int]string{3: "my exam results came!", 11: "who sells a bike?"} {
			h.chat.Say(swept(i), "", "spammer", words)
			for range 10 * (i % 2) * (11 - i) {
				h.chat.Say(swept(i), "", "spammer", "win big 7 in 7")
			}
		}
		h.chat.RecallElsewhere(swept(11), "", "alice", 2, 4, 6, 8) // so that others are larger
		c := h.within(time.Minute, h.ask("UMINA", "in:joined from:spammer"), bot.Proposed)
		h.pass(5 * time.Second)
		text := said(h.screen.card(c.ID))
		holds(t, text, "Group 3: 91 messages, 1 unlike the rest, new to the bot",
			"Group 5: 10 messages, new to the bot", "and 2 more groups, 1 unlike the rest", "my exam results came!",
			"[in Group 3]", "[in Group 11]")
		if i, j := strings.Index(text, "Group 3: 91"), strings.Index(text, "Group 5: 10"); i > j {
			t.Errorf("the largest is not first:\n%s", text)
		}
	})
}

// TestSweepByName: the card names the groups that were found by their names, and one that is called
// otherwise when the sweep is sealed is not part of it. One that is named by its id as well is not
// found by its name.
func TestSweepByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 2)
		h.chat.Rename(swept(0), "摸鱼")
		h.chat.Rename(swept(1), "Café")
		in := `in:摸鱼,Café,` + swept(2) + `,"Group 2" from:spammer`
		c := h.asks("UMINA", in)
		holds(t, said(c), "Recall 6 messages of spammer in 3 groups?", "Found by their names: 摸鱼 and Café\n")
		h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		h.chat.Inject(recalltest.Info, 1000, recalltest.BadGateway())
		id := h.ask("UMINA", in)
		h.chat.Rename(swept(0), "Kittens")
		h.pass(time.Second)
		h.chat.ClearFaults()
		c = h.within(time.Minute, id, bot.Proposed)
		holds(t, said(c), "Recall 4 messages of spammer in 2 groups?", "Found by its name: Café\n",
			"Kittens (it is not called 摸鱼 any more)")
		for _, m := range h.sealedIn(id) {
			if strings.HasPrefix(m, swept(0)) {
				t.Errorf("sealed %s", m)
			}
		}
		h.press("UTHEO", intake.ActReject, c)
		h.within(time.Minute, id, bot.Rejected)
		again := h.within(time.Minute, h.asksAgain("UMINA", h.screen.card(id)).Request, bot.Proposed)
		lacks(t, said(again), "Found by") // the ids are known
	})
}

// TestSweepTextAgain: what is left of a sweep by text can be asked for again when the phrase is
// forgotten: exactly those messages.
func TestSweepTextAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.EvidenceTTL = time.Hour })
		h.spread(3, 15)
		c := h.asks("UMINA", `in:joined from:spammer text:"win big 1"`)
		wanted := h.sealedIn(c.ID)
		h.chat.Refuse(swept(1), 10007)
		h.press("UTHEO", intake.ActApprove, c)
		c = h.within(time.Minute, c.ID, bot.Done)
		h.pass(2 * time.Hour)
		if r := h.requestOf(c.ID); r.Scope.Filter.Text != command.Withheld {
			t.Errorf("the phrase is kept: %q", r.Scope.Filter.Text)
		}
		h.chat.Refuse(swept(1), 0)
		h.chat.Say(swept(1), "", "spammer", "win big 1 once more")
		again := h.within(time.Minute, h.asksAgain("UMINA", h.screen.card(c.ID)).Request, bot.Proposed)
		left := slices.DeleteFunc(wanted, func(m string) bool { return !strings.HasPrefix(m, swept(1)) })
		if got := h.sealedIn(again.ID); len(left) == 0 || !slices.Equal(got, left) {
			t.Errorf("%v, want %v", got, left)
		}
	})
}

// TestSweepReplies: what quotes a message of a small sweep stands on its card, by its group. Where
// it is all of one group, the requester can ask for it.
func TestSweepReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.spread(3, 2)
		quote := func(group string, seq int) {
			h.chat.Say(group, "", "eve", "which house?", recalltest.Custom(fmt.Sprintf(
				`{"messageReply":{"messageID":"m","messageAbstract":"win","messageSequence":%d,"version":1}}`, seq)))
		}
		quote(swept(0), 2)
		quote(swept(0), 1) // of alice
		quote(swept(2), 4)
		quote(swept(2), 2)
		c := h.asks("UMINA", "in:joined from:spammer")
		holds(t, said(c), "A later reply in Group 0 quotes 2: 5. It is not part.",
			"2 later replies in Group 2 quote 2, 4: 5-6. They are not part.")
		if page := h.press("UMINA", intake.ActShowAll, c).Page; page.Recall != "" {
			t.Errorf("a button for replies in two groups: %q", page.Recall)
		}
		h.types("UMINA", "recalls", "withdraw "+string(c.ID))
		c = h.asks("UMINA", "in:"+swept(1)+","+swept(2)+" from:spammer")
		if page := h.press("UMINA", intake.ActShowAll, c).Page; page.Recall != "Ask for the 2 replies" {
			t.Errorf("%q", page.Recall)
		}
		a := h.press("UMINA", intake.ActRecallReplies, c)
		own := h.within(time.Minute, a.Request, bot.Proposed)
		holds(t, said(own), "Recall 2 messages in Group 2?", "messages 5-6")
	})
}

// TestSweepUnreadableLate: a group that cannot be read any more when the sweep runs does not hold
// up the others. If that lasts, its messages are not sent; if it ends, they are recalled. That the
// sender has left a group changes nothing.
func TestSweepUnreadableLate(t *testing.T) {
	for name, heals := range map[string]bool{"for good": false, "for some minutes": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.spread(3, 15)
				c := h.asks("UMINA", "in:joined from:spammer")
				h.chat.Leave(swept(0), "spammer")
				h.chat.Refuse(swept(1), 10002)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Minute)
				if got := h.everywhere(3); len(got) != 30 {
					t.Errorf("%d are recalled while one group cannot be read", len(got))
				}
				if heals {
					h.chat.Refuse(swept(1), 0)
				}
				c = h.within(time.Hour, c.ID, bot.Done, bot.Stopped)
				want, state := "recalled", bot.Done
				if !heals {
					want, state = "not sent", bot.Stopped
				}
				if c.State != state {
					t.Errorf("%s: %v", c.State, c.Title)
				}
				for m, class := range h.sweptOutcomes(c.ID) {
					if is := strings.HasPrefix(m, swept(1)); is && class != want || !is && class != "recalled" {
						t.Errorf("%s: %s", m, class)
					}
				}
			})
		})
	}
}
