package worker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// TestScenes brings about what no other test does on purpose, so that the rules of ledgertest,
// which hold every test of this package, are asked about it: without one guard of the runner each
// of these scenes breaks a rule (.ci/plant).
func TestScenes(t *testing.T) {
	resetAfter, pauses := recalltest.ResetAfter(), recalltest.Answer(70009, "wrong key")
	for _, scene := range []struct {
		name     string
		live     bool // a group that keeps no history
		messages int
		faults   []recalltest.Fault                // of the calls, one each
		then     func(h *house, c, other bot.Card) // another request waits
		end      bot.State
	}{
		{"an answer that lacks a message, and puts another back", false, 3,
			[]recalltest.Fault{recalltest.PerMessage(60007, 2), recalltest.Missing(3)}, nil, bot.Done},
		{"what was in doubt is tried singly", false, 3,
			[]recalltest.Fault{recalltest.ResetBefore(), recalltest.Answer(10032, "")}, nil, bot.Done},
		{"what was in doubt gets a code", false, 3,
			[]recalltest.Fault{recalltest.ResetBefore(), recalltest.PerMessage(10030, 2)}, nil, bot.Done},
		{"what was in doubt gets a code, and cannot be read", false, 3,
			[]recalltest.Fault{recalltest.ResetBefore(), recalltest.PerMessage(10030, 2)},
			func(h *house, _, _ bot.Card) {
				h.chat.Change(func(o *recalltest.Options) { o.Latency = 300 * time.Millisecond })
				for h.recallCalls() < 2 {
					h.pass(50 * time.Millisecond)
				}
				h.chat.Inject(recalltest.History, 2, recalltest.BadGateway())
			}, bot.Done},
		{"what is sent again unread gets a code", true, 3,
			[]recalltest.Fault{recalltest.ResetBefore(), recalltest.PerMessage(10030, 2)}, nil, bot.Done},
		{"a flood is stopped, of which much is in doubt", false, 2000,
			[]recalltest.Fault{resetAfter, recalltest.ResetBefore(), resetAfter, recalltest.Missing(35)},
			func(h *house, c, _ bot.Card) {
				h.pass(200 * time.Millisecond)
				h.press("UTHEO", intake.ActStop, c)
			}, bot.Stopped},
		{"a flood whose answers come at once", false, 700, nil, nil, bot.Done},
		{"the app is paused in a flood, and another is approved meanwhile", false, 700,
			[]recalltest.Fault{pauses, pauses, pauses, pauses, pauses, pauses}, func(h *house, _, other bot.Card) {
				h.pass(3 * time.Second)
				h.press("UTHEO", intake.ActApprove, other)
				h.pass(20 * time.Second)
			}, bot.Done},
		{"the service refuses the group in a flood", false, 700,
			[]recalltest.Fault{recalltest.Answer(10007, "no")}, nil, bot.Done},
		{"some are not to be sent", false, 30, nil, nil, bot.Done},
	} {
		t.Run(scene.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 1_000_000 })
				group := testGroup
				if scene.live {
					group = liveGroup
					h.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Live"})
				}
				for range scene.messages + 1 {
					h.chat.Say(group, "", "alice", "win big")
				}
				if n := recalltest.Seq(scene.messages); n > 10 { // which are not to be sent
					h.chat.RecallElsewhere(group, "", "alice", n-5, n-4)
				}
				c := h.proposed(fmt.Sprintf("%s 1-%d", group, scene.messages))
				other := h.proposed(fmt.Sprintf("%s %d", group, scene.messages+1))
				h.chat.Change(func(o *recalltest.Options) { o.Latency = 50 * time.Millisecond })
				for _, f := range scene.faults {
					h.chat.Inject(recalltest.Recall, 1, f)
				}
				h.press("UTHEO", intake.ActApprove, c)
				if scene.then != nil {
					scene.then(h, c, other)
				}
				h.within(20*time.Minute, c.ID, scene.end)
			})
		})
	}
}
