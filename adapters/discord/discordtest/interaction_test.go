package discordtest

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnswerInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		b := connect(t, g)
		register(t, g)

		i := g.Command(mina, trust, "recall", Opt("group", "@TGS#1"))
		in := b.expect(0, "INTERACTION_CREATE")
		want(t, b.webhook("PATCH", in, "/messages/@original", object{"content": "early"}), 404, 10015)
		time.Sleep(2 * time.Second)
		a := call(t, g, "POST", "/interactions/"+str(in, "id")+"/"+str(in, "token")+"/callback?with_response=true",
			object{"type": 4, "data": object{"content": "asked"}})
		want(t, a, 200, 0)
		if got := str(sub(sub(a.body, "resource"), "message"), "content"); got != "asked" {
			t.Errorf("with_response: %s", a.raw)
		}
		want(t, b.reply(in, object{"type": 4, "data": object{"content": "again"}}), 400, 40060)
		if err := i.Wait(t.Context()); err != nil || i.AckedAfter() != 2*time.Second || i.Type() != AnswerMessage ||
			!i.Acked() {
			t.Errorf("Wait: %v after %v, type %d", err, i.AckedAfter(), i.Type())
		}
		if !strings.Contains(string(i.Response()), `"asked"`) {
			t.Errorf("response: %s", i.Response())
		}

		time.Sleep(13*time.Minute - 2*time.Second)
		want(t, b.webhook("PATCH", in, "/messages/@original", object{"content": "edited"}), 200, 0)
		if m, _ := i.Original(); m.Content != "edited" || m.Edited.IsZero() {
			t.Errorf("original: %+v", m)
		}
		time.Sleep(2 * time.Minute)
		want(t, b.webhook("PATCH", in, "/messages/@original", object{"content": "late"}), 401, 50027)

		late := g.Command(mina, trust, "recall")
		in = b.expectLater("INTERACTION_CREATE")
		if err := late.Wait(t.Context()); !errors.Is(err, ErrNoAnswer) || !late.Failed() {
			t.Errorf("Wait: %v, want ErrNoAnswer", err)
		}
		want(t, b.reply(in, object{"type": 4, "data": object{"content": "late"}}), 404, 10062)
		want(t, b.reply(object{"id": "1", "token": "none"}, object{"type": 5}), 404, 10062)
	})
}

// expectLater reads the next event. It connects again if the session has timed out, because the
// test has slept without heartbeats, and then the last interaction is dispatched again.
func (b *rawClient) expectLater(event string) object {
	b.t.Helper()
	if len(b.g.Sessions()) == 0 {
		*b = *connect(b.t, b.g)
		is := b.g.Interactions()
		b.g.Redispatch(is[len(is)-1])
	}
	return b.expect(0, event)
}

