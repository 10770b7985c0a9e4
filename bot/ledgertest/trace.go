package ledgertest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
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
	app      recall.SDKAppID
	epoch    int64 // of the app's lease; 0 where the transaction is not fenced by it
	paused   *bot.Pause
	restored bool
	claims   int
	touched  map[bot.RequestID]*touched
	n        int
	wrong    []string
}

type touched struct {
	request  bot.Request
	batches  map[int]bot.Batch // that are not done
	outcomes map[bot.MessageID]bot.Outcome
	calls    []call
	read     map[int]bool // history was read for these batches
}

// call is the record of a call of the recall API.
type call struct {
	Op, Error string
	Batch     int
	Seqs      command.Ranges
	Codes     map[string]command.Ranges
}

// lost returns the messages of the call whose outcome it leaves open.
func (c call) lost() (lost []recall.Seq) {
	code := apiCode.FindStringSubmatch(c.Error)
	if code != nil {
		n, _ := strconv.Atoi(code[1]) // digits
		if recall.Code(n).Class() != recall.ClassUnknownOutcome {
			return nil
		}
	}
	for s := range c.Seqs.All() {
		answered := false
		for _, seqs := range c.Codes {
			answered = answered || seqs.Contains(s)
		}
		if !answered {
			lost = append(lost, s)
		}
	}
	return lost
}

var apiCode = regexp.MustCompile(`^recall: group_msg_recall: ([0-9]+) `)

func (x *tracing) finds(wrong string, id bot.RequestID) {
	if wrong != "" {
		x.wrong = append(x.wrong, fmt.Sprintf("%s: %s", id, wrong))
	}
}

func (x *tracing) read(id bot.RequestID) (*touched, error) {
	now := &touched{batches: map[int]bot.Batch{}, outcomes: map[bot.MessageID]bot.Outcome{}, read: map[int]bool{}}
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
	if err := x.compareTouched(); err != nil || x.claims == 0 {
		return err
	}
	// whoever claims has put in doubt what earlier holders claimed
	all, err := x.Tx.Requests(bot.Query{App: x.app, States: []bot.State{bot.Running, bot.Stopping}, Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range all {
		sending, err := x.Tx.Batches(r.ID, 1<<20, bot.BatchSending)
		if err != nil {
			return err
		}
		for _, b := range sending {
			if b.Epoch < x.epoch {
				x.finds(fmt.Sprintf("more is claimed, and batch %d of an earlier epoch is not in doubt", b.N), r.ID)
			}
		}
	}
	return nil
}

func (x *tracing) compareTouched() error {
	for id, was := range x.touched {
		is, err := x.read(id)
		if err != nil {
			return err
		}
		if was.request.State != is.request.State {
			x.n++
			if is.request.State == bot.Running && x.paused != nil && ahead(x.paused.Next, x.Now(), time.Minute) {
				x.finds("it begins while the app is paused", id)
			}
		}
		x.finds(CheckRequest(was.request, is.request), id)
		for n, b := range is.batches {
			x.batch(id, was.batches[n], b, is.request.State)
		}
		of, open := map[bot.MessageID]bot.Batch{}, map[bot.MessageID]bot.Batch{}
		for _, b := range is.batches {
			for _, m := range bot.IDsOf(b.Part, b.Seqs) {
				open[m] = b
			}
		}
		for _, c := range was.calls {
			part := was.batches[c.Batch].Part
			for _, m := range bot.IDsOf(part, c.lost()) {
				if b, ok := open[m]; ok && !b.Doubted {
					x.finds(fmt.Sprintf("the answer for message %d was lost, and it is not in doubt", m.Seq()), id)
				}
			}
			for _, m := range bot.IDsOf(part, slices.Collect(c.Codes["0"].All())) {
				if _, ok := open[m]; ok {
					x.finds(fmt.Sprintf("the recall of message %d is not stored", m.Seq()), id)
				}
			}
		}
		for n, b := range was.batches {
			for _, m := range bot.IDsOf(b.Part, b.Seqs) {
				of[m] = b
				now, stays := open[m]
				if _, settled := was.outcomes[m]; !settled && !stays {
					x.finds(fmt.Sprintf("batch %d is done, message %d of it has no outcome", n, m.Seq()), id)
				} else if stays && b.Doubted && !now.Doubted {
					x.finds(fmt.Sprintf("message %d was in doubt, and its batch forgot", m.Seq()), id)
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
			x.finds(CheckOutcome(o, of[m], is.request.State, x.epoch, was.read[of[m].N]), id)
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
	if was.State != is.State && is.State == bot.BatchSending {
		x.claims++
		x.finds(CheckClaim(was, x.touched[id].request, x.Now()), id)
		if x.paused != nil && (ahead(x.paused.Next, x.Now(), time.Minute) || x.claims > 1) {
			x.finds("more is claimed than the probe of a paused app", id)
		}
	}
}

// rest checks what is made of messages that are in no batch yet.
func (x *tracing) rest(id bot.RequestID, batches []bot.Batch) error {
	rest, err := x.Tx.Unbatched(id, bot.RestAtOnce)
	if err != nil || len(rest) == 0 {
		return err
	}
	left := map[bot.MessageID]bot.Message{}
	for _, m := range rest {
		left[m.ID()] = m
	}
	r, err := x.Tx.Request(id)
	if err != nil {
		return err
	}
	restored, err := bot.RestoredAt(x.Tx)
	if err != nil {
		return err
	}
	for _, b := range batches {
		for _, m := range bot.IDsOf(b.Part, b.Seqs) {
			is, fresh := left[m]
			switch {
			case !fresh:
			case !is.Sends() || r.Parts[b.Part].Condemned != nil:
				x.finds(fmt.Sprintf("message %d is put into a batch and must not be sent", m.Seq()), id)
			case r.Granted.Before(restored) && b.State != bot.BatchDoubt:
				x.finds(fmt.Sprintf("message %d may have been sent before the restore, and is not in doubt", m.Seq()), id)
			}
		}
	}
	return nil
}

func (x *tracing) Fence(l bot.Lease) error {
	x.t.mu.Lock()
	newest := x.t.epochs[l.Name]
	x.t.mu.Unlock()
	err := x.Tx.Fence(l)
	if err == nil && l.Epoch < newest {
		x.finds(fmt.Sprintf("epoch %d passed the fence of %s, which has %d", l.Epoch, l.Name, newest), "")
	}
	if app, ok := strings.CutPrefix(l.Name, "app/"); ok && err == nil {
		x.epoch = l.Epoch
		n, _ := strconv.ParseInt(app, 10, 64) // 0 is no app's
		x.app = recall.SDKAppID(n)
		x.paused, err = x.Tx.Paused(x.app)
	}
	return err
}

// Append hears what the bot records of its calls and readings for a request.
func (x *tracing) Append(e bot.Entry) (bot.Entry, error) {
	e, err := x.Tx.Append(e)
	if err != nil || e.Request == "" || x.epoch == 0 || e.What != bot.TraceCall && e.What != bot.TraceFound {
		return e, err
	}
	was, err := x.touch(e.Request)
	if err != nil {
		return e, err
	}
	var c call
	switch err := json.Unmarshal(e.Detail, &c); {
	case e.What == bot.TraceFound:
		was.read[c.Batch] = true
	case err == nil && c.Op == "group_msg_recall":
		was.calls = append(was.calls, c)
	}
	return e, nil
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
	if err := x.rest(id, batches); err != nil {
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
