package discord

// This file is the adapter as a bot.Surface: it posts and edits cards, and posts notes into their
// threads, for the teller. What Discord refuses is sent in another way if there is one, and
// otherwise the error says what the teller must do next.

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

// Platform returns ID.
func (a *Adapter) Platform() bot.Platform { return ID }

// Post posts a card, and notifies its approver roles. In a thread the card and its notes are posted
// in the thread.
func (a *Adapter) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	m := drawCard(c, c.Notify)
	m.Nonce, m.EnforceNonce = nonce(key), true
	where := first(at.Thread, at.Channel)
	id, err := a.rest.post(ctx, where, m)
	if err != nil {
		return bot.Ref{}, fmt.Errorf("posting a card: %w", barred(verdict(err)))
	}
	a.seen.put(id, c.ID, m)
	return bot.Ref{Channel: where, Message: id, Thread: at.Thread}, nil
}

// oldMessage is the age from which Discord limits the edits of a message, which is not documented.
// Progress is then shown in a separate message.
const oldMessage = 55 * time.Minute

// oldEditPause is the shortest wait when Discord refuses more edits of an old message for some time
// (30046). Shorter waits that Discord itself gave have been seen to fail.
const oldEditPause = 10 * time.Minute

// Edit redraws the message as the card is now. While a request runs whose card is an hour old, its
// progress is posted in the thread instead, because Discord soon refuses edits of old messages
// (30046). The card itself is edited when the state changes. An edit that would change nothing is
// not sent within ten seconds of the last one.
func (a *Adapter) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	known := a.seen.get(ref.Message)
	if (c.State == bot.Running || c.State == bot.Stopping) && c.OnlyProgress() && age(ref.Message) > oldMessage {
		return a.progress(ctx, ref, c, known)
	}
	m := drawCard(c, nil)
	if known.look == lookOf(m) && time.Since(known.drawn) < drawnFor {
		return nil
	}
	err := a.rest.edit(ctx, ref.Channel, ref.Message, m)
	if isCode(err, codeArchived) {
		if err = a.rest.unarchive(ctx, ref.Channel); err == nil {
			err = a.rest.edit(ctx, ref.Channel, ref.Message, m)
		}
	}
	if err != nil {
		return fmt.Errorf("editing a card: %w", verdict(err))
	}
	a.seen.put(ref.Message, c.ID, m)
	return nil
}

