package ledger

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// marker is how a ledger's file is told from an older copy of it. The lock file, which stands
// beside the file and is of no use in a backup, says how many transactions have written to the
// file; and the file says which lock file it was last served beside, since whoever copies a folder
// copies both, and a copy may be put where the ledger once was. The lock file is not flushed: what
// a power failure leaves of it is older than the file or cannot be read. At worst the ledger is
// then taken for a copy of itself, and its unfinished work is read before anything is sent.
//
// Where the lock file is set back with the ledger, both in the place where they stood, as on a disk
// that is set back as a whole, that cannot be told.
type marker struct {
	lock *os.File
	born string // which lock file it is: its number and time of birth

	mu   sync.Mutex
	most int64 // what was noted
}

const markerText = "recallbot ledger: transactions %020d\n"

// noteBeside is the key of the note of which lock file the ledger is served beside.
const noteBeside = "ledger.beside"

func newMarker(lock *os.File) (*marker, error) {
	born, err := birth(lock)
	if err != nil {
		return nil, fmt.Errorf("look at the lock file: %w", err)
	}
	return &marker{lock: lock, born: born}, nil
}

// number is a file's number, as birth gives it where there is no time of birth.
func number(f *os.File) (string, error) {
	var is unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &is)
	return fmt.Sprintf("%020d@%020d.%09d", is.Ino, 0, 0), err
}

// belongs reports whether the file in which n transactions have written, and that was last served
// beside a lock file, is what stood beside this one, and no older copy of it.
func (m *marker) belongs(n int64, beside string) bool {
	if n == 0 { // nobody has written to it, or a program that kept no count
		return true
	}
	text := make([]byte, 200)
	length, _ := m.lock.ReadAt(text, 0) // what could not be read does not scan
	var least int64
	if _, err := fmt.Sscanf(string(text[:length]), markerText, &least); err != nil {
		return false
	}
	return beside == m.born && n >= least
}

// put notes that n transactions have written, unless more are noted: one transaction may be noted
// after the next. Its length never changes, so that it needs no more room on a disk that is full.
func (m *marker) put(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n < m.most {
		return nil
	}
	m.most = n
	_, err := m.lock.WriteAt(fmt.Appendf(nil, markerText, n), 0)
	return err
}
