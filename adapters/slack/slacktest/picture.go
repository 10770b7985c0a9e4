package slacktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Pictured is something that Picture and HTML draw: a Message, an Ephemeral or a View.
type Pictured interface {
	picture(w *Workspace) string
	page(p *sheet) string
}

// Picture draws a message, an ephemeral message or a modal as its readers see
// it, from the JSON that was received, in plain text for golden files:
//
//	┌ recallbot
//	│ # a header
//	│ a section with ‹@approvers!›, ‹@mina› and ‹https://example.com›
//	│ ────
//	│ ~ a context
//	│ [Approve] [Reject]
//	│   Approve asks: Recall 2 messages? / It cannot be undone. [Recall] [Cancel]
//	└
//
// Whatever Slack makes live stands between ‹ and ›: mentions, with ! when the
// first post notified somebody, channels, and links (as ‹label → url›). Dates are
// in UTC. Invisible characters are written as ⟦U+202E⟧. The notification text,
// [Message.Text], is drawn only when there are no blocks.
func (w *Workspace) Picture(p Pictured) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return p.picture(w)
}

func (m Message) picture(w *Workspace) string {
	d := &drawing{w: w, notified: m.mentions}
	who := w.nameOf(m.User)
	if m.Broadcast {
		who += " (reply, also sent to the channel)"
	}
	d.top(who)
	d.body(m.Text, m.Blocks)
	for _, f := range m.Files {
		d.line("[file %s, %d bytes]", f.Title, len(f.Content))
	}
	if m.Edited {
		d.line("(edited)")
	}
	return d.end("")
}

func (e Ephemeral) picture(w *Workspace) string {
	d := &drawing{w: w}
	who := w.BotName
	if e.Via == "slack" {
		who = "Slackbot"
	}
	d.top(who + " · only visible to " + w.nameOf(e.User))
	d.body(e.Text, e.Blocks)
	return d.end("")
}

func (v View) picture(w *Workspace) string {
	d := &drawing{w: w, errors: v.Errors}
	d.top("[" + printable(v.Title) + "]")
	d.blocks(parseBlocks(v.Blocks))
	foot := ""
	if v.Submit != "" {
		foot = " [" + printable(v.Submit) + "]"
	}
	return d.end(foot)
}

func (w *Workspace) nameOf(user string) string {
	if user == w.BotUserID {
		return w.BotName
	}
	if u := w.users[user]; u != nil {
		return u.Name
	}
	return user
}

type drawing struct {
	w        *Workspace
	b        strings.Builder
	notified []mention
	errors   map[string]string
}

func (d *drawing) top(s string) { d.b.WriteString("┌ " + s + "\n") }

func (d *drawing) end(s string) string { d.b.WriteString("└" + s + "\n"); return d.b.String() }

// line draws one or more lines within the frame.
func (d *drawing) line(format string, args ...any) {
	for s := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		d.b.WriteString(strings.TrimRight("│ "+s, " ") + "\n")
	}
}

// prefixed draws lines that all begin with prefix.
func (d *drawing) prefixed(prefix, s string) {
	for l := range strings.SplitSeq(s, "\n") {
		d.line("%s", prefix+l)
	}
}

func (d *drawing) body(text string, blocks json.RawMessage) {
	if len(blocks) == 0 {
		d.line("%s", d.mrkdwn(text, false))
		return
	}
	d.blocks(parseBlocks(blocks))
}

