// Package slack puts the bot on Slack: it receives commands, presses and forms over Socket Mode or
// HTTP, finds out who acts, and shows requests as Block Kit messages.
//
// In reading order:
//
//   - slack.go: [Adapter], what it is made of, and how it runs and stops.
//   - socket.go: Socket Mode. Connections overlap, an envelope is acknowledged on the socket it
//     came by, and a socket that Slack is about to close is read until the next one is open.
//   - http.go: the same events as signed HTTP requests.
//   - event.go: reads what arrives as an [intake.Event], whose id is the same in every copy of a
//     delivery.
//   - intake.go: the steps of an event that are particular to Slack. [intake.Flow] calls them.
//   - member.go: who an account is and where it acts, as Slack says now.
//   - answer.go, view.go: how a person is answered.
//   - surface.go, pace.go: how the teller shows cards, within Slack's rate limits.
//   - blocks.go: the card in Block Kit. Text that others wrote is only ever rich text or plain
//     text, never markup.
//   - manifest.go: the app manifest.
//   - check.go: what is missing in a real workspace.
//
// An event that could not be stored is acknowledged nevertheless, and the answer asks the person to
// try again. Slack does not promise to deliver commands and presses a second time, and without an
// acknowledgement the person would read only a general error.
package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/patrickmn/go-cache"
	slackgo "github.com/slack-go/slack"
)

// Bot is the part of *intake.Intake that the adapter calls.
type Bot interface {
	intake.Doer
	PolicyNow() bot.Policy
	RosterNow() bot.Roster
	ApproversThen(ctx context.Context, id bot.RequestID, on bot.Platform) ([]string, error)
}

var _ Bot = (*intake.Intake)(nil)

// Options configures an Adapter. BotToken and Bot are required, and AppToken (Socket Mode) or
// SigningSecrets (HTTP).
type Options struct {
	BotToken string
	// AppToken selects Socket Mode. Handler then answers 404.
	AppToken string
	// SigningSecrets are tried one after the other: two while one is rotated.
	SigningSecrets []string
	// APIURL is where the Web API is; "" is https://slack.com/api/.
	APIURL string
	// HTTPClient makes every call, with redirects switched off; nil is a client that the adapter
	// makes. A client without a timeout gets CallTimeout.
	HTTPClient *http.Client
	// Dial opens the connections of Socket Mode; nil uses the network and the proxy of the
	// environment.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Acked, if set, is called with the time of each event from its arrival to its acknowledgement.
	Acked func(time.Duration)
	// Door bounds the memory and connections of unverified requests to Handler; nil is a Door that
	// the adapter makes.
	Door *inbound.Door
	Log  *slog.Logger
	Bot  Bot
}

const (
	// CallTimeout is how long one call of the Web API may take.
	CallTimeout = 10 * time.Second
	// stopWithin is how long the adapter, when it stops, waits for the events that it handles.
	stopWithin = 8 * time.Second
)

// openMethod asks for the address of a Socket Mode connection. It is the only method that is called
// with the app-level token.
const openMethod = "apps.connections.open"

// Scopes are the bot scopes that the adapter needs.
var Scopes = []string{"commands", "chat:write", "files:write", "usergroups:read", "users:read", "channels:read",
	"groups:read"}

// Adapter is the bot on Slack. It receives events and is the bot.Surface on which cards are shown.
type Adapter struct {
	o         Options
	log       *slog.Logger
	client    *http.Client
	door      *inbound.Door
	api       *slackgo.Client
	responses func(*url.URL) bool // whether a response_url may be called
	uploads   func(*url.URL) bool // whether a file may be sent there
	// socketHost reports whether a Socket Mode connection may be opened to an address, since its
	// acknowledgements contain answers to people.
	socketHost func(*url.URL) bool

	home    atomic.Pointer[home] // nil until Slack has said it
	arrived chan struct{}        // closed when Slack has said it
	doubted chan struct{}        // holds one where a call was refused for the token

	sockets *sockets // nil in HTTP mode

	unready atomic.Pointer[Unready] // the last error of auth.test; nil without one

	// groupsRefused is the error code of the last answer about a user group if Slack reads none at
	// all, else "".
	groupsRefused atomic.Pointer[string]

	asked  *cache.Cache // what Slack said of members, places, approvers and messages
	posted bot.Posted
	given  recent

	edits *budget
	posts *pacer
	holds holds

	flow *intake.Flow
}

var _ bot.Surface = (*Adapter)(nil)

// home is the workspace that the bot token belongs to.
type home struct {
	team, enterprise string
	everywhere       bool   // the app is installed for the whole organisation, which is then the team
	user             string // the bot's own
	scopes           []string
}

