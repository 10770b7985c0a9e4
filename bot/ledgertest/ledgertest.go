// Package ledgertest has what a bot.Ledger promises, as tests. Every implementation runs the one
// suite, Test. A promise is a sentence, with the function that checks it on an empty ledger.
package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// here and there are two platforms.
const (
	here  bot.Platform = "here"
	there bot.Platform = "there"
)

// promise is one sentence of what bot.Ledger documents, and its check on an empty ledger.
type promise struct {
	says  string
	check func(t *testing.T, l bot.Ledger)
}

// Test checks all promises. open returns an empty ledger, which Test closes; open removes
// everything else with t.Cleanup.
func Test(t *testing.T, open func(t *testing.T) bot.Ledger) {
	for _, topic := range []struct {
		name     string
		promises []promise
	}{
		{"transactions", transactions},
		{"wakes", wakes},
		{"events", events},
		{"requests", requests},
		{"approvals", approvals},
		{"messages", messages},
		{"outcomes", outcomes},
		{"evidence", evidence},
		{"leases", leases},
		{"batches", batches},
		{"sweeps", sweeps},
		{"views", views},
		{"posts", posts},
		{"timers", timers},
		{"callbacks", callbacks},
		{"audit", audit},
		{"notes", notes},
	} {
		t.Run(topic.name, func(t *testing.T) {
			for _, p := range topic.promises {
				t.Run(p.says, func(t *testing.T) {
					t.Parallel()
					l := open(t)
					defer func() {
						if err := l.Close(); err != nil {
							t.Errorf("close: %v", err)
						}
					}()
					p.check(t, l)
				})
			}
		})
	}
}

// do runs fn in a transaction that must succeed.
func do(t *testing.T, l bot.Ledger, fn func(tx bot.Tx) error) {
	t.Helper()
	if err := l.Tx(t.Context(), fn); err != nil {
		t.Fatalf("transaction: %v", err)
	}
}

// fails runs fn in a transaction that must fail with want.
func fails(t *testing.T, l bot.Ledger, want error, fn func(tx bot.Tx) error) {
	t.Helper()
	if err := l.Tx(t.Context(), fn); !errors.Is(err, want) {
		t.Fatalf("transaction: got error %v, want %v", err, want)
	}
}

// look returns what fn reads in a View.
func look[T any](t *testing.T, l bot.Ledger, fn func(tx bot.Tx) (T, error)) T {
	t.Helper()
	var got T
	err := l.View(t.Context(), func(tx bot.Tx) (err error) {
		got, err = fn(tx)
		return err
	})
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return got
}

// same fails unless what was read equals what was written. A nil and an empty list are equal.
func same(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("differs (-want +got):\n%s", d)
	}
}

// atOnce runs fn n times concurrently and returns the errors.
func atOnce(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	return errs
}

// day is the time at which the requests of these tests are asked.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

const (
	group  = recall.GroupID("@TGS#2J4SZEAEL")
	digest = "6f1c0b3e"
)

// actor is a person without a roster.
func actor(user string) bot.Actor {
	a := bot.Account{Platform: here, Workspace: "T1", User: user}
	return bot.Actor{Person: bot.PersonID(a.String()), Account: a, Name: user}
}

// asked returns a request that was just asked.
func asked(id bot.RequestID) bot.Request {
	mina := actor("mina")
	return bot.Request{
		ID: id, App: 1400000001, State: bot.Preparing,
		Scope: command.Scope{Group: group, Seqs: command.MakeRanges(1, 2, 3)},
		Parts: []bot.Part{{Talk: bot.Talk{Group: group}}},
		By:    mina, Accounts: []bot.Account{mina.Account},
		Place:  bot.Place{Platform: here, Workspace: "T1", Channel: "C1"},
		Policy: bot.DefaultPolicy(), Roster: bot.Roster{}.Hash(), Asked: day,
	}
}

// about makes a request one about another group.
func about(r *bot.Request, group recall.GroupID) { r.Scope.Group, r.Parts[0].Group = group, group }

// approvedBy returns the approval of a user.
func approvedBy(user, digest string) bot.Approval {
	return bot.Approval{By: actor(user), Digest: digest, At: day.Add(time.Minute),
		Event: bot.EventID("press of " + user)}
}

// prepare stores a request that is being prepared, with n messages to be sealed.
func prepare(t *testing.T, l bot.Ledger, id bot.RequestID, n int) bot.Request {
	t.Helper()
	r := asked(id)
	do(t, l, func(tx bot.Tx) error {
		if err := tx.AddRequest(r); err != nil {
			return err
		}
		return tx.AddMessages(id, sealed(n))
	})
	return r
}

// seal makes a request that is being prepared wait for a decision.
func seal(t *testing.T, l bot.Ledger, r bot.Request) bot.Request {
	t.Helper()
	r.State, r.Digest, r.Needed = bot.Proposed, digest, 1
	do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
	return r
}

// propose stores a request that waits for a decision, with n messages.
func propose(t *testing.T, l bot.Ledger, id bot.RequestID, n int) bot.Request {
	t.Helper()
	return seal(t, l, prepare(t, l, id, n))
}

// grant stores an approved request with n messages.
func grant(t *testing.T, l bot.Ledger, id bot.RequestID, n int) bot.Request {
	t.Helper()
	r := propose(t, l, id, n)
	do(t, l, func(tx bot.Tx) error {
		r.State, r.Approvals = bot.Approved, []bot.Approval{approvedBy("theo", digest)}
		if err := tx.PutRequest(r); err != nil {
			return err
		}
		return tx.Grant(id, digest)
	})
	return r
}

// sealed returns n messages with the seqs from 1 on.
func sealed(n int) []bot.Message {
	all := make([]bot.Message, n)
	for i := range all {
		all[i] = bot.Message{
			Seq: recall.Seq(i + 1), Status: bot.SealNormal, Sender: "spammer", Sent: day.Add(-time.Hour),
			Read: day.Add(time.Millisecond),
			HMAC: []byte(fmt.Sprintf("%032d", i)), Evidence: fmt.Sprintf("win a prize %d", i),
		}
	}
	return all
}

// inBatches assigns the n seqs from 1 on to batches of ten.
func inBatches(n int) []bot.Batch {
	var all []bot.Batch
	for from := 1; from <= n; from += 10 {
		b := bot.Batch{State: bot.BatchPending}
		for seq := from; seq < from+10 && seq <= n; seq++ {
			b.Seqs = append(b.Seqs, recall.Seq(seq))
		}
		all = append(all, b)
	}
	return all
}

// recalled returns the outcome of a message that the API reported as recalled.
var recalled = bot.Outcome{Class: bot.ClassRecalled, At: day, Confirmed: bot.ByAnswer}

func raw(v string) json.RawMessage { return json.RawMessage(v) }

// soon waits for a wake, and fails when there is none.
func soon(t *testing.T, wakes <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-wakes:
	case <-ctx.Done():
		t.Fatal("no wake came")
	}
}
