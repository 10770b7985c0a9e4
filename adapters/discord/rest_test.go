package discord

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
)

// constant is a transport that gives every call the same answer.
type constant struct {
	status int
	header http.Header
	body   string
	calls  *int
}

func (c constant) RoundTrip(*http.Request) (*http.Response, error) {
	*c.calls++
	return &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// TestHolds: by whatever Discord asks to wait, the wait is told as a minute at most, and a longer
// one is tried once a minute, however many calls wait for it. It concerns the route alone unless
// Discord says that it is global, in the header or in the body, or a second page comes. Answers to
// interactions are never held.
func TestHolds(t *testing.T) {
	headers := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const page = "<html>"
	for name, test := range map[string]struct {
		constant
		after time.Duration // the first wait
		all   bool          // every route is held
	}{
		"a route": {constant{status: 429, body: `{"retry_after":30}`}, 30 * time.Second, false},
		"an hour": {constant{status: 429, body: `{"retry_after":3600}`}, time.Minute, false},
		"in the header": {constant{status: 429, header: headers("Retry-After", "3600"), body: `{}`},
			time.Minute, false},
		"no time": {constant{status: 429, body: `{}`}, 5 * time.Second, false},
		"spent": {constant{status: 200, header: headers("X-RateLimit-Remaining", "0", "X-RateLimit-Reset-After",
			"3600"), body: `{}`}, time.Minute, false},
		"spent for a while": {constant{status: 200, header: headers("X-RateLimit-Remaining", "0",
			"X-RateLimit-Reset-After", "20"), body: `{}`}, 20 * time.Second, false},
		"global by the header": {constant{status: 429, header: headers("X-RateLimit-Global", "true"),
			body: `{"retry_after":3600}`}, time.Minute, true},
		"global by the body": {constant{status: 429, body: `{"retry_after":3600,"global":true}`},
			time.Minute, true},
		"global for a while": {constant{status: 429, body: `{"retry_after":20,"global":true}`},
			20 * time.Second, true},
		"a page": {constant{status: 429, header: headers("Retry-After", "3600"), body: page}, time.Minute, false},
		"a page that says global": {constant{status: 429, header: headers("X-RateLimit-Global", "true"),
			body: page}, 5 * time.Second, true},
		"a page that forbids": {constant{status: 403, body: page}, 5 * time.Second, false},
		"a page for the longest": {constant{status: 429, header: headers("Retry-After", "1e300"), body: page},
			time.Minute, false},
		"a time that is no number": {constant{status: 429, header: headers("Retry-After", "Wed"), body: `{}`},
			5 * time.Second, false},
		"a time that is below zero": {constant{status: 429, body: `{"retry_after":-7}`}, 5 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				test.calls = &calls
				r := &rest{base: "http://discord", http: &http.Client{Transport: test.constant},
					log: slog.New(slog.DiscardHandler), holds: map[string]hold{}}
				c := call{method: "PATCH", route: "/channels/{channel_id}/x", path: "/channels/1/x", tries: 1}
				err := r.do(t.Context(), c)
				later, waits := errors.AsType[*bot.Later](err)
				if test.status != 200 && (!waits || later.After != test.after) || test.status == 200 && err != nil {
					t.Fatalf("%v, want to wait %v", err, test.after)
				}
				if got := r.wait(c); got != test.after {
					t.Errorf("the route waits %v, want %v", got, test.after)
				}
				other, want := c, time.Duration(0)
				if other.path = "/channels/2/x"; test.all {
					want = test.after
				}
				if got := r.wait(other); got != want {
					t.Errorf("another route waits %v, want %v", got, want)
				}
				answer := c
				answer.interaction = true
				if got := r.wait(answer); got != 0 {
					t.Errorf("the answer to an interaction waits %v", got)
				}
				if test.after < time.Minute {
					return
				}
				calls = 0
				for range 10 * 60 * 2 { // ten minutes
					time.Sleep(500 * time.Millisecond)
					for range 3 {
						if later, waits := errors.AsType[*bot.Later](r.do(t.Context(), c)); waits &&
							later.After > time.Minute {
							t.Fatalf("it is told to wait %v", later.After)
						}
					}
				}
				if calls < 9 || calls > 10 {
					t.Errorf("%d calls in ten minutes, want one a minute", calls)
				}
			})
		})
	}
}
