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

// ApproversThen returns the groups of a platform whose members may approve by the policy of the
// time when a request was asked, and nil if there is no such request. That policy counts as well as
// the present one, so an adapter that reads memberships from its platform reads those of these
// groups too.
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

// Unfinished yields the events of a platform that Receive stored and that have no answer, oldest
// first, with their age. An event that is too old for any process to be at work on it is an orphan,
// which the adapter handles.
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

// Shared reports whether other processes may be at work on the same ledger. If not, everything that
// was begun before this process started is an orphan.
func (in *Intake) Shared() bool { return in.Ledger.Shared() }

// Remember stores a small value for an adapter beyond a restart (the hash of its registered
// commands).
func (in *Intake) Remember(ctx context.Context, key, value string) error {
	return in.Ledger.Tx(ctx, func(tx bot.Tx) error { return tx.PutSetting(key, value) })
}

// Recollect returns the value that was stored under key, or "" if there is none.
func (in *Intake) Recollect(ctx context.Context, key string) (value string, err error) {
	err = in.Ledger.View(ctx, func(tx bot.Tx) error {
		value, err = tx.Setting(key)
		return err
	})
	return value, err
}

// Intake handles what people do. Adapters call Do for every event; every event is stored before it
// is acknowledged, and applied once. Its methods may be called from several goroutines.
type Intake struct {
	*history.History
	searches searches // that are running
}

// New returns an Intake. It reads nothing.
func New(h *history.History) *Intake { return &Intake{History: h} }

// PolicyNow returns the configured policy, so that adapters know which groups and roles matter.
func (in *Intake) PolicyNow() bot.Policy { return in.Policy }

// RosterNow returns the configured roster, so that adapters count people and not accounts.
func (in *Intake) RosterNow() bot.Roster { return in.Roster }
