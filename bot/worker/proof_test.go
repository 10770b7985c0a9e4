package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

const (
	hookToken = "xxxxyyyy"
	liveGroup = "@TGS#aLIVE01"
)

// listens lets the service's callbacks come in through the webhook. turn changes what happens to
// them on the way.
func (h *house) listens(turn func(*recalltest.Callbacks)) {
	h.t.Helper()
	hook, err := webhook.New(webhook.Options{App: recall.SDKAppID(h.chat.SDKAppID()), Token: hookToken,
		Bot: h.bot.History})
	if err != nil {
		h.t.Fatal(err)
	}
	c := recalltest.Callbacks{Handler: hook, Token: hookToken, Delay: 20 * time.Millisecond}
	if turn != nil {
		turn(&c)
	}
	h.chat.Change(func(o *recalltest.Options) { o.Callbacks = c })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := hook.Run(ctx); err != nil {
			h.t.Errorf("webhook: %v", err)
		}
	}()
	stop := h.stop
	h.stop = func() {
		cancel()
		<-done
		stop()
	}
}

// approved asks for a recall and has it approved.
func (h *house) approved(text string) bot.Card {
	h.t.Helper()
	c := h.asks("UMINA", text)
	if c.State != bot.Proposed {
		h.t.Fatalf("%s: state %s: %v %v", text, c.State, c.Title, c.Unusual)
	}
	if a := h.press("UTHEO", intake.ActApprove, c); a.Kind != intake.Changed {
		h.t.Fatalf("approval: %+v", a)
	}
	return c
}

// audited returns the entries of that kind.
func (h *house) audited(what string) []bot.Entry {
	h.t.Helper()
	var found []bot.Entry
	err := h.ledger.View(h.t.Context(), func(tx bot.Tx) error {
		all, err := tx.Entries(1, 10_000)
		for _, e := range all {
			if e.What == what {
				found = append(found, e)
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}

// told returns how many calls of the Chat service the audit log has. Pages of history that were
// read for one thing have one entry, which says how many they are.
func (h *house) told() (n int) {
	h.t.Helper()
	for _, e := range h.audited("api") {
		var of struct{ Pages int }
		if err := json.Unmarshal(e.Detail, &of); err != nil {
			h.t.Fatal(err)
		}
		n += max(1, of.Pages)
	}
	return n
}

func (h *house) recallCalls() (n int) {
	for _, c := range h.chat.Log() {
		if c.Command == recalltest.Recall {
			n++
		}
	}
	return n
}

func holds(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			t.Errorf("has %q:\n%s", u, text)
		}
	}
}

// said is everything that a card says.
func said(c bot.Card) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Title)
	for _, l := range slices.Concat(c.Head, []bot.Line{c.Call}, c.Unusual, c.Below, c.Small) {
		fmt.Fprintln(&b, l)
	}
	for _, s := range c.Samples {
		fmt.Fprintln(&b, s.Seq, s.Sender, s.Text, s.Marks)
	}
	for _, button := range c.Buttons {
		fmt.Fprintf(&b, "[%s]\n", button.Label)
	}
	return b.String()
}

func pageText(p *intake.Page) string {
	var b strings.Builder
	if p == nil {
		return "no page"
	}
	fmt.Fprintln(&b, p.Title)
	for _, s := range p.Samples {
		fmt.Fprintln(&b, s.Seq, s.Sender, s.Text, s.Marks)
	}
	for _, n := range p.Notes {
		fmt.Fprintln(&b, n)
	}
	return b.String()
}

const (
	byCallback = "Of 3 recalled: 3 confirmed by callback, 0 confirmed by history, 0 by the API's answer alone"
	byHistory  = "Of 3 recalled: 0 confirmed by callback, 3 confirmed by history, 0 by the API's answer alone"
	byAnswer   = "Of 3 recalled: 0 confirmed by callback, 0 confirmed by history, 3 by the API's answer alone"
)

