package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// post puts a card up in the channel, as the teller does.
func (x *world) post(c bot.Card) (bot.Ref, slacktest.MessageRef) {
	x.t.Helper()
	ref, err := x.a.Post(x.t.Context(), bot.Place{Platform: ID, Channel: "C0TRUST"}, c, "key")
	if err != nil {
		x.t.Fatalf("Post: %v", err)
	}
	return ref, slacktest.MessageRef{Channel: ref.Channel, TS: ref.Message}
}

func (x *world) picture(ref slacktest.MessageRef) string {
	x.t.Helper()
	x.settle()
	m, ok := x.w.Message(ref)
	if !ok {
		x.t.Fatal("the message is gone")
	}
	return x.w.Picture(m)
}

// front returns the window that user sees.
func (x *world) front(user string) slacktest.View {
	x.t.Helper()
	x.settle()
	views := x.w.Views(user)
	if len(views) == 0 {
		x.t.Fatalf("%s sees no window", user)
	}
	return views[len(views)-1]
}

func (x *world) onlyDid() adaptertest.Did {
	x.t.Helper()
	x.settle()
	all := x.bot.Did()
	if len(all) != 1 {
		x.t.Fatalf("the bot was asked %d times, want once", len(all))
	}
	return all[0]
}

func TestApprove(t *testing.T) {
	inBoth(t, func(x *world) {
		ref, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.Changed}
			}
		})
		before := x.picture(at)
		x.acked(x.w.Press("U0THEO", at, "approve"))
		d := x.onlyDid()
		if d.Event.Act.Kind != intake.ActApprove || d.Event.Act.Request != "R-7K3M9Q" ||
			d.Event.Act.Digest != digest[:bot.DigestShort] || d.Event.Act.Card != ref {
			x.t.Errorf("act: %+v", d.Event.Act)
		}
		if got := x.picture(at); got != before {
			x.t.Errorf("the adapter has changed the card:\n%s", got)
		}
		c := card(bot.Approved)
		c.Title, c.Buttons = say("{}: approved by {}", bot.Code("R-7K3M9Q"), bot.Quote("Theo")), nil
		if err := x.a.Edit(x.t.Context(), ref, c); err != nil {
			x.t.Errorf("Edit: %v", err)
		}
		if got := x.picture(at); strings.Contains(got, "[Approve]") || !strings.Contains(got, "approved by") {
			x.t.Errorf("the card still shows:\n%s", got)
		}
		x.quiet()
	})
}

// TestDecisionIsAskedAfresh: what was known of an account a moment ago does not count for a
// decision.
func TestDecisionIsAskedAfresh(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.acked(x.w.Press("U0THEO", at, "show_all"))
		x.acked(x.w.Press("U0THEO", at, "show_all"))
		asked := x.w.Calls("users.info")
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Members: []string{"U0LENA"}})
		x.w.AddUser(slacktest.User{ID: "U0THEO", Deleted: true})
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if n := x.w.Calls("users.info"); n != asked+1 {
			x.t.Errorf("users.info was called %d times, want once for the decision", n-asked)
		}
		all := x.bot.Did()
		m := all[len(all)-1].Member
		if m.Trouble != bot.TroubleDeactivated || slices.Contains(m.Groups, "S0LEADS") {
			x.t.Errorf("member at the decision: %+v", m)
		}
		if m := all[1].Member; m.Trouble != "" || strings.Join(m.Groups, " ") != "S0MODS S0LEADS" {
			x.t.Errorf("member at the second reading: %+v", m)
		}
		// A minute later nothing that was cached counts for reading either.
		time.Sleep(time.Minute)
		x.acked(x.w.Press("U0THEO", at, "show_all"))
		all = x.bot.Did()
		if m := all[len(all)-1].Member; m.Trouble != bot.TroubleDeactivated {
			x.t.Errorf("member a minute later: %+v", m)
		}
	})
}

// TestApproversThen: for a decision the groups are asked about that counted when it was asked for,
// afresh like those of now, so that a changed policy takes the decision from nobody who may decide
// by both.
func TestApproversThen(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.w.AddGroup(slacktest.UserGroup{ID: "S0FORMER", Members: []string{"U0THEO"}})
		x.bot.Set(func(b *adaptertest.Script) { b.Then = []string{"S0FORMER", "S0LEADS"} })
		last := func() []string {
			all := x.bot.Did()
			return slices.Sorted(slices.Values(all[len(all)-1].Member.Groups))
		}
		for _, button := range []string{"approve", "reject"} {
			x.acked(x.w.Press("U0THEO", at, button))
			if got := last(); !slices.Equal(got, []string{"S0FORMER", "S0LEADS", "S0MODS"}) {
				x.t.Errorf("%s by a member of %v", button, got)
			}
		}
		x.w.AddGroup(slacktest.UserGroup{ID: "S0FORMER", Members: []string{"U0LENA"}})
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if got := last(); !slices.Equal(got, []string{"S0LEADS", "S0MODS"}) {
			x.t.Errorf("after leaving the group, approved by a member of %v", got)
		}
		x.bot.Set(func(b *adaptertest.Script) { b.ThenFails = errors.New("the disk is gone") })
		n, gaveUp := len(x.bot.Did()), len(x.bot.GaveUp())
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if len(x.bot.Did()) != n || len(x.bot.GaveUp()) != gaveUp+1 {
			x.t.Error("it was decided although nobody knows which groups counted")
		}
		x.quiet()
	})
}

