package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"

	"github.com/google/go-cmp/cmp"
)

// strict is a platform that forbids for a while: the bot was put out of the channel, or the channel
// archived.
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

var (
	errNotIn  = fmt.Errorf("not_in_channel: %w", bot.ErrForbidden)
	errBlocks = fmt.Errorf("invalid_blocks: %w", bot.ErrRefused)
)

// strictHouse is a house on a strict platform, whose log is kept. skip lets days pass for its
// ledger.
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

// TestForbiddenForAWhile: what is forbidden is told once it is allowed again, in order. Until then
// it is tried ever more seldom, and the log is told once.
func TestForbiddenForAWhile(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		calls []string // are forbidden
		soon  string   // what stands in the thread while they are
	}{
		{"the card", errNotIn, []string{"edit"}, "outcomes receipt"},
		{"the thread", errNotIn, []string{"reply"}, ""},
		{"all", errNotIn, []string{"post", "edit", "reply"}, ""},
		{"the card, for what it says", errBlocks, []string{"edit"}, "outcomes receipt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, log, skip := strictHouse(t)
				c := h.proposed(testGroup + " 1-3")
				s.forbid(test.err, test.calls...)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Hour)
				if got := h.noted(c.ID); got != test.soon {
					t.Errorf("meanwhile the thread has %q, want %q", got, test.soon)
				}
				for _, call := range test.calls {
					most := 18
					if errors.Is(test.err, bot.ErrRefused) { // each try is two: with what the messages say, and without
						most *= 2
					}
					if n := s.made(call); n > most {
						t.Errorf("%d calls of %s in an hour in which it was forbidden", n, call)
					}
				}
				told := func() int { return strings.Count(log.String(), test.err.Error()) }
				if n := told(); n != 1 {
					t.Errorf("the log was told %d times:\n%s", n, log)
				}
				s.forbid(nil)
				h.pass(10 * time.Minute)
				if got := h.noted(c.ID); got != "outcomes receipt" {
					t.Errorf("the thread has %q", got)
				}
				if got := h.screen.card(c.ID); got.State != bot.Done {
					t.Errorf("the card shows %s", got.State)
				}

				h.pass(30 * time.Minute)
				s.forbid(test.err, "edit")
				skip(720 * time.Hour)
				h.pass(time.Hour)
				s.forbid(nil)
				h.pass(10 * time.Minute)
				if n := told(); n != 2 {
					t.Errorf("after another time the log was told %d times", n)
				}
			})
		})
	}
}

// whispered is what one person was told alone, a line a line.
func (h *house) whispered(user string) string {
	h.screen.mu.Lock()
	defer h.screen.mu.Unlock()
	var b strings.Builder
	for _, w := range h.screen.alone {
		for _, l := range w.Lines {
			if w.To.User == user && w.At.Channel == "C1" {
				fmt.Fprintln(&b, l)
			}
		}
	}
	return b.String()
}

