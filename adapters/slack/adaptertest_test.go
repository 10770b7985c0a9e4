package slack_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestAdapter holds the adapter to what every adapter promises, in both ways of delivery.
func TestAdapter(t *testing.T) {
	t.Run("socket mode", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, false) })
	})
	t.Run("http", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, true) })
	})
}

// slackRig is a workspace with the adapter at work there.
type slackRig struct {
	t      *testing.T
	w      *slacktest.Workspace
	bot    *adaptertest.Bot
	a      *slack.Adapter
	byHTTP bool
	stop   func()
	last   *slacktest.Delivery
}

var slackWorld = adaptertest.World{
	Home: "T0TEAM", Team: "T0TEAM", Channel: "C0TRUST", Mods: "S0MODS", Leads: "S0LEADS", Mina: "U0MINA",
	Theo: "U0THEO", Nobody: "U0NOBODY", MinaName: "mina",
}

func openRig(t *testing.T, byHTTP bool) adaptertest.Rig {
	w := slacktest.New()
	t.Cleanup(w.Close)
	members := []string{"U0MINA", "U0THEO", "U0NOBODY", "U0GONE", "U0GUEST", "U0ALIEN", "U0ROBOT", "U0FLOW"}
	for _, u := range []slacktest.User{
		{ID: "U0MINA", Name: "mina"}, {ID: "U0THEO", Name: "theo"}, {ID: "U0NOBODY", Name: "nobody"},
		{ID: "U0GONE", Name: "gone", Deleted: true},
		{ID: "U0GUEST", Name: "guest", Restricted: true}, {ID: "U0ALIEN", Name: "alien", TeamID: "T0OTHER"},
		{ID: "U0ROBOT", Name: "robot", Bot: true}, {ID: "U0FLOW", Name: "flow", WorkflowBot: true},
	} {
		w.AddUser(u)
	}
	w.AddGroup(slacktest.UserGroup{ID: "S0MODS", Handle: "mods", Members: []string{"U0MINA"}})
	w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0THEO"}})
	for _, c := range []slacktest.Channel{
		{ID: "C0TRUST", Name: "trust", BotIn: true}, {ID: "C0PRIVATE", Name: "private", Private: true},
		{ID: "C0OLD", Name: "old", BotIn: true, Archived: true},
		{ID: "C0SHARED", Name: "shared", BotIn: true, ExtShared: true}, {ID: "D0MINA", IM: true, BotIn: true},
	} {
		c.Members = members
		w.AddChannel(c)
	}
	r := &slackRig{t: t, w: w, byHTTP: byHTTP, bot: adaptertest.NewBot(adaptertest.Policy(bot.Slack, slackWorld))}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *slackRig) start() {
	r.t.Helper()
	o := slack.Options{BotToken: r.w.BotToken, HTTPClient: r.w.Client(), Dial: r.w.DialContext, Bot: r.bot,
		Log: slog.New(slog.DiscardHandler)}
	if r.byHTTP {
		o.SigningSecrets = []string{r.w.SigningSecret}
	} else {
		o.AppToken = r.w.AppToken
	}
	a, err := slack.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = a
	if r.byHTTP {
		r.w.Deliver(a.Handler())
	}
	r.stop = adaptertest.Start(r.t, a, nil)
}

func (r *slackRig) Restart() {
	r.stop()
	r.start()
}

func (r *slackRig) World() adaptertest.World { return slackWorld }

func (r *slackRig) Bot() *adaptertest.Bot { return r.bot }

func (r *slackRig) Surface() bot.Surface { return r.a }

func (r *slackRig) Can() adaptertest.Abilities {
	return adaptertest.Abilities{Confirms: true, Checks: true}
}

// slackDeed is a delivery as the suite sees it.
type slackDeed struct{ d *slacktest.Delivery }

func (d slackDeed) Acknowledged() (time.Duration, bool) { return d.d.AckedAfter(), d.d.Acked() }

func (d slackDeed) Problem() string {
	if err := d.d.Err(); err != nil {
		return err.Error()
	}
	return d.d.Failure()
}

func (r *slackRig) deed(d *slacktest.Delivery) adaptertest.Deed {
	r.last = d
	return slackDeed{d: d}
}

func (r *slackRig) Act(c adaptertest.Typed) intake.Act {
	text := []string{}
	if c.Sub != "" {
		text = append(text, c.Sub)
	}
	for _, o := range c.Options {
		switch {
		case o.Name == "group" || o.Name == "seqs" || o.Name == "which" || o.Name == "id":
			text = append(text, o.Value)
		case strings.Contains(o.Value, " "):
			text = append(text, fmt.Sprintf("%s:%q", o.Name, o.Value))
		default:
			text = append(text, o.Name+":"+o.Value)
		}
	}
	return intake.Act{Kind: intake.ActCommand, Command: c.Command, Text: strings.Join(text, " ")}
}

