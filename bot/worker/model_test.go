package worker

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
)

// TestModel walks the states that two requests can reach together, breadth first, and checks in
// each what must always be true. There are two requesters, three people with four accounts, two
// replicas that may each have another roster while configurations are rolled out, and one message a
// request, of which one may be edited. In every state every event is tried: each account approves,
// rejects, withdraws and stops each request on each replica, and asks once for one again, as a new
// request that takes its place here; time passes, and timers fire late; a
// replica crashes, comes back with another roster, takes the lease over; and the holder of the
// lease begins, claims, calls, stores, reads doubt and finishes, while calls are executed,
// answered, refused as of a paused app, or lost, at once or long after. Somebody else may recall
// the message of one request, and the other request may be set back to a copy of the ledger.
//
// What decides is the real code: Decide, Withdraw, Stop, Pass, Begin and Finish, of what a message
// says isStale and changedSince, and of a message that was not found outcomeAfterCode. The steps of
// the runner are those of the package comment's last section, one a transaction or a call;
// TestFaults and the conversations hold the real runner to them, and ledgertest.Trace holds what
// the tests of chaos, replicas and kills commit to the rules that check follows here. Events that
// are delivered twice are left to TestDoor, since here a repeat finds its stored answer and so
// changes nothing by construction. The quota is a matter of time, and hostile text of drawing:
// neither has states. Sweeps are in TestModelSweeps.
func TestModel(t *testing.T) {
	const atLeast, deep = 100_000, uint8(10)
	seen := map[world]bool{}
	var level []world
	for asked := range uint8(len(modelRosters)) {
		w := world{asked: asked, rosters: [2]uint8{asked, asked}, lease: nobody}
		for i, asker := range modelAskers {
			w.requests[i] = course{state: modelProposed, asker: asker}
		}
		seen[w] = true
		level = append(level, w)
	}
	m := &model{t: t, known: map[question]answers{}}
	for i, says := range []string{"win big", "good morning"} {
		m.compared[i] = modelCompared(says)
	}
	tried := 0
	for range deep {
		var next []world
		for _, w := range level {
			m.from = w
			m.steps(func(what step, to world) {
				tried++
				m.check(what, w, to)
				if !seen[to] {
					seen[to] = true
					next = append(next, to)
				}
			})
			if t.Failed() {
				return
			}
		}
		level = next
	}
	ends := map[string]int{}
	for w := range seen {
		for _, q := range w.requests {
			ends[string(modelStates[q.state])]++
		}
	}
	t.Logf("%d states, %d events deep, every one of them tried in each: %d; requests by state: %v", len(seen), deep,
		tried, ends)
	if len(seen) < atLeast {
		t.Errorf("visited %d states, want at least %d", len(seen), atLeast)
	}
	for _, s := range []bot.State{bot.Proposed, bot.Approved, bot.Running, bot.Stopping, bot.Done, bot.Stopped,
		bot.NotStarted, bot.Withdrawn, bot.Rejected, bot.Expired} {
		if ends[string(s)] == 0 {
			t.Errorf("no request was ever %s", s)
		}
	}
	for outcome, ok := range m.outcomes {
		if !ok {
			t.Errorf("no message ever ended as %v", modelOutcome(outcome))
		}
	}
}

// world is one state of everything, small enough to be compared.
type world struct {
	asked    uint8    // which roster the requests were asked under
	rosters  [2]uint8 // each replica's
	lease    uint8    // the replica that holds the app's lease, or nobody
	phase    uint8    // of time: 0 before the deadlines, 1 after them, 2 long after
	requests [2]course
}

const nobody = 2

// course is how one request stands, and its one message.
type course struct {
	asker     uint8 // an index of modelAccounts
	again     bool  // it was asked for again
	state     uint8 // an index of modelStates
	approvals uint8 // a bit an account
	granted   uint8 // the phase of it; likewise begun and stopped
	begun     uint8
	stopped   uint8

	batch   modelBatch
	doubted bool // it was in doubt at some time
	unsent  bool // claimed by the holder, whose call has not left yet
	flying  bool // the holder's call is on its way
	reached bool // and was executed
	answer  modelAnswer
	stray   bool // a call that nobody awaits any more may still be executed
	gone    bool // the service has recalled the message
	others  bool // for somebody else
	missed  bool // the call that was executed found it gone
	left    bool // a call for it has ever left
	outcome modelOutcome

	version modelVersion
	seen    bool // the last reading showed another version than the sealed one

	restored uint8 // 1 and the phase in which its ledger went back to right after the approval; 0: it did not
}

