package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// unsealed refuses unless the request is there and has no digest yet.
func (t *tx) unsealed(do string, id bot.RequestID) error {
	var sealed bool
	err := t.get(do, `SELECT digest IS NOT NULL FROM request WHERE id = $1`, []any{id}, &sealed)
	switch {
	case errors.Is(err, bot.ErrNotFound):
		return t.refuse(do, "there is no such request")
	case err == nil && sealed:
		return t.refuse(do, "what was sealed never changes")
	}
	return err
}

// AddMessages stores messages of a request that is not sealed yet. The seal is JSON; evidence and
// outcome have their own columns.
func (t *tx) AddMessages(id bot.RequestID, messages []bot.Message) error {
	do := "add messages of " + string(id)
	if err := t.unsealed(do, id); err != nil {
		return err
	}
	t.grown += len(messages)
	for part := range slices.Chunk(messages, chunk) {
		var seals, evidence list
		said := 0
		for _, m := range part {
			if m.Evidence != "" {
				text, err := encode(m.Evidence)
				if err == nil {
					err = evidence.add(int64(m.Seq), []string{text})
				}
				if err != nil {
					return t.fail(do, err)
				}
				said++
			}
			seal, err := sealRow(m)
			if err == nil {
				err = seals.add(int64(m.Seq), seal)
			}
			if err != nil {
				return t.fail(do, err)
			}
		}
		n, err := t.exec(do, `INSERT INTO message (request, seq, seal, class, confirmed, outcome)
			SELECT $1, CAST(key AS bigint), value ->> 0, value ->> 1, value ->> 2, value ->> 3
			FROM json_each($2)`, id, seals.String())
		if err != nil {
			return err
		}
		if n != len(part) {
			return t.refuse(do, "not every message was stored") // unreachable: each is a row or an error
		}
		if said == 0 {
			continue
		}
		if _,
			err := t.exec(do,
			`INSERT INTO evidence (request, seq, body) SELECT $1, CAST(key AS bigint), value ->> 0 FROM json_each($2)`,
			id, evidence.String()); err != nil {
			return err
		}
	}
	return nil
}

// DropMessages removes messages of a request that was not sealed. It deletes the text of a message
// before the message.
func (t *tx) DropMessages(id bot.RequestID, limit int) (int, error) {
	do := "drop messages of " + string(id)
	if err := t.unsealed(do, id); err != nil {
		return 0, err
	}
	const some = `(SELECT seq FROM message WHERE request = $1 ORDER BY seq LIMIT $2 + 0)`
	if _, err := t.exec(do, `DELETE FROM evidence WHERE request = $1 AND seq IN `+some, id, max(limit, 0)); err != nil {
		return 0, err
	}
	n, err := t.exec(do, `DELETE FROM message WHERE request = $1 AND seq IN `+some, id, max(limit, 0))
	t.forgot = t.forgot || n > 0
	return n, err
}

// sealRow is a stored message: its seal, and its outcome where it has one.
func sealRow(m bot.Message) ([4]*string, error) {
	o := m.Outcome
	m.Evidence, m.Outcome = "", bot.Outcome{}
	seal, err := encode(m)
	if err != nil {
		return [4]*string{}, err
	}
	class, confirmed, outcome, err := outcomeRow(o)
	if err != nil {
		return [4]*string{}, err
	}
	return [4]*string{&seal, &class, &confirmed, outcome}, nil
}

// outcomeRow is a stored outcome. The confirmation has a column of its own, since Confirm may raise
// it later.
func outcomeRow(o bot.Outcome) (class, confirmed string, outcome *string, err error) {
	if !o.Settled() {
		return "", "", nil, nil
	}
	body, err := encode(o)
	return string(o.Class), string(o.Confirmed), &body, err
}

// Messages returns sealed messages with their evidence and outcomes. A request without a digest has
// none.
func (t *tx) Messages(id bot.RequestID, from recall.Seq, limit int) ([]bot.Message, error) {
	return t.messages(`e.body`, `LEFT JOIN evidence e ON e.request = m.request AND e.seq = m.seq`, id, from, limit)
}

// Sealed returns sealed messages without their evidence.
func (t *tx) Sealed(id bot.RequestID, from recall.Seq, limit int) ([]bot.Message, error) {
	return t.messages(`NULL`, ``, id, from, limit)
}

