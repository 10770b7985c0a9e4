package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// find searches the messages of a group and shows the matches to the person who asks, and to nobody
// else. The event is stored first; no transaction is open during the search.
func (in *Intake) find(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	cmd := e.command
	var scope command.Scope
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		if err := (&act{in: in, tx: tx, e: e, m: m}).may(); err != nil {
			return err
		}
		if err := in.Policy.MayTouch(cmd.Scope.Group); err != nil {
			return err
		}
		scope = cmd.Scope
		scope.Filter = scope.Filter.Absolute(tx.Now())
		return nil
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.Code(string(scope.Group))))
	by, _ := in.Roster.Of(e.By)
	rd := in.Reader(scope, "find", recall.ForSearch, by)
	rd.More, rd.Keep = map[string]any{"group": string(scope.Group)}, shown
	found, err := in.searchAnywhere(within, rd)
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []bot.Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []bot.Line{in.readingFailed(err)}
	} else {
		answer = in.foundAnswer(e, scope, found)
	}
	detail := map[string]any{"how": "find", "group": string(cmd.Scope.Group), "matches": len(found.Matches),
		"read": found.Read}
	if err != nil {
		detail["error"] = err.Error()
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return answer, in.auditRead(tx, e, "", "", rd.Traces, detail)
	})
}

// searchAnywhere searches history, or the index if the group has no history and the index is on.
func (in *Intake) searchAnywhere(ctx context.Context, rd *history.Reader) (history.Searched, error) {
	found, err := rd.Search(ctx)
	if err == nil || !in.Indexing() {
		return found, err
	}
	kind, _ := history.JudgeRead(err)
	if kind != history.ReadNever && kind != history.ReadRefused {
		return found, err
	}
	info, again := rd.Group(ctx)
	// for some types of group the service returns this error instead of the code for no history
	if kind == history.ReadRefused && (again != nil || info.Type == "" || info.Type.HasHistory()) {
		return found, err
	}
	return in.SearchArrived(ctx, rd.Scope, history.NextSeq(info, rd.Scope))
}

// foundAnswer returns the answer that shows what was found: the first page, which has the newest
// messages, and a button that asks for a recall of exactly what is on all pages.
func (in *Intake) foundAnswer(e Event, s command.Scope, found history.Searched) Answer {
	read := bot.Say("answer.find.read", "n", found.Read, "reached", found.Reached)
	if found.Read == 0 {
		read = bot.Say("answer.find.read.none")
	}
	if !found.Complete {
		read = append(append(read, bot.Span{Kind: bot.Words, Text: " "}), bot.Say("answer.find.early", "n", found.Read,
			"reached", found.Reached)...)
	}
	if len(found.Matches) == 0 {
		return Answer{Kind: Whisper, Lines: []bot.Line{bot.Say("answer.find.none", "group", bot.Code(string(s.Group)),
			"read", read)}}
	}
	f := Found{By: e.By, Group: s.Group, Topic: s.Topic, Callback: found.Arrived != nil}
	messages := make(map[recall.Seq]bot.Message, len(found.Matches))
	seqs := make([]recall.Seq, 0, len(found.Matches))
	for _, m := range found.Matches {
		messages[m.Seq] = m
		seqs = append(seqs, m.Seq)
	}
	f.Seqs = command.MakeRanges(seqs...)
	pg := in.foundPage(f, e.ID, 0, messages, found.Arrived)
	pg.Notes = append(pg.Notes, read)
	return Answer{Kind: ShowPage, Page: &pg, Found: &f}
}

// shown returns what a search shows of a message.
func shown(m recall.Message) bot.Message {
	out := bot.Message{Seq: m.Seq, Status: bot.SealGone, Sender: m.From, Sent: m.Time}
	switch m.Status {
	case recall.StatusNormal:
		out.Status, out.Evidence = bot.SealNormal, m.Excerpt(history.MaxExcerpt)
	case recall.StatusRecalled:
		out.Status = bot.SealRecalled
	}
	return out
}

