package slacktest

// This file has modals: the triggers that allow the app to open one, the methods that open, push
// and update them, and the stack of modals that each person has open.

import (
	"encoding/json"
	"slices"
	"time"
)

// View is a copy of a modal at the time of the call that returned it.
type View struct {
	ID              string
	User            string // who has it open
	CallbackID      string
	ExternalID      string
	PrivateMetadata string
	Title           string
	Submit          string // label of the button; empty: there is none
	Blocks          json.RawMessage
	Hash            string
	Root, Previous  string // ids of views of the same stack
	NotifyOnClose   bool
	Errors          map[string]string // by block_id: the errors in the answer to the last submission

	blocks []any
}

type view struct {
	View
	raw map[string]any // as it was sent, with block_ids
}

func (v *view) snapshot() View {
	s := v.View
	s.Blocks = rawBlocks(v.raw["blocks"].([]any))
	s.blocks = v.raw["blocks"].([]any)
	return s
}

// Views returns the modals that user has open, the one in front last.
func (w *Workspace) Views(user string) []View {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []View
	for _, v := range w.views {
		if v.User == user {
			list = append(list, v.snapshot())
		}
	}
	return list
}

// trigger is the right to open a modal for somebody.
type trigger struct {
	user string
	at   time.Time
	used bool
	view string // the modal with the button that gave it
}

// newTrigger returns the id of a trigger for user. w.mu is held.
func (w *Workspace) newTrigger(user, view string) string {
	id := w.id("1000.2000.")
	w.triggers[id] = &trigger{user: user, at: w.now(), view: view}
	return id
}

// exchange checks the trigger of a call and marks it as used.
func (c *call) exchange() (*trigger, *refusal) {
	w := c.w
	id := c.str("trigger_id")
	t := w.triggers[id]
	switch {
	case id == "":
		return nil, refuse("invalid_arguments")
	case t == nil:
		return nil, refuse("invalid_trigger_id")
	case t.used:
		return nil, refuse("exchanged_trigger_id")
	case w.now().Sub(t.at) > w.TriggerFor:
		return nil, refuse("expired_trigger_id")
	}
	t.used = true
	return t, nil
}

// checkView validates a modal and returns it as it is stored.
func (w *Workspace) checkView(v any, size int) (map[string]any, *refusal) {
	c := &checker{w: w, surface: "view", ids: map[string]bool{}}
	m := c.object("/view", v,
		"type! title! blocks! submit close private_metadata callback_id external_id clear_on_close notify_on_close submit_disabled")
	if m != nil {
		c.oneOf("/view", m, "type", "modal")
		c.plain("/view", m, "title", 24)
		c.plain("/view", m, "submit", 24)
		c.plain("/view", m, "close", 24)
		c.text("/view", m, "private_metadata", 0, 3000)
		c.text("/view", m, "callback_id", 0, 255)
		c.text("/view", m, "external_id", 0, 255)
		c.flags("/view", m, "clear_on_close", "notify_on_close", "submit_disabled")
		c.blocks("/view/blocks", c.list("/view", m, "blocks", 0, 100), 100)
		if _, there := m["submit"]; !there && c.inputs > 0 {
			c.fail("/view", "missing required field: submit")
		}
	}
	if size > 250_000 {
		return nil, refuse("view_too_large")
	}
	if len(c.problems) > 0 {
		return nil, &refusal{"invalid_arguments", c.report()}
	}
	kept := map[string]any{}
	for k, x := range m {
		kept[k] = x
	}
	blocks, _ := m["blocks"].([]any)
	kept["blocks"] = w.keep(blocks)
	return kept, nil
}

// fill replaces the content of v by raw.
func (w *Workspace) fill(v *view, raw map[string]any) {
	v.raw = raw
	v.CallbackID, v.ExternalID, v.PrivateMetadata = str(raw, "callback_id"), str(raw, "external_id"),
		str(raw, "private_metadata")
	v.NotifyOnClose = bln(raw, "notify_on_close")
	v.Title, v.Submit = label(raw["title"]), label(raw["submit"])
	v.Hash = w.ts() + ".hash"
	v.Errors = nil
}

// label returns the text of a text object.
func label(v any) string {
	m, _ := v.(map[string]any)
	return str(m, "text")
}

func (w *Workspace) findView(id, external string) *view {
	for _, v := range w.views {
		if id != "" && v.ID == id || id == "" && external != "" && v.ExternalID == external {
			return v
		}
	}
	return nil
}

