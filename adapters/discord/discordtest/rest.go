package discordtest

// This file serves the REST API: the table of its routes, and what is the same for all of them,
// such as faults, credentials, budgets, the reading of a body and the log.

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a decoded JSON object. Numbers in it are json.Number.
type object = map[string]any

// A Call is one request that reached the API.
type Call struct {
	At        time.Time
	Took      time.Duration
	Method    string
	Route     string            // as in Discord's OpenAPI document: /channels/{channel_id}/messages
	Args      map[string]string // the values of the names in braces, never an interaction token
	Query     string
	Body      json.RawMessage // the JSON (of multipart requests the payload_json), nil without
	UserAgent string
	Status    int // 0: no answer was given
	Code      int // Discord's error code, 0 without
	Limited   bool
}

// String returns the call in one line, without its body.
func (c Call) String() string {
	return fmt.Sprintf("%s %s -> %d (%d)", c.Method, c.Route, c.Status, c.Code)
}

// path returns the route with the ids in place of the braces.
func (c Call) path() string {
	path := c.Route
	for name, id := range c.Args {
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	return path
}

// Log returns every call so far, oldest first.
func (g *Guild) Log() []Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// Count returns how many calls match a pattern like those of Fail, with or without success.
func (g *Guild) Count(pattern string) int {
	n := 0
	for _, c := range g.Log() {
		if matches(pattern, c.Method, c.path()) {
			n++
		}
	}
	return n
}

// request is one API call that is being served.
type request struct {
	*http.Request
	route string
	args  map[string]string
	raw   []byte // JSON
	body  any    // decoded raw
	files map[int]upload
}

// upload is a part files[n] of a multipart request.
type upload struct {
	name string
	data []byte
}

func (q *request) object() object {
	o, _ := q.body.(object)
	return o
}

type endpoint struct {
	method, route string
	auth          bool
	json          bool // has a body
	do            func(g *Guild, q *request) (status int, answer any, err *apiError)
}

// endpoints are the routes of the API. The first one that matches is used.
var endpoints = []endpoint{
	{"GET", "/gateway", false, false, (*Guild).getGateway},
	{"GET", "/gateway/bot", true, false, (*Guild).getGatewayBot},
	{"GET", "/users/@me", true, false, (*Guild).getMe},
	{"POST", "/users/@me/channels", true, true, (*Guild).postDM},
	{"GET", "/applications/@me", true, false, (*Guild).getApplication},
	{"GET", "/oauth2/applications/@me", true, false, (*Guild).getApplication},
	{"GET", "/applications/{application_id}/guilds/{guild_id}/commands", true, false, (*Guild).getCommands},
	{"PUT", "/applications/{application_id}/guilds/{guild_id}/commands", true, true, (*Guild).putCommands},
	{"GET", "/applications/{application_id}/commands", true, false, (*Guild).getCommands},
	{"PUT", "/applications/{application_id}/commands", true, true, (*Guild).putCommands},
	{"GET", "/guilds/{guild_id}", true, false, (*Guild).getGuild},
	{"GET", "/guilds/{guild_id}/roles", true, false, (*Guild).getRoles},
	{"GET", "/guilds/{guild_id}/roles/member-counts", true, false, (*Guild).getRoleCounts},
	{"GET", "/guilds/{guild_id}/channels", true, false, (*Guild).getChannels},
	{"GET", "/guilds/{guild_id}/members/{user_id}", true, false, (*Guild).getMember},
	{"GET", "/channels/{channel_id}", true, false, (*Guild).getChannel},
	{"PATCH", "/channels/{channel_id}", true, true, (*Guild).patchChannel},
	{"GET", "/channels/{channel_id}/messages", true, false, (*Guild).getMessages},
	{"POST", "/channels/{channel_id}/messages", true, true, (*Guild).postMessage},
	{"GET", "/channels/{channel_id}/messages/{message_id}", true, false, (*Guild).getMessage},
	{"PATCH", "/channels/{channel_id}/messages/{message_id}", true, true, (*Guild).patchMessage},
	{"DELETE", "/channels/{channel_id}/messages/{message_id}", true, false, (*Guild).deleteMessage},
	{"POST", "/channels/{channel_id}/messages/{message_id}/threads", true, true, (*Guild).postMessageThread},
	{"POST", "/channels/{channel_id}/threads", true, true, (*Guild).postThread},
	{"POST", "/interactions/{interaction_id}/{interaction_token}/callback", false, true, (*Guild).postCallback},
	{"POST", "/webhooks/{webhook_id}/{webhook_token}", false, true, (*Guild).postFollowup},
	{"GET", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", false, false, (*Guild).getFollowup},
	{"PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", false, true, (*Guild).patchFollowup},
	{"DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original", false, false, (*Guild).deleteFollowup},
	{"GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", false, false, (*Guild).getFollowup},
	{"PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", false, true, (*Guild).patchFollowup},
	{"DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", false, false, (*Guild).deleteFollowup},
}

// ServeHTTP serves the API below /api/v9 and /api/v10, and the Gateway at /gw and /.
func (g *Guild) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/gw" || r.URL.Path == "/gw/" || r.URL.Path == "/" {
		g.serveGateway(w, r)
		return
	}
	path := ""
	for _, prefix := range []string{"/api/v9/", "/api/v10/"} {
		if p, ok := strings.CutPrefix(r.URL.Path, prefix); ok {
			path = "/" + p
		}
	}
	for _, e := range endpoints {
		if path != "" && matches(e.method+" "+e.route, r.Method, path) {
			g.call(w, r, e, path)
			return
		}
	}
	g.mu.Lock()
	g.calls = append(g.calls, Call{At: time.Now(), Method: r.Method, Route: "?" + redact(r.URL.Path),
		Status: http.StatusNotFound})
	g.mu.Unlock()
	writeError(w, &apiError{status: http.StatusNotFound, message: "404: Not Found"})
}