// What the API answered is confirmed by a second source before the end, and the receipt says by
// which.
func TestProof(t *testing.T) {
	lost := func(c *recalltest.Callbacks) {
		c.Drop = func(command string, _ []byte) bool { return command == recall.CommandAfterRecallMsg }
	}
	for _, tc := range []struct {
		name      string
		callbacks bool
		group     string
		turn      func(*recalltest.Callbacks)
		before    func(h *house)
		flying    func(h *house) // after the messages were read once more, while the call is on its way
		receipt   string
		least     time.Duration // from the approval to the end
		most      time.Duration
	}{
		{name: "by history, where there are no callbacks", receipt: byHistory, most: time.Second},
		{name: "by callback", callbacks: true, receipt: byCallback, most: time.Second},
		{name: "by callbacks, one a message, twice and out of order", callbacks: true, receipt: byCallback,
			most: time.Second,
			turn: func(c *recalltest.Callbacks) { c.OneForEachMessage, c.Twice, c.Reorder = true, true, true }},
		{name: "by a callback that overtakes the answer", callbacks: true, receipt: byCallback, most: 3 * time.Second,
			before: func(h *house) {
				h.chat.Change(func(o *recalltest.Options) { o.Transit = 2 * time.Second })
			}},
		{name: "by history, when callbacks are lost", callbacks: true, receipt: byHistory, turn: lost,
			least: 10 * time.Second, most: 12 * time.Second},
		{name: "by history, when the recall shows late", receipt: byHistory, least: 2 * time.Second,
			most: 60 * time.Second, flying: func(h *house) {
				h.chat.Inject(recalltest.History, 2, recalltest.Answer(10002, ""))
			}},
		{name: "by nothing else, when history cannot be read for a minute", receipt: byAnswer, least: 60 * time.Second,
			most: 62 * time.Second, flying: func(h *house) {
				h.chat.Inject(recalltest.History, -1, recalltest.Answer(10002, ""))
			}},
		{name: "by nothing else in a group without history", group: liveGroup, receipt: byAnswer, most: time.Second},
		{name: "by callback in a group without history", group: liveGroup, callbacks: true, receipt: byCallback,
			most: time.Second},
		{name: "by nothing else in a group without history whose callbacks are lost", group: liveGroup, callbacks: true,
			turn: lost, receipt: byAnswer, least: 10 * time.Second, most: 11 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Callbacks = tc.callbacks })
				if tc.callbacks {
					h.listens(tc.turn)
				}
				h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
				group := testGroup
				if tc.group != "" {
					group = tc.group
				}
				for i := range 3 {
					h.chat.Say(group, "", "alice", fmt.Sprint("win big ", i))
				}
				c := h.asks("UMINA", group+" 1-3")
				if tc.before != nil {
					tc.before(h)
				}
				if tc.flying != nil {
					h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(200*time.Millisecond))
				}
				h.press("UTHEO", intake.ActApprove, c)
				at := time.Now()
				if tc.flying != nil {
					h.pass(100 * time.Millisecond)
					tc.flying(h)
				}
				for h.screen.card(c.ID).State != bot.Done && time.Since(at) < 2*time.Minute {
					h.pass(100 * time.Millisecond)
				}
				// a card is edited every 3 s
				if took := time.Since(at); took < tc.least || took > tc.most+3*time.Second {
					t.Errorf("it took %v, want %v to %v", took, tc.least, tc.most)
				}
				h.pass(5 * time.Second)
				holds(t, h.screen.thread(c.ID), tc.receipt, "3 messages were requested = 3 recalled")
				if n := h.recallCalls(); n != 1 {
					t.Errorf("%d calls of the recall API, want 1", n)
				}
			})
		})
	}
}

// While it is confirmed a request is not done: nothing can be stopped any more, and the card says
// what is going on.
func TestConfirming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Policy.StartWithin = 8 * time.Second })
		h.listens(func(c *recalltest.Callbacks) {
			c.Drop = func(command string, _ []byte) bool { return command == recall.CommandAfterRecallMsg }
		})
		h.say(3)
		c := h.approved(testGroup + " 1-3")
		h.pass(9 * time.Second)
		c = h.screen.card(c.ID)
		if c.State != bot.Running {
			t.Errorf("state %s, want running", c.State)
		}
		holds(t, said(c), "Recalling in Casino talk: 3 of 3", "they are being confirmed", "[Show all]")
		lacks(t, said(c), "[Stop]")
		if a := h.press("UTHEO", intake.ActStop, c); a.Refused != "nothing_left" {
			t.Errorf("stop: %+v", a)
		}
		h.pass(5 * time.Second)
		if c = h.screen.card(c.ID); c.State != bot.Done {
			t.Errorf("state %s, want done", c.State)
		}
	})
}

// A restart while it is confirmed goes on with it.
func TestConfirmingAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		file := filepath.Join(t.TempDir(), "bot.db")
		h.pass(time.Second)
		h.stop()
		h.open(file, nil)
		h.say(3)
		c := h.asks("UMINA", testGroup+" 1-3")
		h.chat.Inject(recalltest.History, -1, recalltest.Answer(10002, ""))
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(10 * time.Second)
		if s := h.screen.card(c.ID).State; s != bot.Running {
			t.Fatalf("state %s, want running", s)
		}
		h.stop()
		h.chat.ClearFaults()
		h.open(file, nil)
		h.pass(10 * time.Second)
		if s := h.screen.card(c.ID).State; s != bot.Done {
			t.Errorf("state %s, want done", s)
		}
		holds(t, h.screen.thread(c.ID), byHistory)
	})
}

// What was recalled before a stop is confirmed too.
func TestConfirmingStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t,
			func(o *bot.Options) { o.Callbacks = true; o.Policy.MaxMessages = 3000; o.Policy.LargeFrom = 100000 })
		h.listens(func(c *recalltest.Callbacks) {
			c.Drop = func(command string, _ []byte) bool { return command == recall.CommandAfterRecallMsg }
		})
		h.chat.Change(func(o *recalltest.Options) { o.CallsPerSecond = -1; o.Latency = 100 * time.Millisecond })
		h.say(3000)
		c := h.asks("UMINA", testGroup+" 1-3000")
		h.pass(10 * time.Second)
		c = h.screen.card(c.ID)
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(800 * time.Millisecond)
		h.press("UTHEO", intake.ActStop, c)
		h.pass(25 * time.Second)
		if s := h.screen.card(c.ID).State; s != bot.Stopped {
			t.Errorf("state %s, want stopped", s)
		}
		n := len(h.chat.RecalledSeqs(testGroup, ""))
		if n == 0 || n == 3000 {
			t.Fatalf("%d recalled", n)
		}
		holds(t, strings.ReplaceAll(h.screen.thread(c.ID), ",", ""),
			fmt.Sprintf("Of %d recalled: 0 confirmed by callback %d confirmed by history 0 by", n, n))
	})
}

