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
	"recallbot/recall"
)

func text(a intake.Answer) string {
	var b strings.Builder
	for _, l := range a.Lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// TestWaitingRequest restarts the bot with another configuration while a request waits. Nothing
// about the request changes by it: neither how many must approve, nor how long it waits, nor what
// may be touched, nor where. Only approvers can stop being ones.
func TestWaitingRequest(t *testing.T) {
	for _, test := range []struct {
		name string
		turn func(o *bot.Options)
		want bot.State // after one approval; the request was asked with one needed
	}{
		{"nothing changes", func(*bot.Options) {}, bot.Done},
		{"more approvals", func(o *bot.Options) { o.Policy.Approvals, o.Policy.LargeApprovals = 5, 9 }, bot.Done},
		{"what counts as large", func(o *bot.Options) { o.Policy.LargeFrom, o.Policy.LargeApprovals = 1, 3 }, bot.Done},
		{"fewer messages", func(o *bot.Options) { o.Policy.MaxMessages = 1 }, bot.Done},
		{"other groups", func(o *bot.Options) { o.Policy.Groups = []string{"other*"} }, bot.Done},
		{"protected senders", func(o *bot.Options) { o.Policy.Protected = []recall.UserID{"mallory"} }, bot.Done},
		{"a reason", func(o *bot.Options) { o.Policy.ReasonRequired = true }, bot.Done},
		{"a shorter wait", func(o *bot.Options) { o.Policy.ApproveWithin = time.Second }, bot.Done},
		{"other requesters", func(o *bot.Options) {
			c := o.Policy.Crowds[onSlack]
			c.Requesters = nil
			o.Policy.Crowds[onSlack] = c
		}, bot.Done},
		{"other channels", func(o *bot.Options) {
			c := o.Policy.Crowds[onSlack]
			c.Channels = []string{"C2"}
			o.Policy.Crowds[onSlack] = c
		}, bot.Done},
		{"other approvers", func(o *bot.Options) {
			c := o.Policy.Crowds[onSlack]
			c.Approvers = []bot.Principal{{User: "UINES"}}
			o.Policy.Crowds[onSlack] = c
		}, bot.Proposed},
		{"no approvers", func(o *bot.Options) { o.Policy.Crowds = nil }, bot.Proposed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, func(o *bot.Options) { o.Policy.Approvals = 1 })
				r := d.sealed("mina", onSlack)
				d.restart(test.turn)
				d.pass(5 * time.Second)
				d.do(member("theo", onSlack), place(onSlack), ways[0].act(r))
				d.pass(10 * time.Second)
				if got := d.request(r.ID); got.State != test.want || got.Needed != r.Needed ||
					!got.Deadline.Equal(r.Deadline) {
					t.Errorf("%s, %d needed until %s; was %d until %s", got.State, got.Needed, got.Deadline, r.Needed,
						r.Deadline)
				}
			})
		})
	}
	// And nothing that was needed is given up.
	for _, test := range []struct {
		name string
		turn func(o *bot.Options)
	}{
		{"fewer approvals", func(o *bot.Options) { o.Policy.Approvals, o.Policy.LargeApprovals = 1, 1 }},
		{"a longer wait", func(o *bot.Options) { o.Policy.ApproveWithin = 100 * time.Hour }},
		{"everybody approves", func(o *bot.Options) {
			c := o.Policy.Crowds[onSlack]
			c.Approvers = []bot.Principal{{User: "UNICO"}, {User: "UOLA"}, {User: "UMINA"}, {User: "UTHEO"}}
			o.Policy.Crowds[onSlack] = c
		}},
		{"messages that were protected", func(o *bot.Options) { o.Policy.Protected = nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, func(o *bot.Options) {
					o.Policy.Protected, o.Policy.ApproveWithin = []recall.UserID{"boss"}, time.Minute
					c := o.Policy.Crowds[onSlack]
					c.Approvers = []bot.Principal{{User: "UTHEO"}, {User: "UINES"}}
					o.Policy.Crowds[onSlack] = c
				})
				d.chat.Say(testGroup, "", "boss", "x")
				d.chat.Say(testGroup, "", "mallory", "x")
				r := d.asks("mina", onSlack, "1 2")
				d.pass(5 * time.Second)
				r = d.request(r.ID)
				d.restart(test.turn)
				for _, name := range []string{"mina", "nico", "ola", "theo"} {
					d.do(bot.Member{Account: account(name, onSlack), Name: name}, place(onSlack), ways[0].act(r))
				}
				d.pass(10 * time.Second)
				if got := d.request(r.ID); got.State != bot.Proposed || len(got.Approvals) != 1 || got.Tally.Send != 1 {
					t.Errorf("%s with %d approvals, %d would be sent", got.State, len(got.Approvals), got.Tally.Send)
				}
				d.pass(time.Minute)
				if got := d.request(r.ID); got.State != bot.Expired {
					t.Errorf("%s after its deadline", got.State)
				}
			})
		})
	}
}

