package worker

import (
	"time"

	"recallbot/bot"
)

// restore makes it safe to continue from a copy of the ledger. Anything that the copy shows as
// unfinished may have been done after the copy was made. So batches without a final outcome are in
// doubt, and are read before anything is sent. The same holds for messages that have no batch yet,
// of running requests and of those approved but not begun: batchRest and windDown read RestoredAt.
func (w *Worker) restore(tx bot.Tx, after *later) error {
	found, err := tx.Setting(bot.SettingCopy)
	if err != nil || found == "" {
		return err
	}
	after.add(func() {
		w.Log.Warn("the ledger is a copy of an earlier one; everything unfinished in it is in doubt", "found", found)
	})
	running, err := tx.Requests(bot.Query{App: w.App, States: []bot.State{bot.Running, bot.Stopping}, Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range running {
		batches, err := tx.Batches(r.ID, 1<<20, bot.BatchPending, bot.BatchSending)
		if err != nil {
			return err
		}
		putInDoubt(batches)
		if err := tx.PutBatches(r.ID, batches); err != nil {
			return err
		}
	}
	if err := tx.PutSetting(bot.SettingRestored, tx.Now().Format(time.RFC3339Nano)); err != nil {
		return err
	}
	if err := tx.PutSetting(bot.SettingCopy, ""); err != nil {
		return err
	}
	if err := bot.NewReceiptRun(tx); err != nil {
		return err
	}
	return w.Audit(tx, "restored", "", "", map[string]any{"found": found})
}
