package slack

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/bot/intake"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const digest = "0123456789abcdef0123456789abcdef"

// say is a line as the bot makes them: words, with a span for each {}.
func say(words string, spans ...bot.Span) bot.Line {
	var l bot.Line
	for i, w := range strings.Split(words, "{}") {
		if i > 0 {
			l = append(l, spans[i-1])
		}
		if w != "" {
			l = append(l, bot.Span{Kind: bot.Words, Text: w})
		}
	}
	return l
}

func someButtons(kinds ...bot.ButtonKind) []bot.Button {
	var list []bot.Button
	for _, k := range kinds {
		b := bot.Button{Kind: k, Label: map[bot.ButtonKind]string{"approve": "Approve", "reject": "Reject",
			"show_all": "Show all", "stop": "Stop"}[k], Speech: string(k) + " request R-7K3M9Q"}
		if k == bot.ButtonApprove {
			b.Confirm = &bot.Confirm{Title: "Recall 2 messages?",
				Text: "2 messages in @TGS#2J4SZEAEL will be recalled. This cannot be undone.", Yes: "Recall",
				No: "Cancel"}
		}
		list = append(list, b)
	}
	return list
}

func card(state bot.State) bot.Card {
	return bot.Card{
		ID: "R-7K3M9Q", State: state, Version: 3, Digest: digest,
		Title:   say("✋ Recall 2 messages in {}?", bot.Quote("Harbour market")),
		Head:    []bot.Line{say("Asked by {}", bot.Quote("Mina"))},
		Call:    say("1 more person must approve before {}", bot.Until(noon.Add(30*time.Minute), noon)),
		Unusual: []bot.Line{say("This bot never touched this group before.")},
		Samples: []bot.Sample{
			{Seq: 100, Sender: "casino_77", Text: bot.Line{bot.Quote("free coins at http://example.com")}},
			{Seq: 101, Sender: "casino_77", Text: bot.Line{bot.Quote("最后机会 🎰")},
				Marks: []bot.Line{say("sent by the app's admin")}},
		},
		Below: []bot.Line{say("{} to {}", bot.Clock(noon.Add(-time.Hour), noon),
			bot.Clock(noon.Add(-time.Minute), noon))},
		Small: []bot.Line{{bot.Code("R-7K3M9Q")}, {bot.Code("@TGS#2J4SZEAEL")},
			say("messages {}", bot.Code("100-101"))},
		Buttons: someButtons(bot.ButtonApprove, bot.ButtonReject, bot.ButtonShowAll),
		Notify:  []string{"S0LEADS"},
	}
}

const hostile = "<!channel> <@U0THEO> <!subteam^S0LEADS> @here *bold* `code` &amp; <https://evil.example|Approved by Theo> :tada: \u202egnitpyrc\n✅ Approved\u200b"

// cards are those that the goldens and the limits are about.
func cards() map[string]bot.Card {
	many := card(bot.Proposed)
	many.Samples = nil
	for i := range 20 {
		many.Samples = append(many.Samples, bot.Sample{
			Seq: uint32(i + 1), Sender: strings.Repeat("长", 40),
			Text: bot.Line{bot.Quote(strings.Repeat("很长的消息", 400))},
		})
	}
	many.Samples[10].Skipped = 320

	evil := card(bot.Proposed)
	evil.Samples = []bot.Sample{{Seq: 1, Sender: hostile, Text: bot.Line{bot.Quote("content " + hostile)}}}
	evil.Head = append(evil.Head, say("Reason: {}", bot.Quote(hostile)))
	evil.Small = append(evil.Small, bot.Line{bot.Quote(hostile)})
	evil.Title = say("{}: rejected by {} at {}", bot.Code("R-7K3M9Q"), bot.Quote(hostile), bot.At(noon))

	blind := card(bot.Proposed)
	blind.Unusual = []bot.Line{say("🔴 BLIND: nobody can see what 2 messages say, only the numbers are known."),
		say("Groups of this type keep no history.")}
	blind.Samples = nil

	endless := card(bot.Proposed)
	endless.Samples, endless.Unusual = nil, nil
	for i := range 300 {
		endless.Unusual = append(endless.Unusual,
			bot.Line{bot.Quote(fmt.Sprintf("%d %s", i, strings.Repeat("w", 500)))})
	}
	for range 20 {
		endless.Head = append(endless.Head, say("Reason: {}", bot.Quote(strings.Repeat("é", 3000))))
	}
	for i := range endless.Buttons {
		endless.Buttons[i].Label, endless.Buttons[i].Speech = strings.Repeat("按", 200), strings.Repeat("按", 200)
	}
	endless.Buttons[0].Confirm = &bot.Confirm{Title: strings.Repeat("x", 400), Text: strings.Repeat("y", 400),
		Yes: strings.Repeat("z", 40), No: ""}

	all := map[string]bot.Card{"many": many, "hostile": evil, "blind": blind, "endless": endless}
	for _, c := range adaptertest.Cards(ID, []string{"S0LEADS"}) {
		all[strings.ReplaceAll(string(c.State), " ", "-")] = c
	}
	return all
}

