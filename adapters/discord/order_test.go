package discord_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/adapters/sandbox"
	"recallbot/bot"
	"recallbot/recall/recalltest"
)

// TestAnswerAfterNewer: the answer to a press draws the card anew, beside the edits of the teller.
// One that arrives after a newer card does not hide it for long.
func TestAnswerAfterNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := bot.DefaultPolicy()
		policy.Approvals = 2
		s, err := sandbox.New(sandbox.Options{Platforms: []bot.Platform{discord.ID}, Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		approves := func(who string) { do(s.Press("discord", who, "approve", "", nil)) }
		do(s.Type("discord", "mina", "/recall "+sandbox.Group+" 100 101"))
		time.Sleep(3 * time.Second)
		approves("theo")
		time.Sleep(time.Second)
		s.Service().Inject(recalltest.Recall, -1, recalltest.Delay(8*time.Second))
		home := s.Home(discord.ID).(*discordtest.Home)
		home.Fail("POST /interactions/*/*/callback", 2, discordtest.Slow(time.Second)) // the form, and its answer
		home.Fail("PATCH /channels/*/messages/*", -1, discordtest.Slow(10*time.Millisecond))
		approves("ines")
		time.Sleep(3 * time.Second)
		var running bool
		do(s.View(func(tx bot.Tx) error {
			all, err := tx.Requests(bot.Query{})
			running = len(all) == 1 && all[0].State == bot.Running
			return err
		}))
		if !running {
			t.Fatal("it does not run: this shows nothing")
		}
		cards := home.People().Channel(home.Channel())
		if said := cards[len(cards)-1].Picture; !strings.Contains(said, "Recalling") {
			t.Errorf("the card says:\n%s", said)
		}
	})
}
