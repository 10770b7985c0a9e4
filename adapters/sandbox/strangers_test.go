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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/adapters/discord/discordtest"
	"recallbot/recall"
)

const callbackToken = "the-token-of-the-callbacks"

// openSite is a site whose events all come over HTTP.
func openSite(t testing.TB) (*site, *discordtest.Guild) {
	f, g := newDiscordFront(t)
	s := newSite(t)
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "SLACK_APP_TOKEN=") })
	s.env = append(s.env, f.env...)
	s.env = append(s.env, "SLACK_SIGNING_SECRET="+s.slack.SigningSecret, "DISCORD_PUBLIC_KEY="+g.PublicKey,
		"CHAT_WEBHOOK_TOKEN="+callbackToken)
	s.slack.RequestURL = "http://" + s.addr
	g.InteractionsURL = "http://" + s.addr + "/discord/interactions"
	return s, g
}

// callback posts one as the Chat service does, and returns the status of its answer.
func (s *site) callback() (int, error) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	query := url.Values{"SdkAppid": {strconv.Itoa(int(s.chat.SDKAppID()))}, "RequestTime": {now},
		"Sign": {recall.SignCallback(callbackToken, now)}}
	answer, err := http.Post("http://"+s.addr+"/chat/webhook?"+query.Encode(), "application/json",
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
// signatures are as long as real ones.
func hostile(i int) (header, body string) {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	slack := "POST /slack/interactions HTTP/1.1\r\nHost: x\r\nX-Slack-Request-Timestamp: " + now +
		"\r\nX-Slack-Signature: v0=" + strings.Repeat("0", 64) + "\r\n"
	discord := "POST /discord/interactions HTTP/1.1\r\nHost: x\r\nX-Signature-Timestamp: " + now +
		"\r\nX-Signature-Ed25519: " + strings.Repeat("0", 128) + "\r\n"
	switch i % 8 {
	case 0:
		return slack + "Content-Length: 1048576\r\n\r\n", large
	case 1:
		return discord + "Content-Length: 1048576\r\n\r\n", large
	case 2:
		return slack + "Content-Length: 800000\r\n\r\n", large // complete, and signed by somebody else
	case 3:
		return discord + "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", large
	case 4:
		return "POST /chat/webhook?SdkAppid=1&Sign=" + strings.Repeat("0", 64) + "&RequestTime=" + now +
			" HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n", large
	case 5:
		// a header without an end
		return "POST /slack/commands HTTP/1.1\r\n" + strings.Repeat("a:"+strings.Repeat("b", 110)+"\r\n", 99), ""
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
	for i := range strangers {
		go func() {
			for ; ; time.Sleep(time.Second) {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					continue
				}
				connections.Add(1)
				header, body := hostile(i)
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

// TestBinaryStrangers: while 2,000 hostile connections come again and again, what Slack, Discord
// and the Chat service send is acknowledged, a request is decided and runs, and the process is
// alive and ready.
func TestBinaryStrangers(t *testing.T) {
	s, g := openSite(t)
	// how soon is measured by the benchmark, on a quiet machine
	s.slack.AckWithin, g.AckWithin = time.Minute, time.Minute
	s.say(5)
	s.start()
	ctx := t.Context()
	connections, _ := besiege(t, s.addr)
	s.until("all have connected", func() bool { return connections.Load() >= strangers })
	for range 10 {
		d := s.slack.Command("UMINA", "CTRUST", "/recalls", "help")
		if err := d.Wait(ctx); err != nil || !d.Acked() {
			t.Errorf("a command in Slack: %v, %s", err, d.Failure())
		}
		if err := g.Command(guildMina, guildTrust, "recalls whoami").Wait(ctx); err != nil {
			t.Errorf("a command in Discord: %v", err)
		}
		if status, err := s.callback(); err != nil || status != http.StatusOK {
			t.Errorf("a callback: %d, %v", status, err)
		}
		if out, code := s.run(s.env, "health"); code != 0 {
			t.Errorf("health: %d %s", code, out)
		}
		if s.ready() == "" {
			t.Error("the process is not ready")
		}
	}
	s.types("UMINA", "/recall", floodGroup+" 1-5")
	s.approve()
	s.until("receipt", func() bool { return len(s.receipts()) > 0 })
	if n := len(s.chat.RecalledSeqs(floodGroup, "")); n != 5 {
		t.Errorf("%d messages were recalled, want 5", n)
	}
	s.until("many have come again", func() bool { return connections.Load() >= 2*strangers })
}

// TestBinaryPaths: what is not a known path is 404, however it is written.
func TestBinaryPaths(t *testing.T) {
	s, _ := openSite(t)
	s.start()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for request, want := range map[string]int{
		"POST /chat/webhook": 401, "GET /chat/webhook": 405, "POST /chat/": 404, "POST /chat": 404,
		"POST /chat/webhook/": 404, "POST /chat/webhook/x": 404,
		"POST /chat//webhook": 404, "POST /x/../chat/webhook": 404, "POST /CHAT/WEBHOOK": 404,
		"POST //chat/webhook":  404,
		"POST /slack/commands": 401, "POST /slack/interactions": 401, "POST /slack/": 404, "POST /slack": 404,
		"POST /slack/events":         404,
		"POST /discord/interactions": 401, "POST /discord/": 404, "POST /discord": 404, "POST /": 404, "GET /": 404,
		"GET /healthz/": 404, "GET /healthz": 200,
		"GET /readyz": 200, "GET /metrics": 404, "GET /debug/pprof/": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequest(method, "http://"+s.addr, strings.NewReader("{}"))
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
	if out, code := s.run([]string{"HTTP_ADDR=" + other.Listener.Addr().String()}, "health"); code != 1 ||
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
		s, _ := openSite(b)
		s.start()
		time.Sleep(time.Second)
		idle := s.resident("VmRSS")
		ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
		connections, end := besiege(b, s.addr)
		late, events, took := 0, 0, time.Duration(0)
		for ctx.Err() == nil {
			began := time.Now()
			d := s.slack.Command("UMINA", "CTRUST", "/recalls", "help")
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
		b.ReportMetric(s.resident("VmHWM")-idle, "more-MB")
		b.ReportMetric(float64(connections.Load()), "connections")
		b.ReportMetric(float64(events), "events")
		b.ReportMetric(float64(late), "late")
		s.kill()
	}
}
