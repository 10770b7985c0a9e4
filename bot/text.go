package bot

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/bot/command"

	"golang.org/x/text/unicode/bidi"
)

// Every sentence that people read is in text/<language>.txt, one on a line, as "key = sentence". A
// placeholder {name} takes a value. {n|message|messages} takes a number and chooses the word that
// fits it, and {n:is|are} does the same without the number.
//
//go:embed text/*.txt
var textFiles embed.FS

var english = mustParseText("en")

// SpanKind is the kind of a piece of a line. It tells a platform how to show the piece, and what to
// escape in it.
type SpanKind string

// The kinds of span.
const (
	// Words are the bot's own words. A span of another kind is never shown as the bot's words.
	Words SpanKind = "words"
	// Foreign is text of others: a name, a reason, a message. Hidden characters in it are already
	// visible. Platforms must show it so that no markup, link or mention in it works.
	Foreign SpanKind = "foreign"
	// CodeText is text to copy exactly: a command, a group id, seqs.
	CodeText SpanKind = "code"
	// Moment is a time, shown in the viewer's own zone.
	Moment SpanKind = "moment"
)

// Span is a piece of a line.
type Span struct {
	Kind SpanKind  `json:"kind"`
	Text string    `json:"text,omitempty"`
	Time time.Time `json:"time,omitzero"`
	Form Form      `json:"form,omitempty"` // of a Moment
}

// Form says how much of a Moment is shown.
type Form string

// The forms of a Moment.
const (
	Exact    Form = ""         // date and time, with seconds
	Minutes  Form = "minutes"  // date and time
	TimeOnly Form = "time"     // the time alone, since the day is clear
	Deadline Form = "deadline" // as TimeOnly; a platform may add how far away it is
)

// Line is one line of text as people see it, free of any platform.
type Line []Span

// String returns the line without markup: for logs that may hold no content, for tests and for
// notifications.
func (l Line) String() string {
	var b strings.Builder
	for _, s := range l {
		switch s.Kind {
		case Moment:
			b.WriteString(s.Time.UTC().Format(s.Form.layout()))
		default:
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

// Quote returns a span of text of others. Hidden characters become visible, and the text is on one
// line. Several spaces become one, since they could push the text after them to a line of its own.
func Quote(s string) Span {
	s = Visible(s)
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return Span{Kind: Foreign, Text: s}
}

// Isolated returns text of others as a platform draws it, with the isolates of Unicode around it
// where a character of it is written from right to left: else it would turn the order of the words
// beside it. s is visible text, in which nobody else can have put an isolate.
func Isolated(s string) string {
	for _, r := range s {
		switch p, _ := bidi.LookupRune(r); p.Class() {
		case bidi.R, bidi.AL, bidi.AN:
			return "\u2068" + s + "\u2069"
		}
	}
	return s
}

// Where returns a span that names where messages are: a topic, whose id holds that of its group, or
// a group.
func Where(s command.Scope) Span {
	if s.Topic != "" {
		return Code(string(s.Topic))
	}
	return Code(string(s.Group))
}

// WhereEnd is Where with the end of an id that has more than most characters: topics of a group
// begin alike.
func WhereEnd(s command.Scope, most int) Span {
	where := Where(s)
	if r := []rune(where.Text); len(r) > most {
		where.Text = "…" + string(r[len(r)-most+1:])
	}
	return where
}

// Code returns a span of text to copy exactly. Hidden characters become visible.
func Code(s string) Span { return Span{Kind: CodeText, Text: Visible(s)} }

// At returns a span of a time.
func At(t time.Time) Span { return Span{Kind: Moment, Time: t} }

// sameDay is how far a time may be from the one that people read it at, to be shown without a date.
const sameDay = 12 * time.Hour

// Clock returns a span of a time that is read at about the other one: without seconds, and without
// a date where the two are close.
func Clock(t, read time.Time) Span {
	form := Minutes
	if t.Sub(read).Abs() <= sameDay {
		form = TimeOnly
	}
	return Span{Kind: Moment, Time: t, Form: form}
}

// Until returns a span of a deadline, as Clock does.
func Until(t, read time.Time) Span {
	s := Clock(t, read)
	if s.Form == TimeOnly {
		s.Form = Deadline
	}
	return s
}

// layout is the layout of package time for a moment where nobody's time zone is known.
func (f Form) layout() string {
	switch f {
	case Minutes:
		return "2006-01-02 15:04 UTC"
	case TimeOnly, Deadline:
		return "15:04 UTC"
	}
	return "2006-01-02 15:04:05 UTC"
}

// Say returns the sentence under key with its placeholders filled from args: name, value, name,
// value. A string is treated as text of others, a Span or a Line is taken as it is, an int is a
// number, and a time is a moment.
func Say(key string, args ...any) Line {
	sentence, ok := english[key]
	if !ok {
		// unreachable unless a key is missing from text/en.txt, which TestText finds
		panic("bot: no sentence for " + key)
	}
	return sentence.fill(key, args)
}

// Known reports whether there is a sentence under key. A platform may have a sentence that replaces
// another.
func Known(key string) bool { _, ok := english[key]; return ok }

// part is a piece of a parsed sentence: words, or a placeholder with the forms of its noun.
type part struct {
	words    string
	name     string
	one, few string
	bare     bool // the word alone, without the number
}

type sentence []part

func (s sentence) fill(key string, args []any) Line {
	var line Line
	words := func(w string) {
		if n := len(line); n > 0 && line[n-1].Kind == Words {
			line[n-1].Text += w
		} else if w != "" {
			line = append(line, Span{Kind: Words, Text: w})
		}
	}
	for _, p := range s {
		if p.name == "" {
			words(p.words)
			continue
		}
		v, ok := argument(args, p.name)
		if !ok {
			// unreachable unless a call forgets an argument
			panic(fmt.Sprintf("bot: sentence %s wants %s", key, p.name))
		}
		switch v := v.(type) {
		case int:
			noun := p.few
			if v == 1 {
				noun = p.one
			}
			switch {
			case p.bare:
				words(noun)
			case noun != "":
				words(thousands(v) + " " + noun)
			default:
				words(thousands(v))
			}
		case Span:
			line = append(line, v)
		case Line:
			for _, span := range v {
				if span.Kind == Words {
					words(span.Text)
				} else {
					line = append(line, span)
				}
			}
		case time.Time:
			line = append(line, At(v))
		case RequestID:
			line = append(line, Code(string(v)))
		case time.Duration:
			words(Duration(v))
		case string:
			line = append(line, Quote(v))
		default:
			// unreachable unless a call passes another type
			panic(fmt.Sprintf("bot: sentence %s: cannot show a %T", key, v))
		}
	}
	return line
}

func argument(args []any, name string) (any, bool) {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1], true
		}
	}
	return nil, false
}

