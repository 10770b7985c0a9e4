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

	"recallbot/adapters"
	"recallbot/adapters/platform"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/config"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

var troubleSeed = flag.Uint64("troubleseed", 0, "seed of TestTroubles; 0: a new one, which is printed")

// scene is the bot with the adapter of one platform, in a bubble's time, and the people there.
type scene struct {
	t      *testing.T
	chat   *recalltest.Service
	bot    *bottest.Engine // of the first replica
	ledger *ledger.Ledger
	*site.Front
	away   atomic.Bool // the database, from every replica
	silent bool        // and then it does not even refuse
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

// newScene has one replica, which is connected.
func newScene(t *testing.T, p bot.Platform) *scene { return newSceneOf(t, p, 1, false) }

// newSceneOf has several replicas on one ledger; by HTTP each event goes to the next of them.
func newSceneOf(t *testing.T, p bot.Platform, replicas int, byHTTP bool) *scene {
	s := &scene{t: t, chat: recalltest.New(recalltest.Options{Latency: 100 * time.Millisecond})}
	s.chat.AddGroup(recalltest.Group{ID: site.Group, Type: "Public", Name: "Casino talk", Members: 2})
	var err error
	if s.ledger, err = ledger.Open(context.Background(), "sqlite::memory:", ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.Front, err = site.NewFront(p); err != nil {
		t.Fatal(err)
	}
	c, err := s.config(byHTTP)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended []chan error
	run := func(f func(context.Context) error) {
		end := make(chan error, 1)
		ended = append(ended, end)
		go func() { end <- f(ctx) }()
	}
	var handlers []http.Handler
	var all []platform.Adapter
	for i := range replicas {
		b := s.replica(fmt.Sprint("replica ", i), c.Policy.Crowds)
		if i == 0 {
			s.bot = b
		}
		a, err := s.Platform.Open(platform.Wiring{Settings: c.Platforms[p], Bot: b, Log: slog.New(slog.DiscardHandler),
			Client: s.Home.Client(), Dial: s.Home.Dial})
		if err != nil {
			t.Fatal(err)
		}
		b.Attach(a)
		all = append(all, a)
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
		s.Home.Close()
		s.chat.Close()
		if err := s.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	var turn atomic.Int64
	balancer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[int(turn.Add(1))%len(handlers)].ServeHTTP(w, r)
	})
	if byHTTP {
		s.Home.Deliver(balancer)
	}
	time.Sleep(5 * time.Second)
	for i, a := range all {
		if words, _ := a.Trouble(); words != "" || !s.Home.Connected(byHTTP) {
			t.Fatalf("replica %d is not connected: %s", i, words)
		}
	}
	return s
}

// config is what the platform's environment says.
func (s *scene) config(byHTTP bool) (config.Config, error) {
	env := append(s.Env(byHTTP), fmt.Sprint("CHAT_SDK_APP_ID=", s.chat.SDKAppID()),
		"CHAT_SECRET_KEY="+s.chat.SecretKey(), "CHAT_BASE_URL="+recalltest.URL)
	return config.Load(s.t.Context(), env, adapters.Configurations())
}

// replica makes the bot of one.
func (s *scene) replica(name string, crowds map[bot.Platform]bot.Crowd) *bottest.Engine {
	s.t.Helper()
	client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(s.chat.SDKAppID()), SecretKey: s.chat.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: s.chat.Client(), CallsPerSecond: 10})
	if err != nil {
		s.t.Fatal(err)
	}
	policy := bot.DefaultPolicy()
	policy.LargeFrom, policy.ApproveWithin = 1000, 24*time.Hour
	policy.Crowds = crowds
	b, err := bottest.NewEngine(bot.Options{App: recall.SDKAppID(s.chat.SDKAppID()),
		Ledger: distant{Ledger: s.ledger, away: &s.away, silent: &s.silent}, Chat: client, Policy: policy,
		CallsPerSecond: 10, Holder: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *scene) until(what string, within time.Duration, ok func() bool) {
	s.t.Helper()
	began := time.Now()
	for pause := 100 * time.Millisecond; !ok(); time.Sleep(pause) {
		if time.Since(began) > 10*time.Second {
			pause = time.Second
		}
		if time.Since(began) > within {
			s.t.Fatalf("waited %v for: %s; the channel shows\n%v", within, what, s.Cards())
		}
	}
}

// recalls lets people ask for messages and approve, again until it is taken, and returns the
// request's id. The trouble strikes before each of their acts and while the request runs.
func (s *scene) recalls(first, last int, strike func()) string {
	s.t.Helper()
	for range last - first + 1 {
		s.chat.Say(site.Group, "", "alice", "win big")
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
		act(func(ctx context.Context) { ok = s.Asks(ctx, site.Group, fmt.Sprintf("%d-%d", first, last)) })
		return ok && len(s.stored()) > had
	})
	id := string(s.stored()[0])
	mine := func() (c site.Card) {
		for _, c := range s.Cards() {
			if c.ID == id && c.Approvable {
				return c
			}
		}
		return c
	}
	// Faults are counted in calls, and while a platform refuses everything the bot may make one
	// call a minute.
	s.until("card to approve", 30*time.Minute, func() bool { return mine().Approvable })
	strike()
	s.until("approved", 30*time.Minute, func() bool {
		act(s.ApprovesNewest)
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
// one receipt; where copies of it are allowed, they are the same.
func (s *scene) holds(ids []string, shown bool, copies bool) {
	s.t.Helper()
	for _, id := range ids {
		if got := s.state(id); got != bot.Done {
			s.t.Errorf("%s is %s", id, got)
		}
		var receipts []string
		for _, r := range s.Receipts() {
			if m := receiptOf.FindStringSubmatch(r); m != nil && m[2] == id {
				receipts = append(receipts, r)
				flat := site.Flat(r)
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
		cards := slices.DeleteFunc(s.Cards(), func(c site.Card) bool { return c.ID != id })
		if shown && (len(cards) == 0 || !strings.Contains(cards[len(cards)-1].Picture, "✅") ||
			cards[len(cards)-1].Approvable) {
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

// each runs fn on each platform, in a bubble.
func each(t *testing.T, fn func(t *testing.T, p bot.Platform)) {
	for _, p := range adapters.IDs() {
		t.Run(string(p), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { fn(t, p) })
		})
	}
}

// eachTrouble runs fn for each trouble of each platform, in a bubble. The list is made twice: once
// for the names.
func eachTrouble(t *testing.T, list func(bottest.Home) []bottest.Trouble,
	fn func(t *testing.T, s *scene, x bottest.Trouble)) {
	for _, p := range adapters.IDs() {
		f, err := site.NewFront(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range list(f.Home) {
			t.Run(string(p)+"/"+x.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t, p)
					fn(t, s, list(s.Home)[i])
				})
			})
		}
		f.Home.Close()
	}
}

// TestTrouble lets one thing go wrong with the platform, before each act of the people and while
// the request runs. Everything is done once, and everybody is told.
func TestTrouble(t *testing.T) {
	eachTrouble(t, bottest.Home.Troubles, func(t *testing.T, s *scene, x bottest.Trouble) {
		id := s.recalls(1, 60, x.Strike)
		s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
		time.Sleep(10 * time.Minute)
		s.holds([]string{id}, true, x.Copies)
	})
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
				troubles := s.Home.Troubles()
				var ids []string
				for i := range 3 {
					ids = append(ids, s.recalls(i*100+1, i*100+100, func() {
						for range 1 + rng.IntN(3) {
							troubles[rng.IntN(len(troubles))].Strike()
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

// repeats are the people of a front whose every deed is delivered once more as soon as it was
// answered, and is kept.
type repeats struct {
	bottest.People
	deeds []bottest.Deed
}

// twice is a deed that is delivered again.
type twice struct {
	bottest.Deed
	of *repeats
}

func (d twice) Wait(ctx context.Context) error {
	err := d.Deed.Wait(ctx)
	d.of.deeds = append(d.of.deeds, d.Deed)
	if again := d.Again(); again.Problem() != "" {
		return errors.New(again.Problem())
	}
	return err
}

func (r *repeats) Type(user, channel, line string) bottest.Deed {
	return twice{r.People.Type(user, channel, line), r}
}

func (r *repeats) Press(user string, on bot.Ref, label string) bottest.Deed {
	return twice{r.People.Press(user, on, label), r}
}

func (r *repeats) Send(user string, f bottest.Form, values map[string]string) bottest.Deed {
	return twice{r.People.Send(user, f, values), r}
}

// TestEventsTwice delivers every event twice, and once more when all is over, the last first.
func TestEventsTwice(t *testing.T) {
	each(t, func(t *testing.T, p bot.Platform) {
		s := newScene(t, p)
		r := &repeats{People: s.People}
		s.People = r
		id := s.recalls(1, 60, func() {})
		s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
		if len(r.deeds) < 2 {
			t.Fatalf("%d deeds: this shows nothing", len(r.deeds))
		}
		for _, d := range slices.Backward(r.deeds) {
			d.Again()
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
				r := &repeats{People: s.People}
				s.People = r
				var ids []string
				for i := range 4 {
					ids = append(ids, s.recalls(i*20+1, i*20+20, func() {}))
				}
				for _, id := range ids {
					s.until("end", time.Minute, func() bool { return s.state(id) == bot.Done })
				}
				for _, d := range r.deeds {
					d.Again()
				}
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
		if gone := s.chat.RecalledSeqs(site.Group, ""); len(gone) > 0 {
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
		s.ApprovesNewest(t.Context())
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
		s.chat.Say(site.Group, "", "alice", "win big")
	}
	if !s.Asks(t.Context(), site.Group, "1-3") {
		t.Fatal("not taken")
	}
	time.Sleep(5 * time.Second)
	return s, string(s.stored()[0])
}

// stop lets Theo stop the request by a command.
func (s *scene) stop(id string) {
	s.Type(s.Theo, s.Trust, "/recalls stop "+id)
	time.Sleep(5 * time.Second)
}

// stale returns a press of Approve on the card as it is shown now, whatever it shows by then.
func (s *scene) stale() func() {
	card := s.Channel(s.Trust)[0]
	return func() { s.PressOlder(s.Theo, card, "Approve") }
}

// TestDeleted lets somebody delete the card, the thread, or the whole channel while a request runs.
// It runs to its end, and is told wherever that is possible.
func TestDeleted(t *testing.T) {
	eachTrouble(t, bottest.Home.Deletions, func(t *testing.T, s *scene, x bottest.Trouble) {
		strikes := 0
		id := s.recalls(1, 400, func() {
			if strikes++; strikes == 3 {
				time.Sleep(2 * time.Second)
				if got := s.state(string(s.stored()[0])); got != bot.Running {
					t.Fatalf("it is %s already: this shows nothing", got)
				}
				x.Strike()
			}
		})
		s.until("end", 30*time.Minute, func() bool { return s.state(id) == bot.Done })
		time.Sleep(10 * time.Minute)
		s.holds([]string{id}, !x.Unseen, false)
	})
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
					s.chat.Say(site.Group, "", "alice", "win big")
				}
				s.until("request taken", time.Minute,
					func() bool { return s.Asks(t.Context(), site.Group, "201-210") })
				s.until("request stored", time.Minute, func() bool { return len(s.stored()) == 2 })
				waiting := string(s.stored()[0])
				s.until("card", time.Minute,
					func() bool { c := s.Cards(); return c[len(c)-1].ID == waiting && c[len(c)-1].Approvable })
				if s.state(running) == bot.Done {
					t.Fatal("it is done already: this shows nothing")
				}
				s.away.Store(true)
				time.Sleep(2 * time.Second)
				s.ApprovesNewest(t.Context())
				time.Sleep(time.Second)
				if told := s.Told(s.Theo); strings.Count(told, "nothing was done. Please try again") != 1 {
					t.Errorf("Theo is told:\n%s", told)
				}
				time.Sleep(27 * time.Second)
				s.away.Store(false)
				if got := s.state(waiting); got != bot.Proposed {
					t.Errorf("a press that could not be stored made it %s", got)
				}
				time.Sleep(5 * time.Second)
				s.until("approved", time.Minute,
					func() bool { s.ApprovesNewest(t.Context()); return s.state(waiting) != bot.Proposed })
				for _, id := range []string{running, waiting} {
					s.until("end", 10*time.Minute, func() bool { return s.state(id) == bot.Done })
				}
				time.Sleep(time.Minute)
				s.holds([]string{running, waiting}, true, false)
			})
		})
	}
}
