package worker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// TestOutageWaited: an outage of the Chat service is never sealed blind. It is waited for, at most
// POLICY_START_WITHIN, and then the request is refused with what failed.
func TestOutageWaited(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		fault   recalltest.Fault
		words   string
	}{
		"history": {recalltest.History, recalltest.BadGateway(),
			"the Chat service gave no answer that could be used"},
		"the group": {recalltest.Info, recalltest.BadGateway(),
			"the Chat service gave no answer that could be used"},
		"10002": {recalltest.History, recalltest.Answer(10002, "internal"),
			"the Chat service answered internal (10002)"},
		"60008 of the group": {recalltest.Info, recalltest.Answer(60008, "timeout"),
			"the Chat service answered timeout (60008)"},
		"asked too often": {recalltest.History, recalltest.Answer(60007, "too frequent"),
			"the Chat service answered too frequent (60007)"},
		"a paused app": {recalltest.History, recalltest.Answer(70009, "wrong key"),
			"the Chat service answered wrong key (70009)"},
		"a paused app, the group": {recalltest.Info, recalltest.Answer(60020, "in arrears"),
			"the Chat service answered in arrears (60020)"},
	} {
		for _, heals := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, heals %v", name, heals), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, func(o *bot.Options) { o.Policy.StartWithin = 4 * time.Minute })
					h.say(3)
					h.chat.Inject(test.command, -1, test.fault)
					id := h.ask("UMINA", testGroup+" 1-4")
					h.pass(2*time.Minute + 30*time.Second)
					c, err := h.bot.ShowingNow(t.Context(), id)
					if err != nil || c.State != bot.Preparing {
						t.Fatalf("after two minutes it is %s: %v", c.State, err)
					}
					lacks(t, said(c), "BLIND")
					if heals {
						h.chat.ClearFaults()
						c = h.within(89*time.Second, id, bot.Proposed)
						holds(t, said(c), "Recall 3 messages", "4   [does not exist, left out]")
						lacks(t, said(c), "BLIND", "cannot be read")
						return
					}
					c = h.within(2*time.Minute, id, bot.Refused)
					holds(t, said(c), "could not be read within 4m: "+test.words, "nothing was recalled")
					if n := h.recallCalls(); n != 0 {
						t.Errorf("%d calls", n)
					}
				})
			})
		}
	}
}

