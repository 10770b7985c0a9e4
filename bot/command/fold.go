package command

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"

	"golang.org/x/text/cases"
	"golang.org/x/text/width"
)

// Matches reports whether a message is one that the filter asks for, Last aside. Text occurs with case and width folded. A bound of
// time includes its own second.
func (f Filter) Matches(m recall.Message, text string) bool {
	switch {
	case f.From != "" && m.From != f.From,
		!f.Since.IsZero() && m.Time.Before(f.Since.At.Truncate(time.Second)),
		!f.Until.IsZero() && m.Time.After(f.Until.At):
		return false
	}
	return f.Text == "" || strings.Contains(folded(text), folded(f.Text))
}

// folded is text as it is compared: case, width and spaces folded, without the characters that are not seen and what stands for them.
func folded(s string) string {
	seen := strings.Map(func(r rune) rune {
		if Invisible(r) && !unicode.IsSpace(r) || r >= '␀' && r <= '␡' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(cases.Fold().String(width.Fold.String(seen))), " ")
}

// invisible reports whether r is not seen, or moves what is seen.
func Invisible(r rune) bool {
	switch r {
	case '\u2800', '\u303f', '\ufffc', '\U0001d159', '\U00013441', '\U00013442', '\U00016fe4': // blanks by look alone
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || !unicode.IsGraphic(r)
}
