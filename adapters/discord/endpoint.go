package discord

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"recallbot/adapters/inbound"

	"github.com/bwmarrin/discordgo"
)

// maxSkew is how far a request's timestamp may be from now. It limits replays; the event id detects
// the remaining ones.
const maxSkew = 5 * time.Minute

// Handler serves POST /discord/interactions. It checks the ed25519 signature over the raw body and
// answers in the response. A request that is not signed by the application's key gets 401; Discord
// itself tests that from time to time. Without a public key, Handler answers 404.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	if len(a.key) == 0 {
		return mux
	}
	mux.HandleFunc("POST /discord/interactions", a.overHTTP)
	return mux
}

func (a *Adapter) overHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	raw, status := a.o.Door.Read(w, r, a.signature(r.Header))
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	a.frame()
	in, err := readInteraction(raw)
	if err != nil {
		a.log.Warn("a signed interaction cannot be read", "err", err)
		http.Error(w, "not an interaction", http.StatusBadRequest)
		return
	}
	if in.Type == discordgo.InteractionPing {
		answer(w, response{Type: discordgo.InteractionResponsePong})
		return
	}
	first, written := make(chan response, 1), make(chan error, 1)
	defer close(written)
	if !a.flow.Begin(func() {
		defer close(first)
		a.take(in, received, func(answer response) error {
			first <- answer
			return <-written
		})
	}) {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	out, ok := <-first
	if !ok { // a bug, which is in the log
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if r.Context().Err() != nil {
		written <- errHungUp
		return
	}
	answer(w, out)
}

// errHungUp is the error of a first answer for which Discord no longer waited.
var errHungUp = errors.New("the answer is late: Discord waits for it no longer")

func answer(w http.ResponseWriter, v response) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("discord: an answer cannot be written: " + err.Error()) // unreachable: strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// signature returns the check of a request's signature.
func (a *Adapter) signature(h http.Header) inbound.Signed {
	timestamp := h.Get("X-Signature-Timestamp")
	signature, err := hex.DecodeString(h.Get("X-Signature-Ed25519"))
	why, off := inbound.Doubt(timestamp, maxSkew)
	return inbound.Signed{From: string(ID), Why: why, Off: off,
		Plausible: err == nil && len(signature) == ed25519.SignatureSize && fresh(timestamp), Before: timestamp,
		Fits: func(signed []byte) bool { return ed25519.Verify(a.key, signed, signature) },
	}
}

// fresh reports whether a timestamp, in unix seconds, is at most five minutes from now.
func fresh(timestamp string) bool {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	return err == nil && time.Since(time.Unix(n, 0)).Abs() <= maxSkew
}