// TestBarred: the requester of a card that cannot be posted is told alone, within 10 s, why and
// what to do. When nobody can have seen it for a minute the request is taken back, and the
// requester is told that alone.
func TestBarred(t *testing.T) {
	own := &bot.Barred{Why: bot.Line{{Kind: bot.Words, Text: "Invite me."}}, Err: errNotIn}
	for _, test := range []struct {
		name string
		err  error
		says string
	}{
		{"in the platform's words", own, "Invite me."},
		{"forbidden", errNotIn, "Ask whoever manages this channel"},
		{"refused", errBlocks, "The platform does not take this card."},
		{"gone", fmt.Errorf("no channel: %w", bot.ErrGone), "The channel is not there any more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, _, _ := strictHouse(t)
				s.forbid(test.err, "post")
				id := h.ask("UMINA", testGroup+" 1-3")
				h.pass(10 * time.Second)
				if got := h.whispered("UMINA"); !strings.Contains(got, test.says) ||
					!strings.Contains(got, "cannot be posted") || strings.Count(got, "\n") != 1 {
					t.Errorf("after 10 s the requester was told %q", got)
				}
				h.pass(45 * time.Second)
				if got := h.state(id); !got.Open() {
					t.Errorf("before a minute it is %s", got)
				}
				h.pass(10 * time.Second)
				if got := h.state(id); got != bot.Withdrawn {
					t.Errorf("after a minute it is %s", got)
				}
				if got := h.whispered("UMINA"); !strings.Contains(got, "is taken back") ||
					strings.Count(got, test.says) != 2 || strings.Count(got, "\n") != 2 {
					t.Errorf("after a minute the requester was told %q", got)
				}
				if got := h.whispered("UTHEO"); got != "" {
					t.Errorf("another person was told %q", got)
				}
				if e := h.audited("withdrawn"); len(e) != 1 || e[0].Request != id || e[0].Actor != "bot" {
					t.Errorf("it is audited as %+v", e)
				}
				s.forbid(nil)
				h.pass(time.Hour)
				if n := s.made("post"); n != 0 || h.noted(id) != "" {
					t.Errorf("%d posts after it was taken back; the thread has %q", n, h.noted(id))
				}
			})
		})
	}
}

// TestBarredForAMoment: a card that may be posted within the minute stands, and its request goes
// on.
func TestBarredForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		s.forbid(errNotIn, "post")
		id := h.ask("UMINA", testGroup+" 1-3")
		h.pass(20 * time.Second)
		s.forbid(nil)
		h.pass(time.Hour)
		if got := h.screen.card(id).State; got != bot.Expired || h.noted(id) != "reminder receipt" {
			t.Errorf("the card shows %s, the thread has %q", got, h.noted(id))
		}
		if got := h.whispered("UMINA"); strings.Count(got, "\n") != 1 {
			t.Errorf("the requester was told %q", got)
		}
	})
}

// TestBarredAgain: a card that stood, was deleted and then cannot be posted is another trouble, of
// which its requester is told too.
func TestBarredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		s.forbid(errNotIn, "post")
		id := h.ask("UMINA", testGroup+" 1-3")
		h.pass(20 * time.Second)
		s.forbid(nil)
		h.pass(2 * time.Minute)
		s.forbid(fmt.Errorf("deleted: %w", bot.ErrGone), "edit")
		s.mu.Lock()
		s.no["post"] = errNotIn
		s.mu.Unlock()
		h.want(id)
		h.pass(5 * time.Minute)
		if got := h.whispered("UMINA"); strings.Count(got, "The card of") != 2 || h.state(id) != bot.Proposed {
			t.Errorf("the requester was told %q; it is %s", got, h.state(id))
		}
	})
}

// TestBarredLater: a request whose card somebody may have seen is not taken back when the card may
// no longer be posted: it waits until it may.
func TestBarredLater(t *testing.T) {
	for name, seen := range map[string]func(h *house, s *strict, c bot.Card){
		"the answer to the first post was lost": nil,
		"the card was deleted": func(h *house, s *strict, c bot.Card) {
			s.forbid(fmt.Errorf("deleted: %w", bot.ErrGone), "edit")
			s.mu.Lock()
			s.no["post"] = errNotIn
			s.mu.Unlock()
			h.want(c.ID)
		},
		"it was approved": func(h *house, s *strict, c bot.Card) {
			s.forbid(errNotIn, "post")
			h.press("UTHEO", intake.ActApprove, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, _, _ := strictHouse(t)
				var id bot.RequestID
				switch {
				case seen == nil:
					s.forbid(errLost, "post")
					id = h.ask("UMINA", testGroup+" 1-3")
					h.pass(time.Second)
					s.forbid(errNotIn, "post")
				case name == "it was approved":
					s.forbid(errNotIn, "post")
					id = h.ask("UMINA", testGroup+" 1-3")
					h.pass(5 * time.Second)
					c, err := h.bot.ShowingNow(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					seen(h, s, c)
				default:
					c := h.proposed(testGroup + " 1-3")
					id = c.ID
					seen(h, s, c)
				}
				h.pass(5 * time.Minute)
				if got := h.state(id); got == bot.Withdrawn {
					t.Error("it was taken back")
				}
				s.forbid(nil)
				h.pass(time.Hour)
				got := h.whispered("UMINA")
				if !strings.Contains(got, "cannot be posted") {
					t.Errorf("the requester was told %q", got)
				}
				if name == "it was approved" { // by somebody who was shown it alone
					if !strings.Contains(got, "3 messages were requested = 3 recalled") {
						t.Errorf("the requester was told %q", got)
					}
					return
				}
				if got := h.screen.card(id).State; got.Open() || !strings.HasSuffix(h.noted(id), "receipt") {
					t.Errorf("the card shows %s, the thread has %q", got, h.noted(id))
				}
			})
		})
	}
}

