package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// app is an HTTP app that answers each post with the next of its answers.
type app struct {
	t       *testing.T
	secret  string
	mu      sync.Mutex
	answers []func(rw http.ResponseWriter, r *http.Request)
	got     []*http.Request
	bodies  []string
	bad     int // requests with a wrong signature or an old timestamp
}

func (a *app) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Errorf("reading the body: %v", err)
	}
	a.mu.Lock()
	a.got, a.bodies = append(a.got, r), append(a.bodies, string(body))
	ts := r.Header.Get("X-Slack-Request-Timestamp")
	var sec int64
	fmt.Sscan(ts, &sec)
	if age := time.Since(time.Unix(sec, 0)); Sign(a.secret, ts, body) != r.Header.Get("X-Slack-Signature") ||
		age.Abs() > 5*time.Minute {
		a.bad++
		a.mu.Unlock()
		http.Error(rw, "no", http.StatusUnauthorized)
		return
	}
	answer := func(http.ResponseWriter, *http.Request) {}
	if len(a.answers) > 0 {
		answer, a.answers = a.answers[0], a.answers[1:]
	}
	a.mu.Unlock()
	answer(rw, r)
}

func says(kind, body string) func(http.ResponseWriter, *http.Request) {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", kind)
		io.WriteString(rw, body)
	}
}

// httpMode makes the workspace deliver to an app in process.
func httpMode(t *testing.T, w *Workspace, answers ...func(http.ResponseWriter, *http.Request)) *app {
	a := &app{t: t, secret: w.SigningSecret, answers: answers}
	w.Deliver(a)
	return a
}

func TestHTTPCommand(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w, says("text/plain", "noted"),
			says("application/json", `{"response_type":"in_channel","text":"for all"}`))
		d := w.Command("U1", "C1", "/recall", "1 & 2")
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(a.bodies[0])
		if err != nil || form.Get("text") != "1 & 2" || form.Get("command") != "/recall" ||
			form.Get("trigger_id") != d.Trigger {
			t.Errorf("form %v, %v", form, err)
		}
		if r := a.got[0]; r.URL.Path != "/slack/commands" || r.Method != http.MethodPost ||
			r.Header.Get("X-Slack-Retry-Num") != "" {
			t.Errorf("request %s %s", r.Method, r.URL)
		}
		if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Text != "noted" || got[0].Via != "ack" ||
			d.StatusCode() != 200 {
			t.Errorf("mina sees %+v", got)
		}
		if err := w.Command("U1", "C1", "/recall", "x").Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.Messages("C1"); len(got) != 2 || got[1].Text != "for all" {
			t.Errorf("in the channel: %+v", got)
		}
	})
}

func TestHTTPForgeries(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w)
		for _, f := range []func(*Workspace){
			func(w *Workspace) { w.BadSignature = true },
			func(w *Workspace) { w.BadSignature, w.SignatureAge = false, 301*time.Second },
			func(w *Workspace) { w.SignatureAge = -301 * time.Second },
		} {
			w.Set(f)
			d := w.Command("U1", "C1", "/recall", "x")
			if err := d.Wait(t.Context()); err == nil || d.StatusCode() != 401 || d.Failure() != "http_client_error" {
				t.Errorf("%v, status %d, %q", err, d.StatusCode(), d.Failure())
			}
		}
		if a.bad != 3 {
			t.Errorf("%d requests were bad, want 3", a.bad)
		}
		w.Set(func(w *Workspace) { w.SignatureAge = 0 })
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		time.Sleep(4 * time.Minute)
		again := d.Replay()
		if err := again.Wait(t.Context()); err != nil {
			t.Errorf("replay: %v", err)
		}
		if n := len(a.bodies); a.bodies[n-1] != a.bodies[n-2] ||
			a.got[n-1].Header.Get("X-Slack-Signature") != a.got[n-2].Header.Get("X-Slack-Signature") {
			t.Error("the replay differs")
		}
		if err := w.SSLCheck().Wait(t.Context()); err != nil || !strings.Contains(a.bodies[len(a.bodies)-1],
			"ssl_check=1") {
			t.Errorf("ssl_check: %v, %s", err, a.bodies[len(a.bodies)-1])
		}
		w.Deliver(nil)
		if d := w.SSLCheck(); d.Err() == nil {
			t.Error("ssl_check without a request URL")
		}
	})
}

