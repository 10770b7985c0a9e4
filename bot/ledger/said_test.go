package ledger

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledgertest"

	"github.com/pressly/goose/v3"
)

// TestMigrateSaid: an arrival that an earlier version stored is as it was, and has no Said.
func TestMigrateSaid(t *testing.T) {
	const body = `{"group":"g","seq":7,"sender":"eve","hmac":"AP8=","excerpt":"win"}`
	file := filepath.Join(t.TempDir(), "recallbot.db")
	for name, is := range map[string]struct {
		driver, url, open string
		dialect           goose.Dialect
	}{
		"SQLite":     {"sqlite", "file:" + file, "sqlite:" + file, goose.DialectSQLite3},
		"PostgreSQL": {"pgx", ledgertest.Postgres(t), "", goose.DialectPostgres},
	} {
		t.Run(name, func(t *testing.T) {
			if is.open == "" {
				is.open = is.url
			}
			db, err := sql.Open(is.driver, is.url)
			if err != nil {
				t.Fatal(err)
			}
			files, err := fs.Sub(migrations, "migrations")
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(is.dialect, db, files, goose.WithDisableGlobalRegistry(true),
				goose.WithGoMigrations(fills(), parts(is.dialect)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(t.Context(), 12); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), `INSERT INTO arrival (app, chat_group, topic, seq, n, came, body)
				VALUES (1, 'g', '', 7, 1, 1, '`+body+`')`); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			l, err := Open(t.Context(), is.open, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			err = l.View(t.Context(), func(tx bot.Tx) error {
				all, err := tx.Arrivals(1, "g", "", 1, 10, 10)
				if err == nil && (len(all) != 1 || all[0].Said != nil || all[0].Sender != "eve" ||
					all[0].Excerpt != "win" || len(all[0].HMAC) != 2) {
					t.Errorf("it is %+v", all)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
