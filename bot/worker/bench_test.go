package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// The benchmarks run in real time against the Chat service in memory with a latency of 50 to 150 ms
// and an enforced quota of 200 calls in any second. Their metrics are ratios to a limit, so that a
// noisy machine does not decide.

// workshop is a bot in real time, its SQLite file on disk.
type workshop struct {
	chat   *recalltest.Service
	bot    *bottest.Engine
	ledger *ledger.Ledger
	screen *screen
	n      int
}

func newWorkshop(b *testing.B, turn ...func(*bot.Options)) *workshop {
	return newWorkshopOn(b, "sqlite:"+b.TempDir()+"/bot.db", turn...)
}

func newWorkshopOn(b *testing.B, database string, turn ...func(*bot.Options)) *workshop {
	return newWorkshopReading(b, database, 200, turn...)
}

// newWorkshopReading returns one that reads so many pages a second.
func newWorkshopReading(b *testing.B, database string, reads int, turn ...func(*bot.Options)) *workshop {
	w := &workshop{chat: recalltest.New(recalltest.Options{Latency: 50 * time.Millisecond,
		LatencyJitter: 100 * time.Millisecond})}
	w.chat.AddGroup(recalltest.Group{ID: testGroup, Type: "Public", Name: "Casino talk", Members: 2})
	client, err := recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(w.chat.SDKAppID()), SecretKey: w.chat.SecretKey(), BaseURL: recalltest.URL,
		HTTPClient: w.chat.Client(), ReadsPerSecond: reads,
	})
	if err != nil {
		b.Fatal(err)
	}
	if w.ledger, err = ledger.Open(b.Context(), database, ledger.Options{}); err != nil {
		b.Fatal(err)
	}
	policy := bot.DefaultPolicy()
	policy.MaxMessages, policy.LargeFrom = 1_000_000, 1_000_000
	policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: {
		Requesters: []bot.Principal{{User: "UMINA"}}, Approvers: []bot.Principal{{User: "UTHEO"}}, AnyChannel: true,
	}}
	o := bot.Options{App: recall.SDKAppID(w.chat.SDKAppID()), Ledger: w.ledger, Chat: client, Policy: policy,
		Log: slog.New(slog.DiscardHandler)}
	for _, t := range turn {
		t(&o)
	}
	w.bot, err = bottest.NewEngine(o)
	if err != nil {
		b.Fatal(err)
	}
	w.screen = &screen{platform: onSlack, cards: map[bot.RequestID]bot.Card{}, notes: map[string][]bot.Note{}}
	w.bot.Attach(w.screen)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.bot.Run(ctx); err != nil {
			b.Error(err)
		}
	}()
	b.Cleanup(func() {
		cancel()
		<-done
		if err := w.ledger.Close(); err != nil {
			b.Error(err)
		}
		w.chat.Close()
	})
	return w
}

func (w *workshop) do(b *testing.B, user string, act intake.Act) intake.Answer {
	w.n++
	by := bot.Account{Platform: onSlack, Workspace: "T1", User: user}
	a, err := w.bot.Do(b.Context(), intake.Event{
		ID: bot.EventID(fmt.Sprint("e", w.n)), Place: bot.Place{Platform: onSlack, Workspace: "T1", Channel: "C1"},
		By: by, Act: act,
	}, bot.Member{Account: by, Name: user})
	if err != nil {
		b.Fatal(err)
	}
	if a.Refused != "" {
		b.Fatalf("%s: %s", act.Kind, a.Refused)
	}
	return a
}

// asks asks for a recall and waits until it is sealed.
func (w *workshop) asks(b *testing.B, seqs string) bot.Card {
	a := w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recall", Text: testGroup + " " + seqs})
	return w.until(b, bot.RequestID(a.Lines[0][0].Text), bot.Proposed)
}

func (w *workshop) approve(b *testing.B, c bot.Card) {
	w.do(b, "UTHEO", intake.Act{Kind: intake.ActApprove, Request: c.ID, Digest: c.Digest})
}

