package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"recallbot/bot"
)

// This file has the way of every event, from its arrival on a platform to the answer that its
// person reads. What differs between platforms is behind Delivery.

const (
	// doWithin is how long an event may take whose answer is its acknowledgement. Platforms wait 3
	// s.
	doWithin = 2 * time.Second
	// storeWithin is how long storing an event may take before it is acknowledged.
	storeWithin = 2500 * time.Millisecond
	// lingerAfter is how long after the acknowledgement the answer is awaited before Linger is
	// called.
	lingerAfter = 600 * time.Millisecond
	// checkWithin is how long a platform may take to say who an account is.
	checkWithin = 5 * time.Second
	// WorkWithin is how long the whole work on one event may take after it was acknowledged.
	WorkWithin = 75 * time.Second

	// LeftAfter is when an event that still has no answer was left by a process that ended:
	// checking and handling it take less. It is looked for as often.
	LeftAfter = 10 * time.Second
	// LongLeftAfter is the same where messages are read for the answer: WorkWithin is over.
	LongLeftAfter = 90 * time.Second
	// CheckedAgain is how old an event may be that is still checked again. An older one is given
	// up: its person has long gone on.
	CheckedAgain = time.Minute
)

// A Delivery is one event as a platform delivered it, and what only the platform can do with it.
// Acknowledge, Linger, Tell and Answer are called one at a time.
type Delivery interface {
	// Event is what the person did. It has been read.
	Event() Event
	// Known reports whether the delivery itself says who acted. Such an event is done at once, in
	// one transaction, and its acknowledgement holds the answer, unless that takes long.
	Known() bool
	// Member says who acted, and where, within ctx. An error means that the platform could not
	// tell: the event is given up.
	Member(ctx context.Context) (bot.Member, bot.Place, error)
	// Patience is how long the acknowledgement of a stored event may wait for the answer, in order
	// to hold it; 0 for not at all.
	Patience() time.Duration
	// Acknowledge tells the platform that the event has arrived, with the answer where there is one
	// already. It reports whether the person has been answered. Only its first call counts, except
	// where that panicked before anything was sent.
	Acknowledge(answer *Answer) (said bool)
	// Linger is called once where the answer takes longer after the acknowledgement, so that a
	// place for it can be kept open.
	Linger()
	// Tell tells the person alone that the answer takes longer still.
	Tell(ctx context.Context, l bot.Line) error
	// Answer answers the person after the acknowledgement. A Repeated answer is given by whoever
	// closed the event: it is left alone, unless a place waits for it that nobody else can fill.
	Answer(ctx context.Context, answer Answer) error
}

// Doer is the part of an Intake that a Flow calls.
type Doer interface {
	Note(ctx context.Context, e Event) (first bool, answer *Answer, err error)
	Do(ctx context.Context, e Event, m bot.Member) (Answer, error)
	GiveUp(ctx context.Context, e Event) (Answer, error)
	Unfinished(ctx context.Context, p bot.Platform) iter.Seq2[Unfinished, error]
	TakesLong(e Event) bool
	Shared() bool
}

var _ Doer = (*Intake)(nil)

// A Flow takes the events of one platform.
type Flow struct {
	platform bot.Platform
	do       Doer
	left     func(Unfinished) Delivery
	acked    func(time.Duration)
	log      *slog.Logger
	made     time.Time

	ctx     context.Context // of work that outlives the delivery it came by
	cancel  context.CancelFunc
	work    sync.WaitGroup
	mu      sync.Mutex
	stopped bool // no new work is begun
}

// NewFlow returns the Flow of a platform. left makes a delivery of an event that a process which
// ended has left. acked, where it is not nil, is told how long each event took from its arrival to
// its acknowledgement.
func NewFlow(p bot.Platform, do Doer, left func(Unfinished) Delivery, acked func(time.Duration),
	log *slog.Logger) *Flow {
	if acked == nil {
		acked = func(time.Duration) {}
	}
	f := &Flow{platform: p, do: do, left: left, acked: acked, log: log, made: time.Now()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Context is that of all work that outlives the delivery it came by. It ends with Cancel.
func (f *Flow) Context() context.Context { return f.ctx }

// Cancel cuts short what is in work.
func (f *Flow) Cancel() { f.cancel() }

// Stop begins no more work, and waits until what is in work has ended.
func (f *Flow) Stop() {
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.work.Wait()
}

// Begin runs work in a goroutine that Stop waits for. It reports false where the flow has stopped.
func (f *Flow) Begin(work func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return false
	}
	f.work.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				f.panicked("", v)
			}
		}()
		work()
	})
	return true
}

