package slacktest

// This file serves the Web API: it reads a request, checks its token, scope and rate, calls the
// method and writes the answer. The methods that only read are here; those that write are in
// message.go, view.go, file.go and socket.go. A request that Slack would refuse gets Slack's error
// code.

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxBody is the size in bytes that one request may have: more than any limit that is tested.
const maxBody = 16 << 20

// call is one request to a Web API method, read from its raw form or JSON.
type call struct {
	w      *Workspace
	r      *http.Request
	method string
	token  string
	form   url.Values
	json   map[string]any // nil for a form
}

// refusal is an answer with ok:false.
type refusal struct {
	code  string
	extra map[string]any
}

func refuse(code string) *refusal { return &refusal{code: code} }

// str returns an argument as text. Numbers and booleans of a JSON body are converted.
func (c *call) str(name string) string {
	if c.json == nil {
		return c.form.Get(name)
	}
	switch v := c.json[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (c *call) flag(name string) bool {
	v := c.str(name)
	return v == "true" || v == "1"
}

// has reports whether the argument was sent at all.
func (c *call) has(name string) bool {
	if c.json == nil {
		return c.form.Has(name)
	}
	v, ok := c.json[name]
	return ok && v != nil
}

// value returns an argument that is JSON itself, with the size it was sent in.
// A form holds it as text; a JSON body may hold it either way.
func (c *call) value(name string) (v any, size int, ok bool) {
	if c.json != nil {
		if _, isText := c.json[name].(string); !isText {
			raw, err := json.Marshal(c.json[name])
			return c.json[name], len(raw), err == nil
		}
	}
	text := c.str(name)
	v, err := parseJSON([]byte(text))
	return v, len(text), err == nil
}

func parseJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &json.SyntaxError{Offset: d.InputOffset()}
	}
	return v, nil
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// unreachable unless a method answers with an unsupported type
		panic("slacktest: answer cannot be written as JSON: " + err.Error())
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(body) // the app may have gone away
}

// toJSON is json.Marshal without the escaping of < > &.
func toJSON(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// unreachable unless a value holds an unsupported type
		panic("slacktest: cannot be written as JSON: " + err.Error())
	}
	return bytes.TrimSpace(b.Bytes())
}

// method is what is known of a Web API method.
type method struct {
	do    func(*call) (map[string]any, *refusal)
	scope string
	app   bool // wants the app token
	json  bool // reads a JSON body; the others take arguments from forms and queries only
}

var methods map[string]method

func init() {
	methods = map[string]method{
		"auth.test":                    {do: authTest, json: true},
		"apps.connections.open":        {do: connectionsOpen, scope: "connections:write", app: true, json: true},
		"chat.postMessage":             {do: postMessage, scope: "chat:write", json: true},
		"chat.update":                  {do: updateMessage, scope: "chat:write", json: true},
		"chat.delete":                  {do: deleteMessage, scope: "chat:write", json: true},
		"chat.postEphemeral":           {do: postEphemeral, scope: "chat:write", json: true},
		"chat.getPermalink":            {do: getPermalink},
		"views.open":                   {do: viewsOpen, json: true},
		"views.push":                   {do: viewsPush, json: true},
		"views.update":                 {do: viewsUpdate, json: true},
		"users.info":                   {do: usersInfo, scope: "users:read"},
		"usergroups.list":              {do: usergroupsList, scope: "usergroups:read"},
		"usergroups.users.list":        {do: usergroupsUsersList, scope: "usergroups:read"},
		"conversations.info":           {do: conversationsInfo, scope: ":read"},
		"conversations.members":        {do: conversationsMembers, scope: ":read"},
		"conversations.history":        {do: conversationsHistory, scope: ":history"},
		"conversations.replies":        {do: conversationsReplies, scope: ":history"},
		"files.getUploadURLExternal":   {do: getUploadURL, scope: "files:write"},
		"files.completeUploadExternal": {do: completeUpload, scope: "files:write", json: true},
		"bots.info":                    {do: botsInfo, scope: "users:read"},
		"team.info":                    {do: teamInfo, scope: "team:read"},
	}
}

