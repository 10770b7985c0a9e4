package ledgertest

import (
	"testing"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// swept returns a request over several groups, whose parts have these seqs.
func swept(id bot.RequestID, parts ...bot.Part) bot.Request {
	r := asked(id)
	r.Scope = command.Scope{Joined: true, Filter: command.Filter{From: "spammer"}}
	r.Parts = parts
	return r
}

func part(group recall.GroupID, topic recall.TopicID, seqs ...recall.Seq) bot.Part {
	return bot.Part{Talk: bot.Talk{Group: group, Topic: topic}, Covers: command.MakeRanges(seqs...)}
}

// inParts returns a message for each seq of the parts.
func inParts(r bot.Request) (all []bot.Message) {
	for i, p := range r.Parts {
		for s := range p.Covers.All() {
			m := sealed(1)[0]
			m.Part, m.Seq = i, s
			all = append(all, m)
		}
	}
	return all
}

// granted stores an approved sweep with its messages.
func granted(t *testing.T, l bot.Ledger, r bot.Request) {
	t.Helper()
	do(t, l, func(tx bot.Tx) error {
		if err := tx.AddRequest(r); err != nil {
			return err
		}
		if err := tx.AddMessages(r.ID, inParts(r)); err != nil {
			return err
		}
		r.State, r.Digest, r.Approvals = bot.Approved, digest, []bot.Approval{approvedBy("theo", digest)}
		if err := tx.PutRequest(r); err != nil {
			return err
		}
		return tx.Grant(r.ID, digest)
	})
}

var sweeps = []promise{
	{"one is found by any of its groups, with the messages that it covers there", func(t *testing.T, l bot.Ledger) {
		topic := recall.TopicID("b@TOPIC#_1")
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(swept("R-1")) })
		do(t, l, func(tx bot.Tx) error {
			return tx.PutRequest(swept("R-1", part("a", "", 1, 2), part("b", "", 3), part("b", topic, 9)))
		})
		alone := asked("R-2")
		about(&alone, "b")
		alone.Asked, alone.Parts[0].Covers = day.Add(1e9), command.MakeRanges(3, 4)
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(alone) })
		none := recall.TopicID("")
		for _, test := range []struct {
			q    bot.Query
			want string
		}{
			{bot.Query{Group: "a"}, "R-1"},
			{bot.Query{Group: "b"}, "R-2 R-1"},
			{bot.Query{Group: "b", Limit: 1}, "R-2"},
			{bot.Query{Group: "b", Topic: &topic}, "R-1"},
			{bot.Query{Group: "b", States: []bot.State{bot.Preparing}}, "R-2 R-1"},
			{bot.Query{Group: "b", Sealed: true}, ""},
			{bot.Query{Group: "c"}, ""},
			{bot.Query{}, "R-2 R-1"},
			{bot.Query{Group: "b", Topic: &none, Seqs: command.MakeRanges(3)}, "R-2 R-1"},
			{bot.Query{Group: "a", Topic: &none, Seqs: command.MakeRanges(3)}, ""},
			{bot.Query{Group: "b", Topic: &topic, Seqs: command.MakeRanges(3)}, ""},
			{bot.Query{Group: "b", Topic: &none, Seqs: command.MakeRanges(9)}, ""},
			{bot.Query{App: alone.App + 1, Group: "a"}, ""},
		} {
			got := ""
			for _, r := range look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(test.q) }) {
				if got != "" {
					got += " "
				}
				got += string(r.ID)
			}
			if got != test.want {
				t.Errorf("%+v: found %q, want %q", test.q, got, test.want)
			}
		}
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Touched, error) { return tx.Touched(alone.App, 10) }),
			[]bot.Touched{{Group: "b"}, {Group: "a"}})
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(swept("R-1", part("c", "", 5))) })
		same(t, look(t, l, func(tx bot.Tx) (int, error) {
			found, err := tx.Requests(bot.Query{Group: "a"})
			return len(found), err
		}), 0)
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }),
			swept("R-1", part("c", "", 5)))
	}},
	{"messages of the same number in two groups are two", func(t *testing.T, l bot.Ledger) {
		const last = 4_294_967_295
		r := swept("R-1", part("a", "", 1, 2, last), part("b", "", 1, 2, 3))
		granted(t, l, r)
		all := inParts(r)
		same(t, messagesOf(t, l, "R-1"), all)
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Message, error) { return tx.Messages("R-1", bot.IDOf(0, last), 2) }),
			all[2:4])
		recalled := bot.Outcome{Class: bot.ClassRecalled, At: day, Confirmed: bot.ByAnswer}
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.PutOutcomes("R-1", map[bot.MessageID]bot.Outcome{bot.IDOf(1, 2): recalled,
				bot.IDOf(0, last): recalled, bot.IDOf(2, 1): recalled})
			same(t, n, 2)
			return err
		})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.MessageID, error) { return tx.Unsettled("R-1", 0, 10) }),
			[]bot.MessageID{bot.IDOf(0, 1), bot.IDOf(0, 2), bot.IDOf(1, 1), bot.IDOf(1, 3)})
		same(t, look(t, l, func(tx bot.Tx) ([]bot.MessageID, error) {
			return tx.Unconfirmed("R-1", bot.IDOf(0, last)+1, 10)
		}), []bot.MessageID{bot.IDOf(1, 2)})
		do(t, l, func(tx bot.Tx) error {
			n, err := tx.Confirm("R-1", []bot.MessageID{bot.IDOf(1, 2), bot.IDOf(0, 2)}, bot.ByHistory)
			same(t, n, 1)
			return err
		})
		do(t, l, func(tx bot.Tx) error {
			r, err := tx.Request("R-1")
			if err != nil {
				return err
			}
			r.State = bot.Running
			return tx.PutRequest(r)
		})
		runs := func(group recall.GroupID, hi recall.Seq) string {
			return look(t, l, func(tx bot.Tx) (string, error) {
				runs, err := tx.RecalledRuns(r.App, group, "", hi, 1)
				return runs.String(), err
			})
		}
		same(t, []string{runs("a", last), runs("b", last), runs("b", 1)}, []string{"", "2", ""})
	}},
	{"its groups never change once it is sealed", func(t *testing.T, l bot.Ledger) {
		r := swept("R-1", part("a", "", 1, 2), part("b", "", 1, 2))
		granted(t, l, r)
		for name, parts := range map[string][]bot.Part{
			"fewer": r.Parts[:1], "more": append(r.Parts[:2:2], part("c", "", 1)),
			"other": {r.Parts[0], part("c", "", 1, 2)}, "order": {r.Parts[1], r.Parts[0]},
			"seqs": {r.Parts[0], part("b", "", 1, 3)},
		} {
			t.Log(name)
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
				now, err := tx.Request("R-1")
				if err != nil {
					return err
				}
				now.Parts = parts
				return tx.PutRequest(now)
			})
		}
	}},
	{"a batch is of one group", func(t *testing.T, l bot.Ledger) {
		r := swept("R-1", part("a", "", 1, 2), part("b", "", 1, 2))
		granted(t, l, r)
		want := []bot.Batch{
			{N: 1, Seqs: []recall.Seq{1, 2}, State: bot.BatchPending},
			{N: 2, Part: 1, Seqs: []recall.Seq{2}, State: bot.BatchPending},
		}
		do(t, l, func(tx bot.Tx) error { return tx.AddBatches("R-1", want) })
		same(t, look(t, l, func(tx bot.Tx) ([]bot.Batch, error) { return tx.Batches("R-1", 10, bot.BatchPending) }),
			want)
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error {
			return tx.AddBatches("R-1", []bot.Batch{{Part: 2, Seqs: []recall.Seq{1}, State: bot.BatchPending}})
		})
	}},
}
