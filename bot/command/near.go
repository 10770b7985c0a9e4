package command

import "strings"

// This file finds the name that was meant by a misspelled one.

// nearest is the one name that differs from s by a slip of the fingers, or by two where the name is
// long. ok is false where there is none or several.
func nearest(s string, names []string) (name string, ok bool) {
	s = strings.ToLower(s)
	if len(s) > 12 {
		return "", false
	}
	best := 3
	for _, n := range names {
		switch d := slips([]byte(s), []byte(n)); {
		case d > 2 || d > 1 && len(n) < 6 || d > best:
		case d == best:
			name, ok = "", false
		default:
			name, ok, best = n, true, d
		}
	}
	return name, ok
}

// Slips counts the characters that are added, left out, changed or swapped with their neighbour
// between a and b.
func Slips(a, b string) int { return slips([]rune(a), []rune(b)) }

// slips counts the letters that are added, left out, changed or swapped with their neighbour
// between a and b.
func slips[T byte | rune](a, b []T) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
