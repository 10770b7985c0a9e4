package sandbox_test

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/slack/slacktest"
)

// TestReadyz: what only an admin can mend makes /readyz fail, and is told there and in the log,
// with the mend.
func TestReadyz(t *testing.T) {
	guild := discordtest.New()
	defer guild.Close()
	discordURL, stop := guild.Start()
	defer stop()
	discord := []string{
		"DISCORD_BASE_URL=" + discordURL, "DISCORD_BOT_TOKEN=refused", "DISCORD_APPLICATION_ID=" + guild.ApplicationID,
		"DISCORD_GUILDS=" + guild.ID,
		"DISCORD_CHANNELS=any", "DISCORD_REQUESTERS=user:7", "DISCORD_APPROVERS=user:8",
	}
	for _, test := range []struct {
		name string
		set  func(*slacktest.Workspace)
		env  []string
		want []string
	}{
		{"Socket Mode is off, Discord refuses the token", func(w *slacktest.Workspace) { w.SocketModeOff = true },
			discord,
			[]string{"link_disabled", "switch Socket Mode on in the app's settings",
				"set DISCORD_BOT_TOKEN to the token of the application's Bot page"}},
		{"Slack refuses the token", func(*slacktest.Workspace) {}, []string{"SLACK_BOT_TOKEN=xoxb-refused"},
			[]string{"auth.test: invalid_auth", "set SLACK_BOT_TOKEN to the Bot User OAuth Token"}},
		{"a scope is missing", func(w *slacktest.Workspace) {
			w.Scopes = []string{"commands", "chat:write", "usergroups:read", "users:read", "channels:read",
				"groups:read"}
		}, nil, []string{"lacks the scopes files:write", "install the app to the workspace again"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, test.env...)
			s.slack.Set(test.set)
			s.cmd, s.done = exec.Command(s.file), make(chan error, 1)
			s.cmd.Dir, s.cmd.Env, s.cmd.Stderr, s.cmd.Stdout = s.dir, s.env, s, s
			if err := s.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() { s.done <- s.cmd.Wait() }()
			told := func(text string) bool {
				for _, want := range test.want {
					if !strings.Contains(text, want) {
						return false
					}
				}
				return true
			}
			status, body, log := 0, "", ""
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if answer, err := http.Get("http://" + s.addr + "/readyz"); err == nil {
					all, err := io.ReadAll(answer.Body)
					answer.Body.Close()
					if err != nil {
						t.Fatal(err)
					}
					status, body = answer.StatusCode, string(all)
				}
				s.logMu.Lock()
				log = s.log.String()
				s.logMu.Unlock()
				if status == http.StatusServiceUnavailable && told(body) && told(log) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("/readyz: %d %s\nthe log:\n%s", status, body, log)
				}
			}
			if strings.Contains(body+log, s.slack.AppToken) {
				t.Error("a token is told")
			}
		})
	}
}
