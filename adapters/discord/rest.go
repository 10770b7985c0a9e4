package discord

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"recallbot/bot"
)

// Error codes of Discord on which the adapter's next step depends.
const (
	codeUnknownChannel = 10003
	codeUnknownGuild   = 10004
	codeUnknownMember  = 10007
	codeUnknownMessage = 10008
	codeUnknownUser    = 10013
	codeUnknownWebhook = 10015
	codeUnknownAnswer  = 10062
	codeOldEdits       = 30046
	codeAnswered       = 40060
	codeMissingAccess  = 50001
	codeNotForText     = 50008
	codeMissingRight   = 50013
	codeChannelType    = 50024
	codeArchived       = 50083
	codeNoHistory      = 160002
	codeThreadThere    = 160004
	codeThreadLocked   = 160005
	codeTooManyThreads = 160006
	codeAutoModerated  = 200000
	codeTitleModerated = 200001
	codeHarmfulLink    = 240000
)

// apiError is an error in Discord's answer. It names the route and never the address, which can
// contain an interaction's token.
type apiError struct {
	Route   string
	Status  int
	Code    int
	Message string
	Page    bool // the answer is a page of the network before Discord, not Discord's
	NoReply bool // the message that was to be answered no longer exists
}

func (e *apiError) Error() string {
	s := fmt.Sprintf("%s: %d %s", e.Route, e.Status, http.StatusText(e.Status))
	if e.Code != 0 {
		s += fmt.Sprintf(" (%d: %s)", e.Code, e.Message)
	}
	return s
}

// rest calls Discord's API. It obeys contexts, waits when Discord asks for it, and repeats only
// calls that may be repeated. Its errors contain no secret.
type rest struct {
	base  string // scheme, host and /api/v10
	token string
	http  *http.Client
	log   *slog.Logger
	// judged is called with every answer to a call with the bot token, nil for success, so that a
	// refused token is noticed at once.
	judged func(*apiError)

	mu    sync.Mutex
	holds map[string]hold // by route and channel; "" is every call but those of interactions
	pages int             // pages of the network before Discord since Discord last answered
}

// hold says until when calls are not sent.
type hold struct {
	until time.Time
	// probe: what was asked for is longer, or a page said it. Once the time has come one call is
	// sent, and the others wait again until Discord answers it.
	probe bool
}

// probeEvery is the longest time for which calls are held. It is then tried whether a longer one
// that was asked for is over.
const probeEvery = time.Minute

// call is one request.
type call struct {
	method string
	route  string // with braces, for messages and logs
	path   string // with the ids in place of the braces
	body   any    // marshalled to JSON; nil for none
	file   *bot.File
	into   any // decoded from the answer; nil when it does not matter
	// again: a repeat changes nothing, as with an edit, a read, and a post with an enforced nonce.
	again bool
	// interaction calls need no bot token and are not bound by the bot's global limit.
	interaction bool
	// tries and each bound the repeats and one try; 0: 3, and 10 s.
	tries int
	each  time.Duration
}

// shortWait is the longest wait that do makes itself, within the context. A longer one is returned
// as a *bot.Later.
const shortWait = 3 * time.Second

// do makes a call. Its error is a *bot.Later, an *apiError, the context's, or that of the network;
// none holds a secret.
func (r *rest) do(ctx context.Context, c call) error {
	tries, each := c.tries, c.each
	if tries == 0 {
		tries = 3
	}
	if each == 0 {
		each = 10 * time.Second
	}
	body, kind, err := c.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", c.route, err)
	}
	for try := 1; ; try++ {
		if err := r.pause(ctx, c); err != nil {
			return err
		}
		again, err := r.once(ctx, c, body, kind, each)
		if try > 1 && isCode(err, codeAnswered) {
			return nil // an earlier try was the answer, and what Discord said to it was lost
		}
		if err == nil || ctx.Err() != nil || try >= tries {
			return err
		}
		if later, ok := errors.AsType[*bot.Later](err); ok {
			if later.After > shortWait {
				return err
			}
			if c.interaction && !sleep(ctx, later.After) {
				return err
			}
			continue // else pause waits for it
		}
		if !again {
			return err
		}
		step := 250 * time.Millisecond << try
		if !sleep(ctx, step/2+rand.N(step/2)) {
			return err
		}
	}
}

