package slacktest

// This file has messages, ephemeral messages, and the methods that write them, with all that Slack
// checks of their text. It also finds what is live in a text, mentions above all, since a mention
// notifies people.

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// MessageRef identifies a message, or an ephemeral message for the person who sees it.
type MessageRef struct {
	Channel string
	TS      string
}

// Message is a copy of a message at the time of the call that returned it.
type Message struct {
	Channel   string
	TS        string
	ThreadTS  string // of the parent; empty for a message in the channel itself
	User      string // who wrote it; BotUserID for the app
	Text      string // the top-level text, which notifications and screen readers use when there are blocks
	Blocks    json.RawMessage
	Metadata  json.RawMessage
	Broadcast bool // a reply that is also shown in the channel
	Edited    bool // shown with "(edited)"; an update with blocks does not set it
	Updates   int  // how often the message was changed, with or without Edited
	Subtype   string
	UnfurlOff bool // both unfurl_links and unfurl_media were sent as false
	Files     []File
	Time      time.Time // of the post

	// Announced is what clients said of the message when it was posted. An edit announces nothing.
	Announced Announcement

	mentions []mention // of the first post, which notified them
}

// Announcement is the text of the notification of a message. Since 2026-07-13 desktop clients take
// it from the blocks, and from the top-level text only if no block has any; phones take the text
// (docs.slack.dev/changelog/2026/07/13). How much of it is shown is up to the client.
type Announcement struct{ Desktop, Phone string }

// announce returns what clients say of a new message.
func announce(text string, blocks []any) Announcement {
	var phone, desktop extract
	phone.markup(text)
	desktop.walk(blocks)
	a := Announcement{Desktop: desktop.text.String(), Phone: phone.text.String()}
	if strings.TrimSpace(a.Desktop) == "" {
		a.Desktop = a.Phone
	}
	return a
}

// Ref returns the reference to the message.
func (m Message) Ref() MessageRef { return MessageRef{m.Channel, m.TS} }

// message is a message as the workspace stores it.
type message struct {
	Message
	blocks   []any
	metadata any
	gone     bool
}

// snapshot returns a copy of m as it is now.
func (m *message) snapshot() Message {
	s := m.Message
	s.Blocks = rawBlocks(m.blocks)
	if m.metadata != nil {
		s.Metadata = toJSON(m.metadata)
	}
	s.Files = slices.Clone(m.Files)
	return s
}

func rawBlocks(blocks []any) json.RawMessage {
	if len(blocks) == 0 {
		return nil
	}
	return toJSON(blocks)
}

// Ephemeral is a message that one person alone sees.
type Ephemeral struct {
	Channel  string
	TS       string
	ThreadTS string
	User     string // who sees it
	Text     string
	Blocks   json.RawMessage
	// how it came: "chat.postEphemeral", "response_url", "ack" (the answer on a socket or to a
	// post), or "slack" for a message of Slack itself
	Via  string
	Time time.Time

	blocks []any
}

// Ref returns the reference to the ephemeral message, for Press.
func (e Ephemeral) Ref() MessageRef { return MessageRef{e.Channel, e.TS} }

// Messages returns the messages in a channel, in order, with broadcast replies.
func (w *Workspace) Messages(channel string) []Message {
	return w.messages(channel, func(m *message) bool { return m.ThreadTS == "" || m.Broadcast })
}

// Thread returns the replies to the message ts, in order, without the message itself.
func (w *Workspace) Thread(channel, ts string) []Message {
	return w.messages(channel, func(m *message) bool { return m.ThreadTS == ts })
}

// DirectMessages returns the messages between the app and a user, in order.
func (w *Workspace) DirectMessages(user string) []Message {
	w.mu.Lock()
	id := ""
	for _, c := range w.channels {
		if c.IM && c.BotIn && c.has(user) {
			id = c.ID
		}
	}
	w.mu.Unlock()
	return w.Messages(id)
}