// What the API answered as recalled and history still shows is said wherever the outcome is.
func TestStillShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		c := h.asks("UMINA", testGroup+" 1-3")
		h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(0, 2)) // says so, and leaves it
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(70 * time.Second)
		thread := h.screen.thread(c.ID)
		holds(t, thread, "1: recalled\n", "2: recalled, but history still shows it\n",
			"Of 3 recalled: 0 confirmed by callback, 2 confirmed by history, 1 by the API's answer alone",
			"WARNING: the API answered that 1 message was recalled which history still showed when it was last read: 2")
		card := h.screen.card(c.ID)
		if card.State != bot.Done {
			t.Errorf("state %s, want done", card.State)
		}
		holds(t, said(card), "history still showed it: 2", "2 of 3 messages in Casino talk are gone, 1 not certain")
	})
	t.Run("for a moment only", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			h.say(3)
			c := h.asks("UMINA", testGroup+" 1-3")
			h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(0, 2))
			h.press("UTHEO", intake.ActApprove, c)
			h.pass(500 * time.Millisecond)
			h.chat.RecallElsewhere(testGroup, "", "alice", 2) // the recall shows late
			h.pass(20 * time.Second)
			holds(t, h.screen.thread(c.ID), byHistory)
			lacks(t, h.screen.thread(c.ID)+said(h.screen.card(c.ID)), "still show")
		})
	})
	t.Run("in the file of many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			h.say(60)
			c := h.asks("UMINA", testGroup+" 1-60")
			h.chat.Inject(recalltest.Recall, -1, recalltest.PerMessage(0, 7))
			h.press("UTHEO", intake.ActApprove, c)
			h.pass(70 * time.Second)
			holds(t, h.screen.thread(c.ID), "by the API's answer alone; history still shows it\n",
				",confirmed by history\n")
		})
	})
}

// A callback that comes after the end is audited and changes nothing.
func TestLateCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
		h.listens(func(c *recalltest.Callbacks) { c.Delay = 30 * time.Second })
		h.say(3)
		h.pass(2 * time.Minute) // the callbacks of these
		c := h.approved(testGroup + " 1-3")
		h.pass(20 * time.Second)
		before := h.screen.thread(c.ID)
		holds(t, before, byHistory)
		h.pass(time.Minute)
		if after := h.screen.thread(c.ID); after != before {
			t.Errorf("the thread changed:\n%s", after)
		}
		if late := h.audited("callback after the end"); len(late) != 1 || late[0].Request != c.ID ||
			!strings.Contains(string(late[0].Detail), `"1-3"`) {
			t.Errorf("audited: %+v", late)
		}
		if a := h.types("UMINA", "recalls", "show "+string(c.ID)); !strings.Contains(fmt.Sprint(a.Lines), byHistory) {
			t.Errorf("receipt: %v", a.Lines)
		}
	})
}

// TestCallbackInDoubt: a callback does not settle what the service can still be asked about. Where
// history says nothing in time, or the group keeps none and the service answers the second call
// with a code, it makes of unknown what it tells.
func TestCallbackInDoubt(t *testing.T) {
	for name, test := range map[string]struct {
		group  string
		forged bool // nothing was recalled by the lost call, and somebody says so
		unread bool
		want   string
		calls  int
		state  bot.State
	}{
		"history is read": {testGroup, false, false, "2: recalled (answer lost, verified by history)",
			1, bot.Done},
		"history is read, a forged one": {testGroup, true, false, "2: recalled\n", 2, bot.Done},
		"history is away": {testGroup, false, true,
			"2: recalled (answer lost, confirmed by callback)", 1, bot.Stopped},
		"no history, asked again": {liveGroup, false, false,
			"2: recalled (answer lost, confirmed by callback)", 2, bot.Done},
		"no history, asked again, a forged": {liveGroup, true, false, "2: recalled\n", 2, bot.Done},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
				h.listens(nil)
				h.chat.Change(func(o *recalltest.Options) { o.AlreadyRecalled = 10030 })
				h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
				for range 3 {
					h.chat.Say(test.group, "", "alice", "win big")
				}
				c := h.proposed(test.group + " 1-3")
				lost := recalltest.AnswerLost()
				if test.forged {
					lost = recalltest.ResetBefore()
				}
				h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(time.Second), lost)
				h.press("UTHEO", intake.ActApprove, c)
				if test.unread {
					h.pass(500 * time.Millisecond) // it has been read once more, and the call is on its way
					h.chat.Inject(recalltest.History, -1, recalltest.Answer(10002, ""))
				}
				if test.forged {
					h.pass(500 * time.Millisecond)
					h.forge(recall.AfterRecallMsg{Group: recall.GroupID(test.group), Seqs: []recall.Seq{1, 2, 3}})
				}
				h.within(40*time.Minute, c.ID, test.state)
				h.pass(time.Minute)
				holds(t, h.screen.thread(c.ID), test.want, "= 3 recalled")
				if got := h.chat.RecalledSeqs(test.group, ""); len(got) != 3 {
					t.Errorf("recalled %v", got)
				}
				if n := h.recallCalls(); n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
			})
		})
	}
}

