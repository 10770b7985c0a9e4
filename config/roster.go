package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Roster joins accounts into people. Without one (nil) every account is a
// person of its own.
type Roster []Person

// Person is a human and every account of theirs.
type Person struct {
	Name string
	// Slack holds user ids, each with or without its workspace: "T0123/U0456" or "U0456".
	Slack []string
	// Discord holds user ids.
	Discord []string
}

// loadRoster reads the roster that a file holds, a list of people:
//
//   - name: mina
//     slack: [T0123/U0456]
//     discord: [80351110224678912]
//
// No name and no account may stand there twice: whose it is would then depend on
// the reader. Every problem is told, with the line it is on.
func loadRoster(path string) (Roster, []Problem) {
	data, what := readFile(path)
	if what != "" {
		return nil, []Problem{{What: what, Mend: "write the path of a readable YAML file"}}
	}
	return parseRoster(data)
}

func parseRoster(data []byte) (Roster, []Problem) {
	const example = "write a list of people, each as: - {name: mina, slack: [U0123456789], discord: [80351110224678912]}"
	const nobodyListed = "the roster lists nobody, so that nobody could ask or approve"
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, []Problem{{What: nobodyListed, Mend: example}}
	case err != nil:
		return nil, []Problem{{What: "the roster is not YAML" + atLine(err), Mend: example}}
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, []Problem{{What: "the roster goes on after its first document", Mend: "write one document"}}
	}

	if len(doc.Content) == 0 { // unreachable unless the parser calls an empty document one
		return nil, []Problem{{What: nobodyListed, Mend: example}}
	}
	people := doc.Content[0]
	if people.Kind == yaml.ScalarNode && people.Tag == "!!null" || people.Kind == yaml.SequenceNode &&
		len(people.Content) == 0 {
		return nil, []Problem{{What: nobodyListed, Mend: example}}
	}
	if people.Kind != yaml.SequenceNode {
		return nil, []Problem{{What: fmt.Sprintf("the roster is not a list (line %d)", people.Line), Mend: example}}
	}
	r := rosterReader{named: map[string]int{}, slack: map[string][]account{}, discord: map[string][]account{}}
	roster := make(Roster, 0, len(people.Content))
	for _, node := range people.Content {
		roster = append(roster, r.person(node))
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

// account is where an account was named.
type account struct {
	team string // "" where the roster does not say
	line int
}

type rosterReader struct {
	problems []Problem
	named    map[string]int // line by folded name
	slack    map[string][]account
	discord  map[string][]account
}

func (r *rosterReader) problem(line int, what, mend string) {
	r.problems = append(r.problems, Problem{What: fmt.Sprintf("line %d of the roster: %s", line, what), Mend: mend})
}

func (r *rosterReader) person(node *yaml.Node) Person {
	var p Person
	if node.Kind != yaml.MappingNode {
		r.problem(node.Line, "is not a person", "write it as - {name: mina, slack: [U0123456789]}")
		return p
	}
	before := len(r.problems)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if seen[key.Value] {
			r.problem(key.Line, quote(key.Value)+" is there twice for one person", "write it once")
			continue
		}
		seen[key.Value] = true
		switch key.Value {
		case "name":
			p.Name = r.name(value)
		case "slack":
			p.Slack = r.accounts(value, r.slack, isSlackAccount, "U0123456789 or T0123456789/U0123456789")
		case "discord":
			p.Discord = r.accounts(value, r.discord, isSnowflake, "80351110224678912")
		default:
			r.problem(key.Line, quote(key.Value)+" is not known", "write name, slack or discord")
		}
	}
	if len(r.problems) > before {
		return p
	}
	if !seen["name"] {
		r.problem(node.Line, "a person has no name", "write name: and what they are called")
	}
	if len(p.Slack) == 0 && len(p.Discord) == 0 {
		r.problem(node.Line, "a person has no account",
			"write slack: or discord: with a list of user ids, or remove the person")
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
		r.problem(node.Line, fmt.Sprintf("the name %s is taken on line %d", quote(name), line),
			"give every person a name of their own")
	} else {
		r.named[folded] = node.Line
	}
	return name
}

func (r *rosterReader) accounts(node *yaml.Node, taken map[string][]account, good func(string) bool,
	example string) []string {
	if node.Kind != yaml.SequenceNode {
		r.problem(node.Line, "the accounts are not a list", "write them in brackets: ["+example+"]")
		return nil
	}
	var ids []string
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || !good(item.Value) {
			r.problem(item.Line, quote(item.Value)+" is not an account", "write "+example)
			continue
		}
		team, user := splitAccount(item.Value)
		clash := false
		for _, other := range taken[user] {
			if other.team == team || other.team == "" || team == "" {
				r.problem(item.Line, fmt.Sprintf("the account %s is named on line %d already", quote(item.Value),
					other.line), "name every account once")
				clash = true
				break
			}
		}
		if !clash {
			taken[user] = append(taken[user], account{team, item.Line})
			ids = append(ids, item.Value)
		}
	}
	return ids
}

var slackAccount = regexp.MustCompile(`^([TE][A-Z0-9]+/)?[UW][A-Z0-9]+$`)

func isSlackAccount(s string) bool { return slackAccount.MatchString(s) }

// splitAccount parts "T0123/U0456" into workspace and user; a bare user has no workspace.
func splitAccount(s string) (team, user string) {
	if team, user, found := strings.Cut(s, "/"); found {
		return team, user
	}
	return "", s
}
