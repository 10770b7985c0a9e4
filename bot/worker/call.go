package worker

import (
	"errors"
	"maps"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// retriesApp is how often a call that the service refuses is tried before the app is paused.
const retriesApp = 5

// send makes the call of one claimed batch, and returns what its answer means. It stores nothing.
func (r *runner) send(j job) *called {
	res := &called{fate: fate{request: j.request.ID, batch: j.batch, outcomes: map[recall.Seq]bot.Outcome{},
		reread: map[recall.Seq]bot.Outcome{}}}
	seqs, err := r.readAgain(j, res)
	if err != nil {
		res.retry, res.counts, res.after, res.unreadable = j.batch.Seqs, true, backoff(j.batch.Attempts), true
		switch kind, api := history.JudgeRead(err); {
		case kind == history.ReadAppPaused:
			res.pause = api
		case len(j.request.Parts) > 1 && (kind == history.ReadRefused || kind == history.ReadNever):
			res.condemn = api // of one group alone: the others go on
		}
		return res
	}
	if len(seqs) == 0 {
		return res
	}
	answer, err := r.w.Chat.GroupMsgRecall(r.calls, recall.RecallRequest{
		Group: j.part().Group, Topic: j.part().Topic, Seqs: seqs, Reason: r.w.Reason,
		Before: func() error {
			if _, stopping := r.stopping.Load(j.request.ID); stopping {
				return errStopping
			}
			if r.ctx.Err() != nil || !r.held() {
				return errNotHeld
			}
			return nil
		},
	})
	now := time.Now().Truncate(time.Millisecond)
	if !errors.Is(err, recall.ErrNotSent) {
		res.traces = append(res.traces, bot.NewTrace(bot.TraceCall, callDetail(j, seqs, answer, err)))
	}
	if err != nil {
		r.judge(res, j, seqs, err, now)
		r.readAfter(res, j)
		return res
	}
	res.answered = true
	for _, s := range seqs {
		code, ok := answer.Codes[s]
		switch {
		case !ok:
			res.doubt = append(res.doubt, s)
		default:
			r.judgeCode(res, j, s, code, "", now)
		}
	}
	r.readAfter(res, j)
	return res
}

// callDetail returns the audit detail of a call: which messages, and the answer, without content.
func callDetail(j job, seqs []recall.Seq, a recall.RecallAnswer, err error) map[string]any {
	d := map[string]any{"op": "group_msg_recall", "batch": j.batch.N, "seqs": command.MakeRanges(seqs...).String()}
	maps.Copy(d, j.where())
	if err != nil {
		d["error"] = err.Error()
		return d
	}
	codes := map[string][]recall.Seq{}
	for s, c := range a.Codes {
		codes[bot.CodeDigits(c)] = append(codes[bot.CodeDigits(c)], s)
	}
	d["codes"] = history.InWords(codes)
	return d
}

// judgeCode adds to res what the code of one message means.
func (r *runner) judgeCode(res *called, j job, s recall.Seq, code recall.Code, info string, now time.Time) {
	if code != recall.CodeOK {
		switch code.Class() {
		case recall.ClassUnknownOutcome:
			res.doubt = append(res.doubt, s)
			return
		case recall.ClassRetry, recall.ClassSlower, recall.ClassWait, recall.ClassSignAgain:
			if j.batch.Attempts < retriesApp {
				res.retry, res.counts, res.after = append(res.retry, s), true, backoff(j.batch.Attempts)
				return
			}
		}
		switch {
		case j.batch.Unread:
			res.outcomes[s] = bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyNoAnswer, Code: code, At: now}
			return
		}
	}
	o := bot.OutcomeOfCode(code, info, now)
	if o.Class == bot.ClassRefused && !code.Known() && info == "" {
		o.Info = code.Meaning()
	}
	if code != recall.CodeOK && j.batch.Doubted { // an earlier call whose answer was lost may have recalled it
		res.reread[s] = o
		return
	}
	res.outcomes[s] = o
}

// judge adds to res what a failed call means for its batch, its request and the app.
func (r *runner) judge(res *called, j job, seqs []recall.Seq, err error, now time.Time) {
	if errors.Is(err, recall.ErrNotSent) {
		res.retry = seqs
		if !errors.Is(err, errNotHeld) && !errors.Is(err, errStopping) {
			res.counts, res.after = true, backoff(j.batch.Attempts)
		}
		return
	}
	api, ok := errors.AsType[*recall.Error](err)
	if !ok {
		res.doubt = seqs // the answer is lost or unreadable: the call may have been executed
		return
	}
	res.answered = true
	switch class := api.Code.Class(); {
	case class == recall.ClassUnknownOutcome:
		res.doubt = seqs
	case history.Pauses(api.Code):
		res.retry, res.pause = seqs, api
	case class == recall.ClassRetry && j.batch.Attempts >= retriesApp:
		res.retry, res.pause = seqs, api
	case class == recall.ClassRetry || class == recall.ClassSlower || class == recall.ClassWait ||
		class == recall.ClassSignAgain:
		res.retry, res.counts, res.after = seqs, true, backoff(j.batch.Attempts)
		if class == recall.ClassSlower {
			res.counts, res.after = false, 0 // the pacer has halved its pace, so no pause is needed
		}
	case api.Code.Level() == recall.LevelRequest:
		for _, s := range seqs {
			r.judgeCode(res, j, s, api.Code, api.Info, now)
		}
		res.condemn = api
	case api.Code.Level() == recall.LevelMessage && len(seqs) > 1:
		res.single = seqs
	default:
		for _, s := range seqs {
			r.judgeCode(res, j, s, api.Code, api.Info, now)
		}
	}
}
