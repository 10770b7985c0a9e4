package discordtest

// This file has messages: how they are stored, changed and shown, the routes that send, read, edit
// and delete them, and what tests read of them.

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Message is a copy of a message at the time of the call that returned it.
type Message struct {
	ID, ChannelID string
	Author        string // user id
	Content       string
	Created       time.Time
	Edited        time.Time // zero: never
	Flags         int64
	Ephemeral     string // the only user who sees it
	ReplyTo       string // message id
	Thread        string // id of the thread that belongs to it
	Loading       bool   // "thinking..."
	Files         []File
	Raw           json.RawMessage // the message as the API shows it

	pings []string
}

// Ref returns the reference to the message.
func (m Message) Ref() MessageRef { return MessageRef{ChannelID: m.ChannelID, ID: m.ID} }

// A MessageRef identifies a message, which may be ephemeral.
type MessageRef struct{ ChannelID, ID string }

// A File is a file attached to a message.
type File struct {
	Name, Description string
	Data              []byte
	MessageID         string
	ChannelID         string
}

// A Button is a button of a message as people see it.
type Button struct {
	Label, CustomID, URL string
	Style                int // 1 primary, 2 secondary, 3 success, 4 danger, 5 link
	Disabled             bool
}

// Buttons returns the message's buttons in reading order.
func (m Message) Buttons() []Button {
	var all []Button
	v, _ := decode(m.Raw)
	raw, _ := v.(object)
	for o := range walk(list(raw, "components")) {
		if integer(o, "type") == typeButton {
			all = append(all, buttonOf(o))
		}
	}
	return all
}

// Button finds a button by its label; ok is false when the message has no such button.
func (m Message) Button(label string) (b Button, ok bool) {
	for _, b := range m.Buttons() {
		if b.Label == label {
			return b, true
		}
	}
	return Button{}, false
}

func buttonOf(o object) Button {
	return Button{
		Label: str(o, "label"), CustomID: str(o, "custom_id"), URL: str(o, "url"),
		Style: int(integer(o, "style")), Disabled: flag(o, "disabled"),
	}
}

// walk iterates over components and those inside them, in reading order.
func walk(components []any) func(yield func(object) bool) {
	return func(yield func(object) bool) { visit(components, yield) }
}

func visit(components []any, yield func(object) bool) bool {
	for _, o := range objects(components) {
		if !yield(o) || !visit(list(o, "components"), yield) {
			return false
		}
		for _, key := range []string{"accessory", "component"} {
			if a := sub(o, key); a != nil && !visit([]any{a}, yield) {
				return false
			}
		}
	}
	return true
}

// message is a stored message.
type message struct {
	id, channel, author string
	kind                int
	content             string
	embeds, components  []any
	flags               int64
	attachments         []attachment
	created, edited     time.Time
	oldEdits            []time.Time
	nonce               any
	reference           string
	from                *Interaction // the interaction that it answers
	user                string       // of an ephemeral message
	thread              string
	pings               []string // user:ID, role:ID, everyone: who was notified when it was created
	deleted             bool
}

type attachment struct {
	id string
	File
}

const messageKeys = "content embeds allowed_mentions sticker_ids components flags attachments poll shared_client_theme message_reference nonce enforce_nonce tts"

