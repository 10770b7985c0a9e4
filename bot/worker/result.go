package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// store writes what came back, in one transaction under the lease.
func (r *runner) store() error {
	if len(r.pending) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.calls, 10*time.Second)
	defer cancel()
	var after later
	err := r.w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		after = nil
		if err := tx.Fence(r.Lease); err != nil {
			return err
		}
		touched := map[bot.RequestID][]recall.Seq{}
		if err := r.applyPlain(tx, &after); err != nil {
			return err
		}
		for _, res := range r.pending {
			if res.plain() {
				touched[res.request] = append(touched[res.request], res.batch.Seqs...)
				continue
			}
			if err := r.apply(tx, res, &after); err != nil {
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
			if err := r.w.Show(tx, id); err != nil {
				return err
			}
			if err := r.finish(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	n := len(r.pending)
	after.add(func() { r.stored(n) })
	if err != nil {
		r.doubts(err, after.do)
		return err
	}
	after.do()
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

// applyPlain writes the plain results, which are nearly all, together: a statement for each would
// take longer than the calls.
func (r *runner) applyPlain(tx bot.Tx, after *later) error {
	outcomes, done := map[bot.RequestID]map[recall.Seq]bot.Outcome{}, map[bot.RequestID][]bot.Batch{}
	answered := false
	for _, res := range r.pending {
		if !res.plain() {
			continue
		}
		answered = answered || res.answered
		if err := r.w.AuditTraces(tx, res.request, res.told); err != nil {
			return err
		}
		if outcomes[res.request] == nil {
			outcomes[res.request] = map[recall.Seq]bot.Outcome{}
		}
		maps.Copy(outcomes[res.request], res.outcomes)
		res.batch.State = bot.BatchDone
		done[res.request] = append(done[res.request], res.batch)
	}
	if answered {
		if err := r.w.unpause(tx, after); err != nil {
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
func (r *runner) apply(tx bot.Tx, res result, after *later) error {
	if res.proof != nil {
		return r.applyBack(tx, res)
	}
	if res.noted {
		return r.w.AuditTraces(tx, res.request, res.told)
	}
	if res.pause != nil {
		if err := r.w.pause(tx, res.pause, after); err != nil {
			return err
		}
	} else if res.answered {
		if err := r.w.unpause(tx, after); err != nil {
			return err
		}
	}
	if err := r.w.AuditTraces(tx, res.request, res.told); err != nil {
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
	batch.State = bot.BatchDone
	if res.read { // what could not be read before may have been now
		batch.Unread = res.unread
	}
	var split []bot.Batch
	for _, s := range res.single {
		one := bot.Batch{Seqs: []recall.Seq{s}, State: bot.BatchPending, Single: true, Doubted: batch.Doubted,
			Unread: batch.Unread, Attempts: batch.Attempts}
		if res.counts {
			one.Attempts++
		}
		if res.after > 0 {
			one.After = tx.Now().Add(res.after)
		}
		split = append(split, one)
	}
	for _, s := range slices.Sorted(maps.Keys(res.reread)) {
		split = append(split, bot.Batch{Seqs: []recall.Seq{s}, State: bot.BatchDoubt, Single: true, Doubted: true,
			Attempts: batch.Attempts})
	}
	doubt := bot.Batch{Seqs: res.doubt, State: bot.BatchDoubt, Doubted: true, Attempts: batch.Attempts}
	switch {
	case len(res.back) > 0:
		batch.State = bot.BatchPending
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
		batch.State, batch.Doubted = bot.BatchDoubt, true
	case len(res.doubt) > 0:
		split = append(split, doubt)
	}
	if err := tx.PutBatches(res.request, []bot.Batch{batch}); err != nil {
		return err
	}
	if len(split) == 0 {
		return nil
	}
	return tx.AddBatches(res.request, split)
}

// condemn notes that the service refuses the request as a whole: what is left of it is wound down.
func (r *runner) condemn(tx bot.Tx, id bot.RequestID, e *recall.Error) error {
	req, err := tx.Request(id)
	if err != nil || req.Condemned != nil {
		return err
	}
	req.Condemned = &bot.Condemnation{Code: e.Code, Info: e.Info}
	return tx.PutRequest(req)
}
