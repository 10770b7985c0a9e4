package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/bottest"
)

// discordForger is a forger on Discord.
type discordForger struct {
	h      *discordtest.Home
	g      *discordtest.Guild
	byHTTP bool
}

func init() {
	forgers[discord.ID] = func(home bottest.Home, byHTTP bool) forger {
		h := home.(*discordtest.Home)
		return &discordForger{h: h, g: h.Guild, byHTTP: byHTTP}
	}
}

func (f *discordForger) extra(name string) string {
	return fmt.Sprint("30000000000000001", slices.Index(second, name)+1)
}

func (f *discordForger) workspace() string { return discord.ID.Traits().Workspace }

func (f *discordForger) leads(users ...string) {
	for _, name := range second {
		f.g.AddMember(discordtest.Member{UserID: f.extra(name), Name: name})
	}
	f.role(users)
}

// role gives users the approvers' role.
func (f *discordForger) role(users []string) {
	f.g.AddRole(discordtest.Role{ID: discordtest.HomeLeads, Name: leads, Mentionable: true, Members: users})
}

func (f *discordForger) others(users ...string) string {
	const id = "400000000000000009"
	f.g.AddRole(discordtest.Role{ID: id, Name: "others", Members: users})
	return id
}

// elsewhere: the bot serves another server, too.
func (f *discordForger) elsewhere(a *arena, _ string) {
	f.h.More, a.unready = []string{"4242"}, true
	a.restart(bot.Roster{})
	f.g.SetOrigin(discordtest.Origin{GuildID: "4242"})
}

func (f *discordForger) places(string) []forbidden {
	f.g.AddChannel(discordtest.Channel{ID: "200000000000000002", Name: "other"})
	return []forbidden{{"200000000000000002", "wrong_channel"}}
}

// ref is a message, or any message of the channel where none is named.
func (f *discordForger) ref(on bot.Ref) discordtest.MessageRef {
	if on.Message != "" {
		return discordtest.MessageRef{ChannelID: on.Channel, ID: on.Message}
	}
	if there := f.g.Messages(on.Channel); len(there) > 0 {
		return there[0].Ref()
	}
	return f.g.Say(f.h.User(cast[0].Name), on.Channel, "hello").Ref()
}

func (f *discordForger) holds(on bottest.Shown, b bot.ButtonKind, id bot.RequestID, digest string) bool {
	m, _ := on.Own.(discordtest.Message)
	return slices.ContainsFunc(m.Buttons(),
		func(own discordtest.Button) bool { return own.CustomID == carried(b, id, digest) })
}

func (f *discordForger) forge(user string, on bot.Ref, b bot.ButtonKind, id bot.RequestID, digest string) bottest.Deed {
	return f.g.Deed(f.g.PressForged(user, f.ref(on), carried(b, id, digest)))
}

func (f *discordForger) verdict(user string, on bot.Ref, r bot.Request, v bot.Verdict, digest string) bottest.Deed {
	values := map[string]string{"reason": "no"}
	if v == bot.Approve {
		values = map[string]string{"count": fmt.Sprint(r.Tally.Send)}
	}
	form := "v1:form:" + string(v) + ":" + string(r.ID) + ":" + digest
	return f.g.Deed(f.g.SubmitForged(user, f.ref(on), form, values))
}

func (f *discordForger) ask(user string, on bot.Ref) bottest.Deed {
	values := map[string]string{"group": Group, "what": "103"}
	return f.g.Deed(f.g.SubmitForged(user, f.ref(on), "v1:form:ask::", values))
}

func (f *discordForger) found(user string, on bot.Ref) bottest.Deed {
	return f.g.Deed(f.g.PressForged(user, f.ref(on), "v1:find:discord:1200000000000000001"))
}

// said is nothing: what is answered is shown to the person.
func (f *discordForger) said(bottest.Deed) string { return "" }

func (f *discordForger) repeat(d bottest.Deed) error {
	if !f.byHTTP {
		return awaited(d.Again())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	first := d.(discordtest.Deed)
	i := first.Interaction
	for _, again := range []discordtest.Delivery{f.g.Replay(ctx, i), f.g.Resend(ctx, i)} {
		if again.Status != http.StatusOK || string(again.Body) != string(first.Response()) {
			return fmt.Errorf("a repeat is answered with %d %s, the first was with %s", again.Status, again.Body,
				first.Response())
		}
	}
	return nil
}

func (f *discordForger) kinds(a *arena, try func(user, want string)) {
	theo := a.of("theo", a.p)
	members := []string{theo}
	for i, kind := range []struct {
		m    discordtest.Member
		want string
	}{
		{discordtest.Member{Bot: true}, "trouble.bot"}, {discordtest.Member{Pending: true}, "trouble.pending"},
		{discordtest.Member{Guest: true}, "trouble.guest"},
		{discordtest.Member{TimedOutUntil: time.Now().Add(time.Hour)}, "trouble.timed_out"},
	} {
		kind.m.UserID, kind.m.Name = fmt.Sprint("30000000000000009", i), fmt.Sprint("kind", i)
		f.g.AddMember(kind.m)
		members = append(members, kind.m.UserID)
		f.role(members)
		try(kind.m.UserID, kind.want)
	}
	for _, from := range []struct {
		o    discordtest.Origin
		want string
	}{
		{discordtest.Origin{GuildID: "4242"}, "trouble.wrong_guild"}, {discordtest.Origin{UserInstalled: true},
			"trouble.user_installed"}, {discordtest.Origin{DM: true}, "trouble.direct_message"},
	} {
		f.g.SetOrigin(from.o)
		try(theo, from.want)
		f.g.SetOrigin(discordtest.Origin{})
	}
}
