package worker

import (
	"context"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// probeEvery is the pause between tries while an app is paused.
const probeEvery = time.Minute

// pauseApp pauses all calls for the app, and reports it to the operator.
func (w *Worker) pauseApp(ctx context.Context, l bot.Lease, e *recall.Error) error {
	var after later
	err := w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		after = nil
		if err := tx.Fence(l); err != nil {
			return err
		}
		return w.pause(tx, e, &after)
	})
	if err == nil {
		after.run()
	}
	return err
}

// pause stores that the service refuses the app, and reports it to the operator if it is new.
func (w *Worker) pause(tx bot.Tx, e *recall.Error, after *later) error {
	p, err := tx.Paused(w.App)
	if err != nil {
		return err
	}
	if p == nil {
		p = &bot.Pause{Since: tx.Now()}
		after.add(func() {
			w.Log.Error(
				"the Chat service refuses the app: nothing is sent until this is mended; it is tried again every minute",
				"code", int(e.Code), "meaning", e.Code.Meaning(), "err", e)
		})
		if err := w.Audit(tx, "paused", "", "", map[string]any{"code": int(e.Code), "info": e.Info}); err != nil {
			return err
		}
	}
	p.Code, p.Info, p.Next = e.Code, e.Info, tx.Now().Add(probeEvery)
	if err := tx.Pause(w.App, p); err != nil {
		return err
	}
	return w.redrawOpen(tx)
}

// unpause ends the app's pause, if there is one.
func (w *Worker) unpause(tx bot.Tx, after *later) error {
	p, err := tx.Paused(w.App)
	if err != nil || p == nil {
		return err
	}
	after.add(func() { w.Log.Info("the Chat service serves the app again") })
	if err := tx.Pause(w.App, nil); err != nil {
		return err
	}
	if err := w.Audit(tx, "resumed", "", "", nil); err != nil {
		return err
	}
	return w.redrawOpen(tx)
}

// redrawOpen has the teller render every open request again.
func (w *Worker) redrawOpen(tx bot.Tx) error {
	open, err := tx.Requests(bot.Query{App: w.App, States: bot.OpenStates(), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := w.Redraw(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}
