package bot

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"recallbot/recall"
)

// withoutContent is the answer as it is stored with its event: what messages said is left out. It is kept as evidence or not at all.
func (a Answer) withoutContent() Answer {
	silent := func(samples []Sample) []Sample {
		samples = slices.Clone(samples)
		for i := range samples {
			samples[i].Text = nil
		}
		return samples
	}
	if a.Card != nil {
		c := *a.Card
		c.Samples = silent(c.Samples)
		a.Card = &c
	}
	if a.Page != nil {
		p := *a.Page
		p.Samples = silent(p.Samples)
		a.Page = &p
	}
	return a
}

// again is a stored answer for the same event once more: a card and a page of a request with what is kept of its messages now.
func (b *Bot) again(tx Tx, stored []byte) (*Answer, error) {
	a := Answer{Repeated: true}
	if err := json.Unmarshal(stored, &a); err != nil {
		return nil, fmt.Errorf("read stored answer: %w", err)
	}
	if a.Card != nil {
		r, err := tx.Request(a.Card.ID)
		if err != nil {
			return nil, err
		}
		c, err := b.card(tx, r, 0)
		if err != nil {
			return nil, err
		}
		a.Card = &c
	}
	switch {
	case a.Page == nil:
	case a.Page.Request == "" || b.o.Evidence == EvidenceHash:
		a.Page.Notes = append(a.Page.Notes, Say("answer.page.again"))
	default:
		r, err := tx.Request(a.Page.Request)
		if err != nil {
			return nil, err
		}
		pg, _, err := b.pageOf(tx, r, a.Page.Number)
		if err != nil {
			return nil, err
		}
		a.Page = &pg
	}
	return &a, nil
}

// pageAfresh answers Show all where only hashes are kept: it reads the messages of the page from history, and shows those that are still what was
// sealed. The event is stored first; the reading follows, without a transaction.
func (b *Bot) pageAfresh(ctx context.Context, e Event, m Member) (Answer, error) {
	var r Request
	var pg Page
	var messages []Message
	var key []byte
	end, refused, err := b.beginSearch(ctx, e, func(tx Tx) (err error) {
		a := act{b: b, tx: tx, e: e, m: m}
		if err := b.o.Policy.MayBeUsedIn(e.Place); err != nil && !a.allowedThen(e.Act.Request) {
			return err
		}
		if r, err = a.readable(e.Act.Request); err != nil {
			return err
		}
		if r.Digest == "" {
			return refuse("still_preparing")
		}
		if pg, messages, err = b.pageOf(tx, r, e.Act.Page); err != nil {
			return err
		}
		if key, err = tx.EvidenceKey(r.ID); errors.Is(err, ErrNotFound) {
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
	by, _ := b.o.Roster.Of(e.By)
	rd := b.reading(r.Scope, "show all", recall.ForSearch, by)
	if len(wanted) > 0 {
		within, cancel := context.WithTimeout(ctx, findWithin)
		defer cancel()
		said := e.sayAfter(findQuiet, Say("answer.find.progress", "group", Code(string(r.Scope.Group))))
		found, err := rd.seqs(within, MakeRanges(wanted...))
		said()
		if err != nil {
			detail["error"] = err.Error()
			pg.Notes = append(pg.Notes, b.readingFailed(err))
		} else {
			pg.Notes = append(pg.Notes, Say("answer.page.afresh", "n", showSealed(&pg, messages, found, key), "of", len(wanted)))
		}
	}
	return b.settle(ctx, e, func(tx Tx, _ time.Time) (Answer, error) {
		return Answer{Kind: ShowPage, Page: &pg}, b.auditRead(tx, e, r.ID, r.Digest, rd.told, detail)
	})
}

// showSealed puts the text of those messages on the page that are still what was sealed, marks the others, and returns how many are.
func showSealed(pg *Page, messages []Message, found map[recall.Seq]recall.Message, key []byte) (n int) {
	for i, was := range messages {
		if was.HMAC == nil || was.Callback {
			continue
		}
		is, ok := found[was.Seq]
		if ok && is.Status == recall.StatusNormal && hmac.Equal(ContentHMAC(key, is), was.HMAC) {
			pg.Samples[i].Text = Line{Quote(is.Excerpt(pageRunes))}
			n++
		} else if !was.Outcome.Settled() {
			pg.Samples[i].Marks = append(pg.Samples[i].Marks, Say("card.mark.differs"))
		}
	}
	return n
}