// TestStartIsAudited: each start tells by their hashes which configuration and which roster hold
// from then on.
func TestStartIsAudited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, with(family))
		d.restart()
		d.restart(with(strangers))
		d.restart(func(o *bot.Options) { o.Policy.Approvals = 1 })
		type start struct {
			Configuration, Roster string
			Policy                struct{ Approvals int }
		}
		var starts []start
		for _, e := range d.log() {
			if e.What != "started" {
				continue
			}
			var s start
			if err := json.Unmarshal(e.Detail, &s); err != nil {
				t.Fatal(err)
			}
			if e.Actor != "bot" || len(s.Configuration) != 64 {
				t.Errorf("entry %d: started by %s: %s", e.N, e.Actor, e.Detail)
			}
			starts = append(starts, s)
		}
		if len(starts) != 4 {
			t.Fatalf("%d starts", len(starts))
		}
		first, again, people, rule := starts[0], starts[1], starts[2], starts[3]
		if first.Roster != family.Hash() || again != first {
			t.Errorf("the same again: %+v, then %+v", first, again)
		}
		if people.Roster != strangers.Hash() || people.Configuration != first.Configuration {
			t.Errorf("another roster: %+v, then %+v", first, people)
		}
		if rule.Roster != people.Roster || rule.Configuration == people.Configuration || rule.Policy.Approvals != 1 {
			t.Errorf("another policy: %+v, then %+v", people, rule)
		}
	})
}

// TestNeeded holds that the messages that would be sent decide how many must approve, not those
// asked for.
func TestNeeded(t *testing.T) {
	p := bot.Policy{Approvals: 1, LargeFrom: 100, LargeApprovals: 2}
	for n, want := range map[int]int{0: 1, 1: 1, 99: 1, 100: 2, 5000: 2} {
		if got := p.Needed(n); got != want {
			t.Errorf("%d messages need %d, want %d", n, got, want)
		}
	}
	p.Approvals = 3
	if got := p.Needed(100); got != 3 {
		t.Errorf("a large one needs %d where every one needs 3", got)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t,
			func(o *bot.Options) { o.Policy.Approvals, o.Policy.LargeFrom, o.Policy.LargeApprovals = 1, 3, 2 })
		r := d.sealed("mina", onSlack) // 2 of 3 messages
		if r.Needed != 1 {
			t.Errorf("2 messages need %d", r.Needed)
		}
		d.do(member("mina", onSlack), place(onSlack), typed("recalls", "withdraw "+string(r.ID)))
		r = d.asks("mina", onSlack, "1-3")
		d.pass(5 * time.Second)
		if r = d.request(r.ID); r.Needed != 2 {
			t.Errorf("3 messages need %d", r.Needed)
		}
		d.do(member("mina", onSlack), place(onSlack), typed("recalls", "withdraw "+string(r.ID)))
		r = d.asks("mina", onSlack, "2-9") // of these only two exist
		d.pass(5 * time.Second)
		if r = d.request(r.ID); r.Needed != 1 || r.Tally.Send != 2 {
			t.Errorf("8 messages of which %d would be sent need %d", r.Tally.Send, r.Needed)
		}
	})
}

