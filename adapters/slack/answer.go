package slack

// This file answers a person: in the acknowledgement, in a window, by the response_url, or by an
// ephemeral message. An answer that one way does not deliver goes by the next, and what only this
// person may read is never posted where others read it.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

// ephemeral is the part of an acknowledgement or of an answer to a response_url that makes it a
// message for one person alone.
func ephemeral(lines []bot.Line, offer *intake.Offer) *response {
	return message(summary(lines...), append(lineBlocks(lines, messageSize), offerBlocks(offer)...))
}

// response is a message for an acknowledgement or a response_url whose text is plain. The library
// has no field for that.
type response struct {
	*slackgo.WebhookMessage
	Markdown bool `json:"mrkdwn"`
}

// message keeps the pressed message, which an answer without replace_original would replace.
func message(text string, blocks []slackgo.Block) *response {
	no := false
	return &response{WebhookMessage: &slackgo.WebhookMessage{
		ResponseType: slackgo.ResponseTypeEphemeral, Text: escape(text), Blocks: &slackgo.Blocks{BlockSet: blocks},
		Parse: "none", UnfurlLinks: &no, UnfurlMedia: &no,
	}}
}

// escape escapes the three characters that are markup in a message's text.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// silent reports whether an answer has nothing to show.
func silent(answer intake.Answer) bool { return says(answer) && len(answer.Lines) == 0 }

// says reports whether an answer has lines only.
func says(answer intake.Answer) bool {
	return answer.Kind == intake.Whisper || answer.Kind == intake.Accepted || answer.Kind == intake.Changed
}

// directly returns the acknowledgement that holds the whole answer, or nil.
func directly(d delivery, answer intake.Answer) any {
	switch {
	case d.command && says(answer) && len(answer.Lines) > 0:
		return ephemeral(answer.Lines, answer.Offer)
	case d.command && answer.Kind == intake.ShowCard && answer.Card != nil && len(answer.Lines) == 0:
		return message(cardText(*answer.Card), cardBlocks(*answer.Card, false, messageSize))
	case !d.form:
		return nil
	case answer.Kind == intake.Whisper && slices.Contains(d.inputs, answer.Input):
		return slackgo.NewErrorsViewSubmissionResponse(map[string]string{
			answer.Input: ellipsis(linesText(answer.Lines), maxSummary),
		})
	case answer.Kind == intake.Whisper:
		return updateResponse(linesView(d, answer.Lines, answer.Offer))
	case answer.Kind == intake.ShowForm && answer.Form != nil:
		return updateResponse(formView(d, *answer.Form))
	case answer.Kind == intake.ShowPage && answer.Page != nil:
		return updateResponse(pageView(d, *answer.Page))
	}
	return nil
}

func updateResponse(v slackgo.ModalViewRequest) *slackgo.ViewSubmissionResponse {
	return slackgo.NewUpdateViewSubmissionResponse(&v)
}

func linesText(lines []bot.Line) string {
	parts := make([]string, 0, len(lines))
	for _, l := range lines {
		parts = append(parts, l.String())
	}
	return strings.Join(parts, " ")
}

func (a *Adapter) give(ctx context.Context, d delivery, answer intake.Answer) error {
	if answer.Kind == intake.ShowPage || answer.Kind == intake.ShowCard {
		// Reading the messages may have taken a minute.
		at := d.event.Place
		var err error
		if at.Trouble, err = a.sightTrouble(ctx, at.Channel, d.event.By.User); err != nil {
			at.Trouble = bot.TroubleUnknown
		}
		if no, ok := a.o.Bot.PolicyNow().MayBeUsedIn(at).(*bot.Refusal); ok && at.Trouble != "" {
			return a.tell(ctx, d, []bot.Line{no.Why}, nil)
		}
	}
	switch {
	case silent(answer):
		if d.view == "" || !d.form {
			return nil
		}
		return a.tell(ctx, d, []bot.Line{bot.Say("window.done")}, nil) // into the window that says Checking
	case answer.Kind == intake.ShowForm && answer.Form != nil:
		if a.window(ctx, d, formView(d, *answer.Form)) == nil {
			return nil
		}
		return a.tell(ctx, d, []bot.Line{bot.Say("window.late")}, nil)
	case answer.Kind == intake.ShowPage && answer.Page != nil:
		if a.window(ctx, d, pageView(d, *answer.Page)) == nil {
			return nil
		}
		return a.whisper(ctx, d, message(summary(answer.Page.Title), pageBlocks(*answer.Page, messageSize)), content)
	case answer.Kind == intake.ShowCard && answer.Card != nil:
		if err := a.whisper(ctx, d, message(cardText(*answer.Card), cardBlocks(*answer.Card, false, messageSize)),
			content); err != nil {
			return err
		}
		for i, part := range noteParts(bot.Note{Lines: answer.Lines}) {
			if i == mostParts {
				break // a response_url takes five answers; the remaining parts are in the thread
			}
			if len(part.Lines) == 0 {
				break
			}
			if err := a.whisper(ctx, d, ephemeral(part.Lines, nil), words); err != nil {
				return err
			}
		}
		return nil
	}
	if len(answer.Lines) == 0 {
		return nil
	}
	if answer.Kind == intake.Changed && d.event.Act.OfLines() {
		m := ephemeral(answer.Lines, answer.Offer)
		m.ReplaceOriginal = true
		return a.whisper(ctx, d, m, words)
	}
	return a.tell(ctx, d, answer.Lines, answer.Offer)
}

