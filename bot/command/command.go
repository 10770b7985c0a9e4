package command

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"

	"golang.org/x/text/unicode/norm"
)

// What a command may hold. The identifiers' sizes are the Chat service's.
const (
	MaxCommand = 4000 // characters of one command, all options together; they hold 910 runs of seqs at most
	MaxLast    = 2000 // last:N; no search reads more messages than this

	maxGroupID  = recall.MaxGroupIDBytes
	maxUserID   = 32  // bytes
	maxTopicID  = 256 // bytes; the service names no limit, this one only bounds what is stored
	maxAgo      = 3650 * 24 * time.Hour
	maxQuoted   = 100  // characters of the input that a Mistake quotes
	maxRepaired = 1500 // characters of a corrected command: it must fit one message on either platform
)

// Range is a contiguous run of seqs, both ends included.
type Range struct{ From, To recall.Seq }

// String is "100" or "100-150".
func (r Range) String() string {
	if r.From == r.To {
		return strconv.FormatUint(uint64(r.From), 10)
	}
	return strconv.FormatUint(uint64(r.From), 10) + "-" + strconv.FormatUint(uint64(r.To), 10)
}

// Ranges is a set of seqs: sorted, disjoint and not adjacent. The empty set is nil.
// Its size is that of its runs: 1-4294967295 is one Range and is never expanded.
type Ranges []Range

// MakeRanges is the set of the given seqs, in any order, duplicates folded.
func MakeRanges(seqs ...recall.Seq) Ranges {
	runs := make([]Range, len(seqs))
	for i, s := range seqs {
		runs[i] = Range{s, s}
	}
	return union(runs)
}

