package intake

import (
	"context"
	"crypto/hmac"
	"errors"
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
		if key, err = tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || refused != nil {
		return *refused, err
	}
	defer end()
	var wanted []recall.Seq
	for _, m := range messages {
		if m.HMAC != nil && !m.Callback && key != nil {
			wanted = append(wanted, m.Seq)
		}
	}
	detail := map[string]any{"how": "show all", "page": pg.Number, "afresh": true}
	by, _ := in.Roster.Of(e.By)
	rd := in.Reader(r.Scope, "show all", recall.ForSearch, by)
	if len(wanted) > 0 {
		within, cancel := context.WithTimeout(ctx, findWithin)
		defer cancel()
		said := e.sayAfter(findQuiet, bot.Say("answer.find.progress", "group", bot.Code(string(r.Scope.Group))))
		found, err := rd.Seqs(within, command.MakeRanges(wanted...))
		said()
		if err != nil {
			detail["error"] = err.Error()
			pg.Notes = append(pg.Notes, in.readingFailed(err))
		} else {
			pg.Notes = append(pg.Notes, bot.Say("answer.page.afresh", "n", showSealed(&pg, messages, found, key), "of",
				len(wanted)))
		}
	}
	return in.close(ctx, e, func(tx bot.Tx, _ time.Time) (Answer, error) {
		return Answer{Kind: ShowPage, Page: &pg}, in.auditRead(tx, e, r.ID, r.Digest, rd.Traces, detail)
	})
}

// showSealed adds to the page the text of each message that is still what was sealed, and returns
// how many there are. It marks each other message that has no outcome yet.
func showSealed(pg *Page, messages []bot.Message, found map[recall.Seq]recall.Message, key []byte) (n int) {
	for i, was := range messages {
		if was.HMAC == nil || was.Callback {
			continue
		}
		is, ok := found[was.Seq]
		if ok && is.Status == recall.StatusNormal && hmac.Equal(bot.ContentHMAC(key, is), was.HMAC) {
			pg.Samples[i].Text = bot.Line{bot.Quote(is.Excerpt(pageRunes))}
			n++
		} else if !was.Outcome.Settled() {
			pg.Samples[i].Marks = append(pg.Samples[i].Marks, bot.Say("card.mark.differs"))
		}
	}
	return n
}
