package bot

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Phone is how a platform's app draws a card on a phone. A card is cut so that its buttons are seen
// without scrolling.
type Phone struct {
	Height  int  // pixels above the end of the buttons that text can take
	Text    Type // the headline, who asks and why, and whom it waits for
	Warning Type // what is unusual, and what is to be known of the messages
	Message Type
	Small   Type // with a height of 0 where the small print stands below the buttons
}

// Type is how text is set, in pixels: the size of its characters, the height of a line, and how
// wide a line is.
type Type struct{ Size, Line, Width int }

// shorterTexts are characters of a text of others outside the messages, on a card that is too long
// for a phone. Each is tried until the card fits.
var shorterTexts = []int{500, 120, 40}

const (
	senderShare = 36   // percent of a line that the name of a sender takes, where messages are cut
	smallKept   = 2    // of the small print: the ids of the request and of the group
	phoneRunes  = 1000 // characters, and
	phoneLines  = 50   // lines, of which no phone shows all
	fewestShown = 4    // characters of a message; where its marks leave less room, it has one line more
)

// OnPhone returns a card that waits so that its buttons are seen on a phone. Where that is too much
// text, the longest messages are cut until all fit, evenly, and none to less than one line. If that
// is not enough, reasons and lists are cut, and then small print is left out. What is cut ends with
// "…", or says how much is missing, and the card says how many messages are cut and where to see
// all.
func (c Card) OnPhone(p Phone) Card {
	if c.State != Proposed {
		return c // nothing is to be decided
	}
	for _, most := range shorterTexts {
		if fits, ok := p.fit(c.shorter(most), false); ok {
			return fits
		}
	}
	c = c.shorter(shorterTexts[len(shorterTexts)-1])
	if p.Small.Line == 0 || len(c.Small) <= smallKept {
		c, _ = p.fit(c, false)
		return c
	}
	for {
		c.Small = c.Small[:len(c.Small)-1]
		if fits, ok := p.fit(c, true); ok || len(c.Small) <= smallKept {
			return fits
		}
	}
}

// fit returns the card with its messages cut so that all fit, and whether they do. It says how many
// are cut; in the small print, where some of that was left out.
func (p Phone) fit(c Card, left bool) (Card, bool) {
	room := p.Height - p.height(c)
	if _, cut, ok := p.cut(c.Samples, room); cut == 0 && !left {
		return c, ok
	}
	where, key := &c.Below, "card.cut"
	if left {
		where, key = &c.Small, "card.cut.more"
	}
	before := *where
	say := func(key string, n int) { *where = slices.Concat(before, []Line{Say(key, "n", n)}) }
	say(key, len(c.Samples))
	samples, cut, ok := p.cut(c.Samples, p.Height-p.height(c))
	if c.Samples = samples; cut == 0 {
		key = "card.cut.print"
	}
	say(key, cut)
	return c, ok
}

// height is the height of everything but the messages.
func (p Phone) height(c Card) int {
	h := p.Text.height(c.Title, true)
	for _, l := range c.Head {
		h += p.Text.height(l, false)
	}
	if len(c.Call) > 0 {
		call := slices.Clone(c.Call)
		for range c.Notify {
			call = append(call, Span{Kind: Words, Text: "@approvers "})
		}
		h += p.Text.height(call, false)
	}
	for _, l := range c.Unusual {
		h += p.Warning.height(l, true)
	}
	for _, l := range c.Below {
		h += p.Warning.height(l, false)
	}
	for _, s := range c.Samples {
		if len(s.Above) > 0 {
			h += p.Warning.height(s.Above, true)
		}
		if s.Skipped > 0 {
			h += p.Warning.Line
		}
	}
	var small Line
	for _, l := range c.Small {
		small = append(append(small, l...), Span{Kind: Words, Text: " · "})
	}
	return h + p.Small.height(small, false)
}

// cut returns the messages cut to so many lines each that all fit into room, how many are cut, and
// whether they fit.
func (p Phone) cut(all []Sample, room int) (samples []Sample, cut int, ok bool) {
	need, most := make([]int, len(all)), 1
	for i, s := range all {
		need[i] = p.Message.lines(s.line())
		most = max(most, need[i])
	}
	sum := func(each int) (h int) {
		for _, n := range need {
			h += min(n, each) * p.Message.Line
		}
		return h
	}
	each := most
	for each > 1 && sum(each) > room {
		each--
	}
	more := (room - sum(each)) / p.Message.Line
	for i, s := range all {
		lines := each
		if need[i] > each && more > 0 { // the first of them may have a line more
			lines, more = each+1, more-1
		}
		if need[i] > lines {
			was := s
			if s = p.Message.cut(s, lines); s.Sender != was.Sender || s.Text.String() != was.Text.String() {
				cut++
			}
		}
		samples = append(samples, s)
		room -= p.Message.lines(s.line()) * p.Message.Line // marks can take more lines than its share
	}
	return samples, cut, room >= 0
}

// shorter returns the card with at most `most` characters of each text of others, of each list and
// of each filter outside the messages. The first two of the small print, which are the ids of the
// request and of the group, stay whole.
func (c Card) shorter(most int) Card {
	line := func(l Line) Line {
		l = slices.Clone(l)
		for i, s := range l {
			if s.Kind == Foreign || s.Kind == CodeText {
				l[i].Text = Cut(s.Text, most)
			}
		}
		return l
	}
	lines := func(all []Line, from int) []Line {
		all = slices.Clone(all)
		for i := min(from, len(all)); i < len(all); i++ {
			all[i] = line(all[i])
		}
		return all
	}
	c.Head, c.Unusual, c.Below, c.Small = lines(c.Head, 0), lines(c.Unusual, 0), lines(c.Below, 0), lines(c.Small, 2)
	return c
}

