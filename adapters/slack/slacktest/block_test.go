package slacktest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func many(n int, s string) string {
	return strings.TrimSuffix(strings.Repeat(s+",", n), ",")
}

func plain(n int) string { return `{"type":"plain_text","text":"` + strings.Repeat("x", n) + `"}` }

func mrkdwn(n int) string {
	return `{"type":"mrkdwn","text":"` + strings.Repeat("x", n) + `","verbatim":true}`
}

func buttonWith(props string) string {
	return `{"type":"actions","elements":[{"type":"button","text":` + plain(1) + `,` + props + `}]}`
}

func confirmWith(title, text, yes, no int) string {
	return buttonWith(fmt.Sprintf(`"confirm":{"title":%s,"text":%s,"confirm":%s,"deny":%s,"style":"danger"}`,
		plain(title), mrkdwn(text), plain(yes), plain(no)))
}

func inputWith(element string) string {
	return `{"type":"input","block_id":"i","label":` + plain(1) + `,"element":` + element + `}`
}

func rich(elements string) string {
	return `{"type":"rich_text","elements":[` + elements + `]}`
}

func section(n int) string { return `{"type":"section","text":` + mrkdwn(n) + `}` }

// blockCases are blocks at their limit and beyond it.
var blockCases = []struct {
	name, blocks string // without the brackets
	problem      string // part of the message; empty: accepted
}{
	{"section text 3000", section(3000), ""},
	{"section text 3001", section(3001), "at most 3000"},
	{"section text in Chinese", `{"type":"section","text":{"type":"plain_text","text":"` + strings.Repeat("撤",
		3000) + `"}}`, ""},
	{"section text empty", section(0), "at least 1"},
	{"section without text", `{"type":"section"}`, "must have text or fields"},
	{"ten fields of 900", `{"type":"section","fields":[` + many(10, mrkdwn(900)) + `]}`, ""},
	{"field 2001", `{"type":"section","fields":[` + plain(2001) + `]}`, "at most 2000"},
	{"eleven fields", `{"type":"section","fields":[` + many(11, mrkdwn(1)) + `]}`, "at most 10"},
	{"header 150", `{"type":"header","text":` + plain(150) + `}`, ""},
	{"header 151", `{"type":"header","text":` + plain(151) + `}`, "at most 150"},
	{"header in mrkdwn", `{"type":"header","text":` + mrkdwn(1) + `}`, "must be plain_text"},
	{"ten in a context", `{"type":"context","elements":[` + many(10, mrkdwn(1)) + `]}`, ""},
	{"eleven in a context", `{"type":"context","elements":[` + many(11, mrkdwn(1)) + `]}`, "at most 10"},
	{"empty context", `{"type":"context","elements":[]}`, "at least 1"},
	{"button in a context", `{"type":"context","elements":[` + button + `]}`, "must be plain_text or mrkdwn"},
	{"25 buttons", `{"type":"actions","elements":[` + numbered(25) + `]}`, ""},
	{"26 buttons", `{"type":"actions","elements":[` + numbered(26) + `]}`, "at most 25"},
	{"no buttons", `{"type":"actions","elements":[]}`, "at least 1"},
	{"same action_id", `{"type":"actions","elements":[` + button + `,` + button + `]}`, "used twice in its block"},
	{"same action_id in two blocks", `{"type":"actions","elements":[` + button + `]},{"type":"actions","elements":[` +
		button + `]}`, ""},
	{"same block_id", `{"type":"divider","block_id":"b"},{"type":"divider","block_id":"b"}`, "used twice"},
	{"block_id 255", `{"type":"divider","block_id":"` + strings.Repeat("b", 255) + `"}`, ""},
	{"block_id 256", `{"type":"divider","block_id":"` + strings.Repeat("b", 256) + `"}`, "at most 255"},
	{"button text 75", `{"type":"actions","elements":[{"type":"button","text":` + plain(75) + `}]}`, ""},
	{"button text 76", `{"type":"actions","elements":[{"type":"button","text":` + plain(76) + `}]}`, "at most 75"},
	{"button text in mrkdwn", `{"type":"actions","elements":[{"type":"button","text":` + mrkdwn(1) + `}]}`,
		"must be plain_text"},
	{"button value 2000", buttonWith(`"value":"` + strings.Repeat("v", 2000) + `"`), ""},
	{"button value 2001", buttonWith(`"value":"` + strings.Repeat("v", 2001) + `"`), "at most 2000"},
	{"button action_id 256", buttonWith(`"action_id":"` + strings.Repeat("v", 256) + `"`), "at most 255"},
	{"button label 75", buttonWith(`"accessibility_label":"` + strings.Repeat("v", 75) + `"`), ""},
	{"button label 76", buttonWith(`"accessibility_label":"` + strings.Repeat("v", 76) + `"`), "at most 75"},
	{"button url 3001", buttonWith(`"url":"https://x.example/` + strings.Repeat("v", 3001) + `"`), "at most 3000"},
	{"button url without a scheme", buttonWith(`"url":"x.example"`), "valid URL"},
	{"button style", buttonWith(`"style":"warning"`), "one of primary, danger"},
	{"button with what Slack does not know", buttonWith(`"colour":"red"`), "invalid additional property: colour"},
	{"confirm at its limits", confirmWith(100, 300, 30, 30), ""},
	{"confirm title 101", confirmWith(101, 1, 1, 1), "at most 100"},
	{"confirm text 301", confirmWith(1, 301, 1, 1), "at most 300"},
	{"confirm yes 31", confirmWith(1, 1, 31, 1), "at most 30"},
	{"confirm no 31", confirmWith(1, 1, 1, 31), "at most 30"},
	{"mrkdwn with emoji", `{"type":"section","text":{"type":"mrkdwn","text":"x","emoji":true}}`,
		"invalid additional property: emoji"},
	{"plain_text with verbatim", `{"type":"section","text":{"type":"plain_text","text":"x","verbatim":true}}`,
		"invalid additional property: verbatim"},
	{"text as a string", `{"type":"section","text":"x"}`, "must be a text object"},
	{"null", `{"type":"section","text":` + plain(1) + `,"accessory":null}`, "must not be null"},
	{"alert in a message", `{"type":"alert","text":` + plain(1) + `}`, "unsupported type: alert"},
	{"unknown block", `{"type":"poem"}`, "unsupported type: poem"},
	{"not an object", `7`, "must be an object"},
	{"image", `{"type":"image","image_url":"https://x.example/a.png","alt_text":"a"}`, ""},
	{"image without alt_text", `{"type":"image","image_url":"https://x.example/a.png"}`,
		"missing required field: alt_text"},
	{"markdown", `{"type":"markdown","text":"` + strings.Repeat("x", 6000) + `"}`, ""},
	{"markdown 12001", `{"type":"markdown","text":"` + strings.Repeat("x", 6001) + `"},{"type":"markdown","text":"` +
		strings.Repeat("x", 6000) + `"}`, "12001 characters together"},
	{"table", table(100, 2), ""},
	{"table of 101 rows", table(101, 1), "at most 100"},
	{"table of 21 columns", table(1, 21), "at most 20"},
	{"two tables", table(1, 1) + "," + table(1, 1), "only_one_table_allowed"},
	{"empty cell", `{"type":"table","rows":[[{"type":"raw_text","text":""}]]}`, "at least 1"},
	{"table with 21 settings", `{"type":"table","column_settings":[` + many(21, `{"align":"left"}`) +
		`],"rows":[[{"type":"raw_text","text":"x"}]]}`, "at most 20"},
	{"rich text",
		rich(
			`{"type":"rich_text_section","elements":[{"type":"text","text":"x","style":{"bold":true}},{"type":"user","user_id":"U1"},{"type":"link","url":"https://x.example"},{"type":"date","timestamp":1,"format":"{date}"},{"type":"emoji","name":"x"}]},{"type":"rich_text_list","style":"bullet","indent":0,"offset":0,"border":0,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]},{"type":"rich_text_quote","elements":[{"type":"text","text":"x"}]},{"type":"rich_text_preformatted","border":0,"elements":[{"type":"text","text":"x"}]}`), ""},
	{"rich text with an empty text", rich(`{"type":"rich_text_section","elements":[{"type":"text","text":""}]}`),
		"at least 1"},
	{"rich text with an unknown element", rich(`{"type":"rich_text_section","elements":[{"type":"song"}]}`),
		"unsupported type: song"},
	{"rich text with an unknown style",
		rich(`{"type":"rich_text_section","elements":[{"type":"text","text":"x","style":{"blink":true}}]}`),
		"invalid additional property: blink"},
	{"rich text date without a token",
		rich(`{"type":"rich_text_section","elements":[{"type":"date","timestamp":1,"format":"today"}]}`), "token"},
	{"rich text list of lists",
		rich(`{"type":"rich_text_list","style":"bullet","elements":[{"type":"rich_text_list","elements":[]}]}`),
		"must be one of rich_text_section"},
	{"select", inputWith(`{"type":"static_select","action_id":"s","options":[{"text":` + plain(75) + `,"value":"` +
		strings.Repeat("v", 150) + `"}]}`), ""},
	{"select without options", inputWith(`{"type":"static_select","action_id":"s"}`),
		"either options or option_groups"},
	{"select of 101", inputWith(`{"type":"static_select","options":[` + options(101) + `]}`), "at most 100"},
	{"select with a stranger chosen", inputWith(`{"type":"static_select","options":[` + options(2) +
		`],"initial_option":{"text":` + plain(1) + `,"value":"9"}}`), "one of the options"},
	{"input text at most 3000", inputWith(`{"type":"plain_text_input","max_length":3000}`), ""},
	{"input text at most 3001", inputWith(`{"type":"plain_text_input","max_length":3001}`), "from 1 to 3000"},
	{"input with a button", inputWith(button), "unsupported type: button"},
}

