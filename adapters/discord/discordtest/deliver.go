package discordtest

// This file delivers interactions to the bot: over the Gateway, or as signed POSTs to a handler or
// URL. It can sign wrongly, deliver again, and check the endpoint as Discord's portal does.

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// A Delivery is one HTTP request with an interaction, and its answer.
type Delivery struct {
	At     time.Time
	Status int // 0: no answer came in time
	Header http.Header
	Body   []byte
	Err    error // why no answer came, or why Discord refuses it
}

// Signature says how the signature of the next HTTP delivery is wrong.
type Signature struct {
	Bad       bool      // it signs another text
	Missing   bool      // the two headers are missing
	Timestamp time.Time // zero: now. Discord's own check accepts an old timestamp with a correct signature
}

// signed is a delivery as it was sent, for Replay.
type signed struct {
	body, signature, timestamp string
}

// Deliver makes interactions go as signed POSTs to a handler in this process; the Gateway then gets
// none. A nil handler selects the Gateway (or InteractionsURL) again.
func (g *Guild) Deliver(h http.Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handler = h
}

// SignNext makes the next deliveries have wrong signatures, one each.
func (g *Guild) SignNext(s ...Signature) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signatures = append(g.signatures, s...)
}

func (g *Guild) byHTTP() bool { return g.handler != nil || g.InteractionsURL != "" }

// deliver sends an interaction to the bot. Callers hold g.mu.
func (g *Guild) deliver(i *Interaction) {
	if !g.byHTTP() {
		g.dispatchInteraction(i)
		return
	}
	s := Signature{}
	if len(g.signatures) > 0 {
		s, g.signatures = g.signatures[0], g.signatures[1:]
	}
	i.signed = g.sign(i.payload, s)
	g.start(func() { g.post(g.ctx, i, i.signed) })
}

// sign signs a body as Discord does: ed25519 over the timestamp and the raw body.
func (g *Guild) sign(body []byte, s Signature) signed {
	at := s.Timestamp
	if at.IsZero() {
		at = time.Now()
	}
	d := signed{body: string(body), timestamp: strconv.FormatInt(at.Unix(), 10)}
	if s.Missing {
		d.timestamp = ""
		return d
	}
	text := d.timestamp + d.body
	if s.Bad {
		text += " "
	}
	d.signature = hex.EncodeToString(ed25519.Sign(g.key, []byte(text)))
	return d
}

// Replay sends the same signed request again, byte for byte, as an attacker who has recorded it
// can, and returns the answer. The answer does not count as the interaction's.
func (g *Guild) Replay(ctx context.Context, i *Interaction) Delivery {
	return g.roundTrip(ctx, i.signed)
}

// Resend delivers the same interaction again with a new signature, as a redelivery would, and
// returns the answer. It counts as the interaction's answer if there is none yet.
func (g *Guild) Resend(ctx context.Context, i *Interaction) Delivery {
	return g.post(ctx, i, g.sign(i.payload, Signature{}))
}

// Redispatch delivers the same interaction again over the Gateway, to every session.
func (g *Guild) Redispatch(i *Interaction) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dispatchInteraction(i)
}

// Ping does what the portal does when the endpoint is set, and regularly afterwards. It sends a
// signed PING that must be answered with {"type":1}, and PINGs with a wrong and without a signature
// that must be answered with 401. It returns the error that Discord would report.
func (g *Guild) Ping(ctx context.Context) error {
	g.mu.Lock()
	body := marshal(object{
		"id": g.snowflake(), "application_id": g.ApplicationID, "type": KindPing, "token": "ping", "version": 1,
		"user": g.userObject("1"), "entitlements": []any{}, "authorizing_integration_owners": object{},
	})
	g.mu.Unlock()
	good := g.roundTrip(ctx, g.sign(body, Signature{}))
	v, _ := decode(good.Body)
	o, _ := v.(object)
	switch {
	case good.Err != nil:
		return fmt.Errorf("discordtest: PING: %w", good.Err)
	case good.Status != http.StatusOK || integer(o, "type") != 1:
		return fmt.Errorf("discordtest: PING answered with %d and type %d, not with 200 and type 1", good.Status,
			integer(o, "type"))
	}
	if err := good.json(); err != nil {
		return err
	}
	for _, s := range []Signature{{Bad: true}, {Missing: true}} {
		if bad := g.roundTrip(ctx, g.sign(body, s)); bad.Status != http.StatusUnauthorized {
			return fmt.Errorf("discordtest: PING with a bad signature answered with %d, not with 401", bad.Status)
		}
	}
	return nil
}

