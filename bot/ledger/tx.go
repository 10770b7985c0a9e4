package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"recallbot/bot"
)

// tx is one transaction. After an error it writes nothing more and is not committed, even when fn
// ignores the error: PostgreSQL would not commit it either, and half of what one method writes must
// not stay.
type tx struct {
	ctx    context.Context
	sql    *sql.Tx
	kept   *statements
	wanted []string // queries that are not kept yet
	rule   func(error) bool
	now    time.Time
	schema int64 // the version that the database has, as it was seen last
	ours   int64 // the version that this program knows; 0 where any will do
	woken  []bot.Topic
	wrote  bool // something was changed
	forgot bool // text was deleted
	grown  int  // rows of a flood that were stored
	last   *auditHead
	fault  error
}

var _ bot.Tx = (*tx)(nil)

// Now is the ledger's time.
func (t *tx) Now() time.Time { return t.now }

// current returns ErrVersion where the schema has another version than this program knows.
func (t *tx) current() error {
	if t.ours == 0 {
		return nil
	}
	return sameVersion(t.schema, t.ours)
}

// Wake wakes the topics' subscribers after the commit.
func (t *tx) Wake(topics ...bot.Topic) {
	for _, topic := range topics {
		if !slices.Contains(t.woken, topic) {
			t.woken = append(t.woken, topic)
		}
	}
}

// fail makes err, with the name do, the error of the transaction, and returns it.
func (t *tx) fail(do string, err error) error {
	if t.rule(err) {
		err = fmt.Errorf("%w: %w", bot.ErrRule, err)
	}
	t.fault = fmt.Errorf("%s: %w", do, err)
	return t.fault
}

// refuse fails the transaction for a rule that the schema cannot hold.
func (t *tx) refuse(do, why string) error {
	return t.fail(do, fmt.Errorf("%w: %s", bot.ErrRule, why))
}

// missing returns the error for a thing that does not exist. It does not end the transaction.
func missing(do string) error { return fmt.Errorf("%s: %w", do, bot.ErrNotFound) }

// statement returns the compiled query, or nil where it is not compiled yet.
func (t *tx) statement(query string) *sql.Stmt {
	if t.kept == nil {
		return nil
	}
	if kept := t.kept.get(query); kept != nil {
		return t.sql.StmtContext(t.ctx, kept)
	}
	t.wanted = append(t.wanted, query)
	return nil
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(do, query string, args ...any) (int, error) {
	if t.fault != nil {
		return 0, t.fault
	}
	var result sql.Result
	var err error
	if stmt := t.statement(query); stmt != nil {
		result, err = stmt.ExecContext(t.ctx, args...)
	} else {
		result, err = t.sql.ExecContext(t.ctx, query, args...)
	}
	if err != nil {
		return 0, t.fail(do, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, t.fail(do, err)
	}
	t.wrote = t.wrote || n > 0
	return int(n), nil
}

// change runs a statement that must change a row. Where it changes none, the error is ErrNotFound.
func (t *tx) change(do, query string, args ...any) error {
	n, err := t.exec(do, query, args...)
	if err == nil && n == 0 {
		return missing(do)
	}
	return err
}

// get scans the single row of a query. Where there is none, the error is ErrNotFound.
func (t *tx) get(do, query string, args []any, into ...any) error {
	if t.fault != nil {
		return t.fault
	}
	var row *sql.Row
	if stmt := t.statement(query); stmt != nil {
		row = stmt.QueryRowContext(t.ctx, args...)
	} else {
		row = t.sql.QueryRowContext(t.ctx, query, args...)
	}
	err := row.Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return missing(do)
	}
	if err != nil {
		return t.fail(do, err)
	}
	return nil
}

// each calls scan for every row of a query.
func (t *tx) each(do, query string, args []any, scan func(row *sql.Rows) error) error {
	if t.fault != nil {
		return t.fault
	}
	var rows *sql.Rows
	var err error
	if stmt := t.statement(query); stmt != nil {
		rows, err = stmt.QueryContext(t.ctx, args...)
	} else {
		rows, err = t.sql.QueryContext(t.ctx, query, args...)
	}
	if err != nil {
		return t.fail(do, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return t.fail(do, err)
		}
	}
	if err := rows.Err(); err != nil {
		return t.fail(do, err)
	}
	return nil
}

// encode returns v as JSON. Text of others is always stored as JSON: PostgreSQL accepts neither a
// NUL nor invalid UTF-8 in a text.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(text string, into any) error { return json.Unmarshal([]byte(text), into) }

// millis returns a time as it is stored; the zero time is 0.
func millis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// orNull returns nil for "", which is stored as null.
func orNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// list is many rows in one argument: a JSON object that json_each, which both databases have, turns
// into rows of key and value. It is four times as fast as many rows of arguments. An update from a
// list has the request in the rows of the list (WITH ... AS MATERIALIZED), so that SQLite reads the
// list and looks up each row: if the request were a separate argument, SQLite would read all rows
// of the request and the whole list for each. PostgreSQL does the same with the other columns of an
// index if it takes a value for rare; so such a column is compared with an empty text appended to
// it, for which there is no index.
type list struct{ b strings.Builder }

// chunk is the most rows of a list, so that 100,000 messages are not one text in memory.
const chunk = 5000

func (l *list) add(key int64, value any) error {
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if l.b.Len() == 0 {
		l.b.WriteByte('{')
	} else {
		l.b.WriteByte(',')
	}
	l.b.WriteByte('"')
	l.b.WriteString(strconv.FormatInt(key, 10))
	l.b.WriteString(`":`)
	l.b.Write(v)
	return nil
}

func (l *list) String() string {
	if l.b.Len() == 0 {
		return "{}"
	}
	return l.b.String() + "}"
}
