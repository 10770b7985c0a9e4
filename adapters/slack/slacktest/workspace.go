package slacktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Workspace is a Slack workspace with one app installed in it. Make it with [New]. It is an
// http.Handler: /api/METHOD, /link/ (Socket Mode), /response/ (response_url) and /upload/.
//
// The exported fields configure it; the comment of a field ends with the value that [New] sets. Set
// them before the first use; later, change them inside [Workspace.Set]. The methods may be called
// at any time from any goroutine.
type Workspace struct {
	// Who and where.
	TeamID       string // "T0TEAM"
	TeamName     string // the domain is its lower case
	EnterpriseID string // empty: not part of an Enterprise organisation
	// OrgInstall: the app is installed for the whole organisation EnterpriseID. auth.test then
	// gives the organisation as the team, and the methods for user groups need a team_id
	// (docs.slack.dev, "Developing for Enterprise organizations").
	OrgInstall    bool
	AppID         string
	BotUserID     string // the user id of the app's messages
	BotID         string
	BotName       string
	BotToken      string // xoxb-
	AppToken      string // xapp-
	SigningSecret string
	Scopes        []string // of the bot token; by default all that the methods need
	AppScopes     []string // of the app token
	Commands      []string // registered slash commands: people can type no other
	// GroupsCode is the error with which every method for user groups is refused: on a free plan
	// plan_upgrade_required or paid_teams_only (docs.slack.dev, usergroups.users.list, "Errors").
	// Empty: they are not refused.
	GroupsCode string

	// The Web API.
	Latency    time.Duration // each call of a method and each use of a response_url takes this long
	EditWindow time.Duration // chat.update of an older message is edit_window_closed; 0: no limit
	// JSON of blocks of this size or more is msg_blocks_too_long; 10,000. Slack publishes no number
	MaxBlockBytes int
	RateLimits    bool           // enforce PerMinute and PostBurst with status 429; true
	PerMinute     map[string]int // calls of a method in any 60 seconds; a method that is not in it has no limit
	UploadHost    string         // of the URL that files.getUploadURLExternal gives in process; files.slack.com
	PostBurst     int            // chat.postMessage: calls at once in one channel, then one a second; 10
	TriggerFor    time.Duration  // how long a trigger_id can be used; 3 s
	ResponseBase  string         // scheme and host of response_url; https://hooks.slack.com, after Start the listener's

	// Deliveries.
	AckWithin time.Duration // 3 s
	// a delivery that is not acknowledged in time is sent again, three times at most: the same
	// envelope, or a post with retry headers
	Redeliver bool
	Duplicate bool // every delivery is sent twice
	// scheme and host of the app's HTTP server; empty: Socket Mode, or the handler of Deliver
	RequestURL   string
	CommandPath  string        // on it, or on that handler; /slack/commands
	InteractPath string        // /slack/interactions
	BadSignature bool          // request URLs: sign with a wrong secret
	SignatureAge time.Duration // request URLs: how old the timestamp is; negative: it lies in the future

	// Socket Mode.
	SocketModeOff  bool          // Socket Mode is switched off: sockets get hello, then disconnect link_disabled
	SocketScheme   string        // of the URL that apps.connections.open gives in process; "ws", or "wss"
	SocketHost     string        // of that URL; wss-primary.slack.com
	PingInterval   time.Duration // a socket that answers none of three pings is dropped; 10 s
	ConnectionTime time.Duration // approximate_connection_time; 18,060 s
	RefreshSockets bool          // send disconnect "warning" when ConnectionTime less Grace is over; true
	Grace          time.Duration // from a disconnect "warning" or "refresh_requested" to the close; 10 s
	MaxSockets     int           // a socket beyond this number gets too_many_websockets; 10
	AckAnySocket   bool          // an acknowledgement may come on any socket

	mu         sync.Mutex
	closed     bool
	ctx        context.Context
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	handler    http.Handler
	hosts      map[string]bool // of Start
	lastTS     int64
	serial     int

	users      map[string]*User
	groups     map[string]*UserGroup
	channels   map[string]*channel
	ephemerals []*Ephemeral
	views      []*view
	files      []*file
	triggers   map[string]*trigger
	responses  map[string]*response
	notified   []Notification
	complaints []string

	log       []Call
	faults    []*plannedFault
	recent    map[string][]time.Time // admitted calls by method
	buckets   map[string]*bucket     // chat.postMessage by channel
	tickets   map[string]bool        // given and not used yet
	sockets   []*Socket
	sockCount int
	opened    chan struct{}        // closed when a socket opens
	nextTo    int                  // the socket whose turn it is
	only      *Socket              // of DeliverTo
	inFlight  map[string]*Delivery // by envelope id
}

// New returns a workspace with an app, a bot user that may do everything that the
// methods need, the commands /recall and /recalls, and nobody and nothing else.
func New() *Workspace {
	w := &Workspace{
		TeamID:        "T0TEAM",
		TeamName:      "Acme",
		AppID:         "A0APP",
		BotUserID:     "U0BOT",
		BotID:         "B0BOT",
		BotName:       "recallbot",
		BotToken:      "xoxb-slacktest-bot",
		AppToken:      "xapp-slacktest-app",
		SigningSecret: "slacktest-signing-secret",
		Scopes: []string{
			"commands", "chat:write", "chat:write.public", "usergroups:read", "users:read", "files:write", "team:read",
			"channels:read", "groups:read", "im:read", "channels:history", "groups:history", "im:history", "im:write",
		},
		AppScopes:     []string{"connections:write"},
		Commands:      []string{"/recall", "/recalls"},
		MaxBlockBytes: 10_000,
		RateLimits:    true,
		PerMinute: map[string]int{
			"apps.connections.open": 20, "chat.postMessage": 300, "chat.update": 50, "chat.delete": 50,
			"chat.postEphemeral": 100,
			"views.open":         100, "views.update": 100, "views.push": 100, "users.info": 100, "usergroups.list": 20,
			"usergroups.users.list": 20,
			"conversations.info":    50, "conversations.members": 100, "conversations.history": 50,
			"conversations.replies":      50,
			"files.getUploadURLExternal": 100, "files.completeUploadExternal": 100, "bots.info": 50, "team.info": 50,
		},
		PostBurst:      10,
		CommandPath:    "/slack/commands",
		InteractPath:   "/slack/interactions",
		ResponseBase:   "https://hooks.slack.com",
		AckWithin:      3 * time.Second,
		TriggerFor:     3 * time.Second,
		SocketScheme:   "ws",
		PingInterval:   10 * time.Second,
		ConnectionTime: 18_060 * time.Second,
		RefreshSockets: true,
		Grace:          10 * time.Second,
		MaxSockets:     10,
		hosts:          map[string]bool{},
		users:          map[string]*User{},
		groups:         map[string]*UserGroup{},
		channels:       map[string]*channel{},
		triggers:       map[string]*trigger{},
		responses:      map[string]*response{},
		recent:         map[string][]time.Time{},
		buckets:        map[string]*bucket{},
		tickets:        map[string]bool{},
		inFlight:       map[string]*Delivery{},
		opened:         make(chan struct{}),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Set changes exported fields while the workspace is in use. f must not call methods of w.
func (w *Workspace) Set(f func(w *Workspace)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

// Close closes every socket, ends every delivery, and returns when no goroutine
// of the workspace is left. Afterwards nothing is delivered and every call fails.
func (w *Workspace) Close() {
	w.mu.Lock()
	w.closed = true
	sockets := slices.Clone(w.sockets)
	for _, d := range w.inFlight {
		d.stop()
	}
	w.mu.Unlock()
	w.cancel()
	for _, s := range sockets {
		s.drop()
	}
	w.goroutines.Wait()
}

// begin runs f in a goroutine that Close waits for. It reports false when the
// workspace is closed. w.mu must not be held.
func (w *Workspace) begin(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.beginLocked(f)
}

func (w *Workspace) beginLocked(f func()) bool {
	if w.closed {
		return false
	}
	w.goroutines.Go(f)
	return true
}

// User is a person or a bot. The zero flags are those of a full member.
type User struct {
	ID              string
	Name            string // the handle; RealName is shown where it is set
	RealName        string
	TeamID          string // empty: the workspace's own
	EnterpriseID    string // of an Enterprise user
	Deleted         bool
	Bot             bool
	WorkflowBot     bool
	ConnectorBot    bool
	Restricted      bool // guest
	UltraRestricted bool // single-channel guest
	Stranger        bool // of another organisation, and in no channel that is shared with this workspace
	Invited         bool
	Admin           bool
	Locale          string // default en-US
	TZ              string // default Etc/UTC
	TZOffset        int    // seconds east of UTC
	Email           string // sent only with the scope users:read.email
}

// AddUser adds a user or replaces the one with the same ID.
func (w *Workspace) AddUser(u User) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.ID == "" {
		panic("slacktest: AddUser: no ID")
	}
	if u.Name == "" {
		u.Name = strings.ToLower(u.ID)
	}
	if u.TeamID == "" {
		u.TeamID = w.TeamID
	}
	w.users[u.ID] = &u
}

// UserGroup is a group of users that can be mentioned. Its ID begins with S.
type UserGroup struct {
	ID       string
	Handle   string
	Name     string
	Members  []string
	Disabled bool
}

// AddGroup adds a user group or replaces the one with the same ID.
func (w *Workspace) AddGroup(g UserGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.ID == "" {
		panic("slacktest: AddGroup: no ID")
	}
	if g.Handle == "" {
		g.Handle = strings.ToLower(g.ID)
	}
	g.Members = slices.Clone(g.Members)
	w.groups[g.ID] = &g
}

// Channel is a conversation. A public channel can be read by every member of
// the workspace; a private one and a direct message only by Members.
type Channel struct {
	ID        string
	Name      string
	Members   []string
	BotIn     bool // the app is a member
	Archived  bool
	ExtShared bool // shared with another organisation (Slack Connect)
	// PendingExtShared: another organisation was invited and has not joined (docs.slack.dev,
	// "Conversation object"). It then sees what was posted before.
	PendingExtShared bool
	Private          bool
	IM               bool
	MPIM             bool // a direct message of several people; Private as well
	// Posting restricts who may post; empty: nobody is restricted.
	Posting Posting
}

// Posting is a restriction on posting in a channel that an administrator has set. Its value is the
// error that the app gets (docs.slack.dev, chat.postMessage, "Errors"). Messages that exist can
// still be edited.
type Posting string

// The restrictions on posting.
const (
	// NoPosting: a preference of the workspace keeps the app from posting.
	NoPosting Posting = "restricted_action"
	// ReadOnly: the app may post neither messages nor replies.
	ReadOnly Posting = "restricted_action_read_only_channel"
	// ThreadOnly: the app may post replies alone.
	ThreadOnly Posting = "restricted_action_thread_only_channel"
)

type channel struct {
	Channel
	messages []*message // in order of ts; threads too
}

func (c *channel) has(user string) bool { return slices.Contains(c.Members, user) }

func (c *channel) find(ts string) *message {
	i := slices.IndexFunc(c.messages, func(m *message) bool { return m.TS == ts })
	if i < 0 {
		return nil
	}
	return c.messages[i]
}

// AddChannel adds a channel, or changes the one with the same ID, which keeps
// its messages.
func (w *Workspace) AddChannel(c Channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ID == "" {
		panic("slacktest: AddChannel: no ID")
	}
	if c.Name == "" {
		c.Name = strings.ToLower(c.ID)
	}
	c.Members = slices.Clone(c.Members)
	if old := w.channels[c.ID]; old != nil {
		old.Channel = c
		return
	}
	w.channels[c.ID] = &channel{Channel: c}
}

// now is the time of the workspace. In a synctest bubble it is the bubble's.
func (w *Workspace) now() time.Time { return time.Now() }

// ts returns a message timestamp that is later than every other one.
func (w *Workspace) ts() string {
	t := max(w.now().UnixMicro(), w.lastTS+1)
	w.lastTS = t
	return fmt.Sprintf("%d.%06d", t/1e6, t%1e6)
}

// id returns an identifier that was not given before.
func (w *Workspace) id(prefix string) string {
	w.serial++
	return fmt.Sprintf("%s%04d", prefix, w.serial)
}

// complain records something that Slack would accept without an error and that
// would nevertheless go wrong there.
func (w *Workspace) complain(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}

// Complaints returns what the app did wrong without getting an error from Slack:
// acknowledgements that are for nothing, too large, fragmented or on the wrong
// socket, answers that cannot be shown, messages that Slack would split. A test
// of a correct adapter expects none.
func (w *Workspace) Complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.complaints)
}

// Notification is a mention that reached somebody.
type Notification struct {
	Who     string // a user id, a user group id, or "here", "channel", "everyone"
	Channel string
	TS      string // of the message
	Where   string // "blocks", "text", or "auto" (plain words that Slack turns into a mention)
}

// Notified returns the mentions in first posts, in order. An edit notifies nobody.
func (w *Workspace) Notified() []Notification {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.notified)
}

// Call is one request that the app made.
type Call struct {
	Method  string // "chat.update"; also "response_url", "upload" and "link" (a socket's handshake)
	Channel string
	Time    time.Time
	Bytes   int    // of the body
	Status  int    // HTTP; 0: not answered
	Error   string // Slack's error code, or the fault that was planned; empty: it succeeded
}

// Log returns every request so far, in order of arrival.
func (w *Workspace) Log() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// Calls returns how often a method was called, with or without success.
func (w *Workspace) Calls(method string) int {
	n := 0
	for _, c := range w.Log() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// Counts returns how often each method was called.
func (w *Workspace) Counts() map[string]int {
	counts := map[string]int{}
	for _, c := range w.Log() {
		counts[c.Method]++
	}
	return counts
}

// Deliver makes the workspace send commands and interactions to handler, in
// process, as signed posts to CommandPath and InteractPath. A nil handler selects
// Socket Mode again. To post over the network, set RequestURL instead.
func (w *Workspace) Deliver(handler http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = handler
}

// ServeHTTP serves the Web API, Socket Mode handshakes, response URLs and uploads.
func (w *Workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	switch path := r.URL.Path; {
	case closed:
		panic(http.ErrAbortHandler)
	case strings.HasPrefix(path, "/api/"):
		w.serveAPI(rw, r, strings.TrimPrefix(path, "/api/"))
	case path == "/link" || path == "/link/":
		w.serveLink(rw, r)
	case strings.HasPrefix(path, "/response/"):
		w.serveResponse(rw, r)
	case strings.HasPrefix(path, "/upload/"):
		w.serveUpload(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

// Client returns a client whose requests never leave the process. The workspace
// serves the requests to slack.com, to its subdomains and to the listeners of
// Start; no other host can be resolved. The client has no timeout, like
// http.DefaultClient.
func (w *Workspace) Client() *http.Client {
	return &http.Client{Transport: transport{w}}
}

type transport struct{ w *Workspace }

func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if !t.w.serves(r.URL) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Hostname(),
			IsNotFound: true}}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	rec := &recorder{header: http.Header{}}
	defer func() {
		switch v := recover(); {
		case v == nil:
		case v == http.ErrAbortHandler:
			resp, err = nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
			if ctxErr := context.Cause(r.Context()); ctxErr != nil {
				err = ctxErr
			}
		default:
			panic(v)
		}
	}()
	t.w.ServeHTTP(rec, in)
	return rec.response(r), nil
}

// serves reports whether a request for u is one for this workspace.
func (w *Workspace) serves(u *url.URL) bool {
	host := u.Hostname()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[u.Host] || u.Scheme == "https" && (host == "slack.com" || strings.HasSuffix(host, ".slack.com"))
}

// recorder keeps what a handler answers.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) response(req *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)),
		StatusCode:    r.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        maps.Clone(r.header),
		Body:          io.NopCloser(strings.NewReader(r.body.String())),
		ContentLength: int64(r.body.Len()),
		Request:       req,
	}
}

// Start listens on a free port of 127.0.0.1. url has no trailing slash;
// url+"/api/" takes the place of https://slack.com/api/. From then on response
// URLs point at the listener. stop ends the listener and its requests; sockets
// live until Close.
func (w *Workspace) Start() (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("slacktest: listening on loopback: %v", err))
	}
	host := l.Addr().String()
	w.mu.Lock()
	w.hosts[host] = true
	w.ResponseBase = "http://" + host
	w.mu.Unlock()
	srv := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("slacktest: serving on loopback: %v", err))
		}
	}()
	return "http://" + host, func() {
		_ = srv.Close() // the listener's own error is of no use to a test that ends
		<-done
	}
}
