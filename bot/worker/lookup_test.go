package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall"
)

// TestAmongThousands: what stands in the way of a request, how many its person has open, what a
// callback tells of and which groups there are, is found however many newer requests there are.
func TestAmongThousands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(30)
		first := h.proposed(testGroup + " 1-3")
		for i := range bot.MaxOpen - 1 {
			h.proposed(fmt.Sprint(testGroup, " ", 10+i))
		}
		app := recall.SDKAppID(h.chat.SDKAppID())
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error {
			for i := range 2400 {
				by := bot.Account{Platform: onSlack, Workspace: "T1", User: fmt.Sprint("UOTHER", i)}
				r := bot.Request{
					ID: bot.RequestID(fmt.Sprint("R-MANY-", i)), App: app, State: bot.Proposed, Digest: "d",
					By:       bot.Actor{Person: bot.PersonID(by.String()), Account: by},
					Accounts: []bot.Account{by}, Asked: tx.Now().Add(time.Second),
					Scope: command.Scope{Group: testGroup}, Parts: []bot.Part{{Talk: bot.Talk{Group: testGroup},
						Covers: command.MakeRanges(recall.Seq(1000 + i))}},
				}
				if i%2 == 1 {
					r.State, r.Scope.Group, r.Parts[0].Group = bot.Rejected, "@TGS#OTHER", "@TGS#OTHER"
				}
				if err := tx.AddRequest(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct{ user, seqs, refused string }{
			{"UMINA", "20", "too_many_open"}, {"UTHEO", "3", "overlap"}, {"UTHEO", "2198", "overlap"},
			{"UTHEO", "2199", ""}, {"UTHEO", "4-9", ""},
		} {
			if a := h.types(test.user, "recall", testGroup+" "+test.seqs); a.Refused != test.refused {
				t.Errorf("%s asks for %s: refused %q, want %q", test.user, test.seqs, a.Refused, test.refused)
			}
		}
		err = h.bot.History.Hear(t.Context(), []recall.Callback{recall.AfterRecallMsg{Group: testGroup,
			Seqs: []recall.Seq{2}, Operator: "moderator"}})
		if err != nil {
			t.Fatal(err)
		}
		h.pass(5 * time.Second)
		if c := h.screen.card(first.ID); !slices.ContainsFunc(c.Samples,
			func(s bot.Sample) bool { return s.Seq == 2 && len(s.Marks) > 0 }) {
			t.Errorf("the card does not show that 2 was recalled: %+v", c.Samples)
		}
		a := h.do("UTHEO", intake.Act{Kind: intake.ActComplete, Command: "recall", Text: "casino"})
		if len(a.Groups) != 1 || a.Groups[0].Group != testGroup {
			t.Errorf("autocompletion: %v", a.Groups)
		}
	})
}
