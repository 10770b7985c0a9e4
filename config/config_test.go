package config

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"
)

// onlySlack is the shortest good configuration with Slack.
func onlySlack() map[string]string {
	return map[string]string{
		"CHAT_SDK_APP_ID":  "1400000000",
		"CHAT_SECRET_KEY":  "key",
		"CHAT_REGION":      "singapore",
		"SLACK_BOT_TOKEN":  "xoxb-1",
		"SLACK_APP_TOKEN":  "xapp-1",
		"SLACK_REQUESTERS": "U0MINA",
		"SLACK_APPROVERS":  "S0LEADS",
		"SLACK_CHANNELS":   "C0TRUST",
	}
}

// onlyDiscord is the shortest good configuration with Discord.
func onlyDiscord() map[string]string {
	return map[string]string{
		"CHAT_SDK_APP_ID":        "1400000000",
		"CHAT_SECRET_KEY":        "key",
		"CHAT_REGION":            "singapore",
		"DISCORD_BOT_TOKEN":      "abc.def",
		"DISCORD_APPLICATION_ID": "197038439483310086",
		"DISCORD_GUILDS":         "197038439483310001",
		"DISCORD_REQUESTERS":     "user:80351110224678912",
		"DISCORD_APPROVERS":      "role:197038439483310002",
		"DISCORD_CHANNELS":       "197038439483310003",
	}
}

func bothPlatforms() map[string]string {
	env := onlySlack()
	maps.Copy(env, onlyDiscord())
	return env
}

// with sets variables in the order NAME, value; "-" removes one.
func with(env map[string]string, pairs ...string) map[string]string {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "-" {
			delete(env, pairs[i])
		} else {
			env[pairs[i]] = pairs[i+1]
		}
	}
	return env
}

func tryLoad(t *testing.T, env map[string]string) (Config, error) {
	t.Helper()
	return Load(t.Context(), envconfig.MapLookuper(env))
}

func load(t *testing.T, env map[string]string) Config {
	t.Helper()
	c, err := tryLoad(t, env)
	if err != nil {
		t.Fatalf("Load:\n%v", err)
	}
	return c
}

