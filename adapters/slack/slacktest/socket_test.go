package slacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// client is a Socket Mode client of an app: it keeps what it receives and, when
// auto is set, acknowledges every envelope.
type client struct {
	t    *testing.T
	conn *websocket.Conn
	auto bool

	mu    sync.Mutex
	got   []map[string]any
	pings int
	err   error
}

// dial opens a socket through a pipe.
func dial(t *testing.T, w *Workspace) *websocket.Conn {
	t.Helper()
	m, _ := send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
	want(t, m, "")
	conn, _, err := dialer(w).Dial(m["url"].(string), http.Header{"Origin": {"https://api.slack.com"}})
	if err != nil {
		t.Fatalf("dialing: %v", err)
	}
	return conn
}

func dialer(w *Workspace) *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: w.DialContext, WriteBufferSize: 32 << 10,
		HandshakeTimeout: 5 * time.Second}
}

// connect opens a socket and reads it until it ends.
func connect(t *testing.T, w *Workspace, auto bool) *client {
	t.Helper()
	c := &client{t: t, conn: dial(t, w), auto: auto}
	c.conn.SetPingHandler(func(data string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pings++
		return c.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	go c.read()
	synctest.Wait() // the workspace counts the socket
	return c
}

func (c *client) read() {
	for {
		_, data, err := c.conn.ReadMessage()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.conn.Close()
			c.mu.Unlock()
			return
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			c.t.Errorf("a message is not JSON: %v", err)
		}
		c.got = append(c.got, m)
		c.mu.Unlock()
		if id, ok := m["envelope_id"].(string); ok && c.auto {
			c.ack(id, nil)
		}
	}
}

func (c *client) ack(id string, payload any) {
	m := map[string]any{"envelope_id": id}
	if payload != nil {
		m["payload"] = payload
	}
	c.write(websocket.TextMessage, toJSON(m))
}

func (c *client) write(kind int, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.WriteMessage(kind, data); err != nil {
		c.t.Errorf("writing: %v", err)
	}
}

// types returns the types of the messages that came, and the reasons of disconnects.
func (c *client) types() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, m := range c.got {
		s := m["type"].(string)
		if r, ok := m["reason"].(string); ok {
			s += ":" + r
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

func (c *client) last() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[len(c.got)-1]
}

func (c *client) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// bubble runs a test in a synctest bubble with a workspace that is closed at its end.
func bubble(t *testing.T, f func(t *testing.T, w *Workspace)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := acme(t)
		f(t, w)
		w.Close()
		synctest.Wait()
	})
}

func TestSocket(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		synctest.Wait()
		hello := c.last()
		if hello["type"] != "hello" || hello["num_connections"] != 1.0 ||
			hello["debug_info"].(map[string]any)["approximate_connection_time"] != 18060.0 {
			t.Errorf("hello: %v", hello)
		}
		d := w.Command("U1", "C1", "/recall", "@TGS#A 1–2 <b>")
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		m := c.last()
		if m["type"] != "slash_commands" || m["envelope_id"] != d.ID || m["accepts_response_payload"] != true ||
			m["retry_attempt"] != 0.0 {
			t.Errorf("envelope: %v", m)
		}
		p := m["payload"].(map[string]any)
		for k, v := range map[string]string{
			"command": "/recall", "text": "@TGS#A 1–2 <b>", "user_id": "U1", "user_name": "mina", "channel_id": "C1",
			"channel_name": "trust",
			"team_id":      "T0TEAM", "trigger_id": d.Trigger, "response_url": d.ResponseURL, "api_app_id": "A0APP",
		} {
			if p[k] != v {
				t.Errorf("%s: %v, want %q", k, p[k], v)
			}
		}
		if !d.Acked() || d.AckedAfter() != 0 || d.Response() != nil || d.Attempts() != 1 || d.Failure() != "" {
			t.Errorf("delivery: acked %v after %v", d.Acked(), d.AckedAfter())
		}
		time.Sleep(65 * time.Second)
		c.mu.Lock()
		if c.pings != 6 {
			t.Errorf("%d pings in 65 s, want 6", c.pings)
		}
		c.mu.Unlock()
		if got := w.Complaints(); len(got) != 0 {
			t.Errorf("complaints: %q", got)
		}
	})
}