// want has the teller draw a request again.
func (h *house) want(id bot.RequestID) {
	h.t.Helper()
	err := h.ledger.Tx(h.t.Context(), func(tx bot.Tx) error {
		tx.Wake(bot.WakeTeller)
		return tx.Want(id)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// board is a platform whose cards can be deleted, which knows a message by its key.
type board struct {
	*screen
	mu    sync.Mutex
	stand map[string]bool // by message
	calls []string        // the groups that posts and notes called, and the keys of cards
}

func (b *board) Post(_ context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.screen.Post(context.Background(), at, c, key)
	b.stand[key] = true
	b.calls = append(b.calls, fmt.Sprint(strings.TrimPrefix(key, string(c.ID)), c.Notify))
	return bot.Ref{Channel: at.Channel, Message: key}, nil
}

func (b *board) stands(ref bot.Ref) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stand[ref.Message] {
		return fmt.Errorf("deleted: %w", bot.ErrGone)
	}
	return nil
}

func (b *board) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if err := b.stands(ref); err != nil {
		return err
	}
	return b.screen.Edit(ctx, ref, c)
}

func (b *board) Reply(ctx context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	if err := b.stands(at); err != nil {
		return bot.Ref{}, err
	}
	b.mu.Lock()
	id, key, _ := strings.Cut(n.Key, "/")
	b.calls = append(b.calls, fmt.Sprint(key, n.Notify))
	b.mu.Unlock()
	return b.screen.Reply(ctx, bot.Ref{Channel: at.Channel, Message: id}, n)
}

// clear deletes every card.
func (b *board) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.stand)
}

// TestCardDeleted: a card that is deleted while it waits stands anew before the reminder, under a
// key of its own, and calls nobody but with the reminder. After the third time its requester is
// told alone, and so is how it ended.
func TestCardDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{stand: map[string]bool{}}
		h := newHouseWith(t, func(h *house) {
			b.screen = h.screen
			h.surface = b
		}, nil)
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		b.clear()
		h.pass(10*time.Minute + 30*time.Second) // the reminder finds it out
		want := "[/card[SLEADS] /card/1[] reminder[SLEADS]]"
		if got := fmt.Sprint(b.calls); got != want {
			t.Errorf("posts and what they call: %s, want %s", got, want)
		}
		for i := range 3 {
			b.clear()
			h.want(c.ID) // a look that fails
			h.pass(2*time.Minute + time.Second)
			if n := len(b.stand); n != 1 && i < 2 || n != 0 && i == 2 {
				t.Errorf("after deletion %d %d cards stand", i+2, n)
			}
		}
		if got := h.whispered("UMINA"); !strings.Contains(got, "was deleted 4 times") ||
			!strings.Contains(got, "/recalls show "+string(c.ID)) || strings.Count(got, "\n") != 1 {
			t.Errorf("the requester was told %q", got)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(time.Minute)
		if got := h.whispered("UMINA"); !strings.Contains(got, "3 messages were requested = 3 recalled") {
			t.Errorf("the requester was told %q", got)
		}
		if got := b.calls[len(b.calls)-1]; got != "/card/3[]" {
			t.Errorf("the last thing that everybody sees is %s", got)
		}
	})
}

