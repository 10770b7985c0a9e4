package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// check looks at a value, trimmed and not empty. It returns the value in the
// form that the struct field reads, or what is wrong with it and how to mend it.
// An empty value without a fault (a list of commas) counts as not set.
type check func(raw string) (value, what, mend string)

// anyWord stands for every channel, or every group.
const anyWord = "any"

func anything(raw string) (value, what, mend string) { return raw, "", "" }

// whole is a number in decimal digits, from least to most.
func whole(least, most int64) check {
	return func(raw string) (value, what, mend string) {
		mend = fmt.Sprintf("write a whole number from %d to %d", least, most)
		if strings.Trim(raw, "0123456789") != "" {
			return "", quote(raw) + " is not a whole number", mend
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n > most {
			return "", quote(raw) + " is too large", mend
		}
		if n < least {
			return "", quote(raw) + " is too small", mend
		}
		return strconv.FormatInt(n, 10), "", ""
	}
}

// word is one of some words, in any case.
func word(words ...string) check {
	return func(raw string) (value, what, mend string) {
		folded := strings.ToLower(raw)
		if !slices.Contains(words, folded) {
			last := len(words) - 1
			return "", quote(raw) + " is not known here", "write " + strings.Join(words[:last], ", ") + " or " +
				words[last]
		}
		return folded, "", ""
	}
}

var days = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// duration reads a Go duration that may begin with whole days of 24 hours.
func duration(raw string) (d time.Duration, what string) {
	rest := raw
	if m := days.FindStringSubmatch(raw); m != nil {
		n, _ := strconv.Atoi(m[1]) // five digits always fit
		d, rest = time.Duration(n)*24*time.Hour, m[2]
		if rest == "" {
			return d, ""
		}
		if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return 0, quote(raw) + " is not a duration"
		}
	}
	more, err := time.ParseDuration(rest)
	if err != nil {
		return 0, quote(raw) + " is not a duration"
	}
	if more > 0 && d+more < d {
		return 0, quote(raw) + " is too long"
	}
	return d + more, ""
}

// span is a duration of more than nothing.
func span(raw string) (value, what, mend string) {
	const example = "write a duration such as 90s, 30m, 2h or 3d"
	d, what := duration(raw)
	if what == "" && d <= 0 {
		what = quote(raw) + " is not more than nothing"
	}
	return d.String(), what, example
}

func windowGuard(raw string) (value, what, mend string) {
	d, what := duration(raw)
	if what == "" && (d < 0 || d > time.Second) {
		what = quote(raw) + " is not between 0 and 1s"
	}
	return d.String(), what, "write a duration from 0 to 1s, such as 20ms"
}

func callTimeout(raw string) (value, what, mend string) {
	d, what := duration(raw)
	if what == "" && d <= 3*time.Second {
		what = quote(raw) + " is not more than the service's own 3s"
	}
	return d.String(), what, "write a duration of more than 3s, such as 8s"
}

func reason(raw string) (value, what, mend string) {
	const most = 100
	switch {
	case !utf8.ValidString(raw):
		return "", "is not UTF-8", "write it in UTF-8"
	case strings.ContainsFunc(raw, unicode.IsControl):
		return "", "holds a line break or another control character", "write it on one line"
	case len(raw) > most:
		return "", fmt.Sprintf("has %d bytes of UTF-8", len(raw)), fmt.Sprintf("shorten it to %d bytes", most)
	}
	return raw, "", ""
}

// secret never shows its value, right or wrong.
func secret(raw string) (value, what, mend string) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", "holds a space, a line break or a character that is not ASCII",
			"write the value alone, as it was copied, without a word such as Bot before it"
	}
	return raw, "", ""
}

func token(start string) check {
	return func(raw string) (value, what, mend string) {
		value, what, mend = secret(raw)
		if what == "" && (!strings.HasPrefix(raw, start) || raw == start) {
			return "", "does not begin with " + start, "write the token that begins with " + start
		}
		return value, what, mend
	}
}

