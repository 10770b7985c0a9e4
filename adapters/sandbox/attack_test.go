package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"

	gocmp "github.com/google/go-cmp/cmp"
)

// arena is a sandbox in which somebody tries what they must not. Beside its people there are second
// accounts, in the approvers' group like all who attack, so that nothing but the guard under test
// stands in the way.
type arena struct {
	*testing.T
	*Sandbox
	p     bot.Platform // where it is asked
	hands map[bot.Platform]*hands
}

// hands are people of a platform who do what they must not, with honest clients and others. Where
// at is not "", everything happens in that channel and not in the one of the policy.
type hands struct {
	*side
	bottest.Forger
	at string
}

func (h *hands) place() string { return cmp.Or(h.at, h.home.Channel()) }

// on is the card of a request where things happen; only the channel where there is none.
func (h *hands) on(r bot.Request) bottest.Shown {
	if m, err := h.find(string(r.ID)); err == nil && h.at == "" {
		return m
	}
	return bottest.Shown{Ref: bot.Ref{Channel: h.place()}}
}

func (h *hands) typed(user, line string) error { return h.done(h.Type(user, h.place(), line)) }

// press presses a button of the request's card in the channel, or, with alone, of the newest
// message that only user sees. A button that is not there is pressed all the same, as a manipulated
// client may.
func (h *hands) press(user string, r bot.Request, b bot.ButtonKind, digest string, alone bool) error {
	on := h.on(r)
	for _, m := range h.Alone(user) {
		if alone && h.at == "" && !m.Window {
			on = m
		}
	}
	if h.Holds(on, b, carries(b, r.ID, digest)) {
		return h.done(h.Press(user, on.Ref, bottest.Labels[string(b)]))
	}
	return h.done(h.Forge(user, on.Ref, b, carries(b, r.ID, digest)))
}

// send sends the form of a verdict and returns what it is answered with in place.
func (h *hands) send(user string, r bot.Request, v bot.Verdict, digest string) (string, error) {
	values := map[string]string{"reason": "no"}
	if v == bot.Approve {
		values = map[string]string{"count": fmt.Sprint(r.Tally.Send)}
	}
	d := h.Verdict(user, h.on(r).Ref, r.ID, v, digest, values)
	err := h.done(d)
	return h.Said(d), err
}

// asks sends the form of /recall.
func (h *hands) asks(user string) (string, error) {
	d := h.Ask(user, bot.Ref{Channel: h.place()}, map[string]string{"group": Group, "what": "103"})
	err := h.done(d)
	return h.Said(d), err
}

func (h *hands) again() error { return h.Repeat(h.last) }

func (h *hands) recallFound(user string) error {
	return h.done(h.Found(user, bot.Ref{Channel: h.place()}))
}

// filling reports whether somebody has a form open.
func (h *hands) filling(user string) bool {
	_, open := h.Form(user)
	return open
}

// attackers are the people of the sandbox, the second accounts of two of them, and somebody whom
// only Leads knows.
var attackers = append(slices.Clone(cast), bottest.Person{Name: "mina2"}, bottest.Person{Name: "theo2"},
	bottest.Person{Name: "extra"})

// of is somebody's user id, a second account among them.
func (a *arena) of(name string, on bot.Platform) string {
	a.Helper()
	user, err := a.sides[on].account(name)
	if err != nil {
		a.Fatal(err)
	}
	return user
}

func (a *arena) account(user string, on bot.Platform) bot.Account {
	workspace := cmp.Or(on.Traits().Workspace, a.hands[on].Workspace())
	return bot.Account{Platform: on, Workspace: workspace, User: user}
}

// joined is a roster in which each of these has the accounts of those named behind the colon:
// "Mina:mina mina2".
func (a *arena) joined(families []string) (r bot.Roster) {
	for _, entry := range families {
		name, accounts, _ := strings.Cut(entry, ":")
		p := bot.Person{Name: name}
		for _, own := range strings.Fields(accounts) {
			for on, side := range a.sides {
				if account, ok := side.known.Account(a.of(own, on)); ok {
					p.Accounts = append(p.Accounts, account)
				}
			}
		}
		r.People = append(r.People, p)
	}
	return r
}

var (
	families = []string{"Mina:mina mina2", "Theo:theo theo2", "Ines:ines", "Remy:remy"}
	loners   = []string{"Mina:mina", "Minette:mina2", "Theo:theo", "Theodora:theo2", "Ines:ines", "Remy:remy"}
)

// otherThan is another platform than p; p itself where it is the only one.
func otherThan(p bot.Platform) bot.Platform {
	for _, id := range adapters.IDs() {
		if id != p {
			return id
		}
	}
	return p
}

// enter makes an arena. With a roster both platforms are there, else the one alone.
func enter(t *testing.T, p bot.Platform, byHTTP bool, roster []string) *arena {
	t.Helper()
	return enterWith(t, p, byHTTP, roster, func(*Options) {})
}

