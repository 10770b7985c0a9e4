package worker

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/recall"
)

// prepared is what was read for a request, ready to be sealed.
type prepared struct {
	request  bot.Request
	messages []bot.Message // in order, without what they say
	key      []byte
	blind    bool
}

const (
	pageTries  = 3       // tries of one page before all reading fails; a large request has thousands of pages
	sealAtOnce = 1000    // messages that are stored in one transaction
	saidAtOnce = 1 << 19 // bytes of evidence in one transaction; one message is always stored whole
)

// sealing stores the messages of a preparing request in the order in which they are read, a part at
// a time, so that the content of 100,000 messages is never held in memory. Nobody sees a part
// before the request is sealed.
type sealing struct {
	b     *Worker
	lease bot.Lease
	id    bot.RequestID

	kinds bot.Folding   // of what is to be sent
	part  []bot.Message // read, and not stored yet
	said  int           // bytes of evidence in it
	clean bool          // nothing is stored of an interrupted preparation
	over  bool          // the request is not preparing any more
	err   error         // why a part could not be stored
}

// add adds the next message, which must not have been added before, and stores a part when it is
// full. It returns an error if reading on is pointless: the request has ended, or the ledger
// failed.
func (s *sealing) add(ctx context.Context, m bot.Message) error {
	if len(s.part) == sealAtOnce || len(s.part) > 0 && s.said+len(m.Evidence) > saidAtOnce {
		if err := s.store(ctx, nil); err != nil {
			return err
		}
	}
	if m.Sends() && (m.Evidence != "" || m.Content != 0) { // else nothing tells what it is like
		s.kinds.Add(m)
	}
	s.part = append(s.part, m)
	s.said += len(m.Evidence)
	return nil
}

// again starts over: the parts that were stored are deleted before the next one is stored.
func (s *sealing) again() { s.part, s.said, s.clean, s.kinds = nil, 0, false, bot.Folding{} }

// errOver is the error of a request that ended while it was prepared.
var errOver = errors.New("the request has ended")

// store stores the part and calls then, in a transaction that succeeds only while the request is
// preparing. It first deletes what an interrupted preparation has stored.
func (s *sealing) store(ctx context.Context, then func(tx bot.Tx, r bot.Request) error) error {
	for s.err == nil && !s.over {
		dropped := 0
		s.err = s.b.Ledger.Tx(ctx, func(tx bot.Tx) error {
			dropped, s.over = 0, false
			if err := tx.Fence(s.lease); err != nil {
				return err
			}
			r, err := tx.Request(s.id)
			if s.over = err == nil && r.State != bot.Preparing; s.over || err != nil {
				return err
			}
			if !s.clean {
				if dropped, err = tx.DropMessages(s.id, sealAtOnce); err != nil || dropped == sealAtOnce {
					return err
				}
			}
			if err := tx.AddMessages(s.id, s.part); err != nil || then == nil {
				return err
			}
			return then(tx, r)
		})
		if s.err == nil && !s.over && dropped < sealAtOnce {
			clear(s.part)
			s.part, s.said, s.clean = s.part[:0], 0, true
			return nil
		}
	}
	if s.over {
		return errOver
	}
	return s.err
}

// recorder returns a function that stores records of calls that were made for a request.
func (w *Worker) recorder(l bot.Lease, id bot.RequestID) func(context.Context, []bot.Trace) error {
	return func(ctx context.Context, all []bot.Trace) error {
		return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
			if err := tx.Fence(l); err != nil {
				return err
			}
			return w.AuditTraces(tx, id, all)
		})
	}
}

// sends counts what each part would send. It returns a Refusal if nothing would be sent.
func (p *prepared) sends() error {
	if p.request.Tally.Send == 0 {
		return bot.NewRefusal("nothing_to_send", "why", whyNothing(p.request.Tally))
	}
	for _, m := range p.messages {
		if m.Sends() {
			p.request.Parts[m.Part].Send++
		}
	}
	return nil
}

// whyNothing returns a line that says why no message of a request would be sent.
func whyNothing(t bot.Tally) bot.Line {
	var l bot.Line
	for _, part := range []struct {
		n    int
		mark string
	}{{t.Recalled, "recalled"}, {t.Gone, "gone"}, {t.Absent, "absent"}, {t.Protected, "protected"}} {
		if part.n == 0 {
			continue
		}
		if l != nil {
			l = append(l, bot.Span{Kind: bot.Words, Text: ", "})
		}
		l = append(l, bot.Say("nothing."+part.mark, "n", part.n)...)
	}
	return l
}

// sealed returns the seal of one message as it was read.
func (w *Worker) sealed(m recall.Message, key []byte, p bot.Policy, at time.Time) bot.Message {
	out := bot.Message{Seq: m.Seq, Sender: m.From, Sent: m.Time, Read: at, Status: bot.SealNormal,
		Admin: w.Admin != "" && m.From == w.Admin, System: m.System}
	switch m.Status {
	case recall.StatusRecalled:
		out.Status = bot.SealRecalled
		return out
	case recall.StatusDeletedOrExpired:
		out.Status = bot.SealGone
		return out
	}
	if p.IsProtected(m.From) {
		out.Status = bot.SealProtected
	}
	out.HMAC, out.Form = bot.ContentHMAC(key, m, bot.FormNow), bot.FormNow
	out.Content, out.Marked = bot.Foldable(m)
	switch w.Evidence {
	case bot.EvidenceExcerpt:
		out.Evidence = bot.EvidenceOf(m, history.MaxExcerpt)
	case bot.EvidenceFull:
		out.Evidence = bot.EvidenceOf(m, history.MaxFull)
	}
	return out
}
