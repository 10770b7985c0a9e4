package discord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/bot"
	"recallbot/bot/golden"
	"recallbot/bot/intake"

	"github.com/google/go-cmp/cmp"
)

// bubble runs a test with a rig whose interactions come by HTTP, so that only the calls matter.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) { bubbleAfter(t, 0, f) }

// bubbleAfter is bubble at a later time: the rig, which looks every few seconds for what was left,
// is made when that has passed.
func bubbleAfter(t *testing.T, d time.Duration, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(d)
		r := newRig(t, overHTTP)
		r.ready(t)
		f(t, r)
		r.clean(t)
		r.stop()
	})
}

const (
	postRoute   = "POST /channels/{channel_id}/messages"
	editRoute   = "PATCH /channels/{channel_id}/messages/{message_id}"
	threadRoute = "POST /channels/{channel_id}/messages/{message_id}/threads"
)

func (r *rig) post(t *testing.T) bot.Ref {
	t.Helper()
	ref, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "R-7K3M9Q")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// edit redraws a card, otherwise than it was drawn before.
func (r *rig) edit(ctx context.Context, ref bot.Ref) error {
	r.edits++
	c := someCard(bot.Running)
	c.Head = append(c.Head, line(fmt.Sprint("Edit ", r.edits)))
	return r.adapter.Edit(ctx, ref, c)
}

func note(key string, texts ...string) bot.Note {
	n := bot.Note{Key: key}
	for _, s := range texts {
		n.Lines = append(n.Lines, line(s))
	}
	return n
}

// TestMentions: the first post and the reminder ring for the approvers, the end for the requester,
// and nothing else for anybody.
func TestMentions(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		c := someCard(bot.Proposed)
		c.Head = append(c.Head, foreign("<@&"+leads+"> <@"+mina+"> @everyone @here"))
		for _, state := range []bot.State{bot.Proposed, bot.Running, bot.Done} {
			c.State = state
			if err := r.adapter.Edit(t.Context(), ref, c); err != nil {
				t.Fatal(err)
			}
		}
		reminder := note("reminder", "still waits")
		reminder.Notify, reminder.Loud = []string{leads}, true
		at, err := r.adapter.Reply(t.Context(), ref, reminder)
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := r.Message(discordtest.MessageRef{ChannelID: at.Channel, ID: at.Message}); !ok ||
			m.ReplyTo != ref.Message || m.ChannelID != trust {
			t.Errorf("the reminder is no reply in the channel: %+v", m)
		}
		ended := note("receipt", "Receipt 1")
		ended.Lines = append(ended.Lines, foreign("<@"+theo+"> @everyone"))
		ended.Mention = &bot.Account{Platform: ID, Workspace: "discord", User: mina}
		if at, err = r.adapter.Reply(t.Context(), ref, ended); err != nil {
			t.Fatal(err)
		}
		if _, err = r.adapter.Reply(t.Context(), bot.Ref{Channel: ref.Channel, Message: ref.Message, Thread: at.Thread},
			note("more", "more")); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range r.Notified() {
			got = append(got, n.Kind+" "+n.Name)
		}
		if diff := cmp.Diff([]string{"role leads", "role leads", "user mina"}, got); diff != "" {
			t.Error(diff)
		}
		golden.Check(t, "testdata/cards/reminder.txt", r.Picture(r.Messages(trust)[1]))
		golden.Check(t, "testdata/cards/thread.txt", r.Picture(r.Thread(trust)[0]))
	})
}

