package sandbox_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"recallbot/adapters"
	"recallbot/adapters/platform"
	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
	"recallbot/config"
	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/jackc/pgx/v5"
)

// Replicas in these tests are processes, so that they can be killed: this test program, run again
// with replicaName set, is a bot with short leases and short calls.
const (
	replicaName = "RECALLBOT_TEST_REPLICA"
	sentFile    = "RECALLBOT_TEST_SENT" // names the file in which a replica notes when it sent each recall
	killQuota   = 40                    // calls a second, where CHAT_CALLS_PER_SECOND does not say another
	killTTL     = time.Second
	notAllowed  = "the model does not allow what was committed"
)

// serveReplica is the main function of a replica.
func serveReplica() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("replica", os.Getenv(replicaName))
	fail := func(err error) int {
		log.Error("the replica ends", "err", err)
		return 1
	}
	ctx := context.Background()
	l, err := ledger.Open(ctx, os.Getenv("DATABASE_URL"), ledger.Options{Log: log})
	if err != nil {
		return fail(err)
	}
	c, err := config.Load(ctx, os.Environ(), adapters.Configurations())
	if err != nil {
		return fail(err)
	}
	quota := killQuota
	if s := os.Getenv("CHAT_CALLS_PER_SECOND"); s != "" {
		if quota, err = strconv.Atoi(s); err != nil {
			return fail(err)
		}
	}
	app := recall.SDKAppID(c.Chat.SDKAppID)
	sent, err := os.OpenFile(os.Getenv(sentFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fail(err)
	}
	client, err := recall.New(recall.Config{
		SDKAppID: app, SecretKey: c.Chat.SecretKey.Reveal(), BaseURL: c.Chat.BaseURL,
		CallsPerSecond: quota, ReadsPerSecond: 1000, Timeout: 400 * time.Millisecond,
		HTTPClient: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				var d net.Dialer
				c, err := d.DialContext(ctx, network, addr)
				return &notedConn{Conn: c, sent: sent}, err
			}}},
	})
	if err != nil {
		return fail(err)
	}
	trace := &ledgertest.Trace{Committed: func(_ int, wrong []string) {
		if len(wrong) > 0 {
			log.Error(notAllowed, "transitions", wrong)
		}
	}}
	policy := bot.DefaultPolicy()
	// with a delay most kills would come before the first call of a large request
	policy.LargeApprovals, policy.LargeDelay, policy.MaxMessages = 1, 0, 20_000
	policy.Crowds = c.Policy.Crowds
	b, err := bottest.NewEngine(bot.Options{
		App: app, Admin: "administrator", Ledger: trace.Watch(l), Chat: client, Policy: policy,
		CallsPerSecond: quota,
		Holder:         os.Getenv(replicaName) + " " + strconv.Itoa(os.Getpid()),
		LeaseTTL:       killTTL, Window: time.Second + recall.DefaultGuard, Log: log,
	})
	if err != nil {
		return fail(err)
	}
	failed := make(chan error, 2)
	for _, p := range adapters.Platforms {
		if c.Platforms[p.ID] == nil {
			continue
		}
		a, err := p.Open(platform.Wiring{Settings: c.Platforms[p.ID], Bot: b, Log: log})
		if err != nil {
			return fail(err)
		}
		b.Attach(a)
		go func() { failed <- a.Run(ctx) }()
	}
	go func() { failed <- b.Run(ctx) }()
	return fail(<-failed)
}

// notedConn is a connection to the Chat service on which a replica notes each recall, just before
// it leaves. When it arrives says less of who kept the quota: a busy machine delays one call more
// than another, and by more than the guard.
type notedConn struct {
	net.Conn
	sent *os.File
}