func TestHTTPFailures(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		httpMode(t, w,
			func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) },
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(rw http.ResponseWriter, _ *http.Request) { time.Sleep(5 * time.Second); io.WriteString(rw, "late") },
		)
		for _, tt := range []struct {
			failure string
			takes   time.Duration
		}{{"http_service_error", 0}, {"connection_failed", 0}, {"operation_timeout", 3 * time.Second},
			{"operation_timeout", 3 * time.Second}} {
			begin := time.Now()
			d := w.Command("U1", "C1", "/recall", "x")
			if err := d.Wait(t.Context()); err == nil || d.Failure() != tt.failure || time.Since(begin) != tt.takes {
				t.Errorf("%v, %q after %v, want %q after %v", err, d.Failure(), time.Since(begin), tt.failure, tt.takes)
			}
		}
		time.Sleep(5 * time.Second)
		if got := w.Ephemerals("U1"); len(got) != 4 || strings.Contains(fmt.Sprint(got), "late") {
			t.Errorf("mina sees %+v", got)
		}
	})
	bubble(t, func(t *testing.T, w *Workspace) {
		w.Redeliver = true
		a := httpMode(t, w,
			func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) },
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		)
		d := w.Command("U1", "C1", "/recall", "x")
		if err := d.Wait(t.Context()); err != nil || d.Attempts() != 3 {
			t.Fatalf("%v after %d attempts", err, d.Attempts())
		}
		for i, reason := range []string{"", "http_error", "http_timeout"} {
			if got := a.got[i].Header.Get("X-Slack-Retry-Reason"); got != reason {
				t.Errorf("attempt %d: reason %q, want %q", i, got, reason)
			}
		}
	})
}

func TestRequestURL(t *testing.T) {
	w := acme(t)
	a := &app{t: t, secret: w.SigningSecret}
	base, stop := listen(t, &http.Server{Handler: a})
	defer stop()
	w.RequestURL = base
	if err := w.Command("U1", "C1", "/recall", "x").Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	if d := w.Command("U1", "C1", "/recall", "x"); d.Wait(t.Context()) == nil || d.Failure() != "connection_failed" {
		t.Errorf("with nobody listening: %q", d.Failure())
	}
}

func TestImpossible(t *testing.T) {
	w := acme(t)
	w.Deliver(http.NotFoundHandler())
	ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks",
		`[{"type":"actions","elements":[`+button+`]},{"type":"actions","elements":[`+button+
			`,{"type":"button","action_id":"b","text":`+plain(1)+`}]}]`)["ts"].(string)
	ref := MessageRef{"C1", ts}
	for name, d := range map[string]*Delivery{
		"no such user":         w.Command("U9", "C1", "/recall", ""),
		"no such channel":      w.Command("U1", "C9", "/recall", ""),
		"no such command":      w.Command("U1", "C1", "/ban", ""),
		"archived":             w.Command("U1", "C3", "/recall", ""),
		"not in it":            w.Command("U2", "G1", "/recall", ""),
		"no such button":       w.Press("U1", ref, "c"),
		"two such buttons":     w.Press("U1", ref, "a"),
		"no such message":      w.Press("U1", MessageRef{"C1", "1.000001"}, "b"),
		"another organisation": w.Press("U4", ref, "b"),
		"no such view":         w.Submit("U1", "V9", nil),
		"nothing to close":     w.CloseView("U1", "V9"),
	} {
		if d.Err() == nil || d.Acked() || d.Wait(t.Context()) == nil {
			t.Errorf("%s: it was done", name)
		}
	}
	if d := w.Press("U1", ref, "b"); d.Err() != nil {
		t.Errorf("pressing what is there: %v", d.Err())
	}
}

const card = `[
	{"type":"section","block_id":"s","text":{"type":"mrkdwn","text":"Recall 2 messages?","verbatim":true}},
	{"type":"actions","block_id":"decide","elements":[
		{"type":"button","action_id":"approve","value":"R-1:abc","style":"primary","text":{"type":"plain_text","text":"Approve"}},
		{"type":"button","action_id":"reject","value":"R-1:abc","text":{"type":"plain_text","text":"Reject"}}]}]`

