package bot_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recallbot/bot"
)

// arrows says which packages of ours a package may import. The first row whose pattern matches
// counts (path.Match); a package that no row matches may not exist. "*" is everything.
var arrows = []struct {
	pattern string
	imports []string
}{
	{"recallbot", []string{"*"}},
	{"recall", nil},
	{"recall/*test", nil},
	{"config", []string{"bot", "recall"}},
	{"bot", []string{"bot/command", "recall"}},
	{"bot/command", []string{"recall"}},
	{"bot/history", []string{"bot", "bot/command", "recall"}},
	{"bot/golden", nil},
	{"bot/bottest", []string{"bot", "bot/golden", "bot/history", "bot/intake", "bot/worker"}},
	{"bot/intake", []string{"bot", "bot/command", "bot/history", "recall"}},
	{"bot/worker", []string{"bot", "bot/command", "bot/history", "recall"}},
	{"bot/ledger", []string{"bot", "bot/command", "recall"}},
	{"bot/ledgertest", []string{"bot", "bot/command", "recall"}},
	{"adapters", []string{"*"}},
	{"adapters/sandbox", []string{"*"}},
	{"adapters/sandbox/site", []string{"*"}},
	{"adapters/practice", []string{"*"}},
	{"adapters/adaptertest", []string{
		"bot", "bot/bottest", "bot/command", "bot/intake", "bot/ledger", "recall", "recall/recalltest",
	}},
	{"adapters/webhook", []string{"adapters/inbound", "bot", "bot/history", "config", "recall"}},
	{"adapters/metrics", []string{"adapters/inbound", "bot", "bot/history", "config", "recall"}},
	{"adapters/console", []string{"bot", "bot/command", "bot/history", "config", "recall"}},
	{"adapters/inbound", nil},
	{"adapters/*", []string{
		"adapters/inbound", "adapters/platform", "bot", "bot/command", "bot/intake", "config", "recall",
	}},
	{"adapters/*/*test", []string{"bot", "bot/bottest"}},
}

// mayImport returns what a package may import; known is false where it may not exist.
func mayImport(t *testing.T, pkg string) (imports []string, known bool) {
	for _, row := range arrows {
		ok, err := path.Match(row.pattern, pkg)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return row.imports, true
		}
	}
	return nil, false
}

// sources yields every Go file of ours that is no test, and its package: the folder, "recallbot" at
// the top.
func sources(t *testing.T) func(yield func(file, pkg string) bool) {
	return func(yield func(file, pkg string) bool) {
		err := fs.WalkDir(os.DirFS(".."), ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata") {
				return fs.SkipDir
			}
			if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			pkg := path.Dir(file)
			if pkg == "." {
				pkg = "recallbot"
			}
			if !yield(file, pkg) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestImports holds the arrows between packages: what is not drawn here does not exist. Test files
// may import more: they put things together.
func TestImports(t *testing.T) {
	for file, pkg := range sources(t) {
		allowed, known := mayImport(t, pkg)
		if !known {
			t.Errorf("%s: package %s is not among the rooms", file, pkg)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours, ok := strings.CutPrefix(name, "recallbot/")
			if ok && !slices.Contains(allowed, "*") && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", file, name)
			}
			for lib, home := range bot.Behind {
				if (name == lib || strings.HasPrefix(name, lib+"/")) && pkg != home && !strings.HasSuffix(pkg, "test") {
					t.Errorf("%s imports %s, which stays behind %s", file, name, home)
				}
			}
			if ok && strings.HasSuffix(name, "test") && !slices.Contains(allowed, "*") &&
				!strings.HasSuffix(pkg, "test") {
				t.Errorf("%s imports the fake %s: only tests and the sandbox may", file, name)
			}
		}
	}
}

// TestPackageComments: every package tells what it is, once.
func TestPackageComments(t *testing.T) {
	comments := map[string]int{}
	for file, pkg := range sources(t) {
		mode := parser.PackageClauseOnly | parser.ParseComments
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		comments[pkg] += 0
		if parsed.Doc != nil {
			comments[pkg]++
		}
	}
	for pkg, n := range comments {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want 1", pkg, n)
		}
	}
}
