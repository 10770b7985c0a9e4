package discord_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestAdapter holds the adapter to what every adapter promises, in both ways of delivery.
func TestAdapter(t *testing.T) {
	t.Run("gateway", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, false) })
	})
	t.Run("http", func(t *testing.T) {
		adaptertest.Test(t, func(t *testing.T) adaptertest.Rig { return openRig(t, true) })
	})
}

// openAPI checks bodies against Discord's published document, where that is laid out beside the
// repository.
var openAPI = sync.OnceValue(func() func(method, route string, body []byte) error {
	check, err := discordtest.OpenAPI(filepath.Join("..", "..", "..", "shared", "assets", "discord-openapi.json"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			panic(err)
		}
		return nil
	}
	return check
})

// discordRig is a server with the adapter at work there.
type discordRig struct {
	t      *testing.T
	g      *discordtest.Guild
	bot    *adaptertest.Bot
	a      *discord.Adapter
	byHTTP bool
	stop   func()
	last   *discordtest.Interaction
}

var discordWorld = adaptertest.World{
	Home: discordtest.New().ID, Team: "discord", Channel: "1001", Mods: "3001", Leads: "3002", Mina: "2001",
	Theo: "2002", Nobody: "2003", MinaName: "Mina K.",
}

func openRig(t *testing.T, byHTTP bool) adaptertest.Rig {
	g := discordtest.New()
	t.Cleanup(g.Close)
	g.Validate = openAPI()
	w := discordWorld
	g.AddChannel(discordtest.Channel{ID: w.Channel, Name: "trust"})
	g.AddChannel(discordtest.Channel{ID: "1002", Name: "closed", Denied: discordtest.SendMessages})
	g.AddMember(discordtest.Member{UserID: w.Mina, Name: "mina", Nick: w.MinaName})
	g.AddMember(discordtest.Member{UserID: w.Theo, Name: "theo"})
	g.AddMember(discordtest.Member{UserID: w.Nobody, Name: "nobody"})
	g.AddMember(discordtest.Member{UserID: "2004", Name: "robot", Bot: true})
	g.AddMember(discordtest.Member{UserID: "2005", Name: "pending", Pending: true})
	g.AddMember(discordtest.Member{UserID: "2006", Name: "muted", TimedOutUntil: time.Now().Add(time.Hour)})
	g.AddRole(discordtest.Role{ID: w.Mods, Name: "mods", Mentionable: true, Members: []string{w.Mina}})
	g.AddRole(discordtest.Role{ID: w.Leads, Name: "leads", Mentionable: true, Members: []string{w.Theo}})
	r := &discordRig{t: t, g: g, byHTTP: byHTTP, bot: adaptertest.NewBot(adaptertest.Policy(bot.Discord, w))}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *discordRig) start() {
	r.t.Helper()
	o := discord.Options{
		BotToken: r.g.BotToken, ApplicationID: r.g.ApplicationID, Guilds: []string{r.g.ID}, HTTPClient: r.g.Client(),
		Dial: r.g.Dial, Bot: r.bot,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if r.byHTTP {
		o.PublicKey = r.g.PublicKey
	}
	a, err := discord.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.a = a
	if r.byHTTP {
		r.g.Deliver(a.Handler())
	}
	r.stop = adaptertest.Start(r.t, a, func() bool {
		return len(r.g.Commands()) > 0 && (r.byHTTP || len(r.g.Sessions()) > 0)
	})
}

func (r *discordRig) Restart() {
	r.stop()
	for range 100 { // the old connection is gone
		if len(r.g.Sessions()) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.start()
}

func (r *discordRig) World() adaptertest.World { return discordWorld }

func (r *discordRig) Bot() *adaptertest.Bot { return r.bot }

func (r *discordRig) Surface() bot.Surface { return r.a }

func (r *discordRig) Can() adaptertest.Abilities {
	return adaptertest.Abilities{Typed: true, KnowsRepeats: true, Completes: true, CommandsInThreads: true}
}

// discordDeed is an interaction as the suite sees it.
type discordDeed struct{ i *discordtest.Interaction }

func (d discordDeed) Acknowledged() (time.Duration, bool) { return d.i.AckedAfter(), d.i.Acked() }

func (d discordDeed) Problem() string {
	switch {
	case d.i.Err != nil:
		return d.i.Err.Error()
	case d.i.Failed():
		return discordtest.ErrNoAnswer.Error()
	}
	return ""
}

func (r *discordRig) deed(i *discordtest.Interaction) adaptertest.Deed {
	r.last = i
	return discordDeed{i: i}
}

func (r *discordRig) Act(c adaptertest.Typed) intake.Act {
	act := intake.Act{Kind: intake.ActCommand, Command: c.Command, Sub: c.Sub, Options: map[string]string{}}
	for _, o := range c.Options {
		act.Options[o.Name] = o.Value
	}
	return act
}

func (r *discordRig) Type(who, channel string, c adaptertest.Typed) adaptertest.Deed {
	name := c.Command
	if c.Sub != "" {
		name += " " + c.Sub
	}
	var options []discordtest.Option
	for _, o := range c.Options {
		if o.Name == "last" {
			n := 0
			if err := json.Unmarshal([]byte(o.Value), &n); err != nil {
				r.t.Fatal(err)
			}
			options = append(options, discordtest.Opt(o.Name, n))
			continue
		}
		options = append(options, discordtest.Opt(o.Name, o.Value))
	}
	if channel == directMessage {
		r.g.SetOrigin(discordtest.Origin{DM: true})
		channel = discordWorld.Channel
	}
	return r.deed(r.g.Command(who, channel, name, options...))
}

// directMessage stands for a conversation with the bot alone.
const directMessage = "dm"

func (r *discordRig) Complete(who, channel, typed string) (groups []string) {
	i := r.g.Autocomplete(who, channel, "recall", "group", typed)
	if err := i.Wait(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range i.Choices() {
		groups = append(groups, c.Value)
	}
	return groups
}

func refOf(ref bot.Ref) discordtest.MessageRef {
	return discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message}
}

var labels = map[bot.ButtonKind]string{bot.ButtonApprove: "Approve", bot.ButtonReject: "Reject",
	bot.ButtonShowAll: "Show all", bot.ButtonStop: "Stop"}

// button is the custom_id under a label.
func (r *discordRig) button(m discordtest.Message, label string) string {
	r.t.Helper()
	for _, b := range m.Buttons() {
		if strings.HasPrefix(b.Label, label) {
			return b.CustomID
		}
	}
	r.t.Fatalf("no button %s in %s", label, m.Raw)
	return ""
}

func (r *discordRig) Press(who string, card bot.Ref, b bot.ButtonKind) adaptertest.Deed {
	r.t.Helper()
	m, _ := r.g.Message(refOf(card))
	return r.deed(r.g.Press(who, m.Ref(), r.button(m, labels[b])))
}

func (r *discordRig) PressOlder(who string, older adaptertest.Shown, b bot.ButtonKind) adaptertest.Deed {
	r.t.Helper()
	m := older.Own.(discordtest.Message)
	return r.deed(r.g.PressStale(who, m, r.button(m, labels[b])))
}

func (r *discordRig) PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) adaptertest.Deed {
	return r.deed(r.g.PressForged(who, refOf(card), "v1:"+string(b)+":"+request+":"+digest))
}

func (r *discordRig) PressAlone(who, label string) adaptertest.Deed {
	r.t.Helper()
	for _, m := range slices.Backward(r.g.Ephemerals(who)) {
		if slices.ContainsFunc(m.Buttons(),
			func(b discordtest.Button) bool { return strings.HasPrefix(b.Label, label) }) {
			return r.deed(r.g.Press(who, m.Ref(), r.button(m, label)))
		}
	}
	r.t.Fatalf("%s sees no button %s", who, label)
	return nil
}

func (r *discordRig) Form(who string) (adaptertest.Form, bool) {
	modals := r.g.Modals(who)
	if len(modals) == 0 || modals[len(modals)-1].Submitted {
		return adaptertest.Form{}, false
	}
	m := modals[len(modals)-1]
	return adaptertest.Form{Title: m.Title, Text: r.g.PictureModal(m), Own: m}, true
}

func (r *discordRig) Send(who string, f adaptertest.Form, values map[string]string) adaptertest.Deed {
	return r.deed(r.g.Submit(who, f.Own.(discordtest.Modal), values))
}

func (r *discordRig) Again() {
	if r.byHTTP {
		if d := r.g.Resend(r.t.Context(), r.last); string(d.Body) != string(r.last.Response()) {
			r.t.Errorf("the repeat is answered with\n%s\nand the first with\n%s", d.Body, r.last.Response())
		}
		return
	}
	r.g.Redispatch(r.last)
}

func (r *discordRig) Look(ref bot.Ref) (adaptertest.Shown, bool) {
	m, ok := r.g.Message(refOf(ref))
	if !ok {
		return adaptertest.Shown{}, false
	}
	return r.shown(m), true
}

// shown reads what was received, by the guild's own drawing of it.
func (r *discordRig) shown(m discordtest.Message) adaptertest.Shown {
	s := adaptertest.Shown{Own: m}
	for line := range strings.Lines(r.g.Picture(m)) {
		if strings.HasPrefix(line, "│") {
			line = strings.TrimPrefix(strings.TrimPrefix(line, "│"), " ")
			s.Text += strings.NewReplacer("┃ ", "", "▎", "", "• ", "").Replace(line)
		}
	}
	only := m
	only.Raw, only.Files = json.RawMessage("{}"), nil // a notification shows the content alone
	s.Notice = r.g.Picture(only)
	for _, b := range m.Buttons() {
		s.Buttons = append(s.Buttons, b.Label)
	}
	var raw struct {
		Content string
		Embeds  []json.RawMessage
	}
	if err := json.Unmarshal(m.Raw, &raw); err != nil {
		r.t.Fatal(err)
	}
	s.Live = works(raw.Content)
	for _, e := range raw.Embeds {
		var fields map[string]any
		if err := json.Unmarshal(e, &fields); err != nil {
			r.t.Fatal(err)
		}
		for name, v := range fields {
			if text, ok := v.(string); ok && name != "type" {
				s.Live = append(s.Live, works(text)...)
			}
		}
	}
	return s
}

var lively = regexp.MustCompile(
	`^(?:<(?:@[&!]?|#)(\d+)>|<(/[^>]*:\d+)>|<(a?:\w+:\d+)>|<?(https?://[^\s>]*)|(www\.\S+)|(discord\.gg/\S+)|(mailto:\S+)|(\]\([^)]*\))|(@everyone|@here)|(\*\*Approved))`)

// works finds what Discord makes work in a text: everything that is neither behind a backslash nor
// in code.
func works(s string) (live []string) {
	for s != "" {
		switch {
		case s[0] == '\\' && len(s) > 1:
			s = s[2:]
		case s[0] == '`':
			n := len(s) - len(strings.TrimLeft(s, "`"))
			end := strings.Index(s[n:], s[:n])
			if end < 0 {
				s = s[n:]
				continue
			}
			s = s[n+end+n:]
		default:
			if strings.IndexByte("<hwdm]@*", s[0]) < 0 { // none begins so
				s = s[1:]
				continue
			}
			if m := lively.FindStringSubmatch(s); m != nil {
				live = append(live, strings.Join(m[1:], ""))
				s = s[len(m[0]):]
				continue
			}
			s = s[1:]
		}
	}
	return live
}

func (r *discordRig) list(messages []discordtest.Message) (list []adaptertest.Shown) {
	for _, m := range messages {
		list = append(list, r.shown(m))
	}
	return list
}

func (r *discordRig) Channel(id string) []adaptertest.Shown { return r.list(r.g.Messages(id)) }

func (r *discordRig) Thread(card bot.Ref) []adaptertest.Shown {
	m, _ := r.g.Message(refOf(card))
	if m.Thread == "" {
		return nil
	}
	return r.list(r.g.Thread(m.Thread))
}

func (r *discordRig) Alone(who string) []adaptertest.Shown { return r.list(r.g.Ephemerals(who)) }

func (r *discordRig) Files(card bot.Ref) (list []bot.File) {
	for _, f := range r.g.Files(card.Thread) {
		list = append(list, bot.File{Name: f.Name, Title: f.Description, Body: f.Data})
	}
	return list
}

func (r *discordRig) Notified() (list []string) {
	for _, n := range r.g.Notified() {
		list = append(list, n.ID)
	}
	return list
}

func (r *discordRig) Fail(c adaptertest.Call, f adaptertest.Failure, n int) {
	route := map[adaptertest.Call]string{
		adaptertest.Posting: "POST /channels/{channel_id}/messages",
		adaptertest.Editing: "PATCH /channels/{channel_id}/messages/{message_id}",
	}[c]
	r.g.Fail(route, n, map[adaptertest.Failure]discordtest.Fault{
		adaptertest.Gone: discordtest.APIError(404, 10003), adaptertest.Forbidden: discordtest.APIError(403, 50013),
		adaptertest.Refused: discordtest.APIError(400, 200000),
		adaptertest.Busy:    discordtest.RateLimited(adaptertest.BusyFor),
		adaptertest.Down:    discordtest.Status(503), adaptertest.Lost: discordtest.ReplyLost(),
	}[f])
}

func (r *discordRig) Blind() bool { return false }

func (r *discordRig) Troubles() map[bot.Trouble]adaptertest.Case {
	w := discordWorld
	from := func(o discordtest.Origin) func() { return func() { r.g.SetOrigin(o) } }
	here := from(discordtest.Origin{})
	return map[bot.Trouble]adaptertest.Case{
		bot.TroubleBot:           {Who: "2004", Channel: w.Channel, Set: here},
		bot.TroublePending:       {Who: "2005", Channel: w.Channel, Set: here},
		bot.TroubleTimedOut:      {Who: "2006", Channel: w.Channel, Set: here},
		bot.TroubleNotInChannel:  {Who: w.Mina, Channel: "1002", Set: here},
		bot.TroubleWrongGuild:    {Who: w.Mina, Channel: w.Channel, Set: from(discordtest.Origin{GuildID: "4242"})},
		bot.TroubleUserInstalled: {Who: w.Mina, Channel: w.Channel, Set: from(discordtest.Origin{UserInstalled: true})},
		bot.TroubleDirectMessage: {Who: w.Mina, Channel: directMessage},
	}
}

func (r *discordRig) Lacks() map[bot.Trouble]string {
	none := "Discord knows nothing like it"
	return map[bot.Trouble]string{
		bot.TroubleWorkflow: none, bot.TroubleGuest: none, bot.TroubleExtShared: none,
		bot.TroubleDeactivated: "a deleted account sends nothing",
		bot.TroubleForeign:     "an account of another server is in the wrong guild",
		bot.TroubleArchived:    "threads alone are archived, and writing opens them",
		bot.TroubleUnknown:     "an interaction of a server always names its member",
	}
}

func (r *discordRig) Complaints() []string { return slices.Concat(r.g.SpecErrors(), r.g.UnknownKeys()) }
