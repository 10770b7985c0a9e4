package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledgertest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// middleman stands between a ledger and its PostgreSQL server, and can lose what is sent when a
// transaction is committed.
type middleman struct {
	t       *testing.T
	network string
	server  string

	mu   sync.Mutex
	lose string // "commit": the next one does not arrive; "answer": what is answered to it does not
	away bool   // nobody gets through from then on
	gone bool   // the same once something was lost
	lost int    // commits
	then func() // called a moment after something was lost; may be nil
}

// between returns the URL of a middleman before the server of the given one.
func between(t *testing.T, databaseURL string) (*middleman, string) {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	m := &middleman{t: t}
	m.network, m.server = pgconn.NetworkAddress(config.Host, config.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { m.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Path: "/" + config.Database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), RawQuery: "sslmode=disable",
	}
	return m, u.String()
}

// pass carries one connection.
func (m *middleman) pass(client net.Conn) {
	defer client.Close()
	if m.isAway() {
		return
	}
	server, err := net.Dial(m.network, m.server)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan bool)
	var lost atomic.Bool // the next answer
	go func() {
		defer close(answers)
		defer client.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if err != nil || lost.Load() {
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			break
		}
		lose := ""
		if bytes.Contains(b[:n], []byte("commit\x00")) {
			lose = m.loses()
		}
		if lose == "commit" {
			break
		}
		lost.Store(lose == "answer")
		if _, err := server.Write(b[:n]); err != nil || m.isAway() && !lost.Load() {
			break
		}
	}
	server.Close()
	client.Close()
	<-answers
}

func (m *middleman) isAway() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.away
}

// loses returns what is lost of this commit.
func (m *middleman) loses() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	lose := m.lose
	if m.lose = ""; lose != "" {
		m.lost++
		m.away = m.gone
		if m.then != nil {
			time.AfterFunc(100*time.Millisecond, m.then)
		}
	}
	return lose
}

func (m *middleman) losses() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost
}

func (m *middleman) will(lose string, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lose, m.gone, m.away = lose, gone, false
}

// TestCommitLost: where the connection ends at a commit, Tx tells what became of it; where nobody
// can be asked, it says so, and what became of it can be found out later.
func TestCommitLost(t *testing.T) {
	for lose, stored := range map[string]bool{"commit": false, "answer": true} {
		t.Run(lose, func(t *testing.T) {
			m, u := between(t, ledgertest.Postgres(t))
			l := closing(t, open(t, u))
			do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
			put := func(ctx context.Context, value string) error {
				return l.Tx(ctx, func(tx bot.Tx) error { return tx.PutSetting("k", value) })
			}

			m.will(lose, false)
			err := put(t.Context(), "known")
			if _, unsure := errors.AsType[*bot.Unsure](err); unsure || (err == nil) != stored || m.losses() != 1 {
				t.Errorf("Tx returned %v, with %d commits lost", err, m.losses())
			}
			if got := note(t, l, "k"); (got == "known") != stored {
				t.Errorf("note %q after %v", got, err)
			}

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m.then = cancel
			m.will(lose, true)
			err = put(ctx, "unknown")
			u1, unsure := errors.AsType[*bot.Unsure](err)
			if !unsure || m.losses() != 2 {
				t.Fatalf("Tx returned %v, with %d commits lost", err, m.losses())
			}
			short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := u1.Written(short); err == nil {
				t.Error("it was found out from a server that cannot be asked")
			}
			m.will("", false)
			// what it leaves must not hide what became of the one before
			do(t, l, func(tx bot.Tx) error { return tx.PutSetting("later", "here") })
			if written, err := u1.Written(t.Context()); written != stored || err != nil {
				t.Errorf("found out %v, %v", written, err)
			}
			if got := note(t, l, "k"); (got == "unknown") != stored {
				t.Errorf("note %q", got)
			}
		})
	}
}

// TestCommitLostInCrash: what the server forgot in a crash is not told as written, though another
// process got its transaction number since.
func TestCommitLostInCrash(t *testing.T) {
	u := ledgertest.PostgresServer(t)
	l := closing(t, open(t, u))
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
	err := l.Tx(t.Context(), func(tx bot.Tx) error {
		if err := tx.PutSetting("k", "after"); err != nil {
			return err
		}
		crash(t, u)
		other := open(t, u)
		defer other.Close()
		return other.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("other", "here") })
	})
	if got := note(t, l, "k"); err == nil || got != "before" || note(t, l, "other") != "here" {
		t.Errorf("Tx returned %v, and the note says %q", err, got)
	}
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "again") })
}

// crash kills a process of the server, which ends all others and starts again, without what it had
// not stored.
func crash(t *testing.T, databaseURL string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	witness, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer witness.Close(ctx)
	if _, err := conn.Exec(ctx, fmt.Sprintf("COPY (SELECT 1) TO PROGRAM 'kill -9 %d'",
		conn.PgConn().PID())); err == nil {
		t.Fatal("the server was not killed")
	}
	for witness.Ping(ctx) == nil { // until the server has noticed it still takes connections, and ends them then
		time.Sleep(20 * time.Millisecond)
	}
	for {
		again, err := pgx.Connect(ctx, databaseURL)
		if err == nil {
			again.Close(ctx)
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