// TestDoubtKeepsSeal: whatever happened to a batch, what is sent is what was sealed. Message 2 is
// changed while a lost answer, a restart, a pause or an outage keeps it from being sent, and is not
// sent again; the others are.
func TestDoubtKeepsSeal(t *testing.T) {
	const changed = "not sent (changed since it was approved)"
	edit := func(h *house) { h.chat.Edit(testGroup, "", 2, "good morning") }
	// The messages are read right before the call, so history fails while the answer is on its way.
	lost := func(h *house, _ bot.Card) {
		h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(2*time.Second), recalltest.BadGateway())
	}
	unread := func(h *house, with recalltest.Fault) {
		h.pass(time.Second)
		if n := h.recallCalls(); n != 1 {
			h.t.Fatalf("%d calls: this shows nothing", n)
		}
		h.chat.Inject(recalltest.History, -1, with)
		h.pass(2 * time.Second)
	}
	for name, test := range map[string]struct {
		before func(h *house, c bot.Card)
		after  func(h *house, c bot.Card) // the approval
		want   string
	}{
		"edited after a lost answer": {
			lost,
			func(h *house, _ bot.Card) { unread(h, recalltest.BadGateway()); edit(h); h.chat.ClearFaults() }, changed,
		},
		"edited while history was away for five minutes": {
			lost,
			func(h *house, _ bot.Card) {
				unread(h, recalltest.BadGateway())
				h.pass(5 * time.Minute)
				edit(h)
				h.chat.ClearFaults()
			}, changed,
		},
		"edited while history refused for five minutes": {
			lost,
			func(h *house, _ bot.Card) {
				unread(h, recalltest.Answer(10010, "no such group"))
				h.pass(5 * time.Minute)
				edit(h)
				h.chat.ClearFaults()
			}, changed,
		},
		"edited while history was said to be kept no more": {
			lost,
			func(h *house, _ bot.Card) {
				unread(h, recalltest.Answer(10044, "no history"))
				h.pass(5 * time.Minute)
				edit(h)
				h.chat.ClearFaults()
			}, changed,
		},
		"edited while the process was away for eleven minutes": {
			func(h *house, _ bot.Card) {
				h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(5*time.Second), recalltest.ResetBefore())
			},
			func(h *house, _ bot.Card) {
				h.pass(time.Second)
				h.stop()
				edit(h)
				h.pass(11 * time.Minute)
				h.open(h.file, nil)
			}, changed,
		},
		"edited in a pause of twelve minutes that came after a doubt was read": {
			func(h *house, _ bot.Card) {
				h.chat.Inject(recalltest.Recall, 1, recalltest.BadGateway())
				h.chat.Inject(recalltest.Recall, 12, recalltest.Answer(70009, "wrong key"))
			},
			func(h *house, _ bot.Card) {
				h.pass(time.Minute)
				if n := h.recallCalls(); n < 2 {
					h.t.Fatalf("%d calls: this shows nothing", n)
				}
				edit(h)
			}, changed,
		},
		"edited in a pause of twelve minutes": {
			func(h *house, _ bot.Card) {
				h.chat.Inject(recalltest.Recall, 12, recalltest.Answer(70009, "wrong key"))
			},
			func(h *house, _ bot.Card) { h.pass(time.Minute); edit(h) }, changed,
		},
		"edited, and restored from a copy": {
			func(h *house, _ bot.Card) {
				h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(5*time.Second), recalltest.ResetBefore())
			},
			func(h *house, _ bot.Card) {
				h.pass(time.Second)
				copied := h.t.TempDir() + "/copy.db"
				if err := h.ledger.Backup(h.t.Context(), copied); err != nil {
					h.t.Fatal(err)
				}
				h.stop()
				edit(h)
				h.open(copied, nil)
			}, changed,
		},
		"recalled by somebody else after a lost answer": {
			lost,
			func(h *house, _ bot.Card) {
				unread(h, recalltest.BadGateway())
				h.chat.RecallElsewhere(testGroup, "", "alice", 2)
				h.chat.ClearFaults()
			}, "recalled (answer lost, verified by history)",
		},
		"recalled by the lost call itself, in a pause of twelve minutes": {
			func(h *house, _ bot.Card) {
				h.chat.Inject(recalltest.Recall, 1, recalltest.BadGateway())
				h.chat.Inject(recalltest.Recall, 12, recalltest.Answer(70009, "wrong key"))
			},
			func(h *house, _ bot.Card) {
				h.pass(time.Minute)
				h.chat.RecallElsewhere(testGroup, "", "administrator", 2)
			},
			"recalled (answer lost, verified by history)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.say(3)
				c := h.proposed(testGroup + " 1-3")
				test.before(h, c)
				h.press("UTHEO", intake.ActApprove, c)
				test.after(h, c)
				h.within(15*time.Minute, c.ID, bot.Done)
				h.pass(time.Minute)
				holds(t, h.screen.thread(c.ID), "1: recalled\n", "2: "+test.want+"\n", "3: recalled\n")
				if got := h.chat.RecalledSeqs(testGroup, ""); test.want == changed &&
					!slices.Equal(got, []recalltest.Seq{1, 3}) {
					t.Errorf("recalled %v", got)
				}
			})
		})
	}
}

// TestNeverSentUnread: what cannot be read again is not sent, however long that lasts: the request
// stops, and what may have been sent before is unknown.
func TestNeverSentUnread(t *testing.T) {
	for name, test := range map[string]struct {
		lost  bool
		fault recalltest.Fault
		want  string
	}{
		"in doubt, an outage": {true, recalltest.BadGateway(),
			"unknown (the answer was lost and it cannot be found out)"},
		"in doubt, refused": {true, recalltest.Answer(10007, "no"),
			"unknown (the answer was lost and it cannot be found out)"},
		"in doubt, 10044": {true, recalltest.Answer(10044, "no history"),
			"unknown (the answer was lost and it cannot be found out)"},
		"an outage": {false, recalltest.BadGateway(), "not sent (could not be read again)"},
		"refused":   {false, recalltest.Answer(10007, "no"), "not sent (could not be read again)"},
		"10044": {false, recalltest.Answer(10044, "no history"),
			"not sent (could not be read again)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Policy.StartWithin = 4 * time.Minute })
				h.say(3)
				c := h.proposed(testGroup + " 1-3")
				calls := 0
				if test.lost {
					calls = 1
					h.chat.Inject(recalltest.Recall, 1, recalltest.Delay(2*time.Second), recalltest.BadGateway())
					h.press("UTHEO", intake.ActApprove, c)
					h.pass(time.Second) // it has been read, and the call is on its way
				}
				h.chat.Inject(recalltest.History, -1, test.fault)
				if !test.lost {
					h.press("UTHEO", intake.ActApprove, c)
				}
				h.within(10*time.Minute, c.ID, bot.Stopped)
				h.pass(time.Minute)
				if n := h.recallCalls(); n != calls {
					t.Errorf("%d calls, want %d", n, calls)
				}
				holds(t, h.screen.thread(c.ID), "1: "+test.want+"\n", "3: "+test.want+"\n")
			})
		})
	}
}

