package discord

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
)

// response is the first answer to an interaction: data is a *message, a *modal, a *choices or nil.
type response struct {
	Type discordgo.InteractionResponseType `json:"type"`
	Data any                               `json:"data,omitempty"`
}

type modal struct {
	CustomID   string                       `json:"custom_id"`
	Title      string                       `json:"title"`
	Components []discordgo.MessageComponent `json:"components"`
}

type choices struct {
	Choices []choice `json:"choices"`
}

type choice struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// reply is all that an interaction is answered with.
type reply struct {
	first response
	// after is said to the person alone once the first answer has been taken; nil for nothing.
	after *message
	// instead is given when the first answer would change a message that is gone.
	instead *message
	// card is what the first answer makes the pressed message show; nil for none.
	card *bot.Card
	// later makes the answer where the first one only said that it takes a while; nil for none.
	// What does not belong into the place of the first one is said after it.
	later func(ctx context.Context) (answer, after *message)
}

// Discord takes a first answer within 3 s. The bot gets most of it, the way there and back the
// rest.
const (
	actWithin    = 2 * time.Second
	answerWithin = 2900 * time.Millisecond
	moreWithin   = 15 * time.Second // what is said after the first answer
	laterWithin  = 90 * time.Second // an answer that takes a while; the interaction's token lives for 15 minutes
)

var errPanicked = errors.New("a bug")

// act lets the bot handle an interaction and returns the answer. It always has one.
func (a *Adapter) act(ctx context.Context, in *interaction) (out reply) {
	ctx, cancel := context.WithTimeout(ctx, actWithin)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			a.panicked(in, p)
			out = in.fault(&bot.Unsure{Err: errPanicked}) // it may have come after the act was stored
		}
	}()
	e := a.event(in)
	if e.Act.Kind == intake.ActForged && in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		return reply{first: response{Type: discordgo.InteractionApplicationCommandAutocompleteResult,
			Data: &choices{[]choice{}}}}
	}
	began := time.Now()
	if a.bot.TakesLong(e) {
		return a.wait(ctx, in, e)
	}
	answer, err := a.bot.Do(ctx, e, a.member(in))
	if err != nil {
		a.log.Error("could not handle an interaction", "interaction", in.ID, "act", e.Act.Kind, "request",
			e.Act.Request, "err", err)
		return in.fault(err)
	}
	took := time.Since(began)
	if a.o.Acked != nil {
		a.o.Acked(took)
	}
	a.log.Debug("handled an interaction", "interaction", in.ID, "act", e.Act.Kind, "answer", answer.Kind, "took", took)
	return a.reply(in, e, answer)
}

// panicked tells the log of a bug; it is called where it was recovered from.
func (a *Adapter) panicked(in *interaction, p any) {
	a.log.Error("a bug kept an interaction from being handled", "interaction", in.ID, "panic", fmt.Sprint(p), "stack",
		string(debug.Stack()))
}

// wait stores the event, lets Discord show that the bot is thinking, and answers when the bot has.
// A repeat of an event that has its answer gets that at once.
func (a *Adapter) wait(ctx context.Context, in *interaction, e intake.Event) reply {
	e.Reply = in.Token // until the event has its answer
	_, prior, err := a.bot.Note(ctx, e)
	if err != nil {
		a.log.Error("could not store an interaction", "interaction", in.ID, "act", e.Act.Kind, "err", err)
		return in.fault(err)
	}
	if prior != nil {
		return a.reply(in, e, *prior)
	}
	thinking := struct {
		Flags discordgo.MessageFlags `json:"flags"`
	}{discordgo.MessageFlagsEphemeral}
	turns := in.turns()
	first := response{Type: discordgo.InteractionResponseDeferredChannelMessageWithSource, Data: thinking}
	if turns {
		first = response{Type: discordgo.InteractionResponseDeferredMessageUpdate}
	}
	return reply{first: first, later: func(ctx context.Context) (m, after *message) {
		defer func() {
			if p := recover(); p != nil {
				a.panicked(in, p)
				m, after = drawLines([]bot.Line{trouble(in.ID, &bot.Unsure{Err: errPanicked})}), nil
				if turns {
					m, after = nil, hide(m)
				}
			}
		}()
		answer, err := a.bot.Do(ctx, e, a.member(in))
		if err != nil {
			a.log.Error("could not handle an interaction", "interaction", in.ID, "act", e.Act.Kind, "request",
				e.Act.Request, "err", err)
			answer = intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{trouble(in.ID, err)}}
		}
		m, ok := a.reply(in, e, answer).first.Data.(*message)
		if !ok {
			m = drawLines([]bot.Line{bot.Say("answer.done")})
		}
		if turns && answer.Kind != intake.ShowPage {
			return nil, hide(m) // the page that was shown stays
		}
		m.Flags = 0 // fixed by the first answer
		return m, nil
	}}
}

