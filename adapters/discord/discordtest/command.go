package discordtest

// This file has the commands of the application: their registration, and the data that the client
// builds from what a person typed. The client refuses what Discord's client would refuse.

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Option is a value that a person filled in for an option of a command, or its subcommand.
type Option struct {
	Name  string
	Value any // string (also a snowflake for user, role and channel options), int, int64, float64, bool

	// Sub, when set, names the subcommand; Name and Value are then unused.
	Sub string
}

// Sub returns an option that names the subcommand.
func Sub(name string) Option { return Option{Sub: name} }

// Opt returns an option with its value.
func Opt(name string, value any) Option { return Option{Name: name, Value: value} }

func (g *Guild) getCommands(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, err := g.commandList(q)
	if err != nil {
		return 0, nil, err
	}
	all := []any{}
	for _, c := range *l {
		all = append(all, copyJSON(c))
	}
	return 200, all, nil
}

func (g *Guild) commandList(q *request) (*[]object, *apiError) {
	if q.args["application_id"] != g.ApplicationID {
		return nil, fail(http.StatusForbidden, 20012)
	}
	if id, ok := q.args["guild_id"]; !ok {
		return &g.global, nil
	} else if id != g.ID || g.kicked {
		return nil, fail(http.StatusForbidden, 50001)
	}
	return &g.commands, nil
}

const commandKeys = "id type name name_localizations description description_localizations options default_member_permissions dm_permission contexts integration_types nsfw handler " +
	"default_permission application_id guild_id version"

// putCommands overwrites all commands of a scope. A command whose name is new counts as a create.
func (g *Guild) putCommands(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, err := g.commandList(q)
	if err != nil {
		return 0, nil, err
	}
	cmds, ok := q.body.([]any)
	if !ok {
		f := form{}
		f.add("", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
		return 0, nil, f.err()
	}
	for _, o := range objects(cmds) {
		g.noteUnknown("PUT "+q.route, o, commandKeys)
	}
	f := form{}
	f.checkCommands(cmds)
	if err := f.err(); err != nil {
		return 0, nil, err
	}
	now := time.Now()
	g.creates = slices.DeleteFunc(g.creates, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	var next []object
	creates := g.creates
	for _, o := range objects(cmds) {
		o = copyJSON(o).(object)
		old := slices.IndexFunc(*l,
			func(c object) bool { return str(c, "name") == str(o, "name") && kindOf(c) == kindOf(o) })
		if old >= 0 {
			o["id"] = (*l)[old]["id"]
		} else {
			o["id"] = g.snowflake()
			creates = append(creates, now)
		}
		o["application_id"], o["version"], o["type"] = g.ApplicationID, g.snowflake(), kindOf(o)
		if id, ok := q.args["guild_id"]; ok {
			o["guild_id"] = id
		}
		next = append(next, o)
	}
	if len(creates) > g.CreatesADay {
		return 0, nil, fail(http.StatusBadRequest, 30034)
	}
	*l, g.creates = next, creates
	g.bump()
	answer := []any{}
	for _, o := range next {
		answer = append(answer, copyJSON(o))
	}
	return 200, answer, nil
}

func kindOf(o object) int64 {
	if n, ok := num(o, "type"); ok {
		return n
	}
	return 1
}

// Commands returns the names of the registered commands, those of the guild first. A command with
// subcommands has one name for each, such as "recalls list".
func (g *Guild) Commands() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, c := range slices.Concat(g.commands, g.global) {
		plain := true
		for _, o := range objects(list(c, "options")) {
			if integer(o, "type") <= 2 {
				plain = false
				all = append(all, str(c, "name")+" "+str(o, "name"))
			}
		}
		if plain {
			all = append(all, str(c, "name"))
		}
	}
	return all
}

// Creates returns how many commands were created in the last 24 h.
func (g *Guild) Creates() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, t := range g.creates {
		if time.Since(t) < 24*time.Hour {
			n++
		}
	}
	return n
}

// ErrClient is wrapped by the error of an Interaction that Discord's client would not have sent:
// the command or option does not exist, the client does not accept the value, the button does not
// exist or is disabled.
var ErrClient = errors.New("discordtest: the client does not let this through")

func clientError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrClient, fmt.Sprintf(format, args...))
}

