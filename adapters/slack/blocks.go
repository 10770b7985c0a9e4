package slack

// This file draws cards, notes and lines as blocks within Slack's limits. Text that others wrote is
// only ever rich text or plain text, in which nothing is markup, so that it cannot notify anybody
// or look like the bot's words. What does not fit is left out, and the card says so.

import (
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"recallbot/bot"

	slackgo "github.com/slack-go/slack"
)

// Slack's limits, in characters unless they say otherwise (docs.slack.dev/reference/block-kit).
const (
	maxSummary     = 3000 // of a message's text; Slack takes 4,000 and splits what is longer
	maxEscaped     = 4000 // of the same text escaped; one character may become five
	maxButton      = 75   // of a button's label, and of its accessibility label
	maxModalTitle  = 24   // of a modal's title and of its buttons
	maxConfirm     = 300  // of a confirmation's text
	maxPlaceholder = 150
	maxContext     = 1500 // of small print

	// Slack publishes no number for msg_blocks_too_long. Messages of 13,200 bytes of JSON were seen
	// to be accepted and to be refused. Bytes.
	messageSize = 9500
	// the size of the second try, when Slack refuses a message as too long nevertheless; bytes
	messageSizeSmall = 4000
	// A modal may hold 250 kB. Bytes.
	modalSize = 60_000
)

// room bounds what is drawn: the characters of a message's text and of any other line, the number
// of messages, and the number of lines of each kind.
type room struct{ text, line, samples, lines int }

// rooms are tried in order until the whole fits. The text of the messages is shortened first.
var rooms = []room{
	{3000, 1500, 40, 60}, {1000, 1000, 40, 60}, {500, 500, 30, 50}, {300, 400, 20, 50}, {200, 300, 20, 40},
	{120, 300, 16, 40},
	{80, 200, 12, 30}, {60, 150, 10, 20}, {40, 150, 10, 15}, {20, 120, 10, 10}, {10, 100, 10, 8}, {10, 80, 6, 5},
	{10, 60, 4, 4}, {10, 20, 2, 3},
}

// fit returns the result of build for the first room in which it has at most limit bytes of JSON,
// or for the smallest room.
func fit(limit int, build func(room) []slackgo.Block) []slackgo.Block {
	var blocks []slackgo.Block
	for _, r := range rooms {
		blocks = build(r)
		if size(blocks) <= limit {
			break
		}
	}
	return blocks
}

// size returns the size of the blocks in bytes of JSON.
func size(blocks []slackgo.Block) int {
	body, err := json.Marshal(blocks)
	if err != nil {
		return 1 << 30 // unreachable: blocks always marshal
	}
	return len(body)
}

// phone is Slack's app at 375 px: what its name, paddings and a row of buttons leave of 600 px. The
// small print stands below the buttons. Source of the sizes: slacktest/page.css.
var phone = bot.Phone{Height: 500, Text: bot.Type{Size: 15, Line: 22, Width: 299},
	Warning: bot.Type{Size: 15, Line: 22, Width: 299}, Message: bot.Type{Size: 15, Line: 22, Width: 283}}

// cardBlocks shows a card in its order: headline, who asks and why, whom it waits for, what is
// unusual, the messages, buttons, and what is small. All but the last is rich text at the top
// level, which clients never fold. The first post has no messages, because clients announce what
// its blocks say.
func cardBlocks(c bot.Card, first bool, limit int) []slackgo.Block {
	c = c.OnPhone(phone)
	return fit(limit, func(r room) []slackgo.Block {
		title := &paragraph{bold: true}
		title.line(c.Title, min(r.line, 300))
		head := &paragraph{}
		head.lines(c.Head, r)
		if len(c.Call) > 0 {
			head.newLine()
			head.mentions(c.Notify)
			head.spans(c.Call, r.line)
		}
		unusual := &paragraph{bold: true}
		unusual.lines(c.Unusual, r)
		elements := sections(title, head, unusual)
		if !first {
			below := &paragraph{}
			below.lines(c.Below, r)
			elements = append(elements, sampleElements(c.Samples, r)...)
			elements = append(elements, sections(below)...)
		}
		blocks := []slackgo.Block{slackgo.NewRichTextBlock("", elements...)}
		if b := buttonBlock(c); b != nil {
			blocks = append(blocks, b)
		}
		if small := cutLine(c.SmallPrint(), min(r.line, maxContext)); len(small) > 0 {
			blocks = append(blocks, slackgo.NewContextBlock("", plainText(small.String(), maxContext+50)))
		}
		return blocks
	})
}