// TestLostAnswer loses the answer to everything that is sent: nothing is there twice.
func TestLostAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.Fail("* /**", 1, discordtest.ReplyLost())
		ref := r.post(t)
		r.Fail("POST /**", 1, discordtest.ReplyLost())
		at, err := r.adapter.Reply(t.Context(), ref, note("a", "one"))
		if err != nil {
			t.Fatal(err)
		}
		r.Fail(postRoute, 1, discordtest.ReplyLost())
		if _, err = r.adapter.Reply(t.Context(), bot.Ref{Channel: ref.Channel, Message: ref.Message, Thread: at.Thread},
			note("b", "two")); err != nil {
			t.Fatal(err)
		}
		r.Fail(postRoute, 1, discordtest.Status(502))
		if _, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "another"); err != nil {
			t.Fatal(err)
		}
		if again, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "R-7K3M9Q"); err != nil ||
			again != ref {
			t.Errorf("the same key made %+v (%v), not %+v", again, err, ref)
		}
		if got := []int{len(r.Messages(trust)), len(r.Threads(trust)), len(r.Thread(trust))}; !cmp.Equal(got,
			[]int{2, 1, 2}) {
			t.Errorf("messages, threads, notes: %v", got)
		}
		if at.Thread != ref.Message {
			t.Errorf("thread %s on message %s", at.Thread, ref.Message)
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		fault discordtest.Fault
		want  error
	}{
		"channel gone": {discordtest.APIError(404, 10003), bot.ErrGone},
		"no access":    {discordtest.APIError(403, 50001), bot.ErrForbidden},
		"no right":     {discordtest.APIError(403, 50013), bot.ErrForbidden},
		"not allowed":  {discordtest.APIError(403, 0), bot.ErrForbidden},
		"no text here": {discordtest.APIError(400, 50008), bot.ErrForbidden},
		"locked":       {discordtest.APIError(400, 160005), bot.ErrForbidden},
		"moderated":    {discordtest.APIError(400, 200000), bot.ErrRefused},
		"not wanted":   {discordtest.APIError(403, 200000), bot.ErrRefused},
		"a link":       {discordtest.APIError(400, 240000), bot.ErrRefused},
		"its form":     {discordtest.APIError(400, 50035), bot.ErrRefused},
		"too large":    {discordtest.APIError(413, 40005), bot.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ref := r.post(t)
				r.Fail("* /**", -1, tt.fault)
				before := len(r.Log())
				only := func(what string, err error) {
					for _, kind := range []error{bot.ErrGone, bot.ErrForbidden, bot.ErrRefused} {
						if errors.Is(err, kind) != (kind == tt.want) {
							t.Errorf("%s: %v, want %v alone", what, err, tt.want)
						}
					}
				}
				only("edit", r.adapter.Edit(t.Context(), ref, someCard(bot.Done)))
				_, err := r.adapter.Post(t.Context(), place(), someCard(bot.Done), "x")
				only("post", err)
				if n := len(r.Log()) - before; n != 2 {
					t.Errorf("%d calls where no repeat can help", n)
				}
			})
		})
	}
}

// TestSameEdit: an edit that would change nothing is not sent, but for one every ten seconds, which
// finds out whether the card still stands.
func TestSameEdit(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		sends := func(c bot.Card) int {
			before := r.Count(editRoute)
			if err := r.adapter.Edit(t.Context(), ref, c); err != nil {
				t.Error(err)
			}
			return r.Count(editRoute) - before
		}
		sent := func(state bot.State) int { return sends(someCard(state)) }
		for _, test := range []struct {
			state bot.State
			want  int
		}{{bot.Proposed, 0}, {bot.Running, 1}, {bot.Running, 0}, {bot.Done, 1}, {bot.Running, 1}, {bot.Running, 0}} {
			if n := sent(test.state); n != test.want {
				t.Errorf("as %s: %d edits, want %d", test.state, n, test.want)
			}
		}
		for part, change := range map[string]func(c *bot.Card){
			"words":    func(c *bot.Card) { c.Head = nil },
			"messages": func(c *bot.Card) { c.Samples = c.Samples[:1] },
			"buttons":  func(c *bot.Card) { c.Buttons = c.Buttons[:1] },
		} {
			c := someCard(bot.Running)
			change(&c)
			if there, back := sends(c), sent(bot.Running); there != 1 || back != 1 {
				t.Errorf("other %s: %d and %d edits", part, there, back)
			}
		}
		time.Sleep(9 * time.Second)
		if n := sent(bot.Running); n != 0 {
			t.Errorf("within ten seconds %d edits", n)
		}
		time.Sleep(time.Second)
		if n := sent(bot.Running); n != 1 {
			t.Errorf("after ten seconds %d edits", n)
		}
		time.Sleep(10 * time.Second)
		r.Fail(editRoute, 1, discordtest.APIError(403, 50013))
		if err := r.adapter.Edit(t.Context(), ref, someCard(bot.Done)); err == nil || sent(bot.Done) != 1 {
			t.Error("an edit that failed counts as made")
		}
	})
}

// TestOldEdits: where Discord allows no more edits of an old message for now, it is asked again
// after minutes, whatever shorter wait it tells, and other messages of the channel may be edited
// meanwhile.
func TestOldEdits(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		edit := func(ref bot.Ref) error { return r.edit(t.Context(), ref) }
		ref := r.post(t)
		time.Sleep(2 * time.Hour)
		young, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "young")
		if err != nil {
			t.Fatal(err)
		}
		if err := edit(ref); err != nil {
			t.Fatal(err)
		}
		for _, told := range []bool{true, false} { // with a retry_after, and without
			if !told {
				r.Fail(editRoute, 1, discordtest.APIError(429, 30046))
			}
			before := r.Count(editRoute)
			err := edit(ref)
			if later, ok := errors.AsType[*bot.Later](err); !ok || later.After != oldEditPause {
				t.Errorf("one edit too many: %v", err)
			}
			if n := r.Count(editRoute) - before; n != 1 {
				t.Errorf("%d edits", n)
			}
			if err := edit(young); err != nil {
				t.Errorf("a young message: %v", err)
			}
		}
		time.Sleep(time.Hour)
		if err := edit(ref); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

