package slacktest

// This file has what people do: they type commands, press buttons, and fill in, send and close
// modals. Each method delivers to the app what Slack would deliver, and refuses what a person's
// client would not let through.

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Command types a slash command as a person in a channel. text is what follows
// the command; it is sent as it is, and nothing in it is escaped.
func (w *Workspace) Command(user, channel, command, text string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ch, err := w.there(user, channel)
	switch {
	case err != nil:
		return w.cannot("slash_commands", "%s: %v", command, err)
	case !slices.Contains(w.Commands, command):
		return w.cannot("slash_commands", "%s is not a registered command", command)
	case ch.Archived:
		return w.cannot("slash_commands", "%s: channel %s is archived", command, channel)
	}
	d := w.newDelivery("slash_commands")
	d.command = command
	d.Trigger = w.newTrigger(user, "")
	d.ResponseURL = w.newResponse(d, &response{user: user, channel: channel})
	d.fields = url.Values{
		"token": {verification}, "team_id": {u.TeamID}, "team_domain": {w.domain()}, "channel_id": {channel},
		"channel_name": {channelName(ch)},
		"user_id":      {user}, "user_name": {u.Name}, "command": {command}, "text": {text}, "api_app_id": {w.AppID},
		"is_enterprise_install": {strconv.FormatBool(w.OrgInstall)}, "response_url": {d.ResponseURL},
		"trigger_id": {d.Trigger},
	}
	if u.TeamID != w.TeamID {
		d.fields.Set("team_domain", strings.ToLower(u.TeamID))
	}
	if e := w.enterprise(u); e != "" {
		d.fields.Set("enterprise_id", e)
		d.fields.Set("enterprise_name", e)
	}
	d.Payload = fieldsJSON(d.fields)
	d.apply = func(r reply) { w.said(d, r) }
	w.deliver(d)
	return d
}

// there returns a person and a channel, and an error when the person cannot see the channel.
func (w *Workspace) there(user, channel string) (*User, *Channel, error) {
	u, ch := w.users[user], w.channels[channel]
	switch {
	case u == nil:
		return nil, nil, fmt.Errorf("no user %q", user)
	case ch == nil:
		return nil, nil, fmt.Errorf("no channel %q", channel)
	case !ch.has(user) && (ch.Private || ch.IM || u.TeamID != w.TeamID):
		return nil, nil, fmt.Errorf("user %s cannot see channel %s", user, channel)
	}
	return u, &ch.Channel, nil
}

// enterprise returns the id of the organisation in a payload about u.
func (w *Workspace) enterprise(u *User) string {
	if u.EnterpriseID != "" {
		return u.EnterpriseID
	}
	if u.TeamID == w.TeamID {
		return w.EnterpriseID
	}
	return ""
}

func channelName(ch *Channel) string {
	switch {
	case ch.IM:
		return "directmessage"
	case ch.MPIM:
		return "mpdm-" + ch.Name + "-1"
	case ch.Private:
		return "privategroup"
	}
	return ch.Name
}

// Button is a button as people see it.
type Button struct {
	BlockID  string
	ActionID string
	Text     string
	Value    string
	Style    string // "", "primary", "danger"
	URL      string
	Label    string   // for screen readers; empty: they read Text
	Confirm  *Confirm // the question before the press is sent; nil: there is none
}

// Confirm is what a button asks before it acts.
type Confirm struct {
	Title, Text, Confirm, Deny, Style string
}

// Buttons returns the buttons on a message, in order.
func (m Message) Buttons() []Button { return buttonsOf(parseBlocks(m.Blocks)) }

// Buttons returns the buttons on an ephemeral message, in order.
func (e Ephemeral) Buttons() []Button { return buttonsOf(parseBlocks(e.Blocks)) }

// Buttons returns the buttons within a modal, in order, without its submit and close.
func (v View) Buttons() []Button { return buttonsOf(parseBlocks(v.Blocks)) }

func parseBlocks(raw json.RawMessage) []any {
	if len(raw) == 0 {
		return nil
	}
	v, err := parseJSON(raw)
	list, ok := v.([]any)
	if err != nil || !ok {
		panic("slacktest: blocks that are not those of a message") // unreachable unless a test has changed them
	}
	return list
}

