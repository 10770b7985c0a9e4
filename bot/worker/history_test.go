package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// liar is a Chat service whose history is turned before the bot sees it.
type liar struct {
	bot.Chat
	turn atomic.Pointer[func(r recall.HistoryRequest, p *recall.HistoryPage)]
}

func (l *liar) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	p, err := l.Chat.GroupMsgGetSimple(ctx, r)
	if turn := l.turn.Load(); turn != nil && err == nil {
		p.Messages = slices.Clone(p.Messages)
		(*turn)(r, &p)
	}
	return p, err
}

// What history answers is checked against what was asked: more, twice or in another order than
// asked makes no difference.
func TestHistoryChecked(t *testing.T) {
	foreign := func(seq recall.Seq) recall.Message {
		return recall.Message{Seq: seq, From: "mallory", Time: time.Now().Truncate(time.Second), RawBody: []byte(`[]`)}
	}
	for name, turn := range map[string]func(r recall.HistoryRequest, p *recall.HistoryPage){
		"as it is": func(recall.HistoryRequest, *recall.HistoryPage) {},
		"in any order": func(_ recall.HistoryRequest, p *recall.HistoryPage) {
			rand.Shuffle(len(p.Messages),
				func(i, j int) { p.Messages[i], p.Messages[j] = p.Messages[j], p.Messages[i] })
		},
		"everything twice": func(_ recall.HistoryRequest, p *recall.HistoryPage) {
			p.Messages = append(p.Messages, p.Messages...)
		},
		"messages above what was asked": func(r recall.HistoryRequest, p *recall.HistoryPage) {
			if r.Seq > 0 {
				p.Messages = append([]recall.Message{foreign(r.Seq + 1), foreign(r.Seq + 500)}, p.Messages...)
			}
		},
		"messages without a number": func(_ recall.HistoryRequest,
			p *recall.HistoryPage) {
			p.Messages = append(p.Messages, foreign(0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *liar
				h := newHouse(t, func(o *bot.Options) { l = &liar{Chat: o.Chat}; o.Chat = l })
				for i := range 60 {
					h.chat.Say(testGroup, "", []string{"alice", "mallory"}[i%2], fmt.Sprint("win big ", i+1))
				}
				h.pass(time.Second)
				l.turn.Store(&turn)
				a := h.types("UMINA", "recalls", "find "+testGroup+" from:mallory")
				holds(t, pageText(a.Page), "30 messages found", "60 messages were read")
				a = h.types("UMINA", "recalls", "find "+testGroup+" from:mallory last:7")
				holds(t, pageText(a.Page), "7 messages found", "48 mallory", "60 mallory")
				lacks(t, pageText(a.Page), "46 mallory", "alice")
				c := h.asks("UMINA", testGroup+" 10-12 30 70")
				holds(t, said(c), "Recall 4 messages", "messages 10-12, 30, 70", "10 mallory win big 10",
					"11 alice win big 11", "70   [does not exist, left out]")
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(20 * time.Second)
				holds(t, h.screen.thread(c.ID),
					"= 4 recalled + 1 not sent",
					"4 confirmed by history")
				if got := h.chat.RecalledSeqs(testGroup, ""); !slices.Equal(got, []uint32{10, 11, 12, 30}) {
					t.Errorf("recalled %v", got)
				}
			})
		})
	}
}

// Messages that nobody asked for do not show that those asked for are gone: the reading is taken as
// failed, and nothing is proposed.
func TestHistoryOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *liar
		h := newHouse(t, func(o *bot.Options) { l = &liar{Chat: o.Chat}; o.Chat = l })
		h.say(5)
		turn := func(r recall.HistoryRequest, p *recall.HistoryPage) {
			p.Messages = []recall.Message{{Seq: r.Seq + 20, From: "mallory"}, {Seq: r.Seq + 21, From: "mallory"}}
		}
		l.turn.Store(&turn)
		c := h.asks("UMINA", testGroup+" 1-3")
		if c.State != bot.Preparing {
			t.Errorf("state %s: %s", c.State, said(c))
		}
		c = h.within(20*time.Minute, c.ID, bot.Refused)
		holds(t, said(c), "the Chat service gave no answer that could be used")
		lacks(t, said(c), "BLIND", "does not exist", "mallory")
	})
}

