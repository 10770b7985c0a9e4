package ledger

import (
	"database/sql"
	"time"

	"recallbot/bot"
)

// SetDue sets a timer.
func (t *tx) SetDue(d bot.Due) error {
	_,
		err := t.exec("set timer",
		`INSERT INTO due (request, kind, at) VALUES ($1, $2, $3) ON CONFLICT (request, kind) DO UPDATE SET at = excluded.at`,
		d.Request, d.Kind, millis(d.At))
	return err
}

// ClearDue removes timers.
func (t *tx) ClearDue(id bot.RequestID, kinds ...bot.DueKind) error {
	const do = "clear timer"
	if len(kinds) == 0 {
		_, err := t.exec(do, `DELETE FROM due WHERE request = $1`, id)
		return err
	}
	for _, kind := range kinds {
		if _, err := t.exec(do, `DELETE FROM due WHERE request = $1 AND kind = $2`, id, kind); err != nil {
			return err
		}
	}
	return nil
}

// Dues returns timers that have run out.
func (t *tx) Dues(at time.Time, limit int) ([]bot.Due, error) {
	var dues []bot.Due
	err := t.each("read timers",
		`SELECT request, kind, at FROM due WHERE at <= $1 ORDER BY at, request, kind LIMIT $2 + 0`,
		[]any{millis(at), max(limit, 0)}, func(row *sql.Rows) error {
			var d bot.Due
			var ms int64
			err := row.Scan(&d.Request, &d.Kind, &ms)
			d.At = moment(ms)
			dues = append(dues, d)
			return err
		})
	return dues, err
}

// NextDue returns the earliest timer's time.
func (t *tx) NextDue() (time.Time, error) {
	var ms int64
	err := t.get("read next timer", `SELECT COALESCE(MIN(at), 0) FROM due`, nil, &ms)
	return moment(ms), err
}