// once makes one try. again reports whether the same call may be made once more.
func (r *rest) once(ctx context.Context, c call, body []byte, kind string, each time.Duration) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, r.base+c.path, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("%s: the address cannot be read", c.route)
	}
	req.Header.Set("User-Agent", userAgent())
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if !c.interaction {
		req.Header.Set("Authorization", "Bot "+r.token)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return c.again, r.broken(c, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return c.again, r.broken(c, err)
	}
	if resp.StatusCode < 300 {
		r.passed(c)
		r.learn(c, resp.Header)
		if r.judged != nil && !c.interaction {
			r.judged(nil)
		}
		if c.into != nil {
			if json.Unmarshal(text, c.into) != nil {
				return c.again, fmt.Errorf("%s: the answer is not what Discord documents", c.route)
			}
		}
		return false, nil
	}
	if resp.StatusCode < 400 { // from the network before Discord, whose API has no redirects
		return c.again, fmt.Errorf("%s %s: a redirect, which is not followed", c.method, c.route)
	}
	e := &apiError{Route: c.method + " " + c.route, Status: resp.StatusCode}
	var said struct {
		Message    string  `json:"message"`
		Code       int     `json:"code"`
		RetryAfter float64 `json:"retry_after"`
		Global     bool    `json:"global"`
		Errors     struct {
			Reference json.RawMessage `json:"message_reference"`
		} `json:"errors"`
	}
	e.Page = json.Unmarshal(text, &said) != nil
	e.Code, e.Message = said.Code, bot.Cut(bot.Visible(said.Message), 200)
	e.NoReply = bytes.Contains(said.Errors.Reference, []byte("REPLIES_UNKNOWN_MESSAGE"))
	if !e.Page {
		r.passed(c)
	}
	r.learn(c, resp.Header)
	if r.judged != nil && !c.interaction {
		r.judged(e)
	}
	if e.Code == codeOldEdits { // of this message: others in the channel may be edited meanwhile
		after := granted(said.RetryAfter)
		return false, &bot.Later{After: max(after, oldEditPause), Err: e}
	}
	limited := e.Status == http.StatusTooManyRequests
	if limited || e.Status == http.StatusForbidden && e.Page {
		after := granted(said.RetryAfter)
		if n, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64); err == nil && after <= 0 {
			after = granted(n)
		}
		if after <= 0 {
			after = 5 * time.Second
		}
		global := said.Global || resp.Header.Get("X-RateLimit-Global") != ""
		return true, &bot.Later{After: r.refused(c, after, global, e.Page), Err: e}
	}
	return e.Status >= 500 && c.again, e
}

// broken returns an error of the network without the address that net/http adds to it.
func (r *rest) broken(c call, err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	// such an error quotes the answer
	if words := err.Error(); strings.Contains(words, "malformed ") || strings.Contains(words, `"`) {
		err = errors.New("the answer is not HTTP")
	}
	return fmt.Errorf("%s %s: %w", c.method, c.route, err)
}

// key returns the key of a pause: Discord counts a route separately for each channel.
func (c call) key() string {
	if c.interaction {
		return ""
	}
	part := c.path
	if rest, ok := strings.CutPrefix(part, "/channels/"); ok {
		part, _, _ = strings.Cut(rest, "/")
	}
	return c.method + " " + c.route + " " + part
}

