package slack

import (
	"regexp"
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/config"
)

// settings is the one workspace.
type settings struct {
	BotToken config.Secret `env:"SLACK_BOT_TOKEN"`
	// AppToken switches Socket Mode on; without it events come over HTTP.
	AppToken config.Secret `env:"SLACK_APP_TOKEN"`
	// SigningSecrets holds one secret, or two while one is rotated; a signature by either is good.
	SigningSecrets []config.Secret `env:"SLACK_SIGNING_SECRET"`
	APIURL         string          `env:"SLACK_API_URL"` // ends in a slash
	config.Access  `env:", prefix=SLACK_"`
}

var configured = config.Platform{
	ID: ID,
	Variables: []config.Variable{
		{Name: "SLACK_BOT_TOKEN", Secret: true, Check: token("xoxb-"), Missing: "write the bot token (xoxb-...)",
			Meaning: "`xoxb-`; Slack is off without it"},
		{Name: "SLACK_APP_TOKEN", Secret: true, Check: token("xapp-"), Meaning: "`xapp-`; set: Socket Mode"},
		{Name: "SLACK_SIGNING_SECRET", Secret: true, Check: signingSecrets,
			Meaning: "set (and no app token): HTTP mode; two, comma-separated, while one is rotated"},
		{Name: "SLACK_API_URL", Default: "https://slack.com/api/", Check: apiURL, Meaning: "for a test"},
		{Name: "SLACK_REQUESTERS", Check: principals,
			Meaning: "who may ask: comma list of user ids and user-group ids (`S...`); empty means nobody"},
		{Name: "SLACK_APPROVERS", Check: principals, Meaning: "who may approve: the same; empty means nobody"},
		{Name: "SLACK_CHANNELS", Required: "required with it", Check: config.ChannelsOf(channelID.MatchString,
			"write ids such as C0123456789 (at the bottom of a channel's details), or any"),
			Missing: "write the ids of the channels where the bot may be used, or any",
			Meaning: "channel ids where it may be used, or `any`"},
	},
	Settings: func() config.Settings { return &settings{} },
	Judge:    judge,
	Account:  account,
	Example:  "U0123456789",
}

// judge wants one way for events to come, and not both.
func judge(given func(name string) bool) (problems, warnings []config.Problem) {
	switch app, signing := given("SLACK_APP_TOKEN"), given("SLACK_SIGNING_SECRET"); {
	case app && signing:
		warnings = []config.Problem{{Variable: "SLACK_SIGNING_SECRET",
			What: "is not used: SLACK_APP_TOKEN is set, so events come over Socket Mode", Mend: "remove one of the two"}}
	case !app && !signing:
		problems = []config.Problem{{Variable: "SLACK_APP_TOKEN",
			What: "is not set, and neither is SLACK_SIGNING_SECRET",
			Mend: "set the app token (xapp-...) for Socket Mode, or the signing secret for HTTP"}}
	}
	return problems, warnings
}

// kinds are the kinds of tokens by how they begin.
var kinds = []struct{ start, name, at string }{
	{"xoxb-", "a bot token", "SLACK_BOT_TOKEN"},
	{"xapp-", "an app-level token", "SLACK_APP_TOKEN"},
	{"xoxp-", "a user token", ""},
	{"xoxe", "a token that ends by itself", ""},
}

// token is a token that begins with start. One of another kind is named.
func token(start string) config.Check {
	return func(raw string) (value, what, mend string) {
		if value, what, mend = config.CheckSecret(raw); what != "" {
			return value, what, mend
		}
		mend = "write the token that begins with " + start
		if is, at := kindOf(raw); is != "" && !strings.HasPrefix(raw, start) {
			if at != "" {
				mend += ", and this one in " + at
			}
			return "", "is " + is, mend
		}
		if !strings.HasPrefix(raw, start) || raw == start {
			return "", "does not begin with " + start, mend
		}
		return value, "", ""
	}
}

// kindOf says what kind of token a value is, and the variable for it, if it is one.
func kindOf(raw string) (is, at string) {
	for _, k := range kinds {
		if strings.HasPrefix(raw, k.start) {
			return k.name, k.at
		}
	}
	return "", ""
}

func signingSecrets(raw string) (value, what, mend string) {
	secrets := config.Split(raw)
	for _, s := range secrets {
		if _, what, mend = config.CheckSecret(s); what != "" {
			return "", what, mend
		}
		if is, at := kindOf(s); is != "" {
			mend = "write the signing secret of the app's Basic Information"
			if at != "" {
				mend += ", and this one in " + at
			}
			return "", "is " + is, mend
		}
	}
	if len(secrets) > 2 {
		return "", "holds " + strconv.Itoa(len(secrets)) + " secrets",
			"write one, or two separated by a comma while one is rotated"
	}
	return strings.Join(secrets, ","), "", ""
}

func apiURL(raw string) (value, what, mend string) {
	value, what, mend = config.CheckURL("https://slack.com/api/")(raw)
	return strings.TrimSuffix(value, "/") + "/", what, mend
}

var (
	channelID = regexp.MustCompile(`^[CG][A-Z0-9]+$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]+$`)
	groupID   = regexp.MustCompile(`^S[A-Z0-9]+$`)
	teamID    = regexp.MustCompile(`^[TE][A-Z0-9]+$`)
)

var principals = config.PeopleOf("user or user-group id", func(item string) (bot.Principal, bool) {
	if groupID.MatchString(item) {
		return bot.Principal{Group: item}, true
	}
	return bot.Principal{User: item}, userID.MatchString(item)
}, "write ids such as U0123456789 (a member's profile, Copy member ID) or S0123456789 (a user group)")

// account reads an account of the roster, which may name its team: "T0123/U0456" or "U0456".
func account(written string) (bot.Account, bool) {
	team, user, named := strings.Cut(written, "/")
	if !named {
		team, user = "", written
	}
	return bot.Account{Platform: ID, Workspace: team, User: user},
		userID.MatchString(user) && (!named || teamID.MatchString(team))
}