const (
	// leftAfter is when an event that still has no answer has been left by a process that ended:
	// laterWithin is over.
	leftAfter = 2 * time.Minute
	// tokenLives is how long Discord takes answers to an interaction.
	tokenLives = 15 * time.Minute
)

// takeUpLeft gives up the events that a process stored, told people to wait for, and then ended
// before it answered: their roles came with the interaction, so that they cannot be asked for
// again. It looks every two minutes, because another process may end at any time.
func (a *Adapter) takeUpLeft(ctx context.Context) {
	for {
		for u, err := range a.bot.Unfinished(ctx, bot.Discord) {
			if err != nil {
				a.log.Error("unanswered events could not be read", "err", err)
				break
			}
			if u.Age >= leftAfter {
				a.giveUp(ctx, u)
			}
		}
		if !sleep(ctx, leftAfter) {
			return
		}
	}
}

// giveUp closes an event and tells the person, while Discord takes it.
func (a *Adapter) giveUp(ctx context.Context, u intake.Unfinished) {
	answer, err := a.bot.GiveUp(ctx, u.Event)
	for attempt := 0; err != nil; attempt++ { // it may be closed all the same, and would then be found by nobody
		if attempt == 2 || !sleep(ctx, 300*time.Millisecond<<attempt) {
			a.log.Error("an event could not be given up", "event", u.Event.ID, "err", err)
			return
		}
		answer, err = a.bot.GiveUp(ctx, u.Event)
		answer.Repeated = false // an attempt of this process may have closed it, and the news been lost
	}
	if answer.Repeated { // another replica was quicker, and tells
		return
	}
	if u.Event.Reply == "" || u.Age > tokenLives || len(answer.Lines) == 0 {
		return
	}
	in := &interaction{ID: string(u.Event.ID), Token: u.Event.Reply}
	m := drawLines(answer.Lines)
	if u.Event.Act.Kind == intake.ActCommand { // "thinking" stands in the place of its answer
		if err = a.rest.complete(ctx, a.o.ApplicationID, in, m); err == nil {
			return
		}
	}
	a.follow(ctx, in, hide(m))
}

// turns reports whether a page that the person alone sees is to be turned: the new one takes its
// place.
func (in *interaction) turns() bool {
	return buttons.Turns(in.Data.CustomID) && in.Type == discordgo.InteractionMessageComponent &&
		in.Message != nil && in.Message.Flags&discordgo.MessageFlagsEphemeral != 0
}

// trouble is what a person reads when a fault of ours kept the bot from acting, or may have: where
// the ledger cannot tell whether it was stored, nobody is told that nothing was done. The id finds
// the line in the log.
func trouble(fault string, err error) bot.Line {
	key := "answer.fault"
	if _, unsure := errors.AsType[*bot.Unsure](err); unsure {
		key = "answer.fault.open"
	}
	return bot.Say(key, "fault", bot.Code(fault))
}