// sections returns a section for each paragraph that is not empty.
func sections(paragraphs ...*paragraph) []slackgo.RichTextElement {
	var elements []slackgo.RichTextElement
	for _, p := range paragraphs {
		if len(p.elements) > 0 {
			elements = append(elements, slackgo.NewRichTextSection(p.elements...))
		}
	}
	return elements
}

// sampleElements shows messages, one line each, in a frame that none of them can leave. What begins
// a line is the number of a message in code style, which no text of others gets.
func sampleElements(samples []bot.Sample, r room) []slackgo.RichTextElement {
	if len(samples) == 0 {
		return nil
	}
	var elements []slackgo.RichTextElement
	lines := &paragraph{}
	quote := func() {
		if len(lines.elements) > 0 {
			elements = append(elements, &slackgo.RichTextQuote{Type: slackgo.RTEQuote, Elements: lines.elements})
		}
		lines = &paragraph{}
	}
	for _, s := range thin(samples, r.samples) {
		if len(s.Above) > 0 {
			quote()
			above := &paragraph{bold: true}
			above.line(s.Above, r.line)
			elements = append(elements, sections(above)...)
		}
		lines.newLine()
		if s.Skipped > 0 {
			lines.text(bot.Say("cut.messages", "n", s.Skipped).String(), style{})
			lines.newLine()
		}
		lines.sample(s, r)
	}
	quote()
	return elements
}

// sampleBlocks shows messages in a block of their own.
func sampleBlocks(samples []bot.Sample, r room) []slackgo.Block {
	if len(samples) == 0 {
		return nil
	}
	return []slackgo.Block{slackgo.NewRichTextBlock("", sampleElements(samples, r)...)}
}

// thin removes samples from the middle until at most n remain. The sample after the gap says how
// many are missing.
func thin(samples []bot.Sample, n int) []bot.Sample {
	n = max(n, 1)
	if len(samples) <= n {
		return samples
	}
	front, back := (n+1)/2, n/2
	left := append([]bot.Sample{}, samples[:front]...)
	dropped := 0
	for _, s := range samples[front : len(samples)-back] {
		dropped += 1 + s.Skipped
	}
	if back == 0 {
		left[len(left)-1].Skipped += dropped
		return left
	}
	tail := append([]bot.Sample{}, samples[len(samples)-back:]...)
	tail[0].Skipped += dropped
	return append(left, tail...)
}

func buttonBlock(c bot.Card) *slackgo.ActionBlock {
	var elements []slackgo.BlockElement
	for _, b := range c.Buttons {
		e := slackgo.NewButtonBlockElement(string(b.Kind), buttons.Of(c, b.Kind), plainText(b.Label, maxButton))
		e.AccessibilityLabel = ellipsis(b.Speech, maxButton)
		if b.Kind == bot.ButtonApprove || b.Kind == bot.ButtonStop {
			e.Style = slackgo.StyleDanger
		}
		if b.Confirm != nil {
			e.Confirm = slackgo.NewConfirmationBlockObject(
				plainText(b.Confirm.Title, 100), plainText(b.Confirm.Text, maxConfirm), plainText(b.Confirm.Yes, 30),
				plainText(b.Confirm.No, 30))
			e.Confirm.Style = slackgo.StyleDanger
		}
		elements = append(elements, e)
	}
	if len(elements) == 0 {
		return nil
	}
	return slackgo.NewActionBlock("", elements...)
}

// lineBlocks shows lines, one below the other.
func lineBlocks(lines []bot.Line, limit int) []slackgo.Block {
	return fit(limit, func(r room) []slackgo.Block {
		p := &paragraph{}
		p.lines(lines, r)
		if b := p.block(); b != nil {
			return []slackgo.Block{b}
		}
		return []slackgo.Block{slackgo.NewRichTextBlock("",
			slackgo.NewRichTextSection(slackgo.NewRichTextSectionTextElement(" ", nil)))}
	})
}

// noteBlocks shows a note of a thread: its mentions, then its lines.
func noteBlocks(n bot.Note, limit int) []slackgo.Block {
	return fit(limit, func(r room) []slackgo.Block {
		p := &paragraph{}
		p.mentions(n.Notify)
		if n.Mention != nil && n.Mention.Platform == ID {
			p.user(n.Mention.User)
		}
		p.lines(n.Lines, r)
		if b := p.block(); b != nil {
			return []slackgo.Block{b}
		}
		return []slackgo.Block{slackgo.NewRichTextBlock("",
			slackgo.NewRichTextSection(slackgo.NewRichTextSectionTextElement(" ", nil)))}
	})
}

