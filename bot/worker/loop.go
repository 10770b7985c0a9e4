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
	workPoll   = 2 * time.Second        // the slow look for work where no wake came
	holdPoll   = 500 * time.Millisecond // the same while the lease is held: what waits for its time is found by it
	heldPoll   = 400 * time.Millisecond // the same while another process holds the lease
	idleFor    = 5 * time.Second        // how long the lease is kept when there is nothing to do
)

// Run prepares, runs and tells until ctx ends, then finishes the calls in flight, gives its leases
// up and returns.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	var loops sync.WaitGroup
	loops.Go(func() { w.work(ctx) })
	loops.Go(func() { w.keepTime(ctx) })
	for _, s := range w.surfaces {
		loops.Go(func() { w.tell(ctx, s) })
	}
	loops.Wait()
	return nil
}

// start keeps the roster and tells the audit log what the process was started with.
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
		after.do()
	}
	return err
}

// work takes the app's lease while there is something to prepare or run, and gives it up when there
// is nothing.
func (w *Worker) work(ctx context.Context) {
	wakes, cancel := w.Ledger.Subscribe(bot.WakePreparer, bot.WakeRunner)
	defer cancel()
	name := fmt.Sprintf("app/%d", w.App)
	var kept *holding // since no other process may want it
	defer func() {
		if kept != nil {
			kept.giveUp(ctx)
		}
	}()
	for ctx.Err() == nil {
		poll := workPoll
		if w.hasWork(ctx) {
			h, err := w.take(ctx, name)
			switch {
			case err == nil:
				kept = w.hold(ctx, h, wakes)
				continue
			case errors.Is(err, bot.ErrHeld): // its holder may die
				poll = min(heldPoll, w.LeaseTTL/5)
			case ctx.Err() == nil:
				w.unheld.log(w.Log, "cannot take the app's lease", err)
			}
		}
		waitFor(ctx, wakes, poll)
	}
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

// hold prepares and runs under one lease until there is nothing to do, the lease is lost, or ctx
// ends. It gives the lease up, or returns it where no other process may want it before this one
// ends.
func (w *Worker) hold(ctx context.Context, h *holding, wakes <-chan struct{}) (kept *holding) {
	w.Leads.Store(true)
	defer w.Leads.Store(false)
	runCtx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r := &runner{
		w: w, holding: h, ctx: runCtx, calls: context.WithoutCancel(ctx),
		results: make(chan result, w.flight()), preparing: map[bot.RequestID]context.CancelFunc{},
		settling: map[batchID]*doubtful{}, tookOver: map[bot.RequestID]bool{},
		proofs: map[bot.RequestID]*proof{}, unread: map[batchID]bool{},
	}
	if h.Prior != "" && h.Prior != w.Holder {
		r.first = time.Now().Add(w.Window)
	}
	var keeper sync.WaitGroup
	keeper.Go(func() { h.keep(runCtx, lost) })
	r.loop(wakes)
	lost(nil)
	keeper.Wait()
	r.drain()
	h.Rested = r.untilRested() <= 0
	switch {
	case ctx.Err() != nil: // another process goes on at once
		h.giveUp(ctx, bot.WakePreparer, bot.WakeRunner)
	case w.Ledger.Shared():
		h.giveUp(ctx)
	default:
		return h
	}
	return nil
}

// untilRested returns how long it is until a window has passed since the last call under this
// lease, and since any under the one before it.
func (r *runner) untilRested() time.Duration {
	return max(time.Until(r.first), time.Until(r.called.Add(r.w.Window)))
}

// drain waits for what is still on its way when the loop has ended. What comes back is not stored:
// the next holder finds it in doubt.
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

// loop is the one goroutine that writes: it stores answers, claims batches, starts readings, and
// ends requests.
func (r *runner) loop(wakes <-chan struct{}) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	flight := r.w.flight()
	lastStore := time.Now()
	var looked, idleSince time.Time
	woken := true
	for {
		resting, failed := time.Duration(0), false
		if err := r.findOut(); err != nil {
			failed = true
			r.w.unstored.log(r.w.Log, "cannot find out whether answers were stored", err)
		} else if len(r.pending) > 0 && (r.flying == 0 || len(r.pending) >= flight/2 ||
			time.Since(lastStore) >= storeEvery) || r.ctx.Err() != nil && r.flying == 0 {
			if err := r.store(); err != nil {
				if errors.Is(err, bot.ErrFenced) || errors.Is(err, bot.ErrEnded) {
					return
				}
				failed = true
				r.w.unstored.log(r.w.Log, "cannot store answers; they are kept and stored later", err)
			}
			lastStore = time.Now()
			woken = true // what was stored may be gone on with
		}
		switch {
		case r.ctx.Err() != nil && r.flying == 0:
			if len(r.pending) == 0 && r.unsure == nil || !r.held() {
				return
			}
		case r.ctx.Err() == nil && r.unsure == nil && len(r.pending) < flight &&
			(woken || r.hungry && r.flying <= flight-r.w.claimAtOnce()):
			woken = false
			idle, err := r.advance()
			if errors.Is(err, bot.ErrFenced) || errors.Is(err, bot.ErrEnded) {
				return
			}
			if err != nil {
				if r.ctx.Err() != nil {
					continue
				}
				failed = true
				r.w.unclaimed.log(r.w.Log, "cannot claim work", err)
			}
			looked = time.Now()
			if idle && err == nil && r.flying == 0 && len(r.pending) == 0 && len(r.preparing) == 0 &&
				!r.w.hasWork(r.ctx) {
				if idleSince.IsZero() {
					idleSince = looked
				}
				// What a person does next often follows at once. Given up before a window has
				// passed, the lease would make the next holder wait for it with its first call.
				if resting = max(idleFor-time.Since(idleSince), r.untilRested()); resting <= 0 {
					return
				}
			} else {
				idleSince = time.Time{}
			}
		}
		wait := holdPoll - time.Since(looked)
		if r.more {
			wait = 0
		}
		if failed { // a ledger that is away is not asked all the time
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
			res.take(r)
			for more := true; more; {
				select {
				case res := <-r.results:
					res.take(r)
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

// findOut finds out about the transaction of which it is not known whether it was written.
func (r *runner) findOut() error {
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

func (c *called) take(r *runner) {
	if id := (batchID{c.request, c.batch.N}); c.unreadable {
		r.unread[id] = true
	} else {
		delete(r.unread, id)
	}
	r.flying--
	r.called = time.Now()
	r.pending = append(r.pending, c)
}

// Until it is stored the batch is still seen in doubt, and must not be read a second time.
func (s *settled) take(r *runner) {
	id := batchID{s.request, s.batch.N}
	delete(r.unread, id)
	if !s.failed {
		r.pending = append(r.pending, s)
		return
	}
	d := r.settling[id]
	d.busy = false
	d.tries++
	d.after = time.Now().Add(min(history.ReadRetry<<min(d.tries, 5), history.ReadRetryMost))
	if len(s.traces) > 0 {
		r.pending = append(r.pending, note{s.request, s.traces})
	}
}

func (e ended) take(r *runner) {
	r.preparing[e.request]()
	delete(r.preparing, e.request)
	if r.flood == e.request {
		r.flood = ""
	}
}

// It counts once it is stored, where there is something to store.
func (b *readBack) take(r *runner) {
	if b.err != nil && len(b.traces) == 0 {
		b.written(r)
		return
	}
	r.pending = append(r.pending, b)
}
