package adaptertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/command"
	"recallbot/bot/intake"
)

// answering answers every event with a.
func answering(a intake.Answer) Script {
	return Script{Answer: func(intake.Event, bot.Member) intake.Answer { return a }}
}

// whisper: what is said to one person, nobody else sees, however it was caused; all of it, in
// order.
func whisper(s *suite) {
	var lines []bot.Line
	for i := range 25 {
		lines = append(lines, line(fmt.Sprintf("line %d: ", i)+"{} at {}", bot.Code("/recall @TGS#1 100"),
			bot.At(asked)))
	}
	s.b.Play(Script{Answer: func(e intake.Event, _ bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Whisper,
			Lines: append(slices.Clone(lines), words("only "+e.By.User+" reads this")), Refused: "not_allowed"}
	}})
	ref := s.post(fullCard(bot.Proposed, nil))
	for who, d := range map[string]bottest.Deed{
		s.w.Nobody: s.Type(s.w.Nobody, s.w.Channel, askCommand), s.w.Mina: s.Press(s.w.Mina, ref, bot.ButtonApprove),
		s.w.Theo: s.Press(s.w.Theo, ref, bot.ButtonReject),
	} {
		s.done(d)
		s.wantTold(who, "only "+who+" reads this")
		text, at := plain(s.told(who)), 0
		for _, l := range lines {
			i := strings.Index(text[at:], plain(l.String()))
			if i < 0 {
				s.Fatalf("%s does not read %q in\n%s", who, l.String(), s.told(who))
			}
			at += i
		}
	}
	if n := len(s.Channel(s.w.Channel)); n != 1 {
		s.Errorf("%d messages in the channel, want the card alone", n)
	}
	if got := s.notified(); len(got) != 0 {
		s.Errorf("notified %v", got)
	}
	s.reads(fullCard(bot.Proposed, nil), s.look(ref))
}

// accepted: where a card follows, nobody else hears of the command.
func accepted(s *suite) {
	s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
	if n := len(s.Channel(s.w.Channel)); n != 0 {
		s.Errorf("%d messages in the channel", n)
	}
	s.b.Play(answering(intake.Answer{Kind: intake.Accepted, Lines: []bot.Line{words("The messages are being read.")}}))
	s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
	s.wantTold(s.w.Mina, "The messages are being read.")
}

// offers: the buttons below the lines of an answer stand before one person alone. The answer to a
// press that took effect replaces them; a refusal leaves them, and nothing is lost.
func offers(s *suite) {
	stop := intake.Act{Kind: intake.ActStop, Request: requestID}
	s.b.Play(answering(intake.Answer{Kind: intake.Accepted, Lines: []bot.Line{words("The messages are being read.")},
		Offer: &intake.Offer{Event: "e1", By: s.account(s.w.Mina), Commands: []command.Command{
			{Verb: command.VerbStop, Request: requestID}, {Verb: command.VerbStop, Request: "R-AAAAAA"}},
			Names: []string{"Take back", "Another"}}}))
	s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
	if got := s.newest(s.w.Mina).Buttons; !slices.Equal(got, []string{"Take back", "Another"}) {
		s.Errorf("the buttons %q", got)
	}
	s.b.Play(answering(intake.Answer{Kind: intake.Whisper, Refused: "could_not_check",
		Lines: []bot.Line{words("It could not be checked.")}}))
	s.done(s.PressAlone(s.w.Mina, "Take back"))
	s.sameAct("Take back", s.last().Event.Act, stop)
	if !s.last().Event.Act.OfLines() {
		s.Errorf("the bot was told of %+v, and not that one person alone sees it", s.last().Event.Act.Card)
	}
	s.wantRead(s.w.Mina, "It could not be checked.")
	s.wantRead(s.w.Mina, "The messages are being read.")
	s.b.Play(answering(intake.Answer{Kind: intake.Changed, Lines: []bot.Line{words("It is taken back.")}}))
	s.done(s.PressAlone(s.w.Mina, "Another"))
	s.wantRead(s.w.Mina, "It is taken back.")
	for _, m := range s.Alone(s.w.Mina) {
		if len(m.Buttons) > 0 {
			s.Errorf("the buttons %q are left", m.Buttons)
		}
	}
	if n := len(s.Channel(s.w.Channel)); n != 0 || len(s.notified()) > 0 {
		s.Errorf("%d messages in the channel, notified %v", n, s.notified())
	}
}

