package discord

// This file writes lines as Discord's markup. Text that others wrote is escaped, so that it cannot
// notify anybody, format anything or look like the bot's words, and a text that is too long is cut
// without breaking an escape.

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"recallbot/bot"
)

// size returns the length of s for Discord's limits, in UTF-16 units. The limits are in characters,
// of which there are never more than units.
func size(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// active are the ASCII characters that can begin or end markup, a mention, a link or a list. After
// a backslash they are plain text.
const active = "\\`*_~|>#-+[]()<:@./"

// inert returns text that others wrote with its markup, links and mentions escaped, on one line.
func inert(s string) string {
	s = bot.Visible(s)
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && strings.ContainsRune(active, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// framed returns text that others wrote in italics, which the bot's own words never are. Markup
// does not begin or end beside a space.
func framed(s string) string {
	text := strings.TrimSpace(s)
	if text == "" {
		return inert(s)
	}
	before, after, _ := strings.Cut(s, text)
	return inert(before) + "*" + bot.Isolated(inert(text)) + "*" + inert(after)
}

// code returns text that people copy as inline code. Inside it only a backtick is markup, and a
// backslash does not escape that.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(bot.Visible(s), "`", "ˋ") + "`"
}

// span returns one piece of a line in Discord's markup.
func span(s bot.Span) string {
	switch s.Kind {
	case bot.Foreign:
		return framed(s.Text)
	case bot.CodeText:
		return code(s.Text)
	case bot.Moment:
		if s.Time.IsZero() {
			return ""
		}
		at := "<t:" + strconv.FormatInt(s.Time.Unix(), 10)
		switch s.Form {
		case bot.TimeOnly:
			return at + ":t>"
		case bot.Deadline:
			return at + ":t> (" + at + ":R>)"
		case bot.Minutes:
			return at + ":f>"
		}
		return at + ":S>" // with seconds
	}
	return s.Text
}

func markup(l bot.Line) string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(span(s))
	}
	return b.String()
}

// more returns the sentence that says how many characters are missing.
func more(n int) string { return bot.Say("cut.characters", "n", n).String() }

// The largest sizes of more and of the sentence about lines that do not fit.
const (
	moreSize  = 24
	linesSize = 48
)

// fit returns a line in at most limit characters of markup. It says how many characters are
// missing, and never cuts inside a character or an escape.
func fit(l bot.Line, limit int) string {
	if measure(l, limit) <= limit {
		return markup(l)
	}
	var b strings.Builder
	room, left := max(limit-moreSize, 0), utf8.RuneCountInString(l.String())
	for _, s := range l {
		if n := measure(bot.Line{s}, room); n <= room {
			b.WriteString(span(s))
			room -= n
			left -= utf8.RuneCountInString(bot.Line{s}.String())
			continue
		}
		if s.Kind == bot.Moment {
			break
		}
		frame := s
		frame.Text = "x"
		used, keep, at := size(span(frame))-1, 0, 0
		if s.Kind == bot.Foreign {
			used += size(bot.Isolated(s.Text)) - size(s.Text)
		}
		for i, r := range s.Text {
			if n := width(s.Kind, r); used+n <= room {
				used += n
				keep++
				continue
			}
			at = i
			break
		}
		for at > 0 { // do not separate an accent from its letter
			r, _ := utf8.DecodeRuneInString(s.Text[at:])
			if !unicode.Is(unicode.M, r) {
				break
			}
			_, n := utf8.DecodeLastRuneInString(s.Text[:at])
			at -= n
			keep--
		}
		if s.Text = s.Text[:at]; at > 0 {
			b.WriteString(span(s))
		}
		left -= keep
		break
	}
	return b.String() + more(left)
}

// measure returns the size of a line's markup. It stops counting above limit.
func measure(l bot.Line, limit int) int {
	n := 0
	for _, s := range l {
		if n > limit {
			break
		}
		if cut := (limit + 1) * utf8.UTFMax; len(s.Text) > cut { // what is left has more than limit characters still
			s.Text = strings.ToValidUTF8(s.Text[:cut], "")
		}
		n += size(span(s))
	}
	return n
}

// width returns the largest size of one character of a span in markup.
func width(k bot.SpanKind, r rune) int {
	if unicode.Is(unicode.M, r) {
		return utf16.RuneLen(r) // it stands on its letter: alone it would be shown by its name
	}
	switch k {
	case bot.Foreign:
		return size(inert(string(r)))
	case bot.CodeText:
		return size(bot.Visible(string(r)))
	}
	return max(utf16.RuneLen(r), 1)
}

// row is one line of a message: a head and a tail that are never cut, and what stands between them.
type row struct {
	head string
	line bot.Line
	tail string
}

func (r row) frame() int { return size(r.head) + size(r.tail) }

// rows writes lines in at most limit characters together, each in at most every. If they do not
// fit, each may have the same share, so that short lines stay whole and long ones are cut. Lines
// that do not fit even then are left out and counted.
func rows(list []row, limit, every int) []string {
	const least = 40 // a shorter part of a line is not understandable
	sizes, heads := make([]int, len(list)), 0
	for i, r := range list {
		sizes[i] = min(measure(r.line, every), every-r.frame())
		heads += r.frame() + 1
	}
	for n := len(list); ; n-- {
		room := limit - heads
		if n < len(list) {
			room -= linesSize
		}
		each := share(sizes[:n], room)
		if n > 0 && (room < 0 || each < least && each < most(sizes[:n])) {
			heads -= list[n-1].frame() + 1
			continue
		}
		var out []string
		for _, r := range list[:n] {
			out = append(out, r.head+fit(r.line, min(each, every-r.frame()))+r.tail)
		}
		if n < len(list) {
			out = append(out, bot.Say("cut.lines", "n", len(list)-n).String())
		}
		return out
	}
}

func most(sizes []int) int {
	n := 0
	for _, s := range sizes {
		n = max(n, s)
	}
	return n
}

// share returns the largest bound such that the sizes, each cut to it, fit into room together.
func share(sizes []int, room int) int {
	low, high := 0, most(sizes)
	for low < high {
		mid, sum := (low+high+1)/2, 0
		for _, s := range sizes {
			sum += min(s, mid)
		}
		if sum <= room {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// pack joins lines into texts of at most limit characters each. No line may be longer than limit.
func pack(lines []string, limit int) []string {
	var texts []string
	used := 0
	for _, l := range lines {
		n := size(l)
		if len(texts) == 0 || used+1+n > limit {
			texts, used = append(texts, l), n
			continue
		}
		texts[len(texts)-1] += "\n" + l
		used += 1 + n
	}
	return texts
}

func isSnowflake(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && n > 0 && s[0] != '0'
}
