package recall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of a recall.
const (
	// MaxRecallSeqs is how many messages one recall takes.
	// Source: https://www.tencentcloud.com/document/product/1047/34965.
	MaxRecallSeqs = 10

	// MaxReasonBytes is the longest Reason, in bytes of UTF-8.
	// Source: the sibling command at https://tencentcloud.com/document/product/1047/60811.
	MaxReasonBytes = 100
)

// A RecallRequest is one call of group_msg_recall.
type RecallRequest struct {
	Group GroupID
	Topic TopicID // empty for the group itself
	Seqs  []Seq   // 1 to MaxRecallSeqs, none twice, none 0

	// Reason is stored with the recall, at most MaxReasonBytes. The Chinese
	// page shows it; the English page does not, and no page says who sees it.
	Reason string

	// Before, when not nil, is called after the pacer admitted the call and
	// immediately before it is sent. An error takes the call back: nothing is
	// sent, and the error that the caller gets is ErrNotSent and unwraps to
	// this one. A second attempt after CodeUserSigExpired calls it again.
	Before func() error
}

func (r RecallRequest) check() error {
	if err := r.Group.Check(); err != nil {
		return err
	}
	if err := r.Topic.Check(r.Group); err != nil {
		return err
	}
	switch n := len(r.Seqs); {
	case n == 0:
		return errors.New("no seqs")
	case n > MaxRecallSeqs:
		return fmt.Errorf("%d seqs, more than %d", n, MaxRecallSeqs)
	}
	for i, s := range r.Seqs {
		if s == 0 {
			return errors.New("seq 0 names no message")
		}
		if slices.Contains(r.Seqs[:i], s) {
			return fmt.Errorf("seq %d twice", s)
		}
	}
	if len(r.Reason) > MaxReasonBytes {
		return fmt.Errorf("the reason has %d bytes, more than %d", len(r.Reason), MaxReasonBytes)
	}
	if !utf8.ValidString(r.Reason) {
		return errors.New("the reason is not UTF-8")
	}
	return nil
}

// A RecallAnswer is what the service said of each message.
type RecallAnswer struct {
	// Codes has the code of each message that the answer speaks of: 0 for
	// recalled, else why not. A seq of the request that is missing here is one
	// of which nothing is known: the answer lacks it, or has no code for it,
	// or two that differ. Seqs that were not asked for are never in it.
	Codes map[Seq]Code

	RequestID string // the service's name for the call, where it gave one
}

// GroupMsgRecall calls group_msg_recall, which removes messages, whether a
// client or REST sent them, from the group's history and from the devices of
// sender and members. It cannot be undone. There is no limit of age but that
// the service must still store the message (7 to 90 days, by edition); for
// groups without history see [GroupType].
//
// It is one attempt and takes one slot of the recall pacer. It is never
// repeated in here, but for one case: an envelope that says that the UserSig
// has expired, where the client holds the key; that second attempt takes a
// slot of its own and calls Before again.
//
// A nil error says only that the service went through the list. What became
// of each message is in the answer, and HTTP status, ActionStatus and
// ErrorCode say nothing about it. An [*Error] says that the whole call was
// answered with a code; a [*Fault] that there was no answer.
//
// Source: https://www.tencentcloud.com/document/product/1047/34965.
func (c *Client) GroupMsgRecall(ctx context.Context, r RecallRequest) (RecallAnswer, error) {
	const op = "group_msg_recall"
	if err := r.check(); err != nil {
		return RecallAnswer{}, invalid(op, err)
	}
	type message struct {
		MsgSeq Seq
	}
	request := struct {
		GroupId    GroupID
		TopicId    TopicID `json:",omitempty"`
		MsgSeqList []message
		Reason     string `json:",omitempty"`
	}{r.Group, r.Topic, make([]message, len(r.Seqs)), r.Reason}
	for i, s := range r.Seqs {
		request.MsgSeqList[i].MsgSeq = s
	}
	a, err := c.call(ctx, call{op: op, pacer: c.recalls, before: r.Before, request: request})
	if err != nil {
		return RecallAnswer{}, err
	}
	list, err := readRecallRetList(a.RecallRetList, r.Seqs)
	if err != nil {
		return RecallAnswer{}, &Fault{Op: op, Kind: FaultUnreadable, Err: err}
	}
	return RecallAnswer{Codes: list, RequestID: requestID(a.RequestId)}, nil
}

// readRecallRetList reads the codes of the asked messages. An entry that
// cannot be read, that lacks its number or its code, that has a field twice, or
// that contradicts another leaves its message out: no code is ever made up.
func readRecallRetList(raw json.RawMessage, asked []Seq) (map[Seq]Code, error) {
	list := make(map[Seq]Code, len(asked))
	if len(raw) == 0 || string(raw) == "null" {
		return list, nil
	}
	type entry struct {
		MsgSeq  numbers
		RetCode exact
		twice   bool // it has a field twice
	}
	entries := make([]entry, 0, MaxRecallSeqs)
	if json.Unmarshal(raw, &entries) != nil || repeats(raw, true) {
		// At least one is no object, or says two things. Read each by itself.
		var singly []json.RawMessage
		if json.Unmarshal(raw, &singly) != nil {
			return nil, errors.New("RecallRetList is not a list")
		}
		entries = make([]entry, len(singly))
		for i, one := range singly {
			if json.Unmarshal(one, &entries[i]) != nil {
				entries[i] = entry{}
			}
			entries[i].twice = repeats(one, false)
		}
	}
	var torn []Seq
	for _, e := range entries {
		code, ok := e.RetCode.asCode()
		for _, n := range e.MsgSeq.list {
			seq, named := n.asSeq()
			if !named || !slices.Contains(asked, seq) {
				continue
			}
			if was, again := list[seq]; !ok || e.twice || e.MsgSeq.quoted || again && was != code {
				torn = append(torn, seq)
				continue
			}
			list[seq] = code
		}
	}
	for _, s := range torn {
		delete(list, s)
	}
	return list, nil
}