func (w *Workspace) messages(channel string, keep func(*message) bool) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.channels[channel]
	if ch == nil {
		return nil
	}
	var list []Message
	for _, m := range ch.messages {
		if !m.gone && keep(m) {
			list = append(list, m.snapshot())
		}
	}
	return list
}

// Message returns a message as it is now, and whether it exists.
func (w *Workspace) Message(ref MessageRef) (Message, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.channels[ref.Channel]; ch != nil {
		if m := ch.find(ref.TS); m != nil && !m.gone {
			return m.snapshot(), true
		}
	}
	return Message{}, false
}

// Ephemerals returns the messages that only user sees, in order, however they came.
func (w *Workspace) Ephemerals(user string) []Ephemeral {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Ephemeral
	for _, e := range w.ephemerals {
		if e.User == user {
			s := *e
			s.Blocks = rawBlocks(e.blocks)
			list = append(list, s)
		}
	}
	return list
}

// DeleteMessage deletes a message, as an administrator can. It reports whether
// the message existed.
func (w *Workspace) DeleteMessage(ref MessageRef) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.channels[ref.Channel]; ch != nil {
		if m := ch.find(ref.TS); m != nil && !m.gone {
			m.gone = true
			return true
		}
	}
	return false
}

// Say posts a plain message of a person, in a thread when threadTS is not empty.
// The app is not informed, since the Events API is not modelled.
func (w *Workspace) Say(user, channel, threadTS, text string) Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.channels[channel]
	if ch == nil || w.users[user] == nil {
		panic("slacktest: Say: no such user or channel")
	}
	return w.post(ch, &message{Message: Message{User: user, ThreadTS: threadTS, Text: text}}).snapshot()
}

// post adds m to a channel and notifies those whom it mentions.
func (w *Workspace) post(ch *channel, m *message) *message {
	m.Channel, m.TS, m.Time = ch.ID, w.ts(), w.now()
	m.mentions, m.Announced = w.mentionsOf(m.Text, m.blocks), announce(m.Text, m.blocks)
	for _, x := range m.mentions {
		w.notified = append(w.notified, Notification{Who: x.who, Channel: ch.ID, TS: m.TS, Where: x.where})
	}
	ch.messages = append(ch.messages, m)
	return m
}

// messageJSON returns a message as the API shows it.
func (w *Workspace) messageJSON(m *message, metadata bool) map[string]any {
	j := map[string]any{"type": "message", "ts": m.TS, "user": m.User, "text": m.Text, "team": w.TeamID}
	if m.User == w.BotUserID {
		j["bot_id"], j["app_id"] = w.BotID, w.AppID
	}
	if m.Subtype != "" {
		j["subtype"] = m.Subtype
	}
	if len(m.blocks) > 0 {
		j["blocks"] = m.blocks
	}
	if m.Edited {
		j["edited"] = map[string]any{"user": m.User, "ts": m.TS}
	}
	if metadata && m.metadata != nil {
		j["metadata"] = m.metadata
	}
	if len(m.Files) > 0 {
		files := []any{}
		for _, f := range m.Files {
			files = append(files, map[string]any{"id": f.ID, "name": f.Name, "title": f.Title, "size": len(f.Content)})
		}
		j["files"] = files
	}
	if m.ThreadTS != "" {
		j["thread_ts"] = m.ThreadTS
	} else {
		replies := 0
		for _, r := range w.channels[m.Channel].messages {
			if r.ThreadTS == m.TS && !r.gone {
				replies++
			}
		}
		if replies > 0 {
			j["thread_ts"], j["reply_count"] = m.TS, replies
		}
	}
	return j
}

// content is the checked content of a message.
type content struct {
	text      string
	blocks    []any
	hasBlocks bool // blocks were sent, though perhaps none
	metadata  any
	unfurlOff bool
	named     bool // link_names or parse=full: plain @words become mentions
}

