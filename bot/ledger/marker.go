package ledger

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// marker is how a ledger's file is told from an older copy of it. The lock file, which stands beside the file and is of no use in a backup, says how many transactions
// have written to the file, and which lock file it is itself, since whoever copies a folder copies both. It is not flushed: what a power failure leaves of it is
// older than the file or cannot be read. That is to be mistaken for a copy at worst, whose unfinished work is read before anything is sent.
//
// A disk that was set back as a whole, the lock file with it, cannot be told.
type marker struct {
	lock *os.File
	born string // the lock file's number and time of birth
}

const markerText = "recallbot ledger: lock %s, transactions %020d\n"

func newMarker(lock *os.File) (marker, error) {
	var is unix.Statx_t
	if err := unix.Statx(int(lock.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &is); err != nil {
		return marker{}, fmt.Errorf("look at the lock file: %w", err)
	}
	return marker{lock, fmt.Sprintf("%020d@%020d.%09d", is.Ino, is.Btime.Sec, is.Btime.Nsec)}, nil
}

// belongs reports whether the file in which n transactions have written is the one beside which the lock file has always stood, and no older copy of it.
func (m marker) belongs(n int64) bool {
	if n == 0 { // nobody has written to it, or a program that kept no count
		return true
	}
	text := make([]byte, 200)
	length, _ := m.lock.ReadAt(text, 0) // what could not be read does not scan
	var born string
	var least int64
	if _, err := fmt.Sscanf(string(text[:length]), "recallbot ledger: lock %s transactions %d\n", &born, &least); err != nil {
		return false
	}
	return born == m.born+"," && n >= least
}

// put notes that n transactions have written. Its length never changes, so that it needs no more room on a disk that is full.
func (m marker) put(n int64) error {
	_, err := m.lock.WriteAt(fmt.Appendf(nil, markerText, m.born, n), 0)
	return err
}