// TestForgedFirst: what somebody made up before does not keep the service's own callback from being
// heard.
func TestForgedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
		h.listens(nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		for range 3 {
			h.chat.Say(liveGroup, "", "alice", "win big")
		}
		h.forge(recall.AfterRecallMsg{Group: liveGroup, Seqs: []recall.Seq{1, 2, 3}})
		h.pass(time.Minute)
		c := h.approved(liveGroup + " 1-3")
		h.pass(20 * time.Second)
		holds(t, h.screen.thread(c.ID), byCallback)
	})
	t.Run("a message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(o *bot.Options) { o.Callbacks, o.Index = true, bot.IndexExcerpt })
			h.listens(nil)
			h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
			sent := func(seq recall.Seq) {
				forged := recall.AfterSendMsg{Group: liveGroup, From: "bob", Seq: seq,
					Time: time.Now().Truncate(time.Second), RawBody: []byte(`[]`)}
				if err := h.bot.History.Hear(t.Context(), []recall.Callback{forged}); err != nil {
					t.Fatal(err)
				}
			}
			sent(2)
			for range 3 {
				h.chat.Say(liveGroup, "", "mallory", "win big")
			}
			h.pass(time.Second)
			sent(3)
			sent(900)
			c := h.asks("UMINA", liveGroup+" 1-3 900")
			holds(t, said(c), "1 mallory win big [from callback]", "2   [could not be read]", "3   [could not be read]",
				"900   [does not exist, left out]")
			lacks(t, said(c), "bob")
			h.types("UMINA", "recalls", "withdraw "+string(c.ID))
			if c = h.asks("UMINA", liveGroup+" from:bob since:1s"); c.State != bot.Refused {
				t.Errorf("state %s: %s", c.State, said(c))
			}
			holds(t, said(c), "Callbacks contradict each other about message 3")
			sent(1) // what callbacks tell of above the next number is not looked at
			if a := h.types("UMINA", "recalls", "find "+liveGroup+
				" from:bob since:1s"); !strings.Contains(fmt.Sprint(a.Lines), "contradict each other about message 3") {
				t.Errorf("find: %+v", a)
			}
		})
	})
}

// TestForgedTime: a message that somebody made up, with a time of long ago, does not end a search
// before the older messages that it is for.
func TestForgedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks, o.Index = true, bot.IndexExcerpt })
		h.listens(nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		h.chat.Say(liveGroup, "", "mallory", "good morning")
		h.pass(5 * time.Minute)
		for range 3 {
			h.chat.Say(liveGroup, "", "mallory", "win big")
		}
		h.pass(time.Second)
		h.chat.SkipTo(liveGroup, "", 6) // the callback about 5 was lost
		forged := recall.AfterSendMsg{Group: liveGroup, From: "bob", Seq: 5, Time: time.Now().Add(-time.Hour),
			RawBody: []byte(`[]`)}
		if err := h.bot.History.Hear(t.Context(), []recall.Callback{forged}); err != nil {
			t.Fatal(err)
		}
		a := h.types("UMINA", "recalls", "find "+liveGroup+" from:mallory since:2m")
		holds(t, pageText(a.Page), "3 messages found", "2 mallory", "4 mallory")
		lacks(t, pageText(a.Page), "1 mallory", "only 4 messages")
		c := h.asks("UMINA", liveGroup+" from:mallory since:2m")
		holds(t, said(c), "Recall 3 messages", "messages 2-4")
	})
}

// A callback makes no outcome of what is neither answered nor in doubt, whatever it says.
func TestForgedCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
		h.say(4)
		c := h.asks("UMINA", testGroup+" 1-4")
		forged := []recall.Callback{recall.AfterRecallMsg{Group: testGroup, Operator: "eve",
			Seqs: []recall.Seq{1, 2, 3, 4}, EventTime: time.Now()}}
		if err := h.bot.History.Hear(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Second)
		holds(t, said(h.screen.card(c.ID)),
			"4 alice win big 4 [already recalled at 2000-01-01 00:00:05 UTC, says a callback]")
		h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(10031, 3))
		h.chat.Inject("", 0)
		h.press("UTHEO", intake.ActApprove, h.screen.card(c.ID))
		h.pass(30 * time.Second)
		if err := h.bot.History.Hear(t.Context(), forged); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		holds(t, h.screen.thread(c.ID), "3: too old (10031)",
			"= 3 recalled + 1 refused")
		if got := h.chat.RecalledSeqs(testGroup, ""); !slices.Equal(got, []recalltest.Seq{1, 2, 4}) {
			t.Errorf("recalled %v", got)
		}
	})
}