// messages returns sealed messages. body is the column of their evidence, and join the table that
// it comes from.
func (t *tx) messages(body, join string, id bot.RequestID, from recall.Seq, limit int) ([]bot.Message, error) {
	var messages []bot.Message
	err := t.each("read messages of "+string(id), `SELECT m.seal, m.confirmed, m.outcome, `+body+`
		FROM message m `+join+`
		WHERE m.request = (SELECT id FROM request WHERE id = $1 AND digest IS NOT NULL) AND m.seq >= $2
		ORDER BY m.seq LIMIT $3 + 0`, []any{id, int64(from), max(limit, 0)}, func(row *sql.Rows) error {
		var m bot.Message
		var seal, confirmed string
		var outcome, evidence sql.NullString
		if err := row.Scan(&seal, &confirmed, &outcome, &evidence); err != nil {
			return err
		}
		if err := decode(seal, &m); err != nil {
			return err
		}
		if outcome.Valid {
			if err := decode(outcome.String, &m.Outcome); err != nil {
				return err
			}
			m.Outcome.Confirmed = bot.Confirmation(confirmed)
		}
		if evidence.Valid {
			if err := decode(evidence.String, &m.Evidence); err != nil {
				return err
			}
		}
		messages = append(messages, m)
		return nil
	})
	return messages, err
}

// unbatched has the order of the index message_work, which is the order of the seqs. Ordered by the
// seqs alone, PostgreSQL would read and sort a whole flood for the next few rows. The query begins
// after the newest batch, since in PostgreSQL's index the dead rows of the batched messages come
// before it until they are vacuumed. The plus sign keeps SQLite from searching for the highest seq
// of that batch from the highest seq of all downwards.
const unbatched = `SELECT seal FROM message WHERE request = $1 AND batch IS NULL AND class = ''
	AND seq > COALESCE((SELECT MAX(+seq) FROM message WHERE request = $1
		AND batch = (SELECT MAX(n) FROM batch WHERE request = $1)), 0)
	ORDER BY batch, class, seq LIMIT $2 + 0`

// Unbatched returns messages that are in no batch and have no outcome.
func (t *tx) Unbatched(id bot.RequestID, limit int) ([]bot.Message, error) {
	var messages []bot.Message
	err := t.each("read unbatched messages of "+string(id), unbatched,
		[]any{id, max(limit, 0)}, func(row *sql.Rows) error {
			var m bot.Message
			var seal string
			if err := row.Scan(&seal); err != nil {
				return err
			}
			err := decode(seal, &m)
			messages = append(messages, m)
			return err
		})
	return messages, err
}

// Unsettled returns the seqs of messages without an outcome. The condition that they have no
// confirmation either lets an index return them in order.
func (t *tx) Unsettled(id bot.RequestID, from recall.Seq, limit int) ([]recall.Seq, error) {
	return t.seqs("read unsettled messages of "+string(id),
		`SELECT seq FROM message WHERE request = $1 AND class = '' AND confirmed = '' AND seq >= $2 ORDER BY seq LIMIT $3 + 0`,
		id, int64(from), max(limit, 0))
}

// seqs returns the seqs that a query returns.
func (t *tx) seqs(do, query string, args ...any) ([]recall.Seq, error) {
	var seqs []recall.Seq
	err := t.each(do, query, args, func(row *sql.Rows) error {
		var seq int64
		err := row.Scan(&seq)
		seqs = append(seqs, recall.Seq(seq))
		return err
	})
	return seqs, err
}

const putOutcomes = `WITH j AS MATERIALIZED (
	SELECT CAST($1 AS text) AS request, CAST(key AS bigint) AS seq, value FROM json_each($2))
	UPDATE message SET class = j.value ->> 0, confirmed = j.value ->> 1, outcome = j.value ->> 2
	FROM j WHERE message.request = j.request AND message.seq = j.seq AND message.class || '' = ''`

// PutOutcomes stores outcomes of messages that have none.
func (t *tx) PutOutcomes(id bot.RequestID, outcomes map[recall.Seq]bot.Outcome) (int, error) {
	do := "put outcomes of " + string(id)
	written := 0
	for part := range slices.Chunk(slices.Sorted(maps.Keys(outcomes)), chunk) {
		var rows list
		for _, seq := range part {
			class, confirmed, outcome, err := outcomeRow(outcomes[seq])
			if err == nil && outcome == nil {
				return 0, t.refuse(do, fmt.Sprintf("message %d is given no outcome", seq))
			}
			if err == nil {
				err = rows.add(int64(seq), [3]*string{&class, &confirmed, outcome})
			}
			if err != nil {
				return 0, t.fail(do, err)
			}
		}
		n, err := t.exec(do, putOutcomes, id, rows.String())
		if err != nil {
			return 0, err
		}
		written += n
	}
	if written == 0 {
		return 0, nil
	}
	_, err := t.exec(do, `UPDATE request SET last_outcome = $2 WHERE id = $1`, id, millis(t.now))
	return written, err
}

