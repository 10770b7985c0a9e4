package bot_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of ours a package may import. A package that is not named may not exist. "*" is everything.
var arrows = map[string][]string{
	"recallbot":                    {"*"},
	"bot":                          {"recall"},
	"bot/ledger":                   {"bot", "recall"},
	"bot/ledgertest":               {"bot", "recall"},
	"bot/bottest":                  {},
	"recall":                       {},
	"recall/recalltest":            {},
	"adapters/inbound":             {},
	"adapters/slack":               {"adapters/inbound", "bot", "recall"},
	"adapters/slack/slacktest":     {},
	"adapters/discord":             {"adapters/inbound", "bot", "recall"},
	"adapters/discord/discordtest": {},
	"adapters/metrics":             {"bot", "recall"},
	"adapters/webhook":             {"adapters/inbound", "bot", "recall"},
	"adapters/adaptertest":         {"bot", "bot/ledger", "recall", "recall/recalltest"},
	"adapters/sandbox":             {"*"},
	"config":                       {},
}

// behind names the libraries that are kept behind one package.
var behind = map[string]string{
	"github.com/slack-go/slack":         "adapters/slack",
	"github.com/bwmarrin/discordgo":     "adapters/discord",
	"modernc.org/sqlite":                "bot/ledger",
	"github.com/jackc/pgx/v5":           "bot/ledger",
	"github.com/pressly/goose/v3":       "bot/ledger",
	"github.com/sethvargo/go-envconfig": "config",
}

// TestImports holds the arrows between packages: what is not drawn here does not exist. Test files may import more: they put things together.
func TestImports(t *testing.T) {
	root := ".."
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = "recallbot"
		}
		allowed, ok := arrows[pkg]
		if !ok {
			t.Errorf("%s: package %s is not among the rooms", path, pkg)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(name, "recallbot/"); ok && !slices.Contains(allowed, "*") && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", path, name)
			}
			for lib, home := range behind {
				if (name == lib || strings.HasPrefix(name, lib+"/")) && pkg != home && !strings.HasSuffix(pkg, "test") {
					t.Errorf("%s imports %s, which stays behind %s", path, name, home)
				}
			}
			if strings.HasSuffix(name, "test") && strings.HasPrefix(name, "recallbot/") && pkg != "adapters/sandbox" && !strings.HasSuffix(pkg, "test") {
				t.Errorf("%s imports the fake %s: only tests and the sandbox may", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPackageComments: every package tells what it is, once.
func TestPackageComments(t *testing.T) {
	for pkg := range arrows {
		dir := filepath.Join("..", pkg)
		if pkg == "recallbot" {
			dir = ".."
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		comments := 0
		sources := 0
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			sources++
			file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				comments++
			}
		}
		if sources > 0 && comments != 1 {
			t.Errorf("package %s has %d package comments, want 1", pkg, comments)
		}
	}
}