// TestAsk tries what may be asked for: the groups, the cap, no overlap, no more than five at a
// time.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, with(family), func(o *bot.Options) {
			o.Policy.Groups, o.Policy.MaxMessages = []string{"@TGS#2J*", "team/?"}, 10
		})
		mina, at := member("mina", onSlack), place(onSlack)
		for group, allowed := range map[string]bool{"@TGS#2J4SZEAEL": true, "@TGS#2J": true, "@TGS#2": false,
			"x@TGS#2J4": false, "team/a": true, "team/ab": false, "team": false, "TEAM/a": false} {
			err := bot.Policy{Groups: []string{"@TGS#2J*", "team/?"}}.MayTouch(recall.GroupID(group))
			if (err == nil) != allowed {
				t.Errorf("%s: %v", group, err)
			}
		}
		for _, act := range []intake.Act{
			typed("recall", "@TGS#OTHER 1"), typed("recall", "@TGS#OTHER from:a"),
			typed("recalls", "find @TGS#OTHER last:1"), typed("recalls", "list @TGS#OTHER"),
			{Kind: intake.ActForm, Options: map[string]string{"group": "@TGS#OTHER", "what": "1"}},
		} {
			d.nothing("another group", mina, at, act, "group_not_allowed")
		}
		d.nothing("eleven", mina, at, typed("recall", testGroup+" 1-11"), "too_many")
		d.nothing("one who may only approve", member("theo", onSlack), at, typed("recall", testGroup+" 1"),
			"not_requester")

		for range 30 {
			d.chat.Say(testGroup, "", "mallory", "x")
		}
		var open []bot.Request
		for i := range 5 {
			name := []string{"mina", "nico"}[0]
			p := []bot.Platform{onSlack, onDiscord}[i%2] // of one person, whichever account asks
			open = append(open, d.asks(name, p, fmt.Sprintf("%d-%d", 2*i+1, 2*i+2)))
		}
		d.nothing("the sixth", mina, at, typed("recall", testGroup+" 21"), "too_many_open")
		// While they are prepared, and sealed: a shared message is refused with a link.
		for _, state := range []bot.State{bot.Preparing, bot.Proposed} {
			if state == bot.Proposed {
				d.pass(5 * time.Second)
			}
			a := d.do(member("nico", onSlack), at, typed("recall", testGroup+" 10-12"))
			if a.Refused != "overlap" || !strings.Contains(text(a), string(open[4].ID)) ||
				!strings.Contains(text(a), "10") {
				t.Errorf("%s: %s %s", state, a.Refused, text(a))
			}
		}
		// Under other names, and another roster, five are five.
		d.restart(with(renamed))
		d.nothing("the sixth, by another name", mina, at, typed("recall", testGroup+" 21"), "too_many_open")
		d.do(mina, at, typed("recalls", "withdraw "+string(open[0].ID)))
		if r := d.request(open[0].ID); r.State != bot.Withdrawn {
			t.Errorf("by another name it cannot be withdrawn: %s", r.State)
		}
		d.asks("mina", onSlack, "21")
	})
}

