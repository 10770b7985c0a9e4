package bot

import (
	"time"

	"recallbot/recall"
)

// The rest of a request is what nobody has taken in hand yet: its messages that are in no batch and have no outcome. It is made into batches a part at a time,
// as they are needed, and where nothing more is sent it gets its outcomes a part at a time: nobody waits for a transaction about 100,000 messages.

// restAtOnce is how many messages are written in one transaction, restBatches of how many batches.
const (
	restBatches = 64
	restAtOnce  = restBatches * recall.MaxRecallSeqs
)

// batchRest makes batches of the next part of the rest, and returns how many. What the seal says is not to be sent gets its outcome. more says that
// there may be more.
func batchRest(tx Tx, req Request) (made int, more bool, err error) {
	part, err := tx.Unbatched(req.ID, restAtOnce)
	if err != nil || len(part) == 0 {
		return 0, false, err
	}
	more = len(part) == restAtOnce
	outcomes := map[recall.Seq]Outcome{}
	var sends []recall.Seq
	for _, m := range part {
		if m.Sends() {
			sends = append(sends, m.Seq)
		} else {
			outcomes[m.Seq] = outcomeOfSeal(m, tx.Now())
		}
	}
	if more { // what does not fill a batch goes with the next part
		sends = sends[:len(sends)-len(sends)%recall.MaxRecallSeqs]
	}
	var batches []Batch
	for ; len(sends) > 0; sends = sends[min(len(sends), recall.MaxRecallSeqs):] {
		batches = append(batches, Batch{Seqs: sends[:min(len(sends), recall.MaxRecallSeqs)], State: BatchPending})
	}
	restored, err := restoredAt(tx)
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

// settleRest gives the next part of the rest its outcomes, what the seal means or o, and returns how many. more says that there may be more.
func settleRest(tx Tx, id RequestID, o Outcome) (n int, more bool, err error) {
	part, err := tx.Unbatched(id, restAtOnce)
	if err != nil || len(part) == 0 {
		return 0, false, err
	}
	outcomes := map[recall.Seq]Outcome{}
	for _, m := range part {
		if outcomes[m.Seq] = o; !m.Sends() {
			outcomes[m.Seq] = outcomeOfSeal(m, tx.Now())
		}
	}
	n, err = tx.PutOutcomes(id, outcomes)
	return n, len(part) == restAtOnce, err
}

// windDown ends what nothing more is sent of: of a request that is being stopped, what was not claimed, and what cannot be found out in time; of one that the service
// refuses as a whole, what was not claimed. It does so a part at a time. Doubt that can be read still is, and what is on its way gets its own answer.
func (r *runner) windDown(tx Tx, req Request) (more bool, err error) {
	over, err := tx.Batches(req.ID, restBatches, BatchPending)
	if err != nil {
		return false, err
	}
	if req.State == Stopping && len(over) == 0 && r.tooLate(tx, req) {
		if over, err = tx.Batches(req.ID, restBatches, BatchDoubt); err != nil {
			return false, err
		}
	}
	outcomes := map[recall.Seq]Outcome{}
	for i, bt := range over {
		o := outcomeOfBatch(req, bt, r.unread[batchID{req.ID, bt.N}], tx.Now())
		for _, s := range bt.Seqs {
			outcomes[s] = o
		}
		over[i].State = BatchDone
		if id := (batchID{req.ID, bt.N}); r.settling[id] != nil && !r.settling[id].busy { // nobody reads of it again
			delete(r.settling, id)
		}
	}
	if err := r.unlessTold(tx, req.ID, outcomes); err != nil {
		return false, err
	}
	if _, err := tx.PutOutcomes(req.ID, outcomes); err != nil {
		return false, err
	}
	if err := tx.PutBatches(req.ID, over); err != nil {
		return false, err
	}
	if len(over) > 0 {
		return true, r.b.show(tx, req.ID) // the rest comes next
	}
	restored, err := restoredAt(tx)
	if err != nil {
		return false, err
	}
	if req.Granted.Before(restored) { // it may have been sent after the copy was made
		_, more, err = batchRest(tx, req)
		return more, err
	}
	n, more, err := settleRest(tx, req.ID, outcomeOfRest(req, tx.Now()))
	if err == nil && n > 0 {
		err = r.b.show(tx, req.ID)
	}
	return more, err
}

// outcomeOfRest is the outcome of what nobody has taken in hand, where nothing more is sent of a request.
func outcomeOfRest(req Request, now time.Time) Outcome {
	switch {
	case req.Condemned != nil:
		return outcomeOfCode(req.Condemned.Code, req.Condemned.Info, now)
	case req.NeverBegun():
		return Outcome{Class: ClassNotSent, Why: WhyNotStarted, At: now}
	}
	return Outcome{Class: ClassNotSent, Why: WhyStopped, At: now}
}

// outcomeOfBatch is the outcome of the messages of a batch that is not sent any more: it waits, or is in doubt and cannot be found out in time. unread says that it waited because
// it could not be read again. What may have reached the service is neither "not sent" nor "refused": a call whose answer was lost may yet act.
func outcomeOfBatch(req Request, bt Batch, unread bool, now time.Time) Outcome {
	switch {
	case bt.State == BatchDoubt || bt.Unread:
		return Outcome{Class: ClassUnknown, Why: WhyNoAnswer, At: now}
	case bt.Doubted: // it was read, and waited to be sent again
		return Outcome{Class: ClassUnknown, Why: WhyStillThere, At: now, Confirmed: ByHistory}
	case unread && req.Condemned == nil && req.EndedBy.Zero(): // nobody stopped it: time did
		return Outcome{Class: ClassNotSent, Why: WhyNotReadAgain, At: now}
	}
	return outcomeOfRest(req, now)
}

// endedUnbegun is what an approved request becomes that Stop or Pass has just ended. It is wound down first where it has more messages than one transaction should write, and
// where the ledger is a copy that was made after the approval: it may have been run, and what became of it is to be read.
func endedUnbegun(tx Tx, r Request) (Request, error) {
	restored, err := restoredAt(tx)
	if begun := r.Granted.Before(restored); err == nil && (begun || r.Tally.Total > restAtOnce) {
		r = Unwind(r, begun, tx.Now())
	}
	return r, err
}

// tooLate reports whether the doubt of a stopping request is to be found out no more: StartWithin has passed, or nothing can tell.
func (r *runner) tooLate(tx Tx, req Request) bool {
	within := req.Policy.StartWithin
	if req.Group.Type != "" && !req.Group.Type.HasHistory() {
		within = 0
		if r.b.o.Callbacks { // only a callback can tell
			within = callbackWithin
		}
	}
	return !tx.Now().Before(req.StopAt.Add(within))
}