func buttonsOf(blocks []any) []Button {
	var list []Button
	for _, b := range blocks {
		m, _ := b.(map[string]any)
		for _, e := range elementsOf(m) {
			if e["type"] != "button" {
				continue
			}
			x := Button{
				BlockID: str(m, "block_id"), ActionID: str(e, "action_id"), Text: label(e["text"]),
				Value: str(e, "value"),
				Style: str(e, "style"), URL: str(e, "url"), Label: str(e, "accessibility_label"),
			}
			if c, ok := e["confirm"].(map[string]any); ok {
				x.Confirm = &Confirm{label(c["title"]), label(c["text"]), label(c["confirm"]), label(c["deny"]),
					str(c, "style")}
			}
			list = append(list, x)
		}
	}
	return list
}

// findButton finds the only button with an action id, and the id of its block.
func findButton(blocks []any, actionID string) (map[string]any, string, error) {
	var found map[string]any
	block := ""
	for _, b := range blocks {
		m, _ := b.(map[string]any)
		for _, e := range elementsOf(m) {
			if e["type"] == "button" && e["action_id"] == actionID {
				if found != nil {
					return nil, "", fmt.Errorf("two buttons with action_id %q", actionID)
				}
				found, block = e, str(m, "block_id")
			}
		}
	}
	if found == nil {
		return nil, "", fmt.Errorf("no button with action_id %q", actionID)
	}
	return found, block, nil
}

// Press presses a button as a person, on a message or on an ephemeral message of
// theirs, as it is shown now, and confirms the question if the button has one.
func (w *Workspace) Press(user string, ref MessageRef, actionID string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.channels[ref.Channel]; ch != nil {
		if m := ch.find(ref.TS); m != nil && !m.gone {
			return w.press(user, m, actionID)
		}
	}
	i := slices.IndexFunc(w.ephemerals,
		func(e *Ephemeral) bool { return e.User == user && e.TS == ref.TS && e.Channel == ref.Channel })
	if i < 0 {
		return w.cannot("interactive", "pressing %s: user %s sees no message %s in %s", actionID, user, ref.TS,
			ref.Channel)
	}
	e := w.ephemerals[i]
	button, block, err := findButton(e.blocks, actionID)
	if err != nil {
		return w.cannot("interactive", "pressing: %v", err)
	}
	u, ch, err := w.there(user, e.Channel)
	if err != nil {
		return w.cannot("interactive", "pressing %s: %v", actionID, err)
	}
	// Slack sends the place of an ephemeral message to the app, but not its content.
	container := map[string]any{"type": "message", "message_ts": e.TS, "channel_id": e.Channel, "is_ephemeral": true}
	if e.ThreadTS != "" {
		container["thread_ts"] = e.ThreadTS
	}
	return w.interact(u, ch, container, nil, w.action(button, block), &response{user: user, channel: e.Channel,
		ephemeral: e, press: true})
}

// PressStale presses a button as a person on an older copy of a message, which
// their client still shows although the message was changed or deleted.
func (w *Workspace) PressStale(user string, older Message, actionID string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.press(user, &message{Message: older, blocks: parseBlocks(older.Blocks)}, actionID)
}

// press presses a button of m. w.mu is held.
func (w *Workspace) press(user string, m *message, actionID string) *Delivery {
	button, block, err := findButton(m.blocks, actionID)
	if err != nil {
		return w.cannot("interactive", "pressing: %v on message %s", err, m.TS)
	}
	return w.pressed(user, m, w.action(button, block))
}

// PressForged delivers a press with any action id and any value, whether or not
// the message has such a button.
func (w *Workspace) PressForged(user string, ref MessageRef, actionID, value string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.channels[ref.Channel]
	if ch == nil {
		return w.cannot("interactive", "pressing %s: no channel %q", actionID, ref.Channel)
	}
	m := ch.find(ref.TS)
	if m == nil {
		m = &message{Message: Message{Channel: ref.Channel, TS: ref.TS, User: w.BotUserID}}
	}
	button := map[string]any{
		"type": "button", "action_id": actionID, "value": value, "text": map[string]any{"type": "plain_text",
			"text": "Forged", "emoji": true},
	}
	return w.pressed(user, m, w.action(button, "forged"))
}

// pressed delivers an action on m. w.mu is held.
func (w *Workspace) pressed(user string, m *message, action map[string]any) *Delivery {
	u, ch, err := w.there(user, m.Channel)
	if err != nil {
		return w.cannot("interactive", "pressing %s: %v", action["action_id"], err)
	}
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": false}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	src := &response{user: user, channel: m.Channel, message: w.channels[m.Channel].find(m.TS), press: true}
	return w.interact(u, ch, container, w.messageJSON(m, true), action, src)
}

