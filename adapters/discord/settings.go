package discord

import (
	"encoding/hex"
	"strings"

	"recallbot/bot"
	"recallbot/config"
)

// settings is the bot's application and the guilds that it serves.
type settings struct {
	BotToken      config.Secret `env:"DISCORD_BOT_TOKEN"`
	ApplicationID string        `env:"DISCORD_APPLICATION_ID"`
	// PublicKey is the ed25519 key that interactions are signed with, 32 bytes in hex. It switches
	// interactions by HTTP on; without it they come over the Gateway.
	PublicKey     string   `env:"DISCORD_PUBLIC_KEY"`
	BaseURL       string   `env:"DISCORD_BASE_URL"` // no slash at the end
	Guilds        []string `env:"DISCORD_GUILDS"`
	config.Access `env:", prefix=DISCORD_"`
}

var configured = config.Platform{
	ID: ID,
	Variables: []config.Variable{
		{Name: "DISCORD_BOT_TOKEN", Secret: true, Check: botToken, Missing: "write the bot token",
			Meaning: "Discord is off without it"},
		{Name: "DISCORD_APPLICATION_ID", Required: "required with it", Check: applicationID,
			Missing: "write the Application ID of the developer portal", Meaning: "id of the application"},
		{Name: "DISCORD_PUBLIC_KEY", Check: publicKey, Meaning: "set: HTTP interactions; else the Gateway"},
		{Name: "DISCORD_BASE_URL", Default: "https://discord.com", Check: config.CheckBaseURL,
			Meaning: "for a test; the Gateway's address comes from it"},
		{Name: "DISCORD_GUILDS", Required: "required with it", Check: config.ListOf("guild id", isSnowflake,
			"write ids of digits such as 197038439483310086 (Developer Mode, Copy Server ID)"),
			Missing: "write the ids of the guilds that the bot serves", Meaning: "guild ids"},
		{Name: "DISCORD_REQUESTERS", Check: principals,
			Meaning: "who may ask: comma list of `role:ID` and `user:ID`; empty means nobody"},
		{Name: "DISCORD_APPROVERS", Check: principals, Meaning: "who may approve: the same; empty means nobody"},
		{Name: "DISCORD_CHANNELS", Required: "required with it", Check: config.ChannelsOf(isSnowflake,
			"write ids of digits such as 197038439483310086 (Developer Mode, Copy Channel ID), or any"),
			Missing: "write the ids of the channels where the bot may be used, or any",
			Meaning: "channel ids, or `any`"},
	},
	Settings: func() config.Settings { return &settings{} },
	Account: func(written string) (bot.Account, bool) {
		return bot.Account{Platform: ID, Workspace: everywhere, User: written}, isSnowflake(written)
	},
	Example: "80351110224678912",
}

func applicationID(raw string) (value, what, mend string) {
	if !isSnowflake(raw) {
		return "", config.Quote(raw) + " is not an id of digits",
			"write the Application ID of the developer portal, such as 197038439483310086"
	}
	return raw, "", ""
}

// botToken is not something else of the developer portal, nor a token of another platform.
func botToken(raw string) (value, what, mend string) {
	mend = "write the token of the application's Bot page"
	switch _, notKey, _ := publicKey(raw); {
	case notKey == "":
		return "", "is a public key", mend + ", and this one in DISCORD_PUBLIC_KEY"
	case isSnowflake(raw):
		return "", "is an id", mend
	case strings.HasPrefix(raw, "xox") || strings.HasPrefix(raw, "xapp-"):
		return "", "is a token of Slack", mend
	}
	return config.CheckSecret(raw)
}

func publicKey(raw string) (value, what, mend string) {
	if key, err := hex.DecodeString(raw); err != nil || len(key) != 32 {
		return "", config.Quote(raw) + " is not 32 bytes of hex",
			"write the 64 hex digits of Public Key in the developer portal"
	}
	return raw, "", ""
}

var principals = config.PeopleOf("role:ID or user:ID", func(item string) (bot.Principal, bool) {
	kind, id, _ := strings.Cut(item, ":")
	switch kind {
	case "role":
		return bot.Principal{Group: id}, isSnowflake(id)
	case "user":
		return bot.Principal{User: id}, isSnowflake(id)
	}
	return bot.Principal{}, false
}, "write role:197038439483310086 or user:80351110224678912 (Developer Mode, Copy Role ID or Copy User ID)")
