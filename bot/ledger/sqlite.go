package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"recallbot/bot"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteStore is one SQLite file.
type sqliteStore struct {
	path      string
	clock     func() time.Time
	claim     *claim // nil when only read
	temporary string // the directory to remove at the end
	renewed   renewals
	marker    *marker
	forgot    chan struct{}      // of one: text was deleted that the write-ahead log may still have
	stop      context.CancelFunc // of emptying it
	stopped   chan struct{}
}

// openSQLite opens the file: in write-ahead mode, so that readers wait for nobody; with a flush to
// the disk at every commit, foreign keys checked, and deleted text overwritten.
func (l *Ledger) openSQLite(ctx context.Context, path string, opts Options) error {
	s := &sqliteStore{path: path, clock: opts.Clock}
	if s.clock == nil {
		s.clock = time.Now
	}
	l.store = s
	synchronous := "synchronous(FULL)"
	if path == ":memory:" {
		dir, err := os.MkdirTemp("", "recallbot")
		if err != nil {
			return fmt.Errorf("make temporary ledger: %w", err)
		}
		s.temporary, s.path, synchronous = dir, filepath.Join(dir, "ledger.db"), "synchronous(OFF)"
	}
	reading := []string{"query_only(1)", "busy_timeout(5000)"}
	if opts.ReadOnly {
		if err := beside(s.path); err != nil {
			return err
		}
		l.read = sql.OpenDB(connector(s.path, "ro", reading...))
		l.read.SetMaxOpenConns(2)
		return l.migrate(ctx, goose.DialectSQLite3)
	}
	var err error
	if s.claim, err = newClaim(s.path, l.log); err != nil {
		return err
	}
	s.path = s.claim.path
	l.write = sql.OpenDB(connector(s.path, "rw", "busy_timeout(5000)", "journal_mode(WAL)", synchronous, "fullfsync(1)",
		"foreign_keys(1)", "secure_delete(1)", "journal_size_limit(67108864)"))
	l.write.SetMaxOpenConns(1)
	// makes the write-ahead log
	var version string
	err = l.write.QueryRowContext(ctx, "SELECT sqlite_version() FROM (SELECT COUNT(*) FROM sqlite_master)").Scan(&version)
	if err != nil {
		return err
	}
	if err := sound(version); err != nil {
		return err
	}
	if err := s.claim.still(); err != nil { // what SQLite opened is what was claimed
		return err
	}
	for _, f := range look(s.path) {
		l.log.Warn(f.What, "mend", f.Mend)
	}
	if err := l.migrate(ctx, goose.DialectSQLite3); err != nil {
		return err
	}
	if err := s.recognize(ctx, l.write); err != nil {
		return fmt.Errorf("recognize a copy of the file: %w", err)
	}
	// The lock of the file proves that the process that held a lease is dead. The holder stays
	// stored, so that the next one still keeps clear of its calls.
	if _, err := l.write.ExecContext(ctx, "UPDATE lease SET till = 0"); err != nil {
		return fmt.Errorf("end the leases of a process before: %w", err)
	}
	l.read = sql.OpenDB(connector(s.path, "ro", reading...))
	l.read.SetMaxOpenConns(4)
	l.read.SetMaxIdleConns(4)
	l.written, l.looked = keepStatements(l.write), keepStatements(l.read)
	var emptying context.Context
	emptying, s.stop = context.WithCancel(context.Background())
	s.forgot, s.stopped = make(chan struct{}, 1), make(chan struct{})
	s.forget() // what the process before did not come to: it was killed, or ended beside a reader
	go func() {
		defer close(s.stopped)
		s.emptyForever(emptying, l.write, l.log)
	}()
	return nil
}

// sound returns an error for a version of SQLite that can corrupt a file when it resets the
// write-ahead log beside another connection. Source: sqlite.org/wal.html, "The WAL-Reset Bug".
func sound(version string) error {
	var is [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &is[0], &is[1], &is[2]); err != nil {
		return fmt.Errorf("read the version of SQLite %q: %w", version, err)
	}
	if slices.Compare(is[:], []int{3, 51, 3}) < 0 {
		return fmt.Errorf("SQLite %s can corrupt the file: build with modernc.org/sqlite that has 3.51.3 or newer", version)
	}
	return nil
}

