package config

import (
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

	"recallbot/recall"
)

// Check looks at a value, trimmed and not empty. It returns the value in the
// form that the struct field reads, or what is wrong with it and how to mend it,
// in the words of [Problem]. An empty value without a fault (a list of commas)
// counts as not set.
type Check func(raw string) (value, what, mend string)

// anyWord stands for every channel, or every group.
const anyWord = "any"

func anything(raw string) (value, what, mend string) { return raw, "", "" }

// whole is a number in decimal digits, from least to most.
func whole(least, most int64) Check {
	return func(raw string) (value, what, mend string) {
		mend = fmt.Sprintf("write a whole number from %d to %d", least, most)
		if strings.Trim(raw, "0123456789") != "" {
			return "", Quote(raw) + " is not a whole number", mend
		}
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n > most {
			return "", Quote(raw) + " is too large", mend
		}
		if n < least {
			return "", Quote(raw) + " is too small", mend
		}
		return strconv.FormatInt(n, 10), "", ""
	}
}

// names are words of any kind as strings.
func names[W ~string](words []W) (l []string) {
	for _, w := range words {
		l = append(l, string(w))
	}
	return l
}

// alternatives joins words as a choice: "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// word is one of some words, in any case.
func word[W ~string](some ...W) Check {
	words := names(some)
	return func(raw string) (value, what, mend string) {
		folded := strings.ToLower(raw)
		if !slices.Contains(words, folded) {
			return "", Quote(raw) + " is not known here", "write " + alternatives(words)
		}
		return folded, "", ""
	}
}

// choice is a switch with two words, of which the second means true.
func choice(no, yes string) Check {
	return func(raw string) (value, what, mend string) {
		value, what, mend = word(no, yes)(raw)
		return strconv.FormatBool(value == yes), what, mend
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
			return 0, Quote(raw) + " is not a duration"
		}
	}
	more, err := time.ParseDuration(rest)
	if err != nil {
		return 0, Quote(raw) + " is not a duration"
	}
	if more > 0 && d+more < d {
		return 0, Quote(raw) + " is too long"
	}
	return d + more, ""
}

// span is a duration of more than nothing.
func span(raw string) (value, what, mend string) {
	const example = "write a duration such as 90s, 30m, 2h or 3d"
	d, what := duration(raw)
	if what == "" && d <= 0 {
		what = Quote(raw) + " is not more than nothing"
	}
	return d.String(), what, example
}

// delay reads a duration that may be none, up to an hour.
func delay(raw string) (value, what, mend string) {
	d, what := duration(raw)
	if what == "" && (d < 0 || d > time.Hour) {
		what = Quote(raw) + " is not between 0 and 1h"
	}
	return d.String(), what, "write a duration from 0s to 1h, such as 10s"
}

func windowGuard(raw string) (value, what, mend string) {
	d, what := duration(raw)
	if what == "" && (d < 0 || d > time.Second) {
		what = Quote(raw) + " is not between 0 and 1s"
	}
	return d.String(), what, "write a duration from 0 to 1s, such as 20ms"
}

func callTimeout(raw string) (value, what, mend string) {
	d, what := duration(raw)
	if what == "" && d <= 3*time.Second {
		what = Quote(raw) + " is not more than the service's own 3s"
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

// CheckSecret takes what a secret can be. It never shows its value, right or
// wrong.
func CheckSecret(raw string) (value, what, mend string) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", "holds a space, a line break or a character that is not ASCII",
			"write the value alone, as it was copied, without a word such as Bot before it"
	}
	return raw, "", ""
}

// unquoted refuses a value that has its quotes still around it, before check sees it.
func unquoted(check Check) Check {
	return func(raw string) (value, what, mend string) {
		opening, closing := strings.TrimLeft(raw, quotes) != raw, strings.TrimRight(raw, quotes) != raw
		switch {
		case opening && closing:
			return "", "has quotes around it", "write it without them"
		case opening || closing:
			return "", "has a quote at one end", "write it without it"
		}
		return check(raw)
	}
}

// quotes are those that a shell takes away, and those that typewriting programs make of them.
const quotes = "\"'`“”‘’„"

// secretKey is a key of the Chat service, not what is signed with it.
func secretKey(raw string) (value, what, mend string) {
	if _, err := recall.ParseUserSig(raw); err == nil {
		return "", "is a UserSig", "write the key of the app, or set CHAT_USER_SIG instead"
	}
	return CheckSecret(raw)
}

