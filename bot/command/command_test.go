package command

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
)

var hiddenChar = regexp.MustCompile(`\\u\{[0-9A-F]+\}|\\n|\\t`)

// unhide undoes showHidden.
func unhide(s string) string {
	return hiddenChar.ReplaceAllStringFunc(s, func(m string) string {
		switch m {
		case `\n`:
			return "\n"
		case `\t`:
			return "\t"
		}
		n, err := strconv.ParseInt(m[3:len(m)-1], 16, 32)
		if err != nil {
			panic(err)
		}
		return string(rune(n))
	})
}

// showHidden writes what a terminal would not show, or would show as something else.
func showHidden(s string) string {
	var b strings.Builder
	for _, r := range s {
		if ' ' <= r && r <= '~' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%X}`, r)
		}
	}
	return b.String()
}

// commandTable yields the rows of a file in testdata/command: a command and what follows it.
func commandTable(t *testing.T, name string) (rows [][]string) {
	t.Helper()
	b, err := os.ReadFile("testdata/command/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '\t':
			rows[len(rows)-1] = append(rows[len(rows)-1], line[1:])
		default:
			rows = append(rows, []string{line})
		}
	}
	return rows
}

func parseCommand(t testing.TB, command string) (Command, *Mistake) {
	t.Helper()
	name, text, _ := strings.Cut(command, " ")
	return mistaken(t, func() (Command, error) { return Parse(name, text) })
}

func parseTyped(t testing.TB, name, sub string, options map[string]string) (Command, *Mistake) {
	t.Helper()
	return mistaken(t, func() (Command, error) { return ParseOptions(name, sub, options) })
}

func mistaken(t testing.TB, read func() (Command, error)) (Command, *Mistake) {
	t.Helper()
	c, err := read()
	if err == nil {
		return c, nil
	}
	m, ok := errors.AsType[*Mistake](err)
	if !ok {
		t.Fatalf("the error %v is no Mistake", err)
	}
	if diff := cmp.Diff(Command{}, c); diff != "" {
		t.Errorf("a command came with a mistake (-want +got):\n%s", diff)
	}
	return c, m
}

func TestParse(t *testing.T) {
	for _, row := range commandTable(t, "read.txt") {
		c, m := parseCommand(t, unhide(row[0]))
		if m != nil {
			t.Errorf("%s\n\tis the mistake %+v", row[0], *m)
			continue
		}
		if got := "= " + showHidden(c.String()); got != row[1] {
			t.Errorf("%s\n\tgot  %s\n\twant %s", row[0], got, row[1])
		}
		checkBack(t, c)
	}
}

func TestMistakes(t *testing.T) {
	for _, row := range commandTable(t, "mistakes.txt") {
		c, m := parseCommand(t, unhide(row[0]))
		if m == nil {
			t.Errorf("%s\n\tis read as %s", row[0], c)
			continue
		}
		got := []string{row[0], "! " + m.Key, `" ` + showHidden(m.Quoted), "> " + showHidden(m.Corrected)}
		if m.Other != "" {
			got = append(got, "/ "+showHidden(m.Other))
		}
		if m.Max != 0 {
			got[1] += fmt.Sprintf(" %d/%d", m.Count, m.Max)
		}
		if diff := cmp.Diff(row, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row[0], diff)
		}
		checkMistake(t, m, false)
	}
}

// typedOf is a command in Discord's typed form. ParseOptions reads it as the same command.
func typedOf(c Command) (name, sub string, given map[string]string) {
	name, sub = c.Verb.command()
	given = map[string]string{}
	for _, o := range c.Verb.Options() {
		if o.write(c) != "" {
			given[o.Name] = c.typedValue(o)
		}
	}
	return name, sub, given
}

