package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// OutcomeOfSeal returns the outcome of a message that is not sent because of its status in the
// seal.
func OutcomeOfSeal(m Message, now time.Time) Outcome {
	switch m.Status {
	case SealRecalled:
		return Outcome{Class: ClassAlready, At: now, Confirmed: ByHistory}
	case SealGone:
		return Outcome{Class: ClassNotFound, Why: WhyGone, At: now, Confirmed: ByHistory}
	case SealAbsent:
		return Outcome{Class: ClassNotSent, Why: WhyDidNotExist, At: now}
	case SealProtected:
		return Outcome{Class: ClassNotSent, Why: WhyProtected, At: now}
	}
	return Outcome{}
}

// Tally counts what a seal found.
type Tally struct {
	Total     int            `json:"total"`
	Send      int            `json:"send"` // messages that an approval would send
	Unread    int            `json:"unread,omitempty"`
	Recalled  int            `json:"recalled,omitempty"`
	Gone      int            `json:"gone,omitempty"`
	Absent    int            `json:"absent,omitempty"`
	Protected int            `json:"protected,omitempty"`
	Shielded  command.Ranges `json:"shielded,omitempty"` // the messages of protected senders
	Admin     int            `json:"admin,omitempty"`
	Callback  int            `json:"callback,omitempty"`
	Senders   []Sender       `json:"senders,omitempty"` // most messages first, 20 at most
	Others    int            `json:"others,omitempty"`  // senders beyond those listed
	First     time.Time      `json:"first,omitzero"`
	Last      time.Time      `json:"last,omitzero"`
	// Read is the time of the oldest read among the messages, by the ledger's clock.
	Read time.Time `json:"read,omitzero"`
	// Unchecked says that the bot could not check which seqs exist yet.
	Unchecked bool `json:"unchecked,omitempty"`
}

// Sender is one author and how many of the messages are theirs.
type Sender struct {
	ID recall.UserID `json:"id"`
	N  int           `json:"n"`
}

// SealStatus is the state of a message at the moment the request was sealed.
type SealStatus string

// The states of a message in a seal. Only normal and unread messages are sent.
const (
	SealNormal    SealStatus = "normal"
	SealUnread    SealStatus = "unread"    // could not be read: the request is blind
	SealRecalled  SealStatus = "recalled"  // somebody recalled it before
	SealGone      SealStatus = "gone"      // deleted or expired
	SealAbsent    SealStatus = "absent"    // there is no such message
	SealProtected SealStatus = "protected" // its sender's messages are never recalled
)

// Message is one message of a request: its state when it was sealed, and its outcome.
type Message struct {
	Seq    recall.Seq    `json:"seq"`
	Status SealStatus    `json:"status"`
	Sender recall.UserID `json:"sender,omitempty"`
	Sent   time.Time     `json:"sent,omitzero"` // to the second, by the service's clock
	// HMAC is over the content, under the request's evidence key; nil when it was not read.
	HMAC     []byte    `json:"hmac,omitempty"`
	Callback bool      `json:"callback,omitempty"` // known only from the callback index
	Admin    bool      `json:"admin,omitempty"`    // sent by the app's admin
	Read     time.Time `json:"read,omitzero"`      // when it was read, by the ledger's clock
	// Evidence is the text of the message, as much of it as EVIDENCE keeps. It is "" if it was not
	// kept or has been deleted.
	Evidence string `json:"evidence,omitempty"`

	Outcome Outcome `json:"outcome,omitzero"`
}

// Sends reports whether an approval sends this message to the service.
func (m Message) Sends() bool { return m.Status == SealNormal || m.Status == SealUnread }

// Digest returns the digest of a seal: the SHA-256 of the app, group and topic, and of every
// message with its status, sender, time and content HMAC, each field preceded by its length. The
// order of messages does not matter.
func Digest(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, messages []Message) string {
	h := sha256.New()
	number(h, uint64(app))
	field(h, []byte(group))
	field(h, []byte(topic))
	number(h, uint64(len(messages)))
	sorted, bySeq := messages, func(a, b Message) int { return int(int64(a.Seq) - int64(b.Seq)) }
	if !slices.IsSortedFunc(messages, bySeq) {
		sorted = slices.SortedFunc(slices.Values(messages), bySeq)
	}
	for _, m := range sorted {
		number(h, uint64(m.Seq))
		field(h, []byte(m.Status))
		field(h, []byte(m.Sender))
		if m.Sent.IsZero() {
			number(h, 0)
		} else {
			number(h, uint64(m.Sent.Unix()))
		}
		field(h, m.HMAC)
		flags := uint64(0)
		if m.Callback {
			flags |= 1
		}
		if m.Admin {
			flags |= 2
		}
		number(h, flags)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func field(h hash.Hash, b []byte) {
	number(h, uint64(len(b)))
	h.Write(b)
}

func number(h hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

// ContentHMAC returns the HMAC-SHA256 of the content of a message, under the request's evidence
// key.
func ContentHMAC(key []byte, m recall.Message) []byte {
	mac := hmac.New(sha256.New, key)
	field(mac, []byte(m.From))
	number(mac, uint64(m.Time.Unix()))
	field(mac, m.RawBody)
	field(mac, []byte(m.CloudCustomData))
	return mac.Sum(nil)
}

// TallyOf counts the messages of a seal by their states.
func TallyOf(messages []Message) Tally {
	t := Tally{Total: len(messages)}
	senders := map[recall.UserID]int{}
	var shielded []recall.Seq
	for _, m := range messages {
		if m.Sends() {
			t.Send++
		}
		switch m.Status {
		case SealUnread:
			t.Unread++
		case SealRecalled:
			t.Recalled++
		case SealGone:
			t.Gone++
		case SealAbsent:
			t.Absent++
		case SealProtected:
			t.Protected++
			shielded = append(shielded, m.Seq)
		}
		if m.Admin {
			t.Admin++
		}
		if m.Callback {
			t.Callback++
		}
		if !m.Callback && !m.Read.IsZero() && (t.Read.IsZero() || m.Read.Before(t.Read)) {
			t.Read = m.Read
		}
		if m.Sender != "" {
			senders[m.Sender]++
		}
		if !m.Sent.IsZero() {
			if t.First.IsZero() || m.Sent.Before(t.First) {
				t.First = m.Sent
			}
			if m.Sent.After(t.Last) {
				t.Last = m.Sent
			}
		}
	}
	t.Shielded = command.MakeRanges(shielded...)
	for id, n := range senders {
		t.Senders = append(t.Senders, Sender{id, n})
	}
	slices.SortFunc(t.Senders, func(a, b Sender) int {
		if a.N != b.N {
			return b.N - a.N
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	if len(t.Senders) > 20 {
		t.Others = len(t.Senders) - 20
		t.Senders = t.Senders[:20]
	}
	return t
}
