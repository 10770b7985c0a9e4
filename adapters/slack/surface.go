package slack

// This file is the adapter as a bot.Surface: it posts and edits cards, and posts notes and files
// into their threads, for the teller. It converts Slack's errors to what the teller must do next.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"

	slackgo "github.com/slack-go/slack"
)

// Post posts a card. A post whose answer was lost may be repeated, and then there are two cards. A
// press on either names the same request.
func (a *Adapter) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	c, shared := a.guard(ctx, at.Channel, c)
	if shared {
		return bot.Ref{}, &bot.Barred{Why: bot.Say("refuse.trouble.ext_shared"), Err: errShared}
	}
	var ref bot.Ref
	err := a.within(func(limit int) (err error) {
		text, blocks := cardText(c), cardBlocks(c, true, limit)
		ref, err = a.post(ctx, at.Channel, "", append(options(text, blocks),
			slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: "recallbot_card",
				EventPayload: map[string]any{"key": key}}))...)
		if err == nil {
			a.drew(ref, text, blocks)
		}
		return err
	})
	if err == nil {
		return ref, nil
	}
	why := bars[code(err)]
	err = fmt.Errorf("posting a card to Slack: %w", a.classify(err))
	if why != "" {
		err = &bot.Barred{Why: bot.Say(why), Err: err}
	}
	return bot.Ref{}, err
}

// bars are the sentences for the error codes with which Slack refuses every card in a channel until
// people change something.
var bars = map[string]string{
	"not_in_channel":                           "bar.invite",
	"channel_not_found":                        "bar.invite", // a private channel that the bot is not in
	"is_archived":                              "bar.archived",
	"is_inactive":                              "bar.archived",
	"restricted_action":                        "bar.restricted",
	"restricted_action_read_only_channel":      "bar.restricted",
	"restricted_action_non_threadable_channel": "bar.restricted",
	"restricted_action_thread_locked":          "bar.restricted",
	"posting_to_general_channel_denied":        "bar.restricted",
	"restricted_action_thread_only_channel":    "bar.replies",
	"missing_scope":                            "bar.scope",
	"no_permission":                            "bar.scope",
}

// errShared is the error of a card with messages for a channel that has become shared.
var errShared = fmt.Errorf("%w: the channel is shared with another organisation, which would see the messages",
	bot.ErrForbidden)

// guard returns a card as it may be shown in a channel now: without the content of messages where
// the channel is shared with another organisation, which shared reports, and where Slack does not
// say whether it is.
func (a *Adapter) guard(ctx context.Context, channel string, c bot.Card) (_ bot.Card, shared bool) {
	plain, had := bot.HideContent(c)
	if !had {
		return c, false
	}
	ctx, cancel := context.WithTimeout(ctx, replyWithin)
	defer cancel()
	switch trouble, err := a.placeTrouble(ctx, channel, shownFor); {
	case err != nil:
		return plain, false
	case trouble == bot.TroubleExtShared:
		return plain, true
	}
	return c, false
}

