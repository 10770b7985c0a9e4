package worker_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/recall/recalltest"
)

// TestAuditOfALife plays all that people can do and most of what can happen to a request, and reads
// the audit log: everything is in it, by whom; nothing that others wrote and no secret is; and the
// receipts prove it.
func TestAuditOfALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, with(family), func(o *bot.Options) {
			o.Policy.Approvals, o.Policy.LargeFrom = 1, 3
			o.Policy.StartWithin, o.Policy.ApproveWithin, o.Policy.RemindAfter = 5*time.Minute, 2*time.Minute,
				30*time.Second
			o.Policy.MaxMessages = 30
		})
		p := onSlack
		mina, theo, ines, ola := member("mina", p), member("theo", p), member("ines", p), member("ola", p)
		const content = "call me at 555-0100"
		for range 40 {
			d.chat.Say(testGroup, "", "mallory", content)
		}
		asks := func(text string) bot.Request {
			t.Helper()
			a := d.do(mina, place(p), typed("recall", testGroup+" "+text))
			if a.Kind != intake.Accepted {
				t.Fatalf("%s: %+v", text, a)
			}
			d.pass(5 * time.Second)
			return d.request(bot.RequestID(a.Lines[0][0].Text))
		}
		ended := func(r bot.Request, s bot.State) bot.Request {
			t.Helper()
			if r = d.request(r.ID); r.State != s {
				t.Fatalf("%s is %s, want %s", r.ID, r.State, s)
			}
			return r
		}

		// One that is refused, read, approved by two, and runs into a lost answer.
		done := asks(`1-3 reason:"my neighbour's address"`)
		d.do(mina, place(p), ways[0].act(done))
		d.do(ola, place(p), ways[0].act(done))
		d.do(theo, place(p), typed("recalls", "show "+string(done.ID)))
		d.do(theo, place(p), intake.Act{Kind: intake.ActShowAll, Request: done.ID, Digest: short(done)})
		d.do(ines, place(p), typed("recalls", "find "+testGroup+` text:"555-0100"`))
		d.do(ola, place(p), typed("recalls", "find "+testGroup+` text:"555-0100"`))
		d.decides(theo, place(p), ways[0].act(done))
		d.chat.Inject(recalltest.Recall, 1, recalltest.ResetBefore())
		d.decides(member("ines", onDiscord), place(onDiscord), ways[2].act(done))
		d.pass(time.Minute)
		done = ended(done, bot.Done)

		// Every other end.
		withdrawn := asks("4")
		d.do(mina, place(p), typed("recalls", "withdraw "+string(withdrawn.ID)))
		ended(withdrawn, bot.Withdrawn)
		rejected := asks("4")
		act := ways[4].act(rejected)
		act.Reason = "a secret of mine"
		d.decides(theo, place(p), act)
		ended(rejected, bot.Rejected)
		expired := asks("4")
		d.pass(2 * time.Minute)
		ended(expired, bot.Expired)
		refused := asks("900")
		ended(refused, bot.Refused)
		ended(asks(`text:"555-0199"`), bot.Refused)
		many := asks(`text:"555-0100"`) // more than can be asked for at once: the answer repeats the command
		ended(many, bot.Refused)
		byText := asks(`text:"555-0100" last:2`)
		d.decides(theo, place(p), ways[0].act(byText))
		d.pass(time.Minute)
		byText = ended(byText, bot.Done)
		d.chat.Change(func(o *recalltest.Options) { o.Latency = 3 * time.Second })
		stopped := asks("5 6")
		d.pass(20 * time.Second)
		stopped = d.request(stopped.ID)
		d.decides(theo, place(p), ways[0].act(stopped))
		d.pass(4 * time.Second) // it has been read again, and the call is on its way
		d.decides(ines, place(p), intake.Act{Kind: intake.ActStop, Request: stopped.ID})
		d.pass(time.Minute)
		stopped = ended(stopped, bot.Stopped)
		d.chat.Change(func(o *recalltest.Options) { o.Latency = 0 })
		d.chat.Inject("", -1, recalltest.Answer(70009, "bad signature"))
		paused := d.asks("mina", p, "8")
		d.pass(30 * time.Second)
		d.chat.ClearFaults()
		d.pass(2 * time.Minute)
		paused = d.request(paused.ID)
		d.decides(theo, place(p), ways[0].act(paused))
		d.pass(time.Minute)
		ended(paused, bot.Done)

		log := d.log()
		if err := d.ledger.View(t.Context(), func(tx bot.Tx) error {
			var names bot.ActorNames
			for i := range log {
				if err := names.Name(tx, &log[i]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		of := func(id bot.RequestID) (what []string) {
			for _, e := range log {
				if e.Request == id {
					what = append(what, strings.Split(e.Actor, ":")[len(strings.Split(e.Actor, ":"))-1]+" "+e.What)
				}
			}
			return what
		}
		for _, test := range []struct {
			r    bot.Request
			want string
		}{
			{done,
				"UMINA asked, bot api, bot api, bot sealed, bot api, UMINA refused, UOLA refused, UTHEO read, UTHEO api, UTHEO read, UTHEO approved, 3 approved, bot running, bot api, bot found out, bot api, bot api, bot found out, bot api, bot found out, bot api, bot api, bot found out, bot done, bot receipt"},
			{withdrawn, "UMINA asked, bot api, bot api, bot sealed, bot api, UMINA withdrawn"},
			{rejected, "UMINA asked, bot api, bot api, bot sealed, bot api, UTHEO rejected"},
			{expired, "UMINA asked, bot api, bot api, bot sealed, bot api, bot expired"},
			{refused, "UMINA asked, bot api, bot api, bot refused by the bot"},
			{byText,
				"UMINA asked, bot api, bot api, bot sealed, bot api, UTHEO approved, bot running, bot api, bot found out, bot api, bot api, bot found out, bot done, bot receipt"},
			{stopped,
				"UMINA asked, bot api, bot api, bot sealed, bot api, UTHEO approved, bot running, UINES stopping, bot api, bot found out, bot api, bot api, bot found out, bot stopped, bot receipt"},
			{paused,
				"UMINA asked, bot api, bot api, bot api, bot sealed, bot api, UTHEO approved, bot running, bot api, bot found out, bot api, bot api, bot found out, bot done, bot receipt"},
		} {
			if got := strings.Join(of(test.r.ID), ", "); got != test.want {
				t.Errorf("of the %s request:\ngot  %s\nwant %s", test.r.State, got, test.want)
			}
		}
		count := func(what, how string) (n int) {
			for _, e := range log {
				if e.What == what && strings.Contains(string(e.Detail), how) {
					n++
				}
			}
			return n
		}
		for what, want := range map[[2]string]int{
			{"read", `"how":"find"`}: 1, {"read", `"how":"show"`}: 1, {"read", `"how":"show all"`}: 1,
			{"refused", `"verb":"find"`}: 1, {"paused", "70009"}: 1, {"resumed", ""}: 1,
			{"started", `"roster":"` + family.Hash()}: 1, {"started", `"policy":{"approvals":1,`}: 1,
			{"asked", `"policy":{"approvals":1,`}: 10, {"approved", `"state":"approved"`}: 4,
		} {
			if n := count(what[0], what[1]); n != want {
				t.Errorf("%d entries %v, want %d", n, what, want)
			}
		}

		// Every call of the service is there, with its answer, and what the readings showed: for
		// the proof of each request, and for its doubt.
		// Pages of history that were read one after the other are told together.
		folded := 0
		for _, e := range log {
			var detail struct{ Pages int }
			if e.What == "api" && json.Unmarshal(e.Detail, &detail) == nil && detail.Pages > 0 {
				folded += detail.Pages - 1
			}
		}
		for op, more := range map[string]int{recalltest.Recall: 0, recalltest.History: folded, recalltest.Info: 0} {
			if calls, told := d.chat.Calls(op), count("api", `"op":"`+op+`"`)+more; told != calls || calls == 0 {
				t.Errorf("%d calls of %s were made, %d are told", calls, op, told)
			}
		}
		if answers := count("api", `"codes":`) + count("api", `"history":`) + count("api", `"next_seq":`) + count("api",
			`"error":`); answers != count("api", "") {
			t.Errorf("%d calls are told, %d of them with their answer", count("api", ""), answers)
		}
		for what, want := range map[string]int{
			`"error"`: 2, `"error":"recall: get_group_info: 70009`: 1, // the other is the call whose answer was lost
		} {
			if n := count("api", what); n != want {
				t.Errorf("%d calls tell %s, want %d", n, what, want)
			}
		}
		if n := count("found out", `"history":{"recalled":"1-3"}`); n != 1 {
			t.Errorf("what became of the messages 1 to 3 was found out %d times", n)
		}
		if n := count("api", `"codes":{"0":"1-3"}`); n != 1 {
			t.Errorf("the answer for the messages 1 to 3 is told %d times", n)
		}

		personal := []string{"asked", "approved", "rejected", "withdrawn", "read", "refused", "stopping"}
		digests := map[bot.RequestID]string{}
		for _, r := range []bot.Request{done, withdrawn, rejected, expired, byText, stopped, paused} {
			digests[r.ID] = d.request(r.ID).Digest
		}
		for _, e := range log {
			// A call is the person's whose search, or whose Show all of a request, needed it.
			if e.What != "api" && slices.Contains(personal, e.What) != (e.Actor != "bot") || e.What == "api" &&
				(e.Actor == "bot" || strings.Contains(string(e.Detail), `"for":"show all"`)) != (e.Request != "") {
				t.Errorf("entry %d: %s by %s", e.N, e.What, e.Actor)
			}
			unnamed := e.Name == ""
			if e.Actor != "bot" && (e.Event == "" || unnamed != (e.Actor == ola.Account.String()) || e.Person != "") {
				t.Errorf("entry %d: %s by the account %s, %q, event %q", e.N, e.What, e.Actor, e.Name, e.Event)
			}
			if e.At.IsZero() || e.Process.IsZero() {
				t.Errorf("entry %d has no time", e.N)
			}
			if slices.Contains([]string{"sealed", "approved", "rejected", "withdrawn", "expired", "running", "stopping",
				"done", "stopped", "receipt"}, e.What) && e.Digest != digests[e.Request] {
				t.Errorf("entry %d: %s about %q", e.N, e.What, e.Digest)
			}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{
				"555-01", "call me", "mallory", "neighbour", "a secret of mine", "Casino", "reply.example",
				d.chat.SecretKey(), "usersig", "eJy", "sdkappid=", recalltest.URL,
			} {
				if strings.Contains(string(text), secret) {
					t.Errorf("entry %d holds %q: %s", e.N, secret, text)
				}
			}
		}

		// The sums of a receipt are those of the outcomes, and each receipt proves the log up to
		// itself.
		for _, r := range []bot.Request{done, byText, stopped} {
			at := slices.IndexFunc(log, func(e bot.Entry) bool { return e.What == "receipt" && e.Request == r.ID })
			var told struct {
				Number int
				Sums   map[bot.Class]int
			}
			if err := json.Unmarshal(log[at].Detail, &told); err != nil {
				t.Fatal(err)
			}
			sums := map[bot.Class]int{}
			err := d.ledger.View(t.Context(), func(tx bot.Tx) error {
				messages, err := tx.Messages(r.ID, 0, 100)
				for _, m := range messages {
					sums[m.Outcome.Class]++
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if told.Number != r.Receipt || fmt.Sprint(told.Sums) != fmt.Sprint(sums) || sums[""] > 0 {
				t.Errorf("receipt %d of %s tells %v, the outcomes are %v", told.Number, r.ID, told.Sums, sums)
			}
			if want := fmt.Sprintf("%d %s", log[at].N, log[at].Hash); r.AuditHead != want {
				t.Errorf("the head told by the receipt is %s, want %s", r.AuditHead, want)
			}
			holds := func(log []bot.Entry) error {
				v := bot.Verifier{Receipt: r.AuditHead}
				for _, e := range log {
					if err := v.Next(e); err != nil {
						return err
					}
				}
				return v.End()
			}
			if err := holds(log); err != nil {
				t.Error(err)
			}
			if holds(log[:at]) == nil {
				t.Error("a tail cut before the receipt was not found")
			}
			var anew []bot.Entry
			for i, e := range log {
				if e.What == "approved" {
					e.Actor = "slack:T1:UINES"
				}
				prev := ""
				if i > 0 {
					prev = anew[i-1].Hash
				}
				anew = append(anew, bot.Link(e, e.N, prev))
			}
			if holds(anew) == nil {
				t.Error("a chain computed anew was not found")
			}
			for _, words := range []string{fmt.Sprint(r.Receipt), strings.Fields(r.AuditHead)[1]} {
				if !strings.Contains(d.screen.thread(r.ID), words) {
					t.Errorf("the receipt in the thread of %s lacks %s", r.ID, words)
				}
			}
		}

		// The filters of an export find what belongs together.
		for _, test := range []struct {
			f    bot.AuditFilter
			want int
		}{
			{bot.AuditFilter{Request: done.ID}, 25},
			{bot.AuditFilter{Group: "@TGS#OTHER"}, 0},
			{bot.AuditFilter{Person: "Ola"}, 0}, // the roster does not know her
			{bot.AuditFilter{Person: ola.Account.String()}, 2},
			{bot.AuditFilter{Person: "Ines"}, 4},
		} {
			n := 0
			for _, e := range log {
				if test.f.Match(e) {
					n++
				}
			}
			if n != test.want {
				t.Errorf("%d entries match %+v, want %d", n, test.f, test.want)
			}
		}
		f := bot.AuditFilter{Group: testGroup}
		for _, e := range log {
			if !f.Match(e) && e.Request != "" {
				t.Errorf("entry %d, %s of %s, is not found by its group", e.N, e.What, e.Request)
			}
		}
	})
}
