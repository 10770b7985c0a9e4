package slacktest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fault is something that goes wrong with a request of the app: an error, a lost
// answer, a broken connection, a delay. The functions of this file that return a
// Fault are its kinds; each says whether the request is carried out nevertheless.
type Fault struct {
	name       string
	status     int           // answer with this status
	retryAfter time.Duration // Retry-After of status
	code       string        // answer 200 ok:false with this code
	body       string        // of status
	location   string        // Location of status
	hang       bool          // never answer
	reset      bool          // break the connection
	act        bool          // carry out the request first
	delay      time.Duration // wait, then carry out the request and answer
}

// RateLimited answers 429 with Retry-After in whole seconds, rounded up.
func RateLimited(retryAfter time.Duration) Fault {
	return Fault{name: "ratelimited", status: http.StatusTooManyRequests, retryAfter: max(retryAfter, time.Second)}
}

// RateLimitedNoHeader answers 429 without Retry-After.
func RateLimitedNoHeader() Fault {
	return Fault{name: "ratelimited", status: http.StatusTooManyRequests}
}

// RateLimitedBody answers 200 with {"ok":false,"error":"ratelimited"}.
func RateLimitedBody() Fault { return Code("ratelimited") }

// ServerError answers with a 5xx status and a page that is not JSON.
func ServerError(status int) Fault {
	return Fault{name: fmt.Sprintf("http_%d", status), status: status, body: "<html>upstream error</html>"}
}

// Redirect answers 307 without carrying out the request. A client that follows it sends the
// request, token included, to another address.
func Redirect(location string) Fault {
	return Fault{name: "redirected", status: http.StatusTemporaryRedirect, location: location}
}

// Unauthorized answers 401 with {"ok":false,"error":"invalid_auth"}, as some services that imitate
// Slack do.
func Unauthorized() Fault { return Fault{name: "invalid_auth", status: http.StatusUnauthorized} }

// Code answers 200 with {"ok":false,"error":code} without carrying out the request.
func Code(code string) Fault { return Fault{name: code, code: code} }

// Garbled answers 200 with a page that is not JSON, without carrying out the request.
func Garbled() Fault {
	return Fault{name: "garbled", status: http.StatusOK, body: "<html>please wait</html>"}
}

// Hang never answers and does not carry out the request, which ends with its context.
func Hang() Fault { return Fault{name: "hang", hang: true} }

// Reset breaks the connection before anything is done.
func Reset() Fault { return Fault{name: "reset", reset: true} }

// LoseReply carries out the request and breaks the connection before the answer.
func LoseReply() Fault { return Fault{name: "reply_lost", act: true, reset: true} }

// HangAfter carries out the request and never answers.
func HangAfter() Fault { return Fault{name: "reply_hangs", act: true, hang: true} }

// GarbledReply carries out the request and answers 502 with a page.
func GarbledReply() Fault {
	return Fault{name: "reply_garbled", act: true, status: http.StatusBadGateway, body: "<html>bad gateway</html>"}
}

// Slow waits, unless the request ends before, and then serves the request normally.
func Slow(d time.Duration) Fault { return Fault{name: "slow", delay: d} }

type plannedFault struct {
	method string
	n      int
	fault  Fault
}

// Fail makes the next n calls of a method fail with f; a negative n means all
// calls until Heal. method is a Web API method, "response_url", "upload", "link"
// (the handshake of a socket; only faults with a status, Hang, Reset and Slow), or
// "*" for any of them. Faults for one method are used in the order in which Fail
// was called, those for the method itself before those for "*".
func (w *Workspace) Fail(method string, n int, f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, &plannedFault{method, n, f})
}

// Heal removes every fault that is planned for a method; "*" removes all of them.
func (w *Workspace) Heal(method string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = slices.DeleteFunc(w.faults, func(p *plannedFault) bool { return method == "*" || p.method == method })
}

// nextFault takes the fault that is planned for a call of method. w.mu is held.
func (w *Workspace) nextFault(method string) (Fault, bool) {
	for _, name := range []string{method, "*"} {
		for i, p := range w.faults {
			if p.method != name || p.n == 0 {
				continue
			}
			if p.n > 0 {
				p.n--
			}
			if p.n == 0 {
				w.faults = slices.Delete(w.faults, i, i+1)
			}
			return p.fault, true
		}
	}
	return Fault{}, false
}

// before applies f before the request is carried out. It reports whether the
// request goes on. It panics with http.ErrAbortHandler to break the connection.
func (f Fault) before(rw http.ResponseWriter, r *http.Request) bool {
	if f.delay > 0 {
		wait(r, f.delay)
		return true
	}
	if f.act {
		return true
	}
	return f.answer(rw, r)
}

// after applies f in place of the answer. It reports whether the answer is sent
// after all.
func (f Fault) after(rw http.ResponseWriter, r *http.Request) bool {
	if !f.act {
		return true
	}
	return f.answer(rw, r)
}

func (f Fault) answer(rw http.ResponseWriter, r *http.Request) bool {
	switch {
	case f.hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.reset:
		panic(http.ErrAbortHandler)
	case f.status != 0:
		if f.retryAfter > 0 {
			rw.Header().Set("Retry-After", seconds(f.retryAfter))
		}
		if f.location != "" {
			rw.Header().Set("Location", f.location)
		}
		body := f.body
		if body == "" {
			body = `{"ok":false,"error":"` + f.name + `"}`
			rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		} else {
			rw.Header().Set("Content-Type", "text/html")
		}
		rw.WriteHeader(f.status)
		_, _ = rw.Write([]byte(body)) // the app may have gone away
		return false
	case f.code != "":
		writeJSON(rw, http.StatusOK, map[string]any{"ok": false, "error": f.code})
		return false
	}
	return true
}

// wait sleeps for d; it breaks the connection when the request ends before.
func wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// seconds returns d in whole seconds, rounded up, for the header Retry-After.
func seconds(d time.Duration) string {
	return fmt.Sprint(int((d + time.Second - 1) / time.Second))
}

type bucket struct {
	tokens float64
	at     time.Time
}

// limited returns how long a call of method must wait for its rate limit. A call
// that need not wait, for which limited returns 0, is counted. w.mu is held.
func (w *Workspace) limited(method, channel string) time.Duration {
	if !w.RateLimits {
		return 0
	}
	now := w.now()
	calls := slices.DeleteFunc(w.recent[method], func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	w.recent[method] = calls
	if limit, ok := w.PerMinute[method]; ok && len(calls) >= limit {
		if limit == 0 {
			return time.Minute
		}
		return max(calls[len(calls)-limit].Add(time.Minute).Sub(now), time.Millisecond)
	}
	if method == "chat.postMessage" {
		b := w.buckets[channel]
		if b == nil {
			b = &bucket{tokens: float64(w.PostBurst), at: now}
			w.buckets[channel] = b
		}
		b.tokens = min(float64(w.PostBurst), b.tokens+now.Sub(b.at).Seconds())
		b.at = now
		if b.tokens < 1 {
			return time.Duration((1 - b.tokens) * float64(time.Second))
		}
		b.tokens--
	}
	w.recent[method] = append(calls, now)
	return 0
}