// noteParts splits a note into as few messages as are needed to show every line. Only the first
// message mentions anybody.
func noteParts(n bot.Note) []bot.Note {
	const mentions = 500 // bytes that they take beside the lines
	fits := func(lines []bot.Line) bool {
		p := &paragraph{}
		p.lines(lines, room{line: 1000, lines: len(lines)})
		return size([]slackgo.Block{p.block()}) <= messageSize-mentions
	}
	var parts []bot.Note
	for {
		// The first that is one too many, when it is not the first of all.
		end := sort.Search(min(len(n.Lines), rooms[0].lines), func(i int) bool { return i > 0 && !fits(n.Lines[:i+1]) })
		rest := bot.Note{Key: n.Key, Lines: n.Lines[end:]}
		n.Lines = n.Lines[:end]
		if parts = append(parts, n); len(rest.Lines) == 0 {
			return parts
		}
		n = rest
	}
}

// cardText returns a card as text for screen readers and notifications, in the card's order. It has
// everything that is needed to decide, and never the content of a message.
func cardText(c bot.Card) string {
	lines := append([]bot.Line{c.Title}, c.Head...)
	if len(c.Call) > 0 {
		lines = append(lines, c.Call)
	}
	lines = append(append(lines, c.Unusual...), c.Below...)
	if small := c.SmallPrint(); len(small) > 0 {
		lines = append(lines, small)
	}
	for i, l := range lines {
		lines[i] = cutLine(l, 600)
	}
	return summary(lines...)
}

// summary returns the text that replaces blocks in notifications and for screen readers. It has no
// message content, and the caller escapes it.
func summary(lines ...bot.Line) string {
	parts := make([]string, 0, len(lines))
	for _, l := range lines {
		parts = append(parts, withoutEmoji(l).String())
	}
	whole := strings.Join(parts, "\n")
	for n := maxSummary; ; n /= 2 {
		if cut := bot.Cut(whole, n); n == 0 || utf8.RuneCountInString(escape(cut)) <= maxEscaped {
			return cut
		}
	}
}

// withoutEmoji returns l with another kind of colon in the text that others wrote, so that no
// :code: in it becomes an emoji, and with isolates. In a message's text Slack replaces such codes
// even with markup off.
func withoutEmoji(l bot.Line) bot.Line {
	l = slices.Clone(l)
	for i, s := range l {
		if s.Kind == bot.Foreign || s.Kind == bot.CodeText {
			l[i].Text = strings.ReplaceAll(s.Text, ":", "∶")
		}
		if s.Kind == bot.Foreign {
			l[i].Text = bot.Isolated(l[i].Text)
		}
	}
	return l
}

// style is the style of a piece of text. The zero style is plain.
type style struct{ bold, italic, code bool }

// paragraph collects rich text. Text next to text of the same style becomes one element.
type paragraph struct {
	bold     bool // all of it
	elements []slackgo.RichTextSectionElement
	last     style
}

func (p *paragraph) block() slackgo.Block {
	if len(p.elements) == 0 {
		return nil
	}
	return slackgo.NewRichTextBlock("", slackgo.NewRichTextSection(p.elements...))
}

func (p *paragraph) text(s string, st style) {
	if s == "" {
		return
	}
	st.bold = st.bold || p.bold && s != "\n"
	if n := len(p.elements); n > 0 {
		if t, ok := p.elements[n-1].(*slackgo.RichTextSectionTextElement); ok && p.last == st {
			t.Text += s
			return
		}
	}
	p.last = st
	p.elements = append(p.elements, slackgo.NewRichTextSectionTextElement(s, st.slack()))
}

func (s style) slack() *slackgo.RichTextSectionTextStyle {
	if s == (style{}) {
		return nil
	}
	return &slackgo.RichTextSectionTextStyle{Bold: s.bold, Italic: s.italic, Code: s.code}
}

func (p *paragraph) newLine() {
	if len(p.elements) > 0 {
		p.text("\n", style{})
	}
}

// line adds l as a separate line.
func (p *paragraph) line(l bot.Line, limit int) {
	p.newLine()
	p.spans(l, limit)
}

