package worker

import (
	"recallbot/bot"
)

// A callback may report a recall before the answer to its call is stored, or in place of an answer
// that is lost.

// applyHeard applies callbacks that arrived before an answer was stored.
func (r *runner) applyHeard(tx bot.Tx, id bot.RequestID, messages []bot.MessageID) error {
	if !r.w.Callbacks || len(messages) == 0 {
		return nil
	}
	req, err := tx.Request(id)
	if err != nil || req.State != bot.Running && req.State != bot.Stopping {
		return err
	}
	return r.w.ConfirmHeard(tx, req, messages)
}

// unlessHeard changes unknown outcomes to recalled, as History.UnlessHeard does.
func (r *runner) unlessHeard(tx bot.Tx, id bot.RequestID, outcomes map[bot.MessageID]bot.Outcome) error {
	if !r.w.Callbacks || len(outcomes) == 0 {
		return nil
	}
	req, err := tx.Request(id)
	if err != nil {
		return err
	}
	return r.w.UnlessHeard(tx, req, outcomes)
}
