package discord

import (
	_ "embed"
	"encoding/hex"
	"os"

	"recallbot/adapters/platform"
	"recallbot/bot"
	"recallbot/config"
)

//go:embed text/en.txt
var text string

// everywhere is the workspace of every account: user ids are global.
const everywhere = "discord"

// ID is the platform's id.
var ID = bot.Register(bot.Traits{
	ID: "discord", Name: "Discord", TypesOptions: true, Workspace: everywhere, Text: text,
})

// Platform is what the program needs to know of Discord: whether it is configured, who may act
// there, how to open it, and its paths and manifest.
var Platform = platform.Platform{
	ID:       ID,
	On:       func(c config.Config) bool { return c.Discord.On() },
	Accounts: accounts,
	Crowd: func(c config.Config) bot.Crowd {
		return platform.Crowd(c.Discord.Requesters, c.Discord.Approvers, c.Discord.Channels)
	},
	Open:  open,
	Paths: []string{"/discord/interactions"},
	Manifest: func(string) (string, error) {
		invite, commands, err := Manifest(os.Getenv("DISCORD_APPLICATION_ID"))
		return invite + "\n" + string(commands), err
	},
}

func open(w platform.Wiring) (platform.Adapter, error) {
	c := w.Config.Discord
	return New(Options{
		BotToken: c.BotToken.Reveal(), ApplicationID: c.ApplicationID, PublicKey: hex.EncodeToString(c.PublicKey),
		BaseURL: c.BaseURL, Guilds: c.Guilds, Log: w.Log, Bot: w.Bot, Acked: w.Acked, Door: w.Door,
	})
}

// accounts returns a person's accounts in the roster.
func accounts(p config.Person) []bot.Account {
	var l []bot.Account
	for _, user := range p.Discord {
		l = append(l, bot.Account{Platform: ID, Workspace: everywhere, User: user})
	}
	return l
}

// Remark implements platform.Adapter.
func (a *Adapter) Remark() string {
	if a.StandsBy() {
		return "another replica holds the Gateway connection"
	}
	return ""
}
