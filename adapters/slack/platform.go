package slack

import (
	_ "embed"

	"recallbot/bot"
)

//go:embed text/en.txt
var text string

// ID is the platform's id.
var ID = bot.Register(bot.Traits{ID: "slack", Name: "Slack", Text: text})
