package slacktest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Style is the stylesheet of what HTML draws. All of its rules are below the class slack.
//
//go:embed page.css
var Style string

// HTML draws a message, an ephemeral message or a modal as Picture does, for a browser, from the
// JSON that was received, with the question of the button labelled asking; see bottest.Shown.
// Nothing in it loads or runs anything: links have no address, and what is said in a text cannot
// become markup of the page.
func (w *Workspace) HTML(p Pictured, asking string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.page(&sheet{w: w, asking: asking})
}

func (m Message) page(p *sheet) string {
	p.rang = m.mentions
	notes := []string{m.Time.UTC().Format("15:04 UTC")}
	if m.Broadcast {
		notes = append(notes, "also sent to the channel")
	}
	if m.Edited {
		notes = append(notes, "(edited)")
	}
	p.head(p.w.nameOf(m.User), strings.Join(notes, " · "))
	p.body(m.Text, m.Blocks)
	for _, f := range m.Files {
		p.tag("div", "file", inert(fmt.Sprintf("%s, %d bytes", f.Title, len(f.Content))))
	}
	return p.end()
}

func (e Ephemeral) page(p *sheet) string {
	who := p.w.BotName
	if e.Via == "slack" {
		who = "Slackbot"
	}
	p.head(who, e.Time.UTC().Format("15:04 UTC"))
	p.tag("div", "private", inert("Only visible to "+p.w.nameOf(e.User)))
	p.body(e.Text, e.Blocks)
	return p.end()
}

func (v View) page(p *sheet) string {
	p.errors = v.Errors
	p.b.WriteString(`<div class="slack">`)
	p.tag("h3", "", inert(v.Title))
	p.blocks(parseBlocks(v.Blocks))
	p.b.WriteString(`<div class="row">`)
	closes := "Close"
	if v.Submit != "" {
		p.b.WriteString(pressable("send", v.Submit, "primary", v.Submit, ""))
		closes = "Cancel"
	}
	p.b.WriteString(pressable("close", closes, "", closes, ""))
	p.b.WriteString("</div></div>\n")
	return p.b.String()
}

// sheet writes HTML. What it is given is escaped by inert, or was made of such pieces.
type sheet struct {
	w      *Workspace
	b      strings.Builder
	asking string // the label of the button whose question is shown
	rang   []mention
	errors map[string]string
}

// inert escapes what is said by others, its invisible characters written as code points.
func inert(s string) string { return html.EscapeString(printable(s)) }

func element(name, class, inner string) string {
	if class != "" {
		class = ` class="` + html.EscapeString(class) + `"`
	}
	return "<" + name + class + ">" + inner + "</" + name + ">"
}

func (p *sheet) tag(name, class, inner string) { p.b.WriteString(element(name, class, inner)) }

func (p *sheet) head(who, notes string) {
	p.b.WriteString(`<article class="slack">`)
	first := "?"
	for _, r := range who {
		first = string(unicode.ToUpper(r))
		break
	}
	p.b.WriteString(`<div class="face" aria-hidden="true">` + inert(first) + "</div>")
	p.tag("div", "who", inert(who)+" "+element("small", "", inert(notes)))
}

func (p *sheet) end() string {
	p.b.WriteString("</article>\n")
	return p.b.String()
}

func (p *sheet) body(top string, blocks json.RawMessage) {
	if len(blocks) == 0 {
		p.b.WriteString(p.lines(top, true))
		return
	}
	p.blocks(parseBlocks(blocks))
}

