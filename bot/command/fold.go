package command

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/width"
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
	case 0x2010 <= r && r <= 0x2015, r == 0x2212, r == 0xFF0D:
		return '-'
	case 0x201C <= r && r <= 0x201F, r == 0xAB, r == 0xBB, r == 0xFF02:
		return '"'
	case 0x2018 <= r && r <= 0x201B, r == 0xFF07:
		return '\''
	case 0xFF10 <= r && r <= 0xFF19, r == 0xFF20, r == 0xFF03, r == 0xFF1A, r == 0xFF0C:
		return r - 0xFEE0
	case r == 0x3001: // the comma between items of a Chinese or Japanese list
		return ','
	}
	return r
}

// FoldString undoes what clients do to single characters.
func FoldString(s string) string { return strings.Map(fold, s) }

// dropZeroWidth is for strings.Map: it drops the characters without width that clients and copying
// leave behind.
func dropZeroWidth(r rune) rune {
	switch {
	case 0x200B <= r && r <= 0x200F, r == 0x2060, r == 0xFEFF:
		return -1
	}
	return r
}

// cleaned is what a person says as it is kept: as typed, but without characters that hide or steer
// what is read (control, zero-width, direction and tag characters), and with spaces for line
// breaks.
func cleaned(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Zl, unicode.Zp), unicode.IsControl(r) && unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), dropZeroWidth(r) < 0,
			0x202A <= r && r <= 0x202E, 0x2061 <= r && r <= 0x206F, r == 0x061C,
			0xFFF9 <= r && r <= 0xFFFB, 0xE0000 <= r && r <= 0xE007F:
			return -1
		}
		return r
	}, s))
}

// folded is text as it is compared: case, width and spaces folded, without the characters that are
// not seen and what stands for them.
func folded(s string) string {
	seen := strings.Map(func(r rune) rune {
		if Invisible(r) && !unicode.IsSpace(r) || r >= '␀' && r <= '␡' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(cases.Fold().String(width.Fold.String(seen))), " ")
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

func isSpace(r rune) bool { return fold(r) == ' ' }

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
