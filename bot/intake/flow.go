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
	"sync/atomic"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// This file handles every event from its arrival on a platform to the answer that its person reads.
// Delivery hides what differs between platforms.

const (
	// doWithin is how long an event may take whose acknowledgement contains the answer. Platforms
	// wait 3 s.
	doWithin = 2 * time.Second
	// storeWithin is how long storing an event may take before it is acknowledged.
	storeWithin = 2500 * time.Millisecond
	// lingerAfter is how long after the acknowledgement the answer is awaited before Linger is
	// called.
	lingerAfter = 600 * time.Millisecond
	// checkWithin is how long a platform may take to say who an account is.
	checkWithin = 5 * time.Second
	// WorkWithin is how long all work on one event may take after its acknowledgement.
	WorkWithin = 75 * time.Second

	// OrphanAfter is the age at which an event without an answer is an orphan, left by a process
	// that has ended: checking and handling an event take less time. Orphans are looked for at the
	// same interval.
	OrphanAfter = 10 * time.Second
	// LongOrphanAfter is the same for an event whose answer needs messages to be read: it is longer
	// than WorkWithin.
	LongOrphanAfter = 90 * time.Second
	// CheckedAgain is the age up to which an orphan is checked again. An older one is given up,
	// because its person is no longer waiting.
	CheckedAgain = time.Minute
)

// A Delivery is one event as a platform delivered it, with the calls that only the platform can
// make for it. Acknowledge, Linger, Say and Answer are called one at a time.
type Delivery interface {
	// Event returns what the person did. Event.Read has been called on it.
	Event() Event
	// Known reports whether the delivery itself says who acted. Such an event is handled at once in
	// one transaction, and its acknowledgement contains the answer, unless handling it takes long.
	Known() bool
	// Member returns who acted, and where, before ctx ends. An error means that the platform could
	// not say: the event is given up.
	Member(ctx context.Context) (bot.Member, bot.Place, error)
	// Patience is how long the acknowledgement of a stored event may wait for the answer, so that
	// it can contain the answer. It is 0 if the acknowledgement must not wait.
	Patience() time.Duration
	// Acknowledge tells the platform that the event has arrived, with the answer if there is one
	// already. It reports whether the person has been answered. Only the first call has an effect,
	// unless that call panicked before it sent anything.
	Acknowledge(answer *Answer) (said bool)
	// Linger is called once if the answer takes longer after the acknowledgement, so that the
	// adapter can keep a place for the answer open.
	Linger()
	// Say tells the person alone that the answer takes longer still.
	Say(ctx context.Context, l bot.Line) error
	// Answer answers the person after the acknowledgement. It ignores a Repeated answer, which
	// whoever closed the event gives, unless it must fill a place that nobody else can fill.
	Answer(ctx context.Context, answer Answer) error
}

// Doer is the part of an Intake that a Flow calls.
type Doer interface {
	Receive(ctx context.Context, e Event) (first bool, answer *Answer, err error)
	Do(ctx context.Context, e Event, m bot.Member) (Answer, error)
	GiveUp(ctx context.Context, e Event) (Answer, error)
	Unfinished(ctx context.Context, p bot.Platform) iter.Seq2[Unfinished, error]
	TakesLong(e Event) bool
	Shared() bool
}

var _ Doer = (*Intake)(nil)

// A Flow handles the events of one platform. It acknowledges each delivery exactly once, and
// answers its person even if something fails.
type Flow struct {
	platform bot.Platform
	do       Doer
	orphan   func(Unfinished) Delivery
	acked    func(time.Duration)
	log      *slog.Logger
	made     time.Time

	copied  atomic.Int64    // unix nanoseconds: when another copy of the bot was last noticed
	ctx     context.Context // of work that outlives the delivery it came by
	cancel  context.CancelFunc
	work    sync.WaitGroup
	mu      sync.Mutex
	stopped bool // no new work is begun
}

