package command

import (
	"maps"
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

// String is the filter as one types it in Slack, as `from:alice since:2h`.
func (f Filter) String() string {
	s := Command{Verb: VerbFind, Scope: Scope{Filter: f}}.String()
	return strings.TrimPrefix(strings.TrimPrefix(s, "/recalls find"), " ")
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

// parseForm reads the form of /recall as the command that it stands for. A corrected command is in the form in which it can be typed there.
func ParseForm(in map[string]string, typed bool) (Command, error) {
	text := quoteWord(in["group"]) + " " + in["what"]
	if t := strings.TrimSpace(in["topic"]); t != "" {
		text += " topic:" + quoteWord(t)
	}
	if r := strings.TrimSpace(in["reason"]); r != "" {
		text += " reason:" + quoteWord(r)
	}
	return readText("recall", text).result(typed)
}

func quoteWord(s string) string {
	s = strings.TrimSpace(s)
	if r, _ := utf8.DecodeRuneInString(s); s == "" || isQuote(r) {
		return s
	}
	return quote(s)
}
