package slacktest

import (
	"context"
	"net"
	"strings"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// The ids of what is in a Home.
const (
	HomeChannel = "C0TRUST"
	HomeLeads   = "S0LEADS" // the user group of those who may approve
)

// Home is a workspace in which the people of a conversation are at home. Those who may ask are
// named one by one.
type Home struct {
	*Workspace
	cast []bottest.Person
	url  string // of the listener, "" in process
}

// NewHome is a bottest.NewHome. Slack publishes no description of its API that calls could be held
// to, so that documents is not read.
func NewHome(cast []bottest.Person, documents string) (bottest.Home, error) {
	h := &Home{Workspace: New(), cast: cast}
	var everybody, approvers []string
	for _, p := range cast {
		id := h.User(p.Name)
		h.AddUser(User{ID: id, Name: p.Name, RealName: p.Title()})
		everybody = append(everybody, id)
		if p.Approves {
			approvers = append(approvers, id)
		}
	}
	h.AddGroup(UserGroup{ID: HomeLeads, Handle: "leads", Name: "Leads", Members: approvers})
	h.AddChannel(Channel{ID: HomeChannel, Name: "trust", Members: everybody, BotIn: true})
	return h, nil
}

// People implements bottest.Home.
func (h *Home) People() bottest.People { return h.Workspace.People() }

// Style implements bottest.Home.
func (h *Home) Style() string { return Style }

// User implements bottest.Home.
func (h *Home) User(name string) string { return "U0" + strings.ToUpper(name) }

// Channel implements bottest.Home.
func (h *Home) Channel() string { return HomeChannel }

// Leads implements bottest.Home.
func (h *Home) Leads() string { return HomeLeads }

// Bar implements bottest.Home: only some people may post.
func (h *Home) Bar(barred bool) {
	h.Workspace.mu.Lock()
	defer h.Workspace.mu.Unlock()
	h.channels[HomeChannel].Posting = map[bool]Posting{true: ReadOnly}[barred]
}

// Erase implements bottest.Home.
func (h *Home) Erase(at bot.Ref) { h.DeleteMessage(MessageRef{Channel: at.Channel, TS: at.Message}) }

// Environment implements bottest.Home.
func (h *Home) Environment(byHTTP bool) map[string]string {
	env := map[string]string{"SLACK_BOT_TOKEN": h.BotToken, "SLACK_APPROVERS": HomeLeads, "SLACK_CHANNELS": HomeChannel}
	var requesters []string
	for _, p := range h.cast {
		if p.Asks {
			requesters = append(requesters, h.User(p.Name))
		}
	}
	env["SLACK_REQUESTERS"] = strings.Join(requesters, ",")
	if byHTTP {
		env["SLACK_SIGNING_SECRET"] = h.SigningSecret
	} else {
		env["SLACK_APP_TOKEN"] = h.AppToken
	}
	if h.url != "" {
		env["SLACK_API_URL"] = h.url + "/api/"
	}
	return env
}

// Secrets implements bottest.Home. Whoever has a response_url can answer in the bot's place.
func (h *Home) Secrets() []string {
	return []string{h.BotToken, h.AppToken, h.SigningSecret, "hooks.slack.com", "response_url"}
}

// Dial implements bottest.Home.
func (h *Home) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return h.DialContext(ctx, network, addr)
}

// Start implements bottest.Home.
func (h *Home) Start() (stop func()) {
	h.url, stop = h.Workspace.Start()
	return stop
}

// Connected implements bottest.Home.
func (h *Home) Connected(byHTTP bool) bool { return byHTTP || len(h.Sockets()) > 0 }
