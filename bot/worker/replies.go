package worker

import (
	"context"

	"recallbot/bot"
	"recallbot/recall"
)

// repliesOf is how many messages a request has at most whose replies are looked for.
const repliesOf = 10

// repliedTo returns the messages of a sealed request of which replies are looked for, nil for none:
// the request is larger or about several groups, its group keeps no history, or there are no newer
// messages.
func repliedTo(p prepared) (sent []recall.Seq) {
	if p.request.Scope.Sweeps() {
		return nil
	}
	next := p.request.Only().Facts.NextSeq
	newer := next == 0
	for _, m := range p.messages {
		if m.Status == bot.SealNormal && !m.Callback {
			sent = append(sent, m.Seq)
			newer = newer || m.Seq+1 < next
		}
	}
	if p.request.Tally.Total > repliesOf || !newer {
		return nil
	}
	return sent
}

// seekReplies looks for later messages that quote messages of a request, when that is sealed: the
// card is not held up by it, and is drawn again if there are some.
func (w *Worker) seekReplies(ctx context.Context, l bot.Lease, p prepared) error {
	id, sent := p.request.ID, repliedTo(p)
	if sent == nil {
		return nil
	}
	rd := w.Reader(p.request.Scope, "replies", recall.ForFilter, p.request.By.Person)
	rd.Tries, rd.Store = pageTries, w.recorder(l, id)
	quoting, quoted, err := rd.Quoting(ctx, sent, p.request.Only().Covers)
	if ctx.Err() != nil {
		return rd.StoreTraces(ctx)
	}
	found := &bot.Replies{Seqs: quoting, Quoted: quoted}
	if err != nil {
		w.Log.Warn("cannot look for replies to the messages of a request", "request", id, "err", err)
		found = &bot.Replies{Unread: true}
	}
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		if err := w.AuditTraces(tx, id, rd.Traces); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || !r.State.Open() {
			return err
		}
		some := found.Unread || len(quoting) > 0
		if r.Replies = nil; some {
			r.Replies = found
		}
		if err := tx.PutRequest(r); err != nil || !some {
			return err
		}
		return w.Redraw(tx, id)
	})
}
