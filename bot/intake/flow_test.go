package intake_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/intake"
)

// doer is a bot that answers as it is told.
type doer struct {
	note  func() (first bool, answer *intake.Answer, err error)
	do    func() (intake.Answer, error)
	long  bool
	noted int
}

func (d *doer) Receive(context.Context, intake.Event) (bool, *intake.Answer, error) {
	d.noted++
	if d.note == nil {
		return true, nil, nil
	}
	return d.note()
}

func (d *doer) Do(context.Context, intake.Event, bot.Member) (intake.Answer, error) { return d.do() }

func (d *doer) GiveUp(context.Context, intake.Event) (intake.Answer, error) {
	return said("given up"), nil
}

func (d *doer) Unfinished(context.Context, bot.Platform) iter.Seq2[intake.Unfinished, error] {
	return func(func(intake.Unfinished, error) bool) {}
}

func (d *doer) TakesLong(intake.Event) bool { return d.long }

func (d *doer) Shared() bool { return true }

func said(words string) intake.Answer {
	return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{{{Kind: bot.Words, Text: words}}}}
}

// delivery writes down what becomes of it.
type delivery struct {
	known    bool
	patience time.Duration
	who      error // why the platform does not say who acts
	panics   int   // how often Acknowledge panics before it has sent anything
	log      []string
}

func (d *delivery) Event() intake.Event     { return intake.Event{ID: "e1"}.Read() }
func (d *delivery) Known() bool             { return d.known }
func (d *delivery) Patience() time.Duration { return d.patience }
func (d *delivery) Linger()                 { d.log = append(d.log, "lingered") }

func (d *delivery) Member(context.Context) (bot.Member, bot.Place, error) {
	return bot.Member{}, bot.Place{}, d.who
}

func (d *delivery) Acknowledge(answer *intake.Answer) bool {
	if d.panics--; d.panics >= 0 {
		panic("a card that cannot be drawn")
	}
	what := "acknowledged"
	if answer != nil {
		what += ": " + first(*answer)
	}
	d.log = append(d.log, what)
	return answer != nil
}

func (d *delivery) Say(context.Context, bot.Line) error { return nil }

func (d *delivery) Answer(_ context.Context, answer intake.Answer) error {
	d.log = append(d.log, "answered: "+first(answer))
	return nil
}

func first(a intake.Answer) string {
	for _, open := range []bool{false, true} {
		var err error = errors.New("x")
		if open {
			err = &bot.Unsure{Err: err}
		}
		if a.Lines[0].String() == intake.Fault("e1", err).Lines[0].String() {
			return map[bool]string{false: "a fault", true: "a fault, perhaps done"}[open]
		}
	}
	return a.Lines[0].String()
}

// TestFlow: whatever happens on its way, an event is acknowledged exactly once, and its person gets
// exactly one answer, unless another delivery of it gives that.
func TestFlow(t *testing.T) {
	fails := errors.New("the disk is full")
	prior := said("the first answer")
	after := func(d time.Duration) func() (intake.Answer, error) {
		return func() (intake.Answer, error) { time.Sleep(d); return said("done"), nil }
	}
	for name, tt := range map[string]struct {
		bot  doer
		d    delivery
		want []string
		note int
	}{
		"known": {doer{do: after(0)}, delivery{known: true}, []string{"acknowledged: done"}, 0},
		"known, and takes long": {doer{do: after(time.Second), long: true}, delivery{known: true},
			[]string{"acknowledged", "lingered", "answered: done"}, 1},
		"known, and fails": {doer{do: func() (intake.Answer, error) { return intake.Answer{}, fails }},
			delivery{known: true}, []string{"acknowledged: a fault"}, 0},
		"known, and panics": {doer{do: func() (intake.Answer, error) { panic("a bug") }}, delivery{known: true},
			[]string{"acknowledged: a fault, perhaps done"}, 0},
		"cannot be drawn": {doer{do: after(0)}, delivery{known: true, panics: 1},
			[]string{"acknowledged: a fault, perhaps done"}, 0},
		"checked": {doer{do: after(0)}, delivery{}, []string{"acknowledged", "answered: done"}, 1},
		"checked, with patience": {doer{do: after(time.Second)}, delivery{patience: 2 * time.Second},
			[]string{"acknowledged: done"}, 1},
		"checked, beyond patience": {doer{do: after(2500 * time.Millisecond)}, delivery{patience: time.Second},
			[]string{"acknowledged", "lingered", "answered: done"}, 1},
		"nobody says who acts": {doer{}, delivery{who: fails}, []string{"acknowledged", "answered: given up"}, 1},
		"not stored": {doer{note: func() (bool, *intake.Answer, error) { return false, nil, fails }}, delivery{},
			[]string{"acknowledged: a fault"}, 1},
		"perhaps stored": {doer{note: func() (bool, *intake.Answer, error) {
			return false, nil, &bot.Unsure{Err: fails}
		}}, delivery{}, []string{"acknowledged: a fault, perhaps done"}, 1},
		"stored, and fails": {doer{do: func() (intake.Answer, error) { return intake.Answer{}, fails }}, delivery{},
			[]string{"acknowledged", "lingered", "answered: a fault, perhaps done"}, 1},
		"stored, and panics": {doer{do: func() (intake.Answer, error) { panic("a bug") }}, delivery{},
			[]string{"acknowledged", "answered: a fault, perhaps done"}, 1},
		"again, while it is being done": {doer{note: func() (bool, *intake.Answer, error) { return false, nil, nil }},
			delivery{}, []string{"acknowledged"}, 1},
		"again": {doer{note: func() (bool, *intake.Answer, error) { return false, &prior, nil }}, delivery{},
			[]string{"acknowledged: the first answer"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				acked := 0
				f := intake.NewFlow("here", &tt.bot, nil, func(time.Duration) { acked++ },
					slog.New(slog.DiscardHandler))
				if !f.Begin(func() { f.Handle(&tt.d, time.Now()) }) {
					t.Fatal("not begun")
				}
				f.Stop()
				if f.Begin(func() { t.Error("begun after Stop") }) {
					t.Error("Begin after Stop reports true")
				}
				f.Cancel()
				if !slices.Equal(tt.d.log, tt.want) || tt.bot.noted != tt.note {
					t.Errorf("%q, stored first: %d, want %q, %d", tt.d.log, tt.bot.noted, tt.want, tt.note)
				}
				if acked != 1 {
					t.Errorf("told of %d acknowledgements", acked)
				}
			})
		})
	}
}