// forge hands the bot callbacks that somebody made up, as the webhook does: the signature of an
// address does not cover what is posted to it.
func (h *house) forge(told ...recall.AfterRecallMsg) {
	h.t.Helper()
	var callbacks []recall.Callback
	for _, c := range told {
		c.Operator, c.EventTime = "eve", time.Now()
		callbacks = append(callbacks, c)
	}
	if err := h.bot.History.Hear(h.t.Context(), callbacks); err != nil {
		h.t.Fatal(err)
	}
}

// A callback makes no outcome for a message that waits to be sent, is on its way, is of another
// request, group or topic, or was not asked for: the service is called all the same, and its answer
// is what counts.
func TestForgedCallbackWhileRunning(t *testing.T) {
	all := recall.AfterRecallMsg{Group: testGroup, Seqs: []recall.Seq{1, 2, 3, 4, 5, 6, 99}}
	for _, tc := range []struct {
		name   string
		before func(h *house) // the approval
		during func(h *house)
		thread []string
	}{
		{"waiting to be sent", func(h *house) {
			h.chat.Inject(recalltest.Recall, -1, recalltest.Answer(60007, "too fast")) // put back each time
		}, func(h *house) {
			h.forge(all)
			h.pass(time.Second)
			h.chat.ClearFaults()
			h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(10031, 2))
		}, []string{"1: recalled\n", "2: too old (10031)", "3: recalled\n"}},
		{"on its way", func(h *house) {
			h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(4*time.Second), recalltest.PerMessage(10032, 2))
		}, func(h *house) { h.forge(all) }, []string{"1: recalled\n", "2: cannot be recalled (10032)",
			"3: recalled\n"}},
		{"in doubt, told of others alone", func(h *house) {
			h.chat.Inject(recalltest.Recall, 1, recalltest.ResetBefore()) // nothing was done
			h.chat.Inject(recalltest.History, 3, recalltest.Answer(10002, ""))
		}, func(h *house) {
			h.forge(recall.AfterRecallMsg{Group: liveGroup, Seqs: all.Seqs},
				recall.AfterRecallMsg{Group: testGroup, Topic: "@TGS#2J4SZEAEL@TOPIC#_x", Seqs: all.Seqs},
				recall.AfterRecallMsg{Group: testGroup, Seqs: []recall.Seq{4, 5, 6, 99}})
		}, []string{"1: recalled\n", "2: recalled\n", "3: recalled\n"}},
		{"paused", func(h *house) { h.chat.Inject(recalltest.Recall, 1, recalltest.Answer(60010, "not an admin")) },
			func(h *house) {
				h.forge(all)
				h.pass(2 * time.Minute)
			}, []string{"1: recalled\n", "2: recalled\n", "3: recalled\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
				h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
				h.say(6)
				c := h.asks("UMINA", testGroup+" 1-3")
				other := h.asks("UMINA", testGroup+" 4-5") // stays undecided
				tc.before(h)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(500 * time.Millisecond)
				tc.during(h)
				h.pass(30 * time.Second)
				holds(t, h.screen.thread(c.ID), tc.thread...)
				lacks(t, h.screen.thread(c.ID), "answer lost, confirmed by callback", "already recalled,")
				if s := h.screen.card(other.ID).State; s != bot.Proposed {
					t.Errorf("the other request is %s", s)
				}
				want := []uint32{1, 3}
				if strings.Contains(strings.Join(tc.thread, ""), "2: recalled") {
					want = []uint32{1, 2, 3}
				}
				if got := h.chat.RecalledSeqs(testGroup, ""); !slices.Equal(got, want) {
					t.Errorf("recalled %v, want %v", got, want)
				}
			})
		})
	}
}

// What others recalled is shown, with when, and is not sent once history agrees.
func TestRecalledByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true })
		h.listens(nil)
		h.say(4)
		h.chat.RecallElsewhere(testGroup, "", "alice", 1)
		h.pass(time.Minute)
		c := h.asks("UMINA", testGroup+" 1-4")
		holds(t, said(c), "1 alice  [already recalled at 2000-01-01 00:00:00 UTC, left out]",
			"Recall 3 messages")
		h.chat.RecallElsewhere(testGroup, "", "alice", 2)
		h.pass(4 * time.Second)
		holds(t, said(h.screen.card(c.ID)),
			"2 alice win big 2 [already recalled at 2000-01-01 00:01:05 UTC, says a callback]")
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(20 * time.Second)
		holds(t, h.screen.thread(c.ID), "1: already recalled, at 2000-01-01 00:00:00 UTC",
			"2: already recalled, at 2000-01-01 00:01:05 UTC", "3: recalled\n",
			"Of 2 recalled: 2 confirmed by callback")
	})
}

