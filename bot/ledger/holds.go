package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"recallbot/bot"
	"recallbot/bot/command"

	"github.com/pressly/goose/v3"
)

// filling is the version of the schema in which the columns that 00007_holds.sql added are filled
// for every request. Earlier versions did not forget the phrase of a filter; this migration removes
// it from requests whose evidence they had forgotten.
const filling = 8

// fills returns that migration. It reads JSON, for which the two databases have different
// functions.
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
		id    string
		keeps bool // its evidence, or it is open
	}
	for after := ""; ; {
		rows, err := s.QueryContext(ctx, `SELECT id, state, body,
			EXISTS (SELECT 1 FROM due WHERE due.request = request.id AND due.kind = $2)
			FROM request WHERE id > $1 ORDER BY id LIMIT 500`, after, bot.DueEvidence)
		if err != nil {
			return err
		}
		var page []old
		for rows.Next() {
			var r old
			var state bot.State
			var body string
			if err = rows.Scan(&r.id, &state, &body, &r.keeps); err == nil {
				err = decode(body, &r.Request)
			}
			r.keeps = r.keeps || state.Open()
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
			low, high := bounds(r.Only().Covers)
			_,
				err = s.ExecContext(ctx,
				`UPDATE request SET low = $2, high = $3, seqs = $4, accounts = $5 WHERE id = $1`, r.id, low, high,
				r.Only().Covers.String(), accounts)
			if err != nil {
				return err
			}
			if !r.keeps && r.Scope.Filter.Text != "" {
				if err := withholdPhrase(ctx, s, r.id, r.Request); err != nil {
					return err
				}
			}
			touching, err := touchArgs(r.Request, r.Only())
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

// withholdPhrase removes the phrase of a search from a request, and from the command that its
// refusal may suggest.
func withholdPhrase(ctx context.Context, s *sql.Tx, id string, r bot.Request) error {
	r.Scope.Filter = r.Scope.Filter.WithoutText()
	for i, span := range r.RefusedFor {
		if span.Kind == bot.CodeText {
			r.RefusedFor[i].Text = command.Withheld
		}
	}
	body, err := requestBody(r)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, `UPDATE request SET body = $2 WHERE id = $1`, id, body)
	return err
}
