package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/command"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

// door is a bot on the real ledger, with people on both platforms, that can be started anew with
// another configuration.
type door struct {
	t      *testing.T
	chat   *recalltest.Service
	client *recall.Client
	file   string
	screen *screen
	bot    *bottest.Engine
	ledger *ledger.Ledger
	stop   func()
	events int
	turns  []func(*bot.Options)
}

// who is a person's identity on each platform, as rosters and policies name it.
var who = map[string]map[bot.Platform]string{
	"mina":  {onSlack: "UMINA", onDiscord: "1"},
	"mina2": {onSlack: "UMINA2", onDiscord: "11"},
	"theo":  {onSlack: "UTHEO", onDiscord: "2"},
	"theo2": {onSlack: "UTHEO2", onDiscord: "22"},
	"ines":  {onSlack: "UINES", onDiscord: "3"},
	"nico":  {onSlack: "UNICO", onDiscord: "4"}, // may ask, not approve
	"ola":   {onSlack: "UOLA", onDiscord: "5"},  // may do nothing
}

func account(name string, p bot.Platform) bot.Account {
	a := bot.Account{Platform: p, Workspace: "T1", User: who[name][p]}
	if p == onDiscord {
		a.Workspace = "discord"
	}
	return a
}

// member is an account with the groups it has unless a case says otherwise: whoever can is in the
// approvers' group, the requester among them, so that nothing but the rule under test stands in the
// way.
func member(name string, p bot.Platform) bot.Member {
	m := bot.Member{Account: account(name, p), Name: name}
	if name != "nico" && name != "ola" {
		m.Groups = []string{"LEADS"}
	}
	return m
}

func place(p bot.Platform) bot.Place {
	return bot.Place{Platform: p, Workspace: map[bot.Platform]string{onSlack: "T1", onDiscord: "G1"}[p],
		Channel: "C1"}
}

// person is an entry of a roster. The Slack team is left open, as most rosters leave it.
func person(name string, of ...string) bot.Person {
	p := bot.Person{Name: name}
	for _, n := range of {
		p.Accounts = append(p.Accounts, bot.Account{Platform: onSlack, User: who[n][onSlack]},
			account(n, onDiscord))
	}
	return p
}

var (
	// family joins what is one person's; strangers takes every account name for a person.
	family = bot.Roster{People: []bot.Person{person("Mina", "mina", "mina2"), person("Theo", "theo", "theo2"),
		person("Ines", "ines"), person("Nico", "nico")}}
	strangers = bot.Roster{People: []bot.Person{person("Mina", "mina"), person("Minette", "mina2"),
		person("Theo", "theo"), person("Theodora", "theo2"), person("Ines", "ines"), person("Nico", "nico")}}
	// renamed is family with other names for the same people.
	renamed = bot.Roster{People: []bot.Person{person("M. Mina", "mina", "mina2"), person("T. Theo", "theo", "theo2"),
		person("I. Ines", "ines"), person("N. Nico", "nico")}}
)

func with(r bot.Roster) func(*bot.Options) { return func(o *bot.Options) { o.Roster = r } }

// quickFolder is a folder for the test alone, in memory where the system has that: nothing waits
// for the disk.
func quickFolder(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "recallbot-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newDoor(t *testing.T, turns ...func(*bot.Options)) *door {
	d := &door{
		t: t, chat: recalltest.New(recalltest.Options{}), file: quickFolder(t) + "/bot.db",
		screen: &screen{platform: onSlack, cards: map[bot.RequestID]bot.Card{}, notes: map[string][]bot.Note{}},
	}
	d.chat.AddGroup(recalltest.Group{ID: testGroup, Type: "Public", Name: "Casino talk", Members: 2})
	var err error
	d.client, err = recall.New(recall.Config{SDKAppID: recall.SDKAppID(d.chat.SDKAppID()),
		SecretKey: d.chat.SecretKey(), BaseURL: recalltest.URL, HTTPClient: d.chat.Client()})
	if err != nil {
		t.Fatal(err)
	}
	d.serve(turns...)
	t.Cleanup(func() {
		d.log()
		d.stop()
		d.chat.Close()
	})
	return d
}

// open opens the ledger and makes a bot of the same configuration as before, with these changes.
// Nothing runs.
func (d *door) open(turns ...func(*bot.Options)) {
	d.t.Helper()
	d.turns = append(d.turns, turns...)
	var err error
	if d.ledger, err = ledger.Open(context.Background(), "sqlite:"+d.file, ledger.Options{}); err != nil {
		d.t.Fatal(err)
	}
	o := bot.Options{App: recall.SDKAppID(d.chat.SDKAppID()), Ledger: d.ledger, Chat: d.client,
		Policy: bot.DefaultPolicy(), Admin: "administrator", Log: slog.New(slog.DiscardHandler)}
	o.Policy.Approvals = 2
	o.Policy.Crowds = map[bot.Platform]bot.Crowd{}
	for _, p := range []bot.Platform{onSlack, onDiscord} {
		o.Policy.Crowds[p] = bot.Crowd{
			Requesters: []bot.Principal{{User: who["mina"][p]}, {User: who["nico"][p]}},
			Approvers:  []bot.Principal{{Group: "LEADS"}}, Channels: []string{"C1"},
		}
	}
	for _, turn := range d.turns {
		turn(&o)
	}
	if d.bot, err = bottest.NewEngine(o); err != nil {
		d.t.Fatal(err)
	}
	d.bot.Attach(d.screen)
	d.stop = func() {
		if err := d.ledger.Close(); err != nil {
			d.t.Error(err)
		}
	}
}

