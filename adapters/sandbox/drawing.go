package sandbox

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"
)

// styles are the colours of a terminal, by element or class. reset ends them.
var styles = map[string]string{
	"b": "\x1b[1m", "h3": "\x1b[1m", "who": "\x1b[1m", "small": "\x1b[2m", "foot": "\x1b[2m", "context": "\x1b[2m",
	"private": "\x1b[2m", "code": "\x1b[36m", "mention": "\x1b[33m", "mention rang": "\x1b[1;33m",
	"button": "\x1b[7m",
}

const reset = "\x1b[0m"

// pen writes for a terminal what was drawn for a browser.
type pen struct {
	b      strings.Builder
	colour bool
	open   []string // styles that are on
	before string   // each line
	begun  bool     // the line has text
}

// plain draws HTML of a bottest.Shown as lines of text without markup, with colours where colour is
// set. What hides in it stays hidden.
func plain(drawn string, colour bool) (string, error) {
	p := &pen{colour: colour}
	for d := xml.NewDecoder(strings.NewReader(drawn)); ; {
		token, err := d.Token()
		switch x := token.(type) {
		case xml.StartElement:
			if classOf(x) == "face" {
				if err := d.Skip(); err != nil {
					return "", err
				}
				continue
			}
			p.start(x)
		case xml.EndElement:
			p.end(x)
		case xml.CharData:
			p.text(string(x))
		}
		if err == io.EOF {
			p.newline()
			return p.b.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}

func classOf(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "class" {
			return a.Value
		}
	}
	return ""
}

// within are the elements that do not begin a line.
var within = []string{"b", "i", "s", "u", "code", "span", "a", "time", "button", "option", "td"}

func (p *pen) start(e xml.StartElement) {
	name, class := e.Name.Local, classOf(e)
	inline := slices.Contains(within, name) || name == "small" && len(p.open) > 0 // beside a name
	if !inline {
		p.newline()
	}
	style := styles[class]
	if style == "" {
		style = styles[name]
	}
	switch {
	case name == "button" && p.begun:
		p.b.WriteString(" ")
	case name == "blockquote":
		p.before += "▎ "
	case name == "li":
		p.text("• ")
	case name == "hr":
		p.text("────")
	case name == "td" && p.begun:
		p.text(" | ")
	}
	p.open = append(p.open, style)
	p.paint(style)
	if name == "button" {
		p.text("[")
	}
}

func (p *pen) end(e xml.EndElement) {
	name := e.Name.Local
	if name == "button" {
		p.text("]")
	}
	last := len(p.open) - 1
	if p.open[last] != "" {
		p.paint(reset + strings.Join(p.open[:last], ""))
	}
	p.open = p.open[:last]
	switch {
	case name == "blockquote":
		p.newline()
		p.before = strings.TrimSuffix(p.before, "▎ ")
	case !slices.Contains(within, name) && name != "small":
		p.newline()
	}
}

func (p *pen) paint(style string) {
	if p.colour && p.begun {
		p.b.WriteString(style)
	}
}

func (p *pen) text(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			p.newline()
		}
		if line == "" {
			continue
		}
		if !p.begun {
			p.b.WriteString("│ " + p.before)
			p.begun = true
			p.paint(strings.Join(p.open, ""))
		}
		p.b.WriteString(line)
	}
}

func (p *pen) newline() {
	if p.begun {
		if strings.Join(p.open, "") != "" {
			p.paint(reset)
		}
		p.b.WriteString("\n")
	}
	p.begun = false
}
