package ledger_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
)

// TestDiskReallyFull keeps a ledger on a file system that has no byte left. What it says it has
// stored is stored, also in the eyes of whoever opens the files as a kill would leave them; the
// rest is refused; no lease ends by it; and when there is room again it goes on.
func TestDiskReallyFull(t *testing.T) {
	ledgertest.SmallDisk(t, 8<<20, func(t *testing.T, dir string) {
		file := filepath.Join(dir, "ledger.db")
		l := closing(t, open(t, "sqlite:"+file))
		lease, err := l.Acquire(t.Context(), "app", "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string]int{} // bytes of each note
		put := func(size int) error {
			key := fmt.Sprint("note ", len(stored))
			err := l.Tx(t.Context(), func(tx bot.Tx) error {
				if _, err := tx.Append(bot.Entry{Actor: "bot", What: "filled"}); err != nil {
					return err
				}
				return tx.PutSetting(key, strings.Repeat("x", size))
			})
			if err == nil {
				stored[key] = size
			}
			return err
		}
		refused := func(err error) {
			t.Helper()
			if err == nil || errors.Is(err, bot.ErrRule) || !strings.Contains(err.Error(), "full") {
				t.Errorf("got error %v, want one that the disk is full", err)
			}
		}
		for range 100 {
			if err := put(1000); err != nil {
				t.Fatal(err)
			}
		}
		free := ledgertest.Fill(t, dir)
		had := len(stored)
		for _, size := range []int{100_000, 10_000, 1000, 10} { // files have room that they do not use yet
			for err = put(size); err == nil; err = put(size) {
				if len(stored) > 10_000 {
					t.Fatal("the disk is not full")
				}
			}
			refused(err)
		}
		refused(put(4 << 20)) // more than is kept in memory before the end of a transaction
		if err := l.Renew(t.Context(), lease, time.Minute); err != nil {
			t.Errorf("a lease is lost: %v", err)
		}
		refused(l.Backup(t.Context(), filepath.Join(dir, "copy.db")))
		if left, err := filepath.Glob(filepath.Join(dir, "copy*")); err != nil || len(left) > 0 {
			t.Errorf("left of a backup: %v, %v", left, err)
		}
		holds := func(l *ledger.Ledger) {
			t.Helper()
			var v bot.Verifier
			err := l.View(t.Context(), func(tx bot.Tx) error {
				for key, size := range stored {
					if value, err := tx.Setting(key); err != nil || len(value) != size {
						return fmt.Errorf("%s: %d bytes, want %d: %w", key, len(value), size, err)
					}
				}
				if next, err := tx.Setting(fmt.Sprint("note ", len(stored))); err != nil || next != "" {
					return fmt.Errorf("what was refused is there: %d bytes, %w", len(next), err)
				}
				entries, err := tx.Entries(1, 1_000_000)
				if err != nil || len(entries) != len(stored) {
					return fmt.Errorf("%d audit entries of %d transactions: %w", len(entries), len(stored), err)
				}
				for _, e := range entries {
					if err := v.Next(e); err != nil {
						return err
					}
				}
				return v.End()
			})
			if err != nil {
				t.Error(err)
			}
		}
		holds(l)
		copied := t.TempDir() // elsewhere, the files as they are: as after a kill
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(file + suffix)
			if err == nil {
				err = os.WriteFile(filepath.Join(copied, "ledger.db"+suffix), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		killed := open(t, "sqlite:"+filepath.Join(copied, "ledger.db"))
		holds(killed)
		if err := killed.Close(); err != nil {
			t.Error(err)
		}
		whole(t, filepath.Join(copied, "ledger.db"))

		t.Logf("%d transactions before the disk was full, %d after", had, len(stored)-had)
		free()
		if err := put(1_000_000); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		holds(l)
		if _, err := l.Acquire(t.Context(), "app", "b", time.Minute); !errors.Is(err, bot.ErrHeld) {
			t.Errorf("got error %v, want %v", err, bot.ErrHeld)
		}
		whole(t, file)
	})
}

// whole lets SQLite check a file.
func whole(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var said string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity of %s: %s, %v", file, said, err)
	}
}