func (p *sheet) blocks(blocks []any) {
	for _, v := range blocks {
		m := mapOf(v)
		switch m["type"] {
		case "header":
			p.tag("h3", "", inert(label(m["text"])))
		case "section":
			if t, there := m["text"]; there {
				p.b.WriteString(p.object(t))
			}
			if fields, _ := m["fields"].([]any); len(fields) > 0 {
				var all string
				for _, f := range fields {
					all += element("div", "", p.object(f))
				}
				p.tag("div", "fields", all)
			}
			if a := mapOf(m["accessory"]); a != nil {
				p.row(str(m, "block_id"), []map[string]any{a})
			}
		case "divider":
			p.b.WriteString("<hr/>")
		case "image":
			p.tag("p", "", inert("(image: "+str(m, "alt_text")+")"))
		case "context":
			elements, _ := m["elements"].([]any)
			var parts []string
			for _, e := range elements {
				if em := mapOf(e); em["type"] == "image" {
					parts = append(parts, inert("(image: "+str(em, "alt_text")+")"))
				} else {
					parts = append(parts, p.object(e))
				}
			}
			p.tag("div", "context", strings.Join(parts, " "))
		case "actions":
			p.row(str(m, "block_id"), elementsOf(m))
		case "rich_text":
			p.rich(m)
		case "markdown":
			p.b.WriteString(p.lines(str(m, "text"), true))
		case "table":
			p.table(m)
		case "input":
			p.input(m)
		case "alert":
			p.tag("p", "", element("b", "", inert(str(m, "level")))+" "+p.object(m["text"]))
		}
	}
}

// object draws a text object.
func (p *sheet) object(v any) string {
	m := mapOf(v)
	if m["type"] == "mrkdwn" {
		return p.lines(str(m, "text"), !bln(m, "verbatim"))
	}
	return element("p", "", inert(str(m, "text")))
}

// lines draws mrkdwn: lines that begin with > are quoted, and the marks within a line are applied.
func (p *sheet) lines(s string, auto bool) string {
	var out strings.Builder
	var quoted, plain []string
	flush := func() {
		if len(quoted) > 0 {
			out.WriteString(element("blockquote", "", strings.Join(quoted, "\n")))
		}
		if len(plain) > 0 {
			out.WriteString(element("p", "", strings.Join(plain, "\n")))
		}
		quoted, plain = nil, nil
	}
	for i, part := range strings.Split(s, "```") {
		if i%2 == 1 {
			flush()
			out.WriteString(element("pre", "", inert(unescape.Replace(strings.Trim(part, "\n")))))
			continue
		}
		if i > 0 {
			part = strings.TrimPrefix(part, "\n")
		}
		for line := range strings.SplitSeq(part, "\n") {
			inner, isQuote := strings.CutPrefix(line, "&gt;")
			if !isQuote {
				inner, isQuote = strings.CutPrefix(line, "> ")
			}
			if isQuote && len(plain) > 0 || !isQuote && len(quoted) > 0 {
				flush()
			}
			if drawn := p.line(strings.TrimPrefix(inner, " "), auto); isQuote {
				quoted = append(quoted, drawn)
			} else {
				plain = append(plain, drawn)
			}
		}
	}
	flush()
	return out.String()
}

// placeholders are what stands for drawn pieces while the marks around them are applied: characters
// of a private area, which text of others does not keep.
const placeholders = '\uE000'

// line draws one line of mrkdwn.
func (p *sheet) line(s string, auto bool) string {
	var drawn []string
	var b strings.Builder
	for _, t := range p.w.tokens(s, auto) {
		piece := ""
		switch t.kind {
		case "mention":
			piece = p.mention(t.who)
		case "channel":
			piece = p.channel(t.url)
		case "link":
			piece = p.link(t.url, unescape.Replace(t.label))
		case "date":
			stamp, format, _ := strings.Cut(t.url, "^")
			format, _, _ = strings.Cut(format, "^")
			piece = inert(t.label)
			if sec, err := strconv.ParseInt(stamp, 10, 64); err == nil {
				piece = p.date(sec, format)
			}
		default:
			b.WriteString(strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Co, r) {
					return unicode.ReplacementChar
				}
				return r
			}, unescape.Replace(t.text)))
			continue
		}
		b.WriteRune(placeholders + rune(len(drawn)))
		drawn = append(drawn, piece)
	}
	out := marks(b.String())
	for i, piece := range drawn {
		out = strings.ReplaceAll(out, string(placeholders+rune(i)), piece)
	}
	return out
}

