package bottest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// script is a parsed script, without its sections.
type script struct {
	rule       string
	together   bool
	settings   [][2]string
	directions []direction
}

// direction is one line of a script.
type direction struct {
	line  int
	on    string // the platform that it begins with, "" for none
	words []string
}

// String returns the direction as it was written, except for quotes.
func (d direction) String() string { return strings.TrimSpace(d.on + " " + strings.Join(d.words, " ")) }

// shows has the verbs that show something, and the index of the word that names the section.
var shows = map[string]int{"card": 1, "thread": 1, "whisper": 2, "notified": 1, "ledger": 1, "log": 1,
	"report": 1, "calls": 1}

// shows reports whether a direction of the script shows the section, whose name may end in a
// platform's.
func (s script) shows(name string, platforms []string) bool {
	for _, p := range slices.Concat(platforms, Written, []string{together}) {
		name = strings.TrimSuffix(name, "."+p)
	}
	return slices.ContainsFunc(s.directions, func(d direction) bool {
		n, ok := shows[d.words[0]]
		return ok && n < len(d.words) && d.words[n] == name && name != "most"
	})
}

// parse parses the comment of a script for a program with these platforms. Its errors begin with
// the number of the line.
func parse(comment string, platforms []string) (script, error) {
	var s script
	for n, line := range strings.Split(comment, "\n") {
		n++
		line = strings.TrimSpace(line)
		if n == 1 {
			rule, ok := strings.CutPrefix(line, "# ")
			if !ok || !strings.HasSuffix(rule, ".") {
				return script{}, fmt.Errorf("1: a script begins with its rule: # and a sentence")
			}
			s.rule = rule
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words, err := split(line)
		if err != nil {
			return script{}, fmt.Errorf("%d: %w", n, err)
		}
		d := direction{line: n, words: words}
		if slices.Contains(slices.Concat(platforms, Written), words[0]) {
			if d.on, d.words = words[0], words[1:]; len(d.words) == 0 {
				return script{}, fmt.Errorf("%d: %s is not followed by a direction", n, d.on)
			}
		}
		if d.words[0] != "stage" {
			s.directions = append(s.directions, d)
			continue
		}
		switch {
		case d.on != "" || len(s.directions) > 0:
			return script{}, fmt.Errorf("%d: the stage is set for all platforms, before anything happens", n)
		case len(d.words) == 2 && d.words[1] == together:
			s.together = true
		case len(d.words) > 1:
			s.settings = append(s.settings, [2]string{d.words[1], strings.Join(d.words[2:], " ")})
		default:
			return script{}, fmt.Errorf("%d: a stage direction needs a key", n)
		}
	}
	if len(s.directions) == 0 {
		return script{}, fmt.Errorf("1: the script has no directions")
	}
	return s, nil
}

// split splits a line into words. Quotes may begin in the middle of a word: reason:'two words'.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quoted := false, false
	end := func() {
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in = false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' && quoted && i+1 < len(line) && line[i+1] == '\'':
			word.WriteByte(c)
			i++
		case c == '\'':
			quoted, in = !quoted, true
		case c == '\\':
			s, n, err := escaped(line[i:])
			if err != nil {
				return nil, err
			}
			word.WriteString(s)
			in = true
			i += n - 1
		case (c == ' ' || c == '\t') && !quoted:
			end()
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("a quote is not closed")
	}
	end()
	return words, nil
}

// escaped returns what a backslash at the beginning of s stands for, and the length of the
// sequence. A backslash before anything else stands for itself.
func escaped(s string) (string, int, error) {
	switch {
	case strings.HasPrefix(s, `\n`):
		return "\n", 2, nil
	case strings.HasPrefix(s, `\t`):
		return "\t", 2, nil
	case strings.HasPrefix(s, `\u{`):
		hex, _, ok := strings.Cut(s[3:], "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil {
			return "", 0, fmt.Errorf("%.12s is no character", s)
		}
		return string(rune(n)), len(hex) + 4, nil
	}
	return `\`, 1, nil
}
