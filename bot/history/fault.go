package history

import (
	"errors"

	"recallbot/recall"
)

// Fault says what a failed reading means for what is being prepared or settled.
type Fault int

const (
	readLater     Fault = iota // try again
	ReadNever                  // this group has no history
	ReadRefused                // the request cannot go on: no such group, no right
	ReadAppPaused              // the app is refused
	readSlower                 // asked too often: it says nothing of whether the messages can be read
)

// JudgeRead tells what a failed reading means. api is the service's own error where it gave one.
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

// Pauses reports whether a code in the envelope says that the app cannot be served until somebody
// mends it: no retry helps.
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