// fault is the answer where err, or a bug, kept the bot from acting.
func (in *interaction) fault(err error) reply {
	if in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		return reply{first: response{Type: discordgo.InteractionApplicationCommandAutocompleteResult,
			Data: &choices{[]choice{}}}}
	}
	return whisper(drawLines([]bot.Line{trouble(in.ID, err)}))
}

// whisper says something to the person alone.
func whisper(m *message) reply {
	return reply{first: response{Type: discordgo.InteractionResponseChannelMessageWithSource, Data: hide(m)}}
}

func hide(m *message) *message {
	if m.Content == "" && len(m.Embeds) == 0 {
		m.Content = markup(bot.Say("answer.done"))
	}
	m.Flags |= discordgo.MessageFlagsEphemeral
	return m
}

// reply turns the bot's answer into Discord's. A message is changed in the answer when its own
// button was pressed.
func (a *Adapter) reply(in *interaction, e intake.Event, answer intake.Answer) reply {
	pressed := in.Message != nil && (in.Type == discordgo.InteractionMessageComponent ||
		in.Type == discordgo.InteractionModalSubmit)
	update := func(m *message, instead *message) reply {
		return reply{first: response{Type: discordgo.InteractionResponseUpdateMessage, Data: m}, instead: hide(instead)}
	}
	said := func(fallback bot.Line) *message {
		lines := answer.Lines
		if len(lines) == 0 {
			lines = []bot.Line{fallback}
		}
		return drawLines(lines)
	}
	show := func(c *bot.Card) reply {
		// not the card again, which may be what Discord refuses
		out := update(drawCard(*c, nil), said(bot.Say("answer.done")))
		out.card = c
		return out
	}
	if answer.Stale && answer.Card != nil && pressed && e.Act.Kind != intake.ActShowAll {
		out := show(answer.Card)
		out.after = hide(said(bot.Say("answer.done")))
		return out
	}
	switch answer.Kind {
	case intake.Changed:
		if answer.Card != nil && pressed && e.Act.Kind != intake.ActShowAll {
			return show(answer.Card)
		}
		if answer.Card != nil && len(answer.Lines) == 0 {
			return whisper(drawCard(*answer.Card, nil))
		}
		return whisper(said(bot.Say("answer.done")))
	case intake.ShowForm:
		if answer.Form != nil && in.Type != discordgo.InteractionModalSubmit { // Discord opens no form on a form
			return reply{first: response{Type: discordgo.InteractionResponseModal, Data: drawForm(*answer.Form)}}
		}
		return whisper(said(bot.Say("answer.no_form")))
	case intake.ShowCard:
		if answer.Card != nil {
			out := whisper(drawCard(*answer.Card, nil))
			if len(answer.Lines) > 0 { // people, times and outcomes, which a card has no room for
				out.after = hide(drawLines(answer.Lines))
			}
			return out
		}
	case intake.ShowPage:
		if answer.Page != nil {
			page := drawPage(*answer.Page)
			if in.turns() {
				return update(page, drawPage(*answer.Page))
			}
			return whisper(page)
		}
	case intake.Choices:
		list := &choices{[]choice{}}
		for _, g := range answer.Groups {
			if name := choicePrefix + g; len(list.Choices) < maxChoices && g != "" && size(name) <= 100 {
				list.Choices = append(list.Choices, choice{Name: name, Value: g})
			}
		}
		return reply{first: response{Type: discordgo.InteractionApplicationCommandAutocompleteResult, Data: list}}
	case intake.Accepted:
		return whisper(said(bot.Say("answer.taken")))
	}
	if in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		return reply{first: response{Type: discordgo.InteractionApplicationCommandAutocompleteResult,
			Data: &choices{[]choice{}}}}
	}
	return whisper(said(bot.Say("answer.done")))
}

