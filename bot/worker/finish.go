package worker

import (
	"recallbot/bot"
)

// finish ends a request whose every message has its outcome, once the outcomes are confirmed or the
// wait for that is over.
func (r *runner) finish(tx bot.Tx, id bot.RequestID) error {
	open, err := tx.Batches(id, 1, bot.BatchPending, bot.BatchSending, bot.BatchDoubt)
	if err != nil || len(open) > 0 {
		return err
	}
	if rest, err := tx.Unbatched(id, 1); err != nil || len(rest) > 0 {
		return err
	}
	req, err := tx.Request(id)
	if err != nil || req.State != bot.Running && req.State != bot.Stopping {
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
	if req, err = bot.Finish(req, tx.Now()); err != nil {
		return err
	}
	if err := r.w.Audit(tx, string(req.State), id, req.Digest, nil); err != nil {
		return err
	}
	return r.w.End(tx, req, bot.WhyStopped)
}

// empty ends a batch whose every message has got its outcome from a callback.
func (r *runner) empty(tx bot.Tx, id bot.RequestID, bt bot.Batch) error {
	bt.State = bot.BatchDone
	if err := tx.PutBatches(id, []bot.Batch{bt}); err != nil {
		return err
	}
	return r.finish(tx, id)
}