// A message that another sender, time or content is told of when it is read again, or that is not
// there any more, is not sent: the filter that found it proves nothing later.
func TestChangedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *liar
		h := newHouse(t, func(o *bot.Options) { l = &liar{Chat: o.Chat}; o.Chat = l })
		for range 6 {
			h.chat.Say(testGroup, "", "mallory", "win big")
		}
		h.pass(time.Second)
		c := h.asks("UMINA", testGroup+" from:mallory since:1h")
		h.pass(11 * time.Minute)
		turn := func(_ recall.HistoryRequest, p *recall.HistoryPage) {
			for i := range p.Messages {
				switch m := &p.Messages[i]; m.Seq {
				case 1:
					m.From = "alice"
				case 2:
					m.Time = m.Time.Add(time.Second)
				case 3:
					m.RawBody = []byte(`[{"MsgType":"TIMTextElem","MsgContent":{"Text":"good morning"}}]`)
				case 4:
					m.CloudCustomData = "x"
				}
			}
			p.Messages = slices.DeleteFunc(p.Messages, func(m recall.Message) bool { return m.Seq == 5 })
		}
		l.turn.Store(&turn)
		h.press("UTHEO", intake.ActApprove, h.screen.card(c.ID))
		h.pass(20 * time.Second)
		thread := h.screen.thread(c.ID)
		for seq := 1; seq <= 5; seq++ {
			holds(t, thread, fmt.Sprintf("%d: not sent (changed since it was approved)", seq))
		}
		holds(t, thread, "6: recalled\n", "= 1 recalled", "+ 5 not sent")
		if got := h.chat.RecalledSeqs(testGroup, ""); !slices.Equal(got, []uint32{6}) {
			t.Errorf("recalled %v", got)
		}
		if strings.Count(thread, "recalled\n") != 1 {
			t.Error(thread)
		}
	})
}

// stepped is a house whose ledger's clock is as much later than the process's as shift says.
func stepped(t *testing.T, shift *atomic.Int64, turn func(*bot.Options)) *house {
	return newHouseWith(t, func(h *house) {
		h.clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	}, turn)
}

// TestReadLongAgo: how old a reading is counts by the ledger's clock, whatever the process's says.
// Where that clock was set back nobody knows, and the message is read again.
func TestReadLongAgo(t *testing.T) {
	for name, test := range map[string]struct {
		first, then time.Duration // how much later the ledger's clock is at the seal, and at the approval
		wait        time.Duration // between the two
		again       bool
	}{
		"in time":                         {0, 0, 9 * time.Minute, false},
		"too long ago":                    {0, 0, 11 * time.Minute, true},
		"in time, a clock behind":         {-time.Hour, -time.Hour, 9 * time.Minute, false},
		"too long ago, a clock behind":    {-time.Hour, -time.Hour, 11 * time.Minute, true},
		"in time, a clock ahead":          {time.Hour, time.Hour, 9 * time.Minute, false},
		"too long ago, a clock ahead":     {time.Hour, time.Hour, 11 * time.Minute, true},
		"too long ago, the clock is back": {0, -time.Hour, 11 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shift atomic.Int64
				shift.Store(int64(test.first))
				h := stepped(t, &shift, func(o *bot.Options) { o.Policy.LargeFrom = 1000 })
				h.say(101)
				c := h.proposed(testGroup + " 1-101")
				h.pass(test.wait)
				shift.Store(int64(test.then))
				h.chat.Edit(testGroup, "", 2, "good morning")
				h.press("UTHEO", intake.ActApprove, c)
				h.within(time.Minute, c.ID, bot.Done)
				again := slices.ContainsFunc(h.audited("found out"),
					func(e bot.Entry) bool { return strings.Contains(string(e.Detail), `"for":"send"`) })
				if again != test.again {
					t.Errorf("read again: %v, want %v", again, test.again)
				}
				if sent := h.chat.Recalled(testGroup, "", 2); sent == test.again {
					t.Errorf("a message that was changed is recalled: %v", sent)
				}
			})
		})
	}
}

// dated is a Chat service that notes when each message was asked for.
type dated struct {
	bot.Chat
	mu    sync.Mutex
	asked map[recall.Seq]time.Time
}

func (d *dated) GroupMsgGetSimple(ctx context.Context, r recall.HistoryRequest) (recall.HistoryPage, error) {
	asked := time.Now()
	p, err := d.Chat.GroupMsgGetSimple(ctx, r)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range p.Messages {
		d.asked[m.Seq] = asked
	}
	return p, err
}

