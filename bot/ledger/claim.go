package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"recallbot/bot"

	"golang.org/x/sys/unix"
)

// claim makes this process the only one that serves an SQLite file. It ends with the process,
// however that ends.
//
// Both the lock file beside the database and the database file itself are locked: by a hard link, a
// bind mount or a new lock file another process reaches the same file under any name. SQLite finds
// its own files by the name of the database, so a second name would also mean a second write-ahead
// log; therefore a file with more than one link is refused.
type claim struct {
	name       string // as it was given
	path       string // where that leads
	file, lock *os.File
	fileIs     os.FileInfo
	lockIs     os.FileInfo
	id         string // of the file, in claimed
	log        *slog.Logger
	linked     atomic.Bool // the log has that the file has one more link
}

// claimed has the files that this process serves, each with its path. Such a file is not opened a
// second time: closing it would release the locks of SQLite, which POSIX gives to the process and
// not to a descriptor.
var claimed sync.Map

// The names of the files that SQLite keeps beside the database.
var besides = []string{"-wal", "-shm", "-journal"}

// newClaim claims the file of that name. A new file is created so that nobody else can read it,
// since it will hold what people wrote.
func newClaim(name string, log *slog.Logger) (*claim, error) {
	c := &claim{name: name, log: log}
	if err := c.take(); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return c, nil
}

func (c *claim) take() (err error) {
	if _, err := os.Stat(c.name); errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(c.name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if c.path, err = filepath.EvalSymlinks(c.name); err != nil { // two names of one file share its lock
		return err
	}
	is, err := os.Lstat(c.path)
	if err != nil {
		return err
	}
	if err := only(c.path, is); err != nil {
		return err
	}
	if c.lock, c.lockIs, err = openOnly(c.path+".lock", os.O_RDWR|os.O_CREATE); err != nil {
		return err
	}
	if err := unix.Flock(int(c.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf(
			"%w: another recallbot serves %s (it holds %s.lock); stop that one first, or give this one another DATABASE_URL", ErrInUse, c.path, c.path)
	} else if err != nil {
		return fmt.Errorf("lock %s.lock: %w", c.path, err)
	}
	elsewhere := fmt.Errorf(
		"%w: another recallbot serves %s by another name (a hard link, a bind mount), or its lock file was removed; "+
			"stop that one first, or give this one another DATABASE_URL", ErrInUse, c.path)
	if _, taken := claimed.LoadOrStore(identity(is), c.path); taken {
		return elsewhere
	}
	c.id = identity(is)
	if c.file, c.fileIs, err = openOnly(c.path, os.O_RDWR); err != nil {
		return err
	}
	if free, err := lockBeside(c.file); err != nil {
		return fmt.Errorf("lock %s: %w", c.path, err)
	} else if !free {
		return elsewhere
	}
	for _, suffix := range besides {
		if is, err := os.Lstat(c.path + suffix); err == nil {
			if err := only(c.path+suffix, is); err != nil {
				return err
			}
		}
	}
	return c.still()
}

// release ends the claim. SQLite must have closed the file.
func (c *claim) release() error {
	var errs []error
	for _, f := range []*os.File{c.file, c.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if c.id != "" {
		claimed.Delete(c.id)
	}
	return errors.Join(errs...)
}

// still returns ErrReplaced where the name of the file, or of its lock file, does not lead to the
// file that was claimed. Then nothing that is written counts any more, and another process may
// serve the file that has the name now.
func (c *claim) still() error {
	is, err := os.Stat(c.name)
	if err := replaced(c.path, c.fileIs, is, err); err != nil {
		return err
	}
	lock, err := os.Lstat(c.path + ".lock")
	if err := replaced(c.path+".lock", c.lockIs, lock, err); err != nil {
		return err
	}
	if links(is) > 1 && !c.linked.Swap(true) {
		c.log.Warn(
			"the ledger's file was given another name, a hard link; it will not be served again until that is removed",
			"file", c.path)
	}
	if exposed(is) {
		c.hide()
	}
	return nil
}

// hide makes the files beside the database readable for their owner alone. SQLite gives them the
// mode of the database, and does so again whenever it opens an empty one. look reports those that
// cannot be changed.
func (c *claim) hide() {
	for _, suffix := range besides {
		if is, err := os.Lstat(c.path + suffix); err == nil && is.Mode().IsRegular() && exposed(is) {
			_ = os.Chmod(c.path+suffix, 0o600) // it is another's, or gone
		}
	}
}

// beside returns ErrInUse where the file is served under another name than this one: the newest
// entries are then in a write-ahead log with the other name.
func beside(name string) error {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	elsewhere := fmt.Errorf(
		"%w: it is served by another name than %s, under which not all of it can be read; use that name", ErrInUse,
		path)
	is, err := os.Stat(path)
	if err != nil {
		return err
	}
	if at, ours := claimed.Load(identity(is)); ours {
		if at != path {
			return elsewhere
		}
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if !lockedBeside(f) {
		return nil
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrPermission) { // nobody knows
		return nil
	}
	if err != nil {
		return elsewhere
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil { // nobody holds it
		return elsewhere
	}
	return nil
}

// look returns what is wrong with the file of that name and with the files beside it, for a person
// who can mend it.
func look(name string) (found []bot.Finding) {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil // it is gone
	}
	for _, suffix := range append([]string{"", ".lock"}, besides...) {
		is, err := os.Lstat(path + suffix)
		if err != nil {
			continue
		}
		if err := only(path+suffix, is); err != nil {
			found = append(found, bot.Finding{What: err.Error(), Mend: "serving would be refused"})
		} else if exposed(is) {
			what := fmt.Sprintf("others can read or write %s (mode %04o)", path+suffix, is.Mode().Perm())
			found = append(found, bot.Finding{What: what, Mend: "chmod 600 " + path + suffix, Hint: true})
		}
	}
	return found
}

// openOnly opens a file that must be a regular file with one name.
func openOnly(path string, flag int) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, nil, fmt.Errorf("%w: %s is a symbolic link; remove it", ErrLink, path)
	}
	if err != nil {
		return nil, nil, err
	}
	is, err := f.Stat()
	if err == nil {
		err = only(path, is)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, is, nil
}

// only returns an error where the file is not a regular file with one name.
func only(path string, is os.FileInfo) error {
	switch n := links(is); {
	case is.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%w: %s is a symbolic link; remove it", ErrLink, path)
	case !is.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	case n > 1:
		return fmt.Errorf(
			"%w: %s has %d names (hard links), each of which another process could serve; remove the others (find DIRECTORY -samefile %s)", ErrLink, path, n, path)
	}
	return nil
}

// replaced returns ErrReplaced where is, and the error of reading it, show another file than was.
func replaced(path string, was, is os.FileInfo, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP):
		return fmt.Errorf("%w: %s is gone", ErrReplaced, path)
	case err != nil:
		return err
	case !os.SameFile(was, is):
		return fmt.Errorf("%w: %s is another file than the one that was opened", ErrReplaced, path)
	}
	return nil
}

func exposed(is os.FileInfo) bool { return is.Mode().Perm()&0o077 != 0 }

func links(is os.FileInfo) uint64 {
	return uint64(is.Sys().(*syscall.Stat_t).Nlink) // its type differs between systems
}

// identity returns a name of the file on this machine, which holds as long as the file exists.
func identity(is os.FileInfo) string {
	s := is.Sys().(*syscall.Stat_t)
	return fmt.Sprint(s.Dev, "/", s.Ino)
}