func TestReject(t *testing.T) {
	inBoth(t, func(x *world) {
		ref, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				if e.Act.Kind == intake.ActAskReject {
					return intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{
						Kind: intake.FormReject, Title: "Reject R-7K3M9Q, whatever that is called", Submit: "Reject",
						Request: e.Act.Request, Digest: e.Act.Digest,
						Inputs: []intake.Input{{Name: "reason", Label: "Reason (optional)", Long: true, Max: 500}},
					}}
				}
				return intake.Answer{Kind: intake.Changed}
			}
		})
		x.acked(x.w.Press("U0LENA", at, "reject"))
		v := x.front("U0LENA")
		x.acked(x.w.Submit("U0LENA", v.ID, map[string]string{"reason": "wrong group"}))
		all := x.bot.Did()
		last := all[len(all)-1].Event
		if last.Act.Kind != intake.ActReject || last.Act.Reason != "wrong group" || last.Act.Request != "R-7K3M9Q" ||
			last.Act.Card != ref || last.Place.Channel != "C0TRUST" {
			x.t.Errorf("event: %+v", last)
		}
		if n := len(x.w.Views("U0LENA")); n != 0 {
			x.t.Errorf("%d windows are still open", n)
		}
		x.quiet()
	})
}

// TestRejectRefused: a refusal of a form is shown in it.
func TestRejectRefused(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				if e.Act.Kind == intake.ActAskReject {
					return intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormReject,
						Title: "Reject", Submit: "Reject", Inputs: []intake.Input{{Name: "reason", Label: "Reason"}}}}
				}
				return intake.Answer{Kind: intake.Whisper, Refused: "not_approver", Input: "reason",
					Lines: []bot.Line{say("You are not among those who may approve or reject.")}}
			}
		})
		x.acked(x.w.Press("U0NOBODY", at, "reject"))
		v := x.front("U0NOBODY")
		x.acked(x.w.Submit("U0NOBODY", v.ID, nil))
		if got := x.front("U0NOBODY").Errors["reason"]; !strings.Contains(got, "not among those who may approve") {
			x.t.Errorf("errors: %q", got)
		}
	})
}

// TestForm: the form of /recall shows a mistake in place, and the same window sent again is another
// event.
func TestForm(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				switch {
				case e.Act.Kind == intake.ActCommand:
					return intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormAsk,
						Title: "Recall messages", Submit: "Ask", Inputs: []intake.Input{
							{Name: "group", Label: "Group id", Required: true, Max: 60},
							{Name: "what", Label: "Message numbers, or a filter", Placeholder: "100 101",
								Required: true, Max: 1000},
							{Name: "topic", Label: "Topic"}, {Name: "reason", Label: "Reason", Long: true},
						}}}
				case e.Act.Options["what"] == "100-x":
					return intake.Answer{Kind: intake.Whisper, Refused: "mistake", Input: "what",
						Lines: []bot.Line{{{Kind: bot.Words, Text: "100-x is no range"}}}}
				}
				return intake.Answer{Kind: intake.Accepted}
			}
		})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "  "))
		v := x.front("U0MINA")
		x.acked(x.w.Submit("U0MINA", v.ID, map[string]string{"group": "@TGS#1", "what": "100-x"}))
		if got := x.front("U0MINA").Errors["what"]; got != "100-x is no range" {
			x.t.Errorf("errors: %q", x.front("U0MINA").Errors)
		}
		x.acked(x.w.Submit("U0MINA", v.ID, map[string]string{"group": "@TGS#1", "what": "100-101", "reason": "spam"}))
		if n := len(x.w.Views("U0MINA")); n != 0 {
			x.t.Errorf("%d windows are still open", n)
		}
		all := x.bot.Did()
		if len(all) != 3 {
			x.t.Fatalf("the bot was asked %d times, want 3", len(all))
		}
		e := all[2].Event
		if e.Act.Kind != intake.ActForm || e.Act.Options["what"] != "100-101" || e.Act.Options["reason"] != "spam" ||
			e.Act.Options["group"] != "@TGS#1" || e.Place.Channel != "C0TRUST" {
			x.t.Errorf("event: %+v", e)
		}
		x.quiet()
	})
}

// TestSlowForm: a form whose answer takes long is acknowledged in time, and the answer comes into
// its window.
func TestSlowForm(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				if e.Act.Kind == intake.ActAskReject {
					return intake.Answer{Kind: intake.ShowForm, Form: &intake.Form{Kind: intake.FormReject,
						Title: "Reject", Submit: "Reject", Inputs: []intake.Input{{Name: "reason", Label: "Reason"}}}}
				}
				return intake.Answer{Kind: intake.Whisper, Refused: "not_approver", Input: "reason",
					Lines: []bot.Line{say("You are not among those who may approve or reject.")}}
			}
		})
		x.acked(x.w.Press("U0LENA", at, "reject"))
		v := x.front("U0LENA")
		x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = 5 * time.Second })
		d := x.w.Submit("U0LENA", v.ID, nil)
		time.Sleep(2900 * time.Millisecond)
		x.acked(d)
		if got := x.w.Picture(x.front("U0LENA")); !strings.Contains(got, "Checking…") {
			x.t.Errorf("the window shows:\n%s", got)
		}
		time.Sleep(5 * time.Second)
		if got := x.w.Picture(x.front("U0LENA")); !strings.Contains(got, "not among those who may approve") {
			x.t.Errorf("the window shows:\n%s", got)
		}
		x.quiet()
	})
}

func page(n int) *intake.Page {
	p := &intake.Page{Title: say("{}: the messages", bot.Code("R-7K3M9Q")), Request: "R-7K3M9Q", Digest: digest,
		Number: n, Of: 3}
	for i := range 10 {
		p.Samples = append(p.Samples, bot.Sample{Seq: uint32(10*n + i), Sender: "casino_77", Sent: noon,
			Text: bot.Line{bot.Quote(hostile)}})
	}
	return p
}

