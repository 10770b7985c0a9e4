package discord

// This file keeps one connection to Discord's Gateway open, in one replica at a time. The library's
// own connection is not used: it can hang for ever, reconnects by itself, and never resumes where
// Discord says.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/bot"

	"github.com/gorilla/websocket"
)

// pace holds the times of the Gateway's supervisor. They are fields, so that tests can set short
// ones.
type pace struct {
	open    time.Duration // until READY
	silence time.Duration // without a frame: two of Discord's heartbeat intervals of 41.25 s
	apart   time.Duration // between two identifies: Discord allows one in 5 s
	least   time.Duration // the first pause after a failure to connect
	most    time.Duration // the longest
	reserve int           // identifies a day that are not used, because one too many resets the token
	resumes int           // connections a minute that go on with a session
	first   time.Duration // after which a refused bot tries again
	again   time.Duration // and then at this interval
}

var usualPace = pace{open: 10 * time.Second, silence: 90 * time.Second, apart: 5 * time.Second, least: time.Second,
	most: time.Minute, reserve: 3, resumes: 10, first: 30 * time.Second, again: 5 * time.Minute}

// afterRefusal returns how long to wait after the n-th refusal in a row, from 1.
func (p pace) afterRefusal(n int) time.Duration {
	if n == 1 {
		return p.first
	}
	return p.again
}

// tokenRefused reports whether an error of a call says that Discord does not take the bot token.
func tokenRefused(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.Status == http.StatusUnauthorized
}

// fatal is an error that trying again hardly mends: the configuration must be changed.
type fatal struct {
	why string
	err error
}

func (f *fatal) Error() string { return fmt.Sprintf("%s (%v)", f.why, f.err) }

func (f *fatal) Unwrap() error { return f.err }

// mends says what to change for each close code with which Discord refuses the bot. All the same it
// is tried again at times: 4004 has been seen with good tokens.
var mends = map[int]string{
	4004: "Discord refuses the bot token, which is tried again every 5 minutes: if it stays so, set DISCORD_BOT_TOKEN to the token of the application's Bot page and start again",
	4010: "Discord refuses the shard: this is a fault of the program, please report it",
	4011: "the bot is in so many servers that Discord demands sharding: use an application of its own for this bot, or HTTP interactions (DISCORD_PUBLIC_KEY)",
	4012: "Discord no longer speaks this version of the Gateway: update the program, or use HTTP interactions (DISCORD_PUBLIC_KEY)",
	4013: "Discord refuses the intents: this is a fault of the program, please report it",
	4014: "Discord refuses the intents: this is a fault of the program, please report it",
}

// errGivenUp is the cause of the end of a connection whose lease may belong to another replica.
var errGivenUp = errors.New("the right to the Gateway connection could not be kept")

// session is what a later connection needs to go on where one ended: it then gets the events that
// came meanwhile. Without an id there is none.
type session struct {
	id  string
	url string // where Discord wants it to be resumed
	seq int64  // of the last event
}

// supervise keeps a Gateway connection open until ctx ends, in one replica at a time. The first
// connection is made under a lease, as is one after a failure to connect, so that another replica
// may make it. A connection that was live is resumed at once; only new sessions are rationed.
func (a *Adapter) supervise(ctx context.Context) {
	var s session
	var resumed []time.Time
	pause, refusals := a.pace.least, 0
	for ctx.Err() == nil {
		var live bool
		var wait time.Duration
		err := a.bot.Alone(ctx, "gateway/discord/"+a.o.ApplicationID,
			func() {
				s = session{}
				a.standBy()
			},
			func(held context.Context) (err error) {
				a.stands.Store(false)
				for {
					was := s.id
					live, wait, err = a.connect(held, &s)
					if _, refused := errors.AsType[*fatal](err); refused {
						return err
					}
					if live {
						pause, refusals = a.pace.least, 0
					}
					if ctx.Err() == nil {
						a.status.set("gateway", fmt.Errorf("%w: %w", ErrOutage, err))
					}
					now := time.Now()
					for len(resumed) > 0 && now.Sub(resumed[0]) > time.Minute {
						resumed = resumed[1:]
					}
					if len(resumed) >= a.pace.resumes {
						wait = time.Until(resumed[0].Add(time.Minute))
					}
					if !live || s.id == "" || held.Err() != nil || wait > 0 {
						// Discord does not allow another identify so soon, from any replica
						sleep(held, time.Until(a.identified.Add(a.pace.apart)))
						return err
					}
					resumed = append(resumed, now)
					a.log.Info("the Gateway connection ended and is resumed", "err", err, "new", s.id != was)
				}
			})
		if ctx.Err() != nil {
			break
		}
		if f, ok := errors.AsType[*fatal](err); ok {
			refusals++
			wait = a.pace.afterRefusal(refusals)
			if refusals == 1 {
				a.log.Error("Discord refuses the Gateway connection", "mend", f.why, "err", f.err)
			}
			a.status.set("gateway", f)
			sleep(ctx, wait)
			continue
		}
		if wait == 0 {
			wait = pause/2 + rand.N(pause/2+1)
			pause = min(2*pause, a.pace.most)
		}
		a.log.Warn("the Gateway connection ended and is made anew", "err", err, "in", wait.Round(time.Millisecond))
		sleep(ctx, wait)
	}
}

