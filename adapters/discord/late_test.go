package discord

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestAnswerByOtherMeans: where Discord does not take the answer, the person is told otherwise, and
// last in a line that everybody sees and that says nothing but where to look. What holds messages
// is not told otherwise.
func TestAnswerByOtherMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		card, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
		if err != nil {
			t.Fatal(err)
		}
		ref := discordtest.MessageRef{ChannelID: card.Channel, ID: card.Message}
		const callback = "POST /interactions/{interaction_id}/{interaction_token}/callback"
		const webhook = "/webhooks/{webhook_id}/{webhook_token}"
		direct := func() []discordtest.Message { return r.DirectMessages(theo) }
		press := func(a intake.Answer) *discordtest.Interaction {
			r.answer(a)
			i := r.Press(theo, ref, "v1:"+string(bot.ButtonShowAll)+":R-7K3M9Q:"+digest[:bot.DigestShort])
			time.Sleep(30 * time.Second)
			if i.Err != nil {
				t.Fatal(i.Err)
			}
			return i
		}
		no := intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{line("You may not.")}}
		shows := intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{Title: line("Messages"), Of: 1,
			Samples: []bot.Sample{{Seq: 100, Text: foreign("free coins")}}}}

		// The answer comes late.
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		press(no)
		if all := direct(); len(all) != 1 || !strings.Contains(all[0].Content, "You may not.") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		// It was carried out, but nobody heard of it.
		r.Fail(callback, 1, discordtest.ReplyLost())
		if i := press(no); !strings.Contains(i.Ephemeral(), "You may not.") || len(i.Followups()) != 0 ||
			len(direct()) != 1 {
			t.Errorf("told %q, then %s, directly %s", i.Ephemeral(), r.pictures(i.Followups()),
				r.pictures(direct()))
		}
		// Messages of the group are told nowhere else.
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		press(shows)
		if all := direct(); len(all) != 2 || strings.Contains(all[1].Content, "free coins") ||
			!strings.Contains(all[1].Content, "ask for it there again") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		// Nor does a form open later.
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		press(intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormReject, Title: "Reject",
			Request: reqID, Digest: digest, Inputs: []intake.Input{{Name: "reason", Label: "Reason"}}}})
		if all := direct(); len(all) != 3 || !strings.Contains(all[2].Content, "did not open the form in time") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		// A press that took effect is told too, since Discord says that it failed.
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		press(intake.Answer{Kind: intake.Changed, Lines: []bot.Line{line("You approved.")}})
		if all := direct(); len(all) != 4 || !strings.Contains(all[3].Content, "You approved.") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		// An answer that takes a while: the first answer was late, or the token has ended.
		finds := func() {
			r.answer(no)
			r.Command(theo, trust, "recalls find", discordtest.Opt("group", "@TGS#2J4SZEAEL"),
				discordtest.Opt("from", "mallory"))
			time.Sleep(30 * time.Second)
		}
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		finds()
		if all := direct(); len(all) != 5 || !strings.Contains(all[4].Content, "You may not.") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		r.Fail("PATCH "+webhook+"/messages/@original", 1, discordtest.APIError(401, 50027))
		r.Fail("POST "+webhook, 1, discordtest.APIError(401, 50027))
		finds()
		if all := direct(); len(all) != 6 || !strings.Contains(all[5].Content, "You may not.") {
			t.Errorf("told directly: %s", r.pictures(all))
		}
		// Last, everybody reads where to look.
		r.AddMember(discordtest.Member{UserID: theo, Name: "theo", ClosedDMs: true})
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		press(no)
		thread := r.Messages(ref.ID)
		if len(thread) != 1 || strings.Contains(thread[0].Content, "You may not.") ||
			!strings.Contains(thread[0].Content, "<@"+theo+">") ||
			!strings.Contains(thread[0].Content, "/recalls show R-7K3M9Q") {
			t.Errorf("everybody reads: %s", r.pictures(thread))
		}
		before := len(r.Messages(trust))
		r.Fail(callback, 1, discordtest.APIError(404, 10062))
		finds()
		if all := r.Messages(trust); len(all) != before+1 || !strings.Contains(all[before].Content, "/recalls list") {
			t.Errorf("%d messages in the channel, want %d: %s", len(all), before+1, r.pictures(all))
		}
		r.clean(t)
		r.stop()
	})
}

// TestLateOverHTTP: Discord hangs up before the answer is there.
func TestLateOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overHTTP, func(r *rig, _ *Options) { r.AckWithin = time.Second })
		r.ready(t)
		r.bot.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			time.Sleep(1500 * time.Millisecond)
			return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{line("You may not.")}}, nil
		}})
		i := r.Command(mina, trust, "recalls help")
		time.Sleep(30 * time.Second)
		if all := r.DirectMessages(mina); len(all) != 1 || !strings.Contains(all[0].Content, "You may not.") {
			t.Errorf("failed: %v, told directly: %s", i.Failed(), r.pictures(all))
		}
		r.clean(t)
		r.stop()
	})
}

