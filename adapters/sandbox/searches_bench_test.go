package sandbox_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot/bottest"
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
	all := slices.Clone(site.Pair)
	for n := range people + urgent {
		all = append(all, bottest.Person{Name: fmt.Sprint("asks", n), Asks: true})
	}
	for b.Loop() {
		s := site.New(b, site.Options{People: all, Env: []string{"EVIDENCE=full"}})
		user := func(n int) string { return s.Home.User(fmt.Sprint("asks", n)) }
		s.Chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		s.Chat.AddGroup(recalltest.Group{ID: searchedGroup, Type: "Public", Name: "Talk"})
		for n := range messages {
			s.Chat.Say(searchedGroup, "", "alice", strings.Repeat(fmt.Sprintf("win big %04d ", n), 9000/13))
		}
		s.Say(urgent)
		s.Start()

		stop := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() {
			for {
				for range 2 {
					for n := range people {
						s.Type(user(n), s.Trust, "/recalls find "+searchedGroup+" from:alice")
					}
				}
				select {
				case <-stop:
					return
				case <-time.After(15 * time.Second):
				}
			}
		})
		s.Until("searches", func() bool { return s.Chat.Calls(recalltest.History) > 50 })
		before := s.Chat.Calls(recalltest.History)
		var most time.Duration
		for n := range urgent {
			asked := time.Now()
			s.Type(user(people+n), s.Trust, fmt.Sprintf("/recall %s %d", site.Group, n+1))
			s.Until("card", func() bool {
				cards := s.Cards()
				return len(cards) == n+1 && cards[n].Approvable
			})
			most = max(most, time.Since(asked))
			time.Sleep(2 * time.Second)
		}
		close(stop)
		asking.Wait()
		b.ReportMetric(float64(most.Milliseconds()), "card-most-ms")
		b.ReportMetric(resident(s, "VmHWM"), "peak-MB")
		b.ReportMetric(float64(s.Chat.Calls(recalltest.History)-before-urgent), "searched")
		s.Kill()
	}
}
