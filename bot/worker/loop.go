package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

const (
	storeEvery = 100 * time.Millisecond // answers are stored together this often, and at once when nothing is in flight
	workPoll   = 2 * time.Second        // the interval of looking for work without a wake
	holdPoll   = 500 * time.Millisecond // the same while the lease is held; finds batches that have become due
	heldPoll   = 400 * time.Millisecond // the same while another process holds the lease
	idleFor    = 5 * time.Second        // how long the lease is kept when there is nothing to do
)

// Run prepares and runs requests and writes cards until ctx ends. Then it finishes the calls in
// flight, releases its leases and returns.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	var loops sync.WaitGroup
	loops.Go(func() { w.work(ctx) })
	loops.Go(func() { w.keepTime(ctx) })
	loops.Go(func() { w.list(ctx) })
	for _, s := range w.surfaces {
		loops.Go(func() { w.tell(ctx, s) })
	}
	loops.Wait()
	return nil
}

// start stores the roster, and records in the audit log how the process is configured.
func (w *Worker) start(ctx context.Context) error {
	var after later
	err := w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		after = nil
		if err := tx.PutRoster(w.Roster); err != nil {
			return err
		}
		if err := w.Audit(tx, "started", "", "", map[string]any{"holder": w.Holder, "configuration": w.Hash(),
			"roster": w.RosterHash, "policy": w.Policy}); err != nil {
			return err
		}
		return w.restore(tx, &after)
	})
	if err == nil {
		after.run()
	}
	return err
}

// work holds the app's lease while there is something to prepare or run. If no other process may
// want the lease, work acquires it at once and keeps it: then no work has to wait for it.
func (w *Worker) work(ctx context.Context) {
	wakes, cancel := w.Ledger.Subscribe(bot.WakePreparer, bot.WakeRunner)
	defer cancel()
	name := fmt.Sprintf("app/%d", w.App)
	var kept *holding // not released, because no other process may want it
	idle := false     // kept was left with nothing claimed under it
	if !w.Ledger.Shared() {
		if h, err := w.acquireApp(ctx, name); err == nil { // otherwise it is acquired with the first work
			kept, idle = h, true
		}
	}
	defer func() {
		if kept != nil {
			kept.NoWait = kept.windowLeft() <= 0
			kept.giveUp(ctx)
		}
	}()
	for ctx.Err() == nil {
		poll := workPoll
		if w.hasWork(ctx) {
			h, err := kept, error(nil)
			if !idle || h.renew(ctx) != nil {
				h, err = w.acquireApp(ctx, name)
			}
			switch {
			case err == nil:
				kept, idle = w.hold(ctx, h, wakes)
				continue
			case errors.Is(err, bot.ErrHeld): // its holder may die
				poll = min(heldPoll, w.LeaseTTL/5)
			case ctx.Err() == nil:
				w.unheld.log(w.Log, "cannot acquire the app's lease", err)
			}
		}
		waitFor(ctx, wakes, poll)
	}
}

// acquireApp acquires the app's lease, under which recalls are called.
func (w *Worker) acquireApp(ctx context.Context, name string) (*holding, error) {
	h, err := w.acquire(ctx, name)
	if err == nil && h.Prior != "" && h.Prior != w.Holder {
		h.first = time.Now().Add(w.Window)
	}
	return h, err
}

func (w *Worker) hasWork(ctx context.Context) bool {
	var found []bot.Request
	err := w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		found, err = tx.Requests(bot.Query{App: w.App, States: workStates, Limit: 1})
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.unseen.log(w.Log, "cannot look for work", err)
	}
	return len(found) > 0
}

// hold prepares and runs requests under one lease until there is nothing to do, the lease is lost,
// or ctx ends. It releases the lease, or returns it if no other process may want it before this one
// ends. idle says that nothing is claimed under it: it may then be held again. Otherwise the next
// holder needs a new epoch, so that it finds what was claimed in doubt.
func (w *Worker) hold(ctx context.Context, h *holding, wakes <-chan struct{}) (kept *holding, idle bool) {
	w.Leads.Store(true)
	defer w.Leads.Store(false)
	runCtx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r := &runner{
		w: w, holding: h, ctx: runCtx, calls: context.WithoutCancel(ctx),
		results: make(chan result, w.flight()), preparing: map[bot.RequestID]context.CancelFunc{},
		resolving: map[batchID]*doubtful{}, tookOver: map[bot.RequestID]bool{},
		proofs: map[bot.RequestID]*proof{}, unread: map[batchID]bool{},
	}
	var keeper sync.WaitGroup
	keeper.Go(func() { h.keep(runCtx, lost) })
	idle = r.loop(wakes)
	lost(nil)
	keeper.Wait()
	r.drain()
	h.NoWait = r.windowLeft() <= 0
	switch {
	case ctx.Err() != nil: // another process continues at once
		h.giveUp(ctx, bot.WakePreparer, bot.WakeRunner)
	case w.Ledger.Shared():
		h.giveUp(ctx)
	default:
		return h, idle
	}
	return nil, false
}

// windowLeft returns how long it takes until a window has passed since the last call under this
// lease and under the one before it.
func (h *holding) windowLeft() time.Duration {
	return max(time.Until(h.first), time.Until(h.called.Add(h.w.Window)))
}

