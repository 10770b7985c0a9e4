package adaptertest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
)

var (
	askCommand = Typed{Command: "recall", Options: []Option{{"group", "@TGS#2J4SZEAEL"}, {"seqs", "100 101"},
		{"reason", "spam"}}}
	helpCommand = Typed{Command: "recalls", Sub: "help"}
)

// storedFirst: at the moment of the acknowledgement the event is in the store.
func storedFirst(s *suite) {
	const takes = 400 * time.Millisecond
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{StoreTakes: takes})
	for name, deed := range map[string]func() bottest.Deed{
		"command": func() bottest.Deed { return s.Type(s.w.Mina, s.w.Channel, askCommand) },
		"press":   func() bottest.Deed { return s.Press(s.w.Theo, ref, bot.ButtonStop) },
		"show":    func() bottest.Deed { return s.Press(s.w.Theo, ref, bot.ButtonShowAll) },
	} {
		if name == "press" {
			running := fullCard(bot.Running, nil)
			if err := s.Surface().Edit(s.Context(), ref, running); err != nil {
				s.Fatal(err)
			}
		}
		began := time.Now()
		d := deed()
		s.done(d)
		after := d.AckedAfter()
		at, ok := s.b.Stored(s.last().Event.ID)
		if !ok || began.Add(after).Before(at) || after < takes {
			s.Errorf("%s: acknowledged after %v, stored (%v) after %v", name, after, ok, at.Sub(began))
		}
	}
}

// slowCheck: however long it takes to decide, the platform hears in time and the person in the end.
func slowCheck(s *suite) {
	s.b.Play(Script{DoTakes: 4 * time.Second, Answer: whispering("the answer comes late")})
	d := s.Type(s.w.Mina, s.w.Channel, helpCommand)
	s.wait(10 * time.Second)
	s.done(d)
	got := s.told(s.w.Mina)
	if late := contains(got, "the answer comes late"); !late && !contains(got, "try again") {
		s.Errorf("told %q", got)
	} else if !late {
		s.Log("the platform takes no answer after the acknowledgement: the person is told to try again")
	}
}

// slowStore: a store that does not answer is no reason for silence.
func slowStore(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{StoreTakes: time.Hour})
	for _, d := range []bottest.Deed{s.Type(s.w.Mina, s.w.Channel, helpCommand),
		s.Press(s.w.Theo, ref, bot.ButtonReject)} {
		s.wait(10 * time.Second)
		s.done(d)
	}
	s.wantRead(s.w.Mina, "try again")
	s.wantRead(s.w.Theo, "try again")
	if n := len(s.b.Did()); n != 0 {
		s.Errorf("%d events took effect without being stored", n)
	}
}

// twice: a command delivered twice is one event, and its answer stays the first one.
func twice(s *suite) {
	n := 0
	s.b.Play(Script{Answer: func(intake.Event, bot.Member) intake.Answer {
		n++
		return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words(fmt.Sprintf("answer number %d", n))}}
	}})
	s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
	s.d.Again()
	s.wait(5 * time.Second)
	s.only()
	seen := s.b.Seen()
	if len(seen) != 2 || seen[0] != seen[1] || seen[0] == "" {
		s.Errorf("the events were %q", seen)
	}
	s.wantTold(s.w.Mina, "answer number 1")
	if contains(s.told(s.w.Mina), "answer number 2") {
		s.Error("a second answer")
	}
	s.done(s.Type(s.w.Mina, s.w.Channel, askCommand))
	if seen = s.b.Seen(); len(seen) != 3 || seen[2] == seen[0] {
		s.Errorf("the same words typed again are the same event: %q", seen)
	}
}

// pressTwice: the same for a press that takes effect.
func pressTwice(s *suite) {
	ref := s.post(fullCard(bot.Running, nil))
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Changed}
	}})
	s.done(s.Press(s.w.Theo, ref, bot.ButtonStop))
	s.d.Again()
	s.wait(5 * time.Second)
	s.only()
	if seen := s.b.Seen(); len(seen) != 2 || seen[0] != seen[1] {
		s.Errorf("the events were %q", seen)
	}
}

