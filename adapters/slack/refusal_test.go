package slack

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/recall/recalltest"
)

// TestRefusedPeople shows what people read who may not do what they try, in the bot's own words,
// and holds it to a golden file.
func TestRefusedPeople(t *testing.T) {
	var seen strings.Builder
	inSlack(t, socketMode, func(x *world) {
		note := func(what, got string) { fmt.Fprintf(&seen, "# %s\n%s\n", what, got) }
		types := func(what, user, channel, command, text string) {
			x.t.Helper()
			x.acked(x.w.Command(user, channel, command, text))
			note(what, x.told(user))
		}
		const ask = "@TGS#2J4SZEAEL 1-2"
		types("a guest asks", "U0GUEST", "C0TRUST", "/recall", ask)
		types("a guest of one channel asks", "U0SINGLE", "C0TRUST", "/recalls", "list")
		types("somebody who is invited and has not joined asks", "U0INVITED", "C0TRUST", "/recalls", "list")
		types("somebody who may neither ask nor approve", "U0NOBODY", "C0TRUST", "/recalls", "list")
		types("an approver who may not ask", "U0LENA", "C0TRUST", "/recall", ask)
		types("a direct message", "U0MINA", "D0MINA", "/recall", ask)
		types("a private channel that the bot is not in", "U0MINA", "C0PRIVATE", "/recall", ask)
		types("a public channel that the bot is not in", "U0MINA", "C0PUBLIC", "/recall", ask)
		types("a channel that another organisation shares", "U0MINA", "C0SHARED", "/recall", ask)
		types("a channel that the policy does not name", "U0MINA", "C0OTHER", "/recall", ask)

		leads := func(members ...string) {
			x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: members})
			time.Sleep(time.Minute) // what was asked of the group is forgotten
		}
		leads("U0GUEST", "U0ALIEN", "U0GONE")
		types("those who could approve are a guest, a foreigner and one who has left", "U0MINA", "C0TRUST", "/recall", ask)
		leads("U0THEO", "U0LENA", "U0GUEST", "U0ALIEN")
		x.w.Set(func(w *slacktest.Workspace) { w.GroupsCode = "plan_upgrade_required" })
		time.Sleep(time.Minute)
		types("the plan has no user groups", "U0THEO", "C0TRUST", "/recall", ask)
		x.w.Set(func(w *slacktest.Workspace) { w.GroupsCode = "" })
		time.Sleep(time.Minute)

		types("a recall is asked for", "U0MINA", "C0TRUST", "/recall", ask)
		time.Sleep(10 * time.Second)
		x.settle()
		at := x.w.Messages("C0TRUST")[0]
		ref := slacktest.MessageRef{Channel: "C0TRUST", TS: at.TS}
		presses := func(what, user, action, value string) {
			x.t.Helper()
			d := x.w.PressForged(user, ref, action, value)
			time.Sleep(7 * time.Second)
			x.acked(d)
			note(what, x.told(user))
		}
		value := func() string {
			v, ok := x.w.Message(ref)
			if !ok {
				x.t.Fatal("the card is gone")
			}
			var blocks []struct {
				Elements []struct {
					Action string `json:"action_id"`
					Value  string `json:"value"`
				} `json:"elements"`
			}
			if err := json.Unmarshal(v.Blocks, &blocks); err != nil {
				x.t.Fatal(err)
			}
			for _, b := range blocks {
				for _, e := range b.Elements {
					if e.Action == "approve" {
						return e.Value
					}
				}
			}
			x.t.Fatalf("no Approve on\n%s", x.w.Picture(v))
			return ""
		}()
		presses("one's own request is approved", "U0MINA", "approve", value)
		presses("a guest among the approvers approves", "U0GUEST", "approve", value)
		presses("an account of another organisation among the approvers approves", "U0ALIEN", "approve", value)
		presses("a stranger approves", "U0STRANGE", "approve", value)
		presses("a card that shows something else is approved", "U0LENA", "approve", value[:len(value)-4]+"0000")
		presses("a forged button", "U0LENA", "approve", "v2:x")
		presses("a request that does not exist", "U0LENA", "approve", "v1:R-000000:0123456789abcdef")
		x.w.Fail("users.info", -1, slacktest.Hang())
		presses("Slack does not say in time who presses", "U0LENA", "approve", value)
		x.w.Heal("*")
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Handle: "leads", Members: []string{"U0THEO", "U0LENA"},
			Disabled: true})
		presses("the approvers' group is disabled", "U0LENA", "approve", value)
		time.Sleep(time.Minute) // what was asked of the channel is forgotten
		x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", Name: "trust", BotIn: true, Archived: true,
			Members: []string{"U0LENA"}})
		presses("the channel was archived meanwhile", "U0LENA", "approve", value)
		x.quiet()
	}, func(x *world, o *Options) {
		policy := x.bot.PolicyNow()
		policy.Crowds[ID] = bot.Crowd{Requesters: policy.Crowds[ID].Requesters,
			Approvers: policy.Crowds[ID].Approvers,
			Channels:  []string{"C0TRUST", "D0MINA", "C0PRIVATE", "C0PUBLIC", "C0SHARED"}}
		made, chat := adaptertest.Storing(x.t, policy)
		chat.AddGroup(recalltest.Group{ID: "@TGS#2J4SZEAEL", Type: "Public", Name: "Lounge", Members: 3})
		chat.Say("@TGS#2J4SZEAEL", "", "mallory", "one")
		chat.Say("@TGS#2J4SZEAEL", "", "mallory", "two")
		x.w.AddChannel(slacktest.Channel{ID: "C0OTHER", Name: "other", BotIn: true, Members: []string{"U0MINA"}})
		x.w.Scopes = Scopes
		o.Bot = made
		x.real = made
	})
	golden.Check(t, "testdata/cards/refusals.txt", requestIDs.ReplaceAllString(seen.String(), "R-1"))
}

var requestIDs = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)
