package discord

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/bwmarrin/discordgo"
)

// recallOptions are the options of /recall in the order in which they are written.
var recallOptions = []string{"group", "seqs", "topic", "from", "since", "until", "text", "last", "reason"}

// choicePrefix begins the name of a completed group, because a name that begins with @ or # is turned into a mention by the client.
// Some clients send the name back instead of the value.
const choicePrefix = "group "

var optionTexts = map[string]struct {
	description string
	max         int
}{
	"group":  {"The group's id, such as @TGS#2J4SZEAEL", 100},
	"seqs":   {"The messages: 100 101, 100,101, 100-150 or any mix", 4000},
	"topic":  {"A community's topic, GROUP@TOPIC#_...", 200},
	"from":   {"Only messages of this sender (Chat user id)", 200},
	"since":  {"Only from then on: 90s, 30m, 2h, 3d, or 2026-01-02T15:04:05Z", 40},
	"until":  {"Only until then: 30m (ago), or 2026-01-02T15:04:05Z", 40},
	"text":   {"Only messages in which this phrase occurs", 1000},
	"last":   {"Only the newest so many that match", 0},
	"reason": {"Why; the card shows it", 1000},
	"which":  {"open, mine, or a group's id", 100},
	"id":     {"The request, R- and 6 characters", 40},
}

// commands are the slash commands of SURFACE.md, section 1. Every option is optional, so that what is missing is answered by the bot, in words.
func commands() []*discordgo.ApplicationCommand {
	return []*discordgo.ApplicationCommand{
		{
			Name: "recall", Type: discordgo.ChatApplicationCommand,
			Description: "Ask for messages to be recalled; a second person must approve. Without options: a form",
			Options:     options(recallOptions...),
		},
		{
			Name: "recalls", Type: discordgo.ChatApplicationCommand,
			Description: "Find messages; list, show, withdraw and stop requests",
			Options: []*discordgo.ApplicationCommandOption{
				sub("find", "Show matching messages with their seqs, only to you", "group", "topic", "from", "since", "until", "text", "last"),
				sub("list", "Requests: open, mine, or of a group", "which"),
				sub("show", "One request, whole: people, times, every outcome", "id"),
				sub("withdraw", "Take back your own request before it is decided", "id"),
				sub("stop", "Stop an approved or running request", "id"),
				sub("help", "Examples that can be copied"),
				sub("whoami", "Who the bot thinks you are, and what you may do"),
			},
		},
	}
}

func sub(name, description string, names ...string) *discordgo.ApplicationCommandOption {
	return &discordgo.ApplicationCommandOption{
		Type: discordgo.ApplicationCommandOptionSubCommand, Name: name, Description: description, Options: options(names...),
	}
}

func options(names ...string) []*discordgo.ApplicationCommandOption {
	var list []*discordgo.ApplicationCommandOption
	for _, name := range names {
		t := optionTexts[name]
		o := &discordgo.ApplicationCommandOption{
			Type: discordgo.ApplicationCommandOptionString, Name: name, Description: t.description, MaxLength: t.max,
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
