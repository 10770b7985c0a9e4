package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTable holds the tables to what SURFACE.md promises: which options a verb takes, in which
// order, what it needs, and whether it reads messages before it is answered.
func TestTable(t *testing.T) {
	for _, tt := range []struct {
		verb    Verb
		options string
		right   Right
		long    bool
	}{
		{VerbRecall, "group seqs reason from since text until last same in topic", RightAsk, false},
		{VerbForm, "", RightAsk, false},
		{VerbFind, "group from since text until last same in topic", RightRead, true},
		{VerbGroups, "named", RightRead, true},
		{VerbList, "which", RightRead, false},
		{VerbShow, "id", RightRead, false},
		{VerbWithdraw, "id", RightRead, false},
		{VerbStop, "id", RightRead, false},
		{VerbHelp, "", RightNone, false},
		{VerbWhoami, "", RightNone, false},
	} {
		if got := strings.Join(names(tt.verb.Options()), " "); got != tt.options {
			t.Errorf("%s takes %s, want %s", tt.verb, got, tt.options)
		}
		if tt.verb.Needs() != tt.right || tt.verb.TakesLong() != tt.long {
			t.Errorf("%s needs %d and takes long: %v, want %d, %v",
				tt.verb, tt.verb.Needs(), tt.verb.TakesLong(), tt.right, tt.long)
		}
		for _, typed := range []bool{false, true} {
			m := Mistake{Key: "template", Corrected: template(tt.verb, typed)}
			checkMistake(t, &m, typed)
		}
	}
	want := []string{"find", "groups", "list", "show", "withdraw", "stop", "cancel", "help", "whoami"}
	if diff := cmp.Diff(want, Subcommands()); diff != "" {
		t.Errorf("the subcommands (-want +got):\n%s", diff)
	}
}

// TestRows holds each row of the table of options to what the rest of the package takes for
// granted: its sample is read, under each of its names, and written back in both forms.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range options {
		if (o.Size > 0) == (o.Max > 0) || o.sample == "" || o.want == "" || o.enough && !o.filter {
			t.Errorf("the row of %s is not whole", o.Name)
		}
		for _, v := range o.of {
			rest := "/recalls " + string(v) + " "
			switch {
			case v == VerbRecall && !o.filter:
				rest = "/recall @TGS#_GROUP 100 "
			case v == VerbRecall:
				rest = "/recall @TGS#_GROUP since:3h "
			case v == VerbFind:
				rest = "/recalls find @TGS#_GROUP since:3h "
			}
			if o.Name == listName { // in place of a group
				rest = strings.Replace(rest, "@TGS#_GROUP", "from:alice", 1)
			}
			if o.Name == "since" {
				rest = strings.Replace(rest, "since:3h", "last:1", 1)
			}
			if o.bare {
				rest = strings.TrimSuffix(template(v, false), " ")
			} else {
				rest += o.example()
			}
			c, m := parseCommand(t, rest)
			if m != nil {
				t.Errorf("%s is the mistake %+v", rest, *m)
				continue
			}
			if o.write(c) == "" {
				t.Errorf("%s sets no %s", rest, o.Name)
			}
			checkBack(t, c)
			for _, other := range o.same {
				same, m := parseCommand(t, strings.Replace(rest, " "+o.Name+":", " "+other+":", 1))
				if diff := cmp.Diff(c, same); m != nil || diff != "" {
					t.Errorf("%s for %s: %+v (-want +got):\n%s", other, o.Name, m, diff)
				}
			}
			for _, other := range o.also {
				_, m := parseCommand(t, strings.Replace(rest, " "+o.Name+":", " "+other+":", 1))
				if m == nil || m.Key != "option_unknown" || m.Corrected != c.String() {
					t.Errorf("%s for %s: %+v, want %s", other, o.Name, m, c)
				}
			}
		}
		for _, name := range slices.Concat(o.also, o.same, []string{o.Name}) {
			if seen[name] {
				t.Errorf("two options are called %s", name)
			}
			seen[name] = true
		}
	}
}

// TestWithoutWords: what a person says is in no command that others are told of, and what selects
// messages is still seen to be there.
func TestWithoutWords(t *testing.T) {
	for typed, want := range map[string]string{
		`/recall @TGS#1 100 reason:"a secret"`:                        "/recall @TGS#1 100",
		`/recall @TGS#1 from:alice text:"a secret" reason:"a secret"`: `/recall @TGS#1 from:alice text:"…"`,
		"/recalls show R-7K3M9Q":                                      "/recalls show R-7K3M9Q",
	} {
		c, m := parseCommand(t, typed)
		if m != nil {
			t.Fatalf("%s: %+v", typed, *m)
		}
		if got := c.WithoutWords(); got != want {
			t.Errorf("%s: %s, want %s", typed, got, want)
		}
	}
}

// TestIsID: a platform gives back what was typed where a value is an identifier, and nowhere else.
func TestIsID(t *testing.T) {
	var ids []string
	for _, name := range append(names(options), "nonsense") {
		if IsID(name) {
			ids = append(ids, name)
		}
	}
	if got := strings.Join(ids, " "); got != "group from in topic which" {
		t.Errorf("identifiers: %s", got)
	}
}
