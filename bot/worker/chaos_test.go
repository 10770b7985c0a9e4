package worker_test

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// The tests in this file let many things go wrong at once, at random, in a bubble's time. The
// command that draws the same again is printed. The long form is
//
//	go test ./bot/worker -run TestChaos -long -timeout 2h
var (
	long = flag.Bool("long", false,
		"the long forms of the chaos tests: 20 runs of each, with 10,000 messages in those of TestChaosChat")
	chaosSeed = flag.Uint64("chaosseed", 0, "seed of the chaos tests; 0: a new one")
)

// chaos runs fn in bubbles with generators of random numbers.
func chaos(t *testing.T, fn func(t *testing.T, rng *rand.Rand)) {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	runs := 3
	if *long {
		runs = 20
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			again := fmt.Sprintf("go test ./bot/worker -run '^%s$' -chaosseed %d",
				strings.ReplaceAll(t.Name(), "/", "$/^"),
				seed)
			if *long {
				again += " -long"
			}
			t.Log("again: ", again)
			if draw := (seed + uint64(run)) % 40; draw < 4 { // a tenth, on 1 to 4 threads
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1 + int(draw)))
			}
			before := transitions.Load()
			synctest.Test(t, func(t *testing.T) { fn(t, rand.New(rand.NewPCG(seed, uint64(run)))) })
			t.Logf("%d transitions were held to the model's rules", transitions.Load()-before)
		})
	}
}

// newHouseWith is a house whose ledger waits for no disk. prepare changes it before it opens.
func newHouseWith(t *testing.T, prepare func(h *house), turn func(*bot.Options)) *house {
	h := &house{t: t, chat: recalltest.New(recalltest.Options{}),
		screen: &screen{platform: onSlack, cards: map[bot.RequestID]bot.Card{}, notes: map[string][]bot.Note{}}}
	h.chat.AddGroup(recalltest.Group{ID: testGroup, Type: "Public", Name: "Casino talk", Members: 2})
	if prepare != nil {
		prepare(h)
	}
	h.open(":memory:", func(o *bot.Options) {
		o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000
		o.Log = nil // faults by the hundred
		if turn != nil {
			turn(o)
		}
	})
	t.Cleanup(func() {
		h.stop()
		h.chat.Close()
	})
	return h
}

// within passes time until the request is in one of the states.
func (h *house) within(d time.Duration, id bot.RequestID, states ...bot.State) bot.Card {
	h.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		h.pass(time.Second)
		c, err := h.bot.ShowingNow(h.t.Context(), id)
		if err != nil {
			continue // the ledger may be away
		}
		if slices.Contains(states, c.State) {
			return c
		}
	}
	c, err := h.bot.ShowingNow(h.t.Context(), id)
	h.t.Fatalf("%s is %s after %v, want %v: %v %v", id, c.State, d, states, c.Unusual, err)
	return bot.Card{}
}

// proposed asks for a recall and waits until it is sealed, however long reading takes.
func (h *house) proposed(text string) bot.Card {
	h.t.Helper()
	return h.within(10*time.Minute, h.ask("UMINA", text), bot.Proposed)
}

// outcomes reads what the thread says of each message, and that it says it once.
func (h *house) outcomes(id bot.RequestID) map[recall.Seq]string {
	h.t.Helper()
	h.screen.mu.Lock()
	defer h.screen.mu.Unlock()
	for _, n := range h.screen.notes[string(id)] {
		if n.File == nil {
			continue
		}
		rows, err := csv.NewReader(strings.NewReader(string(n.File.Body))).ReadAll()
		if err != nil {
			h.t.Fatal(err)
		}
		out := map[recall.Seq]string{}
		for _, row := range rows[1:] {
			seq, err := strconv.ParseUint(row[2], 10, 32)
			if err != nil || row[0] != "'"+testGroup || row[1] != "" {
				h.t.Fatal(row, err)
			}
			if out[recall.Seq(seq)] != "" {
				h.t.Errorf("%d has two outcomes", seq)
			}
			out[recall.Seq(seq)] = row[3]
		}
		return out
	}
	h.t.Fatal("the thread has no file of outcomes")
	return nil
}

