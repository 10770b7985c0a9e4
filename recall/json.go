package recall

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// answer is what any command answers. Of the envelope only ErrorCode decides;
// it is required, because an answer without it says nothing of what was done.
// The parts of the commands are read by themselves, so that a surprise in one
// does not lose the envelope.
type answer struct {
	ActionStatus text
	ErrorCode    exact
	ErrorInfo    text
	RequestId    text

	RecallRetList json.RawMessage // group_msg_recall
	GroupId       text            // group_msg_get_simple
	TopicId       text            // the same, where there is one
	RspMsgList    json.RawMessage
	IsFinished    number
	GroupInfo     json.RawMessage // get_group_info
}

// text is a string that the service gives for information. Where it is no
// string it is empty: a surprise there must not hide the fields that decide.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	if len(b) < 2 || b[0] != '"' {
		return nil
	}
	if plain := b[1 : len(b)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		*t = text(plain) // what nearly all are: nothing to decode
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// exact is a number that decides: a code, or the message that a code is for.
// It is known to be absent when it is anything but a JSON integer.
type exact struct {
	n  int64
	ok bool
}

func (e *exact) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	*e = exact{n, err == nil}
	return nil
}

func (e exact) asCode() (Code, bool) { return Code(e.n), e.ok && e.n == int64(int32(e.n)) }

// number is a whole number that comes as such or in quotes (EventTime does
// both), known to be absent when it is anything else.
type number struct {
	n  int64
	ok bool
}

func (n *number) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	i, err := strconv.ParseInt(string(b), 10, 64)
	*n = number{i, err == nil}
	return nil
}

// bounded returns the number when it is there and within 0..most, else 0.
func (n number) bounded(most int64) int64 {
	if !n.ok || n.n < 0 || n.n > most {
		return 0
	}
	return n.n
}

func (n number) asInt() int       { return int(n.bounded(math.MaxInt32)) }
func (n number) asUint32() uint32 { return uint32(n.bounded(math.MaxUint32)) }

// asSeq returns false for what cannot number a message.
func (n number) asSeq() (Seq, bool) {
	s := Seq(n.asUint32())
	return s, s != 0
}

// The year 9999 ends before both bounds, which keeps the times printable.
const (
	maxSeconds = 253402300799
	maxMillis  = maxSeconds * 1000
)

func (n number) asSeconds() time.Time {
	if s := n.bounded(maxSeconds); s != 0 {
		return time.Unix(s, 0)
	}
	return time.Time{}
}

func (n number) asMillis() time.Time {
	if ms := n.bounded(maxMillis); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}
