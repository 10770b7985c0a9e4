package bot

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// State is the state of a request. The package comment has the diagram; ExampleState prints every
// transition.
type State string

// The states of a request.
const (
	Preparing State = "preparing" // its messages are being read; nobody can decide yet
	Proposed  State = "proposed"  // sealed; waiting for people
	Approved  State = "approved"  // enough people said yes; not begun
	Running   State = "running"   // calls are being made
	Stopping  State = "stopping"  // no new calls; answers in flight are awaited and doubt is resolved

	Done       State = "done"        // every message has its outcome
	Stopped    State = "stopped"     // ended early; every message has its outcome
	NotStarted State = "not started" // approved, but could not begin in time
	Refused    State = "refused"     // refused by the bot while preparing
	Withdrawn  State = "withdrawn"   // taken back by the requester
	Rejected   State = "rejected"    // an approver said no
	Expired    State = "expired"     // nobody decided in time
)

// States lists every state, in the order of a request's life.
func States() []State {
	return []State{Preparing, Proposed, Approved, Running, Stopping, Done, Stopped, NotStarted, Refused, Withdrawn,
		Rejected, Expired}
}

// Open reports whether a request in this state still reserves its messages and counts for MaxOpen.
func (s State) Open() bool {
	return s == Preparing || s == Proposed || s == Approved || s == Running || s == Stopping
}

// OpenStates returns the states in which a request is open.
func OpenStates() []State {
	return slices.DeleteFunc(States(), func(s State) bool { return !s.Open() })
}

// HasReceipt reports whether a request that ended in this state was approved, and so has outcomes
// and a receipt.
func (s State) HasReceipt() bool { return s == Done || s == Stopped || s == NotStarted }

// Actor is a person at the moment of an act: who they are by the roster, and the account they used.
type Actor struct {
	Person  PersonID `json:"person"`
	Account Account  `json:"account"`
	Name    string   `json:"name"` // as the platform shows it; chosen by its owner
}

// Zero reports whether nobody is named.
func (a Actor) Zero() bool { return a.Person == "" }

// Approval is one person's yes to one digest.
type Approval struct {
	By     Actor     `json:"by"`
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	Event  EventID   `json:"event"`
}

// Replies are messages of the group that quote messages of a request and are not part of it. They
// are forgotten with the evidence.
type Replies struct {
	Seqs   command.Ranges `json:"seqs,omitempty"`
	Quoted command.Ranges `json:"quoted,omitempty"` // the messages of the request that they quote
	Unread bool           `json:"unread,omitempty"` // they could not be looked for
	Sought bool           `json:"sought,omitempty"` // they are being looked for, since the request was sealed
	// In are those of a sweep, by its parts: each has Seqs and Quoted of its own.
	In []RepliesIn `json:"in,omitempty"`
}

// RepliesIn are the replies in one part of a sweep.
type RepliesIn struct {
	Part   int            `json:"part"`
	Seqs   command.Ranges `json:"seqs"`
	Quoted command.Ranges `json:"quoted"`
}