// action returns the entry of "actions" for a button.
func (w *Workspace) action(button map[string]any, block string) map[string]any {
	a := map[string]any{"type": "button", "action_id": button["action_id"], "block_id": block, "text": button["text"],
		"action_ts": w.ts()}
	for _, k := range []string{"value", "style", "confirm"} {
		if v, there := button[k]; there {
			a[k] = v
		}
	}
	return a
}

// interaction returns the part of a payload that all interactions have.
func (w *Workspace) interaction(kind string, u *User, trigger string) map[string]any {
	p := map[string]any{
		"type": kind, "team": map[string]any{"id": w.TeamID, "domain": w.domain()}, "api_app_id": w.AppID,
		"token":      verification,
		"user":       map[string]any{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": u.TeamID},
		"enterprise": nil, "is_enterprise_install": w.OrgInstall,
	}
	if w.EnterpriseID != "" {
		p["enterprise"] = map[string]any{"id": w.EnterpriseID, "name": w.EnterpriseID}
	}
	if trigger != "" {
		p["trigger_id"] = trigger
	}
	return p
}

// interact delivers a press on a message. w.mu is held.
func (w *Workspace) interact(u *User, ch *Channel, container, shown, action map[string]any, src *response) *Delivery {
	d := w.newDelivery("interactive")
	d.Trigger = w.newTrigger(u.ID, "")
	d.ResponseURL = w.newResponse(d, src)
	p := w.interaction("block_actions", u, d.Trigger)
	p["container"], p["actions"] = container, []any{action}
	p["channel"] = map[string]any{"id": ch.ID, "name": channelName(ch)}
	p["response_url"], p["state"] = d.ResponseURL, map[string]any{"values": map[string]any{}}
	if shown != nil {
		p["message"] = shown
	}
	d.Payload = toJSON(p)
	d.apply = w.ignored
	w.deliver(d)
	return d
}

// ignored handles the answer to a press or to the closing of a modal, which Slack ignores.
func (w *Workspace) ignored(r reply) {
	if len(strings.TrimSpace(string(r.body))) > 0 {
		w.complain("the answer to a press or a closing is shown to nobody")
	}
}

// front finds the modal that user has in front.
func (w *Workspace) front(user, viewID string) (*User, *view, error) {
	u := w.users[user]
	v := w.findView(viewID, "")
	switch {
	case u == nil:
		return nil, nil, fmt.Errorf("no user %q", user)
	case v == nil || v.User != user:
		return nil, nil, fmt.Errorf("user %s has no view %q open", user, viewID)
	}
	for _, x := range w.views {
		if x.Previous == v.ID {
			return nil, nil, fmt.Errorf("view %s is behind view %s", v.ID, x.ID)
		}
	}
	return u, v, nil
}

// PressInView presses a button as a person within the modal that is in front.
func (w *Workspace) PressInView(user, viewID, actionID string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, v, err := w.front(user, viewID)
	if err != nil {
		return w.cannot("interactive", "pressing %s: %v", actionID, err)
	}
	button, block, err := findButton(v.raw["blocks"].([]any), actionID)
	if err != nil {
		return w.cannot("interactive", "pressing: %v in view %s", err, viewID)
	}
	d := w.newDelivery("interactive")
	d.Trigger = w.newTrigger(user, v.ID)
	p := w.interaction("block_actions", u, d.Trigger)
	p["container"] = map[string]any{"type": "view", "view_id": v.ID}
	p["actions"] = []any{w.action(button, block)}
	state, _ := v.state(nil)
	p["view"] = w.viewJSON(v, state)
	d.Payload = toJSON(p)
	d.apply = w.ignored
	w.deliver(d)
	return d
}

// Submit fills in a modal as a person and sends it. values are by block_id: the
// text that is typed, or the value of an option; several values are separated by
// commas. Inputs without a value keep their initial one. The call fails when the
// person's client would not send the modal: a required input is empty, a text is
// too long, an option is not offered.
func (w *Workspace) Submit(user, viewID string, values map[string]string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, v, err := w.front(user, viewID)
	switch {
	case err != nil:
		return w.cannot("interactive", "submitting: %v", err)
	case v.Submit == "":
		return w.cannot("interactive", "submitting: view %s cannot be sent", viewID)
	}
	state, err := v.state(values)
	if err != nil {
		return w.cannot("interactive", "submitting view %s: %v", viewID, err)
	}
	for _, id := range sortedKeys(values) {
		if !slices.Contains(inputIDs(v), id) {
			return w.cannot("interactive", "submitting view %s: no input with block_id %q", viewID, id)
		}
	}
	v.Errors = nil
	d := w.newDelivery("interactive")
	d.Trigger = w.newTrigger(user, v.ID)
	p := w.interaction("view_submission", u, d.Trigger)
	p["view"], p["response_urls"] = w.viewJSON(v, state), []any{}
	d.Payload = toJSON(p)
	d.apply = func(r reply) { w.submitted(d, v, r) }
	w.deliver(d)
	return d
}

// CloseView closes a modal as a person. The app is informed only if the modal
// has notify_on_close; else the delivery is done at once.
func (w *Workspace) CloseView(user, viewID string) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, v, err := w.front(user, viewID)
	if err != nil {
		return w.cannot("interactive", "closing: %v", err)
	}
	w.closeView(v)
	d := w.newDelivery("interactive")
	if !v.NotifyOnClose {
		d.sent, d.acked = w.now(), w.now()
		d.finish()
		return d
	}
	p := w.interaction("view_closed", u, "")
	p["view"], p["is_cleared"] = w.viewJSON(v, nil), false
	d.Payload = toJSON(p)
	d.apply = w.ignored
	w.deliver(d)
	return d
}

