package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
)

// writesMost is how many writing transactions the smallest recall takes, leases among them. Two of
// them store an event before it is known what its person may do, and four store what the teller has
// put up: the last card and what stands below it are stored together. One stores that replies were
// looked for, also when there are none: content was read, and since the seal the request says that
// it is not known whether there are some.
const writesMost = 13

// TestWrites: the smallest recall on each platform, two messages and one approval, takes at most
// writesMost writing transactions, from the command to the receipt. None of them writes nothing.
// The bot has the app's lease from its start, since nobody else may serve the ledger, and takes it
// no more. A bot that has nothing to do writes nothing.
func TestWrites(t *testing.T) {
	for _, p := range adapters.IDs() {
		t.Run(string(p), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { smallest(t, p) }) })
	}
}

func smallest(t *testing.T, p bot.Platform) {
	w := &writes{}
	a := enterWith(t, p, false, nil, func(o *Options) {
		o.Policy.Approvals, o.watch = 1, w.watch
	})
	a.pass(time.Minute)
	if started := w.take(t); !slices.ContainsFunc(started, func(one string) bool {
		return strings.HasPrefix(one, "Acquire app/")
	}) {
		t.Errorf("the app's lease was not taken at the start:\n%s", strings.Join(started, "\n"))
	}

	r := a.asks("mina", "2 3")
	a.pass(time.Minute)
	if r = a.request(r.ID); r.State != bot.Proposed {
		t.Fatalf("it is %s", r.State)
	}
	asked := w.take(t)
	a.decides("theo", p, r, bot.Approve)
	a.pass(time.Minute)
	if r = a.request(r.ID); r.State != bot.Done {
		t.Fatalf("it is %s", r.State)
	}
	ran := w.take(t)

	if n := len(asked) + len(ran); n > writesMost {
		t.Errorf("%d writing transactions, want %d at most:\n%s\nand then\n%s", n, writesMost,
			strings.Join(asked, "\n"), strings.Join(ran, "\n"))
	}
	for _, one := range append(asked, ran...) {
		if strings.HasPrefix(one, "Acquire ") {
			t.Errorf("a lease was taken that the bot has: %s", one)
		}
	}
	a.pass(time.Hour)
	if idle := w.take(t); len(idle) > 0 {
		t.Errorf("with nothing to do it wrote:\n%s", strings.Join(idle, "\n"))
	}
}

// writes notes what every writing transaction wrote.
type writes struct {
	mu   sync.Mutex
	done []string
}

// take returns what was written since it was last called, a transaction a line.
func (w *writes) take(t *testing.T) (done []string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	done, w.done = w.done, nil
	if slices.Contains(done, "") {
		t.Errorf("a transaction wrote nothing:\n%s", strings.Join(done, "\n"))
	}
	return done
}

func (w *writes) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, what)
}

func (w *writes) watch(l bot.Ledger) bot.Ledger { return watched{l, w} }

// watched is a ledger whose writing transactions are noted. Renewing a lease writes nothing where
// no other process may serve the ledger.
type watched struct {
	bot.Ledger
	w *writes
}

func (l watched) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	var tx *noting
	err := l.Ledger.Tx(ctx, func(real bot.Tx) error {
		tx = &noting{Tx: real}
		return fn(tx)
	})
	if err == nil {
		l.w.note(strings.Join(tx.wrote, " "))
	}
	return err
}

func (l watched) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	lease, err := l.Ledger.Acquire(ctx, name, holder, ttl)
	if err == nil {
		l.w.note("Acquire " + name)
	}
	return lease, err
}

func (l watched) Release(ctx context.Context, lease bot.Lease) error {
	err := l.Ledger.Release(ctx, lease)
	if err == nil {
		l.w.note("Release " + lease.Name)
	}
	return err
}

// noting notes the changes of one transaction.
type noting struct {
	bot.Tx
	wrote []string
}

func (n *noting) did(what string, err error, count int) {
	if err == nil && count > 0 {
		n.wrote = append(n.wrote, what)
	}
}

