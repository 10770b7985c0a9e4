package adaptertest

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// Bot stands in for *bottest.Engine behind an adapter. It keeps events as the bot does, answers
// them as the test says, and remembers what it was asked.
type Bot struct {
	mu      sync.Mutex
	policy  bot.Policy
	roster  bot.Roster
	seen    []bot.EventID
	stored  map[bot.EventID]time.Time
	waiting map[bot.EventID]intake.Event // that Receive stored and that have no answer yet
	answers map[bot.EventID]intake.Answer
	did     []Did
	gaveUp  []intake.Event
	left    []intake.Unfinished
	memory  map[string]string
	s       Script
}

// Script is how a Bot behaves. The zero Script accepts everything at once.
type Script struct {
	Answer func(e intake.Event, m bot.Member) intake.Answer // nil: Accepted
	// Do, if set, answers in place of Answer. Other events come meanwhile.
	Do func(ctx context.Context, e intake.Event, m bot.Member) (intake.Answer, error)
	// StoreTakes and StoreFails are of storing an event, DoTakes and DoFails of all that comes
	// after. Every delay ends with the context.
	StoreTakes, DoTakes time.Duration
	StoreFails, DoFails error
	Panics              bool
	// Then are the groups whose members could approve when a request was asked for.
	Then      []string
	ThenFails error
	Sole      bool // no other replica may be at work
}

// Did is an event that the bot handled, with what the adapter said of who acted.
type Did struct {
	Event  intake.Event
	Member bot.Member
}

// NewBot returns a Bot under a policy.
func NewBot(p bot.Policy) *Bot {
	return &Bot{policy: p, stored: map[bot.EventID]time.Time{}, waiting: map[bot.EventID]intake.Event{},
		answers: map[bot.EventID]intake.Answer{}, memory: map[string]string{}}
}

// Play sets how the bot behaves from now on.
func (b *Bot) Play(s Script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s = s
}

// Set changes how the bot behaves from now on.
func (b *Bot) Set(change func(s *Script)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.s)
}

// Follow sets the policy and the roster from now on.
func (b *Bot) Follow(p bot.Policy, r bot.Roster) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.policy, b.roster = p, r
}

// RemembersIn has the bot remember in a map that others had.
func (b *Bot) RemembersIn(memory map[string]string) { b.memory = memory }

// Forget forgets all events.
func (b *Bot) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.stored)
	clear(b.waiting)
	clear(b.answers)
	b.seen, b.did = nil, nil
}

// Leave puts an event into the store as an earlier process left it: without an answer.
func (b *Bot) Leave(u intake.Unfinished) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = append(b.left, u)
	b.stored[u.Event.ID] = time.Now().Add(-u.Age)
}

// Did are the events that took effect, each once, in order.
func (b *Bot) Did() []Did {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.did)
}

// Seen are the ids of the events that came to be stored, repeats among them.
func (b *Bot) Seen() []bot.EventID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.seen)
}

// Stored is when an event was stored; ok is false when it was not.
func (b *Bot) Stored(id bot.EventID) (at time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok = b.stored[id]
	return at, ok
}

// GaveUp are the events that the adapter gave up.
func (b *Bot) GaveUp() []intake.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.gaveUp)
}

func (b *Bot) script() Script {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s
}

// Kept is how many events are stored.
func (b *Bot) Kept() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stored)
}

// store keeps an event. first is false when it is known.
func (b *Bot) store(ctx context.Context, id bot.EventID) (first bool, err error) {
	s := b.script()
	if err := linger(ctx, s.StoreTakes); err != nil {
		return false, err
	}
	if s.StoreFails != nil {
		return false, s.StoreFails
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, id)
	if _, known := b.stored[id]; known {
		return false, nil
	}
	b.stored[id] = time.Now()
	return true, nil
}

// Shared reports whether other replicas may be at work.
func (b *Bot) Shared() bool { return !b.script().Sole }

// TakesLong is true of what a bot reads messages for.
func (b *Bot) TakesLong(e intake.Event) bool {
	return e.Act.Kind == intake.ActTurnFind || e.Verb().TakesLong()
}

