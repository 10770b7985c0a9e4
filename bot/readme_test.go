package bot_test

import (
	"os"
	"strings"
	"testing"

	"recallbot/config"

	"github.com/google/go-cmp/cmp"
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
	got, next := between(t, readme, "<!-- table -->\n", "<!-- /table -->", config.Table())
	if got != config.Table() {
		if !*update {
			t.Errorf("README's table of variables (-update rewrites it):\n%s", cmp.Diff(got, config.Table()))
		}
		readme = next
	}
	talk := quoteTalk(t, "testdata/talk/two_people.txt", "asked.discord", "result.discord")
	got, next = between(t, readme, "<!-- talk: two_people -->\n", "<!-- /talk -->", talk)
	if got != talk {
		if !*update {
			t.Errorf("README's conversation (-update rewrites it):\n%s", cmp.Diff(got, talk))
		}
		readme = next
	}
	if *update && readme != string(body) {
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
