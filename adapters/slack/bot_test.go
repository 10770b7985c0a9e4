package slack

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
)

// newBot is a bot under the policy of these tests.
func newBot() *adaptertest.Bot {
	p := bot.DefaultPolicy()
	p.Crowds = map[bot.Platform]bot.Crowd{ID: {
		Requesters: []bot.Principal{{Group: "S0MODS"}, {User: "U0MINA"}},
		Approvers:  []bot.Principal{{Group: "S0LEADS"}},
		Channels:   []string{"C0TRUST"},
	}}
	return adaptertest.NewBot(p)
}

func whisper(words string) intake.Answer {
	return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{say(words)}}
}

// world is a workspace with people in it, and the adapter at work there.
type world struct {
	t   *testing.T
	w   *slacktest.Workspace
	bot *adaptertest.Bot
	a   *Adapter
	// real, where set, is the bot itself, which is run beside the adapter.
	real   *bottest.Engine
	roster bot.Roster // as Check is told
}

// mode is how deliveries reach the adapter.
type mode string

const (
	socketMode mode = "socket"
	httpMode   mode = "http"
)

func people(w *slacktest.Workspace) {
	for _, u := range []slacktest.User{
		{ID: "U0MINA", Name: "mina"}, {ID: "U0THEO", Name: "theo"}, {ID: "U0LENA", Name: "lena"},
		{ID: "U0NOBODY", Name: "nobody"},
		{ID: "U0GONE", Name: "gone", Deleted: true}, {ID: "U0GUEST", Name: "guest", Restricted: true},
		{ID: "U0SINGLE", Name: "single", UltraRestricted: true},
		{ID: "U0ALIEN", Name: "alien", TeamID: "T0OTHER"}, {ID: "U0STRANGE", Name: "strange", Stranger: true},
		{ID: "U0ROBOT", Name: "robot", Bot: true},
		{ID: "U0FLOW", Name: "flow", WorkflowBot: true}, {ID: "U0INVITED", Name: "invited", Invited: true},
		{ID: "U0LINK", Name: "link", ConnectorBot: true}, {ID: "USLACKBOT", Name: "slackbot"},
	} {
		w.AddUser(u)
	}
	everybody := []string{"U0MINA", "U0THEO", "U0LENA", "U0NOBODY", "U0GONE", "U0GUEST", "U0SINGLE", "U0ALIEN",
		"U0STRANGE", "U0ROBOT", "U0FLOW", "U0INVITED"}
	w.AddGroup(slacktest.UserGroup{ID: "S0MODS", Handle: "mods", Members: []string{"U0MINA", "U0THEO"}})
	w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0THEO", "U0LENA", "U0GUEST",
		"U0ALIEN"}})
	for _, c := range []slacktest.Channel{
		{ID: "C0TRUST", Name: "trust", BotIn: true}, {ID: "C0PUBLIC", Name: "public"},
		{ID: "C0PRIVATE", Name: "private", Private: true},
		{ID: "C0OLD", Name: "old", BotIn: true, Archived: true}, {ID: "C0SHARED", Name: "shared", BotIn: true,
			ExtShared: true}, {ID: "C0SHARING", Name: "sharing", BotIn: true, PendingExtShared: true},
		{ID: "D0MINA", IM: true, BotIn: true}, {ID: "C0SEVERAL", Name: "mina-theo", Private: true, MPIM: true,
			BotIn: true},
	} {
		c.Members = everybody
		w.AddChannel(c)
	}
}

// inSlack runs f in a bubble in which time is faked, with the adapter running.
func inSlack(t *testing.T, m mode, f func(x *world), with ...func(x *world, o *Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := slacktest.New()
		defer w.Close()
		people(w)
		x := &world{t: t, w: w, bot: newBot()}
		o := Options{BotToken: w.BotToken, HTTPClient: w.Client(), Dial: w.DialContext, Bot: x.bot,
			Log: slog.New(slog.DiscardHandler)}
		if m == httpMode {
			o.SigningSecrets = []string{w.SigningSecret}
		} else {
			o.AppToken = w.AppToken
		}
		for _, set := range with {
			set(x, &o)
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		x.a = a
		if m == httpMode {
			w.Deliver(a.Handler())
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			if err := a.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		if x.real != nil {
			x.real.Attach(a)
			serving := make(chan struct{})
			go func() {
				defer close(serving)
				if err := x.real.Run(ctx); err != nil {
					t.Errorf("running the bot: %v", err)
				}
			}()
			defer func() { <-serving }()
		}
		defer func() {
			cancel()
			<-ran
		}()
		x.settle()
		f(x)
	})
}

// inBoth runs f once for each way of delivery.
func inBoth(t *testing.T, f func(x *world), with ...func(x *world, o *Options)) {
	t.Helper()
	for _, m := range []mode{socketMode, httpMode} {
		t.Run(string(m), func(t *testing.T) { inSlack(t, m, f, with...) })
	}
}

// settle waits until nothing more happens at this moment, and a little longer for what is paced.
func (x *world) settle() {
	x.t.Helper()
	synctest.Wait()
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
}

// acked fails unless the delivery was acknowledged in time.
func (x *world) acked(d *slacktest.Delivery) {
	x.t.Helper()
	x.settle()
	if err := d.Wait(x.t.Context()); err != nil {
		x.t.Errorf("the person was told: %v", err)
	}
}

// quiet fails when Slack would have swallowed something the adapter did.
func (x *world) quiet() {
	x.t.Helper()
	for _, c := range x.w.Complaints() {
		x.t.Errorf("complaint: %s", c)
	}
}

// told returns the last message that only user sees.
func (x *world) told(user string) string {
	x.t.Helper()
	x.settle()
	all := x.w.Ephemerals(user)
	if len(all) == 0 {
		x.t.Fatalf("nobody told %s anything", user)
	}
	return x.w.Picture(all[len(all)-1])
}
