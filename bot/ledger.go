package bot

import (
	"context"
	"crypto/hmac"
	"errors"
	"strconv"
	"time"

	"recallbot/bot/command"
	"recallbot/recall"
)

// Index says what is kept of the messages that callbacks tell of, so that those of groups without
// history can be found.
type Index string

// What can be kept.
const (
	IndexOff     Index = "off"
	IndexHash    Index = "hash"    // who and when, and an HMAC of what
	IndexExcerpt Index = "excerpt" // the beginning of what, too
)

// Arrival is a message as the after-send callback told of it. Nothing but the callback says that it
// exists.
type Arrival struct {
	Group  recall.GroupID `json:"group"`
	Topic  recall.TopicID `json:"topic,omitempty"`
	Seq    recall.Seq     `json:"seq"`
	Sender recall.UserID  `json:"sender"`
	Sent   time.Time      `json:"sent,omitzero"` // to the second, by the service's clock
	// HMAC is over the content under a key that no place keeps: it tells two messages apart, and
	// nobody can test a guess against it.
	HMAC []byte `json:"hmac"`
	// Said is an HMAC of the content alone, equal for messages that say the same, under the key of
	// SettingIndexKey. What an earlier version kept has none.
	Said    []byte `json:"-"`
	Excerpt string `json:"excerpt,omitempty"` // with IndexExcerpt
	// Disputed says that another callback told of another message with this number: nobody knows
	// which of the two is made up.
	Disputed bool      `json:"disputed,omitempty"`
	Came     time.Time `json:"-"` // by the ledger's clock
}

// Same reports whether two callbacks may have told of the same message. Their HMACs need not be
// equal for that: each process has its own key.
func (a Arrival) Same(o Arrival) bool {
	return a.Sender == o.Sender && a.Sent.Equal(o.Sent) && (a.Excerpt == o.Excerpt || a.Excerpt == "" ||
		o.Excerpt == "") && (len(a.Said) == 0 || len(o.Said) == 0 || hmac.Equal(a.Said, o.Said))
}

// Removal is a recall as the after-recall callback told of it, whoever made it.
type Removal struct {
	Group recall.GroupID `json:"group"`
	Topic recall.TopicID `json:"topic,omitempty"`
	Seq   recall.Seq     `json:"seq"`
	By    recall.UserID  `json:"by,omitempty"`
	At    time.Time      `json:"at"` // by the service's clock; when it came, where the callback does not say
	Came  time.Time      `json:"-"`  // by the ledger's clock
}

// Ledger is the bot's durable memory. What a Tx wrote is on disk when Ledger.Tx returns nil, all of
// it or nothing. ledgertest.Test holds every implementation to what is promised here.
//
// Times come from one clock, the ledger's, with a resolution of one millisecond: the process's own
// for SQLite, the database's for PostgreSQL.
type Ledger interface {
	// Tx runs fn in a transaction that reads and writes. Transactions behave as if they ran one
	// after the other: where the store finds that two cannot, fn is run again, so fn must have no
	// effect outside tx. fn must not keep tx, nor start another transaction. When fn returns an
	// error nothing is written and Tx returns that error unwrapped. Once Tx, View, Acquire or Renew
	// has returned ErrEnded all of them do. Where the answer to the commit is lost, Tx finds out
	// what became of it as long as ctx allows, and returns an *Unsure where it cannot.
	Tx(ctx context.Context, fn func(tx Tx) error) error

	// View runs fn on one consistent state, reading only. It does not wait for writers.
	View(ctx context.Context, fn func(tx Tx) error) error

	// Subscribe returns a channel that gets a value soon after a committed transaction woke one of
	// the topics (Tx.Wake), in this process or, where replicas share the store, in any. Several
	// wakes may arrive as one. A wake may be lost when the store is out of reach, so loops poll
	// slowly as well. The channel is closed by cancel.
	Subscribe(topics ...Topic) (wakes <-chan struct{}, cancel func())

	// Acquire takes the named lease for holder until ttl from now and returns it with an epoch
	// higher than any before. It returns ErrHeld while another holder has it. A holder that
	// acquires its own lease again gets a new epoch.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error)

	// Renew keeps the lease until ttl from now. It returns ErrFenced when the epoch has changed.
	Renew(ctx context.Context, l Lease, ttl time.Duration) error

	// Release gives the lease up at once; nothing can be written under it any more. Releasing what
	// is no longer held does nothing. Where Lease.Rested is set the next to acquire it finds no
	// Prior.
	Release(ctx context.Context, l Lease) error

	// Shared reports whether other processes may serve the same store.
	Shared() bool

	// Close releases the store. It must be called once, after the last transaction has returned.
	Close() error
}