func numbered(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"type":"button","action_id":"a%d","text":%s}`, i, plain(1)))
	}
	return strings.Join(list, ",")
}

func options(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"text":%s,"value":"%d"}`, plain(1), i))
	}
	return strings.Join(list, ",")
}

func table(rows, columns int) string {
	row := "[" + many(columns, `{"type":"raw_text","text":"x"}`) + "]"
	return `{"type":"table","rows":[` + many(rows, row) + `]}`
}

func TestBlocks(t *testing.T) {
	for _, tt := range blockCases {
		t.Run(tt.name, func(t *testing.T) {
			w := acme(t)
			w.MaxBlockBytes = 100_000
			m := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", "["+tt.blocks+"]")
			if tt.problem == "" {
				want(t, m, "")
				return
			}
			want(t, m, "invalid_blocks")
			if got := fmt.Sprint(m["errors"]); !strings.Contains(got, tt.problem) ||
				!strings.Contains(got, "json-pointer:/blocks") {
				t.Errorf("errors %s, want %q", got, tt.problem)
			}
			if got := fmt.Sprint(m["response_metadata"]); !strings.Contains(got, "[ERROR]") {
				t.Errorf("response_metadata %s", got)
			}
			if len(w.Messages("C1")) != 0 {
				t.Error("it was posted")
			}
		})
	}
}

