package discord

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"recallbot/bot"
	"recallbot/bot/command"

	"github.com/bwmarrin/discordgo"
)

// This file has the slash commands as Discord registers them. They follow from the tables of
// package command; the descriptions are in bot/text.

// choicePrefix begins the name of a completed group, because the client converts a name that begins
// with @ or # to a mention. Some clients send the name instead of the value.
const choicePrefix = "group "

// choiceName stands between the id and the name of a completed group. No id has these characters.
const choiceName = " · "

// slashCommand and slashOption are a command and an option as they are registered. The library's
// types write fields that a type does not have, and null for an empty list, which Discord's
// document does not allow.
type slashCommand struct {
	Name        string        `json:"name"`
	Type        int           `json:"type"`
	Description string        `json:"description"`
	Options     []slashOption `json:"options"`
}

type slashOption struct {
	Type         int           `json:"type"`
	Name         string        `json:"name"`
	Description  string        `json:"description"`
	Options      []slashOption `json:"options,omitempty"`
	MinValue     int           `json:"min_value,omitempty"`
	MaxValue     int           `json:"max_value,omitempty"`
	MaxLength    int           `json:"max_length,omitempty"`
	Autocomplete bool          `json:"autocomplete,omitempty"`
}

// commands returns the slash commands, from the tables of package command. Every option is
// optional, so that the bot itself can say which one is missing.
func commands() []slashCommand {
	var subs []slashOption
	for _, name := range command.Subcommands() {
		verb, _ := command.Subcommand(name)
		subs = append(subs, slashOption{
			Type: int(discordgo.ApplicationCommandOptionSubCommand), Name: name,
			Description: bot.Say("command." + name).String(),
			Options:     options(verb),
		})
	}
	return []slashCommand{
		{
			Name: "recall", Type: int(discordgo.ChatApplicationCommand),
			Description: bot.Say("command.recall").String(),
			Options:     options(command.VerbRecall),
		},
		{
			Name: "recalls", Type: int(discordgo.ChatApplicationCommand),
			Description: bot.Say("command.recalls").String(),
			Options:     subs,
		},
	}
}

// options returns the options of a verb. Discord's client enforces their sizes; the bot has limits
// of its own.
func options(v command.Verb) []slashOption {
	var list []slashOption
	for _, o := range v.Options() {
		d := slashOption{
			Type: int(discordgo.ApplicationCommandOptionString), Name: o.Name,
			Description: bot.Say("option." + o.Name).String(),
			MaxLength:   o.Size, Autocomplete: o.Completes,
		}
		if o.Kind == command.Count {
			d.Type, d.MinValue, d.MaxValue = int(discordgo.ApplicationCommandOptionInteger), 1, o.Max
		}
		list = append(list, d)
	}
	return list
}

// definition returns the commands as they are registered, and their hash.
func definition() (body json.RawMessage, hash string) {
	body, err := json.Marshal(commands())
	if err != nil {
		// unreachable: strings and numbers can be marshalled
		panic("discord: commands cannot be written: " + err.Error())
	}
	sum := sha256.Sum256(body)
	return body, hex.EncodeToString(sum[:])
}
