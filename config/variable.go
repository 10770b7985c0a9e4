package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/sethvargo/go-envconfig"
)

// Variable is one row of the table of environment variables.
type Variable struct {
	Name     string
	Default  string // the value it has when it is not set, as one would write it
	Required string // when it must be set, in words; empty when it need not be
	Meaning  string
	Secret   bool // can also be given as Name_FILE, the path of a file that holds it
}

// entry is a row with the check of its value.
type entry struct {
	Variable
	check check
}

// fileSuffix makes the name of a secret the name of its file's path.
const fileSuffix = "_FILE"

// table holds every variable, in the order in which people read them. The
// defaults repeat those of the struct tags, and a test holds the two together.
var table = []entry{
	{Variable{"CHAT_SDK_APP_ID", "", "required", "SDKAppID", false}, whole(1, 1<<32-1)},
	{Variable{"CHAT_SECRET_KEY", "", "required, or `CHAT_USER_SIG`", "key that signs UserSigs", true}, secret},
	{Variable{"CHAT_USER_SIG", "", "",
		"a ready-made UserSig, for those who do not hand out the key; its expiry is watched", true}, secret},
	{Variable{"CHAT_ADMIN", "administrator", "", "the app admin account (identifier)", false}, userID},
	{Variable{"CHAT_REGION", "", "required, or `CHAT_BASE_URL`", "`" + strings.Join(Regions, " ") + "`", false},
		word(Regions...)},
	{Variable{"CHAT_BASE_URL", "", "", "scheme and host, for a proxy or a test; by region without it", false}, baseURL},
	{Variable{"CHAT_CALLS_PER_SECOND", "200", "", "quota of the recall API, 1 to 10000", false}, whole(1, 10000)},
	{Variable{"CHAT_READS_PER_SECOND", "50", "",
		"share of the history quota that the bot takes, 1 to 200 (the lease holder; `find` on other replicas at most a fifth of it each)", false}, whole(1, 200)},
	{Variable{"CHAT_WINDOW_GUARD", "20ms", "", "slack added to the one-second window, `0` to `1s`", false},
		windowGuard},
	{Variable{"CHAT_TIMEOUT", "8s", "", "one call; more than the service's own 3 s", false}, callTimeout},
	{Variable{"CHAT_REASON", "", "",
		"sent with each recall as `Reason` (100 bytes at most); what a requester writes as reason is never sent",
		false}, reason},
	{Variable{"CHAT_WEBHOOK_TOKEN", "", "",
		"authentication token of the callbacks; the webhook endpoint is off without it", true}, secret},

	{Variable{"SLACK_BOT_TOKEN", "", "", "`xoxb-`; Slack is off without it", true}, token("xoxb-")},
	{Variable{"SLACK_APP_TOKEN", "", "", "`xapp-`; set: Socket Mode", true}, token("xapp-")},
	{Variable{"SLACK_SIGNING_SECRET", "", "",
		"set (and no app token): HTTP mode; two, comma-separated, while one is rotated", true}, signingSecrets},
	{Variable{"SLACK_API_URL", "https://slack.com/api/", "", "for a test", false}, apiURL},
	{Variable{"SLACK_REQUESTERS", "", "",
		"who may ask: comma list of user ids and user-group ids (`S...`); empty means nobody", false}, slackPeople},
	{Variable{"SLACK_APPROVERS", "", "", "who may approve: the same; empty means nobody", false}, slackPeople},
	{Variable{"SLACK_CHANNELS", "", "required with it", "channel ids where it may be used, or `any`", false},
		slackChannels},

	{Variable{"DISCORD_BOT_TOKEN", "", "", "Discord is off without it", true}, secret},
	{Variable{"DISCORD_APPLICATION_ID", "", "required with it", "id of the application", false}, snowflake},
	{Variable{"DISCORD_PUBLIC_KEY", "", "", "set: HTTP interactions; else the Gateway", false}, publicKey},
	{Variable{"DISCORD_BASE_URL", "https://discord.com", "", "for a test; the Gateway's address comes from it", false},
		baseURL},
	{Variable{"DISCORD_GUILDS", "", "required with it", "guild ids", false}, guilds},
	{Variable{"DISCORD_REQUESTERS", "", "", "who may ask: comma list of `role:ID` and `user:ID`; empty means nobody",
		false}, discordPeople},
	{Variable{"DISCORD_APPROVERS", "", "", "who may approve: the same; empty means nobody", false}, discordPeople},
	{Variable{"DISCORD_CHANNELS", "", "required with it", "channel ids, or `any`", false}, discordChannels},

	{Variable{"POLICY_APPROVALS", "1", "", "people needed besides the requester", false}, whole(1, 1000)},
	{Variable{"POLICY_LARGE_FROM", "100", "",
		"from this many messages that would be sent, at least `POLICY_LARGE_APPROVALS`", false}, whole(1, 100000)},
	{Variable{"POLICY_LARGE_APPROVALS", "2", "", "people needed besides the requester of a large request", false},
		whole(1, 1000)},
	{Variable{"POLICY_MAX_MESSAGES", "1000", "", "in one request, 1 to 100000: seqs at asking, matches at sealing",
		false}, whole(1, 100000)},
	{Variable{"POLICY_APPROVE_WITHIN", "30m", "", "then it expires", false}, span},
	{Variable{"POLICY_START_WITHIN", "15m", "",
		"from asking: one whose messages could not be read is refused; from the approval: one that could not begin is \"not started\"; a running one with no outcome stored for this long stops", false}, span},
	{Variable{"POLICY_REMIND_AFTER", "10m", "", "one reminder, with the mention", false}, span},
	{Variable{"POLICY_REASON", ReasonOptional, "", "or `required`", false}, word(ReasonOptional, ReasonRequired)},
	{Variable{"POLICY_GROUPS", anyWord, "",
		"patterns of group ids that may be touched: `*` is any run of characters, `?` is any one", false},
		groupPatterns},
	{Variable{"POLICY_PROTECTED_SENDERS", "", "",
		"user ids whose messages are never recalled; a request whose senders cannot be read is then refused", false},
		userIDs},
	{Variable{"POLICY_ROSTER_FILE", "", "", "YAML: a person a line, with their accounts on both platforms", false},
		anything},

	{Variable{"EVIDENCE", KeepExcerpt, "",
		"`full`, `excerpt` or `hash`: what is kept of the messages; with `hash` cards carry no content (as `CARD_CONTENT=on-request`) and `Show all` reads history afresh, showing only what still matches the seal", false}, word(KeepFull, KeepExcerpt, KeepHash)},
	{Variable{"EVIDENCE_TTL", "720h", "",
		"from the request's end: then the text and the HMAC key go, from the ledger and from cards and threads; after 24 h at most for requests that ended without a recall; never before the end", false}, span},
	{Variable{"CARD_CONTENT", ContentShown, "", "or `on-request`: message content only in the ephemeral `Show all`",
		false}, word(ContentShown, ContentOnRequest)},
	{Variable{"INDEX", IndexOff, "",
		"`hash` or `excerpt`: keep arriving messages of allowed groups, so that they can be found (needs the webhook)",
		false}, word(IndexOff, KeepHash, KeepExcerpt)},
	{Variable{"INDEX_TTL", "2h", "", "how long they are kept", false}, span},

	{Variable{"DATABASE_URL", "sqlite:recallbot.db", "", "or `postgres://...`", true}, databaseURL},
	{Variable{"HTTP_ADDR", ":8080", "", "events, health", false}, address},
	{Variable{"ADMIN_ADDR", "127.0.0.1:9090", "", "metrics", false}, address},
	{Variable{"LOG_LEVEL", "info", "", "`debug`, `info`, `warn` or `error`", false},
		word("debug", "info", "warn", "error")},
	{Variable{"LOG_FORMAT", LogJSON, "", "or `text`", false}, word(LogJSON, LogText)},
}