// union sorts the runs in place and joins those that overlap or touch.
func union(runs []Range) Ranges {
	slices.SortFunc(runs, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var out Ranges
	for _, r := range runs {
		// In 64 bits, so that the run after 4294967295 does not wrap around.
		if n := len(out); n > 0 && uint64(r.From) <= uint64(out[n-1].To)+1 {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// ParseRanges reads what String wrote, and nothing else: it is for the stored form, not for what people type.
func ParseRanges(s string) (Ranges, error) {
	if s == "" {
		return nil, nil
	}
	var rs Ranges
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRun := strings.Cut(part, "-")
		if !isRun {
			to = from
		}
		f, errFrom := strconv.ParseUint(from, 10, 32)
		t, errTo := strconv.ParseUint(to, 10, 32)
		if err := errors.Join(errFrom, errTo); err != nil {
			return nil, fmt.Errorf("read stored seqs: %w", err)
		}
		if f == 0 || f > t {
			return nil, fmt.Errorf("read stored seqs: %q is no run of seqs", part)
		}
		rs = append(rs, Range{recall.Seq(f), recall.Seq(t)})
	}
	if again := union(slices.Clone(rs)); again.String() != s {
		return nil, fmt.Errorf("read stored seqs: %q is not in its canonical form", s)
	}
	return rs, nil
}

// String is the stored form, as "100-150,170".
func (rs Ranges) String() string {
	var b strings.Builder
	for i, r := range rs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// MarshalText is the stored form.
func (rs Ranges) MarshalText() ([]byte, error) { return []byte(rs.String()), nil }

// UnmarshalText reads the stored form.
func (rs *Ranges) UnmarshalText(b []byte) (err error) {
	*rs, err = ParseRanges(string(b))
	return err
}

// Count is the number of seqs, up to 4294967295 (math.MaxInt where an int is smaller).
func (rs Ranges) Count() int {
	var n uint64
	for _, r := range rs {
		n += uint64(r.To) - uint64(r.From) + 1
	}
	return int(min(n, math.MaxInt))
}

// Contains reports whether the seq is in the set.
func (rs Ranges) Contains(s recall.Seq) bool {
	_, found := slices.BinarySearchFunc(rs, s, func(r Range, s recall.Seq) int {
		switch {
		case r.To < s:
			return -1
		case r.From > s:
			return 1
		}
		return 0
	})
	return found
}

// Overlaps reports whether the two sets share a seq.
func (rs Ranges) Overlaps(other Ranges) bool {
	for i, j := 0, 0; i < len(rs) && j < len(other); {
		switch {
		case rs[i].To < other[j].From:
			i++
		case other[j].To < rs[i].From:
			j++
		default:
			return true
		}
	}
	return false
}

// All yields every seq in ascending order. Look at Count first: there may be four billion.
func (rs Ranges) All() iter.Seq[recall.Seq] {
	return func(yield func(recall.Seq) bool) {
		for _, r := range rs {
			for s := uint64(r.From); s <= uint64(r.To); s++ {
				if !yield(recall.Seq(s)) {
					return
				}
			}
		}
	}
}

// FromEnd is the seq with which the last n of the set begin: the first of all when there are not so many, 0 when there is none.
func (rs Ranges) FromEnd(n int) recall.Seq {
	left := uint64(max(n, 1))
	for _, r := range slices.Backward(rs) {
		if size := uint64(r.To) - uint64(r.From) + 1; size < left {
			left -= size
			continue
		}
		return r.To - recall.Seq(left-1)
	}
	if len(rs) == 0 {
		return 0
	}
	return rs[0].From
}

// When is a time bound as typed: a duration back from now, or an absolute time (UTC). At most one is set; the zero When is no bound.
type When struct {
	Ago time.Duration `json:"ago,omitempty"` // whole seconds, up to 3650 days; stored in nanoseconds
	At  time.Time     `json:"at,omitzero"`
}

// IsZero reports whether there is no bound.
func (w When) IsZero() bool { return w.Ago == 0 && w.At.IsZero() }

// Resolve is the time meant, for somebody who typed it at now; the zero Time for no bound.
func (w When) Resolve(now time.Time) time.Time {
	if w.Ago != 0 {
		return now.Add(-w.Ago)
	}
	return w.At
}

// String is as one types it: "90s", "30m", "2h", "3d" or RFC 3339.
func (w When) String() string {
	if w.Ago == 0 {
		if w.At.IsZero() {
			return ""
		}
		return w.At.UTC().Format(time.RFC3339Nano)
	}
	seconds := int64(w.Ago / time.Second)
	for _, u := range []struct {
		seconds int64
		unit    string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds%u.seconds == 0 {
			return strconv.FormatInt(seconds/u.seconds, 10) + u.unit
		}
	}
	return strconv.FormatInt(seconds, 10) + "s"
}

// Filter says which messages by what they are, where their seqs are not known.
type Filter struct {
	From  recall.UserID `json:"from,omitempty"` // the sender, in the Chat service
	Since When          `json:"since,omitzero"`
	Until When          `json:"until,omitzero"`
	Text  string        `json:"text,omitempty"` // a phrase, as typed
	Last  int           `json:"last,omitempty"` // the newest N that match; 0 is all, otherwise up to MaxLast
}

// IsZero reports whether nothing is filtered by.
func (f Filter) IsZero() bool { return f == Filter{} }

// String is the filter as one types it in Slack, as `from:alice since:2h`.
func (f Filter) String() string {
	s := Command{Verb: VerbFind, Scope: Scope{Filter: f}}.String()
	return strings.TrimPrefix(strings.TrimPrefix(s, "/recalls find"), " ")
}

// selects reports whether the filter has an option that a filter needs at least one of.
func (f Filter) selects() bool {
	return f.From != "" || !f.Since.IsZero() || f.Text != "" || f.Last != 0
}

// Scope is what is asked for: messages of one group, or of one topic of it, by their seqs or by a filter, never by both.
type Scope struct {
	Group  recall.GroupID `json:"group,omitempty"`
	Topic  recall.TopicID `json:"topic,omitempty"` // begins with the group's id and @TOPIC#_; empty for the group itself
	Seqs   Ranges         `json:"seqs,omitempty"`
	Filter Filter         `json:"filter,omitzero"`
}

// Verb is what a command wants done.
type Verb string

const (
	VerbRecall   Verb = "recall" // ask for a recall of Scope, for Reason
	VerbForm     Verb = "form"   // /recall alone: a form for the same
	VerbFind     Verb = "find"
	VerbList     Verb = "list"
	VerbShow     Verb = "show"
	VerbWithdraw Verb = "withdraw"
	VerbStop     Verb = "stop"
	VerbHelp     Verb = "help"
	VerbWhoami   Verb = "whoami"
)

// subcommands are the first words of /recalls.
var subcommands = []Verb{VerbFind, VerbList, VerbShow, VerbWithdraw, VerbStop, VerbHelp, VerbWhoami}

// optionsOf names the options of each verb, in the order in which they are written.
// The first few, up to the count in wordsOf, are words without a name in Slack's text form.
var optionsOf = map[Verb][]string{
	VerbRecall:   {"group", "seqs", "topic", "from", "since", "until", "text", "last", "reason"},
	VerbFind:     {"group", "topic", "from", "since", "until", "text", "last"},
	VerbList:     {"which"},
	VerbShow:     {"id"},
	VerbWithdraw: {"id"},
	VerbStop:     {"id"},
}

var wordsOf = map[Verb]int{VerbRecall: 2, VerbFind: 1, VerbList: 1, VerbShow: 1, VerbWithdraw: 1, VerbStop: 1}

// What a list is of, when it is not of a group.
const (
	ListOpen = "open"
	ListMine = "mine"
)

// Command is one command that was read. Parse and ParseOptions make it; every one they return can be written with String and read again.
type Command struct {
	Verb      Verb
	Scope     Scope          // VerbRecall, VerbFind
	Reason    string         // VerbRecall: as typed, without hidden and control characters; may be empty
	Request   RequestID      // VerbShow, VerbWithdraw, VerbStop
	List      string         // VerbList: ListOpen, ListMine, or the id in ListGroup
	ListGroup recall.GroupID // VerbList: set when the list is of a group, which may itself be named "open"
}

// RequestID names a request: "R-" and 6 characters of Crockford base32, short enough to say aloud and not guessable in sequence.
type RequestID string

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewRequestID draws an id, uniformly among 2^30, from a source of random bytes such as crypto/rand.Reader.
// It panics where the source fails. The caller tells a collision by its own store.
func NewRequestID(random io.Reader) RequestID {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(fmt.Sprintf("draw a request id: %v", err)) // unreachable unless random is not crypto/rand
	}
	n := binary.BigEndian.Uint32(b[:])
	id := []byte("R-000000")
	for i := range 6 {
		id[2+i] = crockford[n>>(5*i)&31]
	}
	return RequestID(id)
}

// ParseRequestID reads an id as people write it: any case, o for 0, i and l for 1, with or without "R-", and with what
// clients change on the way (typographic dashes, full-width digits, zero-width characters, spaces around it).
func ParseRequestID(s string) (RequestID, bool) {
	s = strings.ToUpper(strings.TrimSpace(FoldString(strings.Map(dropZeroWidth, s))))
	s = strings.TrimPrefix(s, "R-")
	if len(s) != 6 {
		return "", false
	}
	s = strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(s)
	for _, r := range s {
		if !strings.ContainsRune(crockford, r) {
			return "", false
		}
	}
	return RequestID("R-" + s), true
}

// Mistake says why a command could not be read. It is an answer to the person who typed it, not an error for the log.
// Quoted holds text that others wrote: it is shown in a frame, never as the bot's own words.
type Mistake struct {
	Key        string // which mistake: a stable word under which text/en.txt has the sentence
	Quoted     string // the part of the input that is wrong, as typed, cut at 100 characters; may be empty
	Expected   string // what would be right there: an example in the command language
	Corrected  string // a whole command to copy, in the form in which the wrong one was given
	Count, Max int    // what was counted and what it may be at most, where that is the mistake; else 0
}

// Error is for programmers. People get the sentence of the Key. What was typed is left out: an error may be logged.
func (m *Mistake) Error() string { return "mistake in a command: " + m.Key }

// Examples of the right thing. The group's id is the one of the Chat service's own documentation: it exists nowhere,
// so that a corrected command copied blindly removes nothing.
const (
	sampleGroup   = "@TGS#2J4SZEAEL"
	sampleSeqs    = "100 101"
	sampleRequest = "R-7K2M9Q"

	wantGroup   = `@TGS#2J4SZEAEL, "my group"`
	wantSeqs    = "100 101, 100-150"
	wantSeq     = "1-4294967295"
	wantFilter  = `from:USER, since:2h, text:"WORDS", last:20`
	wantWhen    = "90s, 30m, 2h, 3d, 2026-11-23T10:00:00+01:00"
	wantTopic   = "@TGS#_GROUP@TOPIC#_TOPIC"
	wantLast    = "1-2000"
	wantRequest = sampleRequest
)

// template is the command given as corrected when not even the group can be saved.
func template(v Verb, typed bool) string {
	switch {
	case v == VerbFind && typed:
		return "/recalls find group:" + sampleGroup + " last:20"
	case v == VerbFind:
		return "/recalls find " + sampleGroup + " last:20"
	case (v == VerbShow || v == VerbWithdraw || v == VerbStop) && typed:
		return "/recalls " + string(v) + " id:" + sampleRequest
	case v == VerbShow || v == VerbWithdraw || v == VerbStop:
		return "/recalls " + string(v) + " " + sampleRequest
	case v == VerbList && typed:
		return "/recalls list which:" + ListOpen
	case v == VerbList:
		return "/recalls list " + ListOpen
	case v == VerbHelp || v == VerbWhoami:
		return "/recalls " + string(v)
	case typed:
		return "/recall group:" + sampleGroup + " seqs:" + sampleSeqs
	}
	return "/recall " + sampleGroup + " " + sampleSeqs
}

// Parse reads a command in Slack's text form: the name ("recall" or "recalls", with or without its slash) and the text after it.
// An error is always a *Mistake, whose Corrected can be parsed. How many messages a policy allows is for the caller to check.
func Parse(name, text string) (Command, error) {
	return readText(name, text).result(false)
}

// ParseOptions reads a command in Discord's typed form: the name, the subcommand ("" for /recall) and the options given, by name.
// The rules are those of Parse, but for what the platform has already told apart: a value needs no quotes (it may have them),
// a group may be named like a subcommand, and a reason ends where its option ends. An empty value is no option.
// An error is always a *Mistake; its Corrected is in the typed form, as "/recall group:@TGS#2J4SZEAEL seqs:100".
func ParseOptions(name, sub string, options map[string]string) (Command, error) {
	return readOptions(name, sub, options).result(true)
}

// A reader reads one command. At a mistake it does not stop: it keeps the first one, mends what can be mended and reads on,
// so that what it ends with, written back, is the corrected command.
type reader struct {
	c      Command
	first  *Mistake
	lost   bool // what was meant cannot be told from what was mended
	left   bool // an option was left out in mending; a filter may now let more messages through than was meant
	trying bool // it is read to see whether it can be
	// option is the name of the option whose value is being read, where the platform has told it apart: the value alone does not say it.
	option string
}

// result is the command that was read, or the mistake with the corrected command in the form in which people can type it.
func (r *reader) result(typed bool) (Command, error) {
	if r.first == nil {
		return r.c, nil
	}
	r.first.Corrected = r.corrected(typed)
	return Command{}, r.first
}

func (r *reader) mistake(key, quoted, expected string) {
	if r.first != nil {
		return
	}
	if r.option != "" && quoted != "" {
		quoted = r.option + ":" + quoted
	}
	quoted = strings.ToValidUTF8(quoted, "\uFFFD")
	if cut := []rune(quoted); len(cut) > maxQuoted {
		quoted = string(cut[:maxQuoted-1]) + "…"
	}
	r.first = &Mistake{Key: key, Quoted: quoted, Expected: expected}
}

func (r *reader) tooMany(key, quoted, expected string, count, most int) {
	if r.first == nil {
		r.mistake(key, quoted, expected)
		r.first.Count, r.first.Max = count, most
	}
}

// corrected is the mended command when it is what must have been meant. When that cannot be told but the group is known,
// it is a find in that group with what was understood of the filter: a command that shows the seqs and changes nothing.
// Else it is a template.
func (r *reader) corrected(typed bool) string {
	if s := r.c.Write(typed); !r.lost && utf8.RuneCountInString(s) <= maxRepaired && r.c.readsBack(typed) {
		return s
	}
	find := Command{Verb: VerbFind, Scope: Scope{Group: r.c.Scope.Group, Topic: r.c.Scope.Topic, Filter: r.c.Scope.Filter}}
	if !find.Scope.Filter.selects() {
		find.Scope.Filter.Last = 20
	}
	if s := find.Write(typed); find.Scope.Group != "" && utf8.RuneCountInString(s) <= maxRepaired && find.readsBack(typed) {
		return s
	}
	return template(r.c.Verb, typed)
}

// readsBack reports whether the command, written and copied into the platform again, is read as itself without a mistake.
func (c Command) readsBack(typed bool) bool {
	var again *reader
	if typed {
		again = readOptions(split(c.Write(true)))
	} else {
		name, text, _ := strings.Cut(c.String(), " ")
		again = readText(name, text)
	}
	return again.first == nil && again.c.String() == c.String()
}

// optionStart is where an option begins in the typed form, as Discord's client sees it when a command is pasted.
var optionStart = regexp.MustCompile(` (group|seqs|topic|from|since|until|text|last|reason|which|id):`)

// split takes the typed form apart as Discord's client does. A value that holds what looks like an option comes apart too.
func split(s string) (name, sub string, options map[string]string) {
	options = map[string]string{}
	end := len(s)
	for _, m := range slices.Backward(optionStart.FindAllStringSubmatchIndex(s, -1)) {
		options[s[m[2]:m[3]]] = s[m[1]:end]
		end = m[0]
	}
	name, sub, _ = strings.Cut(s[:end], " ")
	return name, sub, options
}

// ---- Slack's text ----

// char is one character of the input and where it stands there, so that a mistake can be quoted as typed.
type char struct {
	r      rune
	at, to int
}

var entities = []struct {
	typed string
	r     rune
}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}}

// scan undoes, once, the escaping that Slack does to text, and leaves out zero-width characters. Everything else stays as typed.
func scan(text string) []char {
	chars := make([]char, 0, len(text))
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		for _, e := range entities {
			if r == '&' && strings.HasPrefix(text[i:], e.typed) {
				r, n = e.r, len(e.typed)
			}
		}
		if dropZeroWidth(r) >= 0 {
			chars = append(chars, char{r, i, i + n})
		}
		i += n
	}
	return chars
}

