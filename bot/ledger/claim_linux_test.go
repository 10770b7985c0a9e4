package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"

	"golang.org/x/sys/unix"
)

// openedElsewhere is the file that a process of its own opens, and how; it prints what comes of it.
const openedElsewhere, readElsewhere = "RECALLBOT_TEST_OPEN", "RECALLBOT_TEST_READ"

// elsewhere opens a ledger in another process, and returns what was printed there: "opened", or the
// error.
func elsewhere(t *testing.T, how, file string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	cmd.Env = append(os.Environ(), how+"="+file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said, _, _ := strings.Cut(string(out), "\n")
	return said
}

// isElsewhere is called first in a test that calls elsewhere, and reports whether this is the
// process that only opens.
func isElsewhere(t *testing.T) bool {
	for how, readOnly := range map[string]bool{openedElsewhere: false, readElsewhere: true} {
		file := os.Getenv(how)
		if file == "" {
			continue
		}
		l, err := ledger.Open(t.Context(), "sqlite:"+file,
			ledger.Options{ReadOnly: readOnly, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			fmt.Println(err)
			return true
		}
		fmt.Println("opened")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		return true
	}
	return false
}

// TestOneFile: whatever name a second process comes by, and whatever became of the lock file, it
// does not serve the file that is served; and this process does not either.
func TestOneFile(t *testing.T) {
	if isElsewhere(t) {
		return
	}
	ledgertest.SmallDisk(t, 64<<20, func(t *testing.T, disk string) {
		bind := func(t *testing.T, from, to string) {
			if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(to, unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
		}
		empty := func(t *testing.T, file string) {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for i, test := range []struct {
			name string
			do   func(t *testing.T, dir, file string) string // returns the other name
			want error
			over bool // the first can tell, and takes nothing more
		}{
			{"the same name", func(t *testing.T, dir, file string) string { return file }, ledger.ErrInUse, false},
			{"a symbolic link", func(t *testing.T, dir, file string) string {
				if err := os.Symlink(file, dir+"/other.db"); err != nil {
					t.Fatal(err)
				}
				return dir + "/other.db"
			}, ledger.ErrInUse, false},
			{"a symbolic link to the folder", func(t *testing.T, dir, file string) string {
				if err := os.Symlink(filepath.Dir(file), dir+"/other"); err != nil {
					t.Fatal(err)
				}
				return dir + "/other/ledger.db"
			}, ledger.ErrInUse, false},
			{"a hard link", func(t *testing.T, dir, file string) string {
				if err := os.Link(file, dir+"/other.db"); err != nil {
					t.Fatal(err)
				}
				return dir + "/other.db"
			}, ledger.ErrLink, false},
			{"the folder copied with hard links", func(t *testing.T, dir, file string) string {
				if out, err := exec.Command("cp", "-al", filepath.Dir(file),
					dir+"/other").CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if err := os.Remove(dir + "/other/ledger.db.lock"); err != nil { // which is a link to the first's
					t.Fatal(err)
				}
				return dir + "/other/ledger.db"
			}, ledger.ErrLink, false},
			{"a bind mount of the file", func(t *testing.T, dir, file string) string {
				empty(t, dir+"/other.db")
				bind(t, file, dir+"/other.db")
				return dir + "/other.db"
			}, ledger.ErrInUse, false},
			{"a bind mount of the folder", func(t *testing.T, dir, file string) string {
				if err := os.Mkdir(dir+"/other", 0o700); err != nil {
					t.Fatal(err)
				}
				bind(t, filepath.Dir(file), dir+"/other")
				return dir + "/other/ledger.db"
			}, ledger.ErrInUse, false},
			{"another lock file mounted over the first's", func(t *testing.T, dir, file string) string {
				empty(t, dir+"/lock")
				bind(t, dir+"/lock", file+".lock")
				return file
			}, ledger.ErrInUse, true},
			{"the lock file removed", func(t *testing.T, dir, file string) string {
				if err := os.Remove(file + ".lock"); err != nil {
					t.Fatal(err)
				}
				return file
			}, ledger.ErrInUse, true},
			{"the lock file renamed", func(t *testing.T, dir, file string) string {
				if err := os.Rename(file+".lock", file+".old"); err != nil {
					t.Fatal(err)
				}
				return file
			}, ledger.ErrInUse, true},
			{"another lock file", func(t *testing.T, dir, file string) string {
				empty(t, file+".new")
				if err := os.Rename(file+".new", file+".lock"); err != nil {
					t.Fatal(err)
				}
				return file
			}, ledger.ErrInUse, true},
		} {
			t.Run(test.name, func(t *testing.T) {
				dir := fmt.Sprint(disk, "/", i)
				file := dir + "/data/ledger.db"
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				first := open(t, "sqlite:"+file)
				do(t, first, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
				other := test.do(t, dir, file)
				locked := sqliteLocks(t, file)
				if said := elsewhere(t, openedElsewhere, other); !strings.Contains(said, test.want.Error()) {
					t.Errorf("another process: %s, want %v", said, test.want)
				}
				if _, err := ledger.Open(t.Context(), "sqlite:"+other, ledger.Options{}); !errors.Is(err, test.want) {
					t.Errorf("this process: got error %v, want %v", err, test.want)
				}
				if now := sqliteLocks(t, file); !locked || !now {
					t.Errorf("SQLite had a lock on the file: %v; it has one: %v", locked, now)
				}
				err := first.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "after") })
				if errors.Is(err, ledger.ErrReplaced) != test.over || !test.over && err != nil {
					t.Errorf("the first: %v; over: %v", err, test.over)
				}
				if err := first.Close(); err != nil {
					t.Fatal(err)
				}
				if said := elsewhere(t, openedElsewhere, file); test.want == ledger.ErrLink != strings.Contains(said,
					ledger.ErrLink.Error()) || test.want != ledger.ErrLink && said != "opened" {
					t.Errorf("afterwards: %s", said)
				}
			})
		}
	})
}

// sqliteLocks reports whether SQLite has a lock on a file in this process. The kernel's list is
// read in parts, and can lack one while others come and go, so it is read several times before the
// answer is no.
func sqliteLocks(t *testing.T, file string) bool {
	t.Helper()
	var is unix.Stat_t
	if err := unix.Stat(file, &is); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(" %d %02x:%02x:%d ", os.Getpid(), unix.Major(is.Dev), unix.Minor(is.Dev), is.Ino)
	for range 100 {
		all, err := os.ReadFile("/proc/locks")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(all)) {
			if strings.Contains(line, " POSIX ") && strings.Contains(line, want) {
				return true
			}
		}
	}
	return false
}

// TestReadByAnotherName: who reads a file beside the process that serves it, by another name, would
// miss what stands in the write-ahead log; that is refused.
func TestReadByAnotherName(t *testing.T) {
	if isElsewhere(t) {
		return
	}
	ledgertest.SmallDisk(t, 64<<20, func(t *testing.T, disk string) {
		file := disk + "/ledger.db"
		l := open(t, "sqlite:"+file)
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
		if err := errors.Join(os.WriteFile(disk+"/mounted.db", nil, 0o600), unix.Mount(file, disk+"/mounted.db", "",
			unix.MS_BIND, ""),
			os.Symlink(file, disk+"/symbolic.db"), os.Mkdir(disk+"/other", 0o700),
			os.Link(file, disk+"/other/linked.db")); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"ledger.db": "opened", "symbolic.db": "opened", "mounted.db": ledger.ErrInUse.Error(),
			"other/linked.db": ledger.ErrInUse.Error()}
		for name, want := range want {
			if said := elsewhere(t, readElsewhere, disk+"/"+name); !strings.Contains(said, want) {
				t.Errorf("another process reads %s: %s, want %s", name, said, want)
			}
			here, err := ledger.Open(t.Context(), "sqlite:"+disk+"/"+name, ledger.Options{ReadOnly: true})
			if (err == nil) != (want == "opened") || err != nil && !errors.Is(err, ledger.ErrInUse) {
				t.Errorf("this process reads %s: %v, want %s", name, err, want)
			}
			if err == nil {
				closing(t, here)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for name := range want { // nobody serves it
			if said := elsewhere(t, readElsewhere, disk+"/"+name); said != "opened" {
				t.Errorf("afterwards %s: %s", name, said)
			}
		}
		if err := unix.Unmount(disk+"/mounted.db", unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
