package discordtest

// This file draws messages and forms as text for golden files, with Markdown rendered as Discord
// renders it.

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Picture draws a message as its readers see it, from the JSON that was received, in plain text for
// golden files:
//
//	┌ recallbot, only mina sees this (edited)
//	│ content, with its Markdown rendered
//	│ ┃ an embed, its fields below
//	│ [Approve] [Reject] (Show all) [Open: https://example.org]
//	└ thread: name, 2 messages
//
// A button in round brackets is disabled. A mention is drawn as @name, and as @name(!) when it
// notified somebody. Times are in UTC. Bold, italic and similar styles are drawn without their
// marks; escaped marks are drawn. Code is drawn as ‹code›, a block of code with ╎ before each line,
// a heading as ══, small print as ··, a quote as ▎, a list item as •, a spoiler as ▒text▒, a masked
// link as text(→address). Direction controls are drawn as ‹U+202E›.
func (g *Guild) Picture(m Message) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	head := "┌ " + g.displayName(m.Author)
	if m.Ephemeral != "" {
		head += ", only " + g.displayName(m.Ephemeral) + " sees this"
	}
	if m.ReplyTo != "" {
		head += ", a reply"
		if to, ok := g.messages[m.ReplyTo]; ok {
			head += " to " + g.displayName(to.author)
		}
	}
	if !m.Edited.IsZero() {
		head += " (edited)"
	}
	var b strings.Builder
	fmt.Fprintln(&b, head)
	for _, line := range g.draw(m) {
		fmt.Fprintln(&b, strings.TrimRight("│ "+line, " "))
	}
	foot := "└"
	if t, ok := g.channels[m.Thread]; ok && m.Thread != "" {
		foot += fmt.Sprintf(" thread: %s, %d messages", t.Name, len(t.order))
	}
	fmt.Fprintln(&b, foot)
	return b.String()
}

// PictureModal draws a form: its title, the labels (* means required), and the values of the inputs
// or else their placeholders.
func (g *Guild) PictureModal(m Modal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "┌ form: %s\n", m.Title)
	v, _ := decode(m.Raw)
	raw, _ := v.(object)
	inputs := m.Inputs
	for _, row := range objects(list(raw, "components")) {
		if integer(row, "type") == typeText {
			g.mu.Lock()
			for line := range strings.SplitSeq(g.render(str(row, "content"), nil), "\n") {
				fmt.Fprintf(&b, "│ %s\n", line)
			}
			g.mu.Unlock()
			continue
		}
		if len(inputs) == 0 {
			break
		}
		in := inputs[0]
		inputs = inputs[1:]
		star := ""
		if in.Required {
			star = " *"
		}
		fmt.Fprintf(&b, "│ %s%s\n", in.Label, star)
		if in.Description != "" {
			fmt.Fprintf(&b, "│ %s\n", in.Description)
		}
		switch {
		case in.Value != "":
			fmt.Fprintf(&b, "│ [%s]\n", in.Value)
		case in.Placeholder != "":
			fmt.Fprintf(&b, "│ [_%s_]\n", in.Placeholder)
		default:
			fmt.Fprintf(&b, "│ [ ]\n")
		}
	}
	b.WriteString("└ [Submit] [Cancel]\n")
	return b.String()
}

// draw returns a message's lines without its frame. Callers hold g.mu.
func (g *Guild) draw(m Message) []string {
	v, _ := decode(m.Raw)
	raw, _ := v.(object)
	var lines []string
	add := func(prefix, text string) {
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, strings.TrimRight(prefix+line, " "))
		}
	}
	if m.Loading {
		add("", g.displayName(m.Author)+" is thinking...")
	}
	if integer(raw, "type") == 18 {
		add("", g.displayName(m.Author)+" started a thread: "+m.Content)
		return lines
	}
	if m.Content != "" {
		add("", g.render(m.Content, m.pings))
	}
	if m.Flags&flagSuppressEmbeds == 0 {
		for _, e := range objects(list(raw, "embeds")) {
			g.drawEmbed(e, add)
		}
	}
	g.drawComponents(list(raw, "components"), "", m, add)
	for _, f := range m.Files {
		add("", fmt.Sprintf("{file %s, %d bytes}", f.Name, len(f.Data)))
	}
	return lines
}

