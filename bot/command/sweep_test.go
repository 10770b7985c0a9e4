package command

import (
	"errors"
	"testing"
)

// TestSweeps: the groups of a sweep are read from both forms and written back as they are read.
func TestSweeps(t *testing.T) {
	for text, want := range map[string]string{
		"in:joined from:spammer":                        "/recall from:spammer in:joined",
		"in:JOINED from:spammer since:2h":               "/recall from:spammer since:2h in:joined",
		"from:spammer in:@TGS#1,@TGS#2":                 "/recall from:spammer in:@TGS#1,@TGS#2",
		"in:@TGS#1, @TGS#2 from:spammer":                "/recall from:spammer in:@TGS#1,@TGS#2",
		"in:@TGS#1,@TGS#1,@TGS#2 from:spammer":          "/recall from:spammer in:@TGS#1,@TGS#2",
		`in:"my, group",Lounge from:spammer reason:x`:   `/recall reason:"x" from:spammer in:"my, group",Lounge`,
		`in:"joined" from:spammer`:                      `/recall from:spammer in:"joined"`,
		"in:@TGS#_a@TOPIC#_b,＠TGS＃2 from:spammer":       "/recall from:spammer in:@TGS#_a@TOPIC#_b,@TGS#2",
		`in:摸鱼群，@TGS#2 from:spammer text:"win a prize"`: `/recall from:spammer text:"win a prize" in:摸鱼群,@TGS#2`,
	} {
		c, err := Parse("recall", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		name, sub, given := split(c.Write(true))
		if again, err := ParseOptions(name, sub, given); err != nil || again.String() != want {
			t.Errorf("%s: typed %s is %s, %v", text, c.Write(true), again, err)
		}
		if c.Scope.Sweeps() != true || c.Scope.Typed() != "" {
			t.Errorf("%s: %+v", text, c.Scope)
		}
	}
	for text, want := range map[string][2]string{
		"in:joined":                                     {"in_from", ""},
		"in:joined since:2h":                            {"in_from", ""},
		"in:all from:spammer":                           {"in_all", "/recall from:spammer in:joined"},
		"in:* from:spammer":                             {"in_all", "/recall from:spammer in:joined"},
		"in:everywhere from:spammer text:x":             {"in_all", `/recall from:spammer text:"x" in:joined`},
		"in:joined,@TGS#1 from:spammer":                 {"in_joined", ""},
		"in: from:spammer":                              {"option_empty", ""},
		"in:, from:spammer":                             {"option_empty", ""},
		"in:@TGS# from:spammer":                         {"group_cut", ""},
		"@TGS#1 in:@TGS#2 from:spammer":                 {"in_group", ""},
		"@TGS#1 5 in:@TGS#2 from:spammer":               {"in_group", ""},
		"in:joined from:spammer last:5":                 {"in_one", ""},
		"in:joined from:spammer same:5":                 {"in_one", ""},
		"in:joined from:spammer 5":                      {"in_group", ""},
		"in:1,2,3,4,5,6,7,8,9,a,b from:spammer":         {"in_many", ""},
		"in:joined from:spammer topic:@TGS#_a@TOPIC#_b": {"in_topic", ""},
		"in:<#C123|x> from:spammer":                     {"mention_channel", ""},
	} {
		_, err := Parse("recall", text)
		m, ok := errors.AsType[*Mistake](err)
		if !ok || m.Key != want[0] || want[1] != "" && m.Corrected != want[1] {
			t.Errorf("%s: %+v, want %s %s", text, err, want[0], want[1])
		}
		if ok && want[1] == "" && len(m.Commands) > 0 && m.Commands[0].Verb == VerbRecall {
			t.Errorf("%s: a button would ask for %s", text, m.Commands[0])
		}
	}
	c, err := ParseForm(map[string]string{"group": "in:joined", "what": "from:spammer", "reason": "raid"}, false)
	if err != nil || c.String() != `/recall reason:"raid" from:spammer in:joined` {
		t.Errorf("the form: %s, %v", c, err)
	}
	if c, err := Parse("recalls", "find in:joined from:spammer"); err != nil || c.Verb != VerbFind {
		t.Errorf("find: %+v, %v", c, err)
	}
}
