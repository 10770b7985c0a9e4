package discord

import (
	"cmp"
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
)

// Discord's limits, in characters. The sum of an embed's texts holds over all embeds of a message.
const (
	maxContent     = 2000
	maxDescription = 4096
	maxEmbeds      = 6000
	maxLabel       = 80
	maxTitle       = 45
	maxInputLabel  = 45
	maxPlaceholder = 100
	maxCustomID    = 100
	maxInputs      = 5
	maxInput       = 4000
	maxChoices     = 25
)

// message is the body of a post, an edit or an answer. It always has allowed_mentions: without
// that, Discord would notify everybody whom a text happens to mention. Empty lists remove what an
// edited message had.
type message struct {
	Content         string                           `json:"content"`
	Embeds          []*discordgo.MessageEmbed        `json:"embeds"`
	Components      []discordgo.MessageComponent     `json:"components"`
	AllowedMentions discordgo.MessageAllowedMentions `json:"allowed_mentions"`
	Flags           discordgo.MessageFlags           `json:"flags,omitempty"`
	Nonce           string                           `json:"nonce,omitempty"`
	EnforceNonce    bool                             `json:"enforce_nonce,omitempty"`
	Reference       *reference                       `json:"message_reference,omitempty"`
	Attachments     []attachment                     `json:"attachments,omitempty"`
	file            *bot.File
}

// reference makes a message a reply. It is sent even if the original message was deleted.
type reference struct {
	Message         string `json:"message_id"`
	FailIfNotExists bool   `json:"fail_if_not_exists"`
}

type attachment struct {
	ID          string `json:"id"` // the number of the part files[n]
	Filename    string `json:"filename"`
	Description string `json:"description,omitempty"`
}

func newMessage(content string) *message {
	return &message{
		Content: content, Embeds: []*discordgo.MessageEmbed{}, Components: []discordgo.MessageComponent{},
		AllowedMentions: discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}},
	}
}

func (m *message) embed(text string, color int) {
	if strings.TrimSpace(text) != "" {
		m.Embeds = append(m.Embeds, &discordgo.MessageEmbed{Description: text, Color: color})
	}
}

// mentionRoles allows the message to notify these roles, and returns the text that mentions them.
func (m *message) mentionRoles(roles []string) string {
	var text []string
	for _, id := range roles {
		if isSnowflake(id) && len(m.AllowedMentions.Roles) < 20 {
			m.AllowedMentions.Roles = append(m.AllowedMentions.Roles, id)
			text = append(text, "<@&"+id+">")
		}
	}
	return strings.Join(text, " ")
}

// color returns the color for a state, which the title also says in words.
func color(s bot.State) int {
	switch s {
	case bot.Proposed:
		return 0xF0B232
	case bot.Approved, bot.Running, bot.Stopping:
		return 0x5865F2
	case bot.Done:
		return 0x23A55A
	case bot.Stopped, bot.NotStarted, bot.Rejected, bot.Refused:
		return 0xDA373C
	}
	return 0x80848E
}

// drawCard draws the whole card. The title, the notices and the facts are the content, which no
// setting of a reader hides. The text of the messages is in an embed, which notifications do not
// show. notify are the roles that the message notifies.
func drawCard(c bot.Card, notify []string) *message {
	m := newMessage("")
	list := []row{{"", c.Title}}
	list[0].head, list[0].line = "**"+fit(c.Title, 600)+"**", nil
	if text := m.mentionRoles(notify); text != "" {
		list = append(list, row{head: text})
	} else if text := new(message).mentionRoles(c.Notify); text != "" &&
		(c.State == bot.Preparing || c.State == bot.Proposed) {
		list = append(list, row{head: text}) // an edit notifies nobody
	}
	for _, l := range c.Notices {
		list = append(list, row{"> ", l})
	}
	list = append(list, facts(c.Facts)...)
	m.Content = strings.Join(rows(list, maxContent, maxContent), "\n")

	m.samples(c.Samples, c.Showing, 2900, color(c.State))
	m.bullets(c.Warnings, 700, color(c.State))
	m.bullets(c.Earlier, 900, color(c.State))
	end := facts(c.Closing)
	if len(c.Progress) > 0 {
		end = append(end, row{"", c.Progress})
	}
	m.embed(strings.Join(rows(end, 1400, 1400), "\n"), color(c.State))
	m.buttons(c)
	return m
}

// facts returns a row for each fact.
func facts(list []bot.Fact) []row {
	var out []row
	for _, f := range list {
		out = append(out, row{"**" + inert(bot.Cut(f.Name, 100)) + ":** ", f.Value})
	}
	return out
}

// bullets adds an embed of lines.
func (m *message) bullets(lines []bot.Line, limit, color int) {
	list := make([]row, len(lines))
	for i, l := range lines {
		list[i] = row{"- ", l}
	}
	m.embed(strings.Join(rows(list, limit, limit), "\n"), color)
}

