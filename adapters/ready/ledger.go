package ready

import (
	"context"
	"errors"
	"sync"
	"time"

	"recallbot/bot"
)

// probeEvery is how long the last commit tells that the ledger can be written.
const probeEvery = 10 * time.Second

// Ledger is a ledger that knows how its last commit went.
type Ledger struct {
	bot.Ledger

	mu  sync.Mutex
	at  time.Time
	err error
}

// Watch returns l with its commits watched.
func Watch(l bot.Ledger) *Ledger { return &Ledger{Ledger: l} }

// Tx runs fn in a transaction; see bot.Ledger.
func (l *Ledger) Tx(ctx context.Context, fn func(bot.Tx) error) error {
	var refused error // by fn itself, which says nothing about the ledger
	err := l.Ledger.Tx(ctx, func(tx bot.Tx) error {
		refused = fn(tx)
		return refused
	})
	switch {
	case refused == nil && ctx.Err() == nil, err == nil:
		l.note(err)
	}
	return err
}

func (l *Ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.err = time.Now(), err
}

// errProbe ends a transaction that was begun to see whether it can be.
var errProbe = errors.New("rolled back")

// writable returns nil where the last commit succeeded. After a while without one, it begins one
// and rolls it back.
func (l *Ledger) writable(ctx context.Context) error {
	l.mu.Lock()
	at, err := l.at, l.err
	l.mu.Unlock()
	if time.Since(at) < probeEvery {
		return err
	}
	if err = l.Ledger.Tx(ctx, func(bot.Tx) error { return errProbe }); errors.Is(err, errProbe) {
		err = nil
	}
	l.note(err)
	return err
}
