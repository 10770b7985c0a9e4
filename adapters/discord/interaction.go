package discord

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"

	"github.com/bwmarrin/discordgo"
)

// interaction is the part that the adapter reads of what Discord sends when somebody types a
// command, presses a button or sends a form. The library's type is not used: it lacks the channel's
// parent, and decoding fails on a message with a component that the library does not know.
type interaction struct {
	ID            string                    `json:"id"`
	Type          discordgo.InteractionType `json:"type"`
	Token         string                    `json:"token"`
	GuildID       string                    `json:"guild_id"`
	ChannelID     string                    `json:"channel_id"`
	Channel       *channel                  `json:"channel"`
	Member        *member                   `json:"member"`
	User          *user                     `json:"user"`
	AppPermission json.RawMessage           `json:"app_permissions"` // a number in a string
	Owners        map[string]any            `json:"authorizing_integration_owners"`
	Message       *pressed                  `json:"message"`
	Data          data                      `json:"data"`
}

type channel struct {
	ID       string                `json:"id"`
	Type     discordgo.ChannelType `json:"type"`
	ParentID string                `json:"parent_id"`
}

type user struct {
	ID         string `json:"id"`
	Username   string `json:"username"`
	GlobalName string `json:"global_name"`
	Bot        bool   `json:"bot"`
}

type member struct {
	User     *user      `json:"user"`
	Nick     string     `json:"nick"`
	Roles    []string   `json:"roles"`
	Pending  bool       `json:"pending"`
	Disabled *time.Time `json:"communication_disabled_until"`
	Flags    int64      `json:"flags"`
	// Permissions are those in the channel of the interaction: a number in a string.
	Permissions json.RawMessage `json:"permissions"`
}

// flagGuest marks a member who was invited to one voice channel only, and whose membership ends
// when they leave it.
const flagGuest = 1 << 4

// pressed is the message whose component was used.
type pressed struct {
	ID        string                 `json:"id"`
	ChannelID string                 `json:"channel_id"`
	Flags     discordgo.MessageFlags `json:"flags"`
}

// data holds the data of all kinds of interaction.
type data struct {
	Type       discordgo.ApplicationCommandType `json:"type"`
	Name       string                           `json:"name"`
	Options    []option                         `json:"options"`
	Resolved   resolved                         `json:"resolved"`
	CustomID   string                           `json:"custom_id"`
	Components []component                      `json:"components"`
}

type option struct {
	Name    string                                 `json:"name"`
	Type    discordgo.ApplicationCommandOptionType `json:"type"`
	Value   any                                    `json:"value"`
	Focused bool                                   `json:"focused"`
	Options []option                               `json:"options"`
}

type resolved struct {
	Users    map[string]user   `json:"users"`
	Members  map[string]member `json:"members"`
	Roles    map[string]named  `json:"roles"`
	Channels map[string]named  `json:"channels"`
}

type named struct {
	Name string `json:"name"`
}

// component is a part of a form that was sent: a row or label that contains an input.
type component struct {
	CustomID   string      `json:"custom_id"`
	Value      any         `json:"value"`
	Components []component `json:"components"`
	Component  *component  `json:"component"`
}

// errEmpty is the error of an interaction that cannot be answered.
var errEmpty = errors.New("an interaction without id or token")

// readInteraction decodes an interaction. It returns an error if the interaction could not be
// answered. The error's text does not quote the payload.
func readInteraction(raw []byte) (*interaction, error) {
	var in interaction
	if err := json.Unmarshal(raw, &in); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("reading an interaction: %s cannot be a %s", wrong.Field, wrong.Value)
		}
		return nil, errors.New("reading an interaction: not JSON")
	}
	if in.Type == discordgo.InteractionPing {
		return &in, nil
	}
	if !isSnowflake(in.ID) || in.Token == "" {
		return nil, errEmpty
	}
	return &in, nil
}

func (in *interaction) user() *user {
	if in.Member != nil && in.Member.User != nil {
		return in.Member.User
	}
	return in.User
}

