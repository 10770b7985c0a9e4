package ready_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/platform"
	"recallbot/adapters/ready"
	"recallbot/bot"
	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
)

// memory is a ledger with a pause at most.
type memory struct {
	bot.Ledger
	pause                *bot.Pause
	read, begin, commits error
	begun                int
}

type tx struct {
	bot.Tx
	m *memory
}

func (t tx) Paused(recall.SDKAppID) (*bot.Pause, error) { return t.m.pause, nil }

func (m *memory) View(_ context.Context, fn func(bot.Tx) error) error {
	if m.read != nil {
		return m.read
	}
	return fn(tx{m: m})
}

func (m *memory) Tx(_ context.Context, fn func(bot.Tx) error) error {
	m.begun++
	if m.begin != nil {
		return m.begin
	}
	if err := fn(tx{m: m}); err != nil {
		return err
	}
	return m.commits
}

// service answers every reading of a group with err.
type service struct {
	bot.Chat
	err error
}

func (s *service) GetGroupInfo(context.Context, recall.GroupID) (recall.GroupInfo, error) {
	return recall.GroupInfo{}, s.err
}

// chat is a platform.
type chat struct {
	platform.Adapter
	trouble, remark string
	passing         bool
	last            time.Time
}

func (c *chat) Trouble() (string, bool) { return c.trouble, c.passing }
func (c *chat) Remark() string          { return c.remark }
func (c *chat) LastFrame() time.Time    { return c.last }

// TestReady: a line for each part; what this process cannot work without makes it 503, an outage of
// others does not.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s, slack := &memory{}, &service{}, &chat{}
		var ended error
		var callback, refused time.Time
		watched, asked := ready.Watch(m), ready.Heed(s)
		r := ready.New(ready.Options{App: 1, Ledger: watched, Ended: func() error { return ended }, Chat: asked,
			Platforms: []ready.Platform{{ID: "slack", Adapter: slack}},
			Callbacks: &ready.Callbacks{Last: func() time.Time { return callback },
				Refused: func() (string, time.Time) { return "wrong secret", refused }},
			Log: slog.New(slog.DiscardHandler)})
		lines := map[string]string{}
		nothing := func(bot.Tx) error { return nil }
		for _, step := range []struct {
			name   string
			do     func()
			status int
			lines  map[string]string // those that are not as before
		}{
			{"a quiet process", func() {}, 200, map[string]string{"database": "ok", "chat": "ok: it was not asked yet",
				"slack": "ok", "callbacks": "ok: none has come yet"}},
			{"all is in use", func() {
				asked.GetGroupInfo(t.Context(), "g")
				callback = time.Now()
				slack.remark = "another replica holds the connection"
			}, 200, map[string]string{"chat": "ok", "slack": "ok: another replica holds the connection",
				"callbacks": "ok: the last came at 2000-01-01T00:00:02Z"}},
			{"an answer that says no", func() {
				s.err = &recall.Error{Code: recall.CodeNoGroup}
				asked.GetGroupInfo(t.Context(), "g")
			}, 200, nil},
			{"the Chat service is away", func() {
				s.err = &recall.Fault{Kind: recall.FaultNoAnswer, Err: errors.New("10.0.0.1 is away")}
				asked.GetGroupInfo(t.Context(), "g")
				time.Sleep(time.Minute)
				asked.GetGroupInfo(t.Context(), "g")
			}, 200, map[string]string{"chat": "outage since 2000-01-01T00:00:04Z: no answer"}},
			{"it answers again", func() {
				s.err = nil
				asked.GetGroupInfo(t.Context(), "g")
			}, 200, map[string]string{"chat": "ok"}},
			{"a call that was not to be sent", func() {
				s.err = &recall.Fault{Kind: recall.FaultNotSent, Err: errors.New("fenced")}
				asked.GetGroupInfo(t.Context(), "g")
			}, 200, nil},
			{"the service refuses the app", func() {
				m.pause = &bot.Pause{Code: 70003, Since: time.Now()}
			}, 503, map[string]string{"chat": "refused since 2000-01-01T00:01:07Z: " + recall.Code(70003).Meaning() +
				" (70003)"}},
			{"mended; callbacks with another secret", func() { m.pause, refused = nil, time.Now() }, 200,
				map[string]string{"chat": "ok", "callbacks": "refused: wrong secret, last at 2000-01-01T00:01:08Z"}},
			{"Slack is away", func() {
				slack.trouble, slack.passing, slack.last = "no connection", true, callback
			}, 200, map[string]string{"slack": "outage since 2000-01-01T00:00:02Z: no connection"}},
			{"Slack refuses the token", func() { slack.trouble, slack.passing = "invalid_auth", false }, 503,
				map[string]string{"slack": "invalid_auth"}},
			{"the disk is full", func() {
				slack.trouble, slack.remark, m.commits = "", "", errors.New("/var/lib is full")
				if watched.Tx(t.Context(), nothing) == nil {
					t.Error("a commit did not fail")
				}
			}, 503, map[string]string{"slack": "ok", "database": "it takes no writes: the log says why"}},
			{"there is room again", func() {
				m.commits = nil
				if err := watched.Tx(t.Context(), nothing); err != nil {
					t.Error(err)
				}
			}, 200, map[string]string{"database": "ok"}},
			{"what a person is refused is no fault of the database", func() {
				if watched.Tx(t.Context(), func(bot.Tx) error { return &bot.Refusal{Key: "late"} }) == nil {
					t.Error("a refusal was stored")
				}
			}, 200, nil},
			{"no transaction can begin, and none was tried lately", func() {
				time.Sleep(time.Minute)
				m.begin, m.begun = errors.New("at 10.0.0.2"), 0
			}, 503, map[string]string{"database": "it takes no writes: the log says why"}},
			{"it cannot be read either", func() { m.read = errors.New("at 10.0.0.2") }, 503,
				map[string]string{"database": "it cannot be read: the log says why"}},
			{"it has ended", func() { ended = errors.New("the database is of another version") }, 503,
				map[string]string{"database": "the database is of another version"}},
		} {
			time.Sleep(time.Second)
			step.do()
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			var got map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for name, line := range step.lines {
				lines[name] = line
			}
			if diff := cmp.Diff(lines, got); diff != "" || w.Code != step.status {
				t.Errorf("%s: %d, want %d; the lines (-want +got):\n%s", step.name, w.Code, step.status, diff)
			}
		}
		if m.begun != 1 {
			t.Errorf("%d transactions were begun in 10 s to see whether they can be", m.begun)
		}
	})
}