// command: what was typed reaches the bot whole.
func typed(s *suite) {
	for _, c := range []Typed{
		askCommand,
		{Command: "recall", Options: []Option{{"group", "@TGS#_g"}, {"from", "casino_77"}, {"since", "2h"},
			{"until", "30m"}, {"text", "free coins"}, {"last", "50"}, {"topic", "@TGS#_g@TOPIC#_1"}}},
		{Command: "recalls", Sub: "find", Options: []Option{{"group", "@TGS#1"}, {"from", "u"}, {"last", "5"}}},
		{Command: "recalls", Sub: "list", Options: []Option{{"which", "mine"}}},
		{Command: "recalls", Sub: "show", Options: []Option{{"id", string(requestID)}}},
		{Command: "recalls", Sub: "withdraw", Options: []Option{{"id", string(requestID)}}},
		{Command: "recalls", Sub: "stop", Options: []Option{{"id", string(requestID)}}},
		helpCommand,
		{Command: "recalls", Sub: "whoami"},
	} {
		s.done(s.Type(s.w.Mina, s.w.Channel, c))
		s.sameAct(fmt.Sprint(c), s.last().Event.Act, s.Act(c))
	}
	if !s.Can().Typed {
		s.Log("commands are text here, which the bot parses")
	}
}

// sameAct compares acts but for Card and Reply, which are the platform's own.
func (s *suite) sameAct(what string, got, want intake.Act) {
	s.Helper()
	got.Card = bot.Ref{}
	if !maps.Equal(got.Options, want.Options) {
		s.Errorf("%s: options %q, want %q", what, got.Options, want.Options)
	}
	got.Options, want.Options = nil, nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		s.Errorf("%s: the bot was told\n%+v, want\n%+v", what, got, want)
	}
}

// bareCommand: a command without options is one as well.
func bareCommand(s *suite) {
	s.done(s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recall"}))
	got := s.only().Event.Act
	if got.Kind != intake.ActCommand || got.Command != "recall" || got.Text != "" || len(got.Options) != 0 ||
		s.Can().Typed != (got.Options != nil) {
		s.Errorf("the bot was told %+v", got)
	}
}

// short is what a button carries of a digest.
var short = digest[:bot.DigestShort]

// presses: every button of a card tells the request, the seal that it shows, and the message that
// was pressed.
func presses(s *suite) {
	approve := intake.ActAskApprove
	if s.Can().Confirms {
		approve = intake.ActApprove
	}
	for i, p := range []struct {
		state  bot.State
		button bot.ButtonKind
		kind   intake.ActKind
	}{
		{bot.Proposed, bot.ButtonApprove, approve}, {bot.Proposed, bot.ButtonReject, intake.ActAskReject},
		{bot.Proposed, bot.ButtonShowAll, intake.ActShowAll},
		{bot.Running, bot.ButtonStop, intake.ActStop}, {bot.Done, bot.ButtonShowAll, intake.ActShowAll},
	} {
		s.wait(5 * time.Second)
		ref, err := s.Surface().Post(s.Context(), s.place(), fullCard(p.state, nil), fmt.Sprint("press ", i))
		if err != nil {
			s.Fatal(err)
		}
		s.done(s.Press(s.w.Theo, ref, p.button))
		e := s.last().Event
		s.sameAct(string(p.button), e.Act, intake.Act{Kind: p.kind, Request: requestID, Digest: short})
		if e.Act.Card.Channel != ref.Channel || e.Act.Card.Message != ref.Message {
			s.Errorf("%s: pressed %+v, told %+v", p.button, ref, e.Act.Card)
		}
		if e.By != s.account(s.w.Theo) || e.Place.Channel != s.w.Channel {
			s.Errorf("%s: by %v in %+v", p.button, e.By, e.Place)
		}
	}
}

// restarted: what was posted by one process is pressed in the next.
func restarted(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	s.Restart()
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Changed}
	}})
	s.done(s.Press(s.w.Theo, ref, bot.ButtonReject))
	if e := s.only().Event; e.Act.Request != requestID || e.Act.Digest != short {
		s.Errorf("the bot was told %+v", e.Act)
	}
}

// leftOver: an event that was acknowledged and then left by a process that ended is taken up, or
// given up when it is too old; the person hears.
func leftOver(s *suite) {
	if !s.Can().Checks {
		s.Log("events are stored with their answer here, so none can be left over")
		return
	}
	ref := s.post(fullCard(bot.Running, nil))
	s.b.Play(Script{Answer: whispering("taken up again")})
	left := intake.Event{ID: "left", Place: s.place(), By: s.account(s.w.Theo),
		Act: intake.Act{Kind: intake.ActStop, Request: requestID, Digest: short, Card: ref}}
	s.b.Leave(intake.Unfinished{Event: left, Age: 10 * time.Second})
	left.ID, left.By = "old", s.account(s.w.Mina)
	s.b.Leave(intake.Unfinished{Event: left, Age: time.Hour})
	s.Restart()
	s.wait(5 * time.Second)
	if e := s.only().Event; e.ID != "left" {
		s.Errorf("took up %q", e.ID)
	}
	if l := s.b.GaveUp(); len(l) != 1 || l[0].ID != "old" {
		s.Errorf("gave up %+v", l)
	}
	s.wantTold(s.w.Theo, "taken up again")
	s.wantTold(s.w.Mina, gaveUp)
}

