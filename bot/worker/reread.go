package worker

import (
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

const (
	// rereadAlways is how many messages a request has at most whose messages are all read again
	// before they are sent.
	rereadAlways = 100
	// rereadAfter is the age of a read after which a message of a larger request is.
	rereadAfter = 10 * time.Minute
)

// isFresh reports whether a read is recent enough. A read in the future was made before the
// ledger's clock was set back, so its age is unknown.
func isFresh(read, now time.Time) bool {
	age := now.Sub(read)
	return age >= 0 && age <= rereadAfter
}

// isStale reports whether a message of a larger request must be read again before it is sent: it
// was never read or is known only from a callback; it was read too long ago, or before the ledger
// was copied; or a callback has reported its removal.
func isStale(m bot.Message, removed bool, now, restored time.Time) bool {
	return m.Status == bot.SealUnread || m.Callback || removed || !isFresh(m.Read, now) || m.Read.Before(restored)
}

// readAgain reads messages of a claimed batch again, right before they are sent: of a request of at
// most rereadAlways messages all, of a larger one those for which isStale holds. A message that is
// no longer what was sealed gets its outcome in res. readAgain returns the others, to be sent. A
// message that cannot be read is not sent, unless its group keeps no history.
func (r *runner) readAgain(j job, res *called) (seqs []recall.Seq, err error) {
	small := j.request.Tally.Total <= rereadAlways
	oldest := j.request.Tally.Read
	// without callbacks no recall can have been reported
	fresh := !small && !j.request.Blind && !r.w.Callbacks && oldest.After(j.restored) && isFresh(oldest, j.claimed)
	if j.part().KeepsNone() || fresh {
		return j.batch.Seqs, nil
	}
	sealed, err := r.sealedBatch(j)
	if err != nil {
		return nil, err
	}
	var old []recall.Seq
	for _, s := range j.batch.Seqs {
		if _, removed := sealed.removed[s]; small || isStale(sealed.messages[s], removed, sealed.now, j.restored) {
			old = append(old, s)
		}
	}
	stale := command.MakeRanges(old...)
	if stale.Count() == 0 {
		return j.batch.Seqs, nil
	}
	rd := j.reader(r.w, "send")
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
				o = changedSince(j, sealed.messages[s], found, s, sealed.key, now)
			}
		default:
			o = changedSince(j, sealed.messages[s], found, s, sealed.key, now)
		}
		if o.Settled() {
			res.outcomes[s] = o
		} else {
			send = append(send, s)
		}
	}
	return send, nil
}