// TestForbiddenForGood: what stays forbidden, or refused, is tried until a week after the text was
// to go from the card, and then no more.
func TestForbiddenForGood(t *testing.T) {
	for _, no := range []error{errNotIn, errBlocks} {
		t.Run(no.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, _, skip := strictHouse(t)
				c := h.proposed(testGroup + " 1-3")
				s.forbid(no, "post", "edit", "reply")
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Minute)
				skip(720*time.Hour + 7*24*time.Hour - time.Hour)
				h.pass(30 * time.Minute)
				for _, further := range []bool{true, false} {
					s.forbid(no, "post", "edit", "reply")
					h.pass(20 * time.Minute)
					if edits, replies := s.made("edit"), s.made("reply"); further != (edits > 0) ||
						further != (replies > 0) {
						t.Errorf("%d edits and %d replies in twenty minutes %s the end", edits, replies,
							map[bool]string{true: "before", false: "after"}[further])
					}
					h.pass(30 * time.Minute)
				}
			})
		})
	}
}

// TestForbiddenSeldom: what stays forbidden of a request that ended a day ago is tried about once
// an hour, and told within an hour once it may be.
func TestForbiddenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, skip := strictHouse(t)
		c := h.proposed(testGroup + " 1-2")
		calls := []string{"edit", "reply"}
		s.forbid(errNotIn, calls...)
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(time.Minute)
		skip(26 * time.Hour)
		h.pass(time.Minute)
		skip(26 * time.Hour)
		h.pass(70 * time.Minute)
		s.forbid(errNotIn, calls...)
		h.pass(2 * time.Hour)
		for _, call := range calls {
			if n := s.made(call); n < 1 || n > 3 {
				t.Errorf("%d calls of %s in two hours", n, call)
			}
		}
		s.forbid(nil)
		h.pass(time.Hour + 10*time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}

// TestForbiddenHidesNothing: what stays forbidden keeps nothing from the log that goes wrong in
// another way.
func TestForbiddenHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, log, _ := strictHouse(t)
		c := h.proposed(testGroup + " 1-3")
		s.forbid(errNotIn, "edit")
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(20 * time.Minute)
		s.mu.Lock()
		s.no["reply"] = errBlocks
		s.mu.Unlock()
		h.say(1)
		h.press("UTHEO", intake.ActReject, h.proposed(testGroup+" 4"))
		h.pass(20 * time.Minute)
		for _, err := range []error{errNotIn, errBlocks} {
			if n := strings.Count(log.String(), err.Error()); n != 1 {
				t.Errorf("the log was told %d times of %v:\n%s", n, err, log)
			}
		}
	})
}

// picky is a platform that refuses some notes for what they say.
type picky struct {
	*screen
	mu    sync.Mutex
	no    func(n bot.Note, tries int) error // what it answers
	calls map[string]int                    // by key
}

func (s *picky) Reply(ctx context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	s.mu.Lock()
	s.calls[n.Key]++
	err := s.no(n, s.calls[n.Key])
	s.mu.Unlock()
	if err != nil && err != errLost {
		return bot.Ref{}, err
	}
	ref, _ := s.screen.Reply(ctx, at, n)
	return ref, err
}

// errLost is the answer to a call that was done, and whose answer was lost.
var errLost = errors.New("the connection was reset")

// tries is how often the note of this key was tried.
func (s *picky) tries(id bot.RequestID, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[string(id)+"/"+key]
}

