package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"recallbot/bot"

	"github.com/bwmarrin/discordgo"
)

// Check compares the configuration with the real servers and returns what is missing. It counts
// people by the roster. It only reads, and opens no connection to the Gateway. An error means that
// Discord could not be asked.
func (a *Adapter) Check(ctx context.Context, roster bot.Roster) (bot.Findings, error) {
	c := &checkup{a: a, policy: a.bot.PolicyNow(), roster: roster, homes: map[string]*home{}}
	err := c.run(ctx)
	return c.found, err
}

// checkup is one run of Check, with what it has read so far.
type checkup struct {
	a      *Adapter
	policy bot.Policy
	roster bot.Roster
	found  bot.Findings
	self   string           // the bot's user id
	homes  map[string]*home // the servers that the bot is in, by id
}

// home is a server that the bot is in.
type home struct {
	id, name string
	roles    map[string]role
	members  map[string]int // by role; absent where nobody is in it
	own      []string       // the bot's roles
	owner    bool           // the bot owns the server
}

type role struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Permissions string `json:"permissions"`
	Mentionable bool   `json:"mentionable"`
}

// overwrite is a channel's permission overwrite for a role (type 0) or a member (type 1).
type overwrite struct {
	ID    string `json:"id"`
	Type  int    `json:"type"`
	Allow string `json:"allow"`
	Deny  string `json:"deny"`
}

func (c *checkup) run(ctx context.Context) error {
	if ok, err := c.application(ctx); !ok || err != nil {
		return err
	}
	for _, id := range c.a.o.Guilds {
		if err := c.guild(ctx, id); err != nil {
			return err
		}
	}
	crowd := c.policy.Crowds[ID]
	if crowd.AnyChannel {
		c.everywhere()
	}
	for _, id := range crowd.Channels {
		if err := c.channel(ctx, id); err != nil {
			return err
		}
	}
	return c.people(ctx, crowd)
}

// application checks the token, and that application id, public key and endpoint belong to it. It
// returns false when nothing else can be asked.
func (c *checkup) application(ctx context.Context) (bool, error) {
	var app struct {
		ID       string `json:"id"`
		Key      string `json:"verify_key"`
		Endpoint string `json:"interactions_endpoint_url"`
	}
	if err := c.get(ctx, &app, "/applications/@me"); err != nil {
		if refusal(err, http.StatusUnauthorized) {
			c.found.Bad("set DISCORD_BOT_TOKEN to the token of the application's Bot page",
				"Discord refuses the bot token")
			return false, nil
		}
		return false, fmt.Errorf("asking Discord about the application: %w", err)
	}
	var me id
	if err := c.get(ctx, &me, "/users/@me"); err != nil {
		return false, fmt.Errorf("asking Discord who the bot is: %w", err)
	}
	c.self = me.ID
	if app.ID == c.a.o.ApplicationID {
		c.found.Well("the bot token works and belongs to the application %s", app.ID)
	} else {
		c.found.Bad("set DISCORD_APPLICATION_ID to "+app.ID+", or the token of the application that is meant",
			"the bot token belongs to the application %s, not to %s", app.ID, c.a.o.ApplicationID)
	}
	byHTTP := len(c.a.key) > 0
	if byHTTP {
		if strings.EqualFold(app.Key, c.a.o.PublicKey) {
			c.found.Well("the public key is the application's")
		} else {
			c.found.Bad("copy DISCORD_PUBLIC_KEY from the application's General Information page",
				"the public key is not the application's: every interaction would be refused")
		}
	}
	u, err := url.Parse(app.Endpoint)
	where := "an address that cannot be read"
	if err == nil {
		where = bot.Visible(u.Host + u.Path) // what follows may be a secret
	}
	switch {
	case !byHTTP && app.Endpoint == "":
		c.found.Well("interactions come over the Gateway")
	case !byHTTP:
		c.found.Bad(
			"clear Interactions Endpoint URL on the application's General Information page, or set DISCORD_PUBLIC_KEY",
			"the portal has interactions sent to %s, which makes the Gateway silent: nothing would reach the bot",
			where)
	case app.Endpoint == "":
		c.found.Bad(
			"set Interactions Endpoint URL on the application's General Information page to this bot's /discord/interactions (start the bot first: Discord asks it at once), or take DISCORD_PUBLIC_KEY away",
			"the portal has no endpoint for interactions, and the bot waits for them by HTTP: nothing would reach it")
	case !strings.HasSuffix(u.Path, "/discord/interactions"):
		c.found.Hint("it should end in /discord/interactions unless a proxy changes the path",
			"interactions are sent to %s", where)
	default:
		c.found.Well("interactions are sent to %s", where)
	}
	return true, nil
}

