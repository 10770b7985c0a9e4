package upgrade

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
	"recallbot/recall/recalltest"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// landed is the last version that operators run. When the next one is landed, this becomes its
// commit. It must be after 9e56eb2: what came before does not notice a newer schema.
const landed = "10db5a1f4cf00383058beb68faa7623280e23d16"

var (
	long = flag.Bool("long", false, "upgrade with 200 kills")
	seed = flag.Uint64("seed", 0, "what is drawn; 0: something new, which is printed")
)

const (
	group = site.Group
	newer = "a newer version of the program serves it"
)

// TestMain builds both versions.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "recallbot-upgrade-")
	if err == nil {
		err = build(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

var (
	oldFile, newFile string
	migrates         bool // the new one has another schema
)

func build(dir string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	archive := exec.Command("git", "-C", root, "archive", "--format=tar", landed)
	var said bytes.Buffer
	archive.Stderr = &said
	text, err := archive.Output()
	if err != nil {
		return fmt.Errorf("the version of %s cannot be built: %w: %s\n"+
			"this needs the repository with its history; after a shallow clone: git fetch --unshallow", landed, err, &said)
	}
	old := filepath.Join(dir, "old")
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		name := filepath.Join(old, filepath.FromSlash(h.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, b, 0o600)); err != nil {
			return err
		}
	}
	oldFile, newFile = filepath.Join(dir, "old-recallbot"), filepath.Join(dir, "new-recallbot")
	for from, to := range map[string]string{old: oldFile, root: newFile} {
		cmd := exec.Command("go", "build", "-o", to, ".")
		cmd.Dir, cmd.Env = from, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	of := func(dir string) []string {
		all, _ := filepath.Glob(filepath.Join(dir, "bot/ledger/migrations/*.sql")) // the pattern is well formed
		return all
	}
	migrates = len(of(root)) != len(of(old))
	return nil
}

// world is a database, the replicas on it, and the people who use them.
type world struct {
	*site.Site
	t        *testing.T
	rng      *rand.Rand
	database string
	replicas []*replica
	requests []request
	kills    int
}

// replica is where one process runs after the other.
type replica struct {
	site.Process // what is kept is said by the one that was started last
	w            *world
	addr         string
}

// request is one recall that people asked for.
type request struct {
	first, last int
	approved    time.Time // before the first press; zero where nobody approves
	all         bool      // every message is recalled in the end; else it is stopped
}

func (q request) numbers() string { return fmt.Sprintf("%d-%d", q.first, q.last) }

func newWorld(t *testing.T, database string, replicas int, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, database: database, Site: site.New(t, site.Options{File: newFile,
		People: append(slices.Clone(site.Pair), bottest.Person{Name: "ola", Asks: true}),
		Env:    []string{"DATABASE_URL=" + database, "CHAT_READS_PER_SECOND=200", "CHAT_CALLS_PER_SECOND=40"}})}
	for range replicas {
		w.replicas = append(w.replicas, &replica{w: w, addr: site.FreeAddress(t)})
	}
	t.Cleanup(func() {
		for i, r := range w.replicas {
			r.Kill()
			if t.Failed() {
				t.Logf("the last process of replica %d said:\n%s", i+1, r.Said())
			}
		}
	})
	return w
}

func (r *replica) start(file string) {
	r.Forget()
	env := append(slices.Clone(r.w.Env), "HTTP_ADDR="+r.addr)
	if file == newFile {
		env = append(env, "POLICY_LARGE_DELAY=0s")
	}
	if err := r.Start(file, r.w.Dir, env); err != nil {
		r.w.t.Fatal(err)
	}
}

// serves starts a process and waits until it is ready.
func (r *replica) serves(file string) {
	r.w.t.Helper()
	r.start(file)
	r.w.until("a replica is ready", func() bool { status, _ := site.Ready(r.addr); return status == http.StatusOK })
}

// killed kills what runs at a moment that somebody drew.
func (r *replica) killed() {
	r.Kill()
	r.w.kills++
}

func (r *replica) stop() {
	r.w.t.Helper()
	r.Signal(syscall.SIGTERM)
	r.w.until("a replica stops", func() bool { return !r.Lives() })
}

// ends waits until the process, which cannot serve the schema, has ended by itself, and said why.
func (r *replica) ends() {
	t := r.w.t
	t.Helper()
	select {
	case <-r.Done():
	case <-time.After(20 * time.Second): // 10 s, on a busy machine
		t.Fatal("the old version goes on with a newer schema")
	}
	if code := r.Code(); code != 1 {
		t.Errorf("the old version ended with %d, want 1", code)
	}
	if !strings.Contains(r.Said(), newer) {
		t.Errorf("the log does not tell why the old version ended:\n%s", r.Said())
	}
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain: %s", what)
		}
	}
}

