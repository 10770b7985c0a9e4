package intake

import (
	"cmp"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
)

// act is one event on its way through a transaction.
type act struct {
	in    *Intake
	tx    bot.Tx
	e     Event
	m     bot.Member
	noted time.Time // when the event was first stored
}

// allowedThen reports whether the place is where an open request was asked, so that a changed list
// of channels takes nobody's decision away. What speaks against the place itself counts as ever.
func (a *act) allowedThen(id bot.RequestID) bool {
	if id == "" || a.e.Place.Trouble != "" {
		return false
	}
	r, err := a.tx.Request(id)
	return err == nil && r.App == a.in.App && r.State.Open() && r.Policy.MayBeUsedIn(a.e.Place) == nil &&
		r.Place.Platform == a.e.Place.Platform && r.Place.Workspace == a.e.Place.Workspace &&
		r.Place.Channel == a.e.Place.Channel
}

// may returns a Refusal where the act may not be done here, or not by this person. Whether the
// group may be touched is asked after it.
func (a *act) may() error {
	p := a.in.Policy
	if err := p.MayBeUsedIn(a.e.Place); err != nil && !a.allowedThen(cmp.Or(a.e.Act.Request, a.e.command.Request)) {
		return err
	}
	switch a.e.needs() {
	case command.RightAsk:
		return p.MayAsk(a.m, a.in.Roster)
	case command.RightRead:
		return p.MayRead(a.m, a.in.Roster)
	}
	return nil
}

// request reads a request.
func (a *act) request(id bot.RequestID) (bot.Request, error) {
	if id == "" { // a command that names none is a mistake, so this is a button that the bot never made
		return bot.Request{}, &bot.Refusal{Key: "no_such_request", Why: bot.Say("refuse.forged")}
	}
	r, err := a.tx.Request(id)
	if errors.Is(err, bot.ErrNotFound) || err == nil && r.App != a.in.App {
		return bot.Request{}, bot.NewRefusal("no_such_request", "id", bot.Code(string(id)))
	}
	return r, err
}

// readable reads a request that may be shown whole: of a group that may be touched now, or still
// open.
func (a *act) readable(id bot.RequestID) (bot.Request, error) {
	r, err := a.request(id)
	if err == nil && !r.State.Open() {
		err = a.in.Policy.MayTouch(r.Scope.Group)
	}
	return r, err
}

// stale says that the card which was pressed must be repaired, when a refusal comes from what it
// showed.
func (a *act) stale(r bot.Request, no *bot.Refusal) Answer {
	switch no.Key {
	case "stale_card", "decided_already", "too_late", "expired_while_checked", "still_preparing":
	default:
		return Answer{}
	}
	c, err := a.in.Card(a.tx, r, 0)
	if err != nil {
		return Answer{} // the repair is a kindness; the refusal stands without it
	}
	return Answer{Card: &c, Stale: true}
}

// changed wakes the teller for a request that a person has just changed, and answers with the card
// as it is now.
func (a *act) changed(r bot.Request, said bot.Line) (Answer, error) {
	if err := a.in.Show(a.tx, r.ID); err != nil {
		return Answer{}, err
	}
	c, err := a.in.Card(a.tx, r, 0)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Kind: Changed, Card: &c, Lines: []bot.Line{said}}, nil
}