func (d Delivery) json() error {
	if kind, _, _ := mime.ParseMediaType(d.Header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("discordtest: an answer with Content-Type %q, not application/json",
			d.Header.Get("Content-Type"))
	}
	return nil
}

// Deliveries returns the HTTP requests that carried the interaction.
func (i *Interaction) Deliveries() []Delivery {
	return get(i, func() []Delivery { return slices.Clone(i.deliveries) })
}

// post delivers an interaction by HTTP and accepts an inline answer. An answer that Discord cannot
// read ends the wait, since Discord then shows at once that the application failed.
func (g *Guild) post(ctx context.Context, i *Interaction, s signed) Delivery {
	ctx, cancel := context.WithTimeout(ctx, g.AckWithin)
	defer cancel()
	d := g.roundTrip(ctx, s)
	g.mu.Lock()
	defer g.mu.Unlock()
	if d.Err == nil {
		switch {
		case d.Status == http.StatusAccepted && len(d.Body) == 0:
		case d.Status == http.StatusOK:
			d.Err = g.inline(i, d)
		default:
			d.Err = fmt.Errorf("discordtest: an answer with status %d", d.Status)
		}
	}
	i.deliveries = append(i.deliveries, d)
	if d.Err != nil && !i.acked && !i.failed {
		i.failed = true
		i.timer.Stop()
		close(i.done)
	}
	g.bump()
	return d
}

// inline accepts the answer that came in the HTTP response. Callers hold g.mu.
func (g *Guild) inline(i *Interaction, d Delivery) error {
	if err := d.json(); err != nil {
		return err
	}
	v, err := decode(d.Body)
	o, ok := v.(object)
	if err != nil || !ok {
		return errors.New("discordtest: an answer that is no JSON object")
	}
	const route = "/interactions/{interaction_id}/{interaction_token}/callback"
	if g.Validate != nil {
		if err := g.Validate(http.MethodPost, route, d.Body); err != nil {
			g.violations = append(g.violations, fmt.Sprintf("inline answer: %v", err))
			return err
		}
	}
	g.noteUnknown("POST "+route, o, "type data")
	if err := g.answer(i, o, json.RawMessage(d.Body), nil); err != nil {
		return err
	}
	return nil
}

// roundTrip sends one signed request and reads its answer.
func (g *Guild) roundTrip(ctx context.Context, s signed) Delivery {
	g.mu.Lock()
	h, to := g.handler, g.InteractionsURL
	g.mu.Unlock()
	d := Delivery{At: time.Now()}
	r := (&http.Request{
		Method: http.MethodPost, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader([]byte(s.body))), ContentLength: int64(len(s.body)),
		RemoteAddr: "192.0.2.2:1234",
	}).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Discord-Interactions/1.0 (+https://discord.com)")
	if s.timestamp != "" {
		r.Header.Set("X-Signature-Ed25519", s.signature)
		r.Header.Set("X-Signature-Timestamp", s.timestamp)
	}
	var resp *http.Response
	if h != nil {
		r.URL = &url.URL{Scheme: "https", Host: "bot.example", Path: "/discord/interactions"}
		r.Host, r.RequestURI = "bot.example", "/discord/interactions"
		answer := make(chan *http.Response, 1)
		g.mu.Lock()
		started := g.start(func() { answer <- serve(h, r) })
		g.mu.Unlock()
		if !started {
			d.Err = ErrClosed
			return d
		}
		select {
		case resp = <-answer:
			if resp == nil {
				d.Err = errAborted
				return d
			}
		case <-ctx.Done():
			d.Err = ctx.Err()
			return d
		}
	} else {
		u, err := url.Parse(to)
		if err != nil {
			d.Err = err
			return d
		}
		r.URL, r.Host = u, u.Host
		client := g.InteractionsClient
		if client == nil {
			client = http.DefaultClient
		}
		if resp, d.Err = client.Do(r); d.Err != nil {
			return d
		}
	}
	defer resp.Body.Close()
	d.Status, d.Header = resp.StatusCode, resp.Header
	d.Body, d.Err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return d
}