// TestOthersRequests holds that nobody takes back or stops what is not theirs: to withdraw is the
// requester's alone, from any account of theirs, and to stop the requester's and any approver's.
func TestOthersRequests(t *testing.T) {
	for _, p := range []bot.Platform{onSlack, onDiscord} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, with(family))
				deeds := func(r bot.Request, deed string) []intake.Act {
					acts := []intake.Act{
						typed("recalls", deed+" "+string(r.ID)),
						{Kind: intake.ActCommand, Command: "recalls", Sub: deed,
							Options: map[string]string{"id": string(r.ID)}},
					}
					if deed == "stop" {
						acts = append(acts, intake.Act{Kind: intake.ActStop, Request: r.ID, Digest: short(r)})
					}
					return acts
				}
				r := d.sealed("mina", p)
				for _, name := range []string{"theo", "nico", "ines"} {
					for _, act := range deeds(r, "withdraw") {
						d.nothing(name+" withdraws", member(name, p), place(p), act, "not_yours")
					}
				}
				d.decides(member("theo", p), place(p), approving(r))
				d.stop()
				d.open() // nothing runs
				if r = d.decides(member("ines", p), place(p), approving(r)); r.State != bot.Approved {
					t.Fatalf("%s", r.State)
				}
				gone := member("theo", p)
				gone.Groups = nil
				for _, act := range deeds(r, "stop") {
					d.nothing("one who may only ask stops", member("nico", p), place(p), act, "may_not_stop")
					d.nothing("a former approver stops", gone, place(p), act, "not_allowed")
				}
				if a := d.do(member("mina2", other(p)), place(other(p)),
					deeds(r, "stop")[0]); a.Kind != intake.Changed {
					t.Errorf("the requester's other account stops: %s %s", a.Kind, a.Refused)
				}
				log := d.log()
				names := d.named(log)
				if e := log[len(log)-2]; e.What != "stopped" || e.Actor != account("mina2", other(p)).String() ||
					e.Person != "" || names[len(log)-2] != "Mina" {
					t.Errorf("audited as %s by %s, %s", e.What, e.Actor, names[len(log)-2])
				}
			})
		})
	}
}

// TestOverlapTopic holds that seqs are counted apart in each topic of a group: only a request of
// the same one stands in the way.
func TestOverlapTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		mina, at := member("mina", onSlack), place(onSlack)
		const one, two = " topic:" + testGroup + "@TOPIC#_1", " topic:" + testGroup + "@TOPIC#_2"
		d.asks("mina", onSlack, "1 2"+one)
		d.asks("mina", onSlack, "2 3"+two)
		d.asks("mina", onSlack, "2")
		for _, text := range []string{"2" + one, "3-9" + two, "1-2"} {
			d.nothing("asking for "+text, mina, at, typed("recall", testGroup+" "+text), "overlap")
		}
	})
}

// TestGroupsNoLongerAllowed holds that what was asked about a group that may not be touched any
// more is not read either, unless it is still open.
func TestGroupsNoLongerAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		settled := d.sealed("mina", onSlack)
		d.decides(member("theo", onSlack), place(onSlack), ways[4].act(settled))
		waiting := d.sealed("mina", onSlack)
		d.restart(func(o *bot.Options) { o.Policy.Groups = []string{"elsewhere"} })
		theo, at := member("theo", onSlack), place(onSlack)
		d.nothing("show", theo, at, typed("recalls", "show "+string(settled.ID)), "group_not_allowed")
		d.nothing("Show all", theo, at, intake.Act{Kind: intake.ActShowAll, Request: settled.ID,
			Digest: short(settled)}, "group_not_allowed")
		list := text(d.do(theo, at, typed("recalls", "list")))
		if strings.Contains(list, string(settled.ID)) || !strings.Contains(list, string(waiting.ID)) {
			t.Errorf("list: %s", list)
		}
		if a := d.do(theo, at, typed("recalls", "show "+string(waiting.ID))); a.Kind != intake.ShowCard {
			t.Errorf("show of one that waits: %s", a.Refused)
		}
	})
}

