package manifests

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script is the program of another language that README.md shows, which recomputes the chain of an
// export.
func script(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "<!-- chain -->\n```python\n")
	text, _, ok2 := strings.Cut(rest, "```\n<!-- /chain -->")
	if !ok || !ok2 || strings.Count(text, "\n") > 30 {
		t.Fatal("README.md has no such script, or one of more than 30 lines")
	}
	return text
}

// TestChain: the script agrees with the program about a log that the program wrote, and finds a
// change of each field.
func TestChain(t *testing.T) {
	dir := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "CHAT_SDK_APP_ID=1", "CHAT_SECRET_KEY=key",
		"CHAT_BASE_URL=http://127.0.0.1:1", "SLACK_BOT_TOKEN=xoxb-1", "SLACK_APP_TOKEN=xapp-1",
		"SLACK_API_URL=http://127.0.0.1:1/api/", "SLACK_CHANNELS=any", "SLACK_REQUESTERS=U1", "SLACK_APPROVERS=S1",
		"HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "POLICY_GROUPS=a<b>&c*"}
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program(t), args...)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	var export []byte
	for range 3 { // each start writes an entry
		before := bytes.Count(export, []byte("\n"))
		cmd := run()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); bytes.Count(export, []byte("\n")) == before; {
			time.Sleep(50 * time.Millisecond)
			if time.Now().After(end) {
				t.Fatal("no entry was written")
			}
			export, _ = run("audit", "export").Output()
		}
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	text := script(t)
	check := func(log string) (string, error) {
		python := exec.Command("python3", "-c", text)
		python.Stdin = strings.NewReader(log)
		out, err := python.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	head, err := check(string(export))
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, head, export)
	}
	verified, err := run("audit", "verify").Output()
	if err != nil || !strings.Contains(string(verified), " "+head) {
		t.Errorf("the script finds the head %s, the program says %s (%v)", head, verified, err)
	}
	for _, change := range []struct{ from, to string }{
		{`"n":2`, `"n":3`}, {`"what":"started"`, `"what":"resumed"`}, {`"actor":"bot"`, `"actor":"bat"`},
		{`"at":"2`, `"at":"1`}, {`"process":"2`, `"process":"1`}, {`"policy":`, `"policies":`},
		{`"prev":"`, `"prev":"0`}, {`"hash":"`, `"hash":"0`},
	} {
		log := strings.Replace(string(export), change.from, change.to, 1)
		if said, err := check(log); err == nil || log == string(export) || !strings.Contains(said, "does not hold") {
			t.Errorf("%s: %s, %v", change.to, said, err)
		}
	}
}
