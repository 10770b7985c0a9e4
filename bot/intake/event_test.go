package intake_test

import (
	"testing"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
)

// TestRead: an event says what was typed, in whatever form, and whether it may change what becomes
// of a request.
func TestRead(t *testing.T) {
	typed := func(name, text string) intake.Act {
		return intake.Act{Kind: intake.ActCommand, Command: name, Text: text}
	}
	for _, tt := range []struct {
		act     intake.Act
		verb    command.Verb
		decides bool
	}{
		{typed("recall", "@TGS#1 100"), command.VerbRecall, false},
		{typed("recall", " "), command.VerbForm, false},
		{typed("recalls", "  STOP R-7K3M9Q"), command.VerbStop, true},
		{typed("recalls", "withdraw R-7K3M9Q"), command.VerbWithdraw, true},
		{typed("recalls", "find @TGS#1 last:5"), command.VerbFind, false},
		{typed("recalls", "stop nothing"), "", false}, // a mistake changes nothing
		{intake.Act{Kind: intake.ActCommand, Command: "recalls", Sub: "stop",
			Options: map[string]string{"id": "R-7K3M9Q"}}, command.VerbStop, true},
		{intake.Act{Kind: intake.ActForm, Options: map[string]string{"group": "@TGS#1", "what": "100"}},
			command.VerbRecall, false},
		{intake.Act{Kind: intake.ActApprove}, "", true},
		{intake.Act{Kind: intake.ActReject}, "", true},
		{intake.Act{Kind: intake.ActStop}, "", true},
		{intake.Act{Kind: intake.ActAskApprove}, "", false},
		{intake.Act{Kind: intake.ActShowAll}, "", false},
	} {
		e := intake.Event{Place: bot.Place{Platform: "slack"}, Act: tt.act}
		for what, e := range map[string]intake.Event{"as it came": e, "read": e.Read()} {
			if e.Verb() != tt.verb || e.Decides() != tt.decides {
				t.Errorf("%+v, %s: %q, decides: %v, want %q, %v", tt.act, what, e.Verb(), e.Decides(), tt.verb,
					tt.decides)
			}
		}
	}
}

// TestReadOnce: a command is parsed once, however often it is asked what it says.
func TestReadOnce(t *testing.T) {
	e := intake.Event{Act: intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "find @TGS#1 last:5"}}.Read()
	if n := testing.AllocsPerRun(10, func() { e.Read().Verb() }); n != 0 {
		t.Errorf("reading an event that was read allocates %v times: it is parsed again", n)
	}
}
