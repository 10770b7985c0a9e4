package adaptertest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
)

const (
	requestID = bot.RequestID("R-7K3M9Q")
	digest    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

var asked = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// line is words with a span for each {}.
func line(text string, spans ...bot.Span) bot.Line {
	var l bot.Line
	for i, w := range strings.Split(text, "{}") {
		if i > 0 {
			l = append(l, spans[i-1])
		}
		if w != "" {
			l = append(l, bot.Span{Kind: bot.Words, Text: w})
		}
	}
	return l
}

// fullCard is a card with everything on it that a state can have.
func fullCard(state bot.State, notify []string) bot.Card {
	id := bot.Code(string(requestID))
	c := bot.Card{
		ID: requestID, State: state, Version: 1 + slices.Index(bot.States(), state), Digest: digest, Notify: notify,
		Title: line("✋ Recall 338 messages in {} (topic {})?", bot.Quote("Harbour market"),
			bot.Code("@TGS#_2J4SZEAEL@TOPIC#_c1")),
		Head: []bot.Line{
			line("Asked by {}: {}", bot.Quote("Mina"), bot.Quote("scam links, posted in a row")),
			line("Approved by {}", bot.Quote("Theo")),
		},
		Unusual: []bot.Line{
			line("🔴 BLIND: nobody can see what 2 messages say."),
			line("🔴 PAUSED since {}: {}", bot.Clock(asked, asked), bot.Code("60020")),
		},
		Samples: []bot.Sample{
			{Seq: 100, Sender: "casino_77", Name: "Lucky Luke",
				Text: bot.Line{bot.Quote("free coins at casino dot example")}},
			{Seq: 101, Sender: "长安_8", Text: bot.Line{bot.Quote("最后机会 🎰"), {Kind: bot.Words, Text: " (edited)"}},
				Marks: []bot.Line{words("sent by the app's admin"), words("from callback")}},
			{Seq: 4294967295, Marks: []bot.Line{words("does not exist")}, Skipped: 337},
			{Alike: 1700, Text: bot.Line{bot.Quote("🔥🔥 WIN … coins")}, Above: words("The other 1,700 are of 1 kind:"),
				Marks: []bot.Line{words("1,700 texts, numbers differ")}},
		},
		Below: []bot.Line{
			line("By {} (300), {} (40), {} to {}", bot.Quote("casino_77"), bot.Quote("长安_8"),
				bot.Clock(asked.Add(-90*time.Minute), asked), bot.Clock(asked.Add(-100*time.Hour), asked)),
			words("Left out: 2 messages do not exist"),
		},
		Small: []bot.Line{
			{id}, {bot.Code("@TGS#_2J4SZEAEL@TOPIC#_c1")}, {bot.Quote("Community")}, words("1,204 members"),
			line("messages {}", bot.Code("100-437, 4294967294-4294967295")),
			line("{} rejected 24h before by {}: {}", bot.Code("R-AAAAAA"), bot.Quote("Lena"), bot.Quote("wrong group")),
		},
	}
	button := func(kind bot.ButtonKind, label string) bot.Button {
		return bot.Button{Kind: kind, Label: label, Speech: label + " request " + string(requestID)}
	}
	showAll := button(bot.ButtonShowAll, "Show all")
	switch state {
	case bot.Proposed:
		approve := button(bot.ButtonApprove, "Approve")
		approve.Confirm = &bot.Confirm{Title: "Recall 338 messages?",
			Text: "338 messages in @TGS#_2J4SZEAEL. It cannot be undone.", Yes: "Recall", No: "Cancel"}
		c.Buttons = []bot.Button{approve, button(bot.ButtonReject, "Reject"), showAll}
	case bot.Approved, bot.Running:
		stop := button(bot.ButtonStop, "Stop")
		stop.Confirm = &bot.Confirm{Title: "Stop?", Text: "Stop R-7K3M9Q", Yes: "Stop", No: "Go on"}
		c.Buttons = []bot.Button{stop, showAll}
	case bot.Preparing:
	default:
		c.Buttons = []bot.Button{showAll}
	}
	if state == bot.Proposed {
		c.Call = line("1 more person must approve before {}", bot.Until(asked.Add(30*time.Minute), asked))
	} else {
		c.Title = line("{} {}: 120 of 338 messages", bot.Span{Kind: bot.Words, Text: string(state)},
			bot.Quote("Harbour market"))
	}
	return c
}

// readings are everything that a card says, each piece as it must be read on it, and in the order
// of a card.
func readings(c bot.Card) (list []string) {
	say := func(lines ...bot.Line) {
		for _, l := range lines {
			if len(l) > 0 {
				list = append(list, l.String())
			}
		}
	}
	say(c.Title)
	say(c.Head...)
	say(c.Call)
	say(c.Unusual...)
	for _, m := range c.Samples {
		if m.Skipped > 0 {
			list = append(list, strconv.Itoa(m.Skipped)+" messages")
		}
		say(m.Above)
		if m.Alike > 0 { // what differs stands behind what does not
			say(bot.Say("card.alike", "n", m.Alike), m.Text)
			say(m.Marks...)
			continue
		}
		list = append(list, strconv.FormatUint(uint64(m.Seq), 10))
		if m.Sender != "" {
			list = append(list, m.Sender)
		}
		if m.Name != "" {
			list = append(list, m.Name)
		}
		if !m.Sent.IsZero() {
			say(bot.Line{bot.At(m.Sent)})
		}
		say(m.Marks...)
		say(m.Text)
	}
	say(c.Below...)
	say(c.Small...)
	return list
}

// reads fails unless everything on the card can be read in the drawing, in the card's order, and
// the buttons are its buttons.
func (s *suite) reads(c bot.Card, m bottest.Shown) {
	s.Helper()
	text, at := plain(m.Text), 0
	if s.shortened(c, m) {
		return
	}
	if p := s.Can().Phone; p != nil {
		c = c.OnPhone(*p)
	}
	for _, want := range readings(c) {
		want = plain(want)
		if i := strings.Index(text[at:], want); i >= 0 {
			at += i + len(want)
			continue
		}
		if strings.Contains(text, want) {
			s.Errorf("out of order: %q in\n%s", want, m.Text)
		} else {
			s.Errorf("not on the card: %q in\n%s", want, m.Text)
		}
	}
	var labels []string
	for _, b := range c.Buttons {
		labels = append(labels, b.Label)
	}
	if !slices.Equal(labels, m.Buttons) {
		s.Errorf("buttons %v, want %v", m.Buttons, labels)
	}
}

// shortened reports whether the drawing is a message that has no room for the card. It fails unless
// that says so, and what there is room for is the beginning of the card and its buttons.
func (s *suite) shortened(c bot.Card, m bottest.Shown) bool {
	s.Helper()
	most := s.Can().Most
	if most == 0 || !contains(m.Text, "/recalls show "+string(c.ID)) {
		return false
	}
	s.Logf("a message has no room for the card: it is shown in %d characters", most)
	text, at, all := plain(m.Text), 0, readings(c)
	for i, want := range all {
		j := strings.Index(text[at:], plain(want))
		if j < 0 && i < 4 {
			s.Errorf("not at the beginning of the card: %q in\n%s", want, m.Text)
		}
		if j < 0 {
			break
		}
		at += j
	}
	if n := utf8.RuneCountInString(m.Text); n > most {
		s.Errorf("%d characters, want %d at most", n, most)
	}
	var labels []string
	for _, b := range c.Buttons {
		labels = append(labels, b.Label)
	}
	if !slices.Equal(labels, m.Buttons) {
		s.Errorf("buttons %v, want %v", m.Buttons, labels)
	}
	return true
}

// facts: the list of what a card says is made from the card alone, so it is the same on every
// platform; all of it must be read on each.
func facts(s *suite) {
	c := fullCard(bot.Proposed, []string{s.w.Leads})
	s.reads(c, s.look(s.post(c)))
}

// states: a card is drawn whole in every state, by an edit as by a post.
func states(s *suite) {
	for _, state := range bot.States() {
		c := fullCard(state, nil)
		c.ID = requestID
		s.reads(c, s.look(s.posted(c, "state "+string(state))))
		s.wait(10 * time.Second) // posts are paced
	}
	ref := s.post(fullCard(bot.States()[0], nil))
	for _, state := range bot.States()[1:] {
		c := fullCard(state, nil)
		if err := s.Surface().Edit(s.Context(), ref, c); err != nil {
			s.Fatalf("editing to %s: %v", state, err)
		}
		s.reads(c, s.look(ref))
		s.wait(10 * time.Second)
	}
}

var cut = regexp.MustCompile(`… \(([0-9,]+) more\)`)

// longCard: what is too long is cut between characters, and the card says how much is missing;
// state, names and buttons always stand.
func longCard(s *suite) {
	for name, unit := range map[string]string{"one byte": "x", "three bytes": "理", "four bytes": "🎰"} {
		long := func(n int) bot.Line { return bot.Line{bot.Quote(strings.Repeat(unit, n))} }
		c := fullCard(bot.Proposed, nil)
		c.ID = requestID
		c.Head[0] = line("Asked by {}: {}", bot.Quote("Mina"), long(9000)[0])
		c.Samples = nil
		for i := range 10 {
			c.Samples = append(c.Samples, bot.Sample{Seq: uint32(100 + i), Sender: strings.Repeat(unit, 300),
				Name: strings.Repeat(unit, 300),
				Text: long(4000)})
		}
		c.Unusual = append(c.Unusual, long(3000))
		c.Below = append(c.Below, long(3000))
		c.Small = append(c.Small, long(3000))
		m := s.look(s.posted(c, "long "+name))
		if !utf8.ValidString(m.Text) || strings.ContainsRune(m.Text, utf8.RuneError) {
			s.Errorf("%s: a character is halved", name)
		}
		if s.shortened(bot.Card{ID: c.ID, Title: c.Title, Buttons: c.Buttons}, m) {
			s.wait(10 * time.Second)
			continue
		}
		text := plain(m.Text)
		for _, l := range []string{c.Title.String(), c.Call.String(), c.Head[1].String(), c.Small[0].String()} {
			if !strings.Contains(text, plain(l)) {
				s.Errorf("%s: %q gave way to what is long:\n%s", name, l, m.Text)
			}
		}
		if len(m.Buttons) != len(c.Buttons) {
			s.Errorf("%s: buttons %v", name, m.Buttons)
		}
		_, after, found := strings.Cut(text, "Asked by Mina: ")
		loc := cut.FindStringSubmatchIndex(after)
		if !found || loc == nil {
			s.Errorf("%s: the reason does not say that it is cut", name)
		} else {
			kept := utf8.RuneCountInString(after[:loc[0]])
			left, err := strconv.Atoi(strings.ReplaceAll(after[loc[2]:loc[3]], ",", ""))
			if err != nil || kept+left != 9000 || strings.Trim(after[:loc[0]], unit) != "" {
				s.Errorf("%s: the reason shows %d characters and says %d more, of 9000", name, kept, left)
			}
		}
		for _, sample := range c.Samples {
			if n := strconv.Itoa(int(sample.Seq)); !strings.Contains(text, n) && !strings.Contains(text, "left out") &&
				!strings.Contains(text, "not shown") && !strings.Contains(text, "more lines") {
				s.Errorf("%s: message %s is missing without a word", name, n)
			}
		}
		s.wait(10 * time.Second)
	}
}

// hostile is text of somebody who knows the markup of every platform, and the ids of those whom it
// would be worth waking.
func (s *suite) hostile() string {
	w := s.w
	return fmt.Sprintf(
		"✅ **Approved by Theo** _i_ ~~s~~ ||h|| `c` ```b``` <!channel> <!here> <!everyone> @everyone @here <@%[1]s> <@!%[1]s> <@&%[2]s> <!subteam^%[2]s> @leads <#%[3]s> #general </recall:1> "+
			"https://evil.example http://evil.example/?a=b [click](https://evil.example) <https://evil.example|Approve> <https://evil.example> www.evil.example discord.gg/evil mailto:a@evil.example "+
			":tada: <:x:123456789012345678> &amp; \u202egnitpyrc\u2066 \u200b\u00ad\n# head\n> quote\n- item\n✅ approved\\",
		w.Theo, w.Leads, w.Channel)
}

// hostileText: text that others wrote is read as they wrote it, and does nothing, wherever it
// stands.
func hostileText(s *suite) {
	evil := bot.Quote(s.hostile())
	code := bot.Code(s.hostile())
	c := fullCard(bot.Proposed, []string{s.w.Leads})
	c.Title = line("{}: rejected by {}", bot.Code(string(requestID)), evil)
	c.Head = []bot.Line{line("{} {}", code, evil)}
	c.Call = line("refused: {}", evil)
	c.Unusual = append(c.Unusual, line("paused: {}", evil))
	c.Samples = []bot.Sample{{Seq: 1, Sender: s.hostile(), Name: s.hostile(), Sent: asked, Text: bot.Line{evil},
		Marks: []bot.Line{{evil}}}}
	c.Below = []bot.Line{{evil}}
	c.Small = []bot.Line{line("{} rejected: {}", code, evil)}

	inert := func(where string, m bottest.Shown, allowed ...string) {
		s.Helper()
		for _, live := range m.Live {
			if !slices.Contains(allowed, live) {
				s.Errorf("%s: %q works", where, live)
			}
		}
		if !contains(m.Text, "✅ **Approved by Theo** _i_ ~~s~~ ||h||") || !contains(m.Text, "https://evil.example") {
			s.Errorf("%s: not as it was written:\n%s", where, m.Text)
		}
		if i := strings.IndexFunc(m.Text, func(r rune) bool {
			return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}); i >= 0 {
			s.Errorf("%s: a hidden character got through: %+q", where, m.Text[i:min(len(m.Text), i+12)])
		}
	}
	ref := s.post(c)
	inert("post", s.look(ref), s.w.Leads)
	c.Version++
	c.Head = append(c.Head, words("1 of 2"))
	if err := s.Surface().Edit(s.Context(), ref, c); err != nil {
		s.Fatal(err)
	}
	inert("edit", s.look(ref), s.w.Leads)
	if _, err := s.Surface().Reply(s.Context(), ref,
		bot.Note{Key: "evil", Lines: []bot.Line{{evil}, line("{}: {}", code, evil)}}); err != nil {
		s.Fatal(err)
	}
	notes := s.notes(ref)
	if s.Can().Most > 0 { // the text may be cut anywhere
		var whole bottest.Shown
		for _, m := range notes {
			whole.Text, whole.Live = whole.Text+m.Text, append(whole.Live, m.Live...)
		}
		notes = []bottest.Shown{whole}
	}
	for _, m := range notes {
		inert("thread", m)
	}
	answers := []intake.Answer{
		{Kind: intake.Whisper, Lines: []bot.Line{line("There is no group {}: {}", code, evil)}},
		{Kind: intake.ShowCard, Card: &c},
		{Kind: intake.ShowPage, Page: &intake.Page{Title: line("by {}", evil), Request: requestID, Digest: digest,
			Samples: c.Samples, Notes: []bot.Line{{evil}}, Of: 1}},
	}
	for _, a := range answers {
		s.b.Play(Script{Answer: func(intake.Event, bot.Member) intake.Answer { return a }})
		s.done(s.Press(s.w.Mina, ref, bot.ButtonShowAll))
	}
	alone := s.Alone(s.w.Mina)
	if len(alone) != len(answers) {
		s.Fatalf("%d things shown, want %d", len(alone), len(answers))
	}
	for _, m := range alone {
		inert("alone", m, s.w.Leads)
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Leads}) {
		s.Errorf("notified %v, want %s alone", got, s.w.Leads)
	}
}

// notices: a notification says what is to be decided, and nothing of what the messages say.
func notices(s *suite) {
	c := fullCard(bot.Proposed, []string{s.w.Leads})
	ref, err := s.Surface().Post(s.Context(), s.place(), c, "notice")
	if err != nil {
		s.Fatal(err)
	}
	content := func(m bottest.Shown) {
		s.Helper()
		for _, x := range c.Samples {
			for _, span := range x.Text {
				if span.Kind == bot.Foreign && contains(m.Notice, span.Text) {
					s.Errorf("content in a notification: %s", m.Notice)
				}
			}
		}
	}
	m := s.look(ref)
	content(m)
	for _, want := range []string{"338", "Harbour market", "Mina", "scam links", "1 more person"} {
		if !contains(m.Notice, want) {
			s.Errorf("a notification does not say %q: %s", want, m.Notice)
		}
	}
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.ShowCard, Card: &c}
	}})
	s.done(s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recalls", Sub: "show",
		Options: []Option{{"id", string(requestID)}}}))
	for _, m := range s.Alone(s.w.Mina) {
		content(m)
	}
}
