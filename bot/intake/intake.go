package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"recallbot/bot"
	"recallbot/bot/history"
)

// ApproversThen returns the groups of a platform whose members might approve by the policy that a
// request was asked under; none where there is no such request. That policy counts beside the one
// of now, so an adapter that asks its platform who is in which group asks about these as well.
func (in *Intake) ApproversThen(ctx context.Context, id bot.RequestID, on bot.Platform) (groups []string, err error) {
	err = in.Ledger.View(ctx, func(tx bot.Tx) error {
		r, err := tx.Request(id)
		groups = bot.GroupsOf(r.Policy.Crowds[on].Approvers)
		if errors.Is(err, bot.ErrNotFound) {
			return nil
		}
		return err
	})
	return groups, err
}

// Unfinished is an event without an answer.
type Unfinished struct {
	Event Event
	Age   time.Duration
}

// Unfinished yields the events of a platform that were stored by Note and have no answer, oldest
// first, with their age. One that is so old that no process can be at work on it was left by one
// that has ended, and an adapter takes it up.
func (in *Intake) Unfinished(ctx context.Context, p bot.Platform) iter.Seq2[Unfinished, error] {
	return func(yield func(Unfinished, error) bool) {
		var found []Unfinished
		err := in.Ledger.View(ctx, func(tx bot.Tx) error {
			found = nil
			events, err := tx.OpenEvents(p)
			for _, s := range events {
				u := Unfinished{Age: tx.Now().Sub(s.At)}
				if err := json.Unmarshal(s.Body, &u.Event); err != nil {
					return fmt.Errorf("read event %s: %w", s.ID, err)
				}
				u.Event = u.Event.Read()
				found = append(found, u)
			}
			return err
		})
		if err != nil {
			yield(Unfinished{}, fmt.Errorf("list unfinished events: %w", err))
			return
		}
		for _, u := range found {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// Shared reports whether other processes may be at work on the same ledger. Where none is, what was
// begun before this one was has been left.
func (in *Intake) Shared() bool { return in.Ledger.Shared() }

// Remember keeps a small value for an adapter between starts (the hash of its registered commands).
func (in *Intake) Remember(ctx context.Context, key, value string) error {
	return in.Ledger.Tx(ctx, func(tx bot.Tx) error { return tx.PutNote(key, value) })
}

// Recollect returns what was remembered under key, "" when nothing was.
func (in *Intake) Recollect(ctx context.Context, key string) (value string, err error) {
	err = in.Ledger.View(ctx, func(tx bot.Tx) error {
		value, err = tx.Note(key)
		return err
	})
	return value, err
}

// Intake is what people can make happen. Adapters call Do for every event.
type Intake struct {
	*history.History
	searches searches // that read just now
}

// New returns an Intake. It reads nothing.
func New(h *history.History) *Intake { return &Intake{History: h} }

// PolicyNow returns the configured policy, so that adapters know which groups and roles matter.
func (in *Intake) PolicyNow() bot.Policy { return in.Policy }
