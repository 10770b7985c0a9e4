package config

import (
	"strings"
	"testing"

	"recallbot/bot"

	"github.com/google/go-cmp/cmp"
)

func ircAt(written string) bot.Account    { return readAccount(0, written) }
func matrixAt(written string) bot.Account { return readAccount(1, written) }

func person(name string, accounts ...bot.Account) bot.Person {
	return bot.Person{Name: name, Accounts: accounts}
}

func readAccount(platform int, written string) bot.Account {
	a, ok := platforms[platform].Account(written)
	if !ok {
		panic(written)
	}
	return a
}

func TestRoster(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []bot.Person
		problems   string // "What; Mend" of each, one a line
	}{
		{
			name: "a person a line",
			text: "- {name: mina, irc: [T012/U012, W013], matrix: [80351110224678912]}\n- {name: 敏娜, matrix: ['1']}\n",
			want: []bot.Person{person("mina", ircAt("T012/U012"), ircAt("W013"), matrixAt("80351110224678912")),
				person("敏娜", matrixAt("1"))},
		},
		{
			name: "a person in a block",
			text: "# who is who\n---\n- name: mina\n  irc:\n    - U012 # her own\n- name: Theo Tan\n  matrix:\n    - 1\n",
			want: []bot.Person{person("mina", ircAt("U012")), person("Theo Tan", matrixAt("1"))},
		},
		{
			name: "the same user id in two workspaces is two accounts",
			text: "- {name: mina, irc: [T1/U1]}\n- {name: theo, irc: [T2/U1]}\n",
			want: []bot.Person{person("mina", ircAt("T1/U1")), person("theo", ircAt("T2/U1"))},
		},
		{name: "empty", text: "", problems: "the roster lists nobody"},
		{name: "only a comment", text: "# later\n", problems: "the roster lists nobody"},
		{name: "nothing", text: "---\n", problems: "the roster lists nobody"},
		{name: "an empty list", text: "[]", problems: "the roster lists nobody"},
		{name: "a mapping", text: "mina: [U1]", problems: "the roster is not a list (line 1)"},
		{name: "a text", text: "mina", problems: "the roster is not a list (line 1)"},
		{name: "no YAML", text: "- {name: mina", problems: "the roster is not YAML: line 1"},
		{name: "two documents", text: "- {name: a, irc: [U1]}\n---\n- {name: b, irc: [U2]}",
			problems: "the roster goes on after its first document"},
		{name: "not a person", text: "- mina\n- [U1]\n",
			problems: "line 1 of the roster: is not a person\nline 2 of the roster: is not a person"},
		{name: "no name", text: "- irc: [U1]", problems: "line 1 of the roster: a person has no name"},
		{name: "an empty name", text: "- {name: ' ', irc: [U1]}",
			problems: "line 1 of the roster: the name cannot be shown"},
		{name: "a null name", text: "- {name: , irc: [U1]}",
			problems: "line 1 of the roster: the name cannot be shown"},
		{name: "a hidden character", text: "- {name: \"mi\\u200Bna\", irc: [U1]}",
			problems: "line 1 of the roster: the name cannot be shown"},
		{name: "no account", text: "- {name: mina}\n- {name: theo, irc: []}",
			problems: "line 1 of the roster: a person has no account\nline 2 of the roster: a person has no account"},
		{name: "an unknown key", text: "- {name: mina, ircc: [U1]}",
			problems: `line 1 of the roster: "ircc" is not known`},
		{name: "a key twice", text: "- name: mina\n  irc: [U1]\n  irc: [U2]",
			problems: `line 3 of the roster: "irc" is there twice for one person`},
		{name: "one account without brackets", text: "- {name: mina, irc: U1}",
			problems: "line 1 of the roster: the accounts are not a list"},
		{name: "not accounts", text: "- name: mina\n  irc: [mina, 'U1/T1', [U1]]\n  matrix: ['mina#1234', -1]",
			problems: "line 2 of the roster: \"mina\" is not an account\nline 2 of the roster: \"U1/T1\" is not an account\nline 2 of the roster: \"\" is not an account\n" +
				"line 3 of the roster: \"mina#1234\" is not an account\nline 3 of the roster: \"-1\" is not an account"},
		{name: "an alias", text: "- {name: mina, irc: [&a U1]}\n- {name: theo, irc: [*a]}",
			problems: `line 2 of the roster: "a" is not an account`},
		{name: "a name twice", text: "- {name: mina, irc: [U1]}\n- {name: Mina, irc: [U2]}",
			problems: `line 2 of the roster: the name "Mina" is taken on line 1`},
		{name: "an account of two people", text: "- {name: mina, matrix: [1]}\n- {name: theo, matrix: [1]}",
			problems: `line 2 of the roster: the account "1" is named on line 1 already`},
		{name: "an account twice", text: "- {name: mina, irc: [U1, U1]}",
			problems: `line 1 of the roster: the account "U1" is named on line 1 already`},
		{name: "an account with and without its workspace",
			text:     "- {name: mina, irc: [T1/U1]}\n- {name: theo, irc: [U1]}",
			problems: `line 2 of the roster: the account "U1" is named on line 1 already`},
		{name: "the same number on both platforms is two accounts", text: "- {name: mina, irc: [U1], matrix: [1]}",
			want: []bot.Person{person("mina", ircAt("U1"), matrixAt("1"))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, problems := parseRoster([]byte(tt.text), platforms)
			var lines []string
			for _, p := range problems {
				if p.Mend == "" || strings.Contains(p.What+p.Mend, "\n") {
					t.Errorf("%q is not one line with its mend", p)
				}
				lines = append(lines, p.What)
			}
			if tt.problems != "" {
				want := strings.Split(tt.problems, "\n")
				ok := len(want) == len(lines)
				for i := range lines {
					ok = ok && strings.HasPrefix(lines[i], want[i])
				}
				if !ok {
					t.Errorf("problems (-want +got):\n%s", cmp.Diff(want, lines))
				}
				return
			}
			if len(lines) > 0 {
				t.Fatalf("problems: %q", lines)
			}
			if diff := cmp.Diff(tt.want, got.People); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzRoster(f *testing.F) {
	f.Add([]byte("- {name: mina, irc: [T012/U012, W013], matrix: [80351110224678912]}\n"))
	f.Add([]byte("- &a {name: x, irc: [*a]}\n- *a\n"))
	f.Add([]byte("---\n...\n---\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		roster, problems := parseRoster(data, platforms)
		if len(problems) > 0 {
			return
		}
		if roster.Empty() {
			t.Fatal("a roster of nobody is no problem")
		}
		taken := map[string]bool{}
		for _, p := range roster.People {
			for _, a := range p.Accounts {
				if taken[a.String()] {
					t.Fatalf("%s stands twice", a)
				}
				taken[a.String()] = true
			}
			if p.Name == "" || taken["name "+p.Name] || len(p.Accounts) == 0 {
				t.Fatalf("%+v is not a person", p)
			}
			taken["name "+p.Name] = true
		}
	})
}
