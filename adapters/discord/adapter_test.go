package discord

import (
	"context"
	"errors"
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
	"recallbot/bot/intake"

	"github.com/google/go-cmp/cmp"
)

// both runs a test in a bubble for each way in which interactions come.
func both(t *testing.T, f func(t *testing.T, r *rig)) {
	for _, by := range []mode{overGateway, overHTTP} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, by)
				r.ready(t)
				f(t, r)
				r.clean(t)
				r.stop()
			})
		})
	}
}

// TestUserAgent: every call says which program makes it, as Discord asks.
func TestUserAgent(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		for _, c := range r.Log() {
			if !regexp.MustCompile(`^DiscordBot \([a-z.]+, [\w.+-]+\)$`).MatchString(c.UserAgent) {
				t.Errorf("%v by %q", c, c.UserAgent)
			}
		}
	})
}

func TestCommand(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		i := r.wait(t, r.Command(mina, trust, "recall",
			discordtest.Opt("group", "@TGS#2J4SZEAEL"), discordtest.Opt("seqs", "100 101"), discordtest.Opt("last", 5),
			discordtest.Opt("reason", "spam")))
		e, m := r.last(t)
		want := intake.Event{
			ID: bot.EventID("discord:" + i.ID), Name: "mina",
			Place: bot.Place{Platform: ID, Workspace: r.ID, Channel: trust},
			By:    bot.Account{Platform: ID, Workspace: "discord", User: mina},
			Act: intake.Act{Kind: intake.ActCommand, Command: "recall", Options: map[string]string{
				"group": "@TGS#2J4SZEAEL", "seqs": "100 101", "last": "5", "reason": "spam",
			}},
		}
		if diff := cmp.Diff(want.Read(), e, cmp.AllowUnexported(intake.Event{})); diff != "" {
			t.Error(diff)
		}
		if m.Trouble != "" || m.Name != "mina" {
			t.Errorf("%+v", m)
		}
		if got := i.Ephemeral(); !strings.Contains(got, "The card follows") {
			t.Errorf("answer %q", got)
		}
		if n := len(r.Messages(trust)); n != 0 {
			t.Errorf("%d public messages", n)
		}

		r.answer(intake.Answer{Kind: intake.Whisper,
			Lines: []bot.Line{line("You may not."), {bot.Code("/recall group:x")}}})
		i = r.wait(t, r.Command(theo, trust, "recalls list", discordtest.Opt("which", "mine")))
		e, m = r.last(t)
		if e.Act.Command != "recalls" || e.Act.Sub != "list" || e.Act.Options["which"] != "mine" ||
			e.Name != "Theo T." {
			t.Errorf("%+v", e)
		}
		if diff := cmp.Diff([]string{leads}, roles(m)); diff != "" {
			t.Error(diff)
		}
		if got := i.Ephemeral(); got != "You may not.\n‹/recall group:x›" {
			t.Errorf("answer %q", got)
		}
	})
}

func TestForms(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ask := intake.Form{Kind: intake.FormAsk, Title: "Recall messages", Inputs: []intake.Input{
			{Name: "group", Label: "Group id", Required: true, Max: 48},
			{Name: "what", Label: "Message numbers, or a filter", Required: true},
			{Name: "topic", Label: "Topic"}, {Name: "reason", Label: "Reason", Long: true},
		}}
		r.answer(intake.Answer{Kind: intake.ShowForm, Form: &ask})
		i := r.wait(t, r.Command(mina, trust, "recall"))
		form, ok := i.Modal()
		if e, _ := r.last(t); !ok || e.Act.Options == nil || len(e.Act.Options) != 0 {
			t.Fatalf("no form, or options: %+v", e.Act)
		}
		golden.Check(t, "testdata/cards/form_ask.txt", r.PictureModal(form))
		r.answer(intake.Answer{Kind: intake.Accepted, Lines: []bot.Line{line("Reading.")}})
		i = r.wait(t, r.Submit(mina, form, map[string]string{"group": "@TGS#1", "what": "100", "reason": "a\nb"}))
		e, _ := r.last(t)
		if diff := cmp.Diff(intake.Act{Kind: intake.ActForm, Command: "recall",
			Options: map[string]string{"group": "@TGS#1", "what": "100", "reason": "a\nb"}}, e.Act); diff != "" {
			t.Error(diff)
		}
		if i.Ephemeral() != "Reading." {
			t.Errorf("answer %q", i.Ephemeral())
		}
	})
}

