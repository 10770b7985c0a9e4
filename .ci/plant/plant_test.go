// Package plant shows that the rules of bot/ledgertest find what they are for: it removes one guard
// of the runner after the other, in an overlay that leaves the files alone, and runs the tests of
// bot/worker, which hold every transition that they commit to those rules. Each removal must be
// found. It takes about twenty minutes and is not part of .ci/run:
//
//	cd .ci/plant && go test -timeout 60m
package plant

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// guard is one thing that keeps the runner from a transition that must not be.
type guard struct {
	name, file string
	tests      string // that are run, as -run takes them: those of the guard's own situation
	is, gone   string // the lines with it and without it
}

// entry matches one guard of guards.txt.
var entry = regexp.MustCompile(`(?s)^(.+?)\nfile (\S+)\ntests (\S+)\n-- guard\n(.+?)\n+-- without\n(.*?)\n*$`)

func guards(t *testing.T) (all []guard) {
	text, err := os.ReadFile("guards.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range strings.Split(string(text), "\n== ")[1:] {
		m := entry.FindStringSubmatch(one)
		if m == nil {
			t.Fatalf("guard %d of guards.txt cannot be read:\n%s", i+1, one)
		}
		all = append(all, guard{m[1], m[2], m[3], m[4], m[5]})
	}
	return all
}

// byRule matches what a rule says in the output of a test.
var byRule = regexp.MustCompile(`a transition that the model does not allow: [^\n]*|request [01]: [^\n]*`)

// failed matches the name of a test that failed.
var failed = regexp.MustCompile(`--- FAIL: (Test\w+)`)

func TestGuards(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range guards(t) {
		t.Run(g.name, func(t *testing.T) {
			file := filepath.Join(root, "bot/worker", g.file)
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(body), g.is); n != 1 {
				t.Fatalf("the guard stands %d times in %s", n, g.file)
			}
			dir := t.TempDir()
			planted, overlay := filepath.Join(dir, g.file), filepath.Join(dir, "overlay.json")
			replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: planted}})
			if err != nil {
				t.Fatal(err)
			}
			without := strings.Replace(string(body), g.is, g.gone, 1)
			for name, content := range map[string][]byte{planted: []byte(without), overlay: replace} {
				if err := os.WriteFile(name, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("go", "test", "-count=1", "-v", "-vet=off", "-failfast", "-timeout=2m", "-overlay",
				overlay, "-run", g.tests, "./bot/worker")
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			said := byRule.FindString(string(out))
			switch {
			case err == nil:
				t.Error("nothing found it")
			case strings.Contains(string(out), "[build failed]"):
				t.Errorf("it cannot be built:\n%s", out)
			case strings.Contains(string(out), "--- FAIL: TestModel"):
				t.Log("found by the model")
			case said == "":
				t.Errorf("no rule found it, but %v failed", failed.FindAllStringSubmatch(string(out), -1))
			default:
				t.Logf("found: %s", said)
			}
		})
	}
}
