package history

import (
	"crypto/rand"
	"recallbot/bot"
	"sync/atomic"
	"time"
)

const (
	arrivalsMost = 200_000             // rows of the index, all groups together; the oldest are deleted first
	removalsMost = 200_000             // rows of recalls that callbacks reported
	keepRemovals = 30 * 24 * time.Hour // how long they are kept
	forgetAtOnce = 50_000              // rows that one transaction deletes at most
	forgetEvery  = 5 * time.Second     // between two deletions, while callbacks arrive
	lateLookedAt = 50                  // ended requests for which one late callback is audited, at most
	// runs of seqs that an audit entry about late callbacks lists at most; the entry also has the
	// number of all seqs
	auditedRuns = 100
	auditedBy   = 10 // accounts that such an entry lists at most
)

// ReadRetry is the first pause after a failed read; it is doubled up to ReadRetryMost.
const (
	ReadRetry     = time.Second
	ReadRetryMost = 8 * time.Second
)

// History reads the Chat service and stores what its callbacks report. Its methods may be called
// from several goroutines.
type History struct {
	*bot.Bot
	indexKey []byte       // of the HMACs in the index; a new one for each process
	forgot   atomic.Int64 // when ForgetCallbacks last ran, in unix nanoseconds
	Leads    atomic.Bool  // this process holds the app's lease
}

// New returns a History. It reads nothing.
func New(b *bot.Bot) *History {
	h := &History{Bot: b, indexKey: make([]byte, 32)}
	rand.Read(h.indexKey)
	return h
}