// guild checks one server: that the bot is in it, and that its present commands are registered
// there.
func (c *checkup) guild(ctx context.Context, id string) error {
	var g struct {
		Name  string `json:"name"`
		Owner string `json:"owner_id"`
		Roles []role `json:"roles"`
	}
	if err := c.get(ctx, &g, "/guilds/{guild_id}", id); err != nil {
		if refusal(err, http.StatusNotFound, http.StatusForbidden) {
			c.found.Bad(
				"invite the bot with the link of \"recallbot manifest discord\", or take the id out of DISCORD_GUILDS",
				"the bot is not in the server %s", id)
			return nil
		}
		return fmt.Errorf("asking Discord about the server %s: %w", id, err)
	}
	h := &home{id: id, name: bot.Visible(g.Name), owner: g.Owner == c.self, roles: map[string]role{}}
	for _, r := range g.Roles {
		h.roles[r.ID] = r
	}
	var own struct {
		Roles []string `json:"roles"`
	}
	if err := c.get(ctx, &own, "/guilds/{guild_id}/members/{user_id}", id, c.self); err != nil {
		return fmt.Errorf("asking Discord for the bot's roles in the server %s: %w", id, err)
	}
	h.own = own.Roles
	members, err := c.a.membersByRole(ctx, id)
	if h.members = members; err != nil {
		return fmt.Errorf("asking Discord how many are in the roles of the server %s: %w", id, err)
	}
	c.homes[id] = h
	c.found.Well("the bot is in the server %s (%s)", id, h.name)

	var there json.RawMessage
	err = c.get(ctx, &there, "/applications/{application_id}/guilds/{guild_id}/commands", c.a.o.ApplicationID, id)
	wanted, _ := definition()
	switch {
	case refusal(err, http.StatusForbidden, http.StatusNotFound):
		c.found.Bad(
			"invite the bot with the link of \"recallbot manifest discord\", whose scope applications.commands is needed",
			"commands cannot be registered in the server %s", id)
	case err != nil:
		return fmt.Errorf("asking Discord for the commands of the server %s: %w", id, err)
	case sameCommands(there, wanted):
		c.found.Well("the commands are registered in the server %s", id)
	default:
		// Before the first start this is not an error.
		c.found.Hint("the bot registers them when it starts",
			"the commands of the server %s are missing or of another version", id)
	}
	return nil
}

// needed are the permissions that the bot uses, by their names in Discord's settings.
var needed = []struct {
	bit  int64
	name string
}{
	{discordgo.PermissionViewChannel, "View Channel"},
	{discordgo.PermissionSendMessages, "Send Messages"},
	{discordgo.PermissionSendMessagesInThreads, "Send Messages in Threads"},
	{discordgo.PermissionCreatePublicThreads, "Create Public Threads"},
	{discordgo.PermissionEmbedLinks, "Embed Links"},
	{discordgo.PermissionAttachFiles, "Attach Files"},
	{discordgo.PermissionReadMessageHistory, "Read Message History"},
}

