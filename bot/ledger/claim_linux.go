package ledger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// besideByte is the byte of a database file that is locked while the file is served. SQLite's own
// locks are far below it, so neither is in the other's way, also on a network's file system, where
// flock would be a lock of every byte.
const besideByte = 1 << 62

// lockBeside locks the file for as long as f is open, and reports whether it was free. The lock
// belongs to what was opened and not to the process, so closing another descriptor of the file does
// not end it.
func lockBeside(f *os.File) (free bool, err error) {
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: besideByte, Len: 1})
	if errors.Is(err, unix.EINVAL) { // an old kernel, or a sandbox without such locks
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

// lockedBeside reports whether another process has so locked the file.
func lockedBeside(f *os.File) bool {
	is := unix.Flock_t{Type: unix.F_RDLCK, Start: besideByte, Len: 1}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &is) == nil && is.Type != unix.F_UNLCK
}
