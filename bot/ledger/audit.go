package ledger

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"recallbot/bot"
)

// auditHead is the last entry of the audit log as this transaction knows it. No other transaction
// writes before this one ends.
type auditHead struct {
	n    int64
	hash string
}

// Append adds an entry to the audit log. It hashes the entry as a reader will see it: with both
// times in UTC, as in the stored JSON.
func (t *tx) Append(e bot.Entry) (bot.Entry, error) {
	const do = "append to audit log"
	e.At, e.Process = t.now.UTC(), e.Process.UTC()
	text, err := encode(e)
	if err != nil {
		return bot.Entry{}, t.fail(do, err)
	}
	var stored bot.Entry
	if err := decode(text, &stored); err != nil {
		return bot.Entry{}, t.fail(do, err)
	}
	n, hash, err := t.Head()
	if err != nil {
		return bot.Entry{}, err
	}
	stored = bot.Link(stored, n+1, hash)
	if text, err = encode(stored); err != nil {
		return bot.Entry{}, t.fail(do, err)
	}
	_, err = t.exec(do, `INSERT INTO audit (n, at, hash, body) VALUES ($1, $2, $3, $4)`, stored.N, millis(stored.At),
		stored.Hash, text)
	t.last = &auditHead{stored.N, stored.Hash}
	return stored, err
}

// Head returns the last entry's number and hash.
func (t *tx) Head() (int64, string, error) {
	if t.last != nil {
		return t.last.n, t.last.hash, nil
	}
	var n int64
	var hash string
	err := t.get("read audit head", `SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1`, nil, &n, &hash)
	if errors.Is(err, bot.ErrNotFound) {
		return 0, "", nil
	}
	return n, hash, err
}

// row is a stored entry: its JSON, and the columns beside it.
type row struct {
	n     int64
	at    int64
	hash  string
	body  []byte
	wrong string // why it is no entry; "" while nothing is known against it
}

// Entries returns entries as they are stored, whether or not their chain holds. Each of them must
// be, byte for byte, what Append writes.
func (t *tx) Entries(n int64, limit int) ([]bot.Entry, error) {
	const do = "read audit log"
	var rows []row
	err := t.each(do, `SELECT n, at, hash, body FROM audit WHERE n >= $1 ORDER BY n LIMIT $2 + 0`,
		[]any{n, max(limit, 0)}, func(scan *sql.Rows) error {
			var r row
			// a column that holds something else, which SQLite lets pass
			if err := scan.Scan(&r.n, &r.at, &r.hash, &r.body); err != nil {
				r.n, r.wrong = n+int64(len(rows)), "was changed: "+err.Error()
			}
			rows = append(rows, r)
			return nil
		})
	if err != nil {
		return nil, err
	}
	entries := make([]bot.Entry, len(rows))
	inParts(len(rows), func(from, till int) {
		for i := from; i < till; i++ {
			entries[i] = rows[i].entry()
		}
	})
	for i, r := range rows {
		if r.wrong != "" {
			return entries[:i], fmt.Errorf("%s: %w", do, &bot.BrokenChain{N: r.n, What: r.wrong})
		}
	}
	return entries, nil
}

// entry decodes the row, and sets r.wrong where the row is not what Append wrote.
func (r *row) entry() (e bot.Entry) {
	if r.wrong != "" {
		return e
	}
	if err := json.Unmarshal(r.body, &e); err != nil {
		r.wrong = "was changed: it cannot be read"
		return e
	}
	// The JSON decoder tolerates another letter case and a name that occurs twice, so only equal
	// bytes prove that nothing was changed.
	again, err := json.Marshal(e)
	switch {
	case err != nil, !bytes.Equal(again, r.body):
		r.wrong = "was changed: it is not written as it was"
	case r.n != e.N:
		r.wrong = fmt.Sprintf("was changed: it says that it is entry %d", e.N)
	case r.at != millis(e.At):
		r.wrong = "was changed: the time beside it is another"
	case r.hash != e.Hash:
		r.wrong = "was changed: the hash beside it is another"
	}
	return e
}

// inParts calls do for parts of n things, on every processor where they are many.
func inParts(n int, do func(from, till int)) {
	parts := runtime.GOMAXPROCS(0)
	if n < 1000 {
		parts = 1
	}
	var working sync.WaitGroup
	for part := 1; part < parts; part++ {
		working.Go(func() { do(n*part/parts, n*(part+1)/parts) })
	}
	do(0, n/parts)
	working.Wait()
}
