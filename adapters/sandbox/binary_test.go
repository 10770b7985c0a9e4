package sandbox_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// These tests run the program as a user does: the built binary, as a process of its own, over
// loopback, in real time.

func TestMain(m *testing.M) {
	if os.Getenv(replicaName) != "" {
		os.Exit(serveReplica())
	}
	if addr := os.Getenv(besieged); addr != "" {
		beStrangers(addr)
	}
	code := m.Run()
	site.Clean()
	os.Exit(code)
}

// newSite is a site for the built program on the first platform.
func newSite(t testing.TB, env ...string) *site.Site {
	t.Helper()
	return site.New(t, site.Options{Env: env})
}

// TestBinaryKilled kills the process with SIGKILL at random moments of a request's life and starts
// it again: nothing is lost, nothing is sent that was not approved, and the receipt adds up.
func TestBinaryKilled(t *testing.T) {
	const points, messages = 6, 300
	seed := cmp.Or(*killSeed, uint64(time.Now().UnixNano()))
	again(t, "killseed", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	// with the delay of a large request every kill would come before its first call
	// The quota holds as long as delays vary by less than the guard. On a busy machine they vary.
	s := newSite(t, "CHAT_CALLS_PER_SECOND=20", "CHAT_READS_PER_SECOND=200", "POLICY_LARGE_DELAY=0s",
		"CHAT_WINDOW_GUARD=200ms")
	s.Say(messages)
	s.Start()
	s.Types(s.Mina, fmt.Sprintf("/recall %s 1-%d", site.Group, messages))
	kills := 0
	killSoon := func(within time.Duration) {
		time.Sleep(time.Duration(rng.Int64N(int64(within))))
		s.Kill()
		kills++
		s.Start()
	}
	killSoon(300 * time.Millisecond) // preparing, posting
	if n := s.Chat.Calls(recalltest.Recall); n > 0 {
		t.Fatalf("%d recalls were called without an approval", n)
	}
	s.Approve()
	for kills < points && len(s.Receipts()) == 0 {
		killSoon(1200 * time.Millisecond) // running, finishing
	}
	s.Until("receipt", func() bool { return len(s.Receipts()) > 0 })
	if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != messages {
		t.Errorf("%d messages were recalled, want %d", n, messages)
	}
	receipts := s.Receipts()
	if len(receipts) > 1+kills {
		t.Errorf("%d receipts after %d kills", len(receipts), kills)
	}
	for _, r := range receipts {
		text := site.Flat(r)
		if !strings.Contains(text, "300 messages were requested = 300 recalled Of 300 recalled:") {
			t.Errorf("the receipt does not say that all are recalled:\n%s", r)
		}
		if r != receipts[0] {
			t.Errorf("two receipts differ:\n%s\n%s", receipts[0], r)
		}
	}
	if n := s.Chat.MostInAnySecond(recalltest.Recall); n > 20 {
		t.Errorf("%d calls in one second, through %d kills; the quota was 20", n, kills)
	}
	if took, err := s.Stop(); err != nil || took > 10*time.Second {
		t.Errorf("SIGTERM: ended after %v: %v", took, err)
	}
}

// TestBinaryStops sends SIGTERM while a request runs: the process ends within 10 s, gives its lease
// up, and the next one goes on.
func TestBinaryStops(t *testing.T) {
	s := newSite(t, "CHAT_CALLS_PER_SECOND=20")
	s.Say(200)
	s.Start()
	s.Types(s.Mina, "/recall "+site.Group+" 1-200")
	s.Approve()
	s.Until("some recalled", func() bool { return len(s.Chat.RecalledSeqs(site.Group, "")) > 20 })
	s.Signal(syscall.SIGHUP) // as a terminal that closes, or a service manager that reloads
	s.Until("SIGHUP is ignored", func() bool { return strings.Contains(s.Said(), "SIGHUP is ignored") })
	if !s.Lives() {
		t.Fatal("SIGHUP ended the process")
	}
	if took, err := s.Stop(); err != nil || took > 10*time.Second {
		t.Fatalf("SIGTERM: ended after %v: %v", took, err)
	}
	if n := s.Chat.Calls(recalltest.Recall); n >= 20 {
		t.Fatalf("all %d calls were made before the stop: it showed nothing", n)
	}
	s.Start()
	s.Until("receipt", func() bool { return len(s.Receipts()) > 0 })
	if n := len(s.Chat.RecalledMoreThanOnce()); n > 0 {
		t.Errorf("%d messages were recalled twice after an ordered stop", n)
	}
	if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != 200 {
		t.Errorf("%d messages were recalled, want 200", n)
	}
}

// TestCommandLine: exit codes, and what is told to whoever starts the program wrongly.
func TestCommandLine(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		want []string
	}{
		{"no configuration", nil, nil, 2, []string{"CHAT_SDK_APP_ID", "CHAT_SECRET_KEY", "CHAT_REGION",
			string(adapters.Platforms[0].Variables[0].Name)}},
		{"help", nil, []string{"--help"}, 0, []string{"demo", "Exit codes"}},
		{"unknown command", nil, []string{"recall"}, 2, []string{"unknown command", "See: recallbot --help"}},
		{"version", nil, []string{"version"}, 0, []string{"go1"}},
		{"health of nobody", []string{"HTTP_ADDR=" + s.Addr}, []string{"health"}, 1, nil},
		{"audit of no ledger", nil, []string{"audit", "verify"}, 1, []string{"recallbot.db"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, code := s.Run(test.env, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d:\n%s", code, test.code, out)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not said:\n%s", want, out)
				}
			}
		})
	}
	for _, p := range adapters.IDs() {
		t.Run("manifest "+string(p), func(t *testing.T) {
			// What it prints is held beside the platform; some of them must be told more.
			if out, code := s.Run(nil, "manifest", string(p)); code != 0 && code != 2 || out == "" {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
	if out, code := s.Run(s.Env, "check"); code != 0 || !strings.Contains(out, "there is none yet") ||
		!strings.Contains(out, "ok   chat") {
		t.Errorf("check before the first start: %d\n%s", code, out)
	}
	if out, code := s.Run(append(s.Env, "TMPDIR=/nonexistent", "SQLITE_TMPDIR=/nonexistent"), "check"); code != 0 ||
		!strings.Contains(out, "ok   chat") {
		t.Errorf("check without a folder for temporary files: %d\n%s", code, out)
	}
	if out, code := s.Run(append(s.Env, "CHAT_SECRET_KEY=wrong"), "check"); code != 1 ||
		!strings.Contains(out, "BAD  chat") {
		t.Errorf("check with a wrong key: %d\n%s", code, out)
	}
	s.Start()
	if out, code := s.Run(s.Env, "health"); code != 0 {
		t.Errorf("health of a serving process: %d\n%s", code, out)
	}
	s.Say(3)
	s.Types(s.Mina, "/recall "+site.Group+" 1-3")
	s.Approve()
	s.Until("receipt", func() bool { return len(s.Receipts()) > 0 })
	if out, code := s.Run(s.Env, "audit", "verify"); code != 0 || !strings.Contains(out, "the chain holds") {
		t.Errorf("audit verify beside a serving process: %d\n%s", code, out)
	}
	if out, code := s.Run(s.Env, "audit", "export"); code != 0 || !strings.Contains(out, `"what":"approved"`) ||
		strings.Contains(out, "win big") {
		t.Errorf("audit export: %d\n%s", code, out)
	}
	out, _ := s.Run(s.Env, "audit", "export", "--what", "approved")
	_, theo, _ := strings.Cut(out, `"actor":"`)
	theo, _, _ = strings.Cut(theo, `"`)
	if out, code := s.Run(s.Env, "audit", "export", "--csv", "--person", theo, "--what", "approved"); code != 0 ||
		strings.Count(out, "\n") != 2 {
		t.Errorf("audit export of what Theo approved: %d\n%s", code, out)
	}
	if out, code := s.Run(s.Env, "audit", "export", "--from", "yesterday"); code != 2 {
		t.Errorf("audit export with a time that is none: %d\n%s", code, out)
	}
	if out, code := s.Run(s.Env, "backup", "copy.db"); code != 0 {
		t.Errorf("backup beside a serving process: %d\n%s", code, out)
	}
	if out, code := s.Run(append(s.Env, "DATABASE_URL=sqlite:copy.db"), "audit", "verify"); code != 0 {
		t.Errorf("audit verify of the copy: %d\n%s", code, out)
	}
	second := append(s.Env, "HTTP_ADDR=127.0.0.1:0")
	if out, code := s.Run(second); code != 1 || !strings.Contains(out, "in use") {
		t.Errorf("a second process on the same file: %d\n%s", code, out)
	}
}

// BenchmarkBinary measures the process when it has nothing to do: megabytes resident after a
// second, milliseconds from start to ready, megabytes on disk.
func BenchmarkBinary(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("memory is read from /proc")
	}
	for b.Loop() {
		s := newSite(b)
		began := time.Now()
		s.Start()
		ready := time.Since(began)
		time.Sleep(time.Second)
		idle := resident(s, "VmRSS")
		info, err := os.Stat(s.File)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(idle, "idle-MB")
		b.ReportMetric(float64(ready.Milliseconds()), "ready-ms")
		b.ReportMetric(float64(info.Size())/1e6, "binary-MB")
		s.Kill()
	}
}

// resident is a line of the process's status, in megabytes: VmRSS is what it has in memory now,
// VmHWM the most that it ever had.
func resident(s *site.Site, line string) float64 {
	s.T.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		s.T.Fatal(err)
	}
	m := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		s.T.Fatalf("%s is not in the status of a process", line)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		s.T.Fatal(err)
	}
	return float64(kb) / 1000
}

