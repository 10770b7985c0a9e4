package sandbox_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
)

// front is a platform as the people of a herd use it: they do a thing, and look whether it was
// taken.
type front interface {
	// asks types /recall once and reports whether the platform took it.
	asks(ctx context.Context, group, seqs string) bool
	// press presses Approve on the newest card that has it, and does what is then asked.
	press(ctx context.Context)
	// cards are the cards in the channel as everybody sees them, oldest first.
	cards() []shownCard
	// receipts are the receipts in the threads of all cards.
	receipts() []string
	// told is all that Theo alone has been shown.
	told() string
	// env is what a replica is told of the platform.
	env() []string
}

// shownCard is a card as everybody sees it.
type shownCard struct {
	id         string // of its request
	picture    string
	approvable bool
}

// approved reports whether the card says so.
func (c shownCard) approved() bool { return strings.Contains(c.picture, "approved by") }

var requestID = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)

// slackFront is a workspace whose events come over Socket Mode.
type slackFront struct{ w *slacktest.Workspace }

func (f slackFront) env() []string { return nil }

func (f slackFront) asks(ctx context.Context, group, seqs string) bool {
	d := f.w.Command("UMINA", "CTRUST", "/recall", group+" "+seqs)
	return d.Wait(ctx) == nil && d.Acked()
}

func (f slackFront) press(ctx context.Context) {
	for _, card := range slices.Backward(f.w.Messages("CTRUST")) {
		if i := slices.IndexFunc(card.Buttons(), func(b slacktest.Button) bool { return b.Text == "Approve" }); i >= 0 {
			f.w.Press("UTHEO", card.Ref(), card.Buttons()[i].ActionID).Wait(ctx)
			return
		}
	}
}

func (f slackFront) cards() []shownCard {
	var all []shownCard
	for _, c := range f.w.Messages("CTRUST") {
		p := f.w.Picture(c)
		all = append(all, shownCard{id: requestID.FindString(p), picture: p,
			approvable: slices.ContainsFunc(c.Buttons(), func(b slacktest.Button) bool { return b.Text == "Approve" })})
	}
	return all
}

func (f slackFront) receipts() []string {
	var all []string
	for _, c := range f.w.Messages("CTRUST") {
		for _, m := range f.w.Thread("CTRUST", c.TS) {
			if p := f.w.Picture(m); strings.Contains(p, "Receipt ") {
				all = append(all, p)
			}
		}
	}
	return all
}

func (f slackFront) told() string {
	var b strings.Builder
	for _, m := range f.w.Ephemerals("UTHEO") {
		b.WriteString(f.w.Picture(m))
	}
	return b.String()
}

// discordFront is a guild whose interactions come over the Gateway.
type discordFront struct {
	g   *discordtest.Guild
	url string
}

const (
	guildTrust, guildMina, guildTheo = "1001", "2001", "2002"
)

func newGuild() *discordtest.Guild {
	g := discordtest.New()
	g.AddChannel(discordtest.Channel{ID: guildTrust, Name: "trust"})
	g.AddMember(discordtest.Member{UserID: guildMina, Name: "mina"})
	g.AddMember(discordtest.Member{UserID: guildTheo, Name: "theo"})
	return g
}

// newDiscordFront listens on loopback.
func newDiscordFront(t testing.TB) *discordFront {
	g := newGuild()
	url, stop := g.Start()
	t.Cleanup(g.Close)
	t.Cleanup(stop)
	return &discordFront{g: g, url: url}
}

// env is the configuration of the binary too.
func (f *discordFront) env() []string {
	return []string{
		"DISCORD_BOT_TOKEN=" + f.g.BotToken, "DISCORD_APPLICATION_ID=" + f.g.ApplicationID, "DISCORD_BASE_URL=" + f.url,
		"DISCORD_GUILDS=" + f.g.ID,
		"DISCORD_REQUESTERS=user:" + guildMina, "DISCORD_APPROVERS=user:" + guildTheo, "DISCORD_CHANNELS=" + guildTrust,
	}
}

func (f *discordFront) asks(ctx context.Context, group, seqs string) bool {
	return f.g.Command(guildMina, guildTrust, "recall", discordtest.Opt("group", group),
		discordtest.Opt("seqs", seqs)).Wait(ctx) == nil
}

func (f *discordFront) press(ctx context.Context) {
	for _, card := range slices.Backward(f.messages()) {
		b, ok := card.Button("Approve")
		if !ok {
			continue
		}
		i := f.g.Press(guildTheo, card.Ref(), b.CustomID)
		if i.Wait(ctx) != nil {
			return
		}
		if form, ok := i.Modal(); ok {
			f.g.Submit(guildTheo, form, map[string]string{"count": wholeNumber.FindString(form.Title)}).Wait(ctx)
		}
		return
	}
}

var wholeNumber = regexp.MustCompile(`[0-9,]+`)

// messages are the cards: what the bot wrote in the channel itself that is no answer to another
// message.
func (f *discordFront) messages() []discordtest.Message {
	return slices.DeleteFunc(f.g.Messages(guildTrust),
		func(m discordtest.Message) bool { return m.Author != f.g.BotUserID || m.ReplyTo != "" })
}

func (f *discordFront) cards() []shownCard {
	var all []shownCard
	for _, m := range f.messages() {
		p := f.g.Picture(m)
		_, ok := m.Button("Approve")
		all = append(all, shownCard{id: requestID.FindString(p), picture: p, approvable: ok})
	}
	return all
}

func (f *discordFront) receipts() []string {
	var all []string
	for _, c := range f.messages() {
		if c.Thread == "" {
			continue
		}
		for _, m := range f.g.Thread(c.Thread) {
			if p := f.g.Picture(m); strings.Contains(p, "Receipt ") {
				all = append(all, p)
			}
		}
	}
	return all
}

func (f *discordFront) told() string {
	var b strings.Builder
	for _, m := range f.g.Ephemerals(guildTheo) {
		b.WriteString(f.g.Picture(m))
	}
	return b.String()
}

func newWorkspace() *slacktest.Workspace {
	w := slacktest.New()
	for _, u := range []string{"UMINA", "UTHEO"} {
		w.AddUser(slacktest.User{ID: u, Name: strings.ToLower(u[1:])})
	}
	w.AddChannel(slacktest.Channel{ID: "CTRUST", Name: "trust", Members: []string{"UMINA", "UTHEO"}, BotIn: true})
	return w
}

// slackCrowd is who may do what in a workspace of these tests.
func slackCrowd() bot.Crowd {
	return bot.Crowd{Requesters: []bot.Principal{{User: "UMINA"}}, Approvers: []bot.Principal{{User: "UTHEO"}},
		Channels: []string{"CTRUST"}}
}

// discordCrowd is who may do what in a guild of these tests.
func discordCrowd() bot.Crowd {
	return bot.Crowd{Requesters: []bot.Principal{{User: guildMina}}, Approvers: []bot.Principal{{User: guildTheo}},
		Channels: []string{guildTrust}}
}

// phase is where in its life the newest request of a herd is.
type phase int

const (
	asking phase = iota
	preparing
	posting
	deciding
	running
	finishing
	phases
)

func (p phase) String() string {
	return [...]string{"asking", "preparing", "posting its card", "deciding", "running", "finishing",
		"between requests"}[p]
}

// lingers is how much later than its beginning a kill may come that is meant for the phase.
func (p phase) lingers() time.Duration {
	return [...]time.Duration{8 * time.Millisecond, 30 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond,
		250 * time.Millisecond, 60 * time.Millisecond}[p]
}
