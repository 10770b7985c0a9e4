package bot

import (
	"recallbot/recall"
)

// The rest of a request is its messages that are in no batch and have no outcome. It is made into
// batches a part at a time, as they are needed. When nothing more is sent, it gets its outcomes a
// part at a time, so that nobody waits for a transaction about 100,000 messages.

// RestAtOnce is how many messages one transaction writes, and RestBatches how many batches.
const (
	RestBatches = 64
	RestAtOnce  = RestBatches * recall.MaxRecallSeqs
)

// SettleRest gives the next part of the rest its outcomes: the outcome of the seal, or else what
// other returns. It returns how many. more says that there may be more.
func SettleRest(tx Tx, id RequestID, other func(Message) Outcome) (n int, more bool, err error) {
	part, err := tx.Unbatched(id, RestAtOnce)
	if err != nil || len(part) == 0 {
		return 0, false, err
	}
	outcomes := map[MessageID]Outcome{}
	for _, m := range part {
		if m.Sends() {
			outcomes[m.ID()] = other(m)
		} else {
			outcomes[m.ID()] = OutcomeOfSeal(m, tx.Now())
		}
	}
	n, err = tx.PutOutcomes(id, outcomes)
	return n, len(part) == RestAtOnce, err
}

// EndedUnbegun returns what an approved request becomes that Stop or Pass has just ended. It
// becomes stopping if it has more messages than one transaction should write, or if the ledger is a
// copy that was made after the approval: the request may have run, and history must be read.
func EndedUnbegun(tx Tx, r Request) (Request, error) {
	restored, err := RestoredAt(tx)
	if begun := r.Granted.Before(restored); err == nil && (begun || r.Tally.Total > RestAtOnce) {
		r = unwind(r, begun, tx.Now())
	}
	return r, err
}
