package discord

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
)

// This file has the steps of an event that are particular to Discord. intake.Flow calls them. The
// interaction says who acted, so most events are handled at once and answered in the first answer.
// An event that takes long is stored, and Discord shows that the bot is thinking.

// delivery is an interaction that is being handled.
type delivery struct {
	a       *Adapter
	in      *interaction
	event   intake.Event
	member  bot.Member
	respond func(response) error // sends the first answer
	acked   bool
	waits   bool // the first answer only said that the answer takes longer
	unknown bool // the first answer was too late, and Discord takes none any more
	taken   bool // somebody else gave the first answer
}

// answering counts how often this process was given an interaction, of the latest ones. Discord may
// deliver one twice, and takes one first answer.
type answering struct {
	mu    sync.Mutex
	times map[string]int
	ids   [512]string
	next  int
}

func (n *answering) add(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.times == nil {
		n.times = map[string]int{}
	}
	if n.times[id]++; n.times[id] > 1 {
		return
	}
	delete(n.times, n.ids[n.next])
	n.ids[n.next] = strings.Clone(id)
	n.next = (n.next + 1) % len(n.ids)
}

func (n *answering) once(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.times[id] == 1
}

// take handles an interaction from its arrival, at received, to its answer.
func (a *Adapter) take(in *interaction, received time.Time, respond func(response) error) {
	a.answering.add(in.ID)
	d := &delivery{a: a, in: in, respond: respond, event: a.event(in), member: a.member(in)}
	if u := in.user(); u != nil && in.Type != discordgo.InteractionApplicationCommandAutocomplete {
		a.lately.put(u.ID, in.Token)
	}
	if d.event.Act.Kind == intake.ActForged && in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		if err := respond(noChoices); err != nil {
			a.log.Warn("could not answer an interaction", "interaction", in.ID, "err", err)
		}
		return
	}
	if a.bot.TakesLong(d.event) {
		d.event.Reply = in.Token // until the event has its answer
	}
	a.flow.Handle(d, received)
}

// Event returns what the person did.
func (d *delivery) Event() intake.Event { return d.event }

// Known returns true: the interaction says who acted.
func (d *delivery) Known() bool { return true }

// Member returns what the interaction says about the person.
func (d *delivery) Member(context.Context) (bot.Member, bot.Place, error) {
	return d.member, d.event.Place, nil
}

// Patience returns 0: an event that takes long is acknowledged at once.
func (d *delivery) Patience() time.Duration { return 0 }

// Acknowledge sends the first answer, and the message after it.
func (d *delivery) Acknowledge(answer *intake.Answer) (said bool) {
	if d.acked {
		return false
	}
	if answer == nil {
		d.think()
		return false
	}
	out := d.a.reply(d.in, d.event, *answer)
	d.acked = true
	ctx, cancel := context.WithTimeout(d.a.flow.Context(), intake.WorkWithin)
	defer cancel()
	err := d.first(out.first, answer.Repeated)
	if err == nil && !d.taken {
		d.a.answers.keep(d.in, *answer)
	}
	if err != nil && out.instead != nil && !d.unknown && !d.taken {
		out.after, err = nil, d.first(whisper(out.instead).first, answer.Repeated)
	}
	switch {
	case err == nil && out.after != nil && !d.taken:
		err = d.late(ctx, out.after, *answer)
	case err != nil && d.in.Type != discordgo.InteractionApplicationCommandAutocomplete:
		d.a.log.Info("an answer goes another way", "interaction", d.in.ID, "err", err)
		err = d.late(ctx, out.message(), *answer)
	}
	if err != nil {
		d.a.log.Warn("could not answer an interaction", "interaction", d.in.ID, "err", err)
	}
	return true
}

// first sends the first answer. It returns nil if another delivery of the same interaction was
// answered: Discord takes one answer.
func (d *delivery) first(first response, repeated bool) error {
	err := d.respond(first)
	d.unknown = errors.Is(err, errHungUp) || isCode(err, codeUnknownAnswer)
	if d.taken = isCode(err, codeAnswered); !d.taken {
		return err
	}
	if repeated || !d.a.answering.once(d.in.ID) {
		return nil
	}
	d.a.flow.Copied("somebody else answered an interaction with Discord")
	return err
}

