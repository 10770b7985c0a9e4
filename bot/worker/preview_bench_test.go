package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// BenchmarkCard is the time from a command for 100 messages to a card that can be decided, at a
// latency of 50 to 150 ms. The limit is 2 s for all but one in a hundred:
//
//	go test ./bot/worker -run - -bench 'BenchmarkCard$' -benchtime 20x
func BenchmarkCard(b *testing.B) {
	const limit = 2 * time.Second
	w := newWorkshop(b)
	var waits []time.Duration
	seq := 0
	for b.Loop() {
		for i := range 100 {
			seq++
			w.chat.Say(testGroup, "", fmt.Sprint("sender", i%7), "win big")
		}
		asked := time.Now()
		c := w.asks(b, fmt.Sprintf("%d-%d", seq-99, seq))
		waits = append(waits, time.Since(asked))
		w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "withdraw " + string(c.ID)})
	}
	b.ReportMetric(float64(percentile(waits, 0.5).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(percentile(waits, 0.99).Microseconds())/1000, "p99-ms(limit:2000)")
	if p99 := percentile(waits, 0.99); p99 > limit {
		b.Errorf("it took %v", p99)
	}
}

// BenchmarkFind is the time of a search that reads 2,000 messages (100 pages of 20), at a latency
// of 50 to 150 ms and with a read pace of 200 a second.
func BenchmarkFind(b *testing.B) {
	w := newWorkshop(b)
	for i := range 2500 {
		w.chat.Say(testGroup, "", fmt.Sprint("sender", i%7), "win big")
	}
	var waits []time.Duration
	for b.Loop() {
		asked := time.Now()
		a := w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls",
			Text: "find " + testGroup + " from:sender3"})
		waits = append(waits, time.Since(asked))
		if a.Kind != intake.ShowPage {
			b.Fatalf("%+v", a)
		}
	}
	b.ReportMetric(float64(percentile(waits, 0.5).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(percentile(waits, 0.99).Microseconds())/1000, "p99-ms")
}

// BenchmarkReach is the time from a filter for two messages of three hours ago to the card that can
// be decided, below 200,000 newer messages, at a latency of 50 to 150 ms and the default share of
// the quota. Some 400 others lie within the filter's bounds: each 2,000 there take a second more.
func BenchmarkReach(b *testing.B) {
	w := newWorkshopReading(b, "sqlite:"+b.TempDir()+"/bot.db", 100)
	now := time.Now()
	made := recalltest.Made(func(recalltest.Seq) string { return "hello everybody" })
	say := func(n int, from string, first time.Time, step time.Duration) {
		for i := range n {
			w.chat.Say(testGroup, "", from, "", made, recalltest.At(first.Add(time.Duration(i)*step)))
		}
	}
	say(20_000, "bob", now.Add(-24*time.Hour), 3*time.Second)
	say(2, "mallory", now.Add(-3*time.Hour), time.Second)
	say(200_000, "bob", now.Add(-168*time.Minute), 50*time.Millisecond)
	var waits []time.Duration
	for b.Loop() {
		asked := time.Now()
		c := w.asks(b, "from:mallory since:190m until:170m")
		waits = append(waits, time.Since(asked))
		w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "withdraw " + string(c.ID)})
		time.Sleep(time.Second) // replies are looked for meanwhile
	}
	b.ReportMetric(float64(percentile(waits, 0.5).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(percentile(waits, 0.99).Microseconds())/1000, "p99-ms")
	b.ReportMetric(4000, "limit-p99-ms")
}

// BenchmarkFind20000 is the time of a search that looks at 20,000 messages over the ten seconds
// that the default share of the quota allows for their 1,000 pages, at a latency of 50 to 150 ms:
// pages that it reads in vain count against it. grown-MB is the most
// memory that a collection left meanwhile, less what was in use before.
func BenchmarkFind20000(b *testing.B) {
	const share, needed = 100, 20_000 / recall.MaxHistoryPage
	w := newWorkshopReading(b, "sqlite:"+b.TempDir()+"/bot.db", share)
	made := recalltest.Made(func(recalltest.Seq) string { return "hello everybody" })
	for i := range 20_000 {
		w.chat.Say(testGroup, "", fmt.Sprint("sender", i%7), "", made)
	}
	for b.Loop() {
		before, from := inUse(), w.chat.Calls(recalltest.History)
		peak, asked := heap(), time.Now()
		a := w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recalls",
			Text: "find " + testGroup + " from:sender3"})
		took, pages := time.Since(asked), w.chat.Calls(recalltest.History)-from
		if a.Found == nil || a.Found.Seqs.Count() != 2857 || pages < needed {
			b.Fatalf("%d pages, %+v", pages, a.Found)
		}
		b.ReportMetric(took.Seconds()/(needed/share), "x-share")
		b.ReportMetric(1.1, "limit-x-share")
		b.ReportMetric(max(0, peak()-before), "grown-MB")
		b.ReportMetric(32, "limit-grown-MB")
	}
}

// BenchmarkRecallWithCallbacks recalls 5,000 messages while a callback of each comes in, and the
// callbacks of a live group in which 1,000 messages a second are said and indexed. quota-share is
// as for BenchmarkRecall10000; proof-ms is the time from the last call to the end, every outcome
// confirmed; callbacks/s is how many were stored meanwhile, and dropped how many there was no room
// for.
func BenchmarkRecallWithCallbacks(b *testing.B) {
	const messages = 5_000
	for b.Loop() {
		w := newWorkshop(b, func(o *bot.Options) { o.Callbacks, o.Index = true, bot.IndexExcerpt })
		for range messages {
			w.chat.Say(testGroup, "", "alice", "win big")
		}
		hook, err := webhook.New(webhook.Options{App: recall.SDKAppID(w.chat.SDKAppID()), Token: hookToken,
			Bot: w.bot.History})
		if err != nil {
			b.Fatal(err)
		}
		w.chat.Change(func(o *recalltest.Options) {
			o.Callbacks = recalltest.Callbacks{Handler: hook, Token: hookToken, OneForEachMessage: true}
		})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error)
		go func() { done <- hook.Run(ctx) }()
		c := w.asks(b, fmt.Sprintf("1-%d", messages))
		from := len(w.chat.Log())
		w.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		talking := make(chan struct{})
		go func() {
			defer close(talking)
			for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				for range 10 {
					w.chat.Say(liveGroup, "", "bob", "hello everybody")
				}
			}
		}()
		began, before := time.Now(), hook.Counts().Handed
		w.approve(b, c)
		w.until(b, c.ID, bot.Done)
		ended := time.Now()
		b.ReportMetric(float64(hook.Counts().Handed-before)/ended.Sub(began).Seconds(), "callbacks/s")
		cancel()
		<-talking
		<-done
		at := w.callsOf(from)
		b.ReportMetric(float64(len(at)-1)/at[len(at)-1].Sub(at[0]).Seconds()/200, "quota-share")
		b.ReportMetric(float64(w.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
		b.ReportMetric(float64(ended.Sub(at[len(at)-1]).Milliseconds()), "proof-ms")
		b.ReportMetric(float64(hook.Counts().Dropped), "dropped")
	}
}
