package discord

// This file converts the bot's answers to Discord's: a message for the person alone, a form, a
// page, or the choices of a completion.

import (
	"cmp"
	"context"
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

// reply is the answer to an interaction.
type reply struct {
	first response
	// after is shown to the person alone after the first answer was accepted; nil for nothing.
	after *message
	// instead is sent when the first answer would change a message that was deleted.
	instead *message
}

// message returns the answer as a message for the person alone.
func (r reply) message() *message {
	if r.instead != nil {
		return r.instead
	}
	if m, ok := r.first.Data.(*message); ok {
		return hide(m)
	}
	if _, ok := r.first.Data.(*modal); ok {
		return hide(drawLines([]bot.Line{bot.Say("answer.form_late")}))
	}
	return hide(drawLines([]bot.Line{bot.Say("answer.done")}))
}

const (
	// Discord accepts a first answer within 3 s.
	answerWithin = 2900 * time.Millisecond
	tokenLives   = 15 * time.Minute // how long Discord accepts answers to an interaction
)

// noChoices answers an autocompletion.
var noChoices = response{Type: discordgo.InteractionApplicationCommandAutocompleteResult, Data: &choices{[]choice{}}}

// turns reports whether the press turns a page that the person alone sees, so that the new page
// replaces it.
func (in *interaction) turns() bool {
	return buttons.Turns(in.Data.CustomID) && in.Type == discordgo.InteractionMessageComponent &&
		in.Message != nil && in.Message.Flags&discordgo.MessageFlagsEphemeral != 0
}

// whisper returns a reply that only the person sees.
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

// reply converts the bot's answer to Discord's. A press that took effect is only acknowledged,
// since the teller draws the card.
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
		m := drawLines(lines)
		m.offer(answer.Offer)
		return m
	}
	// A card that the person alone sees, and whose button was pressed, is redrawn by the answer. If
	// Discord refuses that, the card is not sent again, since the card may be the cause.
	if own := answer.Card; own != nil && answer.Kind != intake.ShowCard && e.Act.Private() {
		out := update(drawCard(*own, nil), said(bot.Say("answer.done")))
		if answer.Kind != intake.Changed || answer.Tell {
			out.after = hide(said(bot.Say("answer.done")))
		}
		return out
	}
	switch answer.Kind {
	case intake.Changed:
		if e.Act.OfLines() {
			return update(said(bot.Say("answer.done")), said(bot.Say("answer.done")))
		}
		out := whisper(said(bot.Say("answer.done")))
		if pressed && !answer.Tell { // the teller draws the card, which shows it
			out.instead, out.first = hide(said(bot.Say("answer.done"))),
				response{Type: discordgo.InteractionResponseDeferredMessageUpdate}
		}
		return out
	case intake.ShowForm:
		if answer.Form != nil && in.Type != discordgo.InteractionModalSubmit { // Discord opens no form on a form
			return reply{first: response{Type: discordgo.InteractionResponseModal, Data: drawForm(*answer.Form)}}
		}
		return whisper(said(bot.Say("answer.no_form")))
	case intake.ShowCard:
		if answer.Card != nil {
			out := whisper(drawCard(*answer.Card, nil))
			if len(answer.Lines) > 0 { // people, times and outcomes, which do not fit on a card
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
			name := choicePrefix + g.Group
			if named := name + choiceName + g.Name; g.Name != "" && size(named) <= 100 {
				name = named
			}
			if len(list.Choices) < maxChoices && g.Group != "" && size(name) <= 100 {
				list.Choices = append(list.Choices, choice{Name: name, Value: g.Group})
			}
		}
		return reply{first: response{Type: discordgo.InteractionApplicationCommandAutocompleteResult, Data: list}}
	case intake.Accepted:
		return whisper(said(bot.Say("answer.taken")))
	}
	if in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		return reply{first: noChoices}
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
				Placeholder: clip(in.Placeholder, maxPlaceholder), Value: in.Value,
				Required: in.Required, MaxLength: min(cmp.Or(in.Max, maxInput), maxInput),
			}}})
	}
	return m
}

// clip returns the beginning of a text without markup, and marks a cut.
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

// follow sends a message to the person alone after the first answer.
func (a *Adapter) follow(ctx context.Context, in *interaction, m *message) error {
	wait := 200 * time.Millisecond
	var err error
	for range 5 {
		if err = a.rest.follow(ctx, a.o.ApplicationID, in, m); err == nil {
			return nil
		}
		if _, later := laterOf(err); !later && !isCode(err, codeUnknownWebhook) {
			break
		}
		if !sleep(ctx, wait) {
			break
		}
		wait *= 2
	}
	return err
}
