package intake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// pageAfresh answers Show all when only hashes of messages are kept. It reads the messages of the
// page from history and shows those that are still what was sealed. The event is stored first; no
// transaction is open while the messages are read.
func (in *Intake) pageAfresh(ctx context.Context, e Event, m bot.Member) (Answer, error) {
	var r bot.Request
	var pg Page
	var messages []bot.Message
	var key []byte
	end, refused, err := in.beginSearch(ctx, e, func(tx bot.Tx) (err error) {
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
		if pg, messages, err = in.pageOf(tx, r, e.Act.Page); err != nil {
			return err
		}
		if err = a.addButtons(&pg, r); err != nil {
			return err
		}
		if key, err = tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	var wanted []bot.MessageID
	for _, m := range messages {
		if m.HMAC != nil && !m.Callback && key != nil {
			wanted = append(wanted, m.ID())
		}
	}
	detail := map[string]any{"how": "show all", "page": pg.Number, "afresh": true}
	by, _ := in.Roster.Of(e.By)
	var traces []bot.Trace
	if len(wanted) > 0 {
		within, cancel := context.WithTimeout(ctx, findWithin)
		defer cancel()
		said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.WhereID(r)))
		found := map[bot.MessageID]recall.Message{}
		parts := bot.ByPart(wanted)
		for _, part := range slices.Sorted(maps.Keys(parts)) {
			rd := in.Reader(r.Parts[part].Scope(), "show all", recall.ForSearch, by)
			if r.Scope.Sweeps() {
				rd.More = map[string]any{"group": r.Parts[part].Group}
			}
			err = rd.Each(within, command.MakeRanges(parts[part]...), func(m recall.Message, _ time.Time) {
				found[bot.IDOf(part, m.Seq)] = m
			})
			if traces = append(traces, rd.Traces...); err != nil {
				break
			}
		}
		said()
		if err != nil {
			detail["error"] = err.Error()
			pg.Notes = append(pg.Notes, readingFailed(err))
		} else {
			pg.Notes = append(pg.Notes, bot.Say("answer.page.afresh", "n", showSealed(&pg, messages, found, key), "of",
				len(wanted)))
		}
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return Answer{Kind: ShowPage, Page: &pg}, in.auditRead(tx, e, r.ID, r.Digest, traces, detail)
	})
}

// showSealed adds to the page the text of each message that is still what was sealed, and returns
// how many there are. It marks each other message that has no outcome yet.
func showSealed(pg *Page, messages []bot.Message, found map[bot.MessageID]recall.Message, key []byte) (n int) {
	for i, was := range messages {
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
