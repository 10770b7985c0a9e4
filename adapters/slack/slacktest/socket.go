package slacktest

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// The reasons of a disconnect.
const (
	Warning           = "warning"             // the socket closes after Grace
	RefreshRequested  = "refresh_requested"   // the socket closes after Grace
	TooManyWebsockets = "too_many_websockets" // the socket closes at once
	LinkDisabled      = "link_disabled"       // the socket closes at once, as Socket Mode was switched off
)

// Socket is one Socket Mode connection of the app. It sends hello, pings and
// deliveries, and receives acknowledgements. Its methods break the connection in
// the ways in which a connection to Slack breaks.
type Socket struct {
	w     *Workspace
	id    int
	conn  *websocket.Conn
	sniff *sniffer
	wake  chan struct{} // signals that the queue is not empty
	done  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	queue   []frame
	muted   bool // half-open
	stalled bool
	seen    time.Time // last pong or message
	timers  []*time.Timer
}

type frame struct {
	kind int
	data []byte
}

// ID returns the number of the socket in its workspace, from 1.
func (s *Socket) ID() int { return s.id }

// Sockets returns the open sockets, oldest first.
func (w *Workspace) Sockets() []*Socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sockets)
}

// WaitSockets returns when at least n sockets are open, each of which has been
// sent its hello, or with an error when ctx ends.
func (w *Workspace) WaitSockets(ctx context.Context, n int) error {
	for {
		w.mu.Lock()
		open, changed := len(w.sockets), w.opened
		w.mu.Unlock()
		if open >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d sockets, %d are open: %w", n, open, context.Cause(ctx))
		}
	}
}

// DeliverTo makes deliveries go to s alone while it is open. With nil they go to
// all sockets in turn, which is the default.
func (w *Workspace) DeliverTo(s *Socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.only = s
}

// Disconnect calls [Socket.Disconnect] for every open socket.
func (w *Workspace) Disconnect(reason string) {
	for _, s := range w.Sockets() {
		s.Disconnect(reason)
	}
}

// DropTCP calls [Socket.DropTCP] for every open socket.
func (w *Workspace) DropTCP() {
	for _, s := range w.Sockets() {
		s.DropTCP()
	}
}

// HalfOpen calls [Socket.HalfOpen] for every open socket.
func (w *Workspace) HalfOpen() {
	for _, s := range w.Sockets() {
		s.HalfOpen()
	}
}

// Disconnect sends a disconnect with a reason. After Warning and
// RefreshRequested the socket stays open, and gets deliveries, until Grace is
// over; after the others it is closed at once. LinkDisabled also switches Socket
// Mode off (see SocketModeOff).
func (s *Socket) Disconnect(reason string) {
	w := s.w
	w.mu.Lock()
	grace := w.Grace
	if reason == LinkDisabled {
		w.SocketModeOff = true
	}
	if reason == LinkDisabled || reason == TooManyWebsockets {
		grace = 0
		w.forget(s)
	}
	w.mu.Unlock()
	s.disconnect(reason, grace)
}

func (s *Socket) disconnect(reason string, grace time.Duration) {
	s.enqueue(toJSON(map[string]any{"type": "disconnect", "reason": reason,
		"debug_info": map[string]any{"host": "applink"}}))
	if grace == 0 {
		s.push(frame{kind: websocket.CloseMessage, data: websocket.FormatCloseMessage(websocket.CloseNormalClosure,
			"")})
		return
	}
	s.later(grace, func() {
		s.push(frame{kind: websocket.CloseMessage, data: websocket.FormatCloseMessage(websocket.CloseNormalClosure,
			"")})
	})
}

// DropTCP breaks the connection without a close frame.
func (s *Socket) DropTCP() { s.drop() }

// HalfOpen makes the connection stop working without an error at either end:
// nothing is sent any more, pings included, and what the app sends is discarded.
// Deliveries on the socket are lost. It counts as open until the app closes it.
func (s *Socket) HalfOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = true
}

// Stall does what HalfOpen does, and a write of the app blocks, as with a full buffer.
func (s *Socket) Stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted, s.stalled = true, true
	_ = s.sniff.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, which then reads no more
}

// later calls f after a duration, unless the socket has ended.
func (s *Socket) later(after time.Duration, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timers = append(s.timers, time.AfterFunc(after, f))
}

// enqueue sends a text message.
func (s *Socket) enqueue(data []byte) { s.push(frame{kind: websocket.TextMessage, data: data}) }

// push never blocks, so it may be called with w.mu held.
func (s *Socket) push(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, f)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// drop closes the connection and ends the socket. w.mu must not be held.
func (s *Socket) drop() {
	s.once.Do(func() {
		close(s.done)
		_ = s.sniff.Close() // nobody needs the error
		s.mu.Lock()
		for _, t := range s.timers {
			t.Stop()
		}
		s.mu.Unlock()
		s.w.mu.Lock()
		s.w.forget(s)
		s.w.mu.Unlock()
	})
}

// forget removes s from the list of open sockets. w.mu is held.
func (w *Workspace) forget(s *Socket) {
	w.sockets = slices.DeleteFunc(w.sockets, func(x *Socket) bool { return x == s })
}

