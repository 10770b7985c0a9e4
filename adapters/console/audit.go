package console

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/config"

	"github.com/spf13/cobra"
)

// entriesAtOnce is how many audit entries are read in one transaction.
const entriesAtOnce = 10_000

// open opens the ledger that DATABASE_URL names, for reading. The commands that only read the
// ledger need no other variable, so that an auditor can run them with a copy of the file.
func (c console) open(ctx context.Context) (Ledger, error) {
	url, err := config.Value("DATABASE_URL")
	if err != nil {
		return nil, err
	}
	return c.Open(ctx, url)
}

// entries calls fn for every entry of the audit log with its name, oldest first.
func entries(ctx context.Context, l bot.Ledger, fn func(bot.Entry) error) error {
	var names bot.ActorNames
	for from := int64(1); ; {
		var page []bot.Entry
		err := l.View(ctx, func(tx bot.Tx) (err error) {
			page, err = tx.Entries(from, entriesAtOnce)
			for i := range page {
				if err := names.Name(tx, &page[i]); err != nil {
					return err
				}
			}
			return err
		})
		for _, e := range page { // before the error: it may be about a later one
			if err := fn(e); err != nil {
				return err
			}
		}
		if err != nil || len(page) == 0 {
			return err
		}
		from = page[len(page)-1].N + 1
	}
}

// audit is the command about the audit log.
func (c console) audit() *cobra.Command {
	return c.group("audit", "Read and check the audit log", c.auditExport(), c.auditReport(), c.auditVerify())
}

// auditExport is the command that writes the entries which pass its filter, as JSON lines or CSV.
func (c console) auditExport() *cobra.Command {
	var filter bot.AuditFilter
	var from, till, request string
	var asCSV bool
	cmd := c.plain("export", "Write the audit log, oldest entry first, as JSON lines or CSV",
		"recallbot audit export --csv --from 2026-11-01 --till 2026-11-30 >november.csv\n"+
			"recallbot audit export --person mina --what asked", func(cmd *cobra.Command) (err error) {
			if filter.From, err = moment(from, 0); err != nil {
				return usageError("--from: " + err.Error())
			}
			if filter.Till, err = moment(till, 1); err != nil {
				return usageError("--till: " + err.Error())
			}
			if request != "" {
				id, ok := command.ParseRequestID(request)
				if !ok {
					return usageError(fmt.Sprintf("--request: %q is no request id, such as R-7K3M9Q", request))
				}
				filter.Request = id
			}
			return c.export(cmd.Context(), &filter, asCSV)
		})
	flags := cmd.Flags()
	flags.BoolVar(&asCSV, "csv", false, "as CSV with a line of names first")
	flags.StringVar(&from, "from", "", "from this `TIME` on: RFC 3339, or a date for the start of that day in UTC")
	flags.StringVar(&till, "till", "", "before this `TIME`: RFC 3339, or a date for the end of that day in UTC")
	flags.StringVar((*string)(&filter.Group), "group", "", "entries about requests of the group with this `ID`")
	flags.StringVar(&filter.Person, "person", "",
		"entries of this `PERSON`: a name of the roster, an account or a user id, in any case")
	flags.StringVar(&request, "request", "", "entries about the request with this `ID`")
	flags.StringVar(&filter.What, "what", "", "entries of this `KIND`, such as asked or approved")
	return cmd
}

// moment reads a time of the command line. A date is the start of that day, or of the one that
// comes later by days.
func moment(s string, days int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, days), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("%q is no time such as 2026-11-01 or 2026-11-01T09:30:00Z", s)
	}
	return at, nil
}

// export writes the entries that pass the filter. It fails where none does.
func (c console) export(ctx context.Context, filter *bot.AuditFilter, asCSV bool) error {
	write, flush := json.NewEncoder(c.out).Encode, func() error { return nil }
	if asCSV {
		out := csv.NewWriter(c.out)
		if err := out.Write(bot.EntryHeader()); err != nil {
			return err
		}
		write = func(e any) error { return out.Write(e.(bot.Entry).Row()) }
		flush = func() error { out.Flush(); return out.Error() }
	}
	l, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	if filter.Group != "" { // which groups a sweep is about is known only when it is sealed
		if err := entries(ctx, l, func(e bot.Entry) error { filter.Match(e); return nil }); err != nil {
			return err
		}
	}
	of, matched := 0, 0
	err = entries(ctx, l, func(e bot.Entry) error {
		of++
		if !filter.Match(e) {
			return nil
		}
		matched++
		return write(e)
	})
	if err := errors.Join(err, flush()); err != nil {
		return err
	}
	if matched == 0 {
		return fmt.Errorf("0 of %d entries match", of)
	}
	return nil
}

// auditVerify is the command that checks the chain of the audit log, of the database or of an
// exported file.
func (c console) auditVerify() *cobra.Command {
	var receipt string
	cmd := &cobra.Command{Use: "verify [FILE]",
		Short: "Check the audit log: of the database, or of a FILE that export wrote whole as JSON lines",
		Example: indent("recallbot audit verify --receipt 'Audit log head 12 9f2c...'\n" +
			"recallbot audit verify november.jsonl"),
		Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.verifyFile(args[0], receipt)
			}
			l, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer l.Close()
			found, err := bot.VerifyAudit(cmd.Context(), l, receipt)
			if err != nil {
				return err
			}
			return c.holds(found)
		}}
	cmd.Flags().StringVar(&receipt, "receipt", "",
		"the `LINE` of a receipt that was kept, or the number and the hash in it: the log must contain that entry")
	return cmd
}

// verifyFile checks the chain of an export. It cannot see what the database's requests name.
func (c console) verifyFile(file, receipt string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	v := bot.Verifier{Receipt: receipt}
	for in, line := json.NewDecoder(f), 1; ; line++ {
		var e bot.Entry
		if err := in.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("%s, entry %d: %w; audit export writes such a file", file, line, err)
		}
		if err := v.Next(e); err != nil {
			return fmt.Errorf("%w (an export must be whole: without --csv and without filters)", err)
		}
	}
	if err := v.End(); err != nil {
		return err
	}
	n, hash := v.Head()
	return c.holds(bot.Verified{N: n, Hash: hash})
}

func (c console) holds(found bot.Verified) error {
	forgotten := ""
	if found.Forgotten > 0 {
		forgotten = fmt.Sprintf("The words of the reasons of %s are forgotten; the log has their HMAC.\n",
			plural(found.Forgotten, "request"))
	}
	_, err := fmt.Fprintf(c.out, "%d entries, the chain holds; head %d %s\n%s", found.N, found.N, found.Hash,
		forgotten)
	return err
}

// plural writes a number of things.
func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// backup is the command that copies the ledger to a file.
func (c console) backup() *cobra.Command {
	return &cobra.Command{Use: "backup FILE", Short: "Write a consistent copy of the SQLite file, while it is served",
		Example: indent("recallbot backup /backup/recallbot-$(date +%F).db"), Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer l.Close()
			return l.Backup(cmd.Context(), args[0])
		}}
}
