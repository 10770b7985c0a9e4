package ledger

import (
	"context"
	"database/sql"
	"sync"
)

// statements are the compiled queries of one pool of SQLite connections: compiling one takes longer
// than running it. The driver of PostgreSQL keeps its own. A nil *statements keeps nothing.
//
// When the LIMIT of a query is a bare variable, SQLite looks at its value while compiling, and
// compiles the query again whenever a value is bound. So a LIMIT is written as a sum, $3 + 0, whose
// value SQLite does not look at.
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

// keep compiles queries that a transaction did not find, once it has ended: during it the pool may
// have no free connection. A query that cannot be compiled now is compiled where it is used.
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
