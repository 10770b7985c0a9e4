package slack

// This file keeps the adapter within Slack's rate limits, so that a call is rarely refused: edits
// share one budget, in which changes of state come before progress, and the posts of each channel
// are spaced. Where Slack refuses a call for its rate nevertheless, that route alone is held.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"recallbot/bot"

	slackgo "github.com/slack-go/slack"
)

// budget is the adapter's budget for chat.update: Slack allows about 50 edits a minute for a whole
// workspace (Tier 3), for all cards together. It never admits more than burst + perMinute edits in
// any minute.
//
// Edits that only show progress leave the last tokens to those that show a change of state, so that
// the card of a finished request never waits for the cards of running ones.
type budget struct {
	mu       sync.Mutex
	tokens   float64 // may be negative: edits that wait for their turn
	burst    float64
	reserved float64 // tokens that edits for progress may not use
	every    time.Duration
	at       time.Time
}

func newBudget(perMinute, burst, reserved int) *budget {
	return &budget{tokens: float64(burst), burst: float64(burst), reserved: float64(reserved),
		every: time.Minute / time.Duration(perMinute)}
}

var errBusy = errors.New("the edits of this minute are used up")

// take takes one token. For progress it returns a *bot.Later at once if only reserved tokens
// remain. Other edits wait for their turn, and get a *bot.Later if it does not come within ctx.
func (b *budget) take(ctx context.Context, progress bool) error {
	b.mu.Lock()
	b.refill(time.Now())
	need := 1.0
	if progress {
		need += b.reserved
		if b.tokens < need {
			wait := time.Duration((need - b.tokens) * float64(b.every))
			b.mu.Unlock()
			return &bot.Later{After: wait, Err: errBusy}
		}
	}
	wait := max(0, time.Duration((need-b.tokens)*float64(b.every)))
	if wait > 0 && !progress {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
			b.mu.Unlock()
			return &bot.Later{After: wait, Err: errBusy}
		}
	}
	b.tokens--
	b.mu.Unlock()
	if progress || wait == 0 {
		return nil
	}
	if err := sleep(ctx, wait); err != nil {
		b.give()
		return fmt.Errorf("waiting to edit: %w", err)
	}
	return nil
}

// give returns a token that was taken for an edit that did not happen.
func (b *budget) give() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+1)
}

func (b *budget) refill(now time.Time) {
	if !b.at.IsZero() {
		b.tokens = min(b.burst, b.tokens+float64(now.Sub(b.at))/float64(b.every))
	}
	b.at = now
}

// pacer keeps the posts of each channel to about one in every interval, after a small burst.
type pacer struct {
	mu    sync.Mutex
	every time.Duration
	burst int
	next  map[string]time.Time // when the channel's bucket is full again, less the burst
}

func newPacer(every time.Duration, burst int) *pacer {
	return &pacer{every: every, burst: burst, next: map[string]time.Time{}}
}

// wait returns when a post may be sent to channel, or when ctx ends.
func (p *pacer) wait(ctx context.Context, channel string) error {
	p.mu.Lock()
	now := time.Now()
	for c, t := range p.next {
		if len(p.next) < 1000 {
			break
		}
		if now.After(t) {
			delete(p.next, c)
		}
	}
	// full is when the bucket would be full again; each post adds one interval.
	full := p.next[channel]
	if full.Before(now) {
		full = now
	}
	full = full.Add(p.every)
	p.next[channel] = full
	pause := full.Sub(now) - time.Duration(p.burst)*p.every
	p.mu.Unlock()
	if pause <= 0 {
		return nil
	}
	return sleep(ctx, pause)
}

// holds keeps calls back for which Slack has asked to wait, each route by itself: a method or, for
// posts, a method in a channel. A route is held until the time that Slack named, and one call a
// minute is made nevertheless, since the limit may be over earlier. Calls that answer a person are
// never held.
type holds struct {
	mu     sync.Mutex
	routes map[string]hold
}

type hold struct{ till, probe time.Time }

const (
	// probeEvery is the time between calls of a route that is held.
	probeEvery = time.Minute
	// defaultLater is how long to wait when Slack limits the rate and does not say for how long.
	defaultLater = 5 * time.Second
)

var errHeld = errors.New("asked by Slack to wait")

// call makes a call on a route, or returns a *bot.Later at once while the route is held. Its error
// is that of the call, or a *bot.Later where Slack asks to wait.
func (h *holds) call(route string, do func() error) error {
	h.mu.Lock()
	now := time.Now()
	was := h.routes[route]
	if now.Before(was.probe) {
		h.mu.Unlock()
		return &bot.Later{After: was.probe.Sub(now), Err: errHeld}
	}
	if now.Before(was.till) { // this call is the probe
		was.probe = now.Add(probeEvery)
		h.routes[route] = was
	}
	h.mu.Unlock()

	err := do()
	after, limited := rateLimit(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !limited {
		delete(h.routes, route)
		return err
	}
	if h.routes == nil {
		h.routes = map[string]hold{}
	}
	now = time.Now()
	maps.DeleteFunc(h.routes, func(_ string, old hold) bool { return now.After(old.till) })
	next := min(after, probeEvery)
	h.routes[route] = hold{till: now.Add(after), probe: now.Add(next)}
	return &bot.Later{After: next, Err: err}
}

// rateLimit reports whether an error is Slack's request to wait, and returns for how long: at most
// bot.LaterMost.
func rateLimit(err error) (after time.Duration, limited bool) {
	if e, ok := errors.AsType[*slackgo.RateLimitedError](err); ok {
		if e.RetryAfter < 0 { // it overflowed in the library, so it is a very long one
			return bot.LaterMost, true
		}
		return min(max(e.RetryAfter, time.Second), bot.LaterMost), true
	}
	if e, ok := errors.AsType[slackgo.StatusCodeError](err); ok {
		return defaultLater, e.Code == http.StatusTooManyRequests
	}
	if _, ok := errors.AsType[*strconv.NumError](err); ok { // the library reads no other number: Retry-After is none
		return defaultLater, true
	}
	switch code(err) {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return defaultLater, true
	}
	return 0, false
}

// refusedPause returns how long to wait after the n-th refusal in a row that does not pass by
// itself, from 1. The first is short, since services refuse good tokens for a moment, too.
func refusedPause(n int) time.Duration {
	if n == 1 {
		return 30 * time.Second
	}
	return 5 * time.Minute
}

const (
	backoffFrom = 500 * time.Millisecond
	backoffTo   = 30 * time.Second
)

// backoff returns how long to wait after a failed attempt; the first attempt is 0. The time is
// random, at least half a second and at most a bound that doubles with each attempt.
func backoff(attempt int) time.Duration {
	bound := backoffTo
	if attempt < 6 {
		bound = backoffFrom << attempt
	}
	return backoffFrom + rand.N(max(bound-backoffFrom, backoffFrom))
}
