package intake

import (
	"cmp"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
)

// act is one event within its transaction. Its methods check the person's right, change what the
// event asks for, and return the answer.
type act struct {
	in      *Intake
	tx      bot.Tx
	e       Event
	m       bot.Member
	arrived time.Time // when the event was first stored
}

// allowedThen reports whether the event comes from the place where an open request was asked. So a
// change of the list of channels does not prevent a decision about an open request. A place with a
// Trouble is still refused.
func (a *act) allowedThen(id bot.RequestID) bool {
	if id == "" || a.e.Place.Trouble != "" {
		return false
	}
	r, err := a.tx.Request(id)
	return err == nil && r.App == a.in.App && r.State.Open() && r.Policy.MayBeUsedIn(a.e.Place) == nil &&
		r.Place.Platform == a.e.Place.Platform && r.Place.Workspace == a.e.Place.Workspace &&
		r.Place.Channel == a.e.Place.Channel
}

// may returns a Refusal if the person may not do this, or not in this place. It does not check
// whether the group may be touched.
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
	if id == "" { // a command without an id is a mistake, so this comes from a forged button
		return bot.Request{}, &bot.Refusal{Key: "no_such_request", Why: bot.Say("refuse.forged")}
	}
	r, err := a.tx.Request(id)
	if errors.Is(err, bot.ErrNotFound) || err == nil && r.App != a.in.App {
		return bot.Request{}, bot.NewRefusal("no_such_request", "id", bot.Code(string(id)))
	}
	return r, err
}

// readable reads a request that may be shown in full: an open one, or one of a group that may be
// touched now.
func (a *act) readable(id bot.RequestID) (bot.Request, error) {
	r, err := a.request(id)
	if err == nil && !r.State.Open() {
		err = a.in.Policy.MayTouch(r.Scope.Group)
	}
	return r, err
}

// stale returns the refusal. If it shows that the pressed card was out of date, stale has the
// teller render the request again.
func (a *act) stale(r bot.Request, no *bot.Refusal) (Answer, error) {
	switch no.Key {
	case "stale_card", "decided_already", "too_late", "expired_while_checked", "still_preparing":
		own, err := a.redraw(r)
		if err != nil {
			return Answer{}, err
		}
		return Answer{Card: own}, no
	}
	return Answer{}, no
}

// changed has the teller render a request that a person has just changed, and answers with said.
func (a *act) changed(r bot.Request, said bot.Line) (Answer, error) {
	own, err := a.redraw(r)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Kind: Changed, Card: own, Lines: []bot.Line{said}}, nil
}

// redraw has the teller render the card of a request again, and the pressed message if it is a copy
// of the card. If the pressed message is shown to the person alone, the teller does not write it:
// redraw returns the card that it must show now, and otherwise nil.
func (a *act) redraw(r bot.Request) (own *bot.Card, err error) {
	if err := a.in.ShowAtOnce(a.tx, r.ID); err != nil {
		return nil, err
	}
	if a.e.Act.Private() {
		c, err := a.in.Card(a.tx, r, 0)
		return &c, err
	}
	views, err := a.tx.ViewOf(r.ID)
	if err != nil || a.e.Act.Card.Message == "" {
		return nil, err
	}
	for _, v := range views {
		if v.Place.Channel != a.e.Place.Channel || v.Place.Platform != a.e.Place.Platform ||
			v.Ref.Message == a.e.Act.Card.Message {
			continue
		}
		// the key is the event's: a copy may be pressed again
		if err := a.tx.AddPost(bot.Post{Request: r.ID, Place: v.Place, Key: string(r.ID) + "/copy/" + string(a.e.ID),
			Kind: bot.PostCopy, Ref: a.e.Act.Card}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
