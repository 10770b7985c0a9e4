package bot_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"recallbot/bot"
)

// TestTour holds the package comment, which is the tour of the program, to what is there: every
// file, folder and package that it names exists, every package under bot is named, and it fits a
// screen.
func TestTour(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	tour := parsed.Doc.Text()
	if n := strings.Count(tour, "\n"); n > 50 {
		t.Errorf("the tour has %d lines, want 50 at most", n)
	}
	away := bot.TakenAway()
	wrong := func(name string) {
		if !slices.ContainsFunc(away, func(folder string) bool { return strings.HasPrefix(name, folder) }) {
			t.Errorf("the tour names %s, which does not exist", name)
		}
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z]+(/[a-z]+)*(\.(go|txt)\b|/)`).FindAllString(tour, -1) {
		named[strings.TrimSuffix(name, "/")] = true
		if exists(name) || exists("../"+name) {
			continue
		}
		wrong(name)
	}
	for _, name := range regexp.MustCompile(`adapters/[a-z]+`).FindAllString(tour, -1) {
		if !exists("../"+name) && !exists("../"+name+".go") {
			wrong(name)
		}
	}
	for _, steps := range regexp.MustCompile(`a file a step: ([a-z, ]+)`).FindAllStringSubmatch(tour, -1) {
		for step := range strings.SplitSeq(steps[1], ", ") {
			if !exists("worker/" + step + ".go") {
				t.Errorf("the tour names worker/%s.go, which does not exist", step)
			}
		}
	}
	for _, pkg := range underBot(t) {
		if !named[pkg] && !strings.Contains(tour, pkg+"/") {
			t.Errorf("the tour does not name package bot/%s", pkg)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// underBot returns the folders under bot that hold Go.
func underBot(t *testing.T) (packages []string) {
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no packages under bot: %v", err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		if dir := filepath.Dir(f); !seen[dir] {
			seen[dir] = true
			packages = append(packages, dir)
		}
	}
	return packages
}