// serve opens and runs.
func (d *door) serve(turns ...func(*bot.Options)) {
	d.t.Helper()
	d.open(turns...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.bot.Run(ctx); err != nil {
			d.t.Errorf("run: %v", err)
		}
	}()
	shut := d.stop
	d.stop = func() {
		cancel()
		<-done
		shut()
	}
	synctest.Wait() // it has told the audit log that it was started
}

// restart is a new start of the process with changes to its configuration.
func (d *door) restart(turns ...func(*bot.Options)) {
	d.t.Helper()
	d.stop()
	d.serve(turns...)
}

func (d *door) do(m bot.Member, at bot.Place, act intake.Act) intake.Answer {
	d.t.Helper()
	d.events++
	return d.deliver(bot.EventID(fmt.Sprint("e", d.events)), m, at, act)
}

func (d *door) deliver(id bot.EventID, m bot.Member, at bot.Place, act intake.Act) intake.Answer {
	d.t.Helper()
	a, err := d.bot.Do(d.t.Context(), intake.Event{ID: id, Place: at, By: m.Account, Name: m.Name, Act: act,
		Reply: "https://reply.example/secret"}, m)
	if err != nil {
		d.t.Fatalf("%s by %s: %v", act.Kind, m.Name, err)
	}
	return a
}

func typed(command, text string) intake.Act {
	return intake.Act{Kind: intake.ActCommand, Command: command, Text: text}
}

func (d *door) pass(t time.Duration) {
	time.Sleep(t)
	synctest.Wait()
}

// asks lets somebody ask for messages 1 and 2, or those given, and returns the request as soon as
// it is stored.
func (d *door) asks(name string, p bot.Platform, seqs string) bot.Request {
	d.t.Helper()
	a := d.do(member(name, p), place(p), typed("recall", testGroup+" "+seqs))
	if a.Kind != intake.Accepted {
		d.t.Fatalf("%s asks: %+v", name, a)
	}
	return d.request(bot.RequestID(a.Lines[0][0].Text))
}

// sealed is asks, and waits for the seal.
func (d *door) sealed(name string, p bot.Platform) bot.Request {
	d.t.Helper()
	for range 3 {
		d.chat.Say(testGroup, "", "mallory", "call me at 555-0100")
	}
	r := d.asks(name, p, "1 2")
	d.pass(5 * time.Second)
	if r = d.request(r.ID); r.State != bot.Proposed {
		d.t.Fatalf("%s: %v", r.State, r.RefusedFor)
	}
	return r
}

