package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// These tests run in real time: the library sleeps while it holds a lock that its other goroutine
// waits for, which fake time cannot pass. The supervisor's own times are short instead.
func shortPace(r *rig, a *Adapter) {
	a.pace = pace{open: 400 * time.Millisecond, silence: 400 * time.Millisecond, apart: time.Millisecond,
		least: time.Millisecond, most: 5 * time.Millisecond, reserve: 3}
}

// live is a rig over the Gateway in real time whose first connections meet faults.
func live(t *testing.T, set func(r *rig)) *rig {
	t.Helper()
	return newRig(t, overGateway, func(r *rig, o *Options) {
		r.HeartbeatInterval = 100 * time.Millisecond
		r.pace = shortPace
		set(r)
	})
}

// acts sends a command and waits until the bot has had it.
func (r *rig) acts(t *testing.T) {
	t.Helper()
	r.ready(t)
	for range 100 { // one that meets a connection which is just ending is lost, as on Discord
		i := r.Command(mina, trust, "recalls help")
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		err := i.Wait(ctx)
		cancel()
		if err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no command is answered\n%s", r.log)
}

// TestGatewayFaults meets each fault that a connection can begin with, and comes back from it.
func TestGatewayFaults(t *testing.T) {
	for name, faults := range map[string][]discordtest.GatewayFault{
		"handshake refused": {discordtest.RefuseUpgrade(503), discordtest.RefuseUpgrade(429)},
		"dropped on open":   {discordtest.DropOnOpen(), discordtest.DropOnOpen()},
		"no HELLO":          {discordtest.NoHello()},
		"no READY":          {discordtest.NoReady()},
		"op 7 before READY": {discordtest.ReconnectBeforeReady(), discordtest.ReconnectBeforeReady()},
		"op 9 before READY": {discordtest.InvalidSession()},
		"4000 on open":      {discordtest.CloseOnOpen(4000, "Unknown error.")},
		"4000 on identify":  {discordtest.CloseOnIdentify(4000, "Unknown error.")},
		"4009 then 1001": {discordtest.CloseOnIdentify(4009, "Session timed out."),
			discordtest.CloseOnOpen(1001, "Going away")},
		"several, one by one": {discordtest.NoHello(), discordtest.ReconnectBeforeReady(), discordtest.DropOnOpen(),
			discordtest.CloseOnIdentify(4000, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := live(t, func(r *rig) { r.GatewayNext(faults...) })
			r.acts(t)
			r.ready(t) // again, where a machine that is busy has missed a heartbeat meanwhile
			if r.adapter.LastFrame().IsZero() {
				t.Error("no frame seen")
			}
		})
	}
}

// TestGatewayEnds ends a live connection in each way, and comes back.
func TestGatewayEnds(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"op 7":             func(r *rig) { r.Reconnect() },
		"op 9":             func(r *rig) { r.Invalidate(false) },
		"4000":             func(r *rig) { r.CloseGateway(4000, "Unknown error.") },
		"1000":             func(r *rig) { r.CloseGateway(1000, "") },
		"dropped":          func(r *rig) { r.Drop() },
		"silence":          func(r *rig) { r.Silence(true); r.Silence(false) },
		"not even JSON":    func(r *rig) { r.Dispatch("READY", json.RawMessage(`"x"`)); r.Drop() },
		"at once and then": func(r *rig) { r.Reconnect(); r.CloseGateway(4000, ""); r.Drop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := live(t, func(*rig) {})
			r.acts(t)
			end(r)
			time.Sleep(50 * time.Millisecond)
			r.acts(t)
			r.stop()
			r.clean(t)
		})
	}
}

