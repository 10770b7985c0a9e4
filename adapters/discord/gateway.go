package discord

// This file keeps one connection to Discord's Gateway open, in one replica at a time. The library
// opens a connection; all decisions about its end and the next one are made here.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/bot"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
)

// pace holds the times of the Gateway's supervisor. They are fields, so that tests can set short
// ones.
type pace struct {
	open    time.Duration // until READY
	silence time.Duration // without a frame: two of Discord's heartbeat intervals of 41.25 s
	apart   time.Duration // between two identifies: Discord allows one in 5 s
	least   time.Duration // the first pause after a failure
	most    time.Duration // the longest
	reserve int           // identifies a day that are not used, because one too many resets the token
}

var usualPace = pace{open: 10 * time.Second, silence: 90 * time.Second, apart: 5 * time.Second, least: time.Second,
	most: time.Minute, reserve: 3}

// fatal is an error after which connecting again is useless until the configuration is changed.
type fatal struct {
	why string
	err error
}

func (f *fatal) Error() string { return fmt.Sprintf("%s (%v)", f.why, f.err) }

func (f *fatal) Unwrap() error { return f.err }

// mends says what to change for each close code after which Discord accepts no new connection.
var mends = map[int]string{
	4004: "Discord refuses the bot token: set DISCORD_BOT_TOKEN to the token of the application's Bot page and start again",
	4010: "Discord refuses the shard: this is a fault of the program, please report it",
	4011: "the bot is in so many servers that Discord demands sharding: use an application of its own for this bot, or HTTP interactions (DISCORD_PUBLIC_KEY)",
	4012: "Discord no longer speaks this version of the Gateway: update the program, or use HTTP interactions (DISCORD_PUBLIC_KEY)",
	4013: "Discord refuses the intents: this is a fault of the program, please report it",
	4014: "Discord refuses the intents: this is a fault of the program, please report it",
}

// errGivenUp is the cause of the end of a connection whose lease may belong to another replica.
var errGivenUp = errors.New("the right to the Gateway connection could not be kept")

// supervise keeps a Gateway connection open until ctx ends, in one replica at a time. Each
// connection is made under a lease, so that after a failure another replica may make the next. The
// library opens one connection and may not reconnect: by itself it can hang for ever (after an op 7
// before READY, or without HELLO), reconnect after it was closed, and repeat for ever what cannot
// succeed. Sessions are not resumed: a lost connection loses only the interactions of that moment,
// which expire after 3 seconds.
func (a *Adapter) supervise(ctx context.Context) error {
	pause := a.pace.least
	for ctx.Err() == nil {
		var l *link
		var wait time.Duration
		var began, ended time.Time
		err := a.bot.Alone(ctx, "gateway/discord/"+a.o.ApplicationID, a.standBy,
			func(held context.Context) (err error) {
				a.stands.Store(false)
				began = time.Now()
				l, wait, err = a.connect(held)
				ended = time.Now()
				if _, lasting := errors.AsType[*fatal](err); !lasting {
					a.status.set("gateway", fmt.Errorf("%w: %w", ErrOutage, err))
					if l != nil { // Discord does not allow another identify so soon, from any replica
						sleep(held, time.Until(began.Add(a.pace.apart)))
					}
				}
				return err
			})
		if ctx.Err() != nil {
			if l != nil {
				l.wait()
			}
			break
		}
		if f, ok := errors.AsType[*fatal](err); ok {
			a.log.Error("the Gateway connection cannot be made until this is mended", "mend", f.why, "err", f.err)
			a.status.set("gateway", f)
			<-ctx.Done()
			return f
		}
		if ended.Sub(began) > a.pace.most {
			pause = a.pace.least
		}
		if wait == 0 {
			wait = pause/2 + rand.N(pause/2+1)
			pause = min(2*pause, a.pace.most)
		}
		a.log.Warn("the Gateway connection ended and is made anew", "err", err, "in", wait.Round(time.Millisecond))
		sleep(ctx, time.Until(ended.Add(wait)))
	}
	return nil
}

// standBy records that another replica holds the connection, and that no frames come here.
func (a *Adapter) standBy() {
	a.stands.Store(true)
	a.status.set("gateway", nil)
	a.last.Store(0)
	a.log.Info("another replica holds the Gateway connection; this one waits for it")
}

