package inbound

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// event is an adapter: a request is signed where its header says so.
func event(d *Door) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.HandleFunc("POST /event", func(w http.ResponseWriter, r *http.Request) {
		body, status := d.Read(w, r, Signed{Plausible: r.Header.Get("Sign") != "", Before: "before:",
			Fits: func(signed []byte) bool {
				return r.Header.Get("Sign") == "good" && bytes.HasPrefix(signed, []byte("before:"))
			}})
		if status != 0 {
			http.Error(w, http.StatusText(status), status)
			return
		}
		fmt.Fprintf(w, "%d bytes", len(body))
	})
	return mux
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

func (u unread) Close() error { return nil }

func TestRead(t *testing.T) {
	text := func(n int) io.Reader { return strings.NewReader(strings.Repeat("x", n)) }
	for _, tc := range []struct {
		name, sign string
		length     int64
		body       io.Reader
		status     int
	}{
		{"signed", "good", 5, text(5), 200},
		{"empty", "good", 0, text(0), 200},
		{"a piece", "good", firstPiece, text(firstPiece), 200},
		{"a piece and one", "good", firstPiece + 1, text(firstPiece + 1), 200},
		{"as large as may be", "good", MaxBody, text(MaxBody), 200},
		{"as large, of no said length", "good", -1, text(MaxBody), 200},
		{"small, of no said length", "good", -1, text(7), 200},
		{"too large", "good", MaxBody + 1, unread{t}, 413},
		{"too large, and not signed", "", MaxBody + 1, unread{t}, 413},
		{"too large, of no said length", "good", -1, text(MaxBody + 1), 413},
		{"without a signature", "", 5, unread{t}, 401},
		{"of another signature", "bad", 5, text(5), 401},
		{"cut off", "good", 5, io.MultiReader(text(3), broken{}), 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(nil)
			r := httptest.NewRequest(http.MethodPost, "/event", nil)
			r.Body, r.ContentLength = io.NopCloser(tc.body), tc.length
			r.Header.Set("Sign", tc.sign)
			w := httptest.NewRecorder()
			event(d).ServeHTTP(w, r)
			if w.Code != tc.status {
				t.Errorf("status %d, want %d", w.Code, tc.status)
			}
			if want := fmt.Sprintf("%d bytes", tc.length); tc.status == 200 && tc.length >= 0 &&
				w.Body.String() != want {
				t.Errorf("%s were read, want %s", w.Body, want)
			}
			if d.held != 0 || d.leaving != 0 || len(d.bodies) != 0 {
				t.Errorf("%d bytes of %d bodies are still counted", d.held, len(d.bodies))
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// front is a server behind a Door, on connections in memory.
type front struct {
	t    *testing.T
	door *Door
	net  *wire
}

// inFront runs f in a bubble.
func inFront(t *testing.T, f func(t *testing.T, x *front)) {
	synctest.Test(t, func(t *testing.T) {
		x := &front{t, New(nil), &wire{conns: make(chan net.Conn), closed: make(chan struct{})}}
		s := &http.Server{Handler: event(x.door), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			IdleTimeout: 2 * time.Minute}
		l := x.door.Guard(s, x.net)
		served := make(chan error)
		go func() { served <- s.Serve(l) }()
		f(t, x)
		s.Close()
		<-served
		time.Sleep(time.Second) // who was refused has time to read it
		synctest.Wait()
		if x.door.held != 0 || len(x.door.bodies) != 0 || x.door.strangers.Len()+x.door.known.Len() != 0 {
			t.Errorf("%d bytes of %d bodies and %d connections are still counted", x.door.held, len(x.door.bodies),
				x.door.strangers.Len()+x.door.known.Len())
		}
	})
}

// wire is a listener on connections in memory.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *wire) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wire) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *wire) Addr() net.Addr { return &net.TCPAddr{} }

// client is one connection of somebody, with what the server said on it.
type client struct {
	net.Conn
	said  bytes.Buffer
	ended time.Time // when the server closed it
	mu    sync.Mutex
}

func (x *front) dial() *client {
	mine, its := net.Pipe()
	x.net.conns <- its
	c := &client{Conn: mine}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := mine.Read(buf)
			c.mu.Lock()
			c.said.Write(buf[:n])
			if err != nil {
				c.ended = time.Now()
			}
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// send sends text and waits until nothing more happens. A server that does not read any more is not
// waited for.
func (c *client) send(text string) {
	go io.WriteString(c.Conn, text)
	synctest.Wait()
}

// status is that of the last answer, 0 where there is none; open is whether the server keeps the
// connection.
func (c *client) status() (status int, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := bufio.NewReader(bytes.NewReader(c.said.Bytes())); ; {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			return status, c.ended.IsZero()
		}
		status = a.StatusCode
		io.Copy(io.Discard, a.Body)
	}
}

func (c *client) want(t *testing.T, what string, status int, open bool) {
	t.Helper()
	if s, o := c.status(); s != status || o != open {
		t.Errorf("%s: status %d, open %v; want %d, %v", what, s, o, status, open)
	}
}

// headers are those of an event with a body of some length.
func headers(sign string, length int) string {
	return fmt.Sprintf("POST /event HTTP/1.1\r\nHost: x\r\nSign: %s\r\nContent-Length: %d\r\n\r\n", sign, length)
}

func xs(n int) string { return strings.Repeat("x", n) }

// TestSlow: a body is complete 3 s after its headers, or refused, however fast the headers were.
func TestSlow(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		slow, fast, late := x.dial(), x.dial(), x.dial()
		late.send("POST /event HTTP/1.1\r\nHost: x\r\n")
		slow.send(headers("good", 100) + xs(99))
		fast.send(headers("good", 100) + xs(99))
		time.Sleep(2999 * time.Millisecond)
		slow.want(t, "slow", 0, true)
		fast.send("x")
		fast.want(t, "complete within 3 s", 200, true)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		slow.want(t, "slow, after 3 s", 408, true)
		time.Sleep(time.Second)
		slow.want(t, "slow, when it has read its answer", 408, false)
		late.send("Sign: good\r\nContent-Length: 1\r\n\r\n")
		time.Sleep(2999 * time.Millisecond)
		late.send("x")
		late.want(t, "complete within 3 s of headers that took 4 s", 200, true)
	})
}

// TestLargestDropped: where unverified bodies fill their 8 MiB, one that asks for room gets it from
// the largest, the oldest of several.
func TestLargestDropped(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		var strangers []*client
		stranger := func(kib int) { // one byte over the half makes a buffer of kib KiB
			c := x.dial()
			c.send(headers("bad", MaxBody) + xs(kib<<9+1-len("before:")))
			strangers = append(strangers, c)
		}
		stranger(256)
		for range 15 {
			stranger(512)
		}
		for kib := 128; kib >= 4; kib /= 2 {
			stranger(kib)
		}
		stranger(4)
		if x.door.held != maxUnverified {
			t.Fatalf("%d bytes are held, want %d", x.door.held, maxUnverified)
		}
		gone := func(want ...int) {
			t.Helper()
			time.Sleep(lingerFor)
			synctest.Wait()
			for i, c := range strangers {
				status, open := 0, true
				for _, n := range want {
					if n == i {
						status, open = 503, false
					}
				}
				c.want(t, fmt.Sprintf("stranger %d", i), status, open)
			}
		}
		event := x.dial()
		event.send(headers("good", 3000) + xs(3000))
		event.want(t, "an event", 200, true)
		gone(1) // the oldest of the largest
		event.send(headers("good", 3000) + xs(3000))
		event.want(t, "another event", 200, true)
		gone(1)
		if x.door.held != maxUnverified-512<<10 {
			t.Errorf("%d bytes are held", x.door.held)
		}
		// A stranger that grows takes the room of others that are larger than the rest, and is the
		// next to be dropped.
		strangers[0].send(xs(768 << 10))
		gone(1, 2, 3)
		event.send(headers("good", 600<<10) + xs(600<<10))
		event.want(t, "a large event", 200, true)
		gone(0, 1, 2, 3)
	})
}

