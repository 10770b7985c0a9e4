package bot

import (
	"encoding/json"
	"fmt"
)

// settingRun is the key under which the ledger keeps its run of receipt numbers.
const settingRun = "receipt.run"

// receiptRun is a run of receipt numbers. A ledger begins a new one when it was restored: the
// numbers that were given after its copy was made stand in threads, and must not be given again.
type receiptRun struct {
	N    int `json:"n"`    // 2 for the first that is not the ledger's first
	Base int `json:"base"` // what the ledger had counted when it began
}

// NewReceiptRun makes receipts be numbered from 1 again, with the number of the restore before it:
// 2-1, 2-2 and so on.
func NewReceiptRun(tx Tx) error {
	run, err := readRun(tx)
	if err != nil {
		return err
	}
	if run.Base, err = tx.NextReceipt(); err != nil { // which nobody gets
		return err
	}
	run.N = max(run.N, 1) + 1
	body, err := json.Marshal(run)
	if err != nil {
		return err // unreachable: numbers always marshal
	}
	return tx.PutSetting(settingRun, string(body))
}

func readRun(tx Tx) (run receiptRun, err error) {
	v, err := tx.Setting(settingRun)
	if err != nil || v == "" {
		return run, err
	}
	if err := json.Unmarshal([]byte(v), &run); err != nil {
		return run, fmt.Errorf("read the run of receipts: %w", err)
	}
	return run, nil
}

// number gives the request its receipt number.
func (r *Request) number(tx Tx) error {
	run, err := readRun(tx)
	if err != nil {
		return err
	}
	n, err := tx.NextReceipt()
	r.Receipt, r.ReceiptRun = n-run.Base, run.N
	return err
}
