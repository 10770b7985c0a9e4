package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"recallbot/bot"
)

const (
	timerPoll = 30 * time.Second // the slow look where no wake came
	// How long the answer to an event is kept: as the evidence, for a hint may quote a phrase, but
	// at least far beyond any platform's redelivery, and a day at most.
	keepEventsLeast, keepEventsMost = 10 * time.Minute, 24 * time.Hour
)

// keepTime fires the timers of requests when their time has come. A timer that fires twice changes
// nothing, so every replica may do it.
func (w *Worker) keepTime(ctx context.Context) {
	wakes, cancel := w.Ledger.Subscribe(bot.WakeTimer)
	defer cancel()
	var forgot time.Time
	for ctx.Err() == nil {
		next, err := w.fire(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Error("timers failed; they will be tried again", "err", err)
		}
		if time.Since(forgot) > w.keepEvents()/24 {
			if err := w.forgetEvents(ctx); err != nil && ctx.Err() == nil {
				w.Log.Error("old events could not be forgotten", "err", err)
			}
			forgot = time.Now()
		}
		if err := w.ForgetCallbacks(ctx, timerPoll/2); err != nil && ctx.Err() == nil {
			w.Log.Error("what callbacks told could not be forgotten", "err", err)
		}
		waitFor(ctx, wakes, min(timerPoll, max(next, time.Millisecond)))
	}
}

func (w *Worker) keepEvents() time.Duration {
	return max(keepEventsLeast, min(w.EvidenceTTL, keepEventsMost))
}

func (w *Worker) forgetEvents(ctx context.Context) error {
	old := false
	err := w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		old, err = tx.OldEvents(tx.Now().Add(-w.keepEvents()))
		return err
	})
	if err != nil || !old {
		return err
	}
	return w.Ledger.Tx(ctx, func(tx bot.Tx) error {
		_, err := tx.ForgetEvents(tx.Now().Add(-w.keepEvents()))
		return err
	})
}

// fire lets pass what is due and returns how long it is until the next timer.
func (w *Worker) fire(ctx context.Context) (time.Duration, error) {
	next := timerPoll
	var due []bot.Due
	err := w.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		if due, err = tx.Dues(tx.Now(), duesAtOnce); err != nil {
			return err
		}
		at, err := tx.NextDue()
		if !at.IsZero() {
			next = at.Sub(tx.Now())
		}
		return err
	})
	if err != nil {
		return timerPoll, err
	}
	var failed []error
	for _, d := range due {
		err := w.Ledger.Tx(ctx, func(tx bot.Tx) error { return w.fireOne(tx, d) })
		if err == nil {
			continue
		}
		failed = append(failed, fmt.Errorf("timer %s of %s: %w", d.Kind, d.Request, err))
		// Put off, so that it is not always the first to be due: one that fails for ever must not
		// hold up those behind it.
		err = w.Ledger.Tx(ctx, func(tx bot.Tx) error {
			if still, err := stillDue(tx, d); err != nil || !still {
				return err
			}
			return tx.SetDue(bot.Due{Request: d.Request, Kind: d.Kind, At: tx.Now().Add(timerPoll)})
		})
		if err != nil { // the ledger is away for all of them
			return timerPoll, errors.Join(append(failed, err)...)
		}
	}
	if len(due) > 0 {
		next = 0
	}
	return next, errors.Join(failed...)
}

// duesAtOnce is how many timers fire between two looks.
const duesAtOnce = 100

// stillDue reports whether a timer that was found due still is: it was neither cleared nor moved
// meanwhile, and the clock was not set back.
func stillDue(tx bot.Tx, d bot.Due) (bool, error) {
	due, err := tx.Dues(tx.Now(), duesAtOnce)
	return slices.ContainsFunc(due,
		func(o bot.Due) bool { return o.Request == d.Request && o.Kind == d.Kind && o.At.Equal(d.At) }), err
}