// TestDecide presses every button of a card that the adapter posted.
func TestDecide(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "R-7K3M9Q/1")
		if err != nil {
			t.Fatal(err)
		}
		card := discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message}
		press := func(user, label string) *discordtest.Interaction {
			m, _ := r.Message(card)
			b, ok := m.Button(label)
			if !ok {
				t.Fatalf("no button %s in %s", label, m.Raw)
			}
			return r.wait(t, r.Press(user, card, b.CustomID))
		}
		act := func() intake.Act { e, _ := r.last(t); return e.Act }
		want := intake.Act{Request: reqID, Digest: digest[:16], Card: bot.Ref{Channel: trust, Message: ref.Message}}

		r.answer(intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{
			Kind: intake.FormApprove, Title: "Recall 3 messages?", Submit: "Approve", Request: reqID, Digest: digest,
			Inputs: []intake.Input{{Name: "count", Label: "Type the number of messages",
				Placeholder: "3 in @TGS#2J4SZEAEL", Required: true, Max: 10}},
		}})
		i := press(theo, "Approve")
		want.Kind = intake.ActAskApprove
		if diff := cmp.Diff(want, act()); diff != "" {
			t.Error(diff)
		}
		form, ok := i.Modal()
		if !ok {
			t.Fatal("no form")
		}
		golden.Check(t, "testdata/cards/form_approve.txt", r.PictureModal(form))

		r.answer(intake.Answer{Kind: intake.Changed})
		i = r.wait(t, r.Submit(theo, form, map[string]string{"count": "3"}))
		want.Kind, want.Count, want.Typed = intake.ActApprove, "3", true
		if diff := cmp.Diff(want, act()); diff != "" {
			t.Error(diff)
		}
		want.Count, want.Typed = "", false
		if m, _ := r.Message(card); i.Type() != discordtest.AnswerDeferredUpdate || !m.Edited.IsZero() {
			t.Errorf("answered with %d: %s", i.Type(), m.Raw)
		}
		if err := r.adapter.Edit(t.Context(), ref, someCard(bot.Running)); err != nil {
			t.Fatal(err)
		}
		m, _ := r.Message(card)
		if b, ok := m.Button("Stop"); !ok || b.Style != 4 {
			t.Errorf("Stop: %+v", b)
		}

		page := intake.Page{Title: line("R-7K3M9Q: the messages, page 1 of 3"), Request: reqID, Digest: digest,
			Samples: someCard(bot.Done).Samples, Of: 3}
		r.answer(intake.Answer{Kind: intake.ShowPage, Page: &page})
		i = press(mina, "Show all")
		want.Kind = intake.ActShowAll
		if diff := cmp.Diff(want, act()); diff != "" {
			t.Error(diff)
		}
		shown, ok := i.Original()
		if !ok || shown.Ephemeral != mina {
			t.Fatalf("not private: %+v", shown)
		}
		golden.Check(t, "testdata/cards/page.txt", r.Picture(shown))
		next, _ := shown.Button("Next")
		page.Number, page.Title = 1, line("R-7K3M9Q: the messages, page 2 of 3")
		r.answer(intake.Answer{Kind: intake.ShowPage, Page: &page})
		i = r.wait(t, r.Press(mina, shown.Ref(), next.CustomID))
		if a := act(); a.Page != 1 || a.Kind != intake.ActShowAll || i.Type() != discordtest.AnswerUpdate {
			t.Errorf("%+v, answered with %d", a, i.Type())
		}
		if n := len(r.Ephemerals(mina)); n != 1 {
			t.Errorf("%d private messages for one page", n)
		}

		r.answer(intake.Answer{Kind: intake.Changed})
		press(mina, "Stop")
		want.Kind = intake.ActStop
		if diff := cmp.Diff(want, act()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReject(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
		if err != nil {
			t.Fatal(err)
		}
		card := discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message}
		m, _ := r.Message(card)
		b, _ := m.Button("Reject")
		if b.Style != 2 {
			t.Errorf("style %d", b.Style)
		}
		r.answer(intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormReject,
			Title: "Reject R-7K3M9Q", Request: reqID, Digest: digest,
			Inputs: []intake.Input{{Name: "reason", Label: "Reason (optional)", Long: true}}}})
		form, _ := r.wait(t, r.Press(theo, card, b.CustomID)).Modal()
		r.answer(intake.Answer{Kind: intake.Changed})
		i := r.wait(t, r.Submit(theo, form, map[string]string{"reason": "wrong group"}))
		if e, _ := r.last(t); e.Act.Kind != intake.ActReject || e.Act.Reason != "wrong group" ||
			e.Act.Request != reqID {
			t.Errorf("%+v", e.Act)
		}
		if now, _ := r.Message(card); i.Type() != discordtest.AnswerDeferredUpdate || string(now.Raw) != string(m.Raw) {
			t.Errorf("answered with %d, and the card is changed to %s", i.Type(), now.Raw)
		}
	})
}

