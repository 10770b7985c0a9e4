package worker_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// TestFaults lets one thing go wrong with the Chat service while a request for the messages 1 to 3
// runs, and reads what the thread says. Whatever the answer was, every message ends with an outcome
// that is true.
func TestFaults(t *testing.T) {
	all := func(words string) []string { return []string{"1: " + words, "2: " + words, "3: " + words} }
	for _, test := range []struct {
		name   string
		faults []recalltest.Fault
		n      int // calls that go wrong
		want   []string
		state  bot.State
		most   int // recall calls, at most
	}{
		{"an answer in another order", []recalltest.Fault{recalltest.Reordered()}, 1, all("recalled"), bot.Done, 1},
		{"no ErrorInfo", []recalltest.Fault{recalltest.NoErrorInfo()}, 1, all("recalled"), bot.Done, 1},
		{"fields nobody knows", []recalltest.Fault{recalltest.ExtraFields()}, 1, all("recalled"), bot.Done, 1},
		{"an answer that lacks a message", []recalltest.Fault{recalltest.Missing(2)}, 1,
			[]string{"1: recalled", "2: recalled (answer lost, verified by history)", "3: recalled"}, bot.Done, 1},
		{"502 with HTML before acting", []recalltest.Fault{recalltest.BadGateway()}, 1, all("recalled"), bot.Done, 2},
		{"502 with HTML after acting", []recalltest.Fault{recalltest.BadGatewayAfter()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"HTML with status 200", []recalltest.Fault{recalltest.HTML()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"500 with an envelope that says OK", []recalltest.Fault{recalltest.Status(500)}, 1, all("recalled"), bot.Done,
			2},
		{"a call that acts long after it was given up", []recalltest.Fault{recalltest.ActsLate(30 * time.Second)}, 1,
			all("recalled"), bot.Done, 2},
		{"a slow answer", []recalltest.Fault{recalltest.Delay(5 * time.Second)}, 1, all("recalled"), bot.Done, 1},
		{"a call that takes longer than it is waited for", []recalltest.Fault{recalltest.Delay(12 * time.Second)}, 1,
			all("recalled"), bot.Done, 2},
		{"an answer that names each message twice", []recalltest.Fault{recalltest.Twice()}, 1, all("recalled"),
			bot.Done, 1},
		{"two codes for each message, the last of them wrong", []recalltest.Fault{recalltest.TwoCodes(10031)}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"two codes for each message, the last of them a lie", []recalltest.Fault{recalltest.PerMessage(10002),
			recalltest.TwoCodes(0)}, 1, all("recalled"), bot.Done, 2},
		{"an answer that is cut off within its JSON", []recalltest.Fault{recalltest.CutJSON()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"the answer lost after acting", []recalltest.Fault{recalltest.AnswerLost()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"a connection broken before acting", []recalltest.Fault{recalltest.ResetBefore()}, 1, all("recalled"),
			bot.Done, 2},
		{"a connection broken after acting", []recalltest.Fault{recalltest.ResetAfter()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"never reached", []recalltest.Fault{recalltest.Unreachable()}, 1, all("recalled"), bot.Done, 1},
		{"a truncated answer", []recalltest.Fault{recalltest.Truncated()}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"10002 before acting", []recalltest.Fault{recalltest.Answer(10002, "internal")}, 1, all("recalled"), bot.Done,
			2},
		{"10002 after acting", []recalltest.Fault{recalltest.AnswerAfter(10002, "internal")}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"60008 after acting", []recalltest.Fault{recalltest.AnswerAfter(60008, "timeout")}, 1,
			all("recalled (answer lost, verified by history)"), bot.Done, 1},
		{"60007", []recalltest.Fault{recalltest.Answer(60007, "too frequent")}, 3, all("recalled"), bot.Done, 4},
		{"70001 once", []recalltest.Fault{recalltest.Answer(70001, "expired")}, 1, all("recalled"), bot.Done, 2},
		{"70009 pauses the app, until it is mended", []recalltest.Fault{recalltest.Answer(70009, "wrong key")}, 1,
			all("recalled"), bot.Done, 2},
		{"70050 pauses the app", []recalltest.Fault{recalltest.Answer(70050, "too many failures")}, 1, all("recalled"),
			bot.Done, 2},
		{"10007 refuses the request", []recalltest.Fault{recalltest.Answer(10007, "not allowed here")}, 1,
			all("refused (10007: not allowed here)"), bot.Done, 1},
		{"10010 refuses the request", []recalltest.Fault{recalltest.Answer(10010, "no such group")}, 1,
			all("refused (10010: no such group)"), bot.Done, 1},
		{"10033 refuses the request", []recalltest.Fault{recalltest.Answer(10033, "")}, 1,
			all("group type does not allow it (10033)"), bot.Done, 1},
		{"10041 refuses the request", []recalltest.Fault{recalltest.Answer(10041, "")}, 1,
			all("recall is switched off for this app (10041)"), bot.Done, 1},
		{"10032 for the whole call is tried singly", []recalltest.Fault{recalltest.Answer(10032, "")}, 1,
			all("recalled"), bot.Done, 4},
		{"10004 again and again", []recalltest.Fault{recalltest.Answer(10004, "bad")}, 4, all("refused (10004: bad)"),
			bot.Done, 4},
		{"a code that no table names", []recalltest.Fault{recalltest.Answer(61234, "we moved")}, 1,
			all("refused (61234: we moved)"), bot.Done, 1},
		{"10030 for one message", []recalltest.Fault{recalltest.PerMessage(10030, 2)}, 1,
			[]string{"1: recalled", "2: not found (10030)", "3: recalled"}, bot.Done, 1},
		{"10031 for one message", []recalltest.Fault{recalltest.PerMessage(10031, 2)}, 1,
			[]string{"2: too old (10031)"}, bot.Done, 1},
		{"10032 for one message", []recalltest.Fault{recalltest.PerMessage(10032, 2)}, 1,
			[]string{"2: cannot be recalled (10032)"}, bot.Done, 1},
		{"10033 for one message", []recalltest.Fault{recalltest.PerMessage(10033, 2)}, 1,
			[]string{"1: recalled", "2: group type does not allow it (10033)"}, bot.Done, 1},
		{"10002 for one message", []recalltest.Fault{recalltest.PerMessage(10002, 2)}, 1,
			[]string{"1: recalled", "2: recalled", "3: recalled"}, bot.Done, 2},
		{"no list", []recalltest.Fault{recalltest.NoList()}, 1, all("recalled (answer lost, verified by history)"),
			bot.Done, 1},
		{"nothing works for long", []recalltest.Fault{recalltest.BadGateway()}, -1,
			all("unknown (still there when last read)"), bot.Stopped, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.say(3)
				c := h.asks("UMINA", testGroup+" 1-3")
				h.chat.Inject(recalltest.Recall, test.n, test.faults...)
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(5 * time.Minute)
				if test.n < 0 {
					h.pass(15 * time.Minute)
					if got := h.screen.card(c.ID).State; got != bot.Stopping && got != bot.Stopped {
						t.Errorf("state after 20 minutes without an outcome: %s", got)
					}
					h.pass(20 * time.Minute)
				}
				thread := h.screen.thread(c.ID)
				for _, want := range test.want {
					if !strings.Contains(thread, want+"\n") {
						t.Errorf("the thread lacks %q", want)
					}
				}
				if got := h.screen.card(c.ID).State; got != test.state {
					t.Errorf("state %s, want %s", got, test.state)
				}
				if n := h.chat.Calls(recalltest.Recall); n > test.most {
					t.Errorf("%d calls, want at most %d", n, test.most)
				}
				// What the receipt calls recalled is recalled, and nothing else is.
				recalled := len(h.chat.RecalledSeqs(testGroup, ""))
				if said := strings.Count(thread, ": recalled"); said != recalled {
					t.Errorf("the thread says that %d are recalled; %d are", said, recalled)
				}
				if t.Failed() {
					t.Log(thread, h.screen.card(c.ID).Title, h.screen.card(c.ID).Unusual)
				}
			})
		})
	}
}

// TestEveryFault holds the tests to the knobs that the service in memory has: each is turned alone
// in TestFaults, and in the mix of TestChaosChat.
func TestEveryFault(t *testing.T) {
	parse := func(file string) *ast.File {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var knobs []string
	for _, d := range parse("../../recall/recalltest/fault.go").Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil {
			continue
		}
		if id, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && id.Name == "Fault" {
			knobs = append(knobs, f.Name.Name)
		}
	}
	if len(knobs) < 20 {
		t.Fatalf("found only %v", knobs)
	}
	for test, file := range map[string]string{"TestFaults": "faults_test.go", "TestChaosChat": "chaos_test.go"} {
		turned := map[string]bool{}
		for _, d := range parse(file).Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == test {
				ast.Inspect(f, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						turned[s.Sel.Name] = true
					}
					return true
				})
			}
		}
		for _, k := range knobs {
			if !turned[k] {
				t.Errorf("%s does not turn recalltest.%s", test, k)
			}
		}
	}
}