// changed: a press that took effect is acknowledged, and the card is left to the teller.
func changed(s *suite) {
	ref := s.post(fullCard(bot.Proposed, []string{s.w.Leads}))
	if err := s.Surface().Edit(s.Context(), ref, fullCard(bot.Running, []string{s.w.Leads})); err != nil {
		s.Fatal(err)
	}
	s.b.Play(answering(intake.Answer{Kind: intake.Changed, Lines: nil}))
	s.done(s.Press(s.w.Theo, ref, bot.ButtonStop))
	s.wait(5 * time.Second)
	s.reads(fullCard(bot.Running, nil), s.look(ref))
	after := fullCard(bot.Stopping, nil)
	if err := s.Surface().Edit(s.Context(), ref, after); err != nil {
		s.Errorf("the teller draws it: %v", err)
	}
	s.settle()
	s.reads(after, s.look(ref))
	if got := s.told(s.w.Mina); got != "" {
		s.Errorf("somebody else is told %q", got)
	}
	if got := s.notified(); !slices.Equal(got, []string{s.w.Leads}) {
		s.Errorf("notified %v, want the first post's %s alone", got, s.w.Leads)
	}
	s.b.Play(answering(intake.Answer{Kind: intake.Changed, Tell: true,
		Lines: []bot.Line{words("One more must approve.")}}))
	if err := s.Surface().Edit(s.Context(), ref, fullCard(bot.Running, nil)); err != nil {
		s.Fatal(err)
	}
	s.settle()
	s.done(s.Press(s.w.Theo, ref, bot.ButtonStop))
	s.wait(5 * time.Second)
	s.wantTold(s.w.Theo, "One more must approve.")
}

// stale: a press on what the card no longer shows tells the person, and the card is left to the
// teller.
func stale(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	older := s.look(ref)
	s.b.Play(answering(intake.Answer{Kind: intake.Whisper,
		Lines: []bot.Line{words("Theo has decided already.")}, Refused: "late"}))
	s.done(s.PressOlder(s.w.Mina, older, bottest.Labels[string(bot.ButtonReject)]))
	s.wait(5 * time.Second)
	s.reads(fullCard(bot.Proposed, nil), s.look(ref))
	s.wantTold(s.w.Mina, "Theo has decided already.")
	if n := len(s.Channel(s.w.Channel)); n != 1 {
		s.Errorf("%d messages in the channel, want the card alone", n)
	}
	if e := s.last().Event; e.Act.Card.Message != ref.Message {
		s.Errorf("the bot was told of %+v", e.Act.Card)
	}
}

// cardAlone: a request that one person asked to see stands before them alone, and its buttons work
// there.
func cardAlone(s *suite) {
	c := fullCard(bot.Proposed, []string{s.w.Leads})
	s.b.Play(answering(intake.Answer{Kind: intake.ShowCard, Card: &c}))
	s.done(s.Type(s.w.Theo, s.w.Channel, Typed{Command: "recalls", Sub: "show",
		Options: []Option{{"id", string(requestID)}}}))
	alone := s.Alone(s.w.Theo)
	if len(alone) != 1 {
		s.Fatalf("%d things shown, want the card", len(alone))
	}
	s.reads(c, alone[0])
	s.wantTold(s.w.Theo, c.Head[0].String())
	after := fullCard(bot.Rejected, nil)
	s.b.Play(answering(intake.Answer{Kind: intake.Changed, Card: &after}))
	s.done(s.PressAlone(s.w.Theo, "Reject"))
	act := s.last().Event.Act
	s.sameAct("press on it", act, intake.Act{Kind: intake.ActAskReject, Request: requestID, Digest: short})
	if !act.Private() {
		s.Errorf("the bot was told of %+v, and not that one person alone sees it", act.Card)
	}
	if alone = s.Alone(s.w.Theo); len(alone) != 1 {
		s.Fatalf("%d things shown, want the same card changed", len(alone))
	}
	s.reads(after, alone[0])
	if got := s.notified(); len(got) != 0 {
		s.Errorf("notified %v", got)
	}

	// With lines below it: people, times and outcomes. None of them is lost.
	s.b.Play(answering(intake.Answer{Kind: intake.ShowCard, Card: &c,
		Lines: []bot.Line{words("Receipt 1"), words("100: recalled")}}))
	s.done(s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recalls", Sub: "show",
		Options: []Option{{"id", string(requestID)}}}))
	s.wait(5 * time.Second)
	s.wantTold(s.w.Mina, "Receipt 1")
	s.wantTold(s.w.Mina, "100: recalled")
}

