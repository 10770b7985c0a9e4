package sandbox_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/sandbox"
	"recallbot/bot/bottest"
)

var _ bottest.World = (*sandbox.Sandbox)(nil)

// timed keeps what is written, and when words in it were complete.
type timed struct {
	bytes.Buffer
	words string
	took  time.Duration
	began time.Time
}

func (w *timed) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if w.took == 0 && strings.Contains(w.String(), w.words) {
		w.took = time.Since(w.began)
	}
	return n, err
}

func played(flags ...string) (func(context.Context, io.Writer) error, error) {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	play := sandbox.Demo(set)
	return play, set.Parse(flags)
}

// TestDemo runs the demo as "recallbot demo --both" does: on loopback, in real time. It prints
// plain text as it happens, and leaves nothing behind.
func TestDemo(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	before := runtime.NumGoroutine()
	play, err := played("--both")
	if err != nil {
		t.Fatal(err)
	}
	out := timed{words: "[Approve] [Reject] [Show all]\n", began: time.Now()}
	if err := play(t.Context(), &out); err != nil {
		t.Fatalf("%v\nafter printing:\n%s", err, out.String())
	}
	want := []string{
		"Mina types: /recall", "someone else has to approve", "not found (10030)", "answer lost, verified",
		"Recall 12 messages in Lounge?\n", "All of it was checked",
	}
	for _, p := range adapters.IDs() {
		want = append(want, p.Traits().Name+", #trust")
	}
	for _, words := range want {
		if !strings.Contains(out.String(), words) {
			t.Errorf("the demo does not print %q", words)
		}
	}
	receipts := strings.Count(out.String(), "Receipt 1 for R-")
	if receipts != len(adapters.IDs()) || strings.Contains(out.String(), "Receipt 2") {
		t.Errorf("the demo has %d first receipts", receipts)
	}
	for _, mark := range []string{"\x1b", "`", "*", "<", "‹", "_", "(!)"} {
		if strings.Contains(out.String(), mark) {
			t.Errorf("the demo prints the mark %q", mark)
		}
	}
	// How soon, the check of the program says (.ci/practice): here a watched build may be slow.
	if all := time.Since(out.began); out.took == 0 || out.took > all/2 {
		t.Errorf("the first card is shown after %v of %v", out.took, all)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for end := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			break
		}
	}
}

// TestDemoCanceled: a demo that is interrupted ends at once, says so, and leaves nothing behind.
func TestDemoCanceled(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	all := adapters.IDs()
	first, last := all[0], all[len(all)-1]
	var flags []string
	if last != first {
		flags = append(flags, "--"+string(last))
	}
	play, err := played(flags...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := play(canceled(t), &out); err == nil {
		t.Error("an interrupted demo succeeded")
	}
	if name := first.Traits().Name; first != last && strings.Contains(out.String(), name) {
		t.Errorf("%s is played as well:\n%s", name, out.String())
	}
	if left, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestStaged: a stage direction that is unknown or wrong is an error, not a world that is not the
// one meant.
func TestStaged(t *testing.T) {
	for _, wrong := range [][2]string{{"aprovals", "2"}, {"approvals", "two"}, {"approve_within", "5"}, {"index", "on"},
		{"callbacks", "yes"}, {"card", "hidden"}, {"evidence_ttl", "1"}} {
		if _, err := sandbox.Staged([]string{string(adapters.IDs()[0])}, [][2]string{wrong}); err == nil {
			t.Errorf("stage %v is taken", wrong)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
