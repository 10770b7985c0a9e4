package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
)

// aLog is an audit log of two requests, as a ledger stores it: every entry has been through JSON.
func aLog(t testing.TB, requests int) []Entry {
	t.Helper()
	var log []Entry
	add := func(e Entry) {
		e.At = noon.Add(time.Duration(len(log)) * time.Second)
		e.Process = e.At.Add(123456 * time.Nanosecond)
		hash := ""
		if n := len(log); n > 0 {
			hash = log[n-1].Hash
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var stored Entry
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		log = append(log, Link(stored, int64(len(log)+1), hash))
	}
	add(Entry{Actor: "bot", What: "started", Detail: Detail(map[string]any{"roster": "r"})})
	for i := range requests {
		id, digest := RequestID(fmt.Sprintf("R-%06d", i)), fmt.Sprintf("%064d", i)
		group := []string{"@TGS#A", "@TGS#B"}[i%2]
		add(Entry{Actor: "slack:T1:MINA", Person: "Mina", Event: "e1", What: "asked", Request: id,
			Detail: Detail(map[string]any{"group": group, "command": "/recall " + group + " 1"})})
		add(Entry{Actor: "bot", What: "sealed", Request: id, Digest: digest,
			Detail: Detail(map[string]any{"seqs": "1"})})
		add(Entry{Actor: "slack:T1:MINA", Person: "Mina", Event: "e2", What: "refused", Request: id, Digest: digest,
			Detail: Detail(map[string]any{"why": "own_request"})})
		add(Entry{Actor: "discord:discord:2", Person: "Theo", Event: "e3", What: "approved", Request: id,
			Digest: digest})
		add(Entry{Actor: "bot", What: "receipt", Request: id, Digest: digest,
			Detail: Detail(map[string]any{"number": i + 1})})
		add(Entry{Actor: "slack:T1:INES", Person: "Ines", Event: "e4", What: "read",
			Detail: Detail(map[string]any{"group": group, "how": "find"})})
	}
	return log
}

// verify runs the log through a Verifier.
func verify(log []Entry, receipt string) error {
	v := Verifier{Receipt: receipt}
	for _, e := range log {
		if err := v.Next(e); err != nil {
			return err
		}
	}
	return v.End()
}

// brokenAt is the first entry that does not fit, 0 when all do.
func brokenAt(t *testing.T, log []Entry, receipt string) int64 {
	t.Helper()
	err := verify(log, receipt)
	if err == nil {
		return 0
	}
	broken, ok := errors.AsType[*BrokenChain](err)
	if !ok {
		t.Fatalf("%v is not a BrokenChain", err)
	}
	return broken.N
}

func head(e Entry) string { return fmt.Sprintf("%d %s", e.N, e.Hash) }

func TestAuditHolds(t *testing.T) {
	log := aLog(t, 2)
	for i, e := range log {
		if err := verify(log, head(e)); err != nil {
			t.Errorf("with the receipt of entry %d: %v", i+1, err)
		}
	}
	if err := verify(nil, ""); err != nil {
		t.Errorf("an empty log: %v", err)
	}
	var v Verifier
	for _, e := range log {
		if err := v.Next(e); err != nil {
			t.Fatal(err)
		}
	}
	if n, hash := v.Head(); n != int64(len(log)) || hash != log[len(log)-1].Hash {
		t.Errorf("head %d %s", n, hash)
	}
}

// TestAuditEveryByte changes every byte of every entry as it is stored, one at a time: what can
// still be read and says something else is found, and the entry that was changed is the one that is
// named.
func TestAuditEveryByte(t *testing.T) {
	log := aLog(t, 1)
	found, tried := 0, 0
	for i, e := range log {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for at := range text {
			for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128} {
				changed := slices.Clone(text)
				changed[at] ^= flip
				var read Entry
				tried++
				if json.Unmarshal(changed, &read) != nil {
					found++ // it is no entry any more
					continue
				}
				if cmp.Equal(read, e) {
					continue // the case of a field's name: it says the same
				}
				found++
				tampered := slices.Clone(log)
				tampered[i] = read
				n := brokenAt(t, tampered, "")
				if n != e.N {
					t.Errorf("entry %d, byte %d: %s became %s: entry %d is named", e.N, at, text, changed, n)
				}
			}
		}
	}
	if found < tried*3/4 {
		t.Errorf("only %d of %d changes said something else", found, tried)
	}
}

