package practice

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"recallbot/adapters"
	"recallbot/bot/bottest"
)

var (
	//go:embed page.html
	skeleton string // with {NAME} where the pane of that name stands
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// whole draws the page.
func whole(panes map[string]string) string {
	var pairs []string
	for name, drawn := range panes {
		pairs = append(pairs, "{"+name+"}", drawn)
	}
	return strings.NewReplacer(pairs...).Replace(skeleton)
}

// panes draws the parts of the page that change, by their names. g.mu is held.
func (g *ground) panes() map[string]string {
	g.look()
	items, direct, window := g.channel()
	var channel, alone, windows []block
	for _, it := range items {
		drawn := g.posted(it.Shown)
		if len(it.thread) > 0 {
			thread := []markup{tag("h3", nil, "Thread")}
			for _, m := range it.thread {
				thread = append(thread, g.posted(m))
			}
			drawn += tag("div", with{"class", "thread"}, thread...)
		}
		channel = append(channel, block{"m" + it.ID, drawn})
	}
	if len(channel) == 0 {
		channel = []block{{"quiet", tag("p", with{"class", "quiet"}, "Nothing was said here yet.")}}
	}
	for _, m := range direct {
		alone = append(alone, block{"d" + m.ID, g.posted(m)})
	}
	if window != nil {
		windows = []block{{"w" + window.ID, tag("div", with{"class", "window", "role", "dialog", "aria-label",
			"A window that only you see"}, g.posted(*window))}}
	}
	return map[string]string{
		"task": pane(block{"task", g.task()}), "faces": pane(block{"faces", g.faces()}),
		"tabs": pane(block{"tabs", g.tabs()}), "channel": pane(channel...), "direct": pane(alone...),
		"window": pane(windows...), "composer": pane(block{"composer", g.composer()}),
		"phone": pane(g.phone()...), "pushes": pane(g.pushes()...),
		"tools": pane(block{"tools", g.tools()}), "shelf": pane(block{"shelf", g.shelf()}),
	}
}

// posted draws a message or window, with the form around it that its buttons submit.
func (g *ground) posted(m bottest.Shown) markup {
	asking, mark := "", g.present().mark
	if m.ID == g.asks {
		asking = g.asking
	}
	drawn := m.HTML(asking)
	next := func(attributes string) {
		drawn = strings.Replace(drawn, "<button "+attributes, `<button data-next="" `+attributes, 1)
	}
	if label, ok := strings.CutPrefix(mark, "press:"); ok {
		next(`name="press" value="` + label + `"`)
	}
	if mark == "answer" {
		next(`name="confirm"`)
		next(`name="send"`)
	}
	return form("", tag("input", with{"type", "hidden", "name", "on", "value", m.ID}), markup(drawn))
}

func (g *ground) task() markup {
	s := g.present()
	parts := []markup{tag("h2", nil, text("%s", g.scene.title)),
		tag("p", with{"class", "about"}, text("%s", g.scene.about))}
	note := tag("p", with{"class", "note"}, text("%s", g.note))
	if g.note == "" {
		note = ""
	}
	if s.say == nil {
		parts = append(parts, tag("p", with{"class", "say"}, tag("strong", nil, "✓ Done.")), note)
		if at := g.at() + 1; at < len(shelf) {
			parts = append(parts, button("scenario", shelf[at].id, true, nil, text("Next: %s", shelf[at].title)))
		}
		return form("", parts...)
	}
	step := tag("span", with{"class", "step"}, text("%d of %d ", g.step+1, len(g.scene.steps)))
	parts = append(parts, tag("p", with{"class", "say"}, step, text("%s", s.say(g))), note)
	if s.button != "" && !g.busy {
		parts = append(parts, button("button", "1", true, nil, text("%s", s.button)))
	}
	return form("", parts...)
}

// at is where the scenario that is played stands on the shelf.
func (g *ground) at() int {
	return slices.IndexFunc(shelf, func(s scenario) bool { return s.id == g.scene.id })
}

func (g *ground) tabs() markup {
	var tabs []markup
	for _, id := range adapters.IDs() {
		tabs = append(tabs, button("tab", string(id), false, with{"aria-pressed", strconv.FormatBool(id == g.tab)},
			text("%s", id.Traits().Name)))
	}
	return form("tabs", tabs...)
}

func may(p bottest.Person) string {
	switch {
	case p.Asks && p.Approves:
		return "asks and approves"
	case p.Approves:
		return "approves"
	case p.Asks:
		return "asks"
	}
	return "is a guest"
}

func (g *ground) faces() markup {
	faces := []markup{tag("span", with{"class", "hint"}, "You are")}
	for _, p := range people {
		faces = append(faces, button("face", p.Name, g.present().mark == "face:"+p.Name,
			with{"aria-pressed", strconv.FormatBool(p.Name == g.face)}, tag("b", nil, text("%s", p.Title())),
			text(" %s", may(p))))
	}
	return form("faces", faces...)
}

func (g *ground) composer() markup {
	return form("composer",
		tag("label", with{"for", "line"}, text("Message #trust as %s", bottest.Person{Name: g.face}.Title())),
		tag("input", with{"id", "line", "name", "line", "value", g.typed, "autocomplete", "off", "spellcheck",
			"false"}),
		button("do", "type", g.present().mark == "send", nil, "Send"))
}

// phoneShows is how many messages the members' phone shows.
const phoneShows = 24

// phone draws the members' phone.
func (g *ground) phone() []block {
	recalled := map[string]bool{} // by the key of the message
	key := func(group string, seq uint32) string { return fmt.Sprintf("%s-%d", group, seq) }
	for _, of := range g.groups {
		for _, seq := range g.world.Service().RecalledSeqs(of.ID, "") {
			recalled[key(of.ID, seq)] = true
		}
	}
	from := max(0, len(g.said)-phoneShows)
	count := text("%s of %s messages are recalled.", thousands(len(recalled)), thousands(len(g.said)))
	if from > 0 {
		count += text(" %s earlier ones are not shown.", thousands(from))
	}
	blocks := []block{{"count", tag("p", with{"class", "count"}, count)}}
	for _, m := range g.said[from:] {
		who := text("%s · %d", m.from, m.seq)
		if m.group != lounge {
			who = text("%s · ", g.nameOf(m.group)) + who
		}
		k, small := key(m.group, m.seq), tag("small", nil, who)
		drawn := tag("p", with{"class", "said"}, small, text("%s", m.text))
		if recalled[k] {
			drawn = tag("p", with{"class", "said gone"}, small, tag("del", nil, text("%s", m.text)),
				tag("i", nil, "Message recalled"))
		}
		blocks = append(blocks, block{k, drawn})
	}
	return blocks
}

func (g *ground) nameOf(group string) string {
	for _, of := range g.groups {
		if of.ID == group {
			return of.Name
		}
	}
	return group
}

// pushes draws what the phones of moderators show without being unlocked: the last notification.
func (g *ground) pushes() []block {
	rang := g.home().People().Notified()
	if len(rang) == 0 {
		return nil
	}
	last, leads := rang[len(rang)-1], g.home().Leads()
	says := strings.ReplaceAll(last.Text, leads, "leads")
	var names []string
	for _, p := range people {
		user := g.user(p.Name)
		says = strings.ReplaceAll(says, user, p.Name)
		// Nobody's phone rings for what they did themselves.
		if last.Who == user || last.Who == leads && p.Approves && user != g.now.newest().By.Account.User {
			names = append(names, p.Title()+"'s")
		}
	}
	whose := "Nobody's phone rang"
	switch n := len(names); n {
	case 0:
	case 1:
		whose = names[0] + " phone rang"
	default:
		whose = strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " phones rang"
	}
	return []block{{fmt.Sprint("push", len(rang)), tag("div", with{"class", "push"}, tag("h3", nil, text("%s", whose)),
		tag("p", nil, tag("b", nil, text("%s · #trust", g.tab.Traits().Name)),
			tag("span", nil, text("%s", strings.TrimSpace(says)))))}}
}

func hint(s string) markup { return tag("p", with{"class", "hint"}, text("%s", s)) }

func (g *ground) tools() markup {
	mark := g.present().mark
	tool := func(name, label string) markup {
		return button("tool", name, mark == "tool:"+name, nil, text("%s", label)) + " "
	}
	clock := "Only the bot's clock moves: the platforms and the Chat service keep the real time."
	if g.ahead > 0 {
		clock = fmt.Sprintf("It is %d minutes ahead. %s", int(g.ahead.Minutes()), clock)
	}
	power, service := tool("off", "Switch it off"), "It is on."
	if g.off {
		power, service = tool("on", "Switch it on"), "It is off."
	}
	if g.lose {
		service += " It will lose the answer to the next recall."
	}
	life := tool("kill", "Kill it")
	if g.dead {
		life = tool("start", "Start it again")
	}
	drawn := form("", tag("h2", nil, "Let things happen"), tag("h3", nil, "The bot's clock"),
		tag("p", nil, tool("10m", "10 minutes later"), tool("30m", "30 minutes later")), hint(clock),
		tag("h3", nil, "The Chat service"), tag("p", nil, power, tool("lose", "Lose its next answer")), hint(service),
		tag("h3", nil, "The bot"), tag("p", nil, life))
	if len(g.now.requests) == 0 {
		return drawn
	}
	var reports []markup
	for _, r := range g.now.requests {
		reports = append(reports, tag("li", nil, tag("a", with{"href", "/report/" + string(r.ID)}, text("%s", r.ID)),
			text(", %s", r.State)))
	}
	return drawn + tag("h2", nil, "What the audit log says") + tag("ul", with{"class", "reports"}, reports...)
}

func (g *ground) shelf() markup {
	var all []markup
	for _, s := range shelf {
		label, more := text("%s", s.title), with{}
		if g.done[s.id] {
			label = "✓ " + label + " (done)"
		}
		if s.id == g.scene.id {
			more = with{"aria-current", "true"}
		}
		all = append(all, tag("li", nil, button("scenario", s.id, false, more, label), hint(s.about)))
	}
	return form("", tag("h2", nil, "Scenarios"), tag("ol", nil, all...))
}

// reportPage draws what the command audit report prints of a request.
func reportPage(id, report string) string {
	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What the audit log says</title>` +
		`<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">` +
		`<link rel="stylesheet" href="/page.css"></head><body>` +
		string(tag("main", with{"class", "report"}, tag("h1", nil, text("%s: what the audit log says", id)),
			tag("p", nil, "This is what ", tag("code", nil, "recallbot audit report"), " prints. ",
				tag("a", with{"href", "/"}, "Back to the practice ground")),
			tag("pre", with{"tabindex", "0"}, text("%s", report)))) + "</body></html>\n"
}
