package bot

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestText finds sentences that are asked for but missing, and sentences that nobody asks for.
func TestText(t *testing.T) {
	var files []string
	for _, dir := range []string{".", filepath.Join("..", "adapters", "slack"), filepath.Join("..", "adapters", "discord")} {
		list, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(list) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		files = append(files, list...)
	}
	var source strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(body)
	}
	asked := map[string]bool{}
	var prefixes []string
	for _, m := range regexp.MustCompile(`\b(Say|refuse)\("([^"]+)"(\s*\+)?`).FindAllStringSubmatch(source.String(), -1) {
		key := m[2]
		if m[1] == "refuse" {
			key = "refuse." + key
		}
		if key == "refuse." {
			continue // refuse itself
		}
		if m[3] != "" {
			prefixes = append(prefixes, key)
			continue
		}
		asked[key] = true
		if !Known(key) {
			t.Errorf("no sentence %q", key)
		}
	}
	literals := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z_.A-Z0-9 ]+)"`).FindAllStringSubmatch(source.String(), -1) {
		literals[m[1]] = true
		if strings.HasSuffix(m[1], ".") && m[1] != "refuse." {
			prefixes = append(prefixes, m[1])
		}
	}
	for key := range english {
		used := asked[key] || literals[key]
		for _, p := range prefixes {
			used = used || strings.HasPrefix(key, p)
		}
		for _, suffix := range []string{".only", ".alone", ".all", ".none", ".reason"} {
			used = used || strings.HasSuffix(key, suffix) && literals[strings.TrimSuffix(key, suffix)]
		}
		if !used {
			t.Errorf("nobody says %q", key)
		}
	}
	for _, s := range States() {
		for _, prefix := range []string{"settled.", "state.", "card."} {
			if !Known(prefix + string(s)) {
				t.Errorf("no sentence %q", prefix+string(s))
			}
		}
	}
}

func TestVisible(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain", "Grüße, 世界", "Grüße, 世界"},
		{"a line of its own", "hi\nApproved by Theo", "hi⏎Approved by Theo"},
		{"windows line end", "a\r\nb", "a⏎b"},
		{"lone return", "a\rb", "a⏎b"},
		{"bidi override", "user\u202egnp.exe", "user‹U+202E›gnp.exe"},
		{"isolate", "\u2066x\u2069", "‹U+2066›x‹U+2069›"},
		{"zero width", "a\u200bb", "a‹U+200B›b"},
		{"tag characters", "a\U000e0041b", "a‹U+E0041›b"},
		{"bell", "a\ab", "a‹U+0007›b"},
		{"broken", "a\xffb", "a‹U+FFFD›b"},
		{"line separator", "a\u2028b", "a‹U+2028›b"},
		{"hangul filler", "a\u3164b", "a‹U+3164›b"},
		{"emoji", "👍", "👍"},
		{"a family of emoji", "👩\u200d👧", "👩\u200d👧"},
		{"a joiner that Persian needs", "می\u200cخواهم", "می\u200cخواهم"},
		{"a joiner that splits a word", "cas\u200dino", "cas‹U+200D›ino"},
		{"a joiner at the end", "👍\u200d", "👍‹U+200D›"},
		{"ideographic space", "a\u3000b", "a b"},
		{"hair space", "a\u200ab", "a b"},
		{"a joiner that splits a word in Chinese", "博\u200d彩", "博‹U+200D›彩"},
		{"two joiners", "م\u200c\u200cخ", "م‹U+200C›‹U+200C›خ"},
		{"an emoji of several", "🏳\ufe0f\u200d🌈 👩🏽\u200d🚀", "🏳\ufe0f\u200d🌈 👩🏽\u200d🚀"},
		{"a keycap", "1\ufe0f\u20e3", "1\ufe0f\u20e3"},
		{"emoji style on a letter", "cas\ufe0fino", "cas‹U+FE0F›ino"},
		{"emoji style twice", "❤\ufe0f\ufe0f", "❤\ufe0f‹U+FE0F›"},
		{"Mongolian variation", "a\u180bb", "a‹U+180B›b"},
		{"null notehead", "a\U0001d159b", "a‹U+1D159›b"},
	} {
		if got := Visible(test.in); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"世界你好", 2, "世界… (2 more)"},
		{"e\u0301e\u0301", 3, "e\u0301… (2 more)"},
		{"a👩\u200d👧b", 2, "a… (4 more)"},
		{"a👩\u200d👧b", 3, "a… (4 more)"},
	} {
		if got := Cut(test.in, test.n); got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.in, test.n, got, test.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// hidden reports whether a character is not seen or moves others: by Unicode's own properties, not by what the program goes by.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) ||
		unicode.In(r, unicode.Bidi_Control, unicode.Join_Control, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// FuzzVisible: whatever comes, what is shown is one line of whole characters of which each is seen; showing it again changes nothing; and cutting it keeps to the limit.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{
		"Grüße, 世界", "a\r\nb\tc", "\u202egnp.exe\u202c", "\u2066x\u2069", "zero\u200bwidth\u00ad", "👩\u200d👧 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3", "می\u200cخواهم",
		"\U000e0041\ufe01\U000e0100\u180b", "\xff\xc0\x80\ufffd", "e\u0301\u0302", "\u3164\u2800\uffa0", "‹U+202E›", "\x00\x1b[31m",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		shown := Visible(s)
		check := func(shown string) {
			t.Helper()
			if !utf8.ValidString(shown) {
				t.Fatalf("not whole characters: %q", shown)
			}
			runes := []rune(shown)
			for i, r := range runes {
				var before, after rune
				if i > 0 {
					before = runes[i-1]
				}
				if i+1 < len(runes) {
					after = runes[i+1]
				}
				plain := func(r rune) bool { // of a script that has no use for a joiner
					return r == 0 || r == ' ' || hidden(r) && r != '\ufe0f' || unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.P)
				}
				switch {
				case (r == '\u200c' || r == '\u200d') && !plain(before) && !plain(after):
				case r == '\ufe0f' && (unicode.IsSymbol(before) || after == '\u20e3' || strings.ContainsRune("‼⁉ℹ〰〽", before)) && before != 0:
				case hidden(r) || r == utf8.RuneError || unicode.Is(unicode.Zs, r) && r != ' ':
					t.Fatalf("%U is not seen in %q", r, shown)
				}
			}
		}
		check(shown)
		if again := Visible(shown); again != shown {
			t.Fatalf("%q is shown as %q, and that as %q", s, shown, again)
		}
		n = min(max(n, 0), 5000)
		cut := Cut(shown, n)
		if kept, _, did := strings.Cut(cut, "… ("); did && cut != shown {
			if !strings.HasPrefix(shown, kept) && !strings.Contains(shown, "… (") {
				t.Fatalf("%q was cut to %q", shown, cut)
			}
			check(kept)
		}
		if cut != shown && utf8.RuneCountInString(cut) > n+len("… (1,000,000,000 more)") || utf8.RuneCountInString(shown) <= n && cut != shown {
			t.Fatalf("%q was cut to %q for %d", shown, cut, n)
		}
		if q := Quote(s); q.Kind != Foreign || q.Text != shown || Code(s).Text != shown {
			t.Fatalf("quoted as %+v", q)
		}
	})
}
