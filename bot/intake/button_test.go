package intake

import (
	"strings"
	"testing"

	"recallbot/bot"

	"github.com/google/go-cmp/cmp"
)

// platforms are the limits of the platforms, and a poorer one.
var platforms = []Buttons{
	{Platform: "slack", Most: 2000, Confirms: true}, {Platform: "discord", Most: 100}, {Platform: "poor", Most: 64},
}

// TestButtons: what is written is read as the same, on every platform, and fits there.
func TestButtons(t *testing.T) {
	const id, digest = bot.RequestID("R-7K3M9Q"), "0123456789abcdef0123"
	card := bot.Card{ID: id, Digest: digest}
	for _, b := range platforms {
		approve := ActAskApprove
		if b.Confirms {
			approve = ActApprove
		}
		search := bot.EventID(string(b.Platform) + "-" + strings.Repeat("f", 32))
		pages := Page{Request: id, Digest: digest, Of: 1_000_000}
		quoted := Page{Request: id, Digest: digest, Of: 1, Recall: "Ask for the 2 replies",
			Without: "Ask again without the 6"}
		found := Page{Search: search, Number: 11, Of: 1000, Recall: "Recall all",
			Kinds: []string{"Recall these 3", "", "Recall these 2"}}
		carries := func(p Page, name string) string {
			for _, button := range b.OfPage(p) {
				if button.Name == name {
					return button.Carries
				}
			}
			t.Fatalf("%s: %+v has no button %s", b.Platform, p, name)
			return ""
		}
		for s, want := range map[string]Act{
			b.Of(card, bot.ButtonApprove):          {Kind: approve, Request: id, Digest: digest[:16]},
			b.Of(card, bot.ButtonReject):           {Kind: ActAskReject, Request: id, Digest: digest[:16]},
			b.Of(card, bot.ButtonStop):             {Kind: ActStop, Request: id, Digest: digest[:16]},
			b.Of(card, bot.ButtonAskAgain):         {Kind: ActAskAgain, Request: id, Digest: digest[:16]},
			b.Of(card, bot.ButtonShowAll):          {Kind: ActShowAll, Request: id, Digest: digest[:16]},
			b.Of(bot.Card{ID: id}, bot.ButtonStop): {Kind: ActStop, Request: id},
			carries(pages, "last"):                 {Kind: ActShowAll, Request: id, Digest: digest[:16], Page: 999_999},
			carries(found, "next"):                 {Kind: ActTurnFind, Search: search, Page: 12},
			carries(found, "first"):                {Kind: ActTurnFind, Search: search},
			carries(found, "recall"):               {Kind: ActRecallFind, Search: search},
			carries(found, "kind_0"):               {Kind: ActRecallKind, Search: search},
			carries(found, "kind_2"):               {Kind: ActRecallKind, Search: search, Page: 2},
			carries(quoted, "recall"):              {Kind: ActRecallReplies, Request: id, Digest: digest[:16]},
			carries(quoted, "without"):             {Kind: ActAskWithout, Request: id, Digest: digest[:16]},
			carries(Page{Sweep: "a b:c"}, "sweep"): {Kind: ActAskSweep, Text: "a b:c"},
		} {
			if diff := cmp.Diff(want, b.Press(s)); diff != "" || len(s) > b.Most {
				t.Errorf("%s: %q: %s", b.Platform, s, diff)
			}
			if turns := strings.Contains(s, ":page:") || strings.Contains(s, ":turn:"); b.Turns(s) != turns {
				t.Errorf("%s: %q turns a page: %v", b.Platform, s, !turns)
			}
			if got := b.Sent(s, nil); got.Kind != ActForged {
				t.Errorf("%s: the button %q as a form is %+v", b.Platform, s, got)
			}
		}
		values := map[string]string{"group": "@TGS#1", "what": "100", "count": "3", "reason": "wrong group"}
		for _, tt := range []struct {
			form Form
			want Act
		}{
			{Form{Kind: FormAsk}, Act{Kind: ActForm, Command: "recall", Options: values}},
			{Form{Kind: FormApprove, Request: id, Digest: digest},
				Act{Kind: ActApprove, Request: id, Digest: digest[:16], Count: "3", Typed: true}},
			{Form{Kind: FormReject, Request: id, Digest: digest},
				Act{Kind: ActReject, Request: id, Digest: digest[:16], Reason: "wrong group"}},
		} {
			s := b.Form(tt.form)
			if diff := cmp.Diff(tt.want, b.Sent(s, values)); diff != "" || len(s) > b.Most {
				t.Errorf("%s: %q: %s", b.Platform, s, diff)
			}
			if got := b.Press(s); got.Kind != ActForged {
				t.Errorf("%s: the form %q as a button is %+v", b.Platform, s, got)
			}
		}
	}
}