// callsOf tells the calls for a message, for whoever must find out what went wrong.
func (h *house) callsOf(seq recall.Seq) string {
	var b strings.Builder
	for _, c := range h.chat.Log() {
		if c.Command == recalltest.Recall && slices.Contains(c.Seqs, recalltest.Seq(seq)) {
			fmt.Fprintf(&b, "\n%s %+v", c.At.Format("04:05.000"), c)
		}
	}
	return b.String()
}

// holds checks the outcomes of the messages 1 to n against the service, and the receipt's sum.
func (h *house) holds(id bot.RequestID, n int) map[string]int {
	t := h.t
	t.Helper()
	out := h.outcomes(id)
	counts := map[string]int{}
	for seq := recall.Seq(1); seq <= recall.Seq(n); seq++ {
		recalled := h.chat.Recalled(testGroup, "", recalltest.Seq(seq))
		class := out[seq]
		counts[class]++
		switch bot.Class(class) {
		case bot.ClassRecalled, bot.ClassAlready:
			if !recalled {
				t.Errorf("%d is called %s, and is there", seq, class)
			}
		case bot.ClassNotSent, bot.ClassRefused, bot.ClassNotFound:
			if recalled {
				t.Errorf("%d is called %s, and was recalled: %s", seq, class, h.callsOf(seq))
			}
		case bot.ClassUnknown:
		default:
			t.Errorf("%d has the outcome %q", seq, class)
		}
	}
	if len(out) != n {
		t.Errorf("%d messages have an outcome, want %d", len(out), n)
	}
	var sum []string
	for _, c := range bot.Classes() {
		if n := counts[string(c)]; n > 0 {
			sum = append(sum, fmt.Sprintf("%s %s", itoa(n), c))
		}
	}
	want := itoa(n) + " messages were requested = " + strings.Join(sum, " + ")
	if thread := h.screen.thread(id); !strings.Contains(thread, want) {
		i := max(0, strings.Index(thread, "Receipt "))
		t.Errorf("the receipt lacks %q:\n%.400s", want, thread[i:])
	}
	if most := h.chat.MostInAnySecond(recalltest.Recall); most > 200 {
		t.Errorf("%d calls in one second", most)
	}
	return counts
}

