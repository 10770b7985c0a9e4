package ledger

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"

	"recallbot/bot"
)

// Check looks at the database at a URL as an operator would before serving it: whether it can be
// read, whether serving would be refused, and who else may read it. It takes no lock and changes
// nothing.
func Check(ctx context.Context, databaseURL string, log *slog.Logger) []bot.Finding {
	var f bot.Findings
	l, err := Open(ctx, databaseURL, Options{Log: log, ReadOnly: true})
	switch {
	case err == nil:
		f.Well("it can be read, and is of this version")
		f = append(f, l.Check()...)
		if err := l.Close(); err != nil {
			f.Bad("see the disk", "%v", err)
		}
	case strings.HasPrefix(databaseURL, "sqlite:") && errors.Is(err, fs.ErrNotExist):
		f.Hint("it is made at the first start", "there is none yet")
	case errors.Is(err, ErrNewer), errors.Is(err, ErrInUse):
		f.Bad("serving would be refused", "%v", err)
	default:
		f.Hint("see DATABASE_URL; one of another version is brought up to date at the next start", "%v", err)
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
