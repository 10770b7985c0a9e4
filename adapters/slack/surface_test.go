package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/adapters/slack/slacktest"
	"recallbot/bot"
	"recallbot/bot/intake"

	slackgo "github.com/slack-go/slack"
)

func (x *world) version(c bot.Card, v int) bot.Card {
	c.Version = v
	c.Title, c.Shown = say(fmt.Sprintf("%d of 1,000", v)), c.State
	return c
}

func TestPostAndReply(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, at := x.post(card(bot.Proposed))
		m, _ := x.w.Message(at)
		if !strings.Contains(string(m.Metadata), `"key"`) {
			x.t.Errorf("metadata: %s", m.Metadata)
		}
		mina := bot.Account{Platform: ID, Workspace: "T0TEAM", User: "U0MINA"}
		n := bot.Note{Key: "n1", Mention: &mina, Lines: []bot.Line{say("Receipt 1"),
			say("{}: recalled", bot.Code("100"))}}
		got, err := x.a.Reply(x.t.Context(), ref, n)
		if err != nil || got.Thread != ref.Message || got.Message == "" {
			x.t.Fatalf("Reply: %+v, %v", got, err)
		}
		if _, err := x.a.Reply(x.t.Context(), got, bot.Note{Key: "n2", Loud: true, Notify: []string{"S0LEADS"},
			Lines: []bot.Line{say("still waiting")}}); err != nil {
			x.t.Fatalf("Reply: %v", err)
		}
		thread := x.w.Thread("C0TRUST", ref.Message)
		if len(thread) != 2 || !thread[1].Broadcast || thread[0].Broadcast {
			x.t.Fatalf("thread: %+v", thread)
		}
		var who []string
		for _, n := range x.w.Notified() {
			who = append(who, n.Who)
		}
		if strings.Join(who, " ") != "S0LEADS U0MINA S0LEADS" {
			x.t.Errorf("notified: %v", who)
		}
		x.quiet()
	})
}

// TestFortyLines: no line of a note is lost.
func TestFortyLines(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		n := bot.Note{Key: "n"}
		for i := range 40 {
			n.Lines = append(n.Lines, say("{}: refused ({}: {})", bot.Code(fmt.Sprint(4294967000+i)), bot.Code("20012"),
				bot.Quote("the service says something about it")))
		}
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatal(err)
		}
		var got strings.Builder
		for _, m := range x.w.Thread("C0TRUST", ref.Message) {
			got.WriteString(x.w.Picture(m))
		}
		for i := range 40 {
			if strings.Count(got.String(), fmt.Sprint(4294967000+i)) != 1 {
				x.t.Errorf("line %d stands %d times", i, strings.Count(got.String(), fmt.Sprint(4294967000+i)))
			}
		}
		if strings.Contains(got.String(), "more") {
			x.t.Errorf("the note lost lines:\n%s", got.String())
		}
		// A long one whose third part fails goes on where it stopped, however much later.
		for i := range n.Lines {
			n.Lines[i] = say("{}", bot.Quote(strings.Repeat("字", 2000)))
		}
		n.Key = "long"
		before := len(x.w.Thread("C0TRUST", ref.Message))
		x.w.Fail("chat.postMessage", 2, slacktest.Slow(time.Millisecond))
		x.w.Fail("chat.postMessage", 1, slacktest.RateLimited(time.Second))
		if _, err := x.a.Reply(x.t.Context(), ref, n); err == nil {
			x.t.Fatal("the third part was refused and nobody says so")
		}
		time.Sleep(2 * time.Hour)
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatal(err)
		}
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil { // as where it could not be stored that all stand
			x.t.Fatal(err)
		}
		if got, want := len(x.w.Thread("C0TRUST", ref.Message))-before, len(noteParts(n)); got != want {
			x.t.Errorf("%d messages, want %d", got, want)
		}
		x.quiet()
	})
}

