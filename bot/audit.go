package bot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/recall"
)

// Entry is one entry of the audit log: who did what to which request, about which digest, and when.
// It has no message content. Each entry has the hash of the entry before it, so Verifier finds an
// entry that was changed, removed or moved. With a receipt that somebody kept, Verifier also finds
// that the end was cut off or that the whole chain was computed again.
type Entry struct {
	N       int64     `json:"n"`
	At      time.Time `json:"at"`      // the ledger's clock
	Process time.Time `json:"process"` // the process's clock
	// Actor is the account that acted, or "bot" where no person did.
	Actor string `json:"actor"`
	// Person is in entries of earlier versions; names lie beside the log now (Name).
	Person  PersonID  `json:"person,omitempty"`
	Event   EventID   `json:"event,omitempty"`
	What    string    `json:"what"`
	Request RequestID `json:"request,omitempty"`
	Digest  string    `json:"digest,omitempty"`
	// Detail holds further facts, as a JSON object with sorted keys.
	Detail json.RawMessage `json:"detail,omitempty"`

	Prev string `json:"prev"` // the hash of the entry before; "" for the first
	Hash string `json:"hash"`

	// Name is who acted, as ActorNames finds it. It is in no hash and is not stored with the entry.
	Name PersonID `json:"name,omitempty"`
}

// Link returns e as the entry that follows the one with the hash prev: with the number n and with
// its own hash.
func Link(e Entry, n int64, prev string) Entry {
	e.N, e.Prev, e.Name = n, prev, ""
	e.Hash = e.sum()
	return e
}

