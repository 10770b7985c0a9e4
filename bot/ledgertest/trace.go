package ledgertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
)

// Trace checks every transition that transactions commit against the rules that the model of
// package worker follows: of requests, of their batches, and of their messages. What a transaction
// changed is read in it, so that other processes may change the ledger as well.
type Trace struct {
	// Committed gets how many transitions a transaction made, once it is committed, and what was
	// wrong with them.
	Committed func(transitions int, wrong []string)

	mu     sync.Mutex
	epochs map[string]int64 // of leases, the newest
}

// Watch returns the ledger as the Trace hears of it.
func (t *Trace) Watch(l bot.Ledger) bot.Ledger { return &traced{l, t} }

type traced struct {
	bot.Ledger
	t *Trace
}

func (l *traced) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	lease, err := l.Ledger.Acquire(ctx, name, holder, ttl)
	if err == nil {
		l.t.mu.Lock()
		defer l.t.mu.Unlock()
		if l.t.epochs == nil {
			l.t.epochs = map[string]int64{}
		}
		l.t.epochs[name] = max(l.t.epochs[name], lease.Epoch)
	}
	return lease, err
}

func (l *traced) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	var tx *tracing
	err := l.Ledger.Tx(ctx, func(real bot.Tx) error {
		tx = &tracing{Tx: real, t: l.t, touched: map[bot.RequestID]*touched{}}
		if err := fn(tx); err != nil {
			return err
		}
		return tx.compare()
	})
	if err == nil && (tx.n > 0 || len(tx.wrong) > 0) {
		l.t.Committed(tx.n, tx.wrong)
	}
	return err
}

// tracing is a transaction that remembers how what it changes was before.
type tracing struct {
	bot.Tx
	t        *Trace
	epoch    int64 // of the app's lease; 0 where the transaction is not fenced by it
	restored bool
	touched  map[bot.RequestID]*touched
	n        int
	wrong    []string
}

type touched struct {
	request  bot.Request
	batches  map[int]bot.Batch // that are not done
	outcomes map[bot.MessageID]bot.Outcome
}

func (x *tracing) finds(wrong string, id bot.RequestID) {
	if wrong != "" {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: %s", id, wrong))
	}
}

func (x *tracing) read(id bot.RequestID) (*touched, error) {
	now := &touched{batches: map[int]bot.Batch{}, outcomes: map[bot.MessageID]bot.Outcome{}}
	var err error
	if now.request, err = x.Tx.Request(id); err != nil {
		return now, err
	}
	all, err := x.Tx.Batches(id, 1<<20, bot.BatchPending, bot.BatchSending, bot.BatchDoubt)
	for _, b := range all {
		now.batches[b.N] = b
	}
	return now, err
}

// touch is called before a change.
func (x *tracing) touch(id bot.RequestID) (was *touched, err error) {
	if was = x.touched[id]; was == nil {
		if was, err = x.read(id); err == nil {
			x.touched[id] = was
		}
	}
	return was, err
}

// compare checks what has become of everything that was touched.
func (x *tracing) compare() error {
	for id, was := range x.touched {
		is, err := x.read(id)
		if err != nil {
			return err
		}
		if was.request.State != is.request.State {
			x.n++
		}
		x.finds(CheckRequest(was.request, is.request), id)
		for n, b := range is.batches {
			x.batch(id, was.batches[n], b, is.request.State)
		}
		of, open := map[bot.MessageID]bot.Batch{}, map[bot.MessageID]bool{}
		for _, b := range is.batches {
			for _, m := range bot.IDsOf(b.Part, b.Seqs) {
				open[m] = true
			}
		}
		for n, b := range was.batches {
			for _, m := range bot.IDsOf(b.Part, b.Seqs) {
				of[m] = b
				if _, settled := was.outcomes[m]; !settled && !open[m] {
					x.finds(fmt.Sprintf("batch %d is done, message %d of it has no outcome", n, m.Seq()), id)
				}
			}
			if _, open := is.batches[n]; !open {
				done := b
				done.State = bot.BatchDone
				x.batch(id, b, done, is.request.State)
			}
		}
		for m, o := range was.outcomes {
			x.n++
			x.finds(CheckOutcome(o, of[m], x.epoch), id)
		}
		if is.request.State != was.request.State && is.request.State.HasReceipt() {
			open, err := x.Tx.Unsettled(id, 0, 1)
			if err != nil {
				return err
			}
			if len(open)+len(is.batches) > 0 {
				x.finds(fmt.Sprintf("%s with %d messages and %d batches open", is.request.State, len(open),
					len(is.batches)), id)
			}
		}
	}
	return nil
}

func (x *tracing) batch(id bot.RequestID, was, is bot.Batch, state bot.State) {
	if was.State != is.State || was.Epoch != is.Epoch {
		x.n++
		x.finds(CheckBatch(was, is, state, x.epoch, x.restored), id)
	}
}

func (x *tracing) Fence(l bot.Lease) error {
	x.t.mu.Lock()
	newest := x.t.epochs[l.Name]
	x.t.mu.Unlock()
	err := x.Tx.Fence(l)
	if err == nil && l.Epoch < newest {
		x.finds(fmt.Sprintf("epoch %d passed the fence of %s, which has %d", l.Epoch, l.Name, newest), "")
	}
	if err == nil && strings.HasPrefix(l.Name, "app/") {
		x.epoch = l.Epoch
	}
	return err
}

func (x *tracing) PutSetting(key, value string) error {
	x.restored = x.restored || key == bot.SettingRestored
	return x.Tx.PutSetting(key, value)
}

func (x *tracing) AddRequest(r bot.Request) error {
	x.n++
	x.finds(CheckRequest(bot.Request{}, r), r.ID)
	return x.Tx.AddRequest(r)
}

func (x *tracing) PutRequest(r bot.Request) error {
	if _, err := x.touch(r.ID); err != nil {
		return err
	}
	return x.Tx.PutRequest(r)
}

func (x *tracing) AddBatches(id bot.RequestID, batches []bot.Batch) error {
	if _, err := x.touch(id); err != nil {
		return err
	}
	return x.Tx.AddBatches(id, batches)
}

func (x *tracing) PutBatches(id bot.RequestID, batches []bot.Batch) error {
	was, err := x.touch(id)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if was.batches[b.N].State == "" && b.State != bot.BatchDone {
			now, err := x.read(id)
			if err != nil {
				return err
			}
			if now.batches[b.N].State == "" {
				x.finds(fmt.Sprintf("batch %d was done and became %s", b.N, b.State), id)
			}
		}
	}
	return x.Tx.PutBatches(id, batches)
}

func (x *tracing) PutOutcomes(id bot.RequestID, outcomes map[bot.MessageID]bot.Outcome) (int, error) {
	was, err := x.touch(id)
	if err != nil {
		return 0, err
	}
	for m, o := range outcomes {
		if _, twice := was.outcomes[m]; !twice {
			was.outcomes[m] = o
		}
	}
	n, err := x.Tx.PutOutcomes(id, outcomes)
	return n, err
}

func (x *tracing) AddMessages(id bot.RequestID, messages []bot.Message) error {
	x.n += len(messages)
	return x.Tx.AddMessages(id, messages)
}

func (x *tracing) Confirm(id bot.RequestID, messages []bot.MessageID, by bot.Confirmation) (int, error) {
	n, err := x.Tx.Confirm(id, messages, by)
	x.n += n
	return n, err
}