// TestLimits429 meets every shape of a rate limit. Short ones are waited for, long ones handed
// back, and a global one holds back everything.
func TestLimits429(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		began := time.Now()
		r.Fail(editRoute, 1, discordtest.RateLimited(2*time.Second))
		if err := r.edit(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		for name, f := range map[string]discordtest.Fault{
			"route": discordtest.RateLimited(20 * time.Second), "shared": discordtest.SharedLimited(30 * time.Second),
			"global":     discordtest.GlobalLimited(40 * time.Second),
			"cloudflare": discordtest.CloudflareLimited(50 * time.Second),
		} {
			r.Fail(editRoute, 1, f)
			err := r.edit(t.Context(), ref)
			later, ok := errors.AsType[*bot.Later](err)
			if !ok || later.After < 20*time.Second {
				t.Errorf("%s: %v", name, err)
				continue
			}
			n := len(r.Log())
			if err = r.edit(t.Context(), ref); !errors.As(err, &later) ||
				len(r.Log()) != n {
				t.Errorf("%s: asked again at once: %v", name, err)
			}
			_, err = r.adapter.Post(t.Context(), bot.Place{Platform: ID, Channel: other},
				someCard(bot.Proposed), name)
			if everything := name == "global"; everything != errors.As(err, &later) {
				t.Errorf("%s: another channel: %v", name, err)
			}
			time.Sleep(later.After + 50*time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.Fail(editRoute, -1, discordtest.RateLimited(2*time.Second))
		if err := r.edit(ctx, ref); err == nil || ctx.Err() == nil {
			t.Errorf("did not honour its context: %v", err)
		}
		r.Heal()
	})
}

// TestRetryAfterBounded: whatever Discord asks for, it is asked again after a minute, and what is
// then not refused goes on.
func TestRetryAfterBounded(t *testing.T) {
	for name, test := range map[string]struct {
		fault discordtest.Fault
		after time.Duration
	}{
		"route":      {discordtest.RateLimited(24 * time.Hour), probeEvery},
		"shared":     {discordtest.SharedLimited(1e6 * time.Hour), probeEvery},
		"global":     {discordtest.GlobalLimited(24 * time.Hour), probeEvery},
		"cloudflare": {discordtest.CloudflareLimited(1e6 * time.Hour), probeEvery},
		"no time":    {discordtest.CloudflareLimited(0), 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ref := r.post(t)
				time.Sleep(7 * time.Second) // so that the commands are not looked at in the same instant
				for i := range 2 {
					r.Fail(editRoute, 1, test.fault)
					err := r.edit(t.Context(), ref)
					later, ok := errors.AsType[*bot.Later](err)
					if !ok || i == 0 && later.After != test.after || later.After > probeEvery {
						t.Fatalf("%v, want to wait %v", err, test.after)
					}
					time.Sleep(max(later.After, probeEvery))
				}
				if err := r.edit(t.Context(), ref); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestPages: a page of the network before Discord holds the route that it refuses, which is tried
// once a minute, and nothing else. Where a second one comes before Discord answers, all is held but
// answers to interactions.
func TestPages(t *testing.T) {
	for name, page := range map[string]discordtest.Fault{
		"429": discordtest.CloudflareLimited(time.Hour), "403": discordtest.Status(403),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ref := r.post(t)
				edit := func() error { return r.edit(t.Context(), ref) }
				post := func(key string) error {
					_, err := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), key)
					return err
				}
				held := func(what string, err error) {
					t.Helper()
					if _, later := errors.AsType[*bot.Later](err); !later || errors.Is(err, bot.ErrForbidden) {
						t.Errorf("%s: %v, want a wait", what, err)
					}
				}
				edits := func() int { return r.Count("PATCH /channels/" + trust + "/messages/{message_id}") }
				r.Fail("PATCH /channels/"+trust+"/**", -1, page)
				before := edits()
				for i := range 600 { // ten minutes
					held("an edit", edit())
					if i%10 == 0 {
						if err := post(fmt.Sprint("a", i)); err != nil {
							t.Fatalf("another route, after %d s: %v", i, err)
						}
					}
					time.Sleep(time.Second)
				}
				if n := edits() - before; n < 9 || n > 121 || name == "429" && n > 11 {
					t.Errorf("%d edits in ten minutes", n)
				}
				r.Heal()
				time.Sleep(time.Minute)
				if err := edit(); err != nil {
					t.Error(err)
				}

				r.Fail("* /channels/**", -1, page)
				held("an edit", edit())
				held("a post", post("b"))
				calls := len(r.Log())
				held("another channel", func() error {
					_, err := r.adapter.Post(t.Context(), bot.Place{Platform: ID, Channel: other},
						someCard(bot.Proposed), "c")
					return err
				}())
				if n := len(r.Log()) - calls; n != 0 {
					t.Errorf("%d calls while all is held", n)
				}
				if i := r.wait(t, r.Command(mina, trust, "recalls help")); i.Failed() {
					t.Error("an interaction is held")
				}
				r.Heal()
				time.Sleep(time.Minute)
				if err := errors.Join(edit(), post("d")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestInteractionsNotHeld: while every call waits, as Discord itself or the network before it
// asked, answers to interactions are sent at once: the first answer, the one that takes its place
// later, and what follows it.
func TestInteractionsNotHeld(t *testing.T) {
	for name, f := range map[string]discordtest.Fault{"global": discordtest.GlobalLimited(time.Hour),
		"pages": discordtest.CloudflareLimited(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, overGateway)
				defer r.stop()
				r.ready(t)
				ref := r.post(t)
				r.Fail("* /channels/**", -1, f)
				err := r.edit(t.Context(), ref)
				_, posted := r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "another")
				if err == nil || posted == nil {
					t.Fatal("the calls were made")
				}
				later, ok := errors.AsType[*bot.Later](r.adapter.rest.read(t.Context(), nil, "/users/@me"))
				if !ok || later.After < probeEvery-time.Second {
					t.Fatalf("not every call is held: %v", later)
				}
				began := time.Now()
				r.answer(intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{line("At once.")}})
				i := r.wait(t, r.Command(mina, trust, "recalls help"))
				if !strings.Contains(i.Ephemeral(), "At once.") {
					t.Errorf("told %q", i.Ephemeral())
				}
				r.answer(intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{Title: line("2 messages found"),
					Of: 1, Samples: someCard(bot.Done).Samples}})
				find := func() *discordtest.Interaction {
					return r.wait(t, r.Command(mina, trust, "recalls find", discordtest.Opt("group", "g"),
						discordtest.Opt("last", 2)))
				}
				if m := r.answered(t, find()); !strings.Contains(m.Content, "2 messages found") {
					t.Errorf("later %q", m.Content)
				}
				r.Fail("PATCH /webhooks/**", 1, discordtest.APIError(404, 10008)) // it is sent as a message of its own
				before := len(r.Ephemerals(mina))
				find()
				r.until(t, func() bool { return len(r.Ephemerals(mina)) > before })
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("they took %v", took)
				}
			})
		})
	}
}