// pickyHouse is a house on a picky platform, whose log is kept, with a request that is approved
// there.
func pickyHouse(t *testing.T, no func(n bot.Note, tries int) error) (h *house, s *picky, log *bytes.Buffer,
	c bot.Card) {
	log = &bytes.Buffer{}
	h = newHouseWith(t, func(h *house) {
		s = &picky{screen: h.screen, no: no, calls: map[string]int{}}
		h.surface = s
	}, func(o *bot.Options) {
		o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	h.say(3)
	c = h.proposed(testGroup + " 1-3")
	h.press("UTHEO", intake.ActApprove, c)
	return h, s, log, c
}

// TestRefusedForWords: a post that the platform refuses for what it says is tried a few times, then
// a sentence of the bot's own stands in its place, and what comes after it follows.
func TestRefusedForWords(t *testing.T) {
	for _, key := range []string{"outcomes", "receipt"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, log, c := pickyHouse(t, func(n bot.Note, tries int) error {
					switch {
					case strings.HasSuffix(n.Key, "/"+key):
						return errBlocks
					case strings.HasSuffix(n.Key, "/instead") && tries == 1: // as if killed before it was stored
						return errLost
					}
					return nil
				})
				h.pass(30 * time.Second)
				if n := s.tries(c.ID, key); n < 3 || strings.Contains(h.noted(c.ID), key) {
					t.Errorf("after %d tries in half a minute the thread has %q", n, h.noted(c.ID))
				}
				h.pass(3 * time.Minute)
				want := strings.Replace("outcomes receipt", key, key+"/instead "+key+"/instead", 1)
				if got := h.noted(c.ID); got != want {
					t.Errorf("the thread has %q, want %q", got, want)
				}
				var stood []bot.Note
				for _, n := range h.screen.notes[string(c.ID)] {
					if strings.HasSuffix(n.Key, "/instead") {
						stood = append(stood, n)
					}
				}
				if len(stood) != 2 || !cmp.Equal(stood[0], stood[1]) || len(stood[0].Lines) != 1 ||
					stood[0].Mention != nil {
					t.Fatalf("in its place: %+v", stood)
				}
				if got, want := stood[0].Lines[0].String(),
					"Slack refused the message that belongs here. To read it: /recalls show "+
						string(c.ID); got != want {
					t.Errorf("in its place: %q, want %q", got, want)
				}
				if n := strings.Count(log.String(), "stands in its place"); n != 1 {
					t.Errorf("the log was told %d times:\n%s", n, log)
				}
				tries := s.tries(c.ID, key)
				h.pass(time.Hour)
				if n := s.tries(c.ID, key); n != tries || n > 12 || h.noted(c.ID) != want {
					t.Errorf("%d tries, %d in the first minutes; the thread has %q", n, tries, h.noted(c.ID))
				}
			})
		})
	}
}

// TestRefusedOnce: however long a post could not be put up for another reason, one refusal is not
// enough to give it up.
func TestRefusedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, c := pickyHouse(t, func(n bot.Note, tries int) error {
			switch {
			case strings.HasSuffix(n.Key, "/outcomes") && tries < 10:
				return errNotIn
			case strings.HasSuffix(n.Key, "/outcomes") && tries == 10:
				return errBlocks
			}
			return nil
		})
		h.pass(2 * time.Hour)
		if got := h.noted(c.ID); got != "outcomes receipt" || s.tries(c.ID, "outcomes") != 11 {
			t.Errorf("after %d tries the thread has %q", s.tries(c.ID, "outcomes"), got)
		}
	})
}

// TestRefusedAfterForbidden: what is refused for what it says gives way within minutes, however
// long it was forbidden before.
func TestRefusedAfterForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var allowed time.Time
		h, _, _, c := pickyHouse(t, func(n bot.Note, tries int) error {
			switch {
			case strings.HasSuffix(n.Key, "/instead") || !strings.HasSuffix(n.Key, "/outcomes"):
				return nil
			case tries < 20:
				return errNotIn
			case tries == 20:
				allowed = time.Now()
			}
			return errBlocks
		})
		for range 24 * 60 {
			if h.pass(time.Minute); h.noted(c.ID) != "" {
				break
			}
		}
		if took := time.Since(allowed); allowed.IsZero() || took > 3*time.Minute ||
			h.noted(c.ID) != "outcomes/instead receipt" {
			t.Errorf("%v after it was only refused the thread has %q", took, h.noted(c.ID))
		}
	})
}

