package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"recallbot/bot"
)

// TestStatements: queries are kept compiled once their transaction has ended, however it ended; not
// without bound; and what is kept runs in later transactions.
func TestStatements(t *testing.T) {
	l, err := Open(t.Context(), "sqlite::memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	undone := errors.New("undone")
	for range 3 {
		err := l.tx(t.Context(), func(t *tx) error {
			if err := t.PutSetting("k", "lost"); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
	}
	kept := len(l.written.kept)
	if kept == 0 {
		t.Fatal("a transaction that was undone left nothing compiled")
	}
	for n := range 3 {
		if err := l.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", fmt.Sprint(n)) }); err != nil {
			t.Fatal(err)
		}
		err := l.View(t.Context(), func(tx bot.Tx) error {
			got, err := tx.Setting("k")
			if err == nil && got != fmt.Sprint(n) {
				t.Errorf("read %q, want %d", got, n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := len(l.written.kept); got != kept+1 { // and what counts the transactions that are committed
		t.Errorf("%d statements are kept of the same queries, want %d", got, kept+1)
	}
	if len(l.looked.kept) == 0 {
		t.Error("no query of a view is kept")
	}
	for i := range 2 * keptMost {
		err := l.tx(t.Context(), func(t *tx) error {
			var got int
			err := t.get("count", fmt.Sprintf("SELECT %d", i), nil, &got)
			if err == nil && got != i {
				err = fmt.Errorf("query %d returned %d", i, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := len(l.written.kept); got != keptMost {
		t.Errorf("%d statements are kept, want %d at most", got, keptMost)
	}
}

// TestLimits: no query has a bare variable as its LIMIT, for which SQLite would compile it anew
// each time.
func TestLimits(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(body), "\n") {
			for _, after := range strings.Split(line, "LIMIT $")[1:] {
				if found++; !regexp.MustCompile(`^\d+ \+ 0`).MatchString(after) {
					t.Errorf("%s:%d: %s", file, n+1, strings.TrimSpace(line))
				}
			}
		}
	}
	if found == 0 {
		t.Error("no LIMIT was found: this tests nothing")
	}
}