func TestShowAll(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.ShowPage, Page: page(e.Act.Page)}
			}
		})
		x.acked(x.w.Press("U0THEO", at, "show_all"))
		v := x.front("U0THEO")
		if got := x.w.Picture(v); !strings.Contains(got, "`9`") || !strings.Contains(got, "[Next]") ||
			strings.Contains(got, "[Previous]") {
			x.t.Errorf("page 1:\n%s", got)
		}
		x.acked(x.w.PressInView("U0THEO", v.ID, "page_next"))
		if got := x.w.Picture(x.front("U0THEO")); !strings.Contains(got, "`19`") ||
			!strings.Contains(got, "[Previous] [Next]") {
			x.t.Errorf("page 2:\n%s", got)
		}
		x.acked(x.w.PressInView("U0THEO", v.ID, "page_next"))
		if got := x.w.Picture(x.front("U0THEO")); !strings.Contains(got, "`29`") || strings.Contains(got, "[Next]") {
			x.t.Errorf("page 3:\n%s", got)
		}
		all := x.bot.Did()
		if e := all[2].Event; e.Act.Kind != intake.ActShowAll || e.Act.Page != 2 || e.Act.Request != "R-7K3M9Q" ||
			e.Place.Channel != "C0TRUST" {
			x.t.Errorf("event: %+v", e)
		}
		if len(x.w.Ephemerals("U0THEO")) != 0 || len(x.w.Notified()) != 1 {
			x.t.Error("the page was shown elsewhere too, or notified somebody")
		}
		x.quiet()
	})
}

// TestSlowWindow: what opens a window is good for three seconds, so one is opened before the answer
// is there.
func TestSlowWindow(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) {
			b.DoTakes = 20 * time.Second
			b.Answer = func(intake.Event, bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.ShowPage, Page: page(0)}
			}
		})
		d := x.w.Press("U0THEO", at, "show_all")
		time.Sleep(2 * time.Second)
		x.acked(d)
		if got := x.w.Picture(x.front("U0THEO")); !strings.Contains(got, "Checking…") {
			x.t.Errorf("the window shows:\n%s", got)
		}
		time.Sleep(20 * time.Second)
		if got := x.w.Picture(x.front("U0THEO")); !strings.Contains(got, "`9`") {
			x.t.Errorf("the window shows:\n%s", got)
		}
		x.quiet()
	})
}

// TestFind: a command that takes long shows its page as a message, for no window can be opened any
// more; its button asks for a recall.
func TestFind(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.DoTakes = 4 * time.Second
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				if e.Act.Kind == intake.ActRecallFind {
					return intake.Answer{Kind: intake.Accepted}
				}
				p := page(0)
				p.Request, p.Of, p.Search, p.Recall = "", 1, "slack-0123", "Recall these 9"
				return intake.Answer{Kind: intake.ShowPage, Page: p}
			}
		})
		d := x.w.Command("U0MINA", "C0TRUST", "/recalls", "find @TGS#1 last:9")
		time.Sleep(6 * time.Second)
		x.acked(d)
		got := x.told("U0MINA")
		if !strings.Contains(got, "`9`") || !strings.Contains(got, "[Recall these 9]") {
			x.t.Errorf("told:\n%s", got)
		}
		all := x.w.Ephemerals("U0MINA")
		x.acked(x.w.Press("U0MINA", all[len(all)-1].Ref(), actionPage+"recall"))
		time.Sleep(6 * time.Second)
		did := x.bot.Did()
		if e := did[len(did)-1].Event; e.Act.Kind != intake.ActRecallFind || e.Act.Search != "slack-0123" ||
			e.Act.Card.Message != "" {
			x.t.Errorf("event: %+v", e)
		}
		x.quiet()
	})
}

// TestFound: in the window that a search opened its pages are turned, and its button asks for a
// recall of it.
func TestFound(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				if e.Act.Kind == intake.ActRecallFind {
					return intake.Answer{Kind: intake.Accepted}
				}
				p := page(e.Act.Page)
				p.Request, p.Digest, p.Search, p.Recall = "", "", "slack-0123", "Recall all 57"
				return intake.Answer{Kind: intake.ShowPage, Page: p}
			}
		})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recalls", "find @TGS#1 last:57"))
		v := x.front("U0MINA")
		x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = 2 * time.Second })
		x.acked(x.w.PressInView("U0MINA", v.ID, actionPage+"next"))
		time.Sleep(4 * time.Second)
		did := x.bot.Did()
		if e := did[len(did)-1].Event; e.Act.Kind != intake.ActTurnFind || e.Act.Search != "slack-0123" ||
			e.Act.Page != 1 {
			x.t.Errorf("event: %+v", e)
		}
		if got := x.w.Picture(x.front("U0MINA")); !strings.Contains(got, "`19`") ||
			!strings.Contains(got, "[Previous] [Next] [Recall all 57]") {
			x.t.Errorf("page 2:\n%s", got)
		}
		x.acked(x.w.PressInView("U0MINA", v.ID, actionPage+"recall"))
		time.Sleep(4 * time.Second)
		did = x.bot.Did()
		if e := did[len(did)-1].Event; e.Act.Kind != intake.ActRecallFind || e.Act.Search != "slack-0123" {
			x.t.Errorf("event: %+v", e)
		}
		x.quiet()
	})
}