// dropZeroWidth is for strings.Map: it drops the characters of no width that clients and copying leave behind.
func dropZeroWidth(r rune) rune {
	switch {
	case 0x200B <= r && r <= 0x200F, r == 0x2060, r == 0xFEFF:
		return -1
	}
	return r
}

// fold undoes what clients do to single characters: typographic quotes and dashes, spaces of every kind,
// full-width digits and punctuation of the command language. Letters are left alone.
func fold(r rune) rune {
	switch {
	case r < 0x80 && r != '\n' && r != '\t' && r != '\r' && r != '\v' && r != '\f':
		return r
	case unicode.IsSpace(r):
		return ' '
	case 0x2010 <= r && r <= 0x2015, r == 0x2212, r == 0xFF0D:
		return '-'
	case 0x201C <= r && r <= 0x201F, r == 0xAB, r == 0xBB, r == 0xFF02:
		return '"'
	case 0x2018 <= r && r <= 0x201B, r == 0xFF07:
		return '\''
	case 0xFF10 <= r && r <= 0xFF19, r == 0xFF20, r == 0xFF03, r == 0xFF1A, r == 0xFF0C:
		return r - 0xFEE0
	case r == 0x3001: // the comma between items of a Chinese or Japanese list
		return ','
	}
	return r
}

func FoldString(s string) string { return strings.Map(fold, s) }

func isSpace(r rune) bool { return fold(r) == ' ' }

func isQuote(r rune) bool { return fold(r) == '"' }

// cleaned is text of a person as it is kept: as typed, but for characters that hide or steer what is read (control, zero-width,
// direction and tag characters), which go, and line breaks, which become spaces.
func cleaned(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Zl, unicode.Zp), unicode.IsControl(r) && unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), dropZeroWidth(r) < 0,
			0x202A <= r && r <= 0x202E, 0x2061 <= r && r <= 0x206F, r == 0x061C,
			0xFFF9 <= r && r <= 0xFFFB, 0xE0000 <= r && r <= 0xE007F:
			return -1
		}
		return r
	}, s))
}

// item is one word or one option's value.
type item struct {
	raw    string // as typed, with the option's name and the quotes
	val    string // without them; not folded
	quoted bool
}

// id is the item as an identifier: folded.
func (f item) id() string { return FoldString(f.val) }

// token is an item of Slack's text.
type token struct {
	item
	name   string // the option's name as typed, in lower case; "" for a word
	fault  string // the mistake in its quotes, or ""
	at, to int    // its characters
	value  int    // where its value begins
}

// plain reports whether it is a word without a name or quotes.
func (t token) plain() bool { return t.name == "" && !t.quoted }

// words reads Slack's text token by token.
type words struct {
	text  string
	chars []char
	pos   int
}

func (w *words) raw(at, to int) string {
	return w.text[w.chars[at].at:w.chars[to-1].to]
}

// runes is the characters from at to to as a string, entities undone.
func (w *words) runes(at, to int) string {
	var b strings.Builder
	for _, c := range w.chars[at:to] {
		b.WriteRune(c.r)
	}
	return b.String()
}

// wordEnd is where the word that stands at i ends.
func (w *words) wordEnd(i int) int {
	for i < len(w.chars) && !isSpace(w.chars[i].r) {
		i++
	}
	return i
}

// peek is the next token, left where it is.
func (w *words) peek() (token, bool) {
	i := w.pos
	for i < len(w.chars) && isSpace(w.chars[i].r) {
		i++
	}
	if i == len(w.chars) {
		return token{}, false
	}
	t := token{at: i, value: i}
	for i < len(w.chars) && unicode.IsLetter(w.chars[i].r) {
		i++
	}
	if i > t.at && i < len(w.chars) && fold(w.chars[i].r) == ':' {
		t.name, t.value = strings.ToLower(w.runes(t.at, i)), i+1
	}
	if t.value < len(w.chars) && isQuote(w.chars[t.value].r) {
		t.quoted = true
		val, end, closed := unquote(w.chars, t.value)
		t.val, t.to = val, end
		switch {
		case !closed:
			t.fault = "quote_open"
		case w.wordEnd(end) > end:
			t.fault, t.to = "quote_after", w.wordEnd(end)
		}
	} else {
		t.to = w.wordEnd(t.value)
		t.val = w.runes(t.value, t.to)
	}
	t.raw = w.raw(t.at, t.to)
	return t, true
}

// next is the next token.
func (w *words) next() (token, bool) {
	t, ok := w.peek()
	if ok {
		w.pos = t.to
	}
	return t, ok
}

// unquote reads the quoted string that begins at i. Any double quote ends it, whichever began it: clients change one and not the other.
// A backslash makes a quote or a backslash after it an ordinary character.
func unquote(chars []char, i int) (val string, end int, closed bool) {
	var b strings.Builder
	for i++; i < len(chars); i++ {
		r := chars[i].r
		switch {
		case r == '\\' && i+1 < len(chars) && (chars[i+1].r == '\\' || isQuote(chars[i+1].r)):
			i++
			b.WriteRune(chars[i].r)
		case isQuote(r):
			return b.String(), i + 1, true
		default:
			b.WriteRune(r)
		}
	}
	return b.String(), i, false
}

