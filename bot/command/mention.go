package command

import (
	"regexp"
	"slices"
)

// swallowed is a mention or a link that a client put in the place of what was typed; the group is its kind.
var swallowed = regexp.MustCompile(`<(@&|!subteam|@[!0-9A-Za-z]|#[0-9A-Za-z]|![a-z]|:|[a-zA-Z][a-zA-Z0-9+.-]*:)`)

// label is the part of a mention in which a client keeps what was typed.
var label = regexp.MustCompile(`^<[@!#][^|>]*\|@?TGS>(#.+)$`)

// mention is the key of the mistake when s holds a mention or a link, else "".
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
