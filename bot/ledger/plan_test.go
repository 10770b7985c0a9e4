package ledger

import (
	"database/sql"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
)

// TestPlans: the newest requests of a person, of a group, and those in a state are found in an index of their own, however many there are.
func TestPlans(t *testing.T) {
	topic := recall.TopicID("")
	for name, test := range map[string]struct {
		q    bot.Query
		want string
	}{
		"person":          {bot.Query{App: 1, Person: "Mina"}, "request_of_person (requester=? AND app=?)"},
		"group":           {bot.Query{App: 1, Group: "@TGS#1"}, "request_of_group (chat_group=? AND app=?)"},
		"state":           {bot.Query{App: 1, States: []bot.State{bot.Proposed, bot.Running}}, "request_state (state=?)"},
		"group and state": {bot.Query{App: 1, Group: "@TGS#1", Topic: &topic, States: []bot.State{bot.Proposed, bot.Running}}, "request_group (chat_group=? AND app=? AND state=?)"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(t.Context(), "sqlite::memory:", Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			err = l.View(t.Context(), func(tx bot.Tx) error { _, err := tx.Requests(test.q); return err })
			if err != nil {
				t.Fatal(err)
			}
			if len(l.looked.kept) != 1 {
				t.Fatalf("%d queries were run, want one", len(l.looked.kept))
			}
			for query := range l.looked.kept {
				var plan []string
				rows, err := l.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, 10)[:strings.Count(query, "$")]...)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				for rows.Next() {
					var id, parent, unused int
					var step string
					if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
						t.Fatal(err)
					}
					plan = append(plan, step)
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(plan, "\n"); !strings.Contains(got, test.want) {
					t.Errorf("want %q in the plan:\n%s", test.want, got)
				}
			}
		})
	}
}

// TestWholeTables: PostgreSQL does not read whole tables, on any connection, whatever size they had when it first saw them.
func TestWholeTables(t *testing.T) {
	l, err := Open(t.Context(), ledgertest.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, db := range map[string]*sql.DB{"write": l.write, "read": l.read} {
		var got string
		if err := db.QueryRowContext(t.Context(), "SHOW enable_seqscan").Scan(&got); err != nil || got != "off" {
			t.Errorf("the connections that %s have enable_seqscan %q (%v), want off", name, got, err)
		}
	}
}
