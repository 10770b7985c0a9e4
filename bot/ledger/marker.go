package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// marker recognizes an older copy of a ledger's file. The lock file, which is beside the file and
// has no place in a backup, says how many transactions have written to the file. The file says
// beside which lock file it was served last, since a copy of a folder has both files, and may be
// put where the ledger was. The lock file is flushed to the disk when serving begins, and not after
// each transaction: after a power failure it is older than the file, which is no contradiction.
//
// It does not recognize a ledger that was set back together with its lock file, each in its place,
// as on a disk that was set back as a whole.
type marker struct {
	lock *os.File
	born string // which lock file it is: its number and time of birth

	mu   sync.Mutex
	most int64 // what was noted
}

const markerText = "recallbot ledger: transactions %020d\n"

// noteBeside is the key under which the ledger stores the lock file beside which it is served.
const noteBeside = "ledger.beside"

func newMarker(lock *os.File) (*marker, error) {
	born, err := birth(lock)
	if err != nil {
		return nil, fmt.Errorf("look at the lock file: %w", err)
	}
	return &marker{lock: lock, born: born}, nil
}

// number returns the number of a file, as birth does where the system knows no time of birth.
func number(f *os.File) (string, error) {
	var is unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &is)
	return fmt.Sprintf("%020d@%020d.%09d", is.Ino, 0, 0), err
}

// belongs reports whether a file in which n transactions have written, and which was last served
// beside that lock file, is the file of this lock file and no older copy.
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

// flush makes the lock file, its name included, and what it says outlast a power failure.
func (m *marker) flush() error {
	return errors.Join(m.lock.Sync(), flushFolder(filepath.Dir(m.lock.Name())))
}

// flushFolder makes the names in a folder outlast a power failure.
func flushFolder(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// put writes that n transactions have written, unless the lock file has a higher number: two
// transactions may come here in either order. The length never changes, so that a full disk has
// room for it.
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
