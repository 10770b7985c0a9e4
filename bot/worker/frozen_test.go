package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// frozen is the ledger as a process has it that can be stopped: what it began then goes on when it
// goes on, however late.
type frozen struct {
	bot.Ledger
	mu     sync.Mutex
	thawed chan struct{} // nil while it lives
	fenced atomic.Int32  // transactions that were refused, because the lease is another's
}

func (f *frozen) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thawed = make(chan struct{})
}

func (f *frozen) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thawed)
	f.thawed = nil
}

// live waits until the process lives, and takes the deadline from ctx: one that is stopped does not
// see it.
func (f *frozen) live(ctx context.Context) context.Context {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	if thawed != nil {
		<-thawed
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (f *frozen) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	err := f.Ledger.Tx(f.live(ctx), fn)
	if errors.Is(err, bot.ErrFenced) {
		f.fenced.Add(1)
	}
	return err
}

func (f *frozen) View(ctx context.Context, fn func(tx bot.Tx) error) error {
	return f.Ledger.View(f.live(ctx), fn)
}

func (f *frozen) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	return f.Ledger.Acquire(f.live(ctx), name, holder, ttl)
}

func (f *frozen) Renew(ctx context.Context, l bot.Lease, ttl time.Duration) error {
	return f.Ledger.Renew(f.live(ctx), l, ttl)
}

func (f *frozen) Release(ctx context.Context, l bot.Lease) error {
	return f.Ledger.Release(f.live(ctx), l)
}

// counted is a way to the Chat service that counts recalls.
type counted struct {
	http.RoundTripper
	calls atomic.Int32
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/"+recalltest.Recall) {
		c.calls.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// TestFrozen stops a process in the middle of a run, with answers in its memory that are not
// stored, lets another take over, and lets the first go on when all is done or in the middle of it.
// It writes nothing, posts nothing and calls nothing, though its clock had no time to tell it that
// its leases are gone.
func TestFrozen(t *testing.T) {
	for _, done := range []bool{true, false} {
		t.Run(fmt.Sprint("the other is done: ", done), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { thawed(t, done) })
		})
	}
}

func thawed(t *testing.T, done bool) {
	var chat *recalltest.Service
	var first *frozen
	var wire *counted
	var options bot.Options
	client := func(through http.RoundTripper) *recall.Client {
		c, err := recall.New(recall.Config{
			SDKAppID: recall.SDKAppID(chat.SDKAppID()), SecretKey: chat.SecretKey(), BaseURL: recalltest.URL,
			HTTPClient: &http.Client{Transport: through}, CallsPerSecond: 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	h := newHouseWith(t, func(h *house) { chat = h.chat }, func(o *bot.Options) {
		o.Holder, o.CallsPerSecond = "second", 20
		options = *o
		first, wire = &frozen{Ledger: o.Ledger}, &counted{RoundTripper: chat.Client().Transport}
		o.Ledger, o.Holder, o.Chat = first, "first", client(wire)
	})
	h.chat.Change(
		func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
	const n = 2000
	h.say(n)
	c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
	h.press("UTHEO", intake.ActApprove, c)
	h.pass(time.Second)
	first.freeze()
	h.pass(time.Second)
	if calls := h.chat.Calls(recalltest.Recall); calls == 0 || calls >= n/20 {
		t.Fatalf("%d calls are made: this shows nothing", calls)
	}

	others := &counted{RoundTripper: chat.Client().Transport}
	options.Chat = client(others)
	second, err := bottest.NewEngine(options)
	if err != nil {
		t.Fatal(err)
	}
	second.Attach(h.screen)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- second.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	state := func() bot.State {
		now, err := second.ShowingNow(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.State
	}
	type picture struct {
		entries int64
		head    string
		calls   int
		posts   int
	}
	taken := func() (p picture) {
		err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) {
			p.entries, p.head, err = tx.Head()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		p.calls, p.posts = h.chat.Calls(recalltest.Recall), h.screen.posts+len(h.screen.notes[string(c.ID)])
		return p
	}
	before := picture{}
	if done {
		h.pass(2 * time.Minute)
		before = taken()
	} else {
		for end := time.Now().Add(time.Minute); others.calls.Load() < 10 && time.Now().Before(end); {
			h.pass(100 * time.Millisecond)
		}
	}
	if got := state(); got == bot.Done != done {
		t.Fatalf("it is %s when the first goes on: this shows nothing", got)
	}
	made := wire.calls.Load()
	first.thaw()
	h.pass(2 * time.Minute)
	if more := wire.calls.Load() - made; more > 0 {
		t.Errorf("when it went on it made %d calls", more)
	}
	if after := taken(); done && after != before {
		t.Errorf("when it went on it made %+v of %+v", after, before)
	}
	if first.fenced.Load() == 0 {
		t.Error("it tried to write nothing: this shows nothing")
	}
	if got := state(); got != bot.Done {
		t.Fatalf("two minutes later it is %s", got)
	}
	if counts := h.holds(c.ID, n); counts["recalled"] != n {
		t.Errorf("outcomes: %v", counts)
	}
	if most := h.chat.MostInAnySecond(recalltest.Recall); most > 20 {
		t.Errorf("%d calls in one second; the quota is 20", most)
	}
}
