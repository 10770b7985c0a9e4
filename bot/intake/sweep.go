package intake

import (
	"context"
	"errors"
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
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) error {
		if err := (&act{in: in, tx: tx, e: e, m: m}).may(); err != nil {
			return err
		}
		if err := in.mayTouch(e.command.Scope); err != nil {
			return err
		}
		scope = e.command.Scope
		scope.Filter = scope.Filter.Absolute(tx.Now())
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
	f := Found{By: e.By, Sweep: command.Command{Verb: command.VerbRecall, Scope: scope}}
	var held []bot.Message // of the group that is read, newest first
	first := map[bot.MessageID]bot.Message{}
	var folding bot.Folding
	parts := 0
	sweep := history.Sweep{
		Found: func(_ bot.Talk, m recall.Message, of recall.PartOf) error {
			held = append(held, shown(m, of))
			return nil
		},
		Over: func(_ bot.Talk, leftOut bool) error {
			if !leftOut && len(held) > 0 {
				for i, m := range held {
					if m.Part = parts; i < findShown {
						first[m.ID()] = m
					}
					folding.Add(m)
				}
				parts++
			}
			held = nil
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
		answer = in.sweptAnswer(e, f, found, first, &folding)
	}
	in.nameSenders(within, answer.Page)
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

// sweptAnswer shows what a sweep found. The parts are the groups in which something was found, in
// the order in which they were read.
func (in *Intake) sweptAnswer(e Event, f Found, found history.Swept, first map[bot.MessageID]bot.Message,
	folding *bot.Folding) Answer {
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
	for _, t := range found.Talks {
		seqs := make([]recall.Seq, len(t.Found))
		for i, m := range t.Found {
			seqs[i] = m.Seq
		}
		if len(seqs) > 0 {
			f.Parts = append(f.Parts, bot.Part{Talk: t.Talk, Facts: t.Facts, Covers: command.MakeRanges(seqs...)})
		}
	}
	kinds := f.fold(folding.Kinds())
	pg := in.foundPage(f, e.ID, 0, first, kinds)
	pg.Notes = append(pg.Notes, notes...)
	return Answer{Kind: ShowPage, Page: &pg, Found: &f}
}