func (c *notedConn) Write(p []byte) (int, error) {
	if line, _, _ := bytes.Cut(p, []byte("\r\n")); bytes.Contains(line, []byte("/"+recalltest.Recall+"?")) {
		if _, err := fmt.Fprintln(c.sent, time.Now().UnixNano()); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// herd is replicas on one database at one site.
type herd struct {
	*site.Site
	database string
	replicas []*replica
	quota    int // calls a second
	late     int // calls that were past every check when their process was stopped

	phase atomic.Int32 // a phase
	steps atomic.Int32 // phases that have begun

	mu     sync.Mutex
	killed chan struct{} // closed and replaced at each kill
}

// replica is one process of a herd, again after each kill.
type replica struct {
	h    *herd
	name string
	site.Process
}

func newHerd(t *testing.T, p bot.Platform, database string, n int, env ...string) *herd {
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &herd{Site: site.New(t, site.Options{File: file, Platforms: []bot.Platform{p}, Env: env}), database: database,
		quota: killQuota, killed: make(chan struct{})}
	h.phase.Store(int32(phases))
	for i := range n {
		r := &replica{h: h, name: fmt.Sprint("replica-", i+1)}
		h.replicas = append(h.replicas, r)
		t.Cleanup(func() {
			if r.Kill(); t.Failed() {
				t.Logf("%s said:\n%s", r.name, r.Said())
			}
		})
		r.start()
	}
	return h
}

func (r *replica) start() {
	env := append(slices.Clone(r.h.Env), replicaName+"="+r.name, sentFile+"="+r.noted(),
		"DATABASE_URL="+r.h.database)
	if err := r.Start(r.h.File, r.h.Dir, env); err != nil {
		r.h.T.Fatal(err)
	}
}

// attempt lets somebody do something, and look up when the process is killed meanwhile: a person
// who gets no answer does it again.
func (h *herd) attempt(f func(ctx context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(h.T.Context(), 5*time.Second)
	defer cancel()
	h.mu.Lock()
	killed := h.killed
	h.mu.Unlock()
	done := make(chan bool, 1)
	go func() { done <- f(ctx) }()
	select {
	case ok := <-done:
		return ok
	case <-killed:
	}
	select { // what was on its way may still be taken, by another replica or by the answer that is on the wire
	case ok := <-done:
		return ok
	case <-time.After(200 * time.Millisecond):
		cancel()
		return <-done
	}
}

// kill kills a replica and tells the people who wait for it.
func (h *herd) kill(r *replica) {
	r.Kill()
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.killed)
	h.killed = make(chan struct{})
}

// request is one recall that people asked for in a herd's channel.
type request struct {
	first, last int
	approved    time.Time // before the first press
}

// recalls lets people ask for the messages first to last, approve, and wait for the receipt; what
// is lost they do again.
func (h *herd) recalls(first, last int) request {
	h.T.Helper()
	enter := func(p phase) {
		h.phase.Store(int32(p))
		h.steps.Add(1)
	}
	defer enter(phases)
	// Whoever asks again, since no answer came, may have two requests in the end: the first was
	// left by a process that was killed, is taken up ten seconds later, and finds the messages
	// being recalled or gone. So may the one who asked before.
	asked := regexp.MustCompile(fmt.Sprintf(`\b%d-%d\b`, first, last))
	some := func(ok func(c site.Card) bool) func() bool {
		return func() bool {
			return slices.ContainsFunc(h.Cards(),
				func(c site.Card) bool { return asked.MatchString(c.Picture) && ok(c) })
		}
	}
	approved := some(site.Card.Approved)
	for range last - first + 1 {
		h.Chat.Say(site.Group, "", "alice", "win big")
	}
	enter(asking)
	h.Until("request taken", func() bool {
		return h.attempt(func(ctx context.Context) bool {
			return h.Asks(ctx, site.Group, fmt.Sprintf("%d-%d", first, last))
		})
	})
	enter(preparing)
	h.Until("card to approve", some(func(c site.Card) bool { return c.Approvable }))
	for seq := first; seq <= last; seq++ {
		if h.Chat.Recalled(site.Group, "", recalltest.Seq(seq)) {
			h.T.Fatalf("%d was recalled before anybody approved", seq)
		}
	}
	q := request{first: first, last: last, approved: time.Now()}
	enter(deciding)
	h.Until("approved", func() bool {
		if approved() {
			return true
		}
		h.attempt(func(ctx context.Context) bool { h.ApprovesNewest(ctx); return true })
		time.Sleep(20 * time.Millisecond)
		return false
	})
	h.Until("first recall", func() bool { return h.Chat.Recalled(site.Group, "", recalltest.Seq(first)) })
	enter(running)
	h.Until("recalls", func() bool {
		for seq := first; seq <= last; seq++ {
			if !h.Chat.Recalled(site.Group, "", recalltest.Seq(seq)) {
				return false
			}
		}
		return true
	})
	enter(finishing)
	h.Until("receipt", func() bool {
		told := receiptIDs(h.Receipts())
		return some(func(c site.Card) bool { return slices.Contains(told, c.ID) })()
	})
	return q
}

var (
	receiptOf = regexp.MustCompile("Receipt (\\d+) for [`‹]?(R-[0-9A-HJKMNP-TV-Z]{6})")
	receiptOK = regexp.MustCompile(
		`([\d,]+) messages were requested = ([\d,]+) recalled`)
)

func receiptIDs(receipts []string) []string {
	var ids []string
	for _, r := range receipts {
		if m := receiptOf.FindStringSubmatch(r); m != nil {
			ids = append(ids, m[2])
		}
	}
	return ids
}

// holds checks what must be true after any number of kills, and returns how many of them left calls
// in doubt.
func (h *herd) holds(requests []request, kills int) (doubts int) {
	t := h.T
	t.Helper()
	// The thread of each request has its receipt; a second one is the same.
	texts, numbers := map[string]string{}, map[string]string{}
	copies := 0
	for _, text := range h.Receipts() {
		m := receiptOf.FindStringSubmatch(text)
		if m == nil {
			t.Errorf("a receipt without a number:\n%s", text)
			continue
		}
		id := m[2]
		if first, ok := texts[id]; ok {
			copies++
			if first != text {
				t.Errorf("two receipts of %s differ:\n%s\n%s", id, first, text)
			}
			continue
		}
		if other := numbers[m[1]]; other != "" {
			t.Errorf("%s and %s have receipt %s", other, id, m[1])
		}
		texts[id], numbers[m[1]] = text, id
		flat := site.Flat(text)
		if sum := receiptOK.FindStringSubmatch(flat); sum == nil || sum[1] != sum[2] {
			t.Errorf("the receipt of %s does not call every message recalled:\n%s", id, text)
		}
	}
	if len(texts) != len(requests) {
		t.Errorf("%d requests have a receipt, want %d", len(texts), len(requests))
	}
	shown := map[string]int{}
	for _, c := range h.Cards() {
		if shown[c.ID]++; shown[c.ID] > 1 {
			copies++
		}
	}
	if !h.mayCopy() && copies > 0 || copies > kills {
		t.Errorf("%d receipts or cards were posted twice, through %d kills", copies, kills)
	}
	// Every message was recalled, and none before its approval.
	for _, q := range requests {
		for seq := q.first; seq <= q.last; seq++ {
			if !h.Chat.Recalled(site.Group, "", recalltest.Seq(seq)) {
				t.Errorf("%d is not recalled", seq)
			}
		}
	}
	for _, c := range h.Chat.Log() {
		if c.Command != recalltest.Recall {
			continue
		}
		for _, seq := range c.Seqs {
			for _, q := range requests {
				if int(seq) >= q.first && int(seq) <= q.last && c.At.Before(q.approved) {
					t.Errorf("a call for %d came before its approval", seq)
				}
			}
		}
	}
	if slices.ContainsFunc(h.replicas, func(r *replica) bool { return strings.Contains(r.Said(), notAllowed) }) {
		t.Error(notAllowed)
	}
	// The quota is kept by when calls were sent, by all replicas together.
	var sent []time.Time
	for _, r := range h.replicas {
		sent = append(sent, r.sent()...)
	}
	if n := h.Chat.Calls(recalltest.Recall); len(sent) < n {
		t.Errorf("%d calls arrived; %d are noted as sent", n, len(sent))
	}
	most, arrived := recalltest.MostInAnySecond(sent), h.Chat.MostInAnySecond(recalltest.Recall)
	if most > h.quota+h.late {
		t.Errorf("%d calls sent in one second; the quota is %d", most, h.quota)
	}
	t.Logf("in one second at most %d of %d calls were sent, %d arrived; the quota is %d", most, len(sent), arrived,
		h.quota)
	// The audit log is whole, and has an approval before the first call.
	l, err := ledger.Open(t.Context(), h.database, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var v bot.Verifier
	approved := map[bot.RequestID]bool{}
	err = l.View(t.Context(), func(tx bot.Tx) error {
		for from := int64(1); ; {
			page, err := tx.Entries(from, 1000)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				if err := v.Next(e); err != nil {
					return err
				}
				switch e.What {
				case "approved":
					approved[e.Request] = true
				case "in doubt after a takeover":
					doubts++
				case "api":
					if isRecall(e) && !approved[e.Request] {
						return fmt.Errorf("entry %d: a call for %s without an approval", e.N, e.Request)
					}
				}
			}
			from = page[len(page)-1].N + 1
		}
	})
	if err := errors.Join(err, v.End()); err != nil {
		t.Errorf("audit: %v", err)
	}
	return doubts
}

// mayCopy reports whether a post may be made twice: some platforms have nothing by which one that
// was lost on the way could be told from one that arrived.
func (h *herd) mayCopy() bool {
	return slices.ContainsFunc(h.Home.Troubles(), func(t bottest.Trouble) bool { return t.Copies })
}

// isRecall reports whether an entry tells a call that recalls.
func isRecall(e bot.Entry) bool { return bytes.Contains(e.Detail, []byte(`"op":"group_msg_recall"`)) }

var (
	long = flag.Bool("long", false,
		"the long forms of the tests that kill and pause: 1,000 kills in each run of TestKilled, 30 s of pause in TestPaused")
	killPoints = flag.Int("kills", 0, "kills in each run of TestKilled; 0: 30, and 12 on all platforms but the first")
	killSeed   = flag.Uint64("killseed", 0, "seed of TestKilled and TestBinaryKilled; 0: a new one, which is printed")
)

// again tells the command that draws the same in this test again.
func again(t *testing.T, name string, seed uint64) {
	command := fmt.Sprintf("go test ./adapters/sandbox -run '^%s$' -%s %d", strings.ReplaceAll(t.Name(), "/", "$/^"),
		name, seed)
	if *long {
		command += " -long -timeout 6h"
	}
	if *killPoints > 0 {
		command += fmt.Sprint(" -kills ", *killPoints)
	}
	t.Log("again: ", command)
}

// TestKilled kills processes with SIGKILL at moments of requests' lives that are drawn, while
// people ask and approve, and starts them again; some are killed again within a second of the
// start, up to five times. Whatever the moment: no request is lost, no call is made without an
// approval, every message gets one outcome, the receipts add up, the quota is kept. The long form
// has about 1,000 of either kind in each run:
//
//	go test ./adapters/sandbox -run TestKilled -long -timeout 6h
func TestKilled(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	sqlite := func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/kill.db" }
	postgres := func(t *testing.T) string { return ledgertest.Postgres(t) }
	var runs sync.WaitGroup
	defer runs.Wait()
	room := make(chan struct{}, 3) // they mostly wait, but more at once keep a small machine from getting on
	type run struct {
		name     string
		platform bot.Platform
		database func(t *testing.T) string
		replicas int
		points   int
	}
	var all []run
	for i, p := range adapters.IDs() {
		if i > 0 { // the ledger is the same
			all = append(all, run{string(p) + ", SQLite", p, sqlite, 1, 12},
				run{string(p) + ", PostgreSQL, two replicas", p, postgres, 2, 12})
			continue
		}
		all = append(all, run{string(p) + ", SQLite", p, sqlite, 1, 30},
			run{string(p) + ", PostgreSQL", p, postgres, 1, 30},
			run{string(p) + ", PostgreSQL, two replicas", p, postgres, 2, 30})
	}
	for n, run := range all {
		points := run.points
		if *long {
			points = 1000
		}
		points = cmp.Or(*killPoints, points)
		runs.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			t.Run(run.name, func(t *testing.T) {
				killedOften(t, points, seed, uint64(n),
					func() *herd { return newHerd(t, run.platform, run.database(t), run.replicas) })
			})
		})
	}
}

