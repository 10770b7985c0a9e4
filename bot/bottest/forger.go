package bottest

import (
	"iter"

	"recallbot/bot"
)

// Forger does in a Home what no honest client can: it presses what is not there, sends forms that
// were never opened, and changes who people are. It is implemented once for each platform, beside
// its fake.
type Forger interface {
	// Leads makes the users the approvers' group. Others makes them another group, and returns its
	// id.
	Leads(users ...string)
	Others(users ...string) string
	// Workspace is that of the accounts there, on a platform that has several.
	Workspace() string

	// Holds reports whether a button of a message carries that. Forge presses one that carries it,
	// whether or not it is there.
	Holds(on Shown, button bot.ButtonKind, carries string) bool
	Forge(user string, on bot.Ref, button bot.ButtonKind, carries string) Deed
	// Verdict sends the form of a verdict on what has the digest, filled in with the values; Ask
	// that of /recall. Found presses the button under what find found.
	Verdict(user string, on bot.Ref, id bot.RequestID, v bot.Verdict, digest string, values map[string]string) Deed
	Ask(user string, on bot.Ref, values map[string]string) Deed
	Found(user string, on bot.Ref) Deed
	// Repeat delivers a deed once more, as it was and signed anew, and returns what is wrong with
	// how that is answered. Said is what a deed was answered with in place.
	Repeat(d Deed) error
	Said(d Deed) string

	// Places are channels in which the bot is not to be used, and in each of which the user is.
	Places(user string) []Forbidden
	// Kinds brings about each kind of account and of place that is refused, one after the other,
	// all of them in the approvers' group beside an approver. It yields who acts then, and the
	// reason.
	Kinds(approver string) iter.Seq2[string, string]
	// Elsewhere has what the user does come from another workspace: at once, or from then on, which
	// is called after the bot was started anew.
	Elsewhere(user string) (then func())
}

// Forbidden is a channel in which the bot is not to be used, and the reason.
type Forbidden struct{ Channel, Why string }
