package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// full returns a request with every field set.
func full(id bot.RequestID) bot.Request {
	r := asked(id)
	theo := actor("theo")
	r.State = bot.Done
	r.Scope.Topic = recall.TopicID(string(group) + "@TOPIC#_1")
	r.Reason = "scam \x00 \u202e\" \\ 🙂"
	r.Accounts = append(r.Accounts, bot.Account{Platform: there, Workspace: "global", User: "42"})
	r.Place.Thread = "th"
	r.Policy.Crowds = map[bot.Platform]bot.Crowd{here: {Requesters: []bot.Principal{{User: "U1"}},
		Approvers: []bot.Principal{{Group: "S1"}}, AnyChannel: true}}
	r.Policy.Protected = []recall.UserID{"boss"}
	r.Parts = []bot.Part{{Talk: bot.TalkOf(r.Scope), Send: 2, Covers: command.MakeRanges(1, 2, 3),
		Facts:     bot.GroupFacts{Type: "Public", Name: "Fans\x00", Members: 12, NextSeq: 4_294_967_295, New: true},
		Condemned: &bot.Condemnation{Code: 10033, Info: "\x00"}, StillShown: command.MakeRanges(2)}}
	r.Sealed, r.Deadline, r.Granted, r.Begun, r.StopAt, r.Ended = day.Add(1e9), day.Add(2e9), day.Add(3e9),
		day.Add(4e9), day.Add(5e9), day.Add(6e9)
	r.Digest = digest
	r.Tally = bot.Tally{Total: 3, Send: 2, Absent: 1, Senders: []bot.Sender{{ID: "spammer", N: 2}}, First: day,
		Last: day}
	r.Blind, r.Needed = true, 2
	r.Approvals = []bot.Approval{approvedBy("zoe", digest), approvedBy("ben", digest)}
	r.EndedBy, r.EndReason = theo, "enough"
	r.RefusedFor = bot.Line{bot.Quote("x")}
	r.Waiting = bot.Line{bot.At(day), bot.Quote("mina")}
	r.Receipt, r.AuditHead = 7, "abc"
	return r
}