type (
	modelBatch   uint8
	modelAnswer  uint8
	modelOutcome uint8
	modelVersion uint8 // what the message says: 0 what was sealed, else 1 and the phase in which it was edited
)

const (
	batchNone modelBatch = iota
	batchPending
	batchSending
	batchDoubt
	batchDone
)

const (
	answerNone modelAnswer = iota
	answerRecalled
	answerLost
	answerRefused  // before anything was done, as of a paused app
	answerNotFound // the code 10030
)

const (
	outcomeNone modelOutcome = iota
	outcomeRecalled
	outcomeVerified
	outcomeNotSent
	outcomeStillThere
	outcomeUnknown
	outcomeChanged
	outcomeAlready
	outcomeNotFound
)

func (b modelBatch) String() string {
	return [...]string{"none", "pending", "sending", "in doubt", "done"}[b]
}

func (a modelAnswer) String() string {
	return [...]string{"none", "recalled", "lost", "refused", "not found"}[a]
}

func (o modelOutcome) String() string {
	return [...]string{"none", "recalled", "recalled, verified", "not sent", "still there", "unknown", "changed",
		"already recalled", "not found"}[o]
}

func (v modelVersion) String() string {
	if v == 0 {
		return "what was sealed"
	}
	return "what was edited " + modelTime(uint8(v)-1)
}

func modelTime(phase uint8) string {
	return [...]string{"before the deadlines", "after the deadlines", "long after"}[phase]
}

func (w world) String() string {
	holder := "nobody"
	if w.lease != nobody {
		holder = fmt.Sprint("replica ", w.lease)
	}
	return fmt.Sprintf("%s; asked under roster %d, replicas have %d and %d; %s holds the lease\n\t%v\n\t%v",
		modelTime(w.phase), w.asked, w.rosters[0], w.rosters[1], holder, w.requests[0], w.requests[1])
}

func (q course) String() string {
	var is []string
	for i, a := range modelAccounts {
		if q.approvals&(1<<i) != 0 {
			is = append(is, "approved by "+a.User)
		}
	}
	for _, fact := range []struct {
		so   bool
		what string
	}{
		{q.doubted, "was in doubt"}, {q.unsent, "claimed, not called yet"}, {q.flying, "a call is on its way"},
		{q.reached, "executed"}, {q.stray, "a stray call"}, {q.gone, "the message is gone"},
		{q.others, "recalled by somebody else"}, {q.missed, "found gone"},
		{q.left, "a call has left"}, {q.seen, "read otherwise than sealed"},
	} {
		if fact.so {
			is = append(is, fact.what)
		}
	}
	return fmt.Sprintf("%s; batch %v, answer %v, outcome %v; says %v; granted %s, begun %s, stopped %s; %s",
		modelStates[q.state], q.batch, q.answer, q.outcome, q.version, modelTime(q.granted), modelTime(q.begun),
		modelTime(q.stopped), strings.Join(is, ", "))
}

func (s step) String() string {
	who := "nobody"
	if s.account >= 0 {
		who = modelAccounts[s.account].User
	}
	return fmt.Sprintf("%s of request %d by %s under roster %d", s.what, s.request, who, s.roster)
}

// TestModelNames: what is printed of a state that breaks a rule has names in it.
func TestModelNames(t *testing.T) {
	w := world{lease: nobody}
	w.requests[0] = course{state: stateIndex(bot.Running), approvals: 1 << 2, batch: batchDoubt, answer: answerLost,
		outcome: outcomeStillThere, version: 2, gone: true}
	got := fmt.Sprint(w, step{what: "approve", request: 1, account: 3})
	for _, name := range []string{"running", "approved by THEO", "batch in doubt", "answer lost", "outcome still there",
		"edited after the deadlines", "the message is gone", "nobody holds the lease", "approve of request 1 by INES"} {
		if !strings.Contains(got, name) {
			t.Errorf("%q is not in\n%s", name, got)
		}
	}
}

var modelStates = bot.States()