// tell shows lines, and buttons for what is offered, to the person alone: in the window that is
// open for the event, or as a message.
func (a *Adapter) tell(ctx context.Context, d delivery, lines []bot.Line, offer *intake.Offer) error {
	if d.view != "" && a.window(ctx, d, linesView(d, lines, offer)) == nil {
		return nil
	}
	return a.whisper(ctx, d, ephemeral(lines, offer), words)
}

// mostParts is how many messages follow a card that only one person sees.
const mostParts = 4

// These constants say whether a message for one person has messages of the group in it.
const (
	content = true
	words   = false
)

// whisper shows a message to the person alone, in the first of the ways of reach that works. If
// none does, a line in the thread of the card, or in the channel, says where to look. A message
// with messages of the group is not sent as a direct message, which Slack announces with its words.
func (a *Adapter) whisper(ctx context.Context, d delivery, m *response, content bool) error {
	channel, user := d.event.Place.Channel, d.event.By.User
	err := a.reach(ctx, d.event.Reply, channel, user, m, !content)
	if err != nil && content {
		err = a.reach(ctx, "", channel, user, ephemeral([]bot.Line{bot.Say("answer.unshown")}, nil), true)
	}
	if err == nil || isDirect(channel) || channel == "" {
		return err
	}
	return a.aloud(ctx, channel, d.event.Act.Card.Message, d.event.By, intake.Unanswered(d.event))
}

// reach shows a message to one person alone: by a response_url, else as an ephemeral message, else,
// with direct, as a direct message.
func (a *Adapter) reach(ctx context.Context, reply, channel, user string, m *response, direct bool) error {
	err := errNoReply
	if reply != "" {
		if err = a.respond(ctx, reply, m); err == nil {
			return nil
		}
	}
	options := []slackgo.MsgOption{
		slackgo.MsgOptionText(m.Text, false), slackgo.MsgOptionBlocks(m.Blocks.BlockSet...),
		slackgo.MsgOptionParse(false), slackgo.MsgOptionDisableMarkdown(),
	}
	if !isDirect(channel) && channel != "" {
		if _, e := a.api.PostEphemeralContext(ctx, channel, user, options...); e == nil {
			return nil
		}
	}
	if direct {
		// Slack takes a user's id for the direct conversation with them.
		_, _, err = a.api.PostMessageContext(ctx, user, append(options, slackgo.MsgOptionDisableLinkUnfurl(),
			slackgo.MsgOptionDisableMediaUnfurl())...)
	}
	return err
}

// aloud posts a line that mentions one person where everybody reads it: in the thread of a card, or
// in the channel if there is none.
func (a *Adapter) aloud(ctx context.Context, channel, thread string, to bot.Account, l bot.Line) error {
	part := noteParts(bot.Note{Mention: &to, Lines: []bot.Line{l}})[0]
	o := options(summary(part.Lines...), noteBlocks(part, messageSize))
	_, err := a.post(ctx, channel, thread, o...)
	if thread != "" && errors.Is(err, bot.ErrGone) {
		_, err = a.post(ctx, channel, "", o...)
	}
	return err
}

