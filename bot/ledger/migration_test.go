package ledger

import (
	"database/sql"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"recallbot/bot/ledgertest"

	"github.com/pressly/goose/v3"
)

// TestMigrationsInTurn: a migration first locks the writer's row, so that no transaction of a
// process that knows the version before runs beside it. Those up to 6 are of a time when no process
// looked at the version.
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

// TestMigrationsWait: each migration, also one that is written in Go, waits for the transaction
// that has the writer's row before it changes a table.
func TestMigrationsWait(t *testing.T) {
	db, err := sql.Open("pgx", ledgertest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(fills(), parts(goose.DialectPostgres)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	for _, next := range p.ListSources()[6:] {
		writer, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Rollback() // does nothing the second time
		if _, err := writer.Exec(`SELECT n FROM counter WHERE name = 'writer' FOR UPDATE`); err != nil {
			t.Fatal(err)
		}
		migrated := make(chan error, 1)
		go func() {
			_, err := p.UpTo(t.Context(), next.Version)
			migrated <- err
		}()
		const waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
		for waits, end := false, time.Now().Add(20*time.Second); !waits; time.Sleep(5 * time.Millisecond) {
			if err := db.QueryRow(waiting).Scan(&waits); err != nil || time.Now().After(end) {
				t.Fatalf("migration %d does not wait: %v", next.Version, err)
			}
		}
		var version int64
		var changed int
		const changing = `SELECT COUNT(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
		if err := db.QueryRow("SELECT " + schemaVersion).Scan(&version); err != nil || version >= next.Version {
			t.Errorf("migration %d does not wait: the version is %d, %v", next.Version, version, err)
		}
		if err := db.QueryRow(changing).Scan(&changed); err != nil || changed > 0 {
			t.Errorf("migration %d changes %d tables before it waits, %v", next.Version, changed, err)
		}
		if err := writer.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := <-migrated; err != nil {
			t.Fatal(err)
		}
	}
}
