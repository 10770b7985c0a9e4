package discordtest

import (
	"cmp"
	_ "embed"
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Style is the stylesheet of what HTML and HTMLModal draw. All of its rules are about the class
// discord, or what holds it.
//
//go:embed page.css
var Style string

// HTML draws a message as Picture does, for a browser, from the JSON that was received; see
// bottest.Shown. Nothing in it loads or runs anything: links have no address, and what is said in a
// text cannot become markup of the page. Emphasis and lists are drawn within one line.
func (g *Guild) HTML(m Message) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &sheet{g: g, m: m}
	s.b.WriteString(`<article class="discord">`)
	who := g.displayName(m.Author)
	first, _ := utf8.DecodeRuneInString(who)
	s.b.WriteString(`<div class="face" aria-hidden="true">` + inert(string(unicode.ToUpper(first))) + "</div>")
	notes := m.Created.UTC().Format("15:04 UTC")
	if !m.Edited.IsZero() {
		notes += " (edited)"
	}
	s.tag("div", "who", inert(who)+" "+element("small", "", inert(notes)))
	if m.ReplyTo != "" {
		to := "a reply"
		if of, ok := g.messages[m.ReplyTo]; ok {
			to += " to " + g.displayName(of.author)
		}
		s.tag("div", "reply", inert(to))
	}
	s.message()
	if m.Ephemeral != "" {
		s.tag("div", "private", inert("Only "+g.displayName(m.Ephemeral)+" sees this"))
	}
	if t, ok := g.channels[m.Thread]; ok && m.Thread != "" {
		s.tag("div", "file", inert(fmt.Sprintf("thread: %s, %d messages", t.Name, len(t.order))))
	}
	s.b.WriteString("</article>\n")
	return s.b.String()
}

// HTMLModal draws a form as PictureModal does, for a browser. An input has its custom_id as name.
func (g *Guild) HTMLModal(m Modal) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &sheet{g: g}
	s.b.WriteString(`<div class="discord">`)
	s.tag("h3", "", inert(m.Title))
	v, _ := decode(m.Raw)
	raw, _ := v.(object)
	inputs := m.Inputs
	for _, row := range objects(list(raw, "components")) {
		if integer(row, "type") == typeText {
			s.b.WriteString(s.markdown(str(row, "content")))
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
		about := ""
		if in.Description != "" {
			about = element("small", "", inert(in.Description))
		}
		field := fmt.Sprintf(`<input name="%s" value="%s" placeholder="%s"/>`, inert(in.CustomID), inert(in.Value),
			inert(in.Placeholder))
		if in.Paragraph {
			field = fmt.Sprintf(`<textarea name="%s" placeholder="%s">%s</textarea>`, inert(in.CustomID),
				inert(in.Placeholder), inert(in.Value))
		}
		s.tag("label", "", inert(in.Label+star)+about+field)
	}
	s.b.WriteString(`<div class="row"><button name="send" value="Submit" class="style-1">Submit</button>` +
		`<button name="close" value="Cancel" class="style-2">Cancel</button></div></div>` + "\n")
	return s.b.String()
}

// sheet writes HTML. What it is given is escaped by inert, or was made of such pieces.
type sheet struct {
	g *Guild
	m Message
	b strings.Builder
}

// inert escapes what is said by others, as Picture shows it.
func inert(s string) string { return html.EscapeString(visible(s)) }

func element(name, class, inner string) string {
	if class != "" {
		class = ` class="` + html.EscapeString(class) + `"`
	}
	return "<" + name + class + ">" + inner + "</" + name + ">"
}

func (s *sheet) tag(name, class, inner string) { s.b.WriteString(element(name, class, inner)) }

// message draws what stands below the name.
func (s *sheet) message() {
	v, _ := decode(s.m.Raw)
	raw, _ := v.(object)
	who := s.g.displayName(s.m.Author)
	if s.m.Loading {
		s.tag("p", "", inert(who+" is thinking..."))
	}
	if integer(raw, "type") == 18 {
		s.tag("p", "", inert(who+" started a thread: "+s.m.Content))
		return
	}
	if s.m.Content != "" {
		s.b.WriteString(s.markdown(s.m.Content))
	}
	if s.m.Flags&flagSuppressEmbeds == 0 {
		for _, e := range objects(list(raw, "embeds")) {
			s.embed(e)
		}
	}
	s.components(list(raw, "components"))
	for _, f := range s.m.Files {
		s.tag("div", "file", inert(fmt.Sprintf("%s, %d bytes", f.Name, len(f.Data))))
	}
}

