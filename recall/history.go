package recall

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MaxHistoryPage is how many messages one history call returns at most.
// Source: https://trtc.io/document/34971.
const MaxHistoryPage = 20

// A HistoryRequest is one call of group_msg_get_simple.
type HistoryRequest struct {
	Group  GroupID
	Topic  TopicID // empty for the group itself
	Number int     // how many messages, 1 to MaxHistoryPage
	Seq    Seq     // the newest that is wanted, itself included; 0 for the newest that there is

	// WithRecalled asks for recalled messages too, with StatusRecalled. By
	// default the service leaves them out, so that one who verifies a recall
	// must ask.
	WithRecalled bool
}

// Finished is what the service says about how much of the asked span a page holds. It never means
// that the group has no older messages.
type Finished int

const (
	FinishedCut        Finished = 0 // cut short: too long, or over MaxHistoryPage
	FinishedWhole      Finished = 1 // the whole span
	FinishedCutExpired Finished = 2 // cut short, and everything in it has expired
)

// A HistoryPage is one answer of group_msg_get_simple.
type HistoryPage struct {
	Messages []Message // newest first
	Finished Finished
}

// GroupMsgGetSimple calls group_msg_get_simple, which reads stored messages
// from Seq downwards. One attempt, one slot of the read pacer. Groups without
// [GroupType.HasHistory] are refused with CodeGroupTypeNoHistory.
//
// Source: https://trtc.io/document/34971.
func (c *Client) GroupMsgGetSimple(ctx context.Context, r HistoryRequest) (HistoryPage, error) {
	const op = "group_msg_get_simple"
	err := cmp.Or(r.Group.Check(), r.Topic.Check(r.Group))
	if err == nil && (r.Number < 1 || r.Number > MaxHistoryPage) {
		err = fmt.Errorf("%d messages: not between 1 and %d", r.Number, MaxHistoryPage)
	}
	if err != nil {
		return HistoryPage{}, invalid(op, err)
	}
	request := struct {
		GroupId         GroupID
		TopicId         TopicID `json:",omitempty"`
		ReqMsgNumber    int
		ReqMsgSeq       Seq `json:",omitempty"`
		WithRecalledMsg int `json:",omitempty"`
	}{GroupId: r.Group, TopicId: r.Topic, ReqMsgNumber: r.Number, ReqMsgSeq: r.Seq}
	if r.WithRecalled {
		request.WithRecalledMsg = 1
	}
	a, err := c.call(ctx, call{op: op, pacer: c.reads, request: request})
	if err != nil {
		return HistoryPage{}, err
	}
	messages, err := readRspMsgList(a.RspMsgList)
	if err == nil {
		err = r.answeredBy(GroupID(a.GroupId), TopicID(a.TopicId), messages)
	}
	if err != nil {
		return HistoryPage{}, &Fault{Op: op, Kind: FaultUnreadable, Err: err}
	}
	return HistoryPage{messages, Finished(a.IsFinished.asInt())}, nil
}

// answeredBy returns an error when an answer is not to this request: it is about another group or
// topic, where it names one, or has messages above those that were asked for. Nothing of such a
// page is believed, neither the messages in it nor the absence of others.
func (r HistoryRequest) answeredBy(group GroupID, topic TopicID, messages []Message) error {
	switch {
	case group != "" && group != r.Group:
		return errors.New("the answer is of another group")
	case topic != "" && topic != r.Topic:
		return errors.New("the answer is of another topic")
	case r.Seq > 0 && len(messages) > 0 && messages[0].Seq > r.Seq:
		return fmt.Errorf("the answer has message %d, above %d", messages[0].Seq, r.Seq)
	}
	return nil
}

// readRspMsgList reads the messages of a page, newest first. Whatever MsgBody is, its message is
// kept; an entry without a number fails the page, because a message that silently went missing
// would read as one that does not exist. So does an answer without the list: it does not say that
// there are none. So does an entry that has a field twice, whatever its values, and so do two
// entries that say different things of one message; of two that say the same, one is kept.
func readRspMsgList(raw json.RawMessage) ([]Message, error) {
	switch string(raw) {
	case "":
		return nil, errors.New("there is no RspMsgList")
	case "null":
		return nil, nil
	}
	entries := make([]messageJSON, 0, MaxHistoryPage)
	if json.Unmarshal(raw, &entries) != nil {
		return nil, errors.New("RspMsgList is not a list of messages")
	}
	if repeats(raw, true) { // it may be within a body, which concerns its own element alone
		var singly []json.RawMessage
		if json.Unmarshal(raw, &singly) != nil || slices.ContainsFunc(singly,
			func(one json.RawMessage) bool { return repeats(one, false) }) {
			return nil, errors.New("an entry of RspMsgList has a field twice")
		}
	}
	messages := make([]Message, len(entries))
	for i := range entries {
		var ok bool
		if messages[i], ok = entries[i].message(); !ok {
			return nil, fmt.Errorf("entry %d of RspMsgList has no number, or a status that is no number", i)
		}
	}
	slices.SortStableFunc(messages, func(a, b Message) int { return cmp.Compare(b.Seq, a.Seq) })
	kept := messages[:0]
	for _, m := range messages {
		if n := len(kept); n > 0 && kept[n-1].Seq == m.Seq {
			if !m.same(kept[n-1]) {
				return nil, fmt.Errorf("RspMsgList says two things of message %d", m.Seq)
			}
			continue
		}
		kept = append(kept, m)
	}
	return kept, nil
}

// same reports whether two entries say the same.
func (m Message) same(o Message) bool {
	return m.Seq == o.Seq && m.From == o.From && m.Time.Equal(o.Time) && m.Status == o.Status && m.System == o.System &&
		bytes.Equal(m.RawBody, o.RawBody) && m.CloudCustomData == o.CloudCustomData
}