var modelProposed = stateIndex(bot.Proposed)

func stateIndex(s bot.State) uint8 {
	for i, other := range modelStates {
		if other == s {
			return uint8(i)
		}
	}
	panic("no such state")
}

var (
	modelAccounts = []bot.Account{slackAccount("MINA"), slackAccount("MINA2"), slackAccount("THEO"),
		slackAccount("INES")}
	// modelPeople says whose each account is by each roster. Both are complete; the first one knows
	// the truth.
	modelPeople = [][]int{{0, 0, 2, 3}, {0, 1, 2, 3}}
	// modelRosters are those rosters. The second one leaves the team open and has other names.
	modelRosters = []bot.Roster{
		{People: []bot.Person{{Name: "Mina", Accounts: []bot.Account{slackAccount("MINA"), slackAccount("MINA2")}},
			{Name: "Theo", Accounts: []bot.Account{slackAccount("THEO")}},
			{Name: "Ines", Accounts: []bot.Account{slackAccount("INES")}}}},
		{People: []bot.Person{{Name: "M. Mina", Accounts: []bot.Account{{Platform: OnSlack, Workspace: "",
			User: "MINA"}}}, {Name: "Minette", Accounts: []bot.Account{{Platform: OnSlack, Workspace: "",
			User: "MINA2"}}}, {Name: "T. Theo", Accounts: []bot.Account{{Platform: OnSlack, Workspace: "",
			User: "THEO"}}}, {Name: "I. Ines", Accounts: []bot.Account{{Platform: OnSlack, Workspace: "",
			User: "INES"}}}}},
	}
	modelAskers = [2]uint8{0, 2} // at first
	modelNeeded = [2]int{2, 1}
	modelHour   = [3]time.Time{noon, noon.Add(time.Hour), noon.Add(2 * time.Hour)}
	modelPolicy = func() bot.Policy {
		p := leadsPolicy()
		p.Crowds[OnSlack] = bot.Crowd{Requesters: []bot.Principal{{Group: "SLEADS"}},
			Approvers: []bot.Principal{{Group: "SLEADS"}}, AnyChannel: true}
		return p
	}()
)

// request is the real request that q stands for.
func (w world) request(i int) bot.Request {
	q := w.requests[i]
	asker := modelAccounts[q.asker]
	person, _ := modelRosters[w.asked].Of(asker)
	r := bot.Request{
		ID: bot.RequestID(fmt.Sprint("R-", i)), State: modelStates[q.state],
		By: bot.Actor{Person: person, Account: asker}, Accounts: modelRosters[w.asked].Accounts(asker),
		Place: bot.Place{Platform: OnSlack, Workspace: "T1", Channel: "C1"}, Policy: modelPolicy, Asked: noon,
		Sealed: noon, Deadline: noon.Add(30 * time.Minute), Digest: "d1",
		Needed: modelNeeded[i], Granted: modelHour[q.granted], Begun: modelHour[q.begun], StopAt: modelHour[q.stopped],
	}
	for a, account := range modelAccounts {
		if q.approvals&(1<<a) != 0 {
			person, _ := modelRosters[w.asked].Of(account)
			r.Approvals = append(r.Approvals, bot.Approval{By: bot.Actor{Person: person, Account: account},
				Digest: "d1"})
		}
	}
	return r
}

// modelSealed is what the seal says of every message.
var modelSealed = bot.Message{Seq: 1, Status: bot.SealNormal, Sender: "alice", Sent: noon,
	HMAC: bot.ContentHMAC(nil, modelMessage("win big"), bot.FormNow), Form: bot.FormNow, Read: noon}

func modelMessage(says string) recall.Message {
	return recall.Message{Seq: 1, From: "alice", Time: noon, RawBody: []byte(says)}
}

// modelCompared is what the real code makes of a message that says this now.
func modelCompared(says string) bot.Outcome {
	found := map[recall.Seq]recall.Message{1: modelMessage(says)}
	return changedSince(job{request: bot.Request{Parts: make([]bot.Part, 1)}}, modelSealed, found, 1, nil, noon)
}

// compare is what the real code makes of the message of q.
func (m *model) compare(q course) bot.Outcome {
	if q.version == 0 {
		return m.compared[0]
	}
	return m.compared[1]
}

