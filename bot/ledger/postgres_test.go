package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
	"recallbot/recall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/lock"
)

// woken waits for a wake.
func woken(t *testing.T, wakes <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case <-wakes:
	case <-ctx.Done():
		t.Fatal("no wake came")
	}
}

// TestReplicas: several ledgers on one database are one ledger.
func TestReplicas(t *testing.T) {
	u := ledgertest.Postgres(t)
	var ls [3]*ledger.Ledger
	var wg sync.WaitGroup
	for i := range ls {
		wg.Go(func() { // they migrate at once
			var err error
			if ls[i], err = ledger.Open(t.Context(), u, ledger.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, l := range ls {
		closing(t, l)
	}

	t.Run("a wake reaches all", func(t *testing.T) {
		for _, from := range ls {
			var wakes []<-chan struct{}
			for _, l := range ls {
				w, cancel := l.Subscribe(bot.WakeRunner)
				defer cancel()
				wakes = append(wakes, w)
			}
			do(t, from, func(tx bot.Tx) error {
				tx.Wake(bot.WakeTeller, bot.WakeRunner)
				return nil
			})
			for _, w := range wakes {
				woken(t, w)
			}
		}
	})
	t.Run("no change is lost", func(t *testing.T) {
		do(t, ls[0], func(tx bot.Tx) error {
			return tx.AddRequest(bot.Request{ID: "R", State: bot.Preparing, By: bot.Actor{Person: "mina"}})
		})
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				err := ls[i%len(ls)].Tx(t.Context(), func(tx bot.Tx) error {
					r, err := tx.Request("R")
					if err != nil {
						return err
					}
					r.Needed++
					if _, err := tx.Append(bot.Entry{Actor: "bot", What: "counted"}); err != nil {
						return err
					}
					return tx.PutRequest(r)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		err := ls[1].View(t.Context(), func(tx bot.Tx) error {
			r, err := tx.Request("R")
			if err == nil && r.Needed != 30 {
				t.Errorf("%d of 30 changes are there", r.Needed)
			}
			n, _, headErr := tx.Head()
			if n != 30 {
				t.Errorf("%d of 30 entries are there", n)
			}
			return errors.Join(err, headErr)
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a takeover fences the other replica", func(t *testing.T) {
		a, err := ls[0].Acquire(t.Context(), "app", "a", -time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ls[1].Acquire(t.Context(), "app", "b", time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := ls[0].Tx(t.Context(), func(tx bot.Tx) error { return tx.Fence(a) }); !errors.Is(err, bot.ErrFenced) {
			t.Errorf("got error %v, want %v", err, bot.ErrFenced)
		}
		if _, err := ls[2].Acquire(t.Context(), "app", "c", time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Errorf("got error %v, want %v", err, bot.ErrHeld)
		}
	})
}

// guardWriter makes a migrated database refuse every change of a row by a transaction that has not
// locked the writer's row. A lock of a row is in its xmax.
func guardWriter(t *testing.T, u string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `
		CREATE FUNCTION has_writer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NOT EXISTS (SELECT 1 FROM counter WHERE name = 'writer' AND xmax = pg_current_xact_id()::xid) THEN
				RAISE EXCEPTION '% of % without the writer''s row', TG_OP, TG_TABLE_NAME;
			END IF;
			RETURN COALESCE(NEW, OLD);
		END $$;
		DO $$ DECLARE name text; BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
				EXECUTE format('CREATE TRIGGER has_writer BEFORE INSERT OR UPDATE OR DELETE ON %I '
					'FOR EACH ROW EXECUTE FUNCTION has_writer()', name);
			END LOOP;
		END $$`)
	if err != nil {
		t.Fatal(err)
	}
}

// TestWritersRow: two replicas never write at the same time. A write that goes without the row is
// refused by the databases in which TestPostgres and this test write.
func TestWritersRow(t *testing.T) {
	u := ledgertest.Postgres(t)
	a, b := open(t, u), open(t, u)
	closing(t, a)
	closing(t, b)
	guardWriter(t, u)
	watch, err := pgx.Connect(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close(t.Context())
	if _, err := watch.Exec(t.Context(), `INSERT INTO note (key, value) VALUES ('planted', '""')`); err == nil {
		t.Fatal("a write without the writer's row was not found")
	}
	var order []string
	inside, other := make(chan struct{}), make(chan error, 1)
	go func() {
		<-inside
		other <- b.Tx(t.Context(), func(tx bot.Tx) error {
			order = append(order, "b")
			return tx.PutSetting("b", "x")
		})
	}()
	do(t, a, func(tx bot.Tx) error {
		close(inside)
		for waiting := false; !waiting; { // b stands before the row
			select {
			case err := <-other:
				return fmt.Errorf("both wrote at once: %v", err)
			default:
			}
			err := watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
			if err != nil {
				return err
			}
		}
		order = append(order, "a")
		return tx.PutSetting("a", "x")
	})
	if err := <-other; err != nil || !slices.Equal(order, []string{"a", "b"}) {
		t.Errorf("they wrote in the order %v: %v", order, err)
	}
	// nor do reads of one hold the row, on which the other would wait
	err = a.View(t.Context(), func(bot.Tx) error {
		return b.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("b", "y") })
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMigrateInTurn: replicas that start at once wait for each other before they look at the
// schema, and no longer than it takes.
func TestMigrateInTurn(t *testing.T) {
	u := ledgertest.Postgres(t)
	db, err := sql.Open("pgx", u)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	migrating, err := db.Conn(t.Context()) // another replica
	if err != nil {
		t.Fatal(err)
	}
	defer migrating.Close()
	if _, err := migrating.ExecContext(t.Context(), "SELECT pg_advisory_lock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	const replicas = 6
	var wg sync.WaitGroup
	for range replicas {
		wg.Go(func() {
			l, err := ledger.Open(t.Context(), u, ledger.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	const waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	n := 0
	for end := time.Now().Add(20 * time.Second); n < replicas &&
		time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err := db.QueryRow(waiting).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	var there bool
	if err := db.QueryRow("SELECT to_regclass('request') IS NOT NULL").Scan(&there); err != nil || there ||
		n < replicas {
		t.Errorf("%d of %d replicas wait; the tables are there already: %v, %v", n, replicas, there, err)
	}
	began := time.Now()
	if _, err := migrating.ExecContext(t.Context(), "SELECT pg_advisory_unlock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	// replicas that look again from time to time, not a busy machine
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("%d replicas were up after %v", replicas, took)
	}
}

// TestConnectionLost: a lost connection is an ordinary error, commits nothing, and is mended by the
// next use; the listener comes back and wakes everybody.
func TestConnectionLost(t *testing.T) {
	u := ledgertest.Postgres(t)
	l := closing(t, open(t, u))
	db, err := sql.Open("pgx", u)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wakes, cancel := l.Subscribe(bot.WakeRunner)
	defer cancel()

	err = l.Tx(t.Context(), func(tx bot.Tx) error {
		if err := tx.PutSetting("k", "lost"); err != nil {
			return err
		}
		if _,
			err := db.Exec(
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			return err
		}
		return tx.PutSetting("k", "lost too")
	})
	if err == nil || errors.Is(err, bot.ErrRule) {
		t.Fatalf("got error %v", err)
	}
	woken(t, wakes)
	do(t, l, func(tx bot.Tx) error {
		if v, err := tx.Setting("k"); v != "" || err != nil {
			t.Errorf("note %q, %v", v, err)
		}
		return tx.PutSetting("k", "mended")
	})
	if got := note(t, l, "k"); got != "mended" {
		t.Errorf("note %q", got)
	}
}

// TestTriedAgain: where the database gives a transaction up to let another go on, it is run again.
func TestTriedAgain(t *testing.T) {
	l := closing(t, open(t, ledgertest.Postgres(t)))
	runs := 0
	do(t, l, func(tx bot.Tx) error {
		runs++
		if err := tx.PutSetting("k", "v"); err != nil || runs > 2 {
			return err
		}
		return &pgconn.PgError{Code: "40001"}
	})
	if got := note(t, l, "k"); runs != 3 || got != "v" {
		t.Errorf("%d runs, note %q", runs, got)
	}
}

// TestPooler: nothing needs a prepared statement to outlive its transaction, so that a pooler may
// stand between.
func TestPooler(t *testing.T) {
	u := ledgertest.Postgres(t)
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
		l := closing(t, open(t, u+"&default_query_exec_mode="+mode))
		id := bot.RequestID("R-" + mode)
		do(t, l, func(tx bot.Tx) error {
			r := bot.Request{ID: id, State: bot.Preparing, By: bot.Actor{Person: "mina"}}
			if err := tx.AddRequest(r); err != nil {
				return err
			}
			if err := tx.AddMessages(id, []bot.Message{{Seq: 1, Status: bot.SealNormal,
				Evidence: "it's \\ \x00"}}); err != nil {
				return err
			}
			r.State, r.Digest, r.Approvals = bot.Proposed, "d",
				[]bot.Approval{{By: bot.Actor{Person: "theo"}, Digest: "d"}}
			if err := tx.PutRequest(r); err != nil {
				return err
			}
			if err := tx.Grant(id, "d"); err != nil {
				return err
			}
			return tx.AddBatches(id, []bot.Batch{{State: bot.BatchPending, Seqs: []recall.Seq{1}}})
		})
		err := l.View(t.Context(), func(tx bot.Tx) error {
			batches, err := tx.Batches(id, 9, bot.BatchPending)
			if len(batches) != 1 || len(batches[0].Seqs) != 1 {
				t.Errorf("%s: batches %v", mode, batches)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// TestNoBackup: PostgreSQL has its own tools.
func TestNoBackup(t *testing.T) {
	l := closing(t, open(t, ledgertest.Postgres(t)))
	if err := l.Backup(t.Context(), t.TempDir()+"/copy"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got error %v, want %v", err, errors.ErrUnsupported)
	}
}

// TestServerDefault: what waited for its turn sees what the one before it wrote, also where the
// server's default is to show each transaction what was there when it began.
func TestServerDefault(t *testing.T) {
	url := ledgertest.Postgres(t)
	direct, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(t.Context())
	database := direct.Config().Database
	for _, level := range []string{"repeatable read", "serializable"} {
		if _, err := direct.Exec(t.Context(), "ALTER DATABASE "+pgx.Identifier{database}.Sanitize()+
			" SET default_transaction_isolation = '"+level+"'"); err != nil {
			t.Fatal(err)
		}
		first, second := closing(t, open(t, url)), closing(t, open(t, url))
		do(t, first, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
		read := make(chan string, 1)
		do(t, first, func(tx bot.Tx) error {
			go func() {
				var v string
				err := second.Tx(t.Context(), func(tx bot.Tx) (err error) {
					v, err = tx.Setting("k")
					return err
				})
				if err != nil {
					v = err.Error()
				}
				read <- v
			}()
			for waits := false; !waits; {
				if err := direct.QueryRow(t.Context(),
					"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock')",
					database).Scan(&waits); err != nil {
					return err
				}
			}
			return tx.PutSetting("k", "after")
		})
		if got := <-read; got != "after" {
			t.Errorf("%s: read %q", level, got)
		}
	}
}