func signingSecrets(raw string) (value, what, mend string) {
	secrets := list(raw)
	for _, s := range secrets {
		if _, what, mend = secret(s); what != "" {
			return "", what, mend
		}
	}
	if len(secrets) > 2 {
		return "", fmt.Sprintf("holds %d secrets", len(secrets)),
			"write one, or two separated by a comma while one is rotated"
	}
	return strings.Join(secrets, ","), "", ""
}

// list splits at commas, trims, drops what is empty and folds duplicates.
func list(raw string) []string {
	var items []string
	for item := range strings.SplitSeq(raw, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// listOf is a list of which each item is good. The word any stands for all where
// orAny says so, but only alone.
func listOf(kind string, good func(string) bool, orAny bool, advice string) check {
	return func(raw string) (value, what, mend string) {
		items := list(raw)
		if orAny {
			if len(items) == 1 && strings.EqualFold(items[0], anyWord) {
				return anyWord, "", ""
			}
			if slices.ContainsFunc(items, func(item string) bool { return strings.EqualFold(item, anyWord) }) {
				return "", "names any beside others", "write any alone, or leave it out"
			}
		}
		var wrong []string
		for _, item := range items {
			if !good(item) {
				wrong = append(wrong, quote(item))
			}
		}
		switch {
		case len(wrong) == 1:
			return "", wrong[0] + " is not a " + kind, advice
		case len(wrong) > 1:
			return "", strings.Join(wrong, ", ") + " are not each a " + kind, advice
		}
		return strings.Join(items, ","), "", ""
	}
}

var (
	slackChannelID = regexp.MustCompile(`^[CG][A-Z0-9]+$`)
	slackUserID    = regexp.MustCompile(`^[UW][A-Z0-9]+$`)
	slackGroupID   = regexp.MustCompile(`^S[A-Z0-9]+$`)
)

var (
	slackChannels = listOf("channel id", slackChannelID.MatchString, true,
		"write ids such as C0123456789 (at the bottom of a channel's details), or any")
	slackPeople = listOf("user or user-group id", func(item string) bool {
		return slackUserID.MatchString(item) || slackGroupID.MatchString(item)
	}, false, "write ids such as U0123456789 (a member's profile, Copy member ID) or S0123456789 (a user group)")

	guilds = listOf("guild id", isSnowflake, false,
		"write ids of digits such as 197038439483310086 (Developer Mode, Copy Server ID)")
	discordChannels = listOf("channel id", isSnowflake, true,
		"write ids of digits such as 197038439483310086 (Developer Mode, Copy Channel ID), or any")
	discordPeople = listOf("role:ID or user:ID", func(item string) bool {
		kind, id, found := strings.Cut(item, ":")
		return found && (kind == "role" || kind == "user") && isSnowflake(id)
	}, false, "write role:197038439483310086 or user:80351110224678912 (Developer Mode, Copy Role ID or Copy User ID)")

	userIDs = listOf("user id", isUserID, false,
		"write ids of the Chat service: printable ASCII, 32 bytes at most")
	groupPatterns = listOf("pattern of group ids", isGroupPattern, true,
		"write group ids in printable ASCII, with * for any run of characters and ? for any one (also for [ ] and the backslash)")
)

// isSnowflake takes any id that fits, however short: how long they are is a matter of time.
func isSnowflake(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	return err == nil && n > 0 && id[0] != '0'
}

func snowflake(raw string) (value, what, mend string) {
	if !isSnowflake(raw) {
		return "", quote(raw) + " is not an id of digits",
			"write the Application ID of the developer portal, such as 197038439483310086"
	}
	return raw, "", ""
}

func publicKey(raw string) (value, what, mend string) {
	if key, err := hex.DecodeString(raw); err != nil || len(key) != 32 {
		return "", quote(raw) + " is not 32 bytes of hex",
			"write the 64 hex digits of Public Key in the developer portal"
	}
	return raw, "", ""
}

func isPrintableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// isUserID goes by the Chat service's limit of 32 bytes.
func isUserID(id string) bool { return isPrintableASCII(id) && len(id) <= 32 }

func userID(raw string) (value, what, mend string) {
	if !isUserID(raw) {
		return "", quote(raw) + " is not a user id",
			"write an id of the Chat service: printable ASCII, 32 bytes at most"
	}
	return raw, "", ""
}

// isGroupPattern refuses the characters to which pattern languages give
// different meanings, and what is longer than any group id (48 bytes) can match.
func isGroupPattern(pattern string) bool {
	return isPrintableASCII(pattern) && !strings.ContainsAny(pattern, `[]\`) &&
		len(strings.ReplaceAll(pattern, "*", "")) <= 48
}

// origin reads scheme, host and path of a URL that holds nothing else.
func origin(raw string) (u *url.URL, what string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, quote(raw) + " is not a URL" // err would repeat it, password and all
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, quote(raw) + " does not begin with http:// or https://"
	case u.Hostname() == "":
		return nil, quote(raw) + " has no host"
	case u.User != nil:
		return nil, "holds a user name or a password"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, quote(raw) + " has a query or a fragment"
	case u.Port() != "" && !isPort(u.Port()):
		return nil, quote(raw) + " has no port that exists"
	}
	return u, ""
}

func baseURL(raw string) (value, what, mend string) {
	mend = "write scheme and host alone, such as https://proxy.example.com"
	u, what := origin(raw)
	if what != "" {
		return "", what, mend
	}
	if u.Path != "" && u.Path != "/" {
		return "", quote(raw) + " has a path", mend
	}
	return u.Scheme + "://" + u.Host, "", ""
}

func apiURL(raw string) (value, what, mend string) {
	u, what := origin(raw)
	if what != "" {
		return "", what, "write a URL such as https://slack.com/api/"
	}
	return strings.TrimSuffix(u.String(), "/") + "/", "", ""
}

// databaseURL never shows its value: it may hold a password.
func databaseURL(raw string) (value, what, mend string) {
	const example = "write sqlite:recallbot.db, sqlite:/var/lib/recallbot/recallbot.db or postgres://user:password@host:5432/name"
	if path, found := strings.CutPrefix(raw, SQLite+":"); found {
		switch {
		case path == "":
			return "", "has no path after sqlite:", example
		case strings.HasPrefix(path, "//"):
			return "", "has slashes after sqlite: as if a host followed", example
		case strings.Contains(path, ":memory:"):
			return "", "keeps nothing after a stop", example
		case strings.ContainsAny(path, "?#"):
			return "", "has a query or a fragment after the path", example
		}
		return raw, "", ""
	}
	rest, found := strings.CutPrefix(raw, "postgresql://")
	if !found {
		if rest, found = strings.CutPrefix(raw, Postgres+"://"); !found {
			return "", "begins with neither sqlite: nor postgres://", example
		}
	}
	value = Postgres + "://" + rest
	u, err := url.Parse(value)
	if err != nil {
		return "", "is not a URL (a password must have its special characters as %XX)", example
	}
	if u.Hostname() == "" && u.Query().Get("host") == "" {
		return "", "has no host", example
	}
	return value, "", ""
}

// isPort takes 0 too, by which the system chooses one.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535
}

func address(raw string) (value, what, mend string) {
	mend = "write host:port, or :port for every interface, such as 127.0.0.1:9090"
	host, port, err := net.SplitHostPort(raw)
	switch {
	case err != nil || strings.ContainsAny(host, " /@"):
		return "", quote(raw) + " is not host:port", mend
	case !isPort(port):
		return "", quote(raw) + " has no port from 0 to 65535", mend
	}
	return raw, "", ""
}
