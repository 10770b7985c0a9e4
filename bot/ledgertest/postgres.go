package ledgertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres returns the URL of an empty PostgreSQL database for the test, which is dropped when the
// test ends.
//
// The server is the one at TEST_POSTGRES_URL, whose user must be able to create databases. Where
// that is not set, Postgres starts a private server from the installed programs (on PATH or in
// /usr/lib/postgresql), on a Unix socket in a temporary directory. It serves all tests of the
// process and ends with it. Where no programs are installed the test is skipped, or fails when CI
// is "true".
func Postgres(t testing.TB) (databaseURL string) {
	t.Helper()
	serving := use(t, server, "set TEST_POSTGRES_URL, or install it")
	name := "recallbot_test_" + strings.ToLower(rand.Text())
	if err := execute(serving.url, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatalf("make database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(serving.url, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	u, err := url.Parse(serving.url)
	if err != nil {
		t.Fatal("TEST_POSTGRES_URL is not a URL") // it may hold a password
	}
	u.Path = "/" + name
	return u.String()
}

// PostgresServer returns the URL of an empty database in a private server for the test, whose
// processes the test may kill. Where PostgreSQL is not installed the test is skipped, or fails when
// CI is "true".
func PostgresServer(t testing.TB) (databaseURL string) {
	t.Helper()
	serving := use(t, startServer, "install it: no server of others may be killed")
	t.Cleanup(func() { serving.lifeline.Close() })
	return serving.url
}

// use returns the server that get returns. mend says what to do where there is none.
func use(t testing.TB, get func() (cluster, error), mend string) cluster {
	t.Helper()
	serving, err := get()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skipf("no PostgreSQL: %v; %s", err, mend)
	}
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	return serving
}

func execute(databaseURL, query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, query)
	return err
}

// cluster is a PostgreSQL server.
type cluster struct {
	url      string
	lifeline io.Closer // held open for as long as this process lives; nil for a server of others
}

var server = sync.OnceValues(func() (cluster, error) {
	if u := os.Getenv("TEST_POSTGRES_URL"); u != "" {
		return cluster{url: u}, nil
	}
	return startServer()
})

// startServer creates a cluster and serves it from a shell. When this process ends, in whatever
// way, the standard input of the shell ends; the shell then stops the server and removes the
// cluster.
func startServer() (cluster, error) {
	initdb, err := program("initdb")
	if err != nil {
		return cluster{}, err
	}
	postgres, err := program("postgres")
	if err != nil {
		return cluster{}, err
	}
	dir, err := os.MkdirTemp("", "recallbot-postgres")
	if err != nil {
		return cluster{}, err
	}
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		if as.Credential, err = unprivileged(); err != nil {
			return cluster{}, err
		}
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			return cluster{}, err
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync",
		"--encoding", "UTF8", "--no-locale")
	cmd.Dir, cmd.SysProcAttr = dir, as
	if out, err := cmd.CombinedOutput(); err != nil {
		return cluster{}, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	serve := exec.Command("/bin/sh", "-c", `"$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off \
-c max_connections=200 >"$1/log" 2>&1 &
cat >/dev/null; kill -QUIT $!; wait $!; rm -rf "$1"`, postgres, dir)
	// an interrupt must not end the shell before the server
	serve.Dir, serve.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as.Credential, Setpgid: true}
	lifeline, err := serve.StdinPipe()
	if err != nil {
		return cluster{}, err
	}
	if err := serve.Start(); err != nil {
		return cluster{}, err
	}
	u := (&url.URL{Scheme: "postgres", Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "user": {"postgres"}}.Encode()}).String()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := execute(u, "SELECT 1")
		if err == nil {
			return cluster{u, lifeline}, nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return cluster{}, fmt.Errorf("start PostgreSQL: %w\n%s", err, log)
		}
	}
}

// program finds an installed program of PostgreSQL, the newest where there are several. The error
// is exec.ErrNotFound.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is well formed
	if len(found) == 0 {
		return "", err
	}
	return found[len(found)-1], nil
}

// unprivileged returns a user for the server to run as.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and there is neither a user postgres nor nobody to run PostgreSQL as")
}
