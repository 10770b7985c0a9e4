package adaptertest

import (
	"time"

	"recallbot/bot"
)

// Cards are a request as it looks in each state, in the bot's own sentences: for an adapter's
// golden files, so that what every state looks like there can be read. notify are the approver
// groups.
func Cards(notify []string) []bot.Card {
	var all []bot.Card
	for i, state := range bot.States() {
		c := card(state, notify)
		c.Version = 1 + i
		all = append(all, c)
	}
	return all
}

// card is a request of three messages, one of which is gone, in a state.
func card(state bot.State, notify []string) bot.Card {
	const group = "@TGS#2J4SZEAEL"
	var (
		sealed  = asked.Add(2 * time.Second)
		granted = asked.Add(4 * time.Minute)
		ended   = asked.Add(5 * time.Minute)
		person  = func(name, id string) bot.Line {
			return bot.Line{bot.Quote(name), {Kind: bot.Words, Text: " ("}, bot.Code(id), {Kind: bot.Words, Text: ")"}}
		}
		mina, theo = person("Mina", "M1"), person("Theo", "T1")
		fact       = func(name string, value bot.Line) bot.Fact {
			return bot.Fact{Name: bot.Say("card.fact." + name).String(), Value: value}
		}
		nobodys  = map[bot.State]bool{bot.Preparing: true, bot.Refused: true} // it was never sealed
		approved = map[bot.State]bool{bot.Approved: true, bot.Running: true, bot.Stopping: true, bot.Done: true,
			bot.Stopped: true, bot.NotStarted: true}
		sent = map[bot.State]bool{bot.Running: true, bot.Stopping: true, bot.Done: true, bot.Stopped: true}
	)
	who, when := theo, ended
	switch state {
	case bot.Withdrawn:
		who = mina
	case bot.Done:
		when = granted
	}
	c := bot.Card{
		ID: requestID, State: state, Notify: notify,
		Title: bot.Say("card."+string(state), "id", requestID, "n", 1, "who", who, "when", when, "within",
			15*time.Minute),
	}
	switch state {
	case bot.Refused:
		c.Notices = []bot.Line{bot.Say("refuse.no_group", "group", bot.Code(group), "code",
			bot.Span{Kind: bot.Words, Text: "10010"})}
	case bot.Rejected:
		c.Notices = []bot.Line{bot.Say("card.notice.rejected", "reason", "wrong group")}
	case bot.Approved:
		c.Notices = []bot.Line{bot.Say("card.notice.paused", "code", bot.Span{Kind: bot.Words, Text: "70003"}, "words",
			"UserSig expired", "when", granted)}
	}

	c.Facts = []bot.Fact{fact("group", append(bot.Say("card.fact.group.value", "group", bot.Code(group), "name",
		"Harbour market"),
		append(append(bot.Line{{Kind: bot.Words, Text: " ("}}, bot.Say("card.fact.group.type", "type", "Public", "n",
			1204)...), bot.Span{Kind: bot.Words, Text: ")"})...))}
	if nobodys[state] {
		c.Facts = append(c.Facts, fact("messages", bot.Say("card.fact.messages.asked", "n", 3, "seqs",
			bot.Code("100-102"))))
	} else {
		c.Digest = digest
		key := "card.fact.messages.sent"
		if state == bot.Proposed {
			key = "card.fact.messages.sealed"
		}
		c.Facts = append(c.Facts,
			fact("messages", bot.Say(key, "send", 2, "n", 3, "seqs", bot.Code("100-102"))),
			fact("senders", bot.Say("card.fact.senders.one", "who", "casino_77", "n", 2)),
			fact("times", bot.Say("card.fact.times.span", "first", asked.Add(-90*time.Minute), "last",
				asked.Add(-80*time.Minute))))
		marks := [][]bot.Line{nil, {bot.Say("card.mark.admin")}, {bot.Say("card.mark.absent")}}
		if state == bot.Proposed || state == bot.Approved {
			marks[2] = []bot.Line{bot.Say("card.mark.withheld", "mark", marks[2][0])}
		}
		switch {
		case state == bot.Done:
			marks = [][]bot.Line{{bot.Say("outcome.recalled")}, {bot.Say("outcome.10031")},
				{bot.Say("outcome.did_not_exist")}}
		case state == bot.Stopped || state == bot.Stopping || state == bot.Running:
			marks = [][]bot.Line{{bot.Say("outcome.recalled")}, {bot.Say("card.mark.admin")},
				{bot.Say("outcome.did_not_exist")}}
			if state == bot.Stopped {
				marks[1] = []bot.Line{bot.Say("outcome.stopped")}
			}
		case state == bot.NotStarted:
			marks = [][]bot.Line{{bot.Say("outcome.not_started")}, {bot.Say("outcome.not_started")},
				{bot.Say("outcome.did_not_exist")}}
		}
		c.Samples = []bot.Sample{
			{Seq: 100, Sender: "casino_77", Sent: asked.Add(-90 * time.Minute),
				Text: bot.Line{bot.Quote("free coins at casino dot example")}, Marks: marks[0]},
			{Seq: 101, Sender: "casino_77", Sent: asked.Add(-80 * time.Minute), Text: bot.Line{bot.Quote("最后机会 🎰")},
				Marks: marks[1]},
			{Seq: 102, Marks: marks[2]},
		}
	}
	c.Warnings = []bot.Line{bot.Say("card.warn.new")}
	c.Earlier = []bot.Line{bot.Say("card.earlier", "id", bot.RequestID("R-AAAAAA"), "state", bot.Say("state.expired"),
		"who", "Lena", "when", asked.Add(-24*time.Hour))}

	c.Closing = []bot.Fact{fact("by", bot.Say("card.fact.by.value", "who", mina, "when", asked)),
		fact("reason", bot.Line{bot.Quote("scam links")})}
	if !nobodys[state] {
		approvals := bot.Say("card.fact.approvals.none", "need", 1)
		if approved[state] {
			approvals = bot.Say("card.fact.approvals.value", "have", 1, "need", 1, "who", theo)
		}
		c.Closing = append(c.Closing, fact("approvals", approvals))
	}
	if state == bot.Proposed {
		c.Closing = append(c.Closing, fact("deadline", bot.Line{bot.At(sealed.Add(30 * time.Minute))}))
	}
	if sent[state] {
		done, words := 2, "1 recalled, 1 not sent"
		switch state {
		case bot.Done:
			done, words = 3, "1 recalled, 1 refused, 1 not sent"
		case bot.Stopped:
			done, words = 3, "1 recalled, 2 not sent"
		}
		c.Progress = bot.Say("card.progress", "done", done, "total", 3, "rest",
			bot.Line{{Kind: bot.Words, Text: words}})
		if state == bot.Running {
			c.Progress = append(append(c.Progress, bot.Span{Kind: bot.Words, Text: "; "}),
				bot.Say("card.progress.left", "left", 2*time.Second)...)
		}
	}

	button := func(kind string) bot.Button {
		return bot.Button{
			Kind: bot.ButtonKind(kind), Label: bot.Say("button." + kind).String(),
			Speech: bot.Say("button."+kind+".speech", "n", 2, "id", requestID).String(),
		}
	}
	switch {
	case state == bot.Proposed:
		approve := button("approve")
		approve.Confirm = &bot.Confirm{
			Title: bot.Say("confirm.approve.title", "n", 2).String(), Text: bot.Say("confirm.approve.text", "n", 2,
				"group", bot.Code(group)).String(),
			Yes: bot.Say("confirm.approve.yes").String(), No: bot.Say("confirm.no").String(),
		}
		c.Buttons = []bot.Button{approve, button("reject"), button("show_all")}
	case state == bot.Approved || state == bot.Running:
		stop := button("stop")
		stop.Confirm = &bot.Confirm{
			Title: bot.Say("confirm.stop.title").String(), Text: bot.Say("confirm.stop.text", "id", requestID).String(),
			Yes: bot.Say("confirm.stop.yes").String(), No: bot.Say("confirm.no").String(),
		}
		c.Buttons = []bot.Button{stop, button("show_all")}
	case !nobodys[state]:
		c.Buttons = []bot.Button{button("show_all")}
	}
	return c
}
