package ledgertest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// acquire takes a lease that must be free. One with a ttl below zero has run out already.
func acquire(t *testing.T, l bot.Ledger, holder string, ttl time.Duration) bot.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), "app", holder, ttl)
	if err != nil {
		t.Fatalf("acquire for %s: %v", holder, err)
	}
	return lease
}

var leases = []promise{
	{"a lease has a holder, until its time is up", func(t *testing.T, l bot.Ledger) {
		var before time.Time
		do(t, l, func(tx bot.Tx) error { before = tx.Now(); return nil })
		a := acquire(t, l, "a", time.Minute)
		if a.Name != "app" || a.Holder != "a" || a.Epoch < 1 || a.Till.Before(before.Add(time.Minute)) ||
			a.Prior != "" {
			t.Fatalf("lease %+v", a)
		}
		if _, err := l.Acquire(t.Context(), "app", "b", time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Fatalf("b got error %v, want %v", err, bot.ErrHeld)
		}
		if _, err := l.Acquire(t.Context(), "other", "b", time.Minute); err != nil {
			t.Fatalf("another lease: %v", err)
		}
		if err := l.Renew(t.Context(), a, -time.Second); err != nil {
			t.Fatal(err)
		}
		b := acquire(t, l, "b", time.Minute)
		if b.Epoch <= a.Epoch || b.Prior != "a" {
			t.Fatalf("b's lease %+v after %+v", b, a)
		}
	}},
	{"an epoch only grows", func(t *testing.T, l bot.Ledger) {
		var epoch int64
		for _, holder := range []string{"a", "a", "b", "a", "c", "c"} {
			lease := acquire(t, l, holder, -time.Second)
			if lease.Epoch <= epoch {
				t.Fatalf("epoch %d after %d", lease.Epoch, epoch)
			}
			epoch = lease.Epoch
			if holder == "b" {
				if err := l.Release(t.Context(), lease); err != nil {
					t.Fatal(err)
				}
			}
		}
	}},
	{"who acquires their own lease again follows themselves", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", time.Minute)
		again := acquire(t, l, "a", time.Minute)
		if again.Epoch <= a.Epoch || again.Prior != "a" {
			t.Fatalf("lease %+v", again)
		}
		fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(a) })
		do(t, l, func(tx bot.Tx) error { return tx.Fence(again) })
	}},
	{"a released lease is free at once and writes no more", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", time.Minute)
		if err := l.Release(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(a) })
		if err := l.Renew(t.Context(), a, time.Minute); !errors.Is(err, bot.ErrFenced) {
			t.Fatalf("renew: got error %v, want %v", err, bot.ErrFenced)
		}
		b := acquire(t, l, "b", time.Minute)
		if b.Prior != "a" || b.Epoch <= a.Epoch {
			t.Fatalf("b's lease %+v after %+v", b, a)
		}
	}},
	{"who acquires a lease that was released rested follows nobody", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", time.Minute)
		a.NoWait = true
		if err := l.Release(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(a) })
		if b := acquire(t, l, "b", time.Minute); b.Prior != "" || b.Epoch <= a.Epoch {
			t.Fatalf("b's lease %+v after %+v", b, a)
		}
	}},
	{"a lease that lasts for far longer than anybody takes it was taken before the clock was set back: it is free",
		func(t *testing.T, l bot.Ledger) {
			a := acquire(t, l, "a", time.Hour) // as one for a minute looks when the clock is set back by an hour
			b := acquire(t, l, "b", time.Minute)
			if b.Prior != "a" || b.Epoch <= a.Epoch {
				t.Fatalf("b's lease %+v after %+v", b, a)
			}
			fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(a) })
			if err := l.Renew(t.Context(), b, time.Hour); err != nil {
				t.Fatal(err)
			}
			acquire(t, l, "c", time.Minute)
		}},
	{"a lease of minutes is held where all take it for minutes", func(t *testing.T, l bot.Ledger) {
		acquire(t, l, "a", 5*time.Minute)
		if _, err := l.Acquire(t.Context(), "app", "b", 5*time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Fatalf("b got error %v, want %v", err, bot.ErrHeld)
		}
	}},
	{"releasing what is no longer held does nothing", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", -time.Second)
		b := acquire(t, l, "b", time.Minute)
		for _, lease := range []bot.Lease{a, {Name: "nothing", Holder: "a", Epoch: 1}} {
			if err := l.Release(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		}
		do(t, l, func(tx bot.Tx) error { return tx.Fence(b) })
		if _, err := l.Acquire(t.Context(), "app", "c", time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Fatalf("c got error %v, want %v", err, bot.ErrHeld)
		}
	}},
	{"renewing fails once the epoch has changed", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", -time.Second)
		if err := l.Renew(t.Context(), a, time.Minute); err != nil {
			t.Fatalf("nobody else took it, but: %v", err)
		}
		if _, err := l.Acquire(t.Context(), "app", "b", time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Fatalf("b got error %v after a renewal, want %v", err, bot.ErrHeld)
		}
		if err := l.Renew(t.Context(), a, -time.Second); err != nil {
			t.Fatal(err)
		}
		acquire(t, l, "b", -time.Second)
		if err := l.Renew(t.Context(), a, time.Minute); !errors.Is(err, bot.ErrFenced) {
			t.Fatalf("got error %v, want %v", err, bot.ErrFenced)
		}
		acquire(t, l, "c", time.Minute) // the failed renewal has not kept it
	}},
	{"a fenced transaction writes nothing, even when fn overlooks it", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 1)
		a := acquire(t, l, "a", -time.Second)
		acquire(t, l, "b", time.Minute)
		fails(t, l, bot.ErrFenced, func(tx bot.Tx) error {
			if err := tx.AddBatches("R-1", inBatches(1)); err != nil {
				return err
			}
			_ = tx.Fence(a)
			_, _ = tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled})
			return nil
		})
		same(t, messagesOf(t, l, "R-1"), sealed(1))
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) }),
			[]bot.Batch{})
	}},
	{"a fence tells leases apart by all they are", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", time.Minute)
		for _, lease := range []bot.Lease{{}, {Name: "other", Holder: "a", Epoch: a.Epoch},
			{Name: "app", Holder: "b", Epoch: a.Epoch}, {Name: "app", Holder: "a", Epoch: a.Epoch + 1}} {
			fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(lease) })
		}
	}},
	{"a takeover waits for a fenced transaction", func(t *testing.T, l bot.Ledger) {
		a := acquire(t, l, "a", -time.Second)
		var writing atomic.Bool
		taken := make(chan error, 1)
		do(t, l, func(tx bot.Tx) error {
			if err := tx.Fence(a); err != nil {
				return err
			}
			writing.Store(true)
			go func() {
				_, err := l.Acquire(t.Context(), "app", "b", time.Minute)
				if writing.Load() {
					err = errors.New("taken over while the old holder was writing")
				}
				taken <- err
			}()
			select {
			case err := <-taken:
				t.Errorf("the takeover did not wait: %v", err)
				taken <- err
			case <-time.After(20 * time.Millisecond): // long enough for one that does not wait
			}
			err := tx.PutSetting("k", "v")
			writing.Store(false)
			return err
		})
		if err := <-taken; err != nil {
			t.Fatal(err)
		}
		fails(t, l, bot.ErrFenced, func(tx bot.Tx) error { return tx.Fence(a) })
	}},
	{"twenty at once: one gets it", func(t *testing.T, l bot.Ledger) {
		got := 0
		for _, err := range atOnce(20, func(i int) error {
			_, err := l.Acquire(t.Context(), "app", string(rune('a'+i)), time.Minute)
			return err
		}) {
			switch {
			case err == nil:
				got++
			case !errors.Is(err, bot.ErrHeld):
				t.Fatal(err)
			}
		}
		same(t, got, 1)
	}},
}

