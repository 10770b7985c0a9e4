package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// leaseMost is longer than any lease lasts.
const leaseMost = 2 * time.Minute

// Acquire takes a lease; see bot.Ledger.
func (l *Ledger) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bot.Lease, error) {
	var lease bot.Lease
	err := l.tx(ctx, func(t *tx) error {
		do := "acquire lease " + name
		var last string
		var epoch, till int64
		err := t.get(do, `SELECT holder, epoch, till FROM lease WHERE name = $1`, []any{name}, &last, &epoch, &till)
		if err != nil && !errors.Is(err, bot.ErrNotFound) {
			return err
		}
		till = l.store.renewals().till(name, epoch, till)
		// A lease that seems to last longer than this was taken before the clock was set back.
		if left := moment(till).Sub(t.now); err == nil && last != holder && left > 0 && left <= max(2*ttl, leaseMost) {
			return bot.ErrHeld
		}
		lease = bot.Lease{Name: name, Holder: holder, Epoch: epoch + 1, Till: t.now.Add(ttl), Prior: last}
		_, err = t.exec(do, `INSERT INTO lease (name, holder, epoch, till) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, till = excluded.till`,
			name, holder, lease.Epoch, millis(lease.Till))
		return err
	})
	if err != nil {
		return bot.Lease{}, err
	}
	return lease, nil
}

// Renew keeps a lease; see bot.Ledger.
func (l *Ledger) Renew(ctx context.Context, lease bot.Lease, ttl time.Duration) error {
	if kept := l.store.renewals(); kept != nil {
		return l.View(ctx, func(t bot.Tx) error {
			if err := t.Fence(lease); err != nil {
				return err
			}
			return kept.put(lease, millis(t.Now().Add(ttl)))
		})
	}
	return l.tx(ctx, func(t *tx) error {
		n, err := t.exec("renew lease "+lease.Name,
			`UPDATE lease SET till = $4 WHERE name = $1 AND holder = $2 AND epoch = $3`,
			lease.Name, lease.Holder, lease.Epoch, millis(t.now.Add(ttl)))
		if err == nil && n == 0 {
			return bot.ErrFenced
		}
		return err
	})
}

// renewals are the ends of leases, where those are kept in memory. The zero value is ready.
type renewals struct {
	mu   sync.Mutex
	last map[string]renewal // by name
}

type renewal struct{ epoch, till int64 }

// put extends a lease to till. It returns bot.ErrFenced when a later lease of that name has been
// extended.
func (k *renewals) put(lease bot.Lease, till int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last[lease.Name].epoch > lease.Epoch {
		return bot.ErrFenced
	}
	if k.last == nil {
		k.last = map[string]renewal{}
	}
	k.last[lease.Name] = renewal{lease.Epoch, till}
	return nil
}

