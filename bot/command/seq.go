package command

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"recallbot/recall"
)

// This file reads the numbers of messages that one word holds.

// looksLikeSeqs reports whether a folded word was probably meant as numbers of messages, right or
// wrong.
func looksLikeSeqs(s string) bool {
	s = strings.TrimLeft(s, "-.,#~")
	return s == "" || unicode.IsDigit(firstRune(s))
}

// readsAsSeqs reports whether a folded word reads as numbers of messages without a mistake.
func readsAsSeqs(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		if _, key, _ := onePart(part); key != "" && part != "" {
			return false
		}
	}
	return true
}

// oneSeq reads a number, of which all characters are digits.
func oneSeq(s string) (n uint64, ok bool) {
	s = strings.TrimLeft(s, "0")
	if len(s) > 10 {
		return math.MaxUint64, false
	}
	n, _ = strconv.ParseUint("0"+s, 10, 64)
	return n, 1 <= n && n <= math.MaxUint32
}

// runOf matches a run that has some other sign between its ends.
var runOf = regexp.MustCompile(`^#?([0-9]+)(?:-+>?|\.{2,}|…|~|〜|～|:|to)#?([0-9]+)$`)

// onePart reads one item of a list of numbers, folded and without commas. A key names the mistake
// in it; mended then says whether the run is what must have been meant.
func onePart(s string) (run Range, key string, mended bool) {
	if digits(s) {
		n, ok := oneSeq(s)
		switch {
		case ok:
			return Range{recall.Seq(n), recall.Seq(n)}, "", true
		case n == 0:
			return Range{}, "seq_zero", false
		}
		return Range{}, "seq_big", false
	}
	from, to, isRun := strings.Cut(s, "-")
	if !isRun {
		from, to, isRun = strings.Cut(s, "..")
	}
	switch {
	case isRun && digits(from) && digits(to):
		f, fromOK := oneSeq(from)
		t, toOK := oneSeq(to)
		switch {
		case f > math.MaxUint32 || t > math.MaxUint32:
			return Range{}, "seq_big", false
		case !toOK:
			return Range{}, "seq_zero", false
		case !fromOK:
			return Range{1, recall.Seq(t)}, "seq_zero", true
		case f > t:
			return Range{recall.Seq(t), recall.Seq(f)}, "seq_backwards", true
		}
		return Range{recall.Seq(f), recall.Seq(t)}, "", true
	case isRun && (from == "" || digits(from)) && (to == "" || digits(to)):
		return Range{}, "seq_half", false
	}
	if ascii := strings.Map(digit, s); ascii != s {
		run, key, _ := onePart(ascii)
		return run, "digit_script", key == ""
	}
	if m := runOf.FindStringSubmatch(s); m != nil {
		run, key, _ := onePart(m[1] + "-" + m[2])
		return run, "seq_word", key == ""
	}
	return Range{}, "seq_word", false
}

// spaced matches a run that has spaces in it.
var spaced = regexp.MustCompile(`^([0-9]+)(?: ?(?:-|\.\.) ?| (?i:to) )([0-9]+)$`)

// spacedRun joins the first n words to one run when they are one with spaces around its sign.
func spacedRun(words []item) (joined item, n int) {
	joined = words[0]
	text := joined.id()
	for i, word := range words[1:min(3, len(words))] {
		joined.raw += " " + word.raw
		text += " " + word.id()
		if m := spaced.FindStringSubmatch(text); m != nil {
			joined.val = m[1] + "-" + m[2]
			return joined, i + 2
		}
	}
	return item{}, 0
}