// prim refuses cards that quote the messages, as a platform's filter does with what is to be
// recalled.
type prim struct {
	*screen
	mu    sync.Mutex
	shown []bot.Card
	all   bool      // it refuses every card
	busy  time.Time // it asks to wait until then with what it would take
	asked int       // how often it did
}

func (s *prim) takes(c bot.Card) error {
	for _, m := range c.Samples {
		if m.Text != nil {
			return errBlocks
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all {
		return errBlocks
	}
	if left := time.Until(s.busy); left > 0 {
		s.asked++
		return &bot.Later{After: left, Err: errBlocks}
	}
	s.shown = append(s.shown, c)
	return nil
}

func (s *prim) Post(ctx context.Context, at bot.Place, c bot.Card, key string) (bot.Ref, error) {
	if err := s.takes(c); err != nil {
		return bot.Ref{}, err
	}
	return s.screen.Post(ctx, at, c, key)
}

func (s *prim) Edit(ctx context.Context, ref bot.Ref, c bot.Card) error {
	if err := s.takes(c); err != nil {
		return err
	}
	return s.screen.Edit(ctx, ref, c)
}

// TestCardRefusedForWords: a card that the platform refuses for what the messages say is shown
// without that, at once, so that it can be decided, and to its end.
func TestCardRefusedForWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *prim
		log := &bytes.Buffer{}
		h := newHouseWith(t, func(h *house) {
			s = &prim{screen: h.screen}
			h.surface = s
		}, func(o *bot.Options) {
			o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		if got := h.screen.card(c.ID); len(got.Samples) != 3 || got.Samples[0].Text != nil ||
			!strings.Contains(said(got), "The text is shown only by Show all.") {
			t.Errorf("the card shows %v", said(got))
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(5 * time.Second)
		if got := h.screen.card(c.ID); got.State != bot.Done {
			t.Errorf("the card shows %s", got.State)
		}
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
		if n := strings.Count(log.String(), "it is shown without"); n != 1 ||
			strings.Contains(log.String(), "it will be tried again") {
			t.Errorf("the log was told %d times:\n%s", n, log)
		}
		// That is known to the log. What is shown in no way is not.
		h.say(3)
		c = h.proposed(testGroup + " 4-6")
		s.mu.Lock()
		s.all = true
		s.mu.Unlock()
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(5 * time.Minute)
		if n := strings.Count(log.String(), "it will be tried again"); n != 1 {
			t.Errorf("the log was told %d times of a card that nobody can see:\n%s", n, log)
		}
	})
}

// TestCardRefusedThenBusy: what the platform says of the card without the text counts, such as to
// wait.
func TestCardRefusedThenBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *prim
		h := newHouseWith(t, func(h *house) {
			s = &prim{screen: h.screen}
			h.surface = s
		}, nil)
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		s.mu.Lock()
		s.busy = time.Now().Add(30 * time.Second)
		s.mu.Unlock()
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(25 * time.Second)
		s.mu.Lock()
		asked := s.asked
		s.mu.Unlock()
		if asked != 1 {
			t.Errorf("asked to wait %d times, and once is enough", asked)
		}
		h.pass(10 * time.Second)
		if got := h.screen.card(c.ID); got.State != bot.Done {
			t.Errorf("the card shows %s", got.State)
		}
	})
}

// TestRefusedForAMoment: what is taken after all stands itself, and nothing in its place.
func TestRefusedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, _, c := pickyHouse(t, func(_ bot.Note, tries int) error {
			if tries <= 3 {
				return errBlocks
			}
			return nil
		})
		h.pass(time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}

