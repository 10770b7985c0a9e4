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

// readAfter reads those messages that were in doubt before this call and got a final code from it:
// the code may come from the lost call having recalled them. What cannot be read stays in doubt.
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

// read finds out about a batch in doubt by reading history.
func (r *runner) read(j job) {
	id := batchID{j.request.ID, j.batch.N}
	d := r.settling[id]
	if d != nil && (d.busy || time.Now().Before(d.after)) {
		return
	}
	busy := 0
	for _, other := range r.settling {
		if other.busy {
			busy++
		}
	}
	if busy >= settlersMost {
		return
	}
	if d == nil {
		d = &doubtful{}
		r.settling[id] = d
	}
	d.busy = true
	r.wg.Go(func() { r.results <- r.settle(j) })
}

// settle decides a doubt by what history says. What is still there is sent again if it is what was
// sealed. Only where the group keeps no history is it sent again unread; what cannot be read else
// stays in doubt.
func (r *runner) settle(j job) *settled {
	res := &settled{fate: fate{request: j.request.ID, batch: j.batch, outcomes: map[recall.Seq]bot.Outcome{}}}
	sendAgain := j.request.State == bot.Running
	unread := func() *settled {
		res.back, res.unread, res.counts, res.after = j.batch.Seqs, true, true, backoff(j.batch.Attempts)
		return res
	}
	if keepsNone(j.request) && sendAgain {
		return unread()
	}
	sealed, err := r.sealedBatch(j)
	if err != nil {
		r.w.Log.Warn("a doubt cannot be compared with its seal", "request", j.request.ID, "err", err)
		res.failed = true
		return res
	}
	rd := r.w.Reader(j.request.Scope, "doubt", recall.ForProof, j.request.By.Person)
	found, err := rd.Status(r.ctx, j.batch.Seqs, map[string]any{"batch": j.batch.N})
	res.traces = rd.Traces
	if err != nil {
		if kind, api := history.JudgeRead(err); kind == history.ReadAppPaused {
			r.w.Log.Warn("a doubt cannot be read while the app is refused", "request", j.request.ID, "err", api)
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
		res.back, res.single = res.single, nil
	}
	// The first try after a doubt need not wait; a service that keeps losing answers is not
	// hammered.
	if res.counts = true; j.batch.Attempts > 0 {
		res.after = backoff(j.batch.Attempts - 1)
	}
	return res
}