// TestChaosChat mixes every fault of the Chat service. Whatever happens, every message ends with
// one outcome, which is true, and the request ends.
func TestChaosChat(t *testing.T) {
	chaos(t, func(t *testing.T, rng *rand.Rand) {
		h := newHouseWith(t, nil, func(o *bot.Options) { o.Policy.StartWithin = 6 * time.Hour })
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		n := 500
		if *long {
			n = 10_000
		}
		h.say(n)
		c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
		for _, i := range rng.Perm(n)[:n/20] { // what people and time do to messages after the seal
			switch seq := recalltest.Seq(i + 1); rng.IntN(4) {
			case 0:
				h.chat.Delete(testGroup, "", seq)
			case 1:
				h.chat.Expire(testGroup, "", seq)
			case 2:
				h.chat.MakeUnrecallable(testGroup, "", seq)
			case 3:
				h.chat.RecallElsewhere(testGroup, "", "alice", seq)
			}
		}
		seconds := func(most int) time.Duration { return time.Duration(rng.IntN(most*1000)) * time.Millisecond }
		// Not in the mix is a final code for a message that could be recalled: together with a call
		// that acts late nobody could find out.
		faults := []func() recalltest.Fault{
			func() recalltest.Fault { return recalltest.Answer(60008, "slow") },
			func() recalltest.Fault { return recalltest.Answer(10002, "internal") },
			func() recalltest.Fault { return recalltest.Answer(60007, "too frequent") },
			func() recalltest.Fault { return recalltest.Answer(70001, "expired") },
			func() recalltest.Fault { return recalltest.AnswerAfter(10002, "internal") },
			func() recalltest.Fault { return recalltest.AnswerAfter(60008, "slow") },
			func() recalltest.Fault { return recalltest.PerMessage(10002) },
			func() recalltest.Fault { return recalltest.PerMessage(10002, recalltest.Seq(rng.IntN(n)+1)) },
			recalltest.BadGateway, recalltest.BadGatewayAfter, recalltest.Unreachable, recalltest.ResetBefore,
			recalltest.ResetAfter,
			func() recalltest.Fault { return recalltest.Status(500) },
			recalltest.AnswerLost, recalltest.Truncated, recalltest.CutJSON, recalltest.HTML, recalltest.NoList,
			recalltest.Reordered, recalltest.Twice,
			recalltest.NoErrorInfo, recalltest.ExtraFields,
			func() recalltest.Fault { return recalltest.TwoCodes(rng.IntN(2) * 10030) },
			func() recalltest.Fault { return recalltest.ActsLate(seconds(15)) },
			func() recalltest.Fault { return recalltest.Delay(seconds(12)) },
			func() recalltest.Fault { return recalltest.Missing(recalltest.Seq(rng.IntN(n) + 1)) },
		}
		for range n / 2 {
			command := recalltest.Recall
			if rng.IntN(3) == 0 {
				command = recalltest.History
			}
			injected := []recalltest.Fault{recalltest.Delay(0)}
			if rng.IntN(2) == 0 {
				injected = []recalltest.Fault{faults[rng.IntN(len(faults))]()}
			}
			if rng.IntN(100) == 0 {
				injected = []recalltest.Fault{recalltest.Answer(70009, "wrong key")} // pauses the app for a minute
			}
			h.chat.Inject(command, 1, injected...)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.within(4*time.Hour, c.ID, bot.Done)
		h.pass(2 * time.Minute) // what acts late has acted
		t.Logf("%v after %d calls", h.holds(c.ID, n), h.chat.Calls(recalltest.Recall))
	})
}

// TestChaosEnds runs a flood of a group with history, without, or whose history is said not to be
// kept at first, of which much is not to be sent. The service refuses all of it in the middle,
// people stop it, the bot starts again, or goes on from a copy, in any order. It ends, and every
// outcome is true.
func TestChaosEnds(t *testing.T) {
	chaos(t, func(t *testing.T, rng *rand.Rand) {
		maybe := func(oneIn int) bool { return rng.IntN(oneIn) == 0 }
		callbacks, kind := maybe(2), []string{"history", "live", "blind"}[rng.IntN(3)]
		turn := func(o *bot.Options) {
			o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000
			o.Callbacks, o.Log = callbacks, nil
		}
		h := newHouse(t, turn)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		if kind == "live" {
			h.chat.AddGroup(recalltest.Group{ID: testGroup, Type: "AVChatRoom", Name: "Casino talk", Members: 2})
		}
		const said = 1500
		h.say(said)
		from, to := 0, 0 // a long run that is not to be sent
		if maybe(3) {
			from, to = 200, 1000
		}
		for i := range said {
			switch seq := recalltest.Seq(i + 1); {
			case i >= from && i < to, maybe(8):
				h.chat.Delete(testGroup, "", seq)
			case kind == "history" && maybe(10): // else nobody could know who did it
				h.chat.RecallElsewhere(testGroup, "", "alice", seq)
			}
		}
		n := said + 700*rng.IntN(2)
		if kind == "blind" {
			h.chat.Inject(recalltest.History, -1, recalltest.Answer(10044, "no history"))
		}
		c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
		if maybe(2) {
			h.chat.ClearFaults()
		}
		// Not in the mix is a call that acts after the bot has given up waiting: what is refused
		// later could not be told from it.
		faults := []recalltest.Fault{
			recalltest.Answer(60008, "slow"), recalltest.AnswerAfter(10002, "internal"), recalltest.PerMessage(10002),
			recalltest.Answer(10004, "bad parameter"),
			recalltest.Answer(60007, "too frequent"), recalltest.BadGateway(), recalltest.BadGatewayAfter(),
			recalltest.ResetBefore(), recalltest.ResetAfter(),
			recalltest.AnswerLost(), recalltest.Truncated(), recalltest.NoList(),
			recalltest.Delay(time.Duration(rng.IntN(7000)) * time.Millisecond),
			recalltest.Answer(70009, "wrong key"),
		}
		for range 100 {
			fault := recalltest.Delay(0)
			if maybe(3) {
				fault = faults[rng.IntN(len(faults))]
			}
			h.chat.Inject([]string{recalltest.Recall, recalltest.Recall, recalltest.History}[rng.IntN(3)], 1, fault)
		}
		if maybe(2) {
			h.chat.Inject(recalltest.Recall, 1+rng.IntN(3), recalltest.Answer(10007, "no"))
		}
		h.press("UTHEO", intake.ActApprove, c)
		copied := ""
		var done []string
		for range rng.IntN(6) {
			time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
			switch what := rng.IntN(4); {
			case what == 0:
				h.stop()
				h.open(h.file, turn)
				done = append(done, "started again")
			case what == 1 && copied == "":
				copied = t.TempDir() + "/copy.db"
				if err := h.ledger.Backup(t.Context(), copied); err != nil {
					t.Fatal(err)
				}
				done = append(done, "copied")
			case what == 1:
				h.stop()
				h.open(copied, turn)
				copied, done = "", append(done, "went on from the copy")
			case what == 2 && maybe(2):
				h.press("UTHEO", intake.ActStop, c)
				done = append(done, "stopped")
			}
		}
		c = h.within(8*time.Hour, c.ID, bot.Done, bot.Stopped)
		h.pass(time.Minute)
		t.Logf("%s, callbacks %v, %q: %s with %v", kind, callbacks, done, c.State, h.holds(c.ID, n))
	})
}

// moody is a platform that fails at random.
type moody struct {
	*screen
	mu    sync.Mutex
	rng   *rand.Rand
	calms atomic.Bool
}

func (m *moody) mood() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calms.Load() {
		return 100
	}
	return m.rng.IntN(12)
}

