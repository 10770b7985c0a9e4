package sandbox_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/slack/slacktest"
	"recallbot/recall/recalltest"
)

// BenchmarkBinarySearches asks for urgent cards of one message each while 100 searches are asked
// for at once, again every 15 s, by 50 people, of 2,000 messages of 9 kB that all match.
// card-most-ms is the longest time from the command to a card that can be decided (limit 1000);
// peak-MB is the most memory that the process ever had resident, its code included (limit 100).
// searched is how many pages were read meanwhile for the searches, so that it is seen that they go
// on.
func BenchmarkBinarySearches(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("memory is read from /proc")
	}
	const people, urgent, messages = 50, 10, 2000
	const searchedGroup = "@TGS#searched"
	var users, searchers []string
	for n := range people {
		searchers = append(searchers, fmt.Sprintf("USEARCH%d", n))
	}
	users = append(users, searchers...)
	for n := range urgent {
		users = append(users, fmt.Sprintf("UURGENT%d", n))
	}
	for b.Loop() {
		s := newSite(b, "SLACK_REQUESTERS="+strings.Join(users, ","), "EVIDENCE=full")
		for _, u := range users {
			s.slack.AddUser(slacktest.User{ID: u, Name: strings.ToLower(u)})
		}
		s.slack.AddChannel(slacktest.Channel{ID: "CTRUST", Name: "trust", Members: append([]string{"UMINA", "UTHEO"},
			users...), BotIn: true})
		s.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		s.chat.AddGroup(recalltest.Group{ID: searchedGroup, Type: "Public", Name: "Talk"})
		for n := range messages {
			s.chat.Say(searchedGroup, "", "alice", strings.Repeat(fmt.Sprintf("win big %04d ", n), 9000/13))
		}
		s.say(urgent)
		s.start()

		stop := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			for {
				for range 2 {
					for _, u := range searchers {
						s.slack.Command(u, "CTRUST", "/recalls", "find "+searchedGroup+" from:alice")
					}
				}
				select {
				case <-stop:
					return
				case <-time.After(15 * time.Second):
				}
			}
		})
		s.until("searches", func() bool { return s.chat.Calls(recalltest.History) > 50 })
		before := s.chat.Calls(recalltest.History)
		var most time.Duration
		for n := range urgent {
			asked := time.Now()
			s.slack.Command(fmt.Sprintf("UURGENT%d", n), "CTRUST", "/recall", fmt.Sprintf("%s %d", floodGroup, n+1))
			s.until("card", func() bool {
				cards := s.cards()
				return len(cards) == n+1 && slices.ContainsFunc(cards[n].Buttons(),
					func(b slacktest.Button) bool { return b.Text == "Approve" })
			})
			most = max(most, time.Since(asked))
			time.Sleep(2 * time.Second)
		}
		close(stop)
		asking.Wait()
		b.ReportMetric(float64(most.Milliseconds()), "card-most-ms")
		b.ReportMetric(s.resident("VmHWM"), "peak-MB")
		b.ReportMetric(float64(s.chat.Calls(recalltest.History)-before-urgent), "searched")
		s.kill()
	}
}
