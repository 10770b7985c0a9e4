package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Delivery is the delivery of one command or interaction of a person to the app:
// what was sent, how the app answered, and whether the answer came in time. It is
// sent over Socket Mode or as a signed post to a request URL, as the workspace is
// configured. The methods may be called at any time from any goroutine.
type Delivery struct {
	// ID is the envelope id of Socket Mode; an event that is sent again keeps it.
	ID string
	// Type is "slash_commands" or "interactive".
	Type string
	// Payload is the JSON that was sent: the fields of a command, or the interaction.
	Payload json.RawMessage
	// Trigger is the trigger_id in the payload.
	Trigger string
	// ResponseURL is the response_url in the payload; empty for modals.
	ResponseURL string

	w       *Workspace
	command string           // for the message that Slack shows when the command fails
	apply   func(reply)      // what the answer does; nil: nothing
	timer   *time.Timer      // fires when the answer is late
	carried map[*Socket]bool // sockets that it was sent on
	request *signedRequest   // the last request, of HTTP
	fields  url.Values       // of a command

	attempts int
	sent     time.Time
	acked    time.Time
	body     []byte
	status   int
	failure  string
	err      error
	finished bool
	done     chan struct{}
}

// reply is the answer to a delivery.
type reply struct {
	body []byte
	json bool
}

// Acked reports whether the app has acknowledged the delivery. On a socket a late
// acknowledgement counts; on a request URL it cannot come, since Slack hangs up.
func (d *Delivery) Acked() bool {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return !d.acked.IsZero()
}

// AckedAfter returns the time from the first sending to the acknowledgement; 0
// when there is none yet.
func (d *Delivery) AckedAfter() time.Duration {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if d.acked.IsZero() {
		return 0
	}
	return d.acked.Sub(d.sent)
}

// Response returns the payload of the acknowledgement or the body of the HTTP
// answer; nil when it was empty or there was none.
func (d *Delivery) Response() json.RawMessage {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return bytes.Clone(d.body)
}

// StatusCode returns the status of the HTTP answer; 0 in Socket Mode.
func (d *Delivery) StatusCode() int {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.status
}

// Attempts returns how often the delivery was sent.
func (d *Delivery) Attempts() int {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.attempts
}

// Failure returns the error that Slack showed to the person: "operation_timeout"
// (no answer in time), "dispatch_failed" (no socket is connected),
// "http_client_error" or "http_service_error" (by status), "connection_failed",
// "invalid_response"; empty when there was no error.
func (d *Delivery) Failure() string {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.failure
}

// Err returns why the person could not do it at all (no such button, not in the
// channel, no such command). In that case nothing was sent.
func (d *Delivery) Err() error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.err
}

// Done returns a channel that is closed when the app has acknowledged, or when
// the time for that is over.
func (d *Delivery) Done() <-chan struct{} { return d.done }

// Wait returns nil when the app has acknowledged in time, and an error when the
// person could not do it, when it failed, or when ctx ends.
func (d *Delivery) Wait(ctx context.Context) error {
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the acknowledgement of %s: %w", d.ID, context.Cause(ctx))
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	switch {
	case d.err != nil:
		return d.err
	case d.failure != "":
		return fmt.Errorf("slacktest: delivery %s failed: %s", d.ID, d.failure)
	case d.acked.IsZero():
		return fmt.Errorf("slacktest: delivery %s: the workspace was closed", d.ID)
	}
	return nil
}

// Replay sends exactly the same again: the same signed request, or the same
// envelope on the next socket. The app's answer is kept but has no effect.
func (d *Delivery) Replay() *Delivery {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.err != nil {
		return d
	}
	again := &Delivery{
		ID: d.ID, Type: d.Type, Payload: d.Payload, Trigger: d.Trigger, ResponseURL: d.ResponseURL, w: w,
		fields:  d.fields,
		carried: map[*Socket]bool{}, done: make(chan struct{}),
	}
	if d.request != nil {
		again.sent, again.attempts, again.request = w.now(), 1, d.request
		again.await()
		w.dispatch(again, d.request)
		return again
	}
	w.deliver(again)
	return again
}

// newDelivery makes a delivery that has not been sent. w.mu is held.
func (w *Workspace) newDelivery(kind string) *Delivery {
	return &Delivery{ID: w.id("env-"), Type: kind, w: w, carried: map[*Socket]bool{}, done: make(chan struct{})}
}