// killedOften goes through points kills, in as many herds as it takes, and tells how many there
// were in each phase.
func killedOften(t *testing.T, points int, seed, n uint64, herd func() *herd) {
	again(t, "killseed", seed)
	var hit [phases + 1]int
	for left, round := points, uint64(0); left > 0; left, round = left-killsAtMost, round+1 {
		killed(t, herd(), min(left, killsAtMost), rand.New(rand.NewPCG(seed, n<<32+round)), &hit)
	}
	for p, n := range hit {
		t.Logf("%d kills while %v", n, phase(p))
		if n == 0 && points >= 200 && phase(p) < phases {
			t.Errorf("of %d kills none came while %v: this shows too little", points, phase(p))
		}
	}
}

// killPatience is for how long a kill waits for its phase, at first.
const killPatience = 3 * time.Second

// killsAtMost is how many kills one herd goes through: a new one begins with an empty database and
// an empty channel.
const killsAtMost = 30

// killed lets people recall messages while replicas are killed and started again, points times, and
// counts in which phase.
func killed(t *testing.T, h *herd, points int, rng *rand.Rand, hit *[phases + 1]int) {
	kills, again := 0, 0
	over, giveUp := make(chan struct{}), make(chan struct{})
	moments := rand.New(rand.NewPCG(rng.Uint64(), 0)) // people and kills draw apart, so that the seed decides on each
	go func() {
		defer close(over)
		var aims []int
		patience, seen := killPatience, h.steps.Load()
		for kills < points {
			if len(aims) == 0 {
				aims = moments.Perm(int(phases))
			}
			aim := phase(aims[0])
			aims = aims[1:]
			// A phase that does not come is no reason to let anything live for long, but where
			// nothing gets on at all the machine needs longer than that for a start.
			for began := time.Now(); phase(h.phase.Load()) != aim && time.Since(began) < patience; {
				select {
				case <-time.After(time.Millisecond):
				case <-giveUp:
					return
				}
			}
			time.Sleep(time.Duration(moments.Int64N(int64(aim.lingers()))))
			if now := h.steps.Load(); now != seen {
				patience, seen = killPatience, now
			} else {
				patience = min(2*patience, 8*killPatience)
			}
			hit[h.phase.Load()]++
			r := h.replicas[moments.IntN(len(h.replicas))]
			h.kill(r)
			kills++
			if len(h.replicas) > 1 {
				time.Sleep(time.Duration(moments.Int64N(int64(killTTL))))
			}
			r.start()
			// Some are killed again, up to five times, while they start and take up what was left.
			for more := max(0, moments.IntN(15)-9); more > 0; more-- {
				time.Sleep(time.Duration(moments.Int64N(int64(time.Second))))
				h.kill(r)
				again++
				r.start()
			}
			time.Sleep(time.Duration(moments.Int64N(int64(300 * time.Millisecond))))
		}
	}()
	defer func() {
		close(giveUp)
		<-over
		for _, r := range h.replicas {
			r.Kill()
		}
	}()
	var requests []request
	for next, last := 1, false; !last; {
		select {
		case <-over:
			last = true // one more, in peace
		default:
		}
		n := 40 + rng.IntN(260)
		if rng.IntN(8) == 0 { // some are large enough to be sealed and begun in parts
			n += 1200
		}
		requests = append(requests, h.recalls(next, next+n-1))
		next += n
	}
	doubts := h.holds(requests, kills+again)
	t.Logf("%d requests, %d kills and %d more within a second of a start, of which %d left calls in doubt; "+
		"%d messages recalled twice", len(requests), kills, again, doubts, len(h.Chat.RecalledMoreThanOnce()))
}