var batches = []promise{
	{"there is none without a grant", func(t *testing.T, l bot.Ledger) {
		r := propose(t, l, "R-1", 1)
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(1)) })
		r.Approvals = []bot.Approval{approvedBy("theo", digest)}
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(1)) })
		same(t, messagesOf(t, l, "R-1"), sealed(1))
	}},
	{"a message of another request is refused", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 2)
		grant(t, l, "R-2", 5)
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(3)) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) }),
			[]bot.Batch{})
	}},
	{"a message is in one batch", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 2)
		fails(t, l, bot.ErrRule,
			func(tx bot.Tx) error { return tx.AddBatches("R-1", append(inBatches(2), inBatches(1)...)) })
	}},
	{"they are numbered from 1, and come back as they were stored", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 4)
		grant(t, l, "R-2", 4)
		want := []bot.Batch{
			{N: 99, Seqs: []recall.Seq{1, 3}, State: bot.BatchPending},
			{N: 99, Seqs: []recall.Seq{2}, State: bot.BatchDoubt, Epoch: 7, Doubted: true, Unread: true, Single: true,
				Attempts: 3, After: day},
		}
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", want) })
		do(t, l, func(tx bot.Tx) error {
			return tx.AddBatches("R-1", []bot.Batch{{Seqs: []recall.Seq{4}, State: bot.BatchPending}})
		})
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-2", inBatches(4)) })
		want[0].N, want[1].N = 1, 2
		want = []bot.Batch{want[0], {N: 3, Seqs: []recall.Seq{4}, State: bot.BatchPending}, want[1]}
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) {
			return tx.Batches("R-1", 9, bot.BatchPending, bot.BatchDoubt, bot.BatchSending)
		}), want)
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) {
			return tx.Batches("R-1", 2, bot.BatchDoubt, bot.BatchPending)
		}), want[:2])
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchDoubt) }),
			want[2:])
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchDone) }),
			[]bot.Batch{})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9) }), []bot.Batch{})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-2", 9, bot.BatchPending) })[0].N,
			1)
	}},
	{"those with the lowest numbers come first", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 500)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(500)) })
		some := look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 20, bot.BatchPending) })
		same(t, len(some), 20)
		for i, b := range some {
			same(t, b.N, i+1)
			same(t, len(b.Seqs), 10)
			same(t, b.Seqs[0], recall.Seq(10*i+1))
		}
	}},
	{"those that are put off come last", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 5)
		var all []bot.Batch
		for i, after := range []time.Time{day.Add(time.Hour), {}, day, {}, day} {
			all = append(all, bot.Batch{Seqs: []recall.Seq{recall.Seq(i + 1)}, State: bot.BatchPending, After: after})
		}
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", all) })
		for _, limit := range []int{5, 3} {
			var got []int
			for _, b := range look(t, l, func(tx bot.Tx) ([]bot.Batch,
				error) {
				return tx.Batches("R-1", limit, bot.BatchPending)
			}) {
				got = append(got, b.N)
			}
			same(t, got, []int{2, 4, 3, 5, 1}[:limit])
		}
	}},
	{"their messages are those without an outcome", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 3)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(3)) })
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{2: recalled})
			return err
		})
		pending := func() []bot.Batch {
			return look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) })
		}
		same(t, pending(), []bot.Batch{{N: 1, Seqs: []recall.Seq{1, 3}, State: bot.BatchPending}})
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled, 3: recalled})
			return err
		})
		same(t, pending(), []bot.Batch{{N: 1, State: bot.BatchPending}})
	}},
	{"a message moves to the batch it was put in last", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 3)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(3)) })
		single := bot.Batch{Seqs: []recall.Seq{2}, State: bot.BatchPending, Single: true}
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", []bot.Batch{single}) })
		single.N = 2
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) }),
			[]bot.Batch{{N: 1, Seqs: []recall.Seq{1, 3}, State: bot.BatchPending}, single})
	}},
	{"what has become of them is stored", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 30)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(30)) })
		changed := bot.Batch{N: 2, State: bot.BatchSending, Epoch: 5, Doubted: true, Unread: true, Single: true,
			Attempts: 2, After: day}
		done := bot.Batch{N: 3, State: bot.BatchDone}
		do(t, l, func(tx bot.Tx) error { return tx.PutBatches("R-1", []bot.Batch{changed, done}) })
		changed.Seqs, done.Seqs = inBatches(30)[1].Seqs, inBatches(30)[2].Seqs
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch,
			error) {
			return tx.Batches("R-1", 9, bot.BatchSending, bot.BatchDone)
		}), []bot.Batch{done, changed})
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) })),
			1)
	}},
	{"one that is not there cannot change", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 10)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(10)) })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error {
			return tx.PutBatches("R-1", []bot.Batch{{N: 1, State: bot.BatchDone}, {N: 2, State: bot.BatchDone}})
		})
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 9, bot.BatchPending) })),
			1)
	}},
	{"a state that nobody knows is refused", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 10)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(10)) })
		fails(t, l, bot.ErrRule,
			func(tx bot.Tx) error { return tx.PutBatches("R-1", []bot.Batch{{N: 1, State: "lost"}}) })
	}},
}
