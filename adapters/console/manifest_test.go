package console_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"recallbot/adapters/console"
	"recallbot/config"
)

// TestAlerts: an alert names the line of the README that says what to do, and its form is that of
// the others.
func TestAlerts(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range console.Alerts() {
		if !strings.Contains(string(readme), "\n- **"+a.Mend+".** ") {
			t.Errorf("%s: README has no line %q", a.Name, a.Mend)
		}
		if a.Summary == "" || a.Severity != "page" && a.Severity != "ticket" ||
			!regexp.MustCompile(`^Recallbot[A-Z][A-Za-z]+$`).MatchString(a.Name) {
			t.Errorf("an alert without its words: %+v", a)
		}
	}
}

// TestKubernetes: each variable of the table stands in the manifest once, secrets in the Secret.
func TestKubernetes(t *testing.T) {
	table := config.Variables(nil)
	print := console.Kubernetes(table).Flags(flag.NewFlagSet("kubernetes", flag.ContinueOnError))
	text, err := print()
	if err != nil {
		t.Fatal(err)
	}
	secret, rest, _ := strings.Cut(text, "kind: ConfigMap")
	for _, v := range table {
		line := regexp.MustCompile(`(?m)^  (# )?` + v.Name + `: "`)
		inSecret, inMap := len(line.FindAllString(secret, -1)), len(line.FindAllString(rest, -1))
		if v.Secret != (inSecret == 1) || inSecret+inMap != 1 {
			t.Errorf("%s stands in the Secret %d times, in the ConfigMap %d times", v.Name, inSecret, inMap)
		}
	}
}