// TestStopWhileRunning stops a long request: what is in flight is awaited, the rest is not sent,
// and the receipt is exact.
func TestStopWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 100000 })
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		h.say(1000)
		c := h.asks("UMINA", testGroup+" 1-1000")
		h.press("UTHEO", intake.ActApprove, c)
		time.Sleep(200 * time.Millisecond)
		if a := h.press("UTHEO", intake.ActStop, c); a.Kind != intake.Changed {
			t.Fatalf("stop: %+v", a)
		}
		h.pass(time.Minute)
		card := h.screen.card(c.ID)
		if card.State != bot.Stopped {
			t.Fatalf("state %s", card.State)
		}
		n := len(h.chat.RecalledSeqs(testGroup, ""))
		if n == 0 || n == 1000 {
			t.Fatalf("%d of 1000 were recalled: the stop showed nothing", n)
		}
		want := strings.NewReplacer("N", itoa(n), "M",
			itoa(1000-n)).Replace(
			"1,000 messages were requested = N recalled + M not sent")
		if thread := h.screen.thread(c.ID); !strings.Contains(thread, want) {
			t.Errorf("the thread lacks %q:\n%.2000s", want, thread)
		}
	})
}

func itoa(n int) string {
	return strings.TrimSpace(bot.Say("note.summary", "n", n, "words", bot.Line{}).String())
}

