package history

import (
	"errors"

	"recallbot/bot"
	"recallbot/recall"
)

// Fault says what a failed read means for the request that needs it.
type Fault int

const (
	readLater     Fault = iota // try again
	ReadNever                  // this group has no history
	ReadRefused                // the request cannot continue: no such group, or no right
	ReadAppPaused              // the service refuses the app
	readSlower                 // too many calls; whether the messages can be read is still open
)

// JudgeRead returns what a failed read means. api is the service's own error, or nil if the service
// returned none.
func JudgeRead(err error) (kind Fault, api *recall.Error) {
	api, ok := errors.AsType[*recall.Error](err)
	if !ok {
		return readLater, nil
	}
	switch {
	case api.Code == recall.CodeGroupTypeNoHistory:
		return ReadNever, api
	case api.Code == recall.CodeNotAllowed || api.Code == recall.CodeNoGroup ||
		api.Code == recall.CodeBadGroupID:
		return ReadRefused, api
	case Pauses(api.Code):
		return ReadAppPaused, api
	case api.Code.Class() == recall.ClassNever:
		return ReadRefused, api
	case api.Code.Class() == recall.ClassSlower:
		return readSlower, api
	}
	return readLater, api
}

// Pauses reports whether a code of the whole answer means that the service refuses the app until
// somebody changes its configuration, so that no retry helps.
func Pauses(c recall.Code) bool {
	if c.Level() != recall.LevelApp {
		return false
	}
	switch c.Class() {
	case recall.ClassNever, recall.ClassWait, recall.ClassSignAgain:
		return true
	}
	return false
}

// WhatFailed returns a line that says why something could not be read, in the words of the bot or
// of the service. It never repeats an error of the program, which may contain an address.
func WhatFailed(err error) bot.Line {
	if _, api := JudgeRead(err); api != nil {
		return bot.Say("failed.code", "words", bot.Quote(bot.Cut(bot.ApiWords(api.Code, api.Info), 200)), "code",
			bot.CodeWords(api.Code))
	}
	return bot.Say("failed.no_answer")
}