var errMood = errors.New("the platform is in a mood")

// try makes a call, or fails before it, or loses its answer.
func (m *moody) try(ctx context.Context, call func() error) error {
	switch m.mood() {
	case 0:
		return &bot.Later{After: 3 * time.Second, Err: errMood}
	case 1:
		return &bot.Later{Err: errMood}
	case 2:
		return errMood
	case 3: // done, and the answer is lost
		return errors.Join(call(), errMood)
	case 4: // hangs
		<-ctx.Done()
		return ctx.Err()
	}
	return call()
}

func (m *moody) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (ref bot.Ref, err error) {
	err = m.try(ctx, func() error {
		ref, err = m.screen.Post(ctx, at, c, key)
		return err
	})
	if err != nil {
		ref = bot.Ref{}
	}
	return ref, err
}

func (m *moody) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if c.State.Open() && m.mood() == 5 {
		return fmt.Errorf("somebody deleted the card: %w", bot.ErrGone)
	}
	return m.try(ctx, func() error { return m.screen.Edit(ctx, ref, c) })
}

func (m *moody) Reply(ctx context.Context, at bot.Ref, n bot.Note) (ref bot.Ref, err error) {
	err = m.try(ctx, func() error {
		ref, err = m.screen.Reply(ctx, at, n)
		return err
	})
	if err != nil {
		ref = bot.Ref{}
	}
	return ref, err
}

