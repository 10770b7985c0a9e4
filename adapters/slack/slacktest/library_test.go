package slacktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// listen serves on a free port of loopback.
func listen(t *testing.T, srv *http.Server) (base string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	return "http://" + l.Addr().String(), func() { srv.Close() }
}

// TestSlackGo drives the workspace with the library that the adapter uses.
func TestSlackGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		httpMode(t, w)
		ctx := t.Context()
		api := slack.New(w.BotToken, slack.OptionHTTPClient(w.Client()), slack.OptionAppLevelToken(w.AppToken))
		who, err := api.AuthTestContext(ctx)
		if err != nil || who.UserID != w.BotUserID || who.TeamID != w.TeamID || who.BotID != w.BotID {
			t.Fatalf("auth.test: %+v, %v", who, err)
		}
		yes := slack.NewButtonBlockElement("approve", "R-1", slack.NewTextBlockObject(slack.PlainTextType, "Approve",
			false, false))
		yes.Confirm = slack.NewConfirmationBlockObject(slack.NewTextBlockObject(slack.PlainTextType, "Sure?", false,
			false),
			slack.NewTextBlockObject(slack.PlainTextType, "2 messages", false, false),
			slack.NewTextBlockObject(slack.PlainTextType, "Yes", false, false), nil)
		blocks := slack.MsgOptionBlocks(
			slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, "Recall", false, false)),
			slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, "two", false, true), nil, nil),
			slack.NewRichTextBlock("r", slack.NewRichTextSection(slack.NewRichTextSectionTextElement("x", nil),
				slack.NewRichTextSectionUserGroupElement("S1"), slack.NewRichTextSectionDateElement(1, "{date}", nil,
					nil))),
			slack.NewContextBlock("c", slack.NewTextBlockObject(slack.PlainTextType, "R-1", false, false)),
			slack.NewActionBlock("a", yes),
		)
		channel, ts, err := api.PostMessageContext(ctx, "C1", slack.MsgOptionText("card", true), blocks,
			slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
		if err != nil || channel != "C1" {
			t.Fatalf("posting: %v", err)
		}
		if m, ok := w.Message(MessageRef{channel, ts}); !ok || !m.UnfurlOff ||
			m.Buttons()[0].Confirm.Title != "Sure?" || w.Notified()[0].Who != "S1" {
			t.Errorf("message: %+v", m)
		}
		if _, _, _, err := api.UpdateMessageContext(ctx, "C1", ts, slack.MsgOptionText("done", true),
			slack.MsgOptionBlocks()); err != nil {
			t.Errorf("updating: %v", err)
		}
		if m, _ := w.Message(MessageRef{channel, ts}); m.Blocks != nil || m.Text != "done" {
			t.Errorf("message: %+v", m)
		}
		if _, err := api.PostEphemeralContext(ctx, "C1", "U1", slack.MsgOptionText("psst", false)); err != nil {
			t.Errorf("whispering: %v", err)
		}
		if u, err := api.GetUserInfoContext(ctx, "U3"); err != nil || !u.IsRestricted || u.Locale != "en-US" {
			t.Errorf("users.info: %+v, %v", u, err)
		}
		if got, err := api.GetUserGroupMembersContext(ctx, "S1"); err != nil || len(got) != 1 {
			t.Errorf("members: %v, %v", got, err)
		}
		if ch, err := api.GetConversationInfoContext(ctx,
			&slack.GetConversationInfoInput{ChannelID: "C4"}); err != nil || !ch.IsExtShared {
			t.Errorf("conversations.info: %+v, %v", ch, err)
		}
		content := "seq\n1\n"
		// Version 0.35.0 of the library ends the form twice (misc.go, postWithMultipartResponse).
		if _, err := api.UploadFileContext(ctx, slack.UploadFileParameters{Filename: "a.csv", Content: content,
			FileSize: len(content), Channel: "C1", ThreadTimestamp: ts}); err == nil {
			t.Error("a form that ends twice is taken")
		}
		if to, err := api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: "a.csv",
			FileSize: len(content)}); err != nil {
			t.Errorf("asking where to upload: %v", err)
		} else if resp, err := w.Client().Post(to.UploadURL, "text/csv", strings.NewReader(content)); err != nil ||
			resp.StatusCode != http.StatusOK {
			t.Errorf("uploading: %v, %v", resp, err)
		} else if _, err := api.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{
			Files: []slack.FileSummary{{ID: to.FileID}}, Channel: "C1", ThreadTimestamp: ts}); err != nil {
			t.Errorf("sharing: %v", err)
		} else if f := w.Files("C1", ts); len(f) != 1 || string(f[0].Content) != content {
			t.Errorf("files: %+v", f)
		}
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		input := slack.NewInputBlock("why", slack.NewTextBlockObject(slack.PlainTextType, "Why", false, false), nil,
			slack.NewPlainTextInputBlockElement(nil, "t"))
		form := slack.ModalViewRequest{
			Type: slack.VTModal, Title: slack.NewTextBlockObject(slack.PlainTextType, "Reject", false, false),
			Submit: slack.NewTextBlockObject(slack.PlainTextType, "Reject", false, false),
			Blocks: slack.Blocks{BlockSet: []slack.Block{input}},
		}
		v, err := api.OpenViewContext(ctx, d.Trigger, form)
		if err != nil || v.ID != w.Views("U1")[0].ID {
			t.Fatalf("opening: %+v, %v", v, err)
		}
		if _, err := api.UpdateViewContext(ctx, form, "", v.Hash, v.ID); err != nil {
			t.Errorf("updating the view: %v", err)
		}
		if _, _, err := api.PostMessageContext(ctx, "", slack.MsgOptionResponseURL(d.ResponseURL,
			slack.ResponseTypeEphemeral), slack.MsgOptionText("answer", false)); err != nil {
			t.Errorf("response_url: %v", err)
		}
		if got := w.Ephemerals("U1"); got[len(got)-1].Text != "answer" {
			t.Errorf("mina sees %+v", got)
		}

		// The four forms of a rate limit.
		w.Fail("chat.postMessage", 1, RateLimited(7*time.Second))
		_, _, err = api.PostMessageContext(ctx, "C1", slack.MsgOptionText("x", false))
		if limited, ok := errors.AsType[*slack.RateLimitedError](err); !ok || limited.RetryAfter != 7*time.Second {
			t.Errorf("429: %v", err)
		}
		for _, f := range []Fault{RateLimitedNoHeader(), ServerError(503)} {
			w.Fail("chat.postMessage", 1, f)
			_, _, err = api.PostMessageContext(ctx, "C1", slack.MsgOptionText("x", false))
			if status, ok := errors.AsType[slack.StatusCodeError](err); !ok || status.Code != f.status {
				t.Errorf("%s: %v", f.name, err)
			}
		}
		w.Fail("chat.postMessage", 1, RateLimitedBody())
		_, _, err = api.PostMessageContext(ctx, "C1", slack.MsgOptionText("x", false))
		if no, ok := errors.AsType[slack.SlackErrorResponse](err); !ok || no.Err != "ratelimited" {
			t.Errorf("ratelimited in the body: %v", err)
		}
		w.Set(func(w *Workspace) { w.Scopes = []string{"users:read"} })
		_, _, err = api.PostMessageContext(ctx, "C1", slack.MsgOptionText("x", false))
		if no, ok := errors.AsType[slack.SlackErrorResponse](err); !ok || no.Err != "missing_scope" ||
			no.Needed != "chat:write" || no.Provided != "users:read" {
			t.Errorf("missing scope: %+v", err)
		}
		if got := w.Complaints(); len(got) != 0 {
			t.Errorf("complaints: %q", got)
		}
	})
}