// enterWith is enter with other options.
func enterWith(t *testing.T, p bot.Platform, byHTTP bool, roster []string, change func(*Options)) *arena {
	t.Helper()
	o := Options{Platforms: []bot.Platform{p}, People: attackers, HTTP: byHTTP, Policy: bot.DefaultPolicy()}
	o.Policy.Approvals, o.Policy.ApproveWithin, o.Policy.RemindAfter = 2, 3*time.Minute, time.Hour
	if roster != nil {
		o.Platforms = append(o.Platforms, otherThan(p))
	}
	if _, err := os.Stat("/dev/shm"); err == nil {
		o.Folder = "/dev/shm"
	}
	change(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	a := &arena{T: t, Sandbox: s, p: p, hands: map[bot.Platform]*hands{}}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for on, side := range s.sides {
		a.hands[on] = &hands{side: side, Forger: side.home.Forger()}
		side.home.Lenient(0) // the attacks come faster than people press
		var users []string
		for _, p := range attackers {
			if p.Approves || !p.Asks {
				users = append(users, a.of(p.Name, on))
			}
		}
		a.hands[on].Leads(users...)
	}
	if roster != nil {
		a.restart(a.joined(roster))
	}
	return a
}

// restart starts the bot anew with a roster.
func (a *arena) restart(r bot.Roster) {
	a.Helper()
	a.roster = r
	if err := errors.Join(a.Stop(), a.Start()); err != nil {
		a.Fatal(err)
	}
	synctest.Wait() // it has told the audit log that it was started
}

// otherLeads starts the bot anew with another group as approvers.
func (a *arena) otherLeads(names ...string) {
	a.Helper()
	var users []string
	for _, name := range names {
		users = append(users, a.of(name, a.p))
	}
	c, err := a.Sandbox.config()
	if err != nil {
		a.Fatal(err)
	}
	crowd := c.Policy.Crowds[a.p]
	crowd.Approvers = []bot.Principal{{Group: a.hands[a.p].Others(users...)}}
	a.crowds = map[bot.Platform]bot.Crowd{a.p: crowd}
	a.restart(bot.Roster{})
}

func (a *arena) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// request is a request as it is stored.
func (a *arena) request(id bot.RequestID) (r bot.Request) {
	a.Helper()
	if err := a.View(func(tx bot.Tx) (err error) { r, err = tx.Request(id); return err }); err != nil {
		a.Fatal(err)
	}
	return r
}

// asks lets somebody ask where the arena is, and returns the request as it is after a while.
func (a *arena) asks(name, seqs string) bot.Request {
	a.Helper()
	if err := a.hands[a.p].typed(a.of(name, a.p), "/recall "+Group+" "+seqs); err != nil {
		a.Fatal(err)
	}
	a.pass(3 * time.Second)
	ids, err := a.Requests()
	if err != nil || len(ids) == 0 {
		a.Fatalf("nothing was asked: %v; %s reads %q", err, name, pictures(a.hands[a.p].hears(a.of(name, a.p))))
	}
	return a.request(bot.RequestID(ids[len(ids)-1]))
}

func (a *arena) sealed(name string) bot.Request {
	a.Helper()
	r := a.asks(name, "100 101")
	if r.State != bot.Proposed {
		a.Fatalf("%s: %v", r.State, r.RefusedFor)
	}
	return r
}

// sweeps asks for the messages of one sender in two groups.
func (a *arena) sweeps(name string) bot.Request {
	a.Helper()
	const other = "@TGS#OTHER"
	a.chat.AddGroup(recalltest.Group{ID: other, Name: "Other"})
	a.chat.Say(other, "", "mallory", "elsewhere")
	a.chat.Join(Group, "mallory")
	a.chat.Join(other, "mallory")
	if err := a.hands[a.p].typed(a.of(name, a.p), "/recall in:joined from:mallory"); err != nil {
		a.Fatal(err)
	}
	a.pass(3 * time.Second)
	ids, err := a.Requests()
	if err != nil || len(ids) == 0 {
		a.Fatalf("nothing was asked: %v; %s reads %q", err, name, pictures(a.hands[a.p].hears(a.of(name, a.p))))
	}
	r := a.request(bot.RequestID(ids[len(ids)-1]))
	if r.State != bot.Proposed || len(r.Parts) != 2 {
		a.Fatalf("%s: %v, %d groups", r.State, r.RefusedFor, len(r.Parts))
	}
	return r
}

func small(r bot.Request) string { return r.Digest[:min(len(r.Digest), bot.DigestShort)] }

// decides holds that a decision takes effect, so that a case in which all is refused proves
// something.
func (a *arena) decides(name string, on bot.Platform, r bot.Request, v bot.Verdict) bot.Request {
	a.Helper()
	said, err := a.hands[on].send(a.of(name, on), r, v, small(r))
	if err != nil {
		a.Fatal(err)
	}
	a.pass(time.Second)
	after := a.request(r.ID)
	if v == bot.Approve && len(after.Approvals) != len(r.Approvals)+1 || v == bot.Reject &&
		after.State != bot.Rejected {
		a.Fatalf("%s by %s made it %s with %d approvals: %s %q", v, name, after.State, len(after.Approvals), said,
			pictures(a.hands[on].hears(a.of(name, on))))
	}
	a.hands[on].hears(a.of(name, on))
	return after
}

// path is a way to decide, as people and their clients have it. at names the card that is pressed.
type path struct {
	name    string
	verdict bot.Verdict
	away    bool // it is there on the other platform as well
	do      func(h *hands, user string, r bot.Request, digest string) (string, error)
}

// show asks for a copy of the card by text, and presses a button of it.
func show(b bot.ButtonKind) func(h *hands, user string, r bot.Request, digest string) (string, error) {
	return func(h *hands, user string, r bot.Request, digest string) (string, error) {
		if err := h.typed(user, "/recalls show "+string(r.ID)); err != nil {
			return "", err
		}
		synctest.Wait()
		shown := strings.Join(pictures(h.hears(user)), "\n")
		if !strings.Contains(shown, "Asked by") {
			return shown, nil // it was not shown, and that is the answer
		}
		return "", h.press(user, r, b, digest, true)
	}
}

func press(b bot.ButtonKind) func(h *hands, user string, r bot.Request, digest string) (string, error) {
	return func(h *hands, user string, r bot.Request, digest string) (string, error) {
		return "", h.press(user, r, b, digest, false)
	}
}

func send(v bot.Verdict) func(h *hands, user string, r bot.Request, digest string) (string, error) {
	return func(h *hands, user string, r bot.Request, digest string) (string, error) {
		return h.send(user, r, v, digest)
	}
}

var paths = []path{
	{"Approve on the card", bot.Approve, false, press(bot.ButtonApprove)},
	{"Reject on the card", bot.Reject, false, press(bot.ButtonReject)},
	{"the form with the number", bot.Approve, true, send(bot.Approve)},
	{"the form with the reason", bot.Reject, true, send(bot.Reject)},
	{"Approve under show", bot.Approve, true, show(bot.ButtonApprove)},
	{"Reject under show", bot.Reject, true, show(bot.ButtonReject)},
	{stopTyped, bot.Reject, true, func(h *hands, user string, r bot.Request, _ string) (string, error) {
		return "", h.typed(user, "/recalls stop "+string(r.ID))
	}},
}

// without is what the button Ask again without carries, which stands below a page.
const without bot.ButtonKind = "without"

// stopTyped is the path that presses no card.
const stopTyped = "stop, typed"

// phrases are what a person reads of each refusal.
var phrases = map[string]string{
	"own_request":            "You asked for this recall, so someone else has to approve it",
	"may_not_stop":           "Only the person who asked, or an approver, can stop this",
	"not_allowed":            "You may neither ask for recalls nor approve them here",
	"not_requester":          "You are not among those who may ask for a recall",
	"not_approver":           "You are not among those who may approve or reject a recall",
	"not_approver_then":      "You were not among the approvers when this was asked",
	"not_in_roster":          "Your account is not in the roster",
	"too_few_approvers":      "This needs 2 people besides you to approve it, and at most 1 could just now",
	"approved_already":       "You have approved this already",
	"still_preparing":        "The messages are still being read",
	"decided_already":        "This is no longer open",
	"stale_card":             "This card does not show what is waiting now",
	"other_workspace":        "This was asked in another workspace or server",
	"no_such_request":        "There is no request",
	"other_copy":             "This copy of the bot does not know",
	"wrong_channel":          "The bot is not set up for this channel",
	"wrong_count":            "Nothing was approved",
	"overlap":                "is not finished",
	"apart_gone":             "unlike the rest is no longer kept",
	"trouble.bot":            "Bots cannot ask",
	"trouble.workflow":       "Workflow bots cannot ask",
	"trouble.deactivated":    "This account is deactivated",
	"trouble.guest":          "Guests cannot ask",
	"trouble.foreign":        "Your account belongs to another organisation or workspace",
	"trouble.pending":        "You have not completed this server's membership screening",
	"trouble.timed_out":      "You are timed out on this server",
	"trouble.wrong_guild":    "The bot is not set up for this server",
	"trouble.user_installed": "The bot was added to your account only",
	"trouble.direct_message": "This does not work in direct messages",
	"trouble.ext_shared":     "This channel is shared with another organisation",
}

// refused lets a user try every path on a platform, and holds each to this: nothing is recalled, no
// request changes, the person reads why, and the audit log has one more refusal, which names them
// and never the bot. want is the reason, or those of approving and of rejecting with a space
// between.
func (a *arena) refused(user string, on bot.Platform, r bot.Request, want string, only ...bot.Verdict) {
	a.Helper()
	a.refusedOn(user, on, r, small(r), want, only...)
}

func (a *arena) refusedOn(user string, on bot.Platform, r bot.Request, digest, want string, only ...bot.Verdict) {
	a.Helper()
	for _, way := range paths {
		if on != a.p && !way.away || len(only) > 0 && !slices.Contains(only, way.verdict) {
			continue
		}
		if way.name == stopTyped && digest != small(r) {
			continue
		}
		why := want
		if approve, reject, two := strings.Cut(want, " "); two {
			why = map[bot.Verdict]string{bot.Approve: approve, bot.Reject: reject}[way.verdict]
		}
		if way.name == stopTyped && why == "not_approver" {
			why = "may_not_stop"
		}
		a.nothing(way.name, user, on, r.ID, why, func() (string, error) { return way.do(a.hands[on], user, r, digest) })
	}
}

// reads lets a user try everything that reads, or asks, and holds each to being refused and to
// telling nothing: not a word of a message, not who sent it, not even what the group is called.
// only names what is tried; nothing is all.
func (a *arena) reads(user string, r bot.Request, want string, only ...string) {
	a.Helper()
	h := a.hands[a.p]
	history := a.chat.Calls(recalltest.History)
	line := func(line string) func() (string, error) {
		return func() (string, error) { return "", h.typed(user, line) }
	}
	for _, try := range []struct {
		name string
		asks bool // it needs the right to ask
		id   bot.RequestID
		do   func() (string, error)
	}{
		{"the form", true, "", line("/recall")},
		{"the form, sent", true, "", func() (string, error) { return h.asks(user) }},
		{"asking", true, "", line("/recall " + Group + " 103")},
		{"the button under find", true, "", func() (string, error) { return "", h.recallFound(user) }},
		{"find", false, "", line("/recalls find " + Group + " last:5")},
		{"list", false, "", line("/recalls list open")},
		{"list of a group", false, "", line("/recalls list " + Group)},
		{"show", false, r.ID, line("/recalls show " + string(r.ID))},
		{"show of one that is not there", false, "R-000000", line("/recalls show R-000000")},
		{"Show all", false, r.ID,
			func() (string, error) { return "", h.press(user, r, bot.ButtonShowAll, small(r), false) }},
		{"Ask again", true, r.ID,
			func() (string, error) { return "", h.press(user, r, bot.ButtonAskAgain, small(r), false) }},
		{"Ask again without", true, r.ID,
			func() (string, error) { return "", h.press(user, r, without, small(r), false) }},
		{"withdraw", false, r.ID, line("/recalls withdraw " + string(r.ID))},
		{"stop", false, r.ID, line("/recalls stop " + string(r.ID))},
	} {
		if len(only) > 0 && !slices.Contains(only, try.name) {
			continue
		}
		why := want
		if try.asks && want == "not_allowed" {
			why = "not_requester"
		}
		said := a.nothing(try.name, user, a.p, try.id, why, try.do)
		for _, secret := range []string{"coins", "mallory", "Lounge", "103", "mina", "Mina", string(r.ID), r.Digest} {
			if strings.Contains(said, secret) {
				a.Errorf("%s tells %s %q: %s", try.name, user, secret, said)
			}
		}
		if h.filling(user) {
			a.Errorf("%s opened a form for %s", try.name, user)
		}
	}
	logged := a.logged()
	if offered := h.Complete(user, h.place(), "TGS"); len(offered) > 0 || a.logged() != logged {
		a.Errorf("%s is offered %q", user, offered)
	}
	if n := a.chat.Calls(recalltest.History); n != history {
		a.Errorf("history was read %d times for %s", n-history, user)
	}
}

// nothing holds a deed to having done nothing but to be refused, and returns what the person reads.
func (a *arena) nothing(name, user string, on bot.Platform, id bot.RequestID, want string,
	do func() (string, error)) (said string) {
	a.Helper()
	name = fmt.Sprintf("%s by %s on %s", name, user, on)
	before, logged := a.everything(), a.logged()
	a.hands[on].hears(user)
	said, err := do()
	if err != nil {
		a.Errorf("%s: %v", name, err)
		return said
	}
	for range 8 { // the platform's own pauses may come between: a card is repaired first
		a.pass(100 * time.Millisecond)
		said += strings.Join(pictures(a.hands[on].hears(user)), "\n")
		if strings.Contains(flat(said), phrases[want]) {
			break
		}
		a.pass(time.Second)
	}
	if phrases[want] == "" || !strings.Contains(flat(said), phrases[want]) {
		a.Errorf("%s: they read %q, want %q (%s)", name, said, phrases[want], want)
	}
	if diff := gocmp.Diff(before, a.everything()); diff != "" {
		a.Errorf("%s changed something:\n%s", name, diff)
	}
	refusals := 0
	for _, e := range a.since(logged) {
		var more struct{ Why string }
		if err := json.Unmarshal(e.Detail, &more); err != nil {
			a.Fatal(err)
		}
		if e.What == "api" && e.Actor == "bot" { // a request that is being prepared goes on being read
			continue
		}
		if e.Actor != a.account(user, on).String() || e.Event == "" || e.What != "read" && e.What != "refused" &&
			e.What != "api" {
			a.Errorf("%s: audited as %s by %s: %s", name, e.What, e.Actor, e.Detail)
		}
		if e.What == "refused" {
			refusals++
			if more.Why != want || e.Request != id {
				a.Errorf("%s: audited as refused for %s, of %q", name, more.Why, e.Request)
			}
		}
	}
	if refusals != 1 {
		a.Errorf("%s: %d refusals were audited, want 1", name, refusals)
	}
	return said
}

// flat takes away how a text was laid out.
func flat(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "\\", "", "·", "").Replace(s)), " ")
}