// fireOne lets one timer do its work. What it does depends on what the request is now, never on
// when it fired.
func (w *Worker) fireOne(tx bot.Tx, d bot.Due) error {
	if still, err := stillDue(tx, d); err != nil || !still {
		return err
	}
	r, err := tx.Request(d.Request)
	if errors.Is(err, bot.ErrNotFound) {
		return tx.ClearDue(d.Request)
	}
	if err != nil {
		return err
	}
	if err := tx.ClearDue(d.Request, d.Kind); err != nil {
		return err
	}
	switch d.Kind {
	case bot.DueRemind:
		if r.State != bot.Proposed {
			return nil
		}
		tx.Wake(bot.WakeTeller)
		return tx.AddPost(bot.Post{Request: r.ID, Place: r.Place, Key: string(r.ID) + "/reminder",
			Kind: bot.PostReminder})
	case bot.DueEvidence:
		return w.forget(tx, r)
	}
	last, err := tx.LastOutcome(r.ID)
	if err != nil {
		return err
	}
	next, changed := bot.Pass(r, last, tx.Now())
	if !changed {
		if r.State == bot.Running && !r.Confirming() { // it moved meanwhile: look again when that grows old
			if last.Before(r.Begun) {
				last = r.Begun
			}
			return tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueStart, At: last.Add(r.Policy.StartWithin)})
		}
		return nil
	}
	why := "nothing moved"
	if next.State == bot.NotStarted {
		why = "not begun in time"
		if next, err = bot.EndedUnbegun(tx, next); err != nil {
			return err
		}
	}
	if next.State == bot.Stopping {
		if err := w.Audit(tx, "stopping: "+why, r.ID, r.Digest, nil); err != nil {
			return err
		}
		if err := tx.PutRequest(next); err != nil {
			return err
		}
		tx.Wake(bot.WakeRunner)
		return w.Redraw(tx, r.ID)
	}
	if err := w.Audit(tx, string(next.State), r.ID, r.Digest, nil); err != nil {
		return err
	}
	return w.End(tx, next, bot.WhyNotStarted)
}

// evidenceAtOnce is of how many messages the text goes in one transaction.
const evidenceAtOnce = 1000

// forget takes the text and the key of a request that has ended out of the ledger, a part at a
// time, and with the last part the phrase that was searched for and which messages quote those of
// the request. Of one that was never sealed all that was stored of its messages goes.
func (w *Worker) forget(tx bot.Tx, r bot.Request) error {
	if r.State.Open() {
		return nil
	}
	part := tx.ForgetEvidence
	if r.Digest == "" {
		part = tx.DropMessages
		// gone already: another replica was quicker
	} else if _, err := tx.EvidenceKey(r.ID); errors.Is(err, bot.ErrNotFound) {
		return w.forgetWords(tx, r)
	} else if err != nil {
		return err
	}
	n, err := part(r.ID, evidenceAtOnce)
	if err != nil {
		return err
	}
	if n == evidenceAtOnce {
		return tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueEvidence, At: tx.Now()})
	}
	if err := w.forgetWords(tx, r); err != nil || r.Digest == "" {
		return err
	}
	if err := w.Audit(tx, "evidence forgotten", r.ID, r.Digest, nil); err != nil {
		return err
	}
	return w.Redraw(tx, r.ID)
}

// forgetWords takes the phrase out of what was asked for, which messages quote the request's, and
// the reasons if they are to be forgotten.
func (w *Worker) forgetWords(tx bot.Tx, r bot.Request) error {
	f := r.Scope.Filter.WithoutText()
	said := w.ForgetReasons && !r.ReasonsForgotten
	if f == r.Scope.Filter && r.Replies == nil && !said {
		return nil
	}
	if r.Scope.Filter, r.Replies = f, nil; said {
		r = r.WithoutReasons()
	}
	return tx.PutRequest(r)
}