// TestChannelsNoLongerAllowed holds that in a channel taken out of the policy nothing works any
// more but what concerns a request that was asked there and is still open: whoever decides it may,
// and may look at it first.
func TestChannelsNoLongerAllowed(t *testing.T) {
	for _, evidence := range []bot.Evidence{bot.EvidenceExcerpt, bot.EvidenceHash} {
		t.Run(string(evidence), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, func(o *bot.Options) { o.Evidence = evidence })
				settled := d.sealed("mina", onSlack)
				d.decides(member("theo", onSlack), place(onSlack), ways[4].act(settled))
				waiting := d.sealed("mina", onSlack)
				d.restart(func(o *bot.Options) {
					c := o.Policy.Crowds[onSlack]
					c.Channels = []string{"C2"}
					o.Policy.Crowds[onSlack] = c
				})
				theo, there, third := member("theo", onSlack), place(onSlack), place(onSlack)
				third.Channel = "C3"
				elsewhere := there
				elsewhere.Workspace = "T2"
				showAll := func(r bot.Request) intake.Act {
					return intake.Act{Kind: intake.ActShowAll, Request: r.ID, Digest: short(r)}
				}
				for what, act := range map[string]intake.Act{
					"show of a settled one":     typed("recalls", "show "+string(settled.ID)),
					"Show all of a settled one": showAll(settled), "approval of a settled one": approving(settled),
					"list": typed("recalls", "list"), "find": typed("recalls", "find "+testGroup+" last:1"),
					"asking": typed("recall", testGroup+" 3"), "whoami": typed("recalls", "whoami"),
				} {
					d.nothing(what, theo, there, act, "wrong_channel")
				}
				for what, act := range map[string]intake.Act{"show": typed("recalls", "show "+string(waiting.ID)),
					"Show all": showAll(waiting), "approval": approving(waiting)} {
					d.nothing(what+" in a third channel", theo, third, act, "wrong_channel")
					d.nothing(what+" in another workspace", theo, elsewhere, act, "wrong_channel")
				}
				if a := d.do(theo, there, typed("recalls", "show "+string(waiting.ID))); a.Kind != intake.ShowCard {
					t.Errorf("show of the one that waits: %s", a.Refused)
				}
				if a := d.do(theo, there, showAll(waiting)); a.Kind != intake.ShowPage {
					t.Errorf("Show all of the one that waits: %s", a.Refused)
				}
				d.decides(theo, there, approving(waiting))
			})
		})
	}
}

// TestProtectedSenders holds that protected messages are named and not sent, and that a request
// whose senders cannot be read is refused.
func TestProtectedSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t,
			func(o *bot.Options) { o.Policy.Protected, o.Policy.Approvals = []recall.UserID{"boss", "ceo"}, 1 })
		for i := range 30 {
			d.chat.Say(testGroup, "", []string{"mallory", "boss", "mallory", "mallory", "ceo"}[i%5], "x")
		}
		r := d.asks("mina", onSlack, "1-20")
		d.pass(5 * time.Second)
		r = d.request(r.ID)
		c := d.screen.card(r.ID)
		said := ""
		for _, l := range c.Unusual {
			said += l.String() + "\n"
		}
		if r.Tally.Send != 12 || !strings.Contains(said, "Left out, by protected senders: ") ||
			!strings.Contains(said, "2, 5, 7, 10, 12, 15, 17, 20") {
			t.Errorf("%d would be sent; the card says %q", r.Tally.Send, said)
		}
		d.decides(member("theo", onSlack), place(onSlack), ways[0].act(r))
		d.pass(time.Minute)
		for seq := range uint32(20) {
			if protected := (seq+1)%5 == 2 || (seq+1)%5 == 0; d.chat.Recalled(testGroup, "", seq+1) == protected {
				t.Errorf("message %d, protected %v, recalled %v", seq+1, protected, !protected)
			}
		}
	})
}

// TestEarlier holds that a card lists earlier requests on any of its messages with verdict, by whom
// and why, so that nobody shops for an approver.
func TestEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		theo, at := member("theo", onSlack), place(onSlack)
		rejected := d.sealed("mina", onSlack)
		act := ways[4].act(rejected)
		act.Reason = "this is satire"
		d.decides(theo, at, act)
		withdrawn := d.sealed("nico", onSlack)
		d.do(member("nico", onSlack), at, typed("recalls", "withdraw "+string(withdrawn.ID)))
		apart := d.asks("nico", onSlack, "5")
		d.pass(5 * time.Second)
		d.decides(theo, at, ways[4].act(d.request(apart.ID)))

		r := d.asks("nico", onSlack, "2 3") // shares one message
		d.pass(5 * time.Second)
		r = d.request(r.ID)
		var ids []bot.RequestID
		for _, e := range r.Earlier {
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, []bot.RequestID{withdrawn.ID, rejected.ID}) {
			t.Fatalf("earlier: %v", ids)
		}
		said := ""
		for _, l := range d.screen.card(r.ID).Small {
			said += l.String() + "\n"
		}
		for _, want := range []string{string(rejected.ID) + " had some of these, rejected",
			"before by theo: this is satire",
			string(withdrawn.ID) + " had some of these, withdrawn", "before by nico"} {
			if !strings.Contains(said, want) {
				t.Errorf("the card lacks %q:\n%s", want, said)
			}
		}
	})
}