// checkBack checks that a command is read as itself in both forms.
func checkBack(t testing.TB, c Command) {
	t.Helper()
	again, m := parseCommand(t, c.String())
	if m != nil {
		t.Errorf("%s is not read back: %+v", c, *m)
	} else if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("%s is read back as another command (-want +got):\n%s", c, diff)
	}
	name, sub, options := typedOf(c)
	again, m = parseTyped(t, name, sub, options)
	if m != nil {
		t.Errorf("%s %s %q is not read back: %+v", name, sub, options, *m)
	} else if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("%s %s %q is read back as another command (-want +got):\n%s", name, sub, options, diff)
	}
}

var typedOption = regexp.MustCompile("(?:^| )(" + strings.Join(names(options), "|") + "):")

// typedForm splits a command in Discord's typed form at its options, as Discord's client does when
// one is pasted.
func typedForm(s string) (name, sub string, options map[string]string) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(s, "/"), " ")
	if name == "recalls" {
		sub, rest, _ = strings.Cut(rest, " ")
	}
	options = map[string]string{}
	at := typedOption.FindAllStringSubmatchIndex(rest, -1)
	for i, m := range at {
		end := len(rest)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		options[rest[m[2]:m[3]]] = rest[m[1]:end]
	}
	return name, sub, options
}

func checkMistake(t testing.TB, m *Mistake, typed bool) {
	t.Helper()
	if m.Key == "" || utf8.RuneCountInString(m.Quoted) > maxQuoted || !utf8.ValidString(m.Quoted) {
		t.Errorf("%+v: no key, or too much quoted", *m)
	}
	if typed {
		name, sub, options := typedForm(m.Corrected)
		if _, again := parseTyped(t, name, sub, options); again != nil {
			t.Errorf("%s is given as corrected, but is the mistake %s", m.Corrected, again.Key)
		}
		return
	}
	c, again := parseCommand(t, m.Corrected)
	if again != nil {
		t.Errorf("%s is given as corrected, but is the mistake %s", m.Corrected, again.Key)
		return
	}
	if c.Verb == VerbForm {
		return
	}
	// What the bot proposes removes nothing that nobody named.
	if c.Verb == VerbRecall && c.Scope.Filter.IsZero() && len(c.Scope.Seqs) == 0 {
		t.Errorf("%s is given as corrected, but names no message", m.Corrected)
	}
}

func TestMistakeKeysAreAllShown(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, b...)
	}
	seen := map[string]bool{"too_long": true, "topic_long": true} // in TestLimits
	for _, row := range commandTable(t, "mistakes.txt") {
		key, _, _ := strings.Cut(strings.TrimPrefix(row[1], "! "), " ")
		seen[key] = true
	}
	made := map[string]bool{}
	calls := regexp.MustCompile(`(?:(?:mistake|lose|tooMany|fits)\(|missing: )"([a-z_]+)"`)
	values := regexp.MustCompile(`"((?:quote|seq|when|mention|option)_[a-z]+|digit_script|id_character|link)"`)
	for _, m := range append(calls.FindAllSubmatch(source, -1), values.FindAllSubmatch(source, -1)...) {
		made[string(m[1])] = true
	}
	if diff := cmp.Diff(made, seen); diff != "" {
		t.Errorf("mistakes that the source makes (-), and that mistakes.txt shows (+):\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		what, text, key string
		count, most     int
	}{
		{"4,000 characters", "g 1 reason:" + strings.Repeat("x", maxCommand-13), "", 0, 0},
		{"4,001 characters", "g 1 reason:" + strings.Repeat("x", maxCommand-10), "too_long", 4001, 4000},
		{"4,000 wide characters", "g 1 reason:" + strings.Repeat("垃", maxCommand-13), "", 0, 0},
		{"too long once it is written back", "g 1 reason:x" + strings.Repeat(`"`, 3000), "too_long", 6014, 4000},
		{"a megabyte", strings.Repeat("100 ", 1<<18), "too_long", 1 << 20, 4000},
		{"a topic", "g 1 topic:g@TOPIC#_" + strings.Repeat("x", 247), "", 0, 0},
		{"a longer topic", "g 1 topic:g@TOPIC#_" + strings.Repeat("x", 248), "topic_long", 257, 256},
	} {
		c, m := parseCommand(t, "/recall "+tt.text)
		switch {
		case m == nil && tt.key != "":
			t.Errorf("%s: no mistake", tt.what)
		case m == nil:
			checkBack(t, c)
		case m.Key != tt.key || m.Count != tt.count || m.Max != tt.most:
			t.Errorf("%s: got %s %d/%d, want %s %d/%d", tt.what, m.Key, m.Count, m.Max, tt.key, tt.count, tt.most)
		default:
			checkMistake(t, m, false)
		}
	}

	// Nothing says how many runs of seqs there may be: the length does.
	text := "g 1"
	for seq := 3; len(text)+len(strconv.Itoa(seq))+1 <= maxCommand; seq += 2 {
		text += " " + strconv.Itoa(seq)
	}
	if c, m := parseCommand(t, "/recall "+text); m != nil || len(c.Scope.Seqs) != 910 {
		t.Errorf("as many runs as fit: %d, %v", len(c.Scope.Seqs), m)
	} else {
		checkBack(t, c)
	}

	many := map[string]string{"group": "g", "seqs": "1", "reason": strings.Repeat("x", maxCommand)}
	if _, m := parseTyped(t, "recall", "", many); m == nil || m.Key != "too_long" {
		t.Errorf("options of more than %d characters: %+v", maxCommand, m)
	}
}

