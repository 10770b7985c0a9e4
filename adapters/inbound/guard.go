package inbound

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	maxConns       = 1000
	maxHeaderBytes = 8 << 10 // of a request line and its headers; net/http grants 4 KiB more
	maxHeaderLines = 100     // a short line takes far more memory than its bytes
	// how long the bytes that a client still sends are discarded, so that it reads its answer
	lingerFor = 500 * time.Millisecond
)

// Guard limits the connections, the headers and the unread bytes of a server. It returns the
// listener that the server must serve. It must be called before the server serves.
func (d *Door) Guard(s *http.Server, l net.Listener) net.Listener {
	s.MaxHeaderBytes = maxHeaderBytes
	s.ConnContext = func(ctx context.Context,
		c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.knows(r) {
			w.Header().Set("Connection", "close") // Read takes it back for a verified event
		}
		next.ServeHTTP(w, r)
		if w.Header().Get("Connection") == "close" {
			// a server's connections have deadlines
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerFor))
		}
	})
	return &listener{l, d}
}

// connKey is the key of the connection in the context of a request.
type connKey struct{}

func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	door *Door

	// Guarded by door.mu.
	in    *list.List // nil once it is closed
	place *list.Element

	// Used by the goroutine that reads.
	lines   int  // of the first header
	text    bool // its line so far is not empty
	through bool // it has been read
}

// knows reports whether the connection of a request has brought a verified event before.
func (d *Door) knows(r *http.Request) bool {
	c := connOf(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	return c != nil && c.in == &d.known
}

// verified records that the connection of a request has brought an event, which keeps the
// connection open.
func (d *Door) verified(w http.ResponseWriter, r *http.Request) {
	c := connOf(r)
	if c == nil {
		return
	}
	w.Header().Del("Connection")
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.in != nil {
		c.in.Remove(c.place)
		c.in = &d.known
		c.place = c.in.PushBack(c)
	}
}

// admit counts a new connection. Where there are too many it closes the oldest one without a
// verified event; where all have brought one, it closes the connection whose last event was the
// longest ago.
func (d *Door) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, door: d}
	d.mu.Lock()
	var out *conn
	if d.strangers.Len()+d.known.Len() >= maxConns {
		first := d.strangers.Front()
		if first == nil {
			first = d.known.Front()
		}
		out = first.Value.(*conn)
		out.remove()
	}
	c.in = &d.strangers
	c.place = c.in.PushBack(c)
	d.mu.Unlock()
	if out != nil {
		out.Conn.Close()
		d.Note("", "too many connections", 0)
	}
	return c
}

// remove stops counting a connection. door.mu is held.
func (c *conn) remove() {
	if c.in != nil {
		c.in.Remove(c.place)
		c.in = nil
	}
}

// Close closes the connection.
func (c *conn) Close() error {
	c.door.mu.Lock()
	c.remove()
	c.door.mu.Unlock()
	return c.Conn.Close()
}

var errLines = errors.New("the header has too many lines")

// Read reads from the connection. It fails where the first header has too many lines. A later
// header belongs to a connection that has brought an event.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for _, char := range b[:n] {
		switch {
		case c.through:
			return n, err
		case char == '\n':
			c.through, c.text = !c.text, false
			if c.lines++; c.lines > maxHeaderLines && !c.through {
				c.door.Note("", errLines.Error(), 0)
				return 0, errLines
			}
		case char != '\r':
			c.text = true
		}
	}
	return n, err
}

// CloseWrite ends the sending, so that the client has time to read the answer before the connection
// is closed.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// listener counts the connections that it accepts.
type listener struct {
	net.Listener
	door *Door
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.door.admit(c), nil
}
