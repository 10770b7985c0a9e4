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
	switch {
	case isFile:
		f = append(f, writable(path)...)
	case err == nil || errors.Is(err, errEmpty) || errors.Is(err, ErrVersion) && !errors.Is(err, ErrNewer):
		f = append(f, takesWrites(ctx, databaseURL, err != nil)...)
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

// takesWrites returns what keeps the user of a PostgreSQL URL from serving: a standby, a database
// that was set to be read only, tables of somebody else, or, where the start has to make or alter
// tables, a schema in which this user may not.
func takesWrites(ctx context.Context, databaseURL string, makes bool) []bot.Finding {
	var f bot.Findings
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		f.Bad("see DATABASE_URL", "%v", err)
		return f
	}
	defer db.Close()
	var readOnly string
	var creates, owns, writes bool
	// Ours are the tables and sequences whose owner is that of the table of versions. A list of
	// rights means any of them.
	err = db.QueryRowContext(ctx, `WITH versions AS (SELECT relowner, relnamespace FROM pg_class
			WHERE oid = to_regclass('goose_db_version')),
		ours AS (SELECT c.oid, c.relowner, c.relkind FROM pg_class c JOIN versions v USING (relowner, relnamespace)
			WHERE c.relkind IN ('r', 'S'))
		SELECT current_setting('transaction_read_only'),
			COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false),
			COALESCE((SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM ours), true),
			COALESCE((SELECT bool_and(CASE relkind WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE')
				ELSE has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') AND
					has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE') END) FROM ours), true)`,
	).Scan(&readOnly, &creates, &owns, &writes)
	switch {
	case err != nil:
		f.Bad("see the database", "whether it can be written: %v", err)
	case readOnly == "on":
		f.Bad("let DATABASE_URL name the primary, and end default_transaction_read_only", "it takes no writes")
	case makes && !creates:
		f.Bad("grant the user of DATABASE_URL the right CREATE on the schema",
			"the start makes tables, which this user may not")
	case makes && !owns:
		f.Bad("let DATABASE_URL name the user who owns the tables",
			"the start alters the tables, which belong to another user")
	case !writes:
		f.Bad("grant the user of DATABASE_URL all rights on the tables and sequences",
			"this user may not write its tables")
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
