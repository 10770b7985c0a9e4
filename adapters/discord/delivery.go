package discord

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
)

// This file has what is Discord's own on the way of an event, which intake.Flow goes. Who acted
// comes with the interaction, so most is done at once and answered in the first answer. What takes
// long is stored, and Discord shows that the bot is thinking.

// delivery is an interaction that is being taken.
type delivery struct {
	a       *Adapter
	in      *interaction
	event   intake.Event
	member  bot.Member
	respond func(response) error // gives the first answer
	acked   bool
	waits   bool // the first answer only said that it takes a while
}

// take takes an interaction that was received at a time.
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

// Event is what the person did.
func (d *delivery) Event() intake.Event { return d.event }

// Known is true: the interaction says who acted.
func (d *delivery) Known() bool { return true }

// Member is what the interaction says of who acted.
func (d *delivery) Member(context.Context) (bot.Member, bot.Place, error) {
	return d.member, d.event.Place, nil
}

// Patience is none: where an answer takes long, Discord is told at once.
func (d *delivery) Patience() time.Duration { return 0 }

// Acknowledge gives the first answer, and what is said after it.
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

// think lets Discord show that the bot is thinking; or, where a page is to be turned, keep the page
// that it shows.
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

// Linger does nothing: the place of the answer is kept.
func (d *delivery) Linger() {}

// Tell does nothing: Discord shows that the bot is thinking.
func (d *delivery) Say(context.Context, bot.Line) error { return nil }

// Answer puts the answer into the place that waits for it. What does not belong there is said after
// it: the page that was shown stays.
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
	return d.a.follow(ctx, d.in, hide(m)) // the message that it was meant for is gone
}

// left is an event that a process stored, told its person to wait for, and then ended before it
// answered.
type left struct {
	delivery
	until time.Time // Discord takes an answer until then
}

var errRolesGone = errors.New("the roles came with the interaction, and cannot be asked for again")

func (a *Adapter) left(u intake.Unfinished) intake.Delivery {
	in := &interaction{ID: string(u.Event.ID), Token: u.Event.Reply}
	return &left{delivery{a: a, in: in, event: u.Event, acked: true}, time.Now().Add(tokenLives - u.Age)}
}

// Member is not known any more.
func (l *left) Member(context.Context) (bot.Member, bot.Place, error) {
	return bot.Member{}, l.event.Place, errRolesGone
}

// Answer tells the person, while Discord takes it.
func (l *left) Answer(ctx context.Context, answer intake.Answer) error {
	if l.event.Reply == "" || time.Now().After(l.until) || len(answer.Lines) == 0 {
		return nil
	}
	m := drawLines(answer.Lines)
	if l.event.Act.Kind == intake.ActCommand { // "thinking" stands in the place of its answer
		if err := l.a.rest.complete(ctx, l.a.o.ApplicationID, l.in, m); err == nil {
			return nil
		}
	}
	return l.a.follow(ctx, l.in, hide(m))
}

// overGateway takes an interaction that came over the Gateway, and is answered by a call.
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
