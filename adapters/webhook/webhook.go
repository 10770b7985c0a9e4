// Package webhook receives the callbacks of the Chat service: POST /chat/webhook. It verifies a
// callback, answers it at once, and hands those that the bot wants to the bot in batches. The queue
// is bounded: a callback for which there is no room is dropped and counted, so that nobody can make
// the process grow by sending messages.
package webhook

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/recall"
)

const (
	maxWaiting = 64 << 20 // bytes of all callbacks that wait
	batchMost  = 1000     // callbacks handed over at once
	// how long the first callback of a batch waits for others: a commit to disk delays the runner's
	batchEvery = 250 * time.Millisecond
	retryPause = 500 * time.Millisecond // before a batch that could not be handed over is tried again
	retries    = 10                     // tries of a batch before it is dropped
	handWithin = 10 * time.Second       // how long one try may take
	lastWithin = 2 * time.Second        // how long handing over what still waits may take when the process stops
)

// Bot is the part of the bot that receives callbacks.
type Bot interface {
	// Wants reports whether the bot has a use for a callback. It must be quick.
	Wants(recall.Callback) bool
	// Hear stores callbacks. Where it fails, they are handed over again.
	Hear(ctx context.Context, callbacks []recall.Callback) error
}

// Options configure a Webhook.
type Options struct {
	App   recall.SDKAppID
	Token string // the authentication token of the console; a secret
	Bot   Bot
	// Sends and Recalls are how many callbacks of each kind may wait; 0 means 10,000. They have
	// separate queues, so that a flood of messages does not displace recalls.
	Sends, Recalls int
	// Door limits what strangers hold by their requests; nil for a Door of the Webhook's own.
	Door *inbound.Door
	Log  *slog.Logger
}

// Webhook is the http.Handler of the callbacks, and the loop that hands them over. It is made by
// New.
type Webhook struct {
	o              Options
	log            *slog.Logger
	sends, recalls chan callback
	waiting        chan struct{} // holds a value when something came
	bytes          atomic.Int64  // of what waits

	taken, dropped, refused, handed atomic.Int64
	last                            atomic.Int64 // when one was verified last, in unix milliseconds; 0: never
}

// callback is a callback that waits.
type callback struct {
	told recall.Callback
	size int64 // bytes of its body
}

// New returns a Webhook. Its Run must be running for callbacks to reach the bot. It returns an
// error that names what is missing from the options.
func New(o Options) (*Webhook, error) {
	switch {
	case o.App == 0:
		return nil, errors.New("webhook: Options.App is missing")
	case o.Token == "":
		return nil, errors.New("webhook: Options.Token is missing")
	case o.Bot == nil:
		return nil, errors.New("webhook: Options.Bot is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Door == nil {
		o.Door = inbound.New(o.Log)
	}
	return &Webhook{
		o: o, log: o.Log, waiting: make(chan struct{}, 1),
		sends: make(chan callback, cmp.Or(o.Sends, 10_000)), recalls: make(chan callback, cmp.Or(o.Recalls, 10_000)),
	}, nil
}

// Counts are how many callbacks there were since the start.
type Counts struct {
	Taken   int64 // of use, and let in to wait
	Handed  int64 // reached the bot
	Dropped int64 // of use, but there was no room, or the bot could not take them
	Refused int64 // not verified, too large, or not readable
	Waiting int   // now
}

// Counts returns the counts since the start.
func (w *Webhook) Counts() Counts {
	return Counts{Taken: w.taken.Load(), Handed: w.handed.Load(), Dropped: w.dropped.Load(), Refused: w.refused.Load(),
		Waiting: len(w.sends) + len(w.recalls)}
}

// Last returns when a callback was verified last; zero: never.
func (w *Webhook) Last() time.Time {
	if at := w.last.Load(); at != 0 {
		return time.UnixMilli(at)
	}
	return time.Time{}
}

// From is the name of the callbacks for the Door.
const From = "callbacks"

// doubt says what is wrong with a callback that is not verified.
func doubt(failed error, query url.Values) (why string, off time.Duration) {
	switch {
	case errors.Is(failed, recall.ErrCallbackApp):
		return "another app", 0
	case errors.Is(failed, recall.ErrCallbackSign) && query.Get("Sign") != "":
		return inbound.Secret, 0
	}
	return inbound.Doubt(query.Get("RequestTime"), recall.CallbackWindow)
}

// ServeHTTP answers a callback at once and stores nothing meanwhile. It does not look at the path.
//
// 200 with the service's own answer: the callback was queued, is of no use, or was dropped for want
// of room. 401: it was not signed by the token within 60 s, or is for another app. 405: it was not
// a POST. 413: it was over 1 MiB. 408, 503: it was too slow, or dropped to make room. 400: it
// cannot be read.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) {
		w.refused.Add(1)
		http.Error(rw, why, status)
	}
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "callbacks are posted")
		return
	}
	// Only the address is signed. The body is limited all the same, since a person who saw one
	// address can send any body to it.
	failed := recall.VerifyCallback(r.URL.Query(), w.o.App, w.o.Token, time.Now())
	why, off := doubt(failed, r.URL.Query())
	body, status := w.o.Door.Read(rw, r, inbound.Signed{From: From, Plausible: failed == nil, Why: why, Off: off})
	switch {
	case failed != nil && status == http.StatusUnauthorized:
		refuse(status, failed.Error())
		return
	case status != 0:
		refuse(status, http.StatusText(status))
		return
	}
	c, err := recall.ParseCallback(body)
	if err != nil {
		w.o.Door.Note(From, "unreadable", 0)
		refuse(http.StatusBadRequest, err.Error())
		return
	}
	w.last.Store(time.Now().UnixMilli())
	if w.o.Bot.Wants(c) {
		w.take(callback{c, int64(len(body))})
	}
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, recall.CallbackAnswer) // the service may have gone; the callback is taken
}

