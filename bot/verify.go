package bot

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
)

// Verified is what VerifyAudit found of a log that holds.
type Verified struct {
	N    int64 // the last entry
	Hash string
	// Forgotten is of how many requests the words of a reason that the log has the HMAC of are
	// forgotten.
	Forgotten int
}

// marks are the HMACs of reasons in the log, and the entries that have them.
type marks map[RequestID][]mark

type mark struct {
	n    int64
	what string
	hmac string
}

func (m marks) note(e Entry) {
	var detail struct {
		Reason string `json:"reason"`
	}
	if (e.What == "asked" || e.What == "rejected") && json.Unmarshal(e.Detail, &detail) == nil && detail.Reason != "" {
		m[e.Request] = append(m[e.Request], mark{e.N, e.What, detail.Reason})
	}
}

// compare compares the reasons of a request with the log. forgotten reports that they are gone.
func (m marks) compare(r Request) (forgotten bool, err error) {
	for _, has := range m[r.ID] {
		words := r.Reason
		if has.what == "rejected" {
			words = r.EndReason
		}
		switch {
		case r.ReasonsForgotten:
			forgotten = true
		case !hmac.Equal([]byte(r.Mark(words)), []byte(has.hmac)):
			return false, &BrokenChain{has.n, fmt.Sprintf("the reason of %s is not the one that was written", r.ID)}
		}
	}
	return forgotten, nil
}

// VerifyAudit checks the audit log of a ledger, which a bot may be using at the same time. It
// checks the chain; that the log contains the entry that receipt names, if receipt is not ""; that
// it contains the entries that the requests of the ledger refer to; and that the reasons beside it
// are those that were written, or forgotten. It returns a *BrokenChain if the log is not what was
// written.
func VerifyAudit(ctx context.Context, l Ledger, receipt string) (Verified, error) {
	v := Verifier{Receipt: receipt}
	reasons, forgotten := marks{}, 0
	next := func(tx Tx) (read int, err error) {
		page, err := tx.Entries(v.n+1, 10_000)
		for _, e := range page { // before the error, which may be about a later entry
			if err := v.Next(e); err != nil {
				return 0, err
			}
			reasons.note(e)
		}
		return len(page), err
	}
	for read := -1; read != 0; {
		err := l.View(ctx, func(tx Tx) (err error) {
			read, err = next(tx)
			return err
		})
		if err != nil {
			return Verified{}, err
		}
	}
	if err := v.End(); err != nil {
		return Verified{}, err
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
				gone, err := reasons.compare(r)
				if err != nil {
					return err
				}
				if gone {
					forgotten++
				}
			}
			return nil
		})
		if err != nil {
			return Verified{}, err
		}
	}
	return Verified{v.n, v.hash, forgotten}, nil
}
