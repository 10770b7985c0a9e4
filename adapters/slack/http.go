package slack

// This file serves Slack's request URLs. A request whose signature is missing, wrong or older than
// five minutes is refused, and its body is not read if the headers cannot be Slack's.

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"recallbot/adapters/inbound"

	slackgo "github.com/slack-go/slack"
)

// Handler serves POST /slack/commands and POST /slack/interactions in HTTP mode. Each request must
// have a signature over its raw body that is at most five minutes old; a repeated request has the
// same event id. Without signing secrets, and with an app token, it answers 404 to everything: an
// app has request URLs or Socket Mode, not both.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	if len(a.o.SigningSecrets) == 0 || a.sockets != nil {
		return mux
	}
	mux.HandleFunc("POST /slack/commands", a.signed(func(form url.Values, at time.Time) (delivery, error) {
		// The library parses the verified form, so that nothing outside the body counts.
		c, err := slackgo.SlashCommandParse(&http.Request{Method: http.MethodPost, PostForm: form, Form: form})
		if err != nil {
			return delivery{}, errMalformed
		}
		return a.commandDelivery(c, at)
	}))
	mux.HandleFunc("POST /slack/interactions", a.signed(func(form url.Values, at time.Time) (delivery, error) {
		return a.interactionDelivery([]byte(form.Get("payload")), at)
	}))
	return mux
}

// signed verifies a request, reads it, and writes the acknowledgement.
func (a *Adapter) signed(read func(form url.Values, at time.Time) (delivery, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, status := a.door.Read(w, r, a.signature(r.Header))
		switch {
		case status == http.StatusUnauthorized && isSSLCheck(body):
			return // Slack checks the certificate and expects 200
		case status != 0:
			http.Error(w, http.StatusText(status), status)
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			http.Error(w, "the body is no form", http.StatusBadRequest)
			return
		}
		if form.Get("ssl_check") == "1" {
			return
		}
		if !a.started(r.Context()) || a.flow.Context().Err() != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		d, err := read(form, at)
		if err != nil {
			if errors.Is(err, errIgnored) {
				return // 200: acknowledged
			}
			a.log.Warn("a request of Slack could not be read", "path", r.URL.Path, "err", err)
			http.Error(w, "the payload cannot be read", http.StatusBadRequest)
			return
		}

		// The work after the acknowledgement takes longer than the request, so it needs another
		// goroutine.
		answered := make(chan any, 1)
		if !a.flow.Begin(func() {
			a.take(d, func(payload any) error {
				answered <- payload
				return nil
			})
		}) {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		payload := <-answered
		if payload == nil {
			return // 200 without a body
		}
		out, err := json.Marshal(payload)
		if err != nil {
			a.log.Error("an answer could not be written", "event", d.event.ID, "err", err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(out) // Slack may have hung up; the event is stored
	}
}

// startWithin is how long an event waits for the answer to the first auth.test, without which it is
// not known whose event it is. Slack waits three seconds for the acknowledgement.
const startWithin = 2 * time.Second

// started waits until Slack has said whose token it is, for startWithin at most, and reports
// whether it has.
func (a *Adapter) started(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	select {
	case <-a.arrived:
		return true
	case <-ctx.Done():
		return false
	}
}

// signature returns the check of a request's signature, which one of the signing secrets must have
// made. The library checks the headers first; if they cannot be right, no secret remains to try.
func (a *Adapter) signature(h http.Header) inbound.Signed {
	var verifiers []slackgo.SecretsVerifier
	for _, secret := range a.o.SigningSecrets {
		if v, err := slackgo.NewSecretsVerifier(h, secret); err == nil {
			verifiers = append(verifiers, v)
		}
	}
	why, off := inbound.Doubt(h.Get("X-Slack-Request-Timestamp"), 5*time.Minute)
	signed := inbound.Signed{From: string(ID), Plausible: len(verifiers) > 0, Why: why, Off: off}
	signed.Fits = func(body []byte) bool {
		for _, v := range verifiers {
			if _, err := v.Write(body); err == nil && v.Ensure() == nil {
				return true
			}
		}
		return false
	}
	return signed
}

// maxSSLCheck is the size in bytes of the largest body that may be a check of the certificate,
// which may have no signature.
const maxSSLCheck = 1 << 10

func isSSLCheck(body []byte) bool {
	if len(body) > maxSSLCheck {
		return false
	}
	form, err := url.ParseQuery(string(body))
	return err == nil && form.Get("ssl_check") == "1"
}
