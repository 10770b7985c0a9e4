package intake

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Of a request of at most aroundOf messages Show all has, before and after each of them, the
// nearest aroundEach messages that are still there, of aroundLooked numbers.
const (
	aroundOf     = 3
	aroundEach   = 2
	aroundLooked = 8
)

// showAll answers Show all. Where that takes messages of the group, which are read from history,
// the event is stored first, and no transaction is open while they are read. These are the messages
// around a few, and, where only hashes of messages are kept, the messages themselves.
func (in *Intake) showAll(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	var r bot.Request
	var pg shownPage
	var key []byte
	page := func(tx bot.Tx) (err error) {
		a := act{in: in, tx: tx, e: e, m: m}
		if err := a.known(); err != nil {
			return err
		}
		if err := a.may(); err != nil {
			return err
		}
		if r, err = a.readable(e.Act.Request); err != nil {
			return err
		}
		if r.Digest == "" {
			return bot.NewRefusal("still_preparing")
		}
		if pg, err = in.pageOf(tx, r, e.Act.Page); err != nil {
			return err
		}
		if key, err = tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
			err = nil
		} else if err != nil {
			return err
		}
		return a.addButtons(&pg.Page, r)
	}
	reads := false
	err := in.Ledger.View(ctx, func(tx bot.Tx) error {
		r, err := tx.Request(e.Act.Request)
		reads = err == nil && (in.Evidence == bot.EvidenceHash || r.Tally.Total <= aroundOf)
		return nil // what is wrong is found again
	})
	if err != nil {
		return Answer{}, err
	}
	if !reads {
		return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
			if err := page(tx); err != nil {
				return Answer{}, err
			}
			return Answer{Kind: ShowPage, Page: &pg.Page}, in.audit(tx, e, "read", r.ID, r.Digest, pg.shownIn())
		})
	}
	end, refused, err := in.beginSearch(ctx, e, page)
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	detail := pg.shownIn()
	var traces []bot.Trace
	if key != nil {
		traces = in.readPage(ctx, e, r, &pg, key, detail)
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return Answer{Kind: ShowPage, Page: &pg.Page}, in.auditRead(tx, e, r.ID, r.Digest, traces, detail)
	})
}

// readPage reads from history what a page shows of it, puts it on the page, and notes in detail
// what was shown.
func (in *Intake) readPage(ctx context.Context, e Event, r bot.Request, pg *shownPage, key []byte,
	detail map[string]any) (traces []bot.Trace) {
	sealed, around := map[int][]recall.Seq{}, map[int][]recall.Seq{} // by part
	wanted := 0
	for _, m := range pg.messages {
		if in.Evidence == bot.EvidenceHash && m.HMAC != nil && !m.Callback {
			sealed[m.Part] = append(sealed[m.Part], m.Seq)
			wanted++
		}
	}
	if in.Evidence == bot.EvidenceHash {
		detail["afresh"] = true
	}
	if r.Tally.Total <= aroundOf {
		around = besides(r, pg.messages)
	}
	if wanted+len(around) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.WhereID(r)))
	defer said()
	by, _ := in.Roster.Of(e.By)
	found := map[bot.MessageID]recall.Message{}
	for part := range r.Parts {
		seqs := command.MakeRanges(append(slices.Clone(sealed[part]), around[part]...)...)
		if seqs == nil {
			continue
		}
		rd := in.Reader(r.Parts[part].Scope(), "show all", recall.ForSearch, by)
		if r.Scope.Sweeps() {
			rd.More = map[string]any{"group": r.Parts[part].Group}
		}
		err := rd.Each(within, seqs, func(m recall.Message, _ time.Time) { found[bot.IDOf(part, m.Seq)] = m })
		if traces = append(traces, rd.Traces...); err != nil {
			detail["error"] = err.Error()
			no := readingFailed(err)
			if wanted == 0 {
				no = bot.Say("answer.page.around.failed", "why", no)
			}
			pg.Notes = append(pg.Notes, no)
			return traces
		}
	}
	if in.Evidence == bot.EvidenceHash && wanted > 0 {
		pg.Notes = append(pg.Notes, bot.Say("answer.page.afresh", "n", pg.showSealed(found, key), "of", wanted))
	}
	if shown := pg.showAround(r, around, found); shown != nil {
		detail["around"] = shown
	}
	return traces
}

