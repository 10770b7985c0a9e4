package discord

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/adaptertest"
	"recallbot/bot"
	"recallbot/bot/intake"
)

// oblivious is a bot that keeps nothing.
type oblivious struct{}

func (oblivious) Receive(context.Context, intake.Event) (bool, *intake.Answer, error) {
	return true, nil, nil
}

func (oblivious) Do(context.Context, intake.Event, bot.Member) (intake.Answer, error) {
	return intake.Answer{Kind: intake.Accepted}, nil
}

func (oblivious) Remember(context.Context, string, string) error { return nil }

func (oblivious) Recollect(context.Context, string) (string, error) { return "", nil }

func (oblivious) PolicyNow() bot.Policy { return bot.Policy{} }

func (oblivious) RosterNow() bot.Roster { return bot.Roster{} }

func (oblivious) GiveUp(context.Context, intake.Event) (intake.Answer, error) {
	return intake.Answer{}, nil
}

func (oblivious) Alone(ctx context.Context, _ string, _ func(), fn func(context.Context) error) error {
	return fn(ctx)
}

func (oblivious) Unfinished(context.Context, bot.Platform) iter.Seq2[intake.Unfinished, error] {
	return func(func(intake.Unfinished, error) bool) {}
}

func (oblivious) Shared() bool { return true }

func (oblivious) TakesLong(intake.Event) bool { return false }

type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 204, Header: http.Header{"X-Ratelimit-Remaining": {"0"},
		"X-Ratelimit-Reset-After": {"0.001"}}, Body: http.NoBody, Request: r}, nil
}

func payload(id int) []byte {
	return fmt.Appendf(nil,
		`{"id":"%d","token":"token%d","type":2,"guild_id":"2","channel_id":"3","data":{"name":"recall","options":[{"name":"group","type":3,"value":"@TGS#1"}]},"app_permissions":"8","member":{"user":{"id":"4"},"roles":["5"]}}`, id, id)
}

func loadAdapter(t testing.TB) (*Adapter, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{
		BotToken: "t", ApplicationID: "1", Guilds: []string{"2"}, Bot: oblivious{},
		PublicKey:  hex.EncodeToString(public),
		HTTPClient: &http.Client{Transport: accepting{}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, private
}

func signed(key ed25519.PrivateKey, body []byte) *http.Request {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	r := httptest.NewRequest(http.MethodPost, "/discord/interactions", bytes.NewReader(body))
	r.Header.Set("X-Signature-Timestamp", now)
	r.Header.Set("X-Signature-Ed25519", hex.EncodeToString(ed25519.Sign(key, append([]byte(now), body...))))
	return r
}

// TestHeap handles 10,000 interactions in both ways, and as many edits: nothing is kept for any of
// them.
func TestHeap(t *testing.T) {
	if !adaptertest.Alone(t) {
		return
	}
	a, key := loadAdapter(t)
	h := a.Handler()
	heap := func() uint64 { return adaptertest.Heap(func() {}) }
	n := 0
	run := func(to int) {
		for ; n < to; n++ {
			if n%10 == 0 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, signed(key, payload(n+1)))
				if w.Code != 200 || !strings.Contains(w.Body.String(), `"type":4`) {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				continue
			}
			a.overGateway(payload(n + 1))
			if err := a.Edit(t.Context(), bot.Ref{Channel: strconv.Itoa(n + 1), Message: strconv.Itoa(n%500 + 1)},
				bot.Card{ID: reqID, State: bot.Running}); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(1000)
	few := heap()
	run(10000)
	many := heap()
	t.Logf("heap %d after 1,000, %d after 10,000", few, many)
	if many > few+few/10 {
		t.Errorf("the heap grew from %d to %d", few, many)
	}
	runtime.KeepAlive(a)
}

// BenchmarkAcknowledgement measures what a person waits for the answer to a command, over the
// loopback network and with every event stored on disk.
func BenchmarkAcknowledgement(b *testing.B) {
	for _, by := range []mode{overGateway, overHTTP} {
		b.Run(string(by), func(b *testing.B) {
			g := newGuild()
			defer g.Close()
			g.Validate = nil // it takes longer than what is measured
			address, stop := g.Start()
			defer stop()
			policy := bot.DefaultPolicy()
			policy.Crowds = map[bot.Platform]bot.Crowd{ID: {
				Requesters: []bot.Principal{{User: mina}}, Approvers: []bot.Principal{{Group: leads}},
				Channels: []string{trust},
			}}
			stored, _ := adaptertest.Storing(b, policy)
			o := Options{
				BotToken: g.BotToken, ApplicationID: g.ApplicationID, Guilds: []string{g.ID}, BaseURL: address,
				Bot: stored, Log: slog.New(slog.DiscardHandler),
			}
			if by == overHTTP {
				o.PublicKey = g.PublicKey
			}
			a, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			if by == overHTTP {
				server := httptest.NewServer(a.Handler())
				defer server.Close()
				g.InteractionsURL = server.URL + "/discord/interactions"
			}
			defer adaptertest.Start(b, a,
				func() bool { return len(g.Commands()) > 0 && (by == overHTTP || len(g.Sessions()) > 0) })()
			at := bot.Place{Platform: ID, Workspace: g.ID, Channel: trust}
			adaptertest.Acknowledgement(b, a, at, someCard(bot.Running),
				func() adaptertest.Sent { return g.Command(mina, trust, "recalls list") })
		})
	}
}

func BenchmarkCard(b *testing.B) {
	c := someCard(bot.Proposed)
	for b.Loop() {
		drawCard(c, nil)
	}
}
