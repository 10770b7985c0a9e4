// Package adaptertest says what every chat adapter promises, and tests it: an adapter's own tests
// call [Test] with a [Rig], which is its platform in memory, the adapter at work there with a [Bot]
// of this package behind it, and the people in it.
//
//   - event.go: what people do reaches the bot once, whole, stored before it is acknowledged, and
//     acknowledged in time.
//   - answer.go: every kind of answer is shown as it must be, and a fault never ends in silence.
//   - member.go: who acted, and where.
//   - surface.go: cards, threads, files, and what becomes of a platform's refusals.
//   - fact.go: the same card shows the same facts everywhere, and text that others wrote does
//     nothing.
//
// Every promise runs in a testing/synctest bubble of its own, so open must make everything within
// the bubble and end it in t.Cleanup. What a platform cannot do is said by the Rig and logged;
// nothing is left out silently.
//
// The poorest platform that can be served, in poorest_test.go, passes it as well: so a promise asks
// for nothing that a platform may lack.
//
// Beside the promises stands what the tests of every adapter need: [Start] starts one, [Storing] is
// the real bot, [Findings] writes down what a check found, and load.go measures.
package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recallbot/bot"
	"recallbot/bot/bottest"
	"recallbot/bot/intake"
)

// World names who and what is in the rig. Mina is in the group Mods alone, Theo in Leads alone,
// Nobody in neither. The bot can post in Channel.
type World struct {
	Home               string // workspace or server: the Workspace of a Place
	Team               string // the Workspace of an Account
	Channel            string
	Mods, Leads        string // groups or roles, both named by the policy
	Mina, Theo, Nobody string // users
	MinaName           string // what is shown of Mina
}

// Policy is a policy in which Mods ask and Leads approve, in Channel.
func Policy(p bot.Platform, w World) bot.Policy {
	policy := bot.DefaultPolicy()
	policy.Crowds = map[bot.Platform]bot.Crowd{p: {
		Requesters: []bot.Principal{{Group: w.Mods}}, Approvers: []bot.Principal{{Group: w.Leads}},
		Channels: []string{w.Channel},
	}}
	return policy
}

// Abilities are what platforms differ in. What is not there is logged.
type Abilities struct {
	// Typed: commands are typed options; else they are text.
	Typed bool
	// Confirms: the platform itself asks once more before Approve, so that the press approves; else
	// the press asks for a form.
	Confirms bool
	// KnowsRepeats: a message that is sent again with the same key is not there twice.
	KnowsRepeats bool
	// Completes: groups are offered while they are typed.
	Completes bool
	// CommandsInThreads: commands can be typed in a thread.
	CommandsInThreads bool
	// NoThreads: what follows a card stands in the channel, and answers it.
	NoThreads bool
	// NoForms: what a form asks for is typed, and one that needs nothing typed is two buttons.
	NoForms bool
	// Most is how many characters a message has at most, where a card may not fit into one: it then
	// says by which command one sees it whole, alone. 0: a card fits.
	Most int
	// Phone is what a card that waits is cut to, where the platform cuts it.
	Phone *bot.Phone
	// Checks: who acts is asked of the platform, so events are stored before that is known; else
	// the event says it.
	Checks bool
}

// Typed is a command as a person means it.
type Typed struct {
	Command string // recall or recalls
	Sub     string // of recalls
	Options []Option
}

// Text is what is typed after the command's name, where commands are text.
func (c Typed) Text() string {
	var words []string
	if c.Sub != "" {
		words = append(words, c.Sub)
	}
	for _, o := range c.Options {
		switch {
		case slices.Contains([]string{"group", "seqs", "which", "id"}, o.Name):
			words = append(words, o.Value)
		case strings.Contains(o.Value, " "):
			words = append(words, fmt.Sprintf("%s:%q", o.Name, o.Value))
		default:
			words = append(words, o.Name+":"+o.Value)
		}
	}
	return strings.Join(words, " ")
}

// Option is one option of a command.
type Option struct{ Name, Value string }

// Call is a kind of call that an adapter makes of its platform.
type Call string

// The calls that can be made to fail.
const (
	Posting Call = "post"
	Editing Call = "edit"
)

// Failure is how a call fails.
type Failure string

// The failures. Refused is for what was sent, Busy asks to wait for 20 s, Lost does what was asked
// and loses the answer.
const (
	Gone      Failure = "gone"
	Forbidden Failure = "forbidden"
	Refused   Failure = "refused"
	Busy      Failure = "busy"
	Down      Failure = "down"
	Lost      Failure = "lost"
)

// BusyFor is how long a platform that is Busy asks to wait.
const BusyFor = 20 * time.Second