func userSig(raw string) (value, what, mend string) {
	if _, what, mend = CheckSecret(raw); what != "" {
		return "", what, mend
	}
	if _, err := recall.ParseUserSig(raw); err != nil {
		return "", "cannot be used: " + err.Error(), "write a UserSig whole, as the console or your server made it"
	}
	return raw, "", ""
}

// Split splits at commas, trims, drops what is empty and folds duplicates.
func Split(raw string) []string {
	var items []string
	for item := range strings.SplitSeq(raw, ",") {
		if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return items
}

// ListOf is a list of which each item is good. kind is what an item is called,
// and advice how to mend a wrong one.
func ListOf(kind string, good func(string) bool, advice string) Check {
	return func(raw string) (value, what, mend string) {
		items := Split(raw)
		var wrong []string
		for _, item := range items {
			if !good(item) {
				wrong = append(wrong, Quote(item))
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

// orAny is a list in place of which the word any may stand, but only alone. all is
// the value for that word.
func orAny(all string, list Check) Check {
	return func(raw string) (value, what, mend string) {
		items := Split(raw)
		if slices.ContainsFunc(items, func(item string) bool { return strings.EqualFold(item, anyWord) }) {
			if len(items) == 1 {
				return all, "", ""
			}
			return "", "names any beside others", "write any alone, or leave it out"
		}
		return list(raw)
	}
}

var (
	userIDs = ListOf("user id", isUserID,
		"write ids of the Chat service: printable ASCII, 32 bytes at most")
	groupPatterns = orAny("", ListOf("pattern of group ids", isGroupPattern,
		"write group ids in printable ASCII, with * for any run of characters and ? for any one (also for [ ] and the backslash)"))
)

func isPrintableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// isUserID goes by the Chat service's limit of 32 bytes.
func isUserID(id string) bool { return isPrintableASCII(id) && len(id) <= 32 }

func userID(raw string) (value, what, mend string) {
	if !isUserID(raw) {
		return "", Quote(raw) + " is not a user id",
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
		return nil, Quote(raw) + " is not a URL" // err would repeat it, password and all
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, Quote(raw) + " does not begin with http:// or https://"
	case u.Hostname() == "":
		return nil, Quote(raw) + " has no host"
	case u.User != nil:
		return nil, "holds a user name or a password"
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return nil, Quote(raw) + " has a query or a fragment"
	case u.Port() != "" && !isPort(u.Port()):
		return nil, Quote(raw) + " has no port that exists"
	}
	return u, ""
}

// CheckBaseURL takes the scheme and the host of a URL.
func CheckBaseURL(raw string) (value, what, mend string) {
	mend = "write scheme and host alone, such as https://proxy.example.com"
	u, what := origin(raw)
	if what != "" {
		return "", what, mend
	}
	if u.Path != "" && u.Path != "/" {
		return "", Quote(raw) + " has a path", mend
	}
	return u.Scheme + "://" + u.Host, "", ""
}

// CheckURL takes a URL that has no query, such as example.
func CheckURL(example string) Check {
	return func(raw string) (value, what, mend string) {
		u, what := origin(raw)
		if what != "" {
			return "", what, "write a URL such as " + example
		}
		return u.String(), "", ""
	}
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
	const escape = "write each special character of the password as %XX: @ as %40, / as %2F, # as %23, ? as %3F, % as %25"
	u, err := url.Parse(value)
	switch authority, beyond := rest, ""; {
	case err != nil:
		return "", "is not a URL: a password has a special character in it, or the port is no number", escape
	default:
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			authority, beyond = rest[:end], rest[end:]
		}
		// A piece of the password would be taken for the host or the database, which errors name.
		if strings.Count(authority, "@") > 1 || strings.Contains(beyond, "@") || strings.Contains(beyond, "#") {
			return "", "has an @ or a # that is not written as %40 or %23", escape
		}
	}
	name, settings := strings.Trim(u.Path, "/"), u.Query()
	switch {
	case u.Hostname() == "" && settings.Get("host") == "":
		return "", "has no host", example
	case name == "" && settings.Get("dbname") == "" && settings.Get("database") == "":
		return "", "names no database", "write its name after the host, as in postgres://user:password@host:5432/name"
	case strings.Contains(name, "/"):
		return "", "has more after the host than the name of a database", escape
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
		return "", Quote(raw) + " is not host:port", mend
	case !isPort(port):
		return "", Quote(raw) + " has no port from 0 to 65535", mend
	}
	return raw, "", ""
}
