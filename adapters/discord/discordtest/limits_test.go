package discordtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(n int) string { return strings.Repeat("x", n) }

func many(n int, f func(i int) any) []any {
	l := make([]any, n)
	for i := range l {
		l[i] = f(i)
	}
	return l
}

func embed(n int) object { return object{"description": text(n)} }

func input(label, id string) object {
	return object{"type": 4, "style": 1, "label": label, "custom_id": id}
}

func field(n int) func(int) any {
	return func(int) any { return object{"name": "n", "value": text(n)} }
}

// TestMessageLimits sends bodies at a limit and one above it. at is the path of the error; "" means
// that the body is accepted.
func TestMessageLimits(t *testing.T) {
	v2 := 1 << 15
	display := func(s string) object { return object{"type": 10, "content": s} }
	tests := []struct {
		name string
		body object
		at   string
	}{
		{"content", object{"content": text(2000)}, ""},
		{"content too long", object{"content": text(2001)}, "content"},
		{"content in code points", object{"content": strings.Repeat("漢", 2000)}, ""},
		{"content is a number", object{"content": 5}, "content"},
		{"embeds", object{"embeds": many(10, func(int) any { return embed(600) })}, ""},
		{"embed sum", object{"embeds": []any{embed(3000), embed(3001)}}, "embeds"},
		{"embeds, 11", object{"embeds": many(11, func(int) any { return embed(1) })}, "embeds"},
		{"embed description", object{"embeds": []any{embed(4097)}}, "embeds.0.description"},
		{"embed title", object{"embeds": []any{object{"title": text(257)}}}, "embeds.0.title"},
		{"embed fields", object{"embeds": []any{object{"fields": many(26, field(1))}}}, "embeds.0.fields"},
		{"embed value", object{"embeds": []any{object{"fields": many(1, field(1025))}}}, "embeds.0.fields.0.value"},
		{"embed value empty", object{"embeds": []any{object{"fields": many(1, field(0))}}}, "embeds.0.fields.0.value"},
		{"embed name", object{"embeds": []any{object{"fields": []any{object{"name": text(257), "value": "v"}}}}},
			"embeds.0.fields.0.name"},
		{"embed footer", object{"embeds": []any{object{"footer": object{"text": text(2049)}}}}, "embeds.0.footer.text"},
		{"embed author", object{"embeds": []any{object{"author": object{"name": text(257)}}}}, "embeds.0.author.name"},
		{"embed url", object{"embeds": []any{object{"title": "t", "url": "javascript:1"}}}, "embeds.0.url"},
		{"embed color", object{"embeds": []any{object{"title": "t", "color": 1 << 24}}}, "embeds.0.color"},
		{"embed time", object{"embeds": []any{object{"title": "t", "timestamp": "today"}}}, "embeds.0.timestamp"},
		{"25 buttons", object{"content": "c", "components": many(5, func(i int) any {
			return row(many(5, func(j int) any { return button("b", fmt.Sprint(i, j)) })...)
		})}, ""},
		{"6 rows", object{"content": "c", "components": many(6,
			func(i int) any { return row(button("b", fmt.Sprint(i))) })}, "components"},
		{"6 buttons", object{"content": "c", "components": []any{row(many(6,
			func(i int) any { return button("b", fmt.Sprint(i)) })...)}}, "components.0.components"},
		{"empty row", object{"content": "c", "components": []any{row()}}, "components.0.components"},
		{"bare button", object{"content": "c", "components": []any{button("b", "1")}}, "components.0.type"},
		{"custom_id", object{"content": "c", "components": []any{row(button("b", text(100)))}}, ""},
		{"custom_id too long", object{"content": "c", "components": []any{row(button("b", text(101)))}},
			"components.0.components.0.custom_id"},
		{"custom_id missing", object{"content": "c", "components": []any{row(button("b", ""))}},
			"components.0.components.0.custom_id"},
		{"custom_id twice", object{"content": "c", "components": []any{row(button("a", "1")), row(button("b", "1"))}},
			"components.1.components.0.custom_id"},
		{"label", object{"content": "c", "components": []any{row(button(text(80), "1"))}}, ""},
		{"label too long", object{"content": "c", "components": []any{row(button(text(81), "1"))}},
			"components.0.components.0.label"},
		{"no label", object{"content": "c", "components": []any{row(button("", "1"))}}, "components.0.components.0"},
		{"link", object{"content": "c", "components": []any{row(object{"type": 2, "style": 5, "label": "l",
			"url": "https://example.org"})}}, ""},
		{"link with custom_id", object{"content": "c",
			"components": []any{row(object{"type": 2, "style": 5, "label": "l", "url": "https://example.org",
				"custom_id": "1"})}}, "components.0.components.0"},
		{"link without url", object{"content": "c",
			"components": []any{row(object{"type": 2, "style": 5, "label": "l"})}}, "components.0.components.0.url"},
		{"button with url", object{"content": "c",
			"components": []any{row(object{"type": 2, "style": 1, "label": "l", "custom_id": "1",
				"url": "https://example.org"})}}, "components.0.components.0"},
		{"button style", object{"content": "c", "components": []any{row(object{"type": 2, "style": 9, "label": "l",
			"custom_id": "1"})}}, "components.0.components.0.style"},
		{"select beside a button", object{"content": "c",
			"components": []any{row(button("b", "1"), object{"type": 3, "custom_id": "2",
				"options": []any{object{"label": "l", "value": "v"}}})}}, "components.0"},
		{"select options", object{"content": "c", "components": []any{row(object{"type": 3, "custom_id": "2",
			"options": many(26, func(i int) any { return object{"label": "l", "value": fmt.Sprint(i)} })})}},
			"components.0.components.0.options"},
		{"text without the flag", object{"content": "c", "components": []any{display("t")}}, "components.0.type"},
		{"v2", object{"flags": v2, "components": []any{display("t"),
			object{"type": 17, "components": []any{row(button("b", "1"))}}}}, ""},
		{"v2 with content", object{"flags": v2, "content": "c", "components": []any{display("t")}}, "content"},
		{"v2 with embeds", object{"flags": v2, "embeds": []any{embed(1)}, "components": []any{display("t")}}, "embeds"},
		{"v2, 40 in total", object{"flags": v2, "components": []any{object{"type": 17,
			"components": many(39, func(int) any { return display("t") })}}}, ""},
		{"v2, 41 in total", object{"flags": v2, "components": []any{object{"type": 17,
			"components": many(40, func(int) any { return display("t") })}}}, "components"},
		{"v2 text", object{"flags": v2, "components": []any{display(text(2000)), display(text(2000))}}, ""},
		{"v2 text too long", object{"flags": v2, "components": []any{display(text(2000)), display(text(2001))}},
			"components"},
		{"container in container", object{"flags": v2,
			"components": []any{object{"type": 17,
				"components": []any{object{"type": 17, "components": []any{display("t")}}}}}},
			"components.0.components.0.type"},
		{"ephemeral in a channel", object{"content": "c", "flags": 64}, "flags"},
		{"mentions twice", object{"content": "c", "allowed_mentions": object{"parse": []any{"users"},
			"users": []any{mina}}}, "allowed_mentions"},
		{"mentions, unknown", object{"content": "c", "allowed_mentions": object{"parse": []any{"all"}}},
			"allowed_mentions.parse.0"},
		{"mentions, 101", object{"content": "c", "allowed_mentions": object{"users": many(101,
			func(i int) any { return fmt.Sprint(i + 1) })}}, "allowed_mentions.users"},
		{"nonce", object{"content": "c", "nonce": text(25)}, ""},
		{"nonce too long", object{"content": "c", "nonce": text(26)}, "nonce"},
		{"attachment without data", object{"content": "c", "attachments": []any{object{"id": 0, "filename": "f"}}},
			"attachments.0.id"},
		{"reply to nothing", object{"content": "c", "message_reference": object{"message_id": "1"}},
			"message_reference"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuild(t)
			checkForm(t, call(t, g, "POST", "/channels/"+trust+"/messages", tt.body), tt.at)
			if n := len(g.Messages(trust)); (n == 1) != (tt.at == "") {
				t.Errorf("%d messages are there", n)
			}
		})
	}
}