func (d *door) request(id bot.RequestID) (r bot.Request) {
	d.t.Helper()
	err := d.ledger.View(d.t.Context(), func(tx bot.Tx) (err error) {
		r, err = tx.Request(id)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// log is the audit log, verified.
func (d *door) log() []bot.Entry {
	d.t.Helper()
	log := d.since(0)
	var v bot.Verifier
	for _, e := range log {
		if err := v.Next(e); err != nil {
			d.t.Fatal(err)
		}
	}
	return log
}

// named is who acted in each entry of the whole log, by the name that lies beside it.
func (d *door) named(log []bot.Entry) (names []bot.PersonID) {
	d.t.Helper()
	var n bot.ActorNames
	err := d.ledger.View(d.t.Context(), func(tx bot.Tx) error {
		for _, e := range log {
			if err := n.Name(tx, &e); err != nil {
				return err
			}
			names = append(names, e.Name)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return names
}

// since is the audit log after entry n.
func (d *door) since(n int64) (log []bot.Entry) {
	d.t.Helper()
	err := d.ledger.View(context.Background(), func(tx bot.Tx) (err error) {
		log, err = tx.Entries(n+1, 1<<20)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return log
}

// head is the number of the newest audit entry.
func (d *door) head() (n int64) {
	d.t.Helper()
	err := d.ledger.View(d.t.Context(), func(tx bot.Tx) (err error) {
		n, _, err = tx.Head()
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func short(r bot.Request) string { return r.Digest[:min(len(r.Digest), bot.DigestShort)] }

// way is a way to decide, as adapters can put it into an event.
type way struct {
	name    string
	verdict bot.Verdict
	act     func(r bot.Request) intake.Act
	form    bool // it only asks for the form that decides
}

// ways are all of them. A press on the card that show gives on the other platform differs by its
// place alone.
var ways = []way{
	{name: "Approve, confirmed by the platform", verdict: bot.Approve, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActApprove, Request: r.ID, Digest: short(r)}
	}, form: false},
	{name: "Approve, to be asked once more", verdict: bot.Approve, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActAskApprove, Request: r.ID, Digest: short(r)}
	}, form: true},
	{name: "the form with the number", verdict: bot.Approve, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActApprove, Request: r.ID, Digest: r.Digest, Typed: true,
			Count: fmt.Sprint(r.Tally.Send)}
	}, form: false},
	{name: "Reject, to be asked why", verdict: bot.Reject, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActAskReject, Request: r.ID, Digest: short(r)}
	}, form: true},
	{name: "the form with the reason", verdict: bot.Reject, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActReject, Request: r.ID, Digest: r.Digest, Reason: "no"}
	}, form: false},
	{name: "the command stop", verdict: bot.Reject, act: func(r bot.Request) intake.Act {
		return typed("recalls", "stop "+string(r.ID))
	}, form: false},
	{name: "Stop below a list", verdict: bot.Reject, act: func(r bot.Request) intake.Act {
		return intake.Act{Kind: intake.ActStop, Request: r.ID}
	}, form: false},
}

// stops reports whether a way is one of stop: of it no card was pressed.
func (w way) stops() bool { return strings.Contains(strings.ToLower(w.name), "stop") }

// refused tries every way to decide and holds each to this: the answer is a refusal for the wanted
// reason, the request is as before, nothing was called, and the audit log got one entry that names
// the account and the reason.
func (d *door) refused(m bot.Member, at bot.Place, r bot.Request, want string,
	but ...func(w way, act *intake.Act) bool) {
	d.t.Helper()
	for _, w := range ways {
		act := w.act(r)
		if slices.ContainsFunc(but, func(turn func(way, *intake.Act) bool) bool { return !turn(w, &act) }) {
			continue
		}
		expect := want
		if want == "own" {
			if w.verdict == bot.Reject { // it takes the request back: TestTakesBack
				continue
			}
			expect = "own_request"
		}
		if w.stops() && want == "not_approver" {
			expect = "may_not_stop"
		}
		d.nothing(fmt.Sprintf("%s from %s by %s", w.name, at.Platform, m.Account), m, at, act, expect)
	}
}

// nothing does an act and holds it to having done nothing but to be refused.
func (d *door) nothing(what string, m bot.Member, at bot.Place, act intake.Act, want string) {
	d.t.Helper()
	all := func() (all []bot.Request) {
		err := d.ledger.View(d.t.Context(), func(tx bot.Tx) (err error) {
			all, err = tx.Requests(bot.Query{Limit: 1000})
			return err
		})
		if err != nil {
			d.t.Fatal(err)
		}
		return all
	}
	before, logged, calls := all(), d.head(), d.chat.Calls(recalltest.Recall)
	a := d.do(m, at, act)
	if a.Refused != want || a.Kind != intake.Whisper || len(a.Lines) == 0 || a.Form != nil || a.Page != nil {
		d.t.Errorf("%s: %s %q %v, want the refusal %s", what, a.Kind, a.Refused, a.Lines, want)
	}
	synctest.Wait()
	if diff := cmp.Diff(before, all()); diff != "" {
		d.t.Errorf("%s changed a request:\n%s", what, diff)
	}
	if n := d.chat.Calls(recalltest.Recall); n != calls {
		d.t.Errorf("%s: %d recalls were called", what, n-calls)
	}
	added := d.since(logged)
	if strings.HasPrefix(want, "mistake.") {
		if len(added) > 0 {
			d.t.Errorf("%s: a mistake was audited: %+v", what, added)
		}
		return
	}
	if len(added) != 1 {
		d.t.Errorf("%s: %d audit entries were added, want 1", what, len(added))
		return
	}
	e := added[0]
	var more struct{ Why, Act string }
	if err := json.Unmarshal(e.Detail, &more); err != nil {
		d.t.Fatal(err)
	}
	if e.What != "refused" || e.Actor != m.Account.String() || more.Why != want || more.Act != string(act.Kind) ||
		e.Event == "" || act.Request != "" && e.Request == "" {
		d.t.Errorf("%s: audited as %s of %s by %s: %s", what, e.What, e.Request, e.Actor, e.Detail)
	}
}

// decides holds that a decision takes effect, so that a case in which all is refused proves
// something.
func (d *door) decides(m bot.Member, at bot.Place, act intake.Act) bot.Request {
	d.t.Helper()
	if a := d.do(m, at, act); a.Kind != intake.Changed {
		d.t.Fatalf("%s by %s: %s %s %v", act.Kind, m.Name, a.Kind, a.Refused, a.Lines)
	}
	return d.request(act.Request)
}

func approving(r bot.Request) intake.Act { return ways[0].act(r) }

func onlyApprovals(w way, _ *intake.Act) bool { return w.verdict == bot.Approve }

func digest(s string) func(way, *intake.Act) bool {
	return func(w way, act *intake.Act) bool { act.Digest = s; return !w.stops() }
}

// other is the platform that p is not.
func other(p bot.Platform) bot.Platform {
	if p == onSlack {
		return onDiscord
	}
	return onSlack
}

// leadsElsewhere is a configuration whose approvers are other people.
func leadsElsewhere(o *bot.Options) {
	crowds := map[bot.Platform]bot.Crowd{}
	for p, c := range o.Policy.Crowds {
		c.Approvers = []bot.Principal{{Group: "OTHERS"}, {User: who["ines"][p]}}
		crowds[p] = c
	}
	o.Policy.Crowds = crowds
}

// TestTakesBack: by every way to reject, the requester's person takes the request back, from any of
// their accounts, whatever card it is pressed on. It counts as no decision of an approver.
func TestTakesBack(t *testing.T) {
	for _, w := range ways {
		if w.verdict != bot.Reject {
			continue
		}
		for name, from := range map[string]bot.Platform{"mina": onSlack, "mina2": onDiscord} {
			t.Run(w.name+" by "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newDoor(t, with(family))
					r := d.sealed("mina", onSlack)
					act := w.act(r)
					if act.Digest != "" {
						act.Digest = "0123456789abcdef" // of a card that shows something else
					}
					logged := d.head()
					a := d.do(member(name, from), place(from), act)
					after := d.request(r.ID)
					if a.Kind != intake.Changed || after.State != bot.Withdrawn || len(after.Approvals) > 0 ||
						after.EndedBy.Account != account(name, from) || after.EndReason != "" {
						t.Errorf("%s %s: %s by %v", a.Kind, a.Refused, after.State, after.EndedBy)
					}
					log := d.since(logged)
					if len(log) != 1 || log[0].What != "withdrawn" || log[0].Actor != account(name, from).String() {
						t.Errorf("audited as %+v", log)
					}
					// It is over for everybody, and nothing was ever called.
					d.refused(member("theo", onSlack), place(onSlack), after, "decided_already")
					d.refused(member("theo", onSlack), place(onSlack), after, "decided_already")
					d.pass(time.Hour)
					if n := d.chat.Calls(recalltest.Recall); n != 0 {
						t.Errorf("%d recalls were called", n)
					}
				})
			})
		}
	}
}

