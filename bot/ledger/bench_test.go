package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/ledger"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
)

func benchmark(b *testing.B, run func(b *testing.B, l *ledger.Ledger)) {
	b.Run("sqlite", func(b *testing.B) {
		run(b, closing(b, open(b, "sqlite:"+filepath.Join(b.TempDir(), "ledger.db"))))
	})
	b.Run("postgres", func(b *testing.B) { run(b, closing(b, open(b, ledgertest.Postgres(b)))) })
}

func request(n int, state bot.State) bot.Request {
	r := bot.Request{
		ID: bot.RequestID(fmt.Sprintf("R-%06d", n)), App: 1, State: state,
		Scope: command.Scope{Group: recall.GroupID(fmt.Sprint("group ", n%50)), Seqs: command.MakeRanges(1, 2, 3)},
		By:    bot.Actor{Person: bot.PersonID(fmt.Sprint("person ", n%200))}, Policy: bot.DefaultPolicy(),
		Asked: time.UnixMilli(int64(n)),
	}
	if state != bot.Preparing {
		r.Digest = "d"
	}
	return r
}

// ask is what a command costs: the event, the request with its view and timer, the audit entry, the
// answer.
func ask(tx bot.Tx, n int, state bot.State) error {
	r := request(n, state)
	id := bot.EventID(r.ID)
	if _, err := tx.AddEvent(bot.StoredEvent{ID: id, Platform: "slack", Body: []byte(`{}`)}); err != nil {
		return err
	}
	open := []bot.State{bot.Preparing, bot.Proposed, bot.Approved, bot.Running, bot.Stopping}
	if _, err := tx.Requests(bot.Query{App: 1, Group: r.Scope.Group, States: open}); err != nil {
		return err
	}
	if _, err := tx.Requests(bot.Query{Person: r.By.Person, States: open}); err != nil {
		return err
	}
	if err := tx.AddRequest(r); err != nil {
		return err
	}
	if err := tx.AddView(bot.View{Request: r.ID, Place: bot.Place{Platform: "slack", Channel: "C"}, Wanted: 1,
		Shown: 1}); err != nil {
		return err
	}
	if err := tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueDeadline, At: time.UnixMilli(1 << 50)}); err != nil {
		return err
	}
	if _, err := tx.Append(bot.Entry{Actor: "a", What: "asked", Request: r.ID}); err != nil {
		return err
	}
	tx.Wake(bot.WakePreparer)
	return tx.CloseEvent(id, []byte(`{}`))
}

// BenchmarkAsk measures the durable commit that must come before a command is acknowledged.
func BenchmarkAsk(b *testing.B) {
	benchmark(b, func(b *testing.B, l *ledger.Ledger) {
		n := 0
		for b.Loop() {
			n++
			do(b, l, func(tx bot.Tx) error { return ask(tx, n, bot.Rejected) })
		}
	})
}

