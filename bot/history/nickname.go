package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"

	"recallbot/bot"
	"recallbot/recall"
)

const (
	// nicknamesWithin is how long one waits for nicknames before a card or page goes without.
	nicknamesWithin = 500 * time.Millisecond
	nicknamesKept   = 10 * time.Minute
	// nicknamesAgain is after how long it is asked again for those that could not be read.
	nicknamesAgain = time.Minute
	nicknameCalls  = 8 // of one asking, at most
	nicknameWithin = 10 * time.Second
)

// nicknames are what accounts call themselves, as they were last read: "" of those that have no
// nickname or could not be read. They stand beside ids and decide nothing.
type nicknames struct {
	known *cache.Cache
}

func newNicknames() nicknames { return nicknames{cache.New(nicknamesKept, 0)} }

// of returns the nickname of an account; "" where it has none, or none is known.
func (n nicknames) of(id recall.UserID) string {
	name, _ := n.known.Get(string(id))
	known, _ := name.(string)
	return known
}

// unknown returns those accounts that were not asked for lately.
func (n nicknames) unknown(ids []recall.UserID) (left []recall.UserID) {
	for _, id := range ids {
		if _, known := n.known.Get(string(id)); !known && id != "" && !id.IsSystem() && !slices.Contains(left, id) {
			left = append(left, id)
		}
	}
	return left
}

// ask reads the nicknames of those accounts that are not known; see History.AskNicknames.
func (n nicknames) ask(ctx context.Context, chat bot.Chat, ids []recall.UserID, work func(func()),
	late func(found bool)) (found bool) {
	left := n.unknown(ids)
	if len(left) == 0 {
		return false
	}
	var mu sync.Mutex
	gone := false // nobody waits any more
	done := make(chan struct{})
	work(func() {
		some := n.read(ctx, chat, left)
		mu.Lock()
		found = some && !gone
		isLate := gone
		mu.Unlock()
		close(done)
		if isLate {
			late(some)
		}
	})
	timer := time.NewTimer(nicknamesWithin)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	gone = true
	return found
}

// read reads the nicknames of accounts, and reports whether one has any. One account that the
// service does not know fails the whole call: such a batch is halved, the largest first, as long as
// there are calls left.
func (n nicknames) read(ctx context.Context, chat bot.Chat, ids []recall.UserID) (found bool) {
	ctx, cancel := context.WithTimeout(recall.InTurn(ctx, recall.Turn{For: recall.ForNumbers, Size: 1}), nicknameWithin)
	defer cancel()
	batches := slices.Collect(slices.Chunk(ids, recall.MaxPortraits))
	for calls := 0; len(batches) > 0 && calls < nicknameCalls; calls++ {
		at := 0
		for i, b := range batches {
			if len(b) > len(batches[at]) {
				at = i
			}
		}
		batch := batches[at]
		names, err := chat.PortraitGet(ctx, batch)
		api, answered := errors.AsType[*recall.Error](err)
		switch {
		case err == nil:
			for _, id := range batch {
				found = found || names[id] != ""
				n.known.SetDefault(string(id), names[id])
			}
			batches = slices.Delete(batches, at, at+1)
		case answered && api.Code.Class() == recall.ClassNever && len(batch) > 1:
			half := len(batch) / 2
			batches[at] = batch[:half]
			batches = slices.Insert(batches, at+1, batch[half:])
		case answered && api.Code.Class() == recall.ClassNever:
			n.known.SetDefault(string(batch[0]), "")
			batches = slices.Delete(batches, at, at+1)
		default: // the service is away, or wants fewer calls
			calls = nicknameCalls
		}
	}
	for _, id := range slices.Concat(batches...) {
		n.known.Set(string(id), "", nicknamesAgain)
	}
	return found
}