// TestStopAny: without an id stop ends only what its person can end, and only where that is one
// request.
func TestStopAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		stop := typed("recalls", "stop")
		d.nothing("stop of nothing", member("mina", onSlack), place(onSlack), stop, "nothing_to_stop")
		first := d.sealed("mina", onSlack)
		d.nothing("stop by another requester", member("nico", onSlack), place(onSlack), stop, "nothing_to_stop")
		d.nothing("stop by nobody", member("ola", onSlack), place(onSlack), stop, "not_allowed")
		second := d.asks("nico", onSlack, "3")
		d.pass(5 * time.Second)

		// Mina may approve what Nico asks, so there are two; Nico has his own alone.
		a := d.do(member("mina", onSlack), place(onSlack), stop)
		if a.Kind != intake.Whisper || a.Refused != "" || a.Offer == nil || len(a.Offer.Commands) != 2 {
			t.Fatalf("%+v, want two to choose from", a)
		}
		for _, o := range a.Offer.Commands {
			if o.Verb != command.VerbStop || o.Request != first.ID && o.Request != second.ID {
				t.Errorf("a button does %+v", o)
			}
		}
		if a := d.do(member("nico", onSlack), place(onSlack), stop); a.Kind != intake.Changed {
			t.Errorf("%+v", a)
		}
		if s := d.request(second.ID).State; s != bot.Withdrawn {
			t.Errorf("Nico's is %s", s)
		}
		if a := d.do(member("theo", onSlack), place(onSlack), stop); a.Kind != intake.Changed {
			t.Errorf("%+v", a)
		}
		if s := d.request(first.ID).State; s != bot.Rejected {
			t.Errorf("Mina's is %s", s)
		}
	})
}

