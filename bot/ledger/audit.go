package ledger

import (
	"database/sql"
	"errors"

	"recallbot/bot"
)

// auditHead is the last entry of the audit log, as this transaction knows it: nobody else writes before it ends.
type auditHead struct {
	n    int64
	hash string
}

// Append adds an entry to the audit log. The entry is hashed as it will be read back: its JSON is what is stored.
func (t *tx) Append(e bot.Entry) (bot.Entry, error) {
	const do = "append to audit log"
	e.At = t.now
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
	_, err = t.exec(do, `INSERT INTO audit (n, at, hash, body) VALUES ($1, $2, $3, $4)`, stored.N, millis(stored.At), stored.Hash, text)
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

// Entries returns entries as they are stored, whether or not they fit together.
func (t *tx) Entries(n int64, limit int) ([]bot.Entry, error) {
	var entries []bot.Entry
	err := t.each("read audit log", `SELECT body FROM audit WHERE n >= $1 ORDER BY n LIMIT $2`, []any{n, max(limit, 0)}, func(row *sql.Rows) error {
		var body string
		if err := row.Scan(&body); err != nil {
			return err
		}
		var e bot.Entry
		if err := decode(body, &e); err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}
