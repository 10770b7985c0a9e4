package slacktest_test

import (
	"fmt"
	"net/http"
	"net/url"

	"recallbot/adapters/slack/slacktest"
)

func Example() {
	w := slacktest.New()
	defer w.Close()
	w.AddUser(slacktest.User{ID: "U1", Name: "mina"})
	w.AddUser(slacktest.User{ID: "U2", Name: "theo"})
	w.AddGroup(slacktest.UserGroup{ID: "S1", Handle: "approvers", Members: []string{"U2"}})
	w.AddChannel(slacktest.Channel{ID: "C1", Name: "trust", Members: []string{"U1", "U2"}, BotIn: true})

	// The app: it answers a command with a card, and a press by saying so in the card.
	w.Deliver(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slack/commands" {
			return
		}
		_, err := w.Client().PostForm("https://slack.com/api/chat.postMessage", url.Values{
			"token": {w.BotToken}, "channel": {r.PostFormValue("channel_id")}, "text": {"A recall awaits approval."},
			"blocks": {`[{"type":"section","text":{"type":"mrkdwn","verbatim":true,"text":"<!subteam^S1>: recall 2 messages?"}},
				{"type":"actions","elements":[{"type":"button","action_id":"approve","text":{"type":"plain_text","text":"Approve"}}]}]`},
		})
		if err != nil {
			fmt.Println(err)
		}
	}))

	d := w.Command("U1", "C1", "/recall", "@TGS#A 1 2")
	<-d.Done()
	card := w.Messages("C1")[0]
	fmt.Print(w.Picture(card))
	fmt.Println(w.Notified()[0].Who, "was notified")
	press := w.Press("U2", card.Ref(), "approve")
	<-press.Done()
	fmt.Println("acknowledged:", press.Acked())
	// Output:
	// ┌ recallbot
	// │ ‹@approvers!›: recall 2 messages?
	// │ [Approve]
	// └
	// S1 was notified
	// acknowledged: true
}
