package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// Variable is one row of the table of environment variables.
type Variable struct {
	Name     string
	Default  string // the value it has when it is not set, as one would write it
	Required string // when it must be set, in words; empty when it need not be
	Meaning  string
	Secret   bool // can also be given as Name_FILE, the path of a file that holds it
	Check    Check
	// Missing says, of a platform's variable that must be set, what to write when it is not,
	// beginning with a verb.
	Missing string
}

// fileSuffix makes the name of a secret the name of its file's path.
const fileSuffix = "_FILE"

// Variables returns every variable in the order in which people read them.
func Variables(platforms []Platform) []Variable {
	table := slices.Clone(ofChat)
	for _, p := range platforms {
		table = append(table, p.Variables...)
	}
	return append(table, ofBot...)
}

var policy = bot.DefaultPolicy()

var ofChat = []Variable{
	{Name: "CHAT_SDK_APP_ID", Required: "required", Check: whole(1, 1<<32-1), Meaning: "SDKAppID"},
	{Name: "CHAT_SECRET_KEY", Required: "required, or `CHAT_USER_SIG`", Secret: true, Check: secretKey,
		Meaning: "key that signs UserSigs"},
	{Name: "CHAT_USER_SIG", Secret: true, Check: userSig,
		Meaning: "a ready-made UserSig, for those who do not hand out the key; its expiry is watched"},
	{Name: "CHAT_ADMIN", Default: "administrator", Check: userID, Meaning: "the app admin account (identifier)"},
	{Name: "CHAT_REGION", Required: "required, or `CHAT_BASE_URL`", Check: word(recall.Regions()...),
		Meaning: "`" + strings.Join(names(recall.Regions()), " ") + "`"},
	{Name: "CHAT_BASE_URL", Check: CheckBaseURL,
		Meaning: "scheme and host, for a proxy or a test; by region without it"},
	{Name: "CHAT_CALLS_PER_SECOND", Default: strconv.Itoa(recall.DefaultCallsPerSecond), Check: whole(1, 10000),
		Meaning: "quota of the recall API, 1 to 10000"},
	{Name: "CHAT_READS_PER_SECOND", Default: strconv.Itoa(recall.DefaultReadsPerSecond), Check: whole(1, 200),
		Meaning: "share of the history quota that the bot takes, 1 to 200 (the lease holder; `find` on other replicas at most a fifth of it each)"},
	{Name: "CHAT_WINDOW_GUARD", Default: written(recall.DefaultGuard), Check: windowGuard,
		Meaning: "slack added to the one-second window, `0` to `1s`"},
	{Name: "CHAT_TIMEOUT", Default: written(recall.DefaultTimeout), Check: callTimeout,
		Meaning: "one call; more than the service's own 3 s"},
	{Name: "CHAT_REASON", Check: reason,
		Meaning: "sent with each recall as `Reason` (100 bytes at most); what a requester writes as reason is never sent"},
	{Name: "CHAT_WEBHOOK_TOKEN", Secret: true, Check: CheckSecret,
		Meaning: "authentication token of the callbacks; the webhook endpoint is off without it"},
}

var ofBot = []Variable{
	{Name: "POLICY_APPROVALS", Default: strconv.Itoa(policy.Approvals), Check: whole(1, 1000),
		Meaning: "people needed besides the requester"},
	{Name: "POLICY_LARGE_FROM", Default: strconv.Itoa(policy.LargeFrom), Check: whole(1, 100000),
		Meaning: "from this many messages that would be sent, at least `POLICY_LARGE_APPROVALS`"},
	{Name: "POLICY_LARGE_APPROVALS", Default: strconv.Itoa(policy.LargeApprovals), Check: whole(1, 1000),
		Meaning: "people needed besides the requester of a large request"},
	{Name: "POLICY_LARGE_DELAY", Default: written(policy.LargeDelay), Check: delay,
		Meaning: "between the last approval of a large request and its first call, for `Stop`; `0s` for none"},
	{Name: "POLICY_HOLD", Default: "off", Check: choice("off", "on"),
		Meaning: "`on`: no recall is sent, and cards say so; people can stop, withdraw, reject"},
	{Name: "POLICY_MAX_MESSAGES", Default: strconv.Itoa(policy.MaxMessages), Check: whole(1, 100000),
		Meaning: "in one request, 1 to 100000: seqs at asking, matches at sealing"},
	{Name: "POLICY_APPROVE_WITHIN", Default: written(policy.ApproveWithin), Check: span, Meaning: "then it expires"},
	{Name: "POLICY_START_WITHIN", Default: written(policy.StartWithin), Check: span,
		Meaning: "from asking: one whose messages could not be read is refused; from the approval: one that could not begin is \"not started\"; a running one with no outcome stored for this long stops"},
	{Name: "POLICY_REMIND_AFTER", Default: written(policy.RemindAfter), Check: span,
		Meaning: "one reminder, with the mention"},
	{Name: "POLICY_REASON", Default: "optional", Check: choice("optional", "required"), Meaning: "or `required`"},
	{Name: "POLICY_GROUPS", Default: anyWord, Check: groupPatterns,
		Meaning: "patterns of group ids that may be touched: `*` is any run of characters, `?` is any one"},
	{Name: "POLICY_PROTECTED_SENDERS", Check: userIDs,
		Meaning: "user ids whose messages are never recalled; a request whose senders cannot be read is then refused"},
	{Name: "POLICY_ROSTER_FILE", Check: anything,
		Meaning: "YAML: a person a line, with their accounts on both platforms"},

	{Name: "EVIDENCE", Default: string(bot.DefaultEvidence),
		Check:   word(bot.EvidenceFull, bot.EvidenceExcerpt, bot.EvidenceHash),
		Meaning: "`full`, `excerpt` or `hash`: what is kept of the messages; with `hash` cards carry no content (as `CARD_CONTENT=on-request`) and `Show all` reads history afresh, showing only what still matches the seal"},
	{Name: "EVIDENCE_TTL", Default: written(bot.DefaultEvidenceTTL), Check: span,
		Meaning: "from the request's end: then the text and the HMAC key go, from the ledger and from cards and threads; after 24 h at most for requests that ended without a recall; never before the end"},
	{Name: "CARD_CONTENT", Default: "shown", Check: choice("shown", "on-request"),
		Meaning: "or `on-request`: message content only in the ephemeral `Show all`"},
	{Name: "INDEX", Default: string(bot.IndexOff), Check: word(bot.IndexOff, bot.IndexHash, bot.IndexExcerpt),
		Meaning: "`hash` or `excerpt`: keep arriving messages of allowed groups, so that they can be found (needs the webhook)"},
	{Name: "INDEX_TTL", Default: written(bot.DefaultIndexTTL), Check: span, Meaning: "how long they are kept"},

	{Name: "DATABASE_URL", Default: "sqlite:recallbot.db", Secret: true, Check: databaseURL,
		Meaning: "or `postgres://...`"},
	{Name: "AUDIT_REASON", Default: "keep", Check: choice("keep", "ttl"),
		Meaning: "what people wrote as reason lies beside the audit chain, which holds its HMAC; `ttl`: forgotten with the evidence"},
	{Name: "HTTP_ADDR", Default: ":8080", Check: address, Meaning: "events, health"},
	{Name: "ADMIN_ADDR", Default: "127.0.0.1:9090", Check: address, Meaning: "metrics"},
	{Name: "LOG_LEVEL", Default: "info", Check: word("debug", "info", "warn", "error"),
		Meaning: "`debug`, `info`, `warn` or `error`"},
	{Name: "LOG_FORMAT", Default: LogJSON, Check: word(LogJSON, LogText), Meaning: "or `text`"},
}

