package discordtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// People are the people of a guild behind the interface that the tests of all platforms share,
// [bottest.People]. It reads only what was sent to the guild, so that a test sees what a person
// would see.
type People struct {
	g *Guild

	mu    sync.Mutex
	wrong []string // parts of messages that could not be read
}

var _ bottest.People = (*People)(nil)

// People returns the people of the guild.
func (g *Guild) People() *People { return &People{g: g} }

// Deed is an interaction behind the interface [bottest.Deed].
type Deed struct {
	*Interaction
	g   *Guild
	err error // not nil: nothing was sent, or the repeated delivery got another answer
}

// Wait waits for the first answer, as [Interaction.Wait] does.
func (d Deed) Wait(ctx context.Context) error {
	if d.err != nil {
		return d.err
	}
	return d.Interaction.Wait(ctx)
}

// Problem returns why the person could not do it, or how it failed; "" when it did not.
func (d Deed) Problem() string {
	switch {
	case d.err != nil:
		return d.err.Error()
	case d.Err != nil:
		return d.Err.Error()
	case d.Failed():
		return ErrNoAnswer.Error()
	}
	return ""
}

// Opened returns the form that the first answer opened.
func (d Deed) Opened() (bottest.Form, bool) {
	m, ok := d.Modal()
	if d.err != nil || !ok {
		return bottest.Form{}, false
	}
	return d.g.form(m), true
}

// Again delivers an interaction once more. A repeated POST must get the same answer as the first.
func (d Deed) Again() bottest.Deed {
	d.g.mu.Lock()
	posted := d.g.byHTTP()
	d.g.mu.Unlock()
	if !posted {
		d.g.Redispatch(d.Interaction)
		return d
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if again := d.g.Resend(ctx, d.Interaction); string(again.Body) != string(d.Response()) {
		d.err = fmt.Errorf("discordtest: the repeat is answered with\n%s\nand the first with\n%s", again.Body,
			d.Response())
	}
	return d
}

// Deed returns i as a Deed.
func (g *Guild) Deed(i *Interaction) Deed { return Deed{Interaction: i, g: g} }

// Type fills in the options of a slash command.
func (p *People) Type(user, channel, line string) bottest.Deed {
	command, options, err := filled(line)
	if err != nil {
		return Deed{Interaction: &Interaction{User: user, Channel: channel, Err: err}, g: p.g, err: err}
	}
	return p.g.Deed(p.g.Command(user, channel, command, options...))
}

// Complete types into the option group of /recall, and returns the choices.
func (p *People) Complete(user, channel, typed string) (groups []string) {
	i := p.g.Autocomplete(user, channel, "recall", "group", typed)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := i.Wait(ctx); err != nil {
		p.cannotRead("what is offered for %q: %v", typed, err)
	}
	for _, c := range i.Choices() {
		groups = append(groups, c.Value)
	}
	return groups
}

func ref(r bot.Ref) MessageRef { return MessageRef{ChannelID: r.Channel, ID: r.Message} }

// labelled returns the custom_id of the button with the label, else of one whose label begins so.
// If there is none it returns the label itself, so that the error of the press names it.
func labelled(m Message, label string) (customID string, ok bool) {
	for _, matches := range []func(string) bool{
		func(l string) bool { return l == label },
		func(l string) bool { return label != "" && strings.HasPrefix(l, label) },
	} {
		for _, b := range m.Buttons() {
			if matches(b.Label) {
				return b.CustomID, true
			}
		}
	}
	return label, false
}

// Press presses a button of a message, which may be one that user alone sees.
func (p *People) Press(user string, on bot.Ref, label string) bottest.Deed {
	m, _ := p.g.Message(ref(on))
	id, _ := labelled(m, label)
	return p.g.Deed(p.g.Press(user, ref(on), id))
}

// PressOlder presses a button of an older copy of a message.
func (p *People) PressOlder(user string, older bottest.Shown, label string) bottest.Deed {
	m, _ := older.Own.(Message)
	id, ok := labelled(m, label)
	if !ok {
		err := fmt.Errorf("discordtest: the older copy has no button %q", label)
		return Deed{Interaction: &Interaction{User: user, Err: err}, g: p.g, err: err}
	}
	return p.g.Deed(p.g.PressStale(user, m, id))
}

// PressAlone presses a button of an ephemeral message.
func (p *People) PressAlone(user, label string) bottest.Deed {
	for _, m := range slices.Backward(p.g.Ephemerals(user)) {
		if id, ok := labelled(m, label); ok {
			return p.g.Deed(p.g.Press(user, m.Ref(), id))
		}
	}
	return p.g.Deed(p.g.Press(user, MessageRef{}, label))
}

// Form returns the modal that was opened last, if it was not sent.
func (p *People) Form(user string) (bottest.Form, bool) {
	modals := p.g.Modals(user)
	if len(modals) == 0 || modals[len(modals)-1].Submitted {
		return bottest.Form{}, false
	}
	return p.g.form(modals[len(modals)-1]), true
}

func (g *Guild) form(m Modal) bottest.Form {
	f := bottest.Form{Title: m.Title, Text: g.PictureModal(m), Own: m}
	for _, in := range m.Inputs {
		f.Inputs = append(f.Inputs, in.CustomID)
	}
	return f
}

// Send fills in a modal and submits it.
func (p *People) Send(user string, f bottest.Form, values map[string]string) bottest.Deed {
	m, _ := f.Own.(Modal)
	return p.g.Deed(p.g.Submit(user, m, values))
}

// Close closes the forms that the user did not send. Discord tells the bot nothing of it.
func (p *People) Close(user string) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.g.modals = slices.DeleteFunc(p.g.modals, func(m *dialog) bool { return m.User == user && !m.Submitted })
}