// TestDoor tries every attack by every way to decide, on requests asked on either platform.
func TestDoor(t *testing.T) {
	for _, attack := range []struct {
		name string
		try  func(t *testing.T, p bot.Platform)
	}{
		{"the requester", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.refused(member("mina", p), place(p), r, "own")
		}},
		{"the requester's other accounts, linked before asking", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(family))
			r := d.sealed("mina", p)
			d.refused(member("mina", p), place(p), r, "own")
			d.refused(member("mina2", p), place(p), r, "own")
			d.refused(member("mina", other(p)), place(other(p)), r, "own")
			d.refused(member("mina2", other(p)), place(other(p)), r, "own")
		}},
		{"the requester's other accounts, linked after", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(strangers))
			r := d.sealed("mina", p)
			d.restart(with(family))
			d.refused(member("mina2", p), place(p), r, "own")
			d.refused(member("mina2", other(p)), place(other(p)), r, "own")
		}},
		{"the requester's other accounts, linked after under another name", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(strangers))
			r := d.sealed("mina", p)
			d.restart(with(renamed))
			for _, on := range []bot.Platform{p, other(p)} {
				d.refused(member("mina", on), place(on), r, "own")
				d.refused(member("mina2", on), place(on), r, "own")
			}
		}},
		{"the requester's other account, where there was no roster yet", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.restart(with(family))
			d.refused(member("mina2", p), place(p), r, "own")
			// Without a roster it was for its own platform alone, and a roster that comes later
			// opens nothing.
			d.refused(member("theo", other(p)), place(other(p)), r, "other_platform")
		}},
		{"the requester's other accounts, once linked and not any more", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(family))
			r := d.sealed("mina", p)
			d.restart(with(strangers))
			d.refused(member("mina2", p), place(p), r, "own")
			d.refused(member("mina2", other(p)), place(other(p)), r, "own")
			d.restart(with(bot.Roster{}))
			d.refused(member("mina2", p), place(p), r, "own")
			d.refused(member("theo", other(p)), place(other(p)), r, "other_platform")
		}},
		{"an account that no roster knows", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(family))
			r := d.sealed("mina", p)
			d.refused(bot.Member{Account: account("ola", p), Groups: []string{"LEADS"}}, place(p), r, "not_in_roster")
			d.restart(with(bot.Roster{})) // what the roster of then kept out stays out
			d.refused(bot.Member{Account: account("ola", p), Groups: []string{"LEADS"}}, place(p), r,
				"not_approver_then")
		}},
		{"people who may not approve", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.refused(member("nico", p), place(p), r, "not_approver")
			d.refused(member("ola", p), place(p), r, "not_allowed")
			no := member("theo", p)
			no.Groups = []string{"FORMER"}
			d.refused(no, place(p), r, "not_allowed")
		}},
		{"a former approver", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.restart(leadsElsewhere)
			d.refused(member("theo", p), place(p), r, "not_allowed")
			// One who approves now, but might not have then.
			d.refused(bot.Member{Account: account("nico", p), Groups: []string{"OTHERS"}}, place(p), r,
				"not_approver_then")
			// One who may now and might have then.
			d.decides(member("ines", p), place(p), approving(r))
		}},
		{"a second approval by the same person", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(family))
			r := d.sealed("mina", p)
			// From the platform first on which accounts are global: the Slack account that follows
			// is one whose team the roster leaves open.
			if r = d.decides(member("theo", onDiscord), place(onDiscord), approving(r)); r.State != bot.Proposed ||
				len(r.Approvals) != 1 {
				t.Fatalf("%s with %d approvals", r.State, len(r.Approvals))
			}
			for _, on := range []bot.Platform{p, other(p)} {
				d.refused(member("theo", on), place(on), r, "approved_already", onlyApprovals)
				d.refused(member("theo2", on), place(on), r, "approved_already", onlyApprovals)
			}
			d.restart(with(strangers)) // one person under the roster of then is one person
			d.refused(member("theo2", p), place(p), r, "approved_already", onlyApprovals)
			d.restart(with(renamed))
			d.refused(member("theo2", p), place(p), r, "approved_already", onlyApprovals)
			if r = d.decides(member("ines", p), place(p), approving(r)); r.State != bot.Approved &&
				r.State != bot.Running {
				t.Errorf("%s", r.State)
			}
		}},
		{"a second approval by a person whose accounts were linked meanwhile", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, with(strangers))
			r := d.sealed("mina", p)
			r = d.decides(member("theo", onDiscord), place(onDiscord), approving(r))
			d.restart(with(renamed))
			for _, on := range []bot.Platform{p, other(p)} {
				d.refused(member("theo2", on), place(on), r, "approved_already", onlyApprovals)
			}
		}},
		{"two approvals that turn out to be one person's do not grant with a third account of theirs",
			func(t *testing.T, p bot.Platform) {
				d := newDoor(t, with(strangers), func(o *bot.Options) { o.Policy.Approvals = 3 })
				r := d.sealed("mina", p)
				d.decides(member("theo", p), place(p), approving(r))
				d.decides(member("theo2", p), place(p), approving(r))
				d.restart(with(family))
				if r = d.decides(member("ines", p), place(p), approving(r)); r.State != bot.Proposed {
					t.Errorf("three approvals by two people made it %s", r.State)
				}
			}},
		{"an approval by an account that was linked to the requester meanwhile does not count",
			func(t *testing.T, p bot.Platform) {
				d := newDoor(t, with(strangers))
				r := d.sealed("mina", p)
				d.decides(member("mina2", p), place(p), approving(r))
				d.restart(with(family))
				if r = d.decides(member("ines", p), place(p), approving(r)); r.State != bot.Proposed {
					t.Errorf("an approval by the requester and one other made it %s", r.State)
				}
				if r = d.decides(member("theo", p), place(p), approving(r)); r.State != bot.Approved &&
					r.State != bot.Running {
					t.Errorf("two others made it %s", r.State)
				}
			}},
		{"while it is being prepared", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			d.chat.Change(func(o *recalltest.Options) { o.Latency = time.Hour })
			for range 2 {
				d.chat.Say(testGroup, "", "mallory", "x")
			}
			r := d.asks("mina", p, "1 2")
			d.refused(member("theo", p), place(p), r, "still_preparing")
			d.refused(member("theo", p), place(p), r, "still_preparing", digest(strings.Repeat("0", 64)))
		}},
		{"a wrong digest", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			for _, wrong := range []string{
				"", "0", strings.Repeat("0", 64), r.Digest[:bot.DigestShort-1], r.Digest + "0", r.Digest[1:],
				strings.ToUpper(r.Digest[:bot.DigestShort-1]) + "X",
				r.Digest[:bot.DigestShort] + strings.Repeat("0", 48), "card:" + r.Digest, strings.Repeat("f", 5000),
				"\x00",
			} {
				d.refused(member("theo", p), place(p), r, "stale_card", digest(wrong))
			}
		}},
		{"after the deadline, before its timer", func(t *testing.T, p bot.Platform) {
			d := newDoor(t, func(o *bot.Options) { o.Policy.ApproveWithin = 5 * time.Minute })
			r := d.sealed("mina", p)
			d.stop()
			d.open() // nothing runs: no timer fires
			time.Sleep(time.Until(r.Deadline) - time.Millisecond)
			d.bot.Receive(t.Context(), intake.Event{ID: "early", Place: place(p), By: account("theo", p),
				Act: approving(r)})
			time.Sleep(time.Millisecond)
			d.refused(member("theo", p), place(p), r, "too_late")
			// Pressed in time, and overtaken by the deadline while the right was checked.
			if a := d.deliver("early", member("theo", p), place(p),
				approving(r)); a.Refused != "expired_while_checked" {
				t.Errorf("%+v", a)
			}
			d.stop()
			d.serve()
			d.pass(time.Second)
			if r = d.request(r.ID); r.State != bot.Expired {
				t.Fatalf("%s", r.State)
			}
			d.refused(member("theo", p), place(p), r, "decided_already")
		}},
		{"after each end", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			reject := ways[len(ways)-1].act
			d.decides(member("theo", p), place(p), reject(r))
			d.refused(member("ines", p), place(p), d.request(r.ID), "decided_already")

			r = d.sealed("mina", p)
			d.do(member("mina", p), place(p), typed("recalls", "withdraw "+string(r.ID)))
			if r = d.request(r.ID); r.State != bot.Withdrawn {
				t.Fatalf("%s", r.State)
			}
			d.refused(member("ines", p), place(p), r, "decided_already")

			r = d.sealed("mina", p)
			d.decides(member("theo", p), place(p), approving(r))
			d.decides(member("ines", p), place(p), approving(r))
			d.pass(10 * time.Second)
			if r = d.request(r.ID); r.State != bot.Done {
				t.Fatalf("%s", r.State)
			}
			d.refused(member("ines", p), place(p), r, "decided_already")
			d.refused(member("theo2", p), place(p), r, "decided_already")
		}},
		{"with the card of an older request for the same messages", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			old := d.sealed("mina", p)
			d.decides(member("theo", p), place(p), ways[4].act(old))
			r := d.sealed("mina", p)
			if len(r.Earlier) != 1 || r.Earlier[0].ID != old.ID || r.Earlier[0].State != bot.Rejected ||
				r.Earlier[0].Reason != "no" || r.Earlier[0].By.Account != account("theo", p) {
				t.Errorf("earlier requests: %+v", r.Earlier)
			}
			d.refused(member("ines", p), place(p), r, "stale_card", digest(short(old)))
			d.refused(member("ines", p), place(p), r, "stale_card", digest(old.Digest))
			d.refused(member("ines", p), place(p), d.request(old.ID), "decided_already")
		}},
		{"forged values", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			for _, id := range []bot.RequestID{"R-000000", "", "r-1", "R-1' OR 1=1 --",
				bot.RequestID(strings.Repeat("R", 5000)), "R-\x00\xff", " " + r.ID, r.ID + " "} {
				want := "no_such_request"
				if id == "R-000000" { // a button of another copy may carry it
					want = "other_copy"
				}
				d.refused(member("theo", p), place(p), r, want,
					func(w way, act *intake.Act) bool { act.Request = id; return act.Kind != intake.ActCommand })
			}
			for _, kind := range []intake.ActKind{"", "grant", "Approve", "approve ", "run"} {
				d.nothing(fmt.Sprintf("act %q", kind), member("theo", p), place(p),
					intake.Act{Kind: kind, Request: r.ID, Digest: r.Digest}, "forged")
			}
			for _, count := range []string{"", "1", "3", "two", "2x", "-2", "2e0", "0x2"} {
				act := ways[2].act(r)
				act.Count = count
				d.nothing("count "+count, member("theo", p), place(p), act, "wrong_count")
			}
		}},
		{"commands that would decide", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			for _, word := range []string{"approve", "reject", "yes", "grant", "run", "decide"} {
				for _, command := range []string{"recall", "recalls"} {
					a := d.do(member("theo", p), place(p), typed(command, word+" "+string(r.ID)))
					if !strings.HasPrefix(a.Refused, "mistake.") {
						t.Errorf("/%s %s: %+v", command, word, a)
					}
					d.nothing("/"+command+" "+word, member("theo", p), place(p), typed(command, word+" "+string(r.ID)),
						a.Refused)
					a = d.do(member("theo", p), place(p), intake.Act{Kind: intake.ActCommand, Command: command,
						Sub: word, Options: map[string]string{"id": string(r.ID)}})
					if !strings.HasPrefix(a.Refused, "mistake.") {
						t.Errorf("/%s %s by options: %+v", command, word, a)
					}
				}
			}
			if got := d.request(r.ID); got.State != bot.Proposed || len(got.Approvals) > 0 {
				t.Errorf("%s, %d approvals", got.State, len(got.Approvals))
			}
		}},
		{"a request of another workspace", func(t *testing.T, p bot.Platform) {
			for _, roster := range []bot.Roster{{}, family} {
				d := newDoor(t, with(roster))
				r := d.sealed("mina", p)
				elsewhere := place(p)
				elsewhere.Workspace = "ELSEWHERE"
				d.refused(member("theo", p), elsewhere, r, "other_workspace")
			}
		}},
		{"a request of another app", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.stop()
			d.open(func(o *bot.Options) { o.App++ })
			d.refused(member("theo", p), place(p), r, "no_such_request")
			for _, text := range []string{"show ", "withdraw ", "stop "} {
				d.nothing(text, member("theo", p), place(p), typed("recalls", text+string(r.ID)), "no_such_request")
			}
		}},
		{"from the other platform without a roster", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			d.refused(member("theo", other(p)), place(other(p)), r, "other_platform")
			d.refused(member("mina", other(p)), place(other(p)), r, "other_platform")
		}},
		{"the same event again, and the same click as a new event", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			first := d.deliver("press", member("theo", p), place(p), approving(r))
			if first.Kind != intake.Changed || first.Repeated {
				t.Fatalf("%+v", first)
			}
			first.Repeated = true // as every further answer says
			before, logged := d.request(r.ID), d.head()
			for range 3 {
				if diff := cmp.Diff(first, d.deliver("press", member("theo", p), place(p), approving(r))); diff != "" {
					t.Errorf("the repeat got another answer:\n%s", diff)
				}
			}
			// After a restart, and whatever the repeat then claims.
			d.restart()
			logged++ // it was started
			if diff := cmp.Diff(first, d.deliver("press", member("ines", p), place(p), ways[4].act(r))); diff != "" {
				t.Errorf("the repeat got another answer:\n%s", diff)
			}
			if diff := cmp.Diff(before, d.request(r.ID)); diff != "" || d.head() != logged {
				t.Errorf("a repeat changed something: %d entries, want %d\n%s", d.head(), logged, diff)
			}
			d.refused(member("theo", p), place(p), r, "approved_already", onlyApprovals)
		}},
		{"accounts in trouble", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			for _, trouble := range []bot.Trouble{
				bot.TroubleBot, bot.TroubleWorkflow, bot.TroubleDeactivated, bot.TroubleGuest, bot.TroubleForeign,
				bot.TroublePending, bot.TroubleTimedOut,
				bot.TroubleWrongGuild, bot.TroubleUserInstalled, bot.TroubleUnknown,
			} {
				m := member("theo", p)
				m.Trouble = trouble
				d.refused(m, place(p), r, "trouble."+string(trouble))
			}
		}},
		{"places where the bot is not to be used", func(t *testing.T, p bot.Platform) {
			d := newDoor(t)
			r := d.sealed("mina", p)
			elsewhere := place(p)
			elsewhere.Channel = "C2"
			d.refused(member("theo", p), elsewhere, r, "wrong_channel")
			for _, trouble := range []bot.Trouble{bot.TroubleDirectMessage, bot.TroubleArchived, bot.TroubleExtShared} {
				at := place(p)
				at.Trouble = trouble
				d.refused(member("theo", p), at, r, "trouble."+string(trouble))
			}
		}},
		{"time alone", func(t *testing.T, p bot.Platform) {
			d := newDoor(t,
				func(o *bot.Options) { o.Policy.ApproveWithin, o.Policy.RemindAfter = time.Minute, 20*time.Second })
			r := d.sealed("mina", p)
			d.decides(member("theo", p), place(p), approving(r))
			for range 4 {
				d.pass(18 * time.Second)
				d.restart()
			}
			if r = d.request(r.ID); r.State != bot.Expired || d.chat.Calls(recalltest.Recall) > 0 {
				t.Errorf("%s after %d calls", r.State, d.chat.Calls(recalltest.Recall))
			}
		}},
	} {
		for _, p := range []bot.Platform{onSlack, onDiscord} {
			t.Run(attack.name+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { attack.try(t, p) })
			})
		}
	}
}

