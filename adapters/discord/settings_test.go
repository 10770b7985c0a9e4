package discord

import (
	"errors"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/config"

	"github.com/google/go-cmp/cmp"
)

// configure loads a configuration with Discord alone, in which pairs of names and values are set;
// "-" removes a variable.
func configure(t *testing.T, pairs ...string) (*settings, config.Problems) {
	t.Helper()
	env := map[string]string{
		"CHAT_SDK_APP_ID": "1400000000", "CHAT_SECRET_KEY": "key", "CHAT_REGION": "singapore",
		"DISCORD_BOT_TOKEN": "abc.def", "DISCORD_APPLICATION_ID": "197038439483310086",
		"DISCORD_GUILDS": "197038439483310001", "DISCORD_REQUESTERS": "user:80351110224678912",
		"DISCORD_APPROVERS": "role:197038439483310002", "DISCORD_CHANNELS": "197038439483310003",
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
	return s, problems
}

// TestSettings: what the variables fill in.
func TestSettings(t *testing.T) {
	key := strings.Repeat("0aF1", 16)
	got, problems := configure(t, "DISCORD_PUBLIC_KEY", key, "DISCORD_BASE_URL", "HTTP://[::1]:7/",
		"DISCORD_GUILDS", "1,2", "DISCORD_REQUESTERS", "role:3,user:4",
		"DISCORD_APPROVERS", "role:18446744073709551615", "DISCORD_CHANNELS", "5 , 6")
	want := &settings{
		BotToken: config.NewSecret("abc.def"), ApplicationID: "197038439483310086", PublicKey: key,
		BaseURL: "http://[::1]:7", Guilds: []string{"1", "2"},
		Access: config.Access{Requesters: config.People{{Group: "3"}, {User: "4"}},
			Approvers: config.People{{Group: "18446744073709551615"}}, Channels: config.Channels{"5", "6"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Errorf("%v\n%s", problems, diff)
	}
	if got, _ := configure(t); got.BaseURL != "https://discord.com" || got.PublicKey != "" {
		t.Errorf("by default %+v", got)
	}
}

// TestProblems has a row for every fault, alone in a configuration that is otherwise good.
func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"DISCORD_BOT_TOKEN", "-", "is not set, but DISCORD_APPLICATION_ID is; " +
			"write the bot token, or remove every DISCORD_ variable"},
		{"DISCORD_BOT_TOKEN", "Bot abc.def", "holds a space"},
		{"DISCORD_APPLICATION_ID", "-", "is not set; write the Application ID of the developer portal"},
		{"DISCORD_APPLICATION_ID", "app", `"app" is not an id of digits`},
		{"DISCORD_APPLICATION_ID", "18446744073709551616", `a value is not an id of digits`},
		{"DISCORD_APPLICATION_ID", "0197", `"0197" is not an id of digits`},
		{"DISCORD_PUBLIC_KEY", "0af1", `"0af1" is not 32 bytes of hex`},
		{"DISCORD_PUBLIC_KEY", strings.Repeat("z", 64), "a value is not 32 bytes of hex"},
		{"DISCORD_BASE_URL", "https://discord.com/api", "a value has a path"},
		{"DISCORD_GUILDS", "-", "is not set; write the ids of the guilds that the bot serves"},
		{"DISCORD_GUILDS", "any", `"any" is not a guild id`},
		{"DISCORD_REQUESTERS", "12345", `"12345" is not a role:ID or user:ID; write role:`},
		{"DISCORD_REQUESTERS", "role:mods", `"role:mods" is not a role:ID or user:ID`},
		{"DISCORD_APPROVERS", "group:1", `"group:1" is not a role:ID or user:ID`},
		{"DISCORD_APPROVERS", "any", `"any" is not a role:ID or user:ID`},
		{"DISCORD_CHANNELS", "-", "is not set; write the ids of the channels"},
		{"DISCORD_CHANNELS", "1,any", "names any beside others"},
		{"DISCORD_CHANNELS", "general", `"general" is not a channel id`},
		{"DISCORD_CHANNELS", "any", ""},
	} {
		_, problems := configure(t, tt.name, tt.value)
		if tt.want == "" {
			if problems != nil {
				t.Errorf("%s=%s: %v", tt.name, tt.value, problems)
			}
		} else if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.name+": "+tt.want) {
			t.Errorf("%s=%s: %v, want %s", tt.name, tt.value, problems, tt.want)
		}
	}
}

// TestAccount: how an account is written in the roster.
func TestAccount(t *testing.T) {
	want := bot.Account{Platform: ID, Workspace: everywhere, User: "80351110224678912"}
	if got, ok := configured.Account("80351110224678912"); !ok || got != want {
		t.Errorf("%v, %t", got, ok)
	}
	for _, wrong := range []string{"mina#1234", "-1", "0", "01", "", "<@80351110224678912>"} {
		if got, ok := configured.Account(wrong); ok {
			t.Errorf("%q is %v", wrong, got)
		}
	}
}