// forged: what a button carries is only what somebody says. It reaches the bot as that, or not at
// all; it never becomes the card's own.
func forged(s *suite) {
	ref := s.post(fullCard(bot.Proposed, nil))
	for i, f := range []struct {
		button          bot.ButtonKind
		request, digest string
	}{
		{bot.ButtonStop, "R-ZZZZZZ", "ffffffffffffffff"}, {bot.ButtonReject, string(requestID), "ffffffffffffffff"},
		{bot.ButtonReject, "R-ZZZZZZ", short},
		{bot.ButtonReject, "", ""}, {bot.ButtonReject, "nobody", "<!channel>"}, {"explode", string(requestID), short},
	} {
		before := len(s.b.Did())
		s.done(s.PressForged(s.w.Theo, ref, f.button, f.request, f.digest))
		all := s.b.Did()
		if len(all) == before {
			s.Logf("forged press %d does not reach the bot", i)
			if i < 3 {
				s.Error("one that the bot might have made must reach it, so that it is refused and audited")
			}
			continue
		}
		act := all[len(all)-1].Event.Act
		if string(act.Request) != f.request && act.Request != "" || act.Digest != f.digest && act.Digest != "" ||
			f.button == "explode" && act.Kind != intake.ActForged {
			s.Errorf("forged press %d became %+v", i, act)
		}
	}
}

// forms: a form is opened with its inputs, and what is filled in reaches the bot by their names.
func forms(s *suite) {
	form := intake.Form{Kind: intake.FormAsk, Title: "Recall messages of a group, with a title that is too long",
		Submit: "Ask", Inputs: []intake.Input{
			{Name: "group", Label: "Group id", Placeholder: "@TGS#2J4SZEAEL", Required: true, Max: 100},
			{Name: "what", Label: "Message numbers, or a filter", Required: true, Max: 2000},
			{Name: "topic", Label: "Topic", Max: 200}, {Name: "reason", Label: "Reason", Long: true, Max: 500},
		}}
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.ShowForm, Form: &form}
	}})
	s.done(s.Type(s.w.Mina, s.w.Channel, Typed{Command: "recall"}))
	if s.Can().NoForms {
		s.noForms()
		return
	}
	f := s.form(s.w.Mina, form)
	if _, other := s.Form(s.w.Theo); other {
		s.Error("the form is open for somebody else")
	}
	s.b.Play(Script{Answer: whispering("understood")})
	s.done(s.Send(s.w.Mina, f, map[string]string{"group": "@TGS#1", "what": "100-150", "reason": "one\ntwo <@x>"}))
	e := s.last().Event
	options := maps.Clone(e.Act.Options)
	maps.DeleteFunc(options, func(_, v string) bool { return v == "" })
	e.Act.Options = options
	s.sameAct("form", e.Act, intake.Act{Kind: intake.ActForm, Command: "recall",
		Options: map[string]string{"group": "@TGS#1", "what": "100-150", "reason": "one\ntwo <@x>"}})
	if e.Place.Channel != s.w.Channel {
		s.Errorf("sent from %+v", e.Place)
	}
	s.wantTold(s.w.Mina, "understood")

	// Reject: the reason is one of the act, and so is the card on which it was pressed.
	reject := intake.Form{Kind: intake.FormReject, Title: "Reject R-7K3M9Q", Submit: "Reject", Request: requestID,
		Digest: digest, Inputs: []intake.Input{{Name: "reason", Label: "Reason (optional)", Long: true, Max: 500}}}
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{Answer: func(intake.Event, bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.ShowForm, Form: &reject}
	}})
	s.done(s.Press(s.w.Theo, ref, bot.ButtonReject))
	f = s.form(s.w.Theo, reject)
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Changed}
	}})
	s.done(s.Send(s.w.Theo, f, map[string]string{"reason": "wrong group"}))
	s.rejected(ref, "wrong group")
}