// TestStale presses a card that no longer shows the request: the person is told, and the card is
// left to the teller.
func TestStale(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
		if err != nil {
			t.Fatal(err)
		}
		card := discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message}
		m, _ := r.Message(card)
		b, _ := m.Button("Approve")
		r.answer(intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{line("Decided already.")}})
		i := r.wait(t, r.Press(mina, card, b.CustomID))
		if now, _ := r.Message(card); string(now.Raw) != string(m.Raw) {
			t.Error("the adapter has changed the card")
		}
		if i.Ephemeral() != "Decided already." {
			t.Errorf("said %q", i.Ephemeral())
		}
	})
}

// TestOwnCardNotTaken presses a card that the person alone sees, as which Discord does not take
// what it is now: over the Gateway, where the refusal is known, the person reads what came of it.
// So they do where Discord does not take that a press is acknowledged.
func TestOwnCardNotTaken(t *testing.T) {
	for _, private := range []bool{true, false} {
		t.Run(fmt.Sprintf("private %v", private), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, overGateway)
				r.ready(t)
				ref := r.post(t)
				m, _ := r.Message(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
				now := someCard(bot.Rejected)
				changed := intake.Answer{Kind: intake.Changed,
					Lines: []bot.Line{{{Kind: bot.Words, Text: "R-7K3M9Q is rejected."}}}}
				if private {
					shown := someCard(bot.Proposed)
					r.answer(intake.Answer{Kind: intake.ShowCard, Card: &shown})
					m, _ = r.wait(t, r.Command(theo, trust, "recalls show",
						discordtest.Opt("id", string(reqID)))).Original()
					changed.Card = &now
				}
				b, _ := m.Button("Reject")
				r.Fail("POST /interactions/{interaction_id}/{interaction_token}/callback", 1,
					discordtest.APIError(400, 200000))
				r.answer(changed)
				i := r.wait(t, r.Press(theo, m.Ref(), b.CustomID))
				if m, ok := i.Original(); !ok || m.Ephemeral != theo || m.Content != "R-7K3M9Q is rejected." {
					t.Errorf("%+v", m)
				}
				r.stop()
			})
		})
	}
}

func TestAutocomplete(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.answer(intake.Answer{Kind: intake.Choices, Groups: []intake.Choice{
			{Group: "@TGS#2J4SZEAEL", Name: "Lounge"}, {Group: "@TGS#_@TGS#c"}}})
		i := r.wait(t, r.Autocomplete(mina, trust, "recall", "group", "2J4"))
		if e, _ := r.last(t); e.Act.Kind != intake.ActComplete || e.Act.Text != "2J4" {
			t.Errorf("%+v", e.Act)
		}
		want := []discordtest.Choice{{Name: "group @TGS#2J4SZEAEL · Lounge", Value: "@TGS#2J4SZEAEL"},
			{Name: "group @TGS#_@TGS#c", Value: "@TGS#_@TGS#c"}}
		if diff := cmp.Diff(want, i.Choices()); diff != "" {
			t.Error(diff)
		}
		r.bot.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			return intake.Answer{}, errTest
		}})
		if i = r.wait(t, r.Autocomplete(mina, trust, "recall", "group", "x")); len(i.Choices()) != 0 {
			t.Errorf("%v", i.Choices())
		}
	})
}