// TestChaosPlatform lets the platform fail in every way while requests are asked, decided and run:
// the last card and the receipt arrive, and whatever is told twice is told the same.
func TestChaosPlatform(t *testing.T) {
	chaos(t, func(t *testing.T, rng *rand.Rand) {
		h := newHouseWith(t,
			func(h *house) { h.surface = &moody{screen: h.screen, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))} }, nil)
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 100 * time.Millisecond })
		h.say(200)
		var cards []bot.Card
		for i := range 2 {
			cards = append(cards, h.proposed(fmt.Sprintf("%s %d-%d", testGroup, i*100+1, i*100+100)))
		}
		for _, c := range cards {
			h.press("UTHEO", intake.ActApprove, c)
			h.pass(time.Duration(rng.IntN(1000)) * time.Millisecond)
		}
		h.pass(10 * time.Minute)
		for _, c := range cards {
			if got := h.screen.card(c.ID).State; got != bot.Done {
				t.Errorf("the card of %s shows %s", c.ID, got)
			}
			var receipts []string
			h.screen.mu.Lock()
			for _, n := range h.screen.notes[string(c.ID)] {
				if strings.HasSuffix(n.Key, "/receipt") {
					receipts = append(receipts, fmt.Sprint(n.Lines))
				}
			}
			h.screen.mu.Unlock()
			if len(receipts) == 0 || len(slices.Compact(receipts)) != 1 ||
				!strings.Contains(receipts[0], "100 recalled") {
				t.Errorf("the receipts of %s: %v", c.ID, receipts)
			}
		}
	})
}

// nonced is a platform that gives a message back, as it was, when one with the same key is posted
// again, as Discord does. The first answer is lost after a while.
type nonced struct {
	*screen
	mu    sync.Mutex
	known map[string]bot.Ref
}

func (n *nonced) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ref, ok := n.known[key]; ok {
		return ref, nil
	}
	ref, err := n.screen.Post(ctx, at, c, key)
	if n.known[key] = ref; err != nil {
		return ref, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
	}
	return bot.Ref{}, errMood
}

// TestCardPostedBefore loses the answer to the first post of a card, and the request goes on
// meanwhile: what the platform gives back at the next attempt is out of date, and must not stay so.
// The second time the process ends before it can tell.
func TestCardPostedBefore(t *testing.T) {
	for _, ends := range []bool{false, true} {
		t.Run(fmt.Sprint("the process ends: ", ends), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.pass(time.Second)
				h.stop()
				h.surface = &nonced{screen: h.screen, known: map[string]bot.Ref{}}
				file := t.TempDir() + "/bot.db"
				h.open(file, nil)
				h.say(2)
				c := h.proposed(testGroup + " 1 2")
				h.press("UTHEO", intake.ActReject, c)
				if got := h.screen.card(c.ID).State; got != bot.Proposed {
					t.Fatalf("the card shows %s: this shows nothing", got)
				}
				if ends {
					h.stop()
					h.open(file, nil)
				}
				h.pass(time.Minute)
				if got := h.screen.card(c.ID); got.State != bot.Rejected || h.screen.posts != 1 {
					t.Errorf("the card shows %s; it was posted %d times", got.State, h.screen.posts)
				}
			})
		})
	}
}

// away is a ledger that can be out of reach.
type away struct {
	bot.Ledger
	gone atomic.Bool
}

var errAway = errors.New("the database is away")

func (a *away) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	if a.gone.Load() {
		return errAway
	}
	return a.Ledger.Tx(ctx, fn)
}

func (a *away) View(ctx context.Context, fn func(tx bot.Tx) error) error {
	if a.gone.Load() {
		return errAway
	}
	return a.Ledger.View(ctx, fn)
}

func (a *away) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	if a.gone.Load() {
		return bot.Lease{}, errAway
	}
	return a.Ledger.Acquire(ctx, name, holder, ttl)
}

func (a *away) Renew(ctx context.Context, l bot.Lease, ttl time.Duration) error {
	if a.gone.Load() {
		return errAway
	}
	return a.Ledger.Renew(ctx, l, ttl)
}

