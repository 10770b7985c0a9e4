package ledgertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/recall"
)

// messagesOf reads all messages of a request.
func messagesOf(t *testing.T, l bot.Ledger, id bot.RequestID) []bot.Message {
	t.Helper()
	return look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Messages(id, 0, 1_000_000) })
}

// messages are the promises about sealed messages: what is kept, what counts as unsettled, and that
// an outcome is stored once.
var messages = []promise{
	{"a message comes back as it was sealed", func(t *testing.T, l bot.Ledger) {
		all := []bot.Message{
			{Seq: 1, Status: bot.SealNormal, Sender: "a\x00\u202e", Sent: day, HMAC: []byte{0, 255}, Callback: true,
				Admin: true, Read: day.Add(time.Millisecond), Evidence: "a\x00\"\\ \u202e\u2028 🙂"},
			{Seq: 2, Status: bot.SealUnread},
			{Seq: 3, Status: bot.SealAbsent, Outcome: bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyDidNotExist,
				At: day}},
			{Seq: 4_294_967_295, Status: bot.SealRecalled, Outcome: bot.Outcome{Class: bot.ClassAlready, At: day,
				Confirmed: bot.ByHistory}},
		}
		r := prepare(t, l, "R-1", 0)
		do(t, l, func(tx bot.Tx) error { return tx.AddMessages("R-1", all) })
		seal(t, l, r)
		same(t, messagesOf(t, l, "R-1"), all)
	}},
	{"they may come in parts, in any order, and nobody sees them before they are sealed",
		func(t *testing.T, l bot.Ledger) {
			r := prepare(t, l, "R-1", 3)
			for _, part := range [][]bot.Message{sealed(7)[5:], nil, sealed(7)[3:5]} {
				do(t, l, func(tx bot.Tx) error { return tx.AddMessages("R-1", part) })
			}
			bare := func() []bot.Message {
				return look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Sealed("R-1", 0, 100) })
			}
			same(t, messagesOf(t, l, "R-1"), []bot.Message{})
			same(t, bare(), []bot.Message{})
			seal(t, l, r)
			same(t, messagesOf(t, l, "R-1"), sealed(7))
			same(t, len(bare()), 7)
		}},
	{"the runs that are recalled for certain are known by their group", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 100)
		grant(t, l, "R-2", 100)
		all := map[bot.MessageID]bot.Outcome{}
		for seq := bot.MessageID(1); seq <= 100; seq++ {
			switch {
			case seq == 30:
				all[seq] = bot.Outcome{Class: bot.ClassNotFound, At: day}
			case seq <= 60:
				all[seq] = bot.Outcome{Class: bot.ClassRecalled, At: day, Confirmed: bot.ByHistory}
			case seq <= 65:
				all[seq] = bot.Outcome{Class: bot.ClassAlready, At: day, Confirmed: bot.ByHistory}
			case seq > 70:
				all[seq] = bot.Outcome{Class: bot.ClassRecalled, At: day, Confirmed: bot.ByAnswer}
			}
		}
		do(t, l, func(tx bot.Tx) error {
			r, err := tx.Request("R-1")
			if err != nil {
				return err
			}
			if _, err = tx.PutOutcomes("R-1", all); err != nil {
				return err
			}
			_, err = tx.PutOutcomes("R-2", map[bot.MessageID]bot.Outcome{66: all[1], 40: all[1]}) // told twice
			if err != nil {
				return err
			}
			for _, id := range []bot.RequestID{"R-1", "R-2"} {
				if r, err = tx.Request(id); err != nil {
					return err
				}
				r.State = bot.Running
				if err := tx.PutRequest(r); err != nil {
					return err
				}
			}
			return nil
		})
		r := look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") })
		runs := func(group recall.GroupID, hi recall.Seq, least int) string {
			t.Helper()
			return look(t, l, func(tx bot.Tx) (string, error) {
				runs, err := tx.RecalledRuns(r.App, group, r.Scope.Topic, hi, least)
				return runs.String(), err
			})
		}
		same(t, runs(r.Scope.Group, 4_294_967_295, 20), "1-29,31-66")
		same(t, runs(r.Scope.Group, 4_294_967_295, 30), "31-66")
		same(t, runs(r.Scope.Group, 45, 10), "1-29,31-45")
		same(t, runs("other", 4_294_967_295, 1), "")
	}},
	{"they can be read without what they say", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 7)
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{5: recalled})
			return err
		})
		want := sealed(7)
		want[4].Outcome = recalled
		for i := range want {
			want[i].Evidence = ""
		}
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Sealed("R-1", 3, 4) }), want[2:6])
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Sealed("R-1", 6, 100) }), want[5:])
	}},
	{"what was not sealed can be dropped in parts, of this request and no other", func(t *testing.T, l bot.Ledger) {
		r := prepare(t, l, "R-1", 25)
		other := prepare(t, l, "R-2", 3)
		for _, want := range []int{10, 10, 5, 0} {
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.DropMessages("R-1", 10)
				same(t, n, want)
				return err
			})
		}
		do(t, l, func(tx bot.Tx) error { return tx.AddMessages("R-1", sealed(2)) })
		seal(t, l, r)
		seal(t, l, other)
		same(t, messagesOf(t, l, "R-1"), sealed(2))
		same(t, messagesOf(t, l, "R-2"), sealed(3))
	}},
	{"what was sealed is neither added to nor dropped", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 3)
		grant(t, l, "R-2", 3)
		for _, id := range []bot.RequestID{"R-1", "R-2"} {
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddMessages(id, sealed(4)[3:]) })
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { _, err := tx.DropMessages(id, 1); return err })
			same(t, messagesOf(t, l, id), sealed(3))
		}
	}},
	{"one seq is one message", func(t *testing.T, l bot.Ledger) {
		r := prepare(t, l, "R-1", 2)
		fails(t, l, bot.ErrRule,
			func(tx bot.Tx) error { return tx.AddMessages("R-1", append(sealed(4)[2:], sealed(4)[3])) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddMessages("R-1", sealed(1)) })
		seal(t, l, r)
		same(t, messagesOf(t, l, "R-1"), sealed(2))
	}},
	{"a seq is at least 1", func(t *testing.T, l bot.Ledger) {
		prepare(t, l, "R-1", 2)
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
			return tx.AddMessages("R-1", []bot.Message{{Seq: 0, Status: bot.SealNormal}})
		})
	}},
	{"messages belong to a request", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddMessages("R-1", sealed(1)) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { _, err := tx.DropMessages("R-1", 1); return err })
	}},
	{"the rest is what is in no batch and has no outcome", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 25)
		grant(t, l, "R-2", 1)
		rest := func(limit int) []recall.Seq {
			var seqs []recall.Seq
			for _, m := range look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Unbatched("R-1", limit) }) {
				want := sealed(25)[m.Seq-1]
				want.Evidence = ""
				same(t, m, want)
				seqs = append(seqs, m.Seq)
			}
			return seqs
		}
		same(t, rest(3), []recall.Seq{1, 2, 3})
		same(t, len(rest(100)), 25)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(20)) })
		same(t, rest(100), []recall.Seq{21, 22, 23, 24, 25})
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{2: recalled, 22: recalled})
			return err
		})
		same(t, rest(100), []recall.Seq{21, 23, 24, 25})
		// One that is tried again by itself is in the newest batch, and is not new.
		do(t, l, func(tx bot.Tx) error {
			return tx.AddBatches("R-1", []bot.Batch{{State: bot.BatchPending, Seqs: []recall.Seq{7}, Single: true}})
		})
		same(t, rest(100), []recall.Seq{21, 23, 24, 25})
	}},
	{"unsettled is what has no outcome", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 6)
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(4)) })
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{2: recalled, 5: recalled})
			return err
		})
		open := func(from bot.MessageID, limit int) []bot.MessageID {
			return look(t, l, func(tx bot.Tx) ([]bot.MessageID, error) { return tx.Unsettled("R-1", from, limit) })
		}
		same(t, open(0, 100), []bot.MessageID{1, 3, 4, 6})
		same(t, open(3, 2), []bot.MessageID{3, 4})
		same(t, open(5, 100), []bot.MessageID{6})
	}},
	{"they are paged by seq", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 25)
		propose(t, l, "R-2", 3)
		var all []bot.Message
		for from := bot.MessageID(0); ; {
			page := look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Messages("R-1", from, 10) })
			if len(page) == 0 {
				break
			}
			if len(page) > 10 {
				t.Fatalf("a page of %d", len(page))
			}
			all = append(all, page...)
			from = page[len(page)-1].ID() + 1
		}
		same(t, all, sealed(25))
	}},
	// more than go in one statement; a plan that walks all for each would take minutes
	{"thousands go as ten do", func(t *testing.T, l bot.Ledger) {
		const n = 6_000
		begun := time.Now()
		lap := func(what string) {
			t.Logf("%-20s %v", what, time.Since(begun).Round(time.Millisecond))
			begun = time.Now()
		}
		grant(t, l, "R-1", n)
		lap("seal and grant")
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", inBatches(n)) })
		lap("batches")
		outcomes := map[bot.MessageID]bot.Outcome{}
		for i := range n {
			outcomes[bot.MessageID(i+1)] = recalled
		}
		do(t, l, func(tx bot.Tx) error {
			written, err := tx.PutOutcomes("R-1", outcomes)
			same(t, written, n)
			return err
		})
		lap("outcomes at once")
		counts := look(t, l, func(tx bot.Tx) (map[bot.Class]int, error) { return tx.Progress("R-1") })
		lap("progress")
		same(t, counts, map[bot.Class]int{bot.ClassRecalled: n})
		same(t, len(messagesOf(t, l, "R-1")), n)
		lap("read")
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", n, bot.BatchPending) })),
			n/10)
		lap("read batches")
	}},
}