// take queues a callback, or drops it.
func (w *Webhook) take(c callback) {
	queue := w.sends
	if _, ok := c.told.(recall.AfterRecallMsg); ok {
		queue = w.recalls
	}
	if w.bytes.Add(c.size) > maxWaiting {
		queue = nil // no room
	}
	select {
	case queue <- c:
		w.taken.Add(1)
	default:
		w.bytes.Add(-c.size)
		if n := w.dropped.Add(1); n&(n-1) == 0 { // the first, the second, the fourth ...
			w.log.Warn("callbacks come faster than they can be stored; some are dropped", "dropped", n)
		}
		return
	}
	select {
	case w.waiting <- struct{}{}:
	default:
	}
}

// Run hands callbacks to the bot until ctx ends, and then those that wait, for 2 s at most.
func (w *Webhook) Run(ctx context.Context) error {
	for {
		select {
		case <-w.waiting:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWithin)
			defer cancel()
			for batch := w.batch(); len(batch) > 0; batch = w.batch() {
				w.hand(last, last, batch)
			}
			return nil
		}
		pause(ctx, batchEvery)
		for ctx.Err() == nil { // a batch that was taken is handed over
			batch := w.batch()
			if len(batch) > 0 {
				w.hand(ctx, context.WithoutCancel(ctx), batch)
			}
			if len(batch) < batchMost {
				break // what came meanwhile waits for company
			}
		}
		if len(w.sends)+len(w.recalls) > 0 {
			select {
			case w.waiting <- struct{}{}:
			default:
			}
		}
	}
}

// batch takes the waiting callbacks, recalls first.
func (w *Webhook) batch() []recall.Callback {
	var batch []recall.Callback
	for _, queue := range []chan callback{w.recalls, w.sends} {
		for len(batch) < batchMost && len(queue) > 0 { // nobody else takes from it
			c := <-queue
			w.bytes.Add(-c.size)
			batch = append(batch, c.told)
		}
	}
	return batch
}

// hand gives a batch to the bot, and again where that fails, until ctx ends. An attempt runs under
// calls, so that the end of ctx does not interrupt it.
func (w *Webhook) hand(ctx, calls context.Context, batch []recall.Callback) {
	for try := 1; ; try++ {
		call, cancel := context.WithTimeout(calls, handWithin)
		err := w.o.Bot.Hear(call, batch)
		cancel()
		if err == nil {
			w.handed.Add(int64(len(batch)))
			return
		}
		if try == retries || ctx.Err() != nil {
			w.dropped.Add(int64(len(batch)))
			w.log.Error("callbacks could not be stored; they are dropped", "callbacks", len(batch), "err", err)
			return
		}
		w.log.Warn("callbacks could not be stored; trying again", "callbacks", len(batch), "err", err)
		pause(ctx, retryPause)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
