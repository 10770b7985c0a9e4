package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

// send sends a request to the adapter as anybody on the network could.
func (x *world) send(path, secret string, age time.Duration, body string,
	change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ts := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", slacktest.Sign(secret, ts, []byte(body)))
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	x.a.Handler().ServeHTTP(w, r)
	return w
}

// sendTo sends a signed request to a handler of the adapter.
func (x *world) sendTo(h http.Handler, path, body string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", slacktest.Sign(x.w.SigningSecret, ts, []byte(body)))
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func typedCommand(text string) string {
	return url.Values{"command": {"/recall"}, "text": {text}, "user_id": {"U0MINA"}, "channel_id": {"C0TRUST"},
		"team_id": {"T0TEAM"}, "trigger_id": {"1.2." + text}}.Encode()
}

func TestHTTP(t *testing.T) {
	inSlack(t, httpMode, func(x *world) {
		secret := x.w.SigningSecret
		for name, test := range map[string]struct {
			path, secret string
			age          time.Duration
			body         string
			change       func(*http.Request)
			want         int
		}{
			"signed":              {"/slack/commands", secret, 0, typedCommand("a"), nil, 200},
			"older secret":        {"/slack/commands", "the older secret", 0, typedCommand("b"), nil, 200},
			"nearly five minutes": {"/slack/commands", secret, 290 * time.Second, typedCommand("c"), nil, 200},
			"too old":             {"/slack/commands", secret, 301 * time.Second, typedCommand("d"), nil, 401},
			"of the future":       {"/slack/commands", secret, -310 * time.Second, typedCommand("d"), nil, 401},
			"wrong secret":        {"/slack/commands", "guess", 0, typedCommand("d"), nil, 401},
			"no secret":           {"/slack/commands", "", 0, typedCommand("d"), nil, 401},
			"no signature": {"/slack/commands", secret, 0, typedCommand("d"),
				func(r *http.Request) { r.Header.Del("X-Slack-Signature") }, 401},
			"no timestamp": {"/slack/commands", secret, 0, typedCommand("d"),
				func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") }, 401},
			"signature of v1": {"/slack/commands", secret, 0, typedCommand("d"),
				func(r *http.Request) { r.Header.Set("X-Slack-Signature", "v1=00") }, 401},
			"too large": {"/slack/commands", secret, 0, typedCommand(strings.Repeat("x", inbound.MaxBody)),
				nil, 413},
			"check of ssl": {"/slack/commands", "", 0, "ssl_check=1", nil, 200},
			"no such command": {"/slack/commands", secret, 0, strings.Replace(typedCommand("d"), "recall",
				"remind", 1), nil, 200},
			"payload in the address": {"/slack/interactions?payload=%7B%22type%22%3A%22block_actions%22%7D", secret, 0,
				"x=1", nil, 400},
			"no payload":     {"/slack/interactions", secret, 0, "", nil, 400},
			"broken payload": {"/slack/interactions", secret, 0, "payload=%7B", nil, 400},
			"shortcut": {"/slack/interactions", secret, 0,
				url.Values{"payload": {`{"type":"shortcut","user":{"id":"U0MINA"}}`}}.Encode(), nil, 200},
			"closed window": {"/slack/interactions", secret, 0,
				url.Values{"payload": {`{"type":"view_closed","user":{"id":"U0MINA"}}`}}.Encode(), nil, 200},
			"events": {"/slack/events", secret, 0, "", nil, 404},
			"get": {"/slack/commands", secret, 0, "",
				func(r *http.Request) { r.Method = http.MethodGet }, 405},
		} {
			before := x.bot.Kept()
			w := x.send(test.path, test.secret, test.age, test.body, test.change)
			x.settle()
			if w.Code != test.want {
				x.t.Errorf("%s: status %d, want %d", name, w.Code, test.want)
			}
			stored := x.bot.Kept() - before
			should := test.want == 200 && (strings.Contains(test.body, "command=") || name == "shortcut")
			if (stored == 1) != should {
				x.t.Errorf("%s: %d events stored", name, stored)
			}
			if strings.Contains(w.Body.String(), secret) {
				x.t.Errorf("%s: the answer holds the secret", name)
			}
		}
		// A replay of what was signed is known for as long as the signature counts.
		n := len(x.bot.Did())
		for range 3 {
			if w := x.send("/slack/commands", secret, 0, typedCommand("a"), nil); w.Code != 200 {
				x.t.Errorf("replay: status %d", w.Code)
			}
			x.settle()
		}
		if len(x.bot.Did()) != n {
			x.t.Error("a replay acted")
		}
	}, func(x *world, o *Options) { o.SigningSecrets = append(o.SigningSecrets, "the older secret", "") })
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

// TestBodyUnread: where the headers cannot be those of Slack, the body is not read.
func TestBodyUnread(t *testing.T) {
	inSlack(t, httpMode, func(x *world) {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		sign := slacktest.Sign("guess", now, nil)
		for name, h := range map[string][2]string{
			"nothing": {"", ""}, "no signature": {now, ""}, "no time": {"", sign}, "a time that is none": {"now", sign},
			"old":   {strconv.FormatInt(time.Now().Add(-301*time.Second).Unix(), 10), sign},
			"ahead": {strconv.FormatInt(time.Now().Add(301*time.Second).Unix(), 10), sign},
			"short": {now, sign[:len(sign)-2]}, "long": {now, sign + "00"},
			"not hex": {now, "v0=" + strings.Repeat("x", 64)}, "another version": {now, "v1" + sign[2:]},
		} {
			r := httptest.NewRequest(http.MethodPost, "/slack/commands", unread{x.t})
			r.Header.Set("X-Slack-Request-Timestamp", h[0])
			r.Header.Set("X-Slack-Signature", h[1])
			w := httptest.NewRecorder()
			x.a.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				x.t.Errorf("%s: status %d", name, w.Code)
			}
		}
	})
}

// TestNotBoth: with an app token the request URLs are not served.
func TestNotBoth(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		if w := x.send("/slack/commands", x.w.SigningSecret, 0, typedCommand("a"), nil); w.Code != http.StatusNotFound {
			x.t.Errorf("status %d, want 404", w.Code)
		}
	}, func(x *world, o *Options) { o.SigningSecrets = []string{x.w.SigningSecret} })
}

