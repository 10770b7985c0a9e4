package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/recall"
)

const (
	inFlight     = 64                     // batches claimed and not yet answered, at most: 200 calls a second of 0.3 s
	storeEvery   = 100 * time.Millisecond // answers are stored together this often, and at once when nothing is in flight
	workPoll     = 2 * time.Second        // the slow look for work where no wake came
	holdPoll     = 500 * time.Millisecond // the same while the lease is held: what waits for its time is found by it
	heldPoll     = 400 * time.Millisecond // the same while another process holds the lease
	probeEvery   = time.Minute            // between tries of a paused app
	settlersMost = 8                      // batches in doubt that are read at once
	readDoubtFor = 60 * time.Second       // failed reads of a doubt before it is sent again unread
	rereadAfter  = 10 * time.Minute       // a message read longer ago is read again before it is sent
	retryMost    = 30 * time.Second       // the longest pause of a batch between tries
	retriesApp   = 5                      // tries of a call that the app's account check refuses, before the app is paused
)

// workStates are those in which a request needs the app's lease.
var workStates = []State{Preparing, Approved, Running, Stopping}

// Run prepares, runs and tells until ctx ends, then finishes the calls in flight, gives its leases up and returns.
func (b *Bot) Run(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	var loops sync.WaitGroup
	loops.Go(func() { b.work(ctx) })
	loops.Go(func() { b.keepTime(ctx) })
	for _, s := range b.surfaces {
		loops.Go(func() { b.tell(ctx, s) })
	}
	loops.Wait()
	return nil
}

// start keeps the roster and tells the audit log what the process was started with.
func (b *Bot) start(ctx context.Context) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.PutRoster(b.o.Roster); err != nil {
			return err
		}
		return b.auditOwn(tx, "started", "", "", map[string]any{"holder": b.o.Holder, "roster": b.roster, "policy": b.o.Policy})
	})
}

// work takes the app's lease while there is something to prepare or run, and gives it up when there is nothing.
func (b *Bot) work(ctx context.Context) {
	wakes, cancel := b.o.Ledger.Subscribe(WakePreparer, WakeRunner)
	defer cancel()
	name := fmt.Sprintf("app/%d", b.o.App)
	for ctx.Err() == nil {
		poll := workPoll
		if b.hasWork(ctx) {
			before := time.Now()
			l, err := b.o.Ledger.Acquire(ctx, name, b.o.Holder, b.o.LeaseTTL)
			switch {
			case err == nil:
				b.hold(ctx, l, before, wakes)
				continue
			case errors.Is(err, ErrHeld): // its holder may die
				poll = min(heldPoll, b.o.LeaseTTL/5)
			case ctx.Err() == nil:
				b.log.Error("cannot take the app's lease", "err", err)
			}
		}
		waitFor(ctx, wakes, poll)
	}
}

// waitFor returns at a wake, after d, or when ctx ends.
func waitFor(ctx context.Context, wakes <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wakes:
	case <-t.C:
	case <-ctx.Done():
	}
}

func (b *Bot) hasWork(ctx context.Context) bool {
	var found []Request
	err := b.o.Ledger.View(ctx, func(tx Tx) (err error) {
		found, err = tx.Requests(Query{App: b.o.App, States: workStates, Limit: 1})
		return err
	})
	if err != nil && ctx.Err() == nil {
		b.log.Error("cannot look for work", "err", err)
	}
	return len(found) > 0
}

// runner is the work of one holder of the app's lease.
type runner struct {
	b     *Bot
	lease Lease
	// ctx ends when the process stops or the lease is lost. calls outlives it, so that answers in flight are awaited.
	ctx   context.Context
	calls context.Context

	heldTill atomic.Int64 // monotonic nanoseconds since base: no call starts after it
	base     time.Time
	first    time.Time // no recall before it: the window of a holder before this one
	called   time.Time // when the last answer came

	results chan result
	wg      sync.WaitGroup

	// used by the loop alone
	pending   []result // not stored yet
	flying    int
	preparing map[RequestID]bool
	settling  map[batchID]*doubtful
	tookOver  map[RequestID]bool // what others had claimed of it is in doubt by now
	proofs    map[RequestID]*proof
	unread    map[batchID]bool // it waits, because it could not be read again

	stopping sync.Map // RequestID: no call of it starts any more
}

type batchID struct {
	request RequestID
	n       int
}

// doubtful is what this process knows of a batch in doubt that is being read.
type doubtful struct {
	since time.Time // of the first failed read
	tries int
	after time.Time
	busy  bool
}

// job is a claimed batch on its way.
type job struct {
	request Request
	batch   Batch
	claimed time.Time // by the ledger's clock
}

// result is what became of a job, or of the reading of a doubt.
type result struct {
	request RequestID
	batch   Batch
	// outcomes are final. back are put back to pending, doubt are in doubt from now on; single are tried one by one.
	outcomes map[recall.Seq]Outcome
	back     []recall.Seq
	doubt    []recall.Seq
	reread   map[recall.Seq]Outcome // a code said this of a message that was in doubt: it counts once history has been read after it
	single   []recall.Seq
	unread   bool          // back: sent again without having been read
	after    time.Duration // back: not before this much later
	counts   bool          // back: counts as a try
	condemn  *recall.Error // the whole request
	pause    *recall.Error // the app
	answered bool          // the service answered for the app: a pause is over
	read     bool          // of a doubt's reading, not of a call
	again    bool          // the reading failed and is to be tried again
	reading  bool          // back: because it could not be read again
	proof    *readBack     // of a reading back, not of a batch
	call     map[string]any
}