// TestFewestMessages: a note takes as few messages as its lines fit into, and no line is ever left
// out.
func TestFewestMessages(t *testing.T) {
	for words, want := range map[string]int{"recalled": 1, "recalled (answer lost, verified by history)": 1,
		strings.Repeat("long ", 40): 2, strings.Repeat("字", 200): 5} {
		n := bot.Note{Key: "n", Mention: &bot.Account{Platform: ID, User: "U0MINA"}}
		for i := range 50 {
			n.Lines = append(n.Lines, say("{}: "+words, bot.Code(fmt.Sprint(4294967000+i))))
		}
		parts := noteParts(n)
		if len(parts) != want {
			t.Errorf("%q: %d messages, want %d", words, len(parts), want)
		}
		lines := 0
		for i, p := range parts {
			lines += len(p.Lines)
			if body := size(noteBlocks(p, messageSize)); body > messageSize {
				t.Errorf("%q: message %d of %d has %d bytes", words, i, len(parts), body)
			}
			if i+1 < len(parts) {
				p.Lines = append(slices.Clone(p.Lines), parts[i+1].Lines[0])
				if body := size(noteBlocks(p, modalSize)); body < messageSize-500 {
					t.Errorf("%q: message %d of %d has room for another line: it would have %d bytes", words, i,
						len(parts), body)
				}
			}
			if (p.Mention != nil) != (i == 0) {
				t.Errorf("%q: message %d mentions %v", words, i, p.Mention)
			}
		}
		if lines != len(n.Lines) {
			t.Errorf("%q: %d lines", words, lines)
		}
	}
	many := bot.Note{}
	for range 200 {
		many.Lines = append(many.Lines, say("x"))
	}
	for _, p := range noteParts(many) {
		if body, err := json.Marshal(noteBlocks(p, messageSize)); err != nil ||
			strings.Contains(string(body), "not shown") {
			t.Errorf("short lines are left out: %s, %v", body, err)
		}
	}
}

func TestFile(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		n := bot.Note{Key: "csv", Lines: []bot.Line{say("2 recalled")}, File: &bot.File{Name: "R-7K3M9Q.csv",
			Type: "text/csv", Title: "outcomes", Body: []byte("seq,outcome\n1,recalled\n")}}
		x.w.Fail("files.completeUploadExternal", 1, slacktest.ServerError(503))
		if _, err := x.a.Reply(x.t.Context(), ref, n); err == nil {
			x.t.Fatal("the upload failed and nobody says so")
		}
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatalf("Reply again: %v", err)
		}
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatalf("Reply once more: %v", err)
		}
		files := x.w.Files("C0TRUST", ref.Message)
		if len(files) != 1 || string(files[0].Content) != string(n.File.Body) {
			x.t.Errorf("files: %+v", files)
		}
		// The body is the file itself: a form ends twice as the library writes it.
		for _, c := range x.w.Log() {
			if c.Method == "upload" && c.Bytes != len(n.File.Body) {
				x.t.Errorf("an upload of %d bytes has %d", len(n.File.Body), c.Bytes)
			}
		}
		lines := 0
		for _, m := range x.w.Thread("C0TRUST", ref.Message) {
			if strings.Contains(x.w.Picture(m), "2 recalled") {
				lines++
			}
		}
		if lines != 1 {
			x.t.Errorf("the note stands %d times, want once", lines)
		}
		// Without the scope the account stands, and says what is missing.
		x.w.Set(func(w *slacktest.Workspace) { w.Scopes = []string{"chat:write", "commands"} })
		n.Key = "another"
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatalf("Reply without the scope: %v", err)
		}
		thread := x.w.Thread("C0TRUST", ref.Message)
		if got := x.w.Picture(thread[len(thread)-1]); !strings.Contains(got, "files:write") {
			x.t.Errorf("thread ends with:\n%s", got)
		}
		// Where Slack does not take the file for what it is, that is said.
		x.w.Set(func(w *slacktest.Workspace) { w.Scopes = Scopes })
		x.w.Fail("files.completeUploadExternal", -1, slacktest.Code("blocked_file_type"))
		n.Key = "a third"
		if _, err := x.a.Reply(x.t.Context(), ref, n); err != nil {
			x.t.Fatalf("Reply with a file that is refused: %v", err)
		}
		thread = x.w.Thread("C0TRUST", ref.Message)
		if got := x.w.Picture(thread[len(thread)-1]); !strings.Contains(got, "Slack refused it") {
			x.t.Errorf("thread ends with:\n%s", got)
		}
	})
}

