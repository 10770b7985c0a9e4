// Package config turns the environment into a [Config] and says everything
// that is wrong with it at once.
//
// Every variable stands in one table ([Variables], [Table]): its name, default
// and meaning, and how its value is checked. The rows of a chat platform come
// from its own folder, as a [Platform]; those of the Chat service, of the policy
// and of the process stand here. [Load] goes through the table, then through the
// rules that join several variables, and returns either a whole configuration or
// [Problems]: each names its variable and says what to write instead. What is
// not wrong but probably not meant is in [Config.Warnings]. A misspelt variable
// is a problem, other variables that look like this program's are a warning.
//
// Values are trimmed of surrounding white space, and an empty variable is one
// that is not set. Lists are separated by commas; empty items are dropped and
// duplicates folded. Durations are Go durations, which may begin with days
// ("90s", "1h30m", "3d", "1d12h"). Words such as "excerpt" are read in any case.
// Quotes around a value, which a shell would take away and other readers of files
// do not, are refused.
//
// Any secret X can be given as X_FILE, the path of a file that holds it, but
// not as both. A [Secret] cannot be printed.
//
// What needs the network to be known (whether a token works, how large a user
// group is) is not decided here.
package config

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"recallbot/bot"

	"github.com/sethvargo/go-envconfig"
)

// Config is everything that can be configured, one struct a concern.
type Config struct {
	Chat Chat
	// Platforms has the settings of the platforms that are on, at least one.
	Platforms map[bot.Platform]Settings
	Policy    bot.Policy
	// Roster is what RosterFile says, empty without one.
	RosterFile string `env:"POLICY_ROSTER_FILE"`
	Roster     bot.Roster
	Evidence   Evidence
	Storage    Storage
	HTTP       HTTP
	Log        Log
	// Warnings are about what is valid, but probably not meant.
	Warnings []Problem
}

// Chat is the app of the Chat service, and how hard it may be called.
type Chat struct {
	SDKAppID int64 `env:"CHAT_SDK_APP_ID"` // 1 to 4294967295
	// Exactly one of SecretKey and UserSig is set.
	SecretKey Secret `env:"CHAT_SECRET_KEY"`
	UserSig   Secret `env:"CHAT_USER_SIG"`
	Admin     string `env:"CHAT_ADMIN"`
	// Region is one of [recall.Regions], empty only when BaseURL is set, which wins
	// over it. BaseURL is scheme and host without a slash at the end.
	Region         string        `env:"CHAT_REGION"`
	BaseURL        string        `env:"CHAT_BASE_URL"`
	CallsPerSecond int           `env:"CHAT_CALLS_PER_SECOND"`
	ReadsPerSecond int           `env:"CHAT_READS_PER_SECOND"`
	WindowGuard    time.Duration `env:"CHAT_WINDOW_GUARD"`
	Timeout        time.Duration `env:"CHAT_TIMEOUT"`
	Reason         string        `env:"CHAT_REASON"` // at most 100 bytes of UTF-8
	// WebhookToken switches the endpoint of the callbacks on.
	WebhookToken Secret `env:"CHAT_WEBHOOK_TOKEN"`
}

// Evidence is what is kept and shown of the messages.
type Evidence struct {
	Keep      bot.Evidence  `env:"EVIDENCE"`
	TTL       time.Duration `env:"EVIDENCE_TTL"`
	OnRequest bool          `env:"CARD_CONTENT"` // cards carry no message content
	Index     bot.Index     `env:"INDEX"`
	// ForgetReasons takes the words of reasons away with the evidence.
	ForgetReasons bool          `env:"AUDIT_REASON"`
	IndexTTL      time.Duration `env:"INDEX_TTL"`
}

// OnCards reports whether cards carry message content: CARD_CONTENT says so, and
// evidence that is only a hash leaves nothing to show.
func (e Evidence) OnCards() bool { return !e.OnRequest && e.Keep != bot.EvidenceHash }

// Storage is where the ledger lives.
type Storage struct {
	// DatabaseURL is "sqlite:" and a path, or a "postgres://" URL, which may hold a password.
	DatabaseURL Secret `env:"DATABASE_URL"`
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
	Addr      string `env:"HTTP_ADDR"`
	AdminAddr string `env:"ADMIN_ADDR"`
}

// Log is how much is logged, and in which form.
type Log struct {
	Level  slog.Level `env:"LOG_LEVEL"`
	Format string     `env:"LOG_FORMAT"` // LogJSON or LogText
}

// The words of LOG_FORMAT.
const (
	LogJSON = "json"
	LogText = "text"
)

// Load reads the configuration from an environment ("NAME=value" each, as [os.Environ] gives it),
// and the files that it names. The error of a bad one is [Problems]; nothing of the returned Config
// is then good for use.
func Load(ctx context.Context, environ []string, platforms []Platform) (Config, error) {
	r := read(lookupIn(environ), platforms)

	var c Config
	fill := func(target any) (err error) {
		return envconfig.ProcessWith(ctx, &envconfig.Config{Target: target, Lookuper: envconfig.MapLookuper(r.values)})
	}
	err := fill(&c)
	c.Platforms, c.Policy.Crowds = map[bot.Platform]Settings{}, map[bot.Platform]bot.Crowd{}
	for _, p := range platforms {
		if !r.on(p) {
			continue
		}
		settings := p.Settings()
		err = errors.Join(err, fill(settings))
		c.Platforms[p.ID], c.Policy.Crowds[p.ID] = settings, settings.Crowd()
	}
	if err != nil {
		// unreachable unless a check lets a value pass that its field cannot hold; err would quote
		// the value
		return Config{}, errors.New("fill the configuration: a value does not fit its field")
	}
	if c.RosterFile != "" {
		roster, problems := loadRoster(c.RosterFile, platforms)
		for _, p := range problems {
			r.problem("POLICY_ROSTER_FILE", p.What, p.Mend)
		}
		c.Roster = roster
	}

	r.judge(c)
	misspelt, unknown := r.unknown(environ)
	r.inTableOrder(r.problems)
	if r.problems = append(r.problems, misspelt...); len(r.problems) > 0 {
		return Config{}, r.problems
	}
	r.warn(c)
	r.inTableOrder(r.warnings)
	c.Warnings = append(r.warnings, unknown...)
	return c, nil
}

// lookupIn finds variables as [os.LookupEnv] does.
func lookupIn(environ []string) func(name string) (string, bool) {
	values := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}