// TestStopSettlesDoubtByReading stops a request whose answers are being lost: what may have been
// recalled is found out by reading alone, and nothing is sent any more.
func TestStopSettlesDoubtByReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, nil, nil)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		h.say(1000)
		c := h.proposed(testGroup + " 1-1000")
		for i := range 40 { // of each three one acted
			fault := recalltest.ResetBefore()
			if i%3 == 0 {
				fault = recalltest.AnswerLost()
			}
			h.chat.Inject(recalltest.Recall, 1, fault)
		}
		h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		h.press("UTHEO", intake.ActApprove, c)
		time.Sleep(150 * time.Millisecond)
		h.press("UTHEO", intake.ActStop, c)
		h.pass(20 * time.Second)
		calls := h.chat.Calls(recalltest.Recall)
		if got := h.screen.card(c.ID).State; got != bot.Stopping {
			t.Fatalf("state %s while doubt cannot be read", got)
		}
		h.chat.ClearFaults()
		h.within(time.Minute, c.ID, bot.Stopped)
		h.pass(time.Minute)
		if more := h.chat.Calls(recalltest.Recall) - calls; more > 0 {
			t.Errorf("%d calls after the stop", more)
		}
		counts := h.holds(c.ID, 1000)
		if recalled := len(h.chat.RecalledSeqs(testGroup, "")); counts["recalled"] != recalled || recalled == 0 ||
			counts["unknown"] == 0 || counts["not sent"] == 0 {
			t.Errorf("outcomes %v; %d are recalled", counts, recalled)
		}
	})
}

// TestRefusedAfterALostAnswer: the service refuses a request as a whole while the answer to one of
// its calls is lost, and that call acts only after history showed its messages as still there. So
// these are not told as refused.
func TestRefusedAfterALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(60)
		c := h.asks("UMINA", testGroup+" 1-60")
		h.chat.Inject(recalltest.Recall, 1, recalltest.ActsLate(5*time.Minute))
		h.chat.Inject(recalltest.Recall, -1, recalltest.Answer(10007, "not allowed here"))
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		if n := len(h.chat.RecalledSeqs(testGroup, "")); n != 0 {
			t.Fatalf("%d are recalled already: this shows nothing", n)
		}
		if counts := h.holds(c.ID, 60); counts["unknown"] != 10 || counts["refused"] != 50 {
			t.Errorf("outcomes %v", counts)
		}
		holds(t, h.screen.thread(c.ID), "10 unknown (still there when last read)",
			"50 refused (10007: not allowed here)")
		h.pass(10 * time.Minute)
		if n := len(h.chat.RecalledSeqs(testGroup, "")); n != 10 {
			t.Errorf("%d are recalled in the end: this shows nothing", n)
		}
		h.holds(c.ID, 60)
	})
}

