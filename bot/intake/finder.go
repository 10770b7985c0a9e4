package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.Where(scope)))
	by, _ := in.Roster.Of(e.By)
	rd := in.Reader(scope, "find", recall.ForSearch, by)
	rd.More = map[string]any{"group": string(scope.Group)}
	first := map[recall.Seq]bot.Message{} // of the first page
	found, err := in.searchAnywhere(within, rd, func(m recall.Message, _ recall.PartOf) error {
		if len(first) < findShown {
			first[m.Seq] = shown(m)
		}
		return nil
	})
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []bot.Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []bot.Line{readingFailed(err)}
	} else {
		answer = in.foundAnswer(e, scope, found, first)
	}
	detail := map[string]any{"how": "find", "group": string(cmd.Scope.Group), "matches": len(found.Found),
		"read": found.Read}
	if err != nil {
		detail["error"] = err.Error()
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return answer, in.auditRead(tx, e, "", "", rd.Traces, detail)
	})
}

// searchAnywhere searches history, or the index if the group has no history and the index is on.
func (in *Intake) searchAnywhere(ctx context.Context, rd *history.Reader,
	see func(recall.Message, recall.PartOf) error) (history.Searched, error) {
	found, err := rd.Search(ctx, see)
	kind, _ := history.JudgeRead(err)
	if err == nil || kind != history.ReadNever && kind != history.ReadRefused {
		return found, err
	}
	info, again := rd.Group(ctx)
	// for some types of group the service returns this error instead of the code for no history
	if kind == history.ReadRefused && (again != nil || info.Type == "" || info.Type.HasHistory()) {
		return found, err
	}
	if !in.Indexing() {
		return found, bot.NewRefusal("filter_no_history")
	}
	return in.SearchArrived(ctx, rd.Scope, history.NextSeq(info, rd.Scope))
}

// foundAnswer returns the answer that shows what was found: the first page, which has the newest
// messages, and a button that asks for a recall of exactly what is on all pages. Where the search
// was not complete, it shows what the command for the rest does not find.
func (in *Intake) foundAnswer(e Event, s command.Scope, found history.Searched,
	first map[recall.Seq]bot.Message) Answer {
	notes := []bot.Line{in.lookedAt(s, found)}
	matches := found.Found
	if !found.Complete {
		_, rest, ok := found.Parts(s.Filter)
		switch {
		case found.Exhausted():
			notes = append(notes, bot.Say("answer.find.early.index", "begins", found.Begins))
		case ok:
			matches = slices.DeleteFunc(slices.Clone(matches),
				func(m history.Found) bool { return !m.Sent.After(rest.Until.At) })
			more := e.command
			more.Scope.Filter = rest
			notes = append(notes, bot.Say("answer.find.early", "seq", bot.Code(seqText(found.ReachedSeq)), "reached",
				found.Reached, "rest", bot.Code(more.Write(e.Place.Platform.TypesOptions()))))
		default:
			notes = append(notes, bot.Say("answer.find.early.undivided", "seq", bot.Code(seqText(found.ReachedSeq))))
		}
	}
	if n := found.Partly; n > 0 {
		notes = append(notes, bot.Say("answer.find.partly", "n", n))
	}
	if len(matches) == 0 {
		lines := []bot.Line{bot.Say("answer.find.none", "group", bot.Where(s), "read", notes[0])}
		return Answer{Kind: Whisper, Lines: append(lines, notes[1:]...)}
	}
	f := Found{By: e.By, Group: s.Group, Topic: s.Topic, Callback: found.Arrived != nil}
	seqs := make([]recall.Seq, 0, len(matches))
	for _, m := range matches {
		seqs = append(seqs, m.Seq)
		if bot.OutsideText(m.Of) != nil {
			if f.Outside == nil {
				f.Outside = map[recall.Seq]recall.PartOf{}
			}
			f.Outside[m.Seq] = m.Of
		}
	}
	f.Seqs = command.MakeRanges(seqs...)
	pg := in.foundPage(f, e.ID, 0, first, found.Arrived)
	pg.Sweep = string(s.Filter.From)
	pg.Notes = append(pg.Notes, notes...)
	return Answer{Kind: ShowPage, Page: &pg, Found: &f}
}

// lookedAt returns a line that says what a search looked at.
func (in *Intake) lookedAt(s command.Scope, found history.Searched) bot.Line {
	switch {
	case found.Read > 0:
		return bot.Say("answer.find.read", "n", found.Read, "reached", found.Reached)
	case found.Quiet(s.Filter):
		return bot.Say("answer.find.quiet", "since", s.Filter.Since.At, "newest", found.Newest)
	case !found.Newest.IsZero():
		return bot.Say("answer.find.read.other")
	}
	return bot.Say("answer.find.read.none")
}

func seqText(s recall.Seq) string { return strconv.FormatUint(uint64(s), 10) }

// foundPage renders one page of what a search found. A message that is in neither map is shown as
// no longer there.
func (in *Intake) foundPage(f Found, search bot.EventID, n int, messages map[recall.Seq]bot.Message,
	arrived map[recall.Seq]bot.Arrival) Page {
	seqs, n := f.page(n)
	total := f.Seqs.Count()
	of := (total + findShown - 1) / findShown
	where := bot.Where(command.Scope{Group: f.Group, Topic: f.Topic})
	pg := Page{Title: bot.Say("answer.find.title", "n", total, "group", where), Search: search, Number: n, Of: of}
	if of > 1 {
		pg.Title = bot.Say("answer.find.title.of", "n", total, "group", where, "page", n+1, "of", of)
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
				if mark := bot.OutsideText(f.Outside[seq]); mark != nil {
					s.Marks = []bot.Line{mark}
				}
			case bot.SealRecalled:
				s.Marks = []bot.Line{bot.Say("answer.find.recalled")}
			default:
				s.Marks = []bot.Line{bot.Say("answer.find.gone")}
			}
		}
		if text != "" {
			s.Text = bot.EvidenceLine(text, history.MaxExcerpt)
		}
		pg.Samples = append(pg.Samples, s)
	}
	pg.Notes = []bot.Line{{bot.Code(bot.Cut(f.Seqs.Words(), 600))}}
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
	if first.Found == nil || first.Found.Seqs.Count()+len(first.Found.Parts) == 0 || !first.Found.By.Is(a.e.By) {
		return Found{}, bot.NewRefusal("forged")
	}
	if len(first.Found.Parts) > 0 {
		return *first.Found, a.in.mayTouch(first.Found.Sweep.Scope)
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
	if len(f.Parts) > 0 {
		said := e.sayAfter(findQuiet, bot.Say("answer.find.progress.groups"))
		pg, traces, err := in.turnSwept(within, e, f)
		said()
		answer := Answer{Kind: ShowPage, Page: pg}
		if err != nil {
			answer = Answer{Kind: Whisper, Lines: []bot.Line{readingFailed(err)}}
		}
		return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
			return answer, in.auditRead(tx, e, "", "", traces, map[string]any{"how": "find",
				"search": string(e.Act.Search), "page": e.Act.Page})
		})
	}
	seqs, _ := f.page(e.Act.Page)
	scope, these := command.Scope{Group: f.Group, Topic: f.Topic}, command.MakeRanges(seqs...)
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.Where(scope)))
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
		answer.Lines = []bot.Line{readingFailed(err)}
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
	if len(f.Parts) > 0 {
		return a.ask(f.Sweep)
	}
	return a.ask(command.Command{Verb: command.VerbRecall, Scope: command.Scope{Group: f.Group, Topic: f.Topic,
		Seqs: f.Seqs}})
}