// quote writes a string so that unquote reads it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r == '\\' || isQuote(r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

func readText(name, text string) *reader {
	r := &reader{c: Command{Verb: VerbRecall}}
	if n := utf8.RuneCountInString(text); n > MaxCommand {
		r.tooMany("too_long", "", "", n, MaxCommand)
		r.lost = true
		return r
	}
	w := &words{text: text, chars: scan(text)}
	switch strings.TrimPrefix(name, "/") {
	case "recall":
		r.readRecall(w)
	case "recalls":
		r.readRecalls(w)
	default:
		r.mistake("command_unknown", name, "/recall, /recalls")
		r.c.Verb, r.lost = VerbHelp, true
	}
	r.size()
	return r
}

// size refuses a command that is too long once it is written: quotes and backslashes may have been added, and it must be read back.
func (r *reader) size() {
	_, text, _ := strings.Cut(r.c.String(), " ")
	if n := utf8.RuneCountInString(text); r.first == nil && n > MaxCommand {
		r.tooMany("too_long", "", "", n, MaxCommand)
		r.lost = true
	}
}

// named reports whether a word is a command's name itself, as when a whole command is pasted after one.
func named(t token) (name string, ok bool) {
	if !t.plain() {
		return "", false
	}
	s := strings.ToLower(t.id())
	return strings.TrimPrefix(s, "/"), s == "/recall" || s == "/recalls"
}

// called reports whether a word is a command's name without its slash, or nearly so. It may be a group's id all the same.
func called(t token) (name string, ok bool) {
	if !t.plain() {
		return "", false
	}
	s := strings.ToLower(t.id())
	if s == "recalls" {
		return s, true
	}
	return nearest(s, []string{"recall"})
}

func subcommand(s string) (Verb, bool) {
	v := Verb(strings.ToLower(FoldString(s)))
	return v, slices.Contains(subcommands, v)
}

func (r *reader) readRecall(w *words) {
	t, ok := w.peek()
	if !ok {
		r.c.Verb = VerbForm
		return
	}
	if name, twice := named(t); twice {
		r.readTwice(w, t, name)
		return
	}
	if v, ok := subcommand(t.val); ok && t.plain() {
		r.mistake("subcommand", t.raw, "/recalls "+string(v))
		r.readRecalls(w)
		return
	}
	if r.readMisplaced(w, t) {
		return
	}
	items, options := r.gather(w, VerbRecall)
	r.scope(VerbRecall, items, options, false)
}

// readMisplaced is for a first word that is the name of a command or subcommand, or nearly so, where what comes after it cannot follow a group.
func (r *reader) readMisplaced(w *words, t token) bool {
	after := words{text: w.text, chars: w.chars, pos: t.to}
	next, more := after.peek()
	if r.trying || !t.plain() || more && (next.name != "" || next.plain() && looksLikeSeqs(next.id())) {
		return false
	}
	if name, ok := called(t); ok {
		if !strings.EqualFold(t.id(), name) {
			try, copied := &reader{trying: true}, after
			if try.readRecall(&copied); try.first != nil {
				return false
			}
		}
		r.readTwice(w, t, name)
		return true
	}
	near, ok := nearest(t.id(), subcommandNames())
	if !ok {
		return false
	}
	try, copied := &reader{}, after
	if try.readVerb(&copied, Verb(near)); try.first != nil {
		return false
	}
	r.mistake("subcommand", t.raw, "/recalls "+near)
	w.pos = t.to
	r.readVerb(w, Verb(near))
	return true
}

// readTwice reads a command that was pasted whole after a command's name.
func (r *reader) readTwice(w *words, t token, name string) {
	r.mistake("command_twice", t.raw, "")
	w.pos = t.to
	if name == "recall" {
		r.readRecall(w)
	} else {
		r.readRecalls(w)
	}
}

func (r *reader) readRecalls(w *words) {
	t, ok := w.peek()
	if !ok {
		r.c.Verb = VerbHelp
		return
	}
	if name, twice := named(t); twice {
		r.readTwice(w, t, name)
		return
	}
	v, ok := subcommand(t.val)
	if !ok || !t.plain() {
		if name, twice := called(t); twice {
			r.readTwice(w, t, name)
			return
		}
		if v, ok = r.unknownSubcommand(w, t); !ok {
			return
		}
	}
	if !isRequest(t) {
		w.pos = t.to
	}
	r.readVerb(w, v)
}

// readVerb reads what comes after a subcommand of /recalls.
func (r *reader) readVerb(w *words, v Verb) {
	items, options := r.gather(w, v)
	switch v {
	case VerbFind:
		r.scope(v, items, options, false)
	case VerbList:
		r.list(items, false)
	default:
		r.request(v, items)
	}
}

func isRequest(t token) bool {
	_, ok := ParseRequestID(t.val)
	return ok && t.plain() && strings.HasPrefix(strings.ToUpper(t.id()), "R-")
}

func subcommandNames() []string {
	names := make([]string, len(subcommands))
	for i, v := range subcommands {
		names[i] = string(v)
	}
	return names
}

// unknownSubcommand tells what was meant by /recalls and a word that is none of its subcommands:
// one that is nearly the same, the show of a request, or /recall. A word of letters alone is never taken for a group: it may have been meant for a verb.
func (r *reader) unknownSubcommand(w *words, t token) (Verb, bool) {
	names := subcommandNames()
	r.mistake("subcommand_unknown", t.raw, strings.Join(names, ", "))
	if t.plain() {
		if isRequest(t) {
			return VerbShow, true
		}
		if near, ok := nearest(t.id(), names); ok {
			return Verb(near), true
		}
	}
	other := &reader{c: Command{Verb: VerbRecall}}
	items, options := other.gather(w, VerbRecall)
	other.scope(VerbRecall, items, options, false)
	verb := t.plain() && !strings.ContainsFunc(t.id(), func(c rune) bool { return !unicode.IsLetter(c) })
	if other.first == nil && !verb {
		r.c = other.c
	} else {
		r.c.Verb, r.lost = VerbHelp, true
	}
	return "", false
}

// option is an option's canonical name and what was given for it.
type option struct {
	name string
	item
	// Where it ends among the characters of Slack's text, with the words that were taken for its own and without.
	to, end int
}

// gather sorts the rest of the text into words and options, each option at most once.
func (r *reader) gather(w *words, v Verb) (items []item, options []option) {
	all := optionsOf[v]
	allowed := all[wordsOf[v]:]
	seen := map[string]bool{}
	for {
		t, ok := w.next()
		if !ok {
			return items, options
		}
		name := t.name
		if name == "" {
			if t.fault != "" {
				r.mistake(t.fault, t.raw, `"my group"`)
				r.lost = true
				if len(items) == 0 {
					t.val = ""
				}
			}
			if len(items) > 0 && len(options) > 0 && r.tail(w, t, &options[len(options)-1]) {
				continue
			}
			items = append(items, t.item)
			continue
		}
		if !slices.Contains(allowed, name) {
			if slices.Contains(all, name) {
				r.mistake("option_bare", t.raw, sampleOption(name))
				r.lost = r.lost || t.fault != ""
				// An empty one was written apart from its value, which comes next as a word.
				if at := len(items); t.val != "" {
					if name != "seqs" {
						at = 0
					}
					items = slices.Insert(items, at, t.item)
				}
				continue
			}
			switch name = r.unknownOption(t, allowed); {
			case name == "" && len(items) == 0 && link(t.name):
				// In the place of the group: what comes next is not the group.
				items = append(items, item{raw: t.raw})
			case name == "" && len(items) == 0 && !t.quoted && w.endsOrSeqs():
				// A group's id with a colon in it.
				items = append(items, item{raw: t.raw, val: w.runes(t.at, t.to), quoted: true})
			}
			if name == "" {
				r.left = true
				continue
			}
		}
		if name == "reason" && (!t.quoted || t.fault != "") {
			r.reasonTail(w, &t, allowed)
		} else if t.fault != "" {
			r.mistake(t.fault, t.raw, name+`:"WORDS"`)
			r.lost = true
			continue
		} else if t.val == "" {
			r.mistake("option_empty", t.raw, sampleOption(name))
			if value, ok := w.peek(); ok && !t.quoted && value.name == "" && value.fault == "" {
				w.next()
				t.val = value.val
			} else {
				r.lost = r.lost || name != "reason"
				continue
			}
		}
		if name == "reason" && cleaned(t.val) == "" {
			r.mistake("option_empty", t.raw, sampleOption(name))
			continue
		}
		if seen[name] {
			r.mistake("option_twice", t.raw, sampleOption(name))
			continue
		}
		seen[name] = true
		options = append(options, option{name, t.item, t.to, t.to})
	}
}

