// Command recallbot removes group messages from Tencent Cloud Chat on the word of two people. Read
// on with: go doc recallbot/bot
package main

import (
	"context"
	"encoding/json"
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
		Serve: serve, Demo: sandbox.Demo, Check: checked,
		Open: func(ctx context.Context, url string) (console.Ledger, error) {
			return ledger.Open(ctx, url, ledger.Options{ReadOnly: true})
		},
		Manifests: manifests(),
	}))
}

// manifests are what sets the app up on each platform, by its id.
func manifests() map[string]func(address string) (string, error) {
	m := map[string]func(string) (string, error){}
	for _, known := range adapters.Platforms {
		m[string(known.ID)] = known.Manifest
	}
	return m
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
	chats    []chat           // of the platforms that are on
	webhook  *webhook.Webhook // nil when callbacks are off
	door     *inbound.Door
	handlers *http.ServeMux
	metrics  *metrics.Metrics
}

// chat is a platform that is on.
type chat struct {
	platform.Adapter
	id bot.Platform
}

func load(ctx context.Context) (config.Config, *slog.Logger, error) {
	c, err := config.Load(ctx, nil)
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
	for _, p := range append(c.Warnings(), config.Unknown(os.Environ())...) {
		log.Warn("configuration", "variable", p.Variable, "what", p.What, "mend", p.Mend)
	}
	return c, log, nil
}

// wire builds the program from its configuration. It calls nobody.
func wire(c config.Config, log *slog.Logger, l bot.Ledger) (*program, error) {
	p := &program{config: c, log: log, door: inbound.New(log), handlers: http.NewServeMux(), metrics: metrics.New()}
	var err error
	if p.chat, err = recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(c.Chat.SDKAppID), Admin: recall.UserID(c.Chat.Admin),
		SecretKey: c.Chat.SecretKey.Reveal(), UserSig: c.Chat.UserSig.Reveal(),
		Region: recall.Region(c.Chat.Region), BaseURL: c.Chat.BaseURL, Timeout: time.Duration(c.Chat.Timeout),
		CallsPerSecond: c.Chat.CallsPerSecond, ReadsPerSecond: c.Chat.ReadsPerSecond,
		Guard: time.Duration(c.Chat.WindowGuard),
	}); err != nil {
		return nil, err
	}
	if p.bot, err = bot.New(bot.Options{
		App: recall.SDKAppID(c.Chat.SDKAppID), Admin: recall.UserID(c.Chat.Admin), Reason: c.Chat.Reason,
		Ledger: l, Chat: p.metrics.Chat(p.chat), Policy: policy(c), Roster: roster(c.Policy.Roster),
		Evidence: bot.Evidence(c.Evidence.Keep), EvidenceTTL: time.Duration(c.Evidence.TTL),
		OnRequest: !c.Evidence.OnCards(),
		Callbacks: c.Chat.WebhookToken.Set(), Index: bot.Index(c.Evidence.Index),
		IndexTTL:       time.Duration(c.Evidence.IndexTTL),
		CallsPerSecond: c.Chat.CallsPerSecond, Window: time.Second + time.Duration(c.Chat.WindowGuard), Log: log,
	}); err != nil {
		return nil, err
	}
	p.history = history.New(p.bot)
	p.engine = engine{intake.New(p.history), worker.New(p.history)}
	if err := p.attach(); err != nil {
		return nil, err
	}
	p.metrics.Watch(p.bot)
	p.handlers.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	p.handlers.HandleFunc("GET /readyz", p.ready)
	return p, nil
}

// attach makes the adapters of the platforms that are on.
func (p *program) attach() (err error) {
	c := p.config
	for _, known := range adapters.Platforms {
		if !known.On(c) {
			continue
		}
		a, err := known.Open(platform.Wiring{
			Config: c, Bot: p.engine, Door: p.door, Log: p.log, Acked: p.metrics.Acked(known.ID),
		})
		if err != nil {
			return err
		}
		p.chats = append(p.chats, chat{a, known.ID})
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

// policy is the configured policy in the bot's own words.
func policy(c config.Config) bot.Policy {
	p := bot.Policy{
		Approvals: c.Policy.Approvals, LargeFrom: c.Policy.LargeFrom, LargeApprovals: c.Policy.LargeApprovals,
		MaxMessages:   c.Policy.MaxMessages,
		ApproveWithin: time.Duration(c.Policy.ApproveWithin), StartWithin: time.Duration(c.Policy.StartWithin),
		RemindAfter:    time.Duration(c.Policy.RemindAfter),
		ReasonRequired: c.Policy.Reason == config.ReasonRequired, Groups: c.Policy.Groups,
		Crowds: map[bot.Platform]bot.Crowd{},
	}
	for _, s := range c.Policy.ProtectedSenders {
		p.Protected = append(p.Protected, recall.UserID(s))
	}
	for _, known := range adapters.Platforms {
		if known.On(c) {
			p.Crowds[known.ID] = known.Crowd(c)
		}
	}
	return p
}

// roster is the configured roster in the bot's own words.
func roster(people config.Roster) bot.Roster {
	var r bot.Roster
	for _, who := range people {
		p := bot.Person{Name: who.Name}
		for _, known := range adapters.Platforms {
			p.Accounts = append(p.Accounts, known.Accounts(who)...)
		}
		r.People = append(r.People, p)
	}
	return r
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
	l, err := ledger.Open(ctx, c.Storage.DatabaseURL.Reveal(), ledger.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() {
		if err := l.Close(); err != nil {
			log.Error("closing the ledger", "err", err)
		}
	}()
	p, err := wire(c, log, l)
	if err != nil {
		return err
	}
	p.ledger = l
	listener, err := net.Listen("tcp", c.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
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
	serving := []any{"version", console.Version(), "http", listener.Addr().String()}
	for _, known := range adapters.Platforms {
		serving = append(serving, string(known.ID), known.On(c))
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

// ready tells whether this process can do its work: its database, its credentials. An outage of a
// remote service is told and changes nothing. Anybody may ask, so it speaks in words of this
// program alone: errors of others may hold addresses, names and keys.
func (p *program) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	parts := map[string]string{"database": "ok"}
	status := http.StatusOK
	_, err := p.engine.Recollect(ctx, "readyz") // reading may be what finds that the ledger has ended
	if ended := context.Cause(p.ledger.Alive()); ended != nil {
		parts["database"], status = ended.Error(), http.StatusServiceUnavailable
	} else if err != nil {
		p.log.Warn("the database could not be read for /readyz", "err", err)
		parts["database"], status = "it cannot be read: the log says why", http.StatusServiceUnavailable
	}
	for _, c := range p.chats {
		name := string(c.id)
		switch trouble, passing := c.Trouble(); {
		case trouble == "" && c.Remark() != "":
			parts[name] = "ok: " + c.Remark()
		case trouble == "":
			parts[name] = "ok"
		case passing:
			parts[name] = "outage: " + trouble
		default:
			parts[name], status = trouble, http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(parts)
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
	people := roster(c.Policy.Roster)
	for _, c := range p.chats {
		checked.Platforms = append(checked.Platforms, console.Platform{ID: c.id, Name: c.id.Traits().Name,
			Check: func(ctx context.Context) ([]bot.Finding, error) { return c.Check(ctx, people) }})
	}
	return checked, nil
}