func (g *Guild) drawEmbed(e object, add func(prefix, text string)) {
	const bar = "┃ "
	if s := str(sub(e, "author"), "name"); s != "" {
		add(bar, s)
	}
	if s := str(e, "title"); s != "" {
		s = g.render(s, nil)
		if u := str(e, "url"); u != "" {
			s += "(→" + u + ")"
		}
		add(bar, s)
	}
	if s := str(e, "description"); s != "" {
		add(bar, g.render(s, nil))
	}
	for _, f := range objects(list(e, "fields")) {
		name, value := g.render(str(f, "name"), nil), g.render(str(f, "value"), nil)
		if strings.Contains(value, "\n") {
			add(bar, name+":")
			add(bar+"  ", value)
		} else {
			add(bar, name+": "+value)
		}
	}
	var foot []string
	if s := str(sub(e, "footer"), "text"); s != "" {
		foot = append(foot, s)
	}
	if t, err := time.Parse(time.RFC3339, str(e, "timestamp")); err == nil {
		foot = append(foot, t.UTC().Format(timeLayout))
	}
	if len(foot) > 0 {
		add(bar, "·· "+strings.Join(foot, " • "))
	}
}

func (g *Guild) drawComponents(components []any, prefix string, m Message, add func(prefix, text string)) {
	for _, o := range objects(components) {
		switch integer(o, "type") {
		case typeRow:
			var row []string
			for _, x := range objects(list(o, "components")) {
				row = append(row, drawControl(x))
			}
			add(prefix, strings.Join(row, " "))
		case typeContainer:
			g.drawComponents(list(o, "components"), prefix+"┃ ", m, add)
		case typeSection:
			g.drawComponents(list(o, "components"), prefix, m, add)
			if a := sub(o, "accessory"); integer(a, "type") == typeButton {
				add(prefix, drawControl(a))
			}
		case typeText:
			add(prefix, g.render(str(o, "content"), m.pings))
		case typeSeparator:
			line := "────"
			if d, ok := o["divider"].(bool); ok && !d {
				line = ""
			}
			add(prefix, line)
		case typeFile:
			add(prefix, "{file "+strings.TrimPrefix(str(sub(o, "file"), "url"), "attachment://")+"}")
		case typeGallery, typeThumbnail:
			add(prefix, "{media}")
		}
	}
}

func drawControl(o object) string {
	label := str(o, "label")
	if e := sub(o, "emoji"); e != nil {
		label = strings.TrimSpace(str(e, "name") + " " + label)
	}
	if integer(o, "type") != typeButton {
		label = cmp.Or(str(o, "placeholder"), "Make a selection") + " ▾"
	}
	if u := str(o, "url"); u != "" {
		label += ": " + u
	}
	if flag(o, "disabled") {
		return "(" + label + ")"
	}
	return "[" + label + "]"
}

const timeLayout = "2006-01-02 15:04:05 UTC"

// layouts are those of timestamps by their style; the one without a style is f
// (docs.discord.com/developers/reference#message-formatting-timestamp-styles).
var layouts = map[string]string{
	"t": "15:04 UTC", "T": "15:04:05 UTC", "d": "2006-01-02", "D": "2006-01-02", "f": "2006-01-02 15:04 UTC",
	"F": "Monday 2006-01-02 15:04 UTC", "s": "2006-01-02 15:04 UTC", "S": timeLayout, "": "2006-01-02 15:04 UTC",
}

// moment draws a timestamp. The style R is how far away it is, as moment.js says it.
func moment(t time.Time, style string) string {
	if style != "R" {
		return t.UTC().Format(layouts[style])
	}
	away := time.Until(t)
	n, unit := away.Abs().Round(time.Second), ""
	switch {
	case n < time.Minute:
		unit = fmt.Sprint(int(n/time.Second), " seconds")
	case n < time.Hour:
		unit = fmt.Sprint(int(n.Round(time.Minute)/time.Minute), " minutes")
	case n < 24*time.Hour:
		unit = fmt.Sprint(int(n.Round(time.Hour)/time.Hour), " hours")
	default:
		unit = fmt.Sprint(int(n/(24*time.Hour)), " days")
	}
	if away < 0 {
		return unit + " ago"
	}
	return "in " + unit
}

