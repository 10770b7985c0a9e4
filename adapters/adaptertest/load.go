package adaptertest

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/bot"
)

// Alone runs the test that calls it in a process of its own, where what the tests before it left
// behind is not measured too. It is true in that process; where it is false the test has been done.
func Alone(t *testing.T) bool {
	t.Helper()
	const alone = "RECALLBOT_TEST_ALONE"
	if os.Getenv(alone) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), alone+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
	return false
}

// Heap is how many bytes are kept: the least of some readings, before each of which settle is
// called, since what is pooled, or on its way, is not kept.
func Heap(settle func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 6 {
		settle()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc)
	}
	return least
}

// Sent is an event on its way to an adapter.
type Sent interface {
	// Wait waits until it is acknowledged, and AckedAfter is how long that took.
	Wait(ctx context.Context) error
	AckedAfter() time.Duration
}

// Acknowledgement measures what a person waits for the acknowledgement of what send sends, 100
// times a second, while 20 copies of a card are edited ten times a second each, as far as the
// adapter lets them be. Platforms wait 3 s; the aim is a p99 under 50 ms.
func Acknowledgement(b *testing.B, s bot.Surface, at bot.Place, card bot.Card, send func() Sent) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var editing sync.WaitGroup
	defer editing.Wait()
	defer cancel()
	var edits atomic.Int64
	for i := range 20 {
		ref, err := s.Post(ctx, at, card, fmt.Sprint(i))
		if err != nil {
			b.Fatal(err)
		}
		editing.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				c := card
				c.Version, c.Title = card.Version+n, words(fmt.Sprintf("%d of 1,000 of card %d", n, i))
				if s.Edit(ctx, ref, c) == nil { // a *bot.Later most of the time where edits are paced
					edits.Add(1)
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	var sent []Sent
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		sent = append(sent, send())
		<-tick.C
	}
	var took []time.Duration
	for _, d := range sent {
		if err := d.Wait(ctx); err != nil {
			b.Fatal(err)
		}
		took = append(took, d.AckedAfter())
	}
	slices.Sort(took)
	p99 := float64(took[len(took)*99/100]) / float64(time.Millisecond)
	b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), "p50-ms")
	b.ReportMetric(p99, "p99-ms")
	b.ReportMetric(p99/50, "p99/50ms")
	b.ReportMetric(float64(edits.Load()), "edits")
}