func (r *slackRig) Type(who, channel string, c adaptertest.Typed) adaptertest.Deed {
	return r.deed(r.w.Command(who, channel, "/"+c.Command, r.Act(c).Text))
}

func (r *slackRig) Complete(string, string, string) []string { return nil }

func (r *slackRig) Press(who string, card bot.Ref, b bot.ButtonKind) adaptertest.Deed {
	return r.deed(r.w.Press(who, refOf(card), string(b)))
}

func (r *slackRig) PressOlder(who string, older adaptertest.Shown, b bot.ButtonKind) adaptertest.Deed {
	return r.deed(r.w.PressStale(who, older.Own.(slacktest.Message), string(b)))
}

func (r *slackRig) PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) adaptertest.Deed {
	return r.deed(r.w.PressForged(who, refOf(card), string(b), "v1:"+string(b)+":"+request+":"+digest))
}

func (r *slackRig) PressAlone(who, label string) adaptertest.Deed {
	r.t.Helper()
	find := func(list []slacktest.Button) string {
		i := slices.IndexFunc(list, func(b slacktest.Button) bool { return strings.HasPrefix(b.Text, label) })
		if i < 0 {
			return ""
		}
		return list[i].ActionID
	}
	for _, v := range slices.Backward(r.w.Views(who)) {
		if id := find(v.Buttons()); id != "" {
			return r.deed(r.w.PressInView(who, v.ID, id))
		}
	}
	for _, e := range slices.Backward(r.w.Ephemerals(who)) {
		if id := find(e.Buttons()); id != "" {
			return r.deed(r.w.Press(who, e.Ref(), id))
		}
	}
	r.t.Fatalf("%s sees no button %s", who, label)
	return nil
}

func (r *slackRig) Form(who string) (adaptertest.Form, bool) {
	views := r.w.Views(who)
	if len(views) == 0 || views[len(views)-1].Submit == "" {
		return adaptertest.Form{}, false
	}
	v := views[len(views)-1]
	return adaptertest.Form{Title: v.Title, Text: r.w.Picture(v), Own: v.ID}, true
}

func (r *slackRig) Send(who string, f adaptertest.Form, values map[string]string) adaptertest.Deed {
	return r.deed(r.w.Submit(who, f.Own.(string), values))
}

func (r *slackRig) Again() { r.last.Replay() }

func refOf(ref bot.Ref) slacktest.MessageRef {
	return slacktest.MessageRef{Channel: ref.Channel, TS: ref.Message}
}

func (r *slackRig) Look(ref bot.Ref) (adaptertest.Shown, bool) {
	m, ok := r.w.Message(refOf(ref))
	return r.message(m), ok
}

func (r *slackRig) message(m slacktest.Message) adaptertest.Shown {
	return r.shown(m.Text, m.Blocks, m.Buttons(), m)
}

// shown reads what was received, and not what this adapter meant.
func (r *slackRig) shown(text string, blocks json.RawMessage, buttons []slacktest.Button, own any) adaptertest.Shown {
	d := &reading{t: r.t, w: r.w}
	var list []any
	if len(blocks) > 0 {
		if err := json.Unmarshal(blocks, &list); err != nil {
			r.t.Fatalf("blocks: %v", err)
		}
		d.walk(list)
	} else {
		d.markup(text)
	}
	s := adaptertest.Shown{Text: d.b.String(), Live: d.live, Own: own}
	for _, b := range buttons {
		s.Buttons = append(s.Buttons, b.Text)
	}
	n := &reading{t: r.t, w: r.w}
	n.markup(text)
	s.Notice, s.Live = n.b.String(), append(s.Live, n.live...)
	return s
}

// reading collects the text of blocks without its styles, and what works in it.
type reading struct {
	t    *testing.T
	w    *slacktest.Workspace
	b    strings.Builder
	live []string
}

func (d *reading) walk(list []any) {
	for _, v := range list {
		m, _ := v.(map[string]any)
		get := func(key string) string { s, _ := m[key].(string); return s }
		inner, _ := m["elements"].([]any)
		switch get("type") {
		case "rich_text":
			d.walk(inner)
		case "rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list":
			d.walk(inner)
			d.b.WriteByte('\n')
		case "text", "plain_text":
			d.b.WriteString(get("text"))
		case "date":
			n, _ := m["timestamp"].(float64)
			at := time.Unix(int64(n), 0).UTC().Format("2006-01-02 15:04:05 UTC")
			if f := get("fallback"); f != at {
				d.t.Errorf("the time %s falls back to %q", at, f)
			}
			d.b.WriteString(at)
		case "user", "usergroup", "broadcast", "channel", "link":
			to := get("user_id") + get("usergroup_id") + get("range") + get("channel_id") + get("url")
			d.live = append(d.live, to)
			d.b.WriteString("@" + to)
		case "mrkdwn", "markdown":
			d.markup(get("text"))
		case "section", "header", "input":
			for _, key := range []string{"text", "label"} {
				if t, ok := m[key]; ok {
					d.walk([]any{t})
					d.b.WriteByte('\n')
				}
			}
			fields, _ := m["fields"].([]any)
			d.walk(fields)
		case "context":
			d.walk(inner)
			d.b.WriteByte('\n')
		case "actions", "divider":
		default:
			d.t.Errorf("a block %q that this test cannot read", get("type"))
		}
	}
}