// samples are messages of a page.
func samples(from, n int) []bot.Sample {
	var l []bot.Sample
	for i := range n {
		l = append(l, bot.Sample{Seq: uint32(from + i), Sender: "casino_77", Name: "Lucky Luke", Sent: asked,
			Text: bot.Line{bot.Quote(fmt.Sprintf("message number %d", from+i))}})
	}
	return l
}

// page: the messages stand before one person alone, and can be turned.
func page(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{Answer: func(e intake.Event, _ bot.Member) intake.Answer {
		n := e.Act.Page
		return intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{
			Title: words(fmt.Sprintf("R-7K3M9Q: the messages, page %d of 3", n+1)), Request: requestID, Digest: digest,
			Samples: samples(100+10*n, 10),
			Notes:   []bot.Line{words("kept until tomorrow")}, Number: n, Of: 3,
		}}
	}})
	shows := func(n int) {
		s.Helper()
		s.wantTold(s.w.Mina, fmt.Sprintf("page %d of 3", n+1))
		s.wantTold(s.w.Mina, fmt.Sprintf("message number %d", 100+10*n))
		s.wantTold(s.w.Mina, fmt.Sprintf("message number %d", 109+10*n))
		s.wantTold(s.w.Mina, "kept until tomorrow")
		m := s.newest(s.w.Mina)
		for word, wanted := range map[string]bool{"Previous": n > 0, "Next": n < 2} {
			if has := slices.ContainsFunc(m.Buttons,
				func(l string) bool { return strings.HasPrefix(l, word) }); has != wanted {
				s.Errorf("page %d has the buttons %q", n+1, m.Buttons)
			}
		}
	}
	s.done(s.Press(s.w.Mina, ref, bot.ButtonShowAll))
	shows(0)
	for i, turn := range []struct {
		label string
		to    int
	}{{"Next", 1}, {"Next", 2}, {"Previous", 1}} {
		s.done(s.PressAlone(s.w.Mina, turn.label))
		s.sameAct(turn.label, s.last().Event.Act, intake.Act{Kind: intake.ActShowAll, Request: requestID, Digest: short,
			Page: turn.to})
		if e := s.last().Event; e.By != s.account(s.w.Mina) || e.Place.Channel != s.w.Channel {
			s.Errorf("turn %d: by %v in %+v", i, e.By, e.Place)
		}
		shows(turn.to)
		if n := len(s.Alone(s.w.Mina)); n != 1 {
			s.Errorf("turn %d: %d pages are shown", i, n)
		}
	}
}

// found: what a search found can be turned like any page, each press bearing the search; and be
// asked for by one button, whose label the bot gives. What takes the bot a while is shown all the
// same, and so is a refusal.
func found(s *suite) {
	find := Typed{Command: "recalls", Sub: "find", Options: []Option{{"group", "@TGS#1"}, {"last", "57"}}}
	var search bot.EventID
	s.b.Play(Script{DoTakes: 2500 * time.Millisecond, Answer: func(e intake.Event, _ bot.Member) intake.Answer {
		if e.Act.Kind == intake.ActCommand {
			search = e.ID
		}
		n := e.Act.Page
		return intake.Answer{Kind: intake.ShowPage, Page: &intake.Page{
			Title: words(fmt.Sprintf("57 messages found, page %d of 3", n+1)), Samples: samples(100+20*n, 20),
			Number: n, Of: 3, Search: search, Recall: "Recall all 57",
		}}
	}})
	s.done(s.Type(s.w.Mina, s.w.Channel, find))
	s.wait(6 * time.Second)
	s.wantRead(s.w.Mina, "message number 119")
	for _, turn := range []struct {
		label string
		to    int
	}{{"Next", 1}, {"Next", 2}, {"Previous", 1}} {
		s.done(s.PressAlone(s.w.Mina, turn.label))
		s.wait(6 * time.Second)
		s.sameAct(turn.label, s.last().Event.Act, intake.Act{Kind: intake.ActTurnFind, Search: search, Page: turn.to})
		s.wantRead(s.w.Mina, fmt.Sprintf("message number %d", 100+20*turn.to))
	}
	gone := answering(intake.Answer{Kind: intake.Whisper, Refused: "search_gone",
		Lines: []bot.Line{words("What was found then is no longer kept.")}})
	turned := s.b.script()
	s.b.Play(Script{})
	s.done(s.PressAlone(s.w.Mina, "Recall all 57"))
	s.wait(6 * time.Second)
	s.sameAct("Recall all 57", s.last().Event.Act, intake.Act{Kind: intake.ActRecallFind, Search: search})

	s.b.Play(turned)
	s.done(s.Type(s.w.Theo, s.w.Channel, find))
	s.wait(6 * time.Second)
	s.b.Play(gone)
	s.done(s.PressAlone(s.w.Theo, "Next"))
	s.wait(6 * time.Second)
	s.wantRead(s.w.Theo, "What was found then is no longer kept.")
	if len(s.notified()) > 0 {
		s.Errorf("notified %v", s.notified())
	}
}