// sum returns the SHA-256 over all fields of the entry except its hash and the name, in the order
// of the struct and each preceded by its length. A time is hashed as it is written (RFC 3339 with
// every digit), so that no part of it can be changed unseen. README.md describes the form.
func (e Entry) sum() string {
	b := make([]byte, 0, 1024)
	add := func(s string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(e.N))
	for _, at := range []time.Time{e.At, e.Process} {
		add(at.Format(time.RFC3339Nano))
	}
	for _, s := range []string{e.Actor, string(e.Person), string(e.Event), e.What, string(e.Request), e.Digest,
		string(e.Detail), e.Prev} {
		add(s)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// BrokenChain is the error for an audit log that is not what was written.
type BrokenChain struct {
	N    int64 // the first entry that does not fit
	What string
}

// Error names the entry and what is wrong with it.
func (b *BrokenChain) Error() string { return fmt.Sprintf("audit entry %d: %s", b.N, b.What) }

// Verifier checks the entries of an audit log, which it is given in order.
type Verifier struct {
	// Receipt is the head that a kept receipt names, "number hash"; "" for none. The log must
	// contain that very entry. It does not if its end was cut off before the entry, or if its chain
	// was computed again.
	Receipt string

	n           int64
	hash        string
	first, last time.Time // of all entries, which need not be in the order of their times
	kept        bool      // the receipt's entry was met
}

// Next checks that e follows the entries before it. It returns a *BrokenChain when it does not.
func (v *Verifier) Next(e Entry) error {
	switch {
	case e.N != v.n+1:
		return &BrokenChain{v.n + 1, fmt.Sprintf("missing: entry %d stands in its place", e.N)}
	case e.Prev != v.hash:
		return &BrokenChain{e.N, "does not follow the entry before it"}
	case e.Hash != e.sum():
		return &BrokenChain{e.N, "was changed: its hash does not fit what it says"}
	}
	v.n, v.hash = e.N, e.Hash
	if v.first.IsZero() || e.At.Before(v.first) {
		v.first = e.At
	}
	if e.At.After(v.last) {
		v.last = e.At
	}
	if n, hash, ok := parseHead(v.Receipt); ok && n == e.N {
		if v.kept = hash == e.Hash; !v.kept {
			return &BrokenChain{e.N, "is not the entry that the receipt names: the chain was computed anew"}
		}
	}
	return nil
}

// End checks, after the last entry, that the log reaches to the entry that the receipt names.
func (v *Verifier) End() error {
	if v.Receipt == "" {
		return nil
	}
	n, _, ok := parseHead(v.Receipt)
	if !ok {
		return fmt.Errorf("the receipt's head %q is not a number and a hash", v.Receipt)
	}
	if !v.kept {
		return &BrokenChain{v.n + 1, fmt.Sprintf("missing: the log ends before entry %d, which the receipt names", n)}
	}
	return nil
}

// named checks, after Next has had every entry, that the log contains the entries that a request
// refers to: the head in its receipt, which entry returns, and an entry for each thing that
// happened to the request. Such an entry is written in the transaction that stores the thing, so no
// time of a request is before the first entry or after the last. So named finds a log that was
// emptied, cut off or computed again, even if nobody kept a receipt.
func (v *Verifier) named(r Request, entry func(n int64) (Entry, error)) error {
	if r.AuditHead != "" {
		n, hash, ok := parseHead(r.AuditHead)
		if !ok {
			return fmt.Errorf("the head %q of receipt %s, of %s, is not a number and a hash", r.AuditHead,
				r.ReceiptNumber(), r.ID)
		}
		if n > v.n {
			return &BrokenChain{v.n + 1, fmt.Sprintf(
				"missing: the log ends before entry %d, which receipt %s, of %s, names", n, r.ReceiptNumber(), r.ID)}
		}
		if e, err := entry(n); err != nil {
			return err
		} else if e.Hash != hash {
			return &BrokenChain{n, fmt.Sprintf(
				"is not the entry that receipt %s, of %s, names: the chain was computed anew", r.ReceiptNumber(), r.ID)}
		}
	}
	times := []time.Time{r.Asked, r.Sealed, r.Granted, r.Ended}
	for _, a := range r.Approvals {
		times = append(times, a.At)
	}
	for _, at := range times {
		switch {
		case at.IsZero():
		case v.first.IsZero(), at.Before(v.first):
			return &BrokenChain{1, fmt.Sprintf("missing: the log begins after %s was asked", r.ID)}
		case at.After(v.last):
			return &BrokenChain{v.n + 1, fmt.Sprintf("missing: the log ends before %s is %s", r.ID, r.State)}
		}
	}
	return nil
}

// Head returns the number and the hash of the last entry that was valid.
func (v *Verifier) Head() (int64, string) { return v.n, v.hash }

// pastedHead is the head of the chain as a receipt has it, wherever it stands in the pasted line.
var pastedHead = regexp.MustCompile(`(?i)(\d+)[^0-9a-z]+([0-9a-f]{64})\b`)

// parseHead reads the number and the hash of an entry, alone or in the line of a receipt.
func parseHead(receipt string) (n int64, hash string, ok bool) {
	found := pastedHead.FindStringSubmatch(receipt)
	if found == nil {
		return 0, "", false
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	return n, strings.ToLower(found[2]), err == nil && n > 0
}

// AuditFilter selects entries for an export. A zero field selects all. Match must be given every
// entry of the log in order, beginning with the first: only the entry that a request was asked
// names the group of the request, and of a sweep that which says that it was sealed. Given all once
// more, Match also selects what came before that.
type AuditFilter struct {
	// From and Till bound the ledger's time, From included, Till not.
	From, Till time.Time
	Group      recall.GroupID
	// Person is a person of the roster, an account as entries name it (platform:workspace:user), or
	// the last part of one, in any case.
	Person  string
	Request RequestID
	What    string // the kind of entry, in any case

	about map[RequestID]bool // requests about Group
}

// Match reports whether e is selected.
func (f *AuditFilter) Match(e Entry) bool {
	group := true
	if f.Group != "" {
		group = f.isAboutGroup(e)
	}
	return group &&
		(f.From.IsZero() || !e.At.Before(f.From)) && (f.Till.IsZero() || e.At.Before(f.Till)) &&
		(f.Person == "" || f.isBy(e)) && (f.What == "" || strings.EqualFold(f.What, e.What)) &&
		(f.Request == "" || f.Request == e.Request)
}

// isBy reports whether the person acted.
func (f *AuditFilter) isBy(e Entry) bool {
	user := e.Actor[strings.LastIndexByte(e.Actor, ':')+1:]
	for _, name := range []string{string(e.Name), string(e.Person), e.Actor, user} {
		if strings.EqualFold(f.Person, name) {
			return true
		}
	}
	return false
}

// isAboutGroup reports whether e names the group, or is about a request of the group.
func (f *AuditFilter) isAboutGroup(e Entry) bool {
	var named struct {
		Group  recall.GroupID `json:"group"`
		Groups []Talk         `json:"groups"` // of a request over several
	}
	// A detail that this program did not write names no group. Verifier reports it.
	if bytes.Contains(e.Detail, []byte(`"group"`)) && json.Unmarshal(e.Detail, &named) == nil &&
		(named.Group == f.Group || slices.ContainsFunc(named.Groups, func(t Talk) bool { return t.Group == f.Group })) {
		if e.What == "asked" || e.What == "sealed" {
			if f.about == nil {
				f.about = map[RequestID]bool{}
			}
			f.about[e.Request] = true
		}
		return true
	}
	return e.Request != "" && f.about[e.Request]
}

// EntryHeader names the columns of Entry.Row.
func EntryHeader() []string {
	return []string{"n", "at", "process", "actor", "person", "event", "what", "request", "digest", "detail", "prev",
		"hash", "name"}
}

// Row returns the entry as a row of CSV, with times in UTC. A cell that a spreadsheet would read as
// a formula gets a quote in front.
func (e Entry) Row() []string {
	row := []string{
		strconv.FormatInt(e.N, 10), e.At.UTC().Format(time.RFC3339Nano), e.Process.UTC().Format(time.RFC3339Nano),
		e.Actor, string(e.Person), string(e.Event), e.What, string(e.Request), e.Digest, string(e.Detail), e.Prev,
		e.Hash, string(e.Name),
	}
	for i, cell := range row {
		row[i] = Cell(cell)
	}
	return row
}

// Cell returns a cell of CSV, with a quote in front where a spreadsheet would read a formula.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Trace is an entry about one call of the service or about readings of history. It is collected
// while no transaction is open, and appended to the audit log later.
type Trace struct {
	What   string
	Detail json.RawMessage
}

// The kinds of Trace.
const (
	TraceCall  = "api"       // one call of the service, with its answer
	TraceFound = "found out" // what readings of history showed of the messages in question
)

// NewTrace returns a Trace whose detail is the map.
func NewTrace(what string, more map[string]any) Trace { return Trace{what, Detail(more)} }

// Detail returns a map as JSON with sorted keys; encoding/json sorts the keys of maps.
func Detail(m map[string]any) json.RawMessage {
	if len(m) == 0 {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("bot: audit detail: %v", err)) // unreachable: callers pass strings, numbers and lists of them
	}
	return b
}
