package bot_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/recall"
	"recallbot/recall/recalltest"
)

var keepIn = flag.String("keep", "", "the folder in which TestMakeLedger leaves what it made")

const (
	wideGroup = "@TGS#_cCOMM01"
	wideTopic = wideGroup + "@TOPIC#_news"
)

// What TestMakeLedger writes beside the ledger: how the Chat service was when the process was
// killed, and what its requests were. TestOldLedger reads it.
type (
	keptWorld struct {
		Commit     string        `json:"commit"`
		At         time.Time     `json:"at"`
		Groups     []keptGroup   `json:"groups"`
		Requests   []keptRequest `json:"requests"`
		Unfinished bot.EventID   `json:"unfinished"` // noted and not handled
		Answered   bot.EventID   `json:"answered"`   // the approval of the request "done"
		Entries    int64         `json:"entries"`    // of the audit log
	}
	keptGroup struct {
		ID       string        `json:"id"`
		Type     string        `json:"type"`
		Name     string        `json:"name"`
		Topic    string        `json:"topic,omitempty"`
		Messages []keptMessage `json:"messages"`
	}
	keptMessage struct {
		Seq      recalltest.Seq  `json:"seq"`
		From     string          `json:"from"`
		At       time.Time       `json:"at"`
		Body     json.RawMessage `json:"body"`
		Custom   string          `json:"custom,omitempty"`
		Recalled bool            `json:"recalled,omitempty"`
		Deleted  bool            `json:"deleted,omitempty"`
	}
	keptRequest struct {
		Name     string            `json:"name"`
		ID       bot.RequestID     `json:"id"`
		State    bot.State         `json:"state"`
		Digest   string            `json:"digest,omitempty"`
		Blind    bool              `json:"blind,omitempty"`
		Total    int               `json:"total"`
		Needed   int               `json:"needed,omitempty"`
		Approved []string          `json:"approved,omitempty"` // by whom
		Outcomes map[bot.Class]int `json:"outcomes,omitempty"` // those without one under ""
		Batches  string            `json:"batches,omitempty"`
		Receipt  int               `json:"receipt,omitempty"`
	}
)

// maker drives the bot until it is killed. Its worker writes by a ledger that can be cut off; what
// people do goes to the ledger itself.
type maker struct {
	*house
	world  keptWorld
	worker *gauge
	people *bot.Bot
}

func household() bot.Roster {
	one := func(name string, users ...string) bot.Person {
		p := bot.Person{Name: name}
		for i, u := range users {
			a := bot.Account{Platform: bot.Slack, Workspace: "T1", User: u}
			if i == 1 {
				a = bot.Account{Platform: bot.Discord, Workspace: "discord", User: u}
			}
			p.Accounts = append(p.Accounts, a)
		}
		return p
	}
	return bot.Roster{People: []bot.Person{
		one("Mina", "UMINA", "1"), one("Nico", "UNICO", "4"), one("Petra", "UPETRA"), one("Sam", "USAM"),
		one("Theo", "UTHEO", "2"), one("Ines", "UINES", "3"),
	}}
}

// split makes two bots of the options: the one that works, and the one that people talk to.
func (m *maker) split(o *bot.Options) {
	people := *o
	var err error
	if m.people, err = bot.New(people); err != nil {
		m.t.Fatal(err)
	}
	m.worker.Ledger = o.Ledger
	o.Ledger, o.Holder = m.worker, "9e56eb2"
}

// options are those of the bot that wrote the ledger. The bot that goes on has the same.
func (m *maker) options(o *bot.Options) {
	o.Roster, o.Index, o.EvidenceTTL, o.CallsPerSecond = household(), bot.IndexExcerpt, 20*time.Minute, 20
	o.Policy.LargeFrom = 30
	ask := func(users ...string) (all []bot.Principal) {
		for _, u := range users {
			all = append(all, bot.Principal{User: u})
		}
		return all
	}
	asking, deciding := ask("UMINA", "UNICO", "UPETRA", "USAM"), ask("UMINA", "UTHEO", "UINES")
	o.Policy.Crowds = map[bot.Platform]bot.Crowd{
		bot.Slack:   {Requesters: asking, Approvers: deciding, Channels: []string{"C1"}},
		bot.Discord: {Requesters: ask("1", "4"), Approvers: ask("1", "2", "3"), Channels: []string{"C1"}},
	}
}