// TestBudgets lets Discord count. What the headers say is obeyed: no call is refused.
func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, overHTTP, func(r *rig, _ *Options) { r.Limits = true })
		r.ready(t)
		ref := r.post(t)
		for i := range 40 {
			for {
				err := r.edit(t.Context(), ref)
				later, ok := errors.AsType[*bot.Later](err)
				if err == nil {
					break
				} else if !ok {
					t.Fatalf("edit %d: %v", i, err)
				}
				time.Sleep(later.After)
			}
		}
		for _, c := range r.Log() {
			if c.Limited {
				t.Errorf("refused: %v", c)
			}
		}
		r.stop()
	})
}

// TestTokenRefused: a token that Discord refuses is told at once by Ready and once in the log, with
// the mend, and forgotten once it works.
func TestTokenRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		// what the adapter asks at its start has its answers: one that came between would say that
		// the token works
		time.Sleep(time.Second)
		r.Fail(editRoute, 3, discordtest.APIError(401, 0))
		for range 3 {
			if err := r.edit(t.Context(), ref); err == nil {
				t.Fatal("an edit with a refused token was made")
			}
		}
		if err := r.adapter.Ready(); err == nil || errors.Is(err, ErrOutage) ||
			!strings.Contains(err.Error(), "set DISCORD_BOT_TOKEN") {
			t.Errorf("Ready: %v", err)
		}
		if log := r.log.String(); strings.Count(log, "set DISCORD_BOT_TOKEN") != 1 ||
			strings.Contains(log, r.BotToken) {
			t.Errorf("the log:\n%s", log)
		}
		if err := r.edit(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if err := r.adapter.Ready(); err != nil {
			t.Errorf("Ready, once it works: %v", err)
		}
	})
}