// TestHTTPBeforeArrival: until Slack has said whose token it is, nobody can be told apart, and
// nothing is taken.
func TestHTTPBeforeArrival(t *testing.T) {
	inSlack(t, httpMode, func(x *world) {
		began := time.Now()
		if w := x.send("/slack/commands", x.w.SigningSecret, 0, typedCommand("a"),
			nil); w.Code != http.StatusServiceUnavailable {
			x.t.Errorf("status %d, want 503", w.Code)
		}
		if took := time.Since(began); took != 2*time.Second {
			x.t.Errorf("it was held for %v, want 2 s", took)
		}
		x.w.Heal("*")
		time.Sleep(time.Minute)
		if w := x.send("/slack/commands", x.w.SigningSecret, 0, typedCommand("a"), nil); w.Code != http.StatusOK {
			x.t.Errorf("status %d, want 200", w.Code)
		}
	}, func(x *world, _ *Options) { x.w.Fail("auth.test", -1, slacktest.ServerError(503)) })
}

// TestSSLCheck is Slack's own look at the certificate.
func TestSSLCheck(t *testing.T) {
	inSlack(t, httpMode, func(x *world) {
		d := x.w.SSLCheck()
		x.settle()
		if d.StatusCode() != http.StatusOK || x.bot.Kept() != 0 {
			x.t.Errorf("status %d, %d events", d.StatusCode(), x.bot.Kept())
		}
	})
}

// assets is a folder of data of others, which may be absent.
func assets(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "assets", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there", name)
		}
		t.Skipf("%s is not there", name)
	}
	return path
}