// FormsFollow returns false: a modal is the answer to the press.
func (p *People) FormsFollow() bool { return false }

// Look returns a message of a channel or thread.
func (p *People) Look(at bot.Ref) (bottest.Shown, bool) {
	m, ok := p.g.Message(ref(at))
	if !ok {
		return bottest.Shown{}, false
	}
	return p.shown(m), true
}

func (p *People) list(messages []Message) (list []bottest.Shown) {
	for _, m := range messages {
		list = append(list, p.shown(m))
	}
	return list
}

// Channel returns the messages of a channel.
func (p *People) Channel(id string) []bottest.Shown { return p.list(p.g.Messages(id)) }

// Thread returns the replies to a card in its channel, and the messages of the card's thread.
func (p *People) Thread(card bot.Ref) (list []bottest.Shown) {
	for _, m := range p.g.Messages(card.Channel) {
		if m.ReplyTo == card.Message {
			list = append(list, p.shown(m))
		}
	}
	if m, ok := p.g.Message(ref(card)); ok && m.Thread != "" {
		list = append(list, p.list(p.g.Thread(m.Thread))...)
	}
	return list
}

// Alone returns what the user alone sees: ephemeral messages, direct messages, then modals that
// were not sent.
func (p *People) Alone(user string) []bottest.Shown {
	list := append(p.list(p.g.Ephemerals(user)), p.list(p.g.DirectMessages(user))...)
	for _, m := range p.g.Modals(user) {
		if !m.Submitted {
			drawn := p.g.PictureModal(m)
			list = append(list, bottest.Shown{ID: m.ID, Text: drawn, Picture: drawn, Window: true, Own: m,
				HTML: func(string) string { return p.g.HTMLModal(m) }})
		}
	}
	return list
}

// Notified returns whom messages have notified.
func (p *People) Notified() (list []bottest.Ping) {
	for _, n := range p.g.Notified() {
		who := n.ID
		if n.Kind == "everyone" {
			who = n.Kind
		}
		p.g.mu.Lock()
		c := p.g.channels[n.ChannelID]
		list = append(list, bottest.Ping{Who: who, InThread: c != nil && c.isThread(), Text: n.Text})
		p.g.mu.Unlock()
	}
	return list
}

// Complaints returns those of the guild, and the parts of messages that could not be read.
func (p *People) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.g.SpecErrors(), p.g.UnknownKeys(), p.wrong)
}

