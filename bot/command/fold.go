package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// This file has what is done to single characters: what clients changed is undone in the words of
// the language, and what hides or moves text is taken out of what people say.

// fold undoes what clients do to single characters: typographic quotes and dashes, spaces of every
// kind, full-width digits and punctuation of the language. Letters are left alone.
func fold(r rune) rune {
	switch {
	case r < 0x80 && r != '\n' && r != '\t' && r != '\r' && r != '\v' && r != '\f':
		return r
	case unicode.IsSpace(r):
		return ' '
	case unicode.Is(unicode.Pd, r), r == 0x2212, r == 0x2043:
		return '-'
	case 0x201C <= r && r <= 0x201F, r == 0xAB, r == 0xBB, r == 0x275D, r == 0x275E, 0x301D <= r && r <= 0x301F,
		r == 0xFF02:
		return '"'
	case 0x2018 <= r && r <= 0x201B, r == 0xFF07:
		return '\''
	case 0xFF10 <= r && r <= 0xFF19, r == 0xFF20, r == 0xFF03, r == 0xFF1A, r == 0xFF0C:
		return r - 0xFEE0
	case r == 0x3001, r == 0x060C: // the comma between items of a Chinese or Japanese, and of an Arabic list
		return ','
	}
	return r
}

// FoldString undoes what clients do to single characters.
func FoldString(s string) string { return strings.Map(fold, s) }

// dropZeroWidth is for strings.Map: it drops the characters without width that clients and copying
// leave behind: those that join, divide or embed text, and tags. Those that turn the order of
// letters around stay: what was seen may be another word.
func dropZeroWidth(r rune) rune {
	switch {
	case r < 0xAD:
		return r
	case r == 0xAD, r == 0x034F, r == 0x061C, 0x180B <= r && r <= 0x180F, 0x200B <= r && r <= 0x200F,
		0x202A <= r && r <= 0x202C, 0x2060 <= r && r <= 0x206F, r == 0xFEFF, 0xFFF9 <= r && r <= 0xFFFB,
		0xE0000 <= r && r <= 0xE007F:
		return -1
	}
	return r
}

// thin reports whether r is a space that programs write between the digits of a number, grouped by
// threes. Nobody types it.
func thin(r rune) bool { return 0x2007 <= r && r <= 0x2009 || r == 0x202F }

// cleaned is what a person says as it is kept: as typed, but without characters that hide or steer
// what is read (control, zero-width, direction and tag characters), and with spaces for line
// breaks.
func cleaned(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Zl, unicode.Zp), unicode.IsControl(r) && unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), dropZeroWidth(r) < 0, r == 0x202D, r == 0x202E:
			return -1
		}
		return r
	}, s))
}

// AsRead returns text as it is compared with other text: two texts that people read as the same are
// equal. Its case, width and Unicode form (NFKC) are folded, so are typographic quotes, dashes and
// ellipses, and each run of white space is one space, with none at the ends. Characters that are
// not seen are left out, and so is what stands for them. The result is "" if nothing is left.
func AsRead(s string) string {
	if folded, ok := plainAsRead(s); ok {
		return folded
	}
	// Invisible characters go first: they would keep what stands around them from being composed.
	s = norm.NFKC.String(strings.Map(typewriter, s))
	// Folding the case decomposes some characters, and composing changes the case of none. A second
	// round is for characters whose compatible form has a mark or a case of its own.
	for range 2 {
		s = norm.NFKC.String(strings.Map(cherokee, cases.Fold().String(s)))
	}
	return strings.Join(strings.Fields(oneDash(strings.Map(typewriter, s))), " ")
}

// plainAsRead is AsRead for text of printable ASCII, which most is. ok is false for any other.
func plainAsRead(s string) (folded string, ok bool) {
	changes := false
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c > '~' || c == '`':
			return "", false
		case 'A' <= c && c <= 'Z', c == ' ' && (i == 0 || i == len(s)-1 || s[i+1] == ' '), c == '-':
			changes = true
		}
	}
	if !changes {
		return s, true
	}
	return strings.Join(strings.Fields(strings.ToLower(oneDash(s))), " "), true
}

