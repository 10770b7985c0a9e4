// Package ready answers GET /readyz: whether this process can do its work, a line for each part.
// Its database must take writes and its credentials must be accepted; an outage of a remote service
// is told and changes nothing. Anybody may ask, so it speaks in words of this program alone: errors
// of others may hold addresses, names and keys.
package ready

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"recallbot/adapters/platform"
	"recallbot/bot"
	"recallbot/recall"
)

// Options are the parts that are asked.
type Options struct {
	App    recall.SDKAppID
	Ledger *Ledger
	// Ended returns why the ledger takes nothing more; nil while it does.
	Ended     func() error
	Chat      *Chat
	Platforms []Platform
	Callbacks *Callbacks // nil: they are off
	Log       *slog.Logger
}

// Platform is a chat platform that is on.
type Platform struct {
	ID bot.Platform
	platform.Adapter
}

// Callbacks are those of the Chat service.
type Callbacks struct {
	Last    func() time.Time                  // when one was verified last; zero: never
	Refused func() (why string, at time.Time) // the last that was refused; "" where none was
}

// Ready is the http.Handler of /readyz.
type Ready struct{ o Options }

// New returns a Ready.
func New(o Options) *Ready { return &Ready{o} }

// within is how long all parts may take together.
const within = 2 * time.Second

// ServeHTTP answers 200, or 503 where this process cannot work.
func (rd *Ready) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	parts, well := map[string]string{}, true
	add := func(name, line string, ok bool) {
		parts[name] = line
		well = well && ok
	}
	pause, err := rd.paused(ctx) // reading may be what finds that the ledger has ended
	line, ok := rd.database(ctx, err)
	add("database", line, ok)
	line, ok = rd.o.Chat.line(pause)
	add("chat", line, ok)
	for _, p := range rd.o.Platforms {
		line, ok = p.line()
		add(string(p.ID), line, ok)
	}
	add("callbacks", rd.o.Callbacks.line(), true)
	status := http.StatusOK
	if !well {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(parts)
}

// paused reads whether the Chat service refuses the app.
func (rd *Ready) paused(ctx context.Context) (p *bot.Pause, err error) {
	err = rd.o.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		p, err = tx.Paused(rd.o.App)
		return err
	})
	return p, err
}

// database tells of the ledger, of which reading ended in err.
func (rd *Ready) database(ctx context.Context, err error) (line string, ok bool) {
	what := "it cannot be read: the log says why"
	if err == nil {
		what = "it takes no writes: the log says why"
		err = rd.o.Ledger.writable(ctx)
	}
	switch ended := rd.o.Ended(); {
	case ended != nil:
		return ended.Error(), false
	case err != nil:
		rd.o.Log.Warn("the database cannot be used", "err", err)
		return what, false
	}
	return "ok", true
}

func (p Platform) line() (line string, ok bool) {
	trouble, passing := p.Trouble()
	switch {
	case trouble == "" && p.Remark() != "":
		return "ok: " + p.Remark(), true
	case trouble == "":
		return "ok", true
	case !passing:
		return trouble, false
	}
	if last := p.LastFrame(); !last.IsZero() {
		return "outage since " + stamp(last) + ": " + trouble, true
	}
	return "outage: " + trouble, true
}

func (c *Callbacks) line() string {
	if c == nil {
		return "off"
	}
	last := c.Last()
	switch why, at := c.Refused(); {
	case at.After(last):
		return fmt.Sprintf("refused: %s, last at %s", why, stamp(at))
	case last.IsZero():
		return "ok: none has come yet"
	}
	return "ok: the last came at " + stamp(last)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// meaning is what a code says, in a line.
func meaning(p *bot.Pause) string {
	return fmt.Sprintf("refused since %s: %s (%d)", stamp(p.Since), cmp.Or(p.Code.Meaning(), "see the log"), p.Code)
}
