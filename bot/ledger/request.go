package ledger

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"recallbot/bot"
)

// A request is stored as JSON, beside the columns that are searched or that keys refer to. State and digest are read from their columns;
// approvals are rows of their own.

// requestBody is the JSON of a request.
func requestBody(r bot.Request) (string, error) {
	r.Approvals = nil
	return encode(r)
}

// AddRequest stores a new request.
func (t *tx) AddRequest(r bot.Request) error {
	const do = "add request"
	body, err := requestBody(r)
	if err != nil {
		return t.fail(do, err)
	}
	if _, err := t.exec(do, `INSERT INTO request (id, app, chat_group, topic, requester, asked, state, digest, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		r.ID, int64(r.App), r.Scope.Group, r.Scope.Topic, r.By.Person, millis(r.Asked), r.State, orNull(r.Digest), body); err != nil {
		return err
	}
	return t.putApprovals(do, r)
}

// Request returns one request. Nothing more is needed to hold it: no other transaction writes before this one ends.
func (t *tx) Request(id bot.RequestID) (bot.Request, error) {
	requests, err := t.requests("read request", `id = $1`, newestFirst, []any{id})
	switch {
	case err != nil:
		return bot.Request{}, err
	case len(requests) == 0:
		return bot.Request{}, missing("read request " + string(id))
	}
	return requests[0], nil
}

// PutRequest stores what a request has become. Who asked what and when never changes, nor does a digest once it is set.
func (t *tx) PutRequest(r bot.Request) error {
	do := "put request " + string(r.ID)
	body, err := requestBody(r)
	if err != nil {
		return t.fail(do, err)
	}
	n, err := t.exec(do, `UPDATE request SET state = $7, digest = $8, body = $9
		WHERE id = $1 AND app = $2 AND chat_group = $3 AND topic = $4 AND requester = $5 AND asked = $6 AND (digest IS NULL OR digest = $8)`,
		r.ID, int64(r.App), r.Scope.Group, r.Scope.Topic, r.By.Person, millis(r.Asked), r.State, orNull(r.Digest), body)
	if err != nil {
		return err
	}
	t.forgot = t.forgot || r.Scope.Filter.Text == bot.Withheld // the phrase that stood there is to be gone as other text
	if n == 0 {
		if _, err := t.Request(r.ID); err != nil {
			return err
		}
		return t.refuse(do, "who asked what, and the digest once sealed, never change")
	}
	return t.putApprovals(do, r)
}

// putApprovals makes the stored approvals those of r. One that is there as it is stays untouched: a grant may hang on it.
func (t *tx) putApprovals(do string, r bot.Request) error {
	type row struct {
		person string
		n      int64
	}
	stored := map[string]row{} // by what they say
	next := int64(1)
	err := t.each(do, `SELECT person, n, body FROM approval WHERE request = $1`, []any{r.ID}, func(rows *sql.Rows) error {
		var a row
		var body string
		err := rows.Scan(&a.person, &a.n, &body)
		stored[body] = a
		next = max(next, a.n+1)
		return err
	})
	if err != nil {
		return err
	}
	var added []bot.Approval
	var bodies []string
	for _, a := range r.Approvals {
		body, err := encode(a)
		if err != nil {
			return t.fail(do, err)
		}
		if _, ok := stored[body]; ok {
			delete(stored, body)
			continue
		}
		added, bodies = append(added, a), append(bodies, body)
	}
	for _, a := range stored {
		if _, err := t.exec(do, `DELETE FROM approval WHERE request = $1 AND person = $2`, r.ID, a.person); err != nil {
			return err
		}
	}
	for i, a := range added {
		if _, err := t.exec(do, `INSERT INTO approval (request, requester, digest, person, n, body) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.ID, r.By.Person, a.Digest, a.By.Person, next+int64(i), bodies[i]); err != nil {
			return err
		}
	}
	return nil
}