var requests = []promise{
	{"a request comes back as it was stored", func(t *testing.T, l bot.Ledger) {
		r := full("R-1")
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
		r.State, r.EndReason = bot.Stopped, "other"
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
	}},
	{"its id must be new", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(asked("R-1")) })
		other := asked("R-1")
		other.Reason = "other"
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddRequest(other) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), asked("R-1"))
	}},
	{"one that is not there is not found", func(t *testing.T, l bot.Ledger) {
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.Request("R-1"); return err })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { return tx.PutRequest(asked("R-1")) })
		fails(t, l, bot.ErrNotFound, func(tx bot.Tx) error { _, err := tx.LastOutcome("R-1"); return err })
	}},
	{"who asked what never changes", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(asked("R-1")) })
		for name, change := range map[string]func(r *bot.Request){
			"person": func(r *bot.Request) { r.By = actor("eve") },
			"app":    func(r *bot.Request) { r.App++ },
			"group":  func(r *bot.Request) { r.Scope.Group = "other" },
			"topic":  func(r *bot.Request) { r.Scope.Topic = "other" },
			"time":   func(r *bot.Request) { r.Asked = r.Asked.Add(time.Second) },
		} {
			r := asked("R-1")
			change(&r)
			t.Log(name)
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutRequest(r) })
		}
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), asked("R-1"))
	}},
	{"a digest once set never changes", func(t *testing.T, l bot.Ledger) {
		r := propose(t, l, "R-1", 1)
		for _, d := range []string{"other", ""} {
			changed := r
			changed.Digest, changed.State = d, bot.Withdrawn
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutRequest(changed) })
		}
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
	}},
	{"there is a digest from sealing on, and none before", func(t *testing.T, l bot.Ledger) {
		early := asked("R-1")
		early.Digest = digest
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddRequest(early) })
		for _, s := range bot.States() {
			if s == bot.Preparing || s == bot.Refused || s == bot.Withdrawn {
				continue
			}
			r := asked("R-1")
			r.State = s
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		for i, s := range []bot.State{bot.Refused, bot.Withdrawn} {
			r := asked(bot.RequestID(fmt.Sprint("R-", i)))
			r.State = s
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
	}},
	{"a state that nobody knows is refused", func(t *testing.T, l bot.Ledger) {
		r := asked("R-1")
		r.State, r.Digest = "lost", digest
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.AddRequest(r) })
	}},
	{"they are found by what they are, newest first", func(t *testing.T, l bot.Ledger) {
		topic := recall.TopicID(string(group) + "@TOPIC#_1")
		none := recall.TopicID("")
		add := func(id bot.RequestID, minutes int, change func(r *bot.Request)) {
			r := asked(id)
			r.Asked = day.Add(time.Duration(minutes) * time.Minute)
			change(&r)
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		add("R-A", 3, func(r *bot.Request) {})
		add("R-B", 1, func(r *bot.Request) { about(r, "other") })
		add("R-C", 2, func(r *bot.Request) { r.Scope.Topic = topic })
		add("R-D", 5, func(r *bot.Request) { r.By = actor("eve") })
		add("R-E", 4, func(r *bot.Request) { r.App = 2 })
		add("R-F", 4, func(r *bot.Request) {
			r.State, r.Digest, r.Approvals = bot.Proposed, digest, []bot.Approval{approvedBy("theo", digest),
				approvedBy("ann", digest)}
		})
		add("R-G", 0, func(r *bot.Request) { r.State = bot.Refused })
		for _, test := range []struct {
			q    bot.Query
			want string
		}{
			{bot.Query{}, "[R-D R-F R-E R-A R-C R-B R-G]"},
			{bot.Query{Limit: 3}, "[R-D R-F R-E]"},
			{bot.Query{App: 2}, "[R-E]"},
			{bot.Query{Group: "other"}, "[R-B]"},
			{bot.Query{Group: group, Limit: 2}, "[R-D R-F]"},
			{bot.Query{Topic: &topic}, "[R-C]"},
			{bot.Query{Topic: &none, Group: group}, "[R-D R-F R-E R-A R-G]"},
			{bot.Query{Person: actor("eve").Person}, "[R-D]"},
			{bot.Query{States: []bot.State{bot.Proposed, bot.Refused}}, "[R-F R-G]"},
			{bot.Query{States: []bot.State{bot.Done}}, "[]"},
			{bot.Query{App: 1400000001, Group: group, Topic: &none, Person: actor("mina").Person,
				States: []bot.State{bot.Preparing}, Limit: 1}, "[R-A]"},
		} {
			found := look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(test.q) })
			ids := make([]bot.RequestID, 0)
			for _, r := range found {
				ids = append(ids, r.ID)
				want := look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request(r.ID) })
				same(t, r, want)
			}
			if got := fmt.Sprint(ids); got != test.want {
				t.Errorf("%+v: found %s, want %s", test.q, got, test.want)
			}
		}
	}},
	{"they are found by the seqs that they cover, as they are covered now", func(t *testing.T, l bot.Ledger) {
		add := func(id bot.RequestID, minutes int, seqs command.Ranges, change func(r *bot.Request)) {
			r := asked(id)
			r.Asked, r.Parts[0].Covers = day.Add(time.Duration(minutes)*time.Minute), seqs
			change(&r)
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		nothing := func(*bot.Request) {}
		run := func(from, to recall.Seq) command.Ranges { return command.Ranges{{From: from, To: to}} }
		add("R-A", 1, command.MakeRanges(10, 20, 30), nothing)
		add("R-B", 2, run(12, 18), nothing)
		add("R-C", 3, run(1, 4_294_967_295), func(r *bot.Request) { r.State, r.Digest = bot.Proposed, digest })
		add("R-D", 4, nil, nothing)
		add("R-E", 5, run(15, 25), func(r *bot.Request) { about(r, "other") })
		find := func(want string, q bot.Query) {
			t.Helper()
			ids := make([]bot.RequestID, 0)
			for _, r := range look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(q) }) {
				ids = append(ids, r.ID)
				same(t, r, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request(r.ID) }))
			}
			if got := fmt.Sprint(ids); got != want {
				t.Errorf("%+v: found %s, want %s", q, got, want)
			}
		}
		find("[R-E R-C R-A]", bot.Query{Seqs: run(20, 20)})
		find("[R-E R-C]", bot.Query{Seqs: run(21, 29)})
		find("[R-C R-B]", bot.Query{Seqs: command.MakeRanges(9, 11, 13, 31), Group: group})
		find("[R-C]", bot.Query{Seqs: command.MakeRanges(9, 11, 19, 31), Group: group})
		find("[R-A]", bot.Query{Seqs: run(1, 10), States: []bot.State{bot.Preparing, bot.Done}})
		find("[R-E R-C]", bot.Query{Seqs: run(10, 20), Limit: 2})
		find("[R-C]", bot.Query{Seqs: run(4_294_967_295, 4_294_967_295)})
		find("[]", bot.Query{Seqs: run(9, 9), Group: "other"})
		find("[R-C]", bot.Query{Sealed: true})
		find("[R-E R-D R-C R-B R-A]", bot.Query{})
		do(t, l, func(tx bot.Tx) error { // a filter has found them
			r, err := tx.Request("R-D")
			if err != nil {
				return err
			}
			r.State, r.Digest, r.Parts[0].Covers = bot.Proposed, digest, command.MakeRanges(500, 700)
			return tx.PutRequest(r)
		})
		find("[R-D R-C]", bot.Query{Seqs: run(600, 800)})
		find("[R-C]", bot.Query{Seqs: run(501, 699)})
		find("[R-D R-C]", bot.Query{Sealed: true, Group: group})
	}},
	{"who asked the open ones is told", func(t *testing.T, l bot.Ledger) {
		for i, s := range []bot.State{bot.Preparing, bot.Refused, bot.Proposed, bot.Withdrawn} {
			r := asked(bot.RequestID(fmt.Sprint("R-", i)))
			if r.By = actor([]string{"mina", "eve", "theo", "ann"}[i]); s == bot.Proposed {
				r.Digest = digest
			}
			r.State, r.Accounts = s, []bot.Account{r.By.Account, {Platform: there, User: "\x00"}}
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		other := asked("R-OTHER")
		other.App = 2
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(other) })
		found := look(t, l, func(tx bot.Tx) ([]bot.Asker, error) { return tx.Askers(asked("").App) })
		slices.SortFunc(found, func(a, b bot.Asker) int { return strings.Compare(string(a.Person), string(b.Person)) })
		var want []bot.Asker
		for _, user := range []string{"mina", "theo"} {
			by := actor(user)
			want = append(want, bot.Asker{Person: by.Person,
				Accounts: []bot.Account{by.Account, {Platform: there, User: "\x00"}}})
		}
		same(t, found, want)
	}},
	{"the groups that requests were about are told, with their last names", func(t *testing.T, l bot.Ledger) {
		add := func(id bot.RequestID, app recall.SDKAppID, minutes int, group recall.GroupID, name string) {
			r := asked(id)
			about(&r, group)
			r.App, r.Asked, r.Parts[0].Facts.Name = app, day.Add(time.Duration(minutes)*time.Minute), name
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		touched := func(limit int) []bot.Touched {
			return look(t, l, func(tx bot.Tx) ([]bot.Touched, error) { return tx.Touched(1, limit) })
		}
		add("R-A", 1, 5, "a", "new name\x00\u202e")
		add("R-B", 1, 1, "b", "")
		add("R-C", 1, 3, "a", "old name")
		add("R-D", 1, 7, "a", "")
		add("R-E", 1, 9, "c", "")
		add("R-F", 2, 9, "of another app", "")
		same(t, touched(10), []bot.Touched{{Group: "c"}, {Group: "a", Name: "new name\x00\u202e"}, {Group: "b"}})
		same(t, touched(2), []bot.Touched{{Group: "c"}, {Group: "a", Name: "new name\x00\u202e"}})
		do(t, l, func(tx bot.Tx) error { // it was read
			r, err := tx.Request("R-B")
			if err != nil {
				return err
			}
			r.State, r.Digest, r.Parts[0].Facts.Name = bot.Proposed, digest, "b's name"
			return tx.PutRequest(r)
		})
		same(t, touched(10)[2], bot.Touched{Group: "b", Name: "b's name"})
	}},
	{"all are gone through by their ids", func(t *testing.T, l bot.Ledger) {
		want := map[bot.RequestID]bool{}
		for i, id := range []bot.RequestID{"R-A", "R-9", "R-0Z", "R-Z0", "R-00", "R-Y"} {
			want[id] = true
			r := asked(id)
			r.App, r.Asked = recall.SDKAppID(1+i%2), day.Add(time.Duration(i%3)*time.Minute)
			if i == 2 {
				r.State, r.Digest, r.Approvals = bot.Proposed, digest, []bot.Approval{approvedBy("theo", digest)}
			}
			do(t, l, func(tx bot.Tx) error { return tx.AddRequest(r) })
		}
		for after := bot.RequestID(""); ; {
			page := look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.RequestsAfter(after, 4) })
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				if !want[r.ID] {
					t.Errorf("%s is found twice", r.ID)
				}
				delete(want, r.ID)
				same(t, r, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request(r.ID) }))
			}
			if len(page) > 4 {
				t.Errorf("%d of 4 are found", len(page))
			}
			after = page[len(page)-1].ID
		}
		same(t, len(want), 0)
	}},
	{"a hundred are found where no limit is set", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error {
			for i := range 101 {
				r := asked(bot.RequestID(fmt.Sprintf("R-%03d", i)))
				if err := tx.AddRequest(r); err != nil {
					return err
				}
			}
			return nil
		})
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(bot.Query{}) })), 100)
		same(t, len(look(t, l, func(tx bot.Tx) ([]bot.Request, error) { return tx.Requests(bot.Query{Limit: 200}) })),
			101)
	}},
}