// TestServerFaults repeats what may be repeated, and gives up in time.
func TestServerFaults(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		r.Fail(editRoute, 2, discordtest.Status(503))
		if err := r.edit(t.Context(), ref); err != nil {
			t.Error(err)
		}
		r.Fail(editRoute, -1, discordtest.Hang())
		began := time.Now()
		if err := r.edit(t.Context(), ref); err == nil || time.Since(began) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestThreadRefused(t *testing.T) {
	for name, set := range map[string]func(r *rig, ref bot.Ref){
		"no right":       func(r *rig, _ bot.Ref) { r.Deny(trust, discordtest.CreatePublicThreads) },
		"not in threads": func(r *rig, _ bot.Ref) { r.Deny(trust, discordtest.SendMessagesInThreads) },
		"its name":       func(r *rig, _ bot.Ref) { r.Fail(threadRoute, -1, discordtest.APIError(400, 200001)) },
		"too many":       func(r *rig, _ bot.Ref) { r.Fail(threadRoute, -1, discordtest.APIError(400, 160006)) },
		"long wait": func(r *rig,
			_ bot.Ref) {
			r.Fail(threadRoute, -1, discordtest.SharedLimited(240*time.Second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				ref := r.post(t)
				set(r, ref)
				at, err := r.adapter.Reply(t.Context(), ref, note("n", "100: recalled"))
				if err != nil {
					t.Fatal(err)
				}
				m, _ := r.Message(discordtest.MessageRef{ChannelID: at.Channel, ID: at.Message})
				if m.ChannelID != trust || m.ReplyTo != ref.Message ||
					!strings.Contains(m.Content, "refused a thread") || !strings.Contains(m.Content, "100: recalled") {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

// TestShortWaitForThread hands a short wait to the caller instead of doing without a thread.
func TestShortWaitForThread(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		r.Fail(threadRoute, 1, discordtest.SharedLimited(30*time.Second))
		_, err := r.adapter.Reply(t.Context(), ref, note("n", "x"))
		if later, ok := errors.AsType[*bot.Later](err); !ok || later.After != 30*time.Second {
			t.Errorf("%v", err)
		}
	})
}

// TestBarred: where a card cannot be posted, the error has the words for its requester, who can be
// told alone all the same, and nobody else is told anything.
func TestBarred(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(r *rig) string // returns the thread
		says string
	}{
		"a private thread without the bot": {func(r *rig) string { return r.AddPrivateThread(trust, "leads") },
			"mention the bot there"},
		"a hidden channel": {func(r *rig) string { r.Deny(trust, discordtest.ViewChannel); return "" },
			"let it View Channel"},
		"kicked":       {func(r *rig) string { r.Kick(); return "" }, "let it View Channel"},
		"not to write": {func(r *rig) string { r.Deny(trust, discordtest.SendMessages); return "" }, "Send Messages"},
		"no embeds":    {func(r *rig) string { r.Deny(trust, discordtest.EmbedLinks); return "" }, "Embed Links"},
		"a forum": {func(r *rig) string {
			r.Fail(postRoute, 1, discordtest.APIError(400, 50008))
			return ""
		}, "Use a text channel"},
		"a voice channel": {func(r *rig) string {
			r.Fail(postRoute, 1, discordtest.APIError(400, 50024))
			return ""
		}, "Use a text channel"},
		"asleep": {func(r *rig) string {
			r.Fail(postRoute, 1, discordtest.APIError(400, 50083))
			return ""
		}, "open it"},
		"closed": {func(r *rig) string {
			id := r.AddPrivateThread(trust, "closed")
			r.Admit(id)
			r.Lock(id)
			return id
		}, "open it"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				at := place()
				at.Thread = test.set(r)
				_, err := r.adapter.Post(t.Context(), at, someCard(bot.Proposed), "x")
				barred, ok := errors.AsType[*bot.Barred](err)
				if !ok || !strings.Contains(barred.Why.String(), test.says) || !errors.Is(err, bot.ErrForbidden) {
					t.Fatalf("%v", err)
				}
				err = r.adapter.Whisper(t.Context(), bot.Whisper{To: bot.Account{Platform: ID, User: mina}, At: at,
					Key: "why", Lines: []bot.Line{barred.Why}, Aloud: line("look")})
				if err != nil {
					t.Fatal(err)
				}
				if told := r.DirectMessages(mina); len(told) != 1 || !strings.Contains(told[0].Content, test.says) {
					t.Errorf("the requester was told %+v", told)
				}
				if n := len(r.Messages(trust)) + len(r.Thread(trust)); n != 0 {
					t.Errorf("everybody sees %d messages", n)
				}
			})
		})
	}
}

// TestToldAloud: who takes no direct messages is told in the channel where to look, and no more.
func TestToldAloud(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.AddMember(discordtest.Member{UserID: mina, Name: "mina", ClosedDMs: true})
		w := bot.Whisper{To: bot.Account{Platform: ID, User: mina}, At: place(), Key: "why",
			Lines: []bot.Line{line("a secret")}, Aloud: line("R-7K3M9Q: /recalls show R-7K3M9Q")}
		for range 2 { // a repeat stands once
			if err := r.adapter.Whisper(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		all := r.Messages(trust)
		if len(all) != 1 || all[0].Content != "<@"+mina+"> R-7K3M9Q: /recalls show R-7K3M9Q" {
			t.Errorf("everybody sees %+v", all)
		}
		ref := r.post(t)
		w.Card, w.Key = ref, "again"
		if err := r.adapter.Whisper(t.Context(), w); err != nil || len(r.Messages(trust)) != 2 ||
			len(r.Thread(trust)) != 1 {
			t.Errorf("%v; the thread has %+v", err, r.Thread(trust))
		}
	})
}

// TestSpentNonce: a message whose nonce made one that was deleted is posted under another, and
// stands once, however often it is tried.
func TestSpentNonce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for deleted := range 4 {
			var ref bot.Ref
			for range 3 {
				at := r.post(t)
				if ref != (bot.Ref{}) && at != ref {
					t.Errorf("the same card is %+v and %+v", ref, at)
				}
				ref = at
			}
			if n := len(r.Messages(trust)); n != 1 {
				t.Errorf("after %d were deleted %d cards stand", deleted, n)
			}
			r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
		}
		for range 20 {
			ref := r.post(t)
			r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
			time.Sleep(time.Minute)
		}
		// Where all are spent it is tried again later: the channel is not gone.
		post := func() (bot.Ref, error) {
			return r.adapter.Post(t.Context(), place(), someCard(bot.Proposed), "often")
		}
		for n := range nonces {
			ref, err := post()
			if err != nil {
				t.Fatalf("after %d were deleted: %v", n, err)
			}
			r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
		}
		_, err := post()
		if later, ok := errors.AsType[*bot.Later](err); !ok || later.After != time.Minute ||
			errors.Is(err, bot.ErrGone) || errors.Is(err, bot.ErrForbidden) {
			t.Errorf("with every nonce spent: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if _, err := post(); err != nil {
			t.Errorf("when they are forgotten: %v", err)
		}
	})
}