// Request is one ask to recall messages. Its zero value is not a request. Only the
// functions of this file change it. They are pure: they return the changed request, and the caller
// stores it.
type Request struct {
	ID    RequestID       `json:"id"`
	App   recall.SDKAppID `json:"app"`
	State State           `json:"state"`

	Scope  command.Scope `json:"scope"` // as asked; a filter's times are absolute
	Reason string        `json:"reason,omitempty"`
	// ReasonKey is the key of the HMACs that the audit log has of reasons (Mark).
	ReasonKey []byte `json:"reason_key,omitempty"`
	// ReasonsForgotten says that the words of its reasons and their key are forgotten.
	ReasonsForgotten bool      `json:"reasons_forgotten,omitempty"`
	By               Actor     `json:"by"`
	Accounts         []Account `json:"accounts"` // every account of the requester's person when it was asked
	Place            Place     `json:"place"`
	Policy           Policy    `json:"policy"` // as it was when asked
	Roster           string    `json:"roster"` // the hash of the roster it was asked under
	// Others is how many people besides the requester could approve at the time of asking, at most;
	// nil where that was not known.
	Others *int `json:"others,omitempty"`

	// Parts are where its messages are: one for each group or topic. As asked while preparing, as
	// sealed from then on; a sweep has none before its groups are known.
	Parts []Part `json:"parts,omitempty"`
	// Exact says that a sweep was asked by the numbers of its messages, which its parts have from
	// the beginning. No filter is read for it: that of its scope only names the sender.
	Exact bool `json:"exact,omitempty"`

	// Swept is what the reading of a sweep looked at; nil for a request over one group.
	Swept *Swept `json:"swept,omitempty"`

	Asked    time.Time `json:"asked"`
	Sealed   time.Time `json:"sealed,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"` // of the decision; counted from sealing, then from the post
	Granted  time.Time `json:"granted,omitzero"`  // when enough people had approved
	Begun    time.Time `json:"begun,omitzero"`
	Settled  time.Time `json:"settled,omitzero"` // when every message had its outcome, and confirming began
	StopAt   time.Time `json:"stop_at,omitzero"` // when stopping began
	Ended    time.Time `json:"ended,omitzero"`

	// Earlier are requests that held some of these messages before; EarlierMore is how many more
	// were found.
	Earlier     []Earlier `json:"earlier,omitempty"`
	EarlierMore int       `json:"earlier_more,omitempty"`

	// Digest names exactly what was sealed; "" while preparing.
	Digest string `json:"digest,omitempty"`
	Tally  Tally  `json:"tally"` // what the seal found
	Blind  bool   `json:"blind,omitempty"`
	Needed int    `json:"needed,omitempty"`

	Approvals []Approval `json:"approvals,omitempty"`

	// EndedBy and EndReason are who ended the request and why: the approver who rejected it, or the
	// person who stopped or withdrew it.
	EndedBy   Actor  `json:"ended_by,omitzero"`
	EndReason string `json:"end_reason,omitempty"`
	// Replies are later messages that quote some of these; nil where there is none, or where none
	// was looked for.
	Replies *Replies `json:"replies,omitempty"`
	// RefusedFor is why the bot itself refused the request, or took it back.
	RefusedFor Line `json:"refused_for,omitempty"`
	// Waiting is what failed when its messages were last read while it was preparing; nil when
	// nothing did.
	Waiting Line `json:"waiting,omitempty"`
	// Receipt is the number of the final account, 0 before the end. A copy bears the same number.
	Receipt int `json:"receipt,omitempty"`
	// ReceiptRun is the run that the number is of; 0 for the first (NewReceiptRun).
	ReceiptRun int `json:"receipt_run,omitempty"`
	// AuditHead is the head of the audit chain when it ended.
	AuditHead string `json:"audit_head,omitempty"`
}

// Awaits returns how many more people must approve the request, as far as is known without a
// roster: at least one while it is proposed.
func (r Request) Awaits() int { return max(1, r.Needed-len(r.Approvals)) }

// Delay returns how long passes between the last approval of the request and its first call.
func (r Request) Delay() time.Duration {
	if r.Tally.Send < r.Policy.LargeFrom {
		return 0
	}
	return r.Policy.LargeDelay
}

// ReceiptNumber is the number of the receipt as people read it: 7, or 2-7 after the ledger was
// restored.
func (r Request) ReceiptNumber() string {
	if r.ReceiptRun > 0 {
		return fmt.Sprintf("%d-%d", r.ReceiptRun, r.Receipt)
	}
	return strconv.Itoa(r.Receipt)
}

// Earlier is an earlier request for some of the same messages, with its end. Cards show it, so that
// nobody asks again until some approver agrees.
type Earlier struct {
	ID     RequestID `json:"id"`
	State  State     `json:"state"`
	By     Actor     `json:"by,omitzero"` // who decided or ended it
	Reason string    `json:"reason,omitempty"`
	Ended  time.Time `json:"ended,omitzero"`
}

// Verdict is a person's decision about a request.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// Decision is one person's verdict about one digest.
type Decision struct {
	Verdict Verdict
	By      Member
	Place   Place // where it was pressed or typed
	Digest  string
	Reason  string // of a reject; optional
	Event   EventID
}

// Rules are the facts that count at the moment of an act: the configured policy and roster, the
// roster under which the request was asked, and the ledger's time.
type Rules struct {
	Policy Policy
	Roster Roster
	Asked  Roster // the roster that the request names
	Now    time.Time
}