// cannot returns a delivery that was not sent, because the person could not do it.
func (w *Workspace) cannot(kind, format string, args ...any) *Delivery {
	d := w.newDelivery(kind)
	d.err = fmt.Errorf("slacktest: "+format, args...)
	d.finish()
	return d
}

// finish ends what Wait waits for. w.mu is held.
func (d *Delivery) finish() {
	if !d.finished {
		d.finished = true
		close(d.done)
	}
}

// stop ends the wait for an answer. w.mu is held.
func (d *Delivery) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.finish()
}

// fail ends d with an error that the person sees. w.mu is held.
func (d *Delivery) fail(code string) {
	if d.finished {
		return
	}
	d.failure = code
	if d.command != "" {
		w := d.w
		w.whisper(d.fields.Get("channel_id"), "", d.fields.Get("user_id"),
			&content{text: fmt.Sprintf("%s failed with the error %q", d.command, code)}, "slack")
	}
	d.stop()
}

// deliver sends d for the first time. w.mu is held.
func (w *Workspace) deliver(d *Delivery) {
	d.sent = w.now()
	w.inFlight[d.ID] = d
	w.attempt(d, "")
}

// attempt sends d once, or twice with Duplicate. w.mu is held.
func (w *Workspace) attempt(d *Delivery, why string) {
	if w.closed {
		d.stop()
		return
	}
	d.attempts++
	copies := 1
	if w.Duplicate {
		copies = 2
	}
	for range copies {
		if w.handler != nil || w.RequestURL != "" {
			d.request = w.sign(d, why)
			w.dispatch(d, d.request)
			continue
		}
		s := w.pick()
		if s == nil {
			d.fail("dispatch_failed")
			return
		}
		d.carried[s] = true
		s.enqueue(w.envelope(d, why))
	}
	d.await()
}

// await starts the timer for the answer. w.mu is held.
func (d *Delivery) await() {
	w := d.w
	d.timer = time.AfterFunc(w.AckWithin, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if d.finished || w.closed {
			return
		}
		d.retry("timeout", "operation_timeout")
	})
}

// retry sends d again when Redeliver is set, and else lets it fail. w.mu is held.
func (d *Delivery) retry(why, failure string) {
	if !d.w.Redeliver || d.attempts > 3 {
		d.fail(failure)
		return
	}
	d.timer.Stop()
	d.w.attempt(d, why)
}

// envelope returns d as Socket Mode sends it.
func (w *Workspace) envelope(d *Delivery, why string) []byte {
	return toJSON(map[string]any{
		"envelope_id": d.ID, "type": d.Type, "payload": d.Payload, "accepts_response_payload": true,
		"retry_attempt": d.attempts - 1, "retry_reason": why,
	})
}

// answered takes the app's answer. w.mu is held.
func (w *Workspace) answered(d *Delivery, r reply) {
	if !d.acked.IsZero() {
		return // the second answer to something sent twice
	}
	d.acked = w.now()
	d.body = r.body
	if d.finished {
		return // too late: the person has seen the error
	}
	d.timer.Stop()
	if d.apply != nil {
		d.apply(r)
	}
	d.finish()
}

// ack reads a message that came on a socket, which must be an acknowledgement.
func (w *Workspace) ack(s *Socket, raw []byte, fragmented bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, err := parseJSON(raw)
	m, ok := v.(map[string]any)
	id, _ := m["envelope_id"].(string)
	d := w.inFlight[id]
	switch {
	case err != nil || !ok || id == "":
		w.complain("socket %d: a message that is not an acknowledgement, of %d bytes", s.id, len(raw))
		return
	case len(raw) >= 20*1024:
		w.complain("socket %d: an acknowledgement of %d bytes is dropped: it must be under 20 KB", s.id, len(raw))
		return
	case fragmented:
		w.complain("socket %d: an acknowledgement in several frames is dropped", s.id)
		return
	case d == nil:
		w.complain("socket %d: an acknowledgement of envelope %q, which was never sent", s.id, id)
		return
	case !d.carried[s] && !w.AckAnySocket:
		w.complain("socket %d: an acknowledgement of envelope %s, which came on another socket, is dropped", s.id, id)
		return
	case !d.acked.IsZero() && d.attempts == 1 && !w.Duplicate:
		w.complain("socket %d: envelope %s is acknowledged twice", s.id, id)
		return
	}
	r := reply{json: true}
	if p := m["payload"]; p != nil {
		r.body = toJSON(p)
	}
	w.answered(d, r)
}