// Errors of a Ledger.
var (
	// ErrNotFound: there is no such thing in the ledger.
	ErrNotFound = errors.New("not in the ledger")
	// ErrHeld: another holder has the lease.
	ErrHeld = errors.New("lease held by another")
	// ErrFenced: the lease has passed to another; nothing was written.
	ErrFenced = errors.New("lease lost to another holder")
	// ErrEnded: the ledger takes nothing more from this process, whatever it tries. The process
	// ends; another one goes on.
	ErrEnded = errors.New("the ledger takes nothing more from this process")
	// ErrRule: the schema itself refused what the code tried to write. It shows a mistake in the
	// code.
	ErrRule = errors.New("refused by the ledger's own rules")
)

// Unsure is the error of a transaction of which nobody knows whether it was written: the answer to
// its commit was lost, and the store cannot be asked.
type Unsure struct {
	Err error // how the answer was lost
	// Written finds out whether all of it was written, or nothing; it waits while that is not
	// decided. It returns an error while the store cannot be asked.
	Written func(ctx context.Context) (bool, error)
}

// Error says that it is not known, and why.
func (u *Unsure) Error() string { return "it is not known whether it was stored: " + u.Err.Error() }

// Unwrap returns how the answer was lost.
func (u *Unsure) Unwrap() error { return u.Err }

// Topic is what a transaction wakes: the loop that has something new to look at.
type Topic string

// The topics, one a loop.
const (
	WakePreparer Topic = "preparer"
	WakeRunner   Topic = "runner"
	WakeTeller   Topic = "teller"
	WakeTimer    Topic = "timer"
	WakeLister   Topic = "lister"
	WakeListed   Topic = "listed" // those who wait for the groups to be listed
)

// Lease is the right to act alone: for a Chat app's runner, a platform's teller, a gateway
// connection. Epoch fences the writes of those who held it before.
type Lease struct {
	Name   string
	Holder string
	Epoch  int64
	Till   time.Time // by the ledger's clock
	// Prior is who held it before this Acquire; "" when nobody ever did, or released it rested. A
	// holder that follows itself need not wait for the quota's window.
	Prior string
	// NoWait is set by a holder before Release, when what it did under the lease is so long ago
	// that nobody need wait for it.
	NoWait bool
}