func (a *away) Release(ctx context.Context, l bot.Lease) error {
	if a.gone.Load() {
		return errAway
	}
	return a.Ledger.Release(ctx, l)
}

// lineCount counts the lines of a log.
type lineCount struct{ atomic.Int64 }

func (c *lineCount) Write(line []byte) (int, error) {
	c.Add(1)
	return len(line), nil
}

// TestLedgerAway takes the database away for 30 s while a request runs: what people do meanwhile is
// refused and not half done, the calls stop, and all of it goes on by itself.
func TestLedgerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var db *away
		var lines lineCount
		h := newHouseWith(t, nil, func(o *bot.Options) {
			db = &away{Ledger: o.Ledger}
			o.Ledger = db
			o.Log = slog.New(slog.NewTextHandler(&lines, nil))
		})
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		const n = 3000
		h.say(n + 2)
		c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
		other := h.proposed(fmt.Sprintf("%s %d-%d", testGroup, n+1, n+2))
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(time.Second)
		db.gone.Store(true)
		gone := h.chat.Calls(recalltest.Recall)
		by := bot.Account{Platform: onSlack, Workspace: "T1", User: "UTHEO"}
		press := intake.Event{
			ID: "press while away", Place: bot.Place{Platform: onSlack, Workspace: "T1", Channel: "C1"}, By: by,
			Act: intake.Act{Kind: intake.ActApprove, Request: other.ID, Digest: other.Digest},
		}
		if a, err := h.bot.Do(t.Context(), press, bot.Member{Account: by, Name: "utheo"}); err == nil {
			t.Errorf("a press was acknowledged while nothing can be stored: %+v", a)
		}
		h.pass(10 * time.Second)
		stopped := h.chat.Calls(recalltest.Recall)
		if more := stopped - gone; more > 128 {
			t.Errorf("%d calls were begun while nothing could be stored", more)
		}
		h.pass(20 * time.Second)
		if more := h.chat.Calls(recalltest.Recall) - stopped; more > 0 {
			t.Errorf("%d calls were begun long after the ledger had gone", more)
		}
		if told := lines.Load(); told == 0 || told > 60 { // the disk that is full may be the log's too
			t.Errorf("%d lines were logged in half a minute without a ledger, want some, and not one for every try",
				told)
		}
		db.gone.Store(false)
		if a, err := h.bot.Do(t.Context(), press, bot.Member{Account: by, Name: "utheo"}); err != nil ||
			a.Kind != intake.Changed {
			t.Errorf("the same press, afterwards: %+v, %v", a, err)
		}
		h.within(time.Minute, other.ID, bot.Done)
		h.within(2*time.Minute, c.ID, bot.Done)
		h.pass(time.Minute)
		if counts := h.holds(c.ID, n); counts["recalled"] != n {
			t.Errorf("outcomes: %v", counts)
		}
	})
}

// TestClockStepped sets the ledger's clock an hour forward and back. No approval counts after the
// deadline by that clock; a request that runs keeps its pace and its quota, and what waits for its
// time does not wait an hour.
func TestClockStepped(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shift atomic.Int64
				h := newHouseWith(t, func(h *house) {
					h.clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
				}, nil)
				h.chat.Change(
					func(
						o *recalltest.Options) {
						o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond
					})
				const n = 3000
				h.say(n + 2)
				running := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
				waiting := h.proposed(fmt.Sprintf("%s %d", testGroup, n+1))
				h.press("UTHEO", intake.ActApprove, running)
				h.pass(500 * time.Millisecond)
				h.chat.Inject(recalltest.Recall, 3, recalltest.BadGateway()) // in doubt, then tried again after a pause
				h.chat.Inject(recalltest.Recall, 3, recalltest.PerMessage(10002))
				h.pass(500 * time.Millisecond)
				began := time.Now()
				shift.Store(int64(step))
				a := h.press("UTHEO", intake.ActApprove, waiting)
				if step > 0 && a.Refused != "too_late" && a.Refused != "decided_already" {
					t.Errorf("an approval half an hour after the deadline: %+v", a)
				}
				if step < 0 && a.Kind != intake.Changed {
					t.Errorf("an approval before the deadline: %+v", a)
				}
				h.within(2*time.Minute, running.ID, bot.Done)
				if took := time.Since(began); took > 30*time.Second {
					t.Errorf("it took %v more; 3,000 messages take 1.5 s", took)
				}
				h.pass(time.Minute)
				if counts := h.holds(running.ID, n); counts["recalled"] != n {
					t.Errorf("outcomes: %v", counts)
				}
				if got, want := h.chat.Recalled(testGroup, "", n+1), step < 0; got != want {
					t.Errorf("the other message: recalled %v, want %v", got, want)
				}
			})
		})
	}
}

