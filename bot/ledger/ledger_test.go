package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
)

func open(t testing.TB, databaseURL string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(context.Background(), databaseURL, ledger.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closing closes l when the test ends.
func closing(t testing.TB, l *ledger.Ledger) *ledger.Ledger {
	t.Helper()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func do(t testing.TB, l *ledger.Ledger, fn func(tx bot.Tx) error) {
	t.Helper()
	if err := l.Tx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func note(t testing.TB, l *ledger.Ledger, key string) (value string) {
	t.Helper()
	err := l.View(t.Context(), func(tx bot.Tx) (err error) {
		value, err = tx.Note(key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSQLite(t *testing.T) {
	ledgertest.Test(t, func(t *testing.T) bot.Ledger { return open(t, "sqlite::memory:") })
}

// TestPostgres empties and reuses two databases, since it takes PostgreSQL long to make one.
func TestPostgres(t *testing.T) {
	free := make(chan string, 2)
	for range cap(free) {
		u := ledgertest.Postgres(t)
		if err := open(t, u).Close(); err != nil {
			t.Fatal(err)
		}
		free <- u
	}
	ledgertest.Test(t, func(t *testing.T) bot.Ledger {
		u := <-free
		t.Cleanup(func() { free <- u })
		empty(t, u)
		return open(t, u)
	})
}

// empty makes a migrated database as it was when it was new.
func empty(t *testing.T, databaseURL string) {
	t.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{
		"evidence", "evidence_key", "message", "batch", `"grant"`, "approval", "view", "post", "due", "request", "event", "roster", "lease", "pause", "note", "audit", "arrival", "removal",
	} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("UPDATE counter SET n = 0"); err != nil {
		t.Fatal(err)
	}
}

// databases runs a test on both databases, with a ledger, its URL, and a connection past it.
func databases(t *testing.T, test func(t *testing.T, l *ledger.Ledger, databaseURL string, db *sql.DB)) {
	connect := func(t *testing.T, driver, name string) *sql.DB {
		db, err := sql.Open(driver, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "ledger.db")
		test(t, closing(t, open(t, "sqlite:"+file)), "sqlite:"+file, connect(t, "sqlite", "file:"+file+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)"))
	})
	t.Run("postgres", func(t *testing.T) {
		u := ledgertest.Postgres(t)
		test(t, closing(t, open(t, u)), u, connect(t, "pgx", u))
	})
}

// TestSchemaRefuses writes past the code: the tables themselves hold the two-person rule.
func TestSchemaRefuses(t *testing.T) {
	const (
		request  = `INSERT INTO request (id, app, chat_group, topic, requester, asked, state, digest, body) VALUES ('R', 1, 'g', '', 'mina', 1, 'proposed', 'd', '{}')`
		prepared = `INSERT INTO request (id, app, chat_group, topic, requester, asked, state, digest, body) VALUES ('P', 1, 'g', '', 'mina', 1, 'preparing', NULL, '{}')`
		approval = `INSERT INTO approval (request, requester, digest, person, n, body) VALUES ('R', 'mina', 'd', 'theo', 1, '{}')`
		granted  = `INSERT INTO "grant" (request, person, digest, at) VALUES ('R', 'theo', 'd', 1)`
		batch    = `INSERT INTO batch (request, n, digest, state, epoch, doubted, unread, single, attempts, after) VALUES ('R', 1, 'd', 'pending', 0, 0, 0, 0, 0, 0)`
		message  = `INSERT INTO message (request, seq, seal, batch, class, confirmed) VALUES ('R', 1, '{}', 1, '', '')`
	)
	steps := []string{request, prepared, approval, granted, batch, message}
	tests := []struct {
		name string
		done int // how many steps were taken
		sql  string
	}{
		{"an approval without a request", 0, approval},
		{"an approval by the requester", 2, strings.Replace(approval, "theo", "mina", 1)},
		{"an approval that names another requester", 2, strings.Replace(approval, "mina", "eve", 1)},
		{"an approval by the requester under another name of theirs", 2, `INSERT INTO approval (request, requester, digest, person, n, body) VALUES ('R', 'eve', 'd', 'mina', 1, '{}')`},
		{"an approval of another digest", 2, strings.Replace(approval, "'d'", "'e'", 1)},
		{"an approval of no digest", 2, strings.Replace(approval, "'d'", "NULL", 1)},
		{"an approval of a request that is prepared, without a digest", 2, strings.Replace(strings.Replace(approval, "'d'", "NULL", 1), "'R'", "'P'", 1)},
		{"an approval of a request that is prepared, with a digest", 2, strings.Replace(approval, "'R'", "'P'", 1)},
		{"an approval by nobody", 2, strings.Replace(approval, "'theo'", "''", 1)},
		{"an approval by null", 2, strings.Replace(approval, "'theo'", "NULL", 1)},
		{"a second approval by the same person", 3, strings.Replace(approval, "1,", "2,", 1)},
		{"another digest under an approval", 3, `UPDATE request SET digest = 'e' WHERE id = 'R'`},
		{"no digest under an approval", 3, `UPDATE request SET digest = NULL, state = 'withdrawn' WHERE id = 'R'`},
		{"another requester under an approval", 3, `UPDATE request SET requester = 'eve' WHERE id = 'R'`},
		{"an approval that becomes the requester's", 3, `UPDATE approval SET person = 'mina'`},
		{"a request deleted under an approval", 3, `DELETE FROM request WHERE id = 'R'`},
		{"a grant without an approval", 2, granted},
		{"a grant by another person", 3, strings.Replace(granted, "theo", "eve", 1)},
		{"a grant of another digest", 3, strings.Replace(granted, "'d'", "'e'", 1)},
		{"a grant by null", 3, strings.Replace(granted, "'theo'", "NULL", 1)},
		{"a second grant", 4, granted},
		{"an approval deleted under a grant", 4, `DELETE FROM approval`},
		{"a batch without a grant", 3, batch},
		{"a batch of another digest", 4, strings.Replace(batch, "'d'", "'e'", 1)},
		{"a batch of no digest", 4, strings.Replace(batch, "'d'", "NULL", 1)},
		{"a grant deleted under a batch", 5, `DELETE FROM "grant"`},
		{"a message in a batch that is not there", 4, message},
		{"a message of another request in a batch", 5, strings.Replace(message, "'R'", "'P'", 1)},
		{"a batch deleted under a message", 6, `DELETE FROM batch`},
		{"an outcome that nobody knows", 6, `UPDATE message SET class = 'lost', outcome = '{}'`},
		{"a class without its outcome", 6, `UPDATE message SET class = 'recalled'`},
		{"a prepared request with a digest", 2, `UPDATE request SET digest = 'd' WHERE id = 'P'`},
		{"a proposed request without a digest", 2, `UPDATE request SET state = 'proposed' WHERE id = 'P'`},
		{"an approved request without a digest", 2, `UPDATE request SET state = 'approved' WHERE id = 'P'`},
	}
	databases(t, func(t *testing.T, _ *ledger.Ledger, _ string, db *sql.DB) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				for _, step := range steps[:test.done] {
					if _, err := tx.Exec(step); err != nil {
						t.Fatalf("%s: %v", step, err)
					}
				}
				if _, err := tx.Exec(test.sql); err == nil {
					t.Errorf("the schema took %s", test.sql)
				} else if !strings.Contains(strings.ToLower(err.Error()), "constraint") {
					t.Errorf("failed for another reason: %v", err)
				}
			})
		}
		t.Run("but takes what is right", func(t *testing.T) {
			for _, step := range steps {
				if _, err := db.Exec(step); err != nil {
					t.Fatalf("%s: %v", step, err)
				}
			}
		})
	})
}

// TestTamper: what was changed past the code is read as it is, for the verifier to find.
func TestTamper(t *testing.T) {
	databases(t, func(t *testing.T, l *ledger.Ledger, _ string, db *sql.DB) {
		for i := range 3 {
			do(t, l, func(tx bot.Tx) error {
				_, err := tx.Append(bot.Entry{Actor: "bot", What: fmt.Sprint("step ", i)})
				return err
			})
		}
		if _, err := db.Exec(`UPDATE audit SET body = REPLACE(body, 'step 1', 'step 9') WHERE n = 2`); err != nil {
			t.Fatal(err)
		}
		err := l.View(t.Context(), func(tx bot.Tx) error {
			entries, err := tx.Entries(1, 9)
			if err != nil {
				return err
			}
			var v bot.Verifier
			for _, e := range entries {
				if err := v.Next(e); err != nil {
					return err
				}
			}
			return nil
		})
		if broken, ok := errors.AsType[*bot.BrokenChain](err); !ok || broken.N != 2 {
			t.Fatalf("got %v, want a chain broken at 2", err)
		}
	})
}

// TestVersion: a schema of another version is neither used nor changed.
func TestVersion(t *testing.T) {
	databases(t, func(t *testing.T, _ *ledger.Ledger, databaseURL string, db *sql.DB) {
		if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, $1)`, true); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(t.Context(), databaseURL, ledger.Options{ReadOnly: true})
		if !errors.Is(err, ledger.ErrVersion) {
			t.Fatalf("got %v and error %v, want %v", l, err, ledger.ErrVersion)
		}
	})
}

// TestURL: what cannot be read is refused without being repeated.
func TestURL(t *testing.T) {
	for _, databaseURL := range []string{
		"", "sqlite", "sqlite:", "mysql://u:s3cret@h/db", "s3cret", "postgres://u:s3cret@h:port/db",
		"postgres://u:s3cret @h/db?x=%zz", "postgres://u:s3cret@h/db?sslmode=s3cret", "postgres://u:%zzs3cret@h/db",
	} {
		l, err := ledger.Open(t.Context(), databaseURL, ledger.Options{})
		if !errors.Is(err, ledger.ErrURL) {
			t.Errorf("%q: got %v and error %v, want %v", databaseURL, l, err, ledger.ErrURL)
		}
		if err != nil && strings.Contains(err.Error(), "s3c") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}