// everything is what an attack may not change.
func (a *arena) everything() any {
	a.Helper()
	var all []bot.Request
	if err := a.View(
		func(tx bot.Tx) (err error) { all, err = tx.Requests(bot.Query{Limit: 1000}); return err }); err != nil {
		a.Fatal(err)
	}
	return struct {
		Requests []bot.Request
		Calls    int
	}{all, a.chat.Calls(recalltest.Recall)}
}

// logged is how many entries the audit log has.
func (a *arena) logged() (n int64) {
	a.Helper()
	if err := a.View(func(tx bot.Tx) (err error) { n, _, err = tx.Head(); return err }); err != nil {
		a.Fatal(err)
	}
	return n
}

// since is the audit log after the first n entries.
func (a *arena) since(n int64) (log []bot.Entry) {
	a.Helper()
	if err := a.View(func(tx bot.Tx) (err error) { log, err = tx.Entries(n+1, 1<<20); return err }); err != nil {
		a.Fatal(err)
	}
	return log
}

// carries is what a button carries.
func carries(b bot.ButtonKind, id bot.RequestID, digest string) string {
	return "v1:" + string(b) + ":" + string(id) + ":" + digest
}

// delivery is a way in which what people do reaches the bot.
type delivery struct {
	name   string
	p      bot.Platform
	byHTTP bool
}

