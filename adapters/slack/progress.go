package slack

// This file replaces the answer to a command while the messages are read that it asked for.

import (
	"context"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// progressAfter are the times after the answer to a command from which on progress replaces it,
// once for each.
var progressAfter = []time.Duration{3 * time.Second, 15 * time.Second, time.Minute}

// progressUses is how many of the five uses of a response_url the answer and its progress may take.
// The last two are kept for what the person is told at the end.
const progressUses = 3

// answered is the answer to a command that asked for a recall. Slack takes what replaces it by the
// response_url of the command.
type answered struct {
	mu    sync.Mutex
	over  bool // nothing replaces it any more
	reply string
	offer *intake.Offer
	at    time.Time
	uses  int // of the response_url
	told  int // of progressAfter
}

// keepAnswer remembers the answer to a command that asked for a recall, which took so many uses of
// its response_url.
func (a *Adapter) keepAnswer(d delivery, answer intake.Answer, uses int) {
	if answer.Kind == intake.Accepted && answer.Request != "" && d.command && d.event.Reply != "" {
		a.asked.Set("answer "+string(answer.Request), &answered{reply: d.event.Reply, offer: answer.Offer,
			at: time.Now(), uses: uses}, repliesFor)
	}
}

// Progress replaces the answer to the command that asked for a recall, three, 15 and 60 seconds
// after it, and at the end.
func (a *Adapter) Progress(ctx context.Context, id bot.RequestID, l bot.Line, r bot.Reading) {
	v, ok := a.asked.Get("answer " + string(id))
	if !ok {
		return
	}
	was := v.(*answered)
	was.mu.Lock()
	defer was.mu.Unlock()
	if was.over || r == bot.ReadingDone && was.told == 0 || r == bot.ReadingOn && (was.told == len(progressAfter) ||
		was.uses >= progressUses || time.Since(was.at) < progressAfter[was.told]) {
		return
	}
	was.told++
	was.uses++
	if r == bot.ReadingOver {
		was.offer, was.over = nil, true
	}
	m := ephemeral([]bot.Line{l}, was.offer)
	m.ReplaceOriginal = true
	if err := a.respond(ctx, was.reply, m); err != nil && ctx.Err() == nil {
		a.log.Info("progress did not reach the person", "request", id, "err", clean(err))
	}
}