// has reports whether the token has a scope. If Slack did not say which scopes it has, has returns
// true for every scope.
func (h *home) has(scope string) bool { return len(h.scopes) == 0 || slices.Contains(h.scopes, scope) }

// New returns an Adapter. It makes no calls and starts nothing.
func New(o Options) (*Adapter, error) {
	switch {
	case o.Bot == nil:
		return nil, errors.New("slack: no bot to serve")
	case o.BotToken == "":
		return nil, errors.New("slack: no bot token")
	case o.AppToken == "" && len(o.SigningSecrets) == 0:
		return nil, errors.New("slack: neither an app token nor a signing secret")
	}
	o.APIURL = cmp.Or(o.APIURL, slackgo.APIURL)
	if !strings.HasSuffix(o.APIURL, "/") {
		o.APIURL += "/"
	}
	base, err := url.Parse(o.APIURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("slack: %q is no address of an API", o.APIURL)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	if o.Door == nil {
		o.Door = inbound.New(o.Log)
	}
	client := o.HTTPClient
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          20,
			MaxIdleConnsPerHost:   10,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: CallTimeout,
		}}
	}
	own := *client
	own.Timeout = cmp.Or(own.Timeout, CallTimeout)
	// A redirect could lead to another host, with the token in the request.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client = &own

	a := &Adapter{
		o:       o,
		log:     o.Log.With("platform", "slack"),
		client:  client,
		door:    o.Door,
		arrived: make(chan struct{}),
		doubted: make(chan struct{}, 1),
		asked:   cache.New(askedFor, 0),
		edits:   newBudget(35, 10, 3),
		posts:   newPacer(time.Second, 3),
	}
	// OptionDebug must stay off: it makes Slack recycle sockets, and logs what people wrote.
	a.api = slackgo.New(o.BotToken, slackgo.OptionHTTPClient(client), slackgo.OptionAPIURL(o.APIURL),
		slackgo.OptionAppLevelToken(o.AppToken), slackgo.OptionLog(quiet{}))
	configured := func(u *url.URL) bool {
		return o.APIURL != slackgo.APIURL && u.Scheme == base.Scheme && u.Host == base.Host
	}
	a.responses = func(u *url.URL) bool {
		return configured(u) || u.Scheme == "https" && (u.Host == "hooks.slack.com" || u.Host == "hooks.slack-gov.com")
	}
	a.uploads = func(u *url.URL) bool {
		host := "." + u.Hostname()
		return configured(u) || u.Scheme == "https" &&
			(strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com"))
	}
	a.socketHost = func(u *url.URL) bool {
		if u.Host == base.Host && (u.Scheme == "wss" || base.Scheme == "http") {
			return true
		}
		host := "." + u.Hostname()
		return (strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com")) &&
			(u.Scheme == "wss" || o.Dial != nil)
	}
	a.flow = intake.NewFlow(ID, o.Bot, a.left, o.Acked, a.log)
	if o.AppToken != "" {
		a.sockets = newSockets(a)
	}
	return a, nil
}

// quiet discards the library's log, which may hold what people wrote.
type quiet struct{}

func (quiet) Output(int, string) error { return nil }

// Platform returns ID.
func (a *Adapter) Platform() bot.Platform { return ID }

// Run finds out which workspace the token belongs to, handles the events that another process left
// without an answer, and in Socket Mode holds the connections. It returns when ctx has ended and
// the events that it handles are answered, after 8 s at most. It does not return when Slack refuses
// the bot: Ready reports that, and Run tries again.
func (a *Adapter) Run(ctx context.Context) error {
	defer a.flow.Cancel()
	if err := a.arrive(ctx); err != nil {
		return nil //nolint:nilerr // ctx has ended
	}

	var running sync.WaitGroup
	if a.sockets != nil {
		running.Go(func() { a.sockets.run(ctx) })
	}
	running.Go(func() { a.watch(ctx) })
	running.Go(func() { a.flow.HandleOrphans(ctx) })
	<-ctx.Done()

	late := time.AfterFunc(stopWithin, func() {
		a.log.Warn("stopped with events still in work")
		a.flow.Cancel()
	})
	defer late.Stop()
	running.Wait()
	a.flow.Stop()
	return nil
}

// arrive calls auth.test until it answers.
func (a *Adapter) arrive(ctx context.Context) error {
	for failures, refused := 0, 0; ; {
		err := a.identify(ctx)
		if err == nil {
			close(a.arrived)
			return nil
		}
		pause := backoff(failures)
		if u := unready("auth.test", err); !u.Remote {
			refused++
			pause = refusedPause(refused)
		} else {
			failures++
			after, _ := rateLimit(err)
			pause = max(pause, after)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// identify asks Slack which workspace and user the token belongs to and which scopes it has.
func (a *Adapter) identify(ctx context.Context) error {
	answer, err := a.api.AuthTestContext(ctx)
	if err != nil {
		// A token that has worked is not in doubt because Slack cannot be reached for a moment.
		if u := unready("auth.test", err); ctx.Err() == nil && (!u.Remote || a.home.Load() == nil) {
			a.setUnready(u)
		}
		return fmt.Errorf("asking Slack who we are: %w", clean(err))
	}
	h := &home{team: answer.TeamID, enterprise: answer.EnterpriseID, user: answer.UserID,
		everywhere: answer.EnterpriseID != "" && answer.TeamID == answer.EnterpriseID}
	for scope := range strings.SplitSeq(answer.Header.Get("X-Oauth-Scopes"), ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			h.scopes = append(h.scopes, scope)
		}
	}
	a.home.Store(h)

	var missing []string
	for _, s := range Scopes {
		if !h.has(s) {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		a.setUnready(&Unready{
			What: "the bot token lacks the scopes " + strings.Join(missing, ", "),
			Mend: "add them under OAuth & Permissions (or use the manifest), and install the app to the workspace again",
		})
	} else {
		a.setUnready(nil)
	}
	return nil
}

// watch repeats auth.test every five minutes, so that a revoked token or an added scope is noticed,
// and at once where another call was refused for the token. After a first refusal it tries again
// sooner.
func (a *Adapter) watch(ctx context.Context) {
	a.lookAtGroups(ctx)
	pause := 5 * time.Minute
	for refused, last := 0, time.Now(); ; last = time.Now() {
		timer := time.NewTimer(pause)
		doubted := a.doubted
		if refused > 0 {
			doubted = nil // it is known already
		}
		select {
		case <-timer.C:
		case <-doubted:
			timer.Stop()
			if sleep(ctx, refusedPause(1)-time.Since(last)) != nil {
				return
			}
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = 5 * time.Minute
		if err := a.identify(ctx); err == nil || unready("auth.test", err).Remote { // setUnready tells of it
			refused = 0
			a.lookAtGroups(ctx)
			continue
		}
		refused++
		pause = refusedPause(refused)
	}
}

// lookAtGroups reads one of the policy's user groups, to find out whether Slack reads any.
func (a *Adapter) lookAtGroups(ctx context.Context) {
	for _, g := range a.groups(nil) {
		ctx, cancel := context.WithTimeout(ctx, CallTimeout)
		defer cancel()
		_, _ = a.groupMembers(ctx, g, true) // an outage tells nothing, and groupMembers tells of a refusal
		return
	}
}

// doubt makes watch call auth.test at once if the error of a call is about the token.
func (a *Adapter) doubt(err error) {
	if tokenRefused(code(err)) {
		select {
		case a.doubted <- struct{}{}:
		default:
		}
	}
}

// tokenRefused reports whether an error code is about the token, not about what was asked.
func tokenRefused(c string) bool {
	switch c {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type",
		"org_login_required", "access_denied", "ekm_access_denied":
		return true
	}
	return false
}

func (a *Adapter) setUnready(u *Unready) {
	old := a.unready.Swap(u)
	switch {
	case u == nil && old != nil:
		a.log.Info("slack is well again")
	case u == nil || old != nil && *old == *u:
	case u.Remote:
		a.log.Warn("slack is out of reach", "what", u.What)
	default:
		a.log.Error("slack refuses the bot", "what", u.What, "mend", u.Mend)
	}
}

// Unready says why the adapter does not work.
type Unready struct {
	What string
	Mend string // what an operator or admin can do about it
	// Remote: Slack cannot be reached or is busy; the configuration is not the cause.
	Remote bool
}

// Error returns what is wrong and how to mend it.
func (u *Unready) Error() string {
	if u.Mend == "" {
		return "slack: " + u.What
	}
	return "slack: " + u.What + ": " + u.Mend
}

// Ready returns an *Unready while something keeps the adapter from working: a refused token, a
// missing scope, Socket Mode switched off, or no connection. It makes no calls.
func (a *Adapter) Ready() error {
	if u := a.unready.Load(); u != nil {
		return u
	}
	if a.home.Load() == nil {
		return &Unready{What: "Slack has not answered yet", Remote: true}
	}
	if a.sockets != nil {
		if u := a.sockets.trouble(); u != nil {
			return u
		}
	}
	return nil
}

// Trouble returns the error of Ready as words of this program and error codes of Slack only, ""
// when there is none, and whether it will pass by itself.
func (a *Adapter) Trouble() (words string, passing bool) {
	u, ok := errors.AsType[*Unready](a.Ready())
	if !ok {
		return "", false
	}
	return u.Error(), u.Remote
}

// LastFrame returns when the last frame came over any socket; the zero time in HTTP mode, and
// before the first frame.
func (a *Adapter) LastFrame() time.Time {
	if a.sockets == nil {
		return time.Time{}
	}
	return a.sockets.lastFrame()
}

const (
	everywhere = "the app is installed for a whole organisation, whose user groups belong to workspaces: " +
		"install it to one workspace, or name people in SLACK_REQUESTERS and SLACK_APPROVERS by user id (U...)"
	noGroups = "the plan of this workspace has no user groups: " +
		"name people in SLACK_REQUESTERS and SLACK_APPROVERS by user id (U...)"
)

// mends says what can be done about the errors of Slack that do not pass by themselves.
var mends = map[string]string{
	"invalid_auth":            "set SLACK_BOT_TOKEN to the Bot User OAuth Token of the installed app, which begins with xoxb-",
	"not_authed":              "set SLACK_BOT_TOKEN to the Bot User OAuth Token of the installed app, which begins with xoxb-",
	"account_inactive":        "the app was removed from the workspace or its user deactivated: install it again and set the new token",
	"token_revoked":           "the token was revoked: install the app again and set the new token",
	"token_expired":           "switch token rotation off for the app and set the new token",
	"not_allowed_token_type":  "SLACK_BOT_TOKEN must begin with xoxb-, SLACK_APP_TOKEN with xapp-",
	"missing_scope":           "give the bot token the scopes of the manifest and install the app again; recallbot check says which are missing",
	"no_permission":           "the token may not do this: install the app again with the scopes of the manifest",
	"org_login_required":      "the workspace is being moved to an organisation: wait, then install the app again",
	"ekm_access_denied":       "an administrator has suspended access to messages (Enterprise Key Management)",
	"team_access_not_granted": everywhere,
	"team_not_found":          everywhere,
	"missing_argument":        everywhere,
	"plan_upgrade_required":   noGroups,
	"paid_teams_only":         noGroups,
	"access_denied":           "an administrator has denied the app access: ask them to approve it",
	"invalid_arg_name":        "this version of the bot does not fit Slack's API",
	"link_disabled":           "switch Socket Mode on in the app's settings",
	"forbidden_team":          "the app may not be used in this workspace: ask an administrator to approve it",
	"app_missing_action_url":  "switch Socket Mode on in the app's settings",
}

// appMends are those of the app-level token.
var appMends = map[string]string{
	"invalid_auth":           "set SLACK_APP_TOKEN to an app-level token of this app (Basic Information), which begins with xapp-",
	"not_authed":             "set SLACK_APP_TOKEN to an app-level token of this app (Basic Information), which begins with xapp-",
	"not_allowed_token_type": "SLACK_APP_TOKEN must be an app-level token (Basic Information), which begins with xapp-",
	"token_revoked":          "the app-level token was revoked: make a new one under Basic Information and set SLACK_APP_TOKEN",
	"missing_scope":          "SLACK_APP_TOKEN needs the scope connections:write: make a new app-level token under Basic Information",
}

// code returns the error code in Slack's answer, "" when there is none. Of an answer with another
// status than 200 the library does not return the body; a status 401 can only be about the token.
func code(err error) string {
	if e, ok := errors.AsType[slackgo.SlackErrorResponse](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[slackgo.StatusCodeError](err); ok && e.Code == http.StatusUnauthorized {
		return "invalid_auth"
	}
	return ""
}

// unready returns what a failed call of method means for the whole adapter.
func unready(method string, err error) *Unready {
	c := code(err)
	if mend, ok := appMends[c]; ok && method == openMethod {
		return &Unready{What: "Slack refuses the app token (" + method + ": " + c + ")", Mend: mend}
	}
	if mend, ok := mends[c]; ok {
		return &Unready{What: "Slack refuses the bot (" + method + ": " + c + ")", Mend: mend}
	}
	if errors.Is(err, errNotSlacks) {
		return &Unready{What: method + ": " + errNotSlacks.Error(), Remote: true}
	}
	if c != "" && !errorCode.MatchString(c) {
		c = "an answer that Slack does not document"
	}
	return &Unready{What: method + ": " + cmp.Or(c, "no answer"), Remote: true}
}

// errorCode matches Slack's error codes. /readyz shows them to everybody, so anything else is left
// out.
var errorCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// clean removes the address from an error, since some addresses hold a secret, and what the error
// quotes of an answer that is not HTTP.
func clean(err error) error {
	e, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	if words := e.Err.Error(); strings.Contains(words, "malformed ") || strings.Contains(words, `"`) {
		return errors.New("the answer is not HTTP")
	}
	return e.Err
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
