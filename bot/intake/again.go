package intake

import (
	"errors"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// askAgain asks for what is left of a request, as a new request of whoever pressed. It adds no
// message: it names those that were to be sent and are not known to be gone. Only a filter is read
// again, from its old beginning. Who approved the old request has not approved this one.
func (a *act) askAgain() (Answer, error) {
	r, err := a.readable(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	if r.Digest == "" {
		return Answer{}, bot.NewRefusal("still_preparing")
	}
	cmd := command.Command{Verb: command.VerbRecall, Scope: r.Scope, Reason: r.Reason}
	cmd.Scope.Name = "" // the id is known
	if r.Scope.Sweeps() && r.Scope.Filter.Text == command.Withheld {
		return Answer{}, bot.NewRefusal("search_gone")
	}
	if f := r.Scope.Filter; f.IsZero() || f.Text == command.Withheld {
		cmd.Scope.Filter = command.Filter{}
		if cmd.Scope.Seqs, err = a.remaining(r); err != nil {
			return Answer{}, err
		}
		if cmd.Scope.Seqs.Count() == 0 {
			return Answer{}, bot.NewRefusal("nothing_to_ask_again", "id", r.ID)
		}
	}
	a.again = r.ID
	if r.State == bot.Proposed {
		if err := a.replaced(r); err != nil {
			return Answer{}, err
		}
	}
	return a.ask(cmd)
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
func (a *act) remaining(r bot.Request) (command.Ranges, error) {
	var seqs []recall.Seq
	if r.State.HasReceipt() {
		left, err := a.tx.NotGone(r.ID, r.Tally.Send)
		for _, m := range left {
			seqs = append(seqs, m.Seq)
		}
		return command.MakeRanges(seqs...), err
	}
	const atOnce = 1000
	for from := bot.MessageID(0); ; {
		part, err := a.tx.Sealed(r.ID, from, atOnce)
		if err != nil {
			return nil, err
		}
		for _, m := range part {
			if m.Sends() && !m.Outcome.Settled() {
				seqs = append(seqs, m.Seq)
			}
		}
		if len(part) < atOnce {
			return command.MakeRanges(seqs...), nil
		}
		from = part[atOnce-1].ID() + 1
	}
}
