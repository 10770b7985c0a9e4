package sandbox_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/slack"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

var troubleSeed = flag.Uint64("troubleseed", 0, "seed of TestTroubles; 0: a new one, which is printed")

// scene is the bot with the adapter of one platform, in a bubble's time, and the people there.
type scene struct {
	t       *testing.T
	chat    *recalltest.Service
	bot     *bottest.Engine // of the first replica
	ledger  *ledger.Ledger
	front   *front
	slack   *slacktest.Workspace // nil on Discord
	discord *discordtest.Guild   // nil on Slack
	away    atomic.Bool          // the database, from every replica
	silent  bool                 // and then it does not even refuse
}

// distant is the ledger as replicas reach it.
type distant struct {
	bot.Ledger
	away   *atomic.Bool
	silent *bool
}

var errAway = errors.New("the database is away")

func (d distant) reach(ctx context.Context, f func() error) error {
	for d.away.Load() {
		if !*d.silent {
			return errAway
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return f()
}

func (d distant) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	return d.reach(ctx, func() error { return d.Ledger.Tx(ctx, fn) })
}

func (d distant) View(ctx context.Context, fn func(bot.Tx) error) error {
	return d.reach(ctx, func() error { return d.Ledger.View(ctx, fn) })
}

func (d distant) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l bot.Lease, err error) {
	err = d.reach(ctx, func() error { l, err = d.Ledger.Acquire(ctx, name, holder, ttl); return err })
	return l, err
}

func (d distant) Renew(ctx context.Context, l bot.Lease, ttl time.Duration) error {
	return d.reach(ctx, func() error { return d.Ledger.Renew(ctx, l, ttl) })
}

func (d distant) Release(ctx context.Context, l bot.Lease) error {
	return d.reach(ctx, func() error { return d.Ledger.Release(ctx, l) })
}

// newScene has one replica, on Slack by Socket Mode or on Discord by the Gateway.
func newScene(t *testing.T, p bot.Platform) *scene { return newSceneOf(t, p, 1, false) }

