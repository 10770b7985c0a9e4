package worker

import (
	"context"
	"errors"

	"recallbot/bot"
)

// prepared is what was read for a request, ready to be sealed.
type prepared struct {
	request  bot.Request
	messages []bot.Message // in order, without what they say
	key      []byte
	blind    bool
}

const (
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
	s.part = append(s.part, m)
	s.said += len(m.Evidence)
	return nil
}

// again starts over: the parts that were stored are deleted before the next one is stored.
func (s *sealing) again() { s.part, s.said, s.clean = nil, 0, false }

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
