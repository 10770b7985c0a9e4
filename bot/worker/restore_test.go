package worker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

// TestRestored copies the ledger while a request runs and another is approved, lets both end, and
// goes on from the copy. Nothing is sent again: all that the copy does not know the end of is read,
// and told as what became of it.
func TestRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *bot.Options) { o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000 })
		large := func(o *bot.Options) { o.Policy.LargeFrom, o.Policy.MaxMessages = 1_000_000, 1_000_000 }
		h.chat.Change(
			func(o *recalltest.Options) { o.Latency, o.LatencyJitter = 50*time.Millisecond, 100*time.Millisecond })
		const n = 3000
		h.say(n + 2)
		large1 := h.proposed(fmt.Sprintf("%s 1-%d", testGroup, n))
		small := h.proposed(fmt.Sprintf("%s %d-%d", testGroup, n+1, n+2))

		// Somebody else has the app's lease, so that the small one stays approved.
		h.pass(30 * time.Second) // the lease runs out by itself
		other, err := h.ledger.Acquire(t.Context(), fmt.Sprint("app/", h.chat.SDKAppID()), "somebody", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		h.press("UTHEO", intake.ActApprove, small)
		dir := t.TempDir()
		if err := h.ledger.Backup(t.Context(), dir+"/approved.db"); err != nil {
			t.Fatal(err)
		}
		if err := h.ledger.Release(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		h.within(time.Minute, small.ID, bot.Done)
		h.press("UTHEO", intake.ActApprove, large1)
		for i := range 5 { // under load
			h.pass(200 * time.Millisecond)
			file := fmt.Sprintf("%s/running%d.db", dir, i)
			if err := h.ledger.Backup(t.Context(), file); err != nil {
				t.Fatal(err)
			}
			wholeCopy(t, file)
		}
		h.within(time.Minute, large1.ID, bot.Done)
		h.stop()
		calls := h.chat.Calls(recalltest.Recall)

		for file, id := range map[string]bot.RequestID{"approved.db": small.ID, "running1.db": large1.ID} {
			h.open(dir+"/"+file, large)
			h.within(5*time.Minute, id, bot.Done)
			h.pass(time.Minute)
			if more := h.chat.Calls(recalltest.Recall) - calls; more > 0 {
				t.Errorf("%s: %d calls for what was recalled already", file, more)
			}
			err := h.ledger.View(t.Context(), func(tx bot.Tx) error {
				counts, err := tx.Progress(id)
				if r, err := tx.Request(id); err != nil || r.ReceiptNumber() != "2-1" {
					t.Errorf("%s: receipt %s after a restore, %v", file, r.ReceiptNumber(), err)
				}
				if len(counts) != 1 || counts[bot.ClassRecalled] == 0 {
					t.Errorf("%s: outcomes %v", file, counts)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			h.stop()
		}

		// It is in doubt once: what is approved from now on runs as ever.
		h.open(dir+"/approved.db", large)
		h.say(1)
		c := h.proposed(fmt.Sprintf("%s %d", testGroup, n+3))
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		if more := h.chat.Calls(recalltest.Recall) - calls; more != 1 {
			t.Errorf("%d calls for a new request", more)
		}
	})
}

// TestRestoredApproved goes on from a copy in which a request is approved that was run after the
// copy was made, but does not begin: too much time has passed, or somebody stops it. It is told as
// what became of it.
func TestRestoredApproved(t *testing.T) {
	for _, how := range []string{"too late", "stopped"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				h.say(3)
				c := h.proposed(testGroup + " 1-3")
				h.pass(30 * time.Second) // the lease runs out by itself
				other, err := h.ledger.Acquire(t.Context(), fmt.Sprint("app/", h.chat.SDKAppID()), "somebody",
					time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				h.press("UTHEO", intake.ActApprove, c)
				copied := t.TempDir() + "/copy.db"
				if err := h.ledger.Backup(t.Context(), copied); err != nil {
					t.Fatal(err)
				}
				if err := h.ledger.Release(t.Context(), other); err != nil {
					t.Fatal(err)
				}
				h.within(time.Minute, c.ID, bot.Done)
				h.stop()
				calls := h.recallCalls()
				if how == "too late" {
					time.Sleep(3 * time.Hour)
					h.open(copied, nil)
				} else {
					l, err := ledger.Open(t.Context(), "sqlite:"+copied, ledger.Options{})
					if err != nil {
						t.Fatal(err)
					}
					paused := func(tx bot.Tx) error { // nothing can be begun
						return tx.Pause(recall.SDKAppID(h.chat.SDKAppID()), &bot.Pause{Code: 70009, Since: tx.Now(),
							Next: tx.Now().Add(50 * time.Second)})
					}
					if err := errors.Join(l.Tx(t.Context(), paused), l.Close()); err != nil {
						t.Fatal(err)
					}
					h.open(copied, nil)
					h.pass(time.Second)
					// else the doubt may be read, and it ends, before its state is looked at
					h.chat.Change(func(o *recalltest.Options) { o.Latency = 50 * time.Millisecond })
					if a := h.press("UTHEO", intake.ActStop, c); a.Kind != intake.Changed ||
						h.state(c.ID) != bot.Stopping {
						t.Errorf("stop: %+v", a)
					}
				}
				h.within(time.Minute, c.ID, bot.Stopped)
				err = h.ledger.View(t.Context(), func(tx bot.Tx) error {
					counts, err := tx.Progress(c.ID)
					if len(counts) != 1 || counts[bot.ClassRecalled] != 3 {
						t.Errorf("outcomes %v", counts)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if more := h.recallCalls() - calls; more > 0 {
					t.Errorf("%d calls", more)
				}
			})
		})
	}
}

// wholeCopy checks that a copy can be read beside, and that its audit chain holds.
func wholeCopy(t *testing.T, file string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), "sqlite:"+file, ledger.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var v bot.Verifier
	err = l.View(t.Context(), func(tx bot.Tx) error {
		entries, err := tx.Entries(1, 1_000_000)
		for _, e := range entries {
			if err := v.Next(e); err != nil {
				return err
			}
		}
		return err
	})
	if err == nil {
		err = v.End()
	}
	if err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// TestRestoredProposed goes on from a copy in which a request waits for its approval that was
// approved and run after the copy was made. Approved again it is read before anything is sent.
func TestRestoredProposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.say(3)
		c := h.proposed(testGroup + " 1-3")
		copied := t.TempDir() + "/copy.db"
		if err := h.ledger.Backup(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		h.stop()
		calls := h.recallCalls()
		h.open(copied, nil)
		h.press("UTHEO", intake.ActApprove, c)
		h.within(time.Minute, c.ID, bot.Done)
		holds(t, h.screen.thread(c.ID), "3: already recalled")
		if more := h.recallCalls() - calls; more > 0 {
			t.Errorf("%d calls for what was recalled already", more)
		}
	})
}