// tail takes a word that comes right after the value of an option of words, and cannot be a seq, as more of that value.
func (r *reader) tail(w *words, t token, before *option) bool {
	if t.quoted || readsAsSeqs(t.id()) && before.to == before.end || !slices.Contains([]string{"text", "from", "reason"}, before.name) ||
		strings.TrimSpace(w.runes(before.to, t.at)) != "" {
		return false
	}
	before.val += " " + t.val
	before.raw += " " + t.raw
	before.to = t.to // and end stays: once it has two words, whatever follows belongs to it
	r.mistake("option_quotes", before.raw, sampleOption(before.name))
	return true
}

// endsOrSeqs reports whether nothing more comes, or something that can only come after a group.
func (w *words) endsOrSeqs() bool {
	t, ok := w.peek()
	return !ok || t.name != "" || t.plain() && looksLikeSeqs(t.id())
}

// reasonTail takes the rest of the line as the reason, when no option comes after it. When one does, a reason of one word
// may stand without quotes.
func (r *reader) reasonTail(w *words, t *token, allowed []string) {
	end, count := t.value, 0
	for at := t.value; ; {
		next := words{text: w.text, chars: w.chars, pos: at}
		n, ok := next.peek()
		if !ok || n.at > t.value && slices.Contains(allowed, n.name) {
			break
		}
		// By words, not by tokens: in the middle of a reason a quote is a quote.
		at = w.wordEnd(n.at)
		end = at
		count++
	}
	fault := t.fault
	t.val, t.to = w.runes(t.value, end), end
	t.raw = w.raw(t.at, end)
	w.pos = end
	if _, more := w.peek(); fault == "" && more && count > 1 {
		fault = "option_quotes"
	}
	if fault != "" {
		r.mistake(fault, t.raw, `reason:"WORDS"`)
		if fault == "quote_open" {
			t.val = strings.TrimLeftFunc(t.val, isQuote)
		}
	}
	t.quoted = fault != ""
}

// otherNames are words that people use for an option, by what they mean.
var otherNames = map[string]string{
	"user": "from", "sender": "from", "by": "from", "author": "from",
	"after": "since", "before": "until",
	"contains": "text", "words": "text", "phrase": "text",
	"limit": "last", "count": "last", "newest": "last",
	"because": "reason", "why": "reason",
	"thread": "topic",
}

// link reports whether what looks like an option's name is the beginning of a link.
func link(name string) bool {
	return slices.Contains([]string{"http", "https", "ftp", "mailto", "tel"}, name)
}

// unknownOption is the option that was meant by one of another name, or "".
func (r *reader) unknownOption(t token, allowed []string) string {
	if link(t.name) {
		r.mistake("link", t.raw, wantGroup)
		r.lost = true
		return ""
	}
	r.mistake("option_unknown", t.raw, strings.Join(allowed, ", "))
	plain := strings.ToLower(norm.NFKC.String(t.name))
	if slices.Contains(allowed, plain) {
		return plain
	}
	if other := otherNames[plain]; slices.Contains(allowed, other) {
		return other
	}
	near, _ := nearest(plain, allowed)
	return near
}

// nearest is the one name that differs from s by a slip of the fingers, or by two where the name is long; "" when there is none or several.
func nearest(s string, names []string) (name string, ok bool) {
	s = strings.ToLower(s)
	if len(s) > 12 {
		return "", false
	}
	best := 3
	for _, n := range names {
		switch d := slips(s, n); {
		case d > 2 || d > 1 && len(n) < 6 || d > best:
		case d == best:
			name, ok = "", false
		default:
			name, ok, best = n, true, d
		}
	}
	return name, ok
}

// slips counts the letters added, left out, changed or swapped with their neighbour between a and b.
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

func sampleOption(name string) string {
	switch name {
	case "since", "until":
		return name + ":2h"
	case "last":
		return "last:20"
	case "topic":
		return "topic:" + wantTopic
	case "from":
		return "from:USER"
	case "group":
		return wantGroup
	case "seqs":
		return wantSeqs
	case "id":
		return wantRequest
	case "which":
		return "open, mine, " + sampleGroup
	}
	return name + `:"WORDS"`
}

// ---- Discord's options ----

