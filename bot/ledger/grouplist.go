package ledger

import (
	"errors"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// PutGroupList stores the groups of an app, with the ledger's time.
func (t *tx) PutGroupList(app recall.SDKAppID, l bot.GroupList) error {
	const do = "put group list"
	body, err := encode(l)
	if err != nil {
		return t.fail(do, err) // unreachable: strings and numbers always marshal
	}
	_, err = t.exec(do, `INSERT INTO group_list (app, at, body) VALUES ($1, $2, $3)
		ON CONFLICT (app) DO UPDATE SET at = excluded.at, body = excluded.body`, int64(app), millis(t.now), body)
	return err
}

// GroupList returns the stored groups of an app.
func (t *tx) GroupList(app recall.SDKAppID) (bot.GroupList, error) {
	const do = "read group list"
	var at int64
	var body string
	err := t.get(do, `SELECT at, body FROM group_list WHERE app = $1`, []any{int64(app)}, &at, &body)
	if errors.Is(err, bot.ErrNotFound) {
		return bot.GroupList{}, nil
	} else if err != nil {
		return bot.GroupList{}, err
	}
	l := bot.GroupList{}
	if err := decode(body, &l); err != nil {
		return bot.GroupList{}, t.fail(do, err)
	}
	l.Read = moment(at)
	return l, nil
}

// ForgetGroupLists deletes what was stored before a time.
func (t *tx) ForgetGroupLists(before time.Time) error {
	_, err := t.exec("forget group lists", `DELETE FROM group_list WHERE at < $1`, millis(before))
	return err
}