// apply changes m by a body and checks the result. A key that is absent changes nothing. Callers
// hold g.mu.
func (g *Guild) apply(m *message, o object, files map[int]upload, path string, settable int64) *apiError {
	f := &form{}
	f.checkMessage(o, path)
	if flags, ok := num(o, "flags"); ok {
		if extra := flags &^ (settable | m.flags); extra != 0 {
			f.add(join(path, "flags"), "BITFIELD_ANY_BITS_NOT_ALLOWED", fmt.Sprintf("The flags %d cannot be set here.",
				extra))
		}
		m.flags |= flags & settable // IS_COMPONENTS_V2 is never removed
		if settable&flagSuppressEmbeds != 0 && flags&flagSuppressEmbeds == 0 {
			m.flags &^= flagSuppressEmbeds
		}
	}
	if _, ok := o["content"]; ok {
		m.content = strings.TrimSpace(str(o, "content"))
	}
	if _, ok := o["embeds"]; ok {
		m.embeds = copyJSON(list(o, "embeds")).([]any)
		for _, e := range objects(m.embeds) {
			e["type"] = "rich"
		}
	}
	if _, ok := o["components"]; ok {
		m.components = copyJSON(list(o, "components")).([]any)
	}
	g.attach(f, m, o, files, path)
	f.checkWhole(path, m.content, m.embeds, m.components, m.flags)
	if err := f.err(); err != nil {
		return err
	}
	if m.content == "" && len(m.embeds) == 0 && len(m.attachments) == 0 &&
		(m.flags&flagComponentsV2 == 0 || len(m.components) == 0) {
		return fail(http.StatusBadRequest, 50006)
	}
	number(m.components)
	return nil
}

// number gives each component without an id the next free one, as Discord does.
func number(components []any) {
	used := map[int64]bool{}
	for o := range walk(components) {
		used[integer(o, "id")] = true
	}
	next := int64(1)
	for o := range walk(components) {
		if integer(o, "id") != 0 {
			continue
		}
		for used[next] {
			next++
		}
		o["id"], used[next] = next, true
	}
}

