package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// passes lets the app's lease pass to somebody else for a minute, while the bot still relies on it:
// the ledger's clock steps, the process's does not.
func (h *house) passes(shift *atomic.Int64) {
	h.t.Helper()
	shift.Add(int64(11 * time.Second))
	if _, err := h.ledger.Acquire(h.t.Context(), fmt.Sprint("app/", h.chat.SDKAppID()), "somebody",
		time.Minute); err != nil {
		h.t.Error(err)
	}
}

// TestClaimFenced: a holder that has not noticed that its lease passed to another begins and claims
// nothing.
func TestClaimFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shift atomic.Int64
		h := stepped(t, &shift, nil)
		h.say(4)
		first, next := h.proposed(testGroup+" 1 2"), h.proposed(testGroup+" 3 4")
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 5 * time.Second })
		h.press("UTHEO", intake.ActApprove, first)
		h.pass(5*time.Second + 100*time.Millisecond) // for the reading before the call
		if n := h.recallCalls(); n != 1 {
			t.Fatalf("%d calls: this shows nothing", n)
		}
		h.passes(&shift)
		h.press("UTHEO", intake.ActApprove, next) // it wakes the holder, which waits for its answer
		h.pass(time.Second)
		if c, err := h.bot.ShowingNow(t.Context(), next.ID); err != nil || c.State != bot.Approved {
			t.Errorf("the other request is %s: %v", c.State, err)
		}
		h.pass(10 * time.Second)
		if n := h.recallCalls(); n != 1 {
			t.Errorf("%d calls; the other's began when the lease was another's", n-1)
		}
		h.within(2*time.Minute, first.ID, bot.Done)
		h.within(2*time.Minute, next.ID, bot.Done)
	})
}

// unkept is a ledger in which leases cannot be kept or taken any more, once it is told so. It notes
// when they were last.
type unkept struct {
	bot.Ledger
	mu   sync.Mutex
	gone bool
	kept time.Time
}

func (u *unkept) try(do func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return errAway
	}
	began := time.Now()
	err := do()
	if err == nil {
		u.kept = began
	}
	return err
}

func (u *unkept) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l bot.Lease, err error) {
	err = u.try(func() error {
		l, err = u.Ledger.Acquire(ctx, name, holder, ttl)
		return err
	})
	return l, err
}

func (u *unkept) Renew(ctx context.Context, l bot.Lease, ttl time.Duration) error {
	return u.try(func() error { return u.Ledger.Renew(ctx, l, ttl) })
}

// lose lets no lease be kept from now on, and returns when one was last.
func (u *unkept) lose() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gone = true
	return u.kept
}

// hasty is a Chat service that sends as many calls at once as a second may have, and then none
// until it is over: no even pace hides that two callers together send more. A call that must not be
// sent any more does not wait for its turn.
type hasty struct {
	bot.Chat
	mu   sync.Mutex
	most int
	sent []time.Time
}

func (c *hasty) GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error) {
	for !c.admit() {
		if err := r.Before(); err != nil {
			return recall.RecallAnswer{}, fmt.Errorf("%w: %w", recall.ErrNotSent, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return c.Chat.GroupMsgRecall(ctx, r)
}

func (c *hasty) admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.sent)
	if n >= c.most && time.Since(c.sent[n-c.most]) < time.Second {
		return false
	}
	c.sent = append(c.sent, time.Now())
	return true
}

const hastyMost = 10 // calls a second

// inHaste are the options of a bot whose calls come at once. Each process has a service of its own:
// it knows nothing of the calls of others.
func inHaste(h *house) func(o *bot.Options) {
	return func(o *bot.Options) {
		client, err := recall.New(recall.Config{
			SDKAppID: recall.SDKAppID(h.chat.SDKAppID()), SecretKey: h.chat.SecretKey(), BaseURL: recalltest.URL,
			HTTPClient: h.chat.Client(), CallsPerSecond: 1_000_000,
		})
		if err != nil {
			h.t.Fatal(err)
		}
		o.Chat, o.CallsPerSecond = &hasty{Chat: client, most: hastyMost}, hastyMost
		o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000
	}
}

// again ends the process in order and starts another at once.
func (h *house) again() {
	h.t.Helper()
	h.stop()
	h.open(h.file, inHaste(h))
}

// TestLeaseMargin: a holder that cannot keep its lease calls nothing in the last fifth of it,
// though nobody else has it yet.
func TestLeaseMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 10 * time.Second
		var h *house
		u := &unkept{}
		h = newHouseWith(t, func(x *house) { h = x }, func(o *bot.Options) {
			inHaste(h)(o)
			u.Ledger, o.Ledger, o.LeaseTTL = o.Ledger, u, ttl
		})
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 300 * time.Millisecond }) // calls all the time
		h.say(2000)
		c := h.proposed(testGroup + " 1-2000")
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(3 * time.Second)
		kept := u.lose()
		h.pass(time.Until(kept.Add(ttl)))
		before, late := 0, 0
		for _, call := range h.chat.Log() {
			if at := call.At.Sub(kept); call.Command == recalltest.Recall && at >= ttl*4/5 {
				late++
			} else if call.Command == recalltest.Recall && at >= ttl*3/5 {
				before++
			}
		}
		if before == 0 {
			t.Error("no calls in the fifth before the last: this shows nothing")
		}
		if late > 0 {
			t.Errorf("%d calls in the last fifth of the lease", late)
		}
	})
}

