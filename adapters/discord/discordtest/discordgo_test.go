package discordtest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
)

// TestDiscordgoREST drives the REST API with discordgo. Every body is checked by Discord's OpenAPI
// document, if that is present.
func TestDiscordgoREST(t *testing.T) {
	g := newGuild(t)
	g.Validate = spec(t)
	s, err := discordgo.New("Bot " + g.BotToken)
	if err != nil {
		t.Fatal(err)
	}
	s.Client, s.MaxRestRetries, s.ShouldRetryOnRateLimit = g.Client(), 0, false
	nobody := &discordgo.MessageAllowedMentions{Parse: []discordgo.AllowedMentionType{}}

	everyone := int64(discordgo.PermissionManageMessages)
	if _, err := s.ApplicationCommandBulkOverwrite(g.ApplicationID, g.ID, []*discordgo.ApplicationCommand{{
		Name: "recall", Description: "Ask", DefaultMemberPermissions: &everyone,
		Options: []*discordgo.ApplicationCommandOption{{Type: discordgo.ApplicationCommandOptionString, Name: "group",
			Description: "The group"}},
	}}); err != nil {
		t.Fatalf("registering: %v", err)
	}
	m, err := s.ChannelMessageSendComplex(trust, &discordgo.MessageSend{
		Content: "card", AllowedMentions: nobody,
		Embeds: []*discordgo.MessageEmbed{{Title: "t",
			Fields: []*discordgo.MessageEmbedField{{Name: "n", Value: "v"}}}},
		Components: []discordgo.MessageComponent{discordgo.ActionsRow{Components: []discordgo.MessageComponent{
			discordgo.Button{Label: "Approve", Style: discordgo.DangerButton, CustomID: "a"},
		}}},
		Files: []*discordgo.File{{Name: "f.csv", ContentType: "text/csv", Reader: strings.NewReader("1")}},
	})
	if err != nil {
		t.Fatalf("sending: %v", err)
	}
	content := "edited"
	if _, err := s.ChannelMessageEditComplex(&discordgo.MessageEdit{Channel: trust, ID: m.ID, Content: &content,
		AllowedMentions: nobody}); err != nil {
		t.Errorf("editing: %v", err)
	}
	th, err := s.MessageThreadStartComplex(trust, m.ID, &discordgo.ThreadStart{Name: "R-1", AutoArchiveDuration: 1440})
	if err != nil || th.ID != m.ID {
		t.Errorf("thread: %v", err)
	}
	if _, err := s.ChannelMessageSend(m.ID, "line"); err != nil {
		t.Errorf("in the thread: %v", err)
	}
	if got, err := s.ChannelMessage(trust, m.ID); err != nil || got.Content != "edited" || len(got.Attachments) != 1 ||
		len(got.Components) != 1 {
		t.Errorf("message: %+v, %v", got, err)
	}
	if member, err := s.GuildMember(g.ID, theo); err != nil || len(member.Roles) != 1 {
		t.Errorf("member: %v", err)
	}
	if roles, err := s.GuildRoles(g.ID); err != nil || len(roles) != 3 {
		t.Errorf("roles: %v", err)
	}
	if gw, err := s.GatewayBot(); err != nil || gw.SessionStartLimit.Remaining != 1000 {
		t.Errorf("gateway: %+v, %v", gw, err)
	}
	g.Fail("GET /users/@me", 1, RateLimited(time.Second))
	if _, err := s.User("@me"); err == nil || !strings.Contains(err.Error(), "Rate limit") &&
		!strings.Contains(err.Error(), "rate limit") {
		t.Errorf("429: %v", err)
	}
	if e := g.SpecErrors(); len(e) != 0 {
		t.Errorf("against the document: %q", e)
	}
	// Keys that discordgo sends by mistake and Discord ignores.
	if k := strings.Join(g.UnknownKeys(), "\n"); !strings.Contains(k,
		"PATCH /channels/{channel_id}/messages/{message_id}: ID") {
		t.Errorf("unknown keys: %s", k)
	}
}

// answerAll is a bot on discordgo that defers, edits and follows up.
func answerAll(s *discordgo.Session, i *discordgo.InteractionCreate) {
	err := s.InteractionRespond(i.Interaction, &discordgo.InteractionResponse{
		Type: discordgo.InteractionResponseDeferredChannelMessageWithSource,
		Data: &discordgo.InteractionResponseData{Flags: discordgo.MessageFlagsEphemeral},
	})
	if err != nil {
		return
	}
	text := "group " + i.ApplicationCommandData().Options[0].StringValue()
	s.InteractionResponseEdit(i.Interaction, &discordgo.WebhookEdit{Content: &text})
}

// TestDiscordgoGateway runs a discordgo session against the TCP listener.
func TestDiscordgoGateway(t *testing.T) {
	g := newGuild(t)
	register(t, g)
	url, stop := g.Start()
	defer stop()
	s, _ := discordgo.New("Bot " + g.BotToken)
	s.Client = &http.Client{Transport: toHost(url)}
	s.StateEnabled, s.ShouldReconnectOnError, s.Identify.Intents = false, false, discordgo.IntentsNone
	s.AddHandler(answerAll)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Until(ctx, func() bool { return len(g.Sessions()) == 1 }); err != nil {
		t.Fatal(err)
	}
	i := g.Command(mina, trust, "recall", Opt("group", "@TGS#2J4SZEAEL"))
	if err := i.Wait(ctx); err != nil || i.Type() != AnswerDeferred {
		t.Fatalf("%v, type %d", err, i.Type())
	}
	if err := i.Until(ctx, func(i *Interaction) bool { return i.Ephemeral() == "group @TGS#2J4SZEAEL" }); err != nil {
		t.Errorf("%v: %q", err, i.Ephemeral())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Until(ctx, func() bool { return len(g.Sessions()) == 0 }); err != nil {
		t.Error(err)
	}
}

// toHost sends every request to another scheme and host.
type toHost string

func (h toHost) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(string(h), "http://")
	r.Host = r.URL.Host
	return http.DefaultTransport.RoundTrip(r)
}

// TestDiscordgoInBubble runs a discordgo session on fake time, over Client and Dial.
func TestDiscordgoInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		register(t, g)
		s, _ := discordgo.New("Bot " + g.BotToken)
		s.Client, s.Dialer = g.Client(), &websocket.Dialer{NetDialContext: g.Dial}
		s.StateEnabled, s.ShouldReconnectOnError = false, false
		s.AddHandler(answerAll)
		if err := s.Open(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // heartbeats keep the session
		synctest.Wait()
		if n := len(g.Sessions()); n != 1 {
			t.Fatalf("%d sessions", n)
		}
		i := g.Command(mina, trust, "recall", Opt("group", "@TGS#1"))
		synctest.Wait()
		if i.Ephemeral() != "group @TGS#1" || i.AckedAfter() != 0 {
			t.Errorf("%q after %v", i.Ephemeral(), i.AckedAfter())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