// TestFatalCodes: where Discord will never let the bot in there is one attempt, and Ready has the
// mend.
func TestFatalCodes(t *testing.T) {
	patient := func(r *rig) { // a busy machine is no reason for a second attempt
		r.pace = func(r *rig, a *Adapter) {
			shortPace(r, a)
			a.pace.open, a.pace.silence = time.Minute, time.Minute
		}
	}
	for code := range mends {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			r := live(t, func(r *rig) {
				patient(r)
				for range 20 {
					r.GatewayNext(discordtest.CloseOnIdentify(code, "no"))
				}
			})
			r.refusedFor(t, code)
			if n := r.Identifies(); n != 1 {
				t.Errorf("%d identifies", n)
			}
		})
		t.Run(fmt.Sprint(code, " live"), func(t *testing.T) {
			t.Parallel()
			r := live(t, patient)
			r.acts(t)
			r.CloseGateway(code, "no")
			r.refusedFor(t, code)
			if n := r.Identifies(); n != 1 {
				t.Errorf("%d identifies", n)
			}
		})
	}
	t.Run("token reset", func(t *testing.T) {
		t.Parallel()
		r := live(t, patient)
		r.acts(t)
		r.ResetToken()
		r.refusedFor(t, 4004)
		time.Sleep(100 * time.Millisecond)
		if n := r.Count("GET /gateway/bot"); n > 2 {
			t.Errorf("%d attempts", n)
		}
		r.stop()
		r.clean(t)
	})
}

// refusedFor waits until the adapter says what to mend.
func (r *rig) refusedFor(t *testing.T, code int) {
	t.Helper()
	for range 300 {
		if err := r.adapter.Ready(); err != nil && strings.Contains(err.Error(), mends[code]) {
			if errors.Is(err, ErrOutage) {
				t.Error("called an outage")
			}
			time.Sleep(100 * time.Millisecond)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("Ready says %v\n%s", r.adapter.Ready(), r.log)
}

// TestIdentifyBudget leaves the last identifies of the day alone, because one too many resets the
// token.
func TestIdentifyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway, func(r *rig, _ *Options) {
			r.IdentifyBudget = 5
			r.GatewayNext(discordtest.DropOnOpen(), discordtest.CloseOnIdentify(4000, ""),
				discordtest.CloseOnIdentify(4000, ""), discordtest.CloseOnIdentify(4000, ""))
		})
		time.Sleep(time.Hour)
		if n := r.Identifies(); n != 2 {
			t.Errorf("%d identifies of 5", n)
		}
		if err := r.adapter.Ready(); !errors.Is(err, ErrOutage) ||
			!strings.Contains(err.Error(), "connections are left") {
			t.Errorf("Ready: %v", err)
		}
		if n := r.Count("GET /gateway/bot"); n > 10 {
			t.Errorf("asked %d times in an hour", n)
		}
		time.Sleep(24 * time.Hour)
		if n := len(r.Sessions()); n > 1 {
			t.Errorf("%d sessions a day later", n)
		}
		r.stop()
	})
}

// TestReconnects loses the connection 200 times under 2,000 interactions. What arrived was acted on
// once.
func TestReconnects(t *testing.T) {
	reconnects, each := 200, 10
	if testing.Short() {
		reconnects = 20
	}
	r := live(t, func(*rig) {})
	r.acts(t)
	before := runtime.NumGoroutine()
	var all []*discordtest.Interaction
	was := ""
	another := func() bool {
		now := r.Sessions()
		if len(now) != 1 || now[0].ID == was {
			return false
		}
		was = now[0].ID
		return true
	}
	r.until(t, another)
	for i := range reconnects {
		for n := range each {
			all = append(all, r.Command(mina, trust, "recalls whoami"))
			if n == each/2 {
				r.wait(t, all[len(all)-1])
			}
		}
		switch i % 40 {
		case 0:
			r.CloseGateway(4000, "")
		case 20:
			r.Reconnect()
		default:
			r.Drop()
		}
		r.until(t, another)
	}
	r.acts(t)
	seen := map[bot.EventID]int{}
	for _, e := range r.bot.events {
		seen[e.ID]++
	}
	acted := 0
	for _, i := range all {
		n := seen[bot.EventID("discord:"+i.ID)]
		if n > 1 || i.Acked() && n != 1 {
			t.Errorf("interaction %s was acted on %d times, answered: %v", i.ID, n, i.Acked())
		}
		acted += n
	}
	t.Logf("%d reconnects, %d of %d interactions found a connection", reconnects, acted, len(all))
	if acted < len(all)/2 {
		t.Errorf("only %d of %d interactions found a connection", acted, len(all))
	}
	time.Sleep(1500 * time.Millisecond) // the library takes a second to end a connection
	if n := runtime.NumGoroutine(); n > before+20 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// TestUnreadable sends what cannot be decoded. Nobody is answered, nothing breaks, and the log
// holds nothing of it.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		for _, s := range []string{
			`{}`, `null`, `[]`, `"x"`, `{"id":"1"}`, `{"id":1,"token":"secret"}`,
			`{"id":"1","token":"secret","type":"x"}`, `{"id":"1","token":"secret","type":3,"data":"secret"}`,
			`{"id":"1","token":"secret","type":5,"data":{"components":[{"type":99}]}}`,
			`{"id":"1","token":"secret","type":2}`, `{"id":"../..","token":"secret","type":2}`,
			`{"id":"2","token":"secret","type":3,"message":{"components":[{"type":77,"x":{}}]},"data":{"custom_id":"v1:stop:R-7K3M9Q:0"}}`,
		} {
			r.Dispatch("INTERACTION_CREATE", json.RawMessage(s))
		}
		r.Dispatch("SOMETHING_NEW", json.RawMessage(`{"token":"secret"}`))
		time.Sleep(10 * time.Second)
		r.wait(t, r.Command(mina, trust, "recalls help"))
		if strings.Contains(r.log.String(), "secret") {
			t.Errorf("the log holds a payload:\n%s", r.log)
		}
		// A component that the library has never heard of is no reason to give up on the press.
		if !slices.ContainsFunc(r.bot.events, func(e intake.Event) bool { return e.Act.Kind == intake.ActStop }) {
			t.Error("the press on a message with an unknown component was lost")
		}
		r.stop()
	})
}