// Decide is the only function that makes an approval. It returns the request as it is after d, or a
// Refusal.
//
// An approval is refused unless all of it holds: the account may approve now, and might have by the
// policy and roster that the request was asked under; the request is proposed and its deadline has
// not passed; the digest is the one that was sealed; the press came from the workspace it was asked
// in, or from the other platform where a roster joins the two, then and now; and the person is
// neither the requester, under the roster then or now, nor one who has approved already. The
// approval that reaches the needed number grants, if those who approved are still that many
// different people other than the requester under both rosters.
//
// A reject needs the same but for the last: a person may turn an approval of theirs into a reject
// while the request is proposed.
func Decide(r Request, d Decision, now Rules) (Request, error) {
	if err := now.Policy.MayApprove(d.By, now.Roster); err != nil {
		return r, err
	}
	if !r.Policy.IsApprover(d.By) {
		return r, NewRefusal("not_approver_then")
	}
	if err := decidable(r, now); err != nil {
		return r, err
	}
	if d.Digest != r.Digest {
		return r, NewRefusal("stale_card")
	}
	if d.Place.Platform == r.Place.Platform && d.Place.Workspace != r.Place.Workspace {
		return r, NewRefusal("other_workspace")
	}
	if d.Place.Platform != r.Place.Platform && (now.Roster.Empty() || now.Asked.Empty()) {
		return r, NewRefusal("other_platform", "platform", PlatformName(r.Place.Platform))
	}
	if isRequester(r, d.By.Account, now) {
		if d.Verdict == Reject {
			return r, NewRefusal("own_reject", "command",
				Code(command.Command{Verb: command.VerbWithdraw, Request: r.ID}.Write(d.Place.Platform.TypesOptions())))
		}
		return r, NewRefusal("own_request")
	}
	if _, ok := now.Asked.Of(d.By.Account); !ok {
		return r, NewRefusal("not_approver_then")
	}
	person, _ := now.Roster.Of(d.By.Account)
	by := Actor{Person: person, Account: d.By.Account, Name: d.By.Name}
	mine := slices.IndexFunc(r.Approvals, func(a Approval) bool { return samePerson(a.By.Account, d.By.Account, now) })

	r.Approvals = slices.Clone(r.Approvals)
	switch d.Verdict {
	case Reject:
		if mine >= 0 {
			r.Approvals = slices.Delete(r.Approvals, mine, mine+1)
		}
		r.EndReason = d.Reason
		return end(r, Rejected, by, now.Now), nil
	case Approve:
		if mine >= 0 {
			return r, NewRefusal("approved_already", "n", r.Needed-distinct(r, now))
		}
		r.Approvals = append(r.Approvals, Approval{By: by, Digest: d.Digest, At: now.Now, Event: d.Event})
		if distinct(r, now) >= r.Needed {
			r.State, r.Granted = Approved, now.Now
		}
		return r, nil
	}
	panic("bot: unknown verdict " + string(d.Verdict)) // unreachable unless an adapter invents a verdict
}

// decidable returns a Refusal unless r is proposed and its deadline is ahead.
func decidable(r Request, now Rules) error {
	switch {
	case r.State == Preparing:
		return NewRefusal("still_preparing")
	case r.State != Proposed:
		return NewRefusal("decided_already", "what", howEnded(r))
	case !now.Now.Before(r.Deadline):
		return NewRefusal("too_late", "deadline", r.Deadline)
	}
	return nil
}

// isRequester reports whether the account, or any account of its person, is the requester's: by the
// accounts that were stored at asking, by the roster of then, or by the roster of now. Links of
// both rosters are followed together: one may link the account to a second one, and the other may
// link that one to the requester.
func isRequester(r Request, a Account, now Rules) bool {
	rosters := []Roster{now.Roster, now.Asked}
	requesters := append([]Account{r.By.Account}, r.Accounts...)
	for _, own := range requesters {
		for _, roster := range rosters {
			requesters = append(requesters, roster.Accounts(own)...)
		}
	}
	for _, roster := range rosters {
		if p, ok := roster.Of(a); ok && p == r.By.Person {
			return true
		}
		if slices.ContainsFunc(roster.Accounts(a),
			func(theirs Account) bool { return slices.ContainsFunc(requesters, theirs.Is) }) {
			return true
		}
	}
	return false
}

// IsRequester reports whether the account, or any account of its person, is the requester's, as
// Decide sees it.
func IsRequester(r Request, a Account, now Rules) bool { return isRequester(r, a, now) }

// samePerson reports whether two accounts are one person's under the roster of then or the roster
// of now.
func samePerson(a, b Account, now Rules) bool {
	return slices.ContainsFunc(now.Roster.Accounts(a), b.Is) || slices.ContainsFunc(now.Asked.Accounts(a), b.Is)
}