// arrive records a request in the log and takes the fault that is planned for it.
func (w *Workspace) arrive(name, channel string, size int) (entry int, f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, _ = w.nextFault(name)
	w.log = append(w.log, Call{Method: name, Channel: channel, Time: w.now(), Bytes: size, Error: f.name})
	return len(w.log) - 1, f
}

// finish records how a request ended.
func (w *Workspace) finish(entry, status int, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log[entry].Status = status; w.log[entry].Error == "" || w.log[entry].Error == "slow" {
		w.log[entry].Error = code
	}
}

func (w *Workspace) serveAPI(rw http.ResponseWriter, r *http.Request, name string) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := &call{w: w, r: r, method: name}
	malformed := c.read(body)

	entry, fault := w.arrive(name, c.str("channel")+c.str("channel_id"), len(body))
	if !fault.before(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	w.mu.Lock()
	latency := w.Latency
	w.mu.Unlock()
	wait(r, latency)

	answer, no, header := w.act(c, malformed)
	if !fault.after(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	for k, v := range header {
		rw.Header()[k] = v
	}
	status := http.StatusOK
	if no != nil {
		answer = map[string]any{"ok": false, "error": no.code}
		for k, v := range no.extra {
			answer[k] = v
		}
		if header.Get("Retry-After") != "" {
			status = http.StatusTooManyRequests
		}
		w.finish(entry, status, no.code)
	} else {
		answer["ok"] = true
		w.finish(entry, status, "")
	}
	writeJSON(rw, status, answer)
}

// sent returns the HTTP status that the fault answers with.
func (f Fault) sent() int {
	if f.code != "" {
		return http.StatusOK
	}
	return f.status
}

// read takes the arguments and the token out of the request.
func (c *call) read(body []byte) *refusal {
	if scheme, token, ok := strings.Cut(c.r.Header.Get("Authorization"), " "); ok &&
		strings.EqualFold(scheme, "Bearer") {
		c.token = token
	}
	c.form = c.r.URL.Query()
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch {
	case c.r.Method == http.MethodGet || len(body) == 0:
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return refuse("invalid_form_data")
		}
		for k, v := range form {
			c.form[k] = v
		}
	case kind == "application/json":
		v, err := parseJSON(body)
		if err != nil {
			return refuse("invalid_json")
		}
		m, ok := v.(map[string]any)
		if !ok {
			return refuse("json_not_object")
		}
		if methods[c.method].json {
			c.json = m
		}
	case kind == "multipart/form-data":
		c.r.Body = io.NopCloser(bytes.NewReader(body))
		if err := c.r.ParseMultipartForm(maxBody); err != nil {
			return refuse("invalid_form_data")
		}
		for k, v := range c.r.MultipartForm.Value {
			c.form[k] = v
		}
	case kind == "":
		return refuse("missing_post_type")
	default:
		return refuse("invalid_post_type")
	}
	if c.token == "" && c.json == nil {
		c.token = c.form.Get("token")
	}
	return nil
}

// act checks the token, the rate and the scope of a call, and then calls the method.
func (w *Workspace) act(c *call, malformed *refusal) (answer map[string]any, no *refusal, header http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	header = http.Header{}
	m, ok := methods[c.method]
	switch {
	case !ok:
		return nil, &refusal{"unknown_method", map[string]any{"req_method": c.method}}, header
	case c.r.Method != http.MethodPost && c.r.Method != http.MethodGet:
		return nil, refuse("invalid_post_type"), header
	case malformed != nil:
		return nil, malformed, header
	case c.token == "":
		return nil, refuse("not_authed"), header
	case c.token != w.BotToken && c.token != w.AppToken:
		return nil, refuse("invalid_auth"), header
	}
	scopes := w.Scopes
	if c.token == w.AppToken {
		scopes = w.AppScopes
	}
	header.Set("X-OAuth-Scopes", strings.Join(scopes, ","))
	if m.app != (c.token == w.AppToken) && c.method != "auth.test" {
		return nil, refuse("not_allowed_token_type"), header
	}
	if d := w.limited(c.method, c.str("channel")); d > 0 {
		header.Set("Retry-After", seconds(d))
		return nil, refuse("ratelimited"), header
	}
	needed := m.scope
	if strings.HasPrefix(needed, ":") {
		needed = w.kindOf(c.str("channel")) + needed
	}
	if needed != "" {
		header.Set("X-Accepted-OAuth-Scopes", needed)
		if !slices.Contains(scopes, needed) {
			return nil, missingScope(needed, scopes), header
		}
	}
	answer, no = m.do(c)
	return answer, no, header
}