// drain waits for what is still in progress when the loop has ended. It stores no results: the next
// holder finds those batches in doubt.
func (r *runner) drain() {
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	for {
		select {
		case <-r.results:
			r.called = time.Now()
		case <-done:
			return
		}
	}
}

// loop runs in the one goroutine that writes for the lease: it stores answers, claims batches,
// starts reads, and ends requests. It returns true when it has been idle for long enough.
func (r *runner) loop(wakes <-chan struct{}) (idle bool) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	flight := r.w.flight()
	lastStore := time.Now()
	var looked, idleSince time.Time
	woken := true
	for {
		resting, failed := time.Duration(0), false
		if err := r.resolveUnsure(); err != nil {
			failed = true
			r.w.unstored.log(r.w.Log, "cannot read whether answers were stored", err)
		} else if len(r.pending) > 0 && (r.flying == 0 || len(r.pending) >= flight/2 ||
			time.Since(lastStore) >= storeEvery) || r.ctx.Err() != nil && r.flying == 0 {
			if err := r.store(); err != nil {
				if errors.Is(err, bot.ErrFenced) || errors.Is(err, bot.ErrEnded) {
					return false
				}
				failed = true
				r.w.unstored.log(r.w.Log, "cannot store answers; they are kept and stored later", err)
			}
			lastStore = time.Now()
			woken = true // there may be a next step for what was stored
		}
		switch {
		case r.ctx.Err() != nil && r.flying == 0:
			if len(r.pending) == 0 && r.unsure == nil || !r.held() {
				return false
			}
		case r.ctx.Err() == nil && r.unsure == nil && len(r.pending) < flight &&
			(woken || r.hungry && r.flying <= flight-r.w.claimAtOnce()):
			woken = false
			nothing, err := r.advance()
			if errors.Is(err, bot.ErrFenced) || errors.Is(err, bot.ErrEnded) {
				return false
			}
			if err != nil {
				if r.ctx.Err() != nil {
					continue
				}
				failed = true
				r.w.unclaimed.log(r.w.Log, "cannot claim work", err)
			}
			looked = time.Now()
			if nothing && err == nil && r.flying == 0 && len(r.pending) == 0 && len(r.preparing) == 0 &&
				!r.w.hasWork(r.ctx) {
				if idleSince.IsZero() {
					idleSince = looked
				}
				// A person often does the next thing soon. If the lease were released before a
				// window has passed, the next holder would have to wait for it before its first
				// call.
				if resting = max(idleFor-time.Since(idleSince), r.windowLeft()); resting <= 0 {
					return true
				}
			} else {
				idleSince = time.Time{}
			}
		}
		wait := holdPoll - time.Since(looked)
		if r.more {
			wait = 0
		}
		if failed { // an unreachable ledger is not asked all the time
			wait = max(wait, storeEvery)
		}
		if resting > 0 {
			wait = min(wait, resting)
		}
		if first := time.Until(r.first); first > 0 {
			wait = min(wait, first)
		}
		if len(r.pending) > 0 && !failed {
			wait = min(wait, storeEvery-time.Since(lastStore))
		}
		tick.Reset(max(wait, time.Millisecond))
		done := r.ctx.Done()
		if r.ctx.Err() != nil {
			done = nil
		}
		select {
		case res := <-r.results:
			res.collect(r)
			for more := true; more; {
				select {
				case res := <-r.results:
					res.collect(r)
				default:
					more = false
				}
			}
		case <-wakes:
			woken = true
		case <-tick.C:
			woken = r.more || len(r.pending) == 0 || time.Since(looked) >= holdPoll
		case <-done:
		}
	}
}

// resolveUnsure reads whether the transaction of r.unsure was committed.
func (r *runner) resolveUnsure() error {
	if r.unsure == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.calls, 10*time.Second)
	defer cancel()
	written, err := r.unsure.Written(ctx)
	if err != nil {
		return err
	}
	if written {
		r.ifWritten()
	}
	r.unsure, r.ifWritten = nil, nil
	return nil
}

func (c *called) collect(r *runner) {
	if id := (batchID{c.request, c.batch.N}); c.unreadable {
		r.unread[id] = true
	} else {
		delete(r.unread, id)
	}
	r.flying--
	r.called = time.Now()
	r.pending = append(r.pending, c)
}

// collect keeps s for the transaction that stores it, or lets the batch be read again if it failed.
// Until the result is stored the batch is still stored as in doubt, and must not be read twice.
func (s *resolved) collect(r *runner) {
	id := batchID{s.request, s.batch.N}
	delete(r.unread, id)
	if !s.failed {
		r.pending = append(r.pending, s)
		return
	}
	d := r.resolving[id]
	d.busy = false
	d.tries++
	d.after = time.Now().Add(min(history.ReadRetry<<min(d.tries, 5), history.ReadRetryMost))
	if len(s.traces) > 0 {
		r.pending = append(r.pending, record{s.request, s.traces})
	}
}

func (e ended) collect(r *runner) {
	r.preparing[e.request]()
	delete(r.preparing, e.request)
	if r.flood == e.request {
		r.flood = ""
	}
}

// collect keeps b for the transaction that stores it. The result takes effect once it is stored, or
// at once if there is nothing to store.
func (b *proofRead) collect(r *runner) {
	if b.err != nil && len(b.traces) == 0 {
		b.written(r)
		return
	}
	r.pending = append(r.pending, b)
}
