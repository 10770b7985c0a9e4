package recall

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// CallbackWindow is how far RequestTime may be from now, either way.
const CallbackWindow = 60 * time.Second

// CallbackAnswer is the body to answer every callback with, with status 200
// and within 2 s; the service heeds neither for the callbacks of this package.
const CallbackAnswer = `{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}`

// What is wrong with a callback, for errors.Is.
var (
	ErrCallbackApp  = errors.New("the callback is of another app")
	ErrCallbackTime = errors.New("the callback's RequestTime is missing or too far from now")
	ErrCallbackSign = errors.New("the callback's Sign is wrong")
)

// VerifyCallback checks the query of a callback's address: that SdkAppid is
// the own app, that RequestTime is within [CallbackWindow] of now, and that
// Sign is made with the authentication token of the console. An empty token
// passes nothing.
//
// Sign covers the token and RequestTime, and nothing else: neither the body
// nor the command. Who sees one address can send any body to it until the
// window has passed, so callbacks must come over HTTPS, and what they say
// should be read as a hint that the history confirms. The service may also
// send a callback more than once, late, or out of order.
//
// Source: https://trtc.io/document/34354.
func VerifyCallback(query url.Values, app SDKAppID, token string, now time.Time) error {
	at, err := strconv.ParseInt(query.Get("RequestTime"), 10, 64)
	if err != nil || at < 0 || at > maxSeconds || now.Sub(time.Unix(at, 0)).Abs() > CallbackWindow {
		return ErrCallbackTime
	}
	want := SignCallback(token, query.Get("RequestTime"))
	if subtle.ConstantTimeCompare([]byte(want), []byte(query.Get("Sign"))) != 1 || token == "" {
		return ErrCallbackSign
	}
	if query.Get("SdkAppid") != strconv.FormatUint(uint64(app), 10) {
		return ErrCallbackApp
	}
	return nil
}

// SignCallback returns the Sign of a token and a RequestTime (unix seconds as
// they stand in the address): lowercase hexadecimal SHA-256 of both, joined.
func SignCallback(token, requestTime string) string {
	sum := sha256.Sum256([]byte(token + requestTime))
	return hex.EncodeToString(sum[:])
}

// The commands of the callbacks that [ParseCallback] knows.
const (
	CommandAfterSendMsg   = "Group.CallbackAfterSendMsg"
	CommandAfterRecallMsg = "Group.CallbackAfterRecallMsg"
)

// A Callback is [AfterSendMsg], [AfterRecallMsg] or [OtherCallback].
type Callback interface {
	// Command returns the CallbackCommand of the body. The address bears one
	// too; neither is covered by Sign.
	Command() string
}

// AfterSendMsg tells that a message was sent in a group.
// Source: https://tencentcloud.com/document/product/1047/34375.
type AfterSendMsg struct {
	Group    GroupID
	Topic    TopicID // empty for the group itself
	Type     GroupType
	From     UserID // the sender
	Operator UserID // who called: an admin for messages sent by REST
	Seq      Seq
	MsgID    string    // the sending client's own name for it; empty on older services
	Time     time.Time // of the message, in whole seconds

	// OnlineOnly messages are not stored: they cannot be read or recalled.
	// It is never set for AVChatRoom groups, whose messages are not stored either.
	OnlineOnly bool

	Random          uint32
	Body            []Element
	RawBody         json.RawMessage // MsgBody as it came
	CloudCustomData string
	EventTime       time.Time // in milliseconds; zero when not told
}

// Command returns CommandAfterSendMsg.
func (AfterSendMsg) Command() string { return CommandAfterSendMsg }

// Message returns the message as the history would: it is normal, because it
// was just sent.
func (c AfterSendMsg) Message() Message {
	return Message{Seq: c.Seq, From: c.From, Time: c.Time, Random: c.Random, Body: c.Body, RawBody: c.RawBody,
		System: c.From.IsSystem(), CloudCustomData: c.CloudCustomData}
}

// AfterRecallMsg tells that messages were recalled, by a client or by REST.
// Whether a call that recalled ten messages makes one callback or ten, no
// page says.
// Source: https://www.tencentcloud.com/document/product/1047/46979.
type AfterRecallMsg struct {
	Group     GroupID
	Topic     TopicID // empty for the group itself
	Type      GroupType
	Operator  UserID // who recalled
	Seqs      []Seq
	EventTime time.Time // in milliseconds; zero when not told
}

// Command returns CommandAfterRecallMsg.
func (AfterRecallMsg) Command() string { return CommandAfterRecallMsg }