// till returns the end of the lease of that name and epoch. stored is the end that the database
// has.
func (k *renewals) till(name string, epoch, stored int64) int64 {
	if k == nil {
		return stored
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.last[name]; ok && r.epoch == epoch {
		return r.till
	}
	return stored
}

// Release gives a lease up; see bot.Ledger. It counts as a new epoch, so that nothing more can be
// written under the old one. Release alone also works on a schema of another version: it tells the
// next process only that this one has ended.
func (l *Ledger) Release(ctx context.Context, lease bot.Lease) error {
	return l.run(ctx, true, func(t *tx) error {
		last := lease.Holder
		if lease.NoWait {
			last = ""
		}
		_, err := t.exec("release lease "+lease.Name,
			`UPDATE lease SET epoch = epoch + 1, till = 0, holder = $4 WHERE name = $1 AND holder = $2 AND epoch = $3`,
			lease.Name, lease.Holder, lease.Epoch, last)
		return err
	})
}

// Fence returns ErrFenced when another process has taken the lease since; the transaction then
// writes nothing.
func (t *tx) Fence(lease bot.Lease) error {
	var epoch int64
	err := t.get("fence", `SELECT epoch FROM lease WHERE name = $1 AND holder = $2`, []any{lease.Name, lease.Holder},
		&epoch)
	if errors.Is(err, bot.ErrNotFound) || err == nil && epoch != lease.Epoch {
		return t.fail("fence "+lease.Name, bot.ErrFenced)
	}
	return err
}

// AddBatches stores new batches and assigns messages to them. Without a grant the digest is null,
// which the schema refuses.
func (t *tx) AddBatches(id bot.RequestID, batches []bot.Batch) error {
	do := "add batches of " + string(id)
	var last int64
	if err := t.get(do, `SELECT COALESCE(MAX(n), 0) FROM batch WHERE request = $1`, []any{id}, &last); err != nil {
		return err
	}
	t.grown += len(batches)
	for part := range slices.Chunk(batches, chunk/recall.MaxRecallSeqs) {
		var rows, members list
		seqs := 0
		for _, b := range part {
			last++
			if err := rows.add(last, batchRow(b)); err != nil {
				return t.fail(do, err)
			}
			for _, m := range bot.IDsOf(b.Part, b.Seqs) {
				if err := members.add(int64(m), last); err != nil {
					return t.fail(do, err)
				}
			}
			seqs += len(b.Seqs)
		}
		if _, err := t.exec(do, `INSERT INTO batch (request, n, digest, `+batchColumns+`)
			SELECT $1, CAST(key AS bigint), (SELECT digest FROM "grant" WHERE request = $1), value ->> 0,
				CAST(value ->> 1 AS bigint), CAST(value ->> 2 AS int), CAST(value ->> 3 AS int),
				CAST(value ->> 4 AS int), CAST(value ->> 5 AS bigint), CAST(value ->> 6 AS bigint)
			FROM json_each($2)`, id, rows.String()); err != nil {
			return err
		}
		n, err := t.exec(do, `WITH j AS MATERIALIZED (
				SELECT CAST($1 AS text) AS request, CAST(key AS bigint) AS seq,
					CAST(CAST(value AS text) AS bigint) AS batch FROM json_each($2))
			UPDATE message SET batch = j.batch FROM j WHERE message.request = j.request AND message.seq = j.seq`,
			id, members.String())
		if err != nil {
			return err
		}
		if n != seqs {
			return t.refuse(do, "a message is not of this request, or in two batches")
		}
	}
	return nil
}

const batchColumns = `state, epoch, doubted, unread, single, attempts, after`

// batchRow holds the values of batchColumns.
func batchRow(b bot.Batch) []any {
	return []any{b.State, b.Epoch, flag(b.Doubted), flag(b.Unread), flag(b.Single), b.Attempts, millis(b.After)}
}

const firstBatches = `SELECT * FROM batch WHERE request = $1 AND state = $2 ORDER BY after, n LIMIT $3 + 0`

// Batches returns batches in the given states with their unsettled messages. It queries one state
// at a time, so that the index yields the first batches without reading the rest.
func (t *tx) Batches(id bot.RequestID, limit int, states ...bot.BatchState) ([]bot.Batch, error) {
	var batches []bot.Batch
	for _, state := range states {
		err := t.each("read batches of "+string(id), `
			SELECT b.n, b.state, b.epoch, b.doubted, b.unread, b.single, b.attempts, b.after, m.seq
			FROM (`+firstBatches+`) b
			LEFT JOIN message m ON m.request = b.request AND m.batch = b.n AND m.class = ''
			ORDER BY b.after, b.n, m.seq`, []any{id, state, max(limit, 0)}, func(row *sql.Rows) error {
			var b bot.Batch
			var doubted, unread, single int
			var after int64
			var seq sql.NullInt64
			if err := row.Scan(&b.N, &b.State, &b.Epoch, &doubted, &unread, &single, &b.Attempts, &after,
				&seq); err != nil {
				return err
			}
			if n := len(batches); n == 0 || batches[n-1].N != b.N {
				b.Doubted, b.Unread, b.Single, b.After = doubted != 0, unread != 0, single != 0, moment(after)
				batches = append(batches, b)
			}
			if seq.Valid {
				m, last := bot.MessageID(seq.Int64), &batches[len(batches)-1]
				last.Part, last.Seqs = m.Part(), append(last.Seqs, m.Seq())
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(batches,
		func(a, b bot.Batch) int { return cmp.Or(a.After.Compare(b.After), cmp.Compare(a.N, b.N)) })
	return batches[:min(len(batches), max(limit, 0))], nil
}

// PutBatches stores what has become of batches.
func (t *tx) PutBatches(id bot.RequestID, batches []bot.Batch) error {
	do := "put batches of " + string(id)
	for part := range slices.Chunk(batches, chunk) {
		var rows list
		for _, b := range part {
			if err := rows.add(int64(b.N), batchRow(b)); err != nil {
				return t.fail(do, err)
			}
		}
		n, err := t.exec(do, `WITH j AS MATERIALIZED (
				SELECT CAST($1 AS text) AS request, CAST(key AS bigint) AS n, value FROM json_each($2))
			UPDATE batch SET state = j.value ->> 0, epoch = CAST(j.value ->> 1 AS bigint),
				doubted = CAST(j.value ->> 2 AS int), unread = CAST(j.value ->> 3 AS int),
				single = CAST(j.value ->> 4 AS int), attempts = CAST(j.value ->> 5 AS bigint),
				after = CAST(j.value ->> 6 AS bigint)
			FROM j WHERE batch.request = j.request AND batch.n = j.n`, id, rows.String())
		if err != nil {
			return err
		}
		if n != len(part) {
			return t.fail(do, bot.ErrNotFound)
		}
	}
	return nil
}
