package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// deliverThrough sends n commands and presses while sockets are taken away in every way there is,
// and returns the deliveries and how many disconnects there were. None of them waits for an
// acknowledgement.
func (x *world) deliverThrough(n, disconnects int, dead bool) []*slacktest.Delivery {
	x.t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	at := make([]slacktest.MessageRef, 8)
	for i := range at {
		_, at[i] = x.post(card(bot.Proposed))
	}
	time.Sleep(5 * time.Second)
	var all []*slacktest.Delivery
	every := n / disconnects
	kinds := []func(*slacktest.Socket){
		func(s *slacktest.Socket) { s.Disconnect(slacktest.Warning) },
		func(s *slacktest.Socket) { s.Disconnect(slacktest.RefreshRequested) },
		func(s *slacktest.Socket) { s.Disconnect(slacktest.TooManyWebsockets) },
		(*slacktest.Socket).DropTCP,
	}
	if dead {
		kinds = append(kinds, (*slacktest.Socket).HalfOpen)
	}
	for i := range n {
		if i%every == 0 {
			if open := x.w.Sockets(); len(open) > 0 {
				kinds[(i/every)%len(kinds)](open[random.IntN(len(open))])
			}
			if len(x.w.Sockets()) > 10 {
				x.t.Fatalf("%d sockets", len(x.w.Sockets()))
			}
		}
		if i%2 == 0 {
			all = append(all, x.w.Command("U0MINA", "C0TRUST", "/recalls", fmt.Sprintf("show %d", i)))
		} else {
			all = append(all, x.w.Press("U0THEO", at[i%len(at)], "show_all"))
		}
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
	}
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	return all
}

// TestSocketBar is the bar of delivery: what was delivered on a socket that could still be read is
// acted on exactly once, what never reached the adapter changes nothing, both where Slack delivers
// again and where it does not.
func TestSocketBar(t *testing.T) {
	for _, test := range []struct {
		name  string
		dead  bool // half-open connections too: Slack itself loses what it sends there
		again bool
	}{{"told", false, false}, {"told, redelivery", false, true}, {"half-open too", true, false},
		{"half-open too, redelivery", true, true}} {
		t.Run(test.name, func(t *testing.T) {
			inSlack(t, socketMode, func(x *world) {
				x.bot.Set(func(b *adaptertest.Script) {
					b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("Nothing.") }
				})
				all := x.deliverThrough(2000, 200, test.dead)
				acked, failed := 0, map[string]int{}
				for _, d := range all {
					if d.Acked() {
						acked++
					} else {
						failed[d.Failure()]++
					}
				}
				did := x.bot.Did()
				seen := map[bot.EventID]bool{}
				for _, d := range did {
					if seen[d.Event.ID] {
						x.t.Errorf("%s was acted on twice", d.Event.ID)
					}
					seen[d.Event.ID] = true
				}
				x.t.Logf("%d delivered, %d acknowledged, %d acted on, %d connections opened; not acknowledged: %v",
					len(all), acked, len(did), x.w.Calls("link"), failed)
				if len(did) < acked {
					x.t.Errorf("%d acknowledged, but %d acted on", acked, len(did))
				}
				// What went to a socket that could be read has an acknowledgement: all that is
				// missing found no socket, or a dead one.
				if n := failed["operation_timeout"]; n > 0 && !test.dead {
					x.t.Errorf("%d were lost on sockets that could be read", n)
				}
				if !test.dead && acked < len(all)*95/100 {
					x.t.Errorf("only %d of %d found a socket", acked, len(all))
				}
				x.quiet()
			}, func(x *world, _ *Options) {
				x.w.Redeliver = test.again
				x.w.PerMinute["apps.connections.open"] = 100
				x.w.PerMinute["users.info"] = 10_000
			})
		})
	}
}