// recognize stores that the file is an older copy of a ledger, so that the bot knows that more may
// have been done than the file says.
func (s *sqliteStore) recognize(ctx context.Context, db *sql.DB) (err error) {
	if s.marker, err = newMarker(s.claim.lock); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing once committed
	put := func(key, value string) error {
		text, err := encode(value)
		if err != nil {
			return err // unreachable: strings always marshal
		}
		_,
			err = tx.ExecContext(ctx,
			`INSERT INTO note (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key,
			text)
		return err
	}
	var n int64
	var text sql.NullString
	err = tx.QueryRowContext(ctx,
		`SELECT n, (SELECT value FROM note WHERE key = $1) FROM counter WHERE name = 'writer'`, noteBeside).Scan(&n,
		&text)
	if err != nil {
		return err
	}
	beside := ""
	if text.Valid {
		if err := decode(text.String, &beside); err != nil {
			return err
		}
	}
	if !s.marker.belongs(n, beside) {
		if err := put(bot.SettingCopy, s.now().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	if beside != s.marker.born {
		if err := put(noteBeside, s.marker.born); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := s.marker.put(n); err != nil {
		return err
	}
	return s.marker.flush() // before the first transaction that counts
}

// wrote counts a writing transaction before its commit.
func (s *sqliteStore) wrote(t *tx) (int64, error) {
	var n int64
	err := t.get("count transaction", `UPDATE counter SET n = n + 1 WHERE name = 'writer' RETURNING n`, nil, &n)
	return n, err
}

// committed writes to the lock file how many transactions have written.
func (s *sqliteStore) committed(n int64) error { return s.marker.put(n) }

// connector opens connections to the file. The name of the file carries the pragmas, since a pragma
// holds for one connection and a pool makes new ones.
func connector(path, mode string, pragmas ...string) driver.Connector {
	q := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": pragmas}
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		panic(fmt.Sprintf("ledger: sqlite connector: %v", err)) // unreachable: the name is made here
	}
	return c
}

// begin needs no lock beside SQLite's: no other transaction writes before this one ends.
func (s *sqliteStore) begin(t *tx) error { return s.look(t) }

// unsure: a transaction whose commit failed was not written.
func (s *sqliteStore) unsure(int64, error) func(context.Context) (bool, error) { return nil }

func (s *sqliteStore) look(t *tx) error {
	if s.claim != nil {
		if err := s.claim.still(); err != nil {
			return err
		}
	}
	t.now = s.now()
	return t.get("read schema version", `SELECT `+schemaVersion, nil, &t.schema)
}

func (s *sqliteStore) check() []bot.Finding { return look(s.path) }

func (s *sqliteStore) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

func (s *sqliteStore) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (s *sqliteStore) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

// wake does nothing: there is no other process.
func (s *sqliteStore) wake(context.Context, *sql.Tx, []bot.Topic) error { return nil }

// gather does nothing: SQLite uses its indexes whatever the tables hold.
func (s *sqliteStore) gather(context.Context, *sql.DB) error { return nil }

// forget has the write-ahead log emptied, which still holds pages with the deleted text.
func (s *sqliteStore) forget() {
	select {
	case s.forgot <- struct{}{}:
	default: // it is about to be
	}
}

// emptyForever empties the write-ahead log whenever text was deleted. While somebody reads the
// file, as an export or a backup does for minutes, it tries again every second.
func (s *sqliteStore) emptyForever(ctx context.Context, db *sql.DB, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.forgot:
		}
		for tries := 1; ; tries++ {
			err := empty(ctx, db)
			if err == nil {
				break
			}
			if tries == 60 {
				log.Warn("deleted text is still in the write-ahead log after a minute; it goes as soon as it can",
					"err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}
}

// empty empties the write-ahead log in its turn among the transactions, and fails while somebody
// reads the file. SQLite itself would wait for readers until the timeout of the connection, and
// every transaction would wait too.
func empty(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer func() {
		_, back := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 5000")
		err = errors.Join(err, back)
	}()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	var busy, pages, copied int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &copied); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("somebody reads the ledger's file: an export, a backup, or another program")
	}
	return nil
}

func (s *sqliteStore) again(error) bool { return false }

func (s *sqliteStore) rule(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// renewals are in memory, since only this process has the file. That saves the disk a write every
// two seconds, and no lease ends because the disk is full.
func (s *sqliteStore) renewals() *renewals { return &s.renewed }

// backup copies the ledger in one read transaction to a file beside the target, which gets its name
// when it is complete and on disk. The names of the files beside a ledger are refused as targets.
func (s *sqliteStore) backup(ctx context.Context, file string) (err error) {
	for _, suffix := range append([]string{".lock"}, besides...) {
		of, is := strings.CutSuffix(file, suffix)
		if _, err := os.Lstat(of); is && err == nil {
			return fmt.Errorf("%s is where a part of %s stands; give the copy another name", file, of)
		}
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s: %w", file, fs.ErrExist)
	}
	partial, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".partial-*")
	if err != nil {
		return err
	}
	defer func() {
		if closed := partial.Close(); err == nil {
			err = closed
		}
		if err != nil {
			os.Remove(partial.Name())
		}
	}()
	db := sql.OpenDB(connector(s.path, "ro", "busy_timeout(5000)"))
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO $1", partial.Name()); err != nil {
		return err
	}
	if err := partial.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), file); err != nil {
		return err
	}
	return flushFolder(filepath.Dir(file))
}

// leave keeps SQLite from removing the write-ahead log with the last connection where the file is
// no longer the one that was claimed: the log of that name may belong to another.
func (s *sqliteStore) leave(db *sql.DB) error {
	if s.claim == nil || db == nil || !errors.Is(s.claim.still(), ErrReplaced) {
		return nil
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		_, err := c.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	})
}

func (s *sqliteStore) close() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	var err error
	if s.claim != nil {
		err = s.claim.release()
	}
	if s.temporary != "" {
		err = errors.Join(err, os.RemoveAll(s.temporary))
	}
	return err
}