// TestRetryAfterBounded: whatever Slack asks for, it is tried again after ten minutes at most.
func TestRetryAfterBounded(t *testing.T) {
	for said, want := range map[string]time.Duration{
		"0": time.Second, "7": 7 * time.Second, "600": bot.LaterMost, "601": bot.LaterMost, "86400": bot.LaterMost,
		"9223372036": bot.LaterMost, "9223372037": bot.LaterMost,
	} {
		seconds, err := strconv.ParseInt(said, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		// as the library computes it
		told := &slackgo.RateLimitedError{RetryAfter: time.Duration(seconds) * time.Second}
		if got, ok := rateLimit(told); got != want || !ok {
			t.Errorf("a call that is told %s s: %v, want %v", said, got, want)
		}
		if got := retryAfter(http.Header{"Retry-After": {said}}); said != "0" && got != want {
			t.Errorf("an answer that is told %s s: %v, want %v", said, got, want)
		}
	}
}

// TestOneRouteHeld: a route that Slack limits for an hour is tried once a minute, and no other
// waits for it.
func TestOneRouteHeld(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for _, test := range []struct {
			method string
			call   func(ref bot.Ref, version int) error
			others map[string]func(ref bot.Ref) error
		}{{"chat.update", func(ref bot.Ref, v int) error {
			return x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), v))
		}, map[string]func(bot.Ref) error{"a post": func(bot.Ref) error {
			_, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k")
			return err
		}, "a reply": func(ref bot.Ref) error {
			_, err := x.a.Reply(x.t.Context(), ref, bot.Note{Key: "n", Lines: []bot.Line{say("said")}})
			return err
		}}}, {"files.getUploadURLExternal", func(ref bot.Ref, v int) error {
			_, err := x.a.Reply(x.t.Context(), ref, bot.Note{Key: fmt.Sprint(v), Lines: []bot.Line{say("said")},
				File: &bot.File{Name: "a.csv", Body: []byte("seq")}})
			return err
		}, map[string]func(bot.Ref) error{"an edit": func(ref bot.Ref) error {
			return x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), 1))
		}}}} {
			ref, _ := x.post(card(bot.Proposed))
			before := x.w.Calls(test.method)
			x.w.Fail(test.method, -1, slacktest.RateLimited(time.Hour))
			for i := range 300 {
				later, ok := errors.AsType[*bot.Later](test.call(ref, 10+i))
				if !ok || later.After > time.Minute {
					x.t.Fatalf("%s: %v, want to wait a minute at most", test.method, later)
				}
				time.Sleep(2 * time.Second)
			}
			if n := x.w.Calls(test.method) - before; n < 9 || n > 11 {
				x.t.Errorf("%s was called %d times in ten minutes, want one a minute", test.method, n)
			}
			for name, other := range test.others {
				if err := other(ref); err != nil {
					x.t.Errorf("%s while %s is held: %v", name, test.method, err)
				}
			}
			x.w.Heal(test.method)
			time.Sleep(time.Minute)
			if err := test.call(ref, 1000); err != nil {
				x.t.Errorf("%s a minute after it was let through again: %v", test.method, err)
			}
			if err := test.call(ref, 1001); err != nil {
				x.t.Errorf("%s is still held: %v", test.method, err)
			}
		}
		// One channel that is full keeps no other waiting.
		x.w.AddChannel(slacktest.Channel{ID: "C0NEXT", BotIn: true, Members: []string{"U0MINA"}})
		x.w.Fail("chat.postMessage", 1, slacktest.RateLimited(time.Hour))
		if _, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k"); err == nil {
			x.t.Error("a post that was refused is called good")
		}
		if _, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0NEXT"}, card(bot.Proposed), "k"); err != nil {
			x.t.Errorf("a post in another channel: %v", err)
		}
		// A Retry-After that cannot be read is as none.
		if after, ok := rateLimit(fmt.Errorf("answer: %w", strconv.ErrSyntax)); ok {
			x.t.Errorf("any error at all is a limit of %v", after)
		}
		_, bad := strconv.ParseInt("Wed, 21 Oct 2026 07:28:00 GMT", 10, 64)
		if after, ok := rateLimit(bad); !ok || after != defaultLater {
			x.t.Errorf("a date as Retry-After: %v, %v", after, ok)
		}
	})
}

