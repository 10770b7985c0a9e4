package bot

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"recallbot/bot/command"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func slackAccount(user string) Account { return Account{Slack, "T1", user} }

func discordAccount(user string) Account { return Account{Discord, "discord", user} }

func member(a Account, groups ...string) Member {
	return Member{Account: a, Name: strings.ToLower(a.User), Groups: groups}
}

// leadsPolicy lets members of SLEADS, and some users by name, approve.
func leadsPolicy() Policy {
	p := DefaultPolicy()
	p.Crowds = map[Platform]Crowd{
		Slack: {Requesters: []Principal{{User: "MINA"}}, Approvers: []Principal{{Group: "SLEADS"}},
			Channels: []string{"C1"}},
		Discord: {Requesters: []Principal{{User: "1"}}, Approvers: []Principal{{Group: "9"}}, Channels: []string{"77"}},
	}
	return p
}

// proposed is a request by Mina on Slack that waits for decisions.
func proposed() Request {
	return Request{
		ID: "R-000001", App: 1400000000, State: Proposed,
		By:       Actor{Person: PersonID(slackAccount("MINA").String()), Account: slackAccount("MINA"), Name: "mina"},
		Accounts: []Account{slackAccount("MINA")},
		Place:    Place{Platform: Slack, Workspace: "T1", Channel: "C1"},
		Policy:   leadsPolicy(), Asked: noon, Sealed: noon, Deadline: noon.Add(30 * time.Minute), Digest: "d1",
		Needed: 1,
	}
}

func approval(user string) Decision {
	return Decision{Verdict: Approve, By: member(slackAccount(user), "SLEADS"),
		Place: Place{Platform: Slack, Workspace: "T1", Channel: "C1"}, Digest: "d1"}
}

func rules() Rules { return Rules{Policy: leadsPolicy(), Now: noon.Add(time.Minute)} }

