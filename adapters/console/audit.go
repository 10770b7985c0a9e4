package console

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"recallbot/bot"
)

// entriesAtOnce is how many audit entries are read in one transaction.
const entriesAtOnce = 10_000

// open opens the ledger that DATABASE_URL names, for reading. The commands that only read the
// ledger need no other variable, so that an auditor can run them with a copy of the file.
func (c console) open(ctx context.Context) (Ledger, error) {
	url := os.Getenv("DATABASE_URL")
	if file := os.Getenv("DATABASE_URL_FILE"); url == "" && file != "" {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		url = strings.TrimSpace(string(body))
	}
	if url == "" {
		url = "sqlite:recallbot.db"
	}
	return c.Open(ctx, url)
}

// entries calls fn for every entry of the audit log, oldest first.
func (c console) entries(ctx context.Context, fn func(bot.Entry) error) error {
	l, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	for from := int64(1); ; {
		var page []bot.Entry
		err := l.View(ctx, func(tx bot.Tx) (err error) {
			page, err = tx.Entries(from, entriesAtOnce)
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

// auditExport writes the entries that pass the filter, one JSON object a line or as CSV.
func (c console) auditExport(ctx context.Context, filter bot.AuditFilter, asCSV bool) error {
	if !asCSV {
		out := json.NewEncoder(c.out)
		return c.entries(ctx, func(e bot.Entry) error {
			if !filter.Match(e) {
				return nil
			}
			return out.Encode(e)
		})
	}
	out := csv.NewWriter(c.out)
	if err := out.Write(bot.EntryHeader()); err != nil {
		return err
	}
	if err := c.entries(ctx, func(e bot.Entry) error {
		if !filter.Match(e) {
			return nil
		}
		return out.Write(e.Row())
	}); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// auditVerify checks the chain of the audit log, against a receipt where one is given.
func (c console) auditVerify(ctx context.Context, receipt string) error {
	l, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	n, hash, err := bot.VerifyAudit(ctx, l, receipt)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%d entries, the chain holds; head %d %s\n", n, n, hash)
	return err
}

// backup copies the ledger to a file.
func (c console) backup(ctx context.Context, file string) error {
	l, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Backup(ctx, file)
}