// TestSlackGoSignature checks signatures and payloads with the library.
func TestSlackGoSignature(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		var command slack.SlashCommand
		var press slack.InteractionCallback
		w.Deliver(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			verifier, err := slack.NewSecretsVerifier(r.Header, w.SigningSecret)
			if err != nil {
				t.Errorf("verifier: %v", err)
				return
			}
			body, _ := io.ReadAll(r.Body)
			verifier.Write(body)
			if err := verifier.Ensure(); err != nil {
				t.Errorf("signature: %v", err)
			}
			again := r.Clone(r.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			if r.URL.Path == "/slack/commands" {
				command, err = slack.SlashCommandParse(again)
			} else {
				press, err = slack.InteractionCallbackParse(again)
			}
			if err != nil {
				t.Errorf("parsing: %v", err)
			}
		}))
		w.Command("U1", "C1", "/recall", "x")
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", card)["ts"].(string)
		w.Press("U2", MessageRef{"C1", ts}, "approve")
		synctest.Wait()
		if command.UserID != "U1" || command.Text != "x" || command.TeamID != w.TeamID {
			t.Errorf("command: %+v", command)
		}
		if press.User.ID != "U2" || press.ActionCallback.BlockActions[0].Value != "R-1:abc" ||
			press.Container.MessageTs != ts || press.User.TeamID != w.TeamID {
			t.Errorf("press: %+v", press)
		}
	})
}

