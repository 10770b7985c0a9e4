package bot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"recallbot/recall"
)

const (
	pageSize  = 10  // messages on one page of Show all
	pageRunes = 500 // characters of one of them

	listShown   = 20 // requests that list shows
	listScanned = 60 // that it looks at, for those of groups that may still be touched: each is read whole, and somebody waits

	groupsScanned = 1000 // groups that an autocompletion looks through, those asked about last
)

// help shows every command with an example that can be copied.
func help(on Platform) Answer {
	example := func(key string, commands ...string) []Line {
		l := []Line{Say(key)}
		for _, c := range commands {
			if name, text, _ := strings.Cut(c, " "); on == Discord { // where text after a command means nothing
				cmd, err := Parse(name, text)
				if err != nil {
					panic("bot: the help has an example that cannot be read: " + c) // unreachable: the conversations ask for help
				}
				c = cmd.on(on)
			}
			l = append(l, Line{Code(c)})
		}
		return l
	}
	lines := slices.Concat(
		example("answer.help.1", `/recall @TGS#2J4SZEAEL 100 101`, `/recall @TGS#2J4SZEAEL 100-150 reason:"doxxing"`),
		example("answer.help.2", `/recall @TGS#2J4SZEAEL from:spammer since:2h`, `/recall @TGS#2J4SZEAEL text:"casino" last:50`),
		example("answer.help.3", `/recalls find @TGS#2J4SZEAEL from:spammer since:30m`),
		example("answer.help.4", `/recalls list open`, `/recalls show R-7K3M9Q`),
		example("answer.help.5", `/recalls withdraw R-7K3M9Q`, `/recalls stop R-7K3M9Q`),
		example("answer.help.6", `/recalls whoami`),
		example("answer.help.end"),
	)
	if on == Slack {
		lines = append(lines, Say("answer.help.slack"))
	}
	return Answer{Kind: Whisper, Lines: lines}
}

// answer is what a person sees who typed something that cannot be read.
func (m *Mistake) answer() Answer {
	l := Say("mistake."+m.Key, "quoted", Quote(Cut(m.Quoted, 100)), "expected", Code(m.Expected), "corrected", Code(m.Corrected), "count", m.Count, "max", m.Max)
	return Answer{Kind: Whisper, Lines: []Line{l}, Refused: "mistake." + m.Key}
}

// whoami tells a person what the bot knows about them and what they may do here.
func (a *act) whoami() Answer {
	p, roster := a.b.o.Policy, a.b.o.Roster
	var l []Line
	person, ok := roster.Of(a.e.By)
	switch {
	case !ok:
		l = append(l, Say("answer.whoami.unknown"))
	case roster.Empty():
		l = append(l, Say("answer.whoami.person", "person", Quote(a.m.Name), "account", Code(a.e.By.String())), Say("answer.whoami.alone"))
	default:
		l = append(l, Say("answer.whoami.person", "person", Quote(string(person)), "account", Code(a.e.By.String())))
		var others []string
		for _, own := range roster.Accounts(a.e.By) {
			if own != a.e.By {
				others = append(others, own.String())
			}
		}
		if others != nil {
			l = append(l, Say("answer.whoami.linked", "accounts", Code(strings.Join(others, ", "))))
		}
	}
	if no, ok := p.MayRead(a.m, roster).(*Refusal); ok && no.Key != "not_allowed" {
		return Answer{Kind: Whisper, Lines: append(l, no.Why)}
	}
	crowd := p.Crowds[a.e.By.Platform]
	var in []string // those of their groups that the policy names
	for _, g := range a.m.Groups {
		if names(slices.Concat(crowd.Requesters, crowd.Approvers), Member{Groups: []string{g}}) {
			in = append(in, g)
		}
	}
	if in != nil {
		l = append(l, Say("answer.whoami.groups", "groups", Code(strings.Join(in, ", "))))
	}
	yes := func(may error) string {
		if may == nil {
			return "yes"
		}
		return "no"
	}
	read := p.MayRead(a.m, roster)
	l = append(l, Say("answer.whoami.ask."+yes(p.MayAsk(a.m, roster))), Say("answer.whoami.approve."+yes(p.MayApprove(a.m, roster))), Say("answer.whoami.read."+yes(read)))
	if read == nil && len(p.Groups) > 0 {
		l = append(l, Say("answer.whoami.touch", "patterns", Code(strings.Join(p.Groups, ", "))))
	}
	return Answer{Kind: Whisper, Lines: l}
}

