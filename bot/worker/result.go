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

// store writes the results of the loop's work in one transaction under the lease.
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
		plain, answered, others := r.sorted()
		if err := r.writePlain(tx, plain); err != nil {
			return err
		}
		if answered {
			if err := r.w.unpause(tx, &after); err != nil {
				return err
			}
		}
		for _, f := range others {
			if err := f.write(r, tx, &after); err != nil {
				id, _ := f.about()
				return fmt.Errorf("store the answer for %s: %w", id, err)
			}
		}
		touched := map[bot.RequestID][]bot.MessageID{}
		for _, f := range r.pending {
			if id, messages := f.about(); id != "" {
				touched[id] = append(touched[id], messages...)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(touched)) {
			if err := r.applyHeard(tx, id, touched[id]); err != nil {
				return err
			}
			if err := r.w.Redraw(tx, id); err != nil {
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
		r.doubts(err, after.run)
		return err
	}
	after.run()
	return nil
}

// stored removes the first n findings, which are stored.
func (r *runner) stored(n int) {
	for _, f := range r.pending[:n] {
		f.written(r)
	}
	r.pending = slices.Delete(r.pending, 0, n)
}

// sorted separates the batches whose every message has its outcome, which are nearly all, from the
// other findings. answered says that one of the former proves that the service serves the app.
func (r *runner) sorted() (plain []*fate, answered bool, others []finding) {
	for _, f := range r.pending {
		switch f := f.(type) {
		case *called:
			if f.plain() && f.pause == nil && f.condemn == nil {
				plain, answered = append(plain, &f.fate), answered || f.answered
				continue
			}
		case *resolved:
			if f.plain() {
				plain = append(plain, &f.fate)
				continue
			}
		}
		others = append(others, f)
	}
	return plain, answered, others
}

// writePlain writes the batches whose every message has its outcome in few statements: one
// statement for each would take longer than the calls.
func (r *runner) writePlain(tx bot.Tx, plain []*fate) error {
	outcomes, done := map[bot.RequestID]map[bot.MessageID]bot.Outcome{}, map[bot.RequestID][]bot.Batch{}
	for _, f := range plain {
		if err := r.w.AuditTraces(tx, f.request, f.traces); err != nil {
			return err
		}
		if outcomes[f.request] == nil {
			outcomes[f.request] = map[bot.MessageID]bot.Outcome{}
		}
		maps.Copy(outcomes[f.request], f.ids())
		batch := f.batch
		batch.State = bot.BatchDone
		done[f.request] = append(done[f.request], batch)
	}
	for _, id := range slices.Sorted(maps.Keys(done)) {
		if err := r.unlessHeard(tx, id, outcomes[id]); err != nil {
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

func (n record) write(r *runner, tx bot.Tx, _ *later) error {
	return r.w.AuditTraces(tx, n.request, n.traces)
}

func (record) written(*runner) {}

// A doubt that cannot be read may be an outage, which the card tells.
func (n record) about() (bot.RequestID, []bot.MessageID) { return n.request, nil }

func (f *fate) about() (bot.RequestID, []bot.MessageID) {
	return f.request, bot.IDsOf(f.batch.Part, f.batch.Seqs)
}

func (c *called) write(r *runner, tx bot.Tx, after *later) error {
	if c.pause != nil {
		if err := r.w.pause(tx, c.pause, after); err != nil {
			return err
		}
	} else if c.answered {
		if err := r.w.unpause(tx, after); err != nil {
			return err
		}
	}
	if err := c.writeOutcomes(r, tx); err != nil {
		return err
	}
	if c.condemn != nil {
		if err := r.condemn(tx, c.request, c.batch.Part, c.condemn); err != nil {
			return err
		}
	}
	return c.writeBatch(tx, c.batch)
}

func (c *called) written(*runner) {}

func (s *resolved) write(r *runner, tx bot.Tx, _ *later) error {
	if err := s.writeOutcomes(r, tx); err != nil {
		return err
	}
	batch := s.batch
	batch.Unread = s.unread // what could not be read before may have been read now
	return s.writeBatch(tx, batch)
}

func (s *resolved) written(r *runner) { delete(r.resolving, batchID{s.request, s.batch.N}) }

// writeOutcomes writes the records of the calls and the outcomes of the messages.
func (f *fate) writeOutcomes(r *runner, tx bot.Tx) error {
	if err := r.w.AuditTraces(tx, f.request, f.traces); err != nil {
		return err
	}
	outcomes := f.ids()
	if err := r.unlessHeard(tx, f.request, outcomes); err != nil {
		return err
	}
	_, err := tx.PutOutcomes(f.request, outcomes)
	return err
}

// writeBatch writes the new state of the batch, and makes batches of messages that leave it.
func (f *fate) writeBatch(tx bot.Tx, batch bot.Batch) error {
	batch.State = bot.BatchDone
	var split []bot.Batch
	for _, s := range f.single {
		one := bot.Batch{Part: batch.Part, Seqs: []recall.Seq{s}, State: bot.BatchPending, Single: true,
			Doubted: batch.Doubted, Unread: batch.Unread, Attempts: batch.Attempts}
		if f.counts {
			one.Attempts++
		}
		if f.after > 0 {
			one.After = tx.Now().Add(f.after)
		}
		split = append(split, one)
	}
	for _, s := range slices.Sorted(maps.Keys(f.reread)) {
		split = append(split, bot.Batch{Part: batch.Part, Seqs: []recall.Seq{s}, State: bot.BatchDoubt, Single: true,
			Doubted: true, Attempts: batch.Attempts})
	}
	doubt := bot.Batch{Part: batch.Part, Seqs: f.doubt, State: bot.BatchDoubt, Doubted: true, Attempts: batch.Attempts}
	switch {
	case len(f.retry) > 0:
		batch.State = bot.BatchPending
		if f.counts {
			batch.Attempts++
		}
		if batch.After = (time.Time{}); f.after > 0 {
			batch.After = tx.Now().Add(f.after)
		}
		if len(f.doubt) > 0 {
			split = append(split, doubt)
		}
	case len(f.doubt) > 0 && len(f.outcomes) == 0 && len(split) == 0:
		batch.State, batch.Doubted = bot.BatchDoubt, true
	case len(f.doubt) > 0:
		split = append(split, doubt)
	}
	if err := tx.PutBatches(f.request, []bot.Batch{batch}); err != nil {
		return err
	}
	if len(split) == 0 {
		return nil
	}
	return tx.AddBatches(f.request, split)
}

// condemn stores that the service refuses a part of the request as a whole. Nothing more of it is
// claimed: batchRest and endCondemned end it. windDown ends a request whose every part is.
func (r *runner) condemn(tx bot.Tx, id bot.RequestID, part int, e *recall.Error) error {
	req, err := tx.Request(id)
	if err != nil || req.Parts[part].Condemned != nil {
		return err
	}
	return tx.PutRequest(req.WithPart(part, func(p *bot.Part) {
		p.Condemned = &bot.Condemnation{Code: e.Code, Info: e.Info}
	}))
}
