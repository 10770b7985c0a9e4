package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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

// inTableOrder sorts problems as their variables stand in the table; those of
// one variable keep their order.
func inTableOrder(ps []Problem) {
	place := make(map[string]int, 2*len(table))
	for i, v := range table {
		place[v.Name] = i
		if v.Secret {
			place[v.Name+fileSuffix] = i
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return place[a.Variable] - place[b.Variable] })
}

// quote shows a faulty value to the operator who wrote it. A value that may be
// a secret in the wrong place (a token, a URL with a password, anything long)
// is described instead.
func quote(value string) string {
	if maybeSecret(value) || len(value) >= 32 {
		return "a value"
	}
	return fmt.Sprintf("%q", value)
}

// quotePath shows the path of a file. Unlike other values it may be long when it
// has a separator; else it may be the secret itself, in the place of its path.
func quotePath(path string) string {
	if maybeSecret(path) || len(path) >= 32 && !strings.ContainsAny(path, `/\`) {
		return "that it names"
	}
	return fmt.Sprintf("%q", path)
}

func maybeSecret(value string) bool {
	return tokenStart.MatchString(value) || strings.Contains(value, "@") && strings.Contains(value, ":")
}

var tokenStart = regexp.MustCompile(`^(?i:xox|xapp|bot |bearer )`)
