package sandbox

import (
	"fmt"
	"strings"

	"recallbot/adapters/discord"
	"recallbot/adapters/slack"
	"recallbot/bot"
	"recallbot/recall"
)

// person is somebody in the sandbox, with an account on each platform.
type person struct {
	name           string
	slack, discord string
	asks, approves bool
}

// cast is everybody.
var cast = []person{
	{name: "mina", slack: "U0MINA", discord: "300000000000000001", asks: true, approves: true},
	{name: "theo", slack: "U0THEO", discord: "300000000000000002", approves: true},
	{name: "ines", slack: "U0INES", discord: "300000000000000003", asks: true, approves: true},
	{name: "ola", slack: "U0OLA", discord: "300000000000000004"},
	{name: "remy", slack: "U0REMY", discord: "300000000000000005", asks: true},
}

// askers are those who may be mentioned when their request ends.
var askers = []string{"mina", "ines", "remy"}

const (
	leads        = "leads" // the approvers' group
	slackLeads   = "S0LEADS"
	slackChannel = "C0TRUST"

	discordLeads   = "400000000000000001"
	discordMods    = "400000000000000002"
	discordChannel = "200000000000000001"
)

func (p person) on(platform bot.Platform) string {
	if platform == slack.ID {
		return p.slack
	}
	return p.discord
}

// account finds somebody's user id on a platform.
func account(platform bot.Platform, who string) (string, error) {
	for _, p := range cast {
		if p.name == who {
			return p.on(platform), nil
		}
	}
	return "", fmt.Errorf("sandbox: there is nobody called %q", who)
}

// nameOf is whom a user id, a group's id or a role's means; the id itself where it means nobody.
func nameOf(id string) string {
	for _, p := range cast {
		if p.slack == id || p.discord == id {
			return p.name
		}
	}
	if id == slackLeads || id == discordLeads {
		return leads
	}
	return id
}

func those(may func(person) bool, platform bot.Platform) []string {
	var ids []string
	for _, p := range cast {
		if may(p) {
			ids = append(ids, p.on(platform))
		}
	}
	return ids
}

func asks(p person) bool { return p.asks }

func approves(p person) bool { return p.approves }

// crowd is who may ask and approve on a platform, and where: Slack names its requesters one by one,
// Discord by a role.
func crowd(platform bot.Platform) bot.Crowd {
	if platform == discord.ID {
		return bot.Crowd{
			Requesters: []bot.Principal{{Group: discordMods}}, Approvers: []bot.Principal{{Group: discordLeads}},
			Channels: []string{discordChannel},
		}
	}
	c := bot.Crowd{Approvers: []bot.Principal{{Group: slackLeads}}, Channels: []string{slackChannel}}
	for _, id := range those(asks, platform) {
		c.Requesters = append(c.Requesters, bot.Principal{User: id})
	}
	return c
}

// roster joins the accounts of each person.
func roster() bot.Roster {
	var r bot.Roster
	for _, p := range cast {
		r.People = append(r.People, bot.Person{Name: p.name, Accounts: []bot.Account{
			{Platform: slack.ID, User: p.slack}, {Platform: discord.ID, Workspace: "discord", User: p.discord},
		}})
	}
	return r
}

// title is a name as people are shown: with a capital.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func recallUser(s string) recall.UserID { return recall.UserID(s) }
