package ledger

import (
	"database/sql"
	"encoding/hex"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// messageKey names the message that a callback is about.
type messageKey struct {
	group recall.GroupID
	topic recall.TopicID
	seq   recall.Seq
}

func keyOfArrival(a bot.Arrival) messageKey { return messageKey{a.Group, a.Topic, a.Seq} }

func saidOf(a bot.Arrival) string { return hex.EncodeToString(a.Said) }

func keyOfRemoval(r bot.Removal) messageKey { return messageKey{r.Group, r.Topic, r.Seq} }

// AddArrivals stores messages that callbacks reported and that are not stored yet. It marks a
// stored message that a callback describes differently.
func (t *tx) AddArrivals(app recall.SDKAppID, arrivals []bot.Arrival) (int, error) {
	kept, err := keep(t, "arrival", app, arrivals, keyOfArrival, saidOf, `NOTHING`)
	if err != nil || kept == len(arrivals) {
		return kept, err
	}
	return kept, t.dispute(app, arrivals)
}

// dispute marks the stored arrivals that these arrivals describe differently. It reads after the
// arrivals were written, so that it sees what another replica has stored meanwhile.
func (t *tx) dispute(app recall.SDKAppID, arrivals []bot.Arrival) error {
	const do = "compare arrivals"
	for part := range slices.Chunk(arrivals, chunk) {
		var keys, rows list
		for i, a := range part {
			if err := keys.add(int64(i), [3]any{a.Group, a.Topic, a.Seq}); err != nil {
				return t.fail(do, err)
			}
		}
		var disputed []bot.Arrival
		kept := map[messageKey]bot.Arrival{}
		err := t.each(do, `SELECT came, said, body FROM arrival WHERE app = $1 AND (chat_group, topic, seq) IN (
			SELECT value ->> 0, value ->> 1, CAST(value ->> 2 AS bigint) FROM json_each($2))`,
			[]any{int64(app), keys.String()}, func(row *sql.Rows) error {
				a, err := scanArrival(row)
				kept[keyOfArrival(a)] = a
				return err
			})
		if err != nil {
			return err
		}
		for _, a := range part {
			was, ok := kept[keyOfArrival(a)]
			if !ok || was.Disputed || was.Same(a) {
				continue
			}
			was.Disputed = true
			kept[keyOfArrival(a)] = was
			disputed = append(disputed, was)
		}
		if len(disputed) == 0 {
			continue
		}
		for i, a := range disputed {
			body, err := encode(a)
			if err != nil {
				return t.fail(do, err)
			}
			if err := rows.add(int64(i), [4]any{a.Group, a.Topic, a.Seq, body}); err != nil {
				return t.fail(do, err)
			}
		}
		_, err = t.exec(do, `UPDATE arrival SET body = e.value ->> 3 FROM json_each($2) e
			WHERE app = $1 AND chat_group = e.value ->> 0 AND topic = e.value ->> 1
				AND seq = CAST(e.value ->> 2 AS bigint)`, int64(app), rows.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// AddRemovals stores recalls that callbacks reported. Of several reports about one message that
// differ, the last one counts.
func (t *tx) AddRemovals(app recall.SDKAppID, removals []bot.Removal) (int, error) {
	return keep(t, "removal", app, removals, keyOfRemoval, nil,
		`UPDATE SET n = excluded.n, came = excluded.came, body = excluded.body WHERE removal.body <> excluded.body`)
}

// keep stores things that callbacks reported in a table, each as JSON in a row of its own. said
// returns what the column said has, if the table has one. onConflict says what happens to a row
// that exists.
func keep[T any](t *tx, table string, app recall.SDKAppID, things []T, key func(T) messageKey, said func(T) string,
	onConflict string) (int, error) {
	do := "keep " + table
	column, value := "", ""
	if said != nil {
		column, value = ", said", ", value ->> 4"
	}
	kept := 0
	for part := range slices.Chunk(things, chunk) {
		lastOf := make(map[messageKey]int, len(part)) // PostgreSQL changes no row twice in one statement
		for i, thing := range part {
			lastOf[key(thing)] = i
		}
		var last int64
		if err := t.get(do, `SELECT COALESCE(MAX(n), 0) FROM `+table, nil, &last); err != nil {
			return 0, err
		}
		var rows list
		for i, thing := range part {
			k := key(thing)
			if lastOf[k] != i {
				continue
			}
			last++
			body, err := encode(thing)
			if err != nil {
				return 0, t.fail(do, err)
			}
			row := []any{k.group, k.topic, k.seq, body}
			if said != nil {
				row = append(row, said(thing))
			}
			if err := rows.add(last, row); err != nil {
				return 0, t.fail(do, err)
			}
		}
		n, err := t.exec(do, `INSERT INTO `+table+` (app, chat_group, topic, seq, n, came, body`+column+`)
			SELECT CAST($1 AS bigint), value ->> 0, value ->> 1, CAST(value ->> 2 AS bigint), CAST(key AS bigint),
				CAST($2 AS bigint), value ->> 3`+value+` FROM json_each($3)
			WHERE true ON CONFLICT (app, chat_group, topic, seq) DO `+onConflict,
			int64(app), millis(t.now), rows.String())
		if err != nil {
			return 0, err
		}
		kept += n
	}
	return kept, nil
}

// Arrivals returns arrivals of one conversation, highest seq first.
func (t *tx) Arrivals(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, from, to recall.Seq,
	limit int) ([]bot.Arrival, error) {
	var arrivals []bot.Arrival
	err := t.each("read arrivals", `SELECT came, said, body FROM arrival
		WHERE app = $1 AND chat_group = $2 AND topic = $3 AND seq BETWEEN $4 AND $5 ORDER BY seq DESC LIMIT $6 + 0`,
		[]any{int64(app), group, topic, int64(from), int64(to), max(limit, 0)}, func(row *sql.Rows) error {
			a, err := scanArrival(row)
			arrivals = append(arrivals, a)
			return err
		})
	return arrivals, err
}

// scanArrival reads came, said and body of an arrival.
func scanArrival(row *sql.Rows) (a bot.Arrival, err error) {
	var came int64
	var said, body string
	if err := row.Scan(&came, &said, &body); err != nil {
		return a, err
	}
	if err := decode(body, &a); err != nil {
		return a, err
	}
	if said != "" {
		a.Said, err = hex.DecodeString(said)
	}
	a.Came = moment(came)
	return a, err
}

// ArrivedIn returns where messages of a sender arrived. It goes through what is kept, of which
// there is no more than the index holds; a body whose text names the sender is looked at again.
func (t *tx) ArrivedIn(app recall.SDKAppID, sender recall.UserID, limit int) (talks []bot.Talk, err error) {
	name, err := encode(struct {
		Sender recall.UserID `json:"sender"`
	}{sender})
	if err != nil {
		return nil, t.fail("read arrivals of a sender", err) // unreachable: strings always marshal
	}
	err = t.each("read arrivals of a sender", `SELECT body FROM arrival WHERE app = $1 AND replace(body, $2, '') <> body`,
		[]any{int64(app), name[1 : len(name)-1]}, func(row *sql.Rows) error {
			var body string
			var a bot.Arrival
			if err := row.Scan(&body); err != nil {
				return err
			}
			if err := decode(body, &a); err != nil {
				return err
			}
			is := bot.Talk{Group: a.Group, Topic: a.Topic}
			if a.Sender == sender && len(talks) < limit && !slices.Contains(talks, is) {
				talks = append(talks, is)
			}
			return nil
		})
	return talks, err
}

// FirstArrival returns when the oldest stored arrival came in.
func (t *tx) FirstArrival(app recall.SDKAppID) (time.Time, error) {
	var ms int64
	err := t.get("read first arrival",
		`SELECT COALESCE((SELECT came FROM arrival WHERE app = $1 ORDER BY n LIMIT 1), 0)`, []any{int64(app)}, &ms)
	return moment(ms), err
}

// Removals returns the removals of the seqs that came in at since or later.
func (t *tx) Removals(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, seqs []recall.Seq,
	since time.Time) (map[recall.Seq]bot.Removal, error) {
	const do = "read removals"
	removals := map[recall.Seq]bot.Removal{}
	for part := range slices.Chunk(seqs, chunk) {
		var keys list
		for _, seq := range part {
			if err := keys.add(int64(seq), 0); err != nil {
				return nil, t.fail(do, err) // unreachable: numbers always marshal
			}
		}
		err := t.each(do, `SELECT came, body FROM removal WHERE app = $1 AND chat_group = $2 AND topic = $3
			AND seq IN (SELECT CAST(key AS bigint) FROM json_each($4)) AND came >= $5`,
			[]any{int64(app), group, topic, keys.String(), millis(since)}, func(row *sql.Rows) error {
				var came int64
				var body string
				var r bot.Removal
				if err := row.Scan(&came, &body); err != nil {
					return err
				}
				if err := decode(body, &r); err != nil {
					return err
				}
				r.Came = moment(came)
				removals[r.Seq] = r
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return removals, nil
}

// ForgetArrivals removes the oldest arrivals.
func (t *tx) ForgetArrivals(before time.Time, most, limit int) (int, error) {
	n, err := t.forgetOldest("arrival", before, most, limit)
	t.forgot = t.forgot || n > 0
	return n, err
}

// ForgetRemovals removes the oldest removals.
func (t *tx) ForgetRemovals(before time.Time, most, limit int) (int, error) {
	return t.forgetOldest("removal", before, most, limit)
}

// OldArrivals reports whether ForgetArrivals would remove any.
func (t *tx) OldArrivals(before time.Time, most, limit int) (bool, error) {
	return t.hasOldest("arrival", before, most, limit)
}

// OldRemovals reports whether ForgetRemovals would remove any.
func (t *tx) OldRemovals(before time.Time, most, limit int) (bool, error) {
	return t.hasOldest("removal", before, most, limit)
}

// oldest selects what is to be forgotten from the lowest n upwards, which came in first, so that
// the rows that stay are never read.
func oldest(table string) string {
	return `SELECT n FROM (SELECT n, came FROM ` + table + ` ORDER BY n LIMIT $3 + 0) oldest
		WHERE came < $1 OR n <= (SELECT COALESCE(MAX(n), 0) FROM ` + table + `) - $2`
}

func (t *tx) forgetOldest(table string, before time.Time, most, limit int) (int, error) {
	return t.exec("forget "+table, `DELETE FROM `+table+` WHERE n IN (`+oldest(table)+`)`, millis(before), most,
		max(limit, 0))
}

func (t *tx) hasOldest(table string, before time.Time, most, limit int) (old bool, err error) {
	err = t.get("look for old "+table, `SELECT EXISTS (`+oldest(table)+`)`,
		[]any{millis(before), most, max(limit, 0)}, &old)
	return old, err
}