// TestReplyToDeleted: what answers the card in its channel does not land there when the card is
// gone: the teller is told.
func TestReplyToDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		r.Deny(trust, discordtest.CreatePublicThreads)
		reminder := note("reminder", "still waits")
		reminder.Loud = true
		notes := []bot.Note{reminder, note("receipt", "Receipt 1")}
		if _, err := r.adapter.Reply(t.Context(), ref, note("before", "it stands")); err != nil {
			t.Fatal(err)
		}
		r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
		for _, n := range notes {
			if _, err := r.adapter.Reply(t.Context(), ref, n); !errors.Is(err, bot.ErrGone) ||
				errors.Is(err, bot.ErrRefused) {
				t.Errorf("%s: %v", n.Key, err)
			}
		}
		if n := len(r.Messages(trust)); n != 1 {
			t.Errorf("%d messages stand in the channel", n)
		}
	})
}

// TestReplyWithoutHistory: a bot that may not read the history cannot reply to the card. What it
// has to say stands in the channel then, but only while the card is known to stand.
func TestReplyWithoutHistory(t *testing.T) {
	for _, old := range []bool{false, true} {
		bubble(t, func(t *testing.T, r *rig) {
			ref := r.post(t)
			r.Deny(trust, discordtest.ReadMessageHistory|discordtest.CreatePublicThreads)
			if old { // Discord takes no more edits of it for now
				r.OldEdits = 0
				time.Sleep(2 * time.Hour)
			}
			calls := func(key string) []bot.Note {
				loud := note(key+" reminder", "still waits")
				loud.Loud, loud.Notify = true, []string{leads}
				return []bot.Note{loud, note(key+" receipt", "Receipt 1")}
			}
			for _, n := range calls("stands") {
				if _, err := r.adapter.Reply(t.Context(), ref, n); err != nil {
					t.Errorf("%s: %v", n.Key, err)
				}
			}
			standing, rung := r.Messages(trust), len(r.Notified())
			if len(standing) != 3 || standing[1].ReplyTo != "" {
				t.Errorf("%+v", standing)
			}
			for _, n := range calls("unknown") {
				r.Fail(editRoute, -1, discordtest.Status(503))
				if _, err := r.adapter.Reply(t.Context(), ref, n); err == nil {
					t.Errorf("%s: it is called good", n.Key)
				}
				r.Heal()
			}
			r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
			for _, n := range calls("gone") {
				if _, err := r.adapter.Reply(t.Context(), ref, n); !errors.Is(err, bot.ErrGone) {
					t.Errorf("%s: %v", n.Key, err)
				}
			}
			if n, rings := len(r.Messages(trust)), len(r.Notified()); n != 2 || rings != rung {
				t.Errorf("%d messages stand in the channel, %d calls more", n, rings-rung)
			}
		})
	}
}

