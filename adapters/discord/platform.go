package discord

import (
	_ "embed"

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