// lines adds each line as a separate line, and says how many do not fit.
func (p *paragraph) lines(lines []bot.Line, r room) {
	for i, l := range lines {
		if i == r.lines && i < len(lines)-1 {
			p.newLine()
			p.text(bot.Say("cut.lines", "n", len(lines)-i).String(), style{})
			return
		}
		p.line(l, r.line)
	}
}

// spans adds the pieces of l, at most limit characters. Text that others wrote is in italics, and
// no other text is.
func (p *paragraph) spans(l bot.Line, limit int) {
	for _, s := range cutLine(l, limit) {
		switch s.Kind {
		case bot.Words:
			p.text(s.Text, style{})
		case bot.Foreign:
			p.text(bot.Isolated(s.Text), style{italic: true})
		case bot.CodeText:
			p.text(s.Text, style{code: true})
		case bot.Moment:
			fallback := bot.Line{s}.String()
			d := slackgo.NewRichTextSectionDateElement(s.Time.Unix(), dateFormats[s.Form], nil, &fallback)
			d.Style = style{bold: p.bold}.slack()
			p.elements = append(p.elements, d)
		}
	}
}

// dateFormats are Slack's words for the forms of a moment.
var dateFormats = map[bot.Form]string{
	bot.Exact: "{date_short_pretty} {time_secs}", bot.Minutes: "{date_short_pretty} {time}",
	bot.TimeOnly: "{time}", bot.Deadline: "{time}",
}

func (p *paragraph) user(id string) {
	p.elements = append(p.elements, slackgo.NewRichTextSectionUserElement(id, nil))
	p.text(" ", style{})
}

// mentions adds mentions of user groups, and of the principals that are users.
func (p *paragraph) mentions(ids []string) {
	for _, id := range ids {
		if strings.HasPrefix(id, "S") {
			p.elements = append(p.elements, slackgo.NewRichTextSectionUserGroupElement(id))
			p.text(" ", style{})
		} else {
			p.user(id)
		}
	}
}

// sample adds a message: its number, who sent it and when, its marks, and what it says. Of a kind
// of messages it adds how many they are, what they say, and what differs.
func (p *paragraph) sample(s bot.Sample, r room) {
	if s.Alike > 0 {
		p.spans(bot.Say("card.alike", "n", s.Alike), r.line)
	} else {
		p.spans(bot.Line{bot.Code(strconv.FormatUint(uint64(s.Seq), 10))}, r.line)
	}
	if s.Sender != "" {
		p.text(" ", style{})
		p.spans(s.Who(), min(r.line, 80))
	}
	if !s.Sent.IsZero() {
		p.text("  ", style{})
		p.spans(bot.Line{bot.At(s.Sent)}, r.line)
	}
	text := cutLine(s.Text, r.text)
	if s.Alike > 0 && len(text) > 0 { // what differs stands behind what does not
		p.text(" ", style{})
		p.spans(text, r.text)
	}
	for _, m := range s.Marks {
		p.text(" ", style{})
		if s.Alike == 0 {
			p.text("· ", style{})
		}
		p.spans(m, r.line)
	}
	if s.Alike == 0 && len(text) > 0 {
		p.text(": ", style{})
		p.spans(text, r.text)
	}
}

// cutLine returns at most limit characters of l, and says how many are missing. A time counts as 20
// characters.
func cutLine(l bot.Line, limit int) bot.Line {
	used := 0
	for i, s := range l {
		n := 20
		if s.Kind != bot.Moment {
			n = utf8.RuneCountInString(s.Text)
		}
		if used+n <= limit {
			used += n
			continue
		}
		cut, room := slices.Clone(l[:i]), max(limit-used, 0)
		if s.Kind == bot.Moment { // a time is never cut
			room = 0
		}
		// The characters of the later pieces count as well. Their number is a separate piece, so
		// that text of others does not continue as the bot's words.
		kept, left := bot.CutOff(l[i:].String(), room)
		if kept != "" {
			cut = append(cut, bot.Span{Kind: s.Kind, Text: kept})
		}
		return append(cut, bot.Say("cut.characters", "n", left)...)
	}
	return l
}

// plainText returns text in which Slack finds no markup, no emoji and no mention.
func plainText(s string, limit int) *slackgo.TextBlockObject {
	if s == "" {
		s = " "
	}
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, ellipsis(s, limit), false, false)
}

// ellipsis returns at most limit characters of s. If characters are missing, the last one is an
// ellipsis.
func ellipsis(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
