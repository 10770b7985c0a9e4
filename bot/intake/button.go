package intake

import (
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
)

// This file writes and reads the payloads of buttons and forms; nothing else does. A payload proves
// nothing, because anybody may send one: the bot decides by what is stored.

// Buttons writes and reads the payloads of the buttons and forms of one platform.
type Buttons struct {
	Platform bot.Platform
	Most     int  // the longest payload of a button there, in characters
	Confirms bool // the platform itself asks for a confirmation of Approve
}

// Of returns the payload of a button of a card.
func (b Buttons) Of(c bot.Card, kind bot.ButtonKind) string {
	return b.write(payload{verb: string(kind), request: c.ID, digest: short(c.Digest)})
}

// PageButton is a button below a page. Its name tells it from the others of the page.
type PageButton struct{ Name, Label, Carries string }

// OfPage returns the buttons of a page, in order. No two of them carry the same.
func (b Buttons) OfPage(p Page) (list []PageButton) {
	add := func(name, label string, carries payload) {
		if s := b.write(carries); label != "" && s != "" {
			list = append(list, PageButton{name, label, s})
		}
	}
	turn := func(name string, to int, is bool) {
		carries := payload{verb: verbPage, request: p.Request, digest: short(p.Digest), page: to}
		if p.Search != "" {
			carries = payload{verb: verbTurn, search: p.Search, page: to}
		}
		if is {
			add(name, bot.Say("page."+name).String(), carries)
		}
	}
	last := p.Of - 1
	turn("first", 0, p.Number > 1)
	turn("previous", p.Number-1, p.Number > 0)
	turn("next", p.Number+1, p.Number < last)
	turn("last", last, p.Number < last-1)
	for i, label := range p.Kinds {
		add("kind_"+strconv.Itoa(i), label, payload{verb: verbKind, search: p.Search, page: i})
	}
	if p.Search != "" {
		add("recall", p.Recall, payload{verb: verbFind, search: p.Search})
	} else {
		add("recall", p.Recall, payload{verb: verbReplies, request: p.Request, digest: short(p.Digest)})
	}
	add("without", p.Without, payload{verb: verbWithout, request: p.Request, digest: short(p.Digest)})
	if p.Sweep != "" {
		add("sweep", bot.Say("button.sweep").String(), payload{verb: verbSender, sender: p.Sweep})
	}
	return list
}

// Use returns the payload of the button of a command of an offer, counted from 0. The one that
// stops a request says so by itself, and is done at once.
func (b Buttons) Use(o *Offer, n int) string {
	if c := o.Commands[n]; c.Verb == command.VerbStop && c.Request != "" {
		return b.write(payload{verb: string(bot.ButtonStop), request: c.Request})
	}
	return b.write(payload{verb: verbUse, search: o.Event, page: n})
}

// Form returns the payload of a form.
func (b Buttons) Form(f Form) string {
	return b.write(payload{verb: verbForm, form: f.Kind, request: f.Request, digest: short(f.Digest)})
}

// write returns the payload, or "" if it is too long: then there is no such button.
func (b Buttons) write(c payload) string {
	if s := c.String(); len(s) <= b.Most {
		return s
	}
	return ""
}

// Press returns the act of pressing a button with the payload s. The kind is ActForged if the bot
// never made such a button.
func (b Buttons) Press(s string) Act {
	c, ok := b.read(s)
	act := Act{Request: c.request, Digest: c.digest, Page: c.page, Search: c.search, Text: c.sender}
	switch c.verb {
	case string(bot.ButtonApprove):
		act.Kind = ActAskApprove
		if b.Confirms {
			act.Kind = ActApprove
		}
	case string(bot.ButtonReject):
		act.Kind = ActAskReject
	case string(bot.ButtonStop):
		act.Kind = ActStop
	case string(bot.ButtonAskAgain):
		act.Kind = ActAskAgain
	case string(bot.ButtonShowAll), verbPage:
		act.Kind = ActShowAll
	case verbTurn:
		act.Kind = ActTurnFind
	case verbFind:
		act.Kind = ActRecallFind
	case verbKind:
		act.Kind = ActRecallKind
	case verbReplies:
		act.Kind = ActRecallReplies
	case verbWithout:
		act.Kind = ActAskWithout
	case verbSender:
		act.Kind = ActAskSweep
	case verbUse:
		act.Kind = ActUse
	default: // the payload of a form does not belong to a button
		ok = false
	}
	if !ok {
		return Act{Kind: ActForged}
	}
	return act
}

// Turns reports whether pressing a button with the payload s turns a page, so that the new page may
// replace the old one.
func (b Buttons) Turns(s string) bool {
	c, ok := b.read(s)
	return ok && (c.verb == verbPage || c.verb == verbTurn)
}

