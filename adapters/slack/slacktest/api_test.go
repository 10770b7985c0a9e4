package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// acme is a workspace with three people, a group, and channels of each kind.
func acme(t *testing.T) *Workspace {
	t.Helper()
	w := New()
	t.Cleanup(w.Close)
	for _, u := range []User{
		{ID: "U1", Name: "mina"}, {ID: "U2", Name: "theo"}, {ID: "U3", Name: "guest", Restricted: true},
		{ID: "U4", Name: "other", TeamID: "T0OTHER"},
	} {
		w.AddUser(u)
	}
	w.AddGroup(UserGroup{ID: "S1", Handle: "approvers", Members: []string{"U2"}})
	w.AddGroup(UserGroup{ID: "S2", Handle: "old", Members: []string{"U1"}, Disabled: true})
	everybody := []string{"U1", "U2", "U3"}
	w.AddChannel(Channel{ID: "C1", Name: "trust", Members: everybody, BotIn: true})
	w.AddChannel(Channel{ID: "C2", Name: "open", Members: []string{"U1"}})
	w.AddChannel(Channel{ID: "C3", Name: "gone", Members: everybody, BotIn: true, Archived: true})
	w.AddChannel(Channel{ID: "C4", Name: "shared", Members: []string{"U1", "U4"}, BotIn: true, ExtShared: true})
	w.AddChannel(Channel{ID: "G1", Name: "secret", Members: []string{"U1"}, Private: true})
	return w
}

// ask calls a method with a form and the bot token.
func ask(t *testing.T, w *Workspace, method string, args ...string) map[string]any {
	t.Helper()
	form := url.Values{"token": {w.BotToken}}
	for i := 0; i < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	m, _ := send(t, w, method, form)
	return m
}

func send(t *testing.T, w *Workspace, method string, form url.Values) (map[string]any, *http.Response) {
	t.Helper()
	resp, err := w.Client().PostForm("https://slack.com/api/"+method, form)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return decode(t, resp), resp
}

func decode(t *testing.T, resp *http.Response) map[string]any {
	t.Helper()
	defer resp.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatalf("answer of status %d is not JSON: %v", resp.StatusCode, err)
	}
	return m
}

// want fails unless the answer has this error code; "" means ok.
func want(t *testing.T, m map[string]any, code string) {
	t.Helper()
	got, _ := m["error"].(string)
	if got != code || m["ok"] != (code == "") {
		t.Errorf("answer: ok %v, error %q, want error %q; %v", m["ok"], got, code, m["errors"])
	}
}

func TestTokens(t *testing.T) {
	w := acme(t)
	for _, tt := range []struct{ name, method, token, code string }{
		{"none", "auth.test", "", "not_authed"},
		{"unknown", "auth.test", "xoxb-nobody", "invalid_auth"},
		{"bot", "auth.test", w.BotToken, ""},
		{"app token for a bot's method", "users.info", w.AppToken, "not_allowed_token_type"},
		{"bot token for sockets", "apps.connections.open", w.BotToken, "not_allowed_token_type"},
		{"app token for sockets", "apps.connections.open", w.AppToken, ""},
		{"unknown method", "chat.shout", w.BotToken, "unknown_method"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form := url.Values{}
			if tt.token != "" {
				form.Set("token", tt.token)
			}
			m, _ := send(t, w, tt.method, form)
			want(t, m, tt.code)

			req, _ := http.NewRequest(http.MethodPost, "https://slack.com/api/"+tt.method, strings.NewReader("{}"))
			req.Header.Set("Content-Type", "application/json; charset=utf-8")
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			resp, err := w.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			want(t, decode(t, resp), tt.code)
		})
	}
	_, resp := send(t, w, "auth.test", url.Values{"token": {w.BotToken}})
	if got := resp.Header.Get("X-OAuth-Scopes"); got != strings.Join(w.Scopes, ",") {
		t.Errorf("X-OAuth-Scopes: %q", got)
	}
	// A token within a JSON body does not count.
	resp, err := w.Client().Post("https://slack.com/api/chat.postMessage", "application/json",
		strings.NewReader(`{"token":"`+w.BotToken+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	want(t, decode(t, resp), "not_authed")
}

func TestRequestForms(t *testing.T) {
	w := acme(t)
	post := func(kind, body string) map[string]any {
		t.Helper()
		req, _ := http.NewRequest(http.MethodPost, "https://slack.com/api/users.info", strings.NewReader(body))
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		req.Header.Set("Authorization", "Bearer "+w.BotToken)
		resp, err := w.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, resp)
	}
	want(t, post("application/json", `{"user":"U1"}`), "user_not_found") // reading methods take no JSON
	want(t, post("application/x-www-form-urlencoded", `user=U1`), "")
	want(t, post("application/json", `[1]`), "json_not_object")
	want(t, post("application/json", `{"user"`), "invalid_json")
	want(t, post("text/plain", `user=U1`), "invalid_post_type")
	want(t, post("", `user=U1`), "missing_post_type")
	resp, err := w.Client().Get("https://slack.com/api/users.info?user=U1&token=" + w.BotToken)
	if err != nil {
		t.Fatal(err)
	}
	want(t, decode(t, resp), "")
	if _, err := w.Client().Get("https://example.com/api/auth.test"); err == nil {
		t.Error("another host was reached")
	}
}

