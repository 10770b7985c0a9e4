package slack

// This file is the adapter as a bot.Surface: it posts and edits cards, and posts notes and files
// into their threads, for the teller. It converts Slack's errors to what the teller must do next.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"

	slackgo "github.com/slack-go/slack"
)

// defaultLater is how long to wait when Slack limits the rate and does not say for how long.
const defaultLater = 30 * time.Second

// Post posts a card. A post whose answer was lost may be repeated, and then there are two cards. A
// press on either names the same request.
func (a *Adapter) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	if err := a.posts.wait(ctx, at.Channel); err != nil {
		return bot.Ref{}, fmt.Errorf("waiting to post to Slack: %w", err)
	}
	var ref bot.Ref
	err := a.within(func(limit int) error {
		channel, ts, err := a.api.PostMessageContext(ctx, at.Channel,
			append(options(cardText(c), cardBlocks(c, true, limit)),
				slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: "recallbot_card",
					EventPayload: map[string]any{"key": key}}))...)
		ref = bot.Ref{Channel: channel, Message: ts}
		return err
	})
	if err != nil {
		return bot.Ref{}, fmt.Errorf("posting a card to Slack: %w", classify(err))
	}
	return ref, nil
}

// Edit redraws a message as c. An edit that only shows progress gets a *bot.Later when the edits
// that remain in this minute are reserved for others.
func (a *Adapter) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if err := a.edits.take(ctx, c.OnlyProgress()); err != nil {
		return fmt.Errorf("editing a card on Slack: %w", err)
	}
	update := func(limit int) error {
		_, _, _, err := a.api.UpdateMessageContext(ctx, ref.Channel, ref.Message,
			options(cardText(c), cardBlocks(c, false, limit))...)
		return err
	}
	err := a.within(update)
	if broken(err) && sleep(ctx, 500*time.Millisecond) == nil {
		err = a.within(update) // an edit may be made twice
	}
	if err != nil {
		return fmt.Errorf("editing a card on Slack: %w", classify(err))
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
	parts := noteParts(n)
	for i, part := range parts {
		if i < len(sent) {
			continue
		}
		if err := a.posts.wait(ctx, ref.Channel); err != nil {
			return bot.Ref{}, fmt.Errorf("waiting to post to Slack: %w", err)
		}
		var ts string
		err := a.within(func(limit int) (err error) {
			o := append(options(summary(part.Lines...), noteBlocks(part, limit)), slackgo.MsgOptionTS(thread),
				slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: "recallbot_note",
					EventPayload: map[string]any{"key": n.Key, "part": i}}))
			if part.Loud {
				o = append(o, slackgo.MsgOptionBroadcast())
			}
			_, ts, err = a.api.PostMessageContext(ctx, ref.Channel, o...)
			return err
		})
		if err != nil {
			return bot.Ref{}, fmt.Errorf("posting to a thread on Slack: %w", classify(err))
		}
		a.posted.Add(key, ts)
		sent = append(sent, ts)
	}
	at := bot.Ref{Channel: ref.Channel, Thread: thread, Message: sent[0]}
	if n.File == nil || len(n.File.Body) == 0 || len(sent) > len(parts) {
		return at, nil
	}
	_, err := a.api.UploadFileContext(ctx, slackgo.UploadFileParameters{
		Reader: bytes.NewReader(n.File.Body), FileSize: len(n.File.Body), Filename: n.File.Name, Title: n.File.Title,
		Channel: ref.Channel, ThreadTimestamp: thread,
	})
	if err = classify(err); errors.Is(err, bot.ErrForbidden) || errors.Is(err, bot.ErrRefused) {
		// The note is posted. A missing file does not justify an error, which no repetition would
		// mend.
		a.log.Warn("a file could not be uploaded", "err", err)
		why := bot.Say("file.refused")
		if code(err) == "missing_scope" {
			why = bot.Say("file.scope")
		}
		if _, _, err := a.api.PostMessageContext(ctx, ref.Channel,
			append(options(summary(why), lineBlocks([]bot.Line{why}, messageSize)),
				slackgo.MsgOptionTS(thread))...); err != nil {
			return bot.Ref{}, fmt.Errorf("posting to a thread on Slack: %w", classify(err))
		}
	} else if err != nil {
		return bot.Ref{}, fmt.Errorf("uploading a file to Slack: %w", err)
	}
	a.posted.Add(key, "file")
	return at, nil
}

// options returns those of every message: the text for the blocks, with its markup switched off.
func options(text string, blocks []slackgo.Block) []slackgo.MsgOption {
	return []slackgo.MsgOption{
		slackgo.MsgOptionText(text, true), slackgo.MsgOptionBlocks(blocks...), slackgo.MsgOptionParse(false),
		slackgo.MsgOptionDisableMarkdown(),
		slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
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
	if _, limited := errors.AsType[*slackgo.RateLimitedError](err); limited {
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

// classify converts an error of the library to an error of a bot.Surface.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if limited, ok := errors.AsType[*slackgo.RateLimitedError](err); ok {
		return &bot.Later{After: granted(limited), Err: err}
	}
	if status, ok := errors.AsType[slackgo.StatusCodeError](err); ok && status.Code == http.StatusTooManyRequests {
		return &bot.Later{After: defaultLater, Err: err}
	}
	switch c := code(err); c {
	case "":
		return clean(err)
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return &bot.Later{After: defaultLater, Err: err}
	case "message_not_found", "thread_not_found":
		return fmt.Errorf("%w: %w", bot.ErrGone, err)
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type",
		"org_login_required", "access_denied",
		"team_access_not_granted", "ekm_access_denied":
		// The token is the cause, not this message, which is posted when the token is mended.
		return &bot.Later{After: time.Minute, Err: err}
	default:
		switch {
		case passing(c):
			return err
		case barred(c):
			return fmt.Errorf("%w: %w", bot.ErrForbidden, err)
		}
		// an unknown code too: the message in its place shows whether the content was the cause
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	}
}

// granted bounds the time that Slack asks to wait. A negative time is an overflow in the library,
// and stands for a very long one.
func granted(limited *slackgo.RateLimitedError) time.Duration {
	if limited.RetryAfter < 0 {
		return bot.LaterMost
	}
	return min(max(limited.RetryAfter, time.Second), bot.LaterMost)
}

// retryAfter returns how long to wait, from the headers of a 429.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return defaultLater
	}
	return min(time.Duration(min(n, 3600))*time.Second, bot.LaterMost)
}
