package ledger

import (
	"database/sql"
	"time"

	"recallbot/bot"
)

const eventColumns = `id, platform, at, body, answer`

func scanEvent(scan func(...any) error) (bot.StoredEvent, error) {
	var e bot.StoredEvent
	var at int64
	var body, answer sql.NullString
	err := scan(&e.ID, &e.Platform, &at, &body, &answer)
	e.At = moment(at)
	if body.Valid {
		e.Body = []byte(body.String)
	}
	if answer.Valid {
		e.Answer = []byte(answer.String)
	}
	return e, err
}

// AddEvent stores an event under its id, or returns the one that is stored already.
func (t *tx) AddEvent(e bot.StoredEvent) (*bot.StoredEvent, error) {
	const do = "add event"
	body := sql.NullString{String: string(e.Body), Valid: e.Answer == nil}
	answer := sql.NullString{String: string(e.Answer), Valid: e.Answer != nil}
	n,
		err := t.exec(do,
		`INSERT INTO event (id, platform, at, body, answer) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING`,
		e.ID, e.Platform, millis(t.now), body, answer)
	if err != nil || n > 0 {
		return nil, err
	}
	stored, err := t.Event(e.ID)
	return &stored, err
}

// Event returns a stored event.
func (t *tx) Event(id bot.EventID) (stored bot.StoredEvent, err error) {
	const do = "read event"
	found := false
	err = t.each(do, `SELECT `+eventColumns+` FROM event WHERE id = $1`, []any{id}, func(row *sql.Rows) (err error) {
		found = true
		stored, err = scanEvent(row.Scan)
		return err
	})
	if err == nil && !found {
		err = missing(do)
	}
	return stored, err
}

// CloseEvent stores the first answer to an event and forgets its body.
func (t *tx) CloseEvent(id bot.EventID, answer []byte) error {
	return t.change("close event", `UPDATE event SET answer = $2, body = NULL WHERE id = $1 AND answer IS NULL`, id,
		string(answer))
}

// OpenEvents returns what has no answer yet.
func (t *tx) OpenEvents(p bot.Platform) ([]bot.StoredEvent, error) {
	var events []bot.StoredEvent
	err := t.each("read open events", `SELECT `+eventColumns+
		` FROM event WHERE platform = $1 AND answer IS NULL ORDER BY at, id`, []any{p}, func(row *sql.Rows) error {
		e, err := scanEvent(row.Scan)
		events = append(events, e)
		return err
	})
	return events, err
}

// ForgetEvents removes old events that have their answer.
func (t *tx) ForgetEvents(before time.Time) (int, error) {
	n, err := t.exec("forget events", `DELETE FROM event WHERE answer IS NOT NULL AND at < $1`, millis(before))
	t.forgot = t.forgot || n > 0 // an answer may quote a phrase
	return n, err
}

// OldEvents reports whether there are old events that have their answer.
func (t *tx) OldEvents(before time.Time) (old bool, err error) {
	err = t.get("look for old events", `SELECT EXISTS (SELECT 1 FROM event WHERE answer IS NOT NULL AND at < $1)`,
		[]any{millis(before)}, &old)
	return old, err
}