func TestPayload(t *testing.T) {
	g := newGuild(t)
	g.AddMember(Member{UserID: theo, Name: "theo", Locale: "de", Admin: true, Pending: true,
		TimedOutUntil: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	b := connect(t, g)
	register(t, g)
	i := g.Command(theo, trust, "recall", Opt("group", "@leads#1 @mina #trust"), Opt("last", 5))
	in := b.expect(0, "INTERACTION_CREATE")
	member, data := sub(in, "member"), sub(in, "data")
	for _, c := range []struct{ got, want any }{
		{str(in, "id"), i.ID}, {str(in, "application_id"), g.ApplicationID}, {str(in, "guild_id"), g.ID},
		{str(in, "channel_id"), trust},
		{str(in, "locale"), "de"}, {str(in, "guild_locale"), "en-US"}, {str(sub(member, "user"), "id"), theo},
		{str(member, "permissions"), "9007199254740991"}, {flag(member, "pending"), true},
		{str(member, "communication_disabled_until"), "2026-01-01T00:00:00.000000+00:00"},
		{list(member, "roles")[0], any(leads)}, {str(sub(in, "authorizing_integration_owners"), "0"), g.ID},
		{integer(in, "context"), int64(0)}, {integer(in, "attachment_size_limit"), int64(10 << 20)},
		{integer(in, "version"), int64(1)},
		{str(data, "name"), "recall"},
		{str(list(data, "options")[0].(object), "value"), "<@&" + leads + ">#1 <@" + mina + "> <#" + trust + ">"},
		{integer(list(data, "options")[1].(object), "value"), int64(5)},
		{str(sub(sub(sub(data, "resolved"), "roles"), leads), "name"), "leads"},
		{str(sub(sub(sub(data, "resolved"), "users"), mina), "username"), "mina"},
		{str(sub(sub(sub(data, "resolved"), "channels"), trust), "name"), "trust"},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	if p := str(in, "app_permissions"); p == "" || p == "0" {
		t.Errorf("app_permissions %q", p)
	}

	g.SetOrigin(Origin{DM: true})
	g.Command(mina, "555", "recall")
	if in := b.expect(0, "INTERACTION_CREATE"); in["member"] != nil || in["guild_id"] != nil ||
		str(sub(in, "user"), "id") != mina || integer(in, "context") != 1 {
		t.Errorf("in a DM: %v", in)
	}
	g.SetOrigin(Origin{UserInstalled: true, GuildID: "290926798626357999"})
	g.Command(mina, trust, "recall")
	if in := b.expect(0, "INTERACTION_CREATE"); sub(in, "authorizing_integration_owners")["0"] != nil ||
		str(in, "guild_id") != "290926798626357999" {
		t.Errorf("user installed: %v", in)
	}
}

func TestClientRefuses(t *testing.T) {
	g := newGuild(t)
	register(t, g)
	m := post(t, g, trust, object{"content": "c", "components": []any{
		row(button("Approve", "a"), object{"type": 2, "style": 2, "label": "Reject", "custom_id": "r",
			"disabled": true}),
	}})
	for name, i := range map[string]*Interaction{
		"unknown command":    g.Command(mina, trust, "nothing"),
		"unknown option":     g.Command(mina, trust, "recall", Opt("who", "x")),
		"number as text":     g.Command(mina, trust, "recall", Opt("last", "5")),
		"too small":          g.Command(mina, trust, "recall", Opt("last", 0)),
		"too long":           g.Command(mina, trust, "recall", Opt("seqs", text(21))),
		"no subcommand":      g.Command(mina, trust, "recalls"),
		"unknown subcommand": g.Command(mina, trust, "recalls", Sub("drop")),
		"required":           g.Command(mina, trust, "recalls show"),
		"not a member":       g.Command("9", trust, "recall"),
		"no channel":         g.Command(mina, "9", "recall"),
		"disabled":           g.Press(mina, m.Ref(), "r"),
		"no such button":     g.Press(mina, m.Ref(), "x"),
		"no message":         g.Press(mina, MessageRef{trust, "9"}, "a"),
		"no autocomplete":    g.Autocomplete(mina, trust, "recall", "seqs", "1"),
		"no form":            g.Submit(mina, Modal{ID: "9"}, nil),
	} {
		if err := i.Wait(t.Context()); !errors.Is(err, ErrClient) || i.Err == nil {
			t.Errorf("%s: %v, want ErrClient", name, err)
		}
	}
	if n := len(g.Interactions()); n != 0 {
		t.Errorf("%d interactions were sent", n)
	}
	if b, ok := m.Button("Reject"); !ok || !b.Disabled || b.CustomID != "r" {
		t.Errorf("button: %+v", b)
	}
}

func TestEphemeral(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	i := g.Command(mina, trust, "recalls", Sub("list"))
	in := b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 5, "data": object{"flags": 4}}), 400, 50035)
	want(t, b.reply(in, object{"type": 5, "data": object{"flags": 64}}), 204, 0)
	if e := g.Ephemerals(mina); len(e) != 1 || !e[0].Loading || len(g.Messages(trust)) != 0 ||
		len(g.Ephemerals(theo)) != 0 {
		t.Fatalf("ephemerals: %+v", e)
	}
	want(t, b.webhook("PATCH", in, "/messages/@original",
		object{"content": "only you", "components": []any{row(button("More", "more"))}}), 200, 0)
	if i.Ephemeral() != "only you\n[More]" || g.Ephemerals(mina)[0].Loading {
		t.Errorf("ephemeral: %q", i.Ephemeral())
	}
	want(t, call(t, g, "GET", "/channels/"+trust+"/messages/"+g.Ephemerals(mina)[0].ID, nil), 404, 10008)

	ref := g.Ephemerals(mina)[0].Ref()
	if err := g.Press(theo, ref, "more").Err; !errors.Is(err, ErrClient) {
		t.Errorf("somebody else pressed it: %v", err)
	}
	press := g.Press(mina, ref, "more")
	in2 := b.expect(0, "INTERACTION_CREATE")
	if integer(sub(in2, "message"), "flags")&64 == 0 {
		t.Errorf("message: %v", in2["message"])
	}
	want(t, b.reply(in2, object{"type": 7, "data": object{"content": "more", "components": []any{}}}), 204, 0)
	if m, _ := g.Message(ref); m.Content != "more" || press.Type() != AnswerUpdate || len(m.Buttons()) != 0 {
		t.Errorf("updated: %+v", m)
	}

	a := b.webhook("POST", in2, "?wait=true", object{"content": "followup", "flags": 64})
	want(t, a, 200, 0)
	want(t, b.webhook("PATCH", in2, "/messages/"+str(a.body, "id"), object{"content": "changed"}), 200, 0)
	if f := press.Followups(); len(f) != 1 || f[0].Content != "changed" || f[0].Ephemeral != mina {
		t.Errorf("followups: %+v", f)
	}
	want(t, b.webhook("DELETE", in2, "/messages/"+str(a.body, "id"), nil), 204, 0)
	want(t, b.webhook("GET", in2, "/messages/"+str(a.body, "id"), nil), 404, 10008)
	want(t, b.webhook("GET", in2, "/messages/@original", nil), 200, 0)
}