// modelAfterCode is what the real code makes of the code 10030 for a message, by whether its batch
// was in doubt and whether history shows it as recalled.
func modelAfterCode(doubted, recalled bool) modelOutcome {
	is := modelMessage("win big")
	if recalled {
		is.Status = recall.StatusRecalled
	}
	o := outcomeAfterCode(bot.OutcomeOfCode(recall.CodeNoMessage, "", noon), doubted,
		map[recall.Seq]recall.Message{1: is}, 1, noon)
	switch {
	case o.Class == bot.ClassAlready:
		return outcomeAlready
	case o.Class == bot.ClassRecalled && o.Why == bot.WhyVerified:
		return outcomeVerified
	}
	return outcomeNotFound
}

// modelStopped is what the real code makes of a batch of which nothing more is read or sent.
func modelStopped(b bot.Batch) modelOutcome {
	return modelOutcomeOf(outcomeOfBatch(bot.Request{Parts: make([]bot.Part, 1), Begun: noon}, b, false, noon))
}

// modelShown is what the real code makes of a message in doubt that history shows as recalled, or
// as still there.
func modelShown(recalled bool) modelOutcome {
	is := modelMessage("win big")
	if recalled {
		is.Status = recall.StatusRecalled
	}
	return modelOutcomeOf(outcomeOfHistory(map[recall.Seq]recall.Message{1: is}, 1, noon))
}

// put is w with request i as the real code left it.
func (w world) put(i int, t turned) world {
	q := &w.requests[i]
	state := modelStates[t.state]
	if t.state != q.state {
		switch q.state = t.state; state {
		case bot.Approved:
			q.granted = w.phase
		case bot.Running:
			q.begun = w.phase
		case bot.Stopping:
			q.stopped = w.phase
		}
	}
	q.approvals = t.approvals
	if !state.Open() && state.HasReceipt() && q.outcome == outcomeNone {
		if q.restored > 0 && q.batch == batchNone { // as EndedUnbegun: it may have run before
			q.state, q.stopped, q.batch, q.doubted = stateIndex(bot.Stopping), w.phase, batchDoubt, true
			return w
		}
		q.outcome = outcomeNotSent // putEnded settles what never ran
	}
	return w
}

// step is one event that was tried.
type step struct {
	what    string
	request int
	account int // who did it, -1 for nobody
	roster  uint8
}

type model struct {
	t        *testing.T
	from     world
	outcomes [outcomeNotFound + 1]bool
	known    map[question]answers
	compared [2]bot.Outcome // what the real code makes of a message that says what was sealed, and of one that does not
}

// question is all that the real code is told of request i, with the rosters by their numbers: it is
// pure, so it is asked once.
type question struct {
	i, asker, asked, roster, phase            uint8
	state, approvals, granted, begun, stopped uint8
}

// turned is what became of a request; ok is false where it was refused.
type turned struct {
	ok               bool
	state, approvals uint8
}

// answers are what each deed, by each account where one acts, makes of the request.
type answers struct {
	people               [len(deeds)][4]turned
	timer, begin, finish turned
}

// modelAgain is Ask again, with or without what is unlike the rest: a new request of whoever
// pressed. One that still waits is withdrawn with it, by whoever may.
const modelAgain = "ask again"

var deeds = [...]string{"approve", "reject", "withdraw", "stop"}