func TestCommandFields(t *testing.T) {
	c, m := parseCommand(t, `/recall @TGS#_a 100-102 100 reason:"spam" topic:@TGS#_a@TOPIC#_b`)
	if m != nil {
		t.Fatal(m)
	}
	want := Command{Verb: VerbRecall, Reason: "spam", Scope: Scope{Group: "@TGS#_a", Topic: "@TGS#_a@TOPIC#_b",
		Seqs: Ranges{{100, 102}}}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("by seqs (-want +got):\n%s", diff)
	}

	c,
		m = parseCommand(t,
		`/recall my-group from:alice since:2h until:2026-11-23T10:00:00+01:00 text:"Casino Links" last:50`)
	if m != nil {
		t.Fatal(m)
	}
	want = Command{Verb: VerbRecall, Scope: Scope{Group: "my-group",
		Filter: Filter{From: "alice", Since: When{Ago: 2 * time.Hour},
			Until: When{At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}, Text: "Casino Links", Last: 50}}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("by filter (-want +got):\n%s", diff)
	}
	if got := c.Scope.Filter.String(); got != `from:alice since:2h text:"Casino Links" until:2026-11-23T09:00:00Z last:50` {
		t.Errorf("the filter alone is written as %s", got)
	}
	if c.Scope.Filter.IsZero() || !(Filter{}).IsZero() || (Filter{}).String() != "" {
		t.Error("the zero filter is not told from others")
	}

	for text, want := range map[string]Command{
		"":                     {Verb: VerbForm},
		"/recalls list":        {Verb: VerbList, List: ListOpen},
		"/recalls list mine":   {Verb: VerbList, List: ListMine},
		"/recalls list g":      {Verb: VerbList, Scope: Scope{Group: "g"}},
		`/recalls list "open"`: {Verb: VerbList, Scope: Scope{Group: "open"}},
		`/recalls list "all"`:  {Verb: VerbList, Scope: Scope{Group: "all"}},
		"/recalls stop 7k2m9q": {Verb: VerbStop, Request: "R-7K2M9Q"},
		"/recalls stop":        {Verb: VerbStop},
	} {
		if text == "" {
			text = "/recall"
		}
		if got, m := parseCommand(t, text); m != nil || !cmp.Equal(got, want) {
			t.Errorf("%s is %+v, %v, want %+v", text, got, m, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	type o = map[string]string
	for _, tt := range []struct {
		name, sub string
		options   o
		want      string // the command in Slack's form, or "! key > corrected"
	}{
		{"recall", "", nil, "/recall"},
		{"recall", "", o{"group": "", "reason": ""}, "/recall"},
		{"/recall", "", o{"group": sampleGroup, "seqs": "100 101"}, "/recall @TGS#2J4SZEAEL 100-101"},
		{"recall", "", o{"group": sampleGroup, "seqs": "100,101\u30002-3\uff0c9"},
			"/recall @TGS#2J4SZEAEL 2-3 9 100-101"},
		{"recall", "", o{"group": " " + sampleGroup + " ", "seqs": "7"}, "/recall @TGS#2J4SZEAEL 7"},
		{"recall", "", o{"group": "my group", "seqs": "7"}, `/recall "my group" 7`},
		{"recall", "", o{"group": `"my group"`, "seqs": "7"}, `/recall "my group" 7`},
		{"recall", "", o{"group": "“my group”", "seqs": "7"}, `/recall "my group" 7`},
		{"recall", "", o{"group": "list", "seqs": "7"}, `/recall "list" 7`},
		{"recall", "", o{"group": "room:5", "seqs": "7"}, `/recall "room:5" 7`},
		{"recall", "", o{"group": "g", "seqs": "7", "reason": `spam "wave" last:5`},
			`/recall g 7 reason:"spam \"wave\" last:5"`},
		{"recall", "", o{"group": "g", "seqs": "7", "reason": `"spam" and "scam"`},
			`/recall g 7 reason:"\"spam\" and \"scam\""`},
		{"recall", "", o{"group": "g", "seqs": "7", "reason": `"spam wave"`}, `/recall g 7 reason:"spam wave"`},
		{"recall", "", o{"group": "g", "seqs": "7", "reason": `"unfinished`}, `/recall g 7 reason:"\"unfinished"`},
		{"recall", "", o{"group": "g", "from": "user one", "since": "2h", "until": "30m", "text": "casino links",
			"last": "5"},
			`/recall g from:"user one" since:2h text:"casino links" until:30m last:5`},
		{"recall", "", o{"group": "@TGS#_a", "seqs": "7", "topic": "@TGS#_a@TOPIC#_b c"},
			`/recall @TGS#_a 7 topic:"@TGS#_a@TOPIC#_b c"`},
		{"recalls", "find", o{"group": "g", "last": "５"}, "/recalls find g last:5"},
		{"recalls", "find", o{"group": "g", "same": "4711", "from": "bob"}, "/recalls find g from:bob same:4711"},
		{"recall", "", o{"group": "g", "same": "4294967295"}, "/recall g same:4294967295"},
		{"recall", "", o{"group": "g", "same": "7-8"}, "! same_number > /recalls find group:g last:20"},
		{"recalls", "list", nil, "/recalls list open"},
		{"recalls", "list", o{"which": "mine"}, "/recalls list mine"},
		{"recalls", "list", o{"which": "all"}, "/recalls list all"},
		{"recalls", "stop", nil, "/recalls stop"},
		{"recalls", "cancel", o{"id": "R-7K2M9Q"}, "/recalls stop R-7K2M9Q"},
		{"recalls", "list", o{"which": "my group"}, `/recalls list "my group"`},
		{"recalls", "list", o{"which": `"open"`}, `/recalls list "open"`},
		{"recalls", "show", o{"id": " r-7k2m9q"}, "/recalls show R-7K2M9Q"},
		{"recalls", "withdraw", o{"id": "7K2M9Q"}, "/recalls withdraw R-7K2M9Q"},
		{"recalls", "stop", o{"id": "7K2M9Q"}, "/recalls stop R-7K2M9Q"},
		{"recalls", "help", nil, "/recalls help"},
		{"recalls", "whoami", nil, "/recalls whoami"},

		{"recall", "", o{"seqs": "100 101"}, "! group_missing > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"reason": "spam"}, "! group_missing > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": " ", "seqs": "7"}, "! option_empty > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": `"my group`, "seqs": "7"},
			"! quote_open > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": "<@&123>#2J4SZEAEL", "seqs": "7"},
			"! mention_role > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": "<@!123>#2J4SZEAEL", "seqs": "7"},
			"! mention_user > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": "@TGS#", "seqs": "7"}, "! group_cut > /recall group:@TGS#2J4SZEAEL seqs:100 101"},
		{"recall", "", o{"group": "g"}, "! seqs_missing > /recalls find group:g last:20"},
		{"recall", "", o{"group": "100-150"}, "! seqs_missing > /recalls find group:100-150 last:20"},
		{"recall", "", o{"group": "g", "reason": "spam 100"}, "! seqs_missing > /recalls find group:g last:20"},
		{"recall", "", o{"group": "g", "text": " "}, "! option_empty > /recalls find group:g last:20"},
		{"recall", "", o{"group": "g", "seqs": "7", "reason": "\u200b"}, "! option_empty > /recall group:g seqs:7"},
		{"recall", "", o{"group": "my group", "seqs": "150-100", "reason": "spam wave"},
			"! seq_backwards > /recall group:my group seqs:100-150 reason:spam wave"},
		{"recall", "", o{"group": "g", "seqs": "100 - 150"}, "! seq_spaces > /recall group:g seqs:100-150"},
		{"recall", "", o{"group": "g", "seqs": "0 7"}, "! seq_zero > /recall group:g seqs:7"},
		{"recall", "", o{"group": "g", "seqs": "7", "last": "5"}, "! seqs_and_filter > /recall group:g seqs:7"},
		{"recall", "", o{"group": "g", "seqs": "7", "colour": "red"}, "! option_unknown > /recall group:g seqs:7"},
		{"recall", "", o{"group": "g", "last": "7", "colour": "red"},
			"! option_unknown > /recalls find group:g last:7"},
		{"recall", "", o{"group": "g", "since": "yesterday"}, "! when_form > /recalls find group:g last:20"},
		{"recall", "", o{"group": "g", "topic": "h@TOPIC#_b", "seqs": "7"},
			"! topic_name > /recall group:g seqs:7 topic:@TGS#_GROUP@TOPIC#_TOPIC"},
		{"recall", "", o{"group": "g", "seqs": "100 to"}, "! seq_word > /recall group:g seqs:100"},
		{"recall", "", o{"group": "g", "from": "<@5>", "last": "5"}, "! mention_user > /recalls find group:g last:5"},
		{"recall", "", o{"group": "g", "until": "5m"}, "! filter_wide > /recalls find group:g until:5m last:20"},
		{"recall", "", o{"group": "g", "since": "5m", "until": "1h"},
			"! window_backwards > /recall group:g since:1h until:5m"},
		{"recall", "", o{"group": "@TGS#_a@TOPIC#_b", "seqs": "7"},
			"! group_is_topic > /recall group:@TGS#_a seqs:7 topic:@TGS#_a@TOPIC#_b"},
		{"recall", "", o{"group": "g", "seqs": "5-4", "reason": "see seqs:9"},
			"! seq_backwards > /recalls find group:g last:20"},
		{"recalls", "find", nil, "! group_missing > /recalls find group:@TGS#2J4SZEAEL last:20"},
		{"recalls", "find", o{"group": "g"}, "! filter_missing > /recalls find group:g last:20"},
		{"recalls", "find", o{"group": "g", "seqs": "7", "last": "5"},
			"! option_unknown > /recalls find group:g last:5"},
		{"recalls", "show", nil, "! request_missing > /recalls show id:R-7K2M9Q"},
		{"recalls", "stop", o{"id": "R-UUUUUU"}, "! request_id > /recalls stop id:R-7K2M9Q"},
		{"recalls", "list", o{"which": "<#1>"}, "! mention_channel > /recalls list which:open"},
		{"recalls", "whoami", o{"id": "x"}, "! option_unknown > /recalls whoami"},
		{"recalls", "", nil, "! command_unknown > /recalls help"},
		{"recalls", "recall", nil, "! command_unknown > /recalls help"},
		{"recall", "find", nil, "! command_unknown > /recalls help"},
	} {
		c, m := parseTyped(t, tt.name, tt.sub, tt.options)
		var got string
		if m != nil {
			got = "! " + m.Key + " > " + m.Corrected
			checkMistake(t, m, true)
			// A value alone does not say in which of the options it stands.
			name, _, _ := strings.Cut(m.Quoted, ":")
			if _, given := tt.options[name]; m.Quoted != "" && !given && m.Key != "command_unknown" {
				t.Errorf("%s %s %q: %q is quoted without its option", tt.name, tt.sub, tt.options, m.Quoted)
			}
		} else {
			got = c.String()
			checkBack(t, c)
		}
		if got != tt.want {
			t.Errorf("%s %s %q\n\tgot  %s\n\twant %s", tt.name, tt.sub, tt.options, got, tt.want)
		}
	}
}

func TestRanges(t *testing.T) {
	top := recall.Seq(math.MaxUint32)
	for _, tt := range []struct {
		seqs []recall.Seq
		want string
		n    int
	}{
		{nil, "", 0},
		{[]recall.Seq{5}, "5", 1},
		{[]recall.Seq{5, 5, 4, 9, 6}, "4-6,9", 4},
		{[]recall.Seq{top, 1, top - 1}, "1,4294967294-4294967295", 3},
	} {
		rs := MakeRanges(tt.seqs...)
		if rs.String() != tt.want || rs.Count() != tt.n {
			t.Errorf("MakeRanges(%v) is %s of %d, want %s of %d", tt.seqs, rs, rs.Count(), tt.want, tt.n)
		}
		again, err := parseRanges(rs.String())
		if diff := cmp.Diff(rs, again); err != nil || diff != "" {
			t.Errorf("%s, stored and read: %v\n%s", rs, err, diff)
		}
		want := slices.Compact(slices.Sorted(slices.Values(tt.seqs)))
		if got := slices.Collect(rs.All()); !slices.Equal(got, want) {
			t.Errorf("all of %s: %v, want %v", rs, got, want)
		}
		for _, s := range tt.seqs {
			if !rs.Contains(s) {
				t.Errorf("%s does not contain %d", rs, s)
			}
		}
	}

	whole := Ranges{{1, top}}
	if whole.Count() != math.MaxUint32 || !whole.Contains(top) || whole.Contains(0) {
		t.Errorf("the run of all seqs: %d of them", whole.Count())
	}
	for s := range whole.All() {
		if s == 3 {
			break
		}
	}

	a := Ranges{{10, 20}, {30, 40}}
	for s, want := range map[recall.Seq]bool{9: false, 10: true, 20: true, 21: false, 25: false, 30: true, 41: false} {
		if a.Contains(s) != want {
			t.Errorf("%s contains %d: %v", a, s, !want)
		}
	}

	for _, bad := range []string{"0", "0-5", "5-4", "1,2", "2,1", "1-5,5-9", "4294967296", "-1", "1-", "x", "1,", " 1",
		"01", "5-5", "1..5"} {
		if rs, err := parseRanges(bad); err == nil {
			t.Errorf("parseRanges(%q) is %v", bad, rs)
		}
	}
}

func TestScopeJSON(t *testing.T) {
	for want, s := range map[string]Scope{
		`{"group":"g","seqs":"1-5,7"}`: {Group: "g", Seqs: Ranges{{1, 5}, {7, 7}}},
		`{"group":"g","topic":"g@TOPIC#_t","filter":{"from":"u","since":{"ago":60000000000},"until":{"at":"2026-11-23T09:00:00Z"},"text":"x","last":3,"same":7}}`: {
			Group: "g", Topic: "g@TOPIC#_t", Filter: Filter{From: "u", Since: When{Ago: time.Minute},
				Until: When{At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}, Text: "x", Last: 3, Same: 7}},
	} {
		b, err := json.Marshal(s)
		if err != nil || string(b) != want {
			t.Errorf("got  %s, %v\nwant %s", b, err, want)
		}
		var again Scope
		if err := json.Unmarshal(b, &again); err != nil || !cmp.Equal(s, again) {
			t.Errorf("%s is read as %+v, %v", b, again, err)
		}
	}
	var s Scope
	if err := json.Unmarshal([]byte(`{"seqs":"2,1"}`), &s); err == nil {
		t.Errorf("seqs out of order are read as %v", s.Seqs)
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		w    When
		want time.Time
		text string
	}{
		{When{}, time.Time{}, ""},
		{When{Ago: 90 * time.Second}, now.Add(-90 * time.Second), "90s"},
		{When{Ago: 90 * time.Minute}, now.Add(-90 * time.Minute), "90m"},
		{When{Ago: 36 * time.Hour}, now.Add(-36 * time.Hour), "36h"},
		{When{Ago: 48 * time.Hour}, now.Add(-48 * time.Hour), "2d"},
		{When{At: now}, now, "2026-11-23T12:00:00Z"},
	} {
		if got := tt.w.resolve(now); !got.Equal(tt.want) || tt.w.String() != tt.text ||
			tt.w.IsZero() != (tt.text == "") {
			t.Errorf("%+v is %v, written %s", tt.w, got, tt.w)
		}
	}
}

func TestRequestID(t *testing.T) {
	for s, want := range map[string]RequestID{
		"R-7K2M9Q": "R-7K2M9Q", "r-7k2m9q": "R-7K2M9Q", "7k2m9q": "R-7K2M9Q", " R-7K2M9Q\n": "R-7K2M9Q",
		"R-OIL0oi": "R-011001", "r-ilo111": "R-110111", "R–7K2M9Q": "R-7K2M9Q", "\u200bR-７K２M9Q": "R-7K2M9Q",
		"RRRRRR": "R-RRRRRR",
	} {
		if got, ok := ParseRequestID(s); !ok || got != want {
			t.Errorf("ParseRequestID(%q) is %q, %v, want %q", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "R-", "R-7K2M9", "R-7K2M9QQ", "R-7K2M9U", "R-7K2M9é", "7K2-M9Q", "R7K2M9Q",
		"R--7K2M9", "R-7K 2M9", "R-R-7K2M", "R-٧K2M9Q"} {
		if got, ok := ParseRequestID(s); ok {
			t.Errorf("ParseRequestID(%q) is %q", s, got)
		}
	}

	if got := NewRequestID(bytes.NewReader([]byte{0, 0, 0, 0})); got != "R-000000" {
		t.Errorf("zero bytes draw %s", got)
	}
	if got := NewRequestID(bytes.NewReader([]byte{0xFF, 0xFF, 0xFF, 0xFF})); got != "R-ZZZZZZ" {
		t.Errorf("all ones draw %s", got)
	}
	seen := map[byte]int{}
	const drawn = 20_000
	for range drawn {
		id := NewRequestID(rand.Reader)
		if again, ok := ParseRequestID(string(id)); !ok || again != id {
			t.Fatalf("%s is read as %s, %v", id, again, ok)
		}
		for i := 2; i < len(id); i++ {
			seen[id[i]]++
		}
	}
	// Each of 32 characters comes 3,750 times in the mean, with a deviation of 60.
	for _, c := range []byte(crockford) {
		if n := seen[c]; n < 3300 || n > 4200 {
			t.Errorf("%c was drawn %d times of %d", c, n, 6*drawn)
		}
	}

	defer func() {
		if recover() == nil {
			t.Error("a source without random bytes drew an id")
		}
	}()
	NewRequestID(iotest.ErrReader(errors.New("no entropy")))
}

func TestMistakeErrorHoldsNothingTyped(t *testing.T) {
	_, m := parseCommand(t, "/recall @TGS#2J4SZEAEL 100 hunter2")
	if m == nil || strings.Contains(m.Error(), "hunter2") || !strings.Contains(m.Error(), m.Key) {
		t.Errorf("the error reads %v", m)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/command/read.txt")
	if err != nil {
		f.Fatal(err)
	}
	more, err := os.ReadFile("testdata/command/mistakes.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(b) + string(more)) {
		if name, text, _ := strings.Cut(unhide(strings.TrimSuffix(line, "\n")), " "); strings.HasPrefix(line,
			"/recall") {
			f.Add(name == "/recalls", text)
		}
	}
	f.Fuzz(func(t *testing.T, recalls bool, text string) {
		name := "recall"
		if recalls {
			name = "recalls"
		}
		begun := time.Now()
		c, m := mistaken(t, func() (Command, error) { return Parse(name, text) })
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		if m != nil {
			checkMistake(t, m, false)
			return
		}
		checkBack(t, c)
		if len(c.Scope.Group) > maxGroupID || !printable(string(c.Scope.Group)+string(c.Scope.Topic)+string(
			c.Scope.Filter.From)) {
			t.Errorf("%s holds an id that the service has not", c)
		}
	})
}

func FuzzParseOptions(f *testing.F) {
	f.Add("recall", "", sampleGroup, "100 101", "", "", "", "", "", "", "", "spam", "")
	f.Add("recall", "", "my group", "", "my group@TOPIC#_x", "alice", "2h", "30m", `"casino" links`, "5", "4711",
		`"spam"`, "")
	f.Add("recalls", "list", "", "", "", "", "", "", "", "", "", "", `"open"`)
	f.Add("recalls", "show", "", "", "", "", "", "", "", "", "", "", "R-7K2M9Q")
	f.Fuzz(func(t *testing.T, name, sub, g, seqs, topic, from, since, until, text, last, same, reason, other string) {
		options := map[string]string{"group": g, "seqs": seqs, "topic": topic, "from": from, "since": since,
			"until": until, "text": text, "last": last, "same": same,
			"reason": reason, "which": other, "id": other}
		c, m := parseTyped(t, name, sub, options)
		if m != nil {
			checkMistake(t, m, true)
			return
		}
		checkBack(t, c)
	})
}

func ExampleParse() {
	c, _ := Parse("/recall", "@TGS#2J4SZEAEL 101 100,105-107 reason:scam links")
	fmt.Println(c.Scope.Group, c.Scope.Seqs, c.Scope.Seqs.Count(), c.Reason)
	fmt.Println(c)

	_, err := Parse("/recall", "@TGS#2J4SZEAEL 150-100")
	if m, ok := errors.AsType[*Mistake](err); ok {
		fmt.Println(m.Key, m.Quoted)
		fmt.Println(m.Corrected)
	}
	// Output:
	// @TGS#2J4SZEAEL 100-101,105-107 5 scam links
	// /recall @TGS#2J4SZEAEL 100-101 105-107 reason:"scam links"
	// seq_backwards 150-100
	// /recall @TGS#2J4SZEAEL 100-150
}

func ExampleParseOptions() {
	c, _ := ParseOptions("recall", "", map[string]string{"group": "my group", "from": "alice", "since": "2h",
		"text": "casino links"})
	fmt.Println(c)

	_, err := ParseOptions("recall", "", map[string]string{"group": "<@&123>#2J4SZEAEL", "seqs": "100"})
	if m, ok := errors.AsType[*Mistake](err); ok {
		fmt.Println(m.Key, m.Quoted)
	}
	// Output:
	// /recall "my group" from:alice since:2h text:"casino links"
	// mention_role group:<@&123>#2J4SZEAEL
}