// Case brings about a trouble: after Set, Who acting in Channel is in it.
type Case struct {
	Who, Channel string
	Set          func()
}

// Rig is a platform in memory, the adapter at work on it, and the people there.
type Rig interface {
	bottest.People

	World() World
	Can() Abilities
	Bot() *Bot
	Surface() bot.Surface

	// Act is what the bot must be told of a command that is typed.
	Act(c Typed) intake.Act
	// PressForged presses a button of a card that says what it likes.
	PressForged(who string, card bot.Ref, b bot.ButtonKind, request, digest string) bottest.Deed

	// Fail makes the next n calls of a kind fail.
	Fail(c Call, f Failure, n int)
	// Blind makes the platform silent about who acts; false where the event itself says it.
	Blind() bool
	// Troubles are the troubles that can be brought about; Lacks says of each other one why it
	// cannot be met.
	Troubles() map[bot.Trouble]Case
	Lacks() map[bot.Trouble]string
	// Restart ends the adapter and starts another on the same bot and platform.
	Restart()
}

// Adapter is an adapter as whoever starts it sees it.
type Adapter interface {
	Run(ctx context.Context) error
	Ready() error
}

// Start runs an adapter and returns when it is ready and, where there is not nil, the platform has
// what there looks for. stop ends it, once.
func Start(t testing.TB, a Adapter, there func() bool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for range 1000 {
		if a.Ready() == nil && (there == nil || there()) {
			return stop
		}
		time.Sleep(50 * time.Millisecond)
	}
	why := a.Ready()
	stop()
	t.Fatalf("the adapter is not ready: %v", why)
	return nil
}

// Test runs every promise against what open makes.
func Test(t *testing.T, open func(t *testing.T) Rig) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &suite{T: t, Rig: open(t)}
				s.w, s.b = s.World(), s.Bot()
				p.test(s)
				s.settle()
				for _, c := range s.Complaints() {
					t.Errorf("the platform complains: %s", c)
				}
			})
		})
	}
}

// suite is one promise being tested.
type suite struct {
	*testing.T
	Rig
	w World
	b *Bot
	d bottest.Deed // the last one
}

// Type types a command.
func (s *suite) Type(who, channel string, c Typed) bottest.Deed {
	s.d = s.Rig.Type(who, channel, strings.TrimSpace("/"+c.Command+" "+c.Text()))
	return s.d
}

// Press presses a button of a card as it is shown.
func (s *suite) Press(who string, card bot.Ref, b bot.ButtonKind) bottest.Deed {
	s.d = s.Rig.Press(who, card, bottest.Labels[string(b)])
	return s.d
}

// notified are the ids of those whom messages have called for, in order.
func (s *suite) notified() (ids []string) {
	for _, p := range s.Notified() {
		ids = append(ids, p.Who)
	}
	return ids
}

// notes are the messages in the thread of a card; a file alone is none.
func (s *suite) notes(card bot.Ref) []bottest.Shown {
	return slices.DeleteFunc(s.Thread(card), func(m bottest.Shown) bool { return m.Text == "" && len(m.Files) > 0 })
}

// files are the files in the thread of a card.
func (s *suite) files(card bot.Ref) (list []bot.File) {
	for _, m := range s.Thread(card) {
		list = append(list, m.Files...)
	}
	return list
}

// promises are all promises, by the name of their subtest.
var promises = []struct {
	name string
	test func(s *suite)
}{
	{"stored before acknowledged", storedFirst},
	{"acknowledged in time when the check is slow", slowCheck},
	{"acknowledged in time when the store hangs", slowStore},
	{"the same event twice", twice},
	{"the same press twice", pressTwice},
	{"command", typed},
	{"command without options", bareCommand},
	{"press of every button", presses},
	{"press after a restart", restarted},
	{"events left over", leftOver},
	{"forged press", forged},
	{"forms", forms},
	{"approval by form", approveForm},
	{"completion", completion},

	{"whisper", whisper},
	{"accepted", accepted},
	{"offers", offers},
	{"changed", changed},
	{"stale", stale},
	{"card alone", cardAlone},
	{"page", page},
	{"find and recall", found},
	{"offered commands", offered},
	{"fault of the bot", fault},
	{"store refuses", storeFails},
	{"panic", panics},
	{"platform does not say who acts", blind},

	{"member", member},
	{"troubles", troubles},
	{"place", place},
	{"thread as a place", threadPlace},

	{"post and edit", postAndEdit},
	{"same key twice", sameKey},
	{"answer lost", answerLost},
	{"thread", thread},
	{"reminder", reminder},
	{"mention once", mentionOnce},
	{"file", file},
	{"long note", longNote},
	{"gone, forbidden, busy", refusals},
	{"told alone", toldAlone},

	{"facts", facts},
	{"states", states},
	{"long card", longCard},
	{"hostile text", hostileText},
	{"no content in notifications", notices},
}

