package bot

import (
	"fmt"
	"time"
)

// noteRestored is the key of the note of when a bot was first started on a copy of its ledger.
const noteRestored = "ledger.restored"

// restore makes it safe to go on from a copy of the ledger: after it was made all that it calls unfinished may have been done. What is not final is in doubt, and
// read before anything is sent; so is what was approved and had not begun, and the rest of what had: batchRest and windDown look at restoredAt.
func (b *Bot) restore(tx Tx) error {
	found, err := tx.Note(NoteCopy)
	if err != nil || found == "" {
		return err
	}
	b.log.Warn("the ledger is a copy of an earlier one; what it does not know the end of is in doubt", "found", found)
	running, err := tx.Requests(Query{App: b.o.App, States: []State{Running, Stopping}, Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range running {
		batches, err := tx.Batches(r.ID, 1<<20, BatchPending, BatchSending)
		if err != nil {
			return err
		}
		putInDoubt(batches)
		if err := tx.PutBatches(r.ID, batches); err != nil {
			return err
		}
	}
	if err := tx.PutNote(noteRestored, tx.Now().Format(time.RFC3339Nano)); err != nil {
		return err
	}
	if err := tx.PutNote(NoteCopy, ""); err != nil {
		return err
	}
	return b.auditOwn(tx, "restored", "", "", map[string]any{"found": found})
}

// restoredAt is when a bot was first started on a copy of its ledger; zero when the ledger is none.
func restoredAt(tx Tx) (time.Time, error) {
	v, err := tx.Note(noteRestored)
	if err != nil || v == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the ledger was restored: %w", err)
	}
	return at, nil
}

func putInDoubt(batches []Batch) {
	for i := range batches {
		batches[i].State, batches[i].Doubted = BatchDoubt, true
	}
}
