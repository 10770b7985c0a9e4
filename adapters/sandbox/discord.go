package sandbox

import (
	"slices"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
)

// discordSide is the guild, and what its people have seen.
type discordSide struct {
	people
	g   *discordtest.Guild
	url string // of the listener
	// more are guilds beside g that the bot serves from its next start on. They are nowhere, so it
	// can register no commands there.
	more []string
}

func newDiscordSide(s *Sandbox) *discordSide {
	side := &discordSide{g: discordtest.New(), url: "http://discord.invalid"}
	g := side.g
	side.people = newPeople(discord.ID, g.People(), discordChannel)
	g.Limits, g.Validate = true, s.o.Validate
	g.AddChannel(discordtest.Channel{ID: discordChannel, Name: "trust"})
	for _, p := range cast {
		g.AddMember(discordtest.Member{UserID: p.discord, Name: p.name, Nick: title(p.name)})
	}
	g.AddRole(discordtest.Role{ID: discordLeads, Name: leads, Mentionable: true, Members: those(approves, discord.ID)})
	g.AddRole(discordtest.Role{ID: discordMods, Name: "mods", Members: those(asks, discord.ID)})
	if s.o.Loopback {
		url, stop := g.Start()
		side.url, s.stops = url, append(s.stops, stop)
	}
	return side
}

func (k *discordSide) serve(p *process) (bot.Surface, error) {
	opts := discord.Options{
		BotToken: k.g.BotToken, ApplicationID: k.g.ApplicationID, BaseURL: k.url,
		Guilds:     append([]string{k.g.ID}, k.more...),
		HTTPClient: p.client(k.g.Client()), Dial: p.dial(k.g.Dial), Log: p.log, Bot: p.bot,
	}
	if p.s.o.HTTP {
		opts.PublicKey = k.g.PublicKey
	}
	var err error
	if p.discord, err = discord.New(opts); err == nil && p.s.o.HTTP {
		k.g.Deliver(p.discord.Handler())
	}
	return p.discord, err
}

func (k *discordSide) up(p *process) bool {
	return (p.discord.Ready() == nil || len(k.more) > 0) && len(k.g.Commands()) > 0 &&
		(p.s.o.HTTP || slices.ContainsFunc(k.g.Sessions(), func(s discordtest.Session) bool { return s.ID != "" }))
}

func (k *discordSide) secrets() []string { return []string{k.g.BotToken} }

func (k *discordSide) close() { k.g.Close() }
