package discord

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"recallbot/bot"

	"github.com/bwmarrin/discordgo"
)

// recallOptions are the options of /recall in the order in which they are written.
var recallOptions = []string{"group", "seqs", "topic", "from", "since", "until", "text", "last", "reason"}

// choicePrefix begins the name of a completed group, because a name that begins with @ or # is turned into a mention by the client.
// Some clients send the name back instead of the value.
const choicePrefix = "group "

// optionSizes are how long a value may be. Discord's client keeps to them; the bot has limits of its own.
var optionSizes = map[string]int{
	"group": 100, "seqs": 4000, "topic": 200, "from": 200, "since": 40, "until": 40, "text": 1000, "reason": 1000, "which": 100, "id": 40,
}

// commands are the slash commands of SURFACE.md, section 1. Every option is optional, so that what is missing is answered by the bot, in words.
func commands() []*discordgo.ApplicationCommand {
	return []*discordgo.ApplicationCommand{
		{
			Name: "recall", Type: discordgo.ChatApplicationCommand,
			Description: bot.Say("command.recall").String(),
			Options:     options(recallOptions...),
		},
		{
			Name: "recalls", Type: discordgo.ChatApplicationCommand,
			Description: bot.Say("command.recalls").String(),
			Options: []*discordgo.ApplicationCommandOption{
				sub("find", "group", "topic", "from", "since", "until", "text", "last"),
				sub("list", "which"),
				sub("show", "id"),
				sub("withdraw", "id"),
				sub("stop", "id"),
				sub("help"),
				sub("whoami"),
			},
		},
	}
}

func sub(name string, names ...string) *discordgo.ApplicationCommandOption {
	return &discordgo.ApplicationCommandOption{
		Type: discordgo.ApplicationCommandOptionSubCommand, Name: name, Description: bot.Say("command." + name).String(), Options: options(names...),
	}
}

func options(names ...string) []*discordgo.ApplicationCommandOption {
	var list []*discordgo.ApplicationCommandOption
	for _, name := range names {
		o := &discordgo.ApplicationCommandOption{
			Type: discordgo.ApplicationCommandOptionString, Name: name, Description: bot.Say("option." + name).String(), MaxLength: optionSizes[name],
			Autocomplete: name == "group" || name == "which",
		}
		if name == "last" {
			least := 1.0
			o.Type, o.MinValue, o.MaxValue = discordgo.ApplicationCommandOptionInteger, &least, 2000
		}
		list = append(list, o)
	}
	return list
}

// definition is the commands as they are registered, and their hash.
func definition() (body json.RawMessage, hash string) {
	body, err := json.Marshal(commands())
	if err != nil {
		panic("discord: commands cannot be written: " + err.Error()) // unreachable: strings and numbers always marshal
	}
	sum := sha256.Sum256(body)
	return body, hex.EncodeToString(sum[:])
}