// With INDEX on, messages of a group without history are found and shown, marked as known from a
// callback.
func TestIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexExcerpt })
		lose := false
		h.listens(func(c *recalltest.Callbacks) { c.Drop = func(string, []byte) bool { return lose } })
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		h.say(1)
		h.pass(time.Minute)
		for i := range 30 {
			h.chat.Say(liveGroup, "", "mallory", fmt.Sprintf("Double your COINS %d", i+1))
			h.chat.Say(liveGroup, "", "bob", "hello")
			h.pass(time.Second)
		}
		a := h.types("UMINA", "recalls", "find "+liveGroup+` from:mallory text:"your coins" since:40s`)
		if a.Kind != intake.ShowPage || a.Page.Recall != "Recall all 30" {
			t.Fatalf("find: %+v", a)
		}
		holds(t, pageText(a.Page), "30 messages found", "by kind, page 1 of 3", "Double your COINS …",
			"30 messages are known from callbacks alone")
		b := h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: a.Page.Search, Page: 1})
		holds(t, pageText(b.Page), "page 2 of 3", "59 mallory Double your COINS 30 [from callback]")
		b = h.do("UMINA", intake.Act{Kind: intake.ActTurnFind, Search: a.Page.Search, Page: 2})
		if b.Kind != intake.ShowPage {
			t.Fatalf("older: %+v", b)
		}
		holds(t, pageText(b.Page), "page 3 of 3", "1 mallory Double your COINS 1 [from callback]")

		c := h.asks("UMINA", liveGroup+" from:mallory since:50s reason:scam")
		if c.State != bot.Proposed {
			t.Fatalf("state %s: %v", c.State, c.Unusual)
		}
		holds(t, said(c), "Recall 30 messages", "messages 1, 3", "By mallory (30)",
			"Double your COINS … [(30 texts, numbers differ)]",
			"30 messages are known from callbacks alone",
			"Live group: only members who are online now are reached")
		lacks(t, said(c), "BLIND")
		all, p := "", h.press("UTHEO", intake.ActShowAll, c).Page
		for n := 1; p != nil; n++ {
			all += pageText(p)
			if n == p.Of {
				break
			}
			p = h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest, Page: n}).Page
		}
		for i := range 30 {
			holds(t, all, fmt.Sprintf("%d mallory Double your COINS %d [from callback]", 2*i+1, i+1))
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(20 * time.Second)
		holds(t, h.screen.thread(c.ID), "= 30 recalled", "Of 30 recalled: 30 confirmed by callback")

		if a := h.types("UMINA", "recalls", "find "+liveGroup+
			" from:mallory since:2m"); !strings.Contains(fmt.Sprint(a.Lines), "No message of") {
			t.Errorf("what is recalled is found again: %+v", a)
		}
		// Further back than the index reaches, nothing is recalled by a filter; numbers are.
		c = h.asks("UMINA", liveGroup+" from:bob since:3h")
		if c.State != bot.Refused {
			t.Errorf("state %s, want refused", c.State)
		}
		lose = true
		h.chat.Say(liveGroup, "", "bob", "hello")
		c = h.asks("UMINA", liveGroup+" 2 4 61 900")
		holds(t, said(c), "2 bob hello [from callback]", "Nobody can see what 1 message says",
			"61   [could not be read]", "900   [does not exist, left out]")
	})
	t.Run("history wins", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexExcerpt })
			h.listens(nil)
			h.say(3)
			h.pass(time.Second)
			c := h.asks("UMINA", testGroup+" 1-3")
			lacks(t, said(c), "from callback")
			a := h.types("UMINA", "recalls", "find "+testGroup+" last:5")
			holds(t, pageText(a.Page), "3 messages found")
			lacks(t, pageText(a.Page), "from callback")
		})
	})
	t.Run("hashes only", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexHash })
			h.listens(nil)
			h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
			h.chat.Say(liveGroup, "", "mallory", "Double your COINS")
			h.pass(time.Second)
			a := h.types("UMINA", "recalls", "find "+liveGroup+" from:mallory since:10s")
			holds(t, pageText(a.Page), "1 message found", "1 mallory  [from callback]")
			if a := h.types("UMINA", "recalls", "find "+liveGroup+" text:coins"); a.Refused != "index_no_text" {
				t.Errorf("by text: %+v", a)
			}
			c := h.asks("UMINA", liveGroup+" 1")
			holds(t, said(c), "1 mallory  [from callback]")
			lacks(t, said(c), "COINS", "BLIND", "no longer kept")
		})
	})
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t,
				func(o *bot.Options) { o.Callbacks = true; o.Index = bot.IndexExcerpt; o.IndexTTL = 10 * time.Minute })
			h.listens(nil)
			h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
			h.chat.Say(liveGroup, "", "mallory", "Double your COINS")
			h.pass(11 * time.Minute)
			err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
				kept, err := tx.Arrivals(recall.SDKAppID(h.chat.SDKAppID()), liveGroup, "", 1, 100, 100)
				if len(kept) > 0 {
					t.Errorf("kept: %+v", kept)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("of allowed groups", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, func(o *bot.Options) {
				o.Index, o.Policy.Groups = bot.IndexExcerpt, []string{"@TGS#a*"}
			})
			h.pass(time.Second)
			for _, tc := range []struct {
				c    recall.Callback
				want bool
			}{
				{recall.AfterSendMsg{Group: liveGroup, Seq: 1}, true},
				{recall.AfterSendMsg{Group: "@TGS#bOTHER", Seq: 1}, false},
				{recall.AfterSendMsg{Group: liveGroup, Seq: 1, OnlineOnly: true}, false},
				{recall.AfterRecallMsg{Group: liveGroup, Seqs: []recall.Seq{1}}, true},
				{recall.AfterRecallMsg{Group: "@TGS#bOTHER", Seqs: []recall.Seq{1}}, false},
				{recall.OtherCallback{Name: "Group.CallbackAfterCreateGroup"}, false},
			} {
				if got := h.bot.History.Wants(tc.c); got != tc.want {
					t.Errorf("Wants(%+v) = %v", tc.c, got)
				}
			}
		})
	})
}