func TestTickets(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		m, _ := send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
		target := m["url"].(string)
		if !strings.HasPrefix(target, "ws://wss-primary.slack.com/link/?") {
			t.Errorf("url %s", target)
		}
		conn, _, err := dialer(w).Dial(target, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, used := range []string{target, strings.Replace(target, "ticket=", "ticket=x", 1)} {
			if _, resp, err := dialer(w).Dial(used, nil); err == nil || resp == nil || resp.StatusCode != 403 {
				t.Errorf("a used or unknown ticket: %v, %v", resp, err)
			}
		}
		w.Set(func(w *Workspace) { w.SocketScheme = "wss" })
		m, _ = send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
		secure := &websocket.Dialer{NetDialTLSContext: w.DialContext}
		conn2, _, err := secure.Dial(m["url"].(string), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn2.Close()
	})
}

func TestHandshakeFaults(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		for _, tt := range []struct {
			fault  Fault
			status int
			takes  time.Duration
		}{{ServerError(503), 503, 0}, {Hang(), 0, 5 * time.Second}, {Reset(), 0, 0}, {RateLimitedNoHeader(), 429, 0}} {
			w.Fail("link", 1, tt.fault)
			m, _ := send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
			begin := time.Now()
			_, resp, err := dialer(w).Dial(m["url"].(string), nil)
			if err == nil || time.Since(begin) != tt.takes || (resp != nil) != (tt.status != 0) || resp != nil &&
				resp.StatusCode != tt.status {
				t.Errorf("%s: %v, %v after %v", tt.fault.name, resp, err, time.Since(begin))
			}
		}
		if len(w.Sockets()) != 0 {
			t.Errorf("%d sockets are open", len(w.Sockets()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.Dial(ctx, ""); err == nil {
			t.Error("dialed with a context that has ended")
		}
	})
}

func TestManySockets(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		var clients []*client
		for range 10 {
			clients = append(clients, connect(t, w, true))
		}
		synctest.Wait()
		if n := clients[9].last()["num_connections"]; n != 10.0 {
			t.Errorf("num_connections %v, want 10", n)
		}
		c := connect(t, w, true)
		synctest.Wait()
		if got := c.types(); got != "hello disconnect:too_many_websockets" || !c.ended() {
			t.Errorf("the eleventh socket got %q, ended %v", got, c.ended())
		}
		for range 20 {
			if err := w.Command("U1", "C1", "/recall", "x").Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range clients {
			if got := strings.Count(c.types(), "slash_commands"); got != 2 {
				t.Errorf("socket %d got %d of 20, want 2", i, got)
			}
		}
		w.DeliverTo(w.Sockets()[3])
		for range 5 {
			w.Command("U1", "C1", "/recall", "x")
		}
		synctest.Wait()
		if got := strings.Count(clients[3].types(), "slash_commands"); got != 7 {
			t.Errorf("the chosen socket got %d, want 7", got)
		}
	})
}

func TestDisconnect(t *testing.T) {
	for reason, open := range map[string]time.Duration{
		Warning: 10 * time.Second, RefreshRequested: 10 * time.Second, TooManyWebsockets: 0, LinkDisabled: 0,
	} {
		t.Run(reason, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *Workspace) {
				c := connect(t, w, true)
				synctest.Wait()
				w.Disconnect(reason)
				synctest.Wait()
				if got := c.types(); got != "hello disconnect:"+reason {
					t.Errorf("got %q", got)
				}
				d := w.Command("U1", "C1", "/recall", "late")
				synctest.Wait()
				if got := d.Acked(); got != (open > 0) {
					t.Errorf("a command after the disconnect: acked %v", got)
				}
				if open > 0 {
					time.Sleep(open - time.Second)
					if c.ended() {
						t.Error("it ended too early")
					}
					time.Sleep(2 * time.Second)
				}
				synctest.Wait()
				if !c.ended() || len(w.Sockets()) != 0 {
					t.Errorf("ended %v, %d sockets", c.ended(), len(w.Sockets()))
				}
				again := connect(t, w, true)
				synctest.Wait()
				if got, want := again.ended(), reason == LinkDisabled; got != want {
					t.Errorf("a new socket: ended %v (%s)", got, again.types())
				}
			})
		})
	}
}

