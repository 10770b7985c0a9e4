package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// asset is the path of a published document of Discord's. Where they are not laid out beside the
// repository the test is skipped.
func asset(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "assets", name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the document is missing: %v", err)
		}
		t.Skipf("the document is not here: %v", err)
	}
	return path
}

// specification checks bodies against Discord's published document. Where that is not laid out
// beside the repository, as it is in CI, it is nil.
var specification = sync.OnceValue(func() func(method, route string, body []byte) error {
	check, err := discordtest.OpenAPI(filepath.Join("..", "..", "..", "shared", "assets", "discord-openapi.json"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			panic(err)
		}
		return nil
	}
	return check
})

// newBot is a bot whose policy allows nobody anything.
func newBot() *adaptertest.Bot { return adaptertest.NewBot(bot.Policy{}) }

// answer lets the bot answer so from now on.
func (r *rig) answer(a intake.Answer) {
	r.bot.Play(adaptertest.Script{Answer: func(intake.Event, bot.Member) intake.Answer { return a }})
}

// last is what the bot was asked last.
func (r *rig) last(t *testing.T) (intake.Event, bot.Member) {
	t.Helper()
	did := r.bot.Did()
	if len(did) == 0 {
		t.Fatal("the bot was not asked")
	}
	return did[len(did)-1].Event, did[len(did)-1].Member
}

// follows sets the policy of the bot.
func (r *rig) follows(p bot.Policy) { r.bot.Follow(p, r.bot.RosterNow()) }

const (
	trust  = "100" // a channel
	other  = "101"
	mina   = "700000000000000007"
	theo   = "800000000000000008"
	leads  = "900000000000000009" // a role
	digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	reqID  = bot.RequestID("R-7K3M9Q")
)

