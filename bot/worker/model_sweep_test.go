package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
)

// TestModelSweeps walks the states that two sweeps can reach together, as TestModel does for
// requests over one group. One is asked for two messages of group a and one of b, the other for one
// of b, which both name, and one of c; numbers repeat from group to group. In every state every
// event is tried: each account approves, also with the digest of the other sweep and with that of
// the same numbers of another group, rejects, withdraws and stops; time passes, and timers fire
// late; the process crashes and finds its claims again; a group refuses from now on, before its
// sweep is sealed or after; calls are executed, answered, or lost, and executed long after.
//
// What decides is the real code: Overlap, Propose, Decide, Withdraw, Stop, Pass, Begin, Finish and
// Condemned, of a refused call judge, and of what is not sent any more outcomeOfBatch.
func TestModelSweeps(t *testing.T) {
	const atLeast = 100_000
	asked := sweepWorld{}
	for i := range asked.requests {
		asked.requests[i].state = stateIndex(bot.Preparing)
	}
	begun := asked // one of them runs, and is claimed; the other one is taken back
	begun.requests[1].state = stateIndex(bot.Withdrawn)
	q := &begun.requests[0]
	q.state, q.approvals = stateIndex(bot.Running), 1<<slices.Index(modelAccounts, slackAccount("THEO"))
	for n := range sweepNames[0] {
		q.letters[n] = letter{in: true, batch: batchSending, unsent: true}
	}
	seen := map[sweepWorld]bool{}
	m := &sweepModel{t: t, deeds: map[sweepQuestion]sweepAnswers{}, overlaps: map[[4]uint8]bool{},
		ends: map[bot.Class]bool{}}
	tried := 0
	walk := func(from sweepWorld, deep int) {
		seen[from] = true
		level := []sweepWorld{from}
		for range deep {
			var next []sweepWorld
			for _, w := range level {
				m.from = w
				m.steps(func(what string, i int, to sweepWorld) {
					tried++
					m.check(what, i, to)
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
	}
	walk(begun, 9)
	walk(asked, 8)
	if t.Failed() {
		return
	}
	t.Logf("%d states, %d events tried in them", len(seen), tried)
	if len(seen) < atLeast {
		t.Errorf("visited %d states, want at least %d", len(seen), atLeast)
	}
	for _, c := range bot.Classes() {
		if !m.ends[c] && c != bot.ClassNotFound && c != bot.ClassAlready { // which TestModel has
			t.Errorf("no message ever ended as %s", c)
		}
	}
	for name, was := range map[string]bool{"a sweep was refused for one that is open": m.refusedOverlap,
		"a sweep was sealed after one of the same message had ended": m.sealedAfter,
		"a sweep was sealed without a group that refused":            m.sealedWithout,
		"a sweep was done though one of its groups refused":          m.doneCondemned} {
		if !was {
			t.Errorf("never reached: %s", name)
		}
	}
}

// sweepNames are the messages that each sweep asks for.
var sweepNames = [2][]sweepMessage{
	{{group: 0, seq: 1, bit: 0}, {group: 0, seq: 2, bit: 1}, {group: 1, seq: 1, bit: 2}},
	{{group: 1, seq: 1, bit: 2}, {group: 2, seq: 1, bit: 3}},
}

// sweepMessage is a message: its group, its number there, and its bit among all.
type sweepMessage struct {
	group, bit uint8
	seq        recall.Seq
}

// sweepWorld is one state of everything.
type sweepWorld struct {
	phase    uint8
	gone     uint8 // a bit a message: it is recalled
	refuses  uint8 // a bit a group
	requests [2]sweepCourse
}

// sweepCourse is how one sweep stands.
type sweepCourse struct {
	state, approvals        uint8
	granted, begun, stopped uint8
	condemned               uint8 // a bit a group
	letters                 [3]letter
}

// letter is one message of a sweep, in a batch of its own.
type letter struct {
	in      bool // it is sealed
	batch   modelBatch
	doubted bool
	unsent  bool // claimed, not called yet
	flying  bool // its call is on its way
	reached bool // and was executed
	stray   bool // a call that nobody awaits may still be executed
	left    bool // a call for it has ever left
	answer  sweepAnswer
	outcome modelOutcome
}

// outcomeRefused is an outcome that only a sweep's model has: the group is refused as a whole.
const outcomeRefused = outcomeNotFound + 1

// sweepOutcome is the outcome of the model that stands for one of the real code.
func sweepOutcome(o bot.Outcome) modelOutcome {
	if o.Class == bot.ClassRefused {
		return outcomeRefused
	}
	return modelOutcomeOf(o)
}

// modelOutcomeOf is the outcome of the models that stands for one of the real code.
func modelOutcomeOf(o bot.Outcome) modelOutcome {
	at := slices.IndexFunc(modelOutcomes[:],
		func(is bot.Outcome) bool { return is.Class == o.Class && is.Why == o.Why })
	if at < 0 {
		panic(fmt.Sprintf("the models have no outcome %+v", o))
	}
	return modelOutcome(at)
}

// asReal is the outcome as the ledger has it.
func (o modelOutcome) asReal() bot.Outcome {
	if o == outcomeRefused {
		return bot.Outcome{Class: bot.ClassRefused, Code: recall.CodeNoGroup}
	}
	return modelOutcomes[o]
}

type sweepAnswer uint8

const (
	sweepNone sweepAnswer = iota
	sweepRecalled
	sweepLost
	sweepRefused // the group as a whole
)

func (w sweepWorld) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; gone %04b, groups that refuse %03b", modelTime(w.phase), w.gone, w.refuses)
	for _, q := range w.requests {
		fmt.Fprintf(&b, "\n\t%s by %04b, condemned %03b", modelStates[q.state], q.approvals, q.condemned)
		for _, l := range q.letters {
			fmt.Fprintf(&b, "\n\t\t%v %+v", l.batch, l)
		}
	}
	return b.String()
}

type sweepModel struct {
	t        *testing.T
	from     sweepWorld
	deeds    map[sweepQuestion]sweepAnswers
	overlaps map[[4]uint8]bool
	ends     map[bot.Class]bool

	refusedOverlap, sealedAfter, sealedWithout, doneCondemned bool
}

// groups returns the groups that sweep i has sealed, in order; while it is preparing those that it
// is asked for.
func (q sweepCourse) groups(i int) (all []uint8) {
	for n, m := range sweepNames[i] {
		if (q.letters[n].in || modelStates[q.state] == bot.Preparing) && !slices.Contains(all, m.group) {
			all = append(all, m.group)
		}
	}
	return all
}

func sweepTalk(group uint8) bot.Talk { return bot.Talk{Group: recall.GroupID('a' + rune(group))} }

// request is the real request that sweep i stands for, and its messages.
func (w sweepWorld) request(i int) (bot.Request, []bot.Message) {
	q := w.requests[i]
	asker := modelAccounts[modelAskers[i]]
	person, _ := modelRosters[0].Of(asker)
	r := bot.Request{
		ID: bot.RequestID(fmt.Sprint("R-", i)), State: modelStates[q.state], Scope: command.Scope{Joined: true},
		By: bot.Actor{Person: person, Account: asker}, Accounts: modelRosters[0].Accounts(asker),
		Place: bot.Place{Platform: OnSlack, Workspace: "T1", Channel: "C1"}, Policy: modelPolicy, Asked: noon,
		Sealed: noon, Deadline: noon.Add(30 * time.Minute), Needed: 1, Granted: modelHour[q.granted],
	}
	if r.State != bot.Approved {
		r.Begun, r.StopAt = modelHour[q.begun], modelHour[q.stopped]
	}
	var messages []bot.Message
	for part, g := range q.groups(i) {
		p := bot.Part{Talk: sweepTalk(g)}
		if q.condemned&(1<<g) != 0 {
			p.Condemned = &bot.Condemnation{Code: recall.CodeNoGroup}
		}
		var seqs []recall.Seq
		for n, m := range sweepNames[i] {
			if m.group == g && q.letters[n].in {
				seqs = append(seqs, m.seq)
				messages = append(messages,
					bot.Message{Part: part, Seq: m.seq, Status: bot.SealNormal, Sender: "mallory"})
			}
		}
		p.Covers = command.MakeRanges(seqs...)
		r.Parts = append(r.Parts, p)
	}
	if r.State != bot.Preparing && len(messages) > 0 {
		r.Digest = bot.Digest(1, r.Parts, messages)
	}
	for a, account := range modelAccounts {
		if q.approvals&(1<<a) != 0 {
			person, _ := modelRosters[0].Of(account)
			r.Approvals = append(r.Approvals, bot.Approval{By: bot.Actor{Person: person, Account: account},
				Digest: r.Digest})
		}
	}
	return r, messages
}

// sweepQuestion is all that the real code is told of a sweep in one state.
type sweepQuestion struct {
	i, phase                                  uint8
	state, approvals, granted, begun, stopped uint8
	in                                        uint8
	condemned                                 uint8
}

type sweepAnswers struct {
	people               [len(deeds)][4]turned
	timer, begin, finish turned
	condemned            bool // as a whole
}

func (q sweepCourse) sealed() (in uint8) {
	for n, l := range q.letters {
		if l.in {
			in |= 1 << n
		}
	}
	return in
}

// answers asks the real code what each deed makes of sweep i.
func (m *sweepModel) answers(i int) sweepAnswers {
	w, q := m.from, m.from.requests[i]
	k := sweepQuestion{uint8(i), w.phase, q.state, q.approvals, q.granted, q.begun, q.stopped, q.sealed(), q.condemned}
	a, known := m.deeds[k]
	if known {
		return a
	}
	told := func(r bot.Request, ok bool) turned {
		t := turned{ok: ok, state: stateIndex(r.State)}
		for _, by := range r.Approvals {
			t.approvals |= 1 << slices.Index(modelAccounts, by.By.Account)
		}
		return t
	}
	r, messages := w.request(i)
	now := bot.Rules{Policy: modelPolicy, Roster: modelRosters[0], Asked: modelRosters[0], Now: modelHour[w.phase]}
	for n, account := range modelAccounts {
		by := bot.Member{Account: account, Groups: []string{"SLEADS"}}
		d := bot.Decision{Verdict: bot.Approve, By: by, Place: r.Place, Digest: r.Digest}
		next, err := bot.Decide(r, d, now)
		a.people[0][n] = told(next, err == nil)
		for _, digest := range m.otherDigests(i, r, messages) {
			d.Digest = digest
			if _, err := bot.Decide(r, d, now); err == nil {
				m.t.Errorf("the digest of another seal was approved in %v", w)
			}
		}
		d.Verdict, d.Digest = bot.Reject, r.Digest
		next, err = bot.Decide(r, d, now)
		a.people[1][n] = told(next, err == nil)
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
	a.condemned = r.Condemned()
	m.deeds[k] = a
	return a
}

// otherDigests are digests that must not approve the sweep: of the other one, and of the same
// numbers of another group, in each of its groups.
func (m *sweepModel) otherDigests(i int, r bot.Request, messages []bot.Message) (all []string) {
	if r.State != bot.Proposed {
		return nil
	}
	other, _ := m.from.request(1 - i)
	all = append(all, other.Digest)
	for part := range r.Parts {
		parts := slices.Clone(r.Parts)
		parts[part].Group = "z"
		all = append(all, bot.Digest(1, parts, messages))
	}
	if len(r.Parts) > 1 {
		moved := slices.Clone(messages) // the same numbers, all of them in the first group
		for n := range moved {
			moved[n].Part = 0
		}
		all = append(all, bot.Digest(1, r.Parts, moved))
	}
	return all
}

// sweepTx is the ledger of the model, as far as Overlap asks it.
type sweepTx struct {
	bot.Tx
	of    bot.Request
	state letter // of the message that both have
}

func (tx sweepTx) Requests(q bot.Query) ([]bot.Request, error) {
	part, ok := tx.of.In(bot.Talk{Group: q.Group, Topic: *q.Topic})
	if !ok || !slices.Contains(q.States, tx.of.State) || tx.of.Parts[part].Covers.Intersect(q.Seqs).Count() == 0 {
		return nil, nil
	}
	return []bot.Request{tx.of}, nil
}

func (tx sweepTx) Unsettled(bot.RequestID, bot.MessageID, int) ([]bot.MessageID, error) {
	if tx.state.outcome != outcomeNone {
		return nil, nil
	}
	part, _ := tx.of.In(sweepTalk(1))
	return []bot.MessageID{bot.IDOf(part, 1)}, nil
}

// overlaps reports whether sweep i, sealed as in to, is refused by the real code because of the
// other one.
func (m *sweepModel) overlap(i int, to sweepWorld) bool {
	other := to.requests[1-i]
	shared := other.letters[2*i] // of sweep 1 its first letter is the one of b, of sweep 0 its third
	if i == 0 {
		shared = other.letters[0]
	}
	settled := uint8(0)
	if shared.outcome != outcomeNone {
		settled = 1
	}
	k := [4]uint8{uint8(i), to.requests[i].sealed(), other.state<<4 | other.sealed(), settled}
	refused, known := m.overlaps[k]
	if known {
		return refused
	}
	r, _ := to.request(i)
	of, _ := to.request(1 - i)
	b := &bot.Bot{}
	for _, p := range r.Parts {
		err := b.Overlap(sweepTx{of: of, state: shared}, p.Talk, p.Covers, r.ID, OnSlack)
		refused = refused || errors.Is(err, &bot.Refusal{Key: "overlap"})
	}
	m.overlaps[k] = refused
	return refused
}

// put is w with sweep i as the real code left it.
func (w sweepWorld) put(i int, t turned) sweepWorld {
	q := &w.requests[i]
	if t.state != q.state {
		switch q.state = t.state; modelStates[t.state] {
		case bot.Approved:
			q.granted = w.phase
		case bot.Running:
			q.begun = w.phase
		case bot.Stopping:
			q.stopped = w.phase
		case bot.Withdrawn, bot.Refused: // times that count no more would only make more states
		}
	}
	q.approvals = t.approvals
	if state := modelStates[q.state]; !state.Open() && state.HasReceipt() {
		for n := range q.letters {
			if l := &q.letters[n]; l.in && l.outcome == outcomeNone {
				l.outcome = outcomeNotSent
			}
		}
	}
	return w
}

// steps yields every event that can happen in m.from, and what comes of it.
func (m *sweepModel) steps(yield func(string, int, sweepWorld)) {
	w := m.from
	for i := range w.requests {
		a := m.answers(i)
		for d, what := range deeds {
			for _, became := range a.people[d] {
				if became.ok {
					yield(what, i, w.put(i, became))
				}
			}
		}
		if a.timer.ok {
			yield("timer", i, w.put(i, a.timer))
		}
		m.work(i, a, yield)
		m.service(i, yield)
	}
	if w.phase < 2 {
		to := w
		to.phase++
		yield("time passes", -1, to)
	}
	for g := range 3 {
		if w.refuses&(1<<g) == 0 {
			to := w
			to.refuses |= 1 << g
			yield("a group refuses", -1, to)
		}
	}
	to := w
	for i := range to.requests {
		for n := range to.requests[i].letters {
			l := &to.requests[i].letters[n]
			l.stray = l.stray || l.flying && !l.reached
			l.flying, l.reached, l.unsent, l.answer = false, false, false, sweepNone
			if l.batch == batchSending {
				l.batch, l.doubted = batchDoubt, true
			}
		}
	}
	if to != w {
		yield("crash and takeover", -1, to)
	}
}

// work does the next steps for sweep i.
func (m *sweepModel) work(i int, a sweepAnswers, yield func(string, int, sweepWorld)) {
	w, q := m.from, m.from.requests[i]
	state := modelStates[q.state]
	switch state {
	case bot.Preparing:
		m.seal(i, yield)
		return
	case bot.Approved:
		if a.begin.ok {
			to := w.put(i, a.begin)
			for n := range to.requests[i].letters {
				if l := &to.requests[i].letters[n]; l.in {
					l.batch = batchPending
				}
			}
			yield("begin", i, to)
		}
		return
	case bot.Running, bot.Stopping:
	default:
		return
	}
	does := func(what string, n int, change func(q *sweepCourse, l *letter)) {
		to := w
		change(&to.requests[i], &to.requests[i].letters[n])
		yield(what, i, to)
	}
	settles := func(what string, n int, o bot.Outcome) {
		m.ends[o.Class] = true
		is := sweepOutcome(o)
		does(what, n, func(_ *sweepCourse, l *letter) { l.batch, l.outcome, l.answer = batchDone, is, sweepNone })
	}
	open, claimable := false, false
	for n, l := range q.letters {
		if !l.in {
			continue
		}
		open = open || l.batch != batchDone
		msg := sweepNames[i][n]
		gone, refuses := w.gone&(1<<msg.bit) != 0, w.refuses&(1<<msg.group) != 0
		isCondemned := q.condemned&(1<<msg.group) != 0
		given := func() (bot.Request, bot.Batch) { // what the real code is told
			r, _ := w.request(i)
			part, _ := r.In(sweepTalk(msg.group))
			return r, modelBatchOf(l, part, msg.seq)
		}
		unsent := func(what string) {
			r, bt := given()
			settles(what, n, outcomeOfBatch(r, bt, false, noon))
		}
		condemns := func(q *sweepCourse) { q.condemned |= 1 << msg.group }
		switch l.batch {
		case batchPending:
			switch {
			case state == bot.Stopping || a.condemned || isCondemned:
				unsent("end the rest")
			default:
				claimable = true
			}
		case batchSending:
			switch {
			case l.unsent && state == bot.Stopping:
				does("put back", n, func(_ *sweepCourse, l *letter) { l.batch, l.unsent = batchPending, false })
			case l.unsent && refuses: // it is read before the call
				does("read before the call: refused", n, func(q *sweepCourse, l *letter) {
					l.batch, l.unsent = batchPending, false
					condemns(q)
				})
			case l.unsent && gone && l.doubted:
				settles("read before the call: recalled", n, modelOutcomes[outcomeVerified])
			case l.unsent && gone:
				settles("read before the call: recalled by others", n, modelOutcomes[outcomeAlready])
			case l.unsent:
				does("call", n, func(_ *sweepCourse, l *letter) { l.unsent, l.flying, l.left = false, true, true })
			case l.answer == sweepRecalled:
				settles("store the answer", n, modelOutcomes[outcomeRecalled])
			case l.answer == sweepLost:
				does("store a doubt", n, func(_ *sweepCourse, l *letter) {
					l.answer, l.batch, l.doubted = sweepNone, batchDoubt, true
				})
			case l.answer == sweepRefused:
				res := judged(given())
				to := w
				l := &to.requests[i].letters[n]
				if l.answer = sweepNone; res.condemn != nil {
					condemns(&to.requests[i])
				}
				if o, ok := res.outcomes[msg.seq]; ok {
					m.ends[o.Class] = true
					l.batch, l.outcome = batchDone, sweepOutcome(o)
				} else { // it was in doubt, and cannot be read in a group that refuses
					l.batch, l.doubted = batchDoubt, true
				}
				yield("store the refusal", i, to)
			}
		case batchDoubt:
			switch {
			case refuses: // it cannot be read
			case gone:
				settles("read: recalled", n, modelOutcomes[outcomeVerified])
			case state == bot.Running:
				does("read: still there", n, func(_ *sweepCourse, l *letter) { l.batch = batchPending })
			default:
				settles("read: still there, stopping", n, modelOutcomes[outcomeStillThere])
			}
			if state == bot.Stopping && w.phase > q.stopped {
				unsent("give the doubt up")
			}
		}
	}
	if claimable { // all in one transaction, as there is room
		to := w
		for n := range q.letters {
			l := &to.requests[i].letters[n]
			if l.batch == batchPending && q.condemned&(1<<sweepNames[i][n].group) == 0 {
				l.batch, l.unsent = batchSending, true
			}
		}
		yield("claim", i, to)
	}
	if !open && a.finish.ok {
		m.doneCondemned = m.doneCondemned || q.condemned != 0 && modelStates[a.finish.state] == bot.Done
		yield("finish", i, w.put(i, a.finish))
	}
}

// modelBatchOf is the batch of a letter as the ledger has it.
func modelBatchOf(l letter, part int, seq recall.Seq) bot.Batch {
	is := bot.Batch{Part: part, Seqs: []recall.Seq{seq}, Doubted: l.doubted, Epoch: modelEpoch - 1,
		State: [...]bot.BatchState{"", bot.BatchPending, bot.BatchSending, bot.BatchDoubt, bot.BatchDone}[l.batch]}
	if l.unsent || l.flying || l.answer != sweepNone { // the holder knows of it
		is.Epoch = modelEpoch
	}
	return is
}

// judged is what the real code makes of a call whose group is refused as a whole.
func judged(r bot.Request, bt bot.Batch) *called {
	res := &called{fate: fate{batch: bt, outcomes: map[recall.Seq]bot.Outcome{}, reread: map[recall.Seq]bot.Outcome{}}}
	(&runner{}).judge(res, job{request: r, batch: bt}, bt.Seqs, &recall.Error{Code: recall.CodeNoGroup}, noon)
	return res
}

// seal seals sweep i over what of its groups can be read now.
func (m *sweepModel) seal(i int, yield func(string, int, sweepWorld)) {
	w, found := m.from, 0
	to := w
	q := &to.requests[i]
	for n, msg := range sweepNames[i] {
		if q.letters[n].in = w.refuses&(1<<msg.group) == 0 && w.gone&(1<<msg.bit) == 0; q.letters[n].in {
			found++
		}
	}
	refuse := func() {
		to := w
		to.requests[i].state = stateIndex(bot.Refused)
		yield("refused", i, to)
	}
	if found == 0 {
		refuse()
		return
	}
	if m.overlap(i, to) {
		m.refusedOverlap = true
		refuse()
		return
	}
	r, messages := to.request(i)
	sealed, err := bot.Propose(r, bot.Digest(1, r.Parts, messages), bot.TallyOf(messages), false, modelHour[w.phase])
	if err != nil {
		m.t.Errorf("not sealed: %v", err)
		return
	}
	q.state = stateIndex(sealed.State)
	m.sealedAfter = m.sealedAfter || w.requests[1-i].sealed() != 0
	m.sealedWithout = m.sealedWithout || found < len(sweepNames[i])
	yield("seal", i, to)
}

// service lets the calls of sweep i be executed and answered.
func (m *sweepModel) service(i int, yield func(string, int, sweepWorld)) {
	for n, l := range m.from.requests[i].letters {
		msg := sweepNames[i][min(n, len(sweepNames[i])-1)]
		refuses := m.from.refuses&(1<<msg.group) != 0
		does := func(what string, gone bool, change func(l *letter)) {
			to := m.from
			if gone {
				to.gone |= 1 << msg.bit
			}
			change(&to.requests[i].letters[n])
			yield(what, i, to)
		}
		switch {
		case l.flying && l.reached:
			does("the answer is lost", false,
				func(l *letter) { l.flying, l.reached, l.answer = false, false, sweepLost })
		case l.flying && refuses:
			does("refused", false, func(l *letter) { l.flying, l.answer = false, sweepRefused })
			does("no answer", false, func(l *letter) { l.flying, l.answer = false, sweepLost })
		case l.flying:
			does("executed", true, func(l *letter) { l.reached = true })
			does("executed and answered", true, func(l *letter) { l.flying, l.answer = false, sweepRecalled })
			does("no answer", false, func(l *letter) { l.flying, l.stray, l.answer = false, true, sweepLost })
		}
		if l.stray {
			if !refuses {
				does("executed late", true, func(l *letter) { l.stray = false })
			}
			does("never executed", false, func(l *letter) { l.stray = false })
		}
	}
}

// check holds a state, and the step to it, to what must always be true.
func (m *sweepModel) check(what string, of int, w sweepWorld) {
	before := m.from
	fail := func(wrong string, i int) {
		m.t.Errorf("sweep %d: %s\nafter %s of %d\nfrom %v\nto   %v", i, wrong, what, of, before, w)
	}
	holding := map[uint8]int{} // by message: the sweeps that are open and have it without an outcome
	for i, q := range w.requests {
		was := before.requests[i]
		state, stateBefore := modelStates[q.state], modelStates[was.state]
		if was.state != q.state && !slices.Contains(ledgertest.States[stateBefore], state) {
			fail(fmt.Sprintf("%s became %s", stateBefore, state), i)
		}
		if q.approvals&(1<<modelAskers[i]) != 0 || modelAskers[i] == 0 && q.approvals&(1<<1) != 0 {
			fail("the requester approved", i)
		}
		granted := state == bot.Approved || state == bot.Running || state == bot.Stopping || state.HasReceipt()
		if granted && q.approvals == 0 {
			fail("granted by nobody", i)
		}
		for n, l := range q.letters {
			if n >= len(sweepNames[i]) {
				break
			}
			msg, old := sweepNames[i][n], was.letters[n]
			if l.in && l.outcome == outcomeNone && state.Open() && state != bot.Preparing {
				holding[msg.bit]++
			}
			gone, refuses := w.gone&(1<<msg.bit) != 0, w.refuses&(1<<msg.group) != 0
			switch {
			case l.left && (!granted || !l.in):
				fail("a call for what is not sealed, or was not approved", i)
			case l.left && !old.left && q.condemned&(1<<msg.group) != 0 && was.condemned&(1<<msg.group) != 0 &&
				!old.unsent:
				fail("a call of a group that was condemned before it was claimed", i)
			case old.outcome != outcomeNone && old.outcome != l.outcome:
				fail("an outcome changed", i)
			case (l.outcome == outcomeRecalled || l.outcome == outcomeVerified || l.outcome == outcomeAlready) && !gone:
				fail("it is told as recalled and is still there", i)
			case l.outcome == outcomeNotSent && l.left:
				fail("it is told as not sent and a call for it left", i)
			case l.outcome == outcomeRefused && !refuses:
				fail("it is told as refused, and its group refuses nothing", i)
			case state.HasReceipt() && l.in && l.outcome == outcomeNone:
				fail("it ended without an outcome", i)
			case !stateBefore.Open() && l.outcome != old.outcome:
				fail("a settled sweep changed", i)
			}
			if l.batch != old.batch || l.doubted != old.doubted {
				wrong := ledgertest.CheckBatch(modelBatchOf(old, 0, 1), modelBatchOf(l, 0, 1), state, modelEpoch, false)
				if wrong != "" {
					fail(wrong, i)
				}
			}
			if old.outcome == outcomeNone && l.outcome != outcomeNone {
				wrong := ledgertest.CheckOutcome(l.outcome.asReal(), modelBatchOf(old, 0, 1), state, modelEpoch,
					strings.HasPrefix(what, "read"))
				if wrong != "" {
					fail(wrong, i)
				}
			}
		}
		if q.condemned&^w.refuses != 0 {
			fail("a group is condemned that refuses nothing", i)
		}
	}
	for bit, n := range holding {
		if n > 1 {
			fail(fmt.Sprintf("two open sweeps hold message %d", bit), -1)
		}
	}
}
