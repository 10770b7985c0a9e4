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
	retriesApp = 5                // tries of a refused call before the app is paused
)

// job is a claimed batch that is to be sent or read.
type job struct {
	request bot.Request
	batch   bot.Batch
	claimed time.Time // by the ledger's clock
	// restored is when the ledger was restored from a copy. A message that was read before is read
	// again.
	restored time.Time
}

// backoff returns the pause before the next try after this many tries.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts, 10), retryMost)
}

// The service's "recalled" is one source. When every message of a request has its outcome, the
// request waits for a second source before it ends: callbacks, if they arrive, and otherwise
// history.
const (
	callbackWithin    = 10 * time.Second // how long to wait for callbacks after the last outcome
	confirmWithin     = 60 * time.Second // how long confirming may take after the last outcome
	confirmStopWithin = 20 * time.Second // the same of a request that somebody stops
	confirmAtOnce     = 1000             // messages that one reading covers
)

// proof is the progress of confirming one request by history. It is lost with its holder: the next
// one reads again what is not confirmed.
type proof struct {
	busy  bool
	done  bool       // nothing more can be learned by reading
	from  recall.Seq // the first seq of this round that has not been read
	round int        // the first reads what is not confirmed, the later ones what was still shown
	still bool       // this round found messages still there
	tries int        // failed in a row
	after time.Time  // not before it
}

// proofRead is the result of one read of recalled messages. History shows those in confirmed as
// recalled, and those in still as not recalled.
type proofRead struct {
	request          bot.RequestID
	seqs             []recall.Seq
	last             bool // there are no more in this round
	confirmed, still []recall.Seq
	err              error
	traces           []bot.Trace
}

// resolversMost is how many batches in doubt are read at once.
const resolversMost = 8

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

// outcomeOfHistory returns the outcome that history shows for a message that may have been
// recalled. It is the zero Outcome if the message is still there.
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

// result is the result of work that was started beside the loop. collect passes it to the loop.
type result interface{ collect(r *runner) }

// finding is a result that is to be stored. write stores it in a transaction under the lease, and
// written is called after the commit. about returns the request to be rendered again and the
// messages that changed; the id is "" if there is none.
type finding interface {
	write(r *runner, tx bot.Tx, after *later) error
	written(r *runner)
	about() (bot.RequestID, []recall.Seq)
}

// fate is what happened to a batch.
type fate struct {
	request bot.RequestID
	batch   bot.Batch
	// outcomes are final. retry are put back to pending, doubt are in doubt from now on, and single
	// are tried one by one.
	outcomes map[recall.Seq]bot.Outcome
	retry    []recall.Seq
	doubt    []recall.Seq
	single   []recall.Seq
	// reread are outcomes by code of messages that were in doubt. They count once history has been
	// read after the call.
	reread map[recall.Seq]bot.Outcome
	after  time.Duration // back, single: not before this much later
	counts bool          // back, single: counts as a try
	traces []bot.Trace   // the calls made for it and their answers
}

// called is the result of a call.
type called struct {
	fate
	unreadable bool          // back: because it could not be read again
	condemn    *recall.Error // the whole request
	pause      *recall.Error // the app
	answered   bool          // the service answered for the app: a pause is over
}

// resolved is the result of reading a batch in doubt.
type resolved struct {
	fate
	unread bool // back: sent again without having been read
	failed bool // it is to be read again
}

// ended is the result of a preparation.
type ended struct{ request bot.RequestID }

// record has the records of calls when there is nothing else to store.
type record struct {
	request bot.RequestID
	traces  []bot.Trace
}

// plain reports whether the fate consists of an outcome for every message of the batch.
func (f *fate) plain() bool { return len(f.retry)+len(f.doubt)+len(f.single)+len(f.reread) == 0 }

// runner is the work of one holder of the app's lease. Its loop is the only goroutine that writes.
type runner struct {
	w *Worker
	*holding
	// ctx ends when the process stops or the lease is lost. calls outlives it, so that answers in
	// flight are awaited.
	ctx   context.Context
	calls context.Context

	first  time.Time // no recall before it: the window of the previous holder
	called time.Time // when the last answer came

	results chan result
	wg      sync.WaitGroup

	// used by the loop alone
	pending   []finding // not stored yet
	flying    int
	preparing map[bot.RequestID]context.CancelFunc // ends the preparation, when the request has ended
	flood     bot.RequestID                        // of those, the one that is a flood
	resolving map[batchID]*doubtful
	tookOver  map[bot.RequestID]bool // batches that others claimed are in doubt now
	proofs    map[bot.RequestID]*proof
	unread    map[batchID]bool // batches that wait because they could not be read again
	more      bool             // there is more to do at once than the last transaction did
	hungry    bool             // more could have been claimed than there was room for

	// unsure is a transaction of which it is unknown whether it was committed. No other begins
	// until that is known. ifWritten is called if it was.
	unsure    *bot.Unsure
	ifWritten func()

	stopping sync.Map // RequestID: no more calls of it start
}

var errStopping = errors.New("the request is being stopped")

// doubts stores in r.unsure that it is unknown whether a transaction was committed, if err says so.
func (r *runner) doubts(err error, ifWritten func()) {
	if u, ok := errors.AsType[*bot.Unsure](err); ok {
		r.unsure, r.ifWritten = u, ifWritten
	}
}

// ahead reports whether at is in the future. A time more than most ahead was set before the
// ledger's clock was set back, so it counts as past.
func ahead(tx bot.Tx, at time.Time, most time.Duration) bool {
	left := at.Sub(tx.Now())
	return left > 0 && left <= most
}
