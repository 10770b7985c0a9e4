package intake

import (
	"context"
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

const (
	findWithin = 60 * time.Second // how long a search may take until it fails
	findQuiet  = 2 * time.Second  // how long it may take until the person gets a progress line
)

// readingFailed returns a line that says why messages could not be read.
func readingFailed(err error) bot.Line {
	words := history.WhatFailed(err)
	if _, api := history.JudgeRead(err); api == nil && errors.Is(err, context.DeadlineExceeded) {
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
