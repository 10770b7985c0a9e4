package slack

// This file draws windows, which Slack calls modals: forms, lines of text, and pages of messages.

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

// formView returns the window of a form.
func formView(d delivery, f intake.Form) slackgo.ModalViewRequest {
	c := d.carry()
	if f.Request != "" {
		c.Request, c.Digest = f.Request, f.Digest
	}
	v := view(string(f.Kind), bot.Line{{Kind: bot.Words, Text: f.Title}}, c)
	v.Submit, v.Close = plainText(f.Submit, maxModalTitle), label("window.cancel", maxModalTitle)
	for _, in := range f.Inputs {
		e := slackgo.NewPlainTextInputBlockElement(nil, inputAction)
		if in.Placeholder != "" {
			e.Placeholder = plainText(in.Placeholder, maxPlaceholder)
		}
		e.Multiline, e.InitialValue = in.Long, in.Value
		e.MaxLength = min(in.Max, 3000)
		input := slackgo.NewInputBlock(in.Name, plainText(in.Label, 2000), nil, e)
		input.Optional = !in.Required
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, input)
	}
	return v
}

// linesView returns a window that shows lines, and buttons for what is offered.
func linesView(d delivery, lines []bot.Line, offer *intake.Offer) slackgo.ModalViewRequest {
	v := view(viewLines, bot.Say("window.title"), d.carry())
	v.Blocks.BlockSet = append(lineBlocks(lines, modalSize), offerBlocks(offer)...)
	return v
}

// pageView returns a window with one page of messages.
func pageView(d delivery, p intake.Page) slackgo.ModalViewRequest {
	c := d.carry()
	title := bot.Say("window.find")
	if p.Request != "" {
		c.Request, c.Digest = p.Request, p.Digest
		title = bot.Say("window.page", "id", p.Request)
	}
	v := view(viewPage, title, c)
	v.Blocks.BlockSet = pageBlocks(p, modalSize)
	return v
}

func view(kind string, title bot.Line, c carried) slackgo.ModalViewRequest {
	kept, err := json.Marshal(c)
	if err != nil {
		kept = nil // unreachable: strings always marshal
	}
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: kind, Title: plainText(title.String(), maxModalTitle),
		Close:           label("window.close", maxModalTitle),
		PrivateMetadata: string(kept),
	}
}

// pageBlocks shows a page: its title, its messages, its notices, and the buttons to the other
// pages.
func pageBlocks(p intake.Page, limit int) []slackgo.Block {
	return fit(limit, func(r room) []slackgo.Block {
		title := &paragraph{bold: true}
		title.line(p.Title, r.line)
		var blocks []slackgo.Block
		if b := title.block(); b != nil {
			blocks = append(blocks, b)
		}
		blocks = append(blocks, sampleBlocks(p.Samples, r)...)
		notes := &paragraph{}
		notes.lines(p.Notes, r)
		if b := notes.block(); b != nil {
			blocks = append(blocks, b)
		}
		var row []slackgo.BlockElement
		for _, b := range buttons.OfPage(p) {
			row = append(row, slackgo.NewButtonBlockElement(actionPage+b.Name, b.Carries,
				plainText(b.Label, maxButton)))
		}
		if len(row) > 0 {
			blocks = append(blocks, slackgo.NewActionBlock("", row...))
		}
		if len(blocks) == 0 {
			blocks = lineBlocks(nil, limit)
		}
		return blocks
	})
}

// offerBlocks shows the buttons of an offer.
func offerBlocks(o *intake.Offer) []slackgo.Block {
	var row []slackgo.BlockElement
	for i, label := range o.Labels() {
		if value := buttons.Use(o, i); value != "" {
			row = append(row, slackgo.NewButtonBlockElement(actionUse+strconv.Itoa(i), value,
				plainText(label, maxButton)))
		}
	}
	if len(row) == 0 {
		return nil
	}
	return []slackgo.Block{slackgo.NewActionBlock("", row...)}
}

// label returns a sentence of the bot as one piece of plain text.
func label(key string, limit int) *slackgo.TextBlockObject {
	return plainText(bot.Say(key).String(), limit)
}

// open opens a window for d and returns its id, "" when Slack refused it.
func (a *Adapter) open(d delivery, v slackgo.ModalViewRequest) string {
	ctx, cancel := context.WithTimeout(a.flow.Context(), 3*time.Second)
	defer cancel()
	answer, err := a.api.OpenViewContext(ctx, d.trigger, v)
	if err != nil {
		a.log.Info("a window could not be opened", "event", d.event.ID, "err", clean(err))
		return ""
	}
	return answer.View.ID
}

// window shows v in the open window, or in a new one.
func (a *Adapter) window(ctx context.Context, d delivery, v slackgo.ModalViewRequest) error {
	if d.view != "" {
		ctx, cancel := context.WithTimeout(ctx, replyWithin)
		defer cancel()
		return a.patiently(ctx, func() error {
			_, err := a.api.UpdateViewContext(ctx, v, "", "", d.view)
			return err
		})
	}
	if d.trigger == "" || time.Since(d.at) > 3*time.Second {
		return errNoReply
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err := a.api.OpenViewContext(ctx, d.trigger, v)
	return err
}
