package bot_test

import (
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// moving is what the card of a request that runs is made of.
type moving struct {
	bot.Tx
	now, last time.Time
	failed    []bot.Batch
	paused    *bot.Pause
}

func (m moving) Now() time.Time                               { return m.now }
func (m moving) Paused(recall.SDKAppID) (*bot.Pause, error)   { return m.paused, nil }
func (m moving) LastOutcome(bot.RequestID) (time.Time, error) { return m.last, nil }
func (m moving) Progress(bot.RequestID) (map[bot.Class]int, error) {
	return map[bot.Class]int{"": 1500, bot.ClassRecalled: 500}, nil
}
func (m moving) Batches(bot.RequestID, int, ...bot.BatchState) ([]bot.Batch, error) {
	return m.failed, nil
}

// TestRunningCard: how long a request that runs takes is told in words. Without an answer for ten
// seconds its card says so, if calls failed; while the app is paused it says what becomes of the
// rest.
func TestRunningCard(t *testing.T) {
	begun := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	r := bot.Request{ID: "R-7K3M9Q", State: bot.Running, Begun: begun, Sealed: begun, Digest: "d",
		Scope: command.Scope{Group: "g"}, Parts: []bot.Part{{Talk: bot.Talk{Group: "g"}}},
		Tally: bot.Tally{Total: 2000, Send: 2000}, Policy: bot.Policy{StartWithin: 15 * time.Minute}}
	failed := []bot.Batch{{N: 1, Attempts: 1}}
	for _, tt := range []struct {
		after, ago  time.Duration
		tx          moving
		holds, lack string
	}{
		{after: 4 * time.Second, holds: "About 12 seconds left.", lack: "not answered"},
		{after: 60 * time.Second, ago: time.Second, holds: "About 3 minutes left."},
		{after: 60 * time.Second, ago: 9 * time.Second, tx: moving{failed: failed}, holds: "About 3 minutes left.",
			lack: "not answered"},
		{after: 60 * time.Second, ago: 10 * time.Second, tx: moving{failed: failed}, lack: "left",
			holds: "has not answered since 03:00 UTC 500 of 2,000 messages in g are gone. The rest goes on by itself " +
				"when the service is back, until 03:15 UTC; then it stops."},
		{after: 60 * time.Second, ago: 10 * time.Second, holds: "500 of 2,000", lack: "not answered"},
		{after: 60 * time.Second, ago: 10 * time.Second, tx: moving{failed: []bot.Batch{{N: 1}}}, holds: "500 of 2,000",
			lack: "not answered"},
		{after: 60 * time.Second, ago: 10 * time.Second, tx: moving{paused: &bot.Pause{Code: 70009}}, lack: "left",
			holds: "Recalling in g: 500 of 2,000 The rest goes on by itself when the service is back, until 03:15 UTC"},
	} {
		tt.tx.now = begun.Add(tt.after)
		tt.tx.last = tt.tx.now.Add(-tt.ago)
		c, err := new(bot.Bot).Card(tt.tx, r, 1)
		if err != nil {
			t.Fatal(err)
		}
		said := c.Title.String()
		for _, l := range c.Head[1:] {
			said += " " + l.String()
		}
		if !strings.Contains(said, tt.holds) || tt.lack != "" && strings.Contains(said, tt.lack) {
			t.Errorf("%v after it began, %v after the last outcome: %s", tt.after, tt.ago, said)
		}
	}
}

// TestOutageCountsNone: what the seal knew as recalled gets its outcome with its turn only. Until
// then it takes nothing from what is gone.
func TestOutageCountsNone(t *testing.T) {
	begun := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	r := bot.Request{ID: "R-7K3M9Q", State: bot.Running, Begun: begun, Sealed: begun, Digest: "d",
		Scope: command.Scope{Group: "g"}, Parts: []bot.Part{{Talk: bot.Talk{Group: "g"}}},
		Tally:  bot.Tally{Total: 2600, Send: 2000, Recalled: 550, Gone: 50},
		Policy: bot.Policy{StartWithin: 15 * time.Minute}}
	c, err := new(bot.Bot).Card(moving{now: begun.Add(time.Minute), failed: []bot.Batch{{N: 1, Attempts: 1}}}, r, 1)
	if err != nil {
		t.Fatal(err)
	}
	var said string
	for _, l := range c.Head {
		said += l.String() + "\n"
	}
	if !strings.Contains(said, "\n500 of 2,000 messages in g are gone.") {
		t.Error(said)
	}
}