func (a *act) list(cmd Command) (Answer, error) {
	if err := a.b.o.Policy.MayRead(a.m, a.b.o.Roster); err != nil {
		return Answer{}, err
	}
	q := Query{App: a.b.o.App, Limit: listScanned}
	switch cmd.List {
	case "open":
		q.States = openStates()
	case "mine":
		q.Person, _ = a.b.o.Roster.Of(a.e.By)
	}
	if cmd.ListGroup != "" {
		if err := a.b.o.Policy.MayTouch(cmd.ListGroup); err != nil {
			return Answer{}, err
		}
		q.Group = cmd.ListGroup
	}
	found, err := a.tx.Requests(q)
	if err != nil {
		return Answer{}, err
	}
	all := len(found) < listScanned
	found = slices.DeleteFunc(found, func(r Request) bool { return !r.State.Open() && a.b.o.Policy.MayTouch(r.Scope.Group) != nil })
	if len(found) == 0 {
		return Answer{Kind: Whisper, Lines: []Line{Say("answer.list.none")}}, nil
	}
	l := []Line{Say("answer.list.head", "n", len(found))}
	switch {
	case !all:
		l[0] = Say("answer.list.head.scanned", "n", min(len(found), listShown), "scanned", listScanned)
	case len(found) > listShown:
		l[0] = Say("answer.list.head.of", "shown", listShown, "n", len(found))
	}
	for _, r := range found[:min(len(found), listShown)] {
		l = append(l, blindFirst(r, Say("answer.list.row", "id", r.ID, "state", Say("state."+string(r.State)), "n", r.Covers.Count(), "group", Code(string(r.Scope.Group)), "who", name(r.By), "when", r.Asked)))
	}
	return Answer{Kind: Whisper, Lines: l}, nil
}

// show answers with the whole of one request: its card, with the buttons that can be pressed now, and below it people, times and every outcome.
func (a *act) show(id RequestID) (Answer, error) {
	r, err := a.readable(id)
	if err != nil {
		return Answer{}, err
	}
	c, err := a.b.card(a.tx, r, 0)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Kind: ShowCard, Card: &c}
	if r.State.HasReceipt() {
		lines, err := a.b.receipt(a.tx, r)
		if err != nil {
			return Answer{}, err
		}
		answer.Lines = lines
	}
	return answer, a.b.audit(a.tx, a.e, "read", id, r.Digest, map[string]any{"how": "show"})
}

// page answers with one page of the messages of a request.
func (a *act) page() (Answer, error) {
	r, err := a.readable(a.e.Act.Request)
	if err != nil {
		return Answer{}, err
	}
	if r.Digest == "" {
		return Answer{}, refuse("still_preparing")
	}
	pg, _, err := a.b.pageOf(a.tx, r, a.e.Act.Page)
	if err != nil {
		return Answer{}, err
	}
	err = a.b.audit(a.tx, a.e, "read", r.ID, r.Digest, map[string]any{"how": "show all", "page": pg.Number})
	return Answer{Kind: ShowPage, Page: &pg}, err
}