// TestOutsideItsThread: what belongs into the thread of a card that was deleted is left nowhere
// else, neither text nor file.
func TestOutsideItsThread(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		note := bot.Note{Key: "n", Lines: []bot.Line{say("Receipt 1")}, File: &bot.File{Name: "a.csv",
			Body: []byte("seq")}}
		for name, meanwhile := range map[string]func(at slacktest.MessageRef){
			"before the note": func(at slacktest.MessageRef) {},
			"before the file": func(at slacktest.MessageRef) {
				x.w.Fail("files.getUploadURLExternal", 1, slacktest.RateLimited(time.Second))
				if _, err := x.a.Reply(x.t.Context(), bot.Ref{Channel: at.Channel, Message: at.TS}, note); err == nil {
					x.t.Fatal("a file that was refused is called good")
				}
				time.Sleep(2 * time.Second)
			},
		} {
			ref, at := x.post(card(bot.Proposed))
			meanwhile(at)
			x.w.DeleteMessage(at)
			before := len(x.w.Messages("C0TRUST"))
			loud := note
			loud.Loud = true
			for _, n := range []bot.Note{note, loud} {
				if _, err := x.a.Reply(x.t.Context(), ref, n); !errors.Is(err, bot.ErrGone) {
					x.t.Errorf("%s: Reply: %v, want %v", name, err, bot.ErrGone)
				}
			}
			if now := x.w.Messages("C0TRUST"); len(now) != before {
				x.t.Errorf("%s: %d messages stand in the channel, want %d: %+v", name, len(now), before, now)
			}
			if f := x.w.Files("C0TRUST", ""); len(f) != 0 {
				x.t.Errorf("%s: %+v", name, f)
			}
		}
		// Nobody is called while Slack does not say that the card stands.
		mina := bot.Account{Platform: ID, Workspace: "T0TEAM", User: "U0MINA"}
		calls := map[string]bot.Note{"a mention": {Key: "m", Mention: &mina, Lines: note.Lines},
			"a reminder": {Key: "r", Loud: true, Notify: []string{"S0LEADS"}, Lines: note.Lines}}
		for _, gone := range []bool{true, false} {
			for _, f := range []slacktest.Fault{slacktest.ServerError(503), slacktest.Reset(), slacktest.Garbled(),
				slacktest.RateLimited(time.Second), slacktest.Code("internal_error"), slacktest.Code("missing_scope")} {
				ref, at := x.post(card(bot.Proposed))
				if gone {
					x.w.DeleteMessage(at)
				}
				time.Sleep(time.Minute)
				before, rung := len(x.w.Messages("C0TRUST")), len(x.w.Notified())
				for name, n := range calls {
					x.w.Fail("chat.getPermalink", 1, f)
					if _, err := x.a.Reply(x.t.Context(), ref, n); err == nil {
						x.t.Errorf("%s where %v: it is called good", name, f)
					}
					time.Sleep(2 * time.Second)
				}
				if now, n := len(x.w.Messages("C0TRUST")), len(x.w.Notified()); now != before || n != rung {
					x.t.Errorf("%v, gone: %v: %d messages, %d notified", f, gone, now-before, n-rung)
				}
				for name, n := range calls {
					_, err := x.a.Reply(x.t.Context(), ref, n)
					if errors.Is(err, bot.ErrGone) != gone || !gone && err != nil {
						x.t.Errorf("%s after %v, gone: %v: %v", name, f, gone, err)
					}
				}
			}
		}
	})
}

// TestSameEdit: an edit that would change nothing is not sent, but for one every ten seconds, which
// finds out whether the card still stands.
func TestSameEdit(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		sent := func(version int) int {
			before := x.w.Calls("chat.update")
			c := x.version(card(bot.Proposed), version)
			if err := x.a.Edit(x.t.Context(), ref, c); err != nil {
				x.t.Error(err)
			}
			return x.w.Calls("chat.update") - before
		}
		for i, want := range []int{1, 0, 0} {
			if n := sent(2); n != want {
				x.t.Errorf("time %d: %d edits, want %d", i+1, n, want)
			}
		}
		if a, b := sent(3), sent(2); a != 1 || b != 1 {
			x.t.Errorf("%d and %d edits that change something", a, b)
		}
		time.Sleep(9 * time.Second)
		if n := sent(2); n != 0 {
			x.t.Errorf("within ten seconds %d edits", n)
		}
		time.Sleep(1001 * time.Millisecond)
		if n := sent(2); n != 1 {
			x.t.Errorf("after ten seconds %d edits", n)
		}
		time.Sleep(11 * time.Second)
		x.w.Fail("chat.update", 1, slacktest.Code("missing_scope"))
		if err := x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), 4)); err == nil || sent(4) != 1 {
			x.t.Error("an edit that failed counts as made")
		}
	})
}

