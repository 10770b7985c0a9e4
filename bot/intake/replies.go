package intake

import (
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// addButtons adds the buttons to a page of a request: for the messages without those unlike the
// rest, and those that its requester alone has, for the messages that quote it and for everything
// of its only sender.
func (a *act) addButtons(pg *Page, r bot.Request) (err error) {
	if pg.Without, err = a.askWithout(r); err != nil {
		return err
	}
	if pg.Recall, err = a.askReplies(r); err != nil || r.Scope.Sweeps() || len(r.Tally.Senders) != 1 {
		return err
	}
	now, err := a.in.Rules(a.tx, r)
	if err == nil && bot.IsRequester(r, a.m.Account, now) {
		pg.Sweep = string(r.Tally.Senders[0].ID)
	}
	return err
}

// askReplies returns the label of the button that asks for a recall of the messages that quote
// those of a request, or "" where the account that acts has no such button: only the requester has
// it.
func (a *act) askReplies(r bot.Request) (label string, err error) {
	_, seqs := r.AskableReplies()
	if seqs.Count() == 0 {
		return "", nil
	}
	now, err := a.in.Rules(a.tx, r)
	if err != nil || !bot.IsRequester(r, a.m.Account, now) {
		return "", err
	}
	return bot.Say("button.replies", "n", seqs.Count()).String(), nil
}

// recallReplies stores a request for the messages that quote those of another request.
func (a *act) recallReplies() (Answer, error) {
	r, err := a.readable(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.in.Rules(a.tx, r)
	talk, seqs := r.AskableReplies()
	switch {
	case err != nil:
		return Answer{}, err
	case len(a.e.Act.Digest) < bot.DigestShort || !strings.HasPrefix(r.Digest, a.e.Act.Digest),
		!bot.IsRequester(r, a.m.Account, now):
		return Answer{}, bot.NewRefusal("forged")
	case seqs.Count() == 0:
		return Answer{}, bot.NewRefusal("replies_gone", "id", r.ID)
	}
	scope := talk.Scope()
	scope.Seqs = seqs
	return a.ask(command.Command{Verb: command.VerbRecall, Reason: r.Reason, Scope: scope})
}
