package worker

import "recallbot/bot"

// The platforms of these tests: one on which commands are text, and one on which they are typed
// options and user ids are global.
const (
	OnSlack   bot.Platform = "slack"
	OnDiscord bot.Platform = "discord"
)

func init() {
	bot.Register(bot.Traits{ID: OnSlack, Name: "Slack"})
	bot.Register(bot.Traits{ID: OnDiscord, Name: "Discord", TypesOptions: true, Workspace: "discord"})
}
