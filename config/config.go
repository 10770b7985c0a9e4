// Package config turns the environment into a [Config] and says everything
// that is wrong with it at once.
//
// Every variable stands in one table ([Variables], [Table]): its name, default
// and meaning, and how its value is checked. [Load] goes through the table, then
// through the rules that join several variables, and returns either a whole
// configuration or [Problems]: each names its variable and says what to write
// instead. What is not wrong but probably not meant is told by
// [Config.Warnings], and a misspelt variable by [Unknown].
//
// Values are trimmed of surrounding white space, and an empty variable is one
// that is not set. Lists are separated by commas; empty items are dropped and
// duplicates folded. Durations are Go durations, which may begin with days
// ("90s", "1h30m", "3d", "1d12h"). Words such as "excerpt" are read in any case.
//
// Any secret X can be given as X_FILE, the path of a file that holds it, but
// not as both. A [Secret] cannot be printed.
//
// The package knows nothing of bots and imports nothing of this program: plain
// strings, numbers and durations that main translates. What needs the network to
// be known (whether a token works, how large a user group is) is not decided here.
package config

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
)

// Config is everything that can be configured, one struct a concern.
type Config struct {
	Chat     Chat
	Slack    Slack
	Discord  Discord
	Policy   Policy
	Evidence Evidence
	Storage  Storage
	HTTP     HTTP
	Log      Log
}

// Chat is the app of the Chat service, and how hard it may be called.
type Chat struct {
	SDKAppID int64 `env:"CHAT_SDK_APP_ID"` // 1 to 4294967295
	// Exactly one of SecretKey and UserSig is set.
	SecretKey Secret `env:"CHAT_SECRET_KEY"`
	UserSig   Secret `env:"CHAT_USER_SIG"`
	Admin     string `env:"CHAT_ADMIN, default=administrator"`
	// Region is one of [Regions], empty only when BaseURL is set, which wins
	// over it. BaseURL is scheme and host without a slash at the end.
	Region         string        `env:"CHAT_REGION"`
	BaseURL        string        `env:"CHAT_BASE_URL"`
	CallsPerSecond int           `env:"CHAT_CALLS_PER_SECOND, default=200"`
	ReadsPerSecond int           `env:"CHAT_READS_PER_SECOND, default=50"`
	WindowGuard    time.Duration `env:"CHAT_WINDOW_GUARD, default=20ms"`
	Timeout        time.Duration `env:"CHAT_TIMEOUT, default=8s"`
	Reason         string        `env:"CHAT_REASON"` // at most 100 bytes of UTF-8
	// WebhookToken switches the endpoint of the callbacks on.
	WebhookToken Secret `env:"CHAT_WEBHOOK_TOKEN"`
}

// Regions are the names that CHAT_REGION takes.
var Regions = []string{"china", "singapore", "seoul", "tokyo", "frankfurt", "silicon-valley", "jakarta"}

// Slack is the one workspace. It is off without a bot token, and then all of it is zero but APIURL.
type Slack struct {
	BotToken Secret `env:"SLACK_BOT_TOKEN"`
	AppToken Secret `env:"SLACK_APP_TOKEN"`
	// SigningSecrets holds one secret, or two while one is rotated; a signature by either is good.
	SigningSecrets []Secret `env:"SLACK_SIGNING_SECRET"`
	APIURL         string   `env:"SLACK_API_URL, default=https://slack.com/api/"` // ends in a slash
	Requesters     People   `env:"SLACK_REQUESTERS"`
	Approvers      People   `env:"SLACK_APPROVERS"`
	Channels       Channels `env:"SLACK_CHANNELS"`
}

// On reports whether Slack is configured.
func (s Slack) On() bool { return s.BotToken.Set() }

// SocketMode reports how events come: over Socket Mode, which an app token
// switches on, or else over HTTP.
func (s Slack) SocketMode() bool { return s.AppToken.Set() }

// Discord is the bot's application and the guilds it serves. It is off without a
// bot token, and then all of it is zero but BaseURL.
type Discord struct {
	BotToken      Secret `env:"DISCORD_BOT_TOKEN"`
	ApplicationID string `env:"DISCORD_APPLICATION_ID"`
	// PublicKey is the ed25519 key that interactions are signed with, 32 bytes, or nil.
	PublicKey  PublicKey `env:"DISCORD_PUBLIC_KEY"`
	BaseURL    string    `env:"DISCORD_BASE_URL, default=https://discord.com"` // no slash at the end
	Guilds     []string  `env:"DISCORD_GUILDS"`
	Requesters People    `env:"DISCORD_REQUESTERS"`
	Approvers  People    `env:"DISCORD_APPROVERS"`
	Channels   Channels  `env:"DISCORD_CHANNELS"`
}

// On reports whether Discord is configured.
func (d Discord) On() bool { return d.BotToken.Set() }

// Gateway reports how interactions come: over the Gateway, or over HTTP, which a
// public key switches on.
func (d Discord) Gateway() bool { return len(d.PublicKey) == 0 }

// PublicKey is an ed25519 public key, written in hex.
type PublicKey []byte

// EnvDecode reads the hex; it is also called with nothing, which is no key.
func (k *PublicKey) EnvDecode(value string) error {
	if value == "" {
		*k = nil
		return nil
	}
	key, err := hex.DecodeString(value)
	*k = key
	return err
}

// MarshalText writes the hex.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k)), nil }

