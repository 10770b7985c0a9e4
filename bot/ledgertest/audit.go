package ledgertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// audit are the promises about the audit log, and about what else is stored under a key: notes,
// rosters, pauses and the numbers of receipts.
var audit = []promise{
	{"an empty log has no head", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error {
			n, hash, err := tx.Head()
			if n != 0 || hash != "" {
				t.Errorf("head %d %q", n, hash)
			}
			return err
		})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Entry, error) { return tx.Entries(1, 9) }), []bot.Entry{})
	}},
	{"an entry gets its number, time and link, and comes back as it was returned", func(t *testing.T, l bot.Ledger) {
		var stored []bot.Entry
		for i, e := range []bot.Entry{
			{N: 77, Actor: "here:T1:mina", Person: "mina", Event: "E1", What: "asked", Request: "R-1", Process: day,
				Detail: raw(`{"group": "<b>&\u2028", "n":1}`), Prev: "x", Hash: "y"},
			{Actor: "bot", What: "sealed", Request: "R-1", Digest: digest, Process: day.Add(time.Nanosecond)},
			{Actor: "a\x00\xff", What: "x"},
		} {
			do(t, l, func(tx bot.Tx) error {
				got, err := tx.Append(e)
				if err != nil {
					return err
				}
				same(t, got.N, int64(i+1))
				same(t, got.At, tx.Now())
				same(t, bot.Link(got, got.N, got.Prev).Hash, got.Hash)
				same(t, got.What, e.What)
				stored = append(stored, got)
				n, hash, err := tx.Head()
				same(t, n, got.N)
				same(t, hash, got.Hash)
				return err
			})
		}
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Entry, error) { return tx.Entries(1, 9) }), stored)
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Entry, error) { return tx.Entries(2, 1) }), stored[1:2])
	}},
	{"both times of an entry are kept in UTC", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.Append(bot.Entry{Actor: "bot", What: "x", Process: day.In(time.FixedZone("", 8*3600))})
			return err
		})
		e := look(t, l, func(tx bot.Tx) ([]bot.Entry, error) { return tx.Entries(1, 1) })[0]
		same(t, e.Process.Format(time.RFC3339Nano), day.UTC().Format(time.RFC3339Nano))
		same(t, strings.HasSuffix(e.At.Format(time.RFC3339Nano), "Z"), true)
	}},
	{"twenty at once make one chain", func(t *testing.T, l bot.Ledger) {
		for _, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) error {
				for range 3 {
					if _, err := tx.Append(bot.Entry{Actor: fmt.Sprint(i), What: "acted",
						Process: time.Now()}); err != nil {
						return err
					}
				}
				return nil
			})
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		var v bot.Verifier
		for _, e := range look(t, l, func(tx bot.Tx) ([]bot.Entry, error) { return tx.Entries(1, 100) }) {
			if err := v.Next(e); err != nil {
				t.Fatal(err)
			}
		}
		n, _ := v.Head()
		same(t, n, int64(60))
	}},
}

var notes = []promise{
	{"a note is kept under its key", func(t *testing.T, l bot.Ledger) {
		same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), "")
		for _, value := range []string{"one", "two\x00🙂", ""} {
			do(t, l, func(tx bot.Tx) error { return tx.PutSetting("k", value) })
			same(t, look(t, l, func(tx bot.Tx) (string, error) { return tx.Setting("k") }), value)
		}
	}},
	{"the groups of an app are kept until others take their place or they are forgotten",
		func(t *testing.T, l bot.Ledger) {
			list := func(app recall.SDKAppID) bot.GroupList {
				return look(t, l, func(tx bot.Tx) (bot.GroupList, error) { return tx.GroupList(app) })
			}
			same(t, list(1), bot.GroupList{})
			one := bot.GroupList{Total: 2, Whole: true, Groups: []bot.ListedGroup{
				{Group: "@TGS#1", Name: "Größe 群 \u202e\"x", Type: "Public", Members: 3},
				{Group: "live", Type: "AVChatRoom"}}}
			var at time.Time
			for _, total := range []int{9, 2} {
				next := one
				next.Total = total
				do(t, l, func(tx bot.Tx) error {
					at = tx.Now()
					return tx.PutGroupList(1, next)
				})
			}
			do(t, l, func(tx bot.Tx) error { return tx.PutGroupList(2, bot.GroupList{Failed: true}) })
			one.Read = at
			same(t, list(1), one)
			same(t, list(2).Failed, true)
			do(t, l, func(tx bot.Tx) error { return tx.ForgetGroupLists(at) })
			same(t, list(1), one)
			do(t, l, func(tx bot.Tx) error { return tx.ForgetGroupLists(tx.Now().Add(time.Hour)) })
			same(t, list(1), bot.GroupList{})
		}},
	{"a roster is kept under its hash", func(t *testing.T, l bot.Ledger) {
		r := bot.Roster{People: []bot.Person{{Name: "Mina", Accounts: []bot.Account{actor("mina").Account,
			{Platform: there, Workspace: "global", User: "42"}}}}}
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.Roster(r.Hash()); return err })
		for range 2 {
			do(t, l, func(tx bot.Tx) error { return tx.PutRoster(r) })
		}
		got := look(t, l, func(tx bot.Tx) (bot.Roster, error) { return tx.Roster(r.Hash()) })
		same(t, got, r)
		same(t, got.Hash(), r.Hash())
	}},
	{"the empty roster is always there", func(t *testing.T, l bot.Ledger) {
		for _, r := range []bot.Roster{{}, {People: []bot.Person{}}} {
			if got := look(t, l, func(tx bot.Tx) (bot.Roster, error) { return tx.Roster(r.Hash()) }); !got.Empty() {
				t.Errorf("roster %+v", got)
			}
		}
	}},
	{"an app is paused until the pause ends", func(t *testing.T, l bot.Ledger) {
		paused := func() *bot.Pause {
			return look(t, l, func(tx bot.Tx) (*bot.Pause, error) { return tx.Paused(1) })
		}
		if p := paused(); p != nil {
			t.Fatalf("paused: %+v", p)
		}
		for _, p := range []bot.Pause{{Code: 70001, Info: "expired\x00", Since: day, Next: day.Add(time.Minute)},
			{Code: 60018, Since: day}} {
			do(t, l, func(tx bot.Tx) error { return tx.Pause(1, &p) })
			same(t, paused(), &p)
		}
		do(t, l, func(tx bot.Tx) error { return tx.Pause(2, nil) })
		if paused() == nil {
			t.Fatal("another app's pause ended it")
		}
		for range 2 {
			do(t, l, func(tx bot.Tx) error { return tx.Pause(1, nil) })
		}
		if p := paused(); p != nil {
			t.Fatalf("paused: %+v", p)
		}
	}},
	{"receipts are numbered 1, 2, and so on, each once", func(t *testing.T, l bot.Ledger) {
		for want := 1; want <= 3; want++ {
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.NextReceipt()
				same(t, n, want)
				return err
			})
		}
		seen := make([]int, 20)
		for _, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) (err error) {
				seen[i], err = tx.NextReceipt()
				return err
			})
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		numbers := map[int]bool{}
		for _, n := range seen {
			numbers[n] = n >= 4 && n <= 23
		}
		same(t, len(numbers), 20)
		for n, fits := range numbers {
			if !fits {
				t.Errorf("a receipt numbered %d", n)
			}
		}
	}},
}
