package slack

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	slackgo "github.com/slack-go/slack"

	"recallbot/bot"
)

// formView is the window of a form.
func formView(d delivery, f bot.Form) slackgo.ModalViewRequest {
	c := d.carry()
	if f.Request != "" {
		c.Request, c.Digest = f.Request, f.Digest
	}
	v := view(string(f.Kind), f.Title, c)
	v.Submit, v.Close = plainText(f.Submit, maxModalTitle), plainText(wordCancel, maxModalTitle)
	for _, in := range f.Inputs {
		e := slackgo.NewPlainTextInputBlockElement(nil, inputAction)
		if in.Placeholder != "" {
			e.Placeholder = plainText(in.Placeholder, maxPlaceholder)
		}
		e.Multiline = in.Long
		e.MaxLength = min(in.Max, 3000)
		label := slackgo.NewInputBlock(in.Name, plainText(in.Label, 2000), nil, e)
		label.Optional = !in.Required
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, label)
	}
	return v
}

// linesView is a window that only says something.
func linesView(d delivery, lines []bot.Line) slackgo.ModalViewRequest {
	v := view(viewLines, wordTitle, d.carry())
	v.Blocks.BlockSet = lineBlocks(lines, modalSize)
	return v
}

// pageView is a window with one page of messages.
func pageView(d delivery, p bot.Page) slackgo.ModalViewRequest {
	c := d.carry()
	if p.Request != "" {
		c.Request, c.Digest = p.Request, p.Digest
	}
	if len(recallValue(p.Recall)) > maxValue {
		c.Recall = p.Recall
	}
	v := view(viewPage, p.Title.String(), c)
	if len(v.PrivateMetadata) > maxMetadata {
		c.Recall = nil
		v = view(viewPage, p.Title.String(), c)
	}
	v.Blocks.BlockSet = pageBlocks(p, modalSize)
	if len(c.Recall) > 0 {
		// The button's own value has no room for the command; the window carries it.
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, slackgo.NewActionBlock("",
			slackgo.NewButtonBlockElement(actionRecall, "", plainText(wordRecall, maxButton))))
	} else if p.Recall != nil && len(recallValue(p.Recall)) > maxValue {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, lineBlocks([]bot.Line{plain(wordOpenByHand)}, messageSize)...)
	}
	return v
}

func view(kind, title string, c carried) slackgo.ModalViewRequest {
	kept, err := json.Marshal(c)
	if err != nil {
		kept = nil // unreachable: strings always marshal
	}
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, CallbackID: kind, Title: plainText(title, maxModalTitle), Close: plainText(wordClose, maxModalTitle),
		PrivateMetadata: string(kept),
	}
}

// pageBlocks shows a page: its title, its messages, what is to be said about them, and the buttons to the other pages.
func pageBlocks(p bot.Page, limit int) []slackgo.Block {
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
		var buttons []slackgo.BlockElement
		if p.Request != "" {
			turn := func(action, label string, to int) {
				value := buttonValue(p.Request, p.Digest) + ":" + strconv.Itoa(to)
				buttons = append(buttons, slackgo.NewButtonBlockElement(action, value, plainText(label, maxButton)))
			}
			if p.Number > 0 {
				turn(actionPrevious, wordPrevious, p.Number-1)
			}
			if p.Number+1 < p.Of {
				turn(actionNext, wordNext, p.Number+1)
			}
		}
		if value := recallValue(p.Recall); value != "" && len(value) <= maxValue {
			buttons = append(buttons, slackgo.NewButtonBlockElement(actionRecall, value, plainText(wordRecall, maxButton)))
		}
		if len(buttons) > 0 {
			blocks = append(blocks, slackgo.NewActionBlock("", buttons...))
		}
		if len(blocks) == 0 {
			blocks = lineBlocks(nil, limit)
		}
		return blocks
	})
}

func recallValue(options map[string]string) string {
	if len(options) == 0 {
		return ""
	}
	body, err := json.Marshal(options)
	if err != nil {
		return "" // unreachable: strings always marshal
	}
	return string(body)
}

// open opens a window for d and returns its id, "" when Slack would not.
func (a *Adapter) open(d delivery, v slackgo.ModalViewRequest) string {
	ctx, cancel := context.WithTimeout(a.ctx, 3*time.Second)
	defer cancel()
	answer, err := a.api.OpenViewContext(ctx, d.trigger, v)
	if err != nil {
		a.log.Info("a window could not be opened", "event", d.event.ID, "error", clean(err))
		return ""
	}
	return answer.View.ID
}

// window shows v in the window that is open, or in a new one.
func (a *Adapter) window(ctx context.Context, d delivery, v slackgo.ModalViewRequest) error {
	if d.view != "" {
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
