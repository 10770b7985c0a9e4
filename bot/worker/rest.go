package worker

import (
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// batchRest makes batches of the next part of the rest, and returns how many. What the seal says is
// not to be sent gets its outcome. more says that there may be more.
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
	if more { // what does not fill a batch goes with the next part
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

// windDown ends what nothing more is sent of: of a request that is being stopped, what was not
// claimed, and what cannot be found out in time; of one that the service refuses as a whole, what
// was not claimed. It does so a part at a time. Doubt that can be read still is, and what is on its
// way gets its own answer.
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
		if id := (batchID{req.ID, bt.N}); r.settling[id] != nil && !r.settling[id].busy { // nobody reads of it again
			after.add(func() { delete(r.settling, id) })
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
	if req.Granted.Before(restored) { // it may have been sent after the copy was made
		_, more, err = batchRest(tx, req)
		return more, err
	}
	n, more, err := bot.SettleRest(tx, req.ID, outcomeOfRest(req, tx.Now()))
	if err == nil && n > 0 {
		err = r.w.Show(tx, req.ID)
	}
	return more, err
}

// outcomeOfRest is the outcome of what nobody has taken in hand, where nothing more is sent of a
// request.
func outcomeOfRest(req bot.Request, now time.Time) bot.Outcome {
	switch {
	case req.Condemned != nil:
		return bot.OutcomeOfCode(req.Condemned.Code, req.Condemned.Info, now)
	case req.NeverBegun():
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotStarted, At: now}
	}
	return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyStopped, At: now}
}

// outcomeOfBatch is the outcome of the messages of a batch that is not sent any more: it waits, or
// is in doubt and cannot be found out in time. unread says that it waited because it could not be
// read again. What may have reached the service is neither "not sent" nor "refused": a call whose
// answer was lost may yet act.
func outcomeOfBatch(req bot.Request, bt bot.Batch, unread bool, now time.Time) bot.Outcome {
	switch {
	case bt.State == bot.BatchDoubt || bt.Unread:
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyNoAnswer, At: now}
	case bt.Doubted: // it was read, and waited to be sent again
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyStillThere, At: now, Confirmed: bot.ByHistory}
	case unread && req.Condemned == nil && req.EndedBy.Zero(): // nobody stopped it: time did
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotReadAgain, At: now}
	}
	return outcomeOfRest(req, now)
}

// tooLate reports whether the doubt of a stopping request is to be found out no more: StartWithin
// has passed, or nothing can tell.
func (r *runner) tooLate(tx bot.Tx, req bot.Request) bool {
	within := req.Policy.StartWithin
	if req.Group.Type != "" && !req.Group.Type.HasHistory() {
		within = 0
		if r.w.Callbacks { // only a callback can tell
			within = callbackWithin
		}
	}
	return !tx.Now().Before(req.StopAt.Add(within))
}

// unlessHeard makes what a lost answer leaves unknown recalled, where a callback has told so.
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
