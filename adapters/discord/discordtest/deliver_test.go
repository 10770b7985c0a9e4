package discordtest

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bwmarrin/discordgo"
)

// endpointOf verifies signatures as a bot does and answers with a body; an empty body is 202.
func endpointOf(t testing.TB, g *Guild, answer *atomic.Pointer[string]) http.Handler {
	key, err := hex.DecodeString(g.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !discordgo.VerifyInteraction(r, ed25519.PublicKey(key)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b, _ := io.ReadAll(r.Body)
		v, _ := decode(b)
		o, _ := v.(object)
		body := *answer.Load()
		if integer(o, "type") == KindPing {
			body = `{"type":1}`
		}
		if body == "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	})
}

func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuild(t)
		register(t, g)
		b := connect(t, g)
		var answer atomic.Pointer[string]
		set := func(s string) { answer.Store(&s) }
		set("")
		g.Deliver(endpointOf(t, g, &answer))
		if err := g.Ping(t.Context()); err != nil {
			t.Error(err)
		}

		set(`{"type":4,"data":{"content":"inline","flags":64}}`)
		i := g.Command(mina, trust, "recall")
		if err := i.Wait(t.Context()); err != nil || i.Ephemeral() != "inline" || i.Deliveries()[0].Status != 200 {
			t.Errorf("inline: %v %q %v", err, i.Ephemeral(), i.Deliveries())
		}
		if d := g.Replay(t.Context(), i); d.Status != 200 || string(d.Body) != *answer.Load() {
			t.Errorf("replay: %+v", d)
		}
		if d := g.Resend(t.Context(), i); d.Status != 200 || d.Err == nil || len(i.Deliveries()) != 2 {
			t.Errorf("resend: %+v", d) // a second answer is refused
		}

		set("")
		i = g.Command(mina, trust, "recall")
		synctest.Wait()
		v, _ := decode(i.Payload())
		want(t, b.reply(v.(object), object{"type": 4, "data": object{"content": "by callback"}}), 204, 0)
		if err := i.Wait(t.Context()); err != nil {
			t.Errorf("202: %v", err)
		}
		i = g.Command(mina, trust, "recall")
		if err := i.Wait(t.Context()); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("202 and nothing: %v", err)
		}

		g.SignNext(Signature{Bad: true}, Signature{Missing: true}, Signature{Timestamp: time.Unix(0, 0)})
		set(`{"type":4,"data":{"content":"c"}}`)
		for n, status := range []int{401, 401, 200} {
			i = g.Command(mina, trust, "recall")
			i.Wait(t.Context())
			synctest.Wait()
			if d := i.Deliveries(); len(d) != 1 || d[0].Status != status {
				t.Errorf("signature %d: %+v", n, d)
			}
		}
		for _, bad := range []string{`{"type":99}`, `[]`, `x`} {
			set(bad)
			i = g.Command(mina, trust, "recall")
			if err := i.Wait(t.Context()); !errors.Is(err, ErrNoAnswer) || i.Deliveries()[0].Err == nil {
				t.Errorf("%s: %v", bad, err)
			}
		}
		g.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		i = g.Command(mina, trust, "recall")
		began := time.Now()
		if err := i.Wait(t.Context()); !errors.Is(err, ErrNoAnswer) || time.Since(began) != 3*time.Second {
			t.Errorf("hanging: %v after %v", err, time.Since(began))
		}

		g.Deliver(nil)
		i = g.Command(mina, trust, "recall")
		if in := b.expect(0, "INTERACTION_CREATE"); str(in, "id") != i.ID {
			t.Errorf("the Gateway got %v, want only the last interaction", in)
		}
	})
}

func TestDeliveryOverTCP(t *testing.T) {
	g := newGuild(t)
	register(t, g)
	var answer atomic.Pointer[string]
	s := `{"type":5}`
	answer.Store(&s)
	srv := httptest.NewServer(endpointOf(t, g, &answer))
	defer srv.Close()
	g.InteractionsURL, g.InteractionsClient = srv.URL, srv.Client()
	if err := g.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	i := g.Command(mina, trust, "recall")
	if err := i.Wait(t.Context()); err != nil || i.Type() != AnswerDeferred {
		t.Errorf("%v, type %d", err, i.Type())
	}
}

func TestPingObjects(t *testing.T) {
	g := newGuild(t)
	g.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"type":1}`)
	}))
	if g.Ping(t.Context()) == nil {
		t.Error("an endpoint that does not check signatures passed")
	}
}
