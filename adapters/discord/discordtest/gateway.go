package discordtest

// This file serves the Gateway over a websocket: HELLO, IDENTIFY and READY, heartbeats, events, and
// every way in which a connection ends. A GatewayFault breaks one connection, and the methods of
// Guild break those that are open.

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// A GatewayFault is something that goes wrong with one connection to the Gateway.
type GatewayFault struct {
	kind gatewayFault
	code int
	text string
}

type gatewayFault int

const (
	refuseUpgrade gatewayFault = iota + 1
	dropOnOpen
	noHello
	noReady
	reconnectBeforeReady
	closeOnOpen
	closeOnIdentify
	invalidSession
)

// RefuseUpgrade answers the handshake with an HTTP status, such as 503 or 429.
func RefuseUpgrade(status int) GatewayFault { return GatewayFault{kind: refuseUpgrade, code: status} }

// DropOnOpen breaks the TCP connection right after the handshake.
func DropOnOpen() GatewayFault { return GatewayFault{kind: dropOnOpen} }

// CloseOnOpen closes with a code right after the handshake, before HELLO.
func CloseOnOpen(code int, text string) GatewayFault {
	return GatewayFault{kind: closeOnOpen, code: code, text: text}
}

// NoHello accepts the connection and sends nothing.
func NoHello() GatewayFault { return GatewayFault{kind: noHello} }

// NoReady accepts IDENTIFY and does not answer it; heartbeats are answered.
func NoReady() GatewayFault { return GatewayFault{kind: noReady} }

// ReconnectBeforeReady answers IDENTIFY with op 7.
func ReconnectBeforeReady() GatewayFault { return GatewayFault{kind: reconnectBeforeReady} }

// CloseOnIdentify answers IDENTIFY with a close code, such as 4004 or 4014.
func CloseOnIdentify(code int, text string) GatewayFault {
	return GatewayFault{kind: closeOnIdentify, code: code, text: text}
}

// InvalidSession answers IDENTIFY with op 9.
func InvalidSession() GatewayFault { return GatewayFault{kind: invalidSession} }

// GatewayNext makes the next connections meet faults, one each.
func (g *Guild) GatewayNext(f ...GatewayFault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.plans = append(g.plans, f...)
}

// A Session describes one connection of the Gateway at the time of the call that returned it.
type Session struct {
	ID         string // the id in READY, "" before it
	Shard      [2]int
	Intents    int
	Heartbeats int
	Opened     time.Time
	Received   int // frames from the client
}

// Sessions returns the open connections that have identified, oldest first.
func (g *Guild) Sessions() []Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Session
	for _, s := range g.sessions {
		if s.Session.ID != "" {
			all = append(all, s.Session)
		}
	}
	return all
}

// Connections returns how many connections were attempted, open or not.
func (g *Guild) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.handshakes
}

// Resumes returns how many RESUMEs came.
func (g *Guild) Resumes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.resumes
}

// Identifies returns how many IDENTIFYs came in the last 24 h; session_start_limit bounds them.
func (g *Guild) Identifies() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.identified())
}