// TestNotTheBots: a command, a menu or a button that the bot does not have is answered privately,
// each in its own words.
func TestNotTheBots(t *testing.T) {
	for _, by := range []mode{overGateway, overHTTP} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, by, func(_ *rig, o *Options) {
					policy := bot.DefaultPolicy()
					policy.Crowds = map[bot.Platform]bot.Crowd{ID: {Channels: []string{trust}}}
					o.Bot, _ = adaptertest.Storing(t, policy)
				})
				r.ready(t)
				card, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "k")
				if err != nil {
					t.Fatal(err)
				}
				menu := `{"id":"1","name":"Recall","target_id":"7","type":`
				for data, want := range map[string]string{
					`{"id":"1","type":1,"name":"remind"}`:                                       "no command ‹/remind›",
					`{"id":"1","type":1,"name":"recalls","options":[]}`:                         "form of ‹/recalls›",
					`{"id":"1","type":1,"name":"recall","options":[{"type":9,"name":"group"}]}`: "form of ‹/recall›",
					menu + "2}": "no shortcuts",
					menu + "3}": "no shortcuts",
					`{"id":"1","type":1,"name":"recalls","options":[{"type":1,"name":"delete"}]}`: "delete",
				} {
					if i := r.wait(t, r.CommandForged(mina, trust, data)); !strings.Contains(i.Ephemeral(), want) {
						t.Errorf("%s is told %q, want %q", data, i.Ephemeral(), want)
					}
				}
				ref := discordtest.MessageRef{ChannelID: card.Channel, ID: card.Message}
				i := r.wait(t, r.PressForged(mina, ref, "v2:what"))
				if !strings.Contains(i.Ephemeral(), "not one that the bot made") {
					t.Errorf("a button is told %q", i.Ephemeral())
				}
				if got := r.adapter.Remark(); got != "" {
					t.Errorf("/readyz remarks %q", got)
				}
				for range 2 { // of another copy, whoever presses it and wherever
					i := r.wait(t, r.Press(mina, ref, "v1:reject:"+string(reqID)+":"+digest[:bot.DigestShort]))
					if !strings.Contains(i.Ephemeral(), "This copy of the bot does not know ‹"+string(reqID)+"›") {
						t.Errorf("a button of another copy is told %q", i.Ephemeral())
					}
				}
				if got := r.adapter.Remark(); !strings.Contains(got, "another copy of the bot runs") ||
					strings.Count(r.log.String(), "another copy of the bot runs") != 1 {
					t.Errorf("/readyz remarks %q; the log:\n%s", got, r.log)
				}
				r.clean(t)
				r.stop()
			})
		})
	}
}

// TestAnotherCopy: a copy of the bot with a memory of its own is connected by the same token. The
// operator of each is warned once, and people are answered.
func TestAnotherCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		slow, log := newBot(), &safeBuffer{}
		slow.Play(adaptertest.Script{Do: func(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
			time.Sleep(300 * time.Millisecond)
			return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{line("I do not know it.")}}, nil
		}})
		copied, err := New(Options{BotToken: r.BotToken, ApplicationID: r.ApplicationID, Guilds: []string{r.ID},
			HTTPClient: r.Client(), Dial: r.Dial, Bot: slow, Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			if err := copied.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		r.until(t, func() bool { return len(r.Sessions()) == 2 })
		time.Sleep(10 * time.Second)
		for range 2 {
			i := r.wait(t, r.Command(mina, trust, "recalls help"))
			time.Sleep(20 * time.Second)
			if all := i.Followups(); len(all) != 1 || !strings.Contains(all[0].Content, "I do not know it.") {
				t.Errorf("the slower copy told %s", r.pictures(all))
			}
		}
		if got := copied.Remark(); !strings.Contains(got, "another copy of the bot runs on the same tokens") {
			t.Errorf("/readyz remarks %q", got)
		}
		if n := strings.Count(log.String(), "another copy of the bot"); n != 1 {
			t.Errorf("warned %d times:\n%s", n, log)
		}
		if got := r.adapter.Remark(); got != "" {
			t.Errorf("the copy that answered first remarks %q", got)
		}
		cancel()
		<-ran
		r.clean(t)
		r.stop()
	})
}

// TestAnsweredTwice: an interaction that the same process is given twice is no sign of another
// copy.
func TestAnsweredTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overGateway)
		r.ready(t)
		for _, command := range []string{"recalls help", "recalls find"} {
			i := r.Command(mina, trust, command, map[string][]discordtest.Option{"recalls find": {
				discordtest.Opt("group", "@TGS#2J4SZEAEL"), discordtest.Opt("from", "mallory")}}[command]...)
			r.Redispatch(i)
			r.wait(t, i)
			r.Redispatch(i)
			time.Sleep(20 * time.Second)
			if got := r.adapter.Remark(); got != "" || len(r.DirectMessages(mina)) != 0 {
				t.Errorf("%s: remarks %q, told directly %s", command, got, r.pictures(r.DirectMessages(mina)))
			}
		}
		r.clean(t)
		r.stop()
	})
}

func (r *rig) pictures(all []discordtest.Message) string {
	var b strings.Builder
	for _, m := range all {
		b.WriteString(r.Picture(m))
	}
	return b.String()
}
