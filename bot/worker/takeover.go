package worker

import (
	"slices"

	"recallbot/bot"
)

// takeOver puts in doubt the batches that earlier holders claimed: their calls may have been
// executed.
func (r *runner) takeOver(tx bot.Tx, req bot.Request) error {
	sending, err := tx.Batches(req.ID, 1<<20, bot.BatchSending)
	if err != nil {
		return err
	}
	sending = slices.DeleteFunc(sending, func(bt bot.Batch) bool { return bt.Epoch >= r.Lease.Epoch })
	if len(sending) == 0 {
		return nil
	}
	putInDoubt(sending)
	if err := r.w.Audit(tx, "in doubt after a takeover", req.ID, req.Digest,
		map[string]any{"batches": len(sending)}); err != nil {
		return err
	}
	if err := tx.PutBatches(req.ID, sending); err != nil {
		return err
	}
	var messages []bot.MessageID
	for _, bt := range sending {
		messages = append(messages, bot.IDsOf(bt.Part, bt.Seqs)...)
	}
	return r.applyHeard(tx, req.ID, messages)
}