func drawForm(f intake.Form) *modal {
	m := &modal{
		Title:    clip(f.Title, maxTitle),
		CustomID: buttons.Form(f),
	}
	for _, in := range f.Inputs[:min(len(f.Inputs), maxInputs)] {
		style := discordgo.TextInputShort
		if in.Long {
			style = discordgo.TextInputParagraph
		}
		m.Components = append(m.Components, discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.TextInput{
				CustomID: in.Name, Label: clip(in.Label, maxInputLabel), Style: style,
				Placeholder: clip(in.Placeholder, maxPlaceholder),
				Required:    in.Required, MaxLength: min(cmp.Or(in.Max, maxInput), maxInput),
			}}})
	}
	return m
}

// clip is the beginning of a text that shows no markup, marked where it ends early.
func clip(s string, limit int) string {
	if size(s) <= limit {
		return s
	}
	runes := []rune(s)
	runes = runes[:min(len(runes), limit)]
	for size(string(runes))+1 > limit {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// overGateway handles an interaction that came over the Gateway, and answers it by a call.
func (a *Adapter) overGateway(ctx context.Context, raw []byte) {
	received := time.Now()
	in, err := readInteraction(raw)
	if err != nil {
		a.log.Warn("an interaction cannot be read, so nobody was answered", "err", err)
		return
	}
	if in.Type == discordgo.InteractionPing {
		return
	}
	out := a.act(ctx, in)
	ctx, cancel := context.WithDeadline(ctx, received.Add(answerWithin))
	defer cancel()
	err = a.rest.answer(ctx, in, out.first)
	a.shown(in, out, 0)
	if err != nil && out.instead != nil && ctx.Err() == nil && !isCode(err, codeUnknownAnswer) {
		out.after, err = nil, a.rest.answer(ctx, in, whisper(out.instead).first)
	}
	if err != nil {
		a.log.Warn("could not answer an interaction", "interaction", in.ID, "after", time.Since(received), "err", err)
		return
	}
	a.more(in, out)
}

// shown lets the bot look, after a while, whether the card that an answer put in the place of
// another hides a newer one: the teller edits the message too, and nothing but time tells which of
// the two Discord took last.
func (a *Adapter) shown(in *interaction, out reply, after time.Duration) {
	if out.card == nil {
		return
	}
	a.background(moreWithin, func(ctx context.Context) {
		if !sleep(ctx, after) {
			return
		}
		if err := a.bot.Replaced(ctx, *out.card); err != nil {
			a.log.Warn("a pressed card may show how the request stood before", "interaction", in.ID, "request",
				out.card.ID, "err", err)
		}
	})
}

// more says what is left to say after the first answer. Where that came in the HTTP response
// Discord may not have read it yet, so an unknown token means to wait.
func (a *Adapter) more(in *interaction, out reply) {
	if out.later != nil {
		a.background(laterWithin, func(ctx context.Context) {
			m, after := out.later(ctx)
			if m != nil {
				err := a.rest.complete(ctx, a.o.ApplicationID, in, m)
				if err == nil {
					return
				}
				a.log.Warn("could not put an answer that took a while into its place", "interaction", in.ID, "err",
					err)
				after = hide(m) // where the message that it was meant for is gone
			}
			a.follow(ctx, in, after)
		})
	}
	if out.after == nil {
		return
	}
	a.background(moreWithin, func(ctx context.Context) { a.follow(ctx, in, out.after) })
}

// follow says something to the person alone after the first answer.
func (a *Adapter) follow(ctx context.Context, in *interaction, m *message) {
	wait := 200 * time.Millisecond
	var err error
	for range 5 {
		if err = a.rest.follow(ctx, a.o.ApplicationID, in, m); err == nil {
			return
		}
		if _, later := laterOf(err); !later && !isCode(err, codeUnknownWebhook) {
			break
		}
		if !sleep(ctx, wait) {
			break
		}
		wait *= 2
	}
	a.log.Warn("an answer did not reach the person", "interaction", in.ID, slog.Any("err", err))
}
