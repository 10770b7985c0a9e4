package bot

import (
	"strconv"
	"time"

	"recallbot/recall"
)

// CodeWords returns a code as a span in the bot's own words.
func CodeWords(c recall.Code) Span { return Span{Kind: Words, Text: CodeDigits(c)} }

// CodeDigits returns the number of a code without separators.
func CodeDigits(c recall.Code) string { return strconv.Itoa(int(c)) }

// ApiWords returns the API's own words about a code, or the meaning of the code where the API sent
// none.
func ApiWords(c recall.Code, info string) string {
	if info != "" {
		return info
	}
	return c.Meaning()
}

// Class is the kind of an outcome, as receipts, the CSV file and the audit log count it.
type Class string

// The six classes. Every message of an approved request ends in exactly one.
const (
	ClassRecalled Class = "recalled"
	ClassAlready  Class = "already recalled"
	ClassNotFound Class = "not found"
	ClassRefused  Class = "refused"
	ClassNotSent  Class = "not sent"
	ClassUnknown  Class = "unknown"
)

// Classes lists the six classes in the order of a receipt.
func Classes() []Class {
	return []Class{ClassRecalled, ClassAlready, ClassNotFound, ClassRefused, ClassNotSent, ClassUnknown}
}

// Why is the reason of an outcome, beside its class: a key of text/en.txt under "outcome.".
type Why string

// The reasons.
const (
	WhyVerified Why = "answer_lost_verified" // recalled: the answer was lost, history shows it recalled
	// recalled: the answer was lost, a callback reported the recall
	WhyHeard        Why = "answer_lost_told"
	WhyGone         Why = "gone"           // not found: expired or deleted
	WhyDidNotExist  Why = "did_not_exist"  // not sent: did not exist when approved
	WhyProtected    Why = "protected"      // not sent: protected sender
	WhyStopped      Why = "stopped"        // not sent: stopped before it was its turn
	WhyNotStarted   Why = "not_started"    // not sent: the request could not begin in time
	WhyChanged      Why = "changed"        // not sent: changed since it was approved
	WhyNotKnown     Why = "not_known"      // not sent: it is not known whether it existed when approved
	WhyNotReadAgain Why = "not_read_again" // not sent: could not be read again
	WhyStillThere   Why = "still_there"    // unknown: still there when last read
	WhyNoAnswer     Why = "no_answer"      // unknown: the answer was lost and no source could be read
	// unknown: the answer was lost and history does not show the message at all
	WhyMissingHistory Why = "missing_history"
)

// Confirmation is the source that an outcome rests on. The audit log and the receipt name it.
type Confirmation string

// The confirmations.
const (
	ByAnswer   Confirmation = "by the API's answer alone"
	ByHistory  Confirmation = "confirmed by history"
	ByCallback Confirmation = "confirmed by callback"
)

// Outcome is the result for one message: its class, the code or the reason, and the source for it.
// The zero Outcome means that the message has none yet. An outcome that is stored never changes.
type Outcome struct {
	Class     Class        `json:"class,omitempty"`
	Code      recall.Code  `json:"code,omitempty"` // the service's code, 0 where there is none
	Why       Why          `json:"why,omitempty"`
	Info      string       `json:"info,omitempty"` // the service's own words about a code that no table has
	At        time.Time    `json:"at,omitzero"`
	Confirmed Confirmation `json:"confirmed,omitempty"`
}

// Settled reports whether the message has its outcome.
func (o Outcome) Settled() bool { return o.Class != "" }

// Words returns the outcome as the thread says it.
func (o Outcome) Words() Line {
	switch {
	case o.Why != "":
		return Say("outcome." + string(o.Why))
	case o.Class == ClassRefused || o.Class == ClassNotFound:
		key := "outcome." + CodeDigits(o.Code)
		if _, ours := english[key]; ours {
			return Say(key)
		}
		info := o.Info
		if info == "" {
			info = o.Code.Meaning()
		}
		return Say("outcome.refused", "code", Span{Kind: Words, Text: CodeDigits(o.Code)}, "info",
			Quote(Cut(info, 200)))
	}
	return Say("outcome." + map[Class]string{ClassRecalled: "recalled", ClassAlready: "already",
		ClassUnknown: "unknown", ClassNotSent: "not_sent", ClassNotFound: "not_found"}[o.Class])
}

// OutcomeOfCode returns the outcome that a final code means for one message, where the message was
// never in doubt.
func OutcomeOfCode(code recall.Code, info string, now time.Time) Outcome {
	o := Outcome{Code: code, At: now, Confirmed: ByAnswer}
	switch code {
	case recall.CodeOK:
		o.Class = ClassRecalled
	case recall.CodeNoMessage:
		o.Class = ClassNotFound
	default:
		o.Class, o.Info = ClassRefused, info
	}
	return o
}
