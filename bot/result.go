package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/recall"
)

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
	told     []told        // what was called for it, with the answers, and what that showed
	noted    bool          // nothing but told is to be stored
}

// store writes what came back, in one transaction under the lease.
func (r *runner) store() error {
	if len(r.pending) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.calls, 10*time.Second)
	defer cancel()
	err := r.b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(r.Lease); err != nil {
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
			if !res.noted {
				touched[res.request] = append(touched[res.request], res.batch.Seqs...)
			}
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
	n := len(r.pending)
	if err != nil {
		r.doubts(err, func() { r.stored(n) })
		return err
	}
	r.stored(n)
	return nil
}

// stored takes the first n results as stored.
func (r *runner) stored(n int) {
	for _, res := range r.pending[:n] {
		if res.read {
			delete(r.settling, batchID{res.request, res.batch.N})
		}
		if res.proof != nil {
			r.proofs[res.request].tookBack(res.proof)
		}
	}
	r.pending = slices.Delete(r.pending, 0, n)
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
	return !res.noted && res.proof == nil && res.pause == nil && res.condemn == nil && len(res.back)+len(res.doubt)+len(res.single)+len(res.reread) == 0
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
		if err := r.b.auditTold(tx, res.request, res.told); err != nil {
			return err
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
	if res.noted {
		return r.b.auditTold(tx, res.request, res.told)
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
	if err := r.b.auditTold(tx, res.request, res.told); err != nil {
		return err
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
	if res.read { // what could not be read before may have been now
		batch.Unread = res.unread
	}
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
	doubt := Batch{Seqs: res.doubt, State: BatchDoubt, Doubted: true, Attempts: batch.Attempts}
	switch {
	case len(res.back) > 0:
		batch.State = BatchPending
		if res.counts {
			batch.Attempts++
		}
		if batch.After = (time.Time{}); res.after > 0 {
			batch.After = tx.Now().Add(res.after)
		}
		if len(res.doubt) > 0 {
			split = append(split, doubt)
		}
	case len(res.doubt) > 0 && len(res.outcomes) == 0 && len(split) == 0:
		batch.State, batch.Doubted = BatchDoubt, true
	case len(res.doubt) > 0:
		split = append(split, doubt)
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

// condemn notes that the service refuses the request as a whole: what is left of it is wound down.
func (r *runner) condemn(tx Tx, id RequestID, e *recall.Error) error {
	req, err := tx.Request(id)
	if err != nil || req.Condemned != nil {
		return err
	}
	req.Condemned = &Condemnation{Code: e.Code, Info: e.Info}
	return tx.PutRequest(req)
}
