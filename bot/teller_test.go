package bot_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
)

// strict is a platform that forbids for a while: the bot was put out of the channel, or the channel archived.
type strict struct {
	*screen
	mu    sync.Mutex
	no    map[string]error // by call: what it answers
	calls map[string]int
}

func (s *strict) forbid(err error, calls ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.no)
	clear(s.calls)
	for _, c := range calls {
		s.no[c] = err
	}
}

func (s *strict) made(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *strict) meet(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call]++
	return s.no[call]
}

func (s *strict) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	if err := s.meet("post"); err != nil {
		return bot.Ref{}, err
	}
	return s.screen.Post(ctx, at, c, key)
}

func (s *strict) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if err := s.meet("edit"); err != nil {
		return err
	}
	return s.screen.Edit(ctx, ref, c)
}

func (s *strict) Reply(ctx context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	if err := s.meet("reply"); err != nil {
		return bot.Ref{}, err
	}
	return s.screen.Reply(ctx, at, n)
}

var errNotIn = fmt.Errorf("not_in_channel: %w", bot.ErrForbidden)

// strictHouse is a house on a strict platform, whose log is kept. skip lets days pass for its ledger.
func strictHouse(t *testing.T) (h *house, s *strict, log *bytes.Buffer, skip func(time.Duration)) {
	var skipped atomic.Int64
	log = &bytes.Buffer{}
	h = newHouseWith(t, func(h *house) {
		s = &strict{screen: h.screen, no: map[string]error{}, calls: map[string]int{}}
		h.surface = s
		h.clock = func() time.Time { return time.Now().Add(time.Duration(skipped.Load())) }
	}, func(o *bot.Options) {
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	h.say(3)
	return h, s, log, func(d time.Duration) { skipped.Add(int64(d)) }
}

// noted is the keys of what stands in the thread of a card, in order.
func (h *house) noted(id bot.RequestID) string {
	h.screen.mu.Lock()
	defer h.screen.mu.Unlock()
	var keys []string
	for _, n := range h.screen.notes[string(id)] {
		keys = append(keys, strings.TrimPrefix(n.Key, string(id)+"/"))
	}
	return strings.Join(keys, " ")
}

// TestForbiddenForAWhile: what is forbidden is told once it is allowed again, in order, and the text goes from the card when it is time. Until then it is tried ever more seldom, and the
// log is told once.
func TestForbiddenForAWhile(t *testing.T) {
	for _, test := range []struct {
		name  string
		calls []string // are forbidden
		soon  string   // what stands in the thread while they are
	}{
		{"the card", []string{"edit"}, "outcomes receipt"},
		{"the thread", []string{"reply"}, ""},
		{"all", []string{"post", "edit", "reply"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, log, skip := strictHouse(t)
				c := h.proposed(testGroup + " 1-3")
				s.forbid(errNotIn, test.calls...)
				h.press("UTHEO", bot.ActApprove, c)
				h.pass(time.Hour)
				if got := h.noted(c.ID); got != test.soon {
					t.Errorf("meanwhile the thread has %q, want %q", got, test.soon)
				}
				for _, call := range test.calls {
					if n := s.made(call); n > 18 {
						t.Errorf("%d calls of %s in an hour in which it was forbidden", n, call)
					}
				}
				if n := strings.Count(log.String(), "not_in_channel"); n != 1 {
					t.Errorf("the log was told %d times:\n%s", n, log)
				}
				s.forbid(nil)
				h.pass(10 * time.Minute)
				if got := h.noted(c.ID); got != "outcomes receipt" {
					t.Errorf("the thread has %q", got)
				}
				if got := h.screen.card(c.ID); got.State != bot.Done || len(got.Samples) != 3 || len(got.Samples[0].Text) == 0 {
					t.Errorf("the card shows %s and %v", got.State, got.Samples)
				}

				h.pass(30 * time.Minute)
				s.forbid(errNotIn, "edit")
				skip(720 * time.Hour)
				h.pass(time.Hour)
				s.forbid(nil)
				h.pass(10 * time.Minute)
				for _, m := range h.screen.card(c.ID).Samples {
					if len(m.Text) > 0 {
						t.Errorf("after EVIDENCE_TTL the card shows %v", m.Text)
					}
				}
				if n := strings.Count(log.String(), "not_in_channel"); n != 2 {
					t.Errorf("after another time the log was told %d times", n)
				}
			})
		})
	}
}

// TestCardForbiddenAtFirst: a card that may not be posted is posted once it may, and what waits for it follows, with no look at the ledger every second meanwhile.
func TestCardForbiddenAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		s.forbid(errNotIn, "post")
		id := h.ask("UMINA", testGroup+" 1-3")
		h.pass(4 * time.Hour) // it expires: the receipt waits for the card
		var posts []bot.Post
		err := h.ledger.View(t.Context(), func(tx bot.Tx) (err error) {
			posts, err = tx.Posts(bot.Slack, 10)
			return err
		})
		if err != nil || len(posts) != 1 || time.Until(posts[0].After) <= time.Second {
			t.Errorf("%v, %+v: want one that waits as long as its card", err, posts)
		}
		s.forbid(nil)
		h.pass(10 * time.Minute)
		if got := h.screen.card(id).State; got != bot.Expired || h.noted(id) != "receipt" {
			t.Errorf("the card shows %s, the thread has %q", got, h.noted(id))
		}
	})
}