var (
	stamp  = regexp.MustCompile(`^<t:(-?\d+)(?::([tTdDfFsSR]))?>`)
	tag    = regexp.MustCompile(`^<(@&|@!?|#)(\d+)>`)
	emoji  = regexp.MustCompile(`^<a?:(\w+):\d+>`)
	slash  = regexp.MustCompile(`^</([^:>]+):\d+>`)
	bare   = regexp.MustCompile(`^<(https?://[^ >]+)>`)
	masked = regexp.MustCompile(`^\[((?:\\.|[^\[\]\\\n])+)\]\(<?(https?://[^\s>)]+)>?(?: "[^"]*")?\)`)
	block  = regexp.MustCompile("(?s)^```(?:[a-zA-Z0-9+-]*\n)?(.+?)\n?```")
)

// render renders Markdown. pings are the mentions that notified. Callers hold g.mu.
func (g *Guild) render(s string, pings []string) string {
	r := renderer{g: g, pings: pings}
	return r.text(s, true)
}

type renderer struct {
	g     *Guild
	pings []string
}

// text renders s; start says that s begins at the beginning of a line.
func (r renderer) text(s string, start bool) string {
	var b strings.Builder
	prev := ' '
	if !start {
		prev = 'x'
	}
	for s != "" {
		if start {
			start = false
			if mark, rest, ok := lineMark(s); ok {
				b.WriteString(mark)
				s = rest
				continue
			}
		}
		if m := match(block, "```", s); m != nil {
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
				b.WriteByte('\n')
			}
			b.WriteString("╎ " + strings.ReplaceAll(visible(m[1]), "\n", "\n╎ "))
			if s = s[len(m[0]):]; s != "" && s[0] != '\n' {
				b.WriteByte('\n')
			}
			continue
		}
		if inner, n := codeSpan(s); n > 0 {
			b.WriteString("‹" + visible(inner) + "›")
			s = s[n:]
			continue
		}
		if n := backticks(s); n > 0 {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		if out, n := r.angle(s); n > 0 {
			b.WriteString(out)
			s = s[n:]
			continue
		}
		if m := match(masked, "[", s); m != nil {
			b.WriteString(r.text(m[1], false) + "(→" + m[2] + ")")
			s = s[len(m[0]):]
			continue
		}
		if inner, n, frame := styled(s, prev); n > 0 {
			b.WriteString(frame + r.text(inner, false) + frame)
			s = s[n:]
			prev = 'x'
			continue
		}
		if everyone := strings.HasPrefix(s, "@everyone"); everyone || strings.HasPrefix(s, "@here") {
			word := "@here"
			if everyone {
				word = "@everyone"
			}
			b.WriteString(word + r.ping("everyone"))
			s = s[len(word):]
			continue
		}
		c, n := utf8.DecodeRuneInString(s)
		if c == '\\' && len(s) > 1 && (unicode.IsPunct(rune(s[1])) || unicode.IsSymbol(rune(s[1]))) && s[1] < 0x80 {
			b.WriteByte(s[1])
			prev = rune(s[1])
			s = s[2:]
			continue
		}
		b.WriteString(visible(string(c)))
		prev, start = c, c == '\n'
		s = s[n:]
	}
	return b.String()
}

// match matches an expression at the beginning of s, if s begins with prefix. Without that check
// every match would take time proportional to the length of s.
func match(e *regexp.Regexp, prefix, s string) []string {
	if !strings.HasPrefix(s, prefix) {
		return nil
	}
	return e.FindStringSubmatch(s)
}

// ping returns the mark of a mention that notified, else "".
func (r renderer) ping(key string) string {
	if slices.Contains(r.pings, key) {
		return "(!)"
	}
	return ""
}

