package worker

import (
	"time"

	"recallbot/bot"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func slackAccount(user string) bot.Account {
	return bot.Account{Platform: OnSlack, Workspace: "T1", User: user}
}

// leadsPolicy lets members of SLEADS approve what MINA asks.
func leadsPolicy() bot.Policy {
	p := bot.DefaultPolicy()
	p.Crowds = map[bot.Platform]bot.Crowd{
		OnSlack: {
			Requesters: []bot.Principal{{User: "MINA"}}, Approvers: []bot.Principal{{Group: "SLEADS"}},
			Channels: []string{"C1"},
		},
		OnDiscord: {
			Requesters: []bot.Principal{{User: "1"}}, Approvers: []bot.Principal{{Group: "9"}},
			Channels: []string{"77"},
		},
	}
	return p
}
