package command

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recallbot/recall"
)

var (
	digitRun = regexp.MustCompile(`[0-9]+`)
	listRun  = regexp.MustCompile(`^[0-9]+(-[0-9]+)?$`)
)

// readings are all sets of messages that the words of a command can mean: each run of digits is a
// number, alone or as three more digits of the one before it, also after a space; two numbers with
// a sign of a range between them are a range, whichever of them is the lower.
func readings(words []string) (ranges []Range, numbers []recall.Seq) {
	text := strings.Join(words, " ")
	at := digitRun.FindAllStringIndex(text, -1)
	// A number is a run of digits, and the groups of three after it that belong to it.
	type number struct {
		n        uint64
		from, to int // places in at
	}
	var all []number
	for i := range at {
		s := ""
		for j := i; j < len(at); j++ {
			part := text[at[j][0]:at[j][1]]
			if j > i && (len(part) != 3 || len(s) > 9 || !slices.Contains([]string{",", ".", "'", " "},
				strings.Trim(text[at[j-1][1]:at[j][0]], marks))) {
				break
			}
			s += part
			if n, err := strconv.ParseUint(s, 10, 32); err == nil {
				all = append(all, number{n, i, j})
				numbers = append(numbers, recall.Seq(n))
			}
		}
	}
	for _, a := range all {
		for _, b := range all {
			if b.from != a.to+1 || !strings.ContainsAny(text[at[a.to][1]:at[b.from][0]], "-~") &&
				!strings.Contains(text[at[a.to][1]:at[b.from][0]], "..") &&
				!strings.Contains(text[at[a.to][1]:at[b.from][0]], "to") {
				continue
			}
			ranges = append(ranges, Range{recall.Seq(max(1, min(a.n, b.n))), recall.Seq(max(a.n, b.n))})
		}
	}
	return ranges, numbers
}

// asList is how many messages the words name, each as often as it is named, where every comma and
// every space separates; false where they do not say anything so.
func asList(words []string) (typed uint64, ok bool) {
	for part := range strings.FieldsFuncSeq(strings.Join(words, ","), func(r rune) bool { return r == ',' }) {
		if !listRun.MatchString(part) {
			return 0, false
		}
		from, to, isRun := strings.Cut(part, "-")
		if !isRun {
			to = from
		}
		f, _ := strconv.ParseUint(from, 10, 32)
		t, _ := strconv.ParseUint(to, 10, 32)
		if f == 0 || t < f {
			return 0, false
		}
		typed += t - f + 1
	}
	return typed, true
}

// TestSuggestionsAreSafe checks, for random mistakes in message numbers, that a suggested recall
// names only messages that the numbers can mean, and no more than were typed.
func TestSuggestionsAreSafe(t *testing.T) {
	random := rand.New(rand.NewPCG(16, 4))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	suggested, asked, read := 0, 0, 0
	for range 30_000 {
		var words []string
		for range 1 + random.IntN(3) {
			var w strings.Builder
			for i := range 1 + random.IntN(4) {
				if i > 0 {
					w.WriteString(pick(",", ",", ",", "-", "-", "-", ".", "..", "'", "~", "to", "_", ":", ""))
				}
				length := 1 + random.IntN(5)
				if random.IntN(2) == 0 {
					length = 3
				}
				for range length {
					w.WriteByte(byte('0' + random.IntN(10)))
				}
			}
			s := w.String()
			switch random.IntN(8) {
			case 0:
				mark := pick("`", "*", "**", "_", "~~")
				s = mark + s + mark
			case 1:
				s = pick("`", "*", "-", ".", "#") + s
			case 2:
				s += pick("`", ",", ".", ":", "-", "x", "%")
			}
			words = append(words, s)
		}
		if random.IntN(6) == 0 {
			words = slices.Insert(words, random.IntN(len(words)+1), pick("-", "to", "and", "..", ","))
		}
		text := sampleGroup + " " + strings.Join(words, " ")
		c, m := mistaken(t, func() (Command, error) { return Parse("recall", text) })
		offers := []string{}
		if m == nil {
			read++
			offers = append(offers, c.String())
		} else if offers = append(offers, m.Corrected); m.Other != "" {
			asked++
			offers = append(offers, m.Other)
		}
		ranges, numbers := readings(words)
		typed, isList := asList(words)
		for _, offer := range offers {
			c, again := parseCommand(t, offer)
			if again != nil || c.Verb != VerbRecall {
				continue
			}
			suggested++
			for _, r := range c.Scope.Seqs {
				for seq := uint64(r.From); seq <= uint64(r.To); {
					s := recall.Seq(seq)
					end := seq
					if slices.Contains(numbers, s) {
						end = seq + 1
					}
					for _, can := range ranges {
						if can.From <= s && s <= can.To {
							end = max(end, uint64(can.To)+1)
						}
					}
					if end == seq {
						t.Fatalf("%s\n\tis answered with %s, and nobody typed %d", text, offer, s)
					}
					seq = end
				}
			}
			if isList && uint64(c.Scope.Seqs.Count()) > typed {
				t.Fatalf("%s\n\tis answered with %s: %d messages, and %d were typed", text, offer,
					c.Scope.Seqs.Count(), typed)
			}
		}
	}
	if suggested < 10_000 || asked < 100 || read < 3_000 {
		t.Errorf("%d suggestions, %d questions, %d commands read: too few to say anything", suggested, asked, read)
	}
}
