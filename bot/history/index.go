package history

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Indexing reports whether messages that callbacks report are kept.
func (h *History) Indexing() bool { return h.Index == bot.IndexHash || h.Index == bot.IndexExcerpt }

// arrival returns what the index keeps of a message.
func (h *History) arrival(c recall.AfterSendMsg) bot.Arrival {
	m := c.Message()
	a := bot.Arrival{Group: c.Group, Topic: c.Topic, Seq: c.Seq, Sender: c.From, Sent: c.Time,
		HMAC: bot.ContentHMAC(h.indexKey, m, bot.FormNow)}
	if h.Index == bot.IndexExcerpt {
		a.Excerpt = bot.EvidenceOf(m, MaxExcerpt)
	}
	return a
}

// saidKey returns the key of Arrival.Said, or nil if there is none.
func (h *History) saidKey(tx bot.Tx) ([]byte, error) {
	key, err := tx.Setting(bot.SettingIndexKey(h.App))
	if key == "" || err != nil {
		return nil, err
	}
	return hex.DecodeString(key)
}

// makeSaidKey makes and stores that key.
func (h *History) makeSaidKey(tx bot.Tx) ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	return key, tx.PutSetting(bot.SettingIndexKey(h.App), hex.EncodeToString(key))
}

// forgetSaidKey deletes that key if nothing is left in the index.
func (h *History) forgetSaidKey(tx bot.Tx) error {
	key, err := h.saidKey(tx)
	if err != nil || key == nil {
		return err
	}
	first, err := tx.FirstArrival(h.App)
	if err != nil || !first.IsZero() {
		return err
	}
	return tx.PutSetting(bot.SettingIndexKey(h.App), "")
}

