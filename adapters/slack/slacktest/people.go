package slacktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// People are the people of a workspace behind the interface that the tests of all
// platforms share, [bottest.People]. It reads only what was sent to the workspace,
// so that a test sees what a person would see.
type People struct {
	w *Workspace

	mu    sync.Mutex
	wrong []string // parts of messages that could not be read
}

var _ bottest.People = (*People)(nil)

// People returns the people of the workspace.
func (w *Workspace) People() *People { return &People{w: w} }

// Deed is a delivery behind the interface [bottest.Deed].
type Deed struct{ *Delivery }

// Deed returns d as a Deed.
func (d *Delivery) Deed() Deed { return Deed{d} }

// Problem returns why the person could not do it, or the error that Slack showed.
func (d Deed) Problem() string {
	if err := d.Err(); err != nil {
		return err.Error()
	}
	return d.Failure()
}

// Opened returns no form: on Slack a modal is opened by a call of its own.
func (d Deed) Opened() (bottest.Form, bool) { return bottest.Form{}, false }

// Again delivers the same event again.
func (d Deed) Again() bottest.Deed { return d.Replay().Deed() }

// Type types a slash command.
func (p *People) Type(user, channel, line string) bottest.Deed {
	command, text, _ := strings.Cut(line, " ")
	return p.w.Command(user, channel, command, text).Deed()
}

// Complete offers nothing: Slack completes no arguments.
func (p *People) Complete(string, string, string) []string { return nil }

func ref(r bot.Ref) MessageRef { return MessageRef{Channel: r.Channel, TS: r.Message} }

// labelled returns the action_id of the button with the label, else of one whose label begins so.
// If there is none it returns the label itself, so that the error of the press names it.
func labelled(list []Button, label string) (action string, ok bool) {
	i := slices.IndexFunc(list, func(b Button) bool { return b.Text == label })
	if i < 0 {
		i = slices.IndexFunc(list, func(b Button) bool { return label != "" && strings.HasPrefix(b.Text, label) })
	}
	if i < 0 {
		return label, false
	}
	return list[i].ActionID, true
}

// Press presses a button of a message, or of an ephemeral message of the user's.
func (p *People) Press(user string, on bot.Ref, label string) bottest.Deed {
	var buttons []Button
	if m, ok := p.w.Message(ref(on)); ok {
		buttons = m.Buttons()
	} else {
		for _, e := range p.w.Ephemerals(user) {
			if e.Ref() == ref(on) {
				buttons = e.Buttons()
			}
		}
	}
	action, _ := labelled(buttons, label)
	return p.w.Press(user, ref(on), action).Deed()
}

// PressOlder presses a button of an older copy of a message.
func (p *People) PressOlder(user string, older bottest.Shown, label string) bottest.Deed {
	m, ok := older.Own.(Message)
	if !ok {
		return p.w.Press(user, MessageRef{}, label).Deed()
	}
	action, _ := labelled(m.Buttons(), label)
	return p.w.PressStale(user, m, action).Deed()
}

// PressAlone presses a button of an open modal or, if none has it, of an ephemeral message.
func (p *People) PressAlone(user, label string) bottest.Deed {
	for _, v := range slices.Backward(p.w.Views(user)) {
		if action, ok := labelled(v.Buttons(), label); ok {
			return p.w.PressInView(user, v.ID, action).Deed()
		}
	}
	for _, e := range slices.Backward(p.w.Ephemerals(user)) {
		if action, ok := labelled(e.Buttons(), label); ok {
			return p.w.Press(user, e.Ref(), action).Deed()
		}
	}
	return p.w.PressInView(user, "", label).Deed()
}

// Form returns the modal in front, if it can be submitted.
func (p *People) Form(user string) (bottest.Form, bool) {
	views := p.w.Views(user)
	if len(views) == 0 || views[len(views)-1].Submit == "" {
		return bottest.Form{}, false
	}
	v := views[len(views)-1]
	f := bottest.Form{Title: v.Title, Text: p.w.Picture(v), Own: v.ID}
	for _, b := range parseBlocks(v.Blocks) {
		if m, _ := b.(map[string]any); m["type"] == "input" {
			f.Inputs = append(f.Inputs, str(m, "block_id"))
		}
	}
	return f, true
}

// Send fills in a modal and submits it.
func (p *People) Send(user string, f bottest.Form, values map[string]string) bottest.Deed {
	id, _ := f.Own.(string)
	return p.w.Submit(user, id, values).Deed()
}

// Close closes the modal in front.
func (p *People) Close(user string) {
	if views := p.w.Views(user); len(views) > 0 {
		p.w.CloseView(user, views[len(views)-1].ID)
	}
}

// FormsFollow returns true: a modal is opened by a call of its own, after the answer.
func (p *People) FormsFollow() bool { return true }

// Look returns a message of a channel or thread.
func (p *People) Look(at bot.Ref) (bottest.Shown, bool) {
	m, ok := p.w.Message(ref(at))
	if !ok {
		return bottest.Shown{}, false
	}
	return p.message(m), true
}

func (p *People) message(m Message) bottest.Shown {
	s := p.shown(m.Text, m.Blocks, m.Buttons(), m)
	s.ID, s.Ref = m.TS, bot.Ref{Channel: m.Channel, Message: m.TS, Thread: m.ThreadTS}
	s.Bot, s.Reply = m.User == p.w.BotUserID, m.ThreadTS != ""
	s.Notice = m.Announced.Desktop + "\n" + m.Announced.Phone
	for _, f := range m.Files {
		s.Files = append(s.Files, bot.File{Name: f.Name, Title: f.Title, Body: f.Content})
	}
	return s
}