// Tx is one transaction. Its methods return ErrNotFound, ErrFenced or ErrRule as they say, and else
// faults of the store.
type Tx interface {
	// Now is the ledger's time, the same through the whole transaction.
	Now() time.Time
	// Wake tells the subscribers of the topics, once the transaction is committed.
	Wake(topics ...Topic)

	// AddEvent stores an event under its id and returns nil. Where the id is known already nothing
	// is written and the stored event is returned.
	AddEvent(e StoredEvent) (*StoredEvent, error)
	// CloseEvent stores the answer to an event, and forgets how to reply to it (StoredEvent.Body).
	// It returns ErrNotFound where there is no such event or it has its answer: the first one
	// stays.
	CloseEvent(id EventID, answer []byte) error
	// Event returns a stored event, ErrNotFound where there is none or it is forgotten.
	Event(id EventID) (StoredEvent, error)
	// OpenEvents returns the events of a platform that have no answer yet, oldest first.
	OpenEvents(p Platform) ([]StoredEvent, error)
	// ForgetEvents removes answered events stored before t and returns how many. Their text is soon
	// gone from the disk as well.
	ForgetEvents(before time.Time) (int, error)
	// OldEvents reports whether ForgetEvents would remove any.
	OldEvents(before time.Time) (bool, error)

	// AddRequest stores a new request. Its id must be new, else ErrRule.
	AddRequest(r Request) error
	// Request returns one request, its approvals included, and holds it: nobody else changes it
	// before this transaction ends. Messages come by Messages.
	Request(id RequestID) (Request, error)
	// PutRequest stores what a request has become. It writes the difference in Approvals too: those
	// gone are deleted, those new inserted, and the schema refuses (ErrRule) one by the requester,
	// a second one by the same person, or one about another digest. ErrRule too when the requester,
	// app, group, topic or time of asking would change, or the digest once it is set; the groups
	// of a sweep may change until then. Where the
	// filter's phrase has become Withheld, what it was is soon gone from the disk as well.
	PutRequest(r Request) error
	// Grant stores that the request has enough approvals. Batches hang on it. The schema refuses
	// (ErrRule) a grant without an approval of this digest.
	Grant(id RequestID, digest string) error
	// Requests returns requests, newest first.
	Requests(q Query) ([]Request, error)
	// RequestsAfter returns up to limit requests whose id comes after that one, by their ids in the
	// ledger's order, for who goes through all of them. "" comes before all.
	RequestsAfter(id RequestID, limit int) ([]Request, error)

	// Askers returns who asked each open request of an app.
	Askers(app recall.SDKAppID) ([]Asker, error)
	// Touched returns up to limit groups that requests of an app were about, the one asked about
	// last first.
	Touched(app recall.SDKAppID, limit int) ([]Touched, error)

	// AddMessages stores messages that a request is going to be sealed with, in as many
	// transactions as there is need for. ErrRule where a message is there already, and once the
	// request has its digest: what was sealed never changes. An outcome that a message brings is
	// stored with it.
	AddMessages(id RequestID, messages []Message) error
	// DropMessages removes up to limit messages that a request was going to be sealed with, and
	// returns how many. ErrRule once it has its digest.
	DropMessages(id RequestID, limit int) (int, error)
	// Messages returns up to limit messages with an id of at least from, ascending, with their
	// outcomes; none before the request has its digest.
	Messages(id RequestID, from MessageID, limit int) ([]Message, error)
	// Sealed is Messages without what they say, for who goes through a flood.
	Sealed(id RequestID, from MessageID, limit int) ([]Message, error)
	// Unbatched returns up to limit messages, ascending, that are in no batch and have no outcome,
	// without what they say. It relies on messages being put into their first batch in the order of
	// their ids.
	Unbatched(id RequestID, limit int) ([]Message, error)
	// NotGone returns up to limit messages, ascending, that were to be sent and whose outcome says
	// that they are still there, or not certainly gone, without what they say.
	NotGone(id RequestID, limit int) ([]Message, error)
	// Unsettled returns up to limit ids of at least from, ascending, of messages without an
	// outcome.
	Unsettled(id RequestID, from MessageID, limit int) ([]MessageID, error)
	// PutOutcomes stores the outcome of messages that have none yet, and the time of it as the
	// request's last outcome; an outcome once stored never changes. It returns how many were
	// written.
	PutOutcomes(id RequestID, outcomes map[MessageID]Outcome) (int, error)
	// Confirm raises what stored outcomes of class recalled rest on, where it was the API's answer
	// alone.
	Confirm(id RequestID, messages []MessageID, by Confirmation) (int, error)
	// Unconfirmed returns up to limit ids of at least from, ascending, whose outcome is of class
	// recalled by the API's answer alone.
	Unconfirmed(id RequestID, from MessageID, limit int) ([]MessageID, error)
	// RecalledRuns returns the runs of at least least messages of a group or topic, with seqs up to
	// hi, that outcomes say are recalled: by a second source, or because history showed them as
	// recalled. Requests that were asked long ago may be left out.
	RecalledRuns(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, hi recall.Seq,
		least int) (command.Ranges, error)
	// Rests counts the messages of class recalled by what that rests on.
	Rests(id RequestID) (map[Confirmation]int, error)
	// Progress counts the messages of a request by class of outcome, those not sealed yet among
	// them; messages without one are counted under "".
	Progress(id RequestID) (map[Class]int, error)
	// LastOutcome is when an outcome of the request was last stored; zero when never.
	LastOutcome(id RequestID) (time.Time, error)

	// EvidenceKey returns the request's HMAC key, ErrNotFound once it is forgotten.
	EvidenceKey(id RequestID) ([]byte, error)
	// PutEvidenceKey stores it.
	PutEvidenceKey(id RequestID, key []byte) error
	// Kinds returns what the messages of the request were folded into, nil where they were not, or
	// once that is forgotten.
	Kinds(id RequestID) (*Kinds, error)
	// PutKinds stores it beside the key, with which it is forgotten: ErrNotFound if there is none.
	PutKinds(id RequestID, k Kinds) error
	// ForgetEvidence deletes the text of up to limit messages of the request, and returns of how
	// many. Where that is fewer than limit there is no more of it, and the key is deleted too.
	ForgetEvidence(id RequestID, limit int) (int, error)

	// Fence returns ErrFenced unless the lease's epoch is still the newest. It holds the lease's
	// row, so that a takeover waits for this transaction.
	Fence(l Lease) error
	// AddBatches stores new batches under the request's grant, and puts their messages into them,
	// out of any batch they were in. The ledger numbers them: Batch.N is ignored, and each gets the
	// next number of its request, from 1. ErrRule when there is no grant, or a message is not of
	// this request.
	AddBatches(id RequestID, batches []Batch) error
	// Batches returns up to limit batches of the request that are in one of the states, by After
	// and then by number, so that those that are put off come last. Seqs holds those of its
	// messages that have no outcome yet.
	Batches(id RequestID, limit int, states ...BatchState) ([]Batch, error)
	// PutBatches stores state, epoch, doubt, attempts and After of batches that exist, else
	// ErrNotFound.
	PutBatches(id RequestID, batches []Batch) error

	// AddView starts to keep a card in a place equal to its request. ErrRule when it is kept there
	// already.
	AddView(v View) error
	// Want raises the wanted version of every view of the request by one.
	Want(id RequestID) error
	// Views returns views of a platform whose wanted version is above the shown one and that are
	// not dead, those whose After is earliest first.
	Views(p Platform, limit int) ([]View, error)
	// ViewOf returns the views of one request.
	ViewOf(id RequestID) ([]View, error)
	// PutView stores the shown version, the reference, After, Tries, Seen, Gone, Barred and Dead of
	// a view. The shown version never goes back.
	PutView(v View) error

	// AddPost queues a post in the thread of a request's card. A post of the same key that is there
	// already stays as it is.
	AddPost(p Post) error
	// Posts returns posts of a platform that are not posted yet, only the first of each request
	// there, those whose After is earliest first, else in the order they were queued.
	Posts(p Platform, limit int) ([]Post, error)
	// PostsOf returns the posts of one request that are not posted yet, in the order they were
	// queued.
	PostsOf(id RequestID) ([]Post, error)
	// PutPost stores reference, After, Tries, and whether it is posted.
	PutPost(p Post) error

	// SetDue sets the timer of that kind for the request, replacing one set before.
	SetDue(d Due) error
	// ClearDue removes timers of the request: those kinds, or all when none is named.
	ClearDue(id RequestID, kinds ...DueKind) error
	// Dues returns up to limit timers whose time is at or before t, earliest first.
	Dues(t time.Time, limit int) ([]Due, error)
	// NextDue returns the time of the earliest timer, zero when there is none.
	NextDue() (time.Time, error)

	// PutRoster keeps a roster under its hash. Roster returns it; the hash of the empty roster
	// always gives the empty roster.
	PutRoster(r Roster) error
	Roster(hash string) (Roster, error)

	// Pause stores why nothing is sent for an app; nil ends the pause. Paused returns it, nil when
	// the app is not paused.
	Pause(app recall.SDKAppID, p *Pause) error
	Paused(app recall.SDKAppID) (*Pause, error)

	// NextReceipt returns 1, then 2, and so on; a number is used once.
	NextReceipt() (int, error)

	// PutGroupList keeps the groups of an app as they were listed now, in place of those before.
	// GroupList returns them, the zero GroupList when there are none.
	PutGroupList(app recall.SDKAppID, l GroupList) error
	GroupList(app recall.SDKAppID) (GroupList, error)
	// ForgetGroupLists removes what was kept before t.
	ForgetGroupLists(before time.Time) error

	// PutSetting keeps a value under a key; Setting returns it, "" when there is none. For what
	// adapters must remember between starts.
	PutSetting(key, value string) error
	Setting(key string) (string, error)

	// AddArrivals keeps messages that callbacks told of, and AddRemovals recalls. The same told
	// twice changes nothing. A message that is told in two ways is marked as disputed: either may
	// be made up. Of a recall that is told in two ways the last is kept, with when it came: one
	// that was made up before hides none. They return how many were written.
	AddArrivals(app recall.SDKAppID, arrivals []Arrival) (int, error)
	AddRemovals(app recall.SDKAppID, removals []Removal) (int, error)
	// Arrivals returns up to limit arrivals of the group or topic with seqs between from and to,
	// both included, highest first.
	Arrivals(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, from, to recall.Seq,
		limit int) ([]Arrival, error)
	// ArrivedIn returns up to limit groups and topics in which messages of a sender are kept.
	ArrivedIn(app recall.SDKAppID, sender recall.UserID, limit int) ([]Talk, error)
	// FirstArrival is when the oldest arrival that is kept came; zero when there is none.
	FirstArrival(app recall.SDKAppID) (time.Time, error)
	// Removals returns, of those seqs of the group or topic, the removals that came at since or
	// later.
	Removals(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, seqs []recall.Seq,
		since time.Time) (map[recall.Seq]Removal, error)
	// ForgetArrivals removes arrivals that came before t, and the oldest where there are more than
	// most; up to limit at a time. It returns how many. ForgetRemovals does the same to removals.
	ForgetArrivals(before time.Time, most, limit int) (int, error)
	ForgetRemovals(before time.Time, most, limit int) (int, error)
	// OldArrivals and OldRemovals report whether ForgetArrivals and ForgetRemovals would remove
	// any.
	OldArrivals(before time.Time, most, limit int) (bool, error)
	OldRemovals(before time.Time, most, limit int) (bool, error)

	// Append adds an entry to the audit log: it sets N, At, Prev and Hash (Link), puts both times
	// into UTC, and returns the entry as stored.
	Append(e Entry) (Entry, error)
	// Head returns the last entry's number and hash; 0 and "" when the log is empty.
	Head() (int64, string, error)
	// Entries returns up to limit entries from number n on, in order. Where one is not stored as
	// Append wrote it, it returns those before and an error that wraps a *BrokenChain.
	Entries(n int64, limit int) ([]Entry, error)
}