// distinct counts the people behind the approvals: accounts that are one person's under either
// roster count once, and those that a roster has meanwhile linked to the requester do not count.
func distinct(r Request, now Rules) int {
	var people []Account
	for _, a := range r.Approvals {
		same := func(p Account) bool { return samePerson(p, a.By.Account, now) }
		if !isRequester(r, a.By.Account, now) && !slices.ContainsFunc(people, same) {
			people = append(people, a.By.Account)
		}
	}
	return len(people)
}

func end(r Request, s State, by Actor, now time.Time) Request {
	r.State, r.EndedBy, r.Ended, r.Waiting = s, by, now, nil
	return r
}

// Propose seals r: it fixes what would be sent and opens it for decisions. It fails unless r is
// preparing.
func Propose(r Request, digest string, t Tally, blind bool, now time.Time) (Request, error) {
	if r.State != Preparing {
		return r, NewRefusal("decided_already", "what", howEnded(r))
	}
	r.State, r.Sealed, r.Digest, r.Tally, r.Blind, r.Waiting = Proposed, now, digest, t, blind, nil
	r.Deadline = now.Add(r.Policy.ApproveWithin)
	r.Needed = r.Policy.Needed(t.Send)
	return r, nil
}

// Called moves the deadline of r to ApproveWithin after when its card was posted, which is when
// people were called to decide. It changes nothing unless r is proposed.
func Called(r Request, at time.Time) Request {
	if r.State == Proposed {
		r.Deadline = at.Add(r.Policy.ApproveWithin)
	}
	return r
}

// Refuse ends r while it is being prepared, because the bot cannot or must not continue.
func Refuse(r Request, why Line, now time.Time) (Request, error) {
	if r.State != Preparing {
		return r, NewRefusal("decided_already", "what", howEnded(r))
	}
	r.RefusedFor = why
	return end(r, Refused, Actor{}, now), nil
}

// Withdraw takes back a request that nobody has decided. Only its requester can, from any of their
// accounts.
func Withdraw(r Request, by Member, now Rules) (Request, error) {
	if err := now.Roster.admits(by); err != nil {
		return r, err
	}
	if !isRequester(r, by.Account, now) {
		return r, NewRefusal("not_yours")
	}
	if r.State != Preparing && r.State != Proposed {
		if r.State == Approved || r.State == Running {
			return r, NewRefusal("stop_instead", "what", howEnded(r), "command",
				Code(command.Command{Verb: command.VerbStop, Request: r.ID}.Write(by.Account.Platform.TypesOptions())))
		}
		return r, NewRefusal("cannot_withdraw", "what", howEnded(r))
	}
	person, _ := now.Roster.Of(by.Account)
	return end(r, Withdrawn, Actor{Person: person, Account: by.Account, Name: by.Name}, now.Now), nil
}

// Unposted takes back a request whose card could not be posted, so that nobody could decide it. why
// is what the requester is told. It fails if the request has an approval, or is decided: somebody
// has seen it in another way.
func Unposted(r Request, why Line, now time.Time) (Request, error) {
	if r.State != Preparing && r.State != Proposed || len(r.Approvals) > 0 {
		return r, NewRefusal("decided_already", "what", howEnded(r))
	}
	r.RefusedFor = why
	return end(r, Withdrawn, Actor{}, now), nil
}

// Stop ends an approved or running request early. Its requester can do that, and anybody who may
// approve now. A running request becomes stopping, since calls in flight still get their outcomes;
// one that has not begun becomes stopped at once.
func Stop(r Request, by Member, now Rules) (Request, error) {
	if err := now.Roster.admits(by); err != nil {
		return r, err
	}
	if !isRequester(r, by.Account, now) && now.Policy.MayApprove(by, now.Roster) != nil {
		return r, NewRefusal("may_not_stop")
	}
	person, _ := now.Roster.Of(by.Account)
	who := Actor{Person: person, Account: by.Account, Name: by.Name}
	switch r.State {
	case Approved:
		r.StopAt = now.Now
		return end(r, Stopped, who, now.Now), nil
	case Running:
		if r.Confirming() {
			return r, NewRefusal("nothing_left", "id", r.ID)
		}
		r.State, r.StopAt, r.EndedBy = Stopping, now.Now, who
		return r, nil
	case Preparing:
		return r, NewRefusal("still_preparing")
	case Proposed:
		return r, NewRefusal("nothing_runs", "id", r.ID)
	case Stopping:
		return r, NewRefusal("stopping_already")
	}
	return r, NewRefusal("decided_already", "what", howEnded(r))
}

