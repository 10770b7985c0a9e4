package slacktest

// This file checks blocks against Slack's rules: which types and properties exist, where each may
// stand, and how long it may be. Everything that is not listed here is refused.

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkBlocks validates the blocks of a message, whose JSON was size bytes
// long, and returns them as they are kept: each with a block_id.
func (w *Workspace) checkBlocks(list []any, size int) ([]any, *refusal) {
	c := &checker{w: w, surface: "message", ids: map[string]bool{}}
	c.blocks("/blocks", list, 50)
	if len(c.problems) > 0 {
		return nil, &refusal{"invalid_blocks", c.report()}
	}
	if size >= w.MaxBlockBytes {
		return nil, refuse("msg_blocks_too_long")
	}
	return w.keep(list), nil
}

// keep returns a copy of checked blocks, as Slack stores them: each block has a block_id and
// each element that people use has an action_id.
func (w *Workspace) keep(list []any) []any {
	v, err := parseJSON(toJSON(list))
	if err != nil {
		// unreachable unless toJSON writes what parseJSON cannot read
		panic("slacktest: blocks do not survive a copy: " + err.Error())
	}
	kept := v.([]any)
	for _, b := range kept {
		m := b.(map[string]any)
		if s, _ := m["block_id"].(string); s == "" {
			m["block_id"] = w.id("blk")
		}
		for _, e := range elementsOf(m) {
			if s, _ := e["action_id"].(string); s == "" && actionTypes[str(e, "type")] {
				e["action_id"] = w.id("act")
			}
		}
	}
	return kept
}

// elementsOf returns the elements of a block that people can use.
func elementsOf(block map[string]any) []map[string]any {
	var list []map[string]any
	add := func(v any) {
		if m, ok := v.(map[string]any); ok {
			list = append(list, m)
		}
	}
	add(block["accessory"])
	add(block["element"])
	if block["type"] == "actions" {
		elements, _ := block["elements"].([]any)
		for _, e := range elements {
			add(e)
		}
	}
	return list
}

func str(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func bln(m map[string]any, key string) bool {
	b, _ := m[key].(bool)
	return b
}

// checker validates blocks against Slack's limits and collects every problem.
// A path is a JSON pointer.
type checker struct {
	w        *Workspace
	surface  string // "message" or "view"
	problems []problem
	ids      map[string]bool // block_ids seen
	tables   int
	markdown int // characters of all markdown blocks
	inputs   int
}

type problem struct{ path, text string }

func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, problem{path, fmt.Sprintf(format, args...)})
}

// report returns the problems in the form of Slack's answer.
func (c *checker) report() map[string]any {
	short, long := []string{}, []string{}
	for _, p := range c.problems {
		short = append(short, fmt.Sprintf("%s [json-pointer:%s]", p.text, p.path))
		long = append(long, fmt.Sprintf("[ERROR] %s [json-pointer:%s]", p.text, p.path))
	}
	return map[string]any{"errors": short, "response_metadata": map[string]any{"messages": long}}
}

// object checks that v is an object that has no other keys than the allowed ones
// and no null values. keys is separated by spaces; a key that ends in ! is required.
func (c *checker) object(path string, v any, keys string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "must be an object")
		return nil
	}
	allowed := map[string]bool{}
	for _, k := range strings.Fields(keys) {
		name, required := strings.CutSuffix(k, "!")
		allowed[name] = true
		if _, there := m[name]; required && !there {
			c.fail(path, "missing required field: %s", name)
		}
	}
	for _, k := range sortedKeys(m) {
		switch {
		case !allowed[k]:
			c.fail(path, "invalid additional property: %s", k)
		case m[k] == nil:
			c.fail(path+"/"+k, "must not be null")
		}
	}
	return m
}

