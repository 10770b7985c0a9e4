package discord_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/bottest"
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
	*discordtest.People
	t      *testing.T
	g      *discordtest.Guild
	bot    *adaptertest.Bot
	a      *discord.Adapter
	byHTTP bool
	stop   func()
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
	r := &discordRig{People: g.People(), t: t, g: g, byHTTP: byHTTP,
		bot: adaptertest.NewBot(adaptertest.Policy(discord.ID, w))}
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
	return adaptertest.Abilities{Phone: &discord.Phone, Typed: true, KnowsRepeats: true, Completes: true,
		CommandsInThreads: true}
}

func (r *discordRig) Act(c adaptertest.Typed) intake.Act {
	act := intake.Act{Kind: intake.ActCommand, Command: c.Command, Sub: c.Sub, Options: map[string]string{}}
	for _, o := range c.Options {
		act.Options[o.Name] = o.Value
	}
	return act
}

func (r *discordRig) PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) bottest.Deed {
	ref := discordtest.MessageRef{ChannelID: card.Channel, ID: card.Message}
	return r.g.Deed(r.g.PressForged(who, ref, "v1:"+string(b)+":"+request+":"+digest))
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
		bot.TroubleDirectMessage: {Who: w.Mina, Channel: w.Channel, Set: from(discordtest.Origin{DM: true})},
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