// Channel returns the messages of a channel, without those in threads.
func (p *People) Channel(id string) (list []bottest.Shown) {
	for _, m := range p.w.Messages(id) {
		list = append(list, p.message(m))
	}
	return list
}

// Thread returns the replies to a card.
func (p *People) Thread(card bot.Ref) (list []bottest.Shown) {
	for _, m := range p.w.Thread(card.Channel, card.Message) {
		list = append(list, p.message(m))
	}
	return list
}

// Alone returns what the user alone sees: ephemeral messages, direct messages, then open modals.
func (p *People) Alone(user string) (list []bottest.Shown) {
	for _, e := range p.w.Ephemerals(user) {
		s := p.shown(e.Text, e.Blocks, e.Buttons(), e)
		s.ID, s.Ref = e.TS, bot.Ref{Channel: e.Channel, Message: e.TS, Thread: e.ThreadTS}
		list = append(list, s)
	}
	for _, m := range p.w.DirectMessages(user) {
		list = append(list, p.message(m))
	}
	for _, v := range p.w.Views(user) {
		s := p.shown("", v.Blocks, v.Buttons(), v)
		s.ID, s.Window = v.ID, true
		for _, id := range slices.Sorted(maps.Keys(v.Errors)) {
			s.Text += v.Errors[id] + "\n"
		}
		list = append(list, s)
	}
	return list
}

// Notified returns the mentions that notified somebody.
func (p *People) Notified() (list []bottest.Ping) {
	for _, n := range p.w.Notified() {
		m, _ := p.w.Message(MessageRef{Channel: n.Channel, TS: n.TS})
		list = append(list, bottest.Ping{Who: n.Who, InThread: m.ThreadTS != "", Text: m.Announced.Phone})
	}
	return list
}

// Complaints returns those of the workspace, and the parts of messages that could not be read.
func (p *People) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.w.Complaints(), p.wrong)
}

// shown reads the JSON that was received, and returns what people see.
func (p *People) shown(text string, blocks json.RawMessage, buttons []Button, own Pictured) bottest.Shown {
	var r extract
	if len(blocks) > 0 {
		r.walk(parseBlocks(blocks))
	} else {
		r.markup(text)
	}
	told, _ := json.Marshal(struct { // of what was decoded: it cannot fail
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks,omitempty"`
	}{text, blocks})
	s := bottest.Shown{Text: r.text.String(), Live: r.live, Picture: p.w.Picture(own), Own: own,
		HTML: func(asking string) string { return p.w.HTML(own, asking) }, JSON: told}
	for _, b := range buttons {
		s.Buttons = append(s.Buttons, b.Text)
	}
	var n extract
	n.markup(text)
	s.Notice, s.Live = n.text.String(), append(s.Live, n.live...) // a message has its own, of its first post
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, wrong := range r.wrong {
		if !slices.Contains(p.wrong, wrong) {
			p.wrong = append(p.wrong, wrong)
		}
	}
	return s
}

// extract collects the text of blocks without its styles, and the mentions and links in it.
type extract struct {
	text  strings.Builder
	live  []string
	wrong []string
}

func (r *extract) walk(list []any) {
	for _, v := range list {
		m, _ := v.(map[string]any)
		inner, _ := m["elements"].([]any)
		switch kind := str(m, "type"); kind {
		case "rich_text":
			r.walk(inner)
		case "rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list", "context":
			r.walk(inner)
			r.text.WriteByte('\n')
		case "text", "plain_text":
			r.text.WriteString(str(m, "text"))
		case "date":
			r.date(m)
		case "user", "usergroup", "broadcast", "channel", "link":
			to := str(m, "user_id") + str(m, "usergroup_id") + str(m, "range") + str(m, "channel_id") + str(m, "url")
			r.live = append(r.live, to)
			r.text.WriteString("@" + to)
		case "mrkdwn", "markdown":
			r.markup(str(m, "text"))
		case "section", "header", "input":
			for _, key := range []string{"text", "label"} {
				if t, ok := m[key]; ok {
					r.walk([]any{t})
					r.text.WriteByte('\n')
				}
			}
			fields, _ := m["fields"].([]any)
			r.walk(fields)
		case "actions", "divider":
		default:
			r.wrong = append(r.wrong, fmt.Sprintf("a block %q cannot be read", kind))
		}
	}
}

// date reads a date element. Its fallback must show the same time.
func (r *extract) date(m map[string]any) {
	n, _ := m["timestamp"].(json.Number)
	seconds, _ := n.Int64()
	layout := "15:04 UTC"
	if strings.Contains(str(m, "format"), "{time_secs}") {
		layout = "15:04:05 UTC"
	}
	if strings.Contains(str(m, "format"), "{date") {
		layout = "2006-01-02 " + layout
	}
	at := time.Unix(seconds, 0).UTC().Format(layout)
	if f := str(m, "fallback"); f != at {
		r.wrong = append(r.wrong, fmt.Sprintf("the time %s falls back to %q", at, f))
	}
	r.text.WriteString(at)
}

// markup reads text in which < and > are markup.
func (r *extract) markup(s string) {
	for s != "" {
		before, rest, found := strings.Cut(s, "<")
		r.text.WriteString(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(before))
		if !found {
			return
		}
		inside, after, _ := strings.Cut(rest, ">")
		r.live = append(r.live, inside)
		s = after
	}
}
