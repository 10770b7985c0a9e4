package discordtest

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
)

// forger is a bottest.Forger.
type forger struct{ *Home }

// Forger implements bottest.Home.
func (h *Home) Forger() bottest.Forger { return forger{h} }

// Workspace is empty: it is the same for every account.
func (f forger) Workspace() string { return "" }

func (f forger) Leads(users ...string) {
	f.AddRole(Role{ID: HomeLeads, Name: "leads", Mentionable: true, Members: users})
}

func (f forger) Others(users ...string) string {
	const id = "400000000000000009"
	f.AddRole(Role{ID: id, Name: "others", Members: users})
	return id
}

// Elsewhere has the bot serve another server, too.
func (f forger) Elsewhere(string) (then func()) {
	const other = "4242"
	f.More = []string{other}
	return func() { f.SetOrigin(Origin{GuildID: other}) }
}

func (f forger) Places(string) []bottest.Forbidden {
	const other = "200000000000000002"
	f.AddChannel(Channel{ID: other, Name: "other"})
	return []bottest.Forbidden{{Channel: other, Why: "wrong_channel"}}
}

// ref is a message, or any message of the channel where none is named.
func (f forger) ref(on bot.Ref) MessageRef {
	if on.Message != "" {
		return MessageRef{ChannelID: on.Channel, ID: on.Message}
	}
	if there := f.Messages(on.Channel); len(there) > 0 {
		return there[0].Ref()
	}
	return f.Say(f.User(f.cast[0].Name), on.Channel, "hello").Ref()
}

func (f forger) Holds(on bottest.Shown, _ bot.ButtonKind, carries string) bool {
	m, _ := on.Own.(Message)
	return slices.ContainsFunc(m.Buttons(), func(own Button) bool { return own.CustomID == carries })
}

func (f forger) Forge(user string, on bot.Ref, _ bot.ButtonKind, carries string) bottest.Deed {
	return f.Deed(f.PressForged(user, f.ref(on), carries))
}

func (f forger) Verdict(user string, on bot.Ref, id bot.RequestID, v bot.Verdict, digest string,
	values map[string]string) bottest.Deed {
	form := "v1:form:" + string(v) + ":" + string(id) + ":" + digest
	return f.Deed(f.SubmitForged(user, f.ref(on), form, values))
}

func (f forger) Ask(user string, on bot.Ref, values map[string]string) bottest.Deed {
	return f.Deed(f.SubmitForged(user, f.ref(on), "v1:form:ask::", values))
}

func (f forger) Found(user string, on bot.Ref) bottest.Deed {
	return f.Deed(f.PressForged(user, f.ref(on), "v1:find:discord:1200000000000000001"))
}

// Said is nothing: what is answered is shown to the person.
func (f forger) Said(bottest.Deed) string { return "" }

func (f forger) Repeat(d bottest.Deed) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	f.mu.Lock()
	posted := f.byHTTP()
	f.mu.Unlock()
	if !posted {
		return d.Again().Wait(ctx)
	}
	first := d.(Deed)
	i := first.Interaction
	for _, again := range []Delivery{f.Replay(ctx, i), f.Resend(ctx, i)} {
		if again.Status != http.StatusOK || string(again.Body) != string(first.Response()) {
			return fmt.Errorf("discordtest: a repeat is answered with %d %s, the first was with %s", again.Status,
				again.Body, first.Response())
		}
	}
	return nil
}

func (f forger) Kinds(approver string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		members := []string{approver}
		for i, kind := range []struct {
			m   Member
			why string
		}{
			{Member{Bot: true}, "trouble.bot"}, {Member{Pending: true}, "trouble.pending"},
			{Member{Guest: true}, "trouble.guest"},
			{Member{TimedOutUntil: time.Now().Add(time.Hour)}, "trouble.timed_out"},
		} {
			kind.m.UserID, kind.m.Name = fmt.Sprint("30000000000000009", i), fmt.Sprint("kind", i)
			f.AddMember(kind.m)
			members = append(members, kind.m.UserID)
			f.Leads(members...)
			if !yield(kind.m.UserID, kind.why) {
				return
			}
		}
		defer f.SetOrigin(Origin{})
		for _, from := range []struct {
			o   Origin
			why string
		}{
			{Origin{GuildID: "4242"}, "trouble.wrong_guild"}, {Origin{UserInstalled: true}, "trouble.user_installed"},
			{Origin{DM: true}, "trouble.direct_message"},
		} {
			f.SetOrigin(from.o)
			if !yield(approver, from.why) {
				return
			}
		}
	}
}