// TestCards holds the blocks of every card to its golden file, and what people see of it to the
// picture below.
func TestCards(t *testing.T) {
	w := slacktest.New()
	defer w.Close()
	people(w)
	a, err := New(Options{BotToken: w.BotToken, AppToken: w.AppToken, HTTPClient: w.Client(), Bot: newBot()})
	if err != nil {
		t.Fatal(err)
	}
	w.Set(func(w *slacktest.Workspace) { w.RateLimits = false })
	for _, name := range slices.Sorted(maps.Keys(cards())) {
		t.Run(name, func(t *testing.T) {
			c := cards()[name]
			a.posts, a.edits = newPacer(0, 1), newBudget(60, 10, 3)
			ref, err := a.Post(t.Context(), bot.Place{Channel: "C0TRUST"}, c, "key "+name)
			if err != nil {
				t.Fatalf("Post: %v", err) // the workspace checks every limit
			}
			c.Version++
			if err := a.Edit(t.Context(), ref, c); err != nil {
				t.Fatalf("Edit: %v", err)
			}
			m, ok := w.Message(slacktest.MessageRef{Channel: ref.Channel, TS: ref.Message})
			if !ok {
				t.Fatal("no message")
			}
			if said := m.Announced.Desktop + m.Announced.Phone; contentIn(said, c) != "" {
				t.Errorf("%q is in a notification:\n%s", contentIn(said, c), said)
			}
			if n := size(cardBlocks(c, false, messageSize)); n > messageSize {
				t.Errorf("%d bytes of blocks, want at most %d", n, messageSize)
			}
			if !m.UnfurlOff {
				t.Error("links may unfurl")
			}
			if m.Edited {
				t.Error("the edit bears a mark")
			}
			if !utf8.Valid(m.Blocks) || strings.ContainsRune(string(m.Blocks), utf8.RuneError) {
				t.Error("text was cut within a character")
			}
			if strings.Contains(string(m.Blocks), `"mrkdwn"`) {
				t.Error("markup is used")
			}

			blocks, err := json.MarshalIndent(cardBlocks(c, false, messageSize), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/cards/"+name+".json", string(blocks)+"\n")
			golden.Check(t, "testdata/cards/"+name+".txt", w.Picture(m)+"\ntext: "+m.Text+"\n")
		})
	}
	for _, n := range w.Notified() {
		if n.Who != "S0LEADS" || n.Where != "blocks" {
			t.Errorf("somebody was notified: %+v", n)
		}
	}
	calls := 0
	for _, c := range cards() {
		if len(c.Call) > 0 {
			calls++
		}
	}
	if n := len(w.Notified()); n != calls {
		t.Errorf("%d notifications, want one for each first post of a card that waits, %d", n, calls)
	}
	for _, c := range w.Complaints() {
		t.Errorf("complaint: %s", c)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "cards", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
		if _, known := cards()[name]; !known && !strings.HasPrefix(name, "window-") && name != "refusals" {
			t.Errorf("%s is compared by no test", f)
		}
	}
}

// contentIn returns what a text says of what the messages of a card say, "" for nothing.
func contentIn(text string, c bot.Card) string {
	for _, s := range c.Samples {
		for _, span := range s.Text {
			beginning, _ := bot.CutOff(span.Text, 8)
			if span.Kind == bot.Foreign && strings.Contains(text, beginning) {
				return span.Text
			}
		}
	}
	return ""
}

// TestCardText: what a screen reader reads of a card, and a notification shows, is all that is
// needed to decide, and nothing that a message says.
func TestCardText(t *testing.T) {
	for _, c := range adaptertest.Cards(ID, nil) {
		text := cardText(c)
		for _, s := range c.Samples {
			if said := bot.Line(s.Text).String(); said != "" && strings.Contains(text, said) {
				t.Errorf("%s: what a message says is in the text: %s", c.State, text)
			}
		}
		for _, l := range slices.Concat([]bot.Line{c.Title}, c.Head, []bot.Line{c.Call}, c.Unusual, c.Below, c.Small) {
			if !strings.Contains(text, l.String()) {
				t.Errorf("%s: the text does not say %q:\n%s", c.State, l, text)
			}
		}
	}
	long := card(bot.Proposed)
	long.Head = append(long.Head, bot.Line{bot.Quote(strings.Repeat("界", 9000))})
	if n := utf8.RuneCountInString(escape(summary(say(strings.Repeat("&", 2900))))); n > 4000 {
		t.Errorf("%d characters once they are escaped", n)
	}
	if text := cardText(long); utf8.RuneCountInString(text) > 4000 || !strings.Contains(text, "more)") {
		t.Errorf("%d characters", utf8.RuneCountInString(text))
	}
}

func TestCutLine(t *testing.T) {
	l := bot.Line{bot.Code("abc"), {Kind: bot.Words, Text: " by "}, bot.Quote("zażółć gęślą jaźń")}
	for limit, want := range map[int]string{
		100: "abc by zażółć gęślą jaźń",
		9:   "abc by za… (15 more)",
		3:   "abc… (21 more)",
		0:   "… (24 more)",
	} {
		got := cutLine(l, limit)
		if got.String() != want {
			t.Errorf("cutLine(%d) = %q, want %q", limit, got.String(), want)
		}
	}
	cut := cutLine(bot.Line{bot.Quote(strings.Repeat("a", 10))}, 4)
	if cut[len(cut)-1].Kind != bot.Words || cut[0].Kind != bot.Foreign {
		t.Errorf("what was left out is not said by the bot: %+v", cut)
	}
}

func FuzzCardFits(f *testing.F) {
	f.Add("x", "y", 3, 7)
	f.Add(hostile, strings.Repeat("界", 5000), 40, 500)
	f.Fuzz(func(t *testing.T, a, b string, samples, lines int) {
		c := card(bot.Proposed)
		c.Samples, c.Unusual = nil, nil
		for i := range min(max(samples, 0), 60) {
			c.Samples = append(c.Samples, bot.Sample{Seq: uint32(i), Sender: a, Text: bot.Line{bot.Quote(b)}})
		}
		for range min(max(lines, 0), 300) {
			c.Unusual = append(c.Unusual, bot.Line{bot.Quote(b), bot.Code(a)})
		}
		c.Head = append(c.Head, bot.Line{bot.Quote(a + b)})
		c.Small = append(c.Small, bot.Line{bot.Quote(a + b)})
		if n := size(cardBlocks(c, false, messageSize)); n > messageSize {
			t.Errorf("%d bytes", n)
		}
	})
}

// FuzzForeign puts what others may write wherever their text stands, and lets the workspace read it
// as Slack does: nobody is called, nothing is a link, an emoji or markup, no line is added, each
// character is seen, and where nothing is cut it is what was written.
func FuzzForeign(f *testing.F) {
	f.Add(hostile, "mallory")
	f.Add("@here #trust https://evil.example &lt;!channel&gt; <!date^0^{date}|Approved>", "<@U0THEO|Theo>")
	f.Add("👩\u200d👧 \u202e\u2066\x00\n> quote\n```", "*a* _b_ ~c~ `d`")
	w := slacktest.New()
	f.Cleanup(w.Close)
	people(w)
	w.Set(func(w *slacktest.Workspace) { w.RateLimits = false })
	a, err := New(Options{BotToken: w.BotToken, AppToken: w.AppToken, HTTPClient: w.Client(), Bot: newBot()})
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	draw := func(t *testing.T, text, name string) (shape string, said []string) {
		t.Helper()
		c := card(bot.Proposed)
		c.Title = say("{}: rejected by {} at {}", bot.Code("R-7K3M9Q"), bot.Quote(name), bot.At(noon))
		c.Head = []bot.Line{say("Reason of the rejection: {}", bot.Quote(text)), {bot.Code(text)}}
		c.Samples = []bot.Sample{{Seq: 1, Sender: name, Sent: noon, Text: bot.Line{bot.Quote(text)},
			Marks: []bot.Line{{bot.Quote(name)}}}}
		c.Unusual, c.Below = []bot.Line{{bot.Quote(text)}}, []bot.Line{{bot.Quote(text)}}
		n++
		a.posts, a.edits = newPacer(0, 1), newBudget(60, 10, 3)
		ref, err := a.Post(t.Context(), bot.Place{Channel: "C0TRUST"}, c, fmt.Sprint("fuzz", n))
		if err != nil {
			t.Fatalf("Slack does not take it: %v", err)
		}
		if err := a.Edit(t.Context(), ref, c); err != nil {
			t.Fatalf("Slack does not take it: %v", err)
		}
		m, _ := w.Message(slacktest.MessageRef{Channel: ref.Channel, TS: ref.Message})
		if strings.ContainsAny(m.Text, "<>") || strings.Count(m.Text, "&") != strings.Count(m.Text,
			"&amp;")+strings.Count(m.Text, "&lt;")+strings.Count(m.Text, "&gt;") {
			t.Fatalf("the notification's text is not escaped: %q", m.Text)
		}
		var blocks any
		if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					walk(e)
				}
			case map[string]any:
				kind, _ := v["type"].(string)
				style, _ := v["style"].(map[string]any)
				words, _ := v["text"].(string)
				switch {
				case kind == "text" && (style["italic"] == true || style["code"] == true):
					said = append(said, words)
					words = "others"
					if strings.Contains(said[len(said)-1], "\n") {
						t.Fatalf("others end a line: %q", said[len(said)-1])
					}
				case kind == "usergroup":
					words = fmt.Sprint(v["usergroup_id"])
				case kind == "plain_text" && v["emoji"] != false:
					t.Fatalf("emoji in %q", words)
				}
				fmt.Fprintf(&b, "%s %q\n", kind, words)
				for _, key := range slices.Sorted(maps.Keys(v)) {
					walk(v[key])
				}
			}
		}
		walk(blocks)
		return b.String(), said
	}
	var want string
	f.Fuzz(func(t *testing.T, text, name string) {
		if want == "" {
			want, _ = draw(t, "text", "name")
		}
		shape, said := draw(t, text, name)
		for _, n := range w.Notified()[max(0, len(w.Notified())-2):] {
			if n.Who != "S0LEADS" || n.Where != "blocks" {
				t.Fatalf("somebody was called: %+v", n)
			}
		}
		for _, s := range said {
			for _, r := range s {
				if r != '\u200c' && r != '\u200d' && r != '\ufe0f' &&
					(!unicode.IsGraphic(r) || unicode.In(r, unicode.Cf, unicode.Variation_Selector)) {
					t.Fatalf("%U is not seen in %q", r, s)
				}
			}
		}
		// Short text is not cut, and not left out.
		short := func(s string) bool { return s != "" && utf8.RuneCountInString(bot.Visible(s)) <= 70 }
		if !short(text) || !short(name) {
			return
		}
		if d := cmp.Diff(want, shape); d != "" {
			t.Fatalf("the card has another shape (-want +got):\n%s", d)
		}
		for _, s := range said {
			if s != bot.Visible(text) && s != bot.Visible(name) &&
				!slices.Contains([]string{"R-7K3M9Q", "@TGS#2J4SZEAEL", "Harbour market", "100-101", "1", "Mina"}, s) {
				t.Fatalf("%q is nobody's text", s)
			}
		}
	})
}