// rig is a guild, a bot and the adapter between them.
type rig struct {
	*discordtest.Guild
	bot     *adaptertest.Bot
	adapter *Adapter
	roster  bot.Roster // as Check is told
	log     *safeBuffer
	stop    func()
	pace    func(*rig, *Adapter)
	edits   int // of edit
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type mode string

const (
	overGateway mode = "gateway"
	overHTTP    mode = "http"
)

func newGuild() *discordtest.Guild {
	g := discordtest.New()
	g.Validate = specification()
	g.AddChannel(discordtest.Channel{ID: trust, Name: "trust"})
	g.AddChannel(discordtest.Channel{ID: other, Name: "other"})
	g.AddRole(discordtest.Role{ID: leads, Name: "leads", Mentionable: true, Members: []string{theo}})
	g.AddMember(discordtest.Member{UserID: mina, Name: "mina"})
	g.AddMember(discordtest.Member{UserID: theo, Name: "theo", Nick: "Theo T."})
	return g
}

// newRig starts an adapter on a new guild and waits until it takes interactions.
func newRig(t *testing.T, by mode, change ...func(*rig, *Options)) *rig {
	t.Helper()
	r := &rig{
		Guild: newGuild(), log: &safeBuffer{},
		bot: newBot(),
	}
	o := Options{
		BotToken: r.BotToken, ApplicationID: r.ApplicationID, Guilds: []string{r.ID}, HTTPClient: r.Client(),
		Dial: r.Dial, Bot: r.bot,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if by == overHTTP {
		o.PublicKey = r.PublicKey
	}
	for _, f := range change {
		f(r, &o)
	}
	var err error
	if r.adapter, err = New(o); err != nil {
		t.Fatal(err)
	}
	if by == overHTTP {
		r.Deliver(r.adapter.Handler())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		r.Close()
	})
	t.Cleanup(r.stop)
	if r.pace != nil {
		r.pace(r, r.adapter)
	}
	go func() {
		defer close(ended)
		r.adapter.Run(ctx)
	}()
	return r
}

// ready waits until the adapter is connected and its commands are registered.
func (r *rig) ready(t *testing.T) {
	t.Helper()
	r.until(t, func() bool {
		return len(r.adapter.key) > 0 || len(r.Sessions()) > 0
	})
	r.until(t, func() bool {
		return slices.ContainsFunc(r.Log(),
			func(c discordtest.Call) bool { return c.Method == "PUT" && c.Status == 200 })
	})
	// The guild has a session before the adapter has read that it is ready: a connection that is
	// lost in between cannot be resumed.
	for len(r.adapter.key) == 0 && !strings.Contains(r.log.String(), "connected to Discord's Gateway") {
		time.Sleep(time.Millisecond)
	}
}

func (r *rig) until(t *testing.T, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Until(ctx, cond); err != nil {
		t.Fatalf("waited in vain: %v\n%s", err, r.log)
	}
}

func (r *rig) wait(t *testing.T, i *discordtest.Interaction) *discordtest.Interaction {
	t.Helper()
	if err := i.Wait(context.Background()); err != nil {
		t.Fatalf("%v\nspecification: %v\n%v\n%s", err, r.SpecErrors(), r.Log(), r.log)
	}
	return i
}

// answered waits for an answer that takes a while, and returns it.
func (r *rig) answered(t *testing.T, i *discordtest.Interaction) discordtest.Message {
	t.Helper()
	err := i.Until(context.Background(), func(i *discordtest.Interaction) bool {
		m, ok := i.Original()
		return ok && m.Content != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := i.Original()
	return m
}

// clean fails the test where the adapter sent what Discord does not know, logged a secret, or left
// mentions to Discord's defaults.
func (r *rig) clean(t *testing.T) {
	t.Helper()
	if bad := r.SpecErrors(); len(bad) > 0 {
		t.Errorf("against the specification: %v", bad)
	}
	if bad := r.UnknownKeys(); len(bad) > 0 {
		t.Errorf("unknown keys: %v", bad)
	}
	log := r.log.String()
	if strings.Contains(log, r.BotToken) || strings.Contains(log, "aW50ZXJhY3Rpb246") {
		t.Errorf("a secret in the log:\n%s", log)
	}
	for _, c := range r.Log() {
		var body struct {
			Type    int
			Content *string
			Allowed *struct{ Parse []string } `json:"allowed_mentions"`
			Data    *struct {
				Content *string
				Allowed *struct{ Parse []string } `json:"allowed_mentions"`
			}
		}
		if c.Body == nil || json.Unmarshal(c.Body, &body) != nil {
			continue
		}
		allowed, content := body.Allowed, body.Content
		if body.Data != nil {
			allowed, content = body.Data.Allowed, body.Data.Content
		}
		if content != nil && (allowed == nil || allowed.Parse == nil || len(allowed.Parse) > 0) {
			t.Errorf("%v leaves mentions to Discord: %s", c, c.Body)
		}
	}
}

func line(s string) bot.Line { return bot.Line{{Kind: bot.Words, Text: s}} }

func foreign(s string) bot.Line { return bot.Line{bot.Quote(s)} }

// someCard is a card with everything on it.
func someCard(state bot.State) bot.Card {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	c := bot.Card{
		ID: reqID, State: state, Version: 3, Digest: digest,
		Title: bot.Line{{Kind: bot.Words, Text: "✋ Recall 3 messages in "}, bot.Quote("Casino fans"),
			{Kind: bot.Words, Text: "?"}},
		Head: []bot.Line{{{Kind: bot.Words, Text: "Asked by "}, bot.Quote("mina"), {Kind: bot.Words, Text: ": "},
			foreign("spam *everywhere*")[0]}},
		Unusual: []bot.Line{line("🔴 BLIND: nobody can see what 1 message says."),
			line("This bot never touched this group before.")},
		Samples: []bot.Sample{
			{Seq: 100, Sender: "u1", Text: foreign("free coins http://evil.example @everyone")},
			{Seq: 102, Sender: "u2", Marks: []bot.Line{line("could not be read")}, Skipped: 1},
		},
		Below: []bot.Line{{{Kind: bot.Words, Text: "By 2 senders, "}, bot.Clock(at, at)}},
		Small: []bot.Line{{bot.Code(string(reqID))}, {bot.Code("@TGS#2J4SZEAEL")},
			{{Kind: bot.Words, Text: "messages "}, bot.Code("100-102")},
			{bot.Code("R-AAAAAA"), {Kind: bot.Words, Text: " rejected by "}, bot.Quote("theo")}},
		Notify: []string{leads},
	}
	switch state {
	case bot.Proposed:
		c.Call = bot.Line{{Kind: bot.Words, Text: "1 more person must approve before "},
			bot.Until(at.Add(30*time.Minute), at)}
		c.Buttons = []bot.Button{{Kind: bot.ButtonApprove, Label: "Approve"}, {Kind: bot.ButtonReject, Label: "Reject"},
			{Kind: bot.ButtonShowAll, Label: "Show all"}}
	case bot.Approved, bot.Running:
		c.Title = bot.Line{{Kind: bot.Words, Text: "🔵 Recalling in "}, bot.Quote("Casino fans"),
			{Kind: bot.Words, Text: ": 1 of 3"}}
		c.Buttons = []bot.Button{{Kind: bot.ButtonStop, Label: "Stop"}, {Kind: bot.ButtonShowAll, Label: "Show all"}}
	case bot.Done:
		c.Title = bot.Line{{Kind: bot.Words, Text: "✅ All 3 messages in "}, bot.Quote("Casino fans"),
			{Kind: bot.Words, Text: " are recalled"}}
		c.Buttons = []bot.Button{{Kind: bot.ButtonShowAll, Label: "Show all"}}
	}
	return c
}

func place() bot.Place {
	return bot.Place{Platform: ID, Workspace: "290926798626357250", Channel: trust}
}

var errTest = errors.New("the store is down")

func roles(m bot.Member) []string { return slices.Sorted(slices.Values(m.Groups)) }
