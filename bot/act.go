package bot

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// act is one event on its way through a transaction.
type act struct {
	b     *Bot
	tx    Tx
	e     Event
	m     Member
	noted time.Time // when the event was first stored
}

func (a *act) do(cmd Command) (Answer, error) {
	p := a.b.o.Policy
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
			if err := p.MayAsk(a.m, a.b.o.Roster); err != nil {
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
		return a.decide(Approve)
	case ActReject:
		return a.decide(Reject)
	case ActAskApprove, ActAskReject:
		return a.askOnceMore()
	case ActStop:
		return a.stop(a.e.Act.Request)
	case ActShowAll:
		return a.page()
	case ActRecallFind:
		return a.recallFound()
	}
	return Answer{}, refuse("forged") // ActForged, and what no adapter sends
}

// allowedThen reports whether the place is where an open request was asked, so that a changed list of channels takes nobody's decision away. What
// speaks against the place itself counts as ever.
func (a *act) allowedThen(id RequestID) bool {
	if id == "" || a.e.Place.Trouble != "" {
		return false
	}
	r, err := a.tx.Request(id)
	return err == nil && r.App == a.b.o.App && r.State.Open() && r.Policy.MayBeUsedIn(a.e.Place) == nil &&
		r.Place.Platform == a.e.Place.Platform && r.Place.Workspace == a.e.Place.Workspace && r.Place.Channel == a.e.Place.Channel
}

// ask stores a new request, to be prepared.
func (a *act) ask(cmd Command) (Answer, error) {
	b, p, now := a.b, a.b.o.Policy, a.tx.Now()
	if err := p.MayAsk(a.m, b.o.Roster); err != nil {
		return Answer{}, err
	}
	if err := p.MayTouch(cmd.Scope.Group); err != nil {
		return Answer{}, err
	}
	if p.ReasonRequired && strings.TrimSpace(cmd.Reason) == "" {
		with := cmd
		with.Reason = "spam"
		return Answer{}, refuse("reason_required", "corrected", Code(with.on(a.e.Place.Platform)))
	}
	if n := cmd.Scope.Seqs.Count(); n > p.MaxMessages {
		less := cmd
		less.Scope.Seqs = cmd.Scope.Seqs.First(p.MaxMessages)
		return Answer{}, refuse("too_many", "n", n, "max", p.MaxMessages, "corrected", Code(less.on(a.e.Place.Platform)))
	}
	// How many would be sent is not known yet: the numbers as asked are the most, and a filter needs the ordinary approvals at least.
	var others *int
	if a.m.ApproversKnown {
		others = new(p.Others(a.m, b.o.Roster))
		if need := p.Needed(cmd.Scope.Seqs.Count()); *others < need {
			return Answer{}, refuse("too_few_approvers", "need", need, "have", *others)
		}
	}
	person, _ := b.o.Roster.Of(a.e.By)
	open, err := a.openRequests(person)
	if err != nil {
		return Answer{}, err
	}
	if open >= MaxOpen {
		return Answer{}, refuse("too_many_open", "n", open)
	}
	if err := a.b.overlap(a.tx, cmd.Scope, cmd.Scope.Seqs, "", a.e.Place.Platform); err != nil {
		return Answer{}, err
	}
	scope := cmd.Scope
	scope.Filter = scope.Filter.Absolute(now)
	r := Request{
		App: b.o.App, State: Preparing, Scope: scope, Reason: cmd.Reason, Covers: scope.Seqs,
		By:       Actor{Person: person, Account: a.e.By, Name: a.m.Name},
		Accounts: b.o.Roster.Accounts(a.e.By),
		Place:    a.e.Place, Policy: p, Roster: b.roster, Others: others, Asked: now,
	}
	if r.ID, err = a.newID(); err != nil {
		return Answer{}, err
	}
	if err := a.tx.PutRoster(b.o.Roster); err != nil {
		return Answer{}, err
	}
	if err := a.tx.AddRequest(r); err != nil {
		return Answer{}, err
	}
	if err := a.tx.AddView(View{Request: r.ID, Place: r.Place, Wanted: 1}); err != nil {
		return Answer{}, err
	}
	if err := a.tx.SetDue(Due{r.ID, DueStart, now.Add(p.StartWithin)}); err != nil {
		return Answer{}, err
	}
	told := cmd.withoutReason()
	told.Scope.Filter = told.Scope.Filter.withoutText() // the seal names what it found
	err = b.audit(a.tx, a.e, "asked", r.ID, "", map[string]any{
		"command": told.String(), "group": string(r.Scope.Group), "place": r.Place, "roster": r.Roster, "policy": r.Policy,
	})
	if err != nil {
		return Answer{}, err
	}
	a.tx.Wake(WakePreparer, WakeTeller, WakeTimer)
	return Answer{Kind: Accepted, Lines: []Line{Say("answer.asked", "id", r.ID)}}, nil
}

