package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// gauge is a ledger that notes of how many messages each transaction writes something.
type gauge struct {
	bot.Ledger
	mu     sync.Mutex
	cut    atomic.Bool    // nothing more can be written
	most   map[string]int // by what was written
	said   int            // bytes of evidence that one transaction stored, at most
	sealed int            // messages that were stored, in all tries
	// before is called with what is going to be written; what it returns fails the transaction.
	// after is called when a transaction has written something.
	before func(what string) error
	after  func(what string)
}

func (g *gauge) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	if g.cut.Load() {
		return errCut
	}
	wrote := map[string]int{}
	err := g.Ledger.Tx(ctx, func(tx bot.Tx) error { return fn(&gaugedTx{Tx: tx, g: g, wrote: wrote}) })
	g.mu.Lock()
	for what, n := range wrote {
		g.most[what] = max(g.most[what], n)
	}
	after := g.after
	g.mu.Unlock()
	for what, n := range wrote {
		if err == nil && after != nil && n > 0 {
			after(what)
		}
	}
	return err
}

type gaugedTx struct {
	bot.Tx
	g     *gauge
	wrote map[string]int
}

func (t *gaugedTx) note(what string, n int) error {
	t.wrote[what] += n
	t.g.mu.Lock()
	before := t.g.before
	t.g.mu.Unlock()
	if before == nil || n == 0 {
		return nil
	}
	return before(what)
}

func (t *gaugedTx) AddMessages(id bot.RequestID, messages []bot.Message) error {
	if err := t.note("sealed", len(messages)); err != nil {
		return err
	}
	said := 0
	for _, m := range messages {
		said += len(m.Evidence)
	}
	t.g.mu.Lock()
	t.g.said = max(t.g.said, said)
	t.g.sealed += len(messages)
	t.g.mu.Unlock()
	return t.Tx.AddMessages(id, messages)
}

func (t *gaugedTx) DropMessages(id bot.RequestID, limit int) (int, error) {
	n, err := t.Tx.DropMessages(id, limit)
	t.wrote["dropped"] += n
	return n, err
}

func (t *gaugedTx) AddBatches(id bot.RequestID, batches []bot.Batch) error {
	n := 0
	for _, b := range batches {
		n += len(b.Seqs)
	}
	if err := t.note("batched", n); err != nil {
		return err
	}
	return t.Tx.AddBatches(id, batches)
}

func (t *gaugedTx) PutOutcomes(id bot.RequestID, outcomes map[bot.MessageID]bot.Outcome) (int, error) {
	if err := t.note("settled", len(outcomes)); err != nil {
		return 0, err
	}
	return t.Tx.PutOutcomes(id, outcomes)
}

func (t *gaugedTx) ForgetEvidence(id bot.RequestID, limit int) (int, error) {
	n, err := t.Tx.ForgetEvidence(id, limit)
	t.wrote["forgotten"] += n
	return n, err
}

func (t *gaugedTx) Append(e bot.Entry) (bot.Entry, error) {
	t.wrote[e.What]++
	return t.Tx.Append(e)
}