// checkForm checks that a body was accepted (at is "") or refused with an error at a path.
func checkForm(t *testing.T, a answer, at string) {
	t.Helper()
	if at == "" {
		if a.status >= 300 {
			t.Errorf("refused: %d %s", a.status, a.raw)
		}
		return
	}
	want(t, a, 400, 50035)
	o := sub(a.body, "errors")
	for p := range strings.SplitSeq(at, ".") {
		o = sub(o, p)
	}
	if o["_errors"] == nil {
		t.Errorf("no error at %s: %s", at, a.raw)
	}
}

func TestEmptyAndBroken(t *testing.T) {
	g := newGuild(t)
	path := "/channels/" + trust + "/messages"
	want(t, call(t, g, "POST", path, object{"content": " \n"}), 400, 50006)
	want(t, call(t, g, "POST", path, object{"components": []any{row(button("b", "1"))}}), 400, 50006)
	want(t, call(t, g, "POST", path, "{"), 400, 50109)
	want(t, call(t, g, "POST", path, "[]"), 400, 50109)
	want(t, call(t, g, "POST", path, "{} {}"), 400, 50109)
	cjk := strings.Repeat("漢", 3400) // 10200 bytes
	want(t, call(t, g, "POST", path, object{"flags": 1 << 15, "components": []any{object{"type": 10, "content": cjk}}}),
		500, 0)
	want(t, call(t, g, "POST", path, object{"content": "c", "ID": "1", "Channel": "2"}), 200, 0)
	route := "POST /channels/{channel_id}/messages: "
	if got := strings.Join(g.UnknownKeys(), ","); got != route+"Channel,"+route+"ID" {
		t.Errorf("unknown keys: %s", got)
	}
}

