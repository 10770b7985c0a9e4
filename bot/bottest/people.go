package bottest

import (
	"context"
	"time"

	"recallbot/bot"
)

// People are those who use a platform in memory: what they do there, and what each of them sees. It
// is implemented once for each platform, beside its fake. Users, groups and channels are named by
// the platform's ids, and a button by the beginning of its label.
//
// What people do returns at once: the Deed says what became of it. What cannot be done, such as
// pressing a button that is not there, is the Deed's problem.
type People interface {
	// Type types a line that begins with /recall or /recalls. Where the platform has options in
	// place of text, NAME:VALUE is filled into that option, and the words before it into those that
	// come first.
	Type(user, channel, line string) Deed
	// Complete types the beginning of a group and returns what is offered.
	Complete(user, channel, typed string) []string
	// Press presses a button of a message as it is shown, and PressOlder as an older copy shows it.
	Press(user string, on bot.Ref, label string) Deed
	PressOlder(user string, older Shown, label string) Deed
	// PressAlone presses a button of the newest of what user alone sees.
	PressAlone(user, label string) Deed
	// Form is the form that user has in front; Send fills it in, by the names of its inputs, and
	// sends it.
	Form(user string) (Form, bool)
	Send(user string, f Form, values map[string]string) Deed
	// FormsFollow reports whether a form opens only after the press was acknowledged, and not with
	// the acknowledgement.
	FormsFollow() bool

	// Look is a message as it is now; Channel and Thread are what everybody sees there, oldest
	// first; Alone is what user alone sees: messages, then windows and open forms.
	Look(at bot.Ref) (Shown, bool)
	Channel(id string) []Shown
	Thread(card bot.Ref) []Shown
	Alone(user string) []Shown
	// Notified is whom messages have called for, in order.
	Notified() []Ping
	// Complaints are what the adapter did that the platform takes but documents as wrong.
	Complaints() []string
}

// Deed is something that a person did, on its way.
type Deed interface {
	// Wait waits until the platform has told the person that it was taken; the error is what they
	// were told instead, or why they could not do it at all.
	Wait(ctx context.Context) error
	// Acked reports whether it was acknowledged in time, and AckedAfter how long that took.
	Acked() bool
	AckedAfter() time.Duration
	// Problem is the error that Wait returns, as far as it is known now; "" for none.
	Problem() string
	// Opened is the form that acknowledged it, where the platform opens forms so.
	Opened() (Form, bool)
	// Again delivers it once more, as the platform may.
	Again() Deed
}

// Shown is something that can be read.
type Shown struct {
	ID  string  // the platform's own, of the message or window
	Ref bot.Ref // of a message
	// Text is what its readers read, a line a line, without marks of style; times as
	// bot.Line.String writes them.
	Text string
	// Notice is what a notification of it says.
	Notice string
	// Picture is the whole of it as the platform's fake draws it.
	Picture string
	Buttons []string // labels
	// Live is what works in it: addresses that links lead to, and the ids of whom or what it
	// mentions.
	Live   []string
	Files  []bot.File
	Bot    bool // the bot wrote it
	Reply  bool // it answers another message, or stands in a thread
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

// Ping is somebody's attention that a message called for: a user's, a group's, or "everyone".
type Ping struct {
	Who      string
	InThread bool
}

// Labels are the beginnings of the labels of buttons, by the names that scripts have for them.
var Labels = map[string]string{
	string(bot.ButtonApprove): "Approve", string(bot.ButtonReject): "Reject", string(bot.ButtonShowAll): "Show all",
	string(bot.ButtonStop): "Stop", "next": "Next", "previous": "Previous", "recall": "Recall ",
}