func missingScope(needed string, provided []string) *refusal {
	return &refusal{"missing_scope", map[string]any{"needed": needed, "provided": strings.Join(provided, ",")}}
}

// kindOf returns the scope prefix for a conversation.
func (w *Workspace) kindOf(channel string) string {
	switch ch := w.channels[channel]; {
	case ch != nil && ch.IM:
		return "im"
	case ch != nil && ch.MPIM:
		return "mpim"
	case ch != nil && ch.Private:
		return "groups"
	}
	return "channels"
}

func authTest(c *call) (map[string]any, *refusal) {
	w := c.w
	a := map[string]any{
		"url": "https://" + w.domain() + ".slack.com/", "team": w.TeamName, "team_id": w.TeamID,
		"is_enterprise_install": w.OrgInstall,
	}
	if w.OrgInstall {
		a["team"], a["team_id"] = w.EnterpriseID, w.EnterpriseID
	}
	if w.EnterpriseID != "" {
		a["enterprise_id"] = w.EnterpriseID
	}
	if c.token == w.AppToken {
		a["app_name"], a["app_id"] = w.BotName, w.AppID
		return a, nil
	}
	a["user"], a["user_id"], a["bot_id"] = w.BotName, w.BotUserID, w.BotID
	return a, nil
}

func (w *Workspace) domain() string { return strings.ToLower(w.TeamName) }

func teamInfo(c *call) (map[string]any, *refusal) {
	w := c.w
	team := map[string]any{"id": w.TeamID, "name": w.TeamName, "domain": w.domain(),
		"url": "https://" + w.domain() + ".slack.com/"}
	if w.EnterpriseID != "" {
		team["enterprise_id"] = w.EnterpriseID
	}
	return map[string]any{"team": team}, nil
}

func botsInfo(c *call) (map[string]any, *refusal) {
	w := c.w
	if id := c.str("bot"); id != "" && id != w.BotID {
		return nil, refuse("bot_not_found")
	}
	return map[string]any{"bot": map[string]any{
		"id": w.BotID, "deleted": false, "name": w.BotName, "app_id": w.AppID, "user_id": w.BotUserID, "updated": 1,
		"icons": map[string]any{},
	}}, nil
}

func usersInfo(c *call) (map[string]any, *refusal) {
	w := c.w
	id := c.str("user")
	if id == w.BotUserID && w.users[id] == nil {
		return map[string]any{"user": w.userJSON(&User{ID: id, Name: w.BotName, TeamID: w.TeamID, Bot: true},
			c.flag("include_locale"))}, nil
	}
	u := w.users[id]
	if u == nil {
		return nil, refuse("user_not_found")
	}
	return map[string]any{"user": w.userJSON(u, c.flag("include_locale"))}, nil
}