// think makes Discord show that the bot is thinking; if a page is turned, Discord keeps the old
// page until the answer.
func (d *delivery) think() {
	first := response{Type: discordgo.InteractionResponseDeferredMessageUpdate}
	if !d.in.turns() {
		first.Type = discordgo.InteractionResponseDeferredChannelMessageWithSource
		first.Data = struct {
			Flags discordgo.MessageFlags `json:"flags"`
		}{discordgo.MessageFlagsEphemeral}
	}
	d.acked = true
	err := d.first(first, false)
	if d.waits = !d.unknown && !d.taken; err != nil {
		d.a.log.Info("could not say that an answer takes longer", "interaction", d.in.ID, "err", err)
	}
}

// Linger does nothing: Discord keeps the place of the answer.
func (d *delivery) Linger() {}

// Say does nothing: Discord shows that the bot is thinking.
func (d *delivery) Say(context.Context, bot.Line) error { return nil }

// Answer puts the answer into the place that waits for it. If it does not belong there, it is sent
// as a message after it, and the old page stays.
func (d *delivery) Answer(ctx context.Context, answer intake.Answer) error {
	if answer.Repeated {
		return nil // another process puts it there
	}
	m := d.a.reply(d.in, d.event, answer).message()
	if !d.waits || d.in.turns() && answer.Kind != intake.ShowPage {
		return d.late(ctx, m, answer)
	}
	m.Flags = 0 // fixed by the first answer
	err := d.a.rest.complete(ctx, d.a.o.ApplicationID, d.in, m)
	if err == nil {
		d.a.answers.keep(d.in, answer)
		return nil
	}
	d.a.log.Info("could not put an answer that took a while into its place", "interaction", d.in.ID, "err", err)
	// the message that it should change was deleted, or Discord never had the first answer
	return d.late(ctx, m, answer)
}

// left is an event that another process stored and acknowledged, and did not answer before it
// ended.
type left struct {
	delivery
	until time.Time // when Discord stops accepting an answer
}

var errRolesGone = errors.New("the roles came with the interaction, and cannot be asked for again")

func (a *Adapter) left(u intake.Unfinished) intake.Delivery {
	in := &interaction{ID: string(u.Event.ID), Token: u.Event.Reply}
	return &left{delivery{a: a, in: in, event: u.Event, acked: true}, time.Now().Add(tokenLives - u.Age)}
}

// Member returns an error: the interaction's roles are not stored.
func (l *left) Member(context.Context) (bot.Member, bot.Place, error) {
	return bot.Member{}, l.event.Place, errRolesGone
}

// Answer sends the answer to the person, if Discord still accepts it.
func (l *left) Answer(ctx context.Context, answer intake.Answer) error {
	if len(answer.Lines) == 0 {
		return nil
	}
	m := drawLines(answer.Lines)
	if l.unknown = l.event.Reply == "" || time.Now().After(l.until); l.unknown {
		return l.late(ctx, m, answer)
	}
	if l.event.Act.Kind == intake.ActCommand || l.event.Act.Kind == intake.ActUse { // the answer replaces "thinking"
		if err := l.a.rest.complete(ctx, l.a.o.ApplicationID, l.in, m); err == nil {
			return nil
		}
	}
	return l.late(ctx, m, answer)
}

// overGateway handles an interaction that came over the Gateway, which is answered by a call.
func (a *Adapter) overGateway(raw []byte) {
	received := time.Now()
	in, err := readInteraction(raw)
	if err != nil {
		a.log.Warn("an interaction cannot be read, so nobody was answered", "err", err)
		return
	}
	if in.Type == discordgo.InteractionPing {
		return
	}
	a.take(in, received, func(first response) error {
		ctx, cancel := context.WithDeadline(a.flow.Context(), received.Add(answerWithin))
		defer cancel()
		return a.rest.answer(ctx, in, first)
	})
}
