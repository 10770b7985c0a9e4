package config

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
)

// onlyIRC is the shortest good configuration with irc.
func onlyIRC() map[string]string {
	return map[string]string{
		"CHAT_SDK_APP_ID":  "1400000000",
		"CHAT_SECRET_KEY":  "key",
		"CHAT_REGION":      "singapore",
		"IRC_TOKEN":        "xoxb-1",
		"IRC_SOCKET_TOKEN": "xapp-1",
		"IRC_REQUESTERS":   "U0MINA",
		"IRC_APPROVERS":    "S0LEADS",
		"IRC_CHANNELS":     "C0TRUST",
	}
}

// onlyMatrix is the shortest good configuration with matrix.
func onlyMatrix() map[string]string {
	return map[string]string{
		"CHAT_SDK_APP_ID":   "1400000000",
		"CHAT_SECRET_KEY":   "key",
		"CHAT_REGION":       "singapore",
		"MATRIX_TOKEN":      "abc.def",
		"MATRIX_ROOMS":      "197038439483310001",
		"MATRIX_REQUESTERS": "user:80351110224678912",
		"MATRIX_APPROVERS":  "role:197038439483310002",
		"MATRIX_CHANNELS":   "197038439483310003",
	}
}

func bothPlatforms() map[string]string {
	env := onlyIRC()
	maps.Copy(env, onlyMatrix())
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
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return Load(t.Context(), environ, platforms)
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

// signed is a UserSig.
func signed(t *testing.T, app recall.SDKAppID, user recall.UserID) string {
	t.Helper()
	sig, err := recall.SignUserSig(app, "key", user, time.Unix(1, 0), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return sig
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
			ReadsPerSecond: 100,
			WindowGuard:    20 * time.Millisecond,
			Timeout:        8 * time.Second,
		},
		Platforms: map[bot.Platform]Settings{"irc": &irc{
			Token:       NewSecret("xoxb-1"),
			SocketToken: NewSecret("xapp-1"),
			URL:         "https://irc.example/api/",
			Access: Access{Requesters: People{{User: "U0MINA"}}, Approvers: People{{Group: "S0LEADS"}},
				Channels: Channels{"C0TRUST"}},
		}},
		Policy: bot.DefaultPolicy(),
		Evidence: Evidence{
			Keep:     bot.EvidenceExcerpt,
			TTL:      720 * time.Hour,
			Index:    bot.IndexOff,
			IndexTTL: 2 * time.Hour,
		},
		Storage: Storage{NewSecret("sqlite:recallbot.db")},
		HTTP:    HTTP{Addr: ":8080", AdminAddr: "127.0.0.1:9090"},
		Log:     Log{Level: slog.LevelInfo, Format: LogJSON},
	}
	want.Policy.Crowds = map[bot.Platform]bot.Crowd{"irc": {Requesters: []bot.Principal{{User: "U0MINA"}},
		Approvers: []bot.Principal{{Group: "S0LEADS"}}, Channels: []string{"C0TRUST"}}}
	c := load(t, onlyIRC())
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c.Storage.Scheme() != SQLite || c.Storage.Path() != "recallbot.db" {
		t.Errorf("%s at %q", c.Storage.Scheme(), c.Storage.Path())
	}

	t.Run("an empty variable is one that is not set", func(t *testing.T) {
		env := onlyIRC()
		for _, v := range Variables(platforms) {
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
		for _, v := range Variables(platforms) {
			t.Setenv(v.Name, onlyIRC()[v.Name])
		}
		c, err := Load(t.Context(), os.Environ(), platforms)
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
		"- {name: mina, irc: [U0MINA], matrix: [80351110224678912]}\n- {name: theo, irc: [T0ACME/U0THEO]}\n- {name: ann, irc: [U0ANN]}\n")
	sig := signed(t, 88888888, "recall bot")
	env := map[string]string{
		"CHAT_SDK_APP_ID":          " 0088888888 ",
		"CHAT_USER_SIG":            sig,
		"CHAT_ADMIN":               "recall bot",
		"CHAT_REGION":              "Silicon-Valley",
		"CHAT_BASE_URL":            "HTTP://127.0.0.1:8099/",
		"CHAT_CALLS_PER_SECOND":    "10000",
		"CHAT_READS_PER_SECOND":    "1",
		"CHAT_WINDOW_GUARD":        "0",
		"CHAT_TIMEOUT":             "3001ms",
		"CHAT_REASON":              "违反规定",
		"CHAT_WEBHOOK_TOKEN":       "hook",
		"IRC_TOKEN_FILE":           file(t, "xoxb-from-file\r\n"),
		"IRC_SECRETS":              "new,old",
		"IRC_URL":                  "http://localhost:1/api/",
		"IRC_REQUESTERS":           "U0MINA, W0ANN ,U0MINA,, S0MODS",
		"IRC_APPROVERS":            "U0THEO,S0LEADS,U0ANN",
		"IRC_CHANNELS":             "Any",
		"MATRIX_TOKEN":             "abc.def",
		"MATRIX_ROOMS":             "1,2",
		"MATRIX_REQUESTERS":        "role:3,user:4",
		"MATRIX_APPROVERS":         "role:18446744073709551615",
		"MATRIX_CHANNELS":          "5 , 6",
		"POLICY_APPROVALS":         "2",
		"POLICY_LARGE_FROM":        "50",
		"POLICY_LARGE_APPROVALS":   "3",
		"POLICY_LARGE_DELAY":       "0s",
		"POLICY_HOLD":              "on",
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
		"AUDIT_REASON":             "ttl",
		"DATABASE_URL":             "postgresql://bot:p%40ss@db.example.com:5432/recall?sslmode=require",
		"HTTP_ADDR":                "127.0.0.1:0",
		"ADMIN_ADDR":               "[::]:9091",
		"LOG_LEVEL":                "WARN",
		"LOG_FORMAT":               "text",
	}
	for _, v := range Variables(platforms) {
		exception := v.Name == "CHAT_SECRET_KEY" || v.Name == "IRC_SOCKET_TOKEN" // excluded by others
		if env[v.Name] == "" && env[v.Name+fileSuffix] == "" && !exception {
			t.Errorf("%s is not covered here", v.Name)
		}
	}
	want := Config{
		Chat: Chat{
			SDKAppID:       88888888,
			UserSig:        NewSecret(sig),
			Admin:          "recall bot",
			Region:         "silicon-valley",
			BaseURL:        "http://127.0.0.1:8099",
			CallsPerSecond: 10000,
			ReadsPerSecond: 1,
			Timeout:        3001 * time.Millisecond,
			Reason:         "违反规定",
			WebhookToken:   NewSecret("hook"),
		},
		Platforms: map[bot.Platform]Settings{
			"irc": &irc{
				Token:   NewSecret("xoxb-from-file"),
				Secrets: []Secret{NewSecret("new"), NewSecret("old")},
				URL:     "http://localhost:1/api/",
				Access: Access{
					Requesters: People{{User: "U0MINA"}, {User: "W0ANN"}, {Group: "S0MODS"}},
					Approvers:  People{{User: "U0THEO"}, {Group: "S0LEADS"}, {User: "U0ANN"}},
					Channels:   Channels{"any"},
				},
			},
			"matrix": &matrix{
				Token: NewSecret("abc.def"),
				Rooms: []string{"1", "2"},
				Access: Access{Requesters: People{{Group: "3"}, {User: "4"}},
					Approvers: People{{Group: "18446744073709551615"}}, Channels: Channels{"5", "6"}},
			},
		},
		Policy: bot.Policy{
			Approvals:      2,
			LargeFrom:      50,
			LargeApprovals: 3,
			Hold:           true,
			MaxMessages:    100000,
			ApproveWithin:  36 * time.Hour,
			StartWithin:    72 * time.Hour,
			RemindAfter:    90 * time.Minute,
			ReasonRequired: true,
			Groups:         []string{"@TGS#_acme*", "my group?"},
			Protected:      []recall.UserID{"ceo", "@TLS#NOT_FOUND"},
			Crowds: map[bot.Platform]bot.Crowd{
				"irc": {Requesters: []bot.Principal{{User: "U0MINA"}, {User: "W0ANN"}, {Group: "S0MODS"}},
					Approvers:  []bot.Principal{{User: "U0THEO"}, {Group: "S0LEADS"}, {User: "U0ANN"}},
					AnyChannel: true},
				"matrix": {Requesters: []bot.Principal{{Group: "3"}, {User: "4"}},
					Approvers: []bot.Principal{{Group: "18446744073709551615"}}, Channels: []string{"5", "6"}},
			},
		},
		RosterFile: roster,
		Roster: bot.Roster{People: []bot.Person{
			{Name: "mina", Accounts: []bot.Account{{Platform: "irc", User: "U0MINA"},
				{Platform: "matrix", Workspace: "matrix", User: "80351110224678912"}}},
			{Name: "theo", Accounts: []bot.Account{{Platform: "irc", Workspace: "T0ACME", User: "U0THEO"}}},
			{Name: "ann", Accounts: []bot.Account{{Platform: "irc", User: "U0ANN"}}},
		}},
		Evidence: Evidence{Keep: bot.EvidenceFull, TTL: 90 * 24 * time.Hour, OnRequest: true, Index: bot.IndexHash,
			ForgetReasons: true,
			IndexTTL:      time.Hour},
		Storage: Storage{NewSecret("postgres://bot:p%40ss@db.example.com:5432/recall?sslmode=require")},
		HTTP:    HTTP{Addr: "127.0.0.1:0", AdminAddr: "[::]:9091"},
		Log:     Log{Level: slog.LevelWarn, Format: LogText},
		Warnings: []Problem{
			{"IRC_REQUESTERS", "W0ANN is not in the roster, so they may not ask", "add them to POLICY_ROSTER_FILE"},
			{"MATRIX_REQUESTERS", "4 is not in the roster, so they may not ask", "add them to POLICY_ROSTER_FILE"},
		},
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
	if c.Storage.Scheme() != Postgres || c.Storage.Path() != "" {
		t.Errorf("%s at %q", c.Storage.Scheme(), c.Storage.Path())
	}
}

func TestOnCards(t *testing.T) {
	for _, tt := range []struct {
		keep      bot.Evidence
		onRequest bool
		want      bool
	}{
		{bot.EvidenceFull, false, true},
		{bot.EvidenceExcerpt, false, true},
		{bot.EvidenceHash, false, false},
		{bot.EvidenceExcerpt, true, false},
		{bot.EvidenceHash, true, false},
	} {
		if got := (Evidence{Keep: tt.keep, OnRequest: tt.onRequest}).OnCards(); got != tt.want {
			t.Errorf("EVIDENCE=%s on request %t: %t", tt.keep, tt.onRequest, got)
		}
	}
}

// TestEverythingAtOnce has one fault in each concern and wants them all.
func TestEverythingAtOnce(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nothing")
	got := problems(t, map[string]string{
		"CHAT_SDK_APP_ID":       "app",
		"CHAT_TIMEOUT":          "3s",
		"IRC_TOKEN_FILE":        missing,
		"IRC_SOCKET_TOKEN":      "in the wrong place",
		"IRC_APPROVERS":         "@theo, mina, U1",
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
IRC_TOKEN_FILE: the file "` + missing + `" cannot be read: no such file or directory; write the path of a readable file that holds the value of IRC_TOKEN
IRC_SOCKET_TOKEN: holds a space, a line break or a character that is not ASCII; write the value alone, as it was copied, without a word such as Bot before it
IRC_APPROVERS: "@theo", "mina" are not each a user or group; write U1 or S1
IRC_CHANNELS: is not set; write channels, or any
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
	sig := signed(t, 1400000000, "administrator")
	for _, tt := range []struct {
		base  func() map[string]string
		pairs []string
		want  string // variables with a problem
	}{
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "-"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "0"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "-1"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "0x10"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "4294967296"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SDK_APP_ID", "99999999999999999999"}, "CHAT_SDK_APP_ID"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-"}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "two words"}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", "two\nlines"}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_USER_SIG", sig}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", "garbage"}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", sig[:len(sig)-9]}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", signed(t, 7, "administrator")}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", sig, "CHAT_ADMIN", "bot"}, "CHAT_USER_SIG"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", sig}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", `"key"`}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", `'key`}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", `key”`}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, "\"key\"\n")}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"IRC_CHANNELS", `"C1","C2"`}, "IRC_CHANNELS"},
		{onlyIRC, []string{"POLICY_APPROVALS", `"1"`}, "POLICY_APPROVALS"},
		{onlyIRC, []string{"DATABASE_URL", `"sqlite:a.db"`}, "DATABASE_URL"},
		{onlyIRC, []string{"POLICY_APROVALS", "2"}, "POLICY_APROVALS"},
		{onlyIRC, []string{"POLICY_GROUPS_FILE", folder}, "POLICY_GROUPS_FILE"},
		{onlyIRC, []string{"CHAT_WEBHOK_TOKEN_FILE", folder}, "CHAT_WEBHOK_TOKEN_FILE"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", folder}, "CHAT_SECRET_KEY_FILE"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", folder + "/nothing"},
			"CHAT_SECRET_KEY_FILE"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, " \n")}, "CHAT_SECRET_KEY_FILE"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, strings.Repeat("x", fileLimit+1))},
			"CHAT_SECRET_KEY_FILE"},
		{onlyIRC, []string{"CHAT_SECRET_KEY_FILE", file(t, "key")}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_SECRET_KEY_FILE", file(t, "two\nlines")}, "CHAT_SECRET_KEY"},
		{onlyIRC, []string{"CHAT_ADMIN", strings.Repeat("a", 33)}, "CHAT_ADMIN"},
		{onlyIRC, []string{"CHAT_ADMIN", "管理员"}, "CHAT_ADMIN"},
		{onlyIRC, []string{"CHAT_REGION", "-"}, "CHAT_REGION"},
		{onlyIRC, []string{"CHAT_REGION", "mars"}, "CHAT_REGION"},
		{onlyIRC, []string{"CHAT_REGION", "-", "CHAT_BASE_URL", "console.tim.qq.com"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "ftp://x"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://x/v4"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://x?a=b"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://x?"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://x#"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://u:p@x"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_BASE_URL", "https://x:99999"}, "CHAT_BASE_URL"},
		{onlyIRC, []string{"CHAT_CALLS_PER_SECOND", "0"}, "CHAT_CALLS_PER_SECOND"},
		{onlyIRC, []string{"CHAT_CALLS_PER_SECOND", "10001"}, "CHAT_CALLS_PER_SECOND"},
		{onlyIRC, []string{"CHAT_READS_PER_SECOND", "0"}, "CHAT_READS_PER_SECOND"},
		{onlyIRC, []string{"CHAT_READS_PER_SECOND", "201"}, "CHAT_READS_PER_SECOND"},
		{onlyIRC, []string{"CHAT_WINDOW_GUARD", "-1ms"}, "CHAT_WINDOW_GUARD"},
		{onlyIRC, []string{"CHAT_WINDOW_GUARD", "1001ms"}, "CHAT_WINDOW_GUARD"},
		{onlyIRC, []string{"CHAT_WINDOW_GUARD", "20"}, "CHAT_WINDOW_GUARD"},
		{onlyIRC, []string{"CHAT_TIMEOUT", "3s"}, "CHAT_TIMEOUT"},
		{onlyIRC, []string{"CHAT_TIMEOUT", "soon"}, "CHAT_TIMEOUT"},
		{onlyIRC, []string{"CHAT_REASON", strings.Repeat("规", 33) + "xx"}, "CHAT_REASON"},
		{onlyIRC, []string{"CHAT_REASON", "a\xff"}, "CHAT_REASON"},
		{onlyIRC, []string{"CHAT_REASON", "a\nb"}, "CHAT_REASON"},
		{onlyIRC, []string{"CHAT_WEBHOOK_TOKEN", "a b"}, "CHAT_WEBHOOK_TOKEN"},

		{onlyIRC, []string{"IRC_TOKEN", "two words"}, "IRC_TOKEN"},
		{onlyIRC, []string{"IRC_TOKEN", "-"}, "IRC_TOKEN"},
		{onlyIRC, []string{"IRC_SOCKET_TOKEN", "-"}, "IRC_SOCKET_TOKEN"},
		{onlyIRC, []string{"IRC_URL", "irc.example/api/"}, "IRC_URL"},
		{onlyIRC, []string{"IRC_URL", "https://irc.example/api/?x"}, "IRC_URL"},
		{onlyIRC, []string{"IRC_REQUESTERS", "any"}, "IRC_REQUESTERS"},
		{onlyIRC, []string{"IRC_REQUESTERS", "*"}, "IRC_REQUESTERS"},
		{onlyIRC, []string{"IRC_APPROVERS", "<@U0THEO>"}, "IRC_APPROVERS"},
		{onlyIRC, []string{"IRC_CHANNELS", "-"}, "IRC_CHANNELS"},
		{onlyIRC, []string{"IRC_CHANNELS", " , ,"}, "IRC_CHANNELS"},
		{onlyIRC, []string{"IRC_CHANNELS", "#general"}, "IRC_CHANNELS"},
		{onlyIRC, []string{"IRC_CHANNELS", "any,C1"}, "IRC_CHANNELS"},
		{onlyMatrix, []string{"MATRIX_TOKEN", "-"}, "MATRIX_TOKEN"},
		{onlyMatrix, []string{"MATRIX_ROOMS", "-"}, "MATRIX_ROOMS"},
		{onlyMatrix, []string{"MATRIX_ROOMS", "any"}, "MATRIX_ROOMS"},
		{onlyMatrix, []string{"MATRIX_APPROVERS", "any"}, "MATRIX_APPROVERS"},
		{onlyMatrix, []string{"MATRIX_CHANNELS", "1,any"}, "MATRIX_CHANNELS"},
		{onlyMatrix, []string{"IRC_CHANNELS", "any"}, "IRC_TOKEN IRC_SOCKET_TOKEN"},
		{onlyIRC, []string{"MATRIX_ROOMS", "1"}, "MATRIX_TOKEN MATRIX_CHANNELS"},
		{func() map[string]string { return nil }, nil, "CHAT_SDK_APP_ID CHAT_SECRET_KEY CHAT_REGION IRC_TOKEN"},

		{onlyIRC, []string{"POLICY_APPROVALS", "0"}, "POLICY_APPROVALS"},
		{onlyIRC, []string{"POLICY_APPROVALS", "1.5"}, "POLICY_APPROVALS"},
		{onlyIRC, []string{"POLICY_LARGE_FROM", "0"}, "POLICY_LARGE_FROM"},
		{onlyIRC, []string{"POLICY_LARGE_APPROVALS", "0"}, "POLICY_LARGE_APPROVALS"},
		{onlyIRC, []string{"POLICY_LARGE_DELAY", "-1s"}, "POLICY_LARGE_DELAY"},
		{onlyIRC, []string{"POLICY_LARGE_DELAY", "2h"}, "POLICY_LARGE_DELAY"},
		{onlyIRC, []string{"POLICY_HOLD", "maybe"}, "POLICY_HOLD"},
		{onlyIRC, []string{"POLICY_MAX_MESSAGES", "0"}, "POLICY_MAX_MESSAGES"},
		{onlyIRC, []string{"POLICY_MAX_MESSAGES", "100001"}, "POLICY_MAX_MESSAGES"},
		{onlyIRC, []string{"POLICY_APPROVE_WITHIN", "0"}, "POLICY_APPROVE_WITHIN"},
		{onlyIRC, []string{"POLICY_APPROVE_WITHIN", "-5m", "POLICY_REMIND_AFTER", "1m"}, "POLICY_APPROVE_WITHIN"},
		{onlyIRC, []string{"POLICY_START_WITHIN", "3 days"}, "POLICY_START_WITHIN"},
		{onlyIRC, []string{"POLICY_START_WITHIN", "3d-1h"}, "POLICY_START_WITHIN"},
		{onlyIRC, []string{"POLICY_START_WITHIN", "99999d2000000h"}, "POLICY_START_WITHIN"},
		{onlyIRC, []string{"POLICY_START_WITHIN", "999999d"}, "POLICY_START_WITHIN"},
		{onlyIRC, []string{"POLICY_REMIND_AFTER", "30m"}, "POLICY_REMIND_AFTER"},
		{onlyIRC, []string{"POLICY_REMIND_AFTER", "5m", "POLICY_APPROVE_WITHIN", "4m"}, "POLICY_REMIND_AFTER"},
		{onlyIRC, []string{"POLICY_REASON", "maybe"}, "POLICY_REASON"},
		{onlyIRC, []string{"POLICY_GROUPS", "[ab]*"}, "POLICY_GROUPS"},
		{onlyIRC, []string{"POLICY_GROUPS", `a\*`}, "POLICY_GROUPS"},
		{onlyIRC, []string{"POLICY_GROUPS", "群*"}, "POLICY_GROUPS"},
		{onlyIRC, []string{"POLICY_GROUPS", long}, "POLICY_GROUPS"},
		{onlyIRC, []string{"POLICY_GROUPS", "any,a*"}, "POLICY_GROUPS"},
		{onlyIRC, []string{"POLICY_PROTECTED_SENDERS", "ceo," + long}, "POLICY_PROTECTED_SENDERS"},
		{onlyIRC, []string{"POLICY_ROSTER_FILE", folder + "/nothing"}, "POLICY_ROSTER_FILE"},
		{onlyIRC, []string{"POLICY_ROSTER_FILE", folder}, "POLICY_ROSTER_FILE"},
		{onlyIRC, []string{"POLICY_ROSTER_FILE", file(t, "- {name: a}\n- {name: b, irc: x}\n")},
			"POLICY_ROSTER_FILE POLICY_ROSTER_FILE"},

		{onlyIRC, []string{"EVIDENCE", "off"}, "EVIDENCE"},
		{onlyIRC, []string{"EVIDENCE_TTL", "0s"}, "EVIDENCE_TTL"},
		{onlyIRC, []string{"CARD_CONTENT", "hidden"}, "CARD_CONTENT"},
		{onlyIRC, []string{"INDEX", "full", "CHAT_WEBHOOK_TOKEN", "hook"}, "INDEX"},
		{onlyIRC, []string{"INDEX", "hash"}, "INDEX"},
		{onlyIRC, []string{"INDEX", "excerpt"}, "INDEX"},
		{onlyIRC, []string{"INDEX_TTL", "-2h"}, "INDEX_TTL"},

		{onlyIRC, []string{"DATABASE_URL", "recallbot.db"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "sqlite:"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "sqlite://recallbot.db"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "sqlite::memory:"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "sqlite:a.db?mode=memory"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:50%@db/x"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:hunter2@db"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:hunter2@db:5432/?sslmode=require"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:hun@ter2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:hun/ter2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:12/ter2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:hun@te/r2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:12?er2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:12#er2@db/recall"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL", "postgres://db/recall/er2"}, "DATABASE_URL"},
		{onlyIRC, []string{"DATABASE_URL_FILE", folder}, "DATABASE_URL_FILE"},
		{onlyIRC, []string{"HTTP_ADDR", "localhost"}, "HTTP_ADDR"},
		{onlyIRC, []string{"HTTP_ADDR", "http://x:80"}, "HTTP_ADDR"},
		{onlyIRC, []string{"HTTP_ADDR", ":http"}, "HTTP_ADDR"},
		{onlyIRC, []string{"ADMIN_ADDR", "localhost:65536"}, "ADMIN_ADDR"},
		{onlyIRC, []string{"ADMIN_ADDR", ":8080"}, "ADMIN_ADDR"},
		{onlyIRC, []string{"LOG_LEVEL", "info+2"}, "LOG_LEVEL"},
		{onlyIRC, []string{"LOG_FORMAT", "yaml"}, "LOG_FORMAT"},
	} {
		ps := problems(t, with(tt.base(), tt.pairs...))
		var names []string
		for _, p := range ps {
			names = append(names, p.Variable)
			if p.What == "" || p.Mend == "" || strings.Contains(p.String(), "\n") ||
				strings.Contains(p.String(), "er2") || strings.Contains(p.String(), sig) {
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
		{onlyMatrix, nil},
		{bothPlatforms, nil},
		{onlyIRC, []string{"CHAT_REGION", "-", "CHAT_BASE_URL", "http://fake:1"}},
		{onlyIRC, []string{"CHAT_WINDOW_GUARD", "1s"}},
		{onlyIRC, []string{"CHAT_REASON", strings.Repeat("规", 33) + "x"}},
		{onlyIRC, []string{"IRC_REQUESTERS", "-", "IRC_APPROVERS", "-"}},
		{onlyIRC, []string{"IRC_SECRETS", "both"}},
		{onlyIRC, []string{"POLICY_APPROVE_WITHIN", "2s"}},
		{onlyIRC, []string{"POLICY_GROUPS", "any"}},
		{onlyIRC, []string{"POLICY_GROUPS", strings.Repeat("x", 47) + "?*"}},
		{onlyIRC, []string{"DATABASE_URL", "sqlite:/var/lib/with space/a.db"}},
		{onlyIRC, []string{"DATABASE_URL", "postgres:///recall?host=/run/postgresql"}},
		{onlyIRC, []string{"DATABASE_URL_FILE", file(t, "postgres://bot:x@db/recall\n")}},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot:%40%2F%23%3F%25'@db,db2:5432/recall"}},
		{onlyIRC, []string{"DATABASE_URL", "postgres://bot@db?dbname=recall"}},
		{onlyIRC, []string{"CHAT_SECRET_KEY", "-", "CHAT_USER_SIG", signed(t, 1400000000, "administrator")}},
		{onlyIRC, []string{"CHAT_REASON", "it's spam"}},
		{onlyIRC, []string{"POLICY_APROVALS", ""}},
		{onlyIRC, []string{"HTTP_ADDR", ":0", "ADMIN_ADDR", ":0"}},
		{onlyIRC, []string{"INDEX", "excerpt", "CHAT_WEBHOOK_TOKEN_FILE", file(t, "hook")}},
		{onlyIRC, []string{"INDEX", "off"}},
	} {
		if ps := problems(t, with(tt.base(), tt.pairs...)); len(ps) > 0 {
			t.Errorf("%q:\n%v", tt.pairs, ps)
		}
	}
	if c := load(t, with(onlyIRC(), "POLICY_GROUPS", "ANY")); c.Policy.Groups != nil {
		t.Errorf("POLICY_GROUPS=ANY is %q, want none", c.Policy.Groups)
	}
}

// FuzzLoad holds Load to Problems: no value of any variable may pass its check
// and then not fit its field.
func FuzzLoad(f *testing.F) {
	for i, v := range Variables(platforms) {
		f.Add(uint8(i), v.Default)
		f.Add(uint8(i), bothPlatforms()[v.Name])
	}
	for _, value := range []string{"3d", "any", "role:1,user:2,S1,U1", "1d9223372036854775807ns", "$HOME", "\\", "\x00",
		"0x1p-2"} {
		for i := range Variables(platforms) {
			f.Add(uint8(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		table := Variables(platforms)
		name := table[int(i)%len(table)].Name
		if name == "POLICY_ROSTER_FILE" {
			return // a path could be any file of this machine
		}
		env := bothPlatforms()
		env[name] = value
		_, err := tryLoad(t, env)
		if _, ok := err.(Problems); err != nil && !ok {
			t.Fatalf("%s=%q: %v", name, value, err)
		}
	})
}
