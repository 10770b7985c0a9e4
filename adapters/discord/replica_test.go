package discord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// These tests run the adapter in two replicas of the real bot on one ledger, in a bubble's time.

// tether is the ledger as one replica reaches it.
type tether struct {
	bot.Ledger
	cut    atomic.Bool  // nothing passes
	lost   atomic.Bool  // the answer to the next commit
	frozen atomic.Int64 // nanoseconds for which renewals hang, as those of a process that is stopped do
}

func (l *tether) reach() error {
	if l.cut.Load() {
		return errTest
	}
	return nil
}

func (l *tether) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	return whenReached(l, func() error {
		err := l.Ledger.Tx(ctx, fn)
		if err == nil && l.lost.CompareAndSwap(true, false) {
			return &bot.Unsure{Err: errTest}
		}
		return err
	})
}

func (l *tether) View(ctx context.Context, fn func(bot.Tx) error) error {
	return whenReached(l, func() error { return l.Ledger.View(ctx, fn) })
}

func (l *tether) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (lease bot.Lease, err error) {
	err = whenReached(l, func() error { lease, err = l.Ledger.Acquire(ctx, name, holder, ttl); return err })
	return lease, err
}

func (l *tether) Renew(ctx context.Context, lease bot.Lease, ttl time.Duration) error {
	time.Sleep(time.Duration(l.frozen.Load()))
	return whenReached(l, func() error { return l.Ledger.Renew(context.WithoutCancel(ctx), lease, ttl) })
}

func (l *tether) Release(ctx context.Context, lease bot.Lease) error {
	return whenReached(l, func() error { return l.Ledger.Release(ctx, lease) })
}

func whenReached(l *tether, f func() error) error {
	if err := l.reach(); err != nil {
		return err
	}
	return f()
}

// replica is one process of the bot.
type replica struct {
	*Adapter
	ledger *tether
	log    *safeBuffer
	stop   func()
}

// replicas starts n of them, one after the other, on a guild.
func replicas(t *testing.T, g *discordtest.Guild, n int) []*replica {
	t.Helper()
	chat := recalltest.New(recalltest.Options{})
	client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(chat.SDKAppID()), SecretKey: chat.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: chat.Client()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), "sqlite::memory:", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{ID: {Requesters: []bot.Principal{{User: mina}},
		Approvers: []bot.Principal{{Group: leads}}, Channels: []string{trust}}}
	var all []*replica
	for i := range n {
		r := &replica{ledger: &tether{Ledger: l}, log: &safeBuffer{}}
		log := slog.New(slog.NewTextHandler(r.log, nil))
		b, err := bottest.NewEngine(bot.Options{App: recall.SDKAppID(chat.SDKAppID()), Ledger: r.ledger, Chat: client,
			Policy: policy, Holder: fmt.Sprint("replica ", i), Log: log})
		if err != nil {
			t.Fatal(err)
		}
		r.Adapter, err = New(Options{BotToken: g.BotToken, ApplicationID: g.ApplicationID, Guilds: []string{g.ID},
			HTTPClient: g.Client(), Dial: g.Dial, Bot: b, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		r.stop = func() { cancel(); <-ended }
		all = append(all, r)
		time.Sleep(time.Second)
	}
	t.Cleanup(func() {
		for _, r := range all {
			r.stop()
		}
		g.Close()
		chat.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return all
}

// alone passes time until cond holds, and fails when two connections are open meanwhile, or it
// takes longer than within.
func alone(t *testing.T, g *discordtest.Guild, within time.Duration, cond func() bool) {
	t.Helper()
	for began := time.Now(); !cond(); time.Sleep(10 * time.Millisecond) {
		if n := len(g.Sessions()); n > 1 {
			t.Fatalf("%d connections at once, after %v", n, time.Since(began))
		}
		if time.Since(began) > within {
			t.Fatalf("not within %v; %d connections, %d identifies", within, len(g.Sessions()), g.Identifies())
		}
	}
}

// TestReplicasGateway: of two replicas one is connected. The other is ready, says that it stands
// by, and takes over at once after an ordered stop, and within 15 s of a death.
func TestReplicasGateway(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(r *replica)
		within time.Duration
	}{
		"stopped in order": {func(r *replica) { go r.stop() }, time.Second},
		"killed":           {func(r *replica) { r.ledger.cut.Store(true); go r.stop() }, 15 * time.Second},
		"cut off":          {func(r *replica) { r.ledger.cut.Store(true) }, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuild()
				all := replicas(t, g, 2)
				time.Sleep(time.Hour) // through many renewals
				if n, ids := len(g.Sessions()), g.Identifies(); n != 1 || ids != 1 {
					t.Fatalf("%d connections, %d identifies, of two replicas", n, ids)
				}
				for i, r := range all {
					if err := r.Ready(); err != nil || r.StandsBy() != (i == 1) || r.LastFrame().IsZero() != (i == 1) {
						t.Errorf("replica %d: ready %v, stands by %v, last frame %v", i, err, r.StandsBy(),
							r.LastFrame())
					}
				}
				first := g.Sessions()[0].ID
				test.end(all[0])
				alone(t, g, test.within, func() bool { s := g.Sessions(); return len(s) == 1 && s[0].ID != first })
				if all[1].StandsBy() || all[1].Ready() != nil || g.Identifies() != 2 {
					t.Errorf("the other: stands by %v, ready %v, %d identifies", all[1].StandsBy(), all[1].Ready(),
						g.Identifies())
				}
				i := g.Command(mina, trust, "recalls whoami")
				if err := i.Wait(t.Context()); err != nil {
					t.Errorf("a command after the takeover: %v\n%s", err, all[1].log)
				}
			})
		})
	}
}