// Table renders [Variables] as a table in Markdown, each row on a line that ends
// in a line break.
func Table(platforms []Platform) string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n| --- | --- | --- |\n")
	for _, v := range Variables(platforms) {
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

// Example renders [Variables] as a file for env_file of Compose or EnvironmentFile of systemd: each
// with what it means and its default, all of them commented out but those that must be set.
func Example(platforms []Platform) string {
	var b strings.Builder
	b.WriteString("# Copy this file to .env and fill it in; README.md has the same table. Write values without quotes.\n" +
		"# Compose expands a $ in a value: write $$ for one. systemd does not. A secret X can also be given in a\n" +
		"# file, whose path is in X_FILE.\n")
	for _, v := range Variables(platforms) {
		comment := "#"
		if v.Required == "required" || strings.HasPrefix(v.Required, "required, or") {
			comment = ""
		}
		meaning := strings.Join(strings.Fields(v.Meaning), " ")
		if v.Required != "" {
			meaning += " (" + v.Required + ")"
		}
		fmt.Fprintf(&b, "\n# %s\n%s%s=%s\n", meaning, comment, v.Name, v.Default)
	}
	return b.String()
}

// written is a duration as one would write it: without what is zero.
func written(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return bot.Duration(d)
}

// unknown finds variables in an environment that are meant for this program, going
// by how their names begin or how near they come to one, but that it does not have.
// One that comes near a variable which is not set is misspelt: what it says would be
// missed. Values are not looked at. What a cluster adds for a service of a like name
// (CHAT_SERVICE_HOST, SLACK_PORT) is left alone.
func (r *reading) unknown(environ []string) (misspelt Problems, others []Problem) {
	known := map[string]bool{}
	for _, e := range r.table {
		known[e.Name] = true
		if e.Secret {
			known[e.Name+fileSuffix] = true
		}
	}
	const what = "is not a variable of this program"
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if known[name] || serviceLink.MatchString(name) || strings.TrimSpace(value) == "" {
			continue
		}
		upper := strings.ToUpper(name)
		near, p := nearest(upper, r.table), Problem{Variable: name, What: what}
		plain, cut := strings.CutSuffix(upper, fileSuffix)
		switch {
		case cut && known[plain] && !known[upper]:
			near = plain
			p.What, p.Mend = what+": only a secret can be given as a file", "write "+plain
		case near != "":
			p.Mend = "write " + near + " if you mean that one, else remove it"
		case isOurs(upper, r.platforms):
			p.Mend = "see the table in README.md for those that are, or remove it"
		default:
			continue
		}
		if near != "" && !r.given[strings.TrimSuffix(near, fileSuffix)] {
			misspelt = append(misspelt, p)
		} else {
			others = append(others, p)
		}
	}
	return misspelt, others
}

var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT(_.*)?)|PORT(_\d+_(TCP|UDP)(_.*)?)?)$`)

// isOurs reports whether a name begins as only this program's are likely to; HTTP_, LOG_ and
// DATABASE_ belong to others as well.
func isOurs(name string, platforms []Platform) bool {
	is := func(start string) bool { return strings.HasPrefix(name, start) }
	return slices.ContainsFunc([]string{"CHAT_", "POLICY_", "EVIDENCE_", "CARD_", "INDEX_"}, is) ||
		slices.ContainsFunc(platforms, func(p Platform) bool { return is(p.prefix()) })
}

// nearest returns the variable to which the fewest changes of one character
// lead, or "" when it would take more than two, or more than one in four.
func nearest(name string, table []Variable) string {
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