// SealArrived returns the seal of a message that a callback reported.
func (h *History) SealArrived(a bot.Arrival, key []byte, p bot.Policy, now time.Time) bot.Message {
	out := bot.Message{Seq: a.Seq, Sender: a.Sender, Sent: a.Sent, Read: now, Status: bot.SealNormal, Callback: true,
		System: a.Sender.IsSystem(),
		Admin:  h.Admin != "" && a.Sender == h.Admin}
	if p.IsProtected(a.Sender) {
		out.Status = bot.SealProtected
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(a.HMAC)
	out.HMAC = mac.Sum(nil)
	if len(a.Said) >= 8 {
		out.Content = binary.BigEndian.Uint64(a.Said)
	}
	if h.Evidence != bot.EvidenceHash {
		out.Evidence = a.Excerpt
	}
	return out
}

// Arrived returns the messages of the index that have these seqs. It leaves out a message about
// which callbacks disagree.
func (h *History) Arrived(ctx context.Context, s command.Scope, seqs command.Ranges) (map[recall.Seq]bot.Arrival,
	error) {
	if !h.Indexing() {
		return nil, nil
	}
	found := map[recall.Seq]bot.Arrival{}
	err := h.Ledger.View(ctx, func(tx bot.Tx) error {
		for _, r := range seqs {
			kept, err := tx.Arrivals(h.App, s.Group, s.Topic, r.From, r.To, arrivalsMost)
			if err != nil {
				return err
			}
			for _, a := range kept {
				if !a.Disputed {
					found[a.Seq] = a
				}
			}
		}
		return nil
	})
	return found, err
}

// SearchArrived searches the index by the scope's filter, as Reader.Search searches history. It
// searches below next, the number that the service gives next; next is 0 if that is not known.
//
// The result is complete only back to the time when the index begins, and it lacks messages whose
// callback was lost. SearchArrived returns a Refusal where callbacks disagree about a message. The
// time of a message ends the search only if its callback also arrived before the filter's limit:
// the time itself may be forged.
func (h *History) SearchArrived(ctx context.Context, s command.Scope, next recall.Seq) (Searched, error) {
	switch {
	case s.Filter.Text != "" && h.Index != bot.IndexExcerpt:
		return Searched{}, bot.NewRefusal("index_no_text")
	}
	out := Searched{Arrived: map[recall.Seq]bot.Arrival{}}
	err := h.Ledger.View(ctx, func(tx bot.Tx) error {
		var said []byte
		if s.Filter.Same != 0 {
			var err error
			if said, err = h.saidBy(tx, s); err != nil {
				return err
			}
		}
		first, err := tx.FirstArrival(h.App)
		if err != nil {
			return err
		}
		if out.Begins = first; first.IsZero() {
			out.Begins = tx.Now()
		}
		for hi := next - 1; ; { // next 0: all
			kept, err := tx.Arrivals(h.App, s.Group, s.Topic, 1, hi, arrivalsAtOnce)
			if err != nil {
				return err
			}
			over, err := h.lookArrived(tx, s, said, kept, &out)
			if over || err != nil {
				return err
			}
			if len(kept) < arrivalsAtOnce {
				since := s.Filter.Since
				out.Complete = !since.IsZero() && !first.IsZero() && !since.At.Before(first)
				return nil
			}
			if hi = kept[len(kept)-1].Seq - 1; hi == 0 {
				return nil
			}
		}
	})
	return out, err
}

// arrivalsAtOnce is how many messages of the index are held in memory at once.
const arrivalsAtOnce = 5000

// saidBy returns Arrival.Said of the message that the filter wants the same as. It returns a
// Refusal if that is not known.
func (h *History) saidBy(tx bot.Tx, s command.Scope) ([]byte, error) {
	seq := s.Filter.Same
	kept, err := tx.Arrivals(h.App, s.Group, s.Topic, seq, seq, 1)
	number := bot.Code(strconv.FormatUint(uint64(seq), 10))
	switch {
	case err != nil:
		return nil, err
	case len(kept) == 0:
		return nil, bot.NewRefusal("same_unheard", "seq", number)
	case kept[0].Disputed:
		return nil, bot.NewRefusal("index_disputed", "seq", number)
	case kept[0].Sender.IsSystem():
		return nil, bot.NewRefusal("same_system", "seq", number)
	case len(kept[0].Said) == 0:
		return nil, bot.NewRefusal("same_before", "seq", number)
	}
	return kept[0].Said, nil
}

// lookArrived looks at messages of the index, newest first, for a filter that wants the same as a
// message with this Arrival.Said, if it has a Same. It reports whether the search is over.
func (h *History) lookArrived(tx bot.Tx, s command.Scope, said []byte, kept []bot.Arrival, out *Searched) (over bool,
	err error) {
	f := s.Filter
	seqs := make([]recall.Seq, len(kept))
	for i, a := range kept {
		seqs[i] = a.Seq
	}
	removed, err := tx.Removals(h.App, s.Group, s.Topic, seqs, time.Time{})
	if err != nil {
		return true, err
	}
	for _, a := range kept {
		if a.Disputed {
			return true, bot.NewRefusal("index_disputed", "seq", bot.Code(strconv.FormatUint(uint64(a.Seq), 10)))
		}
		since := f.Since.At.Truncate(time.Second)
		if a.Sent.Before(since) && a.Came.Before(since) {
			out.Complete = true
			return true, nil
		}
		if a.Sent.After(out.Newest) {
			out.Newest = a.Sent
		}
		m := recall.Message{Seq: a.Seq, From: a.Sender, Time: a.Sent, System: a.Sender.IsSystem()}
		if a.Sent.Before(since) || !f.Until.IsZero() && a.Sent.After(f.Until.At) {
			continue
		}
		_, gone := removed[a.Seq]
		if !gone && out.Read == most.messages {
			return true, nil
		}
		out.ReachedSeq = a.Seq
		out.dated(a.Sent)
		if gone {
			continue
		}
		out.Read++
		before := false // an earlier version kept it, without Said
		of, ok := out.matches(f, m, func() ([]recall.Part, bool) { return bot.EvidenceTexts(a.Excerpt) }, func() bool {
			before = before || len(a.Said) == 0
			return hmac.Equal(a.Said, said)
		})
		if before && !m.System {
			return true, bot.NewRefusal("index_before", "seq", bot.Code(strconv.FormatUint(uint64(a.Seq), 10)),
				"sent", a.Sent)
		}
		if !ok || m.System {
			continue
		}
		out.Found = append(out.Found, Found{a.Seq, a.Sent, of})
		out.Arrived[a.Seq] = a
		if f.Last > 0 && len(out.Found) == f.Last {
			out.Complete = true
			return true, nil
		}
	}
	return false, nil
}

// NextSeq returns the number that the service gives next, or 0 if it is not known: the service does
// not report it for topics, and in a group without history it may not count.
func NextSeq(info recall.GroupInfo, s command.Scope) recall.Seq {
	if s.Topic != "" || info.Type != "" && !info.Type.HasHistory() && info.NextMsgSeq <= 1 {
		return 0
	}
	return info.NextMsgSeq
}
