package sandbox

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"recallbot/adapters"
	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/recall/recalltest"
)

// storyWithin is how long the demo may take on a platform.
const storyWithin = 10 * time.Second

// lookFor is how long the second call of a story takes: until the card, which is edited every three
// seconds at most, tells how far it is.
const lookFor = 3400 * time.Millisecond

// Demo adds the flags of the demo: which platforms it plays on, the first one without any. Once
// they are parsed, play plays the whole flow and prints it, as it happens, as the people in it see
// it: somebody asks, cannot approve it alone, somebody else does, and every message gets its
// outcome, one that the Chat service refuses and some whose answer is lost among them.
//
// The services listen on 127.0.0.1, the ledger is a file in a temporary folder, and the bot is the
// real one. Nothing leaves the machine and nothing is left behind. What is printed is checked: play
// returns an error that says what is wrong, and when a platform takes more than ten seconds. On a
// terminal it is printed in colour.
func Demo(flags *flag.FlagSet) (play func(ctx context.Context, out io.Writer) error) {
	all := flags.Bool("both", false, "on every platform, one after the other")
	first := adapters.Platforms[0]
	on := map[bot.Platform]*bool{first.ID: new(bool)}
	for _, p := range adapters.Platforms[1:] {
		on[p.ID] = flags.Bool(string(p.ID), false, "on "+p.ID.Traits().Name+", in place of "+first.ID.Traits().Name)
	}
	return func(ctx context.Context, out io.Writer) error {
		began := time.Now()
		*on[first.ID] = true
		for _, p := range adapters.Platforms[1:] {
			if *on[p.ID] {
				*on[first.ID] = false
			}
		}
		for _, p := range adapters.Platforms {
			if !*on[p.ID] && !*all {
				continue
			}
			if err := playOn(ctx, p.ID, out); err != nil {
				return fmt.Errorf("demo: on %s: %w", p.ID.Traits().Name, err)
			}
		}
		_, err := fmt.Fprintf(out,
			"\nAll of it was checked and holds. It took %.1f s. Nothing left this machine, and nothing is left on it.\n",
			time.Since(began).Seconds())
		return err
	}
}

// playOn tells the story on one platform, in a world of its own.
func playOn(ctx context.Context, on bot.Platform, out io.Writer) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, storyWithin, fmt.Errorf("it took more than %v", storyWithin))
	defer cancel()
	s, err := New(Options{Platforms: []bot.Platform{on}, Loopback: true, Quota: 5})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("at the end: %w", e))
		}
		if err == nil && time.Since(began) > storyWithin {
			err = fmt.Errorf("it took %v, more than %v", time.Since(began).Round(time.Millisecond), storyWithin)
		}
	}()
	for i := range demoMessages {
		s.say("mallory", fmt.Sprintf("Win a phone! Ticket %d at prize.example", i+1), time.Now().Add(-time.Minute))
	}
	// Of the two calls the second loses its answer, after a while in which people see how far it
	// is.
	refused := recalltest.PerMessage(10030, demoFails)
	s.chat.Inject(recalltest.Recall, 1, refused)
	s.chat.Inject(recalltest.Recall, 1, refused, recalltest.ResetAfter(), recalltest.Delay(lookFor))
	s.chat.Inject(recalltest.Recall, -1, refused)
	st := &story{s: s, side: s.sides[on], name: on.Traits().Name, out: out, colour: terminal(out)}
	if err := st.play(ctx); err != nil {
		return err
	}
	return s.demoRecalled()
}

// terminal reports whether out is one that shows colours.
func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// demoRecalled checks what the Chat service did: every message that was asked for is recalled but
// the one that it refused, and no other.
func (s *Sandbox) demoRecalled() error {
	var want []recalltest.Seq
	for i := range recalltest.Seq(demoMessages) {
		if seq := demoFrom + i; seq != demoFails {
			want = append(want, seq)
		}
	}
	if got := s.chat.RecalledSeqs(Group, ""); !slices.Equal(got, want) {
		return fmt.Errorf("the Chat service recalled %v, not %v", got, want)
	}
	if n := s.chat.MostInAnySecond(recalltest.Recall); n > s.o.Quota {
		return fmt.Errorf("%d calls in one second, more than %d", n, s.o.Quota)
	}
	return nil
}

