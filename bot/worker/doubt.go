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

// readAfter reads the messages that were in doubt before this call and got a final code from it:
// the earlier call, whose answer was lost, may have recalled them. What cannot be read stays in
// doubt.
func (r *runner) readAfter(res *called, j job) {
	if len(res.reread) == 0 {
		return
	}
	seqs := slices.Sorted(maps.Keys(res.reread))
	rd := r.w.Reader(j.request.Scope, "doubt", recall.ForProof, j.request.By.Person)
	found, err := rd.Status(r.ctx, seqs, map[string]any{"batch": j.batch.N})
	res.traces = append(res.traces, rd.Traces...)
	if err != nil {
		return
	}
	now := time.Now().Truncate(time.Millisecond)
	for s, o := range res.reread {
		if shown := outcomeOfHistory(found, s, now); shown.Settled() {
			o = shown
		}
		res.outcomes[s] = o
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
	if keepsNone(j.request) && sendAgain {
		return unread()
	}
	sealed, err := r.sealedBatch(j)
	if err != nil {
		r.w.Log.Warn("cannot read the seal of a batch in doubt", "request", j.request.ID, "err", err)
		res.failed = true
		return res
	}
	rd := r.w.Reader(j.request.Scope, "doubt", recall.ForProof, j.request.By.Person)
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
			o = changedSince(j.request, sealed.messages[s], found, s, sealed.key, now)
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