// SettingIndexKey is the key of the setting that has, in hexadecimal, the key of Arrival.Said for
// an app. It is made with the first arrival that is kept, and goes with the last one.
func SettingIndexKey(app recall.SDKAppID) string {
	return "index.key." + strconv.FormatInt(int64(app), 10)
}

// SettingCopy is the key of the setting that says when a ledger was found to be an older copy: more
// may have been done than it knows of. The bot empties it when it has acted on it. An SQLite ledger
// finds out by itself; for a PostgreSQL database that was set back, its operator writes the
// setting.
const SettingCopy = "ledger.copy"

// StoredEvent is an event as the ledger keeps it.
type StoredEvent struct {
	ID       EventID
	Platform Platform
	At       time.Time // set by AddEvent
	Body     []byte    // the Event in JSON, while it has no answer
	Answer   []byte    // the Answer in JSON; nil while the event is being checked
}

// Query selects requests. A zero field selects all.
type Query struct {
	App    recall.SDKAppID
	Group  recall.GroupID
	Topic  *recall.TopicID
	Person PersonID
	States []State
	Seqs   command.Ranges // those that cover one of these
	Sealed bool           // those that have a digest
	Limit  int            // 0: 100
}

// Asker is who asked a request: the person, by the roster of then, and every account of theirs.
type Asker struct {
	Person   PersonID
	Accounts []Account
}

