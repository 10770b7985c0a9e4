package recall_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// admitted asks p for a slot for each turn, one after the other while the quota is
// used up, and returns the turns in the order in which they got it.
func admitted(t *testing.T, p *recall.Pacer, turns ...recall.Turn) (order []recall.Turn) {
	t.Helper()
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	got := make(chan recall.Turn, len(turns))
	for _, turn := range turns {
		wg.Go(func() {
			if err := p.Wait(recall.InTurn(t.Context(), turn)); err != nil {
				t.Error(err)
			}
			got <- turn
		})
		synctest.Wait()
	}
	wg.Wait()
	close(got)
	for turn := range got {
		order = append(order, turn)
	}
	return order
}

// The more urgent go first, and every fifth slot goes to one of the others, each
// purpose in turn, so that nobody waits for ever.
func TestTurnsByPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []recall.Turn
		for _, purpose := range []recall.Purpose{recall.ForSearch, recall.ForFilter, recall.ForNumbers,
			recall.ForProof} {
			asked = append(asked, slices.Repeat([]recall.Turn{{For: purpose}}, 8)...)
		}
		var got []recall.Purpose
		for _, turn := range admitted(t, recall.NewPacer(1, 0), asked...) {
			got = append(got, turn.For)
		}
		const p, n, f, s = recall.ForProof, recall.ForNumbers, recall.ForFilter, recall.ForSearch
		want := []recall.Purpose{
			p, p, p, p, n,
			p, p, p, p, f, // that was all of the first
			n, n, n, n, s,
			n, n, n, f, s, // of the second
			f, f, f, f, s,
			f, f, s, s, s, s, s,
		}
		if !slices.Equal(got, want) {
			t.Errorf("admitted in order %v, want %v", got, want)
		}
	})
}

// Of one purpose each person gets as many slots as any other. Who asks for one at a
// time gets no more, and who comes late begins with the others.
func TestTurnsFairAmongPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(person string, n int) []recall.Turn {
			return slices.Repeat([]recall.Turn{{For: recall.ForSearch, Person: person}}, n)
		}
		p := recall.NewPacer(1, 0)
		var got string
		for _, turn := range admitted(t, p, slices.Concat(of("a", 5), of("b", 2), of("c", 3))...) {
			got += turn.Person
		}
		if want := "abcabcacaa"; got != want {
			t.Errorf("admitted in order %s, want %s", got, want)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		had := map[string]int{}
		take := func(person string, atOnce int) {
			for range atOnce {
				go func() {
					for p.Wait(recall.InTurn(ctx, recall.Turn{For: recall.ForSearch, Person: person})) == nil {
						mu.Lock()
						had[person]++
						mu.Unlock()
					}
				}()
			}
		}
		take("many", 16)
		time.Sleep(100*time.Second + time.Millisecond)
		take("one", 1)
		take("two", 2)
		time.Sleep(300 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if many := had["many"] - 100; many < 99 || many > 101 || had["one"] < 99 || had["two"] < 99 {
			t.Errorf("of 300 slots: %d, %d and %d, want 100 each", many, had["one"], had["two"])
		}
	})
}

// Of one person the smaller work goes first, and then who asked first. Who gives up
// is in nobody's way.
func TestTurnsSmallFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := recall.NewPacer(1, 0)
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		size := func(n int) recall.Turn { return recall.Turn{For: recall.ForNumbers, Person: "a", Size: n} }
		gone, leave := context.WithCancel(t.Context())
		for n := range 3 {
			go func() {
				if p.Wait(recall.InTurn(gone, size(n))) == nil {
					t.Error("who has given up was admitted")
				}
			}()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		start := time.Now()
		var got []int
		for _, turn := range admitted(t, p, size(5000), size(5000), size(2), size(40), size(2), size(1)) {
			got = append(got, turn.Size)
		}
		if want := []int{1, 2, 2, 40, 5000, 5000}; !slices.Equal(got, want) {
			t.Errorf("admitted in order %v, want %v", got, want)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("7 slots took %v, want 7s", took)
		}
	})
}

// Aside calls take a fifth of the reads at most, and no other waits for them.
func TestTurnsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, recalltest.Options{})
		c := newClient(t, s, func(c *recall.Config) { c.ReadsPerSecond = 50 })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		aside := recall.InTurn(ctx, recall.Turn{For: recall.ForSearch, Aside: true})
		one := recall.HistoryRequest{Group: group, Number: 1}
		for range 30 {
			go func() {
				for ctx.Err() == nil {
					if _, err := c.GroupMsgGetSimple(aside, one); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			}()
		}
		time.Sleep(10 * time.Second)
		if n := s.Calls(recalltest.History); n < 98 || n > 101 {
			t.Errorf("%d calls in 10 s, want 10 a second", n)
		}
		start := time.Now()
		if _, err := c.GroupMsgGetSimple(t.Context(), one); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited > 20*time.Millisecond {
			t.Errorf("another waited for %v", waited)
		}
	})
}
