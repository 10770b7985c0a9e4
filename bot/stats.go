package bot

import (
	"context"
	"fmt"
	"time"
)

// Stats is how much work is waiting, for an operator.
type Stats struct {
	Open    map[State]int
	Oldest  map[State]time.Duration // since the oldest open request in a state was asked
	InDoubt int                     // messages
	Paused  bool
	Unshown int // cards that do not show the stored state, up to 1,000 a platform
}

// Stats returns how much work is waiting now.
func (b *Bot) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Open: map[State]int{}, Oldest: map[State]time.Duration{}}
	err := b.Ledger.View(ctx, func(tx Tx) error {
		open, err := tx.Requests(Query{App: b.App, States: OpenStates(), Limit: 10_000})
		if err != nil {
			return err
		}
		for _, r := range open {
			s.Open[r.State]++
			s.Oldest[r.State] = max(s.Oldest[r.State], tx.Now().Sub(r.Asked))
			if r.State != Running && r.State != Stopping {
				continue
			}
			doubt, err := tx.Batches(r.ID, 1<<20, BatchDoubt)
			if err != nil {
				return err
			}
			for _, d := range doubt {
				s.InDoubt += len(d.Seqs)
			}
		}
		for platform := range b.Policy.Crowds {
			views, err := tx.Views(platform, 1000)
			if err != nil {
				return err
			}
			s.Unshown += len(views)
		}
		p, err := tx.Paused(b.App)
		s.Paused = p != nil
		return err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("read stats: %w", err)
	}
	return s, nil
}