// Touched is a group that requests were about, and what it was called when one of them was last
// sealed; "" where none was.
type Touched struct {
	Group recall.GroupID
	Name  string
}

// BatchState is where a batch stands.
type BatchState string

// The states of a batch.
const (
	BatchPending BatchState = "pending" // not claimed, or put back because it was certainly not executed
	BatchSending BatchState = "sending" // claimed under an epoch: a call may be on its way
	BatchDoubt   BatchState = "doubt"   // a call may have been executed and its answer was lost
	BatchDone    BatchState = "done"    // every message has its outcome
)

// Batch is at most recall.MaxRecallSeqs messages that go in one call: of one part, since a call is
// about one group.
type Batch struct {
	N        int
	Part     int // known where Seqs has any
	Seqs     []recall.Seq
	State    BatchState
	Epoch    int64
	Doubted  bool // it was in doubt at some time: then 10030 and 10032 prove nothing
	Unread   bool // in doubt, and history cannot be read: sent again, a final code but 0 means unknown
	Single   bool // one message, tried alone once because a code condemned its batch
	Attempts int
	After    time.Time // not before this time
}

// tried reports whether a call of the batch was made, or messages of it were read, in vain.
func (b Batch) tried() bool {
	return b.State == BatchDoubt || b.Attempts > 0 || b.Doubted || b.Unread || b.Single || !b.After.IsZero()
}

