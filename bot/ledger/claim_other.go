//go:build !linux

package ledger

import "os"

// lockBeside locks nothing: on other systems a lock of the file is in the way of SQLite's own.
func lockBeside(*os.File) (free bool, err error) { return true, nil }

// lockedBeside reports whether another process has locked the file, which none does.
func lockedBeside(*os.File) bool { return false }