// deliveries are all of them.
func deliveries() (l []delivery) {
	for _, p := range adapters.IDs() {
		l = append(l, delivery{string(p) + ", connected", p, false}, delivery{string(p) + ", by HTTP", p, true})
	}
	return l
}

// TestAttack tries every attack of the one door over the wire: with the real adapters, bot and
// ledger, on each platform and by each kind of delivery.
func TestAttack(t *testing.T) {
	for _, delivery := range deliveries() {
		for _, attack := range attacks {
			if attack.roster != nil && otherThan(delivery.p) == delivery.p {
				continue // it joins accounts on two platforms
			}
			t.Run(delivery.name+"/"+attack.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t,
					func(t *testing.T) { attack.try(enter(t, delivery.p, delivery.byHTTP, attack.roster)) })
			})
		}
	}
}

// TestTooFewApprovers: where the approvers' group is too small for the policy, whoever asks left
// out, a new request is refused with the reason, and one that waits already goes on waiting.
func TestTooFewApprovers(t *testing.T) {
	for _, delivery := range deliveries() {
		t.Run(delivery.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := enter(t, delivery.p, delivery.byHTTP, nil)
				waiting := a.sealed("mina")
				mina, h := a.of("mina", a.p), a.hands[a.p]
				h.Leads(mina, a.of("theo", a.p))
				a.pass(time.Minute) // so long it may take to be noticed
				for _, what := range []string{"103", "from:mallory last:1"} {
					a.nothing("asking for "+what, mina, a.p, "", "too_few_approvers",
						func() (string, error) { return "", h.typed(mina, "/recall "+Group+" "+what) })
				}
				if r := a.request(waiting.ID); r.State != bot.Proposed {
					t.Errorf("the one that waited is %s", r.State)
				}
				h.Leads(mina, a.of("theo", a.p), a.of("ines", a.p))
				a.pass(time.Minute)
				if r := a.asks("mina", "103"); r.ID == waiting.ID || r.State != bot.Proposed {
					t.Errorf("with enough approvers: %s is %s", r.ID, r.State)
				}
			})
		})
	}
}