func (g *Guild) identified() []time.Time {
	now := time.Now()
	g.identifies = slices.DeleteFunc(g.identifies, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	return g.identifies
}

// Reconnect asks every session to reconnect (op 7). As Discord does, the guild closes a session
// that does not reconnect, after 10 s and with 4000.
func (g *Guild) Reconnect() {
	g.each(func(s *session) {
		s.frame(7, nil)
		s.soon = time.AfterFunc(10*time.Second, func() { s.close(4000, "Reconnect was asked for.") })
	})
}

// Invalidate tells every session that it is invalid (op 9).
func (g *Guild) Invalidate(resumable bool) {
	g.each(func(s *session) {
		s.frame(9, resumable)
		if !resumable {
			s.g.forget(s)
		}
	})
}

// CloseGateway closes every connection with a code; 1006 cannot be sent, see Drop.
func (g *Guild) CloseGateway(code int, text string) {
	g.each(func(s *session) { s.close(code, text) })
}

// Drop breaks every connection without a close frame.
func (g *Guild) Drop() { g.each(func(s *session) { s.drop() }) }

// Silence makes connections half open: the guild sends nothing more, and accepts what comes in
// without an answer. It applies to the connections that are open now and to those that are opened
// until Silence(false), which has an effect on new connections only.
func (g *Guild) Silence(on bool) {
	g.mu.Lock()
	g.silent = on
	g.mu.Unlock()
	if on {
		g.each(func(s *session) { s.mute() })
	}
}

// Dispatch sends an event of the caller's choice to every session.
func (g *Guild) Dispatch(event string, d json.RawMessage) {
	g.each(func(s *session) {
		if s.Session.ID != "" {
			s.event(event, d)
		}
	})
}

func (g *Guild) each(f func(*session)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range slices.Clone(g.sessions) {
		f(s)
	}
}

// forget ends a session, which gets no events until it identifies again. Callers hold g.mu.
func (g *Guild) forget(s *session) {
	s.Session.ID = ""
	g.logs = slices.DeleteFunc(g.logs, func(e *events) bool { return e == s.events })
}

// dispatchInteraction sends INTERACTION_CREATE to every session of the shard, also to those that
// may be resumed; without a session the interaction is lost. Callers hold g.mu.
func (g *Guild) dispatchInteraction(i *Interaction) {
	var at struct {
		GuildID string `json:"guild_id"`
	}
	if err := json.Unmarshal(i.payload, &at); err != nil {
		panic(err) // unreachable: the payload was marshalled here
	}
	id, _ := strconv.ParseInt(at.GuildID, 10, 64)
	open := map[*events]*session{}
	for _, s := range g.sessions {
		open[s.events] = s
	}
	for _, e := range g.logs {
		if int(id>>22)%e.shard[1] == e.shard[0] {
			e.add(open[e], "INTERACTION_CREATE", i.payload)
		}
	}
}

// events are those of a session of the Gateway, which outlives its connections: a RESUME gets what
// came after the last one that the client has seen.
type events struct {
	id    string
	shard [2]int
	left  time.Time // when its connection ended; zero while it has one
	sent  [][]byte  // the frames, whose sequence numbers begin with 1
}

// resumeWithin is how long after the end of its connection a session can be resumed. Discord does
// not document it; minutes have been seen.
const resumeWithin = 3 * time.Minute

// session is one websocket connection. Frames are queued and written by a separate goroutine, so
// that a client that does not read blocks nobody (a pipe has no buffer).
type session struct {
	Session
	g       *Guild
	conn    *websocket.Conn
	fault   GatewayFault
	overTCP bool
	events  *events // of the session, since READY
	soon    *time.Timer

	mu     sync.Mutex
	queue  []outgoing
	wake   chan struct{}
	muted  bool
	ended  chan struct{} // closed when the reader has returned
	closed bool
}

type outgoing struct {
	data []byte
	code int // close with this code
	text string
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// serveGateway serves one connection until it ends. It reads in the calling goroutine.
func (g *Guild) serveGateway(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.handshakes++
	f := GatewayFault{}
	if len(g.plans) > 0 {
		f, g.plans = g.plans[0], g.plans[1:]
	}
	g.bump()
	g.mu.Unlock()
	if f.kind == refuseUpgrade {
		w.WriteHeader(f.code)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	defer context.AfterFunc(g.ctx, func() { conn.NetConn().Close() })()
	_, pipe := w.(*pipeWriter)
	s := &session{g: g, conn: conn, fault: f, overTCP: !pipe, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	s.Opened = time.Now()
	conn.SetReadLimit(4096)
	conn.SetCloseHandler(func(int, string) error { return nil }) // answered by part
	g.mu.Lock()
	if g.isClosed {
		g.mu.Unlock()
		return
	}
	s.muted = g.silent
	g.sessions = append(g.sessions, s)
	g.start(s.write)
	g.wg.Add(1)
	g.bump()
	g.mu.Unlock()
	defer func() {
		defer g.wg.Done()
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		close(s.ended)
		g.mu.Lock()
		g.leave(s)
		if s.soon != nil {
			s.soon.Stop()
		}
		g.mu.Unlock()
	}()
	switch v := r.URL.Query().Get("v"); {
	case f.kind == dropOnOpen:
		return
	case f.kind == closeOnOpen:
		s.close(f.code, f.text)
	case f.kind == noHello:
		s.mute()
	case v != "9" && v != "10":
		s.close(4012, "Invalid API version.")
	default:
		s.frame(10, object{"heartbeat_interval": g.HeartbeatInterval.Milliseconds(), "_trace": []any{"discordtest"}})
	}
	s.read()
}

// read receives what the client sends until the connection ends.
func (s *session) read() {
	for {
		s.expect()
		_, b, err := s.conn.ReadMessage()
		if e, ok := err.(net.Error); ok && e.Timeout() {
			s.close(4009, "Session timed out.")
			s.linger()
			return
		}
		if e, ok := err.(*websocket.CloseError); ok {
			s.mu.Lock()
			first := !s.closed // else it answers the guild's own close
			s.mu.Unlock()
			if first && (e.Code == websocket.CloseNormalClosure || e.Code == websocket.CloseGoingAway) {
				s.g.mu.Lock()
				s.g.forget(s)
				s.g.mu.Unlock()
			}
			s.part()
			return
		}
		if err != nil {
			return
		}
		s.mu.Lock()
		muted := s.muted
		s.mu.Unlock()
		s.g.mu.Lock()
		s.Received++
		s.g.mu.Unlock()
		if muted {
			continue
		}
		var in struct {
			Op *int
			D  json.RawMessage
		}
		if json.Unmarshal(b, &in) != nil || in.Op == nil {
			s.close(4002, "Error while decoding payload.")
			continue
		}
		s.g.mu.Lock()
		s.receive(*in.Op, in.D)
		s.g.bump()
		s.g.mu.Unlock()
	}
}

// expect sets the deadline for the client's next frame; a mute session has none.
func (s *session) expect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := time.Now().Add(2 * s.g.HeartbeatInterval)
	if s.muted {
		by = time.Time{}
	}
	s.conn.SetReadDeadline(by)
}

// part ends a session that the client has closed. The close frame is answered 1.5 s later, unless
// the client hangs up before. The delay is for discordgo, which sleeps 1 s after its close frame
// with its lock held: a reader that is woken in that second waits for the lock, and then the clock
// of a synctest bubble never advances again.
func (s *session) part() {
	s.g.mu.Lock()
	s.g.leave(s)
	s.g.mu.Unlock()
	raw := s.conn.NetConn()
	raw.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	for b := make([]byte, 512); ; {
		if _, err := raw.Read(b); err != nil {
			break
		}
	}
	s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
		time.Now().Add(time.Second))
}

// leave removes a session from the list. Callers hold g.mu.
func (g *Guild) leave(s *session) {
	if s.events != nil && s.events.left.IsZero() {
		s.events.left = time.Now()
	}
	g.sessions = slices.DeleteFunc(g.sessions, func(x *session) bool { return x == s })
	g.bump()
}

// linger waits for the writer to finish.
func (s *session) linger() {
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.g.closed:
	}
}

// receive handles one frame. Callers hold g.mu.
func (s *session) receive(op int, d json.RawMessage) {
	switch op {
	case 1:
		s.Heartbeats++
		s.frame(11, nil)
	case 2:
		s.identify(d)
	case 6:
		s.resume(d)
	case 3, 4, 8, 31:
		if s.Session.ID == "" {
			s.close(4003, "Not authenticated.")
		}
	default:
		s.close(4001, "Unknown opcode.")
	}
}

func (s *session) identify(d json.RawMessage) {
	g := s.g
	v, _ := decode(d)
	o, ok := v.(object)
	if !ok {
		s.close(4002, "Error while decoding payload.")
		return
	}
	if s.Session.ID != "" {
		s.close(4005, "Already authenticated.")
		return
	}
	used := g.identified()
	if g.EnforceConcurrency && len(used) > 0 && time.Since(used[len(used)-1]) < 5*time.Second {
		s.frame(9, false)
		return
	}
	g.identifies = append(g.identifies, time.Now())
	if len(g.identifies) > g.IdentifyBudget {
		g.resetToken()
		return
	}
	switch s.fault.kind {
	case noReady:
		return
	case reconnectBeforeReady:
		s.frame(7, nil)
		return
	case closeOnIdentify:
		s.close(s.fault.code, s.fault.text)
		return
	case invalidSession:
		s.fault = GatewayFault{}
		s.frame(9, false)
		return
	}
	for key := range sub(o, "properties") {
		if !slices.Contains([]string{"os", "browser", "device"}, key) {
			g.noteUnknown("IDENTIFY", object{"properties." + key: 0}, "")
		}
	}
	// The token may come with or without its prefix; libraries differ.
	if t := str(o, "token"); g.tokenReset || t != g.BotToken && t != "Bot "+g.BotToken {
		s.close(4004, "Authentication failed.")
		return
	}
	shard := [2]int{0, 1}
	if l := list(o, "shard"); len(l) == 2 {
		for i, n := range l {
			j, _ := n.(json.Number)
			x, err := strconv.Atoi(j.String())
			if err != nil {
				s.close(4010, "Invalid shard.")
				return
			}
			shard[i] = x
		}
	}
	if shard[1] < 1 || shard[0] < 0 || shard[0] >= shard[1] {
		s.close(4010, "Invalid shard.")
		return
	}
	intents, ok := num(o, "intents")
	switch {
	case !ok || intents < 0 || intents >= 1<<26:
		s.close(4013, "Invalid intent(s).")
		return
	case int(intents)&g.DisallowedIntents != 0:
		s.close(4014, "Disallowed intent(s).")
		return
	}
	s.Session.ID, s.Shard, s.Intents = "session"+g.snowflake(), shard, int(intents)
	s.events = &events{id: s.Session.ID, shard: shard}
	g.logs = append(slices.DeleteFunc(g.logs, (*events).over), s.events)
	s.event("READY", marshal(object{
		"v": 9, "user": g.userObject(g.BotUserID), "guilds": []any{object{"id": g.ID, "unavailable": true}},
		"session_id": s.Session.ID, "resume_gateway_url": cmp.Or(g.ResumeURL, "wss://gateway.discord.example"),
		"shard":       []any{shard[0], shard[1]},
		"application": object{"id": g.ApplicationID, "flags": 0},
	}))
}

func (s *session) resume(d json.RawMessage) {
	g := s.g
	v, _ := decode(d)
	o, _ := v.(object)
	t := str(o, "token")
	at := slices.IndexFunc(g.logs, func(e *events) bool { return e.id == str(o, "session_id") && !e.over() })
	g.resumes++
	switch {
	case g.tokenReset || t != g.BotToken && t != "Bot "+g.BotToken:
		s.close(4004, "Authentication failed.")
		return
	case g.NoResume || at < 0:
		s.frame(9, false)
		return
	}
	e, seen := g.logs[at], integer(o, "seq")
	if seen < 0 || int(seen) > len(e.sent) {
		s.close(4007, "Invalid seq.")
		return
	}
	for _, old := range slices.Clone(g.sessions) {
		if old.events == e && old != s { // its connection is not known to have ended
			old.events = nil
			old.Session.ID = ""
			old.drop()
		}
	}
	s.Session.ID, s.Shard, s.events, e.left = e.id, e.shard, e, time.Time{}
	for _, frame := range e.sent[seen:] {
		s.push(outgoing{data: frame})
	}
	s.event("RESUMED", marshal(object{}))
}

// over reports whether the session can no longer be resumed.
func (e *events) over() bool { return !e.left.IsZero() && time.Since(e.left) > resumeWithin }

// add keeps an event, and sends it over the connection if there is one. Callers hold g.mu.
func (e *events) add(s *session, name string, d json.RawMessage) {
	frame := marshal(object{"op": 0, "t": name, "s": len(e.sent) + 1, "d": d})
	e.sent = append(e.sent, frame)
	if s != nil {
		s.push(outgoing{data: frame})
	}
}

// event sends an event to one session. Callers hold g.mu.
func (s *session) event(name string, d json.RawMessage) { s.events.add(s, name, d) }

func (s *session) frame(op int, d any) {
	s.push(outgoing{data: marshal(object{"op": op, "d": d, "s": nil, "t": nil})})
}

func (s *session) close(code int, text string) { s.push(outgoing{code: code, text: text}) }

func (s *session) push(o outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.muted {
		return
	}
	if o.code != 0 {
		s.closed = true
	}
	s.queue = append(s.queue, o)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// mute makes the session send nothing more.
func (s *session) mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted, s.queue = true, nil
	s.conn.SetReadDeadline(time.Time{})
}

// drop breaks the connection.
func (s *session) drop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if t, ok := s.conn.NetConn().(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	s.conn.NetConn().Close()
}

// write sends the queued frames until the connection ends.
func (s *session) write() {
	for {
		s.mu.Lock()
		var o outgoing
		ok := len(s.queue) > 0
		if ok {
			o, s.queue = s.queue[0], s.queue[1:]
		}
		s.mu.Unlock()
		if !ok {
			select {
			case <-s.wake:
				continue
			case <-s.ended:
				return
			}
		}
		by := time.Now().Add(10 * time.Second)
		s.conn.SetWriteDeadline(by)
		if o.code == 0 {
			if s.conn.WriteMessage(websocket.TextMessage, o.data) != nil {
				s.conn.Close()
				return
			}
			continue
		}
		reason := binary.BigEndian.AppendUint16(nil, uint16(o.code))
		s.conn.WriteControl(websocket.CloseMessage, append(reason, o.text...), by)
		t := time.NewTimer(2 * time.Second)
		select {
		case <-s.ended:
		case <-t.C:
		case <-s.g.closed:
		}
		t.Stop()
		s.conn.Close()
		return
	}
}
