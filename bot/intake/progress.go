package intake

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// readingFailed tells a person why messages could not be read, in words of the bot or the service:
// the error of the program may hold an address.
func (in *Intake) readingFailed(err error) bot.Line {
	words := bot.Say("failed.no_answer")
	if _, api := history.JudgeRead(err); api != nil {
		words = bot.Say("failed.code", "words", bot.Quote(bot.Cut(bot.ApiWords(api.Code, api.Info), 200)), "code",
			bot.CodeWords(api.Code))
	} else if errors.Is(err, context.DeadlineExceeded) {
		words = bot.Say("failed.too_slow", "within", findWithin)
	}
	return bot.Say("answer.find.failed", "words", words)
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