// OtherCallback is a callback that this package does not read.
type OtherCallback struct {
	Name string // its CallbackCommand
}

// Command returns the callback's name.
func (c OtherCallback) Command() string { return c.Name }

// Bounds of what a callback brings. The service keeps well within them: what
// is longer somebody else made up.
const (
	MaxCallbackSeqs = 1000     // of one recall; the API recalls ten at a time, a person one
	maxCallbackName = 128      // bytes of a topic, an account, a type, a command or a message's own name
	maxCallbackText = 64 << 10 // bytes of MsgBody, and of CloudCustomData; the service takes 12 KB
)

// ParseCallback reads the body of a callback, which the caller has bounded
// (1 MiB is ample). EventTime may be a number or a string: the service does
// both. A callback of another command is an [OtherCallback] and no error. One
// that has a field twice is an error: it says two things.
// What is longer than its bound is an error.
func ParseCallback(body []byte) (Callback, error) {
	c, err := parseCallback(body)
	if err != nil {
		return nil, fmt.Errorf("read callback: %w", err)
	}
	return c, nil
}

func parseCallback(body []byte) (Callback, error) {
	var j struct {
		CallbackCommand  text
		GroupId          text
		TopicId          text
		Type             text
		From_Account     text
		Operator_Account text
		Random           number
		MsgSeq           number
		MsgId            text
		MsgTime          number
		OnlineOnlyFlag   number
		MsgBody          json.RawMessage
		CloudCustomData  text
		EventTime        number
		MsgSeqList       json.RawMessage
	}
	if json.Unmarshal(body, &j) != nil {
		return nil, errors.New("the body is not a JSON object")
	}
	if repeats(body, false) {
		return nil, errors.New("the body has a field twice")
	}
	if j.CallbackCommand == "" {
		return nil, errors.New("the body has no CallbackCommand")
	}
	for _, name := range []text{j.CallbackCommand, j.TopicId, j.Type, j.From_Account, j.Operator_Account, j.MsgId} {
		if len(name) > maxCallbackName {
			return nil, errors.New("the body has a name that is too long")
		}
	}
	if len(j.GroupId) > MaxGroupIDBytes || len(j.MsgBody) > maxCallbackText ||
		len(j.CloudCustomData) > maxCallbackText {
		return nil, errors.New("the body has a GroupId, a MsgBody or CloudCustomData that is too long")
	}
	command, group, topic := string(j.CallbackCommand), GroupID(j.GroupId), TopicID(j.TopicId)
	switch command {
	case CommandAfterSendMsg, CommandAfterRecallMsg:
		if group == "" {
			return nil, errors.New("the body has no GroupId")
		}
	default:
		return OtherCallback{command}, nil
	}
	if command == CommandAfterSendMsg {
		seq, ok := j.MsgSeq.asSeq()
		// A message that is not stored need not have a number.
		online := j.OnlineOnlyFlag.n == 1
		if !ok && !online {
			return nil, errors.New("the body has no MsgSeq")
		}
		return AfterSendMsg{
			Group: group, Topic: topic, Type: GroupType(j.Type), From: UserID(j.From_Account),
			Operator: UserID(j.Operator_Account),
			Seq:      seq, MsgID: string(j.MsgId), Time: j.MsgTime.asSeconds(), OnlineOnly: online,
			Random: j.Random.asUint32(),
			Body:   readBody(j.MsgBody), RawBody: j.MsgBody, CloudCustomData: string(j.CloudCustomData),
			EventTime: j.EventTime.asMillis(),
		}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(j.MsgSeqList, &list) != nil || len(list) == 0 {
		return nil, errors.New("the body has no MsgSeqList")
	}
	if len(list) > MaxCallbackSeqs {
		return nil, errors.New("the body has a MsgSeqList that is too long")
	}
	seqs := make([]Seq, len(list))
	for i, one := range list {
		var l struct{ MsgSeq number }
		if json.Unmarshal(one, &l) != nil || repeats(one, false) {
			return nil, fmt.Errorf("entry %d of MsgSeqList is no object, or has a field twice", i)
		}
		var ok bool
		if seqs[i], ok = l.MsgSeq.asSeq(); !ok {
			return nil, fmt.Errorf("entry %d of MsgSeqList has no MsgSeq", i)
		}
	}
	return AfterRecallMsg{Group: group, Topic: topic, Type: GroupType(j.Type), Operator: UserID(j.Operator_Account),
		Seqs: seqs, EventTime: j.EventTime.asMillis()}, nil
}