var outcomes = []promise{
	{"an outcome comes back as it was stored", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 7)
		want := sealed(7)
		outcomes := map[bot.MessageID]bot.Outcome{}
		for i, class := range bot.Classes() {
			o := bot.Outcome{Class: class, Code: 10030, Why: bot.WhyGone, Info: "no\x00\u202e", At: day,
				Confirmed: bot.ByHistory}
			want[i].Outcome, outcomes[bot.MessageID(i+1)] = o, o
		}
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.PutOutcomes("R-1", outcomes)
			same(t, n, 6)
			return err
		})
		same(t, messagesOf(t, l, "R-1"), want)
	}},
	{"an outcome never changes", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 3)
		other := bot.Outcome{Class: bot.ClassUnknown, Why: bot.WhyNoAnswer, At: day}
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled, 2: other})
			return err
		})
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: other, 2: recalled, 3: recalled})
			same(t, n, 1)
			return err
		})
		want := sealed(3)
		want[0].Outcome, want[1].Outcome, want[2].Outcome = recalled, other, recalled
		same(t, messagesOf(t, l, "R-1"), want)
	}},
	{"only messages of the request get one", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 1)
		grant(t, l, "R-2", 2)
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled, 2: recalled})
			same(t, n, 1)
			return err
		})
		same(t, messagesOf(t, l, "R-2"), sealed(2))
	}},
	{"no outcome is not stored as one", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 1)
		for _, o := range []bot.Outcome{{}, {Class: "lost"}} {
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
				_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: o})
				return err
			})
		}
	}},
	{"progress counts by class", func(t *testing.T, l bot.Ledger) {
		same(t, look(t, l, func(tx bot.Tx) (map[bot.Class]int, error) { return tx.Progress("R-1") }),
			map[bot.Class]int{})
		grant(t, l, "R-1", 5)
		grant(t, l, "R-2", 1)
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled, 2: recalled,
				3: {Class: bot.ClassNotSent}})
			return err
		})
		same(t, look(t, l, func(tx bot.Tx) (map[bot.Class]int, error) { return tx.Progress("R-1") }),
			map[bot.Class]int{"": 2, bot.ClassRecalled: 2, bot.ClassNotSent: 1})
	}},
	{"the last outcome's time is the ledger's, and only what was written counts", func(t *testing.T, l bot.Ledger) {
		last := func() time.Time {
			return look(t, l, func(tx bot.Tx) (time.Time, error) { return tx.LastOutcome("R-1") })
		}
		grant(t, l, "R-1", 2)
		if at := last(); !at.IsZero() {
			t.Fatalf("last outcome at %v", at)
		}
		var now time.Time
		put := func() {
			do(t, l, func(tx bot.Tx) error {
				now = tx.Now()
				_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled})
				return err
			})
		}
		put()
		stored := now
		same(t, last(), stored)
		put()
		same(t, last(), stored)
	}},
	{"a confirmation raises what rests on the answer alone", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 5)
		byHistory, refused := recalled, recalled
		byHistory.Confirmed, refused.Class = bot.ByHistory, bot.ClassRefused
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled, 2: byHistory, 3: refused,
				4: recalled})
			return err
		})
		for i, want := range []int{1, 0} {
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.Confirm("R-1", []bot.MessageID{1, 1, 2, 3, 5, 77}, bot.ByCallback)
				if n != want {
					t.Errorf("call %d raised %d, want %d", i+1, n, want)
				}
				return err
			})
		}
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.Confirm("R-1", []bot.MessageID{4}, bot.ByAnswer)
			same(t, n, 0)
			return err
		})
		want := sealed(5)
		want[0].Outcome, want[1].Outcome, want[2].Outcome, want[3].Outcome = recalled, byHistory, refused, recalled
		want[0].Outcome.Confirmed = bot.ByCallback
		same(t, messagesOf(t, l, "R-1"), want)
	}},
	{"twenty at once: each message gets one outcome", func(t *testing.T, l bot.Ledger) {
		grant(t, l, "R-1", 10)
		written := make([]int, 20)
		for _, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) (err error) {
				outcomes := map[bot.MessageID]bot.Outcome{}
				for seq := range bot.MessageID(10) {
					outcomes[seq+1] = bot.Outcome{Class: bot.ClassRefused, Info: fmt.Sprint(i)}
				}
				written[i], err = tx.PutOutcomes("R-1", outcomes)
				return err
			})
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		sum := 0
		for _, n := range written {
			sum += n
		}
		same(t, sum, 10)
	}},
}

