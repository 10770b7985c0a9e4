package command

import (
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

// Matches reports whether a message is one that the filter asks for, Last aside. The text occurs
// with case and width folded. A bound of time includes its own second. The times of f are absolute.
func (f Filter) Matches(m recall.Message, text string) bool {
	switch {
	case f.From != "" && m.From != f.From,
		!f.Since.IsZero() && m.Time.Before(f.Since.At.Truncate(time.Second)),
		!f.Until.IsZero() && m.Time.After(f.Until.At):
		return false
	}
	return f.Text == "" || strings.Contains(folded(text), folded(f.Text))
}

// A Scope is what is asked for: messages of one group, or of one topic of it, by their numbers or
// by a filter, never by both.
type Scope struct {
	Group  recall.GroupID `json:"group,omitempty"`
	Topic  recall.TopicID `json:"topic,omitempty"` // empty for the group itself
	Seqs   Ranges         `json:"seqs,omitempty"`
	Filter Filter         `json:"filter,omitzero"`
}

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
