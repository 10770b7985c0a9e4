package recalltest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"path"
	"strconv"
	"sync"
	"syscall"
)

// URL is a base URL for clients that use [Service.Client], which connects to
// the service whatever the host is.
const URL = "http://chat.invalid"

// Client returns an HTTP client whose calls reach the service without a
// network. It behaves like one: each call is handled by a goroutine of its
// own, which goes on when the caller gives up; the hooks of
// net/http/httptrace are called; a broken connection is an error. It works in
// a testing/synctest bubble.
func (s *Service) Client() *http.Client {
	return &http.Client{Transport: &inProcess{handler: s, service: s}}
}

// Start serves on a free port of 127.0.0.1 and returns its URL. stop ends it,
// breaking what is connected.
func (s *Service) Start() (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic("recalltest: " + err.Error())
	}
	server := &http.Server{Handler: s}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	return "http://" + l.Addr().String(), func() {
		server.Close()
		wg.Wait()
	}
}

// inProcess is a RoundTripper that calls a handler.
type inProcess struct {
	handler http.Handler
	service *Service // for its unreachable times, and so that Close waits; may be nil
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	defer func() {
		if r.Body != nil {
			r.Body.Close()
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	if trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
	if s := p.service; s != nil {
		s.mu.Lock()
		refused := s.meet(path.Base(r.URL.Path), true) != nil
		s.mu.Unlock()
		if refused {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}

	// The handler's context ends when the caller gives up, and not before it
	// has answered or broken off.
	served, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	in := r.Clone(served)
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.ContentLength = int64(len(body))
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.URL.Scheme, in.URL.Host = "", ""

	answers := make(chan *recorder, 1)
	handle := func() {
		w := &recorder{header: http.Header{}}
		defer func() {
			stop()
			cancel()
			if v := recover(); v != nil {
				if v != http.ErrAbortHandler {
					panic(v)
				}
				w.broken = true
			}
			answers <- w
		}()
		p.handler.ServeHTTP(w, in)
	}
	if p.service != nil {
		p.service.start(handle)
	} else {
		go handle()
	}
	select {
	case w := <-answers:
		return w.response(r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// recorder is what a handler wrote.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	broken bool // the handler broke the connection
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

var errReset = errors.New("connection reset by peer")

func (w *recorder) response(r *http.Request) (*http.Response, error) {
	if w.broken && w.body.Len() == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errReset}
	}
	w.WriteHeader(http.StatusOK)
	length := int64(w.body.Len())
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	body := io.Reader(bytes.NewReader(w.body.Bytes()))
	if w.broken || length > int64(w.body.Len()) {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: length, Request: r,
	}, nil
}

// broken is where a body ends before it should.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
