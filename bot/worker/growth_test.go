package worker_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// TestReadingsAreFew: what is read for a large request makes few entries of the audit log, which
// name every message all the same; each call of the recall API has an entry of its own.
func TestReadingsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeApprovals = 1 })
		const n = 3300
		h.say(n)
		c := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
		h.press("UTHEO", intake.ActApprove, c)
		h.within(5*time.Minute, c.ID, bot.Done)
		h.pass(time.Minute)
		readings, calls, pages := 0, 0, 0
		err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
			all, err := tx.Entries(1, 100_000)
			for _, e := range all {
				var detail struct {
					Op    string `json:"op"`
					Pages int    `json:"pages"`
				}
				if e.Detail != nil {
					if err := json.Unmarshal(e.Detail, &detail); err != nil {
						return err
					}
				}
				switch {
				case detail.Op == "group_msg_recall":
					calls++
				case e.What == bot.TraceCall || e.What == bot.TraceFound:
					readings++
					pages += detail.Pages
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if readings >= 50 || pages < 2*n/20 || calls != n/10 {
			t.Errorf("%d entries of readings with %d pages, %d of calls", readings, pages, calls)
		}
	})
}

// TestCostOnDisk measures what the README says a request and a message cost on disk, in bytes, on
// SQLite: while their text is kept, and for ever.
func TestCostOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeApprovals, o.EvidenceTTL = 1, 2*time.Hour })
		db, err := sql.Open("sqlite", "file:"+h.file+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		used := func() (n int) {
			const pages = "SELECT (page_count - freelist_count) * page_size " +
				"FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
			if err := db.QueryRow(pages).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		said := 0
		recalled := func(n int) {
			h.say(n)
			c := h.proposed(fmt.Sprintf("%s %d-%d", testGroup, said+1, said+n))
			said += n
			h.press("UTHEO", intake.ActApprove, c)
			h.within(5*time.Minute, c.ID, bot.Done)
			h.pass(time.Minute)
		}
		const requests, messages = 20, 3300
		before := used()
		for range requests {
			recalled(2)
		}
		small := used()
		h.pass(4 * time.Hour)
		smallAfter := used()
		recalled(messages)
		large := used()
		h.pass(4 * time.Hour)
		for _, c := range []struct {
			what     string
			is, most int
		}{
			{"a request of 2 messages", (small - before) / requests, 20_000},
			{"a request of 2 messages, for ever", (smallAfter - before) / requests, 20_000},
			{"a message of a large request", (large - smallAfter) / messages, 1000},
			{"a message of a large request, for ever", (used() - smallAfter) / messages, 800},
		} {
			t.Logf("%s: %d bytes", c.what, c.is)
			if c.is <= 0 || c.is > c.most {
				t.Errorf("%s costs %d bytes, want at most %d", c.what, c.is, c.most)
			}
		}
	})
}
