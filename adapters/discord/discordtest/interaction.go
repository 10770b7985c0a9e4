package discordtest

// This file has interactions: what people do, the first answer of the bot and its time limit, the
// edits and followups after it, and forms. It refuses every answer that comes too late, twice, or
// in a kind that does not fit.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var anyMention = regexp.MustCompile(`<(@&|@!?|#)(\d+)>`)

// Kinds of interactions.
const (
	KindPing         = 1
	KindCommand      = 2
	KindComponent    = 3
	KindAutocomplete = 4
	KindModal        = 5
)

// Kinds of first answers.
const (
	AnswerMessage        = 4
	AnswerDeferred       = 5
	AnswerDeferredUpdate = 6
	AnswerUpdate         = 7
	AnswerChoices        = 8
	AnswerModal          = 9
)

// ErrNoAnswer is the error of Wait when the time for the first answer has passed, and the client
// shows "The application did not respond".
var ErrNoAnswer = errors.New("discordtest: the application did not respond")

// Origin says where interactions come from, if not from the guild in which the application is
// installed.
type Origin struct {
	DM            bool   // a direct message: user instead of member, no guild
	UserInstalled bool   // authorized by the user alone: authorizing_integration_owners has no "0"
	GuildID       string // another guild
}

// SetOrigin sets where the next interactions come from; Origin{} is the guild itself.
func (g *Guild) SetOrigin(o Origin) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.origin = o
}

// An Interaction is one command, press or form of a person, with the bot's answers to it. Its
// exported fields do not change; the methods return its present state.
type Interaction struct {
	ID      string
	Kind    int
	User    string
	Channel string
	Err     error // not nil: the client refused it, and nothing was sent; wraps ErrClient

	g          *Guild
	token      string
	payload    json.RawMessage
	created    time.Time
	origin     Origin
	message    *message // whose component was used
	timer      *time.Timer
	done       chan struct{}
	acked      bool
	failed     bool
	ackedAfter time.Duration
	answer     int
	response   json.RawMessage
	original   *message
	followups  []*message
	modal      *dialog
	deliveries []Delivery
	signed     signed
}

// A Modal is a form that was opened for a person.
type Modal struct {
	ID        string // of the interaction that opened it
	User      string
	CustomID  string
	Title     string
	Inputs    []Input
	Submitted bool
	Raw       json.RawMessage
}

// An Input is an input of a modal.
type Input struct {
	CustomID, Label, Placeholder, Value string
	Description                         string // of the label around it
	Required, Paragraph                 bool
	Min, Max                            int
}

// dialog is a stored form.
type dialog struct {
	Modal
	data object
	by   *Interaction
}

// Command sends a slash command as a person. name is "recall", or "recalls list" with a subcommand,
// which Sub may give instead. If the client refuses the command, it is not sent and Err is set.
func (g *Guild) Command(user, channel, name string, options ...Option) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindCommand, User: user, Channel: channel}
	data, err := g.fill(g.members[user], name, options, "")
	return g.send(i, data, err)
}

// Autocomplete asks for the choices of one option while a person types it. command may name a
// subcommand ("recalls show"). filled are the other options that the person has filled in.
func (g *Guild) Autocomplete(user, channel, command, option, value string, filled ...Option) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindAutocomplete, User: user, Channel: channel}
	data, err := g.fill(g.members[user], command, append(slices.Clone(filled), Opt(option, value)), option)
	return g.send(i, data, err)
}

// Press presses the button with a custom_id on a message as it is now.
func (g *Guild) Press(user string, message MessageRef, customID string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindComponent, User: user, Channel: message.ChannelID}
	m, ok := g.messages[message.ID]
	if !ok || m.user != "" && m.user != user {
		return g.send(i, nil, clientError("%s sees no such message", user))
	}
	i.message = m
	o, err := component(m.components, customID)
	if err == nil && flag(o, "disabled") {
		err = clientError("the button %q is disabled", str(o, "label"))
	}
	if err != nil {
		return g.send(i, nil, err)
	}
	return g.send(i, object{"component_type": integer(o, "type"), "custom_id": customID, "id": o["id"]}, nil)
}