// signedRequest is a post to a request URL.
type signedRequest struct {
	path   string
	body   []byte
	header http.Header
}

// sign returns the signed request for d. w.mu is held.
func (w *Workspace) sign(d *Delivery, why string) *signedRequest {
	r := &signedRequest{path: w.InteractPath, header: http.Header{}}
	if d.fields != nil {
		r.path = w.CommandPath
		r.body = []byte(d.fields.Encode())
	} else {
		r.body = []byte(url.Values{"payload": {string(d.Payload)}}.Encode())
	}
	ts := fmt.Sprint(w.now().Add(-w.SignatureAge).Unix())
	secret := w.SigningSecret
	if w.BadSignature {
		secret += "-wrong"
	}
	r.header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.header.Set("X-Slack-Request-Timestamp", ts)
	r.header.Set("X-Slack-Signature", Sign(secret, ts, r.body))
	if d.attempts > 1 {
		r.header.Set("X-Slack-Retry-Num", fmt.Sprint(d.attempts-1))
		r.header.Set("X-Slack-Retry-Reason", map[string]string{"timeout": "http_timeout"}[why])
		if why != "timeout" {
			r.header.Set("X-Slack-Retry-Reason", why)
		}
	}
	return r
}

// Sign returns the value of X-Slack-Signature for a raw body and the value of
// X-Slack-Request-Timestamp.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:", timestamp)
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// dispatch posts r in a goroutine. w.mu is held.
func (w *Workspace) dispatch(d *Delivery, r *signedRequest) {
	handler, base, within := w.handler, strings.TrimSuffix(w.RequestURL, "/"), w.AckWithin
	w.beginLocked(func() {
		ctx, cancel := context.WithTimeout(w.ctx, within)
		defer cancel()
		target := "https://bot.example" + r.path
		if handler == nil {
			target = base + r.path
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(r.body))
		if err != nil {
			panic(fmt.Sprintf("slacktest: RequestURL: %v", err))
		}
		req.Header = r.header.Clone()
		status, kind, body, err := exchange(req, handler)
		if ctx.Err() != nil {
			err = ctx.Err() // Slack has hung up, so a later answer does not count
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.responded(d, status, kind, body, err)
	})
}

var errAborted = errors.New("the connection was broken")

// exchange sends req to handler or, where that is nil, over the network.
func exchange(req *http.Request, handler http.Handler) (status int, kind string, body []byte, err error) {
	if handler == nil {
		t := &http.Transport{DisableKeepAlives: true}
		defer t.CloseIdleConnections()
		resp, err := (&http.Client{Transport: t}).Do(req)
		if err != nil {
			return 0, "", nil, fmt.Errorf("posting to the request URL: %w", err)
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Content-Type"), body, err
	}
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			err = errAborted
		} else if v != nil {
			panic(v)
		}
	}()
	rec := &recorder{header: http.Header{}}
	req.RequestURI = req.URL.RequestURI()
	req.RemoteAddr = "192.0.2.1:443"
	handler.ServeHTTP(rec, req)
	rec.WriteHeader(http.StatusOK)
	return rec.status, rec.header.Get("Content-Type"), []byte(rec.body.String()), nil
}

// responded takes the answer to a post. w.mu is held.
func (w *Workspace) responded(d *Delivery, status int, kind string, body []byte, err error) {
	if d.status != 0 && !d.acked.IsZero() {
		return // the second answer to something sent twice
	}
	if err == nil {
		d.status = status
	}
	switch {
	case err != nil && (errors.Is(err, context.DeadlineExceeded) || w.closed):
		return // the timer ends the delivery
	case err != nil:
		d.unanswered("connection_failed")
		return
	case status >= 300:
		d.body = body
		if status >= 500 {
			d.unanswered("http_service_error")
		} else {
			d.unanswered("http_client_error")
		}
		return
	}
	media, _, _ := mime.ParseMediaType(kind)
	r := reply{json: media == "application/json"}
	if len(body) > 0 {
		r.body = body
	}
	w.answered(d, r)
}

