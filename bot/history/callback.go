package history

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Wants reports whether Hear uses a callback: its group may be touched, and it reports a recall, or
// a message while the index is on. Wants reads nothing.
func (h *History) Wants(c recall.Callback) bool {
	switch c := c.(type) {
	case recall.AfterSendMsg:
		return h.Indexing() && !c.OnlineOnly && c.Seq > 0 && h.Policy.MayTouch(c.Group) == nil
	case recall.AfterRecallMsg:
		return len(c.Seqs) <= recall.MaxCallbackSeqs && h.Policy.MayTouch(c.Group) == nil
	}
	return false
}

// Hear stores callbacks in one transaction. It leaves out those that Wants does not want. A
// callback that is delivered twice changes nothing.
//
// The signature of a callback does not cover its content. So a message that only a callback
// reported is marked as known from a callback. A reported recall has three effects and no others:
// it confirms a recall that the API has answered, it gives an outcome to a message that would
// otherwise stay unknown because its answer was lost, and it is shown. A callback about a request
// that has ended is recorded in the audit log.
func (h *History) Hear(ctx context.Context, callbacks []recall.Callback) error {
	var arrivals []bot.Arrival
	var sent []recall.Message
	removals := map[bot.Talk][]bot.Removal{}
	now := time.Now().Truncate(time.Millisecond)
	for _, c := range callbacks {
		if !h.Wants(c) {
			continue
		}
		switch c := c.(type) {
		case recall.AfterSendMsg:
			arrivals, sent = append(arrivals, h.arrival(c)), append(sent, c.Message())
		case recall.AfterRecallMsg:
			at := c.EventTime
			if at.IsZero() {
				at = now
			}
			t := bot.Talk{Group: c.Group, Topic: c.Topic}
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
			key, err := h.saidKey(tx)
			if err == nil && key == nil {
				key, err = h.makeSaidKey(tx)
			}
			if err != nil {
				return err
			}
			for i, m := range sent {
				arrivals[i].Said = bot.SaidHMAC(key, m)
			}
			if _, err := tx.AddArrivals(h.App, arrivals); err != nil {
				return err
			}
		}
		for _, t := range slices.SortedFunc(maps.Keys(removals), bot.Talk.Compare) {
			if _, err := tx.AddRemovals(h.App, removals[t]); err != nil {
				return err
			}
			if err := h.apply(tx, t, removals[t]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store callbacks: %w", err)
	}
	return h.ForgetCallbacks(ctx, forgetEvery)
}

// apply applies recalls that callbacks reported to the requests that hold these messages.
func (h *History) apply(tx bot.Tx, t bot.Talk, heard []bot.Removal) error {
	var seqs []recall.Seq
	by := map[recall.UserID]bool{}
	for _, r := range heard {
		seqs, by[r.By] = append(seqs, r.Seq), true
	}
	these := command.MakeRanges(seqs...)
	held := bot.Query{App: h.App, Group: t.Group, Topic: &t.Topic, States: []bot.State{bot.Proposed, bot.Approved,
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
		shared := r.Shared(t, these)
		if !r.State.Open() {
			who := slices.Sorted(maps.Keys(by))
			runs := shared[:min(len(shared), auditedRuns)]
			more := map[string]any{"n": shared.Count(), "seqs": runs.String(), "by": who[:min(len(who), auditedBy)]}
			if r.Scope.Sweeps() {
				more["group"], more["topic"] = t.Group, t.Topic
			}
			if err := h.Audit(tx, "callback after the end", r.ID, r.Digest, more); err != nil {
				return err
			}
			continue
		}
		if r.State == bot.Running || r.State == bot.Stopping {
			part, _ := r.In(t)
			if err := h.ConfirmHeard(tx, r, bot.IDsOf(part, slices.Collect(shared.All()))); err != nil {
				return err
			}
		}
		if err := h.Redraw(tx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// ConfirmHeard applies callbacks to a running request. It confirms the recall of each of the
// messages that the API has answered, if a callback since the request began reported that recall
// and history does not show the message as still there. It decides no doubt: for a message in doubt
// the service itself is asked.
func (h *History) ConfirmHeard(tx bot.Tx, r bot.Request, messages []bot.MessageID) error {
	heard, err := r.Removals(tx, messages, r.Begun)
	if err != nil || len(heard) == 0 {
		return err
	}
	for id := range heard {
		if r.Still(id) {
			delete(heard, id)
		}
	}
	tx.Wake(bot.WakeRunner)
	_, err = tx.Confirm(r.ID, slices.Sorted(maps.Keys(heard)), bot.ByCallback)
	return err
}

// UnlessHeard changes the outcome of a message from unknown to recalled, if the outcome is unknown
// because the answer was lost and a callback since the request began reported the recall.
func (h *History) UnlessHeard(tx bot.Tx, r bot.Request, outcomes map[bot.MessageID]bot.Outcome) error {
	var unknown []bot.MessageID
	for s, o := range outcomes {
		// a callback does not overrule what history shows or lacks
		if o.Class == bot.ClassUnknown && o.Why == bot.WhyNoAnswer {
			unknown = append(unknown, s)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	heard, err := r.Removals(tx, unknown, r.Begun)
	for s := range heard {
		outcomes[s] = bot.Outcome{Class: bot.ClassRecalled, Why: bot.WhyHeard, At: tx.Now(), Confirmed: bot.ByCallback}
	}
	return err
}

// ForgetCallbacks deletes stored callbacks that are older than their retention time or exceed the
// number that is kept. While the index is off, it deletes all messages of the index. The key of
// their hashes goes with the last of them. It does nothing if it ran less than every ago.
func (h *History) ForgetCallbacks(ctx context.Context, every time.Duration) error {
	last, now := h.forgot.Load(), time.Now().UnixNano()
	if now-last < int64(every) || !h.forgot.CompareAndSwap(last, now) {
		return nil
	}
	arrivedBefore := func(tx bot.Tx) time.Time {
		if !h.Indexing() {
			return tx.Now().Add(time.Millisecond)
		}
		return tx.Now().Add(-h.IndexTTL)
	}
	old := false
	err := h.Ledger.View(ctx, func(tx bot.Tx) (err error) {
		if old, err = tx.OldArrivals(arrivedBefore(tx), arrivalsMost, forgetAtOnce); err == nil && !old {
			old, err = tx.OldRemovals(tx.Now().Add(-keepRemovals), removalsMost, forgetAtOnce)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for old callbacks: %w", err)
	}
	for old {
		n := 0
		err := h.Ledger.Tx(ctx, func(tx bot.Tx) (err error) {
			n, err = tx.ForgetArrivals(arrivedBefore(tx), arrivalsMost, forgetAtOnce)
			if err != nil || n == forgetAtOnce {
				return err
			}
			if err := h.forgetSaidKey(tx); err != nil {
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
	return nil
}