func TestScopes(t *testing.T) {
	for _, tt := range []struct {
		scope, method string
		args          []string
	}{
		{"chat:write", "chat.postMessage", []string{"channel", "C1", "text", "x"}},
		{"chat:write", "chat.postEphemeral", []string{"channel", "C1", "user", "U1", "text", "x"}},
		{"users:read", "users.info", []string{"user", "U1"}},
		{"usergroups:read", "usergroups.users.list", []string{"usergroup", "S1"}},
		{"channels:read", "conversations.info", []string{"channel", "C1"}},
		{"groups:read", "conversations.info", []string{"channel", "G1"}},
		{"channels:history", "conversations.replies", []string{"channel", "C1", "ts", "1.000001"}},
		{"files:write", "files.getUploadURLExternal", []string{"filename", "a", "length", "1"}},
		{"team:read", "team.info", nil},
	} {
		w := acme(t)
		w.Set(func(w *Workspace) {
			w.Scopes = slices.DeleteFunc(w.Scopes, func(s string) bool { return s == tt.scope })
		})
		m := ask(t, w, tt.method, tt.args...)
		want(t, m, "missing_scope")
		if m["needed"] != tt.scope || m["provided"] != strings.Join(w.Scopes, ",") {
			t.Errorf("%s: needed %v, provided %v", tt.method, m["needed"], m["provided"])
		}
	}
}

func TestWhereToPost(t *testing.T) {
	w := acme(t)
	for _, tt := range []struct{ channel, code string }{
		{"C1", ""}, {"C2", ""}, {"C3", "is_archived"}, {"C9", "channel_not_found"}, {"", "channel_not_found"},
		{"trust", "channel_not_found"},
		{"G1", "channel_not_found"}, {"U1", ""},
	} {
		t.Run(tt.channel, func(t *testing.T) {
			want(t, ask(t, w, "chat.postMessage", "channel", tt.channel, "text", "hello"), tt.code)
		})
	}
	w.Set(func(w *Workspace) {
		w.Scopes = slices.DeleteFunc(w.Scopes, func(s string) bool { return s == "chat:write.public" })
	})
	want(t, ask(t, w, "chat.postMessage", "channel", "C2", "text", "hello"), "not_in_channel")
	m := ask(t, w, "chat.postMessage", "channel", "U1", "text", "again")
	if got := w.Messages(m["channel"].(string)); len(got) != 2 || got[1].Text != "again" {
		t.Errorf("the direct conversation has %d messages, want the 2 that were sent", len(got))
	}
}