// angle renders text in angle brackets at the beginning of s; n is its length, 0 when there is
// none.
func (r renderer) angle(s string) (out string, n int) {
	if s[0] != '<' {
		return "", 0
	}
	if m := stamp.FindStringSubmatch(s); m != nil {
		at, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return "", 0
		}
		return moment(time.Unix(at, 0), m[2]), len(m[0])
	}
	if m := tag.FindStringSubmatch(s); m != nil {
		switch m[1] {
		case "@&":
			name := "@deleted-role"
			if x, ok := r.g.roles[m[2]]; ok {
				name = "@" + x.Name
			}
			return name + r.ping("role:"+m[2]), len(m[0])
		case "#":
			name := "#unknown"
			if x, ok := r.g.channels[m[2]]; ok {
				name = "#" + x.Name
			}
			return name, len(m[0])
		}
		return "@" + r.g.displayName(m[2]) + r.ping("user:"+m[2]), len(m[0])
	}
	if m := emoji.FindStringSubmatch(s); m != nil {
		return ":" + m[1] + ":", len(m[0])
	}
	if m := slash.FindStringSubmatch(s); m != nil {
		return "/" + m[1], len(m[0])
	}
	if m := bare.FindStringSubmatch(s); m != nil {
		return m[1], len(m[0])
	}
	return "", 0
}

// lineMark recognizes headings, small print, quotes and list items at the beginning of a line.
func lineMark(s string) (mark, rest string, ok bool) {
	for _, m := range []struct{ source, drawn string }{
		{"### ", "══ "}, {"## ", "══ "}, {"# ", "══ "}, {"-# ", "·· "}, {">>> ", "▎"}, {"> ", "▎"}, {"- ", "• "},
		{"* ", "• "},
	} {
		if rest, ok := strings.CutPrefix(s, m.source); ok && strings.TrimSpace(rest) != "" {
			return m.drawn, rest, true
		}
	}
	return "", s, false
}

// styled recognizes emphasis at the beginning of s. It returns the text inside, the whole length
// (0: there is none), and the sign that is drawn around the text.
func styled(s string, prev rune) (inner string, n int, frame string) {
	for _, mark := range []string{"**", "__", "~~", "||", "*", "_"} {
		rest, ok := strings.CutPrefix(s, mark)
		if !ok {
			continue
		}
		if len(mark) == 1 && (rest == "" || rest[0] == ' ' || rest[0] == '\n' || mark == "_" && isWord(prev)) {
			continue
		}
		end := closing(rest, mark)
		if end <= 0 {
			continue
		}
		if mark == "||" {
			frame = "▒"
		}
		return rest[:end], end + 2*len(mark), frame
	}
	return "", 0, ""
}

// closing finds the mark that ends an emphasis; it skips escapes and code. Of three stars, as in
// **in *Lounge***, the last two end bold text: the client's rule is /^\*\*(...+?)\*\*(?!\*)/
// (simple-markdown, which it is built on).
func closing(s, mark string) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '`':
			n := backticks(s[i:])
			if _, span := codeSpan(s[i:]); span > 0 {
				n = span
			}
			i += n - 1
		case strings.HasPrefix(s[i:], mark):
			after := s[i+len(mark):]
			next, _ := utf8.DecodeRuneInString(after)
			if mark == "**" && strings.HasPrefix(after, "*") {
				continue
			}
			if len(mark) == 1 && (i == 0 || s[i-1] == ' ' || strings.HasPrefix(after, mark) || mark == "_" &&
				after != "" && isWord(next)) {
				if strings.HasPrefix(after, mark) {
					i++
				}
				continue
			}
			return i
		}
	}
	return -1
}

// codeSpan recognizes code between backticks at the beginning of s. It returns the text inside and
// the whole length, 0 when there is none. A run of backticks is closed by a run of the same length;
// if a run is not closed, a shorter run opens the code.
func codeSpan(s string) (inner string, n int) {
	open := backticks(s)
	best := 0 // the length of the run that closes it
	for i := open; open > 0 && i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		run := backticks(s[i:])
		if run <= open && run > best {
			inner, n, best = s[run:i], i+run, run
		}
		i += run
	}
	return inner, n
}

// backticks counts the backticks at the beginning of s.
func backticks(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }

func isWord(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }

// visible draws characters that change the direction of text, and removes zero-width characters.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\u200b' || c == '\u200c' || c == '\u200d' || c == '\u2060' || c == '\ufeff' {
			return -1
		}
		return c
	}, bidi.ReplaceAllStringFunc(s, func(c string) string {
		r, _ := utf8.DecodeRuneInString(c)
		return fmt.Sprintf("‹U+%04X›", r)
	}))
}

var bidi = regexp.MustCompile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
