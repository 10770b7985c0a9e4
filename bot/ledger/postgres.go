package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"recallbot/bot"
)

// channel is what replicas LISTEN on.
const channel = "recallbot_wake"

// patience is how long one transaction may take on PostgreSQL, waiting for the others included. A network that swallows everything would otherwise
// hold a loop for as long as TCP keeps trying.
const patience = time.Minute

// postgresStore is one PostgreSQL database, shared by replicas.
type postgresStore struct {
	read    *sql.DB
	stop    context.CancelFunc // of the listener
	stopped chan struct{}
}

func (l *Ledger) openPostgres(ctx context.Context, databaseURL string, readOnly bool) error {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("%w: want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with percent-encoded special characters in the password", ErrURL)
	}
	// Every query has its index. Where a table was small when a connection first used it, PostgreSQL would go on reading all of it, for each row that a foreign key is
	// checked for, when a flood has made it large: sealing 100,000 messages would take minutes.
	config.RuntimeParams["enable_seqscan"] = "off"
	s := &postgresStore{}
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

// turns lets replicas that start at once bring the schema up to date one after the other. They wait in the database: goose's own way is to look again every five seconds,
// all at the same moment, so that the sixth replica would be up after 25 s.
type turns struct{}

func (turns) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lock.DefaultLockID)
	return err
}

func (turns) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", lock.DefaultLockID)
	return err
}

// listenForever passes the wakes of all replicas on to the hub. It connects again whenever the connection is lost, after a second at first and
// half a minute at most, and then wakes everybody, since it cannot know what was missed. It closes first once it has tried for the first time.
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
		log.Warn("not listening to other replicas for now", "error", err, "again_in", pause)
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

// begin locks the writer's row, then reads the clock: later than any transaction before it. A replica that freezes in the middle of
// a transaction is thrown out, so that the others are not held for ever.
func (s *postgresStore) begin(ctx context.Context, tx *sql.Tx) (now time.Time, name string, err error) {
	var ms int64
	err = tx.QueryRowContext(ctx, `WITH writer AS MATERIALIZED (
		SELECT set_config('idle_in_transaction_session_timeout', '8s', true) FROM counter WHERE name = 'writer' FOR UPDATE)
		SELECT `+clock+`, CAST(pg_current_xact_id() AS text) FROM writer`).Scan(&ms, &name)
	return moment(ms), name, err
}

func (s *postgresStore) look(ctx context.Context, tx *sql.Tx) (time.Time, error) {
	var ms int64
	err := tx.QueryRowContext(ctx, `SELECT `+clock).Scan(&ms)
	return moment(ms), err
}

// unsure: a commit that the server refuses is none. Where its answer is lost the server knows what became of the transaction. While it is being committed, or the server has
// not noticed yet that nobody is there any more, that is not decided.
func (s *postgresStore) unsure(name string, err error) func(context.Context) (bool, error) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Severity == "ERROR" || errors.Is(err, pgx.ErrTxCommitRollback) {
		return nil
	}
	return func(ctx context.Context) (bool, error) {
		for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
			var status sql.NullString
			err := s.read.QueryRowContext(ctx, `SELECT pg_xact_status(CAST(CAST($1 AS text) AS xid8))`, name).Scan(&status)
			switch e, refused := errors.AsType[*pgconn.PgError](err); {
			case refused && e.Code == "22023": // of the future: the server that took over never heard of it
				return false, nil
			case err != nil: // the server is away
			case status.String == "committed":
				return true, nil
			case status.String == "aborted":
				return false, nil
			case status.String != "in progress":
				return false, fmt.Errorf("find out what became of transaction %s: it was too long ago", name)
			}
			select {
			case <-ctx.Done():
				return false, fmt.Errorf("find out what became of transaction %s: %w", name, cmp.Or(err, ctx.Err()))
			case <-time.After(pause):
			}
		}
	}
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

// wrote does nothing: what a PostgreSQL database was set back to is its operator's to know.
func (s *postgresStore) wrote(*tx) (int64, error) { return 0, nil }

func (s *postgresStore) committed(int64) error { return nil }

// gather tells the planner how large a flood is. Until autovacuum looks, a minute later, it takes tables that were just filled for nearly empty, and reads all of them where it
// should look a few rows up. Nobody waits for it: it is not done in the transaction that stored the rows.
func (s *postgresStore) gather(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "ANALYZE message, evidence, batch")
	return err
}

// forget does nothing: PostgreSQL overwrites what was deleted when it vacuums, in its own time.
func (s *postgresStore) forget() {}

// again: two transactions could not be put in an order (40001), or waited for each other (40P01).
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
	return fmt.Errorf("%w: a PostgreSQL ledger is backed up with PostgreSQL's own tools, such as pg_dump", errors.ErrUnsupported)
}

func (s *postgresStore) close() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	return nil
}
