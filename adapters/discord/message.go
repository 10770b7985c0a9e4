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

// reference makes a message a reply. Discord refuses it if the original message was deleted.
type reference struct {
	Message string `json:"message_id"`
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

// colors has the color of an embed for the sign that a headline begins with. The headline says the
// same in words.
var colors = map[string]int{"✋": 0xF0B232, "🔵": 0x5865F2, "✅": 0x23A55A, "⚠️": 0xE67E22, "⏹": 0xDA373C,
	"🔴": 0xDA373C}

const grey = 0x80848E // the color of everything else

// color returns the color for a card.
func color(c bot.Card) int {
	sign, _, _ := strings.Cut(c.Title.String(), " ")
	return cmp.Or(colors[sign], grey)
}

// phone is Discord's app at 375 px: what the bot's name, the paddings of the embed and two rows of
// buttons leave of 600 px. Source of the sizes: discordtest/page.css. A line with code is 2 px
// higher.
var phone = bot.Phone{Height: 432, Text: bot.Type{Size: 16, Line: 22, Width: 287},
	Warning: bot.Type{Size: 14, Line: 18, Width: 255}, Message: bot.Type{Size: 14, Line: 20, Width: 231},
	Small: bot.Type{Size: 13, Line: 19, Width: 255}}

// drawCard draws the whole card. The content has the headline, who asks and why, and whom it waits
// for: no setting of a reader hides it, and notifications show it. What is unusual, the messages
// and the small print are in an embed, which notifications do not show. notify are the roles that
// the message notifies.
func drawCard(c bot.Card, notify []string) *message {
	c = c.OnPhone(phone)
	m := newMessage("")
	list := []row{{head: "**" + fit(c.Title, 600) + "**"}}
	for _, l := range c.Head {
		list = append(list, row{line: l})
	}
	if len(c.Call) > 0 {
		roles := m.mentionRoles(notify)
		if roles == "" {
			roles = new(message).mentionRoles(c.Notify) // an edit notifies nobody
		}
		if roles != "" {
			roles += " "
		}
		list = append(list, row{head: roles, line: c.Call})
	}
	m.Content = strings.Join(rows(list, maxContent, maxContent), "\n")

	list = nil
	for _, l := range c.Unusual {
		list = append(list, row{head: "**" + fit(l, 400) + "**"})
	}
	text := rows(list, 1400, 1400)
	text = append(text, rows(samples(c.Samples), 2500, 2500)...)
	list = nil
	for _, l := range c.Below {
		list = append(list, row{line: l})
	}
	text = append(text, rows(list, 700, 700)...)
	if small := c.SmallPrint(); len(small) > 0 {
		text = append(text, rows([]row{{head: "-# ", line: small}}, 1000, 1000)...)
	}
	for _, t := range pack(text, maxDescription) {
		m.embed(t, color(c))
	}
	m.buttons(c)
	return m
}

// samples returns a row for each message, and one for those that are left out before it: what it
// says is a quotation of one line, which begins with its number as code. A kind of messages begins
// with how many they are, and ends with what differs.
func samples(list []bot.Sample) []row {
	var lines []row
	for _, s := range list {
		if s.Skipped > 0 {
			lines = append(lines, row{head: bot.Say("cut.messages", "n", s.Skipped).String()})
		}
		if len(s.Above) > 0 {
			lines = append(lines, row{head: "**" + fit(s.Above, 200) + "**"})
		}
		head := "> " + code(strconv.FormatUint(uint64(s.Seq), 10))
		if s.Alike > 0 {
			head = "> " + fit(bot.Say("card.alike", "n", s.Alike), 40)
		}
		if s.Sender != "" {
			head += " " + fit(s.Who(), 100)
		}
		if !s.Sent.IsZero() {
			head += " · " + span(bot.At(s.Sent))
		}
		marks := ""
		for _, mark := range s.Marks {
			if s.Alike == 0 {
				marks += " ·"
			}
			marks += " **" + fit(mark, 100) + "**"
		}
		switch {
		case s.Alike > 0: // what differs stands behind what does not
			lines = append(lines, row{head: head + " ", line: s.Text, tail: marks})
		case len(s.Text) == 0:
			lines = append(lines, row{head: head + marks})
		default:
			lines = append(lines, row{head: head + marks + ": ", line: s.Text})
		}
	}
	return lines
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
	list := []row{{head: "**" + fit(p.Title, 300) + "**"}}
	for _, l := range p.Notes {
		list = append(list, row{line: l})
	}
	m.Content = strings.Join(rows(list, maxContent, maxContent), "\n")
	for _, text := range pack(rows(samples(p.Samples), 5800, maxDescription), maxDescription) {
		m.embed(text, grey)
	}

	var line []discordgo.MessageComponent
	for _, b := range buttons.OfPage(p) {
		line = append(line, discordgo.Button{Label: clip(b.Label, maxLabel), Style: discordgo.SecondaryButton,
			CustomID: b.Carries})
	}
	m.row(line)
	return m
}

// drawLines draws lines in one message: the content has those that fit, and embeds have the
// remaining ones.
func drawLines(lines []bot.Line) *message {
	list := make([]row, len(lines))
	for i, l := range lines {
		list[i] = row{line: l}
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

// offer adds the buttons of an offer.
func (m *message) offer(o *intake.Offer) {
	var line []discordgo.MessageComponent
	for i, label := range o.Labels() {
		if id := buttons.Use(o, i); id != "" {
			line = append(line, discordgo.Button{Label: clip(label, maxLabel), Style: discordgo.SecondaryButton,
				CustomID: id})
		}
	}
	m.row(line)
}

// drawNote draws a note in as many messages as it needs, in order. The last one has the file.
func drawNote(n bot.Note, before bot.Line) []*message {
	var list []row
	if len(before) > 0 {
		list = append(list, row{line: before})
	}
	for _, l := range n.Lines {
		list = append(list, row{line: l})
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