// unanswered retries or fails a post that got no usable answer in time. w.mu is held.
func (d *Delivery) unanswered(failure string) {
	if !d.finished && !d.w.closed {
		d.retry("http_error", failure)
	}
}

// Send delivers any payload, for events that no other method of this package
// causes. kind is the type of the envelope; with request URLs it is posted as an
// interaction. trigger_id and response_url are those of the payload.
func (w *Workspace) Send(kind string, payload json.RawMessage) *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.newDelivery(kind)
	d.Payload = bytes.Clone(payload)
	w.deliver(d)
	return d
}

// SSLCheck posts the certificate check that Slack sends to a command's
// request URL. It fails without a request URL.
func (w *Workspace) SSLCheck() *Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handler == nil && w.RequestURL == "" {
		return w.cannot("slash_commands", "SSLCheck: there is no request URL")
	}
	d := w.newDelivery("slash_commands")
	d.fields = url.Values{"ssl_check": {"1"}, "token": {verification}}
	d.Payload = fieldsJSON(d.fields)
	w.deliver(d)
	return d
}

// verification is the constant of the field "token", which Slack has retired.
const verification = "slacktest-verification"

func fieldsJSON(v url.Values) json.RawMessage {
	m := map[string]string{}
	for k := range v {
		m[k] = v.Get(k)
	}
	return toJSON(m)
}

// said shows the answer to a command as a message. w.mu is held.
func (w *Workspace) said(d *Delivery, r reply) {
	if len(bytes.TrimSpace(r.body)) == 0 {
		return
	}
	m := map[string]any{"text": string(r.body)}
	if r.json {
		v, err := parseJSON(r.body)
		obj, ok := v.(map[string]any)
		if err != nil || !ok {
			w.complain("%s: the answer is not a JSON object", d.command)
			d.fail("invalid_response")
			return
		}
		m = obj
	}
	src := w.responses[d.ResponseURL]
	if no := w.respond(src, m, "ack", len(r.body)); no != nil {
		w.complain("%s: the answer cannot be shown: %s %s", d.command, no.code, toJSON(no.extra))
		d.fail("invalid_response")
	}
}

// typed posts the command itself to the whole channel. w.mu is held.
func (w *Workspace) typed(d *Delivery) {
	ch := w.channels[d.fields.Get("channel_id")]
	w.post(ch, &message{Message: Message{
		User: d.fields.Get("user_id"), Text: strings.TrimSpace(d.command + " " + d.fields.Get("text")),
		Subtype: "slash_command",
	}})
}

// submitted carries out the answer to a submitted modal. w.mu is held.
func (w *Workspace) submitted(d *Delivery, v *view, r reply) {
	if len(bytes.TrimSpace(r.body)) == 0 {
		w.closeView(v)
		return
	}
	bad := func(format string, args ...any) {
		w.complain("view_submission of %s: %s", v.ID, fmt.Sprintf(format, args...))
		d.fail("invalid_response")
	}
	x, err := parseJSON(r.body)
	m, ok := x.(map[string]any)
	if err != nil || !ok || !r.json {
		bad("the answer is not a JSON object with its content type")
		return
	}
	switch action := str(m, "response_action"); action {
	case "errors":
		errs, _ := m["errors"].(map[string]any)
		if len(errs) == 0 {
			bad("no errors in response_action errors")
			return
		}
		shown := map[string]string{}
		for _, k := range sortedKeys(errs) {
			text, _ := errs[k].(string)
			if !slices.Contains(inputIDs(v), k) || text == "" {
				bad("%q is not the block_id of an input, or its error is no text", k)
				return
			}
			shown[k] = text
		}
		v.Errors = shown
	case "update", "push":
		raw, no := w.checkView(m["view"], len(r.body))
		if no == nil && action == "push" {
			_, no = w.push(v, raw)
		} else if no == nil {
			w.fill(v, raw)
		}
		if no != nil {
			bad("the view cannot be shown: %s %s", no.code, toJSON(no.extra))
		}
	case "clear":
		w.clearViews(v.Root)
	default:
		bad("unknown response_action %q", action)
	}
}

// inputIDs returns the block_ids of a view's inputs.
func inputIDs(v *view) []string {
	var ids []string
	for _, b := range v.raw["blocks"].([]any) {
		if m := b.(map[string]any); m["type"] == "input" {
			ids = append(ids, str(m, "block_id"))
		}
	}
	return ids
}