func TestThreads(t *testing.T) {
	w := acme(t)
	card := ask(t, w, "chat.postMessage", "channel", "C1", "text", "card")["ts"].(string)
	want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", "now"), "invalid_thread_ts")
	want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", "1.000001"), "thread_not_found")
	reply := ask(t, w, "chat.postMessage", "channel", "C1", "text", "reply", "thread_ts", card)
	want(t, reply, "")
	want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "loud", "thread_ts", card, "reply_broadcast",
		"true"), "")
	if n := len(w.Thread("C1", card)); n != 2 {
		t.Errorf("%d replies, want 2", n)
	}
	if got := w.Messages("C1"); len(got) != 2 || !got[1].Broadcast || got[1].Text != "loud" {
		t.Errorf("in the channel: %+v", got)
	}
	if len(w.Complaints()) != 0 {
		t.Errorf("complaints: %q", w.Complaints())
	}
	want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", reply["ts"].(string)), "")
	if len(w.Complaints()) != 1 {
		t.Errorf("complaints: %q, want one about a reply to a reply", w.Complaints())
	}
	m := ask(t, w, "conversations.replies", "channel", "C1", "ts", card, "limit", "2")
	if list := m["messages"].([]any); len(list) != 2 || m["has_more"] != true {
		t.Errorf("replies: %v", m)
	}
	next := m["response_metadata"].(map[string]any)["next_cursor"].(string)
	m = ask(t, w, "conversations.replies", "channel", "C1", "ts", card, "limit", "2", "cursor", next)
	if list := m["messages"].([]any); len(list) != 2 || m["has_more"] != false {
		t.Errorf("second page: %v", m)
	}
	m = ask(t, w, "conversations.history", "channel", "C1", "oldest", card)
	if list := m["messages"].([]any); len(list) != 1 {
		t.Errorf("history after the card: %v", m)
	}
	want(t, ask(t, w, "conversations.history", "channel", "C1", "oldest", "yesterday"), "invalid_ts_oldest")
	want(t, ask(t, w, "conversations.history", "channel", "C2"), "not_in_channel")
	want(t, ask(t, w, "conversations.replies", "channel", "C1", "ts", "1.1"), "thread_not_found")
}

func TestTimestamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New()
		defer w.Close()
		w.AddChannel(Channel{ID: "C1", BotIn: true})
		last := ""
		for range 5 {
			ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x")["ts"].(string)
			if !plausibleTS(ts) || ts <= last {
				t.Errorf("ts %s after %s", ts, last)
			}
			last = ts
		}
		if got, want := strings.Split(last, ".")[0], fmt.Sprint(time.Now().Unix()); got != want {
			t.Errorf("ts begins with %s, the time is %s", got, want)
		}
	})
}

const button = `{"type":"button","action_id":"a","text":{"type":"plain_text","text":"A"}}`

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := acme(t)
		blocks := `[{"type":"actions","block_id":"b","elements":[` + button + `]}]`
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "card <@U1>", "blocks", blocks)["ts"].(string)
		get := func() Message { m, _ := w.Message(MessageRef{"C1", ts}); return m }

		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "two <@U2>", "blocks", blocks), "")
		if m := get(); m.Edited || m.Updates != 1 || len(m.Buttons()) != 1 {
			t.Errorf("after an update with blocks: %+v", m)
		}
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "three"), "")
		if m := get(); !m.Edited || m.Blocks != nil || m.Text != "three" {
			t.Errorf("after an update with text alone: %+v", m)
		}
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "four", "blocks", "[]"), "")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts), "no_text")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", strings.Repeat("語", 4000)), "")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", strings.Repeat("x", 4001)), "msg_too_long")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", "1.000001", "text", "x"), "message_not_found")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", "today", "text", "x"), "message_not_found")
		want(t, ask(t, w, "chat.update", "channel", "C9", "ts", ts, "text", "x"), "channel_not_found")
		said := w.Say("U1", "C1", "", "hello")
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", said.TS, "text", "x"), "cant_update_message")
		want(t, ask(t, w, "chat.delete", "channel", "C1", "ts", said.TS), "cant_delete_message")
		if diff := cmp.Diff([]Notification{{"U1", "C1", ts, "text"}}, w.Notified()); diff != "" {
			t.Errorf("notified (-want +got):\n%s", diff)
		}
		w.Set(func(w *Workspace) { w.EditWindow = time.Hour })
		time.Sleep(61 * time.Minute)
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "x"), "edit_window_closed")
		want(t, ask(t, w, "chat.delete", "channel", "C1", "ts", ts), "")
		want(t, ask(t, w, "chat.delete", "channel", "C1", "ts", ts), "message_not_found")
		if w.DeleteMessage(said.Ref()); len(w.Messages("C1")) != 0 {
			t.Error("deleted messages are still shown")
		}
		w.AddChannel(Channel{ID: "C1", Name: "trust", BotIn: true, Archived: true})
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "x"), "is_archived")
	})
}

