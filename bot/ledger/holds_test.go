package ledger

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/ledgertest"
	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
)

// TestFillHolds: of requests that were stored before the schema had it, what they hold, who asked
// and the names of their groups are found as those of others.
func TestFillHolds(t *testing.T) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "recallbot.db"),
		"PostgreSQL": ledgertest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(t.Context(), url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			const n = 1100 // more than are filled at once
			day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				for i := range n {
					r := bot.Request{
						ID: bot.RequestID(fmt.Sprintf("R-%04d", i)), App: 1, State: bot.Withdrawn,
						By:       bot.Actor{Person: "Mina"},
						Accounts: []bot.Account{{Platform: "slack", User: fmt.Sprint("U", i)}},
						Scope:    command.Scope{Group: recall.GroupID(fmt.Sprint("g", i%3))},
						Asked:    day.Add(time.Duration(i) * time.Second),
					}
					r.Parts = []bot.Part{{Talk: bot.TalkOf(r.Scope),
						Facts:  bot.GroupFacts{Name: fmt.Sprint("name ", i)},
						Covers: command.MakeRanges(recall.Seq(10*i+1), recall.Seq(10*i+3))}}
					if i == n-1 {
						r.State, r.Parts[0].Facts.Name, r.Parts[0].Covers = bot.Preparing, "", nil
					}
					if err := tx.AddRequest(r); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			type found struct {
				Holds   []bot.Request
				Askers  []bot.Asker
				Touched []bot.Touched
			}
			look := func(l *Ledger) (f found) {
				t.Helper()
				err := l.View(t.Context(), func(tx bot.Tx) (err error) {
					if f.Holds, err = tx.Requests(bot.Query{Seqs: command.MakeRanges(5001, 5002, 9993,
						9994)}); err != nil {
						return err
					}
					if f.Askers, err = tx.Askers(1); err != nil {
						return err
					}
					f.Touched, err = tx.Touched(1, 10)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			want := look(l)
			if len(want.Holds) != 2 || len(want.Askers) != 1 || len(want.Touched) != 3 {
				t.Fatalf("before: %+v", want)
			}
			for _, query := range []string{
				"DROP TABLE touched", "DROP INDEX request_holds", "DROP INDEX request_open",
				"ALTER TABLE request DROP COLUMN low", "ALTER TABLE request DROP COLUMN high",
				"ALTER TABLE request DROP COLUMN seqs", "ALTER TABLE request DROP COLUMN accounts",
				"CREATE INDEX request_group ON request (chat_group, app, state, asked, id, topic)",
				"ALTER TABLE view DROP COLUMN seen", "ALTER TABLE view DROP COLUMN gone",
				"ALTER TABLE view DROP COLUMN barred", "DROP TABLE group_list", // of later migrations
				"ALTER TABLE evidence_key DROP COLUMN kinds", "DROP TABLE part",
				"ALTER TABLE arrival DROP COLUMN said",
				fmt.Sprintf("DELETE FROM goose_db_version WHERE version_id >= %d", filling-1),
			} {
				if _, err := l.write.ExecContext(t.Context(), query); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, err = Open(t.Context(), url, Options{}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if diff := cmp.Diff(want, look(l)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFillForgetsPhrases: versions before kept the phrase of a filter for ever. It goes from
// requests whose evidence they had forgotten, and stays in the others until that is.
func TestFillForgetsPhrases(t *testing.T) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "recallbot.db"),
		"PostgreSQL": ledgertest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(t.Context(), url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			hint := bot.Line{{Kind: bot.Words, Text: "For instance: "},
				bot.Code(`/recall g text:"hunter2" last:1`)}
			all := map[bot.RequestID]struct {
				state bot.State
				keeps bool // the text goes later
				still bool // the phrase stands there
			}{
				"R-FORGOTTEN": {bot.Withdrawn, false, false}, "R-REFUSED": {bot.Refused, false, false},
				"R-KEPT": {bot.Withdrawn, true, true}, "R-OPEN": {bot.Preparing, false, true},
			}
			err = l.Tx(t.Context(), func(tx bot.Tx) error {
				for id, is := range all {
					r := bot.Request{ID: id, App: 1, State: is.state, By: bot.Actor{Person: "Mina"}, Asked: tx.Now(),
						Scope: command.Scope{Group: "g", Filter: command.Filter{From: "alice", Text: "hunter2"}}}
					if is.state == bot.Refused {
						r.RefusedFor = hint
					}
					if err := tx.AddRequest(r); err != nil {
						return err
					}
					if is.keeps {
						if err := tx.SetDue(bot.Due{Request: id, Kind: bot.DueEvidence, At: tx.Now()}); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.write.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := fillHolds(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			for id, is := range all {
				var body string
				err := l.read.QueryRowContext(t.Context(), `SELECT body FROM request WHERE id = $1`, id).Scan(&body)
				if err != nil || strings.Contains(body, "hunter2") != is.still {
					t.Errorf("%s: %v\n%s", id, err, body)
				}
				err = l.View(t.Context(), func(tx bot.Tx) error {
					r, err := tx.Request(id)
					if err == nil && (r.State != is.state || r.Scope.Filter.From != "alice") {
						t.Errorf("%s became %+v", id, r)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
