package discordtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault is something that goes wrong with a call: an error or rate limit of Discord, an error of
// the network before it, a lost answer, a delay. The functions of this file that return a Fault are
// its kinds. Except with ReplyLost and Slow, a call that meets a fault is not carried out.
type Fault struct {
	status  int
	code    int
	message string
	scope   string // user, shared, global: a rate limit of Discord
	after   time.Duration
	html    bool // answer with a page of Cloudflare
	hang    bool
	reset   bool
	lost    bool
	delay   time.Duration

	location string // Location of status
}

// RateLimited answers 429 for the route's own bucket.
func RateLimited(after time.Duration) Fault { return Fault{status: 429, scope: "user", after: after} }

// SharedLimited answers 429 with scope shared, as the creation of threads does with 219 to 280 s.
// It does not count as an invalid request.
func SharedLimited(after time.Duration) Fault {
	return Fault{status: 429, scope: "shared", after: after}
}

// GlobalLimited answers with the global 429, which has only Retry-After, X-RateLimit-Global and
// X-RateLimit-Scope, and no Reset-After.
func GlobalLimited(after time.Duration) Fault {
	return Fault{status: 429, scope: "global", after: after}
}

// CloudflareLimited answers 429 with an HTML page, as the network before Discord does.
func CloudflareLimited(after time.Duration) Fault {
	return Fault{status: 429, html: true, after: after}
}

// Status answers with a status, such as 502 or 503, and an HTML page as body.
func Status(status int) Fault { return Fault{status: status, html: true} }

// Redirect answers 307 to another address. A client that follows it sends the request there.
func Redirect(location string) Fault {
	return Fault{status: http.StatusTemporaryRedirect, html: true, location: location}
}

// APIError answers with Discord's JSON error, for example APIError(403, 50013).
func APIError(status, code int) Fault {
	return Fault{status: status, code: code, message: errorText(code)}
}

// Hang does not answer until the caller gives up or the guild is closed.
func Hang() Fault { return Fault{hang: true} }

// Reset breaks the connection before the call is carried out.
func Reset() Fault { return Fault{reset: true} }

// ReplyLost breaks the connection after the call was carried out.
func ReplyLost() Fault { return Fault{lost: true} }

// Slow carries the call out after d.
func Slow(d time.Duration) Fault { return Fault{delay: d} }

// fault is a Fault that waits for the calls that match its pattern.
type fault struct {
	pattern string
	left    int // negative: for ever
	Fault
}

// Fail makes the next n calls that match the pattern meet the fault; a negative n means all calls
// until Heal. The pattern is a method, or * for any, and a route: "POST
// /channels/{channel_id}/messages", or with an id in place of the braces. A segment in braces or *
// matches any one segment, and a last segment ** matches all that follow. The oldest fault that
// matches is used.
func (g *Guild) Fail(pattern string, n int, f Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, &fault{pattern: pattern, left: n, Fault: f})
}

// Heal removes all faults.
func (g *Guild) Heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// nextFault returns the fault for a call, if there is one, and counts its use.
func (g *Guild) nextFault(method, path string) (Fault, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.faults {
		if f.left == 0 || !matches(f.pattern, method, path) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		return f.Fault, true
	}
	return Fault{}, false
}

