package ledger

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// A request is stored as JSON, beside the columns that are searched or that keys refer to. State
// and digest are read from their columns; approvals are rows of their own.

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
	accounts, err := encode(r.Accounts)
	if err != nil {
		return t.fail(do, err)
	}
	covers := alone(r)
	low, high := bounds(covers)
	if _, err := t.exec(do, `INSERT INTO request
		(id, app, chat_group, topic, requester, asked, state, digest, body, accounts, low, high, seqs)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.ID, int64(r.App), r.Scope.Group, r.Scope.Topic, r.By.Person, millis(r.Asked), r.State, orNull(r.Digest), body,
		accounts, low, high, covers.String()); err != nil {
		return err
	}
	if err := t.putParts(do, r, false); err != nil {
		return err
	}
	return t.putApprovals(do, r)
}

// alone returns what a request over one group covers. Those of a sweep stand in the table part.
func alone(r bot.Request) command.Ranges {
	if r.Scope.Sweeps() {
		return nil
	}
	return r.Only().Covers
}

// putParts stores where the messages of a sweep are, and that there was a request about each group.
// Nothing of that may change once it is sealed.
func (t *tx) putParts(do string, r bot.Request, sealed bool) error {
	if !r.Scope.Sweeps() {
		return t.touch(do, r, r.Only())
	}
	for _, p := range r.Parts {
		if err := t.touch(do, r, p); err != nil {
			return err
		}
	}
	var rows list
	for i, p := range r.Parts {
		low, high := bounds(p.Covers)
		if err := rows.add(int64(i), []any{p.Group, p.Topic, low, high, p.Covers.String()}); err != nil {
			return t.fail(do, err)
		}
	}
	gone, err := t.exec(do, `DELETE FROM part WHERE request = $1 AND n >= $2`, r.ID, len(r.Parts))
	if err != nil {
		return err
	}
	put, err := t.exec(do, `INSERT INTO part (request, n, app, chat_group, topic, low, high, seqs)
		SELECT $1, CAST(key AS bigint), CAST($2 AS bigint), value ->> 0, value ->> 1, CAST(value ->> 2 AS bigint),
			CAST(value ->> 3 AS bigint), value ->> 4 FROM json_each($3)
		WHERE true ON CONFLICT (request, n) DO UPDATE SET chat_group = excluded.chat_group, topic = excluded.topic,
			low = excluded.low, high = excluded.high, seqs = excluded.seqs
		WHERE part.chat_group <> excluded.chat_group OR part.topic <> excluded.topic OR part.seqs <> excluded.seqs`,
		r.ID, int64(r.App), rows.String())
	if err == nil && sealed && gone+put > 0 {
		err = t.refuse(do, "what was sealed never changes")
	}
	return err
}

// bounds are the lowest and the highest of the seqs; 0 where there are none.
func bounds(seqs command.Ranges) (low, high int64) {
	if len(seqs) == 0 {
		return 0, 0
	}
	return int64(seqs[0].From), int64(seqs[len(seqs)-1].To)
}

// touch stores that there was a request about a group. The name, in JSON, is that of the newest
// request that has one.
const touch = `INSERT INTO touched (app, chat_group, asked, name) VALUES ($1, $2, $3, $4)
	ON CONFLICT (app, chat_group) DO UPDATE SET
	asked = CASE WHEN excluded.asked > touched.asked THEN excluded.asked ELSE touched.asked END,
	name = CASE WHEN excluded.name <> '""' AND (excluded.asked >= touched.asked OR touched.name = '""')
		THEN excluded.name ELSE touched.name END
	WHERE excluded.asked > touched.asked OR excluded.name <> '""' AND excluded.name <> touched.name`

func touchArgs(r bot.Request, p bot.Part) ([]any, error) {
	name, err := encode(p.Facts.Name)
	return []any{int64(r.App), p.Group, millis(r.Asked), name}, err
}

func (t *tx) touch(do string, r bot.Request, p bot.Part) error {
	args, err := touchArgs(r, p)
	if err != nil {
		return t.fail(do, err)
	}
	_, err = t.exec(do, touch, args...)
	return err
}

const groupsTouched = `SELECT chat_group, name FROM touched WHERE app = $1 ORDER BY asked DESC, chat_group DESC LIMIT $2 + 0`

// Touched returns groups that requests were about.
func (t *tx) Touched(app recall.SDKAppID, limit int) ([]bot.Touched, error) {
	var groups []bot.Touched
	err := t.each("read groups", groupsTouched, []any{int64(app), max(limit, 0)}, func(row *sql.Rows) error {
		var g bot.Touched
		var name string
		err := row.Scan(&g.Group, &name)
		if err == nil {
			err = decode(name, &g.Name)
		}
		groups = append(groups, g)
		return err
	})
	return groups, err
}

// askers has the open states in the same words as the index request_open.
const askers = `SELECT requester, accounts FROM request WHERE app = $1 AND state IN ('preparing', 'proposed', 'approved', 'running', 'stopping')`

// Askers returns the people who asked the open requests.
func (t *tx) Askers(app recall.SDKAppID) ([]bot.Asker, error) {
	var all []bot.Asker
	err := t.each("read who asked", askers, []any{int64(app)}, func(row *sql.Rows) error {
		var a bot.Asker
		var accounts string
		err := row.Scan(&a.Person, &accounts)
		if err == nil {
			err = decode(accounts, &a.Accounts)
		}
		all = append(all, a)
		return err
	})
	return all, err
}

// Request returns one request. It needs no lock: no other transaction writes before this one ends.
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

// PutRequest stores a changed request. Who asked for what, and when, never changes, nor does a
// digest that is set.
func (t *tx) PutRequest(r bot.Request) error {
	do := "put request " + string(r.ID)
	body, err := requestBody(r)
	if err != nil {
		return t.fail(do, err)
	}
	covers, sealed := alone(r), false
	if r.Scope.Sweeps() {
		err := t.get(do, `SELECT digest IS NOT NULL FROM request WHERE id = $1`, []any{r.ID}, &sealed)
		if err != nil {
			return err
		}
	}
	low, high := bounds(covers)
	n, err := t.exec(do, `UPDATE request SET state = $7, digest = $8, body = $9, low = $10, high = $11, seqs = $12
		WHERE id = $1 AND app = $2 AND chat_group = $3 AND topic = $4 AND requester = $5 AND asked = $6
			AND (digest IS NULL OR digest = $8)`,
		r.ID, int64(r.App), r.Scope.Group, r.Scope.Topic, r.By.Person, millis(r.Asked), r.State, orNull(r.Digest), body,
		low, high, covers.String())
	if err != nil {
		return err
	}
	// the phrase that stood there is to be gone as other text
	t.forgot = t.forgot || r.Scope.Filter.Text == command.Withheld || r.ReasonsForgotten
	if n == 0 {
		if _, err := t.Request(r.ID); err != nil {
			return err
		}
		return t.refuse(do, "who asked what, and the digest once sealed, never change")
	}
	if err := t.putParts(do, r, sealed); err != nil {
		return err
	}
	return t.putApprovals(do, r)
}

// putApprovals makes the stored approvals equal to those of r. It leaves an equal one untouched,
// since a grant may depend on it.
func (t *tx) putApprovals(do string, r bot.Request) error {
	type row struct {
		person string
		n      int64
	}
	stored := map[string]row{} // by what they say
	next := int64(1)
	err := t.each(do, `SELECT person, n, body FROM approval WHERE request = $1`, []any{r.ID},
		func(rows *sql.Rows) error {
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
		if _,
			err := t.exec(do,
			`INSERT INTO approval (request, requester, digest, person, n, body) VALUES ($1, $2, $3, $4, $5, $6)`,
			r.ID, r.By.Person, a.Digest, a.By.Person, next+int64(i), bodies[i]); err != nil {
			return err
		}
	}
	return nil
}

// Grant stores that there are enough approvals. Without an approval of this digest the person is
// null, which the schema refuses.
func (t *tx) Grant(id bot.RequestID, digest string) error {
	_, err := t.exec("grant "+string(id), `INSERT INTO "grant" (request, person, digest, at)
		VALUES ($1, (SELECT person FROM approval WHERE request = $1 AND digest = $2 ORDER BY n DESC LIMIT 1), $2, $3)`,
		id, digest, millis(t.now))
	return err
}

// Requests returns requests, newest first.
func (t *tx) Requests(q bot.Query) ([]bot.Request, error) {
	var where, there []string // there: of a part, where a sweep is looked for by its group
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	at := func(condition string) { where, there = append(where, condition), append(there, "part."+condition) }
	if q.App != 0 {
		at("app = " + arg(int64(q.App)))
	}
	if q.Group != "" {
		at("chat_group = " + arg(q.Group))
	}
	if q.Topic != nil {
		at("topic = " + arg(*q.Topic))
	}
	if len(q.Seqs) > 0 {
		low, high := bounds(q.Seqs)
		at("high >= " + arg(low))
		at("low <= " + arg(high))
	}
	own := len(where)
	if q.Person != "" {
		where = append(where, "requester = "+arg(q.Person))
	}
	newest := "asked"
	if len(q.States) > 0 {
		// few are in a state that is asked for: they are to be found by it, not by going back from
		// the newest
		newest = "+asked"
		var states []string
		for _, s := range q.States {
			states = append(states, arg(s))
		}
		where = append(where, "state IN ("+strings.Join(states, ", ")+")")
	}
	if q.Sealed {
		where = append(where, "digest IS NOT NULL")
	}
	limit := cmp.Or(max(q.Limit, 0), 100)
	for _, condition := range where[own:] {
		there = append(there, "request."+condition)
	}
	const swept = "part JOIN request ON request.id = part.request"
	if len(q.Seqs) > 0 {
		ids, err := t.holding(strings.Join(where, " AND "), swept+" WHERE "+strings.Join(there, " AND "), args, q.Seqs,
			limit)
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		list, err := keys(ids)
		if err != nil {
			return nil, t.fail("read requests", err)
		}
		return t.requests("read requests", `id IN (SELECT key FROM json_each($1))`, newestFirst, []any{list})
	}
	if len(where) == 0 {
		where = []string{"1 = 1"}
	}
	if q.Group != "" {
		most := " DESC LIMIT " + arg(limit) + " + 0"
		return t.requests("read requests", `id IN (SELECT id FROM (
			SELECT id, asked FROM (SELECT id, asked FROM request WHERE `+strings.Join(where, " AND ")+`
				ORDER BY `+newest+` DESC, id`+most+`) alone
			UNION ALL SELECT id, asked FROM (SELECT DISTINCT request.id, request.asked FROM `+swept+` WHERE `+
			strings.Join(there, " AND ")+` ORDER BY request.asked DESC, request.id`+most+`) swept
			ORDER BY asked DESC, id`+most+`) newest)`, newestFirst, args)
	}
	// The inner query finds and sorts in an index alone, so that old requests are not read.
	return t.requests("read requests", `id IN (SELECT id FROM request WHERE `+strings.Join(where, " AND ")+
		` ORDER BY `+newest+` DESC, id DESC LIMIT `+arg(limit)+` + 0)`, newestFirst, args)
}

// holding returns the newest requests that meet the condition and may cover one of the seqs, as far
// as can be seen without their bodies. An index finds those whose bounds fit.
func (t *tx) holding(alone, swept string, args []any, seqs command.Ranges, limit int) (ids []bot.RequestID,
	err error) {
	err = t.each("read requests", `SELECT id, seqs FROM (SELECT id, seqs, asked FROM request WHERE `+alone+`
		UNION ALL SELECT request.id, part.seqs, request.asked FROM `+swept+`) all_of ORDER BY +asked DESC, id DESC`,
		args, func(row *sql.Rows) error {
			var id bot.RequestID
			var text string
			err := row.Scan(&id, &text)
			if err == nil && len(ids) < limit && shares(text, seqs) {
				ids = append(ids, id)
			}
			return err
		})
	return ids, err
}

// shares reports whether the stored seqs have one in common with these. It reads the text once,
// which may have 100,000 seqs.
func shares(text string, these command.Ranges) bool {
	i := 0
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRun := strings.Cut(part, "-")
		if !isRun {
			high = low
		}
		from, errFrom := strconv.ParseUint(low, 10, 32)
		to, errTo := strconv.ParseUint(high, 10, 32)
		if errFrom != nil || errTo != nil {
			return text != "" // who reads the request is told
		}
		for i < len(these) && uint64(these[i].To) < from {
			i++
		}
		if i == len(these) {
			return false
		}
		if uint64(these[i].From) <= to {
			return true
		}
	}
	return false
}

// keys returns ids in the form that json_each takes.
func keys(ids []bot.RequestID) (string, error) {
	all := make(map[bot.RequestID]int, len(ids))
	for _, id := range ids {
		all[id] = 0
	}
	return encode(all)
}

// RequestsAfter returns requests by their ids.
func (t *tx) RequestsAfter(id bot.RequestID, limit int) ([]bot.Request, error) {
	return t.requests("read all requests", `id IN (SELECT id FROM request WHERE id > $1 ORDER BY id LIMIT $2 + 0)`,
		`id`, []any{id, max(limit, 0)})
}

const newestFirst = `asked DESC, id DESC`

// requests returns the requests that meet the condition, in that order, with their approvals.
func (t *tx) requests(do, where, order string, args []any) ([]bot.Request, error) {
	var requests []bot.Request
	at := map[bot.RequestID]int{}
	err := t.each(do, `SELECT id, state, digest, body FROM request WHERE `+where+` ORDER BY `+order, args,
		func(row *sql.Rows) error {
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
	list, err := keys(slices.Collect(maps.Keys(at)))
	if err != nil {
		return nil, t.fail(do, err)
	}
	err = t.each(do,
		`SELECT request, body FROM approval WHERE request IN (SELECT key FROM json_each($1)) ORDER BY request, n`,
		[]any{list}, func(row *sql.Rows) error {
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
				// unreachable: the query names the requests
				return errors.New("approval of a request that was not asked for")
			}
			requests[i].Approvals = append(requests[i].Approvals, a)
			return nil
		})
	return requests, err
}