// TestStale: a card that one person alone sees is repaired under the finger that pressed it. Other
// cards are left to the teller.
func TestStale(t *testing.T) {
	inBoth(t, func(x *world) {
		fresh := card(bot.Expired)
		fresh.Buttons = nil
		stale := intake.Answer{Kind: intake.Whisper, Refused: "stale_card",
			Lines: []bot.Line{say("This card does not show what is waiting now.")}}
		old := card(bot.Proposed)

		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event,
				bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.ShowCard, Card: &old}
			}
		})
		x.acked(x.w.Command("U0THEO", "C0TRUST", "/recalls", "show R-7K3M9Q"))
		if got := x.told("U0THEO"); !strings.Contains(got, "[Approve]") {
			x.t.Errorf("told:\n%s", got)
		}
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				own := stale
				if e.Act.Private() {
					own.Card = &fresh
				}
				return own
			}
		})
		mine := x.w.Ephemerals("U0THEO")[0]
		x.acked(x.w.Press("U0THEO", mine.Ref(), "approve"))
		if got := x.w.Picture(x.w.Ephemerals("U0THEO")[0]); strings.Contains(got, "[Approve]") {
			x.t.Errorf("the person's own card still shows:\n%s", got)
		}
		if got := x.told("U0THEO"); !strings.Contains(got, "does not show what is waiting") {
			x.t.Errorf("told:\n%s", got)
		}

		_, at := x.post(old)
		before := x.picture(at)
		x.acked(x.w.Press("U0THEO", at, "approve"))
		x.settle()
		if got := x.picture(at); got != before {
			x.t.Errorf("the adapter has changed the card:\n%s", got)
		}
		x.quiet()
	})
}

// TestForged: a press that carries what the bot did not write names no request.
func TestForged(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		for _, value := range []string{"", "v2:R-7K3M9Q:0123", "R-7K3M9Q", "v1", strings.Repeat(":", 1999)} {
			x.acked(x.w.PressForged("U0THEO", at, "approve", value))
		}
		for _, d := range x.bot.Did() {
			if d.Event.Act.Request != "" {
				x.t.Errorf("act: %+v", d.Event.Act)
			}
		}
		x.acked(x.w.PressForged("U0THEO", at, "launch", "v1:R-7K3M9Q:0123"))
		all := x.bot.Did()
		if act := all[len(all)-1].Event.Act; act.Kind != intake.ActForged || act.Request != "" {
			x.t.Errorf("an unknown button: %+v", act)
		}
		// A card that an earlier version posted.
		x.acked(x.w.PressForged("U0THEO", at, "reject", "v1:R-7K3M9Q:0123"))
		all = x.bot.Did()
		if act := all[len(all)-1].Event.Act; act.Kind != intake.ActAskReject || act.Request != "R-7K3M9Q" ||
			act.Digest != "0123" {
			x.t.Errorf("a button of an earlier version: %+v", act)
		}
	})
}

func TestWho(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for user, want := range map[string]bot.Trouble{
			"U0MINA": "", "U0GUEST": bot.TroubleGuest, "U0SINGLE": bot.TroubleGuest, "U0INVITED": bot.TroubleGuest,
			"U0ALIEN":   bot.TroubleForeign,
			"U0STRANGE": bot.TroubleForeign, "U0ROBOT": bot.TroubleBot, "U0FLOW": bot.TroubleWorkflow,
			"U0LINK": bot.TroubleBot, "USLACKBOT": bot.TroubleBot,
		} {
			before := len(x.bot.Did())
			d := x.w.Command(user, "C0TRUST", "/recall", "x 1")
			x.settle()
			if d.Err() != nil {
				// Not everybody can type a command; the same must come of an event that says so.
				f, err := x.a.face(x.t.Context(), user, true)
				if err != nil || f.trouble != want {
					x.t.Errorf("%s: %q, %v; want %q", user, f.trouble, err, want)
				}
				continue
			}
			all := x.bot.Did()
			if len(all) != before+1 || all[before].Member.Trouble != want {
				x.t.Errorf("%s: %+v, want trouble %q", user, all[before:], want)
			}
		}
		if f, err := x.a.face(x.t.Context(), "U0GONE", true); err != nil || f.trouble != bot.TroubleDeactivated {
			x.t.Errorf("deactivated: %v, %v", f, err)
		}
		if f, err := x.a.face(x.t.Context(), "U0UNHEARD", true); err != nil || f.trouble != bot.TroubleForeign {
			x.t.Errorf("unknown: %v, %v", f, err)
		}
	})
}

// TestEnterprise: on Enterprise Grid an account of another workspace of the same organisation is
// one of ours, and is the same account whatever a payload says.
func TestEnterprise(t *testing.T) {
	inBoth(t, func(x *world) {
		x.w.AddUser(slacktest.User{ID: "W0SISTER", TeamID: "T0SISTER", EnterpriseID: "E0ORG"})
		x.w.AddUser(slacktest.User{ID: "W0OTHER", TeamID: "T0FAR", EnterpriseID: "E0FAR"})
		x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", BotIn: true, Members: []string{"W0SISTER", "W0OTHER"}})
		for user, want := range map[string]bot.Trouble{"W0SISTER": "", "W0OTHER": bot.TroubleForeign} {
			if f, err := x.a.face(x.t.Context(), user, true); err != nil || f.trouble != want {
				x.t.Errorf("%s: %q, %v; want %q", user, f.trouble, err, want)
			}
		}
		x.acked(x.w.Command("W0SISTER", "C0TRUST", "/recall", "x 1"))
		if e := x.onlyDid().Event; e.By.Workspace != "T0TEAM" {
			x.t.Errorf("by %v", e.By)
		}
	}, func(x *world, _ *Options) { x.w.EnterpriseID = "E0ORG" })
}