// offered: a command that an answer offers has a button, which says whose answer it was and which
// of the commands; one person alone sees them.
func offered(s *suite) {
	var asked bot.EventID
	mistake := Script{Answer: func(e intake.Event, _ bot.Member) intake.Answer {
		asked = e.ID
		one := command.Command{Verb: command.VerbHelp}
		return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words("Which was meant?")}, Refused: "mistake.x",
			Offer: &intake.Offer{Event: e.ID, By: e.By, Commands: []command.Command{one, one}}}
	}}
	for i, label := range []string{"Use 1", "Use 2"} {
		s.b.Play(mistake)
		s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
		s.wantTold(s.w.Mina, "Which was meant?")
		s.b.Play(answering(intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words("done as typed: " + label)}}))
		s.done(s.PressAlone(s.w.Mina, label))
		s.wait(6 * time.Second)
		s.sameAct(label, s.last().Event.Act, intake.Act{Kind: intake.ActUse, Search: asked, Page: i})
		if e := s.last().Event; e.By != s.account(s.w.Mina) || e.Place.Channel != s.w.Channel {
			s.Errorf("%s: by %v in %+v", label, e.By, e.Place)
		}
		s.wantRead(s.w.Mina, "done as typed: "+label)
	}
	if n := len(s.Channel(s.w.Channel)); n != 0 || len(s.notified()) != 0 {
		s.Errorf("%d messages in the channel, notified %v", n, s.notified())
	}
}

var errFault = errors.New("the disk is full, says a path that nobody should read")

// fault: an error of the bot is a sentence to the person, never silence and never the error.
func fault(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{DoFails: errFault})
	tried(s, ref)
}

// storeFails: the same where the event could not even be stored.
func storeFails(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{StoreFails: errFault})
	tried(s, ref)
}

// panics: the same for a bug.
func panics(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{Panics: true})
	tried(s, ref)
	s.b.Play(answering(intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words("well again")}}))
	s.done(s.Type(s.w.Mina, s.w.Channel, helpCommand))
	s.wantTold(s.w.Mina, "well again")
}

// tried: each way of acting is answered with the word to try again.
func tried(s *suite, ref bot.Ref) {
	s.Helper()
	for who, act := range map[string]func() bottest.Deed{
		s.w.Mina:   func() bottest.Deed { return s.Type(s.w.Mina, s.w.Channel, askCommand) },
		s.w.Theo:   func() bottest.Deed { return s.Press(s.w.Theo, ref, bot.ButtonApprove) },
		s.w.Nobody: func() bottest.Deed { return s.Press(s.w.Nobody, ref, bot.ButtonShowAll) },
	} {
		d := act()
		s.wait(10 * time.Second)
		s.done(d)
		s.wantRead(who, "try again")
		if contains(s.told(who), "disk") {
			s.Errorf("the error itself is shown: %s", s.told(who))
		}
	}
	if n := len(s.b.Did()); n != 0 {
		s.Errorf("%d events took effect", n)
	}
	s.reads(fullCard(bot.Proposed, nil), s.look(ref))
}

// blind: where the platform does not say who acts, the event is given up and the person told to
// repeat it.
func blind(s *suite) {
	if !s.Blind() {
		s.Log("the event itself says who acts")
		return
	}
	d := s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recalls", Sub: "stop",
		Options: []Option{{"id", string(requestID)}}})
	s.wait(10 * time.Second)
	s.done(d)
	s.wantTold(s.w.Mina, gaveUp)
	if len(s.b.Did()) != 0 || len(s.b.GaveUp()) != 1 {
		s.Errorf("did %+v, gave up %+v", s.b.Did(), s.b.GaveUp())
	}
}