// connect opens one connection and returns it when its socket is closed; nil when none was tried.
// If wait is not 0, Discord asked to wait that long.
func (a *Adapter) connect(ctx context.Context) (_ *link, wait time.Duration, err error) {
	b, err := a.rest.gateway(ctx)
	if err != nil {
		if e, ok := errors.AsType[*apiError](err); ok && e.Status == http.StatusUnauthorized {
			return nil, 0, &fatal{mends[4004], err}
		}
		if later, ok := laterOf(err); ok {
			return nil, later, err
		}
		return nil, 0, err
	}
	if b.Limit.Remaining <= a.pace.reserve {
		wait = max(time.Duration(b.Limit.ResetAfter)*time.Millisecond, a.pace.apart)
		return nil, wait,
			fmt.Errorf(
				"only %d connections are left for today, which are not used up: one too many would reset the token",
				b.Limit.Remaining)
	}

	if !a.isGateway(b.URL) {
		return nil, 0,
			errors.New(
				"the address that Discord names for the Gateway is not one of its own, or not encrypted; the bot token is not sent there")
	}

	l := &link{a: a, ended: make(chan error, 1), ready: make(chan struct{}), over: make(chan struct{})}
	// The library logs this address with the events of the connection. The fragment identifies the
	// connection; it is never sent. The version and encoding that the library appends become part
	// of the fragment.
	l.url = fmt.Sprintf("%s/?v=%s&encoding=json#%d/", strings.TrimSuffix(b.URL, "/"), discordgo.APIVersion,
		linkCount.Add(1))
	s, err := a.session(ctx, l)
	if err != nil {
		return nil, 0, err
	}
	links.add(l)
	defer links.remove(l)
	defer l.hangUp()

	opened := make(chan error, 1)
	go func() { opened <- s.Open() }()
	late := time.NewTimer(a.pace.open)
	defer late.Stop()
	for ready := l.ready; ; {
		select {
		case err := <-opened:
			if err != nil {
				return l, 0, l.cause(err)
			}
			opened = nil
		case <-ready:
			late.Stop()
			ready = nil
			a.status.set("gateway", nil)
			a.log.Info("connected to Discord's Gateway")
		case <-late.C:
			return l, 0, fmt.Errorf("no READY within %v", a.pace.open)
		case err := <-l.ended:
			return l, 0, l.cause(err)
		case <-ctx.Done():
			return l, 0, errGivenUp
		}
	}
}

// isGateway reports whether the bot token may be sent to an address: an encrypted address of
// Discord, or the host of the API if that is not Discord's.
func (a *Adapter) isGateway(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	base, err := url.Parse(a.o.BaseURL)
	if err != nil {
		return false // unreachable: New has read it
	}
	if u.Host == base.Host && (u.Scheme == "wss" || base.Scheme == "http") {
		return true
	}
	host := "." + u.Hostname()
	return (strings.HasSuffix(host, ".discord.gg") || strings.HasSuffix(host, ".discord.com")) &&
		(u.Scheme == "wss" || a.o.Dial != nil)
}

// session returns a session of the library for one connection. It does not reconnect, has no cache,
// gets only events that need no intent, and makes no calls.
func (a *Adapter) session(ctx context.Context, l *link) (*discordgo.Session, error) {
	s, err := discordgo.New("Bot " + a.o.BotToken)
	if err != nil {
		return nil, fmt.Errorf("preparing a Gateway connection: %w", err)
	}
	s.ShouldReconnectOnError = false
	s.ShouldReconnectVoiceOnSessionError = false
	s.StateEnabled = false
	s.MaxRestRetries = 0
	s.ShouldRetryOnRateLimit = false
	s.LogLevel = discordgo.LogWarning
	s.Compress, s.Identify.Compress = false, false
	s.Identify.Intents = discordgo.IntentsNone
	s.Client = &http.Client{Transport: l}
	s.Dialer = &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: a.pace.open,
		NetDialContext: l.dial}
	s.AddHandler(func(_ *discordgo.Session, e *discordgo.Event) {
		switch e.Type {
		case "READY":
			l.once.Do(func() { close(l.ready) })
		case "INTERACTION_CREATE":
			if ctx.Err() == nil { // when the program stops, no event is begun
				a.flow.Begin(func() { a.overGateway(e.RawData) })
			}
		}
	})
	s.AddHandler(func(*discordgo.Session, *discordgo.Disconnect) {
		l.end(errors.New("disconnected"))
		l.last.Do(func() { close(l.over) })
	})
	return s, nil
}

