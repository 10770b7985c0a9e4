package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file takes the text of a command apart into tokens: words, quoted words, and options with
// their values. Where each stands in the text is kept, so that a mistake can be quoted as typed.

// A char is one character of the text, and where it stands there.
type char struct {
	r      rune
	at, to int
}

// scan leaves out zero-width characters, and writes a thin space as another where no digits are
// around it. Everything else stays as typed.
func scan(text string) []char {
	chars := make([]char, 0, len(text))
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if dropZeroWidth(r) >= 0 {
			chars = append(chars, char{r, i, i + n})
		}
		i += n
	}
	for i, c := range chars {
		if thin(c.r) && (i == 0 || i == len(chars)-1 || !unicode.IsDigit(chars[i-1].r) ||
			!unicode.IsDigit(chars[i+1].r)) {
			chars[i].r = ' '
		}
	}
	return chars
}

// An item is one word, or the value of one option.
type item struct {
	raw    string // as typed, with the quotes and the name of the option
	val    string // without them; not folded
	quoted bool
}

// id is the item as an identifier: folded.
func (f item) id() string { return FoldString(f.val) }

// A token is an item of the text.
type token struct {
	item
	name   string // the option's name as typed, in lower case; "" for a word
	fault  string // the mistake in its quotes, or ""
	at, to int    // its characters
	value  int    // where its value begins
}

// plain reports whether it is a word without a name or quotes.
func (t token) plain() bool { return t.name == "" && !t.quoted }

// words reads the text token by token.
type words struct {
	text  string
	chars []char
	pos   int
}

// raw is the text from at to to, as typed.
func (w *words) raw(at, to int) string {
	return w.text[w.chars[at].at:w.chars[to-1].to]
}

// runes is the same without the characters that scan leaves out.
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
	if t.name == listName {
		t.to = w.listEnd(t.value)
		t.val = w.runes(t.value, t.to)
	} else if t.value < len(w.chars) && isQuote(w.chars[t.value].r) {
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

// unquote reads the quoted string that begins at i. Any double quote ends it, whichever began it:
// clients change one and not the other. A backslash makes a quote or a backslash after it an
// ordinary character.
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

// listName is the option whose value is a list, in which commas and quotes count.
const listName = "in"

// listEnd is where a list of groups ends that begins at i: at the first space that is outside
// quotes and does not come after a comma.
func (w *words) listEnd(i int) int {
	within, comma := false, false
	end := i
	for ; i < len(w.chars); i++ {
		switch r := w.chars[i].r; {
		case within && r == '\\' && i+1 < len(w.chars):
			i++
		case isQuote(r):
			within, comma = !within, false
		case within:
		case isSpace(r):
			next := words{chars: w.chars, pos: i}
			if t, more := next.option(); !comma || !more || t {
				return end
			}
			continue
		default:
			comma = fold(r) == ','
		}
		end = min(i+1, len(w.chars))
	}
	return end
}

// option reports whether the next word is an option with its name; more is false if there is none.
func (w *words) option() (is, more bool) {
	i := w.pos
	for i < len(w.chars) && isSpace(w.chars[i].r) {
		i++
	}
	at := i
	for i < len(w.chars) && unicode.IsLetter(w.chars[i].r) {
		i++
	}
	return i > at && i < len(w.chars) && fold(w.chars[i].r) == ':', at < len(w.chars)
}

// splitList takes a list apart at the commas outside quotes.
func splitList(s string) (items []item) {
	chars := scan(s)
	w := words{chars: chars}
	for i := 0; i <= len(chars); {
		for i < len(chars) && isSpace(chars[i].r) {
			i++
		}
		if i < len(chars) && isQuote(chars[i].r) {
			val, end, _ := unquote(chars, i)
			items = append(items, item{val: val, quoted: true})
			for i = end; i < len(chars) && fold(chars[i].r) != ','; i++ {
			}
			i++
			continue
		}
		from := i
		for i < len(chars) && fold(chars[i].r) != ',' {
			i++
		}
		items = append(items, item{val: strings.TrimSpace(w.runes(from, i))})
		i++
	}
	return items
}