// Variables returns every variable in the order of the table.
func Variables() []Variable {
	vs := make([]Variable, len(table))
	for i, e := range table {
		vs[i] = e.Variable
	}
	return vs
}

// Table renders [Variables] as a table in Markdown, each row on a line that ends
// in a line break.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range Variables() {
		fallback := v.Required
		if v.Default != "" {
			fallback = "`" + v.Default + "`"
		}
		meaning := v.Meaning
		if v.Secret {
			meaning += " (or `" + v.Name + fileSuffix + "`)"
		}
		b.WriteString(strings.Join(strings.Fields(fmt.Sprintf("| `%s` | %s | %s |", v.Name, fallback, meaning)),
			" ") + "\n")
	}
	return b.String()
}

// reading is what was found in the environment, checked one by one.
type reading struct {
	values   map[string]string // normalized, of those that are set and right
	given    map[string]bool   // those that are set, rightly or not
	bad      map[string]bool   // those that have a problem
	problems Problems
}

func (r *reading) problem(variable, what, mend string) {
	r.problems = append(r.problems, Problem{variable, what, mend})
	r.bad[strings.TrimSuffix(variable, fileSuffix)] = true
	r.bad[variable] = true
}

// read looks every variable up, in the environment or in the file it names, and checks it.
func read(lookup envconfig.Lookuper) *reading {
	r := &reading{values: map[string]string{}, given: map[string]bool{}, bad: map[string]bool{}}
	find := func(name string) string {
		value, _ := lookup.Lookup(name)
		return strings.TrimSpace(value)
	}
	for _, e := range table {
		value := find(e.Name)
		if e.Secret {
			if path := find(e.Name + fileSuffix); path != "" {
				r.given[e.Name] = true
				if value != "" {
					r.problem(e.Name, "is set, and so is "+e.Name+fileSuffix, "keep one of the two")
					continue
				}
				var what string
				if value, what = readSecret(path); what != "" {
					r.problem(e.Name+fileSuffix, what, "write the path of a readable file that holds the value of "+
						e.Name)
					continue
				}
			}
		}
		if value == "" {
			continue
		}
		value, what, mend := e.check(value)
		switch {
		case what != "":
			r.given[e.Name] = true
			r.problem(e.Name, what, mend)
		case value != "":
			r.given[e.Name] = true
			r.values[e.Name] = value
		}
	}
	return r
}