// typewriter is for strings.Map: it drops what is not seen, and turns quotes and dashes into those
// of ASCII. Letters are left alone.
func typewriter(r rune) rune {
	switch {
	case r == '`', r == '´', r == 0x0374, r == 0x055A, r == 0x05F3, r == 0x1FEF, r == 0x1FFD, r == 0xA78C,
		0x02B9 <= r && r <= 0x02BD, r == 0x02C8, 0x2018 <= r && r <= 0x201B, r == 0x2032, r == 0x2035,
		r == 0x2039, r == 0x203A, r == 0x275B, r == 0x275C, r == 0xFF07:
		return '\''
	case r == '«', r == '»', r == 0x02BA, r == 0x02EE, r == 0x05F4, 0x201C <= r && r <= 0x201F,
		r == 0x275D, r == 0x275E, 0x301D <= r && r <= 0x301F, r == 0xFF02:
		return '"'
	case r < 0x80 && r >= ' ' && r != 0x7F:
		return r
	case unicode.Is(unicode.Pd, r), r == 0x2212, r == 0x2043:
		return '-'
	case r == 0x22EF: // an ellipsis in the middle of the line
		return 0x2026
	case unicode.IsSpace(r):
		return ' '
	case Invisible(r), r >= '␀' && r <= '␡', r == utf8.RuneError:
		return -1
	}
	return r
}

// cherokee is for strings.Map: it folds the case of Cherokee letters, whose two cases cases.Fold of
// x/text v0.43.0 exchanges.
func cherokee(r rune) rune {
	switch {
	case 0xAB70 <= r && r <= 0xABBF:
		return r - 0xAB70 + 0x13A0
	case 0x13F8 <= r && r <= 0x13FD:
		return r - 8
	}
	return r
}

// oneDash makes one hyphen of two, as typewriters write a dash: keyboards of phones turn two into a
// dash. A longer run is a line that somebody drew, and stays.
func oneDash(s string) string {
	if !strings.Contains(s, "--") {
		return s
	}
	var b strings.Builder
	for s != "" {
		at := strings.IndexByte(s, '-')
		if at < 0 {
			break
		}
		run := len(s) - at - len(strings.TrimLeft(s[at:], "-"))
		kept := run
		if run == 2 {
			kept = 1
		}
		b.WriteString(s[:at+kept])
		s = s[at+run:]
	}
	return b.String() + s
}

// Invisible reports whether r is not seen, or moves what is seen.
func Invisible(r rune) bool {
	switch r {
	case '\u2800', '\u303f', '\ufffc', '\U0001d159', '\U00013441', '\U00013442', '\U00016fe4': // blanks by look alone
		return true
	}
	return !unicode.IsGraphic(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs,
		unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// What people paste around an id or a number: the marks with which clients format text, and the
// punctuation of the sentence.
const (
	marks       = "`*_~"
	punctuation = ",:;"
	sentence    = punctuation + ".!?。'\"" + "()[]{}"
)

// unpaired returns s without the marks that stand around it in pairs.
func unpaired(s string) string {
	for len(s) > 2 && s[0] == s[len(s)-1] && strings.IndexByte(marks, s[0]) >= 0 {
		s = s[1 : len(s)-1]
	}
	return s
}

func isSpace(r rune) bool { return fold(r) == ' ' && !thin(r) }

func isQuote(r rune) bool { return fold(r) == '"' }

// digit is the ASCII digit of the same value as a decimal digit of any script, and every other
// character itself. Unicode has the digits of a script in runs of ten.
func digit(r rune) rune {
	if r < 0x80 || !unicode.Is(unicode.Nd, r) {
		return r
	}
	first := r
	for unicode.Is(unicode.Nd, first-1) {
		first--
	}
	return '0' + (r-first)%10
}

func digits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func printable(s string) bool { return !strings.ContainsFunc(s, unprintable) }

func unprintable(r rune) bool { return r < ' ' || r > '~' }

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
