package worker

import (
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// A batch is in doubt if a call of it may have been executed and its answer was lost. History then
// decides about each message:
//
//	history shows                    while running                  while stopping
//	recalled                         recalled, "answer lost, verified by history"
//	deleted or expired               not found (expired or deleted)
//	still there, as sealed           it is sent again               unknown, "still there"
//	still there, not as sealed       not sent (changedSince)        unknown, "still there"
//	a page that covers it lacks it   unknown, "missing in history"
//	nothing can be read now          it is read again               read again, then unknown
//	its group keeps no history       it is sent again unread        unknown
//
// Of a message that is sent again unread, only the code 0 proves the outcome. The table is
// outcomeOfHistory and resolve; outcomeOfBatch says what becomes of messages for which nothing more
// is read or sent.
//
// A batch that was never in doubt is read after a call too, for those of its messages that the
// service did not find or cannot recall: somebody else may have recalled them, and then they are
// "already recalled". That is outcomeAfterCode.

// resolversMost is how many batches in doubt are read at once.
const resolversMost = 8

// outcomeOfHistory returns the outcome that history shows for a message that may have been
// recalled. It is the zero Outcome if the message is still there.
func outcomeOfHistory(found map[recall.Seq]recall.Message, s recall.Seq, now time.Time) bot.Outcome {
	switch m, ok := found[s]; {
	case !ok:
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyMissingHistory, At: now}
	case m.Status == recall.StatusRecalled:
		return bot.Outcome{Class: bot.ClassRecalled, Why: bot.WhyVerified, At: now, Confirmed: bot.ByHistory}
	case m.Status == recall.StatusDeletedOrExpired:
		return bot.Outcome{Class: bot.ClassNotFound, Why: bot.WhyGone, At: now, Confirmed: bot.ByHistory}
	}
	return bot.Outcome{}
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
	// it was stopped because of the time limit
	case unread && req.Parts[bt.Part].Condemned == nil && req.EndedBy.Zero():
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotReadAgain, At: now}
	}
	return outcomeOfRest(req, bt.Part, now)
}

// outcomeOfRest returns the outcome of messages that were never claimed, of a part of which nothing
// more is sent.
func outcomeOfRest(req bot.Request, part int, now time.Time) bot.Outcome {
	switch is := req.Parts[part].Condemned; {
	case is != nil:
		return bot.OutcomeOfCode(is.Code, is.Info, now)
	case req.NeverBegun():
		return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyNotStarted, At: now}
	}
	return bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyStopped, At: now}
}

// putInDoubt marks batches whose calls may have been executed.
func putInDoubt(batches []bot.Batch) {
	for i := range batches {
		batches[i].State, batches[i].Doubted = bot.BatchDoubt, true
	}
}

// mayBeGone reports whether the service may have answered with this outcome because the message is
// recalled already. It documents no code for that.
func mayBeGone(o bot.Outcome) bool {
	return (o.Class == bot.ClassNotFound || o.Class == bot.ClassRefused) &&
		(o.Code == recall.CodeNoMessage || o.Code == recall.CodeCannotBeRecalled)
}

// outcomeAfterCode returns the outcome of a message for which the service gave a final code other
// than 0, which is the outcome o, when history is read after the call. If its batch was ever in
// doubt, the earlier call, whose answer was lost, may have recalled it. Else nobody but others did.
func outcomeAfterCode(o bot.Outcome, doubted bool, found map[recall.Seq]recall.Message, s recall.Seq,
	now time.Time) bot.Outcome {
	if doubted {
		if shown := outcomeOfHistory(found, s, now); shown.Settled() {
			return shown
		}
		return o
	}
	if m, ok := found[s]; ok && m.Status == recall.StatusRecalled && mayBeGone(o) {
		return bot.Outcome{Class: bot.ClassAlready, At: now, Confirmed: bot.ByHistory}
	}
	return o
}

