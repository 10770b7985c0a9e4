package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"recallbot/recall"
)

const (
	storeEvery = 100 * time.Millisecond // answers are stored together this often, and at once when nothing is in flight
	workPoll   = 2 * time.Second        // the slow look for work where no wake came
	holdPoll   = 500 * time.Millisecond // the same while the lease is held: what waits for its time is found by it
	heldPoll   = 400 * time.Millisecond // the same while another process holds the lease
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
		if err := b.auditOwn(tx, "started", "", "", map[string]any{"holder": b.o.Holder, "configuration": b.o.hash(), "roster": b.roster, "policy": b.o.Policy}); err != nil {
			return err
		}
		return b.restore(tx)
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
			h, err := b.take(ctx, name)
			switch {
			case err == nil:
				b.hold(ctx, h, wakes)
				continue
			case errors.Is(err, ErrHeld): // its holder may die
				poll = min(heldPoll, b.o.LeaseTTL/5)
			case ctx.Err() == nil:
				b.unheld.log(b.log, "cannot take the app's lease", err)
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
		b.unseen.log(b.log, "cannot look for work", err)
	}
	return len(found) > 0
}

// runner is the work of one holder of the app's lease.
type runner struct {
	b *Bot
	*holding
	// ctx ends when the process stops or the lease is lost. calls outlives it, so that answers in flight are awaited.
	ctx   context.Context
	calls context.Context

	first  time.Time // no recall before it: the window of a holder before this one
	called time.Time // when the last answer came

	results chan result
	wg      sync.WaitGroup

	// used by the loop alone
	pending   []result // not stored yet
	flying    int
	preparing map[RequestID]context.CancelFunc // ends the preparation, when the request has ended
	flood     RequestID                        // of those, the one that is a flood
	settling  map[batchID]*doubtful
	tookOver  map[RequestID]bool // what others had claimed of it is in doubt by now
	proofs    map[RequestID]*proof
	unread    map[batchID]bool // it waits, because it could not be read again
	more      bool             // there is more to do at once than the last transaction did
	hungry    bool             // more could have been claimed than there was room for

	// unsure is a transaction of which it is not known whether it was written. Nothing else is until that is found out; ifWritten is what is to be done then if it was.
	unsure    *Unsure
	ifWritten func()

	stopping sync.Map // RequestID: no call of it starts any more
}

// hold prepares and runs under one lease until there is nothing to do, the lease is lost, or ctx ends.
func (b *Bot) hold(ctx context.Context, h *holding, wakes <-chan struct{}) {
	b.leads.Store(true)
	defer b.leads.Store(false)
	runCtx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r := &runner{
		b: b, holding: h, ctx: runCtx, calls: context.WithoutCancel(ctx),
		results: make(chan result, b.flight()), preparing: map[RequestID]context.CancelFunc{}, settling: map[batchID]*doubtful{}, tookOver: map[RequestID]bool{},
		proofs: map[RequestID]*proof{}, unread: map[batchID]bool{},
	}
	if h.Prior != "" && h.Prior != b.o.Holder {
		r.first = time.Now().Add(b.o.Window)
	}
	var keeper sync.WaitGroup
	keeper.Go(func() { h.keep(runCtx, lost) })
	r.loop(wakes)
	lost(nil)
	keeper.Wait()
	r.drain()
	h.Rested = r.untilRested() <= 0
	if ctx.Err() != nil { // another process goes on at once
		h.giveUp(ctx, WakePreparer, WakeRunner)
	} else {
		h.giveUp(ctx)
	}
}

