package ledger

import (
	"context"
	"database/sql"
	"sync"
)

// statements are the queries of one pool of SQLite connections, kept compiled: to compile one takes
// longer than to run it. PostgreSQL's driver keeps its own. A nil *statements keeps nothing.
//
// Where a query's LIMIT is a bare variable, SQLite looks at its value when it compiles, and
// compiles the query anew whenever a value is bound: so a LIMIT is written as a sum, $3 + 0, whose
// value it leaves alone.
type statements struct {
	db   *sql.DB
	mu   sync.Mutex
	kept map[string]*sql.Stmt
}

// keptMost bounds the statements of a pool; there are about a hundred queries.
const keptMost = 300

func keepStatements(db *sql.DB) *statements { return &statements{db: db, kept: map[string]*sql.Stmt{}} }

func (s *statements) get(query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[query]
}

// keep compiles queries that a transaction found missing, once it has ended: before, the pool may
// have no connection to spare. One that cannot be compiled now is compiled where it is used, as
// before.
func (s *statements) keep(ctx context.Context, queries []string) {
	if s == nil {
		return
	}
	for _, q := range queries {
		s.mu.Lock()
		wanted := s.kept[q] == nil && len(s.kept) < keptMost
		s.mu.Unlock()
		if !wanted {
			continue
		}
		compiled, err := s.db.PrepareContext(ctx, q)
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.kept[q] == nil {
			s.kept[q], compiled = compiled, nil
		}
		s.mu.Unlock()
		if compiled != nil {
			compiled.Close() // another transaction was faster
		}
	}
}