// readAfter reads the messages that got a final code from this call and may be recalled all the
// same. What was in doubt before and cannot be read stays in doubt; what was not keeps its code.
func (r *runner) readAfter(res *called, j job) {
	codes := maps.Clone(res.reread)
	if !j.part().KeepsNone() {
		for s, o := range res.outcomes {
			if mayBeGone(o) {
				codes[s] = o
			}
		}
	}
	if len(codes) == 0 {
		return
	}
	seqs := slices.Sorted(maps.Keys(codes))
	rd := j.reader(r.w, "doubt")
	found, err := rd.Status(r.ctx, seqs, map[string]any{"batch": j.batch.N})
	res.traces = append(res.traces, rd.Traces...)
	if err != nil {
		return
	}
	now := time.Now().Truncate(time.Millisecond)
	for s, o := range codes {
		res.outcomes[s] = outcomeAfterCode(o, j.batch.Doubted, found, s, now)
	}
	res.reread = nil
}

// read starts to resolve a batch in doubt by reading history, unless it is being read, must wait,
// or too many others are being read.
func (r *runner) read(j job) {
	id := batchID{j.request.ID, j.batch.N}
	d := r.resolving[id]
	if d != nil && (d.busy || time.Now().Before(d.after)) {
		return
	}
	busy := 0
	for _, other := range r.resolving {
		if other.busy {
			busy++
		}
	}
	if busy >= resolversMost {
		return
	}
	if d == nil {
		d = &doubtful{}
		r.resolving[id] = d
	}
	d.busy = true
	r.wg.Go(func() { r.results <- r.resolve(j) })
}

// resolve decides a doubt by what history shows. A message that is still there is sent again if it
// is what was sealed. Only in a group that keeps no history is it sent again unread; otherwise a
// message that cannot be read stays in doubt.
func (r *runner) resolve(j job) *resolved {
	res := &resolved{fate: fate{request: j.request.ID, batch: j.batch, outcomes: map[recall.Seq]bot.Outcome{}}}
	sendAgain := j.request.State == bot.Running
	unread := func() *resolved {
		res.retry, res.unread, res.counts, res.after = j.batch.Seqs, true, true, backoff(j.batch.Attempts)
		return res
	}
	if j.part().KeepsNone() && sendAgain {
		return unread()
	}
	sealed, err := r.sealedBatch(j)
	if err != nil {
		r.w.Log.Warn("cannot read the seal of a batch in doubt", "request", j.request.ID, "err", err)
		res.failed = true
		return res
	}
	rd := j.reader(r.w, "doubt")
	found, err := rd.Status(r.ctx, j.batch.Seqs, map[string]any{"batch": j.batch.N})
	res.traces = rd.Traces
	if err != nil {
		if kind, api := history.JudgeRead(err); kind == history.ReadAppPaused {
			r.w.Log.Warn("cannot read a batch in doubt while the service refuses the app",
				"request", j.request.ID, "err", api)
		} else if sendAgain && kind == history.ReadNever && sealed.unseen(command.MakeRanges(j.batch.Seqs...)) {
			return unread()
		}
		res.failed = true
		return res
	}
	now := time.Now().Truncate(time.Millisecond)
	for _, s := range j.batch.Seqs {
		o := outcomeOfHistory(found, s, now)
		switch {
		case o.Settled():
		case sendAgain:
			o = changedSince(j, sealed.messages[s], found, s, sealed.key, now)
		default:
			o = bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyStillThere, At: now, Confirmed: bot.ByHistory}
		}
		if o.Settled() {
			res.outcomes[s] = o
		} else {
			res.single = append(res.single, s)
		}
	}
	if sendAgain && len(res.outcomes) == 0 && !j.batch.Single {
		res.retry, res.single = res.single, nil
	}
	// The first try after a doubt need not wait. Later tries wait, because the service may keep
	// losing answers.
	if res.counts = true; j.batch.Attempts > 0 {
		res.after = backoff(j.batch.Attempts - 1)
	}
	return res
}
