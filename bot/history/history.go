package history

import (
	"crypto/rand"
	"recallbot/bot"
	"sync/atomic"
	"time"
)

const (
	arrivalsMost = 200_000             // rows of the index, all groups together; the oldest go first
	removalsMost = 200_000             // rows of recalls that were told of
	keepRemovals = 30 * 24 * time.Hour // how long they are kept
	forgetAtOnce = 50_000              // rows that one transaction forgets at most
	forgetEvery  = 5 * time.Second     // between two looks for what to forget, while callbacks come
	lateLookedAt = 50                  // requests with the same messages that a late callback is audited for
	// runs of seqs that an entry about late callbacks names at most; beside them stands how many
	// seqs it is about
	auditedRuns = 100
	auditedBy   = 10 // accounts that it names at most
)

// ReadRetry is the first pause after a failed read; it is doubled up to ReadRetryMost.
const (
	ReadRetry     = time.Second
	ReadRetryMost = 8 * time.Second
)

// History reads the Chat service, and keeps what its callbacks tell.
type History struct {
	*bot.Bot
	indexKey []byte       // of the HMACs in the index; it ends with the process
	forgot   atomic.Int64 // when callbacks were last forgotten, in unix nanoseconds
	Leads    atomic.Bool  // this process holds the app's lease
}

// New returns a History. It reads nothing.
func New(b *bot.Bot) *History {
	h := &History{Bot: b, indexKey: make([]byte, 32)}
	rand.Read(h.indexKey)
	return h
}