// kept reports whether any file of the ledger holds the text.
func (h *house) kept(dir, text string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		h.t.Fatalf("no ledger in %s: %v", dir, err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		if bytes.Contains(body, []byte(text)) {
			return true
		}
	}
	return false
}

// With EVIDENCE=hash no text is kept anywhere; Show all reads it afresh, and shows what is still
// what was sealed.
func TestEvidenceHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(filepath.Join(dir, "bot.db"), func(o *bot.Options) { o.Evidence, o.OnRequest = bot.EvidenceHash, true })
		h.chat.Say(testGroup, "", "mallory", "Zwölfzylinder eins")
		h.chat.Say(testGroup, "", "mallory", "Zwölfzylinder zwei")
		h.chat.Say(testGroup, "", "mallory", "Zwölfzylinder drei")
		c := h.asks("UMINA", testGroup+" 1-3")
		lacks(t, said(c), "Zwölf")
		holds(t, said(c), "The text is shown only by Show all.")
		h.chat.RecallElsewhere(testGroup, "", "mallory", 2)
		a := h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
		holds(t, pageText(a.Page), "1 mallory Zwölfzylinder eins", "2 mallory  [not as it was sealed any more]",
			"3 mallory Zwölfzylinder drei", "2 of 3 are still what was sealed")
		if read := h.audited("read"); len(read) != 1 || !strings.Contains(string(read[0].Detail), "show all") {
			t.Errorf("audited: %+v", read)
		}
		h.types("UMINA", "recalls", "find "+testGroup+" from:mallory")
		if h.kept(dir, "Zwölf") {
			t.Error("the text is in the ledger's files")
		}
		if a := h.do("UNOBODY", intake.Act{Kind: intake.ActShowAll, Request: c.ID,
			Digest: c.Digest}); a.Refused != "not_allowed" {
			t.Errorf("Show all by a stranger: %+v", a)
		}
	})
}

// EVIDENCE_TTL takes the text from the ledger and the card; what ended without a recall keeps it
// for a day at most.
func TestEvidenceTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(filepath.Join(dir, "bot.db"), func(o *bot.Options) { o.EvidenceTTL = time.Hour })
		h.chat.Say(testGroup, "", "mallory", "Zwölfzylinder eins")
		c := h.approved(testGroup + " 1")
		h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
		h.types("UTHEO", "recalls", "show "+string(c.ID))
		h.pass(50 * time.Minute)
		a := h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
		holds(t, pageText(a.Page), "Zwölf")
		h.pass(11 * time.Minute)
		a = h.do("UTHEO", intake.Act{Kind: intake.ActShowAll, Request: c.ID, Digest: c.Digest})
		lacks(t, pageText(a.Page)+said(h.screen.card(c.ID)), "Zwölf")
		holds(t, pageText(a.Page), "no longer kept")
		lacks(t, h.screen.thread(c.ID), "Zwölf")
		if h.kept(dir, "Zwölf") {
			t.Error("after EVIDENCE_TTL the text is in the ledger's files")
		}
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error { // hashes and decisions stay
			r, err := tx.Request(c.ID)
			if err != nil {
				return err
			}
			all, err := tx.Messages(c.ID, 0, 10)
			if err != nil {
				return err
			}
			if r.Digest != c.Digest || len(r.Approvals) != 1 || len(all) != 1 || len(all[0].HMAC) == 0 ||
				all[0].Outcome.Class != bot.ClassRecalled {
				t.Errorf("what is left: digest %q, approvals %v, messages %+v", r.Digest, r.Approvals, all)
			}
			if _, err := tx.EvidenceKey(c.ID); !errors.Is(err, bot.ErrNotFound) {
				t.Errorf("the key of the hashes: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("when nothing was recalled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, nil)
			h.say(2)
			recalled := h.approved(testGroup + " 1")
			h.pass(10 * time.Second)
			c := h.asks("UMINA", testGroup+" 2")
			h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(10031, 2))
			h.press("UTHEO", intake.ActApprove, c)
			h.pass(10 * time.Second)
			due := map[bot.RequestID]time.Duration{}
			err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
				all, err := tx.Dues(tx.Now().Add(1000*time.Hour), 100)
				for _, d := range all {
					due[d.Request] = d.At.Sub(tx.Now()).Round(time.Hour)
				}
				return err
			})
			if err != nil || due[recalled.ID] != 720*time.Hour || due[c.ID] != 24*time.Hour {
				t.Errorf("the text goes in %v, %v", due, err)
			}
		})
	})
}

