package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot/bottest"
	"recallbot/recall"
)

const callbackToken = "the-token-of-the-callbacks"

// openSite is a site on every platform, whose events all come over HTTP.
func openSite(t testing.TB) *site.Site {
	return site.New(t, site.Options{Platforms: adapters.IDs(), HTTP: true, Env: []string{
		"CHAT_WEBHOOK_TOKEN=" + callbackToken}})
}

// callback posts one as the Chat service does, and returns the status of its answer.
func callback(s *site.Site) (int, error) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	query := url.Values{"SdkAppid": {strconv.Itoa(int(s.Chat.SDKAppID()))}, "RequestTime": {now},
		"Sign": {recall.SignCallback(callbackToken, now)}}
	answer, err := http.Post("http://"+s.Addr+"/chat/webhook?"+query.Encode(), "application/json",
		strings.NewReader(
			`{"CallbackCommand":"Group.CallbackAfterRecallMsg","GroupId":"@TGS#1","Operator_Account":"a","MsgSeqList":[{"MsgSeq":7}]}`))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, nil
}

// large is the body that strangers send: under 1 MiB, as what they announce.
var large = strings.Repeat("a=b&", 200_000)

// hostile is what strangers send and then leave as it is, as large as they can make it. Their
// signatures are as long as real ones. posts are what is posted to each platform, up to the end of
// its header.
func hostile(posts []string, i int) (header, body string) {
	post := posts[i/8%len(posts)]
	switch i % 8 {
	case 0, 1:
		return post + "Content-Length: 1048576\r\n\r\n", large
	case 2:
		return post + "Content-Length: 800000\r\n\r\n", large // complete, and signed by somebody else
	case 3:
		return post + "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", large
	case 4:
		return "POST /chat/webhook?SdkAppid=1&Sign=" + strings.Repeat("0", 64) + "&RequestTime=" +
			strconv.FormatInt(time.Now().Unix(), 10) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n", large
	case 5:
		// a header without an end
		return post + strings.Repeat("a:"+strings.Repeat("b", 110)+"\r\n", 99), ""
	case 6:
		return "GET /readyz HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("c:\n", 3000), ""
	}
	return "", ""
}

// besieged is where a process of this test program, which is started with it, sends strangers: they
// are not to slow down those who measure.
const besieged = "RECALLBOT_TEST_BESIEGED"

const strangers = 2000

// beStrangers does the worst to a server until the process is killed. Each stranger connects, sends
// what is hostile, stays for as long as it may, and comes again a second later. The number of
// connections so far is a line on standard output, ten times a second.
func beStrangers(addr string) {
	var connections atomic.Int64
	var homes []bottest.Home
	for _, p := range adapters.Platforms {
		home, err := p.NewHome(nil, "")
		if err != nil {
			panic(err)
		}
		homes = append(homes, home)
	}
	for i := range strangers {
		go func() {
			for ; ; time.Sleep(time.Second) {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					continue
				}
				connections.Add(1)
				var posts []string
				for _, home := range homes {
					posts = append(posts, home.Strange()...)
				}
				header, body := hostile(posts, i)
				if _, err := io.WriteString(c, header); err == nil {
					io.WriteString(c, body)
				}
				io.Copy(io.Discard, c) // until the server closes it
				c.Close()
			}
		}()
	}
	for {
		fmt.Println(connections.Load())
		time.Sleep(100 * time.Millisecond)
	}
}

// besiege starts them, and returns how many connections there were so far, and how to end it.
func besiege(t testing.TB, addr string) (connections *atomic.Int64, end func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), besieged+"="+addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				connections.Store(n)
			}
		}
	}()
	end = sync.OnceFunc(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	t.Cleanup(end)
	return connections, end
}

