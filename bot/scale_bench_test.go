package bot_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"
)

// The benchmarks in this file measure at the size of a flood. Each is run once: go test ./bot -run - -bench Scale -benchtime 1x -timeout 30m

// onEach runs a benchmark on both databases. open returns the URL of an empty one.
func onEach(b *testing.B, fn func(b *testing.B, open func(b *testing.B) string)) {
	b.Run("SQLite", func(b *testing.B) {
		fn(b, func(b *testing.B) string { return "sqlite:" + b.TempDir() + "/bot.db" })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		fn(b, func(b *testing.B) string { return ledgertest.Postgres(b) })
	})
}

// heap watches the memory in use until stop is called, which returns the peak in MB.
func heap() (stop func() float64) {
	var peak atomic.Uint64
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
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

// BenchmarkScale recalls 100, 1,000, 10,000 and 100,000 messages. x-limit is the time from the first call to the last over the time that the quota
// allows for that many calls; peak-MB is the most memory in use over what the service in memory needs for its messages; cost-us is the processor time of the whole
// process, the service in memory included, for each message; seal-s is how long it took to read and seal them, at 200 reads of 20 messages a second.
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
	for i := range n {
		w.chat.Say(testGroup, "", "alice", fmt.Sprint("win big ", i))
	}
	before := inUse()
	peak := heap()
	asked := time.Now()
	c := w.asks(b, fmt.Sprintf("1-%d", n))
	sealed := time.Since(asked)
	from := len(w.chat.Log())
	cost := processorTime()
	w.approve(b, c)
	w.until(b, c.ID, bot.Done)
	cost = processorTime() - cost
	at := w.callsOf(from)
	if got := len(w.chat.RecalledSeqs(testGroup, "")); got != n {
		b.Fatalf("%d messages were recalled, want %d", got, n)
	}
	took := at[len(at)-1].Sub(at[0])
	if calls := len(at) - 1; calls > 200 {
		b.ReportMetric(took.Seconds()/(float64(calls)/200), "x-limit")
	}
	b.ReportMetric(float64(w.chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
	b.ReportMetric(peak()-before, "peak-MB")
	b.ReportMetric(float64(cost.Microseconds())/float64(n), "cost-us/message")
	b.ReportMetric(sealed.Seconds(), "seal-s")
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // unreachable: there is such a call
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
