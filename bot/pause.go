package bot

import (
	"context"
	"time"

	"recallbot/recall"
)

// probeEvery is the pause between tries of a paused app.
const probeEvery = time.Minute

// pauseApp stops everything for the app, and tells the operator.
func (b *Bot) pauseApp(ctx context.Context, l Lease, e *recall.Error) error {
	return b.o.Ledger.Tx(ctx, func(tx Tx) error {
		if err := tx.Fence(l); err != nil {
			return err
		}
		return b.pause(tx, e)
	})
}

func (b *Bot) pause(tx Tx, e *recall.Error) error {
	p, err := tx.Paused(b.o.App)
	if err != nil {
		return err
	}
	if p == nil {
		p = &Pause{Since: tx.Now()}
		b.log.Error("the Chat service refuses the app: nothing is sent until this is mended; it is tried again every minute", "code", int(e.Code), "meaning", e.Code.Meaning(), "err", e)
		if err := b.auditOwn(tx, "paused", "", "", map[string]any{"code": int(e.Code), "info": e.Info}); err != nil {
			return err
		}
	}
	p.Code, p.Info, p.Next = e.Code, e.Info, tx.Now().Add(probeEvery)
	if err := tx.Pause(b.o.App, p); err != nil {
		return err
	}
	return b.showOpen(tx)
}

// unpause ends a pause, where there is one.
func (b *Bot) unpause(tx Tx) error {
	p, err := tx.Paused(b.o.App)
	if err != nil || p == nil {
		return err
	}
	b.log.Info("the Chat service serves the app again")
	if err := tx.Pause(b.o.App, nil); err != nil {
		return err
	}
	if err := b.auditOwn(tx, "resumed", "", "", nil); err != nil {
		return err
	}
	return b.showOpen(tx)
}

// showOpen makes the teller draw every open request again.
func (b *Bot) showOpen(tx Tx) error {
	open, err := tx.Requests(Query{App: b.o.App, States: openStates(), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := b.show(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}