func TestText(t *testing.T) {
	w := acme(t)
	w.RateLimits = false
	post := func(args ...string) map[string]any {
		return ask(t, w, "chat.postMessage", append([]string{"channel", "C1"}, args...)...)
	}
	want(t, post(), "no_text")
	want(t, post("text", strings.Repeat("x", 40_001)), "msg_too_long")
	want(t, post("text", strings.Repeat("x", 4_000)), "")
	if len(w.Complaints()) != 0 {
		t.Errorf("complaints: %q", w.Complaints())
	}
	want(t, post("text", strings.Repeat("x", 4_001)), "")
	if len(w.Complaints()) != 1 {
		t.Errorf("complaints: %q, want one about a message that is split", w.Complaints())
	}
	want(t, post("markdown_text", "**x**"), "")
	want(t, post("markdown_text", "**x**", "text", "x"), "markdown_text_conflict")
	want(t, post("markdown_text", strings.Repeat("x", 12_001)), "msg_too_long")
	want(t, post("text", "x", "metadata", `{"event_type":"card","event_payload":{"key":"R-1"}}`), "")
	want(t, post("text", "x", "metadata", `{"event_type":"card"}`), "invalid_metadata_schema")
	want(t, post("text", "x", "metadata", `R-1`), "invalid_metadata_format")
	want(t, post("text", "x", "attachments", `[{"text":"y"}]`), "invalid_attachments")
	want(t, post("text", "x", "blocks", `{}`), "invalid_blocks_format")
	want(t, post("text", "x", "unfurl_links", "false", "unfurl_media", "false"), "")
	list := w.Messages("C1")
	if m := list[len(list)-1]; !m.UnfurlOff {
		t.Errorf("unfurling is not off: %+v", m)
	}
	m := ask(t, w, "conversations.history", "channel", "C1", "include_all_metadata", "true", "limit", "2")
	if !strings.Contains(fmt.Sprint(m["messages"]), "R-1") {
		t.Errorf("history has no metadata: %v", m["messages"])
	}
}

func TestEphemeral(t *testing.T) {
	w := acme(t)
	m := ask(t, w, "chat.postEphemeral", "channel", "C1", "user", "U1", "text", "psst <@U2>")
	want(t, m, "")
	want(t, ask(t, w, "chat.postEphemeral", "channel", "C2", "user", "U2", "text", "x"), "user_not_in_channel")
	want(t, ask(t, w, "chat.postEphemeral", "channel", "C1", "user", "U9", "text", "x"), "user_not_found")
	want(t, ask(t, w, "chat.update", "channel", "C1", "ts", m["message_ts"].(string), "text", "x"), "message_not_found")
	if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Text != "psst <@U2>" || got[0].Via != "chat.postEphemeral" {
		t.Errorf("mina sees %+v", got)
	}
	if len(w.Ephemerals("U2")) != 0 || len(w.Messages("C1")) != 0 || len(w.Notified()) != 0 {
		t.Error("others learned of it")
	}
}