// does lets somebody do something until it is acknowledged.
func (w *world) does(what string, deed func() bottest.Deed) {
	w.t.Helper()
	w.until(what, func() bool {
		ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		d := deed()
		return d.Wait(ctx) == nil && d.Acked()
	})
}

// cards are those of a request, and of what was asked again since no answer came.
func (w *world) cards(q request) (all []site.Card) {
	numbers := regexp.MustCompile(`\b` + q.numbers() + `\b`)
	for _, c := range w.Cards() {
		if numbers.MatchString(c.Picture) {
			all = append(all, c)
		}
	}
	return all
}

func (w *world) some(q request, ok func(site.Card) bool) func() bool {
	return func() bool { return slices.ContainsFunc(w.cards(q), ok) }
}

// asks lets somebody ask for so many messages more.
func (w *world) asks(messages int) request {
	w.t.Helper()
	first := 1
	if n := len(w.requests); n > 0 {
		first = w.requests[n-1].last + 2 // two that touch could be asked for as one
	}
	w.Chat.SkipTo(group, "", recalltest.Seq(first))
	q := request{first: first, last: first + messages - 1}
	for range messages {
		w.Chat.Say(group, "", "alice", "win big")
	}
	who := []string{w.Mina, w.Home.User("ola")}[len(w.requests)%2] // five of one person may be open
	w.does(q.numbers()+" is asked",
		func() bottest.Deed { return w.Type(who, w.Trust, "/recall "+group+" "+q.numbers()) })
	w.requests = append(w.requests, q)
	return q
}

// proposed asks, and waits for the card to decide on.
func (w *world) proposed(messages int) request {
	w.t.Helper()
	q := w.asks(messages)
	w.awaits(q)
	return q
}

func (w *world) awaits(q request) {
	w.t.Helper()
	w.until("a card of "+q.numbers(), w.some(q, func(c site.Card) bool { return c.Approvable }))
	for seq := q.first; seq <= q.last; seq++ {
		if w.Chat.Recalled(group, "", recalltest.Seq(seq)) {
			w.t.Fatalf("%d was recalled before anybody approved", seq)
		}
	}
}

// approves presses Approve on the cards of a request until the press is acknowledged.
func (w *world) approves(q request, all bool) {
	w.t.Helper()
	i := slices.IndexFunc(w.requests, func(r request) bool { return r.first == q.first })
	w.requests[i].approved, w.requests[i].all = time.Now(), all
	for _, c := range w.cards(q) {
		if c.Approvable {
			w.does(q.numbers()+" is approved",
				func() bottest.Deed { return w.Press(w.Theo, c.Ref, "Approve") })
		}
	}
}

func (w *world) receipts(c site.Card) (all []string) {
	for _, m := range w.Thread(c.Ref) {
		if strings.Contains(m.Picture, "Receipt ") {
			all = append(all, m.Picture)
		}
	}
	return all
}

func (w *world) ended(q request) {
	w.t.Helper()
	w.until("the receipt of "+q.numbers(), func() bool {
		return slices.ContainsFunc(w.cards(q), func(c site.Card) bool { return len(w.receipts(c)) > 0 })
	})
}

