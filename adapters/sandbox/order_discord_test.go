package sandbox

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/recall/recalltest"
)

// TestAnswerAfterNewer: on Discord the answer to a press draws the card anew, beside the edits of
// the teller. One that arrives after a newer card does not hide it for long.
func TestAnswerAfterNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := enter(t, discord.ID, false, nil)
		r := a.sealed("mina")
		a.decides("theo", discord.ID, r, bot.Approve)
		a.chat.Inject(recalltest.Recall, -1, recalltest.Delay(8*time.Second))
		h, g := a.hands[discord.ID], a.sides[discord.ID].home.(*discordtest.Home)
		g.Fail("POST /interactions/*/*/callback", 1, discordtest.Slow(time.Second))
		g.Fail("PATCH /channels/*/messages/*", -1, discordtest.Slow(10*time.Millisecond))
		if _, err := h.send(a.of("ines", discord.ID), r, bot.Approve, small(r)); err != nil {
			t.Fatal(err)
		}
		a.pass(3 * time.Second)
		card, err := h.find(string(r.ID))
		if err != nil {
			t.Fatal(err)
		}
		if now := a.request(r.ID).State; now != bot.Running {
			t.Fatalf("it is %s: this shows nothing", now)
		}
		if said := card.Picture; !strings.Contains(said, "Recalling") {
			t.Errorf("the card says:\n%s", said)
		}
	})
}
