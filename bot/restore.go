package bot

import (
	"fmt"
	"time"
)

// SettingRestored is the key under which the ledger keeps when a bot was first started on a copy of
// it.
const SettingRestored = "ledger.restored"

// RestoredAt returns when a bot was first started on a copy of its ledger, or the zero time if the
// ledger is not a copy.
func RestoredAt(tx Tx) (time.Time, error) {
	v, err := tx.Setting(SettingRestored)
	if err != nil || v == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the ledger was restored: %w", err)
	}
	return at, nil
}
