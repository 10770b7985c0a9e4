package command

import (
	"sort"
	"strconv"
	"time"

	"recallbot/recall"
)

// First returns the lowest n seqs of rs.
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

// Nth returns the seq at place n, counted from 0; the highest where there are not so many, 0 where there are none.
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

// places returns the inverse of Nth, for seqs that are in rs.
func (rs Ranges) Places() func(recall.Seq) int {
	before := make([]int, len(rs)) // seqs before each range
	for i := 1; i < len(rs); i++ {
		before[i] = before[i-1] + int(rs[i-1].To-rs[i-1].From) + 1
	}
	return func(seq recall.Seq) int {
		i := sort.Search(len(rs), func(i int) bool { return rs[i].To >= seq })
		return before[i] + int(seq-rs[i].From)
	}
}

// Intersect returns the seqs that are in both.
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

// Absolute returns the filter with its relative times counted back from now, so that it means the same later.
func (f Filter) Absolute(now time.Time) Filter {
	if !f.Since.IsZero() {
		f.Since = When{At: f.Since.Resolve(now)}
	}
	if !f.Until.IsZero() {
		f.Until = When{At: f.Until.Resolve(now)}
	}
	return f
}

// Withheld stands in place of a filter's phrase where the phrase does not belong: it is content, as the messages that hold it are.
const Withheld = "…"

// withoutText is the filter as it may be told to others than who asked, and as it is kept when the evidence is gone.
func (f Filter) WithoutText() Filter {
	if f.Text != "" {
		f.Text = Withheld
	}
	return f
}

func FormatInt(n int64) string { return strconv.FormatInt(n, 10) }
