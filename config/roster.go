package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"recallbot/bot"

	"go.yaml.in/yaml/v3"
)

// loadRoster reads the roster that a file holds, a list of people:
//
//   - name: mina
//     slack: [T0123/U0456]
//     discord: [80351110224678912]
//
// Beside the name the keys are the ids of the platforms. No name and no account
// may stand there twice: whose it is would then depend on the reader. Every
// problem is told, with the line it is on.
func loadRoster(path string, platforms []Platform) (bot.Roster, []Problem) {
	data, what := readFile(path)
	if what != "" {
		return bot.Roster{}, []Problem{{What: what, Mend: "write the path of a readable YAML file"}}
	}
	return parseRoster(data, platforms)
}

func parseRoster(data []byte, platforms []Platform) (roster bot.Roster, problems []Problem) {
	r := rosterReader{platforms: platforms, named: map[string]int{}}
	example := "write a list of people, each as: " + r.example(platforms...)
	const nobodyListed = "the roster lists nobody, so that nobody could ask or approve"
	bad := func(what, mend string) (bot.Roster, []Problem) {
		return bot.Roster{}, []Problem{{What: what, Mend: mend}}
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return bad(nobodyListed, example)
	case err != nil:
		return bad("the roster is not YAML"+atLine(err), example)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return bad("the roster goes on after its first document", "write one document")
	}

	if len(doc.Content) == 0 { // unreachable unless the parser calls an empty document one
		return bad(nobodyListed, example)
	}
	people := doc.Content[0]
	if people.Kind == yaml.ScalarNode && people.Tag == "!!null" || people.Kind == yaml.SequenceNode &&
		len(people.Content) == 0 {
		return bad(nobodyListed, example)
	}
	if people.Kind != yaml.SequenceNode {
		return bad(fmt.Sprintf("the roster is not a list (line %d)", people.Line), example)
	}
	for _, node := range people.Content {
		roster.People = append(roster.People, r.person(node))
	}
	return roster, r.problems
}

// atLine is the line that a YAML error names. The rest of its words may quote the file, which may
// be that of a secret.
func atLine(err error) string {
	if line := yamlLine.FindString(err.Error()); line != "" {
		return ": " + line
	}
	return ""
}

var yamlLine = regexp.MustCompile(`\bline \d+`)

type rosterReader struct {
	platforms []Platform
	problems  []Problem
	named     map[string]int // line by folded name
	taken     []takenAccount
}

// takenAccount is an account and the line on which it was named.
type takenAccount struct {
	bot.Account
	line int
}

// example is how a person is written who has an account on each of the platforms.
func (r *rosterReader) example(platforms ...Platform) string {
	b := strings.Builder{}
	b.WriteString("- {name: mina")
	for _, p := range platforms {
		fmt.Fprintf(&b, ", %s: [%s]", p.ID, p.Example)
	}
	return b.String() + "}"
}

// keys are the ids of the platforms, in words.
func (r *rosterReader) keys(form string) []string {
	var l []string
	for _, p := range r.platforms {
		l = append(l, fmt.Sprintf(form, p.ID))
	}
	return l
}

func (r *rosterReader) problem(line int, what, mend string) {
	r.problems = append(r.problems, Problem{What: fmt.Sprintf("line %d of the roster: %s", line, what), Mend: mend})
}

func (r *rosterReader) person(node *yaml.Node) bot.Person {
	var p bot.Person
	if node.Kind != yaml.MappingNode {
		r.problem(node.Line, "is not a person", "write it as "+r.example(r.platforms[:1]...))
		return p
	}
	before := len(r.problems)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if seen[key.Value] {
			r.problem(key.Line, Quote(key.Value)+" is there twice for one person", "write it once")
			continue
		}
		seen[key.Value] = true
		platform := slices.IndexFunc(r.platforms, func(p Platform) bool { return string(p.ID) == key.Value })
		switch {
		case key.Value == "name":
			p.Name = r.name(value)
		case platform >= 0:
			p.Accounts = append(p.Accounts, r.accounts(value, r.platforms[platform])...)
		default:
			r.problem(key.Line, Quote(key.Value)+" is not known",
				"write "+alternatives(append([]string{"name"}, r.keys("%s")...)))
		}
	}
	if len(r.problems) > before {
		return p
	}
	if !seen["name"] {
		r.problem(node.Line, "a person has no name", "write name: and what they are called")
	}
	if len(p.Accounts) == 0 {
		r.problem(node.Line, "a person has no account",
			"write "+alternatives(r.keys("%s:"))+" with a list of user ids, or remove the person")
	}
	return p
}

// name takes what people can tell apart on a screen: 1 to 80 bytes, printable,
// and not another's name in other case.
func (r *rosterReader) name(node *yaml.Node) string {
	name := strings.TrimSpace(node.Value)
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || name == "" || len(name) > 80 ||
		strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		r.problem(node.Line, "the name cannot be shown", "write 1 to 80 printable characters")
		return ""
	}
	folded := strings.ToLower(name)
	if line, ok := r.named[folded]; ok {
		r.problem(node.Line, fmt.Sprintf("the name %s is taken on line %d", Quote(name), line),
			"give every person a name of their own")
	} else {
		r.named[folded] = node.Line
	}
	return name
}

func (r *rosterReader) accounts(node *yaml.Node, p Platform) (own []bot.Account) {
	if node.Kind != yaml.SequenceNode {
		r.problem(node.Line, "the accounts are not a list", "write them in brackets: ["+p.Example+"]")
		return nil
	}
	for _, item := range node.Content {
		a, ok := bot.Account{}, item.Kind == yaml.ScalarNode
		if ok {
			a, ok = p.Account(item.Value)
		}
		if !ok {
			r.problem(item.Line, Quote(item.Value)+" is not an account", "write "+p.Example)
			continue
		}
		before := slices.IndexFunc(r.taken, func(t takenAccount) bool { return t.Is(a) })
		if before >= 0 {
			r.problem(item.Line, fmt.Sprintf("the account %s is named on line %d already", Quote(item.Value),
				r.taken[before].line), "name every account once")
			continue
		}
		r.taken = append(r.taken, takenAccount{a, item.Line})
		own = append(own, a)
	}
	return own
}