// Sent returns the act of sending a form with the payload s, given its inputs by name. The kind is
// ActForged if the bot never made such a form.
func (b Buttons) Sent(s string, values map[string]string) Act {
	c, ok := b.read(s)
	if !ok || c.verb != verbForm {
		return Act{Kind: ActForged}
	}
	return Form{Kind: c.form, Request: c.request, Digest: c.digest}.Sent(values)
}

// payload is the payload of a button or form:
//
//	v1:VERB:ID:DIGEST[:PAGE]       a button of a card or page
//	v1:form:KIND:ID:DIGEST         a form
//	v1:turn:PAGE:SEARCH            a button that turns a page of what a search found
//	v1:find:SEARCH                 the button that asks for a recall of it
//	v1:kind:N:SEARCH               the button that asks for a recall of one kind of it
//	v1:replies:ID:DIGEST           the button that asks for a recall of what quotes a request's messages
//	v1:without:ID:DIGEST           the button that asks again without what is unlike the rest
//	v1:sender:USER                 the button that opens the form for everything of a sender
//	v1:use:N:EVENT                 the button of a command that the answer to an event offered
type payload struct {
	verb    string // a bot.ButtonKind, or one of the verbs below
	form    FormKind
	request bot.RequestID
	digest  string
	page    int
	search  bot.EventID
	sender  string
}

const (
	version     = "v1"
	verbForm    = "form"
	verbPage    = "page"
	verbTurn    = "turn"
	verbFind    = "find"
	verbKind    = "kind"
	verbReplies = "replies"
	verbWithout = "without"
	verbUse     = "use"
	verbSender  = "sender"
)

// String returns the payload.
func (c payload) String() string {
	switch c.verb {
	case verbForm:
		return strings.Join([]string{version, verbForm, string(c.form), string(c.request), c.digest}, ":")
	case verbPage:
		return strings.Join([]string{version, verbPage, string(c.request), c.digest, strconv.Itoa(c.page)}, ":")
	case verbTurn, verbUse, verbKind:
		return strings.Join([]string{version, c.verb, strconv.Itoa(c.page), string(c.search)}, ":")
	case verbFind:
		return version + ":" + verbFind + ":" + string(c.search)
	case verbSender:
		return version + ":" + verbSender + ":" + c.sender
	}
	return strings.Join([]string{version, c.verb, string(c.request), c.digest}, ":")
}

// read parses what String wrote. ok is false if no button or form of the platform has this payload.
func (b Buttons) read(s string) (c payload, ok bool) {
	rest, ok := strings.CutPrefix(s, version+":")
	if !ok || len(s) > b.Most {
		return payload{}, false
	}
	c.verb, rest, _ = strings.Cut(rest, ":")
	switch c.verb {
	case verbSender:
		c.sender = rest
		return c, rest != "" && len(rest) <= 32 &&
			!strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r > '~' })
	case verbFind:
		c.search = bot.EventID(rest)
		return c, b.isSearch(rest)
	case verbTurn, verbUse, verbKind:
		page, search, _ := strings.Cut(rest, ":")
		c.page, ok = pageNumber(page)
		c.search = bot.EventID(search)
		return c, ok && b.isSearch(search)
	}
	parts := strings.Split(rest, ":")
	switch c.verb {
	case verbForm:
		c.form, parts = FormKind(parts[0]), parts[1:]
		if c.form == FormAsk {
			return c, len(parts) == 2 && parts[0] == "" && parts[1] == ""
		}
		if c.form != FormApprove && c.form != FormReject {
			return payload{}, false
		}
	case verbPage:
		if c.page, ok = pageNumber(parts[len(parts)-1]); !ok {
			return payload{}, false
		}
		parts = parts[:len(parts)-1]
	case verbReplies, verbWithout, string(bot.ButtonApprove), string(bot.ButtonReject), string(bot.ButtonShowAll),
		string(bot.ButtonStop), string(bot.ButtonAskAgain):
	default:
		return payload{}, false
	}
	if len(parts) != 2 || strings.Trim(parts[1], hexDigits) != "" || len(parts[1]) > bot.DigestShort {
		return payload{}, false
	}
	id, known := command.ParseRequestID(parts[0])
	c.request, c.digest = id, parts[1]
	return c, known && string(id) == parts[0]
}

const hexDigits = "0123456789abcdef"

func pageNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 1_000_000 && strconv.Itoa(n) == s
}

// isSearch reports whether s looks like an event id of the platform: its name, a colon or a hyphen,
// and digits.
func (b Buttons) isSearch(s string) bool {
	id, ok := strings.CutPrefix(s, string(b.Platform))
	return ok && len(id) > 1 && (id[0] == ':' || id[0] == '-') && strings.Trim(id[1:], hexDigits) == ""
}

func short(digest string) string { return digest[:min(len(digest), bot.DigestShort)] }