// TestBecomesShared: no message is shown in a channel that another organisation has come to see,
// ten seconds later at the latest.
func TestBecomesShared(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		c := cards()["many"]
		words := "read by nobody else"
		c.Samples[0].Text = bot.Line{bot.Quote(words)}
		ref, at := x.post(c)
		shows := func() bool {
			m, _ := x.w.Message(at)
			return strings.Contains(x.w.Picture(m), words)
		}
		if err := x.a.Edit(x.t.Context(), ref, c); err != nil {
			x.t.Error(err)
		}
		if !shows() {
			x.t.Fatalf("the card shows no %q", words)
		}
		share := func(shared bool) {
			x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", Name: "trust", BotIn: true, ExtShared: shared,
				Members: []string{"U0MINA", "U0THEO"}})
			time.Sleep(shownFor + time.Second)
		}
		edit := func(v int) {
			if err := x.a.Edit(x.t.Context(), ref, x.version(c, v)); err != nil {
				x.t.Error(err)
			}
		}
		share(true)
		if edit(2); shows() {
			x.t.Error("the card shows the messages to the other organisation")
		}
		if _, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, c, "k"); !errors.Is(err, bot.ErrForbidden) {
			x.t.Errorf("a card for a channel that is shared: %v", err)
		}
		x.bot.Set(func(b *adaptertest.Script) {
			b.Answer = func(intake.Event, bot.Member) intake.Answer {
				return intake.Answer{Kind: intake.ShowPage,
					Page: &intake.Page{Title: say("Messages"), Samples: c.Samples}}
			}
		})
		x.acked(x.w.Press("U0THEO", at, "show_all"))
		time.Sleep(3 * time.Second)
		for _, v := range x.w.Views("U0THEO") {
			if got := x.w.Picture(v); strings.Contains(got, words) || !strings.Contains(got, "another organisation") {
				x.t.Errorf("Show all shows:\n%s", got)
			}
		}
		share(false)
		if edit(3); !shows() {
			x.t.Error("the card does not show the messages again")
		}
		// Where Slack does not tell, nothing is shown, and the card is drawn nevertheless.
		time.Sleep(shownFor + time.Second)
		x.w.Fail("conversations.info", -1, slacktest.ServerError(503))
		edits := x.w.Calls("chat.update")
		if edit(4); shows() || x.w.Calls("chat.update") != edits+1 {
			x.t.Error("the card shows what it is not known that it may")
		}
	})
}

// TestFileNeedsMembership: the bot may post in a public channel that it is not in, but share no
// file there.
func TestFileNeedsMembership(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0PUBLIC"}, card(bot.Proposed), "k")
		if err != nil {
			x.t.Fatal(err)
		}
		if _, err := x.a.Reply(x.t.Context(), ref, bot.Note{Key: "n", Lines: []bot.Line{say("summary")},
			File: &bot.File{Name: "a.csv", Body: []byte("seq")}}); err != nil {
			x.t.Fatal(err)
		}
		thread := x.w.Thread("C0PUBLIC", ref.Message)
		if got := x.w.Picture(thread[len(thread)-1]); len(thread) != 2 || !strings.Contains(got, "/invite @recallbot") {
			x.t.Errorf("%d messages, the last is:\n%s", len(thread), got)
		}
		x.quiet()
	})
}

func TestSurfaceErrors(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		ref, _ := x.post(card(bot.Proposed))
		version := 10
		for _, test := range []struct {
			fault slacktest.Fault
			want  error
			after time.Duration
		}{
			{slacktest.RateLimited(7 * time.Second), nil, 7 * time.Second},
			{slacktest.RateLimited(24 * time.Hour), nil, probeEvery},
			{slacktest.RateLimitedNoHeader(), nil, defaultLater},
			{slacktest.RateLimitedBody(), nil, defaultLater},
			{slacktest.Code("message_not_found"), bot.ErrGone, 0},
			{slacktest.Code("thread_not_found"), bot.ErrGone, 0},
			{slacktest.Code("channel_not_found"), bot.ErrForbidden, 0}, // of a private channel that the bot is not in
			{slacktest.Code("is_archived"), bot.ErrForbidden, 0},
			{slacktest.Code("cant_update_message"), bot.ErrForbidden, 0},
			{slacktest.Code("edit_window_closed"), bot.ErrForbidden, 0},
			{slacktest.Code("not_in_channel"), bot.ErrForbidden, 0},
			{slacktest.Code("missing_scope"), bot.ErrForbidden, 0},
			{slacktest.Code("restricted_action_read_only_channel"), bot.ErrForbidden, 0},
			{slacktest.Code("posting_to_general_channel_denied"), bot.ErrForbidden, 0},
			{slacktest.Code("invalid_blocks"), bot.ErrRefused, 0},
			{slacktest.Code("msg_too_long"), bot.ErrRefused, 0},
			{slacktest.Code("a_code_of_tomorrow"), bot.ErrRefused, 0},
			{slacktest.Code("token_revoked"), nil, time.Minute},
		} {
			for method, call := range map[string]func() error{
				"chat.update": func() error {
					version++
					return x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), version))
				},
				"chat.postMessage": func() error {
					_, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k")
					return err
				},
			} {
				time.Sleep(time.Minute)
				x.w.Fail(method, -1, test.fault) // for the shorter one too
				err := call()
				x.w.Heal(method)
				for _, kind := range []error{bot.ErrGone, bot.ErrForbidden, bot.ErrRefused} {
					if errors.Is(err, kind) != (kind == test.want) {
						x.t.Errorf("%s: %v, want %v alone", method, err, test.want)
					}
				}
				if later, ok := errors.AsType[*bot.Later](err); test.want == nil && (!ok || later.After != test.after) {
					x.t.Errorf("%s: %v, want to wait %v", method, err, test.after)
				}
			}
		}
		for _, f := range []slacktest.Fault{slacktest.ServerError(503), slacktest.Reset(), slacktest.LoseReply(),
			slacktest.Garbled(), slacktest.GarbledReply()} {
			time.Sleep(time.Minute)
			version++
			x.w.Fail("chat.update", 1, f)
			if err := x.a.Edit(x.t.Context(), ref, x.version(card(bot.Proposed), version)); err != nil {
				x.t.Errorf("an edit after a moment's trouble: %v", err)
			}
			posts := len(x.w.Messages("C0TRUST"))
			x.w.Fail("chat.postMessage", 1, f)
			if _, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, card(bot.Proposed), "k"); err == nil {
				x.t.Error("a post whose answer was lost is called good")
			}
			if n := len(x.w.Messages("C0TRUST")) - posts; n > 1 {
				x.t.Errorf("the card was posted %d times", n)
			}
		}
		// Slack finds it too long: less is sent.
		x.w.Set(func(w *slacktest.Workspace) { w.MaxBlockBytes = 5000 })
		time.Sleep(time.Minute)
		if _, err := x.a.Post(x.t.Context(), bot.Place{Channel: "C0TRUST"}, cards()["many"], "k"); err != nil {
			x.t.Errorf("a long card: %v", err)
		}
		x.quiet()
	})
}