// pick returns the socket for the next delivery, nil when there is none. w.mu is held.
func (w *Workspace) pick() *Socket {
	if w.only != nil && slices.Contains(w.sockets, w.only) {
		return w.only
	}
	if len(w.sockets) == 0 {
		return nil
	}
	w.nextTo++
	return w.sockets[w.nextTo%len(w.sockets)]
}

func connectionsOpen(c *call) (map[string]any, *refusal) {
	w := c.w
	ticket := fmt.Sprintf("ticket-%s-%d", w.id(""), w.now().UnixNano())
	w.tickets[ticket] = true
	host, scheme := cmp.Or(w.SocketHost, "wss-primary.slack.com"), w.SocketScheme
	if w.hosts[c.r.Host] {
		host, scheme = c.r.Host, "ws"
	}
	u := url.URL{Scheme: scheme, Host: host, Path: "/link/", RawQuery: url.Values{"ticket": {ticket},
		"app_id": {w.AppID}}.Encode()}
	return map[string]any{"url": u.String()}, nil
}

// serveLink serves the handshake of a socket.
func (w *Workspace) serveLink(rw http.ResponseWriter, r *http.Request) {
	entry, fault := w.arrive("link", "", 0)
	if p, ok := rw.(*pipeWriter); ok && fault.hang {
		p.hang()
		return
	}
	if !fault.before(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	ticket := r.URL.Query().Get("ticket")
	w.mu.Lock()
	valid := w.tickets[ticket]
	delete(w.tickets, ticket)
	w.mu.Unlock()
	if !valid {
		w.finish(entry, http.StatusForbidden, "invalid_ticket")
		http.Error(rw, "invalid ticket", http.StatusForbidden)
		return
	}
	h := &hijacker{ResponseWriter: rw}
	up := websocket.Upgrader{
		HandshakeTimeout: 10 * time.Second,
		ReadBufferSize:   4096,
		CheckOrigin:      func(*http.Request) bool { return true }, // clients send Origin: https://api.slack.com
	}
	conn, err := up.Upgrade(h, r, nil)
	if err != nil {
		w.finish(entry, http.StatusBadRequest, "bad_handshake")
		return
	}
	w.finish(entry, http.StatusSwitchingProtocols, "")
	w.open(conn, h.sniff, r.URL.Query().Get("debug_reconnects") == "true")
}

// open begins a socket on a connection.
func (w *Workspace) open(conn *websocket.Conn, sniff *sniffer, debug bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = sniff.Close() // there is nobody to tell
		return
	}
	w.sockCount++
	s := &Socket{w: w, id: w.sockCount, conn: conn, sniff: sniff, wake: make(chan struct{}, 1),
		done: make(chan struct{}), seen: w.now()}
	life := w.ConnectionTime
	if debug {
		life = 360 * time.Second
	}
	conn.SetPingHandler(func(data string) error {
		s.push(frame{kind: websocket.PongMessage, data: []byte(data)})
		return nil
	})
	conn.SetPongHandler(func(string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = time.Now()
		return nil
	})
	// the reader never writes; ReadMessage returns the close as an error
	conn.SetCloseHandler(func(int, string) error { return nil })

	w.sockets = append(w.sockets, s)
	close(w.opened)
	w.opened = make(chan struct{})
	s.enqueue(toJSON(map[string]any{
		"type": "hello", "num_connections": len(w.sockets), "connection_info": map[string]any{"app_id": w.AppID},
		"debug_info": map[string]any{"host": "applink", "build_number": 1,
			"approximate_connection_time": int(life / time.Second)},
	}))
	switch {
	case w.SocketModeOff:
		w.forget(s)
		s.disconnect(LinkDisabled, 0)
	case len(w.sockets) > w.MaxSockets:
		w.forget(s)
		s.disconnect(TooManyWebsockets, 0)
	case w.RefreshSockets:
		grace := w.Grace
		s.later(max(life-grace, 0), func() { s.disconnect(Warning, grace) })
	}
	interval := w.PingInterval
	w.beginLocked(s.read)
	w.beginLocked(func() { s.write(interval) })
}

// read receives acknowledgements until the socket ends. It never writes, so that
// a pipe, which has no buffer, cannot deadlock.
func (s *Socket) read() {
	defer s.drop()
	for {
		kind, data, err := s.conn.ReadMessage()
		s.mu.Lock()
		muted, stalled := s.muted, s.stalled
		s.seen = time.Now()
		s.mu.Unlock()
		switch {
		case err != nil && stalled:
			<-s.done
			return
		case err != nil:
			return
		}
		fragmented := s.sniff.pop()
		if !muted && kind == websocket.TextMessage {
			s.w.ack(s, data, fragmented)
		}
	}
}

// writeWithin is how long the app may leave a message unread.
const writeWithin = 30 * time.Second