// taking is one delivery being taken.
type taking struct {
	*Flow
	d     Delivery
	e     Event
	at    time.Time
	mu    sync.Mutex // held while a method of d may be called that is called alone
	acked bool
}

// Take takes a delivery that came at a time: it is stored, acknowledged, checked, done and
// answered. It is acknowledged exactly once, whatever fails. Take returns when the person has been
// answered.
func (f *Flow) Take(d Delivery, at time.Time) {
	t := &taking{Flow: f, d: d, e: d.Event(), at: at}
	defer func() {
		if v := recover(); v != nil {
			f.panicked(t.e.ID, v)
			t.say(Fault(t.e.ID, &bot.Unsure{Err: errPanicked})) // it may have come after the act was stored
		}
	}()
	if d.Known() && !f.do.TakesLong(t.e) {
		t.say(t.atOnce())
		return
	}
	if t.store() {
		t.wait()
	}
}

// atOnce does an event whose acknowledgement is its answer.
func (t *taking) atOnce() Answer {
	ctx, cancel := context.WithTimeout(t.ctx, doWithin)
	defer cancel()
	m, place, err := t.d.Member(ctx)
	if err == nil {
		t.e.Place = place
		var answer Answer
		if answer, err = t.do.Do(ctx, t.e, m); err == nil {
			return answer
		}
	}
	t.log.Error("an event could not be handled", "event", t.e.ID, "act", t.e.Act.Kind, "request", t.e.Act.Request,
		"err", err)
	return Fault(t.e.ID, err)
}

// store stores the event, and reports whether it is new. One that was stored before gets its first
// answer, or none while that is being found.
func (t *taking) store() (first bool) {
	ctx, cancel := context.WithTimeout(t.ctx, storeWithin)
	first, prior, err := t.do.Note(ctx, t.e)
	cancel()
	switch {
	case err != nil:
		t.log.Error("an event could not be stored", "event", t.e.ID, "act", t.e.Act.Kind, "err", err)
		t.say(Fault(t.e.ID, err))
		return false
	case first:
		return true
	case prior == nil:
		t.acknowledge(nil)
		return false
	}
	again := *prior
	again.Repeated = false // the platform asks for it
	t.say(again)
	return false
}

// wait handles a stored event, acknowledges it as soon as the platform must know, and answers.
func (t *taking) wait() {
	result := make(chan Answer, 1)
	t.work.Go(func() {
		answer, err := t.handle()
		if err != nil {
			// It stays open, and is taken up as one that was left: nothing is certain yet.
			answer = Fault(t.e.ID, &bot.Unsure{Err: err})
		}
		result <- answer
	})
	within := func(d time.Duration) (answer Answer, ok bool) {
		if d <= 0 {
			return Answer{}, false
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case answer = <-result:
			return answer, true
		case <-timer.C:
			return Answer{}, false
		}
	}
	if answer, ok := within(t.d.Patience()); ok {
		t.say(answer)
		return
	}
	t.acknowledge(nil)
	answer, ok := within(lingerAfter)
	if !ok {
		t.linger()
		answer = <-result
	}
	t.say(answer)
}

func (t *taking) linger() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.d.Linger()
}

// acknowledge acknowledges the event, with the answer where there is one.
func (t *taking) acknowledge(answer *Answer) (said bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(t.at)
	said = t.d.Acknowledge(answer)
	t.acked = true
	t.Flow.acked(took)
	return said
}

// say answers the person: in the acknowledgement, or after it.
func (t *taking) say(answer Answer) {
	if !t.acked && t.acknowledge(&answer) {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, WorkWithin)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.d.Answer(ctx, answer); err != nil {
		t.log.Warn("an answer did not reach the person", "event", t.e.ID, "err", err)
	}
}