// Pass changes r for the time that has passed. A proposed request expires after its deadline. An
// approved one that could not begin within StartWithin ends as not started. A running one becomes
// stopping when no outcome was stored for StartWithin after lastOutcome. changed is false where
// nothing of that is due.
func Pass(r Request, lastOutcome, now time.Time) (next Request, changed bool) {
	switch r.State {
	case Preparing:
		if !now.Before(r.Asked.Add(r.Policy.StartWithin)) {
			why := r.Waiting
			if why == nil {
				why = Say("failed.not_tried")
			}
			r.RefusedFor = Say("refuse.not_readable", "within", r.Policy.StartWithin, "why", why)
			return end(r, Refused, Actor{}, now), true
		}
	case Proposed:
		if !now.Before(r.Deadline) {
			return end(r, Expired, Actor{}, now), true
		}
	case Approved:
		if !now.Before(r.Granted.Add(r.Policy.StartWithin)) {
			return end(r, NotStarted, Actor{}, now), true
		}
	case Running:
		if lastOutcome.Before(r.Begun) {
			lastOutcome = r.Begun
		}
		if !r.Confirming() && !now.Before(lastOutcome.Add(r.Policy.StartWithin)) {
			r.State, r.StopAt = Stopping, now
			return r, true
		}
	}
	return r, false
}

// unwind turns a large approved request that Stop or Pass has just ended into a stopping one,
// because giving every message its outcome takes several transactions. begun says that calls may
// have been made for it.
func unwind(r Request, begun bool, now time.Time) Request {
	r.State, r.StopAt, r.Ended = Stopping, now, time.Time{}
	if begun {
		r.Begun = now
	}
	return r
}

// NeverBegun reports whether an approved request ran out of time before anything of it was begun.
func (r Request) NeverBegun() bool { return r.Begun.IsZero() && r.EndedBy.Zero() }

// Begin marks an approved request as running.
func Begin(r Request, now time.Time) (Request, error) {
	if r.State != Approved {
		return r, NewRefusal("decided_already", "what", howEnded(r))
	}
	r.State, r.Begun = Running, now
	return r, nil
}

// Confirming reports whether every message has its outcome and the bot still looks for what
// confirms the outcomes. Nothing is sent any more.
func (r Request) Confirming() bool {
	return !r.Settled.IsZero() && (r.State == Running || r.State == Stopping)
}

// Finish ends a request in which every message has its outcome: running becomes done; stopping
// becomes stopped, or not started when it never began.
func Finish(r Request, now time.Time) (Request, error) {
	switch r.State {
	case Running:
		return end(r, Done, Actor{}, now), nil
	case Stopping:
		if r.NeverBegun() {
			return end(r, NotStarted, Actor{}, now), nil
		}
		return end(r, Stopped, r.EndedBy, now), nil
	}
	return r, NewRefusal("decided_already", "what", howEnded(r))
}

// howEnded returns in words what state r is in, and who brought it there.
func howEnded(r Request) Line {
	key := "settled." + string(r.State)
	if r.State == Approved || r.State == Running || r.State == Stopping || r.State == Done {
		return Say(key, "who", people(r.Approvals), "when", r.Granted)
	}
	if r.State == Withdrawn && r.EndedBy.Zero() {
		key += ".alone"
	}
	return Say(key, "who", ActorName(r.EndedBy), "when", r.Ended)
}

// ActorName shows a person by the name that they chose, which proves nothing, and by their account.
func ActorName(a Actor) Line {
	switch {
	case a.Zero():
		return Say("nobody")
	case a.Name == "":
		return Line{Code(a.Account.User)}
	}
	return Line{Quote(Cut(a.Name, 60)), {Kind: Words, Text: " ("}, Code(a.Account.User), {Kind: Words, Text: ")"}}
}

// people lists who approved.
func people(approvals []Approval) Line {
	var l Line
	for i, a := range approvals {
		if i > 0 {
			l = append(l, Span{Kind: Words, Text: ", "})
		}
		l = append(l, ActorName(a.By)...)
	}
	if l == nil {
		return Say("nobody")
	}
	return l
}

// PlatformName is what people call the platform.
func PlatformName(p Platform) Span { return Span{Kind: Words, Text: p.Traits().Name} }