// TestWarning: what still comes on a socket that Slack is about to close is taken, and acknowledged
// there.
func TestWarning(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for _, reason := range []string{slacktest.Warning, slacktest.RefreshRequested} {
			time.Sleep(time.Minute)
			old := x.w.Sockets()[0]
			x.w.DeliverTo(old)
			old.Disconnect(reason)
			for i := range 8 {
				d := x.w.Command("U0MINA", "C0TRUST", "/recall", fmt.Sprintf("%s %d", reason, i))
				time.Sleep(time.Second)
				x.acked(d)
			}
			x.w.DeliverTo(nil)
		}
		if n := len(x.bot.Did()); n != 16 {
			x.t.Errorf("%d acted on, want 16", n)
		}
		x.quiet()
	})
}

func TestTwoSockets(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		if n := len(x.w.Sockets()); n != lanes {
			x.t.Errorf("%d sockets, want %d", n, lanes)
		}
		if err := x.a.Ready(); err != nil {
			x.t.Errorf("Ready: %v", err)
		}
		if age := time.Since(x.a.LastFrame()); age > 30*time.Second {
			x.t.Errorf("the last frame is %v old", age)
		}
		// A day with Slack's own renewals: the number stays, and nothing is hammered.
		time.Sleep(24 * time.Hour)
		x.settle()
		if n := len(x.w.Sockets()); n < lanes || n > 2*lanes {
			x.t.Errorf("%d sockets after a day", n)
		}
		if n := x.w.Calls("apps.connections.open"); n > 40 {
			x.t.Errorf("%d connections opened in a day", n)
		}
		x.quiet()
	})
}

// TestHalfOpen: a connection that is dead without anybody being told is noticed, also when it takes
// nothing that is written.
func TestHalfOpen(t *testing.T) {
	for name, die := range map[string]func(*slacktest.Socket){
		"half open": (*slacktest.Socket).HalfOpen, "stalled": (*slacktest.Socket).Stall,
	} {
		t.Run(name, func(t *testing.T) {
			inSlack(t, socketMode, func(x *world) {
				dead := x.w.Sockets()
				for _, s := range dead {
					die(s)
				}
				time.Sleep(idleFor + 5*time.Second)
				open := x.w.Sockets()
				newest := open[len(open)-1]
				if newest.ID() <= dead[len(dead)-1].ID() {
					x.t.Fatal("no new connection was opened")
				}
				x.w.DeliverTo(newest) // Slack itself may not know yet that the old ones are dead
				x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
			})
		})
	}
}

// TestNoHammering: what no repetition mends is tried after 30 s and then every five minutes, logged
// once with the mend, and told by Ready.
func TestNoHammering(t *testing.T) {
	for name, test := range map[string]struct {
		set   func(*world)
		heal  func(*world)
		what  string
		mend  string
		calls string
	}{
		"wrong app token": {
			func(x *world) { x.w.Fail("apps.connections.open", -1, slacktest.Code("invalid_auth")) },
			func(x *world) { x.w.Heal("*") }, "invalid_auth", "SLACK_APP_TOKEN", "apps.connections.open",
		},
		"token of the wrong kind": {
			func(x *world) { x.w.Fail("apps.connections.open", -1, slacktest.Code("not_allowed_token_type")) },
			func(x *world) { x.w.Heal("*") }, "not_allowed_token_type", "xapp-", "apps.connections.open",
		},
		"no scope": {
			func(x *world) { x.w.AppScopes = nil },
			func(x *world) { x.w.Set(func(w *slacktest.Workspace) { w.AppScopes = []string{"connections:write"} }) },
			"missing_scope", "connections:write", "apps.connections.open",
		},
		"switched off": {
			func(x *world) { x.w.SocketModeOff = true },
			func(x *world) { x.w.Set(func(w *slacktest.Workspace) { w.SocketModeOff = false }) },
			"link_disabled", "Socket Mode on", "apps.connections.open",
		},
		"wrong bot token": {
			func(x *world) { x.w.Fail("auth.test", -1, slacktest.Code("invalid_auth")) },
			func(x *world) { x.w.Heal("*") }, "invalid_auth", "SLACK_BOT_TOKEN", "auth.test",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			inSlack(t, socketMode, func(x *world) {
				time.Sleep(10 * time.Minute)
				x.settle()
				err := x.a.Ready()
				if err == nil || !strings.Contains(err.Error(), test.what) ||
					!strings.Contains(err.Error(), test.mend) {
					x.t.Errorf("Ready: %v", err)
				}
				if u, ok := err.(*Unready); !ok || u.Remote { //nolint:errorlint // exactly this type
					x.t.Errorf("Ready does not tell it from an outage: %#v", err)
				}
				if n := x.w.Calls(test.calls); n > 8 {
					x.t.Errorf("%d calls in ten minutes", n)
				}
				if n := strings.Count(log.String(), test.mend); n != 1 {
					x.t.Errorf("the mend is logged %d times:\n%s", n, log.String())
				}
				test.heal(x)
				time.Sleep(5*time.Minute + 5*time.Second)
				x.settle()
				if err := x.a.Ready(); err != nil {
					x.t.Errorf("Ready after the mend: %v", err)
				}
				x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
				for _, secret := range []string{x.w.BotToken, x.w.AppToken, "ticket", "/response/"} {
					if strings.Contains(log.String(), secret) {
						x.t.Errorf("the log holds %q", secret)
					}
				}
			}, func(x *world, o *Options) {
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				test.set(x)
			})
		})
	}
}

