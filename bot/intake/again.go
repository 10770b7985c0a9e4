package intake

import (
	"errors"
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
)

// askAgain asks for what is left of a request, as a new request of whoever pressed. It adds no
// message: it names those that were to be sent and are not known to be gone. Only a filter is read
// again, from its old beginning. Who approved the old request has not approved this one.
//
// What is asked again without the messages that are unlike the rest is always named: a filter would
// find those again.
func (a *act) askAgain() (Answer, error) {
	r, err := a.readable(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	if r.Digest == "" {
		return Answer{}, bot.NewRefusal("still_preparing")
	}
	without := a.e.Act.Kind == ActAskWithout
	cmd := command.Command{Verb: command.VerbRecall, Scope: r.Scope, Reason: r.Reason}
	cmd.Scope.Name, cmd.Scope.Names = "", nil // the ids are known
	if f := r.Scope.Filter; f.IsZero() || f.Text == command.Withheld || r.Exact || without {
		all, err := a.remaining(r)
		if err != nil {
			return Answer{}, err
		}
		if without {
			kinds, err := a.tx.Kinds(r.ID)
			if err != nil {
				return Answer{}, err
			}
			if kinds == nil || len(kinds.Apart) == 0 {
				return Answer{}, bot.NewRefusal("apart_gone", "id", r.ID)
			}
			all = kinds.WithoutApart(all)
		}
		if len(all) == 0 {
			return Answer{}, bot.NewRefusal("nothing_to_ask_again", "id", r.ID)
		}
		parts := slices.Clone(r.Parts)
		covered := bot.ByPart(all)
		for i := range parts {
			parts[i].Covers = command.MakeRanges(covered[i]...)
		}
		cmd.Scope = a.askExactly(r.Scope, parts)
	}
	a.again = r.ID
	if r.State == bot.Proposed {
		if err := a.replaced(r); err != nil {
			return Answer{}, err
		}
	}
	return a.ask(cmd)
}

// askExactly returns the scope of a request for the messages of the parts, of one sender where the
// old scope sweeps. Over several groups ask stores the numbers, since no command has them.
func (a *act) askExactly(old command.Scope, parts []bot.Part) command.Scope {
	for _, p := range parts {
		if p.Covers.Count() > 0 {
			a.exact = append(a.exact, bot.Part{Talk: p.Talk, Covers: p.Covers})
		}
	}
	if len(a.exact) == 1 {
		scope := a.exact[0].Scope()
		scope.Seqs, a.exact = a.exact[0].Covers, nil
		return scope
	}
	scope := command.Scope{Filter: command.Filter{From: old.Filter.From}}
	for _, p := range a.exact {
		scope.In = append(scope.In, bot.Where(p.Scope()).Text)
	}
	return scope
}

// askWithout returns the label of the button that asks for a request again without the messages
// that are unlike the rest, or "" where there is no such button: none is unlike the rest, or
// nothing else is left. While the request waits its requester alone has it, who takes the request
// back with it. After an end everybody has it who may ask.
func (a *act) askWithout(r bot.Request) (label string, err error) {
	kinds, err := a.tx.Kinds(r.ID)
	if err != nil || kinds == nil || len(kinds.Apart) == 0 {
		return "", err
	}
	switch {
	case r.State == bot.Proposed:
		now, err := a.in.Rules(a.tx, r)
		if err != nil || !bot.IsRequester(r, a.m.Account, now) {
			return "", err
		}
	case r.State.Open() || a.in.Policy.MayAsk(a.m, a.in.Roster) != nil:
		return "", nil
	}
	all, n := r.Tally.Send, len(kinds.ApartIDs())
	if r.State.HasReceipt() {
		ids, err := a.remaining(r)
		if err != nil {
			return "", err
		}
		all = len(ids)
		n = all - len(kinds.WithoutApart(ids))
	}
	switch {
	case n == 0 || n == all:
		return "", nil
	case n == 1:
		return bot.Say("button.ask_without.one").String(), nil
	default:
		return bot.Say("button.ask_without", "n", n).String(), nil
	}
}

// replaced has ask take back a request that still waits, if its requester asks again. Somebody
// else's is in the way.
func (a *act) replaced(r bot.Request) error {
	now, err := a.in.Rules(a.tx, r)
	if err != nil {
		return err
	}
	next, err := bot.Withdraw(r, a.m, now)
	if _, refused := errors.AsType[*bot.Refusal](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	a.replaces, a.replace = r.ID, func() error {
		_, err := a.ended(r, next, nil)
		return err
	}
	return nil
}

// remaining returns the messages of a request that were to be sent and are not known to be gone.
func (a *act) remaining(r bot.Request) (ids []bot.MessageID, err error) {
	if r.State.HasReceipt() {
		left, err := a.tx.NotGone(r.ID, r.Tally.Send)
		for _, m := range left {
			ids = append(ids, m.ID())
		}
		return ids, err
	}
	const atOnce = 1000
	for from := bot.MessageID(0); ; {
		part, err := a.tx.Sealed(r.ID, from, atOnce)
		if err != nil {
			return nil, err
		}
		for _, m := range part {
			if m.Sends() && !m.Outcome.Settled() {
				ids = append(ids, m.ID())
			}
		}
		if len(part) < atOnce {
			return ids, nil
		}
		from = part[atOnce-1].ID() + 1
	}
}
