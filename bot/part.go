package bot

import (
	"cmp"

	"recallbot/bot/command"
	"recallbot/recall"
)

// Talk is a group, or a topic of a group: each numbers its messages by itself.
type Talk struct {
	Group recall.GroupID `json:"group"`
	Topic recall.TopicID `json:"topic,omitempty"`
}

// TalkOf returns the talk that a scope over one group names.
func TalkOf(s command.Scope) Talk { return Talk{s.Group, s.Topic} }

// Scope returns the talk as a scope that selects nothing in it.
func (t Talk) Scope() command.Scope { return command.Scope{Group: t.Group, Topic: t.Topic} }

// Compare orders talks by group, then by topic.
func (t Talk) Compare(o Talk) int {
	return cmp.Or(cmp.Compare(t.Group, o.Group), cmp.Compare(t.Topic, o.Topic))
}

// Part is what a request has in one talk. Its place in Request.Parts numbers it, and never changes
// once the request is sealed.
type Part struct {
	Talk
	Facts GroupFacts `json:"facts"`
	// Covers is every seq of the part: as asked while preparing, as sealed from then on.
	Covers command.Ranges `json:"covers,omitempty"`
	Send   int            `json:"send,omitempty"` // messages that an approval would send
	// Condemned is the code with which the service refused the part as a whole, so that its other
	// messages are not sent; nil while it has not.
	Condemned *Condemnation `json:"condemned,omitempty"`
	// StillShown are messages that the API reported as recalled and that history still had when it
	// was last read.
	StillShown command.Ranges `json:"still_shown,omitempty"`
}

// KeepsNone reports whether the group is of a type that keeps no history.
func (p Part) KeepsNone() bool { return p.Facts.Type != "" && !p.Facts.Type.HasHistory() }

// MessageID names a message within its request: by the number of its part and its seq there. They
// are in the order of the parts, and within a part in that of the seqs; the next one follows by
// adding 1.
type MessageID uint64

// IDOf returns the id of the message seq of a part.
func IDOf(part int, seq recall.Seq) MessageID { return MessageID(part)<<32 | MessageID(seq) }

// Part returns the number of the part.
func (id MessageID) Part() int { return int(id >> 32) }

// Seq returns the number of the message in its talk.
func (id MessageID) Seq() recall.Seq { return recall.Seq(id) }

// IDsOf returns the ids of messages of a part.
func IDsOf(part int, seqs []recall.Seq) []MessageID {
	ids := make([]MessageID, len(seqs))
	for i, s := range seqs {
		ids[i] = IDOf(part, s)
	}
	return ids
}

// ByPart returns the seqs of ids by their parts, in the order of the ids.
func ByPart(ids []MessageID) map[int][]recall.Seq {
	parts := map[int][]recall.Seq{}
	for _, id := range ids {
		parts[id.Part()] = append(parts[id.Part()], id.Seq())
	}
	return parts
}

// GroupFacts are facts that the Chat service reports about a group.
type GroupFacts struct {
	Type    recall.GroupType `json:"type,omitempty"`
	Name    string           `json:"name,omitempty"`
	Members int              `json:"members,omitempty"`
	// NextSeq is the seq that the next message will get; 0 where the service did not say or a topic
	// is meant.
	NextSeq recall.Seq `json:"next_seq,omitempty"`
	// New says that the bot never touched this group before.
	New bool `json:"new,omitempty"`
}

// Condemnation is the code, and the service's words to it, with which the service refused all
// messages of a part.
type Condemnation struct {
	Code recall.Code `json:"code"`
	Info string      `json:"info,omitempty"`
}

// Swept is what the reading of a sweep looked at.
type Swept struct {
	Looked int       `json:"looked"`           // groups that were read
	Read   int       `json:"read"`             // messages that are still there and were looked at
	Left   []LeftOut `json:"left,omitempty"`   // groups that are not part
	Topics []string  `json:"topics,omitempty"` // names of communities whose topics were not looked at
}

// LeftOut is a group that is not part of a sweep, and why.
type LeftOut struct {
	Talk
	Name string `json:"name,omitempty"`
	Why  Line   `json:"why"`
}
