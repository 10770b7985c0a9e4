package sandbox_test

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// TestAuditExport: every filter, as JSON lines and as CSV, with times in UTC whatever the zone of
// the machine, and nothing that a spreadsheet would carry out.
func TestAuditExport(t *testing.T) {
	binary, err := site.Build()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "recallbot.db")
	l, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	east := time.FixedZone("", 8*3600)
	var log []bot.Entry
	for _, e := range []bot.Entry{
		{Actor: "bot", What: "started"},
		{Actor: "slack:T1:UMINA", Person: "=Mina", Event: "e1", What: "asked", Request: "R-000001",
			Detail: []byte(`{"group":"@TGS#A"}`)},
		{Actor: "slack:T1:UTHEO", Person: "Theo", Event: "@e2", What: "approved", Request: "R-000001"},
		{Actor: "slack:T1:UMINA", Person: "=Mina", Event: "e3", What: "asked", Request: "R-000002",
			Detail: []byte(`{"group":"@TGS#B"}`)},
		{Actor: "discord:discord:2", Person: "Theo", Event: "+e4", What: "refused", Request: "R-000002"},
	} {
		e.Process = time.Now().In(east)
		time.Sleep(2 * time.Millisecond) // the ledger's time counts milliseconds
		err := l.Tx(t.Context(), func(tx bot.Tx) error {
			e, err := tx.Append(e)
			log = append(log, e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	export := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"audit", "export"}, args...)...)
		cmd.Env = []string{"DATABASE_URL=sqlite:" + file, "TZ=Asia/Shanghai"}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	at := func(i int) string { return log[i].At.In(east).Format(time.RFC3339Nano) }
	for _, test := range []struct {
		args []string
		want []int64
	}{
		{nil, []int64{1, 2, 3, 4, 5}},
		{[]string{"--from", at(2)}, []int64{3, 4, 5}},
		{[]string{"--till", at(2)}, []int64{1, 2}},
		{[]string{"--from", at(1), "--till", at(3)}, []int64{2, 3}},
		{[]string{"--group", "@TGS#B"}, []int64{4, 5}},
		{[]string{"--person", "Theo"}, []int64{3, 5}},
		{[]string{"--person", "slack:T1:UTHEO"}, []int64{3}},
		{[]string{"--request", "R-000001"}, []int64{2, 3}},
		{[]string{"--request", "R-000001", "--person", "Theo"}, []int64{3}},
		{[]string{"--group", "@TGS#A", "--till", at(2)}, []int64{2}},
	} {
		var got []int64
		for line := range strings.Lines(export(test.args...)) {
			var e bot.Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%v: %q: %v", test.args, line, err)
			}
			if bot.Link(e, e.N, e.Prev).Hash != e.Hash || !strings.Contains(line, `"hash":"`+log[e.N-1].Hash) ||
				strings.Contains(line, "+08:00") {
				t.Errorf("%v: not as it was written, or not in UTC: %s", test.args, line)
			}
			got = append(got, e.N)
		}
		rows, err := csv.NewReader(strings.NewReader(export(append(test.args, "--csv")...))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var inCSV []int64
		for i, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%v: a cell that works: %q", test.args, cell)
				}
			}
			if i > 0 {
				n, err := strconv.ParseInt(row[0], 10, 64)
				if err != nil || !strings.HasSuffix(row[1], "Z") || !strings.HasSuffix(row[2], "Z") {
					t.Errorf("%v: %q, %v", test.args, row, err)
				}
				inCSV = append(inCSV, n)
			}
		}
		if !slices.Equal(got, test.want) || !slices.Equal(inCSV, test.want) {
			t.Errorf("%v: %v and %v as CSV, want %v", test.args, got, inCSV, test.want)
		}
	}
}

// databases are where a test that changes a ledger by SQL finds an empty one.
var databases = []struct {
	name string
	open func(t *testing.T) (databaseURL, driver, source string)
}{
	{"sqlite", func(t *testing.T) (string, string, string) {
		file := filepath.Join(t.TempDir(), "recallbot.db")
		return "sqlite:" + file, "sqlite", "file:" + file
	}},
	{"postgres", func(t *testing.T) (string, string, string) {
		u := ledgertest.Postgres(t)
		return u, "pgx", u
	}},
}

