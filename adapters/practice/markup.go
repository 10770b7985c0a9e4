package practice

import (
	"fmt"
	"hash/fnv"
	"html"
	"strings"
)

// markup is HTML. What people wrote becomes markup by text alone, or as the value of an attribute,
// which escape it; what a platform's fake has drawn is markup already.
//
// html/template is not used: a program with templates calls methods by their names, so that the
// linker keeps every method of every type. That made this program larger by a fifth.
type markup string

func text(format string, args ...any) markup {
	return markup(html.EscapeString(fmt.Sprintf(format, args...)))
}

// with has the names and values of attributes in turn.
type with []string

// tag draws an element.
func tag(name string, attributes with, inner ...markup) markup {
	var b strings.Builder
	b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		b.WriteString(" " + attributes[i] + `="` + html.EscapeString(attributes[i+1]) + `"`)
	}
	b.WriteString(">")
	if name == "input" {
		return markup(b.String())
	}
	for _, m := range inner {
		b.WriteString(string(m))
	}
	b.WriteString("</" + name + ">")
	return markup(b.String())
}

// form is one whose buttons say what is done.
func form(class string, inner ...markup) markup {
	return tag("form", with{"method", "post", "action", "/do", "class", class}, inner...)
}

// button is one that is marked where it is to be pressed next. more are attributes.
func button(name, value string, next bool, more with, inner ...markup) markup {
	attributes := append(with{"name", name, "value", value}, more...)
	if next {
		attributes = append(attributes, "data-next", "")
	}
	return tag("button", attributes, inner...)
}

// block is a piece of the page that is replaced as a whole when it changes.
type block struct {
	key   string
	drawn markup
}

func (b block) markup() markup {
	h := fnv.New64a()
	h.Write([]byte(b.drawn))
	return tag("div", with{"data-key", b.key, "data-v", fmt.Sprintf("%x", h.Sum64())}, b.drawn)
}

// pane is a part of the page, made of blocks.
func pane(blocks ...block) string {
	var b strings.Builder
	for _, x := range blocks {
		b.WriteString(string(x.markup()))
	}
	return b.String()
}
