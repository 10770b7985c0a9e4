// Package adapters is the list of the chat platforms that are part of this program.
package adapters

import (
	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/platform"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/config"
)

// Platforms are all of them, in the order in which people read of them.
var Platforms = []Platform{
	{slack.Platform, slacktest.NewHome},
	{discord.Platform, discordtest.NewHome},
}

// Platform is a chat platform, and how it is made in memory for the sandbox.
type Platform struct {
	platform.Platform
	NewHome bottest.NewHome
}

// Configurations are what the platforms bring to the configuration.
func Configurations() (l []config.Platform) {
	for _, p := range Platforms {
		l = append(l, p.Platform.Platform)
	}
	return l
}

// IDs are the ids of the platforms.
func IDs() (l []bot.Platform) {
	for _, p := range Platforms {
		l = append(l, p.ID)
	}
	return l
}
