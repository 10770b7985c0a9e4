package recall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SDKAppID is the number that the Chat console gave the app.
type SDKAppID uint32

// GroupID names a group within the app: up to [MaxGroupIDBytes] of printable
// ASCII, spaces and quotes included. Ids that the service made up begin with
// "@TGS#", those of communities with "@TGS#_".
type GroupID string

// TopicID names a topic of a [GroupCommunity]: the community's own GroupID,
// "@TOPIC#_" and a part of its own. The empty TopicID means the group itself.
type TopicID string

// UserID names an account of the app, up to 32 bytes.
type UserID string

// IsSystem reports whether the account is one of the service's own, in whose
// name it tells of what happened in a group. Source of the first: CONV_SYSTEM
// of the Web SDK, https://cloud.tencent.com/document/product/269/37411. The
// others stand for accounts that the service does not find, as @TLS#NOT_FOUND.
func (u UserID) IsSystem() bool {
	return u == "@TIM#SYSTEM" || strings.HasPrefix(string(u), "@TLS#")
}

// Seq numbers a message within its group, or within its topic: every topic
// counts for itself, so (GroupID, TopicID, Seq) names a message. It starts at
// 1, grows by one with each stored message, and fills all 32 bits.
type Seq uint32

// MaxGroupIDBytes is the longest GroupID.
// Source: https://www.tencentcloud.com/document/product/1047/34381.
const MaxGroupIDBytes = 48

// Check returns an error that says what is wrong with the id, or nil. It
// looks at the form alone.
func (g GroupID) Check() error {
	switch {
	case g == "":
		return errors.New("the group id is empty")
	case len(g) > MaxGroupIDBytes:
		return fmt.Errorf("the group id has %d bytes, more than %d", len(g), MaxGroupIDBytes)
	}
	return printable("group id", string(g))
}

// Check returns an error that says why the topic cannot be one of group g, or
// nil. The empty TopicID is always right. A topic id holds its group's id, so
// this tells a topic of another group before anything is sent.
func (t TopicID) Check(g GroupID) error {
	if t == "" {
		return nil
	}
	prefix := string(g) + "@TOPIC#_"
	if !strings.HasPrefix(string(t), prefix) || len(t) == len(prefix) {
		return fmt.Errorf("the topic id does not begin with its group's id and @TOPIC#_ (%q)", prefix)
	}
	return printable("topic id", string(t))
}

func printable(what, s string) error {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return fmt.Errorf("the %s holds byte %#x at %d, which is not printable ASCII", what, s[i], i)
		}
	}
	return nil
}

// A GroupType decides what can be done in a group. All of the preset types
// support recalls; an [GroupAVChatRoom] recalls for members who are online
// only (from native SDK 7.4.4634, web SDK 3.1.2) and, on the China domain,
// messages under one hour old only.
type GroupType string

// The types as the service writes them. GroupWork and GroupMeeting are the
// newer names of GroupPrivate and GroupChatRoom.
const (
	GroupPrivate    GroupType = "Private"
	GroupPublic     GroupType = "Public"
	GroupChatRoom   GroupType = "ChatRoom"
	GroupAVChatRoom GroupType = "AVChatRoom"
	GroupCommunity  GroupType = "Community"

	GroupWork    GroupType = "Work"
	GroupMeeting GroupType = "Meeting"
	GroupLive    GroupType = "Live" // of the Live product; what is known of it is that it answers callbacks so
)

// HasHistory reports whether the service stores the messages of such groups,
// so that [Client.GroupMsgGetSimple] can read them. AVChatRoom and Live groups
// store nothing.
func (t GroupType) HasHistory() bool {
	return t != GroupAVChatRoom && t != GroupLive
}

// GroupInfo is what get_group_info tells of a group. A field that the service
// left out is zero: AVChatRoom groups have no member count.
// Source: https://cloud.tencent.com/document/product/269/1616.
type GroupInfo struct {
	Group      GroupID
	Type       GroupType
	Name       string
	Owner      UserID
	Members    int // members now
	MaxMembers int

	// NextMsgSeq is the number that the next message of the group gets: a seq
	// that is not below it names nothing yet. It says nothing about topics,
	// each of which counts for itself. Zero when not told.
	NextMsgSeq Seq

	LastMsgTime time.Time // of the newest message, in whole seconds; zero when there is none
}

// groupInfoFilter names what GetGroupInfo asks for. Without a filter the
// service answers with every member, which ends in CodeAnswerTooLarge.
var groupInfoFilter = []string{"Type", "Name", "Owner_Account", "MemberNum", "MaxMemberNum", "NextMsgSeq",
	"LastMsgTime"}

// GetGroupInfo calls get_group_info for one group: one attempt, one slot of
// the read pacer. The answer has a code for each group, and that code is what
// counts: a group that does not exist is an [*Error] with CodeNoGroup or
// CodeBadGroupID, whatever the envelope says.
func (c *Client) GetGroupInfo(ctx context.Context, group GroupID) (GroupInfo, error) {
	const op = "get_group_info"
	if err := group.Check(); err != nil {
		return GroupInfo{}, invalid(op, err)
	}
	a, err := c.call(ctx, call{op: op, pacer: c.reads, request: infoRequest([]GroupID{group})})
	if err != nil && len(a.GroupInfo) == 0 {
		return GroupInfo{}, err
	}
	info, code, words, ok := findGroupInfo(a.GroupInfo, group)
	switch {
	case !ok && err != nil:
		return GroupInfo{}, err
	case !ok:
		return GroupInfo{}, &Fault{Op: op, Kind: FaultUnreadable, Err: errNoGroup}
	case code != CodeOK:
		return GroupInfo{}, c.apiError(op, code, words, a.RequestId, "")
	}
	return info, nil
}

// errNoGroup is the error of an answer of get_group_info that is not about a group.
var errNoGroup = errors.New("the answer does not speak of the group, or gives no code for it")

// infoRequest is the request for the properties of groups.
func infoRequest(groups []GroupID) any {
	type filter struct {
		GroupBaseInfoFilter []string
	}
	return struct {
		GroupIdList    []GroupID
		ResponseFilter filter
	}{groups, filter{groupInfoFilter}}
}

// findGroupInfo reads the entry of one group. It returns false when the list
// has none, when that one lacks its code, when there are two that differ, and
// when an entry has a field twice: only one group was asked for.
func findGroupInfo(list json.RawMessage, group GroupID) (info GroupInfo, code Code, words text, ok bool) {
	type entry struct {
		GroupId       text
		ErrorCode     exact
		ErrorInfo     text
		Type          text
		Name          text
		Owner_Account text
		MemberNum     number
		MaxMemberNum  number
		NextMsgSeq    number
		LastMsgTime   number
	}
	var entries []json.RawMessage
	if json.Unmarshal(list, &entries) != nil {
		return GroupInfo{}, 0, "", false
	}
	var found []entry
	for _, one := range entries {
		var e entry
		if json.Unmarshal(one, &e) != nil || repeats(one, false) {
			return GroupInfo{}, 0, "", false
		}
		if GroupID(e.GroupId) == group && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		return GroupInfo{}, 0, "", false
	}
	e := found[0]
	code, ok = e.ErrorCode.asCode()
	info = GroupInfo{
		Group: group, Type: GroupType(e.Type), Name: string(e.Name), Owner: UserID(e.Owner_Account),
		Members: e.MemberNum.asInt(), MaxMembers: e.MaxMemberNum.asInt(), LastMsgTime: e.LastMsgTime.asSeconds(),
	}
	info.NextMsgSeq, _ = e.NextMsgSeq.asSeq()
	return info, code, e.ErrorInfo, ok
}