// send lets somebody send a text message, and remembers it.
func (m *maker) send(group, from, text string, options ...recalltest.SayOption) {
	g := &m.world.Groups[0]
	for i := range m.world.Groups {
		if m.world.Groups[i].ID == group {
			g = &m.world.Groups[i]
		}
	}
	seq := m.chat.Say(g.ID, g.Topic, from, text, options...)
	body, err := json.Marshal([]any{map[string]any{"MsgType": "TIMTextElem",
		"MsgContent": map[string]any{"Text": text}}})
	if err != nil {
		m.t.Fatal(err)
	}
	g.Messages = append(g.Messages, keptMessage{Seq: seq, From: from, At: time.Now(), Body: body})
}

// sendRaw is send of a message that is not text alone.
func (m *maker) sendRaw(from, body, custom string) {
	g := &m.world.Groups[0]
	seq := m.chat.Say(g.ID, "", from, "", recalltest.Body(body), recalltest.Custom(custom))
	g.Messages = append(g.Messages, keptMessage{
		Seq: seq, From: from, At: time.Now(), Body: json.RawMessage(body), Custom: custom,
	})
}

// event is what somebody does: on Discord where the id of the user is a digit, else on Slack.
func (m *maker) event(user string, act bot.Act) (bot.Event, bot.Member) {
	m.events++
	by := bot.Account{Platform: bot.Slack, Workspace: "T1", User: user}
	at := bot.Place{Platform: bot.Slack, Workspace: "T1", Channel: "C1"}
	if len(user) == 1 {
		by = bot.Account{Platform: bot.Discord, Workspace: "discord", User: user}
		at = bot.Place{Platform: bot.Discord, Workspace: "G1", Channel: "C1"}
	}
	e := bot.Event{ID: bot.EventID(fmt.Sprint("e", m.events)), Place: at, By: by, Name: strings.ToLower(user), Act: act}
	return e, bot.Member{Account: by, Name: strings.ToLower(user)}
}

func (m *maker) does(user string, act bot.Act) bot.Answer {
	m.t.Helper()
	e, who := m.event(user, act)
	a, err := m.people.Do(context.Background(), e, who)
	if err != nil || a.Kind != bot.Accepted && a.Kind != bot.Changed {
		m.t.Fatalf("%s: %+v: %+v, %v", user, act, a, err)
	}
	return a
}

// asksFor asks for a recall under a name.
func (m *maker) asksFor(name, user, text string) bot.RequestID {
	m.t.Helper()
	a := m.does(user, bot.Act{Kind: bot.ActCommand, Command: "recall", Text: text})
	id := bot.RequestID(a.Lines[0][0].Text)
	m.world.Requests = append(m.world.Requests, keptRequest{Name: name, ID: id})
	return id
}

func (m *maker) act(user string, kind bot.ActKind, id bot.RequestID) {
	m.t.Helper()
	r := m.at(id)
	m.does(user, bot.Act{Kind: kind, Request: id, Digest: r.Digest[:bot.DigestShort]})
}

