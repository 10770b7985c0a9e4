package ledger

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/bot/ledgertest"
	"recallbot/recall"
)

// TestPlans: the newest requests of a person, of a group, and those in a state are found in an
// index of their own, however many there are.
func TestPlans(t *testing.T) {
	topic := recall.TopicID("")
	for name, test := range map[string]struct {
		q    bot.Query
		want string
	}{
		"person": {bot.Query{App: 1, Person: "Mina"}, "request_of_person (requester=? AND app=?)"},
		"group":  {bot.Query{App: 1, Group: "@TGS#1"}, "request_of_group (chat_group=? AND app=?)"},
		"state": {bot.Query{App: 1, States: []bot.State{bot.Proposed, bot.Running}},
			"request_state (state=?)"},
		"group and state": {bot.Query{App: 1, Group: "@TGS#1", Topic: &topic,
			States: []bot.State{bot.Proposed, bot.Running}},
			"request_holds (chat_group=? AND app=? AND topic=? AND state=?)"},
		"seqs": {bot.Query{App: 1, Group: "@TGS#1", Topic: &topic,
			States: []bot.State{bot.Proposed, bot.Running}, Seqs: command.MakeRanges(1, 2)},
			"request_holds (chat_group=? AND app=? AND topic=? AND state=? AND high>?)"},
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
			delete(l.looked.kept, "SELECT "+schemaVersion)
			if len(l.looked.kept) != 1 {
				t.Fatalf("%d queries were run, want one", len(l.looked.kept))
			}
			for query := range l.looked.kept {
				var plan []string
				args := 0
				for strings.Contains(query, fmt.Sprint("$", args+1)) {
					args++
				}
				rows, err := l.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, args)...)
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
				got := strings.Join(plan, "\n")
				swept := test.q.Group == "" || strings.Contains(got, "part_holds (chat_group=? AND app=?")
				if !strings.Contains(got, test.want) || !swept {
					t.Errorf("want %q in the plan, and sweeps by their groups:\n%s", test.want, got)
				}
			}
		})
	}
}