// TestRefusedWhateverItSays: where the sentence is refused too it is not the words. Then all waits
// in its order, is tried ever more seldom, and is said itself once it may be.
func TestRefusedWhateverItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, log, c := pickyHouse(t, func(bot.Note, int) error { return errBlocks })
		h.pass(2 * time.Hour)
		if n := s.tries(c.ID, "outcomes"); n < 18 || n > 24 || s.tries(c.ID, "receipt") > 0 || h.noted(c.ID) != "" {
			t.Errorf("%d tries of the outcomes, %d of the receipt; the thread has %q", n, s.tries(c.ID, "receipt"),
				h.noted(c.ID))
		}
		if n := strings.Count(log.String(), "invalid_blocks"); n != 1 {
			t.Errorf("the log was told %d times:\n%s", n, log)
		}
		s.mu.Lock()
		s.no = func(bot.Note, int) error { return nil }
		s.mu.Unlock()
		h.pass(10 * time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}

// TestThreadGone: what could not be told while the thread was gone is told when the card stands
// anew, however often it was tried before. Where somebody deletes each card the requester is told
// alone how it ended.
func TestThreadGone(t *testing.T) {
	gone := fmt.Errorf("somebody deleted the card: %w", bot.ErrGone)
	for _, once := range []bool{true, false} {
		t.Run(fmt.Sprint("once: ", once), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, s, _, _ := strictHouse(t)
				c := h.proposed(testGroup + " 1-3")
				s.forbid(errNotIn, "edit", "reply")
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(time.Hour)
				s.forbid(gone, "edit", "reply")
				for range 3600 {
					if h.pass(time.Second); once && s.made("post") > 0 {
						break
					}
				}
				if n := s.made("post"); once && n != 1 || !once && n != 3 {
					t.Errorf("the card was posted %d times", n)
				}
				s.forbid(nil)
				h.pass(10 * time.Minute)
				if got := h.noted(c.ID); once && got != "outcomes receipt" || !once && got != "" {
					t.Errorf("the thread has %q", got)
				}
				got := h.whispered("UMINA")
				if told := strings.Contains(got, "3 messages were requested = 3 recalled"); told == once {
					t.Errorf("the requester was told %q", got)
				}
			})
		})
	}
}

// TestThreadGoneInCrowd: what is to be told under a deleted card is told, however many requests
// wait for their turn before it.
func TestThreadGoneInCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s, _, _ := strictHouse(t)
		c := h.proposed(testGroup + " 1-3")
		s.forbid(errNotIn, "reply")
		h.press("UTHEO", intake.ActApprove, c)
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
				p := bot.Post{Request: r.ID, Place: r.Place, Key: string(r.ID) + "/receipt", Kind: bot.PostReceipt,
					After: tx.Now().Add(30 * time.Second)}
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

// TestTellerFenced: a call that was on its way when the lease passed to another process stores
// nothing any more. It is told again.
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
				h.press("UTHEO", intake.ActApprove, c)
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
					views, err := tx.Views(onSlack, 10)
					if err != nil {
						return err
					}
					posts, err := tx.Posts(onSlack, 10)
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

// TestStopBetweenPosts: a process that is stopped while it puts up the second of two posts stores
// both: neither is put up again.
func TestStopBetweenPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		s := &slowScreen{screen: h.screen, call: "reply", began: make(chan struct{}), release: make(chan struct{})}
		h.surface = s
		h.open(h.file, nil)
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		h.press("UTHEO", intake.ActApprove, c)
		<-s.began
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			h.stop()
		}()
		h.pass(4 * time.Second) // its context is cut
		close(s.release)
		<-stopped
		h.open(h.file, nil)
		h.pass(time.Minute)
		if got := h.noted(c.ID); got != "outcomes receipt" {
			t.Errorf("the thread has %q", got)
		}
	})
}