// TestRefusedThroughOutage: what Slack refuses is logged once, also where it does not answer at all
// in between.
func TestRefusedThroughOutage(t *testing.T) {
	var log bytes.Buffer
	inSlack(t, socketMode, func(x *world) {
		time.Sleep(3 * time.Minute)
		x.w.Fail("apps.connections.open", 1, slacktest.Reset())
		time.Sleep(7 * time.Minute)
		x.settle()
		if out, told := strings.Count(log.String(), "cannot connect"),
			strings.Count(log.String(), "Socket Mode on"); out == 0 || told != 1 {
			x.t.Errorf("the outage is logged %d times, the mend %d times:\n%s", out, told, log.String())
		}
	}, func(x *world, o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		x.w.SocketModeOff = true
	})
}

// TestGoodTokenRefused: a token that is refused once is tried again after 30 s, told by Ready
// meanwhile, whichever call it was.
func TestGoodTokenRefused(t *testing.T) {
	for name, f := range map[string]slacktest.Fault{"invalid_auth": slacktest.Code("invalid_auth"),
		"401": slacktest.Unauthorized()} {
		t.Run(name, func(t *testing.T) {
			inSlack(t, socketMode, func(x *world) {
				ref, _ := x.post(card(bot.Proposed))
				time.Sleep(time.Minute)
				x.w.Fail("chat.update", 1, f)
				x.w.Fail("auth.test", 1, f)
				later, ok := errors.AsType[*bot.Later](x.a.Edit(x.t.Context(), ref,
					x.version(card(bot.Proposed), 2)))
				if !ok || later.After > time.Minute {
					x.t.Errorf("the edit is to wait %v", later)
				}
				x.settle()
				if err := x.a.Ready(); err == nil || !strings.Contains(err.Error(), "invalid_auth") ||
					!strings.Contains(err.Error(), "SLACK_BOT_TOKEN") {
					x.t.Errorf("Ready: %v", err)
				}
				time.Sleep(31 * time.Second)
				if err := x.a.Ready(); err != nil {
					x.t.Errorf("Ready half a minute later: %v", err)
				}
				if err := x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), 2)); err != nil {
					x.t.Errorf("the edit: %v", err)
				}
			})
		})
	}
}

