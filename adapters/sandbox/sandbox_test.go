package sandbox_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"recallbot/adapters/sandbox"
	"recallbot/bot/bottest"
)

var _ bottest.World = (*sandbox.Sandbox)(nil)

// TestDemo runs the demo as "recallbot demo" does: on loopback, in real time. It leaves nothing
// behind.
func TestDemo(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	before := runtime.NumGoroutine()
	var out bytes.Buffer
	if err := sandbox.Demo(t.Context(), &out); err != nil {
		t.Fatalf("%v\nafter printing:\n%s", err, out.String())
	}
	for _, words := range []string{
		"Mina types: /recall", "someone else has to approve", "not found (10030)", "answer lost, verified",
		"Receipt 1 for", "Receipt 2 for", "All of it was checked",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("the demo does not print %q", words)
		}
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
	ctx := canceled(t)
	if err := sandbox.Demo(ctx, &bytes.Buffer{}); err == nil {
		t.Error("an interrupted demo succeeded")
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
		if _, err := sandbox.Staged([]string{"slack"}, [][2]string{wrong}); err == nil {
			t.Errorf("stage %v is taken", wrong)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
