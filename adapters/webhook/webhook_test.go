package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters/inbound"
	"recallbot/adapters/webhook"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/recall"
)

const (
	app   = 1400000000
	token = "xxxxyyyy"
)

// ear is a bot that only listens.
type ear struct {
	mu    sync.Mutex
	heard [][]recall.Callback
	fails int           // of the next tries
	slow  time.Duration // of each
	deaf  bool          // wants nothing
}

func (e *ear) Wants(recall.Callback) bool { return !e.deaf }

func (e *ear) Hear(ctx context.Context, callbacks []recall.Callback) error {
	select {
	case <-time.After(e.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails > 0 {
		e.fails--
		return errors.New("the disk is full")
	}
	e.heard = append(e.heard, slices.Clone(callbacks))
	return nil
}

func (e *ear) all() []recall.Callback {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Concat(e.heard...)
}

func open(t testing.TB, o webhook.Options) *webhook.Webhook {
	t.Helper()
	o.App, o.Token = app, token
	w, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func sent(seq int) string {
	return fmt.Sprintf(`{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"@TGS#aLIVE","Type":"AVChatRoom","From_Account":"mallory","MsgSeq":%d,"MsgTime":%d,
		"OnlineOnlyFlag":0,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"win big"}}],"EventTime":"1700000000000"}`, seq, time.Now().Unix())
}

const recalled = `{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"@TGS#aLIVE","Operator_Account":"a","MsgSeqList":[{"MsgSeq":7}],"EventTime":1700000000000}`

// address is where the service posts a callback at that time.
func address(at time.Time) url.Values {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return url.Values{"SdkAppid": {strconv.Itoa(app)}, "CallbackCommand": {"x"}, "contenttype": {"json"},
		"RequestTime": {seconds}, "Sign": {recall.SignCallback(token, seconds)}}
}

func post(w http.Handler, query url.Values, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/chat/webhook?"+query.Encode(), strings.NewReader(body))
	rw := httptest.NewRecorder()
	w.ServeHTTP(rw, r)
	return rw
}

func run(w *webhook.Webhook) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

func TestVerified(t *testing.T) {
	now := time.Now()
	with := func(key, value string) url.Values {
		q := address(now)
		q.Set(key, value)
		return q
	}
	for _, tc := range []struct {
		name   string
		query  url.Values
		body   string
		status int
		why    string // as the log and the metrics tell it
	}{
		{"a good one", address(now), recalled, 200, ""},
		{"a minute old", address(now.Add(-58 * time.Second)), recalled, 200, ""},
		{"too old", address(now.Add(-62 * time.Second)), recalled, 401, "clock off"},
		{"of the future", address(now.Add(62 * time.Second)), recalled, 401, "clock off"},
		{"another sign", with("Sign", strings.Repeat("0", 64)), recalled, 401, "wrong secret"},
		{"another time than was signed", with("RequestTime", strconv.FormatInt(now.Unix()+1, 10)), recalled, 401,
			"wrong secret"},
		{"no sign", with("Sign", ""), recalled, 401, "not signed"},
		{"another app", with("SdkAppid", "1400000001"), recalled, 401, "another app"},
		{"nothing at all", url.Values{}, recalled, 401, "not signed"},
		{"too large", address(now), strings.Repeat(" ", 1<<20) + recalled, 413, "request entity too large"},
		{"as large as may be", address(now), strings.Repeat(" ", 1<<20-len(recalled)) + recalled, 200, ""},
		{"not JSON", address(now), "<html>", 400, "unreadable"},
		{"no list", address(now), `{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"g"}`, 400, "unreadable"},
		{"another command", address(now), `{"CallbackCommand":"Group.CallbackAfterGroupFull"}`, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &ear{}
			door := inbound.New(nil)
			w := open(t, webhook.Options{Bot: e, Door: door})
			rw := post(w, tc.query, tc.body)
			if why, _ := door.Last(webhook.From); why != tc.why || (why == "") != !w.Last().IsZero() {
				t.Errorf("refused for %q, want %q; the last came at %v", why, tc.why, w.Last())
			}
			if rw.Code != tc.status {
				t.Errorf("status %d, want %d", rw.Code, tc.status)
			}
			if strings.Contains(rw.Body.String(), token) {
				t.Errorf("the answer holds the token: %s", rw.Body)
			}
			if tc.status == 200 && rw.Body.String() != recall.CallbackAnswer {
				t.Errorf("answer %s", rw.Body)
			}
			if n := w.Counts(); (tc.status == 200) != (n.Taken == 1) || (tc.status != 200) != (n.Refused == 1) {
				t.Errorf("counts %+v", n)
			}
		})
	}
	t.Run("another method", func(t *testing.T) {
		rw := httptest.NewRecorder()
		open(t, webhook.Options{Bot: &ear{}}).ServeHTTP(rw,
			httptest.NewRequest(http.MethodGet, "/?"+address(now).Encode(), nil))
		if rw.Code != http.StatusMethodNotAllowed {
			t.Errorf("status %d", rw.Code)
		}
	})
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

// TestBodyUnread: where the address is not signed, the body is not read.
func TestBodyUnread(t *testing.T) {
	now := address(time.Now())
	change := func(key, value string) url.Values {
		q := maps.Clone(now)
		q.Set(key, value)
		return q
	}
	for name, query := range map[string]url.Values{
		"nothing": {}, "another sign": change("Sign", strings.Repeat("0", 64)), "no sign": change("Sign", ""),
		"another app": change("SdkAppid", "1"),
		"old":         address(time.Now().Add(-2 * time.Minute)), "ahead": address(time.Now().Add(2 * time.Minute)),
	} {
		rw := httptest.NewRecorder()
		open(t, webhook.Options{Bot: &ear{}}).ServeHTTP(rw,
			httptest.NewRequest(http.MethodPost, "/chat/webhook?"+query.Encode(), unread{t: t}))
		if rw.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, rw.Code)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []webhook.Options{{Token: token, Bot: &ear{}}, {App: app, Bot: &ear{}},
		{App: app, Token: token}} {
		if _, err := webhook.New(o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
}

// Callbacks are answered whatever the bot does, reach it in batches, and recalls before messages.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{slow: time.Second}
		w := open(t, webhook.Options{Bot: e})
		for i := range 30 {
			post(w, address(time.Now()), sent(i+1))
		}
		post(w, address(time.Now()), recalled)
		defer run(w)()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		all := e.all()
		if len(e.heard) != 1 || len(all) != 31 || all[0].Command() != recall.CommandAfterRecallMsg {
			t.Errorf("heard %d in %d batches", len(all), len(e.heard))
		}
		if n := w.Counts(); n != (webhook.Counts{Taken: 31, Handed: 31}) {
			t.Errorf("counts %+v", n)
		}
	})
}

// What waits is bounded: by number for each kind, and in bytes. What is beyond is answered, dropped
// and counted.
func TestBounded(t *testing.T) {
	t.Run("in number", func(t *testing.T) {
		w := open(t, webhook.Options{Bot: &ear{}, Sends: 10, Recalls: 5})
		for i := range 25 {
			if rw := post(w, address(time.Now()), sent(i+1)); rw.Code != 200 {
				t.Fatalf("status %d", rw.Code)
			}
		}
		if rw := post(w, address(time.Now()), recalled); rw.Code != 200 {
			t.Fatalf("status %d", rw.Code)
		}
		if n := w.Counts(); n != (webhook.Counts{Taken: 11, Dropped: 15, Waiting: 11}) {
			t.Errorf("counts %+v", n)
		}
	})
	t.Run("in bytes", func(t *testing.T) {
		w := open(t, webhook.Options{Bot: &ear{}})
		large := recalled + strings.Repeat(" ", 1<<20-len(recalled))
		for range 80 {
			post(w, address(time.Now()), large)
		}
		if n := w.Counts(); n.Taken != 64 || n.Dropped != 16 {
			t.Errorf("counts %+v", n)
		}
	})
	t.Run("of no use", func(t *testing.T) {
		w := open(t, webhook.Options{Bot: &ear{deaf: true}})
		if rw := post(w, address(time.Now()), recalled); rw.Code != 200 || w.Counts() != (webhook.Counts{}) {
			t.Errorf("status %d, counts %+v", rw.Code, w.Counts())
		}
	})
}

// A batch that cannot be stored is tried again; at the end it is dropped and counted.
func TestTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{fails: 3}
		w := open(t, webhook.Options{Bot: e})
		defer run(w)()
		post(w, address(time.Now()), recalled)
		time.Sleep(3 * time.Second)
		if len(e.all()) != 1 {
			t.Errorf("heard %d", len(e.all()))
		}
		e.mu.Lock()
		e.fails = 10
		e.mu.Unlock()
		post(w, address(time.Now()), recalled)
		time.Sleep(10 * time.Second)
		post(w, address(time.Now()), recalled)
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.Counts(); n.Handed != 2 || n.Dropped != 1 {
			t.Errorf("counts %+v", n)
		}
	})
}