func readOptions(name, sub string, given map[string]string) *reader {
	v := Verb(sub)
	r := &reader{c: Command{Verb: v}}
	switch name = strings.TrimPrefix(name, "/"); {
	case name == "recall" && sub == "":
		v, r.c.Verb = VerbRecall, VerbRecall
	case name == "recalls" && slices.Contains(subcommands, v):
	default:
		r.mistake("command_unknown", strings.TrimSpace(name+" "+sub), "/recall, /recalls")
		r.c.Verb, r.lost = VerbHelp, true
		return r
	}
	total := 0
	for _, value := range given {
		total += utf8.RuneCountInString(value)
	}
	if total > MaxCommand {
		r.tooMany("too_long", "", "", total, MaxCommand)
		r.lost = true
		return r
	}
	for _, n := range slices.Sorted(maps.Keys(given)) {
		if given[n] != "" && !slices.Contains(optionsOf[v], n) {
			r.mistake("option_unknown", n, strings.Join(optionsOf[v], ", "))
			r.left = true
		}
	}
	var group, items []item
	var options []option
	for i, n := range optionsOf[v] {
		if given[n] == "" {
			continue
		}
		f := typedItem(given[n])
		r.option = n
		switch {
		case f.val == "" || (n == "reason" || n == "text") && cleaned(f.val) == "":
			r.mistake("option_empty", given[n], sampleOption(n))
			r.lost = r.lost || n != "reason"
		case n == "seqs":
			for part := range strings.FieldsFuncSeq(f.val, isSpace) {
				items = append(items, item{raw: part, val: part})
			}
		case !f.quoted && isQuote(firstRune(f.val)) && n != "reason" && n != "text":
			r.mistake("quote_open", f.raw, `"my group"`)
			r.lost = true
		case n == "group":
			group = append(group, f)
		case i < wordsOf[v]:
			items = append(items, f)
		default:
			options = append(options, option{name: n, item: f})
		}
	}
	r.option = ""
	switch v {
	case VerbRecall, VerbFind:
		if v == VerbRecall && r.first == nil && len(group)+len(items)+len(options) == 0 {
			r.c.Verb = VerbForm
			break
		}
		if len(group) == 0 {
			items = nil // else a seq would stand in the group's place
		}
		r.scope(v, append(group, items...), options, true)
	case VerbList:
		r.list(items, true)
	default:
		r.option = "id"
		r.request(v, items)
	}
	r.option = ""
	r.size()
	return r
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// typedItem reads one option's value. A value that is one quoted string as a whole is what is in the quotes.
func typedItem(value string) item {
	chars := scan(value)
	for len(chars) > 0 && isSpace(chars[0].r) {
		chars = chars[1:]
	}
	for len(chars) > 0 && isSpace(chars[len(chars)-1].r) {
		chars = chars[:len(chars)-1]
	}
	f := item{raw: strings.TrimSpace(value)}
	if len(chars) > 1 && isQuote(chars[0].r) {
		if val, end, closed := unquote(chars, 0); closed && end == len(chars) {
			f.val, f.quoted = val, true
			return f
		}
	}
	w := words{chars: chars}
	f.val = w.runes(0, len(chars))
	return f
}

// ---- what both forms mean ----

// scope reads the group, the seqs and the options of a recall or a find. The group is the first item.
func (r *reader) scope(v Verb, items []item, options []option, typed bool) {
	r.c.Verb = v
	if len(items) == 0 {
		r.mistake("group_missing", "", wantGroup)
		r.lost = true
		return
	}
	first := item{}
	if len(items) == 1 && !items[0].quoted && !typed {
		first = items[0]
	}
	within := func(option string) {
		if typed {
			r.option = option
		}
	}
	within("group")
	items = r.group(items, slices.ContainsFunc(options, func(o option) bool { return o.name != "topic" && o.name != "reason" }), typed)
	var filter, since, until, text, reason item
	for _, o := range options {
		within(o.name)
		named := o.item
		if typed {
			named.raw = o.name + ":" + o.raw
		}
		switch o.name {
		case "topic":
			r.topic(o.item)
			continue
		case "reason":
			r.c.Reason, reason = cleaned(o.val), named
			continue
		case "from":
			if id, ok := r.id(o.item, "from:USER"); ok {
				if len(id) > maxUserID {
					r.tooMany("user_long", o.raw, "from:USER", len(id), maxUserID)
					id, r.lost = "", true
				}
				r.c.Scope.Filter.From = recall.UserID(id)
			}
		case "since":
			r.c.Scope.Filter.Since, since = r.when(o), named
		case "until":
			r.c.Scope.Filter.Until, until = r.when(o), named
		case "text":
			r.c.Scope.Filter.Text, text = cleaned(o.val), named
			if r.c.Scope.Filter.Text == "" {
				r.mistake("option_empty", o.raw, sampleOption("text"))
				r.lost = true
			}
		case "last":
			r.lastN(o)
		}
		if filter.raw == "" {
			filter = named
		}
	}
	within("seqs")
	if v == VerbFind {
		if len(items) > 0 {
			r.mistake("find_seqs", items[0].raw, wantFilter)
		}
	} else {
		r.seqs(items)
	}
	within("")
	r.window(since, until)

	f := &r.c.Scope.Filter
	switch {
	case len(r.c.Scope.Seqs) > 0 && filter.raw != "":
		r.mistake("seqs_and_filter", filter.raw, wantSeqs)
		if text.raw != "" && !text.quoted && !typed {
			r.lost = true // the seqs may be more words of the text
			break
		}
		*f = Filter{}
	case f.selects():
		r.lost = r.lost || r.left
	case len(r.c.Scope.Seqs) > 0:
	case until.raw != "":
		r.mistake("filter_wide", until.raw, wantFilter)
		r.lost = true
	case v == VerbFind:
		r.mistake("filter_missing", "", wantFilter)
		r.lost = true
	case first.raw != "" && readsAsSeqs(first.id()) && (!digits(first.id()) || r.first != nil):
		r.mistake("group_missing", first.raw, wantGroup)
		r.lost, r.c.Scope.Group = true, ""
	case reason.raw != "" && !reason.quoted && !typed:
		r.seqsInReason(reason)
	case typed:
		r.mistake("seqs_missing", "", "seqs:"+wantSeqs+", "+wantFilter)
		r.lost = true
	default:
		r.mistake("seqs_missing", "", wantSeqs+", "+wantFilter)
		r.lost = true
	}
}

// seqsInReason is for the seqs that came after reason: and were taken for its end.
func (r *reader) seqsInReason(reason item) {
	parts := strings.Fields(r.c.Reason)
	n := len(parts)
	for n > 0 && looksLikeSeqs(FoldString(parts[n-1])) {
		n--
	}
	if n == 0 || n == len(parts) {
		r.mistake("seqs_missing", "", wantSeqs+", "+wantFilter)
		r.lost = true
		return
	}
	r.mistake("seqs_in_reason", reason.raw, `100 101 reason:"WORDS"`)
	r.c.Reason = strings.Join(parts[:n], " ")
	var items []item
	for _, p := range parts[n:] {
		items = append(items, item{raw: p, val: p})
	}
	r.seqs(items)
}

// group reads the group from the first items and returns those after it.
func (r *reader) group(items []item, more, typed bool) []item {
	f := items[0]
	rest := items[1:]
	if !typed && !f.quoted {
		f, rest = r.spacedGroup(f, rest, more)
	}
	id, ok := r.id(f, wantGroup)
	switch {
	case !ok:
		return rest
	case id == "":
		r.mistake("group_missing", f.raw, wantGroup)
		r.lost = true
		return rest
	case id == "@TGS" || id == "@TGS#" || id == "@TGS#_":
		r.mistake("group_cut", f.raw, wantGroup)
		if len(rest) > 0 && !readsAsSeqs(rest[0].id()) && strings.HasPrefix(id+rest[0].id(), "@TGS#") {
			id, rest = id+rest[0].id(), rest[1:]
			break
		}
		r.lost = true
		return rest
	case strings.HasPrefix(id, "@TGS#_") && strings.Contains(id, "@TOPIC#_"):
		r.mistake("group_is_topic", f.raw, "@TGS#_GROUP topic:"+wantTopic)
		r.c.Scope.Topic = recall.TopicID(id)
		id, _, _ = strings.Cut(id, "@TOPIC#_")
	}
	if len(id) > maxGroupID {
		r.tooMany("group_long", f.raw, wantGroup, len(id), maxGroupID)
		r.lost = true
		return rest
	}
	r.c.Scope.Group = recall.GroupID(id)
	return rest
}

// spacedGroup is for words between the group and the seqs: the group's id has spaces and needs quotes, or words stand before it.
func (r *reader) spacedGroup(f item, rest []item, more bool) (item, []item) {
	n := 0
	for n < len(rest) && !rest[n].quoted && !looksLikeSeqs(rest[n].id()) {
		n++
	}
	if n == 0 || strings.HasPrefix(f.id(), "@TGS") {
		return f, rest
	}
	joined := item{raw: f.raw, val: f.val, quoted: true}
	for i, word := range rest[:n] {
		if strings.HasPrefix(word.id(), "@TGS#") {
			r.mistake("word_unknown", f.raw, wantGroup)
			return word, rest[i+1:]
		}
		joined.raw += " " + word.raw
		joined.val += " " + word.val
	}
	if n == len(rest) && !more || len(joined.val) > maxGroupID || mention(joined.val) != "" {
		return f, rest
	}
	r.mistake("group_spaces", joined.raw, `"my group"`)
	return joined, rest[n:]
}

func (r *reader) topic(f item) {
	id, ok := r.id(f, wantTopic)
	if !ok || r.c.Scope.Group == "" {
		return
	}
	own := string(r.c.Scope.Group) + "@TOPIC#_"
	switch {
	case id == own:
		r.mistake("topic_cut", f.raw, wantTopic)
		r.lost = true
		return
	case len(id) > maxTopicID:
		r.tooMany("topic_long", f.raw, wantTopic, len(id), maxTopicID)
		r.lost = true
		return
	case strings.HasPrefix(id, own):
	case strings.HasPrefix(id, "@TOPIC#_") && id != "@TOPIC#_":
		r.mistake("topic_group", f.raw, own+"TOPIC")
		id = string(r.c.Scope.Group) + id
	default:
		r.mistake("topic_group", f.raw, own+"TOPIC")
		r.lost = true
		return
	}
	r.c.Scope.Topic = recall.TopicID(id)
}

// swallowed is a mention or a link that a client put in the place of what was typed; the group is its kind.
var swallowed = regexp.MustCompile(`<(@&|!subteam|@[!0-9A-Za-z]|#[0-9A-Za-z]|![a-z]|:|[a-zA-Z][a-zA-Z0-9+.-]*:)`)

// label is the part of a mention in which a client keeps what was typed.
var label = regexp.MustCompile(`^<[@!#][^|>]*\|@?TGS>(#.+)$`)

// mention is the key of the mistake when s holds a mention or a link, else "".
func mention(s string) string {
	m := swallowed.FindStringSubmatch(s)
	switch {
	case m == nil:
		return ""
	case m[1] == "@&" || m[1] == "!subteam":
		return "mention_role"
	case m[1][0] == '@':
		return "mention_user"
	case m[1][0] == '#':
		return "mention_channel"
	case m[1][0] == '!':
		return "mention_all"
	}
	return "link"
}

// id reads an identifier of the Chat service. ok is false when what was meant cannot be told.
func (r *reader) id(f item, expected string) (id string, ok bool) {
	id = f.id()
	if key := mention(id); key != "" {
		r.mistake(key, f.raw, expected)
		if m := label.FindStringSubmatch(id); m != nil && printable(m[1]) {
			return "@TGS" + m[1], true
		}
		r.lost = true
		return "", false
	}
	for _, c := range id {
		if ' ' <= c && c <= '~' {
			continue
		}
		if unicode.Is(unicode.Nd, c) {
			r.mistake("digit_script", f.raw, expected)
		} else {
			r.mistake("id_character", f.raw, expected)
		}
		if id = norm.NFKC.String(strings.Map(digit, id)); printable(id) {
			return id, true
		}
		r.lost = true
		return "", false
	}
	return id, true
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// digit is the ASCII digit of the same value as a decimal digit of any script, and every other character itself.
func digit(r rune) rune {
	if r >= 0x80 && unicode.Is(unicode.Nd, r) {
		for _, t := range unicode.Nd.R16 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
		for _, t := range unicode.Nd.R32 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
	}
	return r
}

// looksLikeSeqs reports whether a folded word was probably meant as seqs, right or wrong.
func looksLikeSeqs(s string) bool {
	s = strings.TrimLeft(s, "-.,#~")
	return s == "" || unicode.IsDigit(firstRune(s))
}

// readsAsSeqs reports whether a folded word reads as seqs without a mistake.
func readsAsSeqs(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		if _, key, _ := onePart(part); key != "" && part != "" {
			return false
		}
	}
	return true
}

// oneSeq reads a number. All of s is digits.
func oneSeq(s string) (n uint64, ok bool) {
	s = strings.TrimLeft(s, "0")
	if len(s) > 10 {
		return math.MaxUint64, false
	}
	n, _ = strconv.ParseUint("0"+s, 10, 64)
	return n, 1 <= n && n <= math.MaxUint32
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// runOf matches a run written with some other sign between its ends.
var runOf = regexp.MustCompile(`^#?([0-9]+)(?:-+>?|\.{2,}|…|~|〜|～|:|to)#?([0-9]+)$`)

// onePart reads one item of a list of seqs, folded and without commas. With a key there is a mistake in it; mended then says
// whether the run is what must have been meant.
func onePart(s string) (run Range, key string, mended bool) {
	if digits(s) {
		n, ok := oneSeq(s)
		switch {
		case ok:
			return Range{recall.Seq(n), recall.Seq(n)}, "", true
		case n == 0:
			return Range{}, "seq_zero", false
		}
		return Range{}, "seq_big", false
	}
	from, to, isRun := strings.Cut(s, "-")
	if !isRun {
		from, to, isRun = strings.Cut(s, "..")
	}
	switch {
	case isRun && digits(from) && digits(to):
		f, fromOK := oneSeq(from)
		t, toOK := oneSeq(to)
		switch {
		case f > math.MaxUint32 || t > math.MaxUint32:
			return Range{}, "seq_big", false
		case !toOK:
			return Range{}, "seq_zero", false
		case !fromOK:
			return Range{1, recall.Seq(t)}, "seq_zero", true
		case f > t:
			return Range{recall.Seq(t), recall.Seq(f)}, "seq_backwards", true
		}
		return Range{recall.Seq(f), recall.Seq(t)}, "", true
	case isRun && (from == "" || digits(from)) && (to == "" || digits(to)):
		return Range{}, "seq_half", false
	}
	if ascii := strings.Map(digit, s); ascii != s {
		run, key, _ := onePart(ascii)
		return run, "digit_script", key == ""
	}
	if m := runOf.FindStringSubmatch(s); m != nil {
		run, key, _ := onePart(m[1] + "-" + m[2])
		return run, "seq_word", key == ""
	}
	return Range{}, "seq_word", false
}

// seqs reads the words after the group.
func (r *reader) seqs(items []item) {
	var runs []Range
	for i := 0; i < len(items); i++ {
		f := items[i]
		s := f.id()
		if key := mention(s); key != "" {
			r.mistake(key, f.raw, wantSeqs)
			r.lost = true
			continue
		}
		// A range with spaces in it, as 100 - 150.
		if joined, n := spacedRun(items[i:]); n > 1 {
			if run, key, _ := onePart(joined.id()); key == "" {
				r.mistake("seq_spaces", joined.raw, "100-150")
				runs = append(runs, run)
				i += n - 1
				continue
			}
		}
		if f.quoted {
			r.mistake("seq_word", f.raw, wantSeqs)
			s = strings.ReplaceAll(s, " ", ",")
		}
		for part := range strings.SplitSeq(s, ",") {
			if part == "" {
				continue
			}
			run, key, mended := onePart(part)
			if key != "" {
				quoted, expected := part, wantSeqs
				if part == s {
					quoted = f.raw
				}
				switch key {
				case "seq_zero", "seq_big":
					expected = wantSeq
				case "seq_backwards", "seq_half":
					expected = "100-150"
				}
				r.mistake(key, quoted, expected)
			}
			if mended {
				runs = append(runs, run)
				continue
			}
			r.left = true
			if key == "seq_half" || key == "digit_script" || strings.ContainsAny(part, "-.") {
				r.lost = true
			}
		}
	}
	r.c.Scope.Seqs = union(runs)
}

// spacedRun joins the first items to one range when they are one with spaces around its sign; n is how many they are.
func spacedRun(items []item) (joined item, n int) {
	joined = items[0]
	first := joined.id()
	if _, key, _ := onePart(first); key == "" && !digits(first) {
		return joined, 1
	}
	if strings.Trim(first, "0123456789-.") != "" || digits(first) && len(items) < 2 {
		return joined, 1
	}
	if len(items) > 2 && strings.EqualFold(items[1].val, "to") {
		return item{raw: first + " " + items[1].raw + " " + items[2].raw, val: first + "-" + items[2].id()}, 3
	}
	for n = 1; n < min(3, len(items)); n++ {
		if strings.Trim(items[n].id(), "0123456789-.") != "" {
			break
		}
		if digits(joined.id()) && digits(items[n].id()) {
			break
		}
		joined.raw += " " + items[n].raw
		joined.val += items[n].val
		if _, key, _ := onePart(joined.id()); key == "" && !digits(joined.id()) {
			return joined, n + 1
		}
	}
	return items[0], 1
}

func (r *reader) lastN(o option) {
	s := o.id()
	n, _ := strconv.Atoi(s)
	switch {
	case digits(s) && 1 <= n && n <= MaxLast:
	case digits(s) && strings.Trim(s, "0") == "":
		r.mistake("last_number", o.raw, wantLast)
		r.lost = true
		return
	case digits(s):
		r.tooMany("last_big", o.raw, wantLast, 0, MaxLast)
		n = MaxLast
	case digits(strings.Map(digit, s)):
		r.mistake("digit_script", o.raw, wantLast)
		n, _ = strconv.Atoi(strings.Map(digit, s))
		r.lost = r.lost || n < 1 || n > MaxLast
	default:
		if w, key, _ := readWhen(s); key == "" && r.c.Scope.Filter.Since.IsZero() {
			r.mistake("last_time", o.raw, "since:"+w.String())
			r.c.Scope.Filter.Since = w
			return
		}
		r.mistake("last_number", o.raw, wantLast)
		r.lost = true
		return
	}
	r.c.Scope.Filter.Last = n
}

func (r *reader) when(o option) When {
	w, key, mended := readWhen(o.id())
	if key != "" {
		r.mistake(key, o.raw, wantWhen)
		r.lost = r.lost || !mended
	}
	return w
}

var (
	durationForm = regexp.MustCompile(`^([0-9]+)([smhd])$`)
	durationWord = regexp.MustCompile(`^([0-9]+) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$`)
	units        = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
)

// readWhen reads a time bound, folded. With a key there is a mistake in it; mended then says whether the bound is what was
// probably meant, for a person to look at in the corrected command.
func readWhen(s string) (w When, key string, mended bool) {
	if m := durationForm.FindStringSubmatch(s); m != nil {
		return ago(m[1], units[m[2][0]], "")
	}
	if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s)); err == nil {
		return atTime(t, "")
	}
	if ascii := strings.Map(digit, s); ascii != s {
		w, key, _ := readWhen(ascii)
		return w, "digit_script", key == ""
	}
	lower := strings.ToLower(s)
	if m := durationWord.FindStringSubmatch(lower); m != nil {
		return ago(m[1], units[m[2][0]], "when_form")
	}
	if d, err := time.ParseDuration(lower); err == nil && d > 0 && d%time.Second == 0 && strings.Trim(lower, "0123456789hms") == "" {
		return ago(strconv.FormatInt(int64(d/time.Second), 10), time.Second, "when_form")
	}
	if t, err := time.Parse("2006-01-02 15:04:05Z07:00", s); err == nil {
		return atTime(t, "when_form")
	}
	for _, form := range []string{time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(form, s); err == nil {
			return atTime(t, "when_offset")
		}
	}
	return When{}, "when_form", false
}