// answers asks the real code.
func (m *model) answers(i int, roster uint8) answers {
	w, q := m.from, m.from.requests[i]
	k := question{uint8(i), q.asker, w.asked, roster, w.phase, q.state, q.approvals, q.granted, q.begun, q.stopped}
	a, known := m.known[k]
	if known {
		return a
	}
	told := func(r bot.Request, ok bool) turned {
		t := turned{ok: ok, state: stateIndex(r.State)}
		for _, by := range r.Approvals {
			for n, account := range modelAccounts {
				if by.By.Account == account {
					t.approvals |= 1 << n
				}
			}
		}
		return t
	}
	r := w.request(i)
	now := bot.Rules{Policy: modelPolicy, Roster: modelRosters[roster], Asked: modelRosters[w.asked],
		Now: modelHour[w.phase]}
	for n, account := range modelAccounts {
		by := bot.Member{Account: account, Groups: []string{"SLEADS"}}
		d := bot.Decision{Verdict: bot.Approve, By: by, Place: r.Place, Digest: "d1"}
		next, err := bot.Decide(r, d, now)
		a.people[0][n] = told(next, err == nil)
		d.Verdict = bot.Reject
		next, err = bot.Decide(r, d, now)
		a.people[1][n] = told(next, err == nil)
		if r.State == bot.Proposed {
			d.Verdict, d.Digest = bot.Approve, "d2"
			if _, err := bot.Decide(r, d, now); err == nil {
				m.t.Errorf("the digest of another seal was approved in %v", w)
			}
		}
		next, err = bot.Withdraw(r, by, now)
		a.people[2][n] = told(next, err == nil)
		next, err = bot.Stop(r, by, now)
		a.people[3][n] = told(next, err == nil)
	}
	a.timer = told(bot.Pass(r, modelHour[q.begun], modelHour[w.phase]))
	next, err := bot.Begin(r, modelHour[w.phase])
	a.begin = told(next, err == nil)
	next, err = bot.Finish(r, modelHour[w.phase])
	a.finish = told(next, err == nil)
	m.known[k] = a
	return a
}

// steps yields every event that can happen in m.from, and what comes of it.
func (m *model) steps(yield func(step, world)) {
	w := m.from
	for i := range w.requests {
		m.people(i, yield)
		m.work(i, yield)
		m.world(i, yield)
		if became := m.answers(i, w.rosters[0]).timer; became.ok {
			yield(step{"timer", i, -1, 0}, w.put(i, became))
		}
	}
	if w.phase < 2 {
		to := w
		to.phase++
		yield(step{"time passes", -1, -1, 0}, to)
	}
	for replica := range uint8(2) {
		if w.lease != replica {
			to := w
			to.lease = replica
			yield(step{"takeover", -1, -1, 0}, to.forgotten())
		}
		to := w
		if w.lease == replica {
			to.lease = nobody
			to = to.forgotten()
		}
		yield(step{"crash", -1, -1, 0}, to)
		to.rosters[replica] = 1 - to.rosters[replica]
		yield(step{"another roster", -1, -1, 0}, to)
	}
}

// forgotten is w after the holder's memory is gone, or of no use any more: what it awaited strays,
// what it had claimed is found by the next.
func (w world) forgotten() world {
	for i := range w.requests {
		q := &w.requests[i]
		if q.flying {
			q.stray = q.stray || !q.reached
		}
		q.flying, q.reached, q.missed, q.answer, q.unsent = false, false, false, answerNone, false
	}
	return w
}

// people lets every account do everything to request i on each replica.
func (m *model) people(i int, yield func(step, world)) {
	w := m.from
	for replica, roster := range w.rosters {
		if replica == 1 && roster == w.rosters[0] {
			continue // the same as on the other
		}
		known := m.answers(i, roster)
		for d, what := range deeds {
			for a, became := range known.people[d] {
				if became.ok {
					yield(step{what, i, a, roster}, w.put(i, became))
				}
			}
		}
		for a, withdrawn := range known.people[slices.Index(deeds[:], "withdraw")] {
			q, to := w.requests[i], w
			ended := slices.Contains([]bot.State{bot.Withdrawn, bot.Rejected}, modelStates[q.state])
			if i == 0 && w.phase == 0 && !q.again && (ended || modelStates[q.state] == bot.Proposed && withdrawn.ok) {
				to.requests[i] = course{asker: uint8(a), again: true, state: modelProposed}
				yield(step{modelAgain, i, a, roster}, to)
			}
		}
	}
}