// TestForbiddenForGood: what stays forbidden is tried until a week after the text was to go from the card, and then no more.
func TestForbiddenForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, skip := strictHouse(t)
		c := h.proposed(testGroup + " 1-3")
		s.forbid(errNotIn, "post", "edit", "reply")
		h.press("UTHEO", bot.ActApprove, c)
		h.pass(time.Minute)
		skip(720*time.Hour + 7*24*time.Hour - time.Hour)
		h.pass(30 * time.Minute)
		for _, further := range []bool{true, false} {
			s.forbid(errNotIn, "post", "edit", "reply")
			h.pass(20 * time.Minute)
			if edits, replies := s.made("edit"), s.made("reply"); further != (edits > 0) || further != (replies > 0) {
				t.Errorf("%d edits and %d replies in twenty minutes %s the end", edits, replies, map[bool]string{true: "before", false: "after"}[further])
			}
			h.pass(30 * time.Minute)
		}
	})
}

// TestThreadGone: what could not be told while the thread was gone is told when the card stands anew, however often it was tried before.
func TestThreadGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		c := h.proposed(testGroup + " 1-3")
		s.forbid(errNotIn, "edit", "reply")
		h.press("UTHEO", bot.ActApprove, c)
		h.pass(time.Hour)
		s.forbid(fmt.Errorf("somebody deleted the card: %w", bot.ErrGone), "edit", "reply")
		h.pass(time.Hour)
		if n := s.made("post"); n == 0 || n > 12 {
			t.Errorf("the card was posted %d times", n)
		}
		s.forbid(nil)
		h.pass(10 * time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}

// TestThreadGoneInCrowd: what is to be told under a deleted card is told, however many requests wait for their turn before it.
func TestThreadGoneInCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		c := h.proposed(testGroup + " 1-3")
		s.forbid(errNotIn, "reply")
		h.press("UTHEO", bot.ActApprove, c)
		h.pass(time.Hour)

		var crowd []bot.Post
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			r, err := tx.Request(c.ID)
			if err != nil {
				return err
			}
			r.State, r.Digest, r.Approvals = bot.Refused, "", nil
			for i := range 1001 {
				r.ID = bot.RequestID(fmt.Sprintf("R-C%05d", i))
				p := bot.Post{Request: r.ID, Place: r.Place, Key: string(r.ID) + "/receipt", Kind: bot.PostReceipt, After: tx.Now().Add(30 * time.Second)}
				if err := tx.AddRequest(r); err != nil {
					return err
				}
				if err := tx.AddPost(p); err != nil {
					return err
				}
				crowd = append(crowd, p)
			}
			s.forbid(fmt.Errorf("somebody deleted the card: %w", bot.ErrGone), "edit", "reply")
			tx.Wake(bot.WakeTeller)
			return tx.Want(c.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		h.pass(10 * time.Second)
		err = h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			for _, p := range crowd {
				p.Posted = true
				if err := tx.PutPost(p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.forbid(nil)
		h.pass(15 * time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}

// slowScreen is a platform on which one call takes until it is let go, whatever its context says.
type slowScreen struct {
	*screen
	call    string
	began   chan struct{}
	release chan struct{}
	mu      sync.Mutex
	calls   int
}

func (s *slowScreen) wait(call string) {
	if call != s.call {
		return
	}
	s.mu.Lock()
	s.calls++
	first := s.calls == 1
	s.mu.Unlock()
	if first {
		close(s.began)
		<-s.release
	}
}

func (s *slowScreen) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if c.State == bot.Done {
		s.wait("edit")
	}
	return s.screen.Edit(ctx, ref, c)
}

func (s *slowScreen) Reply(ctx context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	if strings.HasSuffix(n.Key, "/receipt") {
		s.wait("reply")
	}
	return s.screen.Reply(ctx, at, n)
}

// leases is a ledger that shows under which lease the teller works.
type leases struct {
	bot.Ledger
	teller bot.Lease
}

func (l *leases) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	lease, err := l.Ledger.Acquire(ctx, name, holder, ttl)
	if name == "teller/slack" && err == nil {
		l.teller = lease
	}
	return lease, err
}

// TestTellerFenced: a call that was on its way when the lease passed to another process stores nothing any more. It is told again.
func TestTellerFenced(t *testing.T) {
	for _, call := range []string{"edit", "reply"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowScreen{call: call, began: make(chan struct{}), release: make(chan struct{})}
				var held *leases
				h := newHouseWith(t, func(h *house) {
					s.screen = h.screen
					h.surface = s
				}, func(o *bot.Options) {
					held = &leases{Ledger: o.Ledger}
					o.Ledger = held
				})
				h.say(3)
				c := h.proposed(testGroup + " 1-3")
				h.press("UTHEO", bot.ActApprove, c)
				<-s.began
				if err := h.ledger.Release(t.Context(), held.teller); err != nil {
					t.Fatal(err)
				}
				other, err := h.ledger.Acquire(t.Context(), "teller/slack", "another", time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				close(s.release)
				synctest.Wait()
				var stale, waiting int
				err = h.ledger.View(t.Context(), func(tx bot.Tx) error {
					views, err := tx.Views(bot.Slack, 10)
					if err != nil {
						return err
					}
					posts, err := tx.Posts(bot.Slack, 10)
					stale, waiting = len(views), len(posts)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if call == "edit" && stale == 0 || call == "reply" && waiting == 0 {
					t.Errorf("it was stored as told: %d stale cards, %d posts wait", stale, waiting)
				}
				if err := h.ledger.Release(t.Context(), other); err != nil {
					t.Fatal(err)
				}
				h.pass(time.Minute)
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.calls < 2 {
					t.Error("it was not told again")
				}
			})
		})
	}
}
