package slacktest

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// readsOf returns what a page says, its elements separated by spaces. It fails the test where the
// page is not well-formed, or has an element or attribute that could load or run something.
func readsOf(t *testing.T, page string) string {
	t.Helper()
	elements := strings.Fields("article div h3 p hr blockquote pre code b i s span a time button small label " +
		"input textarea select option ul ol li table tr td")
	attributes := strings.Fields("class title datetime aria-label aria-hidden name value " +
		"placeholder selected")
	var b strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(page))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(strings.Fields(b.String()), " ")
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, page)
		}
		switch x := token.(type) {
		case xml.StartElement:
			if !slices.Contains(elements, x.Name.Local) {
				t.Errorf("<%s> in\n%s", x.Name.Local, page)
			}
			for _, a := range x.Attr {
				if !slices.Contains(attributes, a.Name.Local) {
					t.Errorf("%s= in\n%s", a.Name.Local, page)
				}
			}
			if !slices.Contains([]string{"b", "i", "s", "code", "span", "a", "time"}, x.Name.Local) {
				b.WriteByte(' ')
			}
		case xml.EndElement:
			if !slices.Contains([]string{"b", "i", "s", "code", "span", "a", "time"}, x.Name.Local) {
				b.WriteByte(' ')
			}
		case xml.CharData:
			b.Write(x)
		}
	}
}

func TestHTML(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := acme(t)
		for name, tt := range map[string]struct{ text, blocks, page, reads string }{
			"text": {"hello <@U1>, &lt;b&gt; *bold* a*b*c `*x*` <!date^0^{time}|then>\n&gt; quoted <https://x.example|here>", "",
				`<p>hello <span class="mention rang">@mina</span>, &lt;b&gt; <b>bold</b> a*b*c <code>*x*</code> ` +
					`<time datetime="1970-01-01T00:00:00Z">00:00 UTC</time></p>` +
					`<blockquote>quoted <a title="https://x.example">here</a></blockquote>`,
				"hello @mina, <b> bold a*b*c *x* 00:00 UTC quoted here"},
			"what hides": {"a\u202eb \ue000 ```x <y> *z*```", "",
				"<p>a⟦U+202E⟧b \ufffd </p><pre>x &lt;y&gt; *z*</pre>", "a⟦U+202E⟧b \ufffd x <y> *z*"},
			"blocks": {"not shown", `[
				{"type":"header","text":{"type":"plain_text","text":"Recall <i>2</i>?"}},
				{"type":"section","expand":true,"text":{"type":"mrkdwn","text":"*Asked* by _mina_\n&gt; <script>"}},
				{"type":"context","elements":[{"type":"plain_text","text":"R-1"}]},
				{"type":"table","rows":[[{"type":"raw_text","text":"<td>"}]]},
				{"type":"rich_text","elements":[{"type":"rich_text_quote","elements":[
					{"type":"text","text":"100","style":{"code":true}},{"type":"text","text":" </blockquote>&lt;"}]}]},
				{"type":"actions","block_id":"bl","elements":[
					{"type":"button","style":"danger","action_id":"a\"","text":{"type":"plain_text","text":"Approve"},
					"accessibility_label":"Approve R-1","confirm":{"title":{"type":"plain_text","text":"Recall 2?"},
					"text":{"type":"plain_text","text":"For good."},"confirm":{"type":"plain_text","text":"Recall"}}}]}]`,
				`<button name="press" value="Approve" class="danger" aria-label="Approve R-1">Approve</button>`,
				"Recall <i>2</i>? Asked by mina <script> R-1 <td> 100 </blockquote>&lt; Approve Recall 2? For good. Recall Cancel"},
		} {
			args := []string{"channel", "C1", "text", tt.text}
			if tt.blocks != "" {
				args = append(args, "blocks", tt.blocks)
			}
			want(t, ask(t, w, "chat.postMessage", args...), "")
			list := w.Messages("C1")
			page := w.HTML(list[len(list)-1], "Approve")
			if !strings.Contains(string(page), tt.page) {
				t.Errorf("%s: %s is not in\n%s", name, tt.page, page)
			}
			if reads := readsOf(t, page); !strings.HasSuffix(reads, tt.reads) {
				t.Errorf("%s: it reads\n%s\nnot\n%s", name, reads, tt.reads)
			}
		}
	})
}

func TestHTMLOfViews(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w, says("application/json", `{"text":"no: <@U1>"}`))
		d := w.Command("U1", "C1", "/recall", "")
		synctest.Wait()
		page := w.HTML(w.Ephemerals("U1")[0], "")
		if got := readsOf(t, page); !strings.HasSuffix(got, "Only visible to mina no: @mina") {
			t.Error(got)
		}
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", `{
			"type":"modal","title":{"type":"plain_text","text":"Reject"},"submit":{"type":"plain_text","text":"Send"},"blocks":[
			{"type":"input","block_id":"why","optional":true,"label":{"type":"plain_text","text":"Reason"},
			"hint":{"type":"plain_text","text":"never sent"},"element":{"type":"plain_text_input","action_id":"t",
			"initial_value":"\"><b>"}},
			{"type":"input","block_id":"k","label":{"type":"plain_text","text":"Kind"},"element":{
				"type":"static_select","action_id":"s","options":[`+options(2)+`]}}]}`), "")
		a.answers = append(a.answers, says("application/json",
			`{"response_action":"errors","errors":{"why":"say why"}}`))
		w.Submit("U1", w.Views("U1")[0].ID, nil)
		synctest.Wait()
		page = w.HTML(w.Views("U1")[0], "")
		if got := readsOf(t, page); got != "Reject Reason (optional) never sent say why Kind x x Send Cancel" {
			t.Error(got)
		}
		if !strings.Contains(string(page), `value="&#34;&gt;&lt;b&gt;"`) {
			t.Errorf("the value is not in\n%s", page)
		}
	})
}