func (p *People) cannotRead(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// shown returns what people see of m, from the guild's drawing of it.
func (p *People) shown(m Message) bottest.Shown {
	s := bottest.Shown{
		ID: m.ID, Ref: bot.Ref{Channel: m.ChannelID, Message: m.ID, Thread: m.Thread},
		Picture: p.g.Picture(m), Bot: m.Author == p.g.BotUserID, Reply: m.ReplyTo != "", Own: m,
		HTML: func(string) string { return p.g.HTML(m) }, JSON: m.Raw,
	}
	for line := range strings.Lines(s.Picture) {
		if strings.HasPrefix(line, "│") {
			line = strings.TrimPrefix(strings.TrimPrefix(line, "│"), " ")
			s.Text += strings.NewReplacer("┃ ", "", "▎", "", "• ", "").Replace(line)
		}
	}
	only := m
	only.Raw, only.Files = json.RawMessage("{}"), nil // a notification shows only the content
	s.Notice = p.g.Picture(only)
	for _, b := range m.Buttons() {
		s.Buttons = append(s.Buttons, b.Label)
	}
	for _, f := range m.Files {
		s.Files = append(s.Files, bot.File{Name: f.Name, Title: f.Description, Body: f.Data})
	}
	var raw struct {
		Content string
		Embeds  []json.RawMessage
	}
	if err := json.Unmarshal(m.Raw, &raw); err != nil {
		p.cannotRead("message %s: %v", m.ID, err)
	}
	s.Live = works(raw.Content)
	for _, e := range raw.Embeds {
		var fields map[string]any
		if err := json.Unmarshal(e, &fields); err != nil {
			p.cannotRead("an embed of message %s: %v", m.ID, err)
		}
		for name, v := range fields {
			if text, ok := v.(string); ok && name != "type" {
				s.Live = append(s.Live, works(text)...)
			}
		}
	}
	return s
}

var lively = regexp.MustCompile(
	`^(?:<(?:@[&!]?|#)(\d+)>|<(/[^>]*:\d+)>|<(a?:\w+:\d+)>|<?(https?://[^\s>]*)|(www\.\S+)|(discord\.gg/\S+)|(mailto:\S+)|(\]\([^)]*\))|(@everyone|@here)|(\*\*Approved))`)

// works finds the mentions, links and markup in a text that have an effect: all that are neither
// after a backslash nor in code.
func works(s string) (live []string) {
	for s != "" {
		switch {
		case s[0] == '\\' && len(s) > 1:
			s = s[2:]
		case s[0] == '`':
			n := len(s) - len(strings.TrimLeft(s, "`"))
			end := strings.Index(s[n:], s[:n])
			if end < 0 {
				s = s[n:]
				continue
			}
			s = s[n+end+n:]
		default:
			if strings.IndexByte("<hwdm]@*", s[0]) < 0 { // nothing of these begins with another byte
				s = s[1:]
				continue
			}
			if m := lively.FindStringSubmatch(s); m != nil {
				live = append(live, strings.Join(m[1:], ""))
				s = s[len(m[0]):]
				continue
			}
			s = s[1:]
		}
	}
	return live
}

// filled converts a line as it is typed on Slack into the options of a command on Discord.
// NAME:VALUE is the value of that option; the words before are the values of the first options.
func filled(line string) (command string, options []Option, err error) {
	command, rest, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	words := fields(rest)
	first := []string{"group", "seqs"}
	if command == "recalls" {
		if len(words) == 0 {
			return "", nil, errors.New("/recalls cannot be sent without a subcommand")
		}
		command += " " + words[0]
		switch words[0] {
		case "find":
			first = []string{"group"}
		case "list":
			first = []string{"which"}
		case "groups":
			first = []string{"named"}
		default:
			first = []string{"id"}
		}
		words = words[1:]
	}
	values := map[string][]string{}
	var order []string
	add := func(name, value string) {
		if values[name] == nil {
			order = append(order, name)
		}
		values[name] = append(values[name], value)
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, ":")
		switch {
		case ok && optionName.MatchString(name):
			add(name, strings.Trim(value, `"`))
		default:
			add(first[0], w)
			if len(first) > 1 {
				first = first[1:]
			}
		}
	}
	for _, name := range order {
		value := strings.Join(values[name], " ")
		if n, err := strconv.Atoi(value); err == nil && (name == "last" || name == "same") {
			options = append(options, Opt(name, n))
			continue
		}
		options = append(options, Opt(name, value))
	}
	return command, options, nil
}

var optionName = regexp.MustCompile(`^[a-z]+$`)

// fields splits at spaces outside double quotes.
func fields(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}
