package worker

import (
	"recallbot/bot"
	"recallbot/recall"
)

// batchRest makes batches of the next part of the messages that have none, and returns how many. A
// message that must not be sent gets the outcome of its seal. more says that there may be more.
func batchRest(tx bot.Tx, req bot.Request) (made int, more bool, err error) {
	part, err := tx.Unbatched(req.ID, bot.RestAtOnce)
	if err != nil || len(part) == 0 {
		return 0, false, err
	}
	more = len(part) == bot.RestAtOnce
	outcomes := map[bot.MessageID]bot.Outcome{}
	var batches []bot.Batch
	for _, m := range part {
		switch n := len(batches) - 1; {
		case !m.Sends():
			outcomes[m.ID()] = bot.OutcomeOfSeal(m, tx.Now())
		case req.Parts[m.Part].Condemned != nil:
			outcomes[m.ID()] = outcomeOfRest(req, m.Part, tx.Now())
		case n >= 0 && batches[n].Part == m.Part && len(batches[n].Seqs) < recall.MaxRecallSeqs:
			batches[n].Seqs = append(batches[n].Seqs, m.Seq)
		default:
			batches = append(batches, bot.Batch{Part: m.Part, Seqs: []recall.Seq{m.Seq}, State: bot.BatchPending})
		}
	}
	// messages that do not fill a batch wait for the next ones
	if n := len(batches) - 1; more && n >= 0 && len(batches[n].Seqs) < recall.MaxRecallSeqs {
		batches = batches[:n]
	}
	restored, err := bot.RestoredAt(tx)
	if err != nil {
		return 0, more, err
	}
	if req.Granted.Before(restored) {
		putInDoubt(batches)
	}
	if _, err := tx.PutOutcomes(req.ID, outcomes); err != nil {
		return 0, more, err
	}
	return len(batches), more, tx.AddBatches(req.ID, batches)
}

// endCondemned gives the messages of a batch their outcomes whose part the service refuses as a
// whole.
func (r *runner) endCondemned(tx bot.Tx, req bot.Request, bt bot.Batch) error {
	o := outcomeOfBatch(req, bt, false, tx.Now())
	outcomes := map[bot.MessageID]bot.Outcome{}
	for _, id := range bot.IDsOf(bt.Part, bt.Seqs) {
		outcomes[id] = o
	}
	if err := r.unlessHeard(tx, req.ID, outcomes); err != nil {
		return err
	}
	if _, err := tx.PutOutcomes(req.ID, outcomes); err != nil {
		return err
	}
	if err := r.empty(tx, req.ID, bt); err != nil {
		return err
	}
	return r.w.Redraw(tx, req.ID)
}

// windDown gives outcomes to messages that are no longer sent, a part at a time. Of a stopping
// request these are the messages that were not claimed, and those whose doubt cannot be resolved in
// time; of a request that the service refuses as a whole, those that were not claimed. Doubt that
// can still be read is read, and calls in flight get their own answers.
func (r *runner) windDown(tx bot.Tx, req bot.Request, after *later) (more bool, err error) {
	over, err := tx.Batches(req.ID, bot.RestBatches, bot.BatchPending)
	if err != nil {
		return false, err
	}
	if req.State == bot.Stopping && len(over) == 0 && r.tooLate(tx, req) {
		if over, err = tx.Batches(req.ID, bot.RestBatches, bot.BatchDoubt); err != nil {
			return false, err
		}
	}
	outcomes := map[bot.MessageID]bot.Outcome{}
	for i, bt := range over {
		o := outcomeOfBatch(req, bt, r.unread[batchID{req.ID, bt.N}], tx.Now())
		for _, id := range bot.IDsOf(bt.Part, bt.Seqs) {
			outcomes[id] = o
		}
		over[i].State = bot.BatchDone
		if id := (batchID{req.ID, bt.N}); r.resolving[id] != nil && !r.resolving[id].busy { // it is not read again
			after.add(func() { delete(r.resolving, id) })
		}
	}
	if err := r.unlessHeard(tx, req.ID, outcomes); err != nil {
		return false, err
	}
	if _, err := tx.PutOutcomes(req.ID, outcomes); err != nil {
		return false, err
	}
	if err := tx.PutBatches(req.ID, over); err != nil {
		return false, err
	}
	if len(over) > 0 {
		return true, r.w.Redraw(tx, req.ID) // the rest comes next
	}
	restored, err := bot.RestoredAt(tx)
	if err != nil {
		return false, err
	}
	if req.Granted.Before(restored) { // its messages may have been sent after the copy was made
		_, more, err = batchRest(tx, req)
		return more, err
	}
	n, more, err := bot.SettleRest(tx, req.ID, func(m bot.Message) bot.Outcome {
		return outcomeOfRest(req, m.Part, tx.Now())
	})
	if err == nil && n > 0 {
		err = r.w.Redraw(tx, req.ID)
	}
	return more, err
}

// tooLate reports whether the doubt of a stopping request is no longer read: StartWithin has
// passed, or no source can resolve it.
func (r *runner) tooLate(tx bot.Tx, req bot.Request) bool {
	within := req.Policy.StartWithin
	if req.KeepsNone() {
		within = 0
		if r.w.Callbacks { // only a callback can resolve it
			within = callbackWithin
		}
	}
	return !tx.Now().Before(req.StopAt.Add(within))
}