// BenchmarkBinaryFlood recalls 100,000 messages with the built binary, from the command in Slack to
// the receipt. x-limit is the time from the first call to the last over the time that the quota
// allows for that many; peak-MB is the most memory that the process ever had resident, its code
// included.
func BenchmarkBinaryFlood(b *testing.B) {
	onEachDatabase(b, func(b *testing.B, database string) {
		s := newFloodSite(b, database)
		s.Say(floodMessages)
		s.Start()
		idle := resident(s, "VmRSS")
		seals(b, s)
		recalls(b, s)
		var at []time.Time
		for _, c := range s.Chat.Log() {
			if c.Command == recalltest.Recall {
				at = append(at, c.At)
			}
		}
		slices.SortFunc(at, time.Time.Compare)
		took := at[len(at)-1].Sub(at[0])
		b.ReportMetric(took.Seconds()/(float64(len(at)-1)/200), "x-limit")
		b.ReportMetric(float64(s.Chat.MostInAnySecond(recalltest.Recall)), "most-calls/s")
		b.ReportMetric(idle, "idle-MB")
		b.ReportMetric(resident(s, "VmHWM"), "peak-MB")
		s.Kill()
	})
}

// BenchmarkBinaryLongMessages is BenchmarkBinaryFlood with messages of 9 kB that are kept in full.
// It approves a day after they were read, so that each is read again before it is sent. seal-MB and
// run-MB are the most memory that the process had resident until it had sealed them, and a second
// process after that; each is to stay under 100 MB.
func BenchmarkBinaryLongMessages(b *testing.B) {
	onEachDatabase(b, func(b *testing.B, database string) {
		s := newFloodSite(b, database, "EVIDENCE=full")
		long := recalltest.Made(func(seq recalltest.Seq) string {
			return strings.Repeat(fmt.Sprintf("win big %d ", seq), 9000/14)
		})
		for range floodMessages {
			s.Chat.Say(site.Group, "", "alice", "", long)
		}
		s.Start()
		seals(b, s)
		b.ReportMetric(resident(s, "VmHWM"), "seal-MB")
		if _, err := s.Stop(); err != nil {
			b.Fatal(err)
		}
		readEarlier(b, database, 24*time.Hour)
		read := s.Chat.Calls(recalltest.History)
		s.Start()
		recalls(b, s)
		b.ReportMetric(resident(s, "VmHWM"), "run-MB")
		if n := s.Chat.Calls(recalltest.History) - read; n < floodMessages/recall.MaxRecallSeqs {
			b.Fatalf("%d pages were read again", n)
		}
		s.Kill()
	})
}

