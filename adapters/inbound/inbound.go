// Package inbound limits what strangers can take of the process through the address at which events
// come in. Anybody who knows that address can open connections and send requests. Only a signature
// distinguishes them from Slack, Discord and the Chat service, and it covers a body that has to be
// read first. So a Door is between the address and the adapters: Guard limits the connections and
// the headers, and Read the bodies.
//
// Strangers hold at most:
//
//   - 1,000 connections. For one more the oldest without a verified event is closed. A connection
//     without a verified event takes one request.
//   - 8 KiB of headers in 100 lines a connection.
//   - 8 MiB of bodies, all together, that are not verified yet. For more the largest of them is
//     dropped, the oldest of several, and never the one that asks for room. A body under 4 KiB is
//     never dropped: those of 999 others cannot fill the 8 MiB without one that is larger.
//   - 3 s for a body, from when its headers are read. A body whose headers cannot be those of a
//     signed request is not read.
package inbound

import (
	"cmp"
	"container/list"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxBody is the largest body that is read. Bytes.
const MaxBody = 1 << 20

const (
	maxUnverified = 8 << 20         // bytes of all bodies that are not verified yet
	firstPiece    = 4 << 10         // bytes that a body gets before any of it has come
	bodyWithin    = 3 * time.Second // a body is complete, from when its headers are read
	logEvery      = time.Minute     // a line about strangers, for each sort of refusal
)

// Door limits what strangers hold. One Door serves all adapters of a process. It is made by New.
type Door struct {
	log *slog.Logger

	mu        sync.Mutex
	room      sync.Cond // a body has left, or is told to
	bodies    []*body   // that are not verified yet, in the order in which they came
	held      int       // bytes of their buffers
	leaving   int       // the part of it whose reading was ended, and which is about to be let go
	strangers list.List // connections without a verified event, in the order in which they came
	known     list.List // connections with one, in the order of the last
	refused   map[Refusal]*refusals
}

// New returns a Door. It logs to log, or not at all where log is nil.
func New(log *slog.Logger) *Door {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Door{log: log, refused: map[Refusal]*refusals{}}
	d.room.L = &d.mu
	return d
}

// Signed is how a request proves that it was signed by the service that it names.
type Signed struct {
	From string // the service, such as "slack"
	// Plausible is false where the headers cannot be those of a signed request: one is missing, the
	// time is too far away, or the signature has the wrong length. Then the body is not read.
	Plausible bool
	// Why says what is wrong with headers that are not plausible; "": Unsigned. Off is by how much
	// the request's time differs from this machine's, where Why is Clock.
	Why string
	Off time.Duration
	// Before is the text that is signed in front of the body.
	Before string
	// Fits reports whether the signature is that of Before and the body. It is nil where the
	// headers have proved it already.
	Fits func(signed []byte) bool
}

// What may be wrong with a request that is refused with 401.
const (
	Unsigned = "not signed"
	Clock    = "clock off"    // its time is too far from this machine's
	Secret   = "wrong secret" // it is signed, and not by the secret that this program knows
)

// Doubt returns what is wrong with a request whose headers are not plausible, by its time in unix
// seconds: it may differ from this machine's by most.
func Doubt(timestamp string, most time.Duration) (why string, off time.Duration) {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return Unsigned, 0
	}
	if off = time.Since(time.Unix(n, 0)).Truncate(time.Second); off.Abs() > most {
		return Clock, off
	}
	return Unsigned, 0
}

// body is a body that is being read or verified.
type body struct {
	size   int    // bytes of its buffers
	stop   func() // ends its reading at once
	whole  bool   // nothing is to be read any more
	status int    // why its reading was ended; 0: it was not
}

// Read reads the body of r into one buffer and has it verified. It returns status 0 and the body,
// or the status with which to answer: 401 where the request is not signed, 413 where the body is
// over MaxBody, 408 where it was not complete after 3 s, 503 where it was dropped to make room, 400
// where it ended early. With 401 it returns the body too, if it was read; the caller may parse of
// it only what a stranger may say.
func (d *Door) Read(w http.ResponseWriter, r *http.Request, s Signed) (text []byte, status int) {
	defer func() {
		switch {
		case status == 0:
			d.verified(w, r)
		case text == nil: // what was not read may not be taken for the next request
			w.Header().Set("Connection", "close")
			fallthrough
		default:
			d.refuse(status, s)
		}
	}()
	switch {
	case r.ContentLength > MaxBody:
		return nil, http.StatusRequestEntityTooLarge
	case !s.Plausible:
		return nil, http.StatusUnauthorized
	}

	control := http.NewResponseController(w)
	b := &body{stop: func() {
		if control.SetReadDeadline(time.Unix(1, 0)) != nil { // not a connection's: its reader must let itself be closed
			r.Body.Close()
		}
	}}
	d.enter(b)
	defer d.leave(b)
	late := time.AfterFunc(bodyWithin, func() { d.late(b) })
	defer late.Stop()
	signed, status := d.read(b, r, s.Before)
	if status = d.complete(b, status); status != 0 {
		return nil, status
	}
	if s.Fits != nil && !s.Fits(signed) {
		status = http.StatusUnauthorized
	}
	return signed[len(s.Before):], status
}