// openRequests counts the open requests of a person, those asked from an account of theirs under another name among them.
func (a *act) openRequests(person PersonID) (n int, err error) {
	open, err := a.tx.Askers(a.b.o.App)
	mine := a.b.o.Roster.Accounts(a.e.By)
	for _, by := range open {
		own := func(a Account) bool { return slices.ContainsFunc(by.Accounts, a.Is) }
		if by.Person == person || slices.ContainsFunc(mine, own) {
			n++
		}
	}
	return n, err
}

func (a *act) newID() (RequestID, error) {
	for {
		id := NewRequestID(rand.Reader)
		if _, err := a.tx.Request(id); errors.Is(err, ErrNotFound) {
			return id, nil
		} else if err != nil {
			return "", err
		}
	}
}

// request reads a request that m may see.
func (a *act) request(id RequestID) (Request, error) {
	if err := a.b.o.Policy.MayRead(a.m, a.b.o.Roster); err != nil {
		return Request{}, err
	}
	if id == "" { // a command that names none is a mistake, so this is a button that the bot never made
		return Request{}, &Refusal{Key: "no_such_request", Why: Say("refuse.forged")}
	}
	r, err := a.tx.Request(id)
	if errors.Is(err, ErrNotFound) || err == nil && r.App != a.b.o.App {
		return Request{}, refuse("no_such_request", "id", Code(string(id)))
	}
	return r, err
}

// readable reads a request that m may see whole: of a group that may be touched now, or still open.
func (a *act) readable(id RequestID) (Request, error) {
	r, err := a.request(id)
	if err == nil && !r.State.Open() {
		err = a.b.o.Policy.MayTouch(r.Scope.Group)
	}
	return r, err
}

// rules is what holds now for a request.
func (b *Bot) rules(tx Tx, r Request) (Rules, error) {
	asked, err := tx.Roster(r.Roster)
	if err != nil {
		return Rules{}, fmt.Errorf("read roster %s: %w", r.Roster, err)
	}
	return Rules{Policy: b.o.Policy, Roster: b.o.Roster, Asked: asked, Now: tx.Now()}, nil
}

// decide is the way of every verdict, whatever the shape of the event, to Decide.
func (a *act) decide(v Verdict) (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	d := Decision{Verdict: v, By: a.m, Place: a.e.Place, Digest: wholeDigest(r, a.e.Act.Digest), Reason: strings.TrimSpace(a.e.Act.Reason), Event: a.e.ID}
	next, err := Decide(r, d, now)
	if no, ok := errors.AsType[*Refusal](err); ok {
		if no.Key == "too_late" && a.noted.Before(r.Deadline) {
			err = refuse("expired_while_checked", "deadline", r.Deadline)
		}
		return a.stale(r, no), err
	}
	if err != nil {
		return Answer{}, err
	}
	if v == Approve && a.e.Act.Typed {
		if n, ok := typedNumber(a.e.Act.Count); !ok || n != r.Tally.Send {
			return Answer{}, refuse("wrong_count", "typed", Quote(Cut(a.e.Act.Count, 30)), "n", r.Tally.Send)
		}
	}
	if err := a.tx.PutRequest(next); err != nil {
		return Answer{}, err
	}
	what, key := "approved", "answer.approved"
	switch {
	case next.State == Rejected:
		what, key = "rejected", "answer.rejected"
		if err := a.b.ended(a.tx, next); err != nil {
			return Answer{}, err
		}
	case next.State == Approved:
		if err := a.b.granted(a.tx, next); err != nil {
			return Answer{}, err
		}
	default:
		key = "answer.approved_more"
	}
	err = a.b.audit(a.tx, a.e, what, r.ID, r.Digest, map[string]any{"state": string(next.State), "have": len(next.Approvals), "need": next.Needed, "reason_given": d.Reason != ""})
	if err != nil {
		return Answer{}, err
	}
	return a.changed(next, Say(key, "id", r.ID, "n", next.Awaits()))
}