func (w *Workspace) userJSON(u *User, locale bool) map[string]any {
	real := u.RealName
	if real == "" {
		real = u.Name
	}
	tz := u.TZ
	if tz == "" {
		tz = "Etc/UTC"
	}
	profile := map[string]any{"real_name": real, "display_name": u.Name, "team": u.TeamID}
	if slices.Contains(w.Scopes, "users:read.email") && u.Email != "" {
		profile["email"] = u.Email
	}
	m := map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "deleted": u.Deleted, "real_name": real,
		"tz": tz, "tz_label": tz, "tz_offset": u.TZOffset, "profile": profile, "is_bot": u.Bot, "is_app_user": false,
		"updated":  1,
		"is_admin": u.Admin, "is_owner": false, "is_primary_owner": false, "is_restricted": u.Restricted ||
			u.UltraRestricted,
		"is_ultra_restricted": u.UltraRestricted,
	}
	// Slack sends these only where they are true.
	for key, set := range map[string]bool{
		"is_stranger": u.Stranger, "is_invited_user": u.Invited, "is_workflow_bot": u.WorkflowBot,
		"is_connector_bot": u.ConnectorBot,
	} {
		if set {
			m[key] = true
		}
	}
	if locale {
		if m["locale"] = u.Locale; u.Locale == "" {
			m["locale"] = "en-US"
		}
	}
	if u.EnterpriseID != "" {
		m["enterprise_user"] = map[string]any{"id": u.ID, "enterprise_id": u.EnterpriseID, "teams": []string{u.TeamID}}
	}
	return m
}

// groupsRefused returns why the methods for user groups are refused; nil where they are not.
func (c *call) groupsRefused() *refusal {
	switch w := c.w; {
	case w.GroupsCode != "":
		return refuse(w.GroupsCode)
	case w.OrgInstall && c.str("team_id") == "":
		return refuse("missing_argument")
	case c.has("team_id") && c.str("team_id") != w.TeamID:
		return refuse("team_not_found")
	}
	return nil
}

func usergroupsList(c *call) (map[string]any, *refusal) {
	w := c.w
	if no := c.groupsRefused(); no != nil {
		return nil, no
	}
	list := []any{}
	for _, id := range sortedKeys(w.groups) {
		g := w.groups[id]
		if g.Disabled && !c.flag("include_disabled") {
			continue
		}
		m := map[string]any{"id": g.ID, "team_id": w.TeamID, "is_usergroup": true, "name": g.Name, "handle": g.Handle,
			"date_delete": 0}
		if g.Disabled {
			m["date_delete"] = 1
		}
		if c.flag("include_users") {
			m["users"] = slices.Clone(g.Members)
		}
		if c.flag("include_count") {
			m["user_count"] = len(g.Members)
		}
		list = append(list, m)
	}
	return map[string]any{"usergroups": list}, nil
}

func usergroupsUsersList(c *call) (map[string]any, *refusal) {
	if no := c.groupsRefused(); no != nil {
		return nil, no
	}
	g := c.w.groups[c.str("usergroup")]
	if g == nil || g.Disabled && !c.flag("include_disabled") {
		return nil, refuse("no_such_subteam")
	}
	return map[string]any{"users": append([]string{}, g.Members...)}, nil
}

// visible finds a conversation that the app can see.
func (c *call) visible() (*channel, *refusal) {
	ch := c.w.channels[c.str("channel")]
	if ch == nil || (ch.Private || ch.IM) && !ch.BotIn {
		return nil, refuse("channel_not_found")
	}
	return ch, nil
}

func conversationsInfo(c *call) (map[string]any, *refusal) {
	ch, no := c.visible()
	if no != nil {
		return nil, no
	}
	w := c.w
	m := map[string]any{
		"id": ch.ID, "created": 1, "is_archived": ch.Archived, "is_channel": !ch.Private && !ch.IM, "is_group": false,
		"is_im":   ch.IM,
		"is_mpim": ch.MPIM, "is_private": ch.Private || ch.IM, "is_member": ch.BotIn, "is_general": false,
		"is_org_shared": false,
		"is_shared":     ch.ExtShared, "is_ext_shared": ch.ExtShared, "is_pending_ext_shared": ch.PendingExtShared,
		"context_team_id": w.TeamID,
	}
	if ch.IM {
		if len(ch.Members) > 0 {
			m["user"] = ch.Members[0]
		}
	} else {
		m["name"], m["name_normalized"] = ch.Name, ch.Name
	}
	if c.flag("include_num_members") {
		m["num_members"] = len(ch.Members)
	}
	return map[string]any{"channel": m}, nil
}