// thousands writes a number with a comma at each thousand.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Duration writes d in words that people use: 2h, 30m, 1h30m, 45s. Less than a second is 0s.
func Duration(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Minute {
		d = d.Round(time.Minute)
	}
	s := d.String()
	s = strings.TrimSuffix(s, "m0s") + strings.Repeat("m", strings.Count(s, "m0s"))
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func mustParseText(language string) map[string]sentence {
	body, err := fs.ReadFile(textFiles, "text/"+language+".txt")
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	sentences := map[string]sentence{}
	addSentences(sentences, language, string(body))
	return sentences
}

// addSentences adds the sentences of text, one on a line, to a map. whose is named in the panic
// about a text that cannot be parsed.
func addSentences(sentences map[string]sentence, whose, text string) {
	for n, row := range strings.Split(text, "\n") {
		row = strings.TrimSpace(row)
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		key, value, ok := strings.Cut(row, " = ")
		if _, twice := sentences[key]; !ok || twice {
			panic(fmt.Sprintf("bot: the sentences of %s, line %d: want one \"key = sentence\" a key", whose, n+1))
		}
		sentences[key] = parseSentence(value)
	}
}

func parseSentence(s string) sentence {
	var parts sentence
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			parts = append(parts, part{words: before})
		}
		if !found {
			break
		}
		hole, after, _ := strings.Cut(rest, "}")
		fields := strings.Split(hole, "|")
		p := part{name: fields[0]}
		switch name, one, bare := strings.Cut(fields[0], ":"); {
		case bare && len(fields) == 2:
			p.name, p.one, p.few, p.bare = name, one, fields[1], true
		case len(fields) == 3:
			p.one, p.few = fields[1], fields[2]
		}
		parts = append(parts, p)
		s = after
	}
	return parts
}

