// Command recallbot removes group messages from Tencent Cloud Chat on the word of two people. Read
// on with: go doc recallbot/bot
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/console"
	"recallbot/adapters/inbound"
	"recallbot/adapters/metrics"
	"recallbot/adapters/platform"
	"recallbot/adapters/practice"
	"recallbot/adapters/ready"
	"recallbot/adapters/sandbox"
	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/bot/worker"
	"recallbot/config"
	"recallbot/recall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(console.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, console.Program{
		Serve: serve, Demo: sandbox.Demo, Practice: practice.Serve, Check: checked,
		Open: func(ctx context.Context, url string) (console.Ledger, error) {
			return ledger.Open(ctx, url, ledger.Options{ReadOnly: true})
		},
		Schema: ledger.Schema(), Manifests: manifests(),
	}))
}

// manifests are what sets the app up on each platform.
func manifests() []console.Manifest {
	var m []console.Manifest
	for _, known := range adapters.Platforms {
		m = append(m, console.Manifest{Word: string(known.ID),
			Short: "Print what sets the app up on " + known.ID.Traits().Name, Flags: known.Manifest})
	}
	return append(m, console.Kubernetes(config.Variables(adapters.Configurations())), console.AlertRules())
}

// engine is what the adapters hand events to, and what goes on by itself.
type engine struct {
	*intake.Intake
	*worker.Worker
}

// program is everything that runs, wired together.
type program struct {
	config   config.Config
	log      *slog.Logger
	ledger   *ledger.Ledger
	chat     *recall.Client
	bot      *bot.Bot
	history  *history.History
	engine   engine
	chats    []ready.Platform // those that are on
	webhook  *webhook.Webhook // nil when callbacks are off
	door     *inbound.Door
	handlers *http.ServeMux
	metrics  *metrics.Metrics
}

func load(ctx context.Context) (config.Config, *slog.Logger, error) {
	c, err := config.Load(ctx, os.Environ(), adapters.Configurations())
	if err != nil {
		return c, nil, err
	}
	options := &slog.HandlerOptions{Level: c.Log.Level}
	var handler slog.Handler = slog.NewJSONHandler(os.Stderr, options)
	if c.Log.Format == config.LogText {
		handler = slog.NewTextHandler(os.Stderr, options)
	}
	log := slog.New(handler)
	config.WithholdLibraries(log)
	for _, p := range c.Warnings {
		log.Warn("configuration", "variable", p.Variable, "what", p.What, "mend", p.Mend)
	}
	return c, log, nil
}

// wire builds the program from its configuration. It calls nobody.
func wire(c config.Config, log *slog.Logger, l bot.Ledger) (*program, error) {
	p := &program{config: c, log: log, door: inbound.New(log), handlers: http.NewServeMux(), metrics: metrics.New()}
	watched := ready.Watch(l)
	var err error
	if p.chat, err = recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(c.Chat.SDKAppID), Admin: recall.UserID(c.Chat.Admin),
		SecretKey: c.Chat.SecretKey.Reveal(), UserSig: c.Chat.UserSig.Reveal(),
		Region: recall.Region(c.Chat.Region), BaseURL: c.Chat.BaseURL, Timeout: c.Chat.Timeout,
		CallsPerSecond: c.Chat.CallsPerSecond, ReadsPerSecond: c.Chat.ReadsPerSecond,
		Guard: c.Chat.WindowGuard,
	}); err != nil {
		return nil, err
	}
	asked := ready.Heed(p.metrics.Chat(p.chat))
	if p.bot, err = bot.New(bot.Options{
		App: recall.SDKAppID(c.Chat.SDKAppID), Admin: recall.UserID(c.Chat.Admin), Reason: c.Chat.Reason,
		Ledger: watched, Chat: asked, Policy: c.Policy, Roster: c.Roster, Watch: p.metrics.Step,
		Evidence: c.Evidence.Keep, EvidenceTTL: c.Evidence.TTL, OnRequest: !c.Evidence.OnCards(),
		ForgetReasons: c.Evidence.ForgetReasons,
		Callbacks:     c.Chat.WebhookToken.Set(), Index: c.Evidence.Index, IndexTTL: c.Evidence.IndexTTL,
		CallsPerSecond: c.Chat.CallsPerSecond, Window: time.Second + c.Chat.WindowGuard, Log: log,
	}); err != nil {
		return nil, err
	}
	p.history = history.New(p.bot)
	p.engine = engine{intake.New(p.history), worker.New(p.history)}
	if err := p.attach(); err != nil {
		return nil, err
	}
	p.metrics.Watch(p.bot)
	p.metrics.Door(p.door)
	version, commit := console.Build()
	p.metrics.Built(version, commit, ledger.Schema())
	parts := ready.Options{App: recall.SDKAppID(c.Chat.SDKAppID), Ledger: watched, Ended: p.ended, Chat: asked,
		Platforms: p.chats, Log: log}
	if p.webhook != nil {
		parts.Callbacks = &ready.Callbacks{Last: p.webhook.Last,
			Refused: func() (string, time.Time) { return p.door.Last(webhook.From) }}
		p.metrics.Callbacks(func() int64 { return p.webhook.Counts().Taken },
			func() int64 { return p.webhook.Counts().Dropped })
	}
	p.handlers.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	p.handlers.Handle("GET /readyz", ready.New(parts))
	return p, nil
}