// printable replaces invisible characters by their code points.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && r != '\t' && (unicode.Is(unicode.Cf, r) || unicode.IsControl(r) || r == 0x2028 || r == 0x2029) {
			fmt.Fprintf(&b, "⟦U+%04X⟧", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// text draws a text object on one or more lines.
func (d *drawing) text(v any) string {
	m, _ := v.(map[string]any)
	if m["type"] == "mrkdwn" {
		return d.mrkdwn(str(m, "text"), !bln(m, "verbatim"))
	}
	return printable(str(m, "text"))
}

var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

func (d *drawing) mrkdwn(s string, auto bool) string {
	var b strings.Builder
	for _, t := range d.w.tokens(s, auto) {
		switch t.kind {
		case "mention":
			b.WriteString(d.mention(t.who))
		case "channel":
			b.WriteString(d.channel(t.url))
		case "link":
			b.WriteString(link(t.url, unescape.Replace(t.label)))
		case "date":
			stamp, format, _ := strings.Cut(t.url, "^")
			format, _, _ = strings.Cut(format, "^") // then a link may follow
			sec, err := strconv.ParseInt(stamp, 10, 64)
			if err != nil {
				b.WriteString(printable(t.label))
				continue
			}
			b.WriteString(d.date(sec, format))
		default:
			b.WriteString(printable(unescape.Replace(t.text)))
		}
	}
	return b.String()
}

// mention draws who is mentioned, with ! when the mention notified them.
func (d *drawing) mention(who string) string {
	name := who
	if g := d.w.groups[who]; g != nil {
		name = g.Handle
	} else {
		name = d.w.nameOf(name)
	}
	if slices.ContainsFunc(d.notified, func(m mention) bool { return m.who == who }) {
		name += "!"
	}
	return "‹@" + printable(name) + "›"
}

func (d *drawing) channel(id string) string {
	if ch := d.w.channels[id]; ch != nil {
		id = ch.Name
	}
	return "‹#" + printable(id) + "›"
}

func link(url, label string) string {
	if label == "" || label == url {
		return "‹" + printable(url) + "›"
	}
	return "‹" + printable(label) + " → " + printable(url) + "›"
}

// date draws a time in one of Slack's formats, in UTC.
func (d *drawing) date(sec int64, format string) string {
	t := time.Unix(sec, 0).UTC()
	th := "th"
	switch day := t.Day(); {
	case day%10 == 1 && day != 11:
		th = "st"
	case day%10 == 2 && day != 12:
		th = "nd"
	case day%10 == 3 && day != 13:
		th = "rd"
	}
	long := t.Format("January 2") + th + t.Format(", 2006")
	ago := d.w.now().Sub(t).Round(time.Second)
	age := ago.String() + " ago"
	if ago < 0 {
		age = "in " + (-ago).String()
	}
	return strings.NewReplacer(
		"{date_num}", t.Format("2006-01-02"), "{date_slash}", t.Format("01/02/2006"),
		"{date}", long, "{date_pretty}", long,
		"{date_short}", t.Format("Jan 2, 2006"), "{date_short_pretty}", t.Format("Jan 2, 2006"),
		"{date_long}", t.Format("Monday, ")+long, "{date_long_pretty}", t.Format("Monday, ")+long, "{date_long_full}",
		t.Format("Monday, ")+long,
		"{day_divider_pretty}", t.Format("Monday, ")+long,
		"{time}", t.Format("15:04 UTC"), "{time_secs}", t.Format("15:04:05 UTC"), "{ago}", age,
	).Replace(printable(format))
}

func (d *drawing) blocks(blocks []any) {
	for _, v := range blocks {
		m, _ := v.(map[string]any)
		switch m["type"] {
		case "header":
			d.prefixed("# ", d.text(m["text"]))
		case "section":
			if t, there := m["text"]; there {
				d.line("%s", d.text(t))
			}
			fields, _ := m["fields"].([]any)
			for _, f := range fields {
				d.prefixed("· ", d.text(f))
			}
			if a, ok := m["accessory"].(map[string]any); ok {
				d.elements([]map[string]any{a})
			}
		case "divider":
			d.line("────")
		case "image":
			d.line("(image: %s)", printable(str(m, "alt_text")))
		case "context":
			elements, _ := m["elements"].([]any)
			var parts []string
			for _, e := range elements {
				if em, _ := e.(map[string]any); em["type"] == "image" {
					parts = append(parts, "(image: "+printable(str(em, "alt_text"))+")")
				} else {
					parts = append(parts, d.text(e))
				}
			}
			d.prefixed("~ ", strings.Join(parts, "  "))
		case "actions":
			d.elements(elementsOf(m))
		case "rich_text":
			d.rich(m)
		case "markdown":
			d.line("%s", d.mrkdwn(str(m, "text"), true))
		case "table":
			rows, _ := m["rows"].([]any)
			for _, r := range rows {
				cells, _ := r.([]any)
				var parts []string
				for _, c := range cells {
					cm, _ := c.(map[string]any)
					if cm["type"] == "rich_text" {
						in := &drawing{w: d.w, notified: d.notified}
						in.rich(cm)
						parts = append(parts, strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(in.b.String(),
							"│ "), "\n│ ", " ⏎ ")))
					} else {
						parts = append(parts, strings.ReplaceAll(printable(str(cm, "text")), "\n", " ⏎ "))
					}
				}
				d.line("| %s |", strings.Join(parts, " | "))
			}
		case "input":
			d.input(m)
		case "alert":
			level := str(m, "level")
			if level == "" {
				level = "default"
			}
			d.prefixed("! "+level+": ", d.text(m["text"]))
		}
	}
}