// TestBinaryStrangers: while 2,000 hostile connections come again and again, what the platforms
// and the Chat service send is acknowledged, a request is decided and runs, and the process is
// alive and ready.
func TestBinaryStrangers(t *testing.T) {
	s := openSite(t)
	for _, f := range s.Fronts { // how soon is measured by the benchmark, on a quiet machine
		f.Home.Lenient(time.Minute)
	}
	s.Say(5)
	s.Start()
	ctx := t.Context()
	connections, _ := besiege(t, s.Addr)
	s.Until("all have connected", func() bool { return connections.Load() >= strangers })
	for range 10 {
		for _, f := range s.Fronts {
			d := f.Type(f.Mina, f.Trust, "/recalls whoami")
			if err := d.Wait(ctx); err != nil || !d.Acked() {
				t.Errorf("a command on %s: %v, %s", f.Platform.ID, err, d.Problem())
			}
		}
		if status, err := callback(s); err != nil || status != http.StatusOK {
			t.Errorf("a callback: %d, %v", status, err)
		}
		if out, code := s.Run(s.Env, "health"); code != 0 {
			t.Errorf("health: %d %s", code, out)
		}
		if s.Ready() == "" {
			t.Error("the process is not ready")
		}
	}
	s.Types(s.Mina, "/recall "+site.Group+" 1-5")
	s.Approve()
	s.Until("receipt", func() bool { return len(s.Receipts()) > 0 })
	if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != 5 {
		t.Errorf("%d messages were recalled, want 5", n)
	}
	s.Until("many have come again", func() bool { return connections.Load() >= 2*strangers })
}

// TestBinaryPaths: what is not a known path is 404, however it is written.
func TestBinaryPaths(t *testing.T) {
	s := openSite(t)
	s.Start()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	paths := map[string]int{
		"POST /chat/webhook": 401, "GET /chat/webhook": 405, "POST /chat/": 404, "POST /chat": 404,
		"POST /chat/webhook/": 404, "POST /chat/webhook/x": 404,
		"POST /chat//webhook": 404, "POST /x/../chat/webhook": 404, "POST /CHAT/WEBHOOK": 404,
		"POST //chat/webhook": 404, "POST /": 404, "GET /": 404, "GET /healthz/": 404, "GET /healthz": 200,
		"GET /readyz": 200, "GET /metrics": 404, "GET /debug/pprof/": 404,
	}
	for _, p := range adapters.Platforms {
		for _, path := range p.Paths {
			paths["POST "+path] = 401
			for _, other := range []string{path + "/", path + "/x", "/" + path, strings.ToUpper(path)} {
				paths["POST "+other] = 404
			}
			paths["POST /"+strings.Split(path, "/")[1]] = 404
		}
	}
	for request, want := range paths {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequest(method, "http://"+s.Addr, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path = path
		answer, err := client.Do(r)
		if err != nil {
			t.Errorf("%s: %v", request, err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", request, answer.StatusCode, want)
		}
	}
}

// TestBinaryHealthRedirect: a program at the address that redirects is not this one, and not
// healthy.
func TestBinaryHealthRedirect(t *testing.T) {
	s := newSite(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			http.Redirect(w, r, "/login", http.StatusFound)
		}
	}))
	defer other.Close()
	if out, code := s.Run([]string{"HTTP_ADDR=" + other.Listener.Addr().String()}, "health"); code != 1 ||
		!strings.Contains(out, "302") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// BenchmarkBinaryStrangers measures what 2,000 hostile connections, which come again and again for
// 20 s, cost the built binary: more-MB is the most memory that it ever had resident, over what it
// had before; the limit is 64. late is how many of the signed events that came meanwhile were not
// acknowledged within 3 s.
func BenchmarkBinaryStrangers(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("memory is read from /proc")
	}
	for b.Loop() {
		s := openSite(b)
		s.Start()
		time.Sleep(time.Second)
		idle := resident(s, "VmRSS")
		ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
		connections, end := besiege(b, s.Addr)
		late, events, took := 0, 0, time.Duration(0)
		for ctx.Err() == nil {
			began := time.Now()
			d := s.Type(s.Mina, s.Trust, "/recalls whoami")
			if d.Wait(ctx); ctx.Err() == nil {
				events++
				took += time.Since(began)
				if !d.Acked() {
					late++
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
		end()
		b.ReportMetric(float64(took.Milliseconds())/float64(max(events, 1)), "ms/event")
		b.ReportMetric(idle, "idle-MB")
		b.ReportMetric(resident(s, "VmHWM")-idle, "more-MB")
		b.ReportMetric(float64(connections.Load()), "connections")
		b.ReportMetric(float64(events), "events")
		b.ReportMetric(float64(late), "late")
		s.Kill()
	}
}