// let sets what is called before something is written.
func (g *gauge) let(before func(what string) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

// flood are the options of a bot for floods, whose ledger g gauges.
func flood(g *gauge) func(*bot.Options) {
	return func(o *bot.Options) {
		g.Ledger, o.Ledger, o.EvidenceTTL = o.Ledger, g, 10*time.Minute
		o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000
	}
}

// newFlood is a house for floods, with its ledger gauged.
func newFlood(t *testing.T) (*house, *gauge) {
	g := &gauge{most: map[string]int{}}
	h := newHouse(t, flood(g))
	h.chat.Change(
		func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
	return h, g
}

// oneAtATime checks that no transaction wrote something of more messages than people can wait for.
func (g *gauge) oneAtATime(t *testing.T, whats ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, what := range whats {
		if n := g.most[what]; n == 0 || n > 1000 {
			t.Errorf("%d messages were %s in one transaction, want some and at most 1,000", n, what)
		}
	}
}

// evidenceOf returns how many messages the ledger has of a request, and of how many what they said:
// all that is stored, sealed or not.
func (h *house) evidenceOf(id bot.RequestID) (messages, said int) {
	h.t.Helper()
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		counts, err := tx.Progress(id)
		if err != nil {
			return err
		}
		for _, n := range counts {
			messages += n
		}
		all, err := tx.Messages(id, 0, 1_000_000)
		for _, m := range all {
			if m.Evidence != "" {
				said++
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return messages, said
}

// ask asks for a recall.
func (h *house) ask(user, text string) bot.RequestID {
	h.t.Helper()
	a := h.types(user, "recall", text)
	if a.Kind != intake.Accepted {
		h.t.Fatalf("ask %q: %+v", text, a)
	}
	return bot.RequestID(a.Lines[0][0].Text)
}

// sealHolds checks that what is stored of a request is what its digest names.
func (h *house) sealHolds(id bot.RequestID) {
	h.t.Helper()
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		all, err := tx.Messages(id, 0, 1_000_000)
		if got := bot.Digest(r.App, r.Parts, all); got != r.Digest || len(all) != r.Tally.Total {
			h.t.Errorf("%d messages of the digest %s are stored, sealed were %d of %s", len(all), got, r.Tally.Total,
				r.Digest)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestFloodInParts: from the seal to the end of its evidence, no transaction about a flood is
// longer than people can wait for.
func TestFloodInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(3500)
		c := h.proposed(fmt.Sprintf("%s 1-5500", testGroup)) // the last 2,000 do not exist
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		holds(t, h.screen.thread(c.ID),
			"5,500 messages were requested = 3,500 recalled + 2,000 not sent")
		if calls := h.recallCalls(); calls != 350 {
			t.Errorf("%d calls for 3,500 messages: a batch was not full", calls)
		}
		h.pass(time.Hour)
		if messages, said := h.evidenceOf(c.ID); messages != 5500 || said != 0 {
			t.Errorf("after its time %d messages are there, and the text of %d", messages, said)
		}
		g.oneAtATime(t, "sealed", "batched", "settled", "forgotten")
		if n := len(h.audited("evidence forgotten")); n != 1 {
			t.Errorf("the audit log tells %d times that the evidence was forgotten", n)
		}
	})
}

// TestFloodSparse: where few messages of a flood are to be sent, those are sent as fast as all
// would be.
func TestFloodSparse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(20_000)
		var gone []recalltest.Seq
		for seq := recalltest.Seq(1); seq <= 20_000; seq++ {
			if seq%100 != 0 {
				gone = append(gone, seq)
			}
		}
		h.chat.Delete(testGroup, "", gone...)
		c := h.proposed(testGroup + " 1-20000")
		h.press("UTHEO", intake.ActApprove, c)
		began := time.Now()
		for h.recallCalls() < 20 {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > 250*time.Millisecond {
			t.Errorf("20 calls were begun within %v, want 250ms", took)
		}
		h.within(time.Minute, c.ID, bot.Done)
		if counts := h.holds(c.ID, 20_000); counts["recalled"] != 200 {
			t.Errorf("outcomes %v", counts)
		}
		g.oneAtATime(t, "settled")
	})
}

// TestFloodStopped: what nobody had claimed is not sent, at once, but not in one transaction.
func TestFloodStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(5000)
		c := h.proposed(testGroup + " 1-5500")
		h.press("UTHEO", intake.ActApprove, c)
		time.Sleep(300 * time.Millisecond)
		h.press("UTHEO", intake.ActStop, c)
		h.within(10*time.Second, c.ID, bot.Stopped)
		n := len(h.chat.RecalledSeqs(testGroup, ""))
		counts := h.holds(c.ID, 5500)
		if n == 0 || counts["recalled"] != n || counts["not sent"] != 5500-n {
			t.Errorf("outcomes %v; %d are recalled", counts, n)
		}
		g.oneAtATime(t, "settled")
	})
}