// samples adds an embed of the messages. Each has a head by the bot, and its text as a quotation on
// one line.
func (m *message) samples(list []bot.Sample, showing bot.Line, limit, color int) {
	var lines []row
	for _, s := range list {
		if s.Skipped > 0 {
			lines = append(lines, row{head: bot.Say("cut.messages", "n", s.Skipped).String()})
		}
		head := code(strconv.FormatUint(uint64(s.Seq), 10))
		if s.Sender != "" {
			head += " " + fit(bot.Line{bot.Quote(s.Sender)}, 100)
		}
		if !s.Sent.IsZero() {
			head += " · " + span(bot.At(s.Sent))
		}
		for _, mark := range s.Marks {
			head += " · **" + fit(mark, 100) + "**"
		}
		if len(s.Text) > 0 {
			head += "\n> "
		}
		lines = append(lines, row{head, s.Text})
	}
	if len(showing) > 0 {
		lines = append(lines, row{"", showing})
	}
	for _, text := range pack(rows(lines, limit, maxDescription), maxDescription) {
		m.embed(text, color)
	}
}

// buttons adds the card's buttons in one row.
func (m *message) buttons(c bot.Card) {
	var line []discordgo.MessageComponent
	for _, b := range c.Buttons {
		style := discordgo.SecondaryButton
		if b.Kind == bot.ButtonApprove || b.Kind == bot.ButtonStop {
			style = discordgo.DangerButton
		}
		line = append(line, discordgo.Button{Label: clip(b.Label, maxLabel), Style: style,
			CustomID: buttons.Of(c, b.Kind)})
	}
	m.row(line)
}

func (m *message) row(line []discordgo.MessageComponent) {
	for len(line) > 0 {
		n := min(len(line), 5)
		m.Components = append(m.Components, discordgo.ActionsRow{Components: line[:n]})
		line = line[n:]
	}
}

// drawPage draws one page of messages, with buttons for the other pages.
func drawPage(p intake.Page) *message {
	m := newMessage("")
	list := []row{{"**" + fit(p.Title, 300) + "**", nil}}
	for _, l := range p.Notes {
		list = append(list, row{"", l})
	}
	m.Content = strings.Join(rows(list, maxContent, maxContent), "\n")
	m.samples(p.Samples, nil, 5800, 0x80848E)

	var line []discordgo.MessageComponent
	button := func(label, carries string) {
		if carries != "" {
			line = append(line, discordgo.Button{Label: clip(label, maxLabel), Style: discordgo.SecondaryButton,
				CustomID: carries})
		}
	}
	turn := func(label string, to int) {
		button(bot.Say(label, "page", to+1, "of", p.Of).String(), buttons.Turn(p, to))
	}
	turn("page.previous.of", p.Number-1)
	turn("page.next.of", p.Number+1)
	button(p.Recall, buttons.Recall(p))
	m.row(line)
	return m
}

// drawLines draws lines in one message: the content has those that fit, and embeds have the
// remaining ones.
func drawLines(lines []bot.Line) *message {
	list := make([]row, len(lines))
	for i, l := range lines {
		list[i] = row{"", l}
	}
	texts := pack(rows(list, maxEmbeds, maxContent-100), maxContent)
	if len(texts) == 0 {
		return newMessage("")
	}
	m := newMessage(texts[0])
	for _, text := range texts[1:] {
		m.embed(text, 0)
	}
	return m
}

// drawNote draws a note in as many messages as it needs, in order. The last one has the file.
func drawNote(n bot.Note, before bot.Line) []*message {
	var list []row
	if len(before) > 0 {
		list = append(list, row{"", before})
	}
	for _, l := range n.Lines {
		list = append(list, row{"", l})
	}
	// The first message has the mentions. The last one has room for the sentence that the file
	// could not be attached, if there is a file.
	first := newMessage("")
	if n.Mention != nil && n.Mention.Platform == ID && isSnowflake(n.Mention.User) {
		first.AllowedMentions.Users = []string{n.Mention.User}
		first.Content = "<@" + n.Mention.User + "> "
	}
	if text := first.mentionRoles(n.Notify); text != "" {
		first.Content = text + "\n" + first.Content
	}
	room := maxContent
	if n.File != nil {
		room -= size(markup(bot.Say("file.permission"))) + 1
	}
	lines := make([]string, len(list))
	for i, r := range list {
		lines[i] = fit(r.line, room-size(first.Content))
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	lines[0] = first.Content + lines[0]
	var messages []*message
	for _, text := range pack(lines, room) {
		messages = append(messages, newMessage(strings.TrimSpace(text)))
	}
	messages[0].AllowedMentions = first.AllowedMentions
	if n.File != nil {
		messages[len(messages)-1].attach(n.File)
	}
	return messages
}

func (m *message) attach(f *bot.File) {
	m.file = f
	m.Attachments = []attachment{{ID: "0", Filename: cmp.Or(f.Name, "file"), Description: bot.Cut(f.Title, 900)}}
}

// detach sends the message without its file, and says so.
func (m *message) detach() {
	m.file, m.Attachments = nil, nil
	m.Content = strings.TrimSpace(m.Content + "\n" + markup(bot.Say("file.permission")))
}
