package ledgertest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"recallbot/bot"
)

func event(id string, p bot.Platform) bot.StoredEvent {
	return bot.StoredEvent{ID: bot.EventID(id), Platform: p, Body: []byte(`{"id": "` + id + `\u0000"}`)}
}

// addEvent stores an event that must be new.
func addEvent(t *testing.T, l bot.Ledger, e bot.StoredEvent) (at time.Time) {
	t.Helper()
	do(t, l, func(tx bot.Tx) error {
		at = tx.Now()
		first, err := tx.AddEvent(e)
		if first != nil {
			return errors.New("the event is there already")
		}
		return err
	})
	return at
}

var events = []promise{
	{"a repeat returns the first and writes nothing", func(t *testing.T, l bot.Ledger) {
		e := event("E1", here)
		at := addEvent(t, l, e)
		do(t, l, func(tx bot.Tx) error {
			first, err := tx.AddEvent(bot.StoredEvent{ID: "E1", Platform: there, Body: []byte(`"other"`)})
			if err != nil {
				return err
			}
			e.At = at
			same(t, first, &e)
			return nil
		})
	}},
	{"a repeat returns the answer, and how to reply is forgotten", func(t *testing.T, l bot.Ledger) {
		at := addEvent(t, l, event("E1", here))
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`{"kind": "whisper"}`)) })
		do(t, l, func(tx bot.Tx) error {
			first, err := tx.AddEvent(event("E1", here))
			same(t, first, &bot.StoredEvent{ID: "E1", Platform: here, At: at,
				Answer: []byte(`{"kind": "whisper"}`)})
			return err
		})
	}},
	{"an event can be stored with its answer", func(t *testing.T, l bot.Ledger) {
		e := event("E1", here)
		e.Answer = []byte(`{}`)
		at := addEvent(t, l, e)
		do(t, l, func(tx bot.Tx) error {
			first, err := tx.AddEvent(e)
			same(t, first, &bot.StoredEvent{ID: "E1", Platform: here, At: at, Answer: []byte(`{}`)})
			return err
		})
	}},
	{"the first answer stays", func(t *testing.T, l bot.Ledger) {
		addEvent(t, l, event("E1", here))
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`1`)) })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`2`)) })
		do(t, l, func(tx bot.Tx) error {
			first, err := tx.AddEvent(event("E1", here))
			same(t, string(first.Answer), "1")
			return err
		})
	}},
	{"an event can be looked up, with its answer, until it is forgotten", func(t *testing.T, l bot.Ledger) {
		e := event("E1", here)
		e.At = addEvent(t, l, e)
		stored := func(tx bot.Tx) (bot.StoredEvent, error) { return tx.Event("E1") }
		same(t, look(t, l, stored), e)
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`{"kind": "page"}`)) })
		same(t, look(t, l, stored), bot.StoredEvent{ID: "E1", Platform: here, At: e.At,
			Answer: []byte(`{"kind": "page"}`)})
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.Event("E2"); return err })
		do(t, l, func(tx bot.Tx) error { _, err := tx.ForgetEvents(tx.Now().Add(time.Hour)); return err })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.Event("E1"); return err })
	}},
	{"an event that is not there cannot be closed", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`1`)) })
	}},
	{"open events are those of the platform without an answer, oldest first", func(t *testing.T, l bot.Ledger) {
		for _, id := range []string{"E3", "E2", "E1"} {
			at := addEvent(t, l, event(id, here))
			// until the next millisecond
			for look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.Now(), nil }).Equal(at) {
			}
		}
		addEvent(t, l, event("D1", there))
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E2", []byte(`1`)) })
		open := look(t, l, func(tx bot.Tx) ([]bot.StoredEvent, error) { return tx.OpenEvents(here) })
		var ids []bot.EventID
		for _, e := range open {
			ids = append(ids, e.ID)
		}
		same(t, ids, []bot.EventID{"E3", "E1"})
		same(t, string(open[0].Body), string(event("E3", here).Body))
	}},
	{"old events are forgotten when they have their answer", func(t *testing.T, l bot.Ledger) {
		for i := range 3 {
			addEvent(t, l, event(fmt.Sprint("E", i), here))
		}
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E1", []byte(`1`)) })
		do(t, l, func(tx bot.Tx) error { return tx.CloseEvent("E2", []byte(`1`)) })
		old := func(after time.Duration) bool {
			return look(t, l, func(tx bot.Tx) (bool, error) { return tx.OldEvents(tx.Now().Add(after)) })
		}
		same(t, old(-time.Hour), false)
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.ForgetEvents(tx.Now().Add(-time.Hour))
			same(t, n, 0)
			return err
		})
		same(t, old(time.Hour), true)
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.ForgetEvents(tx.Now().Add(time.Hour))
			same(t, n, 2)
			return err
		})
		same(t, old(time.Hour), false)
		addEvent(t, l, event("E1", here))
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.StoredEvent, error) { return tx.OpenEvents(here) })), 2)
	}},
	{"twenty deliveries at once act once", func(t *testing.T, l bot.Ledger) {
		var acted atomic.Int32
		for _, err := range atOnce(20, func(int) error {
			acts := false
			err := l.Tx(t.Context(), func(tx bot.Tx) error {
				first, err := tx.AddEvent(event("E1", here))
				acts = first == nil
				return err
			})
			if acts {
				acted.Add(1)
			}
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		same(t, acted.Load(), int32(1))
	}},
}