func TestThreadTroubles(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		at, err := r.adapter.Reply(t.Context(), ref, note("1", "one"))
		if err != nil {
			t.Fatal(err)
		}
		ref.Thread = at.Thread
		r.Archive(at.Thread)
		if again, err := r.adapter.Reply(t.Context(), ref, note("2", "two")); err != nil || again.Channel != at.Thread {
			t.Errorf("archived: %+v, %v", again, err)
		}
		r.Lock(at.Thread)
		if again, err := r.adapter.Reply(t.Context(), ref, note("3", "three")); err != nil || again.Channel != trust {
			t.Errorf("locked: %+v, %v", again, err)
		}
		r.DeleteChannel(at.Thread)
		again, err := r.adapter.Reply(t.Context(), ref, note("4", "four"))
		if err != nil || len(r.Thread(again.Thread)) != 1 {
			t.Errorf("deleted: %+v, %v", again, err)
		}
		r.Delete(discordtest.MessageRef{ChannelID: ref.Channel, ID: ref.Message})
		r.DeleteChannel(again.Thread)
		if _, err = r.adapter.Reply(t.Context(), ref, note("5", "five")); !errors.Is(err, bot.ErrGone) {
			t.Errorf("card gone: %v", err)
		}
	})
}

// TestCardInArchivedThread edits a card whose thread has gone to sleep.
func TestCardInArchivedThread(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		at, err := r.adapter.Reply(t.Context(), r.post(t), note("1", "one"))
		if err != nil {
			t.Fatal(err)
		}
		ref, err := r.adapter.Post(t.Context(), bot.Place{Platform: ID, Channel: trust, Thread: at.Thread},
			someCard(bot.Proposed), "in")
		if err != nil {
			t.Fatal(err)
		}
		r.Archive(at.Thread)
		if err := r.edit(t.Context(), ref); err != nil {
			t.Error(err)
		}
		r.Lock(at.Thread)
		if err := r.edit(t.Context(), ref); !errors.Is(err, bot.ErrForbidden) {
			t.Errorf("locked: %v", err)
		}
	})
}

func TestFile(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		n := note("receipt", "Receipt 1")
		n.File = &bot.File{Name: "R-7K3M9Q.csv", Type: "text/csv", Title: "R-7K3M9Q: outcomes",
			Body: []byte("seq,outcome\n100,recalled\n")}
		at, err := r.adapter.Reply(t.Context(), ref, n)
		if err != nil {
			t.Fatal(err)
		}
		files := r.Files(at.Thread)
		if len(files) != 1 || files[0].Name != "R-7K3M9Q.csv" || string(files[0].Data) != string(n.File.Body) ||
			files[0].Description != n.File.Title {
			t.Errorf("%+v", files)
		}
		r.Deny(trust, discordtest.AttachFiles)
		ref.Thread = at.Thread
		n.Key = "again"
		if at, err = r.adapter.Reply(t.Context(), ref, n); err != nil {
			t.Fatal(err)
		}
		if m, _ := r.Message(discordtest.MessageRef{ChannelID: at.Channel,
			ID: at.Message}); !strings.Contains(m.Content, "could not be attached") {
			t.Errorf("%+v", m)
		}
	})
}

// TestLongNote needs several messages: all lines arrive, in order, once.
func TestLongNote(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		var n bot.Note
		n.Key = "outcomes"
		for i := range 50 {
			n.Lines = append(n.Lines, bot.Line{{Kind: bot.Words, Text: fmt.Sprintf("%d: ", i)},
				bot.Quote(strings.Repeat("理由", 40))})
		}
		r.Fail(postRoute, 1, discordtest.ReplyLost())
		for range 2 { // the teller tries again after a crash
			r.adapter.posted = bot.Posted{}
			if _, err := r.adapter.Reply(t.Context(), ref, n); err != nil {
				t.Fatal(err)
			}
		}
		var all strings.Builder
		for _, m := range r.Thread(trust) {
			all.WriteString(m.Content + "\n")
		}
		if got := strings.Count(all.String(), "\n"); got != 50 {
			t.Errorf("%d lines", got)
		}
		if !strings.HasPrefix(all.String(), "0: ") || strings.Contains(all.String(), "more)") {
			t.Error("out of order or cut")
		}
	})
}