// TestAuditEveryField names each field, so that one that is added and not hashed is noticed.
func TestAuditEveryField(t *testing.T) {
	log := aLog(t, 1)
	changes := map[string]func(e *Entry){
		"n":       func(e *Entry) { e.N++ },
		"at":      func(e *Entry) { e.At = e.At.Add(time.Nanosecond) },
		"process": func(e *Entry) { e.Process = e.Process.Add(time.Nanosecond) },
		"actor":   func(e *Entry) { e.Actor = "bot:" },
		"person":  func(e *Entry) { e.Person += "x" },
		"event":   func(e *Entry) { e.Event += "x" },
		"what":    func(e *Entry) { e.What += "x" },
		"request": func(e *Entry) { e.Request += "x" },
		"digest":  func(e *Entry) { e.Digest += "x" },
		"detail":  func(e *Entry) { e.Detail = append(slices.Clone(e.Detail), ' ') },
		"prev":    func(e *Entry) { e.Prev += "0" },
		"hash":    func(e *Entry) { e.Hash += "0" },
	}
	for _, field := range EntryHeader() {
		if field == "name" {
			continue // it lies beside the chain
		}
		change, ok := changes[field]
		if !ok {
			t.Errorf("field %s is not tried", field)
			continue
		}
		for i := range log {
			tampered := slices.Clone(log)
			change(&tampered[i])
			if n := brokenAt(t, tampered, ""); n != log[i].N {
				t.Errorf("%s of entry %d: entry %d is named", field, log[i].N, n)
			}
		}
	}
	// Bytes that move from one field into the next are a change as well.
	tampered := slices.Clone(log)
	tampered[1].Actor, tampered[1].Person = tampered[1].Actor+"M", "ina"
	if brokenAt(t, tampered, "") != 2 {
		t.Error("a byte that moved into the next field was not found")
	}
}

func TestAuditRemovedAndReordered(t *testing.T) {
	log := aLog(t, 2)
	last := len(log) - 1
	for i := range log {
		if i != last { // the last one is the tail: only a receipt tells
			if n := brokenAt(t, slices.Delete(slices.Clone(log), i, i+1), ""); n != log[i].N {
				t.Errorf("without entry %d, entry %d is named", log[i].N, n)
			}
		}
		if n := brokenAt(t, slices.Insert(slices.Clone(log), i, log[i]), ""); n != log[i].N+1 {
			t.Errorf("with entry %d twice, entry %d is named", log[i].N, n)
		}
		for j := i + 1; j < len(log); j++ {
			swapped := slices.Clone(log)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			if n := brokenAt(t, swapped, ""); n != log[i].N {
				t.Errorf("entries %d and %d swapped: entry %d is named", i+1, j+1, n)
			}
			swapped[i].N, swapped[j].N = log[i].N, log[j].N
			if n := brokenAt(t, swapped, ""); n != log[i].N {
				t.Errorf("entries %d and %d swapped and renumbered: entry %d is named", i+1, j+1, n)
			}
		}
	}
}

// relink computes a chain anew over changed entries, as somebody can who holds the database.
func relink(log []Entry) []Entry {
	var out []Entry
	hash := ""
	for i, e := range log {
		e = Link(e, int64(i+1), hash)
		hash = e.Hash
		out = append(out, e)
	}
	return out
}

// TestAuditAgainstReceipt cuts the tail and computes the chain anew in every way: alone that cannot
// be seen, with any later receipt it is.
func TestAuditAgainstReceipt(t *testing.T) {
	log := aLog(t, 2)
	for kept, receipt := range log {
		for cut := range kept + 1 {
			if err := verify(log[:cut], ""); err != nil {
				t.Fatalf("a log cut after %d does not even hold alone: %v", cut, err)
			}
			if n := brokenAt(t, log[:cut], head(receipt)); n != int64(cut)+1 {
				t.Errorf("cut after %d, receipt of %d: entry %d is named", cut, kept+1, n)
			}
			changed := slices.Clone(log)
			changed[cut].Actor = "slack:T1:SOMEBODY"
			changed = relink(changed)
			if err := verify(changed, ""); err != nil {
				t.Fatalf("a chain computed anew does not even hold alone: %v", err)
			}
			if n := brokenAt(t, changed, head(receipt)); n != receipt.N {
				t.Errorf("entry %d changed and all computed anew, receipt of %d: entry %d is named", cut+1, kept+1, n)
			}
			removed := relink(slices.Delete(slices.Clone(log), cut, cut+1))
			if verify(removed, head(receipt)) == nil {
				t.Errorf("entry %d removed and all computed anew, receipt of %d: not found", cut+1, kept+1)
			}
		}
	}
	for _, receipt := range []string{"12", "x y", "0 abc", "-1 abc", " "} {
		if err := verify(log, receipt); err == nil {
			t.Errorf("the receipt %q was taken", receipt)
		}
	}
	if err := verify(log, "  "+head(log[4])+"\n"); err != nil {
		t.Errorf("a receipt copied with spaces around it: %v", err)
	}
}