// fileLimit is the largest file that a variable may name, in bytes. The longest
// secret has a few hundred; a roster of a thousand people stays below.
const fileLimit = 1 << 20

// readSecret returns what a file holds without the white space around it, or
// what is wrong, which never quotes the file.
func readSecret(path string) (value, what string) {
	data, what := readFile(path)
	if what != "" {
		return "", what
	}
	value = strings.TrimSpace(string(data))
	if value == "" {
		return "", "the file " + quotePath(path) + " is empty"
	}
	return value, ""
}

func readFile(path string) (data []byte, what string) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(data) > fileLimit {
		return nil, fmt.Sprintf("the file %s has more than %d bytes", quotePath(path), fileLimit)
	}
	return data, ""
}

// unreadable leaves out the words of err, which repeat the path: quotePath may hide it.
func unreadable(path string, err error) string {
	why := "cannot be read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why += ": no such file or directory"
	case errors.Is(err, fs.ErrPermission):
		why += ": permission denied"
	case errors.Is(err, syscall.EISDIR):
		why += ": it is a directory"
	}
	return "the file " + quotePath(path) + " " + why
}

// Unknown finds variables in an environment ("NAME=value" each, as [os.Environ]
// gives it) that are meant for this program, going by how their names begin or
// how near they come to one, but that it does not have. Each problem suggests
// the nearest name; values are not looked at. What a cluster adds for a service
// of a like name (CHAT_SERVICE_HOST, SLACK_PORT) is left alone.
func Unknown(environ []string) []Problem {
	known := map[string]bool{}
	for _, e := range table {
		known[e.Name] = true
		if e.Secret {
			known[e.Name+fileSuffix] = true
		}
	}
	var problems []Problem
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if known[name] || serviceLink.MatchString(name) {
			continue
		}
		upper := strings.ToUpper(name)
		if plain, cut := strings.CutSuffix(upper, fileSuffix); cut && known[plain] && !known[upper] {
			problems = append(problems, Problem{name,
				"is not a variable of this program: only a secret can be given as a file", "write " + plain})
			continue
		}
		near := nearest(upper)
		switch {
		case near != "":
			problems = append(problems, Problem{name, "is not a variable of this program",
				"write " + near + " if you mean that one, else remove it"})
		case ours.MatchString(upper):
			problems = append(problems, Problem{name, "is not a variable of this program",
				"see recallbot --help for those that are, or remove it"})
		}
	}
	return problems
}

var (
	// ours are the beginnings of names that only this program is likely to use;
	// HTTP_, LOG_ and DATABASE_ belong to others as well.
	ours        = regexp.MustCompile(`^(CHAT|SLACK|DISCORD|POLICY|EVIDENCE|CARD|INDEX)_`)
	serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP)(_.*)?)?)$`)
)

// nearest returns the variable to which the fewest changes of one character
// lead, or "" when it would take more than two, or more than one in four.
func nearest(name string) string {
	best, fewest := "", 3
	try := func(known string) {
		if n := changes(name, known); n < fewest && n*4 <= len(known) && (n == 0 || len(known) > len("INDEX")) {
			best, fewest = known, n
		}
	}
	for _, e := range table {
		try(e.Name)
		if e.Secret {
			try(e.Name + fileSuffix)
		}
	}
	return best
}

// changes counts the characters to insert, delete, replace or swap with their
// neighbour to make b of a.
func changes(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
