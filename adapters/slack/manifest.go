package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"recallbot/bot"
)

// manifest is Slack's app manifest, as far as the bot needs one
// (docs.slack.dev/reference/app-manifest).
type manifest struct {
	Display struct {
		Name            string `json:"name"`
		Description     string `json:"description"`
		LongDescription string `json:"long_description"`
		BackgroundColor string `json:"background_color"`
	} `json:"display_information"`
	Features struct {
		BotUser struct {
			DisplayName  string `json:"display_name"`
			AlwaysOnline bool   `json:"always_online"`
		} `json:"bot_user"`
		Commands []manifestCommand `json:"slash_commands"`
	} `json:"features"`
	OAuth struct {
		Scopes struct {
			Bot []string `json:"bot"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings struct {
		Interactivity struct {
			IsEnabled  bool   `json:"is_enabled"`
			RequestURL string `json:"request_url,omitempty"`
		} `json:"interactivity"`
		OrgDeploy     bool `json:"org_deploy_enabled"`
		SocketMode    bool `json:"socket_mode_enabled"`
		TokenRotation bool `json:"token_rotation_enabled"`
	} `json:"settings"`
}

// manifestCommand is a slash command. should_escape is off: with it on, Slack may replace the @ and
// # of a group id.
type manifestCommand struct {
	Command      string `json:"command"`
	URL          string `json:"url,omitempty"`
	Description  string `json:"description"`
	UsageHint    string `json:"usage_hint"`
	ShouldEscape bool   `json:"should_escape"`
}

// Manifest returns the app manifest in JSON, for the page on which an app is created. It is for
// Socket Mode, or, if httpURL is not empty, for HTTP requests to that address, which must be https
// (http only on this machine) and may have a path before /slack/.
func Manifest(httpURL string) ([]byte, error) {
	var commands, interactions string
	if httpURL != "" {
		u, err := url.Parse(httpURL)
		switch {
		case err != nil, u.Host == "", u.RawQuery != "", u.Fragment != "", u.User != nil:
			return nil, fmt.Errorf("slack manifest: %q is no plain address such as https://bot.example.com", httpURL)
		case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1"):
			return nil, fmt.Errorf("slack manifest: Slack calls https addresses only, not %q", httpURL)
		}
		base := strings.TrimRight(httpURL, "/")
		commands, interactions = base+"/slack/commands", base+"/slack/interactions"
	}

	var m manifest
	m.Display.Name = "recallbot"
	m.Display.Description = "Recalls group messages, once a second person agrees"
	m.Display.LongDescription = "Recalling a group message in Tencent Cloud Chat cannot be undone. recallbot shows what a recall would remove, waits until enough other " +
		"people have approved exactly that, then recalls it, says in the thread what became of every single message, and keeps an audit log that can be verified later."
	m.Display.BackgroundColor = "#2c3e50"
	m.Features.BotUser.DisplayName, m.Features.BotUser.AlwaysOnline = "recallbot", true
	m.Features.Commands = []manifestCommand{
		{"/recall", commands, bot.Say("command.recall").String(), bot.Say("command.recall.hint").String(), false},
		{"/recalls", commands, bot.Say("command.recalls").String(), bot.Say("command.recalls.hint").String(), false},
	}
	m.OAuth.Scopes.Bot = Scopes
	m.Settings.Interactivity.IsEnabled = true
	m.Settings.Interactivity.RequestURL = interactions
	m.Settings.SocketMode = httpURL == ""

	body, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("slack manifest: %w", err) // unreachable: it always marshals
	}
	return append(body, '\n'), nil
}
