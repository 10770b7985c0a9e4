package slack

// This file keeps the adapter within Slack's rate limits, so that a call is rarely refused: edits
// share one budget, in which changes of state come before progress, and the posts of each channel
// are spaced.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"recallbot/bot"
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