// work lets the holder of the lease do its next steps for request i. Each is one transaction under
// the lease's fence, or one call.
func (m *model) work(i int, yield func(step, world)) {
	if m.from.lease == nobody {
		return
	}
	does := func(what string, change func(w *world, q *course)) {
		to := m.from
		change(&to, &to.requests[i])
		yield(step{what, i, -1, 0}, to)
	}
	settles := func(what string, o modelOutcome) {
		m.outcomes[o] = true
		does(what, func(_ *world, q *course) { q.batch, q.outcome, q.answer = batchDone, o, answerNone })
	}
	m.outcomes[outcomeNone] = true
	q := m.from.requests[i]
	state := modelStates[q.state]
	switch {
	case state == bot.Approved:
		if became := m.answers(i, m.from.rosters[0]).begin; became.ok {
			does("begin", func(w *world, q *course) {
				*w = w.put(i, became)
				if q.batch = batchPending; q.restored > 0 {
					q.batch, q.doubted = batchDoubt, true
				}
			})
		}
		return
	case state != bot.Running && state != bot.Stopping:
		return
	}
	switch q.batch {
	case batchPending:
		switch {
		case state == bot.Running:
			does("claim", func(_ *world, q *course) { q.batch, q.unsent = batchSending, true })
		default:
			settles("stop what waits", modelStopped(bot.Batch{State: bot.BatchPending, Doubted: q.doubted}))
		}
	case batchSending:
		switch {
		case q.unsent && state == bot.Running:
			restored := time.Time{}
			if q.restored > 0 {
				restored = modelHour[q.restored-1].Add(time.Second)
			}
			stale := isStale(modelSealed, false, modelHour[m.from.phase], restored)
			seen := stale && q.version > 0 || !stale && q.seen
			call := func(what string) {
				does(what, func(_ *world, q *course) { q.unsent, q.flying, q.left, q.seen = false, true, true, seen })
			}
			switch {
			case !stale:
				call("call")
			case q.gone && q.doubted:
				settles("read before the call: recalled", outcomeVerified)
			case q.gone:
				settles("read before the call: recalled by others", outcomeAlready)
			case m.compare(q).Settled():
				settles("read before the call: changed", outcomeChanged)
			default:
				call("read, and call")
			}
		case q.unsent:
			does("put back", func(_ *world, q *course) { q.unsent, q.batch = false, batchPending })
		case q.answer == answerRecalled:
			settles("store the answer", outcomeRecalled)
		case q.answer == answerNotFound:
			settles("read after the code", modelAfterCode(q.doubted, q.gone))
			if q.doubted {
				does("store a doubt that cannot be read",
					func(_ *world, q *course) { q.answer, q.batch = answerNone, batchDoubt })
			} else {
				settles("store the code, which cannot be read after", outcomeNotFound)
			}
		case q.answer == answerRefused:
			does("put back what was refused", func(_ *world, q *course) {
				q.answer, q.batch = answerNone, batchPending
				q.left = q.left && q.doubted // a call that was refused did nothing
			})
		case q.answer == answerLost:
			does("store a doubt",
				func(_ *world, q *course) { q.answer, q.batch, q.doubted = answerNone, batchDoubt, true })
		case !q.flying: // claimed under an older epoch
			found := []bot.Batch{{State: bot.BatchSending, Doubted: q.doubted}}
			putInDoubt(found)
			does("find a claim of before",
				func(_ *world, q *course) { q.batch, q.doubted = batchDoubt, found[0].Doubted })
		}
	case batchDoubt:
		switch shown := modelShown(q.gone); {
		case shown != outcomeNone:
			settles("read: recalled", shown)
		case state == bot.Running && m.compare(q).Settled():
			settles("read: changed", outcomeChanged)
		case state == bot.Running:
			does("read: still there", func(_ *world, q *course) { q.batch, q.seen = batchPending, q.version > 0 })
		default:
			settles("read: still there, stopping", outcomeStillThere)
		}
		if state == bot.Stopping && m.from.phase > q.stopped {
			settles("give the doubt up", modelStopped(bot.Batch{State: bot.BatchDoubt, Doubted: true}))
		}
	case batchDone:
		if became := m.answers(i, m.from.rosters[0]).finish; became.ok {
			does("finish", func(w *world, _ *course) { *w = w.put(i, became) })
		}
	}
}