// TestAuditVerify: the command finds whatever was done to the log, names the first entry that does
// not fit, and ends with 1. What it can tell only by a receipt it tells by any later one.
func TestAuditVerify(t *testing.T) {
	binary, err := site.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			databaseURL, driver, source := database.open(t)
			var log []bot.Entry
			l, err := ledger.Open(t.Context(), databaseURL, ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				err := l.Tx(t.Context(), func(tx bot.Tx) error {
					e, err := tx.Append(bot.Entry{Process: time.Now(), Actor: "slack:T1:UTHEO", Event: "e",
						What: fmt.Sprint("step ", i), Request: "R-000001"})
					log = append(log, e)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			put := func(entries []bot.Entry) {
				t.Helper()
				if _, err := db.Exec(`DELETE FROM audit`); err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					body, err := json.Marshal(e)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := db.Exec(`INSERT INTO audit (n, at, hash, body) VALUES ($1, $2, $3, $4)`, e.N,
						e.At.UnixMilli(), e.Hash, string(body)); err != nil {
						t.Fatal(err)
					}
				}
			}
			verify := func(args ...string) (string, int) {
				t.Helper()
				cmd := exec.Command(binary, append([]string{"audit", "verify"}, args...)...)
				cmd.Env = []string{"DATABASE_URL=" + databaseURL}
				out, err := cmd.CombinedOutput()
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					return string(out), exit.ExitCode()
				} else if err != nil {
					t.Fatal(err)
				}
				return string(out), 0
			}
			finds := func(what string, n int, args ...string) {
				t.Helper()
				out, code := verify(args...)
				if code != 1 || !strings.Contains(out, fmt.Sprintf("audit entry %d: ", n)) {
					t.Errorf("%s: exit code %d, want entry %d named:\n%s", what, code, n, out)
				}
			}
			holds := func(what string, args ...string) {
				t.Helper()
				if out, code := verify(args...); code != 0 || !strings.Contains(out, "the chain holds") {
					t.Errorf("%s: exit code %d:\n%s", what, code, out)
				}
			}
			head := func(e bot.Entry) string { return fmt.Sprint(e.N, " ", e.Hash) }
			holds("as it was written", "--receipt", head(log[2]))
			for _, change := range []string{
				`body = REPLACE(body, 'step 2', 'step 9')`, `body = REPLACE(body, 'UTHEO', 'UMINA')`,
				`body = REPLACE(body, '"what"', '"What"')`, `body = ''`,
				`at = at + 1`, `hash = REPLACE(hash, SUBSTR(hash, 1, 1), 'x')`, `n = 9`,
			} {
				if _, err := db.Exec(`UPDATE audit SET ` + change + ` WHERE n = 3`); err != nil {
					t.Fatal(err)
				}
				finds(change, 3)
				put(log)
			}
			put([]bot.Entry{log[0], log[2], log[3], log[4]})
			finds("an entry deleted", 2)
			moved := []bot.Entry{log[0], log[2], log[1], log[3], log[4]}
			moved[1].N, moved[2].N = 2, 3
			put(moved)
			finds("two entries reordered", 2)

			put(log[:3])
			holds("a cut tail, alone")
			finds("a cut tail", 4, "--receipt", head(log[3]))
			finds("a cut tail, by a later receipt", 4, "--receipt", head(log[4]))
			var anew []bot.Entry
			for i, e := range log {
				if i == 1 {
					e.Actor = "slack:T1:UMINA"
				}
				prev := ""
				if i > 0 {
					prev = anew[i-1].Hash
				}
				anew = append(anew, bot.Link(e, e.N, prev))
			}
			put(anew)
			holds("a chain computed anew, alone")
			finds("a chain computed anew", 2, "--receipt", head(log[1]))
			finds("a chain computed anew, by a later receipt", 5, "--receipt", head(log[4]))
			put(log)
			holds("put back", "--receipt", head(log[4]))
			if out, code := verify("--receipt", "R-000001"); code == 0 {
				t.Errorf("a receipt that is none was taken:\n%s", out)
			}
		})
	}
}