// TestFlapping: while one of two connections is dropped every five seconds for a minute, no command
// that reached a socket is lost. The first ten are replaced at once; more are not opened in a
// minute, so that in its last seconds there may be no socket, and the person reads so at once.
func TestFlapping(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		time.Sleep(2 * time.Minute)
		before := x.w.Calls("link")
		var all []*slacktest.Delivery
		reached := 0
		x.bot.Set(func(b *adaptertest.Script) {
			b.StoreTakes = 100 * time.Millisecond
			b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("This is the help.") }
		})
		for second := range 60 {
			open := x.w.Sockets()
			if second%5 == 0 {
				if second <= 5*dialsPerMinute && len(open) != lanes {
					x.t.Errorf("after %d s %d sockets are open", second, len(open))
				}
				// A command has reached the bot, and is not acknowledged yet.
				s := open[second/5%len(open)]
				x.w.DeliverTo(s)
				x.w.Command("U0MINA", "C0TRUST", "/recalls", fmt.Sprint("help reached ", second))
				reached++
				synctest.Wait()
				x.w.DeliverTo(nil)
				s.DropTCP()
				synctest.Wait()
				open = x.w.Sockets()
				if slices.Contains(open, s) || second < 5*dialsPerMinute && len(open) != lanes {
					x.t.Errorf("after %d s a socket that had said hello is not replaced at once", second)
				}
			}
			d := x.w.Command("U0MINA", "C0TRUST", "/recalls", fmt.Sprint("help ", second))
			if len(open) > 0 {
				all = append(all, d)
			} else if synctest.Wait(); second < 55 || d.Failure() != "dispatch_failed" {
				x.t.Errorf("after %d s no socket is open, and the person reads %q", second, d.Failure())
			}
			time.Sleep(time.Second)
		}
		time.Sleep(6 * time.Second)
		if n := len(x.w.Sockets()); n != lanes {
			x.t.Errorf("after it %d sockets are open", n)
		}
		for i, d := range all {
			if !d.Acked() {
				x.t.Errorf("command %d was lost: %s", i, d.Failure())
			}
		}
		if n := len(x.bot.Did()); n != len(all)+reached {
			x.t.Errorf("%d of %d commands were done", n, len(all)+reached)
		}
		told := slices.DeleteFunc(x.w.Ephemerals("U0MINA"), func(m slacktest.Ephemeral) bool {
			return m.Via == "slack" // which says that it had no acknowledgement
		})
		if n := len(told); n != len(all)+reached {
			x.t.Errorf("%d of %d commands were answered", n, len(all)+reached)
		}
		for range 100 { // it goes on, faster than connections may be opened
			for _, s := range x.w.Sockets() {
				s.DropTCP()
			}
			time.Sleep(3 * time.Second)
		}
		var dials []time.Time
		for _, c := range x.w.Log() {
			if c.Method == "link" {
				dials = append(dials, c.Time)
			}
		}
		if n := len(dials) - before; n < 55 {
			x.t.Errorf("%d connections opened in six minutes, want ten a minute", n)
		}
		for i := range dials[dialsPerMinute:] {
			if within := dials[i+dialsPerMinute].Sub(dials[i]); within < time.Minute {
				x.t.Errorf("%d connections opened within %v", dialsPerMinute+1, within)
			}
		}
		// Slack's own word counts, for both lanes, whether it asks to wait before the connection or
		// instead of it.
		for _, method := range []string{"apps.connections.open", "link"} {
			time.Sleep(2 * time.Minute)
			x.w.Fail(method, 1, slacktest.RateLimited(90*time.Second))
			before = x.w.Calls("apps.connections.open")
			x.w.DropTCP()
			time.Sleep(80 * time.Second)
			if n := x.w.Calls("apps.connections.open") - before; n > lanes {
				x.t.Errorf("%s: %d calls while Slack has asked to wait", method, n)
			}
			time.Sleep(15 * time.Second)
			if n := len(x.w.Sockets()); n != lanes {
				x.t.Errorf("%s: %d sockets, want %d", method, n, lanes)
			}
		}
		// The pause grew over many failures; after a connection it begins anew.
		time.Sleep(2 * time.Minute)
		x.w.Fail("apps.connections.open", -1, slacktest.ServerError(503))
		x.w.DropTCP()
		time.Sleep(10 * time.Minute)
		x.w.Heal("*")
		time.Sleep(3 * time.Minute)
		x.w.Fail("apps.connections.open", lanes, slacktest.ServerError(503))
		x.w.DropTCP()
		time.Sleep(1100 * time.Millisecond)
		if n := len(x.w.Sockets()); n != lanes {
			x.t.Errorf("%d sockets a second after the first failure, want %d", n, lanes)
		}
		x.quiet()
	}, func(x *world, _ *Options) { x.w.PerMinute["apps.connections.open"] = 100 })
}