// ended is why the ledger takes nothing more; nil while it does.
func (p *program) ended() error {
	if p.ledger == nil { // check serves nothing
		return nil
	}
	return context.Cause(p.ledger.Alive())
}

// attach makes the adapters of the platforms that are on.
func (p *program) attach() (err error) {
	c := p.config
	for _, known := range adapters.Platforms {
		settings, on := c.Platforms[known.ID]
		if !on {
			continue
		}
		a, err := known.Open(platform.Wiring{
			Settings: settings, Bot: p.engine, Door: p.door, Log: p.log, Acked: p.metrics.Acked(known.ID),
		})
		if err != nil {
			return err
		}
		p.chats = append(p.chats, ready.Platform{ID: known.ID, Adapter: a})
		p.metrics.Heard(known.ID, a.LastFrame)
		p.engine.Attach(a)
		for _, path := range known.Paths {
			p.handlers.Handle(path, a.Handler())
		}
	}
	if c.Chat.WebhookToken.Set() {
		if p.webhook, err = webhook.New(webhook.Options{
			App: recall.SDKAppID(c.Chat.SDKAppID), Token: c.Chat.WebhookToken.Reveal(), Bot: p.history, Log: p.log,
			Door: p.door,
		}); err != nil {
			return err
		}
		p.handlers.Handle("/chat/webhook", p.webhook)
	}
	return nil
}

// memoryAim is from how much memory on garbage is collected more eagerly, in bytes: a flood of
// 100,000 messages is to stay under 100 MB, code and SQLite's own memory included. It is an aim,
// not a limit; GOMEMLIMIT, where it is set, is what counts.
const memoryAim = 56 << 20