func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		w.ConnectionTime = time.Hour
		c := connect(t, w, true)
		time.Sleep(time.Hour - 11*time.Second)
		if got := c.types(); got != "hello" {
			t.Errorf("early: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := c.types(); got != "hello disconnect:warning" || c.ended() {
			t.Errorf("then: %q, ended %v", got, c.ended())
		}
		time.Sleep(10 * time.Second)
		if !c.ended() {
			t.Error("the socket outlives its time")
		}
		m, _ := send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
		conn, _, err := dialer(w).Dial(m["url"].(string)+"&debug_reconnects=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, data, err := conn.ReadMessage(); err != nil ||
			!strings.Contains(string(data), `"approximate_connection_time":360`) {
			t.Errorf("hello: %s, %v", data, err)
		}
	})
}

func TestDropTCP(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		synctest.Wait()
		w.DropTCP()
		synctest.Wait()
		if !c.ended() || websocket.IsCloseError(c.err, websocket.CloseNormalClosure) {
			t.Errorf("ended %v: %v", c.ended(), c.err)
		}
		d := w.Command("U1", "C1", "/recall", "x")
		if err := d.Wait(t.Context()); err == nil || d.Failure() != "dispatch_failed" {
			t.Errorf("with no socket: %v, %q", err, d.Failure())
		}
		if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Via != "slack" ||
			got[0].Text != `/recall failed with the error "dispatch_failed"` {
			t.Errorf("mina sees %+v", got)
		}
	})
}

func TestHalfOpen(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		synctest.Wait()
		w.HalfOpen()
		d := w.Command("U1", "C1", "/recall", "x")
		time.Sleep(time.Minute)
		if c.types() != "hello" || c.pings != 0 || c.ended() || d.Acked() || d.Failure() != "operation_timeout" {
			t.Errorf("got %q, %d pings, ended %v, %q", c.types(), c.pings, c.ended(), d.Failure())
		}
		c.write(websocket.TextMessage, []byte(`{"envelope_id":"x"}`)) // vanishes
		if len(w.Complaints()) != 0 || len(w.Sockets()) != 1 {
			t.Errorf("complaints %q, %d sockets", w.Complaints(), len(w.Sockets()))
		}
		w.Sockets()[0].Stall()
		synctest.Wait()
		c.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if err := c.conn.WriteMessage(websocket.TextMessage, []byte("{}")); err == nil {
			t.Error("a stalled socket took a message")
		}
	})
}

// TestSilentApp: a socket whose app answers no pings is dropped.
func TestSilentApp(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		conn := dial(t, w)
		defer conn.Close()
		conn.SetPingHandler(func(string) error { return nil })
		go func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		time.Sleep(25 * time.Second)
		if len(w.Sockets()) != 1 {
			t.Error("dropped after two pings")
		}
		time.Sleep(20 * time.Second)
		if len(w.Sockets()) != 0 {
			t.Error("still open after four pings")
		}
	})
}

func TestClientPing(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		pongs := make(chan string, 1)
		c.conn.SetPongHandler(func(s string) error { pongs <- s; return nil })
		c.write(websocket.PingMessage, []byte("are you there"))
		synctest.Wait()
		if got := <-pongs; got != "are you there" {
			t.Errorf("pong %q", got)
		}
	})
}

func TestLateAck(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, false)
		d := w.Command("U1", "C1", "/recall", "x")
		begin := time.Now()
		err := d.Wait(t.Context())
		if err == nil || d.Failure() != "operation_timeout" || time.Since(begin) != 3*time.Second {
			t.Errorf("%v, %q after %v", err, d.Failure(), time.Since(begin))
		}
		time.Sleep(time.Second)
		c.ack(d.ID, map[string]any{"text": "too late"})
		synctest.Wait()
		if !d.Acked() || d.AckedAfter() != 4*time.Second || string(d.Response()) != `{"text":"too late"}` {
			t.Errorf("acked %v after %v with %s", d.Acked(), d.AckedAfter(), d.Response())
		}
		if got := w.Ephemerals("U1"); len(got) != 1 || !strings.Contains(got[0].Text, "operation_timeout") {
			t.Errorf("mina sees %+v", got)
		}
	})
}

