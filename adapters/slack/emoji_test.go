package slack

import "testing"

func TestTyped(t *testing.T) {
	for text, want := range map[string]string{
		":fire::fire: free coins":  "🔥🔥 free coins",
		"a :+1::skin-tone-2: b":    "a 👍🏻 b",
		":moneybag::100:% sure":    "💰💯% sure",
		":flag-us: :us:":           "🇺🇸 🇺🇸",
		"at 10:fire: or 10:30:00":  "at 10🔥 or 10:30:00",
		":partyparrot: wins":       ":partyparrot: wins",
		":nope:fire: :nope::fire:": ":nope🔥 :nope:🔥",
		"::":                       "::", ":": ":", "": "", ": fire :": ": fire :", "a:fire": "a:fire",
	} {
		if got := typed(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
