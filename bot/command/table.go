package command

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// This file has the two tables of the language. Everything else follows from them: which options a
// command takes, how they are read from text and from typed options, how they are written back,
// what a corrected command looks like, and what a platform registers.
//
// A new option is a row of options here and a field in Command or Filter; one that filters also
// needs a line in Filter.Matches. What people read about it is a sentence in bot/text.

// scoped are the verbs that say which messages.
var scoped = []Verb{VerbRecall, VerbFind}

// options is the table of options, in the order in which they are written and registered.
var options = []*Option{
	{
		Name: "group", Kind: ID, Size: 100, Completes: true, of: scoped, bare: true,
		sample: sampleGroup, want: wantGroup, missing: "group_missing", read: readGroup,
		write: func(c Command) string { return c.Scope.Typed() },
	},
	{
		Name: "seqs", Kind: Numbers, Size: 4000, of: []Verb{VerbRecall}, bare: true,
		sample: "100 101", want: wantSeqs, read: readSeqs,
		write: func(c Command) string { return strings.ReplaceAll(c.Scope.Seqs.String(), ",", " ") },
	},
	{
		Name: "reason", Kind: Line, Size: 1000, of: []Verb{VerbRecall}, also: []string{"because", "why"},
		sample: `"WORDS"`, want: `reason:"WORDS"`, read: readReason,
		write: func(c Command) string { return c.Reason },
	},
	{
		Name: "from", Kind: ID, Size: 200, of: scoped, also: []string{"user", "sender", "by", "author"},
		filter: true, enough: true, sample: "USER", want: "from:USER", read: readFrom,
		write: func(c Command) string { return string(c.Scope.Filter.From) },
	},
	{
		Name: "since", Kind: Time, Size: 40, of: scoped, same: []string{"after"},
		filter: true, enough: true, sample: "2h", want: wantWhen, read: readSince,
		write: func(c Command) string { return c.Scope.Filter.Since.String() },
	},
	{
		Name: "text", Kind: Words, Size: 1000, of: scoped, also: []string{"contains", "words", "phrase"},
		filter: true, enough: true, sample: `"WORDS"`, want: `text:"WORDS"`, read: readPhrase,
		write: func(c Command) string { return c.Scope.Filter.Text },
	},
	{
		Name: "until", Kind: Time, Size: 40, of: scoped, same: []string{"before"},
		filter: true, sample: "2h", want: wantWhen, read: readUntil,
		write: func(c Command) string { return c.Scope.Filter.Until.String() },
	},
	{
		Name: "last", Kind: Count, Max: maxLast, of: scoped, also: []string{"limit", "count", "newest"},
		filter: true, enough: true, sample: "20", want: "1-" + strconv.Itoa(maxLast), read: readLast,
		write: func(c Command) string { return count(c.Scope.Filter.Last) },
	},
	{
		Name: "same", Kind: Count, Max: maxSeq, of: scoped, also: []string{"like", "as", "equal", "copies"},
		filter: true, enough: true, sample: "100", want: wantSeq, read: readSame,
		write: func(c Command) string { return count(int(c.Scope.Filter.Same)) },
	},
	{
		Name: listName, Kind: ID, Size: 1000, of: scoped, also: []string{"groups", "where"},
		filter: true, sample: joined, want: wantIn, read: readIn,
		write: func(c Command) string { return c.Scope.list() },
	},
	{
		Name: "topic", Kind: ID, Size: 200, of: scoped, also: []string{"thread"},
		sample: sampleTopic, want: sampleTopic, read: readTopic,
		write: func(c Command) string { return string(c.Scope.Topic) },
	},
	{
		Name: "named", Kind: Words, Size: 100, of: []Verb{VerbGroups}, bare: true,
		sample: "WORDS", want: "WORDS", read: readNamed,
		write: func(c Command) string { return c.Named },
	},
	{
		Name: "which", Kind: ID, Size: 100, Completes: true, of: []Verb{VerbList}, bare: true,
		sample: ListOpen, want: "open, mine, all, " + sampleGroup, read: readWhich,
		write: func(c Command) string { return cmp.Or(c.List, c.Scope.Typed()) },
	},
	{
		Name: "id", Kind: Request, Size: 40, of: []Verb{VerbShow, VerbWithdraw, VerbStop}, bare: true,
		sample: sampleRequest, want: sampleRequest, missing: "request_missing", read: readRequest,
		optional: []Verb{VerbStop},
		write:    func(c Command) string { return string(c.Request) },
	},
}

// A Right is what a person must be allowed to do before a command of theirs is done.
type Right int