// markup matches what formats a message's text: pairs of signs, and a quotation.
var markup = regexp.MustCompile("[*]\\S[^*\\n]*[*]|\\b_[^_\\n]+_\\b|~[^~\\n]+~|`[^`\\n]+`|(?m:^(>|&gt;).*)")

// emojiCode matches what Slack replaces by an emoji in a message's text. A time of day has colons
// too, but no emoji is named by a number of two digits.
var emojiCode = regexp.MustCompile(`:[a-z0-9_+'-]*[a-z_+'-][a-z0-9_+'-]*:|:100:|:1234:`)

// content reads and checks the content that the call gives a message.
func (c *call) content(maxText int) (*content, *refusal) {
	p := &content{text: c.str("text"), named: c.flag("link_names") || c.str("parse") == "full"}
	if m := markup.FindString(p.text); m != "" && c.str("mrkdwn") != "false" {
		c.w.complain("%s: %s in the text works, for mrkdwn is not false", c.method, m)
	}
	if e := emojiCode.FindString(p.text); e != "" {
		c.w.complain("%s: %s in the text becomes an emoji, whatever mrkdwn says", c.method, e)
	}
	p.unfurlOff = c.str("unfurl_links") == "false" && c.str("unfurl_media") == "false"
	// The arguments of both methods in @slack/web-api have neither.
	if (c.has("unfurl_links") || c.has("unfurl_media")) &&
		(c.method == "chat.update" || c.method == "chat.postEphemeral") {
		c.w.complain("%s: unfurl_links and unfurl_media are arguments of chat.postMessage alone", c.method)
	}
	if c.has("blocks") && !(c.json == nil && c.str("blocks") == "") {
		v, size, ok := c.value("blocks")
		list, isList := v.([]any)
		if !ok || !isList {
			return nil, refuse("invalid_blocks_format")
		}
		blocks, no := c.w.checkBlocks(list, size)
		if no != nil {
			return nil, no
		}
		p.blocks, p.hasBlocks = blocks, true
	}
	if c.has("attachments") {
		v, _, ok := c.value("attachments")
		list, isList := v.([]any)
		if !ok || !isList || len(list) > 0 {
			return nil, refuse("invalid_attachments") // the app under test has no use for them
		}
	}
	if md := c.str("markdown_text"); md != "" {
		if p.text != "" || len(p.blocks) > 0 {
			return nil, refuse("markdown_text_conflict")
		}
		if utf8.RuneCountInString(md) > 12_000 {
			return nil, refuse("msg_too_long")
		}
		p.text = md
	}
	if c.has("metadata") {
		v, size, ok := c.value("metadata")
		m, isMap := v.(map[string]any)
		if !ok || !isMap {
			return nil, refuse("invalid_metadata_format")
		}
		kind, _ := m["event_type"].(string)
		payload, isObject := m["event_payload"].(map[string]any)
		switch {
		case kind == "" && len(payload) == 0: // some clients always send the field
		case kind == "" || !isObject:
			return nil, refuse("invalid_metadata_schema")
		case size > 16_000:
			return nil, refuse("metadata_too_large")
		default:
			p.metadata = m
		}
	}
	n := utf8.RuneCountInString(p.text)
	switch {
	case n == 0 && len(p.blocks) == 0:
		return nil, refuse("no_text")
	case n > maxText:
		return nil, refuse("msg_too_long")
	case n > 4000:
		c.w.complain("%s: a text of %d characters: Slack may split a message of more than 4000", c.method, n)
	}
	return p, nil
}