func ago(number string, unit time.Duration, key string) (When, string, bool) {
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err == nil && n == 0:
		return When{}, "when_zero", false
	case err != nil || n > int64(maxAgo/unit):
		return When{}, "when_far", false
	}
	return When{Ago: time.Duration(n) * unit}, key, true
}

func atTime(t time.Time, key string) (When, string, bool) {
	t = t.UTC()
	if t.Year() < 1970 || t.Year() > 2999 {
		return When{}, "when_far", false
	}
	return When{At: t}, key, true
}

// window checks that the bounds leave something between them, as far as that is known without a clock.
func (r *reader) window(since, until item) {
	f := &r.c.Scope.Filter
	bothAgo := f.Since.Ago != 0 && f.Until.Ago != 0
	bothAt := !f.Since.At.IsZero() && !f.Until.At.IsZero()
	switch {
	case bothAgo && f.Since.Ago > f.Until.Ago, bothAt && f.Since.At.Before(f.Until.At), !bothAgo && !bothAt:
		return
	}
	r.mistake("window_backwards", since.raw+" "+until.raw, "since:2h until:30m")
	if f.Since == f.Until {
		f.Until, r.lost = When{}, true
		return
	}
	f.Since, f.Until = f.Until, f.Since
}

// list reads what /recalls list is of.
func (r *reader) list(items []item, typed bool) {
	r.c.Verb, r.c.List = VerbList, ListOpen
	if len(items) == 0 {
		return
	}
	if typed {
		r.option = "which"
	}
	f := items[0]
	if s := strings.ToLower(f.id()); !f.quoted && (s == ListOpen || s == ListMine) {
		r.c.List = s
		items = items[1:]
	} else {
		items = r.group(items, true, typed)
		r.c.ListGroup, r.c.List = r.c.Scope.Group, string(r.c.Scope.Group)
		r.c.Scope = Scope{}
	}
	r.extra(items)
}