// hold prepares and runs under one lease, taken at since or later, until there is nothing to do, the lease is lost, or ctx ends.
func (b *Bot) hold(ctx context.Context, l Lease, since time.Time, wakes <-chan struct{}) {
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &runner{
		b: b, lease: l, ctx: runCtx, calls: context.WithoutCancel(ctx), base: since,
		results: make(chan result, inFlight), preparing: map[RequestID]bool{}, settling: map[batchID]*doubtful{}, tookOver: map[RequestID]bool{},
		proofs: map[RequestID]*proof{}, unread: map[batchID]bool{},
	}
	if l.Prior != "" && l.Prior != b.o.Holder {
		r.first = time.Now().Add(b.o.Window)
	}
	r.heldTill.Store(int64(b.o.LeaseTTL))
	var renewer sync.WaitGroup
	renewer.Go(func() { r.renew(cancel) })
	r.loop(wakes)
	cancel()
	renewer.Wait()
	r.drain()
	l.Rested = r.rests() <= 0
	release, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	err := b.o.Ledger.Release(release, l)
	if err == nil && ctx.Err() != nil {
		err = b.o.Ledger.Tx(release, func(tx Tx) error { // another process goes on at once
			tx.Wake(WakePreparer, WakeRunner)
			return nil
		})
	}
	if err != nil && !errors.Is(err, ErrFenced) {
		b.log.Error("cannot give the app's lease up; it runs out by itself", "err", err)
	}
}

// rests returns how long it is until a window has passed since the last call under this lease, and since any under the one before it.
func (r *runner) rests() time.Duration {
	return max(time.Until(r.first), time.Until(r.called.Add(r.b.o.Window)))
}

// drain waits for what is still on its way when the loop has ended. What comes back is not stored: the next holder finds it in doubt.
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

// renew keeps the lease. What it may be relied on is counted from before each renewal, on the process's monotonic clock.
func (r *runner) renew(lost context.CancelFunc) {
	for sleep(r.ctx, r.b.o.LeaseTTL/5) {
		before := time.Since(r.base)
		err := r.b.o.Ledger.Renew(r.ctx, r.lease, r.b.o.LeaseTTL)
		switch {
		case err == nil:
			r.heldTill.Store(int64(before + r.b.o.LeaseTTL))
		case errors.Is(err, ErrFenced):
			r.b.log.Warn("the app's lease passed to another process", "lease", r.lease.Name)
			lost()
			return
		case r.ctx.Err() == nil:
			r.b.log.Error("cannot renew the app's lease", "err", err)
			if !r.held() {
				lost()
				return
			}
		}
	}
}

// held reports whether a call may start: the lease lasts for longer than its margin of a fifth.
func (r *runner) held() bool {
	return time.Since(r.base) < time.Duration(r.heldTill.Load())-r.b.o.LeaseTTL/5
}

var (
	errNotHeld  = errors.New("the lease is not held any more")
	errStopping = errors.New("the request is being stopped")
)

// loop is the one goroutine that writes: it stores answers, claims batches, starts readings, and ends requests.
func (r *runner) loop(wakes <-chan struct{}) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	lastStore := time.Now()
	chunk := max(1, r.b.o.CallsPerSecond/10)
	var looked time.Time
	woken := true
	for {
		resting := time.Duration(0)
		if len(r.pending) > 0 && (r.flying == 0 || len(r.pending) >= inFlight/2 || time.Since(lastStore) >= storeEvery) || r.ctx.Err() != nil && r.flying == 0 {
			if err := r.store(); err != nil {
				if errors.Is(err, ErrFenced) {
					return
				}
				r.b.log.Error("cannot store answers; they are kept and stored later", "err", err)
			}
			lastStore = time.Now()
		}
		switch {
		case r.ctx.Err() != nil && r.flying == 0:
			if len(r.pending) == 0 || r.calls.Err() != nil || !r.held() {
				return
			}
		case r.ctx.Err() == nil && len(r.pending) < inFlight && (woken || r.flying <= inFlight-chunk):
			woken = false
			idle, err := r.advance()
			if err != nil {
				if errors.Is(err, ErrFenced) || r.ctx.Err() != nil {
					continue
				}
				r.b.log.Error("cannot claim work", "err", err)
			}
			looked = time.Now()
			if idle && err == nil && r.flying == 0 && len(r.pending) == 0 && len(r.preparing) == 0 && !r.b.hasWork(r.ctx) {
				// Given up before a window has passed, the lease would make the next holder wait for it with its first call.
				if resting = r.rests(); resting <= 0 {
					return
				}
			}
		}
		wait := holdPoll - time.Since(looked)
		if resting > 0 {
			wait = min(wait, resting)
		}
		if first := time.Until(r.first); first > 0 {
			wait = min(wait, first)
		}
		if len(r.pending) > 0 {
			wait = min(wait, storeEvery-time.Since(lastStore))
		}
		if len(r.settling) > 0 {
			wait = min(wait, 250*time.Millisecond)
		}
		tick.Reset(max(wait, time.Millisecond))
		done := r.ctx.Done()
		if r.ctx.Err() != nil {
			done = nil
		}
		select {
		case res := <-r.results:
			r.take(res)
			for more := true; more; {
				select {
				case res := <-r.results:
					r.take(res)
				default:
					more = false
				}
			}
		case <-wakes:
			woken = true
		case <-tick.C:
			woken = len(r.pending) == 0 || time.Since(looked) >= holdPoll
		case <-done:
		}
	}
}

func (r *runner) take(res result) {
	if id := (batchID{res.request, res.batch.N}); res.reading {
		r.unread[id] = true
	} else {
		delete(r.unread, id)
	}
	switch {
	case res.proof != nil: // it counts once it is stored
		r.pending = append(r.pending, res)
	case res.batch.N == 0: // a preparation ended
		delete(r.preparing, res.request)
	case res.read && res.again:
		d := r.settling[batchID{res.request, res.batch.N}]
		if d.busy = false; d.since.IsZero() {
			d.since = time.Now()
		}
		d.tries++
		d.after = time.Now().Add(min(readRetry<<min(d.tries, 5), readRetryMost))
	case res.read: // until it is stored the batch is still seen in doubt, and must not be read a second time
		r.pending = append(r.pending, res)
	default:
		r.flying--
		r.called = time.Now()
		r.pending = append(r.pending, res)
	}
}

