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
	TotalCount    number          // get_appid_group_list, get_joined_group_list
	Next          json.RawMessage // of 64 bits
	GroupIdList   json.RawMessage

	UserProfileItem json.RawMessage // portrait_get
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

// numbers are all the values that an object has for one name, most often one.
type numbers struct {
	list   []number
	quoted bool // at least one was
}

func (n *numbers) UnmarshalJSON(b []byte) error {
	var one number
	err := one.UnmarshalJSON(b)
	n.list = append(n.list, one)
	n.quoted = n.quoted || b[0] == '"'
	return err
}

// bounded returns the number when it is there and within 0..most, else 0.
func (n number) bounded(most int64) int64 {
	if !n.ok || n.n < 0 || n.n > most {
		return 0
	}
	return n.n
}

func (n number) asInt() int { return int(n.bounded(math.MaxInt32)) }

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

// repeats reports whether a name stands twice in the JSON object raw, in any
// letter case. Such an object says two things, and encoding/json would take the
// last: RFC 8259 leaves to each reader what it means. With deep, the objects
// within it are looked at too. What is no object repeats nothing. An object of
// more than maxNames names is none of this API, and counts as one that repeats.
func repeats(raw []byte, deep bool) bool {
	w := walker{raw: raw, deep: deep}
	return w.value(0)
}

const maxNames = 256

// walker goes through one JSON value that was found valid before. In anything
// else it comes to the end without a fault.
type walker struct {
	raw  []byte
	deep bool
}

// value takes one value off, and reports whether a name stands twice in it.
func (w *walker) value(depth int) bool {
	twice := false
	switch w.next() {
	case '{':
		w.take(1)
		var room [16][]byte
		names := room[:0]
		for w.next() == '"' {
			name := w.quoted()
			if depth == 0 || w.deep {
				for _, n := range names {
					twice = twice || bytes.EqualFold(n, name)
				}
				if twice = twice || len(names) == maxNames; !twice {
					names = append(names, name)
				}
			}
			w.next()
			w.take(1) // the colon
			twice = w.value(depth+1) || twice
			if w.next() == ',' {
				w.take(1)
			}
		}
		w.take(1)
	case '[':
		w.take(1)
		for c := w.next(); c != ']' && c != 0; c = w.next() {
			twice = w.value(depth+1) || twice
			if w.next() == ',' {
				w.take(1)
			}
		}
		w.take(1)
	case '"':
		w.quoted()
	default:
		if n := bytes.IndexAny(w.raw, ",:]} \t\r\n"); n > 0 {
			w.take(n)
		} else {
			w.raw = nil
		}
	}
	return twice
}

// next skips white space and returns the byte after it, 0 at the end.
func (w *walker) next() byte {
	w.raw = bytes.TrimLeft(w.raw, " \t\r\n")
	if len(w.raw) == 0 {
		return 0
	}
	return w.raw[0]
}

func (w *walker) take(n int) { w.raw = w.raw[min(n, len(w.raw)):] }

// quoted takes a string off and returns what it means, as encoding/json reads it.
func (w *walker) quoted() []byte {
	end, escaped := 1, false
	for end < len(w.raw) && w.raw[end] != '"' {
		if w.raw[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	whole := w.raw[:min(end+1, len(w.raw))]
	w.take(len(whole))
	if !escaped && utf8.Valid(whole) {
		return bytes.Trim(whole, `"`)
	}
	var s string
	if json.Unmarshal(whole, &s) != nil {
		return whole
	}
	return []byte(s)
}
