// Package ledger is the bot's durable memory in SQL: bot.Ledger on SQLite, which is the default,
// and on PostgreSQL, for several replicas. Both have one schema (migrations) and the same queries;
// what differs stands in sqlite.go and postgres.go.
//
// Transactions that write run one after the other. With SQLite one connection writes; with
// PostgreSQL a transaction first locks one row, the writer's, so that replicas wait for each other.
// A bot writes little: a commit takes less than a millisecond on a good disk, and nothing would be
// gained by two decisions that race. Transactions that only read have their own connections and
// wait for nobody.
//
// The schema repeats the two-person rule (migrations/00001_ledger.sql): whatever the code does, the
// tables accept no batch of messages without a grant, no grant without an approval, and no approval
// by the person who asked.
package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/bot"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Ledger is a bot.Ledger in an SQL database. It is made by Open.
type Ledger struct {
	write *sql.DB // one connection; nil when opened for reading only
	read  *sql.DB
	// what was compiled for each; nil where the driver sees to that
	written, looked *statements
	store           store
	hub             hub
	log             *slog.Logger

	version int64 // of the schema that this program knows
	// alive ends when the ledger accepts nothing more from this process; end ends it.
	alive context.Context
	end   context.CancelCauseFunc

	unmarked atomic.Bool // what was committed last could not be noted outside the database

	stored struct {
		sync.Mutex
		rows, next int // since the database took note of them; when it does so again
	}
}

var _ bot.Ledger = (*Ledger)(nil)

// Options configure Open. The zero value is valid.
type Options struct {
	// Log receives errors that no call can return: a lost listening connection, and errors after a
	// commit. Nil means slog.Default().
	Log *slog.Logger
	// ReadOnly opens the ledger beside a process that serves it, as the command line does: no lock
	// is taken, nothing is migrated, and only View, Backup and Close work.
	ReadOnly bool
	// Clock is the clock of an SQLite ledger; nil: the system's. PostgreSQL has its own.
	Clock func() time.Time
}

// Errors of Open.
var (
	// ErrInUse: another process, or another Ledger of this one, serves the same SQLite file.
	ErrInUse = errors.New("the ledger is in use")
	// ErrVersion: the schema has another version than this program knows. ErrNewer, which is an
	// ErrVersion: it has a newer one.
	ErrVersion = errors.New("the ledger's schema is of another version")
	ErrNewer   = fmt.Errorf("%w, a newer one", ErrVersion)
	// ErrLink: a hard link or a symbolic link, by which two processes could serve one SQLite file.
	ErrLink = errors.New("the ledger's file would have two names")
	// ErrReplaced: the SQLite file or its lock file was removed, renamed or replaced while the file
	// was served.
	ErrReplaced = errors.New("the ledger's file was taken away")
	// ErrURL: the database URL cannot be read. The URL is not repeated, since it may hold a
	// password.
	ErrURL = errors.New("the database URL cannot be read")
	// ErrReadOnly: the ledger was opened for reading only.
	ErrReadOnly = errors.New("the ledger is open for reading only")
)

// store is the part of a ledger that differs between the databases.
type store interface {
	// begin makes a writing transaction the only one, and sets its time and the version of the
	// schema.
	begin(t *tx) error
	// look sets both for a reading transaction.
	look(t *tx) error
	// snapshot returns the options with which a reading transaction begins.
	snapshot() *sql.TxOptions
	// limit bounds how long one transaction may take.
	limit(ctx context.Context) (context.Context, context.CancelFunc)
	// wake passes topics on to other processes once tx is committed.
	wake(ctx context.Context, tx *sql.Tx, topics []bot.Topic) error
	// wrote gives a writing transaction its number, before the commit. committed is called with the
	// number after the commit. Where the version of the schema may have changed since begin, wrote
	// reads it once more.
	wrote(t *tx) (int64, error)
	committed(n int64) error
	// unsure returns a function that finds out whether the transaction of that number was
	// committed, where err of its commit leaves that open; else nil.
	unsure(n int64, err error) func(ctx context.Context) (bool, error)
	// gather makes the database update its statistics.
	gather(ctx context.Context, db *sql.DB) error
	// forget makes deleted text disappear from the disk soon, as far as the database can. Nobody
	// waits for it.
	forget()
	// again reports whether the database gave up a transaction that may succeed when it is run once
	// more.
	again(err error) bool
	// rule reports whether err is a constraint of the schema that was broken.
	rule(err error) bool
	// renewals returns where the ends of leases are kept in memory; nil where other processes must
	// read them, so that they are stored.
	renewals() *renewals
	// backup writes a consistent copy of the database to a file.
	backup(ctx context.Context, file string) error
	// check returns what is wrong with the database that its operator can mend.
	check() []bot.Finding
	// leave is called before the connections are closed.
	leave(write *sql.DB) error
	// close releases what the store holds beside its connections.
	close() error
}

