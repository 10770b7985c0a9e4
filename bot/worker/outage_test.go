package worker

import (
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
)

// TestOutageTold: the log is told of an outage at once, again each day while it lasts, and anew
// when it comes back.
func TestOutageTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teller := &teller{outages: map[outage]noted{}}
		lasts := func(o outage, d time.Duration) (told int) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				pause := tellLaterMost
				if time.Until(end) > 3*24*time.Hour {
					pause = tellSeldom
				}
				if !teller.known(o, pause) {
					told++
				}
				if !teller.known(o, time.Second) { // something else there, which is young
					told++
				}
				time.Sleep(pause)
			}
			return told
		}
		a, b := outage{"C1", bot.ErrForbidden}, outage{"C2", bot.ErrForbidden}
		for _, step := range []struct {
			what string
			got  int
			want int
		}{
			{"a week", lasts(a, 7*24*time.Hour), 7},
			{"another channel", lasts(b, time.Hour), 1},
			{"the first again, after an hour without", lasts(a, time.Hour), 1},
			{"another kind", lasts(outage{"C1", bot.ErrRefused}, time.Hour), 1},
		} {
			if step.got != step.want {
				t.Errorf("%s: told %d times, want %d", step.what, step.got, step.want)
			}
		}
		if n := len(teller.outages); n > 2 {
			t.Errorf("%d outages are remembered, most of them over", n)
		}
	})
}
