package slack

import (
	_ "embed"
	"strings"

	"recallbot/adapters/platform"
	"recallbot/bot"
	"recallbot/config"
)

//go:embed text/en.txt
var text string

// ID is the platform's id.
var ID = bot.Register(bot.Traits{ID: "slack", Name: "Slack", Text: text})

// Platform is what the program needs to know of Slack: whether it is configured, who may act there,
// how to open it, and its paths and manifest.
var Platform = platform.Platform{
	ID:       ID,
	On:       func(c config.Config) bool { return c.Slack.On() },
	Accounts: accounts,
	Crowd: func(c config.Config) bot.Crowd {
		return platform.Crowd(c.Slack.Requesters, c.Slack.Approvers, c.Slack.Channels)
	},
	Open:  open,
	Paths: []string{"/slack/commands", "/slack/interactions"},
	Manifest: func(address string) (string, error) {
		body, err := Manifest(address)
		return string(body), err
	},
}

func open(w platform.Wiring) (platform.Adapter, error) {
	c := w.Config.Slack
	o := Options{
		BotToken: c.BotToken.Reveal(), AppToken: c.AppToken.Reveal(), APIURL: c.APIURL,
		Log: w.Log, Bot: w.Bot, Acked: w.Acked, Door: w.Door,
	}
	for _, s := range c.SigningSecrets {
		o.SigningSecrets = append(o.SigningSecrets, s.Reveal())
	}
	return New(o)
}

// accounts returns a person's accounts in the roster, each of which may name its team: "T1/U1".
func accounts(p config.Person) []bot.Account {
	var l []bot.Account
	for _, s := range p.Slack {
		team, user, ok := strings.Cut(s, "/")
		if !ok {
			team, user = "", s
		}
		l = append(l, bot.Account{Platform: ID, Workspace: team, User: user})
	}
	return l
}

// Remark implements platform.Adapter. It has nothing to report.
func (a *Adapter) Remark() string { return "" }