// store writes what came back, in one transaction under the lease.
func (r *runner) store() error {
	if len(r.pending) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.calls, 10*time.Second)
	defer cancel()
	err := r.b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(r.lease); err != nil {
			return err
		}
		touched := map[RequestID][]recall.Seq{}
		if err := r.applyPlain(tx); err != nil {
			return err
		}
		for _, res := range r.pending {
			if res.plain() {
				touched[res.request] = append(touched[res.request], res.batch.Seqs...)
				continue
			}
			if err := r.apply(tx, res); err != nil {
				return fmt.Errorf("store the answer for %s: %w", res.request, err)
			}
			touched[res.request] = append(touched[res.request], res.batch.Seqs...)
		}
		for _, id := range slices.Sorted(maps.Keys(touched)) {
			if err := r.tellApart(tx, id, touched[id]); err != nil {
				return err
			}
			if err := r.b.show(tx, id); err != nil {
				return err
			}
			if err := r.finish(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, res := range r.pending {
		if res.read {
			delete(r.settling, batchID{res.request, res.batch.N})
		}
		if res.proof != nil {
			r.proofs[res.request].tookBack(res.proof)
		}
	}
	r.pending = r.pending[:0]
	return nil
}

// tellApart lets callbacks that came before an answer was stored take effect now.
func (r *runner) tellApart(tx Tx, id RequestID, seqs []recall.Seq) error {
	if !r.b.o.Callbacks || len(seqs) == 0 {
		return nil
	}
	req, err := tx.Request(id)
	if err != nil || req.State != Running && req.State != Stopping {
		return err
	}
	return r.b.settleTold(tx, req, seqs)
}

// plain reports whether all that is to be stored of a result is the outcome of every message of its batch.
func (res *result) plain() bool {
	return res.proof == nil && res.pause == nil && res.condemn == nil && len(res.back)+len(res.doubt)+len(res.single)+len(res.reread) == 0
}

// applyPlain writes the plain results, which are nearly all, together: a statement for each would take longer than the calls.
func (r *runner) applyPlain(tx Tx) error {
	outcomes, done := map[RequestID]map[recall.Seq]Outcome{}, map[RequestID][]Batch{}
	answered := false
	for _, res := range r.pending {
		if !res.plain() {
			continue
		}
		answered = answered || res.answered
		if res.call != nil {
			if err := r.b.auditOwn(tx, "api", res.request, "", res.call); err != nil {
				return err
			}
		}
		if outcomes[res.request] == nil {
			outcomes[res.request] = map[recall.Seq]Outcome{}
		}
		maps.Copy(outcomes[res.request], res.outcomes)
		res.batch.State = BatchDone
		done[res.request] = append(done[res.request], res.batch)
	}
	if answered {
		if err := r.b.unpause(tx); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(done)) {
		if err := r.unlessTold(tx, id, outcomes[id]); err != nil {
			return err
		}
		if _, err := tx.PutOutcomes(id, outcomes[id]); err != nil {
			return err
		}
		if err := tx.PutBatches(id, done[id]); err != nil {
			return err
		}
	}
	return nil
}

// apply writes one result.
func (r *runner) apply(tx Tx, res result) error {
	if res.proof != nil {
		return r.applyBack(tx, res)
	}
	if res.pause != nil {
		if err := r.b.pause(tx, res.pause); err != nil {
			return err
		}
	} else if res.answered {
		if err := r.b.unpause(tx); err != nil {
			return err
		}
	}
	if res.call != nil {
		if err := r.b.auditOwn(tx, "api", res.request, "", res.call); err != nil {
			return err
		}
	}
	if err := r.unlessTold(tx, res.request, res.outcomes); err != nil {
		return err
	}
	if _, err := tx.PutOutcomes(res.request, res.outcomes); err != nil {
		return err
	}
	if res.condemn != nil {
		if err := r.condemn(tx, res.request, res.condemn); err != nil {
			return err
		}
	}
	batch := res.batch
	batch.State = BatchDone
	var split []Batch
	for _, s := range res.single {
		one := Batch{Seqs: []recall.Seq{s}, State: BatchPending, Single: true, Doubted: batch.Doubted, Unread: batch.Unread, Attempts: batch.Attempts}
		if res.counts {
			one.Attempts++
		}
		if res.after > 0 {
			one.After = tx.Now().Add(res.after)
		}
		split = append(split, one)
	}
	for _, s := range slices.Sorted(maps.Keys(res.reread)) {
		split = append(split, Batch{Seqs: []recall.Seq{s}, State: BatchDoubt, Single: true, Doubted: true, Attempts: batch.Attempts})
	}
	switch {
	case len(res.back) > 0:
		batch.State, batch.Unread = BatchPending, batch.Unread || res.unread
		if res.counts {
			batch.Attempts++
		}
		if batch.After = (time.Time{}); res.after > 0 {
			batch.After = tx.Now().Add(res.after)
		}
		if len(res.doubt) > 0 {
			split = append(split, Batch{Seqs: res.doubt, State: BatchDoubt, Doubted: true, Attempts: batch.Attempts})
		}
	case len(res.doubt) > 0 && len(res.outcomes) == 0 && len(split) == 0:
		batch.State, batch.Doubted = BatchDoubt, true
	case len(res.doubt) > 0:
		split = append(split, Batch{Seqs: res.doubt, State: BatchDoubt, Doubted: true, Attempts: batch.Attempts})
	}
	if err := tx.PutBatches(res.request, []Batch{batch}); err != nil {
		return err
	}
	if len(split) == 0 {
		return nil
	}
	return tx.AddBatches(res.request, split)
}

// unlessTold makes what a lost answer leaves unknown recalled, where a callback has told so.
func (r *runner) unlessTold(tx Tx, id RequestID, outcomes map[recall.Seq]Outcome) error {
	if !r.b.o.Callbacks || len(outcomes) == 0 {
		return nil
	}
	req, err := tx.Request(id)
	if err != nil {
		return err
	}
	return r.b.unlessTold(tx, req, outcomes)
}

// condemn ends what is left of a request, because the service refuses the request as a whole. Messages in doubt are read first; what is on its
// way gets its own answer.
func (r *runner) condemn(tx Tx, id RequestID, e *recall.Error) error {
	pending, err := tx.Batches(id, 1<<20, BatchPending)
	if err != nil {
		return err
	}
	for i := range pending {
		out := map[recall.Seq]Outcome{}
		for _, s := range pending[i].Seqs {
			if out[s] = outcomeOfCode(e.Code, e.Info, tx.Now()); pending[i].Unread {
				out[s] = Outcome{Class: ClassUnknown, Why: WhyNoAnswer, At: tx.Now()}
			}
		}
		if err := r.unlessTold(tx, id, out); err != nil {
			return err
		}
		if _, err := tx.PutOutcomes(id, out); err != nil {
			return err
		}
		pending[i].State = BatchDone
	}
	return tx.PutBatches(id, pending)
}

// finish ends a request whose every message has its outcome, once it is known what the outcomes rest on or that has been waited for long enough.
func (r *runner) finish(tx Tx, id RequestID) error {
	open, err := tx.Batches(id, 1, BatchPending, BatchSending, BatchDoubt)
	if err != nil || len(open) > 0 {
		return err
	}
	req, err := tx.Request(id)
	if err != nil || req.State != Running && req.State != Stopping {
		return err
	}
	if wait, err := r.confirming(tx, req); err != nil {
		return err
	} else if wait && req.Settled.IsZero() {
		req.Settled = tx.Now()
		return tx.PutRequest(req)
	} else if wait {
		return nil
	}
	if req, err = Finish(req, tx.Now()); err != nil {
		return err
	}
	if err := r.b.auditOwn(tx, string(req.State), id, req.Digest, nil); err != nil {
		return err
	}
	return r.b.putEnded(tx, req, WhyStopped)
}

// advance starts what can be started: preparations, requests that were approved, readings of doubt, and calls. idle says that nothing was.
func (r *runner) advance() (idle bool, err error) {
	var jobs []job
	var toPrepare []RequestID
	var toRead []job
	var took []RequestID
	var back map[RequestID]*readBack
	confirmed := map[RequestID]Request{}
	idle = true
	err = r.b.o.Ledger.Tx(r.ctx, func(tx Tx) error {
		jobs, toPrepare, toRead, took, back, idle = nil, nil, nil, nil, map[RequestID]*readBack{}, true
		if err := tx.Fence(r.lease); err != nil {
			return err
		}
		requests, err := tx.Requests(Query{App: r.b.o.App, States: workStates, Limit: 1000})
		if err != nil {
			return err
		}
		slices.SortStableFunc(requests, func(a, b Request) int { return cmp.Compare(a.Tally.Send, b.Tally.Send) })
		var running []Request
		for _, req := range requests {
			switch req.State {
			case Preparing:
				if !r.preparing[req.ID] {
					toPrepare = append(toPrepare, req.ID)
				}
			case Approved:
				if req, err = r.begin(tx, req); err != nil {
					return err
				}
				if req.State == Running {
					running = append(running, req)
				}
				idle = false
			case Running, Stopping:
				if !r.tookOver[req.ID] {
					if err := r.takeOver(tx, req); err != nil {
						return err
					}
					took = append(took, req.ID)
				}
				if req.Confirming() {
					if err := r.finish(tx, req.ID); err != nil {
						return err
					}
					if req, err = tx.Request(req.ID); err != nil {
						return err
					}
					if !req.Confirming() {
						continue
					}
					found, err := r.toReadBack(tx, req)
					if err != nil {
						return err
					}
					if found != nil {
						back[req.ID], confirmed[req.ID] = found, req
					}
					continue
				}
				if req.State == Stopping {
					if err := r.stop(tx, req); err != nil {
						return err
					}
				} else {
					running = append(running, req)
				}
				doubt, err := tx.Batches(req.ID, settlersMost, BatchDoubt)
				if err != nil {
					return err
				}
				for _, bt := range doubt {
					if len(bt.Seqs) > 0 {
						toRead = append(toRead, job{request: req, batch: bt})
					} else if err := r.empty(tx, req.ID, bt); err != nil {
						return err
					}
				}
			}
		}
		jobs, err = r.claim(tx, running)
		return err
	})
	if err != nil {
		return idle, err
	}
	for _, id := range took {
		r.tookOver[id] = true
	}
	for _, id := range toPrepare {
		idle = false
		r.preparing[id] = true
		r.wg.Go(func() {
			if err := r.b.prepare(r.ctx, r.lease, id); err != nil && r.ctx.Err() == nil {
				r.b.log.Error("preparing failed; it will be tried again", "request", id, "err", err)
				sleep(r.ctx, readRetry)
			}
			r.results <- result{request: id}
		})
	}
	for _, j := range jobs {
		idle = false
		r.flying++
		r.wg.Go(func() { r.results <- r.send(j) })
	}
	for _, j := range toRead {
		idle = false
		r.read(j)
	}
	for id, found := range back {
		idle = false
		r.readBack(confirmed[id], found)
	}
	return idle, nil
}

// empty ends a batch whose every message has got its outcome elsewhere, from a callback.
func (r *runner) empty(tx Tx, id RequestID, bt Batch) error {
	bt.State = BatchDone
	if err := tx.PutBatches(id, []Batch{bt}); err != nil {
		return err
	}
	return r.finish(tx, id)
}

// begin marks an approved request as running: what is not to be sent gets its outcome, the rest its batches.
func (r *runner) begin(tx Tx, req Request) (Request, error) {
	if p, err := tx.Paused(req.App); err != nil || p != nil && ahead(tx, p.Next, probeEvery) {
		return req, err // it waits; StartWithin ends the wait
	}
	now := tx.Now()
	next, err := Begin(req, now)
	if err != nil {
		return req, err
	}
	if err := tx.PutRequest(next); err != nil {
		return req, err
	}
	var batch []recall.Seq
	var batches []Batch
	for from := recall.Seq(0); ; {
		page, err := tx.Messages(req.ID, from, 1000)
		if err != nil {
			return req, err
		}
		outcomes := map[recall.Seq]Outcome{}
		for _, m := range page {
			if !m.Sends() {
				outcomes[m.Seq] = outcomeOfSeal(m, now)
				continue
			}
			if batch = append(batch, m.Seq); len(batch) == recall.MaxRecallSeqs {
				batches = append(batches, Batch{Seqs: batch, State: BatchPending})
				batch = nil
			}
		}
		if _, err := tx.PutOutcomes(req.ID, outcomes); err != nil {
			return req, err
		}
		if len(page) < 1000 {
			break
		}
		from = page[len(page)-1].Seq + 1
	}
	if len(batch) > 0 {
		batches = append(batches, Batch{Seqs: batch, State: BatchPending})
	}
	if err := tx.AddBatches(req.ID, batches); err != nil {
		return req, err
	}
	if err := tx.SetDue(Due{req.ID, DueStart, now.Add(req.Policy.StartWithin)}); err != nil {
		return req, err
	}
	if err := r.b.auditOwn(tx, "running", req.ID, req.Digest, map[string]any{"batches": len(batches)}); err != nil {
		return req, err
	}
	tx.Wake(WakeTimer)
	return next, r.b.show(tx, req.ID)
}

// takeOver puts in doubt what holders before this one had claimed: their calls may have been executed.
func (r *runner) takeOver(tx Tx, req Request) error {
	sending, err := tx.Batches(req.ID, 1<<20, BatchSending)
	if err != nil {
		return err
	}
	sending = slices.DeleteFunc(sending, func(bt Batch) bool { return bt.Epoch >= r.lease.Epoch })
	if len(sending) == 0 {
		return nil
	}
	for i := range sending {
		sending[i].State, sending[i].Doubted = BatchDoubt, true
	}
	if err := r.b.auditOwn(tx, "in doubt after a takeover", req.ID, req.Digest, map[string]any{"batches": len(sending)}); err != nil {
		return err
	}
	if err := tx.PutBatches(req.ID, sending); err != nil {
		return err
	}
	var seqs []recall.Seq
	for _, bt := range sending {
		seqs = append(seqs, bt.Seqs...)
	}
	return r.tellApart(tx, req.ID, seqs)
}

// stop ends what a stopping request has not claimed, and what cannot be found out in time. Doubt that can be read still is.
func (r *runner) stop(tx Tx, req Request) error {
	r.stopping.Store(req.ID, true)
	pending, err := tx.Batches(req.ID, 1<<20, BatchPending)
	if err != nil {
		return err
	}
	late := !tx.Now().Before(req.StopAt.Add(req.Policy.StartWithin))
	live := req.Group.Type != "" && !req.Group.Type.HasHistory()
	if r.b.o.Callbacks && live { // only a callback can tell
		live = !tx.Now().Before(req.StopAt.Add(callbackWithin))
	}
	if late || live {
		doubt, err := tx.Batches(req.ID, 1<<20, BatchDoubt)
		if err != nil {
			return err
		}
		pending = append(pending, doubt...)
	}
	for i, bt := range pending {
		o := Outcome{Class: ClassNotSent, Why: WhyStopped, At: tx.Now()}
		if r.unread[batchID{req.ID, bt.N}] && req.EndedBy.Zero() { // nobody stopped it: time did, while it waited to be read again
			o.Why = WhyNotReadAgain
		}
		if bt.State == BatchDoubt || bt.Unread || bt.Doubted {
			// What may have reached the service is never "not sent".
			o = Outcome{Class: ClassUnknown, Why: WhyNoAnswer, At: tx.Now()}
			if bt.State == BatchPending && !bt.Unread {
				o.Why = WhyStillThere // it was read, and waited to be sent again
			}
		}
		out := map[recall.Seq]Outcome{}
		for _, s := range bt.Seqs {
			out[s] = o
		}
		if err := r.unlessTold(tx, req.ID, out); err != nil {
			return err
		}
		if _, err := tx.PutOutcomes(req.ID, out); err != nil {
			return err
		}
		pending[i].State = BatchDone
	}
	if err := tx.PutBatches(req.ID, pending); err != nil {
		return err
	}
	if len(pending) > 0 {
		if err := r.b.show(tx, req.ID); err != nil {
			return err
		}
	}
	return r.finish(tx, req.ID)
}

// claim takes batches to be sent: at most what fills the flight, small requests first, each at least its share. A paused app gets
// one, when its probe is due.
func (r *runner) claim(tx Tx, running []Request) ([]job, error) {
	if time.Now().Before(r.first) || !r.held() {
		return nil, nil
	}
	room := min(inFlight-r.flying, max(1, r.b.o.CallsPerSecond/10))
	p, err := tx.Paused(r.b.o.App)
	if err != nil {
		return nil, err
	}
	if p != nil {
		if ahead(tx, p.Next, probeEvery) || r.flying > 0 {
			return nil, nil
		}
		room = 1
	}
	var jobs []job
	taken := map[RequestID]int{}
	for pass := range 2 {
		for i, req := range running {
			share := room - len(jobs)
			if pass == 0 {
				share = max(1, share/(len(running)-i))
			}
			share = min(share, room-len(jobs))
			if share <= 0 {
				break
			}
			found, err := tx.Batches(req.ID, share+taken[req.ID]+inFlight, BatchPending)
			if err != nil {
				return nil, err
			}
			var claimed []Batch
			for _, bt := range found {
				if len(claimed) == share {
					break
				}
				if len(bt.Seqs) == 0 {
					if err := r.empty(tx, req.ID, bt); err != nil {
						return nil, err
					}
					continue
				}
				if ahead(tx, bt.After, retryMost) {
					continue
				}
				bt.State, bt.Epoch = BatchSending, r.lease.Epoch
				claimed = append(claimed, bt)
			}
			if err := tx.PutBatches(req.ID, claimed); err != nil {
				return nil, err
			}
			taken[req.ID] += len(claimed)
			for _, bt := range claimed {
				jobs = append(jobs, job{req, bt, tx.Now()})
			}
		}
	}
	if p != nil && len(jobs) > 0 {
		p.Next = tx.Now().Add(probeEvery)
		if err := tx.Pause(r.b.o.App, p); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// send makes the call of one claimed batch and says what its answer means. It stores nothing.
func (r *runner) send(j job) result {
	res := result{request: j.request.ID, batch: j.batch, outcomes: map[recall.Seq]Outcome{}, reread: map[recall.Seq]Outcome{}}
	seqs, err := r.readAgain(j, &res)
	if err != nil {
		res.back, res.counts, res.after, res.reading = j.batch.Seqs, true, backoff(j.batch.Attempts), true
		if kind, api := judgeRead(err); kind == readAppPaused {
			res.pause = api
		}
		return res
	}
	if len(seqs) == 0 {
		return res
	}
	answer, err := r.b.o.Chat.GroupMsgRecall(r.calls, recall.RecallRequest{
		Group: j.request.Scope.Group, Topic: j.request.Scope.Topic, Seqs: seqs, Reason: r.b.o.Reason,
		Before: func() error {
			if _, stopping := r.stopping.Load(j.request.ID); stopping {
				return errStopping
			}
			if r.ctx.Err() != nil || !r.held() {
				return errNotHeld
			}
			return nil
		},
	})
	now := time.Now().Truncate(time.Millisecond)
	res.call = callDetail(j, seqs, answer, err)
	if err != nil {
		r.judge(&res, j, seqs, err, now)
		r.readAfter(&res, j)
		return res
	}
	res.answered = true
	for _, s := range seqs {
		code, ok := answer.Codes[s]
		switch {
		case !ok:
			res.doubt = append(res.doubt, s)
		default:
			r.judgeCode(&res, j, s, code, "", now)
		}
	}
	r.readAfter(&res, j)
	return res
}

// readAfter reads those messages that were in doubt before this call and got a final code from it: the code may come from the lost call having recalled them. What
// cannot be read stays in doubt.
func (r *runner) readAfter(res *result, j job) {
	if len(res.reread) == 0 {
		return
	}
	found, err := r.b.readSeqs(r.ctx, j.request.Scope, MakeRanges(slices.Collect(maps.Keys(res.reread))...))
	if err != nil {
		return
	}
	now := time.Now().Truncate(time.Millisecond)
	for s, o := range res.reread {
		if shown := outcomeOfHistory(found, s, now); shown.Settled() {
			o = shown
		}
		res.outcomes[s] = o
	}
	res.reread = nil
}

// outcomeOfHistory is what history says of a message that may have been recalled; the zero Outcome when it is still there.
func outcomeOfHistory(found map[recall.Seq]recall.Message, s recall.Seq, now time.Time) Outcome {
	switch m, ok := found[s]; {
	case !ok:
		return Outcome{Class: ClassUnknown, Why: WhyMissingHistory, At: now}
	case m.Status == recall.StatusRecalled:
		return Outcome{Class: ClassRecalled, Why: WhyVerified, At: now, Confirmed: ByHistory}
	case m.Status == recall.StatusDeletedOrExpired:
		return Outcome{Class: ClassNotFound, Why: WhyGone, At: now, Confirmed: ByHistory}
	}
	return Outcome{}
}

// callDetail is what the audit log keeps of a call: which messages, and what was answered. No content.
func callDetail(j job, seqs []recall.Seq, a recall.RecallAnswer, err error) map[string]any {
	if errors.Is(err, recall.ErrNotSent) {
		return nil
	}
	d := map[string]any{"op": "group_msg_recall", "batch": j.batch.N, "seqs": MakeRanges(seqs...).String()}
	if err != nil {
		d["error"] = err.Error()
		return d
	}
	codes := map[string][]recall.Seq{}
	for s, c := range a.Codes {
		codes[codeDigits(c)] = append(codes[codeDigits(c)], s)
	}
	said := map[string]string{}
	for c, list := range codes {
		said[c] = MakeRanges(list...).String()
	}
	d["codes"] = said
	return d
}

// judgeCode decides what a code for one message means.
func (r *runner) judgeCode(res *result, j job, s recall.Seq, code recall.Code, info string, now time.Time) {
	if code != recall.CodeOK {
		switch code.Class() {
		case recall.ClassUnknownOutcome:
			res.doubt = append(res.doubt, s)
			return
		case recall.ClassRetry, recall.ClassSlower, recall.ClassWait, recall.ClassSignAgain:
			if j.batch.Attempts < retriesApp {
				res.back, res.counts, res.after = append(res.back, s), true, backoff(j.batch.Attempts)
				return
			}
		}
		switch {
		case j.batch.Unread:
			res.outcomes[s] = Outcome{Class: ClassUnknown, Why: WhyNoAnswer, Code: code, At: now}
			return
		}
	}
	o := outcomeOfCode(code, info, now)
	if o.Class == ClassRefused && !code.Known() && info == "" {
		o.Info = code.Meaning()
	}
	if code != recall.CodeOK && j.batch.Doubted { // it may have been our own lost call that recalled it
		res.reread[s] = o
		return
	}
	res.outcomes[s] = o
}

// judge decides what a failed call means for its batch, its request and the app.
func (r *runner) judge(res *result, j job, seqs []recall.Seq, err error, now time.Time) {
	if errors.Is(err, recall.ErrNotSent) {
		res.back = seqs
		if !errors.Is(err, errNotHeld) && !errors.Is(err, errStopping) {
			res.counts, res.after = true, backoff(j.batch.Attempts)
		}
		return
	}
	api, ok := errors.AsType[*recall.Error](err)
	if !ok {
		res.doubt = seqs // a lost or unreadable answer: it may have been executed
		return
	}
	res.answered = true
	switch class := api.Code.Class(); {
	case class == recall.ClassUnknownOutcome:
		res.doubt = seqs
	case pauses(api.Code):
		res.back, res.pause = seqs, api
	case class == recall.ClassRetry && j.batch.Attempts >= retriesApp:
		res.back, res.pause = seqs, api
	case class == recall.ClassRetry || class == recall.ClassSlower || class == recall.ClassWait || class == recall.ClassSignAgain:
		res.back, res.counts, res.after = seqs, true, backoff(j.batch.Attempts)
		if class == recall.ClassSlower {
			res.counts, res.after = false, 0 // the pacer has halved its pace; the next slot will do
		}
	case api.Code.Level() == recall.LevelRequest:
		for _, s := range seqs {
			r.judgeCode(res, j, s, api.Code, api.Info, now)
		}
		res.condemn = api
	case triedSingly(api.Code) && len(seqs) > 1:
		res.single = seqs
	default:
		for _, s := range seqs {
			r.judgeCode(res, j, s, api.Code, api.Info, now)
		}
	}
}

// triedSingly reports whether a code in the envelope may come from one message of a batch, so that the others deserve a try of their own.
func triedSingly(c recall.Code) bool {
	switch c {
	case recall.CodeBadParameter, recall.CodeNoMessage, recall.CodeTooOld, recall.CodeCannotBeRecalled:
		return true
	}
	return false
}

// ahead reports whether at is still to come. What was put off by most at most and lies further ahead was put off before the ledger's
// clock was set back: it is due.
func ahead(tx Tx, at time.Time, most time.Duration) bool {
	left := at.Sub(tx.Now())
	return left > 0 && left <= most
}

// backoff is the pause before the next try, after so many before.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts, 10), retryMost)
}

// readAgain reads those messages of a claimed batch again that must be: blind ones, and those read too long ago. What has changed since the
// seal gets its outcome in res; the others are returned, to be sent.
func (r *runner) readAgain(j job, res *result) ([]recall.Seq, error) {
	live := j.request.Group.Type != "" && !j.request.Group.Type.HasHistory()
	oldest := j.request.Tally.Read
	fresh := !j.request.Blind && !r.b.o.Callbacks && !oldest.IsZero() && j.claimed.Sub(oldest) <= rereadAfter // and nobody tells of recalls
	if live || fresh || j.batch.Doubted {                                                                     // a batch that was in doubt has just been read, or cannot be
		return j.batch.Seqs, nil
	}
	var stored map[recall.Seq]Message
	var key []byte
	stale := Ranges(nil)
	err := r.b.o.Ledger.View(r.ctx, func(tx Tx) error {
		stored = map[recall.Seq]Message{}
		var old []recall.Seq
		told, err := tx.Removals(j.request.App, j.request.Scope.Group, j.request.Scope.Topic, j.batch.Seqs, j.request.Sealed)
		if err != nil {
			return err
		}
		for _, run := range MakeRanges(j.batch.Seqs...) {
			page, err := tx.Messages(j.request.ID, run.From, int(run.To-run.From)+1)
			if err != nil {
				return err
			}
			for _, m := range page {
				if slices.Contains(j.batch.Seqs, m.Seq) {
					stored[m.Seq] = m
					if _, removed := told[m.Seq]; m.Status == SealUnread || !m.Callback && (removed || tx.Now().Sub(m.Read) > rereadAfter) {
						old = append(old, m.Seq)
					}
				}
			}
		}
		if stale = MakeRanges(old...); stale.Count() == 0 {
			return nil
		}
		if key, err = tx.EvidenceKey(j.request.ID); errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || stale.Count() == 0 {
		return j.batch.Seqs, err
	}
	found, err := r.b.readSeqs(r.ctx, j.request.Scope, stale)
	if err != nil {
		if kind, _ := judgeRead(err); j.request.Blind && kind == readLater || kind == readNever {
			return j.batch.Seqs, nil // still cannot be read: it is sent, as it was approved
		}
		return nil, err
	}
	now := time.Now().Truncate(time.Millisecond)
	var send []recall.Seq
	for _, s := range j.batch.Seqs {
		if !stale.Contains(s) {
			send = append(send, s)
			continue
		}
		if o := changedSince(j.request, stored[s], found, s, key, now); o.Settled() {
			res.outcomes[s] = o
		} else {
			send = append(send, s)
		}
	}
	return send, nil
}

// changedSince compares a message with its seal. The zero Outcome means that it is what was approved.
func changedSince(req Request, was Message, found map[recall.Seq]recall.Message, s recall.Seq, key []byte, now time.Time) Outcome {
	is, ok := found[s]
	switch {
	case !ok:
		return Outcome{Class: ClassNotSent, Why: WhyDidNotExist, At: now}
	case is.Status == recall.StatusRecalled:
		return Outcome{Class: ClassAlready, At: now, Confirmed: ByHistory}
	case is.Status == recall.StatusDeletedOrExpired:
		return Outcome{Class: ClassNotFound, Why: WhyGone, At: now, Confirmed: ByHistory}
	case req.Policy.IsProtected(is.From):
		return Outcome{Class: ClassNotSent, Why: WhyProtected, At: now}
	case was.Status == SealUnread:
		if is.Time.After(req.Sealed) {
			return Outcome{Class: ClassNotSent, Why: WhyDidNotExist, At: now}
		}
		return Outcome{}
	case is.From != was.Sender, !is.Time.Equal(was.Sent), key != nil && !slices.Equal(ContentHMAC(key, is), was.HMAC):
		return Outcome{Class: ClassNotSent, Why: WhyChanged, At: now}
	}
	return Outcome{}
}

// read finds out about a batch in doubt by reading history.
func (r *runner) read(j job) {
	id := batchID{j.request.ID, j.batch.N}
	d := r.settling[id]
	if d == nil {
		d = &doubtful{}
		r.settling[id] = d
	}
	if d.busy || time.Now().Before(d.after) {
		return
	}
	busy := 0
	for _, other := range r.settling {
		if other.busy {
			busy++
		}
	}
	if busy >= settlersMost {
		return
	}
	d.busy = true
	longEnough := !d.since.IsZero() && time.Since(d.since) >= readDoubtFor
	r.wg.Go(func() { r.results <- r.settle(j, longEnough) })
}

// settle decides a doubt by what history says. longEnough says that reading has failed for so long that the batch is sent again unread.
func (r *runner) settle(j job, longEnough bool) result {
	res := result{request: j.request.ID, batch: j.batch, read: true, outcomes: map[recall.Seq]Outcome{}}
	sendAgain := j.request.State == Running
	live := j.request.Group.Type != "" && !j.request.Group.Type.HasHistory()
	unread := func() result {
		res.back, res.unread, res.counts, res.after = j.batch.Seqs, true, true, backoff(j.batch.Attempts)
		return res
	}
	if live && sendAgain {
		return unread()
	}
	found, err := r.b.readSeqs(r.ctx, j.request.Scope, MakeRanges(j.batch.Seqs...))
	if err != nil {
		if kind, api := judgeRead(err); kind == readAppPaused {
			r.b.log.Warn("a doubt cannot be read while the app is refused", "request", j.request.ID, "err", api)
		} else if sendAgain && (kind == readNever || kind == readRefused || longEnough) {
			return unread()
		}
		res.again = true
		return res
	}
	now := time.Now().Truncate(time.Millisecond)
	res.call = readDetail(j, found)
	for _, s := range j.batch.Seqs {
		switch o := outcomeOfHistory(found, s, now); {
		case o.Settled():
			res.outcomes[s] = o
		case sendAgain:
			res.single = append(res.single, s)
		default:
			res.outcomes[s] = Outcome{Class: ClassUnknown, Why: WhyStillThere, At: now, Confirmed: ByHistory}
		}
	}
	if sendAgain && len(res.outcomes) == 0 && !j.batch.Single {
		res.back, res.single = res.single, nil
	}
	// The first try after a doubt need not wait; a service that keeps losing answers is not hammered.
	if res.counts = true; j.batch.Attempts > 0 {
		res.after = backoff(j.batch.Attempts - 1)
	}
	return res
}

// readDetail is what the audit log keeps of the reading that settles a doubt: what history shows of which messages. No content.
func readDetail(j job, found map[recall.Seq]recall.Message) map[string]any {
	shows := map[string][]recall.Seq{}
	for _, s := range j.batch.Seqs {
		m, ok := found[s]
		what := "not there"
		switch {
		case ok && m.Status == recall.StatusRecalled:
			what = "recalled"
		case ok && m.Status == recall.StatusDeletedOrExpired:
			what = "expired or deleted"
		case ok:
			what = "still there"
		}
		shows[what] = append(shows[what], s)
	}
	said := map[string]string{}
	for what, seqs := range shows {
		said[what] = MakeRanges(seqs...).String()
	}
	return map[string]any{"op": "group_msg_get_simple", "batch": j.batch.N, "history": said}
}

// pauseApp stops everything for the app, and tells the operator.
func (b *Bot) pauseApp(ctx context.Context, l Lease, e *recall.Error) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		return b.pause(tx, e)
	})
}

func (b *Bot) pause(tx Tx, e *recall.Error) error {
	p, err := tx.Paused(b.o.App)
	if err != nil {
		return err
	}
	if p == nil {
		p = &Pause{Since: tx.Now()}
		b.log.Error("the Chat service refuses the app: nothing is sent until this is mended; it is tried again every minute", "code", int(e.Code), "meaning", e.Code.Meaning(), "err", e)
		if err := b.auditOwn(tx, "paused", "", "", map[string]any{"code": int(e.Code), "info": e.Info}); err != nil {
			return err
		}
	}
	p.Code, p.Info, p.Next = e.Code, e.Info, tx.Now().Add(probeEvery)
	if err := tx.Pause(b.o.App, p); err != nil {
		return err
	}
	return b.showOpen(tx)
}

// unpause ends a pause, where there is one.
func (b *Bot) unpause(tx Tx) error {
	p, err := tx.Paused(b.o.App)
	if err != nil || p == nil {
		return err
	}
	b.log.Info("the Chat service serves the app again")
	if err := tx.Pause(b.o.App, nil); err != nil {
		return err
	}
	if err := b.auditOwn(tx, "resumed", "", "", nil); err != nil {
		return err
	}
	return b.showOpen(tx)
}

// showOpen makes the teller draw every open request again.
func (b *Bot) showOpen(tx Tx) error {
	open, err := tx.Requests(Query{App: b.o.App, States: openStates(), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := b.show(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}
