package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// BenchmarkSweep asks for 2,000 messages of one sender among 100,000 in 50 groups. It takes a
// minute and is run once:
//
//	go test ./bot/worker -run - -bench Sweep -benchtime 1x
//
// x-share is the time from asking to the card, over what the share of the quota allows for its
// pages; peak-MB is twice the most memory that a collection left, less what the service in memory
// needs for its messages: so much a process has before it collects. A figure beyond its limit
// fails. TestSweepSpeed holds how fast a sweep runs.
func BenchmarkSweep(b *testing.B) {
	const share, groups, each, theirs = 100, 50, 2000, 40
	for b.Loop() {
		w := newWorkshopReading(b, "sqlite:"+b.TempDir()+"/bot.db", share)
		for i := range groups {
			w.chat.AddGroup(recalltest.Group{ID: swept(i), Joined: []string{"spammer"}})
			for j := range each {
				from := "alice"
				if j%(each/theirs) == 0 {
					from = "spammer"
				}
				w.chat.Say(swept(i), "", from, "",
					recalltest.Made(func(s recalltest.Seq) string { return fmt.Sprint("win big ", s) }))
			}
		}
		before := inUse()
		peak, asked := heap(), time.Now()
		a := w.do(b, "UMINA", intake.Act{Kind: intake.ActCommand, Command: "recall", Text: "in:joined from:spammer"})
		c := w.until(b, bot.RequestID(a.Lines[0][0].Text), bot.Proposed)
		took, pages := time.Since(asked), w.chat.Calls(recalltest.History)
		if !strings.Contains(c.Title.String(), "Recall 2,000 messages of spammer in 50 groups?") {
			b.Error(c.Title)
		}
		for _, figure := range []struct {
			name     string
			is, most float64
		}{
			{"x-share", took.Seconds() / (float64(pages) / share), 1.5},
			{"peak-MB", 2 * max(0, peak()-before), 100},
		} {
			b.ReportMetric(figure.is, figure.name)
			b.ReportMetric(figure.most, "limit-"+figure.name)
			if figure.is > figure.most {
				b.Errorf("%s is %.2f, the limit is %.2f", figure.name, figure.is, figure.most)
			}
		}
	}
}