// text checks a string property and its length in characters.
func (c *checker) text(path string, m map[string]any, key string, least, most int) string {
	v, there := m[key]
	if !there {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		c.fail(path+"/"+key, "must be a string")
		return ""
	}
	switch n := utf8.RuneCountInString(s); {
	case n < least:
		c.fail(path+"/"+key, "must be at least %d characters, not %d", least, n)
	case n > most:
		c.fail(path+"/"+key, "must be at most %d characters, not %d", most, n)
	}
	return s
}

func (c *checker) flags(path string, m map[string]any, keys ...string) {
	for _, k := range keys {
		if v, there := m[k]; there {
			if _, ok := v.(bool); !ok {
				c.fail(path+"/"+k, "must be true or false")
			}
		}
	}
}

func (c *checker) oneOf(path string, m map[string]any, key string, values ...string) {
	if v, there := m[key]; there {
		if s, ok := v.(string); !ok || !slices.Contains(values, s) {
			c.fail(path+"/"+key, "must be one of %s", strings.Join(values, ", "))
		}
	}
}

// number checks an integer property.
func (c *checker) number(path string, m map[string]any, key string, least, most int64) int64 {
	v, there := m[key]
	if !there {
		return 0
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if _, ok := v.(json.Number); !ok || err != nil || n < least || n > most {
		c.fail(path+"/"+key, "must be a whole number from %d to %d", least, most)
	}
	return n
}

// list checks an array property and its length.
func (c *checker) list(path string, m map[string]any, key string, least, most int) []any {
	v, there := m[key]
	if !there {
		return nil
	}
	l, ok := v.([]any)
	switch {
	case !ok:
		c.fail(path+"/"+key, "must be an array")
	case len(l) < least:
		c.fail(path+"/"+key, "must have at least %d items, not %d", least, len(l))
	case len(l) > most:
		c.fail(path+"/"+key, "must have at most %d items, not %d", most, len(l))
	}
	return l
}

// plain checks a property that is a plain_text object.
func (c *checker) plain(path string, m map[string]any, key string, most int) {
	if v, there := m[key]; there {
		c.textObject(path+"/"+key, v, most, "plain_text")
	}
}

// either checks a property that is a text object of either kind.
func (c *checker) either(path string, m map[string]any, key string, most int) {
	if v, there := m[key]; there {
		c.textObject(path+"/"+key, v, most, "plain_text", "mrkdwn")
	}
}

func (c *checker) textObject(path string, v any, most int, kinds ...string) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "must be a text object")
		return
	}
	switch kind := str(m, "type"); {
	case !slices.Contains(kinds, kind):
		c.fail(path+"/type", "must be %s, not %q", strings.Join(kinds, " or "), kind)
	case kind == "plain_text":
		c.object(path, v, "type! text! emoji")
		c.flags(path, m, "emoji")
	default:
		c.object(path, v, "type! text! verbatim")
		c.flags(path, m, "verbatim")
	}
	c.text(path, m, "text", 1, most)
}

// blocks checks a list of blocks.
func (c *checker) blocks(path string, list []any, most int) {
	if len(list) > most {
		c.fail(path, "must have at most %d items, not %d", most, len(list))
	}
	for i, v := range list {
		c.block(fmt.Sprintf("%s/%d", path, i), v)
	}
	if c.tables > 1 {
		c.fail(path, "only_one_table_allowed")
	}
	if c.markdown > 12_000 {
		c.fail(path, "markdown blocks have %d characters together, at most 12000 are allowed", c.markdown)
	}
}