func TestWhere(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for channel, want := range map[string]bot.Trouble{
			"C0TRUST": "", "C0PUBLIC": "", "C0PRIVATE": bot.TroubleNotInChannel, "C0OLD": bot.TroubleArchived,
			"C0SHARED": bot.TroubleExtShared, "C0SHARING": bot.TroubleExtShared, "D0MINA": bot.TroubleDirectMessage,
			"C0SEVERAL": bot.TroubleDirectMessage,
		} {
			got, err := x.a.placeTrouble(x.t.Context(), channel, askedFor)
			if err != nil || got != want {
				x.t.Errorf("%s: %q, %v; want %q", channel, got, err, want)
			}
		}
		// Typed where the bot is not: the answer comes all the same.
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.Whisper, Refused: "trouble",
					Lines: []bot.Line{say(string(e.Place.Trouble))}}
			}
		})
		for _, channel := range []string{"C0PRIVATE", "D0MINA", "C0SHARED"} {
			x.acked(x.w.Command("U0MINA", channel, "/recall", "x 1"))
			x.told("U0MINA")
		}
		if n := len(x.w.Ephemerals("U0MINA")); n != 3 {
			x.t.Errorf("%d answers, want 3", n)
		}
		x.quiet()
	})
}

// TestDirectMessageOfSeveral: a direct message of several people is known as one with the scope to
// look at it, and without, which is how the bot is installed. Where a scope for channels is missing
// nothing is known, and nothing is done.
func TestDirectMessageOfSeveral(t *testing.T) {
	few := slices.DeleteFunc(slices.Clone(Scopes), func(s string) bool { return s == "groups:read" })
	for _, test := range []struct {
		name   string
		scopes []string
		want   bot.Trouble
		known  bool
	}{
		{"as installed", Scopes, bot.TroubleDirectMessage, true},
		{"with the scope", append(slices.Clone(Scopes), "mpim:read"), bot.TroubleDirectMessage, true},
		{"without another", few, bot.TroubleUnknown, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inSlack(t, socketMode, func(x *world) {
				ctx, cancel := context.WithTimeout(x.t.Context(), time.Second)
				defer cancel()
				got, err := x.a.placeTrouble(ctx, "C0SEVERAL", askedFor)
				if got != test.want || (err == nil) != test.known {
					x.t.Errorf("%q, %v", got, err)
				}
			}, func(x *world, _ *Options) { x.w.Scopes = test.scopes })
		})
	}
}

// TestPublicChannelNeedsScope: without chat:write.public the bot must be a member.
func TestPublicChannelNeedsScope(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		got, err := x.a.placeTrouble(x.t.Context(), "C0PUBLIC", askedFor)
		if err != nil || got != bot.TroubleNotInChannel {
			x.t.Errorf("%q, %v", got, err)
		}
	}, func(x *world, _ *Options) { x.w.Scopes = Scopes })
}

func TestDisabledGroupHasNobody(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		x.w.AddGroup(slacktest.UserGroup{ID: "S0LEADS", Members: []string{"U0THEO"}, Disabled: true})
		x.w.AddGroup(slacktest.UserGroup{ID: "S0MODS", Members: []string{"U0THEO"}})
		_, at := x.post(card(bot.Proposed))
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if m := x.onlyDid().Member; strings.Join(m.Groups, " ") != "S0MODS" {
			x.t.Errorf("member: %+v", m)
		}
	})
}

// TestCannotStore: an event that could not be stored is acknowledged with the word to try again.
func TestCannotStore(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		x.bot.Set(func(b *adaptertest.Script) { b.StoreFails = errors.New("disk full") })
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		if got := x.told("U0MINA"); !strings.Contains(got, "nothing was done. Please try again") {
			x.t.Errorf("told:\n%s", got)
		}
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if got := x.told("U0THEO"); !strings.Contains(got, "nothing was done. Please try again") {
			x.t.Errorf("told:\n%s", got)
		}
		if len(x.bot.Did()) != 0 {
			x.t.Error("the bot was asked to act on what was not stored")
		}
		if got := x.picture(at); !strings.Contains(got, "[Approve]") {
			x.t.Errorf("the card changed:\n%s", got)
		}
		x.quiet()
	})
}

// TestSlowStore: a store that hangs does not cost the acknowledgement.
func TestSlowStore(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) { b.StoreTakes = time.Hour })
		d := x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1")
		time.Sleep(2800 * time.Millisecond)
		x.acked(d)
		if got := x.told("U0MINA"); !strings.Contains(got, "Please try again") {
			x.t.Errorf("told:\n%s", got)
		}
	})
}

// TestRedelivery: the same event acts once, however often and by whichever way it comes, and its
// answer is shown once.
func TestRedelivery(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("There are no requests to show.") }
		})
		_, at := x.post(card(bot.Proposed))
		c := x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1")
		p := x.w.Press("U0THEO", at, "approve")
		x.acked(c)
		x.acked(p)
		for range 4 {
			c.Replay()
			p.Replay()
			x.settle()
		}
		if n := len(x.bot.Did()); n != 2 {
			x.t.Errorf("the bot acted %d times, want 2", n)
		}
		if n := len(x.w.Ephemerals("U0THEO")); n != 1 {
			x.t.Errorf("%d answers to the press, want 1", n)
		}
		if n := len(x.w.Ephemerals("U0MINA")); n != 1 {
			x.t.Errorf("%d answers to the command, want 1", n)
		}
		// Different events are never taken for the same.
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		x.acked(x.w.Press("U0THEO", at, "approve"))
		if n := len(x.bot.Did()); n != 4 {
			x.t.Errorf("the bot acted %d times, want 4", n)
		}
	})
}

// TestDuplicates: every delivery comes twice, at the same moment.
func TestDuplicates(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		for range 10 {
			x.w.Press("U0THEO", at, "approve")
			x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1")
			x.settle()
		}
		if n := len(x.bot.Did()); n != 20 {
			x.t.Errorf("the bot acted %d times, want 20", n)
		}
	}, func(x *world, _ *Options) { x.w.Duplicate = true })
}