// foundPage renders one page of what a search found. A message that is in neither map is shown as
// no longer there.
func (in *Intake) foundPage(f Found, search bot.EventID, n int, messages map[recall.Seq]bot.Message,
	arrived map[recall.Seq]bot.Arrival) Page {
	seqs, n := f.page(n)
	total := f.Seqs.Count()
	of := (total + findShown - 1) / findShown
	pg := Page{Title: bot.Say("answer.find.title", "n", total, "group", bot.Code(string(f.Group))), Search: search,
		Number: n, Of: of}
	if of > 1 {
		pg.Title = bot.Say("answer.find.title.of", "n", total, "group", bot.Code(string(f.Group)), "page", n+1, "of",
			of)
	}
	for _, seq := range seqs {
		s := bot.Sample{Seq: uint32(seq)}
		m, read := messages[seq]
		a, told := arrived[seq]
		text := ""
		switch {
		case told:
			s.Sender, s.Sent, text, s.Marks = string(a.Sender), a.Sent, a.Excerpt,
				[]bot.Line{bot.Say("card.mark.callback")}
		case !read:
			s.Marks = []bot.Line{bot.Say("answer.find.lost")}
		default:
			s.Sender, s.Sent = string(m.Sender), m.Sent
			switch m.Status {
			case bot.SealNormal:
				text = m.Evidence
			case bot.SealRecalled:
				s.Marks = []bot.Line{bot.Say("answer.find.recalled")}
			default:
				s.Marks = []bot.Line{bot.Say("answer.find.gone")}
			}
		}
		if text != "" {
			s.Text = bot.Line{bot.Quote(text)}
		}
		pg.Samples = append(pg.Samples, s)
	}
	pg.Notes = []bot.Line{{bot.Code(bot.Cut(f.Seqs.String(), 600))}}
	switch most := in.Policy.MaxMessages; {
	case total > most:
		pg.Notes = append(pg.Notes, bot.Say("answer.find.many", "max", most))
	case total == 1:
		pg.Recall = bot.Say("button.recall.one").String()
	case of == 1:
		pg.Recall = bot.Say("button.recall.these", "n", total).String()
	default:
		pg.Recall = bot.Say("button.recall.all", "n", total).String()
	}
	return pg
}

// found returns the stored result of a search, while it is kept. It returns a Refusal to any
// account but the one that searched.
func (a *act) found(id bot.EventID) (Found, error) {
	stored, err := a.tx.Event(id)
	if err != nil && !errors.Is(err, bot.ErrNotFound) {
		return Found{}, err
	}
	var first Answer
	if err != nil || stored.Answer == nil {
		return Found{}, bot.NewRefusal("search_gone")
	}
	if err := json.Unmarshal(stored.Answer, &first); err != nil {
		return Found{}, fmt.Errorf("read stored answer: %w", err)
	}
	if first.Found == nil || first.Found.Seqs.Count() == 0 || !first.Found.By.Is(a.e.By) {
		return Found{}, bot.NewRefusal("forged")
	}
	return *first.Found, a.in.Policy.MayTouch(first.Found.Group)
}

// turnFound answers with another page of what a search found, whose messages it reads again. The
// event is stored first; no transaction is open while the messages are read.
func (in *Intake) turnFound(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	var f Found
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) (err error) {
		a := act{in: in, tx: tx, e: e, m: m}
		if err := a.may(); err != nil {
			return err
		}
		f, err = a.found(e.Act.Search)
		return err
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.Code(string(f.Group))))
	seqs, _ := f.page(e.Act.Page)
	scope, these := command.Scope{Group: f.Group, Topic: f.Topic}, command.MakeRanges(seqs...)
	messages := map[recall.Seq]bot.Message{}
	var arrived map[recall.Seq]bot.Arrival
	by, _ := in.Roster.Of(e.By)
	rd := in.Reader(scope, "find", recall.ForSearch, by)
	rd.More = map[string]any{"group": string(f.Group)}
	if f.Callback {
		arrived, err = in.Arrived(within, scope, these)
	} else {
		err = rd.Each(within, these, func(m recall.Message, _ time.Time) { messages[m.Seq] = shown(m) })
	}
	said()
	answer := Answer{Kind: Whisper}
	if err != nil {
		answer.Lines = []bot.Line{in.readingFailed(err)}
	} else {
		pg := in.foundPage(f, e.Act.Search, e.Act.Page, messages, arrived)
		answer = Answer{Kind: ShowPage, Page: &pg}
	}
	detail := map[string]any{"how": "find", "group": string(f.Group), "search": string(e.Act.Search),
		"page": e.Act.Page}
	if err != nil {
		detail["error"] = err.Error()
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return answer, in.auditRead(tx, e, "", "", rd.Traces, detail)
	})
}

// recallFound stores a request for exactly what a search found.
func (a *act) recallFound() (Answer, error) {
	f, err := a.found(a.e.Act.Search)
	if err != nil {
		return Answer{}, err
	}
	return a.ask(command.Command{Verb: command.VerbRecall, Scope: command.Scope{Group: f.Group, Topic: f.Topic,
		Seqs: f.Seqs}})
}