// TestWindows holds the windows to their golden files.
func TestWindows(t *testing.T) {
	d := delivery{event: intake.Event{Place: bot.Place{Channel: "C0TRUST"},
		Act: intake.Act{Request: "R-7K3M9Q", Digest: digest[:16]}, Reply: "https://hooks.slack.com/actions/x"}}
	find := page(0)
	find.Request, find.Of, find.Search, find.Recall = "", 3, "slack-0123", "Recall all 57"
	for name, v := range map[string]any{
		"window-ask": formView(d, intake.Form{Kind: intake.FormAsk, Title: "Recall messages", Submit: "Ask",
			Inputs: []intake.Input{
				{Name: "group", Label: "Group id", Placeholder: "@TGS#2J4SZEAEL", Required: true, Max: 100},
				{Name: "what", Label: "Message numbers, or a filter", Required: true, Max: 2000},
				{Name: "topic", Label: "Topic (communities only)", Max: 200},
				{Name: "reason", Label: "Reason", Long: true,
					Max: 500},
			}}),
		"window-page": pageView(d, *page(1)), "window-find": pageView(d, *find),
		"window-lines": linesView(d, []bot.Line{say("You may not: {}", bot.Quote(hostile))}, nil),
	} {
		body, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/cards/"+name+".json", string(body)+"\n")
	}
}

