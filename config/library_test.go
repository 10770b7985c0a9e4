package config

import (
	"bufio"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// withholding sends what libraries print to a log, until the test ends.
func withholding(t *testing.T) *lines {
	t.Helper()
	logger, flags, out := slog.Default(), log.Flags(), log.Writer()
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetFlags(flags)
		log.SetOutput(out)
	})
	l := &lines{more: make(chan struct{}, 1)}
	WithholdLibraries(slog.New(slog.NewTextHandler(l, nil)))
	return l
}

// TestContentBesideAnAnswer: a service, or whoever stands before it, sends more than the answer it
// was asked for. net/http prints what it reads on the idle connection; the log has that it did.
func TestContentBesideAnAnswer(t *testing.T) {
	l := withholding(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		<-l.more // the body was read, as the test says
		io.WriteString(c, `{"Text":"my home address"}`)
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	l.more <- struct{}{}
	for l.String() == "" {
		<-l.more
	}
	if got := l.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, "by=net/http.") ||
		!strings.Contains(got, "lines=1") || strings.Contains(got, "home") {
		t.Errorf("the log has %q", got)
	}
}

// TestLibrariesArePassedOnWithoutWords: however a library prints.
func TestLibrariesArePassedOnWithoutWords(t *testing.T) {
	for name, print := range map[string]func(*slog.Logger){
		"log.Printf":       func(*slog.Logger) { log.Printf("said %q", "secret") },
		"log.Print":        func(*slog.Logger) { log.Print("secret") },
		"a default logger": func(*slog.Logger) { log.Default().Println("secret") },
		"slog":             func(*slog.Logger) { slog.Warn("secret", "what", "secret") },
		"slog with words": func(
			*slog.Logger) {
			slog.With("what", "secret").WithGroup("secret").Error("x", "secret", "secret")
		},
		"a server": func(
			to *slog.Logger) {
			slog.NewLogLogger(NewWithheld(to), slog.LevelInfo).Print("secret")
		},
	} {
		l := withholding(t)
		print(slog.New(slog.NewTextHandler(l, nil)))
		got := l.String()
		if strings.Contains(got, "secret") || strings.Count(got, "\n") != 1 ||
			!strings.Contains(got, "by=recallbot/config.TestLibraries") {
			t.Errorf("%s: the log has %q", name, got)
		}
	}
}

// TestLibrariesAreToldOfOnceAMinute: a library that prints without end does not fill the log, and
// each place in the code is told of by itself.
func TestLibrariesAreToldOfOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{more: make(chan struct{}, 1)}
		h := slog.New(NewWithheld(slog.New(slog.NewTextHandler(l, nil))))
		for range 1000 {
			h.Info("x")
		}
		h.Info("from another place, in the same function")
		other := func() { h.Info("from another function") }
		other()
		time.Sleep(toldEvery)
		h.Info("x")
		h.Debug("below what is logged")
		var told []string
		for _, line := range strings.Split(strings.TrimSpace(l.String()), "\n") {
			told = append(told, line[strings.LastIndex(line, " ")+1:])
		}
		if got := strings.Join(told, " "); got != "lines=1 lines=1 lines=1001" {
			t.Errorf("%s\n%s", got, l)
		}
		if h.Enabled(context.Background(), slog.LevelDebug) {
			t.Error("what the log leaves out is taken in")
		}
	})
}