// besides returns, by part, the numbers among which the messages around those of a request are
// looked for.
func besides(r bot.Request, messages []bot.Message) map[int][]recall.Seq {
	own := map[bot.MessageID]bool{}
	for _, m := range messages {
		own[m.ID()] = true
	}
	around := map[int][]recall.Seq{}
	for _, m := range messages {
		if r.Parts[m.Part].KeepsNone() {
			continue
		}
		for d := -aroundLooked; d <= aroundLooked; d++ {
			if seq := int64(m.Seq) + int64(d); seq > 0 && seq <= math.MaxUint32 {
				if id := bot.IDOf(m.Part, recall.Seq(seq)); !own[id] {
					own[id] = true
					around[m.Part] = append(around[m.Part], id.Seq())
				}
			}
		}
	}
	return around
}

// showAround adds to the page the messages around its own, and returns their numbers by part.
func (pg *shownPage) showAround(r bot.Request, around map[int][]recall.Seq,
	found map[bot.MessageID]recall.Message) map[string]command.Ranges {
	type line struct {
		message bot.Message
		sample  bot.Sample
	}
	var lines []line
	for i, m := range pg.messages {
		lines = append(lines, line{m, pg.Samples[i]})
	}
	shown := map[string]command.Ranges{}
	for part, seqs := range around {
		there := slices.DeleteFunc(slices.Sorted(slices.Values(seqs)), func(s recall.Seq) bool {
			m, ok := found[bot.IDOf(part, s)]
			return !ok || m.Status != recall.StatusNormal
		})
		var near []recall.Seq
		for _, own := range pg.messages {
			if own.Part == part {
				at, _ := slices.BinarySearch(there, own.Seq)
				near = append(near, there[max(0, at-aroundEach):min(len(there), at+aroundEach)]...)
			}
		}
		ranges := command.MakeRanges(near...)
		if ranges == nil {
			continue
		}
		shown[string(bot.Where(r.Parts[part].Scope()).Text)] = ranges
		for seq := range ranges.All() {
			m := found[bot.IDOf(part, seq)]
			lines = append(lines, line{bot.Message{Part: part, Seq: seq}, bot.Sample{Seq: uint32(seq),
				Sender: string(m.From), Sent: m.Time, Marks: []bot.Line{bot.Say("card.mark.around")},
				Text: bot.EvidenceLine(bot.EvidenceOf(m, pageRunes), pageRunes)}})
		}
	}
	if len(shown) == 0 {
		return nil
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.message.ID(), b.message.ID()) })
	pg.messages, pg.Samples = nil, nil
	for _, l := range lines {
		pg.messages, pg.Samples = append(pg.messages, l.message), append(pg.Samples, l.sample)
	}
	pg.byGroup(r)
	return shown
}

// showSealed adds to the page the text of each message that is still what was sealed, and returns
// how many there are. It marks each other message that has no outcome yet.
func (pg *shownPage) showSealed(found map[bot.MessageID]recall.Message, key []byte) (n int) {
	for i, was := range pg.messages {
		if was.HMAC == nil || was.Callback {
			continue
		}
		is, ok := found[was.ID()]
		if ok && is.Status == recall.StatusNormal && was.Is(is, key) {
			pg.Samples[i].Text = bot.EvidenceLine(bot.EvidenceOf(is, pageRunes), pageRunes)
			n++
		} else if !was.Outcome.Settled() {
			pg.Samples[i].Marks = append(pg.Samples[i].Marks, bot.Say("card.mark.differs"))
		}
	}
	return n
}
