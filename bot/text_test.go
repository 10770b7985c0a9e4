package bot

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestIsolated: text with a character that is written from right to left stands in isolates, and no
// other text does.
func TestIsolated(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "Lounge 7": "Lounge 7", "каф\u00e9 最后": "каф\u00e9 最后", "🔥": "🔥",
		"שלום": "\u2068שלום\u2069", "7 (غرفة)": "\u20687 (غرفة)\u2069", "٣ ": "\u2068٣ \u2069",
	} {
		if got := Isolated(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	// of others' text none is left that could end it
	if got := Visible("a\u2069b\u2068c"); strings.ContainsAny(got, "\u2068\u2069") {
		t.Errorf("an isolate is visible: %q", got)
	}
}

// TestText finds sentences that are asked for but missing, and sentences that nobody asks for.
func TestText(t *testing.T) {
	var files []string
	known := maps.Clone(mustParseText("en"))
	for _, dir := range []string{".", "history", "intake", "worker", filepath.Join("..", "adapters", "*")} {
		list, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(list) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		files = append(files, list...)
		texts, err := filepath.Glob(filepath.Join(dir, "text", "en.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if dir == "." {
				continue // read already
			}
			body, err := os.ReadFile(text)
			if err != nil {
				t.Fatal(err)
			}
			addSentences(known, text, string(body))
		}
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
	for _, m := range regexp.MustCompile(`\b(Say|NewRefusal)\("([^"]+)"(\s*\+)?`).FindAllStringSubmatch(source.String(),
		-1) {
		key := m[2]
		if m[1] == "NewRefusal" {
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
		if _, ok := known[key]; !ok {
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
	for key := range known {
		used := asked[key] || literals[key]
		for _, p := range prefixes {
			used = used || strings.HasPrefix(key, p)
		}
		for _, suffix := range []string{".only", ".alone", ".all", ".none", ".reason"} {
			used = used || strings.HasSuffix(key, suffix) && literals[strings.TrimSuffix(key, suffix)]
		}
		if !used && len(TakenAway()) == 0 { // a platform may have said it that is no longer there
			t.Errorf("nobody says %q", key)
		}
	}
	for _, s := range States() {
		for _, prefix := range []string{"settled.", "state.", "card."} {
			if _, ok := english[prefix+string(s)]; !ok {
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
		{"Egyptian blanks", "a\U00013441b\U00013442c", "a‹U+13441›b‹U+13442›c"},
		{"a hieroglyph joiner", "a\U00013430b", "a‹U+13430›b"},
		{"object replacement and half a fill space", "a\ufffcb\u303fc", "a‹U+FFFC›b‹U+303F›c"},
		{"interlinear annotation", "a\ufff9b\ufffbc", "a‹U+FFF9›b‹U+FFFB›c"},
		{"musical controls", "a\U0001d173b", "a‹U+1D173›b"},
		{"text style", "❤\ufe0e", "❤‹U+FE0E›"},
		{"emoji style on an arrow that has none", "→\ufe0f ↔\ufe0f", "→‹U+FE0F› ↔\ufe0f"},
		{"emoji style on a box and on a sum", "█\ufe0f∑\ufe0f+\ufe0f", "█‹U+FE0F›∑‹U+FE0F›+‹U+FE0F›"},
		{"emoji style on half a flag", "🇩\ufe0f", "🇩‹U+FE0F›"},
		{"a joiner after a circumflex", "^\u200d👍", "^‹U+200D›👍"},
		{"a joiner after a backtick, a box and a sum", "`\u200d👍█\u200d█∑\u200d∑", "`‹U+200D›👍█‹U+200D›█∑‹U+200D›∑"},
		{"a joiner before a box", "👍\u200d█", "👍‹U+200D›█"},
		{"a joiner between two scripts that have them", "م\u200dक", "م‹U+200D›क"},
		{"three marks", "e\u0301\u0302\u0303", "e\u0301\u0302\u0303"},
		{"five marks", "e\u0301\u0302\u0303\u0304\u0305x", "e\u0301\u0302\u0303‹U+0304›‹U+0305›x"},
		{"marks around others that take room", "का\u0301ा\u0302ा\u0303ा\u0304",
			"का\u0301ा\u0302ा\u0303‹U+093E›‹U+0304›"},
		{"a mark that begins", "\u0338x", "‹U+0338›x"},
		{"a mark that begins after spaces", " \t\u0338x", "  ‹U+0338›x"},
		{"a mark that begins a line", "x\n\u0338y", "x⏎‹U+0338›y"},
		{"a mark on what is named", "\u202e\u0338y", "‹U+202E›‹U+0338›y"},
		{"a mark of another script", "a\u0e49 1\u1039 2", "a‹U+0E49› 1‹U+1039› 2"},
		{"a face of marks", "( ͡° ͜ʖ ͡°)", "( ͡° ͜ʖ ͡°)"},
		{"a dotted circle for a letter", "◌\u0e49 ـ\u0610", "◌\u0e49 ـ\u0610"},
	} {
		if got := Visible(test.in); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Text of languages that spell with marks and joiners is shown as it is.
func TestVisibleSpelling(t *testing.T) {
	for language, text := range map[string]string{
		"Arabic": "بِسْمِ ٱللّٰهِ مُحَمَّدٌ", "Bengali": "বাংলা র\u200d্যাব ক্ষুদ্র",
		"Burmese": "မြို့ ကြိုး ကျွန်ုပ် ကျောင်း ဦးကြီး", "Hebrew": "בְּרֵאשִׁית שַׁבָּת",
		"Hindi": "हिन्दी में क्\u200dष नहीं र्क", "Japanese": "か\u3099っこう", "Kannada": "ಕನ್ನಡ ರ\u200d್ಯ",
		"Khmer": "ស្ត្រី ភាសាខ្មែរ", "Lao": "ເຈົ້າ ຢູ່", "Malayalam": "മലയാളം ക്ഷ",
		"Marathi": "दऱ्या", "Nepali": "नेपाली भाषा", "Persian": "می\u200cخواهم کتاب\u200cها", "Punjabi": "ਪੰਜਾਬੀ ਸ਼ਬਦ",
		"Sinhala": "ශ්\u200dරී ලංකාව", "Tamil": "தமிழ் க்ஷ ஸ்ரீ", "Telugu": "తెలుగు స్త్రీ",
		"Thai": "ที่นี่ น้ำ เป็นผู้ใหญ่", "Tibetan": "བསྒྲུབས་ སྒྲོན་མ ཧཱུྃ", "Urdu": "اُردُو",
		"Vietnamese": "Tie\u0302\u0301ng Vie\u0323\u0302t", "Yoruba": "o\u0323\u0300run",
	} {
		if got := Visible(text); got != text {
			t.Errorf("%s: %q is shown as %q", language, text, got)
		}
	}
}

// Every character that is blank, or that Unicode says is ignored by default, is named, wherever it
// stands.
func TestVisibleNamesWhatIsNotSeen(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		ignored := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf,
			unicode.Cc, unicode.Co, unicode.Noncharacter_Code_Point)
		if !ignored || !utf8.ValidRune(r) {
			continue
		}
		if got, want := Visible("a"+string(r)+"b"), fmt.Sprintf("a‹U+%04X›b", r); got != want {
			t.Errorf("%U is shown as %q", r, got)
		}
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ { // an unmarked style or joiner on anything but an emoji
		if !unicode.IsGraphic(r) || unicode.Is(emoji, r) || unicode.In(r, unicode.M, unicode.Zs) {
			continue
		}
		if got := Visible(string(r) + "\ufe0f"); !strings.HasSuffix(got, "‹U+FE0F›") {
			t.Errorf("the emoji style after %U is shown as %q", r, got)
		}
		if got := Visible(string(r) + "\u200d😀"); !strings.HasSuffix(got, "‹U+200D›😀") {
			t.Errorf("a joiner after %U is shown as %q", r, got)
		}
	}
}

// What others wrote cannot move what follows to a line of its own by many spaces. What is to be
// copied keeps them.
func TestQuoteFoldsSpaces(t *testing.T) {
	const wide = "a   b\t\t c\u3000\u00a0\u2003d"
	if got := Quote(wide).Text; got != "a b c d" {
		t.Errorf("quoted as %q", got)
	}
	if got := Code("a  b").Text; got != "a  b" {
		t.Errorf("to be copied as %q", got)
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

// hidden reports whether a character is not seen or moves others: by Unicode's own properties, not
// by what the program goes by.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S,
		unicode.Zs) ||
		unicode.In(r, unicode.Bidi_Control, unicode.Join_Control, unicode.Variation_Selector,
			unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// FuzzVisible: whatever comes, what is shown is one line of whole characters of which each is seen;
// showing it again changes nothing; and cutting it keeps to the limit.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{
		"Grüße, 世界", "a\r\nb\tc", "\u202egnp.exe\u202c", "\u2066x\u2069", "zero\u200bwidth\u00ad",
		"👩\u200d👧 🏳\ufe0f\u200d🌈 1\ufe0f\u20e3", "می\u200cخواهم",
		"\U000e0041\ufe01\U000e0100\u180b", "\xff\xc0\x80\ufffd", "e\u0301\u0302", "\u3164\u2800\uffa0", "‹U+202E›",
		"\x00\x1b[31m",
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
					return r == 0 || r == ' ' || hidden(r) && r != '\ufe0f' ||
						unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Han, unicode.Hiragana,
							unicode.Katakana, unicode.Hangul, unicode.P)
				}
				switch {
				case (r == '\u200c' || r == '\u200d') && !plain(before) && !plain(after):
				case r == '\ufe0f' && (unicode.IsSymbol(before) || after == '\u20e3' ||
					strings.ContainsRune("‼⁉ℹ〰〽", before)) && before != 0:
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
		if cut != shown && utf8.RuneCountInString(cut) > n+len("… (1,000,000,000 more)") ||
			utf8.RuneCountInString(shown) <= n && cut != shown {
			t.Fatalf("%q was cut to %q for %d", shown, cut, n)
		}
		folded := regexp.MustCompile(" +").ReplaceAllString(shown, " ")
		if q := Quote(s); q.Kind != Foreign || q.Text != folded || Code(s).Text != shown {
			t.Fatalf("quoted as %+v", q)
		}
	})
}
