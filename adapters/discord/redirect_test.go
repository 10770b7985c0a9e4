package discord

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
)

// reached notes which hosts are called or dialled.
type reached struct {
	base http.RoundTripper

	mu    sync.Mutex
	hosts []string
}

func (e *reached) note(host string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hosts = append(e.hosts, host)
}

// seen are the hosts, each once.
func (e *reached) seen() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	hosts := slices.Clone(e.hosts)
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), " ")
}

func (e *reached) RoundTrip(r *http.Request) (*http.Response, error) {
	e.note(r.URL.Hostname())
	if r.URL.Hostname() != "discord.com" {
		w := httptest.NewRecorder()
		_, _ = w.WriteString("{}")
		return w.Result(), nil
	}
	return e.base.RoundTrip(r)
}

// dials makes the adapter's connections known to e.
func (e *reached) dials(o *Options) {
	dial := o.Dial
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		e.note(host)
		return dial(ctx, network, addr)
	}
}

// TestRedirects: whatever call Discord, or something before it, answers with a redirect, the call
// fails, is no refusal of Discord, and nothing goes to where it leads.
func TestRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &reached{}
		r := newRig(t, overHTTP, func(_ *rig, o *Options) {
			e.base = o.HTTPClient.Transport
			o.HTTPClient = &http.Client{Transport: e}
		})
		r.ready(t)
		ref := r.post(t)
		r.Fail("* /**", -1, discordtest.Redirect("https://evil.example/take"))
		n := note("receipt", "Receipt 1")
		n.File = &bot.File{Name: "a.csv", Type: "text/csv", Title: "outcomes", Body: []byte("seq\n100\n")}
		for name, call := range map[string]func() error{
			"post": func() error {
				_, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "R-7K3M9R")
				return err
			},
			"edit":                 func() error { return r.adapter.Edit(t.Context(), ref, someCard(bot.Done)) },
			"reply":                func() error { _, err := r.adapter.Reply(t.Context(), ref, n); return err },
			"where the Gateway is": func() error { _, err := r.adapter.rest.gateway(t.Context()); return err },
			"followup": func() error {
				return r.adapter.rest.do(t.Context(), call{
					method: http.MethodPost, route: "/webhooks/{application_id}/{token}",
					path: "/webhooks/" + r.ApplicationID + "/x", body: struct{}{}, interaction: true,
				})
			},
		} {
			err := call()
			if err == nil || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%s: %v", name, err)
			}
			if refusal(err, http.StatusTemporaryRedirect) {
				t.Errorf("%s: taken for an answer of Discord", name)
			}
		}
		if seen := e.seen(); seen != "discord.com" {
			t.Errorf("sent to %s", seen)
		}
		r.stop()
	})
}

// TestGatewayHost: the bot token is sent to Discord's Gateway alone, and encrypted.
func TestGatewayHost(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for _, test := range []struct {
		base    string
		dial    bool
		address string
		want    bool
	}{
		{"", false, "wss://gateway.discord.gg", true},
		{"", false, "wss://gateway-us-east1-b.discord.gg/", true},
		{"", false, "wss://discord.com/gw", true},
		{"", false, "ws://gateway.discord.gg", false},
		{"", true, "ws://gateway.discord.gg", true},
		{"", true, "wss://evil.example", false},
		{"", false, "wss://discord.gg.evil.example", false},
		{"", false, "wss://evildiscord.gg", false},
		{"", false, "wss://gateway.discord.gg@evil.example", false},
		{"", false, "wss://gateway.discord.gg\\@evil.example", false},
		{"", false, "", false},
		{"http://127.0.0.1:8000", false, "ws://127.0.0.1:8000/gw", true},
		{"http://127.0.0.1:8000", false, "ws://127.0.0.1:8001/gw", false},
		{"https://proxy.example", false, "wss://proxy.example/gw", true},
		{"https://proxy.example", false, "ws://proxy.example/gw", false},
		{"https://proxy.example", false, "wss://gateway.discord.gg", true},
	} {
		o := Options{BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: newBot(), BaseURL: test.base}
		if test.dial {
			o.Dial = dial
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.isGateway(test.address); got != test.want {
			t.Errorf("%s with the API at %q: %v", test.address, test.base, got)
		}
	}

	synctest.Test(t, func(t *testing.T) {
		e := &reached{}
		r := newRig(t, overGateway, func(r *rig, o *Options) {
			r.GatewayURL = "ws://evil.example/gw"
			e.dials(o)
		})
		time.Sleep(10 * time.Minute)
		if n := strings.Count(r.log.String(), "the bot token is not sent there"); n < 3 {
			t.Errorf("the log says so %d times", n)
		}
		r.stop()
		if seen := e.seen(); seen != "" {
			t.Errorf("connected to %s", seen)
		}
	})
}

// TestResumeElsewhere: READY names an address to resume at. It is used if it is Discord's; else the
// session is resumed where the API says.
func TestResumeElsewhere(t *testing.T) {
	for url, want := range map[string]string{
		"wss://evil.example":                 "discord.com",
		"ws://gateway-us-east1-b.discord.gg": "discord.com gateway-us-east1-b.discord.gg",
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &reached{}
			r := newRig(t, overGateway, func(r *rig, o *Options) {
				r.ResumeURL = url
				e.dials(o)
			})
			defer r.stop()
			r.ready(t)
			r.Drop()
			r.acts(t, 0)
			if seen := e.seen(); seen != want || r.Resumes() != 1 {
				t.Errorf("connected to %s, %d resumes", seen, r.Resumes())
			}
		})
	}
}
