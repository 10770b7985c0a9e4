package command

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// This file writes commands. What it writes is read as the same command again, in the form in which
// it was written.

// String writes the command in Slack's text form. Parse reads it as the same command.
func (c Command) String() string { return c.Write(false) }

// Write writes the command in the form in which people can type it: as text, or as typed options.
func (c Command) Write(typed bool) string {
	return c.writeEach(typed, func(o *Option) string { return o.write(c) })
}

// WithoutWords writes the command in text without what a person says in it: as it may be told and
// kept where that does not belong. Of what selects messages it says that it was there.
func (c Command) WithoutWords() string {
	return c.writeEach(false, func(o *Option) string {
		val := o.write(c)
		switch {
		case !o.free() || val == "":
			return val
		case o.filter:
			return Withheld
		}
		return ""
	})
}

// writeEach writes the command with those options whose value is not "".
func (c Command) writeEach(typed bool, value func(*Option) string) string {
	name, sub := c.Verb.command()
	s := strings.TrimSuffix("/"+name+" "+sub, " ")
	for _, o := range c.Verb.Options() {
		val := value(o)
		if val == "" {
			continue
		}
		s += " "
		if typed || !o.bare {
			s += o.Name + ":"
		}
		if typed {
			val = c.typedValue(o)
		} else if o.Kind == Numbers || o.Name == listName {
			// words of their own, or quoted each by itself
		} else if o.free() || c.ambiguous() || needsQuotes(val) || o.Name == "group" && (isVerb(val) ||
			isNumbers(val, true)) {
			val = quote(val)
		}
		s += val
	}
	return s
}

// typedValue is the value of an option in the typed form, in quotes only where it would not be read
// as it is.
func (c Command) typedValue(o *Option) string {
	val := o.write(c)
	if o.Name == listName {
		return val
	}
	if isQuote(firstRune(val)) || strings.TrimFunc(val, isSpace) != val || c.ambiguous() {
		val = quote(val)
	}
	return val
}

// String is the filter as one types it in Slack, as `from:alice since:2h`.
func (f Filter) String() string {
	s := Command{Verb: VerbFind, Scope: Scope{Filter: f}}.String()
	return strings.TrimPrefix(strings.TrimPrefix(s, "/recalls find"), " ")
}

// ambiguous reports whether the list is of a group that is named like one of the lists.
func (c Command) ambiguous() bool {
	return c.Verb == VerbList && c.List == "" && isList(c.Scope.Typed())
}

// needsQuotes reports whether an identifier, as a word, would not be read as it is.
func needsQuotes(id string) bool {
	if strings.ContainsFunc(id, func(r rune) bool { return isSpace(r) || isQuote(r) }) {
		return true
	}
	letters := strings.TrimLeftFunc(id, unicode.IsLetter)
	return len(letters) < len(id) && fold(firstRune(letters)) == ':'
}

// isVerb reports whether a group's id means something else at the beginning of a command.
func isVerb(id string) bool {
	t := token{item: item{val: id}}
	_, sub := t.subcommand()
	_, name := t.commandName()
	return sub || name
}

// template is a whole command to copy, for where nothing of what was typed can be used.
func template(v Verb, typed bool) string {
	name, sub := v.command()
	s := strings.TrimSuffix("/"+name+" "+sub, " ")
	for _, n := range v.row().example {
		o := byName(options, n)
		if typed || !o.bare {
			s += " " + o.Name + ":" + o.sample
		} else {
			s += " " + o.sample
		}
	}
	return s
}

// optionStart is where an option begins in the typed form, as Discord's client sees it when a
// command is pasted.
var optionStart = regexp.MustCompile(` (` + strings.Join(names(options), "|") + `):`)

// split takes the typed form apart as Discord's client does. A value that holds what looks like an
// option comes apart too.
func split(s string) (name, sub string, given map[string]string) {
	given = map[string]string{}
	end := len(s)
	for _, m := range slices.Backward(optionStart.FindAllStringSubmatchIndex(s, -1)) {
		given[s[m[2]:m[3]]] = s[m[1]:end]
		end = m[0]
	}
	name, sub, _ = strings.Cut(s[:end], " ")
	return name, sub, given
}
