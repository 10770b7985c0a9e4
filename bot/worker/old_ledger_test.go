package worker_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
	"recallbot/bot/ledger"
	"recallbot/recall"
	"recallbot/recall/recalltest"

	"github.com/google/go-cmp/cmp"
)

// oldWorld is what stands beside a ledger that an earlier version wrote: how the Chat service was
// when the process was killed, and what its requests were. testdata/ledger/README.md tells how both
// were made.
type oldWorld struct {
	At     time.Time
	Groups []struct {
		ID, Type, Name, Topic string
		Messages              []struct {
			Seq               recalltest.Seq
			From, Custom      string
			At                time.Time
			Body              json.RawMessage
			Recalled, Deleted bool
		}
	}
	Requests   []oldRequest
	Unfinished bot.EventID // stored and not handled
	Answered   bot.EventID // the approval of the request "done"
	Entries    int64       // of the audit log
}

// oldRequest is a request as the version that stored it read it.
type oldRequest struct {
	Name     string
	ID       bot.RequestID
	State    bot.State
	Digest   string
	Blind    bool
	Total    int
	Needed   int
	Approved []string          // by these people
	Outcomes map[bot.Class]int // messages without an outcome under ""
	Batches  string
	Receipt  int
}

// unzip reads a compressed file of the test data.
func unzip(t *testing.T, file string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/ledger/" + file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return body
}

// oldOptions are those of the bot that wrote the old ledger, at the end, but that evidence is kept
// for as long as usual, and so are answers.
func oldOptions(o *bot.Options) {
	one := func(name, slack, discord string) bot.Person {
		p := bot.Person{Name: name, Accounts: []bot.Account{{Platform: onSlack, Workspace: "T1", User: slack}}}
		if discord != "" {
			p.Accounts = append(p.Accounts, bot.Account{Platform: onDiscord, Workspace: "discord", User: discord})
		}
		return p
	}
	o.Roster = bot.Roster{People: []bot.Person{
		one("Mina", "UMINA", "1"), one("Nico", "UNICO", "4"), one("Petra", "UPETRA", ""), one("Sam", "USAM", ""),
		one("Theo", "UTHEO", "2"), one("Ines", "UINES", "3"),
	}}
	users := func(all ...string) (p []bot.Principal) {
		for _, u := range all {
			p = append(p, bot.Principal{User: u})
		}
		return p
	}
	o.Index, o.CallsPerSecond, o.Policy.LargeFrom = bot.IndexExcerpt, 20, 30
	o.Policy.Crowds = map[bot.Platform]bot.Crowd{
		onSlack: {
			Requesters: users("UMINA", "UNICO", "UPETRA", "USAM"), Approvers: users("UMINA", "UTHEO", "UINES"),
			Channels: []string{"C1"},
		},
		onDiscord: {Requesters: users("1", "4"), Approvers: users("1", "2", "3"), Channels: []string{"C1"}},
	}
}

// oldHouse is the Chat service as the version before left it, and a copy of its ledger.
type oldHouse struct {
	*house
	world oldWorld
}

