package practice

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"recallbot/adapters"
)

// opened is a practice ground with one scenario, and its site under a name of its own.
func opened(t *testing.T, scenario string) *site {
	t.Setenv("TMPDIR", t.TempDir())
	g := &ground{done: map[string]bool{}}
	if err := g.begin(scenario); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return &site{ground: g, hosts: []string{"127.0.0.1:1"}}
}

// request asks the site as a browser does, but for what change makes of it.
func (s *site) request(method, path string, f url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:1"+path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://127.0.0.1:1")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

// page is the page as it is now, without a script.
func (s *site) page() string { return s.request("GET", "/", nil, nil).Body.String() }

// post presses a button: the name and value that it sends, and other fields.
func (s *site) post(t *testing.T, pairs ...string) {
	t.Helper()
	f := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	if w := s.request("POST", "/do", f, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/" {
		t.Fatalf("%v is answered with %d %s", f, w.Code, w.Body)
	}
}

// waits waits until the page holds words.
func (s *site) waits(t *testing.T, words string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if p := s.page(); strings.Contains(p, words) {
			return p
		} else if time.Now().After(end) {
			t.Fatalf("%q is not in\n%s", words, p)
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// date is a date as a platform or bottest.Shown writes it.
var date = regexp.MustCompile(`\d{4}-\d\d-\d\d |[A-Z][a-z]{2} \d+, \d{4} `)

// reads is what somebody reads in a page.
func reads(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, ""))), "")
}

var (
	onMessage = regexp.MustCompile(`name="on" value="([^"]+)"`)
)

// TestPage plays a request through the page alone, as a browser without a script does, on each
// platform. At each step everything that the people of the fake see is in the page.
func TestPage(t *testing.T) {
	for _, on := range adapters.IDs() {
		t.Run(string(on), func(t *testing.T) {
			s := opened(t, "outage")
			s.post(t, "tab", string(on))
			facts := func() {
				t.Helper()
				s.mu.Lock()
				items, direct, window := s.channel()
				s.mu.Unlock()
				now := reads(date.ReplaceAllString(s.page(), ""))
				for _, it := range items {
					direct = append(append(direct, it.Shown), it.thread...)
				}
				if window != nil {
					direct = append(direct, *window)
				}
				if len(direct) == 0 {
					t.Error("nothing is shown")
				}
				for _, m := range direct {
					if m.Window { // it has values, which are no text
						continue
					}
					for line := range strings.Lines(m.Text) {
						line = strings.NewReplacer("‹", "", "›", "", "(!)", "", "·· ", "").Replace(s.people(line))
						line = date.ReplaceAllString(line, "")
						// A fake may draw the row of buttons as a line.
						line = strings.NewReplacer("[", "", "]", "").Replace(line)
						if !strings.Contains(now, strings.Join(strings.Fields(line), "")) {
							t.Errorf("%q is not in the page", line)
						}
					}
				}
			}
			s.post(t, "line", askTwo)
			p := s.waits(t, `value="Approve"`)
			facts()
			ids := onMessage.FindAllStringSubmatch(p, -1)
			card := ids[len(ids)-1][1]
			s.post(t, "on", card, "press", "Approve")
			if on == "slack" { // it asks first, and can be left
				s.waits(t, "cannot be undone")
				s.post(t, "on", card, "cancel", "Approve")
				if strings.Contains(s.page(), `name="confirm"`) {
					t.Error("the question is still asked")
				}
				s.post(t, "on", card, "press", "Approve")
				s.post(t, "on", card, "confirm", "Approve")
			}
			s.waits(t, "someone else has to approve")
			facts()
			s.post(t, "face", "theo")
			if p := s.page(); strings.Contains(p, "someone else has to approve") {
				t.Error("Theo sees what Mina alone was told")
			}
			s.post(t, "on", card, "press", "Approve")
			if on == "slack" {
				s.post(t, "on", card, "confirm", "Approve")
			} else {
				s.waits(t, `role="dialog"`)
				s.post(t, "on", windowOf(s), "close", "Cancel")
				if strings.Contains(s.page(), `role="dialog"`) {
					t.Error("the form is still open")
				}
				s.post(t, "on", card, "press", "Approve")
				s.post(t, "on", windowOf(s), "send", "Submit", "count", "2")
			}
			p = s.waits(t, "Receipt 1 for")
			if strings.Count(p, "Message recalled") != 2 {
				t.Errorf("the phone does not show two recalled messages:\n%s", p)
			}
			facts()
			id := string(s.now.newest().ID)
			w := s.request("GET", "/report/"+id, nil, nil)
			if w.Code != http.StatusOK || !strings.Contains(strings.ToLower(w.Body.String()), "theo") {
				t.Errorf("the report is %d %s", w.Code, w.Body)
			}
		})
	}
}

func windowOf(s *site) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, window := s.channel()
	if window == nil {
		return ""
	}
	return window.ID
}

// people writes names in place of ids, as people read them.
func (s *site) people(line string) string {
	line = strings.ReplaceAll(line, s.home().Leads(), "leads")
	for _, p := range people {
		line = strings.ReplaceAll(line, "@"+s.user(p.Name), "@"+p.Name)
	}
	return line
}