func TestModal(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	card := post(t, g, trust, object{"content": "card", "components": []any{row(button("Approve", "a"))}})
	press := g.Press(theo, card.Ref(), "a")
	in := b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 9, "data": object{"custom_id": "m", "title": "Recall 2 messages?",
		"components": []any{
			row(object{"type": 4, "style": 1, "label": "Type the number", "custom_id": "n", "placeholder": "@TGS#1",
				"max_length": 3}),
		}}}), 204, 0)
	want(t, b.webhook("GET", in, "/messages/@original", nil), 404, 10008)
	m, ok := press.Modal()
	if !ok || m.Title != "Recall 2 messages?" || len(g.Modals(theo)) != 1 || len(g.Modals(mina)) != 0 {
		t.Fatalf("modal: %+v", m)
	}
	if got, want := g.PictureModal(m),
		"┌ form: Recall 2 messages?\n│ Type the number *\n│ [_@TGS#1_]\n└ [Submit] [Cancel]\n"; got != want {
		t.Errorf("drawn as\n%s", got)
	}
	for _, v := range []string{"", "1234"} {
		if i := g.Submit(theo, m, map[string]string{"n": v}); !errors.Is(i.Err, ErrClient) {
			t.Errorf("%q was sent", v)
		}
	}
	if i := g.Submit(theo, m, map[string]string{"x": "1"}); !errors.Is(i.Err, ErrClient) {
		t.Error("an unknown input was sent")
	}
	submit := g.Submit(theo, m, map[string]string{"n": "2"})
	in = b.expect(0, "INTERACTION_CREATE")
	data := sub(in, "data")
	got := list(list(data, "components")[0].(object), "components")[0].(object)
	if integer(in, "type") != 5 || str(data, "custom_id") != "m" || str(got, "value") != "2" ||
		str(sub(in, "message"), "id") != card.ID {
		t.Errorf("submitted: %v", in)
	}
	want(t, b.reply(in, object{"type": 9, "data": object{"custom_id": "m", "title": "t",
		"components": []any{row(input("l", "i"))}}}), 400, 50035)
	want(t, b.reply(in, object{"type": 7, "data": object{"content": "approved", "components": []any{}}}), 204, 0)
	if m, _ := g.Message(card.Ref()); m.Content != "approved" || submit.Type() != AnswerUpdate ||
		!g.Modals(theo)[0].Submitted {
		t.Errorf("card: %+v", m)
	}

	// A form from a command has no message to update.
	command := g.Command(mina, trust, "recall")
	in = b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 9, "data": object{"custom_id": "m", "title": "t", "components": []any{
		object{"type": 10, "content": "read **this**"}, object{"type": 18, "label": "L", "description": "D",
			"component": object{"type": 4, "style": 2, "custom_id": "i", "required": false}},
	}}}), 204, 0)
	m, _ = command.Modal()
	if got, want := g.PictureModal(m), "┌ form: t\n│ read this\n│ L\n│ D\n│ [ ]\n└ [Submit] [Cancel]\n"; got != want {
		t.Errorf("drawn as\n%s", got)
	}
	g.Submit(mina, m, nil)
	in = b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 6}), 400, 50035)
	want(t, b.reply(in, object{"type": 4, "data": object{"content": "ok", "flags": 64}}), 204, 0)
}

