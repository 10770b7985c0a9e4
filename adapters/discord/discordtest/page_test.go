package discordtest

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var barColour = regexp.MustCompile(`^border-left-color:#[0-9a-f]{6}$`)

// readsOf returns what a page says, its elements separated by spaces. It fails the test where the
// page is not well-formed, or has an element or attribute that could load or run something.
func readsOf(t *testing.T, page string) string {
	t.Helper()
	inline := strings.Fields("b i s u code span a time")
	elements := slices.Concat(inline, strings.Fields(
		"article div h3 p hr blockquote pre button small label input textarea select option ul li"))
	attributes := strings.Fields("class title data-id disabled name value placeholder aria-hidden")
	var b strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(page))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(strings.Fields(b.String()), " ")
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, page)
		}
		name := ""
		switch x := token.(type) {
		case xml.StartElement:
			name = x.Name.Local
			for _, a := range x.Attr {
				if !slices.Contains(attributes, a.Name.Local) &&
					(a.Name.Local != "style" || !barColour.MatchString(a.Value)) {
					t.Errorf("%s=%q in\n%s", a.Name.Local, a.Value, page)
				}
			}
		case xml.EndElement:
			name = x.Name.Local
		case xml.CharData:
			b.Write(x)
			continue
		}
		if !slices.Contains(elements, name) {
			t.Errorf("<%s> in\n%s", name, page)
		}
		if !slices.Contains(inline, name) {
			b.WriteByte(' ')
		}
	}
}

func TestHTML(t *testing.T) {
	g := newGuild(t)
	m := post(t, g, trust, object{
		"content": "**Recall** <b> \\*2\\* ||hid||\n<@&" + leads + "> <@" + mina + "> <t:1795447800:R>\n" +
			"> one\n> two\n-# small\n## Head\n- a\n- b\n```js\nx < `y`\n```after `<i>`\u202e",
		"allowed_mentions": object{"parse": []any{}, "roles": []any{leads}},
		"embeds": []any{object{"title": "T <script>", "color": 0xff8800,
			"description": "> [masked](https://x.example)\nrest",
			"fields":      []any{object{"name": "Group", "value": "`@TGS#1`"}}, "footer": object{"text": "R-1"}}},
		"components": []any{row(button("Approve", "a\"b"), object{"type": 2, "style": 4, "label": "Stop <x>",
			"custom_id": "r", "disabled": true})},
	})
	page := g.HTML(m)
	for _, part := range []string{
		`<p><b>Recall</b> &lt;b&gt; *2* <span class="spoiler">hid</span>`,
		`<span class="mention rang">@leads</span> <span class="mention">@mina</span>`,
		"<blockquote>one\ntwo</blockquote><small>small</small><h3>Head</h3><ul><li>a</li><li>b</li></ul>" +
			"<pre>x &lt; `y`</pre><p>after <code>&lt;i&gt;</code>‹U+202E›</p>",
		`<div class="embed" style="border-left-color:#ff8800"><h3>T &lt;script&gt;</h3>`,
		`<blockquote><a title="https://x.example">masked</a></blockquote><p>rest</p>`,
		`<button name="press" value="Stop &lt;x&gt;" class="style-4" disabled="disabled">Stop &lt;x&gt;</button>`,
	} {
		if !strings.Contains(string(page), part) {
			t.Errorf("%s\nis not in\n%s", part, page)
		}
	}
	reads := readsOf(t, page)
	for _, fact := range []string{"Recall <b> *2* hid", "one two small Head a b x < `y` after <i>",
		"T <script> masked rest Group @TGS#1 R-1 Approve Stop <x>"} {
		if !strings.Contains(reads, fact) {
			t.Errorf("%s\nis not read in\n%s", fact, reads)
		}
	}
}

func TestHTMLModal(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	i := g.Command(mina, trust, "recall")
	input := object{"type": 4, "custom_id": "w\"", "style": 1, "required": true, "value": "\"><b>"}
	b.reply(b.expect(0, "INTERACTION_CREATE"), object{"type": 9, "data": object{"custom_id": "c",
		"title": "Recall <2>?", "components": []any{object{"type": 18, "label": "Why", "description": "for the log",
			"component": input}}}})
	m := g.Modals(mina)
	if len(m) != 1 {
		t.Fatalf("%d forms, %s", len(m), i.Ephemeral())
	}
	page := g.HTMLModal(m[0])
	if got := readsOf(t, page); got != "Recall <2>? Why * for the log Submit Cancel" {
		t.Error(got)
	}
	if !strings.Contains(string(page), `<input name="w&#34;" value="&#34;&gt;&lt;b&gt;"`) {
		t.Errorf("the input is not in\n%s", page)
	}
}
