package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
)

// BenchmarkDecide is a press of Approve that grants, from the event to its stored answer, through
// the SQLite ledger on disk with 100,000 requests and as many audit entries stored. p99-ms is to
// stay under 20 ms, where the disk lets it: a commit waits for it. commit-p50-ms is the time of the
// smallest commit on the same disk, to compare with.
func BenchmarkDecide(b *testing.B) {
	const stored, perTx = 100_000, 1000
	l, err := ledger.Open(b.Context(), "sqlite:"+b.TempDir()+"/bot.db", ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{onSlack: {Requesters: []bot.Principal{{User: "UMINA"}},
		Approvers: []bot.Principal{{Group: "LEADS"}}, AnyChannel: true}}
	p, err := bottest.NewEngine(bot.Options{App: 1400000000, Ledger: l, Chat: noChat{}, Policy: policy})
	if err != nil {
		b.Fatal(err)
	}
	tx := func(fn func(tx bot.Tx) error) {
		b.Helper()
		if err := l.Tx(b.Context(), fn); err != nil {
			b.Fatal(err)
		}
	}
	asker := account("mina", onSlack)
	request := func(n int, s bot.State, now time.Time) bot.Request {
		group := recall.GroupID(fmt.Sprint("group ", n%500))
		return bot.Request{
			ID: bot.RequestID(fmt.Sprintf("R-%06d", n)), App: 1400000000, State: s,
			Scope:    command.Scope{Group: group, Seqs: command.MakeRanges(1, 2, 3)},
			Parts:    []bot.Part{{Talk: bot.Talk{Group: group}, Covers: command.MakeRanges(1, 2, 3)}},
			By:       bot.Actor{Person: bot.PersonID(asker.String()), Account: asker, Name: "mina"},
			Accounts: []bot.Account{asker}, Place: place(onSlack),
			Policy: policy, Roster: bot.Roster{}.Hash(), Asked: now, Sealed: now, Deadline: now.Add(time.Hour),
			Digest: fmt.Sprintf("%064d", n), Needed: 1, Tally: bot.Tally{Total: 3, Send: 3},
		}
	}
	start := time.Now()
	for from := 0; from < stored; from += perTx {
		tx(func(tx bot.Tx) error {
			for n := from; n < from+perTx; n++ {
				r := request(n, bot.Done, start.Add(-time.Duration(stored-n)*time.Minute))
				if err := tx.AddRequest(r); err != nil {
					return err
				}
				if _, err := tx.Append(bot.Entry{Actor: asker.String(), What: "asked", Request: r.ID}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	n := stored
	var presses, commits []time.Duration
	for b.Loop() {
		b.StopTimer()
		n++
		r := request(n, bot.Proposed, time.Now())
		tx(func(tx bot.Tx) error {
			before := r
			before.State, before.Digest = bot.Preparing, ""
			if err := tx.AddRequest(before); err != nil {
				return err
			}
			if err := tx.AddMessages(r.ID, []bot.Message{{Seq: 1, Status: bot.SealNormal},
				{Seq: 2, Status: bot.SealNormal}, {Seq: 3, Status: bot.SealNormal}}); err != nil {
				return err
			}
			if err := tx.PutRequest(r); err != nil {
				return err
			}
			if err := tx.AddView(bot.View{Request: r.ID, Place: r.Place, Wanted: 1}); err != nil {
				return err
			}
			return tx.SetDue(bot.Due{Request: r.ID, Kind: bot.DueDeadline, At: r.Deadline})
		})
		began := time.Now()
		tx(func(tx bot.Tx) error { return tx.PutSetting("k", fmt.Sprint(n)) })
		commits = append(commits, time.Since(began))
		b.StartTimer()
		began = time.Now()
		a, err := p.Do(b.Context(), intake.Event{ID: bot.EventID(fmt.Sprint("press ", n)), Place: place(onSlack),
			By: account("theo", onSlack), Act: approving(r)}, member("theo", onSlack))
		presses = append(presses, time.Since(began))
		if err != nil || a.Kind != intake.Changed {
			b.Fatalf("%+v %v", a, err)
		}
	}
	b.ReportMetric(float64(percentile(presses, 0.99).Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(percentile(presses, 0.5).Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(percentile(commits, 0.5).Microseconds())/1000, "commit-p50-ms")
	b.ReportMetric(float64(percentile(commits, 0.99).Microseconds())/1000, "commit-p99-ms")
}

// BenchmarkAuditVerifyLedger checks the chain of 100,000 entries out of the SQLite ledger, as the
// command line does. x-hashing-alone compares it with what the hashes alone take.
func BenchmarkAuditVerifyLedger(b *testing.B) {
	const stored, perTx = 100_000, 5000
	l, err := ledger.Open(b.Context(), "sqlite:"+b.TempDir()+"/bot.db", ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	for from := 0; from < stored; from += perTx {
		err := l.Tx(b.Context(), func(tx bot.Tx) error {
			for n := from; n < from+perTx; n++ {
				_, err := tx.Append(bot.Entry{
					Process: time.Now(), Actor: "slack:T1:UTHEO", Person: "Theo", Event: "Ev0123456789",
					What: "approved", Request: "R-7K3M9Q", Digest: fmt.Sprintf("%064d", n),
					Detail: []byte(`{"have":1,"need":1,"right":"group LEADS","state":"approved"}`),
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var hashing time.Duration
	for b.Loop() {
		var v bot.Verifier
		for from := int64(1); from <= stored; from += 10_000 {
			var page []bot.Entry
			err := l.View(b.Context(), func(tx bot.Tx) (err error) {
				page, err = tx.Entries(from, 10_000)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			for _, e := range page {
				if err := v.Next(e); err != nil {
					b.Fatal(err)
				}
			}
			hashing += time.Since(began)
		}
		if n, _ := v.Head(); n != stored {
			b.Fatalf("%d entries were checked", n)
		}
	}
	b.ReportMetric(float64(b.N)*stored/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(b.Elapsed().Seconds()/hashing.Seconds(), "x-hashing-alone")
}

// noChat is a Chat service that nobody calls.
type noChat struct{}

func (noChat) GroupMsgRecall(context.Context, recall.RecallRequest) (recall.RecallAnswer, error) {
	panic("not called")
}

func (noChat) GroupMsgGetSimple(context.Context, recall.HistoryRequest) (recall.HistoryPage, error) {
	panic("not called")
}

func (noChat) GetGroupInfo(context.Context, recall.GroupID) (recall.GroupInfo, error) {
	panic("not called")
}

func (noChat) GetGroupInfos(context.Context, []recall.GroupID) ([]recall.GroupInfo, error) {
	panic("not called")
}

func (noChat) GetAppIDGroupList(context.Context, uint64) (recall.GroupPage, error) {
	panic("not called")
}

func (noChat) GetJoinedGroupList(context.Context, recall.UserID) ([]recall.GroupID, int, error) {
	panic("not called")
}

func (noChat) PortraitGet(context.Context, []recall.UserID) (map[recall.UserID]string, error) {
	panic("not called")
}