// TestReplicaCutOff: a replica that cannot reach the ledger gives its connection up, says so, and
// waits behind the one that took over once it can.
func TestReplicaCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild()
		all := replicas(t, g, 2)
		first := g.Sessions()[0].ID
		all[0].ledger.cut.Store(true)
		alone(t, g, 10*time.Second, func() bool { return len(g.Sessions()) == 0 })
		if err := all[0].Ready(); !errors.Is(err, ErrOutage) || !errors.Is(err, errGivenUp) {
			t.Errorf("ready: %v", err)
		}
		alone(t, g, 5*time.Second, func() bool { s := g.Sessions(); return len(s) == 1 && s[0].ID != first })
		all[0].ledger.cut.Store(false)
		alone(t, g, time.Minute, all[0].StandsBy)
		if err := all[0].Ready(); err != nil {
			t.Errorf("ready: %v", err)
		}
	})
}

// TestReplicaPaused: a replica that was stopped for long finds its lease taken, and closes its
// connection.
func TestReplicaPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild()
		all := replicas(t, g, 2)
		first := g.Sessions()[0].ID
		all[0].ledger.frozen.Store(int64(30 * time.Second))
		time.Sleep(20 * time.Second)
		if len(g.Sessions()) != 2 {
			t.Fatalf("%d connections while one is paused: this shows nothing", len(g.Sessions()))
		}
		all[0].ledger.frozen.Store(0)
		time.Sleep(15 * time.Second)
		if s := g.Sessions(); len(s) != 1 || s[0].ID == first || !all[0].StandsBy() {
			t.Errorf("sessions %v after the pause; the first was %s", s, first)
		}
	})
}

// TestReplicasBudget: where no identifies are left to be used, no replica uses one, and each says
// so.
func TestReplicasBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild()
		g.IdentifyBudget = usualPace.reserve
		all := replicas(t, g, 2)
		time.Sleep(time.Hour)
		if n := g.Identifies(); n > 0 {
			t.Errorf("%d identifies", n)
		}
		for i, r := range all {
			if err := r.Ready(); !errors.Is(err, ErrOutage) || !strings.Contains(err.Error(), "connections are left") {
				t.Errorf("replica %d: %v", i, err)
			}
		}
	})
}

// TestReplicasFatal: where Discord refuses the bot each replica finds out by an attempt, none keeps
// the others from it, and one is connected once Discord takes it.
func TestReplicasFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild()
		g.GatewayNext(discordtest.CloseOnIdentify(4014, ""), discordtest.CloseOnIdentify(4014, ""))
		all := replicas(t, g, 2)
		time.Sleep(10 * time.Second)
		for i, r := range all {
			if err := r.Ready(); err == nil || !strings.Contains(err.Error(), mends[4014]) {
				t.Errorf("replica %d: %v", i, err)
			}
		}
		if n := g.Identifies(); n != 2 {
			t.Errorf("%d identifies", n)
		}
		time.Sleep(time.Minute)
		for i, r := range all {
			if err := r.Ready(); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		}
		if len(g.Sessions()) != 1 || g.Identifies() != 3 {
			t.Errorf("%d sessions, %d identifies", len(g.Sessions()), g.Identifies())
		}
	})
}

// TestReplicasGiveUpOnce: of two replicas that find an event which a third has left, one tells the
// person: the one that closed it, even where the news of that was lost.
func TestReplicasGiveUpOnce(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuild()
			all := replicas(t, g, 2)
			i := g.Command(mina, trust, "recalls whoami")
			if err := i.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			in, err := readInteraction(i.Payload())
			if err != nil {
				t.Fatal(err)
			}
			e := all[0].event(in)
			e.ID, e.Reply, e.Act = "left", in.Token, intake.Act{Kind: intake.ActTurnFind}
			if first, _, err := all[0].bot.Receive(t.Context(), e); err != nil || !first {
				t.Fatal(first, err)
			}
			all[0].ledger.lost.Store(lost)
			time.Sleep(intake.LongOrphanAfter + 2*intake.OrphanAfter)
			if n := len(i.Followups()); n != 1 {
				t.Errorf("news lost %v: told %d times", lost, n)
			}
			if all[0].ledger.lost.Load() {
				t.Error("nothing was lost: this shows nothing")
			}
		})
	}
}
