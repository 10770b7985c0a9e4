package intake

import (
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
)

// list answers with the requests that the command selects, newest first, and how many there are.
// Requests of groups that may not be touched are left out unless they are open.
func (a *act) list(cmd command.Command) (Answer, error) {
	q := bot.Query{App: a.in.App, Limit: listScanned}
	switch cmd.List {
	case command.ListOpen:
		q.States = bot.OpenStates()
	case command.ListMine:
		q.Person, _ = a.in.Roster.Of(a.e.By)
	}
	if cmd.List == "" {
		if err := a.in.Policy.MayTouch(cmd.Scope.Group); err != nil {
			return Answer{}, err
		}
		q.Group = cmd.Scope.Group
	}
	found, err := a.tx.Requests(q)
	if err != nil {
		return Answer{}, err
	}
	all := len(found) < listScanned
	found = slices.DeleteFunc(found,
		func(r bot.Request) bool { return !r.State.Open() && a.in.mayShow(r) != nil })
	open := ""
	if cmd.List == command.ListOpen {
		open = ".open"
	}
	if len(found) == 0 {
		return Answer{Kind: Whisper, Lines: []bot.Line{bot.Say("answer.list.none"+open, "all",
			bot.Code(command.Command{Verb: command.VerbList, List: command.ListAll}.
				Write(a.e.Place.Platform.TypesOptions())))}}, nil
	}
	l := []bot.Line{bot.Say("answer.list.head"+open, "n", len(found))}
	switch {
	case !all:
		l[0] = bot.Say("answer.list.head.scanned", "n", min(len(found), listShown), "scanned", listScanned)
	case len(found) > listShown:
		l[0] = bot.Say("answer.list.head.of", "shown", listShown, "n", len(found))
	}
	return Answer{Kind: Whisper, Lines: append(l, a.rows(found[:min(len(found), listShown)])...)}, nil
}

// rows returns a line for each request.
func (a *act) rows(found []bot.Request) (l []bot.Line) {
	for _, r := range found {
		l = append(l, bot.BlindFirst(r, bot.Say("answer.list.row", "id", r.ID, "state",
			bot.Say("state."+string(r.State)), "n", r.Count(), "group", bot.WhereID(r), "who",
			bot.ActorName(r.By), "when", r.Asked)))
	}
	return l
}

// show answers with everything about one request: its card with the buttons that can be pressed
// now, and, if it has a receipt, people, times and every outcome.
func (a *act) show(id bot.RequestID) (Answer, error) {
	r, err := a.readable(id)
	if err != nil {
		return Answer{}, err
	}
	c, err := a.in.Card(a.tx, r, 0)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Kind: ShowCard, Card: &c}
	if r.State.HasReceipt() {
		lines, err := a.in.Receipt(a.tx, r)
		if err != nil {
			return Answer{}, err
		}
		answer.Lines = lines
	}
	return answer, a.in.audit(a.tx, a.e, "read", id, r.Digest, map[string]any{"how": "show"})
}