// TestTitles: Slack takes 24 characters for a window's title and its buttons, and none of ours is
// cut.
func TestTitles(t *testing.T) {
	const most = 100_000 // messages that a policy can allow
	for _, l := range []bot.Line{
		bot.Say("window.title"), bot.Say("window.page", "id", bot.RequestID("R-7K3M9Q")), bot.Say("window.find"),
		bot.Say("window.close"), bot.Say("window.cancel"),
		bot.Say("form.ask.title"), bot.Say("form.ask.submit"), bot.Say("form.approve.title", "n", most),
		bot.Say("form.approve.submit"),
		bot.Say("form.reject.title", "id", bot.RequestID("R-7K3M9Q")), bot.Say("form.reject.submit"),
	} {
		if got := plainText(l.String(), maxModalTitle).Text; got != l.String() {
			t.Errorf("%q is cut to %q", l, got)
		}
	}
	for _, b := range []string{"approve", "reject", "show_all", "stop"} {
		speech := bot.Say("button."+b+".speech", "n", most, "id", bot.RequestID("R-7K3M9Q")).String()
		if n := utf8.RuneCountInString(speech); n > maxButton {
			t.Errorf("%q has %d characters", speech, n)
		}
	}
}

// Phone is what a card is cut to, for tests from outside.
var Phone = phone