// TestSmallKept: an event under 4 KiB that comes slowly is answered, whatever 999 others do
// meanwhile.
func TestSmallKept(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		event := x.dial()
		event.send(headers("good", 4000) + xs(1))
		var strangers []*client
		for i := range maxConns - 1 {
			c := x.dial()
			c.send(headers("bad", MaxBody) + xs(4090+i%2*4000))
			strangers = append(strangers, c)
		}
		for _, c := range strangers[:30] {
			c.send(xs(1 << 19))
		}
		event.send(xs(3999))
		event.want(t, "the event", 200, true)
		dropped := 0
		for _, c := range strangers {
			if s, _ := c.status(); s == http.StatusServiceUnavailable {
				dropped++
			}
		}
		if dropped == 0 {
			t.Error("nobody was dropped: it showed nothing")
		}
	})
}

// TestBounded: whatever strangers send, in whatever order, the bodies never hold more than they
// may, and all of it is let go.
func TestBounded(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		d := New(nil)
		h := event(d)
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for i := range 400 {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				for n := range 5 {
					pace := rand.New(rand.NewPCG(seed, uint64(400+5*i+n)))
					read, write := io.Pipe()
					size := 1 << rng.IntN(21)
					r := httptest.NewRequest(http.MethodPost, "/event", nil)
					r.Body, r.ContentLength = read, -1
					if rng.IntN(2) == 0 {
						r.ContentLength = int64(size)
					}
					r.Header.Set("Sign", []string{"good", "bad"}[rng.IntN(2)])
					go func() {
						for left := size; left > 0; {
							n := min(left, 1+pace.IntN(200_000))
							if _, err := write.Write(make([]byte, n)); err != nil {
								return
							}
							left -= n
							d.mu.Lock()
							held, leaving := d.held, d.leaving
							d.mu.Unlock()
							if held > maxUnverified || leaving > held || leaving < 0 {
								t.Errorf("%d bytes are held, %d of them leaving", held, leaving)
							}
							time.Sleep(time.Duration(pace.IntN(300)) * time.Millisecond)
						}
						write.Close()
					}()
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					mu.Lock()
					statuses[w.Code]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if d.held != 0 || d.leaving != 0 || len(d.bodies) != 0 {
			t.Errorf("%d bytes of %d bodies are still counted", d.held, len(d.bodies))
		}
		for _, s := range []int{200, 401, 503} {
			if statuses[s] == 0 {
				t.Errorf("nobody got %d: %v", s, statuses)
			}
		}
	})
}

