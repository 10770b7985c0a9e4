package discord

import (
	"context"
	"errors"
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
}

// take handles an interaction from its arrival, at received, to its answer.
func (a *Adapter) take(in *interaction, received time.Time, respond func(response) error) {
	d := &delivery{a: a, in: in, respond: respond, event: a.event(in), member: a.member(in)}
	if d.event.Act.Kind == intake.ActForged && in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		if err := respond(noChoices); err != nil {
			a.log.Warn("could not answer an interaction", "interaction", in.ID, "err", err)
		}
		return
	}
	if a.bot.TakesLong(d.event) {
		d.event.Reply = in.Token // until the event has its answer
	}
	a.flow.Take(d, received)
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
	err := d.respond(out.first)
	if err != nil && out.instead != nil && !isCode(err, codeUnknownAnswer) {
		out.after, err = nil, d.respond(whisper(out.instead).first)
	}
	if err == nil && out.after != nil {
		ctx, cancel := context.WithTimeout(d.a.flow.Context(), moreWithin)
		defer cancel()
		err = d.a.follow(ctx, d.in, out.after)
	}
	if err != nil {
		d.a.log.Warn("could not answer an interaction", "interaction", d.in.ID, "err", err)
	}
	return true
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
	d.acked, d.waits = true, true
	if err := d.respond(first); err != nil {
		d.a.log.Warn("could not answer an interaction", "interaction", d.in.ID, "err", err)
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
	m, ok := d.a.reply(d.in, d.event, answer).first.Data.(*message)
	if !ok {
		m = drawLines([]bot.Line{bot.Say("answer.done")})
	}
	if !d.waits || d.in.turns() && answer.Kind != intake.ShowPage {
		return d.a.follow(ctx, d.in, hide(m))
	}
	m.Flags = 0 // fixed by the first answer
	err := d.a.rest.complete(ctx, d.a.o.ApplicationID, d.in, m)
	if err == nil {
		return nil
	}
	d.a.log.Warn("could not put an answer that took a while into its place", "interaction", d.in.ID, "err", err)
	return d.a.follow(ctx, d.in, hide(m)) // the message that it should change was deleted
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
	if l.event.Reply == "" || time.Now().After(l.until) || len(answer.Lines) == 0 {
		return nil
	}
	m := drawLines(answer.Lines)
	if l.event.Act.Kind == intake.ActCommand { // the answer replaces "thinking"
		if err := l.a.rest.complete(ctx, l.a.o.ApplicationID, l.in, m); err == nil {
			return nil
		}
	}
	return l.a.follow(ctx, l.in, hide(m))
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
