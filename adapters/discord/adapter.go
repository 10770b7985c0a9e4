package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// Bot is the part of *intake.Intake and *worker.Worker that the adapter calls.
type Bot interface {
	intake.Doer
	Remember(ctx context.Context, key, value string) error
	Recollect(ctx context.Context, key string) (string, error)
	PolicyNow() bot.Policy
	RosterNow() bot.Roster
	Alone(ctx context.Context, name string, waits func(), fn func(ctx context.Context) error) error
}

// Options configures an Adapter. BotToken, ApplicationID, Guilds and Bot are required.
type Options struct {
	BotToken      string // without "Bot "
	ApplicationID string
	// PublicKey is the application's key, in hex. With it, interactions come by HTTP (Handler),
	// else over the Gateway.
	PublicKey string
	// BaseURL is scheme and host of the API; "" is https://discord.com. The Gateway's address comes
	// from it.
	BaseURL string
	// Guilds are the servers in which the bot may be used; its commands are registered in each.
	Guilds []string
	// HTTPClient makes the calls, with redirects switched off; nil is a client that the adapter
	// makes. Dial connects to the Gateway; nil uses the network.
	HTTPClient *http.Client
	Dial       func(ctx context.Context, network, addr string) (net.Conn, error)
	// Acked, if set, is called with the time of each interaction from its arrival until it is
	// stored and its answer is ready to be sent.
	Acked func(time.Duration)
	// Door bounds unverified requests to Handler; nil is a Door that the adapter makes.
	Door *inbound.Door
	Log  *slog.Logger // nil for the default
	Bot  Bot
}

// ErrOutage is wrapped by the error of Ready when Discord cannot be reached at the moment, and
// nothing is wrong with the configuration.
var ErrOutage = errors.New("no connection to Discord")

// Adapter is the bot on Discord. It receives interactions and is the bot.Surface on which cards are
// shown.
type Adapter struct {
	o    Options
	bot  Bot
	log  *slog.Logger
	rest *rest
	key  ed25519.PublicKey
	pace pace

	seen      sights
	lately    lately
	answering answering
	answers   answers
	posted    bot.Posted
	heads     headcount
	status    status
	last      atomic.Int64 // unix nanoseconds of the last frame or request from Discord
	stands    atomic.Bool  // another replica holds the Gateway connection
	// identified is when the supervisor last began a new session.
	identified time.Time

	flow *intake.Flow
}

// New returns an Adapter. It checks the options and makes no calls. If Run is not called, Close
// waits for the followups that are being sent.
func New(o Options) (*Adapter, error) {
	var wrong []error
	if o.BotToken == "" {
		wrong = append(wrong, errors.New("the bot token is missing"))
	}
	if !isSnowflake(o.ApplicationID) {
		wrong = append(wrong, errors.New("the application id is not a number"))
	}
	if len(o.Guilds) == 0 || slices.ContainsFunc(o.Guilds, func(g string) bool { return !isSnowflake(g) }) {
		wrong = append(wrong, errors.New("the guilds are not a list of ids"))
	}
	if o.Bot == nil {
		wrong = append(wrong, errors.New("there is no bot"))
	}
	key, err := hex.DecodeString(o.PublicKey)
	if err != nil || len(key) != 0 && len(key) != ed25519.PublicKeySize {
		wrong = append(wrong, fmt.Errorf("the public key is not %d hex digits", 2*ed25519.PublicKeySize))
	}
	if o.BaseURL == "" {
		o.BaseURL = "https://discord.com"
	}
	if u, err := url.Parse(o.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		wrong = append(wrong, errors.New("the base URL has no scheme or host"))
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("setting up Discord: %w", errors.Join(wrong...))
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 5 * time.Second,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext, ForceAttemptHTTP2: true,
		}}
	}
	client := *o.HTTPClient
	// A redirect could lead to another host, with the token in the request.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	o.HTTPClient = &client
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Door == nil {
		o.Door = inbound.New(o.Log)
	}
	a := &Adapter{o: o, bot: o.Bot, log: o.Log.With("platform", "discord"), key: key, pace: usualPace}
	a.rest = &rest{
		base: strings.TrimSuffix(o.BaseURL, "/") + "/api/v10", token: o.BotToken, http: o.HTTPClient, log: a.log,
		holds: map[string]hold{}, judged: a.judged,
	}
	a.flow = intake.NewFlow(ID, o.Bot, a.left, o.Acked, a.log)
	return a, nil
}

// Run registers the commands where they are not, and keeps the Gateway connection open while no
// other replica does, unless interactions come by HTTP. It returns nil when ctx has ended and the
// interactions that it handles are answered. If Discord refuses the bot, Run reports that to Ready
// and tries again.
func (a *Adapter) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { a.register(ctx) })
	loops.Go(func() { a.flow.HandleOrphans(ctx) })
	loops.Go(func() { a.count(ctx) })
	if len(a.key) == 0 {
		a.supervise(ctx)
	}
	loops.Wait()
	<-ctx.Done()
	a.Close()
	return nil
}

// Close accepts no more interactions and waits, for 3 s at most, until those that are being handled
// have their answers. Run then returns.
func (a *Adapter) Close() {
	stop := time.AfterFunc(3*time.Second, a.flow.Cancel)
	defer stop.Stop()
	a.flow.Stop()
	a.flow.Cancel()
}

// Ready returns nil, or why the bot cannot work on Discord and how to mend it. An error that wraps
// ErrOutage will pass by itself.
func (a *Adapter) Ready() error { return a.status.err() }