// member returns what the interaction says about the person who acted.
func (a *Adapter) member(in *interaction) bot.Member {
	m := bot.Member{Account: bot.Account{Platform: ID, Workspace: everywhere}}
	u := in.user()
	if u == nil || !isSnowflake(u.ID) {
		m.Trouble = bot.TroubleUnknown
		return m
	}
	m.Account.User = u.ID
	m.Name = first(u.GlobalName, u.Username)
	if in.Member != nil {
		m.Name = first(in.Member.Nick, m.Name)
		m.Groups = in.Member.Roles
	}
	_, byGuild := in.Owners["0"]
	switch {
	case u.Bot:
		m.Trouble = bot.TroubleBot
	case in.GuildID == "":
		// The trouble is that of the place.
	case in.Owners != nil && !byGuild:
		m.Trouble = bot.TroubleUserInstalled
	case !slices.Contains(a.o.Guilds, in.GuildID):
		m.Trouble = bot.TroubleWrongGuild
	case in.Member == nil:
		m.Trouble = bot.TroubleUnknown
	case in.Member.Flags&flagGuest != 0:
		m.Trouble = bot.TroubleGuest
	case in.Member.Pending:
		m.Trouble = bot.TroublePending
	case in.Member.Disabled != nil && in.Member.Disabled.After(time.Now()):
		m.Trouble = bot.TroubleTimedOut
	}
	a.countApprovers(in.GuildID, &m)
	return m
}

func first(names ...string) string {
	for _, n := range names {
		if strings.TrimSpace(n) != "" {
			return n
		}
	}
	return ""
}

// place returns where the interaction happened. For a thread the channel is the one to which it
// belongs, since a policy names channels.
func (in *interaction) place() bot.Place {
	p := bot.Place{Platform: ID, Workspace: in.GuildID, Channel: in.ChannelID}
	thread := false
	if c := in.Channel; c != nil {
		switch c.Type {
		case discordgo.ChannelTypeGuildNewsThread, discordgo.ChannelTypeGuildPublicThread,
			discordgo.ChannelTypeGuildPrivateThread:
			thread = true
			if isSnowflake(c.ParentID) {
				p.Channel, p.Thread = c.ParentID, first(c.ID, in.ChannelID)
			}
		}
	}
	if in.GuildID == "" {
		p.Trouble = bot.TroubleDirectMessage
	} else if in.Member != nil && !sees(in.Member.Permissions) {
		p.Trouble = bot.TroubleLeft
	} else if may, err := strconv.ParseInt(strings.Trim(string(in.AppPermission), `"`), 10, 64); err == nil &&
		!mayPost(may, thread) {
		p.Trouble = bot.TroubleNotInChannel
	}
	return p
}

// sees reports whether a member with these permissions sees the channel. An answer that only they
// see stays on their screen when they have lost that right.
func sees(permissions json.RawMessage) bool {
	may, err := strconv.ParseInt(strings.Trim(string(permissions), `"`), 10, 64)
	return err != nil || may&(discordgo.PermissionAdministrator|discordgo.PermissionViewChannel) != 0
}

// mayPost reports whether these permissions allow the bot to show a card.
func mayPost(may int64, thread bool) bool {
	need := int64(discordgo.PermissionViewChannel | discordgo.PermissionEmbedLinks | discordgo.PermissionSendMessages)
	if thread {
		need = discordgo.PermissionViewChannel | discordgo.PermissionEmbedLinks |
			discordgo.PermissionSendMessagesInThreads
	}
	return may&discordgo.PermissionAdministrator != 0 || may&need == need
}

// eventPrefix is the prefix of an event's id, before the interaction's id.
const eventPrefix = "discord:"

// buttons writes and reads the custom_ids of buttons.
var buttons = intake.Buttons{Platform: ID, Most: maxCustomID}

var forged = intake.Act{Kind: intake.ActForged}