// repliesFor is how long the response_url of what a person did last is remembered, by which they
// can be told something where the bot may not post. Slack takes it for half an hour.
const repliesFor = 29 * time.Minute

// Whisper tells a person something alone: by the response_url of what they did last, as an
// ephemeral message, or as a direct message. If none of these works, everybody reads w.Aloud.
func (a *Adapter) Whisper(ctx context.Context, w bot.Whisper) error {
	reply := ""
	if v, ok := a.asked.Get("reply " + w.To.User); ok {
		reply = v.(string)
	}
	err := a.reach(ctx, reply, w.At.Channel, w.To.User, ephemeral(w.Lines, nil), true)
	if err == nil {
		return nil
	}
	if err = a.classify(err); !errors.Is(err, bot.ErrForbidden) && !errors.Is(err, bot.ErrRefused) {
		return fmt.Errorf("sending a direct message on Slack: %w", err)
	}
	if err := a.aloud(ctx, w.At.Channel, w.Card.Message, w.To, w.Aloud); err != nil {
		return fmt.Errorf("telling a person on Slack: %w", a.classify(err))
	}
	return nil
}

var (
	errNoReply    = errors.New("the event came without a response_url")
	errBadReply   = errors.New("the response_url is not Slack's")
	errReplyEnded = errors.New("the response_url is not taken any more")
)

// replyWithin is the longest pause that is made before a person is answered by the same way again.
// Where Slack asks for a longer one, the next way is taken.
const replyWithin = defaultLater

// respond posts to a response_url, and repeats the post after a temporary failure. Its errors do
// not contain the address.
func (a *Adapter) respond(ctx context.Context, to string, m *response) error {
	u, err := url.Parse(to)
	if err != nil || !a.responses(u) {
		return errBadReply
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	for attempt := 0; ; attempt++ {
		pause, err := a.respondOnce(ctx, to, body)
		if err == nil || errors.Is(err, errReplyEnded) || attempt == 3 {
			return err
		}
		if pause == 0 {
			pause = 500 * time.Millisecond << attempt
		}
		if pause > replyWithin || sleep(ctx, pause) != nil {
			return err
		}
	}
}

func (a *Adapter) respondOnce(ctx context.Context, to string, body []byte) (pause time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, errBadReply
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := a.client.Do(r)
	if err != nil {
		return 0, clean(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // of a broken answer only the status counts
	switch {
	case resp.StatusCode == http.StatusOK:
		var said struct {
			OK    *bool  `json:"ok"`
			Error string `json:"error"`
		}
		if json.Unmarshal(answer, &said) == nil && said.OK != nil && !*said.OK {
			return 0, fmt.Errorf("%w: %s", errReplyEnded, said.Error)
		}
		return 0, nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return retryAfter(resp.Header), fmt.Errorf("answering: status %d", resp.StatusCode)
	case resp.StatusCode >= 500:
		return 0, fmt.Errorf("answering: status %d", resp.StatusCode)
	}
	return 0, fmt.Errorf("%w: status %d", errReplyEnded, resp.StatusCode)
}

// repair redraws a card that the person alone sees, and whose button was pressed, so that it shows
// the request as it is now. The teller redraws all other cards.
func (a *Adapter) repair(ctx context.Context, d delivery, answer intake.Answer) {
	if answer.Card == nil || answer.Kind == intake.ShowCard || !d.ephemeral || d.event.Reply == "" {
		return // only the response_url can change it
	}
	m := message(cardText(*answer.Card), cardBlocks(*answer.Card, false, messageSize))
	m.ReplaceOriginal = true
	if err := a.respond(ctx, d.event.Reply, m); err != nil {
		a.log.Warn("a pressed card could not be repaired", "event", d.event.ID, "err", clean(err))
	}
}

// recent remembers the last events whose answer has reached the person. The answer to an event that
// it has forgotten would be shown twice.
type recent struct {
	mu   sync.Mutex
	ids  [512]bot.EventID
	next int
	in   map[bot.EventID]bool
}

func (r *recent) add(id bot.EventID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in == nil {
		r.in = map[bot.EventID]bool{}
	}
	if r.in[id] {
		return
	}
	delete(r.in, r.ids[r.next])
	r.ids[r.next], r.in[id] = id, true
	r.next = (r.next + 1) % len(r.ids)
}

func (r *recent) has(id bot.EventID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.in[id]
}
