package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/platform"
	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/config"
	"recallbot/recall"
)

// process is one run of the bot, with everything that a process has: its ledger, its connections,
// its loops.
type process struct {
	s      *Sandbox
	cut    *cut
	ledger *gate
	bot    *bottest.Engine
	log    *slog.Logger

	adapters map[bot.Platform]platform.Adapter

	serving, working context.Context // of the adapters, of the bot
	stopServing      context.CancelFunc
	stopWorking      context.CancelFunc
	served, running  sync.WaitGroup // the adapters' loops; every loop
	bases            []*http.Transport
}

// connectWithin is how long a process may take to be connected everywhere.
const connectWithin = 10 * time.Second

func (s *Sandbox) start() (*process, error) {
	p := &process{s: s, log: slog.New(s.log.handler()), adapters: map[bot.Platform]platform.Adapter{}}
	p.cut = newCut()
	p.serving, p.stopServing = context.WithCancel(context.Background())
	p.working, p.stopWorking = context.WithCancel(context.Background())
	l, err := ledger.Open(p.working, "sqlite:"+s.database(), ledger.Options{Log: p.log,
		Clock: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's ledger: %w", err)
	}
	p.ledger = &gate{Ledger: l}
	if s.o.watch != nil {
		p.ledger.Ledger = s.o.watch(l)
	}
	fail := func(err error) (*process, error) { return nil, errors.Join(err, p.kill()) }
	c, err := s.config()
	if err != nil {
		return fail(err)
	}
	client, err := recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(c.Chat.SDKAppID), SecretKey: c.Chat.SecretKey.Reveal(), BaseURL: c.Chat.BaseURL,
		CallsPerSecond: s.o.Quota,
		HTTPClient:     p.client(s.chat.Client()),
	})
	if err != nil {
		return fail(fmt.Errorf("make the Chat client: %w", err))
	}
	o := bot.Options{
		App: recall.SDKAppID(s.chat.SDKAppID()), Admin: recall.UserID(c.Chat.Admin), Ledger: p.ledger, Chat: client,
		Policy: c.Policy,
		Roster: s.roster, Evidence: s.o.Evidence, EvidenceTTL: s.o.EvidenceTTL, OnRequest: s.o.OnRequest,
		Callbacks: s.o.Callbacks, Index: s.o.Index,
		CallsPerSecond: s.o.Quota, Log: p.log,
	}
	if p.bot, err = bottest.NewEngine(o); err != nil {
		return fail(err)
	}
	for _, id := range s.o.Platforms {
		home := s.sides[id].home
		a, err := s.sides[id].known.Open(platform.Wiring{Settings: c.Platforms[id], Bot: p.bot, Log: p.log,
			Client: p.client(home.Client()), Dial: p.dial(home.Dial)})
		if err != nil {
			return fail(err)
		}
		if s.o.HTTP {
			home.Deliver(a.Handler())
		}
		p.adapters[id] = a
		p.bot.Attach(a)
	}
	run := func(f func() error) {
		p.running.Go(func() {
			if err := f(); err != nil {
				p.log.Error("a loop ended", "err", err)
			}
		})
	}
	run(func() error { return p.bot.Run(p.working) })
	if s.o.Callbacks {
		hook, err := webhook.New(webhook.Options{App: o.App, Token: hookToken, Bot: p.bot.History, Log: p.log})
		if err != nil {
			return fail(err)
		}
		run(func() error { return hook.Run(p.working) })
		s.hook.Store(hook)
	}
	for _, id := range s.o.Platforms {
		p.served.Add(1)
		run(func() error { defer p.served.Done(); return p.adapters[id].Run(p.serving) })
	}
	for end := time.Now().Add(connectWithin); ; time.Sleep(10 * time.Millisecond) {
		up := true
		for _, id := range s.o.Platforms {
			trouble, _ := p.adapters[id].Trouble()
			up = up && (trouble == "" || s.unready) && s.sides[id].home.Connected(s.o.HTTP)
		}
		if up {
			return p, nil
		}
		if time.Now().After(end) {
			return fail(fmt.Errorf("sandbox: the bot was not connected within %v; its log:\n%s", connectWithin, s.log))
		}
	}
}

