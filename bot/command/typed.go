package command

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file reads the typed form, in which a platform gives the value of each option with its name.

// readOptions reads a command whose options are given by name, in the order of the table.
func readOptions(name, sub string, given map[string]string) *reader {
	name = strings.TrimPrefix(name, "/")
	v, known := Subcommand(sub)
	if name == "recall" && sub == "" {
		v = VerbRecall
	}
	r := &reader{c: Command{Verb: v}, typed: true}
	if known != (name == "recalls") || !known && v != VerbRecall {
		r.lose("command_unknown", strings.TrimSpace(name+" "+sub), "/recall, /recalls")
		r.c.Verb = VerbHelp
		return r
	}
	total := 0
	for _, val := range given {
		total += utf8.RuneCountInString(val)
	}
	if !r.short(total) {
		return r
	}
	for _, n := range slices.Sorted(maps.Keys(given)) {
		if given[n] != "" && !slices.Contains(names(v.Options()), n) {
			r.mistake("option_unknown", n, strings.Join(names(v.Options()), ", "))
			r.left = true
		}
	}
	var values []value
	for _, o := range v.Options() {
		if given[o.Name] == "" {
			continue
		}
		f := typedItem(given[o.Name])
		if o.Name == listName { // its quotes are those of its groups
			f = item{raw: strings.TrimSpace(given[o.Name]), val: given[o.Name]}
		}
		r.option = o.Name
		switch {
		case o.empty(f.val):
			r.empty(o, given[o.Name])
		case o.Kind == Numbers:
			var items []item
			for part := range strings.FieldsFuncSeq(f.val, isSpace) {
				items = append(items, item{raw: part, val: part})
			}
			values = append(values, value{o, items})
		case !f.quoted && isQuote(firstRune(f.val)) && !o.free() && o.Name != listName:
			r.lose("quote_open", f.raw, `"my group"`)
		default:
			values = append(values, value{o, []item{f}})
		}
	}
	r.option = ""
	if v == VerbRecall && r.first == nil && len(values) == 0 {
		r.c.Verb = VerbForm
		return r
	}
	r.fill(v, nil, values)
	return r
}

// typedItem reads one option's value. A value that is one quoted string as a whole is what is in
// the quotes.
func typedItem(val string) item {
	chars := scan(val)
	for len(chars) > 0 && isSpace(chars[0].r) {
		chars = chars[1:]
	}
	for len(chars) > 0 && isSpace(chars[len(chars)-1].r) {
		chars = chars[:len(chars)-1]
	}
	f := item{raw: strings.TrimSpace(val)}
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
