package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
)

// TestDiskFull: a full disk is an ordinary error, loses nothing that was stored, and is over when
// there is room again.
func TestDiskFull(t *testing.T) {
	l, err := Open(t.Context(), "sqlite::memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.write.Exec("PRAGMA max_page_count = 200"); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for err == nil {
		err = l.Tx(t.Context(),
			func(tx bot.Tx) error { return tx.PutSetting(fmt.Sprint(stored), strings.Repeat("x", 10_000)) })
		if err == nil {
			stored++
		}
	}
	if errors.Is(err, bot.ErrRule) || !strings.Contains(err.Error(), "full") {
		t.Errorf("got error %v", err)
	}
	if _, err := l.write.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	err = l.Tx(t.Context(), func(tx bot.Tx) error {
		for i := range stored {
			if v, err := tx.Setting(fmt.Sprint(i)); err != nil || len(v) != 10_000 {
				return fmt.Errorf("note %d: %d bytes, %w", i, len(v), err)
			}
		}
		return tx.PutSetting(fmt.Sprint(stored), "x")
	})
	if err != nil || stored == 0 {
		t.Errorf("after %d notes: %v", stored, err)
	}
}

// TestRenewWithoutWriting: where nobody else has the file, a lease is renewed also while nothing
// can be written.
func TestRenewWithoutWriting(t *testing.T) {
	l, err := Open(t.Context(), "sqlite::memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lease, err := l.Acquire(t.Context(), "app", "a", -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	err = l.Tx(t.Context(), func(bot.Tx) error { // the one connection that writes is taken
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return l.Renew(ctx, lease, time.Minute)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Acquire(t.Context(), "app", "b", time.Minute); !errors.Is(err, bot.ErrHeld) {
		t.Errorf("got error %v, want %v", err, bot.ErrHeld)
	}
}