// BenchmarkDecide measures an approval that grants, with 100,000 requests stored.
func BenchmarkDecide(b *testing.B) {
	benchmark(b, func(b *testing.B, l *ledger.Ledger) {
		const stored = 100_000
		for n := 0; n < stored; n += 1000 {
			do(b, l, func(tx bot.Tx) error {
				for i := range 1000 {
					if err := tx.AddRequest(request(n+i, bot.Done)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		n := stored
		for b.Loop() {
			b.StopTimer()
			n++
			do(b, l, func(tx bot.Tx) error { return ask(tx, n, bot.Proposed) })
			b.StartTimer()
			do(b, l, func(tx bot.Tx) error {
				event := bot.EventID(fmt.Sprint("press ", n))
				if _, err := tx.AddEvent(bot.StoredEvent{ID: event, Platform: "slack",
					Body: []byte(`{}`)}); err != nil {
					return err
				}
				r, err := tx.Request(request(n, "").ID)
				if err != nil {
					return err
				}
				r.State, r.Approvals = bot.Approved,
					[]bot.Approval{{By: bot.Actor{Person: "theo"}, Digest: "d", Event: event}}
				if err := tx.PutRequest(r); err != nil {
					return err
				}
				if err := tx.Grant(r.ID, "d"); err != nil {
					return err
				}
				if err := tx.Want(r.ID); err != nil {
					return err
				}
				if _, err := tx.Append(bot.Entry{Actor: "a", What: "approved", Request: r.ID}); err != nil {
					return err
				}
				tx.Wake(bot.WakeRunner, bot.WakeTeller)
				return tx.CloseEvent(event, []byte(`{}`))
			})
		}
	})
}

// BenchmarkRun measures a tenth of a second of a run at full quota: 20 batches claimed in one
// commit, then their 200 outcomes stored in another. The request has 100,000 messages.
func BenchmarkRun(b *testing.B) {
	benchmark(b, func(b *testing.B, l *ledger.Ledger) {
		const total = 100_000
		lease, err := l.Acquire(b.Context(), "app", "a", time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		requests, left := 0, 0
		var id bot.RequestID
		fill := func() {
			requests++
			left = total
			r := request(requests, bot.Proposed)
			id = r.ID
			messages := make([]bot.Message, total)
			var batches []bot.Batch
			for i := range messages {
				messages[i] = bot.Message{Seq: recall.Seq(i + 1), Status: bot.SealNormal, Sender: "spammer",
					HMAC: make([]byte, 32), Evidence: "win a prize"}
				if i%10 == 0 {
					batches = append(batches, bot.Batch{State: bot.BatchPending})
				}
				last := &batches[len(batches)-1]
				last.Seqs = append(last.Seqs, recall.Seq(i+1))
			}
			do(b, l, func(tx bot.Tx) error {
				sealed := r
				r.State, r.Digest = bot.Preparing, ""
				if err := tx.AddRequest(r); err != nil {
					return err
				}
				if err := tx.AddMessages(id, messages); err != nil {
					return err
				}
				r = sealed
				r.State, r.Approvals = bot.Approved, []bot.Approval{{By: bot.Actor{Person: "theo"}, Digest: "d"}}
				if err := tx.PutRequest(r); err != nil {
					return err
				}
				if err := tx.Grant(id, "d"); err != nil {
					return err
				}
				return tx.AddBatches(id, batches)
			})
		}
		var claim, store time.Duration
		for b.Loop() {
			if left == 0 {
				b.StopTimer()
				fill()
				b.StartTimer()
			}
			left -= 200
			begun := time.Now()
			var batches []bot.Batch
			do(b, l, func(tx bot.Tx) error {
				if err := tx.Fence(lease); err != nil {
					return err
				}
				var err error
				if batches, err = tx.Batches(id, 20, bot.BatchPending); err != nil {
					return err
				}
				for i := range batches {
					batches[i].State, batches[i].Epoch = bot.BatchSending, lease.Epoch
				}
				return tx.PutBatches(id, batches)
			})
			claimed := time.Now()
			do(b, l, func(tx bot.Tx) error {
				if err := tx.Fence(lease); err != nil {
					return err
				}
				outcomes := map[bot.MessageID]bot.Outcome{}
				for i := range batches {
					batches[i].State = bot.BatchDone
					for _, seq := range batches[i].Seqs {
						outcomes[bot.IDOf(0, seq)] = bot.Outcome{Class: bot.ClassRecalled, At: tx.Now(),
							Confirmed: bot.ByAnswer}
					}
				}
				if n, err := tx.PutOutcomes(id, outcomes); err != nil || n != 200 {
					return fmt.Errorf("%d outcomes written: %w", n, err)
				}
				return tx.PutBatches(id, batches)
			})
			claim += claimed.Sub(begun)
			store += time.Since(claimed)
		}
		b.ReportMetric(float64(claim.Microseconds())/float64(b.N), "claim-µs/op")
		b.ReportMetric(float64(store.Microseconds())/float64(b.N), "store-µs/op")
	})
}
