package recalltest

import (
	"slices"
	"time"
)

// A Fault is one thing that goes wrong with a call. Most leave the address,
// the UserSig and the quota to be checked as always, and strike after that.
type Fault struct {
	kind   faultKind
	code   int
	info   string
	d      time.Duration
	seqs   []Seq
	status int
}

type faultKind int

const (
	faultAnswer faultKind = iota
	faultPerMessage
	faultStatusBefore
	faultStatusAfter
	faultResetBefore
	faultResetAfter
	faultUnreachable
	faultAnswerLost
	faultActsLate
	faultDelay
	faultTruncated
	faultCutJSON
	faultHTML
	faultMissing
	faultNoList
	faultReordered
	faultTwice
	faultTwoCodes
	faultNoErrorInfo
	faultExtraFields
)

// Answer answers with a code in the envelope, and does nothing.
func Answer(code int, info string) Fault { return Fault{kind: faultAnswer, code: code, info: info} }

// AnswerAfter does what was asked, and answers with a code in the envelope
// all the same, as an internal error may.
func AnswerAfter(code int, info string) Fault {
	return Fault{kind: faultAnswer, code: code, info: info, status: 1}
}

// PerMessage gives the messages with these numbers (all of the call when
// there are none) a code in the list of a recall's answer, and leaves them.
func PerMessage(code int, seqs ...Seq) Fault {
	return Fault{kind: faultPerMessage, code: code, seqs: seqs}
}

// BadGateway does nothing, and answers with status 502 and a page of HTML.
func BadGateway() Fault { return Fault{kind: faultStatusBefore, status: 502} }

// BadGatewayAfter does what was asked, and then is a BadGateway.
func BadGatewayAfter() Fault { return Fault{kind: faultStatusAfter, status: 502} }

// Status does nothing, and answers with an HTTP status and an envelope that
// says OK, which nobody should believe. For a redirect it leads to another
// region.
func Status(status int) Fault { return Fault{kind: faultStatusBefore, status: status, code: 1} }

// Unreachable refuses the connection. It works in process only; the call does
// not arrive, and is not counted.
func Unreachable() Fault { return Fault{kind: faultUnreachable} }

// ResetBefore breaks the connection and does nothing.
func ResetBefore() Fault { return Fault{kind: faultResetBefore} }

// ResetAfter does what was asked and breaks the connection.
func ResetAfter() Fault { return Fault{kind: faultResetAfter} }

// AnswerLost does what was asked and never answers: the call hangs until the
// caller gives up.
func AnswerLost() Fault { return Fault{kind: faultAnswerLost} }

// ActsLate does not answer, and does what was asked d after the caller gave up.
func ActsLate(d time.Duration) Fault { return Fault{kind: faultActsLate, d: d} }

// Delay takes d longer to act and to answer, whatever the caller does.
func Delay(d time.Duration) Fault { return Fault{kind: faultDelay, d: d} }

// Truncated does what was asked, and the connection breaks in the middle of
// the answer.
func Truncated() Fault { return Fault{kind: faultTruncated} }

// CutJSON does what was asked, and the answer is whole by HTTP and ends in
// the middle of its JSON.
func CutJSON() Fault { return Fault{kind: faultCutJSON} }

// HTML does what was asked, and answers with status 200 and a page of HTML.
func HTML() Fault { return Fault{kind: faultHTML} }

// Missing does what was asked and leaves the entries of these messages (the
// last one when there are none) out of the list of a recall's answer.
func Missing(seqs ...Seq) Fault { return Fault{kind: faultMissing, seqs: seqs} }

// NoList does what was asked and leaves the whole list out.
func NoList() Fault { return Fault{kind: faultNoList} }

// Reordered turns the list of the answer around.
func Reordered() Fault { return Fault{kind: faultReordered} }

// Twice gives every entry of a recall's answer two times.
func Twice() Fault { return Fault{kind: faultTwice} }

// TwoCodes gives every entry of a recall's answer a second code, under a name
// that differs in letter case alone.
func TwoCodes(code int) Fault { return Fault{kind: faultTwoCodes, code: code} }

// NoErrorInfo leaves ErrorInfo out of the envelope, as a sample of the
// documentation does.
func NoErrorInfo() Fault { return Fault{kind: faultNoErrorInfo} }

// ExtraFields adds RequestId and ErrorDisplay to the envelope, and fields that
// nobody knows to it and to every entry.
func ExtraFields() Fault { return Fault{kind: faultExtraFields} }

// injected is a fault, or several at once, waiting for its calls.
type injected struct {
	command string
	left    int // negative: until cleared
	faults  []Fault
}

// Inject lets the next n calls of a command ("" for any command) meet the
// faults, all of them at once; every call from now on when n is negative.
// Faults injected later wait for those before them.
func (s *Service) Inject(command string, n int, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != 0 {
		s.faults = append(s.faults, &injected{command, n, faults})
	}
}

// ClearFaults takes back what was injected.
func (s *Service) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// meet returns the faults of one call of the command, and uses them up. With
// unreachable, it takes those that keep the call from arriving, and else the
// others.
func (s *Service) meet(command string, unreachable bool) strikes {
	for i, f := range s.faults {
		if f.command != "" && f.command != command {
			continue
		}
		if strikes(f.faults).has(faultUnreachable) != unreachable {
			return nil
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f.faults
	}
	return nil
}

type strikes []Fault

func (s strikes) get(k faultKind) (Fault, bool) {
	for _, f := range s {
		if f.kind == k {
			return f, true
		}
	}
	return Fault{}, false
}

func (s strikes) has(k faultKind) bool { _, ok := s.get(k); return ok }
