package console_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recallbot/adapters/console"
	"recallbot/bot"
	"recallbot/bot/ledger"
)

// audited makes a ledger with four entries and lets DATABASE_URL name it. It returns the last. The
// third is as earlier versions wrote them, with the person in the entry; of the others the roster
// tells the name.
func audited(t *testing.T) bot.Entry {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "audit.db")
	t.Setenv("DATABASE_URL", url)
	l, err := ledger.Open(t.Context(), url, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var last bot.Entry
	roster := bot.Roster{People: []bot.Person{{Name: "Mina", Accounts: []bot.Account{
		{Platform: "slack", User: "U0MINA"}}}}}
	if err := l.Tx(t.Context(), func(tx bot.Tx) (err error) {
		if err := tx.PutRoster(roster); err != nil {
			return err
		}
		for _, e := range []bot.Entry{
			{Actor: "slack:T1:U0MINA", What: "asked", Request: "R-7K3M9Q",
				Detail: bot.Detail(map[string]any{"group": "@TGS#1", "roster": roster.Hash()})},
			{Actor: "bot", What: "sealed", Request: "R-7K3M9Q"},
			{Actor: "discord:discord:42", Person: "Theo", What: "approved", Request: "R-7K3M9Q"},
			{Actor: "slack:T1:U0MINA", What: "asked", Request: "R-000001"},
		} {
			if last, err = tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return last
}

// run runs a command line.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = console.Run(t.Context(), args, &o, &e, program(&o))
	return code, o.String(), e.String()
}

// TestExportFilters: what people write for a person, a request, a kind and a day is understood; a
// filter that nothing passes fails and says so.
func TestExportFilters(t *testing.T) {
	last := audited(t)
	today := last.At.UTC().Format("2006-01-02")
	yesterday := last.At.UTC().AddDate(0, 0, -1).Format("2006-01-02")
	for _, test := range []struct {
		args string
		n    int
	}{
		{"", 4},
		{"--person mina", 2},
		{"--person MINA --what ASKED", 2},
		{"--person u0mina", 2},
		{"--person slack:t1:u0mina", 2},
		{"--person 42", 1},
		{"--person bot", 1},
		{"--person u0", 0},
		{"--request r-7k3m9q", 3},
		{"--request 7K3M9Q --what approved", 1},
		{"--request R-OOOOOI", 1},
		{"--request R-ZZZZZZ", 0},
		{"--group @TGS#1", 3},
		{"--from " + today + " --till " + today, 4},
		{"--till " + yesterday, 0},
		{"--from " + yesterday + "T00:00:00Z", 4},
	} {
		code, out, errs := run(t, strings.Fields("audit export "+test.args)...)
		if n := strings.Count(out, "\n"); n != test.n {
			t.Errorf("%q: %d entries, want %d", test.args, n, test.n)
		}
		if test.n > 0 && (code != 0 || errs != "") || test.n == 0 && (code != 1 ||
			errs != "recallbot: 0 of 4 entries match\n") {
			t.Errorf("%q: exit code %d, %q", test.args, code, errs)
		}
	}
}

// TestVerifyFile: an export is checked without the database, against the line of a receipt as the
// thread prints it; what was changed, cut out or filtered is found.
func TestVerifyFile(t *testing.T) {
	last := audited(t)
	_, whole, _ := run(t, "audit", "export")
	t.Setenv("DATABASE_URL", "sqlite:"+filepath.Join(t.TempDir(), "none.db"))
	lines := strings.SplitAfter(whole, "\n")
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "export.jsonl")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	receipt := fmt.Sprintf("Audit log head %d `%s`", last.N, strings.ToUpper(last.Hash))
	for _, test := range []struct {
		name, text, receipt string
		code                int
		says                string
	}{
		{"whole", whole, "", 0, "4 entries, the chain holds; head 4 " + last.Hash},
		{"with the line of its receipt", whole, receipt, 0, "4 entries, the chain holds"},
		{"with number and hash", whole, fmt.Sprintf("%d %s", last.N, last.Hash), 0, "4 entries, the chain holds"},
		{"cut before its receipt", strings.Join(lines[:3], ""), receipt, 1, "the log ends before entry 4"},
		{"changed", strings.Replace(whole, "Theo", "Lena", 1), "", 1, "audit entry 3: was changed"},
		{"another name beside it", strings.Replace(whole, `"name":"Mina"`, `"name":"Nina"`, 1), "", 0,
			"4 entries, the chain holds"},
		{"one taken out", lines[0] + lines[2] + lines[3], "", 1, "audit entry 2: missing"},
		{"filtered", lines[2], "", 1, "an export must be whole"},
		{"of another kind", "n,at,process\n", "", 1, "audit export writes such a file"},
		{"with a receipt that is none", whole, "receipt 7", 1, "is not a number and a hash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"audit", "verify", file(test.text)}
			if test.receipt != "" {
				args = append(args, "--receipt", test.receipt)
			}
			code, out, errs := run(t, args...)
			if code != test.code || !strings.Contains(out+errs, test.says) {
				t.Errorf("exit code %d, %q, want %d and %q", code, out+errs, test.code, test.says)
			}
		})
	}
}
