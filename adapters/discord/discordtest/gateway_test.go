package discordtest

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		b, err := dial(t, g)
		if err != nil {
			t.Fatal(err)
		}
		if n := integer(b.expect(10, ""), "heartbeat_interval"); n != 41250 {
			t.Errorf("heartbeat_interval %d", n)
		}
		b.write(1, nil)
		b.expect(11, "")
		b.identify("Bot " + g.BotToken)
		if id := str(b.expect(0, "READY"), "session_id"); id == "" || len(g.Sessions()) != 1 ||
			g.Sessions()[0].ID != id {
			t.Errorf("session %q, %v", id, g.Sessions())
		}
		g.Dispatch("ANY", json.RawMessage(`{"a":1}`))
		b.expect(0, "ANY")
		b.identify(g.BotToken)
		b.expectClose(4005)
		synctest.Wait()
		if len(g.Sessions()) != 0 || g.Identifies() != 2-1 || g.Connections() != 1 {
			t.Errorf("sessions %v, %d identifies", g.Sessions(), g.Identifies())
		}
		a := call(t, g, "GET", "/gateway/bot", nil)
		if l := sub(a.body, "session_start_limit"); integer(l, "remaining") != 999 || integer(l, "total") != 1000 {
			t.Errorf("budget: %s", a.raw)
		}
	})
}

func TestIdentifyRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		d    object
		code int
	}{
		"token":   {object{"token": "wrong", "intents": 0}, 4004},
		"shard":   {object{"token": "discordtest-bot-token", "intents": 0, "shard": []int{2, 2}}, 4010},
		"intents": {object{"token": "discordtest-bot-token"}, 4013},
		"intent":  {object{"token": "discordtest-bot-token", "intents": 1 << 15}, 4014},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuild(t)
			g.DisallowedIntents = 1 << 15
			b, err := dial(t, g)
			if err != nil {
				t.Fatal(err)
			}
			b.expect(10, "")
			b.write(2, tt.d)
			b.expectClose(tt.code)
		})
	}
}

func TestIdentifyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		g.IdentifyBudget = 1
		first := connect(t, g)
		b, err := dial(t, g)
		if err != nil {
			t.Fatal(err)
		}
		b.expect(10, "")
		b.identify(g.BotToken)
		b.expectClose(4004)
		first.expectClose(4004)
		want(t, call(t, g, "GET", "/users/@me", nil), 401, 0)
	})
}

func TestConcurrencyAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		g.EnforceConcurrency = true
		connect(t, g)
		b, err := dial(t, g)
		if err != nil {
			t.Fatal(err)
		}
		b.expect(10, "")
		b.identify(g.BotToken)
		b.expect(9, "")
		time.Sleep(5 * time.Second)
		b.write(6, object{"token": g.BotToken, "session_id": "s", "seq": 1})
		b.expect(9, "")
		b.identify(g.BotToken)
		id := str(b.expect(0, "READY"), "session_id")
		register(t, g)
		g.Command(mina, trust, "recall")
		b.expect(0, "INTERACTION_CREATE")
		g.Drop()
		synctest.Wait()
		missed := g.Command(mina, trust, "recall")
		resume := func(id string, seq int) *rawClient {
			r, err := dial(t, g)
			if err != nil {
				t.Fatal(err)
			}
			r.expect(10, "")
			r.write(6, object{"token": g.BotToken, "session_id": id, "seq": seq})
			return r
		}
		r := resume(id, 2)
		if got := r.expect(0, "INTERACTION_CREATE"); str(got, "id") != missed.ID {
			t.Errorf("the resumed session got %v", got)
		}
		r.expect(0, "RESUMED")
		g.NoResume = true
		resume(id, 4).expect(9, "")
		g.NoResume = false
		g.Drop()
		synctest.Wait()
		time.Sleep(resumeWithin + time.Second)
		resume(id, 4).expect(9, "")
	})
}

func TestEverySessionOfAShard(t *testing.T) {
	g := newGuild(t)
	register(t, g)
	a, b := connect(t, g), connect(t, g)
	// The guild's id decides the shard; this one is in shard 0 or 1 of 2.
	s0, s1 := connect(t, g, 0, 2), connect(t, g, 1, 2)
	i := g.Command(mina, trust, "recall")
	if x, y := a.expect(0, "INTERACTION_CREATE"), b.expect(0, "INTERACTION_CREATE"); str(x, "id") != i.ID ||
		str(y, "id") != i.ID {
		t.Errorf("%v and %v", x, y)
	}
	g.Dispatch("MARK", json.RawMessage(`{}`))
	got := 0
	for _, s := range []*rawClient{s0, s1} {
		if o, err := s.read(); err == nil && str(o, "t") == "INTERACTION_CREATE" {
			got++
		}
	}
	if got != 1 {
		t.Errorf("%d shards got it, want 1", got)
	}
}