// world lets calls arrive, be executed and answered.
func (m *model) world(i int, yield func(step, world)) {
	does := func(what string, change func(q *course)) {
		to := m.from
		change(&to.requests[i])
		yield(step{what, i, -1, 0}, to)
	}
	q := m.from.requests[i]
	// To edit it earlier would be the same, and later nothing is sent. One of the two requests is
	// enough: neither reads for the other.
	if state := modelStates[q.state]; i == 1 && q.version == 0 && !q.gone &&
		(state == bot.Approved || state == bot.Running) {
		does("edited", func(q *course) { q.version = modelVersion(1 + m.from.phase) })
	}
	// The ledger is set back to a copy that was made right after the approval, which knows the
	// least of what was done since. The process of before is dead.
	if state := modelStates[q.state]; i == 1 && q.restored == 0 &&
		(state == bot.Running || state == bot.Stopping || state.HasReceipt()) {
		to := m.from
		to.lease = nobody
		to = to.forgotten()
		was := to.requests[i]
		to.requests[i] = course{asker: was.asker, again: was.again, state: stateIndex(bot.Approved),
			approvals: was.approvals, granted: was.granted,
			stray: was.stray, gone: was.gone, left: was.left, version: was.version, restored: 1 + m.from.phase}
		yield(step{"restored", i, -1, 0}, to)
	}
	if state := modelStates[q.state]; i == 0 && !q.gone && (state == bot.Approved || state == bot.Running) {
		does("recalled by somebody else", func(q *course) { q.gone, q.others = true, true })
	}
	if q.flying {
		if q.reached {
			answered := func(with modelAnswer) func(q *course) {
				return func(q *course) { q.flying, q.reached, q.missed, q.answer = false, false, false, with }
			}
			does("answered", answered(answerRecalled)) // the service may say so of what was gone, too
			if q.missed {
				does("answered: not found", answered(answerNotFound))
			}
		} else {
			does("executed", func(q *course) { q.reached, q.missed, q.gone = true, q.gone, true })
			does("lost on the way", func(q *course) { q.flying, q.answer = false, answerLost })
			does("refused", func(q *course) { q.flying, q.answer = false, answerRefused })
		}
		does("no answer",
			func(q *course) {
				q.stray = !q.reached
				q.flying, q.reached, q.missed, q.answer = false, false, false, answerLost
			})
	}
	if q.stray {
		does("executed late", func(q *course) { q.stray, q.gone = false, true })
		does("never executed", func(q *course) { q.stray = false })
	}
}

