package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"recallbot/adapters/discord"
	"recallbot/adapters/slack"
	"recallbot/bot"
	"recallbot/recall/recalltest"
)

// demoWithin is how long the demo may take.
const demoWithin = 10 * time.Second

// lookFor is how long the second call of each story takes: until the card, which is edited every
// three seconds at most, tells how far it is.
const lookFor = 3400 * time.Millisecond

// Demo plays the whole flow on both platforms and prints it as the people in it see it: somebody
// asks, cannot approve it alone, somebody else does, and every message gets its outcome, one that
// the Chat service refuses and some whose answer is lost among them.
//
// The services listen on 127.0.0.1, the ledger is a file in a temporary folder, and the bot is the
// real one. Nothing leaves the machine and nothing is left behind. What is printed is checked: Demo
// returns an error that says what is wrong, and when it takes more than ten seconds.
func Demo(ctx context.Context, out io.Writer) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, demoWithin, fmt.Errorf("it took more than %v", demoWithin))
	defer cancel()
	s, err := New(Options{Loopback: true, Quota: 5})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() {
		if e := s.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("demo: at the end: %w", e))
		}
		if err == nil && time.Since(began) > demoWithin {
			err = fmt.Errorf("demo: it took %v, more than %v", time.Since(began).Round(time.Millisecond), demoWithin)
		}
		if err == nil {
			fmt.Fprintf(out,
				"\nAll of it was checked and holds. It took %.1f s. Nothing left this machine, and nothing is left on it.\n", time.Since(began).Seconds())
		}
	}()
	for i := range 20 {
		s.say("mallory", fmt.Sprintf("Win a phone! Ticket %d at prize.example", i+1), time.Now().Add(-time.Minute))
	}
	stories := []*story{
		{s: s, on: slack.ID, name: "Slack", from: 100, fails: 101},
		{s: s, on: discord.ID, name: "Discord", from: 112, fails: 113},
	}

	// Of the two calls of each story the second loses its answer, after a while in which people see
	// how far it is.
	refused := recalltest.PerMessage(10030, stories[0].fails, stories[1].fails)
	for range stories {
		s.chat.Inject(recalltest.Recall, 1, refused)
		s.chat.Inject(recalltest.Recall, 1, refused, recalltest.ResetAfter(), recalltest.Delay(lookFor))
	}
	s.chat.Inject(recalltest.Recall, -1, refused)

	fmt.Fprintf(out,
		"recallbot demo. Slack, Discord and the Chat service run in this process, on 127.0.0.1; the bot on them is the real one.\n"+
			"A flood of scam runs through the group %s. Mina sees it; Theo may approve.\n", Group)
	var turn sync.Mutex
	var playing sync.WaitGroup
	for _, st := range stories {
		playing.Go(func() { st.err = st.play(ctx, &turn) })
	}
	playing.Wait()
	for _, st := range stories {
		if _, e := st.text.WriteTo(out); e != nil {
			return fmt.Errorf("demo: %w", e)
		}
		if st.err != nil {
			err = errors.Join(err, fmt.Errorf("demo: on %s: %w", st.name, st.err))
		}
	}
	if err != nil {
		return err
	}
	if err := s.demoRecalled(stories); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// demoRecalled checks what the Chat service did: every message that was asked for is recalled but
