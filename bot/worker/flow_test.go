package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

const testGroup = "@TGS#2J4SZEAEL"

// screen is a platform in the simplest form: it keeps the newest card of each request and the notes
// of its thread.
type screen struct {
	platform bot.Platform

	mu    sync.Mutex
	posts int
	cards map[bot.RequestID]bot.Card
	notes map[string][]bot.Note // by message
	alone []bot.Whisper

	progress map[bot.RequestID][]bot.Line
}

func (s *screen) Platform() bot.Platform { return s.platform }

func (s *screen) Post(_ context.Context, at bot.Place, c bot.Card, _ string) (bot.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	s.cards[c.ID] = c
	return bot.Ref{Channel: at.Channel, Message: string(c.ID)}, nil
}

func (s *screen) Edit(_ context.Context, _ bot.Ref, c bot.Card) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cards[c.ID] = c
	return nil
}

func (s *screen) Reply(_ context.Context, at bot.Ref, n bot.Note) (bot.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes[at.Message] = append(s.notes[at.Message], n)
	return bot.Ref{Channel: at.Channel, Message: n.Key, Thread: at.Message}, nil
}

func (s *screen) Progress(_ context.Context, id bot.RequestID, l bot.Line, _ bot.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.progress == nil {
		s.progress = map[bot.RequestID][]bot.Line{}
	}
	s.progress[id] = append(s.progress[id], l)
}

func (s *screen) Whisper(_ context.Context, w bot.Whisper) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone = append(s.alone, w)
	return nil
}

// thread is what the thread of a card says, a line a line.
func (s *screen) thread(id bot.RequestID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, n := range s.notes[string(id)] {
		for _, l := range n.Lines {
			fmt.Fprintln(&b, l)
		}
		if n.File != nil {
			fmt.Fprintf(&b, "%s\n", n.File.Body)
		}
	}
	return b.String()
}

func (s *screen) card(id bot.RequestID) bot.Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cards[id]
}

// house is a bot on a Chat service in memory, in a synctest bubble.
type house struct {
	t      *testing.T
	chat   *recalltest.Service
	bot    *bottest.Engine
	ledger *ledger.Ledger
	screen *screen
	stop   func()

	file    string
	surface bot.Surface      // nil: the screen itself
	clock   func() time.Time // of the ledger; nil: the bubble's
	events  int
}

func newHouse(t *testing.T, turn func(*bot.Options)) *house {
	h := &house{t: t, chat: recalltest.New(recalltest.Options{}),
		screen: &screen{platform: onSlack, cards: map[bot.RequestID]bot.Card{}, notes: map[string][]bot.Note{}}}
	h.chat.AddGroup(recalltest.Group{ID: testGroup, Type: "Public", Name: "Casino talk", Members: 2})
	h.open(t.TempDir()+"/bot.db", turn)
	t.Cleanup(func() {
		h.stop()
		h.chat.Close()
	})
	return h
}