// newSceneOf has several replicas on one ledger; by HTTP each event goes to the next of them.
func newSceneOf(t *testing.T, p bot.Platform, replicas int, byHTTP bool) *scene {
	s := &scene{t: t, chat: recalltest.New(recalltest.Options{Latency: 100 * time.Millisecond})}
	s.chat.AddGroup(recalltest.Group{ID: floodGroup, Type: "Public", Name: "Casino talk", Members: 2})
	var err error
	if s.ledger, err = ledger.Open(context.Background(), "sqlite::memory:", ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	if p == slack.ID {
		s.slack = newWorkspace()
		s.front = slackFront(s.slack)
	} else {
		s.discord = newGuild()
		s.front = discordFront(s.discord)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended []chan error
	run := func(f func(context.Context) error) {
		end := make(chan error, 1)
		ended = append(ended, end)
		go func() { end <- f(ctx) }()
	}
	var handlers []http.Handler
	for i := range replicas {
		b := s.replica(fmt.Sprint("replica ", i))
		if i == 0 {
			s.bot = b
		}
		a := s.adapter(b, byHTTP)
		b.Attach(a)
		handlers = append(handlers, a.Handler())
		run(b.Run)
		run(a.Run)
	}
	t.Cleanup(func() {
		cancel()
		for _, end := range ended {
			if err := <-end; err != nil {
				t.Error(err)
			}
		}
		if s.slack != nil {
			s.slack.Close()
		} else {
			s.discord.Close()
		}
		s.chat.Close()
		if err := s.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	var turn atomic.Int64
	balancer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[int(turn.Add(1))%len(handlers)].ServeHTTP(w, r)
	})
	switch {
	case byHTTP && s.slack != nil:
		s.slack.Deliver(balancer)
	case byHTTP:
		s.discord.Deliver(balancer)
	}
	time.Sleep(5 * time.Second)
	return s
}

// replica makes the bot of one.
func (s *scene) replica(name string) *bottest.Engine {
	s.t.Helper()
	client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(s.chat.SDKAppID()), SecretKey: s.chat.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: s.chat.Client(), CallsPerSecond: 10})
	if err != nil {
		s.t.Fatal(err)
	}
	policy := bot.DefaultPolicy()
	policy.LargeFrom, policy.ApproveWithin = 1000, 24*time.Hour
	policy.Crowds = map[bot.Platform]bot.Crowd{discord.ID: discordCrowd(), slack.ID: slackCrowd()}
	b, err := bottest.NewEngine(bot.Options{App: recall.SDKAppID(s.chat.SDKAppID()),
		Ledger: distant{Ledger: s.ledger, away: &s.away, silent: &s.silent}, Chat: client, Policy: policy,
		CallsPerSecond: 10, Holder: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// adapter is one replica's.
type adapter interface {
	bot.Surface
	Run(ctx context.Context) error
	Handler() http.Handler
}

func (s *scene) adapter(b *bottest.Engine, byHTTP bool) (a adapter) {
	s.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if w := s.slack; w != nil {
		o := slack.Options{BotToken: w.BotToken, AppToken: w.AppToken, HTTPClient: w.Client(), Dial: w.DialContext,
			Bot: b, Log: quiet}
		if byHTTP {
			o.AppToken, o.SigningSecrets = "", []string{w.SigningSecret}
		}
		a, err = slack.New(o)
	} else {
		g := s.discord
		o := discord.Options{BotToken: g.BotToken, ApplicationID: g.ApplicationID, Guilds: []string{g.ID},
			HTTPClient: g.Client(), Dial: g.Dial, Bot: b, Log: quiet}
		if byHTTP {
			o.PublicKey = g.PublicKey
		}
		a, err = discord.New(o)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *scene) until(what string, within time.Duration, ok func() bool) {
	s.t.Helper()
	began := time.Now()
	for pause := 100 * time.Millisecond; !ok(); time.Sleep(pause) {
		if time.Since(began) > 10*time.Second {
			pause = time.Second
		}
		if time.Since(began) > within {
			s.t.Fatalf("waited %v for: %s; the channel shows\n%v", within, what, s.front.cards())
		}
	}
}

// recalls lets people ask for messages and approve, again until it is taken, and returns the
// request's id. The trouble strikes before each of their acts and while the request runs.
func (s *scene) recalls(first, last int, strike func()) string {
	s.t.Helper()
	for range last - first + 1 {
		s.chat.Say(floodGroup, "", "alice", "win big")
	}
	had := len(s.stored())
	act := func(f func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		defer cancel()
		f(ctx)
		time.Sleep(time.Second)
	}
	strike()
	s.until("request taken", 30*time.Minute, func() (ok bool) {
		act(func(ctx context.Context) { ok = s.front.asks(ctx, floodGroup, fmt.Sprintf("%d-%d", first, last)) })
		return ok && len(s.stored()) > had
	})
	id := string(s.stored()[0])
	mine := func() (c shownCard) {
		for _, c := range s.front.cards() {
			if c.id == id && c.approvable {
				return c
			}
		}
		return c
	}
	// Faults are counted in calls, and while Discord's network refuses everything the bot makes one
	// call a minute.
	s.until("card to approve", 30*time.Minute, func() bool { return mine().approvable })
	strike()
	s.until("approved", 30*time.Minute, func() bool {
		act(s.front.press)
		return s.state(id) != bot.Proposed
	})
	strike()
	return id
}

// stored are the requests that the ledger holds, newest first.
func (s *scene) stored() (ids []bot.RequestID) {
	s.t.Helper()
	err := s.ledger.View(s.t.Context(), func(tx bot.Tx) error {
		ids = nil
		all, err := tx.Requests(bot.Query{})
		for _, r := range all {
			ids = append(ids, r.ID)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

func (s *scene) state(id string) bot.State {
	s.t.Helper()
	c, err := s.bot.ShowingNow(s.t.Context(), bot.RequestID(id))
	if err != nil {
		s.t.Fatal(err)
	}
	return c.State
}

// holds checks that each request ended with one outcome a message and, where it can still be shown,
// one receipt: on Slack copies of it are allowed, that are the same.
func (s *scene) holds(ids []string, shown bool, copies bool) {
	s.t.Helper()
	for _, id := range ids {
		if got := s.state(id); got != bot.Done {
			s.t.Errorf("%s is %s", id, got)
		}
		var receipts []string
		for _, r := range s.front.receipts() {
			if m := receiptOf.FindStringSubmatch(r); m != nil && m[2] == id {
				receipts = append(receipts, r)
				flat := strings.Join(strings.Fields(strings.ReplaceAll(r, "│", " ")), " ")
				if sum := receiptOK.FindStringSubmatch(flat); sum == nil || sum[1] != sum[2] {
					s.t.Errorf("the receipt of %s does not call every message recalled:\n%s", id, r)
				}
			}
		}
		if shown && len(receipts) == 0 {
			s.t.Errorf("%s has no receipt", id)
		}
		if n := len(receipts); n > 1 && !copies || len(slices.Compact(receipts)) > 1 {
			s.t.Errorf("%s has %d receipts:\n%s", id, n, strings.Join(receipts, "\n"))
		}
		cards := slices.DeleteFunc(s.front.cards(), func(c shownCard) bool { return c.id != id })
		if shown && (len(cards) == 0 || !strings.Contains(cards[len(cards)-1].picture, "✅") ||
			cards[len(cards)-1].approvable) {
			s.t.Errorf("the card of %s shows %v", id, cards)
		}
	}
	var v bot.Verifier
	asked, approved := map[bot.RequestID]int{}, map[bot.RequestID]int{}
	err := s.ledger.View(s.t.Context(), func(tx bot.Tx) error {
		entries, err := tx.Entries(1, 1_000_000)
		for _, e := range entries {
			if err := v.Next(e); err != nil {
				return err
			}
			switch e.What {
			case "asked":
				asked[e.Request]++
			case "approved":
				approved[e.Request]++
			case "api":
				if isRecall(e) && approved[e.Request] == 0 {
					return fmt.Errorf("entry %d: a call for %s without an approval", e.N, e.Request)
				}
			}
		}
		return err
	})
	if err := errors.Join(err, v.End()); err != nil {
		s.t.Errorf("audit: %v", err)
	}
	if len(asked) != len(ids) {
		s.t.Errorf("%d requests were asked for, want %d", len(asked), len(ids))
	}
	for _, id := range ids {
		if n, m := asked[bot.RequestID(id)], approved[bot.RequestID(id)]; n != 1 || m != 1 {
			s.t.Errorf("%s was asked for %d times and approved %d times", id, n, m)
		}
	}
	if twice := s.chat.RecalledMoreThanOnce(); len(twice) > 0 {
		s.t.Errorf("recalled twice: %v", twice)
	}
}

// trouble is what can go wrong with a platform, for a while.
type trouble struct {
	name    string
	slack   func(w *slacktest.Workspace)
	discord func(g *discordtest.Guild)
	copies  bool // Slack has nothing by which a post that was made could be told from one that was not
}

// calls is a fault of the next calls.
func calls(name string, s slacktest.Fault, d discordtest.Fault) trouble {
	return trouble{
		name:    name,
		slack:   func(w *slacktest.Workspace) { w.Fail("*", 4, s) },
		discord: func(g *discordtest.Guild) { g.Fail("* /**", 4, d) },
	}
}

var troubles = []trouble{
	calls("429 with Retry-After", slacktest.RateLimited(7*time.Second), discordtest.RateLimited(7*time.Second)),
	calls("429 without Retry-After", slacktest.RateLimitedNoHeader(), discordtest.Status(429)),
	calls("5xx", slacktest.ServerError(503), discordtest.Status(502)),
	calls("hang", slacktest.Hang(), discordtest.Hang()),
	calls("reset", slacktest.Reset(), discordtest.Reset()),
	{
		name: "lost answer of a successful post", copies: true,
		slack:   func(w *slacktest.Workspace) { w.Fail("chat.postMessage", 2, slacktest.LoseReply()) },
		discord: func(g *discordtest.Guild) { g.Fail("POST /**", 2, discordtest.ReplyLost()) },
	},
	{name: "websocket dropped", slack: (*slacktest.Workspace).DropTCP, discord: (*discordtest.Guild).Drop},
	{
		name:  "half-open",
		slack: (*slacktest.Workspace).HalfOpen,
		discord: func(g *discordtest.Guild) {
			g.Silence(true)
			g.Silence(false)
		},
	},
	{
		name: "reconnect storm",
		slack: func(w *slacktest.Workspace) {
			for range 50 {
				w.Disconnect(slacktest.Warning)
				time.Sleep(200 * time.Millisecond)
			}
		},
		discord: func(g *discordtest.Guild) {
			for range 50 {
				g.Reconnect()
				time.Sleep(200 * time.Millisecond)
			}
		},
	},
}

// each runs fn on both platforms, in a bubble.
func each(t *testing.T, fn func(t *testing.T, p bot.Platform)) {
	for _, p := range []bot.Platform{slack.ID, discord.ID} {
		t.Run(string(p), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fn(t, p) })
		})
	}
}

func (s *scene) strike(x trouble) {
	if s.slack != nil {
		x.slack(s.slack)
	} else {
		x.discord(s.discord)
	}
}

// TestTrouble lets one thing go wrong with the platform, before each act of the people and while
// the request runs. Everything is done once, and everybody is told.
func TestTrouble(t *testing.T) {
	for _, x := range troubles {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, p bot.Platform) {
				s := newScene(t, p)
				id := s.recalls(1, 60, func() { s.strike(x) })
				s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
				time.Sleep(10 * time.Minute)
				s.holds([]string{id}, true, x.copies && p == slack.ID)
			})
		})
	}
}

// TestTroubles mixes all of it at random.
func TestTroubles(t *testing.T) {
	seed := *troubleSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	runs := 2
	if *long {
		runs = 200
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			again(t, "troubleseed", seed)
			each(t, func(t *testing.T, p bot.Platform) {
				rng := rand.New(rand.NewPCG(seed, uint64(run)))
				s := newScene(t, p)
				var ids []string
				for i := range 3 {
					ids = append(ids, s.recalls(i*100+1, i*100+100, func() {
						for range 1 + rng.IntN(3) {
							s.strike(troubles[rng.IntN(len(troubles))])
						}
					}))
				}
				for _, id := range ids {
					s.until("end", time.Hour, func() bool { return s.state(id) == bot.Done })
				}
				time.Sleep(30 * time.Minute)
				s.holds(ids, true, true)
			})
		})
	}
}