// TestStop answers what is being handled before Run returns.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		begun := make(chan struct{})
		r.bot.do = func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			close(begun)
			time.Sleep(time.Second)
			return intake.Answer{Kind: intake.Accepted}, nil
		}
		i := r.Command(mina, trust, "recalls help")
		<-begun
		stopped := make(chan struct{})
		go func() { r.stop(); close(stopped) }()
		if err := i.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		<-stopped
	})
}

func TestRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := map[string]string{}
		start := func(change func(*rig)) *rig {
			return newRig(t, overHTTP, func(r *rig, _ *Options) { r.bot.memory = memory; change(r) })
		}
		const put = "PUT /applications/{a}/guilds/{g}/commands"
		r := start(func(*rig) {})
		time.Sleep(time.Minute)
		if n := r.Count(put); n != 1 || r.adapter.Ready() != nil {
			t.Errorf("%d registrations, %v", n, r.adapter.Ready())
		}

		// Another process on the same server: nothing is sent again.
		second, err := New(Options{
			BotToken: r.BotToken, ApplicationID: r.ApplicationID, PublicKey: r.PublicKey, Guilds: []string{r.ID},
			HTTPClient: r.Client(), Bot: r.bot,
			Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- second.Run(ctx) }()
		time.Sleep(time.Minute)
		if n := r.Count(put); n != 1 {
			t.Errorf("%d registrations of what is registered", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.clean(t)
		r.stop()

		// The server has forgotten them, as when the bot was thrown out and invited again: what is
		// remembered does not count.
		r = start(func(*rig) {})
		time.Sleep(time.Minute)
		if n := r.Count(put); n != 1 || len(r.Commands()) == 0 {
			t.Errorf("%d registrations after they were lost", n)
		}
		r.stop()

		clear(memory)
		r = start(func(r *rig) { r.Fail(put, 6, discordtest.APIError(403, 50001)) })
		time.Sleep(time.Second)
		if err := r.adapter.Ready(); err == nil || !strings.Contains(err.Error(), "invite the bot") ||
			errors.Is(err, ErrOutage) {
			t.Errorf("Ready: %v", err)
		}
		time.Sleep(time.Hour)
		if r.adapter.Ready() != nil || r.Count(put) != 7 {
			t.Errorf("after the bot was invited: %v, %d attempts", r.adapter.Ready(), r.Count(put))
		}
		r.stop()
	})
}

func TestOptions(t *testing.T) {
	good := Options{BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: &testBot{}}
	for name, change := range map[string]func(*Options){
		"token": func(o *Options) { o.BotToken = "" }, "application id": func(o *Options) { o.ApplicationID = "x" },
		"guilds": func(o *Options) { o.Guilds = nil }, "public key": func(o *Options) { o.PublicKey = "00" },
		"base URL": func(o *Options) { o.BaseURL = "discord.com" }, "bot": func(o *Options) { o.Bot = nil },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