// attach sets the attachments of m from the body's list and the uploads.
func (g *Guild) attach(f *form, m *message, o object, files map[int]upload, path string) {
	described := map[int]object{}
	if _, ok := o["attachments"]; ok {
		var kept []attachment
		for i, a := range f.objects(o, path, "attachments", 10) {
			id := str(a, "id")
			if n, ok := num(a, "id"); ok {
				id = strconv.FormatInt(n, 10)
			}
			f.text(a, join(path, "attachments", i), "description", 0, 1024)
			if at := slices.IndexFunc(m.attachments, func(x attachment) bool { return x.id == id }); at >= 0 {
				kept = append(kept, m.attachments[at])
				continue
			}
			n, err := strconv.Atoi(id)
			if _, ok := files[n]; err != nil || !ok {
				f.add(join(path, "attachments", i, "id"), "ATTACHMENT_NOT_FOUND", "Attachment data not found")
				continue
			}
			described[n] = a
		}
		m.attachments = kept
	}
	for _, n := range slices.Sorted(intKeys(files)) {
		m.attachments = append(m.attachments, attachment{g.snowflake(), File{
			Name: cmp.Or(str(described[n], "filename"), files[n].name), Description: str(described[n], "description"),
			Data: files[n].data, ChannelID: m.channel, MessageID: m.id,
		}})
	}
	if len(m.attachments) > 10 {
		f.add(join(path, "attachments"), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
	}
}

func intKeys[V any](m map[int]V) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// messageObject returns a message as the API shows it. Callers hold g.mu.
func (g *Guild) messageObject(m *message) object {
	files := []any{}
	for _, a := range m.attachments {
		o := object{
			"id": a.id, "filename": a.Name, "size": len(a.Data), "url": "https://cdn.example/" + a.id + "/" + a.Name,
			"proxy_url": "https://media.example/" + a.id + "/" + a.Name,
		}
		if a.Description != "" {
			o["description"] = a.Description
		}
		files = append(files, o)
	}
	users, roles, everyone := []any{}, []any{}, slices.Contains(m.pings, "everyone")
	for _, p := range m.pings {
		if id, ok := strings.CutPrefix(p, "user:"); ok {
			users = append(users, g.userObject(id))
		} else if id, ok := strings.CutPrefix(p, "role:"); ok {
			roles = append(roles, id)
		}
	}
	o := object{
		"id": m.id, "channel_id": m.channel, "type": m.kind, "content": m.content, "author": g.userObject(m.author),
		"embeds": copyJSON(orEmpty(m.embeds)), "components": copyJSON(orEmpty(m.components)), "attachments": files,
		"flags":     m.flags,
		"timestamp": timestamp(m.created), "edited_timestamp": nil, "tts": false, "pinned": false,
		"mention_everyone": everyone, "mentions": users, "mention_roles": roles,
	}
	if !m.edited.IsZero() {
		o["edited_timestamp"] = timestamp(m.edited)
	}
	if m.nonce != nil {
		o["nonce"] = m.nonce
	}
	if m.reference != "" {
		o["message_reference"] = object{"type": 0, "channel_id": m.channel, "message_id": m.reference, "guild_id": g.ID}
	}
	if m.from != nil {
		o["webhook_id"], o["application_id"] = g.ApplicationID, g.ApplicationID
		o["interaction_metadata"] = object{
			"id": m.from.ID, "type": m.from.Kind, "user": g.userObject(m.from.User),
			"authorizing_integration_owners": m.from.owners(),
		}
	}
	if t, ok := g.channels[m.thread]; ok && m.thread != "" {
		o["thread"] = g.channelObject(t)
	}
	return o
}

func orEmpty(l []any) []any {
	if l == nil {
		return []any{}
	}
	return l
}

// snapshot returns a copy of a message for tests. Callers hold g.mu.
func (g *Guild) snapshot(m *message) Message {
	s := Message{
		ID: m.id, ChannelID: m.channel, Author: m.author, Content: m.content, Created: m.created, Edited: m.edited,
		Flags:     m.flags,
		Ephemeral: m.user, ReplyTo: m.reference, Thread: m.thread, Loading: m.flags&flagLoading != 0,
		Raw: marshal(g.messageObject(m)), pings: slices.Clone(m.pings),
	}
	for _, a := range m.attachments {
		s.Files = append(s.Files, a.File)
	}
	return s
}

// publish adds a message to its channel. Callers hold g.mu.
func (g *Guild) publish(m *message) {
	g.messages[m.id] = m
	if c, ok := g.channels[m.channel]; ok && m.user == "" {
		c.order = append(c.order, m.id)
	}
	g.bump()
}

func (g *Guild) postMessage(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("POST "+q.route, o, messageKeys)
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return 0, nil, err
	}
	if err := g.maySend(c, o, q.files); err != nil {
		return 0, nil, err
	}
	if m, ok := g.members[c.recipient]; c.recipient != "" && (!ok || m.ClosedDMs) {
		return 0, nil, fail(http.StatusForbidden, 50007)
	}
	nonce := ""
	if o["nonce"] != nil {
		nonce = fmt.Sprint(o["nonce"])
	}
	if nonce != "" && flag(o, "enforce_nonce") {
		if s, ok := g.nonces[nonce]; ok && time.Since(s.at) <= g.NonceWindow {
			m, ok := g.messages[s.id]
			if !ok || m.deleted { // https://github.com/discord/discord-api-docs/issues/6647: intended
				return 0, nil, fail(http.StatusNotFound, 10008)
			}
			return 200, g.messageObject(m), nil
		}
	}
	m := &message{id: g.snowflake(), channel: c.ID, author: g.BotUserID, created: time.Now(), nonce: o["nonce"]}
	if ref := sub(o, "message_reference"); ref != nil {
		m.kind, m.reference = 19, str(ref, "message_id")
		to, ok := g.messages[m.reference]
		if !ok || to.deleted || to.channel != c.ID || to.user != "" {
			if v, given := ref["fail_if_not_exists"].(bool); !given || v {
				f := form{}
				f.add("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
				return 0, nil, f.err()
			}
			m.kind, m.reference = 0, ""
		}
	}
	if err := g.apply(m, o, q.files, "",
		flagSuppressEmbeds|flagSuppressNotifications|flagVoice|flagComponentsV2); err != nil {
		return 0, nil, err
	}
	if c.isThread() {
		c.archived = false
	}
	if nonce != "" {
		g.nonces[nonce] = sent{m.id, m.created}
	}
	g.notify(m, o, c, false)
	g.publish(m)
	return 200, g.messageObject(m), nil
}

// postDM opens the channel for direct messages to a user, or returns the one that is open.
func (g *Guild) postDM(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("POST "+q.route, o, "recipient_id access_tokens nicks")
	user := str(o, "recipient_id")
	if !isSnowflake(user) {
		f := form{}
		f.add("recipient_id", "NUMBER_TYPE_COERCE", "Value \""+user+"\" is not snowflake.")
		return 0, nil, f.err()
	}
	for _, c := range g.channels {
		if c.recipient == user {
			return 200, g.channelObject(c), nil
		}
	}
	c := &channel{Channel: Channel{ID: g.snowflake(), Type: DMChannel, Permissions: DefaultPermissions},
		recipient: user, created: time.Now()}
	g.channels[c.ID] = c
	return 200, g.channelObject(c), nil
}

// DirectMessages returns the messages between the bot and a user, oldest first.
func (g *Guild) DirectMessages(user string) []Message {
	g.mu.Lock()
	id := ""
	for _, c := range g.channels {
		if c.recipient == user {
			id = c.ID
		}
	}
	g.mu.Unlock()
	return g.Messages(id)
}

// maySend checks the bot's permissions for a new message. Callers hold g.mu.
func (g *Guild) maySend(c *channel, o object, files map[int]upload) *apiError {
	p := g.botPermissions(c)
	need := SendMessages
	if c.isThread() {
		need = SendMessagesInThreads
		if c.locked && p&ManageThreads == 0 {
			return fail(http.StatusBadRequest, 160005)
		}
	}
	if len(list(o, "embeds")) > 0 {
		need |= EmbedLinks
	}
	if len(files) > 0 {
		need |= AttachFiles
	}
	if c.Type != DMChannel && p&need != need {
		return fail(http.StatusForbidden, 50013)
	}
	if sub(o, "message_reference") != nil && p&ReadMessageHistory == 0 {
		return fail(http.StatusForbidden, 160002)
	}
	return nil
}

// lookup finds the message of a route. Callers hold g.mu.
func (g *Guild) lookup(q *request) (*channel, *message, *apiError) {
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return nil, nil, err
	}
	m, ok := g.messages[q.args["message_id"]]
	if !ok || m.deleted || m.channel != c.ID || m.user != "" {
		return nil, nil, fail(http.StatusNotFound, 10008)
	}
	return c, m, nil
}