// TestPlanInOrder: the next messages that nothing has been done about, the next batches, and the
// next posts, are found in their order, without a look at the others, on both databases.
func TestPlanInOrder(t *testing.T) {
	messages := strings.NewReplacer("$1", "'R'", "$2", "640").Replace(unbatched)
	posts := strings.NewReplacer("$1", "'slack'", "$2", "50").Replace(firstPosts)
	who := strings.NewReplacer("$1", "1").Replace(askers)
	groups := strings.NewReplacer("$1", "1", "$2", "50").Replace(groupsTouched)
	batches := strings.NewReplacer("$1", "'R'", "$2", "'pending'", "$3", "84").Replace(firstBatches)
	postgres := ledgertest.Postgres(t)
	for _, test := range []struct{ name, url, query, want, unwanted string }{
		{"who asked on SQLite", "sqlite::memory:", "EXPLAIN QUERY PLAN " + who, "request_open (app=?)", "TEMP B-TREE"},
		{"who asked on PostgreSQL", postgres, "EXPLAIN " + who, "request_open", "Seq Scan"},
		{"groups on SQLite", "sqlite::memory:", "EXPLAIN QUERY PLAN " + groups, "touched_asked (app=?)", "TEMP B-TREE"},
		{"groups on PostgreSQL", postgres, "EXPLAIN " + groups, "touched_asked", "Seq Scan"},
		{"batches on SQLite", "sqlite::memory:", "EXPLAIN QUERY PLAN " + batches, "batch_state (state=? AND request=?)",
			"TEMP B-TREE"},
		{"batches on PostgreSQL", postgres, "EXPLAIN " + batches, "Index Scan using batch_state", "Sort"},
		{"messages on SQLite", "sqlite::memory:", "EXPLAIN QUERY PLAN " + messages,
			"message_work (request=? AND batch=?)", "sqlite_autoindex_message"},
		{"messages on PostgreSQL", postgres, "EXPLAIN " + messages, "Index Scan using message_work", "Sort"},
		{"posts on SQLite", "sqlite::memory:", "EXPLAIN QUERY PLAN " + posts, "post_pending (platform=?)",
			"TEMP B-TREE"},
		{"posts on PostgreSQL", postgres, "EXPLAIN " + posts, "Index Scan using post_pending", "Sort"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := Open(t.Context(), test.url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			rows, err := l.read.QueryContext(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			columns, err := rows.Columns()
			if err != nil {
				t.Fatal(err)
			}
			plan := ""
			for rows.Next() {
				step := make([]any, len(columns))
				for i := range step {
					step[i] = new(any)
				}
				if err := rows.Scan(step...); err != nil {
					t.Fatal(err)
				}
				plan += fmt.Sprintln(*step[len(step)-1].(*any))
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan, test.want) || strings.Contains(plan, test.unwanted) {
				t.Errorf("want %q and no %q in the plan:\n%s", test.want, test.unwanted, plan)
			}
		})
	}
}

// TestPlanForeignKey: nothing but its key serves to find a batch by its number, so that PostgreSQL
// uses it also where it planned, for each message that is put into a batch, when there were few:
// what it had planned then went through all batches of a flood, for 50 ms at 20,000 messages.
func TestPlanForeignKey(t *testing.T) {
	l, err := Open(t.Context(), ledgertest.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rows,
		err := l.read.QueryContext(t.Context(), `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'batch'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			t.Fatal(err)
		}
		if found++; name != "batch_pkey" && strings.Contains(definition, "(request") {
			t.Errorf("%s would do as well: %s", name, definition)
		}
	}
	if err := rows.Err(); err != nil || found < 2 {
		t.Errorf("%d indexes, %v", found, err)
	}
}

// TestWholeTables: PostgreSQL does not read whole tables, on any connection, whatever size they had
// when it first saw them; and where there is no other way it does not compile the query first. It
// did, at each start and in transactions that others wait for: where processes were killed every
// two seconds nothing was ever done.
func TestWholeTables(t *testing.T) {
	l, err := Open(t.Context(), ledgertest.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, db := range map[string]*sql.DB{"write": l.write, "read": l.read} {
		for setting, want := range map[string]string{"enable_seqscan": "off", "jit": "off"} {
			var got string
			if err := db.QueryRowContext(t.Context(), "SHOW "+setting).Scan(&got); err != nil || got != want {
				t.Errorf("the connections that %s have %s %q (%v), want %s", name, setting, got, err, want)
			}
		}
	}
}

// TestPlanUpdates: PostgreSQL finds each message of a list by its key, also where it does not know
// yet how many have an outcome: it would go through all of those for each message of the list, for
// seconds, in a transaction that everybody waits for.
func TestPlanUpdates(t *testing.T) {
	l, err := Open(t.Context(), ledgertest.Postgres(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const (
		list    = `'{"1":0,"2":0}'`
		fresh   = `INSERT INTO message (request, seq, seal, class, confirmed) SELECT 'R', seq, '{}', '', '' FROM generate_series(1, 1500) seq`
		settled = `INSERT INTO message (request, seq, seal, class, confirmed, outcome) SELECT 'S', seq, '{}', 'recalled', 'by answer', '{}' FROM generate_series(1, 1500) seq`
	)
	for _, test := range []struct{ name, query, before, after string }{
		{"outcomes", strings.NewReplacer("$1", "'R'", "$2", list).Replace(putOutcomes), settled, fresh},
		{"confirmations", strings.NewReplacer("$1", "'S'", "$2", list, "$3", "'by callback'", "$4", "'recalled'", "$5",
			"'by answer'").Replace(confirm), fresh, settled},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := l.write.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Rollback()
			for _, prepare := range []string{
				// as the other, but for its foreign keys
				`CREATE TEMPORARY TABLE message (LIKE message INCLUDING ALL) ON COMMIT DROP`,
				test.before, `ANALYZE message`, test.after,
			} {
				if _, err := s.ExecContext(t.Context(), prepare); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := s.QueryContext(t.Context(), "EXPLAIN "+test.query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			plan := ""
			for rows.Next() {
				var step string
				if err := rows.Scan(&step); err != nil {
					t.Fatal(err)
				}
				plan += step + "\n"
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan, "message_pkey") || strings.Contains(plan, "class_confirmed") {
				t.Errorf("want the key alone in the plan:\n%s", plan)
			}
		})
	}
}