func (c *checker) block(path string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "must be an object")
		return
	}
	if id := c.text(path, m, "block_id", 0, 255); id != "" {
		if c.ids[id] {
			c.fail(path+"/block_id", "block_id %q is used twice", id)
		}
		c.ids[id] = true
	}
	kind := str(m, "type")
	switch kind {
	case "section":
		c.object(path, v, "type! block_id text fields accessory expand")
		_, hasText := m["text"]
		if _, hasFields := m["fields"]; !hasText && !hasFields {
			c.fail(path, "must have text or fields")
		}
		c.either(path, m, "text", 3000)
		for i, f := range c.list(path, m, "fields", 1, 10) {
			c.textObject(fmt.Sprintf("%s/fields/%d", path, i), f, 2000, "plain_text", "mrkdwn")
		}
		if a, there := m["accessory"]; there {
			c.element(path+"/accessory", a, "accessory")
		}
		c.flags(path, m, "expand")
	case "divider":
		c.object(path, v, "type! block_id")
	case "header":
		c.object(path, v, "type! block_id text! level")
		c.plain(path, m, "text", 150)
		c.number(path, m, "level", 1, 4)
	case "image":
		c.object(path, v, "type! block_id image_url! alt_text! title")
		c.link(path, m, "image_url")
		c.text(path, m, "alt_text", 1, 2000)
		c.plain(path, m, "title", 2000)
	case "context":
		c.object(path, v, "type! block_id elements!")
		for i, e := range c.list(path, m, "elements", 1, 10) {
			at := fmt.Sprintf("%s/elements/%d", path, i)
			if em, ok := e.(map[string]any); ok && str(em, "type") == "image" {
				c.element(at, e, "context")
			} else {
				c.textObject(at, e, 3000, "plain_text", "mrkdwn")
			}
		}
	case "actions":
		c.object(path, v, "type! block_id elements!")
		seen := map[string]bool{}
		for i, e := range c.list(path, m, "elements", 1, 25) {
			at := fmt.Sprintf("%s/elements/%d", path, i)
			c.element(at, e, "actions")
			if em, ok := e.(map[string]any); ok {
				if id := str(em, "action_id"); id != "" {
					if seen[id] {
						c.fail(at+"/action_id", "action_id %q is used twice in its block", id)
					}
					seen[id] = true
				}
			}
		}
	case "rich_text":
		c.object(path, v, "type! block_id elements!")
		c.richText(path, m)
	case "markdown":
		c.object(path, v, "type! block_id text!")
		c.markdown += utf8.RuneCountInString(c.text(path, m, "text", 1, 12_000))
	case "table":
		if c.surface != "message" {
			c.fail(path, "unsupported type: table")
			return
		}
		c.table(path, m)
	case "input":
		c.inputs++
		c.object(path, v, "type! block_id label! element! hint optional dispatch_action")
		c.plain(path, m, "label", 2000)
		c.plain(path, m, "hint", 2000)
		c.flags(path, m, "optional", "dispatch_action")
		if e, there := m["element"]; there {
			c.element(path+"/element", e, "input")
		}
	case "alert":
		if c.surface != "view" {
			c.fail(path, "unsupported type: alert")
			return
		}
		c.object(path, v, "type! block_id text! level")
		c.either(path, m, "text", 3000)
		c.oneOf(path, m, "level", "default", "info", "warning", "error", "success")
	default:
		c.fail(path, "unsupported type: %s", kind)
	}
}

// link checks an absolute URL of at most 3000 characters.
func (c *checker) link(path string, m map[string]any, key string) {
	s := c.text(path, m, key, 1, 3000)
	if u, err := url.Parse(s); s != "" && (err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "") {
		c.fail(path+"/"+key, "must be a valid URL")
	}
}

// actionTypes are the elements that people use. Slack gives them an action_id
// where the app did not.
var actionTypes = map[string]bool{
	"button": true, "static_select": true, "multi_static_select": true, "users_select": true,
	"multi_users_select":   true,
	"conversations_select": true, "channels_select": true, "overflow": true, "datepicker": true, "timepicker": true,
	"radio_buttons": true, "checkboxes": true, "plain_text_input": true, "number_input": true, "email_text_input": true,
	"url_text_input": true,
}