func TestPress(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "card", "blocks", card)["ts"].(string)
		ref := MessageRef{"C1", ts}
		before, _ := w.Message(ref)
		d := w.Press("U2", ref, "approve")
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		m := c.last()
		p := m["payload"].(map[string]any)
		action := p["actions"].([]any)[0].(map[string]any)
		if m["type"] != "interactive" || p["type"] != "block_actions" || action["value"] != "R-1:abc" ||
			action["block_id"] != "decide" || action["style"] != "primary" {
			t.Errorf("payload: %v", p)
		}
		for path, want := range map[string]any{
			"user.id": "U2", "user.team_id": "T0TEAM", "team.id": "T0TEAM", "channel.id": "C1",
			"container.message_ts":   ts,
			"container.is_ephemeral": false, "message.ts": ts, "message.user": "U0BOT", "trigger_id": d.Trigger,
			"response_url": d.ResponseURL,
		} {
			if got := dig(p, path); got != want {
				t.Errorf("%s: %v, want %v", path, got, want)
			}
		}

		want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "done"), "")
		if d := w.Press("U2", ref, "approve"); d.Err() == nil {
			t.Error("a button that is gone was pressed")
		}
		d = w.PressStale("U2", before, "reject")
		if err := d.Wait(t.Context()); err != nil || dig(c.last()["payload"], "message.text") != "card" {
			t.Errorf("stale: %v, %v", err, c.last())
		}
		d = w.PressForged("U1", ref, "approve", "R-2:evil")
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		action = dig(c.last()["payload"], "actions").([]any)[0].(map[string]any)
		if action["action_id"] != "approve" || action["value"] != "R-2:evil" {
			t.Errorf("forged: %v", action)
		}
		w.DeleteMessage(ref)
		if err := w.PressStale("U2", before, "reject").Wait(t.Context()); err != nil {
			t.Errorf("on a message that is gone: %v", err)
		}
		if got := w.Complaints(); len(got) != 0 {
			t.Errorf("complaints: %q", got)
		}
	})
}

// dig finds a value in nested objects.
func dig(v any, path string) any {
	for k := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func TestPressInThreadAndEphemeral(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		parent := ask(t, w, "chat.postMessage", "channel", "C1", "text", "parent")["ts"].(string)
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", parent, "blocks",
			card)["ts"].(string)
		w.Press("U2", MessageRef{"C1", ts}, "approve")
		synctest.Wait()
		if p := c.last()["payload"]; dig(p, "container.thread_ts") != parent || dig(p, "message.thread_ts") != parent {
			t.Errorf("container: %v", dig(p, "container"))
		}
		want(t, ask(t, w, "chat.postEphemeral", "channel", "C1", "user", "U1", "text", "x", "blocks", card), "")
		e := w.Ephemerals("U1")[0]
		if d := w.Press("U2", e.Ref(), "approve"); d.Err() == nil {
			t.Error("somebody else pressed it")
		}
		d := w.Press("U1", e.Ref(), "approve")
		synctest.Wait()
		if p := c.last()["payload"].(map[string]any); dig(p, "container.is_ephemeral") != true || p["message"] != nil {
			t.Errorf("payload: %v", p)
		}
		respond(t, w, d.ResponseURL, `{"replace_original":true,"text":"replaced"}`, 200)
		if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Text != "replaced" || len(got[0].Buttons()) != 0 {
			t.Errorf("mina sees %+v", got)
		}
		respond(t, w, d.ResponseURL, `{"delete_original":true}`, 200)
		if got := w.Ephemerals("U1"); len(got) != 0 {
			t.Errorf("mina sees %+v", got)
		}
	})
}

func respond(t *testing.T, w *Workspace, target, body string, status int) string {
	t.Helper()
	resp, err := w.Client().Post(target, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		t.Errorf("response_url: status %d, %s, want %d", resp.StatusCode, text, status)
	}
	return string(text)
}