func (h *house) open(file string, turn func(*bot.Options)) {
	h.t.Helper()
	client, err := recall.New(recall.Config{SDKAppID: recall.SDKAppID(h.chat.SDKAppID()), SecretKey: h.chat.SecretKey(),
		BaseURL: recalltest.URL, HTTPClient: h.chat.Client()})
	if err != nil {
		h.t.Fatal(err)
	}
	h.file = file
	h.ledger, err = ledger.Open(context.Background(), "sqlite:"+file, ledger.Options{Clock: h.clock})
	if err != nil {
		h.t.Fatal(err)
	}
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: {
		Requesters: []bot.Principal{{User: "UMINA"}, {User: "UTHEO"}}, Approvers: []bot.Principal{{Group: "SLEADS"},
			{User: "UTHEO"}}, Channels: []string{"C1"},
	}}
	o := bot.Options{App: recall.SDKAppID(h.chat.SDKAppID()), Ledger: newTrace(h.t).Watch(h.ledger), Chat: client,
		Policy: policy,
		Admin:  "administrator",
		Log:    slog.New(slog.NewTextHandler(h.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))}
	if turn != nil {
		turn(&o)
	}
	if h.bot, err = bottest.NewEngine(o); err != nil {
		h.t.Fatal(err)
	}
	if h.surface == nil {
		h.surface = h.screen
	}
	h.bot.Attach(h.surface)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.bot.Run(ctx); err != nil {
			h.t.Errorf("run: %v", err)
		}
	}()
	h.stop = func() {
		cancel()
		<-done
		if err := h.ledger.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

func (h *house) do(user string, act intake.Act) intake.Answer {
	h.t.Helper()
	h.events++
	by := bot.Account{Platform: onSlack, Workspace: "T1", User: user}
	e := intake.Event{ID: bot.EventID(fmt.Sprint("e", h.events)), Place: bot.Place{Platform: onSlack, Workspace: "T1",
		Channel: "C1"}, By: by, Act: act}
	a, err := h.bot.Do(h.t.Context(), e, bot.Member{Account: by, Name: strings.ToLower(user)})
	if err != nil {
		h.t.Fatalf("%s: %v", user, err)
	}
	return a
}

func (h *house) types(user, command, text string) intake.Answer {
	return h.do(user, intake.Act{Kind: intake.ActCommand, Command: command, Text: text})
}

// asks asks for a recall and returns the request's card, sealed; of a request that was not sealed,
// which has none, it returns the card that its requester can have shown.
func (h *house) asks(user, text string) bot.Card {
	h.t.Helper()
	id := h.ask(user, text)
	h.pass(5 * time.Second)
	if c := h.screen.card(id); c.ID != "" {
		return c
	}
	c, err := h.bot.ShowingNow(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) press(user string, kind intake.ActKind, c bot.Card) intake.Answer {
	return h.do(user, intake.Act{Kind: kind, Request: c.ID, Digest: c.Digest[:bot.DigestShort]})
}

func (h *house) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *house) say(n int) {
	for i := range n {
		h.chat.Say(testGroup, "", "alice", fmt.Sprintf("win big %d", i+1))
	}
}

func TestTwoPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(5)
		c := h.asks("UMINA", testGroup+" 1 2 9")
		if c.State != bot.Proposed {
			t.Fatalf("state %s: %v %v", c.State, c.Title, c.Unusual)
		}
		if a := h.press("UMINA", intake.ActApprove, c); a.Refused != "not_approver" {
			t.Errorf("own approval: %+v", a)
		}
		if a := h.press("UTHEO", intake.ActApprove, c); a.Kind != intake.Changed {
			t.Fatalf("approval: %+v", a)
		}
		h.pass(10 * time.Second)
		c = h.screen.card(c.ID)
		if c.State != bot.Done {
			t.Errorf("state %s", c.State)
		}
		thread := h.screen.thread(c.ID)
		for _, want := range []string{"1: recalled", "2: recalled", "9: not sent (did not exist when approved)",
			"3 messages were requested = 2 recalled + 1 not sent"} {
			if !strings.Contains(thread, want) {
				t.Errorf("thread lacks %q:\n%s", want, thread)
			}
		}
		if got := h.chat.RecalledSeqs(testGroup, ""); len(got) != 2 {
			t.Errorf("recalled %v", got)
		}
		t.Log(thread)
		t.Log(c.Title, c.Head)
	})
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.MaxMessages = 3000; o.Policy.LargeFrom = 100000 })
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		h.say(2000)
		c := h.asks("UMINA", testGroup+" 1-2000")
		h.pass(10 * time.Second)
		c = h.screen.card(c.ID)
		if c.State != bot.Proposed {
			t.Fatalf("state %s: %v %v", c.State, c.Title, c.Unusual)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(30 * time.Second)
		if c = h.screen.card(c.ID); c.State != bot.Done {
			t.Errorf("state %s %v", c.State, c.Title)
		}
		t.Log(c.Title, h.chat.MostInAnySecond(recalltest.Recall))
		if n := len(h.chat.RecalledMoreThanOnce()); n > 0 {
			t.Errorf("%d recalled twice", n)
		}
	})
}