// TestEventsTwice delivers every event twice, and once more when all is over, the last first.
func TestEventsTwice(t *testing.T) {
	each(t, func(t *testing.T, p bot.Platform) {
		s := newScene(t, p)
		var again []func()
		if s.slack != nil {
			s.slack.Set(func(w *slacktest.Workspace) { w.Duplicate = true })
		}
		known := 0
		repeat := func() { // on Discord: what came since the last time, the newest first
			if s.discord == nil {
				return
			}
			all := s.discord.Interactions()
			for _, i := range slices.Backward(all[known:]) {
				s.discord.Redispatch(i)
				again = append(again, func() { s.discord.Redispatch(i) })
			}
			known = len(all)
		}
		id := s.recalls(1, 60, repeat)
		s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
		for _, f := range slices.Backward(again) {
			f()
		}
		time.Sleep(10 * time.Minute)
		s.holds([]string{id}, true, false)
	})
}

// TestAnyReplica has three replicas on one ledger. Whichever of them gets an event, and whichever
// gets it again, acts on it; together they act once.
func TestAnyReplica(t *testing.T) {
	for name, byHTTP := range map[string]bool{"connected": false, "by HTTP": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, p bot.Platform) {
				s := newSceneOf(t, p, 3, byHTTP)
				known := 0
				again := func() {
					if s.discord == nil {
						return
					}
					all := s.discord.Interactions()
					for _, i := range all[known:] {
						if byHTTP {
							s.discord.Replay(t.Context(), i)
						} else {
							s.discord.Redispatch(i)
						}
					}
					known = len(all)
				}
				if s.slack != nil {
					s.slack.Set(func(w *slacktest.Workspace) { w.Duplicate = true })
					if n := len(s.slack.Sockets()); (n >= 3) != !byHTTP {
						t.Errorf("%d sockets of three replicas", n)
					}
				}
				var ids []string
				for i := range 4 {
					ids = append(ids, s.recalls(i*20+1, i*20+20, again))
				}
				for _, id := range ids {
					s.until("end", time.Minute, func() bool { return s.state(id) == bot.Done })
				}
				again()
				time.Sleep(time.Minute)
				s.holds(ids, true, false)
			})
		})
	}
}

