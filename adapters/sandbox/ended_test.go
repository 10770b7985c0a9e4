package sandbox_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"
)

// ends waits until the process has ended by itself, and returns what /readyz said meanwhile beside
// 200.
func ends(s *site.Site) (unready string) {
	s.T.Helper()
	for deadline := time.Now().Add(20 * time.Second); s.Lives(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.T.Fatal("the process goes on")
		}
		if status, says := site.Ready(s.Addr); status == http.StatusServiceUnavailable {
			unready = says
		}
	}
	if code := s.Code(); code != 1 {
		s.T.Errorf("the process ended with %d, want 1", code)
	}
	return unready
}

// querier is a database or a transaction.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// content is every row of the tables that a bot writes to, but for what gives its leases up and
// counts transactions.
func content(t *testing.T, db querier) (rows []string) {
	t.Helper()
	for _, table := range []string{"event", "request", "approval", `"grant"`, "batch", "message", "evidence", "view",
		"post", "due", "note", "audit"} {
		found, err := db.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		defer found.Close()
		columns, err := found.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			row := make([]any, len(columns))
			for i := range row {
				row[i] = new(any)
			}
			if err := found.Scan(row...); err != nil {
				t.Fatal(err)
			}
			text := table
			for _, value := range row {
				text += fmt.Sprint("|", *value.(*any))
			}
			rows = append(rows, text)
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(rows)
	return rows
}

// TestBinaryNewerSchema: the schema becomes that of a newer version while the program runs a
// request. It stores nothing more, lets the calls in flight end, gives its lease up, tells why in
// the log and at /readyz, and ends with 1; started again it is refused. Once it may go on, what it
// had sent is read back, and the receipt is true.
func TestBinaryNewerSchema(t *testing.T) {
	for _, database := range []struct {
		name, driver string
		url          func(t *testing.T, s *site.Site) (url, source string)
	}{
		{"SQLite", "sqlite", func(t *testing.T, s *site.Site) (string, string) {
			file := filepath.Join(s.Dir, "recallbot.db")
			return "sqlite:" + file, "file:" + file + "?_pragma=busy_timeout(5000)&_txlock=immediate"
		}},
		{"PostgreSQL", "pgx", func(t *testing.T, s *site.Site) (string, string) {
			u := ledgertest.Postgres(t)
			return u, u
		}},
	} {
		t.Run(database.name, func(t *testing.T) {
			const messages = 300
			s := newSite(t, "CHAT_CALLS_PER_SECOND=20", "CHAT_READS_PER_SECOND=200")
			url, source := database.url(t, s)
			s.Env = append(s.Env, "DATABASE_URL="+url)
			s.Chat.Change(func(o *recalltest.Options) { o.Latency = 500 * time.Millisecond }) // calls are in flight
			s.Say(messages)
			s.Start()
			s.Types(s.Mina, fmt.Sprintf("/recall %s 1-%d", site.Group, messages))
			s.Approve()
			calls := func() int { return s.Chat.Calls(recalltest.Recall) }
			s.Until("some calls", func() bool { return calls() > 5 })

			db, err := sql.Open(database.driver, source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			migration, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer migration.Rollback() // does nothing once committed
			for _, step := range []string{`UPDATE counter SET n = n WHERE name = 'writer'`,
				`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`} {
				if _, err := migration.Exec(step); err != nil {
					t.Fatal(err)
				}
			}
			before := content(t, migration) // nobody else writes now
			if err := migration.Commit(); err != nil {
				t.Fatal(err)
			}
			made, began := calls(), time.Now()
			unready := ends(s)
			if took := time.Since(began); took > 15*time.Second { // 10 s, on a busy machine
				t.Errorf("it ended after %v", took)
			}
			if after := content(t, db); !slices.Equal(before, after) {
				t.Errorf("%d rows before, %d after, or others: it was written to a newer schema", len(before),
					len(after))
			}
			for where, text := range map[string]string{"/readyz": unready, "the log": s.Said()} {
				if !strings.Contains(text, "another version") || !strings.Contains(text, "it is 999") {
					t.Errorf("%s does not tell why: %s", where, text)
				}
			}
			if calls() == messages/10 {
				t.Fatal("all calls were made: this shows nothing")
			}
			var held int
			if err := db.QueryRow(`SELECT COUNT(*) FROM lease WHERE name LIKE 'app/%' AND till > 0`).Scan(
				&held); err != nil || held > 0 && database.name == "PostgreSQL" {
				t.Errorf("%d leases are still held, %v", held, err)
			}
			for _, args := range [][]string{nil, {"audit", "verify"}} {
				if out, code := s.Run(s.Env, args...); code != 1 ||
					!strings.Contains(out, "newer version of the program") {
					t.Errorf("%q on a newer schema: %d\n%s", args, code, out)
				}
			}
			if out, code := s.Run(s.Env, "check"); code != 1 || !strings.Contains(out, "BAD  database") {
				t.Errorf("check on a newer schema: %d\n%s", code, out)
			}
			t.Logf("%d calls before, %d in all when it had ended after %v", made, calls(), time.Since(began))

			if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = 999`); err != nil {
				t.Fatal(err)
			}
			s.Start()
			s.Until("receipt", func() bool { return len(s.Receipts()) > 0 })
			if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != messages {
				t.Errorf("%d messages were recalled, want %d", n, messages)
			}
			if n := len(s.Chat.RecalledMoreThanOnce()); n > 0 {
				t.Errorf("%d messages were recalled twice", n)
			}
			if flat := site.Flat(s.Receipts()[0]); !receiptOK.MatchString(flat) {
				t.Errorf("the receipt:\n%s", s.Receipts()[0])
			}
		})
	}
}

// TestBinaryFileTakenAway: the lock file is removed, and then the database replaced, under the
// program. It ends with 1 and says why, also where it has nothing to do; a second process by
// another name is refused all the time; and who may read the file is told.
func TestBinaryFileTakenAway(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(s.Dir, "recallbot.db")
	s.Env = append(s.Env, "DATABASE_URL=sqlite:"+file)
	another := func(url string, want ...string) {
		t.Helper()
		out, code := s.Run(append(s.Env, "HTTP_ADDR=127.0.0.1:0", "DATABASE_URL=sqlite:"+url))
		for _, want := range want {
			if code != 1 || !strings.Contains(out, want) {
				t.Errorf("a second process on %s: %d, want %q\n%s", url, code, want, out)
			}
		}
	}
	s.Start()
	if err := os.Link(file, file+".link"); err != nil {
		t.Fatal(err)
	}
	another(file+".link", "would have two names", "hard links")
	if out, code := s.Run(s.Env, "check"); code != 1 || !strings.Contains(out, "BAD  database") ||
		!strings.Contains(out, "hard links") {
		t.Errorf("check of a file with two names: %d\n%s", code, out)
	}
	if err := errors.Join(os.Remove(file+".link"), os.Remove(file+".lock")); err != nil {
		t.Fatal(err)
	}
	another(file, "the ledger is in use")
	if unready := ends(s); !strings.Contains(unready, "taken away") || !strings.Contains(s.Said(), ".lock is ") {
		t.Errorf("/readyz: %s\nthe log:\n%s", unready, s.Said())
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := s.Run(s.Env, "check"); code != 0 ||
		!strings.Contains(out, "note database: others can read or write "+file) || !strings.Contains(out, "chmod 600") {
		t.Errorf("check of a file that others may read: %d\n%s", code, out)
	}
	s.Start()
	if !strings.Contains(s.Said(), "others can read or write "+file) {
		t.Errorf("serve does not tell that others may read the file:\n%s", s.Said())
	}
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	ends(s)
	if !strings.Contains(s.Said(), file+" is gone") {
		t.Errorf("the log:\n%s", s.Said())
	}
	if err := os.Rename(file+".old", file); err != nil {
		t.Fatal(err)
	}
	s.Start()
	if out, code := s.Run(s.Env, "audit", "verify"); code != 0 {
		t.Errorf("audit verify: %d\n%s", code, out)
	}
}
