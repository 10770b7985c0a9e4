package history

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"recallbot/bot"
	"recallbot/recall"
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

	nicknames nicknames
}

// New returns a History. It reads nothing.
func New(b *bot.Bot) *History {
	h := &History{Bot: b, indexKey: make([]byte, 32), nicknames: newNicknames()}
	rand.Read(h.indexKey)
	b.Nickname = h.nicknames.of
	return h
}

// AskNicknames reads the nicknames of those accounts that are not known yet, and waits half a
// second for them at most. It reports whether it found any in that time. If that takes longer, it
// calls late when they are read. work runs what is done beside.
func (h *History) AskNicknames(ctx context.Context, ids []recall.UserID, work func(func()),
	late func(found bool)) (found bool) {
	return h.nicknames.ask(ctx, h.Chat, ids, work, late)
}