// TestDoubtReadInTheEnd: a batch of a group that is said to keep no history is sent again unread,
// that answer is lost too, and then history can be read. A final code counts from then on as for
// what was always read.
func TestDoubtReadInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		// at the seal, before each of two calls, and after the first
		h.chat.Inject(recalltest.History, 4, recalltest.Answer(10044, "no history"))
		c := h.proposed(testGroup + " 1-3")
		h.chat.Inject(recalltest.Recall, 2, recalltest.ResetBefore())
		h.chat.Inject(recalltest.Recall, -1, recalltest.PerMessage(10031))
		h.press("UTHEO", intake.ActApprove, c)
		h.within(5*time.Minute, c.ID, bot.Done)
		if n := h.recallCalls(); n != 3 {
			t.Fatalf("%d calls: this shows nothing", n)
		}
		holds(t, h.screen.thread(c.ID), "3: too old (10031)")
	})
}

// TestDoubtsBesideUnreadable: doubts that cannot be read do not keep the others from being read.
func TestDoubtsBesideUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *liar
		h := newHouse(t, func(o *bot.Options) {
			l = &liar{Chat: o.Chat}
			o.Chat, o.Policy.LargeFrom, o.Policy.StartWithin = l, 1000, 5*time.Minute
		})
		h.say(200)
		c := h.proposed(testGroup + " 1-200")
		turn := func(r recall.HistoryRequest, p *recall.HistoryPage) {
			if r.Seq <= 80 { // eight batches: as many as are read at once
				p.Messages = []recall.Message{{Seq: r.Seq + 1000, From: "mallory", Time: time.Now()}}
			}
		}
		l.turn.Store(&turn)
		h.chat.Inject(recalltest.Recall, -1, recalltest.AnswerLost())
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(500 * time.Millisecond)
		if n := h.recallCalls(); n != 20 {
			t.Fatalf("%d calls: this shows nothing", n)
		}
		h.press("UTHEO", intake.ActStop, c)
		h.pass(time.Minute)
		holds(t, said(h.screen.card(c.ID)), "Stopping in Casino talk: 120 of 200")
		h.within(2*time.Hour, c.ID, bot.Stopped)
		if counts := h.holds(c.ID, 200); counts["recalled"] != 120 || counts["unknown"] != 80 {
			t.Errorf("outcomes %v", counts)
		}
	})
}

// TestSmallBeforeLarge: an urgent message does not wait behind a flood.
func TestSmallBeforeLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, nil, nil)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		h.say(10_002)
		flood := h.proposed(testGroup + " 1-10000")
		urgent := h.proposed(testGroup + " 10001 10002")
		h.press("UTHEO", intake.ActApprove, flood)
		time.Sleep(500 * time.Millisecond)
		h.press("UTHEO", intake.ActApprove, urgent)
		time.Sleep(time.Second)
		if c, err := h.bot.ShowingNow(t.Context(), urgent.ID); err != nil || c.State != bot.Done {
			t.Errorf("the urgent request is %s a second after its approval: %v", c.State, err)
		}
		if c, err := h.bot.ShowingNow(t.Context(), flood.ID); err != nil || c.State != bot.Running {
			t.Errorf("the flood is %s: this showed nothing: %v", c.State, err)
		}
		h.within(time.Minute, flood.ID, bot.Done)
	})
}

// TestSmallAsked: whichever was asked first, and with a quota so small that one batch is claimed at
// a time, a small request goes before a flood.
func TestSmallAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.pass(time.Second)
		h.again()
		h.say(502)
		urgent := h.proposed(testGroup + " 501 502")
		flood := h.proposed(testGroup + " 1-500")
		h.press("UTHEO", intake.ActApprove, flood)
		h.pass(500 * time.Millisecond)
		h.press("UTHEO", intake.ActApprove, urgent)
		h.within(3*time.Second, urgent.ID, bot.Done)
		if c, err := h.bot.ShowingNow(t.Context(), flood.ID); err != nil || c.State != bot.Running {
			t.Errorf("the flood is %s: this shows nothing: %v", c.State, err)
		}
	})
}

