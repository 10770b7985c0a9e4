package command

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// This file reads the text form. A word that is no verb, no option and no value is a mistake; what
// was probably meant by it becomes the corrected command, for a person to look at.

// readText reads the text after the name of a command.
func readText(name, text string) *reader {
	r := &reader{c: Command{Verb: VerbRecall}}
	if !r.short(utf8.RuneCountInString(text)) {
		return r
	}
	w := &words{text: text, chars: unwrap(scan(text))}
	switch bare := strings.TrimPrefix(name, "/"); bare {
	case "recall", "recalls":
		r.command(w, bare)
	default:
		r.lose("command_unknown", name, "/recall, /recalls")
		r.c.Verb = VerbHelp
	}
	return r
}

// command reads what comes after the name of a command. A first word that is nearly a name is read
// as that name.
func (r *reader) command(w *words, name string) {
	t, ok := w.peek()
	if !ok {
		r.c.Verb = VerbForm
		if name == "recalls" {
			r.c.Verb = VerbHelp
		}
		return
	}
	other, twice := t.commandName()
	v, sub := t.subcommand()
	switch {
	case twice:
		r.twice(w, t, other)
	case sub && name == "recalls":
		r.verb(w, t.to, v)
	case sub:
		r.misplaced(w, t, v)
	case name == "recalls":
		r.unknown(w, t)
	case !r.nearly(w, t):
		r.verb(w, w.pos, VerbRecall)
	}
}

// verb reads what a verb takes, from a place in the text.
func (r *reader) verb(w *words, at int, v Verb) {
	w.pos = at
	words, values := r.gather(w, v)
	r.fill(v, words, values)
}

// twice reads a command that was pasted whole after the name of a command.
func (r *reader) twice(w *words, t token, name string) {
	r.mistake("command_twice", t.raw, "")
	w.pos = t.to
	r.command(w, name)
}

// misplaced reads a subcommand of /recalls after /recall. It is done as it stands where it can be
// read so, and cannot be read as a group of that name; else it is a mistake.
func (r *reader) misplaced(w *words, t token, v Verb) {
	from := func(at int, v Verb) *reader {
		try := &reader{}
		try.verb(&words{text: w.text, chars: w.chars}, at, v)
		return try
	}
	if _, exact := t.subcommand(); exact && from(t.to, v).first == nil && from(t.at, VerbRecall).first != nil {
		r.verb(w, t.to, v)
		return
	}
	r.mistake("subcommand", t.raw, "/recalls "+string(v))
	r.verb(w, t.to, v)
}

// nearly reads a first word after /recall that is the name of a command or subcommand, or nearly
// so. It reports whether the word was that: it may be a group's id instead, where what comes after
// it can follow a group, or cannot follow the name.
func (r *reader) nearly(w *words, t token) bool {
	next, more := (&words{text: w.text, chars: w.chars, pos: t.to}).peek()
	name, isCommand, ok := t.near()
	if !ok || more && next.followsGroup() {
		return false
	}
	v, _ := Subcommand(name)
	switch {
	case isCommand && more:
		v = VerbRecall
	case isCommand:
		v = VerbForm
	}
	if !strings.EqualFold(t.id(), name) {
		try := &reader{}
		if try.verb(&words{text: w.text, chars: w.chars}, t.to, v); try.first != nil {
			return false
		}
	}
	if isCommand {
		r.twice(w, t, name)
	} else {
		r.misplaced(w, t, v)
	}
	return true
}

// unknown reads /recalls with a word that is no subcommand. A word of letters alone is never taken
// for a group: it may have been meant for a verb.
func (r *reader) unknown(w *words, t token) {
	near, isCommand, ok := t.near()
	if isCommand {
		r.twice(w, t, near)
		return
	}
	r.mistake("subcommand_unknown", t.raw, strings.Join(Subcommands(), ", "))
	letters := !strings.ContainsFunc(t.id(), func(c rune) bool { return !unicode.IsLetter(c) })
	try := &reader{}
	switch {
	case t.isRequest():
		r.verb(w, w.pos, VerbShow)
		return
	case ok:
		v, _ := Subcommand(near)
		r.verb(w, t.to, v)
		return
	case !letters || !t.plain():
		try.verb(w, w.pos, VerbRecall)
		if try.first == nil {
			r.c = try.c
			return
		}
	}
	r.c.Verb, r.lost = VerbHelp, true
}

// near is the name of a command or subcommand that a word is, or nearly is.
func (t token) near() (name string, isCommand, ok bool) {
	name, ok = nearest(t.id(), append(Subcommands(), "recall", "recalls"))
	ok = ok && t.plain()
	return name, ok && strings.HasPrefix(name, "recall"), ok
}