// TestEditBudget: twenty cards show progress every three seconds for ten minutes, and one of them
// ends every half minute. Slack never has to say that it is too much, and every end is shown within
// seconds.
func TestEditBudget(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		const n = 20
		refs := make([]bot.Ref, n)
		ended := make([]bool, n)
		for i := range refs {
			ref, _ := x.post(card(bot.Running))
			refs[i] = ref
			time.Sleep(time.Second)
		}
		var slowest time.Duration
		var mu sync.Mutex
		var ends sync.WaitGroup
		shownEdits := 0
		for round := range 200 {
			if i := round / 10; round%10 == 5 && !ended[i] {
				ended[i] = true
				ends.Go(func() {
					began := time.Now()
					ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
					defer cancel()
					c := card(bot.Done)
					c.Version = 5000
					if err := x.a.Edit(ctx, refs[i], c); err != nil {
						x.t.Errorf("the end of card %d: %v", i, err)
					}
					mu.Lock()
					slowest = max(slowest, time.Since(began))
					mu.Unlock()
				})
			}
			for i, ref := range refs {
				if ended[i] {
					continue
				}
				err := x.a.Edit(x.t.Context(), ref, x.version(card(bot.Running), 10+round))
				if _, later := errors.AsType[*bot.Later](err); err != nil && !later {
					x.t.Errorf("progress: %v", err)
				}
				if err == nil {
					shownEdits++
				}
			}
			time.Sleep(3 * time.Second)
		}
		ends.Wait()
		if slowest > 5*time.Second {
			x.t.Errorf("an end was shown after %v", slowest)
		}
		if shownEdits < 200 {
			x.t.Errorf("only %d edits of progress in ten minutes", shownEdits)
		}
		for _, c := range x.w.Log() {
			if c.Error != "" {
				x.t.Fatalf("%s: %s", c.Method, c.Error)
			}
		}
		for _, ref := range refs {
			if got := x.picture(slacktest.MessageRef{Channel: ref.Channel, TS: ref.Message}); strings.Contains(got,
				"of 1,000") {
				x.t.Errorf("a card that ended still shows:\n%s", got)
			}
		}
		x.quiet()
	})
}

