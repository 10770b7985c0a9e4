package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"
)

// parting is the version of the schema from which a request may be about several groups. No row of
// a large table is written for it: the messages of a request over one group keep their numbers.
//
// The column seq of message and evidence has the number of the part in its upper half, and the seq
// in its lower (bot.MessageID). The table part has where the messages of sweeps are; those of
// requests over one group stand in request.
const parting = 12

// parts returns that migration. The two databases change a check of a table in different ways.
func parts(dialect goose.Dialect) *goose.Migration {
	return goose.NewGoMigration(parting, &goose.GoFunc{RunTx: func(ctx context.Context, s *sql.Tx) error {
		steps := append([]string{`UPDATE counter SET n = n WHERE name = 'writer'`}, widen[dialect]...)
		for _, step := range append(steps, makeParts...) {
			if _, err := s.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
		return nil
	}}, nil)
}

// widen lets the column seq have ids. In SQLite the text of the table is changed, as
// https://www.sqlite.org/lang_altertable.html describes for what does not affect how rows are
// stored; the tables that are made after it let every other connection read the schema again.
var widen = map[goose.Dialect][]string{
	goose.DialectSQLite3: {
		`PRAGMA writable_schema = ON`,
		`UPDATE sqlite_master SET sql = replace(sql, 'CHECK (seq BETWEEN 1 AND 4294967295)', 'CHECK (seq > 0)')
			WHERE type = 'table' AND name = 'message'`,
		`PRAGMA writable_schema = RESET`,
	},
	// NOT VALID: the rows that are there are not read, since each meets it.
	goose.DialectPostgres: {
		`ALTER TABLE message DROP CONSTRAINT message_seq_check`,
		`ALTER TABLE message ADD CONSTRAINT message_seq_check CHECK (seq > 0) NOT VALID`,
	},
}

var makeParts = []string{
	`CREATE TABLE part (
		request    text   NOT NULL REFERENCES request (id),
		n          bigint NOT NULL,
		app        bigint NOT NULL,
		chat_group text   NOT NULL,
		topic      text   NOT NULL,
		low        bigint NOT NULL,
		high       bigint NOT NULL,
		seqs       text   NOT NULL,
		PRIMARY KEY (request, n)
	)`,
	`CREATE INDEX part_holds ON part (chat_group, app, topic, high, low, request)`,
}