const confirm = `WITH j AS MATERIALIZED (
	SELECT CAST($1 AS text) AS request, CAST(key AS bigint) AS seq FROM json_each($2))
	UPDATE message SET confirmed = $3 FROM j
	WHERE message.request = j.request AND message.seq = j.seq AND message.class || '' = $4
		AND message.confirmed || '' = $5`

// Confirm raises the confirmation of outcomes.
func (t *tx) Confirm(id bot.RequestID, seqs []recall.Seq, by bot.Confirmation) (int, error) {
	do := "confirm outcomes of " + string(id)
	if by == bot.ByAnswer {
		return 0, nil
	}
	raised := 0
	for part := range slices.Chunk(seqs, chunk) {
		var keys list
		for _, seq := range part {
			if err := keys.add(int64(seq), 0); err != nil {
				return 0, t.fail(do, err)
			}
		}
		n, err := t.exec(do, confirm, id, keys.String(), by, bot.ClassRecalled, bot.ByAnswer)
		if err != nil {
			return 0, err
		}
		raised += n
	}
	return raised, nil
}

// Unconfirmed returns seqs of recalled messages that only the API's answer confirms.
func (t *tx) Unconfirmed(id bot.RequestID, from recall.Seq, limit int) ([]recall.Seq, error) {
	return t.seqs("read unconfirmed outcomes of "+string(id),
		`SELECT seq FROM message WHERE request = $1 AND seq >= $2 AND class = $3 AND confirmed = $4 ORDER BY seq LIMIT $5 + 0`,
		id, int64(from), bot.ClassRecalled, bot.ByAnswer, max(limit, 0))
}

// Rests counts recalled messages by their confirmation.
func (t *tx) Rests(id bot.RequestID) (map[bot.Confirmation]int, error) {
	counts := map[bot.Confirmation]int{}
	err := t.each("count confirmations of "+string(id),
		`SELECT confirmed, COUNT(*) FROM message WHERE request = $1 AND class = $2 GROUP BY confirmed`,
		[]any{id, bot.ClassRecalled}, func(row *sql.Rows) error {
			var by bot.Confirmation
			var n int
			err := row.Scan(&by, &n)
			counts[by] = n
			return err
		})
	return counts, err
}

// Progress counts messages by class.
func (t *tx) Progress(id bot.RequestID) (map[bot.Class]int, error) {
	counts := map[bot.Class]int{}
	err := t.each("count outcomes of "+string(id),
		`SELECT class, COUNT(*) FROM message WHERE request = $1 GROUP BY class`, []any{id}, func(row *sql.Rows) error {
			var class bot.Class
			var n int
			err := row.Scan(&class, &n)
			counts[class] = n
			return err
		})
	return counts, err
}

// LastOutcome returns when an outcome was last stored.
func (t *tx) LastOutcome(id bot.RequestID) (time.Time, error) {
	var ms int64
	err := t.get("read last outcome of "+string(id), `SELECT last_outcome FROM request WHERE id = $1`, []any{id}, &ms)
	return moment(ms), err
}

// EvidenceKey returns the key of the request's HMACs.
func (t *tx) EvidenceKey(id bot.RequestID) ([]byte, error) {
	do := "read evidence key of " + string(id)
	var body string
	if err := t.get(do, `SELECT body FROM evidence_key WHERE request = $1`, []any{id}, &body); err != nil {
		return nil, err
	}
	var key []byte
	if err := decode(body, &key); err != nil {
		return nil, t.fail(do, err)
	}
	return key, nil
}

// PutEvidenceKey stores the key of the request's HMACs.
func (t *tx) PutEvidenceKey(id bot.RequestID, key []byte) error {
	do := "put evidence key of " + string(id)
	body, err := encode(key)
	if err != nil {
		return t.fail(do, err) // unreachable: bytes always marshal
	}
	_,
		err = t.exec(do,
		`INSERT INTO evidence_key (request, body) VALUES ($1, $2) ON CONFLICT (request) DO UPDATE SET body = excluded.body`, id, body)
	return err
}

// ForgetEvidence deletes text of messages, and in the end the key.
func (t *tx) ForgetEvidence(id bot.RequestID, limit int) (int, error) {
	do := "forget evidence of " + string(id)
	n,
		err := t.exec(do,
		`DELETE FROM evidence WHERE request = $1 AND seq IN (SELECT seq FROM evidence WHERE request = $1 ORDER BY seq LIMIT $2 + 0)`, id, max(limit, 0))
	if err != nil || n >= limit {
		return n, err
	}
	t.forgot = true
	_, err = t.exec(do, `DELETE FROM evidence_key WHERE request = $1`, id)
	return n, err
}
