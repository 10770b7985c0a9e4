package recall

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// An Error is the API saying no: the call arrived, and its envelope (or, for
// get_group_info, the group's own entry) holds a code that is not 0. What to
// do next follows from [Code.Class], what it condemns from [Code.Level].
type Error struct {
	Op        string // the command, such as "group_msg_recall"
	Code      Code
	Info      string // the API's own words, bounded; written by the service, so not to be trusted in markup
	RequestID string // the service's name for the call, where it gave one
}

// Error returns command, code, name and the API's words. It never holds an
// address or a UserSig.
func (e *Error) Error() string {
	s := "recall: " + e.Op + ": " + strconv.Itoa(int(e.Code)) + " " + e.Code.Name()
	if e.Info != "" {
		s += " (the API says " + strconv.Quote(e.Info) + ")"
	}
	if e.RequestID != "" {
		s += " [request " + e.RequestID + "]"
	}
	return s
}

// A FaultKind says how far a call got that has no answer.
type FaultKind int

const (
	// FaultNotSent: no byte of the request left. Nothing can have happened.
	FaultNotSent FaultKind = iota
	// FaultNoAnswer: the request was sent, or may have been, and no answer of
	// the API came back: a timeout, a broken connection, an HTTP status other
	// than 200. What the service did is not known.
	FaultNoAnswer
	// FaultUnreadable: something came back with status 200 that is not an
	// answer of the API: not JSON, cut off, too long, without ErrorCode.
	// What the service did is not known.
	FaultUnreadable
)

func (k FaultKind) String() string {
	switch k {
	case FaultNotSent:
		return "never sent"
	case FaultNoAnswer:
		return "no answer"
	case FaultUnreadable:
		return "unreadable answer"
	}
	return "fault " + strconv.Itoa(int(k))
}

// A Fault is a call without an answer of the API. For a recall, only
// [FaultNotSent] proves that nothing was recalled.
type Fault struct {
	Op     string
	Kind   FaultKind
	Status int   // the HTTP status, where one came and was not 200
	Err    error // the cause; never an error that holds the request's address
}

// Error returns command, kind and cause. It never holds an address or a UserSig.
func (f *Fault) Error() string {
	return fmt.Sprintf("recall: %s: %v: %v", f.Op, f.Kind, f.Err)
}

// Unwrap returns the cause: what [RecallRequest].Before returned, the
// context's error, the network's.
func (f *Fault) Unwrap() error { return f.Err }

// Is makes errors.Is(err, ErrNotSent) true for a FaultNotSent.
func (f *Fault) Is(target error) bool {
	return target == ErrNotSent && f.Kind == FaultNotSent
}

// MayHaveActed reports whether the service may have done what was asked.
func (f *Fault) MayHaveActed() bool { return f.Kind != FaultNotSent }

// Retryable reports whether the same call may do better later. It is false
// for a request that breaks a limit and for a call that the caller took back
// (the context was cancelled, Before refused). A recall that
// [Fault.MayHaveActed] should be looked up in the history first.
func (f *Fault) Retryable() bool {
	return !errors.Is(f.Err, ErrInvalidRequest) && !errors.Is(f.Err, context.Canceled) &&
		!errors.As(f.Err, new(*refusal))
}

// ErrNotSent is what every error of a call is (errors.Is) when no byte of the
// request left: the context ended while the call waited for its slot, Before
// refused, no connection could be made, or the request breaks a limit.
var ErrNotSent = errors.New("never sent")

// ErrInvalidRequest is what an error is (errors.Is) when the request breaks a
// limit that the API is known to have, and was therefore not sent.
var ErrInvalidRequest = errors.New("invalid request")

func invalid(op string, err error) error {
	return &Fault{Op: op, Kind: FaultNotSent, Err: fmt.Errorf("%w: %w", ErrInvalidRequest, err)}
}

// refusal marks what Before returned, so that Retryable can tell it from a
// failure of the network.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }
