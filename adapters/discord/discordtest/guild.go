package discordtest

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Permission bits that the guild checks, with Discord's values.
const (
	Administrator         int64 = 1 << 3
	ViewChannel           int64 = 1 << 10
	SendMessages          int64 = 1 << 11
	ManageMessages        int64 = 1 << 13
	EmbedLinks            int64 = 1 << 14
	AttachFiles           int64 = 1 << 15
	ReadMessageHistory    int64 = 1 << 16
	MentionEveryone       int64 = 1 << 17
	UseApplicationCommand int64 = 1 << 31
	ManageThreads         int64 = 1 << 34
	CreatePublicThreads   int64 = 1 << 35
	CreatePrivateThreads  int64 = 1 << 36
	SendMessagesInThreads int64 = 1 << 38
)

// DefaultPermissions are the bot's permissions in a channel that does not set others.
const DefaultPermissions = ViewChannel | SendMessages | EmbedLinks | AttachFiles | ReadMessageHistory |
	UseApplicationCommand | CreatePublicThreads | SendMessagesInThreads

// DefaultMemberPermissions are the permissions of a member that does not set others.
const DefaultMemberPermissions = ViewChannel | SendMessages | ReadMessageHistory | UseApplicationCommand |
	SendMessagesInThreads

// allPermissions is every permission, as Discord reports it for an administrator.
const allPermissions int64 = 1<<53 - 1

// Channel types.
const (
	TextChannel   = 0
	DMChannel     = 1
	PublicThread  = 11
	PrivateThread = 12
)

// A Guild is one Discord guild with one application installed in it. Make it with New, inside the
// synctest bubble when there is one. The exported fields configure it: set them before the first
// use and do not change them afterwards. Methods may be called at any time from any goroutine.
type Guild struct {
	ID            string // the guild's snowflake
	Name          string
	Locale        string // guild_locale, default en-US
	ApplicationID string
	BotToken      string // without the "Bot " prefix
	BotUserID     string
	BotName       string
	PublicKey     string // hex; the key with which HTTP interactions are signed

	// Validate, when set, gets every JSON body (of multipart requests the payload_json) with the
	// route in the form of Discord's OpenAPI document ("/channels/{channel_id}/messages"). An error
	// refuses the request with 400 and code 50035 and is kept for SpecErrors. OpenAPI makes one.
	Validate func(method, route string, body []byte) error

	// InteractionsURL, when set, receives interactions as signed POSTs; see also Deliver.
	// InteractionsClient sends them (default http.DefaultClient).
	InteractionsURL    string
	InteractionsClient *http.Client

	// GatewayURL, when set, is the address that the API gives for the Gateway, in place of its own.
	GatewayURL string

	// Limits turns on the budgets of 5 sends and 5 edits in 5 s a channel and 2 renames of a thread
	// in 10 min. Without it, no X-RateLimit header is sent.
	Limits bool

	// a message older than this may be edited OldEdits times in OldEditWindow, else 30046; default
	// 1 h
	OldEditAge    time.Duration
	OldEditWindow time.Duration // default 1 h
	OldEdits      int           // default 1; negative: no bound
	NonceWindow   time.Duration // how long enforce_nonce looks back; default 3 min
	AckWithin     time.Duration // until when the first answer is accepted; default 3 s
	TokenLife     time.Duration // how long an interaction token is valid for edits and followups; default 15 min
	CreatesADay   int           // commands created in 24 h before 30034; default 200
	UploadLimit   int64         // bytes of a file; default 10 MiB
	RequestLimit  int64         // bytes of a request; default 25 MiB

	// the client sends "@name" and "#name" in options as they are, even if such a role, member or
	// channel exists
	KeepMentionsLiteral bool

	HeartbeatInterval  time.Duration // of HELLO; default 41.25 s. A client silent for twice as long is closed with 4009
	IdentifyBudget     int           // IDENTIFYs in 24 h; one more resets the token; default 1000
	EnforceConcurrency bool          // a second IDENTIFY within 5 s is answered with op 9
	NoResume           bool          // RESUME is answered with op 9
	ResumeURL          string        // resume_gateway_url in READY; default an address that is not Discord's
	DisallowedIntents  int           // intents that close with 4014

	mu           sync.Mutex
	changed      chan struct{} // closed and replaced at each change
	ctx          context.Context
	cancel       context.CancelFunc
	closed       <-chan struct{} // of ctx
	isClosed     bool
	wg           sync.WaitGroup
	key          ed25519.PrivateKey
	lastID       int64
	tokenReset   bool
	kicked       bool
	roles        map[string]*Role
	roleOrder    []string
	members      map[string]*Member
	memberOrder  []string
	channels     map[string]*channel
	messages     map[string]*message
	commands     []object // guild commands as registered
	global       []object // global commands
	creates      []time.Time
	interactions []*Interaction
	byToken      map[string]*Interaction
	modals       []*dialog
	origin       Origin
	handler      http.Handler
	signatures   []Signature
	notified     []Notification
	calls        []Call
	faults       []*fault
	violations   []string
	unknown      []string
	budgets      map[string][]time.Time
	nonces       map[string]sent
	sessions     []*session
	plans        []GatewayFault
	identifies   []time.Time
	resumes      int
	logs         []*events
	handshakes   int
	silent       bool
}

// sent records which message a nonce made.
type sent struct {
	id string
	at time.Time
}

// A Role is a role of the guild. Members have it whether they are added before it or after it.
type Role struct {
	ID, Name    string
	Mentionable bool
	Members     []string // user ids
	Permissions int64
}

// A Member is a member of the guild.
type Member struct {
	UserID        string
	Name          string // the username, and the display name unless Nick is set
	Nick          string
	Roles         []string // role ids
	Bot           bool
	Pending       bool // has not passed membership screening
	Guest         bool // invited to one voice channel only
	TimedOutUntil time.Time
	ClosedDMs     bool   // takes no direct messages from the bot
	Admin         bool   // all permissions
	Permissions   int64  // in every channel; default DefaultMemberPermissions
	Locale        string // of the member's client; default en-US
}

// A Channel is a channel of the guild.
type Channel struct {
	ID, Name    string
	Type        int   // default TextChannel
	Permissions int64 // the bot's; default DefaultPermissions
	Denied      int64 // removed from Permissions
}

// channel is a channel or thread with its messages.
type channel struct {
	Channel
	order    []string // message ids, oldest first
	parent   string   // of a thread
	message  string   // the message that a thread belongs to
	owner    string
	archived bool
	locked   bool
	archive  int64 // minutes
	created  time.Time

	recipient string // of direct messages
	outside   bool   // a private thread that the bot is not in
}

func (c *channel) isThread() bool { return c.parent != "" }

// New returns a guild with valid ids and a new signing key, without roles, members and channels.
func New() *Guild {
	seed := sha256.Sum256([]byte("discordtest signing key"))
	key := ed25519.NewKeyFromSeed(seed[:])
	ctx, cancel := context.WithCancel(context.Background())
	return &Guild{
		ID:            "290926798626357250",
		Name:          "Trust and Safety",
		Locale:        "en-US",
		ApplicationID: "771825006014889984",
		BotToken:      "discordtest-bot-token",
		BotUserID:     "771825006014889984",
		BotName:       "recallbot",
		PublicKey:     hex.EncodeToString(key.Public().(ed25519.PublicKey)),

		OldEditAge:        time.Hour,
		OldEditWindow:     time.Hour,
		OldEdits:          1,
		NonceWindow:       3 * time.Minute,
		AckWithin:         3 * time.Second,
		TokenLife:         15 * time.Minute,
		CreatesADay:       200,
		UploadLimit:       10 << 20,
		RequestLimit:      25 << 20,
		HeartbeatInterval: 41250 * time.Millisecond,
		IdentifyBudget:    1000,

		changed:  make(chan struct{}),
		ctx:      ctx,
		cancel:   cancel,
		closed:   ctx.Done(),
		key:      key,
		roles:    map[string]*Role{},
		members:  map[string]*Member{},
		channels: map[string]*channel{},
		messages: map[string]*message{},
		byToken:  map[string]*Interaction{},
		budgets:  map[string][]time.Time{},
		nonces:   map[string]sent{},
	}
}

// AddRole adds a role, or replaces it.
func (g *Guild) AddRole(r Role) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.roles[r.ID]; !ok {
		g.roleOrder = append(g.roleOrder, r.ID)
	}
	r.Members = slices.Clone(r.Members)
	g.roles[r.ID] = &r
	g.bump()
}

// RemoveRole deletes a role, which its members lose.
func (g *Guild) RemoveRole(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.roles, id)
	g.roleOrder = slices.DeleteFunc(g.roleOrder, func(r string) bool { return r == id })
	g.bump()
}

// AddMember adds a member, or replaces the one with the same user id.
func (g *Guild) AddMember(m Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.members[m.UserID]; !ok {
		g.memberOrder = append(g.memberOrder, m.UserID)
	}
	m.Roles = slices.Clone(m.Roles)
	g.members[m.UserID] = &m
	g.bump()
}

// RemoveMember makes a person leave the guild.
func (g *Guild) RemoveMember(user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.members, user)
	g.memberOrder = slices.DeleteFunc(g.memberOrder, func(u string) bool { return u == user })
	g.bump()
}

// AddChannel adds a channel, or changes its name, type and permissions.
func (g *Guild) AddChannel(c Channel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.Permissions = cmp.Or(c.Permissions, DefaultPermissions)
	if old, ok := g.channels[c.ID]; ok {
		old.Channel = c
	} else {
		g.channels[c.ID] = &channel{Channel: c, created: time.Now()}
	}
	g.bump()
}

// Deny takes permissions from the bot in a channel and its threads.
func (g *Guild) Deny(channel string, bits int64) { g.permit(channel, 0, bits) }

// Allow gives permissions to the bot in a channel and its threads.
func (g *Guild) Allow(channel string, bits int64) { g.permit(channel, bits, 0) }

func (g *Guild) permit(id string, allow, deny int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.channels[id]
	if !ok {
		panic("discordtest: no channel " + id)
	}
	c.Permissions |= allow
	c.Denied = c.Denied&^allow | deny
	g.bump()
}

// DeleteChannel deletes a channel or thread with its messages, as an administrator can.
func (g *Guild) DeleteChannel(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, ok := g.channels[id]; ok {
		for _, m := range c.order {
			delete(g.messages, m)
		}
		delete(g.channels, id)
	}
	g.bump()
}

// ResetToken makes the bot token invalid, as a reset in the portal does. REST calls then get 401,
// IDENTIFY gets 4004, and open sessions end with 4004.
func (g *Guild) ResetToken() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resetToken()
}

func (g *Guild) resetToken() {
	g.tokenReset = true
	for _, s := range g.sessions {
		s.close(4004, "Authentication failed.")
	}
	g.bump()
}

// Kick removes the bot from the guild, as an administrator can. Its commands there are deleted
// (https://github.com/discordjs/discord.js/issues/10321), and it sees neither the guild nor its
// channels.
func (g *Guild) Kick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kicked, g.commands = true, nil
	g.bump()
}

// Invite lets the bot into the guild again, where it has no commands yet.
func (g *Guild) Invite() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kicked = false
	g.bump()
}