// TestCouldNotCheck: where Slack does not say who acted, the press is given up in time, and the
// person told.
func TestCouldNotCheck(t *testing.T) {
	inBoth(t, func(x *world) {
		_, at := x.post(card(bot.Proposed))
		for _, f := range []slacktest.Fault{slacktest.Hang(), slacktest.ServerError(503),
			slacktest.RateLimited(time.Minute), slacktest.Code("fatal_error"), slacktest.Reset()} {
			x.w.Fail("usergroups.users.list", -1, f)
			before := len(x.bot.GaveUp())
			d := x.w.Press("U0THEO", at, "approve")
			x.acked(d)
			if d.AckedAfter() > time.Second {
				x.t.Errorf("acknowledged after %v", d.AckedAfter())
			}
			time.Sleep(6 * time.Second)
			if len(x.bot.GaveUp()) != before+1 || len(x.bot.Did()) != 0 {
				x.t.Errorf("given up %d times, did %d", len(x.bot.GaveUp())-before, len(x.bot.Did()))
			}
			if got := x.told("U0THEO"); !strings.Contains(got, "Press or type it again") {
				x.t.Errorf("told:\n%s", got)
			}
			x.w.Heal("*")
		}
		// A moment's trouble is got over.
		x.w.Fail("usergroups.users.list", 1, slacktest.RateLimited(time.Second))
		x.w.Fail("users.info", 1, slacktest.ServerError(502))
		x.acked(x.w.Press("U0THEO", at, "approve"))
		time.Sleep(4 * time.Second)
		if len(x.bot.Did()) != 1 {
			x.t.Error("the press was given up")
		}
	})
}

// TestCannotDo: where the bot fails, the person is told, with what the operator's log says too.
func TestCannotDo(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) { b.DoFails = errors.New("disk full") })
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		time.Sleep(5 * time.Second)
		if got := x.told("U0MINA"); !strings.Contains(got, "not certain") || !strings.Contains(got, "slack-") {
			x.t.Errorf("told:\n%s", got)
		}
	})
}

// TestPanic: a fault in the bot costs one event.
func TestPanic(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer { panic("unthinkable") }
		})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		if got := x.told("U0MINA"); !strings.Contains(got, "not certain") {
			x.t.Errorf("told:\n%s", got)
		}
	})
}

// TestDirectAnswer: once the account is known, a command is answered in its acknowledgement,
// without any call.
func TestDirectAnswer(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer { return whisper("There are no requests to show.") }
		})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recalls", "list"))
		calls := len(x.w.Log())
		d := x.w.Command("U0MINA", "C0TRUST", "/recalls", "list")
		x.acked(d)
		var said struct {
			Type string `json:"response_type"`
		}
		if err := json.Unmarshal(d.Response(), &said); err != nil || said.Type != "ephemeral" {
			x.t.Errorf("response: %s", d.Response())
		}
		if n := len(x.w.Log()) - calls; n != 0 {
			x.t.Errorf("%d calls", n)
		}
		if n := len(x.w.Ephemerals("U0MINA")); n != 2 {
			x.t.Errorf("%d answers", n)
		}
		// A bot that takes its time does not delay the acknowledgement; the answer follows.
		x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = 10 * time.Second })
		d = x.w.Command("U0MINA", "C0TRUST", "/recalls", "list")
		time.Sleep(1500 * time.Millisecond)
		x.acked(d)
		time.Sleep(10 * time.Second)
		if n := len(x.w.Ephemerals("U0MINA")); n != 3 {
			x.t.Errorf("%d answers", n)
		}
		x.quiet()
	})
}

// TestShowWithOutcomes: a request is shown whole, its card and below it everything that became of
// it.
func TestShowWithOutcomes(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer {
				c := card(bot.Done)
				a := intake.Answer{Kind: intake.ShowCard, Card: &c}
				for i := range 200 {
					a.Lines = append(a.Lines, say("{}: recalled", bot.Code(fmt.Sprint(1000+i))))
				}
				return a
			}
		})
		for range 2 {
			x.acked(x.w.Command("U0MINA", "C0TRUST", "/recalls", "show R-7K3M9Q"))
		}
		all := ""
		for _, e := range x.w.Ephemerals("U0MINA") {
			all += x.w.Picture(e)
		}
		for _, want := range []string{"[Show all]", "`1000`: recalled", "`1199`: recalled"} {
			if strings.Count(all, want) != 2 {
				x.t.Errorf("%q stands %d times", want, strings.Count(all, want))
			}
		}
		x.quiet()
	})
}

// TestAccepted: what is said beside a card that follows is said to the person alone.
func TestAccepted(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.Accepted, Lines: []bot.Line{say("reading the messages")}}
			}
		})
		for i := range 2 {
			x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", fmt.Sprint("x ", i)))
			if got := x.told("U0MINA"); !strings.Contains(got, "reading the messages") ||
				len(x.w.Ephemerals("U0MINA")) != i+1 {
				x.t.Errorf("told:\n%s", got)
			}
		}
		x.quiet()
	})
}

