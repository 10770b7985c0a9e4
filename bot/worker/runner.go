package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
	"recallbot/recall"
)

// retryMost is the longest pause of a batch between tries.
const retryMost = 30 * time.Second

// job is a claimed batch that is to be sent or read.
type job struct {
	request bot.Request
	batch   bot.Batch
	claimed time.Time // by the ledger's clock
	// restored is when the ledger was restored from a copy. A message that was read before is read
	// again.
	restored time.Time
}

// part is the part of the request that the batch is of.
func (j job) part() bot.Part { return j.request.Parts[j.batch.Part] }

// where names in the audit log the group of the batch, if its request has several.
func (j job) where() map[string]any {
	if !j.request.Scope.Sweeps() {
		return nil
	}
	return map[string]any{"group": j.part().Group, "topic": j.part().Topic}
}

// reader returns a Reader of the group of the batch, which records what it reads with the batch.
func (j job) reader(w *Worker, why string) *history.Reader {
	rd := w.Reader(j.part().Scope(), why, recall.ForProof, j.request.By.Person)
	rd.More = j.where()
	return rd
}

// backoff returns the pause before the next try after this many tries.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts, 10), retryMost)
}

// proof is the progress of confirming one request by history. It is lost with its holder: the next
// one reads again what is not confirmed.
type proof struct {
	busy  bool
	done  bool          // nothing more can be learned by reading
	from  bot.MessageID // the first of this round that has not been read
	round int           // the first reads what is not confirmed, the later ones what was still shown
	still bool          // this round found messages still there
	tries int           // failed in a row
	after time.Time     // not before it
}

// proofRead is the result of one read of recalled messages. History shows those in confirmed as
// recalled, and those in still as not recalled.
type proofRead struct {
	request          bot.RequestID
	part             int // that the messages are of
	seqs             []recall.Seq
	next             bot.MessageID // the first that is not read by it
	last             bool          // there are no more in this round
	confirmed, still []recall.Seq
	err              error
	traces           []bot.Trace
}

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

// result is the result of work that was started beside the loop. collect passes it to the loop.
type result interface{ collect(r *runner) }

// finding is a result that is to be stored. write stores it in a transaction under the lease, and
// written is called after the commit. about returns the request to be rendered again and the
// messages that changed; the id is "" if there is none.
type finding interface {
	write(r *runner, tx bot.Tx, after *later) error
	written(r *runner)
	about() (bot.RequestID, []bot.MessageID)
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
	condemn    *recall.Error // the whole part of the request
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

// ids are the outcomes by the ids of their messages.
func (f *fate) ids() map[bot.MessageID]bot.Outcome {
	all := make(map[bot.MessageID]bot.Outcome, len(f.outcomes))
	for s, o := range f.outcomes {
		all[bot.IDOf(f.batch.Part, s)] = o
	}
	return all
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