// TestGuard: who comes under another name, or from another page, is refused, and nothing is done.
func TestGuard(t *testing.T) {
	s := opened(t, "free")
	evil := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			if r.Header.Set(name, value); name == "Host" {
				r.Host = value
			}
		}
	}
	for name, change := range map[string]func(*http.Request){
		"another host": evil("Host", "evil.example"), "the host of another port": evil("Host", "127.0.0.1:2"),
		"another origin": evil("Origin", "http://evil.example"), "an opaque origin": evil("Origin", "null"),
		"no origin":      func(r *http.Request) { r.Header.Del("Origin") },
		"another port":   evil("Origin", "http://127.0.0.1:2"),
		"another scheme": evil("Origin", "https://127.0.0.1:1"),
	} {
		w := s.request("POST", "/do", url.Values{"face": {"gus"}}, change)
		if w.Code != http.StatusForbidden || s.face == "gus" {
			t.Errorf("%s: answered with %d, and the face is %s", name, w.Code, s.face)
		}
	}
	if w := s.request("GET", "/", nil, evil("Host", "evil.example")); w.Code != http.StatusForbidden {
		t.Errorf("the page is shown under another name: %d", w.Code)
	}
	if w := s.request("GET", "/do", nil, nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET /do is answered with %d", w.Code)
	}
}

// TestEscapes: what people wrote does not become markup, wherever the page shows it.
func TestEscapes(t *testing.T) {
	s := opened(t, "free")
	const evil = `"><script>alert(1)</script><img src=x onerror='x'>&amp;`
	s.post(t, "member", "1", "from", evil, "text", evil)
	s.post(t, "line", `/recall `+evil)
	s.post(t, "line", evil)
	s.post(t, "face", evil)
	s.post(t, "tab", evil)
	s.post(t, "tool", evil)
	s.post(t, "on", evil, "press", evil)
	s.mu.Lock()
	s.typed, s.note = evil, evil
	s.mu.Unlock()
	p := s.page()
	if strings.Contains(p, "<script>alert") || strings.Contains(p, "<img") {
		t.Errorf("it is markup in\n%s", p)
	}
	if n := strings.Count(p, "alert(1)"); n < 4 {
		t.Errorf("it is shown %d times in\n%s", n, p)
	}
	if r := reportPage(evil, evil); strings.Contains(r, "<script>") {
		t.Error(r)
	}
}

// TestState: a page that is loaded anew shows the scenario, face and platform that were chosen, and
// what was typed is gone once it is sent.
func TestState(t *testing.T) {
	s := opened(t, "scam")
	s.post(t, "scenario", "name")
	s.post(t, "face", "lena")
	all := adapters.IDs()
	last := string(all[len(all)-1])
	s.post(t, "tab", last)
	for _, words := range []string{`value="lena" aria-pressed="true"`, `value="` + last + `" aria-pressed="true"`,
		"<h2>A wrong group name</h2>", "/recall Lunge 104 105"} {
		if !strings.Contains(s.page(), words) {
			t.Errorf("%q is not in the page", words)
		}
	}
	s.post(t, "line", "/recalls whoami")
	if strings.Contains(s.page(), `value="/recalls whoami"`) {
		t.Error("the composer still holds what was sent")
	}
}

// TestServe: the practice ground prints its address, serves it on loopback alone, and leaves
// nothing when it is interrupted.
func TestServe(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	before := runtime.NumGoroutine()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80", "x"} {
		if err := serve(t.Context(), io.Discard, addr); err == nil || !strings.Contains(err.Error(), "--addr") {
			t.Errorf("--addr %s: %v", addr, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, w, "127.0.0.1:0") }()
	var said [256]byte
	n, err := r.Read(said[:])
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	address := regexp.MustCompile(`http://\S+`).FindString(string(said[:n]))
	client := &http.Client{Transport: &http.Transport{}}
	events, err := client.Get(address + "events")
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1<<20)
	if n, err := events.Body.Read(line); err != nil || !bytes.HasPrefix(line[:n], []byte("data: {")) {
		t.Errorf("the events begin with %.80q: %v", line[:n], err)
	}
	cancel() // with a browser still listening
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.Close()
	events.Body.Close()
	client.CloseIdleConnections()
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

func serve(ctx context.Context, out io.Writer, addr string) error {
	flags := flag.NewFlagSet("practice", flag.ContinueOnError)
	run := Serve(flags)
	if err := flags.Parse([]string{"--addr", addr}); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	return run(ctx, out)
}

// TestRefusalsLeadOn: a step that is done when somebody is refused something is done then.
func TestRefusalsLeadOn(t *testing.T) {
	s := opened(t, "name")
	s.post(t, "line", "/recall Lunge 104 105 reason:scam")
	s.waits(t, "press Use 1")
	s.post(t, "scenario", "scam")
	s.waits(t, "Your command is typed already")
	s.post(t, "line", askTwo)
	s.waits(t, "Approve it as Mina")
	s.post(t, "button", "1")
	s.waits(t, "whoever asked cannot approve")
}
