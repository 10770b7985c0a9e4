package command

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"recallbot/recall"

	"golang.org/x/text/unicode/norm"
)

func TestAsRead(t *testing.T) {
	for _, same := range [][]string{
		{"don't miss it - 50% off... now", "Don’t miss it – 50% off… now", "DON‘T  miss it — 50% off… now",
			"Don`t miss it -- 50% off... now", "Don´t\u00a0miss it − 50% off... now", "donʼt miss it ― 50% off⋯ now",
			"Ｄｏｎ＇ｔ　ｍｉｓｓ　ｉｔ　－　５０％　ｏｆｆ．．．　ｎｏｗ", " don't\tmiss it \u2011 50% off...\r\nnow "},
		{`say "win"`, "say “win”", "say „win“", "say «win»", "say ‟win”", "say ＂win＂", "say 〝win〟"},
		{"café gratis", "cafe\u0301 gratis", "CAFÉ GRATIS", "CAFE\u0301  GRATIS", "ca\u200bf\u2060é gra\u00adtis",
			"cafe\u034f\u0301 gratis"},
		{"free", "ｆｒｅｅ", "ⓕⓡⓔⓔ", "𝐟𝐫𝐞𝐞", "𝓯𝓻𝓮𝓮", "FREE", "f\u200dr\ufe0fee", "fr\u2061ee"},
		{"ꭰꭸ", "ᎠᎨ"},
		{"straße", "STRASSE", "strasse", "straẞe"}, {"σοφός", "ΣΟΦΌΣ", "ΣΟΦΟ\u0301Σ"}, {"ﬁne oﬀer", "fine offer"},
		{"❤️ coins", "❤ coins"}, {"🔥🔥", "🔥\ufe0f🔥"}, {"ｶﾞﾁｬ", "ガチャ", "カ\u3099チャ"}, {"№ 5", "no 5"},
		{"a–b", "a-b", "a--b", "a——b"}, {"well\u2010known", "well-known"}, {"---", "———"},
		{"", " ", "\u200b", "\u2800", "\u3164", "\ufe0f", "\u00ad\t", "\x00␀", "\xff"},
	} {
		for _, s := range same {
			if got, want := AsRead(s), AsRead(same[0]); got != want {
				t.Errorf("%q is read as %q, and %q as %q", s, got, same[0], want)
			}
		}
	}
	for _, other := range [][2]string{
		{"cafe", "café"}, {"off", "of"}, {"re-sign", "resign"}, {"don't", "dont"}, {"👍🏻", "👍🏿"}, {"---", "-"},
		{"a b", "ab"}, {"🔥", "🔥🔥"}, {"win.", "win"},
	} {
		if AsRead(other[0]) == AsRead(other[1]) {
			t.Errorf("%q and %q are both read as %q", other[0], other[1], AsRead(other[0]))
		}
	}
}

// TestPhrases: two messages that people read as the same are both found by any part of either.
func TestPhrases(t *testing.T) {
	written := []string{"Don't miss it - 50% off... now", "Don’t miss it – 50% off… now"}
	for _, phrase := range []string{"don’t miss", "don't MISS", "it – 50%", "it - 50%", "it -- 50%", "off… now",
		"off... now"} {
		for _, w := range written {
			texts := func() []recall.Part { return []recall.Part{{Of: recall.OfText, Text: w}} }
			if _, ok := (Filter{Text: phrase}).Matches(recall.Message{Time: time.Now()}, texts, nil); !ok {
				t.Errorf("%q is not found in %q", phrase, w)
			}
		}
	}
}

// TestPhraseOfNothing: a phrase that nobody can see would match everything.
func TestPhraseOfNothing(t *testing.T) {
	for _, s := range []string{"\u2800", "\u3164", "\ufe0f", "\u00ad", "\U000e0041", "\u180e", "\u034f"} {
		_, m := parseCommand(t, `/recalls find @TGS#a text:"`+s+`"`)
		if m == nil || m.Key != "option_empty" {
			t.Errorf("text:%+q: %v, want option_empty", s, m)
		}
	}
}

// FuzzAsRead: the forms of a text that Unicode calls the same are read as the same, what was folded
// is not folded further, and nothing unseen is left.
func FuzzAsRead(f *testing.F) {
	for _, s := range []string{"Don’t miss it – 50% off… now", "cafe\u0301 ﬁ ½ ⓕ", "a\u00ad\u0301", "--- -- -",
		"\xff\u3164ﾡ", "ᾳ İ ŉ", "\ua030\u13a8", "´ ¨ ῾", "\u1e9b\u0323", "👨‍👩‍👧 ❤️", "가\u11a8", "\U0001d15e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := AsRead(s)
		if !utf8.ValidString(folded) {
			t.Fatalf("%+q is no UTF-8", folded)
		}
		if again := AsRead(folded); again != folded {
			t.Fatalf("%+q is read as %+q, and that as %+q", s, folded, again)
		}
		if strings.Join(strings.Fields(folded), " ") != folded {
			t.Fatalf("%+q has white space to fold", folded)
		}
		for _, r := range folded {
			if Invisible(r) || unicode.IsControl(r) || unicode.Is(unicode.Pd, r) && r != '-' {
				t.Fatalf("%+q has %+q in it", folded, r)
			}
		}
		if !utf8.ValidString(s) {
			return
		}
		// The compatible form of an acute accent by itself is another, on a space; people type it
		// as an apostrophe.
		s = strings.NewReplacer("´", "'", "\u1ffd", "'").Replace(s)
		for name, form := range map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC,
			"NFKD": norm.NFKD} {
			if other := AsRead(form.String(s)); other != folded {
				t.Fatalf("%+q is read as %+q, and in %s (%+q) as %+q", s, folded, name, form.String(s), other)
			}
		}
		const belowLetter = '\u0345' // Unicode calls this mark a case of the letter iota
		swapped := strings.Map(func(r rune) rune {
			if other := unicode.SimpleFold(r); r != belowLetter && other != belowLetter {
				return other
			}
			return r
		}, s)
		if other := AsRead(swapped); other != folded {
			t.Fatalf("%+q is read as %+q, and in another case (%+q) as %+q", s, folded, swapped, other)
		}
	})
}
