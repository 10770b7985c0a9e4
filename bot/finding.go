package bot

import (
	"fmt"
)

// Finding is one thing that was looked at when a configuration was tried against the real services.
type Finding struct {
	What string // what was looked at, and what was found
	Mend string // what to do about it; "" when it is well
	// Hint: it works, but not as it might be meant.
	Hint bool
}

// Findings are what was found, in the order in which it was looked at.
type Findings []Finding

// Well adds what is as it must be.
func (f *Findings) Well(what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...)})
}

// Bad adds what keeps the bot from working as it is configured. what is a format for args, mend is
// taken as it is.
func (f *Findings) Bad(mend, what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...), Mend: mend})
}

// Hint adds what works, but not as it might be meant.
func (f *Findings) Hint(mend, what string, args ...any) {
	*f = append(*f, Finding{What: fmt.Sprintf(what, args...), Mend: mend, Hint: true})
}

// CountAccounts is a number of accounts in words.
func CountAccounts(n int) string { return several(n, "account", "accounts") }

// CountPeople is a number of people in words.
func CountPeople(n int) string { return several(n, "person", "people") }

func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
