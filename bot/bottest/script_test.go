package bottest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string // nil: a mistake
	}{
		{"pass 5m", []string{"pass", "5m"}},
		{"  mina   '/recall @TGS#1 100 101' ", []string{"mina", "/recall @TGS#1 100 101"}},
		{`fill theo reason:'two words'`, []string{"fill", "theo", "reason:two words"}},
		{`a 'it''s' ''`, []string{"a", "it's", ""}},
		{`a 'x\ny\tz' \u{202E}b c:\d`, []string{"a", "x\ny\tz", "\u202eb", `c:\d`}},
		{`a 'open`, nil},
		{`a \u{XYZ}`, nil},
	} {
		got, err := split(test.line)
		if (err != nil) != (test.want == nil) || !slices.Equal(got, test.want) {
			t.Errorf("split(%q) = %q, %v; want %q", test.line, got, err, test.want)
		}
	}
}

func TestParse(t *testing.T) {
	s, err := parse(`# Two people.
stage approvals 2
stage together

# A remark.
slack mina '/recall @TGS#1 1'
pass 5m
card asked
`, Written)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range s.directions {
		got = append(got, d.String())
	}
	want := []string{"slack mina /recall @TGS#1 1", "pass 5m", "card asked"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("directions (-want +got):\n%s", diff)
	}
	if !s.together || len(s.settings) != 1 || s.settings[0] != [2]string{"approvals", "2"} || s.rule != "Two people." {
		t.Errorf("parse = %+v", s)
	}
	if !s.shows("asked.slack", nil) || !s.shows("asked.irc", []string{"irc"}) || !s.shows("asked", nil) ||
		s.shows("other", Written) {
		t.Error("shows does not distinguish the sections that are shown from others")
	}
	for _, wrong := range []string{
		"pass 5m\n",                          // no rule
		"# A rule without its stop\npass 1m", // no sentence
		"# A rule.\n",                        // nothing happens
		"# A rule.\npass 1m\nstage a b\n",    // set too late
		"# A rule.\nslack stage a b\n",       // set for one
		"# A rule.\nslack\n",                 // says nothing
		"# A rule.\nmina 'x\n",               // not closed
	} {
		if _, err := parse(wrong, Written); err == nil {
			t.Errorf("parse(%q) finds nothing wrong", wrong)
		}
	}
}

// TestMerge: what both platforms saw alike is one section, what they saw apart stands side by side,
// in the order of the story.
func TestMerge(t *testing.T) {
	files := merge([]string{"slack", "discord"}, map[string][]section{
		"slack":   {{"asked", "A\n", 3}, {"done", "same\n", 4}},
		"discord": {{"asked", "B\n", 3}, {"form", "C\n", 5}, {"done", "same\n", 4}},
	})
	got := strings.TrimSpace(string(txtar.Format(&txtar.Archive{Files: files})))
	want := "-- asked.slack --\nA\n-- asked.discord --\nB\n-- form --\nC\n-- done --\nsame"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPlain: what is random is replaced, what only looks like it is not.
func TestPlain(t *testing.T) {
	k := &talk{ids: map[string]string{"R-7K3M9Q": "R-1"}}
	in := "R-7K3M9Q r-7k3m9q-outcomes.csv R-AAAAAA 300000000000000001 b50d572620033b0161b016c9859932e1"
	want := "R-1 r-1-outcomes.csv R-AAAAAA 300000000000000001 …"
	if got := k.plain(in); got != want {
		t.Errorf("plain(%q) = %q, want %q", in, got, want)
	}
}

// TestDifferences: a conversation that goes otherwise names the line of its script, and shows a
// unified diff.
func TestDifferences(t *testing.T) {
	want := map[string]string{"asked.slack": "one\ntwo\n", "done": "same\n"}
	got := []section{{"asked", "one\n2\n", 7}, {"done", "same\n", 8}, {"more", "new\n", 9}}
	diff := cmp.Diff([]string{
		"testdata/talk/x.txt:7: asked is otherwise; -update writes it anew:\n" +
			"--- asked\n+++ seen\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n",
		"testdata/talk/x.txt:9: there is no section more; -update writes it:\nnew\n",
	}, differences("testdata/talk/x.txt", "slack", want, got))
	if diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