// TestPaused stops the process that runs a request for three times its lease (SIGSTOP), or for 30 s
// with -long, and lets it go on. It finds the lease taken, writes nothing, and calls no more.
func TestPaused(t *testing.T) {
	pause, quota := 3*killTTL, killQuota
	if *long {
		pause, quota = 30*time.Second, 5 // so that a request of a fair size runs for so long
	}
	h := newHerd(t, adapters.IDs()[0], ledgertest.Postgres(t), 2, fmt.Sprint("CHAT_CALLS_PER_SECOND=", quota))
	h.quota = quota
	messages := 10 * quota * int((pause + 3*time.Second).Seconds()) // for longer than the pause
	for range messages {
		h.Chat.Say(site.Group, "", "alice", "win big")
	}
	h.Types(h.Mina, fmt.Sprintf("/recall %s 1-%d", site.Group, messages))
	h.Approve()
	h.Until("calls", func() bool { return h.Chat.Calls(recalltest.Recall) > 20 })
	paused := h.holder()
	paused.Signal(syscall.SIGSTOP)
	other := h.replicas[0]
	if other == paused {
		other = h.replicas[1]
	}
	began := time.Now()
	h.Until("calls of the other", func() bool { return len(other.sent()) > 0 })
	if took := time.Since(began); took > killTTL+2*time.Second {
		t.Logf("taken over after %v: it was stopped within a transaction", took)
	}
	time.Sleep(max(0, pause-time.Since(began)))
	if n := len(h.Receipts()); n > 0 {
		t.Fatal("the request is done already: this showed nothing")
	}
	paused.Signal(syscall.SIGCONT)
	woken := time.Now()
	h.Until("receipt", func() bool { return len(h.Receipts()) > 0 })
	var late []time.Duration
	for _, at := range paused.sent() {
		// Later ones are under a lease that it took anew, after the other could not keep it, and a
		// window after that.
		if after := at.Sub(woken); after > 0 && after < time.Second {
			late = append(late, after)
		}
	}
	// One call may have been past every check when the process was stopped.
	if len(late) > 1 || len(late) == 1 && late[0] > 100*time.Millisecond {
		t.Errorf("the process that was paused called %v after it went on", late)
	}
	h.late = len(late)
	h.holds([]request{{first: 1, last: messages}}, 1)
}

