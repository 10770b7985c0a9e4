package slack

import (
	_ "embed"
	"flag"

	"recallbot/adapters/platform"
	"recallbot/bot"
)

//go:embed text/en.txt
var text string

// ID is the platform's id.
var ID = bot.Register(bot.Traits{ID: "slack", Name: "Slack", Announces: true, Typed: typed, Text: text})

// Platform is what the program needs to know of Slack: how it is configured and opened, and its
// paths and manifest.
var Platform = platform.Platform{
	Platform: configured,
	Open:     open,
	Paths:    []string{"/slack/commands", "/slack/interactions"},
	Manifest: func(flags *flag.FlagSet) func() (string, error) {
		address := flags.String("http", "", "for requests to this `URL`, in place of Socket Mode")
		return func() (string, error) {
			body, err := Manifest(*address)
			return string(body), err
		}
	},
}

func open(w platform.Wiring) (platform.Adapter, error) {
	c := w.Settings.(*settings)
	o := Options{
		BotToken: c.BotToken.Reveal(), AppToken: c.AppToken.Reveal(), APIURL: c.APIURL,
		HTTPClient: w.Client, Dial: w.Dial, Log: w.Log, Bot: w.Bot, Acked: w.Acked, Door: w.Door,
	}
	for _, s := range c.SigningSecrets {
		o.SigningSecrets = append(o.SigningSecrets, s.Reveal())
	}
	return New(o)
}

// Remark implements platform.Adapter. It reports another copy of the bot, and that no user group
// can be read: people who are named by user id can use the bot nevertheless.
func (a *Adapter) Remark() string {
	c, unread := a.groupsRefused.Load(), ""
	if c != nil && *c != "" {
		unread = "Slack refuses to read user groups (" + *c + "): " + mends[*c]
	}
	return platform.Remarks(a.flow.Remark(), unread)
}
