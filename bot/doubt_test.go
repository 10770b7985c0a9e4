package bot_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/recall/recalltest"
)

// TestOutageWaited: an outage of the Chat service is never sealed blind. It is waited for, at most POLICY_START_WITHIN, and then the request is refused with what failed.
func TestOutageWaited(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		fault   recalltest.Fault
		words   string
	}{
		"history":                 {recalltest.History, recalltest.BadGateway(), "the Chat service gave no answer that could be used"},
		"the group":               {recalltest.Info, recalltest.BadGateway(), "the Chat service gave no answer that could be used"},
		"10002":                   {recalltest.History, recalltest.Answer(10002, "internal"), "the Chat service answered internal (10002)"},
		"60008 of the group":      {recalltest.Info, recalltest.Answer(60008, "timeout"), "the Chat service answered timeout (60008)"},
		"asked too often":         {recalltest.History, recalltest.Answer(60007, "too frequent"), "the Chat service answered too frequent (60007)"},
		"a paused app":            {recalltest.History, recalltest.Answer(70009, "wrong key"), "the Chat service answered wrong key (70009)"},
		"a paused app, the group": {recalltest.Info, recalltest.Answer(60020, "in arrears"), "the Chat service answered in arrears (60020)"},
	} {
		for _, heals := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, heals %v", name, heals), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHouse(t, nil)
					h.say(3)
					h.chat.Inject(test.command, -1, test.fault)
					id := h.ask("UMINA", testGroup+" 1-4")
					h.pass(13*time.Minute + 30*time.Second)
					c, err := h.bot.ShowingNow(t.Context(), id)
					if err != nil || c.State != bot.Preparing {
						t.Fatalf("after 13 minutes it is %s: %v", c.State, err)
					}
					lacks(t, said(c), "BLIND")
					if heals {
						h.chat.ClearFaults()
						c = h.within(89*time.Second, id, bot.Proposed)
						holds(t, said(c), "3 of 4 would be recalled", "4   [does not exist: will not be sent]")
						lacks(t, said(c), "BLIND", "cannot be read")
						return
					}
					c = h.within(2*time.Minute, id, bot.Refused)
					holds(t, said(c), "could not be read within 15m: "+test.words, "nothing was recalled")
					if n := h.recallCalls(); n != 0 {
						t.Errorf("%d calls", n)
					}
				})
			})
		}
	}
}