// TestDecideGuards has a case for every guard of Decide that breaks that guard alone: with the
// guard gone, the case fails.
func TestDecideGuards(t *testing.T) {
	family := Roster{People: []Person{
		{Name: "Mina", Accounts: []Account{slackAccount("MINA"), slackAccount("MINA2"), discordAccount("1")}},
		{Name: "Theo", Accounts: []Account{slackAccount("THEO"), slackAccount("THEO2"), discordAccount("2")}},
		{Name: "Ines", Accounts: []Account{slackAccount("INES")}},
	}}
	strangers := Roster{People: []Person{
		{Name: "Mina", Accounts: []Account{slackAccount("MINA")}},
		{Name: "Minas other self", Accounts: []Account{slackAccount("MINA2")}},
		{Name: "Theo", Accounts: []Account{slackAccount("THEO")}},
		{Name: "Theos other self", Accounts: []Account{slackAccount("THEO2")}},
		{Name: "Ines", Accounts: []Account{slackAccount("INES")}},
	}}
	open := Roster{People: []Person{ // no team is named, as in most rosters
		{Name: "M. Mina", Accounts: []Account{{Slack, "", "MINA"}, {Slack, "", "MINA2"}, discordAccount("1")}},
		{Name: "T. Theo", Accounts: []Account{{Slack, "", "THEO"}, {Slack, "", "THEO2"}, discordAccount("2")}},
	}}
	withApproval := func(r *Request, user string) {
		r.Needed = 2
		r.Approvals = []Approval{{By: Actor{PersonID(slackAccount(user).String()), slackAccount(user), user},
			Digest: "d1", At: noon}}
	}
	for _, test := range []struct {
		name string
		turn func(r *Request, d *Decision, now *Rules)
		want string // the refusal's key, or the state that follows
	}{
		{"nothing is in the way", func(*Request, *Decision, *Rules) {}, "approved"},
		{"not an approver now", func(_ *Request, _ *Decision, now *Rules) {
			now.Policy.Crowds = map[Platform]Crowd{Slack: {Approvers: []Principal{{User: "SOMEBODY"}}}}
		}, "not_approver"},
		{"not an approver when it was asked", func(r *Request, _ *Decision, _ *Rules) {
			r.Policy.Crowds = map[Platform]Crowd{Slack: {Approvers: []Principal{{User: "SOMEBODY"}}}}
		}, "not_approver_then"},
		{"an account in trouble", func(_ *Request, d *Decision, _ *Rules) { d.By.Trouble = TroubleGuest },
			"trouble.guest"},
		{"an account that the roster does not know", func(_ *Request, d *Decision, now *Rules) {
			now.Roster, d.By.Account.User = family, "OLA"
		}, "not_in_roster"},
		{"still preparing", func(r *Request, _ *Decision, _ *Rules) { r.State = Preparing }, "still_preparing"},
		{"settled", func(r *Request, _ *Decision, _ *Rules) { r.State = Rejected }, "decided_already"},
		{"approved by enough people", func(r *Request, _ *Decision, _ *Rules) { r.State = Approved },
			"decided_already"},
		{"at the deadline", func(_ *Request, _ *Decision, now *Rules) { now.Now = noon.Add(30 * time.Minute) },
			"too_late"},
		{"just before the deadline", func(_ *Request, _ *Decision,
			now *Rules) {
			now.Now = noon.Add(30*time.Minute - time.Millisecond)
		}, "approved"},
		{"another digest", func(_ *Request, d *Decision, _ *Rules) { d.Digest = "d2" }, "stale_card"},
		{"no digest", func(_ *Request, d *Decision, _ *Rules) { d.Digest = "" }, "stale_card"},
		{"another workspace", func(_ *Request, d *Decision, _ *Rules) { d.Place.Workspace = "T2" }, "other_workspace"},
		{"another platform without a roster", func(_ *Request, d *Decision, _ *Rules) {
			d.By, d.Place.Platform = member(discordAccount("2"), "9"), Discord
		}, "other_platform"},
		{"another workspace with a roster", func(_ *Request, d *Decision, now *Rules) {
			now.Roster, now.Asked = family, family
			d.Place.Workspace = "T2"
		}, "other_workspace"},
		{"another platform, where there was no roster then", func(_ *Request, d *Decision, now *Rules) {
			now.Roster = family
			d.By, d.Place.Platform = member(discordAccount("2"), "9"), Discord
		}, "other_platform"},
		{"another platform, where there is no roster now", func(_ *Request, d *Decision, now *Rules) {
			now.Asked = family
			d.By, d.Place.Platform = member(discordAccount("2"), "9"), Discord
		}, "other_platform"},
		{"an account that the roster of then did not know", func(_ *Request, d *Decision, now *Rules) {
			now.Asked, d.By.Account.User = family, "OLA"
		}, "not_approver_then"},
		{"the requester, where their own account was all that was stored", func(r *Request, d *Decision, _ *Rules) {
			r.By.Person, d.By.Account.User = "somebody", "MINA"
		}, "own_request"},
		{"another platform with a roster", func(r *Request, d *Decision, now *Rules) {
			now.Roster, now.Asked = family, family
			d.By, d.Place.Platform = member(discordAccount("2"), "9"), Discord
		}, "approved"},
		{"the requester", func(_ *Request, d *Decision, _ *Rules) { d.By.Account.User = "MINA" }, "own_request"},
		{"the requester rejects", func(_ *Request, d *Decision,
			_ *Rules) {
			d.By.Account.User, d.Verdict = "MINA", Reject
		}, "own_reject"},
		{"the requester's other account, stored when it was asked", func(r *Request, d *Decision, _ *Rules) {
			r.Accounts = append(r.Accounts, slackAccount("MINA2"))
			d.By.Account.User = "MINA2"
		}, "own_request"},
		{"the requester's other account, by the roster of then", func(_ *Request, d *Decision, now *Rules) {
			now.Asked, now.Roster = family, strangers
			d.By.Account.User = "MINA2"
		}, "own_request"},
		{"the requester's other account, by the roster of now", func(_ *Request, d *Decision, now *Rules) {
			now.Asked, now.Roster = strangers, family
			d.By.Account.User = "MINA2"
		}, "own_request"},
		{"an account that the roster of then joins with one that the roster of now gives to the requester",
			func(_ *Request, d *Decision, now *Rules) {
				now.Asked = Roster{People: []Person{{Name: "Mina", Accounts: []Account{slackAccount("MINA")}},
					{Name: "Theo", Accounts: []Account{slackAccount("THEO"), discordAccount("2")}}}}
				now.Roster = Roster{People: []Person{{Name: "Mina", Accounts: []Account{slackAccount("MINA"),
					discordAccount("2")}}, {Name: "Theo", Accounts: []Account{slackAccount("THEO")}}}}
			}, "own_request"},
		{"an account that the roster of now joins with one that was the requester's by the roster of then",
			func(r *Request, d *Decision, now *Rules) {
				now.Asked = Roster{People: []Person{{Name: "Mina", Accounts: []Account{slackAccount("MINA"),
					discordAccount("2")}}, {Name: "Theo", Accounts: []Account{slackAccount("THEO")}}}}
				now.Roster = Roster{People: []Person{{Name: "Mina", Accounts: []Account{slackAccount("MINA")}},
					{Name: "Theo", Accounts: []Account{slackAccount("THEO"), discordAccount("2")}}}}
			}, "own_request"},
		{"the requester's person, whose account was taken out of the roster",
			func(r *Request, d *Decision, now *Rules) {
				r.By.Person, r.By.Account, r.Accounts = "Mina", slackAccount("MINA0"), nil
				now.Asked, now.Roster = strangers, strangers
				d.By.Account.User = "MINA"
			}, "own_request"},
		{"the requester's other account, in a roster that leaves the workspace open and names people anew",
			func(r *Request, d *Decision, now *Rules) {
				now.Asked, now.Roster = strangers, open
				d.By.Account.User = "MINA2"
			}, "own_request"},
		{"the requester's account of another platform, in such a roster", func(r *Request, d *Decision, now *Rules) {
			now.Asked, now.Roster = open, open
			r.By.Person, r.Accounts = "Mina", []Account{slackAccount("MINA")}
			d.By, d.Place.Platform = member(discordAccount("1"), "9"), Discord
		}, "own_request"},
		{"a second approval by the same person, in such a roster", func(r *Request, d *Decision, now *Rules) {
			withApproval(r, "THEO")
			r.Approvals[0].By.Account = discordAccount("2")
			now.Asked, now.Roster = open, open
		}, "approved_already"},
		{"a second approval by the same account", func(r *Request, _ *Decision, _ *Rules) { withApproval(r, "THEO") },
			"approved_already"},
		{"a second approval by the same person, by the roster of now", func(r *Request, d *Decision, now *Rules) {
			withApproval(r, "THEO")
			now.Asked, now.Roster = strangers, family
			d.By.Account.User = "THEO2"
		}, "approved_already"},
		{"a second approval by the same person, by the roster of then", func(r *Request, d *Decision, now *Rules) {
			withApproval(r, "THEO")
			now.Asked, now.Roster = family, strangers
			d.By.Account.User = "THEO2"
		}, "approved_already"},
		{"one of two", func(r *Request, _ *Decision, _ *Rules) { r.Needed = 2 }, "proposed"},
		{"two of two", func(r *Request, d *Decision, _ *Rules) {
			withApproval(r, "THEO")
			d.By.Account.User = "INES"
		}, "approved"},
		{"three approvals by two people do not make three", func(r *Request, d *Decision, now *Rules) {
			withApproval(r, "THEO")
			r.Needed = 3
			r.Approvals = append(r.Approvals, Approval{By: Actor{"Theos other self", slackAccount("THEO2"), "theo2"},
				Digest: "d1", At: noon})
			now.Asked, now.Roster = strangers, family
			d.By.Account.User = "INES"
		}, "proposed"},
		{"two approvals, one of them by an account that was linked to the requester meanwhile",
			func(r *Request, d *Decision, now *Rules) {
				withApproval(r, "MINA2")
				now.Asked, now.Roster = strangers, family
				d.By.Account.User = "INES"
			}, "proposed"},
		{"reject", func(_ *Request, d *Decision, _ *Rules) { d.Verdict = Reject }, "rejected"},
		{"an approval turned into a reject", func(r *Request, d *Decision, _ *Rules) {
			withApproval(r, "THEO")
			d.Verdict = Reject
		}, "rejected"},
		{"reject by a non-approver", func(_ *Request, d *Decision, _ *Rules) { d.Verdict, d.By.Groups = Reject, nil },
			"not_approver"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, d, now := proposed(), approval("THEO"), rules()
			test.turn(&r, &d, &now)
			before := r
			before.Approvals = slices.Clone(r.Approvals)
			next, err := Decide(r, d, now)
			got := string(next.State)
			if no, ok := errors.AsType[*Refusal](err); ok {
				got = no.Key
				if diff := cmp.Diff(before, next); diff != "" {
					t.Errorf("a refusal changed the request:\n%s", diff)
				}
			}
			if got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
			if diff := cmp.Diff(before.Approvals, r.Approvals); diff != "" {
				t.Errorf("Decide changed its argument:\n%s", diff)
			}
			if test.name == "an approval turned into a reject" && len(next.Approvals) != 0 {
				t.Errorf("the approval stayed: %v", next.Approvals)
			}
		})
	}
}