// redact removes an interaction token from a path that matches no route.
func redact(path string) string {
	for _, s := range []string{"/webhooks/", "/interactions/"} {
		if at := strings.Index(path, s); at >= 0 {
			return path[:at+len(s)] + "..."
		}
	}
	return path
}

// call serves one request: faults, checks, its endpoint. It records the request in the log.
func (g *Guild) call(w http.ResponseWriter, r *http.Request, e endpoint, path string) {
	q := &request{Request: r, route: e.route, args: map[string]string{}}
	shown := map[string]string{}
	have := strings.Split(path, "/")
	for i, s := range strings.Split(e.route, "/") {
		if strings.HasPrefix(s, "{") {
			name := strings.Trim(s, "{}")
			q.args[name] = have[i]
			if !strings.HasSuffix(name, "_token") {
				shown[name] = have[i]
			}
		}
	}
	started := time.Now()
	g.mu.Lock()
	at := len(g.calls)
	g.calls = append(g.calls, Call{At: started, Method: r.Method, Route: e.route, Args: shown, Query: r.URL.RawQuery,
		UserAgent: r.UserAgent()})
	g.mu.Unlock()

	rec := &statusWriter{ResponseWriter: w}
	defer func() {
		g.mu.Lock()
		c := &g.calls[at]
		c.Took, c.Status, c.Code, c.Limited = time.Since(started), rec.status, rec.code,
			rec.status == http.StatusTooManyRequests
		g.bump()
		g.mu.Unlock()
	}()

	err := q.read(g, e.json)
	g.mu.Lock()
	g.calls[at].Body = q.raw
	g.mu.Unlock()

	f, faulty := g.nextFault(r.Method, path)
	if faulty && g.meet(r.Context(), rec, f) {
		return
	}
	if err == nil {
		err = g.admit(rec, q, e)
	}
	var status int
	var answer any
	if err == nil {
		status, answer, err = e.do(g, q)
	}
	if faulty && f.lost {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		rec.code = err.code
		if err.status == 0 {
			return // the limiter has answered
		}
		writeError(rec, err)
		return
	}
	if answer == nil {
		rec.WriteHeader(status)
		return
	}
	writeJSON(rec, status, answer)
}