// progress shows the progress of a request in a message of the thread, which is edited until it is
// old itself.
func (a *Adapter) progress(ctx context.Context, ref bot.Ref, c bot.Card, known sight) error {
	line := bot.Say("note.progress", "id", c.ID, "progress", c.Title)
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

// silent is the flag SUPPRESS_NOTIFICATIONS: the post makes no sound.
const silent = 1 << 12

// longWait is the wait for a new thread from which on the note is posted without a thread. Calls
// are held for no longer.
const longWait = probeEvery

// Reply posts a note into the thread of the card, which it makes if necessary. If Discord refuses
// the thread (a missing permission, too many threads, a wait of a minute or more, a lock), the note
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
				if !threadRefused(err) && !errors.Is(verdict(err), bot.ErrRefused) { // ErrRefused: its name
					return bot.Ref{}, fmt.Errorf("opening a thread: %w", verdict(err))
				}
				return a.say(ctx, ref.Channel, ref, n, bot.Say("thread.refused"), ref)
			}
			if made = true; anew { // the messages of the deleted thread are lost, and this one has the same id
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

// threadRefused reports whether an error means that no thread can be made here at the moment.
func threadRefused(err error) bool {
	if later, ok := errors.AsType[*bot.Later](err); ok {
		return later.After >= longWait
	}
	return isCode(err, codeMissingAccess, codeMissingRight, codeChannelType, codeThreadLocked, codeTooManyThreads)
}

// say posts a note in as many messages as it needs, and returns the first one. If replyTo names a
// message, the note is a reply to it. When the same process tries again after an error, it
// continues with the first message that is not posted, since Discord recognizes a repeated nonce
// only for some minutes.
func (a *Adapter) say(ctx context.Context, channel string, replyTo bot.Ref, n bot.Note, before bot.Line,
	result bot.Ref) (bot.Ref, error) {
	note := a.posted.Key(channel, n)
	sent := a.posted.Of(note) // the messages that are already posted
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
			// the messages of the thread were deleted with it; the next thread has the same id
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

// send posts a message, if necessary without the parts that Discord refuses: it opens an archived
// thread, sends a reply as a plain message if the message that it answers stands, and leaves out a
// file and says so.
func (a *Adapter) send(ctx context.Context, channel string, m *message) (id string, err error) {
	for range 4 {
		id, err = a.rest.post(ctx, channel, m)
		switch {
		case isCode(err, codeArchived):
			if err := a.rest.unarchive(ctx, channel); err != nil {
				return "", err
			}
		case isCode(err, codeNoHistory) && m.Reference != nil:
			// without the reference Discord does not say that the answered message was deleted
			if err := a.rest.stands(ctx, channel, m.Reference.Message); err != nil {
				return "", err
			}
			m.Reference = nil
		case isCode(err, codeMissingRight) && m.file != nil:
			m.detach()
		default:
			return id, err
		}
	}
	return id, err
}

// threadName returns the name of a card's thread. Everybody sees a name and it cannot be escaped,
// so it contains no text of others.
func (a *Adapter) threadName(ref bot.Ref) string {
	return strings.TrimSpace(bot.Say("thread.name", "id", a.seen.get(ref.Message).request).String())
}

// nonce returns the value by which Discord recognizes a repeated post, at most 25 characters.
func nonce(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base32.StdEncoding.EncodeToString(sum[:])[:25]
}

// age returns how long ago a message was made, by its id.
func age(message string) time.Duration {
	const epoch = 1420070400000 // 2015-01-01, in unix milliseconds
	n, err := strconv.ParseUint(message, 10, 64)
	if err != nil {
		return 0
	}
	return time.Since(time.UnixMilli(int64(n>>22) + epoch))
}

// barred adds to an error of posting a card what its requester can do.
func barred(err error) error {
	why := ""
	switch {
	case isCode(err, codeMissingAccess):
		why = "barred.access"
	case isCode(err, codeMissingRight):
		why = "barred.right"
	case isCode(err, codeNotForText, codeChannelType):
		why = "barred.kind"
	case isCode(err, codeThreadLocked, codeArchived):
		why = "barred.locked"
	default:
		return err
	}
	return &bot.Barred{Why: bot.Say(why), Err: err}
}

func isCode(err error, codes ...int) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && slices.Contains(codes, e.Code)
}

// verdict adds to an error what it means for the teller: bot.ErrGone, bot.ErrForbidden or
// bot.ErrRefused. A *bot.Later is returned as it is.
func verdict(err error) error {
	if _, wait := errors.AsType[*bot.Later](err); wait {
		return err
	}
	e, ok := errors.AsType[*apiError](err)
	switch {
	case !ok, e.Page:
		return err
	case e.NoReply, isCode(err, codeUnknownChannel, codeUnknownGuild, codeUnknownMessage):
		return fmt.Errorf("%w: %w", bot.ErrGone, err)
	case isCode(err, codeAutoModerated, codeTitleModerated, codeHarmfulLink):
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	case e.Status == http.StatusForbidden,
		isCode(err, codeMissingAccess, codeMissingRight, codeNotForText, codeChannelType, codeArchived,
			codeThreadLocked, codeTooManyThreads):
		return fmt.Errorf("%w: %w", bot.ErrForbidden, err)
	// for every code: Discord will never accept the same body
	case e.Status == http.StatusBadRequest, e.Status == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", bot.ErrRefused, err)
	}
	return err
}