// problems are those of a bad configuration, none of a good one.
func problems(t *testing.T, env map[string]string) Problems {
	t.Helper()
	_, err := tryLoad(t, env)
	if err == nil {
		return nil
	}
	ps, ok := err.(Problems)
	if !ok {
		t.Fatalf("Load: %v is not Problems", err)
	}
	return ps
}

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	want := Config{
		Chat: Chat{
			SDKAppID:       1400000000,
			SecretKey:      NewSecret("key"),
			Admin:          "administrator",
			Region:         "singapore",
			CallsPerSecond: 200,
			ReadsPerSecond: 50,
			WindowGuard:    20 * time.Millisecond,
			Timeout:        8 * time.Second,
		},
		Slack: Slack{
			BotToken:   NewSecret("xoxb-1"),
			AppToken:   NewSecret("xapp-1"),
			APIURL:     "https://slack.com/api/",
			Requesters: People{Users: []string{"U0MINA"}},
			Approvers:  People{Groups: []string{"S0LEADS"}},
			Channels:   Channels{"C0TRUST"},
		},
		Discord: Discord{BaseURL: "https://discord.com"},
		Policy: Policy{
			Approvals:      1,
			LargeFrom:      100,
			LargeApprovals: 2,
			MaxMessages:    1000,
			ApproveWithin:  30 * time.Minute,
			StartWithin:    15 * time.Minute,
			RemindAfter:    10 * time.Minute,
			Reason:         ReasonOptional,
		},
		Evidence: Evidence{
			Keep:        KeepExcerpt,
			TTL:         720 * time.Hour,
			CardContent: ContentShown,
			Index:       IndexOff,
			IndexTTL:    2 * time.Hour,
		},
		Storage: Storage{NewSecret("sqlite:recallbot.db")},
		HTTP:    HTTP{Addr: ":8080", AdminAddr: "127.0.0.1:9090"},
		Log:     Log{Level: slog.LevelInfo, Format: LogJSON},
	}
	c := load(t, onlySlack())
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if !c.Slack.On() || !c.Slack.SocketMode() || c.Discord.On() || c.Storage.Scheme() != SQLite ||
		c.Storage.Path() != "recallbot.db" {
		t.Errorf("Slack on %t, Socket Mode %t, Discord on %t, %s at %q",
			c.Slack.On(), c.Slack.SocketMode(), c.Discord.On(), c.Storage.Scheme(), c.Storage.Path())
	}

	t.Run("an empty variable is one that is not set", func(t *testing.T) {
		env := onlySlack()
		for _, v := range Variables() {
			if env[v.Name] == "" {
				env[v.Name] = " \t"
			}
			if v.Secret {
				env[v.Name+fileSuffix] = ""
			}
		}
		if diff := cmp.Diff(want, load(t, env)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("of the process", func(t *testing.T) {
		for _, v := range Variables() {
			t.Setenv(v.Name, onlySlack()[v.Name])
		}
		c, err := Load(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Error(diff)
		}
	})
}

// TestEverythingSet gives every variable a value other than its default.
func TestEverythingSet(t *testing.T) {
	roster := file(t,
		"- {name: mina, slack: [U0MINA], discord: [80351110224678912]}\n- {name: theo, slack: [T0ACME/U0THEO]}\n- {name: ann, slack: [U0ANN]}\n")
	env := map[string]string{
		"CHAT_SDK_APP_ID":          " 0088888888 ",
		"CHAT_USER_SIG":            "eJyrVgrxCd*-_",
		"CHAT_ADMIN":               "recall bot",
		"CHAT_REGION":              "Silicon-Valley",
		"CHAT_BASE_URL":            "HTTP://127.0.0.1:8099/",
		"CHAT_CALLS_PER_SECOND":    "10000",
		"CHAT_READS_PER_SECOND":    "1",
		"CHAT_WINDOW_GUARD":        "0",
		"CHAT_TIMEOUT":             "3001ms",
		"CHAT_REASON":              "违反规定",
		"CHAT_WEBHOOK_TOKEN":       "hook",
		"SLACK_BOT_TOKEN_FILE":     file(t, "xoxb-from-file\r\n"),
		"SLACK_SIGNING_SECRET":     "new, old,,new",
		"SLACK_API_URL":            "http://localhost:1/api",
		"SLACK_REQUESTERS":         "U0MINA, W0ANN ,U0MINA,, S0MODS",
		"SLACK_APPROVERS":          "U0THEO,S0LEADS,U0ANN",
		"SLACK_CHANNELS":           "Any",
		"DISCORD_BOT_TOKEN":        "abc.def",
		"DISCORD_APPLICATION_ID":   "197038439483310086",
		"DISCORD_PUBLIC_KEY":       strings.Repeat("0aF1", 16),
		"DISCORD_BASE_URL":         "http://[::1]:7",
		"DISCORD_GUILDS":           "1,2",
		"DISCORD_REQUESTERS":       "role:3,user:4",
		"DISCORD_APPROVERS":        "role:18446744073709551615",
		"DISCORD_CHANNELS":         "5 , 6",
		"POLICY_APPROVALS":         "2",
		"POLICY_LARGE_FROM":        "50",
		"POLICY_LARGE_APPROVALS":   "3",
		"POLICY_MAX_MESSAGES":      "100000",
		"POLICY_APPROVE_WITHIN":    "1d12h",
		"POLICY_START_WITHIN":      "3d",
		"POLICY_REMIND_AFTER":      "1h30m",
		"POLICY_REASON":            "REQUIRED",
		"POLICY_GROUPS":            "@TGS#_acme*, my group?",
		"POLICY_PROTECTED_SENDERS": "ceo,@TLS#NOT_FOUND",
		"POLICY_ROSTER_FILE":       roster,
		"EVIDENCE":                 "full",
		"EVIDENCE_TTL":             "90d",
		"CARD_CONTENT":             "on-request",
		"INDEX":                    "hash",
		"INDEX_TTL":                "1h",
		"DATABASE_URL":             "postgresql://bot:p%40ss@db.example.com:5432/recall?sslmode=require",
		"HTTP_ADDR":                "127.0.0.1:0",
		"ADMIN_ADDR":               "[::]:9091",
		"LOG_LEVEL":                "WARN",
		"LOG_FORMAT":               "text",
	}
	for _, v := range Variables() {
		exception := v.Name == "CHAT_SECRET_KEY" || v.Name == "SLACK_APP_TOKEN" // excluded by others
		if env[v.Name] == "" && env[v.Name+fileSuffix] == "" && !exception {
			t.Errorf("%s is not covered here", v.Name)
		}
	}
	key := PublicKey(strings.Repeat("\x0a\xf1", 16))
	want := Config{
		Chat: Chat{
			SDKAppID:       88888888,
			UserSig:        NewSecret("eJyrVgrxCd*-_"),
			Admin:          "recall bot",
			Region:         "silicon-valley",
			BaseURL:        "http://127.0.0.1:8099",
			CallsPerSecond: 10000,
			ReadsPerSecond: 1,
			Timeout:        3001 * time.Millisecond,
			Reason:         "违反规定",
			WebhookToken:   NewSecret("hook"),
		},
		Slack: Slack{
			BotToken:       NewSecret("xoxb-from-file"),
			SigningSecrets: []Secret{NewSecret("new"), NewSecret("old")},
			APIURL:         "http://localhost:1/api/",
			Requesters:     People{Users: []string{"U0MINA", "W0ANN"}, Groups: []string{"S0MODS"}},
			Approvers:      People{Users: []string{"U0THEO", "U0ANN"}, Groups: []string{"S0LEADS"}},
			Channels:       Channels{"any"},
		},
		Discord: Discord{
			BotToken:      NewSecret("abc.def"),
			ApplicationID: "197038439483310086",
			PublicKey:     key,
			BaseURL:       "http://[::1]:7",
			Guilds:        []string{"1", "2"},
			Requesters:    People{Users: []string{"4"}, Groups: []string{"3"}},
			Approvers:     People{Groups: []string{"18446744073709551615"}},
			Channels:      Channels{"5", "6"},
		},
		Policy: Policy{
			Approvals:        2,
			LargeFrom:        50,
			LargeApprovals:   3,
			MaxMessages:      100000,
			ApproveWithin:    36 * time.Hour,
			StartWithin:      72 * time.Hour,
			RemindAfter:      90 * time.Minute,
			Reason:           ReasonRequired,
			Groups:           []string{"@TGS#_acme*", "my group?"},
			ProtectedSenders: []string{"ceo", "@TLS#NOT_FOUND"},
			RosterFile:       roster,
			Roster: Roster{
				{Name: "mina", Slack: []string{"U0MINA"}, Discord: []string{"80351110224678912"}},
				{Name: "theo", Slack: []string{"T0ACME/U0THEO"}},
				{Name: "ann", Slack: []string{"U0ANN"}},
			},
		},
		Evidence: Evidence{Keep: KeepFull, TTL: 90 * 24 * time.Hour, CardContent: ContentOnRequest, Index: KeepHash,
			IndexTTL: time.Hour},
		Storage: Storage{NewSecret("postgres://bot:p%40ss@db.example.com:5432/recall?sslmode=require")},
		HTTP:    HTTP{Addr: "127.0.0.1:0", AdminAddr: "[::]:9091"},
		Log:     Log{Level: slog.LevelWarn, Format: LogText},
	}
	// The groups may hold everybody in the roster, but no more: three people, one
	// of whom asks. So nobody can satisfy POLICY_LARGE_APPROVALS=3.
	if problems(t, env) == nil {
		t.Fatal("3 approvals out of a roster of 3 people who all may ask: no problem was found")
	}
	env["POLICY_LARGE_APPROVALS"], want.Policy.LargeApprovals = "1", 1
	c := load(t, env)
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c.Slack.SocketMode() || c.Discord.Gateway() || c.Storage.Scheme() != Postgres || c.Storage.Path() != "" {
		t.Errorf("Socket Mode %t, Gateway %t, %s at %q", c.Slack.SocketMode(), c.Discord.Gateway(), c.Storage.Scheme(),
			c.Storage.Path())
	}
	if !c.Slack.Channels.Any() || !c.Slack.Channels.Allows("C1") || c.Discord.Channels.Any() ||
		c.Discord.Channels.Allows("7") || !c.Discord.Channels.Allows("6") {
		t.Error("Channels allows the wrong ones")
	}
	if text, _ := key.MarshalText(); string(text) != strings.Repeat("0af1", 16) {
		t.Errorf("the public key is written %s", text)
	}
}

func TestOnCards(t *testing.T) {
	for _, tt := range []struct {
		keep, content string
		want          bool
	}{
		{KeepFull, ContentShown, true},
		{KeepExcerpt, ContentShown, true},
		{KeepHash, ContentShown, false},
		{KeepExcerpt, ContentOnRequest, false},
		{KeepHash, ContentOnRequest, false},
	} {
		if got := (Evidence{Keep: tt.keep, CardContent: tt.content}).OnCards(); got != tt.want {
			t.Errorf("EVIDENCE=%s CARD_CONTENT=%s: %t", tt.keep, tt.content, got)
		}
	}
}

// TestEverythingAtOnce has one fault in each concern and wants them all.
func TestEverythingAtOnce(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nothing")
	got := problems(t, map[string]string{
		"CHAT_SDK_APP_ID":       "app",
		"CHAT_TIMEOUT":          "3s",
		"SLACK_BOT_TOKEN_FILE":  missing,
		"SLACK_APP_TOKEN":       "xoxb-in-the-wrong-place",
		"SLACK_APPROVERS":       "@theo, mina, U1",
		"POLICY_APPROVE_WITHIN": "soon",
		"EVIDENCE":              "all",
		"DATABASE_URL":          "mysql://bot:hunter2@db",
		"HTTP_ADDR":             "8080",
		"LOG_LEVEL":             "loud",
	}).Error()
	want := `CHAT_SDK_APP_ID: "app" is not a whole number; write a whole number from 1 to 4294967295
CHAT_SECRET_KEY: is not set, and neither is CHAT_USER_SIG; set one of the two
CHAT_REGION: is not set, and neither is CHAT_BASE_URL; write china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta (where the app was created)
CHAT_TIMEOUT: "3s" is not more than the service's own 3s; write a duration of more than 3s, such as 8s
SLACK_BOT_TOKEN_FILE: the file "` + missing + `" cannot be read: no such file or directory; write the path of a readable file that holds the value of SLACK_BOT_TOKEN
SLACK_APP_TOKEN: does not begin with xapp-; write the token that begins with xapp-
SLACK_APPROVERS: "@theo", "mina" are not each a user or user-group id; write ids such as U0123456789 (a member's profile, Copy member ID) or S0123456789 (a user group)
SLACK_CHANNELS: is not set; write the ids of the channels where the bot may be used, or any
POLICY_APPROVE_WITHIN: "soon" is not a duration; write a duration such as 90s, 30m, 2h or 3d
EVIDENCE: "all" is not known here; write full, excerpt or hash
DATABASE_URL: begins with neither sqlite: nor postgres://; write sqlite:recallbot.db, sqlite:/var/lib/recallbot/recallbot.db or postgres://user:password@host:5432/name
HTTP_ADDR: "8080" is not host:port; write host:port, or :port for every interface, such as 127.0.0.1:9090
LOG_LEVEL: "loud" is not known here; write debug, info, warn or error`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestProblems has a row for every fault, alone in a configuration that is
// otherwise good.
func TestProblems(t *testing.T) {
	long := strings.Repeat("x", 49)
	folder := t.TempDir()
	for _, tt := range []struct {
		base  func() map[string]string
		pairs []string
		want  string // variables with a problem
	}{
		{onlySlack, []string{"CHAT_SDK_APP_ID", "-"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SDK_APP_ID", "0"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SDK_APP_ID", "-1"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SDK_APP_ID", "0x10"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SDK_APP_ID", "4294967296"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SDK_APP_ID", "99999999999999999999"}, "CHAT_SDK_APP_ID"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-"}, "CHAT_SECRET_KEY"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "two words"}, "CHAT_SECRET_KEY"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", "two\nlines"}, "CHAT_USER_SIG"},
		{onlySlack, []string{"CHAT_USER_SIG", "sig"}, "CHAT_USER_SIG"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", folder}, "CHAT_SECRET_KEY_FILE"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", folder + "/nothing"},
			"CHAT_SECRET_KEY_FILE"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, " \n")}, "CHAT_SECRET_KEY_FILE"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, strings.Repeat("x", fileLimit+1))},
			"CHAT_SECRET_KEY_FILE"},
		{onlySlack, []string{"CHAT_SECRET_KEY_FILE", file(t, "key")}, "CHAT_SECRET_KEY"},
		{onlySlack, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, "two\nlines")}, "CHAT_SECRET_KEY"},
		{onlySlack, []string{"CHAT_ADMIN", strings.Repeat("a", 33)}, "CHAT_ADMIN"},
		{onlySlack, []string{"CHAT_ADMIN", "管理员"}, "CHAT_ADMIN"},
		{onlySlack, []string{"CHAT_REGION", "-"}, "CHAT_REGION"},
		{onlySlack, []string{"CHAT_REGION", "mars"}, "CHAT_REGION"},
		{onlySlack, []string{"CHAT_REGION", "-", "CHAT_BASE_URL", "console.tim.qq.com"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "ftp://x"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://x/v4"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://x?a=b"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://x?"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://x#"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://u:p@x"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_BASE_URL", "https://x:99999"}, "CHAT_BASE_URL"},
		{onlySlack, []string{"CHAT_CALLS_PER_SECOND", "0"}, "CHAT_CALLS_PER_SECOND"},
		{onlySlack, []string{"CHAT_CALLS_PER_SECOND", "10001"}, "CHAT_CALLS_PER_SECOND"},
		{onlySlack, []string{"CHAT_READS_PER_SECOND", "0"}, "CHAT_READS_PER_SECOND"},
		{onlySlack, []string{"CHAT_READS_PER_SECOND", "201"}, "CHAT_READS_PER_SECOND"},
		{onlySlack, []string{"CHAT_WINDOW_GUARD", "-1ms"}, "CHAT_WINDOW_GUARD"},
		{onlySlack, []string{"CHAT_WINDOW_GUARD", "1001ms"}, "CHAT_WINDOW_GUARD"},
		{onlySlack, []string{"CHAT_WINDOW_GUARD", "20"}, "CHAT_WINDOW_GUARD"},
		{onlySlack, []string{"CHAT_TIMEOUT", "3s"}, "CHAT_TIMEOUT"},
		{onlySlack, []string{"CHAT_TIMEOUT", "soon"}, "CHAT_TIMEOUT"},
		{onlySlack, []string{"CHAT_REASON", strings.Repeat("规", 33) + "xx"}, "CHAT_REASON"},
		{onlySlack, []string{"CHAT_REASON", "a\xff"}, "CHAT_REASON"},
		{onlySlack, []string{"CHAT_REASON", "a\nb"}, "CHAT_REASON"},
		{onlySlack, []string{"CHAT_WEBHOOK_TOKEN", "a b"}, "CHAT_WEBHOOK_TOKEN"},

		{onlySlack, []string{"SLACK_BOT_TOKEN", "xoxp-1"}, "SLACK_BOT_TOKEN"},
		{onlySlack, []string{"SLACK_BOT_TOKEN", "xoxb-"}, "SLACK_BOT_TOKEN"},
		{onlySlack, []string{"SLACK_BOT_TOKEN", "-"}, "SLACK_BOT_TOKEN"},
		{onlySlack, []string{"SLACK_APP_TOKEN", "xoxb-1"}, "SLACK_APP_TOKEN"},
		{onlySlack, []string{"SLACK_APP_TOKEN", "-"}, "SLACK_APP_TOKEN"},
		{onlySlack, []string{"SLACK_APP_TOKEN", "-", "SLACK_SIGNING_SECRET", "a,b,c"}, "SLACK_SIGNING_SECRET"},
		{onlySlack, []string{"SLACK_APP_TOKEN", "-", "SLACK_SIGNING_SECRET", "a,b c"}, "SLACK_SIGNING_SECRET"},
		{onlySlack, []string{"SLACK_API_URL", "slack.com/api/"}, "SLACK_API_URL"},
		{onlySlack, []string{"SLACK_API_URL", "https://slack.com/api/?x"}, "SLACK_API_URL"},
		{onlySlack, []string{"SLACK_REQUESTERS", "any"}, "SLACK_REQUESTERS"},
		{onlySlack, []string{"SLACK_REQUESTERS", "*"}, "SLACK_REQUESTERS"},
		{onlySlack, []string{"SLACK_APPROVERS", "<@U0THEO>"}, "SLACK_APPROVERS"},
		{onlySlack, []string{"SLACK_APPROVERS", "user:U0THEO"}, "SLACK_APPROVERS"},
		{onlySlack, []string{"SLACK_CHANNELS", "-"}, "SLACK_CHANNELS"},
		{onlySlack, []string{"SLACK_CHANNELS", " , ,"}, "SLACK_CHANNELS"},
		{onlySlack, []string{"SLACK_CHANNELS", "#general"}, "SLACK_CHANNELS"},
		{onlySlack, []string{"SLACK_CHANNELS", "D0DIRECT"}, "SLACK_CHANNELS"},
		{onlySlack, []string{"SLACK_CHANNELS", "any,C1"}, "SLACK_CHANNELS"},

		{onlyDiscord, []string{"DISCORD_BOT_TOKEN", "-"}, "DISCORD_BOT_TOKEN"},
		{onlyDiscord, []string{"DISCORD_BOT_TOKEN", "Bot abc.def"}, "DISCORD_BOT_TOKEN"},
		{onlyDiscord, []string{"DISCORD_APPLICATION_ID", "-"}, "DISCORD_APPLICATION_ID"},
		{onlyDiscord, []string{"DISCORD_APPLICATION_ID", "recallbot"}, "DISCORD_APPLICATION_ID"},
		{onlyDiscord, []string{"DISCORD_APPLICATION_ID", "18446744073709551616"}, "DISCORD_APPLICATION_ID"},
		{onlyDiscord, []string{"DISCORD_APPLICATION_ID", "0197"}, "DISCORD_APPLICATION_ID"},
		{onlyDiscord, []string{"DISCORD_PUBLIC_KEY", "0af1"}, "DISCORD_PUBLIC_KEY"},
		{onlyDiscord, []string{"DISCORD_PUBLIC_KEY", strings.Repeat("z", 64)}, "DISCORD_PUBLIC_KEY"},
		{onlyDiscord, []string{"DISCORD_BASE_URL", "https://discord.com/api"}, "DISCORD_BASE_URL"},
		{onlyDiscord, []string{"DISCORD_GUILDS", "-"}, "DISCORD_GUILDS"},
		{onlyDiscord, []string{"DISCORD_GUILDS", "any"}, "DISCORD_GUILDS"},
		{onlyDiscord, []string{"DISCORD_REQUESTERS", "197038439483310086"}, "DISCORD_REQUESTERS"},
		{onlyDiscord, []string{"DISCORD_REQUESTERS", "role:mods"}, "DISCORD_REQUESTERS"},
		{onlyDiscord, []string{"DISCORD_APPROVERS", "group:1"}, "DISCORD_APPROVERS"},
		{onlyDiscord, []string{"DISCORD_APPROVERS", "any"}, "DISCORD_APPROVERS"},
		{onlyDiscord, []string{"DISCORD_CHANNELS", "-"}, "DISCORD_CHANNELS"},
		{onlyDiscord, []string{"DISCORD_CHANNELS", "1,any"}, "DISCORD_CHANNELS"},
		{onlyDiscord, []string{"DISCORD_CHANNELS", "general"}, "DISCORD_CHANNELS"},
		{onlyDiscord, []string{"SLACK_CHANNELS", "any"}, "SLACK_BOT_TOKEN SLACK_APP_TOKEN"},
		{onlySlack, []string{"DISCORD_GUILDS", "1"}, "DISCORD_BOT_TOKEN DISCORD_APPLICATION_ID DISCORD_CHANNELS"},
		{func() map[string]string { return nil }, nil, "CHAT_SDK_APP_ID CHAT_SECRET_KEY CHAT_REGION SLACK_BOT_TOKEN"},

		{onlySlack, []string{"POLICY_APPROVALS", "0"}, "POLICY_APPROVALS"},
		{onlySlack, []string{"POLICY_APPROVALS", "1.5"}, "POLICY_APPROVALS"},
		{onlySlack, []string{"POLICY_LARGE_FROM", "0"}, "POLICY_LARGE_FROM"},
		{onlySlack, []string{"POLICY_LARGE_APPROVALS", "0"}, "POLICY_LARGE_APPROVALS"},
		{onlySlack, []string{"POLICY_MAX_MESSAGES", "0"}, "POLICY_MAX_MESSAGES"},
		{onlySlack, []string{"POLICY_MAX_MESSAGES", "100001"}, "POLICY_MAX_MESSAGES"},
		{onlySlack, []string{"POLICY_APPROVE_WITHIN", "0"}, "POLICY_APPROVE_WITHIN"},
		{onlySlack, []string{"POLICY_APPROVE_WITHIN", "-5m", "POLICY_REMIND_AFTER", "1m"}, "POLICY_APPROVE_WITHIN"},
		{onlySlack, []string{"POLICY_START_WITHIN", "3 days"}, "POLICY_START_WITHIN"},
		{onlySlack, []string{"POLICY_START_WITHIN", "3d-1h"}, "POLICY_START_WITHIN"},
		{onlySlack, []string{"POLICY_START_WITHIN", "99999d2000000h"}, "POLICY_START_WITHIN"},
		{onlySlack, []string{"POLICY_START_WITHIN", "999999d"}, "POLICY_START_WITHIN"},
		{onlySlack, []string{"POLICY_REMIND_AFTER", "30m"}, "POLICY_REMIND_AFTER"},
		{onlySlack, []string{"POLICY_REMIND_AFTER", "5m", "POLICY_APPROVE_WITHIN", "4m"}, "POLICY_REMIND_AFTER"},
		{onlySlack, []string{"POLICY_REASON", "maybe"}, "POLICY_REASON"},
		{onlySlack, []string{"POLICY_GROUPS", "[ab]*"}, "POLICY_GROUPS"},
		{onlySlack, []string{"POLICY_GROUPS", `a\*`}, "POLICY_GROUPS"},
		{onlySlack, []string{"POLICY_GROUPS", "群*"}, "POLICY_GROUPS"},
		{onlySlack, []string{"POLICY_GROUPS", long}, "POLICY_GROUPS"},
		{onlySlack, []string{"POLICY_GROUPS", "any,a*"}, "POLICY_GROUPS"},
		{onlySlack, []string{"POLICY_PROTECTED_SENDERS", "ceo," + long}, "POLICY_PROTECTED_SENDERS"},
		{onlySlack, []string{"POLICY_ROSTER_FILE", folder + "/nothing"}, "POLICY_ROSTER_FILE"},
		{onlySlack, []string{"POLICY_ROSTER_FILE", folder}, "POLICY_ROSTER_FILE"},
		{onlySlack, []string{"POLICY_ROSTER_FILE", file(t, "- {name: a}\n- {name: b, slack: x}\n")},
			"POLICY_ROSTER_FILE POLICY_ROSTER_FILE"},

		{onlySlack, []string{"EVIDENCE", "off"}, "EVIDENCE"},
		{onlySlack, []string{"EVIDENCE_TTL", "0s"}, "EVIDENCE_TTL"},
		{onlySlack, []string{"CARD_CONTENT", "hidden"}, "CARD_CONTENT"},
		{onlySlack, []string{"INDEX", "full", "CHAT_WEBHOOK_TOKEN", "hook"}, "INDEX"},
		{onlySlack, []string{"INDEX", "hash"}, "INDEX"},
		{onlySlack, []string{"INDEX", "excerpt"}, "INDEX"},
		{onlySlack, []string{"INDEX_TTL", "-2h"}, "INDEX_TTL"},

		{onlySlack, []string{"DATABASE_URL", "recallbot.db"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "sqlite:"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "sqlite://recallbot.db"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "sqlite::memory:"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "sqlite:a.db?mode=memory"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "postgres://"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL", "postgres://bot:50%@db/x"}, "DATABASE_URL"},
		{onlySlack, []string{"DATABASE_URL_FILE", folder}, "DATABASE_URL_FILE"},
		{onlySlack, []string{"HTTP_ADDR", "localhost"}, "HTTP_ADDR"},
		{onlySlack, []string{"HTTP_ADDR", "http://x:80"}, "HTTP_ADDR"},
		{onlySlack, []string{"HTTP_ADDR", ":http"}, "HTTP_ADDR"},
		{onlySlack, []string{"ADMIN_ADDR", "localhost:65536"}, "ADMIN_ADDR"},
		{onlySlack, []string{"ADMIN_ADDR", ":8080"}, "ADMIN_ADDR"},
		{onlySlack, []string{"LOG_LEVEL", "info+2"}, "LOG_LEVEL"},
		{onlySlack, []string{"LOG_FORMAT", "yaml"}, "LOG_FORMAT"},
	} {
		ps := problems(t, with(tt.base(), tt.pairs...))
		var names []string
		for _, p := range ps {
			names = append(names, p.Variable)
			if p.What == "" || p.Mend == "" || strings.Contains(p.String(), "\n") {
				t.Errorf("%q: %q is not one line with its mend", tt.pairs, p)
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%.80q: problems with %q, want %q\n%v", tt.pairs, got, tt.want, ps)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want time.Duration
		what string
	}{
		{"90s", 90 * time.Second, ""},
		{"3d", 72 * time.Hour, ""},
		{"0d", 0, ""},
		{"1d12h30m", 36*time.Hour + 30*time.Minute, ""},
		{"-1h", -time.Hour, ""},
		{"-1d", 0, `"-1d" is not a duration`},
		{"1d+1h", 0, `"1d+1h" is not a duration`},
		{"1.5d", 0, `"1.5d" is not a duration`},
		{"1d1d", 0, `"1d1d" is not a duration`},
		{"d", 0, `"d" is not a duration`},
		{"30", 0, `"30" is not a duration`},
		{"99999d2000000h", 0, `"99999d2000000h" is too long`},
	} {
		if got, what := duration(tt.raw); got != tt.want || what != tt.what {
			t.Errorf("duration(%q) = %v, %q, want %v, %q", tt.raw, got, what, tt.want, tt.what)
		}
	}
}

// TestGood has what is unusual and right.
func TestGood(t *testing.T) {
	for _, tt := range []struct {
		base  func() map[string]string
		pairs []string
	}{
		{onlyDiscord, nil},
		{bothPlatforms, nil},
		{onlySlack, []string{"CHAT_REGION", "-", "CHAT_BASE_URL", "http://fake:1"}},
		{onlySlack, []string{"CHAT_WINDOW_GUARD", "1s"}},
		{onlySlack, []string{"CHAT_REASON", strings.Repeat("规", 33) + "x"}},
		{onlySlack, []string{"SLACK_REQUESTERS", "-", "SLACK_APPROVERS", "-"}},
		{onlySlack, []string{"SLACK_SIGNING_SECRET", "both"}},
		{onlySlack, []string{"SLACK_CHANNELS", "G0PRIVATE"}},
		{onlySlack, []string{"POLICY_APPROVE_WITHIN", "2s"}},
		{onlySlack, []string{"POLICY_GROUPS", "any"}},
		{onlySlack, []string{"POLICY_GROUPS", strings.Repeat("x", 47) + "?*"}},
		{onlySlack, []string{"DATABASE_URL", "sqlite:/var/lib/with space/a.db"}},
		{onlySlack, []string{"DATABASE_URL", "postgres:///recall?host=/run/postgresql"}},
		{onlySlack, []string{"DATABASE_URL_FILE", file(t, "postgres://bot:x@db/recall\n")}},
		{onlySlack, []string{"HTTP_ADDR", ":0", "ADMIN_ADDR", ":0"}},
		{onlySlack, []string{"INDEX", "excerpt", "CHAT_WEBHOOK_TOKEN_FILE", file(t, "hook")}},
		{onlySlack, []string{"INDEX", "off"}},
	} {
		if ps := problems(t, with(tt.base(), tt.pairs...)); len(ps) > 0 {
			t.Errorf("%q:\n%v", tt.pairs, ps)
		}
	}
	if c := load(t, with(onlySlack(), "POLICY_GROUPS", "ANY")); c.Policy.Groups != nil {
		t.Errorf("POLICY_GROUPS=ANY is %q, want none", c.Policy.Groups)
	}
}

// FuzzLoad holds Load to Problems: no value of any variable may pass its check
// and then not fit its field.
func FuzzLoad(f *testing.F) {
	for i, v := range Variables() {
		f.Add(uint8(i), v.Default)
		f.Add(uint8(i), bothPlatforms()[v.Name])
	}
	for _, value := range []string{"3d", "any", "role:1,user:2,S1,U1", "1d9223372036854775807ns", "$HOME", "\\", "\x00",
		"0x1p-2"} {
		for i := range table {
			f.Add(uint8(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		name := table[int(i)%len(table)].Name
		if name == "POLICY_ROSTER_FILE" {
			return // a path could be any file of this machine
		}
		env := bothPlatforms()
		env[name] = value
		c, err := tryLoad(t, env)
		if _, ok := err.(Problems); err != nil && !ok {
			t.Fatalf("%s=%q: %v", name, value, err)
		}
		if err == nil {
			c.Warnings()
		}
	})
}