var evidence = []promise{
	{"the key is kept until it is forgotten", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.EvidenceKey("R-1"); return err })
		for _, key := range [][]byte{{0, 1, 255}, {2}} {
			do(t, l, func(tx bot.Tx) error { return tx.PutEvidenceKey("R-1", key) })
			same(t, look(t, l, func(tx bot.Tx) ([]byte, error) { return tx.EvidenceKey("R-1") }), key)
		}
	}},
	{"forgetting takes the text and the key, of this request, and nothing else", func(t *testing.T, l bot.Ledger) {
		for _, id := range []bot.RequestID{"R-1", "R-2"} {
			grant(t, l, id, 3)
			do(t, l, func(tx bot.Tx) error { return tx.PutEvidenceKey(id, []byte("key")) })
		}
		do(t, l, func(tx bot.Tx) error {
			_, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{1: recalled})
			return err
		})
		for _, want := range []int{2, 1, 0} {
			key := look(t, l, func(tx bot.Tx) ([]byte, error) {
				key, err := tx.EvidenceKey("R-1")
				if errors.Is(err, bot.ErrNotFound) {
					err = nil
				}
				return key, err
			})
			if had := key != nil; had != (want > 0) {
				t.Errorf("before the text of %d more is forgotten the key is there: %v", want, had)
			}
			do(t, l, func(tx bot.Tx) error {
				n, err := tx.ForgetEvidence("R-1", 2)
				same(t, n, want)
				return err
			})
		}
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.EvidenceKey("R-1"); return err })
		want := sealed(3)
		for i := range want {
			want[i].Evidence = ""
		}
		want[0].Outcome = recalled
		same(t, messagesOf(t, l, "R-1"), want)
		same(t, messagesOf(t, l, "R-2"), sealed(3))
		same(t, look(t, l, func(tx bot.Tx) ([]byte, error) { return tx.EvidenceKey("R-2") }), []byte("key"))
	}},
	{"kinds are kept beside the key, and forgotten with it", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		kinds := func() *bot.Kinds {
			return look(t, l, func(tx bot.Tx) (*bot.Kinds, error) { return tx.Kinds("R-1") })
		}
		k := bot.Kinds{Messages: 3, Odd: []bot.Kind{{N: 1, First: 1, Text: "hi"}}, Alike: []bot.Kind{{N: 2, First: 2,
			Differs: []bot.Difference{bot.DifferNumbers}, Rare: []bot.SenderCount{{Sender: "a", N: 1}}}}}
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.PutKinds("R-1", k) })
		do(t, l, func(tx bot.Tx) error { return tx.PutEvidenceKey("R-1", []byte("key")) })
		if got := kinds(); got != nil {
			t.Errorf("before they are put there are %+v", got)
		}
		do(t, l, func(tx bot.Tx) error { return tx.PutKinds("R-1", k) })
		same(t, kinds(), &k)
		for range 2 {
			do(t, l, func(tx bot.Tx) error { _, err := tx.ForgetEvidence("R-1", 2); return err })
		}
		if got := kinds(); got != nil {
			t.Errorf("when they are forgotten there are %+v", got)
		}
	}},
	{"a key belongs to a request", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutEvidenceKey("R-1", []byte("key")) })
	}},
}
