package discord

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"
)

var _ bot.Surface = (*Adapter)(nil)

// Platform is ID.
func (a *Adapter) Platform() bot.Platform { return ID }

// Post puts up a card, ringing for its approver roles. In a thread the card stands in the thread,
// and what follows does too.
func (a *Adapter) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	m := drawCard(c, c.Notify)
	m.Nonce, m.EnforceNonce = nonce(key), true
	where := first(at.Thread, at.Channel)
	id, err := a.rest.post(ctx, where, m)
	if err != nil {
		return bot.Ref{}, fmt.Errorf("posting a card: %w", verdict(err))
	}
	a.seen.put(id, c.ID)
	return bot.Ref{Channel: where, Message: id, Thread: at.Thread}, nil
}

// oldMessage is from when on Discord counts the edits of a message, with a limit that it does not
// document; progress is then shown in a message of its own.
const oldMessage = 55 * time.Minute

// oldEditPause is how long to wait at least where Discord allows no more edits of an old message
// for now (30046): a shorter wait that it names has been seen to be of no use.
const oldEditPause = 10 * time.Minute

// Edit makes the message show the card as it is now. While a request runs on a card that is an hour
// old, its progress is posted in the thread instead, because Discord soon refuses edits of old
// messages (30046); the card itself is edited when the state changes.
func (a *Adapter) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	known := a.seen.get(ref.Message)
	if (c.State == bot.Running || c.State == bot.Stopping) && c.OnlyProgress() && age(ref.Message) > oldMessage {
		return a.progress(ctx, ref, c, known)
	}
	m := drawCard(c, nil)
	err := a.rest.edit(ctx, ref.Channel, ref.Message, m)
	if isCode(err, codeArchived) {
		if err = a.rest.unarchive(ctx, ref.Channel); err == nil {
			err = a.rest.edit(ctx, ref.Channel, ref.Message, m)
		}
	}
	if err != nil {
		return fmt.Errorf("editing a card: %w", verdict(err))
	}
	a.seen.put(ref.Message, c.ID)
	return nil
}

// progress shows how far a request is in a message of the thread, which is edited until it is old
// itself.
func (a *Adapter) progress(ctx context.Context, ref bot.Ref, c bot.Card, known sight) error {
	line := bot.Say("note.progress", "id", c.ID, "progress", c.Progress)
	m := newMessage(fit(line, maxContent))
	if known.progress.Message != "" && age(known.progress.Message) < oldMessage {
		if err := a.rest.edit(ctx, known.progress.Channel, known.progress.Message, m); err != nil {
			return fmt.Errorf("showing progress: %w", verdict(err))
		}
		return nil
	}
	where := ref.Thread
	if where == "" {
		thread, _, err := a.rest.thread(ctx, ref.Channel, ref.Message, a.threadName(ref))
		if err != nil {
			return fmt.Errorf("showing progress: %w", verdict(err))
		}
		where = thread
	}
	m.Nonce, m.EnforceNonce = nonce(fmt.Sprintf("progress %s %d", ref.Message, c.Version)), true
	m.Flags = silent
	id, err := a.rest.post(ctx, where, m)
	if err != nil {
		return fmt.Errorf("showing progress: %w", verdict(err))
	}
	a.seen.progress(ref.Message, bot.Ref{Channel: where, Message: id})
	return nil
}

// silent posts without a sound: SUPPRESS_NOTIFICATIONS.
const silent = 1 << 12

// longWait is from when on a thread that may not be made yet is done without.
const longWait = 60 * time.Second

// Reply puts a note into the thread of the card, which is made at need. Where Discord refuses the
// thread (a missing permission, too many threads, a wait of more than a minute, a lock), the note
// is a reply to the card in the channel and says so. A loud note is always such a reply.
func (a *Adapter) Reply(ctx context.Context, ref bot.Ref, n bot.Note) (bot.Ref, error) {
	if n.Loud {
		return a.say(ctx, ref.Channel, ref, n, nil, ref)
	}
	thread := ref.Thread
	for made := false; ; made = true {
		if thread == "" {
			var anew bool
			var err error
			thread, anew, err = a.rest.thread(ctx, ref.Channel, ref.Message, a.threadName(ref))
			if err != nil {
				if !threadRefused(err) && !errors.Is(verdict(err), bot.ErrRefused) { // the latter: its name
					return bot.Ref{}, fmt.Errorf("opening a thread: %w", verdict(err))
				}
				return a.say(ctx, ref.Channel, ref, n, bot.Say("thread.refused"), ref)
			}
			if made = true; anew { // what stood in a thread before went with it, and this one bears the same id
				a.posted.Forget(a.posted.Key(thread, n))
			}
		}
		to := ref
		to.Thread = thread
		at, err := a.say(ctx, thread, bot.Ref{}, n, nil, to)
		switch {
		case isCode(err, codeUnknownChannel) && !made && thread != ref.Channel:
			thread = "" // somebody deleted the thread
		case thread != ref.Channel && threadRefused(err):
			return a.say(ctx, ref.Channel, ref, n, bot.Say("thread.refused"), ref)
		default:
			return at, err
		}
	}
}

