// Command recallbot removes group messages from Tencent Cloud Chat on the word of two people. Read
// on with: go doc recallbot/bot
package main

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/inbound"
	"recallbot/adapters/metrics"
	"recallbot/adapters/sandbox"
	"recallbot/adapters/slack"
	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/bot/worker"
	"recallbot/config"
	"recallbot/recall"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // configuration or usage
)

const usage = `recallbot removes group messages from Tencent Cloud Chat on the word of two people.

usage:
  recallbot                            serve, configured by the environment (README.md)
  recallbot demo                       play the whole flow on this machine: no accounts, nothing leaves it
  recallbot check                      try the configuration against the real services, reading only
  recallbot manifest slack [--http URL]  the app manifest for Slack
  recallbot manifest discord           the invite link and the commands for Discord
  recallbot audit export [--csv] [--from TIME] [--till TIME] [--group ID] [--person NAME] [--request R-...]
                                       the audit log, oldest first; times in RFC 3339
  recallbot audit verify [--receipt HEAD]  check its chain; HEAD is what a receipt says: number and hash
  recallbot backup FILE                a consistent copy of the SQLite file, while it serves
  recallbot health                     exit code by /healthz, for a container
  recallbot version

exit codes: 0 done, 1 failed, 2 configuration or usage
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	var bad usageError
	var problems config.Problems
	switch {
	case err == nil:
		os.Exit(exitDone)
	case errors.As(err, &problems):
		fmt.Fprintf(os.Stderr, "recallbot: the configuration has %d problems:\n%v\n", len(problems), problems)
		os.Exit(exitUsage)
	case errors.As(err, &bad):
		fmt.Fprintf(os.Stderr, "recallbot: %s\n\n%s", bad, usage)
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, "recallbot:", err)
		os.Exit(exitFailed)
	}
}

// usageError is a command line that cannot be read.
type usageError string

func (u usageError) Error() string { return string(u) }

func run(ctx context.Context, args []string) error {
	command, rest := "serve", args
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	for _, a := range args {
		if a == "--help" || a == "-h" || a == "help" {
			fmt.Print(usage)
			return nil
		}
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	httpURL := flags.String("http", "", "")
	receipt := flags.String("receipt", "", "")
	asCSV := flags.Bool("csv", false, "")
	var filter bot.AuditFilter
	flags.StringVar((*string)(&filter.Group), "group", "", "")
	flags.StringVar(&filter.Person, "person", "", "")
	flags.StringVar((*string)(&filter.Request), "request", "", "")
	moment := func(t *time.Time) func(string) error {
		return func(s string) (err error) {
			*t, err = time.Parse(time.RFC3339, s)
			return err
		}
	}
	flags.Func("from", "", moment(&filter.From))
	flags.Func("till", "", moment(&filter.Till))
	words, err := parse(flags, rest)
	if err != nil {
		return usageError(err.Error())
	}
	sub := strings.Join(append([]string{command}, words...), " ")
	switch {
	case sub == "serve":
		return serve(ctx)
	case sub == "demo":
		return sandbox.Demo(ctx, os.Stdout)
	case sub == "check":
		return check(ctx)
	case sub == "manifest slack":
		body, err := slack.Manifest(*httpURL)
		if err != nil {
			return usageError(err.Error())
		}
		_, err = fmt.Printf("%s\n", body)
		return err
	case sub == "manifest discord":
		return manifestDiscord()
	case sub == "audit export":
		return auditExport(ctx, filter, *asCSV)
	case sub == "audit verify":
		return auditVerify(ctx, *receipt)
	case command == "backup" && len(words) == 1:
		return backup(ctx, words[0])
	case sub == "health":
		return health(ctx)
	case sub == "version":
		fmt.Println(version())
		return nil
	}
	return usageError(fmt.Sprintf("unknown command %q", sub))
}

// parse reads flags wherever they stand among the words.
func parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
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
	slack    *slack.Adapter   // nil when Slack is off
	discord  *discord.Adapter // nil when Discord is off
	webhook  *webhook.Webhook // nil when callbacks are off
	door     *inbound.Door
	handlers *http.ServeMux
	metrics  *metrics.Metrics
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
	if c.Slack.On() {
		var secrets []string
		for _, s := range c.Slack.SigningSecrets {
			secrets = append(secrets, s.Reveal())
		}
		if p.slack, err = slack.New(slack.Options{
			BotToken: c.Slack.BotToken.Reveal(), AppToken: c.Slack.AppToken.Reveal(), SigningSecrets: secrets,
			APIURL: c.Slack.APIURL, Log: p.log, Bot: p.engine, Acked: p.metrics.Acked(bot.Slack), Door: p.door,
		}); err != nil {
			return err
		}
		p.metrics.Heard(bot.Slack, p.slack.LastFrame)
		p.engine.Attach(p.slack)
		p.handlers.Handle("/slack/commands", p.slack.Handler())
		p.handlers.Handle("/slack/interactions", p.slack.Handler())
	}
	if c.Discord.On() {
		if p.discord, err = discord.New(discord.Options{
			BotToken: c.Discord.BotToken.Reveal(), ApplicationID: c.Discord.ApplicationID,
			PublicKey: hex.EncodeToString(c.Discord.PublicKey),
			BaseURL:   c.Discord.BaseURL, Guilds: c.Discord.Guilds, Log: p.log, Bot: p.engine,
			Acked: p.metrics.Acked(bot.Discord),
			Door:  p.door,
		}); err != nil {
			return err
		}
		p.metrics.Heard(bot.Discord, p.discord.LastFrame)
		p.engine.Attach(p.discord)
		p.handlers.Handle("/discord/interactions", p.discord.Handler())
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
	crowd := func(requesters, approvers config.People, channels config.Channels) bot.Crowd {
		return bot.Crowd{Requesters: principals(requesters), Approvers: principals(approvers), Channels: channels,
			AnyChannel: channels.Any()}
	}
	if c.Slack.On() {
		p.Crowds[bot.Slack] = crowd(c.Slack.Requesters, c.Slack.Approvers, c.Slack.Channels)
	}
	if c.Discord.On() {
		p.Crowds[bot.Discord] = crowd(c.Discord.Requesters, c.Discord.Approvers, c.Discord.Channels)
	}
	return p
}

func principals(people config.People) []bot.Principal {
	var l []bot.Principal
	for _, u := range people.Users {
		l = append(l, bot.Principal{User: u})
	}
	for _, g := range people.Groups {
		l = append(l, bot.Principal{Group: g})
	}
	return l
}

// roster is the configured roster in the bot's own words. A Slack account may name its team:
// "T1/U1".
func roster(people config.Roster) bot.Roster {
	var r bot.Roster
	for _, who := range people {
		p := bot.Person{Name: who.Name}
		for _, s := range who.Slack {
			team, user, ok := strings.Cut(s, "/")
			if !ok {
				team, user = "", s
			}
			p.Accounts = append(p.Accounts, bot.Account{Platform: bot.Slack, Workspace: team, User: user})
		}
		for _, d := range who.Discord {
			p.Accounts = append(p.Accounts, bot.Account{Platform: bot.Discord, Workspace: "discord", User: d})
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
	for _, run := range p.adapters() {
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
	log.Info("serving", "version", version(), "http", listener.Addr().String(), "slack", c.Slack.On(), "discord",
		c.Discord.On(), "database", c.Storage.Scheme())

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

// adapters are the loops that take events in.
func (p *program) adapters() []func(context.Context) error {
	var l []func(context.Context) error
	if p.slack != nil {
		l = append(l, p.slack.Run)
	}
	if p.discord != nil {
		l = append(l, p.discord.Run)
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
	if err := context.Cause(p.ledger.Alive()); err != nil {
		parts["database"], status = err.Error(), http.StatusServiceUnavailable
	} else if _, err := p.engine.Recollect(ctx, "readyz"); err != nil {
		p.log.Warn("the database could not be read for /readyz", "err", err)
		parts["database"], status = "it cannot be read: the log says why", http.StatusServiceUnavailable
	}
	tell := func(name, trouble string, passing bool) {
		switch {
		case trouble == "":
			parts[name] = "ok"
		case passing:
			parts[name] = "outage: " + trouble
		default:
			parts[name], status = trouble, http.StatusServiceUnavailable
		}
	}
	if p.slack != nil {
		trouble, passing := p.slack.Trouble()
		tell("slack", trouble, passing)
	}
	if p.discord != nil {
		trouble, passing := p.discord.Trouble()
		tell("discord", trouble, passing)
		if trouble == "" && p.discord.StandsBy() {
			parts["discord"] = "ok: another replica holds the Gateway connection"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(parts)
}

// health asks the serving process on this machine whether it lives.
func health(ctx context.Context) error {
	addr := os.Getenv("HTTP_ADDR")
	if addr == "" {
		addr = ":8080"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usageError("HTTP_ADDR: " + err.Error())
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("unhealthy: %s", answer.Status)
	}
	return nil
}

// nowhere is a ledger for check, which keeps nothing: the disk may be read only, and there may be
// no folder for temporary files.
type nowhere struct{ bot.Ledger }

var errNowhere = errors.New("there is no ledger while the configuration is checked")

func (nowhere) Tx(context.Context, func(bot.Tx) error) error { return errNowhere }

func (nowhere) View(context.Context, func(bot.Tx) error) error { return errNowhere }

// check tries the configuration against the real services, reading only, and prints what is well
// and what is to be mended.
func check(ctx context.Context) error {
	c, log, err := load(ctx)
	if err != nil {
		return err
	}
	p, err := wire(c, log, nowhere{}) // the bot's own database is not touched
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	bad := 0
	tell := func(where string, found ...bot.Finding) {
		for _, f := range found {
			mark, mend := "ok  ", ""
			switch {
			case f.Hint:
				mark = "note"
			case f.Mend != "":
				mark = "BAD "
				bad++
			}
			if f.Mend != "" {
				mend = ": " + f.Mend
			}
			fmt.Printf("%s %s: %s%s\n", mark, where, f.What, mend)
		}
	}
	for _, w := range c.Warnings() {
		tell("configuration", bot.Finding{What: w.Variable + " " + w.What, Mend: w.Mend, Hint: true})
	}
	switch l, err := ledger.Open(ctx, c.Storage.DatabaseURL.Reveal(), ledger.Options{Log: log, ReadOnly: true}); {
	case err == nil:
		tell("database", bot.Finding{What: "it can be read, and is of this version"})
		tell("database", l.Check()...)
		err = l.Close()
		if err != nil {
			tell("database", bot.Finding{What: err.Error(), Mend: "see the disk"})
		}
	case c.Storage.Scheme() == config.SQLite && errors.Is(err, fs.ErrNotExist):
		tell("database", bot.Finding{What: "there is none yet", Mend: "it is made at the first start", Hint: true})
	case errors.Is(err, ledger.ErrNewer), errors.Is(err, ledger.ErrInUse):
		tell("database", bot.Finding{What: err.Error(), Mend: "serving would be refused"})
	default:
		tell("database", bot.Finding{What: err.Error(),
			Mend: "see DATABASE_URL; one of another version is brought up to date at the next start", Hint: true})
	}
	// A group that does not exist is asked for: that answer proves key, admin, app and region.
	_, err = p.chat.GetGroupInfo(ctx, "recallbot-check")
	switch api, ok := errors.AsType[*recall.Error](err); {
	case err == nil, ok && (api.Code == recall.CodeNoGroup || api.Code == recall.CodeBadGroupID):
		tell("chat", bot.Finding{What: "the service takes the key, the admin account and the region"})
	case ok:
		tell("chat", bot.Finding{What: err.Error(),
			Mend: api.Code.Meaning() + " See CHAT_SDK_APP_ID, CHAT_SECRET_KEY, CHAT_ADMIN and CHAT_REGION"})
	default:
		tell("chat", bot.Finding{What: err.Error(), Mend: "see that the service can be reached from here"})
	}
	if c.Chat.UserSig.Set() {
		till, err := recall.UserSigExpiry(c.Chat.UserSig.Reveal())
		switch {
		case err != nil:
			tell("chat", bot.Finding{What: err.Error(),
				Mend: "set CHAT_USER_SIG to one that the console or your server signed"})
		case time.Until(till) < 24*time.Hour:
			tell("chat", bot.Finding{What: "CHAT_USER_SIG ends at " + till.UTC().Format(time.RFC3339),
				Mend: "renew it, or set CHAT_SECRET_KEY instead"})
		default:
			tell("chat", bot.Finding{What: "CHAT_USER_SIG is good until " + till.UTC().Format(time.RFC3339)})
		}
	}
	if p.slack != nil {
		found, err := p.slack.Check(ctx, roster(c.Policy.Roster))
		if err != nil {
			tell("slack", bot.Finding{What: err.Error(), Mend: "see that Slack can be reached from here"})
		}
		tell("slack", found...)
	}
	if p.discord != nil {
		found, err := p.discord.Check(ctx, roster(c.Policy.Roster))
		if err != nil {
			tell("discord", bot.Finding{What: err.Error(), Mend: "see that Discord can be reached from here"})
		}
		tell("discord", found...)
	}
	if bad > 0 {
		return fmt.Errorf("%d to mend", bad)
	}
	return nil
}

func manifestDiscord() error {
	id := os.Getenv("DISCORD_APPLICATION_ID")
	if id == "" {
		return usageError("manifest discord needs DISCORD_APPLICATION_ID")
	}
	invite, commands, err := discord.Manifest(id)
	if err != nil {
		return usageError(err.Error())
	}
	_, err = fmt.Printf("%s\n%s\n", invite, commands)
	return err
}

// readLedger opens the ledger beside a process that serves it.
func readLedger(ctx context.Context) (*ledger.Ledger, error) {
	url := os.Getenv("DATABASE_URL")
	if file := os.Getenv("DATABASE_URL_FILE"); url == "" && file != "" {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		url = strings.TrimSpace(string(body))
	}
	if url == "" {
		url = "sqlite:recallbot.db"
	}
	return ledger.Open(ctx, url, ledger.Options{ReadOnly: true})
}

// entries calls fn for every entry of the audit log, oldest first.
func entries(ctx context.Context, fn func(bot.Entry) error) error {
	l, err := readLedger(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	for from := int64(1); ; {
		var page []bot.Entry
		err := l.View(ctx, func(tx bot.Tx) (err error) {
			page, err = tx.Entries(from, 10_000)
			return err
		})
		for _, e := range page { // before the error: it may be about a later one
			if err := fn(e); err != nil {
				return err
			}
		}
		if err != nil || len(page) == 0 {
			return err
		}
		from = page[len(page)-1].N + 1
	}
}

func auditExport(ctx context.Context, filter bot.AuditFilter, asCSV bool) error {
	if !asCSV {
		out := json.NewEncoder(os.Stdout)
		return entries(ctx, func(e bot.Entry) error {
			if !filter.Match(e) {
				return nil
			}
			return out.Encode(e)
		})
	}
	out := csv.NewWriter(os.Stdout)
	if err := out.Write(bot.EntryHeader()); err != nil {
		return err
	}
	if err := entries(ctx, func(e bot.Entry) error {
		if !filter.Match(e) {
			return nil
		}
		return out.Write(e.Row())
	}); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func auditVerify(ctx context.Context, receipt string) error {
	l, err := readLedger(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	n, hash, err := bot.VerifyAudit(ctx, l, receipt)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%d entries, the chain holds; head %d %s\n", n, n, hash)
	return err
}

func backup(ctx context.Context, file string) error {
	l, err := readLedger(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Backup(ctx, file)
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return strings.TrimSpace(v + " " + info.GoVersion)
}