// markup reads text in which < and > work.
func (d *reading) markup(s string) {
	for s != "" {
		before, rest, found := strings.Cut(s, "<")
		d.b.WriteString(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(before))
		if !found {
			return
		}
		inside, after, _ := strings.Cut(rest, ">")
		d.live = append(d.live, inside)
		s = after
	}
}

func (r *slackRig) Channel(id string) (list []adaptertest.Shown) {
	for _, m := range r.w.Messages(id) {
		list = append(list, r.message(m))
	}
	return list
}

func (r *slackRig) Thread(card bot.Ref) (list []adaptertest.Shown) {
	for _, m := range r.w.Thread(card.Channel, card.Message) {
		if len(m.Files) > 0 && len(m.Blocks) == 0 && m.Text == "" {
			continue // a file alone
		}
		list = append(list, r.message(m))
	}
	return list
}

func (r *slackRig) Alone(who string) (list []adaptertest.Shown) {
	for _, e := range r.w.Ephemerals(who) {
		list = append(list, r.shown(e.Text, e.Blocks, e.Buttons(), e))
	}
	for _, v := range r.w.Views(who) {
		s := r.shown("", v.Blocks, v.Buttons(), v)
		for _, id := range slices.Sorted(maps.Keys(v.Errors)) {
			s.Text += v.Errors[id] + "\n"
		}
		list = append(list, s)
	}
	return list
}

func (r *slackRig) Files(card bot.Ref) (list []bot.File) {
	for _, f := range r.w.Files(card.Channel, card.Message) {
		list = append(list, bot.File{Name: f.Name, Title: f.Title, Body: f.Content})
	}
	return list
}

func (r *slackRig) Notified() (list []string) {
	for _, n := range r.w.Notified() {
		list = append(list, n.Who)
	}
	return list
}

func (r *slackRig) Fail(c adaptertest.Call, f adaptertest.Failure, n int) {
	method := map[adaptertest.Call]string{adaptertest.Posting: "chat.postMessage",
		adaptertest.Editing: "chat.update"}[c]
	r.w.Fail(method, n, map[adaptertest.Failure]slacktest.Fault{
		adaptertest.Gone: slacktest.Code("message_not_found"), adaptertest.Forbidden: slacktest.Code("is_archived"),
		adaptertest.Refused: slacktest.Code("no_text"), adaptertest.Busy: slacktest.RateLimited(adaptertest.BusyFor),
		adaptertest.Down: slacktest.ServerError(503), adaptertest.Lost: slacktest.LoseReply(),
	}[f])
}

func (r *slackRig) Blind() bool {
	r.w.Fail("users.info", -1, slacktest.Hang())
	return true
}

func (r *slackRig) Troubles() map[bot.Trouble]adaptertest.Case {
	const trust = "C0TRUST"
	return map[bot.Trouble]adaptertest.Case{
		bot.TroubleBot: {Who: "U0ROBOT", Channel: trust}, bot.TroubleWorkflow: {Who: "U0FLOW", Channel: trust},
		bot.TroubleGuest:       {Who: "U0GUEST", Channel: trust},
		bot.TroubleDeactivated: {Who: "U0GONE", Channel: trust}, bot.TroubleForeign: {Who: "U0ALIEN", Channel: trust},
		bot.TroubleDirectMessage: {Who: "U0MINA", Channel: "D0MINA"}, bot.TroubleNotInChannel: {Who: "U0MINA",
			Channel: "C0PRIVATE"},
		bot.TroubleExtShared: {Who: "U0MINA", Channel: "C0SHARED"},
	}
}

func (r *slackRig) Lacks() map[bot.Trouble]string {
	none := "Slack knows nothing like it"
	return map[bot.Trouble]string{
		bot.TroublePending: none, bot.TroubleTimedOut: none, bot.TroubleUserInstalled: none,
		bot.TroubleWrongGuild: "an account of another workspace is foreign",
		bot.TroubleArchived:   "Slack lets nobody type or press in an archived channel",
		bot.TroubleUnknown:    "an event whose account Slack does not tell is given up",
	}
}

func (r *slackRig) Complaints() []string { return r.w.Complaints() }