// TestAnswerByOtherMeans: where a response_url is not taken, the person is told otherwise, last in
// a line that everybody sees and that says nothing but where to look; what holds messages stays
// with them.
func TestAnswerByOtherMeans(t *testing.T) {
	inBoth(t, func(x *world) {
		ref, at := x.post(card(bot.Proposed))
		presses := func(answer intake.Answer) {
			x.t.Helper()
			x.bot.Set(func(b *adaptertest.Script) {
				b.Answer = func(intake.Event, bot.Member) intake.Answer { return answer }
			})
			x.acked(x.w.Press("U0THEO", at, "approve"))
			time.Sleep(10 * time.Second)
		}
		direct := func() string {
			all := x.w.DirectMessages("U0THEO")
			if len(all) == 0 {
				return ""
			}
			return x.w.Picture(all[len(all)-1])
		}
		thread := func() []slacktest.Message { return x.w.Thread("C0TRUST", ref.Message) }
		no := whisper("You may not.")
		x.w.Fail("response_url", -1, slacktest.ServerError(500))
		presses(no)
		if all := x.w.Ephemerals("U0THEO"); len(all) != 1 || all[0].Via != "chat.postEphemeral" {
			x.t.Errorf("ephemerals: %+v", all)
		}
		x.w.Fail("chat.postEphemeral", -1, slacktest.Code("user_not_in_channel"))
		if presses(no); !strings.Contains(direct(), "You may not.") || len(thread()) != 0 {
			x.t.Errorf("direct message: %s, thread: %+v", direct(), thread())
		}
		x.w.Fail("views.open", -1, slacktest.Code("expired_trigger_id"))
		presses(intake.Answer{Kind: intake.ShowPage, Page: page(0)})
		if got := direct(); strings.Contains(got, "messages") || !strings.Contains(got, "ask for it there again") ||
			len(thread()) != 0 {
			x.t.Errorf("direct message: %s, thread: %+v", got, thread())
		}
		x.w.Fail("chat.postMessage", 1, slacktest.Code("messages_tab_disabled"))
		presses(no)
		all := thread()
		if len(all) != 1 {
			x.t.Fatalf("thread: %+v", all)
		}
		if got := x.w.Picture(all[0]); strings.Contains(got, "You may not.") || !strings.Contains(got, "@theo") ||
			!strings.Contains(got, "/recalls show R-7K3M9Q") {
			x.t.Errorf("everybody reads:\n%s", got)
		}
		// A person who has done nothing about a card is told in the channel.
		before := len(x.w.Messages("C0TRUST"))
		x.w.Fail("chat.postMessage", 1, slacktest.Code("messages_tab_disabled"))
		x.bot.Set(func(b *adaptertest.Script) { b.DoTakes = 5 * time.Second })
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		time.Sleep(20 * time.Second)
		now := x.w.Messages("C0TRUST")
		if len(now) != before+1 || !strings.Contains(x.w.Picture(now[len(now)-1]), "@mina") {
			x.t.Errorf("%d messages in the channel, want %d: %+v", len(now), before+1, now[len(now)-1])
		}
		x.quiet()
	})
}

// TestNotTheBots: a command, a shortcut or an action that the bot does not have is answered
// privately, each in its own words.
func TestNotTheBots(t *testing.T) {
	var log bytes.Buffer // a handler locks it; it is read when the adapter is quiet
	inBoth(t, func(x *world) {
		x.acked(x.w.Command("U0NOBODY", "C0TRUST", "/remind", "me"))
		if got := x.told("U0NOBODY"); !strings.Contains(got, "no command `/remind`") {
			x.t.Errorf("told:\n%s", got)
		}
		for kind, want := range map[string]string{"shortcut": "no shortcuts", "message_action": "no shortcuts",
			"interactive_message": "not one that the bot made"} {
			before := len(x.w.DirectMessages("U0THEO"))
			body := `{"type":"` + kind + `","trigger_id":"1.2.` + kind + `","user":{"id":"U0THEO"}`
			if kind != "shortcut" { // a global one has no channel
				body += `,"channel":{"id":"C0TRUST"}`
			}
			x.acked(x.w.Send("interactive", []byte(body+"}")))
			time.Sleep(10 * time.Second)
			got := ""
			if kind != "shortcut" {
				got = x.told("U0THEO")
			} else if all := x.w.DirectMessages("U0THEO"); len(all) == before+1 {
				got = x.w.Picture(all[before])
			}
			if !strings.Contains(got, want) {
				x.t.Errorf("%s is told:\n%s", kind, got)
			}
		}
		if got := x.a.Remark(); got != "" {
			x.t.Errorf("/readyz remarks %q", got)
		}
		_, at := x.post(card(bot.Proposed)) // by another copy
		for range 2 {
			x.acked(x.w.Press("U0NOBODY", at, "approve"))
			x.settle()
			if got := x.told("U0NOBODY"); !strings.Contains(got, "This copy of the bot does not know `R-7K3M9Q`") {
				x.t.Errorf("told:\n%s", got)
			}
		}
		if got := x.a.Remark(); !strings.Contains(got, "another copy of the bot runs") ||
			strings.Count(log.String(), "another copy of the bot runs") != 1 {
			x.t.Errorf("/readyz remarks %q; the log:\n%s", got, &log)
		}
		x.quiet()
	}, func(x *world, o *Options) {
		log.Reset()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		x.w.Commands = append(x.w.Commands, "/remind")
		made, _ := adaptertest.Storing(x.t, x.bot.PolicyNow())
		o.Bot, x.real = made, made
	})
}

// TestSlackEscapes: what Slack writes in the place of three characters is undone, once.
func TestSlackEscapes(t *testing.T) {
	inBoth(t, func(x *world) {
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", `"a&amp;b &lt;c&gt;" 1 reason:&amp;lt;`))
		if got, want := x.bot.Did()[0].Event.Act.Text, `"a&b <c>" 1 reason:&lt;`; got != want {
			x.t.Errorf("the bot reads %s, want %s", got, want)
		}
	})
}