// Visible returns s on one line, and replaces by its name every character that cannot be seen or
// that changes how others are seen: controls, bidi marks and overrides, zero-width characters,
// blanks, private-use and unassigned characters, tags and variation selectors. It does the same
// with a combining mark that has no character to stand on, that stands on one of another script, or
// that stands on too many others. A line break becomes ⏎, and any other space a plain one. Visible
// characters stay as they are.
func Visible(s string) string {
	var b strings.Builder
	before := rune(0)
	var marks pile
	for i, r := range s {
		after := s[i:]
		if r != utf8.RuneError {
			after = s[i+utf8.RuneLen(r):]
		}
		switch {
		case joiner(r) && joins(r, before, after), r == emojiStyle && styles(before, after):
			b.WriteRune(r)
			before = r
			continue // not a base for marks, and not a mark
		case r == '\n':
			b.WriteString("⏎")
			r = 0
		case r == '\r':
			// the second half of a line break, whose first half is shown
			if i+1 >= len(s) || s[i+1] != '\n' {
				b.WriteString("⏎")
			}
			r = 0
		case r == '\t', unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
			if r = ' '; marks.base == 0 {
				continue // nothing is seen yet for a mark to stand on
			}
		case r == utf8.RuneError, command.Invisible(r), unicode.Is(unicode.M, r) && !marks.bears(r):
			fmt.Fprintf(&b, "‹U+%04X›", r)
			r = 0 // no character is joined to it
		default:
			b.WriteRune(r)
		}
		if before = r; !unicode.Is(unicode.M, r) {
			marks = pile{base: r, script: marks.script}
		}
	}
	return b.String()
}

// marksMost is how many combining marks of a kind may stand on one character: as many as any living
// script needs. More would reach into the lines above and below.
const marksMost = 3

// pile is a character and its combining marks.
type pile struct {
	base          rune // 0: there is none
	above, beside int
	script        *unicode.RangeTable // of the mark before, for texts have marks of one script mostly
}

// bears adds a mark to the pile and reports whether it may be there.
func (p *pile) bears(mark rune) bool {
	n := &p.above
	if unicode.Is(unicode.Mc, mark) { // it takes up room of its own, and some scripts have both kinds on one letter
		n = &p.beside
	}
	*n++
	return p.base != 0 && *n <= marksMost && p.fits(mark)
}

// fits reports whether a mark belongs to any script, or to the script of its base. On a base of
// another script, fonts draw it in different ways, or not at all.
func (p *pile) fits(mark rune) bool {
	if unicode.In(mark, unicode.Inherited, unicode.Common) || p.base == '◌' || unicode.IsLetter(p.base) &&
		unicode.Is(unicode.Common, p.base) {
		return true
	}
	if p.script == nil || !unicode.Is(p.script, mark) {
		p.script = nil
		for _, t := range unicode.Scripts {
			if unicode.Is(t, mark) {
				p.script = t
				break
			}
		}
	}
	return p.script != nil && unicode.Is(p.script, p.base)
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	emojiStyle         = '\ufe0f' // a variation selector: shows what stands before it as an emoji
	keycap             = '\u20e3'
)

func joiner(r rune) bool { return r == zeroWidthNonJoiner || r == zeroWidthJoiner }

// joining are the scripts whose spelling uses joiners: there a joiner changes what is seen, and
// hides nothing.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Devanagari, unicode.Bengali,
	unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya,
	unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Tibetan,
	unicode.Myanmar, unicode.Khmer, unicode.Balinese, unicode.Javanese,
}

// joins reports whether a joiner between these two characters is part of the spelling, or of an
// emoji made of several.
func joins(r, before rune, after string) bool {
	next, _ := utf8.DecodeRuneInString(after)
	if command.Invisible(next) || command.Invisible(before) && before != emojiStyle {
		return false
	}
	spelled := slices.ContainsFunc(joining,
		func(t *unicode.RangeTable) bool { return unicode.Is(t, before) && unicode.Is(t, next) })
	return spelled || r == zeroWidthJoiner && (unicode.Is(emoji, before) || before == emojiStyle) &&
		unicode.Is(emoji, next)
}

// styles reports whether the emoji style after this character changes anything.
func styles(before rune, after string) bool {
	if before >= '0' && before <= '9' || before == '#' || before == '*' {
		next, _ := utf8.DecodeRuneInString(after)
		return next == keycap
	}
	return unicode.Is(emoji, before)
}

// Cut returns at most n characters of s, never half of one, and says how many it left out.
func Cut(s string, n int) string {
	kept, left := CutOff(s, n)
	if left == 0 {
		return s
	}
	return kept + Say("cut.characters", "n", left).String()
}

// CutOff returns at most n characters of s, never half of one, and how many it left out.
func CutOff(s string, n int) (kept string, left int) {
	if utf8.RuneCountInString(s) <= n {
		return s, 0
	}
	runes := []rune(s)
	keep := n
	// It separates no accent from its letter, and no joined characters.
	for keep > 0 && (unicode.Is(unicode.M, runes[keep]) || joiner(runes[keep]) || joiner(runes[keep-1])) {
		keep--
	}
	return string(runes[:keep]), len(runes) - keep
}