// Grant stores that there are enough approvals. Where there is none of this digest the person is null, which the schema refuses.
func (t *tx) Grant(id bot.RequestID, digest string) error {
	_, err := t.exec("grant "+string(id), `INSERT INTO "grant" (request, person, digest, at)
		VALUES ($1, (SELECT person FROM approval WHERE request = $1 AND digest = $2 ORDER BY n DESC LIMIT 1), $2, $3)`, id, digest, millis(t.now))
	return err
}

// Requests returns requests, newest first.
func (t *tx) Requests(q bot.Query) ([]bot.Request, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if q.App != 0 {
		where = append(where, "app = "+arg(int64(q.App)))
	}
	if q.Group != "" {
		where = append(where, "chat_group = "+arg(q.Group))
	}
	if q.Topic != nil {
		where = append(where, "topic = "+arg(*q.Topic))
	}
	if q.Person != "" {
		where = append(where, "requester = "+arg(q.Person))
	}
	newest := "asked"
	if len(q.States) > 0 {
		newest = "+asked" // few are in a state that is asked for: they are to be found by it, not by going back from the newest
		var states []string
		for _, s := range q.States {
			states = append(states, arg(s))
		}
		where = append(where, "state IN ("+strings.Join(states, ", ")+")")
	}
	if len(where) == 0 {
		where = []string{"1 = 1"}
	}
	// The inner query finds and sorts in an index alone, so that old requests are not read.
	return t.requests("read requests", `id IN (SELECT id FROM request WHERE `+strings.Join(where, " AND ")+
		` ORDER BY `+newest+` DESC, id DESC LIMIT `+arg(cmp.Or(max(q.Limit, 0), 100))+` + 0)`, newestFirst, args)
}

// RequestsAfter returns requests by their ids.
func (t *tx) RequestsAfter(id bot.RequestID, limit int) ([]bot.Request, error) {
	return t.requests("read all requests", `id IN (SELECT id FROM request WHERE id > $1 ORDER BY id LIMIT $2 + 0)`, `id`, []any{id, max(limit, 0)})
}

const newestFirst = `asked DESC, id DESC`

// requests returns those that fit the condition, in that order, with their approvals.
func (t *tx) requests(do, where, order string, args []any) ([]bot.Request, error) {
	var requests []bot.Request
	at := map[bot.RequestID]int{}
	err := t.each(do, `SELECT id, state, digest, body FROM request WHERE `+where+` ORDER BY `+order, args, func(row *sql.Rows) error {
		var r bot.Request
		var id, state, body string
		var digest sql.NullString
		if err := row.Scan(&id, &state, &digest, &body); err != nil {
			return err
		}
		if err := decode(body, &r); err != nil {
			return fmt.Errorf("request %s: %w", id, err)
		}
		r.ID, r.State, r.Digest = bot.RequestID(id), bot.State(state), digest.String
		at[r.ID] = len(requests)
		requests = append(requests, r)
		return nil
	})
	if err != nil || len(requests) == 0 {
		return nil, err
	}
	var ids strings.Builder
	for i, r := range requests {
		if i > 0 {
			ids.WriteByte(',')
		}
		id, err := encode(r.ID)
		if err != nil {
			return nil, t.fail(do, err)
		}
		ids.WriteString(id + ":0")
	}
	err = t.each(do, `SELECT request, body FROM approval WHERE request IN (SELECT key FROM json_each($1)) ORDER BY request, n`, []any{"{" + ids.String() + "}"}, func(row *sql.Rows) error {
		var a bot.Approval
		var id, body string
		if err := row.Scan(&id, &body); err != nil {
			return err
		}
		if err := decode(body, &a); err != nil {
			return fmt.Errorf("approval of %s: %w", id, err)
		}
		i, ok := at[bot.RequestID(id)]
		if !ok {
			return errors.New("approval of a request that was not asked for") // unreachable: the query names the requests
		}
		requests[i].Approvals = append(requests[i].Approvals, a)
		return nil
	})
	return requests, err
}