// untilRested returns how long it is until a window has passed since the last call under this lease, and since any under the one before it.
func (r *runner) untilRested() time.Duration {
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

var errStopping = errors.New("the request is being stopped")

// loop is the one goroutine that writes: it stores answers, claims batches, starts readings, and ends requests.
func (r *runner) loop(wakes <-chan struct{}) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	flight := r.b.flight()
	lastStore := time.Now()
	var looked time.Time
	woken := true
	for {
		resting, failed := time.Duration(0), false
		if err := r.findOut(); err != nil {
			failed = true
			r.b.unstored.log(r.b.log, "cannot find out whether answers were stored", err)
		} else if len(r.pending) > 0 && (r.flying == 0 || len(r.pending) >= flight/2 || time.Since(lastStore) >= storeEvery) || r.ctx.Err() != nil && r.flying == 0 {
			if err := r.store(); err != nil {
				if errors.Is(err, ErrFenced) || errors.Is(err, ErrEnded) {
					return
				}
				failed = true
				r.b.unstored.log(r.b.log, "cannot store answers; they are kept and stored later", err)
			}
			lastStore = time.Now()
			woken = true // what was stored may be gone on with
		}
		switch {
		case r.ctx.Err() != nil && r.flying == 0:
			if len(r.pending) == 0 && r.unsure == nil || !r.held() {
				return
			}
		case r.ctx.Err() == nil && r.unsure == nil && len(r.pending) < flight && (woken || r.hungry && r.flying <= flight-r.b.claimAtOnce()):
			woken = false
			idle, err := r.advance()
			if errors.Is(err, ErrFenced) || errors.Is(err, ErrEnded) {
				return
			}
			if err != nil {
				if r.ctx.Err() != nil {
					continue
				}
				failed = true
				r.b.unclaimed.log(r.b.log, "cannot claim work", err)
			}
			looked = time.Now()
			if idle && err == nil && r.flying == 0 && len(r.pending) == 0 && len(r.preparing) == 0 && !r.b.hasWork(r.ctx) {
				// Given up before a window has passed, the lease would make the next holder wait for it with its first call.
				if resting = r.untilRested(); resting <= 0 {
					return
				}
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

// doubts notes that it is not known whether a transaction was written, where err says so.
func (r *runner) doubts(err error, ifWritten func()) {
	if u, ok := errors.AsType[*Unsure](err); ok {
		r.unsure, r.ifWritten = u, ifWritten
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
		r.preparing[res.request]()
		delete(r.preparing, res.request)
		if r.flood == res.request {
			r.flood = ""
		}
	case res.read && res.again:
		d := r.settling[batchID{res.request, res.batch.N}]
		d.busy = false
		d.tries++
		d.after = time.Now().Add(min(readRetry<<min(d.tries, 5), readRetryMost))
		r.pending = append(r.pending, result{request: res.request, told: res.told, noted: true})
	case res.read: // until it is stored the batch is still seen in doubt, and must not be read a second time
		r.pending = append(r.pending, res)
	default:
		r.flying--
		r.called = time.Now()
		r.pending = append(r.pending, res)
	}
}

// finish ends a request whose every message has its outcome, once it is known what the outcomes rest on or that has been waited for long enough.
func (r *runner) finish(tx Tx, id RequestID) error {
	open, err := tx.Batches(id, 1, BatchPending, BatchSending, BatchDoubt)
	if err != nil || len(open) > 0 {
		return err
	}
	if rest, err := tx.Unbatched(id, 1); err != nil || len(rest) > 0 {
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

// plan is what a transaction found to be started. It is started once that is written.
type plan struct {
	idle     bool // there was nothing to do
	more     bool // there is more to do at once
	hungry   bool // more could have been claimed than there was room for
	jobs     []job
	prepare  []Request
	over     []RequestID // preparations of what has ended
	tookOver []RequestID
	read     []job // doubts
	readBack []Request
	back     []*readBack // of each
}

// advance starts what can be started: preparations, requests that were approved, readings of doubt, and calls. idle says that nothing was.
func (r *runner) advance() (idle bool, err error) {
	var p plan
	err = r.b.o.Ledger.Tx(r.ctx, func(tx Tx) (err error) {
		if err := tx.Fence(r.Lease); err != nil {
			return err
		}
		p, err = r.plan(tx)
		return err
	})
	if err != nil {
		r.more, r.hungry = false, false
		r.doubts(err, func() { // what was claimed is not sent so much later, unseen: it goes back
			for _, j := range p.jobs {
				r.pending = append(r.pending, result{request: j.request.ID, batch: j.batch, back: j.batch.Seqs})
			}
		})
		return false, err
	}
	r.more, r.hungry = p.more, p.hungry
	for _, id := range p.tookOver {
		r.tookOver[id] = true
	}
	for _, id := range p.over { // withdrawn, or too late: what it says is not asked for any more
		r.preparing[id]()
	}
	for _, req := range p.prepare {
		r.prepare(req)
	}
	for _, j := range p.jobs {
		r.flying++
		r.wg.Go(func() { r.results <- r.send(j) })
	}
	for _, j := range p.read {
		r.read(j)
	}
	for i, req := range p.readBack {
		r.readBack(req, p.back[i])
	}
	return p.idle && !p.more && len(p.prepare)+len(p.jobs)+len(p.read)+len(p.back) == 0, nil
}

// plan finds what can be started, and writes what that takes.
func (r *runner) plan(tx Tx) (p plan, err error) {
	p.idle = true
	requests, err := tx.Requests(Query{App: r.b.o.App, States: workStates, Limit: 1000})
	if err != nil {
		return p, err
	}
	for id := range r.preparing {
		if req, err := tx.Request(id); err != nil {
			return p, err
		} else if !req.State.Open() {
			p.over = append(p.over, id)
		}
	}
	slices.SortStableFunc(requests, func(a, b Request) int { return cmp.Compare(a.Tally.Send, b.Tally.Send) })
	var running, floods []Request
	for _, req := range requests {
		switch req.State {
		case Preparing:
			switch {
			case r.preparing[req.ID] != nil:
			case isFlood(req):
				floods = append(floods, req)
			default:
				p.prepare = append(p.prepare, req)
			}
		case Approved:
			if req, err = r.begin(tx, req); err != nil {
				return p, err
			}
			if req.State == Running {
				running = append(running, req)
			}
			p.idle = false
		case Running, Stopping:
			sends, err := r.goOn(tx, req, &p)
			if err != nil {
				return p, err
			}
			if sends {
				running = append(running, req)
			}
		}
	}
	if n := len(floods); n > 0 && r.flood == "" {
		p.prepare = append(p.prepare, floods[n-1]) // the one asked for first
	}
	jobs, left, hungry, err := r.claim(tx, running)
	p.jobs, p.more, p.hungry = jobs, p.more || left, hungry
	return p, err
}

// goOn goes on with a request that is running or stopping. It reports whether more of it may be sent.
func (r *runner) goOn(tx Tx, req Request, p *plan) (sends bool, err error) {
	if !r.tookOver[req.ID] {
		if err := r.takeOver(tx, req); err != nil {
			return false, err
		}
		p.tookOver = append(p.tookOver, req.ID)
	}
	if req.Confirming() {
		return false, r.confirm(tx, req.ID, p)
	}
	if req.State == Stopping || req.Condemned != nil {
		if req.State == Stopping {
			r.stopping.Store(req.ID, true)
		}
		left, err := r.windDown(tx, req)
		if err != nil {
			return false, err
		}
		p.more = p.more || left
		if err := r.finish(tx, req.ID); err != nil {
			return false, err
		}
	} else {
		sends = true
	}
	doubt, err := tx.Batches(req.ID, settlersMost+len(r.settling), BatchDoubt) // those that cannot be read now do not hide the others
	if err != nil {
		return false, err
	}
	for _, bt := range doubt {
		if len(bt.Seqs) > 0 {
			p.read = append(p.read, job{request: req, batch: bt})
		} else if err := r.empty(tx, req.ID, bt); err != nil {
			return false, err
		}
	}
	return sends, nil
}

// confirm ends a request that waits only for what its outcomes rest on, or finds what of it is to be read back.
func (r *runner) confirm(tx Tx, id RequestID, p *plan) error {
	if err := r.finish(tx, id); err != nil {
		return err
	}
	req, err := tx.Request(id)
	if err != nil || !req.Confirming() {
		return err
	}
	back, err := r.toReadBack(tx, req)
	if err == nil && back != nil {
		p.readBack, p.back = append(p.readBack, req), append(p.back, back)
	}
	return err
}

// isFlood reports whether a request asks for so many messages that it is prepared only when no other such is: a record of each message is held in memory until it is sealed.
func isFlood(req Request) bool { return req.Covers.Count() > 10_000 }

// prepare begins to read for a request.
func (r *runner) prepare(req Request) {
	if isFlood(req) {
		r.flood = req.ID
	}
	ctx, end := context.WithCancel(r.ctx)
	r.preparing[req.ID] = end
	r.wg.Go(func() {
		if err := r.b.prepare(ctx, r.Lease, req.ID); err != nil && ctx.Err() == nil {
			r.b.log.Error("preparing failed; it will be tried again", "request", req.ID, "err", err)
			sleep(ctx, readRetry)
		}
		r.results <- result{request: req.ID}
	})
}

// empty ends a batch whose every message has got its outcome elsewhere, from a callback.
func (r *runner) empty(tx Tx, id RequestID, bt Batch) error {
	bt.State = BatchDone
	if err := tx.PutBatches(id, []Batch{bt}); err != nil {
		return err
	}
	return r.finish(tx, id)
}

// begin marks an approved request as running. Its messages are batched as they are claimed.
func (r *runner) begin(tx Tx, req Request) (Request, error) {
	if p, err := tx.Paused(req.App); err != nil || p != nil && ahead(tx, p.Next, probeEvery) {
		return req, err // it waits; StartWithin ends the wait
	}
	now := tx.Now()
	if _, late := Pass(req, time.Time{}, now); late { // the timer is about to end it
		return req, nil
	}
	next, err := Begin(req, now)
	if err != nil {
		return req, err
	}
	if err := tx.PutRequest(next); err != nil {
		return req, err
	}
	if err := tx.SetDue(Due{req.ID, DueStart, now.Add(req.Policy.StartWithin)}); err != nil {
		return req, err
	}
	if err := r.b.auditOwn(tx, "running", req.ID, req.Digest, map[string]any{"send": req.Tally.Send}); err != nil {
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
	sending = slices.DeleteFunc(sending, func(bt Batch) bool { return bt.Epoch >= r.Lease.Epoch })
	if len(sending) == 0 {
		return nil
	}
	putInDoubt(sending)
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

// flight is how many batches are claimed and not yet answered, at most: those of a third of a second, so that calls of 0.3 s use the quota. More would only wait for their turn,
// and nobody could stop before it has come.
func (b *Bot) flight() int { return max(2, b.o.CallsPerSecond*64/200) }

// claimAtOnce is how many batches are claimed in one transaction, at most: a tenth of a second's.
func (b *Bot) claimAtOnce() int { return max(1, b.o.CallsPerSecond/10) }

// claim takes batches to be sent: at most what fills the flight, small requests first, each at least its share. A paused app gets
// one, when its probe is due. more says that a part of the rest gave few and there may be more of it, hungry that there was not room for all.
func (r *runner) claim(tx Tx, running []Request) (jobs []job, more, hungry bool, err error) {
	if time.Now().Before(r.first) || !r.held() {
		return nil, false, false, nil
	}
	room := min(r.b.flight()-r.flying, r.b.claimAtOnce())
	p, err := tx.Paused(r.b.o.App)
	if err != nil {
		return nil, false, false, err
	}
	if p != nil {
		if ahead(tx, p.Next, probeEvery) || r.flying > 0 {
			return nil, false, false, nil
		}
		room = 1
	}
	restored, err := restoredAt(tx)
	if err != nil {
		return nil, false, false, err
	}
	all := map[RequestID]bool{} // there is no more of it to claim now
	for pass := range 2 {
		for i, req := range running {
			if all[req.ID] {
				continue
			}
			share := room - len(jobs)
			if pass == 0 {
				share = max(1, share/(len(running)-i))
			}
			share = min(share, room-len(jobs))
			if share <= 0 {
				break
			}
			found, left, err := r.toClaim(tx, req, share)
			if err != nil {
				return nil, false, false, err
			}
			var claimed []Batch
			for _, bt := range found {
				if len(bt.Seqs) == 0 {
					if err := r.empty(tx, req.ID, bt); err != nil {
						return nil, false, false, err
					}
					continue
				}
				bt.State, bt.Epoch = BatchSending, r.Lease.Epoch
				claimed = append(claimed, bt)
			}
			if err := tx.PutBatches(req.ID, claimed); err != nil {
				return nil, false, false, err
			}
			all[req.ID] = len(found) < share
			more = more || left || len(found) == share && len(claimed) < share
			for _, bt := range claimed {
				jobs = append(jobs, job{req, bt, tx.Now(), restored})
			}
		}
	}
	if p != nil && len(jobs) > 0 {
		p.Next = tx.Now().Add(probeEvery)
		if err := tx.Pause(r.b.o.App, p); err != nil {
			return nil, false, false, err
		}
	}
	return jobs, more, len(jobs) == room, nil
}

// putOffMost is how many batches of a request may be put off when more of it is begun. Where so many are, the service is away, and calls that fail help nobody.
const putOffMost = 64

// toClaim returns up to limit batches that are due to be sent, and makes some of a part of the rest where there are fewer. more says that this gave few, and that there may
// be more.
func (r *runner) toClaim(tx Tx, req Request, limit int) (due []Batch, more bool, err error) {
	due, putOff, err := dueBatches(tx, req.ID, limit)
	if err != nil || len(due) == limit || putOff >= putOffMost {
		return due, false, err
	}
	made, more, err := batchRest(tx, req)
	if err == nil && made > 0 {
		due, _, err = dueBatches(tx, req.ID, limit)
	}
	switch {
	case err != nil:
		return nil, false, err
	case len(due) > 0:
		return due, more && len(due) < limit, nil
	case made > 0: // in doubt: they are read first
		return nil, false, nil
	case putOff > 0:
		return nil, more, nil
	}
	return nil, more, r.finish(tx, req.ID)
}

// dueBatches returns up to limit batches that are to be sent now, and how many of those that it saw are put off.
func dueBatches(tx Tx, id RequestID, limit int) (due []Batch, putOff int, err error) {
	all, err := tx.Batches(id, limit+putOffMost, BatchPending)
	if err != nil {
		return nil, 0, err
	}
	for _, bt := range all {
		switch {
		case ahead(tx, bt.After, retryMost):
			putOff++
		case len(due) < limit:
			due = append(due, bt)
		}
	}
	return due, putOff, nil
}

// ahead reports whether at is still to come. What was put off by most at most and lies further ahead was put off before the ledger's
// clock was set back: it is due.
func ahead(tx Tx, at time.Time, most time.Duration) bool {
	left := at.Sub(tx.Now())
	return left > 0 && left <= most
}