// TestAuditVerifyNamed: without a receipt the command finds that a log was emptied, cut, begun anew
// or computed anew, by what the ledger's own requests name of it.
func TestAuditVerifyNamed(t *testing.T) {
	binary, err := site.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			databaseURL, driver, source := database.open(t)
			l, err := ledger.Open(t.Context(), databaseURL, ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var log []bot.Entry
			step := func(what string, id bot.RequestID, do func(tx bot.Tx, e bot.Entry) error) {
				t.Helper()
				time.Sleep(2 * time.Millisecond) // the ledger's time counts milliseconds
				err := l.Tx(t.Context(), func(tx bot.Tx) error {
					e, err := tx.Append(bot.Entry{Process: time.Now(), Actor: "bot", What: what, Request: id})
					if err != nil {
						return err
					}
					log = append(log, e)
					return do(tx, e)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			nothing := func(bot.Tx, bot.Entry) error { return nil }
			asked := func(id bot.RequestID) func(tx bot.Tx, e bot.Entry) error {
				return func(tx bot.Tx, e bot.Entry) error {
					return tx.AddRequest(bot.Request{ID: id, App: 1, State: bot.Preparing,
						By: bot.Actor{Person: "Mina"}, Asked: tx.Now()})
				}
			}
			step("started", "", nothing)
			step("asked", "R-000001", asked("R-000001"))
			step("receipt", "R-000001", func(tx bot.Tx, e bot.Entry) error {
				r, err := tx.Request("R-000001")
				if err != nil {
					return err
				}
				r.State, r.Ended, r.Receipt, r.AuditHead = bot.Refused, tx.Now(), 1, fmt.Sprint(e.N, " ", e.Hash)
				return tx.PutRequest(r)
			})
			step("started", "", nothing)
			step("asked", "R-000002", asked("R-000002"))
			step("read", "", nothing)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			anew := func(from int, what string) (chain []bot.Entry) {
				prev := ""
				for i, e := range log[from:] {
					if i == 0 {
						e.What = what
					}
					e = bot.Link(e, int64(i+1), prev)
					chain, prev = append(chain, e), e.Hash
				}
				return chain
			}
			for _, test := range []struct {
				name  string
				log   []bot.Entry
				found string // "": the chain holds
			}{
				{"as it was written", log, ""},
				{"emptied", nil,
					"audit entry 1: missing: the log ends before entry 3, which receipt 1, of R-000001, names"},
				{"cut after the start", log[:1], "audit entry 2: missing: the log ends before "},
				{"cut before the receipt", log[:2], "audit entry 3: missing: the log ends before "},
				{"cut before the newest request", log[:4],
					"audit entry 5: missing: the log ends before R-000002 is preparing"},
				{"cut where nothing is named", log[:5], ""},
				{"computed anew", anew(0, "stopped"),
					"audit entry 3: is not the entry that receipt 1, of R-000001, names"},
				{"begun anew before anything is named", anew(1, "asked"),
					"audit entry 3: is not the entry that receipt 1, of R-000001, names"},
				{"begun anew after the receipt", anew(3, "started"), "audit entry "},
			} {
				if _, err := db.Exec(`DELETE FROM audit`); err != nil {
					t.Fatal(err)
				}
				for _, e := range test.log {
					body, err := json.Marshal(e)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := db.Exec(`INSERT INTO audit (n, at, hash, body) VALUES ($1, $2, $3, $4)`, e.N,
						e.At.UnixMilli(), e.Hash, string(body)); err != nil {
						t.Fatal(err)
					}
				}
				cmd := exec.Command(binary, "audit", "verify")
				cmd.Env = []string{"DATABASE_URL=" + databaseURL}
				out, err := cmd.CombinedOutput()
				switch {
				case test.found == "" && (err != nil || !strings.Contains(string(out), "the chain holds")):
					t.Errorf("%s: %v:\n%s", test.name, err, out)
				case test.found != "" && (cmd.ProcessState.ExitCode() != 1 ||
					!strings.Contains(string(out), test.found)):
					t.Errorf("%s: exit code %d, want 1 and %q:\n%s", test.name, cmd.ProcessState.ExitCode(), test.found,
						out)
				}
			}
		})
	}
}