// TestInstantDisconnects: a service that ends every connection at once is not hammered.
func TestInstantDisconnects(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		before := x.w.Calls("apps.connections.open")
		for range 6000 {
			for _, s := range x.w.Sockets() {
				s.Disconnect(slacktest.TooManyWebsockets)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := x.w.Calls("apps.connections.open") - before; n > 10*dialsPerMinute {
			x.t.Errorf("%d connections opened in ten minutes", n)
		}
	})
}

// TestMissingScope: a scope that the bot token lacks is told, with the mend.
func TestMissingScope(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		if err := x.a.Ready(); err == nil || !strings.Contains(err.Error(), "usergroups:read") ||
			!strings.Contains(err.Error(), "install") {
			x.t.Errorf("Ready: %v", err)
		}
	}, func(x *world, _ *Options) {
		x.w.Scopes = []string{"commands", "chat:write", "users:read", "files:write", "channels:read", "groups:read"}
	})
}

// TestOutage: while Slack is away Ready says so, as an outage, and all is well soon after.
func TestOutage(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		x.w.Fail("apps.connections.open", -1, slacktest.ServerError(503))
		x.w.DropTCP()
		time.Sleep(time.Minute)
		if u, ok := x.a.Ready().(*Unready); !ok || !u.Remote { //nolint:errorlint // exactly this type
			x.t.Errorf("Ready: %v", x.a.Ready())
		}
		x.w.Heal("*")
		time.Sleep(40 * time.Second)
		if err := x.a.Ready(); err != nil {
			x.t.Errorf("Ready: %v", err)
		}
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
	})
}

// TestBrokenEnvelopes are acknowledged, for they would only come again, and do no harm.
func TestBrokenEnvelopes(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for _, kind := range []string{"interactive", "slash_commands", "events_api", "no_such_type"} {
			for _, payload := range []string{`{}`, `[]`, `"x"`, `{"type":"block_actions","actions":[]}`,
				`{"type":"block_actions","actions":[{"action_id":7}]}`, `{"user_id":9}`} {
				d := x.w.Send(kind, []byte(payload))
				x.settle()
				if !d.Acked() {
					x.t.Errorf("%s %s was not acknowledged", kind, payload)
				}
			}
		}
		if x.bot.Kept() != 0 {
			x.t.Error("something was stored")
		}
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
	})
}

// TestStop: an event that is in work when the adapter stops is finished.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slacktest.New()
		defer w.Close()
		people(w)
		b := newBot()
		b.Play(adaptertest.Script{DoTakes: 3 * time.Second,
			Answer: func(intake.Event, bot.Member) intake.Answer { return whisper("Nothing.") }})
		a, err := New(Options{BotToken: w.BotToken, AppToken: w.AppToken, HTTPClient: w.Client(), Dial: w.DialContext,
			Bot: b})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- a.Run(ctx) }()
		time.Sleep(time.Second)
		w.Command("U0MINA", "C0TRUST", "/recall", "x 1")
		time.Sleep(500 * time.Millisecond)
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		if len(b.Did()) != 1 || len(w.Ephemerals("U0MINA")) != 1 {
			t.Errorf("%d acted on, %d answers", len(b.Did()), len(w.Ephemerals("U0MINA")))
		}
		if n := len(w.Sockets()); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}
