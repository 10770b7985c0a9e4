package adaptertest

import (
	"strings"
	"testing"

	"recallbot/bot"
)

// Findings is what a check found, one thing a line. It fails the test where that reads badly.
func Findings(t testing.TB, found bot.Findings) string {
	t.Helper()
	var b strings.Builder
	for _, f := range found {
		switch {
		case f.Mend == "":
			b.WriteString("ok   ")
		case f.Hint:
			b.WriteString("hint ")
		default:
			b.WriteString("BAD  ")
		}
		b.WriteString(f.What)
		if f.Mend != "" {
			b.WriteString(" -> " + f.Mend)
		}
		b.WriteByte('\n')
	}
	if strings.Contains(b.String(), " 1 accounts") || strings.Contains(b.String(), "  ->") ||
		strings.Contains(b.String(), "BAD   ") {
		t.Errorf("it reads badly:\n%s", b.String())
	}
	return b.String()
}