// TestDoorOpens holds that every way decides where nothing is in the way, so that the refusals of
// TestDoor are the guards' doing.
func TestDoorOpens(t *testing.T) {
	for _, p := range []bot.Platform{onSlack, onDiscord} {
		for _, w := range ways {
			t.Run(fmt.Sprintf("%s/%s", p, w.name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					d := newDoor(t, with(family))
					for _, on := range []bot.Platform{p, other(p)} {
						r := d.sealed("mina", p)
						if on != p { // the card comes by show
							a := d.do(member("theo", on), place(on), typed("recalls", "show "+string(r.ID)))
							if a.Kind != intake.ShowCard || len(a.Card.Buttons) == 0 || a.Card.Digest != r.Digest {
								t.Fatalf("show on %s: %+v", on, a)
							}
						}
						a := d.do(member("theo", on), place(on), w.act(r))
						if w.form {
							if a.Kind != intake.ShowForm || a.Form.Request != r.ID || a.Form.Digest != r.Digest {
								t.Errorf("on %s: %+v", on, a)
							}
							if got := d.request(r.ID); len(got.Approvals) > 0 || got.State != bot.Proposed {
								t.Errorf("asking once more decided: %s", got.State)
							}
							d.do(member("mina", p), place(p), typed("recalls", "withdraw "+string(r.ID)))
							continue
						}
						want := map[bot.Verdict]bot.State{bot.Approve: bot.Proposed,
							bot.Reject: bot.Rejected}[w.verdict]
						if r = d.request(r.ID); a.Kind != intake.Changed || r.State != want {
							t.Errorf("on %s: %s, %s", on, a.Kind, r.State)
						}
						if w.verdict == bot.Approve {
							if len(r.Approvals) != 1 || r.Approvals[0].By.Account != account("theo", on) ||
								r.Approvals[0].By.Person != "Theo" || r.Approvals[0].Digest != r.Digest {
								t.Errorf("stored: %+v", r.Approvals)
							}
							// A change of mind, while others are awaited.
							if r = d.decides(member("theo2", p), place(p), ways[4].act(r)); r.State != bot.Rejected ||
								len(r.Approvals) != 0 {
								t.Errorf("an approval turned into a reject: %s, %d approvals", r.State,
									len(r.Approvals))
							}
						}
					}
				})
			})
		}
	}
}

