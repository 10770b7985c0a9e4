package history

import (
	"context"
	"slices"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// quotingAmong is among how many messages replies are looked for, at most.
const quotingAmong = 1000

// Quoting returns the messages that quote some of the seqs, and which they quote. It looks at those
// that come next after each, as many after one as after another, and leaves out those of besides.
// What does not say for certain what it quotes (recall.Quote.Of) is not found.
func (rd *Reader) Quoting(ctx context.Context, seqs []recall.Seq, besides command.Ranges) (quoting,
	quoted command.Ranges, err error) {
	newest, _, err := rd.patient(rd.inTurn(ctx, 1), 0)
	if err != nil || len(newest.Messages) == 0 {
		return nil, nil, err
	}
	page := once(newest.Messages)
	next := following(seqs, page[0].Seq, besides)
	quotes, of := map[recall.Seq]recall.Quote{}, map[recall.Seq]recall.Message{}
	for _, s := range seqs {
		of[s] = recall.Message{Seq: s}
	}
	look := func(m recall.Message, _ time.Time) {
		if slices.Contains(seqs, m.Seq) {
			of[m.Seq] = recall.Message{Seq: m.Seq, Time: m.Time, Random: m.Random}
		}
		if q, ok := m.Quote(); ok && m.Status == recall.StatusNormal && next.Contains(m.Seq) {
			quotes[m.Seq] = q
		}
	}
	for _, m := range page {
		look(m, time.Time{})
	}
	if lowest := page[len(page)-1].Seq; lowest > 1 {
		below := command.MakeRanges(append(slices.Collect(next.All()), seqs...)...).Intersect(
			command.Ranges{{From: 1, To: lowest - 1}})
		if err := rd.Each(ctx, below, look); err != nil {
			return nil, nil, err
		}
	}
	var answers, originals []recall.Seq
	for answer, q := range quotes {
		for _, m := range of {
			if m.Seq < answer && q.Of(m) {
				answers, originals = append(answers, answer), append(originals, m.Seq)
			}
		}
	}
	return command.MakeRanges(answers...), command.MakeRanges(originals...), nil
}

// following returns up to quotingAmong seqs that come next after some, up to newest, without those
// of besides.
func following(after []recall.Seq, newest recall.Seq, besides command.Ranges) command.Ranges {
	next := map[recall.Seq]bool{}
	for step := recall.Seq(1); step <= quotingAmong; step++ {
		for _, s := range after {
			if s < newest && newest-s >= step && !besides.Contains(s+step) && len(next) < quotingAmong {
				next[s+step] = true
			}
		}
	}
	var all []recall.Seq
	for s := range next {
		all = append(all, s)
	}
	return command.MakeRanges(all...)
}