// Select chooses values in the select menu with a custom_id.
func (g *Guild) Select(user string, message MessageRef, customID string, values ...string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindComponent, User: user, Channel: message.ChannelID}
	m, ok := g.messages[message.ID]
	if !ok || m.user != "" && m.user != user {
		return g.send(i, nil, clientError("%s sees no such message", user))
	}
	i.message = m
	o, err := component(m.components, customID)
	if err == nil && (flag(o, "disabled") || integer(o, "type") != typeSelect) {
		err = clientError("%q is disabled or no select menu", customID)
	}
	chosen := []any{}
	for _, v := range values {
		if err == nil && !slices.ContainsFunc(list(o, "options"),
			func(x any) bool { x2, ok := x.(object); return ok && str(x2, "value") == v }) {
			err = clientError("no option %q", v)
		}
		chosen = append(chosen, v)
	}
	if err != nil {
		return g.send(i, nil, err)
	}
	return g.send(i, object{"component_type": typeSelect, "custom_id": customID, "id": o["id"], "values": chosen}, nil)
}

// PressStale presses a button on an old copy of a message, as happens when the message is edited or
// deleted at the same time. The interaction has the old copy.
func (g *Guild) PressStale(user string, old Message, customID string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindComponent, User: user, Channel: old.ChannelID}
	v, _ := decode(old.Raw)
	raw, _ := v.(object)
	o, err := component(list(raw, "components"), customID)
	if err != nil {
		return g.send(i, nil, err)
	}
	i.message = g.messages[old.ID]
	return g.sendWith(i, object{"component_type": integer(o, "type"), "custom_id": customID, "id": o["id"]}, raw)
}

// PressForged sends a press of a button that the message never had, as a manipulated client may.
func (g *Guild) PressForged(user string, message MessageRef, customID string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindComponent, User: user, Channel: message.ChannelID}
	m, ok := g.messages[message.ID]
	if !ok {
		return g.send(i, nil, clientError("there is no such message"))
	}
	i.message = m
	return g.send(i, object{"component_type": typeButton, "custom_id": customID, "id": 1}, nil)
}

// CommandForged sends a command as it is, given as the data of the interaction: one of another
// kind, or one that the client still shows after its definition has changed.
func (g *Guild) CommandForged(user, channel, data string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindCommand, User: user, Channel: channel}
	v, err := decode([]byte(data))
	o, ok := v.(object)
	if err != nil || !ok {
		return g.send(i, nil, clientError("the data of a command is an object"))
	}
	return g.send(i, o, nil)
}

// SubmitForged sends a form that was never opened, under a message, as a manipulated client may.
func (g *Guild) SubmitForged(user string, message MessageRef, customID string, values map[string]string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindModal, User: user, Channel: message.ChannelID}
	m, ok := g.messages[message.ID]
	if !ok {
		return g.send(i, nil, clientError("there is no such message"))
	}
	i.message = m
	rows := []any{}
	for n, name := range slices.Sorted(maps.Keys(values)) {
		rows = append(rows, object{"type": typeRow, "id": 2*n + 1,
			"components": []any{object{"type": typeInput, "id": 2*n + 2, "custom_id": name, "value": values[name]}}})
	}
	return g.send(i, object{"custom_id": customID, "components": rows}, nil)
}

func component(components []any, customID string) (object, error) {
	for o := range walk(components) {
		if str(o, "custom_id") == customID && customID != "" {
			return o, nil
		}
	}
	return nil, clientError("the message has no component %q", customID)
}