// TestOutsiderReads tries every way to read, for people who may neither ask nor approve and from
// places where the bot is not to be used. None learns anything of a request that exists. Of an id
// that this copy of the bot does not know, whoever presses a button that carries it reads that: the
// policy of the copy that made the button may be another one. What people type tells them nothing.
func TestOutsiderReads(t *testing.T) {
	for _, p := range []bot.Platform{onSlack, onDiscord} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, with(family))
				ended := d.sealed("mina", p)
				d.do(member("mina", p), place(p), typed("recalls", "withdraw "+string(ended.ID)))
				r := d.sealed("mina", p)
				dm, elsewhere, guest := place(p), place(p), member("theo", p)
				dm.Trouble, elsewhere.Channel, guest.Trouble = bot.TroubleDirectMessage, "C2", bot.TroubleGuest
				elsewhere.Workspace = "ELSEWHERE"
				nobody := func(r *bot.Options) {
					r.Roster = bot.Roster{People: append(slices.Clone(family.People), person("Ola", "ola"))}
				}
				d.restart(nobody)
				outsiders := []struct {
					name string
					m    bot.Member
					at   bot.Place
					want string
				}{
					{"one who may do nothing", member("ola", p), place(p), "not_allowed"},
					{"one whom the roster does not know",
						bot.Member{Account: bot.Account{Platform: p, Workspace: "T1", User: "99"},
							Groups: []string{"LEADS"}}, place(p), "not_in_roster"},
					{"a guest", guest, place(p), "trouble.guest"},
					{"a direct message", member("theo", p), dm, "trouble.direct_message"},
					{"another channel", member("theo", p), elsewhere, "wrong_channel"},
				}
				absent := bot.RequestID("R-000000")
				reads := []struct {
					name string
					act  func(id bot.RequestID) intake.Act
				}{ // the first ones need the right to ask
					{"the form", func(bot.RequestID) intake.Act { return typed("recall", "") }},
					{"the form, sent", func(bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActForm, Options: map[string]string{"group": testGroup,
							"what": "1 2"}}
					}},
					{"asking", func(bot.RequestID) intake.Act { return typed("recall", testGroup+" 3") }},
					{"the button under find", func(bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActRecallFind, Search: "none"}
					}},
					{"the button of a kind under find", func(bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActRecallKind, Search: "none"}
					}},
					{"Ask again", func(id bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActAskAgain, Request: id, Digest: short(r)}
					}},
					{"Ask again without", func(id bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActAskWithout, Request: id, Digest: short(r)}
					}},
					{"a page of what was found", func(bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActTurnFind, Search: "none", Page: 1}
					}},
					{"find", func(bot.RequestID) intake.Act { return typed("recalls", "find "+testGroup+" last:5") }},
					{"find by options", func(bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActCommand, Command: "recalls", Sub: "find",
							Options: map[string]string{"group": testGroup, "last": "5"}}
					}},
					{"show", func(id bot.RequestID) intake.Act { return typed("recalls", "show "+string(id)) }},
					{"list", func(bot.RequestID) intake.Act { return typed("recalls", "list") }},
					{"list open", func(bot.RequestID) intake.Act { return typed("recalls", "list open") }},
					{"list mine", func(bot.RequestID) intake.Act { return typed("recalls", "list mine") }},
					{"list of a group", func(bot.RequestID) intake.Act { return typed("recalls", "list "+testGroup) }},
					{"Show all", func(id bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActShowAll, Request: id, Digest: short(r)}
					}},
					{"the button to approve", func(id bot.RequestID) intake.Act {
						return intake.Act{Kind: intake.ActAskApprove, Request: id, Digest: short(r)}
					}},
					{"the button to stop",
						func(id bot.RequestID) intake.Act { return intake.Act{Kind: intake.ActStop, Request: id} }},
					{"withdraw", func(id bot.RequestID) intake.Act { return typed("recalls", "withdraw "+string(id)) }},
					{"stop", func(id bot.RequestID) intake.Act { return typed("recalls", "stop "+string(id)) }},
				}
				reading := d.chat.Calls(recalltest.History)
				for _, o := range outsiders {
					for i, read := range reads {
						var answers []intake.Answer
						for _, id := range []bot.RequestID{r.ID, ended.ID, absent} {
							act, want := read.act(id), o.want
							if i < 7 && want == "not_allowed" {
								want = "not_requester"
							}
							if act.Request == absent {
								want = "other_copy"
							}
							d.nothing(fmt.Sprintf("%s: %s of %s", o.name, read.name, id), o.m, o.at, act, want)
							a := d.do(o.m, o.at, act)
							if act.Request != absent {
								answers = append(answers, a)
							}
							said, err := json.Marshal(a)
							if err != nil {
								t.Fatal(err)
							}
							for _, secret := range []string{"555-0100", "mallory", "Casino", "mina", string(r.ID),
								string(ended.ID), r.Digest, "TGS"} {
								if strings.Contains(string(said), secret) {
									t.Errorf("%s: %s tells %q: %s", o.name, read.name, secret, said)
								}
							}
							if a.Card != nil || a.Page != nil || a.Form != nil || a.Groups != nil {
								t.Errorf("%s: %s is answered with more than words: %s", o.name, read.name, said)
							}
						}
						for _, a := range answers[1:] {
							if diff := cmp.Diff(answers[0], a); diff != "" {
								t.Errorf("%s: %s tells requests apart:\n%s", o.name, read.name, diff)
							}
						}
					}
					logged := d.head()
					if a := d.do(o.m, o.at, intake.Act{Kind: intake.ActComplete, Command: "recall",
						Text: ""}); len(a.Groups) > 0 || len(a.Lines) > 0 || a.Card != nil {
						t.Errorf("%s: autocompletion tells %+v", o.name, a)
					}
					if d.head() != logged {
						t.Errorf("%s: autocompletion was stored", o.name)
					}
				}
				if n := d.chat.Calls(recalltest.History); n != reading {
					t.Errorf("history was read %d times for outsiders", n-reading)
				}
				if a := d.do(member("theo", p), place(p), intake.Act{Kind: intake.ActComplete, Command: "recall",
					Text: "tgs"}); len(a.Groups) != 1 || a.Groups[0].Group != testGroup {
					t.Errorf("autocompletion for one who may: %+v", a)
				}
			})
		})
	}
}