// pause waits if Discord has asked for it. It returns a *bot.Later instead if the wait is longer
// than shortWait.
func (r *rest) pause(ctx context.Context, c call) error {
	for {
		wait := r.wait(c)
		if wait <= 0 {
			return ctx.Err()
		}
		if wait > shortWait {
			return &bot.Later{After: wait, Err: fmt.Errorf("%s %s: Discord asked to wait", c.method, c.route)}
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// wait returns how long the call has to wait; 0 lets it go now. If a hold is to be probed, it lets
// one call go.
func (r *rest) wait(c call) time.Duration {
	if c.interaction {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var longest time.Duration
	for _, key := range []string{"", c.key()} {
		longest = max(longest, r.holds[key].until.Sub(now))
	}
	if longest > 0 {
		return longest
	}
	for _, key := range []string{"", c.key()} {
		if h, held := r.holds[key]; held && h.probe {
			r.holds[key] = hold{now.Add(probeEvery), true}
		}
	}
	return 0
}

// granted bounds the time that Discord asks to wait.
func granted(seconds float64) time.Duration {
	if seconds >= bot.LaterMost.Seconds() {
		return bot.LaterMost
	}
	return time.Duration(seconds * float64(time.Second))
}

// refused holds calls that were refused, and returns for how long: those of this route and channel,
// or all of them. A page instead of JSON comes from the network before Discord, which may have
// blocked one route or the whole address. It counts as the address if a second page comes before
// Discord answers any call, on the same route or another: which route is blocked cannot be told
// from calls of one alone.
func (r *rest) refused(c call, after time.Duration, global, page bool) time.Duration {
	if c.interaction {
		return after
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if page {
		r.pages++
	}
	key := c.key()
	if global || r.pages > 1 {
		key = ""
	}
	return r.hold(key, after, page)
}

// hold holds calls for some time, probeEvery at most, and returns for how long. r.mu is held.
func (r *rest) hold(key string, after time.Duration, probe bool) time.Duration {
	if after > probeEvery {
		after, probe = probeEvery, true
	}
	h := hold{time.Now().Add(after), probe}
	for k, old := range r.holds { // what is over is forgotten, so that this does not grow
		over := time.Since(old.until)
		if over > 0 && !old.probe || over > bot.LaterMost {
			delete(r.holds, k)
		}
	}
	if h.until.After(r.holds[key].until) {
		r.holds[key] = h
	}
	return after
}

// passed ends the holds that an answer by Discord itself proves to be over.
func (r *rest) passed(c call) {
	if c.interaction {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages = 0
	for _, key := range []string{"", c.key()} {
		if r.holds[key].probe {
			delete(r.holds, key)
		}
	}
}

// learn reads the rate limit in an answer's headers, so that a call beyond the limit waits instead
// of being refused.
func (r *rest) learn(c call, h http.Header) {
	if h.Get("X-RateLimit-Remaining") != "0" || c.interaction {
		return
	}
	if s, err := strconv.ParseFloat(h.Get("X-RateLimit-Reset-After"), 64); err == nil && s > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hold(c.key(), granted(s), false)
	}
}

func (c call) encode() (body []byte, kind string, err error) {
	if c.body == nil {
		return nil, "", nil
	}
	text, ok := c.body.(json.RawMessage)
	if !ok {
		if text, err = json.Marshal(c.body); err != nil {
			return nil, "", fmt.Errorf("writing the request: %w", err)
		}
	}
	if c.file == nil {
		return text, "application/json", nil
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="payload_json"`}, "Content-Type": {"application/json"},
	})
	if err == nil {
		_, err = part.Write(text)
	}
	if err == nil {
		part, err = w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="files[0]"; filename=%q`, c.file.Name)},
			"Content-Type":        {c.file.Type},
		})
	}
	if err == nil {
		_, err = part.Write(c.file.Body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, "", fmt.Errorf("writing the request: %w", err) // unreachable: a buffer takes everything
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// userAgent returns what Discord asks bots to send: where the program is from, and its version.
var userAgent = sync.OnceValue(func() string {
	from, version := "recallbot", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		from, version = cmp.Or(info.Main.Path, from), cmp.Or(strings.Trim(info.Main.Version, "()"), version)
	}
	return "DiscordBot (" + from + ", " + version + ")"
})

// sleep waits, and reports whether it could to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ---- the calls ----

func channelPath(channel string, more ...string) string {
	s := "/channels/" + url.PathEscape(channel)
	for _, m := range more {
		s += "/" + url.PathEscape(m)
	}
	return s
}

// id is the part of every answer that is used.
type id struct {
	ID string `json:"id"`
}

// nonces is how many nonces are tried for one message.
const nonces = 10

// post sends a message, only once if it is repeated with the same nonce within a few minutes,
// and returns its id. If the message of a nonce was deleted, Discord refuses the nonce for some
// minutes, and the next one is used.
func (r *rest) post(ctx context.Context, channel string, m *message) (string, error) {
	for range nonces {
		var made id
		err := r.do(ctx, call{
			method: http.MethodPost, route: "/channels/{channel_id}/messages", path: channelPath(channel, "messages"),
			body: m, file: m.file, into: &made, again: m.EnforceNonce,
		})
		if !m.EnforceNonce || !isCode(err, codeUnknownMessage) {
			return made.ID, err
		}
		m.Nonce = nonce(m.Nonce)
	}
	return "", &bot.Later{After: probeEvery, Err: errors.New("every nonce of this message is spent")}
}

// edit replaces a message.
func (r *rest) edit(ctx context.Context, channel, message string, m *message) error {
	return r.do(ctx, call{
		method: http.MethodPatch, route: "/channels/{channel_id}/messages/{message_id}",
		path: channelPath(channel, "messages", message),
		body: m, again: true,
	})
}

// stands returns an error unless a message of the bot is known to stand. It is found out by an edit
// that changes nothing, since reading a message needs a permission that the bot may not have.
func (r *rest) stands(ctx context.Context, channel, message string) error {
	err := r.do(ctx, call{
		method: http.MethodPatch, route: "/channels/{channel_id}/messages/{message_id}",
		path:  channelPath(channel, "messages", message),
		body:  map[string]any{"allowed_mentions": map[string]any{"parse": []string{}}},
		again: true,
	})
	if isCode(err, codeOldEdits) { // too many edits, of a message that stands
		return nil
	}
	return err
}

// thread makes a public thread on a message; made reports whether there was none before. A thread
// always has the id of its message.
func (r *rest) thread(ctx context.Context, channel, message, name string) (at string, made bool, err error) {
	var thread id
	err = r.do(ctx, call{
		method: http.MethodPost, route: "/channels/{channel_id}/messages/{message_id}/threads",
		path: channelPath(channel, "messages", message, "threads"),
		body: map[string]any{"name": name, "auto_archive_duration": 1440}, into: &thread, again: true,
	})
	if e, ok := errors.AsType[*apiError](err); ok && e.Code == codeThreadThere {
		return message, false, nil
	}
	return thread.ID, err == nil, err
}

// unarchive opens an archived thread that is not locked.
func (r *rest) unarchive(ctx context.Context, thread string) error {
	return r.do(ctx, call{
		method: http.MethodPatch, route: "/channels/{channel_id}", path: channelPath(thread),
		body: map[string]any{"archived": false}, again: true,
	})
}

// answer sends the first answer to an interaction, which Discord accepts once. The code of its
// error is codeAnswered if somebody else has answered.
func (r *rest) answer(ctx context.Context, in *interaction, a response) error {
	return r.do(ctx, call{
		method: http.MethodPost, route: "/interactions/{interaction_id}/{interaction_token}/callback",
		path: "/interactions/" + url.PathEscape(in.ID) + "/" + url.PathEscape(in.Token) + "/callback",
		body: a, interaction: true, tries: 2, each: 1500 * time.Millisecond, again: true,
	})
}

// follow sends a further message to the person alone, after the first answer.
func (r *rest) follow(ctx context.Context, application string, in *interaction, m *message) error {
	return r.do(ctx, call{
		method: http.MethodPost, route: "/webhooks/{webhook_id}/{webhook_token}",
		path: "/webhooks/" + url.PathEscape(application) + "/" + url.PathEscape(in.Token),
		body: m, interaction: true, tries: 1, each: 5 * time.Second,
	})
}

// complete replaces the first answer, which said that the bot is thinking. If that was sent in the
// HTTP response, Discord may not have read it yet, and an unknown token means to wait.
func (r *rest) complete(ctx context.Context, application string, in *interaction, m *message) error {
	wait := 200 * time.Millisecond
	for {
		err := r.do(ctx, call{
			method: http.MethodPatch, route: "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
			path: "/webhooks/" + url.PathEscape(application) + "/" + url.PathEscape(in.Token) + "/messages/@original",
			body: m, interaction: true, tries: 3, each: 5 * time.Second, again: true,
		})
		if !isCode(err, codeUnknownWebhook) || wait > 5*time.Second || !sleep(ctx, wait) {
			return err
		}
		wait *= 2
	}
}

// budget says how many more connections may be opened, and at which address.
type budget struct {
	URL   string `json:"url"`
	Limit struct {
		Remaining  int   `json:"remaining"`
		ResetAfter int64 `json:"reset_after"` // milliseconds
	} `json:"session_start_limit"`
}

func (r *rest) gateway(ctx context.Context) (budget, error) {
	var b budget
	err := r.do(ctx, call{method: http.MethodGet, route: "/gateway/bot", path: "/gateway/bot", into: &b, again: true})
	return b, err
}

// register replaces the commands of a guild.
func (r *rest) register(ctx context.Context, application, guild string, commands json.RawMessage) error {
	return r.do(ctx, call{
		method: http.MethodPut, route: "/applications/{application_id}/guilds/{guild_id}/commands",
		path: "/applications/" + url.PathEscape(application) + "/guilds/" + url.PathEscape(guild) + "/commands",
		body: commands, again: true,
	})
}
