//go:build !linux

package ledgertest

import "testing"

// SmallDisk skips the test: only Linux lets a test have a file system of its own.
func SmallDisk(t *testing.T, bytes int, fn func(t *testing.T, dir string)) {
	t.Helper()
	t.Skip("only Linux lets a test have a file system of its own")
}