// elements draws what people can press and choose, and the questions of buttons.
func (d *drawing) elements(list []map[string]any) {
	var parts, asks []string
	for _, e := range list {
		switch e["type"] {
		case "button":
			text := printable(label(e["text"]))
			if u := str(e, "url"); u != "" {
				text += " → " + printable(u)
			}
			parts = append(parts, "["+text+"]")
			if c, ok := e["confirm"].(map[string]any); ok {
				deny := printable(label(c["deny"]))
				if deny == "" {
					deny = "Cancel"
				}
				asks = append(asks, fmt.Sprintf("  %s asks: %s / %s [%s] [%s]", text, printable(label(c["title"])),
					d.text(c["text"]), printable(label(c["confirm"])), deny))
			}
		case "image":
			parts = append(parts, "(image: "+printable(str(e, "alt_text"))+")")
		default:
			parts = append(parts, d.choice(e))
		}
	}
	d.line("%s", strings.Join(parts, " "))
	for _, a := range asks {
		d.line("%s", strings.ReplaceAll(a, "\n", "\n  "))
	}
}

// choice draws an element that holds a value.
func (d *drawing) choice(e map[string]any) string {
	hint := printable(label(e["placeholder"]))
	switch e["type"] {
	case "plain_text_input", "number_input", "email_text_input", "url_text_input":
		if v := str(e, "initial_value"); v != "" {
			return "[" + strings.ReplaceAll(printable(v), "\n", " ⏎ ") + "____]"
		}
		return "[____" + hint + "]"
	}
	var names []string
	chosen := label(mapOf(e["initial_option"])["text"])
	for _, o := range optionsOf(e) {
		name := printable(label(o["text"]))
		if name == printable(chosen) {
			name = "•" + name
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		names = []string{hint}
	}
	return "( " + strings.Join(names, " | ") + " )"
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func (d *drawing) input(m map[string]any) {
	mark := ""
	if bln(m, "optional") {
		mark = " (optional)"
	}
	d.line("%s%s", d.text(m["label"]), mark)
	d.line("%s", d.choice(mapOf(m["element"])))
	if h, there := m["hint"]; there {
		d.prefixed("~ ", d.text(h))
	}
	if e := d.errors[str(m, "block_id")]; e != "" {
		d.prefixed("✗ ", printable(e))
	}
}

// rich draws a rich_text block or cell.
func (d *drawing) rich(m map[string]any) {
	elements, _ := m["elements"].([]any)
	for _, v := range elements {
		e := mapOf(v)
		switch e["type"] {
		case "rich_text_section":
			d.line("%s", strings.TrimSuffix(d.inline(e), "\n"))
		case "rich_text_quote":
			d.prefixed("▏ ", d.inline(e))
		case "rich_text_preformatted":
			d.prefixed("┆ ", d.inline(e))
		case "rich_text_list":
			items, _ := e["elements"].([]any)
			n, _ := strconv.Atoi(fmt.Sprint(e["offset"])) // absent: from 1
			depth, _ := strconv.Atoi(fmt.Sprint(e["indent"]))
			pad := strings.Repeat("  ", depth)
			for _, item := range items {
				n++
				bullet := "• "
				if e["style"] == "ordered" {
					bullet = strconv.Itoa(n) + ". "
				}
				d.line("%s%s%s", pad, bullet, strings.ReplaceAll(d.inline(mapOf(item)), "\n",
					"\n"+pad+strings.Repeat(" ", len([]rune(bullet)))))
			}
		}
	}
}

// inline draws the elements of a line of rich text.
func (d *drawing) inline(m map[string]any) string {
	var b strings.Builder
	elements, _ := m["elements"].([]any)
	for _, v := range elements {
		e := mapOf(v)
		s := ""
		switch e["type"] {
		case "text":
			s = printable(str(e, "text"))
		case "link":
			s = link(str(e, "url"), str(e, "text"))
		case "user":
			s = d.mention(str(e, "user_id"))
		case "usergroup":
			s = d.mention(str(e, "usergroup_id"))
		case "broadcast":
			s = d.mention(str(e, "range"))
		case "channel":
			s = d.channel(str(e, "channel_id"))
		case "emoji":
			s = ":" + str(e, "name") + ":"
		case "date":
			sec, err := strconv.ParseInt(fmt.Sprint(e["timestamp"]), 10, 64)
			if s = str(e, "fallback"); err == nil {
				s = d.date(sec, str(e, "format"))
			}
		case "color":
			s = str(e, "value")
		}
		style := mapOf(e["style"])
		for _, mark := range []struct{ name, sign string }{{"code", "`"}, {"strike", "~"}, {"italic", "_"},
			{"bold", "*"}} {
			if bln(style, mark.name) {
				s = mark.sign + s + mark.sign
			}
		}
		b.WriteString(s)
	}
	return b.String()
}