// TestOneDoor reads the source: Decide has two callers, of which one stores nothing; only Decide
// adds an approval or makes a request approved; only a decision grants; and messages are sent only
// from batches, which hang on the grant.
func TestOneDoor(t *testing.T) {
	var files []string
	for _, dir := range []string{"..", "../history", "../intake", "."} {
		list, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(list) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		files = append(files, list...)
	}
	called := map[string][]string{} // what, from which functions
	note := func(what, from string) {
		if !slices.Contains(called[what], from) {
			called[what] = append(called[what], from)
			slices.Sort(called[what])
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, body, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		text := func(n ast.Node) string { return string(body[n.Pos()-parsed.FileStart : n.End()-parsed.FileStart]) }
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					switch fun := text(n.Fun); {
					case fun == "Decide", fun == "bot.Decide":
						note("Decide", f.Name.Name)
					case strings.HasSuffix(fun, ".Grant"):
						note("Grant", f.Name.Name)
					case strings.HasSuffix(fun, ".granted"):
						note("granted", f.Name.Name)
					case strings.HasSuffix(fun, ".AddBatches"):
						note("AddBatches", f.Name.Name)
					case strings.HasSuffix(fun, ".GroupMsgRecall"):
						note("GroupMsgRecall", f.Name.Name)
					}
				case *ast.CompositeLit:
					if n.Type != nil && (text(n.Type) == "Approval" || text(n.Type) == "bot.Approval") {
						note("an approval made", f.Name.Name)
					}
				case *ast.AssignStmt:
					for i, right := range n.Rhs {
						if (text(right) == "Approved" || text(right) == "bot.Approved") && i < len(n.Lhs) &&
							strings.HasSuffix(text(n.Lhs[i]), ".State") {
							note("approved", f.Name.Name)
						}
					}
				}
				return true
			})
		}
	}
	want := map[string][]string{
		"Decide": {"askOnceMore", "decide", "stopped"}, "granted": {"decided"}, "Grant": {"granted"},
		"an approval made": {"Decide"}, "approved": {"Decide"},
		"AddBatches": {"batchRest", "writeBatch"}, "GroupMsgRecall": {"send"},
	}
	if diff := cmp.Diff(want, called); diff != "" {
		t.Errorf("who does what an approval rests on:\n%s", diff)
	}
}