// TestMentionsUndone types a group that the client turns into mentions.
func TestMentionsUndone(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.AddRole(discordtest.Role{ID: "555", Name: "TGS"})
		r.AddChannel(discordtest.Channel{ID: "666", Name: "2J4SZEAEL"})
		i := r.wait(t, r.Command(mina, trust, "recall", discordtest.Opt("group", "@TGS#2J4SZEAEL")))
		if !strings.Contains(string(i.Payload()), `\u003c@\u0026555\u003e\u003c#666\u003e`) {
			t.Fatalf("the client changed nothing: %s", i.Payload())
		}
		if e, _ := r.last(t); e.Act.Options["group"] != "@TGS#2J4SZEAEL" {
			t.Errorf("group %q", e.Act.Options["group"])
		}
	})
	r := resolved{}
	if got := r.undo("<@&5>#x <#6>"); got != "<@&5>#x <#6>" {
		t.Errorf("what is not resolved became %q", got)
	}
}

func TestTroubles(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		now := time.Now()
		for _, tt := range []struct {
			name   string
			set    func()
			member bot.Trouble
			place  bot.Trouble
		}{
			{"none", func() {}, "", ""},
			{"bot", func() { r.AddMember(discordtest.Member{UserID: mina, Name: "mina", Bot: true}) }, bot.TroubleBot,
				""},
			{"pending", func() { r.AddMember(discordtest.Member{UserID: mina, Name: "mina", Pending: true}) },
				bot.TroublePending, ""},
			{"guest", func() { r.AddMember(discordtest.Member{UserID: mina, Name: "mina", Guest: true}) },
				bot.TroubleGuest, ""},
			{"timed out", func() {
				r.AddMember(discordtest.Member{UserID: mina, Name: "mina", TimedOutUntil: now.Add(time.Hour)})
			}, bot.TroubleTimedOut, ""},
			{"timed out before", func() {
				r.AddMember(discordtest.Member{UserID: mina, Name: "mina", TimedOutUntil: now.Add(-time.Hour)})
			}, "", ""},
			{"who does not see the channel", func() {
				r.AddMember(discordtest.Member{UserID: mina, Name: "mina", Permissions: discordtest.SendMessages})
			}, "", bot.TroubleLeft},
			{"administrator", func() { r.AddMember(discordtest.Member{UserID: mina, Name: "mina", Admin: true}) }, "",
				""},
			{"other guild", func() { r.SetOrigin(discordtest.Origin{GuildID: "4242"}) }, bot.TroubleWrongGuild, ""},
			{"user installed", func() { r.SetOrigin(discordtest.Origin{UserInstalled: true}) },
				bot.TroubleUserInstalled, ""},
			{"direct message", func() { r.SetOrigin(discordtest.Origin{DM: true}) }, "", bot.TroubleDirectMessage},
			{"no sending", func() { r.SetOrigin(discordtest.Origin{}); r.Deny(trust, discordtest.SendMessages) }, "",
				bot.TroubleNotInChannel},
			{"no embeds", func() { r.Deny(trust, discordtest.EmbedLinks) }, "", bot.TroubleNotInChannel},
			{"admin bot", func() { r.Allow(trust, discordtest.Administrator) }, "", ""},
		} {
			tt.set()
			r.wait(t, r.Command(mina, trust, "recalls whoami"))
			e, m := r.last(t)
			if m.Trouble != tt.member || e.Place.Trouble != tt.place {
				t.Errorf("%s: member %q, place %q", tt.name, m.Trouble, e.Place.Trouble)
			}
			if len(m.Groups) != 0 {
				t.Errorf("%s: groups %v", tt.name, m.Groups)
			}
		}
	})
}

