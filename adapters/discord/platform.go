package discord

import (
	_ "embed"
	"flag"
	"os"

	"recallbot/adapters/platform"
	"recallbot/bot"
)

//go:embed text/en.txt
var text string

// everywhere is the workspace of every account: user ids are global.
const everywhere = "discord"

// ID is the platform's id.
var ID = bot.Register(bot.Traits{
	ID: "discord", Name: "Discord", TypesOptions: true, Workspace: everywhere, Text: text,
})

// Platform is what the program needs to know of Discord: how it is configured and opened, and its
// paths and manifest.
var Platform = platform.Platform{
	Platform: configured,
	Open:     open,
	Paths:    []string{"/discord/interactions"},
	Manifest: func(flags *flag.FlagSet) func() (string, error) {
		definitions := flags.Bool("commands", false, "print the definitions of the commands, in place of the link")
		return func() (string, error) {
			if *definitions {
				commands, err := Definitions()
				return string(commands), err
			}
			return Invitation(os.Getenv("DISCORD_APPLICATION_ID"))
		}
	},
}

func open(w platform.Wiring) (platform.Adapter, error) {
	c := w.Settings.(*settings)
	return New(Options{
		BotToken: c.BotToken.Reveal(), ApplicationID: c.ApplicationID, PublicKey: c.PublicKey,
		BaseURL: c.BaseURL, Guilds: c.Guilds, HTTPClient: w.Client, Dial: w.Dial,
		Log: w.Log, Bot: w.Bot, Acked: w.Acked, Door: w.Door,
	})
}

// Remark implements platform.Adapter.
func (a *Adapter) Remark() string {
	stands := ""
	if a.StandsBy() {
		stands = "another replica holds the Gateway connection"
	}
	return platform.Remarks(a.flow.Remark(), stands)
}
