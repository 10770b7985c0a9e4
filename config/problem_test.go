package config

import (
	"strings"
	"testing"
)

// TestQuoteHidesKeys: a value in the wrong place may be a key, whichever it is: it is not repeated.
// What an operator mistypes is.
func TestQuoteHidesKeys(t *testing.T) {
	for _, key := range []string{
		"xoxb-1-2-abc", "Bot abc", "https://u:p@host", "hunter2", "abc123def", "k3yk3yk3y", "Zm9vYmFyYmF6cXV4",
		"0123456789abcdef0123456789abcdef", "0123abcd4567",
		"the token is s3cr3tw0rd", "abcdefghijklmnopqrst", "sk_live_4242abcd", "deadbeef0", strings.Repeat("x", 40),
		"swordfish", "SWORDFISH", "correcthorsebattery", "correct-horse", "qWertyU",
		"abc/def=", "the key is opensesame",
	} {
		if got := Quote(key); got != "a value" {
			t.Errorf("%s is quoted as %s", key, got)
		}
	}
	for _, value := range []string{"", "ten", "10", "10minutes", "1h30m", "99999d2000000h", "everyone", "singapur",
		"U0MINA", "S0LEADS123", "role:12", "-5", "0.5s", "2026-11-23", "on request", ":80", "host"} {
		if got := Quote(value); got != `"`+value+`"` {
			t.Errorf("%q is hidden as %s", value, got)
		}
	}
}

// TestProblemsQuoteNoOthers: neither a file's content nor the words of a library are in a problem.
func TestProblemsQuoteNoOthers(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"anchor": "- name: *hunter2secret", "tab": "hunter2secret:\n\t- x", "tag": "- !<hunter2secret x",
		"bracket": "[hunter2secret", "two": "- a: 1\n--- \nhunter2secret: [",
	} {
		_, problems := parseRoster([]byte(body), platforms)
		if len(problems) == 0 {
			t.Errorf("%s: no problem", name)
		}
		for _, p := range problems {
			if strings.Contains(p.String(), "hunter2") {
				t.Errorf("%s: %s", name, p)
			}
		}
	}
	if _, what := readFile(dir); !strings.HasSuffix(what, "it is a directory") {
		t.Errorf("a directory: %s", what)
	}
	if _, what := readFile(dir + "/nothing"); !strings.HasSuffix(what, "no such file or directory") {
		t.Errorf("no file: %s", what)
	}
	if _, what := readFile("hunter2secret"); strings.Contains(what, "hunter2") {
		t.Errorf("a secret in the place of its path: %s", what)
	}
}