func (s *sheet) embed(e object) {
	if at, ok := e["color"]; ok {
		s.b.WriteString(fmt.Sprintf(`<div class="embed" style="border-left-color:#%06x">`,
			integer(object{"color": at}, "color")&0xffffff))
	} else {
		s.b.WriteString(`<div class="embed">`)
	}
	if a := str(sub(e, "author"), "name"); a != "" {
		s.tag("div", "field", inert(a))
	}
	if title := str(e, "title"); title != "" {
		s.tag("h3", "", s.line(title))
	}
	if d := str(e, "description"); d != "" {
		s.tag("div", "", s.markdown(d))
	}
	for _, f := range objects(list(e, "fields")) {
		s.tag("div", "", element("div", "field", s.line(str(f, "name")))+s.markdown(str(f, "value")))
	}
	var foot []string
	if f := str(sub(e, "footer"), "text"); f != "" {
		foot = append(foot, inert(f))
	}
	if t, err := time.Parse(time.RFC3339, str(e, "timestamp")); err == nil {
		foot = append(foot, inert(t.UTC().Format(timeLayout)))
	}
	if len(foot) > 0 {
		s.tag("div", "foot", strings.Join(foot, " • "))
	}
	s.b.WriteString("</div>")
}

func (s *sheet) components(components []any) {
	for _, o := range objects(components) {
		switch integer(o, "type") {
		case typeRow:
			row := ""
			for _, x := range objects(list(o, "components")) {
				row += control(x)
			}
			s.tag("div", "row", row)
		case typeContainer:
			s.b.WriteString(`<div class="embed">`)
			s.components(list(o, "components"))
			s.b.WriteString("</div>")
		case typeSection:
			s.components(list(o, "components"))
			if a := sub(o, "accessory"); integer(a, "type") == typeButton {
				s.tag("div", "row", control(a))
			}
		case typeText:
			s.b.WriteString(s.markdown(str(o, "content")))
		case typeSeparator:
			s.b.WriteString("<hr/>")
		case typeFile:
			s.tag("div", "file", inert(strings.TrimPrefix(str(sub(o, "file"), "url"), "attachment://")))
		case typeGallery, typeThumbnail:
			s.tag("p", "", "(media)")
		}
	}
}

// control draws a button or a choice.
func control(o object) string {
	label := str(o, "label")
	if e := sub(o, "emoji"); e != nil {
		label = strings.TrimSpace(str(e, "name") + " " + label)
	}
	if integer(o, "type") != typeButton {
		options := element("option", "", inert(cmp.Or(str(o, "placeholder"), "Make a selection")))
		for _, x := range objects(list(o, "options")) {
			options += `<option value="` + inert(str(x, "value")) + `">` + inert(str(x, "label")) + "</option>"
		}
		return `<select data-id="` + inert(str(o, "custom_id")) + `">` + options + "</select>"
	}
	off := ""
	if flag(o, "disabled") {
		off = ` disabled="disabled"`
	}
	return fmt.Sprintf(`<button name="press" value="%s" class="style-%d"%s>%s</button>`, inert(str(o, "label")),
		integer(o, "style"), off, inert(label))
}

// markdown draws text with its blocks of code, quotes, headings, small print and lists.
func (s *sheet) markdown(said string) string {
	var b strings.Builder
	for said != "" {
		at := strings.Index(said, "```")
		if at < 0 {
			at = len(said)
		}
		m := match(block, "```", said[at:])
		if m == nil {
			at = len(said)
		}
		if at > 0 {
			b.WriteString(s.lines(strings.TrimSuffix(said[:at], "\n")))
		}
		if said = said[at:]; m != nil {
			b.WriteString(element("pre", "", inert(m[1])))
			said = strings.TrimPrefix(said[len(m[0]):], "\n")
		}
	}
	return b.String()
}

