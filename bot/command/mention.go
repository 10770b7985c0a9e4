package command

import (
	"regexp"
	"slices"
)

// This file recognises what clients put in the place of an identifier that was typed: mentions and
// links. What was typed is lost in most of them, so they are refused and never guessed.

// swallowed matches a mention or a link; the group is its kind.
var swallowed = regexp.MustCompile(`<(@&|!subteam|@[!0-9A-Za-z]|#[0-9A-Za-z]|![a-z]|:|[a-zA-Z][a-zA-Z0-9+.-]*:)`)

// label matches a mention in which the client kept what was typed after the @TGS.
var label = regexp.MustCompile(`^<[@!#][^|>]*\|@?TGS>(#.+)$`)

// mention is the mistake where s holds a mention or a link, else "".
func mention(s string) string {
	m := swallowed.FindStringSubmatch(s)
	switch {
	case m == nil:
		return ""
	case m[1] == "@&" || m[1] == "!subteam":
		return "mention_role"
	case m[1][0] == '@':
		return "mention_user"
	case m[1][0] == '#':
		return "mention_channel"
	case m[1][0] == '!':
		return "mention_all"
	}
	return "link"
}

// link reports whether what looks like an option's name is the beginning of a link.
func link(name string) bool {
	return slices.Contains([]string{"http", "https", "ftp", "mailto", "tel"}, name)
}