// TestForged sends what no message of the bot holds. It reaches the bot as that alone, which
// refuses it and puts it into the audit log, and is answered.
func TestForged(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
		if err != nil {
			t.Fatal(err)
		}
		card := discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message}
		r.bot.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{bot.Say("refuse.forged")}, Refused: "forged"},
				nil
		}})
		for n, id := range []string{
			"x", "v1:", "v1:approve", "v1:approve:R-7K3M9Q", "v1:approve:R-7K3M9Q:zz",
			"v1:approve:nobody:0123456789abcdef", "v2:approve:R-7K3M9Q:0123456789abcdef",
			"v1:form:approve:R-7K3M9Q:0123456789abcdef", "v1:page:R-7K3M9Q:0123456789abcdef:-1", "v1:page", "v1:find:",
			"v1:find:group=g", "v1:find:discord:", "v1:find:discord:x", "v1:turn:discord:7", "v1:turn:-1:discord:7",
			"v1:turn:1:slack-00", "v1:form",
			"v1:approve:R-7K3M9Q:0123456789abcdef0", "v1:approve:R-7K3M9Q:0123456789abcdef:1",
		} {
			i := r.wait(t, r.PressForged(theo, card, id))
			if !strings.Contains(i.Ephemeral(), "Nothing was done") {
				t.Errorf("%q answered by %q", id, i.Ephemeral())
			}
			e, _ := r.last(t)
			if diff := cmp.Diff(intake.Act{Kind: intake.ActForged, Card: bot.Ref{Channel: ref.Channel,
				Message: ref.Message}}, e.Act); diff != "" || len(r.bot.Did()) != n+1 || e.By.User != theo {
				t.Errorf("%q reached the bot by %s as event %d:\n%s", id, e.By, len(r.bot.Did()), diff)
			}
		}
	})
}

// TestFault has the bot fail, hang and panic. The person is always answered.
func TestFault(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		panics := func(context.Context, intake.Event, bot.Member) (intake.Answer, error) { panic("a bug") }
		for want, do := range map[string]func(context.Context, intake.Event, bot.Member) (intake.Answer, error){
			"nothing was done. Please try again": func(context.Context, intake.Event, bot.Member) (intake.Answer,
				error) {
				return intake.Answer{}, errTest
			},
			"nothing was done": func(ctx context.Context, _ intake.Event, _ bot.Member) (intake.Answer, error) {
				<-ctx.Done()
				return intake.Answer{}, ctx.Err()
			},
			"not certain whether this was done": panics,
		} {
			r.bot.Play(adaptertest.Script{Do: do})
			i := r.wait(t, r.Command(mina, trust, "recalls help"))
			if !strings.Contains(i.Ephemeral(), want) || !strings.Contains(i.Ephemeral(), i.ID) {
				t.Errorf("want %q: %q", want, i.Ephemeral())
			}
		}
		r.bot.Play(adaptertest.Script{Do: panics}) // in what takes a while, and is answered later
		i := r.wait(t, r.Command(mina, trust, "recalls find", discordtest.Opt("group", "@TGS#2J4SZEAEL"),
			discordtest.Opt("text", "casino")))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := i.Ephemeral(); !strings.Contains(got, "not certain whether this was done") ||
			!strings.Contains(got, i.ID) {
			t.Errorf("told later: %q", got)
		}
	})
}

// TestUnsure: where nobody knows whether what a person did was stored, they are not told that
// nothing was done.
func TestUnsure(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		r.bot.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			return intake.Answer{}, fmt.Errorf("handle event: %w", &bot.Unsure{Err: context.DeadlineExceeded})
		}})
		i := r.wait(t, r.Command(mina, trust, "recalls stop", discordtest.Opt("id", "R-7K3M9Q")))
		if got := i.Ephemeral(); !strings.Contains(got, "not certain") || strings.Contains(got, "nothing was done") ||
			!strings.Contains(got, i.ID) {
			t.Errorf("told %q", got)
		}
	})
}