// Submit sends a form. values are by the custom_ids of the inputs; other inputs keep their preset
// values. A form can be sent again, as a second click does. If the client refuses the form, because
// a required value is missing or a length is wrong, it is not sent and Err is set.
func (g *Guild) Submit(user string, modal Modal, values map[string]string) *Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := &Interaction{Kind: KindModal, User: user}
	at := slices.IndexFunc(g.modals, func(m *dialog) bool { return m.ID == modal.ID })
	if at < 0 || g.modals[at].User != user {
		return g.send(i, nil, clientError("no such form is open for %s", user))
	}
	m := g.modals[at]
	i.Channel, i.message = m.by.Channel, m.by.message
	left := maps.Clone(values)
	for _, in := range m.Inputs {
		v, given := left[in.CustomID]
		if !given {
			v = in.Value
		}
		delete(left, in.CustomID)
		if n := length(v); in.Required && n == 0 || n > 0 && n < in.Min || n > in.Max {
			return g.send(i, nil, clientError("input %q: %d characters", in.Label, n))
		}
	}
	for id := range left {
		return g.send(i, nil, clientError("the form has no input %q", id))
	}
	rows := []any{}
	for _, row := range objects(list(m.data, "components")) {
		input := func(o object) object {
			v, given := values[str(o, "custom_id")]
			if !given {
				v = str(o, "value")
			}
			return object{"type": typeInput, "id": o["id"], "custom_id": str(o, "custom_id"), "value": v}
		}
		switch integer(row, "type") {
		case typeRow:
			for _, o := range objects(list(row, "components")) {
				rows = append(rows, object{"type": typeRow, "id": row["id"], "components": []any{input(o)}})
			}
		case typeLabel:
			rows = append(rows, object{"type": typeLabel, "id": row["id"], "component": input(sub(row, "component"))})
		case typeText:
			rows = append(rows, object{"type": typeText, "id": row["id"]})
		}
	}
	m.Submitted = true
	return g.send(i, object{"custom_id": m.CustomID, "components": rows}, nil)
}

// Modals returns the forms that were opened for a person, oldest first.
func (g *Guild) Modals(user string) []Modal {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Modal
	for _, m := range g.modals {
		if m.User == user {
			all = append(all, m.snapshot())
		}
	}
	return all
}

func (m *dialog) snapshot() Modal {
	c := m.Modal
	c.Inputs = slices.Clone(c.Inputs)
	return c
}

// Interactions returns all interactions that were sent so far, oldest first.
func (g *Guild) Interactions() []*Interaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.interactions)
}

func (g *Guild) send(i *Interaction, data object, err error) *Interaction {
	i.g, i.done = g, make(chan struct{})
	if err == nil {
		err = g.present(i)
	}
	if err != nil {
		i.Err = err
		close(i.done)
		return i
	}
	var shown object
	if i.message != nil {
		shown = g.messageObject(i.message)
	}
	return g.sendWith(i, data, shown)
}

// present checks that the person is a member and the channel exists. Callers hold g.mu.
func (g *Guild) present(i *Interaction) error {
	if g.origin != (Origin{}) {
		return nil
	}
	if _, ok := g.members[i.User]; !ok {
		return clientError("%s is not a member", i.User)
	}
	if _, ok := g.channels[i.Channel]; !ok {
		return clientError("there is no channel %s", i.Channel)
	}
	return nil
}

