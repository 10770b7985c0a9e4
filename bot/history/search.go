package history

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Searched is the result of a search.
type Searched struct {
	Matches  []bot.Message // newest first
	Read     int           // messages looked at
	Reached  time.Time     // the time of the oldest message read
	Complete bool          // the search covered all that the filter selects
	// Arrived has the matches by seq if the index was searched, and is nil if history was.
	Arrived map[recall.Seq]bot.Arrival
}

// once returns the messages without repetitions and without those that have no seq. Of several with
// one seq it keeps the first.
func once(messages []recall.Message) []recall.Message {
	seen := map[recall.Seq]bool{0: true}
	var kept []recall.Message
	for _, m := range messages {
		if !seen[m.Seq] {
			seen[m.Seq] = true
			kept = append(kept, m)
		}
	}
	return kept
}

// Search reads history from the newest message down until the scope's filter is satisfied: it
// reached a message before the filter's time, found as many as the filter asks for, or reached the
// beginning. After maxSearched messages it stops and is incomplete. It reads pages in waves, each
// page of a wave at the same time, and decides after each wave whether to go on.
func (rd *Reader) Search(ctx context.Context) (Searched, error) {
	var out Searched
	first, err := rd.page(rd.inTurn(ctx, 1), 0)
	if err != nil {
		return out, err
	}
	f := rd.Scope.Filter
	looked := map[recall.Seq]lookedAt{} // of one wave; only matches are kept longer
	look := func(m recall.Message, _ time.Time) {
		l := lookedAt{seq: m.Seq, sent: m.Time}
		if m.Status == recall.StatusNormal && !m.System && f.Matches(m, m.Excerpt(MaxFull)) {
			l.match = new(rd.Keep(m))
		}
		looked[m.Seq] = l
	}
	for _, m := range once(first.Messages) {
		look(m, time.Time{})
	}
	if len(looked) == 0 {
		out.Complete = true
		return out, nil
	}
	lowest := slices.Min(slices.Collect(maps.Keys(looked)))
	wave := recall.Seq(readersAtOnce * recall.MaxHistoryPage)
	for long := false; ; long = true {
		for _, m := range slices.SortedFunc(maps.Values(looked),
			func(a, b lookedAt) int { return cmp.Compare(b.seq, a.seq) }) {
			if !f.Since.IsZero() && !m.sent.IsZero() && m.sent.Before(f.Since.At.Truncate(time.Second)) {
				out.Complete = true
				break
			}
			if out.Read == maxSearched {
				return out, nil
			}
			out.Read++
			if !m.sent.IsZero() {
				out.Reached = m.sent
			}
			if m.match != nil {
				out.Matches = append(out.Matches, *m.match)
				if f.Last > 0 && len(out.Matches) == f.Last {
					out.Complete = true
					return out, nil
				}
			}
		}
		if out.Complete || lowest <= 1 {
			out.Complete = true
			return out, nil
		}
		if out.Read >= maxSearched {
			return out, nil
		}
		if rd.Long != nil && !long {
			if err := rd.Long(ctx); err != nil {
				return out, err
			}
		}
		// The next wave begins below what has been read. It has one page for each reader at first,
		// and twice as many each time after, so that a long search seldom waits for its slowest
		// page and a short search reads few pages that it does not need.
		hi := lowest - 1
		lo := recall.Seq(1)
		if wave = min(wave, recall.Seq(maxSearched-out.Read)); hi > wave {
			lo = hi - wave + 1
		}
		wave *= 2
		clear(looked)
		if err := rd.Each(ctx, command.Ranges{{From: lo, To: hi}}, look); err != nil {
			return out, err
		}
		lowest = lo
	}
}

// lookedAt is what a search keeps of one message that it has read.
type lookedAt struct {
	seq   recall.Seq
	sent  time.Time
	match *bot.Message // nil if it does not match
}
