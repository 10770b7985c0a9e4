package history

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Wants reports whether a callback is of any use here: it is of a group that may be touched, and
// tells of a recall, or of a message while the index is on. It reads nothing.
func (h *History) Wants(c recall.Callback) bool {
	switch c := c.(type) {
	case recall.AfterSendMsg:
		return h.Indexing() && !c.OnlineOnly && c.Seq > 0 && h.Policy.MayTouch(c.Group) == nil
	case recall.AfterRecallMsg:
		return len(c.Seqs) <= recall.MaxCallbackSeqs && h.Policy.MayTouch(c.Group) == nil
	}
	return false
}

// Hear takes in callbacks, in one transaction. What Wants does not want is left out. A callback
// that comes twice changes nothing.
//
// The signature of a callback does not cover what it says. So a message it tells of is marked as
// known from a callback alone, and a recall it tells of does three things and no other: it confirms
// what the API has answered, it settles what else would be told as unknown because the service
// itself can say nothing, and it is shown. What comes for a request that has ended is audited.
func (h *History) Hear(ctx context.Context, callbacks []recall.Callback) error {
	var arrivals []bot.Arrival
	removals := map[talk][]bot.Removal{}
	now := time.Now().Truncate(time.Millisecond)
	for _, c := range callbacks {
		if !h.Wants(c) {
			continue
		}
		switch c := c.(type) {
		case recall.AfterSendMsg:
			arrivals = append(arrivals, h.arrival(c))
		case recall.AfterRecallMsg:
			at := c.EventTime
			if at.IsZero() {
				at = now
			}
			t := talk{c.Group, c.Topic}
			for _, s := range c.Seqs {
				removals[t] = append(removals[t], bot.Removal{Group: c.Group, Topic: c.Topic, Seq: s, By: c.Operator,
					At: at})
			}
		}
	}
	if len(arrivals) == 0 && len(removals) == 0 {
		return nil
	}
	err := h.Ledger.Tx(ctx, func(tx bot.Tx) error {
		if len(arrivals) > 0 {
			if _, err := tx.AddArrivals(h.App, arrivals); err != nil {
				return err
			}
		}
		for _, t := range slices.SortedFunc(maps.Keys(removals), talk.compare) {
			if _, err := tx.AddRemovals(h.App, removals[t]); err != nil {
				return err
			}
			if err := h.heard(tx, t, removals[t]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take in callbacks: %w", err)
	}
	return h.ForgetCallbacks(ctx, forgetEvery)
}

// talk is a group or a topic of it: what seqs count in.
type talk struct {
	group recall.GroupID
	topic recall.TopicID
}

func (t talk) compare(o talk) int {
	return cmp.Or(cmp.Compare(t.group, o.group), cmp.Compare(t.topic, o.topic))
}

// heard lets recalls that callbacks told of take effect on the requests that hold these messages.
func (h *History) heard(tx bot.Tx, t talk, told []bot.Removal) error {
	var seqs []recall.Seq
	by := map[recall.UserID]bool{}
	for _, r := range told {
		seqs, by[r.By] = append(seqs, r.Seq), true
	}
	these := command.MakeRanges(seqs...)
	held := bot.Query{App: h.App, Group: t.group, Topic: &t.topic, States: []bot.State{bot.Proposed, bot.Approved,
		bot.Running, bot.Stopping}, Seqs: these, Limit: 1000}
	open, err := tx.Requests(held)
	if err != nil {
		return err
	}
	held.States, held.Limit = []bot.State{bot.Done, bot.Stopped, bot.NotStarted}, lateLookedAt
	ended, err := tx.Requests(held)
	if err != nil {
		return err
	}
	for _, r := range append(open, ended...) {
		shared := r.Covers.Intersect(these)
		if !r.State.Open() {
			who := slices.Sorted(maps.Keys(by))
			runs := shared[:min(len(shared), auditedRuns)]
			err := h.Audit(tx, "callback after the end", r.ID, r.Digest,
				map[string]any{"n": shared.Count(), "seqs": runs.String(), "by": who[:min(len(who), auditedBy)]})
			if err != nil {
				return err
			}
			continue
		}
		if r.State == bot.Running || r.State == bot.Stopping {
			if err := h.SettleTold(tx, r, slices.Collect(shared.All())); err != nil {
				return err
			}
		}
		if err := h.Show(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// SettleTold does what callbacks may do for a request that runs: it confirms those of the seqs that
// the API has answered, where a callback since the beginning told that they were recalled and
// history does not show them as still there. What is in doubt the service itself is asked about.
func (h *History) SettleTold(tx bot.Tx, r bot.Request, seqs []recall.Seq) error {
	told, err := tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, seqs, r.Begun)
	if err != nil || len(told) == 0 {
		return err
	}
	for s := range told {
		if r.StillShown.Contains(s) {
			delete(told, s)
		}
	}
	tx.Wake(bot.WakeRunner)
	_, err = tx.Confirm(r.ID, slices.Sorted(maps.Keys(told)), bot.ByCallback)
	return err
}

// UnlessTold makes an outcome unknown, whose answer was lost, recalled where a callback has told so
// since the request began.
func (h *History) UnlessTold(tx bot.Tx, r bot.Request, outcomes map[recall.Seq]bot.Outcome) error {
	var unknown []recall.Seq
	for s, o := range outcomes {
		// what history shows, or lacks, no callback takes away
		if o.Class == bot.ClassUnknown && o.Why == bot.WhyNoAnswer {
			unknown = append(unknown, s)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	told, err := tx.Removals(r.App, r.Scope.Group, r.Scope.Topic, unknown, r.Begun)
	for s := range told {
		outcomes[s] = bot.Outcome{Class: bot.ClassRecalled, Why: bot.WhyTold, At: tx.Now(), Confirmed: bot.ByCallback}
	}
	return err
}

// ForgetCallbacks takes from memory what callbacks told long ago, or beyond what is kept. While the
// index is off nothing of it is kept. Where that was done less than every ago it does nothing.
func (h *History) ForgetCallbacks(ctx context.Context, every time.Duration) error {
	last, now := h.forgot.Load(), time.Now().UnixNano()
	if now-last < int64(every) || !h.forgot.CompareAndSwap(last, now) {
		return nil
	}
	for {
		n := 0
		err := h.Ledger.Tx(ctx, func(tx bot.Tx) (err error) {
			before := tx.Now().Add(-h.IndexTTL)
			if !h.Indexing() {
				before = tx.Now().Add(time.Millisecond)
			}
			if n, err = tx.ForgetArrivals(before, arrivalsMost, forgetAtOnce); err != nil || n == forgetAtOnce {
				return err
			}
			_, err = tx.ForgetRemovals(tx.Now().Add(-keepRemovals), removalsMost, forgetAtOnce)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget callbacks: %w", err)
		}
		if n < forgetAtOnce {
			return nil
		}
	}
}