// standBy records that another replica holds the connection, and that no frames come here.
func (a *Adapter) standBy() {
	a.stands.Store(true)
	a.status.set("gateway", nil)
	a.last.Store(0)
	a.log.Info("another replica holds the Gateway connection; this one waits for it")
}

// errNotGateway is the error of an address to which the bot token is not sent.
var errNotGateway = errors.New(
	"the address that Discord names for the Gateway is not one of its own, or not encrypted; the bot token is not sent there")

// connect opens one connection, with the session s if there is one, and returns when it has ended.
// live reports whether it got as far as events. s is then the session that a later connection can
// go on with. If wait is not 0, Discord asked to wait that long.
func (a *Adapter) connect(ctx context.Context, s *session) (live bool, wait time.Duration, err error) {
	at := s.url
	if s.id == "" || !a.isGateway(at) {
		b, err := a.rest.gateway(ctx)
		if err != nil {
			if tokenRefused(err) {
				return false, 0, &fatal{mends[4004], err}
			}
			later, _ := laterOf(err)
			return false, later, err
		}
		if s.id == "" && b.Limit.Remaining <= a.pace.reserve {
			return false, max(time.Duration(b.Limit.ResetAfter)*time.Millisecond, a.pace.apart), fmt.Errorf(
				"only %d connections are left for today, which are not used up: one too many would reset the token",
				b.Limit.Remaining)
		}
		if at = b.URL; !a.isGateway(at) {
			return false, 0, errNotGateway
		}
	}
	opening, cancel := context.WithTimeout(ctx, a.pace.open)
	defer cancel()
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: a.pace.open,
		NetDialContext: a.o.Dial}
	conn, resp, err := dialer.DialContext(opening, strings.TrimSuffix(at, "/")+"/?v=10&encoding=json", nil)
	if err != nil {
		s.url = "" // it is resumed where the API says
		if resp != nil {
			err = fmt.Errorf("the Gateway answered status %d", resp.StatusCode)
		}
		return false, 0, fmt.Errorf("connecting to the Gateway: %w", err)
	}
	k := &socket{a: a, conn: conn, session: s}
	defer k.hangUp(websocket.CloseAbnormalClosure)
	defer context.AfterFunc(ctx, func() { k.hangUp(websocket.CloseNormalClosure) })()
	k.late = time.AfterFunc(a.pace.open, func() { k.hangUp(closeResumable) })
	defer k.late.Stop()
	err = k.serve()
	live = k.live.Load()
	switch code := closeCode(err); {
	case ctx.Err() != nil:
		err = errGivenUp
	case !live && k.over.Load():
		err = fmt.Errorf("no READY within %v", a.pace.open)
	case mends[code] != "":
		*s = session{}
		return live, 0, &fatal{mends[code], fmt.Errorf("the Gateway closed with code %d", code)}
	case code != 0:
		err = fmt.Errorf("the Gateway closed with code %d", code)
		switch code {
		case 4003, 4005, 4007, 4009: // a new session must begin
			*s = session{}
		}
	}
	return live, 0, err
}

// closeCode is the code with which Discord closed the connection; 0 if it did not.
func closeCode(err error) int {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code != websocket.CloseAbnormalClosure {
		return e.Code
	}
	return 0
}

// closeResumable is a code after which Discord keeps the session.
const closeResumable = 4000

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

// socket is one connection.
type socket struct {
	a       *Adapter
	conn    *websocket.Conn
	session *session
	late    *time.Timer // hangs up if there is no READY
	live    atomic.Bool // READY or RESUMED came
	over    atomic.Bool // this side has hung up
	seq     atomic.Int64
	waiting atomic.Bool // a heartbeat is not answered yet

	writes sync.Mutex
}

// frame is what the Gateway sends.
type frame struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
	Seq  int64           `json:"s"`
	Type string          `json:"t"`
}