// TestLongNoteAgain: what stands of a note is not posted again, however often and however long
// after it is tried. In a thread that was deleted nothing stands.
func TestLongNoteAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ref := r.post(t)
		var texts []string
		for i := range 60 {
			texts = append(texts, fmt.Sprintf("%d: %s", i, strings.Repeat("x ", 60)))
		}
		n := note("outcomes", texts...)
		parts := len(drawNote(n, nil))
		if parts < 4 {
			t.Fatalf("%d messages, too few to tell", parts)
		}
		fails := func(standing int) {
			t.Helper()
			r.Fail(postRoute, 2, discordtest.Slow(time.Millisecond))
			r.Fail(postRoute, -1, discordtest.APIError(400, 200000))
			for range 5 {
				if _, err := r.adapter.Reply(t.Context(), ref, n); !errors.Is(err, bot.ErrRefused) {
					t.Errorf("the third message was refused: %v", err)
				}
				if got := len(r.Thread(trust)); got != standing {
					t.Fatalf("%d messages stand, want %d", got, standing)
				}
				r.Heal()
				r.Fail(postRoute, -1, discordtest.APIError(400, 200000))
				time.Sleep(20 * time.Minute)
			}
			r.Heal()
		}
		fails(2)
		for range 2 { // the second where it could not be stored that all stand
			at, err := r.adapter.Reply(t.Context(), ref, n)
			if err != nil {
				t.Fatal(err)
			}
			if notes := r.Thread(trust); len(notes) != parts || at.Message != notes[0].ID {
				t.Errorf("%d messages stand, want %d; it is %+v", len(notes), parts, at)
			}
			ref.Thread = at.Thread
			time.Sleep(time.Hour)
		}

		n.Key = "receipt"
		fails(parts + 2)
		r.DeleteChannel(ref.Thread)
		if _, err := r.adapter.Reply(t.Context(), ref, n); err != nil {
			t.Fatal(err)
		}
		if got := len(r.Thread(trust)); got != parts {
			t.Errorf("%d messages stand in the new thread, want %d", got, parts)
		}
	})
	// The thread was made, and deleted, before it was stored which it is.
	bubble(t, func(t *testing.T, r *rig) {
		ref, n := r.post(t), note("receipt", "one line")
		for range 2 {
			at, err := r.adapter.Reply(t.Context(), ref, n)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(r.Thread(trust)); got != 1 {
				t.Errorf("%d messages stand, want one", got)
			}
			r.DeleteChannel(at.Thread)
		}
	})
}

// TestFewestMessages: a note takes as few messages as its lines fit into, to the last character
// that Discord takes.
func TestFewestMessages(t *testing.T) {
	who := &bot.Account{Platform: ID, User: mina}
	for _, n := range []bot.Note{{}, {Mention: who}, {Notify: []string{"900000000000000009"}},
		{File: &bot.File{Name: "x.csv", Body: []byte("x")}}} {
		for _, words := range []string{"recalled", "recalled (answer lost, verified by history)",
			"refused (20012: something_of_the_service)"} {
			n.Lines = nil
			total := 0
			for i := range 50 {
				l := bot.Line{bot.Code(fmt.Sprint(4294967000 + i)), {Kind: bot.Words, Text: ": "}, bot.Quote(words)}
				n.Lines = append(n.Lines, l)
				total += size(markup(l)) + 1
			}
			messages := drawNote(n, nil)
			// What stands beside the lines is no more than 100 characters, and a message is left
			// unfilled by less than a line.
			if least := (total+100)/(maxContent-160) + 1; len(messages) > least {
				t.Errorf("%q: %d messages for %d characters", words, len(messages), total)
			}
			var all []string
			for i, m := range messages {
				if size(m.Content) > maxContent || m.file != nil &&
					size(m.Content+"\n"+markup(bot.Say("file.permission"))) > maxContent {
					t.Errorf("%q: message %d has %d characters", words, i, size(m.Content))
				}
				all = append(all, strings.Split(m.Content, "\n")...)
			}
			if lines := 50 + min(len(n.Notify), 1); len(all) != lines {
				t.Errorf("%q: %d lines, want %d", words, len(all), lines)
			}
		}
	}
}

// TestOldProgress shows the progress of a request whose card is more than an hour old in a message
// of its own.
func TestOldProgress(t *testing.T) {
	const years = 27 * 365 * 24 * time.Hour // ids tell their time only from 2015 on
	bubbleAfter(t, years, func(t *testing.T, r *rig) {
		ref := r.post(t)
		time.Sleep(2 * time.Hour)
		c := someCard(bot.Running)
		for i := range 20 {
			c.Version, c.Title = i, line(fmt.Sprintf("%d of 20", i))
			if err := r.adapter.Edit(t.Context(), ref, c); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			c.Shown = c.State
			time.Sleep(10 * time.Minute)
		}
		if n := r.Count(editRoute); n > 20 {
			t.Errorf("%d edits", n)
		}
		notes := r.Thread(trust)
		if len(notes) < 3 || len(notes) > 4 || !strings.HasSuffix(notes[len(notes)-1].Content, "19 of 20") {
			t.Errorf("%d notes, last %+v", len(notes), notes)
		}
	})
}