// TestReadDated: a message is sealed as read when it was asked for, by the ledger's clock, however
// long the reading takes and whatever the clock does meanwhile. When the answer came would be too
// late: what others did to the message while that was on its way is not in it.
func TestReadDated(t *testing.T) {
	for text, exact := range map[string]bool{"1-1000": true, `text:"win big" last:500`: false} {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const ahead = -time.Hour
				var shift atomic.Int64
				shift.Store(int64(ahead))
				d := &dated{asked: map[recall.Seq]time.Time{}}
				h := stepped(t, &shift, func(o *bot.Options) { d.Chat, o.Chat = o.Chat, d })
				h.chat.Change(func(o *recalltest.Options) { o.Latency = 3 * time.Second })
				h.say(1000)
				began := time.Now()
				id := h.ask("UMINA", testGroup+" "+text)
				h.pass(4 * time.Second)
				shift.Store(0)
				h.within(time.Minute, id, bot.Proposed)
				err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
					all, err := tx.Messages(id, 0, 1000)
					for _, m := range all {
						read, asked := m.Read.Add(-ahead), d.asked[m.Seq]
						if read.After(asked) || read.Before(began.Truncate(time.Millisecond)) || exact &&
							asked.Sub(read) > time.Millisecond {
							t.Errorf("%d was asked for %v after the start, and is sealed as read after %v", m.Seq,
								asked.Sub(began), read.Sub(began))
						}
					}
					if r, err := tx.Request(id); err != nil || len(all) == 0 || len(all) != r.Tally.Total {
						t.Errorf("%d messages of %d: %v", len(all), r.Tally.Total, err)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestReadTooOften: a page that the service does not give because it is asked too often is asked
// for again, not the whole reading; and however long that takes, no request is blind for it.
func TestReadTooOften(t *testing.T) {
	for name, test := range map[string]struct{ refused, calls int }{"for a moment": {7, 7 + 10},
		"for two minutes": {-1, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.say(200)
				h.chat.Inject(recalltest.History, test.refused, recalltest.Answer(60007, "too frequent"))
				id := h.ask("UMINA", testGroup+" 1-200")
				if test.refused < 0 {
					h.pass(2 * time.Minute)
					if s := h.state(id); s != bot.Preparing || h.screen.card(id).ID != "" {
						t.Errorf("state %s while nothing can be read", s)
					}
					h.chat.ClearFaults()
				}
				c := h.within(time.Minute, id, bot.Proposed)
				if calls := h.chat.Calls(recalltest.History); test.calls > 0 && calls != test.calls {
					t.Errorf("%d calls for 10 pages of which %d were refused once", calls, test.refused)
				}
				lacks(t, said(c), "BLIND")
				if told := h.told(); told != h.chat.Calls(recalltest.History)+h.chat.Calls(
					recalltest.Info) {
					t.Errorf("%d calls are told of %d", told,
						h.chat.Calls(recalltest.History)+h.chat.Calls(recalltest.Info))
				}
			})
		})
	}
}

// TestDoubtReadTooOften: a doubt that cannot be read because others read too much is not sent again
// unread, however long that takes.
func TestDoubtReadTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(2*time.Second), recalltest.AnswerLost())
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(time.Second) // it has been read, and the call is on its way
		h.chat.Inject(recalltest.History, -1, recalltest.Answer(60007, "too frequent"))
		h.pass(5 * time.Minute)
		if calls := h.recallCalls(); calls != 1 {
			t.Errorf("%d calls, of which the first recalled all", calls)
		}
		h.chat.ClearFaults()
		h.within(time.Minute, c.ID, bot.Done)
		holds(t, h.screen.thread(c.ID), "3: recalled (answer lost, verified by history)")
	})
}

// TestHistoryWithoutList: an answer without the list of messages is no reading. Nothing is told as
// absent for it: at the seal, before the call, and after a lost answer.
func TestHistoryWithoutList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		h.chat.Inject(recalltest.History, 1, recalltest.NoList())
		c := h.proposed(testGroup + " 1-3")
		lacks(t, said(c), "BLIND", "does not exist")
		h.pass(11 * time.Minute)
		h.chat.Inject(recalltest.History, 1, recalltest.NoList())
		h.chat.Inject(recalltest.Recall, 1, recalltest.AnswerLost())
		h.press("UTHEO", intake.ActApprove, c)
		for h.recallCalls() == 0 {
			h.pass(100 * time.Millisecond)
		}
		h.chat.Inject(recalltest.History, 1, recalltest.NoList())
		h.within(time.Minute, c.ID, bot.Done)
		holds(t, h.screen.thread(c.ID), "3: recalled (answer lost, verified by history)", "= 3 recalled")
	})
}