// The rights. Whether a person has one is for the policy to say.
const (
	RightNone Right = iota // anybody may
	RightRead              // to ask or to approve
	RightAsk               // to ask
)

// A verb is a row of the table of verbs.
type verb struct {
	name    Verb
	same    []string // other names of it
	sub     bool     // it is a subcommand of /recalls; else it is /recall
	right   Right    // what it needs
	long    bool     // it reads messages before it is answered
	decides bool     // it changes what becomes of a request
	example []string // the options of a command to copy
}

// verbs is the table of verbs.
var verbs = []verb{
	{name: VerbRecall, right: RightAsk, example: []string{"group", "seqs"}},
	{name: VerbForm, right: RightAsk},
	{name: VerbFind, sub: true, right: RightRead, long: true, example: []string{"group", "last"}},
	{name: VerbGroups, sub: true, right: RightRead, long: true, example: []string{"named"}},
	{name: VerbList, sub: true, right: RightRead, example: []string{"which"}},
	{name: VerbShow, sub: true, right: RightRead, example: []string{"id"}},
	{name: VerbWithdraw, sub: true, right: RightRead, decides: true, example: []string{"id"}},
	{name: VerbStop, same: []string{"cancel"}, sub: true, right: RightRead, decides: true, example: []string{"id"}},
	{name: VerbHelp, sub: true},
	{name: VerbWhoami, sub: true},
}

// row is the row of the verb; the zero row where there is none.
func (v Verb) row() verb {
	for _, row := range verbs {
		if row.name == v {
			return row
		}
	}
	return verb{}
}

// Needs is the right that the verb needs.
func (v Verb) Needs() Right { return v.row().right }

// TakesLong reports whether messages are read from the Chat service before the command is answered.
func (v Verb) TakesLong() bool { return v.row().long }

// Decides reports whether the command changes what becomes of a request.
func (v Verb) Decides() bool { return v.row().decides }

// Options are the options that the verb takes, in the order in which they are written. They are for
// reading only.
func (v Verb) Options() (list []*Option) {
	for _, o := range options {
		if slices.Contains(o.of, v) {
			list = append(list, o)
		}
	}
	return list
}

// split are the options of the verb that are words without a name in text, and the others.
func (v Verb) split() (bare, named []*Option) {
	for _, o := range v.Options() {
		if o.bare {
			bare = append(bare, o)
		} else {
			named = append(named, o)
		}
	}
	return bare, named
}

// Subcommands are the names of the verbs of /recalls, in the order in which they are registered. A
// verb may have several.
func Subcommands() (list []string) {
	for _, row := range verbs {
		if row.sub {
			list = append(append(list, string(row.name)), row.same...)
		}
	}
	return list
}

// Subcommand returns the verb that a subcommand of /recalls names. ok is false if there is none.
func Subcommand(name string) (v Verb, ok bool) {
	for _, row := range verbs {
		if row.sub && (string(row.name) == name || slices.Contains(row.same, name)) {
			return row.name, true
		}
	}
	return "", false
}

// command is the command of the verb and the subcommand, "" for none.
func (v Verb) command() (name, sub string) {
	if v.row().sub {
		return "recalls", string(v)
	}
	return "recall", ""
}

// IsID reports whether an option of that name takes an identifier of the Chat service.
func IsID(option string) bool {
	o := byName(options, option)
	return o != nil && o.Kind == ID
}

// byName is the option of that name among those of the list, or nil.
func byName(list []*Option, name string) *Option {
	for _, o := range list {
		if o.Name == name || slices.Contains(o.same, name) {
			return o
		}
	}
	return nil
}

// names are the names of the options.
func names(list []*Option) []string {
	all := make([]string, len(list))
	for i, o := range list {
		all[i] = o.Name
	}
	return all
}

// wantFilter is an example of each option that is enough for a filter.
func wantFilter() string {
	var all []string
	for _, o := range options {
		if o.enough {
			all = append(all, o.example())
		}
	}
	return strings.Join(all, ", ")
}

// selects reports whether the filter has an option that is enough for a filter.
func (f Filter) selects() bool {
	return slices.ContainsFunc(options, func(o *Option) bool {
		return o.enough && o.write(Command{Scope: Scope{Filter: f}}) != ""
	})
}

// commandName reports whether a word is the name of a command, with its slash.
func (t token) commandName() (name string, ok bool) {
	s := strings.ToLower(t.id())
	return strings.TrimPrefix(s, "/"), t.plain() && (s == "/recall" || s == "/recalls")
}

// subcommand reports whether a word is a subcommand of /recalls.
func (t token) subcommand() (Verb, bool) {
	v, ok := Subcommand(strings.ToLower(t.id()))
	return v, ok && t.plain()
}
