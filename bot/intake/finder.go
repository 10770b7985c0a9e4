package intake

import (
	"context"
	"errors"
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
	first := map[bot.MessageID]bot.Message{} // of the first page that is not of kinds
	var folding folding
	found, err := in.searchAnywhere(within, rd, func(m recall.Message, of recall.PartOf) error {
		is := shown(m, of)
		if len(first) < findShown {
			first[is.ID()] = is
		}
		folding.add(is)
		return nil
	})
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []bot.Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []bot.Line{readingFailed(err)}
	} else {
		answer = in.foundAnswer(e, scope, found, first, &folding)
	}
	in.nameSenders(within, answer.Page)
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

// folding folds the messages of a search as they are found, newest first. An incomplete search
// leaves some of the last ones to the command for the rest (history.Searched.Cut), so as many are
// held back.
type folding struct {
	bot.Folding
	held []bot.Message
}

// What is held back: heldLast messages, and those that were sent at most heldFor later than these.
const (
	heldLast = 100
	heldFor  = 2 * time.Minute
)

func (f *folding) add(m bot.Message) {
	f.held = append(f.held, m)
	for len(f.held) > heldLast && f.held[0].Sent.After(f.held[len(f.held)-heldLast].Sent.Add(heldFor)) {
		f.Add(f.held[0])
		f.held = f.held[1:]
	}
}

// kinds returns what the messages with these numbers were folded into.
func (f *folding) kinds(seqs command.Ranges) bot.Kinds {
	for _, is := range f.held {
		if seqs.Contains(is.Seq) {
			f.Add(is)
		}
	}
	return f.Kinds()
}

// foundAnswer returns the answer that shows what was found: the first page, which has the newest
// messages, and a button that asks for a recall of exactly what is on all pages. Where the search
// was not complete, it shows what the command for the rest does not find.
func (in *Intake) foundAnswer(e Event, s command.Scope, found history.Searched, first map[bot.MessageID]bot.Message,
	folding *folding) Answer {
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
	for _, seq := range seqs {
		if a, told := found.Arrived[seq]; told {
			is := heard(a)
			first[is.ID()] = is
			if is.Evidence != "" {
				folding.add(is)
			}
		}
	}
	kinds := f.fold(folding.kinds(f.Seqs))
	pg := in.foundPage(f, e.ID, 0, first, kinds)
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
	ids, _, _ := f.ids(e.Act.Page)
	parts, seqs := f.parts(), bot.ByPart(ids)
	progress := bot.Say("answer.find.progress", "group", bot.Where(parts[0].Scope()))
	if len(f.Parts) > 0 {
		progress = bot.Say("answer.find.progress.groups")
	}
	said := e.sayAfter(findQuiet, progress)
	messages := map[bot.MessageID]bot.Message{}
	var traces []bot.Trace
	by, _ := in.Roster.Of(e.By)
	for i, p := range parts {
		these := command.MakeRanges(seqs[i]...)
		if len(these) == 0 || err != nil {
			continue
		}
		if f.Callback {
			var arrived map[recall.Seq]bot.Arrival
			arrived, err = in.Arrived(within, p.Scope(), these)
			for _, a := range arrived {
				messages[bot.IDOf(i, a.Seq)] = heard(a)
			}
			continue
		}
		rd := in.Reader(p.Scope(), "find", recall.ForSearch, by)
		if rd.More = map[string]any{"group": p.Group}; len(f.Parts) > 0 {
			rd.More["topic"] = p.Topic
		}
		err = rd.Each(within, these, func(m recall.Message, _ time.Time) {
			messages[bot.IDOf(i, m.Seq)] = shown(m, "")
		})
		traces = append(traces, rd.Traces...)
	}
	said()
	answer := Answer{Kind: Whisper}
	detail := map[string]any{"how": "find", "search": string(e.Act.Search), "page": e.Act.Page}
	if len(f.Parts) == 0 {
		detail["group"] = string(f.Group)
	}
	if err != nil {
		answer.Lines = []bot.Line{readingFailed(err)}
		detail["error"] = err.Error()
	} else {
		pg := in.foundPage(f, e.Act.Search, e.Act.Page, messages, nil)
		in.nameSenders(within, &pg)
		answer = Answer{Kind: ShowPage, Page: &pg}
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return answer, in.auditRead(tx, e, "", "", traces, detail)
	})
}
