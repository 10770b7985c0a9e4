package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// live runs a test in a bubble with a rig over the Gateway, whose first connections may meet
// faults.
func live(t *testing.T, f func(t *testing.T, r *rig), faults ...discordtest.GatewayFault) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway, func(r *rig, _ *Options) { r.GatewayNext(faults...) })
		defer r.stop()
		f(t, r)
	})
}

// acts fails the test unless a command is answered within so long.
func (r *rig) acts(t *testing.T, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; {
		i := r.Command(mina, trust, "recalls help")
		if i.Wait(t.Context()) == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no command is answered\n%s", r.log)
		}
	}
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
			live(t, func(t *testing.T, r *rig) {
				r.ready(t)
				r.acts(t, time.Minute)
				if r.adapter.LastFrame().IsZero() {
					t.Error("no frame seen")
				}
			}, faults...)
		})
	}
}

// TestGatewayEnds ends a live connection in each way, and comes back: at once with the session that
// it had, where Discord keeps it, and then no command is lost.
func TestGatewayEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(r *rig)
		anew bool // a new session begins
	}{
		"op 7":           {func(r *rig) { r.Reconnect() }, false},
		"op 9":           {func(r *rig) { r.Invalidate(false) }, true},
		"op 9 resumable": {func(r *rig) { r.Invalidate(true) }, false},
		"4000":           {func(r *rig) { r.CloseGateway(4000, "Unknown error.") }, false},
		"4007":           {func(r *rig) { r.CloseGateway(4007, "Invalid seq.") }, true},
		"1001":           {func(r *rig) { r.CloseGateway(1001, "Going away") }, false},
		"dropped":        {func(r *rig) { r.Drop() }, false},
		"not even JSON": {func(r *rig) {
			r.Dispatch("READY", json.RawMessage(`"x"`))
			r.Drop()
		}, false},
		"at once and then": {func(r *rig) { r.Reconnect(); r.CloseGateway(4000, ""); r.Drop() }, false},
		"not to be resumed": {func(r *rig) {
			r.NoResume = true
			r.Drop()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, func(t *testing.T, r *rig) {
				r.ready(t)
				r.acts(t, 0)
				time.Sleep(10 * time.Second) // another identify is allowed
				before := r.Identifies()
				test.end(r)
				i := r.Command(mina, trust, "recalls help")
				if err := i.Wait(t.Context()); !test.anew && err != nil {
					t.Errorf("a command that came meanwhile: %v", err)
				}
				r.acts(t, 10*time.Second)
				if anew := r.Identifies() > before; anew != test.anew {
					t.Errorf("%d identifies, %d before", r.Identifies(), before)
				}
				r.clean(t)
			})
		})
	}
	t.Run("silence", func(t *testing.T) {
		live(t, func(t *testing.T, r *rig) {
			r.ready(t)
			r.Silence(true)
			r.Silence(false)
			time.Sleep(2 * r.HeartbeatInterval)
			r.acts(t, 10*time.Second)
		})
	})
}

// TestFlapping: on a network that drops the connection every 5 s no command is lost, and one
// session lasts.
func TestFlapping(t *testing.T) {
	live(t, func(t *testing.T, r *rig) {
		r.ready(t)
		for n := range 60 {
			if n%6 == 0 {
				r.Drop()
			}
			if err := r.Command(mina, trust, "recalls help").Wait(t.Context()); err != nil {
				t.Errorf("after %d s: %v", n, err)
			}
			time.Sleep(time.Second)
		}
		if n, of := r.Identifies(), r.Resumes(); n != 1 || of != 10 {
			t.Errorf("%d identifies and %d resumes", n, of)
		}
		r.clean(t)
	})
}

// TestRefusedForAWhile: what Discord refuses is told by Ready with its mend, and tried again after
// 30 s, and then every 5 minutes: 4004 has been seen with good tokens.
func TestRefusedForAWhile(t *testing.T) {
	for code := range mends {
		for _, at := range []string{"on identify", "live"} {
			if at == "live" && code > 4010 {
				continue // as the others
			}
			t.Run(fmt.Sprint(code, " ", at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, overGateway, func(r *rig, _ *Options) {
						refusals := []discordtest.GatewayFault{discordtest.CloseOnIdentify(code, "no"),
							discordtest.CloseOnIdentify(code, "no"), discordtest.CloseOnIdentify(code, "no")}
						if at == "live" {
							refusals = refusals[1:]
							r.GatewayNext(discordtest.GatewayFault{})
						}
						r.GatewayNext(refusals...)
					})
					defer r.stop()
					if at == "live" {
						r.ready(t)
						r.CloseGateway(code, "no")
					}
					began := time.Now()
					for n, wait := range []time.Duration{0, 30 * time.Second, 5*time.Minute + 30*time.Second} {
						time.Sleep(time.Until(began.Add(wait + 10*time.Second)))
						if err := r.adapter.Ready(); err == nil || !strings.Contains(err.Error(), mends[code]) ||
							errors.Is(err, ErrOutage) {
							t.Errorf("after %v Ready says %v", wait, err)
						}
						if got := r.Identifies(); got != n+1 {
							t.Errorf("after %v %d identifies", wait, got)
						}
					}
					time.Sleep(5 * time.Minute)
					r.acts(t, 0)
					if err := r.adapter.Ready(); err != nil {
						t.Errorf("when it is taken again Ready says %v", err)
					}
				})
			})
		}
	}
	t.Run("401", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, overGateway, func(r *rig, _ *Options) {
				r.Fail("* /**", 20, discordtest.APIError(401, 0))
			})
			defer r.stop()
			time.Sleep(10 * time.Second)
			if err := r.adapter.Ready(); err == nil || !strings.Contains(err.Error(), mends[4004]) {
				t.Errorf("Ready says %v", err)
			}
			time.Sleep(time.Hour)
			r.acts(t, 0)
			if err := r.adapter.Ready(); err != nil {
				t.Errorf("when it is taken again Ready says %v", err)
			}
		})
	})
	t.Run("token reset", func(t *testing.T) {
		live(t, func(t *testing.T, r *rig) {
			r.ready(t)
			r.ResetToken()
			time.Sleep(2 * time.Hour)
			if err := r.adapter.Ready(); err == nil || !strings.Contains(err.Error(), mends[4004]) {
				t.Errorf("Ready says %v", err)
			}
			if n := r.Identifies(); n > 1 {
				t.Errorf("%d identifies", n)
			}
			if n := strings.Count(r.log.String(), "level=ERROR"); n > 2 {
				t.Errorf("the log has %d errors in two hours", n)
			}
			r.clean(t)
		})
	})
}

