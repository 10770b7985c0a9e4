package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledger"

	"golang.org/x/sys/unix"
)

// TestTakenAway: a ledger whose file or lock file is taken away or replaced takes nothing more,
// whatever is put back; and when it ends it leaves alone what another process has under the same
// names by then.
func TestTakenAway(t *testing.T) {
	replace := func(t *testing.T, file string, with func(file string) error) {
		err := os.Rename(file, file+".old")
		if err == nil && with != nil {
			err = with(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copied := func(file string) error {
		b, err := os.ReadFile(file + ".old")
		if err == nil {
			err = os.WriteFile(file, b, 0o600)
		}
		return err
	}
	for name, take := range map[string]func(t *testing.T, dir, file string){
		"file renamed":  func(t *testing.T, dir, file string) { replace(t, file, nil) },
		"file replaced": func(t *testing.T, dir, file string) { replace(t, file, copied) },
		"lock renamed":  func(t *testing.T, dir, file string) { replace(t, file+".lock", nil) },
		"lock replaced": func(t *testing.T, dir, file string) { replace(t, file+".lock", copied) },
		"lock become a link": func(t *testing.T, dir, file string) {
			replace(t, file+".lock", func(f string) error { return os.Symlink(f+".old", f) })
		},
		"folder renamed": func(t *testing.T, dir, file string) { replace(t, filepath.Dir(file), nil) },
		"folder become a file": func(t *testing.T, dir, file string) {
			replace(t, filepath.Dir(file), func(f string) error { return os.WriteFile(f, nil, 0o600) })
		},
		"link led elsewhere": func(t *testing.T, dir, file string) {
			if err := errors.Join(os.WriteFile(dir+"/another.db", nil, 0o600), os.Remove(dir+"/link.db"),
				os.Symlink(dir+"/another.db", dir+"/link.db")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := dir + "/data/ledger.db"
			if err := errors.Join(os.Mkdir(dir+"/data", 0o700), os.WriteFile(file, nil, 0o600),
				os.Symlink(file, dir+"/link.db")); err != nil {
				t.Fatal(err)
			}
			l := open(t, "sqlite:"+dir+"/link.db")
			do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
			if err := l.Alive().Err(); err != nil {
				t.Fatal(err)
			}
			take(t, dir, file)
			over := func() {
				t.Helper()
				never := func(bot.Tx) error { t.Error("a transaction was run"); return nil }
				_, acquired := l.Acquire(t.Context(), "app", "a", 0)
				for i, err := range []error{l.View(t.Context(), never), l.Tx(t.Context(), never), acquired,
					context.Cause(l.Alive())} {
					if !errors.Is(err, bot.ErrEnded) || !errors.Is(err, ledger.ErrReplaced) ||
						!strings.Contains(err.Error(), dir) {
						t.Errorf("%d: got error %v, want %v", i, err, ledger.ErrReplaced)
					}
				}
			}
			over()
			for _, of := range []string{file, file + ".lock", filepath.Dir(file)} { // as it was
				if _, err := os.Lstat(of + ".old"); err == nil {
					if err := errors.Join(os.RemoveAll(of), os.Rename(of+".old", of)); err != nil {
						t.Fatal(err)
					}
				}
			}
			over()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := note(t, closing(t, open(t, "sqlite:"+file)), "k"); got != "v" {
				t.Errorf("note %q", got)
			}
		})
	}

	t.Run("all replaced, and served", func(t *testing.T) {
		file := t.TempDir() + "/ledger.db"
		l := open(t, "sqlite:"+file)
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "old") })
		for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
			if err := os.Remove(file + suffix); err != nil {
				t.Fatal(err)
			}
		}
		next := closing(t, open(t, "sqlite:"+file))
		do(t, next, func(tx bot.Tx) error { return tx.PutSetting("k", "new") })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		to := t.TempDir() + "/killed.db" // as a kill would leave it
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(file + suffix)
			if err == nil {
				err = os.WriteFile(to+suffix, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := note(t, closing(t, open(t, "sqlite:"+to)), "k"); got != "new" {
			t.Errorf("note %q", got)
		}
	})
}

// TestLinksRefused: no link stands for a file of the ledger, but that the database's own name may
// be a symbolic one.
func TestLinksRefused(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(dir, file string) error
		want error
	}{
		"symbolic link for a lock": {func(dir, file string) error { return os.Symlink(dir+"/other", file+".lock") },
			ledger.ErrLink},
		"symbolic link to a file for a lock": {func(dir, file string) error {
			return errors.Join(os.WriteFile(dir+"/is", nil, 0o600), os.Symlink(dir+"/is", file+".lock"))
		}, ledger.ErrLink},
		"hard link for a lock": {func(dir, file string) error {
			return errors.Join(os.WriteFile(dir+"/is", nil, 0o600), os.Link(dir+"/is", file+".lock"))
		}, ledger.ErrLink},
		"pipe for a lock": {func(dir,
			file string) error {
			return unix.Mkfifo(file+".lock", 0o600)
		}, nil},
		"symbolic link for a write-ahead log": {func(dir,
			file string) error {
			return os.Symlink(dir+"/other", file+"-wal")
		}, ledger.ErrLink},
		"hard link for a shared memory": {func(dir, file string) error {
			return errors.Join(os.WriteFile(dir+"/is", nil, 0o600), os.Link(dir+"/is", file+"-shm"))
		}, ledger.ErrLink},
		"hard link for the database": {func(dir, file string) error {
			return errors.Join(os.WriteFile(dir+"/is", nil, 0o600), os.Link(dir+"/is", file))
		}, ledger.ErrLink},
		"pipe for the database":   {func(dir, file string) error { return unix.Mkfifo(file, 0o600) }, nil},
		"folder for the database": {func(dir, file string) error { return os.Mkdir(file, 0o700) }, nil},
		"symbolic link that leads to a device": {func(dir, file string) error { return os.Symlink("/dev/null", file) },
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := dir + "/ledger.db"
			if err := test.do(dir, file); err != nil {
				t.Fatal(err)
			}
			l, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{})
			if err == nil || test.want != nil && (!errors.Is(err, test.want) ||
				!strings.Contains(err.Error(), "remove")) {
				t.Errorf("got %v and error %v, want %v with the mend", l, err, test.want)
			}
			if _, err := os.Stat(dir + "/other"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the link leads to was made: %v", err)
			}
		})
	}
	if _, err := os.Lstat("/dev/null.lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lock was made for a device: %v", err)
	}
}