const floodMessages = 100_000

// onEachDatabase runs a benchmark of the binary on both databases.
func onEachDatabase(b *testing.B, run func(b *testing.B, database string)) {
	if runtime.GOOS != "linux" {
		b.Skip("memory is read from /proc")
	}
	b.Run("SQLite", func(b *testing.B) {
		for b.Loop() {
			run(b, "sqlite:"+filepath.Join(b.TempDir(), "recallbot.db"))
		}
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		for b.Loop() {
			run(b, ledgertest.Postgres(b))
		}
	})
}

func newFloodSite(b *testing.B, database string, env ...string) *site.Site {
	s := newSite(b, append(env, "POLICY_MAX_MESSAGES="+strconv.Itoa(floodMessages), "CHAT_READS_PER_SECOND=200",
		"DATABASE_URL="+database)...)
	s.Chat.Change(
		func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
	return s
}

// seals asks for the flood and waits until it can be decided.
func seals(b *testing.B, s *site.Site) {
	s.Types(s.Mina, fmt.Sprintf("/recall %s 1-%d", site.Group, floodMessages))
	within(b, 5*time.Minute, s.Approvable)
}

// recalls approves the flood and waits for the receipt.
func recalls(b *testing.B, s *site.Site) {
	s.Approve()
	within(b, 5*time.Minute, func() bool { return len(s.Receipts()) > 0 })
	if n := len(s.Chat.RecalledSeqs(site.Group, "")); n != floodMessages {
		b.Fatalf("%d messages were recalled, want %d", n, floodMessages)
	}
}

// readEarlier makes what was sealed read so much earlier, while no process serves the database.
func readEarlier(b *testing.B, database string, earlier time.Duration) {
	driver, source := "pgx", database
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	day := func(back time.Duration) string { return `"read":"` + time.Now().UTC().Add(-back).Format(time.DateOnly) }
	for _, query := range []string{
		`UPDATE message SET seal = replace(seal, $1, $2)`, `UPDATE request SET body = replace(body, $1, $2)`,
	} {
		if _, err := db.Exec(query, day(0), day(earlier)); err != nil {
			b.Fatal(err)
		}
	}
}

func within(b *testing.B, d time.Duration, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(d); !ok(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("it took longer than %v", d)
		}
	}
}
