package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"recallbot/bot"
)

// transactions are the promises about Tx, View, Subscribe and Now: all or nothing, one after the
// other, and readers that wait for nobody.
var transactions = []promise{
	{"what was written is there afterwards", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "v") })
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "v")
	}},
	{"an error leaves nothing and comes back as it is", func(t *testing.T, l bot.Ledger) {
		no := errors.New("no")
		err := l.Tx(t.Context(), func(tx bot.Tx) error {
			if err := tx.AddRequest(asked("R-1")); err != nil {
				return err
			}
			if _, err := tx.Append(bot.Entry{Actor: "bot", What: "asked"}); err != nil {
				return err
			}
			if _, err := tx.NextReceipt(); err != nil {
				return err
			}
			return no
		})
		if err != no {
			t.Fatalf("got error %v, want the very error of fn", err)
		}
		all := look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(bot.Query{}) })
		head := look(t, l, func(tx bot.Tx) (int64, error) { n, _, err := tx.Head(); return n, err })
		if len(all) != 0 || head != 0 {
			t.Fatalf("%d requests and %d entries are left", len(all), head)
		}
	}},
	{"a panic leaves nothing and the ledger works on", func(t *testing.T, l bot.Ledger) {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = l.Tx(t.Context(), func(tx bot.Tx) error {
				if err := tx.PutSetting("k", "v"); err != nil {
					return err
				}
				panic("a bug")
			})
		}()
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("other", "v") })
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "")
	}},
	{"a fault that fn overlooks is not committed", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(asked("R-1")) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
			if err := tx.PutSetting("k", "v"); err != nil {
				return err
			}
			_ = tx.AddRequest(asked("R-1"))
			return nil
		})
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "")
	}},
	{"what is not there is no fault: the transaction goes on", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error {
			if _, err := tx.Request("R-9"); !errors.Is(err, bot.ErrNotFound) {
				return err
			}
			return tx.PutSetting("k", "v")
		})
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "v")
	}},
	{"a cancelled context writes nothing", func(t *testing.T, l bot.Ledger) {
		ctx, cancel := context.WithCancel(t.Context())
		err := l.Tx(ctx, func(tx bot.Tx) error {
			err := tx.PutSetting("k", "v")
			cancel()
			return err
		})
		if err == nil {
			t.Fatal("the transaction succeeded")
		}
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "")
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "later") })
	}},
	{"twenty at once: no change is lost", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(asked("R-1")) })
		for _, err := range atOnce(20, func(int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) error {
				r, err := tx.Request("R-1")
				if err != nil {
					return err
				}
				r.Needed++
				return tx.PutRequest(r)
			})
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		r := look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") })
		same(t, r.Needed, 20)
	}},
	{"twenty at once: one wins where only one can", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		late := errors.New("decided already")
		won := 0
		for _, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) error {
				r, err := tx.Request("R-1")
				if err != nil {
					return err
				}
				if r.State != bot.Proposed {
					return late
				}
				r.State = []bot.State{bot.Rejected, bot.Expired, bot.Withdrawn}[i%3]
				return tx.PutRequest(r)
			})
		}) {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, late):
				t.Fatal(err)
			}
		}
		same(t, won, 1)
	}},
	{"twenty at once: what was checked still holds at the commit", func(t *testing.T, l bot.Ledger) {
		taken := errors.New("there is an open request")
		for _, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) error {
				open, err := tx.Requests(bot.Query{Group: group, States: []bot.State{bot.Preparing}})
				if err != nil {
					return err
				}
				if len(open) > 0 {
					return taken
				}
				return tx.AddRequest(asked(bot.RequestID("R-" + string(rune('A'+i)))))
			})
		}) {
			if err != nil && !errors.Is(err, taken) {
				t.Fatal(err)
			}
		}
		all := look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(bot.Query{}) })
		same(t, len(all), 1)
	}},
	{"a view sees what is committed and does not wait for a writer", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
		do(t, l, func(tx bot.Tx) error {
			if err := tx.PutSetting("k", "after"); err != nil {
				return err
			}
			same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "before")
			return nil
		})
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "after")
	}},
	{"a view is of one moment", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "before") })
		got := look(t, l, func(tx bot.Tx) ([2]string, error) {
			var got [2]string
			var err error
			if got[0], err = tx.Setting("k"); err != nil {
				return got, err
			}
			do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", "after") })
			got[1], err = tx.Setting("k")
			return got, err
		})
		same(t, got, [2]string{"before", "before"})
	}},
	{"a view cannot write", func(t *testing.T, l bot.Ledger) {
		if err := l.View(t.Context(), func(tx bot.Tx) error { return tx.PutSetting("k", "v") }); err == nil {
			t.Fatal("a view has written")
		}
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "")
	}},
	{"now is in milliseconds and stands still in a transaction", func(t *testing.T, l bot.Ledger) {
		var last time.Time
		for range 5 {
			do(t, l, func(tx bot.Tx) error {
				now := tx.Now()
				if now.IsZero() || now != now.Truncate(time.Millisecond) || now.Before(last) {
					t.Errorf("now is %v after %v", now, last)
				}
				if err := tx.PutSetting("k", "v"); err != nil {
					return err
				}
				if again := tx.Now(); again != now {
					t.Errorf("now was %v and is %v", now, again)
				}
				last = now
				return nil
			})
		}
		if now := look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.Now(), nil }); now.Before(last) {
			t.Errorf("a view's now is %v, before %v", now, last)
		}
	}},
}

var wakes = []promise{
	{"a wake comes after the commit, not before", func(t *testing.T, l bot.Ledger) {
		woken, cancel := l.Subscribe(bot.WakeRunner, bot.WakeTeller)
		defer cancel()
		do(t, l, func(tx bot.Tx) error {
			tx.Wake(bot.WakeTeller)
			if err := tx.PutSetting("k", "v"); err != nil {
				return err
			}
			select {
			case <-woken:
				t.Error("woken before the commit")
			default:
			}
			return nil
		})
		soon(t, woken)
	}},
	{"nothing wakes when nothing is committed, and nobody for another topic", func(t *testing.T, l bot.Ledger) {
		runner, cancel := l.Subscribe(bot.WakeRunner)
		defer cancel()
		teller, cancel := l.Subscribe(bot.WakeTeller)
		defer cancel()
		no := errors.New("no")
		fails(t, l, no, func(tx bot.Tx) error {
			tx.Wake(bot.WakeRunner)
			return no
		})
		do(t, l, func(tx bot.Tx) error {
			tx.Wake(bot.WakeTeller)
			return nil
		})
		soon(t, teller) // a wake of the first transaction would have come before
		select {
		case <-runner:
			t.Error("woken by a transaction that failed, or for another topic")
		default:
		}
	}},
	{"several wakes may be one, and none is lost after it was taken", func(t *testing.T, l bot.Ledger) {
		woken, cancel := l.Subscribe(bot.WakeTimer)
		defer cancel()
		for range 3 {
			for range 3 {
				do(t, l, func(tx bot.Tx) error {
					tx.Wake(bot.WakeTimer, bot.WakeTimer)
					return nil
				})
			}
			soon(t, woken)
		}
	}},
	{"cancel closes the channel", func(t *testing.T, l bot.Ledger) {
		woken, cancel := l.Subscribe(bot.WakeTimer)
		cancel()
		cancel()
		if _, ok := <-woken; ok {
			t.Error("the channel is open")
		}
		do(t, l, func(tx bot.Tx) error {
			tx.Wake(bot.WakeTimer)
			return nil
		})
	}},
}
