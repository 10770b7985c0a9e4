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

// commands returns the slash commands, from the tables of package command. Every option is
// optional, so that the bot itself can say which one is missing.
func commands() []*discordgo.ApplicationCommand {
	var subs []*discordgo.ApplicationCommandOption
	for _, name := range command.Subcommands() {
		subs = append(subs, &discordgo.ApplicationCommandOption{
			Type: discordgo.ApplicationCommandOptionSubCommand, Name: name,
			Description: bot.Say("command." + name).String(),
			Options:     options(command.Verb(name)),
		})
	}
	return []*discordgo.ApplicationCommand{
		{
			Name: "recall", Type: discordgo.ChatApplicationCommand,
			Description: bot.Say("command.recall").String(),
			Options:     options(command.VerbRecall),
		},
		{
			Name: "recalls", Type: discordgo.ChatApplicationCommand,
			Description: bot.Say("command.recalls").String(),
			Options:     subs,
		},
	}
}

// options returns the options of a verb. Discord's client enforces their sizes; the bot has limits
// of its own.
func options(v command.Verb) []*discordgo.ApplicationCommandOption {
	var list []*discordgo.ApplicationCommandOption
	for _, o := range v.Options() {
		d := &discordgo.ApplicationCommandOption{
			Type: discordgo.ApplicationCommandOptionString, Name: o.Name,
			Description: bot.Say("option." + o.Name).String(),
			MaxLength:   o.Size, Autocomplete: o.Completes,
		}
		if o.Kind == command.Count {
			least := 1.0
			d.Type, d.MinValue, d.MaxValue = discordgo.ApplicationCommandOptionInteger, &least, float64(o.Max)
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
