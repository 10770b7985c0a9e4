package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/console"
	"recallbot/adapters/inbound"
	"recallbot/adapters/metrics"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// chat answers every recall with a code, or not at all.
type chat struct {
	bot.Chat
	err error
}

func (c chat) GroupMsgRecall(context.Context, recall.RecallRequest) (recall.RecallAnswer, error) {
	return recall.RecallAnswer{}, c.err
}

// away is a ledger that cannot be read once err is set.
type away struct {
	bot.Ledger
	err error
}

func (a *away) View(ctx context.Context, fn func(bot.Tx) error) error {
	if a.err != nil {
		return a.err
	}
	return a.Ledger.View(ctx, fn)
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
	var frame time.Time
	m.Heard("slack", func() time.Time { return frame })
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{"slack": {Requesters: []bot.Principal{{User: "UMINA"}},
		AnyChannel: true}}
	away := &away{Ledger: l}
	b, err := bottest.NewEngine(bot.Options{App: 1, Ledger: away, Chat: chat{}, Policy: policy, Watch: m.Step})
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
	m.Built("v1.2.3", "abc", 7)
	strangers := inbound.New(nil)
	strangers.Note("slack", inbound.Secret, 0)
	m.Door(strangers)
	m.Callbacks(func() int64 { return 3 }, func() int64 { return 0 })
	m.Step(bot.Step{Name: "sealed", Request: bot.Request{ID: "R-000001", State: bot.Proposed}})
	m.Step(bot.Step{Name: "done", Request: bot.Request{ID: "R-000001", State: bot.Done},
		Counts: map[bot.Class]int{bot.ClassRecalled: 7}})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`recallbot_chat_calls_total{code="0",command="group_msg_recall"} 1`,
		`recallbot_chat_calls_total{code="60007",command="group_msg_recall"} 1`,
		`recallbot_chat_calls_total{code="fault",command="group_msg_recall"} 1`,
		`recallbot_acknowledgement_seconds_count{platform="slack"} 1`,
		`recallbot_requests_open{state="preparing"} 1`,
		`recallbot_requests_open{state="running"} 0`,
		`recallbot_oldest_open_seconds{state="running"} 0`,
		`recallbot_messages_in_doubt 0`,
		`recallbot_ledger_readable 1`,
		`recallbot_build_info{commit="abc",schema="7",version="v1.2.3"} 1`,
		`recallbot_http_refused_total{from="slack",why="wrong secret"} 1`,
		`recallbot_callbacks_total{fate="taken"} 3`,
		`recallbot_callbacks_total{fate="dropped"} 0`,
		`recallbot_requests_ended_total{state="done"} 1`,
		`recallbot_requests_ended_total{state="expired"} 0`,
		`recallbot_messages_settled_total{outcome="recalled"} 7`,
		`recallbot_request_seconds_count{step="sealed"} 1`,
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
	const age = `recallbot_last_frame_age_seconds{platform="slack"} 6`
	if strings.Contains(body, "recallbot_last_frame_age_seconds{") {
		t.Error("there is an age before the first frame")
	}
	frame = time.Now().Add(-time.Minute)
	if w := httptest.NewRecorder(); true {
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(w.Body.String(), age) {
			t.Errorf("no %s", age)
		}
		for _, a := range console.Alerts() {
			names := regexp.MustCompile(`recallbot_[a-z_]+`).FindAllString(a.Expr, -1)
			for _, name := range names {
				if !strings.Contains(w.Body.String(), "# TYPE "+strings.TrimSuffix(name, "_bucket")+" ") {
					t.Errorf("the alert %s asks for %s, which is not told", a.Name, name)
				}
			}
			if len(names) == 0 && !strings.HasPrefix(a.Expr, "up{") {
				t.Errorf("the alert %s asks for nothing of this program", a.Name)
			}
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("what promtool check metrics says: %v %v", problems, err)
	}
	away.err = errors.New("the database is away")
	if w := httptest.NewRecorder(); true {
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, "recallbot_ledger_readable 0\n") ||
			!strings.Contains(body, "recallbot_chat_calls_total{") ||
			strings.Contains(body, "recallbot_requests_open{") {
			t.Errorf("while the database is away: %d\n%s", w.Code, body)
		}
	}
	if w := httptest.NewRecorder(); true {
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 404 {
			t.Errorf("/ answers %d", w.Code)
		}
	}
}