func TestCommandLimits(t *testing.T) {
	option := func(name string) object { return object{"type": 3, "name": name, "description": "d"} }
	with := func(o object, key string, v any) object { o[key] = v; return o }
	cmd := func(options ...any) object {
		return object{"name": "recall", "description": "d", "options": options}
	}
	tests := []struct {
		name string
		cmds []any
		at   string
	}{
		{"recall", recallCommands, ""},
		{"capital", []any{object{"name": "Recall", "description": "d"}}, "0.name"},
		{"space", []any{object{"name": "re call", "description": "d"}}, "0.name"},
		{"33 characters", []any{object{"name": text(33), "description": "d"}}, "0.name"},
		{"no description", []any{object{"name": "recall"}}, "0.description"},
		{"description", []any{object{"name": "recall", "description": text(101)}}, "0.description"},
		{"twice", []any{cmd(), cmd()}, "1.name"},
		{"26 options", []any{cmd(many(26, func(i int) any { return option(fmt.Sprintf("o%d", i)) })...)}, "0.options"},
		{"option twice", []any{cmd(option("a"), option("a"))}, "0.options.1.name"},
		{"required last", []any{cmd(option("a"), with(option("b"), "required", true))}, "0.options.1.required"},
		{"26 choices", []any{cmd(with(option("a"), "choices",
			many(26, func(i int) any { return object{"name": fmt.Sprint(i), "value": "v"} })))}, "0.options.0.choices"},
		{"choices and autocomplete", []any{cmd(with(with(option("a"), "choices",
			[]any{object{"name": "n", "value": "v"}}), "autocomplete", true))}, "0.options.0.autocomplete"},
		{"max_length", []any{cmd(with(option("a"), "max_length", 6001))}, "0.options.0.max_length"},
		{"mixed", []any{cmd(option("a"), object{"type": 1, "name": "s", "description": "d"})}, "0.options"},
		{"8000 characters", []any{cmd(many(25, func(i int) any {
			return with(option(fmt.Sprintf("o%d", i)), "choices",
				many(4, func(j int) any { return object{"name": fmt.Sprint(j), "value": text(100)} }))
		})...)}, "0"},
		{"permissions", []any{with(cmd(), "default_member_permissions", 8)}, "0.default_member_permissions"},
		{"no permissions", []any{with(cmd(), "default_member_permissions", "0")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuild(t)
			checkForm(t, call(t, g, "PUT", "/applications/"+g.ApplicationID+"/guilds/"+g.ID+"/commands", tt.cmds),
				tt.at)
		})
	}
}

