package recall

import (
	"context"
	"sync"
	"time"
)

// A Pacer keeps the calls of one quota below their number in every window of
// one second. It is a ring of the last send times with an even pace: a call
// goes when fewer than perSecond calls were sent in the last second and guard,
// and when a step of (1 s + guard) / perSecond has passed since the call
// before it. At most one step that was not used is saved up, so a pause is
// not followed by a burst. A token bucket, which admits its rate and its
// burst in one window, cannot promise this.
//
// The steady rate is perSecond / (1 + guard in seconds): 99.0 % of the quota
// with a guard of 10 ms, 98.0 % with 20 ms. The promise holds at the service,
// and not only at the sender, as long as the time that a request takes to get
// there varies by less than guard.
//
// What counts is when a request is written, not when it was admitted: making
// a connection takes time, and calls that waited for one must not crowd the
// next second. A call that was admitted and not yet written holds its place
// until it is.
//
// Which of the waiting calls is admitted next, their [Turn] says. Calls without
// one are admitted in the order in which they asked. A Pacer is safe for
// concurrent use.
type Pacer struct {
	mu        sync.Mutex
	waiting   line
	timer     *time.Timer // looks at the line again, while somebody waits
	perSecond int
	window    time.Duration // one second and the guard
	step      time.Duration
	start     time.Time // times below count from here, on the monotonic clock
	sent      []time.Duration
	head      int           // sent[head:] are within the window, oldest first
	open      int           // admitted, not yet sent
	last      time.Duration // when the pace let one through
	slowUntil time.Duration
}

// NewPacer returns a Pacer for perSecond calls a second (at least one) with
// guard added to the one-second window (negative means none).
func NewPacer(perSecond int, guard time.Duration) *Pacer {
	perSecond = max(perSecond, 1)
	window := time.Second + max(guard, 0)
	step := window / time.Duration(perSecond)
	return &Pacer{
		perSecond: perSecond,
		window:    window,
		step:      step,
		start:     time.Now(),
		last:      -step,
	}
}

// Wait waits until a call may be sent and counts it as sent at that moment.
// It returns the context's error when that ends first; then nothing was
// counted. Use it where sending follows at once; [Pacer.Admit] where it may
// take a while.
func (p *Pacer) Wait(ctx context.Context) error {
	if err := p.admit(ctx); err != nil {
		return err
	}
	p.count(true)
	return nil
}

// Admit waits like [Pacer.Wait] and returns the slot of the call. The slot takes up its place in
// the quota until Sent or Release is called.
func (p *Pacer) Admit(ctx context.Context) (*Slot, error) {
	if err := p.admit(ctx); err != nil {
		return nil, err
	}
	return &Slot{pacer: p}, nil
}

// Slow halves the pace for the time d from now, as an answer to the service's
// own "too frequent". A later call of Slow can only make it longer.
func (p *Pacer) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slowUntil = max(p.slowUntil, time.Since(p.start)+d)
	p.admitWaiting()
}

func (p *Pacer) admit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.waiting.n == 0 {
		if _, ok := p.try(); ok {
			p.mu.Unlock()
			return nil
		}
	}
	w := p.waiting.join(turnOf(ctx))
	p.admitWaiting()
	p.mu.Unlock()
	select {
	case <-w.admitted:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waiting.leave(w) {
		p.open-- // it was admitted in the same moment
		p.admitWaiting()
	}
	return ctx.Err()
}

// admitWaiting admits those who wait, as far as the pace allows. Where some still wait, it sees to
// it that it is called again in time. It is called with mu held.
func (p *Pacer) admitWaiting() {
	for p.waiting.n > 0 {
		wait, ok := p.try()
		if ok {
			close(p.waiting.next().admitted)
			continue
		}
		if p.timer == nil {
			p.timer = time.AfterFunc(wait, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.admitWaiting()
			})
		} else {
			p.timer.Reset(wait)
		}
		return
	}
}

// try admits a call, or returns after how long to try again. It is called with
// mu held.
func (p *Pacer) try() (wait time.Duration, ok bool) {
	now := time.Since(p.start)
	for p.head < len(p.sent) && p.sent[p.head] <= now-p.window {
		p.head++
	}
	if p.head > 64 && p.head > len(p.sent)/2 {
		p.sent = p.sent[:copy(p.sent, p.sent[p.head:])]
		p.head = 0
	}
	if used := p.open + len(p.sent) - p.head; used >= p.perSecond {
		if p.head == len(p.sent) {
			return p.window, false // all are being sent: count and Release tell when one was
		}
		return p.sent[p.head] + p.window - now, false
	}
	step := p.step
	if now < p.slowUntil {
		step *= 2
	}
	due := p.last + step
	if now < due {
		return due - now, false
	}
	p.last = max(due, now-step)
	p.open++
	return 0, true
}

// count records a request that is written now, and closes its slot.
func (p *Pacer) count(first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, time.Since(p.start))
	if first {
		p.open--
	}
	p.admitWaiting()
}

// A Slot is one admitted call. Exactly one of Sent and Release ends it; both
// are safe for concurrent use and may be called again.
type Slot struct {
	pacer *Pacer
	mu    sync.Mutex
	ended bool
}

// Sent says that the request is being written now. Called again, it counts
// another request: a transport that found its connection dead writes twice.
func (s *Slot) Sent() {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	s.mu.Unlock()
	s.pacer.count(first)
}

// Release says that the request was not sent and never will be. After Sent it
// does nothing.
func (s *Slot) Release() {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	s.mu.Unlock()
	if first {
		p := s.pacer
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open--
		p.admitWaiting()
	}
}