func (g *Guild) getMessage(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, m, err := g.lookup(q)
	if err != nil {
		return 0, nil, err
	}
	if g.botPermissions(c)&ReadMessageHistory == 0 {
		return 0, nil, fail(http.StatusForbidden, 50013)
	}
	return 200, g.messageObject(m), nil
}

func (g *Guild) getMessages(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return 0, nil, err
	}
	query := q.URL.Query()
	limit := 50
	if s := query.Get("limit"); s != "" {
		n, perr := strconv.Atoi(s)
		if perr != nil || n < 1 || n > 100 {
			f := form{}
			f.add("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
			return 0, nil, f.err()
		}
		limit = n
	}
	all := []any{}
	if g.botPermissions(c)&ReadMessageHistory == 0 {
		return 200, all, nil
	}
	var ids []string
	for _, id := range c.order {
		if m, ok := g.messages[id]; ok && !m.deleted && !older(query.Get("before"), id) &&
			!older(id, query.Get("after")) {
			ids = append(ids, id)
		}
	}
	if query.Get("after") != "" {
		ids = ids[:min(limit, len(ids))]
	} else {
		ids = ids[max(len(ids)-limit, 0):]
	}
	for _, id := range slices.Backward(ids) {
		all = append(all, g.messageObject(g.messages[id]))
	}
	return 200, all, nil
}

