package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// unsure is a ledger whose answers to commits are lost now and then, as when a connection to
// PostgreSQL ends at that moment.
type unsure struct {
	bot.Ledger
	mu      sync.Mutex
	when    func(b []bot.Batch, added bool) bool // which transactions, by what they write of batches; nil: none
	written bool                                 // whether these are written
	most    int                                  // how many
	lost    int
}

var (
	errAnswerLost = errors.New("connection reset by peer")
)

// spied tells an unsure ledger what is written.
type spied struct {
	bot.Tx
	u   *unsure
	met *bool
}

func (s spied) see(b []bot.Batch, added bool) {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	if s.u.when != nil && s.u.lost < s.u.most && s.u.when(b, added) {
		*s.met = true
	}
}

func (s spied) PutBatches(id bot.RequestID, b []bot.Batch) error {
	s.see(b, false)
	return s.Tx.PutBatches(id, b)
}

func (s spied) AddBatches(id bot.RequestID, b []bot.Batch) error {
	s.see(b, true)
	return s.Tx.AddBatches(id, b)
}

func (u *unsure) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	met := false
	err := u.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if err := fn(spied{Tx: tx, u: u, met: &met}); err != nil || !met || u.written {
			return err
		}
		return errAnswerLost // nothing of it is written
	})
	if !met || err != nil && err != errAnswerLost {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lost++
	asked := 0
	return &bot.Unsure{Err: errAnswerLost, Written: func(context.Context) (bool, error) {
		if asked++; asked < 3 {
			return false, errAway
		}
		return u.written, nil
	}}
}

// TestCommitUnsure: where it is not known whether something was stored, that is found out before
// anything else is done: no call is left out or made twice, nothing hangs, every call is told once,
// and all outcomes are true.
func TestCommitUnsure(t *testing.T) {
	has := func(s bot.BatchState) func(b []bot.Batch, added bool) bool {
		return func(b []bot.Batch, _ bool) bool {
			return slices.ContainsFunc(b, func(b bot.Batch) bool { return b.State == s })
		}
	}
	for name, test := range map[string]struct {
		when  func(b []bot.Batch, added bool) bool
		fault *recalltest.Fault // of the first ten calls
		calls int               // where none has an effect that is not known
	}{
		"claimed": {has(bot.BatchSending), nil, 100},
		"stored":  {has(bot.BatchDone), nil, 100},
		"put back": {func(b []bot.Batch, added bool) bool { return !added && has(bot.BatchPending)(b, added) },
			new(recalltest.Answer(60007, "too frequent")), 110},
		"split": {func(b []bot.Batch, added bool) bool { return added && len(b[0].Seqs) == 1 },
			new(recalltest.Answer(10004, "bad parameter")), 200},
		"in doubt": {has(bot.BatchDoubt), new(recalltest.AnswerLost()), 100},
	} {
		for _, written := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, written %v", name, written), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					db := &unsure{most: 2, written: written}
					h := newHouseWith(t, nil, func(o *bot.Options) {
						db.Ledger = o.Ledger
						o.Ledger = db
					})
					h.chat.Change(func(o *recalltest.Options) {
						o.Latency, o.LatencyJitter, o.AlreadyRecalled = 50*time.Millisecond, 100*time.Millisecond, 10030
					})
					h.say(1000)
					c := h.proposed(testGroup + " 1-1000")
					if test.fault != nil {
						h.chat.Inject(recalltest.Recall, 10, *test.fault)
					}
					db.mu.Lock()
					db.when = test.when
					db.mu.Unlock()
					h.press("UTHEO", intake.ActApprove, c)
					h.within(time.Minute, c.ID, bot.Done)
					if db.lost != db.most {
						t.Fatalf("%d answers were lost: this shows nothing", db.lost)
					}
					if counts := h.holds(c.ID, 1000); counts["recalled"] != 1000 {
						t.Errorf("outcomes %v", counts)
					}
					calls := h.recallCalls()
					if calls != test.calls {
						t.Errorf("%d calls, want %d", calls, test.calls)
					}
					told := h.told()
					if all := calls + h.chat.Calls(recalltest.History) + h.chat.Calls(recalltest.Info); told != all {
						t.Errorf("%d calls are told of %d", told, all)
					}
				})
			})
		}
	}
}
