package slack

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"recallbot/adapters/inbound"

	slackgo "github.com/slack-go/slack"
)

// Handler serves POST /slack/commands and POST /slack/interactions in HTTP mode. Each request must
// bear a signature over its raw body that is at most five minutes old; the same request again is
// known by its event. Without signing secrets, and with an app token, it answers 404 to everything:
// one app cannot have both.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	if len(a.o.SigningSecrets) == 0 || a.sockets != nil {
		return mux
	}
	mux.HandleFunc("POST /slack/commands", a.signed(func(form url.Values, at time.Time) (delivery, error) {
		// Parsed by the library from the form that was verified, so that nothing beside the body
		// counts.
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

// signed verifies a request, reads it, and answers it with the acknowledgement.
func (a *Adapter) signed(read func(form url.Values, at time.Time) (delivery, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, status := a.door.Read(w, r, a.signature(r.Header))
		switch {
		case status == http.StatusUnauthorized && isSSLCheck(body):
			return // Slack looks at the certificate; it wants 200, and nothing is done
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
		if a.home.Load() == nil || a.flow.Context().Err() != nil {
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

		// What follows the acknowledgement outlives the request, so it may not stay in this
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
		_, _ = w.Write(out) // Slack may have gone; the event is stored
	}
}

// signature says how a request proves that it is Slack's: one of the signing secrets made its
// signature. The library checks the headers when it is given them, so that none of the secrets is
// left to try where they cannot be right.
func (a *Adapter) signature(h http.Header) inbound.Signed {
	var verifiers []slackgo.SecretsVerifier
	for _, secret := range a.o.SigningSecrets {
		if v, err := slackgo.NewSecretsVerifier(h, secret); err == nil {
			verifiers = append(verifiers, v)
		}
	}
	return inbound.Signed{Plausible: len(verifiers) > 0, Fits: func(body []byte) bool {
		for _, v := range verifiers {
			if _, err := v.Write(body); err == nil && v.Ensure() == nil {
				return true
			}
		}
		return false
	}}
}

// maxSSLCheck is the longest body that is looked at for being a check of the certificate, which may
// bear no signature of ours. Bytes.
const maxSSLCheck = 1 << 10

func isSSLCheck(body []byte) bool {
	if len(body) > maxSSLCheck {
		return false
	}
	form, err := url.ParseQuery(string(body))
	return err == nil && form.Get("ssl_check") == "1"
}