// older reports whether snowflake a is not newer than b. It is false when one of them is empty.
func older(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	x, _ := strconv.ParseInt(a, 10, 64)
	y, _ := strconv.ParseInt(b, 10, 64)
	return x <= y
}

func (g *Guild) patchMessage(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("PATCH "+q.route, o, "content embeds flags allowed_mentions sticker_ids components attachments")
	c, m, err := g.lookup(q)
	if err != nil {
		return 0, nil, err
	}
	if m.author != g.BotUserID {
		return 0, nil, fail(http.StatusForbidden, 50005)
	}
	if c.archived {
		return 0, nil, fail(http.StatusBadRequest, 50083)
	}
	changed := *m
	if err := g.apply(&changed, o, q.files, "", flagSuppressEmbeds|flagComponentsV2); err != nil {
		return 0, nil, err
	}
	if g.OldEdits >= 0 && time.Since(m.created) > g.OldEditAge {
		// Neither the number nor the window is documented. The retry_after is too short, since
		// clients have reported that they waited for it and were refused again.
		changed.oldEdits = slices.DeleteFunc(slices.Clone(m.oldEdits),
			func(at time.Time) bool { return time.Since(at) >= g.OldEditWindow })
		if len(changed.oldEdits) >= g.OldEdits {
			e := fail(http.StatusTooManyRequests, 30046)
			e.after = time.Second
			return 0, nil, e
		}
		changed.oldEdits = append(changed.oldEdits, time.Now())
	}
	changed.edited = time.Now()
	*m = changed
	g.bump()
	return 200, g.messageObject(m), nil
}

func (g *Guild) deleteMessage(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, m, err := g.lookup(q)
	if err != nil {
		return 0, nil, err
	}
	if m.author != g.BotUserID && g.botPermissions(c)&ManageMessages == 0 {
		return 0, nil, fail(http.StatusForbidden, 50013)
	}
	if c.archived {
		return 0, nil, fail(http.StatusBadRequest, 50083)
	}
	g.remove(m)
	return http.StatusNoContent, nil, nil
}

// remove deletes a message from its channel. Callers hold g.mu.
func (g *Guild) remove(m *message) {
	m.deleted = true
	delete(g.messages, m.id)
	if c, ok := g.channels[m.channel]; ok {
		c.order = slices.DeleteFunc(c.order, func(id string) bool { return id == m.id })
	}
	g.bump()
}

// Say posts a message of a person in a channel or thread.
func (g *Guild) Say(user, channel, text string) Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := &message{id: g.snowflake(), channel: channel, author: user, created: time.Now(), content: text}
	g.publish(m)
	return g.snapshot(m)
}

// Delete deletes a message, as a moderator can, also one of the bot.
func (g *Guild) Delete(ref MessageRef) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.messages[ref.ID]; ok {
		g.remove(m)
	}
}

// Message returns a message, which may be ephemeral, as it is now; ok is false when it was deleted.
func (g *Guild) Message(ref MessageRef) (m Message, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x, ok := g.messages[ref.ID]
	if !ok {
		return Message{}, false
	}
	return g.snapshot(x), true
}

// Messages returns the messages of a channel or thread that everybody sees, oldest first.
func (g *Guild) Messages(channel string) []Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Message
	if c, ok := g.channels[channel]; ok {
		for _, id := range c.order {
			all = append(all, g.snapshot(g.messages[id]))
		}
	}
	return all
}

// Ephemerals returns the messages that only this user sees, in all channels, oldest first.
func (g *Guild) Ephemerals(user string) []Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Message
	for _, m := range g.messages {
		if m.user == user {
			all = append(all, g.snapshot(m))
		}
	}
	slices.SortFunc(all, func(a, b Message) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID))
	})
	return all
}

// Files returns the files attached to the messages of a channel or thread, oldest first.
func (g *Guild) Files(channel string) []File {
	var all []File
	for _, m := range g.Messages(channel) {
		all = append(all, m.Files...)
	}
	return all
}