// check holds a state, and the step to it, to what must always be true.
func (m *model) check(s step, before, w world) {
	fail := func(what string, i int) {
		m.t.Errorf("request %d: %s\nafter %v\nfrom %v\nto   %v", i, what, s, before, w)
	}
	for i, q := range w.requests {
		was := before.requests[i]
		state, stateBefore := modelStates[q.state], modelStates[was.state]
		asker := q.asker
		different := func(people []int) (n int) { // people behind the approvals, the requester's left out
			met := uint8(1) << people[asker]
			for a := range modelAccounts {
				if one := uint8(1) << people[a]; q.approvals&(1<<a) != 0 && met&one == 0 {
					met |= one
					n++
				}
			}
			return n
		}
		count := bits.OnesCount8(q.approvals)

		// 1. No call without enough approvals by people other than the requester, counted here by
		// the roster of asking, and at the one that grants by that of the replica too.
		granted := state == bot.Approved || state == bot.Running || state == bot.Stopping || state.HasReceipt()
		if n := different(modelPeople[w.asked]); n != count {
			fail("an approval by the requester, or two by one person", i)
		} else if granted && n < modelNeeded[i] {
			fail(fmt.Sprintf("granted by %d people, %d are needed", n, modelNeeded[i]), i)
		}
		if s.what == "approve" && s.request == i {
			if state == bot.Approved && different(modelPeople[s.roster]) < modelNeeded[i] {
				fail("granted by too few people under the roster of now", i)
			}
			for _, people := range [][]int{modelPeople[w.asked], modelPeople[s.roster]} {
				if people[s.account] == people[asker] {
					fail("the requester approved", i)
				}
			}
		}
		if (q.flying || q.stray || q.gone || q.left) && !granted {
			fail("a call was made for a request that was not approved", i)
		}
		if q.left && !was.left && (stateBefore != bot.Running || before.lease == nobody) {
			fail("a call left for a request that does not run, or without the lease", i)
		}

		// 2. What was sealed is what runs: each approval and each batch is of the one digest; steps
		// tries another. No call leaves for a version that is not the sealed one, but for one that
		// came to be after a reading in the same phase.
		if q.flying && !was.flying {
			if q.seen {
				fail("a call left for a version that was not sealed, which was read", i)
			} else if q.version > 0 && uint8(q.version-1) < w.phase {
				fail("a call left for a version that was not sealed, on a reading of long ago", i)
			}
		}

		// 3. Outcomes are true, and every message of an approved request that ended has one.
		switch q.outcome {
		case outcomeRecalled, outcomeVerified:
			if !q.gone {
				fail("it is told as recalled and is still there", i)
			}
		case outcomeAlready:
			if !q.others {
				fail("it is told as recalled by others, and nobody but the bot did", i)
			}
		case outcomeNotFound:
			if !q.gone {
				fail("it is told as not found and is still there", i)
			}
		case outcomeNotSent:
			if q.left {
				fail("it is told as not sent and a call for it left", i)
			}
		case outcomeChanged:
			if q.version == 0 {
				fail("it is told as changed and is what was sealed", i)
			}
		}
		if state.HasReceipt() != (q.outcome != outcomeNone && !state.Open()) {
			fail("an end and its outcome do not fit", i)
		}

		if s.what == modelAgain && s.request == i { // what takes the place of the old one
			switch people := modelPeople[s.roster]; {
			case int(q.asker) != s.account || q.approvals != 0 || state != bot.Proposed:
				fail("what is asked again is not of who pressed, or brought approvals with it", i)
			case stateBefore == bot.Proposed && people[was.asker] != people[q.asker] &&
				modelPeople[w.asked][was.asker] != modelPeople[w.asked][q.asker]:
				fail("somebody else's request was replaced", i)
			}
			continue
		}
		if s.what == "restored" && s.request == i { // what was done since is lost; the above holds all the same
			continue
		}

		// 4. Nothing that was done is lost: the settled stays, approvals go only by a reject,
		// outcomes never change.
		if !stateBefore.Open() && (q.state != was.state || q.approvals != was.approvals || q.outcome != was.outcome) {
			fail("a settled request changed", i)
		}
		if lost := was.approvals &^ q.approvals; lost != 0 && state != bot.Rejected {
			fail("an approval was lost", i)
		}
		if was.outcome != outcomeNone && q.outcome != was.outcome {
			fail("an outcome changed", i)
		}
		if was.state != q.state && !slices.Contains(ledgertest.States[stateBefore], state) {
			fail(fmt.Sprintf("%s became %s", stateBefore, state), i)
		}

		// The rules to which the tests of everything hold what is committed.
		if was.batch != q.batch || was.doubted != q.doubted {
			if wrong := ledgertest.CheckBatch(was.inLedger(), q.inLedger(), state, modelEpoch, false); wrong != "" {
				fail(wrong, i)
			}
		}
		if was.outcome == outcomeNone && q.outcome != outcomeNone {
			if wrong := ledgertest.CheckOutcome(modelOutcomes[q.outcome], was.inLedger(), state, modelEpoch,
				strings.HasPrefix(s.what, "read")); wrong != "" {
				fail(wrong, i)
			}
		}
	}
}

// modelEpoch is the epoch of whoever holds the lease now.
const modelEpoch = 2

// inLedger is the batch of q as the ledger has it.
func (q course) inLedger() bot.Batch {
	is := bot.Batch{Doubted: q.doubted, Epoch: modelEpoch - 1, State: [...]bot.BatchState{"", bot.BatchPending,
		bot.BatchSending, bot.BatchDoubt, bot.BatchDone}[q.batch]}
	if q.unsent || q.flying || q.answer != answerNone { // the holder knows of it
		is.Epoch = modelEpoch
	}
	return is
}

// modelOutcomes are the outcomes as the ledger has them.
var modelOutcomes = [...]bot.Outcome{
	outcomeRecalled:   {Class: bot.ClassRecalled, Confirmed: bot.ByAnswer},
	outcomeVerified:   {Class: bot.ClassRecalled, Why: bot.WhyVerified, Confirmed: bot.ByHistory},
	outcomeNotSent:    {Class: bot.ClassNotSent, Why: bot.WhyStopped},
	outcomeStillThere: {Class: bot.ClassUnknown, Why: bot.WhyStillThere},
	outcomeUnknown:    {Class: bot.ClassUnknown, Why: bot.WhyNoAnswer},
	outcomeChanged:    {Class: bot.ClassNotSent, Why: bot.WhyChanged},
	outcomeAlready:    {Class: bot.ClassAlready},
	outcomeNotFound:   {Class: bot.ClassNotFound, Code: recall.CodeNoMessage},
}
