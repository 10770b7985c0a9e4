package worker_test

import (
	"database/sql"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"
)

// The benchmarks in this file measure at the size of a flood. Each is run once:
//
//	go test ./bot/worker -run - -bench Scale -benchtime 1x -timeout 30m

// onEach runs a benchmark on both databases. open returns the URL of an empty one.
func onEach(b *testing.B, fn func(b *testing.B, open func(b *testing.B) string)) {
	b.Run("SQLite", func(b *testing.B) {
		fn(b, func(b *testing.B) string { return "sqlite:" + b.TempDir() + "/bot.db" })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		fn(b, func(b *testing.B) string { return ledgertest.Postgres(b) })
	})
}

// heap watches the memory in use until stop is called, which returns in MB the most that a
// collection left.
func heap() (stop func() float64) {
	var peak atomic.Uint64
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(live)
			peak.Store(max(peak.Load(), live[0].Value.Uint64()))
			select {
			case <-done:
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
	return func() float64 {
		close(done)
		watcher.Wait()
		return float64(peak.Load()) / 1e6
	}
}

// inUse is the memory in use after a collection, in MB.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// BenchmarkScale recalls 100, 1,000, 10,000 and 100,000 messages. x-limit is the time from the
// first call to the last over the time that the quota allows for that many calls; peak-MB is twice
// the most memory that a collection left, less what the service in memory needs for its messages:
// so much a process has before it collects; seal-s is how long it took to read and seal them, at
// 200 reads of 20 messages a second. Costs are processor time of the whole process, the service in
// memory included: ms/request of a request of one message, and us/message of every message more.
func BenchmarkScale(b *testing.B) {
	onEach(b, func(b *testing.B, open func(b *testing.B) string) {
		for _, n := range []int{100, 1000, 10_000, 100_000} {
			b.Run(fmt.Sprint(n), func(b *testing.B) {
				if testing.Short() && n > 10_000 {
					b.Skip("100,000 messages take a minute and a half")
				}
				for b.Loop() {
					scale(b, open(b), n)
				}
			})
		}
	})
}

func scale(b *testing.B, database string, n int) {
	w := newWorkshopOn(b, database)
	const singles = 20
	rounds := max(1, min(singles, 10_000/n)) // each looks at the requests before it, so there are about as many
	all := singles + 1 + rounds*n
	for i := range all {
		w.chat.Say(testGroup, "", "alice", fmt.Sprint("win big ", i))
	}
	w.recalls(b, "1") // the first one of a process costs more
	single := processorTime()
	for i := range singles {
		w.recalls(b, fmt.Sprint(i+2))
	}
	single = (processorTime() - single) / singles

	before := inUse()
	peak := heap()
	from := len(w.chat.Log())
	cost := processorTime()
	var sealed time.Duration
	for i := range rounds {
		first := singles + 2 + i*n
		sealed = w.recalls(b, fmt.Sprintf("%d-%d", first, first+n-1))
	}
	cost = processorTime() - cost
	at := w.callsOf(from)
	if got := len(w.chat.RecalledSeqs(testGroup, "")); got != all {
		b.Fatalf("%d messages were recalled, want %d", got, all)
	}
	took := at[len(at)-1].Sub(at[0])
	if calls := len(at) - 1; n > 2000 {
		b.ReportMetric(took.Seconds()/(float64(calls)/200), "x-limit")
	}
	b.ReportMetric(float64(w.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
	b.ReportMetric(2*max(0, peak()-before), "peak-MB")
	b.ReportMetric(float64(single.Microseconds())/1000, "ms/request")
	b.ReportMetric(float64((cost-time.Duration(rounds)*single).Microseconds())/float64(rounds*(n-1)), "us/message")
	b.ReportMetric(sealed.Seconds(), "seal-s")
}

// recalls asks, approves, and waits for the end; it returns how long reading and sealing took.
func (w *workshop) recalls(b *testing.B, seqs string) (sealed time.Duration) {
	asked := time.Now()
	a := w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recall", Text: testGroup + " " + seqs})
	c := w.reaches(bot.RequestID(a.Lines[0][0].Text), bot.Proposed)
	sealed = time.Since(asked)
	w.do(b, "UTHEO", intake.Act{Kind: intake.ActApprove, Request: c.ID, Digest: c.Digest})
	w.reaches(c.ID, bot.Done)
	return sealed
}

// reaches waits until a card shows a state. It looks at the screen alone, which costs next to
// nothing: what waiting costs would be told as the bot's.
func (w *workshop) reaches(id bot.RequestID, s bot.State) (c bot.Card) {
	for ; c.State != s; c = w.screen.card(id) {
		time.Sleep(10 * time.Millisecond)
	}
	return c
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // unreachable: there is such a call
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMillion has a million settled requests in the ledger, each with its card and a message,
// and measures what people wait for: list, show, and a decision that grants. The p99 of each is to
// stay under 20 ms, where the disk lets it: events are stored before they are answered.
// commit-p99-ms is the smallest commit on the same disk, to compare with.
func BenchmarkMillion(b *testing.B) {
	onEach(b, func(b *testing.B, open func(b *testing.B) string) {
		if testing.Short() {
			b.Skip("to store a million requests takes minutes")
		}
		database := open(b)
		w := newWorkshopOn(b, database)
		w.chat.Say(testGroup, "", "alice", "win big")
		c := w.asks(b, "1")
		w.approve(b, c)
		w.until(b, c.ID, bot.Done)
		million(b, database, string(c.ID))

		const rounds = 200
		waits := map[string][]time.Duration{}
		timed := func(what string, fn func()) {
			began := time.Now()
			fn()
			waits[what] = append(waits[what], time.Since(began))
		}
		text := func(user, command, text string) {
			w.do(b, user, intake.Act{Kind: intake.ActCommand, Command: command, Text: text})
		}
		for b.Loop() {
			for i := range rounds {
				timed("commit", func() {
					if err := w.ledger.Tx(b.Context(),
						func(tx bot.Tx) error { return tx.PutSetting("k", "v") }); err != nil {
						b.Fatal(err)
					}
				})
				timed("list", func() { text("UMINA", "recalls", "list mine") })
				timed("list-group", func() { text("UTHEO", "recalls", "list "+testGroup) })
				timed("show", func() { text("UTHEO", "recalls", "show R-"+fmt.Sprintf("%06d", 1+i*4999)) })
			}
			for range rounds / 4 {
				seq := w.chat.Say(testGroup, "", "alice", "win big")
				c := w.asks(b, fmt.Sprint(seq))
				timed("decide", func() { w.approve(b, c) })
				w.until(b, c.ID, bot.Done)
			}
		}
		for what, d := range waits {
			b.ReportMetric(float64(percentile(d, 0.99).Microseconds())/1000, what+"-p99-ms")
		}
	})
}

// million copies a settled request 999,999 times.
func million(b *testing.B, database, id string) {
	driver, source := "pgx", database
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?_pragma=busy_timeout(60000)&_pragma=synchronous(OFF)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const count = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 999999) INSERT INTO `
	const name = `'R-' || substr(CAST(1000000 + i AS text), 2)`
	for _, q := range []string{
		`request (id, low, high, seqs, accounts, app, chat_group, topic, requester, asked, state, digest, last_outcome, body)
			SELECT ` + name + `, low, high, seqs, accounts, app, CASE i % 20 WHEN 0 THEN chat_group ELSE 'group ' || (i % 500) END, topic, requester, asked - CAST(1000 AS bigint) * (1000000 - i), state, digest, last_outcome, body
			FROM c, request WHERE id = '` + id + `'`,
		`message (request, seq, seal, class, confirmed, outcome) SELECT ` + name +
			`, seq, seal, class, confirmed, outcome FROM c, message WHERE request = '` + id + `'`,
		`view (request, platform, workspace, channel, thread, ref, wanted, shown, after, tries, dead)
			SELECT ` + name + `, platform, workspace, channel, thread, ref, wanted, wanted, 0, 0, 0 FROM c, view WHERE request = '` + id + `'`,
	} {
		if _, err := db.Exec(count + q); err != nil {
			b.Fatal(err)
		}
	}
	if driver == "pgx" { // as autovacuum does
		if _, err := db.Exec("ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReplicas runs a request of 20,000 messages on three replicas and kills the one that
// holds the lease, twice. quota-share is the calls made over those that the quota allows outside
// the gaps; gap-over-ttl-s is the longest gap, less the lease's time: at most 2 s.
func BenchmarkReplicas(b *testing.B) {
	for b.Loop() {
		f := newFleet(b, 3, 200)
		const messages = 20_000
		f.say(messages)
		c := f.replicas[0].asks(fmt.Sprintf("1-%d", messages))
		f.replicas[0].approve(c)
		var gaps, longest time.Duration
		for range 2 {
			enough := f.chat.Calls(recalltest.Recall) + 600
			f.until("calls", func() bool { return f.chat.Calls(recalltest.Recall) > enough })
			dead := f.holder()
			killed := time.Now()
			dead.kill()
			f.until("calls of the other", func() bool { return f.holder() != dead })
			taken := f.chat.Calls(recalltest.Recall)
			f.until("calls of the other", func() bool { return f.chat.Calls(recalltest.Recall) > taken })
			gap := f.arrivals()[taken].Sub(killed)
			gaps, longest = gaps+gap, max(longest, gap)
		}
		f.until("all called", func() bool { return len(f.chat.RecalledSeqs(testGroup, "")) == messages })
		at := f.arrivals()
		f.holder().until(c.ID, bot.Done)
		f.sums(c.ID, messages)
		took := at[len(at)-1].Sub(at[0]) - gaps
		b.ReportMetric(float64(len(at))/took.Seconds()/200, "quota-share")
		b.ReportMetric((longest - replicaTTL).Seconds(), "gap-over-ttl-s")
		b.ReportMetric(float64(f.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
	}
}

// BenchmarkReplicaStopped runs a request of 6,000 messages on three replicas and lets the one that
// holds the lease stop in order, twice. gap-s is the longest time from the stop to the first call
// of another: at most 1.2 s, of which 1.05 s is the quota's window.
func BenchmarkReplicaStopped(b *testing.B) {
	for b.Loop() {
		f := newFleet(b, 3, 200)
		const messages = 6000
		f.say(messages)
		c := f.replicas[0].asks(fmt.Sprintf("1-%d", messages))
		f.replicas[0].approve(c)
		var longest time.Duration
		for range 2 {
			enough := f.chat.Calls(recalltest.Recall) + 100
			f.until("calls", func() bool { return f.chat.Calls(recalltest.Recall) > enough })
			first := f.holder()
			first.stop()
			stopped := time.Now()
			before := f.chat.Calls(recalltest.Recall)
			f.until("calls of the other", func() bool { return f.chat.Calls(recalltest.Recall) > before })
			longest = max(longest, f.arrivals()[before].Sub(stopped))
		}
		f.holder().until(c.ID, bot.Done)
		f.sums(c.ID, messages)
		b.ReportMetric(longest.Seconds(), "gap-s")
		b.ReportMetric(float64(f.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
	}
}