// TestWindow: a process that ends is followed at once by another that knows nothing of its calls,
// or by one that ends before it has called, and then a third. All together never exceed the quota.
func TestWindow(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint("after ", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.pass(time.Second)
				h.again()
				h.say(500)
				c := h.proposed(testGroup + " 1-500")
				h.press("UTHEO", intake.ActApprove, c)
				for h.recallCalls() < 2*hastyMost {
					h.pass(10 * time.Millisecond)
				}
				for range n {
					h.again()
					h.pass(50 * time.Millisecond)
				}
				if calls := h.recallCalls(); calls != 2*hastyMost {
					t.Errorf("%d calls within %v of the last", calls-2*hastyMost, time.Duration(n)*50*time.Millisecond)
				}
				h.within(time.Minute, c.ID, bot.Done)
				if most := h.chat.MostInAnySecond(recalltest.Recall); most != hastyMost {
					t.Errorf("%d calls in one second; the quota is %d", most, hastyMost)
				}
			})
		})
	}
}

// TestNoWait: a process that has had nothing to do for a while is followed by another that need not
// wait for it.
func TestNoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(2)
		first, next := h.proposed(testGroup+" 1"), h.proposed(testGroup+" 2")
		h.press("UTHEO", intake.ActApprove, first)
		h.within(10*time.Second, first.ID, bot.Done)
		h.pass(2 * time.Second)
		h.again()
		h.press("UTHEO", intake.ActApprove, next)
		h.pass(200 * time.Millisecond)
		if n := h.recallCalls(); n != 2 {
			t.Errorf("%d calls 200ms after the second approval, want 2", n)
		}
	})
}

// taken is a ledger that counts how often the app's lease is acquired.
type taken struct {
	bot.Ledger
	times atomic.Int32
}

func (l *taken) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	lease, err := l.Ledger.Acquire(ctx, name, holder, ttl)
	if err == nil && strings.HasPrefix(name, "app/") {
		l.times.Add(1)
	}
	return lease, err
}

// TestLeaseKept: a process that serves a ledger alone acquires the app's lease at its start and
// keeps it for all its work, unless the lease passes to another all the same.
func TestLeaseKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shift atomic.Int64
		l := &taken{}
		h := newHouseWith(t, func(h *house) {
			h.clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		}, func(o *bot.Options) { l.Ledger, o.Ledger = o.Ledger, l })
		h.say(3)
		recalled := func(seq int) {
			t.Helper()
			c := h.proposed(fmt.Sprint(testGroup, " ", seq))
			h.press("UTHEO", intake.ActApprove, c)
			h.within(2*time.Minute, c.ID, bot.Done)
			h.pass(time.Hour)
		}
		recalled(1)
		recalled(2)
		if n := l.times.Load(); n != 1 {
			t.Errorf("the lease was acquired %d times for two requests, want once", n)
		}
		h.passes(&shift)
		h.pass(2 * time.Minute)
		recalled(3)
		if n := l.times.Load(); n != 2 {
			t.Errorf("the lease was acquired %d times, want once more after it was another's", n)
		}
	})
}
