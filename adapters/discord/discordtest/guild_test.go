package discordtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

const (
	trust  = "100000000000000001"
	mina   = "200000000000000001"
	theo   = "200000000000000002"
	leads  = "300000000000000001"
	silent = "300000000000000002"
)

// newGuild returns a guild with two people and a role. It is closed at the end of the test.
func newGuild(t testing.TB) *Guild {
	t.Helper()
	g := New()
	t.Cleanup(g.Close)
	g.AddChannel(Channel{ID: trust, Name: "trust"})
	g.AddRole(Role{ID: leads, Name: "leads", Mentionable: true, Members: []string{theo}})
	g.AddRole(Role{ID: silent, Name: "silent"})
	g.AddMember(Member{UserID: mina, Name: "mina"})
	g.AddMember(Member{UserID: theo, Name: "theo", Locale: "de"})
	return g
}

// answer is the answer to a raw call.
type answer struct {
	status int
	code   int64
	body   object
	raw    []byte
	header http.Header
}

// call makes one API call with the bot's token.
func call(t testing.TB, g *Guild, method, path string, body any) answer {
	t.Helper()
	a, err := try(t.Context(), g, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func try(ctx context.Context, g *Guild, method, path string, body any) (answer, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		r = bytes.NewReader(marshal(b))
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://discord.com/api/v10"+path, r)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bot "+g.BotToken)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.Client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		return answer{}, err
	}
	v, _ := decode(a.raw)
	a.body, _ = v.(object)
	a.code = integer(a.body, "code")
	return a, nil
}

// post sends a message and fails the test when it is refused.
func post(t testing.TB, g *Guild, channel string, body object) Message {
	t.Helper()
	a := call(t, g, "POST", "/channels/"+channel+"/messages", body)
	if a.status != 200 {
		t.Fatalf("sending: %d %s", a.status, a.raw)
	}
	m, ok := g.Message(MessageRef{channel, str(a.body, "id")})
	if !ok {
		t.Fatal("the message is not there")
	}
	return m
}

// want checks status and code of an answer.
func want(t testing.TB, a answer, status int, code int64) {
	t.Helper()
	if a.status != status || a.code != code {
		t.Errorf("answered %d, code %d, want %d, code %d: %s", a.status, a.code, status, code, a.raw)
	}
}

// rawClient is a client of the Gateway on a raw websocket.
type rawClient struct {
	t    testing.TB
	g    *Guild
	conn *websocket.Conn
}

func dial(t testing.TB, g *Guild) (*rawClient, error) {
	t.Helper()
	d := websocket.Dialer{NetDialContext: g.Dial}
	conn, resp, err := d.DialContext(t.Context(), "ws://discord.com/gw/?v=10&encoding=json", nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: %d", err, resp.StatusCode)
		}
		return nil, err
	}
	b := &rawClient{t, g, conn}
	t.Cleanup(func() { conn.Close() })
	return b, nil
}

// connect dials, identifies and reads READY.
func connect(t testing.TB, g *Guild, shard ...int) *rawClient {
	t.Helper()
	b, err := dial(t, g)
	if err != nil {
		t.Fatal(err)
	}
	b.expect(10, "")
	b.identify(g.BotToken, shard...)
	b.expect(0, "READY")
	return b
}

func (b *rawClient) identify(token string, shard ...int) {
	b.t.Helper()
	d := object{"token": token, "intents": 0, "properties": object{}}
	if shard != nil {
		d["shard"] = shard
	}
	b.write(2, d)
}

func (b *rawClient) write(op int, d any) {
	b.t.Helper()
	if err := b.conn.WriteJSON(object{"op": op, "d": d}); err != nil {
		b.t.Fatalf("writing op %d: %v", op, err)
	}
}

func (b *rawClient) read() (object, error) {
	b.conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, data, err := b.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	v, err := decode(data)
	o, _ := v.(object)
	return o, err
}

// expect reads the next frame, which must be of an op and event, and returns its data.
func (b *rawClient) expect(op int64, event string) object {
	b.t.Helper()
	o, err := b.read()
	if err != nil {
		b.t.Fatalf("waiting for op %d %s: %v", op, event, err)
	}
	if integer(o, "op") != op || str(o, "t") != event {
		b.t.Fatalf("got %v, want op %d %s", o, op, event)
	}
	return sub(o, "d")
}

// expectClose reads until the connection is closed with a code.
func (b *rawClient) expectClose(code int) {
	b.t.Helper()
	_, err := b.read()
	if !websocket.IsCloseError(err, code) {
		b.t.Errorf("ended with %v, want close code %d", err, code)
	}
	b.conn.Close()
}

// reply answers an interaction by REST.
func (b *rawClient) reply(in object, body any) answer {
	b.t.Helper()
	return call(b.t, b.g, "POST", "/interactions/"+str(in, "id")+"/"+str(in, "token")+"/callback", body)
}

func (b *rawClient) webhook(method string, in object, rest string, body any) answer {
	b.t.Helper()
	return call(b.t, b.g, method, "/webhooks/"+b.g.ApplicationID+"/"+str(in, "token")+rest, body)
}

