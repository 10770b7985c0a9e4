package slack

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

const (
	// commandDirect is how long a command whose right is already known may take to be answered in
	// the acknowledgement itself.
	commandDirect = time.Second
	// formDirect is the same for a sent form, whose mistakes can only be shown in place by the
	// acknowledgement.
	formDirect = 2 * time.Second
	// openAfter is how long an answer that opens a window is awaited before an empty one is opened:
	// what opens it is good for three seconds.
	openAfter = 600 * time.Millisecond

	// leftAfter is when an event that still has no answer was left by a process that ended:
	// checking and handling it take less. It is looked for as often.
	leftAfter = 10 * time.Second
	// longLeftAfter is the same where messages are read for the answer: workWithin is over.
	longLeftAfter = 90 * time.Second
	// checkedAgain is how old an event may be that is still checked again. An older one is given
	// up: its person has long gone on.
	checkedAgain = time.Minute
)

// errPanicked stands for a panic that was recovered and logged.
var errPanicked = errors.New("handling an event panicked")

// ack acknowledges a delivery. payload, where not nil, is shown to the person at once.
type ack func(payload any) error

// take handles a delivery from storing it to answering it. It acknowledges exactly once, and
// returns when the person has been answered.
func (a *Adapter) take(d delivery, acknowledge ack) {
	acked := false
	done := func(payload any) error {
		acked = true
		if a.o.Acked != nil {
			a.o.Acked(time.Since(d.at))
		}
		return acknowledge(payload)
	}
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("handling an event panicked", "event", d.event.ID, "panic", fmt.Sprint(v), "stack",
				string(debug.Stack()))
			if !acked {
				_ = done(inAcknowledgement(d, uncertain(d.event.ID))) // the socket may be gone with the rest
			}
		}
	}()

	ctx, cancel := context.WithTimeout(a.ctx, storeWithin)
	first, answer, err := a.o.Bot.Note(ctx, d.event)
	cancel()
	if err != nil {
		a.log.Error("an event could not be stored", "event", d.event.ID, "err", err)
		a.notStored(d, err, done)
		return
	}
	if !first {
		a.repeat(d, answer, done)
		return
	}

	result := make(chan intake.Answer, 1)
	a.work.Go(func() { result <- a.settle(d) })

	direct := time.Duration(0)
	switch {
	case d.form:
		direct = formDirect - time.Since(d.at)
	case d.command && !d.event.Decides():
		if _, _, known := a.cached(d.event, nil); known {
			direct = commandDirect
		}
	}
	if direct > 0 {
		t := time.NewTimer(direct)
		select {
		case answer := <-result:
			t.Stop()
			a.answerDirectly(d, answer, done)
			return
		case <-t.C:
		}
	}

	if d.form {
		// The window says that the answer follows; it is then put into it.
		// a lost acknowledgement changes nothing
		_ = done(updateResponse(linesView(d, []bot.Line{bot.Say("window.checking")})))
	} else {
		_ = done(nil) // as above
	}

	if d.opens() {
		t := time.NewTimer(openAfter)
		select {
		case answer := <-result:
			t.Stop()
			a.answer(d, answer)
			return
		case <-t.C:
			d.view = a.open(d, linesView(d, []bot.Line{bot.Say("window.checking")}))
		}
	}
	late := <-result
	if late.Repeated && d.view == "" {
		// another process closed it meanwhile, and tells unless it died at once; but a window that
		// waits for the answer none but this one can fill
		return
	}
	a.answer(d, late)
}

// settle finds out who acted, has the bot handle the event, and returns what to answer. Where that
// fails the event stays open, and is taken up as one that was left: the answer is that nothing is
// certain yet.
func (a *Adapter) settle(d delivery) intake.Answer {
	answer, err := a.handle(d)
	if err != nil {
		return intake.Answer{Kind: intake.Whisper, Lines: uncertain(d.event.ID)}
	}
	return answer
}

// handle is settle with an error, which it has logged, where the event has got no answer.
func (a *Adapter) handle(d delivery) (answer intake.Answer, err error) {
	e := d.event
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("handling an event panicked", "event", e.ID, "panic", fmt.Sprint(v), "stack",
				string(debug.Stack()))
			err = errPanicked
		}
	}()
	fresh := e.Decides()
	m, place, known := bot.Member{}, e.Place, false
	checking, checked := context.WithTimeout(a.ctx, checkWithin)
	defer checked()
	then, err := a.approversThen(checking, e.Act)
	if err != nil {
		a.log.Error("the groups that counted when it was asked could not be read", "event", e.ID, "err", err)
		return a.giveUp(e)
	}
	if !fresh {
		m, place, known = a.cached(e, then)
	}
	if !known {
		m, place, err = a.resolve(checking, e, then, fresh)
		if err != nil {
			a.log.Warn("Slack did not say who may do what", "event", e.ID, "err", clean(err))
			return a.giveUp(e)
		}
	}
	e.Place, e.Name = place, firstOf(m.Name, e.Name)
	m.Name = e.Name

	ctx, cancel := context.WithTimeout(a.ctx, workWithin)
	defer cancel()
	e.Progress = func(l bot.Line) {
		if err := a.tell(ctx, d, []bot.Line{l}); err != nil {
			a.log.Warn("a person could not be told that it takes a while", "event", e.ID, "err", clean(err))
		}
	}
	return a.persist(ctx, e, func() (intake.Answer, error) { return a.o.Bot.Do(ctx, e, m) })
}