// TestClockSetBack sets the ledger's clock back an hour while something waits for its time: a batch
// for its next try, a paused app for its probe. It does not wait an hour.
func TestClockSetBack(t *testing.T) {
	for name, test := range map[string]struct {
		fault recalltest.Fault
		tries int           // that meet the fault
		most  time.Duration // that is to be waited then
	}{
		"a batch":      {recalltest.Unreachable(), 4, 15 * time.Second},
		"a paused app": {recalltest.Answer(70009, "bad signature"), 1, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shift atomic.Int64
				h := stepped(t, &shift, nil)
				h.say(2)
				c, next := h.proposed(testGroup+" 1"), h.proposed(testGroup+" 2")
				h.chat.Inject(recalltest.Recall, test.tries, test.fault)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(10 * time.Second)
				if n := h.chat.Calls(recalltest.Recall); n == 0 && name == "a paused app" ||
					h.chat.Recalled(testGroup, "", 1) {
					t.Fatalf("it does not wait after %d calls: this shows nothing", n)
				}
				shift.Store(-int64(time.Hour))
				h.press("UTHEO", intake.ActApprove, next)
				h.within(test.most, c.ID, bot.Done)
				h.within(5*time.Second, next.ID, bot.Done)
			})
		})
	}
}

// putOff is a platform that is busy, and says for how long.
type putOff struct {
	*screen
	busy  atomic.Bool
	tries atomic.Int32
}

func (p *putOff) takes() error {
	if p.busy.Load() {
		p.tries.Add(1)
		return &bot.Later{After: 10 * time.Minute}
	}
	return nil
}

func (p *putOff) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	if err := p.takes(); err != nil {
		return bot.Ref{}, err
	}
	return p.screen.Post(ctx, at, c, key)
}

func (p *putOff) Reply(ctx context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	if err := p.takes(); err != nil {
		return bot.Ref{}, err
	}
	return p.screen.Reply(ctx, at, n)
}

// TestClockSetBackTelling: nor does a card, or a post in its thread, that the platform has put off.
func TestClockSetBackTelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shift atomic.Int64
		var p *putOff
		h := newHouseWith(t, func(h *house) {
			p = &putOff{screen: h.screen}
			h.surface, h.clock = p, func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		}, nil)
		h.say(1)
		put := func(what string, is func() bool) {
			t.Helper()
			if n := p.tries.Swap(0); n == 0 || is() {
				t.Fatalf("%s was tried %d times while the platform is busy: this shows nothing", what, n)
			}
			p.busy.Store(false)
			h.pass(10 * time.Second)
			if is() {
				t.Fatalf("%s was told before its time", what)
			}
			shift.Add(-int64(time.Hour))
			h.pass(10 * time.Second)
			if !is() {
				t.Errorf("%s is not told 10s after the clock was set back", what)
			}
		}
		p.busy.Store(true)
		c := h.proposed(testGroup + " 1")
		put("the card", func() bool { return h.screen.card(c.ID).State == bot.Proposed })
		p.busy.Store(true)
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		h.pass(5 * time.Second)
		put("what became of it", func() bool { return strings.Contains(h.screen.thread(c.ID), "1: recalled") })
	})
}
