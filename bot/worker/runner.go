package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

const (
	retryMost  = 30 * time.Second // the longest pause of a batch between tries
	retriesApp = 5                // tries of a call that the app's account check refuses, before the app is paused
)

// job is a claimed batch on its way.
type job struct {
	request bot.Request
	batch   bot.Batch
	claimed time.Time // by the ledger's clock
	// restored is since when the ledger is a copy; what was read before it is read again.
	restored time.Time
}

// backoff is the pause before the next try, after so many before.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts, 10), retryMost)
}

// The service's "recalled" is one source. When every message of a request has its outcome, the
// request stays as it is for a while, until a second source has been heard: callbacks, where they
// come in, and else the history, read back.
const (
	callbackWithin    = 10 * time.Second // how long callbacks are waited for, from the last outcome
	confirmWithin     = 60 * time.Second // how long confirming takes at most, from the last outcome
	confirmStopWithin = 20 * time.Second // the same of a request that somebody stops
	confirmAtOnce     = 1000             // messages that one reading covers
)

// proof is how far the reading back of one request has come. It is lost with its holder: the next
// one reads again what is not confirmed.
type proof struct {
	busy  bool
	done  bool       // nothing more can be learned by reading
	from  recall.Seq // of this round: what is below has been read
	round int        // the first reads what is not confirmed, the later ones what was still shown
	still bool       // this round found messages still there
	tries int        // failed in a row
	after time.Time  // not before it
}

// readBack is the result of reading recalled messages back: confirmed are shown as recalled, still
// are shown as they were.
type readBack struct {
	request          bot.RequestID
	seqs             []recall.Seq
	last             bool // there are no more in this round
	confirmed, still []recall.Seq
	err              error
	traces           []bot.Trace
}

// settlersMost is how many batches in doubt are read at once.
const settlersMost = 8

// batchID names a batch among those of all requests.
type batchID struct {
	request bot.RequestID
	n       int
}

// doubtful is what this process knows of a batch in doubt that is being read.
type doubtful struct {
	tries int
	after time.Time
	busy  bool
}

// outcomeOfHistory is what history says of a message that may have been recalled; the zero Outcome
// when it is still there.
func outcomeOfHistory(found map[recall.Seq]recall.Message, s recall.Seq, now time.Time) bot.Outcome {
	switch m, ok := found[s]; {
	case !ok:
		return bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyMissingHistory, At: now}
	case m.Status == recall.StatusRecalled:
		return bot.Outcome{Class: bot.ClassRecalled, Why: bot.WhyVerified, At: now, Confirmed: bot.ByHistory}
	case m.Status == recall.StatusDeletedOrExpired:
		return bot.Outcome{Class: bot.ClassNotFound, Why: bot.WhyGone, At: now, Confirmed: bot.ByHistory}
	}
	return bot.Outcome{}
}

// keepsNone reports whether the group of a request is of a type that keeps no history.
func keepsNone(r bot.Request) bool { return r.Group.Type != "" && !r.Group.Type.HasHistory() }

func putInDoubt(batches []bot.Batch) {
	for i := range batches {
		batches[i].State, batches[i].Doubted = bot.BatchDoubt, true
	}
}

// result is what came of something that was started beside the loop. take tells the loop.
type result interface{ take(r *runner) }

// finding is what is to be stored. write writes it in a transaction under the lease, written is
// called once that is on disk. about is the request that is to be shown again then, and of which
// messages; "" for none.
type finding interface {
	write(r *runner, tx bot.Tx, after *later) error
	written(r *runner)
	about() (bot.RequestID, []recall.Seq)
}

// fate is what became of a batch.
type fate struct {
	request bot.RequestID
	batch   bot.Batch
	// outcomes are final. back are put back to pending, doubt are in doubt from now on; single are
	// tried one by one.
	outcomes map[recall.Seq]bot.Outcome
	back     []recall.Seq
	doubt    []recall.Seq
	single   []recall.Seq
	// reread are codes for messages that were in doubt: they count once history has been read after
	// them.
	reread map[recall.Seq]bot.Outcome
	after  time.Duration // back, single: not before this much later
	counts bool          // back, single: counts as a try
	traces []bot.Trace   // what was called for it, with the answers, and what that showed
}

// called is the result of a call.
type called struct {
	fate
	unreadable bool          // back: because it could not be read again
	condemn    *recall.Error // the whole request
	pause      *recall.Error // the app
	answered   bool          // the service answered for the app: a pause is over
}

// settled is the result of reading a batch in doubt.
type settled struct {
	fate
	unread bool // back: sent again without having been read
	failed bool // it is to be read again
}

// ended is the result of a preparation.
type ended struct{ request bot.RequestID }

// note is what was called, where nothing else is to be stored.
type note struct {
	request bot.RequestID
	traces  []bot.Trace
}

// plain reports whether all that is to be stored is the outcome of every message of the batch.
func (f *fate) plain() bool { return len(f.back)+len(f.doubt)+len(f.single)+len(f.reread) == 0 }

// runner is the work of one holder of the app's lease.
type runner struct {
	w *Worker
	*holding
	// ctx ends when the process stops or the lease is lost. calls outlives it, so that answers in
	// flight are awaited.
	ctx   context.Context
	calls context.Context

	first  time.Time // no recall before it: the window of a holder before this one
	called time.Time // when the last answer came

	results chan result
	wg      sync.WaitGroup

	// used by the loop alone
	pending   []finding // not stored yet
	flying    int
	preparing map[bot.RequestID]context.CancelFunc // ends the preparation, when the request has ended
	flood     bot.RequestID                        // of those, the one that is a flood
	settling  map[batchID]*doubtful
	tookOver  map[bot.RequestID]bool // what others had claimed of it is in doubt by now
	proofs    map[bot.RequestID]*proof
	unread    map[batchID]bool // it waits, because it could not be read again
	more      bool             // there is more to do at once than the last transaction did
	hungry    bool             // more could have been claimed than there was room for

	// unsure is a transaction of which it is not known whether it was written. Nothing else is
	// until that is found out; ifWritten is what is to be done then if it was.
	unsure    *bot.Unsure
	ifWritten func()

	stopping sync.Map // RequestID: no call of it starts any more
}

var errStopping = errors.New("the request is being stopped")

// doubts notes that it is not known whether a transaction was written, where err says so.
func (r *runner) doubts(err error, ifWritten func()) {
	if u, ok := errors.AsType[*bot.Unsure](err); ok {
		r.unsure, r.ifWritten = u, ifWritten
	}
}

// ahead reports whether at is still to come. What was put off by most at most and lies further
// ahead was put off before the ledger's clock was set back: it is due.
func ahead(tx bot.Tx, at time.Time, most time.Duration) bool {
	left := at.Sub(tx.Now())
	return left > 0 && left <= most
}
