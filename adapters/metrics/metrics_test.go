package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/metrics"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
)

// chat answers every recall with a code, or not at all.
type chat struct {
	bot.Chat
	err error
}

func (c chat) GroupMsgRecall(context.Context, recall.RecallRequest) (recall.RecallAnswer, error) {
	return recall.RecallAnswer{}, c.err
}

// TestMetrics scrapes what a bot with one open request tells, and finds no group, user or message
// in it.
func TestMetrics(t *testing.T) {
	l, err := ledger.Open(t.Context(), "sqlite:"+t.TempDir()+"/bot.db", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := metrics.New()
	for _, err := range []error{nil, &recall.Error{Op: "group_msg_recall", Code: 60007}, errors.New("lost")} {
		m.Chat(chat{err: err}).GroupMsgRecall(t.Context(), recall.RecallRequest{})
	}
	m.Acked("slack")(3 * time.Millisecond)
	m.Heard("slack", func() time.Time { return time.Time{} })
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{"slack": {Requesters: []bot.Principal{{User: "UMINA"}},
		AnyChannel: true}}
	b, err := bottest.NewEngine(bot.Options{App: 1, Ledger: l, Chat: chat{}, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	by := bot.Account{Platform: "slack", Workspace: "T1", User: "UMINA"}
	answer, err := b.Do(t.Context(), intake.Event{
		ID: "e1", By: by, Place: bot.Place{Platform: "slack", Workspace: "T1", Channel: "C1"},
		Act: intake.Act{Kind: intake.ActCommand, Command: "recall", Text: "@TGS#2J4SZEAEL 100"},
	}, bot.Member{Account: by, Name: "mina"})
	if err != nil || answer.Kind != intake.Accepted {
		t.Fatalf("ask: %+v %v", answer, err)
	}
	m.Watch(b.History.Bot)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`recallbot_chat_calls_total{code="0",command="group_msg_recall"} 1`,
		`recallbot_chat_calls_total{code="60007",command="group_msg_recall"} 1`,
		`recallbot_chat_calls_total{code="fault",command="group_msg_recall"} 1`,
		`recallbot_acknowledgement_seconds_count{platform="slack"} 1`,
		`recallbot_last_frame_age_seconds{platform="slack"} -1`,
		`recallbot_requests_open{state="preparing"} 1`,
		`recallbot_requests_open{state="running"} 0`,
		`recallbot_messages_in_doubt 0`,
		`recallbot_app_paused 0`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, secret := range []string{"TGS", "MINA", "mina"} {
		if strings.Contains(body, secret) {
			t.Errorf("a label tells %s", secret)
		}
	}
	if w := httptest.NewRecorder(); true {
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 404 {
			t.Errorf("/ answers %d", w.Code)
		}
	}
}