// TestFloodNeverBegun: an approved flood that a pause keeps from beginning is stopped, or could not
// begin in time. That is not told in one transaction either.
func TestFloodNeverBegun(t *testing.T) {
	for name, want := range map[string]struct {
		state bot.State
		words string
	}{"stopped": {bot.Stopped, "not sent (stopped)"}, "too late": {bot.NotStarted, "not sent (not started in time)"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gauge{most: map[string]int{}}
				h := newHouse(t, func(o *bot.Options) {
					flood(g)(o)
					o.Policy.StartWithin = 30 * time.Second
				})
				h.say(3000)
				c := h.proposed(testGroup + " 1-3500")
				err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
					return tx.Pause(recall.SDKAppID(h.chat.SDKAppID()), &bot.Pause{Code: 70009, Since: tx.Now(),
						Next: tx.Now().Add(50 * time.Second)})
				})
				if err != nil {
					t.Fatal(err)
				}
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Second)
				if name == "stopped" {
					if a := h.press("UTHEO", intake.ActStop, c); a.Kind != intake.Changed ||
						h.state(c.ID) != bot.Stopping {
						t.Errorf("stop: %+v", a)
					}
				}
				h.within(40*time.Second, c.ID, want.state)
				if counts := h.holds(c.ID, 3500); counts["not sent"] != 3500 || h.recallCalls() > 0 {
					t.Errorf("outcomes %v after %d calls", counts, h.recallCalls())
				}
				holds(t, h.screen.thread(c.ID), want.words, "not sent (did not exist when approved)")
				g.oneAtATime(t, "settled")
			})
		})
	}
}

// TestBegunLate starts the bot again long after a request was approved, which had not begun: it is
// not run now.
func TestBegunLate(t *testing.T) {
	for range 10 { // whoever is first: the timer or the runner
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			h.say(3)
			c := h.proposed(testGroup + " 1-3")
			h.pass(30 * time.Second) // the lease runs out by itself
			if _, err := h.ledger.Acquire(t.Context(), fmt.Sprint("app/", h.chat.SDKAppID()), "somebody",
				time.Minute); err != nil {
				t.Fatal(err)
			}
			h.press("UTHEO", intake.ActApprove, c)
			h.stop()
			time.Sleep(3 * time.Hour)
			h.open(h.file, nil)
			h.within(time.Minute, c.ID, bot.NotStarted)
			if n := h.recallCalls(); n > 0 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestFloodCondemned: where the service refuses a request as a whole in the middle of it, nothing
// more is called, the rest ends as refused, and the next holder of the lease knows.
func TestFloodCondemned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(5000)
		c := h.proposed(testGroup + " 1-5000")
		h.press("UTHEO", intake.ActApprove, c)
		time.Sleep(300 * time.Millisecond)
		h.chat.Inject(recalltest.Recall, -1, recalltest.Answer(10007, "not allowed here"))
		var told atomic.Int32
		g.let(func(what string) error { // in the middle of telling the rest nothing can be stored any more
			if what == "settled" && h.chat.Calls(recalltest.Recall) > 100 {
				if told.Add(1) > 2 {
					return errCut
				}
			}
			return nil
		})
		h.pass(2 * time.Second)
		if n := told.Load(); n < 3 || n > 40 {
			t.Fatalf("the rest was tried to be told %d times in 2 seconds, want some, and not all the time", n)
		}
		h.stop()
		calls := h.recallCalls()
		g.let(nil)
		h.open(h.file, flood(g))
		h.within(time.Minute, c.ID, bot.Done)
		counts := h.holds(c.ID, 5000)
		n := len(h.chat.RecalledSeqs(testGroup, ""))
		// Of what was on its way when nothing could be stored any more the answers are lost.
		if n == 0 || counts["recalled"] != n || counts["refused"]+counts["unknown"] != 5000-n ||
			counts["unknown"] > 640 {
			t.Errorf("outcomes %v; %d are recalled", counts, n)
		}
		if more := h.recallCalls() - calls; more != 0 {
			t.Errorf("%d calls of a request that the service has refused", more)
		}
		holds(t, h.screen.thread(c.ID), "refused (10007: not allowed here)")
		g.oneAtATime(t, "settled")
	})
}