// recallCommands are registered in most tests.
var recallCommands = []any{
	object{"name": "recall", "description": "Ask for a recall", "options": []any{
		object{"type": 3, "name": "group", "description": "The group", "autocomplete": true},
		object{"type": 3, "name": "seqs", "description": "The messages", "max_length": 20},
		object{"type": 4, "name": "last", "description": "The newest", "min_value": 1, "max_value": 2000},
	}},
	object{"name": "recalls", "description": "Requests", "options": []any{
		object{"type": 1, "name": "list", "description": "List them"},
		object{"type": 1, "name": "show", "description": "Show one", "options": []any{
			object{"type": 3, "name": "id", "description": "Which", "required": true, "autocomplete": true},
		}},
	}},
}

func register(t testing.TB, g *Guild) {
	t.Helper()
	a := call(t, g, "PUT", "/applications/"+g.ApplicationID+"/guilds/"+g.ID+"/commands", recallCommands)
	if a.status != 200 {
		t.Fatalf("registering: %d %s", a.status, a.raw)
	}
}

func row(buttons ...any) object { return object{"type": 1, "components": buttons} }

func button(label, id string) object {
	return object{"type": 2, "style": 1, "label": label, "custom_id": id}
}

func TestIdentity(t *testing.T) {
	g := newGuild(t)
	for path, field := range map[string]string{
		"/users/@me": g.BotUserID, "/applications/@me": g.ApplicationID, "/oauth2/applications/@me": g.ApplicationID,
		"/guilds/" + g.ID: g.ID, "/channels/" + trust: trust,
	} {
		if a := call(t, g, "GET", path, nil); a.status != 200 || str(a.body, "id") != field {
			t.Errorf("GET %s: %d %s", path, a.status, a.raw)
		}
	}
	if a := call(t, g, "GET", "/guilds/"+g.ID+"/members/"+theo, nil); len(list(a.body, "roles")) != 1 {
		t.Errorf("member: %s", a.raw)
	}
	if a := call(t, g, "GET", "/guilds/"+g.ID+"/roles/member-counts", nil); integer(a.body, leads) != 1 ||
		integer(a.body, silent) != 0 {
		t.Errorf("counts: %s", a.raw)
	}
	for _, path := range []string{"/guilds/" + g.ID + "/roles", "/guilds/" + g.ID + "/channels"} {
		var l []any
		if a := call(t, g, "GET", path, nil); json.Unmarshal(a.raw, &l) != nil || len(l) == 0 {
			t.Errorf("GET %s: %s", path, a.raw)
		}
	}
	want(t, call(t, g, "GET", "/guilds/1", nil), 404, 10004)
	want(t, call(t, g, "GET", "/guilds/"+g.ID+"/members/9", nil), 404, 10007)
	want(t, call(t, g, "GET", "/channels/9", nil), 404, 10003)
	want(t, call(t, g, "GET", "/channels/x", nil), 400, 50035)
	want(t, call(t, g, "GET", "/nothing", nil), 404, 0)
	g.Deny(trust, ViewChannel)
	want(t, call(t, g, "GET", "/channels/"+trust, nil), 403, 50001)
	g.ResetToken()
	want(t, call(t, g, "GET", "/users/@me", nil), 401, 0)
	if n := g.Count("GET /users/@me"); n != 2 {
		t.Errorf("counted %d calls, want 2", n)
	}
}

func TestCommands(t *testing.T) {
	g := newGuild(t)
	g.CreatesADay = 3
	path := "/applications/" + g.ApplicationID + "/guilds/" + g.ID + "/commands"
	register(t, g)
	first := call(t, g, "GET", path, nil)
	register(t, g)
	if n := g.Creates(); n != 2 {
		t.Errorf("%d creates, want 2: overwriting with the same names creates nothing", n)
	}
	var before, after []struct{ ID, Version string }
	json.Unmarshal(first.raw, &before)
	json.Unmarshal(call(t, g, "GET", path, nil).raw, &after)
	if len(before) != 2 || before[0].ID != after[0].ID || before[0].Version == after[0].Version {
		t.Errorf("before %v, after %v: the id stays, the version changes", before, after)
	}
	want(t, call(t, g, "PUT", path, []any{object{"name": "a", "description": "a"},
		object{"name": "b", "description": "b"}}), 400, 30034)
	if got := strings.Join(g.Commands(), ", "); got != "recall, recalls list, recalls show" {
		t.Errorf("commands: %s", got)
	}
	want(t, call(t, g, "PUT", "/applications/1/guilds/"+g.ID+"/commands", []any{}), 403, 20012)
	want(t, call(t, g, "PUT", "/applications/"+g.ApplicationID+"/guilds/1/commands", []any{}), 403, 50001)
	want(t, call(t, g, "PUT", "/applications/"+g.ApplicationID+"/commands", []any{}), 200, 0)
}

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		time.AfterFunc(time.Minute, func() { g.Say(mina, trust, "hello") })
		if err := g.Until(t.Context(), func() bool { return len(g.Messages(trust)) == 1 }); err != nil {
			t.Error(err)
		}
		time.AfterFunc(time.Minute, g.Close)
		if err := g.Until(t.Context(), func() bool { return false }); err != ErrClosed {
			t.Errorf("%v, want ErrClosed", err)
		}
		synctest.Wait()
	})
}