// request reads a verb that takes a request's id, or nothing.
func (r *reader) request(v Verb, items []item) {
	r.c.Verb = v
	if wordsOf[v] == 1 {
		if len(items) == 0 {
			r.mistake("request_missing", "", wantRequest)
			r.lost = true
			return
		}
		id, ok := ParseRequestID(items[0].val)
		if !ok {
			r.mistake("request_id", items[0].raw, wantRequest)
			r.lost = true
		}
		r.c.Request = id
		items = items[1:]
	}
	r.extra(items)
}

func (r *reader) extra(items []item) {
	if len(items) > 0 {
		r.mistake("word_unknown", items[0].raw, "")
	}
}

// ---- writing back ----

// String writes the command in Slack's text form. Parse reads it as the same command.
func (c Command) String() string { return c.Write(false) }

// Options is the command in Discord's typed form. ParseOptions reads it as the same command.
func (c Command) Options() (name, sub string, options map[string]string) {
	name, sub = "recalls", string(c.Verb)
	if c.Verb == VerbRecall || c.Verb == VerbForm {
		name, sub = "recall", ""
	}
	options = map[string]string{}
	for _, o := range c.values() {
		if o.val != "" {
			options[o.name] = typedValue(o)
		}
	}
	return name, sub, options
}

// values are the options of the command in the order in which they are written; those that are not set are empty.
func (c Command) values() []option {
	f := c.Scope.Filter
	last := ""
	if f.Last != 0 {
		last = strconv.Itoa(f.Last)
	}
	all := map[string]string{
		"group": string(c.Scope.Group), "seqs": c.Scope.Seqs.String(), "topic": string(c.Scope.Topic), "from": string(f.From),
		"since": f.Since.String(), "until": f.Until.String(), "text": f.Text, "last": last, "reason": c.Reason,
		"which": c.List, "id": string(c.Request),
	}
	var out []option
	for _, name := range optionsOf[c.Verb] {
		quoted := name == "text" || name == "reason" || name == "which" && c.ListGroup != "" && (c.List == ListOpen || c.List == ListMine)
		out = append(out, option{name: name, item: item{val: all[name], quoted: quoted}})
	}
	return out
}

// escape is the escaping that scan undoes, kept to where scan would undo something.
var escape = strings.NewReplacer("&amp;", "&amp;amp;", "&lt;", "&amp;lt;", "&gt;", "&amp;gt;")

// typedValue quotes only what would not be read back as it is.
func typedValue(o option) string {
	words := o.name == "text" || o.name == "reason"
	if isQuote(firstRune(o.val)) || strings.TrimFunc(o.val, isSpace) != o.val || o.quoted && !words {
		return escape.Replace(quote(o.val))
	}
	return escape.Replace(o.val)
}

func (c Command) Write(typed bool) string {
	s := "/recalls " + string(c.Verb)
	if c.Verb == VerbRecall || c.Verb == VerbForm {
		s = "/recall"
	}
	for i, o := range c.values() {
		switch word := i < wordsOf[c.Verb]; {
		case o.val == "":
		case typed:
			s += " " + o.name + ":" + typedValue(o)
		case word && (o.quoted || needsQuotes(o.val) || o.name == "group" && isWord(o.val)):
			s += " " + escape.Replace(quote(o.val))
		case word:
			s += " " + escape.Replace(o.val)
		case o.quoted || needsQuotes(o.val) && o.name != "since" && o.name != "until":
			s += " " + o.name + ":" + escape.Replace(quote(o.val))
		default:
			s += " " + o.name + ":" + escape.Replace(o.val)
		}
	}
	return s
}

// needsQuotes reports whether an identifier would, as a word, not be read as it is.
func needsQuotes(id string) bool {
	if strings.ContainsFunc(id, func(r rune) bool { return r == ' ' || r == '"' }) {
		return true
	}
	letters := strings.TrimLeftFunc(id, unicode.IsLetter)
	return len(letters) < len(id) && strings.HasPrefix(letters, ":")
}

// isWord reports whether a group's id is a word that means something else at the beginning of a command.
func isWord(id string) bool {
	_, sub := subcommand(id)
	_, name := named(token{item: item{val: id}})
	return sub || name
}

// withoutReason is the command as it may be told where the reason, which others wrote, does not belong.
func (c Command) WithoutReason() Command {
	c.Reason = ""
	return c
}