// TestLinkedWhileServed: a hard link that is made while the file is served is told once; the
// process goes on, and the next one does not begin.
func TestLinkedWhileServed(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	l, err := ledger.Open(t.Context(), "sqlite:"+dir+"/ledger.db",
		ledger.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(dir+"/ledger.db", dir+"/link.db"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
	}
	if n := strings.Count(said.String(), "hard link"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &said)
	}
	if found := l.Check(); len(found) != 1 || found[0].Hint || !strings.Contains(found[0].What, "hard link") {
		t.Errorf("check tells %+v", found)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), "sqlite:"+dir+"/ledger.db", ledger.Options{}); !errors.Is(err,
		ledger.ErrLink) {
		t.Errorf("got error %v, want %v", err, ledger.ErrLink)
	}
	if err := os.Remove(dir + "/link.db"); err != nil {
		t.Fatal(err)
	}
	closing(t, open(t, "sqlite:"+dir+"/ledger.db"))
}

// TestExposed: a file that others may read is told; what SQLite keeps beside it is for nobody else,
// also where SQLite gives it the file's mode once more.
func TestExposed(t *testing.T) {
	file := t.TempDir() + "/ledger.db"
	if err := open(t, "sqlite:"+file).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	l, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, l)
	if !strings.Contains(said.String(), "others can read or write "+file+" (mode 0644)") ||
		!strings.Contains(said.String(), "chmod 600") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("serve tells:\n%s", &said)
	}
	hidden := func(when string) {
		t.Helper()
		for _, suffix := range []string{"-wal", "-shm", ".lock"} {
			if is, err := os.Stat(file + suffix); err != nil || is.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has %v, %v", when, suffix, is.Mode(), err)
			}
		}
	}
	hidden("at the start")
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	another, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	if err := another.QueryRow("SELECT COUNT(*) FROM note").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(file + "-wal"); err != nil || is.Mode().Perm() != 0o644 {
		t.Fatalf("SQLite left it as it was, so this shows nothing: %v, %v", is.Mode(), err)
	}
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
	hidden("after a write")

	reader, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, reader)
	// the log may have been emptied meanwhile: SQLite then gave it the mode of the database again
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "w") })
	found := reader.Check()
	if len(found) != 1 || !found[0].Hint || found[0].Mend != "chmod 600 "+file {
		t.Errorf("check tells %+v", found)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if found := reader.Check(); len(found) > 0 {
		t.Errorf("check tells %+v", found)
	}
}

// TestBackupTarget: no copy takes the place of what belongs to a ledger.
func TestBackupTarget(t *testing.T) {
	dir := t.TempDir()
	l := closing(t, open(t, "sqlite:"+dir+"/ledger.db"))
	if err := os.Symlink(dir+"/nowhere", dir+"/dangling.db"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/other.db", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ledger.db", "ledger.db-wal", "ledger.db-journal", "other.db-wal", "other.db-shm",
		"other.db-journal", "other.db.lock", "dangling.db"} {
		was, _ := os.Lstat(dir + "/" + name)
		if err := l.Backup(t.Context(), dir+"/"+name); err == nil {
			t.Errorf("a backup was written to %s", name)
		}
		if is, _ := os.Lstat(dir + "/" + name); (was == nil) != (is == nil) || is != nil && !os.SameFile(was, is) {
			t.Errorf("%s is another file", name)
		}
	}
}
