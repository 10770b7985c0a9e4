package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// TestTopicStands: wherever a request or a search names its group, it names the topic, if it is
// about one: the two have messages of the same numbers.
func TestTopicStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		const community = "@TGS#_2J4SZEAEL"
		topic := community + "@TOPIC#_" + strings.Repeat("x", 200) + "-announcements"
		h.chat.AddGroup(recalltest.Group{ID: community, Type: "Community", Topics: []string{topic}})
		h.chat.Say(community, topic, "mallory", "in the topic")
		h.chat.Say(community, "", "carol", "in the group")
		names := func(what, text string) {
			t.Helper()
			if !strings.Contains(text, "-announcements") {
				t.Errorf("%s does not name the topic: %s", what, text)
			}
		}
		c := h.asks("UMINA", community+" 1 topic:"+topic)
		holds(t, said(c), "in the topic", topic)
		lacks(t, said(c), "in the group")
		names("the confirmation", c.Buttons[0].Confirm.Text)
		form := h.press("UTHEO", intake.ActAskApprove, c).Form
		names("the form", form.Inputs[0].Placeholder)
		if n := len([]rune(form.Inputs[0].Placeholder)); n > 100 {
			t.Errorf("the placeholder has %d characters", n)
		}
		names("the list", fmt.Sprint(h.types("UMINA", "recalls", "list").Lines))
		names("the search", fmt.Sprint(h.types("UMINA", "recalls", "find "+community+" from:mallory topic:"+topic).
			Page.Title))
		names("a search without a match", fmt.Sprint(h.types("UMINA", "recalls",
			"find "+community+" from:nobody topic:"+topic).Lines))
		h.press("UTHEO", intake.ActApprove, c)
		h.pass(10 * time.Second)
		if c = h.screen.card(c.ID); c.State != bot.Done {
			t.Errorf("%s", c.State)
		}
		own, group := h.chat.RecalledSeqs(community, topic), h.chat.RecalledSeqs(community, "")
		if len(own) != 1 || len(group) > 0 {
			t.Errorf("recalled %v of the topic and %v of the group", own, group)
		}
	})
}
