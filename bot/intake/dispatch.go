package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// dispatch checks the person's right and dispatches the event by its kind and verb.
func (a *act) dispatch() (Answer, error) {
	switch act := a.e.Act; { // whoever and wherever it is
	case act.Kind == ActForged && (act.Command == "recall" || act.Command == "recalls"):
		return Answer{}, bot.NewRefusal("unknown_options", "command", bot.Code("/"+act.Command))
	case act.Kind == ActForged && act.Command != "":
		return Answer{}, bot.NewRefusal("unknown_command", "command", bot.Code("/"+act.Command))
	case act.Kind == ActForged && act.Sub != "":
		return Answer{}, bot.NewRefusal("unknown_shortcut")
	}
	if err := a.known(); err != nil {
		return Answer{}, err
	}
	if err := a.may(); err != nil {
		return Answer{}, err
	}
	cmd := a.e.command
	switch a.e.Act.Kind {
	case ActCommand, ActForm, ActUse:
		switch cmd.Verb {
		case command.VerbHelp:
			return help(a.e.Place.Platform), nil
		case command.VerbWhoami:
			return a.whoami(), nil
		case command.VerbForm:
			return Answer{Kind: ShowForm, Form: askForm(a.in.Policy)}, nil
		case command.VerbRecall:
			return a.ask(cmd)
		case command.VerbList:
			return a.list(cmd)
		case command.VerbShow:
			return a.show(cmd.Request)
		case command.VerbWithdraw:
			return a.withdraw(cmd.Request)
		case command.VerbStop:
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
	case ActRecallFind, ActRecallKind:
		return a.recallFound()
	case ActRecallReplies:
		return a.recallReplies()
	case ActAskAgain, ActAskWithout:
		return a.askAgain()
	case ActAskSweep:
		return Answer{Kind: ShowForm, Form: sweepForm(a.in.Policy, recall.UserID(a.e.Act.Text))}, nil
	}
	return Answer{}, bot.NewRefusal("forged") // ActForged, and what no adapter sends
}

// Do handles an event: it stores the event, applies it and stores its answer, in one transaction. A
// repeated event changes nothing and gets the first answer. An event that Receive stored is closed
// by Do. m is what the platform says about the account now.
//
// A Refusal or a Mistake is an Answer, not an error. After an error it is not known whether the
// event was handled; an event that Receive stored then stays Unfinished.
func (in *Intake) Do(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	e = e.Read()
	if e.Act.Kind == ActUse {
		used, err := in.used(ctx, e)
		if _, refused := errors.AsType[*bot.Refusal](err); refused {
			return in.close(ctx, e, func(bot.Tx, time.Time) (Answer, error) { return Answer{}, err })
		} else if err != nil {
			return Answer{}, fmt.Errorf("read what was offered: %w", err)
		}
		e = used
	}
	if e.mistake == nil && needsNames(e.command.Scope) {
		look := in.byName
		if e.command.Scope.Sweeps() {
			look = in.byNames
		}
		found, answer, err := look(ctx, e, m)
		if err != nil {
			return Answer{}, fmt.Errorf("find a group by name: %w", err)
		} else if answer != nil {
			return *answer, nil
		}
		e = found
	}
	switch {
	case e.Act.Kind == ActComplete:
		return in.complete(ctx, e, m)
	case e.Verb() == command.VerbGroups:
		return in.groups(ctx, e, m)
	case e.Verb() == command.VerbFind && e.command.Scope.Sweeps():
		return in.findSweep(ctx, e, m)
	case e.Verb() == command.VerbFind:
		return in.find(ctx, e, m)
	case e.Act.Kind == ActTurnFind:
		return in.turnFound(ctx, e, m)
	case e.Act.Kind == ActShowAll:
		return in.showAll(ctx, e, m)
	}
	return in.close(ctx, e, func(tx bot.Tx, arrived time.Time) (Answer, error) {
		if e.mistake != nil {
			return answerMistake(e.mistake, e), nil
		}
		a := act{in: in, tx: tx, e: e, m: m, arrived: arrived}
		return a.dispatch()
	})
}

// TakesLong reports whether Do asks the service before it answers such an event. If
// so, a platform that waits only a short time must be answered first.
func (in *Intake) TakesLong(e Event) bool {
	switch e.Act.Kind {
	case ActTurnFind, ActUse, ActShowAll:
		return true
	}
	return e.Verb().TakesLong() || needsNames(e.Read().command.Scope)
}