func TestDirectory(t *testing.T) {
	w := acme(t)
	user := ask(t, w, "users.info", "user", "U3", "include_locale", "true")["user"].(map[string]any)
	if user["is_restricted"] != true || user["team_id"] != "T0TEAM" || user["locale"] != "en-US" ||
		user["deleted"] != false {
		t.Errorf("users.info: %v", user)
	}
	if _, there := user["is_stranger"]; there {
		t.Error("is_stranger is told where it is false")
	}
	w.AddUser(User{ID: "U3", Name: "guest", Deleted: true, Stranger: true, WorkflowBot: true, Email: "g@example.com"})
	user = ask(t, w, "users.info", "user", "U3")["user"].(map[string]any)
	if user["deleted"] != true || user["is_stranger"] != true || user["is_workflow_bot"] != true {
		t.Errorf("users.info after a change: %v", user)
	}
	if strings.Contains(fmt.Sprint(user), "example.com") {
		t.Error("an address is told without its scope")
	}
	want(t, ask(t, w, "users.info", "user", "U9"), "user_not_found")
	if m := ask(t, w, "users.info", "user", w.BotUserID); m["user"].(map[string]any)["is_bot"] != true {
		t.Errorf("the app's own user: %v", m)
	}
	if m := ask(t, w, "usergroups.users.list", "usergroup", "S1"); fmt.Sprint(m["users"]) != "[U2]" {
		t.Errorf("members: %v", m)
	}
	want(t, ask(t, w, "usergroups.users.list", "usergroup", "S2"), "no_such_subteam")
	want(t, ask(t, w, "usergroups.users.list", "usergroup", "S2", "include_disabled", "true"), "")
	if m := ask(t, w, "usergroups.list", "include_users", "true"); len(m["usergroups"].([]any)) != 1 {
		t.Errorf("groups: %v", m)
	}
	if m := ask(t, w, "usergroups.list", "include_disabled", "true"); len(m["usergroups"].([]any)) != 2 {
		t.Errorf("groups with the disabled: %v", m)
	}
	ch := ask(t, w, "conversations.info", "channel", "C4")["channel"].(map[string]any)
	if ch["is_ext_shared"] != true || ch["is_member"] != true || ch["is_private"] != false {
		t.Errorf("conversations.info: %v", ch)
	}
	want(t, ask(t, w, "conversations.info", "channel", "G1"), "channel_not_found")
	if m := ask(t, w, "conversations.members", "channel", "C1"); fmt.Sprint(m["members"]) != "[U1 U2 U3 U0BOT]" {
		t.Errorf("members: %v", m)
	}
	want(t, ask(t, w, "bots.info", "bot", "B0BOT"), "")
	want(t, ask(t, w, "bots.info", "bot", "B1"), "bot_not_found")
	if m := ask(t, w, "team.info"); m["team"].(map[string]any)["id"] != "T0TEAM" {
		t.Errorf("team: %v", m)
	}
}

func TestRateLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := acme(t)
		form := url.Values{"token": {w.BotToken}, "channel": {"C1"}, "text": {"x"}}
		for i := range w.PostBurst {
			if m, _ := send(t, w, "chat.postMessage", form); m["ok"] != true {
				t.Fatalf("post %d: %v", i, m)
			}
		}
		m, resp := send(t, w, "chat.postMessage", form)
		want(t, m, "ratelimited")
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		want(t, ask(t, w, "chat.postMessage", "channel", "C4", "text", "x"), "") // another channel has its own pace
		time.Sleep(time.Second)
		want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "x"), "")

		ts := w.Messages("C1")[0].TS
		for range 50 {
			want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "x"), "")
		}
		m, resp = send(t, w, "chat.update", url.Values{"token": {w.BotToken}, "channel": {"C1"}, "ts": {ts},
			"text": {"x"}})
		want(t, m, "ratelimited")
		if got := resp.Header.Get("Retry-After"); got != "60" {
			t.Errorf("Retry-After %q, want 60", got)
		}
		time.Sleep(time.Minute)
		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "x"), "")
		w.Set(func(w *Workspace) { w.RateLimits = false })
		for range 60 {
			want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "x"), "")
		}
	})
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   Fault
		status  int    // 0: no answer
		code    string // of a JSON answer
		acts    bool
		takes   time.Duration
		refused bool // the connection breaks
	}{
		{"429 with Retry-After", RateLimited(1500 * time.Millisecond), 429, "ratelimited", false, 0, false},
		{"429 without", RateLimitedNoHeader(), 429, "ratelimited", false, 0, false},
		{"ratelimited in the body", RateLimitedBody(), 200, "ratelimited", false, 0, false},
		{"503", ServerError(503), 503, "", false, 0, false},
		{"garbled", Garbled(), 200, "", false, 0, false},
		{"a code", Code("token_revoked"), 200, "token_revoked", false, 0, false},
		{"hang", Hang(), 0, "", false, 5 * time.Second, false},
		{"reset", Reset(), 0, "", false, 0, true},
		{"reply lost", LoseReply(), 0, "", true, 0, true},
		{"reply hangs", HangAfter(), 0, "", true, 5 * time.Second, false},
		{"reply garbled", GarbledReply(), 502, "", true, 0, false},
		{"slow", Slow(2 * time.Second), 200, "ok", true, 2 * time.Second, false},
		{"too slow", Slow(time.Minute), 0, "", false, 5 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := acme(t)
				w.Fail("chat.postMessage", 1, tt.fault)
				client := w.Client()
				client.Timeout = 5 * time.Second
				begin := time.Now()
				resp, err := client.PostForm("https://slack.com/api/chat.postMessage",
					url.Values{"token": {w.BotToken}, "channel": {"C1"}, "text": {"x"}})
				if took := time.Since(begin); took != tt.takes {
					t.Errorf("took %v, want %v", took, tt.takes)
				}
				switch {
				case tt.status == 0 && err == nil:
					t.Errorf("answered with status %d", resp.StatusCode)
				case tt.status == 0:
					if ue, ok := errors.AsType[*url.Error](err); !ok || ue.Timeout() == tt.refused {
						t.Errorf("error %v: timeout %v", err, ok && ue.Timeout())
					}
				case err != nil:
					t.Fatal(err)
				default:
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					var m struct{ Error string }
					if jsonErr := json.Unmarshal(body, &m); resp.StatusCode != tt.status ||
						(jsonErr == nil) != (tt.code != "") || tt.code != "ok" && m.Error != tt.code {
						t.Errorf("status %d, body %s", resp.StatusCode, body)
					}
					if got, want := resp.Header.Get("Retry-After") != "", tt.fault.retryAfter > 0; got != want {
						t.Errorf("Retry-After told: %v", got)
					}
				}
				if got := len(w.Messages("C1")) == 1; got != tt.acts {
					t.Errorf("acted: %v, want %v", got, tt.acts)
				}
				if c := w.Log()[0]; c.Method != "chat.postMessage" || c.Channel != "C1" || c.Bytes == 0 ||
					(c.Error == "") != (tt.code == "ok") {
					t.Errorf("log: %+v", c)
				}
				want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", "after"), "")
				if w.Calls("chat.postMessage") != 2 || w.Counts()["chat.postMessage"] != 2 {
					t.Errorf("counted %d calls, want 2", w.Calls("chat.postMessage"))
				}
			})
		})
	}
}

func TestFaultOrder(t *testing.T) {
	w := acme(t)
	w.Fail("*", -1, Code("fatal_error"))
	w.Fail("auth.test", 1, Code("first"))
	w.Fail("auth.test", 1, Code("second"))
	for _, code := range []string{"first", "second", "fatal_error", "fatal_error"} {
		want(t, ask(t, w, "auth.test"), code)
	}
	w.Heal("*")
	want(t, ask(t, w, "auth.test"), "")
}

