package recall

import (
	"encoding/json"
	"math"
	"time"
)

// A MessageStatus says what the history knows of a message. The service calls
// it IsPlaceMsg.
type MessageStatus int

const (
	StatusNormal           MessageStatus = 0 // it is there
	StatusDeletedOrExpired MessageStatus = 1 // deleted, past its storage period, or never stored; it has no body
	StatusRecalled         MessageStatus = 2 // recalled; whether it still has a body is not promised
)

func (s MessageStatus) String() string {
	return nameOf(s, "normal", "deleted or expired", "recalled")
}

// A Message is one entry of a group's history.
// Source: https://trtc.io/document/34971 and, for the bodies,
// https://cloud.tencent.com/document/product/269/2720.
type Message struct {
	Seq    Seq
	From   UserID
	Time   time.Time // when the service took it, in whole seconds; zero when not told
	Status MessageStatus

	// System marks what the service itself wrote, such as "A joined": the
	// service says so, or the sender is an account of its own. Its body is
	// usually not a list, so that Body is nil and RawBody has it.
	System bool

	Random          uint32
	Priority        int // 1 high, 2 normal, 3 low, 4 lowest; 0 when not told
	Body            []Element
	RawBody         json.RawMessage // MsgBody as it came
	CloudCustomData string
}

// An Element is one part of a message.
type Element struct {
	Type    string          `json:"MsgType"`    // such as "TIMTextElem"
	Content json.RawMessage `json:"MsgContent"` // an object whose fields depend on Type
}

// messageJSON is a message in an answer. Only the number and the status must
// be right: the rest is for reading, and a surprise there loses that field.
type messageJSON struct {
	From_Account    text
	IsPlaceMsg      *number
	IsSystemMsg     number
	MsgBody         json.RawMessage
	MsgPriority     number
	MsgRandom       number
	MsgSeq          number
	MsgTimeStamp    number
	CloudCustomData text
}

func (j *messageJSON) message() (Message, bool) {
	m := Message{
		From: UserID(j.From_Account), Time: j.MsgTimeStamp.asSeconds(),
		System: j.IsSystemMsg.n == 1 || UserID(j.From_Account).IsSystem(),
		Random: j.MsgRandom.asUint32(), Priority: j.MsgPriority.asInt(),
		RawBody: j.MsgBody, Body: readBody(j.MsgBody), CloudCustomData: string(j.CloudCustomData),
	}
	if s := j.IsPlaceMsg; s != nil {
		if !s.ok || s.n < 0 || s.n > math.MaxInt32 {
			return Message{}, false
		}
		m.Status = MessageStatus(s.n)
	}
	var ok bool
	m.Seq, ok = j.MsgSeq.asSeq()
	return m, ok
}

// readBody returns the elements of a body that is a list of them, else nil.
// What cannot be read, or says two things, is an element of no known type.
func readBody(raw json.RawMessage) []Element {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	elements := make([]Element, 0, 1)
	if json.Unmarshal(raw, &elements) == nil && !repeats(raw, true) {
		return elements
	}
	var singly []json.RawMessage
	if json.Unmarshal(raw, &singly) != nil {
		return nil
	}
	elements = elements[:0]
	for _, one := range singly {
		var e Element
		if json.Unmarshal(one, &e); repeats(one, true) {
			e = Element{Content: one}
		}
		elements = append(elements, e)
	}
	return elements
}