// TestRepeat delivers one interaction again: it acts once and has one answer.
func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overHTTP)
		r.ready(t)
		i := r.wait(t, r.Command(mina, trust, "recalls help"))
		again, replay := r.Resend(t.Context(), i), r.Replay(t.Context(), i)
		if string(again.Body) != string(i.Response()) || string(replay.Body) != string(i.Response()) {
			t.Errorf("another answer:\n%s\n%s\n%s", i.Response(), again.Body, replay.Body)
		}
		if n := len(r.bot.Did()); n != 1 {
			t.Errorf("acted %d times", n)
		}
		r.stop()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		i := r.wait(t, r.Command(mina, trust, "recalls help"))
		r.Redispatch(i)
		time.Sleep(time.Second)
		if n := len(r.bot.Did()); n != 1 {
			t.Errorf("acted %d times", n)
		}
		r.clean(t)
		r.stop()
	})
}

// TestThreadPlace types a command in a thread: the channel is the thread's, and the card goes into
// the thread.
func TestThreadPlace(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
		if err != nil {
			t.Fatal(err)
		}
		at, err := r.adapter.Reply(t.Context(), ref, bot.Note{Key: "n", Lines: []bot.Line{line("hello")}})
		if err != nil {
			t.Fatal(err)
		}
		r.wait(t, r.Command(mina, at.Thread, "recalls help"))
		e, _ := r.last(t)
		if e.Place.Channel != trust || e.Place.Thread != at.Thread || e.Place.Trouble != "" {
			t.Fatalf("%+v", e.Place)
		}
		inside, err := r.adapter.Post(t.Context(), e.Place, someCard(bot.Proposed), "k2")
		if err != nil {
			t.Fatal(err)
		}
		if inside.Channel != at.Thread {
			t.Errorf("%+v", inside)
		}
		note, err := r.adapter.Reply(t.Context(), inside, bot.Note{Key: "n2", Lines: []bot.Line{line("result")}})
		if err != nil || note.Channel != at.Thread {
			t.Errorf("%+v, %v", note, err)
		}
		if n := len(r.Threads(trust)); n != 1 {
			t.Errorf("%d threads", n)
		}
	})
}

// TestFound: a page of what was found is turned in its place though the bot takes a while, and what
// else is to be said stands below it.
func TestFound(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		page := intake.Page{Title: line("57 messages found"), Of: 3, Samples: someCard(bot.Done).Samples,
			Search: "discord:123456789", Recall: "Recall all 57"}
		r.answer(intake.Answer{Kind: intake.ShowPage, Page: &page})
		shown := r.answered(t, r.wait(t, r.Command(mina, trust, "recalls find", discordtest.Opt("group", "g"),
			discordtest.Opt("last", 57))))
		b, ok := shown.Button("Next")
		if !ok {
			t.Fatalf("no button: %s", shown.Raw)
		}
		second := page
		second.Title, second.Number = line("57 messages found, page 2 of 3"), 1
		r.answer(intake.Answer{Kind: intake.ShowPage, Page: &second})
		i := r.wait(t, r.Press(mina, shown.Ref(), b.CustomID))
		time.Sleep(5 * time.Second)
		if i.Type() != discordtest.AnswerDeferredUpdate {
			t.Errorf("answered with type %d", i.Type())
		}
		if e, _ := r.last(t); e.Act.Kind != intake.ActTurnFind || e.Act.Search != page.Search || e.Act.Page != 1 {
			t.Errorf("%+v", e.Act)
		}
		if all := r.Ephemerals(mina); len(all) != 1 || !strings.Contains(all[0].Content, "page 2 of 3") {
			t.Fatalf("shown: %+v", all)
		}
		r.answer(intake.Answer{Kind: intake.Whisper, Refused: "search_gone",
			Lines: []bot.Line{line("no longer kept")}})
		shown = r.Ephemerals(mina)[0]
		if b, ok = shown.Button("Next"); !ok {
			t.Fatalf("no button: %s", shown.Raw)
		}
		r.wait(t, r.Press(mina, shown.Ref(), b.CustomID))
		time.Sleep(5 * time.Second)
		if all := r.Ephemerals(mina); len(all) != 2 || !strings.Contains(all[0].Content, "page 2 of 3") ||
			!strings.Contains(all[1].Content, "no longer kept") {
			t.Errorf("shown: %+v", all)
		}
		shown = r.Ephemerals(mina)[0]
		if b, ok = shown.Button("Recall all 57"); !ok {
			t.Fatalf("no button: %s", shown.Raw)
		}
		r.answer(intake.Answer{Kind: intake.Accepted})
		r.wait(t, r.Press(mina, shown.Ref(), b.CustomID))
		if e, _ := r.last(t); e.Act.Kind != intake.ActRecallFind || e.Act.Search != page.Search {
			t.Errorf("%+v", e.Act)
		}
	})
}