// element checks an element of a block. place is the kind of block, or "accessory".
func (c *checker) element(path string, v any, place string) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "must be an object")
		return
	}
	c.text(path, m, "action_id", 1, 255)
	c.flags(path, m, "focus_on_load")
	if conf, there := m["confirm"]; there {
		c.confirm(path+"/confirm", conf)
	}
	kind := str(m, "type")
	switch kind {
	case "plain_text_input", "number_input", "email_text_input", "url_text_input", "multi_static_select",
		"multi_users_select":
		if place == "actions" || place == "context" {
			c.fail(path, "unsupported type: %s", kind)
		}
	case "button", "overflow":
		if place == "input" || place == "context" {
			c.fail(path, "unsupported type: %s", kind)
		}
	case "image":
		if place == "actions" || place == "input" {
			c.fail(path, "unsupported type: %s", kind)
		}
	}
	switch kind {
	case "button":
		c.object(path, v, "type! text! action_id url value style confirm accessibility_label")
		c.plain(path, m, "text", 75)
		c.text(path, m, "value", 0, 2000)
		c.text(path, m, "accessibility_label", 1, 75)
		c.oneOf(path, m, "style", "primary", "danger")
		if _, there := m["url"]; there {
			c.link(path, m, "url")
		}
	case "image":
		c.object(path, v, "type! image_url! alt_text!")
		c.link(path, m, "image_url")
		c.text(path, m, "alt_text", 1, 2000)
	case "plain_text_input":
		c.object(path, v,
			"type! action_id placeholder initial_value multiline min_length max_length focus_on_load dispatch_action_config")
		c.plain(path, m, "placeholder", 150)
		c.flags(path, m, "multiline")
		c.text(path, m, "initial_value", 0, 3000)
		least, most := c.number(path, m, "min_length", 0, 3000), c.number(path, m, "max_length", 1, 3000)
		if most > 0 && least > most {
			c.fail(path+"/min_length", "must not be greater than max_length")
		}
	case "number_input":
		c.object(path, v,
			"type! action_id is_decimal_allowed! initial_value min_value max_value placeholder focus_on_load")
		c.plain(path, m, "placeholder", 150)
		c.flags(path, m, "is_decimal_allowed")
	case "email_text_input", "url_text_input":
		c.object(path, v, "type! action_id initial_value placeholder focus_on_load")
		c.plain(path, m, "placeholder", 150)
	case "static_select", "multi_static_select":
		keys := "type! action_id options option_groups placeholder confirm focus_on_load "
		if kind == "static_select" {
			keys += "initial_option"
		} else {
			keys += "initial_options max_selected_items"
		}
		c.object(path, v, keys)
		c.plain(path, m, "placeholder", 150)
		_, plain := m["options"]
		if _, grouped := m["option_groups"]; plain == grouped {
			c.fail(path, "must have either options or option_groups")
		}
		c.options(path, m, 100, "plain_text")
		for i, g := range c.list(path, m, "option_groups", 1, 100) {
			at := fmt.Sprintf("%s/option_groups/%d", path, i)
			if gm := c.object(at, g, "label! options!"); gm != nil {
				c.plain(at, gm, "label", 75)
				c.options(at, gm, 100, "plain_text")
			}
		}
		c.initial(path, m)
	case "overflow":
		c.object(path, v, "type! action_id options! confirm")
		c.options(path, m, 5, "plain_text")
	case "radio_buttons", "checkboxes":
		keys := "type! action_id options! confirm focus_on_load "
		if kind == "radio_buttons" {
			keys += "initial_option"
		} else {
			keys += "initial_options"
		}
		c.object(path, v, keys)
		c.options(path, m, 10, "plain_text", "mrkdwn")
		c.initial(path, m)
	case "users_select", "conversations_select", "channels_select", "multi_users_select":
		c.object(path, v,
			"type! action_id placeholder confirm focus_on_load initial_user initial_users initial_conversation initial_channel "+
				"max_selected_items default_to_current_conversation filter response_url_enabled")
		c.plain(path, m, "placeholder", 150)
	case "datepicker":
		c.object(path, v, "type! action_id initial_date placeholder confirm focus_on_load")
		c.plain(path, m, "placeholder", 150)
	case "timepicker":
		c.object(path, v, "type! action_id initial_time placeholder confirm focus_on_load timezone")
		c.plain(path, m, "placeholder", 150)
	default:
		c.fail(path, "unsupported type: %s", kind)
	}
}