// TestOverTCP runs the faults that break connections on a real listener.
func TestOverTCP(t *testing.T) {
	w := acme(t)
	base, stop := w.Start()
	defer stop()
	post := func(client *http.Client) (*http.Response, error) {
		return client.PostForm(base+"/api/chat.postMessage", url.Values{"token": {w.BotToken}, "channel": {"C1"},
			"text": {"x"}})
	}
	resp, err := post(http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	want(t, decode(t, resp), "")
	w.Fail("chat.postMessage", 1, LoseReply())
	if _, err := post(http.DefaultClient); err == nil {
		t.Error("the reply came")
	}
	w.Fail("chat.postMessage", 1, Hang())
	if _, err := post(&http.Client{Timeout: 50 * time.Millisecond}); err == nil {
		t.Error("the reply came")
	}
	if n := len(w.Messages("C1")); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	resp, err = post(w.Client()) // the listener's address is served in process too
	if err != nil {
		t.Fatal(err)
	}
	want(t, decode(t, resp), "")
	if resp, err = http.Get(base + "/nothing"); err != nil || resp.StatusCode != 404 {
		t.Errorf("unknown path: %v, %v", resp, err)
	}
}

func TestFiles(t *testing.T) {
	w := acme(t)
	card := ask(t, w, "chat.postMessage", "channel", "C1", "text", "card")["ts"].(string)
	content := "seq,outcome\n1,recalled\n"
	want(t, ask(t, w, "files.getUploadURLExternal", "filename", "a.csv"), "invalid_arguments")
	up := ask(t, w, "files.getUploadURLExternal", "filename", "a.csv", "length", fmt.Sprint(len(content)))
	want(t, up, "")
	target, id := up["upload_url"].(string), up["file_id"].(string)
	files := `[{"id":"` + id + `","title":"results"}]`
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C1"), "file_not_found")
	for _, tt := range []struct {
		body   string
		status int
	}{{"short", 400}, {content, 200}} {
		resp, err := w.Client().Post(target, "application/octet-stream", strings.NewReader(tt.body))
		if err != nil || resp.StatusCode != tt.status {
			t.Fatalf("upload of %d bytes: %v, %v", len(tt.body), resp, err)
		}
	}
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C2"), "not_in_channel")
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C1", "thread_ts", card), "")
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C1"), "file_not_found")
	got := w.Files("C1", card)
	if len(got) != 1 || string(got[0].Content) != content || got[0].Name != "a.csv" || got[0].Title != "results" {
		t.Fatalf("files: %+v", got)
	}
	if thread := w.Thread("C1", card); len(thread) != 1 || len(thread[0].Files) != 1 || thread[0].TS != got[0].TS {
		t.Errorf("thread: %+v", thread)
	}
	if len(w.Files("C1", "")) != 1 || len(w.Files("C2", "")) != 0 {
		t.Error("files of a channel")
	}
}

func TestUploadFaults(t *testing.T) {
	w := acme(t)
	up := ask(t, w, "files.getUploadURLExternal", "filename", "a", "length", "1")
	post := func(target string) (int, error) {
		resp, err := w.Client().Post(target, "application/octet-stream", strings.NewReader("x"))
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return resp.StatusCode, nil
	}
	target := up["upload_url"].(string)
	w.Fail("upload", 1, ServerError(503))
	if status, err := post(target); status != 503 || err != nil {
		t.Errorf("503: %d, %v", status, err)
	}
	w.Fail("upload", 1, LoseReply())
	if _, err := post(target); err == nil {
		t.Error("the reply came")
	}
	if status, err := post("https://files.slack.com/upload/v1/F9"); status != 404 || err != nil {
		t.Errorf("an unknown upload: %d, %v", status, err)
	}
	files := `[{"id":"` + up["file_id"].(string) + `"}]`
	for channel, code := range map[string]string{"C3": "is_archived", "C9": "channel_not_found",
		"G1": "channel_not_found"} {
		want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", channel), code)
	}
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C1", "thread_ts", "1.000001"),
		"thread_not_found")
	want(t, ask(t, w, "files.completeUploadExternal", "files", `[]`), "invalid_arguments")
	want(t, ask(t, w, "files.completeUploadExternal", "files", files, "channel_id", "C1", "initial_comment", "here"),
		"")
	if got := w.Messages("C1"); len(got) != 1 || w.Picture(got[0]) != "┌ recallbot\n│ here\n│ [file a, 1 bytes]\n└\n" {
		t.Errorf("in the channel: %+v", got)
	}
}

// TestTextThatWorks: markup in a message's text has an effect unless it is switched off, and the
// codes of emoji have one in any case.
func TestTextThatWorks(t *testing.T) {
	for text, complaints := range map[string][2]int{ // by default, and with mrkdwn off
		"plain, at 12:34:56 UTC, 2 * 3 * 4 a_b_c": {0, 0}, "*bold*": {1, 0}, "`code`": {1, 0}, "so _it_ is": {1, 0},
		"~no~": {1, 0}, "x\n> said": {1, 0},
		"won :tada: again": {1, 1}, ":+1:": {1, 1}, ":100:": {1, 1}, "a∶tada∶b": {0, 0},
	} {
		for i, off := range []string{"true", "false"} {
			w := acme(t)
			want(t, ask(t, w, "chat.postMessage", "channel", "C1", "text", text, "mrkdwn", off), "")
			if got := w.Complaints(); len(got) != complaints[i] {
				t.Errorf("%q with mrkdwn %s: complaints %q", text, off, got)
			}
		}
	}
}