// admit checks what is checked for every route: credentials, budgets, the specification.
func (g *Guild) admit(w http.ResponseWriter, q *request, e endpoint) *apiError {
	auth := q.Header.Get("Authorization")
	g.mu.Lock()
	good := !g.tokenReset && subtle.ConstantTimeCompare([]byte(auth), []byte("Bot "+g.BotToken)) == 1
	g.mu.Unlock()
	if !good && (e.auth || auth != "") {
		return &apiError{status: http.StatusUnauthorized, message: "401: Unauthorized"}
	}
	for _, id := range []string{"channel_id", "message_id", "guild_id", "user_id", "interaction_id", "webhook_id",
		"application_id"} {
		if v, ok := q.args[id]; ok && !isSnowflake(v) {
			f := form{}
			f.add(id, "NUMBER_TYPE_COERCE", "Value \""+v+"\" is not snowflake.")
			return f.err()
		}
	}
	if g.Limits {
		bucket, limit, window := "", 5, 5*time.Second
		switch q.Method + " " + e.route {
		case "POST /channels/{channel_id}/messages":
			bucket = "send " + q.args["channel_id"]
		case "PATCH /channels/{channel_id}/messages/{message_id}":
			bucket = "edit " + q.args["channel_id"]
		case "PATCH /channels/{channel_id}":
			if _, ok := q.object()["name"]; ok {
				bucket, limit, window = "name "+q.args["channel_id"], 2, 10*time.Minute
			}
		}
		if bucket != "" {
			wait, remaining := g.spend(bucket, limit, window)
			hash, _, _ := strings.Cut(bucket, " ")
			if wait > 0 {
				writeLimit(w, "user", wait, hash, limit)
				return &apiError{}
			}
			writeBudget(w.Header(), hash, limit, remaining, window)
		}
	}
	if g.Validate != nil && q.raw != nil {
		if err := g.Validate(q.Method, e.route, q.raw); err != nil {
			g.mu.Lock()
			g.violations = append(g.violations, fmt.Sprintf("%s %s: %v", q.Method, e.route, err))
			g.mu.Unlock()
			a := fail(http.StatusBadRequest, 50035)
			a.errors = object{"_errors": []any{object{"code": "SPECIFICATION", "message": err.Error()}}}
			return a
		}
	}
	return nil
}

// read reads the body, JSON or multipart.
func (q *request) read(g *Guild, wanted bool) *apiError {
	b, err := io.ReadAll(io.LimitReader(q.Body, g.RequestLimit+1))
	if err != nil {
		return fail(http.StatusBadRequest, 50109)
	}
	if int64(len(b)) > g.RequestLimit {
		return fail(http.StatusRequestEntityTooLarge, 40005)
	}
	if !wanted {
		return nil
	}
	kind, params, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		q.raw = b
	case "multipart/form-data":
		if e := q.readParts(g, multipart.NewReader(bytes.NewReader(b), params["boundary"])); e != nil {
			return e
		}
	default:
		f := form{}
		f.add("", "CONTENT_TYPE_INVALID",
			"Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}.")
		return f.err()
	}
	if q.raw == nil {
		q.raw = []byte("{}")
	}
	q.body, err = decode(q.raw)
	if err != nil {
		q.raw = nil
		return fail(http.StatusBadRequest, 50109)
	}
	if _, ok := q.body.(object); !ok && q.Method != http.MethodPut {
		return fail(http.StatusBadRequest, 50109)
	}
	return nil
}

func (q *request) readParts(g *Guild, parts *multipart.Reader) *apiError {
	q.files = map[int]upload{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fail(http.StatusBadRequest, 50109)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return fail(http.StatusBadRequest, 50109)
		}
		name := part.FormName()
		if name == "payload_json" {
			q.raw = data
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "files["), "]"))
		if err != nil || name != fmt.Sprintf("files[%d]", n) || part.FileName() == "" {
			f := form{}
			f.add(name, "MULTIPART_PART", "Expected payload_json or files[n] with a file name.")
			return f.err()
		}
		if int64(len(data)) > g.UploadLimit {
			return fail(http.StatusRequestEntityTooLarge, 40005)
		}
		q.files[n] = upload{part.FileName(), data}
	}
}

// decode reads exactly one JSON value.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// statusWriter records the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	code   int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.code == 0 && w.status >= 400 {
		var e struct{ Code int }
		if json.Unmarshal(b, &e) == nil {
			w.code = e.Code
		}
	}
	return w.ResponseWriter.Write(b)
}