// serve runs the bot until ctx ends, then stops in order: no new events; the calls in flight and
// the leases; the database. It stops in the same order, and fails, when the ledger takes nothing
// more from this process.
func serve(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryAim)
	}
	c, log, err := load(ctx)
	if err != nil {
		return err
	}
	listener, unheard := net.Listen("tcp", c.HTTP.Addr)
	var l *ledger.Ledger
	err = whileMigrating(listener, func() (err error) {
		l, err = ledger.Open(ctx, c.Storage.DatabaseURL.Reveal(), ledger.Options{Log: log})
		return err
	})
	if err != nil {
		return errors.Join(err, hush(listener))
	}
	defer func() {
		if err := l.Close(); err != nil {
			log.Error("closing the ledger", "err", err)
		}
	}()
	if unheard != nil {
		return fmt.Errorf("HTTP_ADDR: %w", unheard)
	}
	p, err := wire(c, log, l)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	p.ledger = l
	admin, err := net.Listen("tcp", c.HTTP.AdminAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("ADMIN_ADDR: %w", err), listener.Close())
	}
	front := newServer(exact(p.handlers), log)
	servers := map[*http.Server]net.Listener{front: p.door.Guard(front, listener),
		newServer(p.metrics.Handler(), log): admin}
	events, stopEvents := context.WithCancel(ctx)
	defer stopEvents()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	failed := make(chan error, 8)
	var taking, working sync.WaitGroup
	working.Go(func() {
		if err := p.engine.Run(work); err != nil {
			failed <- err
		}
	})
	for _, run := range p.loops() {
		taking.Go(func() {
			if err := run(events); err != nil {
				failed <- err
			}
		})
	}
	for server, l := range servers {
		taking.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	version, commit := console.Build()
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	taking.Go(func() {
		for {
			select {
			case <-hangUps:
				log.Warn("SIGHUP is ignored: the configuration is read at the start, so restart the process to change it")
			case <-events.Done():
				return
			}
		}
	})
	serving := []any{"version", version, "commit", commit, "http", listener.Addr().String()}
	for _, known := range adapters.Platforms {
		_, on := c.Platforms[known.ID]
		serving = append(serving, string(known.ID), on)
	}
	log.Info("serving", append(serving, "database", c.Storage.Scheme())...)

	select {
	case <-ctx.Done():
	case err = <-failed:
		log.Error("a part of the program failed; stopping", "err", err)
	case <-p.ledger.Alive().Done():
		err = context.Cause(p.ledger.Alive())
		log.Error("the ledger takes nothing more; stopping", "err", err)
	}
	log.Info("stopping")
	stopEvents()
	hangUp := func() {
		graceful, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for server := range servers {
			if err := server.Shutdown(graceful); err != nil {
				server.Close()
			}
		}
	}
	ended := p.ledger.Alive().Err() != nil
	if !ended {
		hangUp()
	}
	stopWork()
	working.Wait()
	if ended { // no event can be stored, and until now /readyz has told why
		hangUp()
	}
	taking.Wait()
	return err
}

// whileMigrating runs open, which may bring the ledger's schema up to date and take a minute. Until
// it returns, the listener answers /healthz, and /readyz that it is migrating.
func whileMigrating(listener net.Listener, open func() error) error {
	tcp, ok := listener.(*net.TCPListener)
	if !ok { // there is none
		return open()
	}
	answers := http.NewServeMux()
	answers.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	answers.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "migrating", http.StatusServiceUnavailable)
	})
	server := &http.Server{Handler: answers, ReadHeaderTimeout: 5 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(lent{tcp}) })
	err := open()
	server.Close()
	serving.Wait()
	return errors.Join(err, tcp.SetDeadline(time.Time{}))
}

// lent is a listener that is used for a while: closing it ends the Accept that waits, and nothing
// else.
type lent struct{ *net.TCPListener }

func (l lent) Close() error { return l.SetDeadline(time.Now()) }

// hush closes a listener, if there is one.
func hush(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// exact answers 404 to an address that is not written as it is known, where a ServeMux would point
// to how it is.
func exact(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path.Clean(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(config.NewWithheld(log), slog.LevelDebug),
	}
}

// loops are those that take events in.
func (p *program) loops() []func(context.Context) error {
	var l []func(context.Context) error
	for _, c := range p.chats {
		l = append(l, c.Run)
	}
	if p.webhook != nil {
		l = append(l, p.webhook.Run)
	}
	return l
}

// checked wires the program for the command check, with no ledger: the disk may be read only, and
// there may be no folder for temporary files.
func checked(ctx context.Context) (console.Checked, error) {
	c, log, err := load(ctx)
	if err != nil {
		return console.Checked{}, err
	}
	p, err := wire(c, log, ledger.None{})
	if err != nil {
		return console.Checked{}, err
	}
	checked := console.Checked{Config: c, Chat: p.chat, Database: func(ctx context.Context) []bot.Finding {
		return ledger.Check(ctx, c.Storage.DatabaseURL.Reveal(), log)
	}}
	for _, chat := range p.chats {
		checked.Platforms = append(checked.Platforms, console.Platform{ID: chat.ID, Name: chat.ID.Traits().Name,
			Check: func(ctx context.Context) ([]bot.Finding, error) { return chat.Check(ctx, c.Roster) }})
	}
	return checked, nil
}
