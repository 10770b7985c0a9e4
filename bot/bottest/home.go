package bottest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"recallbot/bot"
)

// Person is somebody in a conversation, with an account on each platform.
type Person struct {
	Name           string
	Asks, Approves bool
}

// Title is the name as people are shown: with a capital.
func (p Person) Title() string { return strings.ToUpper(p.Name[:1]) + p.Name[1:] }

// Home is a platform in memory in which the people of a conversation are at home: they share one
// channel, #trust, and those who may approve are a group. It is implemented once for each platform,
// beside its fake.
type Home interface {
	People() People
	// Style is the stylesheet of what Shown.HTML draws.
	Style() string
	// User returns somebody's user id. Channel is the id of the channel, and Leads that of the
	// approvers' group.
	User(name string) string
	Channel() string
	Leads() string

	// Bar keeps the bot from posting in the channel, or lets it again. Erase deletes a message, as
	// a moderator can.
	Bar(barred bool)
	Erase(at bot.Ref)
	// Lenient has the platform take calls as fast as they come, and wait so long for each
	// acknowledgement; 0: for as long as the platform itself does.
	Lenient(ack time.Duration)
	// Troubles are what can go wrong with the platform, and Deletions what somebody can take away
	// from under a request: each acts on the newest card of the channel.
	Troubles() []Trouble
	Deletions() []Trouble
	Forger() Forger

	// Environment returns the variables that configure the bot for this platform. byHTTP has events
	// come by HTTP, where there is a choice.
	Environment(byHTTP bool) map[string]string
	// Secrets returns what must be in no log.
	Secrets() []string
	// Client and Dial reach the platform in process. Start puts it on a TCP port of 127.0.0.1
	// instead, which Environment then names, until stop.
	Client() *http.Client
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
	Start() (stop func())
	// Deliver has events posted to h, where they come by HTTP, and Post to the program that serves
	// at the URL.
	Deliver(h http.Handler)
	Post(url string)
	// Strange is what strangers post, up to the end of the header: what is signed as the platform
	// signs, but by somebody else. It lacks what tells how long the body is.
	Strange() []string
	// Connected reports whether the bot is there, as the platform sees it.
	Connected(byHTTP bool) bool
	// Close ends the platform.
	Close()
}

// Trouble is something that goes wrong with a platform, once or for a while.
type Trouble struct {
	Name   string
	Strike func()
	// Copies says that a post may then be made twice: the platform has nothing by which one that
	// was made could be told from one that was not.
	Copies bool
	// Unseen says that from then on nobody sees what the bot writes.
	Unseen bool
}

// Document is a page of its own with what Shown.HTML drew.
func Document(home Home, drawn string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><title>recallbot</title>` +
		`<meta name="viewport" content="width=device-width"><style>body{margin:0}` + home.Style() + "</style>" + drawn +
		"</html>\n"
}

// NewHome makes a home for people. documents is a folder with what platforms publish about their
// API, to which the bot's calls are held where the platform has such a file in it; "" for none.
type NewHome func(people []Person, documents string) (Home, error)
