package intake

import (
	"errors"

	"recallbot/bot"
)

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
	if err != nil {
		return Answer{}, err
	}
	return a.end(next, "withdrawn", "answer.withdrawn")
}

// stop ends an approved or running request early. A running one becomes stopping, and the worker
// ends it once its calls in flight are answered.
func (a *act) stop(id bot.RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := bot.Stop(r, a.m, now)
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		return a.stale(r, no)
	}
	if err == nil && next.State == bot.Stopped {
		next, err = bot.EndedUnbegun(a.tx, next)
	}
	if err != nil {
		return Answer{}, err
	}
	if next.State == bot.Stopping {
		if err := a.tx.PutRequest(next); err != nil {
			return Answer{}, err
		}
		if err := a.in.audit(a.tx, a.e, "stopping", id, r.Digest, nil); err != nil {
			return Answer{}, err
		}
		a.tx.Wake(bot.WakeRunner)
		return a.changed(next, bot.Say("answer.stopping", "id", id))
	}
	return a.end(next, "stopped", "answer.stopped")
}

// end stores a request that a person has just ended.
func (a *act) end(r bot.Request, what, key string) (Answer, error) {
	if err := a.in.audit(a.tx, a.e, what, r.ID, r.Digest, nil); err != nil {
		return Answer{}, err
	}
	if err := a.in.End(a.tx, r, bot.WhyStopped); err != nil {
		return Answer{}, err
	}
	return a.changed(r, bot.Say(key, "id", r.ID))
}