// TestConnections: there are at most 1,000. For a new one the oldest without a verified event is
// closed, and only where there is none the one whose last event is the longest ago.
func TestConnections(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		sends := func(c *client) { c.send(headers("good", 1) + "x") }
		slack := x.dial()
		var strangers []*client
		for range maxConns - 1 {
			strangers = append(strangers, x.dial())
		}
		sends(slack)
		strangers[0].send("GET /hea")
		sends(strangers[1]) // it is none
		for i, want := range []int{0, 2, 3} {
			strangers = append(strangers, x.dial())
			synctest.Wait()
			for j, c := range strangers {
				if _, open := c.status(); open != (j != 0 && (j != 2 || i < 1) && (j != 3 || i < 2)) {
					t.Fatalf("after connection %d, which closes stranger %d: stranger %d open: %v", maxConns+1+i, want,
						j, open)
				}
			}
		}
		for range 2 * maxConns {
			strangers = append(strangers, x.dial())
		}
		synctest.Wait()
		if n := x.door.strangers.Len() + x.door.known.Len(); n != maxConns {
			t.Errorf("%d connections, want %d", n, maxConns)
		}
		sends(slack)
		slack.want(t, "an event on a connection that had one", 200, true)
		health := x.dial()
		health.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		health.want(t, "health", 200, false)

		var known []*client
		for range maxConns {
			c := x.dial()
			sends(c)
			known = append(known, c)
		}
		slack.want(t, "an event on the oldest of too many", 200, false)
		sends(known[1])
		if x.door.strangers.Len() != 0 || x.door.known.Len() != maxConns {
			t.Fatalf("%d strangers, %d known", x.door.strangers.Len(), x.door.known.Len())
		}
		x.dial() // in the place of known[0]: strangers[1] went for known[maxConns-1]
		last := x.dial()
		sends(last)
		synctest.Wait()
		known[0].want(t, "the connection whose event is the longest ago", 200, false)
		known[1].want(t, "a connection with a later event", 200, true)
		last.want(t, "the newcomer", 200, true)
	})
}

// TestKeepAlive: the connection of a stranger takes one request; that of an event takes more,
// whatever comes of them.
func TestKeepAlive(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		for request, status := range map[string]int{
			"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n": 200, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n": 404,
			headers("bad", 3) + "abc": 401,
			headers("bad", MaxBody+1): 413,
		} {
			c := x.dial()
			c.send(request)
			time.Sleep(time.Second) // where the body is thrown away
			c.want(t, request, status, false)
		}
		c := x.dial()
		c.send(headers("good", 3) + "abc")
		c.send(headers("bad", 3) + "abc")
		c.want(t, "a bad signature after an event", 401, true)
		time.Sleep(time.Minute)
		c.send(headers("good", 3) + "abc")
		c.want(t, "an event a minute later", 200, true)
		c.send(headers("", 3))
		c.want(t, "no signature after an event", 401, true)
		c.send("abc")
		c.want(t, "its body, which nobody reads", 401, false)
	})
}

