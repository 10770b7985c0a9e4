package slacktest

// This file serves response_url: the URL in a command or press to which the app may send five
// answers within thirty minutes. The answer within an acknowledgement is shown by the same rules.

import (
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// response is the state of a response_url.
type response struct {
	at       time.Time
	uses     int
	user     string
	channel  string
	delivery *Delivery
	// what replace_original and delete_original act on
	message   *message
	ephemeral *Ephemeral
	press     bool // it came with a press, not with a command
}

// newResponse makes a response_url for d. w.mu is held.
func (w *Workspace) newResponse(d *Delivery, r *response) string {
	r.at, r.delivery = w.now(), d
	path := "/response/" + w.TeamID + "/" + w.id("") + "/secret"
	w.responses[w.ResponseBase+path] = r
	return w.ResponseBase + path
}

func (w *Workspace) serveResponse(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.mu.Lock()
	var src *response
	for u, s := range w.responses {
		if strings.HasSuffix(u, r.URL.Path) {
			src = s
		}
	}
	channel := ""
	if src != nil {
		channel = src.channel
	}
	latency := w.Latency
	w.mu.Unlock()

	entry, fault := w.arrive("response_url", channel, len(body))
	if !fault.before(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	wait(r, latency)
	status, code := w.useResponse(r, src, body)
	if !fault.after(rw, r) {
		w.finish(entry, fault.sent(), fault.name)
		return
	}
	if code != "" {
		w.finish(entry, status, code)
		writeJSON(rw, status, map[string]any{"ok": false, "error": code})
		return
	}
	w.finish(entry, status, "")
	rw.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(rw, "ok") // the app may have gone away
}

func (w *Workspace) useResponse(r *http.Request, src *response, body []byte) (status int, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	v, err := parseJSON(body)
	m, ok := v.(map[string]any)
	switch {
	case src == nil:
		return http.StatusNotFound, "invalid_url"
	case r.Method != http.MethodPost || kind != "application/json" || err != nil || !ok:
		return http.StatusBadRequest, "invalid_payload"
	case w.now().Sub(src.at) > 30*time.Minute:
		return http.StatusNotFound, "expired_url"
	case src.uses >= 5:
		return http.StatusNotFound, "used_url"
	}
	if no := w.respond(src, m, "response_url", len(body)); no != nil {
		return http.StatusBadRequest, no.code
	}
	src.uses++
	return http.StatusOK, ""
}

// respond shows an answer that came by an acknowledgement or a response_url.
// w.mu is held.
func (w *Workspace) respond(src *response, m map[string]any, via string, size int) *refusal {
	c := &call{w: w, method: via, json: m}
	if c.flag("delete_original") {
		switch {
		case src.message != nil && !src.message.gone:
			src.message.gone = true
		case src.ephemeral != nil:
			w.unwhisper(src.ephemeral)
			src.ephemeral = nil
		default:
			return refuse("message_not_found")
		}
		return nil
	}
	p, no := c.content(40_000)
	if no != nil {
		return no
	}
	kind := c.str("response_type")
	switch kind {
	case "", "ephemeral", "in_channel":
	default:
		return refuse("invalid_response_type")
	}
	replace := c.flag("replace_original")
	if src.press && via == "response_url" && !c.has("replace_original") {
		w.complain("response_url: replace_original is not said; the original is replaced")
		replace = true
	}
	thread := c.str("thread_ts")
	ch := w.channels[src.channel]
	if replace && src.message != nil && !src.message.gone {
		src.message.change(p)
		return nil
	}
	if replace && src.ephemeral != nil {
		src.ephemeral.Text, src.ephemeral.blocks = p.text, p.blocks
		return nil
	}
	if kind == "in_channel" {
		if via == "ack" {
			w.typed(src.delivery)
		}
		sent := w.post(ch, &message{Message: Message{User: w.BotUserID, ThreadTS: thread, Text: p.text,
			UnfurlOff: p.unfurlOff}, blocks: p.blocks})
		if !src.press {
			src.message, src.ephemeral = sent, nil
		}
		return nil
	}
	e := w.whisper(src.channel, thread, src.user, p, via)
	if !src.press {
		src.ephemeral, src.message = e, nil
	}
	return nil
}

// unwhisper removes an ephemeral message.
func (w *Workspace) unwhisper(e *Ephemeral) {
	for i, x := range w.ephemerals {
		if x == e {
			w.ephemerals = append(w.ephemerals[:i:i], w.ephemerals[i+1:]...)
			return
		}
	}
}
