package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// errNotHeld is the error of an action that needs a lease which is no longer held.
var errNotHeld = errors.New("the lease is not held any more")

// holding is a lease that this process has. The time for which it may be relied on is measured from
// before each call of the ledger, by the process's monotonic clock.
type holding struct {
	bot.Lease
	w    *Worker
	base time.Time
	till atomic.Int64 // monotonic nanoseconds since base, after which another process may have it

	first  time.Time // of the app's lease: no recall before it, because of the previous holder's window
	called time.Time // of the app's lease: when the last answer came
}

// acquire acquires the named lease. It returns ErrHeld while another process has it.
func (w *Worker) acquire(ctx context.Context, name string) (*holding, error) {
	h := &holding{w: w, base: time.Now()}
	var err error
	if h.Lease, err = w.Ledger.Acquire(ctx, name, w.Holder, w.LeaseTTL); err != nil {
		return nil, err
	}
	h.till.Store(int64(w.LeaseTTL))
	return h, nil
}

// renew keeps the lease for its whole time from now. It returns ErrFenced if it is another's.
func (h *holding) renew(ctx context.Context) error {
	before := time.Since(h.base)
	err := h.w.Ledger.Renew(ctx, h.Lease, h.w.LeaseTTL)
	if err == nil {
		h.till.Store(int64(before + h.w.LeaseTTL))
	}
	return err
}

// left returns for how long the lease may still be relied on. It keeps a margin of a fifth.
func (h *holding) left() time.Duration {
	return time.Duration(h.till.Load()) - h.w.LeaseTTL/5 - time.Since(h.base)
}

func (h *holding) held() bool { return h.left() > 0 }

// keep renews the lease until ctx ends. If another process has the lease, or if it cannot be
// renewed while it may still be relied on, keep calls lost and returns.
func (h *holding) keep(ctx context.Context, lost context.CancelCauseFunc) {
	for history.Sleep(ctx, h.w.LeaseTTL/5) {
		inTime, cancel := context.WithTimeout(ctx, h.left()) // a ledger that does not answer counts as unreachable
		err := h.renew(inTime)
		cancel()
		switch {
		case err == nil:
		case errors.Is(err, bot.ErrEnded):
			lost(errNotHeld)
			return
		case errors.Is(err, bot.ErrFenced):
			h.w.Log.Warn("a lease passed to another process", "lease", h.Name)
			lost(errNotHeld)
			return
		case ctx.Err() == nil:
			h.w.Log.Error("cannot renew a lease", "lease", h.Name, "err", err)
			if !h.held() {
				lost(errNotHeld)
				return
			}
		}
	}
}

// giveUp releases the lease, so that nobody need wait for its end, and wakes the topics.
func (h *holding) giveUp(ctx context.Context, wakes ...bot.Topic) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := h.w.Ledger.Release(ctx, h.Lease)
	if err == nil && len(wakes) > 0 {
		err = h.w.Ledger.Tx(ctx, func(tx bot.Tx) error {
			tx.Wake(wakes...)
			return nil
		})
	}
	if err != nil && !errors.Is(err, bot.ErrEnded) { // then others notice a moment later
		h.w.Log.Error("cannot release a lease; it expires by itself", "lease", h.Name, "err", err)
	}
}

// Alone waits until this process has the named lease, runs fn, releases the lease, and returns what
// fn returned. Of all processes on one ledger, one at a time runs fn. The next begins at once when
// fn has returned, or after the lease has expired if the process has died. Alone calls waits, which
// may be nil, when it finds that another process has the lease. It returns nil without having run
// fn if ctx ends first.
//
// The context of fn ends when ctx ends, or when the lease cannot be renewed and may soon be
// another's: fn must then stop at once what only one process may do.
func (w *Worker) Alone(ctx context.Context, name string, waits func(), fn func(ctx context.Context) error) error {
	return w.alone(ctx, name, waits, func(ctx context.Context, _ bot.Lease) error { return fn(ctx) })
}

func (w *Worker) alone(ctx context.Context, name string, waits func(),
	fn func(ctx context.Context, l bot.Lease) error) error {
	free := bot.Topic("free/" + name)
	wakes, cancel := w.Ledger.Subscribe(free)
	defer cancel()
	for told := false; ctx.Err() == nil; waitFor(ctx, wakes, w.LeaseTTL/5) {
		h, err := w.acquire(ctx, name)
		switch {
		case err == nil:
			return h.under(ctx, free, fn)
		case !errors.Is(err, bot.ErrHeld):
			if ctx.Err() == nil {
				w.Log.Error("cannot acquire a lease", "lease", name, "err", err)
			}
		case !told && waits != nil:
			told = true
			waits()
		}
	}
	return nil
}

// under runs fn while it keeps the lease, then releases the lease and wakes free.
func (h *holding) under(ctx context.Context, free bot.Topic, fn func(ctx context.Context, l bot.Lease) error) error {
	defer h.giveUp(ctx, free)
	held, lost := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { h.keep(held, lost) })
	defer keeper.Wait()
	defer lost(nil)
	return fn(held, h.Lease)
}
