package discord

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bwmarrin/discordgo"
)

const (
	// maxBody is the longest request that is read: 1 MiB.
	maxBody = 1 << 20
	// maxSkew is how far a request's timestamp may be from now. It narrows replays; the event id stops those that are left.
	maxSkew = 5 * time.Minute
)

// Handler serves POST /discord/interactions: it checks the ed25519 signature over the raw body and answers in the response. Everything
// that is not signed by the application's key gets 401, which Discord itself tries out from time to time.
func (a *Adapter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /discord/interactions", a.overHTTP)
	return mux
}

func (a *Adapter) overHTTP(w http.ResponseWriter, r *http.Request) {
	if len(a.key) == 0 {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	signed := discordgo.VerifyInteraction(r, a.key)
	raw, err := io.ReadAll(r.Body)
	switch {
	case r.ContentLength > maxBody || len(raw) >= maxBody && !signed:
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	case err != nil || !signed || !fresh(r.Header.Get("X-Signature-Timestamp")):
		http.Error(w, "invalid request signature", http.StatusUnauthorized)
		return
	}
	a.frame()
	in, err := readInteraction(raw)
	if err != nil {
		a.log.Warn("a signed interaction cannot be read", "error", err)
		http.Error(w, "not an interaction", http.StatusBadRequest)
		return
	}
	if in.Type == discordgo.InteractionPing {
		answer(w, response{Type: discordgo.InteractionResponsePong})
		return
	}
	out := a.act(r.Context(), in)
	answer(w, out.first)
	a.shown(in, out, answerWithin) // by then Discord has taken it, or does not any more
	a.more(in, out)
}

func answer(w http.ResponseWriter, v response) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("discord: an answer cannot be written: " + err.Error()) // unreachable: strings and numbers always marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// fresh reports whether a timestamp, in unix seconds, is at most five minutes from now.
func fresh(timestamp string) bool {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	return err == nil && time.Since(time.Unix(n, 0)).Abs() <= maxSkew
}