// TestNoButton: where there is nothing to turn to, or what a button must carry does not fit, there
// is none.
func TestNoButton(t *testing.T) {
	short := Buttons{Platform: "poor", Most: 20}
	if s := short.Of(bot.Card{ID: "R-7K3M9Q", Digest: "0123456789abcdef"}, bot.ButtonStop); s != "" {
		t.Errorf("too long: %q", s)
	}
	many := Page{Request: "R-7K3M9Q", Digest: "0123456789abcdef", Of: 1000, Number: 2}
	if got := short.OfPage(many); got != nil {
		t.Errorf("too long: %v", got)
	}
	for of, want := range map[int][]string{
		1: {""},
		2: {"next", "previous"},
		3: {"next last", "previous next", "first previous"},
		4: {"next last", "previous next last", "first previous next", "first previous"},
	} {
		for n, want := range want {
			names, carried := "", map[string]bool{}
			for _, b := range platforms[0].OfPage(Page{Request: "R-7K3M9Q", Of: of, Number: n}) {
				names += " " + b.Name
				if carried[b.Carries] {
					t.Errorf("page %d of %d has %q twice", n+1, of, b.Carries)
				}
				carried[b.Carries] = true
			}
			if got := strings.TrimSpace(names); got != want {
				t.Errorf("page %d of %d has the buttons %q, want %q", n+1, of, got, want)
			}
		}
	}
}

// TestForgedButtons: what the bot never made is told apart, whoever sends it.
func TestForgedButtons(t *testing.T) {
	for _, s := range []string{
		"", "x", "v1:", "v1::", "v1:approve", "v1:approve:R-7K3M9Q", "v1:approve:R-7K3M9Q:zz", "v1:approve::",
		"v1:approve:nobody:0123456789abcdef", "v1:approve:r-7k3m9q:0123456789abcdef",
		"v1:approve:R-7K3M9Q:0123456789abcdef0", "v1:approve:R-7K3M9Q:0123456789abcdef:1",
		"v2:approve:R-7K3M9Q:0123456789abcdef", "v1:explode:R-7K3M9Q:0123456789abcdef",
		"v1:page", "v1:page:R-7K3M9Q:0123456789abcdef:-1", "v1:page:R-7K3M9Q:0123456789abcdef:01",
		"v1:page:R-7K3M9Q:0123456789abcdef:1000001", "v1:form", "v1:form:explode:R-7K3M9Q:0123456789abcdef",
		"v1:form:ask:R-7K3M9Q:",
		"v1:sender:", "v1:sender:\x00", "v1:sender:" + strings.Repeat("x", 33),
		"v1:find:", "v1:find:group=g", "v1:find:slack", "v1:find:slack-", "v1:find:slack-x",
		"v1:find:discord:7", "v1:turn:slack-0", "v1:turn:-1:slack-0", "v1:find:slack-" + strings.Repeat("0", 2000),
	} {
		b := platforms[0]
		if got := b.Press(s); got.Kind != ActForged || got.Request != "" || got.Digest != "" || got.Search != "" {
			t.Errorf("pressing %.60q is %+v", s, got)
		}
		if got := b.Sent(s, nil); got.Kind != ActForged {
			t.Errorf("sending %.60q is %+v", s, got)
		}
		if b.Turns(s) {
			t.Errorf("%.60q turns a page", s)
		}
	}
}

// FuzzButtons: what is read was written, letter by letter, and fits.
func FuzzButtons(f *testing.F) {
	f.Add("v1:approve:R-7K3M9Q:0123456789abcdef", 0)
	f.Add("v1:form:reject:R-7K3M9Q:0123456789abcdef", 1)
	f.Add("v1:page:R-7K3M9Q::12", 2)
	f.Add("v1:find:discord:123", 1)
	f.Add("v1:turn:99:slack-123", 0)
	f.Fuzz(func(t *testing.T, s string, n int) {
		b := platforms[uint(n)%uint(len(platforms))]
		c, ok := b.read(s)
		if ok && b.write(c) != s {
			t.Errorf("%s: %q is written as %q", b.Platform, s, b.write(c))
		}
		press, sent := b.Press(s).Kind != ActForged, b.Sent(s, nil).Kind != ActForged
		if press && sent || (press || sent) != ok {
			t.Errorf("%s: %q is read: %v, a button: %v, a form: %v", b.Platform, s, ok, press, sent)
		}
	})
}
