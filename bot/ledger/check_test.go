package ledger_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
)

// TestCheck: nothing is well that serving would refuse or fail at; what the first start makes is a
// hint; no file is made by looking.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	served := func(name string) string {
		url := "sqlite:" + filepath.Join(dir, name)
		if err := open(t, url).Close(); err != nil {
			t.Fatal(err)
		}
		return url
	}
	written := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + filepath.Join(dir, name)
	}
	for _, test := range []struct {
		name, url   string
		what        string
		bad, hinted bool
	}{
		{"no file", "sqlite:" + dir + "/none.db", "there is none yet", false, true},
		{"of this version", served("served.db"), "it can be read", false, false},
		{"an empty file", written("empty.db", ""), "it is empty", false, true},
		{"no database", written("text.db", strings.Repeat("no database, but long enough for a header. ", 4)),
			"", true, false},
		{"no directory", "sqlite:" + dir + "/missing/ledger.db", "the directory of the database", true, false},
		{"a file for a directory", "sqlite:" + dir + "/text.db/ledger.db", "no directory", true, false},
		{"a directory", "sqlite:" + dir, "", true, false},
		{"nobody listens", "postgres://127.0.0.1:1/recallbot?connect_timeout=2", "refused", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var bad, hinted bool
			said := ""
			for _, f := range ledger.Check(t.Context(), test.url, nil) {
				bad, hinted = bad || f.Mend != "" && !f.Hint, hinted || f.Hint
				said += f.What + "\n"
			}
			if bad != test.bad || hinted != test.hinted || !strings.Contains(said, test.what) {
				t.Errorf("bad %t, hinted %t, said %q; want %t, %t, %q", bad, hinted, said, test.bad, test.hinted,
					test.what)
			}
		})
	}
	for _, made := range []string{"none.db", "missing"} {
		if _, err := os.Stat(filepath.Join(dir, made)); err == nil {
			t.Errorf("looking made %s", made)
		}
	}
}

// TestCheckPostgres: what the first start makes is a hint; a server that takes no writes, a
// database that is missing and a schema that is too new are bad.
func TestCheckPostgres(t *testing.T) {
	url := ledgertest.Postgres(t)
	check := func(when, url, want string, bad bool) {
		t.Helper()
		said, mend := "", false
		for _, f := range ledger.Check(t.Context(), url, nil) {
			said, mend = said+f.What+"\n", mend || f.Mend != "" && !f.Hint
		}
		if !strings.Contains(said, want) || mend != bad {
			t.Errorf("%s: bad %t, said %q; want %t, %q", when, mend, said, bad, want)
		}
	}
	check("before the first start", url, "it is empty", false)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(queries ...string) {
		t.Helper()
		for _, q := range queries {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
	with := func(key, value string) string {
		u, err := neturl.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(key, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	stranger := "recallbot_check_" + strings.ToLower(rand.Text()[:8])
	others := with("user", stranger)
	do("CREATE ROLE " + stranger + " LOGIN")
	t.Cleanup(func() {
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.Exec("DROP OWNED BY " + stranger)
		if _, dropped := db.Exec("DROP ROLE " + stranger); err != nil || dropped != nil {
			t.Error(err, dropped)
		}
	})
	check("may not make tables", others, "the start makes tables, which this user may not", true)
	l, err := ledger.Open(t.Context(), url, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check("served before", url, "it can be read", false)
	do("GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + stranger)
	check("may only read", others, "this user may not write its tables", true)
	do("GRANT ALL ON ALL TABLES IN SCHEMA public TO "+stranger,
		"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "+stranger)
	check("has all rights", others, "it can be read", false)
	do("REVOKE DELETE ON counter FROM " + stranger)
	check("lacks one right", others, "this user may not write its tables", true)
	do("GRANT ALL ON counter, goose_db_version TO "+stranger, "GRANT CREATE ON SCHEMA public TO "+stranger,
		"DELETE FROM goose_db_version WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)")
	check("an older schema", url, "brings it up to date", false)
	check("an older schema of another owner", others, "belong to another user", true)
	check("a server that takes no writes", with("default_transaction_read_only", "on"), "it takes no writes", true)
	check("no such database", with("database", "recallbot_none"), "does not exist", true)
	do("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	check("too new", url, "newer", true)
}

// TestNone: the ledger of a program that stores nothing fails, and calls nobody.
func TestNone(t *testing.T) {
	called := func(bot.Tx) error { t.Error("called"); return nil }
	var none bot.Ledger = ledger.None{}
	for name, fn := range map[string]func(context.Context, func(bot.Tx) error) error{"Tx": none.Tx, "View": none.View} {
		if err := fn(t.Context(), called); err == nil {
			t.Errorf("%s succeeds", name)
		}
	}
}