// line is about what a platform shows of a message.
func (s Sample) line() Line {
	l := Line{Code(strconv.FormatUint(uint64(s.Seq), 10))}
	if s.Alike > 0 {
		l = Say("card.alike", "n", s.Alike)
	}
	add := func(before string, more Line) {
		l = append(append(l, Span{Kind: Words, Text: before}), more...)
	}
	if s.Sender != "" {
		add(" ", s.Who())
	}
	for _, m := range s.Marks {
		add(" ·· ", m) // bold is a little wider
	}
	if len(s.Text) > 0 {
		add(": ", s.Text)
	}
	return l
}

// cut returns the message with as much of it as stands on so many lines.
func (t Type) cut(s Sample, lines int) Sample {
	s.Sender, _ = CutOff(s.Sender, 100)
	most := t.Width * senderShare / 100
	if t.width(s.Who()) > most { // the id proves more
		s.Name = ""
	}
	if t.width(s.Who()) > most {
		part := func(n int) string {
			kept, _ := CutOff(s.Sender, n)
			return kept + "…"
		}
		s.Sender = part(sort.Search(utf8.RuneCountInString(s.Sender), func(n int) bool {
			return t.width(Line{Quote(part(n + 1))}) > most
		}))
	}
	text := shortened(s.Text, phoneRunes)
	all := utf8.RuneCountInString(text.String())
	s.Text = nil
	for lines = max(lines, t.lines(s.line())); ; lines++ {
		// The last number of characters that is not too many.
		n := sort.Search(all, func(n int) bool {
			s.Text = shortened(text, n+1)
			return t.lines(s.line()) > lines
		})
		if s.Text = shortened(text, n); n >= min(fewestShown, all) {
			return s
		}
	}
}

// shortened returns at most n characters of a line, which ends with "…" if some are missing.
func shortened(l Line, n int) Line {
	var kept Line
	for _, s := range l {
		if s.Kind == Moment {
			kept = append(kept, s)
			continue
		}
		text, left := CutOff(s.Text, n)
		n -= len([]rune(text))
		if text != "" {
			kept = append(kept, Span{Kind: s.Kind, Text: text})
		}
		if left > 0 {
			return append(kept, Span{Kind: Words, Text: "…"})
		}
	}
	return kept
}

func (t Type) height(l Line, bold bool) int {
	if bold {
		t.Width = t.Width * 93 / 100
	}
	return t.Line * t.lines(l)
}

// lines returns how many lines a line of text takes. A word that does not fit into what is left of
// a line begins another, and one that is too long for any line is broken. It stops counting above
// phoneLines.
func (t Type) lines(l Line) int {
	if len(l) == 0 || t.Width == 0 {
		return 0
	}
	lines, used := 1, 0
	for word := range strings.SplitAfterSeq(t.said(l), " ") {
		if lines > phoneLines {
			break
		}
		w := t.textWidth(strings.TrimSuffix(word, " "))
		if used > 0 && used+w > t.Width {
			lines, used = lines+1, 0
		}
		lines += max(w-1, 0) / t.Width
		used += w % t.Width
		used += t.textWidth(" ")
	}
	return lines
}

// said is what is read of a line. Times are as long as the longest form of them.
func (t Type) said(l Line) string {
	var b strings.Builder
	for _, s := range l {
		switch {
		case s.Kind == Moment && s.Form == Deadline:
			b.WriteString("00:00 UTC (in 30 minutes)")
		case s.Kind == Moment:
			b.WriteString(s.Time.UTC().Format(s.Form.layout()))
		case s.Kind == CodeText:
			b.WriteString("." + strings.Map(monospaced, s.Text) + ".") // it has a margin
		default:
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

// monospaced returns the character that is as wide as r is in code: all are about as wide as a
// digit of the text, since apps set code at 85 % of its size. So a card is cut in the same way
// whatever its id is.
func monospaced(r rune) rune {
	if r <= ' ' || r >= 0x80 {
		return r
	}
	return '0'
}

func (t Type) width(l Line) int { return t.textWidth(t.said(l)) }

// textWidth is about how wide text is. Fonts differ by a few percent.
func (t Type) textWidth(s string) int {
	sum := 0
	for _, r := range s {
		sum += characterWidth(r)
	}
	return sum * t.Size / 100
}

// characterWidth returns about how wide a character is, in hundredths of the size of its font, as
// in Arial, whose characters are wider than those of most fonts of apps.
func characterWidth(r rune) int {
	switch {
	case r < 0x80:
		return asciiWidths[r]
	case unicode.Is(unicode.M, r), joiner(r):
		return 0
	case r == '·':
		return 30
	case r == '…':
		return 100
	case unicode.Is(emoji, r):
		return 130
	case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 105
	}
	return 72
}

var asciiWidths = func() (all [0x80]int) {
	for r := range all {
		if all[r] = 56; unicode.IsUpper(rune(r)) {
			all[r] = 72
		}
	}
	for n, characters := range map[int]string{24: "'ijl|", 29: " !,./:;I[\\]ft`", 34: "-()r", 50: "Jcksvxyz", 72: "w",
		95: "mMW%@"} {
		for _, r := range characters {
			all[r] = n
		}
	}
	return all
}()
