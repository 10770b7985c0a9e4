//go:build !unix

package ledger

// mayWrite cannot tell here.
func mayWrite(string) error { return nil }