// NewFlow returns the Flow of a platform. orphan returns a delivery for an event of a process that
// has ended. acked, if it is not nil, is called with the time that each event took from its arrival
// to its acknowledgement.
func NewFlow(p bot.Platform, do Doer, orphan func(Unfinished) Delivery, acked func(time.Duration),
	log *slog.Logger) *Flow {
	if acked == nil {
		acked = func(time.Duration) {}
	}
	f := &Flow{platform: p, do: do, orphan: orphan, acked: acked, log: log, made: time.Now()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Copied records that another copy of the bot seems to use the same tokens with another ledger, and
// warns the operator the first time. how says by what that was noticed.
func (f *Flow) Copied(how string) {
	if f.copied.Swap(time.Now().UnixNano()) == 0 {
		f.log.Warn("another copy of the bot runs on the same tokens, or the ledger was set back: find and stop it",
			"noticed", how)
	}
}

// Remark tells the operator that another copy of the bot was noticed, and when. It returns "" if
// none was.
func (f *Flow) Remark() string {
	n := f.copied.Load()
	if n == 0 {
		return ""
	}
	return "another copy of the bot runs on the same tokens, or its memory was set back; last noticed at " +
		time.Unix(0, n).UTC().Format(time.RFC3339)
}

// Context returns the context of all work that outlives the delivery that caused it. Cancel ends
// it.
func (f *Flow) Context() context.Context { return f.ctx }

// Cancel ends the context of the work in progress.
func (f *Flow) Cancel() { f.cancel() }

// Stop makes Begin begin no more work, and waits until the work in progress has ended.
func (f *Flow) Stop() {
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.work.Wait()
}

// Begin runs work in a goroutine that Stop waits for. It reports false if the flow has stopped.
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

// handling is one delivery that is being handled.
type handling struct {
	*Flow
	d     Delivery
	e     Event
	at    time.Time
	mu    sync.Mutex // held during calls of Acknowledge, Linger, Say and Answer
	acked bool
}

// Handle handles a delivery that arrived at the given time: it stores the event, acknowledges it,
// asks who acted, handles it and answers. It acknowledges exactly once, whatever fails. Handle
// returns when the person has been answered.
func (f *Flow) Handle(d Delivery, at time.Time) {
	t := &handling{Flow: f, d: d, e: d.Event(), at: at}
	defer func() {
		if v := recover(); v != nil {
			f.panicked(t.e.ID, v)
			t.say(Fault(t.e.ID, &bot.Unsure{Err: errPanicked})) // the act may have been stored before the panic
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

// atOnce handles an event whose acknowledgement contains the answer.
func (t *handling) atOnce() Answer {
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

// store stores the event, and reports whether it is new. An event that was stored before gets its
// first answer, or only an acknowledgement while there is no answer yet.
func (t *handling) store() (first bool) {
	ctx, cancel := context.WithTimeout(t.ctx, storeWithin)
	first, prior, err := t.do.Receive(ctx, t.e)
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
	again.Repeated = false // the platform expects it
	t.say(again)
	return false
}

// wait handles a stored event, acknowledges it within the platform's limit, and answers.
func (t *handling) wait() {
	result := make(chan Answer, 1)
	t.work.Go(func() {
		answer, err := t.perform()
		if err != nil {
			// The event stays open and becomes an orphan: it is not known what was stored.
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

func (t *handling) linger() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.d.Linger()
}

// acknowledge acknowledges the event, with the answer where there is one.
func (t *handling) acknowledge(answer *Answer) (said bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(t.at)
	said = t.d.Acknowledge(answer)
	t.acked = true
	t.Flow.acked(took)
	return said
}

// say answers the person, in the acknowledgement or after it.
func (t *handling) say(answer Answer) {
	if answer.Refused == "other_copy" {
		t.Copied("a button of a request that the ledger does not have")
	}
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

// perform asks the platform who acted, and handles the event. If it fails, the event stays open and
// the error has been logged.
func (t *handling) perform() (answer Answer, err error) {
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
		t.log.Warn("the platform did not say who acted", "event", e.ID, "err", err)
		return t.giveUp(e)
	}
	e.Place, e.Name = place, cmp.Or(m.Name, e.Name)
	m.Name = e.Name
	ctx, cancel := context.WithTimeout(t.ctx, WorkWithin)
	defer cancel()
	e.Progress = func(l bot.Line) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.d.Say(ctx, l); err != nil {
			t.log.Warn("a progress line did not reach the person", "event", e.ID, "err", err)
		}
	}
	return t.persist(ctx, e, func() (Answer, error) { return t.do.Do(ctx, e, m) })
}

// giveUp closes an event whose person could not be checked. It logs the error that it returns.
func (f *Flow) giveUp(e Event) (Answer, error) {
	return f.persist(f.ctx, e, func() (Answer, error) {
		ctx, cancel := context.WithTimeout(f.ctx, checkWithin)
		defer cancel()
		return f.do.GiveUp(ctx, e)
	})
}

// persist calls try to close an event, and tries again if that fails: the event may have been
// closed all the same, and then nobody else would answer it. It logs the error that it returns.
func (f *Flow) persist(ctx context.Context, e Event, try func() (Answer, error)) (Answer, error) {
	for attempt := 0; ; attempt++ {
		answer, err := try()
		if err == nil {
			// an earlier attempt of this process may have closed it without knowing
			answer.Repeated = answer.Repeated && attempt == 0
			return answer, nil
		}
		if attempt == 2 || !history.Sleep(ctx, 300*time.Millisecond<<attempt) {
			f.log.Error("an event could not be closed", "event", e.ID, "act", e.Act.Kind, "request", e.Act.Request,
				"err", err)
			return Answer{}, err
		}
	}
}

// HandleOrphans handles orphans until ctx ends: events that a process stored and acknowledged, but
// did not answer before it ended. That process was the one before this one, or is another replica
// that may end at any time, so HandleOrphans looks repeatedly. It leaves alone an event on which a
// process may still be at work. An orphan that takes long does not delay the others.
func (f *Flow) HandleOrphans(ctx context.Context) {
	var taken sync.Map // ids of the orphans in progress: each is found again until it is closed
	for first := true; ; first = false {
		for u, err := range f.do.Unfinished(ctx, f.platform) {
			if err != nil {
				f.log.Error("unanswered events could not be read", "err", err)
				break
			}
			orphaned := OrphanAfter
			if f.do.TakesLong(u.Event) {
				orphaned = LongOrphanAfter
			}
			if first && !f.do.Shared() { // the process that stored anything older has ended
				orphaned = min(orphaned, time.Since(f.made))
			}
			if u.Age < orphaned {
				continue
			}
			if _, already := taken.LoadOrStore(u.Event.ID, true); already {
				continue
			}
			f.Begin(func() { // if the flow has stopped, the next process finds the orphan
				defer taken.Delete(u.Event.ID)
				f.handleOrphan(u)
			})
		}
		if !history.Sleep(ctx, OrphanAfter) {
			return
		}
	}
}

// handleOrphan checks a recent orphan again and gives up an old one. If another process closed it
// first, that process answers. If handleOrphan fails, the orphan is found again.
func (f *Flow) handleOrphan(u Unfinished) {
	t := &handling{Flow: f, d: f.orphan(u), e: u.Event, acked: true}
	var answer Answer
	var err error
	if u.Age < CheckedAgain {
		answer, err = t.perform()
	} else {
		answer, err = f.giveUp(u.Event)
	}
	if err == nil && !answer.Repeated {
		t.say(answer)
	}
}

// Fault returns the answer to a person whose event the bot could not handle because of a fault. If
// the ledger cannot tell whether the event was stored, the answer does not say that nothing was
// done. The id is in the log line about the fault.
func Fault(id bot.EventID, err error) Answer {
	key := "answer.fault"
	if _, unsure := errors.AsType[*bot.Unsure](err); unsure {
		key = "answer.fault.open"
	}
	return Answer{Kind: Whisper, Lines: []bot.Line{bot.Say(key, "fault", bot.Code(string(id)))}}
}

// Unanswered returns what everybody may read where no other way remains to tell a person that an
// answer did not reach them.
func Unanswered(e Event) bot.Line {
	if id := e.Act.Request; id != "" {
		return bot.Say("note.unanswered.request", "id", id, "command", bot.Code("/recalls show "+string(id)))
	}
	return bot.Say("note.unanswered", "command", bot.Code("/recalls list"))
}

// errPanicked is the error of a panic that was recovered and logged.
var errPanicked = errors.New("handling an event panicked")

func (f *Flow) panicked(id bot.EventID, v any) {
	f.log.Error("handling an event panicked", "event", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}
