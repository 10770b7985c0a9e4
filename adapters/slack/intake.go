package slack

import (
	"context"
	"fmt"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// This file has the steps of an event that are particular to Slack. intake.Flow calls them, on an
// intake.Delivery: taking for a new event, left for one that another process has left.

const (
	// commandDirect is how long the acknowledgement of a command waits for the answer, so that it
	// can contain it, if it is already known who the person is.
	commandDirect = time.Second
	// formDirect is the same for a sent form, since only the acknowledgement can show a mistake at
	// its input.
	formDirect = 2 * time.Second
)

// ack acknowledges a delivery. payload, if not nil, is shown to the person at once.
type ack func(payload any) error

// take handles a delivery from its arrival to its answer. It acknowledges exactly once, and returns
// when the person has an answer.
func (a *Adapter) take(d delivery, acknowledge ack) {
	if d.event.Reply != "" {
		a.asked.Set("reply "+d.event.By.User, d.event.Reply, repliesFor)
	}
	a.flow.Handle(&taking{a: a, delivery: d, send: acknowledge}, d.at)
}

// left is an event without an answer that another process stored before it ended.
func (a *Adapter) left(u intake.Unfinished) intake.Delivery {
	d := delivery{event: u.Event, at: time.Now()}
	d.ephemeral = u.Event.Act.Private()
	return &taking{a: a, delivery: d, acked: true}
}

// taking is a delivery that is being handled.
type taking struct {
	delivery
	a     *Adapter
	send  ack
	acked bool
}

// Event returns what the person did.
func (t *taking) Event() intake.Event { return t.event }

// Known returns false: Slack must be asked who acts.
func (t *taking) Known() bool { return false }

// Member asks Slack who acts. Except for a decision, an answer of the last minute is used again. If
// the act asks for a recall, the approvers are looked at too.
func (t *taking) Member(ctx context.Context) (bot.Member, bot.Place, error) {
	e, fresh := t.event, t.event.Decides()
	then, err := t.a.approversThen(ctx, e.Act)
	if err != nil {
		return bot.Member{}, e.Place, fmt.Errorf("reading the groups that counted when it was asked: %w", err)
	}
	if !fresh {
		if m, place, known := t.a.cached(e, then); known {
			if e.Asks() {
				t.a.lookAtApprovers(ctx, &m)
			}
			return m, place, nil
		}
	}
	m, place, err := t.a.resolve(ctx, e, then, fresh)
	return m, place, clean(err)
}

// Patience returns how long the acknowledgement waits for an answer that it can show best.
func (t *taking) Patience() time.Duration {
	switch {
	case t.form:
		return formDirect - time.Since(t.at)
	case t.command && !t.event.Decides():
		if _, _, known := t.a.cached(t.event, nil); known {
			return commandDirect
		}
	}
	return 0
}

// Acknowledge acknowledges the delivery, with the answer if there is one. Without one, the window
// of a form says that the request is being checked, and later shows the answer. An answer that has
// reached the person is not shown again.
func (t *taking) Acknowledge(answer *intake.Answer) (said bool) {
	switch {
	case t.acked:
		return false
	case answer != nil && !t.a.given.has(t.event.ID):
		return t.answerDirectly(*answer)
	case answer == nil && t.form:
		// a lost acknowledgement changes nothing
		_ = t.acknowledge(updateResponse(linesView(t.delivery, []bot.Line{bot.Say("window.checking")}, nil)))
	default:
		_ = t.acknowledge(nil) // a lost acknowledgement changes nothing
	}
	return answer != nil
}

func (t *taking) acknowledge(payload any) error {
	t.acked = true
	return t.send(payload)
}

// Linger opens a window if the answer will be one: its trigger is valid for three seconds.
func (t *taking) Linger() {
	if t.opens() {
		t.view = t.a.open(t.delivery, linesView(t.delivery, []bot.Line{bot.Say("window.checking")}, nil))
	}
}

// Say shows the person that the answer takes longer.
func (t *taking) Say(ctx context.Context, l bot.Line) error {
	return clean(t.a.tell(ctx, t.delivery, []bot.Line{l}, nil))
}

// Answer shows an answer in every way that remains. An answer that another process has shown is
// shown again only in a window that waits for it.
func (t *taking) Answer(ctx context.Context, answer intake.Answer) error {
	if answer.Repeated && t.view == "" {
		return nil
	}
	t.a.repair(ctx, t.delivery, answer)
	if err := t.a.give(ctx, t.delivery, answer); err != nil {
		return clean(err)
	}
	t.a.keepAnswer(t.delivery, answer, 1)
	t.a.given.add(t.event.ID)
	return nil
}

// answerDirectly puts the answer into the acknowledgement if that is possible.
func (t *taking) answerDirectly(answer intake.Answer) (said bool) {
	payload := directly(t.delivery, answer)
	err := t.acknowledge(payload)
	if err != nil {
		t.a.log.Info("an acknowledgement was not sent", "event", t.event.ID, "err", clean(err))
	}
	if t.form && payload == nil {
		t.view = "" // it closed with the acknowledgement
	}
	if err != nil || payload == nil && !silent(answer) {
		return false
	}
	t.a.keepAnswer(t.delivery, answer, 0)
	ctx, cancel := context.WithTimeout(t.a.flow.Context(), intake.WorkWithin)
	defer cancel()
	t.a.repair(ctx, t.delivery, answer)
	return true
}
