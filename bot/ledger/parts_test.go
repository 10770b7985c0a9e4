package ledger

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledgertest"

	"github.com/pressly/goose/v3"
)

// TestMigrateMany: a ledger with many messages gets its parts in a moment, without growing:
// no row of a message is written. What it had is as it was, and messages of several groups fit.
func TestMigrateMany(t *testing.T) {
	const (
		n       = 100_000
		request = `INSERT INTO request (id, app, chat_group, topic, requester, asked, state, body, low, high, seqs)
			VALUES ('R-1', 1, 'g', '', 'mina', 1, 'preparing', '{"scope":{"group":"g"},"covers":"1-100000"}', 1,
				100000, '1-100000')`
	)
	file := filepath.Join(t.TempDir(), "recallbot.db")
	for name, is := range map[string]struct {
		driver, url, open string
		dialect           goose.Dialect
		rows              string
	}{
		"SQLite": {"sqlite", "file:" + file, "sqlite:" + file, goose.DialectSQLite3,
			`WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100000)`},
		"PostgreSQL": {"pgx", "", "", goose.DialectPostgres,
			`WITH s (n) AS (SELECT generate_series(1, 100000))`},
	} {
		t.Run(name, func(t *testing.T) {
			if is.url == "" {
				is.url = ledgertest.Postgres(t)
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
			if _, err := p.UpTo(t.Context(), parting-1); err != nil {
				t.Fatal(err)
			}
			insert := ` INSERT INTO message (request, seq, seal, class, confirmed)
				SELECT 'R-1', n, '{"seq":1,"status":"normal","sender":"spammer"}', '', '' FROM s`
			for _, query := range []string{request, is.rows + insert} {
				if _, err := db.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			before := sizeOf(file)
			began := time.Now()
			l, err := Open(t.Context(), is.open, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			took, grown := time.Since(began), sizeOf(file)-before
			t.Logf("%v, %d bytes more", took, grown)
			if took > 30*time.Second || grown > 10<<20 {
				t.Errorf("it took %v and %d bytes", took, grown)
			}
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				r, err := tx.Request("R-1")
				if err != nil || len(r.Parts) != 1 || r.Count() != n || r.Parts[0].Group != "g" {
					t.Errorf("%d messages in %d parts, %v", r.Count(), len(r.Parts), err)
				}
				if counts, err := tx.Progress("R-1"); err != nil || counts[""] != n {
					t.Errorf("%v, %v", counts, err)
				}
				return tx.AddMessages("R-1", []bot.Message{{Part: 49, Seq: 4_294_967_295, Status: bot.SealNormal}})
			})
			if err != nil {
				t.Fatal(err)
			}
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				return tx.AddMessages("R-1", []bot.Message{{Seq: 0, Status: bot.SealNormal}})
			})
			if err == nil {
				t.Error("a message without a number is taken")
			}
			if is.dialect != goose.DialectSQLite3 {
				return
			}
			var check, table string
			if err := l.read.QueryRow(`PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
				t.Errorf("%s, %v", check, err)
			}
			err = l.read.QueryRow(`SELECT sql FROM sqlite_master WHERE name = 'message'`).Scan(&table)
			if err != nil || !strings.Contains(table, "CHECK (seq > 0)") {
				t.Errorf("%v: %s", err, table)
			}
		})
	}
}

// sizeOf is how many bytes a database and its log have.
func sizeOf(file string) (n int64) {
	for _, name := range []string{file, file + "-wal"} {
		if is, err := os.Stat(name); err == nil {
			n += is.Size()
		}
	}
	return n
}