// those that it refused, and no other.
func (s *Sandbox) demoRecalled(stories []*story) error {
	var want []recalltest.Seq
	for _, st := range stories {
		for i := range recalltest.Seq(demoMessages) {
			if seq := st.from + i; seq != st.fails {
				want = append(want, seq)
			}
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

// demoMessages are asked for in each story: more than go in one call.
const demoMessages = 12

// story is the demo on one platform.
type story struct {
	s     *Sandbox
	on    bot.Platform
	name  string
	from  recalltest.Seq // the first of demoMessages
	fails recalltest.Seq // refused by the Chat service

	text bytes.Buffer
	err  error
	id   string
}

func (st *story) tell(format string, args ...any) { fmt.Fprintf(&st.text, format+"\n", args...) }

// picture prints what is seen, indented.
func (st *story) picture(p string) {
	for line := range strings.Lines(p) {
		st.text.WriteString("    " + line)
	}
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

// shown waits until the card of the story holds all the words, prints it, and returns it.
func (st *story) shown(ctx context.Context, words ...string) error {
	var card string
	err := until(ctx, fmt.Sprintf("the card says %q", words), func() (bool, error) {
		var err error
		card, err = st.s.sides[st.on].card(st.id)
		return err == nil && holds(card, words), err
	})
	if err != nil {
		return fmt.Errorf("%w; the card is\n%s", err, card)
	}
	st.picture(card)
	return nil
}

// progress waits until the card tells how far it is, and prints it. On a machine that is very slow
// it may be over before.
func (st *story) progress(ctx context.Context) error {
	var card string
	over := false
	err := until(ctx, "the card tells how far it is", func() (bool, error) {
		var err error
		card, err = st.s.sides[st.on].card(st.id)
		over = holds(card, []string{"done, approved by"})
		return err == nil && (over || holds(card, []string{"recalling, approved by",
			"10 of 12; 9 recalled, 1 not found", "Stop"})), err
	})
	if err != nil {
		return fmt.Errorf("%w; the card is\n%s", err, card)
	}
	if over {
		st.tell("    (it was over before anybody could look)")
		return nil
	}
	st.picture(card)
	return nil
}

// heard waits until somebody alone has been told all the words, and prints it.
func (st *story) heard(ctx context.Context, who string, words ...string) error {
	var all string
	err := until(ctx, fmt.Sprintf("%s is told %q", title(who), words), func() (bool, error) {
		heard, err := st.s.sides[st.on].whispers(who)
		all += strings.Join(heard, "")
		return holds(all, words), err
	})
	if err != nil {
		return fmt.Errorf("%w; %s was told\n%s", err, title(who), all)
	}
	st.picture(all)
	return nil
}

func holds(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// play tells the story. turn is held by the story whose calls meet the faults meant for them.
func (st *story) play(ctx context.Context, turn *sync.Mutex) error {
	side := st.s.sides[st.on]
	st.tell("\n━━━━ %s, #trust ━━━━", st.name)

	line := fmt.Sprintf("/recall %s %d-%d reason:scam", Group, st.from, st.from+demoMessages-1)
	st.tell("\nMina types: %s\nOnly Mina sees:", line)
	if err := side.write("mina", line); err != nil {
		return err
	}
	if err := until(ctx, "the request is there", func() (bool, error) { return st.asked() }); err != nil {
		return err
	}
	if err := st.heard(ctx, "mina", st.id, "The card follows"); err != nil {
		return err
	}
	st.tell("\nEverybody sees:")
	if err := st.shown(ctx, "waiting for 1 more person to approve", "Approve", "Reject", "showing 6 of 12",
		"scam"); err != nil {
		return err
	}

	st.tell("\nMina presses Approve. Only Mina sees:")
	if err := side.press("mina", "approve", st.id, nil, true); err != nil {
		return err
	}
	if err := st.heard(ctx, "mina", "someone else has to approve"); err != nil {
		return err
	}
	if n := len(st.s.demoCalls(st)); n != 0 {
		return fmt.Errorf("%d recalls were called for before anybody approved", n)
	}

	turn.Lock()
	st.tell("\nTheo presses Approve%s. While it runs, everybody sees:", map[bot.Platform]string{
		slack.ID:   ", and again in the question that appears",
		discord.ID: fmt.Sprintf(", and types %d into the form that appears", demoMessages),
	}[st.on])
	err := side.press("theo", "approve", st.id, nil, true)
	if err == nil {
		err = until(ctx, "both calls are on their way",
			func() (bool, error) { return len(st.s.demoCalls(st)) >= 2, nil })
	}
	turn.Unlock()
	if err != nil {
		return err
	}
	if err := st.progress(ctx); err != nil {
		return err
	}

	st.tell(
		"\nOne message is not found by the service, and one answer is lost on the way: what became of its messages is found out by reading. In the thread:")
	var thread string
	err = until(ctx, "the thread holds the receipt", func() (bool, error) {
		var err error
		thread, err = side.thread(st.id)
		return strings.Contains(thread, "Receipt"), err
	})
	if err != nil {
		return err
	}
	st.picture(thread)
	if err := st.thread(thread); err != nil {
		return fmt.Errorf("%w; the thread is\n%s", err, thread)
	}
	st.tell("\nIn the end everybody sees:")
	if err := st.shown(ctx, "done, approved by", "12 of 12", "11 recalled", "1 not found"); err != nil {
		return err
	}
	want := []ping{{leads, false}, {"mina", true}}
	if got := side.pinged(); !slices.Equal(got, want) {
		return fmt.Errorf("pinged were %v, not %v", got, want)
	}
	st.tell("\nPinged were, in all: %v, %v.", want[0], want[1])
	return nil
}

// asked finds the story's request.
func (st *story) asked() (bool, error) {
	err := st.s.view(func(tx bot.Tx) error {
		all, err := tx.Requests(bot.Query{})
		for _, r := range all {
			if r.Place.Platform == st.on {
				st.id = string(r.ID)
			}
		}
		return err
	})
	return st.id != "", err
}

// demoCalls are the recalls that were called for in a story.
func (s *Sandbox) demoCalls(st *story) []recalltest.Call {
	return slices.DeleteFunc(s.chat.Log(), func(c recalltest.Call) bool {
		return c.Command != recalltest.Recall || !slices.ContainsFunc(c.Seqs, func(seq recalltest.Seq) bool {
			return seq >= st.from && seq < st.from+demoMessages
		})
	})
}

// thread checks that every message has its line, and that the receipt adds up.
func (st *story) thread(text string) error {
	verified := 0
	for i := range recalltest.Seq(demoMessages) {
		seq := st.from + i
		said := ""
		for line := range strings.Lines(text) {
			line = strings.NewReplacer("`", "", "‹", "", "›", "").Replace(line)
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("│ %d: ", seq)); ok {
				said = strings.TrimSpace(rest)
			}
		}
		switch {
		case seq == st.fails && said == "not found (10030)":
		case seq != st.fails && said == "recalled":
		case seq != st.fails && strings.HasPrefix(said, "recalled (answer lost, verified"):
			verified++
		default:
			return fmt.Errorf("of message %d it says %q", seq, said)
		}
	}
	sum := "12 messages were requested = 11 recalled + 0 already recalled + 1 not found + 0 refused + 0 not sent + 0 unknown"
	switch {
	case verified == 0:
		return errors.New("no lost answer was found out")
	case strings.Count(text, "Receipt") != 1 || !strings.Contains(text, sum):
		return fmt.Errorf("it lacks one receipt with the sum %q", sum)
	}
	return nil
}