// TestEnds: thirty cards end in the same moment. All are shown within a minute, and Slack is not
// asked too often.
func TestEnds(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		var refs []bot.Ref
		for range 30 {
			ref, _ := x.post(card(bot.Running))
			refs = append(refs, ref)
		}
		var all sync.WaitGroup
		began := time.Now()
		for _, ref := range refs {
			all.Go(func() {
				c := card(bot.Done)
				c.Version = 99
				for {
					ctx, cancel := context.WithTimeout(x.t.Context(), 10*time.Second)
					err := x.a.Edit(ctx, ref, c)
					cancel()
					later, busy := errors.AsType[*bot.Later](err)
					if !busy {
						if err != nil {
							x.t.Error(err)
						}
						return
					}
					time.Sleep(later.After)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > time.Minute {
			x.t.Errorf("took %v", took)
		}
		for _, c := range x.w.Log() {
			if c.Error != "" {
				x.t.Fatalf("%s: %s", c.Method, c.Error)
			}
		}
	})
}

// TestPostPace: posts to one channel come at about one a second after a few, those to another do
// not wait for them.
func TestPostPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(time.Second, 3)
		began := time.Now()
		var after []time.Duration
		for range 6 {
			if err := p.wait(t.Context(), "C1"); err != nil {
				t.Fatal(err)
			}
			after = append(after, time.Since(began))
		}
		if want := "[0s 0s 0s 1s 2s 3s]"; fmt.Sprint(after) != want {
			t.Errorf("posts after %v, want %s", after, want)
		}
		if err := p.wait(t.Context(), "C2"); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("another channel waited: %v, %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.wait(ctx, "C1"); err == nil {
			t.Error("did not end with its context")
		}
	})
}

// TestBudgetBound: no minute sees more edits than promised, however they are asked for.
func TestBudgetBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(35, 10, 3)
		var times []time.Time
		for i := range 400 {
			if b.take(t.Context(), i%3 == 0) == nil {
				times = append(times, time.Now())
			}
			if i%50 == 49 {
				time.Sleep(time.Minute)
			}
		}
		for i := range times {
			n := 0
			for _, u := range times[i:] {
				if u.Sub(times[i]) < time.Minute {
					n++
				}
			}
			if n > 45 {
				t.Fatalf("%d edits within a minute", n)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	for attempt := range 20 {
		for range 200 {
			if d := backoff(attempt); d < backoffFrom || d > backoffTo {
				t.Fatalf("backoff(%d) = %v", attempt, d)
			}
		}
	}
}

// TestCutSpeaksAlone: what is left out of a line is told in the bot's own words, and they alone;
// text of others that reads like them stays theirs.
func TestCutSpeaksAlone(t *testing.T) {
	words := func(s string) bot.Span { return bot.Span{Kind: bot.Words, Text: s} }
	at := bot.At(time.Unix(5, 0))
	for _, tt := range []struct {
		line  bot.Line
		limit int
		want  bot.Line
	}{
		{bot.Line{words("by "), bot.Quote("mina")}, 7, bot.Line{words("by "), bot.Quote("mina")}},
		{bot.Line{words("by "), bot.Quote("mina")}, 5, bot.Line{words("by "), bot.Quote("mi"), words("… (2 more)")}},
		{bot.Line{words("by "), bot.Quote("mina"), words(" now")}, 3, bot.Line{words("by "), words("… (8 more)")}},
		{bot.Line{bot.Quote("a… (7 more) approved")}, 11, bot.Line{bot.Quote("a… (7 more)"), words("… (9 more)")}},
		{bot.Line{bot.Quote("a"), at, bot.Quote("b")}, 20, bot.Line{bot.Quote("a"), words("… (24 more)")}},
	} {
		if got := cutLine(tt.line, tt.limit); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q in %d: %+v, want %+v", tt.line, tt.limit, got, tt.want)
		}
	}
}

// TestLeavesPrivateChannel: who is in a private channel no more turns no page of a window that is
// still open, ten seconds later at the latest. A public channel can be read by everybody.
func TestLeavesPrivateChannel(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		for _, private := range []bool{true, false} {
			enter := func(members ...string) {
				x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", Name: "trust", BotIn: true, Private: private,
					Members: members})
				time.Sleep(askedFor)
			}
			enter("U0MINA", "U0THEO")
			words := "read by nobody else"
			x.bot.Set(func(b *adaptertest.Script) {
				b.Answer = func(_ intake.Event, m bot.Member) intake.Answer {
					return intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{Title: say("Messages"), Of: 3,
						Number: 1, Request: "R-7K3M9Q", Digest: strings.Repeat("0", 64),
						Samples: []bot.Sample{{Seq: 1, Text: bot.Line{bot.Quote(words)}}}}}
				}
			})
			_, at := x.post(cards()["many"])
			x.acked(x.w.Press("U0THEO", at, "show_all"))
			time.Sleep(3 * time.Second)
			turn := func() string {
				x.t.Helper()
				all := x.w.Views("U0THEO")
				x.acked(x.w.PressInView("U0THEO", all[len(all)-1].ID, "page_next"))
				time.Sleep(3 * time.Second)
				all = x.w.Views("U0THEO")
				return x.w.Picture(all[len(all)-1])
			}
			calls := x.w.Calls("conversations.members")
			if got := turn(); !strings.Contains(got, words) || x.w.Calls("conversations.members") != calls {
				x.t.Errorf("private %v, %d calls more, a member turns the page:\n%s", private,
					x.w.Calls("conversations.members")-calls, got)
			}
			x.w.AddChannel(slacktest.Channel{ID: "C0TRUST", Name: "trust", BotIn: true, Private: private,
				Members: []string{"U0MINA"}})
			time.Sleep(shownFor)
			if got := turn(); strings.Contains(got, words) == private ||
				strings.Contains(got, "not in this channel any more") != private {
				x.t.Errorf("private %v, who has left turns the page:\n%s", private, got)
			}
		}
		x.quiet()
	})
}

