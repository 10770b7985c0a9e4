package discordtest

// This file connects an application to the guild without a network: HTTP requests and Gateway
// connections are served in this process, by the same handler that Start serves on loopback.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// Client returns an HTTP client whose requests are all answered by the guild in this process, for
// every host. It may be used inside a synctest bubble. The handler runs in its own goroutine; when
// the request's context ends, the client stops waiting, and so does the handler if it waits.
func (g *Guild) Client() *http.Client { return &http.Client{Transport: roundTripper{g}} }

type roundTripper struct{ g *Guild }

// errAborted is the error of a call whose connection breaks before the answer.
var errAborted = fmt.Errorf("discordtest: %w", syscall.ECONNRESET)

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Body = http.NoBody
	in.RemoteAddr = "192.0.2.1:1234"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if cerr := r.Body.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
		in.Body = io.NopCloser(bytes.NewReader(b))
		in.ContentLength = int64(len(b))
	}
	answer := make(chan *http.Response, 1)
	t.g.mu.Lock()
	started := t.g.start(func() { answer <- serve(t.g, in) })
	t.g.mu.Unlock()
	if !started {
		return nil, fmt.Errorf("discordtest: %w", syscall.ECONNREFUSED)
	}
	select {
	case resp := <-answer:
		if resp == nil {
			if err := r.Context().Err(); err != nil {
				return nil, err
			}
			return nil, errAborted
		}
		resp.Request = r
		return resp, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// serve runs a handler on a recorder. It returns nil when the handler aborted.
func serve(h http.Handler, r *http.Request) (resp *http.Response) {
	w := &recorder{header: http.Header{}}
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			resp = nil
		}
	}()
	h.ServeHTTP(w, r)
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()),
	}
}

// recorder is a ResponseWriter in memory.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Dial connects to the Gateway over an in-process pipe, for every address. It has the signature of
// websocket.Dialer.NetDialContext and may be used inside a synctest bubble. A pipe has no buffer: a
// write waits for the reader on the other side.
func (g *Guild) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	g.mu.Lock()
	started := g.start(func() { g.servePipe(server) })
	g.mu.Unlock()
	if !started {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return client, nil
}

// servePipe serves the only request of a dialled connection.
func (g *Guild) servePipe(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(g.ctx, func() { conn.Close() })
	defer stop()
	rw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	r, err := http.ReadRequest(rw.Reader)
	if err != nil {
		return
	}
	r.RemoteAddr = "192.0.2.1:1234"
	w := &pipeWriter{recorder: recorder{header: http.Header{}}, conn: conn, rw: rw}
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}
	}()
	g.ServeHTTP(w, r)
	if w.hijacked || w.status == 0 {
		return
	}
	resp := http.Response{
		StatusCode: w.status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true,
		Header: w.sent, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	resp.Write(rw)
	rw.Flush()
}

// pipeWriter answers on a pipe, or hands the pipe over to a websocket.
type pipeWriter struct {
	recorder
	conn     net.Conn
	rw       *bufio.ReadWriter
	hijacked bool
}

func (w *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacked = true
	return w.conn, w.rw, nil
}

// Start listens on a free port of 127.0.0.1. The url is the API's scheme and host
// (DISCORD_BASE_URL); GET /api/v9/gateway there answers with the Gateway on the same host. stop
// ends the listener and its connections. Start is not for use inside a synctest bubble.
func (g *Guild) Start() (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("discordtest: listening on loopback: %v", err))
	}
	srv := &http.Server{Handler: g, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	return "http://" + l.Addr().String(), func() {
		srv.Close()
		<-served
		g.mu.Lock()
		for _, s := range slices.Clone(g.sessions) {
			if s.overTCP {
				s.drop()
			}
		}
		g.mu.Unlock()
	}
}