func (n *noting) AddEvent(e bot.StoredEvent) (*bot.StoredEvent, error) {
	prior, err := n.Tx.AddEvent(e)
	if prior == nil {
		n.did("AddEvent", err, 1)
	}
	return prior, err
}

func (n *noting) CloseEvent(id bot.EventID, answer []byte) error {
	err := n.Tx.CloseEvent(id, answer)
	n.did("CloseEvent", err, 1)
	return err
}

func (n *noting) ForgetEvents(before time.Time) (int, error) {
	gone, err := n.Tx.ForgetEvents(before)
	n.did("ForgetEvents", err, gone)
	return gone, err
}

func (n *noting) ForgetArrivals(before time.Time, most, limit int) (int, error) {
	gone, err := n.Tx.ForgetArrivals(before, most, limit)
	n.did("ForgetArrivals", err, gone)
	return gone, err
}

func (n *noting) AddRequest(r bot.Request) error {
	err := n.Tx.AddRequest(r)
	n.did("AddRequest", err, 1)
	return err
}

func (n *noting) PutRequest(r bot.Request) error {
	err := n.Tx.PutRequest(r)
	n.did(fmt.Sprintf("PutRequest(%s)", r.State), err, 1)
	return err
}

func (n *noting) Grant(id bot.RequestID, digest string) error {
	err := n.Tx.Grant(id, digest)
	n.did("Grant", err, 1)
	return err
}

func (n *noting) AddMessages(id bot.RequestID, messages []bot.Message) error {
	err := n.Tx.AddMessages(id, messages)
	n.did("AddMessages", err, len(messages))
	return err
}

func (n *noting) DropMessages(id bot.RequestID, limit int) (int, error) {
	gone, err := n.Tx.DropMessages(id, limit)
	n.did("DropMessages", err, gone)
	return gone, err
}

func (n *noting) PutOutcomes(id bot.RequestID, outcomes map[bot.MessageID]bot.Outcome) (int, error) {
	put, err := n.Tx.PutOutcomes(id, outcomes)
	n.did("PutOutcomes", err, put)
	return put, err
}

func (n *noting) Confirm(id bot.RequestID, messages []bot.MessageID, by bot.Confirmation) (int, error) {
	put, err := n.Tx.Confirm(id, messages, by)
	n.did("Confirm", err, put)
	return put, err
}

func (n *noting) PutEvidenceKey(id bot.RequestID, key []byte) error {
	err := n.Tx.PutEvidenceKey(id, key)
	n.did("PutEvidenceKey", err, 1)
	return err
}

func (n *noting) AddBatches(id bot.RequestID, batches []bot.Batch) error {
	err := n.Tx.AddBatches(id, batches)
	n.did("AddBatches", err, len(batches))
	return err
}

func (n *noting) PutBatches(id bot.RequestID, batches []bot.Batch) error {
	err := n.Tx.PutBatches(id, batches)
	n.did("PutBatches", err, len(batches))
	return err
}

func (n *noting) PutSetting(key, value string) error {
	err := n.Tx.PutSetting(key, value)
	n.did("PutSetting", err, 1)
	return err
}

func (n *noting) Append(e bot.Entry) (bot.Entry, error) {
	stored, err := n.Tx.Append(e)
	n.did("Append("+e.What+")", err, 1)
	return stored, err
}

func (n *noting) AddView(v bot.View) error {
	err := n.Tx.AddView(v)
	n.did("AddView", err, 1)
	return err
}

func (n *noting) Want(id bot.RequestID) error {
	err := n.Tx.Want(id)
	n.did("Want", err, 1)
	return err
}

func (n *noting) PutView(v bot.View) error {
	err := n.Tx.PutView(v)
	n.did("PutView", err, 1)
	return err
}

func (n *noting) AddPost(p bot.Post) error {
	err := n.Tx.AddPost(p)
	n.did("AddPost("+string(p.Kind)+")", err, 1)
	return err
}

func (n *noting) PutPost(p bot.Post) error {
	err := n.Tx.PutPost(p)
	n.did("PutPost("+string(p.Kind)+")", err, 1)
	return err
}
