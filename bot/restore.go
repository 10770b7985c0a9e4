package bot

import (
	"fmt"
	"time"
)

// NoteRestored is the key of the note of when a bot was first started on a copy of its ledger.
const NoteRestored = "ledger.restored"

// RestoredAt is when a bot was first started on a copy of its ledger; zero when the ledger is none.
func RestoredAt(tx Tx) (time.Time, error) {
	v, err := tx.Note(NoteRestored)
	if err != nil || v == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the ledger was restored: %w", err)
	}
	return at, nil
}