// event returns the interaction as an event of the bot. An interaction that none of its commands,
// buttons and forms sends is forged. It is passed on, so that the bot refuses it and records that
// in the audit log.
func (a *Adapter) event(in *interaction) intake.Event {
	m := a.member(in)
	e := intake.Event{ID: bot.EventID(eventPrefix + in.ID), Place: in.place(), By: m.Account, Name: m.Name}
	switch in.Type {
	case discordgo.InteractionApplicationCommand, discordgo.InteractionApplicationCommandAutocomplete:
		e.Act = in.command()
	case discordgo.InteractionMessageComponent:
		e.Act = buttons.Press(in.Data.CustomID)
	case discordgo.InteractionModalSubmit:
		e.Act = in.submit()
	default:
		e.Act = forged
	}
	if in.Message != nil {
		e.Act.Card = bot.Ref{Channel: first(in.Message.ChannelID, in.ChannelID), Message: in.Message.ID}
		if in.Message.Flags&discordgo.MessageFlagsEphemeral != 0 {
			e.Act.Card.Message = "" // the bot cannot edit it
		}
	}
	return e.Read()
}

func (in *interaction) command() intake.Act {
	act := intake.Act{Kind: intake.ActCommand, Command: in.Data.Name, Options: map[string]string{}}
	// what refuses a command that the bot does not have
	unknown := intake.Act{Kind: intake.ActForged, Command: in.Data.Name}
	options := in.Data.Options
	switch {
	case in.Data.Type > discordgo.ChatApplicationCommand: // in the menu of a user or a message
		return intake.Act{Kind: intake.ActForged, Sub: "shortcut"}
	case in.Data.Name == "recall":
	case in.Data.Name == "recalls":
		if len(options) != 1 || options[0].Type != discordgo.ApplicationCommandOptionSubCommand {
			return unknown
		}
		act.Sub, options = options[0].Name, options[0].Options
	default:
		return unknown
	}
	for _, o := range options {
		value, ok := o.text()
		if !ok {
			return unknown
		}
		if command.IsID(o.Name) {
			value = in.Data.Resolved.undo(value)
			if chosen, ok := strings.CutPrefix(value, choicePrefix); ok {
				value, _, _ = strings.Cut(chosen, choiceName)
			}
		}
		if o.Focused {
			act.Text = value
		}
		act.Options[o.Name] = value
	}
	if in.Type == discordgo.InteractionApplicationCommandAutocomplete {
		act.Kind = intake.ActComplete
	}
	return act
}

// text returns the option as it was typed.
func (o option) text() (string, bool) {
	switch v := o.Value.(type) {
	case string:
		return v, true
	case float64: // last: 1 to 2,000
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

var mention = regexp.MustCompile(`<(@&|@!?|#)(\d{1,20})>`)

// undo restores what was typed when Discord's client converted "@name" or "#name" to a mention, if
// the payload contains the name. Other mentions stay, and the bot tells the person how to type
// them.
func (r resolved) undo(s string) string {
	return mention.ReplaceAllStringFunc(s, func(m string) string {
		parts := mention.FindStringSubmatch(m)
		kind, id := parts[1], parts[2]
		switch {
		case kind == "#" && r.Channels[id].Name != "":
			return "#" + r.Channels[id].Name
		case kind == "@&" && r.Roles[id].Name != "":
			return "@" + r.Roles[id].Name
		case kind[0] == '@' && kind != "@&":
			if name := first(r.Members[id].Nick, r.Users[id].GlobalName, r.Users[id].Username); name != "" {
				return "@" + name
			}
		}
		return m
	})
}

// submit returns the act of sending a form.
func (in *interaction) submit() intake.Act {
	values := map[string]string{}
	for _, c := range in.Data.Components {
		c.collect(values, 0)
	}
	return buttons.Sent(in.Data.CustomID, values)
}

// collect collects the inputs of a form that have a value. Discord nests components two deep.
func (c component) collect(values map[string]string, depth int) {
	if v, ok := c.Value.(string); ok && c.CustomID != "" && v != "" {
		values[c.CustomID] = v
	}
	if depth > 3 {
		return
	}
	for _, inner := range c.Components {
		inner.collect(values, depth+1)
	}
	if c.Component != nil {
		c.Component.collect(values, depth+1)
	}
}
