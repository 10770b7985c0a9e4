package bot

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