func TestAutocomplete(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	i := g.Autocomplete(mina, trust, "recalls show", "id", "R-")
	in := b.expect(0, "INTERACTION_CREATE")
	o := list(list(sub(in, "data"), "options")[0].(object), "options")[0].(object)
	if integer(in, "type") != 4 || !flag(o, "focused") || str(o, "value") != "R-" {
		t.Errorf("sent: %v", in)
	}
	want(t, b.reply(in, object{"type": 4, "data": object{"content": "c"}}), 400, 50035)
	want(t, b.reply(in, object{"type": 8, "data": object{"choices": many(26,
		func(int) any { return object{"name": "n", "value": "v"} })}}), 400, 50035)
	want(t, b.reply(in, object{"type": 8, "data": object{"choices": []any{object{"name": "one", "value": "R-1"}}}}),
		204, 0)
	if c := i.Choices(); len(c) != 1 || c[0] != (Choice{"one", "R-1"}) {
		t.Errorf("choices: %v", c)
	}
}

func TestStaleAndForged(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	old := post(t, g, trust, object{"content": "card", "components": []any{row(button("Approve", "a"))}})
	call(t, g, "PATCH", "/channels/"+trust+"/messages/"+old.ID, object{"content": "done", "components": []any{}})
	if i := g.Press(mina, old.Ref(), "a"); !errors.Is(i.Err, ErrClient) {
		t.Error("a button that is gone was pressed")
	}
	g.PressStale(mina, old, "a")
	if in := b.expect(0, "INTERACTION_CREATE"); str(sub(in, "message"), "content") != "card" {
		t.Errorf("stale: %v", in)
	}
	g.PressForged(mina, old.Ref(), "forged")
	if in := b.expect(0, "INTERACTION_CREATE"); str(sub(in, "data"), "custom_id") != "forged" ||
		str(sub(in, "message"), "content") != "done" {
		t.Errorf("forged: %v", in)
	}
	g.SubmitForged(mina, old.Ref(), "form", map[string]string{"reason": "no"})
	in := b.expect(0, "INTERACTION_CREATE")
	input := list(list(sub(in, "data"), "components")[0].(object), "components")[0].(object)
	if integer(in, "type") != KindModal || str(sub(in, "data"), "custom_id") != "form" ||
		str(input, "custom_id") != "reason" || str(input, "value") != "no" {
		t.Errorf("a forged form: %v", in)
	}
	g.Delete(old.Ref())
	if i := g.SubmitForged(mina, old.Ref(), "form", nil); !errors.Is(i.Err, ErrClient) {
		t.Error("a form was sent under a message that is gone")
	}
	g.PressStale(mina, old, "a")
	in = b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 7, "data": object{"content": "x"}}), 404, 10008)
	want(t, b.reply(in, object{"type": 6}), 204, 0)
}

func TestSelect(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	m := post(t, g, trust, object{"content": "c", "components": []any{row(object{"type": 3, "custom_id": "s",
		"options": []any{object{"label": "l", "value": "v"}}})}})
	if i := g.Select(mina, m.Ref(), "s", "other"); !errors.Is(i.Err, ErrClient) {
		t.Error("an unknown value was chosen")
	}
	g.Select(mina, m.Ref(), "s", "v")
	if in := b.expect(0, "INTERACTION_CREATE"); list(sub(in, "data"), "values")[0] != "v" {
		t.Errorf("sent: %v", in)
	}
}

func TestFirstFollowupReplacesLoading(t *testing.T) {
	g := newGuild(t)
	b := connect(t, g)
	register(t, g)
	i := g.Command(mina, trust, "recall")
	in := b.expect(0, "INTERACTION_CREATE")
	want(t, b.reply(in, object{"type": 5}), 204, 0)
	want(t, b.webhook("POST", in, "", object{"content": "there"}), 200, 0)
	if m := g.Messages(trust); len(m) != 1 || m[0].Content != "there" || len(i.Followups()) != 0 {
		t.Errorf("messages: %+v", m)
	}
	want(t, b.webhook("DELETE", in, "/messages/@original", nil), 204, 0)
	if _, ok := i.Original(); ok || len(g.Messages(trust)) != 0 {
		t.Error("the original is still there")
	}
}
