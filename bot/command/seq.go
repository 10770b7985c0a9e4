package command

import (
	"math"
	"regexp"
	"slices"
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
	_, ok := runsOf(s)
	return ok
}

// isNumbers reports whether a folded word in the place of a group must be numbers of messages. One
// number may be a group's id, where more follows.
func isNumbers(s string, more bool) bool { return readsAsSeqs(s) && !(more && digits(s)) }

// oneSeq reads a number, of which all characters are digits.
func oneSeq(s string) (n uint64, ok bool) {
	s = strings.TrimLeft(s, "0")
	if len(s) > 10 {
		return math.MaxUint64, false
	}
	n, _ = strconv.ParseUint("0"+s, 10, 64)
	return n, 1 <= n && n <= math.MaxUint32
}

// runsOf reads a folded word of numbers. ok is false if there is a mistake in it.
func runsOf(s string) (runs []Range, ok bool) {
	for part := range strings.SplitSeq(s, ",") {
		run, key, _ := onePart(unpaired(part))
		switch {
		case part == "":
		case key != "":
			return nil, false
		default:
			runs = append(runs, run)
		}
	}
	return runs, true
}

// groupsMost is how many groups of three digits a message number has at most.
const groupsMost = 3

// grouped reports whether the digits of a folded word may be grouped by threes: a group follows one
// or two digits, or the word is no list of numbers as it stands. runs is what the word then means:
// of several readings that with the fewest messages, or nil if there is none.
func grouped(s string) (runs []Range, asks bool) {
	for most := 1; most <= groupsMost; most++ {
		joined, short := ungroup(s, most)
		asks = asks || short || joined != s && !readsAsSeqs(s)
		if read, ok := runsOf(joined); asks && ok && joined != s &&
			(runs == nil || union(slices.Clone(read)).Count() < union(slices.Clone(runs)).Count()) {
			runs = read
		}
	}
	return runs, asks
}

// ungroup returns a folded word without the signs before groups of three digits, for up to so many
// groups of a number. short reports whether a number began with one or two digits.
func ungroup(s string, most int) (joined string, short bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		end := i
		for end < len(s) && digits(s[end:end+1]) {
			end++
		}
		if end == i {
			b.WriteByte(s[i])
			i++
			continue
		}
		number, lead := s[i:end], end-i
		for n := 0; n < most && lead <= 3 && s[i] != '0' && hasGroup(s[end:]); n++ {
			number += s[end+1 : end+4]
			end += 4
			short = short || lead < 3
		}
		b.WriteString(number)
		i = end
	}
	return b.String(), short
}

// hasGroup reports whether s begins with a group of exactly three digits and the sign before it.
func hasGroup(s string) bool {
	return len(s) >= 4 && strings.IndexByte(",.'", s[0]) >= 0 && digits(s[1:4]) && (len(s) == 4 || !digits(s[4:5]))
}

// runOf matches a run that has some other sign between its ends.
var runOf = regexp.MustCompile(`^#?([0-9]+)(?:-+>?|\.{2,}|…|~|〜|～|to)#?([0-9]+)$`)

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
	if plain := strings.Trim(s, marks+sentence+"#"); plain != s && plain != "" {
		run, key, _ := onePart(plain)
		return run, "seq_word", key == ""
	}
	if m := runOf.FindStringSubmatch(s); m != nil {
		run, key, _ := onePart(m[1] + "-" + m[2])
		return run, "seq_word", key == ""
	}
	return Range{}, "seq_word", false
}

// separators are the signs that people write between numbers in place of a comma.
const separators = ";；؛/|&+"

// spacedGroups is for words of which one is a range that runs backwards: with digits that are
// grouped by spaces they may be numbers all the same, as 12 345-12 350 are. It returns nil unless
// that are fewer messages.
func spacedGroups(words []item) []Range {
	var list []string
	var mended []Range
	backwards := false
	for _, w := range words {
		if w.quoted {
			return nil
		}
		for part := range strings.SplitSeq(w.id(), ",") {
			run, key, _ := onePart(part)
			if key != "" && key != "seq_backwards" {
				return nil
			}
			mended = append(mended, run)
			backwards = backwards || key == "seq_backwards"
		}
		list = append(list, w.id())
	}
	if !backwards {
		return nil
	}
	whole, _ := grouped(strings.Join(list, ","))
	if union(slices.Clone(whole)).Count() > union(mended).Count() {
		return nil
	}
	return whole
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
