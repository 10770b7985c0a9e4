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

	// again is the request that is asked for again, if one is. If it still waits, it is replaced:
	// replace takes it back.
	again, replaces bot.RequestID
	replace         func() error
	// exact are the messages that a sweep is asked for, if they are known; else a filter is read.
	exact []bot.Part
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

// known returns a Refusal if the pressed button or the sent form is about a request that the ledger
// does not have. The bot writes a request before it shows a button of it.
func (a *act) known() error {
	id := a.e.Act.Request
	if read, ok := command.ParseRequestID(string(id)); !ok || read != id {
		return nil
	}
	_, err := a.tx.Request(id)
	if errors.Is(err, bot.ErrNotFound) {
		return bot.NewRefusal("other_copy", "id", bot.Code(string(id)))
	}
	return err
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
		err = a.in.mayShow(r)
	}
	return r, err
}

// stale returns the refusal. If it shows that the pressed card was out of date, stale has the
// teller render the request again.
func (a *act) stale(r bot.Request, no *bot.Refusal) (Answer, error) {
	switch no.Key {
	case "stale_card", "decided_already", "too_late", "expired_while_checked", "still_preparing", "stop_instead",
		"cannot_withdraw":
		own, err := a.redraw(r, a.in.RedrawAtOnce)
		if err != nil {
			return Answer{}, err
		}
		return Answer{Card: own}, no
	}
	return Answer{}, no
}

// beginsWithin is how long the card of an approved request may take to change. The runner begins
// the request in far less time, unless it is not there.
const beginsWithin = 500 * time.Millisecond

// changed has the teller render a request that a person has just changed, and answers with said. A
// request that begins at once after its approval is rendered when it runs.
func (a *act) changed(r bot.Request, said bot.Line) (Answer, error) {
	draw := a.in.RedrawAtOnce
	if r.State == bot.Approved {
		paused, err := a.tx.Paused(r.App)
		if err != nil {
			return Answer{}, err
		}
		if paused == nil && r.Delay() == 0 && !a.in.Policy.Hold {
			draw = func(tx bot.Tx, id bot.RequestID) error { return a.in.RedrawWithin(tx, id, beginsWithin) }
		}
	}
	own, err := a.redraw(r, draw)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Kind: Changed, Card: own, Lines: []bot.Line{said}}, nil
}

// redraw has draw tell the teller to render the card of a request again, and has the pressed
// message rendered if it is a copy of the card. If the pressed message is shown to the person
// alone, the teller does not write it: redraw returns the card that it must show now, and otherwise
// nil.
func (a *act) redraw(r bot.Request, draw func(bot.Tx, bot.RequestID) error) (own *bot.Card, err error) {
	if err := draw(a.tx, r.ID); err != nil {
		return nil, err
	}
	if a.e.Act.Private() && !a.e.Act.OfLines() {
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

// decided stores the request next, which bot.Decide has made of r.
func (a *act) decided(r, next bot.Request, reason string) (Answer, error) {
	if err := a.tx.PutRequest(next); err != nil {
		return Answer{}, err
	}
	what, key := "approved", "answer.approved"
	switch {
	case next.State == bot.Rejected:
		what, key = "rejected", "answer.rejected"
		if err := a.in.Ended(a.tx, next); err != nil {
			return Answer{}, err
		}
	case next.State == bot.Approved:
		if err := a.in.granted(a.tx, next); err != nil {
			return Answer{}, err
		}
	default:
		key = "answer.approved_more"
	}
	more := map[string]any{"state": string(next.State), "have": len(next.Approvals), "need": next.Needed,
		"right": bot.Right(a.in.Policy.Crowds[a.e.By.Platform].Approvers, a.m)}
	if mark := r.Mark(reason); mark != "" {
		more["reason"] = mark
	}
	err := a.in.audit(a.tx, a.e, what, r.ID, r.Digest, more)
	if err != nil {
		return Answer{}, err
	}
	answer, err := a.changed(next, bot.Say(key, "id", r.ID, "n", next.Awaits()))
	answer.Tell = next.State == bot.Proposed // the card still asks for approvals
	return answer, err
}

// granted stores the grant of an approved request, sets its start timer, and wakes the runner.
func (in *Intake) granted(tx bot.Tx, r bot.Request) error {
	if err := tx.Grant(r.ID, r.Digest); err != nil {
		return err
	}
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueStart,
		At: r.Granted.Add(r.Policy.StartWithin)}); err != nil {
		return err
	}
	tx.Wake(bot.WakeRunner, bot.WakeTimer)
	return nil
}
