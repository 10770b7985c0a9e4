package discordtest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// The ids of what is in a Home.
const (
	HomeChannel = "200000000000000001"
	HomeLeads   = "400000000000000001" // the role of those who may approve
	HomeMods    = "400000000000000002" // the role of those who may ask
	homeBot     = "400000000000000003" // the role of the bot
)

// Home is a server in which the people of a conversation are at home. Those who may ask have a
// role.
type Home struct {
	*Guild
	cast []bottest.Person
	url  string // of the listener, or one that leads nowhere
	// More are servers beside the Guild that Environment names. They are nowhere, so that the bot
	// can register no commands in them.
	More []string
}

// NewHome is a bottest.NewHome. What is sent to the server is held to Discord's OpenAPI document,
// where the folder of documents has it.
func NewHome(cast []bottest.Person, documents string) (bottest.Home, error) {
	h := &Home{Guild: New(), cast: cast, url: "http://discord.invalid"}
	h.Limits = true
	if documents != "" {
		var err error
		if h.Validate, err = document(filepath.Join(documents, "discord-openapi.json")); err != nil {
			return nil, err
		}
	}
	h.AddChannel(Channel{ID: HomeChannel, Name: "trust"})
	var asks, approves []string
	for _, p := range cast {
		id := h.User(p.Name)
		h.AddMember(Member{UserID: id, Name: p.Name, Nick: p.Title()})
		if p.Asks {
			asks = append(asks, id)
		}
		if p.Approves {
			approves = append(approves, id)
		}
	}
	h.AddRole(Role{ID: HomeLeads, Name: "leads", Mentionable: true, Members: approves})
	h.AddRole(Role{ID: HomeMods, Name: "mods", Members: asks})
	h.AddRole(Role{ID: homeBot, Name: "recallbot", Members: []string{h.BotUserID}, Permissions: DefaultPermissions})
	return h, nil
}

// documents caches what document made of a file, which takes a second.
var documents sync.Map

// document returns the check of the document in a file, nil where there is no such file.
func document(file string) (func(method, path string, body []byte) error, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	type check = func(method, path string, body []byte) error
	read, _ := documents.LoadOrStore(file, sync.OnceValues(func() (check, error) { return OpenAPI(file) }))
	return read.(func() (check, error))()
}

// People implements bottest.Home.
func (h *Home) People() bottest.People { return h.Guild.People() }

// Style implements bottest.Home.
func (h *Home) Style() string { return Style }

// User implements bottest.Home. The ids are in the order of the people.
func (h *Home) User(name string) string {
	n := slices.IndexFunc(h.cast, func(p bottest.Person) bool { return p.Name == name })
	return fmt.Sprintf("3%017d", n+1)
}

// Channel implements bottest.Home.
func (h *Home) Channel() string { return HomeChannel }

// Leads implements bottest.Home.
func (h *Home) Leads() string { return HomeLeads }

// Bar implements bottest.Home: what an interaction says of the bot's permissions is older.
func (h *Home) Bar(barred bool) {
	h.Heal()
	if barred {
		h.Fail("POST /channels/"+HomeChannel+"/messages", -1, APIError(http.StatusForbidden, 50013))
	}
}

// Erase implements bottest.Home.
func (h *Home) Erase(at bot.Ref) { h.Delete(MessageRef{ChannelID: at.Channel, ID: at.Message}) }

// Environment implements bottest.Home.
func (h *Home) Environment(byHTTP bool) map[string]string {
	env := map[string]string{
		"DISCORD_BOT_TOKEN": h.BotToken, "DISCORD_APPLICATION_ID": h.ApplicationID, "DISCORD_BASE_URL": h.url,
		"DISCORD_GUILDS":     strings.Join(append([]string{h.ID}, h.More...), ","),
		"DISCORD_REQUESTERS": "role:" + HomeMods, "DISCORD_APPROVERS": "role:" + HomeLeads,
		"DISCORD_CHANNELS": HomeChannel,
	}
	if byHTTP {
		env["DISCORD_PUBLIC_KEY"] = h.PublicKey
	}
	return env
}

// Secrets implements bottest.Home.
func (h *Home) Secrets() []string { return []string{h.BotToken} }

// Start implements bottest.Home.
func (h *Home) Start() (stop func()) {
	h.url, stop = h.Guild.Start()
	return stop
}

// Connected implements bottest.Home: the commands are registered, and a session is open.
func (h *Home) Connected(byHTTP bool) bool {
	return len(h.Commands()) > 0 && (byHTTP || len(h.Sessions()) > 0)
}
