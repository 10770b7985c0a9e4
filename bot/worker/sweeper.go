package worker

import (
	"context"
	"crypto/rand"
	"slices"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/history"
	"recallbot/recall"
)

// heldMost is how many bytes of evidence of one group are held until the group is read: only then
// is it known whether it is part of the sweep.
const heldMost = 32 << 20

// sweepForSeal reads the groups of a sweep in turn, and passes what it finds to stored, a group at
// a time.
func (w *Worker) sweepForSeal(ctx context.Context, rd *history.Reader, r bot.Request, stored *sealing,
	told *report) (prepared, error) {
	p := prepared{request: r, key: make([]byte, 32)}
	rand.Read(p.key)
	p.request.Parts = nil
	var held []bot.Message // of the group that is being read, newest first
	bytes, most := 0, r.Policy.MaxMessages
	sweep := history.Sweep{
		Found: func(_ bot.Talk, m recall.Message, of recall.PartOf) error {
			if len(p.messages)+len(held) >= most { // this will be refused
				return nil
			}
			sealed := w.sealed(m, p.key, r.Policy, rd.Ledger)
			sealed.Of = of
			if bytes += len(sealed.Evidence); bytes > heldMost {
				return history.ErrTooMuch
			}
			held = append(held, sealed)
			return nil
		},
		Over: func(t bot.Talk, leftOut bool) error {
			slices.Reverse(held)
			for i := range held {
				if leftOut {
					break
				}
				held[i].Part = len(p.request.Parts)
				if err := stored.add(ctx, held[i]); err != nil {
					return err
				}
				held[i].Evidence = ""
				p.messages = append(p.messages, held[i])
			}
			if !leftOut && len(held) > 0 {
				p.request.Parts = append(p.request.Parts, bot.Part{Talk: t})
			}
			held, bytes = nil, 0
			return nil
		},
		Progress: told.swept,
	}
	found, err := sweep.Read(ctx, rd)
	if err != nil {
		return prepared{}, err
	}
	p.request.Swept = &found.Swept
	switch {
	case found.Matches == 0:
		return prepared{}, bot.NewRefusal("sweep_none", "user", bot.Code(string(r.Scope.Filter.From)), "groups",
			found.Looked, "read", found.Swept.Read, "left", bot.Spaced(bot.LeftOutLine(&found.Swept)), "joined",
			bot.Spaced(bot.JoinedLine(r.Scope)))
	case found.Matches > most:
		return prepared{}, w.sweptTooMany(r, found)
	}
	for _, t := range found.Talks {
		i := slices.IndexFunc(p.request.Parts, func(part bot.Part) bool { return part.Talk == t.Talk })
		if i < 0 {
			continue
		}
		seqs := make([]recall.Seq, len(t.Found))
		for j, m := range t.Found {
			seqs[j] = m.Seq
		}
		p.request.Parts[i].Facts, p.request.Parts[i].Covers = t.Facts, command.MakeRanges(seqs...)
		p.request.Tally.Partly += t.Partly
	}
	partly := p.request.Tally.Partly
	p.request.Tally = bot.TallyOf(p.messages)
	p.request.Tally.Partly = partly
	return p, p.sends()
}

// sweptTooMany refuses a sweep that found more than one request can hold, with the command for the
// groups that one can.
func (w *Worker) sweptTooMany(r bot.Request, found history.Swept) *bot.Refusal {
	cmd := command.Command{Verb: command.VerbRecall, Scope: r.Scope, Reason: r.Reason}
	cmd.Scope.Joined, cmd.Scope.In, cmd.Scope.Filter = false, nil, r.Scope.Filter.WithoutText()
	n, most := 0, r.Policy.MaxMessages
	for _, t := range found.Talks {
		if k := len(t.Found); k > 0 && n+k <= most && len(cmd.Scope.In) < command.InMost {
			n += k
			cmd.Scope.In = append(cmd.Scope.In, bot.Where(t.Scope()).Text)
		}
	}
	if len(cmd.Scope.In) == 0 { // each has too many
		cmd.Scope.Group, cmd.Scope.Topic = found.Talks[0].Group, found.Talks[0].Topic
		cmd.Scope.Filter.Last = most
	}
	return bot.NewRefusal("sweep_too_many", "n", found.Matches, "groups", found.Looked, "max", most, "corrected",
		bot.Code(cmd.Write(r.Place.Platform.TypesOptions())))
}
