package recall_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/recall"
)

// mostWithin returns the most times that lie within any window.
func mostWithin(at []time.Time, window time.Duration) int {
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestPacerNeverOverQuotaInAnyWindow(t *testing.T) {
	for _, tt := range []struct {
		name          string
		guard, jitter time.Duration
		share         float64 // of the quota, at least
	}{
		{"quiet", 5 * time.Millisecond, 0, 0.99},
		{"jitter within guard", 20 * time.Millisecond, 20 * time.Millisecond, 0.975},
		{"wide guard", 50 * time.Millisecond, 50 * time.Millisecond, 0.945},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const quota, seconds = 200, 20
				p := recall.NewPacer(quota, tt.guard)
				random := rand.New(rand.NewPCG(1, 2))
				var arrived []time.Time
				start := time.Now()
				for time.Since(start) < seconds*time.Second {
					if err := p.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					at := time.Now()
					if tt.jitter > 0 {
						at = at.Add(time.Duration(random.Int64N(int64(tt.jitter))))
					}
					arrived = append(arrived, at)
				}
				if most := mostWithin(arrived, time.Second); most > quota {
					t.Errorf("%d calls in one second, more than %d", most, quota)
				}
				if share := float64(len(arrived)) / (quota * seconds); share < tt.share {
					t.Errorf("used %.3f of the quota, want %.3f", share, tt.share)
				}
			})
		})
	}
}

// A pause must not be followed by a burst, and callers that stall at random
// must not add up to one.
func TestPacerSavesUpOneStepOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recall.NewPacer(100, 0)
		for range 50 {
			p.Wait(t.Context())
		}
		time.Sleep(10 * time.Second)
		start := time.Now()
		for range 11 {
			p.Wait(t.Context())
		}
		if got, want := time.Since(start), 90*time.Millisecond; got != want {
			t.Errorf("11 calls after a pause took %v, want %v", got, want)
		}
	})
}

// Calls that are admitted and then wait for a connection are written late.
// They must not be too many together with those admitted later.
func TestPacerCountsWhenWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quota = 50
		p := recall.NewPacer(quota, 0)
		var mu sync.Mutex
		var written []time.Time
		var wg sync.WaitGroup
		for i := range 400 {
			slot, err := p.Admit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if i%100 < 40 {
					time.Sleep(700 * time.Millisecond) // a slow handshake, now and then
				}
				slot.Sent()
				mu.Lock()
				defer mu.Unlock()
				written = append(written, time.Now())
			})
		}
		wg.Wait()
		if most := mostWithin(written, time.Second); most > quota {
			t.Errorf("%d calls written in one second, more than %d", most, quota)
		}
	})
}

func TestPacerReleaseGivesThePlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recall.NewPacer(2, 0)
		for range 10 { // five times the quota, none sent
			slot, err := p.Admit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slot.Release()
			slot.Release()
		}
		a, _ := p.Admit(t.Context())
		b, _ := p.Admit(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Admit(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third call was admitted while two of two are open: %v", err)
		}
		a.Sent()
		a.Release() // after Sent: nothing
		b.Release()
		if _, err := p.Admit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPacerSlowHalvesThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recall.NewPacer(100, 0)
		count := func(d time.Duration) int {
			n := 0
			for start := time.Now(); time.Since(start) < d; n++ {
				p.Wait(t.Context())
			}
			return n
		}
		count(2 * time.Second)
		p.Slow(time.Second)
		p.Slow(time.Millisecond) // cannot shorten it
		if n := count(time.Second); n < 49 || n > 51 {
			t.Errorf("%d calls in the slow second, want about 50", n)
		}
		if n := count(time.Second); n < 99 || n > 101 {
			t.Errorf("%d calls in the second after, want about 100", n)
		}
	})
}

func TestPacerAdmitsInOrderAndHeedsContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recall.NewPacer(1, 0)
		p.Wait(t.Context())
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				ctx := t.Context()
				if i == 2 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 1500*time.Millisecond)
					defer cancel()
				}
				err := p.Wait(ctx)
				if (err != nil) != (i == 2) {
					t.Errorf("caller %d: %v", i, err)
				}
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		wg.Wait()
		if want := []int{0, 1, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("admitted in order %v, want %v", order, want)
		}
		if got := time.Since(start); got != 4*time.Second {
			t.Errorf("four calls took %v, want 4s: the one that gave up must not take a slot", got)
		}
	})
}

func BenchmarkPacer(b *testing.B) {
	p := recall.NewPacer(1e9, 0)
	b.ReportAllocs()
	for b.Loop() {
		if p.Wait(b.Context()) != nil {
			b.Fatal("Wait failed")
		}
	}
}
