package intake

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// readingFailed returns a line that says why messages could not be read, in the words of the bot or
// of the service. It never repeats an error of the program, which may contain an address.
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

// sayAfter tells the person after d that their command takes longer, unless stop is called before.
// After stop has returned nothing more is said.
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