func TestAckPayload(t *testing.T) {
	for _, tt := range []struct {
		name, payload, sees, failure string
	}{
		{"ephemeral", `{"text":"only you"}`, "only you", ""},
		{"explicitly", `{"response_type":"ephemeral","text":"only you"}`, "only you", ""},
		{"bad blocks", `{"text":"x","blocks":[{"type":"actions","elements":[]}]}`, "", "invalid_response"},
		{"nothing to show", `{"colour":"red"}`, "", "invalid_response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *Workspace) {
				c := connect(t, w, false)
				d := w.Command("U1", "C1", "/recall", "x")
				synctest.Wait()
				c.ack(d.ID, json.RawMessage(tt.payload))
				synctest.Wait()
				if d.Failure() != tt.failure {
					t.Errorf("failure %q, want %q", d.Failure(), tt.failure)
				}
				got := w.Ephemerals("U1")
				if tt.sees != "" && (len(got) != 1 || got[0].Text != tt.sees || got[0].Via != "ack") {
					t.Errorf("mina sees %+v", got)
				}
				if (len(w.Complaints()) > 0) != (tt.failure != "") {
					t.Errorf("complaints %q", w.Complaints())
				}
			})
		})
	}
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, false)
		d := w.Command("U1", "C1", "/recall", "x y")
		synctest.Wait()
		c.ack(d.ID, map[string]any{"response_type": "in_channel", "text": "for all"})
		synctest.Wait()
		list := w.Messages("C1")
		if len(list) != 2 || list[0].User != "U1" || list[0].Text != "/recall x y" || list[1].User != w.BotUserID ||
			list[1].Text != "for all" {
			t.Errorf("in the channel: %+v", list)
		}
	})
}

func TestBadAcks(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, false)
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		w.Sockets()
		other := connect(t, w, false)
		synctest.Wait()
		big := strings.Repeat("x", 21_000)
		n := 0
		complaint := func(words string) {
			t.Helper()
			synctest.Wait()
			n++
			if got := w.Complaints(); len(got) != n || !strings.Contains(got[n-1], words) {
				t.Errorf("complaints %q, want one more about %q", got, words)
			}
			if d.Acked() {
				t.Error("it counts")
			}
		}
		c.ack("env-unknown", nil)
		complaint("never sent")
		c.write(websocket.TextMessage, []byte("hi"))
		complaint("not an acknowledgement")
		c.ack(d.ID, map[string]any{"text": big})
		complaint("20 KB")
		other.ack(d.ID, nil)
		complaint("another socket")

		// A client whose write buffer is too small sends several frames.
		small := websocket.Dialer{NetDialContext: w.DialContext, WriteBufferSize: 1024}
		m, _ := send(t, w, "apps.connections.open", url.Values{"token": {w.AppToken}})
		conn, _, err := small.Dial(m["url"].(string), nil)
		if err != nil {
			t.Fatal(err)
		}
		third := &client{t: t, conn: conn}
		go third.read()
		synctest.Wait()
		w.DeliverTo(w.Sockets()[2])
		d = w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		third.ack(d.ID, map[string]any{"text": strings.Repeat("y", 3000)})
		complaint("several frames")
		third.ack(d.ID, map[string]any{"text": "short"})
		synctest.Wait()
		if !d.Acked() {
			t.Error("a good acknowledgement after a bad one does not count")
		}
		third.ack(d.ID, nil)
		synctest.Wait()
		if got := w.Complaints(); !strings.Contains(got[len(got)-1], "twice") {
			t.Errorf("complaints %q", got)
		}
		w.Set(func(w *Workspace) { w.AckAnySocket = true })
		d = w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		c.ack(d.ID, nil)
		synctest.Wait()
		if !d.Acked() {
			t.Error("AckAnySocket has no effect")
		}
	})
}