// TestEarlierNotHidden: who asks again and again and takes it back each time does not push a
// rejection off the card.
func TestEarlierNotHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		rejected := d.sealed("mina", onSlack)
		d.decides(member("theo", onSlack), place(onSlack), ways[4].act(rejected))
		var withdrawn []bot.RequestID
		for range 7 {
			r := d.sealed("nico", onSlack)
			d.do(member("nico", onSlack), place(onSlack), typed("recalls", "withdraw "+string(r.ID)))
			withdrawn = append([]bot.RequestID{r.ID}, withdrawn...)
		}
		r := d.sealed("nico", onSlack)
		var ids []bot.RequestID
		for _, e := range r.Earlier {
			ids = append(ids, e.ID)
		}
		if want := append(withdrawn[:4:4], rejected.ID); !slices.Equal(ids, want) {
			t.Errorf("earlier: %v, want %v", ids, want)
		}
		var lines []string
		for _, l := range d.screen.card(r.ID).Small {
			if strings.Contains(l.String(), "had some of these") {
				lines = append(lines, l.String())
			}
		}
		if len(lines) != 6 || lines[5] != "and 3 more had some of these" {
			t.Errorf("earlier requests: %q", lines)
		}
	})
}

// TestTooFewApprovers refuses what nobody could grant, where the platform could tell who approves.
func TestTooFewApprovers(t *testing.T) {
	accounts := func(p bot.Platform, names ...string) (l []bot.Account) {
		for _, n := range names {
			l = append(l, account(n, p))
		}
		return l
	}
	for _, test := range []struct {
		name      string
		roster    bot.Roster
		approvers []bot.Account
		unnamed   int
		known     bool
		ask       string
		want      string // "": taken
	}{
		{"enough", bot.Roster{}, accounts(onSlack, "theo", "ines"), 0, true, "1", ""},
		{"one too few", bot.Roster{}, accounts(onSlack, "theo"), 0, true, "1",
			"2 people besides you to approve it, and at most 1 could"},
		{"the requester does not count", bot.Roster{}, accounts(onSlack, "theo", "mina"), 0, true, "1", "at most 1"},
		{"nobody", bot.Roster{}, nil, 0, true, "1", "at most 0"},
		{"nobody knows", bot.Roster{}, nil, 0, false, "1", ""},
		{"a large one needs more", bot.Roster{}, accounts(onSlack, "theo", "ines"), 0, true, "1-3",
			"3 people besides you to approve it, and at most 2"},
		{"a filter needs the ordinary ones", bot.Roster{}, accounts(onSlack, "theo", "ines"), 0, true, "from:mallory",
			""},
		{"a filter with too few", bot.Roster{}, accounts(onSlack, "theo"), 0, true, "from:mallory", "at most 1"},
		{"one person's accounts are one, the requester's none", slackOnly(family),
			accounts(onSlack, "theo", "theo2", "mina2"), 0, true, "1", "at most 1"},
		{"who is not in the roster does not count", slackOnly(family), accounts(onSlack, "theo", "ola"), 0, true, "1",
			"at most 1"},
		{"with a roster, the other platform's approvers count", family, accounts(onSlack, "theo"), 0, true, "1", ""},
		{"told by number alone, enough", bot.Roster{}, nil, 2, true, "1", ""},
		{"told by number alone, too few", bot.Roster{}, nil, 1, true, "1", "at most 1"},
		{"told by number and by name", bot.Roster{}, accounts(onSlack, "theo", "mina"), 1, true, "1", ""},
		{"no more than the roster has people here", slackOnly(pair), nil, 9, true, "1", "at most 1"},
		{"as many as the roster has people here", slackOnly(family), nil, 9, true, "1-3", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t, with(test.roster),
					func(o *bot.Options) { o.Policy.LargeFrom, o.Policy.LargeApprovals = 3, 3 })
				m := member("mina", onSlack)
				m.Approvers, m.UnnamedApprovers, m.ApproversKnown = test.approvers, test.unnamed, test.known
				if test.want == "" {
					if a := d.do(m, place(onSlack),
						typed("recall", testGroup+" "+test.ask)); a.Kind != intake.Accepted {
						t.Errorf("%s: %s", a.Refused, text(a))
					}
					return
				}
				d.nothing("asking", m, place(onSlack), typed("recall", testGroup+" "+test.ask), "too_few_approvers")
				if a := d.do(m, place(onSlack), typed("recall", testGroup+" "+test.ask)); !strings.Contains(text(a),
					test.want) {
					t.Errorf("it says %q, want %q", text(a), test.want)
				}
			})
		})
	}
}