// link is one connection: its socket, and why it ended.
type link struct {
	a     *Adapter
	url   string // the Gateway's address for the library
	ended chan error
	ready chan struct{}
	over  chan struct{} // closed when the library has ended the connection
	once  sync.Once
	last  sync.Once

	mu   sync.Mutex
	conn net.Conn
	gone bool
	code *websocket.CloseError
}

// wait waits until the library has noticed that the socket is closed, which takes it a second.
func (l *link) wait() {
	select {
	case <-l.over:
	case <-time.After(1500 * time.Millisecond):
	}
}

// end ends the connection for the supervisor. The first cause counts.
func (l *link) end(err error) {
	select {
	case l.ended <- err:
	default:
	}
}

// closed records the code with which Discord closed the connection.
func (l *link) closed(e *websocket.CloseError) {
	l.mu.Lock()
	if l.code == nil {
		l.code = e
	}
	l.mu.Unlock()
	l.end(e)
}

// cause returns why the connection ended; a *fatal if another connection is useless.
func (l *link) cause(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		l.code = e
	}
	if l.code == nil {
		return err
	}
	if mend, ok := mends[l.code.Code]; ok {
		return &fatal{mend, l.code}
	}
	return l.code
}

// dial connects for the library's dialer.
func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := l.a.o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.conn = conn
	return &wire{Conn: conn, l: l}, nil
}

// hangUp closes the socket, whatever the library is doing at the moment.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	if l.conn != nil {
		l.conn.Close()
	}
}

// RoundTrip answers the only call that the library makes when it opens a connection, which asks for
// the address of the Gateway.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/gateway") {
		return nil, errors.New("discord: the library makes no calls here")
	}
	body, err := json.Marshal(map[string]string{"url": l.url})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(body))),
		ContentLength: int64(len(body)),
	}, nil
}

// wire is the socket with a deadline for every read and write, so that a silent peer is noticed.
type wire struct {
	net.Conn
	l *link
}

func (w *wire) Read(b []byte) (int, error) {
	w.Conn.SetReadDeadline(time.Now().Add(w.l.a.pace.silence))
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.l.a.frame()
	}
	if err != nil {
		w.l.end(err)
		time.Sleep(settle) // the library's other goroutine is let out of its lock before this one takes it for a second
	}
	return n, err
}

const settle = 10 * time.Millisecond

// Write does not return an error: it closes the socket, and the reader reports the end. Otherwise
// the library could close a connection twice at the same time.
func (w *wire) Write(b []byte) (int, error) {
	w.Conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := w.Conn.Write(b); err != nil {
		w.l.end(err)
		w.Conn.Close()
	}
	return len(b), nil
}

// SetDeadline does nothing, like the two methods below: Read and Write set the deadlines.
func (w *wire) SetDeadline(time.Time) error { return nil }

func (w *wire) SetReadDeadline(time.Time) error { return nil }

func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// ---- what the library logs ----

// linkSet is every connection of this process. The library has one log for all sessions; the
// address in a line identifies the connection.
type linkSet struct {
	mu   sync.Mutex
	list []*link
}

var (
	links     linkSet
	linkCount atomic.Int64
)

func (s *linkSet) add(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, l)
}

func (s *linkSet) remove(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(x *link) bool { return x == l })
}

func (s *linkSet) of(args []any) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arg := range args {
		for _, l := range s.list {
			if text, ok := arg.(string); ok && strings.HasPrefix(text, l.url) {
				return l
			}
		}
	}
	return nil
}

// The close code of a live connection is only in the library's log. The logger is set once, before
// there are goroutines.
func init() { discordgo.Logger = heard }

// heard reads a line of the library's log. Only numbers in it are passed on, since strings and
// errors can contain payloads.
func heard(level, _ int, format string, args ...any) {
	l := links.of(args)
	if l == nil {
		return
	}
	for i, arg := range args {
		switch arg := arg.(type) {
		case error:
			args[i] = "…"
			if e, ok := errors.AsType[*websocket.CloseError](arg); ok {
				l.closed(e)
				args[i] = fmt.Sprintf("close %d", e.Code)
			}
		case int, time.Duration:
		default:
			args[i] = "…"
		}
	}
	at := slog.LevelDebug
	if level == discordgo.LogError {
		at = slog.LevelInfo
	}
	l.a.log.Log(context.Background(), at, "discordgo: "+fmt.Sprintf(format, args...))
}

func laterOf(err error) (time.Duration, bool) {
	later, ok := errors.AsType[*bot.Later](err)
	if !ok {
		return 0, false
	}
	return later.After, true
}