func isSnowflake(s string) bool {
	if len(s) < 1 || len(s) > 20 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func (g *Guild) getGateway(q *request) (int, any, *apiError) {
	return 200, object{"url": cmp.Or(g.GatewayURL, gatewayURL(q.Request))}, nil
}

// gatewayURL returns the URL of the Gateway on the host of the request.
func gatewayURL(r *http.Request) string {
	u := url.URL{Scheme: "ws", Host: r.Host, Path: "/gw"}
	return u.String()
}

func (g *Guild) getGatewayBot(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	used := g.identified()
	reset := time.Duration(0)
	if len(used) > 0 {
		reset = time.Until(used[0].Add(24 * time.Hour))
	}
	return 200, object{"url": cmp.Or(g.GatewayURL, gatewayURL(q.Request)), "shards": 1, "session_start_limit": object{
		"total": g.IdentifyBudget, "remaining": max(g.IdentifyBudget-len(used), 0), "reset_after": reset.Milliseconds(),
		"max_concurrency": 1,
	}}, nil
}

func (g *Guild) getMe(*request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return 200, g.userObject(g.BotUserID), nil
}

func (g *Guild) getApplication(*request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := object{
		"id": g.ApplicationID, "name": g.BotName, "icon": nil, "description": "", "bot_public": false,
		"bot_require_code_grant": false,
		"verify_key":             g.PublicKey, "flags": 0, "bot": g.userObject(g.BotUserID),
		"interactions_endpoint_url": nil,
		"integration_types_config":  object{"0": object{}},
	}
	if g.byHTTP() {
		o["interactions_endpoint_url"] = "https://bot.example/discord/interactions"
		if g.InteractionsURL != "" {
			o["interactions_endpoint_url"] = g.InteractionsURL
		}
	}
	return 200, o, nil
}

// guildArg refuses every other guild, as Discord does when the bot is not a member.
func (g *Guild) guildArg(q *request) *apiError {
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.args["guild_id"] != g.ID || g.kicked {
		return fail(http.StatusNotFound, 10004)
	}
	return nil
}

func (g *Guild) getGuild(q *request) (int, any, *apiError) {
	if err := g.guildArg(q); err != nil {
		return 0, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return 200, object{
		"id": g.ID, "name": g.Name, "icon": nil, "owner_id": "1", "preferred_locale": g.Locale, "features": []any{},
		"roles": g.roleObjects(), "emojis": []any{}, "premium_tier": 0, "verification_level": 0, "mfa_level": 0,
	}, nil
}

func (g *Guild) roleObjects() []any {
	role := func(id, name string, mentionable bool, p int64) object {
		return object{
			"id": id, "name": name, "mentionable": mentionable, "permissions": strconv.FormatInt(p, 10),
			"color": 0, "hoist": false, "managed": false, "position": 0, "flags": 0, "icon": nil, "unicode_emoji": nil,
		}
	}
	list := []any{role(g.ID, "@everyone", false, DefaultMemberPermissions)}
	for _, id := range g.roleOrder {
		r := g.roles[id]
		list = append(list, role(r.ID, r.Name, r.Mentionable, r.Permissions))
	}
	return list
}

func (g *Guild) getRoles(q *request) (int, any, *apiError) {
	if err := g.guildArg(q); err != nil {
		return 0, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return 200, g.roleObjects(), nil
}

func (g *Guild) getRoleCounts(q *request) (int, any, *apiError) {
	if err := g.guildArg(q); err != nil {
		return 0, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := object{}
	for _, id := range g.roleOrder {
		n := 0
		for _, m := range g.members {
			if slices.Contains(g.rolesOf(m), id) {
				n++
			}
		}
		counts[id] = n
	}
	return 200, counts, nil
}

func (g *Guild) getChannels(q *request) (int, any, *apiError) {
	if err := g.guildArg(q); err != nil {
		return 0, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []any{}
	for _, id := range slices.Sorted(keys(g.channels)) {
		if c := g.channels[id]; !c.isThread() && c.recipient == "" && g.botPermissions(c)&ViewChannel != 0 {
			list = append(list, g.channelObject(c))
		}
	}
	return 200, list, nil
}

func (g *Guild) getMember(q *request) (int, any, *apiError) {
	if err := g.guildArg(q); err != nil {
		return 0, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if id := q.args["user_id"]; id == g.BotUserID {
		return 200, g.memberObject(&Member{UserID: id, Name: g.BotName, Bot: true}), nil
	} else if m, ok := g.members[id]; ok {
		return 200, g.memberObject(m), nil
	}
	return 0, nil, fail(http.StatusNotFound, 10007)
}

// visible returns a channel or thread if the bot may see it. Callers hold g.mu.
func (g *Guild) visible(id string) (*channel, *apiError) {
	c, ok := g.channels[id]
	if !ok {
		return nil, fail(http.StatusNotFound, 10003)
	}
	p := g.botPermissions(c)
	if p&ViewChannel == 0 || c.recipient == "" && g.kicked || c.outside && p&ManageThreads == 0 {
		return nil, fail(http.StatusForbidden, 50001)
	}
	return c, nil
}

func (g *Guild) getChannel(q *request) (int, any, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, err := g.visible(q.args["channel_id"])
	if err != nil {
		return 0, nil, err
	}
	return 200, g.channelObject(c), nil
}
