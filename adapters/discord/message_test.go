package discord

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
	"github.com/google/go-cmp/cmp"
)

// TestCards holds the card of every state, as an edit of the first post shows it, to a picture and
// to what is sent.
func TestCards(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, c := range adaptertest.Cards(ID, []string{leads}) {
			name := "card_" + strings.ReplaceAll(string(c.State), " ", "_")
			first := c
			first.State, first.Title = bot.Preparing, line("Before")
			ref, err := r.adapter.Post(t.Context(), place(), first, name)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.adapter.Edit(t.Context(), ref, c); err != nil {
				t.Fatal(err)
			}
			m, _ := r.Message(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
			golden.Check(t, "testdata/cards/"+name+".txt", r.Picture(m))
			body, err := json.MarshalIndent(drawCard(c, nil), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/cards/"+name+"_json.txt", string(body)+"\n")
		}
	})
}

// hostile is text that would get out of its frame.
var hostile = []string{
	"**bold** __u__ ~~s~~ ||spoiler|| *i* _i_", "# heading", "> quote\n>>> all", "- list", "1. list", "-# small",
	"[click](https://evil.example)",
	"https://evil.example/x", "<https://evil.example>", "discord.gg/evil", "@everyone @here",
	"<@1> <@!1> <@&2> <#3> </recall:4> <t:0:R> <id:guide> <a:x:5>", ":smile:",
	"`code`", "```\nblock\n```", "``a`b``", "\\`\\*\\", "\u202ereversed\u2066", "zero\u200bwidth",
	"a\nAPPROVED by theo\nb", "\r\nx", "tab\tx", "\x00\x1b[31m",
	"🏴󠁧󠁢󠁥󠁮󠁧󠁿", "{\"content\":\"x\"}", "`\u200b`", "ˋ", strings.Repeat("`", 9),
}

var (
	escaped    = regexp.MustCompile("\\\\[\\\\`*_~|>#+\\-\\[\\]()<:@./]")
	alive      = regexp.MustCompile("[\\\\`*_~|>#+\\-\\[\\]()<:@./\n\r\u200b\u202e\u2066]")
	inCode     = regexp.MustCompile("^`[^`\n\r]+`$")
	allHostile = strings.Join(hostile, " ")
)

func TestInert(t *testing.T) {
	for _, s := range append(hostile, allHostile) {
		got := markup(foreign(s))
		inner, begins := strings.CutPrefix(got, "*")
		inner, ends := strings.CutSuffix(inner, "*")
		if !begins || !ends || alive.MatchString(escaped.ReplaceAllString(inner, "")) {
			t.Errorf("%q is alive as %q", s, got)
		}
		if got := code(s); !inCode.MatchString(got) {
			t.Errorf("%q gets out of code: %q", s, got)
		}
	}
}

// TestInertOnCards puts hostile text wherever others' text stands, and has the guild draw what
// readers see.
func TestInertOnCards(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := someCard(bot.Proposed)
		for _, s := range hostile {
			c.Head = append(c.Head, bot.Line{{Kind: bot.Words, Text: "F: "}, bot.Quote(s),
				{Kind: bot.Words, Text: " "}, bot.Code(s)})
		}
		c.Samples = nil
		for i, s := range hostile[:10] {
			c.Samples = append(c.Samples, bot.Sample{Seq: uint32(i), Sender: s, Text: foreign(s)})
		}
		ref, err := r.adapter.Post(t.Context(), place(), c, "k")
		if err != nil {
			t.Fatal(err)
		}
		m, _ := r.Message(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
		golden.Check(t, "testdata/cards/hostile.txt", r.Picture(m))
		for _, n := range r.Notified() {
			if n.ID != leads {
				t.Errorf("rang for %+v", n)
			}
		}
	})
}

