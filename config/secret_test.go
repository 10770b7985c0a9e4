package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecret(t *testing.T) {
	var none Secret
	if none.Set() || none.Reveal() != "" {
		t.Errorf("the zero Secret: Set %t, Reveal %q", none.Set(), none.Reveal())
	}
	if NewSecret("").Set() {
		t.Error("a Secret of the empty value is set")
	}
	s := NewSecret("hunter2")
	if !s.Set() || s.Reveal() != "hunter2" {
		t.Errorf("Set %t, Reveal %q", s.Set(), s.Reveal())
	}
	if !s.Equal(NewSecret("hunter2")) || s.Equal(NewSecret("hunter3")) || s.Equal(none) {
		t.Error("Equal does not go by the value")
	}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %t %08b %c %U %e") {
		for _, s := range []Secret{s, none} {
			if got := fmt.Sprintf(verb, s); got != dots {
				t.Errorf("%s prints %s, want %s", verb, got, dots)
			}
		}
	}
	if got := s.String(); got != dots {
		t.Errorf("String is %s", got)
	}
}

// TestNothingLeaks prints a whole configuration in every way that a program may
// do so by accident. Each secret holds the same marker.
func TestNothingLeaks(t *testing.T) {
	const marker = "hunter2"
	env := bothPlatforms()
	for _, v := range Variables(platforms) {
		if v.Secret {
			env[v.Name] = marker
		}
	}
	env["IRC_TOKEN"] = "xoxb-" + marker
	env["IRC_SOCKET_TOKEN"] = "xapp-" + marker
	env["IRC_SECRETS"] = marker + "1," + marker + "2"
	env["DATABASE_URL"] = "postgres://bot:" + marker + "@db/recall"
	delete(env, "CHAT_USER_SIG")
	c := load(t, env)
	c.Chat.UserSig = NewSecret(marker)

	chat := c.Platforms["irc"].(*irc)
	for i, s := range append([]Secret{c.Chat.SecretKey, c.Chat.UserSig, c.Chat.WebhookToken, chat.Token,
		chat.SocketToken, c.Platforms["matrix"].(*matrix).Token, c.Storage.DatabaseURL}, chat.Secrets...) {
		if !strings.Contains(s.Reveal(), marker) {
			t.Fatalf("secret %d does not hold the marker, so that nothing is proved", i)
		}
	}

	hidden := struct {
		config Config
		one    Secret
		some   []Secret
		far    map[string]*Config
	}{c, c.Chat.SecretKey, chat.Secrets, map[string]*Config{"a": &c}}

	shown := map[string]string{}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d") {
		shown[verb] = fmt.Sprintf(verb, c)
		shown[verb+" of the pointer"] = fmt.Sprintf(verb, &c)
		shown[verb+" of the parts"] = fmt.Sprintf(verb+verb+verb, c.Chat, chat.Secrets,
			&chat.Secrets[0])
		shown[verb+" of unexported fields"] = fmt.Sprintf(verb, hidden)
	}
	shown["error"] = fmt.Errorf("start: %v", c).Error()
	shown["json"] = encoded(t, json.Marshal, c)
	shown["yaml"] = encoded(t, yaml.Marshal, c)
	shown["xml"] = encoded(t, xml.Marshal, c.Storage)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		l := slog.New(h)
		l.Info("start", "config", c, "pointer", &c, "secret", c.Chat.SecretKey, "secrets", chat.Secrets,
			"chat", c.Chat)
		l.With("token", chat.Token).WithGroup("g").Info("again", slog.Any("db", c.Storage.DatabaseURL))
	}
	shown["slog"] = log.String()

	for how, text := range shown {
		if strings.Contains(text, marker) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", marker)) {
			t.Errorf("%s leaks: %s", how, text)
		}
	}
	for _, how := range []string{"%+v", "%#v", "json", "slog", "yaml", "xml"} {
		if !strings.Contains(shown[how], dots) {
			t.Errorf("%s shows no dots: %s", how, shown[how])
		}
	}
}

func encoded(t *testing.T, marshal func(any) ([]byte, error), v any) string {
	t.Helper()
	b, err := marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestProblemsHoldNoSecret puts secrets where they are wrong: faulty, and in the
// place of other values.
func TestProblemsHoldNoSecret(t *testing.T) {
	const marker = "hunter2"
	for _, v := range Variables(platforms) {
		for _, value := range []string{
			"xoxb-" + marker,
			"xapp-" + marker,
			"Bot " + marker,
			"postgres://bot:" + marker + "@db:port/recall",
			"https://bot:" + marker + "@irc.example/?q#f",
			"nobody:" + marker + "@x",
			marker + " " + strings.Repeat("x", 40) + "\x01",
			strings.Repeat(marker, 9) + ":port",
		} {
			env := bothPlatforms()
			env[v.Name] = value
			checkNoMarker(t, v.Name, env, marker)
			if v.Secret {
				delete(env, v.Name)
				env[v.Name+fileSuffix] = strings.ReplaceAll(value, "/", "")
				if strings.HasPrefix(value, "xo") || strings.HasPrefix(value, "xa") || len(value) > 40 {
					checkNoMarker(t, v.Name+fileSuffix, env, marker)
				}
			}
		}
		if v.Secret {
			env := bothPlatforms()
			env[v.Name] = "a " + marker + ", b\x01, c, d"
			checkNoMarker(t, v.Name, env, marker)
		}
	}
}

func checkNoMarker(t *testing.T, name string, env map[string]string, marker string) {
	t.Helper()
	_, err := tryLoad(t, env)
	if err != nil && strings.Contains(err.Error(), marker) {
		t.Errorf("%s: the error shows its value: %v", name, err)
	}
	if _, ok := errors.AsType[Problems](err); err != nil && !ok {
		t.Errorf("%s: %v is not Problems", name, err)
	}
}