func TestGatewayFaults(t *testing.T) {
	begin := func(t *testing.T, f ...GatewayFault) (*Guild, *rawClient) {
		g := newGuild(t)
		g.GatewayNext(f...)
		b, err := dial(t, g)
		if err != nil {
			t.Fatal(err)
		}
		return g, b
	}
	for name, run := range map[string]func(t *testing.T){
		"refused": func(t *testing.T) {
			g := newGuild(t)
			g.GatewayNext(RefuseUpgrade(503))
			if _, err := dial(t, g); err == nil || !strings.Contains(err.Error(), "503") {
				t.Errorf("dialled: %v", err)
			}
			connect(t, g)
		},
		"dropped on open": func(t *testing.T) {
			_, b := begin(t, DropOnOpen())
			if _, err := b.read(); err == nil {
				t.Error("read something")
			}
		},
		"closed on open": func(t *testing.T) {
			_, b := begin(t, CloseOnOpen(4000, "no"))
			b.expectClose(4000)
		},
		"no hello": func(t *testing.T) {
			_, b := begin(t, NoHello())
			time.Sleep(time.Hour)
			if _, err := b.read(); err == nil || !strings.Contains(err.Error(), "timeout") {
				t.Errorf("read: %v", err)
			}
		},
		"no ready": func(t *testing.T) {
			g, b := begin(t, NoReady())
			b.expect(10, "")
			b.identify(g.BotToken)
			b.write(1, nil)
			b.expect(11, "")
		},
		"reconnect before ready": func(t *testing.T) {
			g, b := begin(t, ReconnectBeforeReady())
			b.expect(10, "")
			b.identify(g.BotToken)
			b.expect(7, "")
		},
		"closed on identify": func(t *testing.T) {
			g, b := begin(t, CloseOnIdentify(4014, "Disallowed intent(s)."))
			b.expect(10, "")
			b.identify(g.BotToken)
			b.expectClose(4014)
		},
		"invalid session on identify": func(t *testing.T) {
			g, b := begin(t, InvalidSession())
			b.expect(10, "")
			b.identify(g.BotToken)
			b.expect(9, "")
			b.identify(g.BotToken)
			b.expect(0, "READY")
		},
		"reconnect": func(t *testing.T) {
			g, b := begin(t)
			b.expect(10, "")
			b.identify(g.BotToken)
			b.expect(0, "READY")
			g.Reconnect()
			b.expect(7, "")
			b.expectClose(4000)
		},
		"invalidated": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			g.Invalidate(false)
			b.expect(9, "")
			if len(g.Sessions()) != 0 {
				t.Error("still a session")
			}
		},
		"closed": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			g.CloseGateway(4008, "Rate limited.")
			b.expectClose(4008)
		},
		"dropped": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			g.Drop()
			if _, err := b.read(); err == nil {
				t.Error("read something")
			}
		},
		"silent": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			g.Silence(true)
			for range 10 {
				b.write(1, nil) // taken, never answered
			}
			time.Sleep(time.Hour)
			if _, err := b.read(); err == nil || !strings.Contains(err.Error(), "timeout") {
				t.Errorf("read: %v", err)
			}
			g.Silence(false)
			connect(t, g)
		},
		"client without heartbeat": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			time.Sleep(80 * time.Second)
			b.expectClose(4009)
		},
		"slow reader": func(t *testing.T) {
			g := newGuild(t)
			b := connect(t, g)
			for range 100 {
				g.Dispatch("ANY", json.RawMessage(`{}`)) // must not block although nobody reads
			}
			for range 100 {
				b.expect(0, "ANY")
			}
		},
		"bad frames": func(t *testing.T) {
			g, b := begin(t)
			b.expect(10, "")
			b.write(3, nil)
			b.expectClose(4003)
			b = connect(t, g)
			b.conn.WriteMessage(1, []byte("x"))
			b.expectClose(4002)
			b = connect(t, g)
			b.write(99, nil)
			b.expectClose(4001)
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}
}
