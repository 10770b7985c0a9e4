package ledger_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
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
		value, err = tx.Setting(key)
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

// TestPostgres empties and reuses two databases, since it takes PostgreSQL long to make one. They
// refuse whatever is written without the writer's row.
func TestPostgres(t *testing.T) {
	free := make(chan string, 2)
	for range cap(free) {
		u := ledgertest.Postgres(t)
		if err := open(t, u).Close(); err != nil {
			t.Fatal(err)
		}
		guardWriter(t, u)
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
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // does nothing once committed
	// see guardWriter
	if _, err := tx.Exec("SELECT 1 FROM counter WHERE name = 'writer' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{
		"evidence", "evidence_key", "message", "batch", `"grant"`, "approval", "view", "post", "due", "part", "request",
		"event", "roster", "lease", "pause", "note", "audit", "arrival", "removal", "touched",
	} {
		if _, err := tx.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec("UPDATE counter SET n = 0"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
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
		test(t, closing(t, open(t, "sqlite:"+file)), "sqlite:"+file,
			connect(t, "sqlite", "file:"+file+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)"))
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
		{"an approval by the requester under another name of theirs", 2,
			`INSERT INTO approval (request, requester, digest, person, n, body) VALUES ('R', 'eve', 'd', 'mina', 1, '{}')`},
		{"an approval of another digest", 2, strings.Replace(approval, "'d'", "'e'", 1)},
		{"an approval of no digest", 2, strings.Replace(approval, "'d'", "NULL", 1)},
		{"an approval of a request that is prepared, without a digest", 2,
			strings.Replace(strings.Replace(approval, "'d'", "NULL", 1), "'R'", "'P'", 1)},
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

// tampered is an audit log of six entries that is changed past the code.
type tampered struct {
	*testing.T
	l    *ledger.Ledger
	db   *sql.DB
	rows []auditRow
}

type auditRow struct {
	n, at      int64
	hash, body string
}

// verify checks the chain as the command does, two entries a page, and returns the entry that does
// not fit; 0 when all do.
func (l *tampered) verify(receipt string) int64 {
	l.Helper()
	v := bot.Verifier{Receipt: receipt}
	err := func() error {
		for from := int64(1); ; {
			var page []bot.Entry
			err := l.l.View(l.Context(), func(tx bot.Tx) (err error) { page, err = tx.Entries(from, 2); return err })
			for _, e := range page {
				if err := v.Next(e); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			if len(page) == 0 {
				return v.End()
			}
			from = page[len(page)-1].N + 1
		}
	}()
	if err == nil {
		return 0
	}
	broken, ok := errors.AsType[*bot.BrokenChain](err)
	if !ok {
		l.Fatalf("%v is not a broken chain", err)
	}
	return broken.N
}

func (l *tampered) exec(query string, args ...any) {
	l.Helper()
	if _, err := l.db.Exec(query, args...); err != nil {
		l.Fatalf("%s: %v", query, err)
	}
}

// put makes the log these rows.
func (l *tampered) put(rows []auditRow) {
	l.Helper()
	l.exec(`DELETE FROM audit`)
	for _, r := range rows {
		l.exec(`INSERT INTO audit (n, at, hash, body) VALUES ($1, $2, $3, $4)`, r.n, r.at, r.hash, r.body)
	}
}

// anew computes the chain anew over what the rows say, as somebody can who holds the database.
func (l *tampered) anew(rows []auditRow) (out []auditRow) {
	l.Helper()
	hash := ""
	for i, r := range rows {
		var e bot.Entry
		if err := json.Unmarshal([]byte(r.body), &e); err != nil {
			l.Fatal(err)
		}
		e = bot.Link(e, int64(i+1), hash)
		body, err := json.Marshal(e)
		if err != nil {
			l.Fatal(err)
		}
		hash = e.Hash
		out = append(out, auditRow{n: e.N, at: r.at, hash: hash, body: string(body)})
	}
	return out
}

// TestTamper changes the audit log past the code, in every column and every byte: what was changed,
// removed or moved is found by verifying alone, and the entry that is named is the first that does
// not fit; a tail that was cut, or a chain that was computed anew, with any later receipt.
func TestTamper(t *testing.T) {
	databases(t, func(t *testing.T, ledger *ledger.Ledger, _ string, db *sql.DB) {
		db.SetMaxOpenConns(1)
		l := &tampered{T: t, l: ledger, db: db}
		for i := range 6 {
			do(t, ledger, func(tx bot.Tx) error {
				_, err := tx.Append(bot.Entry{
					Process: time.Now(), Actor: "slack:T1:UMINA", Person: "Mína", Event: "slack-1",
					What: fmt.Sprint("step ", i), Request: "R-000001", Digest: strings.Repeat("d", 64),
					Detail: []byte(`{"group":"@TGS#A","place":{"channel":"C1"},"why":"<&>"}`),
				})
				return err
			})
		}
		if strings.Contains(t.Name(), "sqlite") {
			l.exec(`PRAGMA synchronous = OFF`)
		} else {
			l.exec(`SET synchronous_commit = off`)
		}
		found, err := db.Query(`SELECT n, at, hash, body FROM audit ORDER BY n`)
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			var r auditRow
			if err := found.Scan(&r.n, &r.at, &r.hash, &r.body); err != nil {
				t.Fatal(err)
			}
			l.rows = append(l.rows, r)
		}
		if err := found.Err(); err != nil || len(l.rows) != 6 || l.verify("") != 0 {
			t.Fatalf("%d rows, broken at %d, %v", len(l.rows), l.verify(""), err)
		}

		// Every byte of the texts, by one that differs in a single bit where that can be stored:
		// the case of a letter among them.
		r := l.rows[2]
		for column, was := range map[string]string{"body": r.body, "hash": r.hash} {
			for i := range was {
				for _, flip := range []byte{0x20, 0x01} {
					changed := []byte(was)
					if changed[i] ^= flip; !utf8.Valid(changed) || changed[i] == 0 {
						continue
					}
					l.exec(`UPDATE audit SET `+column+` = $1 WHERE n = 3`, string(changed))
					if n := l.verify(""); n != 3 {
						t.Errorf("%s, byte %d changed to %q: entry %d is named", column, i, changed[i], n)
					}
				}
			}
			for what, changed := range map[string]string{"nothing": "", "a space more": was + " ",
				"a byte less": was[:len(was)-1], "twice": was + was} {
				l.exec(`UPDATE audit SET `+column+` = $1 WHERE n = 3`, changed)
				if n := l.verify(""); n != 3 {
					t.Errorf("%s is %s: entry %d is named", column, what, n)
				}
			}
			l.exec(`UPDATE audit SET `+column+` = $1 WHERE n = 3`, was)
		}
		for bit := range 63 {
			l.exec(`UPDATE audit SET at = $1 WHERE n = 3`, r.at^1<<bit)
			if n := l.verify(""); n != 3 {
				t.Errorf("bit %d of at: entry %d is named", bit, n)
			}
		}
		l.exec(`UPDATE audit SET at = $1 WHERE n = 3`, r.at)
		for _, to := range []int64{0, -3, 7, 1 << 40} { // where another entry stands no number can be put
			l.exec(`UPDATE audit SET n = $1 WHERE n = 3`, to)
			if n := l.verify(""); n != 3 {
				t.Errorf("number %d for 3: entry %d is named", to, n)
			}
			l.exec(`UPDATE audit SET n = 3 WHERE n = $1`, to)
		}
		if l.verify("") != 0 {
			t.Fatal("it was not put back")
		}
		// What another entry says, and what stands beside it, in the place of the third.
		fifth := l.rows[4]
		for i, third := range []auditRow{{n: 3, at: r.at, hash: r.hash, body: fifth.body},
			{n: 3, at: fifth.at, hash: r.hash, body: fifth.body}, {n: 3, at: r.at, hash: fifth.hash, body: fifth.body},
			{n: 3, at: fifth.at, hash: fifth.hash, body: fifth.body},
			{n: 3, at: r.at, hash: fifth.hash, body: r.body}} {
			l.put([]auditRow{l.rows[0], l.rows[1], third, l.rows[3], l.rows[5]}) // a hash can be there only once
			if n := l.verify(""); n != 3 {
				t.Errorf("entry 5 in part %d in place of entry 3: entry %d is named", i, n)
			}
		}
		l.put(l.rows)

		for i, r := range l.rows[:5] { // without the last one it is a cut tail
			l.exec(`DELETE FROM audit WHERE n = $1`, r.n)
			if n := l.verify(""); n != r.n {
				t.Errorf("without entry %d, entry %d is named", r.n, n)
			}
			l.put(l.rows)
			for _, other := range l.rows[i+1:] {
				swapped := slices.Clone(l.rows)
				swapped[i], swapped[other.n-1] = other, r
				swapped[i].n, swapped[other.n-1].n = r.n, other.n
				l.put(swapped)
				if n := l.verify(""); n != r.n {
					t.Errorf("entries %d and %d swapped: entry %d is named", r.n, other.n, n)
				}
			}
			l.put(l.rows)
		}

		receipt := func(r auditRow) string { return fmt.Sprint(r.n, " ", r.hash) }
		for i := range l.rows {
			l.put(l.rows[:i])
			if n := l.verify(""); n != 0 {
				t.Errorf("cut after %d, and no receipt: entry %d is named", i, n)
			}
			for _, later := range l.rows[i:] {
				if n := l.verify(receipt(later)); n != int64(i)+1 {
					t.Errorf("cut after %d, receipt of %d: entry %d is named", i, later.n, n)
				}
			}
			changed := slices.Clone(l.rows)
			changed[i].body = strings.Replace(changed[i].body, "UMINA", "UTHEO", 1)
			for _, forged := range [][]auditRow{l.anew(changed), l.anew(slices.Delete(slices.Clone(l.rows), i, i+1))} {
				l.put(forged)
				if n := l.verify(""); n != 0 {
					t.Errorf("computed anew from %d, and no receipt: entry %d is named", i+1, n)
				}
				for _, later := range l.rows[i:] {
					if l.verify(receipt(later)) == 0 {
						t.Errorf("computed anew from %d, receipt of %d: not found", i+1, later.n)
					}
				}
			}
		}
		l.put(l.rows)
		if n := l.verify(receipt(l.rows[5])); n != 0 {
			t.Errorf("put back: entry %d is named", n)
		}
	})
}

// TestTamperWithTypes: SQLite takes anything in any column; what is no number is found as well.
func TestTamperWithTypes(t *testing.T) {
	databases(t, func(t *testing.T, ledger *ledger.Ledger, _ string, db *sql.DB) {
		if !strings.Contains(t.Name(), "sqlite") {
			return // PostgreSQL's columns hold what they are for
		}
		l := &tampered{T: t, l: ledger, db: db}
		for i := range 3 {
			do(t, ledger, func(tx bot.Tx) error {
				_, err := tx.Append(bot.Entry{Actor: "bot", What: fmt.Sprint("step ", i)})
				return err
			})
		}
		for _, set := range []string{`at = 'noon'`, `at = at + 0.5`, `hash = x'00ff'`, `body = x'00ff'`, `body = 7`} {
			if _, err := db.Exec(`CREATE TEMP TABLE kept AS SELECT * FROM audit`); err != nil {
				t.Fatal(err)
			}
			l.exec(`UPDATE audit SET ` + set + ` WHERE n = 2`)
			if n := l.verify(""); n != 2 {
				t.Errorf("%s: entry %d is named", set, n)
			}
			l.exec(`DELETE FROM audit`)
			l.exec(`INSERT INTO audit SELECT * FROM kept`)
			l.exec(`DROP TABLE kept`)
		}
		l.exec(`UPDATE audit SET n = 'two' WHERE n = 2`)
		if n := l.verify(""); n != 2 {
			t.Errorf("a number that is none: entry %d is named", n)
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
