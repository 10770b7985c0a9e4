package intake

import (
	"errors"

	"recallbot/bot"
	"recallbot/bot/command"
)

// This file ends requests before they have done what they ask for. What a person may end, and how,
// depends on the state of the request alone: its requester takes it back while nobody has decided
// it, an approver rejects it, and both stop it once it is approved.

// withdraw ends a request that nobody has decided, for its requester.
func (a *act) withdraw(id bot.RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := bot.Withdraw(r, a.m, now)
	return a.ended(r, next, err)
}

// stop makes a request not happen, whatever its state. Without an id it does so to the only request
// that the person can stop; if there are several, it lists them with a button for each.
func (a *act) stop(id bot.RequestID) (Answer, error) {
	if id == "" && a.e.command.Verb == command.VerbStop {
		return a.stopAny()
	}
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	next, err := a.stopped(r)
	return a.ended(r, next, err)
}

// stopped returns the request as it is once the person has made it not happen, or a Refusal.
func (a *act) stopped(r bot.Request) (bot.Request, error) {
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return r, err
	}
	switch {
	case (r.State == bot.Preparing || r.State == bot.Proposed) && bot.IsRequester(r, a.m.Account, now):
		return bot.Withdraw(r, a.m, now)
	case r.State == bot.Proposed && now.Policy.MayApprove(a.m, now.Roster) == nil:
		// No card was pressed: what is rejected is what waits, whatever it says.
		return bot.Decide(r, bot.Decision{Verdict: bot.Reject, By: a.m, Place: a.e.Place, Digest: r.Digest,
			Event: a.e.ID}, now)
	}
	return bot.Stop(r, a.m, now)
}

// stopAny stops the only request that the person can stop, or lists all of them.
func (a *act) stopAny() (Answer, error) {
	open, err := a.tx.Requests(bot.Query{App: a.in.App, States: bot.OpenStates(), Limit: stopScanned})
	if err != nil {
		return Answer{}, err
	}
	var found, after []bot.Request
	for _, r := range open {
		next, err := a.stopped(r)
		if _, no := errors.AsType[*bot.Refusal](err); no {
			continue
		}
		if err != nil {
			return Answer{}, err
		}
		found, after = append(found, r), append(after, next)
	}
	switch {
	case len(found) == 0:
		return Answer{}, bot.NewRefusal("nothing_to_stop")
	case len(found) == 1 && len(open) < stopScanned:
		return a.ended(found[0], after[0], nil)
	}
	shown := found[:min(len(found), listShown)]
	answer := Answer{Kind: Whisper, Lines: append([]bot.Line{bot.Say("answer.stop.which", "n", len(found))},
		a.rows(shown)...)}
	var ids []bot.RequestID
	for _, r := range shown {
		ids = append(ids, r.ID)
	}
	answer.Offer = a.e.stops("", ids...)
	return answer, nil
}

// ended stores a request that a person has just ended, or that is stopping now: then the worker
// ends it once its calls in flight are answered. r is the request before, and err why it cannot be
// ended.
func (a *act) ended(r, next bot.Request, err error) (Answer, error) {
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		return a.stale(r, no)
	}
	if err == nil && next.State == bot.Stopped {
		next, err = bot.EndedUnbegun(a.tx, next)
	}
	if err != nil {
		return Answer{}, err
	}
	if next.State == bot.Rejected {
		return a.decided(r, next, "")
	}
	what := string(next.State)
	if err := a.in.audit(a.tx, a.e, what, r.ID, r.Digest, nil); err != nil {
		return Answer{}, err
	}
	if next.State == bot.Stopping {
		a.tx.Wake(bot.WakeRunner)
		err = a.tx.PutRequest(next)
	} else {
		err = a.in.End(a.tx, next, bot.WhyStopped)
	}
	if err != nil {
		return Answer{}, err
	}
	return a.changed(next, bot.Say("answer."+what, "id", r.ID))
}