// post posts a message to a channel or, if thread is not "", into that thread, when it is its turn.
// Slack posts a reply to a message that was deleted in the channel itself, and says so only in its
// answer. Such a reply is deleted at once, and the error is a bot.ErrGone.
func (a *Adapter) post(ctx context.Context, channel, thread string, o ...slackgo.MsgOption) (bot.Ref, error) {
	var ref bot.Ref
	err := a.holds.call("chat.postMessage "+channel, func() error {
		if err := a.posts.wait(ctx, channel); err != nil {
			return fmt.Errorf("waiting for the channel's turn: %w", err)
		}
		o := append(o, slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
		if thread != "" {
			o = append(o, slackgo.MsgOptionTS(thread))
		}
		in, ts, m, err := a.api.PostMessageWithResponseContext(ctx, channel, o...)
		if err != nil {
			return err
		}
		if thread != "" && m.ThreadTimestamp != thread {
			a.takeBack(ctx, in, ts)
			return fmt.Errorf("%w: the message that begins the thread was deleted", bot.ErrGone)
		}
		ref = bot.Ref{Channel: in, Message: ts}
		return nil
	})
	return ref, err
}

// stands returns an error unless a message is known to stand.
func (a *Adapter) stands(ctx context.Context, channel, ts string) error {
	_, err := a.api.GetPermalinkContext(ctx, &slackgo.PermalinkParameters{Channel: channel, Ts: ts})
	return err
}

// takeBack deletes a message that stands where it was not to be.
func (a *Adapter) takeBack(ctx context.Context, channel, ts string) {
	var err error
	for attempt := range 3 {
		if _, _, err = a.api.DeleteMessageContext(ctx, channel, ts); err == nil || code(err) == "message_not_found" {
			return
		}
		if sleep(ctx, time.Second<<attempt) != nil {
			break
		}
	}
	a.log.Error("a reply stands outside its thread, whose first message was deleted, and could not be deleted",
		"channel", channel, "message", ts, "err", clean(err))
}

// drawnFor is how long what a message shows is remembered, so that an edit that would change
// nothing is not sent. It is short, since an edit also finds out that the message was deleted.
const drawnFor = 10 * time.Second

// drew remembers what a message shows.
func (a *Adapter) drew(ref bot.Ref, text string, blocks []slackgo.Block) {
	a.asked.Set("drawn "+ref.Channel+" "+ref.Message, look(text, blocks), drawnFor)
}

// shows reports whether a message was drawn so a moment ago.
func (a *Adapter) shows(ref bot.Ref, text string, blocks []slackgo.Block) bool {
	was, ok := a.asked.Get("drawn " + ref.Channel + " " + ref.Message)
	return ok && was == look(text, blocks)
}

// look identifies what a message shows.
func look(text string, blocks []slackgo.Block) [sha256.Size]byte {
	body, err := json.Marshal(blocks)
	if err != nil {
		panic(err) // unreachable: blocks always marshal
	}
	return sha256.Sum256(append([]byte(text+"\n"), body...))
}

// Edit redraws a message as c. An edit that only shows progress gets a *bot.Later when the edits
// that remain in this minute are reserved for others. An edit that would change nothing is not sent
// within ten seconds of the last one.
func (a *Adapter) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	c, _ = a.guard(ctx, ref.Channel, c)
	if a.shows(ref, cardText(c), cardBlocks(c, false, messageSize)) {
		return nil
	}
	update := func(limit int) error {
		text, blocks := cardText(c), cardBlocks(c, false, limit)
		_, _, _, err := a.api.UpdateMessageContext(ctx, ref.Channel, ref.Message, options(text, blocks)...)
		if err == nil {
			a.drew(ref, text, blocks)
		}
		return err
	}
	err := a.holds.call("chat.update", func() error {
		if err := a.edits.take(ctx, c.OnlyProgress()); err != nil {
			return err
		}
		err := a.within(update)
		if broken(err) && sleep(ctx, 500*time.Millisecond) == nil {
			err = a.within(update) // an edit may be made twice
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("editing a card on Slack: %w", a.classify(err))
	}
	return nil
}

// Reply posts a note into the thread of a card, and then its file. A note that is too long for one
// message becomes several, of which Reply returns the first. When the same process tries again
// after an error, it continues with the first message that is not posted.
func (a *Adapter) Reply(ctx context.Context, ref bot.Ref, n bot.Note) (bot.Ref, error) {
	thread := firstOf(ref.Thread, ref.Message)
	key := a.posted.Key(ref.Channel+" "+thread, n)
	sent := a.posted.Of(key) // the messages that are already posted
	if len(sent) == 0 && (len(n.Notify) > 0 || n.Mention != nil) {
		// Outside its thread it would call people too, and a call cannot be taken back.
		err := a.holds.call("chat.getPermalink", func() error { return a.stands(ctx, ref.Channel, thread) })
		if err != nil {
			return bot.Ref{}, fmt.Errorf("looking for a card on Slack: %w", a.classify(err))
		}
	}
	parts := noteParts(n)
	for i, part := range parts {
		if i < len(sent) {
			continue
		}
		var at bot.Ref
		err := a.within(func(limit int) (err error) {
			o := append(options(summary(part.Lines...), noteBlocks(part, limit)),
				slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: "recallbot_note",
					EventPayload: map[string]any{"key": n.Key, "part": i}}))
			if part.Loud {
				o = append(o, slackgo.MsgOptionBroadcast())
			}
			at, err = a.post(ctx, ref.Channel, thread, o...)
			return err
		})
		if err != nil {
			return bot.Ref{}, fmt.Errorf("posting to a thread on Slack: %w", a.classify(err))
		}
		a.posted.Add(key, at.Message)
		sent = append(sent, at.Message)
	}
	at := bot.Ref{Channel: ref.Channel, Thread: thread, Message: sent[0]}
	if n.File == nil || len(n.File.Body) == 0 || len(sent) > len(parts) {
		return at, nil
	}
	err := a.upload(ctx, ref.Channel, thread, *n.File)
	if err = a.classify(err); errors.Is(err, bot.ErrForbidden) || errors.Is(err, bot.ErrRefused) {
		// The note is posted. A missing file does not justify an error, which no repetition would
		// mend.
		a.log.Warn("a file could not be uploaded", "err", err)
		why := bot.Say("file.refused")
		switch code(err) {
		case "missing_scope":
			why = bot.Say("file.scope")
		case "not_in_channel": // chat:write.public allows messages, not files
			why = bot.Say("file.invite")
		}
		if _, err := a.post(ctx, ref.Channel, thread,
			options(summary(why), lineBlocks([]bot.Line{why}, messageSize))...); err != nil {
			return bot.Ref{}, fmt.Errorf("posting to a thread on Slack: %w", a.classify(err))
		}
	} else if err != nil {
		return bot.Ref{}, fmt.Errorf("uploading a file to Slack: %w", err)
	}
	a.posted.Add(key, "file")
	return at, nil
}