func TestResponseURL(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		connect(t, w, true)
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "card", "blocks", card)["ts"].(string)
		d := w.Press("U2", MessageRef{"C1", ts}, "approve")
		synctest.Wait()
		respond(t, w, d.ResponseURL, `{"response_type":"ephemeral","replace_original":false,"text":"not you"}`, 200)
		if got := w.Ephemerals("U2"); len(got) != 1 || got[0].Text != "not you" || got[0].Via != "response_url" {
			t.Errorf("theo sees %+v", got)
		}
		if m := w.Messages("C1")[0]; len(m.Buttons()) != 2 || m.Updates != 0 {
			t.Errorf("the card has changed: %+v", m)
		}
		respond(t, w, d.ResponseURL, `{"replace_original":"true","text":"decided"}`, 200)
		if m := w.Messages("C1")[0]; m.Text != "decided" || len(m.Buttons()) != 0 {
			t.Errorf("the card: %+v", m)
		}
		if got := respond(t, w, d.ResponseURL,
			`{"text":"x","replace_original":false,"blocks":[{"type":"actions","elements":[]}]}`,
			400); !strings.Contains(got, "invalid_blocks") {
			t.Errorf("answer %s", got)
		}
		respond(t, w, d.ResponseURL, `text=x`, 400)
		if len(w.Complaints()) != 0 {
			t.Errorf("complaints: %q", w.Complaints())
		}
		respond(t, w, d.ResponseURL, `{"text":"again"}`, 200) // says nothing about the original
		if m := w.Messages("C1")[0]; m.Text != "again" || len(w.Complaints()) != 1 {
			t.Errorf("the card: %+v, complaints %q", m, w.Complaints())
		}
		for range 2 {
			respond(t, w, d.ResponseURL, `{"text":"x","replace_original":false}`, 200)
		}
		if got := respond(t, w, d.ResponseURL, `{"text":"x","replace_original":false}`, 404); !strings.Contains(got,
			"used_url") {
			t.Errorf("the sixth use: %s", got)
		}

		d = w.Command("U1", "C2", "/recall", "x") // the app is not in C2
		synctest.Wait()
		respond(t, w, d.ResponseURL, `{"text":"one"}`, 200)
		respond(t, w, d.ResponseURL, `{"text":"two","replace_original":true}`, 200)
		if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Text != "two" {
			t.Errorf("mina sees %+v", got)
		}
		respond(t, w, d.ResponseURL, `{"text":"all","response_type":"in_channel"}`, 200)
		respond(t, w, d.ResponseURL, `{"delete_original":true}`, 200)
		if got := w.Messages("C2"); len(got) != 0 {
			t.Errorf("in the channel: %+v", got)
		}
		time.Sleep(30*time.Minute + time.Second)
		if got := respond(t, w, d.ResponseURL, `{"text":"x"}`, 404); !strings.Contains(got, "expired_url") {
			t.Errorf("after thirty minutes: %s", got)
		}
		respond(t, w, "https://hooks.slack.com/response/T/0/none", `{"text":"x"}`, 404)
		if n := w.Calls("response_url"); n != 14 {
			t.Errorf("%d calls in the log, want 14", n)
		}
		d = w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		w.Fail("response_url", 1, ServerError(500))
		respond(t, w, d.ResponseURL, `{"text":"x"}`, 500)
	})
}

func modal(props string) string {
	return `{"type":"modal","title":` + plain(5) + `,"submit":` + plain(4) + `,"blocks":[
		{"type":"input","block_id":"reason","optional":true,"label":` + plain(6) + `,
			"element":{"type":"plain_text_input","action_id":"text","max_length":20}},
		{"type":"input","block_id":"kind","label":` + plain(4) + `,
			"element":{"type":"static_select","action_id":"pick","options":[` + options(3) + `]}},
		{"type":"actions","block_id":"more","elements":[` + button + `]}]` + props + `}`
}

func TestViewLimits(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		httpMode(t, w)
		base := map[string]string{"type": `"modal"`, "title": plain(24), "close": plain(24), "blocks": `[]`}
		for _, tt := range []struct{ key, value, code string }{
			{"title", plain(24), ""}, {"title", plain(25), "invalid_arguments"},
			{"title", mrkdwn(3), "invalid_arguments"},
			{"submit", plain(25), "invalid_arguments"}, {"close", plain(25), "invalid_arguments"},
			{"private_metadata", `"` + strings.Repeat("x", 3000) + `"`, ""},
			{"private_metadata", `"` + strings.Repeat("x", 3001) + `"`, "invalid_arguments"},
			{"callback_id", `"` + strings.Repeat("x", 256) + `"`, "invalid_arguments"},
			{"blocks", "[" + many(100, `{"type":"divider"}`) + "]", ""},
			{"blocks", "[" + many(101, `{"type":"divider"}`) + "]", "invalid_arguments"},
			{"blocks", `[{"type":"alert","text":` + plain(3) + `,"level":"warning"}]`, ""},
			{"blocks", `[` + table(1, 1) + `]`, "invalid_arguments"},
			{"blocks", `[` + inputWith(`{"type":"plain_text_input"}`) + `]`, "invalid_arguments"}, // no submit
			{"blocks", `[` + many(100, section(2600)) + `]`, "view_too_large"},
			{"blocks", `[` + many(100, section(2300)) + `]`, ""},
			{"colour", `"red"`, "invalid_arguments"}, {"type", `"home"`, "invalid_arguments"},
		} {
			parts := []string{`"` + tt.key + `":` + tt.value}
			for k, v := range base {
				if k != tt.key {
					parts = append(parts, `"`+k+`":`+v)
				}
			}
			d := w.Command("U1", "C1", "/recall", "")
			m := ask(t, w, "views.open", "trigger_id", d.Trigger, "view", "{"+strings.Join(parts, ",")+"}")
			want(t, m, tt.code)
			if tt.code == "invalid_arguments" && !strings.Contains(fmt.Sprint(m["response_metadata"]),
				"json-pointer:/view") {
				t.Errorf("%s: %v", tt.key, m)
			}
		}
		want(t, ask(t, w, "views.open", "view", modal("")), "invalid_arguments")
		want(t, ask(t, w, "views.open", "trigger_id", "x", "view", modal("")), "invalid_trigger_id")
	})
}