// Trouble returns the error of Ready in words of this program only, "" when there is none, and
// whether it will pass by itself.
func (a *Adapter) Trouble() (words string, passing bool) {
	err := a.status.err()
	if err == nil {
		return "", false
	}
	var own []string
	var collect func(error)
	collect = func(err error) {
		switch e := err.(type) {
		case *fatal:
			own = append(own, e.why)
		case interface{ Unwrap() []error }:
			for _, part := range e.Unwrap() {
				collect(part)
			}
		case interface{ Unwrap() error }:
			collect(e.Unwrap())
		default:
			if err == ErrOutage {
				own = append(own, ErrOutage.Error())
			}
		}
	}
	collect(err)
	slices.Sort(own)
	own = append(slices.Compact(own), "the log says more")
	return strings.Join(own, "; "), errors.Is(err, ErrOutage)
}

// StandsBy reports whether another replica holds the Gateway connection and this one waits to take
// it over. Ready then returns nil.
func (a *Adapter) StandsBy() bool { return a.stands.Load() }

// LastFrame returns when the last frame of the Gateway or the last signed request came. It is zero
// before the first one, and while the adapter stands by.
func (a *Adapter) LastFrame() time.Time {
	n := a.last.Load()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func (a *Adapter) frame() { a.last.Store(time.Now().UnixNano()) }

// judged handles every answer of the API to a call with the bot token. e is nil when the call
// succeeded.
func (a *Adapter) judged(e *apiError) {
	switch {
	case e == nil:
		a.status.set("token", nil)
	case tokenRefused(e) && a.status.set("token", &fatal{mends[4004], e}):
		a.log.Error("Discord refuses the bot", "mend", mends[4004], "err", e)
	}
}

// status holds the present errors, by the part of the adapter that has them.
type status struct {
	mu    sync.Mutex
	parts map[string]error
}

// set sets the error of a part, nil for none, and reports whether the part had none before.
func (s *status) set(part string, err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[string]error{}
	}
	_, known := s.parts[part]
	if err == nil {
		delete(s.parts, part)
	} else {
		s.parts[part] = err
	}
	return !known
}

// err returns the gravest error: one that does not pass by itself comes before one that does.
func (s *status) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lasting, passing []error
	for _, part := range slices.Sorted(maps.Keys(s.parts)) {
		if err := s.parts[part]; errors.Is(err, ErrOutage) {
			passing = append(passing, err)
		} else {
			lasting = append(lasting, err)
		}
	}
	if len(lasting) > 0 {
		return errors.Join(lasting...)
	}
	return errors.Join(passing...)
}

// lookEvery is how often it is looked whether the commands are still registered: Discord deletes
// them when the bot is removed from a server.
const lookEvery = time.Minute

// register registers the commands in every guild that has another definition, until ctx ends.
// Discord allows 200 new commands a day in a guild, so nothing is sent if nothing has changed. A
// token that is refused is tried again as seldom as for the Gateway.
func (a *Adapter) register(ctx context.Context) {
	body, hash := definition()
	refusals := 0
	for pause := 2 * time.Second; ; {
		var failed []error
		for _, guild := range a.o.Guilds {
			if err := a.registerIn(ctx, guild, body, hash); err != nil {
				failed = append(failed, err)
			}
		}
		if ctx.Err() != nil {
			return
		}
		err, wait := errors.Join(failed...), lookEvery
		first := a.status.set("commands", err)
		switch {
		case err == nil:
			pause, refusals = 2*time.Second, 0
		case tokenRefused(err):
			refusals++
			wait = a.pace.afterRefusal(refusals)
		default:
			wait, pause, refusals = pause, min(2*pause, lookEvery), 0
		}
		if err != nil && first {
			a.log.Warn("commands are not registered everywhere; this is tried again", "in", wait, "err", err)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (a *Adapter) registerIn(ctx context.Context, guild string, body []byte, hash string) error {
	key := "discord.commands." + a.o.ApplicationID + "." + guild
	if known, err := a.bot.Recollect(ctx, key); err == nil && known == hash {
		// what is remembered is not sufficient: the commands may have been deleted
		var there json.RawMessage
		err := a.rest.read(ctx, &there, "/applications/{application_id}/guilds/{guild_id}/commands", a.o.ApplicationID,
			guild)
		if _, refused := errors.AsType[*apiError](err); err == nil && sameCommands(there, body) || err != nil &&
			!refused {
			return nil
		}
	}
	err := a.rest.register(ctx, a.o.ApplicationID, guild, body)
	e, refused := errors.AsType[*apiError](err)
	switch {
	case err == nil:
	case tokenRefused(err):
		return &fatal{mends[4004], err}
	case refused && (e.Code == codeMissingAccess || e.Code == codeUnknownGuild || e.Status == http.StatusForbidden):
		return &fatal{
			fmt.Sprintf(
				"commands cannot be registered in guild %s: invite the bot there with the link of \"recallbot manifest discord\", or take the guild out of DISCORD_GUILDS", guild), err}
	case refused && e.Status < 500:
		return &fatal{fmt.Sprintf("Discord refuses the commands in guild %s", guild), err}
	default:
		return fmt.Errorf("registering commands in guild %s: %w: %w", guild, ErrOutage, err)
	}
	if err := a.bot.Remember(ctx, key, hash); err != nil {
		return &fatal{fmt.Sprintf("the commands of guild %s could not be remembered", guild), err}
	}
	a.log.Info("registered commands", "guild", guild)
	return nil
}
