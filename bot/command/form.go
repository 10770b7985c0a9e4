package command

import (
	"strings"
	"unicode/utf8"
)

// parseForm reads the form of /recall as the command that it stands for. A corrected command is in the form in which it can be typed there.
func ParseForm(in map[string]string, typed bool) (Command, error) {
	text := quoteWord(in["group"]) + " " + in["what"]
	if t := strings.TrimSpace(in["topic"]); t != "" {
		text += " topic:" + quoteWord(t)
	}
	if r := strings.TrimSpace(in["reason"]); r != "" {
		text += " reason:" + quoteWord(r)
	}
	return readText("recall", text).result(typed)
}

func quoteWord(s string) string {
	s = strings.TrimSpace(s)
	if r, _ := utf8.DecodeRuneInString(s); s == "" || isQuote(r) {
		return s
	}
	return quote(s)
}