// write sends the queue, and pings. The socket of an app that answers none of three
// pings is dropped.
func (s *Socket) write(interval time.Duration) {
	defer s.drop()
	ping := time.NewTicker(interval)
	defer ping.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		case <-ping.C:
			s.mu.Lock()
			silent := !s.muted && time.Since(s.seen) > 3*interval
			s.mu.Unlock()
			if silent {
				return
			}
			s.push(frame{kind: websocket.PingMessage, data: []byte("Ping from applink")})
		}
		for {
			f, ok := s.next()
			if !ok {
				break
			}
			deadline := time.Now().Add(writeWithin)
			var err error
			if f.kind == websocket.TextMessage {
				_ = s.conn.SetWriteDeadline(deadline) // fails only on a connection whose write fails too
				err = s.conn.WriteMessage(f.kind, f.data)
			} else {
				err = s.conn.WriteControl(f.kind, f.data, deadline)
			}
			if err != nil || f.kind == websocket.CloseMessage {
				return
			}
		}
	}
}

// next takes a frame from the queue. The frames of a half-open socket are discarded.
func (s *Socket) next() (frame, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.muted {
		s.queue = nil
	}
	if len(s.queue) == 0 {
		return frame{}, false
	}
	f := s.queue[0]
	s.queue = s.queue[1:]
	return f, true
}

// Dial connects to the workspace through a pipe, for the URL that
// apps.connections.open gave; it is only for Socket Mode handshakes. The pipe has
// no buffer and supports deadlines. It has no TLS: for wss URLs use Dial as
// websocket.Dialer.NetDialTLSContext.
func (w *Workspace) Dial(ctx context.Context, url string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("dialing the workspace: %w", err)
	}
	client, server := net.Pipe()
	if !w.begin(func() { w.serveConn(server) }) {
		_ = server.Close() // closing a pipe cannot fail
		_ = client.Close()
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	return client, nil
}

// DialContext is Dial with the signature of websocket.Dialer.NetDialContext.
func (w *Workspace) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	return w.Dial(ctx, addr)
}

// serveConn serves the only request that comes on a pipe.
func (w *Workspace) serveConn(conn net.Conn) {
	stop := context.AfterFunc(w.ctx, func() { _ = conn.Close() }) // closing a pipe cannot fail
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // cannot fail before the pipe is closed
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		_ = conn.Close()
		return
	}
	p := &pipeWriter{conn: conn, br: br, recorder: recorder{header: http.Header{}}}
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
		if !p.hijacked {
			_ = conn.Close()
		}
	}()
	w.ServeHTTP(p, r.WithContext(w.ctx))
	if !p.hijacked {
		resp := p.response(r)
		resp.Header = maps.Clone(resp.Header)
		_ = resp.Write(conn) // the app may have gone away
	}
}

// pipeWriter answers a request on a pipe.
type pipeWriter struct {
	recorder
	conn     net.Conn
	br       *bufio.Reader
	hijacked bool
}

func (p *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	p.hijacked = true
	return p.conn, bufio.NewReadWriter(p.br, bufio.NewWriter(p.conn)), nil
}

// hang reads until the app gives up.
func (p *pipeWriter) hang() {
	_ = p.conn.SetDeadline(time.Time{}) // cannot fail before the pipe is closed
	_, _ = io.Copy(io.Discard, p.conn)
}

// hijacker wraps the connection that is hijacked in a sniffer.
type hijacker struct {
	http.ResponseWriter
	sniff *sniffer
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking over the connection: %w", err)
	}
	h.sniff = &sniffer{Conn: conn}
	return h.sniff, brw, nil
}

// sniffer reads the frames that the app sends, to find out which messages came in
// several frames: the library joins them without reporting it.
type sniffer struct {
	net.Conn

	mu     sync.Mutex
	header []byte
	skip   uint64 // bytes of payload still to come
	parts  bool   // the message has begun in an earlier frame
	whole  []bool // for each complete message, whether it came in several frames
}

func (s *sniffer) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed(p[:n])
	return n, err
}

func (s *sniffer) feed(p []byte) {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(p)))
			s.skip -= n
			p = p[n:]
			continue
		}
		s.header = append(s.header, p[0])
		p = p[1:]
		if len(s.header) < 2 {
			continue
		}
		size, extra := uint64(s.header[1]&0x7f), 0
		switch size {
		case 126:
			extra = 2
		case 127:
			extra = 8
		}
		if s.header[1]&0x80 != 0 {
			extra += 4
		}
		if len(s.header) < 2+extra {
			continue
		}
		if size >= 126 {
			n := map[uint64]int{126: 2, 127: 8}[size]
			size = 0
			for _, b := range s.header[2 : 2+n] {
				size = size<<8 | uint64(b)
			}
		}
		s.skip = size
		final, op := s.header[0]&0x80 != 0, s.header[0]&0x0f
		s.header = s.header[:0]
		switch {
		case op >= 8: // control
		case !final:
			s.parts = true
		default:
			s.whole = append(s.whole, s.parts)
			s.parts = false
		}
	}
}

// pop reports whether the next complete message came in several frames.
func (s *sniffer) pop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.whole) == 0 {
		return false // unreachable unless the library reads messages that never came
	}
	parts := s.whole[0]
	s.whole = s.whole[1:]
	return parts
}
