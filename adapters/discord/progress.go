package discord

import (
	"context"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// This file replaces the answer to a command while the messages are read that it asked for.

// progressEvery is the shortest time between two edits of an answer.
const progressEvery = 3 * time.Second

// answers remembers the answers to commands that asked for a recall, for as long as Discord takes
// edits of them.
type answers struct {
	mu sync.Mutex
	of map[bot.RequestID]*answered
}

// answered is such an answer.
type answered struct {
	mu        sync.Mutex
	over      bool   // nothing replaces it any more
	token     string // of the interaction
	offer     *intake.Offer
	at, shown time.Time
	told      bool
}

// keep remembers an answer, if it is one to a command that asked for a recall.
func (l *answers) keep(in *interaction, answer intake.Answer) {
	if answer.Kind != intake.Accepted || answer.Request == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[bot.RequestID]*answered{}
	}
	for id, was := range l.of {
		if time.Since(was.at) >= tokenLives {
			delete(l.of, id)
		}
	}
	l.of[answer.Request] = &answered{token: in.Token, offer: answer.Offer, at: time.Now(), shown: time.Now()}
}

// get returns the answer to the command that asked for a recall; nil if there is none that Discord
// takes edits of.
func (l *answers) get(id bot.RequestID) *answered {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.of[id]; was != nil && time.Since(was.at) < tokenLives {
		return was
	}
	return nil
}

// Progress edits the answer to the command that asked for a recall, at most once in three seconds,
// and at the end.
func (a *Adapter) Progress(ctx context.Context, id bot.RequestID, l bot.Line, r bot.Reading) {
	was := a.answers.get(id)
	if was == nil {
		return
	}
	was.mu.Lock()
	defer was.mu.Unlock()
	if was.over || r == bot.ReadingDone && !was.told || r == bot.ReadingOn && time.Since(was.shown) < progressEvery {
		return
	}
	was.shown, was.told = time.Now(), true
	if r == bot.ReadingOver {
		was.offer, was.over = nil, true
	}
	m := drawLines([]bot.Line{l})
	m.offer(was.offer)
	err := a.rest.complete(ctx, a.o.ApplicationID, &interaction{Token: was.token}, m)
	if err != nil && ctx.Err() == nil {
		a.log.Info("progress did not reach the person", "request", id, "err", err)
	}
}
