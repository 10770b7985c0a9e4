package ledger_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledger"
)

// TestCheck: no file is no fault, a file that can be read is well, one that cannot is told with
// what to do; nothing is made by looking.
func TestCheck(t *testing.T) {
	file := t.TempDir() + "/ledger.db"
	check := func(want string, mend, hint bool) {
		t.Helper()
		f := ledger.Check(t.Context(), "sqlite:"+file, nil)
		if len(f) != 1 || !strings.Contains(f[0].What, want) || (f[0].Mend != "") != mend || f[0].Hint != hint {
			t.Errorf("got %+v, want %q", f, want)
		}
	}
	check("there is none yet", true, true)
	if _, err := os.Stat(file); err == nil {
		t.Error("looking made a file")
	}
	if err := open(t, "sqlite:"+file).Close(); err != nil {
		t.Fatal(err)
	}
	check("it can be read", false, false)
	if err := os.WriteFile(file, []byte("no database, but long enough to be read as the header of one, and of 100 bytes or more"),
		0o600); err != nil {
		t.Fatal(err)
	}
	check("", true, true)
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
