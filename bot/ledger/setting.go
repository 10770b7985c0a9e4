package ledger

import (
	"errors"

	"recallbot/bot"
	"recallbot/recall"
)

// PutRoster stores a roster under its hash.
func (t *tx) PutRoster(r bot.Roster) error {
	const do = "put roster"
	body, err := encode(r)
	if err != nil {
		return t.fail(do, err) // unreachable: strings always marshal
	}
	_, err = t.exec(do, `INSERT INTO roster (hash, body, at) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING`,
		r.Hash(), body, millis(t.now))
	return err
}

// Roster returns a roster by its hash. An empty one may be nil or an empty list.
func (t *tx) Roster(hash string) (bot.Roster, error) {
	const do = "read roster"
	if hash == (bot.Roster{}).Hash() || hash == (bot.Roster{People: []bot.Person{}}).Hash() {
		return bot.Roster{}, nil
	}
	var body string
	if err := t.get(do, `SELECT body FROM roster WHERE hash = $1`, []any{hash}, &body); err != nil {
		return bot.Roster{}, err
	}
	var r bot.Roster
	if err := decode(body, &r); err != nil {
		return bot.Roster{}, t.fail(do, err)
	}
	return r, nil
}

// Pause stores why nothing is sent for an app.
func (t *tx) Pause(app recall.SDKAppID, p *bot.Pause) error {
	const do = "pause app"
	if p == nil {
		_, err := t.exec(do, `DELETE FROM pause WHERE app = $1`, int64(app))
		return err
	}
	body, err := encode(p)
	if err != nil {
		return t.fail(do, err)
	}
	_,
		err = t.exec(do,
		`INSERT INTO pause (app, body) VALUES ($1, $2) ON CONFLICT (app) DO UPDATE SET body = excluded.body`,
		int64(app), body)
	return err
}

// Paused returns why nothing is sent for an app.
func (t *tx) Paused(app recall.SDKAppID) (*bot.Pause, error) {
	const do = "read pause"
	var body string
	err := t.get(do, `SELECT body FROM pause WHERE app = $1`, []any{int64(app)}, &body)
	if errors.Is(err, bot.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p bot.Pause
	if err := decode(body, &p); err != nil {
		return nil, t.fail(do, err)
	}
	return &p, nil
}

// NextReceipt returns the number of the next receipt.
func (t *tx) NextReceipt() (int, error) {
	var n int
	err := t.get("number receipt", `UPDATE counter SET n = n + 1 WHERE name = 'receipt' RETURNING n`, nil, &n)
	return n, err
}

// PutSetting stores a value under a key.
func (t *tx) PutSetting(key, value string) error {
	const do = "put setting"
	body, err := encode(value)
	if err != nil {
		return t.fail(do, err) // unreachable: strings always marshal
	}
	_,
		err = t.exec(do,
		`INSERT INTO note (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key,
		body)
	return err
}

// Setting returns the value under a key.
func (t *tx) Setting(key string) (string, error) {
	const do = "read setting"
	var body, value string
	err := t.get(do, `SELECT value FROM note WHERE key = $1`, []any{key}, &body)
	if errors.Is(err, bot.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if err := decode(body, &value); err != nil {
		return "", t.fail(do, err)
	}
	return value, nil
}