// TestSealCutShort lets storing fail after some parts of a seal were stored. Nobody sees them; the
// next try reads and stores all anew.
func TestSealCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(3500)
		var parts atomic.Int32
		g.let(func(what string) error {
			if what == "sealed" {
				if n := parts.Add(1); n > 2 && n <= 4 { // twice
					return errCut
				}
			}
			return nil
		})
		id := h.ask("UMINA", testGroup+" 1-3500")
		for state := bot.Preparing; state == bot.Preparing; state = h.state(id) {
			h.pass(200 * time.Millisecond)
			if parts.Load() == 3 {
				if messages, said := h.evidenceOf(id); messages != 2000 || said != 0 {
					t.Errorf("%d messages are stored of the seal that was cut short, and %d are to be seen", messages,
						said)
				}
				for _, show := range []intake.Act{{Kind: intake.ActCommand, Command: "recalls",
					Text: "show " + string(id)}, {Kind: intake.ActShowAll, Request: id}} {
					if a := h.do("UTHEO", show); strings.Contains(fmt.Sprint(a.Lines, pageText(a.Page), a.Card),
						"win big") {
						t.Errorf("what was not sealed is shown: %+v", a)
					}
				}
			}
		}
		h.within(time.Minute, id, bot.Proposed)
		if messages, said := h.evidenceOf(id); messages != 3500 || said != 3500 {
			t.Errorf("sealed with %d messages, %d with what they said", messages, said)
		}
		h.sealHolds(id)
	})
}

// TestSealStreams: what messages say is stored while others are still read, a little at a time,
// whatever page comes first. Nobody sees it before all of it is sealed, and it is shown in order.
func TestSealStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, most = 1600, 1 << 19
		g := &gauge{most: map[string]int{}}
		h := newHouse(t, func(o *bot.Options) {
			flood(g)(o)
			o.Evidence = bot.EvidenceFull
		})
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		text := func(seq recalltest.Seq) string { return strings.Repeat(fmt.Sprintf("win-big-%06d,", seq), 600) }
		for range n {
			h.chat.Say(testGroup, "", "alice", "", recalltest.Made(text))
		}
		h.chat.Say(testGroup, "", "alice", "short")
		h.chat.Delete(testGroup, "", 1500)
		held, parts := 0, 0
		stored := 0
		g.let(func(what string) error {
			if what == "sealed" {
				held, parts = max(held, 20*h.chat.Calls(recalltest.History)-stored), parts+1
			}
			return nil
		})
		g.after = func(what string) {
			if what == "sealed" {
				g.mu.Lock()
				defer g.mu.Unlock()
				stored = g.sealed
			}
		}
		id := h.ask("UMINA", fmt.Sprintf("%s 1-%d", testGroup, n+1))
		for h.screen.card(id).State != bot.Proposed {
			if messages, said := h.evidenceOf(id); said > 0 && h.screen.card(id).State != bot.Proposed {
				if c, err := h.bot.ShowingNow(t.Context(), id); err != nil || c.State == bot.Preparing {
					t.Fatalf("%d messages are to be seen of %d before they are sealed: %v", said, messages, err)
				}
			}
			h.pass(100 * time.Millisecond)
		}
		if limit := most/9000 + 20*16; held > limit || parts < 10 {
			t.Errorf("%d messages were held at once, want at most %d; they were stored in %d parts", held, limit, parts)
		}
		if g.said > most {
			t.Errorf("one transaction stored %d bytes of what they say, want at most %d", g.said, most)
		}
		h.sealHolds(id)
		if messages, said := h.evidenceOf(id); messages != n+1 || said != n {
			t.Errorf("%d messages are sealed, and what %d of them say", messages, said)
		}
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			all, err := tx.Messages(id, 1, n)
			for _, m := range all {
				if want := text(recalltest.Seq(m.Seq)); m.Seq != 1500 && m.Evidence != want {
					t.Fatalf("%d is kept as %.40q, want %.40q", m.Seq, m.Evidence, want)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// doubled is a Chat service whose pages tell each message twice.
type doubled struct{ bot.Chat }

func (d doubled) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	p, err := d.Chat.GroupMsgGetSimple(ctx, r)
	p.Messages = append(p.Messages, p.Messages...)
	return p, err
}

// TestSealToldTwice: a message that history tells twice is sealed once.
func TestSealToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Chat = doubled{Chat: o.Chat} })
		h.say(50)
		for _, text := range []string{"1-45", `text:"win big" last:5`} {
			h.sealHolds(h.proposed(testGroup + " " + text).ID)
		}
	})
}

