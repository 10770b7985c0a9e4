package bottest

import (
	"context"
	"encoding/json"
	"time"

	"recallbot/bot"
)

// People is a platform in memory as its users use it: what they do there, and what each of them
// sees. It is implemented once for each platform, beside its fake. Users, groups and channels have
// the ids of the platform, and a button is named by the beginning of its label.
//
// A method that acts returns at once, and its Deed says what came of it. If an action is
// impossible, such as pressing a button that does not exist, the Deed has the problem.
type People interface {
	// Type types a line that begins with /recall or /recalls. On a platform that has options
	// instead of text, each NAME:VALUE fills in that option, and the words before it fill in the
	// first options.
	Type(user, channel, line string) Deed
	// Complete types the beginning of a group and returns the choices that are offered.
	Complete(user, channel, typed string) []string
	// Press presses a button of a message as it is shown. PressOlder presses one of an older copy.
	Press(user string, on bot.Ref, label string) Deed
	PressOlder(user string, older Shown, label string) Deed
	// PressAlone presses a button of the newest message that only the user sees.
	PressAlone(user, label string) Deed
	// Form returns the form that the user has open. Send fills it in, by the names of its inputs,
	// and sends it.
	Form(user string) (Form, bool)
	Send(user string, f Form, values map[string]string) Deed
	// Close closes the window or form that the user has in front, if there is one.
	Close(user string)
	// FormsFollow reports whether a form opens after the press was acknowledged, rather than with
	// the acknowledgement.
	FormsFollow() bool

	// Look returns a message as it is now. Channel and Thread return what everybody sees there,
	// oldest first. Alone returns what only the user sees: messages, then windows and open forms.
	Look(at bot.Ref) (Shown, bool)
	Channel(id string) []Shown
	Thread(card bot.Ref) []Shown
	Alone(user string) []Shown
	// Notified returns everybody whom messages have notified, in order.
	Notified() []Ping
	// Complaints returns the calls of the adapter that the platform accepts but documents as wrong.
	Complaints() []string
}

// Deed is an action of a person that may still be in progress.
type Deed interface {
	// Wait waits until the platform has confirmed the action to the person. The error is what the
	// person was told instead, or why the action was impossible.
	Wait(ctx context.Context) error
	// Acked reports whether the action was acknowledged in time, and AckedAfter how long that took.
	Acked() bool
	AckedAfter() time.Duration
	// Problem returns the text of the error that Wait would return, as far as it is known now, or
	// "".
	Problem() string
	// Opened returns the form that the acknowledgement opened, on a platform where it can.
	Opened() (Form, bool)
	// Again delivers the action once more, as the platform may.
	Again() Deed
}

// Shown is a message, a window or a form as its readers see it.
type Shown struct {
	ID  string  // the platform's own, of the message or window
	Ref bot.Ref // of a message
	// Text is what its readers read, without marks of style. Times are written as bot.Line.String
	// writes them.
	Text string
	// Notice is the text of its notification.
	Notice string
	// Picture is all of it as the platform's fake draws it, in text. HTML draws the same for a
	// browser, styled by Home.Style, and shows the question that the button with the label asking
	// asks before it acts, where the platform itself asks; "" for none. Its buttons submit the form
	// that is put around them: "press" is the label of the button, "confirm" that of the one whose
	// question is answered with yes, and "cancel" of the one answered with no; a form that people
	// fill in is sent by "send" and closed by "close".
	Picture string
	HTML    func(asking string) string
	JSON    json.RawMessage // of a message, as the platform's API tells it: what is drawn
	Buttons []string        // labels
	// Live has the addresses of its links, and the ids of whom or what it mentions.
	Live   []string
	Files  []bot.File
	Bot    bool // the bot wrote it
	Reply  bool // it answers another message, or is in a thread
	Window bool // it is a window or a form, not a message
	Own    any  // the fake's own value
}

// Form is a form that a person has open.
type Form struct {
	Title  string
	Text   string   // labels and hints
	Inputs []string // names
	Own    any      // the fake's own value
}

// Ping is a notification: of a user, of a group, or of "everyone".
type Ping struct {
	Who      string
	InThread bool
	Text     string // what a phone shows of the message
}

// Labels has the beginnings of the labels of buttons, by their names in scripts.
var Labels = map[string]string{
	string(bot.ButtonApprove): "Approve", string(bot.ButtonReject): "Reject", string(bot.ButtonShowAll): "Show all",
	string(bot.ButtonStop): "Stop", "first": "First", "next": "Next", "previous": "Previous", "last": "Last",
	"recall": "Recall all", string(bot.ButtonAskAgain): "Ask again for", "without": "Ask again without",
	"use": "Use this", "use_1": "Use 1", "use_2": "Use 2",
	"back": "Take back", "sweep": "Everything of this sender",
}
