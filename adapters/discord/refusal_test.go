package discord

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/recall/recalltest"
)

// TestRefusedPeople shows what people read who may not do what they try, in the bot's own words,
// and holds it to a golden file.
func TestRefusedPeople(t *testing.T) {
	var seen strings.Builder
	synctest.Test(t, func(t *testing.T) {
		policy := bot.DefaultPolicy()
		policy.Crowds = map[bot.Platform]bot.Crowd{ID: {
			Requesters: []bot.Principal{{User: mina}}, Approvers: []bot.Principal{{Group: leads}},
			Channels: []string{trust},
		}}
		made, chat := adaptertest.Storing(t, policy)
		chat.AddGroup(recalltest.Group{ID: "@TGS#2J4SZEAEL", Type: "Public", Name: "Lounge", Members: 3})
		chat.Say("@TGS#2J4SZEAEL", "", "mallory", "one")
		chat.Say("@TGS#2J4SZEAEL", "", "mallory", "two")
		r := newRig(t, overHTTP, func(r *rig, o *Options) {
			r.AddMember(discordtest.Member{UserID: "42", Name: "lena"})
			o.Bot = made
		})
		made.Attach(r.adapter)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			if err := made.Run(ctx); err != nil {
				t.Errorf("running the bot: %v", err)
			}
		}()
		r.ready(t)

		note := func(what string, i *discordtest.Interaction) {
			t.Helper()
			r.wait(t, i)
			m, ok := i.Original()
			if !ok {
				t.Fatalf("%s: no answer", what)
			}
			fmt.Fprintf(&seen, "# %s\n%s", what, r.Picture(m))
			time.Sleep(time.Second)
			for _, m := range i.Followups() {
				seen.WriteString(r.Picture(m))
			}
			seen.WriteByte('\n')
		}
		asks := func(what, user, channel string) {
			t.Helper()
			note(what, r.Command(user, channel, "recall", discordtest.Opt("group", "@TGS#2J4SZEAEL"),
				discordtest.Opt("seqs", "1 2")))
		}
		member := func(m discordtest.Member) {
			m.UserID, m.Name = mina, "mina"
			r.AddMember(m)
		}
		asks("somebody who may neither ask nor approve", "42", trust)
		asks("an approver who may not ask", theo, trust)
		asks("a channel that the policy does not name", mina, other)
		member(discordtest.Member{Bot: true})
		asks("a bot asks", mina, trust)
		member(discordtest.Member{Pending: true})
		asks("a member who has not been screened asks", mina, trust)
		member(discordtest.Member{TimedOutUntil: time.Now().Add(time.Hour)})
		asks("a member who is timed out asks", mina, trust)
		member(discordtest.Member{})
		r.SetOrigin(discordtest.Origin{GuildID: "4242"})
		asks("another server", mina, trust)
		r.SetOrigin(discordtest.Origin{UserInstalled: true})
		asks("the bot is installed for the person alone", mina, trust)
		r.SetOrigin(discordtest.Origin{DM: true})
		asks("a direct message", mina, trust)
		r.SetOrigin(discordtest.Origin{})
		r.Deny(trust, discordtest.SendMessages)
		asks("a channel in which the bot may not post", mina, trust)
		r.Allow(trust, discordtest.SendMessages)

		asks("a recall is asked for", mina, trust)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		card := r.Messages(trust)[0]
		ref := discordtest.MessageRef{ChannelID: card.ChannelID, ID: card.ID}
		approve := regexp.MustCompile(`v1:approve:[^"]*`).FindString(string(card.Raw))
		if approve == "" {
			t.Fatalf("no Approve on\n%s", r.Picture(card))
		}
		note("one's own request is approved", r.Press(mina, ref, approve))
		note("somebody approves who may not", r.Press("42", ref, approve))
		r.AddMember(discordtest.Member{UserID: "42", Name: "lena", Admin: true})
		note("an administrator approves who is in no role", r.Press("42", ref, approve))
		note("a card that shows something else is approved", r.PressForged(theo, ref, approve[:len(approve)-4]+"0000"))
		note("a forged button", r.PressForged(theo, ref, "v2:approve"))
		note("a request that does not exist", r.PressForged(theo, ref, "v1:approve:R-000000:0123456789abcdef"))
		open := r.wait(t, r.Press(theo, ref, approve))
		form, ok := open.Modal()
		if !ok {
			t.Fatal("no form")
		}
		note("another number is typed", r.Submit(theo, form, map[string]string{"count": "3"}))
		cancel()
		<-ran
		r.clean(t)
		r.stop()
	})
	golden.Check(t, "testdata/cards/refusals.txt", requestIDs.ReplaceAllString(seen.String(), "R-1"))
}

var requestIDs = regexp.MustCompile(`R-[0-9A-HJKMNP-TV-Z]{6}`)