func TestAuditRow(t *testing.T) {
	east := time.FixedZone("", 8*3600)
	e := Link(Entry{At: noon.In(east), Process: noon.In(east), Actor: "slack:T1:MINA", Person: "Mina", What: "asked",
		Request: "R-1"}, 1, "")
	row := e.Row()
	if len(row) != len(EntryHeader()) {
		t.Fatalf("%d cells under %d names", len(row), len(EntryHeader()))
	}
	if row[1] != "2026-11-23T12:00:00Z" || row[2] != row[1] {
		t.Errorf("times %s and %s are not in UTC", row[1], row[2])
	}
	for _, evil := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", `=HYPERLINK("http://x","y")`} {
		for field, e := range map[string]Entry{
			"actor": {Actor: evil}, "person": {Person: PersonID(evil)}, "event": {Event: EventID(evil)},
			"what":    {What: evil},
			"request": {Request: RequestID(evil)}, "digest": {Digest: evil}, "detail": {Detail: json.RawMessage(evil)},
			"prev": {Prev: evil}, "hash": {Hash: evil},
		} {
			if cell := e.Row()[slices.Index(EntryHeader(), field)]; cell != "'"+evil {
				t.Errorf("%s: %q became %q", field, evil, cell)
			}
		}
	}
	if cell := (Entry{Actor: "a=b"}).Row()[3]; cell != "a=b" {
		t.Errorf("a harmless cell became %q", cell)
	}
}

// TestConfigurationHash changes each option: the hash tells every one that says what the bot does,
// and none that makes a process or a secret.
func TestConfigurationHash(t *testing.T) {
	base := Options{App: 1, Policy: leadsPolicy()}
	said := map[string]bool{base.Hash(): true}
	for i, field := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		o := base
		v := reflect.ValueOf(&o).Elem().Field(i)
		switch field.Name {
		case "Ledger", "Chat", "Log", "Watch", "Holder", "Roster":
			o.Holder, o.Roster = "another", Roster{People: []Person{{Name: "Mina"}}}
			if o.Hash() != base.Hash() {
				t.Errorf("it tells %s", field.Name)
			}
			continue
		case "Policy":
			o.Policy.Crowds = map[Platform]Crowd{Slack: {Approvers: []Principal{{User: "THEO"}}}}
		default:
			switch v.Kind() {
			case reflect.String:
				v.SetString("x")
			case reflect.Bool:
				v.SetBool(true)
			case reflect.Int, reflect.Int64:
				v.SetInt(77)
			case reflect.Uint, reflect.Uint32, reflect.Uint64:
				v.SetUint(77)
			default:
				t.Fatalf("%s is a %s", field.Name, v.Kind())
			}
		}
		if said[o.Hash()] {
			t.Errorf("it does not tell %s", field.Name)
		}
		said[o.Hash()] = true
	}
}

