package intake

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// readingFailed tells a person why messages could not be read.
func (in *Intake) readingFailed(err error) bot.Line {
	words := err.Error()
	if _, api := history.JudgeRead(err); api != nil {
		words = bot.ApiWords(api.Code, api.Info) + " (" + bot.CodeDigits(api.Code) + ")"
	} else if errors.Is(err, context.DeadlineExceeded) {
		words = "no answer within " + bot.Duration(findWithin)
	}
	return bot.Say("answer.find.failed", "words", bot.Quote(bot.Cut(words, 300)))
}

// sayAfter tells the person that their command takes longer, unless stop is called within d. stop
// returns when nothing more will be said.
func (e Event) sayAfter(d time.Duration, l bot.Line) (stop func()) {
	if e.Progress == nil {
		return func() {}
	}
	said := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(said)
		e.Progress(l)
	})
	return func() {
		if !t.Stop() {
			<-said
		}
	}
}
