// Package golden keeps what tests expect in files: [Check] compares with one, [Diff] says how two
// texts differ, and with the flag -update tests write their files anew.
//
// The flag is registered here alone. go test ./... -update gives it to the test of every package,
// so the tests of a package that keeps no file import this package for nothing but the flag.
package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that tests compare with, in place of comparing")

// Update reports whether files are to be written.
func Update() bool { return *update }

// Check holds got to a file, or writes the file.
func Check(t testing.TB, file, got string) {
	t.Helper()
	if Update() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is otherwise; -update writes it anew:\n%s", file, Diff(file, string(want), "got", got))
	}
}

// around is how many equal lines Diff shows around those that differ.
const around = 3

// Diff is what turns one text into another, as a unified diff; "" where they are equal.
func Diff(oldName, old, newName, new string) string {
	a, b := lines(old), lines(new)
	// longest[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	type edit struct {
		op   byte // ' ', '-' or '+'
		text string
		i, j int // how many lines of a and b stand before it
	}
	var all []edit
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, edit{' ', a[i], i, j})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			all = append(all, edit{'-', a[i], i, j})
			i++
		default:
			all = append(all, edit{'+', b[j], i, j})
			j++
		}
	}
	var out strings.Builder
	for n := 0; n < len(all); n++ {
		if all[n].op == ' ' {
			continue
		}
		from, to := max(0, n-around), n // all[from:to] is a hunk
		for same := 0; to < len(all) && same <= 2*around; to++ {
			if same++; all[to].op != ' ' {
				same = 0
			}
		}
		for to > n && all[to-1].op == ' ' {
			to--
		}
		to = min(to+around, len(all))
		var removed, added int
		var body strings.Builder
		for _, e := range all[from:to] {
			if e.op != '+' {
				removed++
			}
			if e.op != '-' {
				added++
			}
			fmt.Fprintf(&body, "%c%s\n", e.op, e.text)
		}
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
		}
		first := all[from]
		fmt.Fprintf(&out, "@@ -%s +%s @@\n%s", span(first.i, removed), span(first.j, added), body.String())
		n = to - 1
	}
	return out.String()
}

// span is where n lines begin that stand after some others. Where there is none it names the line
// before.
func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// lines are those of a text. One that does not end in a line break differs from one that does.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	all := strings.Split(s, "\n")
	if last := len(all) - 1; all[last] == "" {
		return all[:last]
	}
	all[len(all)-1] += "\\ no newline at the end"
	return all
}