// matches reports whether the pattern "METHOD /a/{b}/c" matches a method and path.
func matches(pattern, method, path string) bool {
	m, route, ok := strings.Cut(pattern, " ")
	if !ok {
		m, route = "*", pattern
	}
	if m != "*" && m != method {
		return false
	}
	want, have := strings.Split(strings.Trim(route, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	for i, w := range want {
		if w == "**" && i == len(want)-1 {
			return true
		}
		if i >= len(have) {
			return false
		}
		if w != "*" && !strings.HasPrefix(w, "{") && w != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

// meet applies a fault to a call. It reports whether the call is over.
func (g *Guild) meet(ctx context.Context, w http.ResponseWriter, f Fault) bool {
	switch {
	case f.delay > 0:
		t := time.NewTimer(f.delay)
		defer t.Stop()
		select {
		case <-t.C:
			return false
		case <-ctx.Done():
			return true
		case <-g.closed:
			return true
		}
	case f.hang:
		select {
		case <-ctx.Done():
		case <-g.closed:
		}
		panic(http.ErrAbortHandler)
	case f.reset:
		panic(http.ErrAbortHandler)
	case f.lost:
		return false
	case f.html:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		if f.after > 0 {
			w.Header().Set("Retry-After", seconds(f.after))
		}
		if f.location != "" {
			w.Header().Set("Location", f.location)
		}
		w.WriteHeader(f.status)
		fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>%d</title></head><body>error code: 1015</body></html>\n",
			f.status)
	case f.scope != "":
		writeLimit(w, f.scope, f.after, "a1b2c3d4e5f6", 5)
	default:
		writeError(w, &apiError{status: f.status, code: f.code, message: f.message})
	}
	return true
}

// seconds returns d as a header value: whole seconds, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// writeLimit answers 429 in Discord's form.
func writeLimit(w http.ResponseWriter, scope string, after time.Duration, bucket string, limit int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Retry-After", seconds(after))
	h.Set("X-RateLimit-Scope", scope)
	if scope == "global" {
		h.Set("X-RateLimit-Global", "true")
	} else {
		writeBudget(h, bucket, limit, 0, after)
	}
	w.WriteHeader(http.StatusTooManyRequests)
	text := "You are being rate limited."
	if scope == "shared" {
		text = "The resource is being rate limited."
	}
	b, _ := json.Marshal(object{"message": text, "retry_after": math.Round(after.Seconds()*1000) / 1000,
		"global": scope == "global"})
	w.Write(b)
}

func writeBudget(h http.Header, bucket string, limit, remaining int, after time.Duration) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatFloat(float64(time.Now().Add(after).UnixMilli())/1000, 'f', 3, 64))
	h.Set("X-RateLimit-Reset-After", strconv.FormatFloat(after.Seconds(), 'f', 3, 64))
	h.Set("X-RateLimit-Bucket", bucket)
}

// spend takes one call from a budget of limit calls in a window. It returns how long to wait when
// the budget is empty, and else how many calls remain.
func (g *Guild) spend(bucket string, limit int, window time.Duration) (wait time.Duration, remaining int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	used := g.budgets[bucket]
	for len(used) > 0 && now.Sub(used[0]) >= window {
		used = used[1:]
	}
	if len(used) >= limit {
		g.budgets[bucket] = used
		return used[0].Add(window).Sub(now), 0
	}
	g.budgets[bucket] = append(used, now)
	return 0, limit - len(used) - 1
}

// apiError is Discord's JSON error.
type apiError struct {
	status  int
	code    int
	message string
	errors  object
	after   time.Duration // sent as retry_after
}

func (e *apiError) Error() string { return fmt.Sprintf("%d (%d) %s", e.status, e.code, e.message) }

func fail(status, code int) *apiError {
	return &apiError{status: status, code: code, message: errorText(code)}
}

func writeError(w http.ResponseWriter, e *apiError) {
	o := object{"message": e.message, "code": e.code}
	if e.errors != nil {
		o["errors"] = e.errors
	}
	if e.after > 0 {
		o["retry_after"] = e.after.Seconds()
	}
	writeJSON(w, e.status, o)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: only maps, slices, strings, numbers and booleans are written
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// errorText returns Discord's message for a code.
func errorText(code int) string {
	if s, ok := errorTexts[code]; ok {
		return s
	}
	return "Error " + strconv.Itoa(code)
}

var errorTexts = map[int]string{
	10002:  "Unknown Application",
	10003:  "Unknown Channel",
	10004:  "Unknown Guild",
	10007:  "Unknown Member",
	10008:  "Unknown Message",
	10011:  "Unknown Role",
	10015:  "Unknown Webhook",
	10062:  "Unknown interaction",
	10063:  "Unknown application command",
	20012:  "You are not authorized to perform this action on this application",
	20028:  "The write action you are performing on the channel has hit the write rate limit.",
	30034:  "Max number of daily application command creates has been reached (200)",
	30046:  "Maximum number of edits to messages older than 1 hour reached. Try again later.",
	40005:  "Request entity too large",
	40060:  "Interaction has already been acknowledged.",
	40094:  "Maximum number of follow up messages for this interaction has been reached.",
	50001:  "Missing Access",
	50005:  "Cannot edit a message authored by another user",
	50006:  "Cannot send an empty message",
	50007:  "Cannot send messages to this user",
	50013:  "Missing Permissions",
	50024:  "Cannot execute action on this channel type",
	50027:  "Invalid Webhook Token",
	50035:  "Invalid Form Body",
	50083:  "Thread is archived",
	50109:  "The request body contains invalid JSON.",
	160002: "Cannot reply without permission to read message history",
	160004: "A thread has already been created for this message",
	160005: "Thread is locked",
	160006: "Maximum number of active threads reached",
	200000: "Message was blocked by automatic moderation",
	240000: "Message was blocked by harmful links filter",
}