// sendWith builds the payload and delivers it. Callers hold g.mu.
func (g *Guild) sendWith(i *Interaction, data, message object) *Interaction {
	if i.done == nil {
		i.g, i.done = g, make(chan struct{})
	}
	i.ID, i.created, i.origin = g.snowflake(), time.Now(), g.origin
	i.token = "aW50ZXJhY3Rpb246" + i.ID
	o := object{
		"id": i.ID, "application_id": g.ApplicationID, "type": i.Kind, "token": i.token, "version": 1, "data": data,
		"channel_id": i.Channel, "entitlements": []any{}, "attachment_size_limit": g.UploadLimit,
		"authorizing_integration_owners": i.owners(), "context": 0, "locale": "en-US",
	}
	m, isMember := g.members[i.User]
	if isMember && m.Locale != "" {
		o["locale"] = m.Locale
	}
	c, hasChannel := g.channels[i.Channel]
	if i.origin.DM {
		o["context"], o["user"], o["app_permissions"] = 1, g.userObject(i.User),
			strconv.FormatInt(DefaultPermissions, 10)
		o["channel"] = object{"id": i.Channel, "type": DMChannel}
		if i.origin.UserInstalled {
			o["context"] = 2
		}
	} else {
		guild := cmp.Or(i.origin.GuildID, g.ID)
		o["guild_id"], o["guild_locale"] = guild, g.Locale
		o["guild"] = object{"id": guild, "locale": g.Locale, "features": []any{}}
		if !isMember {
			m = &Member{UserID: i.User}
		}
		member := g.memberObject(m)
		member["permissions"] = strconv.FormatInt(g.permissionsOf(m), 10)
		o["member"] = member
		o["app_permissions"] = strconv.FormatInt(DefaultPermissions, 10)
		if hasChannel {
			o["app_permissions"] = strconv.FormatInt(g.botPermissions(c), 10)
			shown := g.channelObject(c)
			shown["permissions"] = member["permissions"]
			o["channel"] = shown
		}
	}
	if message != nil {
		o["message"] = message
	}
	i.payload = marshal(o)
	g.interactions = append(g.interactions, i)
	g.byToken[i.token] = i
	i.timer = time.AfterFunc(g.AckWithin, i.giveUp)
	g.deliver(i)
	g.bump()
	return i
}

func (i *Interaction) owners() object {
	switch {
	case i.origin.UserInstalled:
		return object{"1": i.User}
	case i.origin.DM:
		return object{"0": "0"}
	}
	return object{"0": cmp.Or(i.origin.GuildID, i.g.ID)}
}

// giveUp ends the wait for a first answer when its time is over.
func (i *Interaction) giveUp() {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if !i.acked && !i.failed {
		i.failed = true
		close(i.done)
		i.g.bump()
	}
}

// Wait waits for the first answer. It returns nil when there is one, Err when the client refused
// the interaction, ErrNoAnswer when 3 s have passed, ErrClosed, or the context's error. To wait for
// what follows a deferred answer, use Until.
func (i *Interaction) Wait(ctx context.Context) error {
	select {
	case <-i.done:
	case <-ctx.Done():
		return ctx.Err()
	case <-i.g.closed:
		return ErrClosed
	}
	if i.Err != nil {
		return i.Err
	}
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if !i.acked {
		return ErrNoAnswer
	}
	return nil
}

// Until waits until cond is true for the interaction; see Guild.Until.
func (i *Interaction) Until(ctx context.Context, cond func(*Interaction) bool) error {
	return i.g.Until(ctx, func() bool { return cond(i) })
}

func get[T any](i *Interaction, f func() T) T {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	return f()
}

// Acked reports whether a first answer was accepted.
func (i *Interaction) Acked() bool { return get(i, func() bool { return i.acked }) }

// Failed reports whether the client shows that the application did not respond.
func (i *Interaction) Failed() bool { return get(i, func() bool { return i.failed }) }

// AckedAfter returns how long the first answer took, 0 without one.
func (i *Interaction) AckedAfter() time.Duration {
	return get(i, func() time.Duration { return i.ackedAfter })
}

// Type returns the kind of the first answer (AnswerMessage and so on), 0 without one.
func (i *Interaction) Type() int { return get(i, func() int { return i.answer }) }

// Response returns the JSON of the first answer, nil without one.
func (i *Interaction) Response() json.RawMessage {
	return get(i, func() json.RawMessage { return i.response })
}

// Payload returns the JSON that was sent to the bot. It contains the interaction's token.
func (i *Interaction) Payload() json.RawMessage { return i.payload }