// noted is the file in which it notes when it sent each recall.
func (r *replica) noted() string { return filepath.Join(r.h.Dir, r.name+".sent") }

// sent tells when it sent each recall, through all its lives.
func (r *replica) sent() []time.Time {
	r.h.T.Helper()
	b, err := os.ReadFile(r.noted())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.h.T.Fatal(err)
	}
	var all []time.Time
	for line := range strings.Lines(string(b)) {
		ns, err := strconv.ParseInt(strings.TrimSuffix(line, "\n"), 10, 64)
		if err != nil {
			r.h.T.Fatal(err)
		}
		all = append(all, time.Unix(0, ns))
	}
	return all
}

// holder is the replica that has the app's lease, by the database.
func (h *herd) holder() *replica {
	h.T.Helper()
	conn, err := pgx.Connect(h.T.Context(), h.database)
	if err != nil {
		h.T.Fatal(err)
	}
	defer conn.Close(h.T.Context())
	var name string
	if err := conn.QueryRow(h.T.Context(), "SELECT holder FROM lease WHERE name LIKE 'app/%'").Scan(&name); err != nil {
		h.T.Fatal(err)
	}
	for _, r := range h.replicas {
		if strings.HasPrefix(name, r.name+" ") {
			return r
		}
	}
	h.T.Fatalf("%q holds the lease", name)
	return nil
}

// phase is where in its life the newest request of a herd is.
type phase int

const (
	asking    phase = iota
	preparing       // and posting the card, which has its buttons at once
	deciding
	running
	finishing
	phases
)

func (p phase) String() string {
	return [...]string{"asking", "preparing", "deciding", "running", "finishing",
		"between requests"}[p]
}

// lingers is how much later than its beginning a kill may come that is meant for the phase.
func (p phase) lingers() time.Duration {
	return [...]time.Duration{8 * time.Millisecond, 50 * time.Millisecond, 60 * time.Millisecond,
		250 * time.Millisecond, 60 * time.Millisecond}[p]
}