// TestSealFenced lets the lease pass to somebody else once a request was read, or while its seal is
// stored, while the bot still relies on it: it stores no more, opens nothing for decisions and
// refuses nothing. When the lease is its own again all is read and stored anew.
func TestSealFenced(t *testing.T) {
	for name, test := range map[string]struct {
		seqs   string
		what   string // the lease passes when that was written; "": a moment after it was asked
		times  int32  // so many times
		stored int
		then   bot.State
	}{
		"while it is read": {"1-20", "", 0, 0, bot.Proposed},
		"after one part":   {"1-3500", "sealed", 1, 1000, bot.Proposed},
		"before the last":  {"1-3500", "sealed", 3, 3000, bot.Proposed},
		"nothing to seal":  {"9000", "api", 1, 0, bot.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shift atomic.Int64
				var h *house
				var wrote atomic.Int32
				g := &gauge{most: map[string]int{}}
				g.after = func(what string) {
					if what == test.what && wrote.Add(1) == test.times {
						h.passes(&shift)
					}
				}
				h = stepped(t, &shift, flood(g))
				h.chat.Change(func(o *recalltest.Options) { o.Latency = 500 * time.Millisecond })
				h.say(3500)
				id := h.ask("UMINA", testGroup+" "+test.seqs)
				for wrote.Load() < test.times {
					h.pass(10 * time.Millisecond)
				}
				if test.what == "" {
					h.pass(700 * time.Millisecond)
					h.passes(&shift)
				}
				h.pass(20 * time.Second)
				if messages, _ := h.evidenceOf(id); messages != test.stored {
					t.Errorf("%d messages are stored; %d were when the lease passed", messages, test.stored)
				}
				if c, err := h.bot.ShowingNow(t.Context(), id); err != nil || c.State != bot.Preparing {
					t.Errorf("it is %s while somebody else has the lease: %v", c.State, err)
				}
				if n := len(h.audited("api")); test.what == "" && n > 0 {
					t.Errorf("%d calls are told by who has the lease no more", n)
				}
				h.within(2*time.Minute, id, test.then)
				if test.then == bot.Proposed {
					h.sealHolds(id)
				}
			})
		})
	}
}

// TestSealWithdrawn withdraws a request while parts of its seal are stored: what the messages said
// is in the ledger no more.
func TestSealWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(3500)
		stored := make(chan struct{}, 100)
		g.let(func(what string) error {
			if what == "sealed" {
				stored <- struct{}{}
			}
			return nil
		})
		id := h.ask("UMINA", testGroup+" 1-3500")
		<-stored
		<-stored
		if a := h.types("UMINA", "recalls", "withdraw "+string(id)); a.Kind != intake.Changed {
			t.Fatalf("withdraw: %+v", a)
		}
		h.pass(5 * time.Second)
		if messages, _ := h.evidenceOf(id); messages != 0 {
			t.Errorf("%d messages of a request that was withdrawn before its seal", messages)
		}
		g.oneAtATime(t, "sealed", "dropped")
	})
}

// TestReadingWithdrawn withdraws a request while its messages are read: the reading ends, and the
// audit log has every call of it.
func TestReadingWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newFlood(t)
		h.say(10_000)
		id := h.ask("UMINA", testGroup+" 1-10000")
		h.pass(2 * time.Second)
		if a := h.types("UMINA", "recalls", "withdraw "+string(id)); a.Kind != intake.Changed {
			t.Fatalf("withdraw: %+v", a)
		}
		h.pass(time.Second)
		calls := h.chat.Calls(recalltest.History)
		if calls < 50 || calls > 250 {
			t.Errorf("%d pages were read of 500: this shows nothing", calls)
		}
		h.pass(10 * time.Second)
		if more := h.chat.Calls(recalltest.History) - calls; more > 0 {
			t.Errorf("%d more pages were read", more)
		}
		if told := h.told(); told != calls+h.chat.Calls(recalltest.Info) {
			t.Errorf("%d calls are told of %d", told, calls+h.chat.Calls(recalltest.Info))
		}
	})
}