// View is what one place shows of one request.
type View struct {
	Request RequestID
	Place   Place
	Ref     Ref // zero until it is posted
	Wanted  int
	Shown   int
	After   time.Time // not before this time
	Tries   int       // failed in a row
	Seen    bool      // posted at some time, or perhaps
	Gone    int       // messages of it that were deleted
	Barred  time.Time // since when the platform does not let it be posted; zero while it does
	Dead    bool      // no longer shown there (deleted too often, or forbidden for good)
}

// PostKind says what a post in the thread tells. Its text is made when it is posted, from what is
// stored then.
type PostKind string

// The kinds of post.
const (
	PostReminder PostKind = "reminder" // once, with the mention
	PostOutcomes PostKind = "outcomes" // a line for each message, or a summary
	PostReceipt  PostKind = "receipt"  // the final account, or how it ended without one
	PostNotice   PostKind = "notice"   // Post.Line, why the card does not stand, to the requester alone
	PostFile     PostKind = "file"     // the outcome of each message, where there are many
	// the card once more, in the message Post.Ref: a copy, of a post whose answer was lost
	PostCopy PostKind = "copy"
)

// Post is what is told at once in the thread of a card, in as many messages as the platform needs
// for it.
type Post struct {
	Request RequestID
	Place   Place
	Key     string // unique in the request: what makes a repeat the same post
	Kind    PostKind
	Line    Line
	Ref     Ref
	After   time.Time
	Tries   int
	Posted  bool
}

// DueKind says what is to happen at a time.
type DueKind string

// The kinds of timer.
const (
	DueDeadline DueKind = "deadline" // of the decision
	DueRemind   DueKind = "remind"
	DueStart    DueKind = "start"    // of beginning, and of a running request that stands still
	DueEvidence DueKind = "evidence" // the text goes
)

// Due is a timer.
type Due struct {
	Request RequestID
	Kind    DueKind
	At      time.Time
}

// Pause is why nothing is sent for an app.
type Pause struct {
	Code  recall.Code `json:"code"`
	Info  string      `json:"info"`
	Since time.Time   `json:"since"`
	Next  time.Time   `json:"next"` // the next probe
}