// TestStopOvertakes delivers an approver's stop before the approval that it was meant for: it
// rejects the request, and the approval comes too late.
func TestStopOvertakes(t *testing.T) {
	each(t, func(t *testing.T, p bot.Platform) {
		s, id := proposed(t, p)
		approval := s.stale()
		s.stop(id)
		approval()
		time.Sleep(time.Minute)
		if got := s.state(id); got != bot.Rejected {
			t.Errorf("a stop before the approval made it %s", got)
		}
		if gone := s.chat.RecalledSeqs(floodGroup, ""); len(gone) > 0 {
			t.Errorf("%v are recalled", gone)
		}
	})
}

// TestEventsOutOfOrder delivers the approval of an older card after the newer one's, and then a
// stop. Each is answered by what is so when it comes; nothing runs twice.
func TestEventsOutOfOrder(t *testing.T) {
	each(t, func(t *testing.T, p bot.Platform) {
		s, id := proposed(t, p)
		late := s.stale()
		s.front.press(t.Context())
		s.until("end", time.Minute, func() bool { return s.state(id) == bot.Done })
		late()
		s.stop(id)
		time.Sleep(time.Minute)
		s.holds([]string{id}, true, false)
	})
}

// proposed returns a scene in which three messages wait for an approval.
func proposed(t *testing.T, p bot.Platform) (s *scene, id string) {
	s = newScene(t, p)
	for range 3 {
		s.chat.Say(floodGroup, "", "alice", "win big")
	}
	if !s.front.asks(t.Context(), floodGroup, "1-3") {
		t.Fatal("not taken")
	}
	time.Sleep(5 * time.Second)
	return s, string(s.stored()[0])
}