func (c *checker) confirm(path string, v any) {
	m := c.object(path, v, "title! text! confirm! deny style")
	if m == nil {
		return
	}
	c.plain(path, m, "title", 100)
	c.either(path, m, "text", 300)
	c.plain(path, m, "confirm", 30)
	c.plain(path, m, "deny", 30)
	c.oneOf(path, m, "style", "primary", "danger")
}

func (c *checker) options(path string, m map[string]any, most int, kinds ...string) {
	seen := map[string]bool{}
	for i, o := range c.list(path, m, "options", 1, most) {
		at := fmt.Sprintf("%s/options/%d", path, i)
		om := c.object(at, o, "text! value! description url")
		if om == nil {
			continue
		}
		if t, there := om["text"]; there {
			c.textObject(at+"/text", t, 75, kinds...)
		}
		if d, there := om["description"]; there {
			c.textObject(at+"/description", d, 75, kinds...)
		}
		value := c.text(at, om, "value", 1, 150)
		if seen[value] {
			c.fail(at+"/value", "value %q is used twice", value)
		}
		seen[value] = true
	}
}

// initial checks that the initial option is one of the options.
func (c *checker) initial(path string, m map[string]any) {
	offered := optionsOf(m)
	check := func(at string, v any) {
		if !slices.ContainsFunc(offered,
			func(o map[string]any) bool { return string(toJSON(o)) == string(toJSON(v)) }) {
			c.fail(at, "must be one of the options")
		}
	}
	if v, there := m["initial_option"]; there {
		check(path+"/initial_option", v)
	}
	for i, v := range c.list(path, m, "initial_options", 1, 100) {
		check(fmt.Sprintf("%s/initial_options/%d", path, i), v)
	}
}

// optionsOf returns the options of an element, those in groups included.
func optionsOf(element map[string]any) []map[string]any {
	var list []map[string]any
	add := func(m map[string]any) {
		options, _ := m["options"].([]any)
		for _, o := range options {
			if om, ok := o.(map[string]any); ok {
				list = append(list, om)
			}
		}
	}
	add(element)
	groups, _ := element["option_groups"].([]any)
	for _, g := range groups {
		if gm, ok := g.(map[string]any); ok {
			add(gm)
		}
	}
	return list
}

// richText checks the elements of a rich_text block or cell.
func (c *checker) richText(path string, m map[string]any) {
	for i, v := range c.list(path, m, "elements", 1, 1000) {
		at := fmt.Sprintf("%s/elements/%d", path, i)
		em, ok := v.(map[string]any)
		if !ok {
			c.fail(at, "must be an object")
			continue
		}
		switch kind := str(em, "type"); kind {
		case "rich_text_section":
			c.object(at, v, "type! elements!")
			c.inline(at, em)
		case "rich_text_quote", "rich_text_preformatted":
			c.object(at, v, "type! elements! border language")
			c.number(at, em, "border", 0, 1)
			c.inline(at, em)
		case "rich_text_list":
			c.object(at, v, "type! elements! style! indent offset border")
			c.oneOf(at, em, "style", "bullet", "ordered")
			c.number(at, em, "indent", 0, 8)
			c.number(at, em, "offset", 0, 1<<31)
			c.number(at, em, "border", 0, 1)
			for j, item := range c.list(at, em, "elements", 1, 1000) {
				in := fmt.Sprintf("%s/elements/%d", at, j)
				if im := c.object(in, item, "type! elements!"); im != nil {
					c.oneOf(in, im, "type", "rich_text_section")
					c.inline(in, im)
				}
			}
		default:
			c.fail(at, "unsupported type: %s", kind)
		}
	}
}