func (w *workshop) until(b *testing.B, id bot.RequestID, s bot.State) bot.Card {
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c, err := w.bot.ShowingNow(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		if c.State == s {
			return c
		}
	}
	b.Fatalf("%s did not become %s", id, s)
	return bot.Card{}
}

// callsOf returns when each recall call arrived at the service.
func (w *workshop) callsOf(from int) []time.Time {
	var at []time.Time
	for _, c := range w.chat.Log()[from:] {
		if c.Command == recalltest.Recall {
			at = append(at, c.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

func percentile(d []time.Duration, p float64) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, int(float64(len(d))*p))]
}

// BenchmarkRecall10000 recalls 10,000 messages. quota-share is the calls made, over the calls that
// the quota allows in the time from the first to the last; most is the most calls in any one
// second, which the service counts. ack-p99-ms is the time to store and answer an event meanwhile.
func BenchmarkRecall10000(b *testing.B) {
	const messages = 10_000
	for b.Loop() {
		w := newWorkshop(b)
		for i := range messages {
			w.chat.Say(testGroup, "", "alice", fmt.Sprint("win big ", i))
		}
		c := w.asks(b, fmt.Sprintf("1-%d", messages))
		from := len(w.chat.Log())
		w.approve(b, c)
		var acks []time.Duration
		for len(acks) < 400 {
			started := time.Now()
			w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "list open"})
			acks = append(acks, time.Since(started))
			time.Sleep(10*time.Millisecond - min(10*time.Millisecond, time.Since(started)))
		}
		w.until(b, c.ID, bot.Done)
		at := w.callsOf(from)
		if n := len(w.chat.RecalledSeqs(testGroup, "")); n != messages {
			b.Fatalf("%d messages were recalled, want %d", n, messages)
		}
		took := at[len(at)-1].Sub(at[0])
		b.ReportMetric(float64(len(at)-1)/took.Seconds()/200, "quota-share")
		b.ReportMetric(float64(w.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
		b.ReportMetric(float64(percentile(acks, 0.99).Microseconds())/1000, "ack-p99-ms")
	}
}

// timedChat keeps how long the last reading of history took.
type timedChat struct {
	bot.Chat
	last atomic.Int64
}

func (c *timedChat) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	began := time.Now()
	page, err := c.Chat.GroupMsgGetSimple(ctx, r)
	c.last.Store(int64(time.Since(began)))
	return page, err
}

// BenchmarkApprovalToFirstCall is the time from a committed approval of a small request to the
// arrival of the first call at the service, beyond the one reading of its messages that comes
// before it. The limits are 10 ms at p50 and 50 ms at p99.
func BenchmarkApprovalToFirstCall(b *testing.B) {
	timed := &timedChat{}
	w := newWorkshop(b, func(o *bot.Options) { timed.Chat, o.Chat = o.Chat, timed })
	var waits []time.Duration
	seq := 0
	for b.Loop() {
		for range 2 {
			seq++
			w.chat.Say(testGroup, "", "alice", "win big")
		}
		c := w.asks(b, fmt.Sprintf("%d-%d", seq-1, seq))
		from := len(w.chat.Log())
		w.approve(b, c)
		committed := time.Now()
		for len(w.callsOf(from)) == 0 {
			time.Sleep(time.Millisecond)
		}
		reading := time.Duration(timed.last.Load())
		waits = append(waits, w.callsOf(from)[0].Sub(committed)-reading)
		w.until(b, c.ID, bot.Done)
	}
	b.ReportMetric(float64(percentile(waits, 0.5).Microseconds())/1000, "beyond-reading-p50-ms")
	b.ReportMetric(float64(percentile(waits, 0.99).Microseconds())/1000, "beyond-reading-p99-ms")
	b.ReportMetric(10, "limit-p50-ms")
	b.ReportMetric(50, "limit-p99-ms")
}