// fill builds the interaction's data from what a person typed, as the client does. focused, when
// set, is the option that is being typed; other required options may then be missing. Callers hold
// g.mu.
func (g *Guild) fill(member *Member, name string, options []Option, focused string) (object, error) {
	name, subName, _ := strings.Cut(name, " ")
	options = slices.DeleteFunc(slices.Clone(options), func(o Option) bool {
		if o.Sub != "" {
			subName = o.Sub
		}
		return o.Sub != ""
	})
	var cmd object
	for _, c := range slices.Concat(g.commands, g.global) {
		if str(c, "name") == name && kindOf(c) == 1 {
			cmd = c
			break
		}
	}
	if cmd == nil {
		return nil, clientError("no command /%s is registered", name)
	}
	if s, ok := cmd["default_member_permissions"].(string); ok && member != nil {
		need, _ := strconv.ParseInt(s, 10, 64)
		if p := g.permissionsOf(member); p != allPermissions && (need == 0 || p&need != need) {
			return nil, clientError("/%s is not shown to %s", name, member.Name)
		}
	}
	data := object{"id": cmd["id"], "name": name, "type": 1}
	if cmd["guild_id"] != nil {
		data["guild_id"] = cmd["guild_id"]
	}
	at, parents := cmd, []object{data}
	for word := range strings.FieldsSeq(subName) {
		next := option(at, word)
		if next == nil || integer(next, "type") > 2 {
			return nil, clientError("/%s has no subcommand %q", name, word)
		}
		o := object{"type": integer(next, "type"), "name": word}
		last := parents[len(parents)-1]
		last["options"] = []any{o}
		at, parents = next, append(parents, o)
	}
	for _, o := range objects(list(at, "options")) {
		if integer(o, "type") <= 2 {
			return nil, clientError("/%s needs a subcommand", name)
		}
	}
	filled, resolved := []any{}, object{}
	for _, given := range options {
		def := option(at, given.Name)
		if def == nil {
			return nil, clientError("/%s has no option %q", name, given.Name)
		}
		o := object{"name": given.Name, "type": integer(def, "type")}
		if given.Name == focused {
			o["focused"] = true
			o["value"] = given.Value
			if !flag(def, "autocomplete") {
				return nil, clientError("option %q of /%s has no autocomplete", given.Name, name)
			}
		} else {
			v, err := g.value(def, given.Value)
			if err != nil {
				return nil, err
			}
			o["value"] = v
			g.resolve(resolved, o)
		}
		filled = append(filled, o)
	}
	for _, def := range objects(list(at, "options")) {
		given := slices.ContainsFunc(options, func(o Option) bool { return o.Name == str(def, "name") })
		if flag(def, "required") && !given && focused == "" {
			return nil, clientError("option %q of /%s is required", str(def, "name"), name)
		}
	}
	last := parents[len(parents)-1]
	if len(filled) > 0 || len(parents) > 1 {
		last["options"] = filled
	}
	if len(resolved) > 0 {
		data["resolved"] = resolved
	}
	return data, nil
}

func option(o object, name string) object {
	for _, x := range objects(list(o, "options")) {
		if str(x, "name") == name {
			return x
		}
	}
	return nil
}

