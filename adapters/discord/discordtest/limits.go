package discordtest

// This file checks bodies against Discord's limits: messages, embeds, components, forms, commands,
// choices and threads. Each error has Discord's code and the path of the field.

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Message flags.
const (
	flagSuppressEmbeds        int64 = 1 << 2
	flagHasThread             int64 = 1 << 5
	flagEphemeral             int64 = 1 << 6
	flagLoading               int64 = 1 << 7
	flagSuppressNotifications int64 = 1 << 12
	flagVoice                 int64 = 1 << 13
	flagComponentsV2          int64 = 1 << 15
)

// Component types.
const (
	typeRow         = 1
	typeButton      = 2
	typeSelect      = 3
	typeInput       = 4
	typeLastSelect  = 8
	typeSection     = 9
	typeText        = 10
	typeThumbnail   = 11
	typeGallery     = 12
	typeFile        = 13
	typeSeparator   = 14
	typeContainer   = 17
	typeLabel       = 18
	maxText         = 4000  // characters over all text displays
	maxTextBytes    = 10158 // UTF-8 bytes over all text displays: above, Discord answers 500
	maxComponents   = 40
	maxEmbedSum     = 6000
	maxContent      = 2000
	maxCustomID     = 100
	maxCommandChars = 8000
)

func length(s string) int { return utf8.RuneCountInString(s) }

// text checks an optional string and returns it.
func (f *form) text(o object, path, key string, least, most int) string {
	v, ok := o[key]
	if !ok || v == nil {
		if least > 0 {
			f.add(join(path, key), "BASE_TYPE_REQUIRED", "This field is required")
		}
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.add(join(path, key), "STRING_TYPE_CONVERT", "Could not interpret the value as string.")
		return ""
	}
	if least > 0 && strings.TrimSpace(s) == "" {
		f.add(join(path, key), "BASE_TYPE_REQUIRED", "This field is required")
	} else if n := length(s); n < least || n > most {
		f.add(join(path, key), "BASE_TYPE_BAD_LENGTH", fmt.Sprintf("Must be between %d and %d in length.", least, most))
	}
	return s
}

// integer checks an optional whole number and returns it.
func (f *form) integer(o object, path, key string, least, most int64) (int64, bool) {
	v, ok := o[key]
	if !ok || v == nil {
		return 0, false
	}
	n, ok := num(o, key)
	if !ok {
		f.add(join(path, key), "NUMBER_TYPE_COERCE", fmt.Sprintf("Value %q is not int.", fmt.Sprint(v)))
		return 0, false
	}
	if n < least || n > most {
		f.add(join(path, key), "NUMBER_TYPE_MAX", fmt.Sprintf("int value should be between %d and %d.", least, most))
		return n, false
	}
	return n, true
}