// demoMessages are asked for: more than go in one call. The first of them, demoFrom, comes after
// the messages that the group has from the start. The Chat service refuses demoFails.
const (
	demoMessages = 12
	demoFrom     = 104
	demoFails    = demoFrom + 1
)

// story is the demo on one platform.
type story struct {
	s      *Sandbox
	side   *side
	name   string
	out    io.Writer
	colour bool
	id     string
}

func (st *story) tell(format string, args ...any) error {
	_, err := fmt.Fprintf(st.out, format+"\n", args...)
	return err
}

// picture prints what is seen, indented.
func (st *story) picture(shown ...bottest.Shown) error {
	for _, m := range shown {
		text, err := plain(m.HTML(""), st.colour)
		if err != nil {
			return fmt.Errorf("draw a message: %w", err)
		}
		for _, f := range m.Files {
			text += excerpt(f.Body)
		}
		if err := st.tell("%s", "    "+strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")); err != nil {
			return err
		}
	}
	return nil
}

// until waits for what must happen soon.
func until(ctx context.Context, what string, happened func() (bool, error)) error {
	for {
		ok, err := happened()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx)), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// shown waits until the card of the story is so, and prints it.
func (st *story) shown(ctx context.Context, what string, so func(picture string) bool) error {
	var card bottest.Shown
	err := until(ctx, "the card "+what, func() (bool, error) {
		var err error
		card, err = st.side.find(st.id)
		return err == nil && so(card.Picture), err
	})
	if err != nil {
		return fmt.Errorf("%w; the card is\n%s", err, card.Picture)
	}
	return st.picture(card)
}

// says waits until the card holds all the words, and prints it.
func (st *story) says(ctx context.Context, words ...string) error {
	return st.shown(ctx, fmt.Sprintf("says %q", words), func(card string) bool { return holds(card, words) })
}

// heard waits until somebody alone has been told all the words, and prints it.
func (st *story) heard(ctx context.Context, who string, words ...string) error {
	user, err := st.side.account(who)
	if err != nil {
		return err
	}
	var all string
	var shown []bottest.Shown
	err = until(ctx, fmt.Sprintf("%s is told %q", title(who), words), func() (bool, error) {
		for _, m := range st.side.hears(user) {
			all, shown = all+m.Picture, append(shown, m)
		}
		return holds(all, words), nil
	})
	if err != nil {
		return fmt.Errorf("%w; %s was told\n%s", err, title(who), all)
	}
	return st.picture(shown...)
}