// addView opens a modal in front of previous, which may be nil.
func (w *Workspace) addView(user string, previous *view, raw map[string]any) (*view, *refusal) {
	if ext := str(raw, "external_id"); ext != "" && w.findView("", ext) != nil {
		return nil, refuse("duplicate_external_id")
	}
	v := &view{View: View{ID: w.id("V"), User: user}}
	v.Root = v.ID
	if previous != nil {
		v.Root, v.Previous = previous.Root, previous.ID
	}
	w.fill(v, raw)
	w.views = append(w.views, v)
	return v, nil
}

func viewsOpen(c *call) (map[string]any, *refusal) {
	raw, no := c.view()
	if no != nil {
		return nil, no
	}
	t, no := c.exchange()
	if no != nil {
		return nil, no
	}
	w := c.w
	// A new modal replaces those that the person had open.
	w.views = slices.DeleteFunc(w.views, func(v *view) bool { return v.User == t.user })
	v, no := w.addView(t.user, nil, raw)
	if no != nil {
		return nil, no
	}
	return map[string]any{"view": w.viewJSON(v, nil)}, nil
}

func viewsPush(c *call) (map[string]any, *refusal) {
	raw, no := c.view()
	if no != nil {
		return nil, no
	}
	t, no := c.exchange()
	if no != nil {
		return nil, no
	}
	w := c.w
	from := w.findView(t.view, "")
	if from == nil {
		return nil, refuse("not_found")
	}
	v, no := w.push(from, raw)
	if no != nil {
		return nil, no
	}
	return map[string]any{"view": w.viewJSON(v, nil)}, nil
}

func (w *Workspace) push(from *view, raw map[string]any) (*view, *refusal) {
	depth := 0
	for _, v := range w.views {
		if v.Root == from.Root {
			depth++
		}
	}
	if depth >= 3 {
		return nil, refuse("push_limit_reached")
	}
	return w.addView(from.User, from, raw)
}

func viewsUpdate(c *call) (map[string]any, *refusal) {
	w := c.w
	raw, no := c.view()
	if no != nil {
		return nil, no
	}
	v := w.findView(c.str("view_id"), c.str("external_id"))
	if v == nil {
		return nil, refuse("not_found")
	}
	if h := c.str("hash"); h != "" && h != v.Hash {
		return nil, refuse("hash_conflict")
	}
	w.fill(v, raw)
	return map[string]any{"view": w.viewJSON(v, nil)}, nil
}

// view reads and checks the argument view.
func (c *call) view() (map[string]any, *refusal) {
	v, size, ok := c.value("view")
	if !ok || v == nil {
		return nil, refuse("invalid_arguments")
	}
	return c.w.checkView(v, size)
}

// viewJSON returns a view as the API shows it; state is nil when nothing was typed.
func (w *Workspace) viewJSON(v *view, state map[string]any) map[string]any {
	j := map[string]any{
		"id": v.ID, "team_id": w.TeamID, "app_id": w.AppID, "bot_id": w.BotID, "app_installed_team_id": w.TeamID,
		"type": "modal", "title": v.raw["title"], "blocks": v.raw["blocks"], "submit": v.raw["submit"],
		"close":            v.raw["close"],
		"private_metadata": v.PrivateMetadata, "callback_id": v.CallbackID, "external_id": v.ExternalID,
		"clear_on_close": bln(v.raw, "clear_on_close"), "notify_on_close": v.NotifyOnClose,
		"hash": v.Hash, "root_view_id": v.Root, "previous_view_id": nil,
		"state": map[string]any{"values": map[string]any{}},
	}
	if v.Previous != "" {
		j["previous_view_id"] = v.Previous
	}
	if state != nil {
		j["state"] = map[string]any{"values": state}
	}
	return j
}

// closeView closes a modal and those in front of it.
func (w *Workspace) closeView(v *view) {
	gone := map[string]bool{v.ID: true}
	w.views = slices.DeleteFunc(w.views, func(x *view) bool {
		if gone[x.ID] || gone[x.Previous] {
			gone[x.ID] = true
			return true
		}
		return false
	})
}

// clearViews closes a whole stack.
func (w *Workspace) clearViews(root string) {
	w.views = slices.DeleteFunc(w.views, func(x *view) bool { return x.Root == root })
}