// states counts requests in the database by state, and tells the version of its schema.
func (w *world) states() (map[bot.State]int, int) {
	w.t.Helper()
	driver, source := "pgx", w.database
	if file, ok := strings.CutPrefix(w.database, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+file+"?mode=ro"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT state, COUNT(*) FROM request GROUP BY state")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := map[bot.State]int{}
	for rows.Next() {
		var s string
		var n int
		if err := rows.Scan(&s, &n); err != nil {
			w.t.Fatal(err)
		}
		all[bot.State(s)] = n
	}
	var version int
	err = errors.Join(rows.Err(), db.QueryRow("SELECT MAX(version_id) FROM goose_db_version").Scan(&version))
	if err != nil {
		w.t.Fatal(err)
	}
	return all, version
}

// furnish leaves, with old versions serving, requests in every state that lasts, and some that wait
// for history, which cannot be read. It returns what is to be approved at the last moment.
func (w *world) furnish() (late request) {
	w.t.Helper()
	done, rejected, withdrawn, stopped := w.proposed(5), w.proposed(5), w.proposed(5), w.proposed(700)
	w.proposed(5) // stays proposed
	running, late := w.proposed(20), w.proposed(30)
	w.approves(done, true)
	w.does("the form to reject", func() bottest.Deed { return w.Press(w.Theo, w.cards(rejected)[0].Ref, "Reject") })
	w.until("a form", func() bool { _, open := w.Form(w.Theo); return open })
	w.does("a rejection", func() bottest.Deed {
		f, _ := w.Form(w.Theo)
		return w.Send(w.Theo, f, nil)
	})
	w.does("a withdrawal",
		func() bottest.Deed { return w.Type(w.Mina, w.Trust, "/recalls withdraw "+w.cards(withdrawn)[0].ID) })
	w.ended(done)
	w.approves(stopped, false)
	w.until("the first call", func() bool {
		return w.Chat.Recalled(group, "", recalltest.Seq(stopped.first))
	})
	w.Chat.Inject(recalltest.History, -1, recalltest.Answer(60008, "slow"))
	w.Chat.Inject(recalltest.Recall, 2, recalltest.ResetAfter()) // doubt that cannot be read
	calls := w.Chat.Calls(recalltest.Recall)
	w.until("lost answers", func() bool { return w.Chat.Calls(recalltest.Recall) > calls+2 })
	w.does("a stop",
		func() bottest.Deed { return w.Type(w.Theo, w.Trust, "/recalls stop "+w.cards(stopped)[0].ID) })
	w.Chat.Inject(recalltest.Recall, -1, recalltest.Answer(60008, "slow"))
	w.approves(running, true)
	w.asks(40)
	defer func() {
		if w.t.Failed() {
			w.t.Log(w.states())
		}
	}()
	w.until("requests in every state", func() bool {
		s, _ := w.states()
		return s[bot.Preparing] == 1 && s[bot.Running] == 1 && s[bot.Stopping] == 1 && s[bot.Rejected] == 1 &&
			s[bot.Withdrawn] == 1
	})
	return late
}

// settle lets history be read again, and people decide what is open.
func (w *world) settle() {
	w.t.Helper()
	w.Chat.ClearFaults()
	for _, q := range slices.Clone(w.requests) {
		c := w.cards(q)
		if q.approved.IsZero() && (len(c) == 0 || c[len(c)-1].Approvable) {
			w.awaits(q)
			w.approves(q, true)
		}
	}
	for _, q := range w.requests {
		if !q.approved.IsZero() {
			w.ended(q)
		}
	}
}

var (
	term = `([\d,]+) (recalled|already recalled|not found|refused|not sent|unknown)`
	// an older version writes every class, a newer one leaves out those that are zero
	sums  = regexp.MustCompile(`([\d,]+) messages were requested = (` + term + `(?: \+ ` + term + `)*)`)
	terms = regexp.MustCompile(term)
	flat  = strings.NewReplacer("│", " ", "\n", " ")
)

// holds checks what must be true in the end.
func (w *world) holds() {
	t := w.t
	t.Helper()
	t.Logf("%d kills", w.kills)
	for _, q := range w.requests {
		receipts, gone := map[string][]string{}, 0
		for _, c := range w.cards(q) {
			if r := w.receipts(c); len(r) > 0 {
				receipts[c.ID] = append(receipts[c.ID], r...)
			}
		}
		for seq := q.first; seq <= q.last; seq++ {
			if w.Chat.Recalled(group, "", recalltest.Seq(seq)) {
				gone++
			}
		}
		for _, c := range w.Chat.Log() {
			for _, seq := range c.Seqs {
				if c.Command == recalltest.Recall && q.first <= int(seq) && int(seq) <= q.last &&
					(q.approved.IsZero() || c.At.Before(q.approved)) {
					t.Errorf("a call for %d came before its approval", seq)
				}
			}
		}
		if q.approved.IsZero() {
			if gone > 0 || len(receipts) > 0 {
				t.Errorf("%s was never approved: %d are gone, %d receipts", q.numbers(), gone, len(receipts))
			}
			continue
		}
		if q.all && gone != q.last-q.first+1 || len(receipts) == 0 {
			t.Errorf("%s: %d are gone, %d receipts", q.numbers(), gone, len(receipts))
		}
		told := 0
		for id, same := range receipts {
			if len(slices.Compact(slices.Clone(same))) > 1 {
				t.Errorf("%s has receipts that differ: %q", id, same)
			}
			m := sums.FindStringSubmatch(strings.Join(strings.Fields(flat.Replace(same[0])), " "))
			if m == nil {
				t.Errorf("the receipt of %s does not add up: %s", id, same[0])
				continue
			}
			number := func(text string) int {
				n, _ := strconv.Atoi(strings.ReplaceAll(text, ",", "")) // digits by the pattern
				return n
			}
			of, sum := map[string]int{}, 0
			for _, t := range terms.FindAllStringSubmatch(m[2], -1) {
				of[t[2]] = number(t[1])
				sum += of[t[2]]
			}
			told += of["recalled"]
			if total := number(m[1]); total != q.last-q.first+1 || total != sum || of["not found"]+of["refused"] > 0 ||
				q.all && of["not sent"]+of["unknown"] > 0 {
				t.Errorf("the receipt of %s is not true: %s", id, m[0])
			}
		}
		if told != gone {
			t.Errorf("%s: %d are gone, %d are told as recalled", q.numbers(), gone, told)
		}
	}
	if n := w.Chat.RecalledMoreThanOnce(); len(n) > 0 {
		t.Errorf("recalled twice: %v", n)
	}
	l, err := ledger.Open(t.Context(), w.database, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := bot.VerifyAudit(t.Context(), l, ""); err != nil {
		t.Error(err)
	}
	approved := map[bot.RequestID]bool{}
	err = l.View(t.Context(), func(tx bot.Tx) error {
		for from := int64(1); ; {
			page, err := tx.Entries(from, 1000)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				if e.What == "approved" {
					approved[e.Request] = true
				} else if e.What == "api" && bytes.Contains(e.Detail, []byte(`"op":"group_msg_recall"`)) &&
					!approved[e.Request] {
					t.Errorf("entry %d: a call for %s without an approval", e.N, e.Request)
				}
			}
			from = page[len(page)-1].N + 1
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// rounds draws worlds until there were enough kills.
func rounds(t *testing.T, kills int, play func(t *testing.T, rng *rand.Rand) int) {
	from := cmp.Or(*seed, uint64(time.Now().UnixNano()))
	t.Logf("again: go test -run '^%s$' -seed %d", t.Name(), from)
	if *long {
		kills = 100 // as many on each database
	}
	for round := uint64(0); kills > 0; round++ {
		t.Run(strconv.FormatUint(round, 10), func(t *testing.T) {
			kills -= max(1, play(t, rand.New(rand.NewPCG(from, round))))
		})
		if t.Failed() {
			return
		}
	}
}

// TestPostgreSQL upgrades two replicas as the README says, one after the other, with requests in
// every state, while processes of both versions are killed and started again in any order. Where
// the schema changes the old ones end and say why, and are refused from then on.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	rounds(t, 4, func(t *testing.T, rng *rand.Rand) int {
		w := newWorld(t, ledgertest.Postgres(t), 2, rng)
		first, second := w.replicas[0], w.replicas[1]
		first.serves(oldFile)
		late := w.furnish()
		second.serves(oldFile)

		// The first one has the app's lease: what is approved now waits for it.
		first.killed()
		w.approves(late, true)
		w.until("the approval", func() bool { s, _ := w.states(); return s[bot.Approved] > 0 })
		states, before := w.states()
		t.Logf("at the upgrade: %v", states)
		for _, s := range []bot.State{bot.Preparing, bot.Proposed, bot.Approved, bot.Running, bot.Stopping, bot.Done,
			bot.Rejected, bot.Withdrawn} {
			if states[s] == 0 {
				t.Errorf("no request is %s", s)
			}
		}

		// The new one is killed while it starts and migrates; whether the old one may start again
		// in its place depends on how far it came.
		for range 1 + rng.IntN(4) {
			first.start(newFile)
			time.Sleep(time.Duration(rng.Int64N(int64(1500 * time.Millisecond))))
			first.killed()
			_, now := w.states()
			if rng.IntN(2) == 0 {
				first.start(oldFile)
				if now != before {
					first.ends()
				} else {
					time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
					first.killed()
				}
			}
		}
		first.serves(newFile)
		if migrates {
			second.ends()
			second.start(oldFile)
			second.ends()
		} else {
			w.settleSome()
			second.stop()
		}
		w.asks(25) // the new one alone serves
		second.serves(newFile)
		if rng.IntN(2) == 0 {
			w.replicas[rng.IntN(2)].killed()
		}
		for _, r := range w.replicas {
			if !r.Lives() {
				r.serves(newFile)
			}
		}
		w.settle()
		w.holds()
		return w.kills
	})
}

// settleSome lets a new request be done while both versions serve.
func (w *world) settleSome() {
	w.Chat.ClearFaults()
	q := w.proposed(35)
	w.approves(q, true)
	w.ended(q)
}

// TestSQLite upgrades one process as the README says: it is stopped, or killed, and the new one
// started in its place. The old one is refused from then on.
func TestSQLite(t *testing.T) {
	t.Parallel()
	rounds(t, 2, func(t *testing.T, rng *rand.Rand) int {
		w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "recallbot.db"), 1, rng)
		r := w.replicas[0]
		r.serves(oldFile)
		late := w.furnish()
		w.approves(late, true)
		if rng.IntN(2) == 0 {
			r.stop()
		} else {
			r.killed()
		}
		states, before := w.states()
		t.Logf("at the upgrade: %v", states)
		for range 1 + rng.IntN(4) {
			r.start(newFile)
			time.Sleep(time.Duration(rng.Int64N(int64(1500 * time.Millisecond))))
			r.killed()
			r.start(oldFile)
			if _, now := w.states(); now != before {
				r.ends()
			} else {
				time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
				r.killed()
			}
		}
		r.serves(newFile)
		w.settle()
		w.holds()
		return w.kills
	})
}

// TestNewFirst starts an old version beside a new one. It is refused, and nobody who uses the new
// one notices.
func TestNewFirst(t *testing.T) {
	t.Parallel()
	if !migrates {
		return // TestPostgreSQL has both serve together
	}
	w := newWorld(t, ledgertest.Postgres(t), 2, rand.New(rand.NewPCG(*seed, 0)))
	w.replicas[0].serves(newFile)
	q := w.proposed(400)
	w.approves(q, true)
	w.replicas[1].start(oldFile)
	w.replicas[1].ends()
	w.ended(q)
	w.holds()
	if !w.replicas[0].Lives() {
		t.Error("the new version ended")
	}
}
