package bot

import (
	"context"
	"errors"
	"time"

	"recallbot/recall"
)

const (
	findWithin = 60 * time.Second // how long a search may take before the person is told that it failed
	findQuiet  = 2 * time.Second  // how long it may take before the person is told that it goes on
	findShown  = 20               // messages shown at a time
)

// find shows the messages that match, to the one who asks alone. The event is stored first; the reading follows, without a transaction.
func (b *Bot) find(ctx context.Context, e Event, m Member, cmd Command) (Answer, error) {
	var scope Scope
	refused, err := b.settleUnlessAllowed(ctx, e, func(tx Tx) error {
		if err := b.o.Policy.MayBeUsedIn(e.Place); err != nil {
			return err
		}
		if err := b.o.Policy.MayRead(m, b.o.Roster); err != nil {
			return err
		}
		if err := b.o.Policy.MayTouch(cmd.Scope.Group); err != nil {
			return err
		}
		scope = cmd.Scope
		scope.Filter = scope.Filter.Absolute(tx.Now())
		return nil
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	reading, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, Say("answer.find.progress", "group", Code(string(scope.Group))))
	found, err := b.searchAnywhere(reading, scope)
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []Line{b.readingFailed(err)}
	} else {
		answer = foundAnswer(cmd, found, b.o.Policy, e.Place.Platform)
	}
	return b.settle(ctx, e, func(tx Tx, _ time.Time) (Answer, error) {
		return answer, b.audit(tx, e, "read", "", "", map[string]any{"how": "find", "group": string(cmd.Scope.Group), "matches": len(found.Matches), "read": found.Read})
	})
}

// readingFailed tells a person why messages could not be read.
func (b *Bot) readingFailed(err error) Line {
	words := err.Error()
	if _, api := judgeRead(err); api != nil {
		words = apiWords(api.Code, api.Info) + " (" + codeDigits(api.Code) + ")"
	} else if errors.Is(err, context.DeadlineExceeded) {
		words = "no answer within " + Duration(findWithin)
	}
	return Say("answer.find.failed", "words", Quote(Cut(words, 300)))
}

// searchAnywhere searches history; and of a group that has none, the index, where there is one.
func (b *Bot) searchAnywhere(ctx context.Context, s Scope) (searched, error) {
	found, err := b.search(ctx, s)
	if err == nil || !b.indexing() {
		return found, err
	}
	kind, _ := judgeRead(err)
	if kind == readRefused { // not every group without history is refused as such
		if info, again := b.o.Chat.GetGroupInfo(ctx, s.Group); again == nil && info.Type != "" && !info.Type.HasHistory() {
			kind = readNever
		}
	}
	if kind != readNever {
		return found, err
	}
	return b.searchArrived(ctx, s)
}

// settleUnlessAllowed stores the event, and its answer where allowed refuses it. answer is nil when the event is new and allowed.
func (b *Bot) settleUnlessAllowed(ctx context.Context, e Event, allowed func(tx Tx) error) (*Answer, error) {
	_, prior, err := b.Note(ctx, e)
	if err != nil || prior != nil {
		if prior == nil {
			prior = &Answer{}
		}
		return prior, err
	}
	var refusal error
	err = b.o.Ledger.View(ctx, func(tx Tx) error {
		refusal = allowed(tx)
		return nil
	})
	if err != nil {
		return &Answer{}, err
	}
	if refusal == nil {
		return nil, nil
	}
	answer, err := b.settle(ctx, e, func(Tx, time.Time) (Answer, error) { return Answer{}, refusal })
	return &answer, err
}

// foundAnswer shows what was found: the newest first page of it, and a button that asks for a recall of exactly these.
func foundAnswer(cmd Command, found searched, p Policy, on Platform) Answer {
	group := Code(string(cmd.Scope.Group))
	read := Say("answer.find.read", "n", found.Read, "reached", found.Reached)
	if found.Read == 0 {
		read = Say("answer.find.read.none")
	}
	if len(found.Matches) == 0 {
		return Answer{Kind: Whisper, Lines: []Line{Say("answer.find.none", "group", group, "read", read)}}
	}
	pg := &Page{Title: Say("answer.find.title", "n", len(found.Matches), "group", group), Of: 1}
	var seqs []recall.Seq
	for i, m := range found.Matches {
		seqs = append(seqs, m.Seq)
		if i < findShown {
			s := Sample{Seq: uint32(m.Seq), Sender: string(m.From), Sent: m.Time}
			text := m.Excerpt(maxExcerpt)
			if a, ok := found.Arrived[m.Seq]; ok {
				text, s.Marks = a.Excerpt, []Line{Say("card.mark.callback")}
			}
			if text != "" {
				s.Text = Line{Quote(Cut(text, maxExcerpt))}
			}
			pg.Samples = append(pg.Samples, s)
		}
	}
	all := MakeRanges(seqs...)
	if len(seqs) > findShown {
		pg.Notes = append(pg.Notes, Say("answer.find.shown", "shown", findShown, "n", len(seqs), "command", Code(older(cmd, found.Matches).on(on))))
	}
	pg.Notes = append(pg.Notes, Line{Code(Cut(all.String(), 600))}, read)
	if !found.Complete {
		pg.Notes = append(pg.Notes, Say("answer.find.early", "n", found.Read, "reached", found.Reached))
	}
	if len(seqs) <= p.MaxMessages && len(all.String()) <= 900 {
		pg.Recall = map[string]string{"group": string(cmd.Scope.Group), "seqs": all.String()}
		if cmd.Scope.Topic != "" {
			pg.Recall["topic"] = string(cmd.Scope.Topic)
		}
	}
	return Answer{Kind: ShowPage, Page: pg}
}

// older is the command that goes on where what is shown ends.
func older(cmd Command, matches []recall.Message) Command {
	first, last := matches[0].Time, matches[findShown-1].Time
	if last.Equal(first) { // all of one second: what else was sent in it is among the numbers
		last = last.Add(-time.Second)
	}
	if cmd.Scope.Filter.Until = (When{At: last}); cmd.Scope.Filter.Last > 0 {
		cmd.Scope.Filter.Last -= findShown
	}
	return cmd
}

// sayAfter tells the person that their command takes longer, unless stop is called within d. stop returns when nothing more will be said.
func (e Event) sayAfter(d time.Duration, l Line) (stop func()) {
	if e.Progress == nil {
		return func() {}
	}
	said := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(said)
		e.Progress(l)
	})
	return func() {
		if !t.Stop() {
			<-said
		}
	}
}