// value checks and converts one filled option. Callers hold g.mu.
func (g *Guild) value(def object, v any) (any, error) {
	name := str(def, "name")
	choices := list(def, "choices")
	allowed := func(v string) error {
		for _, c := range objects(choices) {
			if fmt.Sprint(c["value"]) == v {
				return nil
			}
		}
		if len(choices) > 0 {
			return clientError("option %q has no choice %q", name, v)
		}
		return nil
	}
	switch kind := integer(def, "type"); kind {
	case 3:
		s, ok := v.(string)
		if !ok {
			return nil, clientError("option %q takes text", name)
		}
		if s = g.rewrite(s); s == "" {
			return nil, clientError("option %q is empty", name)
		}
		n := int64(length(s))
		if least, ok := num(def, "min_length"); ok && n < least {
			return nil, clientError("option %q takes at least %d characters", name, least)
		}
		most, ok := num(def, "max_length")
		if !ok {
			most = 6000
		}
		if n > most {
			return nil, clientError("option %q takes at most %d characters", name, most)
		}
		return s, allowed(s)
	case 4, 10:
		var x float64
		switch n := v.(type) {
		case int:
			x = float64(n)
		case int64:
			x = float64(n)
		case float64:
			x = n
		default:
			return nil, clientError("option %q takes a number", name)
		}
		if kind == 4 && (x != float64(int64(x)) || x > 1<<53 || x < -1<<53) {
			return nil, clientError("option %q takes a whole number of at most 53 bits", name)
		}
		for key, wrong := range map[string]func(float64) bool{
			"min_value": func(m float64) bool { return x < m },
			"max_value": func(m float64) bool { return x > m },
		} {
			if j, ok := def[key].(json.Number); ok {
				if m, err := j.Float64(); err == nil && wrong(m) {
					return nil, clientError("option %q: %s is %v", name, key, j)
				}
			}
		}
		if kind == 4 {
			return int64(x), allowed(strconv.FormatInt(int64(x), 10))
		}
		return x, allowed(strconv.FormatFloat(x, 'f', -1, 64))
	case 5:
		if _, ok := v.(bool); !ok {
			return nil, clientError("option %q takes true or false", name)
		}
		return v, nil
	default:
		s, ok := v.(string)
		if !ok || !isSnowflake(s) {
			return nil, clientError("option %q takes an id", name)
		}
		return s, nil
	}
}

// rewrite returns what the client makes of typed text. @name and #name become mentions when such a
// member, role or channel exists, the longest name first. Outer spaces are removed. Callers hold
// g.mu.
func (g *Guild) rewrite(s string) string {
	s = strings.TrimSpace(s)
	if g.KeepMentionsLiteral {
		return s
	}
	type name struct{ text, mention string }
	var names []name
	for _, id := range g.roleOrder {
		names = append(names, name{"@" + g.roles[id].Name, "<@&" + id + ">"})
	}
	for _, id := range g.memberOrder {
		names = append(names, name{"@" + g.members[id].Name, "<@" + id + ">"})
	}
	for _, id := range slices.Sorted(keys(g.channels)) {
		if !g.channels[id].isThread() {
			names = append(names, name{"#" + g.channels[id].Name, "<#" + id + ">"})
		}
	}
	names = slices.DeleteFunc(names, func(n name) bool { return len(n.text) < 2 })
	slices.SortStableFunc(names, func(a, b name) int { return len(b.text) - len(a.text) })
	var b strings.Builder
next:
	for s != "" {
		for _, n := range names {
			if strings.HasPrefix(s, n.text) {
				b.WriteString(n.mention)
				s = s[len(n.text):]
				continue next
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// resolve adds what an option's value mentions to the interaction's resolved data. Callers hold
// g.mu.
func (g *Guild) resolve(resolved, o object) {
	put := func(kind, id string, v any) {
		m, ok := resolved[kind].(object)
		if !ok {
			m = object{}
			resolved[kind] = m
		}
		m[id] = v
	}
	user := func(id string) {
		put("users", id, g.userObject(id))
		if m, ok := g.members[id]; ok {
			member := g.memberObject(m)
			delete(member, "user")
			delete(member, "deaf")
			delete(member, "mute")
			member["permissions"] = strconv.FormatInt(g.permissionsOf(m), 10)
			put("members", id, member)
		}
	}
	role := func(id string) {
		if r, ok := g.roles[id]; ok {
			put("roles", id, object{"id": id, "name": r.Name, "mentionable": r.Mentionable,
				"permissions": strconv.FormatInt(r.Permissions, 10)})
		}
	}
	where := func(id string) {
		if c, ok := g.channels[id]; ok {
			put("channels", id, object{"id": id, "name": c.Name, "type": c.Type,
				"permissions": strconv.FormatInt(DefaultMemberPermissions, 10)})
		}
	}
	s, _ := o["value"].(string)
	switch o["type"] {
	case int64(3):
		for _, x := range anyMention.FindAllStringSubmatch(s, -1) {
			switch x[1] {
			case "@&":
				role(x[2])
			case "#":
				where(x[2])
			default:
				user(x[2])
			}
		}
	case int64(6):
		user(s)
	case int64(7):
		where(s)
	case int64(8):
		role(s)
	case int64(9):
		if _, ok := g.roles[s]; ok {
			role(s)
		} else {
			user(s)
		}
	}
}