// threadRefused reports whether an error means that there can be no thread here for now.
func threadRefused(err error) bool {
	if later, ok := errors.AsType[*bot.Later](err); ok {
		return later.After > longWait
	}
	return isCode(err, codeMissingAccess, codeMissingRight, codeChannelType, codeThreadLocked, codeTooManyThreads)
}

// say posts a note in as many messages as it needs, and returns where its first one stands. When
// replyTo names a message it is answered to. When it is tried again after an error, this process
// goes on where it stopped: Discord knows a repeat by its nonce for some minutes only.
func (a *Adapter) say(ctx context.Context, channel string, replyTo bot.Ref, n bot.Note, before bot.Line,
	result bot.Ref) (bot.Ref, error) {
	note := a.posted.Key(channel, n)
	sent := a.posted.Of(note) // the messages that stand already
	for i, m := range drawNote(n, before) {
		if i < len(sent) {
			continue
		}
		key := n.Key + " " + channel
		if i > 0 {
			key += " " + strconv.Itoa(i)
		}
		m.Nonce, m.EnforceNonce = nonce(key), true
		if replyTo.Message != "" {
			m.Reference = &reference{Message: replyTo.Message}
		}
		id, err := a.send(ctx, channel, m)
		if err != nil {
			// what stood in the thread went with it; the next one bears the same id
			if isCode(err, codeUnknownChannel) {
				a.posted.Forget(note)
			}
			return bot.Ref{}, fmt.Errorf("posting a note: %w", verdict(err))
		}
		a.posted.Add(note, id)
		sent = append(sent, id)
	}
	return bot.Ref{Channel: channel, Thread: result.Thread, Message: sent[0]}, nil
}

// send posts a message, doing without what Discord refuses beside the text: an archived thread is
// opened, a reply becomes a message, a file is left out and said to be.
func (a *Adapter) send(ctx context.Context, channel string, m *message) (id string, err error) {
	for range 4 {
		id, err = a.rest.post(ctx, channel, m)
		switch {
		case isCode(err, codeArchived):
			if err := a.rest.unarchive(ctx, channel); err != nil {
				return "", err
			}
		case isCode(err, codeNoHistory) && m.Reference != nil:
			m.Reference = nil
		case isCode(err, codeMissingRight) && m.file != nil:
			m.detach()
		default:
			return id, err
		}
	}
	return id, err
}

// threadName says what a thread is of. A name is seen by all and can hold no markup, so no word of
// others is in it.
func (a *Adapter) threadName(ref bot.Ref) string {
	return strings.TrimSpace(bot.Say("thread.name", "id", a.seen.get(ref.Message).request).String())
}

// nonce is what Discord tells a repeat by: at most 25 characters.
func nonce(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base32.StdEncoding.EncodeToString(sum[:])[:25]
}

// age is how long ago a message was made, by its id.
func age(message string) time.Duration {
	const epoch = 1420070400000 // 2015-01-01, in unix milliseconds
	n, err := strconv.ParseUint(message, 10, 64)
	if err != nil {
		return 0
	}
	return time.Since(time.UnixMilli(int64(n>>22) + epoch))
}

func isCode(err error, codes ...int) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && slices.Contains(codes, e.Code)
}

// verdict adds to an error what the teller should make of it: bot.ErrGone, bot.ErrForbidden or
// bot.ErrRefused. A *bot.Later says so itself.
func verdict(err error) error {
	if _, wait := errors.AsType[*bot.Later](err); wait {
		return err
	}
	e, ok := errors.AsType[*apiError](err)
	switch {
	case !ok:
		return err
	case isCode(err, codeUnknownChannel, codeUnknownGuild, codeUnknownMessage):
		return fmt.Errorf("%w: %w", bot.ErrGone, err)
	case isCode(err, codeAutoModerated, codeTitleModerated, codeHarmfulLink):
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	case e.Status == http.StatusForbidden,
		isCode(err, codeMissingAccess, codeMissingRight, codeNotForText, codeChannelType, codeArchived,
			codeThreadLocked, codeTooManyThreads):
		return fmt.Errorf("%w: %w", bot.ErrForbidden, err)
	// whatever the code: the same will never be taken
	case e.Status == http.StatusBadRequest, e.Status == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	}
	return err
}