func holds(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// play tells the story.
func (st *story) play(ctx context.Context) error {
	line := fmt.Sprintf("/recall %s %d-%d reason:scam", Group, demoFrom, demoFrom+demoMessages-1)
	confirms := fmt.Sprintf("types %d into the form that appears", demoMessages)
	if st.side.FormsFollow() { // the platform itself asks
		confirms = "again in the question that appears"
	}
	for _, step := range []struct {
		says string
		do   func() error
	}{
		{fmt.Sprintf("━━━━ %s, #trust ━━━━\n"+
			"%s and the Chat service run in this process, on 127.0.0.1; the bot on them is the real one.\n"+
			"A flood of scam runs through the group %s. Mina sees it; Theo may approve.\n\n"+
			"Mina types: %s\nOnly Mina sees:", st.name, st.name, Group, line), func() error {
			if err := st.side.write("mina", line); err != nil {
				return err
			}
			if err := until(ctx, "the request is there", st.asked); err != nil {
				return err
			}
			return st.heard(ctx, "mina", st.id, "the card is posted")
		}},
		{"Everybody sees:", func() error {
			return st.says(ctx, "Recall 12 messages", "1 more person must approve", "Approve", "Reject", "12 ×", "scam")
		}},
		{"Mina presses Approve. Only Mina sees:", func() error {
			if err := st.side.press("mina", "approve", st.id, nil, true); err != nil {
				return err
			}
			if err := st.heard(ctx, "mina", "someone else has to approve"); err != nil {
				return err
			}
			if n := st.s.chat.Calls(recalltest.Recall); n != 0 {
				return fmt.Errorf("%d recalls were called for before anybody approved", n)
			}
			return nil
		}},
		{fmt.Sprintf("Theo presses Approve, and %s. While it runs, everybody sees:", confirms), func() error {
			if err := st.side.press("theo", "approve", st.id, nil, true); err != nil {
				return err
			}
			return st.shown(ctx, "tells how far it is", func(card string) bool {
				return holds(card, []string{"Recalling in", "10 of 12", "Approved by", "Stop"}) ||
					holds(card, []string{"All 12 messages", "Approved by"}) // before anybody could look
			})
		}},
		{"One message is not found by the service, and one answer is lost on the way:\n" +
			"what became of its messages is found out by reading. In the thread:", func() error { return st.thread(ctx) }},
		{"In the end everybody sees:", func() error {
			return st.says(ctx, "✅ All 12 messages in", "are gone: 11 recalled, 1 was gone before", "Approved by")
		}},
	} {
		if err := errors.Join(st.tell("\n%s", step.says), step.do()); err != nil {
			return err
		}
	}
	want := []ping{{leads, false}, {"mina", true}}
	if got := st.side.pinged(); !slices.Equal(got, want) {
		return fmt.Errorf("pinged were %v, not %v", got, want)
	}
	return st.tell("\nPinged were, in all: %v, %v.", want[0], want[1])
}

// asked finds the story's request.
func (st *story) asked() (bool, error) {
	ids, err := st.s.Requests()
	if err == nil && len(ids) > 0 {
		st.id = ids[0]
	}
	return st.id != "", err
}

// thread waits for the receipt, prints the thread, and checks that every message has its line and
// that the receipt adds up.
func (st *story) thread(ctx context.Context) error {
	var text string
	var shown []bottest.Shown
	err := until(ctx, "the thread holds the receipt", func() (bool, error) {
		card, err := st.side.find(st.id)
		if err != nil {
			return false, err
		}
		text, shown = "", st.side.Thread(card.Ref)
		for _, m := range shown {
			text += m.Picture
		}
		return strings.Contains(text, "Receipt 1 for"), nil
	})
	if err == nil {
		err = errors.Join(st.picture(shown...), addsUp(text))
	}
	if err != nil {
		return fmt.Errorf("%w; the thread is\n%s", err, text)
	}
	return nil
}

// addsUp checks what the thread says.
func addsUp(text string) error {
	verified := 0
	for i := range recalltest.Seq(demoMessages) {
		seq := demoFrom + i
		said := ""
		for line := range strings.Lines(text) {
			line = strings.NewReplacer("`", "", "‹", "", "›", "").Replace(line)
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("│ %d: ", seq)); ok {
				said = strings.TrimSpace(rest)
			}
		}
		switch {
		case seq == demoFails && said == "not found (10030)":
		case seq != demoFails && said == "recalled":
		case seq != demoFails && strings.HasPrefix(said, "recalled (answer lost, verified"):
			verified++
		default:
			return fmt.Errorf("of message %d it says %q", seq, said)
		}
	}
	sum := "12 messages were requested = 11 recalled + 1 not found"
	switch {
	case verified == 0:
		return errors.New("no lost answer was found out")
	case strings.Count(text, "Receipt") != 1 || !strings.Contains(text, sum):
		return fmt.Errorf("it lacks one receipt with the sum %q", sum)
	}
	return nil
}
