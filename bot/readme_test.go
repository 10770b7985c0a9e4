package bot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/config"

	"golang.org/x/tools/txtar"
)

// TestReadme holds the README to what it quotes: a conversation, and the table of variables.
// -update rewrites them.
func TestReadme(t *testing.T) {
	const file = "../README.md"
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	readme := string(body)
	table := config.Table(adapters.Configurations())
	got, next := between(t, readme, "<!-- table -->\n", "<!-- /table -->", table)
	for _, folder := range bot.TakenAway() {
		prefix := strings.ToUpper(path.Base(folder)) + "_"
		got = regexp.MustCompile("(?m)^\\| `"+prefix+".*\n").ReplaceAllString(got, "")
	}
	if got != table {
		if !golden.Update() {
			t.Errorf("README's table of variables (-update rewrites it):\n%s",
				golden.Diff("README", got, "want", table))
		}
		readme = next
	}
	talk := quoteTalk(t, "testdata/talk/two_people.txt", "asked.discord", "result.discord")
	got, next = between(t, readme, "<!-- talk: two_people -->\n", "<!-- /talk -->", talk)
	if got != talk {
		if !golden.Update() {
			t.Errorf("README's conversation (-update rewrites it):\n%s",
				golden.Diff("README", got, "want", talk))
		}
		readme = next
	}
	if golden.Update() && readme != string(body) {
		if err := os.WriteFile(file, []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// between returns what stands between two marks, and the text with want in its place.
func between(t *testing.T, text, from, to, want string) (got, next string) {
	t.Helper()
	before, rest, ok := strings.Cut(text, from)
	got, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("README has no %s", strings.TrimSpace(from))
	}
	return got, before + from + want + to + after
}

// quoteTalk is what people type and press in a conversation, each on a line, and the named sections
// of what they then see.
func quoteTalk(t *testing.T, file string, sections ...string) string {
	t.Helper()
	script, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := "```\n"
	for _, l := range strings.Split(string(script.Comment), "\n") {
		if strings.HasPrefix(l, "mina ") || strings.HasPrefix(l, "press ") {
			out += l + "\n"
			if len(sections) > 0 {
				for _, f := range script.Files {
					if f.Name == sections[0] {
						out += string(f.Data)
					}
				}
				sections = sections[1:]
			}
		}
	}
	return out + "```\n"
}

// testName matches the name of a test, a benchmark or a fuzz test in prose; inDir is the folder
// that may follow it.
var testName = regexp.MustCompile(`\b((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]*)(?:` + "`" + ` in ([a-z/]+))?`)

// TestReadmeNamesTests: every test that the README and SURVIVES.md name exists, in the folder that
// they name. In a pattern of -run or -bench a name may be the beginning of one.
func TestReadmeNamesTests(t *testing.T) {
	dirs := map[string][]string{} // the folders that have a test, by its name
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				dirs[fn.Name.Name] = append(dirs[fn.Name.Name], path.Dir(file))
			}
		}
	}
	begins := func(name string) bool {
		for test := range dirs {
			if strings.HasPrefix(test, name) {
				return true
			}
		}
		return false
	}
	away := bot.TakenAway()
	for file, least := range map[string]int{"../README.md": 1, "../adapters/sandbox/SURVIVES.md": 100} {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for line := range strings.Lines(string(body)) {
			pattern := strings.Contains(line, " -run ")
			for _, m := range testName.FindAllStringSubmatch(line, -1) {
				name, dir := m[1], m[2]
				named++
				switch {
				case len(away) > 0 && (len(dirs[name]) == 0 || slices.Contains(away, dir)):
				case len(dirs[name]) == 0 && !(pattern && begins(name)):
					t.Errorf("%s names %s, which does not exist", file, name)
				case dir != "" && !slices.Contains(dirs[name], dir):
					t.Errorf("%s names %s in %s, which is in %v", file, name, dir, dirs[name])
				}
			}
		}
		if named < least {
			t.Errorf("%s names %d tests, want %d at least", file, named, least)
		}
	}
}
