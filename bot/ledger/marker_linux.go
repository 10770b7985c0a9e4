package ledger

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// birth is which file this is: its number, and when it was made where the kernel tells, so that a
// file made later under the same number is another.
func birth(f *os.File) (string, error) {
	var is unix.Statx_t
	// an old kernel, or a sandbox that forbids it
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &is); err != nil {
		return number(f)
	}
	return fmt.Sprintf("%020d@%020d.%09d", is.Ino, is.Btime.Sec, is.Btime.Nsec), nil
}