func postMessage(c *call) (map[string]any, *refusal) {
	w := c.w
	ch, no := c.writable()
	if no != nil {
		return nil, no
	}
	p, no := c.content(40_000)
	if no != nil {
		return nil, no
	}
	thread := c.str("thread_ts")
	if thread != "" {
		if thread, no = ch.thread(thread, c.method, w); no != nil {
			return nil, no
		}
	}
	m := &message{Message: Message{
		User: w.BotUserID, ThreadTS: thread, Text: p.text, UnfurlOff: p.unfurlOff, Broadcast: thread != "" &&
			c.flag("reply_broadcast"),
	}, blocks: p.blocks, metadata: p.metadata}
	if m.Broadcast {
		m.Subtype = "thread_broadcast"
	}
	if p.named {
		w.complain("%s: link_names or parse=full turns plain words into mentions", c.method)
	}
	w.post(ch, m)
	return map[string]any{"channel": ch.ID, "ts": m.TS, "message": w.messageJSON(m, true)}, nil
}

// thread checks the thread_ts of a new message. A reply to a message that was deleted is accepted,
// and stands in the channel itself, without a thread_ts (slack-go/slack#1571).
func (ch *channel) thread(ts, method string, w *Workspace) (string, *refusal) {
	parent := ch.find(ts)
	switch {
	case !plausibleTS(ts):
		return "", refuse("invalid_thread_ts")
	case parent == nil:
		return "", refuse("thread_not_found")
	case parent.gone:
		return "", nil
	case parent.ThreadTS != "":
		w.complain("%s: thread_ts %s is a reply, not the message that begins the thread", method, ts)
		return parent.ThreadTS, nil
	}
	return ts, nil
}

// writable finds the channel that the app wants to post to. A user id stands for
// the direct conversation with that person.
func (c *call) writable() (*channel, *refusal) {
	w := c.w
	id := c.str("channel")
	if u := w.users[id]; u != nil {
		return w.direct(u.ID), nil
	}
	ch := w.channels[id]
	switch {
	case ch == nil || (ch.Private || ch.IM) && !ch.BotIn:
		return nil, refuse("channel_not_found")
	case ch.Archived:
		return nil, refuse("is_archived")
	case !ch.BotIn && !slices.Contains(w.Scopes, "chat:write.public"):
		return nil, refuse("not_in_channel")
	}
	return ch, ch.restricted(c.str("thread_ts"))
}

// restricted returns the refusal of a message in a channel in which posting is restricted.
func (ch *channel) restricted(thread string) *refusal {
	if ch.Posting == "" || ch.Posting == ThreadOnly && thread != "" {
		return nil
	}
	return refuse(string(ch.Posting))
}

// getPermalink returns a link to a message. It needs no scope.
func getPermalink(c *call) (map[string]any, *refusal) {
	ch, no := c.visible()
	if no != nil {
		return nil, no
	}
	m := ch.find(c.str("message_ts"))
	if m == nil || m.gone {
		return nil, refuse("message_not_found")
	}
	return map[string]any{"channel": ch.ID, "permalink": "https://" + c.w.domain() + ".slack.com/archives/" + ch.ID +
		"/p" + strings.ReplaceAll(m.TS, ".", "")}, nil
}

// direct returns the direct conversation of the app with a user, and opens it if necessary.
func (w *Workspace) direct(user string) *channel {
	for _, id := range sortedKeys(w.channels) {
		if ch := w.channels[id]; ch.IM && ch.BotIn && ch.has(user) {
			return ch
		}
	}
	ch := &channel{Channel: Channel{ID: w.id("D"), Name: "directmessage", Members: []string{user}, BotIn: true,
		IM: true}}
	w.channels[ch.ID] = ch
	return ch
}

// own finds the message that the app wants to change.
func (c *call) own(cannot string) (*channel, *message, *refusal) {
	w := c.w
	ch := w.channels[c.str("channel")]
	if ch == nil || (ch.Private || ch.IM) && !ch.BotIn {
		return nil, nil, refuse("channel_not_found")
	}
	if ch.Archived {
		return nil, nil, refuse("is_archived")
	}
	m := ch.find(c.str("ts"))
	if m == nil || m.gone {
		return nil, nil, refuse("message_not_found") // also for a ts of no such form, and for ephemeral messages
	}
	if m.User != w.BotUserID {
		return nil, nil, refuse(cannot)
	}
	return ch, m, nil
}