// isRequest reports whether a word is a request's id that begins with "R-".
func (t token) isRequest() bool {
	_, ok := ParseRequestID(t.val)
	return ok && t.plain() && strings.HasPrefix(strings.ToUpper(t.id()), "R-")
}

// followsGroup reports whether it can only come after a group.
func (t token) followsGroup() bool {
	return t.name != "" || t.plain() && looksLikeSeqs(t.id())
}

// gather sorts the rest of the text into words and values, each option at most once.
func (r *reader) gather(w *words, v Verb) (items []item, values []value) {
	bare, allowed := v.split()
	end, last := 0, 0 // where the last value ends, without and with the words that were added to it
	for {
		t, ok := w.next()
		if !ok {
			return items, values
		}
		if t.name == "" {
			if t.fault != "" {
				r.lose(t.fault, t.raw, `"my group"`)
				if len(items) == 0 {
					t.val = ""
				}
			}
			if n := len(values) - 1; n >= 0 && len(items) > 0 && strings.TrimSpace(w.runes(last, t.at)) == "" &&
				r.addWord(&values[n], t, last > end) {
				last = t.to
				continue
			}
			items = append(items, t.item)
			continue
		}
		o := byName(allowed, t.name)
		if o == nil {
			if o := byName(bare, t.name); o != nil {
				r.mistake("option_bare", t.raw, o.example())
				r.lost = r.lost || t.fault != ""
				// An empty one was written apart from its value, which comes next as a word.
				if at := len(items); t.val != "" {
					if o == bare[0] {
						at = 0
					}
					items = slices.Insert(items, at, t.item)
				}
				continue
			}
			if o = r.unknownOption(t, allowed); o == nil {
				switch next, more := w.peek(); {
				case len(items) > 0:
				case link(t.name):
					// In the place of the group: what comes next is not the group.
					items = append(items, item{raw: t.raw})
				case !t.quoted && (!more || next.followsGroup()):
					// A group's id that has a colon in it, or after it.
					id := strings.TrimSuffix(FoldString(w.runes(t.at, t.to)), ":")
					items = append(items, item{raw: t.raw, val: id, quoted: true})
				}
				r.left = true
				continue
			}
		}
		switch {
		case o.Kind == Line && (!t.quoted || t.fault != ""):
			r.line(w, &t, o, allowed)
		case t.fault != "":
			r.lose(t.fault, t.raw, o.Name+`:"WORDS"`)
			continue
		case t.val == "":
			r.mistake("option_empty", t.raw, o.example())
			next, ok := w.peek()
			if !ok || t.quoted || next.name != "" || next.fault != "" {
				r.empty(o, t.raw)
				continue
			}
			w.next()
			t.val = next.val
		}
		switch {
		case o.empty(t.val):
			r.empty(o, t.raw)
		case slices.ContainsFunc(values, func(v value) bool { return v.Option == o }):
			r.mistake("option_twice", t.raw, o.example())
		default:
			values, end, last = append(values, value{o, []item{t.item}}), t.to, t.to
		}
	}
}

// addWord takes a word that comes right after a value of words as more of that value. What reads as
// message numbers is taken only where another word was taken before it.
func (r *reader) addWord(v *value, t token, again bool) bool {
	if t.quoted || !again && readsAsSeqs(t.id()) || !v.free() && (v.Kind != ID || !v.filter) {
		return false
	}
	v.items[0].val += " " + t.val
	v.items[0].raw += " " + t.raw
	r.mistake("option_quotes", v.items[0].raw, v.example())
	return true
}

// line takes the rest of the text as the value of an option, up to the next option. Where one
// comes, a value of several words needs quotes.
func (r *reader) line(w *words, t *token, o *Option, allowed []*Option) {
	end, count := t.value, 0
	for at := t.value; ; {
		next := words{text: w.text, chars: w.chars, pos: at}
		n, ok := next.peek()
		if !ok || n.at > t.value && byName(allowed, n.name) != nil {
			break
		}
		// By words, not by tokens: in the middle of a line a quote is a quote.
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
		r.mistake(fault, t.raw, o.example())
		if fault == "quote_open" {
			t.val = strings.TrimLeftFunc(t.val, isQuote)
		}
	}
	t.quoted = fault != ""
}

// unknownOption is the option that was meant by an unknown name, or nil.
func (r *reader) unknownOption(t token, allowed []*Option) *Option {
	if link(t.name) {
		r.lose("link", t.raw, wantGroup)
		return nil
	}
	r.mistake("option_unknown", t.raw, strings.Join(names(allowed), ", "))
	plain := strings.ToLower(norm.NFKC.String(t.name))
	for _, o := range allowed {
		if o.Name == plain || slices.Contains(o.also, plain) {
			return o
		}
	}
	near, _ := nearest(plain, names(allowed))
	return byName(allowed, near)
}
