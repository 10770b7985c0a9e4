package history

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

const (
	// SweepMost is how many groups of a sender one sweep looks at.
	SweepMost = 50
	// sweepMessages is how many messages a sweep looks at in all its groups.
	sweepMessages = 100_000
	// sweepTries is how often a group is read that cannot be read now, after all others.
	sweepTries = 3
	// joinedWithin is for how long a group in which something of a sender was recalled counts as
	// one of theirs.
	joinedWithin = 30 * 24 * time.Hour
	joinedLooked = 1000 // requests that are looked through for such groups

	nameRunes = 40 // of a group's name that are shown
)

// Sweep reads the groups of a sweep in turn.
type Sweep struct {
	// Found is called with each message that the filter selects: of one group after the other, and
	// within a group newest first.
	Found func(t bot.Talk, m recall.Message, of recall.PartOf) error
	// Over is called when a group has been read. Of one that is left out what was found does not
	// count.
	Over func(t bot.Talk, leftOut bool) error
	// Progress is called after each group; nil for nobody.
	Progress func(done, of, matches int)
}

// SweptTalk is a group that was read, or a topic of one.
type SweptTalk struct {
	bot.Talk
	Facts bot.GroupFacts
	Searched
}

// Swept is the result of a sweep.
type Swept struct {
	Talks []SweptTalk // that were read, in that order
	bot.Swept
	Matches int
}

// Read reads the groups of the Reader's scope, which sweeps. What one of them cannot tell leaves
// that group out, with the reason. An error says that nothing could be read now, or that the sweep
// must end.
func (s *Sweep) Read(ctx context.Context, rd *Reader) (out Swept, err error) {
	scope := rd.Scope
	talks, err := rd.talks(ctx, scope)
	if err != nil {
		return out, err
	}
	var allowed []bot.Talk
	for _, t := range talks {
		if rd.b.Policy.MayTouch(t.Group) != nil {
			out.leave(t, "", bot.Say("sweep.left.policy"))
		} else {
			allowed = append(allowed, t)
		}
	}
	if len(allowed) == 0 && len(talks) > 0 {
		return out, rd.b.Policy.MayTouch(talks[0].Group)
	}
	facts, err := rd.facts(ctx, allowed)
	if err != nil {
		return out, err
	}
	left := sweepMessages
	var later []bot.Talk
	failed := error(nil)
	one := func(t bot.Talk, last bool) error {
		is, known := facts[t.Group]
		if !known {
			out.leave(t, "", bot.Say("sweep.left.gone"))
			return nil
		}
		name := scope.Names[bot.Where(t.Scope()).Text]
		if name != "" && command.AsRead(name) != command.AsRead(is.Name) {
			out.leave(t, is.Name, bot.Say("sweep.left.renamed", "name", bot.Quote(bot.Cut(name, nameRunes))))
			return nil
		}
		is.NextSeq = NextSeq(recall.GroupInfo{Type: is.Type, NextMsgSeq: is.NextSeq}, t.Scope())
		if is.Type != "" && !is.Type.HasHistory() {
			out.leave(t, is.Name, bot.Say("sweep.left.live"))
			return nil
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			out.leave(t, is.Name, bot.Say("sweep.left.time"))
			return nil
		}
		if left <= 0 {
			out.leave(t, is.Name, bot.Say("sweep.left.limit", "n", sweepMessages))
			return nil
		}
		rd.turnTo(t, scope, left)
		found, err := rd.Search(ctx, func(m recall.Message, of recall.PartOf) error { return s.Found(t, m, of) })
		left -= found.Read
		why := bot.Line(nil)
		switch kind, _ := JudgeRead(err); {
		case errors.Is(ctx.Err(), context.DeadlineExceeded) && len(out.Talks) > 0:
			why = bot.Say("sweep.left.time")
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && found.Complete:
		case err == nil:
			why = bot.Say("sweep.left.much", "n", found.Read)
		case errors.Is(err, ErrTooMuch):
			why = bot.Say("sweep.left.text")
		case kind == ReadNever:
			why = bot.Say("sweep.left.live")
		case kind == ReadRefused:
			why = WhatFailed(err)
		case kind == ReadAppPaused:
			return err
		default:
			failed = err
			if !last {
				later = append(later, t)
				return s.Over(t, true)
			}
			why = WhatFailed(err)
		}
		if why != nil {
			out.leave(t, is.Name, why)
		} else {
			out.Talks = append(out.Talks, SweptTalk{t, is, found})
			out.Matches += len(found.Found)
			out.Swept.Read += found.Read
			if is.Type == "Community" && t.Topic == "" {
				out.Topics = append(out.Topics, cmp.Or(is.Name, string(t.Group)))
			}
		}
		return s.Over(t, why != nil)
	}
	tell := func() {
		if s.Progress != nil {
			s.Progress(len(out.Talks)+len(out.Left), len(talks), out.Matches)
		}
	}
	for _, t := range allowed {
		if err := one(t, false); err != nil {
			return out, err
		}
		tell()
	}
	for try := 1; len(later) > 0; try++ {
		if len(out.Talks) == 0 {
			return out, failed // the service is away
		}
		if !Sleep(ctx, ReadRetry<<try) {
			return out, ctx.Err()
		}
		again := later
		later = nil
		for _, t := range again {
			if err := one(t, try == sweepTries); err != nil {
				return out, err
			}
			tell()
		}
	}
	out.Looked = len(out.Talks)
	return out, nil
}

// ErrTooMuch is the error of a Sweep's Found that cannot hold all that was found in a group.
var ErrTooMuch = errors.New("too much was found in one group")

