package worker

import (
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// rereadAfter is the age of a read after which a message is read again before it is sent.
const rereadAfter = 10 * time.Minute

// isFresh reports whether a read is recent enough. A read in the future was made before the
// ledger's clock was set back, so its age is unknown.
func isFresh(read, now time.Time) bool {
	age := now.Sub(read)
	return age >= 0 && age <= rereadAfter
}

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
		sealed.removed, err = tx.Removals(j.request.App, j.request.Scope.Group, j.request.Scope.Topic, j.batch.Seqs,
			j.request.Sealed)
		if err != nil {
			return err
		}
		for _, run := range command.MakeRanges(j.batch.Seqs...) {
			page, err := tx.Sealed(j.request.ID, run.From, int(run.To-run.From)+1)
			if err != nil {
				return err
			}
			for _, m := range page {
				sealed.messages[m.Seq] = m
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

// isStale reports whether a message must be read again before it is sent: it was never read or is
// known only from a callback; it was read too long ago, or before the ledger was copied; or a
// callback has reported its removal.
func isStale(m bot.Message, removed bool, now, restored time.Time) bool {
	return m.Status == bot.SealUnread || m.Callback || removed || !isFresh(m.Read, now) || m.Read.Before(restored)
}

// readAgain reads again those messages of a claimed batch for which isStale holds. A message that
// is no longer what was sealed gets its outcome in res. readAgain returns the others, to be sent. A
// message that cannot be read is not sent, unless its group keeps no history.
func (r *runner) readAgain(j job, res *called) (seqs []recall.Seq, err error) {
	oldest := j.request.Tally.Read
	// without callbacks no recall can have been reported
	fresh := !j.request.Blind && !r.w.Callbacks && oldest.After(j.restored) && isFresh(oldest, j.claimed)
	if keepsNone(j.request) || fresh {
		return j.batch.Seqs, nil
	}
	sealed, err := r.sealedBatch(j)
	if err != nil {
		return nil, err
	}
	var old []recall.Seq
	for _, s := range j.batch.Seqs {
		if _, removed := sealed.removed[s]; isStale(sealed.messages[s], removed, sealed.now, j.restored) {
			old = append(old, s)
		}
	}
	stale := command.MakeRanges(old...)
	if stale.Count() == 0 {
		return j.batch.Seqs, nil
	}
	rd := r.w.Reader(j.request.Scope, "send", recall.ForProof, j.request.By.Person)
	found, err := rd.Status(r.ctx, old, map[string]any{"batch": j.batch.N})
	res.traces = rd.Traces
	if kind, _ := history.JudgeRead(err); err != nil && kind == history.ReadNever && sealed.unseen(stale) {
		return j.batch.Seqs, nil // the messages are sent as they were approved
	}
	if err != nil {
		return nil, err
	}
	now := time.Now().Truncate(time.Millisecond)
	var send []recall.Seq
	for _, s := range j.batch.Seqs {
		var o bot.Outcome
		switch {
		case !stale.Contains(s):
		case j.batch.Doubted: // an earlier call whose answer was lost may have recalled it
			if o = outcomeOfHistory(found, s, now); !o.Settled() {
				o = changedSince(j.request, sealed.messages[s], found, s, sealed.key, now)
			}
		default:
			o = changedSince(j.request, sealed.messages[s], found, s, sealed.key, now)
		}
		if o.Settled() {
			res.outcomes[s] = o
		} else {
			send = append(send, s)
		}
	}
	return send, nil
}

// changedSince compares a message with its seal. It returns the zero Outcome if the message is what
// was approved. Whether an unread message was sent after the seal is decided by the number that the
// service was to give next at that time; the two clocks are never compared.
func changedSince(req bot.Request, was bot.Message, found map[recall.Seq]recall.Message, s recall.Seq, key []byte,
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
	case req.Policy.IsProtected(is.From):
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyProtected, At: now}
	case was.Status == bot.SealUnread && req.Group.NextSeq == 0:
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotKnown, At: now}
	case was.Status == bot.SealUnread:
		if s >= req.Group.NextSeq {
			return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyDidNotExist, At: now}
		}
		return bot.Outcome{}
	case is.From != was.Sender, !is.Time.Equal(was.Sent), !slices.Equal(bot.ContentHMAC(key, is), was.HMAC):
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyChanged, At: now}
	}
	return bot.Outcome{}
}