var attacks = []struct {
	name   string
	roster []string // nil: none, and the platform alone
	try    func(a *arena)
}{
	{"the requester", nil, func(a *arena) {
		r := a.sealed("mina")
		a.refused(a.of("mina", a.p), a.p, r, "own_request", bot.Approve)
		// With nothing in the way each form decides.
		r = a.decides("theo", a.p, r, bot.Approve)
		a.decides("ines", a.p, r, bot.Reject)
	}},
	{"the requester of a request over several groups", families, func(a *arena) {
		r := a.sweeps("mina")
		a.refused(a.of("mina", a.p), a.p, r, "own_request", bot.Approve)
		a.refused(a.of("mina2", otherThan(a.p)), otherThan(a.p), r, "own_request", bot.Approve)
		a.refusedOn(a.of("theo", a.p), a.p, r, strings.Repeat("0", bot.DigestShort), "stale_card")
		r = a.decides("theo", a.p, r, bot.Approve)
		a.decides("ines", a.p, r, bot.Reject)
	}},
	{"the requester rejects, by every way and from any account: it is taken back, and approved by nobody", families,
		func(a *arena) {
			for _, way := range paths {
				for _, on := range []bot.Platform{a.p, otherThan(a.p)} {
					if way.verdict != bot.Reject || on != a.p && !way.away {
						continue
					}
					r := a.sealed("mina")
					if said, err := way.do(a.hands[on], a.of("mina2", on), r, small(r)); err != nil {
						a.Errorf("%s on %s: %v %s", way.name, on, err, said)
					}
					a.pass(time.Second)
					a.hands[on].hears(a.of("mina2", on))
					after := a.request(r.ID)
					if after.State != bot.Withdrawn || len(after.Approvals) > 0 ||
						after.EndedBy.Account.User != a.of("mina2", on) {
						a.Errorf("%s on %s: %s by %v", way.name, on, after.State, after.EndedBy)
					}
				}
			}
			if n := a.chat.Calls(recalltest.Recall); n != 0 {
				a.Errorf("%d recalls were called", n)
			}
		}},
	{"the requester's other accounts, linked before asking", families, func(a *arena) {
		r := a.sealed("mina")
		a.refused(a.of("mina2", a.p), a.p, r, "own_request", bot.Approve)
		a.refused(a.of("mina", otherThan(a.p)), otherThan(a.p), r, "own_request", bot.Approve)
		a.refused(a.of("mina2", otherThan(a.p)), otherThan(a.p), r, "own_request", bot.Approve)
		r = a.decides("theo", otherThan(a.p), r, bot.Approve)
		a.decides("ines", otherThan(a.p), r, bot.Reject)
	}},
	{"the requester's other accounts, linked after asking", loners, func(a *arena) {
		r := a.sealed("mina")
		a.restart(a.joined(families))
		a.refused(a.of("mina2", a.p), a.p, r, "own_request", bot.Approve)
		a.refused(a.of("mina2", otherThan(a.p)), otherThan(a.p), r, "own_request", bot.Approve)
	}},
	{"asking again for what waits, and for it without what is unlike the rest", nil, func(a *arena) {
		h, again := a.hands[a.p], []bot.ButtonKind{bot.ButtonAskAgain, without}
		press := func(name string, r bot.Request, b bot.ButtonKind) func() (string, error) {
			return func() (string, error) { return "", h.press(a.of(name, a.p), r, b, small(r), false) }
		}
		few := a.sealed("mina")
		a.nothing("Ask again without, of two", a.of("mina", a.p), a.p, few.ID, "apart_gone",
			press("mina", few, without))
		first := a.chat.Say(Group, "", "mallory", "win 1 coins")
		for i := range 20 {
			words := fmt.Sprintf("win %d coins", i)
			if i == 7 {
				words = "mods please"
			}
			a.chat.Say(Group, "", "mallory", words)
		}
		r := a.decides("theo", a.p, a.asks("mina", fmt.Sprintf("%d-%d", first, first+20)), bot.Approve)
		for _, b := range again {
			a.nothing(string(b), a.of("theo", a.p), a.p, r.ID, "not_requester", press("theo", r, b))
			a.nothing(string(b), a.of("ines", a.p), a.p, r.ID, "overlap", press("ines", r, b))
		}
		for i, b := range again {
			if said, err := press("mina", r, b)(); err != nil {
				a.Fatal(err, said)
			}
			a.pass(3 * time.Second)
			all, err := a.Requests()
			if err != nil {
				a.Fatal(err)
			}
			old := a.request(r.ID)
			r = a.request(bot.RequestID(all[len(all)-1]))
			if old.State != bot.Withdrawn || r.State != bot.Proposed || len(r.Approvals) != 0 || r.Tally.Send != 21-i ||
				r.By.Account.User != a.of("mina", a.p) {
				a.Errorf("%s: the old one is %s, the new one %s for %d with %d approvals", b, old.State, r.State,
					r.Tally.Send, len(r.Approvals))
			}
			h.hears(a.of("mina", a.p))
			a.refused(a.of("mina", a.p), a.p, r, "own_request", bot.Approve)
			r = a.decides("theo", a.p, r, bot.Approve)
		}
		if n := a.chat.Calls(recalltest.Recall); n != 0 {
			a.Errorf("%d recalls were called", n)
		}
	}},
	{"somebody who may not approve", nil, func(a *arena) {
		r := a.sealed("mina")
		a.refused(a.of("remy", a.p), a.p, r, "not_approver")
		a.hands[a.p].Leads(a.of("theo", a.p))
		a.refused(a.of("ola", a.p), a.p, r, "not_allowed")
	}},
	{"somebody whom the roster does not know", families, func(a *arena) {
		r := a.sealed("mina")
		a.refused(a.of("ola", a.p), a.p, r, "not_in_roster")
		a.refused(a.of("ola", otherThan(a.p)), otherThan(a.p), r, "not_in_roster")
	}},
	{"a former approver", nil, func(a *arena) {
		r := a.sealed("mina")
		if err := a.hands[a.p].typed(a.of("theo", a.p), "/recalls whoami"); err != nil { // so that the right is known
			a.Fatal(err)
		}
		a.hands[a.p].Leads(a.of("ines", a.p))
		a.refused(a.of("theo", a.p), a.p, r, "not_allowed")
	}},
	{"other approvers than when it was asked", nil, func(a *arena) {
		r := a.sealed("mina")
		a.otherLeads("theo", "remy") // theo is in the group of before as well
		a.refused(a.of("ines", a.p), a.p, r, "not_approver")
		a.refused(a.of("remy", a.p), a.p, r, "not_approver_then")
		a.decides("theo", a.p, r, bot.Approve)
		a.decides("theo", a.p, a.request(r.ID), bot.Reject)
	}},
	{"a second approval by the same person", families, func(a *arena) {
		r := a.decides("theo", a.p, a.sealed("mina"), bot.Approve)
		for _, who := range []string{"theo", "theo2"} {
			for _, on := range []bot.Platform{a.p, otherThan(a.p)} {
				a.refused(a.of(who, on), on, r, "approved_already", bot.Approve)
			}
		}
		if r = a.decides("ines", otherThan(a.p), r, bot.Approve); r.State != bot.Approved && r.State != bot.Running &&
			r.State != bot.Done {
			a.Errorf("a second person's approval left it %s", r.State)
		}
	}},
	{"a wrong digest", nil, func(a *arena) {
		r := a.sealed("mina")
		for _, wrong := range []string{"", strings.Repeat("0", bot.DigestShort), small(r)[:bot.DigestShort-1]} {
			a.refusedOn(a.of("theo", a.p), a.p, r, wrong, "stale_card")
		}
	}},
	{"after the deadline", nil, func(a *arena) {
		r := a.sealed("mina")
		a.pass(time.Until(r.Deadline) + time.Second)
		if r = a.request(r.ID); r.State != bot.Expired {
			a.Fatalf("%s", r.State)
		}
		a.refused(a.of("theo", a.p), a.p, r, "decided_already")
	}},
	{"after settlement, on the card as it was", nil, func(a *arena) {
		r := a.sealed("mina")
		a.sides[a.p].keep()
		r = a.decides("theo", a.p, r, bot.Reject)
		a.refused(a.of("ines", a.p), a.p, r, "decided_already")
		for who, button := range map[string]bot.ButtonKind{"ines": bot.ButtonApprove, "theo": bot.ButtonReject} {
			a.nothing("the old card's "+string(button), a.of(who, a.p), a.p, r.ID, "decided_already",
				func() (string, error) {
					return "", a.sides[a.p].pressKept(who, string(button), string(r.ID), nil)
				})
		}
	}},
	{"after it ran", nil, func(a *arena) {
		r := a.decides("ines", a.p, a.decides("theo", a.p, a.sealed("mina"), bot.Approve), bot.Approve)
		a.pass(5 * time.Second)
		if r = a.request(r.ID); r.State != bot.Done || a.chat.Calls(recalltest.Recall) != 1 {
			a.Fatalf("%s after %d calls", r.State, a.chat.Calls(recalltest.Recall))
		}
		a.refused(a.of("theo2", a.p), a.p, r, "decided_already")
	}},
	{"the card of an older request for the same messages", nil, func(a *arena) {
		old := a.decides("theo", a.p, a.sealed("mina"), bot.Reject)
		r := a.sealed("mina")
		if len(r.Earlier) == 0 || r.Earlier[0].ID != old.ID || r.Earlier[0].State != bot.Rejected ||
			r.Earlier[0].Reason != "no" || r.Earlier[0].By.Account != old.EndedBy.Account {
			a.Errorf("earlier requests: %+v", r.Earlier)
		}
		a.refusedOn(a.of("theo", a.p), a.p, r, small(old), "stale_card")
	}},
	{"forged values", nil, func(a *arena) {
		r := a.sealed("mina")
		none := r
		none.ID = "R-000000"
		h, theo := a.hands[a.p], a.of("theo", a.p)
		for _, v := range []bot.Verdict{bot.Approve, bot.Reject} {
			a.nothing("a request that is not there", theo, a.p, none.ID, "other_copy",
				func() (string, error) { return h.send(theo, none, v, small(r)) })
		}
		many := r
		many.Tally.Send++
		a.nothing("a wrong number", theo, a.p, r.ID, "wrong_count",
			func() (string, error) { return h.send(theo, many, bot.Approve, small(r)) })
		// What the bot never writes reaches nothing, whatever it is answered, and is audited.
		before := a.everything()
		for _, b := range []bot.ButtonKind{"", "grant", "form", "form:approve", "v1:approve",
			bot.ButtonKind(strings.Repeat("x", 60))} {
			for _, digest := range []string{"", small(r), small(r) + ":1", "' OR 1=1 --"} {
				logged := a.logged()
				if err := h.press(theo, r, b, digest, false); err != nil {
					a.Fatal(err)
				}
				a.pass(100 * time.Millisecond)
				if log := a.since(logged); len(log) != 1 || log[0].What != "refused" ||
					log[0].Actor != a.account(theo, a.p).String() || log[0].Event == "" {
					a.Errorf("the button %q with %q was audited as %+v", b, digest, log)
				}
				if diff := gocmp.Diff(before, a.everything()); diff != "" {
					a.Fatalf("the button %q with %q changed something:\n%s", b, digest, diff)
				}
			}
		}
	}},
	{"a replayed event, and the same click as a new one", nil, func(a *arena) {
		r := a.sealed("mina")
		a.sides[a.p].keep()
		r = a.decides("theo", a.p, r, bot.Approve)
		before, logged := a.everything(), a.logged()
		for range 2 {
			if err := a.hands[a.p].again(); err != nil {
				a.Fatal(err)
			}
			a.pass(time.Second)
			if diff := gocmp.Diff(before, a.everything()); diff != "" || a.logged() != logged {
				a.Errorf("a repeat changed something (%d entries, %d before):\n%s", a.logged(), logged, diff)
			}
			a.restart(bot.Roster{}) // the process that comes after knows it as well
			logged = a.logged()
		}
		a.refused(a.of("theo", a.p), a.p, r, "approved_already", bot.Approve)
		a.nothing("the old card's Approve", a.of("theo", a.p), a.p, r.ID, "approved_already", func() (string, error) {
			return "", a.sides[a.p].pressKept("theo", string(bot.ButtonApprove), string(r.ID), nil)
		})
	}},
	{"accounts of the wrong kind", nil, func(a *arena) {
		r := a.sealed("mina")
		for user, want := range a.hands[a.p].Kinds(a.of("theo", a.p)) {
			a.refused(user, a.p, r, want)
		}
	}},
	{"places where the bot is not to be used", nil, func(a *arena) {
		r := a.sealed("mina")
		a.places(func(want string) { a.refused(a.of("theo", a.p), a.p, r, want) })
	}},
	{"an outsider who reads", nil, func(a *arena) {
		r := a.sealed("mina")
		a.hands[a.p].Leads(a.of("theo", a.p))
		a.pass(time.Minute) // for so long a right to read may be remembered
		a.reads(a.of("ola", a.p), r, "not_allowed")
		a.places(func(want string) { a.reads(a.of("theo", a.p), r, want) })
		for user, want := range a.hands[a.p].Kinds(a.of("theo", a.p)) {
			a.reads(user, r, want, "find", "show", "Show all")
		}
	}},
	{"an outsider to the roster who reads", families, func(a *arena) {
		a.reads(a.of("ola", a.p), a.sealed("mina"), "not_in_roster")
	}},
	{"a request of another workspace", nil, func(a *arena) {
		r := a.sealed("mina")
		then := a.hands[a.p].Elsewhere(a.of("theo", a.p))
		a.unready = true // it may serve what it cannot reach, too
		a.restart(bot.Roster{})
		then()
		a.refused(a.of("theo", a.p), a.p, r, "other_workspace")
	}},
	{"while it is being prepared", nil, func(a *arena) {
		a.chat.Change(func(o *recalltest.Options) { o.Latency = time.Minute })
		r := a.asks("mina", "100 101")
		a.refusedOn(a.of("theo", a.p), a.p, r, strings.Repeat("0", bot.DigestShort), "still_preparing")
	}},
}

// places lets try for each place where the bot is not to be used.
func (a *arena) places(try func(want string)) {
	for _, k := range a.hands[a.p].Places(a.of("theo", a.p)) {
		a.hands[a.p].at = k.Channel
		try(k.Why)
	}
	a.hands[a.p].at = ""
}
