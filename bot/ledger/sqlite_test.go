package ledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/ledger"
	"recallbot/recall"
)

// TestLock: one file, one serving process.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger #1?.db") // a name that a URI would misread
	l := open(t, "sqlite:"+file)
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
	if err := os.Symlink(file, filepath.Join(dir, "other.db")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(dir, "other.db")} {
		_, err := ledger.Open(t.Context(), "sqlite:"+name, ledger.Options{})
		if !errors.Is(err, ledger.ErrInUse) || !strings.Contains(err.Error(), file) ||
			!strings.Contains(err.Error(), "DATABASE_URL") {
			t.Errorf("%s: got error %v, want %v with the file and the mend", name, err, ledger.ErrInUse)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = closing(t, open(t, "sqlite:"+filepath.Join(dir, "other.db")))
	if got := note(t, l, "k"); got != "v" {
		t.Errorf("note %q after opening again", got)
	}
	for _, name := range []string{file, file + ".lock", file + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", name, info.Mode())
		}
	}
}

// TestLeaseAfterRestart: whoever has the file knows that who had a lease is dead, and need not wait
// until its time is up; but is told who it was.
func TestLeaseAfterRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, "sqlite:"+file)
	dead, err := l.Acquire(t.Context(), "app", "dead", time.Minute)
	if err := errors.Join(err, l.Close()); err != nil { // as a kill: nothing is released
		t.Fatal(err)
	}
	l = closing(t, open(t, "sqlite:"+file))
	lease, err := l.Acquire(t.Context(), "app", "next", time.Minute)
	if err != nil || lease.Prior != "dead" || lease.Epoch <= dead.Epoch {
		t.Errorf("lease %+v after %+v, %v", lease, dead, err)
	}
}

// TestClockSetBack: a lease is not held for the hour by which the clock was set back after it was
// taken, or renewed.
func TestClockSetBack(t *testing.T) {
	now := time.Now()
	l, err := ledger.Open(t.Context(), "sqlite::memory:", ledger.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, l)
	for _, name := range []string{"taken", "renewed"} {
		lease, err := l.Acquire(t.Context(), name, "a", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if name == "renewed" {
			if err := l.Renew(t.Context(), lease, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	}
	now = now.Add(-time.Hour)
	for _, name := range []string{"taken", "renewed"} {
		if lease, err := l.Acquire(t.Context(), name, "b", time.Minute); err != nil || lease.Prior != "a" {
			t.Errorf("%s before: lease %+v, %v", name, lease, err)
		}
	}
}

// TestReadBeside: the command line reads while a process serves, and writes nothing.
func TestReadBeside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	if _, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{ReadOnly: true}); !errors.Is(err,
		fs.ErrNotExist) {
		t.Fatalf("a file that is not there: got error %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("reading has made the file")
	}
	l := closing(t, open(t, "sqlite:"+file))
	reader, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, reader)
	for _, want := range []string{"one", "two"} {
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", want) })
		if got := note(t, reader, "k"); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	if err := reader.Tx(t.Context(), func(bot.Tx) error { return nil }); !errors.Is(err, ledger.ErrReadOnly) {
		t.Errorf("got error %v, want %v", err, ledger.ErrReadOnly)
	}
	if err := reader.View(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "three") }); err == nil {
		t.Error("a reader has written")
	}
}