func TestTriggers(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		httpMode(t, w)
		d := w.Command("U1", "C1", "/recall", "")
		time.Sleep(3 * time.Second)
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal("")), "")
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal("")), "exchanged_trigger_id")
		d = w.Command("U1", "C1", "/recall", "")
		time.Sleep(3*time.Second + time.Millisecond)
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal("")), "expired_trigger_id")
		if n := len(w.Views("U1")); n != 1 {
			t.Errorf("%d views, want 1", n)
		}
	})
}

func TestModal(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w)
		open := func(props string) View {
			t.Helper()
			d := w.Command("U1", "C1", "/recall", "")
			synctest.Wait()
			want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal(props)), "")
			return w.Views("U1")[0]
		}
		last := func() map[string]any {
			form, _ := url.ParseQuery(a.bodies[len(a.bodies)-1])
			var m map[string]any
			if err := json.Unmarshal([]byte(form.Get("payload")), &m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		answer := func(body string) { a.answers = append(a.answers, says("application/json; charset=utf-8", body)) }
		v := open(`,"private_metadata":"R-1","callback_id":"reject","external_id":"x1"`)
		if v.PrivateMetadata != "R-1" || v.CallbackID != "reject" || v.Submit == "" || len(v.Buttons()) != 1 {
			t.Errorf("view: %+v", v)
		}
		d := w.Command("U2", "C1", "/recall", "")
		synctest.Wait()
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal(`,"external_id":"x1"`)),
			"duplicate_external_id")

		for name, values := range map[string]map[string]string{
			"required": {"reason": "x"}, "not offered": {"kind": "9"},
			"too long":      {"kind": "1", "reason": strings.Repeat("x", 21)},
			"no such input": {"kind": "1", "x": "y"}, "two lines": {"kind": "1", "reason": "a\nb"},
		} {
			if d := w.Submit("U1", v.ID, values); d.Err() == nil {
				t.Errorf("%s: it was sent", name)
			}
		}
		answer(`{"response_action":"errors","errors":{"reason":"say more"}}`)
		d = w.Submit("U1", v.ID, map[string]string{"kind": "1", "reason": "spam"})
		if err := d.Wait(t.Context()); err != nil || w.Views("U1")[0].Errors["reason"] != "say more" {
			t.Errorf("errors: %v, %+v", err, w.Views("U1"))
		}
		p := last()
		if p["type"] != "view_submission" || dig(p, "view.private_metadata") != "R-1" ||
			dig(p, "view.state.values.reason.text.value") != "spam" ||
			dig(p, "view.state.values.kind.pick.selected_option.value") != "1" ||
			a.got[len(a.got)-1].URL.Path != "/slack/interactions" {
			t.Errorf("submission: %v", p)
		}
		answer(`{"response_action":"errors","errors":{"more":"not an input"}}`)
		if d = w.Submit("U1", v.ID, map[string]string{"kind": "1"}); d.Wait(t.Context()) == nil ||
			d.Failure() != "invalid_response" {
			t.Errorf("errors for a block that is no input: %q", d.Failure())
		}
		answer(`{"response_action":"update","view":` + modal(`,"callback_id":"second"`) + `}`)
		w.Submit("U1", v.ID, map[string]string{"kind": "1"})
		synctest.Wait()
		if got := w.Views("U1"); len(got) != 1 || got[0].CallbackID != "second" ||
			dig(last(), "view.state.values.reason.text.value") != nil {
			t.Errorf("updated: %+v", got)
		}
		answer(`{"response_action":"push","view":` + modal("") + `}`)
		w.Submit("U1", v.ID, map[string]string{"kind": "1"})
		synctest.Wait()
		if got := w.Views("U1"); len(got) != 2 || got[1].Previous != v.ID {
			t.Errorf("pushed: %+v", got)
		}
		if d := w.Submit("U1", v.ID, map[string]string{"kind": "1"}); d.Err() == nil {
			t.Error("a view that is behind was sent")
		}
		top := w.Views("U1")[1]
		d = w.PressInView("U1", top.ID, "a")
		synctest.Wait()
		if p := last(); p["type"] != "block_actions" || dig(p, "container.view_id") != top.ID ||
			p["response_url"] != nil || p["channel"] != nil {
			t.Errorf("press: %v", p)
		}
		want(t, ask(t, w, "views.push", "trigger_id", d.Trigger, "view", modal(`,"notify_on_close":true`)), "")
		third := w.Views("U1")[2]
		d = w.PressInView("U1", third.ID, "a")
		synctest.Wait()
		want(t, ask(t, w, "views.push", "trigger_id", d.Trigger, "view", modal("")), "push_limit_reached")
		want(t, ask(t, w, "views.update", "view_id", third.ID, "hash", "old", "view", modal("")), "hash_conflict")
		want(t, ask(t, w, "views.update", "view_id", third.ID, "hash", third.Hash, "view",
			modal(`,"notify_on_close":true,"callback_id":"fresh"`)), "")
		want(t, ask(t, w, "views.update", "view_id", "V9", "view", modal("")), "not_found")
		w.CloseView("U1", third.ID)
		synctest.Wait()
		if p := last(); p["type"] != "view_closed" || dig(p, "view.callback_id") != "fresh" || len(w.Views("U1")) != 2 {
			t.Errorf("closed: %v", p)
		}
		n := len(a.got)
		if err := w.CloseView("U1", top.ID).Wait(t.Context()); err != nil || len(a.got) != n {
			t.Errorf("closing in silence: %v, %d posts", err, len(a.got)-n)
		}
		answer(`{"response_action":"clear"}`)
		w.Submit("U1", v.ID, map[string]string{"kind": "1"})
		synctest.Wait()
		if len(w.Views("U1")) != 0 {
			t.Error("not cleared")
		}
		v = open("")
		if err := w.Submit("U1", v.ID, map[string]string{"kind": "2"}).Wait(t.Context()); err != nil ||
			len(w.Views("U1")) != 0 {
			t.Errorf("an empty answer: %v, %+v", err, w.Views("U1"))
		}
		v = open("")
		a.answers = append(a.answers, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		d = w.Submit("U1", v.ID, map[string]string{"kind": "2"})
		if err := d.Wait(t.Context()); err == nil || len(w.Views("U1")) != 1 {
			t.Errorf("no answer: %v, %+v", err, w.Views("U1"))
		}
	})
}