// TestFoundMessageGone: where the message that an answer was meant for is gone, the answer is said
// after it; and a short outage takes nothing away.
func TestFoundMessageGone(t *testing.T) {
	for name, f := range map[string]discordtest.Fault{"gone": discordtest.APIError(404, 10008),
		"outage": discordtest.Status(503)} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, r *rig) {
				r.answer(intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{Title: line("2 messages found"),
					Of: 1, Samples: someCard(bot.Done).Samples}})
				r.Fail("PATCH /webhooks/**", 2, f)
				r.wait(t, r.Command(mina, trust, "recalls find", discordtest.Opt("group", "g"),
					discordtest.Opt("last", 2)))
				time.Sleep(30 * time.Second)
				all := r.Ephemerals(mina)
				if len(all) == 0 || !strings.Contains(all[len(all)-1].Content, "2 messages found") {
					t.Errorf("shown: %+v", all)
				}
			})
		})
	}
}

// TestTroubleInOwnWords: /readyz shows it to anybody, so no error of others is in it.
func TestTroubleInOwnWords(t *testing.T) {
	foreign := errors.New("foreign words")
	for _, test := range []struct {
		part    string
		err     error
		want    string
		passing bool
	}{
		{"gateway", fmt.Errorf("%w: %w", ErrOutage, foreign), "no connection to Discord; the log says more", true},
		{"gateway", &fatal{mends[4014], foreign}, mends[4014] + "; the log says more", false},
		{"token", &fatal{mends[4004], &apiError{Message: "foreign words"}}, mends[4004] + "; the log says more", false},
		{"commands", errors.Join(&fatal{"one", foreign}, fmt.Errorf("a guild: %w", &fatal{"two", foreign})),
			"one; two; the log says more", false},
		{"commands", foreign, "the log says more", false},
	} {
		a := &Adapter{}
		a.status.set(test.part, test.err)
		if words, passing := a.Trouble(); words != test.want || passing != test.passing {
			t.Errorf("%v is told as %q, passing %t", test.err, words, passing)
		}
	}
	if words, _ := new(Adapter).Trouble(); words != "" {
		t.Errorf("no trouble is told as %q", words)
	}
}

// TestProgress: what a reading has done replaces the answer to the command, at most once in three
// seconds, for as long as Discord takes it.
func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer(intake.Answer{Kind: intake.Accepted, Request: reqID, Lines: []bot.Line{line("Reading.")}})
		i := r.wait(t, r.Command(mina, trust, "recall", discordtest.Opt("group", "@TGS#1"),
			discordtest.Opt("seqs", "100")))
		for n := range 20 * 60 {
			time.Sleep(time.Second)
			r.adapter.Progress(t.Context(), reqID, line(fmt.Sprintf("%d s.", n+1)), bot.ReadingOn)
			r.adapter.Progress(t.Context(), "R-0THERS", line("Of nobody."), bot.ReadingOn)
		}
		edits := r.Count("PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original")
		if edits < 250 || edits > 300 {
			t.Errorf("%d edits in a quarter of an hour", edits)
		}
		if m := r.answered(t, i); !strings.HasPrefix(m.Content, "89") || !strings.HasSuffix(m.Content, " s.") {
			t.Errorf("the answer says %q", m.Content)
		}
		r.clean(t)
	})
}