// TestShownWherePeopleStillAre: for whatever act messages are shown, Slack was asked within the
// last ten seconds whether the channel became shared and who is in it. Other acts make do with an
// answer of the last minute.
func TestShownWherePeopleStillAre(t *testing.T) {
	inSlack(t, socketMode, func(x *world) {
		command := func(text string) intake.Act {
			return intake.Act{Kind: intake.ActCommand, Command: "recalls", Text: text}
		}
		for name, test := range map[string]struct {
			act   intake.Act
			shows bool
		}{
			"Show all":       {intake.Act{Kind: intake.ActShowAll}, true},
			"a page":         {intake.Act{Kind: intake.ActTurnFind}, true},
			"a suggestion":   {intake.Act{Kind: intake.ActUse}, true},
			"a search":       {command("find @TGS#1 last:9"), true},
			"a request":      {command("show R-7K3M9Q"), true},
			"a list":         {command("list"), false},
			"Ask again":      {intake.Act{Kind: intake.ActAskAgain}, false},
			"what was found": {intake.Act{Kind: intake.ActRecallFind}, false},
		} {
			for what, now := range map[bot.Trouble]slacktest.Channel{
				bot.TroubleLeft:      {Members: []string{"U0THEO"}},
				bot.TroubleExtShared: {Members: []string{"U0MINA"}, ExtShared: true},
			} {
				trouble := func() bot.Trouble {
					e := intake.Event{ID: "e", Place: x.a.place("C0TRUST"), By: x.a.account("U0MINA"), Act: test.act}
					_, at, err := (&taking{a: x.a, delivery: delivery{event: e.Read()}}).Member(x.t.Context())
					if err != nil {
						x.t.Fatal(err)
					}
					return at.Trouble
				}
				is := func(c slacktest.Channel) {
					c.ID, c.Name, c.BotIn, c.Private = "C0TRUST", "trust", true, true
					x.w.AddChannel(c)
					time.Sleep(shownFor + time.Second)
				}
				is(slacktest.Channel{Members: []string{"U0MINA"}})
				x.a.asked.Flush()
				if got := trouble(); got != "" {
					x.t.Errorf("%s: %q before anything happened", name, got)
				}
				is(now)
				for range 2 { // asked of Slack, and from what was asked
					if got := trouble(); (got == what) != test.shows || !test.shows && got != "" {
						x.t.Errorf("%s, where it is now %q: %q", name, what, got)
					}
				}
			}
		}
	})
}

// TestOutsideItsThreadAgain: a reply that came out of its thread is deleted, three times if need
// be. Where that fails too, the operator reads which message it is.
func TestOutsideItsThreadAgain(t *testing.T) {
	var log bytes.Buffer
	inSlack(t, socketMode, func(x *world) {
		for failures := range 4 {
			ref, at := x.post(card(bot.Proposed))
			x.w.DeleteMessage(at)
			before := len(x.w.Messages("C0TRUST"))
			x.w.Fail("chat.delete", failures, slacktest.ServerError(503))
			_, err := x.a.Reply(x.t.Context(), ref, bot.Note{Key: "n", Lines: []bot.Line{say("Receipt 1")}})
			if !errors.Is(err, bot.ErrGone) {
				x.t.Errorf("Reply: %v", err)
			}
			stands := len(x.w.Messages("C0TRUST")) - before
			told := strings.Count(log.String(), "stands outside its thread")
			if failures < 3 && stands+told != 0 || failures == 3 && (stands != 1 || told != 1) {
				x.t.Errorf("after %d failures %d messages stand, told %d times:\n%s", failures, stands, told, &log)
			}
		}
	}, func(_ *world, o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
}