func TestMessageSize(t *testing.T) {
	w := acme(t)
	post := func(blocks string) map[string]any {
		return ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", blocks)
	}
	want(t, post("["+many(50, `{"type":"divider"}`)+"]"), "")
	want(t, post("["+many(51, `{"type":"divider"}`)+"]"), "invalid_blocks")
	sized := func(n int) string { // n bytes of JSON
		head := "[" + section(2900) + "," + section(2900) + "," + section(2900) + ","
		last := section(n - len(head) - len(section(0)) - 1)
		return head + last + "]"
	}
	if n := len(sized(9_999)); n != 9_999 {
		t.Fatalf("test builds %d bytes", n)
	}
	want(t, post(sized(9_999)), "")
	want(t, post(sized(10_000)), "msg_blocks_too_long")
}

func TestBlocksGetIDs(t *testing.T) {
	w := acme(t)
	want(t, ask(t, w, "chat.postMessage", "channel", "C1", "blocks",
		`[{"type":"divider"},{"type":"actions","elements":[{"type":"button","text":`+plain(1)+`}]}]`), "")
	var blocks []struct {
		BlockID string `json:"block_id"`
	}
	m := w.Messages("C1")[0]
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil || blocks[0].BlockID == "" ||
		blocks[0].BlockID == blocks[1].BlockID {
		t.Errorf("block ids: %+v, %v", blocks, err)
	}
	if b := m.Buttons(); len(b) != 1 || b[0].ActionID == "" {
		t.Errorf("buttons: %+v", b)
	}
}

// FuzzBlocks: anything that is sent as blocks is refused or can be shown, and
// the workspace does not panic.
func FuzzBlocks(f *testing.F) {
	for _, tt := range blockCases {
		if len(tt.blocks) < 2000 {
			f.Add(tt.blocks)
		}
	}
	f.Fuzz(func(t *testing.T, blocks string) {
		w := acme(t)
		m := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", "["+blocks+"]")
		if m["ok"] != true {
			return
		}
		shown := w.Messages("C1")[0]
		if p := w.Picture(shown); !strings.HasPrefix(p, "┌ ") || strings.Count(p, "\n└\n") != 1 {
			t.Errorf("picture:\n%s", p)
		}
		for _, b := range shown.Buttons() {
			if b.ActionID == "" {
				t.Error("a button without an action id")
			}
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("<@U1> <!here> <https://x.example|y> <!date^1^{date}|z> @here #trust < > <<@U1>")
	f.Fuzz(func(t *testing.T, text string) {
		w := acme(t)
		for _, auto := range []bool{false, true} {
			w.tokens(text, auto)
		}
		w.Say("U1", "C1", "", text)
		w.Picture(w.Messages("C1")[0])
	})
}
