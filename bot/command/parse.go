package command

import (
	"slices"
	"strings"
	"unicode/utf8"

	"recallbot/recall"
)

// This file has what other packages call, and what a mistake suggests.

// maxCorrected is how many characters a corrected command may have: it must fit one message on
// either platform.
const maxCorrected = 1500

// Parse reads a command in Slack's text form: the name ("recall" or "recalls", with or without its
// slash) and the text after it. An error is always a *Mistake, whose Corrected can be parsed. How
// many messages a policy allows is for the caller to check.
func Parse(name, text string) (Command, error) {
	return readText(name, text).result(false)
}

// ParseOptions reads a command in Discord's typed form: the name, the subcommand ("" for /recall)
// and the options given, by name. The rules are those of Parse, but for what the platform has
// already told apart: a value needs no quotes (it may have them), a group may be named like a
// subcommand, and a reason ends where its option ends. An empty value is no option. An error is
// always a *Mistake; its Corrected is in the typed form, as "/recall group:@TGS#2J4SZEAEL
// seqs:100".
func ParseOptions(name, sub string, given map[string]string) (Command, error) {
	return readOptions(name, sub, given).result(true)
}

// ParseForm reads the form of /recall as the command that it stands for: its group, or in its place
// several as in text (in:joined), its topic, its reason, and in "what" numbers or a filter as text.
// A corrected command is in the form in which people can type it on their platform.
func ParseForm(in map[string]string, typed bool) (Command, error) {
	group := quoteWord(in["group"])
	if t, ok := (&words{text: in["group"], chars: scan(in["group"])}).peek(); ok && t.name == listName {
		group = in["group"] // several
	}
	text := group + " " + in["what"]
	for _, name := range []string{"topic", "reason"} {
		if val := strings.TrimSpace(in[name]); val != "" {
			text += " " + name + ":" + quoteWord(val)
		}
	}
	return readText("recall", text).result(typed)
}

// quoteWord puts a value of a form in quotes, unless the person did.
func quoteWord(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || isQuote(firstRune(s)) {
		return s
	}
	return quote(s)
}

// result is the command that was read, or the mistake with the corrected command in the form in
// which people can type it. A command that is too long once it is written is refused: quotes and
// backslashes may have been added, and it must be read again.
func (r *reader) result(typed bool) (Command, error) {
	if r.first == nil {
		_, text, _ := strings.Cut(r.c.String(), " ")
		r.short(utf8.RuneCountInString(text))
	}
	if r.first == nil {
		return r.c, nil
	}
	r.correct(typed)
	return Command{}, r.first
}

// correct gives the mistake the repaired command when it is what must have been meant. When that
// cannot be told but the group is known, it is a search in that group with what was understood of
// the filter: it shows the numbers of messages and changes nothing. Else it is a template. Where a
// topic could not be read, it is never a command about the whole group.
func (r *reader) correct(typed bool) {
	m := r.first
	sample := r.half && r.c.Scope.Topic == "" && r.c.Scope.Typed() != ""
	if sample {
		r.c.Scope.Topic = sampleTopic
		if !r.c.Scope.MayBeName() {
			r.c.Scope.Topic = recall.TopicID(topicOf(r.c.Scope.Group, "TOPIC"))
		}
	}
	if s, ok := r.c.copyable(typed); ok && !r.lost {
		m.Corrected, m.Commands = s, []Command{r.c}
		other := r.c
		if other.Scope.Seqs = r.other; r.other != nil {
			if s, ok := other.copyable(typed); ok {
				m.Other, m.Commands = s, append(m.Commands, other)
			}
		}
		if sample {
			m.Commands = nil
		}
		return
	}
	find := Command{Verb: VerbFind, Scope: r.c.Scope}
	find.Scope.Seqs = nil
	if !find.Scope.Filter.selects() {
		find.Scope.Filter.Last = 20
	}
	if s, ok := find.copyable(typed); ok && find.Scope.Typed() != "" && slices.Contains(scoped, r.c.Verb) {
		m.Corrected = s
		if !sample {
			m.Commands = []Command{find}
		}
		return
	}
	m.Corrected = template(r.c.Verb, typed)
}

// copyable writes the command, and reports whether it can be shown and, copied into the platform
// again, is read as itself.
func (c Command) copyable(typed bool) (string, bool) {
	s := c.Write(typed)
	if utf8.RuneCountInString(s) > maxCorrected {
		return s, false
	}
	again := &reader{}
	if typed {
		again = readOptions(split(s))
	} else {
		name, text, _ := strings.Cut(s, " ")
		again = readText(name, text)
	}
	return s, again.first == nil && again.c.String() == c.String()
}
