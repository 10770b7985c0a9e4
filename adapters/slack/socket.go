package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	slackgo "github.com/slack-go/slack"
)

const (
	// lanes is the number of connections at the same time. Slack sends each payload to one of them,
	// so while one is renewed the other receives events. Slack allows an app ten connections, those
	// of all replicas together.
	lanes = 2
	// lingering is how many old connections, which Slack is about to close, a lane still reads.
	lingering = 2
	// lingerFor is how long an old connection is read after the next one is open. Slack closes it
	// about ten seconds after its warning.
	lingerFor = 12 * time.Second
	// helloWithin is how long a new connection may take to send hello.
	helloWithin = 10 * time.Second
	// pingEvery is the time between pings. A connection on which nothing came for two such
	// intervals, not even the answer to a ping, is closed.
	pingEvery = 5 * time.Second
	idleFor   = 2*pingEvery + time.Second
	// writeWithin is how long an acknowledgement may take to be written.
	writeWithin = 3 * time.Second
	// wellAfter is how long a connection must be open for an earlier trouble to be over.
	wellAfter = 2 * time.Second
	// dialsPerMinute is how many connections the process opens in any minute. A connection that
	// broke is replaced at once, so that only this number bounds what a flapping network causes.
	dialsPerMinute = 10
	// maxAck is the size in bytes of the largest acknowledgement that Slack accepts. It drops
	// larger ones, and those in several frames, without an error.
	maxAck = 19_000
	// maxFrame is the largest frame that is read. Bytes.
	maxFrame = 4 << 20
	// maxTaking is how many events may wait to be stored at once. When a disk is slow, the sockets
	// then wait, and memory does not grow.
	maxTaking = 128
)

// sockets holds the connections of Socket Mode.
//
// Each lane keeps one connection. When Slack announces that it will close one, the lane opens the
// next and continues to read the old one, so that no event on it is lost. An event is acknowledged
// on the connection on which it came, because another acknowledgement may not count.
type sockets struct {
	a      *Adapter
	dialer *websocket.Dialer
	taking chan struct{}

	last atomic.Int64 // unix milliseconds of the last frame

	mu   sync.Mutex
	open int      // connections that said hello and are not about to close
	told *Unready // what prevents connections, nil when nothing does
	mend *Unready // the refusal that was logged last, nil once a connection has opened

	dialled []time.Time // the tries of the last minute
	not     time.Time   // before this time Slack wants no try
}

func newSockets(a *Adapter) *sockets {
	d := &websocket.Dialer{
		HandshakeTimeout: helloWithin,
		// An acknowledgement must leave in one frame.
		WriteBufferSize: 32 << 10,
		Proxy:           http.ProxyFromEnvironment,
	}
	if a.o.Dial != nil {
		d.NetDialContext, d.Proxy = a.o.Dial, nil
	}
	return &sockets{a: a, dialer: d, taking: make(chan struct{}, maxTaking)}
}

// run holds the connections until ctx ends, and returns when all are closed.
func (s *sockets) run(ctx context.Context) {
	var all sync.WaitGroup
	for range lanes {
		all.Go(func() { s.lane(ctx) })
	}
	all.Wait()
}

func (s *sockets) lastFrame() time.Time {
	if ms := s.last.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// trouble returns why there is no connection; nil while there is one and nothing prevents another.
func (s *sockets) trouble() *Unready {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.told != nil && !s.told.Remote:
		return s.told
	case s.open > 0:
		return nil
	case s.told != nil:
		return s.told
	}
	return &Unready{What: "no Socket Mode connection is open", Remote: true}
}

// tell records what prevents connections and logs it once; u is nil when one has opened.
func (s *sockets) tell(u *Unready) {
	s.mu.Lock()
	old, refused := s.told, s.mend
	s.told = u
	if u == nil || !u.Remote {
		s.mend = u
	}
	s.mu.Unlock()
	switch {
	case u == nil && old != nil:
		s.a.log.Info("Socket Mode is well again")
	case u != nil && (old == nil || *old != *u):
		if u.Remote {
			s.a.log.Warn("Socket Mode cannot connect", "what", u.What)
		} else if refused == nil || *refused != *u { // an outage meanwhile makes it no news
			s.a.log.Error("Socket Mode is refused", "what", u.What, "mend", u.Mend)
		}
	}
}