var approvals = []promise{
	{"they come back in the order they were given", func(t *testing.T, l bot.Ledger) {
		r := propose(t, l, "R-1", 1)
		for _, user := range []string{"zoe", "ann", "ben"} {
			r.Approvals = append(r.Approvals, approvedBy(user, digest))
			do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		}
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
	}},
	{"one that is taken back is deleted, and can be given again", func(t *testing.T, l bot.Ledger) {
		r := propose(t, l, "R-1", 1)
		r.Approvals = []bot.Approval{approvedBy("zoe", digest), approvedBy("ann", digest)}
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		r.Approvals = r.Approvals[1:]
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
		r.Approvals = append(r.Approvals, approvedBy("zoe", digest))
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
	}},
	{"the schema refuses one by the requester", func(t *testing.T, l bot.Ledger) {
		refusesApproval(t, l, approvedBy("mina", digest))
	}},
	{"the schema refuses one about another digest", func(t *testing.T, l bot.Ledger) {
		refusesApproval(t, l, approvedBy("ann", "other"))
	}},
	{"the schema refuses one about nothing", func(t *testing.T, l bot.Ledger) {
		refusesApproval(t, l, approvedBy("ann", ""))
	}},
	{"the schema refuses one by nobody", func(t *testing.T, l bot.Ledger) {
		a := approvedBy("ann", digest)
		a.By.Person = ""
		refusesApproval(t, l, a)
	}},
	{"the schema refuses a second one by the same person", func(t *testing.T, l bot.Ledger) {
		again := approvedBy("theo", digest)
		again.By.Account.User, again.Event = "theo's phone", "another press"
		refusesApproval(t, l, again)
	}},
	{"the schema refuses one while the request is prepared", func(t *testing.T, l bot.Ledger) {
		do(t, l, func(tx bot.Tx) error { return tx.AddRequest(asked("R-1")) })
		for _, d := range []string{digest, ""} {
			r := asked("R-1")
			r.Approvals = []bot.Approval{approvedBy("theo", d)}
			fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutRequest(r) })
		}
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), asked("R-1"))
	}},
	{"twenty at once by one person: one is stored", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		stored := 0
		for i, err := range atOnce(20, func(i int) error {
			return l.Tx(t.Context(), func(tx bot.Tx) error {
				r, err := tx.Request("R-1")
				if err != nil {
					return err
				}
				a := approvedBy("theo", digest)
				a.Event = bot.EventID(fmt.Sprint("press ", i))
				r.Approvals = append(r.Approvals, a)
				return tx.PutRequest(r)
			})
		}) {
			if err == nil {
				stored++
			} else {
				fails(t, l, bot.ErrRule, func(bot.Tx) error { return fmt.Errorf("press %d: %w", i, err) })
			}
		}
		same(t, stored, 1)
	}},
	{"the schema refuses a grant without an approval", func(t *testing.T, l bot.Ledger) {
		propose(t, l, "R-1", 1)
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.Grant("R-1", digest) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.Grant("R-2", digest) })
	}},
	{"the schema refuses a grant of another digest, and a second one", func(t *testing.T, l bot.Ledger) {
		r := propose(t, l, "R-1", 1)
		r.Approvals = []bot.Approval{approvedBy("theo", digest)}
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.Grant("R-1", "other") })
		do(t, l, func(tx bot.Tx) error { return tx.Grant("R-1", digest) })
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.Grant("R-1", digest) })
	}},
	{"an approval that a grant hangs on stays", func(t *testing.T, l bot.Ledger) {
		r := grant(t, l, "R-1", 1)
		without := r
		without.Approvals = nil
		fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutRequest(without) })
		r.State = bot.Running
		do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
		same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
	}},
}

// refusesApproval checks that a, added to an approval by theo, is refused and nothing of it is
// stored.
func refusesApproval(t *testing.T, l bot.Ledger, a bot.Approval) {
	t.Helper()
	r := propose(t, l, "R-1", 1)
	r.Approvals = []bot.Approval{approvedBy("theo", digest)}
	do(t, l, func(tx bot.Tx) error { return tx.PutRequest(r) })
	more := r
	more.State, more.Approvals = bot.Approved, append(more.Approvals[:1:1], a)
	fails(t, l, bot.ErrRule, func(tx bot.Tx) error { return tx.PutRequest(more) })
	same(t, look(t, l, func(tx bot.Tx) (bot.Request, error) { return tx.Request("R-1") }), r)
}