// state returns state.values for what was filled in. With nil values it has the
// initial values of the inputs, unchecked.
func (v *view) state(values map[string]string) (map[string]any, error) {
	state := map[string]any{}
	for _, b := range v.raw["blocks"].([]any) {
		block := b.(map[string]any)
		id := str(block, "block_id")
		for _, e := range elementsOf(block) {
			kind := str(e, "type")
			if !actionTypes[kind] || kind == "button" || kind == "overflow" {
				continue
			}
			typed, given := values[id]
			x, empty, err := filled(e, typed, given)
			if err != nil && values != nil {
				return nil, fmt.Errorf("input %q: %w", id, err)
			}
			if empty && values != nil && block["type"] == "input" && !bln(block, "optional") {
				return nil, fmt.Errorf("input %q is required", id)
			}
			x["type"] = kind
			state[id] = map[string]any{str(e, "action_id"): x}
		}
	}
	return state, nil
}

// filled returns the state of an element after typed was entered.
func filled(e map[string]any, typed string, given bool) (x map[string]any, empty bool, err error) {
	option := func(value string) (map[string]any, error) {
		for _, o := range optionsOf(e) {
			if str(o, "value") == value {
				return o, nil
			}
		}
		return nil, fmt.Errorf("option %q is not offered", value)
	}
	key, initial := "value", "initial_value"
	switch kind := str(e, "type"); kind {
	case "static_select", "radio_buttons":
		if !given || typed == "" {
			o := e["initial_option"]
			return map[string]any{"selected_option": o}, o == nil, nil
		}
		o, err := option(typed)
		return map[string]any{"selected_option": o}, o == nil, err
	case "multi_static_select", "checkboxes":
		list := []any{}
		if !given {
			list, _ = e["initial_options"].([]any)
			list = append([]any{}, list...)
		}
		for value := range strings.SplitSeq(typed, ",") {
			if value == "" {
				continue
			}
			o, err := option(value)
			if err != nil {
				return map[string]any{"selected_options": list}, false, err
			}
			list = append(list, o)
		}
		return map[string]any{"selected_options": list}, len(list) == 0, nil
	case "multi_users_select":
		list := []any{}
		for id := range strings.SplitSeq(typed, ",") {
			if id != "" {
				list = append(list, id)
			}
		}
		return map[string]any{"selected_users": list}, len(list) == 0, nil
	case "users_select":
		key, initial = "selected_user", "initial_user"
	case "conversations_select":
		key, initial = "selected_conversation", "initial_conversation"
	case "channels_select":
		key, initial = "selected_channel", "initial_channel"
	case "datepicker":
		key, initial = "selected_date", "initial_date"
	case "timepicker":
		key, initial = "selected_time", "initial_time"
	}
	if !given {
		typed = str(e, initial)
	}
	if typed == "" {
		return map[string]any{key: nil}, true, nil
	}
	if e["type"] == "plain_text_input" {
		most, n := int64(3000), int64(utf8.RuneCountInString(typed))
		if m, ok := e["max_length"].(json.Number); ok {
			most, _ = strconv.ParseInt(m.String(), 10, 64) // checked with the view
		}
		least := int64(0)
		if m, ok := e["min_length"].(json.Number); ok {
			least, _ = strconv.ParseInt(m.String(), 10, 64)
		}
		if n > most || n < least {
			err = fmt.Errorf("%d characters, where %d to %d are allowed", n, least, most)
		}
		if strings.Contains(typed, "\n") && !bln(e, "multiline") {
			err = fmt.Errorf("a line break in an input of one line")
		}
	}
	return map[string]any{key: typed}, false, err
}