func TestDuplicateAndRedeliver(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a, b := connect(t, w, true), connect(t, w, true)
		w.Set(func(w *Workspace) { w.Duplicate = true })
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		if a.types() != "hello slash_commands" || b.types() != "hello slash_commands" ||
			a.last()["envelope_id"] != b.last()["envelope_id"] {
			t.Errorf("got %q and %q", a.types(), b.types())
		}
		if !d.Acked() || len(w.Complaints()) != 0 {
			t.Errorf("acked %v, complaints %q", d.Acked(), w.Complaints())
		}
		w.Set(func(w *Workspace) { w.Duplicate = false })
		again := d.Replay()
		if err := again.Wait(t.Context()); err != nil || again.ID != d.ID {
			t.Errorf("replay: %v", err)
		}
		if got := strings.Count(a.types()+b.types(), "slash_commands"); got != 3 {
			t.Errorf("%d envelopes, want 3", got)
		}
	})
	bubble(t, func(t *testing.T, w *Workspace) {
		w.Redeliver = true
		c := connect(t, w, false)
		d := w.Command("U1", "C1", "/recall", "x")
		time.Sleep(7 * time.Second)
		if got := c.types(); got != "hello slash_commands slash_commands slash_commands" {
			t.Errorf("got %q", got)
		}
		if m := c.last(); m["retry_attempt"] != 2.0 || m["retry_reason"] != "timeout" || m["envelope_id"] != d.ID {
			t.Errorf("envelope: %v", m)
		}
		c.ack(d.ID, nil)
		if err := d.Wait(t.Context()); err != nil || d.Attempts() != 3 || d.AckedAfter() != 7*time.Second {
			t.Errorf("%v after %d attempts and %v", err, d.Attempts(), d.AckedAfter())
		}
		d = w.Command("U1", "C1", "/recall", "never")
		if err := d.Wait(t.Context()); err == nil || d.Attempts() != 4 {
			t.Errorf("%v after %d attempts", err, d.Attempts())
		}
	})
}

// TestClose: Close leaves no goroutine behind, in every state of the sockets.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		connect(t, w, false)
		connect(t, w, false)
		connect(t, w, false)
		unread := dial(t, w) // hello is never read
		defer unread.Close()
		idle, err := w.Dial(t.Context(), "ws://x") // no handshake
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		synctest.Wait()
		w.Sockets()[0].HalfOpen()
		w.Sockets()[1].Stall()
		d := w.Command("U1", "C1", "/recall", "x")
		w.Close()
		if err := d.Wait(t.Context()); err == nil {
			t.Error("a delivery ends well")
		}
		if _, err := w.Dial(t.Context(), "ws://x"); err == nil {
			t.Error("dialed after Close")
		}
		if _, err := w.Client().Get("https://slack.com/api/auth.test"); err == nil {
			t.Error("called after Close")
		}
		if d := w.Command("U1", "C1", "/recall", "x"); d.Wait(t.Context()) == nil {
			t.Error("delivered after Close")
		}
	})
}

// TestSocketOverTCP runs the same over a listener.
func TestSocketOverTCP(t *testing.T) {
	w := acme(t)
	base, stop := w.Start()
	defer stop()
	resp, err := http.PostForm(base+"/api/apps.connections.open", url.Values{"token": {w.AppToken}})
	if err != nil {
		t.Fatal(err)
	}
	target := decode(t, resp)["url"].(string)
	if !strings.HasPrefix(target, strings.Replace(base, "http", "ws", 1)+"/link/?") {
		t.Fatalf("url %s", target)
	}
	conn, _, err := websocket.DefaultDialer.Dial(target, http.Header{"Origin": {"https://api.slack.com"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, auto: true}
	go c.read()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.WaitSockets(ctx, 1); err != nil {
		t.Fatal(err)
	}
	d := w.Command("U1", "C1", "/recall", "x")
	if err := d.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.ResponseURL, base+"/response/") {
		t.Errorf("response_url %s", d.ResponseURL)
	}
	w.Close()
	for range 100 {
		if c.ended() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the socket outlives the workspace")
}

func TestSniffer(t *testing.T) {
	s := &sniffer{}
	frame := func(final bool, op byte, size int) []byte {
		b := []byte{op}
		if final {
			b[0] |= 0x80
		}
		switch {
		case size < 126:
			b = append(b, 0x80|byte(size))
		case size < 1<<16:
			b = append(b, 0x80|126, byte(size>>8), byte(size))
		default:
			b = append(b, 0x80|127, 0, 0, 0, 0, byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
		}
		return append(b, make([]byte, 4+size)...)
	}
	var stream []byte
	for _, f := range [][]byte{
		frame(true, 1, 5), frame(false, 1, 300), frame(true, 9, 0), frame(false, 0, 70_000), frame(true, 0, 1),
		frame(true, 1, 70_000), frame(true, 10, 125),
	} {
		stream = append(stream, f...)
	}
	for i := 0; i < len(stream); i += 7 {
		s.feed(stream[i:min(i+7, len(stream))])
	}
	if got := fmt.Sprint(s.whole); got != "[false true false]" {
		t.Errorf("messages in several frames: %s", got)
	}
}