// Open opens the ledger at the URL, sqlite:PATH or postgres://.... It creates the schema where
// there is none, and migrates an older one.
//
// sqlite::memory: is an empty ledger that ends with Close. It is a file in a temporary directory,
// so that it behaves like every other, except that nothing waits for the disk.
//
// Serving an SQLite file takes an exclusive lock on PATH.lock and on the file itself. Where one of
// them is taken, under any name, the error is ErrInUse. By the content of PATH.lock Open recognizes
// an older copy of the file, however it was made, but not a copy of the whole disk. A copy that is
// served for the first time gets bot.NoteCopy.
func Open(ctx context.Context, databaseURL string, opts Options) (*Ledger, error) {
	l := &Ledger{log: opts.Log}
	l.alive, l.end = context.WithCancelCause(context.Background())
	if l.log == nil {
		l.log = slog.Default()
	}
	var err error
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	switch {
	case scheme == "sqlite" && rest != "":
		err = l.openSQLite(ctx, rest, opts)
	case scheme == "postgres" || scheme == "postgresql":
		err = l.openPostgres(ctx, databaseURL, opts.ReadOnly)
	default:
		err = fmt.Errorf("%w: it begins with sqlite: and a path, or with postgres://", ErrURL)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), l.Close())
	}
	return l, nil
}

// migrate brings the schema up to date, or only checks that it is.
func (l *Ledger) migrate(ctx context.Context, dialect goose.Dialect, opts ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err // unreachable: the folder is embedded
	}
	db := l.write
	if db == nil {
		db = l.read
	}
	p, err := goose.NewProvider(dialect, db, files, append(opts, goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(fills(), parts(dialect)))...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := p.ListSources()
	l.version = sources[len(sources)-1].Version
	if l.write != nil {
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	if l.write == nil {
		if empty, err := isEmpty(ctx, dialect, db); err != nil || empty {
			return cmp.Or(err, errEmpty)
		}
	}
	var theirs int64
	if err := db.QueryRowContext(ctx, "SELECT "+schemaVersion).Scan(&theirs); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	return sameVersion(theirs, l.version)
}

// errEmpty: the database has no tables yet.
var errEmpty = errors.New("the ledger has no tables yet: they are made when it is first served")

// isEmpty reports whether a database has no schema of any version.
func isEmpty(ctx context.Context, dialect goose.Dialect, db *sql.DB) (empty bool, err error) {
	query := "SELECT COUNT(*) = 0 FROM sqlite_master WHERE name = $1"
	if dialect == goose.DialectPostgres {
		query = "SELECT to_regclass($1) IS NULL"
	}
	if err := db.QueryRowContext(ctx, query, goose.DefaultTablename).Scan(&empty); err != nil {
		return false, fmt.Errorf("read schema version: %w", err)
	}
	return empty, nil
}

// Schema returns the version of the schema that this program reads and writes.
func Schema() int64 {
	var newest int64
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // unreachable: the pattern is well formed
	}
	for _, name := range names {
		if n, err := goose.NumericComponent(name); err == nil {
			newest = max(newest, n)
		}
	}
	return max(newest, parting)
}

// schemaVersion is the expression for the schema's version. A migration begins with a change of the
// writer's row (counter), so that no transaction which began under the version before is committed
// after it.
const schemaVersion = "(SELECT COALESCE(MAX(version_id), 0) FROM " + goose.DefaultTablename + " WHERE is_applied)"

func sameVersion(theirs, ours int64) error {
	switch {
	case theirs > ours:
		return fmt.Errorf("%w: it is %d, this program knows %d; a newer version of the program serves it, use that one",
			ErrNewer, theirs, ours)
	case theirs < ours:
		return fmt.Errorf(
			"%w: it is %d, this program knows %d and brings it up to date when it serves it; until then use the version that serves it", ErrVersion, theirs, ours)
	}
	return nil
}

// Alive returns a context that ends when the ledger takes nothing more from this process, because
// its schema was brought to another version or its file was taken away. Its cause, which wraps
// bot.ErrEnded, says why. Whoever serves the ledger then ends in order.
func (l *Ledger) Alive() context.Context { return l.alive }

// ended makes an error of begin, look or wrote final for this ledger, where it is of a kind that
// stays.
func (l *Ledger) ended(err error) error {
	if !errors.Is(err, ErrVersion) && !errors.Is(err, ErrReplaced) {
		return err
	}
	l.end(fmt.Errorf("%w: %w", bot.ErrEnded, err))
	return context.Cause(l.alive)
}

// Check returns what is wrong with the database that its operator can mend: who else may read it,
// or that it has a second name.
func (l *Ledger) Check() []bot.Finding { return l.store.check() }

// Shared reports whether other processes may serve the same store: PostgreSQL is shared, an SQLite
// file is not.
func (l *Ledger) Shared() bool { return l.store.renewals() == nil }

// Tx runs fn in a transaction; see bot.Ledger. Where the database gives a transaction up, Tx runs
// fn again, at most ten times.
func (l *Ledger) Tx(ctx context.Context, fn func(tx bot.Tx) error) error {
	return l.tx(ctx, func(t *tx) error { return fn(t) })
}

func (l *Ledger) tx(ctx context.Context, fn func(t *tx) error) error { return l.run(ctx, false, fn) }