// TestBlindByNumber: of what was sealed unread, whether it existed then is told by the number that
// the service was to give next. How the service's clock stands to ours tells nothing: it is set an
// hour back and an hour ahead.
func TestBlindByNumber(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
			for _, lost := range []bool{true, false} {
				t.Run(fmt.Sprintf("numbered %v, the service's clock %v ahead, doubt %v", known, ahead, lost),
					func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							var l *liar
							h := newHouse(t, func(o *bot.Options) { l = &liar{Chat: o.Chat}; o.Chat = l })
							turn := func(_ recall.HistoryRequest, p *recall.HistoryPage) {
								for i := range p.Messages {
									p.Messages[i].Time = p.Messages[i].Time.Add(ahead)
								}
							}
							l.turn.Store(&turn)
							h.say(3)
							h.chat.Inject(recalltest.History, -1, recalltest.Answer(10044, "no history"))
							c := h.proposed(testGroup + " 1-4")
							holds(t, said(c), "BLIND: nobody can see what 3 messages say")
							if !known { // as an earlier version sealed it while the group could not be read either
								err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
									r, err := tx.Request(c.ID)
									if err != nil {
										return err
									}
									r.Parts[0].Facts = bot.GroupFacts{}
									return tx.PutRequest(r)
								})
								if err != nil {
									t.Fatal(err)
								}
							}
							if lost {
								h.chat.Inject(recalltest.Recall, 1, recalltest.BadGateway())
							} else {
								h.chat.ClearFaults()
							}
							h.press("UTHEO", intake.ActApprove, c)
							h.pass(500 * time.Millisecond)
							h.say(1)
							h.chat.ClearFaults()
							h.within(2*time.Minute, c.ID, bot.Done)
							h.pass(time.Minute)
							if !known {
								holds(t, h.screen.thread(c.ID),
									"2: not sent (it could not be checked that it existed when approved)")
								if got := h.chat.RecalledSeqs(testGroup, ""); len(got) > 0 {
									t.Errorf("recalled %v", got)
								}
								return
							}
							holds(t, h.screen.thread(c.ID), "1: recalled\n", "3: recalled\n",
								"4: not sent (did not exist when approved)\n")
							if got := h.chat.RecalledSeqs(testGroup, ""); !slices.Equal(got,
								[]recalltest.Seq{1, 2, 3}) {
								t.Errorf("recalled %v", got)
							}
						})
					})
			}
		}
	}
}

// TestLiveSentUnread: a group that keeps no history is the one where a lost answer is settled by
// sending again unread.
func TestLiveSentUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
		for i := range 3 {
			h.chat.Say(liveGroup, "", "alice", fmt.Sprint("win big ", i))
		}
		c := h.proposed(liveGroup + " 1-3")
		holds(t, said(c), "Nobody can see what 3 messages say")
		h.chat.Inject(recalltest.Recall, 1, recalltest.ResetBefore())
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		if n := strings.Count(h.screen.thread(c.ID), ": recalled\n"); n != 3 {
			t.Errorf("%d are recalled:\n%s", n, h.screen.thread(c.ID))
		}
	})
}

// TestRecalledAfterReading: a message that the service does not find, or cannot recall, is read
// after the call. It is already recalled where history shows it so, and nothing else; where that
// cannot be read, the code stands.
func TestRecalledAfterReading(t *testing.T) {
	for name, test := range map[string]struct {
		code  int
		after func(h *house) // when it was read for the last time, before the call is executed
		want  string
	}{
		"recalled by somebody else, 10030": {10030, func(h *house) {
			h.chat.RecallElsewhere(testGroup, "", "alice", 2)
		}, "already recalled"},
		"recalled by somebody else, 10032": {10032, func(h *house) {
			h.chat.RecallElsewhere(testGroup, "", "alice", 2)
		}, "already recalled"},
		"history cannot be read": {10030, func(h *house) {
			h.chat.RecallElsewhere(testGroup, "", "alice", 2)
			h.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
		}, "not found (10030)"},
		"deleted": {10030, func(h *house) { h.chat.Delete(testGroup, "", 2) }, "not found (10030)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.say(3)
				c := h.proposed(testGroup + " 1-3")
				h.chat.Change(func(o *recalltest.Options) {
					o.AlreadyRecalled, o.Latency = test.code, time.Second
				})
				h.press("UTHEO", intake.ActApprove, c)
				h.pass(1500 * time.Millisecond) // it was read, and the call is on its way
				if n := h.recallCalls(); n != 1 {
					t.Fatalf("%d calls are on their way", n)
				}
				test.after(h)
				h.within(5*time.Minute, c.ID, bot.Done)
				holds(t, h.screen.thread(c.ID), "1: recalled\n", "2: "+test.want+"\n", "3: recalled\n")
			})
		})
	}
	// The service is wrong about a message that is there.
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(2)
		c := h.proposed(testGroup + " 1-2")
		h.chat.Inject(recalltest.Recall, 1, recalltest.PerMessage(10032, 2))
		h.press("UTHEO", intake.ActApprove, c)
		h.within(5*time.Minute, c.ID, bot.Done)
		holds(t, h.screen.thread(c.ID), "1: recalled\n", "2: cannot be recalled (10032)\n")
	})
}