// Original returns the message that the first answer made or changed, as it is now; ok is false
// when there is none.
func (i *Interaction) Original() (m Message, ok bool) {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if i.original == nil || i.original.deleted {
		return Message{}, false
	}
	return i.g.snapshot(i.original), true
}

// Ephemeral returns the text of the newest ephemeral message in answer to this interaction, drawn
// as Picture does but without the frame; "" without one.
func (i *Interaction) Ephemeral() string {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	for _, m := range slices.Backward(append([]*message{i.original}, i.followups...)) {
		if m != nil && !m.deleted && m.user != "" {
			return strings.Join(i.g.draw(i.g.snapshot(m)), "\n")
		}
	}
	return ""
}

// Followups returns the messages sent after the first answer, as they are now.
func (i *Interaction) Followups() []Message {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	var all []Message
	for _, m := range i.followups {
		if !m.deleted {
			all = append(all, i.g.snapshot(m))
		}
	}
	return all
}

// Modal returns the form that the first answer opened.
func (i *Interaction) Modal() (m Modal, ok bool) {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if i.modal == nil {
		return Modal{}, false
	}
	return i.modal.snapshot(), true
}

// A Choice is a choice in the answer to an autocomplete.
type Choice struct {
	Name  string
	Value string
}

// Choices returns the choices in the answer to an autocomplete.
func (i *Interaction) Choices() []Choice {
	var all []Choice
	v, _ := decode(i.Response())
	o, _ := v.(object)
	for _, c := range objects(list(sub(o, "data"), "choices")) {
		all = append(all, Choice{str(c, "name"), fmt.Sprint(c["value"])})
	}
	return all
}

func (g *Guild) postCallback(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, ok := g.byToken[q.args["interaction_token"]]
	if !ok || i.ID != q.args["interaction_id"] {
		return 0, nil, fail(http.StatusNotFound, 10062)
	}
	g.noteUnknown("POST "+q.route, q.object(), "type data")
	if err := g.answer(i, q.object(), q.raw, q.files); err != nil {
		return 0, nil, err
	}
	if q.URL.Query().Get("with_response") != "true" {
		return http.StatusNoContent, nil, nil
	}
	in := object{"id": i.ID, "type": i.Kind}
	answer := object{"interaction": in}
	if i.original != nil {
		in["response_message_id"] = i.original.id
		in["response_message_loading"] = i.original.flags&flagLoading != 0
		in["response_message_ephemeral"] = i.original.user != ""
		answer["resource"] = object{"type": i.answer, "message": g.messageObject(i.original)}
	}
	return 200, answer, nil
}

