package bot

import (
	"context"
)

// VerifyAudit checks the audit log of a ledger, which a bot may be using at the same time. It
// checks the chain; that the log contains the entry that receipt names, if receipt is not ""; and
// that it contains the entries that the requests of the ledger refer to. It returns the number and
// the hash of the last entry, and a *BrokenChain if the log is not what was written.
func VerifyAudit(ctx context.Context, l Ledger, receipt string) (int64, string, error) {
	v := Verifier{Receipt: receipt}
	next := func(tx Tx) (read int, err error) {
		page, err := tx.Entries(v.n+1, 10_000)
		for _, e := range page { // before the error, which may be about a later entry
			if err := v.Next(e); err != nil {
				return 0, err
			}
		}
		return len(page), err
	}
	for read := -1; read != 0; {
		err := l.View(ctx, func(tx Tx) (err error) {
			read, err = next(tx)
			return err
		})
		if err != nil {
			return 0, "", err
		}
	}
	if err := v.End(); err != nil {
		return 0, "", err
	}
	for after, more := RequestID(""), true; more; {
		err := l.View(ctx, func(tx Tx) error {
			for read := -1; read != 0; { // entries that were written since
				var err error
				if read, err = next(tx); err != nil {
					return err
				}
			}
			page, err := tx.RequestsAfter(after, 1000)
			if more = len(page) > 0; err != nil || !more {
				return err
			}
			after = page[len(page)-1].ID
			for _, r := range page {
				err := v.named(r, func(n int64) (Entry, error) {
					e, err := tx.Entries(n, 1)
					if err != nil || len(e) == 0 {
						return Entry{}, err
					}
					return e[0], nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, "", err
		}
	}
	return v.n, v.hash, nil
}