// errUploads is the error of an address for a file that is not Slack's.
var errUploads = errors.New("the address for the file is not Slack's")

// upload shares a file in a thread. The file is sent as it is: the form that the library sends it
// in ends twice, which some servers refuse. Slack does not say whether a file came into its thread,
// so that the message that begins the thread is looked for right before.
func (a *Adapter) upload(ctx context.Context, channel, thread string, f bot.File) error {
	return a.holds.call("files", func() error {
		place, err := a.api.GetUploadURLExternalContext(ctx,
			slackgo.GetUploadURLExternalParameters{FileName: f.Name, FileSize: len(f.Body)})
		if err != nil {
			return err
		}
		if u, err := url.Parse(place.UploadURL); err != nil || !a.uploads(u) {
			return errUploads
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, place.UploadURL, bytes.NewReader(f.Body))
		if err != nil {
			return errUploads
		}
		r.Header.Set("Content-Type", "application/octet-stream")
		resp, err := a.client.Do(r)
		if err != nil {
			return clean(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			return &slackgo.RateLimitedError{RetryAfter: retryAfter(resp.Header)}
		} else if resp.StatusCode != http.StatusOK {
			return slackgo.StatusCodeError{Code: resp.StatusCode, Status: resp.Status}
		}
		if err := a.stands(ctx, channel, thread); err != nil {
			return err
		}
		_, err = a.api.CompleteUploadExternalContext(ctx, slackgo.CompleteUploadExternalParameters{
			Files: []slackgo.FileSummary{{ID: place.FileID, Title: f.Title}}, Channel: channel,
			ThreadTimestamp: thread,
		})
		return err
	})
}

// options returns those of every message: the text for the blocks, with its markup switched off.
func options(text string, blocks []slackgo.Block) []slackgo.MsgOption {
	return []slackgo.MsgOption{
		slackgo.MsgOptionText(text, true), slackgo.MsgOptionBlocks(blocks...), slackgo.MsgOptionParse(false),
		slackgo.MsgOptionDisableMarkdown(),
	}
}

// within sends what fits into a message, and less if Slack refuses that as too long.
func (a *Adapter) within(send func(limit int) error) error {
	err := send(messageSize)
	switch code(err) {
	case "msg_blocks_too_long", "msg_too_long", "invalid_blocks":
		return send(messageSizeSmall)
	}
	return err
}

// broken reports whether a call failed in the network or with a temporary error, so that Slack may
// or may not have carried it out.
func broken(err error) bool {
	if err == nil {
		return false
	}
	if status, ok := errors.AsType[slackgo.StatusCodeError](err); ok {
		return status.Code >= 500
	}
	if _, limited := rateLimit(err); limited {
		return false
	}
	switch code(err) {
	case "":
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return true
	}
	return false
}

// passing reports whether an error code is temporary.
func passing(c string) bool {
	switch c {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
		"team_added_to_org":
		return true
	}
	return false
}

// barred reports whether an error code is about the channel, or about the bot's permissions there,
// and not about the message.
func barred(c string) bool {
	switch c {
	// channel_not_found too: it is the answer for a private channel from which the bot was removed
	case "not_in_channel", "channel_not_found",
		"is_archived", "is_inactive", "channel_type_not_supported", "external_channel_migrating",
		"messages_tab_disabled", "posting_to_general_channel_denied",
		"cant_update_message", "edit_window_closed",
		"missing_scope", "no_permission", "user_is_restricted", "accesslimited", "enterprise_is_restricted",
		"forbidden_team", "team_not_found", "two_factor_setup_required":
		return true
	}
	return strings.HasPrefix(c, "restricted_action")
}

// classify does what the function of that name does, for a call of the Surface.
func (a *Adapter) classify(err error) error {
	a.doubt(err)
	return classify(err)
}

// classify converts an error of the library to an error of a bot.Surface.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*bot.Later](err); ok || errors.Is(err, bot.ErrGone) {
		return err
	}
	if after, ok := rateLimit(err); ok {
		return &bot.Later{After: after, Err: err}
	}
	switch c := code(err); c {
	case "":
		return clean(err)
	case "message_not_found", "thread_not_found":
		return fmt.Errorf("%w: %w", bot.ErrGone, err)
	case "team_access_not_granted":
		return &bot.Later{After: time.Minute, Err: err}
	default:
		switch {
		case tokenRefused(c):
			// The token is the cause, not this message, which is posted when the token is mended.
			return &bot.Later{After: time.Minute, Err: err}
		case passing(c):
			return err
		case barred(c):
			return fmt.Errorf("%w: %w", bot.ErrForbidden, err)
		}
		// an unknown code too: the message in its place shows whether the content was the cause
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	}
}

// retryAfter returns how long to wait, from the headers of a 429.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return defaultLater
	}
	return min(time.Duration(min(n, 3600))*time.Second, bot.LaterMost)
}
