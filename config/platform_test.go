package config

import (
	"regexp"
	"strings"

	"recallbot/bot"
)

// platforms are two that no program has. Accounts of irc may name a network; what events come with
// is one of two, as on many platforms. Accounts of matrix are numbers that count everywhere.
var platforms = []Platform{{
	ID: "irc",
	Variables: []Variable{
		{Name: "IRC_TOKEN", Secret: true, Check: CheckSecret, Missing: "write the token",
			Meaning: "irc is off without it"},
		{Name: "IRC_SOCKET_TOKEN", Secret: true, Check: CheckSecret, Meaning: "for sockets"},
		{Name: "IRC_SECRETS", Secret: true, Check: CheckSecret, Meaning: "for HTTP"},
		{Name: "IRC_URL", Default: "https://irc.example/api/", Check: CheckURL("https://irc.example/api/"),
			Meaning: "for a test"},
		{Name: "IRC_REQUESTERS", Check: ircPeople, Meaning: "who may ask"},
		{Name: "IRC_APPROVERS", Check: ircPeople, Meaning: "who may approve"},
		{Name: "IRC_CHANNELS", Required: "required with it", Missing: "write channels, or any",
			Check:   ChannelsOf(func(id string) bool { return strings.HasPrefix(id, "C") }, "write C1"),
			Meaning: "channels, or `any`"},
	},
	Settings: func() Settings { return &irc{} },
	Judge: func(given func(string) bool) (problems, warnings []Problem) {
		if !given("IRC_SOCKET_TOKEN") && !given("IRC_SECRETS") {
			problems = []Problem{{"IRC_SOCKET_TOKEN", "is not set, and neither is IRC_SECRETS", "set one"}}
		}
		if given("IRC_SOCKET_TOKEN") && given("IRC_SECRETS") {
			warnings = []Problem{{"IRC_SECRETS", "is not used", "remove it"}}
		}
		return problems, warnings
	},
	Account: func(written string) (bot.Account, bool) {
		network, user, named := strings.Cut(written, "/")
		if !named {
			network, user = "", written
		}
		return bot.Account{Platform: "irc", Workspace: network, User: user},
			ircUser.MatchString(user) && (!named || strings.HasPrefix(network, "T"))
	},
	Example: "U0123456789",
}, {
	ID: "matrix",
	Variables: []Variable{
		{Name: "MATRIX_TOKEN", Secret: true, Check: CheckSecret, Missing: "write the token",
			Meaning: "matrix is off without it"},
		{Name: "MATRIX_ROOMS", Required: "required with it", Missing: "write the rooms",
			Check: ListOf("room", isNumber, "write numbers"), Meaning: "rooms"},
		{Name: "MATRIX_REQUESTERS", Check: matrixPeople, Meaning: "who may ask"},
		{Name: "MATRIX_APPROVERS", Check: matrixPeople, Meaning: "who may approve"},
		{Name: "MATRIX_CHANNELS", Required: "required with it", Missing: "write channels, or any",
			Check: ChannelsOf(isNumber, "write numbers, or any"), Meaning: "channels, or `any`"},
	},
	Settings: func() Settings { return &matrix{} },
	Account: func(written string) (bot.Account, bool) {
		return bot.Account{Platform: "matrix", Workspace: "matrix", User: written}, isNumber(written)
	},
	Example: "80351110224678912",
}}

type irc struct {
	Token       Secret   `env:"IRC_TOKEN"`
	SocketToken Secret   `env:"IRC_SOCKET_TOKEN"`
	Secrets     []Secret `env:"IRC_SECRETS"`
	URL         string   `env:"IRC_URL"`
	Access      `env:", prefix=IRC_"`
}

type matrix struct {
	Token  Secret   `env:"MATRIX_TOKEN"`
	Rooms  []string `env:"MATRIX_ROOMS"`
	Access `env:", prefix=MATRIX_"`
}

var ircUser = regexp.MustCompile(`^[UW][A-Z0-9]+$`)

var ircPeople = PeopleOf("user or group", func(item string) (bot.Principal, bool) {
	if strings.HasPrefix(item, "S") {
		return bot.Principal{Group: item}, true
	}
	return bot.Principal{User: item}, ircUser.MatchString(item)
}, "write U1 or S1")

var matrixPeople = PeopleOf("role:ID or user:ID", func(item string) (bot.Principal, bool) {
	if id, ok := strings.CutPrefix(item, "role:"); ok {
		return bot.Principal{Group: id}, isNumber(id)
	}
	id, ok := strings.CutPrefix(item, "user:")
	return bot.Principal{User: id}, ok && isNumber(id)
}, "write role:1 or user:1")

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