func TestInputs(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w)
		element := func(id, e string) string {
			return `{"type":"input","optional":true,"block_id":"` + id + `","label":` + plain(1) + `,"element":` + e +
				`}`
		}
		d := w.Command("U1", "C1", "/recall", "")
		synctest.Wait()
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view",
			`{"type":"modal","title":`+plain(1)+`,"submit":`+plain(1)+`,"blocks":[`+strings.Join([]string{
				element("t",
					`{"type":"plain_text_input","action_id":"x","initial_value":"first","multiline":true,"min_length":2}`),
				element("n", `{"type":"number_input","action_id":"x","is_decimal_allowed":false}`),
				element("u", `{"type":"users_select","action_id":"x"}`),
				element("us", `{"type":"multi_users_select","action_id":"x"}`),
				element("d", `{"type":"datepicker","action_id":"x","initial_date":"2026-01-02"}`),
				element("h", `{"type":"timepicker","action_id":"x"}`),
				element("c", `{"type":"channels_select","action_id":"x"}`),
				element("v", `{"type":"conversations_select","action_id":"x"}`),
				element("r", `{"type":"radio_buttons","action_id":"x","options":[`+options(2)+
					`],"initial_option":{"text":`+
					plain(1)+`,"value":"1"}}`),
				element("k", `{"type":"checkboxes","action_id":"x","options":[`+options(3)+`]}`),
				element("g", `{"type":"static_select","action_id":"x","option_groups":[{"label":`+plain(1)+
					`,"options":[`+
					options(2)+`]}]}`),
			}, ",")+`]}`), "")
		v := w.Views("U1")[0]
		if err := w.Submit("U1", v.ID, map[string]string{
			"n": "7", "u": "U2", "us": "U1,U2", "h": "10:00", "c": "C1", "v": "C2", "k": "0,2", "g": "1",
		}).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		form, _ := url.ParseQuery(a.bodies[len(a.bodies)-1])
		p, err := parseJSON([]byte(form.Get("payload")))
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"t.x.value": "first", "n.x.value": "7", "u.x.selected_user": "U2", "us.x.selected_users": "[U1 U2]",
			"d.x.selected_date": "2026-01-02",
			"h.x.selected_time": "10:00", "c.x.selected_channel": "C1", "v.x.selected_conversation": "C2",
			"r.x.selected_option.value": "1",
			"g.x.selected_option.value": "1", "r.x.type": "radio_buttons",
		} {
			if got := fmt.Sprint(dig(p, "view.state.values."+path)); got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		}
		if got := dig(p, "view.state.values.k.x.selected_options").([]any); len(got) != 2 {
			t.Errorf("checkboxes: %v", got)
		}
	})
}