// noForms is forms where none can be opened: what must be typed is said, and a form in which
// nothing must be is two buttons.
func (s *suite) noForms() {
	s.Log("there are no forms: what they ask for is typed, or two buttons")
	s.wantTold(s.w.Mina, "@TGS#2J4SZEAEL")
	reject := intake.Form{Kind: intake.FormReject, Title: "Reject R-7K3M9Q", Submit: "Reject", Request: requestID,
		Digest: digest, Inputs: []intake.Input{{Name: "reason", Label: "Reason (optional)"}}}
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(answering(intake.Answer{Kind: intake.ShowForm, Form: &reject}))
	s.done(s.Press(s.w.Theo, ref, bot.ButtonReject))
	s.b.Play(answering(intake.Answer{Kind: intake.Changed}))
	s.done(s.PressAlone(s.w.Theo, "Reject"))
	s.rejected(ref, "")
}

// rejected fails unless the last event was a rejection on that card.
func (s *suite) rejected(ref bot.Ref, reason string) {
	s.Helper()
	e := s.last().Event
	if a := e.Act; a.Kind != intake.ActReject || a.Reason != reason || a.Request != requestID ||
		a.Digest[:min(len(a.Digest), len(short))] != short ||
		a.Card.Message != ref.Message || a.Card.Channel != ref.Channel {
		s.Errorf("the bot was told %+v", a)
	}
}

// form is the form that who has open, which must be like want.
func (s *suite) form(who string, want intake.Form) bottest.Form {
	s.Helper()
	f, ok := s.Form(who)
	if !ok {
		s.Fatalf("%s has no form open, and sees: %s", who, s.told(who))
	}
	title := []rune(f.Title)
	if n := len(title); n == 0 || f.Title != want.Title &&
		(title[n-1] != '…' || string(title[:n-1]) != string([]rune(want.Title)[:n-1])) {
		s.Errorf("the title is %q, of %q", f.Title, want.Title)
	}
	for _, in := range want.Inputs {
		if !contains(f.Text, in.Label) || !contains(f.Text, in.Placeholder) {
			s.Errorf("%q (%s) is not in the form:\n%s", in.Label, in.Placeholder, f.Text)
		}
	}
	return f
}

// approveForm: the number of messages arrives as it was typed, for the bot to judge.
func approveForm(s *suite) {
	if s.Can().NoForms {
		s.Log("there are no forms: the platform asks once more before Approve")
		return
	}
	form := intake.Form{Kind: intake.FormApprove, Title: "Recall 338 messages?", Submit: "Approve", Request: requestID,
		Digest: digest, Inputs: []intake.Input{
			{Name: "count", Label: "Type the number of messages", Placeholder: "338 in @TGS#_2J4SZEAEL", Required: true,
				Max: 20},
		}}
	ref := s.post(fullCard(bot.Proposed, nil))
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.ShowForm, Form: &form}
	}})
	s.done(s.Press(s.w.Theo, ref, bot.ButtonApprove))
	f := s.form(s.w.Theo, form)
	s.b.Play(Script{Answer: func(intake.Event,
		bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Changed}
	}})
	s.done(s.Send(s.w.Theo, f, map[string]string{"count": " 338 "}))
	a := s.last().Event.Act
	if a.Kind != intake.ActApprove || !a.Typed || a.Count != " 338 " || a.Request != requestID ||
		a.Digest[:min(len(a.Digest), len(short))] != short || a.Card.Message != ref.Message {
		s.Errorf("the bot was told %+v", a)
	}
	if s.Can().Confirms {
		s.Log("the platform asks by itself before Approve; a form works as well")
	}
}

// completion: groups are offered from what is known, and nothing is stored for it.
func completion(s *suite) {
	groups := []string{"@TGS#2J4SZEAEL", "@TGS#_@TGS#c"}
	s.b.Play(Script{Answer: func(intake.Event, bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Choices, Groups: []intake.Choice{{Group: groups[0], Name: "Lounge · 2"},
			{Group: groups[1]}}}
	}})
	if !s.Can().Completes {
		s.Log("groups are not completed here")
		return
	}
	got := s.Complete(s.w.Mina, s.w.Channel, "2J4")
	if !slices.Equal(got, groups) {
		s.Errorf("offered %q, want %q", got, groups)
	}
	if e := s.only().Event; e.Act.Kind != intake.ActComplete || e.Act.Text != "2J4" {
		s.Errorf("the bot was told %+v", e.Act)
	}
	if n := len(s.b.Seen()); n != 0 {
		s.Errorf("%d events were stored", n)
	}
}
