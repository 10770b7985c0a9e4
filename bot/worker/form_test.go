package worker_test

import (
	"testing"
	"testing/synctest"

	"recallbot/bot/intake"
)

// TestFormInput: a refusal of a form names the input that it is about, and the answer to anything
// else names none.
func TestFormInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		form := func(group, what, topic string) intake.Act {
			return intake.Act{Kind: intake.ActForm, Command: "recall",
				Options: map[string]string{"group": group, "what": what, "topic": topic}}
		}
		c := h.proposed(testGroup + " 1 2")
		for _, test := range []struct {
			act     intake.Act
			refused string
			input   string
		}{
			{form(testGroup, "1-", ""), "mistake.seq_half", "what"},
			{form(testGroup, "1 2", ""), "overlap", "what"},
			{form("@TGS#", "3", ""), "mistake.group_cut", "group"},
			{form(testGroup, "3", "@TGS#_OTHER@TOPIC#_1"), "mistake.topic_group", "topic"},
			{intake.Act{Kind: intake.ActApprove, Request: c.ID, Digest: c.Digest, Typed: true, Count: "5"},
				"wrong_count", "count"},
			{intake.Act{Kind: intake.ActReject, Request: "R-222222", Digest: c.Digest}, "other_copy", "reason"},
			{intake.Act{Kind: intake.ActApprove, Request: "R-222222", Digest: c.Digest}, "other_copy", ""},
			{intake.Act{Kind: intake.ActCommand, Command: "recall", Text: "@TGS# 3"}, "mistake.group_cut", ""},
		} {
			if got := h.do("UTHEO", test.act); got.Refused != test.refused || got.Input != test.input {
				t.Errorf("%+v: refused %q at %q, want %q at %q", test.act, got.Refused, got.Input, test.refused,
					test.input)
			}
		}
	})
}
