package power

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/adapters/sandbox/site"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/ledger"
	"recallbot/recall/recalltest"
)

var (
	long = flag.Bool("long", false, "cut the power 1,000 times in TestPower, and 200 times in TestBackup")
	seed = flag.Uint64("seed", 0, "what is drawn; 0: something new, which is printed")
)

const group = site.Group

// build builds the program, with lines of files replaced.
func build(t *testing.T, replaced map[string][2]string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := ""
	for name, change := range replaced {
		name = filepath.Join(root, name)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(change[0])); n != 1 {
			t.Fatalf("%q is %d times in %s", change[0], n, name)
		}
		planted := filepath.Join(dir, strconv.Itoa(len(overlay))+".go")
		text = bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if err := os.WriteFile(planted, text, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay += fmt.Sprintf(",%q:%q", name, planted)
	}
	file, of := filepath.Join(dir, "recallbot"), filepath.Join(dir, "overlay.json")
	text := `{"Replace":{` + strings.TrimPrefix(overlay, ",") + `}}`
	if err := os.WriteFile(of, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", of, "-o", file, ".")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// world is the program on a disk whose power is cut, and the people who use it.
type world struct {
	*site.Site
	t        *testing.T
	rng      *rand.Rand
	disk     *disk
	unmount  func() error
	requests []request
	told     []string // whose receipt was posted
	mu       sync.Mutex
	problems []string
	patient  time.Duration // within which everything comes that must come
}

// request is one recall that people asked for.
type request struct {
	first, last int
	approved    time.Time // before the first press
}

func newWorld(t *testing.T, file string, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, disk: newDisk(rng), patient: time.Minute, Site: site.New(t, site.Options{File: file,
		Env: []string{"CHAT_READS_PER_SECOND=200", "CHAT_CALLS_PER_SECOND=100", "POLICY_LARGE_DELAY=0s"}})}
	w.Env = append(w.Env, "DATABASE_URL=sqlite:"+w.Dir+"/recallbot.db")
	w.Chat.Change(func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 5*time.Millisecond, 20*time.Millisecond })
	t.Cleanup(func() {
		w.Kill()
		w.remove()
	})
	return w
}

// start brings the power, which is cut at a moment, and starts the process.
func (w *world) start(cutAt moment) {
	w.disk.cutAt = cutAt
	// The kill only begins here: the process cannot hear of a sync that was not made.
	w.disk.cut = func() { w.Signal(os.Kill) }
	var err error
	if w.unmount, err = w.disk.mount(w.Dir); err != nil {
		w.t.Fatal(err)
	}
	// It does not begin in a folder of the disk: this process serves the disk, and would wait for
	// itself.
	if err := w.Process.Start(w.File, "", w.Env); err != nil {
		w.t.Fatal(err)
	}
}

// remove takes the disk away, as soon as the kernel has ended what the process had open there.
func (w *world) remove() {
	if w.unmount == nil {
		return
	}
	for end := time.Now().Add(20 * time.Second); ; {
		err := w.unmount()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			w.t.Fatal(err)
		}
	}
	w.unmount = nil
}

// wrong notes something that must not be.
func (w *world) wrong(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, a...))
}

// found returns what is wrong so far.
func (w *world) found() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.problems)
}

// live lets the process run until the power is cut, and leaves on the disk what it keeps by the
// rule. It reports false where the power was not cut before over.
func (w *world) live(cutAt moment, r rule, over <-chan struct{}) bool {
	w.start(cutAt)
	select {
	case <-w.Done():
	case <-over:
		return false
	}
	w.disk.mu.Lock()
	cut := w.disk.off
	w.disk.mu.Unlock()
	if !cut {
		w.wrong("the process ended by itself")
		return false
	}
	w.remove()
	w.disk.restore(r)
	w.t.Logf("cut at %v, %v", cutAt, r)
	if err := w.intact(); err != nil {
		w.wrong("cut at %v, %v: %v", cutAt, r, err)
	}
	return true
}

// read writes the files of the disk to a folder, and returns the path of the database.
func (w *world) read() (string, error) {
	dir := w.t.TempDir()
	for name, data := range w.disk.contents() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "recallbot.db"), nil
}

// intact checks the database as it is on the disk.
func (w *world) intact() error {
	path, err := w.read()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return nil // nothing was flushed, so nothing was promised
	}
	return check(path)
}

func check(path string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	var says string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&says); err != nil {
		return err
	}
	if says != "ok" {
		return errors.New("integrity_check: " + says)
	}
	return nil
}

