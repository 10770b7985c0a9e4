package slacktest

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := acme(t)
		w.RateLimits = false
		for _, tt := range []struct{ name, text, blocks, want string }{
			{"text", "hello <@U1>, <!subteam^S1> &lt;@U2&gt; <https://x.example|here> <#C1> <!date^0^{date_short} {time}|then> 1 < 2", "", `
┌ recallbot
│ hello ‹@mina!›, ‹@approvers!› <@U2> ‹here → https://x.example› ‹#trust› Jan 1, 1970 00:00 UTC 1 < 2
└
`},
			{"what hides", "a\u202eb\u200bc\r", "", `
┌ recallbot
│ a⟦U+202E⟧b⟦U+200B⟧c⟦U+000D⟧
└
`},
			{"not verbatim", "", `[{"type":"section","text":{"type":"mrkdwn","text":"@here see https://x.example, #trust (@approvers) mina@here.example @nobody"}}]`, `
┌ recallbot
│ ‹@here!› see ‹https://x.example›, ‹#trust› (‹@approvers!›) mina@here.example @nobody
└
`},
			{"verbatim", "", `[{"type":"section","text":{"type":"mrkdwn","verbatim":true,"text":"@here https://x.example #trust"}}]`, `
┌ recallbot
│ @here https://x.example #trust
└
`},
			{"a fake frame", "", `[{"type":"section","text":{"type":"plain_text","text":"one\n└\n<@U1> &lt;"}}]`, `
┌ recallbot
│ one
│ └
│ <@U1> &lt;
└
`},
			{"blocks", "not shown", `[
				{"type":"header","text":{"type":"plain_text","text":"Recall R-1"}},
				{"type":"section","text":{"type":"mrkdwn","text":"*bold*"},"fields":[{"type":"mrkdwn","text":"one"},{"type":"plain_text","text":"two"}],
				 "accessory":{"type":"overflow","action_id":"o","options":[{"text":{"type":"plain_text","text":"More"},"value":"m"}]}},
				{"type":"divider"},
				{"type":"image","image_url":"https://x.example/a.png","alt_text":"a chart"},
				{"type":"context","elements":[{"type":"mrkdwn","text":"expires soon"},{"type":"plain_text","text":"R-1"}]},
				{"type":"table","rows":[[{"type":"raw_text","text":"seq"},{"type":"raw_text","text":"text"}],[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"100","style":{"code":true}}]}]},{"type":"raw_text","text":"a\nb"}]]},
				{"type":"rich_text","elements":[
					{"type":"rich_text_section","elements":[{"type":"text","text":"bold","style":{"bold":true,"italic":true}},{"type":"text","text":" "},{"type":"user","user_id":"U2"},{"type":"usergroup","usergroup_id":"S1"},
						{"type":"broadcast","range":"here"},{"type":"channel","channel_id":"C1"},{"type":"emoji","name":"tada"},{"type":"link","url":"https://x.example","text":"x"},{"type":"date","timestamp":86400,"format":"{date_num} {time_secs}"},{"type":"color","value":"#ff0000"}]},
					{"type":"rich_text_list","style":"ordered","offset":1,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"two\nlines"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"three"}]}]},
					{"type":"rich_text_list","style":"bullet","indent":1,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"deep"}]}]},
					{"type":"rich_text_quote","elements":[{"type":"text","text":"said\nso"}]},
					{"type":"rich_text_preformatted","elements":[{"type":"text","text":"x := 1"}]}]},
				{"type":"actions","elements":[
					{"type":"button","action_id":"a","text":{"type":"plain_text","text":"Approve"},"confirm":{"title":{"type":"plain_text","text":"Recall 2?"},"text":{"type":"plain_text","text":"In @TGS#A.\nFor good."},"confirm":{"type":"plain_text","text":"Recall"}}},
					{"type":"button","action_id":"r","text":{"type":"plain_text","text":"Reject"}},
					{"type":"button","action_id":"l","url":"https://x.example","text":{"type":"plain_text","text":"Docs"}}]}]`, `
┌ recallbot
│ # Recall R-1
│ *bold*
│ · one
│ · two
│ ( More )
│ ────
│ (image: a chart)
│ ~ expires soon  R-1
│ | seq | text |
│ | ` + "`100`" + ` | a ⏎ b |
│ *_bold_* ‹@theo!›‹@approvers!›‹@here!›‹#trust›:tada:‹x → https://x.example›1970-01-02 00:00:00 UTC#ff0000
│ 2. two
│    lines
│ 3. three
│   • deep
│ ▏ said
│ ▏ so
│ ┆ x := 1
│ [Approve] [Reject] [Docs → https://x.example]
│   Approve asks: Recall 2? / In @TGS#A.
│   For good. [Recall] [Cancel]
└
`},
		} {
			t.Logf("%s", tt.name)
			args := []string{"channel", "C1", "text", tt.text}
			if tt.blocks != "" {
				args = append(args, "blocks", tt.blocks)
			}
			m := ask(t, w, "chat.postMessage", args...)
			want(t, m, "")
			list := w.Messages("C1")
			if diff := cmp.Diff(tt.want[1:], w.Picture(list[len(list)-1])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

func TestPictureAfterAnEdit(t *testing.T) {
	w := acme(t)
	ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "<!subteam^S1> look")["ts"].(string)
	want(t, ask(t, w, "chat.update", "channel", "C1", "ts", ts, "text", "<!subteam^S1> look, <@U1>"), "")
	m, _ := w.Message(MessageRef{"C1", ts})
	if got, want := w.Picture(m), "┌ recallbot\n│ ‹@approvers!› look, ‹@mina›\n│ (edited)\n└\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n := len(w.Notified()); n != 1 {
		t.Errorf("%d were notified, want the group alone", n)
	}
}