// Close ends every session and delivery and waits until no goroutine of the guild is left.
func (g *Guild) Close() {
	g.mu.Lock()
	if !g.isClosed {
		g.isClosed = true
		g.cancel()
		for _, i := range g.interactions {
			i.timer.Stop()
		}
		for _, s := range g.sessions {
			s.drop()
		}
		g.bump()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// start runs f in a goroutine that Close waits for. After Close it does nothing and returns false.
// Callers hold g.mu.
func (g *Guild) start(f func()) bool {
	if g.isClosed {
		return false
	}
	g.wg.Go(f)
	return true
}

// bump wakes Until and Wait after a change. Callers hold g.mu.
func (g *Guild) bump() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// ErrClosed is the error of a wait that ends because the guild is closed.
var ErrClosed = errors.New("discordtest: the guild is closed")

// Until waits until cond is true. It calls cond at once and after every change of the guild. It
// returns the context's error or ErrClosed if that ends the wait.
func (g *Guild) Until(ctx context.Context, cond func() bool) error {
	for {
		g.mu.Lock()
		changed := g.changed
		g.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-g.closed:
			return ErrClosed
		}
	}
}

const discordEpoch = 1420070400000 // 2015-01-01, in unix milliseconds

// snowflake returns the next id. Ids always grow. Before 2015 (a synctest bubble begins in 2000)
// the epoch is 2000-01-01, so that ids stay positive; the time inside such an id has no meaning.
// Callers hold g.mu.
func (g *Guild) snowflake() string {
	ms := time.Now().UnixMilli() - discordEpoch
	if ms < 0 {
		ms = max(time.Now().UnixMilli()-946684800000, 0) + 1
	}
	g.lastID = max(g.lastID+1, ms<<22)
	return strconv.FormatInt(g.lastID, 10)
}

// userObject returns a user as the API shows it. Callers hold g.mu.
func (g *Guild) userObject(id string) object {
	if id == g.BotUserID {
		return object{"id": id, "username": g.BotName, "discriminator": "0000", "avatar": nil, "global_name": nil,
			"bot": true, "public_flags": 0}
	}
	o := object{"id": id, "username": "user" + id, "discriminator": "0", "avatar": nil, "global_name": nil,
		"public_flags": 0}
	if m, ok := g.members[id]; ok {
		o["username"], o["global_name"] = m.Name, m.Name
		if m.Bot {
			o["bot"] = true
		}
	}
	return o
}

// rolesOf returns every role of a member, from Member.Roles and Role.Members. Callers hold g.mu.
func (g *Guild) rolesOf(m *Member) []string {
	roles := slices.Clone(m.Roles)
	for _, id := range g.roleOrder {
		if slices.Contains(g.roles[id].Members, m.UserID) && !slices.Contains(roles, id) {
			roles = append(roles, id)
		}
	}
	if roles == nil {
		roles = []string{}
	}
	return roles
}

// memberObject returns a member as the API shows it, without permissions. Callers hold g.mu.
func (g *Guild) memberObject(m *Member) object {
	o := object{
		"user": g.userObject(m.UserID), "nick": nil, "avatar": nil, "banner": nil, "roles": g.rolesOf(m),
		"joined_at": "2024-01-01T00:00:00.000000+00:00", "premium_since": nil, "deaf": false, "mute": false, "flags": 0,
		"pending": m.Pending, "communication_disabled_until": nil,
	}
	if m.Nick != "" {
		o["nick"] = m.Nick
	}
	if m.Guest {
		o["flags"] = 1 << 4
	}
	if !m.TimedOutUntil.IsZero() {
		o["communication_disabled_until"] = timestamp(m.TimedOutUntil)
	}
	return o
}

// permissionsOf returns all permissions of a member. Callers hold g.mu.
func (g *Guild) permissionsOf(m *Member) int64 {
	if m.Admin {
		return allPermissions
	}
	p := cmp.Or(m.Permissions, DefaultMemberPermissions)
	for _, id := range g.rolesOf(m) {
		if r, ok := g.roles[id]; ok {
			p |= r.Permissions
		}
	}
	if p&Administrator != 0 {
		return allPermissions
	}
	return p
}

// botPermissions returns the bot's permissions in a channel or thread. Callers hold g.mu.
func (g *Guild) botPermissions(c *channel) int64 {
	if p, ok := g.channels[c.parent]; ok && c.isThread() {
		c = p
	}
	p := c.Permissions &^ c.Denied
	if p&Administrator != 0 {
		return allPermissions
	}
	return p
}

// overwrites returns the permission overwrites of a channel. A bot that computes its permissions
// from roles and overwrites gets those that the channel was given. Callers hold g.mu.
func (g *Guild) overwrites(c *channel) []any {
	base := DefaultMemberPermissions
	for _, id := range g.rolesOf(&Member{UserID: g.BotUserID}) {
		if r, ok := g.roles[id]; ok {
			base |= r.Permissions
		}
	}
	may := g.botPermissions(c)
	if may == base || base&Administrator != 0 {
		return []any{}
	}
	return []any{object{
		"id": g.BotUserID, "type": 1, "allow": strconv.FormatInt(may&^base, 10),
		"deny": strconv.FormatInt(base&^may, 10),
	}}
}

// channelObject returns a channel or thread as the API shows it. Callers hold g.mu.
func (g *Guild) channelObject(c *channel) object {
	o := object{
		"id": c.ID, "type": c.Type, "guild_id": g.ID, "name": c.Name, "position": 0,
		"permission_overwrites": g.overwrites(c),
		"nsfw":                  false, "topic": nil, "rate_limit_per_user": 0, "last_message_id": nil,
		"parent_id": nil, "flags": 0,
	}
	if len(c.order) > 0 {
		o["last_message_id"] = c.order[len(c.order)-1]
	}
	if c.recipient != "" {
		return object{"id": c.ID, "type": c.Type, "last_message_id": o["last_message_id"], "flags": 0,
			"recipients": []any{g.userObject(c.recipient)}}
	}
	if c.isThread() {
		delete(o, "position")
		delete(o, "permission_overwrites")
		o["parent_id"], o["owner_id"] = c.parent, c.owner
		o["message_count"], o["member_count"], o["total_message_sent"] = len(c.order), 1, len(c.order)
		o["thread_metadata"] = object{
			"archived": c.archived, "locked": c.locked, "auto_archive_duration": c.archive,
			"archive_timestamp": timestamp(c.created), "create_timestamp": timestamp(c.created),
		}
	}
	return o
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000-07:00") }

// displayName returns the name that readers see for a user. Callers hold g.mu.
func (g *Guild) displayName(user string) string {
	if user == g.BotUserID {
		return g.BotName
	}
	if m, ok := g.members[user]; ok {
		return cmp.Or(m.Nick, m.Name, user)
	}
	return "unknown-user"
}

// UnknownKeys returns top-level body keys that Discord does not know and ignores, as "POST
// /channels/{channel_id}/messages: ID", each once, sorted.
func (g *Guild) UnknownKeys() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.unknown)
}

// SpecErrors returns the errors of Validate, oldest first.
func (g *Guild) SpecErrors() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.violations)
}

func (g *Guild) noteUnknown(route string, o object, known string) {
	keys := strings.Fields(known)
	for k := range o {
		if slices.Contains(keys, k) {
			continue
		}
		s := fmt.Sprintf("%s: %s", route, k)
		if at, found := slices.BinarySearch(g.unknown, s); !found {
			g.unknown = slices.Insert(g.unknown, at, s)
		}
	}
}