func lacking(may int64) []string {
	var names []string
	for _, n := range needed {
		if may&n.bit == 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// everywhere checks the bot's permissions in the servers, when the policy names no channel.
func (c *checkup) everywhere() {
	for _, g := range c.a.o.Guilds {
		h := c.homes[g]
		if h == nil {
			continue
		}
		may := h.may(c.self, nil)
		if names := lacking(may); len(names) > 0 {
			c.found.Bad("grant them to the bot's role", "in the server %s the bot may not: %s", g,
				strings.Join(names, ", "))
		} else {
			c.found.Well("the bot may be used in every channel of the server %s that does not shut it out", g)
		}
		c.ring(h, may, "in the server "+g)
	}
}

// channel checks the bot's permissions in a channel that the policy names.
func (c *checkup) channel(ctx context.Context, channelID string) error {
	var ch struct {
		Guild      string                `json:"guild_id"`
		Type       discordgo.ChannelType `json:"type"`
		Overwrites []overwrite           `json:"permission_overwrites"`
	}
	err := c.get(ctx, &ch, "/channels/{channel_id}", channelID)
	h := c.homes[ch.Guild]
	switch {
	case refusal(err, http.StatusNotFound):
		c.found.Bad("correct the id in DISCORD_CHANNELS, or invite the bot to its server",
			"the channel %s does not exist, or is in a server that the bot is not in", channelID)
		return nil
	case refusal(err, http.StatusForbidden):
		c.found.Bad("grant the bot's role View Channel there", "the bot may not see the channel %s", channelID)
		return nil
	case err != nil:
		return fmt.Errorf("asking Discord about the channel %s: %w", channelID, err)
	case h == nil:
		c.found.Bad("take it out of DISCORD_CHANNELS, or add its server to DISCORD_GUILDS",
			"the channel %s is in none of the servers", channelID)
		return nil
	}
	switch ch.Type {
	case discordgo.ChannelTypeGuildText, discordgo.ChannelTypeGuildNews:
	case discordgo.ChannelTypeGuildNewsThread, discordgo.ChannelTypeGuildPublicThread,
		discordgo.ChannelTypeGuildPrivateThread:
		c.found.Bad("name the channel that it belongs to",
			"%s in DISCORD_CHANNELS is a thread: a command in a thread counts as in its channel", channelID)
		return nil
	default:
		c.found.Bad("use a text channel",
			"the channel %s is of a kind in which the bot cannot show a card with its thread", channelID)
		return nil
	}
	may := h.may(c.self, ch.Overwrites)
	if names := lacking(may); len(names) > 0 {
		c.found.Bad("grant them to the bot's role there, and look at the channel's own settings",
			"in the channel %s the bot may not: %s", channelID, strings.Join(names, ", "))
	} else {
		c.found.Well("the channel %s can be used", channelID)
	}
	c.ring(h, may, "in the channel "+channelID)
	return nil
}

// ring checks that a mention of the approver roles notifies their members.
func (c *checkup) ring(h *home, may int64, where string) {
	for _, p := range c.policy.Crowds[ID].Approvers {
		r, known := h.roles[p.Group]
		if p.Group == "" || !known || r.ID == h.id {
			continue
		}
		if !r.Mentionable && may&discordgo.PermissionMentionEveryone == 0 {
			c.found.Bad("let anyone mention the role, or grant the bot's role Mention All Roles",
				"%s a card would not notify the role %s (%s): it is not mentionable", where, r.ID, bot.Visible(r.Name))
		}
	}
}

// may returns the bot's permissions, in Discord's order: those of everybody's role (which has the
// server's id) and of the bot's roles together, then the channel's overwrites for everybody, for
// the bot's roles together, and for the bot itself.
func (h *home) may(self string, changes []overwrite) int64 {
	const all = int64(1)<<53 - 1
	may := bits(h.roles[h.id].Permissions)
	for _, r := range h.own {
		may |= bits(h.roles[r].Permissions)
	}
	if h.owner || may&discordgo.PermissionAdministrator != 0 {
		return all
	}
	for _, concerns := range []func(o overwrite) bool{
		func(o overwrite) bool { return o.Type == 0 && o.ID == h.id },
		func(o overwrite) bool { return o.Type == 0 && slices.Contains(h.own, o.ID) },
		func(o overwrite) bool { return o.Type == 1 && o.ID == self },
	} {
		var allow, deny int64
		for _, o := range changes {
			if concerns(o) {
				allow |= bits(o.Allow)
				deny |= bits(o.Deny)
			}
		}
		may = may&^deny | allow
	}
	return may
}

// bits reads permissions, which are a number in a string. An invalid string permits nothing.
func bits(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// people checks that the people in the policy exist and are enough.
func (c *checkup) people(ctx context.Context, crowd bot.Crowd) error {
	if len(c.homes) == 0 {
		return nil // nothing is known of them
	}
	approvers, inRoles, err := c.count(ctx, crowd.Approvers)
	if err != nil {
		return err
	}
	named, more, err := c.count(ctx, crowd.Requesters)
	if err != nil {
		return err
	}
	requesters := len(named) + more
	if requesters == 0 {
		c.found.Bad("set DISCORD_REQUESTERS", "nobody on Discord may ask for a recall")
	} else {
		c.found.Well("at most %s may ask for a recall", bot.CountAccounts(requesters))
	}
	// Count as Decide does, for a requester who may be any member: Discord does not say who is in
	// the roles, so the requester may be one of them.
	have := c.policy.Others(bot.Member{Account: bot.Account{Platform: ID}, Approvers: approvers,
		UnnamedApprovers: inRoles}, c.roster)
	switch need := max(c.policy.Approvals, c.policy.LargeApprovals); {
	case len(approvers)+inRoles == 0:
		c.found.Bad("set DISCORD_APPROVERS", "nobody on Discord may approve")
	case have < need:
		c.found.Bad("add approvers, or lower POLICY_APPROVALS or POLICY_LARGE_APPROVALS",
			"at most %s may approve, and as many as %d approvals are needed: such requests are refused",
			bot.CountPeople(have), need)
	case have == need && requesters > 0:
		c.found.Hint("add an approver",
			"at most %s may approve, just as many as are needed: a request by one of them is refused",
			bot.CountPeople(have))
	default:
		c.found.Well("at most %s may approve, and as many as %d approvals are needed",
			bot.CountAccounts(len(approvers)+inRoles), need)
	}
	return nil
}

// count returns the accounts that a list names, and at most how many members its roles have. A
// member of two roles is counted twice, since without a privileged intent Discord returns only
// numbers.
func (c *checkup) count(ctx context.Context, list []bot.Principal) (named []bot.Account, inRoles int, err error) {
	for _, p := range list {
		if p.Group != "" {
			inRoles += c.role(p.Group)
			continue
		}
		there, err := c.member(ctx, p.User)
		if err != nil {
			return nil, 0, err
		}
		if there {
			named = append(named, bot.Account{Platform: ID, Workspace: everywhere, User: p.User})
		} else {
			c.found.Bad("correct the id, or take it out", "the account %s is in none of the servers", p.User)
		}
	}
	return named, inRoles, nil
}

// role returns how many members a role has, and records a finding if the role does not count.
func (c *checkup) role(role string) int {
	for _, g := range c.a.o.Guilds {
		h := c.homes[g]
		if h == nil {
			continue
		}
		r, known := h.roles[role]
		switch {
		case !known:
			continue
		case role == h.id:
			c.found.Bad("name another role", "the role %s is everybody in the server, and counts for nothing", role)
			return 0
		case h.members[role] == 0:
			c.found.Bad("give it to somebody, or take it out", "nobody is in the role %s (%s)", role,
				bot.Visible(r.Name))
		}
		return h.members[role]
	}
	c.found.Bad("correct the id, or take it out", "the role %s does not exist in any of the servers", role)
	return 0
}

// member reports whether an account is in one of the servers.
func (c *checkup) member(ctx context.Context, user string) (bool, error) {
	for _, g := range c.a.o.Guilds {
		if c.homes[g] == nil {
			continue
		}
		err := c.get(ctx, nil, "/guilds/{guild_id}/members/{user_id}", g, user)
		if err == nil {
			return true, nil
		}
		if !refusal(err, http.StatusNotFound) {
			return false, fmt.Errorf("asking Discord about the account %s: %w", user, err)
		}
	}
	return false, nil
}

// get reads from a route; the ids replace its names in braces.
func (c *checkup) get(ctx context.Context, into any, route string, ids ...string) error {
	return c.a.rest.read(ctx, into, route, ids...)
}

// read makes a reading call.
func (r *rest) read(ctx context.Context, into any, route string, ids ...string) error {
	path := route
	for _, id := range ids {
		from, to := strings.Index(path, "{"), strings.Index(path, "}")
		path = path[:from] + url.PathEscape(id) + path[to+1:]
	}
	return r.do(ctx, call{method: http.MethodGet, route: route, path: path, into: into, again: true})
}

// refusal reports whether an error is Discord's answer with one of these statuses.
func refusal(err error, statuses ...int) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && slices.Contains(statuses, e.Status)
}

// registered is the part of a command or option that is compared. Discord adds ids and versions to
// a definition.
type registered struct {
	Name         string       `json:"name"`
	Type         int          `json:"type"`
	Description  string       `json:"description"`
	Required     bool         `json:"required"`
	Autocomplete bool         `json:"autocomplete"`
	MinValue     float64      `json:"min_value"`
	MaxValue     float64      `json:"max_value"`
	MinLength    int          `json:"min_length"`
	MaxLength    int          `json:"max_length"`
	Options      []registered `json:"options"`
}

// sameCommands reports whether two JSON lists of commands define the same commands, in any order.
func sameCommands(a, b json.RawMessage) bool {
	var lists [2][]byte
	for i, raw := range []json.RawMessage{a, b} {
		var l []registered
		if json.Unmarshal(raw, &l) != nil {
			return false
		}
		slices.SortFunc(l, func(x, y registered) int { return strings.Compare(x.Name, y.Name) })
		body, err := json.Marshal(normal(l))
		if err != nil {
			return false // unreachable: it was just read
		}
		lists[i] = body
	}
	return bytes.Equal(lists[0], lists[1])
}

// normal returns nil for an empty list of options, so that the two compare as equal.
func normal(l []registered) []registered {
	for i := range l {
		if len(l[i].Options) == 0 {
			l[i].Options = nil
		} else {
			normal(l[i].Options)
		}
	}
	return l
}