// turn waits until a connection may be opened: at most dialsPerMinute in a minute, and none while
// Slack wants none.
func (s *sockets) turn(ctx context.Context) error {
	for {
		s.mu.Lock()
		now := time.Now()
		s.dialled = slices.DeleteFunc(s.dialled, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
		wait := s.not.Sub(now)
		if len(s.dialled) >= dialsPerMinute {
			wait = max(wait, s.dialled[0].Add(time.Minute).Sub(now))
		}
		if wait <= 0 {
			s.dialled = append(s.dialled, now)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// lane keeps one connection open, and opens the next before that one closes. A connection that said
// hello is replaced at once; the pause grows over failures to connect alone.
func (s *sockets) lane(ctx context.Context) {
	var old []*socket
	defer func() {
		for _, c := range old {
			c.end()
		}
	}()
	failures, refused := 0, 0 // in a row
	pauseAfter := func(what string, err error) time.Duration {
		u := unready(what, err)
		if ctx.Err() == nil {
			s.tell(u)
		}
		if !u.Remote {
			refused++
			return refusedPause(refused)
		}
		failures++
		return backoff(failures - 1)
	}
	for ctx.Err() == nil {
		if s.turn(ctx) != nil {
			return
		}
		c, err := s.connect(ctx)
		if err != nil {
			pause := pauseAfter(openMethod, err)
			if after, limited := rateLimit(err); limited {
				s.mu.Lock()
				s.not = time.Now().Add(after) // for the other lanes too
				s.mu.Unlock()
			}
			if sleep(ctx, pause) != nil {
				return
			}
			continue
		}
		failures = 0
		// The next connection is open: the old one is read for lingerFor, and then closed.
		for _, o := range old {
			o.letGo(lingerFor)
		}
		s.count(+1)
		// If Socket Mode is switched off, a connection opens, and Slack disconnects it at once.
		well := time.NewTimer(wellAfter)
		for live := true; live; {
			select {
			case <-well.C:
				refused = 0
				s.tell(nil)
			case <-c.leaving: // Slack will close it, or it broke
				live = false
			case <-ctx.Done():
				live = false
			}
		}
		well.Stop()
		s.count(-1)
		if ctx.Err() != nil {
			c.end()
			return
		}
		old = trim(append(old, c))
		if c.reason() == "link_disabled" &&
			sleep(ctx, pauseAfter("Socket Mode", slackgo.SlackErrorResponse{Err: "link_disabled"})) != nil {
			return
		}
	}
}

// trim ends the oldest connections until at most lingering remain, and removes those that have
// ended.
func trim(old []*socket) []*socket {
	live := old[:0:0]
	for _, c := range old {
		select {
		case <-c.ended:
		default:
			live = append(live, c)
		}
	}
	for len(live) > lingering {
		live[0].letGo(0)
		live = live[1:]
	}
	return live
}

func (s *sockets) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
}

var errNotSlacks = errors.New(
	"the address it names for the connection is not one of Slack's, or not encrypted; it is not connected to")

// connect opens a connection and returns it when its hello has come. A goroutine then reads it.
func (s *sockets) connect(ctx context.Context) (*socket, error) {
	_, address, err := s.a.api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, err // its code decides what happens next
	}
	if u, err := url.Parse(address); err != nil || !s.a.socketHost(u) {
		return nil, errNotSlacks
	}
	dial, cancel := context.WithTimeout(ctx, helloWithin)
	defer cancel()
	conn, resp, err := s.dialer.DialContext(dial, address, nil)
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusTooManyRequests {
			return nil, &slackgo.RateLimitedError{RetryAfter: retryAfter(resp.Header)}
		} else if resp != nil {
			return nil, slackgo.StatusCodeError{Code: resp.StatusCode, Status: resp.Status}
		}
		return nil, fmt.Errorf("dialling: %w", clean(err)) // the address holds a ticket
	}
	c := &socket{
		s: s, conn: conn, hello: make(chan struct{}), leaving: make(chan struct{}), ended: make(chan struct{}),
		writing: make(chan struct{}, 1),
	}
	conn.SetReadLimit(maxFrame)
	go c.read()
	go c.ping()
	select {
	case <-c.hello:
		return c, nil
	case <-c.ended:
		return nil, errors.New("the connection ended before its hello")
	case <-dial.Done():
		c.end()
		return nil, errors.New("the connection said no hello")
	}
}

// socket is one connection. One goroutine reads it and one pings. Any goroutine may acknowledge.
type socket struct {
	s    *sockets
	conn *websocket.Conn

	hello     chan struct{}
	helloOnce sync.Once
	leaving   chan struct{} // closed when it broke, or when Slack has announced that it will close it
	leaveOnce sync.Once
	ended     chan struct{} // closed when the reader has returned

	writing chan struct{}  // held by the acknowledgement that is being written
	working sync.WaitGroup // events that are not acknowledged yet

	mu  sync.Mutex
	why string
	cut *time.Timer
}

// frame is a received message: an envelope, hello or disconnect.
type frame struct {
	Type     string          `json:"type"`
	Reason   string          `json:"reason"`
	Envelope string          `json:"envelope_id"`
	Accepts  bool            `json:"accepts_response_payload"`
	Payload  json.RawMessage `json:"payload"`
	Sockets  int             `json:"num_connections"`
}

func (c *socket) leave(reason string) {
	c.leaveOnce.Do(func() {
		c.mu.Lock()
		c.why = reason
		c.mu.Unlock()
		close(c.leaving)
	})
}

func (c *socket) reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// end closes the connection when the events that came on it are acknowledged.
func (c *socket) end() {
	acknowledged := make(chan struct{})
	go func() {
		c.working.Wait()
		close(acknowledged)
	}()
	t := time.NewTimer(writeWithin)
	defer t.Stop()
	select {
	case <-acknowledged:
	case <-t.C:
	}
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
		time.Now().Add(time.Second))
	_ = c.conn.Close() // neither must succeed: the other side may have closed it
	<-c.ended
}

