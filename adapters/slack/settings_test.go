package slack

import (
	"errors"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/config"

	"github.com/google/go-cmp/cmp"
)

// configure loads a configuration with Slack alone, in which pairs of names and values are set; "-"
// removes a variable.
func configure(t *testing.T, pairs ...string) (*settings, config.Config, config.Problems) {
	t.Helper()
	env := map[string]string{
		"CHAT_SDK_APP_ID": "1400000000", "CHAT_SECRET_KEY": "key", "CHAT_REGION": "singapore",
		"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_REQUESTERS": "U0MINA",
		"SLACK_APPROVERS": "S0LEADS", "SLACK_CHANNELS": "C0TRUST",
	}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	var environ []string
	for name, value := range env {
		if value != "-" {
			environ = append(environ, name+"="+value)
		}
	}
	c, err := config.Load(t.Context(), environ, []config.Platform{configured})
	problems, _ := errors.AsType[config.Problems](err)
	if err != nil && problems == nil {
		t.Fatal(err)
	}
	s, _ := c.Platforms[ID].(*settings)
	return s, c, problems
}

// TestSettings: what the variables fill in.
func TestSettings(t *testing.T) {
	got, _, problems := configure(t, "SLACK_APP_TOKEN", "-", "SLACK_SIGNING_SECRET", "new, old,,new",
		"SLACK_API_URL", "http://localhost:1/api", "SLACK_REQUESTERS", "U0MINA, W0ANN ,U0MINA,, S0MODS",
		"SLACK_CHANNELS", "Any")
	want := &settings{
		BotToken: config.NewSecret("xoxb-1"), APIURL: "http://localhost:1/api/",
		SigningSecrets: []config.Secret{config.NewSecret("new"), config.NewSecret("old")},
		Access: config.Access{Requesters: config.People{{User: "U0MINA"}, {User: "W0ANN"}, {Group: "S0MODS"}},
			Approvers: config.People{{Group: "S0LEADS"}}, Channels: config.Channels{"any"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Errorf("%v\n%s", problems, diff)
	}
	if got, _, _ := configure(t); got.APIURL != "https://slack.com/api/" || !got.AppToken.Set() {
		t.Errorf("by default %+v", got)
	}
}

// TestProblems has a row for every fault, alone in a configuration that is otherwise good.
func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"SLACK_BOT_TOKEN", "1-2-3", "does not begin with xoxb-; write the token that begins with xoxb-"},
		{"SLACK_BOT_TOKEN", "xoxp-1", "is a user token; write the token that begins with xoxb-"},
		{"SLACK_BOT_TOKEN", "xapp-1", "is an app-level token; write the token that begins with xoxb-, " +
			"and this one in SLACK_APP_TOKEN"},
		{"SLACK_BOT_TOKEN", `"xoxb-1"`, "has quotes around it; write it without them"},
		{"SLACK_BOT_TOKEN", "xoxb-", "does not begin with xoxb-"},
		{"SLACK_BOT_TOKEN", "-", "is not set, but SLACK_APP_TOKEN is; " +
			"write the bot token (xoxb-...), or remove every SLACK_ variable"},
		{"SLACK_APP_TOKEN", "xoxb-1", "is a bot token; write the token that begins with xapp-, " +
			"and this one in SLACK_BOT_TOKEN"},
		{"SLACK_APP_TOKEN", "-", "is not set, and neither is SLACK_SIGNING_SECRET"},
		{"SLACK_SIGNING_SECRET", "a,b,c", "holds 3 secrets"},
		{"SLACK_SIGNING_SECRET", "a,b c", "holds a space"},
		{"SLACK_API_URL", "slack.com/api/", "a value does not begin with http:// or https://; " +
			"write a URL such as https://slack.com/api/"},
		{"SLACK_API_URL", "https://slack.com/api/?x", "a value has a query"},
		{"SLACK_REQUESTERS", "any", `"any" is not a user or user-group id; write ids such as U0123456789`},
		{"SLACK_REQUESTERS", "*", `"*" is not a user or user-group id`},
		{"SLACK_APPROVERS", "<@U0THEO>", `"<@U0THEO>" is not a user or user-group id`},
		{"SLACK_APPROVERS", "user:U0THEO", `"user:U0THEO" is not a user or user-group id`},
		{"SLACK_APPROVERS", "@theo, mina, U1", `"@theo", "mina" are not each a user or user-group id`},
		{"SLACK_CHANNELS", "-", "is not set; write the ids of the channels where the bot may be used, or any"},
		{"SLACK_CHANNELS", " , ,", "is not set"},
		{"SLACK_CHANNELS", "#general", `"#general" is not a channel id; write ids such as C0123456789`},
		{"SLACK_CHANNELS", "D0DIRECT", `"D0DIRECT" is not a channel id`},
		{"SLACK_CHANNELS", "any,C1", "names any beside others"},
		{"SLACK_CHANNELS", "G0PRIVATE", ""},
	} {
		_, _, problems := configure(t, tt.name, tt.value)
		if tt.want == "" {
			if problems != nil {
				t.Errorf("%s=%s: %v", tt.name, tt.value, problems)
			}
		} else if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.name+": "+tt.want) {
			t.Errorf("%s=%s: %v, want %s", tt.name, tt.value, problems, tt.want)
		}
	}
	for value, want := range map[string]string{
		"xoxb-1": "is a bot token", "a,xapp-1": "is an app-level token", "'a'": "has quotes around it",
	} {
		_, _, problems := configure(t, "SLACK_APP_TOKEN", "-", "SLACK_SIGNING_SECRET", value)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "SLACK_SIGNING_SECRET: "+want) {
			t.Errorf("SLACK_SIGNING_SECRET=%s: %v, want %s", value, problems, want)
		}
	}
	_, c, _ := configure(t, "SLACK_SIGNING_SECRET", "both")
	if len(c.Warnings) != 1 || c.Warnings[0].Variable != "SLACK_SIGNING_SECRET" {
		t.Errorf("with both ways for events to come: %v", c.Warnings)
	}
}

// TestAccount: how an account is written in the roster.
func TestAccount(t *testing.T) {
	for written, want := range map[string]bot.Account{
		"U012": {Platform: ID, User: "U012"}, "W013": {Platform: ID, User: "W013"},
		"T012/U012": {Platform: ID, Workspace: "T012", User: "U012"},
		"E012/U012": {Platform: ID, Workspace: "E012", User: "U012"},
		"mina":      {}, "U1/T1": {}, "/U1": {}, "T1/": {}, "T1/U1/U2": {}, "": {},
	} {
		if got, ok := account(written); ok != (want != bot.Account{}) || ok && got != want {
			t.Errorf("%q is %v, %t", written, got, ok)
		}
	}
}
