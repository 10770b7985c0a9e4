package config

import (
	"slices"
	"strings"

	"recallbot/bot"
)

// Platform is what the folder of a chat platform brings to the configuration.
type Platform struct {
	ID bot.Platform
	// Variables are its rows of the table. The name of each begins with the id in capitals and an
	// underscore. The first is the one without which the platform is off; it has a Missing.
	Variables []Variable
	// Settings returns a pointer to a new struct that the variables fill: its field tags name them
	// ("env:NAME"), as those of [Config] do.
	Settings func() Settings
	// Judge applies the rules that join several of the variables. given reports whether one is set,
	// rightly or not. Nil: there are none.
	Judge func(given func(name string) bool) (problems, warnings []Problem)
	// Account reads an account of the roster, as it is written under the key ID. Example is how one
	// may be written.
	Account func(written string) (a bot.Account, ok bool)
	Example string
}

// Settings is what a platform is configured with.
type Settings interface {
	// Crowd returns who may ask and approve on the platform, and where.
	Crowd() bot.Crowd
}

// prefix is how the names of the platform's variables begin.
func (p Platform) prefix() string { return strings.ToUpper(string(p.ID)) + "_" }

// Access is the three variables that every platform has. Embedded in the struct of a platform's
// settings, with the tag "env:, prefix=ID_", it makes them [Settings].
type Access struct {
	Requesters People   `env:"REQUESTERS"`
	Approvers  People   `env:"APPROVERS"`
	Channels   Channels `env:"CHANNELS"`
}

// Crowd implements [Settings].
func (a Access) Crowd() bot.Crowd {
	c := bot.Crowd{Requesters: a.Requesters, Approvers: a.Approvers}
	if c.AnyChannel = slices.Equal(a.Channels, Channels{anyWord}); !c.AnyChannel {
		c.Channels = a.Channels
	}
	return c
}

// People is a list of who may do something on one platform. The zero value is nobody; there is no
// way to write everybody.
type People []bot.Principal

// The canonical form of a list of people, which PeopleOf writes and People reads.
const userItem, groupItem = "user:", "group:"

// PeopleOf is the check of a list of people, each of which read understands. kind is what an item
// is called, and advice how to mend a wrong one.
func PeopleOf(kind string, read func(item string) (bot.Principal, bool), advice string) Check {
	check := ListOf(kind, func(item string) bool { _, ok := read(item); return ok }, advice)
	return func(raw string) (value, what, mend string) {
		if value, what, mend = check(raw); what != "" {
			return "", what, mend
		}
		var items []string
		for _, item := range Split(value) {
			if p, _ := read(item); p.Group != "" {
				items = append(items, groupItem+p.Group)
			} else {
				items = append(items, userItem+p.User)
			}
		}
		return strings.Join(items, ","), "", ""
	}
}

// EnvDecode reads what [PeopleOf] wrote.
func (p *People) EnvDecode(value string) error {
	*p = nil
	for _, item := range Split(value) {
		if group, ok := strings.CutPrefix(item, groupItem); ok {
			*p = append(*p, bot.Principal{Group: group})
		} else {
			*p = append(*p, bot.Principal{User: strings.TrimPrefix(item, userItem)})
		}
	}
	return nil
}

// Channels are the channels in which the bot may be used: their ids, or the one word "any".
type Channels []string

// ChannelsOf is the check of a list of channel ids, each of which good takes, or the word any.
// advice is how to mend a wrong one.
func ChannelsOf(good func(string) bool, advice string) Check {
	return orAny(anyWord, ListOf("channel id", good, advice))
}
