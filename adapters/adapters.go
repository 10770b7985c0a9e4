// Package adapters is the list of the chat platforms that are part of this program.
package adapters

import (
	"recallbot/adapters/discord"
	"recallbot/adapters/platform"
	"recallbot/adapters/slack"
)

// Platforms are all of them, in the order in which people read of them.
var Platforms = []platform.Platform{
	slack.Platform,
	discord.Platform,
}