// stop lets Theo stop the request by a command.
func (s *scene) stop(id string) {
	if s.slack != nil {
		s.slack.Command("UTHEO", "CTRUST", "/recalls", "stop "+id)
	} else {
		s.discord.Command(guildTheo, guildTrust, "recalls stop", discordtest.Opt("id", id))
	}
	time.Sleep(5 * time.Second)
}

// stale returns a press of Approve on the card as it is shown now, whatever it shows by then.
func (s *scene) stale() func() {
	if s.slack != nil {
		card := s.slack.Messages("CTRUST")[0]
		return func() { s.slack.PressStale("UTHEO", card, card.Buttons()[0].ActionID) }
	}
	card := s.discord.Messages(guildTrust)[0]
	b, _ := card.Button("Approve")
	return func() { s.discord.PressStale(guildTheo, card, b.CustomID) }
}

// TestDeleted lets somebody delete the card, the thread, or the whole channel while a request runs.
// It runs to its end, and is told wherever that is possible.
func TestDeleted(t *testing.T) {
	for _, test := range []struct {
		name    string
		shown   bool
		slack   func(w *slacktest.Workspace)
		discord func(g *discordtest.Guild)
	}{
		{
			"card", true,
			func(w *slacktest.Workspace) { w.DeleteMessage(w.Messages("CTRUST")[0].Ref()) },
			func(g *discordtest.Guild) { g.Delete(g.Messages(guildTrust)[0].Ref()) },
		},
		{
			"thread", true, // as soon as there is something in it, while the receipt is on its way
			func(w *slacktest.Workspace) {
				w.Set(func(w *slacktest.Workspace) { w.Latency = 50 * time.Millisecond })
				card := w.Messages("CTRUST")[0]
				for len(w.Thread("CTRUST", card.TS)) == 0 {
					time.Sleep(time.Millisecond)
				}
				for _, m := range w.Thread("CTRUST", card.TS) {
					w.DeleteMessage(m.Ref())
				}
			},
			func(g *discordtest.Guild) {
				g.Fail("POST /channels/*/messages", -1, discordtest.Slow(50*time.Millisecond))
				for len(g.Threads(guildTrust)) == 0 || len(g.Thread(g.Threads(guildTrust)[0].ID)) == 0 {
					time.Sleep(time.Millisecond)
				}
				g.DeleteChannel(g.Threads(guildTrust)[0].ID)
			},
		},
		{
			"channel", false,
			func(w *slacktest.Workspace) {
				w.AddChannel(slacktest.Channel{ID: "CTRUST", Name: "trust", Members: []string{"UMINA", "UTHEO"},
					Archived: true})
			},
			func(g *discordtest.Guild) { g.DeleteChannel(guildTrust) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			each(t, func(t *testing.T, p bot.Platform) {
				s := newScene(t, p)
				strikes := 0
				id := s.recalls(1, 400, func() {
					if strikes++; strikes == 3 {
						time.Sleep(2 * time.Second)
						if got := s.state(string(s.stored()[0])); got != bot.Running {
							t.Fatalf("it is %s already: this shows nothing", got)
						}
						s.strike(trouble{slack: test.slack, discord: test.discord})
					}
				})
				s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
				time.Sleep(10 * time.Minute)
				s.holds([]string{id}, test.shown, false)
			})
		})
	}
}

