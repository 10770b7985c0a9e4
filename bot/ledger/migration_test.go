package ledger

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestMigrationsInTurn: a migration first locks the writer's row, so that no transaction of a process that knows the version before runs beside it. Those up to 6 are of a time
// when no process looked at the version.
func TestMigrationsInTurn(t *testing.T) {
	const first = "UPDATE counter SET n = n WHERE name = 'writer';"
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	comment := regexp.MustCompile(`(?m)^--.*\n`)
	for _, file := range files {
		if path.Base(file) < "00007" {
			continue
		}
		b, err := migrations.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, up, found := strings.Cut(string(b), "-- +goose Up\n")
		if up = strings.TrimSpace(comment.ReplaceAllString(up, "")); !found || !strings.HasPrefix(up, first) {
			t.Errorf("%s must begin with, after -- +goose Up:\n%s", file, first)
		}
		if strings.Contains(string(b), "NO TRANSACTION") {
			t.Errorf("%s is no transaction, so that it holds no lock", file)
		}
	}
}