func TestOtherOrganisation(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		w.Set(func(w *Workspace) { w.EnterpriseID = "E1" })
		ts := ask(t, w, "chat.postMessage", "channel", "C4", "text", "x", "blocks", card)["ts"].(string)
		w.Press("U4", MessageRef{"C4", ts}, "approve")
		synctest.Wait()
		if p := c.last()["payload"]; dig(p, "user.team_id") != "T0OTHER" || dig(p, "team.id") != "T0TEAM" ||
			dig(p, "enterprise.id") != "E1" {
			t.Errorf("payload: %v", p)
		}
		w.Command("U4", "C4", "/recall", "x")
		synctest.Wait()
		if p := c.last()["payload"]; dig(p, "team_id") != "T0OTHER" || dig(p, "enterprise_id") != nil {
			t.Errorf("command: %v", p)
		}
		w.Command("U1", "G1", "/recall", "x")
		synctest.Wait()
		if p := c.last()["payload"]; dig(p, "channel_name") != "privategroup" || dig(p, "enterprise_id") != "E1" {
			t.Errorf("command: %v", p)
		}
	})
}

func TestSend(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		c := connect(t, w, true)
		d := w.Send("interactive", json.RawMessage(`{"type":"shortcut","callback_id":"x"}`))
		if err := d.Wait(t.Context()); err != nil || dig(c.last()["payload"], "type") != "shortcut" {
			t.Errorf("%v, %v", err, c.last())
		}
	})
}

func TestAnswersThatNobodySees(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w, says("text/plain", "thanks"))
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", card)["ts"].(string)
		w.Press("U1", MessageRef{"C1", ts}, "approve")
		synctest.Wait()
		if got := w.Complaints(); len(got) != 1 || !strings.Contains(got[0], "shown to nobody") {
			t.Errorf("complaints: %q", got)
		}
		a.answers = append(a.answers, says("application/json", `["x"]`))
		if d := w.Command("U1", "C1", "/recall", "x"); d.Wait(t.Context()) == nil || d.Failure() != "invalid_response" {
			t.Errorf("an answer that is no object: %q", d.Failure())
		}
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		want(t, ask(t, w, "views.push", "trigger_id", d.Trigger, "view", modal("")), "not_found") // not from a modal
		for _, body := range []string{`{"response_action":"shout"}`, `{"response_action":"errors"}`,
			`{"response_action":"update","view":{}}`, `[]`} {
			d := w.Command("U1", "C1", "/recall", "x")
			synctest.Wait()
			want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal("")), "")
			a.answers = append(a.answers, says("application/json", body))
			if d := w.Submit("U1", w.Views("U1")[0].ID, map[string]string{"kind": "1"}); d.Wait(t.Context()) == nil ||
				len(w.Views("U1")) != 1 {
				t.Errorf("%s: failure %q, %d views", body, d.Failure(), len(w.Views("U1")))
			}
		}
	})
}
