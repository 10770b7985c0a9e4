package worker_test

import (
	"fmt"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall"
)

// BenchmarkLookups measures what is looked up among 1,000 open requests of 100 messages each in one
// group, whose numbers lie between each other's, and 4,000 settled ones: the groups for an
// autocompletion; what stands in the way of a request that is asked, and how many its person has
// open; the requests that hold what a callback tells of. Each metric is processor time for one, in
// milliseconds, of which each is to take under 20.
func BenchmarkLookups(b *testing.B) {
	onEach(b, func(b *testing.B, open func(b *testing.B) string) {
		w := newWorkshopOn(b, open(b))
		const held, each = 1000, 100
		app := recall.SDKAppID(w.chat.SDKAppID())
		add := func(n int, change func(i int, r *bot.Request)) {
			err := w.ledger.Tx(b.Context(), func(tx bot.Tx) error {
				for i := range n {
					user := fmt.Sprint("U", i/bot.MaxOpen)
					by := bot.Account{Platform: onSlack, Workspace: "T1", User: user}
					r := bot.Request{
						ID: bot.RequestID(fmt.Sprintf("R-%d-%d", n, i)), App: app,
						By:       bot.Actor{Person: bot.PersonID(by.String()), Account: by, Name: user},
						Accounts: []bot.Account{by},
						Asked:    tx.Now().Add(-time.Duration(i) * time.Second), Policy: bot.DefaultPolicy(),
						Place: bot.Place{Platform: onSlack, Workspace: "T1", Channel: "C1"},
						Scope: command.Scope{Group: testGroup}, Digest: fmt.Sprint("digest ", i), Needed: 1,
						Deadline: tx.Now().Add(time.Hour),
					}
					change(i, &r)
					if err := tx.AddRequest(r); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		add(held, func(i int, r *bot.Request) {
			var seqs []recall.Seq
			for j := range each {
				seqs = append(seqs, recall.Seq(2*(j*held+i)+1))
			}
			r.State, r.Scope.Seqs = bot.Proposed, command.MakeRanges(seqs...)
			r.Parts = []bot.Part{{Talk: bot.TalkOf(r.Scope), Covers: r.Scope.Seqs}}
		})
		add(4*held, func(i int, r *bot.Request) {
			r.State, r.Scope.Group = bot.Rejected, recall.GroupID(fmt.Sprint("@TGS#", i%700))
		})
		ask := func(i int) {
			text := fmt.Sprintf("%s %d", testGroup, 2*(50*held+i)+1) // somebody has it
			by := bot.Account{Platform: onSlack, Workspace: "T1", User: "UMINA"}
			a, err := w.bot.Do(b.Context(), intake.Event{
				ID: bot.EventID(fmt.Sprint("ask ", w.n, i)), Place: bot.Place{Platform: onSlack, Workspace: "T1",
					Channel: "C1"}, By: by,
				Act: intake.Act{Kind: intake.ActCommand, Command: "recall", Text: text},
			}, bot.Member{Account: by, Name: "UMINA"})
			if err != nil || a.Refused != "overlap" {
				b.Fatalf("%s is asked: %+v, %v", text, a, err)
			}
		}
		complete := func(int) {
			a := w.do(b, "UMINA", intake.Act{Kind: intake.ActComplete, Command: "recall", Text: "tgs#1"})
			if len(a.Groups) != 25 {
				b.Fatalf("autocompletion: %+v", a)
			}
		}
		callback := func(i int) {
			// nobody has it
			err := w.bot.History.Hear(b.Context(),
				[]recall.Callback{recall.AfterRecallMsg{Group: testGroup,
					Seqs: []recall.Seq{recall.Seq(2 * (50*held + i))}}})
			if err != nil {
				b.Fatal(err)
			}
		}
		const rounds = 50
		for b.Loop() {
			for what, do := range map[string]func(i int){"complete": complete, "ask": ask, "callback": callback} {
				cost := processorTime()
				for i := range rounds {
					w.n++
					do(i)
				}
				b.ReportMetric(float64((processorTime()-cost).Microseconds())/1000/rounds, what+"-ms")
			}
		}
	})
}