// What waits when the process stops is handed over first.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{slow: 100 * time.Millisecond}
		w := open(t, webhook.Options{Bot: e})
		stop := run(w)
		post(w, address(time.Now()), recalled)
		time.Sleep(300 * time.Millisecond) // its batch is being handed over
		post(w, address(time.Now()), recalled)
		stop()
		if n := len(e.all()); n != 2 {
			t.Errorf("heard %d, want 2", n)
		}
	})
}

// BenchmarkIntake sends callbacks over loopback HTTP, from 16 connections that are kept, to a
// webhook before a real bot with its SQLite file on disk. callbacks/s is how many are stored, over
// the time until the last one is; p99-ms is how long an answer takes; dropped is how many there was
// no room for.
func BenchmarkIntake(b *testing.B) {
	b.Run("messages", func(b *testing.B) { benchmarkIntake(b, sent) })
	b.Run("recalls", func(b *testing.B) {
		benchmarkIntake(b, func(seq int) string {
			return fmt.Sprintf(
				`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"@TGS#1","Type":"Public","Operator_Account":"alice","MsgSeqList":[{"MsgSeq":%d}],"EventTime":1700000000000}`, seq)
		})
	})
}

func benchmarkIntake(b *testing.B, body func(seq int) string) {
	l, err := ledger.Open(b.Context(), "sqlite:"+b.TempDir()+"/bot.db", ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	bt, err := bottest.NewEngine(bot.Options{App: app, Ledger: l, Chat: nobody{}, Policy: bot.DefaultPolicy(),
		Callbacks: true, Index: bot.IndexExcerpt, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w := open(b, webhook.Options{Bot: bt.History})
	defer run(w)()
	server := httptest.NewServer(w)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var mu sync.Mutex
	var took []time.Duration
	const each = 5000
	seq := 0
	for b.Loop() {
		started := time.Now()
		next := make(chan int)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for n := range next {
					at := time.Now()
					r, err := client.Post(server.URL+"/?"+address(at).Encode(), "application/json",
						strings.NewReader(body(n)))
					if err != nil {
						b.Error(err)
						return
					}
					_, err = io.Copy(io.Discard, r.Body) // so that the connection is kept, as the service does
					if r.Body.Close(); err != nil {
						b.Error(err)
					}
					mu.Lock()
					took = append(took, time.Since(at))
					mu.Unlock()
				}
			})
		}
		for range each {
			seq++
			next <- seq
		}
		close(next)
		wg.Wait()
		for w.Counts().Handed+w.Counts().Dropped < int64(seq) {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(each/time.Since(started).Seconds(), "callbacks/s")
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(w.Counts().Dropped), "dropped")
}

// nobody is a Chat service that is never asked.
type nobody struct{ bot.Chat }