// TestSlackGoSocketMode serves the library's own client over a listener.
func TestSlackGoSocketMode(t *testing.T) {
	w := acme(t)
	base, stop := w.Start()
	defer stop()
	api := slack.New(w.BotToken, slack.OptionAPIURL(base+"/api/"), slack.OptionAppLevelToken(w.AppToken))
	client := socketmode.New(api)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	go func() {
		for e := range client.Events {
			if e.Request != nil && e.Type == socketmode.EventTypeSlashCommand {
				if err := client.Ack(*e.Request, map[string]any{"text": "seen"}); err != nil {
					t.Errorf("acknowledging: %v", err)
				}
			}
		}
	}()
	if err := w.WaitSockets(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Command("U1", "C1", "/recall", "x").Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.Ephemerals("U1"); len(got) != 1 || got[0].Text != "seen" {
		t.Errorf("mina sees %+v", got)
	}
	if err := w.WaitSockets(ctx, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	short, done := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer done()
	if err := w.WaitSockets(short, 5); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for five: %v", err)
	}
}

// TestPublishedSamples compares what is delivered and answered with the shapes
// that Slack publishes: no key of ours is unknown there.
func TestPublishedSamples(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "assets", "slack-samples")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the published samples are missing: %v", err)
		}
		t.Skipf("the published samples are not on this machine: %v", err)
	}
	sample := func(name string) map[string]any {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	// Keys that Slack's pages name and the samples lack.
	extra := map[string]bool{
		"team_id": true, "state": true, "response_url": true, "actions": true, "response_urls": true, "thread_ts": true,
		"app_id": true, "ts": true,
		"bot_id": true, "has_more": true, "is_enterprise_install": true, "updated": true, "blocks": true,
	}
	var compare func(path string, got, published map[string]any)
	compare = func(path string, got, published map[string]any) {
		for k, v := range got {
			p, known := published[k]
			if !known && !extra[k] {
				t.Errorf("%s.%s is not in the published sample", path, k)
			}
			inner, ok := v.(map[string]any)
			if pm, isMap := p.(map[string]any); ok && isMap && k != "values" && len(pm) > 0 {
				compare(path+"."+k, inner, pm)
			}
		}
	}
	bubble(t, func(t *testing.T, w *Workspace) {
		w.EnterpriseID = "E1"
		c := connect(t, w, true)
		d := w.Command("U1", "C1", "/recall", "x")
		synctest.Wait()
		compare("SlashCommandPayload", c.last()["payload"].(map[string]any), sample("SlashCommandPayload"))
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal(`,"notify_on_close":true`)), "")
		ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "x", "blocks", card)["ts"].(string)
		w.Press("U1", MessageRef{"C1", ts}, "approve")
		synctest.Wait()
		compare("BlockActionPayload", c.last()["payload"].(map[string]any), sample("BlockActionPayload"))
		v := w.Views("U1")[0]
		w.Submit("U1", v.ID, map[string]string{"kind": "9"})
		w.PressInView("U1", v.ID, "a")
		synctest.Wait()
		compare("BlockActionPayload", c.last()["payload"].(map[string]any), sample("BlockActionPayload"))
		w.CloseView("U1", v.ID)
		synctest.Wait()
		compare("ViewClosedPayload", c.last()["payload"].(map[string]any), sample("ViewClosedPayload"))
		d = w.Command("U1", "C1", "/recall", "x")
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", modal("")), "")
		w.Submit("U1", w.Views("U1")[0].ID, map[string]string{"kind": "1"})
		synctest.Wait()
		compare("ViewSubmissionPayload", c.last()["payload"].(map[string]any), sample("ViewSubmissionPayload"))

		for method, args := range map[string][]string{
			"auth.test": nil, "bots.info": nil, "team.info": nil, "usergroups.list": nil,
			"chat.postEphemeral":         {"channel", "C1", "user", "U1", "text", "x"},
			"conversations.info":         {"channel", "C1", "include_num_members", "true"},
			"conversations.members":      {"channel", "C1"},
			"files.getUploadURLExternal": {"filename", "a", "length", "1"},
			"usergroups.users.list":      {"usergroup", "S1"},
			"users.info":                 {"user", "U1"},
		} {
			m := ask(t, w, method, args...)
			want(t, m, "")
			compare(method, m, sample("api."+method))
		}
	})
}