// FuzzForeign puts what others may write wherever their text stands, and lets the guild carry the
// Markdown out: what readers see is what was written, each character of it seen, nothing of it at
// work, on a card that is otherwise the same.
func FuzzForeign(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, hostile[(i+7)%len(hostile)])
	}
	f.Add(allHostile, "\u202e")
	g := discordtest.New()
	f.Cleanup(g.Close)
	picture := func(t *testing.T, m *message) string {
		t.Helper()
		if len(m.AllowedMentions.Parse)+len(m.AllowedMentions.Users)+len(m.AllowedMentions.Roles) > 0 ||
			m.AllowedMentions.Parse == nil {
			t.Fatalf("somebody may be rung for: %+v", m.AllowedMentions)
		}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return g.Picture(discordtest.Message{Author: g.BotUserID, Content: m.Content, Raw: raw})
	}
	draw := func(t *testing.T, text, name string) string {
		t.Helper()
		c := someCard(bot.Proposed)
		c.Notify = nil
		c.Title = bot.Line{bot.Code("R-1"), {Kind: bot.Words, Text: ": rejected by "}, bot.Quote(name),
			{Kind: bot.Words, Text: " at "}, bot.At(time.Unix(5, 0))}
		c.Head = []bot.Line{{{Kind: bot.Words, Text: "Reason: "}, bot.Quote(text), {Kind: bot.Words, Text: " "},
			bot.Quote(name)}}
		c.Unusual = []bot.Line{{{Kind: bot.Words, Text: "Reason: "}, bot.Quote(text)}}
		c.Samples = []bot.Sample{{Seq: 1, Sender: name, Text: bot.Line{bot.Quote(text)},
			Marks: []bot.Line{{bot.Quote(name)}}}}
		c.Below, c.Small = []bot.Line{{bot.Quote(text)}},
			[]bot.Line{{bot.Quote(name), {Kind: bot.Words, Text: " stands."}}}
		p := intake.Page{Title: bot.Line{bot.Quote(name)}, Samples: c.Samples, Notes: []bot.Line{{bot.Quote(text)}},
			Of: 1}
		return picture(t, drawCard(c, nil)) + picture(t, drawPage(p)) + picture(t,
			drawLines([]bot.Line{{bot.Quote(text)}, {bot.Quote(name)}}))
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		shown := draw(t, text, name)
		for _, r := range shown {
			if r != '\n' && r != '\ufe0f' && (!unicode.IsGraphic(r) ||
				unicode.In(r, unicode.Cf, unicode.Variation_Selector)) {
				t.Fatalf("%U is not seen in:\n%s", r, shown)
			}
		}
		// The drawing shows no joiners, and no spaces where a line ends.
		seen := func(s string) string { return strings.NewReplacer("\u200c", "", "\u200d", "").Replace(bot.Visible(s)) }
		if code := code(text); code != "" {
			want := "│ x ‹" + strings.ReplaceAll(seen(text), "`", "ˋ") + "› y"
			if got := picture(t, newMessage("x "+code+" y")); !strings.Contains(got, want+"\n") {
				t.Fatalf("%q gets out of code: %s", text, got)
			}
		}
		short := func(s string) bool { return strings.TrimSpace(seen(s)) != "" && size(inert(s)) <= 76 }
		if !short(text) || !short(name) {
			return // may be cut, or left out
		}
		want := strings.NewReplacer("TextQ", seen(text), "NameQ", seen(name)).Replace(draw(t, "TextQ", "NameQ"))
		trimmed := func(s string) string {
			lines := strings.Split(s, "\n")
			for i := range lines {
				lines[i] = strings.TrimRight(lines[i], " ")
			}
			return strings.Join(lines, "\n")
		}
		if d := cmp.Diff(trimmed(want), trimmed(shown)); d != "" {
			t.Fatalf("readers see something else (-want +got):\n%s", d)
		}
	})
}

// TestLimits draws cards, pages, notes and forms with far too much on them, in many scripts, and
// holds them to every limit.
func TestLimits(t *testing.T) {
	for name, s := range map[string]string{"ascii": "spam ", "escaped": "*[]", "han": "漢字がな", "emoji": "🎰",
		"combining": "e\u0301\u0302"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				long := strings.Repeat(s, 5000/len([]rune(s)))
				c := someCard(bot.Proposed)
				c.Title = foreign(long)
				c.Unusual = []bot.Line{foreign(long), foreign(long)}
				for range 12 {
					c.Head = append(c.Head, bot.Line{bot.Code(long), bot.Quote(long)})
				}
				c.Samples = nil
				for i := range 10 {
					c.Samples = append(c.Samples, bot.Sample{Seq: uint32(4294967290 + i%5), Sender: long,
						Text: foreign(long), Marks: []bot.Line{foreign(long)}, Sent: time.Unix(1, 0), Skipped: i})
				}
				for range 12 {
					c.Below, c.Small = append(c.Below, foreign(long)), append(c.Small, foreign(long))
				}
				ref, err := r.adapter.Post(t.Context(), place(), c, "k")
				if err != nil {
					t.Fatal(err)
				}
				if err := r.adapter.Edit(t.Context(), ref, c); err != nil {
					t.Fatal(err)
				}
				m, _ := r.Message(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
				if !strings.Contains(m.Content, "more)") || strings.Contains(string(m.Raw), "\ufffd") {
					t.Errorf("cut in silence or in half: %s", m.Raw)
				}
				n := bot.Note{Key: "n", Lines: c.Unusual, Mention: &bot.Account{Platform: ID, User: mina},
					Notify: []string{leads},
					File:   &bot.File{Name: "x.csv", Type: "text/csv", Title: long, Body: []byte("x")}}
				if _, err := r.adapter.Reply(t.Context(), ref, n); err != nil {
					t.Fatal(err)
				}
				for _, a := range []intake.Answer{
					{Kind: intake.ShowCard, Card: &c}, {Kind: intake.Whisper, Lines: append(c.Below, c.Unusual...)},
					{Kind: intake.ShowPage, Page: &intake.Page{Title: foreign(long), Samples: c.Samples,
						Notes: c.Below, Request: reqID, Digest: digest, Number: 3, Of: 999999,
						Search: "discord:18446744073709551615", Recall: long}},
					{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormApprove, Title: long, Request: reqID,
						Digest: digest, Inputs: []intake.Input{
							{Name: "count", Label: long, Placeholder: long, Max: 99999}, {Name: "b", Label: "b"},
							{Name: "c", Label: "c"}, {Name: "d", Label: "d"}, {Name: "e", Label: "e"},
							{Name: "f", Label: "f"},
						}}},
				} {
					r.answer(a)
					r.wait(t, r.Command(mina, trust, "recalls help"))
				}
				r.answer(intake.Answer{Kind: intake.Choices, Groups: append(make([]intake.Choice, 30),
					intake.Choice{Group: long}, intake.Choice{Group: "g"})})
				if i := r.wait(t, r.Autocomplete(mina, trust, "recall", "group", "")); len(i.Choices()) != 1 {
					t.Errorf("%v", i.Choices())
				}
			})
		})
	}
}

