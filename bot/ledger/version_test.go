package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"

	"github.com/jackc/pgx/v5"
)

// newer is what a migration to a version that no program here knows leaves.
const newer = `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`

// isOver checks that a ledger takes nothing more because its schema is newer.
func isOver(t *testing.T, name string, err error) {
	t.Helper()
	if !errors.Is(err, bot.ErrEnded) || !errors.Is(err, ledger.ErrVersion) || !errors.Is(err, ledger.ErrNewer) ||
		!strings.Contains(err.Error(), "it is 999") {
		t.Errorf("%s: got error %v, want %v", name, err, ledger.ErrNewer)
	}
}

// TestVersionOfStart: an older program that starts on a newer schema says so, and writes nothing.
func TestVersionOfStart(t *testing.T) {
	databases(t, func(t *testing.T, l *ledger.Ledger, databaseURL string, db *sql.DB) {
		if _, err := db.Exec(newer); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(databaseURL, "sqlite") {
			file := strings.TrimPrefix(databaseURL, "sqlite:")
			databaseURL = "sqlite:" + t.TempDir() + "/copy.db" // the other is served
			if _, err := db.Exec("VACUUM INTO $1", strings.TrimPrefix(databaseURL, "sqlite:")); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		for _, readOnly := range []bool{false, true} {
			l, err := ledger.Open(t.Context(), databaseURL, ledger.Options{ReadOnly: readOnly})
			if !errors.Is(err, ledger.ErrNewer) || !strings.Contains(err.Error(), "it is 999") ||
				!strings.Contains(err.Error(), "newer version of the program") {
				t.Errorf("got %v and error %v, want %v", l, err, ledger.ErrNewer)
			}
		}
	})
}

// TestVersionWhileServed: once the schema has become that of another version, nothing more is
// written or read: not by who serves it, by no call, nor by the command line beside it. That stays
// so whatever becomes of the schema then. A lease alone can still be given up, so that the next
// process need not wait for its end.
func TestVersionWhileServed(t *testing.T) {
	databases(t, func(t *testing.T, l *ledger.Ledger, databaseURL string, db *sql.DB) {
		reader, err := ledger.Open(t.Context(), databaseURL, ledger.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, reader)
		lease, err := l.Acquire(t.Context(), "app", "old", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
		if got := note(t, reader, "k"); got != "before" || l.Alive().Err() != nil {
			t.Fatalf("note %q, %v", got, l.Alive().Err())
		}
		if _, err := db.Exec(newer); err != nil {
			t.Fatal(err)
		}
		over := func() {
			t.Helper()
			isOver(t, "Tx", l.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "after") }))
			isOver(t, "View", l.View(t.Context(), func(bot.Tx) error { return nil }))
			_, err := l.Acquire(t.Context(), "app", "old", time.Hour)
			isOver(t, "Acquire", err)
			isOver(t, "Alive", context.Cause(l.Alive()))
			isOver(t, "Renew", l.Renew(t.Context(), lease, time.Hour))
			isOver(t, "a reader's View", reader.View(t.Context(), func(bot.Tx) error { return nil }))
		}
		over()
		if err := l.Release(t.Context(), lease); err != nil {
			t.Errorf("a lease cannot be given up: %v", err)
		}
		if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = 999`); err != nil {
			t.Fatal(err)
		}
		over()
		var value string
		var till, epoch int64
		err = errors.Join(db.QueryRow(`SELECT value FROM note WHERE key = 'k'`).Scan(&value),
			db.QueryRow(`SELECT till, epoch FROM lease WHERE name = 'app'`).Scan(&till, &epoch))
		if err != nil || value != `"before"` || till != 0 || epoch <= lease.Epoch {
			t.Errorf("the note says %s, the lease has till %d, epoch %d after %d; %v", value, till, epoch, lease.Epoch,
				err)
		}
	})
}

// waiting waits until a connection to the database waits for a lock.
func waiting(t *testing.T, db *sql.DB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var waits bool
		err := db.QueryRow(
			"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&waits)
		if err != nil || time.Now().After(end) {
			t.Fatalf("nobody waits: %v", err)
		}
		if waits {
			return
		}
	}
}

// firstOfMigration is what a migration begins with; TestMigrationsInTurn, in migration_test.go,
// holds them to it.
const firstOfMigration = `UPDATE counter SET n = n WHERE name = 'writer'`

// TestVersionInTurn: a replica whose transaction waits while another one migrates writes nothing;
// and a migration waits for the transaction that runs.
func TestVersionInTurn(t *testing.T) {
	t.Run("the migration comes first", func(t *testing.T) {
		u := ledgertest.Postgres(t)
		l, other := closing(t, open(t, u)), closing(t, open(t, u))
		db, err := sql.Open("pgx", u)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		migration, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer migration.Rollback() // does nothing once committed
		if _, err := migration.Exec(firstOfMigration); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() {
			written <- l.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "after") })
		}()
		waiting(t, db)
		if _, err := migration.Exec(newer); err != nil {
			t.Fatal(err)
		}
		if err := migration.Commit(); err != nil {
			t.Fatal(err)
		}
		isOver(t, "who waited", <-written)
		isOver(t, "the other", other.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "after") }))
		var n int
		if err := db.QueryRow(`SELECT COUNT(*) FROM note WHERE key = 'k'`).Scan(&n); err != nil || n > 0 {
			t.Errorf("it was written after the migration: %d, %v", n, err)
		}
		// What no transaction of this process may leave behind is one of which it is not known what
		// became of it.
		if err := l.Release(t.Context(), bot.Lease{Name: "app"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("the transaction comes first", func(t *testing.T) {
		u := ledgertest.Postgres(t)
		l := closing(t, open(t, u))
		db, err := sql.Open("pgx", u)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		migrated := make(chan error, 1)
		do(t, l, func(tx bot.Tx) error {
			go func() {
				conn, err := pgx.Connect(t.Context(), u)
				if err == nil {
					defer conn.Close(t.Context())
					_, err = conn.Exec(t.Context(), "BEGIN; "+firstOfMigration+"; "+newer+"; COMMIT")
				}
				migrated <- err
			}()
			waiting(t, db)
			return tx.PutSetting("k", "before")
		})
		if err := <-migrated; err != nil {
			t.Fatal(err)
		}
		isOver(t, "the next", l.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "after") }))
		var value string
		if err := db.QueryRow(`SELECT value FROM note WHERE key = 'k'`).Scan(&value); err != nil ||
			value != `"before"` {
			t.Errorf("the note says %s, %v", value, err)
		}
	})
}
