package worker

import (
	"context"
	"maps"
	"slices"

	"recallbot/bot"
	"recallbot/recall"
)

// repliesOf is how many messages a request has at most whose replies are looked for.
const repliesOf = 10

// repliedTo returns the messages of a sealed request of which replies are looked for, by its parts.
// There are none where the request is larger, or where its group keeps no history or has no newer
// messages.
func repliedTo(p prepared) map[int][]recall.Seq {
	if p.request.Tally.Total > repliesOf {
		return nil
	}
	sent, newer := map[int][]recall.Seq{}, map[int]bool{}
	for _, m := range p.messages {
		next := p.request.Parts[m.Part].Facts.NextSeq
		if m.Status == bot.SealNormal && !m.Callback {
			sent[m.Part] = append(sent[m.Part], m.Seq)
		}
		newer[m.Part] = newer[m.Part] || next == 0 || m.Status == bot.SealNormal && m.Seq+1 < next
	}
	maps.DeleteFunc(sent, func(part int, _ []recall.Seq) bool { return !newer[part] })
	return sent
}

// seekReplies looks for later messages that quote messages of a request, when that is sealed: the
// card is not held up by it, and is drawn again if there are some.
func (w *Worker) seekReplies(ctx context.Context, l bot.Lease, p prepared) error {
	id, sent := p.request.ID, repliedTo(p)
	if len(sent) == 0 {
		return nil
	}
	found := &bot.Replies{}
	var traces []bot.Trace
	for _, part := range slices.Sorted(maps.Keys(sent)) {
		is := p.request.Parts[part]
		rd := w.Reader(is.Scope(), "replies", recall.ForFilter, p.request.By.Person)
		rd.Tries, rd.Store = pageTries, w.recorder(l, id)
		if p.request.Scope.Sweeps() {
			rd.More = map[string]any{"group": is.Group, "topic": is.Topic}
		}
		quoting, quoted, err := rd.Quoting(ctx, sent[part], is.Covers)
		if ctx.Err() != nil {
			return rd.StoreTraces(ctx)
		}
		switch traces = append(traces, rd.Traces...); {
		case err != nil:
			w.Log.Warn("cannot look for replies to the messages of a request", "request", id, "err", err)
			found.Unread = true
		case len(quoting) == 0:
		case p.request.Scope.Sweeps():
			found.In = append(found.In, bot.RepliesIn{Part: part, Seqs: quoting, Quoted: quoted})
		default:
			found.Seqs, found.Quoted = quoting, quoted
		}
	}
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		if err := w.AuditTraces(tx, id, traces); err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil || !r.State.Open() {
			return err
		}
		some := found.Unread || len(found.Seqs)+len(found.In) > 0
		if r.Replies = nil; some {
			r.Replies = found
		}
		if err := tx.PutRequest(r); err != nil || !some {
			return err
		}
		return w.Redraw(tx, id)
	})
}