// answer accepts or refuses the first answer to an interaction. Callers hold g.mu.
func (g *Guild) answer(i *Interaction, o object, raw json.RawMessage, files map[int]upload) *apiError {
	switch {
	case i.acked:
		return fail(http.StatusBadRequest, 40060)
	case i.failed || time.Since(i.created) >= g.AckWithin:
		return fail(http.StatusNotFound, 10062)
	}
	kind, ok := num(o, "type")
	f := form{}
	if !ok {
		f.add("type", "BASE_TYPE_REQUIRED", "This field is required")
		return f.err()
	}
	allowed := []int64{AnswerMessage, AnswerDeferred}
	switch i.Kind {
	case KindCommand:
		allowed = append(allowed, AnswerModal)
	case KindComponent:
		allowed = append(allowed, AnswerDeferredUpdate, AnswerUpdate, AnswerModal)
	case KindModal:
		if i.message != nil {
			allowed = append(allowed, AnswerDeferredUpdate, AnswerUpdate)
		}
	case KindAutocomplete:
		allowed = []int64{AnswerChoices}
	}
	if !slices.Contains(allowed, kind) {
		f.add("type", "INTERACTION_CALLBACK_TYPE",
			fmt.Sprintf("An interaction of type %d cannot be answered with type %d.", i.Kind, kind))
		return f.err()
	}
	data := sub(o, "data")
	if data == nil && o["data"] != nil {
		f.add("data", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
		return f.err()
	}
	switch kind {
	case AnswerMessage, AnswerDeferred:
		settable := flagEphemeral | flagSuppressEmbeds | flagSuppressNotifications | flagVoice | flagComponentsV2
		m := g.reply(i)
		if kind == AnswerDeferred {
			flags, _ := f.integer(data, "data", "flags", 0, 1<<53)
			if flags&^flagEphemeral != 0 {
				f.add("data.flags", "BITFIELD_ANY_BITS_NOT_ALLOWED",
					"A deferred answer takes the flag EPHEMERAL alone.")
				return f.err()
			}
			m.flags = flags | flagLoading
		} else {
			if data == nil {
				f.add("data", "BASE_TYPE_REQUIRED", "This field is required")
				return f.err()
			}
			g.noteUnknown("POST /interactions/{interaction_id}/{interaction_token}/callback data", data,
				"tts content embeds allowed_mentions flags components attachments poll shared_client_theme")
			if err := g.apply(m, data, files, "data", settable); err != nil {
				return err
			}
		}
		if m.flags&flagEphemeral != 0 {
			m.user = i.User
		}
		if kind == AnswerMessage {
			g.notify(m, data, g.channels[i.Channel], true)
		}
		g.publish(m)
		i.original = m
	case AnswerUpdate:
		if data != nil {
			g.noteUnknown("POST /interactions/{interaction_id}/{interaction_token}/callback data", data,
				"tts content embeds allowed_mentions flags components attachments")
			if i.message == nil || i.message.deleted {
				return fail(http.StatusNotFound, 10008)
			}
			changed := *i.message
			if err := g.apply(&changed, data, files, "data", flagSuppressEmbeds|flagComponentsV2); err != nil {
				return err
			}
			changed.edited = time.Now()
			*i.message = changed
		}
		i.original = i.message
	case AnswerDeferredUpdate:
		i.original = i.message
	case AnswerChoices:
		f.checkChoices(data, "data")
	case AnswerModal:
		f.checkModal(data, "data")
	}
	if err := f.err(); err != nil {
		return err
	}
	if kind == AnswerModal {
		i.modal = newModal(i, data)
		g.modals = append(g.modals, i.modal)
	}
	i.acked, i.answer, i.ackedAfter = true, int(kind), time.Since(i.created)
	i.response = slices.Clone(raw)
	i.timer.Stop()
	close(i.done)
	g.bump()
	return nil
}

// reply returns an empty message that answers an interaction. Callers hold g.mu.
func (g *Guild) reply(i *Interaction) *message {
	m := &message{id: g.snowflake(), channel: i.Channel, author: g.BotUserID, created: time.Now(), from: i}
	if i.Kind == KindCommand {
		m.kind = 20
	}
	return m
}

func newModal(i *Interaction, data object) *dialog {
	data = copyJSON(data).(object)
	number(list(data, "components"))
	m := &dialog{data: data, by: i, Modal: Modal{
		ID: i.ID, User: i.User, CustomID: str(data, "custom_id"), Title: str(data, "title"), Raw: marshal(data),
	}}
	add := func(o, label object) {
		in := Input{
			CustomID: str(o, "custom_id"), Label: cmp.Or(str(label, "label"), str(o, "label")),
			Description: str(label, "description"),
			Placeholder: str(o, "placeholder"), Value: str(o, "value"), Required: true,
			Paragraph: integer(o, "style") == 2,
			Min:       int(integer(o, "min_length")), Max: 4000,
		}
		if b, ok := o["required"].(bool); ok {
			in.Required = b
		}
		if n, ok := num(o, "max_length"); ok {
			in.Max = int(n)
		}
		m.Inputs = append(m.Inputs, in)
	}
	for _, row := range objects(list(data, "components")) {
		switch integer(row, "type") {
		case typeRow:
			for _, o := range objects(list(row, "components")) {
				add(o, nil)
			}
		case typeLabel:
			add(sub(row, "component"), row)
		}
	}
	return m
}

// webhook finds the interaction of a webhook route if its token is valid. Callers hold g.mu.
func (g *Guild) webhook(q *request) (*Interaction, *apiError) {
	i, ok := g.byToken[q.args["webhook_token"]]
	switch {
	case !ok || q.args["webhook_id"] != g.ApplicationID || !i.acked:
		return nil, fail(http.StatusNotFound, 10015)
	case time.Since(i.created) >= g.TokenLife:
		return nil, fail(http.StatusUnauthorized, 50027)
	}
	return i, nil
}

// answered finds the message that a webhook route names. Callers hold g.mu.
func (g *Guild) answered(q *request) (*Interaction, *message, *apiError) {
	i, err := g.webhook(q)
	if err != nil {
		return nil, nil, err
	}
	var m *message
	if id, ok := q.args["message_id"]; !ok {
		m = i.original
	} else if x, ok := g.messages[id]; ok && (x == i.original || slices.Contains(i.followups, x)) {
		m = x
	}
	if m == nil || m.deleted {
		return nil, nil, fail(http.StatusNotFound, 10008)
	}
	return i, m, nil
}

func (g *Guild) postFollowup(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("POST "+q.route, o,
		"content embeds allowed_mentions components attachments poll tts flags username avatar_url thread_name applied_tags")
	i, err := g.webhook(q)
	if err != nil {
		return 0, nil, err
	}
	if m := i.original; m != nil && m.flags&flagLoading != 0 && !m.deleted {
		// On Discord the first followup still replaces the loading message.
		return g.rewriteAnswer(i, m, o, q.files)
	}
	if i.origin.UserInstalled && len(i.followups) >= 5 {
		return 0, nil, fail(http.StatusBadRequest, 40094)
	}
	m := g.reply(i)
	m.kind = 0
	if i.original != nil {
		m.kind, m.reference = 19, i.original.id
	}
	settable := flagEphemeral | flagSuppressEmbeds | flagSuppressNotifications | flagVoice | flagComponentsV2
	if err := g.apply(m, o, q.files, "", settable); err != nil {
		return 0, nil, err
	}
	if m.flags&flagEphemeral != 0 {
		m.user = i.User
	}
	g.notify(m, o, g.channels[i.Channel], true)
	g.publish(m)
	i.followups = append(i.followups, m)
	return 200, g.messageObject(m), nil
}

func (g *Guild) getFollowup(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, m, err := g.answered(q)
	if err != nil {
		return 0, nil, err
	}
	return 200, g.messageObject(m), nil
}

func (g *Guild) patchFollowup(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := q.object()
	g.noteUnknown("PATCH "+q.route, o, "content embeds allowed_mentions components attachments poll flags")
	i, m, err := g.answered(q)
	if err != nil {
		return 0, nil, err
	}
	return g.rewriteAnswer(i, m, o, q.files)
}

// rewriteAnswer edits a message through an interaction's token. The first edit of a loading message
// notifies those whom it mentions, as a new message does. Callers hold g.mu.
func (g *Guild) rewriteAnswer(i *Interaction, m *message, o object, files map[int]upload) (int, any, *apiError) {
	changed := *m
	changed.flags &^= flagLoading
	if err := g.apply(&changed, o, files, "", flagSuppressEmbeds|flagComponentsV2|flagEphemeral&m.flags); err != nil {
		return 0, nil, err
	}
	if m.flags&flagLoading != 0 {
		g.notify(&changed, o, g.channels[i.Channel], true)
	} else {
		changed.edited = time.Now()
	}
	*m = changed
	g.bump()
	return 200, g.messageObject(m), nil
}

func (g *Guild) deleteFollowup(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, m, err := g.answered(q)
	if err != nil {
		return 0, nil, err
	}
	g.remove(m)
	return http.StatusNoContent, nil, nil
}