// until waits for something that must come.
func (w *world) until(what string, ok func() bool) bool {
	for end := time.Now().Add(w.patient); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.wrong("in vain: %s", what)
			return false
		}
	}
	return true
}

// took lets somebody do something, and reports whether it was acknowledged. Nobody waits for a
// process that has ended.
func (w *world) took(d bottest.Deed) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	done := w.Done()
	go func() {
		select {
		case <-done:
			time.Sleep(100 * time.Millisecond) // what is on the wire arrives
			cancel()
		case <-ctx.Done():
		}
	}()
	return d.Wait(ctx) == nil && d.Acked()
}

// cards are those of a request.
func (w *world) cards(numbers string) (all []site.Card) {
	for _, c := range w.Cards() {
		if strings.Contains(c.Picture, "messages "+numbers+" ") {
			all = append(all, c)
		}
	}
	return all
}

func (w *world) some(numbers string, ok func(site.Card) bool) func() bool {
	return func() bool { return slices.ContainsFunc(w.cards(numbers), ok) }
}

// recall lets people ask for messages and approve, until the receipt is there. What was
// acknowledged they do once.
func (w *world) recall(first, last int) bool {
	numbers := fmt.Sprintf("%d-%d", first, last)
	for range last - first + 1 {
		w.Chat.Say(group, "", "alice", "win big")
	}
	taken := func() bool { return w.took(w.Type(w.Mina, w.Trust, "/recall "+group+" "+numbers)) }
	if !w.until(numbers+" is asked", taken) {
		return false
	}
	// a card that is edited later has the numbers from its first edit on
	if !w.until("a card of "+numbers+", whose asking was acknowledged",
		w.some(numbers, func(c site.Card) bool { return c.Approvable })) {
		return false
	}
	for seq := first; seq <= last; seq++ {
		if w.Chat.Recalled(group, "", recalltest.Seq(seq)) {
			w.wrong("%d was recalled before anybody approved", seq)
		}
	}
	q := request{first, last, time.Now()}
	approved := w.some(numbers, func(c site.Card) bool { return c.Approved() })
	for !approved() {
		for _, c := range w.cards(numbers) {
			if !c.Approvable {
				continue
			}
			told := len(w.Alone(w.Theo))
			answered := func() bool { return approved() || len(w.Alone(w.Theo)) > told }
			if w.took(w.Press(w.Theo, c.Ref, "Approve")) &&
				!w.until("the approval of "+numbers+", which was acknowledged", answered) {
				return false
			}
			break
		}
		if len(w.found()) > 0 {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	ok := w.until("the receipt of "+numbers, func() bool {
		return slices.ContainsFunc(w.cards(numbers), func(c site.Card) bool { return len(w.receipts(c)) > 0 })
	})
	w.requests = append(w.requests, q)
	return ok
}

func (w *world) receipts(c site.Card) (all []string) {
	for _, m := range w.Thread(c.Ref) {
		if strings.Contains(m.Picture, "Receipt ") {
			all = append(all, m.Picture)
		}
	}
	return all
}

var (
	sums = regexp.MustCompile(`([\d,]+) messages were requested = ([\d,]+) recalled`)
	flat = strings.NewReplacer("│", " ", "\n", " ")
)

// holds checks what must be true in the end.
func (w *world) holds() {
	for _, q := range w.requests {
		numbers, receipts := fmt.Sprintf("%d-%d", q.first, q.last), map[string][]string{}
		for _, c := range w.cards(numbers) {
			if r := w.receipts(c); len(r) > 0 {
				receipts[c.ID] = append(receipts[c.ID], r...)
			}
		}
		for id, same := range receipts {
			if len(slices.Compact(slices.Clone(same))) > 1 {
				w.wrong("%s has receipts that differ: %q", id, same)
			}
			text := strings.Join(strings.Fields(flat.Replace(same[0])), " ")
			if m := sums.FindStringSubmatch(text); m == nil || m[1] != m[2] ||
				strings.ReplaceAll(m[1], ",", "") != strconv.Itoa(q.last-q.first+1) {
				w.wrong("the receipt of %s does not say that all of %s are recalled: %s", id, numbers, text)
			}
		}
		w.told = slices.AppendSeq(w.told, maps.Keys(receipts))
		if len(receipts) != 1 {
			w.wrong("%s: %d requests have a receipt", numbers, len(receipts))
		}
		for _, c := range w.Chat.Log() {
			for _, seq := range c.Seqs {
				ours := c.Command == recalltest.Recall && q.first <= int(seq) && int(seq) <= q.last
				if ours && c.At.Before(q.approved) {
					w.wrong("a call for %d came before its approval", seq)
				}
			}
		}
		for seq := q.first; seq <= q.last; seq++ {
			if !w.Chat.Recalled(group, "", recalltest.Seq(seq)) {
				w.wrong("%d is not recalled", seq)
			}
		}
	}
	path, err := w.read()
	if err == nil {
		err = check(path)
	}
	if err != nil {
		w.wrong("at the end: %v", err)
		return
	}
	l, err := ledger.Open(context.Background(), "sqlite:"+path, ledger.Options{ReadOnly: true})
	if err != nil {
		w.wrong("at the end: %v", err)
		return
	}
	defer l.Close()
	if _, err := bot.VerifyAudit(context.Background(), l, ""); err != nil {
		w.wrong("at the end: %v", err)
	}
	approved := map[bot.RequestID]bool{}
	err = l.View(context.Background(), func(tx bot.Tx) error {
		for _, id := range w.told {
			if r, err := tx.Request(bot.RequestID(id)); err != nil || r.State != bot.Done {
				w.wrong("%s has a receipt and is %q in the ledger: %v", id, r.State, err)
			}
		}
		for from := int64(1); ; {
			page, err := tx.Entries(from, 1000)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, e := range page {
				switch e.What {
				case "approved":
					approved[e.Request] = true
				case "api":
					if bytes.Contains(e.Detail, []byte(`"op":"group_msg_recall"`)) && !approved[e.Request] {
						w.wrong("entry %d: a call for %s without an approval", e.N, e.Request)
					}
				case "restored":
					w.wrong("entry %d: a cut of the power was taken for an older copy of the ledger", e.N)
				}
			}
			from = page[len(page)-1].N + 1
		}
	})
	if err != nil {
		w.wrong("at the end: %v", err)
	}
}

// cut is one cut of the power.
type cut struct {
	at moment
	by rule
}

// draw returns the cuts at each sync by each rule, in an order that is drawn, with as many at
// moments between syncs. A start and the life of a small request take fewer syncs than that.
func draw(rng *rand.Rand) []cut {
	var all []cut
	for n := 1; n <= 90; n++ {
		for r := range rules {
			all = append(all, cut{moment{sync: n}, r}, cut{moment{change: 1 + rng.IntN(500)}, r})
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// cuts lets people recall messages while the power is cut, and checks what must be true. It stops
// early where something is wrong.
func (w *world) cuts(list []cut) {
	over, ended := make(chan struct{}), make(chan struct{})
	var peace atomic.Bool // the power stays: one more request, and it is the last
	go func() {
		defer close(ended)
		for _, c := range list {
			if !w.live(c.at, c.by, over) {
				return
			}
		}
		peace.Store(true)
		w.start(moment{})
		<-over
	}()
	people := rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	for next := 1; ; {
		size := 2 + people.IntN(60)
		if people.IntN(6) == 0 { // sealed and begun in parts
			size += 1200
		}
		ok := w.recall(next, next+size-1)
		next += size
		if !ok || peace.Load() {
			break
		}
	}
	close(over)
	<-ended
	w.Kill()
	w.holds()
}

// draws returns what is drawn in a test.
func draws(t *testing.T) uint64 {
	from := cmp.Or(*seed, uint64(time.Now().UnixNano()))
	t.Logf("again: go test -run '^%s$' -seed %d", t.Name(), from)
	return from
}

// TestPower cuts the power of the disk at syncs, and between them, while people ask and approve.
// The disk keeps of what was not flushed what one of the rules says. Each time the database is
// sound; what was acknowledged is done; nothing is called that was not approved; the receipts add
// up. The long form is
//
//	go test -run TestPower -long -timeout 6h
func TestPower(t *testing.T) {
	t.Parallel()
	const each = 6 // with more, few would meet a new database
	file, from, n := build(t, nil), draws(t), 30
	if *long {
		n = 1000
	}
	all := draw(rand.New(rand.NewPCG(from, 0)))
	for len(all) < n {
		all = append(all, all...)
	}
	room := make(chan struct{}, 3) // they mostly wait
	var worlds sync.WaitGroup
	defer worlds.Wait()
	for list := range slices.Chunk(all[:n], each) {
		worlds.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			t.Run(fmt.Sprint(list[0].at, ", ", list[0].by), func(t *testing.T) {
				w := newWorld(t, file, rand.New(rand.NewPCG(from, uint64(list[0].at.sync<<20+list[0].at.change))))
				w.cuts(list)
				for _, p := range w.found() {
					t.Error(p)
				}
				if t.Failed() {
					t.Logf("the process said:\n%s", w.Said())
				}
				t.Logf("%d requests", len(w.requests))
			})
		})
	}
}

// TestPlanted: a flush that is missing is found.
func TestPlanted(t *testing.T) {
	t.Parallel()
	from := draws(t)
	for _, c := range []struct {
		name    string
		replace map[string][2]string
		folders bool   // are never flushed
		found   string // what is said of it
		at      moment // of the first cut
	}{
		{name: "synchronous=NORMAL", replace: map[string][2]string{
			"bot/ledger/sqlite.go": {`synchronous := "synchronous(FULL)"`, `synchronous := "synchronous(NORMAL)"`}},
			found: "in vain: .* acknowledged|has a receipt and is", at: moment{change: 400}},
		{name: "the lock file", replace: map[string][2]string{
			"bot/ledger/marker.go": {"m.lock.Sync()", "error(nil)"}},
			found: "taken for an older copy", at: moment{sync: 35}},
		{name: "the folder", folders: true, found: "in vain|has a receipt and is", at: moment{sync: 40}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := build(t, c.replace)
			for n := range uint64(10) {
				w := newWorld(t, file, rand.New(rand.NewPCG(from, n)))
				w.patient, w.disk.ignoreFolders = 15*time.Second, c.folders
				at := c.at
				if at.change > 0 {
					at.change += 50 * int(n)
				} else {
					at.sync += 3 * int(n)
				}
				w.cuts([]cut{{at, lost}})
				found := w.found()
				if slices.ContainsFunc(found, regexp.MustCompile(c.found).MatchString) {
					t.Logf("found after %d cuts: %q", n+1, found)
					return
				}
				t.Logf("cut at %v: %q", at, found)
			}
			t.Error("it was not found")
		})
	}
}

// TestBackup cuts the power while a copy of the database is made beside it, and the last time just
// afterwards. What has the copy's name is a whole copy, and what "recallbot backup" said was made
// is there.
func TestBackup(t *testing.T) {
	t.Parallel()
	from := draws(t)
	rng, n := rand.New(rand.NewPCG(from, 0)), 8
	if *long {
		n = 200
	}
	w := newWorld(t, build(t, nil), rng)
	w.start(moment{})
	w.recall(1, 50)
	backup := func(name string) error {
		cmd := exec.Command(w.File, "backup", filepath.Join(w.Dir, name))
		cmd.Env = w.Env
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	// How long a copy takes depends on the process, which writes meanwhile.
	before := w.disk.now()
	if err := backup("whole.db"); err != nil {
		t.Fatal(err)
	}
	after := w.disk.now()
	syncs, changes := after.sync-before.sync, after.change-before.change
	t.Logf("a copy takes %d syncs and %d changes", syncs, changes)
	copies := 0
	for i := range n {
		name := fmt.Sprintf("copy-%d.db", i)
		w.disk.mu.Lock()
		if now := w.disk.at; i%2 == 0 {
			w.disk.cutAt = moment{sync: now.sync + 1 + i/2%syncs}
		} else if i < n-1 {
			w.disk.cutAt = moment{change: now.change + 1 + rng.IntN(changes)}
		}
		w.disk.mu.Unlock()
		said := backup(name)
		w.disk.mu.Lock()
		if !w.disk.off {
			w.disk.off = true
			w.disk.cut()
		}
		w.disk.mu.Unlock()
		<-w.Done()
		w.remove()
		w.disk.restore(rule(i % int(rules)))
		data, made := w.disk.contents()[name]
		if said == nil && !made {
			t.Errorf("copy %d was made and is not there", i)
		}
		if made {
			copies++
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := check(path); err != nil {
				t.Errorf("copy %d: %v", i, err)
			}
			l, err := ledger.Open(t.Context(), "sqlite:"+path, ledger.Options{ReadOnly: true})
			if err != nil {
				t.Fatalf("copy %d: %v", i, err)
			}
			if _, err := bot.VerifyAudit(t.Context(), l, ""); err != nil {
				t.Errorf("copy %d: %v", i, err)
			}
			l.Close()
		}
		w.start(moment{})
		w.until("it serves", func() bool { return w.Ready() != "" })
	}
	if copies == 0 || copies == n {
		t.Errorf("of %d copies %d were made: this shows too little", n, copies)
	}
	w.Kill()
	w.holds()
	for _, p := range w.found() {
		t.Error(p)
	}
}