func (f *form) boolean(o object, path, key string) bool {
	v, ok := o[key]
	if !ok || v == nil {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		f.add(join(path, key), "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
	}
	return b
}

func (f *form) objects(o object, path, key string, most int) []object {
	v, ok := o[key]
	if !ok || v == nil {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		f.add(join(path, key), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
		return nil
	}
	if len(l) > most {
		f.add(join(path, key), "BASE_TYPE_BAD_LENGTH", fmt.Sprintf("Must be between 0 and %d in length.", most))
	}
	all := make([]object, 0, len(l))
	for i, v := range l {
		x, ok := v.(object)
		if !ok {
			f.add(join(path, key, i), "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
			x = object{}
		}
		all = append(all, x)
	}
	return all
}

func (f *form) link(o object, path, key string, most int) {
	s := f.text(o, path, key, 0, most)
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" && u.Scheme != "attachment" ||
		!slices.Contains([]string{"http", "https", "discord", "attachment"}, u.Scheme) {
		f.add(join(path, key), "URL_TYPE_INVALID_URL", "Not a well formed URL.")
	}
}

// checkMessage checks the keys of a message body that are present. checkWhole checks what depends
// on the whole message after the change.
func (f *form) checkMessage(o object, path string) {
	if s := f.text(o, path, "content", 0, 1<<30); length(strings.TrimSpace(s)) > maxContent {
		f.add(join(path, "content"), "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
	}
	f.integer(o, path, "flags", 0, 1<<53)
	f.boolean(o, path, "tts")
	f.boolean(o, path, "enforce_nonce")
	switch n := o["nonce"].(type) {
	case nil, json.Number:
	case string:
		if length(n) > 25 {
			f.add(join(path, "nonce"), "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
		}
	default:
		f.add(join(path, "nonce"), "NONCE_TYPE", "Must be an integer or a string.")
	}
	f.checkEmbeds(o, path)
	f.checkAllowed(o, path)
	f.objects(o, path, "components", maxComponents)
	f.objects(o, path, "attachments", 10)
}

func (f *form) checkEmbeds(o object, path string) {
	sum := 0
	count := func(s string) { sum += length(strings.TrimSpace(s)) }
	for i, e := range f.objects(o, path, "embeds", 10) {
		at := join(path, "embeds", i)
		count(f.text(e, at, "title", 0, 256))
		count(f.text(e, at, "description", 0, 4096))
		f.link(e, at, "url", 2048)
		f.integer(e, at, "color", 0, 1<<24-1)
		if s := f.text(e, at, "timestamp", 0, 100); s != "" {
			if _, err := time.Parse(time.RFC3339, s); err != nil {
				f.add(join(at, "timestamp"), "DATETIME_TYPE_BAD_FORMAT",
					"Could not parse \""+s+"\". Should be ISO8601.")
			}
		}
		for j, x := range f.objects(e, at, "fields", 25) {
			count(f.text(x, join(at, "fields", j), "name", 1, 256))
			count(f.text(x, join(at, "fields", j), "value", 1, 1024))
			f.boolean(x, join(at, "fields", j), "inline")
		}
		if x := sub(e, "footer"); x != nil {
			count(f.text(x, join(at, "footer"), "text", 1, 2048))
		}
		if x := sub(e, "author"); x != nil {
			count(f.text(x, join(at, "author"), "name", 1, 256))
			f.link(x, join(at, "author"), "url", 2048)
		}
	}
	if sum > maxEmbedSum {
		f.add(join(path, "embeds"), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
	}
}

func (f *form) checkAllowed(o object, path string) {
	v, ok := o["allowed_mentions"]
	if !ok || v == nil {
		return
	}
	path = join(path, "allowed_mentions")
	a, ok := v.(object)
	if !ok {
		f.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
		return
	}
	set := func(key string, most int) []string {
		var out []string
		l, ok := a[key].([]any)
		if !ok && a[key] != nil {
			f.add(join(path, key), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
		}
		for i, v := range l {
			s, ok := v.(string)
			if !ok || key != "parse" && !isSnowflake(s) || key == "parse" &&
				!slices.Contains([]string{"users", "roles", "everyone"}, s) {
				f.add(join(path, key, i), "BASE_TYPE_CHOICES", fmt.Sprintf("Value %q is not allowed.", fmt.Sprint(v)))
			}
			if slices.Contains(out, s) {
				f.add(join(path, key), "SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value")
			}
			out = append(out, s)
		}
		if len(l) > most {
			f.add(join(path, key), "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", most))
		}
		return out
	}
	parse := set("parse", 3)
	for _, key := range []string{"users", "roles"} {
		if len(set(key, 100)) > 0 && slices.Contains(parse, key) {
			f.add(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
				"parse:[\""+key+"\"] and "+key+": [ids...] are mutually exclusive.")
		}
	}
	f.boolean(a, path, "replied_user")
}

// checkWhole checks a message after a change: content, embeds and components together.
func (f *form) checkWhole(path string, content string, embeds, components []any, flags int64) {
	if flags&flagComponentsV2 == 0 {
		f.checkRows(path, components)
		return
	}
	if content != "" {
		f.add(join(path, "content"), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
			"The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2")
	}
	if len(embeds) > 0 {
		f.add(join(path, "embeds"), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
			"The 'embeds' field cannot be used when using MessageFlags.IS_COMPONENTS_V2")
	}
	c := components2{form: f}
	for i, o := range objects(components) {
		c.check(join(path, "components", i), o, 0)
	}
	at := join(path, "components")
	if c.count > maxComponents {
		f.add(at, "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", fmt.Sprintf("Total number of components cannot exceed %d",
			maxComponents))
	}
	if c.chars > maxText {
		f.add(at, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
			fmt.Sprintf("The total size of displayable text cannot exceed %d", maxText))
	} else if c.bytes > maxTextBytes {
		f.server = true
	}
}

// checkRows checks components of a message without IS_COMPONENTS_V2: only action rows are allowed.
func (f *form) checkRows(path string, components []any) {
	if len(components) > 5 {
		f.add(join(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 5 in length.")
	}
	c := components2{form: f}
	for i, o := range objects(components) {
		at := join(path, "components", i)
		if n, ok := num(o, "type"); !ok || n != typeRow {
			f.add(join(at, "type"), "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).")
			continue
		}
		c.check(at, o, 0)
	}
}

// components2 checks the components of one message or form, and counts them and their text.
type components2 struct {
	*form
	count, chars, bytes int
	custom              []string
	ids                 []int64
}

// check checks one component inside a parent type (0: top level).
func (c *components2) check(path string, o object, parent int64) {
	c.count++
	kind, ok := num(o, "type")
	if !ok {
		c.add(join(path, "type"), "BASE_TYPE_REQUIRED", "This field is required")
		return
	}
	if id, ok := c.integer(o, path, "id", 0, 1<<31-1); ok && id > 0 {
		if slices.Contains(c.ids, id) {
			c.add(join(path, "id"), "COMPONENT_ID_DUPLICATED", "Component id cannot be duplicated")
		}
		c.ids = append(c.ids, id)
	}
	allowed := map[int64][]int64{
		0:             {typeRow, typeSection, typeText, typeGallery, typeFile, typeSeparator, typeContainer},
		typeContainer: {typeRow, typeSection, typeText, typeGallery, typeFile, typeSeparator},
		typeRow:       {typeButton, typeSelect, 5, 6, 7, typeLastSelect},
		typeSection:   {typeText},
	}
	if !slices.Contains(allowed[parent], kind) {
		c.add(join(path, "type"), "UNION_TYPE_CHOICES", fmt.Sprintf("Component type %d is not allowed here.", kind))
		return
	}
	switch kind {
	case typeRow:
		children := c.objects(o, path, "components", 5)
		if len(children) == 0 {
			c.add(join(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
		}
		width := 0
		for i, x := range children {
			if k := integer(x, "type"); k >= typeSelect && k <= typeLastSelect {
				width += 5
			} else {
				width++
			}
			c.check(join(path, "components", i), x, typeRow)
		}
		if width > 5 && len(children) <= 5 {
			c.add(path, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width")
		}
	case typeButton:
		c.button(path, o)
	case typeSection:
		children := c.objects(o, path, "components", 3)
		if len(children) == 0 {
			c.add(join(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 3 in length.")
		}
		for i, x := range children {
			c.check(join(path, "components", i), x, typeSection)
		}
		a := sub(o, "accessory")
		switch integer(a, "type") {
		case typeButton:
			c.count++
			c.button(join(path, "accessory"), a)
		case typeThumbnail:
			c.count++
		default:
			c.add(join(path, "accessory"), "BASE_TYPE_REQUIRED", "This field is required")
		}
	case typeText:
		s := c.text(o, path, "content", 1, maxText)
		c.chars += length(s)
		c.bytes += len(s)
	case typeContainer:
		children := c.objects(o, path, "components", maxComponents)
		if len(children) == 0 {
			c.add(join(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 40 in length.")
		}
		for i, x := range children {
			c.check(join(path, "components", i), x, typeContainer)
		}
	case typeSelect, 5, 6, 7, typeLastSelect:
		c.customID(path, o)
		c.text(o, path, "placeholder", 0, 150)
		options := c.objects(o, path, "options", 25)
		if kind == typeSelect && len(options) == 0 {
			c.add(join(path, "options"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.")
		}
		var values []string
		for i, x := range options {
			at := join(path, "options", i)
			c.text(x, at, "label", 1, 100)
			c.text(x, at, "description", 0, 100)
			v := c.text(x, at, "value", 1, 100)
			if slices.Contains(values, v) {
				c.add(join(at, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
					"The specified option value is already used")
			}
			values = append(values, v)
		}
	}
}

func (c *components2) customID(path string, o object) {
	id := c.text(o, path, "custom_id", 1, maxCustomID)
	if id != "" && slices.Contains(c.custom, id) {
		c.add(join(path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
	}
	c.custom = append(c.custom, id)
}

func (c *components2) button(path string, o object) {
	style, ok := c.integer(o, path, "style", 1, 6)
	if !ok {
		if o["style"] == nil {
			c.add(join(path, "style"), "BASE_TYPE_REQUIRED", "This field is required")
		}
		return
	}
	label := c.text(o, path, "label", 0, 80)
	c.boolean(o, path, "disabled")
	switch style {
	case 5:
		if str(o, "url") == "" {
			c.add(join(path, "url"), "BUTTON_COMPONENT_URL_REQUIRED", "A url is required for a link button")
		}
		c.link(o, path, "url", 512)
		if str(o, "custom_id") != "" {
			c.add(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
				"A custom id and url cannot both be specified")
		}
	case 6:
		c.text(o, path, "sku_id", 1, 20)
		return
	default:
		c.customID(path, o)
		if str(o, "url") != "" {
			c.add(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
				"A custom id and url cannot both be specified")
		}
	}
	if strings.TrimSpace(label) == "" && sub(o, "emoji") == nil {
		c.add(path, "BUTTON_COMPONENT_INVALID_LABEL_EMOJI", "A label or emoji is required")
	}
}

// checkModal checks the data of a callback of type 9.
func (f *form) checkModal(o object, path string) {
	f.text(o, path, "custom_id", 1, maxCustomID)
	f.text(o, path, "title", 1, 45)
	rows := f.objects(o, path, "components", 5)
	if len(rows) == 0 {
		f.add(join(path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
	}
	c := components2{form: f}
	inputs := 0
	for i, row := range rows {
		at := join(path, "components", i)
		switch integer(row, "type") {
		case typeRow:
			children := f.objects(row, at, "components", 1)
			if len(children) != 1 {
				f.add(join(at, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 1 in length.")
				continue
			}
			f.text(children[0], join(at, "components", 0), "label", 1, 45)
			c.input(join(at, "components", 0), children[0])
			inputs++
		case typeLabel:
			f.text(row, at, "label", 1, 45)
			f.text(row, at, "description", 0, 100)
			c.input(join(at, "component"), sub(row, "component"))
			if str(sub(row, "component"), "label") != "" {
				f.add(join(at, "component", "label"), "LABEL_COMPONENT_LABEL",
					"A text input inside a label has no label")
			}
			inputs++
		case typeText:
			f.text(row, at, "content", 1, maxText)
		default:
			f.add(join(at, "type"), "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1, 10, 18).")
		}
	}
	if inputs == 0 && len(rows) > 0 {
		f.add(join(path, "components"), "MODAL_WITHOUT_INPUT", "A modal needs at least one input")
	}
}

func (c *components2) input(path string, o object) {
	if integer(o, "type") != typeInput {
		c.add(join(path, "type"), "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (4,).")
		return
	}
	c.customID(path, o)
	if _, ok := c.integer(o, path, "style", 1, 2); !ok {
		c.add(join(path, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
	}
	least, _ := c.integer(o, path, "min_length", 0, 4000)
	most, ok := c.integer(o, path, "max_length", 1, 4000)
	if !ok {
		most = 4000
	}
	if least > most {
		c.add(path, "TEXT_INPUT_LENGTH", "min_length is more than max_length")
	}
	c.text(o, path, "value", 0, int(most))
	c.text(o, path, "placeholder", 0, 100)
	c.boolean(o, path, "required")
}

// checkChoices checks the data of a callback of type 8.
func (f *form) checkChoices(o object, path string) {
	if o["choices"] == nil {
		f.add(join(path, "choices"), "BASE_TYPE_REQUIRED", "This field is required")
	}
	for i, c := range f.objects(o, path, "choices", 25) {
		f.choice(c, join(path, "choices", i), 0)
	}
}

// choice checks a choice of an option; kind 0 accepts text and numbers.
func (f *form) choice(o object, path string, kind int64) {
	f.text(o, path, "name", 1, 100)
	switch v := o["value"].(type) {
	case string:
		if kind == 4 || kind == 10 {
			f.add(join(path, "value"), "NUMBER_TYPE_COERCE", "Value is not a number.")
		} else if n := length(v); n < 1 || n > 100 {
			f.add(join(path, "value"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
		}
	case json.Number:
		if kind == 3 {
			f.add(join(path, "value"), "STRING_TYPE_CONVERT", "Could not interpret the value as string.")
		}
	default:
		f.add(join(path, "value"), "BASE_TYPE_REQUIRED", "This field is required")
	}
}

var commandName = regexp.MustCompile(`^[-_'\p{L}\p{N}\p{Devanagari}\p{Thai}]{1,32}$`)

func (f *form) commandName(o object, path string) string {
	s := f.text(o, path, "name", 1, 32)
	if s != "" && (!commandName.MatchString(s) || strings.ContainsFunc(s,
		func(r rune) bool { return unicode.ToLower(r) != r })) {
		f.add(join(path, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
	}
	for locale, v := range sub(o, "name_localizations") {
		if s, ok := v.(string); !ok || !commandName.MatchString(s) {
			f.add(join(path, "name_localizations", locale), "APPLICATION_COMMAND_INVALID_NAME",
				"Command name is invalid")
		}
	}
	return s
}

// checkCommands checks the list of a bulk overwrite.
func (f *form) checkCommands(cmds []any) {
	if len(cmds) > 100 {
		f.add("", "APPLICATION_COMMANDS_MAX", "Maximum number of application commands reached (100)")
	}
	var names []string
	for i, v := range cmds {
		path := join("", i)
		o, ok := v.(object)
		if !ok {
			f.add(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
			continue
		}
		if kind, ok := num(o, "type"); ok && kind != 1 {
			f.text(o, path, "name", 1, 32) // of user and message commands
			continue
		}
		name := f.commandName(o, path)
		if slices.Contains(names, name) {
			f.add(join(path, "name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
		}
		names = append(names, name)
		f.text(o, path, "description", 1, 100)
		switch p := o["default_member_permissions"].(type) {
		case nil:
		case string:
			if !isSnowflake(p) {
				f.add(join(path, "default_member_permissions"), "PERMISSIONS", "Must be a decimal number in a string.")
			}
		default:
			f.add(join(path, "default_member_permissions"), "STRING_TYPE_CONVERT",
				"Could not interpret the value as string.")
		}
		for _, v := range list(o, "contexts") {
			if n, ok := v.(json.Number); !ok || !slices.Contains([]string{"0", "1", "2"}, n.String()) {
				f.add(join(path, "contexts"), "BASE_TYPE_CHOICES", "Value must be one of (0, 1, 2).")
			}
		}
		f.options(o, path, 0)
		if n := commandChars(o); n > maxCommandChars {
			f.add(path, "APPLICATION_COMMAND_TOO_LARGE", fmt.Sprintf("Command exceeds maximum size (%d)",
				maxCommandChars))
		}
	}
}

// options checks the options of a command or subcommand; depth 0 is the command itself.
func (f *form) options(o object, path string, depth int) {
	var names []string
	optional, subs, plain := false, 0, 0
	for i, x := range f.objects(o, path, "options", 25) {
		at := join(path, "options", i)
		name := f.commandName(x, at)
		if slices.Contains(names, name) {
			f.add(join(at, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
		}
		names = append(names, name)
		f.text(x, at, "description", 1, 100)
		kind, ok := f.integer(x, at, "type", 1, 11)
		if !ok {
			f.add(join(at, "type"), "BASE_TYPE_REQUIRED", "This field is required")
			continue
		}
		if kind <= 2 {
			subs++
			if depth >= 2 || kind == 2 && depth >= 1 || kind == 1 && depth == 2 {
				f.add(join(at, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command nesting is invalid")
			}
			if kind == 2 {
				f.options(x, at, 1)
			} else {
				f.options(x, at, 2)
			}
			continue
		}
		plain++
		if depth == 1 {
			f.add(join(at, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
				"Sub-command groups can only contain sub-commands")
		}
		if !f.boolean(x, at, "required") {
			optional = true
		} else if optional {
			f.add(join(at, "required"), "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
				"Required options must be placed before non-required options")
		}
		choices := f.objects(x, at, "choices", 25)
		var texts []string
		for j, c := range choices {
			f.choice(c, join(at, "choices", j), kind)
			if n := str(c, "name"); slices.Contains(texts, n) {
				f.add(join(at, "choices", j), "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_EXISTS",
					"Choice name already exists")
			} else {
				texts = append(texts, n)
			}
		}
		if len(choices) > 0 && kind != 3 && kind != 4 && kind != 10 {
			f.add(join(at, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID",
				"Choices are for string, integer and number options")
		}
		if f.boolean(x, at, "autocomplete") && (len(choices) > 0 || kind != 3 && kind != 4 && kind != 10) {
			f.add(join(at, "autocomplete"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_INVALID",
				"Autocomplete and choices exclude each other")
		}
		least, _ := f.integer(x, at, "min_length", 0, 6000)
		if most, ok := f.integer(x, at, "max_length", 1, 6000); ok && least > most {
			f.add(at, "APPLICATION_COMMAND_OPTIONS_LENGTH", "min_length is more than max_length")
		}
	}
	if subs > 0 && plain > 0 {
		f.add(join(path, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
			"Sub-commands and other options exclude each other")
	}
}

// commandChars sums name, description and choices of a command, each in its longest localization.
func commandChars(o object) int {
	longest := func(key string) int {
		n := length(str(o, key))
		for _, v := range sub(o, key+"_localizations") {
			if s, ok := v.(string); ok {
				n = max(n, length(s))
			}
		}
		return n
	}
	sum := longest("name") + longest("description")
	if s, ok := o["value"].(string); ok {
		sum += length(s)
	}
	for _, key := range []string{"options", "choices"} {
		for _, x := range objects(list(o, key)) {
			sum += commandChars(x)
		}
	}
	return sum
}

// checkThread checks the body of a new thread.
func (f *form) checkThread(o object) {
	f.text(o, "", "name", 1, 100)
	f.archive(o)
	f.integer(o, "", "rate_limit_per_user", 0, 21600)
}

func (f *form) archive(o object) {
	n, ok := num(o, "auto_archive_duration")
	if !ok && o["auto_archive_duration"] == nil {
		return
	}
	if !ok || !slices.Contains([]int64{60, 1440, 4320, 10080}, n) {
		f.add("auto_archive_duration", "BASE_TYPE_CHOICES", "Value must be one of {60, 1440, 4320, 10080}.")
	}
}