// TestDatabaseAway takes the database away for 30 s while a request runs and another waits for its
// approval. Who presses meanwhile is told to try again, and nothing of it is done; over the
// Gateway, which no replica holds without the database for longer than its lease, the first seconds
// count. All of it goes on by itself. Once the database refuses, once it does not answer at all.
func TestDatabaseAway(t *testing.T) {
	for name, test := range map[string]struct{ byHTTP, silent bool }{
		"connected": {false, false}, "by HTTP": {true, false}, "connected, silent": {false, true},
		"by HTTP, silent": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, p bot.Platform) {
				s := newSceneOf(t, p, 2, test.byHTTP)
				s.silent = test.silent
				running := s.recalls(1, 200, func() {})
				for range 10 {
					s.chat.Say(floodGroup, "", "alice", "win big")
				}
				s.until("request taken", time.Minute,
					func() bool { return s.front.asks(t.Context(), floodGroup, "201-210") })
				s.until("request stored", time.Minute, func() bool { return len(s.stored()) == 2 })
				waiting := string(s.stored()[0])
				s.until("card", time.Minute,
					func() bool { c := s.front.cards(); return c[len(c)-1].id == waiting && c[len(c)-1].approvable })
				if s.state(running) == bot.Done {
					t.Fatal("it is done already: this shows nothing")
				}
				s.away.Store(true)
				time.Sleep(2 * time.Second)
				s.front.press(t.Context())
				time.Sleep(time.Second)
				if told := s.front.told(); strings.Count(told, "nothing was done. Please try again") != 1 {
					t.Errorf("Theo is told:\n%s", told)
				}
				time.Sleep(27 * time.Second)
				s.away.Store(false)
				if got := s.state(waiting); got != bot.Proposed {
					t.Errorf("a press that could not be stored made it %s", got)
				}
				time.Sleep(5 * time.Second)
				s.until("approved", time.Minute,
					func() bool { s.front.press(t.Context()); return s.state(waiting) != bot.Proposed })
				for _, id := range []string{running, waiting} {
					s.until("end", 10*time.Minute, func() bool { return s.state(id) == bot.Done })
				}
				time.Sleep(time.Minute)
				s.holds([]string{running, waiting}, true, false)
			})
		})
	}
}
