package slack

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// BenchmarkAcknowledgement measures what a person waits for the acknowledgement of a command, over
// the loopback network and with every event stored on disk.
func BenchmarkAcknowledgement(b *testing.B) {
	w := slacktest.New()
	defer w.Close()
	people(w)
	w.Set(func(w *slacktest.Workspace) {
		w.RateLimits = false // the load is beyond them
	})
	address, stop := w.Start()
	defer stop()

	stored, _ := adaptertest.Storing(b, newBot().PolicyNow())
	a, err := New(Options{BotToken: w.BotToken, AppToken: w.AppToken, APIURL: address + "/api/", Bot: stored})
	if err != nil {
		b.Fatal(err)
	}
	defer adaptertest.Start(b, a, nil)()
	a.posts = newPacer(0, 1)
	adaptertest.Acknowledgement(b, a, bot.Place{Channel: "C0TRUST"}, card(bot.Running), func() adaptertest.Sent {
		return w.Command("U0MINA", "C0TRUST", "/recalls", "list open")
	})
}

// TestHeap: what the adapter keeps does not grow with the number of requests.
func TestHeap(t *testing.T) {
	if !adaptertest.Alone(t) {
		return
	}
	inSlack(t, httpMode, func(x *world) {
		heap := func() uint64 { return adaptertest.Heap(x.settle) }
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("Nothing.") }
		})
		handler := x.a.Handler()
		one := func(i int) {
			x.sendTo(handler, "/slack/commands", typedCommand(fmt.Sprint("list ", i)))
			x.a.given.add(bot.EventID(fmt.Sprint(i)))
			// The runtime keeps every goroutine that ever lived beside others; how many do must not
			// depend on the machine.
			synctest.Wait()
			if i%100 == 99 {
				x.bot.Forget()
				time.Sleep(time.Second)
			}
		}
		for i := range 1000 {
			one(i)
		}
		before := heap()
		for i := 1000; i < 10_000; i++ {
			one(i)
		}
		after := heap()
		x.t.Logf("%d bytes after 1,000 requests, %d after 10,000", before, after)
		if after > before+before/10 {
			x.t.Errorf("%d bytes after 1,000 requests, %d after 10,000", before, after)
		}
	})
}