// TestTooFewForAFilter: a filter that finds so many that nobody could grant it is refused when it
// is sealed, in words on its card.
func TestTooFewForAFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t,
			func(o *bot.Options) { o.Policy.Approvals, o.Policy.LargeFrom, o.Policy.LargeApprovals = 1, 3, 2 })
		for range 4 {
			d.chat.Say(testGroup, "", "mallory", "x")
		}
		for _, test := range []struct {
			ask   string
			known bool
			want  bot.State
		}{{"from:mallory last:3", true, bot.Refused}, {"from:mallory last:2", true, bot.Proposed},
			{"from:mallory last:3", false, bot.Proposed}} {
			m := member("mina", onSlack)
			m.Approvers, m.ApproversKnown = []bot.Account{account("mina", onSlack), account("theo", onSlack)},
				test.known
			a := d.do(m, place(onSlack), typed("recall", testGroup+" "+test.ask))
			if a.Kind != intake.Accepted {
				t.Fatalf("%s: %s", test.ask, text(a))
			}
			d.pass(5 * time.Second)
			r := d.request(bot.RequestID(a.Lines[0][0].Text))
			if r.State != test.want {
				t.Errorf("%s, approvers known %v: %s %v", test.ask, test.known, r.State, r.RefusedFor)
			}
			const want = "3 messages would be recalled. That needs 2 people besides the requester to approve it, and at most 1 could"
			if r.State == bot.Refused && !strings.Contains(r.RefusedFor.String(), want) {
				t.Errorf("it says %q, want %q", r.RefusedFor, want)
			}
			d.do(m, place(onSlack), typed("recalls", "withdraw "+string(r.ID)))
		}
	})
}

// pair is a roster of two.
var pair = bot.Roster{People: []bot.Person{person("Mina", "mina", "mina2"), person("Theo", "theo", "theo2")}}

// slackOnly is a roster of people who have no Discord accounts.
func slackOnly(r bot.Roster) (out bot.Roster) {
	for _, p := range r.People {
		p.Accounts = slices.DeleteFunc(slices.Clone(p.Accounts),
			func(a bot.Account) bool { return a.Platform == onDiscord })
		out.People = append(out.People, p)
	}
	return out
}