func newOldHouse(t *testing.T) *oldHouse {
	h := &oldHouse{house: &house{
		t: t, chat: recalltest.New(recalltest.Options{}), file: t.TempDir() + "/bot.db", events: 10_000,
		screen: &screen{platform: onSlack, cards: map[bot.RequestID]bot.Card{}, notes: map[string][]bot.Note{}},
	}}
	t.Cleanup(h.chat.Close)
	if err := json.Unmarshal(unzip(t, "9e56eb2.json.gz"), &h.world); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.file, unzip(t, "9e56eb2.db.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(h.world.At) + 10*time.Second)
	for _, g := range h.world.Groups {
		group := recalltest.Group{ID: g.ID, Type: g.Type, Name: g.Name}
		if g.Topic != "" {
			group.Topics = []string{g.Topic}
		}
		h.chat.AddGroup(group)
		for _, m := range g.Messages {
			as := []recalltest.SayOption{recalltest.Body(string(m.Body)), recalltest.Custom(m.Custom),
				recalltest.At(m.At)}
			h.chat.Say(g.ID, g.Topic, m.From, "", as...)
			if m.Recalled {
				h.chat.RecallElsewhere(g.ID, g.Topic, m.From, m.Seq)
			}
			if m.Deleted {
				h.chat.Delete(g.ID, g.Topic, m.Seq)
			}
		}
	}
	return h
}

// old is a request by its name, as it was.
func (h *oldHouse) old(name string) oldRequest {
	h.t.Helper()
	i := slices.IndexFunc(h.world.Requests, func(r oldRequest) bool { return r.Name == name })
	if i < 0 {
		h.t.Fatalf("there is no request %q", name)
	}
	return h.world.Requests[i]
}

func (h *oldHouse) id(name string) bot.RequestID {
	h.t.Helper()
	return h.old(name).ID
}

// presses lets somebody press a button of a request.
func (h *oldHouse) presses(user string, kind intake.ActKind, name string) intake.Answer {
	h.t.Helper()
	return h.press(user, kind, bot.Card{ID: h.id(name), Digest: h.stored(name).Digest})
}

func (h *oldHouse) stored(name string) (r bot.Request) {
	h.t.Helper()
	h.view(func(tx bot.Tx) (err error) {
		r, err = tx.Request(h.id(name))
		return err
	})
	return r
}

func (h *oldHouse) view(fn func(tx bot.Tx) error) {
	h.t.Helper()
	if err := h.ledger.View(h.t.Context(), fn); err != nil {
		h.t.Fatal(err)
	}
}

// verified checks the audit log, down from the receipt that was told before the process was killed.
func (h *oldHouse) verified() {
	h.t.Helper()
	if _, err := bot.VerifyAudit(h.t.Context(), h.ledger, h.stored("done").AuditHead); err != nil {
		h.t.Error(err)
	}
}

// readsBack checks that everything in the ledger is what the version that wrote it meant.
func (h *oldHouse) readsBack() {
	t := h.t
	t.Helper()
	h.verified()
	h.view(func(tx bot.Tx) error {
		if n, _, err := tx.Head(); err != nil || n != h.world.Entries {
			t.Errorf("the audit log has %d entries, want %d: %v", n, h.world.Entries, err)
		}
		for _, want := range h.world.Requests {
			r, err := tx.Request(want.ID)
			if err != nil {
				return fmt.Errorf("%s: %w", want.Name, err)
			}
			got := oldRequest{
				Name: want.Name, ID: r.ID, State: r.State, Digest: r.Digest, Blind: r.Blind, Total: r.Tally.Total,
				Needed: r.Needed, Receipt: r.Receipt,
			}
			for _, a := range r.Approvals {
				got.Approved = append(got.Approved, string(a.By.Person))
			}
			if got.Outcomes, err = tx.Progress(r.ID); err != nil {
				return err
			}
			var batches []string
			for _, s := range []bot.BatchState{bot.BatchPending, bot.BatchSending, bot.BatchDoubt, bot.BatchDone} {
				found, err := tx.Batches(r.ID, 1000, s)
				if err != nil {
					return err
				}
				if len(found) > 0 {
					batches = append(batches, fmt.Sprintf("%d %s", len(found), s))
				}
			}
			if got.Batches = strings.Join(batches, ", "); len(got.Outcomes) == 0 {
				got.Outcomes = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-as it was written +as it is read):\n%s", want.Name, diff)
			}
			if r.Digest == "" {
				continue
			}
			all, err := tx.Messages(r.ID, 0, 1000)
			if err != nil {
				return err
			}
			if d := bot.Digest(r.App, r.Parts, all); d != r.Digest {
				t.Errorf("%s: the digest of its messages is %s, sealed was %s", want.Name, d, r.Digest)
			}
			if roster, err := tx.Roster(r.Roster); err != nil || len(roster.People) == 0 {
				t.Errorf("%s was asked under the roster %v, %v", want.Name, roster, err)
			}
		}
		app := recall.SDKAppID(h.chat.SDKAppID())
		if a, err := tx.Arrivals(app, liveGroup, "", 1, 10, 10); err != nil || len(a) != 2 {
			t.Errorf("the index has %d messages, want 2: %v", len(a), err)
		}
		if gone, err := tx.Removals(app, testGroup, "", []recall.Seq{5}, time.Time{}); err != nil || len(gone) != 1 {
			t.Errorf("callbacks told of %v, want message 5: %v", gone, err)
		}
		if value, err := tx.Setting("commands"); err != nil || value != "hash" {
			t.Errorf("an adapter had remembered %q, want hash: %v", value, err)
		}
		if p, err := tx.Paused(app); err != nil || p == nil || p.Code != 70009 {
			t.Errorf("the app is paused for %v, want 70009: %v", p, err)
		}
		return nil
	})
}

