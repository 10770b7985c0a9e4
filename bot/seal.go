package bot

import (
	"cmp"
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
	Shielded  command.Ranges `json:"shielded,omitempty"` // the messages of protected senders, of one group
	Admin     int            `json:"admin,omitempty"`
	Odd       int            `json:"odd,omitempty"` // messages that are unlike the rest, where they are folded
	Callback  int            `json:"callback,omitempty"`
	Senders   []Sender       `json:"senders,omitempty"` // most messages first, 20 at most
	Others    int            `json:"others,omitempty"`  // senders beyond those listed
	Partly    int            `json:"partly,omitempty"`  // messages of the group that were not searched whole
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
	Part   int           `json:"part,omitempty"` // the number of the part of the request that it is in
	Seq    recall.Seq    `json:"seq"`
	Status SealStatus    `json:"status"`
	Sender recall.UserID `json:"sender,omitempty"`
	Sent   time.Time     `json:"sent,omitzero"` // to the second, by the service's clock
	// HMAC is over the content, under the request's evidence key; nil when it was not read.
	HMAC     []byte    `json:"hmac,omitempty"`
	Form     int       `json:"form,omitempty"`     // the form of the content in HMAC
	Callback bool      `json:"callback,omitempty"` // known only from the callback index
	Admin    bool      `json:"admin,omitempty"`    // sent by the app's admin
	System   bool      `json:"system,omitempty"`   // written by the service itself: of no sender
	Read     time.Time `json:"read,omitzero"`      // when it was read, by the ledger's clock
	// Of is in what of the message the filter's phrase occurs; "" if no phrase was searched.
	Of recall.PartOf `json:"of,omitempty"`
	// Marked: it says something beside its text, such as data or a quote. It is known only while
	// the message is sealed.
	Marked bool `json:"-"`
	// Content is a hash of what it says, whoever sent it, for one seal. It is known only while the
	// message is sealed, and 0 where an earlier version kept it in the callback index.
	Content uint64 `json:"-"`
	// Evidence is what members can read of the message, as much as EVIDENCE keeps, in the form
	// of EvidenceOf. It is "" if it was not kept or has been deleted.
	Evidence string `json:"evidence,omitempty"`

	Outcome Outcome `json:"outcome,omitzero"`
}

// ID names the message within its request.
func (m Message) ID() MessageID { return IDOf(m.Part, m.Seq) }

// Sends reports whether an approval sends this message to the service.
func (m Message) Sends() bool { return m.Status == SealNormal || m.Status == SealUnread }

// digestOfParts begins what the digest of several parts is of. That of one part has no such
// beginning: it is what earlier versions made.
const digestOfParts = "recallbot digest 2"

// Digest returns the digest of a seal: the SHA-256 of the app, of every group and topic, and of
// every message with its group, status, sender, time and content HMAC, each field preceded by its
// length. The order of messages does not matter.
func Digest(app recall.SDKAppID, parts []Part, messages []Message) string {
	h := sha256.New()
	if len(parts) != 1 {
		field(h, []byte(digestOfParts))
	}
	number(h, uint64(app))
	if len(parts) != 1 {
		number(h, uint64(len(parts)))
	}
	for _, p := range parts {
		field(h, []byte(p.Group))
		field(h, []byte(p.Topic))
	}
	number(h, uint64(len(messages)))
	sorted, byID := messages, func(a, b Message) int { return cmp.Compare(a.ID(), b.ID()) }
	if !slices.IsSortedFunc(messages, byID) {
		sorted = slices.SortedFunc(slices.Values(messages), byID)
	}
	for _, m := range sorted {
		if len(parts) != 1 {
			number(h, uint64(m.Part))
		}
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
		number(h, flags|uint64(m.Form)<<2) // so a digest of form 0 is what earlier versions made
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

// The forms in which the content of a message is sealed.
const (
	formRaw       = 0 // as the service wrote it; sealed up to commit 9e56eb2
	formCanonical = 1 // recall.Message.Content
	// FormNow is the form of what is sealed now.
	FormNow = formCanonical
)

// ContentHMAC returns the HMAC-SHA256 of the content of a message in a form, under the request's
// evidence key. It returns nil for a form of a later version.
func ContentHMAC(key []byte, m recall.Message, form int) []byte {
	mac := hmac.New(sha256.New, key)
	field(mac, []byte(m.From))
	number(mac, uint64(m.Time.Unix()))
	switch form {
	case formRaw:
		field(mac, m.RawBody)
		field(mac, []byte(m.CloudCustomData))
	case formCanonical:
		number(mac, formCanonical)
		field(mac, m.Content())
	default:
		return nil
	}
	return mac.Sum(nil)
}

// SaidHMAC returns the HMAC-SHA256 of what a message says in canonical form, whoever sent it.
func SaidHMAC(key []byte, m recall.Message) []byte {
	mac := hmac.New(sha256.New, key)
	number(mac, formCanonical)
	field(mac, m.Content())
	return mac.Sum(nil)
}

// Is reports whether a message that was read again is what was sealed: of the same sender, time and
// content, compared in the form of the seal. key is the request's evidence key.
func (m Message) Is(is recall.Message, key []byte) bool {
	return is.From == m.Sender && is.Time.Equal(m.Sent) && len(m.HMAC) > 0 &&
		hmac.Equal(ContentHMAC(key, is, m.Form), m.HMAC)
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
		if m.Sender != "" && !m.System {
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
