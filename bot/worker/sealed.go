package worker

import (
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// sealedBatch is the seal of the messages of a batch.
type sealedBatch struct {
	messages map[recall.Seq]bot.Message
	key      []byte                     // of their HMACs
	removed  map[recall.Seq]bot.Removal // recalls that callbacks have reported since
	now      time.Time                  // by the ledger's clock
}

// sealedBatch reads the seal of the messages of a batch.
func (r *runner) sealedBatch(j job) (sealedBatch, error) {
	var sealed sealedBatch
	err := r.w.Ledger.View(r.ctx, func(tx bot.Tx) (err error) {
		sealed = sealedBatch{messages: map[recall.Seq]bot.Message{}, now: tx.Now()}
		if sealed.key, err = tx.EvidenceKey(j.request.ID); err != nil {
			return err
		}
		sealed.removed, err = tx.Removals(j.request.App, j.part().Group, j.part().Topic, j.batch.Seqs,
			j.request.Sealed)
		if err != nil {
			return err
		}
		for _, run := range command.MakeRanges(j.batch.Seqs...) {
			page, err := tx.Sealed(j.request.ID, bot.IDOf(j.batch.Part, run.From), int(run.To-run.From)+1)
			if err != nil {
				return err
			}
			for _, m := range page {
				if m.Part == j.batch.Part {
					sealed.messages[m.Seq] = m
				}
			}
		}
		return nil
	})
	return sealed, err
}

// unseen reports whether the seal was made without reading any of these messages, because their
// group kept no history.
func (sealed sealedBatch) unseen(seqs command.Ranges) bool {
	for s := range seqs.All() {
		if m := sealed.messages[s]; m.Status != bot.SealUnread && !m.Callback {
			return false
		}
	}
	return true
}

// changedSince compares a message with its seal. It returns the zero Outcome if the message is what
// was approved. Whether an unread message was sent after the seal is decided by the number that the
// service was to give next at that time; the two clocks are never compared.
func changedSince(j job, was bot.Message, found map[recall.Seq]recall.Message, s recall.Seq, key []byte,
	now time.Time) bot.Outcome {
	is, ok := found[s]
	switch {
	case !ok && was.Status == bot.SealUnread:
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyDidNotExist, At: now}
	case !ok: // it was there when it was sealed
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyChanged, At: now}
	case is.Status == recall.StatusRecalled:
		return bot.Outcome{Class: bot.ClassAlready, At: now, Confirmed: bot.ByHistory}
	case is.Status == recall.StatusDeletedOrExpired:
		return bot.Outcome{Class: bot.ClassNotFound, Why: bot.WhyGone, At: now, Confirmed: bot.ByHistory}
	case j.request.Policy.IsProtected(is.From):
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyProtected, At: now}
	case was.Status == bot.SealUnread && j.part().Facts.NextSeq == 0:
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotKnown, At: now}
	case was.Status == bot.SealUnread:
		if s >= j.part().Facts.NextSeq {
			return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyDidNotExist, At: now}
		}
		return bot.Outcome{}
	case !was.Is(is, key):
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyChanged, At: now}
	}
	return bot.Outcome{}
}