func updateMessage(c *call) (map[string]any, *refusal) {
	w := c.w
	ch, m, no := c.own("cant_update_message")
	if no != nil {
		return nil, no
	}
	if w.EditWindow > 0 && w.now().Sub(m.Time) > w.EditWindow {
		return nil, refuse("edit_window_closed")
	}
	p, no := c.content(4000)
	if no != nil {
		return nil, no
	}
	m.change(p)
	return map[string]any{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": w.messageJSON(m, true)}, nil
}

// change replaces the content of m by p. Without blocks the old blocks are
// removed, and the message is marked as edited.
func (m *message) change(p *content) {
	m.Text, m.blocks = p.text, p.blocks
	m.Edited = m.Edited || !p.hasBlocks
	m.Updates++
	if p.metadata != nil {
		m.metadata = p.metadata
	}
}

func deleteMessage(c *call) (map[string]any, *refusal) {
	ch, m, no := c.own("cant_delete_message")
	if no != nil {
		return nil, no
	}
	m.gone = true
	return map[string]any{"channel": ch.ID, "ts": m.TS}, nil
}

func postEphemeral(c *call) (map[string]any, *refusal) {
	w := c.w
	ch, no := c.writable()
	if no != nil {
		return nil, no
	}
	user := c.str("user")
	switch {
	case w.users[user] == nil:
		return nil, refuse("user_not_found")
	case !ch.has(user):
		return nil, refuse("user_not_in_channel")
	}
	p, no := c.content(40_000)
	if no != nil {
		return nil, no
	}
	thread := c.str("thread_ts")
	if thread != "" {
		if thread, no = ch.thread(thread, c.method, w); no != nil {
			return nil, no
		}
	}
	e := w.whisper(ch.ID, thread, user, p, "chat.postEphemeral")
	return map[string]any{"message_ts": e.TS}, nil
}

// whisper shows p to user alone, as an ephemeral message.
func (w *Workspace) whisper(channel, thread, user string, p *content, via string) *Ephemeral {
	e := &Ephemeral{Channel: channel, TS: w.ts(), ThreadTS: thread, User: user, Text: p.text, Via: via, Time: w.now(),
		blocks: p.blocks}
	w.ephemerals = append(w.ephemerals, e)
	return e
}

// mention is a live mention in a message.
type mention struct {
	who   string
	where string
}

// mentionsOf returns whom a message mentions, each once.
func (w *Workspace) mentionsOf(text string, blocks []any) []mention {
	var list []mention
	add := func(who, where string) {
		if !slices.ContainsFunc(list, func(m mention) bool { return m.who == who }) {
			list = append(list, mention{who, where})
		}
	}
	for _, b := range blocks {
		walk(b, func(m map[string]any) {
			switch m["type"] {
			case "mrkdwn", "markdown":
				verbatim, _ := m["verbatim"].(bool)
				s, _ := m["text"].(string)
				for _, tok := range w.tokens(s, !verbatim) {
					if tok.who != "" {
						where := "blocks"
						if tok.auto {
							where = "auto"
						}
						add(tok.who, where)
					}
				}
			case "user":
				if id, _ := m["user_id"].(string); id != "" {
					add(id, "blocks")
				}
			case "usergroup":
				if id, _ := m["usergroup_id"].(string); id != "" {
					add(id, "blocks")
				}
			case "broadcast":
				if r, _ := m["range"].(string); r != "" {
					add(r, "blocks")
				}
			}
		})
	}
	for _, tok := range w.tokens(text, false) {
		if tok.who != "" {
			add(tok.who, "text")
		}
	}
	return list
}

// walk calls f for every object in v, in order.
func walk(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walk(e, f)
		}
	case map[string]any:
		f(v)
		for _, k := range sortedKeys(v) {
			walk(v[k], f)
		}
	}
}

