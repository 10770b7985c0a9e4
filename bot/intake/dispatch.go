package intake

import (
	"cmp"
	"context"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
)

func (a *act) do(cmd command.Command) (Answer, error) {
	p := a.in.Policy
	if err := p.MayBeUsedIn(a.e.Place); err != nil && !a.allowedThen(cmp.Or(a.e.Act.Request, cmd.Request)) {
		return Answer{}, err
	}
	switch a.e.Act.Kind {
	case ActCommand, ActForm:
		switch cmd.Verb {
		case "help":
			return help(a.e.Place.Platform), nil
		case "whoami":
			return a.whoami(), nil
		case "form":
			if err := p.MayAsk(a.m, a.in.Roster); err != nil {
				return Answer{}, err
			}
			return Answer{Kind: ShowForm, Form: askForm(p)}, nil
		case "recall":
			return a.ask(cmd)
		case "list":
			return a.list(cmd)
		case "show":
			return a.show(cmd.Request)
		case "withdraw":
			return a.withdraw(cmd.Request)
		case "stop":
			return a.stop(cmd.Request)
		}
	case ActApprove:
		return a.decide(bot.Approve)
	case ActReject:
		return a.decide(bot.Reject)
	case ActAskApprove, ActAskReject:
		return a.askOnceMore()
	case ActStop:
		return a.stop(a.e.Act.Request)
	case ActShowAll:
		return a.page()
	case ActRecallFind:
		return a.recallFound()
	}
	return Answer{}, bot.NewRefusal("forged") // ActForged, and what no adapter sends
}

// Do handles an event: it is stored, takes effect and gets its answer in one transaction. A repeat
// of an event changes nothing and gets the first answer. An event stored by Note is closed by Do. m
// is what the platform says of the account now.
//
// A Refusal or a Mistake is an Answer, not an error. An error means that the event is not known to
// have been handled: one that Note has stored stays Unfinished.
func (in *Intake) Do(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	if e.Act.Kind == ActComplete {
		return in.complete(ctx, e, m)
	}
	cmd, mistake := commandOf(e.Act, e.Place.Platform)
	if mistake == nil && cmd.Verb == "find" {
		return in.find(ctx, e, m, cmd)
	}
	if e.Act.Kind == ActTurnFind {
		return in.turnFound(ctx, e, m)
	}
	if e.Act.Kind == ActShowAll && in.Evidence == bot.EvidenceHash {
		return in.pageAfresh(ctx, e, m)
	}
	return in.settle(ctx, e, func(tx bot.Tx, noted time.Time) (Answer, error) {
		if mistake != nil {
			return answerMistake(mistake), nil
		}
		a := act{in: in, tx: tx, e: e, m: m, noted: noted}
		return a.do(cmd)
	})
}

// TakesLong reports whether Do reads messages from the service before it answers such an act: a
// platform that waits for a short time only is to be told first.
func (in *Intake) TakesLong(a Act) bool {
	switch a.Kind {
	case ActTurnFind:
		return true
	case ActShowAll:
		return in.Evidence == bot.EvidenceHash
	}
	cmd, mistake := commandOf(a, "")
	return mistake == nil && cmd.Verb == command.VerbFind
}
