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

// TestUnchanged: right before it is sent, a message is what was shown. In a request of at most 100
// messages that is always read once more, in a larger one after ten minutes. What the service, or
// another member, writes in another way is no change.
func TestUnchanged(t *testing.T) {
	image := `[{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"Type":1,"URL":"https://cos.example/a"}]}}]`
	reply := `{"messageReply":{"messageAbstract":"hello","messageSequence":1,"version":1}}`
	reacted := `{"messageReact":{"reacts":[{"emojiId":"e","userIds":["eve"]}]},` + reply[1:]
	for name, test := range map[string]struct {
		messages int
		wait     time.Duration
		change   func(c *recalltest.Service)
		sent     bool
	}{
		"nothing": {2, time.Minute, func(*recalltest.Service) {}, true},
		"edited":  {2, time.Minute, func(c *recalltest.Service) { c.Edit(testGroup, "", 2, "good morning") }, false},
		"edited at once, of a hundred": {100, 0,
			func(c *recalltest.Service) { c.Edit(testGroup, "", 2, "good morning") }, false},
		"edited, of more, within ten minutes": {101, time.Minute,
			func(c *recalltest.Service) { c.Edit(testGroup, "", 2, "good morning") }, true},
		"edited, of more, later": {101, 11 * time.Minute,
			func(c *recalltest.Service) { c.Edit(testGroup, "", 2, "good morning") }, false},
		"another quote": {2, time.Minute,
			func(c *recalltest.Service) { c.EditCustom(testGroup, "", 2, `{"messageReply":{"version":1}}`) }, false},
		"a reaction": {2, time.Minute,
			func(c *recalltest.Service) { c.EditCustom(testGroup, "", 2, reacted) }, true},
		"addresses anew":     {2, time.Minute, func(*recalltest.Service) {}, true},
		"the same, later":    {2, 11 * time.Minute, func(*recalltest.Service) {}, true},
		"the same, and more": {101, 11 * time.Minute, func(*recalltest.Service) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom = 1000 })
				h.chat.Change(func(o *recalltest.Options) { o.SignedAnew = true })
				h.chat.Say(testGroup, "", "alice", "", recalltest.Body(image))
				h.chat.Say(testGroup, "", "alice", "so it is", recalltest.Custom(reply))
				h.say(test.messages - 2)
				c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, test.messages))
				h.pass(test.wait)
				test.change(h.chat)
				h.press("UTHEO", intake.ActApprove, c)
				h.within(time.Minute, c.ID, bot.Done)
				if !h.chat.Recalled(testGroup, "", 1) {
					t.Error("the image was not recalled")
				}
				if sent := h.chat.Recalled(testGroup, "", 2); sent != test.sent {
					t.Errorf("the second message was recalled: %t, want %t", sent, test.sent)
				}
				if !test.sent {
					holds(t, h.screen.thread(c.ID), "not sent (changed since it was approved)")
				}
			})
		})
	}
}