// giveUp closes an event that could not be checked. It logs the error it returns.
func (a *Adapter) giveUp(e intake.Event) (intake.Answer, error) {
	return a.persist(a.ctx, e, func() (intake.Answer, error) {
		ctx, cancel := context.WithTimeout(a.ctx, checkWithin)
		defer cancel()
		return a.o.Bot.GiveUp(ctx, e)
	})
}

// persist has try close an event, and again where that fails: it may be closed all the same, and
// would then be found by nobody. It logs the error it returns.
func (a *Adapter) persist(ctx context.Context, e intake.Event, try func() (intake.Answer, error)) (intake.Answer,
	error) {
	for attempt := 0; ; attempt++ {
		answer, err := try()
		if err == nil {
			// an attempt of this process may have closed it, and the news been lost
			answer.Repeated = answer.Repeated && attempt == 0
			return answer, nil
		}
		if attempt == 2 || sleep(ctx, 300*time.Millisecond<<attempt) != nil {
			a.log.Error("an event could not be closed", "event", e.ID, "err", err)
			return intake.Answer{}, err
		}
	}
}

// repeat answers an event that was stored before: by its first answer, unless that has reached the
// person already, or is still being found.
func (a *Adapter) repeat(d delivery, answer *intake.Answer, done ack) {
	if answer == nil {
		_ = done(nil) // a lost acknowledgement changes nothing
		return
	}
	if a.given.has(d.event.ID) {
		_ = done(nil) // as above
		return
	}
	a.answerDirectly(d, *answer, done)
}

// notStored tells a person that nothing was stored. Where the ledger itself does not know that, and
// only then (a context that ended in time stores nothing), they hear that it is not certain: if it
// was stored after all it is taken up as one that was left.
func (a *Adapter) notStored(d delivery, err error, done ack) {
	lines := again(d.event.ID)
	if _, unsure := errors.AsType[*bot.Unsure](err); unsure {
		lines = uncertain(d.event.ID)
	}
	payload := inAcknowledgement(d, lines)
	if err := done(payload); err == nil && payload != nil {
		return
	}
	a.answer(d, intake.Answer{Kind: intake.Whisper, Lines: lines})
}

// inAcknowledgement is the acknowledgement that says lines, nil for a press, which is answered
// apart.
func inAcknowledgement(d delivery, lines []bot.Line) any {
	switch {
	case d.command:
		return ephemeral(lines)
	case d.form:
		return updateResponse(linesView(d, lines))
	}
	return nil
}

// takeUpLeft takes up the events that a process stored and acknowledged, and then ended before it
// answered: the one that this one follows, or another replica, at any time. So it looks again and
// again, and always leaves alone what a process may still be at work on. One that takes long holds
// up none of the others.
func (a *Adapter) takeUpLeft(ctx context.Context) {
	var taking sync.Map // by id, what is being taken up: it is found again until it is closed
	for first := true; ; first = false {
		for u, err := range a.o.Bot.Unfinished(ctx, bot.Slack) {
			if err != nil {
				a.log.Error("unanswered events could not be read", "err", err)
				break
			}
			left := leftAfter
			if a.o.Bot.TakesLong(u.Event) {
				left = longLeftAfter
			}
			if first && !a.o.Bot.Shared() { // whoever was at work on what is older has ended
				left = min(left, time.Since(a.made))
			}
			if u.Age < left {
				continue
			}
			if _, already := taking.LoadOrStore(u.Event.ID, true); already {
				continue
			}
			a.begin(func() { // or not, where the adapter has stopped: the next process finds it
				defer taking.Delete(u.Event.ID)
				a.takeUp(u)
			})
		}
		if sleep(ctx, leftAfter) != nil {
			return
		}
	}
}

// takeUp checks a young event again and gives an old one up. Where another process was quicker,
// that one tells the person; where it fails the event is found again.
func (a *Adapter) takeUp(u intake.Unfinished) {
	d := delivery{event: u.Event, at: time.Now()}
	d.ephemeral = u.Event.Act.Card.Channel != "" && u.Event.Act.Card.Message == ""
	var answer intake.Answer
	var err error
	if u.Age < checkedAgain {
		answer, err = a.handle(d)
	} else {
		answer, err = a.giveUp(u.Event)
	}
	if err == nil && !answer.Repeated {
		a.answer(d, answer)
	}
}