// Channels are the channels in which the bot may be used: their ids, or the one
// word "any".
type Channels []string

// Any reports whether every channel will do.
func (c Channels) Any() bool { return slices.Equal(c, []string{anyWord}) }

// Allows reports whether the bot may be used in the channel.
func (c Channels) Allows(id string) bool { return c.Any() || slices.Contains(c, id) }

// Policy is who and how many must agree, and how much may be asked for.
type Policy struct {
	Approvals      int           `env:"POLICY_APPROVALS, default=1"`
	LargeFrom      int           `env:"POLICY_LARGE_FROM, default=100"`
	LargeApprovals int           `env:"POLICY_LARGE_APPROVALS, default=2"`
	MaxMessages    int           `env:"POLICY_MAX_MESSAGES, default=1000"`
	ApproveWithin  time.Duration `env:"POLICY_APPROVE_WITHIN, default=30m"`
	StartWithin    time.Duration `env:"POLICY_START_WITHIN, default=15m"`
	RemindAfter    time.Duration `env:"POLICY_REMIND_AFTER, default=10m"`
	Reason         string        `env:"POLICY_REASON, default=optional"` // ReasonOptional or ReasonRequired
	// Groups are patterns of group ids in which * is any run of characters and ?
	// is any one; both may be a slash. None means that any group may be touched.
	Groups           []string `env:"POLICY_GROUPS, default=any"`
	ProtectedSenders []string `env:"POLICY_PROTECTED_SENDERS"`
	RosterFile       string   `env:"POLICY_ROSTER_FILE"`
	// Roster is what RosterFile says, nil without one.
	Roster Roster
}

// The words of POLICY_REASON.
const (
	ReasonOptional = "optional"
	ReasonRequired = "required"
)

// Evidence is what is kept and shown of the messages.
type Evidence struct {
	Keep        string        `env:"EVIDENCE, default=excerpt"` // KeepFull, KeepExcerpt or KeepHash
	TTL         time.Duration `env:"EVIDENCE_TTL, default=720h"`
	CardContent string        `env:"CARD_CONTENT, default=shown"` // ContentShown or ContentOnRequest
	Index       string        `env:"INDEX, default=off"`          // IndexOff, KeepHash or KeepExcerpt
	IndexTTL    time.Duration `env:"INDEX_TTL, default=2h"`
}

// The words of EVIDENCE, INDEX and CARD_CONTENT.
const (
	KeepFull    = "full"
	KeepExcerpt = "excerpt"
	KeepHash    = "hash"

	IndexOff = "off"

	ContentShown     = "shown"
	ContentOnRequest = "on-request"
)

// OnCards reports whether cards carry message content: CARD_CONTENT says so, and
// evidence that is only a hash leaves nothing to show.
func (e Evidence) OnCards() bool { return e.CardContent == ContentShown && e.Keep != KeepHash }

// Storage is where the ledger lives.
type Storage struct {
	// DatabaseURL is "sqlite:" and a path, or a "postgres://" URL, which may hold a password.
	DatabaseURL Secret `env:"DATABASE_URL, default=sqlite:recallbot.db"`
}

// The schemes of DATABASE_URL.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Scheme is [SQLite] or [Postgres]; it can be shown.
func (s Storage) Scheme() string {
	scheme, _, _ := strings.Cut(s.DatabaseURL.Reveal(), ":")
	return scheme
}

// Path is the path of the SQLite file, empty for PostgreSQL; it can be shown.
func (s Storage) Path() string {
	path, found := strings.CutPrefix(s.DatabaseURL.Reveal(), SQLite+":")
	if !found {
		return ""
	}
	return path
}

// HTTP is where the program listens.
type HTTP struct {
	Addr      string `env:"HTTP_ADDR, default=:8080"`
	AdminAddr string `env:"ADMIN_ADDR, default=127.0.0.1:9090"`
}

// Log is how much is logged, and in which form.
type Log struct {
	Level  slog.Level `env:"LOG_LEVEL, default=info"`
	Format string     `env:"LOG_FORMAT, default=json"` // LogJSON or LogText
}

// The words of LOG_FORMAT.
const (
	LogJSON = "json"
	LogText = "text"
)

// Load reads the configuration that lookup finds (the environment of the process
// when lookup is nil), and the files that it names. The error of a bad one is
// [Problems]; nothing of the returned Config is then good for use.
func Load(ctx context.Context, lookup envconfig.Lookuper) (Config, error) {
	if lookup == nil {
		lookup = envconfig.OsLookuper()
	}
	r := read(lookup)

	var c Config
	err := envconfig.ProcessWith(ctx, &envconfig.Config{
		Target:   &c,
		Lookuper: envconfig.MapLookuper(r.values),
	})
	if err != nil {
		// unreachable unless a check lets a value pass that its field cannot hold; err would quote
		// the value
		return Config{}, errors.New("fill the configuration: a value does not fit its field")
	}
	if slices.Equal(c.Policy.Groups, []string{anyWord}) {
		c.Policy.Groups = nil
	}
	if c.Policy.RosterFile != "" {
		roster, problems := loadRoster(c.Policy.RosterFile)
		for _, p := range problems {
			r.problem("POLICY_ROSTER_FILE", p.What, p.Mend)
		}
		c.Policy.Roster = roster
	}

	r.judge(c)
	if len(r.problems) > 0 {
		inTableOrder(r.problems)
		return Config{}, r.problems
	}
	return c, nil
}
