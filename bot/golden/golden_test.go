package golden

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	var long []string
	for i := range 30 {
		long = append(long, fmt.Sprint("line ", i+1))
	}
	text := strings.Join(long, "\n") + "\n"
	for _, c := range []struct{ name, old, new, want string }{
		{"equal", text, text, ""},
		{"empty", "", "", ""},
		{"from nothing", "", "a\nb\n", "--- old\n+++ new\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a\n", "", "--- old\n+++ new\n@@ -1,1 +0,0 @@\n-a\n"},
		{"a line is another", "a\nb\nc\n", "a\nB\nc\n", "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"no line break at the end", "a\n", "a", "--- old\n+++ new\n@@ -1,1 +1,1 @@\n-a\n+a\\ no newline at the end\n"},
		{"two hunks", text, strings.NewReplacer("line 5\n", "", "line 25\n", "line 25\nmore\n").Replace(text),
			"--- old\n+++ new\n@@ -2,7 +2,6 @@\n line 2\n line 3\n line 4\n-line 5\n line 6\n line 7\n line 8\n" +
				"@@ -23,6 +22,7 @@\n line 23\n line 24\n line 25\n+more\n line 26\n line 27\n line 28\n"},
		{"near each other", text, strings.NewReplacer("line 5\n", "", "line 9\n", "nine\n").Replace(text),
			"--- old\n+++ new\n@@ -2,11 +2,10 @@\n line 2\n line 3\n line 4\n-line 5\n line 6\n line 7\n line 8\n" +
				"-line 9\n+nine\n line 10\n line 11\n line 12\n"},
	} {
		if got := Diff("old", c.old, "new", c.new); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestEverywhere: the tests of every package take -update, so that it can be given to all of them
// at once.
func TestEverywhere(t *testing.T) {
	takes := map[string]bool{} // by folder that has tests
	root := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".ci"): // the latter has modules of its own
			return fs.SkipDir
		case !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(root, file)
		dir := filepath.Dir(file)
		takes[dir] = takes[dir] || strings.Contains(string(source), `"recallbot/bot/golden"`)
		return err
	})
	if err != nil || len(takes) < 10 {
		t.Fatalf("%d packages have tests, %v", len(takes), err)
	}
	for dir, ok := range takes {
		if !ok {
			t.Errorf("no test in %s imports recallbot/bot/golden: -update fails there", dir)
		}
	}
}
