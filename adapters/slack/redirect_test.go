package slack

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

// elsewhere notes what is sent or dialled to a host that is not Slack's.
type elsewhere struct {
	base http.RoundTripper

	mu   sync.Mutex
	what []string
}

func (e *elsewhere) note(host string) (strange bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if strange = !strings.HasSuffix(host, "slack.com"); strange {
		e.what = append(e.what, host)
	}
	return strange
}

func (e *elsewhere) seen() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.what)
}

func (e *elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if e.note(r.URL.Hostname()) {
		w := httptest.NewRecorder()
		_, _ = w.WriteString(`{"ok":true}`)
		return w.Result(), nil
	}
	return e.base.RoundTrip(r)
}

// TestRedirects: whatever call Slack, or something before it, answers with a redirect, the call
// fails and nothing goes to where it leads.
func TestRedirects(t *testing.T) {
	e := &elsewhere{}
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		d := x.w.Command("U0MINA", "C0TRUST", "/recalls", "help")
		x.settle()
		ctx := x.t.Context()
		note := bot.Note{Key: "csv", Lines: []bot.Line{say("2 recalled")},
			File: &bot.File{Name: "a.csv", Type: "text/csv", Title: "outcomes", Body: []byte("seq\n1\n")}}
		for _, test := range []struct {
			name, method string
			call         func() error
		}{
			{"post", "chat.postMessage", func() error {
				_, err := x.a.Post(ctx, bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k2")
				return err
			}},
			{"edit", "chat.update", func() error { return x.a.Edit(ctx, ref, card(bot.Done)) }},
			{"upload", "upload", func() error { _, err := x.a.Reply(ctx, ref, note); return err }},
			{"response_url", "response_url", func() error {
				return x.a.respond(ctx, d.ResponseURL, message("hello", nil))
			}},
			{"anything", "*", func() error { _, err := x.a.api.AuthTestContext(ctx); return err }},
			{"connection", "*", func() error { _, err := x.a.sockets.connect(ctx); return err }},
			{"handshake", "link", func() error { _, err := x.a.sockets.connect(ctx); return err }},
		} {
			x.w.Fail(test.method, -1, slacktest.Redirect("https://evil.example/take"))
			if err := test.call(); err == nil || !strings.Contains(err.Error(), "307") {
				x.t.Errorf("%s: %v", test.name, err)
			}
			x.w.Heal("*")
		}
		if err := x.a.respond(ctx, "https://evil.example/take", message("hello", nil)); err == nil {
			x.t.Error("a response_url on another host was taken")
		}
		if seen := e.seen(); len(seen) > 0 {
			x.t.Errorf("sent to %v", seen)
		}
	}, func(_ *world, o *Options) {
		e.base = o.HTTPClient.Transport
		o.HTTPClient = &http.Client{Transport: e}
	})
}

// TestSocketHost: a connection is opened to Slack alone, and encrypted.
func TestSocketHost(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for _, test := range []struct {
		api     string
		dial    bool
		address string
		want    bool
	}{
		{"", false, "wss://wss-primary.slack.com/link/?ticket=x", true},
		{"", false, "wss://slack.com/link", true},
		{"", false, "wss://wss.slack-gov.com/link", true},
		{"", false, "ws://wss-primary.slack.com/link", false},
		{"", true, "ws://wss-primary.slack.com/link", true},
		{"", true, "wss://evil.example/link", false},
		{"", false, "wss://slack.com.evil.example/link", false},
		{"", false, "wss://evilslack.com/link", false},
		{"", false, "wss://slack.com@evil.example/link", false},
		{"http://127.0.0.1:8000/api/", false, "ws://127.0.0.1:8000/link", true},
		{"http://127.0.0.1:8000/api/", false, "ws://127.0.0.1:8001/link", false},
		{"https://proxy.example/api/", false, "wss://proxy.example/link", true},
		{"https://proxy.example/api/", false, "ws://proxy.example/link", false},
		{"https://proxy.example/api/", false, "wss://wss-primary.slack.com/link", true},
	} {
		o := Options{BotToken: "xoxb-x", AppToken: "xapp-x", Bot: newBot(), APIURL: test.api}
		if test.dial {
			o.Dial = dial
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.socketHost(u); got != test.want {
			t.Errorf("%s with the API at %q: %v", test.address, test.api, got)
		}
	}

	e := &elsewhere{}
	inSlack(t, socketMode, func(x *world) {
		if err := x.a.Ready(); err == nil || !strings.Contains(err.Error(), errNotSlacks.Error()) {
			x.t.Errorf("Ready: %v", err)
		}
		time.Sleep(time.Minute)
		if seen := e.seen(); len(seen) > 0 {
			x.t.Errorf("connected to %v", seen)
		}
		x.w.Set(func(w *slacktest.Workspace) { w.SocketHost = "" })
		time.Sleep(10 * time.Minute)
		if err := x.a.Ready(); err != nil {
			x.t.Errorf("Ready: %v", err)
		}
	}, func(x *world, o *Options) {
		x.w.SocketHost = "evil.example"
		inProcess := o.Dial
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err == nil {
				e.note(host)
			}
			return inProcess(ctx, network, addr)
		}
	})
}

// TestUploadHost: a file is sent to Slack alone, and encrypted.
func TestUploadHost(t *testing.T) {
	for _, test := range []struct {
		api, address string
		want         bool
	}{
		{"", "https://files.slack.com/upload/v1/x", true},
		{"", "https://files.slack-gov.com/upload/v1/x", true},
		{"", "http://files.slack.com/upload/v1/x", false},
		{"", "https://evil.example/upload/v1/x", false},
		{"", "https://files.slack.com.evil.example/x", false},
		{"", "https://evilslack.com/x", false},
		{"", "https://slack.com@evil.example/x", false},
		{"http://127.0.0.1:8000/api/", "http://127.0.0.1:8000/upload/x", true},
		{"http://127.0.0.1:8000/api/", "http://127.0.0.1:8001/upload/x", false},
		{"https://proxy.example/api/", "http://proxy.example/upload/x", false},
	} {
		a, err := New(Options{BotToken: "xoxb-x", AppToken: "xapp-x", Bot: newBot(), APIURL: test.api})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.uploads(u); got != test.want {
			t.Errorf("%s with the API at %q: %v", test.address, test.api, got)
		}
	}

	e := &elsewhere{}
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		_, err := x.a.Reply(x.t.Context(), ref, bot.Note{Key: "n", Lines: []bot.Line{say("Receipt 1")},
			File: &bot.File{Name: "a.csv", Body: []byte("seq")}})
		if seen := e.seen(); err == nil || len(seen) > 0 {
			x.t.Errorf("sent to %v: %v", seen, err)
		}
		if n := len(x.w.Thread("C0TRUST", ref.Message)); n != 1 {
			x.t.Errorf("the thread has %d messages, want the receipt, which does not wait for the file", n)
		}
	}, func(x *world, o *Options) {
		x.w.UploadHost = "evil.example"
		e.base = o.HTTPClient.Transport
		o.HTTPClient = &http.Client{Transport: e}
	})
}