func TestAuditFilter(t *testing.T) {
	log := aLog(t, 3) // two of @TGS#A, one of @TGS#B; an entry a second
	for _, test := range []struct {
		name string
		f    AuditFilter
		want []int64
	}{
		{"all", AuditFilter{}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
		{"from, included", AuditFilter{From: noon.Add(17 * time.Second)}, []int64{18, 19}},
		{"till, not included", AuditFilter{Till: noon.Add(2 * time.Second)}, []int64{1, 2}},
		{"a request", AuditFilter{Request: "R-000001"}, []int64{8, 9, 10, 11, 12}},
		{"a person", AuditFilter{Person: "Theo"}, []int64{5, 11, 17}},
		{"an account", AuditFilter{Person: "discord:discord:2"}, []int64{5, 11, 17}},
		{"nobody by half a name", AuditFilter{Person: "The"}, nil},
		{"the bot", AuditFilter{Person: "bot", Request: "R-000002"}, []int64{15, 18}},
		{"a group: its requests, and what names it", AuditFilter{Group: "@TGS#B"}, []int64{8, 9, 10, 11, 12, 13}},
		{"a group and a person", AuditFilter{Group: "@TGS#A", Person: "Theo"}, []int64{5, 17}},
		{"a group from a time on, asked before", AuditFilter{Group: "@TGS#A", From: noon.Add(16 * time.Second)},
			[]int64{17, 18, 19}},
		{"a group that nobody named", AuditFilter{Group: "@TGS#"}, nil},
	} {
		var got []int64
		for _, e := range log {
			if test.f.Match(e) {
				got = append(got, e.N)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", test.name, diff)
		}
	}
	// Detail that is no JSON names no group, and takes nothing down.
	f := AuditFilter{Group: recall.GroupID("@TGS#A")}
	if f.Match(Entry{Detail: json.RawMessage(`{"group"`)}) ||
		f.Match(Entry{Detail: json.RawMessage(strings.Repeat("[", 100))}) {
		t.Error("broken detail matched")
	}
}

// BenchmarkAuditVerify is the rate at which a chain is checked, beside that of reading it from
// JSON, which is how a ledger stores it.
func BenchmarkAuditVerify(b *testing.B) {
	log := aLog(b, 1000)
	texts := make([][]byte, len(log))
	for i, e := range log {
		var err error
		if texts[i], err = json.Marshal(e); err != nil {
			b.Fatal(err)
		}
	}
	rate := func(b *testing.B, run func() error) {
		for b.Loop() {
			if err := run(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*float64(len(log))/b.Elapsed().Seconds(), "entries/s")
	}
	b.Run("checked", func(b *testing.B) { rate(b, func() error { return verify(log, "") }) })
	b.Run("read and checked", func(b *testing.B) {
		rate(b, func() error {
			var v Verifier
			for _, text := range texts {
				var e Entry
				if err := json.Unmarshal(text, &e); err != nil {
					return err
				}
				if err := v.Next(e); err != nil {
					return err
				}
			}
			return v.End()
		})
	})
}

// TestVerifierNamed: whatever became of a request lies between the beginning and the end of a log
// that is whole, also where the ledger's clock was set back.
func TestVerifierNamed(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	log := func(minutes ...int) *Verifier {
		v, prev := &Verifier{}, ""
		for i, m := range minutes {
			e := Link(Entry{At: at(m), What: "asked"}, int64(i+1), prev)
			if err := v.Next(e); err != nil {
				t.Fatal(err)
			}
			prev = e.Hash
		}
		return v
	}
	for _, test := range []struct {
		name string
		v    *Verifier
		r    Request
		want string // "": it holds
	}{
		{"nothing of nobody", log(), Request{}, ""},
		{"asked", log(1, 2), Request{Asked: at(1)}, ""},
		{"asked before the clock was set back", log(5, 1, 2), Request{Asked: at(5)}, ""},
		{"asked after the clock was set back", log(5, 1, 2), Request{Asked: at(1)}, ""},
		{"asked, in no log", log(), Request{Asked: at(1)}, "audit entry 1: missing: the log begins after  was asked"},
		{"asked before the log", log(2, 3), Request{Asked: at(1)},
			"audit entry 1: missing: the log begins after  was asked"},
		{"sealed after it", log(1, 2), Request{State: Proposed, Asked: at(1), Sealed: at(3)},
			"audit entry 3: missing: the log ends before  is proposed"},
		{"approved after it", log(1, 2), Request{State: Proposed, Asked: at(1), Approvals: []Approval{{At: at(3)}}},
			"audit entry 3: missing: the log ends before  is proposed"},
		{"granted after it", log(1, 2), Request{State: Approved, Asked: at(1), Granted: at(3)},
			"audit entry 3: missing: the log ends before  is approved"},
		{"ended after it", log(1, 2), Request{State: Rejected, Asked: at(1), Ended: at(3)},
			"audit entry 3: missing: the log ends before  is rejected"},
		{"a head that is none", log(1, 2), Request{Asked: at(1), AuditHead: "x"},
			`the head "x" of receipt 0, of , is not a number and a hash`},
	} {
		err := test.v.named(test.r, func(n int64) (Entry, error) { return Entry{}, fmt.Errorf("entry %d was read", n) })
		if got := fmt.Sprint(err); err == nil && test.want != "" || err != nil && got != test.want {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}