// TestOldLedger goes on from the ledger of a process that was killed, which commit 9e56eb2 wrote:
// in its place, as after an upgrade, and restored from a copy. Every state reads back as it was
// meant. What was approved runs, what was in doubt is found out, what was being prepared is
// proposed, and what was proposed waits for its people. Nothing is sent without an approval of
// today or of then, nothing that was recalled is sent again, and every outcome is true.
func TestOldLedger(t *testing.T) {
	for _, restored := range []bool{false, true} {
		t.Run(fmt.Sprint("restored: ", restored), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { oldLedger(t, restored) })
		})
	}
}

func oldLedger(t *testing.T, restored bool) {
	h := newOldHouse(t)
	var err error
	if h.ledger, err = ledger.Open(t.Context(), "sqlite:"+h.file, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	h.readsBack()
	if !restored { // the file stands where no ledger stood, so it is taken for a copy
		err := h.ledger.Tx(t.Context(), func(tx bot.Tx) error { return tx.PutSetting(bot.SettingCopy, "") })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := h.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	h.chat.Edit(testGroup, "", 57, "not what was approved")
	h.open(h.file, oldOptions)
	defer func() { h.stop() }()

	// What people did is not lost, and not done twice.
	for u, err := range h.bot.Unfinished(t.Context(), onSlack) {
		if err != nil || u.Event.ID != h.world.Unfinished {
			t.Fatalf("the event %s is unfinished, want %s: %v", u.Event.ID, h.world.Unfinished, err)
		}
		a, err := h.bot.Do(t.Context(), u.Event, bot.Member{Account: u.Event.By, Name: u.Event.Name})
		if err != nil || a.Kind != intake.Changed {
			t.Errorf("the approval that was not handled: %+v, %v", a, err)
		}
	}
	theo := bot.Account{Platform: onSlack, Workspace: "T1", User: "UTHEO"}
	at := bot.Place{Platform: onSlack, Workspace: "T1", Channel: "C1"}
	again := intake.Event{ID: h.world.Answered, Place: at, By: theo, Act: intake.Act{
		Kind: intake.ActApprove, Request: h.id("done"), Digest: h.stored("done").Digest[:bot.DigestShort],
	}}
	if a, err := h.bot.Do(t.Context(), again, bot.Member{Account: theo}); err != nil || a.Kind != intake.Changed {
		t.Errorf("an event that comes again has the answer %+v, %v", a, err)
	}

	// The rules hold for what was asked then.
	if a := h.presses("UMINA", intake.ActApprove, "proposed"); a.Refused != "own_request" {
		t.Errorf("an approval of one's own request: %+v", a)
	}
	if a := h.presses("UTHEO", intake.ActApprove, "proposed, one of two"); a.Refused != "approved_already" {
		t.Errorf("a second approval by the same person: %+v", a)
	}
	for _, name := range []string{"proposed, one of two", "proposed, live", "proposed, blind"} {
		user := map[bool]string{true: "UINES", false: "UTHEO"}[name == "proposed, one of two"]
		if a := h.presses(user, intake.ActApprove, name); a.Kind != intake.Changed {
			t.Errorf("%s: the approval: %+v", name, a)
		}
	}
	for _, name := range []string{"preparing", "preparing by filter", "preparing, not read"} {
		h.within(5*time.Minute, h.id(name), bot.Proposed)
	}
	h.presses("UTHEO", intake.ActApprove, "preparing")
	h.presses("UINES", intake.ActApprove, "preparing by filter")
	h.presses("UTHEO", intake.ActReject, "preparing, not read")
	h.pass(40 * time.Minute)

	recalled := func(n int) map[bot.Class]int { return map[bot.Class]int{bot.ClassRecalled: n} }
	left := func(n int) map[bot.Class]int { return map[bot.Class]int{"": n} }
	then := func(name string) map[bot.Class]int { return h.old(name).Outcomes }
	changed := recalled(6) // of one message of each kind; the seventh was edited
	changed[bot.ClassNotSent] = 1
	ends := map[string]struct {
		state  bot.State
		counts map[bot.Class]int
	}{
		"done":                            {bot.Done, then("done")},
		"done in a topic":                 {bot.Done, then("done in a topic")},
		"rejected":                        {bot.Rejected, left(1)},
		"withdrawn":                       {bot.Withdrawn, left(1)},
		"refused":                         {bot.Refused, map[bot.Class]int{}},
		"expired":                         {bot.Expired, left(1)},
		"stopped":                         {bot.Stopped, then("stopped")},
		"not started":                     {bot.NotStarted, then("not started")},
		"proposed":                        {bot.Expired, left(2)}, // nobody approved it
		"proposed, one of two":            {bot.Done, recalled(35)},
		"proposed by filter":              {bot.Done, recalled(2)},
		"proposed, live":                  {bot.Done, recalled(3)},
		"proposed, blind":                 {bot.Done, recalled(3)},
		"withdrawn just now":              {bot.Withdrawn, left(2)},
		"approved":                        {bot.Done, changed},
		"approved, blind":                 {bot.Done, recalled(3)},
		"running":                         {bot.Done, recalled(110)},
		"running, live":                   {bot.Done, recalled(3)},
		"running, all recalled":           {bot.Done, recalled(1)},
		"stopping":                        {bot.Stopped, nil}, // see below
		"approved, blind, group not read": {bot.Done, nil},
		"preparing":                       {bot.Done, recalled(3)},
		"preparing by filter":             {bot.Done, recalled(2)},
		"preparing, not read":             {bot.Rejected, left(1)},
	}
	receipts := map[string]string{}
	for _, r := range h.world.Requests {
		want, ok := ends[r.Name]
		if !ok {
			t.Errorf("nothing is expected of the request %q", r.Name)
		}
		now := h.stored(r.Name)
		if now.State != want.state {
			t.Errorf("%s: it is %s, want %s: %v", r.Name, now.State, want.state, now.Waiting)
		}
		counts := h.true(now)
		switch r.Name {
		case "stopping":
			// Of its two batches one was recalled, and one may have reached the service, which is
			// never "not sent".
			if n := counts[bot.ClassRecalled]; n == 0 || n+counts[bot.ClassUnknown] != 12 || n == 12 {
				t.Errorf("%s: outcomes %v", r.Name, counts)
			}
		case "approved, blind, group not read":
			// Nobody knows whether its messages were there when it was sealed: they are sent as
			// approved, or not sent.
			if counts[bot.ClassRecalled]+counts[bot.ClassNotSent] != 3 {
				t.Errorf("%s: outcomes %v", r.Name, counts)
			}
		default:
			if !maps.Equal(counts, want.counts) {
				t.Errorf("%s: outcomes %v, want %v", r.Name, counts, want.counts)
			}
		}
		if now.State.HasReceipt() {
			if other := receipts[now.ReceiptNumber()]; other != "" || now.Receipt == 0 {
				t.Errorf("%s: receipt %s, which is that of %q", r.Name, now.ReceiptNumber(), other)
			}
			receipts[now.ReceiptNumber()] = r.Name
		}
		if r.Receipt > 0 && now.Receipt != r.Receipt {
			t.Errorf("%s: receipt %d was told before, now it is %d", r.Name, r.Receipt, now.Receipt)
		}
		ended := now.State.HasReceipt() && !r.State.HasReceipt()
		if sum := fmt.Sprintf("%s messages were requested = ", itoa(now.Tally.Total)); ended && now.Tally.Total > 1 {
			holds(t, h.screen.thread(now.ID), sum)
		}
	}
	if h.screen.thread(h.id("withdrawn just now")) == "" {
		t.Error("the post that waited was not posted")
	}
	holds(t, h.screen.thread(h.id("approved")), "57: not sent (changed since it was approved)")
	h.onlyApproved()
	h.verified()
}

// true counts the messages of a request by their outcomes, and checks each against the service.
func (h *oldHouse) true(r bot.Request) map[bot.Class]int {
	h.t.Helper()
	counts := map[bot.Class]int{}
	h.view(func(tx bot.Tx) error {
		all, err := tx.Messages(r.ID, 0, 1000)
		for _, m := range all {
			counts[m.Outcome.Class]++
			gone := h.chat.Recalled(string(r.Scope.Group), string(r.Scope.Topic), recalltest.Seq(m.Seq))
			switch m.Outcome.Class {
			case bot.ClassRecalled, bot.ClassAlready:
				if !gone {
					h.t.Errorf("%s: %d is called %s, and is there", r.ID, m.Seq, m.Outcome.Class)
				}
			case bot.ClassUnknown:
			default:
				if gone {
					h.t.Errorf("%s: %d is called %q, and was recalled", r.ID, m.Seq, m.Outcome.Class)
				}
			}
		}
		if r.State.HasReceipt() && (counts[""] > 0 || len(all) != r.Tally.Total) {
			h.t.Errorf("%s: its receipt is of %v, requested were %d", r.ID, counts, r.Tally.Total)
		}
		return err
	})
	return counts
}

// onlyApproved checks each call: what it asks for is of a request that enough people other than the
// requester had approved by then, and had not been recalled.
func (h *oldHouse) onlyApproved() {
	t := h.t
	t.Helper()
	var granted []bot.Request
	for _, old := range h.world.Requests {
		r := h.stored(old.Name)
		people := map[bot.PersonID]bool{}
		for _, a := range r.Approvals {
			people[a.By.Person] = true
		}
		if delete(people, r.By.Person); r.Needed > 0 && len(people) >= r.Needed && old.Receipt == 0 {
			granted = append(granted, r)
		}
	}
	recalled := map[recalltest.Message]bool{}
	for _, g := range h.world.Groups {
		for _, m := range g.Messages {
			if m.Recalled {
				recalled[recalltest.Message{Group: g.ID, Topic: g.Topic, Seq: m.Seq}] = true
			}
		}
	}
	for _, c := range h.chat.Log() {
		for _, seq := range c.Seqs {
			if recalled[recalltest.Message{Group: c.Group, Topic: c.Topic, Seq: seq}] {
				t.Errorf("%s %d was recalled by the process before, and is sent again", c.Group, seq)
			}
			if !slices.ContainsFunc(granted, func(r bot.Request) bool {
				return string(r.Scope.Group) == c.Group && string(r.Scope.Topic) == c.Topic &&
					r.Only().Covers.Contains(recall.Seq(seq)) && !r.Granted.After(c.At)
			}) {
				t.Errorf("%s %d is sent, and nobody had approved that", c.Group, seq)
			}
		}
	}
	if twice := h.chat.RecalledMoreThanOnce(); len(twice) > 0 {
		t.Errorf("recalled twice: %v", twice)
	}
}