// TestAnsweredAtOnce: who sends no signature is answered before the body comes, and has half a
// second to read it.
func TestAnsweredAtOnce(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		c := x.dial()
		began := time.Now()
		c.send(headers("", 1000))
		c.want(t, "at once", 401, true)
		time.Sleep(time.Minute)
		c.want(t, "later", 401, false)
		if took := c.ended.Sub(began); took != lingerFor {
			t.Errorf("it was closed after %v, want %v", took, lingerFor)
		}
		c = x.dial()
		c.send(headers("", 1000) + xs(1000))
		c.want(t, "with its body", 401, false)
	})
}

// TestHeaders: a header is bounded in bytes and in lines.
func TestHeaders(t *testing.T) {
	inFront(t, func(t *testing.T, x *front) {
		lines := func(n int) string { // with two of its own and the empty one
			return "GET /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\n", n-2) + "\r\n"
		}
		for _, tc := range []struct {
			name, text string
			status     int
		}{
			{"usual", lines(20), 200},
			{"as many lines as may be", lines(maxHeaderLines), 200},
			{"one line more", lines(maxHeaderLines + 1), 400},
			{"far more", lines(3000), 400},
			{"large", "GET /healthz HTTP/1.1\r\nHost: x\r\na: " + xs(8000) + "\r\n\r\n", 200},
			{"too large", "GET /healthz HTTP/1.1\r\nHost: x\r\na: " + xs(13000) + "\r\n\r\n", 431},
		} {
			c := x.dial()
			c.send(tc.text)
			time.Sleep(time.Second)
			c.want(t, tc.name, tc.status, false)
		}
		// The lines of a body do not count, nor do those of what an event's connection brings
		// later.
		c := x.dial()
		c.send(headers("good", 3000) + strings.Repeat("\n", 3000))
		c.want(t, "lines in a body", 200, true)
		c.send(lines(200))
		c.want(t, "a later header", 200, true)
		x.dial().send("GET / HTTP/1.1\r\n") // never ends
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := x.door.strangers.Len(); n != 0 {
			t.Errorf("%d strangers are still there after 5 s", n)
		}
	})
}

// TestLog: refusals fill no log.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		d := New(slog.New(slog.NewTextHandler(&log, nil)))
		h := event(d)
		refuse := func(n int) {
			for range n {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/event",
					strings.NewReader("secret")))
			}
		}
		refuse(500)
		time.Sleep(time.Minute)
		refuse(1)
		const first = `from=anybody why="not signed" times=1` + "\n"
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, first) ||
			!strings.Contains(got, "times=500\n") {
			t.Errorf("the log is\n%s", got)
		}
	})
}

// TestReasons: the log and the counters tell a clock that is wrong from a secret that is.
func TestReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		d := New(slog.New(slog.NewTextHandler(&log, nil)))
		now := time.Now()
		for _, stamp := range []string{"", "soon", fmt.Sprint(now.Add(-312 * time.Second).Unix()),
			fmt.Sprint(now.Add(time.Hour).Unix()), fmt.Sprint(now.Unix())} {
			why, off := Doubt(stamp, 5*time.Minute)
			d.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/event", nil),
				Signed{From: "slack", Why: why, Off: off})
		}
		d.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/event", nil),
			Signed{From: "slack", Plausible: true, Fits: func([]byte) bool { return false }})
		want := map[Refusal]int64{{"slack", Unsigned}: 3, {"slack", Clock}: 2, {"slack", Secret}: 1}
		if got := d.Refused(); !maps.Equal(got, want) {
			t.Errorf("refused %v, want %v", got, want)
		}
		for _, line := range []string{
			`level=INFO msg="requests were refused" from=slack why="not signed" times=1`,
			`level=WARN msg="requests were refused" from=slack why="clock off" times=1 off=5m12s`,
			`level=WARN msg="requests were refused" from=slack why="wrong secret" times=1`,
		} {
			if !strings.Contains(log.String(), line+"\n") {
				t.Errorf("the log lacks %s:\n%s", line, &log)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines for three kinds:\n%s", n, &log)
		}
		if why, at := d.Last("slack"); why == "" || !at.Equal(now) {
			t.Errorf("the last was refused for %q at %v", why, at)
		}
	})
}
