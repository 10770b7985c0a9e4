package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"recallbot/bot"
)

// Check looks at the database at a URL as an operator would before serving it: whether serving
// would be refused or fail, and who else may read it. It takes no lock and changes nothing.
func Check(ctx context.Context, databaseURL string, log *slog.Logger) []bot.Finding {
	var f bot.Findings
	l, err := Open(ctx, databaseURL, Options{Log: log, ReadOnly: true})
	path, isFile := strings.CutPrefix(databaseURL, "sqlite:")
	switch {
	case err == nil:
		f.Well("it can be read, and is of this version")
		f = append(f, l.Check()...)
		if l.Shared() {
			f = append(f, takesWrites(ctx, l.read)...)
		}
		if err := l.Close(); err != nil {
			f.Bad("see the disk", "%v", err)
		}
	case isFile && errors.Is(err, fs.ErrNotExist):
		if f = append(f, writable(path)...); len(f) == 0 {
			f.Hint("it is made at the first start", "there is none yet")
		}
		return f
	case errors.Is(err, errEmpty):
		f.Hint("its tables are made at the first start", "it is empty")
	case errors.Is(err, ErrVersion) && !errors.Is(err, ErrNewer):
		f.Hint("it is brought up to date at the next start", "%v", err)
	case errors.Is(err, ErrNewer), errors.Is(err, ErrInUse):
		f.Bad("serving would be refused", "%v", err)
	case isFile:
		f.Bad("see the file that DATABASE_URL names: it is no database of this program, or cannot be read", "%v", err)
	default:
		f.Bad("see DATABASE_URL, and that the server runs and has that database and user", "%v", err)
	}
	if isFile {
		f = append(f, writable(path)...)
	}
	return f
}

// writable returns what keeps a process of this user from serving the SQLite file.
func writable(path string) []bot.Finding {
	var f bot.Findings
	if path == ":memory:" {
		return nil
	}
	dir := filepath.Dir(path)
	if is, err := os.Stat(dir); err != nil {
		f.Bad("make the directory, or see DATABASE_URL", "the directory of the database: %v", err)
		return f
	} else if !is.IsDir() {
		f.Bad("see DATABASE_URL", "%s is no directory", dir)
		return f
	}
	for _, name := range []string{dir, path, path + ".lock"} {
		if err := mayWrite(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.Bad("let the user who runs the bot write it, and its directory, which holds the log beside it",
				"%s cannot be written: %v", name, err)
		}
	}
	return f
}

// takesWrites returns what keeps the user of a PostgreSQL connection from writing: a standby, a
// database that was set to be read only, or tables of somebody else.
func takesWrites(ctx context.Context, db *sql.DB) []bot.Finding {
	var f bot.Findings
	var readOnly string
	var may bool
	if err := db.QueryRowContext(ctx, `SELECT current_setting('transaction_read_only'),
		has_table_privilege('request', 'INSERT, UPDATE, DELETE')`).Scan(&readOnly, &may); err != nil {
		f.Bad("see the database", "whether it can be written: %v", err)
		return f
	}
	if readOnly == "on" {
		f.Bad("let DATABASE_URL name the primary, and end default_transaction_read_only", "it takes no writes")
	}
	if !may {
		f.Bad("grant the user of DATABASE_URL all rights on the tables", "this user may not write its tables")
	}
	return f
}

// None is the ledger of a program that stores nothing: every transaction fails.
type None struct{ bot.Ledger }

var errNone = errors.New("there is no ledger")

// Tx fails.
func (None) Tx(context.Context, func(bot.Tx) error) error { return errNone }

// View fails.
func (None) View(context.Context, func(bot.Tx) error) error { return errNone }