// marks applies the marks of mrkdwn in a line: code first, in which no other counts. A mark counts
// at the beginning and at the end of words.
func marks(s string) string {
	if before, rest, ok := strings.Cut(s, "`"); ok {
		if inner, after, ok := strings.Cut(rest, "`"); ok && inner != "" {
			return marks(before) + element("code", "", inert(inner)) + marks(after)
		}
	}
	for _, m := range []struct{ mark, name string }{{"*", "b"}, {"_", "i"}, {"~", "s"}} {
		for from := 0; ; {
			at := strings.Index(s[from:], m.mark)
			if at < 0 {
				break
			}
			at += from
			from = at + 1
			end := strings.Index(s[from:], m.mark)
			if end < 1 {
				break
			}
			end += from
			if wordEdge(s[:at], true) && wordEdge(s[end+1:], false) && s[at+1] != ' ' && s[end-1] != ' ' {
				return marks(s[:at]) + element(m.name, "", marks(s[at+1:end])) + marks(s[end+1:])
			}
		}
	}
	return inert(s)
}

// wordEdge reports whether no letter or digit stands at the end, or at the beginning, of s.
func wordEdge(s string, atEnd bool) bool {
	all := []rune(s)
	if len(all) == 0 {
		return true
	}
	r := all[0]
	if atEnd {
		r = all[len(all)-1]
	}
	return !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func (p *sheet) mention(who string) string {
	name, class := who, "mention"
	if g := p.w.groups[who]; g != nil {
		name = g.Handle
	} else {
		name = p.w.nameOf(name)
	}
	if slices.ContainsFunc(p.rang, func(m mention) bool { return m.who == who }) {
		class += " rang"
	}
	return element("span", class, "@"+inert(name))
}

func (p *sheet) channel(id string) string {
	if ch := p.w.channels[id]; ch != nil {
		id = ch.Name
	}
	return element("span", "mention", "#"+inert(id))
}

func (p *sheet) link(url, said string) string {
	if said == "" {
		said = url
	}
	return `<a title="` + inert(url) + `">` + inert(said) + "</a>"
}

func (p *sheet) date(sec int64, format string) string {
	d := drawing{w: p.w}
	return `<time datetime="` + time.Unix(sec, 0).UTC().Format(time.RFC3339) + `">` +
		html.EscapeString(d.date(sec, format)) + "</time>"
}

// pressable draws a button that submits the form around it.
func pressable(name, value, class, said, speech string) string {
	if speech != "" {
		speech = ` aria-label="` + inert(speech) + `"`
	}
	return fmt.Sprintf(`<button name="%s" value="%s" class="%s"%s>%s</button>`, name, inert(value), inert(class),
		speech, inert(said))
}

// row draws what people can press and choose, and the question of the button that was pressed.
func (p *sheet) row(block string, list []map[string]any) {
	question := ""
	p.b.WriteString(`<div class="row">`)
	for _, e := range list {
		if e["type"] != "button" {
			p.b.WriteString(p.choice(block, e))
			continue
		}
		said := label(e["text"])
		p.b.WriteString(pressable("press", said, str(e, "style"), said, str(e, "accessibility_label")))
		if c := mapOf(e["confirm"]); c != nil && said == p.asking {
			deny := label(c["deny"])
			if deny == "" {
				deny = "Cancel"
			}
			question = element("div", "confirm", element("h3", "", inert(label(c["title"])))+p.object(c["text"])+
				element("div", "row", pressable("confirm", said, str(c, "style"), label(c["confirm"]), "")+
					pressable("cancel", said, "", deny, "")))
		}
	}
	p.b.WriteString("</div>" + question)
}

// choice draws an element that holds a value, by the id of its block.
func (p *sheet) choice(block string, e map[string]any) string {
	name := ` name="` + inert(block) + `"`
	switch e["type"] {
	case "image":
		return inert("(image: " + str(e, "alt_text") + ")")
	case "plain_text_input":
		if bln(e, "multiline") {
			return "<textarea" + name + ` placeholder="` + inert(label(e["placeholder"])) + `">` +
				inert(str(e, "initial_value")) + "</textarea>"
		}
		fallthrough
	case "number_input", "email_text_input", "url_text_input":
		return "<input" + name + ` value="` + inert(str(e, "initial_value")) + `" placeholder="` +
			inert(label(e["placeholder"])) + `"/>`
	}
	options := ""
	chosen := label(mapOf(e["initial_option"])["text"])
	for _, o := range optionsOf(e) {
		mark := ""
		if label(o["text"]) == chosen {
			mark = ` selected="selected"`
		}
		options += `<option value="` + inert(str(o, "value")) + `"` + mark + ">" + inert(label(o["text"])) + "</option>"
	}
	return "<select" + name + ">" + options + "</select>"
}

func (p *sheet) input(m map[string]any) {
	mark := ""
	if bln(m, "optional") {
		mark = " (optional)"
	}
	field := p.choice(str(m, "block_id"), mapOf(m["element"]))
	p.tag("label", "", inert(label(m["label"])+mark)+field)
	if h, there := m["hint"]; there {
		p.tag("div", "context", p.object(h))
	}
	if e := p.errors[str(m, "block_id")]; e != "" {
		p.tag("div", "error", inert(e))
	}
}

func (p *sheet) table(m map[string]any) {
	rows, _ := m["rows"].([]any)
	all := ""
	for _, r := range rows {
		cells, _ := r.([]any)
		row := ""
		for _, c := range cells {
			cm := mapOf(c)
			in := &sheet{w: p.w, rang: p.rang}
			if cm["type"] == "rich_text" {
				in.rich(cm)
			} else {
				in.b.WriteString(inert(str(cm, "text")))
			}
			row += element("td", "", in.b.String())
		}
		all += element("tr", "", row)
	}
	p.tag("table", "", all)
}

// rich draws a rich_text block or cell.
func (p *sheet) rich(m map[string]any) {
	elements, _ := m["elements"].([]any)
	for _, v := range elements {
		e := mapOf(v)
		switch e["type"] {
		case "rich_text_section":
			p.tag("div", "rich", strings.TrimSuffix(p.inline(e), "\n"))
		case "rich_text_quote":
			p.tag("blockquote", "", p.inline(e))
		case "rich_text_preformatted":
			p.tag("pre", "", p.inline(e))
		case "rich_text_list":
			items, _ := e["elements"].([]any)
			all := ""
			for _, item := range items {
				all += element("li", "", p.inline(mapOf(item)))
			}
			name := "ul"
			if e["style"] == "ordered" {
				name = "ol"
			}
			p.tag(name, "", all)
		}
	}
}

// inline draws the elements of a line of rich text.
func (p *sheet) inline(m map[string]any) string {
	var b strings.Builder
	elements, _ := m["elements"].([]any)
	for _, v := range elements {
		e := mapOf(v)
		s := ""
		switch e["type"] {
		case "text":
			s = inert(str(e, "text"))
		case "link":
			s = p.link(str(e, "url"), str(e, "text"))
		case "user":
			s = p.mention(str(e, "user_id"))
		case "usergroup":
			s = p.mention(str(e, "usergroup_id"))
		case "broadcast":
			s = p.mention(str(e, "range"))
		case "channel":
			s = p.channel(str(e, "channel_id"))
		case "emoji":
			s = inert(":" + str(e, "name") + ":")
		case "date":
			s = inert(str(e, "fallback"))
			if sec, err := strconv.ParseInt(fmt.Sprint(e["timestamp"]), 10, 64); err == nil {
				s = p.date(sec, str(e, "format"))
			}
		case "color":
			s = inert(str(e, "value"))
		}
		style := mapOf(e["style"])
		for _, mark := range []struct{ of, name string }{{"code", "code"}, {"strike", "s"}, {"italic", "i"},
			{"bold", "b"}} {
			if bln(style, mark.of) {
				s = element(mark.name, "", s)
			}
		}
		b.WriteString(s)
	}
	return b.String()
}