func (m *maker) at(id bot.RequestID) (r bot.Request) {
	m.t.Helper()
	err := m.ledger.View(context.Background(), func(tx bot.Tx) (err error) {
		r, err = tx.Request(id)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

func (m *maker) want(id bot.RequestID, s bot.State) {
	m.t.Helper()
	if r := m.at(id); r.State != s {
		m.t.Fatalf("%s is %s, want %s: %v %v", id, r.State, s, r.RefusedFor, r.Waiting)
	}
}

// TestMakeLedger lets the bot serve until there are requests in every state, kills it, and leaves
// its ledger and the state of the Chat service in the folder of -keep.
func TestMakeLedger(t *testing.T) {
	if *keepIn == "" {
		t.Fatal("-keep is missing")
	}
	synctest.Test(t, makeLedger)
}

func makeLedger(t *testing.T) {
	m := &maker{worker: &gauge{most: map[string]int{}}, world: keptWorld{Commit: "9e56eb2"}}
	m.house = newHouse(t, func(o *bot.Options) {
		m.options(o)
		o.Policy.Protected = []recall.UserID{"ceo"}
		m.split(o)
	})
	m.chat.AddGroup(recalltest.Group{ID: liveGroup, Type: "AVChatRoom", Name: "Friday live"})
	m.chat.AddGroup(recalltest.Group{ID: wideGroup, Type: "Community", Name: "Town", Topics: []string{wideTopic}})
	m.world.Groups = []keptGroup{
		{ID: testGroup, Type: "Public", Name: "Casino talk"},
		{ID: liveGroup, Type: "AVChatRoom", Name: "Friday live"},
		{ID: wideGroup, Type: "Community", Name: "Town", Topic: wideTopic},
	}
	m.messages()

	early := m.early()
	m.stop() // where senders are protected nothing can be blind
	m.open(m.file, func(o *bot.Options) {
		m.options(o)
		m.split(o)
	})
	m.middle()
	m.until(31*time.Minute + 40*time.Second)
	m.want(early, bot.Expired)
	m.late()
	m.keep()
}

// messages are the groups as they are when it begins.
func (m *maker) messages() {
	for n := 1; n <= 50; n++ {
		from := "mallory"
		switch n {
		case 6:
			from = "administrator"
		case 7:
			from = "ceo"
		}
		m.send(testGroup, from, fmt.Sprintf("win big at prize.example/%d", n))
	}
	// 51 to 57 are of every kind, for whoever compares a message with its seal.
	m.send(testGroup, "mallory", "it\u2019s 50% off\u2026 <now> & here 🔥")
	m.sendRaw("mallory", `[{"MsgType":"TIMImageElem","MsgContent":{"UUID":"1400000000_7f1c","ImageFormat":1,`+
		`"ImageInfoArray":[{"Type":1,"Size":1853095,"Width":2448,"Height":3264,`+
		`"URL":"https://cos.ap-shanghai.example/7f1c?sign=aaaa&t=946684800"}]}}]`, "")
	m.sendRaw("mallory", `[{"MsgType":"TIMCustomElem","MsgContent":{"Desc":"red packet",`+
		`"Data":"{\"type\":1,\"msg\":\"claim at scam.example\"}","Ext":"","Sound":""}}]`, "")
	m.sendRaw("mallory", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"so true"}}]`,
		`{"messageReply":{"messageID":"x","messageAbstract":"12 example road","messageSender":"bob","version":1}}`)
	m.sendRaw("mallory", `[{"MsgType":"TIMTextElem","MsgContent":{"Text":"look: "}},`+
		`{"MsgType":"TIMFaceElem","MsgContent":{"Index":6,"Data":"[smile]"}}]`, "")
	m.sendRaw("mallory", `[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"Chat","AbstractList":["bob: hi"],`+
		`"CompatibleText":"forwarded"}}]`, "")
	m.send(testGroup, "mallory", "the one that is edited")
	for n := 58; n <= 192; n++ {
		m.send(testGroup, "mallory", fmt.Sprintf("free coins %d", n))
	}
	m.send(testGroup, "trudy", "buy my course")
	m.send(testGroup, "trudy", "last chance to buy")
	m.send(testGroup, "oscar", "hello")
	m.send(testGroup, "oscar", "hello again")
	for n := 197; n <= 210; n++ {
		m.send(testGroup, "alice", fmt.Sprintf("good morning %d", n))
	}
	for n := 1; n <= 6; n++ {
		m.send(liveGroup, "mallory", fmt.Sprintf("live scam %d", n))
	}
	m.send(wideGroup, "mallory", "in a topic")
	m.send(wideGroup, "mallory", "in a topic, too")
	gone := func(seq recalltest.Seq) *keptMessage { return &m.world.Groups[0].Messages[seq-1] }
	m.chat.Delete(testGroup, "", 4)
	gone(4).Deleted = true
	m.chat.RecallElsewhere(testGroup, "", "alice", 5)
	var heard []recall.Callback
	for seq := recall.Seq(4); seq <= 5; seq++ {
		heard = append(heard, recall.AfterSendMsg{
			Group: liveGroup, Type: "AVChatRoom", From: "mallory", Seq: seq, Time: time.Now(),
			Body: []recall.Element{}, RawBody: m.world.Groups[1].Messages[seq-1].Body,
		})
	}
	heard = append(heard, recall.AfterRecallMsg{
		Group: testGroup, Type: "Public", Operator: "alice", Seqs: []recall.Seq{5},
	})
	if err := m.people.Hear(context.Background(), heard); err != nil {
		m.t.Fatal(err)
	}
	if err := m.people.Remember(context.Background(), "commands", "hash"); err != nil {
		m.t.Fatal(err)
	}
}

// early is what has ended by the end. It returns the request that is going to expire.
func (m *maker) early() (expiring bot.RequestID) {
	m.pass(time.Second)
	done := m.asksFor("done", "UMINA", testGroup+` 1-7 900 reason:"a flood of scam"`)
	m.pass(5 * time.Second)
	m.act("UTHEO", bot.ActApprove, done)
	m.world.Answered = bot.EventID(fmt.Sprint("e", m.events))
	topic := m.asksFor("done in a topic", "UNICO", wideGroup+" 1 topic:"+wideTopic)
	m.pass(5 * time.Second)
	m.act("3", bot.ActApprove, topic) // by Ines, on Discord
	m.pass(20 * time.Second)
	m.want(done, bot.Done)
	m.want(topic, bot.Done)

	rejected := m.asksFor("rejected", "UMINA", testGroup+" 8")
	withdrawn := m.asksFor("withdrawn", "UMINA", testGroup+" 9")
	refused := m.asksFor("refused", "UMINA", testGroup+" 900-901")
	expiring = m.asksFor("expired", "USAM", testGroup+" 10")
	m.pass(5 * time.Second)
	m.want(refused, bot.Refused)
	r := m.at(rejected)
	m.does("UTHEO", bot.Act{
		Kind: bot.ActReject, Request: rejected, Digest: r.Digest[:bot.DigestShort], Reason: "leave it",
	})
	m.does("UMINA", bot.Act{Kind: bot.ActCommand, Command: "recalls", Text: "withdraw " + string(withdrawn)})
	m.want(rejected, bot.Rejected)
	m.want(withdrawn, bot.Withdrawn)

	stopped := m.asksFor("stopped", "UPETRA", testGroup+" 11 12")
	m.pass(5 * time.Second)
	m.chat.Change(func(o *recalltest.Options) { o.Latency = 3 * time.Second })
	m.act("UTHEO", bot.ActApprove, stopped)
	m.pass(time.Second)
	m.does("UINES", bot.Act{Kind: bot.ActStop, Request: stopped})
	m.pass(20 * time.Second)
	m.want(stopped, bot.Stopped)
	m.chat.Change(func(o *recalltest.Options) { o.Latency = 0 })

	// Somebody else has the lease, so that what is approved cannot begin.
	never := m.asksFor("not started", "UPETRA", testGroup+" 13")
	m.pass(10 * time.Second)
	name := fmt.Sprint("app/", m.chat.SDKAppID())
	var other bot.Lease
	for n := range 16 * 6 {
		var err error
		if other, err = m.ledger.Acquire(context.Background(), name, "somebody", 30*time.Second); err != nil {
			m.t.Fatal(err)
		}
		if n == 0 {
			m.act("UTHEO", bot.ActApprove, never)
		}
		m.pass(10 * time.Second)
	}
	m.want(never, bot.NotStarted)
	if err := m.ledger.Release(context.Background(), other); err != nil {
		m.t.Fatal(err)
	}
	return expiring
}

// middle is what is proposed by the end, or becomes something else in the last minute.
func (m *maker) middle() {
	ask := func(name, user, text string) {
		m.t.Helper()
		id := m.asksFor(name, user, text)
		m.pass(3 * time.Second)
		m.want(id, bot.Proposed)
	}
	ask("proposed", "UMINA", testGroup+" 14 15")
	ask("proposed, one of two", "UMINA", testGroup+" 16-50")
	ask("proposed by filter", "UMINA", testGroup+` from:trudy text:"buy"`)
	ask("approved", "UMINA", testGroup+" 51-57")
	ask("proposed, live", "UNICO", liveGroup+" 4-6")
	ask("withdrawn just now", "USAM", testGroup+" 198 199")

	// For longer than a minute nothing can be read, of the group neither; then history alone
	// cannot.
	away := func(command string, ids ...bot.RequestID) {
		m.t.Helper()
		m.pass(2 * time.Minute)
		for _, id := range ids {
			m.want(id, bot.Proposed)
			r := m.at(id)
			if !r.Blind || r.Group.NextSeq == 0 != (command == "") {
				m.t.Fatalf("%s is blind: %t; the group is %+v", id, r.Blind, r.Group)
			}
		}
		m.chat.ClearFaults()
	}
	m.chat.Inject("", -1, recalltest.BadGateway())
	away("", m.asksFor("approved, blind, group not read", "UPETRA", testGroup+" 77-79"))
	m.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
	approved := m.asksFor("approved, blind", "UPETRA", testGroup+" 58-60")
	proposed := m.asksFor("proposed, blind", "UPETRA", testGroup+" 61-63")
	away(recalltest.History, approved, proposed)

	// What is run in the last minute was read less than ten minutes ago, so that it is sent unread.
	m.until(28 * time.Minute)
	ask("running", "UNICO", testGroup+" 80-189")
	ask("stopping", "UNICO", testGroup+" 64-75")
	ask("running, live", "UPETRA", liveGroup+" 1-3")
	ask("running, all recalled", "UPETRA", testGroup+" 76")
}

// until passes time until so long after the beginning of the bubble.
func (m *maker) until(d time.Duration) {
	m.pass(d - time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func (m *maker) named(name string) bot.RequestID {
	for _, r := range m.world.Requests {
		if r.Name == name {
			return r.ID
		}
	}
	panic("no request " + name)
}

// late is the last minute: history is away, calls are lost, the app is refused; then the process is
// killed. What people do meanwhile is stored by another that serves no request.
func (m *maker) late() {
	lost := func(n int, faults ...recalltest.Fault) { m.chat.Inject(recalltest.Recall, n, faults...) }
	m.chat.Inject(recalltest.History, -1, recalltest.BadGateway())
	m.asksFor("preparing", "UMINA", testGroup+" 190-192")
	m.asksFor("preparing by filter", "UNICO", testGroup+" from:oscar since:1h")
	m.pass(time.Second)

	m.act("UTHEO", bot.ActApprove, m.named("running, all recalled"))
	m.pass(time.Second)
	lost(1, recalltest.Delay(time.Hour))
	m.act("UTHEO", bot.ActApprove, m.named("running, live"))
	m.pass(100 * time.Millisecond)
	lost(1, recalltest.ResetAfter())
	lost(1, recalltest.Delay(time.Hour))
	m.act("UTHEO", bot.ActApprove, m.named("stopping"))
	m.pass(100 * time.Millisecond)
	lost(1, recalltest.NoErrorInfo())                                                   // done
	lost(1, recalltest.ResetAfter())                                                    // in doubt, and recalled
	lost(1, recalltest.ResetBefore())                                                   // in doubt, and there
	lost(1, recalltest.Missing())                                                       // one of it in doubt
	lost(1, recalltest.Delay(2*time.Second), recalltest.Answer(70009, "bad signature")) // pending
	lost(1, recalltest.AnswerLost())                                                    // sending, and recalled
	lost(-1, recalltest.Delay(time.Hour))                                               // sending, and there
	m.act("UTHEO", bot.ActApprove, m.named("running"))
	m.act("UINES", bot.ActApprove, m.named("running"))
	m.pass(3 * time.Second)
	m.worker.cut.Store(true)

	m.act("UTHEO", bot.ActApprove, m.named("approved"))
	m.act("UTHEO", bot.ActApprove, m.named("approved, blind"))
	m.act("UTHEO", bot.ActApprove, m.named("approved, blind, group not read"))
	m.act("UTHEO", bot.ActApprove, m.named("proposed, one of two"))
	m.does("UNICO", bot.Act{Kind: bot.ActStop, Request: m.named("stopping")})
	m.does("USAM", bot.Act{
		Kind: bot.ActCommand, Command: "recalls", Text: "withdraw " + string(m.named("withdrawn just now")),
	})
	m.asksFor("preparing, not read", "UNICO", testGroup+" 197")
	r := m.at(m.named("proposed by filter"))
	e, _ := m.event("UINES", bot.Act{Kind: bot.ActApprove, Request: r.ID, Digest: r.Digest[:bot.DigestShort]})
	first, _, err := m.people.Note(context.Background(), e)
	if err != nil || !first {
		m.t.Fatal(first, err)
	}
	m.world.Unfinished = e.ID
}

// keep writes everything as it is at this moment.
func (m *maker) keep() {
	m.world.At = time.Now()
	for i := range m.world.Groups {
		g := &m.world.Groups[i]
		for j := range g.Messages {
			msg := &g.Messages[j]
			msg.Recalled = m.chat.Recalled(g.ID, g.Topic, msg.Seq)
		}
	}
	err := m.ledger.View(context.Background(), func(tx bot.Tx) (err error) {
		if m.world.Entries, _, err = tx.Head(); err != nil {
			return err
		}
		for i := range m.world.Requests {
			k := &m.world.Requests[i]
			r, err := tx.Request(k.ID)
			if err != nil {
				return err
			}
			k.State, k.Digest, k.Blind, k.Total, k.Needed = r.State, r.Digest, r.Blind, r.Tally.Total, r.Needed
			k.Receipt = r.Receipt
			for _, a := range r.Approvals {
				k.Approved = append(k.Approved, string(a.By.Person))
			}
			if k.Outcomes, err = tx.Progress(k.ID); err != nil {
				return err
			}
			for _, s := range []bot.BatchState{bot.BatchPending, bot.BatchSending, bot.BatchDoubt, bot.BatchDone} {
				batches, err := tx.Batches(k.ID, 1000, s)
				if err != nil {
					return err
				}
				if len(batches) > 0 {
					k.Batches += fmt.Sprintf("%d %s, ", len(batches), s)
				}
			}
			k.Batches = strings.TrimSuffix(k.Batches, ", ")
			m.t.Logf("%-24s %-12s needed %d, approved %v, %v, batches %s",
				k.Name, k.State, k.Needed, k.Approved, k.Outcomes, k.Batches)
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	world, err := json.MarshalIndent(m.world, "", "\t")
	if err != nil {
		m.t.Fatal(err)
	}
	file := filepath.Join(*keepIn, "9e56eb2.db")
	os.Remove(file)
	if err := m.ledger.Backup(context.Background(), file); err != nil {
		m.t.Fatal(err)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	err = errors.Join(os.Remove(file), zip(file+".gz", body), zip(filepath.Join(*keepIn, "9e56eb2.json.gz"), world))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("%d bytes of ledger, %d of world, %d entries", len(body), len(world), m.world.Entries)
}

func zip(file string, body []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return errors.Join(err, w.Close(), f.Close())
}
