// Package site is where tests run the program as its users do: the built binary, as a process of
// its own, over loopback, in real time, with platforms and a Chat service in memory and the people
// who use them.
package site

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"
)

// Group is the group that the people look after.
const Group = "@TGS#2J4SZEAEL"

// Built names a binary in the environment of tests that are not to build one.
const Built = "RECALLBOT"

// dir is the folder of the binary; "" until it is built.
var dir string

// Build builds the program once, and returns its file.
var Build = sync.OnceValues(func() (string, error) {
	if file := os.Getenv(Built); file != "" {
		return file, nil
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "recallbot").Output()
	if err != nil {
		return "", fmt.Errorf("look for the program: %w", err)
	}
	if dir, err = os.MkdirTemp("", "recallbot-binary-"); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "recallbot")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, ".")
	cmd.Dir, cmd.Env = strings.TrimSpace(string(root)), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return file, nil
})

// Clean removes what was built.
func Clean() {
	if dir != "" {
		os.RemoveAll(dir)
	}
}

// Options is what a Site is made of. The zero value has the first platform, and Pair.
type Options struct {
	File      string // the program; "": the one that is built
	Platforms []bot.Platform
	People    []bottest.Person
	HTTP      bool     // the platforms post what people do
	Env       []string // of the program, beside what the site gives it
}

// Site is a place for the program to run.
type Site struct {
	*Front // of the first platform
	Process
	T      testing.TB
	Fronts []*Front
	Chat   *recalltest.Service
	File   string
	Dir    string // where it runs
	Addr   string // where it listens
	Env    []string
	// Unplug puts the first platform out of reach.
	Unplug func()
}

// New makes a site, which ends with the test. The program is not started yet.
func New(t testing.TB, o Options) *Site {
	t.Helper()
	s := &Site{T: t, File: o.File, Dir: t.TempDir(), Addr: FreeAddress(t),
		Chat: recalltest.New(recalltest.Options{Latency: 20 * time.Millisecond, LatencyJitter: 60 * time.Millisecond})}
	if s.File == "" {
		var err error
		if s.File, err = Build(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Chat.Close)
	s.Chat.AddGroup(recalltest.Group{ID: Group, Type: "Public", Name: "Casino talk", Members: 2})
	url, stop := s.Chat.Start()
	t.Cleanup(stop)
	s.Env = []string{
		"HOME=" + s.Dir, "PATH=" + os.Getenv("PATH"), "CHAT_SDK_APP_ID=" + strconv.Itoa(int(s.Chat.SDKAppID())),
		"CHAT_SECRET_KEY=" + s.Chat.SecretKey(), "CHAT_BASE_URL=" + url, "POLICY_LARGE_APPROVALS=1",
		"HTTP_ADDR=" + s.Addr, "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=text",
	}
	if len(o.Platforms) == 0 {
		o.Platforms = adapters.IDs()[:1]
	}
	for _, p := range o.Platforms {
		f, err := NewFront(p, o.People...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Home.Close)
		f.Home.Lenient(0)
		unplug := sync.OnceFunc(f.Home.Start())
		t.Cleanup(unplug)
		if o.HTTP {
			f.Home.Post("http://" + s.Addr)
		}
		s.Fronts = append(s.Fronts, f)
		s.Env = append(s.Env, f.Env(o.HTTP)...)
		if s.Front == nil {
			s.Front, s.Unplug = f, unplug
		}
	}
	s.Env = append(s.Env, o.Env...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the process said:\n%s", s.Said())
		}
	})
	return s
}

// FreeAddress is an address that nobody listens on. It is none that the system gives out, since a
// process which is started again needs it again.
func FreeAddress(t testing.TB) string {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// Launch starts the program.
func (s *Site) Launch() {
	s.T.Helper()
	if err := s.Process.Start(s.File, s.Dir, s.Env); err != nil {
		s.T.Fatal(err)
	}
}

// Start starts the program and waits until it is ready.
func (s *Site) Start() {
	s.T.Helper()
	s.Launch()
	s.Until("ready", func() bool { return s.Ready() != "" })
}

// Ready is what /readyz says of a process that is ready, and "" of another.
func (s *Site) Ready() string {
	status, says := Ready(s.Addr)
	if status != http.StatusOK {
		return ""
	}
	return says
}

// Stop sends SIGTERM and returns how long the process took to end, and how.
func (s *Site) Stop() (time.Duration, error) {
	began := time.Now()
	s.Signal(syscall.SIGTERM)
	select {
	case <-s.Done():
		if code := s.Code(); code != 0 {
			return time.Since(began), fmt.Errorf("exit code %d", code)
		}
		return time.Since(began), nil
	case <-time.After(15 * time.Second):
		s.Kill()
		return time.Since(began), errors.New("it had to be killed")
	}
}

// Run runs the program to its end with another environment.
func (s *Site) Run(env []string, args ...string) (out string, code int) {
	s.T.Helper()
	cmd := exec.Command(s.File, args...)
	cmd.Dir, cmd.Env = s.Dir, append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	b, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(b), exit.ExitCode()
	}
	if err != nil {
		s.T.Fatal(err)
	}
	return string(b), 0
}

// Until waits for something, for at most two minutes: a replica that is killed again and again gets
// on slowly.
func (s *Site) Until(what string, ok func() bool) {
	s.T.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.T.Fatalf("waited too long for: %s", what)
		}
	}
}

// soon is for how long a person waits for the platform.
func (s *Site) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.T.Context(), 5*time.Second)
}

// Types types a command until the platform says that it was taken: a person whose command failed
// types it again.
func (s *Site) Types(user, line string) {
	s.T.Helper()
	s.Until(line+" taken", func() bool {
		ctx, cancel := s.soon()
		defer cancel()
		d := s.Type(user, s.Trust, line)
		return d.Wait(ctx) == nil && d.Acked()
	})
}

// Approve presses Approve on the newest card as soon as it has the button, again if the press was
// lost.
func (s *Site) Approve() {
	s.T.Helper()
	s.Until("approved", func() bool {
		cards := s.Cards()
		if len(cards) == 0 {
			return false
		}
		card := cards[len(cards)-1]
		if card.Approvable {
			ctx, cancel := s.soon()
			defer cancel()
			s.Approves(ctx, card)
			time.Sleep(50 * time.Millisecond)
			return false
		}
		return card.Approved()
	})
}

// Approvable reports whether the newest card has the button.
func (s *Site) Approvable() bool {
	cards := s.Cards()
	return len(cards) > 0 && cards[len(cards)-1].Approvable
}

// Say lets somebody write n messages into Group.
func (s *Site) Say(n int) {
	for i := range n {
		s.Chat.Say(Group, "", "alice", fmt.Sprintf("win big %d", i+1))
	}
}