// inline checks the elements of a line of rich text.
func (c *checker) inline(path string, m map[string]any) {
	for i, v := range c.list(path, m, "elements", 0, 1000) {
		at := fmt.Sprintf("%s/elements/%d", path, i)
		em, ok := v.(map[string]any)
		if !ok {
			c.fail(at, "must be an object")
			continue
		}
		if style, there := em["style"]; there {
			if sm := c.object(at+"/style", style,
				"bold italic strike code underline highlight client_highlight unlink"); sm != nil {
				c.flags(at+"/style", sm, slices.Collect(maps.Keys(sm))...)
			}
		}
		switch kind := str(em, "type"); kind {
		case "text":
			c.object(at, v, "type! text! style")
			c.text(at, em, "text", 1, 40_000)
		case "link":
			c.object(at, v, "type! url! text unsafe style")
			c.link(at, em, "url")
		case "user":
			c.object(at, v, "type! user_id! style")
			c.text(at, em, "user_id", 1, 255)
		case "usergroup":
			c.object(at, v, "type! usergroup_id! style")
			c.text(at, em, "usergroup_id", 1, 255)
		case "channel":
			c.object(at, v, "type! channel_id! style")
			c.text(at, em, "channel_id", 1, 255)
		case "emoji":
			c.object(at, v, "type! name! unicode skin_tone style")
		case "broadcast":
			c.object(at, v, "type! range! style")
			c.oneOf(at, em, "range", "here", "channel", "everyone")
		case "date":
			c.object(at, v, "type! timestamp! format! url fallback timezone style")
			if !strings.Contains(str(em, "format"), "{") {
				c.fail(at+"/format", "must have at least one token in braces")
			}
			if _, err := strconv.ParseInt(fmt.Sprint(em["timestamp"]), 10, 64); err != nil {
				c.fail(at+"/timestamp", "must be a whole number of seconds")
			}
		case "color":
			c.object(at, v, "type! value! style")
		default:
			c.fail(at, "unsupported type: %s", kind)
		}
	}
}

func (c *checker) table(path string, m map[string]any) {
	c.tables++
	c.object(path, m, "type! block_id rows! column_settings")
	for i, v := range c.list(path, m, "column_settings", 1, 20) {
		at := fmt.Sprintf("%s/column_settings/%d", path, i)
		if v == nil {
			continue // leaves a column as it is
		}
		if sm := c.object(at, v, "align is_wrapped"); sm != nil {
			c.oneOf(at, sm, "align", "left", "center", "right", "")
			c.flags(at, sm, "is_wrapped")
		}
	}
	total := 0
	for i, v := range c.list(path, m, "rows", 1, 100) {
		at := fmt.Sprintf("%s/rows/%d", path, i)
		row, ok := v.([]any)
		switch {
		case !ok:
			c.fail(at, "must be an array")
		case len(row) == 0:
			c.fail(at, "must have at least 1 item, not 0")
		case len(row) > 20:
			c.fail(at, "must have at most 20 items, not %d", len(row))
		}
		for j, cell := range row {
			in := fmt.Sprintf("%s/%d", at, j)
			cm, ok := cell.(map[string]any)
			if !ok {
				c.fail(in, "must be an object")
				continue
			}
			switch kind := str(cm, "type"); kind {
			case "raw_text":
				c.object(in, cell, "type! text!")
				total += utf8.RuneCountInString(c.text(in, cm, "text", 1, 10_000))
			case "rich_text":
				c.object(in, cell, "type! elements!")
				c.richText(in, cm)
				walk(cm, func(e map[string]any) { total += utf8.RuneCountInString(str(e, "text")) })
			default:
				c.fail(in, "unsupported type: %s", kind)
			}
		}
	}
	if total > 10_000 {
		c.fail(path, "the cells of all tables have %d characters together, at most 10000 are allowed", total)
	}
}