// read reads a body, after the text before. Its buffer grows with the bytes that have come, so that
// a stranger has to send the bytes that it holds.
func (d *Door) read(b *body, r *http.Request, before string) (buf []byte, status int) {
	limit := MaxBody
	if r.ContentLength >= 0 {
		limit = int(r.ContentLength)
	}
	most := len(before) + limit + 1 // one more, so that its end is seen
	for {
		if len(buf) == most {
			return nil, http.StatusRequestEntityTooLarge
		}
		if len(buf) == cap(buf) {
			size := min(max(2*cap(buf), firstPiece), most)
			if !d.reserve(b, size) {
				return nil, http.StatusServiceUnavailable
			}
			grown := make([]byte, len(buf), size)
			copy(grown, buf)
			d.release(b, cap(buf))
			if buf = grown; len(buf) == 0 {
				buf = append(buf, before...)
			}
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF && len(buf) < most {
			return buf, 0
		}
		if err != nil && err != io.EOF {
			return nil, http.StatusBadRequest
		}
	}
}

func (d *Door) enter(b *body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bodies = append(d.bodies, b)
}

// reserve lets b hold n more bytes. Where there is no room it drops the largest of the other bodies
// and waits until their bytes are free. It returns false where the reading of b was ended
// meanwhile.
func (d *Door) reserve(b *body, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b.status == 0 && d.held+n > maxUnverified {
		if d.held-d.leaving+n > maxUnverified {
			if largest := d.largest(b); largest != nil {
				d.end(largest, http.StatusServiceUnavailable)
				continue
			}
		}
		d.room.Wait() // a body that leaves, or is being verified, does so by itself
	}
	if b.status != 0 {
		return false
	}
	b.size += n
	d.held += n
	return true
}

// largest returns the largest body other than b whose reading can be ended, and of several the
// oldest. d.mu is held.
func (d *Door) largest(b *body) (largest *body) {
	for _, o := range d.bodies {
		if o != b && !o.whole && o.status == 0 && (largest == nil || o.size > largest.size) {
			largest = o
		}
	}
	return largest
}

// end ends the reading of a body. d.mu is held.
func (d *Door) end(b *body, status int) {
	b.status = status
	d.leaving += b.size
	b.stop()
	d.room.Broadcast()
}

func (d *Door) late(b *body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !b.whole && b.status == 0 {
		d.end(b, http.StatusRequestTimeout)
	}
}

// complete marks a body as read, with the status of its reading. From then on nobody else ends it.
func (d *Door) complete(b *body, status int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.whole = true
	if b.status != 0 {
		return b.status
	}
	return status
}

func (d *Door) release(b *body, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free(b, n)
}

// free subtracts n bytes from what b holds. d.mu is held.
func (d *Door) free(b *body, n int) {
	b.size -= n
	d.held -= n
	if b.status != 0 {
		d.leaving -= n
	}
	d.room.Broadcast()
}

func (d *Door) leave(b *body) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free(b, b.size)
	d.bodies = slices.DeleteFunc(d.bodies, func(o *body) bool { return o == b })
}

// Refusal is a kind of refusal: of requests that claim to be from a service, or "" where they claim
// nothing.
type Refusal struct{ From, Why string }

// refusals counts the refusals of one kind.
type refusals struct {
	n      int // not logged yet
	all    int64
	last   time.Time
	logged time.Time
}

// refuse counts a refusal with a status.
func (d *Door) refuse(status int, s Signed) {
	why := strings.ToLower(http.StatusText(status))
	switch {
	case status != http.StatusUnauthorized:
		s.Off = 0
	case s.Plausible:
		why, s.Off = Secret, 0
	default:
		why = cmp.Or(s.Why, Unsigned)
	}
	d.Note(s.From, why, s.Off)
}

// Note counts a refusal, and logs each kind once a minute: strangers must not fill the log either.
// The reasons are few and in words of this program.
func (d *Door) Note(from, why string, off time.Duration) {
	d.mu.Lock()
	r := d.refused[Refusal{from, why}]
	if r == nil {
		r = &refusals{}
		d.refused[Refusal{from, why}] = r
	}
	r.n++
	r.all++
	n, now := r.n, time.Now()
	r.last = now
	tell := now.Sub(r.logged) >= logEvery
	if tell {
		r.n, r.logged = 0, now
	}
	d.mu.Unlock()
	if !tell {
		return
	}
	said := []any{"from", cmp.Or(from, "anybody"), "why", why, "times", n}
	if off != 0 {
		said = append(said, "off", off.String())
	}
	level := slog.LevelInfo
	if why == Secret || why == Clock { // which an operator has to mend, unless a stranger tries
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, "requests were refused", said...)
}

// Refused returns how many requests were refused since the start, by kind.
func (d *Door) Refused() map[Refusal]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[Refusal]int64{}
	for kind, r := range d.refused {
		all[kind] = r.all
	}
	return all
}

// Last returns why the last request of a service was refused, and when; "" where none was.
func (d *Door) Last(from string) (why string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for kind, r := range d.refused {
		if kind.From == from && r.last.After(at) {
			why, at = kind.Why, r.last
		}
	}
	return why, at
}
