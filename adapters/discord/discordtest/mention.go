package discordtest

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Notification is the notification of a user, role or everyone by a new message. An edit notifies
// nobody.
type Notification struct {
	Kind      string // user, role or everyone
	ID        string // of the user or role
	Name      string
	ChannelID string
	MessageID string
	Silent    bool // SUPPRESS_NOTIFICATIONS: marked as unread, without a sound
	At        time.Time
	Text      string // what a phone shows: the content, as it was first
}

// Notified returns the notifications, oldest first.
func (g *Guild) Notified() []Notification {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.notified)
}

var mention = regexp.MustCompile(`<@(&|!)?(\d+)>|@everyone|@here`)

// notify records whom a new message notifies, as allowed_mentions permits. Where allowed_mentions
// is absent, Discord's defaults apply: users, roles and everyone for a normal message, only users
// for an answer to an interaction. parse:null counts as absent. Callers hold g.mu.
func (g *Guild) notify(m *message, o object, c *channel, answer bool) {
	users, roles, everyone := true, !answer, !answer
	var onlyUsers, onlyRoles []any
	replied := true
	if a, ok := o["allowed_mentions"].(object); ok {
		if replied = flag(a, "replied_user"); a["parse"] != nil || a["users"] != nil || a["roles"] != nil {
			parse := list(a, "parse")
			users, roles, everyone = slices.Contains(parse, any("users")), slices.Contains(parse, any("roles")),
				slices.Contains(parse, any("everyone"))
			onlyUsers, onlyRoles = list(a, "users"), list(a, "roles")
		}
	}
	power := c != nil && g.botPermissions(c)&MentionEveryone != 0
	add := func(kind, id, name string) {
		key := kind
		if id != "" {
			key += ":" + id
		}
		if slices.Contains(m.pings, key) {
			return
		}
		m.pings = append(m.pings, key)
		if m.user != "" {
			return // only its reader sees it
		}
		g.notified = append(g.notified, Notification{
			Kind: kind, ID: id, Name: name, ChannelID: m.channel, MessageID: m.id,
			Silent: m.flags&flagSuppressNotifications != 0, At: time.Now(),
			Text: g.render(m.content, nil),
		})
	}
	for _, text := range mentioning(m) {
		for _, x := range mention.FindAllStringSubmatch(text, -1) {
			kind, id := x[1], x[2]
			switch {
			case id == "":
				if everyone && power {
					add("everyone", "", strings.TrimPrefix(x[0], "@"))
				}
			case kind == "&":
				if r, ok := g.roles[id]; ok && (r.Mentionable || power) &&
					(roles || slices.Contains(onlyRoles, any(id))) {
					add("role", id, r.Name)
				}
			default:
				if _, ok := g.members[id]; ok && (users || slices.Contains(onlyUsers, any(id))) {
					add("user", id, g.displayName(id))
				}
			}
		}
	}
	if to, ok := g.messages[m.reference]; ok && replied && m.reference != "" && to.author != m.author {
		add("user", to.author, g.displayName(to.author))
	}
}

// mentioning returns the texts of a message whose mentions notify: content and text displays, never
// embeds. Mentions in code and after a backslash count, since only allowed_mentions is documented
// to prevent a notification.
func mentioning(m *message) []string {
	texts := []string{m.content}
	for o := range walk(m.components) {
		if integer(o, "type") == typeText {
			texts = append(texts, str(o, "content"))
		}
	}
	return texts
}