// The phrase of a filter is content: on no card, in no notification, in no audit entry, log or
// post, and gone with the evidence, hints that quote it included.
func TestPhraseIsContent(t *testing.T) {
	const phrase = "Zwölfzylinder"
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var log strings.Builder
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.stop()
		h.open(filepath.Join(dir, "bot.db"), func(o *bot.Options) {
			o.EvidenceTTL, o.Evidence, o.OnRequest, o.Policy.MaxMessages = time.Hour, bot.EvidenceHash, true, 2
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		h.chat.Say(testGroup, "", "mallory", phrase+" eins")
		// so that the request is seen while it is prepared
		h.chat.Inject(recalltest.History, 1, recalltest.Delay(5*time.Second))
		var shown strings.Builder
		watch := func(command string) bot.RequestID {
			id := h.ask("UMINA", command)
			for range 20 {
				h.pass(time.Second)
				c, err := h.bot.ShowingNow(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				shown.WriteString(said(c) + said(h.screen.card(id)) + h.screen.thread(id))
			}
			return id
		}
		id := watch(testGroup + ` text:"` + phrase + `"`)
		holds(t, shown.String(), "text:\"…\"") // it was seen, and says that there is a phrase
		h.press("UTHEO", intake.ActApprove, h.screen.card(id))
		h.pass(10 * time.Second)
		shown.WriteString(said(h.screen.card(id)) + h.screen.thread(id))
		h.chat.Say(testGroup, "", "mallory", phrase+" zwei")
		h.chat.Say(testGroup, "", "mallory", phrase+" drei")
		h.chat.Say(testGroup, "", "mallory", phrase+" vier")
		many := watch(testGroup + ` text:"` + phrase + `"`)
		holds(t, h.whispered("UMINA"), "3 messages match", "last:2")
		if a := h.types("UMINA", "recall", testGroup+` text:"`+phrase+
			`" frm:mallory`); !strings.Contains(fmt.Sprint(a.Lines), phrase) {
			t.Errorf("who mistyped is not told their own words: %v", a.Lines)
		}
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			all, err := tx.Entries(1, 1000)
			for _, e := range all {
				shown.WriteString(string(e.Detail))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if s := shown.String() + log.String(); strings.Contains(s, "Zwölf") {
			t.Errorf("the phrase is shown: %s", s)
		}
		if !h.kept(dir, phrase) {
			t.Fatal("the phrase is not stored at all")
		}
		h.pass(70 * time.Minute)
		if h.kept(dir, phrase) {
			t.Error("after EVIDENCE_TTL the phrase is in the ledger's files")
		}
		for _, id := range []bot.RequestID{id, many} {
			err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
				r, err := tx.Request(id)
				if r.Scope.Filter.Text != command.Withheld {
					t.Errorf("what is kept of the filter is %q", r.Scope.Filter)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// What cannot be read again before it is sent is not sent, in the end.
func TestNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.StartWithin = time.Minute })
		h.say(3)
		c := h.asks("UMINA", testGroup+" 1-3")
		h.pass(11 * time.Minute)
		h.chat.Inject(recalltest.History, -1, recalltest.Answer(10002, ""))
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(3 * time.Minute)
		holds(t, h.screen.thread(c.ID), "1: not sent (could not be read again)", " 3 not sent\n")
		if n := h.recallCalls(); n != 0 {
			t.Errorf("%d calls, want none", n)
		}
	})
}

// A search that takes longer than two seconds says so once.
func TestFindProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(100)
		find := func() (told []string) {
			h.events++
			by := bot.Account{Platform: onSlack, Workspace: "T1", User: "UMINA"}
			_, err := h.bot.Do(t.Context(), intake.Event{
				ID: bot.EventID(fmt.Sprint("e", h.events)), Place: bot.Place{Platform: onSlack, Workspace: "T1",
					Channel: "C1"}, By: by,
				Act: intake.Act{Kind: intake.ActCommand, Command: "recalls",
					Text: "find " + testGroup + " from:alice"},
				Progress: func(l bot.Line) { told = append(told, l.String()) },
			}, bot.Member{Account: by})
			if err != nil {
				t.Fatal(err)
			}
			return told
		}
		if told := find(); told != nil {
			t.Errorf("a quick search says %q", told)
		}
		h.chat.Change(func(o *recalltest.Options) { o.Latency = 1500 * time.Millisecond })
		if told := find(); len(told) != 1 || !strings.HasPrefix(told[0], "Still reading the messages of "+testGroup) {
			t.Errorf("a slow search says %q", told)
		}
	})
}

// Two requests at once: the one that ends first is confirmed while the other is still being sent.
func TestConfirmingBesideARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.MaxMessages = 3000; o.Policy.LargeFrom = 100000 })
		h.say(2003)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		large := h.asks("UMINA", testGroup+" 1-2000")
		h.pass(10 * time.Second)
		small := h.asks("UMINA", testGroup+" 2001-2003")
		h.press("UTHEO", intake.ActApprove, h.screen.card(large.ID))
		h.pass(50 * time.Millisecond)
		h.press("UTHEO", intake.ActApprove, small)
		h.pass(30 * time.Second)
		holds(t, h.screen.thread(small.ID), byHistory)
		holds(t, strings.ReplaceAll(h.screen.thread(large.ID), ",", ""),
			"Of 2000 recalled: 0 confirmed by callback 2000 confirmed by history")
	})
}