// token is a piece of mrkdwn: plain text, or what stands between < and >.
type token struct {
	text  string // of plain text
	kind  string // "", "mention", "channel", "link", "date"
	who   string // of a mention
	label string
	url   string
	auto  bool // Slack made it from plain text
}

// tokens splits mrkdwn into its pieces. With auto it also finds what Slack links
// by itself in text that is not verbatim.
func (w *Workspace) tokens(s string, auto bool) []token {
	var list []token
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			i = len(s)
		}
		if i > 0 {
			list = append(list, w.plain(s[:i], auto)...)
			s = s[i:]
			continue
		}
		j := strings.IndexByte(s, '>')
		if j < 0 || strings.ContainsAny(s[1:j], "\n<") {
			list = append(list, token{text: "<"})
			s = s[1:]
			continue
		}
		list = append(list, entity(s[1:j]))
		s = s[j+1:]
	}
	return list
}

// entity reads what stands between < and >.
func entity(s string) token {
	body, label, _ := strings.Cut(s, "|")
	switch {
	case strings.HasPrefix(body, "@"):
		return token{kind: "mention", who: body[1:], label: label}
	case strings.HasPrefix(body, "#"):
		return token{kind: "channel", who: "", url: body[1:], label: label}
	case strings.HasPrefix(body, "!subteam^"):
		return token{kind: "mention", who: strings.TrimPrefix(body, "!subteam^"), label: label}
	case body == "!here" || body == "!channel" || body == "!everyone" || body == "!group":
		return token{kind: "mention", who: body[1:], label: label}
	case strings.HasPrefix(body, "!date^"):
		return token{kind: "date", url: strings.TrimPrefix(body, "!date^"), label: label}
	case strings.Contains(body, "://") || strings.HasPrefix(body, "mailto:") || strings.HasPrefix(body, "tel:"):
		return token{kind: "link", url: body, label: label}
	}
	return token{text: "<" + s + ">"}
}

// plain finds what Slack links in plain text by itself: broadcasts, user groups,
// channels and URLs.
func (w *Workspace) plain(s string, auto bool) []token {
	if !auto {
		return []token{{text: s}}
	}
	var list []token
	start := 0
	for i := 0; i < len(s); {
		end := i + strings.IndexFunc(s[i:]+" ", func(r rune) bool { return strings.ContainsRune(" \n\t)\"',;", r) })
		t, ok := token{}, false
		if i == 0 || strings.ContainsAny(s[i-1:i], " \n\t(\"'") {
			t, ok = w.word(s[i:end])
		}
		if !ok {
			_, size := utf8.DecodeRuneInString(s[i:])
			i += size
			continue
		}
		if start < i {
			list = append(list, token{text: s[start:i]})
		}
		list = append(list, t)
		i, start = end, end
	}
	if start < len(s) {
		list = append(list, token{text: s[start:]})
	}
	return list
}

// word returns what Slack makes of one word of text that is not verbatim.
func (w *Workspace) word(s string) (t token, ok bool) {
	name := strings.TrimRight(s, ".:!?")
	switch {
	case strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://"):
		return token{kind: "link", url: s, auto: true}, true
	case strings.HasPrefix(s, "@"):
		who := w.handle(name[1:])
		return token{kind: "mention", who: who, auto: true}, who != ""
	case strings.HasPrefix(s, "#"):
		for _, id := range sortedKeys(w.channels) {
			if w.channels[id].Name == name[1:] {
				return token{kind: "channel", url: id, auto: true}, true
			}
		}
	}
	return token{}, false
}

// handle returns the group or broadcast that a plain @word would address.
func (w *Workspace) handle(word string) string {
	switch word {
	case "here", "channel", "everyone":
		return word
	}
	for _, id := range sortedKeys(w.groups) {
		if w.groups[id].Handle == word {
			return id
		}
	}
	return ""
}
