package slack

import (
	"context"
	"fmt"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// This file has what is Slack's own on the way of an event, which intake.Flow goes: a delivery is
// an intake.Delivery.

const (
	// commandDirect is how long a command whose right is already known may take to be answered in
	// the acknowledgement itself.
	commandDirect = time.Second
	// formDirect is the same for a sent form, whose mistakes can only be shown in place by the
	// acknowledgement.
	formDirect = 2 * time.Second
)

// ack acknowledges a delivery. payload, where not nil, is shown to the person at once.
type ack func(payload any) error

// take handles a delivery from storing it to answering it. It acknowledges exactly once, and
// returns when the person has been answered.
func (a *Adapter) take(d delivery, acknowledge ack) {
	a.flow.Take(&taking{a: a, delivery: d, send: acknowledge}, d.at)
}

// left is an event that a process which ended has left.
func (a *Adapter) left(u intake.Unfinished) intake.Delivery {
	d := delivery{event: u.Event, at: time.Now()}
	d.ephemeral = u.Event.Act.Private()
	return &taking{a: a, delivery: d, acked: true}
}

// taking is a delivery that is being taken.
type taking struct {
	delivery
	a     *Adapter
	send  ack
	acked bool
}

// Event is what the person did.
func (t *taking) Event() intake.Event { return t.event }

// Known is false: Slack is asked who acts.
func (t *taking) Known() bool { return false }

// Member is what was asked within the last minute, except for a decision, or what Slack says now.
func (t *taking) Member(ctx context.Context) (bot.Member, bot.Place, error) {
	e, fresh := t.event, t.event.Decides()
	then, err := t.a.approversThen(ctx, e.Act)
	if err != nil {
		return bot.Member{}, e.Place, fmt.Errorf("reading the groups that counted when it was asked: %w", err)
	}
	if !fresh {
		if m, place, known := t.a.cached(e, then); known {
			return m, place, nil
		}
	}
	m, place, err := t.a.resolve(ctx, e, then, fresh)
	return m, place, clean(err)
}

// Patience is longer where the answer can be shown best in the acknowledgement, and is near.
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

// Acknowledge acknowledges the delivery. Where there is no answer yet, the window of a form says
// that it follows; it is then put into it. An answer that has reached the person is not given
// again.
func (t *taking) Acknowledge(answer *intake.Answer) (said bool) {
	switch {
	case t.acked:
		return false
	case answer != nil && !t.a.given.has(t.event.ID):
		return t.answerDirectly(*answer)
	case answer == nil && t.form:
		// a lost acknowledgement changes nothing
		_ = t.acknowledge(updateResponse(linesView(t.delivery, []bot.Line{bot.Say("window.checking")})))
	default:
		_ = t.acknowledge(nil) // as above
	}
	return answer != nil
}

func (t *taking) acknowledge(payload any) error {
	t.acked = true
	return t.send(payload)
}

// Linger opens a window where the answer will be one: what opens it is good for three seconds.
func (t *taking) Linger() {
	if t.opens() {
		t.view = t.a.open(t.delivery, linesView(t.delivery, []bot.Line{bot.Say("window.checking")}))
	}
}

// Say tells the person that it takes longer.
func (t *taking) Say(ctx context.Context, l bot.Line) error {
	return clean(t.a.tell(ctx, t.delivery, []bot.Line{l}))
}

// Answer gives an answer by every means that is left. One that another process gives is needed here
// only by a window that waits for it.
func (t *taking) Answer(ctx context.Context, answer intake.Answer) error {
	if answer.Repeated && t.view == "" {
		return nil
	}
	t.a.repair(ctx, t.delivery, answer)
	if err := t.a.give(ctx, t.delivery, answer); err != nil {
		return clean(err)
	}
	t.a.given.add(t.event.ID)
	return nil
}

// answerDirectly gives the answer in the acknowledgement where that is possible.
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
	ctx, cancel := context.WithTimeout(t.a.flow.Context(), intake.WorkWithin)
	defer cancel()
	t.a.repair(ctx, t.delivery, answer)
	return true
}
