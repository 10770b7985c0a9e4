//go:build unix

package ledger

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// mayWrite returns an error where this process may not write the file or directory. It opens
// nothing.
func mayWrite(name string) error {
	if err := unix.Access(name, unix.W_OK); err != nil {
		return &fs.PathError{Op: "access", Path: name, Err: err}
	}
	return nil
}
