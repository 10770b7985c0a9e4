package discord

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
)

func TestPing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		if err := r.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if r.adapter.LastFrame().IsZero() {
			t.Error("LastFrame is zero after a signed request")
		}
	})
}

// TestSignatures: what is not signed rightly and lately is 401, reaches nobody and is no alarm.
func TestSignatures(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		now := time.Now()
		for _, s := range []discordtest.Signature{
			{Bad: true}, {Missing: true}, {Timestamp: now.Add(-6 * time.Minute)}, {Timestamp: now.Add(6 * time.Minute)},
			{Timestamp: time.Unix(1, 0)},
		} {
			r.SignNext(s)
			i := r.Command(mina, trust, "recalls help")
			if err := i.Wait(t.Context()); err == nil {
				t.Errorf("%+v was taken", s)
			}
		}
		if n := len(r.bot.Did()); n != 0 {
			t.Errorf("the bot was asked %d times", n)
		}
		// Who sends what is not signed is told of at most once a minute a kind.
		if log := r.log.String(); strings.Count(log, "level=WARN") > 2 || strings.Contains(log, "level=ERROR") {
			t.Errorf("alarm:\n%s", log)
		}
		for _, at := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
			r.SignNext(discordtest.Signature{Timestamp: now.Add(at)})
			r.wait(t, r.Command(mina, trust, "recalls help"))
		}
	})
}

func TestBadRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overHTTP)
		h := r.adapter.Handler()
		for name, tt := range map[string]struct {
			method, path, body, signature, timestamp string
			want                                     int
		}{
			"get":          {"GET", "/discord/interactions", "", "", "", 405},
			"elsewhere":    {"POST", "/discord", "", "", "", 404},
			"empty":        {"POST", "/discord/interactions", "", "", "", 401},
			"not hex":      {"POST", "/discord/interactions", "{}", "zz", "1", 401},
			"short":        {"POST", "/discord/interactions", "{}", "00", "1", 401},
			"no timestamp": {"POST", "/discord/interactions", "{}", strings.Repeat("00", 64), "", 401},
			"more than a MiB": {"POST", "/discord/interactions", strings.Repeat(" ", 1<<20+1),
				strings.Repeat("00", 64), "1", 413},
			"exactly one MiB-": {"POST", "/discord/interactions", strings.Repeat(" ", 1<<20-1),
				strings.Repeat("00", 64), "1", 401},
		} {
			req := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			req.Header.Set("X-Signature-Ed25519", tt.signature)
			req.Header.Set("X-Signature-Timestamp", tt.timestamp)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != tt.want {
				t.Errorf("%s: %d", name, w.Code)
			}
		}
		r.stop()
	})
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

// TestBodyUnread: where the headers cannot be those of Discord, the body is not read.
func TestBodyUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overHTTP)
		at := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
		sign := strings.Repeat("00", 64)
		for name, h := range map[string][2]string{
			"nothing": {"", ""}, "no signature": {at(0), ""}, "no time": {"", sign},
			"a time that is none": {"now", sign}, "old": {at(-301 * time.Second), sign},
			"ahead": {at(301 * time.Second), sign}, "short": {at(0), sign[2:]}, "long": {at(0), sign + "00"},
			"not hex": {at(0), strings.Repeat("x", 128)},
		} {
			req := httptest.NewRequest(http.MethodPost, "/discord/interactions", unread{t})
			req.Header.Set("X-Signature-Timestamp", h[0])
			req.Header.Set("X-Signature-Ed25519", h[1])
			w := httptest.NewRecorder()
			r.adapter.Handler().ServeHTTP(w, req)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s: status %d", name, w.Code)
			}
		}
		r.stop()
	})
}

func TestGatewayModeHasNoEndpoint(t *testing.T) {
	a, err := New(Options{BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: newBot()})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/discord/interactions", strings.NewReader("{}")))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// TestPublishedExamples sends every example payload of Discord's documentation, signed: each is
// answered or refused, and none makes a panic. Those that are interactions are all understood.
func TestPublishedExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(asset(t, "discord-docs-examples"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var log safeBuffer
	a, err := New(Options{
		BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, PublicKey: hex.EncodeToString(public),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Bot: newBot(),
	})
	if err != nil {
		t.Fatal(err)
	}
	answered := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var looks struct {
			ID, Token string
			Type      int
			Data      json.RawMessage
		}
		interaction := json.Unmarshal(raw, &looks) == nil && looks.ID != "" && looks.Token != "" && looks.Type != 0 &&
			looks.Data != nil
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, signed(private, raw))
		switch {
		case interaction && (w.Code != http.StatusOK || w.Body.Len() == 0):
			t.Errorf("%s is an interaction and got %d %s", filepath.Base(f), w.Code, w.Body)
		case w.Code == http.StatusOK:
			answered++
		case w.Code != http.StatusBadRequest:
			t.Errorf("%s: %d %s", filepath.Base(f), w.Code, w.Body)
		}
	}
	if answered < 9 {
		t.Errorf("only %d of %d examples were answered", answered, len(files))
	}
	t.Logf("%d of %d are interactions", answered, len(files))
	if strings.Contains(log.String(), "a bug kept") {
		t.Errorf("an example made a panic:\n%s", log.String())
	}
}

func FuzzInteraction(f *testing.F) {
	f.Add(
		[]byte(
			`{"id":"1","token":"t","type":2,"data":{"name":"recall","options":[{"name":"group","type":3,"value":"x"}]},"app_permissions":"0","member":{"user":{"id":"3"}}}`))
	f.Add(
		[]byte(
			`{"id":"1","token":"t","type":3,"data":{"custom_id":"v1:approve:R-7K3M9Q:0123456789abcdef"},"message":{"id":"4"}}`))
	f.Add(
		[]byte(
			`{"id":"1","token":"t","type":5,"data":{"custom_id":"v1:form:approve:R-7K3M9Q:0","components":[{"component":{"custom_id":"count","value":"3"}}]}}`))
	a, err := New(Options{BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: newBot()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := readInteraction(raw)
		if err != nil {
			return
		}
		if e := a.event(in); e.Act.Kind == "" {
			t.Errorf("an act without a kind: %s", raw)
		}
	})
}