func TestNotified(t *testing.T) {
	w := acme(t)
	ts := ask(t, w, "chat.postMessage", "channel", "C1", "text", "<@U2> and <!here>", "blocks",
		`[{"type":"section","text":{"type":"mrkdwn","text":"<@U1> @approvers"}},{"type":"section","text":{"type":"plain_text","text":"<!channel>"}},
		{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"<@U3>"},{"type":"user","user_id":"U2"}]}]}]`)["ts"].(string)
	want := []Notification{{"U1", "C1", ts, "blocks"}, {"S1", "C1", ts, "auto"}, {"U2", "C1", ts, "blocks"},
		{"here", "C1", ts, "text"}}
	if diff := cmp.Diff(want, w.Notified()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPictureOfViewsAndEphemerals(t *testing.T) {
	bubble(t, func(t *testing.T, w *Workspace) {
		a := httpMode(t, w, says("application/json", `{"text":"no: <@U1>"}`))
		d := w.Command("U1", "C1", "/recall", "")
		synctest.Wait()
		if got, want := w.Picture(w.Ephemerals("U1")[0]),
			"┌ recallbot · only visible to mina\n│ no: ‹@mina›\n└\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		want(t, ask(t, w, "views.open", "trigger_id", d.Trigger, "view", `{
			"type":"modal","title":{"type":"plain_text","text":"Reject"},"submit":{"type":"plain_text","text":"Reject"},"blocks":[
			{"type":"alert","level":"warning","text":{"type":"plain_text","text":"for good"}},
			{"type":"input","block_id":"why","optional":true,"label":{"type":"plain_text","text":"Reason"},"hint":{"type":"plain_text","text":"never sent"},"element":{"type":"plain_text_input","action_id":"t","placeholder":{"type":"plain_text","text":"spam?"}}},
			{"type":"input","block_id":"k","label":{"type":"plain_text","text":"Kind"},"element":{
				"type":"static_select","action_id":"s","options":[`+options(2)+`],
				"initial_option":{"text":`+plain(1)+`,"value":"0"}}}]}`), "")
		a.answers = append(a.answers, says("application/json",
			`{"response_action":"errors","errors":{"why":"say why"}}`))
		v := w.Views("U1")[0]
		w.Submit("U1", v.ID, nil)
		synctest.Wait()
		want := `┌ [Reject]
│ ! warning: for good
│ Reason (optional)
│ [____spam?]
│ ~ never sent
│ ✗ say why
│ Kind
│ ( •x | •x )
└ [Reject]
`
		if diff := cmp.Diff(want, w.Picture(w.Views("U1")[0])); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