// ExampleState prints what each act makes of a request in each state. A dot is a refusal. The
// drawing in the package comment is this table.
func ExampleState() {
	acts := []struct {
		name string
		do   func(Request) (Request, error)
	}{
		{"seal", func(r Request) (Request, error) { return Propose(r, "d1", Tally{Total: 1, Send: 1}, false, noon) }},
		{"refuse", func(r Request) (Request, error) { return Refuse(r, nil, noon) }},
		{"approve", func(r Request) (Request, error) { return Decide(r, approval("THEO"), rules()) }},
		{"reject", func(r Request) (Request, error) {
			d := approval("THEO")
			d.Verdict = Reject
			return Decide(r, d, rules())
		}},
		{"withdraw", func(r Request) (Request, error) { return Withdraw(r, member(slackAccount("MINA")), rules()) }},
		{"begin", func(r Request) (Request, error) { return Begin(r, noon) }},
		{"stop", func(r Request) (Request, error) { return Stop(r, member(slackAccount("MINA")), rules()) }},
		{"unwind", func(r Request) (Request, error) { // what Stop has just ended, where that takes a while
			next, err := Stop(r, member(slackAccount("MINA")), rules())
			if err != nil || next.State != Stopped {
				return r, errors.New("nothing")
			}
			return unwind(next, false, noon), nil
		}},
		{"finish", func(r Request) (Request, error) { return Finish(r, noon) }},
		{"unbegun", func(r Request) (Request, error) { // Finish of what time ended before it began
			r.Begun = time.Time{}
			if r.State == Running {
				return r, errors.New("nothing")
			}
			return Finish(r, noon)
		}},
		{"time", func(r Request) (Request, error) {
			next, changed := Pass(r, time.Time{}, noon.Add(24*time.Hour))
			if !changed {
				return r, errors.New("nothing")
			}
			return next, nil
		}},
	}
	var head []string
	for _, a := range acts {
		head = append(head, fmt.Sprintf("%-11s", a.name))
	}
	fmt.Println(strings.TrimRight(fmt.Sprintf("%-11s %s", "", strings.Join(head, " ")), " "))
	for _, s := range States() {
		row := []string{fmt.Sprintf("%-11s", s)}
		for _, a := range acts {
			r := proposed()
			r.State, r.Granted, r.Begun = s, noon, noon
			next, err := a.do(r)
			if err != nil {
				row = append(row, fmt.Sprintf("%-11s", "."))
			} else {
				row = append(row, fmt.Sprintf("%-11s", next.State))
			}
		}
		fmt.Println(strings.TrimRight(strings.Join(row, " "), " "))
	}
	// Output:
	//             seal        refuse      approve     reject      withdraw    begin       stop        unwind      finish      unbegun     time
	// preparing   proposed    refused     .           .           withdrawn   .           .           .           .           .           refused
	// proposed    .           .           approved    rejected    withdrawn   .           .           .           .           .           expired
	// approved    .           .           .           .           .           running     stopped     stopping    .           .           not started
	// running     .           .           .           .           .           .           stopping    .           done        .           stopping
	// stopping    .           .           .           .           .           .           .           .           stopped     not started .
	// done        .           .           .           .           .           .           .           .           .           .           .
	// stopped     .           .           .           .           .           .           .           .           .           .           .
	// not started .           .           .           .           .           .           .           .           .           .           .
	// refused     .           .           .           .           .           .           .           .           .           .           .
	// withdrawn   .           .           .           .           .           .           .           .           .           .           .
	// rejected    .           .           .           .           .           .           .           .           .           .           .
	// expired     .           .           .           .           .           .           .           .           .           .           .
}

