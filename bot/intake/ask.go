package intake

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// ask stores a new request in the state preparing. The worker then reads its messages, and posts
// the card when it is sealed: until then nobody but the requester hears of it.
func (a *act) ask(cmd command.Command) (Answer, error) {
	b, p, now := a.in, a.in.Policy, a.tx.Now()
	if err := b.mayTouch(cmd.Scope); err != nil {
		return Answer{}, err
	}
	if p.ReasonRequired && strings.TrimSpace(cmd.Reason) == "" {
		with := cmd
		with.Reason = "spam"
		return Answer{}, bot.NewRefusal("reason_required", "corrected",
			bot.Code(with.Write(a.e.Place.Platform.TypesOptions())))
	}
	asked := bot.Request{Scope: cmd.Scope, Parts: partsAsked(cmd.Scope)}
	if a.exact != nil {
		asked.Parts, asked.Exact = a.exact, true
	}
	n := asked.Count()
	if n > p.MaxMessages {
		less := cmd
		less.Scope = asked.Parts[0].Scope()
		less.Scope.Seqs = asked.Parts[0].Covers.First(p.MaxMessages)
		return Answer{}, bot.NewRefusal("too_many", "n", n, "max", p.MaxMessages, "corrected",
			bot.Code(less.Write(a.e.Place.Platform.TypesOptions())))
	}
	// The number of messages to send is not known yet. It is at most the number of seqs in the
	// command. A filter needs at least the ordinary number of approvals.
	var others *int
	if a.m.ApproversKnown {
		others = new(p.Others(a.m, b.Roster))
		if need := p.Needed(n); *others < need {
			if len(a.m.GroupsUnread) > 0 { // it is why they are too few
				return Answer{}, &bot.Refusal{Key: "groups_unread", Why: a.m.GroupsUnread}
			}
			return Answer{}, bot.NewRefusal("too_few_approvers", "need", need, "have", *others)
		}
	}
	person, _ := b.Roster.Of(a.e.By)
	open, err := a.openRequests(person)
	if err != nil {
		return Answer{}, err
	}
	if a.replaces != "" {
		open--
	}
	if open >= bot.MaxOpen {
		return Answer{}, bot.NewRefusal("too_many_open", "n", open)
	}
	for _, part := range asked.Parts {
		if err := a.in.Overlap(a.tx, part.Talk, part.Covers, a.replaces, a.e.Place.Platform); err != nil {
			return Answer{}, err
		}
	}
	scope := cmd.Scope
	scope.Filter = scope.Filter.Absolute(now)
	r := bot.Request{
		App: b.App, State: bot.Preparing, Scope: scope, Reason: cmd.Reason,
		Parts: asked.Parts, Exact: asked.Exact,
		By:       bot.Actor{Person: person, Account: a.e.By, Name: a.m.Name},
		Accounts: b.Roster.Accounts(a.e.By),
		Place:    a.e.Place, Policy: p, Roster: b.RosterHash, Others: others, Asked: now,
	}
	if r.ID, err = a.newID(); err != nil {
		return Answer{}, err
	}
	r.ReasonKey = make([]byte, 16)
	rand.Read(r.ReasonKey) // it never fails
	if err := a.tx.PutRoster(b.Roster); err != nil {
		return Answer{}, err
	}
	if err := a.tx.AddRequest(r); err != nil {
		return Answer{}, err
	}
	if err := a.tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueStart, At: now.Add(p.StartWithin)}); err != nil {
		return Answer{}, err
	}
	more := map[string]any{
		"command": cmd.WithoutWords(), "place": r.Place, "roster": r.Roster, "policy": r.Policy,
		"right": bot.Right(p.Crowds[a.e.By.Platform].Requesters, a.m),
	}
	switch {
	case r.Exact:
		more["groups"] = r.Seqs(func(p bot.Part) command.Ranges { return p.Covers })
	case r.Scope.Sweeps():
		groups := make([]bot.Talk, len(r.Parts))
		for i, part := range r.Parts {
			groups[i] = part.Talk
		}
		more["groups"] = groups
	default:
		more["group"] = string(r.Scope.Group)
	}
	if a.again != "" {
		more["again"] = string(a.again)
	}
	if mark := r.Mark(r.Reason); mark != "" {
		more["reason"] = mark
	}
	err = b.audit(a.tx, a.e, "asked", r.ID, "", more)
	if err != nil {
		return Answer{}, err
	}
	if a.replace != nil {
		if err := a.replace(); err != nil {
			return Answer{}, err
		}
	}
	a.tx.Wake(bot.WakePreparer, bot.WakeTimer)
	return Answer{Kind: Accepted, Request: r.ID, Lines: []bot.Line{bot.Say("answer.asked", "id", r.ID)},
		Offer: a.e.stops(bot.Say("button.take_back").String(), r.ID)}, nil
}

// openRequests counts the open requests of a person, including those that one of their accounts
// asked for when the roster named the person differently.
func (a *act) openRequests(person bot.PersonID) (n int, err error) {
	open, err := a.tx.Askers(a.in.App)
	mine := a.in.Roster.Accounts(a.e.By)
	for _, by := range open {
		own := func(a bot.Account) bool { return slices.ContainsFunc(by.Accounts, a.Is) }
		if by.Person == person || slices.ContainsFunc(mine, own) {
			n++
		}
	}
	return n, err
}

func (a *act) newID() (bot.RequestID, error) {
	for {
		id := command.NewRequestID(rand.Reader)
		if _, err := a.tx.Request(id); errors.Is(err, bot.ErrNotFound) {
			return id, nil
		} else if err != nil {
			return "", err
		}
	}
}
