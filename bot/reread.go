package bot

import (
	"errors"
	"slices"
	"time"

	"recallbot/recall"
)

// rereadAfter is how old a reading may be: a message read longer ago is read again before it is sent.
const rereadAfter = 10 * time.Minute

// isFresh reports whether a reading is young enough. One that lies ahead was made before the ledger's clock was set back: nobody knows how old it is.
func isFresh(read, now time.Time) bool {
	age := now.Sub(read)
	return age >= 0 && age <= rereadAfter
}

// readAgain reads those messages of a claimed batch again that must be: blind ones, and those read too long ago, or before the ledger was a copy. What has changed since the
// seal gets its outcome in res; the others are returned, to be sent.
func (r *runner) readAgain(j job, res *result) (seqs []recall.Seq, err error) {
	live := j.request.Group.Type != "" && !j.request.Group.Type.HasHistory()
	oldest := j.request.Tally.Read
	fresh := !j.request.Blind && !r.b.o.Callbacks && oldest.After(j.restored) && isFresh(oldest, j.claimed) // and nobody tells of recalls
	if live || fresh || j.batch.Doubted {                                                                   // a batch that was in doubt has just been read, or cannot be
		return j.batch.Seqs, nil
	}
	var stored map[recall.Seq]Message
	var key []byte
	stale := Ranges(nil)
	err = r.b.o.Ledger.View(r.ctx, func(tx Tx) error {
		stored = map[recall.Seq]Message{}
		var old []recall.Seq
		told, err := tx.Removals(j.request.App, j.request.Scope.Group, j.request.Scope.Topic, j.batch.Seqs, j.request.Sealed)
		if err != nil {
			return err
		}
		for _, run := range MakeRanges(j.batch.Seqs...) {
			page, err := tx.Sealed(j.request.ID, run.From, int(run.To-run.From)+1)
			if err != nil {
				return err
			}
			for _, m := range page {
				if slices.Contains(j.batch.Seqs, m.Seq) {
					stored[m.Seq] = m
					if _, removed := told[m.Seq]; m.Status == SealUnread || !m.Callback && (removed || !isFresh(m.Read, tx.Now()) || m.Read.Before(j.restored)) {
						old = append(old, m.Seq)
					}
				}
			}
		}
		if stale = MakeRanges(old...); stale.Count() == 0 {
			return nil
		}
		if key, err = tx.EvidenceKey(j.request.ID); errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || stale.Count() == 0 {
		return j.batch.Seqs, err
	}
	rd := r.b.reading(j.request.Scope, "send", recall.ForProof, j.request.By.Person)
	found, err := rd.findOut(r.ctx, slices.Collect(stale.All()), map[string]any{"batch": j.batch.N})
	res.told = rd.told
	if err != nil {
		if kind, _ := judgeRead(err); j.request.Blind && kind == readLater || kind == readNever {
			return j.batch.Seqs, nil // still cannot be read: it is sent, as it was approved
		}
		return nil, err
	}
	now := time.Now().Truncate(time.Millisecond)
	var send []recall.Seq
	for _, s := range j.batch.Seqs {
		if !stale.Contains(s) {
			send = append(send, s)
			continue
		}
		if o := changedSince(j.request, stored[s], found, s, key, now); o.Settled() {
			res.outcomes[s] = o
		} else {
			send = append(send, s)
		}
	}
	return send, nil
}

// changedSince compares a message with its seal. The zero Outcome means that it is what was approved.
func changedSince(req Request, was Message, found map[recall.Seq]recall.Message, s recall.Seq, key []byte, now time.Time) Outcome {
	is, ok := found[s]
	switch {
	case !ok && was.Status == SealUnread:
		return Outcome{Class: ClassNotSent, Why: WhyDidNotExist, At: now}
	case !ok: // it was there when it was sealed
		return Outcome{Class: ClassNotSent, Why: WhyChanged, At: now}
	case is.Status == recall.StatusRecalled:
		return Outcome{Class: ClassAlready, At: now, Confirmed: ByHistory}
	case is.Status == recall.StatusDeletedOrExpired:
		return Outcome{Class: ClassNotFound, Why: WhyGone, At: now, Confirmed: ByHistory}
	case req.Policy.IsProtected(is.From):
		return Outcome{Class: ClassNotSent, Why: WhyProtected, At: now}
	case was.Status == SealUnread:
		if is.Time.After(req.Sealed) {
			return Outcome{Class: ClassNotSent, Why: WhyDidNotExist, At: now}
		}
		return Outcome{}
	case is.From != was.Sender, !is.Time.Equal(was.Sent), key != nil && !slices.Equal(ContentHMAC(key, is), was.HMAC):
		return Outcome{Class: ClassNotSent, Why: WhyChanged, At: now}
	}
	return Outcome{}
}
