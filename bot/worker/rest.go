package worker

import (
	"time"

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
	outcomes := map[recall.Seq]bot.Outcome{}
	var sends []recall.Seq
	for _, m := range part {
		if m.Sends() {
			sends = append(sends, m.Seq)
		} else {
			outcomes[m.Seq] = bot.OutcomeOfSeal(m, tx.Now())
		}
	}
	if more { // messages that do not fill a batch wait for the next part
		sends = sends[:len(sends)-len(sends)%recall.MaxRecallSeqs]
	}
	var batches []bot.Batch
	for ; len(sends) > 0; sends = sends[min(len(sends), recall.MaxRecallSeqs):] {
		batches = append(batches, bot.Batch{Seqs: sends[:min(len(sends), recall.MaxRecallSeqs)],
			State: bot.BatchPending})
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
	outcomes := map[recall.Seq]bot.Outcome{}
	for i, bt := range over {
		o := outcomeOfBatch(req, bt, r.unread[batchID{req.ID, bt.N}], tx.Now())
		for _, s := range bt.Seqs {
			outcomes[s] = o
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
		return true, r.w.Show(tx, req.ID) // the rest comes next
	}
	restored, err := bot.RestoredAt(tx)
	if err != nil {
		return false, err
	}
	if req.Granted.Before(restored) { // its messages may have been sent after the copy was made
		_, more, err = batchRest(tx, req)
		return more, err
	}
	n, more, err := bot.SettleRest(tx, req.ID, outcomeOfRest(req, tx.Now()))
	if err == nil && n > 0 {
		err = r.w.Show(tx, req.ID)
	}
	return more, err
}

// outcomeOfRest returns the outcome of messages that were never claimed, of a request of which
// nothing more is sent.
func outcomeOfRest(req bot.Request, now time.Time) bot.Outcome {
	switch {
	case req.Condemned != nil:
		return bot.OutcomeOfCode(req.Condemned.Code, req.Condemned.Info, now)
	case req.NeverBegun():
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotStarted, At: now}
	}
	return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyStopped, At: now}
}

// outcomeOfBatch returns the outcome of the messages of a batch that is no longer sent: one that
// waits, or whose doubt cannot be resolved in time. unread says that it waited because it could not
// be read again. A message that may have reached the service is neither "not sent" nor "refused",
// because a call whose answer was lost may still take effect.
func outcomeOfBatch(req bot.Request, bt bot.Batch, unread bool, now time.Time) bot.Outcome {
	switch {
	case bt.State == bot.BatchDoubt || bt.Unread:
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyNoAnswer, At: now}
	case bt.Doubted: // it was read, and waited to be sent again
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyStillThere, At: now, Confirmed: bot.ByHistory}
	case unread && req.Condemned == nil && req.EndedBy.Zero(): // it was stopped because of the time limit
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotReadAgain, At: now}
	}
	return outcomeOfRest(req, now)
}

// tooLate reports whether the doubt of a stopping request is no longer read: StartWithin has
// passed, or no source can resolve it.
func (r *runner) tooLate(tx bot.Tx, req bot.Request) bool {
	within := req.Policy.StartWithin
	if req.Group.Type != "" && !req.Group.Type.HasHistory() {
		within = 0
		if r.w.Callbacks { // only a callback can resolve it
			within = callbackWithin
		}
	}
	return !tx.Now().Before(req.StopAt.Add(within))
}

// unlessHeard changes unknown outcomes to recalled, as History.UnlessHeard does.
func (r *runner) unlessHeard(tx bot.Tx, id bot.RequestID, outcomes map[recall.Seq]bot.Outcome) error {
	if !r.w.Callbacks || len(outcomes) == 0 {
		return nil
	}
	req, err := tx.Request(id)
	if err != nil {
		return err
	}
	return r.w.UnlessHeard(tx, req, outcomes)
}