// FuzzDecide walks random histories, in which people press on both platforms and the roster changes
// between steps, and checks what must hold in each: nobody approves alone, nobody twice, nobody
// whom the roster of then or now does not know, nothing after the end.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, byte(seed), byte(seed/3))
	}
	accounts := []Account{
		slackAccount("MINA"), slackAccount("MINA2"), discordAccount("1"), slackAccount("THEO"), slackAccount("THEO2"),
		discordAccount("2"),
		slackAccount("INES"), discordAccount("3"), slackAccount("OLA"),
	}
	people := []string{"Mina", "Mina", "Mina", "Theo", "Theo", "Theo", "Ines", "Ines", "Ola"}
	// roster joins the accounts by these names, "" being left out. Every other one leaves the Slack
	// team open.
	roster := func(names []string, open bool) (r Roster) {
		for i, name := range names {
			a := accounts[i]
			if open && a.Platform == Slack {
				a.Workspace = ""
			}
			at := slices.IndexFunc(r.People, func(p Person) bool { return p.Name == name })
			switch {
			case name == "":
			case at < 0:
				r.People = append(r.People, Person{name, []Account{a}})
			default:
				r.People[at].Accounts = append(r.People[at].Accounts, a)
			}
		}
		return r
	}
	renamed := slices.Clone(people)
	for i := range renamed {
		renamed[i] = "the new " + renamed[i]
	}
	names := [][]string{
		people, // all is known
		renamed,
		{"Mina", "Minette", "Mona", "Theo", "Theodora", "Thea", "Ines", "Inge", "Ola"}, // nothing is joined
		{"Mina", "Minette", "Mina", "Theo", "Theo", "Thea", "Ines", "", ""},            // some is, some are left out
		nil, // no roster
	}
	// one tells whether two accounts are one person's by these names; without a roster an account
	// is a person.
	one := func(names []string, a, b int) bool {
		return a == b || names != nil && names[a] != "" && names[a] == names[b]
	}
	f.Fuzz(func(t *testing.T, seed uint64, needed, asked byte) {
		rng := rand.New(rand.NewPCG(seed, 1))
		then := names[int(asked)%len(names)]
		asker := rng.IntN(3)
		if then != nil && then[asker] == "" {
			asker = 0
		}
		now := Rules{Policy: leadsPolicy(), Asked: roster(then, seed%2 == 0), Now: noon}
		r := proposed()
		r.By.Account, r.Accounts = accounts[asker], now.Asked.Accounts(accounts[asker])
		r.By.Person, _ = now.Asked.Of(accounts[asker])
		r.Place = placeOf(accounts[asker])
		r.Needed = int(needed%3) + 1
		given := map[Account]int{} // which roster each approval was given under
		for range 40 {
			current := rng.IntN(len(names))
			today := names[current]
			now.Roster = roster(today, rng.IntN(2) == 0)
			now.Now = now.Now.Add(time.Duration(rng.IntN(3)) * time.Minute)
			by := rng.IntN(len(accounts))
			d := Decision{Verdict: Approve, By: member(accounts[by], "SLEADS", "9"), Place: placeOf(accounts[by]),
				Digest: "d1"}
			switch rng.IntN(24) {
			case 0, 1:
				d.Verdict = Reject
			case 2:
				d.Digest = "d2"
			case 3:
				d.By.Groups = nil
			case 4:
				d.By.Trouble = TroubleGuest
			case 5:
				d.Place.Workspace = "elsewhere"
			}
			before := r
			next, err := Decide(r, d, now)
			if _, ok := errors.AsType[*Refusal](err); err != nil && !ok {
				t.Fatalf("%v is not a Refusal", err)
			}
			if err != nil {
				if !reflect.DeepEqual(before, next) {
					t.Fatalf("a refusal changed the request:\n%s", cmp.Diff(before, next))
				}
				continue
			}
			unknown := func(names []string) bool { return names != nil && names[by] == "" }
			switch {
			case before.State != Proposed, !now.Now.Before(before.Deadline), d.Digest != before.Digest,
				d.By.Groups == nil, d.By.Trouble != "", unknown(then), unknown(today),
				d.Place.Platform == r.Place.Platform && d.Place.Workspace != r.Place.Workspace,
				d.Place.Platform != r.Place.Platform && (then == nil || today == nil),
				one(then, asker, by), one(today, asker, by):
				t.Fatalf("%+v was taken in state %s at %s, asked under %v, now %v", d, before.State, now.Now, then,
					today)
			}
			if next.State != Proposed && next.State != Approved && next.State != Rejected {
				t.Fatalf("it became %s", next.State)
			}
			if d.Verdict == Reject && next.State != Rejected || d.Verdict == Approve &&
				len(next.Approvals) != len(before.Approvals)+1 {
				t.Fatalf("%s made it %s with %d approvals", d.Verdict, next.State, len(next.Approvals))
			}
			if d.Verdict == Approve {
				given[accounts[by]] = current
			}
			for i, a := range next.Approvals {
				x := slices.Index(accounts, a.By.Account)
				if a.Digest != next.Digest || one(then, asker, x) || one(names[given[a.By.Account]], asker, x) {
					t.Fatalf("an approval by %s", a.By.Account)
				}
				for _, b := range next.Approvals[:i] {
					// Whoever approves is told apart from those before under the rosters of that
					// moment.
					y := slices.Index(accounts, b.By.Account)
					if one(then, x, y) || one(names[given[a.By.Account]], x, y) {
						t.Fatalf("%s and %s are one person", a.By.Account, b.By.Account)
					}
				}
			}
			if next.State == Approved {
				// Among those who approved there are as many who are pairwise different people, and
				// not the requester, then and now.
				others := slices.DeleteFunc(slices.Clone(next.Approvals),
					func(a Approval) bool { return one(today, asker, slices.Index(accounts, a.By.Account)) })
				if !enough(others, next.Needed, func(a, b Approval) bool {
					x, y := slices.Index(accounts, a.By.Account), slices.Index(accounts, b.By.Account)
					return !one(then, x, y) && !one(today, x, y)
				}) {
					t.Fatalf("granted by %v, needed %d", next.Approvals, next.Needed)
				}
			}
			r = next
		}
	})
}

func placeOf(a Account) Place {
	if a.Platform == Discord {
		return Place{Platform: Discord, Workspace: "G1", Channel: "77"}
	}
	return Place{Platform: Slack, Workspace: "T1", Channel: "C1"}
}

// enough reports whether n of the approvals are pairwise different.
func enough(approvals []Approval, n int, differ func(a, b Approval) bool) bool {
	if n <= 0 {
		return true
	}
	for i, a := range approvals {
		var rest []Approval
		for _, b := range approvals[i+1:] {
			if differ(a, b) {
				rest = append(rest, b)
			}
		}
		if enough(rest, n-1, differ) {
			return true
		}
	}
	return false
}

// TestGroupWithoutName: a group whose name is not known is named by its id.
func TestGroupWithoutName(t *testing.T) {
	r := Request{Scope: command.Scope{Group: "@TGS#1"}}
	if got := WhereNamed(r).String(); got != "@TGS#1" {
		t.Errorf("%q", got)
	}
	r.Parts = []Part{{Talk: TalkOf(r.Scope), Facts: GroupFacts{Name: "Lounge"}}}
	if got := WhereNamed(r).String(); got != "Lounge" {
		t.Errorf("%q", got)
	}
}
