package ledger

import (
	"context"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/ledgertest"
)

// TestFrozenReplica: a replica that freezes in the middle of a transaction is thrown out after a
// few seconds, so that the others go on. What it has written is not there, and when it wakes up it
// is told, and goes on as well.
func TestFrozenReplica(t *testing.T) {
	u := ledgertest.Postgres(t)
	var replicas [2]*Ledger
	for i := range replicas {
		var err error
		if replicas[i], err = Open(t.Context(), u, Options{}); err != nil {
			t.Fatal(err)
		}
		defer replicas[i].Close()
	}
	err := replicas[0].tx(t.Context(), func(frozen *tx) error {
		if err := frozen.PutSetting("k", "frozen"); err != nil {
			return err
		}
		var patient bool
		var was string
		const hurry = `SELECT current_setting($1), CAST(current_setting($1) AS interval) BETWEEN interval '1s' AND interval '10s', set_config($1, '100ms', true)`
		if err := frozen.get("hurry", hurry, []any{"idle_in_transaction_session_timeout"}, &was, &patient,
			new(string)); err != nil {
			return err
		}
		if !patient {
			t.Errorf("it would be thrown out after %s", was)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := replicas[1].Tx(ctx, func(tx bot.Tx) error {
			if got, err := tx.Setting("k"); got != "" || err != nil {
				t.Errorf("note %q, %v", got, err)
			}
			return tx.PutSetting("k", "went on")
		})
		if err != nil {
			t.Errorf("the other: %v", err)
		}
		return nil
	})
	if err == nil {
		t.Error("what was thrown out is committed")
	}
	err = replicas[0].Tx(t.Context(), func(tx bot.Tx) error {
		if got, err := tx.Setting("k"); got != "went on" || err != nil {
			t.Errorf("note %q, %v", got, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