// typedNumber reads a number as a person types it: spaces and thousands separators aside, any full-width digits folded.
func typedNumber(s string) (int, bool) {
	s = strings.NewReplacer(",", "", ".", "", " ", "", "'", "").Replace(foldString(s))
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

// wholeDigest is the sealed digest when the card's is the beginning of it, DigestShort characters at least; else what the card carried.
func wholeDigest(r Request, onCard string) string {
	if len(onCard) >= DigestShort && r.Digest != "" && strings.HasPrefix(r.Digest, onCard) {
		return r.Digest
	}
	return "card:" + onCard
}

// stale says that the card which was pressed must be repaired, when a refusal comes from what it showed.
func (a *act) stale(r Request, no *Refusal) Answer {
	switch no.Key {
	case "stale_card", "decided_already", "too_late", "expired_while_checked", "still_preparing":
	default:
		return Answer{}
	}
	c, err := a.b.card(a.tx, r, 0)
	if err != nil {
		return Answer{} // the repair is a kindness; the refusal stands without it
	}
	return Answer{Card: &c, Stale: true}
}

// changed wakes the teller for a request that a person has just changed, and answers with the card as it is now.
func (a *act) changed(r Request, said Line) (Answer, error) {
	if err := a.b.show(a.tx, r.ID); err != nil {
		return Answer{}, err
	}
	c, err := a.b.card(a.tx, r, 0)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Kind: Changed, Card: &c, Lines: []Line{said}}, nil
}

// granted sets in motion what an approval by enough people sets in motion.
func (b *Bot) granted(tx Tx, r Request) error {
	if err := tx.Grant(r.ID, r.Digest); err != nil {
		return err
	}
	if err := tx.ClearDue(r.ID); err != nil {
		return err
	}
	if err := tx.SetDue(Due{r.ID, DueStart, r.Granted.Add(r.Policy.StartWithin)}); err != nil {
		return err
	}
	tx.Wake(WakeRunner, WakeTimer)
	return nil
}

// askOnceMore answers a press with the form that asks once more. It decides nothing; what it can refuse already, it does.
func (a *act) askOnceMore() (Answer, error) {
	r, err := a.request(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	v := Approve
	if a.e.Act.Kind == ActAskReject {
		v = Reject
	}
	if _, err := Decide(r, Decision{Verdict: v, By: a.m, Place: a.e.Place, Digest: wholeDigest(r, a.e.Act.Digest)}, now); err != nil {
		if no, ok := errors.AsType[*Refusal](err); ok {
			return a.stale(r, no), err
		}
		return Answer{}, err
	}
	if v == Reject {
		return Answer{Kind: ShowForm, Form: rejectForm(r)}, nil
	}
	return Answer{Kind: ShowForm, Form: approveForm(r)}, nil
}

func (a *act) withdraw(id RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := Withdraw(r, a.m, now)
	if err != nil {
		return Answer{}, err
	}
	return a.end(next, "withdrawn", "answer.withdrawn")
}

func (a *act) stop(id RequestID) (Answer, error) {
	r, err := a.request(id)
	if err != nil {
		return Answer{}, err
	}
	now, err := a.b.rules(a.tx, r)
	if err != nil {
		return Answer{}, err
	}
	next, err := Stop(r, a.m, now)
	if no, ok := errors.AsType[*Refusal](err); ok {
		return a.stale(r, no), err
	}
	if err == nil && next.State == Stopped {
		next, err = endedUnbegun(a.tx, next)
	}
	if err != nil {
		return Answer{}, err
	}
	if next.State == Stopping {
		if err := a.tx.PutRequest(next); err != nil {
			return Answer{}, err
		}
		if err := a.b.audit(a.tx, a.e, "stopping", id, r.Digest, nil); err != nil {
			return Answer{}, err
		}
		a.tx.Wake(WakeRunner)
		return a.changed(next, Say("answer.stopping", "id", id))
	}
	return a.end(next, "stopped", "answer.stopped")
}

// end stores a request that a person has just ended.
func (a *act) end(r Request, what, key string) (Answer, error) {
	if err := a.b.audit(a.tx, a.e, what, r.ID, r.Digest, nil); err != nil {
		return Answer{}, err
	}
	if err := a.b.putEnded(a.tx, r, WhyStopped); err != nil {
		return Answer{}, err
	}
	return a.changed(r, Say(key, "id", r.ID))
}