// TestBackup: a copy that is complete, opens by itself, and never replaces a file.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	l := closing(t, open(t, "sqlite:"+filepath.Join(dir, "ledger.db")))
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
	reader, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(dir, "ledger.db"), ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, reader)
	for name, l := range map[string]*ledger.Ledger{"served.db": l, "beside.db": reader} {
		file := filepath.Join(dir, name)
		if err := l.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		if err := l.Backup(t.Context(), file); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second backup: got error %v, want %v", err, fs.ErrExist)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the copy is open to others: %v", info.Mode())
		}
		if got := note(t, closing(t, open(t, "sqlite:"+file)), "k"); got != "v" {
			t.Errorf("the copy has note %q", got)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, file := range []string{filepath.Join(dir, "cancelled.db"), filepath.Join(dir, "nowhere", "copy.db")} {
		if err := l.Backup(cancelled, file); err == nil {
			t.Errorf("backup to %s succeeded", file)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*partial*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCopies: a copy is told from the ledger itself, however it was made and wherever it was put;
// and a ledger that stayed where it was is not taken for one.
func TestCopies(t *testing.T) {
	write := func(t *testing.T, file string, value string) {
		l := open(t, "sqlite:"+file)
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", value) })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copied := func(t *testing.T, from, to string) {
		body, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		do   func(t *testing.T, dir, file string) string // returns the file to be served
		copy bool
	}{
		"started again": {func(t *testing.T, dir, file string) string { return file }, false},
		"killed before the count was told": {func(t *testing.T, dir, file string) string {
			copied(t, file+".lock", dir+"/lock")
			write(t, file, "newer")
			text, err := os.ReadFile(dir + "/lock")
			if err != nil {
				t.Fatal(err)
			}
			lock, err := os.OpenFile(file+".lock", os.O_RDWR, 0) // the same file, with what it said before
			if err == nil {
				_, err = lock.WriteAt(text, 0)
			}
			if err := errors.Join(err, lock.Close()); err != nil {
				t.Fatal(err)
			}
			return file
		}, false},
		"of a program that kept no count": {func(t *testing.T, dir, file string) string {
			db, err := sql.Open("sqlite", "file:"+file)
			if err == nil {
				_, err = db.Exec("UPDATE counter SET n = 0 WHERE name = 'writer'")
			}
			if err := errors.Join(err, db.Close(), os.Truncate(file+".lock", 0)); err != nil {
				t.Fatal(err)
			}
			return file
		}, false},
		"backup, elsewhere": {func(t *testing.T, dir, file string) string {
			l := open(t, "sqlite:"+file)
			err := errors.Join(l.Backup(t.Context(), dir+"/copy.db"), l.Close())
			if err != nil {
				t.Fatal(err)
			}
			return dir + "/copy.db"
		}, true},
		"copied, elsewhere": {func(t *testing.T, dir, file string) string {
			copied(t, file, dir+"/copy.db")
			return dir + "/copy.db"
		}, true},
		"copied with its lock, elsewhere": {func(t *testing.T, dir, file string) string {
			copied(t, file, dir+"/copy.db")
			copied(t, file+".lock", dir+"/copy.db.lock")
			return dir + "/copy.db"
		}, true},
		"copied, and put back where it was": {func(t *testing.T, dir, file string) string {
			copied(t, file, dir+"/copy.db")
			write(t, file, "newer")
			copied(t, dir+"/copy.db", file)
			return file
		}, true},
		"copied with its lock, and both put back": {func(t *testing.T, dir, file string) string {
			copied(t, file, dir+"/copy.db")
			copied(t, file+".lock", dir+"/copy.db.lock")
			write(t, file, "newer")
			if err := errors.Join(os.Rename(dir+"/copy.db", file),
				os.Rename(dir+"/copy.db.lock", file+".lock")); err != nil {
				t.Fatal(err)
			}
			return file
		}, true},
		"served elsewhere, and an older copy of that put where it was": {func(t *testing.T, dir, file string) string {
			copied(t, file, dir+"/other.db")
			l := open(t, "sqlite:"+dir+"/other.db")
			for _, value := range []string{"newer", ""} { // as a bot does that has taken note
				do(t, l, func(tx bot.Tx) error { return tx.PutSetting(bot.SettingCopy, value) })
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			copied(t, dir+"/other.db", dir+"/copy.db")
			write(t, dir+"/other.db", "newest")
			copied(t, dir+"/copy.db", file)
			return file
		}, true},
		"with a lock that says nothing": {func(t *testing.T, dir, file string) string {
			if err := os.Truncate(file+".lock", 0); err != nil {
				t.Fatal(err)
			}
			return file
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/ledger.db", "older")
			file := test.do(t, dir, dir+"/ledger.db")
			for _, round := range []string{"first", "second"} {
				l := open(t, "sqlite:"+file)
				err := l.View(t.Context(), func(tx bot.Tx) error {
					found, err := tx.Setting(bot.SettingCopy)
					if (found != "") != test.copy {
						t.Errorf("at the %s start: taken for a copy: %q", round, found)
					}
					return err
				})
				if err := errors.Join(err, l.Close()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// found returns in which files of the folder there is the text.
func found(t *testing.T, dir, text string) (in []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(text)) {
			in = append(in, f.Name())
		}
	}
	return in
}

const secret = "nobody should read this again"

// sayings is a request whose 200 messages all say secret.
func sayings(tx bot.Tx, id bot.RequestID, key string) error {
	if err := tx.AddRequest(bot.Request{ID: id, State: bot.Preparing, By: bot.Actor{Person: "mina"}}); err != nil {
		return err
	}
	var messages []bot.Message
	for i := range 200 {
		messages = append(messages, bot.Message{Seq: recall.Seq(i + 1), Status: bot.SealNormal,
			Evidence: fmt.Sprint(secret, i)})
	}
	return errors.Join(tx.PutEvidenceKey(id, []byte(key)), tx.AddMessages(id, messages))
}

func forget(tx bot.Tx) error { _, err := tx.ForgetEvidence("R", 1000); return err }

// TestForgottenOnDisk: text that was forgotten is in none of the ledger's files.
func TestForgottenOnDisk(t *testing.T) {
	dir := t.TempDir()
	// as JSON has it
	const key, encoded = "an HMAC key of thirty-two bytes!", "YW4gSE1BQyBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyE="
	synctest.Test(t, func(t *testing.T) {
		l := closing(t, open(t, "sqlite:"+filepath.Join(dir, "ledger.db")))
		do(t, l, func(tx bot.Tx) error { return sayings(tx, "R", key) })
		if len(found(t, dir, secret)) == 0 || len(found(t, dir, encoded)) == 0 {
			t.Fatal("the text is not on disk at all")
		}
		do(t, l, forget)
		synctest.Wait()
		if in := append(found(t, dir, secret), found(t, dir, encoded)...); len(in) > 0 {
			t.Errorf("still in %v", in)
		}

		// What was never sealed goes in whole parts.
		do(t, l, func(tx bot.Tx) error { return sayings(tx, "R-2", key) })
		if len(found(t, dir, secret)) == 0 {
			t.Fatal("the text is not on disk at all")
		}
		do(t, l, func(tx bot.Tx) error { _, err := tx.DropMessages("R-2", 200); return err })
		synctest.Wait()
		if in := found(t, dir, secret); len(in) > 0 {
			t.Errorf("what was never sealed is still in %v", in)
		}
	})
}

// TestForgottenBesideReader: text that is forgotten while somebody reads, as an export or a backup
// does for minutes, is gone when they have ended, also where the bot has ended meanwhile, however
// it did. Until then nobody waits.
func TestForgottenBesideReader(t *testing.T) {
	// returns where the ledger is
	for name, end := range map[string]func(t *testing.T, l *ledger.Ledger, dir string) string{
		"served on": func(t *testing.T, l *ledger.Ledger, dir string) string {
			closing(t, l)
			return dir
		},
		"ended": func(t *testing.T, l *ledger.Ledger, dir string) string {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return dir
		},
		"killed": func(t *testing.T, l *ledger.Ledger, dir string) string { // elsewhere, the files as they are
			closing(t, l)
			to := t.TempDir()
			for _, file := range []string{"ledger.db", "ledger.db-wal"} {
				b, err := os.ReadFile(filepath.Join(dir, file))
				if err == nil {
					err = os.WriteFile(filepath.Join(to, file), b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			return to
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				var said bytes.Buffer
				l, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(dir, "ledger.db"),
					ledger.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
				if err != nil {
					t.Fatal(err)
				}
				do(t, l, func(tx bot.Tx) error { return sayings(tx, "R", "key") })
				reader, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(dir, "ledger.db"),
					ledger.Options{ReadOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				var reading sync.WaitGroup
				stop := make(chan struct{})
				reading.Go(func() {
					err := reader.View(t.Context(), func(tx bot.Tx) error {
						_, _, err := tx.Head()
						<-stop
						return err
					})
					if err := errors.Join(err, reader.Close()); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()

				for i := range 50 {
					before := time.Now()
					if i == 0 {
						do(t, l, forget)
					}
					do(t, l, func(tx bot.Tx) error { return tx.PutSetting("pressed", "approve") })
					if took := time.Since(before); took > time.Second {
						t.Errorf("a press waited for %v", took)
					}
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(10 * time.Minute)
				if n := strings.Count(said.String(), "level=WARN"); n != 1 || !strings.Contains(said.String(),
					"somebody reads") {
					t.Errorf("%d warnings:\n%s", n, said.String())
				}
				if len(found(t, dir, secret)) == 0 {
					t.Error("the reader is not in the way: this shows nothing")
				}
				in := end(t, l, dir)
				if name != "served on" {
					if len(found(t, in, secret)) == 0 {
						t.Error("the text went with the end: this shows nothing")
					}
					l = closing(t, open(t, "sqlite:"+filepath.Join(in, "ledger.db")))
				}
				close(stop)
				reading.Wait()
				time.Sleep(2 * time.Second)
				if left := found(t, in, secret); len(left) > 0 {
					t.Errorf("the reader has ended, and the text is still in %v", left)
				}
				if got := note(t, l, "pressed"); got != "approve" {
					t.Errorf("note %q", got)
				}
			})
		})
	}
}

// TestBubble: the ledger lives and ends inside a bubble of fake time, whose clock is then the
// ledger's.
func TestBubble(t *testing.T) {
	for _, databaseURL := range []string{"sqlite::memory:", "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")} {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, databaseURL)
			woken, cancel := l.Subscribe(bot.WakeTimer)
			var first, second time.Time
			do(t, l, func(tx bot.Tx) error {
				first = tx.Now()
				return tx.PutSetting("k", "v")
			})
			go func() {
				time.Sleep(72 * time.Hour)
				do(t, l, func(tx bot.Tx) error {
					second = tx.Now()
					tx.Wake(bot.WakeTimer)
					return nil
				})
			}()
			<-woken
			if d := second.Sub(first); d != 72*time.Hour {
				t.Errorf("the ledger's clock went %v", d)
			}
			cancel()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKilled: what a transaction has committed is there after kill -9, what it has not is not, and
// the lock is free.
func TestKilled(t *testing.T) {
	const file = "RECALLBOT_TEST_KILLED_FILE"
	if path := os.Getenv(file); path != "" { // this is the process to be killed
		l := open(t, "sqlite:"+path)
		for i := 1; ; i++ {
			do(t, l, func(tx bot.Tx) error {
				if err := tx.PutSetting("committed", fmt.Sprint(i)); err != nil {
					return err
				}
				if i == 100 {
					fmt.Println("ready")
					<-t.Context().Done() // never: killed in the middle of a transaction
				}
				return nil
			})
		}
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), file+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is ready
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), "sqlite:"+path, ledger.Options{}); !errors.Is(err, ledger.ErrInUse) {
		t.Errorf("while the other process lives: got error %v, want %v", err, ledger.ErrInUse)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	reader, err := ledger.Open(t.Context(), "sqlite:"+path, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := note(t, closing(t, reader), "committed"); got != "99" {
		t.Errorf("a reader finds %q, want 99", got)
	}
	if got := note(t, closing(t, open(t, "sqlite:"+path)), "committed"); got != "99" {
		t.Errorf("after the kill there is %q, want 99", got)
	}
}

// TestTemporary: nothing is left of a ledger in memory.
func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l := open(t, "sqlite::memory:")
	do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPhraseForgottenOnDisk: the phrase of a filter, and answers that quote it, are in none of the
// ledger's files once they are forgotten.
func TestPhraseForgottenOnDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := closing(t, open(t, "sqlite:"+filepath.Join(dir, "ledger.db")))
		r := bot.Request{ID: "R", State: bot.Preparing, By: bot.Actor{Person: "mina"},
			Scope: command.Scope{Filter: command.Filter{Text: secret}}}
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		r.Scope.Filter.Text = command.Withheld
		if len(found(t, dir, secret)) == 0 {
			t.Fatal("the phrase is not on disk at all")
		}
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		synctest.Wait()
		if in := found(t, dir, secret); len(in) > 0 {
			t.Errorf("the phrase is still in %v", in)
		}
		do(t, l, func(tx bot.Tx) error {
			if _, err := tx.AddEvent(bot.StoredEvent{ID: "e", Platform: "slack",
				Body: []byte(`"` + secret + `"`)}); err != nil {
				return err
			}
			return tx.CloseEvent("e", []byte(`"`+secret+`"`))
		})
		if len(found(t, dir, secret)) == 0 {
			t.Fatal("the answer is not on disk at all")
		}
		do(t, l, func(tx bot.Tx) error { _, err := tx.ForgetEvents(tx.Now().Add(time.Hour)); return err })
		synctest.Wait()
		if in := found(t, dir, secret); len(in) > 0 {
			t.Errorf("the answer is still in %v", in)
		}
	})
}