// The opcodes of the Gateway.
const (
	opDispatch  = 0
	opHeartbeat = 1
	opIdentify  = 2
	opResume    = 6
	opReconnect = 7
	opInvalid   = 9
	opHello     = 10
	opHeard     = 11
)

var (
	errAsked   = errors.New("asked by Discord to connect again")
	errInvalid = errors.New("the session is not known to Discord any more")
	errNoHello = errors.New("the Gateway did not begin with HELLO")
)

// serve reads frames until the connection ends, and returns why.
func (k *socket) serve() error {
	hello, err := k.read()
	if err != nil {
		return err
	}
	var interval struct {
		Milliseconds int64 `json:"heartbeat_interval"`
	}
	if hello.Op != opHello || json.Unmarshal(hello.Data, &interval) != nil || interval.Milliseconds <= 0 {
		return errNoHello
	}
	ended := make(chan struct{})
	defer close(ended)
	go k.beat(time.Duration(interval.Milliseconds)*time.Millisecond, ended)
	k.seq.Store(k.session.seq)
	if k.session.id != "" {
		err = k.send(opResume, map[string]any{"token": k.a.o.BotToken, "session_id": k.session.id,
			"seq": k.session.seq})
	} else {
		k.a.identified = time.Now()
		err = k.send(opIdentify, map[string]any{
			"token": k.a.o.BotToken, "intents": 0, // interactions need none
			"properties": map[string]string{"os": runtime.GOOS, "browser": "recallbot", "device": "recallbot"},
		})
	}
	if err != nil {
		return err
	}
	for {
		f, err := k.read()
		if err != nil {
			return err
		}
		switch f.Op {
		case opDispatch:
			k.session.seq = f.Seq
			k.seq.Store(f.Seq)
			k.dispatch(f)
		case opHeartbeat:
			err = k.heartbeat()
		case opReconnect:
			err = errAsked
		case opInvalid:
			if string(f.Data) != "true" {
				*k.session = session{}
			}
			err = errInvalid
		case opHeard:
			k.waiting.Store(false)
		}
		if err != nil {
			return err
		}
	}
}

// dispatch handles an event.
func (k *socket) dispatch(f frame) {
	switch f.Type {
	case "READY":
		var ready struct {
			ID  string `json:"session_id"`
			URL string `json:"resume_gateway_url"`
		}
		if json.Unmarshal(f.Data, &ready) != nil {
			return // such a session cannot be resumed
		}
		k.session.id, k.session.url = ready.ID, ready.URL
		k.ready("connected to Discord's Gateway")
	case "RESUMED":
		k.ready("connected to Discord's Gateway again")
	case "INTERACTION_CREATE":
		k.a.flow.Begin(func() { k.a.overGateway(f.Data) }) // nothing is begun when the program stops
	}
}

func (k *socket) ready(words string) {
	k.late.Stop()
	k.live.Store(true)
	k.a.status.set("gateway", nil)
	k.a.log.Info(words)
}

// beat sends heartbeats until the connection has ended. It hangs up if one was not answered before
// the next.
func (k *socket) beat(interval time.Duration, ended <-chan struct{}) {
	next := time.NewTimer(time.Duration(rand.Float64() * float64(interval)))
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-ended:
			return
		}
		if k.waiting.Swap(true) || k.heartbeat() != nil {
			k.hangUp(closeResumable)
			return
		}
		next.Reset(interval)
	}
}

func (k *socket) heartbeat() error {
	if n := k.seq.Load(); n > 0 {
		return k.send(opHeartbeat, n)
	}
	return k.send(opHeartbeat, nil)
}

func (k *socket) send(op int, d any) error {
	k.writes.Lock()
	defer k.writes.Unlock()
	k.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	return k.conn.WriteJSON(map[string]any{"op": op, "d": d})
}

// read returns the next frame. A peer that is silent for too long ends the connection.
func (k *socket) read() (f frame, err error) {
	k.conn.SetReadDeadline(time.Now().Add(k.a.pace.silence))
	_, text, err := k.conn.ReadMessage()
	if err != nil {
		return f, err
	}
	k.a.frame()
	if json.Unmarshal(text, &f) != nil {
		return f, errors.New("a frame of the Gateway is not JSON")
	}
	return f, nil
}

// hangUp closes the connection with a code, once.
func (k *socket) hangUp(code int) {
	if k.over.Swap(true) {
		return
	}
	if code != websocket.CloseAbnormalClosure {
		k.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""),
			time.Now().Add(time.Second))
	}
	k.conn.Close()
}

func laterOf(err error) (time.Duration, bool) {
	later, ok := errors.AsType[*bot.Later](err)
	if !ok {
		return 0, false
	}
	return later.After, true
}