// settle lets everything that follows happen, as far as it does within a second.
func (s *suite) settle() { s.wait(time.Second) }

func (s *suite) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// done waits until a deed has had its effect, and fails unless it was acknowledged in time.
func (s *suite) done(d bottest.Deed) {
	s.Helper()
	s.settle()
	if p := d.Problem(); p != "" {
		s.Fatalf("the person was told: %s", p)
	}
	if !d.Acked() || d.AckedAfter() > 3*time.Second {
		s.Fatalf("acknowledged: %v, after %v", d.Acked(), d.AckedAfter())
	}
}

// only is the one event that the bot was asked to handle.
func (s *suite) only() Did {
	s.Helper()
	all := s.b.Did()
	if len(all) != 1 {
		s.Fatalf("the bot acted %d times, want once", len(all))
	}
	return all[0]
}

// last is the event that the bot handled last.
func (s *suite) last() Did {
	s.Helper()
	all := s.b.Did()
	if len(all) == 0 {
		s.Fatal("the bot was not asked")
	}
	return all[len(all)-1]
}

// told is everything that who alone sees, as one text.
func (s *suite) told(who string) string {
	var texts []string
	for _, m := range s.Alone(who) {
		texts = append(texts, m.Text)
	}
	return strings.Join(texts, "\n")
}

// newest returns the last message that only who was shown.
func (s *suite) newest(who string) bottest.Shown {
	s.Helper()
	alone := s.Alone(who)
	if len(alone) == 0 {
		s.Fatalf("nothing is shown to %s", who)
	}
	return alone[len(alone)-1]
}

// wantRead fails unless who reads text.
func (s *suite) wantRead(who, text string) {
	s.Helper()
	if got := s.told(who); !contains(got, text) {
		s.Errorf("%s reads %q, want %q", who, got, text)
	}
}

// wantTold fails unless who, and nobody else, reads text.
func (s *suite) wantTold(who, text string) {
	s.Helper()
	s.wantRead(who, text)
	for _, other := range []string{s.w.Mina, s.w.Theo, s.w.Nobody} {
		if other != who && contains(s.told(other), text) {
			s.Errorf("%s reads what is for %s alone", other, who)
		}
	}
	for _, m := range s.Channel(s.w.Channel) {
		if contains(m.Text, text) {
			s.Errorf("everybody reads what is for %s alone: %s", who, m.Text)
		}
	}
}

// place is the channel in which the bot works.
func (s *suite) place() bot.Place {
	return bot.Place{Platform: s.Surface().Platform(), Workspace: s.w.Home, Channel: s.w.Channel}
}

// post puts up a card.
func (s *suite) post(c bot.Card) bot.Ref {
	s.Helper()
	return s.posted(c, string(c.ID)+" card")
}

// posted posts a card under a key, as the teller does: where the platform announces what a new
// message says, the messages come by an edit.
func (s *suite) posted(c bot.Card, key string) bot.Ref {
	s.Helper()
	ref, err := s.Surface().Post(s.Context(), s.place(), c, key)
	if err != nil {
		s.Fatalf("Post: %v", err)
	}
	if s.Surface().Platform().Traits().Announces {
		if err := s.Surface().Edit(s.Context(), ref, c); err != nil {
			s.Fatalf("Edit: %v", err)
		}
	}
	return ref
}

// look is what a card shows.
func (s *suite) look(ref bot.Ref) bottest.Shown {
	s.Helper()
	m, ok := s.Look(ref)
	if !ok {
		s.Fatal("the message is gone")
	}
	return m
}

func (s *suite) account(user string) bot.Account {
	return bot.Account{Platform: s.Surface().Platform(), Workspace: s.w.Team, User: user}
}

// contains compares texts without regard to how their white space is laid out, and to the frames in
// which a drawing puts code.
func contains(text, want string) bool { return strings.Contains(plain(text), plain(want)) }

func plain(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("‹", "", "›", "").Replace(s)), " ")
}

func words(text string) bot.Line { return bot.Line{{Kind: bot.Words, Text: text}} }

// whispering answers every event with words.
func whispering(text string) func(intake.Event, bot.Member) intake.Answer {
	return func(intake.Event, bot.Member) intake.Answer {
		return intake.Answer{Kind: intake.Whisper, Lines: []bot.Line{words(text)}}
	}
}
