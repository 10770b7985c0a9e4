package command

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// This file has the bounds of time that a filter may have, and the forms in which people write
// them.

// maxAgo is how far back a bound may lie.
const maxAgo = 3650 * 24 * time.Hour

// A When is a bound of time as typed: a duration back from now, or an absolute time (UTC). At most
// one is set; the zero When is no bound.
type When struct {
	Ago time.Duration `json:"ago,omitempty"` // whole seconds, up to maxAgo; stored in nanoseconds
	At  time.Time     `json:"at,omitzero"`
}

// IsZero reports whether there is no bound.
func (w When) IsZero() bool { return w.Ago == 0 && w.At.IsZero() }

// resolve is the time that somebody meant who typed it at now; the zero Time for no bound.
func (w When) resolve(now time.Time) time.Time {
	if w.Ago != 0 {
		return now.Add(-w.Ago)
	}
	return w.At
}

// String is as one types it: "90s", "30m", "2h", "3d" or RFC 3339.
func (w When) String() string {
	if w.Ago == 0 {
		if w.At.IsZero() {
			return ""
		}
		return w.At.UTC().Format(time.RFC3339Nano)
	}
	seconds := int64(w.Ago / time.Second)
	for _, u := range []struct {
		seconds int64
		unit    string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if seconds%u.seconds == 0 {
			return strconv.FormatInt(seconds/u.seconds, 10) + u.unit
		}
	}
	return strconv.FormatInt(seconds, 10) + "s"
}

// The forms of a duration: the one that is right, and those that are understood and corrected.
var (
	durationForm = regexp.MustCompile(`^([0-9]+)([smhd])$`)
	durationWord = regexp.MustCompile(`^([0-9]+) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$`)
	units        = map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}
)

// withoutZone are the forms of a time that does not say its zone; it is taken for UTC.
var withoutZone = []string{
	time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05",
}

// readWhen reads a bound, folded. A key names the mistake in it; mended then says whether the bound
// is what was probably meant, for a person to look at in the corrected command.
func readWhen(s string) (w When, key string, mended bool) {
	if m := durationForm.FindStringSubmatch(s); m != nil {
		return ago(m[1], units[m[2][0]], "")
	}
	if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s)); err == nil {
		return atTime(t, "")
	}
	if ascii := strings.Map(digit, s); ascii != s {
		w, key, _ := readWhen(ascii)
		return w, "digit_script", key == ""
	}
	lower := strings.ToLower(s)
	if m := durationWord.FindStringSubmatch(lower); m != nil {
		return ago(m[1], units[m[2][0]], "when_form")
	}
	d, err := time.ParseDuration(lower)
	if err == nil && d > 0 && d%time.Second == 0 && strings.Trim(lower, "0123456789hms") == "" {
		return ago(strconv.FormatInt(int64(d/time.Second), 10), time.Second, "when_form")
	}
	if t, err := time.Parse("2006-01-02 15:04:05Z07:00", s); err == nil {
		return atTime(t, "when_form")
	}
	for _, form := range withoutZone {
		if t, err := time.Parse(form, s); err == nil {
			return atTime(t, "when_offset")
		}
	}
	if plain := strings.Trim(s, marks+sentence); plain != s {
		w, key, _ := readWhen(plain)
		return w, "when_form", key == ""
	}
	return When{}, "when_form", false
}

func ago(number string, unit time.Duration, key string) (When, string, bool) {
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err == nil && n == 0:
		return When{}, "when_zero", false
	case err != nil || n > int64(maxAgo/unit):
		return When{}, "when_far", false
	}
	return When{Ago: time.Duration(n) * unit}, key, true
}

func atTime(t time.Time, key string) (When, string, bool) {
	t = t.UTC()
	if t.Year() < 1970 || t.Year() > 2999 {
		return When{}, "when_far", false
	}
	return When{At: t}, key, true
}
