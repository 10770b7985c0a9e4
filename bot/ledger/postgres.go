package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"recallbot/bot"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// channel is what replicas LISTEN on.
const channel = "recallbot_wake"

// patience is how long one transaction may take on PostgreSQL, including the time that it waits for
// others. Without it, a network that drops every packet would hold a loop for as long as TCP tries.
const patience = time.Minute

// A process numbers its transactions in a counter of its own, named ofProcess and a random part.
// The counter is kept for this long after the last transaction.
const (
	ofProcess   = "process/"
	keepProcess = 30 * 24 * time.Hour
)

// postgresStore is one PostgreSQL database, shared by replicas.
type postgresStore struct {
	read    *sql.DB
	stop    context.CancelFunc // of the listener
	stopped chan struct{}

	name    string // the counter in which this process numbers its transactions
	mu      sync.Mutex
	last    int64             // number given; microseconds since 1970, so that what is very old can be told
	commits map[int64]*commit // not answered, by number
}

func (l *Ledger) openPostgres(ctx context.Context, databaseURL string, readOnly bool) error {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return fmt.Errorf(
			"%w: want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with percent-encoded special characters in the password", ErrURL)
	}
	// Every query has its index. If a table is small when a connection first uses it, PostgreSQL
	// would still read all of it for each row whose foreign key is checked after a flood has made
	// it large: sealing 100,000 messages would take minutes.
	config.RuntimeParams["enable_seqscan"] = "off"
	// A query that has to read a whole table then seems so expensive that PostgreSQL compiles it
	// each time: 0.1 s at best, and 2 s on a busy machine, for reading three rows.
	config.RuntimeParams["jit"] = "off"
	// A transaction that waited for the writer's row must see what the one before it wrote,
	// whatever the server's default is: a snapshot would be taken before the wait.
	config.RuntimeParams["default_transaction_isolation"] = "read committed"
	s := &postgresStore{name: ofProcess + rand.Text(), commits: map[int64]*commit{}}
	l.store = s
	l.read = stdlib.OpenDB(*config)
	l.read.SetMaxOpenConns(4)
	l.read.SetMaxIdleConns(4)
	s.read = l.read
	if readOnly {
		return l.migrate(ctx, goose.DialectPostgres)
	}
	// Transactions that write run one after the other, so one connection is enough.
	l.write = stdlib.OpenDB(*config)
	l.write.SetMaxOpenConns(1)
	if err := l.migrate(ctx, goose.DialectPostgres, goose.WithSessionLocker(turns{})); err != nil {
		return err
	}
	long := time.Now().Add(-keepProcess).UnixMicro()
	if _, err := l.write.ExecContext(ctx, `WITH writer AS MATERIALIZED (
		SELECT 1 FROM counter WHERE name = 'writer' FOR UPDATE)
		DELETE FROM counter WHERE name LIKE $1 AND n < $2 AND EXISTS (SELECT 1 FROM writer)`, ofProcess+"%",
		long); err != nil {
		return fmt.Errorf("forget processes of long ago: %w", err)
	}
	var listen context.Context
	listen, s.stop = context.WithCancel(context.Background())
	s.stopped = make(chan struct{})
	first := make(chan struct{})
	go func() {
		defer close(s.stopped)
		listenForever(listen, config, &l.hub, l.log, first)
	}()
	select {
	case <-first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turns makes replicas that start at the same time migrate the schema one after the other. They
// wait in the database. goose by itself would try again every five seconds, all replicas at the
// same moment, so that the sixth would be up after 25 s.
type turns struct{}

func (turns) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock.DefaultLockID)
	return err
}

func (turns) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID)
	return err
}

// listenForever passes the wakes of all replicas on to the hub. When the connection is lost it
// connects again, after a second at first and half a minute at most, and then wakes every
// subscriber, since it cannot know what it missed. It closes first after its first attempt.
func listenForever(ctx context.Context, config *pgx.ConnConfig, hub *hub, log *slog.Logger, first chan struct{}) {
	pause := time.Second
	for {
		err := listen(ctx, config, hub, func() {
			pause = time.Second
			if first != nil {
				close(first)
				first = nil
			}
		})
		if ctx.Err() != nil {
			return
		}
		if first != nil {
			close(first)
			first = nil
		}
		log.Warn("not listening to other replicas for now", "err", err, "again_in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 30*time.Second)
	}
}

func listen(ctx context.Context, config *pgx.ConnConfig, hub *hub, ready func()) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	hub.wakeAll()
	ready()
	for {
		quiet, cancel := context.WithTimeout(ctx, 30*time.Second)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			var topics []bot.Topic
			for topic := range strings.SplitSeq(n.Payload, ",") {
				topics = append(topics, bot.Topic(topic))
			}
			hub.wake(topics...)
		case ctx.Err() != nil || !pgconn.Timeout(err):
			return fmt.Errorf("wait for a wake: %w", err)
		default: // quiet for a while: is anybody there?
			alive, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := conn.Ping(alive)
			cancel()
			if err != nil {
				return fmt.Errorf("wait for a wake: %w", err)
			}
		}
	}
}

const clock = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"

// begin locks the writer's row and then reads the clock, so that the time is later than in every
// transaction before. The server ends a replica's transaction that freezes in the middle, so that
// the others do not wait for ever.
//
// A transaction that had to wait for the row sees here the version of the schema from before the
// wait; wrote sees the current one.
func (s *postgresStore) begin(t *tx) error {
	var ms int64
	if err := t.get("lock the writer's row", `WITH writer AS MATERIALIZED (
		SELECT set_config('idle_in_transaction_session_timeout', '8s', true)
		FROM counter WHERE name = 'writer' FOR UPDATE)
		SELECT `+clock+`, `+schemaVersion+` FROM writer`, nil, &ms, &t.schema); err != nil {
		return err
	}
	t.now = moment(ms)
	return s.resolve(t.ctx, t.sql)
}