// TestTokenRefusedWhileRegistering: where the commands are to be registered with a token that
// Discord refuses, Ready says so, and it is tried again after 30 s, and then every 5 minutes.
func TestTokenRefusedWhileRegistering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const put = "PUT /applications/{a}/guilds/{g}/commands"
		r := newRig(t, overHTTP, func(r *rig, _ *Options) { r.Fail("* /**", -1, discordtest.APIError(401, 0)) })
		defer r.stop()
		began := time.Now()
		for n, wait := range []time.Duration{0, 30 * time.Second, 330 * time.Second, 630 * time.Second} {
			time.Sleep(time.Until(began.Add(wait - time.Second)))
			if got := r.Count(put); got != n {
				t.Errorf("before %v %d tries", wait, got)
			}
			time.Sleep(time.Until(began.Add(wait + time.Second)))
			if got := r.Count(put); got != n+1 {
				t.Errorf("after %v %d tries", wait, got)
			}
			if words, passing := r.adapter.Trouble(); words != mends[4004]+"; the log says more" || passing {
				t.Errorf("after %v Trouble says %q, passing %v", wait, words, passing)
			}
		}
		r.Heal()
		time.Sleep(5 * time.Minute)
		if err := r.adapter.Ready(); err != nil || len(r.Commands()) == 0 {
			t.Errorf("when it is taken again Ready says %v, %d commands", err, len(r.Commands()))
		}
		// It is counted anew.
		r.Fail("* /**", -1, discordtest.APIError(401, 0))
		time.Sleep(time.Minute)
		before := r.Count(put)
		time.Sleep(31 * time.Second)
		if got := r.Count(put) - before; got != 1 {
			t.Errorf("%d tries half a minute after it was refused once more", got)
		}
		if n := strings.Count(r.log.String(), `msg="Discord refuses the bot"`); n != 2 {
			t.Errorf("the log says %d times that the token is refused, want once each time", n)
		}
	})
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

// TestReconnects loses the connection 80 times under 400 interactions. Each is acted on once.
func TestReconnects(t *testing.T) {
	live(t, func(t *testing.T, r *rig) {
		r.ready(t)
		var all []*discordtest.Interaction
		for i := range 80 {
			for range 5 {
				all = append(all, r.Command(mina, trust, "recalls whoami"))
			}
			switch i % 40 {
			case 0:
				r.CloseGateway(4000, "")
			case 20:
				r.Reconnect()
			default:
				r.Drop()
			}
			time.Sleep(time.Duration(i%8) * time.Second)
		}
		r.acts(t, time.Minute)
		seen := map[bot.EventID]int{}
		for _, d := range r.bot.Did() {
			seen[d.Event.ID]++
		}
		for _, i := range all {
			if n := seen[bot.EventID("discord:"+i.ID)]; n != 1 {
				t.Errorf("interaction %s was acted on %d times, answered: %v", i.ID, n, i.Acked())
			}
		}
		if n := r.Identifies(); n != 1 {
			t.Errorf("%d identifies", n)
		}
	})
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
		if !slices.ContainsFunc(r.bot.Did(),
			func(d adaptertest.Did) bool { return d.Event.Act.Kind == intake.ActStop }) {
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
		r.bot.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			close(begun)
			time.Sleep(time.Second)
			return intake.Answer{Kind: intake.Accepted}, nil
		}})
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
			return newRig(t, overHTTP, func(r *rig, _ *Options) { r.bot.RemembersIn(memory); change(r) })
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

// TestKicked: a bot that was thrown out says so, and has its commands again within 2 minutes after
// it was invited.
func TestKicked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		time.Sleep(time.Hour)
		r.Kick()
		time.Sleep(2 * time.Minute)
		if err := r.adapter.Ready(); err == nil || !strings.Contains(err.Error(), "invite the bot") {
			t.Errorf("thrown out, Ready says %v", err)
		}
		time.Sleep(2 * time.Hour)
		if n := strings.Count(r.log.String(), "commands are not registered"); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		r.Invite()
		time.Sleep(2 * time.Minute)
		if len(r.Commands()) == 0 || r.adapter.Ready() != nil {
			t.Errorf("%d commands, Ready says %v", len(r.Commands()), r.adapter.Ready())
		}
	})
}

func TestOptions(t *testing.T) {
	good := Options{BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: newBot()}
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
