package discord

import (
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
)

// press is what a button or form of ours carries in its custom_id:
//
//	v1:VERB:ID:DIGEST[:PAGE]       a button of a card or page
//	v1:form:KIND:ID:DIGEST         a form
//	v1:turn:PAGE:SEARCH            a button that turns a page of what a search found
//	v1:find:SEARCH                 the button that asks for a recall of it
//
// It proves nothing: anybody may send any of it back. The bot decides by what is stored.
type press struct {
	verb    string // a bot.ButtonKind, or one of the verbs below
	form    intake.FormKind
	request bot.RequestID
	digest  string
	page    int
	search  bot.EventID
}

const (
	version  = "v1"
	verbForm = "form"
	verbPage = "page"
	verbTurn = "turn"
	verbFind = "find"
)

// String is the custom_id.
func (p press) String() string {
	switch p.verb {
	case verbForm:
		return strings.Join([]string{version, verbForm, string(p.form), string(p.request), p.digest}, ":")
	case verbPage:
		return strings.Join([]string{version, verbPage, string(p.request), p.digest, strconv.Itoa(p.page)}, ":")
	case verbTurn:
		return strings.Join([]string{version, verbTurn, strconv.Itoa(p.page), string(p.search)}, ":")
	case verbFind:
		return version + ":" + verbFind + ":" + string(p.search)
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
	switch p.verb {
	case verbFind:
		p.search = bot.EventID(rest)
		return p, isSearch(rest)
	case verbTurn:
		page, search, _ := strings.Cut(rest, ":")
		p.page, ok = pageNumber(page)
		p.search = bot.EventID(search)
		return p, ok && isSearch(search)
	}
	parts := strings.Split(rest, ":")
	switch p.verb {
	case verbForm:
		p.form, parts = intake.FormKind(parts[0]), parts[1:]
		if p.form == intake.FormAsk {
			return p, len(parts) == 2 && parts[0] == "" && parts[1] == ""
		}
		if p.form != intake.FormApprove && p.form != intake.FormReject {
			return press{}, false
		}
	case verbPage:
		if p.page, ok = pageNumber(parts[len(parts)-1]); !ok {
			return press{}, false
		}
		parts = parts[:len(parts)-1]
	case string(bot.ButtonApprove), string(bot.ButtonReject), string(bot.ButtonShowAll), string(bot.ButtonStop):
	default:
		return press{}, false
	}
	if len(parts) != 2 || strings.Trim(parts[1], "0123456789abcdef") != "" || len(parts[1]) > bot.DigestShort {
		return press{}, false
	}
	id, known := command.ParseRequestID(parts[0])
	p.request, p.digest = id, parts[1]
	return p, known && string(id) == parts[0]
}

func pageNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 1_000_000 && strconv.Itoa(n) == s
}

// isSearch reports whether s looks like the id of an event of ours.
func isSearch(s string) bool {
	id, ok := strings.CutPrefix(s, eventPrefix)
	return ok && isSnowflake(id)
}