// TestFloodsSideBySide: of two floods the larger does not wait for the end of the other.
func TestFloodsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseWith(t, nil, nil)
		h.say(10_000)
		one, two := h.proposed(testGroup+" 1-4900"), h.proposed(testGroup+" 4901-10000")
		h.press("UTHEO", intake.ActApprove, one)
		h.press("UTHEO", intake.ActApprove, two)
		h.pass(time.Second)
		seqs := h.chat.RecalledSeqs(testGroup, "")
		larger := 0
		for _, s := range seqs {
			if s > 4900 {
				larger++
			}
		}
		if larger < len(seqs)/3 || larger > len(seqs)*2/3 {
			t.Errorf("%d of %d messages are of the larger flood, want about half", larger, len(seqs))
		}
	})
}

// cutOff sends no recall of one group.
type cutOff struct {
	bot.Chat
	group recall.GroupID
}

func (c cutOff) GroupMsgRecall(ctx context.Context, r recall.RecallRequest) (recall.RecallAnswer, error) {
	if r.Group == c.group {
		return recall.RecallAnswer{}, recall.ErrNotSent
	}
	return c.Chat.GroupMsgRecall(ctx, r)
}

// TestShareLeft: of a share that one flood cannot use, because its batches wait to be sent again,
// the other has the use.
func TestShareLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cut = "@TGS#CUT"
		h := newHouseWith(t, nil, func(o *bot.Options) { o.Chat = cutOff{Chat: o.Chat, group: cut} })
		h.chat.AddGroup(recalltest.Group{ID: cut, Type: "Public", Name: "Cut off", Members: 2})
		for i := range 5100 {
			h.chat.Say(cut, "", "alice", fmt.Sprint("win big ", i+1))
		}
		h.say(5000)
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		waits, goes := h.proposed(cut+" 1-5100"), h.proposed(testGroup+" 1-5000")
		h.press("UTHEO", intake.ActApprove, waits)
		h.press("UTHEO", intake.ActApprove, goes)
		h.pass(time.Second)
		before := h.recallCalls()
		h.pass(time.Second)
		if n := h.recallCalls() - before; n < 180 {
			t.Errorf("%d calls in a second, want about 200", n)
		}
	})
}

// TestStopEndsDoubt stops a request whose answer is lost and cannot be found out: it ends, as soon
// as nothing can tell any more.
func TestStopEndsDoubt(t *testing.T) {
	for name, test := range map[string]struct {
		group       string
		callbacks   bool
		least, most time.Duration // from the lost answer to the end
	}{
		"history cannot be read":     {testGroup, false, 4 * time.Minute, 6 * time.Minute},
		"no history":                 {"@TGS#LIVE", false, 0, 3 * time.Second},
		"no history, with callbacks": {"@TGS#LIVE", true, 5 * time.Second, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t,
					func(o *bot.Options) { o.Callbacks, o.Policy.StartWithin = test.callbacks, 5*time.Minute })
				h.chat.AddGroup(recalltest.Group{ID: "@TGS#LIVE", Type: "AVChatRoom", Name: "Live", Members: 2})
				for i := range 3 {
					h.chat.Say(test.group, "", "alice", fmt.Sprint("win big ", i+1))
				}
				c := h.proposed(test.group + " 1-3")
				h.chat.Change(func(o *recalltest.Options) { o.Latency = time.Second })
				h.chat.Inject(recalltest.Recall, 1, recalltest.ResetBefore())
				h.press("UTHEO", intake.ActApprove, c)
				if test.group == testGroup {
					h.pass(time.Second) // for the reading before the call
				}
				h.pass(500 * time.Millisecond)
				h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
				h.press("UTHEO", intake.ActStop, c)
				h.pass(time.Second)
				if test.least > 0 {
					h.pass(test.least)
					if now, err := h.bot.ShowingNow(t.Context(), c.ID); err != nil || now.State != bot.Stopping {
						t.Errorf("%v after the lost answer it is %s: %v", test.least, now.State, err)
					}
				}
				h.within(test.most-test.least, c.ID, bot.Stopped)
				holds(t, h.screen.thread(c.ID), " 3 unknown\n")
				if n := h.recallCalls(); n != 1 {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}