// TestWhoami tells each person all of it: who they are, which accounts are theirs, what they may do
// here, and why not.
func TestWhoami(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, with(family), func(o *bot.Options) { o.Policy.Groups = []string{"@TGS#*"} })
		guest := member("theo", onSlack)
		guest.Trouble = bot.TroubleGuest
		odd := member("theo", onSlack)
		odd.Groups = append(odd.Groups, "UNRELATED")
		for _, test := range []struct {
			name        string
			m           bot.Member
			says, lacks []string
		}{
			{"one who may all", member("mina", onSlack), []string{
				"You are Mina", "slack:T1:UMINA", "discord:1,", "slack:UMINA2", "discord:11",
				"groups that count here you are in: LEADS", "You may ask",
				"You may approve and reject what others ask, never what you asked yourself", "You may find", "@TGS#*",
			}, []string{"may not"}},
			{"one who may approve", odd, []string{"You are Theo",
				"You may not ask for a recall: neither you nor a group of yours is named", "You may approve",
				"You may find"}, []string{"UNRELATED"}},
			{"one who may ask", member("nico", onDiscord), []string{"You are Nico", "discord:4",
				"slack:UNICO", "You may ask",
				"You may not approve or reject: neither you nor a group of yours is named"}, []string{"in: "}},
			{"one whom the roster does not know", member("ola", onSlack),
				[]string{"The roster does not know your account"}, []string{"You may ask", "You may approve", "@TGS"}},
			{"a guest", guest, []string{"You are Theo", "Guests cannot"}, []string{"You may ask", "You may approve",
				"@TGS"}},
		} {
			a := d.do(test.m, place(test.m.Account.Platform), typed("recalls", "whoami"))
			for _, s := range test.says {
				if !strings.Contains(text(a), s) {
					t.Errorf("%s: lacks %q:\n%s", test.name, s, text(a))
				}
			}
			for _, s := range test.lacks {
				if strings.Contains(text(a), s) {
					t.Errorf("%s: says %q:\n%s", test.name, s, text(a))
				}
			}
		}
		d.restart(with(bot.Roster{}))
		if a := d.do(member("ola", onSlack), place(onSlack), typed("recalls", "whoami")); !strings.Contains(text(a),
			"no roster") || !strings.Contains(text(a), "So you may not find") {
			t.Errorf("without a roster:\n%s", text(a))
		}
	})
}

// TestReminderAndExpiry lets time pass over a request that nobody decides: one reminder with the
// mention, loud; then the end, with no button left that decides.
func TestReminderAndExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t,
			func(o *bot.Options) { o.Policy.RemindAfter, o.Policy.ApproveWithin = time.Minute, 3*time.Minute })
		r := d.sealed("mina", onSlack)
		reminders := func() (notes []bot.Note) {
			d.screen.mu.Lock()
			defer d.screen.mu.Unlock()
			for _, n := range d.screen.notes[string(r.ID)] {
				if n.Loud || len(n.Notify) > 0 {
					notes = append(notes, n)
				}
			}
			return notes
		}
		d.pass(time.Until(r.Sealed.Add(time.Minute)) - time.Millisecond)
		if n := reminders(); len(n) > 0 {
			t.Errorf("reminded early: %+v", n)
		}
		d.pass(time.Second)
		for range 2 {
			if n := reminders(); len(n) != 1 || !n[0].Loud || !slices.Equal(n[0].Notify, []string{"LEADS"}) ||
				n[0].Mention != nil {
				t.Errorf("reminders: %+v", n)
			}
			d.restart()
			d.pass(45 * time.Second)
		}
		d.pass(time.Until(r.Deadline) - time.Millisecond)
		if got := d.request(r.ID); got.State != bot.Proposed {
			t.Errorf("%s before its deadline", got.State)
		}
		d.pass(2 * time.Second)
		got, c := d.request(r.ID), d.screen.card(r.ID)
		if got.State != bot.Expired || !got.Ended.Equal(r.Deadline) || !got.EndedBy.Zero() {
			t.Errorf("%s at %s by %+v", got.State, got.Ended, got.EndedBy)
		}
		if len(c.Buttons) != 2 || c.Buttons[0].Kind != bot.ButtonAskAgain || c.Buttons[1].Kind != bot.ButtonShowAll {
			t.Errorf("an expired card has the buttons %+v", c.Buttons)
		}
		if n := reminders(); len(n) != 1 {
			t.Errorf("reminders at the end: %+v", n)
		}
		if !strings.Contains(d.screen.thread(r.ID), "Nothing was recalled") {
			t.Errorf("the thread: %s", d.screen.thread(r.ID))
		}

		// One that is decided in time is not reminded of, nor one that was decided at the very
		// minute.
		r = d.sealed("mina", onSlack)
		d.pass(50 * time.Second)
		d.decides(member("theo", onSlack), place(onSlack), ways[4].act(r))
		d.pass(30 * time.Second)
		if n := reminders(); len(n) > 0 {
			t.Errorf("reminded of a settled one: %+v", n)
		}
	})
}
