package sandbox

import (
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

// slackSide is the workspace.
type slackSide struct {
	people
	w   *slacktest.Workspace
	url string // of the listener, "" in process
}

func newSlackSide(s *Sandbox) *slackSide {
	side := &slackSide{w: slacktest.New()}
	side.people = newPeople(slack.ID, side.w.People(), slackChannel)
	var everybody []string
	for _, p := range cast {
		side.w.AddUser(slacktest.User{ID: p.slack, Name: p.name, RealName: title(p.name)})
		everybody = append(everybody, p.slack)
	}
	side.w.AddGroup(slacktest.UserGroup{ID: slackLeads, Handle: leads, Name: "Leads",
		Members: those(approves, slack.ID)})
	side.w.AddChannel(slacktest.Channel{ID: slackChannel, Name: "trust", Members: everybody, BotIn: true})
	if s.o.Loopback {
		url, stop := side.w.Start()
		side.url, s.stops = url, append(s.stops, stop)
	}
	return side
}

func (k *slackSide) serve(p *process) (bot.Surface, error) {
	opts := slack.Options{
		BotToken: k.w.BotToken, HTTPClient: p.client(k.w.Client()), Dial: p.dial(k.w.DialContext), Log: p.log,
		Bot: p.bot,
	}
	if p.s.o.HTTP {
		opts.SigningSecrets = []string{k.w.SigningSecret}
	} else {
		opts.AppToken = k.w.AppToken
	}
	if k.url != "" {
		opts.APIURL = k.url + "/api/"
	}
	var err error
	if p.slack, err = slack.New(opts); err == nil && p.s.o.HTTP {
		k.w.Deliver(p.slack.Handler())
	}
	return p.slack, err
}

func (k *slackSide) up(p *process) bool {
	return p.slack.Ready() == nil && (p.s.o.HTTP || len(k.w.Sockets()) > 0)
}

func (k *slackSide) secrets() []string {
	return []string{k.w.BotToken, k.w.AppToken, k.w.SigningSecret}
}

func (k *slackSide) close() { k.w.Close() }
