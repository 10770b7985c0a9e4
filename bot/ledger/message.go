package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
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
// outcome have their own columns. The column seq has the id: the number of the part in the upper
// half, the seq in the lower.
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
					err = evidence.add(int64(m.ID()), []string{text})
				}
				if err != nil {
					return t.fail(do, err)
				}
				said++
			}
			seal, err := sealRow(m)
			if err == nil {
				err = seals.add(int64(m.ID()), seal)
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
func (t *tx) Messages(id bot.RequestID, from bot.MessageID, limit int) ([]bot.Message, error) {
	return t.messages(`e.body`, `LEFT JOIN evidence e ON e.request = m.request AND e.seq = m.seq`, id, from, limit)
}

// NotGone returns messages whose outcome is not that they are gone. Those that were never to be
// sent have such an outcome too: they are passed over, a part at a time.
func (t *tx) NotGone(id bot.RequestID, limit int) ([]bot.Message, error) {
	const atOnce = 1000
	var left []bot.Message
	for from := bot.MessageID(0); ; {
		var part []bot.Message
		err := t.each("read messages of "+string(id)+" that are not gone", `SELECT seal, confirmed, outcome
			FROM message WHERE request = $1 AND seq >= $2 AND class IN ($3, $4, $5) ORDER BY seq LIMIT $6 + 0`,
			[]any{id, int64(from), bot.ClassRefused, bot.ClassNotSent, bot.ClassUnknown, atOnce},
			func(row *sql.Rows) error {
				var m bot.Message
				var seal, confirmed, outcome string
				if err := row.Scan(&seal, &confirmed, &outcome); err != nil {
					return err
				}
				if err := decode(seal, &m); err != nil {
					return err
				}
				err := decode(outcome, &m.Outcome)
				m.Outcome.Confirmed = bot.Confirmation(confirmed)
				part = append(part, m)
				return err
			})
		if err != nil {
			return nil, err
		}
		for _, m := range part {
			if m.Sends() && len(left) < limit {
				left = append(left, m)
			}
		}
		if len(part) < atOnce || len(left) >= limit {
			return left, nil
		}
		from = part[atOnce-1].ID() + 1
	}
}

// Sealed returns sealed messages without their evidence.
func (t *tx) Sealed(id bot.RequestID, from bot.MessageID, limit int) ([]bot.Message, error) {
	return t.messages(`NULL`, ``, id, from, limit)
}

// messages returns sealed messages. body is the column of their evidence, and join the table that
// it comes from.
func (t *tx) messages(body, join string, id bot.RequestID, from bot.MessageID, limit int) ([]bot.Message, error) {
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

// Unsettled returns the ids of messages without an outcome. The condition that they have no
// confirmation either lets an index return them in order.
func (t *tx) Unsettled(id bot.RequestID, from bot.MessageID, limit int) ([]bot.MessageID, error) {
	return t.ids("read unsettled messages of "+string(id),
		`SELECT seq FROM message WHERE request = $1 AND class = '' AND confirmed = '' AND seq >= $2 ORDER BY seq LIMIT $3 + 0`,
		id, int64(from), max(limit, 0))
}

// ids returns the ids that a query returns.
func (t *tx) ids(do, query string, args ...any) ([]bot.MessageID, error) {
	var ids []bot.MessageID
	err := t.each(do, query, args, func(row *sql.Rows) error {
		var id int64
		err := row.Scan(&id)
		ids = append(ids, bot.MessageID(id))
		return err
	})
	return ids, err
}

const putOutcomes = `WITH j AS MATERIALIZED (
	SELECT CAST($1 AS text) AS request, CAST(key AS bigint) AS seq, value FROM json_each($2))
	UPDATE message SET class = j.value ->> 0, confirmed = j.value ->> 1, outcome = j.value ->> 2
	FROM j WHERE message.request = j.request AND message.seq = j.seq AND message.class || '' = ''`

// PutOutcomes stores outcomes of messages that have none.
func (t *tx) PutOutcomes(id bot.RequestID, outcomes map[bot.MessageID]bot.Outcome) (int, error) {
	do := "put outcomes of " + string(id)
	written := 0
	for part := range slices.Chunk(slices.Sorted(maps.Keys(outcomes)), chunk) {
		var rows list
		for _, m := range part {
			class, confirmed, outcome, err := outcomeRow(outcomes[m])
			if err == nil && outcome == nil {
				return 0, t.refuse(do, fmt.Sprintf("message %d is given no outcome", m))
			}
			if err == nil {
				err = rows.add(int64(m), [3]*string{&class, &confirmed, outcome})
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
func (t *tx) Confirm(id bot.RequestID, messages []bot.MessageID, by bot.Confirmation) (int, error) {
	do := "confirm outcomes of " + string(id)
	if by == bot.ByAnswer {
		return 0, nil
	}
	raised := 0
	for part := range slices.Chunk(messages, chunk) {
		var keys list
		for _, m := range part {
			if err := keys.add(int64(m), 0); err != nil {
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

// Unconfirmed returns the ids of recalled messages that only the API's answer confirms.
func (t *tx) Unconfirmed(id bot.RequestID, from bot.MessageID, limit int) ([]bot.MessageID, error) {
	return t.ids("read unconfirmed outcomes of "+string(id),
		`SELECT seq FROM message WHERE request = $1 AND seq >= $2 AND class = $3 AND confirmed = $4 ORDER BY seq LIMIT $5 + 0`,
		id, int64(from), bot.ClassRecalled, bot.ByAnswer, max(limit, 0))
}

// recalledRuns looks at the requests of a group that were asked last. The number of a message and
// its place among all that are recalled grow alike within a run.
const recalledRuns = `WITH asked AS (
		SELECT * FROM (SELECT id, 0 AS base FROM request WHERE app = $1 AND chat_group = $2 AND topic = $3 AND low <= $4
			AND state IN ('running', 'stopping', 'done', 'stopped') ORDER BY asked DESC LIMIT 200) alone
		UNION ALL
		SELECT * FROM (SELECT r.id, p.n * 4294967296 AS base FROM part p JOIN request r ON r.id = p.request
			WHERE p.app = $1 AND p.chat_group = $2 AND p.topic = $3 AND p.low <= $4
				AND r.state IN ('running', 'stopping', 'done', 'stopped') ORDER BY r.asked DESC LIMIT 200) swept),
	gone AS (
		SELECT DISTINCT m.seq - asked.base AS seq FROM message m JOIN asked ON asked.id = m.request
		WHERE m.seq > asked.base AND m.seq <= asked.base + $4 AND (m.class = $5 OR m.class = $6 AND m.confirmed <> $7)),
	placed AS (SELECT seq, seq - ROW_NUMBER() OVER (ORDER BY seq) AS run FROM gone)
	SELECT MIN(seq), MAX(seq) FROM placed GROUP BY run HAVING COUNT(*) >= $8 + 0 ORDER BY 1`

// RecalledRuns returns runs of messages that are known as recalled.
func (t *tx) RecalledRuns(app recall.SDKAppID, group recall.GroupID, topic recall.TopicID, hi recall.Seq,
	least int) (runs command.Ranges, err error) {
	err = t.each("read recalled runs of "+string(group), recalledRuns, []any{int64(app), group, topic, int64(hi),
		bot.ClassAlready, bot.ClassRecalled, bot.ByAnswer, least}, func(row *sql.Rows) error {
		var from, to int64
		err := row.Scan(&from, &to)
		runs = append(runs, command.Range{From: recall.Seq(from), To: recall.Seq(to)})
		return err
	})
	return runs, err
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

// Kinds returns what the messages of the request were folded into.
func (t *tx) Kinds(id bot.RequestID) (*bot.Kinds, error) {
	do := "read kinds of " + string(id)
	var body string
	err := t.get(do, `SELECT kinds FROM evidence_key WHERE request = $1`, []any{id}, &body)
	if errors.Is(err, bot.ErrNotFound) || err == nil && body == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var k bot.Kinds
	if err := decode(body, &k); err != nil {
		return nil, t.fail(do, err)
	}
	return &k, nil
}

// PutKinds stores what the messages of the request were folded into.
func (t *tx) PutKinds(id bot.RequestID, k bot.Kinds) error {
	do := "put kinds of " + string(id)
	body, err := encode(k)
	if err != nil {
		return t.fail(do, err) // unreachable: a Kinds always marshals
	}
	n, err := t.exec(do, `UPDATE evidence_key SET kinds = $2 WHERE request = $1`, id, body)
	if err == nil && n == 0 {
		err = t.fail(do, bot.ErrNotFound)
	}
	return err
}

// ForgetEvidence deletes text of messages, and in the end the key and the kinds.
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
