package bot

import (
	"fmt"
)

// Finding is one result of the command check, which tries a configuration against the real
// services. A platform, the ledger and the Chat client each return theirs; package console prints
// them.
type Finding struct {
	What string // what was looked at, and what was found
	Mend string // what to do about it; "" when it is well
	// Hint marks a configuration that works, but perhaps not as it was meant.
	Hint bool
}

// Findings are results in the order in which they were found.
type Findings []Finding

// Well adds a result that needs no change.
func (f *Findings) Well(what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...)})
}

// Bad adds a result that keeps the bot from working as it is configured. what is a format for args;
// mend is taken literally.
func (f *Findings) Bad(mend, what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...), Mend: mend})
}

// Hint adds a result that works, but perhaps not as it was meant.
func (f *Findings) Hint(mend, what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...), Mend: mend, Hint: true})
}

// CountAccounts returns a number of accounts in words.
func CountAccounts(n int) string { return several(n, "account", "accounts") }

// CountPeople returns a number of people in words.
func CountPeople(n int) string { return several(n, "person", "people") }

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