// TestBarredWords: where a card cannot be posted, the reason is told in Slack's own words, with
// what to do.
func TestBarredWords(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		x.w.Set(func(w *slacktest.Workspace) { w.Scopes = Scopes })
		for id, posting := range map[string]slacktest.Posting{"C0NOBODY": slacktest.NoPosting,
			"C0READ": slacktest.ReadOnly, "C0THREADS": slacktest.ThreadOnly} {
			x.w.AddChannel(slacktest.Channel{ID: id, BotIn: true, Posting: posting})
		}
		for channel, want := range map[string]string{"C0NOBODY": "Only some people may post",
			"C0READ": "Only some people may post", "C0THREADS": "replies alone", "C0OLD": "archived",
			"C0PRIVATE": "/invite @recallbot", "C0PUBLIC": "/invite @recallbot", "C0SHARED": "another organisation",
			"C0UNHEARD": "/invite @recallbot"} {
			_, err := x.a.Post(x.t.Context(), bot.Place{Channel: channel}, cards()["many"], "k")
			barred, ok := errors.AsType[*bot.Barred](err)
			if !ok || !strings.Contains(barred.Why.String(), want) || !errors.Is(err, bot.ErrForbidden) {
				x.t.Errorf("%s: %v, want %q", channel, err, want)
			}
		}
		for code, want := range map[string]string{"is_inactive": "archived",
			"restricted_action_non_threadable_channel": "Only some people may post",
			"restricted_action_thread_locked":          "Only some people may post",
			"posting_to_general_channel_denied":        "Only some people may post",
			"missing_scope":                            "recallbot check", "no_permission": "recallbot check"} {
			x.w.Fail("chat.postMessage", 1, slacktest.Code(code))
			_, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k")
			barred, ok := errors.AsType[*bot.Barred](err)
			if !ok || !strings.Contains(barred.Why.String(), want) || !errors.Is(err, bot.ErrForbidden) {
				x.t.Errorf("%s: %v, want %q", code, barred, want)
			}
		}
	})
}

// TestBarredRequester: in a channel in which the bot may not post, the requester is told alone
// within ten seconds, and the request is taken back.
func TestBarredRequester(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", Name: "trust", BotIn: true, Posting: slacktest.ReadOnly,
			Members: []string{"U0MINA", "U0THEO"}})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "@TGS#2J4SZEAEL 1"))
		time.Sleep(12 * time.Second) // two of them are for the reading
		got := x.told("U0MINA")
		if !strings.Contains(got, "cannot be posted") ||
			!strings.Contains(got, "Only some people may post in this channel") {
			x.t.Errorf("told within 10 s:\n%s", got)
		}
		time.Sleep(2 * time.Minute)
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recalls", "show "+requestIDs.FindString(got)))
		if got := x.told("U0MINA"); !strings.Contains(got, "because the card could not be posted") {
			x.t.Errorf("afterwards:\n%s", got)
		}
		x.quiet()
	}, func(x *world, o *Options) {
		made, chat := adaptertest.Storing(x.t, x.bot.PolicyNow())
		chat.AddGroup(recalltest.Group{ID: "@TGS#2J4SZEAEL", Type: "Public", Name: "Lounge", Members: 3})
		chat.Say("@TGS#2J4SZEAEL", "", "mallory", "one")
		o.Bot, x.real = made, made
	})
}

// TestUnfinished: what an earlier process stored is answered when the next begins.
func TestUnfinished(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		if n := len(x.bot.Did()); n != 1 || x.bot.Did()[0].Event.ID != "young" {
			x.t.Errorf("did %+v, want the young one", x.bot.Did())
		}
		if len(x.bot.GaveUp()) != 1 || x.bot.GaveUp()[0].ID != "old" {
			x.t.Errorf("given up %+v, want the old one", x.bot.GaveUp())
		}
		if n := len(x.w.Ephemerals("U0MINA")); n != 2 {
			x.t.Errorf("%d answers, want 2", n)
		}
	}, func(x *world, _ *Options) {
		event := func(id bot.EventID) intake.Event {
			return intake.Event{
				ID: id, Place: bot.Place{Platform: ID, Workspace: "T0TEAM", Channel: "C0TRUST"},
				By:  bot.Account{Platform: ID, Workspace: "T0TEAM", User: "U0MINA"},
				Act: intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: "list"},
			}
		}
		x.bot.Play(adaptertest.Script{Answer: func(intake.Event, bot.Member) intake.Answer {
			return whisper("There are no requests to show.")
		}})
		x.bot.Leave(intake.Unfinished{Event: event("old"), Age: time.Hour})
		x.bot.Leave(intake.Unfinished{Event: event("young"), Age: 10 * time.Second})
	})
}

// TestProgress: what a reading has done replaces the answer to the command, after 3, 15 and 60 s at
// the most, so that two of the five uses of the response_url are left; and the button stays.
func TestProgress(t *testing.T) {
	inBoth(t, func(x *world) {
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(e intake.Event, _ bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.Accepted, Request: "R-7K3M9Q", Lines: []bot.Line{say("reading")},
					Offer: &intake.Offer{Event: e.ID, By: e.By, Names: []string{"Take back"},
						Commands: []command.Command{{Verb: command.VerbStop, Request: "R-7K3M9Q"}}}}
			}
		})
		x.acked(x.w.Command("U0MINA", "C0TRUST", "/recall", "x 1"))
		before := x.w.Calls("response_url")
		for i := range 120 {
			time.Sleep(time.Second)
			x.a.Progress(x.t.Context(), "R-7K3M9Q", say(fmt.Sprintf("%d s", i+1)), bot.ReadingOn)
			x.a.Progress(x.t.Context(), "R-0THERS", say("of nobody"), bot.ReadingOn)
		}
		if n := x.w.Calls("response_url") - before; n < 2 || n > progressUses {
			x.t.Errorf("%d uses of the response_url", n)
		}
		x.a.Progress(x.t.Context(), "R-7K3M9Q", say("it is read"), bot.ReadingDone)
		all := x.w.Ephemerals("U0MINA")
		if got := x.told("U0MINA"); len(all) != 1 || !strings.Contains(got, "it is read") ||
			!strings.Contains(got, "[Take back]") || strings.Contains(got, "reading") {
			x.t.Errorf("%d messages for the person alone:\n%s", len(all), got)
		}
		x.quiet()
	})
}
