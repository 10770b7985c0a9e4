package history

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// sealsLookedAt is in how many requests a message is looked for that is gone, at most.
const sealsLookedAt = 20

// sameAs returns a function that reports whether a message says exactly what the message seq says,
// in canonical form. A message that is gone is known by its seal, while a request's key is kept: so
// a search finds the same after a part of what it had found is recalled. It returns a Refusal if
// nobody knows what the message said.
func (rd *Reader) sameAs(ctx context.Context, seq recall.Seq) (same func(recall.Message) bool, err error) {
	var m recall.Message
	one := command.Ranges{{From: seq, To: seq}}
	err = rd.Each(ctx, one, func(is recall.Message, _ time.Time) { m = is })
	number := bot.Code(strconv.FormatUint(uint64(seq), 10))
	switch {
	case err != nil:
		return nil, err
	case m.Seq != 0 && m.Status == recall.StatusNormal && m.System:
		return nil, bot.NewRefusal("same_system", "seq", number)
	case m.Seq != 0 && m.Status == recall.StatusNormal:
		content := m.Content()
		return func(is recall.Message) bool { return bytes.Equal(is.Content(), content) }, nil
	}
	was, key, err := rd.sealOf(ctx, seq)
	switch {
	case err != nil:
		return nil, err
	case key != nil:
		return func(is recall.Message) bool {
			is.From, is.Time = was.Sender, was.Sent // the seal is of these as well
			return was.Is(is, key)
		}, nil
	case m.Seq == 0:
		return nil, bot.NewRefusal("same_absent", "seq", number)
	case m.Status == recall.StatusRecalled:
		return nil, bot.NewRefusal("same_gone", "seq", number, "mark", bot.Say("card.mark.recalled"))
	}
	return nil, bot.NewRefusal("same_gone", "seq", number, "mark", bot.Say("card.mark.gone"))
}

// sealOf returns the seal of a message in the newest request that read it and whose key is kept,
// and the key. The key is nil if there is none.
func (rd *Reader) sealOf(ctx context.Context, seq recall.Seq) (was bot.Message, key []byte, err error) {
	err = rd.b.Ledger.View(ctx, func(tx bot.Tx) error {
		requests, err := tx.Requests(bot.Query{App: rd.b.App, Group: rd.Scope.Group, Topic: &rd.Scope.Topic,
			Seqs: command.Ranges{{From: seq, To: seq}}, Sealed: true, Limit: sealsLookedAt})
		if err != nil {
			return err
		}
		for _, r := range requests {
			part, ok := r.In(bot.TalkOf(rd.Scope))
			if !ok {
				continue
			}
			id := bot.IDOf(part, seq)
			sealed, err := tx.Sealed(r.ID, id, 1)
			if err != nil {
				return err
			}
			if len(sealed) == 0 || sealed[0].ID() != id || sealed[0].Callback || len(sealed[0].HMAC) == 0 {
				continue
			}
			kept, err := tx.EvidenceKey(r.ID)
			if err == nil {
				was, key = sealed[0], kept
				return nil
			}
			if !errors.Is(err, bot.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	return was, key, err
}
