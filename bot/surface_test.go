package bot

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPosted: what stands of a note is remembered by what it says and where, and a bounded number
// of notes are, those that were asked for last.
func TestPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Posted
		n := Note{Key: "a", Lines: []Line{{Quote("x")}}}
		key := p.Key("C1", n)
		p.Add(key, "1")
		p.Add(key, "2")
		other := n
		other.Lines = []Line{{Quote("y")}}
		for _, k := range []string{p.Key("C2", n), p.Key("C1", other)} {
			if got := p.Of(k); len(got) > 0 {
				t.Errorf("of another note %v stand", got)
			}
		}
		for i := range 3 * postedMost {
			time.Sleep(time.Minute)
			n.Key = fmt.Sprint(i)
			p.Add(p.Key("C1", n), "1")
			if got := p.Of(key); !slices.Equal(got, []string{"1", "2"}) {
				t.Fatalf("%v stand after %d others", got, i)
			}
		}
		if len(p.notes) != postedMost {
			t.Errorf("%d notes are remembered, want %d", len(p.notes), postedMost)
		}
		if n.Key = "0"; len(p.Of(p.Key("C1", n))) > 0 {
			t.Error("one that was never asked for again is remembered")
		}
		p.Forget(key)
		if got := p.Of(key); len(got) > 0 {
			t.Errorf("%v stand though forgotten", got)
		}
	})
}