// lines draws text without blocks of code.
func (s *sheet) lines(said string) string {
	var b strings.Builder
	var held []string // lines of one kind that are not drawn yet
	kind := ""
	flush := func() {
		switch {
		case len(held) == 0:
		case kind == "ul":
			b.WriteString(element("ul", "", strings.Join(held, "")))
		default:
			b.WriteString(element(kind, "", strings.Join(held, "\n")))
		}
		held = nil
	}
	rest := false // >>> quotes what follows
	for line := range strings.SplitSeq(said, "\n") {
		mark, inner, ok := "", line, false
		if !rest {
			mark, inner, ok = lineMark(line)
			rest = strings.HasPrefix(line, ">>> ")
		}
		as, drawn := "p", s.line(inner)
		switch {
		case rest, ok && mark == "▎":
			as = "blockquote"
		case ok && mark == "• ":
			as, drawn = "ul", element("li", "", drawn)
		case ok && mark == "·· ":
			as = "small"
		case ok:
			as = "h3"
		}
		if as != kind || as == "h3" {
			flush()
		}
		kind = as
		held = append(held, drawn)
	}
	flush()
	return b.String()
}

// line draws one line: emphasis, code, mentions, times and links.
func (s *sheet) line(said string) string {
	r := renderer{g: s.g, pings: s.m.pings}
	var b strings.Builder
	prev := ' '
	for said != "" {
		if inner, n := codeSpan(said); n > 0 {
			b.WriteString(element("code", "", inert(inner)))
			said, prev = said[n:], 'x'
			continue
		}
		if n := backticks(said); n > 0 {
			b.WriteString(said[:n])
			said = said[n:]
			continue
		}
		if out, n := r.angle(said); n > 0 {
			b.WriteString(angled(said, out))
			said, prev = said[n:], 'x'
			continue
		}
		if m := match(masked, "[", said); m != nil {
			b.WriteString(`<a title="` + inert(m[2]) + `">` + s.line(m[1]) + "</a>")
			said, prev = said[len(m[0]):], 'x'
			continue
		}
		if inner, n, _ := styled(said, prev); n > 0 {
			b.WriteString(emphasis(said, s.line(inner)))
			said, prev = said[n:], 'x'
			continue
		}
		if everyone := strings.HasPrefix(said, "@everyone"); everyone || strings.HasPrefix(said, "@here") {
			word, class := "@here", "mention"
			if everyone {
				word = "@everyone"
			}
			if slices.Contains(s.m.pings, "everyone") {
				class += " rang"
			}
			b.WriteString(element("span", class, word))
			said = said[len(word):]
			continue
		}
		c, n := utf8.DecodeRuneInString(said)
		if next := rune(said[min(1, len(said)-1)]); c == '\\' && len(said) > 1 && next < utf8.RuneSelf &&
			(unicode.IsPunct(next) || unicode.IsSymbol(next)) {
			b.WriteString(inert(string(next)))
			prev, said = next, said[2:]
			continue
		}
		b.WriteString(inert(said[:n]))
		prev, said = c, said[n:]
	}
	return b.String()
}

// angled draws what stood in angle brackets and reads as out.
func angled(said, out string) string {
	switch {
	case strings.HasPrefix(said, "<t:"):
		return element("time", "", inert(out))
	case strings.HasPrefix(said, "<http"):
		return element("a", "", inert(out))
	case strings.HasPrefix(said, "<:"), strings.HasPrefix(said, "<a:"):
		return inert(out)
	}
	name, rang := strings.CutSuffix(out, "(!)")
	class := "mention"
	if rang {
		class += " rang"
	}
	return element("span", class, inert(name))
}

// emphasis draws styled text by the mark before it.
func emphasis(said, inner string) string {
	for _, m := range []struct{ mark, name, class string }{{"**", "b", ""}, {"__", "u", ""}, {"~~", "s", ""},
		{"||", "span", "spoiler"}} {
		if strings.HasPrefix(said, m.mark) {
			return element(m.name, m.class, inner)
		}
	}
	return element("i", "", inner)
}