// handle finds out who acted and does what they asked for. Where it fails the event stays open, and
// the error has been logged.
func (t *taking) handle() (answer Answer, err error) {
	e := t.e
	defer func() {
		if v := recover(); v != nil {
			t.panicked(e.ID, v)
			err = errPanicked
		}
	}()
	checking, checked := context.WithTimeout(t.ctx, checkWithin)
	m, place, err := t.d.Member(checking)
	checked()
	if err != nil {
		t.log.Warn("the platform did not say who may do what", "event", e.ID, "err", err)
		return t.giveUp(e)
	}
	e.Place, e.Name = place, cmp.Or(m.Name, e.Name)
	m.Name = e.Name
	ctx, cancel := context.WithTimeout(t.ctx, WorkWithin)
	defer cancel()
	e.Progress = func(l bot.Line) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.d.Tell(ctx, l); err != nil {
			t.log.Warn("a person could not be told that it takes a while", "event", e.ID, "err", err)
		}
	}
	return t.persist(ctx, e, func() (Answer, error) { return t.do.Do(ctx, e, m) })
}

// giveUp closes an event that could not be checked. It logs the error it returns.
func (f *Flow) giveUp(e Event) (Answer, error) {
	return f.persist(f.ctx, e, func() (Answer, error) {
		ctx, cancel := context.WithTimeout(f.ctx, checkWithin)
		defer cancel()
		return f.do.GiveUp(ctx, e)
	})
}

// persist has try close an event, and again where that fails: it may be closed all the same, and
// would then be found by nobody. It logs the error it returns.
func (f *Flow) persist(ctx context.Context, e Event, try func() (Answer, error)) (Answer, error) {
	for attempt := 0; ; attempt++ {
		answer, err := try()
		if err == nil {
			// an attempt of this process may have closed it, and the news been lost
			answer.Repeated = answer.Repeated && attempt == 0
			return answer, nil
		}
		if attempt == 2 || !pause(ctx, 300*time.Millisecond<<attempt) {
			f.log.Error("an event could not be closed", "event", e.ID, "act", e.Act.Kind, "request", e.Act.Request,
				"err", err)
			return Answer{}, err
		}
	}
}

// TakeUpLeft takes up, until ctx ends, the events that a process stored and acknowledged, and then
// ended before it answered: the one that this one follows, or another replica, at any time. So it
// looks again and again, and always leaves alone what a process may still be at work on. One that
// takes long holds up none of the others.
func (f *Flow) TakeUpLeft(ctx context.Context) {
	var taken sync.Map // by id, what is being taken up: it is found again until it is closed
	for first := true; ; first = false {
		for u, err := range f.do.Unfinished(ctx, f.platform) {
			if err != nil {
				f.log.Error("unanswered events could not be read", "err", err)
				break
			}
			left := LeftAfter
			if f.do.TakesLong(u.Event) {
				left = LongLeftAfter
			}
			if first && !f.do.Shared() { // whoever was at work on what is older has ended
				left = min(left, time.Since(f.made))
			}
			if u.Age < left {
				continue
			}
			if _, already := taken.LoadOrStore(u.Event.ID, true); already {
				continue
			}
			f.Begin(func() { // or not, where the flow has stopped: the next process finds it
				defer taken.Delete(u.Event.ID)
				f.takeUp(u)
			})
		}
		if !pause(ctx, LeftAfter) {
			return
		}
	}
}

// takeUp checks a young event again and gives an old one up. Where another process was quicker,
// that one tells the person; where it fails the event is found again.
func (f *Flow) takeUp(u Unfinished) {
	t := &taking{Flow: f, d: f.left(u), e: u.Event, acked: true}
	var answer Answer
	var err error
	if u.Age < CheckedAgain {
		answer, err = t.handle()
	} else {
		answer, err = f.giveUp(u.Event)
	}
	if err == nil && !answer.Repeated {
		t.say(answer)
	}
}

// Fault is what a person reads when a fault of the bot kept it from acting, or may have: where the
// ledger cannot tell whether it was stored, nobody is told that nothing was done. The id finds the
// line in the log.
func Fault(id bot.EventID, err error) Answer {
	key := "answer.fault"
	if _, unsure := errors.AsType[*bot.Unsure](err); unsure {
		key = "answer.fault.open"
	}
	return Answer{Kind: Whisper, Lines: []bot.Line{bot.Say(key, "fault", bot.Code(string(id)))}}
}

// errPanicked stands for a panic that was recovered and logged.
var errPanicked = errors.New("handling an event panicked")

func (f *Flow) panicked(id bot.EventID, v any) {
	f.log.Error("handling an event panicked", "event", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// pause waits for d, and reports false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