// TestRestoredInTheRest goes on from a copy that was made while most of a flood had not been
// batched: what the copy does not know of is read before anything is sent.
func TestRestoredInTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := newFlood(t)
		h.say(3000)
		c := h.proposed(testGroup + " 1-3000")
		h.press("UTHEO", intake.ActApprove, c)
		time.Sleep(500 * time.Millisecond)
		copied := t.TempDir() + "/copy.db"
		if err := h.ledger.Backup(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		h.stop()
		gone := len(h.chat.RecalledSeqs(testGroup, ""))
		if gone == 0 || gone == 3000 {
			t.Fatalf("%d of 3,000 are recalled: this shows nothing", gone)
		}
		calls := h.recallCalls()
		h.open(copied, flood(g))
		h.within(10*time.Minute, c.ID, bot.Done)
		if counts := h.holds(c.ID, 3000); counts["recalled"] != 3000 {
			t.Errorf("outcomes %v", counts)
		}
		if more := h.recallCalls() - calls; more > (3000-gone)/10+30 {
			t.Errorf("%d calls for the %d messages that were left", more, 3000-gone)
		}
	})
}

// TestReadingCutShort ends the process in the middle of a long reading: the audit log has every
// call that was made, those before the last hundred even where nothing more can be stored.
func TestReadingCutShort(t *testing.T) {
	for name, killed := range map[string]bool{"in order": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, g := newFlood(t)
				h.say(5000)
				h.ask("UMINA", testGroup+" 1-5000")
				time.Sleep(2 * time.Second)
				if killed {
					g.cut.Store(true)
				}
				h.stop()
				calls := h.chat.Calls(recalltest.History) + h.chat.Calls(recalltest.Info)
				l, err := ledger.Open(t.Context(), "sqlite:"+h.file, ledger.Options{})
				if err != nil {
					t.Fatal(err)
				}
				h.ledger, h.stop = l, func() {
					if err := l.Close(); err != nil {
						t.Error(err)
					}
				}
				told := h.told()
				if calls < 100 || calls > 240 {
					t.Fatalf("%d calls: this shows nothing", calls)
				}
				least := calls
				if killed {
					least -= 100 + 16 // what was being gathered, and on its way
				}
				if told < least || told > calls {
					t.Errorf("%d calls are told of %d, want %d at least", told, calls, least)
				}
			})
		})
	}
}

// TestFloodHiccups: that one page of many cannot be read now and then does not make a flood blind,
// however long the reading takes.
func TestFloodHiccups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := newFlood(t)
		h.chat.Change(func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 4*time.Second, 0 })
		h.say(5000)
		for range 3 {
			h.chat.Inject(recalltest.History, 180, recalltest.Delay(0))
			h.chat.Inject(recalltest.History, 1, recalltest.BadGateway())
		}
		c := h.proposed(testGroup + " 1-5000")
		h.sealHolds(c.ID)
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			r, err := tx.Request(c.ID)
			if r.Blind || r.Tally.Unread > 0 {
				t.Errorf("%d messages are called unread", r.Tally.Unread)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if calls := h.chat.Calls(recalltest.History); calls > 260 {
			t.Errorf("%d calls for 250 pages", calls)
		}
	})
}

