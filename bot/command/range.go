package command

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"recallbot/recall"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// This file has sets of message numbers. A set costs what its runs cost, however many numbers they
// hold.

// A Range is a contiguous run of message numbers, both ends included.
type Range struct{ From, To recall.Seq }

// String is "100" or "100-150".
func (r Range) String() string {
	if r.From == r.To {
		return strconv.FormatUint(uint64(r.From), 10)
	}
	return strconv.FormatUint(uint64(r.From), 10) + "-" + strconv.FormatUint(uint64(r.To), 10)
}

// Ranges is a set of message numbers: sorted, disjoint and not adjacent. The empty set is nil. Its
// size is that of its runs: 1-4294967295 is one Range and is never expanded.
type Ranges []Range

// MakeRanges is the set of the given numbers, which may come in any order and more than once.
func MakeRanges(seqs ...recall.Seq) Ranges {
	runs := make([]Range, len(seqs))
	for i, s := range seqs {
		runs[i] = Range{s, s}
	}
	return union(runs)
}

// union sorts the runs in place and joins those that overlap or touch.
func union(runs []Range) Ranges {
	slices.SortFunc(runs, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var out Ranges
	for _, r := range runs {
		// In 64 bits, so that the run after 4294967295 does not wrap around.
		if n := len(out); n > 0 && uint64(r.From) <= uint64(out[n-1].To)+1 {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// parseRanges reads what String wrote, and nothing else: it is for the stored form, not for what
// people type.
func parseRanges(s string) (Ranges, error) {
	if s == "" {
		return nil, nil
	}
	var rs Ranges
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRun := strings.Cut(part, "-")
		if !isRun {
			to = from
		}
		f, errFrom := strconv.ParseUint(from, 10, 32)
		t, errTo := strconv.ParseUint(to, 10, 32)
		if err := errors.Join(errFrom, errTo); err != nil {
			return nil, fmt.Errorf("read stored seqs: %w", err)
		}
		if f == 0 || f > t {
			return nil, fmt.Errorf("read stored seqs: %q is no run of seqs", part)
		}
		rs = append(rs, Range{recall.Seq(f), recall.Seq(t)})
	}
	if again := union(slices.Clone(rs)); again.String() != s {
		return nil, fmt.Errorf("read stored seqs: %q is not in its canonical form", s)
	}
	return rs, nil
}

// String is the stored form, as "100-150,170".
func (rs Ranges) String() string {
	var b strings.Builder
	for i, r := range rs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

// Words is what people read, as "100-150, 170". It is understood wherever message numbers are
// typed: after a comma alone, three digits may be the end of a number.
func (rs Ranges) Words() string { return strings.ReplaceAll(rs.String(), ",", ", ") }

// MarshalText is the stored form.
func (rs Ranges) MarshalText() ([]byte, error) { return []byte(rs.String()), nil }

// UnmarshalText reads the stored form.
func (rs *Ranges) UnmarshalText(b []byte) (err error) {
	*rs, err = parseRanges(string(b))
	return err
}

// Count is the size of the set, up to 4294967295 (math.MaxInt where an int is smaller).
func (rs Ranges) Count() int {
	var n uint64
	for _, r := range rs {
		n += uint64(r.To) - uint64(r.From) + 1
	}
	return int(min(n, math.MaxInt))
}

// Contains reports whether s is in the set.
func (rs Ranges) Contains(s recall.Seq) bool {
	_, found := slices.BinarySearchFunc(rs, s, func(r Range, s recall.Seq) int {
		switch {
		case r.To < s:
			return -1
		case r.From > s:
			return 1
		}
		return 0
	})
	return found
}

// Intersect is the set of the numbers that are in both.
func (rs Ranges) Intersect(other Ranges) Ranges {
	var out Ranges
	for i, j := 0, 0; i < len(rs) && j < len(other); {
		from, to := max(rs[i].From, other[j].From), min(rs[i].To, other[j].To)
		if from <= to {
			out = append(out, Range{from, to})
		}
		if rs[i].To < other[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}

// All yields every number in ascending order. Look at Count first: there may be four billion.
func (rs Ranges) All() iter.Seq[recall.Seq] {
	return func(yield func(recall.Seq) bool) {
		for _, r := range rs {
			for s := uint64(r.From); s <= uint64(r.To); s++ {
				if !yield(recall.Seq(s)) {
					return
				}
			}
		}
	}
}

// First is the lowest n numbers of the set.
func (rs Ranges) First(n int) Ranges {
	var out Ranges
	for _, r := range rs {
		if n <= 0 {
			break
		}
		if size := int(r.To-r.From) + 1; size > n {
			r.To = r.From + recall.Seq(n) - 1
		}
		n -= int(r.To-r.From) + 1
		out = append(out, r)
	}
	return out
}

// Nth is the number at place n, counted from 0: the highest where there are not so many, 0 where
// there is none.
func (rs Ranges) Nth(n int) recall.Seq {
	for _, r := range rs {
		if size := int(r.To-r.From) + 1; n >= size {
			n -= size
			continue
		}
		return r.From + recall.Seq(n)
	}
	if len(rs) == 0 {
		return 0
	}
	return rs[len(rs)-1].To
}

// Places returns the inverse of Nth, for numbers that are in the set.
func (rs Ranges) Places() func(recall.Seq) int {
	before := make([]int, len(rs)) // numbers before each range
	for i := 1; i < len(rs); i++ {
		before[i] = before[i-1] + int(rs[i-1].To-rs[i-1].From) + 1
	}
	return func(seq recall.Seq) int {
		i := sort.Search(len(rs), func(i int) bool { return rs[i].To >= seq })
		return before[i] + int(seq-rs[i].From)
	}
}
