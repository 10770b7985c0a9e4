package adaptertest

import (
	"encoding/json"
	"time"

	"recallbot/bot"
	"recallbot/bot/command"
	"recallbot/recall"
)

// Cards are a request as it looks in each state, as the bot itself writes it: for an adapter's
// golden files, so that what every state looks like there can be read. on is the platform, and
// notify are its approver groups.
func Cards(on bot.Platform, notify []string) []bot.Card {
	b := &bot.Bot{Options: bot.Options{Policy: bot.DefaultPolicy()}}
	crowd := bot.Crowd{}
	for _, g := range notify {
		crowd.Approvers = append(crowd.Approvers, bot.Principal{Group: g})
	}
	b.Policy.Crowds = map[bot.Platform]bot.Crowd{on: crowd}
	var all []bot.Card
	for i, state := range bot.States() {
		r, tx := request(on, state)
		c, err := b.Card(tx, r, 1+i)
		if err != nil {
			panic(err) // unreachable: nothing is read
		}
		all = append(all, c)
	}
	return all
}

// read is a ledger's transaction that has what a card is made of.
type read struct {
	bot.Tx
	messages []bot.Message
	paused   *bot.Pause
}

func (t read) Now() time.Time                             { return asked.Add(5 * time.Minute) }
func (t read) Paused(recall.SDKAppID) (*bot.Pause, error) { return t.paused, nil }
func (t read) Messages(bot.RequestID, bot.MessageID, int) ([]bot.Message, error) {
	return t.messages, nil
}

func (t read) Removals(recall.SDKAppID, recall.GroupID, recall.TopicID, []recall.Seq,
	time.Time) (map[recall.Seq]bot.Removal, error) {
	return nil, nil
}

func (t read) LastOutcome(bot.RequestID) (time.Time, error) { return t.Now(), nil }

func (t read) Progress(bot.RequestID) (map[bot.Class]int, error) {
	counts := map[bot.Class]int{}
	for _, m := range t.messages {
		counts[m.Outcome.Class]++
	}
	return counts, nil
}

func (t read) NotGone(bot.RequestID, int) (left []bot.Message, err error) {
	for _, m := range t.messages {
		switch m.Outcome.Class {
		case bot.ClassRefused, bot.ClassNotSent, bot.ClassUnknown:
			if m.Sends() {
				left = append(left, m)
			}
		}
	}
	return left, nil
}

// request is a request of three messages, one of which does not exist, in a state.
func request(on bot.Platform, state bot.State) (bot.Request, read) {
	person := func(name, id string) bot.Actor {
		return bot.Actor{Person: bot.PersonID(name), Name: name,
			Account: bot.Account{Platform: on, Workspace: "W1", User: id}}
	}
	mina, theo := person("Mina", "M1"), person("Theo", "T1")
	r := bot.Request{
		ID: requestID, App: 1, State: state, By: mina, Reason: "scam links", Asked: asked, Policy: bot.DefaultPolicy(),
		Place: bot.Place{Platform: on, Workspace: "W1", Channel: "C1"},
		Scope: command.Scope{Group: "@TGS#2J4SZEAEL", Seqs: command.MakeRanges(100, 101, 102)},
		Parts: []bot.Part{{Talk: bot.Talk{Group: "@TGS#2J4SZEAEL"}, Covers: command.MakeRanges(100, 101, 102)}},
	}
	if state == bot.Preparing {
		return r, read{}
	}
	r.Parts[0].Facts = bot.GroupFacts{Type: "Public", Name: "Harbour market", Members: 1204, New: true}
	if state == bot.Refused {
		r.RefusedFor = bot.Say("refuse.no_group", "group", bot.Code(string(r.Scope.Group)), "code",
			bot.Span{Kind: bot.Words, Text: "10010"})
		r.Ended = asked.Add(5 * time.Minute)
		return r, read{}
	}
	said := func(text string) string {
		content, err := json.Marshal(map[string]string{"Text": text})
		if err != nil {
			panic(err) // unreachable: strings always marshal
		}
		return bot.EvidenceOf(recall.Message{Body: []recall.Element{{Type: "TIMTextElem", Content: content}}}, 1000)
	}
	tx := read{messages: []bot.Message{
		{Seq: 100, Status: bot.SealNormal, Sender: "casino_77", Sent: asked.Add(-90 * time.Minute),
			Evidence: said("free coins at casino dot example")},
		{Seq: 101, Status: bot.SealNormal, Sender: "casino_77", Sent: asked.Add(-80 * time.Minute), Admin: true,
			Evidence: said("最后机会 🎰")},
		{Seq: 102, Status: bot.SealAbsent},
	}}
	r.Sealed, r.Digest, r.Tally, r.Needed = asked.Add(2*time.Second), digest, bot.TallyOf(tx.messages), 1
	r.Deadline = r.Sealed.Add(30 * time.Minute)
	r.Earlier = []bot.Earlier{{ID: "R-AAAAAA", State: bot.Expired, Ended: asked.Add(-24 * time.Hour)}}
	approve := func() {
		r.Granted, r.Begun = asked.Add(4*time.Minute), asked.Add(4*time.Minute)
		r.Approvals = []bot.Approval{{By: theo, Digest: digest, At: r.Granted}}
	}
	outcomes := func(o ...bot.Outcome) {
		approve()
		for i := range o {
			tx.messages[i].Outcome = o[i]
		}
	}
	recalled := bot.Outcome{Class: bot.ClassRecalled, Confirmed: bot.ByHistory}
	absent := bot.Outcome{Class: bot.ClassNotSent, Why: bot.WhyDidNotExist}
	notSent := func(why bot.Why) bot.Outcome { return bot.Outcome{Class: bot.ClassNotSent, Why: why} }
	switch state {
	case bot.Approved:
		approve()
		tx.paused = &bot.Pause{Code: 70003, Info: "UserSig expired", Since: r.Granted}
	case bot.Running:
		outcomes(recalled, bot.Outcome{}, absent)
	case bot.Stopping:
		outcomes(recalled, bot.Outcome{}, absent)
		r.EndedBy = mina
	case bot.Done:
		outcomes(recalled, bot.Outcome{Class: bot.ClassRefused, Code: 10031}, absent)
	case bot.Stopped:
		outcomes(recalled, notSent(bot.WhyStopped), absent)
		r.EndedBy = mina
	case bot.NotStarted:
		outcomes(notSent(bot.WhyNotStarted), notSent(bot.WhyNotStarted), absent)
	case bot.Withdrawn:
		r.EndedBy = mina
	case bot.Rejected:
		r.EndedBy, r.EndReason = theo, "wrong group"
	}
	if !state.Open() {
		r.Ended = asked.Add(5 * time.Minute)
	}
	return r, tx
}