// page returns the part of a list that the arguments cursor and limit select.
func page[T any](c *call, list []T, standard int) (part []T, next string, no *refusal) {
	from, limit := 0, standard
	if s := c.str("limit"); s != "" && s != "0" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			return nil, "", refuse("invalid_limit")
		}
		limit = n
	}
	if s := c.str("cursor"); s != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(s, "after-"))
		if err != nil || n < 0 || n > len(list) {
			return nil, "", refuse("invalid_cursor")
		}
		from = n
	}
	to := min(from+limit, len(list))
	if to < len(list) {
		next = "after-" + strconv.Itoa(to)
	}
	return list[from:to], next, nil
}

func conversationsMembers(c *call) (map[string]any, *refusal) {
	ch, no := c.visible()
	if no != nil {
		return nil, no
	}
	members := append([]string{}, ch.Members...)
	if ch.BotIn {
		members = append(members, c.w.BotUserID)
	}
	part, next, no := page(c, members, 100)
	if no != nil {
		return nil, no
	}
	return map[string]any{"members": part, "response_metadata": map[string]any{"next_cursor": next}}, nil
}

func conversationsHistory(c *call) (map[string]any, *refusal) {
	return c.history(func(m *message) bool { return m.ThreadTS == "" || m.Broadcast }, true)
}

func conversationsReplies(c *call) (map[string]any, *refusal) {
	ts := c.str("ts")
	ch, no := c.visible()
	if no != nil {
		return nil, no
	}
	if m := ch.find(ts); m == nil || m.gone {
		return nil, refuse("thread_not_found")
	}
	return c.history(func(m *message) bool { return m.TS == ts || m.ThreadTS == ts }, false)
}

func (c *call) history(keep func(*message) bool, newestFirst bool) (map[string]any, *refusal) {
	ch, no := c.visible()
	if no != nil {
		return nil, no
	}
	if !ch.BotIn {
		return nil, refuse("not_in_channel")
	}
	oldest, latest := c.str("oldest"), c.str("latest")
	for key, ts := range map[string]string{"oldest": oldest, "latest": latest} {
		if ts != "" && !plausibleBound(ts) {
			return nil, refuse("invalid_ts_" + key)
		}
	}
	list := []any{}
	for _, m := range ch.messages {
		if m.gone || !keep(m) || oldest != "" && !after(m.TS, oldest, c.flag("inclusive")) || latest != "" &&
			!after(latest, m.TS, c.flag("inclusive")) {
			continue
		}
		list = append(list, c.w.messageJSON(m, c.flag("include_all_metadata")))
	}
	if newestFirst {
		slices.Reverse(list)
	}
	part, next, no := page(c, list, 100)
	if no != nil {
		return nil, no
	}
	return map[string]any{"messages": part, "has_more": next != "",
		"response_metadata": map[string]any{"next_cursor": next}}, nil
}

// after reports whether timestamp a is later than b, or the same where inclusive.
func after(a, b string, inclusive bool) bool {
	x, y := micros(a), micros(b)
	return x > y || inclusive && x == y
}

// micros returns a timestamp in microseconds. The fraction may be missing.
func micros(ts string) int64 {
	sec, frac, _ := strings.Cut(ts, ".")
	s, _ := strconv.ParseInt(sec, 10, 64) // plausibleBound has checked both
	f, _ := strconv.ParseInt((frac + "000000")[:6], 10, 64)
	return s*1e6 + f
}

func plausibleBound(ts string) bool {
	sec, frac, _ := strings.Cut(ts, ".")
	return sec != "" && strings.Trim(sec+frac, "0123456789") == "" && len(frac) <= 6
}

// plausibleTS reports whether ts has the form of a message's timestamp.
func plausibleTS(ts string) bool {
	_, frac, ok := strings.Cut(ts, ".")
	return ok && len(frac) == 6 && plausibleBound(ts)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