func TestModalLimits(t *testing.T) {
	tests := []struct {
		name string
		data object
		at   string
	}{
		{"one", object{"custom_id": "m", "title": text(45), "components": []any{row(input(text(45), "i"))}}, ""},
		{"title", object{"custom_id": "m", "title": text(46), "components": []any{row(input("l", "i"))}}, "data.title"},
		{"label", object{"custom_id": "m", "title": "t", "components": []any{row(input(text(46), "i"))}},
			"data.components.0.components.0.label"},
		{"placeholder", object{"custom_id": "m", "title": "t",
			"components": []any{row(object{"type": 4, "style": 1, "label": "l", "custom_id": "i",
				"placeholder": text(101)})}}, "data.components.0.components.0.placeholder"},
		{"no inputs", object{"custom_id": "m", "title": "t", "components": []any{}}, "data.components"},
		{"6 inputs", object{"custom_id": "m", "title": "t",
			"components": many(6, func(i int) any { return row(input("l", fmt.Sprint(i))) })}, "data.components"},
		{"2 in a row", object{"custom_id": "m", "title": "t",
			"components": []any{row(input("l", "a"), input("l", "b"))}}, "data.components.0.components"},
		{"a button", object{"custom_id": "m", "title": "t", "components": []any{row(button("b", "1"))}},
			"data.components.0.components.0.type"},
		{"input twice", object{"custom_id": "m", "title": "t", "components": []any{row(input("l", "a")),
			row(input("l", "a"))}}, "data.components.1.components.0.custom_id"},
		{"label component", object{"custom_id": "m", "title": "t",
			"components": []any{object{"type": 18, "label": "l", "component": object{"type": 4, "style": 2,
				"custom_id": "i"}}}}, ""},
		{"value", object{"custom_id": "m", "title": "t",
			"components": []any{row(object{"type": 4, "style": 1, "label": "l", "custom_id": "i", "max_length": 3,
				"value": "four"})}}, "data.components.0.components.0.value"},
		{"custom_id", object{"custom_id": text(101), "title": "t", "components": []any{row(input("l", "i"))}},
			"data.custom_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuild(t)
			b := connect(t, g)
			register(t, g)
			g.Command(mina, trust, "recall")
			checkForm(t, b.reply(b.expect(0, "INTERACTION_CREATE"), object{"type": 9, "data": tt.data}), tt.at)
		})
	}
}

// spec returns the check against Discord's document. Without the document the test is skipped, and
// in CI it fails.
func spec(t *testing.T) func(method, path string, body []byte) error {
	t.Helper()
	file := filepath.Join("..", "..", "..", "..", "shared", "assets", "discord-openapi.json")
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Discord's OpenAPI document is absent: %v", err)
		}
		t.Skipf("Discord's OpenAPI document is absent: %v", err)
	}
	check, err := OpenAPI(file)
	if err != nil {
		t.Fatal(err)
	}
	return check
}

func TestOpenAPI(t *testing.T) {
	check := spec(t)
	g := newGuild(t)
	g.Validate = check
	for _, tt := range []struct {
		method, path string
		body         string
		ok           bool
	}{
		{"POST", "/channels/{channel_id}/messages", `{"content":"c"}`, true},
		{"POST", "/api/v9/channels/1/messages", `{"content":"c","components":[]}`, true},
		{"POST", "/channels/1/messages", `{"content":5}`, false},
		{"PATCH", "/webhooks/1/t/messages/@original", `{"content":"c"}`, true},
		{"POST", "/channels/1/messages/2/threads", `{"name":"n","auto_archive_duration":99}`, false},
		{"POST", "/interactions/1/t/callback", `{"type":99}`, false},
		{"PUT", "/applications/1/guilds/2/commands",
			`[{"name":"recall","description":"d","default_member_permissions":"8192"}]`, true},
		{"POST", "/no/such/route", `{}`, false},
	} {
		if err := check(tt.method, tt.path, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s %s %s: %v", tt.method, tt.path, tt.body, err)
		}
	}
	want(t, call(t, g, "POST", "/channels/"+trust+"/messages", object{"content": "c", "flags": "x"}), 400, 50035)
	if len(g.SpecErrors()) != 1 {
		t.Errorf("violations: %q", g.SpecErrors())
	}
	register(t, g)
}