// config is the configuration of the bot in this world: what its environment says, with the policy
// of the options.
func (s *Sandbox) config() (config.Config, error) {
	env := []string{
		fmt.Sprintf("CHAT_SDK_APP_ID=%d", s.chat.SDKAppID()), "CHAT_SECRET_KEY=" + s.chat.SecretKey(),
		"CHAT_BASE_URL=" + s.chatURL,
	}
	for _, id := range s.o.Platforms {
		for name, value := range s.sides[id].home.Environment(s.o.HTTP) {
			env = append(env, name+"="+value)
		}
	}
	c, err := config.Load(context.Background(), env, adapters.Configurations())
	if err != nil {
		return c, fmt.Errorf("configure the bot of the sandbox: %w", err)
	}
	crowds := c.Policy.Crowds
	c.Policy = s.o.Policy
	if c.Policy.Crowds = crowds; s.crowds != nil {
		c.Policy.Crowds = s.crowds
	}
	return c, nil
}

// stop ends the process in order: nothing more comes in, then what was begun is finished.
func (p *process) stop() error {
	p.stopServing()
	p.served.Wait()
	p.stopWorking()
	p.running.Wait()
	err := p.ledger.Close()
	p.hangUp()
	return err
}

// kill disconnects the process from everything, and lets its goroutines end by themselves.
func (p *process) kill() error {
	err := p.ledger.shut()
	p.cut.all()
	p.stopServing()
	p.stopWorking()
	p.hangUp()
	return err
}

func (p *process) hangUp() {
	for _, t := range p.bases {
		t.CloseIdleConnections()
	}
}

// client returns an HTTP client that a kill cuts off: the service's own in process, else one that
// reaches loopback alone.
func (p *process) client(inProcess *http.Client) *http.Client {
	c := &http.Client{Transport: &wire{cut: p.cut, base: inProcess.Transport}}
	if p.s.o.Loopback {
		t := &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: 16}
		p.bases = append(p.bases, t)
		c.Transport = &wire{cut: p.cut, base: t}
	}
	return c
}

// dial returns how sockets are opened, so that a kill breaks them: by inProcess, else to loopback
// alone.
func (p *process) dial(inProcess func(ctx context.Context, network, addr string) (net.Conn,
	error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if p.s.o.Loopback {
		inProcess = dialLoopback
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := inProcess(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c, p.cut.add(c)
	}
}

// dialLoopback connects to this machine and to no other.
func dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("sandbox: %s is not on this machine", host)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

var errKilled = errors.New("sandbox: the process was killed")

// gate is the ledger as one process reaches it. Once shut, nothing passes.
type gate struct {
	bot.Ledger
	mu   sync.RWMutex
	dead bool
}

// shut waits for the transactions that run, closes the ledger, and lets no more through.
func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = true
	return g.Ledger.Close()
}

func (g *gate) through(f func() error) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.dead {
		return errKilled
	}
	return f()
}

func (g *gate) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	return g.through(func() error { return g.Ledger.Tx(ctx, fn) })
}

func (g *gate) View(ctx context.Context, fn func(bot.Tx) error) error {
	return g.through(func() error { return g.Ledger.View(ctx, fn) })
}

func (g *gate) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l bot.Lease, err error) {
	err = g.through(func() error { l, err = g.Ledger.Acquire(ctx, name, holder, ttl); return err })
	return l, err
}

func (g *gate) Renew(ctx context.Context, l bot.Lease, ttl time.Duration) error {
	return g.through(func() error { return g.Ledger.Renew(ctx, l, ttl) })
}

func (g *gate) Release(ctx context.Context, l bot.Lease) error {
	return g.through(func() error { return g.Ledger.Release(ctx, l) })
}

// cut closes the connections that a process holds open.
type cut struct {
	ctx   context.Context
	sever context.CancelCauseFunc

	mu    sync.Mutex
	conns []net.Conn
}

func newCut() *cut {
	c := &cut{}
	c.ctx, c.sever = context.WithCancelCause(context.Background())
	return c
}

func (c *cut) add(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		conn.Close()
		return errKilled
	}
	c.conns = append(c.conns, conn)
	return nil
}

func (c *cut) all() {
	c.sever(errKilled)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
}

// wire is a RoundTripper that ends with its process.
type wire struct {
	cut  *cut
	base http.RoundTripper
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.cut.ctx.Err() != nil {
		return nil, errKilled
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(w.cut.ctx, func() { cancel(errKilled) })
	done := func() { stop(); cancel(nil) }
	resp, err := w.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		done()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, done: done}
	return resp, nil
}

// body lets go of its request when it is closed.
type body struct {
	io.ReadCloser
	done func()
}

func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