// letGo ends the connection after d, unless it ends earlier.
func (c *socket) letGo(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut == nil {
		c.cut = time.AfterFunc(d, c.end)
	} else if d == 0 {
		c.cut.Reset(0)
	}
}

func (c *socket) touch() {
	c.s.last.Store(time.Now().UnixMilli())
	_ = c.conn.SetReadDeadline(time.Now().Add(idleFor)) // fails only on a closed connection, which the next read tells
}

// read receives frames until the connection ends.
func (c *socket) read() {
	defer close(c.ended)
	defer c.leave("broken")
	defer c.conn.Close()
	c.touch()
	pong := c.conn.PingHandler()
	c.conn.SetPingHandler(func(data string) error {
		c.touch()
		return pong(data)
	})
	c.conn.SetPongHandler(func(string) error {
		c.touch()
		return nil
	})
	for {
		_, body, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		c.touch()
		var f frame
		if err := json.Unmarshal(body, &f); err != nil {
			c.s.a.log.Warn("a frame could not be read", "bytes", len(body))
			continue
		}
		switch f.Type {
		case "hello":
			if f.Sockets > 8 {
				c.s.a.log.Warn(
					"nearly all connections of this Slack app are in use: every deployment needs an app of its own",
					"connections", f.Sockets)
			}
			c.helloOnce.Do(func() { close(c.hello) })
		case "disconnect":
			c.leave(f.Reason)
		default:
			if f.Envelope != "" {
				c.take(f)
			}
		}
	}
}

// ping pings until the connection ends, so that a half-open connection is noticed.
func (c *socket) ping() {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWithin)) != nil {
				_ = c.conn.Close() // ends the reading
				return
			}
		case <-c.ended:
			return
		}
	}
}

// take passes an envelope to the adapter, which acknowledges it on this connection.
func (c *socket) take(f frame) {
	at := time.Now()
	a := c.s.a
	acknowledge := func(payload any) error {
		if !f.Accepts {
			if payload != nil {
				return errors.Join(c.acknowledge(f.Envelope, nil), errNoPayload)
			}
		}
		return c.acknowledge(f.Envelope, payload)
	}
	d, err := a.envelope(f, at)
	if err != nil {
		if !errors.Is(err, errIgnored) {
			a.log.Warn("an envelope could not be read", "type", f.Type, "err", err)
		}
		_ = acknowledge(nil) // without it, Slack would send the envelope again
		return
	}
	c.s.taking <- struct{}{}
	c.working.Add(1)
	var once sync.Once
	released := func() {
		once.Do(func() {
			c.working.Done()
			<-c.s.taking
		})
	}
	if !a.flow.Begin(func() {
		defer released()
		a.take(d, func(payload any) error {
			defer released()
			return acknowledge(payload)
		})
	}) {
		released() // not acknowledged: the adapter has stopped, and another replica may get it
	}
}

// errNoPayload is the error when the acknowledgement of an envelope may not contain an answer.
var errNoPayload = errors.New("the envelope takes no answer")

// envelope reads an envelope.
func (a *Adapter) envelope(f frame, at time.Time) (delivery, error) {
	switch f.Type {
	case "slash_commands":
		var c slackgo.SlashCommand
		if err := json.Unmarshal(f.Payload, &c); err != nil {
			return delivery{}, errMalformed
		}
		return a.commandDelivery(c, at)
	case "interactive":
		return a.interactionDelivery(f.Payload, at)
	}
	return delivery{}, errIgnored
}

// acknowledge writes an acknowledgement. An error means that it was not sent completely, or without
// its payload.
func (c *socket) acknowledge(envelope string, payload any) error {
	answer := map[string]any{"envelope_id": envelope}
	if payload != nil {
		answer["payload"] = payload
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("writing an acknowledgement: %w", err)
	}
	if len(body) > maxAck {
		return errors.Join(c.acknowledge(envelope, nil), errNoPayload)
	}
	c.writing <- struct{}{}
	defer func() { <-c.writing }()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return c.conn.WriteMessage(websocket.TextMessage, body)
}