func TestFit(t *testing.T) {
	l := bot.Line{{Kind: bot.Words, Text: "by "}, bot.Quote("***"), {Kind: bot.Words, Text: " at "},
		bot.At(time.Unix(5, 0)), bot.Code("100-200")}
	for limit, want := range map[int]string{
		200: `by *\*\*\** at <t:5:S>` + "`100-200`", 34: `by *\*\*\** at <t:5:S>` + "`100-200`",
	} {
		if got := fit(l, limit); got != want {
			t.Errorf("%d: %q", limit, got)
		}
	}
	long := bot.Line{{Kind: bot.Words, Text: "by "}, bot.Quote(strings.Repeat("*", 50))}
	if got, want := fit(long, 40), `by *\*\*\*\*\**… (45 more)`; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	for range 500 {
		var l bot.Line
		for range 1 + rand.N(5) {
			l = append(l, []bot.Span{bot.Quote(allHostile), bot.Code(allHostile), bot.At(time.Unix(1, 0)),
				{Kind: bot.Words, Text: "漢字 🎰 words "}}[rand.N(4)])
		}
		limit := 30 + rand.N(900)
		got := fit(l, limit)
		if size(got) > limit || !utf8.ValidString(got) {
			t.Fatalf("%d: %q is %d long", limit, got, size(got))
		}
	}
}

// TestCommands holds the definitions to Discord's document, and the manifest to what is needed.
func TestCommands(t *testing.T) {
	check := specification()
	if check == nil {
		asset(t, "discord-openapi.json")
	}
	body, hash := definition()
	if err := check("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", body); err != nil {
		t.Error(err)
	}
	if regexp.MustCompile(`:(null|\[\]|false|0)[,}]`).Match(body) {
		t.Errorf("the definition says what does not matter: %s", body)
	}
	if _, again := definition(); again != hash {
		t.Error("the hash changes by itself")
	}
	link, err := Invitation("771825006014889984")
	if err != nil {
		t.Fatal(err)
	}
	want := "https://discord.com/oauth2/authorize?client_id=771825006014889984&integration_type=0&permissions=309237763072&scope=bot+applications.commands"
	if link != want {
		t.Errorf("%s", link)
	}
	if Permissions&(discordgo.PermissionAdministrator|discordgo.PermissionManageMessages|
		discordgo.PermissionMentionEveryone) != 0 {
		t.Error("more permissions than needed")
	}
	// needs no application id
	if list, err := Definitions(); err != nil || !json.Valid(list) || !strings.Contains(string(list), `"withdraw"`) {
		t.Errorf("%s, %v", list, err)
	}
	for _, id := range []string{"x", ""} {
		if _, err := Invitation(id); err == nil {
			t.Errorf("%q was taken as an application id", id)
		}
	}
}

// TestGoldensUsed fails when a golden file is left that no test compares.
func TestGoldensUsed(t *testing.T) {
	source := ""
	for _, name := range []string{"adapter_test.go", "surface_test.go", "message_test.go", "refusal_test.go"} {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source += string(body)
	}
	files, _ := filepath.Glob("testdata/cards/*.txt")
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		state := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(name, "card_"), "_json"), "_", " ")
		if !strings.Contains(source, `"`+f+`"`) && !slices.Contains(bot.States(), bot.State(state)) {
			t.Errorf("%s is compared by no test", f)
		}
	}
}

// TestBrokenAnswerIsNotQuoted: the errors of net/http quote what is not HTTP, which may be a piece
// of another answer.
func TestBrokenAnswerIsNotQuoted(t *testing.T) {
	for _, words := range []string{"malformed HTTP response \"my home\"", "malformed MIME header line: my home",
		"bad Content-Length \"my home\""} {
		err := (&rest{}).broken(call{method: "GET", route: "/x"}, &url.Error{Op: "Get", URL: "https://secret",
			Err: errors.New(words)})
		if s := err.Error(); strings.Contains(s, "home") || strings.Contains(s, "secret") ||
			!strings.Contains(s, "GET /x") {
			t.Errorf("%s is told as %s", words, s)
		}
	}
}

// Phone is what a card is cut to, for tests from outside.
var Phone = phone
