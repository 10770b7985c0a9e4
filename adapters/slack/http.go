package slack

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	slackgo "github.com/slack-go/slack"
)

// maxBody is the largest request that is read. Bytes.
const maxBody = 1 << 20

// Handler serves POST /slack/commands and POST /slack/interactions in HTTP mode. Each request must bear a signature over its raw body
// that is at most five minutes old; the same request again is known by its event. Without signing secrets, and with an app token, it
// answers 404 to everything: one app cannot have both.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	if len(a.o.SigningSecrets) == 0 || a.sockets != nil {
		return mux
	}
	mux.HandleFunc("POST /slack/commands", a.signed(func(form url.Values, at time.Time) (delivery, error) {
		// Parsed by the library from the form that was verified, so that nothing beside the body counts.
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
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
			} else {
				http.Error(w, "the body could not be read", http.StatusBadRequest)
			}
			return
		}
		form, formErr := url.ParseQuery(string(body))
		if formErr == nil && form.Get("ssl_check") == "1" {
			return // Slack looks at the certificate; it wants 200, and nothing is done
		}
		if !a.verified(r.Header, body) {
			http.Error(w, "the signature does not fit", http.StatusUnauthorized)
			return
		}
		if formErr != nil {
			http.Error(w, "the body is no form", http.StatusBadRequest)
			return
		}
		if a.home.Load() == nil || a.ctx.Err() != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		d, err := read(form, at)
		if err != nil {
			if errors.Is(err, errIgnored) {
				return // 200: acknowledged
			}
			a.log.Warn("a request of Slack could not be read", "path", r.URL.Path, "error", err)
			http.Error(w, "the payload cannot be read", http.StatusBadRequest)
			return
		}

		// What follows the acknowledgement outlives the request, so it may not stay in this goroutine.
		answered := make(chan any, 1)
		if !a.begin(func() {
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
			a.log.Error("an answer could not be written", "event", d.event.ID, "error", err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(out) // Slack may have gone; the event is stored
	}
}

// verified reports whether one of the signing secrets made the signature.
func (a *Adapter) verified(h http.Header, body []byte) bool {
	for _, secret := range a.o.SigningSecrets {
		v, err := slackgo.NewSecretsVerifier(h, secret)
		if err != nil {
			continue
		}
		if _, err := v.Write(body); err == nil && v.Ensure() == nil {
			return true
		}
	}
	return false
}