// pageOf is page n of the messages of a request, from 0, with what is kept of them, and the messages themselves.
func (b *Bot) pageOf(tx Tx, r Request, n int) (Page, []Message, error) {
	of := max(1, (r.Tally.Total+pageSize-1)/pageSize)
	n = min(max(n, 0), of-1)
	messages, err := tx.Messages(r.ID, r.Covers.Nth(n*pageSize), pageSize)
	if err != nil {
		return Page{}, nil, err
	}
	removals, err := removalsOf(tx, r, messages)
	if err != nil {
		return Page{}, nil, err
	}
	pg := Page{Title: blindFirst(r, Say("answer.page.title", "id", r.ID, "page", n+1, "of", of)), Request: r.ID, Digest: r.Digest, Number: n, Of: of}
	for _, m := range messages {
		pg.Samples = append(pg.Samples, b.sample(m, r, removals, pageRunes, true))
	}
	if _, err := tx.EvidenceKey(r.ID); errors.Is(err, ErrNotFound) {
		pg.Notes = append(pg.Notes, Say("answer.page.gone"))
	} else if err != nil {
		return Page{}, nil, err
	}
	return pg, messages, nil
}

// complete answers an autocompletion with the groups that this bot has touched and that fit what was typed so far. Nothing is stored.
func (b *Bot) complete(ctx context.Context, e Event, m Member) (Answer, error) {
	if b.o.Policy.MayBeUsedIn(e.Place) != nil || b.o.Policy.MayRead(m, b.o.Roster) != nil {
		return Answer{Kind: Choices}, nil
	}
	a := Answer{Kind: Choices}
	typed := strings.ToLower(strings.TrimSpace(e.Act.Text))
	err := b.o.Ledger.View(ctx, func(tx Tx) error {
		recent, err := tx.Touched(b.o.App, groupsScanned)
		for _, g := range recent {
			if len(a.Groups) < 25 && strings.Contains(strings.ToLower(string(g.Group)+" "+g.Name), typed) && b.o.Policy.MayTouch(g.Group) == nil {
				a.Groups = append(a.Groups, string(g.Group))
			}
		}
		return err
	})
	return a, err
}

func askForm(p Policy) *Form {
	return &Form{
		Kind: FormAsk, Title: Say("form.ask.title").String(), Submit: Say("form.ask.submit").String(),
		Inputs: []Input{
			{Name: "group", Label: Say("form.ask.group").String(), Placeholder: "@TGS#2J4SZEAEL", Required: true, Max: 100},
			{Name: "what", Label: Say("form.ask.what").String(), Placeholder: Say("form.ask.what.hint").String(), Required: true, Max: 2000},
			{Name: "topic", Label: Say("form.ask.topic").String(), Max: 200},
			{Name: "reason", Label: Say("form.ask.reason").String(), Required: p.ReasonRequired, Long: true, Max: 500},
		},
	}
}

func approveForm(r Request) *Form {
	n := r.Tally.Send
	return &Form{
		Kind: FormApprove, Title: Say("form.approve.title", "n", n).String(), Submit: Say("form.approve.submit").String(),
		Request: r.ID, Digest: r.Digest,
		Inputs: []Input{{
			Name: "count", Label: Say("form.approve.count").String(),
			Placeholder: blindFirst(r, Say("form.approve.hint", "n", n, "group", Code(string(r.Scope.Group)))).String(), Required: true, Max: 20,
		}},
	}
}

func rejectForm(r Request) *Form {
	return &Form{
		Kind: FormReject, Title: Say("form.reject.title", "id", r.ID).String(), Submit: Say("form.reject.submit").String(),
		Request: r.ID, Digest: r.Digest,
		Inputs: []Input{{Name: "reason", Label: Say("form.reject.reason").String(), Long: true, Max: 500}},
	}
}

// codeWords is a code as a span of the bot's own words.
func codeWords(c recall.Code) Span { return Span{Kind: Words, Text: codeDigits(c)} }

// codeDigits is a code's number without separators.
func codeDigits(c recall.Code) string { return formatInt(int64(c)) }

// apiWords is what the API said to a code, or what the code means where it said nothing.
func apiWords(c recall.Code, info string) string {
	if info != "" {
		return info
	}
	return c.Meaning()
}