// run runs fn in a transaction. With leaving set, the schema may have any version.
func (l *Ledger) run(ctx context.Context, leaving bool, fn func(t *tx) error) error {
	if l.write == nil {
		return ErrReadOnly
	}
	ctx, cancel := l.store.limit(ctx)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := l.once(ctx, leaving, fn)
		if err == nil || attempt == 10 || !l.store.again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(time.Duration(attempt) * 10 * time.Millisecond)):
		}
	}
}

func (l *Ledger) once(ctx context.Context, leaving bool, fn func(t *tx) error) error {
	ours := l.version
	if leaving {
		ours = 0
	} else if err := context.Cause(l.alive); err != nil {
		return err
	}
	s, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin ledger transaction: %w", err)
	}
	t := &tx{ctx: ctx, sql: s, kept: l.written, rule: l.store.rule, ours: ours}
	defer func() { l.written.keep(ctx, t.wanted) }()
	defer s.Rollback() // does nothing once committed
	if err := l.store.begin(t); err != nil {
		return fmt.Errorf("begin ledger transaction: %w", l.ended(err))
	}
	if err := t.current(); err != nil {
		return l.ended(err)
	}
	if err := fn(t); err != nil {
		return err
	}
	if t.fault != nil {
		return t.fault // fn has overlooked it
	}
	if err := l.store.wake(ctx, s, t.woken); err != nil {
		return fmt.Errorf("wake: %w", err)
	}
	n := int64(0)
	if t.wrote {
		if n, err = l.store.wrote(t); err != nil {
			return l.ended(err)
		}
	}
	if err := s.Commit(); err != nil {
		err = fmt.Errorf("commit ledger transaction: %w", err)
		if !t.wrote {
			return err
		}
		written := l.store.unsure(n, err)
		if written == nil {
			return err
		}
		switch known, silent := written(ctx); {
		case silent != nil:
			return &bot.Unsure{Err: err, Written: written}
		case !known:
			return err
		}
	}
	l.hub.wake(t.woken...)
	if t.wrote {
		if err := l.store.committed(n); err == nil {
			l.unmarked.Store(false)
		} else if !l.unmarked.Swap(true) {
			l.log.Warn(
				"a copy of the ledger cannot be recognized until its lock file can be written again: look at the disk, and at who may write to it", "err", err)
		}
	}
	if err := l.gather(ctx, t.grown); err != nil {
		l.log.Warn("the database does not know yet how much it holds; it may be slow for a minute", "err", err)
	}
	if t.forgot {
		l.store.forget()
	}
	return nil
}

// The database updates its statistics after this many rows of a flood: at first, and at most.
const gatherFirst, gatherMost = 1000, 50_000

// gather counts stored rows, and makes the database update its statistics when there are about as
// many new ones as before.
func (l *Ledger) gather(ctx context.Context, rows int) error {
	l.stored.Lock()
	l.stored.rows += rows
	due := rows > 0 && l.stored.rows >= max(l.stored.next, gatherFirst)
	if due {
		l.stored.rows, l.stored.next = 0, min(2*max(l.stored.next, gatherFirst), gatherMost)
	}
	l.stored.Unlock()
	if !due {
		return nil
	}
	return l.store.gather(ctx, l.read)
}

// View runs fn on one consistent state; see bot.Ledger.
func (l *Ledger) View(ctx context.Context, fn func(tx bot.Tx) error) error {
	if err := context.Cause(l.alive); err != nil {
		return err
	}
	ctx, cancel := l.store.limit(ctx)
	defer cancel()
	s, err := l.read.BeginTx(ctx, l.store.snapshot())
	if err != nil {
		return fmt.Errorf("begin to read the ledger: %w", err)
	}
	t := &tx{ctx: ctx, sql: s, kept: l.looked, rule: l.store.rule, ours: l.version}
	defer func() { l.looked.keep(ctx, t.wanted) }()
	defer s.Rollback() // there is nothing to keep
	if err := l.store.look(t); err != nil {
		return fmt.Errorf("begin to read the ledger: %w", l.ended(err))
	}
	if err := t.current(); err != nil {
		return l.ended(err)
	}
	if err := fn(t); err != nil {
		return err
	}
	return t.fault
}

// Subscribe returns a channel of wakes; see bot.Ledger.
func (l *Ledger) Subscribe(topics ...bot.Topic) (wakes <-chan struct{}, cancel func()) {
	return l.hub.subscribe(topics)
}

// Backup writes a consistent copy of the ledger to a new file while it is served. The copy is on
// disk, complete, when Backup returns nil; before, the file is not there. A file that exists is
// refused with fs.ErrExist. PostgreSQL has its own tools, and is refused with
// errors.ErrUnsupported.
func (l *Ledger) Backup(ctx context.Context, file string) error {
	if err := l.store.backup(ctx, file); err != nil {
		return fmt.Errorf("back up ledger: %w", err)
	}
	return nil
}

// Close closes the database and gives up the lock.
func (l *Ledger) Close() error {
	var errs []error
	if l.store != nil {
		errs = append(errs, l.store.leave(l.write))
	}
	for _, db := range []*sql.DB{l.read, l.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if l.store != nil {
		errs = append(errs, l.store.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}
