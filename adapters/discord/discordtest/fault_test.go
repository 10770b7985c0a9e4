package discordtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaults(t *testing.T) {
	const send = "POST /channels/{channel_id}/messages"
	path := "/channels/" + trust + "/messages"
	body := object{"content": "c"}
	t.Run("429", func(t *testing.T) {
		g := newGuild(t)
		for _, tt := range []struct {
			fault  Fault
			scope  string
			global bool
		}{{RateLimited(1500 * time.Millisecond), "user", false}, {SharedLimited(280 * time.Second), "shared", false},
			{GlobalLimited(time.Second), "global", true}} {
			g.Fail(send, 1, tt.fault)
			a := call(t, g, "POST", path, body)
			want(t, a, 429, 0)
			reset := a.header.Get("X-RateLimit-Reset-After")
			if a.header.Get("X-RateLimit-Scope") != tt.scope || flag(a.body, "global") != tt.global ||
				(reset == "") != tt.global || a.header.Get("Retry-After") == "" {
				t.Errorf("%s: %v %s", tt.scope, a.header, a.raw)
			}
		}
		g.Fail(send, 1, CloudflareLimited(time.Minute))
		a := call(t, g, "POST", path, body)
		if a.status != 429 || a.body != nil || a.header.Get("Retry-After") != "60" ||
			!strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("Cloudflare: %v %s", a.header, a.raw)
		}
		want(t, call(t, g, "POST", path, body), 200, 0)
		if l := g.Log(); len(l) != 5 || !l[0].Limited || l[4].Status != 200 || len(g.Messages(trust)) != 1 {
			t.Errorf("log: %v", l)
		}
	})
	t.Run("errors", func(t *testing.T) {
		g := newGuild(t)
		g.Fail("* /**", 2, APIError(403, 50013))
		g.Fail(send, -1, Status(502))
		want(t, call(t, g, "GET", "/users/@me", nil), 403, 50013)
		want(t, call(t, g, "POST", path, body), 403, 50013)
		want(t, call(t, g, "POST", path, body), 502, 0)
		want(t, call(t, g, "POST", path, body), 502, 0)
		g.Heal()
		want(t, call(t, g, "POST", path, body), 200, 0)
		if g.Log()[1].Code != 50013 || g.Log()[1].String() != "POST /channels/{channel_id}/messages -> 403 (50013)" {
			t.Errorf("log: %v", g.Log())
		}
	})
	t.Run("connection", func(t *testing.T) {
		g := newGuild(t)
		g.Fail(send, 1, Reset())
		g.Fail(send, 1, ReplyLost())
		for n := range 2 {
			if _, err := try(t.Context(), g, "POST", path, body); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("call: %v", err)
			}
			if len(g.Messages(trust)) != n {
				t.Errorf("%d messages after call %d", len(g.Messages(trust)), n)
			}
		}
		if g.Log()[0].Status != 0 || g.Log()[1].Status != 0 {
			t.Errorf("log: %v", g.Log())
		}
	})
	t.Run("time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGuild(t)
			g.Fail(send, 1, Hang())
			g.Fail(send, 1, Slow(2*time.Second))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := try(ctx, g, "POST", path, body); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("hang: %v", err)
			}
			began := time.Now()
			want(t, call(t, g, "POST", path, body), 200, 0)
			if d := time.Since(began); d != 2*time.Second {
				t.Errorf("slow took %v", d)
			}
			g.Fail(send, 1, Hang())
			time.AfterFunc(time.Hour, g.Close)
			if _, err := try(t.Context(), g, "POST", path, body); err == nil {
				t.Error("answered")
			}
			if _, err := try(t.Context(), g, "POST", path, body); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("after Close: %v", err)
			}
		})
	})
	t.Run("TCP", func(t *testing.T) {
		g := newGuild(t)
		url, stop := g.Start()
		defer stop()
		g.Fail(send, 1, ReplyLost())
		req, _ := http.NewRequestWithContext(t.Context(), "POST", url+"/api/v9"+path,
			strings.NewReader(`{"content":"c"}`))
		req.Header.Set("Authorization", "Bot "+g.BotToken)
		req.Header.Set("Content-Type", "application/json")
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, io.EOF) {
			t.Errorf("call: %v", err)
		}
		if len(g.Messages(trust)) != 1 {
			t.Error("nothing was sent")
		}
	})
}

func TestLimitsKnob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		g.Limits = true
		path := "/channels/" + trust + "/messages"
		m := post(t, g, trust, object{"content": "1"})
		for range 4 {
			time.Sleep(time.Second)
			want(t, call(t, g, "POST", path, object{"content": "c"}), 200, 0)
		}
		a := call(t, g, "POST", path, object{"content": "c"})
		want(t, a, 429, 0)
		if a.header.Get("X-RateLimit-Reset-After") != "1.000" || a.header.Get("Retry-After") != "1" ||
			a.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("headers: %v", a.header)
		}
		time.Sleep(time.Second)
		want(t, call(t, g, "POST", path, object{"content": "c"}), 200, 0)
		for n := range 6 {
			a := call(t, g, "PATCH", path+"/"+m.ID, object{"content": "c"})
			if (a.status == 429) != (n == 5) {
				t.Errorf("edit %d: %d", n, a.status)
			}
		}
	})
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, method, path string
		want                  bool
	}{
		{"POST /a/{b}", "POST", "/a/1", true},
		{"POST /a/{b}", "GET", "/a/1", false},
		{"* /a/*", "GET", "/a/1", true},
		{"/a/**", "GET", "/a/1/2", true},
		{"GET /a", "GET", "/a/1", false},
		{"GET /a/b/c", "GET", "/a/b", false},
	} {
		if got := matches(tt.pattern, tt.method, tt.path); got != tt.want {
			t.Errorf("matches(%q, %q, %q) = %v", tt.pattern, tt.method, tt.path, got)
		}
	}
}