// TestSmallQuota: with a quota of few calls a second nothing waits long for its turn, so a bot that
// is ended, and a request that is stopped, end soon.
func TestSmallQuota(t *testing.T) {
	for _, n := range []int{1, 3, 10} {
		for what, end := range map[string]func(h *house, c bot.Card){
			"ended": func(h *house, _ bot.Card) {
				h.stop()
				h.stop = func() {}
			},
			"stopped": func(h *house, c bot.Card) {
				h.press("UTHEO", intake.ActStop, c)
				h.within(10*time.Second, c.ID, bot.Stopped)
			},
		} {
			t.Run(fmt.Sprintf("%s with %d a second", what, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var h *house
					h = newHouseWith(t, func(x *house) { h = x }, func(o *bot.Options) {
						client, err := recall.New(recall.Config{
							SDKAppID: recall.SDKAppID(h.chat.SDKAppID()), SecretKey: h.chat.SecretKey(),
							BaseURL: recalltest.URL, HTTPClient: h.chat.Client(), CallsPerSecond: n,
						})
						if err != nil {
							t.Fatal(err)
						}
						o.Chat, o.CallsPerSecond = client, n
					})
					h.say(3000)
					c := h.proposed(testGroup + " 1-3000")
					h.press("UTHEO", intake.ActApprove, c)
					h.pass(20 * time.Second)
					if calls := h.recallCalls(); calls < 18*n || calls > 20*n {
						t.Errorf("%d calls in 20 s", calls)
					}
					began := time.Now()
					end(h, c)
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// TestFloodsPreparedInTurn: no two floods are read at the same time, since each is held in memory
// until it is sealed; the one asked for first comes first. What is small waits for none.
func TestFloodsPreparedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *liar
		g := &gauge{most: map[string]int{}}
		h := newHouse(t, func(o *bot.Options) {
			flood(g)(o)
			l = &liar{Chat: o.Chat}
			o.Chat = l
		})
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		h.say(30_005)
		var mu sync.Mutex
		var first, last [3]time.Time // page of each flood
		turn := func(r recall.HistoryRequest, _ *recall.HistoryPage) {
			mu.Lock()
			defer mu.Unlock()
			if r.Seq > 0 && r.Seq <= 30_003 { // 0: the newest, among which replies are looked for
				i := (r.Seq - 1) / 10_001
				if last[i] = time.Now(); first[i].IsZero() {
					first[i] = last[i]
				}
			}
		}
		l.turn.Store(&turn)
		var floods []bot.RequestID
		for _, asked := range []string{"1-10001", "10002-20002", "20003-30003"} {
			floods = append(floods, h.ask("UMINA", testGroup+" "+asked))
			h.pass(time.Second) // of those asked for in one millisecond any may be first
		}
		small := h.ask("UMINA", testGroup+" 30004 30005")
		h.within(2*time.Second, small, bot.Proposed)
		for _, id := range floods {
			if s := h.state(id); s != bot.Preparing {
				t.Errorf("a flood is %s: this shows nothing", s)
			}
		}
		for _, id := range floods {
			h.within(time.Minute, id, bot.Proposed)
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range first {
			if first[i].IsZero() || i > 0 && !first[i].After(last[i-1]) {
				t.Errorf("flood %d was read from %v to %v", i, first[i], last[i])
			}
		}
	})
}

// TestPutOffHideNothing: with a small quota, too, batches that cannot be sent, or cannot be read
// again, do not keep the others from being sent.
func TestPutOffHideNothing(t *testing.T) {
	for name, test := range map[string]struct {
		calls  int           // a second
		sealed time.Duration // before the approval: then it is read again
	}{
		"sent":       {2, 0},
		"read again": {10, 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *liar
				h := newHouseWith(t, nil, func(o *bot.Options) {
					l = &liar{Chat: o.Chat}
					if o.Chat, o.CallsPerSecond = l, test.calls; test.sealed == 0 {
						o.Chat = cutOffBelow{Chat: o.Chat, seq: 300}
					}
				})
				h.say(400)
				c := h.proposed(testGroup + " 1-400")
				h.pass(test.sealed)
				unread := func(r recall.HistoryRequest, p *recall.HistoryPage) {
					if r.Seq <= 300 {
						p.Messages = []recall.Message{{Seq: r.Seq + 1000, From: "mallory", Time: time.Now()}}
					}
				}
				if test.sealed > 0 {
					l.turn.Store(&unread)
				}
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Minute)
				if got := len(h.chat.RecalledSeqs(testGroup, "")); got != 100 {
					t.Errorf("%d messages were recalled, want the 100 that can be", got)
				}
			})
		})
	}
}

// cutOffBelow sends no recall of messages up to a number.
type cutOffBelow struct {
	bot.Chat
	seq recall.Seq
}

func (c cutOffBelow) GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error) {
	if r.Seqs[0] <= c.seq {
		return recall.RecallAnswer{}, recall.ErrNotSent
	}
	return c.Chat.GroupMsgRecall(ctx, r)
}
