package discord

// This file has the ways to reach one person alone when the first answer to an interaction does not
// reach them: a further answer, a direct message, and last a line that everybody sees and that says
// nothing but where to look.

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// lately remembers the last interaction of each user, for as long as Discord takes answers to it.
type lately struct {
	mu    sync.Mutex
	users map[string]recent
}

type recent struct {
	token string
	at    time.Time
}

// latelyMost is how many users are remembered. Beyond it, those whose interaction is too old go.
const latelyMost = 500

func (l *lately) put(user, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == nil {
		l.users = map[string]recent{}
	}
	for u, r := range l.users {
		if len(l.users) >= latelyMost || time.Since(r.at) >= tokenLives {
			delete(l.users, u)
		}
	}
	l.users[user] = recent{strings.Clone(token), time.Now()}
}

// of returns the token of the last interaction; "" if there is none that Discord takes answers to.
func (l *lately) of(user string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.users[user]; time.Since(r.at) < tokenLives {
		return r.token
	}
	return ""
}

// late gives a person the answer to an interaction when the first answer was another one, or was
// refused: as a message after it, or in the ways of reach. Messages of the group go by none of
// these, since others may read them there, or in a notification.
func (d *delivery) late(ctx context.Context, m *message, answer intake.Answer) error {
	if !d.unknown && d.a.follow(ctx, d.in, hide(m)) == nil {
		return nil
	}
	lines := answer.Lines
	switch {
	case answer.Kind == intake.ShowPage, answer.Kind == intake.ShowCard:
		lines = []bot.Line{bot.Say("answer.unshown")}
	case answer.Kind == intake.ShowForm:
		lines = []bot.Line{bot.Say("answer.form_late")}
	case len(lines) == 0:
		lines = []bot.Line{bot.Say("answer.done")}
	}
	w := bot.Whisper{To: d.event.By, At: d.event.Place, Card: d.event.Act.Card, Key: string(d.event.ID), Lines: lines,
		Aloud: intake.Unanswered(d.event)}
	if w.At.Workspace == "" {
		w.At.Channel = "" // a direct message
	}
	return d.a.reach(ctx, w)
}

// Whisper tells a person something alone, as an answer to their last interaction, or as a direct
// message.
func (a *Adapter) Whisper(ctx context.Context, w bot.Whisper) error {
	if token := a.lately.of(w.To.User); token != "" {
		if a.rest.follow(ctx, a.o.ApplicationID, &interaction{Token: token}, hide(drawLines(w.Lines))) == nil {
			return nil
		}
	}
	return a.reach(ctx, w)
}

// reach tells a person something in a direct message, or if Discord refuses that, in a line that
// everybody sees.
func (a *Adapter) reach(ctx context.Context, w bot.Whisper) error {
	m := drawLines(w.Lines)
	m.Nonce, m.EnforceNonce = nonce(w.Key+" "+w.To.User), true
	channel, err := a.rest.direct(ctx, w.To.User)
	if err == nil {
		_, err = a.rest.post(ctx, channel, m)
	}
	if err == nil {
		return nil
	}
	if _, later := laterOf(err); later {
		return fmt.Errorf("sending a direct message: %w", err)
	}
	if w.At.Channel == "" {
		return fmt.Errorf("sending a direct message: %w", err)
	}
	note := bot.Note{Key: w.Key + "/aloud", Mention: &w.To, Lines: []bot.Line{w.Aloud}}
	if w.Card.Message != "" {
		_, err = a.Reply(ctx, w.Card, note)
		return err
	}
	_, err = a.say(ctx, first(w.At.Thread, w.At.Channel), bot.Ref{}, note, nil, bot.Ref{})
	return err
}

// direct returns the channel for direct messages to a user.
func (r *rest) direct(ctx context.Context, user string) (string, error) {
	var channel id
	err := r.do(ctx, call{
		method: http.MethodPost, route: "/users/@me/channels", path: "/users/@me/channels",
		body: map[string]any{"recipient_id": user}, into: &channel, again: true,
	})
	return channel.ID, err
}
