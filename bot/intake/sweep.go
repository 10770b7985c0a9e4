package intake

import (
	"context"
	"errors"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// This file has what is different where a command is about several groups.

// findSweep searches several groups and shows the matches to the person who asks, and to nobody
// else.
func (in *Intake) findSweep(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	var scope command.Scope
	var now time.Time
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		if err := (&act{in: in, tx: tx, e: e, m: m}).may(); err != nil {
			return err
		}
		if err := in.mayTouch(e.command.Scope); err != nil {
			return err
		}
		now = tx.Now()
		scope = e.command.Scope
		scope.Filter = scope.Filter.Absolute(now)
		return nil
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress.groups"))
	by, _ := in.Roster.Of(e.By)
	rd := in.Reader(scope, "find", recall.ForSearch, by).On(e.Place.Platform)
	f := Found{By: e.By, Callback: false}
	if f.Sweep = (command.Command{Verb: command.VerbRecall, Scope: scope}); scope.Filter.Until.IsZero() {
		f.Sweep.Scope.Filter.Until = command.When{At: now.Truncate(time.Second)}
	}
	var shownFirst []bot.Message // of the group that is read
	first := map[bot.Talk][]bot.Message{}
	sweep := history.Sweep{
		Found: func(_ bot.Talk, m recall.Message, _ recall.PartOf) error {
			if len(shownFirst) < findShown {
				shownFirst = append(shownFirst, shown(m))
			}
			return nil
		},
		Over: func(t bot.Talk, leftOut bool) error {
			if !leftOut && len(shownFirst) > 0 {
				first[t] = shownFirst
			}
			shownFirst = nil
			return nil
		},
	}
	found, err := sweep.Read(within, rd)
	said()
	answer := Answer{Kind: Whisper}
	if no, ok := errors.AsType[*bot.Refusal](err); ok {
		answer = Answer{Kind: Whisper, Lines: []bot.Line{no.Why}, Refused: no.Key}
	} else if err != nil {
		answer.Lines = []bot.Line{readingFailed(err)}
	} else {
		answer = in.sweptAnswer(e, f, found, first)
	}
	detail := map[string]any{"how": "find", "groups": talksOf(found.Talks), "matches": found.Matches,
		"read": found.Swept.Read}
	if err != nil {
		detail["error"] = err.Error()
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return answer, in.auditRead(tx, e, "", "", rd.Traces, detail)
	})
}

func talksOf(talks []history.SweptTalk) []bot.Talk {
	all := make([]bot.Talk, len(talks))
	for i, t := range talks {
		all[i] = t.Talk
	}
	return all
}

// sweptAnswer shows what a sweep found: the first page, of the group with the most matches first.
func (in *Intake) sweptAnswer(e Event, f Found, found history.Swept, first map[bot.Talk][]bot.Message) Answer {
	notes := []bot.Line{bot.Say("answer.find.groups.read", "groups", found.Looked, "n", found.Swept.Read)}
	for _, l := range []bot.Line{bot.LeftOutLine(&found.Swept), bot.TopicsLine(&found.Swept),
		bot.JoinedLine(e.command.Scope)} {
		if l != nil {
			notes = append(notes, l)
		}
	}
	if found.Matches == 0 {
		none := bot.Say("answer.find.groups.none", "user", bot.Code(string(e.command.Scope.Filter.From)))
		return Answer{Kind: Whisper, Lines: append([]bot.Line{none}, notes...)}
	}
	talks := slices.DeleteFunc(found.Talks, func(t history.SweptTalk) bool { return len(t.Found) == 0 })
	slices.SortStableFunc(talks, func(a, b history.SweptTalk) int { return len(b.Found) - len(a.Found) })
	messages := map[bot.MessageID]bot.Message{}
	for i, t := range talks {
		p := bot.Part{Talk: t.Talk, Facts: t.Facts}
		seqs := make([]recall.Seq, len(t.Found))
		for j, m := range t.Found {
			seqs[j] = m.Seq
		}
		p.Covers = command.MakeRanges(seqs...)
		f.Parts = append(f.Parts, p)
		for _, m := range first[t.Talk] {
			messages[bot.IDOf(i, m.Seq)] = m
		}
	}
	pg := in.sweptPage(f, e.ID, 0, messages)
	pg.Notes = append(pg.Notes, notes...)
	return Answer{Kind: ShowPage, Page: &pg, Found: &f}
}

// ids returns the messages of page n of what a sweep found: of one group after the other, newest
// first.
func (f Found) ids(n int) (page []bot.MessageID, number, of, total int) {
	var all []bot.MessageID
	for i, p := range f.Parts {
		seqs := slices.Collect(p.Covers.All())
		slices.Reverse(seqs)
		all = append(all, bot.IDsOf(i, seqs)...)
	}
	total = len(all)
	of = max(1, (total+findShown-1)/findShown)
	n = min(max(n, 0), of-1)
	return all[n*findShown : min(total, (n+1)*findShown)], n, of, total
}

// sweptPage renders one page of what a sweep found.
func (in *Intake) sweptPage(f Found, search bot.EventID, n int, messages map[bot.MessageID]bot.Message) Page {
	ids, n, of, total := f.ids(n)
	pg := Page{Search: search, Number: n, Of: of,
		Title: bot.Say("answer.find.groups", "n", total, "groups", len(f.Parts), "user",
			bot.Code(string(f.Sweep.Scope.Filter.From)), "page", n+1, "of", of)}
	for i, id := range ids {
		s := bot.Sample{Seq: uint32(id.Seq())}
		if part := f.Parts[id.Part()]; i == 0 || ids[i-1].Part() != id.Part() {
			s.Above = bot.Say("card.group", "group", part.Named(), "n", part.Covers.Count())
		}
		switch m, read := messages[id]; {
		case !read:
			s.Marks = []bot.Line{bot.Say("answer.find.lost")}
		default:
			s.Sender, s.Sent = string(m.Sender), m.Sent
			switch m.Status {
			case bot.SealNormal:
				s.Text = bot.EvidenceLine(m.Evidence, history.MaxExcerpt)
			case bot.SealRecalled:
				s.Marks = []bot.Line{bot.Say("answer.find.recalled")}
			default:
				s.Marks = []bot.Line{bot.Say("answer.find.gone")}
			}
		}
		pg.Samples = append(pg.Samples, s)
	}
	if most := in.Policy.MaxMessages; total > most {
		pg.Notes = append(pg.Notes, bot.Say("answer.find.many", "max", most))
	} else {
		pg.Recall = bot.Say("button.recall.all", "n", total).String()
	}
	return pg
}

// turnSwept answers with another page of what a sweep found.
func (in *Intake) turnSwept(ctx context.Context, e Event, f Found) (*Page, []bot.Trace, error) {
	by, _ := in.Roster.Of(e.By)
	ids, _, _, _ := f.ids(e.Act.Page)
	messages := map[bot.MessageID]bot.Message{}
	var traces []bot.Trace
	parts := bot.ByPart(ids)
	for i, p := range f.Parts {
		if len(parts[i]) == 0 {
			continue
		}
		rd := in.Reader(p.Scope(), "find", recall.ForSearch, by)
		rd.More = map[string]any{"group": p.Group, "topic": p.Topic}
		err := rd.Each(ctx, command.MakeRanges(parts[i]...), func(m recall.Message, _ time.Time) {
			messages[bot.IDOf(i, m.Seq)] = shown(m)
		})
		if traces = append(traces, rd.Traces...); err != nil {
			return nil, traces, err
		}
	}
	pg := in.sweptPage(f, e.Act.Search, e.Act.Page, messages)
	return &pg, traces, nil
}
