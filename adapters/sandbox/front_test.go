package sandbox_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// front is a platform as the people of a herd use it: Mina asks, Theo approves, and both look
// whether it was taken.
type front struct {
	bottest.People
	platform            bot.Platform
	mina, theo, channel string
	env                 []string // what a replica is told of the platform
}

func slackFront(w *slacktest.Workspace) *front {
	return &front{People: w.People(), platform: slack.ID, mina: "UMINA", theo: "UTHEO", channel: "CTRUST"}
}

func discordFront(g *discordtest.Guild) *front {
	return &front{People: g.People(), platform: discord.ID, mina: guildMina, theo: guildTheo, channel: guildTrust}
}

// asks types /recall once and reports whether the platform took it.
func (f *front) asks(ctx context.Context, group, seqs string) bool {
	d := f.Type(f.mina, f.channel, "/recall "+group+" "+seqs)
	return d.Wait(ctx) == nil && d.Acked()
}

// press presses Approve on the newest card that has it, and does what is then asked.
func (f *front) press(ctx context.Context) {
	for _, card := range slices.Backward(f.cards()) {
		if !card.approvable {
			continue
		}
		d := f.Press(f.theo, card.ref, "Approve")
		if d.Wait(ctx) != nil {
			return
		}
		if form, ok := d.Opened(); ok {
			f.Send(f.theo, form, map[string]string{"count": wholeNumber.FindString(form.Title)}).Wait(ctx)
		}
		return
	}
}

var wholeNumber = regexp.MustCompile(`[0-9,]+`)

// cards are the cards in the channel as everybody sees them, oldest first.
func (f *front) cards() (all []shownCard) {
	for _, m := range f.Channel(f.channel) {
		if m.Bot && !m.Reply {
			all = append(all, shownCard{id: requestID.FindString(m.Picture), ref: m.Ref, picture: m.Picture,
				approvable: slices.Contains(m.Buttons, "Approve")})
		}
	}
	return all
}

// receipts are the receipts in the threads of all cards.
func (f *front) receipts() (all []string) {
	for _, c := range f.cards() {
		for _, m := range f.Thread(c.ref) {
			if strings.Contains(m.Picture, "Receipt ") {
				all = append(all, m.Picture)
			}
		}
	}
	return all
}

// told is all that Theo alone has been shown.
func (f *front) told() string {
	var b strings.Builder
	for _, m := range f.Alone(f.theo) {
		b.WriteString(m.Picture)
	}
	return b.String()
}

// shownCard is a card as everybody sees it.
type shownCard struct {
	id         string // of its request
	ref        bot.Ref
	picture    string
	approvable bool
}

// approved reports whether the card says so.
func (c shownCard) approved() bool { return strings.Contains(c.picture, "Approved by") }

var requestID = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)

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
func newDiscordFront(t testing.TB) (*front, *discordtest.Guild) {
	g := newGuild()
	url, stop := g.Start()
	t.Cleanup(g.Close)
	t.Cleanup(stop)
	f := discordFront(g)
	f.env = []string{
		"DISCORD_BOT_TOKEN=" + g.BotToken, "DISCORD_APPLICATION_ID=" + g.ApplicationID, "DISCORD_BASE_URL=" + url,
		"DISCORD_GUILDS=" + g.ID,
		"DISCORD_REQUESTERS=user:" + guildMina, "DISCORD_APPROVERS=user:" + guildTheo, "DISCORD_CHANNELS=" + guildTrust,
	}
	return f, g
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
	asking    phase = iota
	preparing       // and posting the card, which has its buttons at once
	deciding
	running
	finishing
	phases
)

func (p phase) String() string {
	return [...]string{"asking", "preparing", "deciding", "running", "finishing",
		"between requests"}[p]
}

// lingers is how much later than its beginning a kill may come that is meant for the phase.
func (p phase) lingers() time.Duration {
	return [...]time.Duration{8 * time.Millisecond, 50 * time.Millisecond, 60 * time.Millisecond,
		250 * time.Millisecond, 60 * time.Millisecond}[p]
}
