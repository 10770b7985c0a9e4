package bot

import (
	"slices"
	"strconv"

	"recallbot/bot/command"
)

// sweptWhere names where a sweep is: how many groups.
func sweptWhere(r Request) Line {
	if len(r.Parts) == 0 {
		return Say("card.groups.joined")
	}
	return Say("card.groups", "n", len(r.Parts))
}

// WhereID names where a request is by what is typed: the id of its group or topic.
func WhereID(r Request) Line {
	if r.Scope.Sweeps() {
		return sweptWhere(r)
	}
	return Line{Where(r.Scope)}
}

// seqsOf writes the numbers that of returns for each part, with their group where there are
// several.
func seqsOf(r Request, of func(Part) command.Ranges) Line {
	if !r.Scope.Sweeps() {
		return Line{Code(Cut(of(r.Only()).Words(), 300))}
	}
	var all []Line
	for _, p := range r.Parts {
		if seqs := of(p); seqs.Count() > 0 && len(all) < groupsNamed {
			all = append(all, Say("card.seqs.of", "group", p.Named(), "seqs", Code(Cut(seqs.Words(), 60))))
		}
	}
	return Listed(all)
}

// SeqWords is the number of a message, with its group where the request has several.
func SeqWords(r Request, m Message) Line {
	seq := Line{Code(strconv.FormatUint(uint64(m.Seq), 10))}
	if r.Scope.Sweeps() {
		return Say("card.seqs.of", "group", r.Parts[m.Part].Named(), "seqs", seq)
	}
	return seq
}

// groupsNamed is how many groups are named one after the other.
const groupsNamed = 5

// Named names the group of a part as people know it, with its topic if it has one.
func (p Part) Named() Line {
	l := Line{Code(string(p.Group))}
	if p.Facts.Name != "" {
		l = Line{Quote(Cut(p.Facts.Name, nameRunes))}
	}
	if p.Topic != "" {
		l = Say("card.topic", "group", l, "topic", Code(string(p.Topic)))
	}
	return l
}

// byNames returns the names by which groups of a sweep were found, of those that are part of it.
func (r Request) byNames() (all []Line) {
	for _, p := range r.Parts {
		if name := r.Scope.Names[Where(p.Scope()).Text]; name != "" {
			all = append(all, Line{Quote(Cut(name, nameRunes))})
		}
	}
	return all
}

// leftOutNamed is how many groups are named that are not part of a sweep.
const leftOutNamed = 5

// LeftOutLine names the groups that are not part of a sweep, and why; "" where there is none.
func LeftOutLine(s *Swept) Line {
	if s == nil || len(s.Left) == 0 {
		return nil
	}
	var all []Line
	for _, l := range s.Left[:min(len(s.Left), leftOutNamed)] {
		p := Part{Talk: l.Talk, Facts: GroupFacts{Name: l.Name}}
		all = append(all, Say("sweep.left.one", "group", p.Named(), "why", l.Why))
	}
	if more := len(s.Left) - len(all); more > 0 {
		all = append(all, Say("sweep.left.more", "n", more))
	}
	return Say("sweep.left", "groups", Listed(all))
}

// TopicsLine names the communities whose topics a sweep did not look at; "" for none.
func TopicsLine(s *Swept) Line {
	if s == nil || len(s.Topics) == 0 {
		return nil
	}
	var all []Line
	for _, name := range s.Topics[:min(len(s.Topics), leftOutNamed)] {
		all = append(all, Line{Quote(Cut(name, nameRunes))})
	}
	if more := len(s.Topics) - len(all); more > 0 {
		all = append(all, Say("sweep.left.more", "n", more))
	}
	return Say("sweep.topics", "groups", Listed(all))
}

// ofSender names the one sender of a sweep's messages, as it follows their number; "" for a request
// over one group.
func ofSender(r Request, nick string) Line {
	if !r.Scope.Sweeps() {
		return nil
	}
	return Spaced(Say("card.of", "user", who(Quote(Cut(string(r.Scope.Filter.From), nameRunes)), nick)))
}

// groupsShown is how many groups of a sweep have a line of their own on a card and in a receipt.
const groupsShown = 10

// largest returns the numbers of the parts, those with the most messages first.
func largest(r Request) []int {
	order := make([]int, len(r.Parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return r.Parts[b].Covers.Count() - r.Parts[a].Covers.Count() })
	return order
}

// inGroups says how many messages of a sweep are in each group, the largest first, and how many of
// them are unlike the rest. k is what they were folded into, nil where they were not.
func inGroups(r Request, k *Kinds) (lines []Line) {
	if !r.Scope.Sweeps() {
		return nil
	}
	odd := func(parts ...int) (n int) {
		for _, p := range parts {
			if r.Tally.Odd > 0 && k != nil {
				n += k.Apart[p].Count()
			}
		}
		return n
	}
	order := largest(r)
	for i, n := range order {
		if i == groupsShown {
			rest := Say("card.group.rest", "n", len(r.Parts)-i)
			if n := odd(order[i:]...); n > 0 {
				rest = Say("list.next", "list", rest, "next", Say("card.group.odd", "n", n))
			}
			return append(lines, rest)
		}
		p := r.Parts[n]
		l := Say("card.group", "group", p.Named(), "n", p.Covers.Count())
		for _, extra := range []struct {
			is   bool
			text Line
		}{{odd(n) > 0, Say("card.group.odd", "n", odd(n))}, {p.Facts.New, Say("card.new")},
			{p.Facts.Type == "Community", Say("card.community")}} {
			if extra.is {
				l = Say("list.next", "list", l, "next", extra.text)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// Spaced is a line as it follows another one: with a space before it, if there is one.
func Spaced(l Line) Line {
	if l == nil {
		return nil
	}
	return append(Line{{Kind: Words, Text: " "}}, l...)
}

// JoinedLine says what a sweep of the groups that its sender is in cannot know; "" for another one.
func JoinedLine(s command.Scope) Line {
	if !s.Joined {
		return nil
	}
	return Say("sweep.joined")
}

// Listed writes one thing after the other.
func Listed(all []Line) (l Line) {
	for i, one := range all {
		switch i {
		case 0:
			l = one
		case len(all) - 1:
			l = Say("list.last", "list", l, "last", one)
		default:
			l = Say("list.next", "list", l, "next", one)
		}
	}
	return l
}
