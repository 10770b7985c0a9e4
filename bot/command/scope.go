package command

import (
	"cmp"
	"strings"
	"time"

	"recallbot/recall"
)

// This file has what a recall or a search is about: where the messages are, and which they are.

// A Filter says which messages by what they are, where their numbers are not known.
type Filter struct {
	From  recall.UserID `json:"from,omitempty"` // the sender, in the Chat service
	Since When          `json:"since,omitzero"`
	Until When          `json:"until,omitzero"`
	Text  string        `json:"text,omitempty"` // a phrase, as typed
	Last  int           `json:"last,omitempty"` // the newest N that match, up to maxLast; 0 is all
	Same  recall.Seq    `json:"same,omitempty"` // only what says exactly the same as this one; 0 is any
}

// IsZero reports whether nothing is filtered by.
func (f Filter) IsZero() bool { return f == Filter{} }

// Absolute is the filter with its relative times counted back from now, so that it means the same
// later.
func (f Filter) Absolute(now time.Time) Filter {
	if !f.Since.IsZero() {
		f.Since = When{At: f.Since.resolve(now)}
	}
	if !f.Until.IsZero() {
		f.Until = When{At: f.Until.resolve(now)}
	}
	return f
}

// Matches reports whether a message is one that the filter asks for, Last aside, and in what of it
// the phrase occurs first, as people read both (AsRead); "" without a phrase. texts returns what
// the phrase is looked for in, and same reports whether m says the same as the message Same; it is
// called only if Same is set. A bound of time includes its own second. The times of f are absolute.
func (f Filter) Matches(m recall.Message, texts func() []recall.Part, same func() bool) (of recall.PartOf, ok bool) {
	switch {
	case f.From != "" && m.From != f.From,
		!f.Since.IsZero() && m.Time.Before(f.Since.At.Truncate(time.Second)),
		!f.Until.IsZero() && m.Time.After(f.Until.At),
		f.Same != 0 && !same():
		return "", false
	case f.Text == "":
		return "", true
	}
	phrase := AsRead(f.Text)
	for _, p := range texts() {
		if strings.Contains(AsRead(p.Text), phrase) {
			return p.Of, true
		}
	}
	return "", false
}

// A Scope is what is asked for: messages of one group, or of one topic of it, by their numbers or
// by a filter, never by both; or messages of one sender in several groups.
type Scope struct {
	Group recall.GroupID `json:"group,omitempty"`
	// Name is the group's name as typed: in a command only where it can be no id, and so stands in
	// place of Group; in a request where the group was found by its name.
	Name  string         `json:"name,omitempty"`
	Topic recall.TopicID `json:"topic,omitempty"` // empty for the group itself
	// In are the groups of a sweep, in place of Group, each as typed: its id or its name. In a
	// request they are ids.
	In []string `json:"in,omitempty"`
	// Names are the names of those of In that were found by their names, by their ids. They are in
	// requests alone.
	Names map[string]string `json:"names,omitempty"`
	// Joined sweeps the groups that the sender is in.
	Joined bool   `json:"joined,omitempty"`
	Seqs   Ranges `json:"seqs,omitempty"`
	Filter Filter `json:"filter,omitzero"`
}

// Sweeps reports whether it is about several groups.
func (s Scope) Sweeps() bool { return s.Joined || len(s.In) > 0 }

// MayBeName reports whether the group was typed as something that may be its name. What begins with
// @TGS# is an id.
func (s Scope) MayBeName() bool {
	return s.Group == "" && s.Name != "" || s.Group != "" && s.Name == "" && !isServiceID(string(s.Group))
}

// Typed is the group as it was typed.
func (s Scope) Typed() string { return cmp.Or(string(s.Group), s.Name) }

// Withheld stands in place of a filter's phrase where the phrase does not belong: it is content, as
// the messages that hold it are.
const Withheld = "…"

// WithoutText returns the filter as it may be told to others than who asked, and as it is kept when
// the evidence is gone.
func (f Filter) WithoutText() Filter {
	if f.Text != "" {
		f.Text = Withheld
	}
	return f
}
