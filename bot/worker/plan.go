package worker

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/recall"
)

// workStates are the states in which a request needs the app's lease.
var workStates = []bot.State{bot.Preparing, bot.Approved, bot.Running, bot.Stopping}

// plan is what a transaction found that can be started. It is started after the transaction has
// been committed.
type plan struct {
	idle     bool // there was nothing to do
	more     bool // there is more to do at once
	hungry   bool // more could have been claimed than there was room for
	jobs     []job
	prepare  []bot.Request
	over     []bot.RequestID // requests that have ended while they were prepared
	tookOver []bot.RequestID
	read     []job // doubts
	stopping []bot.RequestID
	after    later
	prove    []bot.Request
	proofs   []*proofRead // of each
}

// advance starts what can be started: preparations, approved requests, reads of doubt, and calls.
// It reads first, and writes only if there is something to write. idle says that nothing was
// started.
func (r *runner) advance() (idle bool, err error) {
	var p plan
	err = r.w.Ledger.View(r.ctx, func(tx bot.Tx) (err error) {
		if err := tx.Fence(r.Lease); err != nil {
			return err
		}
		p, err = r.plan(looking{tx})
		return err
	})
	for _, id := range p.stopping { // no call of it starts any more
		r.stopping.Store(id, true)
	}
	if errors.Is(err, errWrites) {
		err = r.w.Ledger.Tx(r.ctx, func(tx bot.Tx) (err error) {
			if err := tx.Fence(r.Lease); err != nil {
				return err
			}
			p, err = r.plan(tx)
			return err
		})
	}
	if err != nil {
		r.more, r.hungry = false, false
		r.doubts(err, func() { // claimed batches would be sent much later: they are put back
			p.after.run()
			for _, j := range p.jobs {
				retried := fate{request: j.request.ID, batch: j.batch, retry: j.batch.Seqs}
				r.pending = append(r.pending, &called{fate: retried})
			}
		})
		return false, err
	}
	r.more, r.hungry = p.more, p.hungry
	p.after.run()
	for _, id := range p.stopping {
		r.stopping.Store(id, true)
	}
	for _, id := range p.tookOver {
		r.tookOver[id] = true
	}
	for _, id := range p.over { // withdrawn, or too late: its messages are no longer read
		r.preparing[id]()
	}
	for _, req := range p.prepare {
		r.startPreparing(req)
	}
	for _, j := range p.jobs {
		r.flying++
		r.wg.Go(func() { r.results <- r.send(j) })
	}
	for _, j := range p.read {
		r.read(j)
	}
	for i, req := range p.prove {
		r.prove(req, p.proofs[i])
	}
	return p.idle && !p.more && len(p.prepare)+len(p.jobs)+len(p.read)+len(p.proofs) == 0, nil
}

// errWrites is the error of a plan that must write, in a transaction that only reads.
var errWrites = errors.New("there is something to write")

// looking is a transaction that only reads. The first change that a plan would make ends it with
// errWrites; a call that changes nothing succeeds.
type looking struct{ bot.Tx }

func (looking) PutRequest(bot.Request) error                    { return errWrites }
func (looking) Append(bot.Entry) (bot.Entry, error)             { return bot.Entry{}, errWrites }
func (looking) Pause(recall.SDKAppID, *bot.Pause) error         { return errWrites }
func (looking) Want(bot.RequestID) error                        { return errWrites }
func (looking) AddBatches(_ bot.RequestID, b []bot.Batch) error { return ifAny(len(b)) }
func (looking) PutBatches(_ bot.RequestID, b []bot.Batch) error { return ifAny(len(b)) }

func (looking) PutOutcomes(_ bot.RequestID, o map[bot.MessageID]bot.Outcome) (int, error) {
	return 0, ifAny(len(o))
}

func (looking) Confirm(_ bot.RequestID, m []bot.MessageID, _ bot.Confirmation) (int, error) {
	return 0, ifAny(len(m))
}

func ifAny(n int) error {
	if n > 0 {
		return errWrites
	}
	return nil
}

// plan finds what can be started, and writes the changes that this needs.
func (r *runner) plan(tx bot.Tx) (p plan, err error) {
	p.idle = true
	requests, err := tx.Requests(bot.Query{App: r.w.App, States: workStates, Limit: 1000})
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
	slices.SortStableFunc(requests, func(a, b bot.Request) int { return cmp.Compare(a.Tally.Send, b.Tally.Send) })
	var running, floods []bot.Request
	for _, req := range requests {
		switch req.State {
		case bot.Preparing:
			switch {
			case r.preparing[req.ID] != nil:
			case isFlood(req):
				floods = append(floods, req)
			default:
				p.prepare = append(p.prepare, req)
			}
		case bot.Approved:
			if req, err = r.begin(tx, req); err != nil {
				return p, err
			}
			if req.State == bot.Running {
				running = append(running, req)
			}
			p.idle = false
		case bot.Running, bot.Stopping:
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

// goOn continues a running or stopping request. It reports whether more of it may be sent.
func (r *runner) goOn(tx bot.Tx, req bot.Request, p *plan) (sends bool, err error) {
	if !r.tookOver[req.ID] {
		if err := r.takeOver(tx, req); err != nil {
			return false, err
		}
		p.tookOver = append(p.tookOver, req.ID)
	}
	if req.Confirming() {
		return false, r.confirm(tx, req.ID, p)
	}
	if req.State == bot.Stopping || req.Condemned() {
		if req.State == bot.Stopping {
			p.stopping = append(p.stopping, req.ID)
		}
		left, err := r.windDown(tx, req, &p.after)
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
	// batches that cannot be read now must not hide the others
	doubt, err := tx.Batches(req.ID, resolversMost+len(r.resolving), bot.BatchDoubt)
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

// confirm ends a request that waits only for confirmation, or finds which of its messages are to be
// read.
func (r *runner) confirm(tx bot.Tx, id bot.RequestID, p *plan) error {
	if err := r.finish(tx, id); err != nil {
		return err
	}
	req, err := tx.Request(id)
	if err != nil || !req.Confirming() {
		return err
	}
	next, err := r.nextProof(tx, req)
	if err == nil && next != nil {
		p.prove, p.proofs = append(p.prove, req), append(p.proofs, next)
	}
	return err
}

// isFlood reports whether a request asks for so many messages that only one such request is
// prepared at a time: a record of each message is held in memory until it is sealed.
func isFlood(req bot.Request) bool { return req.Count() > 10_000 }

// startPreparing starts to read the messages of a request.
func (r *runner) startPreparing(req bot.Request) {
	if isFlood(req) {
		r.flood = req.ID
	}
	ctx, end := context.WithCancel(r.ctx)
	r.preparing[req.ID] = end
	r.wg.Go(func() {
		if err := r.w.prepare(ctx, r.Lease, req.ID); err != nil && ctx.Err() == nil {
			r.w.Log.Error("preparing failed; it will be tried again", "request", req.ID, "err", err)
			history.Sleep(ctx, history.ReadRetry)
		}
		r.results <- ended{req.ID}
	})
}