// Receive stores an event, as Intake.Receive does.
func (b *Bot) Receive(ctx context.Context, e intake.Event) (bool, *intake.Answer, error) {
	first, err := b.store(ctx, e.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, known := b.answers[e.ID]; known && err == nil {
		return first, &a, nil
	}
	if first {
		b.waiting[e.ID] = e
	}
	return first, nil, err
}

// Do handles an event, as Intake.Do does: what Receive has not stored is stored with its answer, or
// not at all, and a repeat gets the first answer.
func (b *Bot) Do(ctx context.Context, e intake.Event, m bot.Member) (intake.Answer, error) {
	b.mu.Lock()
	_, noted := b.stored[e.ID]
	first, known := b.answers[e.ID]
	if known {
		b.seen = append(b.seen, e.ID)
	}
	b.mu.Unlock()
	if known {
		first.Repeated = true
		return first, nil
	}
	s := b.script()
	if s.Panics {
		panic("a bug in the bot")
	}
	if err := linger(ctx, s.DoTakes); err != nil {
		return intake.Answer{}, err
	}
	if s.DoFails != nil {
		return intake.Answer{}, s.DoFails
	}
	passing := e.Act.Kind == intake.ActComplete // never stored
	if !noted && !passing {
		if _, err := b.store(ctx, e.ID); err != nil {
			return intake.Answer{}, err
		}
	}
	a := intake.Answer{Kind: intake.Accepted}
	if s.Do != nil {
		var err error
		if a, err = s.Do(ctx, e, m); err != nil {
			return a, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Do == nil && s.Answer != nil {
		a = s.Answer(e, m)
	}
	b.did = append(b.did, Did{e, m})
	if delete(b.waiting, e.ID); !passing {
		b.answers[e.ID] = a
	}
	return a, nil
}

// GiveUp closes an event, as Intake.GiveUp does.
func (b *Bot) GiveUp(_ context.Context, e intake.Event) (intake.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, known := b.answers[e.ID]; known {
		a.Repeated = true
		return a, nil
	}
	b.gaveUp = append(b.gaveUp, e)
	delete(b.waiting, e.ID)
	a := intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words(gaveUp)}, Refused: "could_not_check"}
	b.answers[e.ID] = a
	return a, nil
}

// gaveUp is what a person reads when the platform does not say who they are.
const gaveUp = "It could not be checked who you are. Press or type it again."

// Unfinished yields what Leave put there for a platform, and what Receive stored.
func (b *Bot) Unfinished(_ context.Context, p bot.Platform) iter.Seq2[intake.Unfinished, error] {
	b.mu.Lock()
	left := slices.DeleteFunc(slices.Clone(b.left), func(u intake.Unfinished) bool {
		_, answered := b.answers[u.Event.ID]
		return answered || u.Event.Place.Platform != p
	})
	for _, e := range b.waiting {
		left = append(left, intake.Unfinished{Event: e})
	}
	for i := range left {
		left[i].Age = time.Since(b.stored[left[i].Event.ID])
	}
	b.mu.Unlock()
	return func(yield func(intake.Unfinished, error) bool) {
		for _, u := range left {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// ShowingNow is a card of the suite, as it is when nothing has happened.
func (b *Bot) ShowingNow(_ context.Context, id bot.RequestID) (bot.Card, error) {
	c := fullCard(bot.Proposed, nil)
	c.ID = id
	return c, nil
}

// PolicyNow is what NewBot or Follow was given.
func (b *Bot) PolicyNow() bot.Policy {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.policy
}

// RosterNow is what Follow was given; empty, every account is a person.
func (b *Bot) RosterNow() bot.Roster {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.roster
}

// ApproversThen returns what the Script says.
func (b *Bot) ApproversThen(context.Context, bot.RequestID, bot.Platform) ([]string, error) {
	s := b.script()
	return s.Then, s.ThenFails
}

// Alone runs fn at once: nobody else holds anything.
func (b *Bot) Alone(ctx context.Context, _ string, _ func(), fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// Remember keeps a value.
func (b *Bot) Remember(_ context.Context, key, value string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.memory[key] = value
	return nil
}

// Recollect returns a value that was kept.
func (b *Bot) Recollect(_ context.Context, key string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.memory[key], nil
}

// linger waits for d, or until ctx ends.
func linger(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Storing is the bot itself, its SQLite file on disk, and the Chat service that it calls. Run is
// not called.
func Storing(t testing.TB, policy bot.Policy) (*bottest.Engine, *recalltest.Service) {
	t.Helper()
	chat := recalltest.New(recalltest.Options{})
	client, err := recall.New(recall.Config{
		SDKAppID: recall.SDKAppID(chat.SDKAppID()), SecretKey: chat.SecretKey(), BaseURL: recalltest.URL,
		HTTPClient: chat.Client(), ReadsPerSecond: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := ledger.Open(t.Context(), "sqlite:"+t.TempDir()+"/bot.db", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		chat.Close()
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
	})
	made, err := bottest.NewEngine(bot.Options{
		App: recall.SDKAppID(chat.SDKAppID()), Ledger: memory, Chat: client, Policy: policy,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made, chat
}
