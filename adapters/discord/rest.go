package discord

import (
	"bytes"
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
	codeUnknownMessage = 10008
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

	mu     sync.Mutex
	global time.Time            // until then nothing is sent, except answers to interactions
	pauses map[string]time.Time // by route and channel: until then nothing is sent
}

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
	req.Header.Set("User-Agent", "DiscordBot (recallbot, 1)")
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
	r.learn(c, resp.Header)
	if resp.StatusCode < 300 {
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
	}
	isJSON := json.Unmarshal(text, &said) == nil
	e.Code, e.Message = said.Code, bot.Cut(bot.Visible(said.Message), 200)
	if r.judged != nil && !c.interaction {
		r.judged(e)
	}
	if e.Code == codeOldEdits { // of this message: others in the channel may be edited meanwhile
		after := granted(said.RetryAfter)
		return false, &bot.Later{After: max(after, oldEditPause), Err: e}
	}
	if e.Status == http.StatusTooManyRequests && (e.Code == 0 || said.RetryAfter > 0) {
		after := granted(said.RetryAfter)
		if after <= 0 {
			after = 5 * time.Second
			if n, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64); err == nil && n > 0 {
				after = granted(n)
			}
		}
		// A page instead of JSON comes from the network before Discord, which has blocked the whole
		// address.
		everywhere := said.Global || !isJSON || resp.Header.Get("X-RateLimit-Global") != ""
		r.hold(c, after, everywhere)
		return true, &bot.Later{After: after, Err: e}
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
	if c.interaction {
		return ctx.Err()
	}
	r.mu.Lock()
	until := r.global
	if t := r.pauses[c.key()]; t.After(until) {
		until = t
	}
	r.mu.Unlock()
	wait := time.Until(until)
	if wait <= 0 {
		return ctx.Err()
	}
	if wait > shortWait {
		return &bot.Later{After: wait, Err: fmt.Errorf("%s %s: Discord asked to wait", c.method, c.route)}
	}
	if !sleep(ctx, wait) {
		return ctx.Err()
	}
	return nil
}

// granted bounds the time that Discord asks to wait.
func granted(seconds float64) time.Duration {
	if seconds >= bot.LaterMost.Seconds() {
		return bot.LaterMost
	}
	return time.Duration(seconds * float64(time.Second))
}

// hold delays calls for some time: all of them, or those of this route and channel.
func (r *rest) hold(c call, after time.Duration, everywhere bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	until := now.Add(after)
	if everywhere {
		if until.After(r.global) {
			r.global = until
		}
		return
	}
	if c.interaction {
		return
	}
	for k, t := range r.pauses { // what is over is forgotten, so that this does not grow
		if t.Before(now) {
			delete(r.pauses, k)
		}
	}
	r.pauses[c.key()] = until
}

// learn reads the rate limit in an answer's headers, so that a call beyond the limit waits instead
// of being refused.
func (r *rest) learn(c call, h http.Header) {
	if h.Get("X-RateLimit-Remaining") != "0" || c.interaction {
		return
	}
	if s, err := strconv.ParseFloat(h.Get("X-RateLimit-Reset-After"), 64); err == nil && s > 0 {
		r.hold(c, granted(s), false)
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

// post sends a message, only once if it is repeated with the same nonce within a few minutes,
// and returns its id.
func (r *rest) post(ctx context.Context, channel string, m *message) (string, error) {
	var made id
	err := r.do(ctx, call{
		method: http.MethodPost, route: "/channels/{channel_id}/messages", path: channelPath(channel, "messages"),
		body: m, file: m.file, into: &made, again: m.EnforceNonce,
	})
	return made.ID, err
}

// edit replaces a message.
func (r *rest) edit(ctx context.Context, channel, message string, m *message) error {
	return r.do(ctx, call{
		method: http.MethodPatch, route: "/channels/{channel_id}/messages/{message_id}",
		path: channelPath(channel, "messages", message),
		body: m, again: true,
	})
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

// answer sends the first answer to an interaction, which Discord accepts once.
func (r *rest) answer(ctx context.Context, in *interaction, a response) error {
	err := r.do(ctx, call{
		method: http.MethodPost, route: "/interactions/{interaction_id}/{interaction_token}/callback",
		path: "/interactions/" + url.PathEscape(in.ID) + "/" + url.PathEscape(in.Token) + "/callback",
		body: a, interaction: true, tries: 2, each: 1500 * time.Millisecond, again: true,
	})
	if isCode(err, codeAnswered) { // by a try whose answer was lost, or by another replica
		return nil
	}
	return err
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