// TestPublishedSamples: the payloads that Slack publishes are read, or refused without harm.
func TestPublishedSamples(t *testing.T) {
	dir := assets(t, "slack-samples")
	inSlack(t, socketMode, func(x *world) {
		for name, want := range map[string]error{
			"ViewClosedPayload": errIgnored,
			// The published samples hold empty ids.
			"AttachmentActionPayload": errMalformed, "MessageShortcutPayload": errMalformed,
			"BlockActionPayload": errMalformed, "ViewSubmissionPayload": errMalformed,
			"SlashCommandPayload": errMalformed,
		} {
			body, err := os.ReadFile(filepath.Join(dir, name+".json"))
			if err != nil {
				x.t.Error(err)
				continue
			}
			if name == "SlashCommandPayload" {
				var c slackgo.SlashCommand
				if err = json.Unmarshal(body, &c); err == nil {
					_, err = x.a.commandDelivery(c, time.Now())
				}
			} else {
				_, err = x.a.interactionDelivery(body, time.Now())
			}
			if err != want { //nolint:errorlint // exactly this one
				x.t.Errorf("%s: %v, want %v", name, err, want)
			}
			kind := "interactive"
			if name == "SlashCommandPayload" {
				kind = "slash_commands"
			}
			d := x.w.Send(kind, body)
			x.settle()
			if !d.Acked() {
				x.t.Errorf("%s: not acknowledged: %s", name, d.Failure())
			}
		}
		if n := x.bot.Kept(); n != 0 {
			x.t.Errorf("%d of the samples were acted on", n)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*Payload.json"))
		if err != nil || len(files) != 6 {
			x.t.Errorf("the samples are other ones than those read here: %v, %v", files, err)
		}
		// With ids in it the published press is one of ours.
		body, err := os.ReadFile(filepath.Join(dir, "BlockActionPayload.json"))
		if err != nil {
			x.t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(body, &v); err != nil {
			x.t.Fatal(err)
		}
		v["user"] = map[string]any{"id": "U0THEO"}
		v["channel"] = map[string]any{"id": "C0TRUST"}
		v["actions"] = []any{map[string]any{"action_id": "approve", "value": "v1:R-7K3M9Q:0123456789abcdef"}}
		if body, err = json.Marshal(v); err != nil {
			x.t.Fatal(err)
		}
		d, err := x.a.interactionDelivery(body, time.Now())
		if err != nil || d.event.Act.Kind != intake.ActApprove || d.event.By.User != "U0THEO" {
			x.t.Errorf("%+v, %v", d.event, err)
		}
	})
}

func FuzzInteraction(f *testing.F) {
	f.Add(
		[]byte(
			`{"type":"block_actions","user":{"id":"U"},"channel":{"id":"C"},"actions":[{"action_id":"page_next","value":"v1:a:b:9"}]}`))
	f.Add(
		[]byte(
			`{"type":"view_submission","user":{"id":"U"},"view":{"callback_id":"ask","private_metadata":"{\"c\":\"C\"}","state":{"values":{"a":{"value":{"value":"x"}}}}}}`))
	a, err := New(Options{BotToken: "xoxb-x", AppToken: "xapp-x", Bot: newBot()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := a.interactionDelivery(body, noon)
		if err != nil {
			return
		}
		if d.event.By.User == "" || d.event.Place.Channel == "" || d.event.ID == "" || d.event.Act.Kind == "" {
			t.Errorf("taken without who, where or what: %+v", d.event)
		}
		again, err := a.interactionDelivery(body, noon.Add(time.Minute))
		if err != nil || again.event.ID != d.event.ID {
			t.Errorf("the same delivery is another event: %v", err)
		}
	})
}

// TestFirstEvents: what comes before Slack has said whose token it is waits for that, for two
// seconds at most.
func TestFirstEvents(t *testing.T) {
	for takes, acked := range map[time.Duration]bool{1500 * time.Millisecond: true, 4 * time.Second: false} {
		inSlack(t, httpMode, func(x *world) {
			d := x.w.Command("U0MINA", "C0TRUST", "/recalls", "help")
			time.Sleep(takes + time.Second)
			x.settle()
			if d.Acked() != acked || !acked && d.StatusCode() != http.StatusServiceUnavailable {
				x.t.Errorf("auth.test takes %v: acknowledged %v after %v, status %d, want %v", takes, d.Acked(),
					d.AckedAfter(), d.StatusCode(), acked)
			}
		}, func(x *world, _ *Options) { x.w.Fail("auth.test", 1, slacktest.Slow(takes)) })
	}
}
