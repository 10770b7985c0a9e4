package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// reading is what was found in the environment, checked one by one.
type reading struct {
	platforms []Platform
	table     []Variable
	values    map[string]string // normalized, of those that are set and right, and the defaults of others
	given     map[string]bool   // those that are set, rightly or not
	bad       map[string]bool   // those that have a problem
	problems  Problems
	warnings  []Problem
}

func (r *reading) problem(variable, what, mend string) {
	r.problems = append(r.problems, Problem{variable, what, mend})
	r.bad[strings.TrimSuffix(variable, fileSuffix)] = true
	r.bad[variable] = true
}

func (r *reading) warning(variable, what, mend string) {
	r.warnings = append(r.warnings, Problem{variable, what, mend})
}

// on reports whether a platform is configured, rightly or not.
func (r *reading) on(p Platform) bool { return r.given[p.Variables[0].Name] }

// read looks every variable up, in the environment or in the file it names, and checks it.
func read(lookup func(name string) (string, bool), platforms []Platform) *reading {
	r := &reading{platforms: platforms, table: Variables(platforms),
		values: map[string]string{}, given: map[string]bool{}, bad: map[string]bool{}}
	for _, v := range r.table {
		r.look(v, lookup)
	}
	return r
}

// Value returns one of the variables that no platform brings, for a command that needs no other:
// from the environment, from the file that it names, or its default. The error is [Problems].
func Value(name string) (string, error) {
	r := &reading{values: map[string]string{}, given: map[string]bool{}, bad: map[string]bool{}}
	for _, v := range Variables(nil) {
		if v.Name == name {
			r.look(v, os.LookupEnv)
		}
	}
	if len(r.problems) > 0 {
		return "", r.problems
	}
	return r.values[name], nil
}

// look looks a variable up and checks it.
func (r *reading) look(v Variable, lookup func(name string) (string, bool)) {
	find := func(name string) string {
		value, _ := lookup(name)
		return strings.TrimSpace(value)
	}
	value := find(v.Name)
	if path := find(v.Name + fileSuffix); v.Secret && path != "" {
		r.given[v.Name] = true
		if value != "" {
			r.problem(v.Name, "is set, and so is "+v.Name+fileSuffix, "keep one of the two")
			return
		}
		var what string
		if value, what = readSecret(path); what != "" {
			r.problem(v.Name+fileSuffix, what, "write the path of a readable file that holds the value of "+v.Name)
			return
		}
	}
	r.take(v, value)
}

// take checks a value. The default counts where there is none that is right.
func (r *reading) take(v Variable, raw string) {
	if raw != "" {
		value, what, mend := unquoted(v.Check)(raw)
		r.given[v.Name] = value != "" || what != ""
		if what != "" {
			r.problem(v.Name, what, mend)
		} else if value != "" {
			r.values[v.Name] = value
			return
		}
	}
	if v.Default != "" {
		if value, _, _ := v.Check(v.Default); value != "" {
			r.values[v.Name] = value
		}
	}
}

// inTableOrder sorts problems as their variables stand in the table; those of
// one variable keep their order.
func (r *reading) inTableOrder(ps []Problem) {
	place := make(map[string]int, 2*len(r.table))
	for i, v := range r.table {
		place[v.Name] = i
		if v.Secret {
			place[v.Name+fileSuffix] = i
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return place[a.Variable] - place[b.Variable] })
}

// fileLimit is the largest file that a variable may name, in bytes. The longest
// secret has a few hundred; a roster of a thousand people stays below.
const fileLimit = 1 << 20

// readSecret returns what a file holds without the white space around it, or
// what is wrong, which never quotes the file.
func readSecret(path string) (value, what string) {
	data, what := readFile(path)
	if what != "" {
		return "", what
	}
	value = strings.TrimSpace(string(data))
	if value == "" {
		return "", "the file " + quotePath(path) + " is empty"
	}
	return value, ""
}

func readFile(path string) (data []byte, what string) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(data) > fileLimit {
		return nil, fmt.Sprintf("the file %s has more than %d bytes", quotePath(path), fileLimit)
	}
	return data, ""
}

// unreadable leaves out the words of err, which repeat the path: quotePath may hide it.
func unreadable(path string, err error) string {
	why := "cannot be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why += ": no such file or directory"
	case errors.Is(err, fs.ErrPermission):
		why += ": permission denied"
	case errors.Is(err, syscall.EISDIR):
		why += ": it is a directory"
	}
	return "the file " + quotePath(path) + " " + why
}