func (s *Swept) leave(t bot.Talk, name string, why bot.Line) {
	s.Left = append(s.Left, bot.LeftOut{Talk: t, Name: name, Why: why})
}

// TurnTo makes the Reader read another group, by numbers.
func (rd *Reader) TurnTo(t bot.Talk) { rd.turnTo(t, command.Scope{}, most.messages) }

// turnTo makes the Reader read another group of a sweep.
func (rd *Reader) turnTo(t bot.Talk, sweep command.Scope, messages int) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	rd.Scope = t.Scope()
	rd.Scope.Filter = sweep.Filter
	rd.More = map[string]any{"group": t.Group, "topic": t.Topic}
	rd.run = nil
	rd.bounds.messages = messages
	rd.pages.Store(0)
}

// talks returns the groups of a sweep: those that are named, or those of the sender.
func (rd *Reader) talks(ctx context.Context, s command.Scope) (talks []bot.Talk, err error) {
	if !s.Joined {
		for _, id := range s.In {
			group, topic := command.InTalk(id)
			if t := (bot.Talk{Group: group, Topic: topic}); !slices.Contains(talks, t) {
				talks = append(talks, t)
			}
		}
		return talks, nil
	}
	groups, total, err := rd.b.Chat.GetJoinedGroupList(rd.inTurn(ctx, 1), s.Filter.From)
	rd.record(ctx, "get_joined_group_list", map[string]any{"groups": len(groups), "total": total}, err)
	if kind, api := JudgeRead(err); err != nil && kind == ReadRefused {
		return nil, bot.NewRefusal("joined_refused", "user", bot.Code(string(s.Filter.From)), "words",
			bot.Quote(bot.Cut(bot.ApiWords(api.Code, api.Info), 200)), "code", bot.CodeWords(api.Code))
	} else if err != nil {
		return nil, err
	}
	for _, g := range groups {
		talks = append(talks, bot.Talk{Group: g})
	}
	err = rd.b.Ledger.View(ctx, func(tx bot.Tx) error {
		seen, err := tx.ArrivedIn(rd.b.App, s.Filter.From, SweepMost+1)
		if err != nil {
			return err
		}
		before, err := rd.recalledIn(tx, s.Filter.From)
		for _, t := range append(seen, before...) {
			if !slices.Contains(talks, t) {
				talks = append(talks, t)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(talks, bot.Talk.Compare)
	if n := len(talks) + max(0, total-len(groups)); n > SweepMost {
		return nil, tooMany(talks, n, s, rd.platform)
	}
	return talks, nil
}

// tooMany refuses a sweep over more groups than one may have, with commands that take them in
// parts, as many as fit.
func tooMany(talks []bot.Talk, n int, s command.Scope, on bot.Platform) *bot.Refusal {
	const shown = 3
	var parts []bot.Line
	for some := range slices.Chunk(talks, command.InMost) {
		if len(parts) == shown {
			break
		}
		part := command.Command{Verb: command.VerbRecall, Scope: s}
		part.Scope.Joined, part.Scope.Filter = false, s.Filter.WithoutText()
		for _, t := range some {
			part.Scope.In = append(part.Scope.In, string(bot.Where(t.Scope()).Text))
		}
		parts = append(parts, bot.Line{bot.Code(part.Write(on.TypesOptions()))})
	}
	return bot.NewRefusal("sweep_groups", "n", n, "max", SweepMost, "parts", bot.Listed(parts))
}

// recalledIn returns where this bot recalled something of a sender within joinedWithin.
func (rd *Reader) recalledIn(tx bot.Tx, sender recall.UserID) (talks []bot.Talk, err error) {
	ended, err := tx.Requests(bot.Query{App: rd.b.App, States: []bot.State{bot.Done, bot.Stopped}, Limit: joinedLooked})
	if err != nil {
		return nil, err
	}
	for _, r := range ended {
		if tx.Now().Sub(r.Ended) > joinedWithin {
			continue
		}
		parts, err := r.PartsOf(tx, sender)
		if err != nil {
			return nil, err
		}
		for _, i := range parts {
			talks = append(talks, r.Parts[i].Talk)
		}
	}
	return talks, nil
}

// facts reads what the service tells of groups. It leaves out those that do not exist.
func (rd *Reader) facts(ctx context.Context, talks []bot.Talk) (map[recall.GroupID]bot.GroupFacts, error) {
	var ids []recall.GroupID
	for _, t := range talks {
		if !slices.Contains(ids, t.Group) {
			ids = append(ids, t.Group)
		}
	}
	facts := map[recall.GroupID]bot.GroupFacts{}
	keep := func(infos ...recall.GroupInfo) {
		for _, i := range infos {
			facts[i.Group] = bot.GroupFacts{Type: i.Type, Name: i.Name, Members: i.Members, NextSeq: i.NextMsgSeq}
		}
	}
	for some := range slices.Chunk(ids, recall.MaxGroupInfos) {
		infos, err := rd.b.Chat.GetGroupInfos(rd.inTurn(ctx, 1), some)
		rd.record(ctx, "get_group_info", map[string]any{"groups": len(some)}, err)
		if err == nil {
			keep(infos...)
			continue
		}
		for _, g := range some { // one of them is refused
			rd.Scope.Group = g
			info, err := rd.Group(ctx)
			kind, _ := JudgeRead(err)
			switch {
			case err == nil:
				info.Group = g
				keep(info)
			case kind != ReadRefused:
				return nil, err
			}
		}
	}
	return facts, nil
}