func (s *postgresStore) look(t *tx) error {
	var ms int64
	err := t.get("read the clock", `SELECT `+clock+`, `+schemaVersion, nil, &ms, &t.schema)
	t.now = moment(ms)
	return err
}

// commit is a commit whose answer has not come.
type commit struct {
	n       int64
	lost    bool          // it will not come
	known   chan struct{} // closed when it is known whether it was written
	written bool
}

func (c *commit) isKnown() bool {
	select {
	case <-c.known:
		return true
	default:
		return false
	}
}

// wrote stores the number of the transaction in the row of this process. There resolve finds it if
// the answer to the commit is lost. The server's own record of a transaction (pg_xact_status) does
// not help: after a crash the server gives a number that was never stored to the next transaction
// that asks for one.
//
// It reads the version of the schema once more. This transaction has the writer's row, which a
// migration locks first, so no migration is committed before this transaction ends.
func (s *postgresStore) wrote(t *tx) (int64, error) {
	s.mu.Lock()
	s.last = max(s.last+1, time.Now().UnixMicro())
	n := s.last
	s.commits[n] = &commit{n: n, known: make(chan struct{})}
	s.mu.Unlock()
	err := t.get("number transaction", `INSERT INTO counter (name, n) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET n = excluded.n RETURNING `+schemaVersion, []any{s.name, n}, &t.schema)
	if err == nil {
		err = t.current()
	}
	if err != nil {
		s.answered(n)
	}
	return n, err
}

func (s *postgresStore) committed(n int64) error {
	s.answered(n)
	return nil
}

// answered forgets a commit whose answer has come.
func (s *postgresStore) answered(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.commits, n)
}

// resolve finds out what became of the commits of this process that had no answer. tx holds the
// writer's row, so each of them has ended. No transaction of this process begins after one of them
// without this, so the number in its row is still that of the newest one that was written.
func (s *postgresStore) resolve(ctx context.Context, tx *sql.Tx) error {
	s.mu.Lock()
	var open []*commit
	for _, c := range s.commits {
		if !c.isKnown() {
			open = append(open, c)
		}
	}
	s.mu.Unlock()
	if len(open) == 0 {
		return nil
	}
	var n int64
	if err := tx.QueryRowContext(ctx, `SELECT n FROM counter WHERE name = $1`, s.name).Scan(&n); err != nil &&
		!errors.Is(err, sql.ErrNoRows) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range open {
		if !c.isKnown() {
			c.written = c.n == n
			close(c.known)
		}
		if c.lost {
			delete(s.commits, c.n)
		}
	}
	return nil
}

// unsure: a commit that the server refuses was not made. Where the answer is lost, the row of this
// process says whether it was, once the transaction has ended: the server may still be committing
// it, or may not have noticed yet that the connection is gone.
func (s *postgresStore) unsure(n int64, err error) func(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.commits[n]
	e, refused := errors.AsType[*pgconn.PgError](err)
	refused = refused && e.Severity == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback)
	if c.lost = true; refused || c.isKnown() {
		delete(s.commits, n)
	}
	if refused {
		return nil
	}
	return func(ctx context.Context) (bool, error) {
		for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
			var err error
			if !c.isKnown() {
				err = s.resolveNow(ctx)
			}
			if c.isKnown() {
				return c.written, nil
			}
			select {
			case <-ctx.Done():
				return false, fmt.Errorf("find out whether a transaction was written: %w", cmp.Or(err, ctx.Err()))
			case <-time.After(pause):
			}
		}
	}
}

// resolveNow resolves open commits in a transaction of its own.
func (s *postgresStore) resolveNow(ctx context.Context) error {
	open, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer open.Rollback()
	return s.begin(&tx{ctx: ctx, sql: open, rule: s.rule})
}

func (s *postgresStore) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

func (s *postgresStore) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}

func (s *postgresStore) wake(ctx context.Context, tx *sql.Tx, topics []bot.Topic) error {
	if len(topics) == 0 {
		return nil
	}
	var names []string
	for _, t := range topics {
		names = append(names, string(t))
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, strings.Join(names, ","))
	return err
}

// gather tells the planner how large a flood is. Until autovacuum runs, a minute later, the planner
// takes tables that were just filled for nearly empty, and reads all of them where an index has the
// rows. Nobody waits for this: it does not run in the transaction that stored the rows.
func (s *postgresStore) gather(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "ANALYZE message, evidence, batch")
	return err
}

// forget does nothing: PostgreSQL overwrites deleted text when it vacuums.
func (s *postgresStore) forget() {}

// again: two transactions could not be serialized (40001), or were in a deadlock (40P01).
func (s *postgresStore) again(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// rule: class 23 is the violation of a constraint.
func (s *postgresStore) rule(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(e.Code, "23")
}

func (s *postgresStore) renewals() *renewals { return nil }

func (s *postgresStore) backup(context.Context, string) error {
	return fmt.Errorf("%w: a PostgreSQL ledger is backed up with PostgreSQL's own tools, such as pg_dump",
		errors.ErrUnsupported)
}

func (s *postgresStore) check() []bot.Finding { return nil }

func (s *postgresStore) leave(*sql.DB) error { return nil }

func (s *postgresStore) close() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	return nil
}
