package discord

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"recallbot/bot"
)

// press is what a button or form of ours carries in its custom_id:
//
//	v1:VERB:ID:DIGEST[:PAGE]       a button of a card or page
//	v1:form:KIND:ID:DIGEST         a form
//	v1:find:NAME=VALUE&...         the button under the result of find
//
// It proves nothing: anybody may send any of it back. The bot decides by what is stored.
type press struct {
	verb    string // a bot.ButtonKind, or one of the verbs below
	form    bot.FormKind
	request bot.RequestID
	digest  string
	page    int
	options map[string]string
}

const (
	version  = "v1"
	verbForm = "form"
	verbPage = "page"
	verbFind = "find"
)

var pairs = strings.NewReplacer("%", "%25", "&", "%26", "=", "%3D")

// String is the custom_id. Only that of find can be longer than Discord takes.
func (p press) String() string {
	switch p.verb {
	case verbForm:
		return strings.Join([]string{version, verbForm, string(p.form), string(p.request), p.digest}, ":")
	case verbPage:
		return strings.Join([]string{version, verbPage, string(p.request), p.digest, strconv.Itoa(p.page)}, ":")
	case verbFind:
		var list []string
		for _, name := range slices.Sorted(maps.Keys(p.options)) {
			list = append(list, name+"="+pairs.Replace(p.options[name]))
		}
		return version + ":" + verbFind + ":" + strings.Join(list, "&")
	}
	return strings.Join([]string{version, p.verb, string(p.request), p.digest}, ":")
}

// readPress reads a custom_id; ok is false when the bot never made one like it.
func readPress(s string) (p press, ok bool) {
	rest, ok := strings.CutPrefix(s, version+":")
	if !ok || size(s) > maxCustomID {
		return press{}, false
	}
	p.verb, rest, _ = strings.Cut(rest, ":")
	if p.verb == verbFind {
		p.options = map[string]string{}
		for pair := range strings.SplitSeq(rest, "&") {
			name, value, found := strings.Cut(pair, "=")
			value, err := url.PathUnescape(value)
			if !found || err != nil || !slices.Contains(recallOptions, name) || p.options[name] != "" || value == "" {
				return press{}, false
			}
			p.options[name] = value
		}
		return p, true
	}
	parts := strings.Split(rest, ":")
	switch p.verb {
	case verbForm:
		p.form, parts = bot.FormKind(parts[0]), parts[1:]
		if p.form == bot.FormAsk {
			return p, len(parts) == 2 && parts[0] == "" && parts[1] == ""
		}
		if p.form != bot.FormApprove && p.form != bot.FormReject {
			return press{}, false
		}
	case verbPage:
		n, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil || n < 0 || n > 1_000_000 {
			return press{}, false
		}
		p.page, parts = n, parts[:len(parts)-1]
	case string(bot.ButtonApprove), string(bot.ButtonReject), string(bot.ButtonShowAll), string(bot.ButtonStop):
	default:
		return press{}, false
	}
	if len(parts) != 2 || strings.Trim(parts[1], "0123456789abcdef") != "" || len(parts[1]) > bot.DigestShort {
		return press{}, false
	}
	id, known := bot.ParseRequestID(parts[0])
	p.request, p.digest = id, parts[1]
	return p, known && string(id) == parts[0]
}
