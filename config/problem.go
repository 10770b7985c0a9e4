package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing wrong with one variable, in words that hold no secret.
type Problem struct {
	Variable string // the variable to change, as X_FILE where its file is at fault
	What     string // what is wrong with it
	Mend     string // what to do, beginning with a verb
}

// String is the problem on one line.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s; %s", p.Variable, p.What, p.Mend)
}

// Problems is the error of a bad configuration: everything that is wrong with
// it, in the order of the table of variables.
type Problems []Problem

// Error lists every problem, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Quote shows a faulty value to the operator who wrote it. A value that may be
// a secret in the wrong place is described instead: a token, a URL with a
// password, what mixes letters and digits as keys do, anything long.
func Quote(value string) string {
	if maybeSecret(value) || maybeKey(value) || len(value) >= 32 {
		return "a value"
	}
	return fmt.Sprintf("%q", value)
}

// maybeKey reports whether a value has a run of letters and digits as it is in
// a password or a key: long and of both kinds, or longer and of one. Ids of
// Slack and of groups, numbers with a unit, and short words are none.
func maybeKey(value string) bool {
	return slices.ContainsFunc(keyRun.FindAllString(value, -1), func(run string) bool {
		digits, letters := strings.ContainsAny(run, "0123456789"), strings.ContainsFunc(run, unicode.IsLetter)
		if letters && !digits {
			return len(run) > 8 || keyWord.MatchString(run)
		}
		return (letters || len(run) >= 20) && !plainRun.MatchString(run)
	})
}

var (
	keyRun   = regexp.MustCompile(`[A-Za-z0-9_+/=-]{7,}`)
	keyWord  = regexp.MustCompile(`[a-z].*[A-Z]|[+/=]`) // no word is written so
	plainRun = regexp.MustCompile(
		`^(?:[UWCGSTD][A-Z0-9]{5,13}|(?:[0-9]+[a-z]{1,2})+|[0-9]+[a-z]+|[0-9]{4}-[0-9T:-]+Z?)$`)
)

// quotePath shows the path of a file. Unlike other values it may be long when it
// has a separator; else it may be the secret itself, in the place of its path.
func quotePath(path string) string {
	if maybeSecret(path) || (maybeKey(path) || len(path) >= 32) && !strings.ContainsAny(path, `/\`) {
		return "that it names"
	}
	return fmt.Sprintf("%q", path)
}

func maybeSecret(value string) bool {
	return tokenStart.MatchString(value) || strings.Contains(value, "@") && strings.Contains(value, ":")
}

var tokenStart = regexp.MustCompile(`^(?i:xox|xapp|bot |bearer )`)
