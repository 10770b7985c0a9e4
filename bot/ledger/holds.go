package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"recallbot/bot"

	"github.com/pressly/goose/v3"
)

// filling is the version of the schema in which what 00007_holds.sql added is filled of every
// request.
const filling = 8

// fills returns that migration. It reads JSON, which the two databases do in different words.
func fills() *goose.Migration {
	return goose.NewGoMigration(filling, &goose.GoFunc{RunTx: fillHolds}, nil)
}

func fillHolds(ctx context.Context, s *sql.Tx) error {
	// as each migration begins
	if _, err := s.ExecContext(ctx, `UPDATE counter SET n = n WHERE name = 'writer'`); err != nil {
		return err
	}
	type old struct {
		bot.Request
		id string
	}
	for after := ""; ; {
		rows, err := s.QueryContext(ctx, `SELECT id, body FROM request WHERE id > $1 ORDER BY id LIMIT 500`, after)
		if err != nil {
			return err
		}
		var page []old
		for rows.Next() {
			var r old
			var body string
			if err = rows.Scan(&r.id, &body); err == nil {
				err = decode(body, &r.Request)
			}
			if err != nil {
				rows.Close()
				return fmt.Errorf("request %s: %w", r.id, err)
			}
			r.ID = bot.RequestID(r.id)
			page = append(page, r)
		}
		if err := rows.Err(); err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			accounts, err := encode(r.Accounts)
			if err != nil {
				return err
			}
			low, high := bounds(r.Covers)
			_,
				err = s.ExecContext(ctx,
				`UPDATE request SET low = $2, high = $3, seqs = $4, accounts = $5 WHERE id = $1`, r.id, low, high,
				r.Covers.String(), accounts)
			if err != nil {
				return err
			}
			touching, err := touchArgs(r.Request)
			if err != nil {
				return err
			}
			if _, err := s.ExecContext(ctx, touch, touching...); err != nil {
				return err
			}
		}
		after = page[len(page)-1].id
	}
}
