package discordtest

import (
	"testing"
)

func TestPicture(t *testing.T) {
	g := newGuild(t)
	m := post(t, g, trust, object{
		"content":          "**Recall R-1**: waiting\n<@&" + leads + "> <@" + mina + "> until <t:1795447800:S>",
		"allowed_mentions": object{"parse": []any{}, "roles": []any{leads}},
		"embeds": []any{object{"title": "Messages", "description": "> quoted \\*stars\\*", "fields": []any{
			object{"name": "Group", "value": "`@TGS#1`"}, object{"name": "Who", "value": "a\nb"},
		}, "footer": object{"text": "R-1"}}},
		"components": []any{row(button("Approve", "a"), object{"type": 2, "style": 2, "label": "Reject",
			"custom_id": "r", "disabled": true},
			object{"type": 2, "style": 5, "label": "Open", "url": "https://example.org"})},
	})
	call(t, g, "POST", "/channels/"+trust+"/messages/"+m.ID+"/threads", object{"name": "R-1"})
	post(t, g, m.ID, object{"content": "line"})
	call(t, g, "PATCH", "/channels/"+trust+"/messages/"+m.ID, object{"flags": 0})
	m, _ = g.Message(m.Ref())
	want := `┌ recallbot (edited)
│ Recall R-1: waiting
│ @leads(!) @mina until 2026-11-23 15:30:00 UTC
│ ┃ Messages
│ ┃ ▎quoted *stars*
│ ┃ Group: ‹@TGS#1›
│ ┃ Who:
│ ┃   a
│ ┃   b
│ ┃ ·· R-1
│ [Approve] (Reject) [Open: https://example.org]
└ thread: R-1, 1 messages
`
	if got := g.Picture(m); got != want {
		t.Errorf("drawn as\n%swant\n%s", got, want)
	}
	v2 := post(t, g, trust, object{"flags": 1 << 15, "components": []any{
		object{"type": 17, "components": []any{
			object{"type": 10, "content": "# Head\ntext"}, object{"type": 14},
			object{"type": 9, "components": []any{object{"type": 10, "content": "side"}},
				"accessory": button("Go", "g")},
			row(object{"type": 3, "custom_id": "s", "placeholder": "Pick",
				"options": []any{object{"label": "l", "value": "v"}}}),
		}},
	}})
	want = "┌ recallbot\n│ ┃ ══ Head\n│ ┃ text\n│ ┃ ────\n│ ┃ side\n│ ┃ [Go]\n│ ┃ [Pick ▾]\n└\n"
	if got := g.Picture(v2); got != want {
		t.Errorf("drawn as\n%swant\n%s", got, want)
	}
	b := connect(t, g)
	register(t, g)
	i := g.Command(mina, trust, "recall")
	b.reply(b.expect(0, "INTERACTION_CREATE"), object{"type": 4, "data": object{"content": "no", "flags": 64}})
	if got := g.Picture(g.Ephemerals(mina)[0]); got != "┌ recallbot, only mina sees this\n│ no\n└\n" ||
		i.Ephemeral() != "no" {
		t.Errorf("drawn as\n%s", got)
	}
}

func TestRender(t *testing.T) {
	g := newGuild(t)
	for in, want := range map[string]string{
		"plain":                                 "plain",
		`\*\*x\*\*`:                             "**x**",
		"**x** __y__ ~~z~~ *i* _j_":             "x y z i j",
		"snake_case_name 2 * 3 * 4":             "snake_case_name 2 * 3 * 4",
		"||secret||":                            "▒secret▒",
		"**APPROVED":                            "**APPROVED",
		"[text](https://example.org)":           "text(→https://example.org)",
		`\[text\](https://example.org)`:         "[text](https://example.org)",
		"<https://example.org>":                 "https://example.org",
		"`**x**` ``a`b``":                       "‹**x**› ‹a`b›",
		"see ```go\na\n**b**\n``` end":          "see \n╎ a\n╎ **b**\n end",
		"# a\n## b\n-# c\n> d\n- e\n\\# f\n#g":  "══ a\n══ b\n·· c\n▎d\n• e\n# f\n#g",
		"<@9> <@&9> <#9>":                       "@unknown-user @deleted-role #unknown",
		"<@" + mina + "> <#" + trust + ">":      "@mina #trust",
		`\<@` + mina + `>`:                      "<@" + mina + ">",
		"</recall:1> <:ok:2> <t:0> <t:0:S>":     "/recall :ok: 1970-01-01 00:00 UTC 1970-01-01 00:00:00 UTC",
		"@everyone @here":                       "@everyone @here",
		"a\u202eb\u200bc":                       "a‹U+202E›bc",
		"**bold *both* bold** after":            "bold both bold after",
		"`` broken `code":                       "‹` broken ›code",
		"`open **b**":                           "`open b",
		"a **b\\** c** d":                       "a b** c d",
		"**code `**` inside** and `**` outside": "code ‹**› inside and ‹**› outside",
	} {
		g.mu.Lock()
		got := g.render(in, nil)
		g.mu.Unlock()
		if got != want {
			t.Errorf("%q is drawn as %q, want %q", in, got, want)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add("**a** `b` <@1> [c](https://d) \\* || ~~ ```x")
	g := newGuild(f)
	f.Fuzz(func(t *testing.T, s string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(s) < 1000 {
			g.render(s, nil) // ends, without a panic
		}
	})
}
